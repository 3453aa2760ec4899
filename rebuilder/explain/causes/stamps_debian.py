"""Stamps of a Debian package that are more than one line: trimmed changelogs, binNMU entries, order of fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rebuilder.explain.causes import Match, Rule, Scene
from rebuilder.explain.causes.documents import documents
from rebuilder.explain.causes.stamps_text import contents, environment, evidence, name_of, project
from rebuilder.findings import DifferenceClass, MemberPath, Severity

CHANGELOG = re.compile(r"(?:^|/)(?:changelog(?:\.Debian(?:\.[a-z0-9-]+)?)?|NEWS(?:\.Debian)?)(?:\.gz)?$")
_BINNMU_FILE = re.compile(r"(?:^|/)changelog\.Debian\.(?!gz$)[a-z0-9-]+(?:\.gz)?$")
_NEWS = re.compile(r"(?:^|/)NEWS\.Debian(?:\.gz)?$")
#: The first line of an entry.
HEADING = re.compile(rb"^[a-z0-9][a-z0-9+.-]{1,100} \([^()\s]{1,200}\)[^\n]{0,300};[^\n]{0,300}$", re.MULTILINE)
_BINNMU = re.compile(rb"\A[^\n]{0,600};[^\n]{0,300}\bbinary-only=yes")
_SIGNED = re.compile(rb"^ -- [^\n<]{0,300}<[^>\n]{0,300}>  ?[^\n]{10,60}$", re.MULTILINE)
#: A line that no changelog has: a heading starts with a name, everything else with a space.
_OTHER = re.compile(rb"^(?! |\t|\n|[a-z0-9][a-z0-9+.-]{1,100} \([^()\s]{1,200}\)[^\n]{0,300};|\Z)", re.MULTILINE)
#: What debhelper writes below the last entry it kept.
_NOTE = re.compile(
    rb"\n# Older entries have been removed from this changelog\.\n"
    rb"# To read the complete changelog use `apt changelog [a-z0-9+.-]{1,100}`\.\n\Z"
)
_DEBHELPER = environment("package:debhelper", "use the version of debhelper that the published package was built with")
_NO_TRIM = project("debian/rules", "dh_installchangelogs --no-trim")
#: Where it is our side that is the shorter one.
_UNTRIMMED = (
    _DEBHELPER,
    environment("variable:DEB_BUILD_OPTIONS+=notrimdch", "installs changelogs whole"),
    _NO_TRIM,
)
#: First versions of debhelper that shorten the changelog, and NEWS with it.
TRIMS_SINCE, TRIMS_NEWS_SINCE = "13.10", "13.11.7"


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A changelog of which one side holds the newer entries alone."""

    finding: int
    path: MemberPath
    published: int
    rebuilt: int
    #: The shorter side says so below its last entry, and all of the rest is the same.
    whole: bool

    @property
    def side(self) -> str:
        """Which side is the shorter one."""
        return "published" if self.published < self.rebuilt else "rebuilt"


def trimmed(scene: Scene) -> Iterator[Trimmed]:
    """Every changelog that is the start of the other side's."""
    for index, finding, left, right in contents(scene, CHANGELOG):
        counts = entries(left), entries(right)
        if counts[0] == counts[1] or 0 in counts:
            continue
        short, full = (left, right) if counts[0] < counts[1] else (right, left)
        if (complete := _starts(short, full)) is not None:
            yield Trimmed(index, finding.path, *counts, complete)


def entries(text: bytes) -> int:
    """How many entries a changelog has."""
    return sum(1 for _ in HEADING.finditer(text))


def _starts(short: bytes, full: bytes) -> bool | None:
    """Whether ``full`` goes on with an older entry where ``short`` ends; with a note there, it is complete.

    Both may be shortened, one further than the other. A binNMU loses the empty line below its first entry."""
    note, other = _NOTE.search(short), _NOTE.search(full)
    kept = short[: note.start()] if note else short
    full = full[: other.start()] if other else full
    if not full.startswith(kept):
        kept, full = kept.lstrip(b"\n"), full.lstrip(b"\n")
        if not full.startswith(kept):
            return None
    rest = full[len(kept) :].lstrip(b"\n")
    return note is not None and _OTHER.search(rest) is None if HEADING.match(rest) else None


def _trimmed(scene: Scene) -> Iterator[Match]:
    folders: set[MemberPath] = set()
    for one in trimmed(scene):
        folders.add((*one.path[:-1], one.path[-1].rpartition("/")[0] if one.path else ""))
        yield Match(
            finding=one.finding,
            evidence=evidence(one.path, "entries", f"{one.published} entries", f"{one.rebuilt} entries"),
            confidence="likely" if one.whole else "possible",
            severity=Severity.HARMLESS if one.whole and documents(name_of(scene, one.path)) else Severity.INSPECT,
            changes=_UNTRIMMED if one.side == "rebuilt" else (_DEBHELPER, _NO_TRIM),
        )
    for index, finding in scene.findings():
        alone = finding.kind in (DifferenceClass.MISSING, DifferenceClass.EXTRA)
        if not alone or not finding.path or not _NEWS.search(finding.path[-1]):
            continue
        if (*finding.path[:-1], finding.path[-1].rpartition("/")[0]) in folders:
            here = ("present", "absent") if finding.kind is DifferenceClass.MISSING else ("absent", "present")
            yield Match(finding=index, evidence=evidence(finding.path, "member", *here), severity=Severity.INSPECT)


