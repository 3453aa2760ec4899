"""Which level of our own zlib gives a deflate stream back, if any does: how its writer's zlib is told from others.

zlib has given the same bytes for the same input and level since 1.2.5 or so; zlib-ng, miniz and the libraries of other
languages give their own. Everything is bounded, and most streams are decided by their first kilobytes.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

#: So much of what was packed is looked at: other libraries differ within its first kilobytes.
MAX_UNPACKED = 16 * 1024**2
#: Streams of less than this come out equal in every library.
MIN_UNPACKED = 4096
_ZIP_MEMBERS = 24
_ZIP_MEMBER_BYTES = 1024**2
_LOCAL_HEADER = 30


class Deflated(NamedTuple):
    """How a stream compares with what our own zlib makes of its contents."""

    #: Whether there was enough to compare.
    tried: bool = False
    #: The level at which both are equal; ``None``: at none.
    level: int | None = None
    #: ``zlib.ZLIB_RUNTIME_VERSION`` of what it was compared with.
    ours: str = zlib.ZLIB_RUNTIME_VERSION


class Levels:
    """Packs again what comes out of one raw deflate stream, at every level at once, until none is left."""

    def __init__(self, levels: Iterable[int] = range(1, 10)) -> None:
        self._packers = {level: zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS) for level in levels}
        self._at = dict.fromkeys(self._packers, 0)
        #: Of each level what it gave already, and the stream did not yet: the end of a block may be a byte behind.
        self._early = dict.fromkeys(self._packers, b"")
        self._stream = bytearray()
        self.unpacked = 0

    def packed(self, data: bytes) -> None:
        """More of the stream itself, before what it unpacks to."""
        if self._wanted:
            self._stream += data

    def contents(self, data: bytes) -> None:
        """More of what the stream unpacks to."""
        if self._wanted:
            self.unpacked += len(data)
            for level in tuple(self._packers):
                self._compare(level, self._packers[level].compress(data))

    def ended(self, after: int = 0) -> frozenset[int]:
        """The levels whose stream is equal to its end, or as far as it was looked at. Of what was handed to ``packed``
        the last ``after`` bytes are no part of the stream."""
        if not self._wanted:
            return frozenset(self._packers)
        for level in tuple(self._packers):
            self._compare(level, self._packers[level].flush())
        end = len(self._stream) - after
        return frozenset(level for level in self._packers if self._at[level] == end and not self._early[level])

    @property
    def _wanted(self) -> bool:
        return bool(self._packers) and self.unpacked < MAX_UNPACKED

    def _compare(self, level: int, made: bytes) -> None:
        at, made = self._at[level], self._early[level] + made
        known = self._stream[at : at + len(made)]
        if not made.startswith(known):
            del self._packers[level]
        self._at[level], self._early[level] = at + len(known), made[len(known) :]


def zip_level(stream: BinaryIO, entries: list[zipfile.ZipInfo]) -> Deflated:
    """The level of the members of a zip: the largest deflated ones that are not too large, all of them together."""
    wanted = [e for e in entries if e.compress_type == zipfile.ZIP_DEFLATED and e.file_size <= _ZIP_MEMBER_BYTES]
    wanted = sorted(wanted, key=lambda entry: entry.file_size, reverse=True)[:_ZIP_MEMBERS]
    if sum(entry.file_size for entry in wanted) < MIN_UNPACKED:
        return Deflated()
    levels = frozenset(range(1, 10))
    for entry in wanted:
        packed = _packed(stream, entry)
        unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, _ZIP_MEMBER_BYTES)
        test = Levels(levels)
        test.packed(packed)
        test.contents(unpacked)
        levels = test.ended()
        if not levels:
            break
    return Deflated(True, likeliest(levels, 6))


def likeliest(levels: frozenset[int], usual: int) -> int | None:
    """One of several levels that all fit."""
    return usual if usual in levels else max(levels, default=None)


def _packed(stream: BinaryIO, entry: zipfile.ZipInfo) -> bytes:
    stream.seek(max(entry.header_offset, 0))
    header = stream.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER:
        msg = f"no local header at {entry.header_offset}"
        raise zipfile.BadZipFile(msg)
    named = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    stream.seek(named, 1)
    # Deflate makes nothing longer than itself by more than a few bytes a block.
    return stream.read(min(entry.compress_size, 2 * _ZIP_MEMBER_BYTES))
