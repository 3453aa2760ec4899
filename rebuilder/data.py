"""Bytes that can be read at any place: a file, a member, or a stretch of either. No I/O here.

Whoever owns real files hands in an object with ``size`` and ``read``; positions are never shared, so that the
two sides can be read by two threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

CHUNK = 1024 * 1024


class Data(Protocol):
    """Immutable bytes of a known size."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, at: int, size: int) -> bytes:
        """The bytes from ``at``; fewer than ``size`` only where the data ends."""


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes in memory."""

    held: bytes

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.held)

    def read(self, at: int, size: int) -> bytes:
        """See ``Data``."""
        return self.held[at : at + size]


@dataclass(frozen=True, slots=True)
class Window:
    """``size`` bytes of other data, from ``start``."""

    whole: Data
    start: int
    size: int

    def read(self, at: int, size: int) -> bytes:
        """See ``Data``."""
        return self.whole.read(self.start + at, min(size, self.size - at)) if at < self.size else b""


def window(data: Data, start: int, size: int) -> Data:
    """A stretch of ``data``. ``ValueError`` if it goes past its end."""
    if start < 0 or size < 0 or start + size > data.size:
        msg = f"a stretch of {size} bytes at offset {start} goes past the end of {data.size} bytes"
        raise ValueError(msg)
    if isinstance(data, Window):
        return Window(data.whole, data.start + start, size)
    return Window(data, start, size)


def chunks(data: Data, at: int = 0) -> Iterator[bytes]:
    """All bytes from ``at``, in pieces of at most ``CHUNK``."""
    while piece := data.read(at, CHUNK):
        yield piece
        at += len(piece)


def sha256(data: Data) -> str:
    """Hex digest of all bytes."""
    digest = hashlib.sha256()
    for piece in chunks(data):
        digest.update(piece)
    return digest.hexdigest()


def first_difference(one: Data, other: Data) -> int | None:
    """Offset of the first byte that differs (or at which one ends); ``None`` if all are equal."""
    at = 0
    while True:
        left, right = one.read(at, CHUNK), other.read(at, CHUNK)
        if left != right:
            return at + _shared(left, right)
        if not left:
            return None
        at += len(left)


def _shared(left: bytes, right: bytes) -> int:
    """How many bytes both start with. By halves, for one comparison of many bytes is quicker than many of one."""
    same, end = 0, min(len(left), len(right))
    while same < end:
        middle = (same + end + 1) // 2
        if left[same:middle] == right[same:middle]:
            same = middle
        else:
            end = middle - 1
    return same


#: Puts a stream of bytes where it can be read at any place. Raises ``BudgetError`` past its bounds.
Spool = Callable[[Iterable[bytes]], Data]
