"""Causes in which members an archive has, in what sequence, and with which modes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from rebuilder.data import Data
from rebuilder.explain.causes import Change, Evidence, Match, Rule, Scene, Severity, stamps_debian, versions
from rebuilder.explain.causes.fields import ABSENT, Field, Forms, entries, evidence, fields
from rebuilder.findings import DifferenceClass, Finding, MemberPath, Side

#: Kinds of findings on members that one side alone has.
ALONE = (DifferenceClass.MISSING, DifferenceClass.EXTRA)
#: How the comparison tells the second member of one name; in names themselves every backslash is doubled.
_TWICE = re.compile(r"(?:[^\\]|\\\\)*\\#[0-9]+", re.DOTALL)
_ABI = re.compile(
    r"\.(?:cpython-[0-9]+[a-z]*|abi3t?|pypy[0-9]+-pp[0-9]+)(?:\.opt-[0-9])?(?:-[A-Za-z0-9_-]+)?(?=\.(?:so|pyd|pyc)$)"
)
_MODE = re.compile(r"(?P<mode>[0-7]{3,7})(?: dos (?P<dos>0x[0-9a-f]+))?")
#: Read by position: a program looks for these as the first member.
_FIRST = (b"META-INF", b"mimetype", b"[Content_Types]")

#: Steps of a name that are looked at.
_DEEP = 64
_UMASK = Change(where="environment", target="umask", text="Build with umask 0022.")


def order(scene: Scene) -> Iterator[Match]:
    """The same members in another sequence; harmless only where no two of them touch the same place."""
    for index, finding in scene.findings():
        if finding.kind is DifferenceClass.ORDER and finding.what == "order":
            severity = Severity.HARMLESS if _order_is_idle(scene, finding.path) else Severity.INSPECT
            yield Match(finding=index, evidence=evidence(finding), confidence="proved", severity=severity)


def _order_is_idle(scene: Scene, path: MemberPath) -> bool:
    try:
        pair = scene.pair(path)
    except KeyError:
        return False
    return all(_is_unordered(side) for side in pair)


def _is_unordered(data: Data) -> bool:
    """Whether unpacking the members in any sequence gives the same tree. Never said of ar: a linker reads in order."""
    found = None if data.read(0, 8) == b"!<arch>\n" else entries(data)
    if not found or any(one.kind not in ("file", "directory") for one in found):
        return False
    if found[0].name.startswith(_FIRST) or any(one.name.startswith(_FIRST[0]) for one in found):
        return False
    places = {_place(one.name) for one in found}
    if len(places) != len(found) or any(".." in place for place in places):
        return False
    # What is a file to one member and a folder to another is what came last.
    files = {_place(one.name) for one in found if one.kind == "file"}
    return not any(place[:size] in files for place in places for size in range(1, min(len(place), _DEEP)))


def _place(name: bytes) -> tuple[str, ...]:
    """The same for names that some file system takes for one."""
    text = unicodedata.normalize("NFKC", name.decode("utf-8", "surrogateescape")).casefold()
    return tuple(step for step in text.replace("\\", "/").split("/") if step not in ("", "."))


def modes(scene: Scene) -> Iterator[Match]:
    """Modes that another umask explains."""
    for one in fields(scene, ("mode", "central.mode")):
        pair = _modes(one)
        if pair and _is_umask(pair, one.finding):
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="likely", changes=_umask(pair))


def executable(scene: Scene) -> Iterator[Match]:
    """Who may run a file, or as whom it runs."""
    for one in fields(scene, ("mode", "central.mode")):
        pair = _modes(one)
        if pair and one.form != "ar" and not _is_umask(pair, one.finding) and (pair[0] ^ pair[1]) & 0o7111:
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved")


def _modes(one: Field) -> tuple[int, int] | None:
    """Both modes, if they are of the same kind of file."""
    if one.form not in ("tar", "zip", "ar", "folder"):
        return None
    found = [_MODE.fullmatch(value) for value in one.values]
    if found[0] is None or found[1] is None or found[0]["dos"] != found[1]["dos"]:
        return None
    left, right = int(found[0]["mode"], 8), int(found[1]["mode"], 8)
    return (left, right) if (left ^ right) & ~0o7777 == 0 else None


def _is_umask(pair: tuple[int, int], finding: Finding) -> bool:
    """Only bits of group and others, all on one side; none that lets a file be run."""
    changed = pair[0] ^ pair[1]
    folder = (bool(finding.path) and finding.path[-1].endswith("/")) or pair[0] & 0o170000 == 0o040000
    allowed = 0o077 if folder else 0o066
    return bool(changed) and not changed & ~allowed and (pair[0] & pair[1]) in pair


def _umask(pair: tuple[int, int]) -> tuple[Change, ...]:
    """The publisher's umask as far as one member shows it: bits it lacks that the rebuild has, or the other way."""
    likely = (0o022 | (pair[1] & ~pair[0])) & ~(pair[0] & ~pair[1]) & 0o077
    text = f"Build with umask {likely:04o}: the published modes show it."
    return (Change(where="environment", target="umask", text=text),)


