"""Writing so that a crash at any instant leaves either the old state or the new one.

The order is always: write to ``tmp``, fsync the file, rename, fsync the folder. ``failpoint`` names each
instant in between, so that tests can kill the process there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from rebuilder.errors import InfrastructureError, UsageError


def failpoint(name: str) -> None:
    """Kill this process, as a power cut would, if a test asked for it at this point."""
    if os.environ.get("REBUILDER_FAILPOINT") == name:
        os.kill(os.getpid(), signal.SIGKILL)


def process_tag() -> str:
    """``<pid>.<start time>``: names this process even after its pid was given to another."""
    return f"{os.getpid()}.{start_time(os.getpid())}"


def start_time(pid: int) -> str:
    """Clock ticks since boot at which ``pid`` started; empty if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


def is_alive(tag: str) -> bool:
    """Whether the process that made this tag still runs."""
    pid, _, started = tag.partition(".")
    return pid.isdigit() and bool(started) and start_time(int(pid)) == started


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BARRED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full, failing or barred disk into an ``InfrastructureError`` that says where."""
    try:
        yield
    except OSError as err:
        if err.errno not in {*_FULL, *_BARRED, errno.EIO}:
            raise
        hint = "free some disk (`rebuilder cache trim`), then run the same again"
        if err.errno in _BARRED:
            hint = "it has to be a folder that this user can write to; `rebuilder doctor` shows the state folder"
        msg = f"could not write below {path}: {err.strerror}. Nothing half-written was kept."
        raise InfrastructureError(msg, hint=hint) from err


class Scratch:
    """A folder of work in progress, one a process, swept when its process is gone."""

    def __init__(self, root: Path) -> None:
        self.root = root / "tmp"

    def new(self, what: str) -> Path:
        """A fresh path (not yet existing) below this process's own folder."""
        own = self.root / process_tag()
        with disk_errors(self.root):
            own.mkdir(parents=True, exist_ok=True, mode=0o700)
        return own / f"{what}-{uuid4().hex}"

    def sweep(self) -> int:
        """Remove what dead processes left behind; how many folders that were."""
        gone = [path for path in _children(self.root) if not is_alive(path.name)]
        for path in gone:
            shutil.rmtree(path, ignore_errors=True)
        return len(gone)


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
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        write_synced(draft, data, point=point)
        rename_synced(draft, path, point=point)
    finally:
        draft.unlink(missing_ok=True)


def replace_streamed(path: Path, chunks: Iterable[bytes]) -> int:
    """As ``replace_synced`` for a stream; how many bytes it was."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with disk_errors(path.parent), draft.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        rename_synced(draft, path, point="replace")
    finally:
        draft.unlink(missing_ok=True)
    return size
