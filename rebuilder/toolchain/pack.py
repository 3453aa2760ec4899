"""Packs: a toolchain lock with all it names in one file, for when mirrors have dropped it.

Format: `docs/formats/pack.md`. A pack is deterministic, and proves nothing by itself: what is read from it
is checked by the digests of the lock, and the lock by whoever pins it.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from rebuilder.errors import RecipeError, Stopped
from rebuilder.lock import ToolchainLock, to_bytes
from rebuilder.model import FileDigest, Verdict
from rebuilder.ports import Blobs
from rebuilder.toolchain.tarstream import Member, tar

LOCK_NAME = "toolchain.lock.json"
MAX_LOCK_BYTES = 64 * 1024**2
_BLOB_NAME = re.compile(r"blobs/([0-9a-f]{64})\Z")
_CHUNK = 1024 * 1024
_HINT = "make the pack again with `rebuilder lock --pack`, or get a whole copy of it"


def contents(lock: ToolchainLock) -> tuple[FileDigest, ...]:
    """Every file a pack of this lock holds: packages, seed, signed indexes and their lists, language packages, by
    digest, once."""
    files: dict[str, FileDigest] = {}
    for index in lock.indexes:
        files |= {file.sha256: file for file in (index.inrelease, *index.lists)}
    files |= {package.sha256: package for package in (*lock.packages, *lock.seed)}
    for language in lock.languages:
        files.setdefault(language.sha256, FileDigest(name=language.file, sha256=language.sha256, size=language.size))
    return tuple(files[sha256] for sha256 in sorted(files))


def pack(lock: ToolchainLock, blobs: Blobs) -> Iterator[bytes]:
    """The pack as a stream of chunks, from the blobs alone.

    ``Stopped(unavailable)`` lists what is not in the blobs; ``IntegrityError`` for one whose bytes changed.
    """
    missing = tuple(file.name for file in contents(lock) if not blobs.has(file.sha256))
    if missing:
        reason = f"{len(missing)} files that the pack has to hold are not in the store"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=missing)
    return tar(_members(lock, blobs))


def unpack(path: Path, blobs: Blobs, *, expect: ToolchainLock | None = None) -> ToolchainLock:
    """Read a pack into the blobs; its lock. With ``expect``, the pack must be of just that lock.

    Nothing is trusted: sizes are bounded by the lock, each file is checked by its digest before it is
    kept. ``RecipeError`` says what is wrong with the pack and where.
    """
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|", errorlevel=2) as archive:
            return _read(archive, path.name, blobs, expect)
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise _bad(path.name, f"expected a whole tar, found damage: {error}") from error


def _read(archive: tarfile.TarFile, name: str, blobs: Blobs, expect: ToolchainLock | None) -> ToolchainLock:
    members = iter(archive)
    lock = _lock(archive, next(members, None), name)
    if expect is not None and to_bytes(lock) != to_bytes(expect):
        raise _bad(name, "it holds another lock than the recipe's; a pack cannot change what was recorded")
    wanted = {file.sha256: file for file in contents(lock)}
    for member in members:
        match = _BLOB_NAME.match(member.name)
        file = wanted.pop(match[1], None) if match and member.isreg() else None
        if file is None:
            raise _bad(name, f"expected only files its lock names, each once, found {member.name[:160]!r}")
        if member.size != file.size:
            raise _bad(name, f"{file.name}: expected {file.size} bytes, found {member.size}")
        content = archive.extractfile(member)
        if content is not None:
            blobs.put(_checked(content, file, name), name=file.name, limit=file.size, expect=file.sha256)
    if wanted:
        lacking = ", ".join(sorted(file.name for file in wanted.values())[:20])
        raise _bad(name, f"{len(wanted)} of the files its lock names are not in it: {lacking}")
    return lock


def _lock(archive: tarfile.TarFile, member: tarfile.TarInfo | None, name: str) -> ToolchainLock:
    if member is None or member.name != LOCK_NAME or not member.isreg() or member.size > MAX_LOCK_BYTES:
        found = "nothing" if member is None else f"{member.name[:160]!r} of {member.size} bytes"
        raise _bad(name, f"expected {LOCK_NAME} (at most {MAX_LOCK_BYTES} bytes) as the first file, found {found}")
    content = archive.extractfile(member)
    data = content.read() if content else b""
    try:
        return ToolchainLock.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise _bad(name, f"{LOCK_NAME}: {place}: {first['msg']}") from error


def _members(lock: ToolchainLock, blobs: Blobs) -> Iterable[Member]:
    yield Member.of(LOCK_NAME, to_bytes(lock))
    for file in contents(lock):
        yield Member(f"blobs/{file.sha256}", blobs.path(file.sha256), file.size)


def _checked(content: IO[bytes], file: FileDigest, name: str) -> Iterator[bytes]:
    """The bytes as they stream by; a wrong digest ends the stream before the store takes it for whole."""
    digest = hashlib.sha256()
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != file.sha256:
        raise _bad(name, f"{file.name}: expected sha256 {file.sha256}, found {digest.hexdigest()}")


def _bad(name: str, what: str) -> RecipeError:
    return RecipeError(f"{name} is not a sound toolchain pack: {what}", hint=_HINT)
