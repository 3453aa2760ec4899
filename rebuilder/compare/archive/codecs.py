"""xz, bzip2 and zstd: a compressed stream, or several one after the other, as one entry that covers them all."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator
from typing import IO, Protocol, cast

import zstandard

from rebuilder.compare.archive.layout import Budget, BudgetError, Entry, FormatError, Layout
from rebuilder.data import Data, Spool
from rebuilder.tarsafe import XZ_MEMORY

_PIECE = 64 * 1024
_OUT = 1024 * 1024
_XZ = b"\xfd7zXZ\0"
_BZIP2 = b"BZh"
#: What the first block of a bzip2 stream begins with, or the end of a stream of no blocks.
_BZIP2_BLOCKS = (bytes.fromhex("314159265359"), bytes.fromhex("177245385090"))
_ZSTD = b"\x28\xb5\x2f\xfd"
#: `zstd --ultra --long=27` needs this much; `zstd -d` itself takes no more unless told to.
_ZSTD_WINDOW = 128 * 1024**2
_ZSTD_MAX_BLOCK = 128 * 1024


class _Unpacker(Protocol):
    """What `lzma` and `bz2` have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Streams:
    """Reads a format whose streams only unpacking can find the end of."""

    def __init__(
        self,
        name: str,
        begins: Callable[[bytes], bool],
        unpacker: Callable[[], _Unpacker],
        padding: Callable[[Data, int], int] = lambda _data, _at: 0,
    ) -> None:
        self.name = name
        self._begins, self._unpacker, self._padding = begins, unpacker, padding

    def recognises(self, head: bytes, size: int) -> bool:  # noqa: ARG002 - the contract of readers
        """See ``Reader``."""
        return self._begins(head)

    def read(self, data: Data, budget: Budget) -> Layout:
        """See ``Reader``. What follows the last stream is left as a gap."""
        budget.entry()
        ends: list[int] = []
        content = budget.spool(self._all(data, budget, ends))
        padded = ends[0] + self._padding(data, ends[0])
        return _layout(self.name, data, ends[0], padded, content)

    def _all(self, data: Data, budget: Budget, ends: list[int]) -> Iterator[bytes]:
        at = 0
        while True:
            stream = _Stream(self.name, data, at, budget)
            yield from stream.unpacked(self._unpacker())
            ends[:] = [stream.at]  # not all of them: there may be millions
            at = stream.at + self._padding(data, stream.at)
            if not self._begins(data.read(at, 16)):
                return


class _Stream:
    """One stream at ``at``; when all was taken, ``at`` is where it ends."""

    def __init__(self, name: str, data: Data, at: int, budget: Budget) -> None:
        self.at = at
        self._name, self._data, self._budget = name, data, budget

    def unpacked(self, unpacker: _Unpacker) -> Iterator[bytes]:
        """Its content, in pieces."""
        begin = self.at
        while not unpacker.eof:
            self._budget.check()
            packed = b""
            if unpacker.needs_input:
                packed = self._data.read(self.at, _PIECE)
                self.at += len(packed)
                if not packed:
                    msg = f"the {self._name} stream from offset {begin} is cut off at the end of the file"
                    raise FormatError(msg)
            if piece := self._piece(unpacker, packed, begin):
                yield piece
        self.at -= len(unpacker.unused_data)

    def _piece(self, unpacker: _Unpacker, packed: bytes, begin: int) -> bytes:
        try:
            return unpacker.decompress(packed, _OUT)
        except (lzma.LZMAError, OSError, ValueError, EOFError) as err:
            if "limit" in str(err).lower():
                msg = f"the {self._name} stream from offset {begin} needs more than {XZ_MEMORY} bytes of memory"
                raise BudgetError(msg) from None
            msg = f"the {self._name} stream from offset {begin} is broken: {err}"
            raise FormatError(msg) from None


class _Zstd:
    """See ``Reader``. Frames say where they end without being unpacked."""

    name = "zstd"

    def recognises(self, head: bytes, size: int) -> bool:  # noqa: ARG002 - the contract of readers
        """A frame, or a frame to be skipped."""
        return _is_frame(head)

    def read(self, data: Data, budget: Budget) -> Layout:
        """See ``Reader``. What follows the last frame is left as a gap."""
        budget.entry()
        ends: list[int] = []
        content = budget.spool(_zstd_frames(data, budget, ends))
        if not ends:
            msg = f"expected a zstd frame at offset 0, found {data.read(0, 4).hex(' ')}"
            raise FormatError(msg)
        return _layout(self.name, data, ends[0], ends[0], content)


