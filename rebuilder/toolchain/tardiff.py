"""The first member in which two tars differ: what an error about a root filesystem has to name."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from typing import BinaryIO


def first_difference(one: BinaryIO, other: BinaryIO) -> str:
    """Name of the first member that differs, and in what. Both are read from where they stand."""
    with tarfile.open(fileobj=one, mode="r:") as left, tarfile.open(fileobj=other, mode="r:") as right:
        pairs = zip(_members(left), _members(right), strict=False)
        for (name, head, digest), (other_name, other_head, other_digest) in pairs:
            if name != other_name:
                return f"{name} (the other has {other_name} there)"
            if head != other_head:
                return f"{name} (its size, mode, owner, time or link)"
            if digest != other_digest:
                return f"{name} (its content)"
    return "the end of the tar (a member too many, or none that a tar reader sees)"


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, tuple[object, ...], str]]:
    for member in archive:
        head = (member.size, member.mode, member.uid, member.gid, member.mtime, member.linkname, member.type)
        content = archive.extractfile(member) if member.isreg() else None
        digest = hashlib.file_digest(content, "sha256").hexdigest() if content else ""  # type: ignore[arg-type]
        yield member.name, head, digest
