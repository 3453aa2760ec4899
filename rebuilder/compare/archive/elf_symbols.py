"""Questions to the sections of an ELF file: what is at this place, which notes, which build id.

All take bytes of any origin. ``FormatError`` only where the tables of the file are broken; what a section does not
say in the way it should counts as not said.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rebuilder.compare.archive.elf_table import DYNSYM, NOTE, SYMTAB, Section, Table, table
from rebuilder.compare.archive.layout import printable
from rebuilder.data import Data, window

#: Of a symbol table more than this many symbols are not looked at.
MAX_SYMBOLS = 8_000_000
#: Of a note section or ``.comment`` no more bytes are read.
MAX_TEXT = 1024 * 1024
_MAX_SYMBOL_NAME = 4096
_ROWS = 1 << 16
_RELOCATABLE = 1
_ALLOC, _TLS_FLAG = 0x2, 0x400
_NOTYPE, _OBJECT, _FUNC, _IFUNC = 0, 1, 2, 10


def sections(data: Data) -> tuple[Section, ...]:
    """All sections in the order of their headers, without the empty one that starts the table."""
    return table(data).sections[1:]


def section(data: Data, name: bytes | str) -> Data | None:
    """The bytes of the first section of this name (as text, the way findings name it); ``None`` if none has any."""
    found = _find(sections(data), name)
    return _bytes(data, found) if found else None


def _find(known: tuple[Section, ...], name: bytes | str) -> Section | None:
    """By name as it is, or as findings have it: printable, the second of one name with ``\\#2``."""
    if isinstance(name, bytes):
        return next((one for one in known if one.name == name), None)
    base, mark, number = name.rpartition("\\#")
    base, wanted = (base, int(number)) if mark and number.isdecimal() and len(number) < 8 else (name, 1)
    same = (one for one in known if one.type and printable(one.name) == base)
    return next((one for index, one in enumerate(same, 1) if index == wanted), None)


def _bytes(data: Data, one: Section) -> Data | None:
    if not one.stored or one.offset + one.stored > data.size:
        return None
    return window(data, one.offset, one.stored)


# --- symbols ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Best:
    """A symbol: where it starts, how well it fits, the offset of its name, its size."""

    value: int
    rank: int
    name: int
    size: int


