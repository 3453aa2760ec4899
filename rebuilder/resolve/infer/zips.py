"""Hostile zips through the standard library, within bounds: a directory, and small members one by one."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rebuilder import zipsafe
from rebuilder.errors import UsageError

#: The directory of a zip is read whole. Twenty thousand members, which hardly a wheel has, take 4 MiB.
MAX_DIRECTORY = 8 * 1024**2
#: A METADATA file holds the whole description of a project.
MAX_TEXT = 4 * 1024**2
#: What `zipfile` lets out of a broken archive.
_BROKEN = (
    zipfile.BadZipFile, struct.error, zlib.error, EOFError, ValueError, RuntimeError, OverflowError, IndexError,
)  # fmt: skip


@contextmanager
def opened(path: Path, kind: str) -> Iterator[tuple[zipfile.ZipFile, BinaryIO]]:
    """The zip at ``path`` and the file below it; ``kind`` is what it should be, in a message. ``UsageError`` if it is
    no zip that can be read, then or while it is read."""
    try:
        with path.open("rb") as stream, _zip(stream) as archive:
            yield archive, stream
    except _BROKEN as error:
        msg = f"{path.name}: expected {kind}, found no zip that can be read ({str(error)[:200]!r})"
        raise UsageError(msg, hint="is the file whole? its digest should be the one that the index names") from None


def text(archive: zipfile.ZipFile, name: str, path: str) -> bytes | None:
    """A small member of the zip called ``name``; ``None`` if it is not there. ``UsageError`` if it is too large or
    packed in a way that no index takes."""
    try:
        entry = archive.getinfo(path)
    except KeyError:
        return None
    short = path.rpartition("/")[2]
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        msg = f"{name}: expected its {short} stored or deflated, found method {entry.compress_type}"
        raise UsageError(msg, hint="pip would not install this either")
    with archive.open(entry) as member:
        data = member.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        msg = f"{name}: expected at most {MAX_TEXT} bytes in its {short}, found more"
        raise UsageError(msg, hint="no file of this name is that long; the archive is not what it says")
    return data


def _zip(stream: BinaryIO) -> zipfile.ZipFile:
    return zipsafe.opened(stream, members=MAX_DIRECTORY // 46, directory=MAX_DIRECTORY)
