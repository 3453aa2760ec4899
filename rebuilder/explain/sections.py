"""The third rung, for ELF: which sections differ, and which symbols lie in them. Pure, and fast on any size.

The tables are read by ``compare.archive.elf_table``; a file whose tables are not sound is no ELF here, and the next
rung takes it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from rebuilder.compare.archive.elf_table import DYNSYM, SYMTAB, Section, Table, table
from rebuilder.compare.archive.layout import printable
from rebuilder.data import Data, sha256, window
from rebuilder.explain.windows import Node, node

MAX_NAMES_BYTES = 64 * 1024**2
MAX_SYMBOLS = 300_000
#: Bytes of symbols that are compared in all, so that overlapping symbols do not multiply the file.
MAX_SYMBOL_BYTES = 1024**3
MAX_ROWS = 2000
MAX_NAME = 300


def section_nodes(published: Data, rebuilt: Data) -> tuple[Node, ...]:
    """Section table and symbols of both sides, where they differ. ``FormatError`` if a side is no sound ELF."""
    sides = [(data, table(data)) for data in (published, rebuilt)]
    rows = [_rows(data, tables, 2 * data.size) for data, tables in sides]
    same = "sections with the same name, kind, flags, size and bytes are not shown"
    symbols = [_symbols(data, tables) for data, tables in sides]
    short = any(cut for _, cut in symbols)
    words = f"only the first {MAX_SYMBOLS} symbols of a side were read; " if short else ""
    return (
        _shown("section table", _compared(rows[0], rows[1]), same),
        _shown(
            "symbols", _compared(symbols[0][0], symbols[1][0]),
            f"{words}symbols with the same name, size and bytes are not shown",
        ),
    )  # fmt: skip


def _held(data: Data, one: Section) -> Data | None:
    """The bytes of a section; ``None`` where the file has none of it, or not all."""
    return window(data, one.offset, one.stored) if one.stored and one.offset + one.stored <= data.size else None


def _rows(data: Data, tables: Table, budget: int) -> list[str]:
    """A row for each section. ``budget``: bytes hashed in all, as a hostile table may name one place often."""
    rows = []
    for one in tables.sections:
        held = _held(data, one)
        digest = "outside the file" if one.stored else "no bytes"
        if held is not None:
            digest = f"sha256 {sha256(held)[:16]}" if one.size <= budget else "not hashed: the sections overlap"
            budget -= min(one.size, budget)
        name = _name(one.name) or "(no name)"
        rows.append(f"{name:28} kind {one.type:#x} flags {one.flags:#x} size {one.size} {digest}")
    return rows


def _symbols(data: Data, tables: Table) -> tuple[list[str], bool]:
    """A row for each named symbol, with a digest of its bytes; and whether there were more than are read."""
    known = tables.sections
    source = next((one for kind in (SYMTAB, DYNSYM) for one in known if one.type == kind), None)
    stored = _held(data, source) if source else None
    if source is None or stored is None or source.link >= len(known):
        return [], False
    strings = _held(data, known[source.link])
    names = strings.read(0, MAX_NAMES_BYTES) if strings is not None else b""
    rows, budget = [], MAX_SYMBOL_BYTES
    for name, size, index, value in islice(_entries(tables, stored), MAX_SYMBOLS):
        holder = known[index] if 0 < index < len(known) else None
        held = _held(data, holder) if size and name and holder else None
        if holder is None or held is None:
            continue
        at = value - holder.address if value >= holder.address else value
        digest = "outside its section"
        if at + size <= held.size:
            digest = f"sha256 {sha256(window(held, at, size))[:16]}" if size <= budget else "not hashed: too much"
            budget -= min(size, budget)
        rows.append(f"{_text(names, name)} in {_name(holder.name)} size {size} {digest}")
    return rows, stored.size // _entry(tables).size > MAX_SYMBOLS


def _entry(tables: Table) -> struct.Struct:
    return struct.Struct(tables.shape.order + ("IBBHQQ" if tables.shape.long else "IIIBBH"))


def _entries(tables: Table, data: Data) -> Iterator[tuple[int, int, int, int]]:
    """Name, size, section and value of each symbol."""
    shape, each = _entry(tables), 4096
    for at in range(0, data.size, shape.size * each):
        raw = data.read(at, shape.size * each)
        for values in shape.iter_unpack(raw[: len(raw) - len(raw) % shape.size]):
            if tables.shape.long:
                yield values[0], values[5], values[3], values[4]
            else:
                yield values[0], values[2], values[5], values[1]


def _text(names: bytes, at: int) -> str:
    # Not ``split``: the table may be large, and a hostile one is asked for the same place again and again.
    return _name(names[at : at + MAX_NAME].partition(b"\0")[0])


def _name(raw: bytes) -> str:
    """One line: a name with line ends would else make up rows."""
    text = printable(raw[:MAX_NAME])
    return text if text.isprintable() else "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode()


def _compared(left: list[str], right: list[str]) -> tuple[list[str], list[str]]:
    """Rows that only one side has, in its order, counted: a row that is there twice has to be there twice."""
    ours, theirs = Counter(left), Counter(right)
    return _surplus(left, ours - theirs), _surplus(right, theirs - ours)


def _surplus(rows: list[str], more: Counter[str]) -> list[str]:
    found = []
    for row in rows:
        if more[row] > 0:
            more[row] -= 1
            found.append(row)
    return found


def _shown(title: str, rows: tuple[list[str], list[str]], words: str) -> Node:
    left, right = (side[:MAX_ROWS] for side in rows)
    lines = [*(f"-{row}\n" for row in left), *(f"+{row}\n" for row in right)]
    more = len(rows[0]) + len(rows[1]) - len(lines)
    comments = [words, f"{more} further rows that differ are left out"] if more else [words]
    diff = f"@@ -1,{len(left)} +1,{len(right)} @@\n" + "".join(lines) if lines else ""
    return node(title, diff, comments if lines else [*comments, "no row differs"])
