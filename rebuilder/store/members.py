"""Digests of the binary members of input files, remembered: a toolchain has thousands and seldom changes.

Derived data: any entry can be computed again from the blob, and one that is not whole is. Nothing is remembered of
a file that could not be looked through: a later version may be able to.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from rebuilder.compare.bytewise import binary_members, place
from rebuilder.model import FileDigest
from rebuilder.ports import KnownMembers
from rebuilder.store.blobs import BlobStore
from rebuilder.store.durable import disk_errors

#: Ends an entry. Entries that end otherwise are cut off, or from a version that remembered what it could not read.
_WHOLE = "whole"


class MemberIndex:
    """The ``Members`` port below ``<state>/members``, one small file an input."""

    def __init__(self, root: Path, blobs: BlobStore) -> None:
        self._root = root / "members"
        self._blobs = blobs

    def unknown(self, files: Iterable[FileDigest]) -> tuple[str, ...]:
        """sha256 of those files whose members are neither remembered nor to be had from the blobs."""
        return tuple(
            file.sha256 for file in files if self._read(file) is None and not self._blobs.has(file.sha256)
        )

    def known(self, files: Iterable[FileDigest]) -> KnownMembers:
        """Where each file and each binary member of it lies, and what could not be looked through. ``KeyError``
        for a file we do not have."""
        places: dict[str, str] = {}
        unsearched: list[str] = []
        for file in files:
            places.setdefault(file.sha256, file.name)
            members, unread = self._members(file)
            for sha256, path in members:
                places.setdefault(sha256, place(file.name, path))
            unsearched += [place(file.name, path) for path in unread]
        return KnownMembers(places=places, unsearched=tuple(unsearched))

    def _members(self, file: FileDigest) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
        remembered = self._read(file)
        if remembered is not None:
            return remembered, ()
        with self._blobs.path(file.sha256).open("rb") as stream:
            contents = binary_members(stream)
        members = [(member.sha256, member.path) for member in contents.members]
        if not contents.unread:
            self._write(file, members)
        return members, contents.unread

    def _read(self, file: FileDigest) -> list[tuple[str, str]] | None:
        try:
            lines = self._path(file).read_text(encoding="utf-8", errors="surrogateescape").split("\n")
        except FileNotFoundError:
            return None
        if lines[-1] != f"{_WHOLE} {len(lines) - 1}":
            return None
        return [(line[:64], line[65:]) for line in lines[:-1]]

    def _write(self, file: FileDigest, members: list[tuple[str, str]]) -> None:
        path = self._path(file)
        draft = path.with_name(f".{uuid4().hex}")
        rows = [f"{sha256} {name.encode('unicode_escape').decode()}" for sha256, name in members]
        with disk_errors(self._root):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text("\n".join([*rows, f"{_WHOLE} {len(rows)}"]), encoding="utf-8")
            draft.rename(path)

    def _path(self, file: FileDigest) -> Path:
        return self._root / file.sha256[:2] / file.sha256
