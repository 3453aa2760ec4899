"""What to try first: a setting, or a package of the toolchain in an older version. Pure: facts in, an order out.

A published file was built with what the suite held on that day. A package that reached the suite later cannot have
been there. Of those, the ones come first that put the most into this very file: the version the file itself names,
what a cause names, the headers that our own build's debug information lists, then compilers, and then whatever the
source's Build-Depends name. A setting that the file itself shows comes before all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from rebuilder.explain import settings as settings_
from rebuilder.explain.settings import Candidate, Setting
from rebuilder.findings import ArtifactExplanation, Cause, Change, Drift

#: Packages that decide which bytes a compiler gives.
_TOOLS = re.compile(r"(?:gcc|g\+\+|cpp|clang|rustc|golang|binutils|lib(?:gcc|stdc\+\+)-[0-9]+-dev)(?:$|-)")
_UPDATE = re.compile(r"[+~]deb[0-9]+u[0-9]+")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~:-]{0,120}")
#: Causes that another version of any package may be behind. Those that name a package count too.
FROM_TOOLCHAIN = frozenset(
    {"build-id", "debuglink", "code-generation", "libc-startfiles", "compiler-version", "symbol-order", "debug-info"}
)
PACKAGE = "package:"
#: Longest list that anybody gets to see, or that is looked for in a pool.
MAX_SUSPECTS = 40


@dataclass(frozen=True)
class Older:
    """A version that came before, and when it was uploaded, if its changelog says so."""

    version: str
    date: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of the toolchain and what is known of its past."""

    name: str
    version: str
    #: The folder it lies in on the archive: packages of one source share it, and move together.
    source: str
    uploaded: datetime | None
    #: Date of the newest index of the archive it came from: it was in the suite by then.
    index: datetime
    #: The source's Build-Depends name it.
    asked_for: bool = False
    #: Newest first; empty where its past was not looked up, or is not known.
    older: tuple[Older, ...] = ()
    headers: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A fix to be tried, and why: packages of one source at an older version, or settings, or several such at once."""

    why: str
    packages: tuple[str, ...] = ()
    version: str = ""
    settings: tuple[Setting, ...] = ()
    #: Further ones that are tried together with it.
    others: tuple[Suspect, ...] = ()
    #: Id of the cause it would prove; empty for a package's version.
    cause: str = ""
    #: Findings that have to go if it is the cause; empty: all of them.
    claims: tuple[int, ...] = ()

    @property
    def versions(self) -> dict[str, str]:
        """Package -> version, of all that it takes back."""
        own = dict.fromkeys(self.packages, self.version)
        return {name: version for one in self.others for name, version in one.versions.items()} | own

    @property
    def changes(self) -> tuple[Change, ...]:
        """The fix, as changes to the environment."""
        own = tuple(
            Change(where="environment", target=f"{PACKAGE}{name}={version}", text=f"{name} {version}")
            for name, version in self.versions.items()
        )
        return (*settings_.changes(self.settings), *own)


def together(suspected: Iterable[Suspect]) -> Suspect | None:
    """All packages at once, each at its likeliest version; ``None`` if that is not more than one of them."""
    first: dict[str, Suspect] = {}
    for one in suspected:
        if one.packages and not one.others and not any(name in first for name in one.packages):
            first.update(dict.fromkeys(one.packages, one))
    chosen = tuple(dict.fromkeys(first.values()))
    if len(chosen) < 2:
        return None
    why = f"{len(chosen)} packages together, for each of them alone may be too little"
    claims = {index for one in chosen for index in one.claims} if all(one.claims for one in chosen) else set()
    return Suspect(why=why, others=chosen, claims=tuple(sorted(claims)))


def worth_a_look(
    explanation: ArtifactExplanation, packages: Iterable[Package], *, published: datetime, compiled: bool
) -> frozenset[str]:
    """Names of the packages whose past and headers ``suspects`` would use: reading those costs time."""
    named = {drift.package for drift in explanation.drift}
    from_causes = _named_by_causes(explanation)
    guess = _open(explanation)
    return frozenset(
        one.name
        for one in packages
        if one.name in named
        or (_is_younger(one, published) and (one.name in from_causes or (guess and _counts(one, compiled=compiled))))
    )


def suspects(
    explanation: ArtifactExplanation,
    packages: Sequence[Package],
    *,
    published: datetime,
    compiled: bool,
    included: frozenset[str] = frozenset(),
    settings: Sequence[Candidate] = (),
) -> tuple[Suspect, ...]:
    """Likeliest first. ``published``: when the file was made; ``compiled``: whether compiled code differs;
    ``included``: names of the headers that our own build read; ``settings``: those that causes ask for."""
    guess = _open(explanation)
    found = chain(
        (_of_setting(one) for one in settings if one.setting.shown),
        _stamped(explanation, packages),
        (_of_setting(one) for one in settings if not one.setting.shown),
        _traced(explanation, packages, published),
        _blamed(explanation, packages, published),
        _guessed(packages, published, included, compiled=compiled) if guess else (),
    )
    first: dict[frozenset[str], Suspect] = {}
    for one in found:
        first.setdefault(frozenset(change.target for change in one.changes), one)
        if len(first) >= MAX_SUSPECTS:
            break
    return tuple(first.values())


def _of_setting(one: Candidate) -> Suspect:
    return Suspect(why=one.why, settings=(one.setting,), cause=one.cause.id, claims=one.cause.findings)


def _open(explanation: ArtifactExplanation) -> bool:
    """Whether something is left that any package may be behind: unexplained, only guessed at, or typical of one."""
    return bool(explanation.unexplained) or any(
        cause.id in FROM_TOOLCHAIN or cause.confidence == "possible" or _packages_of(cause)
        for cause in explanation.causes
    )


def _packages_of(cause: Cause) -> tuple[str, ...]:
    """Packages whose version a cause's own fix changes."""
    targets = (change.target for change in cause.changes if change.where == "environment")
    return tuple(target.removeprefix(PACKAGE).partition("=")[0] for target in targets if target.startswith(PACKAGE))


