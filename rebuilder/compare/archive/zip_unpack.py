"""The packed contents of zip members, unpacked as a stream and never further than the headers claim."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from rebuilder.compare.archive.layout import FormatError
from rebuilder.data import CHUNK, Data, Spool, chunks

#: No LZMA dictionary that a zip asks for is made larger.
_MAX_DICTIONARY = 256 * 1024 * 1024

_BROKEN = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


class _Stream(Protocol):
    """A decompressor that gives at most ``CHUNK`` bytes a time."""

    def feed(self, piece: bytes) -> bytes:
        """Some of what ``piece``, and what was left of the pieces before, unpacks to."""

    @property
    def hungry(self) -> bool:
        """Nothing more comes without another piece."""

    @property
    def done(self) -> bool:
        """The stream says that it is at its end."""

    @property
    def left(self) -> int:
        """How many bytes of the last piece lie after the end."""


class _Deflate:
    def __init__(self, _head: bytes, _size: int) -> None:
        self._one = zlib.decompressobj(-zlib.MAX_WBITS)
        self._full = False

    def feed(self, piece: bytes) -> bytes:
        found = self._one.decompress(self._one.unconsumed_tail + piece, CHUNK)
        # A full answer may have more behind it even if all input was taken.
        self._full = len(found) == CHUNK
        return found

    @property
    def hungry(self) -> bool:
        return not self._one.unconsumed_tail and not self._full

    @property
    def done(self) -> bool:
        return self._one.eof

    @property
    def left(self) -> int:
        return len(self._one.unused_data)


class _Python:
    """bzip2 and LZMA, whose classes are alike."""

    def __init__(self, one: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._one = one

    def feed(self, piece: bytes) -> bytes:
        return self._one.decompress(piece, CHUNK)

    @property
    def hungry(self) -> bool:
        return self._one.needs_input

    @property
    def done(self) -> bool:
        return self._one.eof

    @property
    def left(self) -> int:
        return len(self._one.unused_data)


def _bzip2(_head: bytes, _size: int) -> _Stream:
    return _Python(bz2.BZ2Decompressor())


def _lzma(head: bytes, size: int) -> _Stream:
    """Two bytes of version, the size of the properties (5), the properties: one byte and the dictionary's size."""
    if len(head) < 9 or head[2:4] != b"\x05\x00" or head[4] >= 225:
        msg = f"expected 5 bytes of LZMA properties, found {head[2:9].hex(' ') or 'nothing'}"
        raise FormatError(msg)
    rest, lc = divmod(head[4], 9)
    pb, lp = divmod(rest, 5)
    # More than the whole content is never looked back at, so a smaller dictionary than asked for does.
    dictionary = max(4096, min(int.from_bytes(head[5:9], "little"), size))
    if dictionary > _MAX_DICTIONARY:
        msg = f"the LZMA dictionary is {dictionary} bytes, at most {_MAX_DICTIONARY} are made"
        raise FormatError(msg)
    one = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}
    return _Python(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[one]))


#: For each method that can be unpacked: its decompressor and how many bytes stand before the stream.
_STREAMS: dict[int, tuple[Callable[[bytes, int], _Stream], int]] = {8: (_Deflate, 0), 12: (_bzip2, 0), 14: (_lzma, 9)}

UNPACKED = frozenset(_STREAMS)


@dataclass(frozen=True, slots=True)
class Unpack:
    """See ``Entry.unpacked``. ``FormatError`` if the stream is damaged, is not all that is stored, or does not give
    as many bytes as the headers claim: the member is then compared as stored."""

    stored: Data
    method: int
    size: int

    def __call__(self, spool: Spool) -> Data:
        """Unpack into ``spool``."""
        return spool(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        make, skip = _STREAMS[self.method]
        got = taken = 0
        try:
            stream = make(self.stored.read(0, skip), self.size)
            for piece in chunks(self.stored, skip):
                taken += len(piece)
                for part in _parts(stream, piece):
                    got += len(part)
                    self._within(got)
                    yield part
                if stream.done:
                    break
        except FormatError:
            raise
        except _BROKEN as error:
            msg = f"the packed bytes are damaged after {got} bytes of content: {error}"
            raise FormatError(msg) from error
        self._judge(got, self.stored.size - skip - taken + stream.left, stream.done)

    def _within(self, got: int) -> None:
        if got > self.size:
            msg = f"unpacks to more than the {self.size} bytes its headers claim"
            raise FormatError(msg)

    def _judge(self, got: int, rest: int, done: bool) -> None:
        if got != self.size:
            why = "" if done else "; the stream is cut off"
            msg = f"unpacks to {got} bytes, its headers claim {self.size}{why}"
            raise FormatError(msg)
        if rest > 0:
            msg = f"the packed stream ends {rest} bytes before the stored bytes end"
            raise FormatError(msg)
        # LZMA need not mark its end; the others must.
        if not done and self.method != 14:
            msg = f"the packed stream has no end after {got} bytes of content"
            raise FormatError(msg)


def _parts(stream: _Stream, piece: bytes) -> Iterator[bytes]:
    """All that one piece gives."""
    part = stream.feed(piece)
    while True:
        if part:
            yield part
        if stream.done or stream.hungry:
            return
        part = stream.feed(b"")