def folders(scene: Scene) -> Iterator[Match]:
    """Entries for directories on one side only. Loaders of Java and Python look for them, also above files."""
    forms = Forms(scene)
    renamed = {index for index, _ in versions.renamed(scene)}
    for index, finding in scene.findings():
        if index in renamed:
            continue
        if finding.kind in ALONE and finding.path and _is_folder(finding) and not is_twice(finding):
            form = forms.at(finding.path[:-1])
            if form in ("zip", "tar"):
                yield Match(finding=index, evidence=lone(finding), confidence="proved")


def _is_folder(finding: Finding) -> bool:
    side = _side(finding)
    return not side.size and (finding.path[-1].endswith("/") or side.value == "directory")


def _side(finding: Finding) -> Side:
    return finding.published if finding.kind is DifferenceClass.MISSING else finding.rebuilt


def missing(scene: Scene) -> Iterator[Match]:
    """Files that only the published side has."""
    return _alone(scene, DifferenceClass.MISSING)


def extra(scene: Scene) -> Iterator[Match]:
    """Files that only the rebuilt side has."""
    return _alone(scene, DifferenceClass.EXTRA)


def _alone(scene: Scene, kind: DifferenceClass) -> Iterator[Match]:
    forms = Forms(scene)
    tagged = {index for index, _ in (*_tagged(scene), *_moved(scene), *versions.renamed(scene))}
    tagged |= stamps_debian.explained(scene)
    for index, finding in scene.findings():
        if finding.kind is not kind or index in tagged or not finding.path or is_twice(finding):
            continue
        if forms.at(finding.path[:-1]) in ("zip", "tar", "ar", "folder") and not _is_folder(finding):
            yield Match(finding=index, evidence=lone(finding), confidence="possible")


def lone(finding: Finding) -> Evidence:
    """What is there on the side that has the member."""
    side = _side(finding)
    there = f"{side.value or 'file'}, {side.size or 0} bytes"
    values = (there, ABSENT) if finding.kind is DifferenceClass.MISSING else (ABSENT, there)
    return evidence(finding, *values)


def _tagged(scene: Scene) -> Iterator[tuple[int, tuple[str, str]]]:
    """Files on one side each whose names differ only in the tag of an interpreter: index, and both names."""
    by_name: dict[tuple[MemberPath, str], dict[DifferenceClass, list[tuple[int, str]]]] = {}
    for index, finding in scene.findings():
        if finding.kind in ALONE and finding.path and _ABI.search(finding.path[-1]):
            key = finding.path[:-1], _ABI.sub("", finding.path[-1])
            by_name.setdefault(key, {}).setdefault(finding.kind, []).append((index, finding.path[-1]))
    for sides in by_name.values():
        if len(sides) == 2:
            names = sides[DifferenceClass.MISSING][0][1], sides[DifferenceClass.EXTRA][0][1]
            yield from ((index, names) for side in sides.values() for index, _ in side)


