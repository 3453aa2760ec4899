"""Reading `.deb` files: the control paragraph, and the members of the data archive as they stream by.

Spec: deb(5). Every read is bounded; the caller has checked the file's digest. Says nothing about whether
a package is genuine.
"""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, cast

from rebuilder import deb822, tarsafe

MAX_CONTROL_BYTES = 64 * 1024**2
MAX_DATA_BYTES = 8 * 1024**3
_MAX_PARAGRAPH_BYTES = 4 * 1024**2
_DAMAGE = (lzma.LZMAError, zlib.error, tarfile.TarError, EOFError, gzip.BadGzipFile)


class Malformed(ValueError):  # noqa: N818 - names what the data is
    """A file that is not the `.deb` it should be."""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Bounded:
    """A reader that refuses to give more than ``limit`` bytes: a decompression bomb ends here."""

    def __init__(self, source: _Readable, limit: int, name: str) -> None:
        self._source = source
        self._left = limit
        self._name = name

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes. Raises ``Malformed`` once the limit is passed."""
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            msg = f"{self._name}: unpacks to more than its limit; nothing of it was used"
            raise Malformed(msg)
        return data


def control(path: Path) -> bytes:
    """The control paragraph, as it stands in the package. Raises ``Malformed``."""
    with _archive(path, "control.tar", MAX_CONTROL_BYTES) as archive:
        for member in archive:
            if member.name.removeprefix("./") == "control" and member.isfile():
                if member.size > _MAX_PARAGRAPH_BYTES:
                    msg = f"{path.name}: control paragraph of {member.size} bytes"
                    raise Malformed(msg)
                content = archive.extractfile(member)
                assert content is not None  # noqa: S101 - isfile() above
                return content.read().strip(b"\n") + b"\n"
    msg = f"{path.name}: expected a control file, found none"
    raise Malformed(msg)


def control_fields(path: Path) -> dict[str, str]:
    """The fields of the control paragraph. Raises ``Malformed``."""
    try:
        return deb822.fields(control(path))
    except deb822.Malformed as error:
        msg = f"{path.name}: {error}"
        raise Malformed(msg) from error


@contextmanager
def data(path: Path, *, limit: int = MAX_DATA_BYTES) -> Iterator[tarfile.TarFile]:
    """The data archive, to be walked once in order; it may unpack to ``limit`` bytes. Raises ``Malformed``."""
    with _archive(path, "data.tar", limit) as archive:
        yield archive


@contextmanager
def _archive(path: Path, part: str, limit: int) -> Iterator[tarfile.TarFile]:
    from debian.arfile import ArError, ArFile

    try:
        with path.open("rb") as file:
            members = {member.name.rstrip("/"): member for member in ArFile(fileobj=file).getmembers()}
            name = _member_name(members, part, path)
            stream = _Bounded(_unpacked(members[name], name, path), limit, f"{path.name}/{name}")
            with tarsafe.opened(stream) as archive:
                yield archive
    except Malformed:
        raise
    except (ArError, ValueError, *_DAMAGE) as error:
        msg = f"{path.name}: not a whole Debian package: {error}"
        raise Malformed(msg) from error


def _member_name(members: Collection[str], part: str, path: Path) -> str:
    found = next((name for name in members if name == part or name.startswith(part + ".")), None)
    if found is None or "debian-binary" not in members:
        msg = f"{path.name}: expected debian-binary and {part}, found {', '.join(map(repr, members)) or 'nothing'}"
        raise Malformed(msg)
    return found


def _unpacked(member: _Readable, name: str, path: Path) -> _Readable:
    ending = name.rpartition(".")[2]
    if ending == "xz":
        return tarsafe.unxz(member)
    if ending == "gz":
        return gzip.GzipFile(fileobj=cast("IO[bytes]", member))
    if ending == "tar":
        return member
    msg = f"{path.name}: {name} is packed in a way this tool cannot read (xz, gz and none it can)"
    raise Malformed(msg)
