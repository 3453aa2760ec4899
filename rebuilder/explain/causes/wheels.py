"""Causes in the files in which wheels, sdists and Debian packages speak of themselves."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator

from rebuilder.explain.causes import Change, Match, Rule, Scene, Severity
from rebuilder.explain.causes.fields import evidence, lines, text
from rebuilder.findings import DifferenceClass, Finding, MemberPath

_RECORD = re.compile(r"(?:.*/)?[^/]+\.dist-info/RECORD", re.DOTALL)
_WHEEL = re.compile(r"(?:.*/)?[^/]+\.dist-info/WHEEL", re.DOTALL)
_METADATA = re.compile(r"(?:.*/)?(?:[^/]+\.dist-info/METADATA|PKG-INFO)", re.DOTALL)
_SOURCES = re.compile(r"(?:.*/)?[^/]+\.egg-info/SOURCES\.txt", re.DOTALL)
#: Of stamps within an ELF another family speaks.
_STAMPS = (".note.gnu.build-id", ".gnu_debuglink", ".gnu_debugaltlink")
#: Headers that a newer build backend adds or spells anew; none of them says what is installed or needed.
_BACKEND_KEYS = (b"metadata-version", b"dynamic", b"license-file")
_GENERATOR = re.compile(rb"(?P<name>[A-Za-z][A-Za-z0-9_.-]*) \(?v?(?P<version>[0-9][0-9A-Za-z.+!-]*)\)?")
_PACKAGES = {"bdist_wheel": "wheel", "flit": "flit-core", "poetry": "poetry-core"}
_MAX_ROWS = 500_000
#: Versions of the metadata that installers take.
_VERSIONS = frozenset((b"1.0", b"1.1", b"1.2", b"2.0", b"2.1", b"2.2", b"2.3", b"2.4"))
#: Files that are lists of checksums and nothing else. Any other text with a digest may be a program that checks it.
_LISTS = re.compile(
    r"(?i)(?:^|/)(?:md5sums|(?:md5|sha(?:1|256|512))sums?(?:\.(?:txt|asc))?|checksums?(?:\.txt)?"
    r"|[^/]+\.(?:md5|sha1|sha256|sha512|buildinfo|changes|dsc))$"
)

_Pair = tuple[list[bytes], list[bytes]]


def _contents(scene: Scene, shape: re.Pattern[str]) -> Iterator[tuple[int, Finding, _Pair]]:
    """Texts of that name whose bytes differ, with their lines."""
    for index, finding in scene.findings():
        if finding.kind is not DifferenceClass.CONTENT or not finding.path or not shape.fullmatch(finding.path[-1]):
            continue
        if (pair := lines(scene.pair(finding.path))) is not None:
            yield index, finding, pair


def _is_shuffled(pair: _Pair) -> bool:
    return pair[0] != pair[1] and Counter(pair[0]) == Counter(pair[1])


def _only(pair: _Pair) -> _Pair:
    """Lines that only one side has, in their order, and only if the others are in one order."""
    mine, theirs = Counter(pair[0]) - Counter(pair[1]), Counter(pair[1]) - Counter(pair[0])
    kept = [[line for line in side if not extra[line]] for side, extra in zip(pair, (mine, theirs), strict=True)]
    if kept[0] != kept[1]:
        return [], []
    return list(mine.elements()), list(theirs.elements())


def record(scene: Scene) -> Iterator[Match]:
    """`RECORD`: other digests for files that differ, rows for files only one side has, or rows in another order."""
    alone = _alone(scene)
    for index, finding in scene.findings():
        if finding.kind is DifferenceClass.DERIVED and finding.path and _RECORD.fullmatch(finding.path[-1]):
            severity = Severity.INSPECT if any(path in alone for path in finding.follows) else None
            yield Match(finding=index, evidence=evidence(finding), confidence="proved", severity=severity)
    differing = {one.path for _, one in scene.findings()}
    for index, finding, pair in _contents(scene, _RECORD):
        if _is_shuffled(pair):
            # Of two rows for one file the order decides.
            severity = None if _rows(pair[0]) is not None else Severity.INSPECT
            yield Match(finding=index, evidence=evidence(finding), confidence="proved", severity=severity)
        elif _rows_follow(pair, finding.path[:-1], alone, differing):
            yield Match(finding=index, evidence=evidence(finding), confidence="likely", severity=Severity.INSPECT)


def _alone(scene: Scene) -> dict[MemberPath, DifferenceClass]:
    kinds = (DifferenceClass.MISSING, DifferenceClass.EXTRA)
    return {one.path: one.kind for _, one in scene.findings() if one.kind in kinds}


def _rows_follow(
    pair: _Pair, above: MemberPath, alone: dict[MemberPath, DifferenceClass], differing: set[MemberPath]
) -> bool:
    """Whether each row that differs is of a member that does: on both sides, or on the side that alone has it."""
    rows = [_rows(side) for side in pair]
    if rows[0] is None or rows[1] is None:
        return False
    for name in rows[0].keys() | rows[1].keys():
        mine, theirs = rows[0].get(name), rows[1].get(name)
        if mine == theirs:
            continue
        path = (*above, name)
        if mine is None or theirs is None:
            expected = DifferenceClass.EXTRA if mine is None else DifferenceClass.MISSING
            if alone.get(path) is not expected:
                return False
        elif path not in differing:
            return False
    return True


def _rows(text_lines: list[bytes]) -> dict[str, list[str]] | None:
    """Rows of a `RECORD` by name; ``None`` if it is none."""
    if len(text_lines) > _MAX_ROWS:
        return None
    try:
        source = io.StringIO(b"\n".join(text_lines).decode())
        rows = [row for row in csv.reader(source) if row]
    except (UnicodeDecodeError, csv.Error):
        return None
    found = {row[0].replace("\\", "\\\\"): row[1:] for row in rows}
    return found if len(found) == len(rows) and all(len(row) == 3 for row in rows) else None


def generator(scene: Scene) -> Iterator[Match]:
    """`WHEEL` names another generator, or the metadata has what another backend writes."""
    for index, finding, pair in _contents(scene, _WHEEL):
        mine, theirs = _only(pair)
        if len(mine) == len(theirs) == 1 and all(_key(line) == b"generator" for line in (*mine, *theirs)):
            shown = text(mine[0]), text(theirs[0])
            yield Match(
                finding=index, evidence=evidence(finding, *shown), confidence="proved", changes=_backend(mine[0])
            )
    for index, finding, pair in _contents(scene, _METADATA):
        mine, theirs = _only((_header(pair[0]), _header(pair[1])))
        if (mine or theirs) and _body(pair[0]) == _body(pair[1]):
            keys = {_key(line) for line in (*mine, *theirs)}
            if keys <= set(_BACKEND_KEYS):
                values = {line.partition(b":")[2].strip() for line in (*mine, *theirs)}
                only = keys == {b"metadata-version"} and values <= _VERSIONS
                severity = Severity.HARMLESS if only else Severity.INSPECT
                shown = text(b" | ".join(mine)), text(b" | ".join(theirs))
                yield Match(finding=index, evidence=evidence(finding, *shown), confidence="likely", severity=severity)


def _key(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()


def _header(text_lines: list[bytes]) -> list[bytes]:
    return text_lines[: text_lines.index(b"")] if b"" in text_lines else text_lines


def _body(text_lines: list[bytes]) -> list[bytes]:
    return text_lines[len(_header(text_lines)) :]


def _backend(line: bytes) -> tuple[Change, ...]:
    """Pin the backend that the published line names; nothing where it has no shape we know."""
    named = _GENERATOR.fullmatch(line.partition(b":")[2].strip())
    if named is None:
        return ()
    name, version = named["name"].decode(), named["version"].decode()
    package = _PACKAGES.get(name, name)
    return (
        Change(
            where="environment",
            target=f"package:{package}={version}",
            text=f"Build with {package} {version}, which the published file names.",
        ),
        Change(
            where="project",
            target="pyproject.toml",
            text=f'Pin the build backend: [build-system] requires = ["{package}=={version}"].',
        ),
    )


def sums(scene: Scene) -> Iterator[Match]:
    """Checksum lists: each digest that differs is that of a member that differs; or the same lines, reordered."""
    for index, finding in scene.findings():
        if not finding.path or _RECORD.fullmatch(finding.path[-1]) or finding.path[-1] in _STAMPS:
            continue
        if finding.kind is DifferenceClass.DERIVED:
            severity = None if _LISTS.search(finding.path[-1]) else Severity.INSPECT
            yield Match(finding=index, evidence=evidence(finding), confidence="proved", severity=severity)
        elif finding.kind is DifferenceClass.CONTENT and finding.path[-1].rpartition("/")[2] == "md5sums":
            pair = lines(scene.pair(finding.path))
            if pair is not None and _is_shuffled(pair):
                yield Match(finding=index, evidence=evidence(finding), confidence="proved")


def sources(scene: Scene) -> Iterator[Match]:
    """The list of sources in another order."""
    for index, finding, pair in _contents(scene, _SOURCES):
        if _is_shuffled(pair):
            yield Match(finding=index, evidence=evidence(finding), confidence="proved")


def _rule(
    id_: str, title: str, fix: str, match: Callable[[Scene], Iterator[Match]], changes: tuple[Change, ...] = ()
) -> Rule:
    return Rule(id=id_, title=title, severity=Severity.HARMLESS, fix=fix, match=match, changes=changes)


RULES: tuple[Rule, ...] = (
    _rule(
        "wheel-generator",
        "Another build backend made the wheel",
        "Pin the build backend, with its version, in [build-system] requires.",
        generator,
        (Change(where="project", target="pyproject.toml", text="Pin the build backend in [build-system] requires."),),
    ),
    _rule(
        "wheel-record",
        "RECORD lists digests of files that differ, or its rows in another order",
        "Make the files equal that it speaks of. Where only its order differs, build with a newer wheel or setuptools.",
        record,
    ),
    _rule(
        "md5sums",
        "A list of checksums follows from files that differ",
        "Make the files equal that it speaks of. Where only its order differs, sort it: LC_ALL=C sort.",
        sums,
    ),
    _rule(
        "sdist-egg-info-order",
        "SOURCES.txt lists the same files in another order",
        "Build the sdist with a newer setuptools, or sort what setup.py hands it.",
        sources,
        (Change(where="project", target="setup.py", text="sorted(glob(...)) wherever files are listed."),),
    ),
)
