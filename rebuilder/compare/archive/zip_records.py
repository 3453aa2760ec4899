"""The records of a zip file: local and central headers, data descriptors, the ends of the directory.

Only what bytes say; whether two records agree is `zip.py`'s matter.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rebuilder.compare.archive.layout import FormatError
from rebuilder.data import CHUNK, Data

LOCAL = struct.Struct("<4sHHHHHIIIHH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
LOCATOR = struct.Struct("<4sIQI")
END64 = struct.Struct("<4sQHHIIQQQQ")

LOCAL_MAGIC = b"PK\x03\x04"
CENTRAL_MAGIC = b"PK\x01\x02"
END_MAGIC = b"PK\x05\x06"
LOCATOR_MAGIC = b"PK\x06\x07"
END64_MAGIC = b"PK\x06\x06"
DESCRIPTOR_MAGIC = b"PK\x07\x08"

ENCRYPTED = 1 << 0
DESCRIBED = 1 << 3
"""Bit 3: sizes and CRC follow the content."""
MASKED = 1 << 13
"""Bit 13: the directory is encrypted, local headers hold no true values."""

FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Header:
    """A local or central header. ``raw`` are its bytes; sizes and offset have zip64 values put in."""

    raw: bytes
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    #: The rest only in a central header.
    offset: int = 0
    mode: int = 0
    disk: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """The end of the directory, as the classic record says it (``at``, ``comment``) or the zip64 one."""

    at: int
    #: Where the first record of the end starts: here the directory should stop.
    first: int
    comment: bytes
    disk: int
    #: How many members this part of a split archive has, and how many there are.
    here: int
    count: int
    size: int
    offset: int
    #: Where the zip64 record lies and how long it is; ``None`` if there is none.
    wide: tuple[int, int] | None = None
    remarks: tuple[str, ...] = ()


def extras(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The blocks of an extra field, each with its four bytes of head. What is no block comes last, as id -1."""
    at = 0
    while at + 4 <= len(raw):
        kind, size = struct.unpack_from("<HH", raw, at)
        if at + 4 + size > len(raw):
            break
        yield kind, raw[at : at + 4 + size]
        at += 4 + size
    if at < len(raw):
        yield -1, raw[at:]


def _wide(extra: bytes, narrow: tuple[int, ...], what: str) -> list[int]:
    """The values with those that are full replaced from the zip64 block, where there is one."""
    values = list(narrow)
    if FULL32 not in values:
        return values
    block = next((raw for kind, raw in extras(extra) if kind == 1), None)
    if block is None:
        return values
    at = 4
    for index, value in enumerate(values):
        if value == FULL32:
            if at + 8 > len(block):
                msg = f"the zip64 extra field of {what} ends before the values it must hold"
                raise FormatError(msg)
            values[index] = int.from_bytes(block[at : at + 8], "little")
            at += 8
    return values


def local(data: Data, at: int, what: str) -> Header:
    """The local header at ``at``. ``FormatError`` if none is there."""
    raw = data.read(at, LOCAL.size + 256) if at >= 0 else b""
    if len(raw) < LOCAL.size or raw[:4] != LOCAL_MAGIC:
        msg = f"expected the local header of {what} at offset {at}, found {raw[:4].hex(' ') or 'the end of the file'}"
        raise FormatError(msg)
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = LOCAL.unpack_from(raw)
    whole = LOCAL.size + name_size + extra_size
    raw = raw[:whole] if len(raw) >= whole else data.read(at, whole)
    if len(raw) < whole:
        msg = f"the local header of {what} at offset {at} is {whole} bytes, the file ends after {len(raw)}"
        raise FormatError(msg)
    name = raw[LOCAL.size : LOCAL.size + name_size]
    size, packed = _wide(raw[LOCAL.size + name_size :], (size, packed), what)
    return Header(raw, name, flags, method, crc, packed, size)


def centrals(data: Data, start: int, size: int) -> Iterator[Header]:
    """The records of the central directory. Stops where another kind of record is, ``FormatError`` where none is."""
    base, block, at, end = start, b"", start, start + size
    while at < end:
        if at + CENTRAL.size > end:
            msg = f"the central directory ends at offset {end}, inside a record that starts at {at}"
            raise FormatError(msg)
        # A record is at most 46 bytes and three times 64 KiB: one block always holds the next one whole.
        if at + min(CENTRAL.size + 3 * FULL16, end - at) > base + len(block):
            base, block = at, data.read(at, min(CHUNK, end - at))
        head = _central(block, at - base, at)
        if head is None:
            return
        yield head
        at += len(head.raw)


