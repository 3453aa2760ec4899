"""Content-addressed bytes: ``blobs/<first two hex digits>/<sha256>``. Checked when written and when read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from rebuilder.errors import DigestMismatchError, IntegrityError, TooLargeError
from rebuilder.failpoints import failpoint
from rebuilder.model import FileDigest
from rebuilder.store.durable import Scratch, disk_errors, rename_synced

CHUNK = 1024 * 1024


class BlobStore:
    """The ``Blobs`` port on a folder. Safe for several processes: a blob appears by rename, whole.

    ``evidence`` are further folders in the same format (published reports), read and never written.
    """

    def __init__(self, root: Path, evidence: tuple[Path, ...] = (), *, scratch: Scratch | None = None) -> None:
        self.root = root
        self._evidence = tuple(folder / "blobs" for folder in evidence)
        self._blobs = root / "blobs"
        self._scratch = scratch or Scratch(root)

    def put(self, chunks: Iterable[bytes], *, name: str, limit: int, expect: str | None = None) -> FileDigest:
        """Store a stream; see the port. Writing the same bytes twice is harmless."""
        temporary = self._scratch.new("blob")
        try:
            with disk_errors(self.root):
                sha256, size = _spool(chunks, temporary, name=name, limit=limit)
            if expect is not None and sha256 != expect:
                msg = f"{name}: expected sha256 {expect}, found {sha256} ({size} bytes)"
                raise DigestMismatchError(msg)
            target = self._location(sha256)
            with disk_errors(self.root):
                target.parent.mkdir(parents=True, exist_ok=True)
            rename_synced(temporary, target, point="blob")
        finally:
            temporary.unlink(missing_ok=True)
        return FileDigest(name=name, sha256=sha256, size=size)

    def has(self, sha256: str) -> bool:
        """Whether a blob of that name lies there."""
        return self._found(sha256) is not None

    def path(self, sha256: str) -> Path:
        """Path of the blob, after re-hashing it."""
        path = self._found(sha256)
        if path is None:
            raise KeyError(sha256)
        found = sha256_of(path)
        if found != sha256:
            msg = (
                f"the store holds other bytes than it should: expected sha256 {sha256}, found {found} in {path}. "
                "This is our own disk, not the publisher's doing."
            )
            raise IntegrityError(msg, hint=f"remove {path} and run the same again; it will be fetched anew")
        return path

    def read(self, sha256: str, *, limit: int) -> bytes:
        """The bytes, re-hashed: exactly those that are returned."""
        path = self._found(sha256)
        if path is not None and path.stat().st_size <= limit:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
        # Absent or damaged, which `path` says; else too large.
        size = self.path(sha256).stat().st_size
        msg = f"blob {sha256} has {size} bytes, more than the {limit} expected here"
        raise TooLargeError(msg)

    def names(self) -> Iterator[tuple[str, int]]:
        """Every blob's name and size, unchecked."""
        for path in sorted(self._blobs.glob("??/*")):
            yield path.name, path.stat().st_size

    def remove(self, sha256: str) -> None:
        """Forget a blob. No error if there is none."""
        self._location(sha256).unlink(missing_ok=True)

    def _found(self, sha256: str) -> Path | None:
        own = self._location(sha256)
        places = (own, *(folder / sha256[:2] / sha256 for folder in self._evidence))
        return next((place for place in places if place.is_file()), None)

    def _location(self, sha256: str) -> Path:
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            msg = f"expected a sha256 of 64 lower-case hex digits, found {sha256!r}"
            raise ValueError(msg)
        return self._blobs / sha256[:2] / sha256


def _spool(chunks: Iterable[bytes], path: Path, *, name: str, limit: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                msg = f"{name}: expected at most {limit} bytes, found more; stopped reading there"
                raise TooLargeError(msg)
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        failpoint("blob:before-fsync")
        os.fsync(file.fileno())
        failpoint("blob:after-fsync")
    return digest.hexdigest(), size


def chunks_of(path: Path) -> Iterator[bytes]:
    """The file's bytes in bounded pieces."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
