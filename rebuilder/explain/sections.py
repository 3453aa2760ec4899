"""The third rung, for ELF: which sections differ, and which symbols lie in them. Own and pure, fast on any size.

Only 64-bit and 32-bit files of either byte order are read, as far as their headers are sound; a file whose headers
are not is no ELF here, and the next rung takes it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rebuilder.data import Data, sha256, window
from rebuilder.explain.windows import Node, node

MAX_SECTIONS = 20_000
MAX_NAMES_BYTES = 64 * 1024**2
MAX_SYMBOLS = 300_000
#: Bytes of symbols that are compared in all, so that overlapping symbols do not multiply the file.
MAX_SYMBOL_BYTES = 1024**3
MAX_ROWS = 2000
MAX_NAME = 300
_NOBITS, _SYMTAB, _DYNSYM = 8, 2, 11


class NotElfError(ValueError):
    """The bytes are no ELF that can be read; the message says where they stop to be one."""


@dataclass(frozen=True, slots=True)
class Section:
    """A row of the section table; ``data`` is ``None`` where it has no bytes in the file."""

    name: str
    kind: int
    flags: int
    address: int
    size: int
    link: int
    data: Data | None


@dataclass(frozen=True, slots=True)
class _Form:
    """How numbers lie in this file."""

    order: str
    wide: bool

    @property
    def section(self) -> struct.Struct:
        return struct.Struct(self.order + ("IIQQQQIIQQ" if self.wide else "IIIIIIIIII"))

    @property
    def symbol(self) -> struct.Struct:
        return struct.Struct(self.order + ("IBBHQQ" if self.wide else "IIIBBH"))


def section_nodes(published: Data, rebuilt: Data) -> tuple[Node, ...]:
    """Section table and symbols of both sides, where they differ. ``NotElfError`` if a side is no ELF."""
    left, right = sections(published), sections(rebuilt)
    tables = [_rows(side, 2 * data.size) for (_, side), data in ((left, published), (right, rebuilt))]
    rows = _compared(tables[0], tables[1])
    found = [_table("section table", rows, "sections with the same name, kind, flags, size and bytes are not shown")]
    symbols = [_symbols(form, table) for form, table in (left, right)]
    rows = _compared(symbols[0][0], symbols[1][0])
    short = any(cut for _, cut in symbols)
    words = f"only the first {MAX_SYMBOLS} symbols of a side were read" if short else ""
    found.append(_table("symbols", rows, words or "symbols with the same name, size and bytes are not shown"))
    return tuple(found)


def sections(data: Data) -> tuple[_Form, tuple[Section, ...]]:
    """The section table. ``NotElfError`` if it is not sound."""
    form = _form(data)
    shape = struct.Struct(form.order + ("QIHHHHHH" if form.wide else "IIHHHHHH"))
    at, _, _, _, _, entry, count, names = _unpacked(shape, data, 40 if form.wide else 32)
    if not at:
        return form, ()
    if entry != form.section.size:
        msg = f"expected section headers of {form.section.size} bytes, found {entry}"
        raise NotElfError(msg)
    first = _unpacked(form.section, data, at)
    # More of them than the header has room for: then the first section says how many.
    count, names = count or first[5], first[6] if names == 0xFFFF else names
    if count > MAX_SECTIONS or names >= count:
        msg = f"expected at most {MAX_SECTIONS} sections and their names in one of them, found {count} and {names}"
        raise NotElfError(msg)
    headers = [_unpacked(form.section, data, at + index * entry) for index in range(count)]
    table = _stretch(data, headers[names][4], headers[names][5], MAX_NAMES_BYTES)
    return form, tuple(_section(data, header, table) for header in headers)


def _form(data: Data) -> _Form:
    head = data.read(0, 16)
    if len(head) < 16 or head[:4] != b"\x7fELF" or head[4] not in {1, 2} or head[5] not in {1, 2}:
        msg = f"expected an ELF header, found {head[:6].hex(' ') or 'nothing'}"
        raise NotElfError(msg)
    return _Form("<" if head[5] == 1 else ">", head[4] == 2)


def _unpacked(shape: struct.Struct, data: Data, at: int) -> tuple[int, ...]:
    raw = data.read(at, shape.size) if at < data.size else b""
    if len(raw) < shape.size:
        msg = f"expected {shape.size} bytes of a header at offset {at}, found {len(raw)}"
        raise NotElfError(msg)
    return shape.unpack(raw)


def _stretch(data: Data, at: int, size: int, limit: int) -> bytes:
    return data.read(at, min(size, limit)) if at < data.size else b""


def _section(data: Data, header: tuple[int, ...], names: bytes) -> Section:
    name, kind, flags, address, at, size, link = header[:7]
    held = None
    if kind not in {0, _NOBITS}:
        try:
            held = window(data, at, size)
        except ValueError as error:
            msg = f"a section lies outside the file: {error}"
            raise NotElfError(msg) from error
    return Section(_name(names, name), kind, flags, address, size, link, held)


def _name(names: bytes, at: int) -> str:
    # Not ``split``: the table may be large, and a hostile one is asked for the same place again and again.
    raw = names[at : at + MAX_NAME].partition(b"\0")[0]
    return raw.decode("ascii", "backslashreplace")


def _rows(table: tuple[Section, ...], budget: int) -> list[str]:
    """A row for each section. ``budget``: bytes hashed in all, as a hostile table may name one place often."""
    rows = []
    for one in table:
        digest = "no bytes" if one.data is None else "not hashed: the sections overlap"
        if one.data is not None and one.size <= budget:
            digest = sha256(one.data)[:16]
            budget -= one.size
        name = one.name or "(no name)"
        rows.append(f"{name:28} kind {one.kind:#x} flags {one.flags:#x} size {one.size} sha256 {digest}")
    return rows


def _symbols(form: _Form, table: tuple[Section, ...]) -> tuple[list[str], bool]:
    """A row for each named symbol, with a digest of its bytes; and whether there were more than are read."""
    source = next((s for s in table if s.kind == _SYMTAB), None) or next((s for s in table if s.kind == _DYNSYM), None)
    if source is None or source.data is None or source.link >= len(table):
        return [], False
    strings = table[source.link].data
    names = strings.read(0, MAX_NAMES_BYTES) if strings is not None else b""
    rows, budget = [], MAX_SYMBOL_BYTES
    for name, size, index, value in islice(_entries(form, source.data), MAX_SYMBOLS):
        holder = table[index] if 0 < index < len(table) else None
        if not size or holder is None or holder.data is None or not name:
            continue
        at = value - holder.address if value >= holder.address else value
        digest = "outside its section"
        if at + size <= holder.size and budget >= size:
            digest = sha256(window(holder.data, at, size))[:16]
            budget -= size
        rows.append(f"{_name(names, name)} in {holder.name} size {size} sha256 {digest}")
    return rows, source.data.size // form.symbol.size > MAX_SYMBOLS


def _entries(form: _Form, data: Data) -> Iterator[tuple[int, int, int, int]]:
    """Name, size, section and value of each symbol."""
    shape, each = form.symbol, 4096
    for at in range(0, data.size, shape.size * each):
        raw = data.read(at, shape.size * each)
        for values in shape.iter_unpack(raw[: len(raw) - len(raw) % shape.size]):
            if form.wide:
                yield values[0], values[5], values[3], values[4]
            else:
                yield values[0], values[2], values[5], values[1]


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


def _table(title: str, rows: tuple[list[str], list[str]], words: str) -> Node:
    left, right = (side[:MAX_ROWS] for side in rows)
    lines = [*(f"-{row}\n" for row in left), *(f"+{row}\n" for row in right)]
    more = len(rows[0]) + len(rows[1]) - len(lines)
    comments = [words, f"{more} further rows that differ are left out"] if more else [words]
    diff = f"@@ -1,{len(left)} +1,{len(right)} @@\n" + "".join(lines) if lines else ""
    return node(title, diff, comments if lines else [*comments, "no row differs"])
