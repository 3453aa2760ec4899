"""The tables of an ELF file: header, sections, segments. What they say, before anybody judges whether they fit."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from rebuilder.compare.archive.layout import FormatError
from rebuilder.data import Data

MAGIC = b"\x7fELF"
NOBITS, NOTE, SYMTAB, DYNSYM = 8, 7, 2, 11
#: Longer names of sections are refused; compilers put symbol names into them, so they are not short.
MAX_NAME = 4096
#: Objects with a section for each function have many.
MAX_SECTIONS = 200_000
#: Names may share bytes, so this holds for the section they are in and for all of them together.
_MAX_NAMES_BYTES = 16 * 1024 * 1024
_XINDEX = 0xFFFF
_XNUM = 0xFFFF

_IDENT = (
    ("e_ident.magic", 4),
    ("e_ident.class", 1),
    ("e_ident.data", 1),
    ("e_ident.version", 1),
    ("e_ident.osabi", 1),
    ("e_ident.abiversion", 1),
    ("e_ident.padding", 7),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The widths and order of one class of ELF: name and width of each field of each table, and the byte order."""

    order: str
    header: tuple[tuple[str, int], ...]
    segment: tuple[tuple[str, int], ...]
    section: tuple[tuple[str, int], ...]

    @property
    def long(self) -> bool:
        """Whether addresses have 64 bits."""
        return sum(width for _, width in self.header) == 64


def _shape(wide: bool, order: str) -> Shape:
    w = 8 if wide else 4
    header = (
        *_IDENT,
        *(("e_type", 2), ("e_machine", 2), ("e_version", 4), ("e_entry", w), ("e_phoff", w), ("e_shoff", w)),
        *(("e_flags", 4), ("e_ehsize", 2), ("e_phentsize", 2), ("e_phnum", 2)),
        *(("e_shentsize", 2), ("e_shnum", 2), ("e_shstrndx", 2)),
    )
    flags = ("p_flags", 4)
    places = (("p_offset", w), ("p_vaddr", w), ("p_paddr", w), ("p_filesz", w), ("p_memsz", w))
    segment = (
        (("p_type", 4), flags, *places, ("p_align", w)) if wide else (("p_type", 4), *places, flags, ("p_align", w))
    )
    section = (
        *(("sh_name", 4), ("sh_type", 4), ("sh_flags", w), ("sh_addr", w), ("sh_offset", w), ("sh_size", w)),
        *(("sh_link", 4), ("sh_info", 4), ("sh_addralign", w), ("sh_entsize", w)),
    )
    return Shape(order, header, segment, section)


_SHAPES = {(wide, order): _shape(wide == 2, "<" if order == 1 else ">") for wide in (1, 2) for order in (1, 2)}
_LETTERS = {1: "B", 2: "H", 4: "I", 8: "Q"}


def struct_of(order: str, fields: tuple[tuple[str, int], ...]) -> struct.Struct:
    """A table's record as one ``Struct``; fields that are no number (magic, padding) are bytes."""
    text = (_LETTERS.get(width, "") if name not in ("e_ident.magic",) else "" for name, width in fields)
    return struct.Struct(order + "".join(one or f"{width}s" for one, (_, width) in zip(text, fields, strict=True)))


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its name, where its bytes lie (none for ``NOBITS``), its address, type and flags.

    ``link``, ``info`` and ``entry`` are as the header has them."""

    name: bytes
    offset: int
    size: int
    address: int
    type: int
    flags: int
    link: int = 0
    info: int = 0
    entry: int = 0

    @property
    def stored(self) -> int:
        """How many bytes of the file it takes."""
        return 0 if self.type in (0, NOBITS) else self.size


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header: type, and where its bytes lie."""

    type: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Table:
    """Where the tables lie, and what they hold. ``sections`` starts with the empty one that every table starts with."""

    shape: Shape
    kind: int
    header: int
    segments_at: tuple[int, int]
    sections_at: tuple[int, int]
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]


