"""A folder as a tar that is the same bytes for the same files, on any host, as it is written to a stream.

Kept: names, contents, whether the owner may execute, links that stay inside, and times up to the changelog's,
because a build copies the times of old files into its packages. Not kept: later times (a checkout's own, which
become the changelog's), owners, other permission bits, `.git`. Format: GNU tar, as Python's tarfile writes headers.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rebuilder.errors import UsageError

MEMBERS_LIMIT = 500_000
_LEFT_OUT = ".git"
_CHUNK = 1024**2
_BLOCK = 512


def tree_tar(folder: Path, top: str, epoch: int) -> Iterator[bytes]:
    """The tar in pieces: one folder ``top`` that holds all of ``folder``, no time later than ``epoch``.

    ``UsageError`` for a link that leads out, a device, a socket or a pipe, a file that can't be read or changes
    while it is read, and more than ``MEMBERS_LIMIT`` members.
    """
    yield _header(top, tarfile.DIRTYPE, epoch, mode=0o755)
    for count, name in enumerate(_walk(folder, PurePosixPath())):
        if count >= MEMBERS_LIMIT:
            msg = f"{folder}: expected at most {MEMBERS_LIMIT} files and folders, found more"
            raise UsageError(msg)
        yield from _member(folder / name, f"{top}/{name}", name, epoch)
    yield b"\0" * (2 * _BLOCK)


def read_file(path: Path, limit: int) -> bytes:
    """At most ``limit`` bytes of a regular file that is no link. ``UsageError`` if it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                msg = f"{path}: expected a regular file"
                raise UsageError(msg)
            return file.read(limit)
    except OSError as error:
        msg = f"{path}: can't be read: {error.strerror}"
        raise UsageError(msg) from error


def _walk(folder: Path, inside: PurePosixPath) -> Iterator[PurePosixPath]:
    """Every member below ``folder``, parents first, sorted by the bytes of its name."""
    try:
        with os.scandir(folder / inside) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        msg = f"{folder / inside}: can't be read: {error.strerror}"
        raise UsageError(msg) from error
    for entry in found:
        if entry.name == _LEFT_OUT:
            continue
        yield inside / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder, inside / entry.name)


def _member(path: Path, name: str, inside: PurePosixPath, epoch: int) -> Iterator[bytes]:
    status = path.lstat()
    time = max(0, min(int(status.st_mtime), epoch))
    if stat.S_ISDIR(status.st_mode):
        yield _header(name, tarfile.DIRTYPE, epoch, mode=0o755)
    elif stat.S_ISLNK(status.st_mode):
        yield _header(name, tarfile.SYMTYPE, time, mode=0o777, link=_inner_link(path, inside))
    elif stat.S_ISREG(status.st_mode):
        mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        yield _header(name, tarfile.REGTYPE, time, mode=mode, size=status.st_size)
        yield from _content(path, status.st_size)
        yield b"\0" * (-status.st_size % _BLOCK)
    else:
        msg = f"{path}: expected only files, folders and links in a source tree, found a device, socket or pipe"
        raise UsageError(msg)


def _inner_link(path: Path, inside: PurePosixPath) -> str:
    """The link's target, which must stay inside the tree, judged by its text alone."""
    target = str(path.readlink())
    depth = len(inside.parts) - 1
    for part in PurePosixPath(target).parts:
        depth += {"..": -1, ".": 0}.get(part, 1)
        if depth < 0 or target.startswith("/"):
            msg = f"{path}: a link that leads out of the source tree, to {target[:200]!r}"
            raise UsageError(msg, hint="replace it by the file it means, or remove it")
    return target


def _content(path: Path, size: int) -> Iterator[bytes]:
    left = size
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            while left and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
            more = file.read(1)
    except OSError as error:
        msg = f"{path}: can't be read: {error.strerror}"
        raise UsageError(msg) from error
    if left or more:
        msg = f"{path} changed while it was read"
        raise UsageError(msg, hint="run the same again when nothing writes to the tree")


def _header(name: str, kind: bytes, time: int, *, mode: int, size: int = 0, link: str = "") -> bytes:
    info = tarfile.TarInfo(name + "/" if kind == tarfile.DIRTYPE else name)
    info.type, info.mode, info.size, info.mtime, info.linkname = kind, mode, size, time, link
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
