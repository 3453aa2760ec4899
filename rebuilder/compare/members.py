"""Members of a `.deb`, an ar or a tar, each with the digest of its bytes and metadata. Bounded and streaming.

This is as deep as the verdict needs: to tell *where* two rebuilds differ, and to find a member of the
published file among the inputs of its own build. What can't be read is opaque and stands for itself.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

CHUNK = 1024 * 1024
MAX_MEMBERS = 200_000
MAX_TOTAL_BYTES = 16 * 1024**3
AR_MAGIC = b"!<arch>\n"
_OPENERS: dict[bytes, Callable[[BinaryIO], IO[bytes]]] = {
    b"\x1f\x8b": lambda stream: cast("IO[bytes]", gzip.GzipFile(fileobj=stream)),
    b"\xfd7zXZ\x00": lambda stream: cast("IO[bytes]", lzma.LZMAFile(stream)),  # noqa: SIM115 - the walk closes nothing it did not open
    b"BZh": lambda stream: cast("IO[bytes]", bz2.BZ2File(stream)),
}


class OpaqueError(ValueError):
    """The bytes are not an archive this walk can read, or go past its bounds."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member: ``sha256`` of its bytes alone, ``metadata`` all that its header says beside."""

    path: str
    sha256: str
    size: int
    metadata: str
    #: Contains a NUL byte in its first 8 KiB, as no text does.
    binary: bool


def members(stream: BinaryIO) -> tuple[Member, ...]:
    """Every member of a seekable archive, in order. Raises ``OpaqueError``."""
    try:
        return tuple(_bounded(_walk(stream, "")))
    except (tarfile.TarError, lzma.LZMAError, OSError, EOFError, ValueError, OverflowError) as err:
        if isinstance(err, OpaqueError):
            raise
        msg = f"not a readable archive: {err}"
        raise OpaqueError(msg) from err


def differing(one: tuple[Member, ...], other: tuple[Member, ...]) -> frozenset[str]:
    """Paths at which two walks differ in bytes, metadata or presence; ``""`` where only the order does."""
    mine, theirs = {m.path: m for m in one}, {m.path: m for m in other}
    paths = frozenset(path for path in mine.keys() | theirs.keys() if mine.get(path) != theirs.get(path))
    if not paths and [m.path for m in one] != [m.path for m in other]:
        return frozenset({""})
    return paths


def _bounded(walk: Iterator[Member]) -> Iterator[Member]:
    total = 0
    for count, member in enumerate(walk):
        total += member.size
        if count >= MAX_MEMBERS or total > MAX_TOTAL_BYTES:
            msg = f"more than {MAX_MEMBERS} members or {MAX_TOTAL_BYTES} bytes"
            raise OpaqueError(msg)
        yield member


def _walk(stream: BinaryIO, prefix: str) -> Iterator[Member]:
    magic = stream.read(8)
    stream.seek(-len(magic), 1)
    if magic == AR_MAGIC:
        yield from _ar(stream, prefix)
        return
    opener = next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), None)
    plain = opener(stream) if opener else stream
    with tarfile.open(fileobj=plain, mode="r|") as archive:
        for info in archive:
            yield _tar_member(archive, info, prefix)


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
    return Member(path=f"{prefix}{info.name}", sha256=sha256, size=size, metadata=metadata, binary=binary)


def _ar(stream: BinaryIO, prefix: str) -> Iterator[Member]:
    stream.read(len(AR_MAGIC))
    while header := stream.read(60):
        if len(header) != 60 or header[58:] != b"`\n":
            msg = "broken ar header"
            raise OpaqueError(msg)
        name, size = header[:16].decode("latin-1").rstrip(" /"), int(header[48:58])
        part = _Slice(stream, size)
        if ".tar" in name:
            yield from _nested(part, f"{prefix}{name}/")
        sha256, length, binary = part.digest()
        yield Member(
            path=f"{prefix}{name}", sha256=sha256, size=length, metadata=header[16:48].decode("latin-1"), binary=binary
        )
        if size % 2:
            stream.read(1)


def _nested(part: _Slice, prefix: str) -> Iterator[Member]:
    """Members of a tar inside an ar; a compression this walk can't read stays one opaque member."""
    try:
        yield from _walk(cast("BinaryIO", part), prefix)
    except (tarfile.TarError, lzma.LZMAError, EOFError):
        return


class _Slice:
    """A window of ``size`` bytes on a seekable stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._start, self._size, self._at = stream, stream.tell(), size, 0

    def read(self, count: int = -1) -> bytes:
        left = self._size - self._at
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
        result = _hash(cast("IO[bytes]", self))
        if result[1] != self._size:
            msg = "an ar member is cut off"
            raise OpaqueError(msg)
        return result


def _hash(content: IO[bytes]) -> tuple[str, int, bool]:
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
