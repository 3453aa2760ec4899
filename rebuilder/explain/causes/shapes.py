"""Rules on values that changed places: what differs, differs only in things of one shape (a date, a path, a uuid).

A shape matches a spot only if both sides are byte for byte the same once everything of the shape is masked. That
keeps it narrow: a date beside a changed number is no date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote_from_bytes

from rebuilder.compare.archive.elf_table import MAGIC, Section, Table, table
from rebuilder.compare.archive.layout import FormatError, printable
from rebuilder.data import Data
from rebuilder.explain.causes import Confidence, Match, Rule, Scene
from rebuilder.explain.causes.texts import Reading, contents, evidence, exchanged, head, once, readings
from rebuilder.findings import Change, MemberPath, Severity

_LOAD, _ALLOC, _CODE = 1, 0x2, 0x4
_TEXT_SECTIONS = (
    ".rodata",
    ".data",
    ".debug_",
    ".comment",
    ".dynstr",
    ".strtab",
    ".shstrtab",
    ".GCC",
    ".gnu.lto",
    ".note",
)
#: Sections a debugger runs are no plain debug information.
_RUN_BY_DEBUGGERS = ".debug_gdb_scripts"

_CONFIDENCES: tuple[Confidence, ...] = ("proved", "likely", "possible")
_RANKS: dict[Confidence | None, int] = {name: rank for rank, name in enumerate(_CONFIDENCES)}
_NONE = len(_CONFIDENCES)

#: Judges the two values of a spot: how sure it is that this is the cause, ``None`` if it is not.
Judge = Callable[[Scene, bytes, bytes], Confidence | None]
#: Judges where a finding is, by its path and the section it is in (empty for no section).
Where = Callable[[MemberPath, str], bool]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A cause whose two values have a shape. ``variations``: of a check whose marks prove it."""

    id: str
    title: str
    pattern: re.Pattern[bytes]
    fix: str
    judge: Judge = lambda *_: "likely"
    where: Where = lambda *_: True
    changes: tuple[Change, ...] = ()
    variations: frozenset[str] = frozenset()


def rule(shape: Shape) -> Rule:
    """The shape as an entry of a family."""
    return Rule(
        id=shape.id,
        title=shape.title,
        severity=Severity.INSPECT,
        fix=shape.fix,
        match=partial(_matches, shape),
        changes=shape.changes,
    )


def environment(target: str, text: str) -> tuple[Change, ...]:
    """A fix to what we build in."""
    return (Change(where="environment", target=target, text=text),)


def project(target: str, text: str) -> tuple[Change, ...]:
    """A fix for the authors."""
    return (Change(where="project", target=target, text=text),)


def _matches(shape: Shape, scene: Scene) -> Iterator[Match]:
    proved = set()
    for match in _marks(shape, scene):
        proved.add(match.finding)
        yield match
    for reading in readings(scene):
        section = section_of(scene, reading.path)
        if reading.index not in proved and _has_text(section) and shape.where(reading.path, section):
            match_ = _of_reading(shape, scene, reading)
            if match_ is not None:
                yield match_


def _has_text(section: str) -> bool:
    """Whether strings may lie there: in code and tables of addresses, what reads like one is chance."""
    return not section or section.startswith(_TEXT_SECTIONS)


def _of_reading(shape: Shape, scene: Scene, reading: Reading) -> Match | None:
    """One match a finding: the surest of its spots; less sure while spots are left that it does not explain."""
    best: tuple[int, Match] | None = None
    told = 0
    for spot in reading.spots.found:
        values = exchanged(spot, shape.pattern)
        ranks = [_RANKS.get(shape.judge(scene, *two), _NONE) for two in values]
        # Of several values in one place, each has to be of this cause.
        rank = max(ranks, default=_NONE)
        if rank == _NONE:
            continue
        told += 1
        if best is None or rank < best[0]:
            at = spot.at + max(0, spot.published.find(values[0][0]))
            found = evidence(reading.finding, *values[0], at)
            best = rank, Match(finding=reading.index, evidence=found, confidence=_CONFIDENCES[rank])
    if best is None:
        return None
    every = reading.spots.whole and told == len(reading.spots.found)
    match = best[1]
    if not every and 2 * told < len(reading.spots.found) and match.confidence == "likely":
        match = Match(finding=match.finding, evidence=match.evidence, confidence="possible")
    severity = severity_of(scene, reading.path, taken_apart=every)
    return Match(finding=match.finding, evidence=match.evidence, confidence=match.confidence, severity=severity)


