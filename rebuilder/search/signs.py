"""What a rebuild shows, told so that a search can go by it: one ``Sign`` for each cause of a difference. Pure.

Every text in it came out of an artifact or a build log, and is hostile: who makes a setting of it checks it first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from rebuilder.findings import ArtifactExplanation, Cause, Difference, DifferenceClass, Finding

#: Distinct values kept of one sign, twice so many at most, and members named of it.
MAX_SEEN, MAX_MEMBERS = 64, 5
#: Signs that are no cause of the catalogue: bytes that no rule had a word for, and a file that was not made.
CONTENT: Final = "content"
GENERATED: Final = "generated"
FIELDS: Final = "fields"
NOT_MADE: Final = "not-made"
#: Published content that no commit has: nothing is tried against it.
FOREIGN: Final = "foreign"
#: What a build failed of, where its log says so.
FAILS_PYTHON: Final = "fails-python"
FAILS_INSTALL: Final = "fails-install"
FAILS_VERSION: Final = "fails-version"
FAILS: Final = "fails"
OWN: Final = frozenset(
    {CONTENT, GENERATED, FIELDS, NOT_MADE, FOREIGN, FAILS_PYTHON, FAILS_INSTALL, FAILS_VERSION, FAILS}
)
#: Causes that only pass on what another one did.
PASSED_ON: Final = frozenset({"wheel-record", "md5sums"})
_SCALAR = frozenset({DifferenceClass.METADATA, DifferenceClass.COMPRESSION, DifferenceClass.ORDER})
#: What a backend writes itself, whatever it packs. A folder of a tar is made while it is packed.
_MADE = re.compile(r"(?:\.(?:dist|egg)-info/|(?:^|/)PKG-INFO$|^[^/]+/setup\.cfg$|/$)")
_WRITTEN = re.compile(r"(?:^|/)(?:PKG-INFO|METADATA|WHEEL|SOURCES\.txt|entry_points\.txt|setup\.cfg|top_level\.txt)$")
_HEADED = re.compile(r"(?:^|/)(?:PKG-INFO|METADATA|WHEEL)$")
_HEADER = re.compile(r"[A-Z][A-Za-z-]{1,40}: ")
_TOO_NEW = re.compile(
    r"requires a different python|requires-python|python (?:version )?(?:is )?not supported"
    r"|no module named '?(?:distutils|imp|asynchat|lib2to3|pkg_resources)\b|has no attribute '?(?:impimporter|readfp)\b"
    r"|cannot import name '\w+' from 'collections'",
    re.IGNORECASE,
)
_NOT_INSTALLED = re.compile(
    r"no matching distribution|could not find a version|resolutionimpossible|no wheel|conflicting dependencies",
    re.IGNORECASE,
)
_NO_VERSION = re.compile(
    r"unable to detect version|no version found|can't determine version|not a git repository|no tags? found"
    r"|fatal: (?:bad revision|no names found)",
    re.IGNORECASE,
)


@dataclass(frozen=True, order=True)
class Seen:
    """One field as the published file has it and ours. ``made``: of a member that the backend writes itself."""

    what: str
    published: str
    rebuilt: str
    made: bool = False


@dataclass(frozen=True, kw_only=True)
class Sign:
    """One cause of differences in one artifact. ``scalar``: no content of a member is concerned."""

    id: str
    artifact: str = ""
    scalar: bool = False
    #: Findings of it, and different values among them.
    count: int = 1
    seen: tuple[Seen, ...] = ()
    members: tuple[str, ...] = ()
    #: ``name=version`` of packages that the published file itself names.
    packages: tuple[str, ...] = ()

    def published(self, *, made: bool | None = None) -> tuple[str, ...]:
        """The different published values, sorted; of members that the backend writes, or of the others."""
        return tuple(sorted({one.published for one in self.seen if made is None or one.made == made}))


#: How a rebuild failed: while packages were chosen or installed, while it was built, or at a limit of ours.
FailedAt = Literal["install", "build", "limit"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one rebuild. Where it failed, ``failure`` says why and there are no signs but that.

    ``signs`` are by artifact; one that is in neither ``equal`` nor ``signs`` was not made.
    """

    equal: frozenset[str] = frozenset()
    signs: Mapping[str, tuple[Sign, ...]] = field(default_factory=dict)
    failure: str = ""
    failed_at: FailedAt = "build"
    #: sha256 of the recipe's bytes as they were used; empty: the search makes one of its own.
    recipe_sha256: str = ""


