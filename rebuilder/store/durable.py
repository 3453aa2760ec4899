"""Writing so that a crash at any instant leaves either the old state or the new one.

The order is always: write to ``tmp``, fsync the file, rename, fsync the folder. ``failpoint`` names each
instant in between, so that tests can kill the process there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from rebuilder.errors import InfrastructureError, UsageError
from rebuilder.failpoints import failpoint

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BARRED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}


def disk_fault(err: OSError, path: Path) -> InfrastructureError | None:
    """What a full, failing or barred disk comes to in words; ``None`` for any other error."""
    if err.errno not in {*_FULL, *_BARRED, errno.EIO}:
        return None
    hint = "free some disk (`rebuilder cache trim`), then run the same again"
    if err.errno in _BARRED:
        hint = "it has to be a folder that this user can write to; `rebuilder doctor` shows the state folder"
    msg = f"could not work below {path}: {err.strerror}. Nothing half-written was kept."
    return InfrastructureError(msg, hint=hint)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full, failing or barred disk into an ``InfrastructureError`` that says where."""
    try:
        yield
    except OSError as err:
        fault = disk_fault(err, path)
        if fault is None:
            raise
        raise fault from err


class Scratch:
    """A folder of work in progress, one a process, which holds a lock on it while it lives.

    The kernel drops the lock with the process, whatever ends it; so what can be locked is left over. Unlike
    a pid, that is true across containers that share the folder.
    """

    #: Folders of this process and the handles that lock them, by the folder they lie in.
    _own: ClassVar[dict[Path, tuple[Path, int]]] = {}
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, root: Path, name: str = "tmp") -> None:
        self.root = root / name

    def new(self, what: str) -> Path:
        """A fresh path (not yet existing) below this process's own folder."""
        with disk_errors(self.root):
            return self._folder() / f"{what}-{uuid4().hex}"

    def sweep(self) -> int:
        """Remove what dead processes left behind; how many folders that were."""
        return sum(_removed_if_free(path) for path in _children(self.root))

    def close(self) -> None:
        """Remove this process's own folder, and the one around it if no other process has any."""
        folder, handle = self._own.pop(self.root, (None, -1))
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)
        with suppress(OSError):
            self.root.rmdir()

    def _folder(self) -> Path:
        with self._guard:
            found, _ = self._own.get(self.root, (None, -1))
            while found is None or not found.is_dir():
                found = self.root / f"{os.getpid()}-{uuid4().hex[:12]}"
                found.mkdir(parents=True, mode=0o700)
                with suppress(FileNotFoundError):  # swept in between: nobody held it yet
                    handle = os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                    fcntl.flock(handle, fcntl.LOCK_EX)
                    self._own[self.root] = (found, handle)
            return found


def _removed_if_free(folder: Path) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for that (existing) folder. Leaves no file behind."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


@contextmanager
def in_use(root: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold the store while the block runs, with others; or ``alone``, to forget things in it.

    Raises ``UsageError`` if it is to be alone and is not. The kernel lets go when a process dies.
    """
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(root / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        yield
    except BlockingIOError as err:
        msg = f"another rebuilder command is using {root}"
        raise UsageError(msg, hint="wait until it has ended, then run the same again") from err
    finally:
        os.close(handle)


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder; 0 if there is none."""
    files = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
    total = 0
    for path in files:
        with suppress(FileNotFoundError):  # another process may clear away what it left
            total += path.lstat().st_size
    return total


def removed(folder: Path) -> int:
    """Remove all that is in a folder, and say how many bytes that were. Nothing else may use it (``in_use``)."""
    size = size_of(folder)
    with disk_errors(folder):
        for path in _children(folder):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    return size


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, data: bytes, *, point: str) -> None:
    """Write a new file and fsync it. ``path`` must not exist."""
    with disk_errors(path.parent), path.open("xb") as file:
        file.write(data)
        file.flush()
        failpoint(f"{point}:before-fsync")
        os.fsync(file.fileno())
        failpoint(f"{point}:after-fsync")


def rename_synced(source: Path, target: Path, *, point: str) -> None:
    """Rename within one file system and make it durable."""
    with disk_errors(target.parent):
        failpoint(f"{point}:before-rename")
        source.rename(target)
        failpoint(f"{point}:after-rename")
        sync_folder(target.parent)
        failpoint(f"{point}:after-folder-fsync")


def replace_synced(path: Path, data: bytes, *, point: str = "replace") -> None:
    """Make ``path`` hold exactly ``data``, whole at every instant; parents are made."""
    with _draft_of(path) as draft:
        write_synced(draft, data, point=point)
        rename_synced(draft, path, point=point)


def replace_streamed(path: Path, chunks: Iterable[bytes]) -> int:
    """As ``replace_synced`` for a stream; how many bytes it was."""
    with _draft_of(path) as draft:
        with disk_errors(path.parent), draft.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            failpoint("replace:before-fsync")
            os.fsync(file.fileno())
            failpoint("replace:after-fsync")
            size = file.tell()
        rename_synced(draft, path, point="replace")
    return size


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """A fresh name near ``path``, on the same disk. Drafts of it that a crash left go first, one's own last."""
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Scratch(path.parent, f".{path.name}.new")
    scratch.sweep()
    try:
        yield scratch.new("draft")
    finally:
        scratch.close()
