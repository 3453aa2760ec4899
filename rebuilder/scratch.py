"""Scratch space for what is unpacked: first in memory, then in files that have no name and so cannot be left behind.

Few files, for descriptors are few: each takes one stream after the other. What nobody reads any more is given back:
a file is cut behind the last stream that is still in use.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO

from rebuilder.compare.archive.layout import BudgetError
from rebuilder.data import Data, Held

#: What is not larger stays in memory, up to ``IN_MEMORY`` of all of it.
SMALL = 1024 * 1024
IN_MEMORY = 64 * 1024 * 1024


@dataclass
class _File:
    """A file, and the streams in it from first to last: where each begins, and whether it is still read."""

    handle: IO[bytes]
    streams: list[list[int]] = field(default_factory=list)
    end: int = 0


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class _Kept:
    """A stream in a file. While this object lives, nothing else is written there."""

    handle: IO[bytes]
    start: int
    size: int

    def read(self, at: int, size: int) -> bytes:
        """See ``Data``."""
        wanted = min(size, self.size - at)
        return os.pread(self.handle.fileno(), wanted, self.start + at) if wanted > 0 else b""


class Scratch:
    """``keep`` may be called by many threads. At most ``limit`` bytes are kept at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit
        self._memory = min(IN_MEMORY, limit)
        self._lock = threading.Lock()
        self._idle: list[_File] = []
        self._all: list[_File] = []
        #: Streams that are not read any more. Filled whenever objects die, so without the lock.
        self._dead: deque[list[int]] = deque()

    def keep(self, pieces: Iterable[bytes]) -> Data:
        """See ``rebuilder.data.Spool``."""
        taken = 0
        held: list[bytes] = []
        file: _File | None = None
        try:
            for piece in pieces:
                self._take(len(piece))
                taken += len(piece)
                held.append(piece)
                if file is None and (taken > SMALL or taken > self._memory):
                    file = self._borrowed()
                if file is not None:
                    self._write(file, held)
            if file is None:
                return self._remembered(held, taken)
        except BaseException:
            self._forget(file, taken)
            raise
        return self._written(file, taken)

    def _remembered(self, held: list[bytes], size: int) -> Data:
        with self._lock:
            self._memory -= size
        return Held(b"".join(held))

    def _write(self, file: _File, held: list[bytes]) -> None:
        try:
            for piece in held:
                left = memoryview(piece)
                while left:
                    left = left[file.handle.write(left) :]
        except OSError as err:
            msg = f"no scratch space for what is unpacked: {err.strerror}"
            raise BudgetError(msg) from None
        held.clear()

    def _forget(self, file: _File | None, taken: int) -> None:
        """A stream that broke off."""
        with self._lock:
            self._left += taken
            if file is not None:
                self._cut(file, file.end)
                self._idle.append(file)

    def _borrowed(self) -> _File:
        """A file that nobody writes to."""
        with self._lock:
            self._reclaim()
            if self._idle:
                return self._idle.pop()
            handle = tempfile.TemporaryFile(prefix="rebuilder-", buffering=0)  # noqa: SIM115 - closed with the rest
            file = _File(handle)
            self._all.append(file)
            return file

    def _written(self, file: _File, size: int) -> Data:
        kept = _Kept(file.handle, file.end, size)
        stream = [file.end, 1]
        with self._lock:
            file.streams.append(stream)
            file.end += size
            self._idle.append(file)
        weakref.finalize(kept, self._dead.append, stream).atexit = False
        return kept

    def _reclaim(self) -> None:
        """Cut idle files behind the last stream that is still read. With the lock held."""
        while self._dead:
            self._dead.popleft()[1] = 0
        for file in self._idle:
            start = file.end
            while file.streams and not file.streams[-1][1]:
                start = file.streams.pop()[0]
            if start < file.end:
                self._left += file.end - start
                self._cut(file, start)

    def _cut(self, file: _File, start: int) -> None:
        file.handle.seek(start)
        file.handle.truncate()
        file.end = start

    def _take(self, size: int) -> None:
        with self._lock:
            if size > self._left:
                self._reclaim()
            if size <= self._left:
                self._left -= size
                return
        msg = f"unpacks to more than {self._limit} bytes in all"
        raise BudgetError(msg)

    def close(self) -> None:
        """Close the files; what was kept is gone."""
        for file in self._all:
            file.handle.close()