def _binnmu(scene: Scene) -> Iterator[Match]:
    for index, finding in scene.findings():
        alone = finding.kind in (DifferenceClass.MISSING, DifferenceClass.EXTRA)
        if alone and finding.path and _BINNMU_FILE.search(finding.path[-1]):
            here = ("present", "absent") if finding.kind is DifferenceClass.MISSING else ("absent", "present")
            yield Match(finding=index, evidence=evidence(finding.path, "member", *here), severity=Severity.INSPECT)
    for index, finding, left, right in contents(scene, CHANGELOG):
        if found := _binnmu_texts(left, right):
            what, published, rebuilt, severity = found
            where = evidence(finding.path, what, published, rebuilt)
            likely = severity is Severity.HARMLESS
            yield Match(finding=index, evidence=where, severity=severity, confidence="likely" if likely else "possible")


def _binnmu_texts(left: bytes, right: bytes) -> tuple[str, str, str, Severity] | None:
    made = [_BINNMU.match(text) is not None for text in (left, right)]
    if all(made) and left.strip(b"\n") == right.strip(b"\n"):
        return "empty lines at the end of a binNMU entry", _ends(left), _ends(right), Severity.HARMLESS
    rests = [_below(text) if one else text for one, text in zip(made, (left, right), strict=True)]
    if any(made) and rests[0] == rests[1]:
        heads = [text.partition(b"\n")[0].decode("utf-8", "backslashreplace") for text in (left, right)]
        return "first entry", heads[0], heads[1], Severity.INSPECT
    return None


def _below(text: bytes) -> bytes:
    """What stands below the first entry."""
    signed = _SIGNED.search(text)
    return text[signed.end() :].lstrip(b"\n") if signed else text


def _ends(text: bytes) -> str:
    return f"{len(text) - len(text.rstrip(bytes([10])))} line ends"


def explained(scene: Scene) -> frozenset[int]:
    """Findings on members of one side alone that an entry of a changelog, or its shortening, accounts for."""
    alone = (DifferenceClass.MISSING, DifferenceClass.EXTRA)
    told = (match.finding for rule in (_trimmed, _binnmu) for match in rule(scene))
    return frozenset(index for index in told if scene.difference.findings[index].kind in alone)


# --- control ------------------------------------------------------------------------------------


def fields(text: bytes) -> dict[bytes, bytes] | None:
    """The fields of one paragraph in the order they stand in; ``None`` for anything else."""
    found: dict[bytes, bytes] = {}
    last = b""
    for line in text.rstrip(b"\n").split(b"\n"):
        if line[:1] in (b" ", b"\t") and last:
            found[last] += b"\n" + line
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name or name.lower() in {one.lower() for one in found} or len(found) > 200:
            return None
        last, found[name] = name, value
    return found


def _order(scene: Scene) -> Iterator[Match]:
    for index, finding, left, right in contents(scene, re.compile(r"(?:^|/)(?:control|METADATA|PKG-INFO)$")):
        mine, theirs = (fields(text) if len(text) <= 1024 * 1024 else None for text in (left, right))
        if not mine or not theirs or mine.keys() != theirs.keys() or list(mine) == list(theirs):
            continue
        same = mine == theirs and left.endswith(b"\n") == right.endswith(b"\n")
        names = [b", ".join(one)[:200] for one in (mine, theirs)]
        yield Match(
            finding=index,
            evidence=evidence(finding.path, "order of fields", names[0], names[1]),
            confidence="likely" if same else "possible",
            severity=Severity.HARMLESS if same else Severity.INSPECT,
        )


RULES: tuple[Rule, ...] = (
    Rule(
        id="changelog-trimmed",
        title="The packaged changelog holds fewer entries on one side",
        severity=Severity.INSPECT,
        fix="Build with the debhelper that made the published package, or with DEB_BUILD_OPTIONS=notrimdch if it "
        "did not shorten changelogs.",
        changes=_UNTRIMMED,
        match=_trimmed,
    ),
    Rule(
        id="changelog-binnmu",
        title="The entry of a binary-only rebuild is written in another way or missing",
        severity=Severity.INSPECT,
        fix="Put the entry of the binary-only rebuild, as published, on top of debian/changelog, and use the "
        "same debhelper.",
        changes=(_DEBHELPER,),
        match=_binnmu,
    ),
    Rule(
        id="control-field-order",
        title="The same fields stand in another order",
        severity=Severity.INSPECT,
        fix="Build with the dpkg-dev (or build backend) that made the published package.",
        changes=(environment("package:dpkg-dev", "use the version of dpkg that the published package was built with"),),
        match=_order,
    ),
)
