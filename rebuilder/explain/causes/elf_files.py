"""ELF files of a scene that differ, and what the rules on them ask of one: which sections, symbols, strings. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rebuilder.compare.archive.elf_table import DYNSYM, MAGIC, SYMTAB, Section, Table, table
from rebuilder.compare.archive.layout import FormatError, printable
from rebuilder.data import Data, window
from rebuilder.explain.causes import Confidence, Match, Scene
from rebuilder.explain.causes.kept import once
from rebuilder.explain.causes.texts import MAX_BYTES, evidence
from rebuilder.findings import DifferenceClass, Evidence, Finding, MemberPath, Severity

ALLOC, CODE = 0x2, 0x4
_LOAD = 1
#: Sections a debugger runs are no plain debug information.
_RUN_BY_DEBUGGERS = ".debug_gdb_scripts"
MAX_SYMBOLS = 200_000
#: Digests that are put into a file after it was linked, or over what was linked.
STAMPS = frozenset({".note.gnu.build-id", ".gnu_debuglink", ".gnu_debugaltlink"})
#: Sections that hold addresses or sizes of others, and change with these.
ADDRESSED = frozenset(
    [
        ".dynsym",
        ".symtab",
        ".strtab",
        ".dynamic",
        ".got",
        ".got.plt",
        ".eh_frame",
        ".eh_frame_hdr",
        ".init_array",
        ".fini_array",
        ".data.rel.ro",
        ".gnu.hash",
    ]
)
_HEADERS = frozenset({"elf header", "program headers", "section headers", "layout", "gap"})
_FUNC, _OBJECT = 2, 1


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
    if any(one is None or one.flags & CODE for one in known):
        return Severity.BEHAVIOUR
    debug = path[-1].startswith(".debug_") and path[-1] != _RUN_BY_DEBUGGERS
    return Severity.HARMLESS if taken_apart and debug and unloaded(scene, path) else Severity.INSPECT


def unloaded(scene: Scene, path: MemberPath) -> bool:
    """Whether the section is in no memory of the running program, on either side, by flags and by segments."""
    sides = elf_sides(scene, path[:-1])
    return sides is not None and not any(_loaded(side, path[-1]) for side in sides)


def _loaded(side: Side, name: str) -> bool:
    one = side.named.get(name)
    if one is None or one.flags & ALLOC:
        return True
    end = one.offset + one.stored
    return any(
        segment.type == _LOAD and segment.offset < end and one.offset < segment.offset + segment.size
        for segment in side.tables.segments
    )


@dataclass(frozen=True, slots=True)
class Differing:
    """An ELF file that differs: both sides, and its findings by section; ``own`` are those on headers and order."""

    path: MemberPath
    published: Side
    rebuilt: Side
    sections: dict[str, tuple[int, Finding]]
    own: tuple[tuple[int, Finding], ...]

    @property
    def sides(self) -> tuple[Side, Side]:
        """Published first."""
        return self.published, self.rebuilt

    def code(self) -> list[str]:
        """Names of differing sections that are run."""
        return [name for name in self.sections if any(_has(side, name, CODE) for side in self.sides)]

    def moving(self) -> list[tuple[int, Finding]]:
        """Findings on headers, and on sections that hold addresses."""
        return [*(entry for name, entry in self.sections.items() if self.follows_addresses(name)), *self.own]

    def follows_addresses(self, name: str) -> bool:
        """Whether a section is one that changes when others move."""
        return name in ADDRESSED or name.startswith((".rela.", ".rel."))


def files(scene: Scene) -> tuple[Differing, ...]:
    """Every ELF file with a finding, whole or in a section."""
    return once(scene, "elf files", lambda: tuple(_files(scene)))


def _files(scene: Scene) -> Iterator[Differing]:
    sections: dict[MemberPath, dict[str, tuple[int, Finding]]] = {}
    own: dict[MemberPath, list[tuple[int, Finding]]] = {}
    for index, finding in scene.findings():
        if finding.path and elf_sides(scene, finding.path[:-1]):
            sections.setdefault(finding.path[:-1], {}).setdefault(finding.path[-1], (index, finding))
        elif (finding.kind is DifferenceClass.ORDER or finding.what in _HEADERS) and elf_sides(scene, finding.path):
            own.setdefault(finding.path, []).append((index, finding))
    for path in dict.fromkeys([*sections, *own]):
        sides = elf_sides(scene, path)
        if sides:
            yield Differing(path, *sides, sections.get(path, {}), tuple(own.get(path, ())))


def _has(side: Side, name: str, flag: int) -> bool:
    one = side.named.get(name)
    return one is not None and bool(one.flags & flag)


def stored(side: Side, name: str) -> Data | None:
    """The bytes of a section that can be looked at."""
    one = side.named.get(name)
    return _bytes(side, one) if one else None


def _bytes(side: Side, one: Section) -> Data | None:
    if not one.stored or one.stored > MAX_BYTES or one.offset + one.stored > side.data.size:
        return None
    return window(side.data, one.offset, one.stored)


def raw(side: Side, name: str) -> bytes:
    """The same, all of them; empty where there are none."""
    found = stored(side, name)
    return found.read(0, found.size) if found else b""


def strings(side: Side, name: str) -> list[bytes]:
    """What NUL bytes part in a section."""
    return [one for one in raw(side, name).split(b"\0", 500_000) if one]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function or an object that is defined: where it lies, how large it is."""

    name: bytes
    section: int
    value: int
    size: int


def symbols(side: Side) -> list[Symbol]:
    """Functions and objects with a place, by address: of the full table, else of the dynamic one."""
    for wanted in (SYMTAB, DYNSYM):
        found = next((one for one in side.tables.sections if one.type == wanted), None)
        if found is not None:
            return sorted(_symbols(side, found), key=lambda one: (one.section, one.value, one.name))
    return []


def _symbols(side: Side, one: Section) -> Iterator[Symbol]:
    shape = side.tables.shape
    row = struct.Struct(shape.order + ("IBBHQQ" if shape.long else "IIIBBH"))
    rows, linked = _bytes(side, one), side.tables.sections[one.link] if one.link < len(side.tables.sections) else None
    text = _bytes(side, linked) if linked else None
    if rows is None or text is None:
        return
    names = text.read(0, text.size)
    usable = min(rows.size // row.size, MAX_SYMBOLS)
    for fields in row.iter_unpack(rows.read(0, usable * row.size)):
        at, info, index, value, size = (fields[i] for i in ((0, 1, 3, 4, 5) if shape.long else (0, 3, 5, 1, 2)))
        if info & 15 in (_FUNC, _OBJECT) and index and at < len(names):
            end = names.find(b"\0", at, at + 4096)
            yield Symbol(names[at : end if end >= 0 else at + 4096], index, value, size)


def match(
    entry: tuple[int, Finding],
    values: tuple[bytes, bytes],
    confidence: Confidence,
    severity: Severity,
    at: int | None = None,
) -> Match:
    """Two values of a place as a match."""
    index, finding = entry
    return Match(finding=index, evidence=evidence(finding, *values, at), confidence=confidence, severity=severity)


def worded(
    entry: tuple[int, Finding], published: str, rebuilt: str, confidence: Confidence, severity: Severity
) -> Match:
    """A finding, told in words of the rule, as a match."""
    index, finding = entry
    found = Evidence(
        path=finding.path, what=finding.what, offset=finding.offset, published=published[:200], rebuilt=rebuilt[:200]
    )
    return Match(finding=index, evidence=found, confidence=confidence, severity=severity)