def _named_by_causes(explanation: ArtifactExplanation) -> dict[str, tuple[int, ...]]:
    """Package -> findings that the causes which name it claim; the likeliest cause's package first."""
    found: dict[str, set[int]] = {}
    for cause in explanation.causes:
        for name in _packages_of(cause):
            found.setdefault(name, set()).update(cause.findings)
    return {name: tuple(sorted(findings)) for name, findings in found.items()}


# --- the file names the version -----------------------------------------------------------------


def _stamped(explanation: ArtifactExplanation, packages: Sequence[Package]) -> Iterator[Suspect]:
    """Tools that left their exact version in the published file."""
    claims = _named_by_causes(explanation)
    for drift, package, version in _told(explanation, packages):
        if version:
            why = f"the published file was made with {drift.tool} {drift.published}, ours with {drift.rebuilt}"
            yield _suspect(package, version, why, packages, claims.get(package.name, ()))


def _traced(explanation: ArtifactExplanation, packages: Sequence[Package], published: datetime) -> Iterator[Suspect]:
    """Tools that left other traces in the published file, by which their version is not known."""
    claims = _named_by_causes(explanation)
    for drift, package, version in _told(explanation, packages):
        if not version and _is_younger(package, published) and (older := _at_or_oldest(package, published)):
            why = f"{drift.tool} left other traces; published: {drift.published}; ours: {drift.rebuilt}"
            yield _suspect(package, older, why, packages, claims.get(package.name, ()))


def _told(explanation: ArtifactExplanation, packages: Sequence[Package]) -> Iterator[tuple[Drift, Package, str]]:
    """Every tool that drifted with its package, and the Debian version that the file names, if it does."""
    by_name = {one.name: one for one in packages}
    for drift in explanation.drift:
        if drift.package in by_name:
            yield drift, by_name[drift.package], _version_named(drift, by_name[drift.package])


