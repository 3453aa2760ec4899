"""gzip (RFC 1952): one member or several, one after the other. Every field of header and trailer is told apart."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

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
from rebuilder.data import Data, Spool, window

_MAGIC = b"\x1f\x8b\x08"
_FIXED = 10
_TRAILER = 8
#: Of one header: extra field, name and comment together. The extra field alone may have 64 KiB.
_MAX_HEADER = 256 * 1024
_USUAL = 512
_PIECE = 64 * 1024
_OUT = 1024 * 1024
_HCRC, _EXTRA, _NAME, _COMMENT, _RESERVED = 2, 4, 8, 16, 0xE0
_FLAGS = ((1, "text"), (_HCRC, "hcrc"), (_EXTRA, "extra"), (_NAME, "name"), (_COMMENT, "comment"))
_XFL = {2: "slowest, best", 4: "fastest"}
_OS = {0: "FAT", 3: "Unix", 7: "Macintosh", 10: "TOPS-20", 11: "NTFS", 13: "Acorn", 255: "unknown"}


@dataclass(frozen=True, slots=True)
class _Member:
    """Where one member lies, where its content lies in the unpacked stream, and which of its trailer is right."""

    at: int
    packed: int
    trailer: int
    start: int
    size: int
    raw: bytes
    crc_right: bool
    size_right: bool


class _Gzip:
    """See ``Reader``."""

    name = "gzip"

    def recognises(self, head: bytes, size: int) -> bool:  # noqa: ARG002 - the contract of readers
        """Magic number and the only method there is."""
        return head.startswith(_MAGIC)

    def read(self, data: Data, budget: Budget) -> Layout:
        """See ``Reader``. What follows the last member and is no member is left as a gap."""
        members: list[_Member] = []
        unpacked = budget.spool(_unpack(data, budget, members))
        end = members[-1].trailer + _TRAILER
        remarks = [text for one in members for text in _wrong(one)]
        if end < data.size:
            remarks.append(f"{data.size - end} bytes after the last member, at offset {end}")
        if len(members) > 1:
            remarks.append(f"{len(members)} gzip members, one after the other")
        alone = len(members) == 1
        entries = tuple(_entry(one, window(unpacked, one.start, one.size), synthetic=alone) for one in members)
        return Layout("gzip", entries, remarks=tuple(remarks), fields=partial(_fields, _trust(members)))


def _entry(one: _Member, content: Data, *, synthetic: bool) -> Entry:
    def unpacked(_spool: Spool) -> Data:
        return content

    stretches = (Stretch("header", one.at, one.packed - one.at), Stretch("trailer", one.trailer, _TRAILER))
    size = one.trailer - one.packed
    return Entry(b"content", stretches, one.packed, size, method="deflate", unpacked=unpacked, synthetic=synthetic)


def _wrong(one: _Member) -> Iterator[str]:
    if not one.crc_right:
        yield f"the gzip member at offset {one.at} has a wrong CRC-32"
    if not one.size_right:
        yield f"the gzip member at offset {one.at} has a wrong size in its trailer"


def _unpack(data: Data, budget: Budget, members: list[_Member]) -> Iterator[bytes]:
    """The content of all members, one after the other; each is added to ``members`` when it ends."""
    at = start = 0
    while not members or data.read(at, len(_MAGIC)) == _MAGIC:
        budget.entry()
        packed = at + _header_size(data, at)
        stream = _Deflate(data, packed, budget)
        yield from stream
        raw = data.read(stream.at, _TRAILER)
        if len(raw) < _TRAILER:
            msg = f"expected a gzip trailer of 8 bytes at offset {stream.at}, found {len(raw)} bytes"
            raise FormatError(msg)
        claimed = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:], "little")
        right = stream.crc == claimed[0], stream.size & 0xFFFFFFFF == claimed[1]
        members.append(_Member(at, packed, stream.at, start, stream.size, raw, *right))
        at = stream.at + _TRAILER
        start += stream.size


class _Deflate:
    """Unpacks the deflate stream at ``at``; when all was taken, ``at`` is where it ends."""

    def __init__(self, data: Data, at: int, budget: Budget) -> None:
        self.at, self.crc, self.size = at, 0, 0
        self._data, self._budget = data, budget

    def __iter__(self) -> Iterator[bytes]:
        begin, unpacker, packed = self.at, zlib.decompressobj(-zlib.MAX_WBITS), b""
        while not unpacker.eof:
            self._budget.check()
            if not packed:
                packed = self._data.read(self.at, _PIECE)
                self.at += len(packed)
                if not packed:
                    msg = f"the deflate stream from offset {begin} is cut off at the end of the file"
                    raise FormatError(msg)
            try:
                piece = unpacker.decompress(packed, _OUT)
            except zlib.error as err:
                msg = f"the deflate stream from offset {begin} is broken: {err}"
                raise FormatError(msg) from None
            packed = unpacker.unconsumed_tail
            self.crc = zlib.crc32(piece, self.crc)
            self.size += len(piece)
            if piece:
                yield piece
        self.at -= len(unpacker.unused_data)


def _header_size(data: Data, at: int) -> int:
    """Size of the header at ``at``."""
    raw = data.read(at, _USUAL)
    parts = _header_parts(raw)
    if parts is None and len(raw) == _USUAL:
        raw = data.read(at, _MAX_HEADER)
        parts = _header_parts(raw)
    if parts is None:
        msg = f"expected a gzip header at offset {at}, found one that is cut off, or above {_MAX_HEADER} bytes"
        raise FormatError(msg)
    if raw[:3] != _MAGIC or raw[3] & _RESERVED:
        msg = f"expected a gzip header at offset {at}, found {raw[:4].hex(' ')}"
        raise FormatError(msg)
    return sum(len(part) for _, part in parts)


def _header_parts(raw: bytes) -> list[tuple[str, bytes]] | None:
    """The fields of the header that ``raw`` begins with; ``None`` if it is cut off."""
    if len(raw) < _FIXED:
        return None
    spans = ((0, 2), (2, 3), (3, 4), (4, 8), (8, 9), (9, 10))
    names = ("magic", "method", "flags", "mtime", "xfl", "os")
    found = [(name, raw[start:end]) for name, (start, end) in zip(names, spans, strict=True)]
    at, flags = _FIXED, raw[3]
    for flag, name in ((_EXTRA, "extra"), (_NAME, "fname"), (_COMMENT, "fcomment"), (_HCRC, "hcrc")):
        if not flags & flag:
            continue
        if flag == _EXTRA:
            end = at + 2 + int.from_bytes(raw[at : at + 2], "little")
        elif flag == _HCRC:
            end = at + 2
        else:
            end = raw.find(b"\0", at) + 1
        if not at < end <= len(raw):
            return None
        found.append((name, raw[at:end]))
        at = end
    return found


_Trust = dict[bytes, tuple[bool, bool]]


def _trust(members: list[_Member]) -> _Trust:
    """For each trailer whether its CRC and its size are right, wherever it occurs."""
    found: _Trust = {}
    for one in members:
        crc, size = found.get(one.raw, (True, True))
        found[one.raw] = crc and one.crc_right, size and one.size_right
    return found


def _fields(trust: _Trust, name: str, raw: bytes) -> tuple[HeaderField, ...]:
    if name == "trailer" and len(raw) == _TRAILER:
        right = trust.get(raw, (False, False))
        values = (f"{int.from_bytes(raw[:4], 'little'):08x}", str(int.from_bytes(raw[4:], "little")))
        shown = [value if good else f"{value} (wrong)" for value, good in zip(values, right, strict=True)]
        crc = HeaderField("crc32", raw[:4], shown[0], implied=right[0])
        return crc, HeaderField("isize", raw[4:], shown[1], implied=right[1])
    parts = _header_parts(raw) if name == "header" else None
    if parts is None:
        return (plain(name, raw),)
    found = []
    for field, part in parts:
        right_hcrc = field == "hcrc" and int.from_bytes(part, "little") == zlib.crc32(raw[:-2]) & 0xFFFF
        found.append(HeaderField(field, part, _shown(field, part), implied=right_hcrc))
    return tuple(found)


def _shown(field: str, raw: bytes) -> str:
    """The value of a field of the header."""
    number = int.from_bytes(raw[:4], "little")
    if field == "mtime":
        return datetime.fromtimestamp(number, UTC).isoformat().replace("+00:00", "Z") if number else "0 (no time)"
    if field == "flags":
        return " ".join(word for flag, word in _FLAGS if number & flag) or "none"
    if field in ("fname", "fcomment"):
        return printable(raw[:-1])
    if field in ("os", "xfl"):
        known = (_OS if field == "os" else _XFL).get(number)
        return f"{number} ({known})" if known else str(number)
    if field == "method":
        return "deflate" if number == 8 else str(number)
    return f"{number:04x}" if field == "hcrc" else plain(field, raw).value


GZIP = _Gzip()
