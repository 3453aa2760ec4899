"""tar: v7, ustar, pax, GNU long names, GNU and pax sparse files, archives one after the other.

A sparse file's content is its data as stored; where the data goes is in stretches of its own (or before the data, in
pax 1.0, and then it is part of the content).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from rebuilder.compare.archive import tar_fields
from rebuilder.compare.archive.layout import (
    Budget,
    Entry,
    FormatError,
    HeaderField,
    Layout,
    Stretch,
    plain,
    printable,
)
from rebuilder.compare.archive.tar_fields import BLOCK, NO_CONTENT, is_header, kind_of, number, records
from rebuilder.data import Data
from rebuilder.tarsafe import MAX_HEADER_BYTES

_ZEROS = bytes(BLOCK)
_PIECE = 64 * 1024
_EXTRA = {b"x": "pax header", b"X": "pax header", b"L": "long name", b"K": "long link"}
_GLOBAL = "global pax header"
#: Digits of any size a file can have: `int` takes long over long numbers.
_MAX_DIGITS = 20


class _Tar:
    """See ``Reader``."""

    name = "tar"

    def recognises(self, head: bytes, size: int) -> bool:
        """The magic of ustar, or a right checksum in the first block."""
        return size >= BLOCK and (head[257:262] == b"ustar" or is_header(head[:BLOCK]))

    def read(self, data: Data, budget: Budget) -> Layout:
        """See ``Reader``. What follows the end of the archive and is not of members is left as a gap."""
        walk = _Walk(data, budget)
        at = walk.archive(0)
        while at < data.size:
            kept = walk.state()
            try:
                after = walk.archive(at)
            except FormatError as err:
                walk.back_to(kept)
                walk.remarks.append(f"{data.size - at} bytes after the end of the archive, at offset {at}: {err}")
                break
            walk.remarks.append(f"{len(walk.entries) - kept[0]} members after the end of an archive, at offset {at}")
            at = after
        walk.remarks += _duplicates(walk.entries)
        entries, stretches = tuple(walk.entries), tuple(walk.stretches)
        fields = partial(_fields, frozenset(walk.unsized))
        return Layout("tar", entries, stretches, tuple(walk.remarks), fields=fields)


@dataclass
class _Before:
    """What the headers before a member say of it."""

    stretches: list[Stretch] = field(default_factory=list)
    size: int | None = None
    name: bytes | None = None
    long_name: bytes | None = None
    total: int = 0


class _Walk:
    """What was read so far: names and numbers, no bytes of content."""

    def __init__(self, data: Data, budget: Budget) -> None:
        self.data, self.budget = data, budget
        self.entries: list[Entry] = []
        self.stretches: list[Stretch] = []
        self.remarks: list[str] = []
        #: Headers whose size is not that of the content.
        self.unsized: set[bytes] = set()

    def state(self) -> tuple[int, int, int]:
        """For ``back_to``."""
        return len(self.entries), len(self.stretches), len(self.remarks)

    def back_to(self, state: tuple[int, int, int]) -> None:
        """Forget what was read since."""
        del self.entries[state[0] :], self.stretches[state[1] :], self.remarks[state[2] :]

    def archive(self, at: int) -> int:
        """Read members from ``at`` to the end of the archive; the offset after it."""
        read, entry, check = self.data.read, self.budget.entry, self.budget.check
        before, first = _Before(), at
        while True:
            raw = read(at, BLOCK)
            if raw == _ZEROS or not raw:
                if before.stretches:
                    msg = f"the headers before offset {at} are followed by no member"
                    raise FormatError(msg)
                return self._end(at)
            if not is_header(raw):
                raise FormatError(_no_header(raw, at, first))
            check()
            if raw[156:157] in _EXTRA or raw[156:157] == b"g":
                at = self._extra(at, raw, before)
                continue
            entry()
            at = self._member(at, raw, before)
            if before.stretches:
                before = _Before()

    def _end(self, at: int) -> int:
        """All zeros from ``at`` on; the offset after them."""
        end = at
        while piece := self.data.read(end, _PIECE):
            self.budget.check()
            rest = piece.lstrip(b"\0")
            end += len(piece) - len(rest)
            if rest:
                end -= (end - at) % BLOCK
                break
        if end - at < 2 * BLOCK:
            blocks = "no block" if end == at else "one block" if end - at == BLOCK else f"{end - at} bytes"
            self.remarks.append(
                f"expected two blocks of zeros at the end of the archive, at offset {at}, found {blocks}"
            )
        if end > at:
            self.stretches.append(Stretch("end of archive", at, end - at))
        return end

    def _extra(self, at: int, raw: bytes, before: _Before) -> int:
        """Read the extended header at ``at``; the offset after it."""
        size = self._size(raw, at, None)
        before.total += BLOCK + size
        if before.total > MAX_HEADER_BYTES:
            msg = f"the headers of one member take more than {MAX_HEADER_BYTES} bytes, at offset {at}"
            raise FormatError(msg)
        end = self._padded(at + BLOCK + size, f"the extended header at offset {at}")
        payload = self.data.read(at + BLOCK, size)
        typeflag = raw[156:157]
        if typeflag == b"g":
            self.stretches.append(Stretch(_GLOBAL, at, end - at))
            self._global(at, payload)
            return end
        before.stretches.append(Stretch(_EXTRA[typeflag], at, end - at))
        if typeflag in (b"x", b"X"):
            self._pax(at, payload, before)
        elif typeflag == b"L":
            before.long_name = payload.split(b"\0", 1)[0]
        return end

    def _pax(self, at: int, payload: bytes, before: _Before) -> None:
        found = _parsed(at, payload)
        if (size := found.get(b"size")) is not None:
            if not size.isdigit() or len(size.lstrip(b"0")) > _MAX_DIGITS:
                msg = f"expected a size in the extended header at offset {at}, found {size[:40]!r}"
                raise FormatError(msg)
            before.size = int(size.lstrip(b"0") or b"0")
        name = found.get(b"GNU.sparse.name") or found.get(b"path")
        before.name = name.rstrip(b"\0") if name is not None else before.name

    def _global(self, at: int, payload: bytes) -> None:
        found = _parsed(at, payload)
        if b"size" in found:
            msg = f"the global header at offset {at} sets the size of all members, which tools do not agree on"
            raise FormatError(msg)
        if names := [key.decode() for key in (b"path", b"linkpath") if key in found]:
            self.remarks.append(f"the global header at offset {at} sets {' and '.join(names)} of all members")

    def _member(self, at: int, raw: bytes, before: _Before) -> int:
        """Read the member whose header is at ``at``; the offset after it."""
        typeflag = raw[156:157]
        size = claimed = self._size(raw, at, before.size)
        if typeflag in NO_CONTENT and claimed:
            self.remarks.append(f"the {kind_of(typeflag, b'')} at offset {at} claims {claimed} bytes of content")
            size = 0
        stretches = [*before.stretches, Stretch("header", at, BLOCK)]
        start = at + BLOCK
        if typeflag == b"S" and raw[482]:
            start = self._sparse_map(start)
            stretches.append(Stretch("sparse map", at + BLOCK, start - at - BLOCK))
        if size > self.data.size - start:
            left = max(0, self.data.size - start)
            msg = f"the member at offset {at} claims {size} bytes, the file has {left} left"
            raise FormatError(msg)
        end = self._padded(start + size, f"the member at offset {at}")
        if end > start + size:
            stretches.append(Stretch("padding", start + size, end - start - size))
        if before.size is not None or claimed != size:
            self.unsized.add(raw)
        name = _name(raw, before)
        self.entries.append(Entry(name, tuple(stretches), start, size, kind=kind_of(typeflag, name)))
        return end

    def _sparse_map(self, at: int) -> int:
        """The offset after the blocks in which a map of an old GNU sparse file goes on."""
        more = 1
        while more:
            self.budget.check()
            raw = self.data.read(at, BLOCK)
            if len(raw) < BLOCK:
                msg = f"the map of a sparse file is cut off at offset {at}"
                raise FormatError(msg)
            more = raw[504]
            at += BLOCK
        return at

    def _size(self, raw: bytes, at: int, override: int | None) -> int:
        size = number(raw[124:136]) if override is None else override
        if size is None or size < 0:
            msg = f"expected a size in the header at offset {at}, found {raw[124:136]!r}"
            raise FormatError(msg)
        return size

    def _padded(self, end: int, what: str) -> int:
        """``end``, raised to a whole block."""
        padded = end + -end % BLOCK
        if padded > self.data.size:
            msg = f"{what} goes to offset {padded}, the file ends at {self.data.size}"
            raise FormatError(msg)
        return padded


def _parsed(at: int, payload: bytes) -> Mapping[bytes, bytes]:
    try:
        return {key: value for key, value, _ in records(payload)}
    except ValueError as err:
        msg = f"the extended header at offset {at} is broken: {err}"
        raise FormatError(msg) from None


def _name(raw: bytes, before: _Before) -> bytes:
    for name in (before.name, before.long_name):
        if name is not None:
            return name
    name = raw[:100].split(b"\0", 1)[0]
    if raw[345] and raw[257:263] == b"ustar\0":
        return raw[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def _no_header(raw: bytes, at: int, first: int) -> str:
    if len(raw) < BLOCK:
        return f"expected a header of {BLOCK} bytes at offset {at}, found {len(raw)} bytes"
    what = "the header of the first member" if at == first else "the header of a member or the end of the archive"
    return f"expected {what} at offset {at}, found a block with a wrong checksum ({raw[148:156]!r})"


def _duplicates(entries: list[Entry]) -> list[str]:
    if len({one.name for one in entries}) == len(entries):
        return []
    seen: set[bytes] = set()
    twice = [one.name for one in entries if one.name in seen or seen.add(one.name)]  # type: ignore[func-returns-value]
    return [f"{len(twice)} members have a name that occurred before; the first is {printable(twice[0])}"]


_TAKEN_APART: Mapping[str, Callable[[bytes], tuple[HeaderField, ...]]] = {
    "pax header": tar_fields.pax,
    _GLOBAL: tar_fields.pax,
    "long name": partial(tar_fields.long_name, "long name"),
    "long link": partial(tar_fields.long_name, "long link"),
}


def _fields(unsized: frozenset[bytes], name: str, raw: bytes) -> tuple[HeaderField, ...]:
    if name == "header" and len(raw) == BLOCK:
        return tar_fields.header(raw, sized=raw not in unsized)
    if name in _TAKEN_APART and len(raw) >= BLOCK:
        return _TAKEN_APART[name](raw)
    if name in ("padding", "end of archive") and not any(raw):
        return (HeaderField(name, raw, f"{len(raw)} zero bytes"),)
    return (plain(name, raw),)


TAR = _Tar()
