"""Digests of the binary members of input files, remembered: a toolchain has thousands and seldom changes.

Derived data: any entry can be computed again from the blob, and one that is not whole is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from rebuilder.compare.bytewise import binary_members
from rebuilder.model import FileDigest
from rebuilder.store.blobs import BlobStore
from rebuilder.store.durable import disk_errors


class MemberIndex:
    """The ``Members`` port below ``<state>/members``, one small file an input."""

    def __init__(self, root: Path, blobs: BlobStore) -> None:
        self._root = root / "members"
        self._blobs = blobs

    def unknown(self, files: Iterable[FileDigest]) -> tuple[str, ...]:
        """sha256 of those files whose members are neither remembered nor to be had from the blobs."""
        return tuple(
            file.sha256 for file in files if not self._path(file).is_file() and not self._blobs.has(file.sha256)
        )

    def known(self, files: Iterable[FileDigest]) -> dict[str, str]:
        """sha256 -> where, for each file and each binary member of it. ``KeyError`` for a file we do not have."""
        found: dict[str, str] = {}
        for file in files:
            found.setdefault(file.sha256, file.name)
            for sha256, path in self._members(file):
                found.setdefault(sha256, f"{file.name}:{path}")
        return found

    def _members(self, file: FileDigest) -> list[tuple[str, str]]:
        remembered = self._read(file)
        if remembered is not None:
            return remembered
        with self._blobs.path(file.sha256).open("rb") as stream:
            members = [(member.sha256, member.path) for member in binary_members(stream)]
        self._write(file, members)
        return members

    def _read(self, file: FileDigest) -> list[tuple[str, str]] | None:
        try:
            lines = self._path(file).read_text(encoding="utf-8", errors="surrogateescape").split("\n")
        except FileNotFoundError:
            return None
        if lines[-1] != f"end {len(lines) - 1}":
            return None
        return [(line[:64], line[65:]) for line in lines[:-1]]

    def _write(self, file: FileDigest, members: list[tuple[str, str]]) -> None:
        path = self._path(file)
        draft = path.with_name(f".{uuid4().hex}")
        rows = [f"{sha256} {name.encode('unicode_escape').decode()}" for sha256, name in members]
        with disk_errors(self._root):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text("\n".join([*rows, f"end {len(rows)}"]), encoding="utf-8")
            draft.rename(path)

    def _path(self, file: FileDigest) -> Path:
        return self._root / file.sha256[:2] / file.sha256
