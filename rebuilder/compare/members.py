"""Members of a `.deb`, an ar, a tar or a zip, each with the digest of its bytes and metadata. Bounded and streaming.

This is as deep as the verdict needs: to tell *where* two rebuilds differ, and to find a member of the
published file among the inputs of its own build. What can't be read is opaque and stands for itself;
``look_through`` says what that was.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, BinaryIO, cast

from rebuilder import tarsafe, zipsafe

CHUNK = 1024 * 1024
MAX_MEMBERS = 200_000
MAX_TOTAL_BYTES = 16 * 1024**3
#: Of all paths of one archive together.
MAX_PATH_BYTES = 64 * 1024**2
#: Where the content of a file lies that is packed, but no archive.
UNPACKED = "(unpacked)"
AR_MAGIC = b"!<arch>\n"
#: A zip that begins with its first member; an empty one, and one behind other bytes, is no archive here.
ZIP_MAGIC = b"PK\x03\x04"
_OPENERS: dict[bytes, Callable[[BinaryIO], tarsafe.Readable]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"\xfd7zXZ\x00": tarsafe.unxz,
    b"BZh": lambda stream: cast("IO[bytes]", bz2.BZ2File(stream)),
}
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, OSError, EOFError, ValueError, OverflowError),
    *(NotImplementedError, RuntimeError, struct.error, IndexError),  # of zipfile: another way of packing; encrypted
)


class OpaqueError(ValueError):
    """The bytes are not an archive this walk can read, or go past its bounds."""


class PlainTextError(OpaqueError):
    """The bytes are text: there are no members to look for."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member: ``sha256`` of its bytes alone, ``metadata`` all that its header says beside."""

    path: str
    sha256: str
    size: int
    metadata: str
    #: Contains a NUL byte in its first 8 KiB, as no text does.
    binary: bool
    #: Members of its own were found in it; then its bytes say nothing that they do not.
    container: bool = field(default=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What was found in a file, and which parts of it could not be looked through; ``""`` is the file itself."""

    members: tuple[Member, ...]
    unread: tuple[str, ...]


def members(stream: BinaryIO) -> tuple[Member, ...]:
    """Every member of a seekable archive, in order. Raises ``OpaqueError``."""
    try:
        return tuple(_bounded(_walk(stream, "", [])))
    except OpaqueError:
        raise
    except _DAMAGE as err:
        msg = f"not a readable archive: {err}"
        raise OpaqueError(msg) from err


def look_through(stream: BinaryIO) -> Contents:
    """All members that can be had, those before a break too, of a file of any kind. Raises nothing."""
    found: list[Member] = []
    unread: list[str] = []
    try:
        found.extend(_bounded(_walk(stream, "", unread)))
    except PlainTextError:
        pass
    except _DAMAGE:
        unread.append("")
    return Contents(members=tuple(found), unread=tuple(unread))


def differing(one: tuple[Member, ...], other: tuple[Member, ...]) -> frozenset[str]:
    """Paths at which two walks differ in bytes, metadata or presence; ``""`` where only the order does."""
    mine, theirs = _by_path(one), _by_path(other)
    paths = frozenset(path for path in mine.keys() | theirs.keys() if mine.get(path) != theirs.get(path))
    if not paths and order(one) != order(other):
        return frozenset({""})
    return paths


def order(walk: tuple[Member, ...]) -> tuple[str, ...]:
    """The paths as they come."""
    return tuple(member.path for member in walk)


def _by_path(walk: tuple[Member, ...]) -> dict[str, list[Member]]:
    """A tar may hold one path more than once."""
    found: dict[str, list[Member]] = {}
    for member in walk:
        found.setdefault(member.path, []).append(member)
    return found


def _bounded(walk: Iterator[Member]) -> Iterator[Member]:
    total, paths = 0, 0
    for count, member in enumerate(walk):
        total += member.size
        paths += len(member.path)
        if count >= MAX_MEMBERS or total > MAX_TOTAL_BYTES or paths > MAX_PATH_BYTES:
            msg = f"more than {MAX_MEMBERS} members, {MAX_TOTAL_BYTES} bytes or {MAX_PATH_BYTES} bytes of paths"
            raise OpaqueError(msg)
        yield member


def _walk(stream: BinaryIO, prefix: str, unread: list[str]) -> Iterator[Member]:
    """Members of an ar, a tar, or a packed file; ``unread`` gets the paths of those that are opaque."""
    magic = stream.read(8)
    stream.seek(-len(magic), 1)
    # An ar inside an ar is one member like any other: no format nests them, and there would be no end.
    if magic == AR_MAGIC and not prefix:
        yield from _ar(stream, prefix, unread)
        return
    if magic.startswith(ZIP_MAGIC) and not prefix:
        yield from _zip(stream)
        return
    opener = next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), None)
    plain = tarsafe.Bounded(opener(stream) if opener else stream, MAX_TOTAL_BYTES, _too_large)
    head = _exactly(plain, tarfile.BLOCKSIZE)
    whole = _Joined(head, plain)
    if tarsafe.is_tar(head):
        with tarsafe.opened(whole) as archive:
            for info in archive:
                yield _tar_member(archive, info, prefix)
                # A stream is read once; the list that tarfile keeps for going back would only grow.
                archive.members = []
    elif opener:
        sha256, size, binary = _hash(whole)
        yield Member(path=f"{prefix}{UNPACKED}", sha256=sha256, size=size, metadata="", binary=binary)
    elif b"\0" in head + plain.read(8192 - len(head)):
        msg = "neither an archive this walk can read nor text"
        raise OpaqueError(msg)
    else:
        msg = "text, no archive"
        raise PlainTextError(msg)


def _too_large() -> OpaqueError:
    return OpaqueError(f"unpacks to more than {MAX_TOTAL_BYTES} bytes")


def _exactly(stream: tarsafe.Readable, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, prefix: str) -> Member:
    content = archive.extractfile(info) if info.isreg() else None
    sha256, size, binary = _hash(content) if content else (hashlib.sha256(b"").hexdigest(), 0, False)
    metadata = "|".join(
        str(field)
        for field in (
            info.type, oct(info.mode), info.uid, info.gid, info.uname, info.gname, info.mtime, info.linkname,
            info.devmajor, info.devminor, sorted(info.pax_headers.items()),
        )
    )
    # Its digest alone: extended headers may be long, and there may be many.
    metadata = hashlib.sha256(metadata.encode("utf-8", "surrogateescape")).hexdigest()
    return Member(path=f"{prefix}{info.name}", sha256=sha256, size=size, metadata=metadata, binary=binary)


def _ar(stream: BinaryIO, prefix: str, unread: list[str]) -> Iterator[Member]:
    stream.read(len(AR_MAGIC))
    while header := stream.read(60):
        if len(header) != 60 or header[58:] != b"`\n":
            msg = "broken ar header"
            raise OpaqueError(msg)
        name, size = header[:16].decode("latin-1").rstrip(" /"), int(header[48:58])
        part = _Slice(stream, size)
        container = False
        if ".tar" in name:
            for member in _nested(part, f"{prefix}{name}", unread):
                container = True
                yield member
        sha256, length, binary = part.digest()
        yield Member(
            path=f"{prefix}{name}",
            sha256=sha256,
            size=length,
            metadata=header[16:48].decode("latin-1"),
            binary=binary,
            container=container,
        )
        if size % 2:
            stream.read(1)


def _zip(stream: BinaryIO) -> Iterator[Member]:
    with zipsafe.opened(stream, members=MAX_MEMBERS) as archive:
        for info in archive.infolist():
            with archive.open(info) as content:
                sha256, size, binary = _hash(content)
            shown = (
                *(info.date_time, info.compress_type, info.compress_size, info.create_system, info.create_version),
                *(info.extract_version, info.flag_bits, info.external_attr, info.internal_attr),
                *(info.extra, info.comment),
            )
            metadata = hashlib.sha256("|".join(map(repr, shown)).encode()).hexdigest()
            yield Member(path=info.filename, sha256=sha256, size=size, metadata=metadata, binary=binary)


def _nested(part: _Slice, path: str, unread: list[str]) -> Iterator[Member]:
    """Members of a tar inside an ar; what this walk can't read stays one opaque member."""
    try:
        yield from _walk(cast("BinaryIO", part), f"{path}/", unread)
    except _DAMAGE:
        unread.append(path)


class _Joined:
    """The bytes that were looked at already, then the rest."""

    def __init__(self, head: bytes, rest: tarsafe.Readable) -> None:
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        size = len(self._head) if size < 0 else size
        data, self._head = self._head[:size], self._head[size:]
        return data


class _Slice:
    """A window of ``size`` bytes on a seekable stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._start, self._size, self._at = stream, stream.tell(), size, 0

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        data = self._stream.read(left if count < 0 else min(count, left))
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._at, 2: self._size}[whence]
        self._at = max(0, base + offset)
        self._stream.seek(self._start + self._at)
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def digest(self) -> tuple[str, int, bool]:
        """Hash of the whole window; leaves the stream at its end."""
        self.seek(0)
        result = _hash(self)
        if result[1] != self._size:
            msg = "an ar member is cut off"
            raise OpaqueError(msg)
        return result


def _hash(content: tarsafe.Readable) -> tuple[str, int, bool]:
    digest, size, binary = hashlib.sha256(), 0, False
    while chunk := content.read(CHUNK):
        if not size:
            binary = b"\0" in chunk[:8192]
        size += len(chunk)
        if size > MAX_TOTAL_BYTES:
            msg = f"a member of more than {MAX_TOTAL_BYTES} bytes"
            raise OpaqueError(msg)
        digest.update(chunk)
    return digest.hexdigest(), size, binary
