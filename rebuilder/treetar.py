"""A source tree as a tar that is the same bytes for the same files, on any host, and variations of such a tar.

Kept of a folder: names, contents, whether the owner may execute, links as they stand, and times up to the
changelog's, because a build copies the times of old files into its packages. Not kept: later times (a checkout's
own, which become the changelog's), owners, other permission bits, `.git`. Format: GNU tar, as Python's tarfile
writes headers.
"""

from __future__ import annotations

import os
import random
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, NamedTuple

from rebuilder.errors import UsageError
from rebuilder.tarplaces import BLOCK, Place, places

MEMBERS_LIMIT = 500_000
CHUNK = 1024**2
_LEFT_OUT = ".git"
#: Of a name in bytes, on any system.
PATH_LIMIT = 4096
#: Seconds over which varied times are spread, at most and at least.
_SPAN, _LEAST_SPAN = 6 * 3600, 10


class Modes(NamedTuple):
    """Permission bits of the members."""

    folder: int
    plain: int
    executable: int


PLAIN = Modes(0o755, 0o644, 0o755)
#: The umask of whoever unpacks decides, as it does for `git clone`.
OPEN = Modes(0o777, 0o666, 0o777)


class Member(NamedTuple):
    """One member: its path below the top folder, and all that a canonical tar keeps of it."""

    path: str
    kind: Literal["file", "folder", "link"]
    time: int
    executable: bool = False
    size: int = 0
    link: str = ""
    content: Iterable[bytes] = ()


def tree_tar(folder: Path, top: str, epoch: int, *, modes: Modes = PLAIN) -> Iterator[bytes]:
    """The tar in pieces: one folder ``top`` that holds all of ``folder``, no time later than ``epoch``.

    ``UsageError`` for a device, a socket or a pipe, a file that can't be read or changes while it is read, and more
    than ``MEMBERS_LIMIT`` members.
    """
    members = (_member(folder, path, epoch) for path in _walk(folder, PurePosixPath()))
    return packed(members, top, epoch, modes=modes, of=str(folder))


def listed_tar(folder: Path, paths: Iterable[str], top: str, epoch: int) -> Iterator[bytes]:
    """The same of the files at ``paths`` alone, with the folders they lie in; every time is ``epoch``. One that is not
    there, or behind a link, or no file, is left out. Modes are ``OPEN``. Raises as ``tree_tar``."""
    return packed(_listed(folder, paths, epoch), top, epoch, modes=OPEN, of=str(folder))


def packed(members: Iterable[Member], top: str, epoch: int, *, modes: Modes, of: str) -> Iterator[bytes]:
    """A canonical tar of members that come ``in_order``, folders before what is in them. ``UsageError``, which calls
    the tree ``of``, for more than ``MEMBERS_LIMIT``."""
    yield _header(top, tarfile.DIRTYPE, epoch, mode=modes.folder)
    for count, member in enumerate(members):
        if count >= MEMBERS_LIMIT:
            msg = f"{of}: expected at most {MEMBERS_LIMIT} files and folders, found more"
            raise UsageError(msg)
        name = f"{top}/{member.path}"
        if member.kind == "folder":
            yield _header(name, tarfile.DIRTYPE, member.time, mode=modes.folder)
        elif member.kind == "link":
            yield _header(name, tarfile.SYMTYPE, member.time, mode=0o777, link=member.link)
        else:
            mode = modes.executable if member.executable else modes.plain
            yield _header(name, tarfile.REGTYPE, member.time, mode=mode, size=member.size)
            yield from member.content
            yield bytes(-member.size % BLOCK)
    yield bytes(2 * BLOCK)


def in_order(path: str) -> list[bytes]:
    """The key by which members are sorted."""
    return os.fsencode(path).split(b"/")


def kept_link(target: str, of: str) -> str:
    """The target of a link, which is kept as it stands, wherever it leads: only a build's container unpacks the tree,
    whoever reads it here reads regular files, and ``packed`` has no member behind a link. ``UsageError``, which calls
    the link ``of``, for what no link can lead to."""
    if not target or "\0" in target or len(os.fsencode(target)) >= PATH_LIMIT:
        msg = f"{of}: expected a link to a path of 1 to {PATH_LIMIT - 1} bytes, found one to {target[:200]!r}"
        raise UsageError(msg, hint="replace it by the file it means, or remove it")
    return target


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


def newest_time(folder: Path) -> int | None:
    """When the youngest file of a folder was written, in seconds since 1970; ``None`` if it holds no file."""
    found = (folder.joinpath(path).lstat() for path in _walk(folder, PurePosixPath()))
    return max((int(each.st_mtime) for each in found if not stat.S_ISDIR(each.st_mode)), default=None)


class Times(NamedTuple):
    """Times that a checkout may give to files: ``span`` seconds from ``first`` on, in an order of ``seed``."""

    seed: int
    first: int
    span: int


