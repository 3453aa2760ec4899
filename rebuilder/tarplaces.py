"""Where the members of a canonical tar (`rebuilder/treetar.py`) lie: read from its headers alone, at any size."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from rebuilder.errors import IntegrityError

BLOCK = 512
_NAME_LIMIT = 64 * 1024
#: A header that carries a long name or a long link for the next one.
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


class Place(NamedTuple):
    """A member: its first header at ``start``, its content of ``size`` bytes at ``data``. ``path`` ends in no slash."""

    path: str
    start: int
    data: int
    size: int
    is_file: bool
    is_folder: bool


def places(tar: BinaryIO) -> Iterator[Place]:
    """Every member in order, of a tar that can seek. ``IntegrityError`` for what is no canonical tar."""
    start = position = 0
    long_name = ""
    while True:
        tar.seek(position)
        block = tar.read(BLOCK)
        if block == bytes(BLOCK) and 0 < start == position:
            return
        info = _header(block, position)
        position += BLOCK
        if info.type not in _LONG:
            yield Place((long_name or info.name).rstrip("/"), start, position, info.size, info.isreg(), info.isdir())
        elif info.type == tarfile.GNUTYPE_LONGNAME:
            long_name = os.fsdecode(tar.read(min(info.size, _NAME_LIMIT)).rstrip(b"\0"))
        position += info.size + -info.size % BLOCK
        if info.type not in _LONG:
            start, long_name = position, ""


def _header(block: bytes, position: int) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        msg = f"expected the tar of a source tree as it was stored, found no header at {position}: {error}"
        raise IntegrityError(msg) from error
    if info.size < 0:
        msg = f"expected the tar of a source tree as it was stored, found a negative size at {position}"
        raise IntegrityError(msg)
    return info
