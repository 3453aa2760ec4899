"""ELF files: programs, libraries, objects. Sections are the members; without sections, the loaded segments are.

The tables are read in `elf_table.py`; questions to single sections are answered in `elf_symbols.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rebuilder.compare.archive.elf_table import MAGIC, Section, Table, struct_of, table
from rebuilder.compare.archive.layout import Budget, Entry, FormatError, HeaderField, Layout, Stretch, plain, printable
from rebuilder.data import Data

_LOAD = 1
_TYPES = {
    0: "null",
    1: "progbits",
    2: "symtab",
    3: "strtab",
    4: "rela",
    5: "hash",
    6: "dynamic",
    7: "note",
    8: "nobits",
    9: "rel",
    11: "dynsym",
    14: "init array",
    15: "fini array",
    16: "preinit array",
    17: "group",
    18: "symtab shndx",
    19: "relr",
    0x6FFFFFF6: "gnu hash",
    0x6FFFFFFD: "version definitions",
    0x6FFFFFFE: "version needs",
    0x6FFFFFFF: "version symbols",
}
#: Where tables and sections lie, how large they are and what they are called by: told by the walk itself. Addresses
#: and the entry point are not among them, for nothing else in the file would show that one was changed.
_IMPLIED = frozenset({"e_phoff", "e_shoff", "e_shnum", "e_shstrndx", "sh_name", "sh_offset", "sh_size"})
_HEX = frozenset({"e_entry", "e_flags", "p_vaddr", "p_paddr", "p_flags", "p_type", "sh_addr", "sh_flags", "sh_type"})
_KINDS = {0: "none", 1: "relocatable", 2: "executable", 3: "shared object", 4: "core"}


class _Elf:
    """See ``Reader``."""

    name = "elf"

    def recognises(self, head: bytes, size: int) -> bool:
        """The magic, a class of 32 or 64 bits, a byte order."""
        return size >= 52 and len(head) >= 6 and head[:4] == MAGIC and head[4] in (1, 2) and head[5] in (1, 2)

    def read(self, data: Data, budget: Budget) -> Layout:
        """See ``Reader``. ``FormatError`` as well where sections overlap (``layout.tiled`` says it)."""
        tables = table(data, budget.check)
        stretches = [Stretch("elf header", 0, tables.header)]
        for name, (at, size) in (("program headers", tables.segments_at), ("section headers", tables.sections_at)):
            if size:
                stretches.append(Stretch(name, at, size))
        entries = tuple(_sections(tables, data.size, budget) if tables.sections else _segments(tables, budget))
        if not entries:
            msg = "there are neither sections nor segments that take bytes of the file"
            raise FormatError(msg)
        labels = _labels(tables.sections)
        return Layout("elf", entries, tuple(stretches), _remarks(tables), partial(_fields, tables, labels))


def _sections(tables: Table, size: int, budget: Budget) -> Iterator[Entry]:
    for section in tables.sections:
        budget.entry()
        if section.type == 0:
            continue
        kind = _TYPES.get(section.type, f"type 0x{section.type:x}")
        # Where an empty section would lie means nothing, and may be past the end of the file.
        at = section.offset if section.stored else min(section.offset, size)
        yield Entry(section.name, (), at, section.stored, kind=kind)


def _segments(tables: Table, budget: Budget) -> Iterator[Entry]:
    """What is loaded; the first segment usually starts with the header and the table itself."""
    front = tables.header
    if tables.segments_at[0] <= front:
        front = max(front, sum(tables.segments_at))
    for index, segment in enumerate(tables.segments):
        budget.entry()
        if segment.type != _LOAD or not segment.size:
            continue
        start = max(segment.offset, min(front, segment.offset + segment.size))
        yield Entry(b"segment %d" % index, (), start, segment.offset + segment.size - start, kind="segment")


def _remarks(tables: Table) -> tuple[str, ...]:
    return () if tables.sections else ("there are no section headers; segments are compared",)


def _labels(sections: tuple[Section, ...]) -> tuple[str, ...]:
    """A name for each section header, one to one."""
    found, seen = [], dict[bytes, int]()
    for index, section in enumerate(sections):
        seen[section.name] = seen.get(section.name, 0) + 1
        again = f"\\#{seen[section.name]}" if seen[section.name] > 1 else ""
        found.append(printable(section.name) + again if section.name else f"[{index}]")
    return tuple(found)


def _fields(tables: Table, labels: tuple[str, ...], name: str, raw: bytes) -> tuple[HeaderField, ...]:
    shape = tables.shape
    if name == "elf header" and len(raw) == tables.header:
        return tuple(_record("", shape.header, shape.order, raw))
    rows: Iterator[tuple[str, int]]
    if name == "program headers":
        layout = shape.segment
        width = struct_of(shape.order, layout).size
        rows = ((f"{at // width}.", at) for at in range(0, len(raw), width))
    elif name == "section headers":
        layout = shape.section
        width = struct_of(shape.order, layout).size
        rows = ((f"{label}.", index * width) for index, label in enumerate(labels))
        return tuple(
            one
            for (label, at), section in zip(rows, tables.sections, strict=True)
            for one in _record(label, layout, shape.order, raw[at : at + width], _told(section))
        )
    else:
        return (plain(name, raw),)
    return tuple(one for label, at in rows for one in _record(label, layout, shape.order, raw[at : at + width]))


def _told(section: Section) -> frozenset[str]:
    """What the walk tells of a section by itself: of one without bytes (`.bss`) not its size."""
    return _IMPLIED if section.stored else _IMPLIED - {"sh_size"} if section.type else frozenset()


def _record(
    label: str, layout: tuple[tuple[str, int], ...], order: str, raw: bytes, implied: frozenset[str] = _IMPLIED
) -> Iterator[HeaderField]:
    at = 0
    for name, width in layout:
        piece = raw[at : at + width]
        number = int.from_bytes(piece, "little" if order == "<" else "big")
        yield HeaderField(label + name, piece, _value(name, piece, number), name in implied)
        at += width


def _value(name: str, raw: bytes, number: int) -> str:
    if name.startswith("e_ident."):
        return raw.hex(" ")
    if name == "sh_type" and number in _TYPES:
        return _TYPES[number]
    if name == "e_type" and number in _KINDS:
        return _KINDS[number]
    return f"0x{number:x}" if name in _HEX else str(number)


ELF = _Elf()