def _moved(scene: Scene) -> Iterator[tuple[int, tuple[str, str]]]:
    """Files with the same bytes that each side has under another name: index, and both names."""
    by_digest: dict[tuple[MemberPath, str], dict[DifferenceClass, list[int]]] = {}
    for index, finding in scene.findings():
        digest = _side(finding).sha256
        if finding.kind in ALONE and finding.path and digest and _side(finding).size and not is_twice(finding):
            by_digest.setdefault((finding.path[:-1], digest), {}).setdefault(finding.kind, []).append(index)
    findings = scene.difference.findings
    for sides in by_digest.values():
        # With several copies on a side nobody can say which went where.
        if [len(side) for side in sides.values()] == [1, 1]:
            indexes = sides[DifferenceClass.MISSING][0], sides[DifferenceClass.EXTRA][0]
            names = findings[indexes[0]].path[-1], findings[indexes[1]].path[-1]
            if not _ABI.search(names[0]):
                yield from ((index, names) for index in indexes)


def moves(scene: Scene) -> Iterator[Match]:
    """Files that lie elsewhere."""
    renamed = {index for index, _ in versions.renamed(scene)}
    for index, names in _moved(scene):
        if index in renamed:
            continue
        yield Match(finding=index, evidence=evidence(scene.difference.findings[index], *names), confidence="likely")


def tags(scene: Scene) -> Iterator[Match]:
    """Compiled modules named for another interpreter."""
    for index, names in _tagged(scene):
        yield Match(finding=index, evidence=evidence(scene.difference.findings[index], *names), confidence="likely")


def is_twice(finding: Finding) -> bool:
    """Whether this is about the second, third ... member of one name."""
    return bool(finding.path) and _TWICE.fullmatch(finding.path[-1]) is not None


RULES: tuple[Rule, ...] = (
    Rule(
        id="archive-order",
        title="The same members in another order",
        severity=Severity.INSPECT,
        fix="Sort what is packed: tar --sort=name; find . -type f | LC_ALL=C sort | zip -X@ FILE.zip; "
        "$(sort $(wildcard *.o)) for ar.",
        match=order,
        changes=(
            Change(where="project", target="build script", text="Hand the packer a list sorted by LC_ALL=C sort."),
        ),
    ),
    Rule(
        id="archive-modes",
        title="Modes follow the umask of the build",
        severity=Severity.INSPECT,
        fix="umask 022 before the sources are unpacked; tar --mode=go=rX,u+rw,a-s; install -m 644.",
        match=modes,
        changes=(_UMASK,),
    ),
    Rule(
        id="executable-bit",
        title="A file may be run on one side only, or as somebody else",
        severity=Severity.BEHAVIOUR,
        fix="Set the mode where the file is installed: install -m 755, git update-index --chmod=+x.",
        match=executable,
        changes=(Change(where="project", target="build script", text="install -m MODE names each mode."),),
    ),
    Rule(
        id="directory-entries",
        title="Directories are members of their own on one side only",
        severity=Severity.INSPECT,
        fix="zip -D leaves them out; with tar, hand it files only: find . -type f -print0 | tar --null -T-.",
        match=folders,
        changes=(Change(where="project", target="build script", text="zip -D, or a sorted list of files only."),),
    ),
    Rule(
        id="abi-tag",
        title="Compiled modules are named for another interpreter",
        severity=Severity.BEHAVIOUR,
        fix="Build with the Python the publisher built with.",
        match=tags,
        changes=(
            Change(where="environment", target="package:python3", text="Build with the Python of the published tag."),
        ),
    ),
    Rule(
        id="moved-file",
        title="A file lies under another name, with the same bytes",
        severity=Severity.INSPECT,
        fix="Pack with the version of the build tool that the publisher used: where files go changes between versions.",
        match=moves,
        changes=(Change(where="project", target="pyproject.toml", text="Pin the build backend or packer."),),
    ),
    Rule(
        id="missing-file",
        title="A file is only in what was published",
        severity=Severity.BEHAVIOUR,
        fix="Look what makes the file: an optional build dependency, a generator, a file that is not in the source.",
        match=missing,
    ),
    Rule(
        id="extra-file",
        title="A file is only in the rebuild",
        severity=Severity.BEHAVIOUR,
        fix="Look what makes the file: an optional build dependency that the publisher did not have, a left-over.",
        match=extra,
    ),
)