def signs_of(
    explanation: ArtifactExplanation, difference: Difference, foreign: frozenset[str] = frozenset()
) -> tuple[Sign, ...]:
    """The signs of one artifact that differs: its causes in their order, then what is not explained.

    A finding counts for the likeliest of its causes, and a cause that only passes on what another did only where there
    is no other. ``foreign``: sha256 of published members that are in no commit of the source's repository."""
    findings = difference.findings
    taken = {index for index, one in enumerate(findings) if one.published.sha256 in foreign and one.kind not in _SCALAR}
    signs = [_sign(FOREIGN, explanation.artifact, [findings[index] for index in sorted(taken)])] if taken else []
    for cause in explanation.causes:
        if new := [index for index in cause.findings if index not in taken and index < len(findings)]:
            signs.append(_of_cause(explanation.artifact, cause, [findings[index] for index in new]))
            taken |= {*new}
    signs += _unexplained(explanation, findings, frozenset(taken))
    roots = [sign for sign in signs if sign.id not in PASSED_ON]
    return tuple(roots or signs)


def _of_cause(artifact: str, cause: Cause, chosen: list[Finding]) -> Sign:
    targets = (change.target for change in cause.changes if change.where == "environment")
    packages = (target.removeprefix("package:") for target in targets if target.startswith("package:"))
    return _sign(cause.id, artifact, chosen, tuple(name for name in packages if "=" in name))


def _sign(id_: str, artifact: str, chosen: list[Finding], packages: tuple[str, ...] = ()) -> Sign:
    return Sign(
        id=id_,
        artifact=artifact,
        scalar=bool(chosen) and all(one.kind in _SCALAR for one in chosen),
        count=len(chosen),
        seen=tuple(sorted(_seen(chosen))),
        members=tuple(dict.fromkeys(" » ".join(one.path) for one in chosen))[:MAX_MEMBERS],
        packages=packages,
    )


def _seen(findings: Iterable[Finding]) -> set[Seen]:
    """The first values of the project's files, and of what the backend writes."""
    found: dict[bool, set[Seen]] = {True: set(), False: set()}
    for one in findings:
        made = bool(one.path) and _MADE.search(one.path[-1]) is not None
        if len(found[made]) < MAX_SEEN:
            found[made].add(Seen(one.what, one.published.value, one.rebuilt.value, made))
    return found[True] | found[False]


def _unexplained(
    explanation: ArtifactExplanation, findings: tuple[Finding, ...], taken: frozenset[int]
) -> Iterator[Sign]:
    """What no rule had a word for: content of the project's own members, what a backend wrote, fields."""
    groups: dict[str, list[Finding]] = {}
    for index in explanation.unexplained:
        if index < len(findings) and index not in taken:
            groups.setdefault(_group(findings[index]), []).append(findings[index])
    if not groups and not taken and findings:  # findings that all follow from others
        groups[CONTENT] = list(findings)
    for id_ in (CONTENT, GENERATED, FIELDS):
        if id_ in groups:
            yield _sign(id_, explanation.artifact, groups[id_])


def _group(finding: Finding) -> str:
    if finding.kind in _SCALAR:
        return FIELDS
    written = bool(finding.path) and _WRITTEN.search(finding.path[-1]) is not None
    # Below its header, metadata has the project's own README.
    lines = [side.value for side in (finding.published, finding.rebuilt) if side.value]
    if written and _HEADED.search(finding.path[-1]) and not all(_HEADER.match(line) for line in lines):
        return CONTENT
    return GENERATED if written else CONTENT


def signs_of_failure(outcome: Outcome) -> tuple[Sign, ...]:
    """What a failed rebuild says of its reason, by the end of its log; none for a limit of ours."""
    if not outcome.failure or outcome.failed_at == "limit":
        return ()
    text = outcome.failure[-20_000:]
    shapes = ((FAILS_VERSION, _NO_VERSION), (FAILS_PYTHON, _TOO_NEW), (FAILS_INSTALL, _NOT_INSTALLED))
    found = [id_ for id_, shape in shapes if shape.search(text)]
    if not found:
        found = [FAILS_INSTALL if outcome.failed_at == "install" else FAILS]
    return tuple(Sign(id=id_) for id_ in found)