def _layout(name: str, data: Data, end: int, padded: int, content: Data) -> Layout:
    """One entry for all streams, up to ``end``; ``padded``: where the padding that the format allows ends."""

    def unpacked(_spool: Spool) -> Data:
        return content

    remarks = (f"{data.size - padded} bytes after the {name} stream, at offset {padded}",) if padded < data.size else ()
    entry = Entry(b"content", (), 0, end, method=name, unpacked=unpacked, synthetic=True)
    return Layout(name, (entry,), remarks=remarks)


def _xz_padding(data: Data, at: int) -> int:
    """How many bytes of padding an xz stream has: zeros, four at a time."""
    begin = at
    while piece := data.read(at, _PIECE):
        zeros = len(piece) - len(piece.lstrip(b"\0"))
        at += zeros
        if zeros < len(piece):
            break
    return (at - begin) // 4 * 4


def _is_bzip2(head: bytes) -> bool:
    return head[:3] == _BZIP2 and head[3:4] in b"123456789" and head[4:10] in _BZIP2_BLOCKS


def _is_frame(head: bytes) -> bool:
    return len(head) >= 4 and (head[:4] == _ZSTD or _is_skippable(head))


def _is_skippable(head: bytes) -> bool:
    return 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18"


def _zstd_frames(data: Data, budget: Budget, ends: list[int]) -> Iterator[bytes]:
    """The content of all frames; ``ends`` then holds where the last one ends."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    at = 0
    while _is_frame(head := data.read(at, 18)):
        budget.check()
        if _is_skippable(head):
            end = at + 8 + int.from_bytes(head[4:8], "little")
            if len(head) < 8 or end > data.size:
                msg = f"the zstd frame to be skipped at offset {at} goes past the end of the file"
                raise FormatError(msg)
        else:
            end = _frame_end(data, at, head, budget)
            yield from _frame_content(unpacker, data, at, end, budget)
        at = end
        ends[:] = [at]


def _frame_end(data: Data, at: int, head: bytes, budget: Budget) -> int:
    """Where the frame at ``at`` ends, by the sizes of its blocks."""
    if len(head) < 6:
        msg = f"the zstd frame at offset {at} is cut off"
        raise FormatError(msg)
    flags = head[4]
    alone = flags >> 5 & 1
    place = at + 5 + (not alone) + (0, 1, 2, 4)[flags & 3] + (alone, 2, 4, 8)[flags >> 6]
    last = False
    while not last:
        budget.check()
        raw = data.read(place, 3)
        if len(raw) < 3:
            msg = f"the zstd frame at offset {at} is cut off"
            raise FormatError(msg)
        header = int.from_bytes(raw, "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        if kind == 3 or size > _ZSTD_MAX_BLOCK:
            msg = f"expected a block of a zstd frame at offset {place}, found {raw.hex(' ')}"
            raise FormatError(msg)
        place += 3 + (1 if kind == 1 else size)
    place += 4 if flags & 4 else 0
    if place > data.size:
        msg = f"the zstd frame at offset {at} is cut off"
        raise FormatError(msg)
    return place


def _frame_content(
    unpacker: zstandard.ZstdDecompressor, data: Data, at: int, end: int, budget: Budget
) -> Iterator[bytes]:
    reader = unpacker.stream_reader(cast("IO[bytes]", _Source(data, at, end)))
    while True:
        budget.check()
        try:
            piece = reader.read(_OUT)
        except zstandard.ZstdError as err:
            if "memory" in str(err):
                msg = f"the zstd frame at offset {at} needs a window of more than {_ZSTD_WINDOW} bytes"
                raise BudgetError(msg) from None
            msg = f"the zstd frame at offset {at} is broken: {err}"
            raise FormatError(msg) from None
        if not piece:
            return
        yield piece


class _Source:
    """A stretch of data as a stream."""

    def __init__(self, data: Data, at: int, end: int) -> None:
        self._data, self._at, self._end = data, at, end

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes."""
        left = self._end - self._at
        piece = self._data.read(self._at, min(left, size) if size >= 0 else left) if left else b""
        self._at += len(piece)
        return piece


def _xz_unpacker() -> _Unpacker:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


XZ = _Streams("xz", lambda head: head.startswith(_XZ), _xz_unpacker, _xz_padding)
BZIP2 = _Streams("bzip2", _is_bzip2, bz2.BZ2Decompressor)
ZSTD = _Zstd()
