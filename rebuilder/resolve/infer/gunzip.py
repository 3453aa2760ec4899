"""A gzip file: the header that its writer left, and its contents as a bounded stream that knows which zlib made it.

Spec: RFC 1952. One member is read; what follows it is no part of an sdist.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from rebuilder.errors import UsageError
from rebuilder.resolve.infer.deflate import MIN_UNPACKED, Deflated, Levels, likeliest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_HEADER = 10
_NAME_LIMIT = 4096
_CHUNK = 64 * 1024
_HCRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16


class GzipHeader(NamedTuple):
    """What a writer of gzip says."""

    #: Seconds since 1970; 0 for none.
    time: int
    #: 2 best, 4 fastest, 0 neither said.
    xfl: int
    #: 3 Unix, 255 unknown, 0 FAT, 19 macOS in Apple's own.
    system: int
    #: The name it was made under; ``None`` if there is none.
    name: str | None
    flags: int


def header(stream: BinaryIO, name: str) -> GzipHeader:
    """The header, after which ``stream`` stands at the deflate stream. ``UsageError`` for one that is none."""
    head = stream.read(_HEADER)
    if len(head) < _HEADER or head[:3] != b"\x1f\x8b\x08":
        msg = f"{name}: expected the header of a gzip file, found {head!r}"
        raise UsageError(msg, hint="is the file whole? its digest should be the one that the index names")
    flags = head[3]
    if flags & _EXTRA:
        stream.read(int.from_bytes(stream.read(2), "little"))
    named = _text(stream, name) if flags & _NAME else None
    if flags & _COMMENT:
        _text(stream, name)
    if flags & _HCRC:
        stream.read(2)
    return GzipHeader(int.from_bytes(head[4:8], "little"), head[8], head[9], named, flags)


class Unpacking(io.RawIOBase):
    """The contents of a raw deflate stream, packed again at each level on the way."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        self._levels = Levels()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Some bytes; 0 at the end. ``EOFError`` where the stream is cut off, ``zlib.error`` where it is none."""
        view = memoryview(buffer).cast("B")
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail
            if not packed:
                packed = self._stream.read(_CHUNK)
                if not packed:
                    msg = "it is cut off"
                    raise EOFError(msg)
                self._levels.packed(packed)
            data = self._unpacker.decompress(packed, len(view))
            if data:
                view[: len(data)] = data
                self._levels.contents(data)
                return len(data)
        return 0

    def deflated(self) -> Deflated:
        """Once all is read: at which level our own zlib gives the same stream."""
        if self._levels.unpacked < MIN_UNPACKED:
            return Deflated()
        return Deflated(True, likeliest(self._levels.ended(after=len(self._unpacker.unused_data)), 9))


def _text(stream: BinaryIO, name: str) -> str:
    """Text up to a NUL, in Latin-1 as the specification has it."""
    data = b""
    while not data.endswith(b"\0"):
        letter = stream.read(1)
        if not letter or len(data) > _NAME_LIMIT:
            msg = f"{name}: expected a name in the header of its gzip, found no end of it"
            raise UsageError(msg, hint="is the file whole? its digest should be the one that the index names")
        data += letter
    return data[:-1].decode("latin-1")
