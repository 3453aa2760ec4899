"""Files, folders and scratch space as ``Data``: the edge where the comparison meets the disk."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rebuilder.compare.archive.layout import BudgetError, printable
from rebuilder.compare.folders import Node
from rebuilder.compare.walk import Bounds
from rebuilder.data import Data
from rebuilder.errors import UsageError
from rebuilder.scratch import Scratch

MAX_SCRATCH = 16 * 1024**3
MAX_SECONDS = 900
MAX_NODES = 200_000
#: A pipe without a writer must not stop us before we know that it is one.
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class FileData:
    """An open file, read by offset. Threads may share it."""

    descriptor: int
    size: int

    def read(self, at: int, size: int) -> bytes:
        """See ``Data``."""
        return _read(self.descriptor, self.size, at, size)


def _read(descriptor: int, whole: int, at: int, size: int) -> bytes:
    """Bytes of a file of known size. ``OSError`` if it is shorter by now: nothing may be taken for its end."""
    wanted = min(size, whole - at)
    if wanted <= 0:
        return b""
    data = os.pread(descriptor, wanted, at)
    while len(data) < wanted:
        more = os.pread(descriptor, wanted - len(data), at + len(data))
        if not more:
            msg = f"the file became shorter while it was read (expected {whole} bytes, ends at {at + len(data)})"
            raise OSError(msg)
        data += more
    return data


class Desk:
    """Opens files and keeps what is unpacked of them, until it is closed. All of it together is bounded."""

    def __init__(self, *, scratch: int = MAX_SCRATCH, seconds: float = MAX_SECONDS) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._opened: list[int] = []
        self._scratch = Scratch(scratch)

    def open(self, path: Path) -> FileData:
        """A regular file. ``OSError`` as ``open`` raises it; ``UsageError`` for anything else."""
        descriptor = os.open(path, _OPEN)
        self._opened.append(descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            msg = f"{path}: expected a file or a folder, found something else"
            raise UsageError(msg)
        return FileData(descriptor, status.st_size)

    def spool(self, pieces: Iterable[bytes]) -> Data:
        """See ``rebuilder.data.Spool``."""
        return self._scratch.keep(self._timed(pieces))

    def _timed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.check()
            yield piece

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
        """Everything below a folder; links are not followed. ``UsageError`` past ``MAX_NODES`` entries.

        ``OSError`` where a folder cannot be listed: what is in it would else be taken for equal."""
        found: dict[str, Node] = {}
        folders = [os.fsencode(root)]
        while folders:
            folder = folders.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    found[printable(os.path.relpath(entry.path, os.fsencode(root)))] = _node(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    if len(found) > MAX_NODES:
                        msg = f"{root}: more than {MAX_NODES} entries"
                        raise UsageError(msg)
        return found

    def close(self) -> None:
        """Close every file; what was unpacked is gone."""
        for descriptor in self._opened:
            os.close(descriptor)
        self._opened.clear()
        self._scratch.close()


def _node(path: bytes) -> Node:
    status = os.lstat(path)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Node("link", 0o777, printable(os.readlink(path)))  # noqa: PTH115 - bytes
    if stat.S_ISREG(status.st_mode):
        return Node("file", mode, data=_Lazy(path, status.st_size))
    return Node(_kind(status), mode)


def _kind(status: os.stat_result) -> str:
    """What it is; of a device also which: two devices have nothing else to tell them apart."""
    device = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    kinds = {
        stat.S_IFDIR: "folder",
        stat.S_IFIFO: "pipe",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: f"character device {device}",
        stat.S_IFBLK: f"block device {device}",
    }
    return kinds.get(stat.S_IFMT(status.st_mode), f"file of type 0o{stat.S_IFMT(status.st_mode):o}")


@dataclass(frozen=True, slots=True)
class _Lazy:
    """A file of a folder: opened for each read, for there may be more of them than descriptors."""

    path: bytes
    size: int

    def read(self, at: int, size: int) -> bytes:
        """See ``Data``. ``OSError`` if another thing was put in the file's place."""
        descriptor = os.open(self.path, _OPEN | os.O_NOFOLLOW)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                msg = f"{printable(self.path)}: was a file when the folder was listed, and is none by now"
                raise OSError(msg)
            return _read(descriptor, self.size, at, size)
        finally:
            os.close(descriptor)


@contextmanager
def desk(*, scratch: int = MAX_SCRATCH, seconds: float = MAX_SECONDS) -> Iterator[Desk]:
    """A desk for one comparison; all it holds is released at the end."""
    own = Desk(scratch=scratch, seconds=seconds)
    try:
        yield own
    finally:
        own.close()
