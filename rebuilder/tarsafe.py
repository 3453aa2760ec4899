"""Reading hostile tars and xz streams in bounded memory: what the standard library alone does not promise.

`tarfile` reads an extended header (pax, GNU long names, sparse maps) whole, whatever size it claims, calls itself
for each header that precedes another, and takes a broken header for the end of the archive. Past the end of a stream
it goes on reading nothing until as much has come as a member claims to have, which may take years. An xz stream may ask
for gigabytes before it gives a byte. Pure: bytes come in as an open stream. Specs: tar(5), xz file format 1.2.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Literal, Protocol, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: All headers of one member together: a path has 4 KiB at most, extended attributes 64 KiB each.
MAX_HEADER_BYTES = 1024 * 1024
#: `xz -9` needs 65 MiB to unpack.
XZ_MEMORY = 256 * 1024**2
#: As large as a file can be; a member that claims more has not got it.
_LARGEST = 2**63 - 1
_CHUNK = 64 * 1024


class Readable(Protocol):
    """What is needed of a stream: no seeking, no closing."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


class Archive(tarfile.TarFile):
    """A tar to be walked once. A member whose headers exceed ``MAX_HEADER_BYTES``, one that ends behind the archive or
    before its own start, and a header that is none, is ``tarfile.ReadError``."""

    #: What has been read so far. Empty it at will: a stream is read once, and the list would only grow.
    members: list[tarfile.TarInfo]

    def __init__(self, name: str | None, mode: Literal["r"], fileobj: IO[bytes], **others: object) -> None:
        self._metered = _Metered(fileobj)
        super().__init__(name, mode, cast("IO[bytes]", self._metered), tarinfo=_Header, **others)  # type: ignore[arg-type]

    def next(self) -> tarfile.TarInfo | None:
        """The next member; ``None`` at the end of the archive."""
        self._metered.left = MAX_HEADER_BYTES
        try:
            found = super().next()
        except RecursionError:
            msg = "too many headers before one member"
            raise tarfile.ReadError(msg) from None
        finally:
            self._metered.left = None
        if found is not None:
            _check(found)
        return found


class Bounded:
    """A reader that ends an archive bomb: past ``limit`` bytes it raises what ``refuse`` gives."""

    def __init__(self, stream: Readable, limit: int, refuse: Callable[[], Exception]) -> None:
        self._stream, self._left, self._refuse = stream, limit, refuse

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes."""
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise self._refuse()
        return data


def opened(stream: Readable) -> Archive:
    """The tar that ``stream`` gives, not compressed, to be walked once in order. Raises ``tarfile.TarError``."""
    return Archive.open(fileobj=cast("IO[bytes]", stream), mode="r|")


def is_tar(head: bytes) -> bool:
    """Whether a stream that begins with these 512 bytes is a tar (one of no members included)."""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return head == bytes(tarfile.BLOCKSIZE)
    return True


def unxz(stream: Readable) -> io.BufferedReader:
    """The bytes of an xz or lzma stream, or of several with padding between. ``lzma.LZMAError`` for one that is broken,
    asks for more than ``XZ_MEMORY``, or is followed by anything else; ``EOFError`` for one that is cut off."""
    return io.BufferedReader(_Unxz(stream), _CHUNK)


def _check(member: tarfile.TarInfo) -> None:
    if not 0 <= member.size <= _LARGEST:
        msg = f"expected the size of a member, found {str(member.size)[:40]}"
        raise tarfile.ReadError(msg)
    # tarfile looks through the whole map for each piece that is out of its order.
    end = 0
    for offset, size in cast("list[tuple[int, int]]", member.sparse or ()):
        if offset < end or size < 0 or offset + size > member.size:
            msg = "expected the pieces of a sparse member in their order and within it"
            raise tarfile.ReadError(msg)
        end = offset + size


class _Header(tarfile.TarInfo):
    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _Header:
        try:
            return super().fromtarfile(archive)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            msg = f"expected the header of a member, found none: {error}"
            raise tarfile.ReadError(msg) from None


class _Metered:
    """What a tar is read from. While ``left`` is a number, headers are read, and may take that many bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        #: tarfile's own reader of streams does not even say that it cannot be sought in.
        self._seekable = hasattr(stream, "seekable") and stream.seekable()
        self.left: int | None = None

    def read(self, size: int) -> bytes:
        if self.left is not None:
            if not 0 <= size <= self.left:
                msg = f"the headers of one member take more than {MAX_HEADER_BYTES} bytes"
                raise tarfile.ReadError(msg)
            self.left -= size
        return self._stream.read(size)

    def seek(self, position: int) -> None:
        if not 0 <= position <= _LARGEST:
            msg = "the archive leads to a place that no file has"
            raise tarfile.ReadError(msg)
        if self._seekable or position < self.tell():
            self._stream.seek(position)
            return
        while left := position - self.tell():
            if not self._stream.read(min(_CHUNK, left)):
                msg = f"the archive ends {left} bytes before the end of a member"
                raise tarfile.ReadError(msg)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()


class _Unxz(io.RawIOBase):
    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._unpacker = _unpacker()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._some(len(view))
        view[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        while True:
            packed = b""
            if self._unpacker.eof:
                packed = self._next_stream()
                if not packed:
                    return b""
                self._unpacker = _unpacker()
            elif self._unpacker.needs_input:
                packed = self._stream.read(_CHUNK)
                if not packed:
                    msg = "the xz stream is cut off"
                    raise EOFError(msg)
            if data := self._unpacker.decompress(packed, size):
                return data

    def _next_stream(self) -> bytes:
        """The start of what follows a whole stream and its padding; none at the end."""
        rest = self._unpacker.unused_data.lstrip(b"\0")
        while not rest:
            more = self._stream.read(_CHUNK)
            if not more:
                return b""
            rest = more.lstrip(b"\0")
        return rest


def _unpacker() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=XZ_MEMORY)