def table(data: Data, check: Callable[[], None] = lambda: None) -> Table:
    """All of an ELF file's tables. ``FormatError`` where they do not fit in the file."""
    ident = data.read(0, 64)
    shape = _SHAPES.get((ident[4], ident[5])) if len(ident) >= 6 and ident[:4] == MAGIC else None
    if shape is None:
        msg = f"expected an ELF header of 32 or 64 bits, found {ident[:6].hex(' ') or 'nothing'}"
        raise FormatError(msg)
    record = struct_of(shape.order, shape.header)
    if len(ident) < record.size:
        msg = f"the ELF header is {record.size} bytes, the file has {data.size}"
        raise FormatError(msg)
    named = dict(zip((name for name, _ in shape.header), record.unpack_from(ident), strict=True))
    raw, count, names = _section_records(data, shape, named)
    segments_at, segments = _segments(data, shape, named, raw[0][7] if raw else 0)
    check()
    sections_at = (named["e_shoff"], len(raw) * struct_of(shape.order, shape.section).size) if count else (0, 0)
    found = _named(data, raw, names, check)
    return Table(shape, named["e_type"], record.size, segments_at, sections_at, segments, found)


def _section_records(data: Data, shape: Shape, named: dict[str, int]) -> tuple[list[tuple[int, ...]], int, int]:
    """The section headers as numbers, how many there are, and which one has the names."""
    at, count, names = named["e_shoff"], named["e_shnum"], named["e_shstrndx"]
    if not at:
        return [], 0, 0
    record = struct_of(shape.order, shape.section)
    if named["e_shentsize"] != record.size:
        msg = f"expected section headers of {record.size} bytes, found {named['e_shentsize']}"
        raise FormatError(msg)
    first = data.read(at, record.size)
    if len(first) < record.size:
        msg = f"the section headers at offset {at} lie outside the {data.size} bytes of the file"
        raise FormatError(msg)
    zeroth = record.unpack(first)
    # More sections than 16 bits can count: the first header, which is otherwise empty, says it.
    count = count or zeroth[5]
    names = zeroth[6] if names == _XINDEX else names
    if count > MAX_SECTIONS or at + count * record.size > data.size:
        msg = f"{count} section headers at offset {at} do not fit in the {data.size} bytes of the file"
        raise FormatError(msg)
    return list(record.iter_unpack(data.read(at, count * record.size))), count, names


def _segments(
    data: Data, shape: Shape, named: dict[str, int], more: int
) -> tuple[tuple[int, int], tuple[Segment, ...]]:
    at, count = named["e_phoff"], named["e_phnum"]
    if not at or not count:
        return (0, 0), ()
    count = more if count == _XNUM and more else count
    record = struct_of(shape.order, shape.segment)
    if named["e_phentsize"] != record.size:
        msg = f"expected program headers of {record.size} bytes, found {named['e_phentsize']}"
        raise FormatError(msg)
    if count > MAX_SECTIONS or at + count * record.size > data.size:
        msg = f"{count} program headers at offset {at} do not fit in the {data.size} bytes of the file"
        raise FormatError(msg)
    names = [name for name, _ in shape.segment]
    kind, offset, size = (names.index(name) for name in ("p_type", "p_offset", "p_filesz"))
    raw = data.read(at, count * record.size)
    found = tuple(Segment(one[kind], one[offset], one[size]) for one in record.iter_unpack(raw))
    return (at, count * record.size), found


def _named(data: Data, raw: list[tuple[int, ...]], names: int, check: Callable[[], None]) -> tuple[Section, ...]:
    text = _names(data, raw, names)
    found, total = [], 0
    for index, one in enumerate(raw):
        if not index & 0xFFF:
            check()
        name = text[one[0] : one[0] + MAX_NAME].split(b"\0", 1)[0] if text else b""
        if text and (one[0] >= len(text) or len(name) == MAX_NAME):
            msg = f"the name of section {index} at offset {one[0]} of the names is not there, or has no end"
            raise FormatError(msg)
        total += len(name)
        if total > _MAX_NAMES_BYTES:
            msg = f"the names of the sections are more than {_MAX_NAMES_BYTES} bytes"
            raise FormatError(msg)
        found.append(Section(name, one[4], one[5], one[3], one[1], one[2], one[6], one[7], one[9]))
    return tuple(found)


def _names(data: Data, raw: list[tuple[int, ...]], names: int) -> bytes:
    if not raw or not names:
        return b""
    if names >= len(raw):
        msg = f"the names are said to be in section {names}, there are {len(raw)}"
        raise FormatError(msg)
    at, size = raw[names][4], raw[names][5]
    if raw[names][1] == NOBITS or size > _MAX_NAMES_BYTES or at + size > data.size:
        msg = f"the section with the names claims {size} bytes at offset {at}; the file has {data.size}"
        raise FormatError(msg)
    return data.read(at, size)