def _version_named(drift: Drift, package: Package) -> str:
    """The Debian version for what the file says: by the package's own past; else the very words, if our own file's
    words are the version of our package."""
    past = [one.version for one in package.older]
    exact = [version for version in past if version == drift.published]
    fitting = [version for version in past if upstream(version) == drift.published]
    if exact or fitting:
        return (exact or fitting)[0]
    ours = drift.rebuilt in (package.version, upstream(package.version))
    return drift.published if ours and _VERSION.fullmatch(drift.published) else ""


def upstream(version: str) -> str:
    """``2:13.24.2-1+deb13u1`` is ``13.24.2``; of a native version what comes before an update's suffix."""
    return _UPDATE.split(version.partition(":")[2] or version)[0].rpartition("-")[0] or _UPDATE.split(version)[0]


# --- a cause names the package, or nothing does ---------------------------------------------------


def _blamed(explanation: ArtifactExplanation, packages: Sequence[Package], published: datetime) -> Iterator[Suspect]:
    by_name = {one.name: one for one in packages}
    for cause in explanation.causes:
        for name in _packages_of(cause):
            package = by_name.get(name)
            if package and _is_younger(package, published) and (older := _at_or_oldest(package, published)):
                why = f"{_younger_words(package)}; the cause {cause.id} names it"
                yield _suspect(package, older, why, packages, cause.findings)


def _guessed(
    packages: Sequence[Package], published: datetime, included: frozenset[str], *, compiled: bool
) -> Iterator[Suspect]:
    scored = []
    for package in packages:
        share = len(package.headers & included) if compiled else 0
        tool = compiled and bool(_TOOLS.match(package.name))
        if (share or tool or package.asked_for) and _is_younger(package, published):
            scored.append((-share, not tool, package.name, package))
    for share, not_tool, _, package in sorted(scored, key=lambda one: one[:3]):
        if older := _at(package, published):
            what = (
                f"our build read {-share} of its headers" if share else
                "the source's Build-Depends name it" if not_tool else "it decides what a compiler gives"
            )  # fmt: skip
            yield _suspect(package, older, f"{_younger_words(package)}; {what}", packages)


def _counts(package: Package, *, compiled: bool) -> bool:
    return package.asked_for or (compiled and (brings_headers(package.name) or bool(_TOOLS.match(package.name))))


def brings_headers(name: str) -> bool:
    """Whether a package of that name may put headers where a compiler finds them."""
    return name.endswith("-dev") or "-dev-" in name


def _is_younger(package: Package, published: datetime) -> bool:
    """Whether it reached the suite after the file was made: uploaded later, or an update that a later index brought."""
    if package.uploaded is not None and package.uploaded > published:
        return True
    return bool(_UPDATE.search(package.version)) and package.index > published


def _younger_words(package: Package) -> str:
    return f"{package.name} {package.version} reached the suite after the file was published"


def _at(package: Package, published: datetime) -> str:
    """The version the suite had when the file was made; empty if the package's past does not reach back so far."""
    return next((one.version for one in package.older if one.date is None or one.date <= published), "")


def _at_or_oldest(package: Package, published: datetime) -> str:
    """As ``_at``; or the oldest version there is, for a package that something in the file speaks against."""
    return _at(package, published) or (package.older[-1].version if package.older else "")


def _suspect(
    package: Package, version: str, why: str, packages: Iterable[Package], claims: tuple[int, ...] = ()
) -> Suspect:
    return Suspect(packages=_siblings(package, packages), version=version, why=why, claims=claims)


def _siblings(package: Package, packages: Iterable[Package]) -> tuple[str, ...]:
    """The package and those built with it, which have to have its version; itself first."""
    same = [one.name for one in packages if (one.source, one.version) == (package.source, package.version)]
    return (package.name, *(name for name in sorted(same) if name != package.name))