def _central(block: bytes, at: int, place: int) -> Header | None:
    if block[at : at + 4] == b"PK\x05\x05":
        # A digital signature of the directory: left to the gaps.
        return None
    if len(block) < at + CENTRAL.size or block[at : at + 4] != CENTRAL_MAGIC:
        msg = f"expected a record of the central directory at offset {place}, found {block[at : at + 4].hex(' ')}"
        raise FormatError(msg)
    values = CENTRAL.unpack_from(block, at)
    flags, method, crc, packed, size, name_size, extra_size, comment_size, disk = (*values[3:5], *values[7:14])
    whole = CENTRAL.size + name_size + extra_size + comment_size
    raw = block[at : at + whole]
    if len(raw) < whole:
        msg = f"the record of the central directory at offset {place} is {whole} bytes, the directory ends before"
        raise FormatError(msg)
    name = raw[CENTRAL.size : CENTRAL.size + name_size]
    extra = raw[CENTRAL.size + name_size : CENTRAL.size + name_size + extra_size]
    size, packed, offset = _wide(extra, (size, packed, values[16]), f"the directory's record at offset {place}")
    return Header(raw, name, flags, method, crc, packed, size, offset, values[15], disk)


def end(data: Data) -> End:
    """The end of the directory that readers take: the last record whose comment is the rest of the file, else the
    last whose comment fits. ``FormatError`` if there is none."""
    start = max(0, data.size - END.size - FULL16)
    tail = data.read(start, END.size + FULL16)
    found, at = -1, len(tail)
    while (at := tail.rfind(END_MAGIC, 0, at + 3 if at < len(tail) else at)) >= 0:
        if at + END.size > len(tail):
            continue
        comment = int.from_bytes(tail[at + 20 : at + 22], "little")
        stop = at + END.size + comment
        if stop == len(tail):
            found = at
            break
        if stop < len(tail) and found < 0:
            found = at
    if found < 0:
        msg = "found no end of a central directory in the last 64 KiB"
        raise FormatError(msg)
    _, disk, _, here, count, size, offset, comment = END.unpack_from(tail, found)
    text = tail[found + END.size : found + END.size + comment]
    classic = End(start + found, start + found, text, disk, here, count, size, offset)
    return _end64(data, classic)


def _end64(data: Data, classic: End) -> End:
    """With the zip64 record in place of the classic values, if there is one."""
    place = classic.at - LOCATOR.size
    raw = data.read(place, LOCATOR.size) if place >= 0 else b""
    if raw[:4] != LOCATOR_MAGIC:
        return classic
    claimed = LOCATOR.unpack(raw)[2]
    # With data put before the archive the claimed place is wrong, and the record lies right before the locator.
    for at in (claimed, place - END64.size):
        record = data.read(at, END64.size) if 0 <= at <= place - END64.size else b""
        if record[:4] == END64_MAGIC:
            break
    else:
        msg = f"the zip64 locator at offset {place} names a record at offset {claimed}, where none is"
        raise FormatError(msg)
    _, length, _, _, disk, _, here, count, size, offset = END64.unpack(record)
    length += 12
    if length < END64.size or at + length > place:
        msg = f"the zip64 end of central directory at offset {at} claims {length} bytes; at most {place - at} are there"
        raise FormatError(msg)
    remarks = [
        f"the end of central directory says {what} {narrow}, the zip64 record {wide}"
        for what, narrow, wide, full in (
            ("entries", classic.count, count, FULL16),
            ("size", classic.size, size, FULL32),
            ("offset", classic.offset, offset, FULL32),
        )
        if narrow not in (wide, full)
    ]
    return End(classic.at, at, classic.comment, disk, here, count, size, offset, (at, length), tuple(remarks))


def descriptor(data: Data, at: int, head: Header) -> tuple[bytes, bool]:
    """The data descriptor at ``at``, and whether it says what the central header says. ``b""``: none is there."""
    raw = data.read(at, 24)
    for magic in (DESCRIPTOR_MAGIC, b""):
        for width in (4, 8):
            right = [magic, head.crc.to_bytes(4, "little")]
            if max(head.packed, head.size) < 1 << (8 * width):
                right += [head.packed.to_bytes(width, "little"), head.size.to_bytes(width, "little")]
                wanted = b"".join(right)
                if raw.startswith(wanted):
                    return wanted, True
    return (raw[:16], False) if raw.startswith(DESCRIPTOR_MAGIC) and len(raw) >= 16 else (b"", False)