# --- marks of a check -------------------------------------------------------------------------------


def forms(mark: str) -> tuple[bytes, ...]:
    """How a mark may show: as it is, as UTF-16, percent-encoded, reversed."""
    raw = mark.encode("utf-8", "surrogateescape")
    both = (raw, raw.decode("utf-8", "replace").encode("utf-16-le"), quote_from_bytes(raw, safe="").encode(), raw[::-1])
    return tuple(dict.fromkeys(one for one in both if len(one) >= 4))


def _marks(shape: Shape, scene: Scene) -> Iterator[Match]:
    wanted = [mark for mark, name in scene.surroundings.canaries.items() if name in shape.variations]
    if not wanted:
        return
    for index, finding, pair in contents(scene):
        if not shape.where(finding.path, section_of(scene, finding.path)):
            continue
        left, right = (head(side) for side in pair)
        for form in (form for mark in wanted for form in forms(mark)):
            # A mark that stands on both sides as often differs in nothing.
            if left.count(form) != right.count(form):
                at = left.find(form)
                values = [form if form in side else b"" for side in (left, right)]
                found = evidence(finding, values[0], values[1], at if at >= 0 else right.find(form))
                severity = severity_of(scene, finding.path, taken_apart=False)
                yield Match(finding=index, evidence=found, confidence="proved", severity=severity)
                break


# --- sections ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """An ELF file: its bytes, its tables, its sections by the name findings give them (the first of each name)."""

    data: Data
    tables: Table
    named: dict[str, Section]


def elf_sides(scene: Scene, path: MemberPath) -> tuple[Side, Side] | None:
    """Both sides of an ELF file that can be read; ``None`` if one is none. Read once a scene."""
    return once(scene, ("elf", path), lambda: _sides(scene, path))


def _sides(scene: Scene, path: MemberPath) -> tuple[Side, Side] | None:
    try:
        published, rebuilt = (_side(side) for side in scene.pair(path))
    except (KeyError, FormatError):
        return None
    return published, rebuilt


def _side(data: Data) -> Side:
    if data.read(0, 4) != MAGIC:
        msg = "expected the magic bytes of an ELF file"
        raise FormatError(msg)
    tables = table(data)
    named: dict[str, Section] = {}
    for one in tables.sections[1:]:
        named.setdefault(printable(one.name), one)
    return Side(data, tables, named)


def section_of(scene: Scene, path: MemberPath) -> str:
    """Name of the ELF section a finding is on; empty for any other member."""
    return path[-1] if path and elf_sides(scene, path[:-1]) else ""


def severity_of(scene: Scene, path: MemberPath, *, taken_apart: bool) -> Severity:
    """What may be said at best of a difference there: code is behaviour, what is never loaded may be harmless."""
    sides = elf_sides(scene, path[:-1]) if path else None
    if sides is None:
        return Severity.INSPECT
    known = [side.named.get(path[-1]) for side in sides]
    if any(one is None or one.flags & _CODE for one in known):
        return Severity.BEHAVIOUR
    debug = path[-1].startswith(".debug_") and path[-1] != _RUN_BY_DEBUGGERS
    return Severity.HARMLESS if taken_apart and debug and unloaded(scene, path) else Severity.INSPECT


def unloaded(scene: Scene, path: MemberPath) -> bool:
    """Whether the section is in no memory of the running program, on either side, by flags and by segments."""
    sides = elf_sides(scene, path[:-1])
    return sides is not None and not any(_loaded(side, path[-1]) for side in sides)


def _loaded(side: Side, name: str) -> bool:
    one = side.named.get(name)
    if one is None or one.flags & _ALLOC:
        return True
    end = one.offset + one.stored
    return any(
        segment.type == _LOAD and segment.offset < end and one.offset < segment.offset + segment.size
        for segment in side.tables.segments
    )
