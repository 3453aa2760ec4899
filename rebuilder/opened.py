"""Files, folders and scratch space as ``Data``: the edge where the comparison meets the disk."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rebuilder.compare.archive.layout import BudgetError, printable
from rebuilder.compare.folders import Node
from rebuilder.compare.walk import Bounds
from rebuilder.data import Data, Held
from rebuilder.errors import UsageError

#: What is unpacked and not larger stays in memory.
SMALL = 1024 * 1024
MAX_SCRATCH = 16 * 1024**3
MAX_SECONDS = 900
MAX_NODES = 200_000


@dataclass(frozen=True, slots=True)
class FileData:
    """An open file, read by offset. Threads may share it."""

    descriptor: int
    size: int

    def read(self, at: int, size: int) -> bytes:
        """See ``Data``."""
        if at >= self.size or size <= 0:
            return b""
        data = os.pread(self.descriptor, min(size, self.size - at), at)
        if not data:
            msg = f"the file became shorter while it was read (expected {self.size} bytes, ends at {at})"
            raise OSError(msg)
        return data


class Desk:
    """Opens files and keeps what is unpacked of them, until it is closed. All of it together is bounded."""

    def __init__(self, *, scratch: int = MAX_SCRATCH, seconds: float = MAX_SECONDS) -> None:
        self._left = scratch
        self._limit = scratch
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._files: list[IO[bytes]] = []

    def open(self, path: Path) -> FileData:
        """A regular file. ``OSError`` as ``open`` raises it; ``UsageError`` for anything else."""
        file = path.open("rb")
        self._files.append(file)
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            msg = f"{path}: expected a file or a folder, found something else"
            raise UsageError(msg)
        return FileData(file.fileno(), status.st_size)

    def spool(self, pieces: Iterable[bytes]) -> Data:
        """See ``rebuilder.data.Spool``."""
        held, size = [], 0
        stream = iter(pieces)
        for piece in stream:
            self._take(len(piece))
            held.append(piece)
            size += len(piece)
            if size > SMALL:
                return self._spooled(held, stream)
        return Held(b"".join(held))

    def _spooled(self, held: list[bytes], rest: Iterator[bytes]) -> Data:
        file = tempfile.TemporaryFile(prefix="rebuilder-")  # noqa: SIM115 - closed with the desk
        self._files.append(file)
        for piece in held:
            file.write(piece)
        for piece in rest:
            self._take(len(piece))
            self.check()
            file.write(piece)
        file.flush()
        return FileData(file.fileno(), file.tell())

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            msg = f"unpacks to more than {self._limit} bytes in all"
            raise BudgetError(msg)

    def check(self) -> None:
        """``BudgetError`` once the time is over."""
        if time.monotonic() > self._until:
            msg = f"the comparison took more than {self._seconds:g} seconds"
            raise BudgetError(msg)

    @property
    def bounds(self) -> Bounds:
        """For ``compare.walk``."""
        return Bounds(spool=self.spool, check=self.check)

    def folder(self, root: Path) -> dict[str, Node]:
        """Everything below a folder; links are not followed. ``UsageError`` past ``MAX_NODES`` entries."""
        found: dict[str, Node] = {}
        for folder, folders, files in os.walk(os.fsencode(root)):
            for name in (*folders, *files):
                path = os.path.join(folder, name)  # noqa: PTH118 - bytes, which Path cannot be
                found[printable(os.path.relpath(path, os.fsencode(root)))] = self._node(path)
                if len(found) > MAX_NODES:
                    msg = f"{root}: more than {MAX_NODES} entries"
                    raise UsageError(msg)
        return found

    def _node(self, path: bytes) -> Node:
        status = os.lstat(path)
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            return Node("link", 0o777, printable(os.readlink(path)))  # noqa: PTH115 - bytes
        if stat.S_ISDIR(status.st_mode):
            return Node("folder", mode)
        if stat.S_ISREG(status.st_mode):
            return Node("file", mode, data=_Lazy(os.fsdecode(path), status.st_size))
        return Node("special", mode)

    def close(self) -> None:
        """Close every file; what was unpacked is gone."""
        for file in self._files:
            file.close()


@dataclass(frozen=True, slots=True)
class _Lazy:
    """A file of a folder: opened for each read, for there may be more of them than descriptors."""

    path: str
    size: int

    def read(self, at: int, size: int) -> bytes:
        """See ``Data``."""
        with Path(self.path).open("rb") as file:
            return os.pread(file.fileno(), min(size, max(self.size - at, 0)), at)


@contextmanager
def desk(*, scratch: int = MAX_SCRATCH, seconds: float = MAX_SECONDS) -> Iterator[Desk]:
    """A desk for one comparison; all it holds is released at the end."""
    own = Desk(scratch=scratch, seconds=seconds)
    try:
        yield own
    finally:
        own.close()