def checkout_times(seed: int, epoch: int, now: int) -> Times:
    """Times of files checked out between the commit (``epoch``) and ``now``. None is earlier: who takes no time after
    that of the commit into a package leaves all of them out."""
    return Times(seed=seed, first=max(0, epoch) + 1, span=min(_SPAN, max(_LEAST_SPAN, now - epoch - 1)))


def varied_tar(tar: BinaryIO, *, order: int | None, times: Times | None) -> Iterator[bytes]:
    """The members of a canonical tar that can seek, in pieces: in an order of the seed ``order``, the top folder
    first, and each with a time of its own of ``times``; ``None`` leaves them as they are. The same bytes
    for the same arguments, on any version of Python. ``IntegrityError`` for what is no canonical tar."""
    found = [_Member(place.start, place.data, _rank(place)) for place in places(tar)]
    end = tar.seek(0, os.SEEK_END) - 2 * BLOCK
    ends = [*(member.start for member in found[1:]), end]
    sequence = range(len(found)) if order is None else _shuffled([member.rank for member in found], _generator(order))
    moments = _moments(times) if times is not None else []
    for index in sequence:
        start, data, _ = found[index]
        tar.seek(start)
        header = tar.read(data - start)
        yield _timed(header, moments[index % len(moments)]) if moments else header
        left = ends[index] - data
        while left and (chunk := tar.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
    yield bytes(2 * BLOCK)


class TarTree:
    """The regular files of a canonical tar that can seek, by their paths below its top folder.

    ``IntegrityError`` for what is no canonical tar.
    """

    def __init__(self, tar: BinaryIO) -> None:
        self._tar = tar
        self._files = {place.path.partition("/")[2]: (place.data, place.size) for place in places(tar) if place.is_file}
        self.names = frozenset(self._files)

    def read(self, path: str, limit: int) -> bytes:
        """The first ``limit`` bytes of a file, or all if there are fewer. ``KeyError`` if there is none."""
        start, size = self._files[path]
        self._tar.seek(start)
        return self._tar.read(min(size, limit))


def _generator(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - to be repeated, not to be secret


class _Member(NamedTuple):
    start: int
    data: int
    rank: int


def _rank(place: Place) -> int:
    """The top folder comes first, then files, which make their folders. A folder's own entry, which sets its time,
    comes after all that is made in it."""
    if not place.is_folder:
        return -PATH_LIMIT
    return -place.path.count("/") or -2 * PATH_LIMIT


def _shuffled(ranks: list[int], generator: random.Random) -> list[int]:
    """The indices in an order of chance, one rank after the other."""
    # Of the module, only the sequence of random() is promised to stay the same in later versions.
    keys = [(rank, generator.random()) for rank in ranks]
    return sorted(range(len(ranks)), key=keys.__getitem__)


def _moments(times: Times) -> list[int]:
    """Every second of the range, in an order of its seed."""
    return [times.first + offset for offset in _shuffled([0] * times.span, _generator(times.seed))]


def _timed(header: bytes, time: int) -> bytes:
    """The headers of a member, the last of which gets another time (136) and so another checksum (148)."""
    last = bytearray(header[-BLOCK:])
    last[136:148] = b"%011o\0" % time
    last[148:156] = b" " * 8
    last[148:156] = b"%06o\0 " % sum(last)
    return header[:-BLOCK] + last


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


def _member(folder: Path, inside: PurePosixPath, epoch: int) -> Member:
    path, name = folder / inside, str(inside)
    status = path.lstat()
    time = max(0, min(int(status.st_mtime), epoch))
    if stat.S_ISDIR(status.st_mode):
        return Member(name, "folder", epoch)
    if stat.S_ISLNK(status.st_mode):
        return Member(name, "link", time, link=kept_link(str(path.readlink()), str(path)))
    if stat.S_ISREG(status.st_mode):
        executable = bool(status.st_mode & stat.S_IXUSR)
        return Member(name, "file", time, executable, status.st_size, content=_content(path, status.st_size))
    msg = f"{path}: expected only files, folders and links in a source tree, found a device, socket or pipe"
    raise UsageError(msg)


def _listed(folder: Path, paths: Iterable[str], epoch: int) -> Iterator[Member]:
    seen: dict[str, bool] = {"": True}
    for path in sorted(paths, key=in_order):
        parents = [str(parent) for parent in reversed(PurePosixPath(path).parents)][1:]
        for parent in parents:
            # A folder that became a link: what it leads to is not what was listed.
            if parent not in seen and stat.S_ISDIR(_mode(folder / parent)):
                seen[parent] = False
        there = all(parent in seen for parent in parents)
        if not there or stat.S_ISDIR(_mode(folder / path, stat.S_IFDIR)):
            continue
        for parent in parents:
            if not seen[parent]:
                seen[parent] = True
                yield Member(parent, "folder", epoch)
        yield _member(folder, PurePosixPath(path), epoch)._replace(time=epoch)


def _mode(path: Path, missing: int = 0) -> int:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return missing


def _content(path: Path, size: int) -> Iterator[bytes]:
    left = size
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            while left and (chunk := file.read(min(CHUNK, left))):
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