class Symbols:
    """The symbols of one file, to be asked for many places."""

    def __init__(self, data: Data) -> None:
        self._data, self._tables = data, table(data)
        #: By name as findings have it: the number and the header of each section.
        self._sections: dict[str, tuple[int, Section]] = {}
        seen: dict[str, int] = {}
        for index, one in enumerate(self._tables.sections):
            if index and one.type:
                name = printable(one.name)
                seen[name] = seen.get(name, 0) + 1
                self._sections[name if seen[name] == 1 else f"{name}\\#{seen[name]}"] = index, one
        known = (next((one for one in self._tables.sections if one.type == kind), None) for kind in (SYMTAB, DYNSYM))
        self._symbols = [one for one in known if one is not None]

    @property
    def rows(self) -> int:
        """How many symbols one answer has to look at."""
        width = _row(self._tables).size
        return sum(min(one.stored // width, MAX_SYMBOLS) for one in self._symbols)

    def nearest(self, section_name: str, offset: int) -> str:
        """See ``nearest_symbol``."""
        tables = self._tables
        index, target = self._sections.get(section_name, (0, None))
        if target is None or not target.flags & _ALLOC or target.flags & _TLS_FLAG or offset < 0:
            return ""
        place = offset if tables.kind == _RELOCATABLE else target.address + offset
        for symbols in self._symbols:
            best = _best(self._data, tables, symbols, index, place, covered=symbols.type == DYNSYM)
            if best:
                name = _symbol_name(self._data, tables, symbols, best.name)
                away = place - best.value
                return f"{name}+0x{away:x}" if name and away else name
        return ""


def nearest_symbol(data: Data, section_name: bytes | str, offset: int) -> str:
    """The symbol that starts last before ``offset`` in a section: ``main+0x14``. Empty if nothing can be said.

    ``.dynsym`` does not name everything, so from it only a symbol that covers the place counts."""
    return Symbols(data).nearest(section_name if isinstance(section_name, str) else printable(section_name), offset)


def _row(tables: Table) -> struct.Struct:
    return struct.Struct(tables.shape.order + ("IBBHQQ" if tables.shape.long else "IIIBBH"))


def _best(data: Data, tables: Table, symbols: Section, index: int, place: int, *, covered: bool) -> _Best | None:
    stored = _bytes(data, symbols)
    row = _row(tables)
    if stored is None:
        return None
    best = _Best(-1, -1, 0, 0)
    usable = min(stored.size // row.size, MAX_SYMBOLS)
    for first in range(0, usable, _ROWS):
        raw = stored.read(first * row.size, min(_ROWS, usable - first) * row.size)
        raw = raw[: len(raw) // row.size * row.size]
        best = _better(best, row.iter_unpack(raw), (index, place), long=tables.shape.long, covered=covered)
    return best if best.value >= 0 else None


def _better(
    best: _Best, rows: Iterator[tuple[int, ...]], target: tuple[int, int], *, long: bool, covered: bool
) -> _Best:
    """The better of ``best`` and the best row. Runs once a symbol: most rows must be dropped by the first tests."""
    index, place = target
    value, rank, name, size = best.value, best.rank, best.name, best.size
    shndx, at, info, length = (3, 4, 1, 5) if long else (5, 1, 3, 2)
    for row in rows:
        start = row[at]
        if row[shndx] != index or start < value or start > place:
            continue
        if covered and place >= start + row[length]:
            continue
        kind = _rank(row[info], place < start + row[length])
        if kind > 0 and (start > value or kind > rank):
            value, rank, name, size = start, kind, row[0], row[length]
    return _Best(value, rank, name, size)


def _rank(info: int, covers: bool) -> int:
    """Of symbols at one address: one that covers the place, then a function or object, then one that is global.

    Local ones without a type are marks of assemblers, not names: 0, as is what is no place (file, section)."""
    kind, binding = info & 15, info >> 4
    typed = kind in (_OBJECT, _FUNC, _IFUNC)
    if not typed and (kind != _NOTYPE or binding == 0):
        return 0
    return 1 + 4 * covers + 2 * typed + (binding == 1)


def _symbol_name(data: Data, tables: Table, symbols: Section, at: int) -> str:
    if not 0 < symbols.link < len(tables.sections):
        return ""
    text = _bytes(data, tables.sections[symbols.link])
    raw = text.read(at, _MAX_SYMBOL_NAME) if text else b""
    return printable(raw.split(b"\0", 1)[0])


# --- notes and other small sections -----------------------------------------------------------------


def notes(data: Data) -> dict[tuple[str, int], tuple[bytes, ...]]:
    """All notes, by owner and type: ``("GNU", 3)`` has the build id."""
    tables = table(data)
    found: dict[tuple[str, int], list[bytes]] = {}
    places = [one for one in tables.sections if one.type == NOTE]
    if not tables.sections:
        places = [Section(b"", one.offset, one.size, 0, NOTE, 0) for one in tables.segments if one.type == 4]
    left = MAX_TEXT
    for place in places:
        stored = _bytes(data, place)
        raw = stored.read(0, left) if stored else b""
        left -= len(raw)
        for key, value in _notes(raw, tables.shape.order, 8 if b"property" in place.name else 4):
            found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _notes(raw: bytes, order: str, align: int) -> Iterator[tuple[tuple[str, int], bytes]]:
    head = struct.Struct(order + "III")
    at = 0
    while at + head.size <= len(raw):
        name_size, size, kind = head.unpack_from(raw, at)
        name_at = at + head.size
        start = _up(name_at + name_size, align)
        if start + size > len(raw):
            return
        owner = raw[name_at : name_at + name_size].rstrip(b"\0")
        yield (printable(owner), kind), raw[start : start + size]
        at = _up(start + size, align)


def _up(value: int, align: int) -> int:
    return -(-value // align) * align


def build_id(data: Data) -> str:
    """The GNU build id in hex; empty if there is none."""
    return next((value.hex() for value in notes(data).get(("GNU", 3), ())), "")


def comment(data: Data) -> tuple[str, ...]:
    """The strings of ``.comment``: who compiled and linked this."""
    found = section(data, b".comment")
    raw = found.read(0, MAX_TEXT) if found else b""
    return tuple(printable(one) for one in raw.split(b"\0") if one)


def debuglink(data: Data) -> tuple[str, int] | None:
    """Name and CRC-32 of the file with the debug symbols, from ``.gnu_debuglink``."""
    tables = table(data)
    one = _find(tables.sections, b".gnu_debuglink")
    found = _bytes(data, one) if one else None
    raw = found.read(0, MAX_TEXT) if found else b""
    end = raw.find(b"\0")
    at = _up(end + 1, 4)
    if end <= 0 or at + 4 > len(raw):
        return None
    return printable(raw[:end]), int.from_bytes(raw[at : at + 4], "little" if tables.shape.order == "<" else "big")
