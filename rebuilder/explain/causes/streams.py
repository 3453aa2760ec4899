"""Whether packed bytes are one ordinary stream: some readers stop after the first, and some parts hold anything."""

from __future__ import annotations

import bz2

from rebuilder.data import Data

#: Larger ones are not looked at.
_MAX_INDEX, _MAX_BZIP2 = 16 * 1024**2, 64 * 1024**2
_MAX_BLOCKS = 1_000_000
_XZ, _XZ_END = b"\xfd7zXZ\0", b"YZ"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: What every decoder has to take.
_ZSTD_WINDOW = 8 * 1024**2


def alike(method: str, sides: tuple[Data, Data]) -> bool:
    """Whether every reader of the method gets the same from both: each is one stream, and nothing else is in it."""
    kinds = [{"xz": _xz, "bzip2": _bzip2, "zstd": _zstd}[method](side) for side in sides]
    return bool(kinds[0]) and kinds[0] == kinds[1]


def _xz(data: Data) -> bytes:
    """The kind of checksum of the stream, if its index accounts for every byte; else nothing."""
    foot = data.read(max(0, data.size - 12), 12)
    if data.read(0, 6) != _XZ or data.size < 24 or foot[10:] != _XZ_END:
        return b""
    size = (int.from_bytes(foot[4:8], "little") + 1) * 4
    if size > min(_MAX_INDEX, data.size - 24):
        return b""
    blocks = _xz_blocks(data.read(data.size - 12 - size, size))
    return data.read(6, 2) if blocks is not None and 24 + size + blocks == data.size and foot[9] else b""


def _xz_blocks(index: bytes) -> int | None:
    """How many bytes the blocks of an index take; ``None`` if it is none."""
    at, count = 1, 0
    numbers: list[int] = []
    while not numbers or len(numbers) < 1 + 2 * numbers[0]:
        value, shift, byte = 0, 0, 0x80
        while byte & 0x80:
            if at >= len(index) or shift > 56:
                return None
            byte = index[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
        numbers.append(value)
        count += 1
        if count > _MAX_BLOCKS:
            return None
    return None if index[0] else sum(-(-one // 4) * 4 for one in numbers[1::2])


def _bzip2(data: Data) -> bytes:
    if data.size > _MAX_BZIP2:
        return b""
    unpacker, at = bz2.BZ2Decompressor(), 0
    try:
        while not unpacker.eof:
            piece = data.read(at, 64 * 1024) if unpacker.needs_input else b""
            if unpacker.needs_input and not piece:
                return b""
            at += len(piece)
            unpacker.decompress(piece, 1024 * 1024)
    except (OSError, ValueError):
        return b""
    return b"one" if at == data.size and not unpacker.unused_data else b""


def _zstd(data: Data) -> bytes:
    """One frame up to the end, without a dictionary, of a window that every decoder has room for."""
    head = data.read(0, 18)
    if head[:4] != _ZSTD or len(head) < 6:
        return b""
    flags = head[4]
    alone = flags >> 5 & 1
    if flags & 3 or flags & 8:  # it names a dictionary, or has a bit of no meaning
        return b""
    width = (alone, 2, 4, 8)[flags >> 6]
    if alone:
        window = int.from_bytes(head[5 : 5 + width], "little") + (256 if width == 2 else 0)
    else:
        window = (1 << 10 + (head[5] >> 3)) // 8 * (8 + (head[5] & 7))
    place, last, count = 5 + (not alone) + width, False, 0
    while not last:
        raw = data.read(place, 3)
        count += 1
        if len(raw) < 3 or count > _MAX_BLOCKS:
            return b""
        header = int.from_bytes(raw, "little")
        last, kind = bool(header & 1), header >> 1 & 3
        place += 3 + (1 if kind == 1 else header >> 3)
    place += 4 if flags & 4 else 0
    return b"one" if place == data.size and window <= _ZSTD_WINDOW else b""
