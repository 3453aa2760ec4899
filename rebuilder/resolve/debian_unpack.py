"""Single small members out of packed source archives and `.deb` files: streamed, bounded, nothing unpacked to disk.

All of these files are hostile even when their digest is right. Specs: deb(5), dsc(5), tar as Python reads it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, cast

from rebuilder import deb822, tarsafe

#: Bytes of an unpacked archive that are looked through for a member, and held in memory at the very most.
SEARCH_LIMIT = 2 * 1024**3
MEMBER_LIMIT = 256 * 1024
_MEMBERS_LIMIT = 1_000_000
_BROKEN = (lzma.LZMAError, zlib.error, tarfile.TarError, EOFError, OSError, UnicodeDecodeError, ValueError)

#: Whether a member of that path, without a leading `./`, is looked for.
Wanted = Callable[[str], bool]


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Bounded:
    """A reader that ends an archive bomb: past ``limit`` unpacked bytes it refuses to go on."""

    def __init__(self, stream: _Readable, limit: int, name: str) -> None:
        self._stream = stream
        self._left = limit
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes. Raises ``deb822.Malformed`` past the limit."""
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            msg = f"{self._name}: unpacks to more than {SEARCH_LIMIT} bytes; stopped reading there"
            raise deb822.Malformed(msg)
        return data


def tar_members(path: Path, name: str, wanted: Wanted, *, limit: int = SEARCH_LIMIT) -> Iterator[tuple[str, bytes]]:
    """Path and first ``MEMBER_LIMIT`` bytes of each regular member whose path ``wanted`` accepts, in order.

    ``name`` is the file's name, which says how it is packed. Raises ``deb822.Malformed``.
    """
    with _reporting(name), path.open("rb") as file:
        yield from _search(_unpacked(file, name), name, wanted, limit)


def deb_members(path: Path, name: str, part: str, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    """The same for ``control.tar`` or ``data.tar`` of a `.deb`. Raises ``deb822.Malformed``."""
    from debian.arfile import ArError, ArFile

    with _reporting(name), path.open("rb") as file:
        try:
            members = {member.name.rstrip("/"): member for member in ArFile(fileobj=file).getmembers()}
        except ArError as error:
            msg = f"{name}: not a Debian package: {error}"
            raise deb822.Malformed(msg) from error
        packed = [other for other in members if other == part or other.startswith(f"{part}.")]
        if "debian-binary" not in members or len(packed) != 1:
            found = ", ".join(repr(other[:40]) for other in list(members)[:8]) or "nothing"
            msg = f"{name}: expected debian-binary and one {part}, found {found}"
            raise deb822.Malformed(msg)
        member = cast("IO[bytes]", members[packed[0]])
        yield from _search(_unpacked(member, packed[0]), name, wanted, SEARCH_LIMIT)


def lines(path: Path, name: str, *, limit: int = SEARCH_LIMIT) -> Iterator[bytes]:
    """Lines of a packed text, each at most 64 KiB. Raises ``deb822.Malformed``."""
    with _reporting(name), path.open("rb") as file:
        stream, left = _unpacked(file, name), limit
        while line := stream.readline(64 * 1024):
            left -= len(line)
            if left < 0:
                msg = f"{name}: unpacks to more than {limit} bytes; stopped reading there"
                raise deb822.Malformed(msg)
            yield line


def _search(stream: _Readable, name: str, wanted: Wanted, limit: int) -> Iterator[tuple[str, bytes]]:
    bounded = _Bounded(stream, limit, name)
    with tarsafe.opened(bounded) as archive:
        for count, member in enumerate(archive):
            if count > _MEMBERS_LIMIT:
                msg = f"{name}: more than {_MEMBERS_LIMIT} members"
                raise deb822.Malformed(msg)
            place = str(PurePosixPath(member.name))
            if member.isreg() and wanted(place):
                content = archive.extractfile(member)
                yield place, content.read(MEMBER_LIMIT) if content else b""
            # A stream is read once; the list that tarfile keeps for going back would only grow.
            archive.members = []


def _unpacked(stream: IO[bytes], name: str) -> IO[bytes] | gzip.GzipFile | io.BufferedReader:
    suffix = name.rpartition(".")[2]
    if suffix in {"xz", "lzma"}:
        return tarsafe.unxz(stream)
    if suffix == "gz":
        return gzip.open(stream)
    if suffix == "bz2":
        return bz2.open(stream)
    if suffix == "tar":
        return stream
    msg = f"{name}: expected an archive packed with xz, gz, bz2, lzma or not at all"
    raise deb822.Malformed(msg)


@contextmanager
def _reporting(name: str) -> Iterator[None]:
    """One kind of error for all that a broken file can cause."""
    try:
        yield
    except deb822.Malformed:
        raise
    except _BROKEN as error:
        msg = f"{name}: not a whole archive: {error}"
        raise deb822.Malformed(msg) from error
