"""Objects of a Git repository that nobody vouches for, each held against its id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, cast

from rebuilder.errors import UsageError

if TYPE_CHECKING:
    import subprocess

WHOLE = "`git fsck` says whether the repository is whole; one cloned in part (--filter) lacks files"
#: Of an id, in a repository that has these in place of SHA-1.
SHA256_DIGITS = 64
_CHUNK = 1024**2


class EndedError(Exception):
    """The process ended before it had answered: its status and its own words say why."""


class Objects:
    """`git cat-file --batch`: it answers one question after the other.

    What comes is hashed, for Git does so only when it fetches: an index made by hand gives other bytes for an id."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._questions = cast("IO[bytes]", process.stdin)
        self._answers = cast("IO[bytes]", process.stdout)

    def open(self, object_id: str, name: str) -> tuple[int, Iterator[bytes]]:
        """Size and bytes of a blob, which is ``name`` in messages. The bytes have to be read to their end before the
        next is opened. ``UsageError`` if the repository lacks it."""
        kind, size = self._ask(object_id)
        if kind != "blob":
            msg = f"{name}: expected a file in the repository, found: {kind}"
            raise UsageError(msg, hint=WHOLE)
        return size, self._content(object_id, kind, size)

    def whole(self, object_id: str, wanted: str, limit: int) -> bytes | None:
        """A commit, tag or tree; ``None`` for one of more than ``limit`` bytes. ``UsageError`` if the repository lacks
        it, or has something else of that name."""
        kind, size = self._ask(object_id)
        if kind != wanted:
            msg = f"expected {wanted} {object_id} in the repository, found: {kind}"
            raise UsageError(msg, hint=WHOLE)
        content = self._content(object_id, kind, size)
        if size <= limit:
            return b"".join(content)
        for _ in content:
            pass
        return None

    def read(self, object_id: str, name: str, limit: int) -> bytes:
        """A small blob, whole. ``UsageError`` for one of more than ``limit`` bytes. Raises as ``open``."""
        size, content = self.open(object_id, name)
        if size > limit:
            msg = f"{name}: expected at most {limit} bytes, found {size}"
            raise UsageError(msg)
        return b"".join(content)

    def _ask(self, object_id: str) -> tuple[str, int]:
        """Its kind and size; or what Git says in place of a kind."""
        try:
            self._questions.write(object_id.encode() + b"\n")
            self._questions.flush()
        except BrokenPipeError:
            raise EndedError from None
        words = self._answers.readline(256).split()
        if not words:
            raise EndedError
        if len(words) != 3:
            return b" ".join(words[1:]).decode(errors="replace"), 0
        return words[1].decode(errors="replace"), int(words[2])

    def _content(self, object_id: str, kind: str, size: int) -> Iterator[bytes]:
        digest = object_hash(kind, size, object_id)
        left = size
        while left:
            chunk = self._answers.read(min(_CHUNK, left))
            if not chunk:
                raise EndedError
            left -= len(chunk)
            digest.update(chunk)
            yield chunk
        self._answers.read(1)
        if digest.hexdigest() != object_id:
            msg = f"the repository has other bytes in {kind} {object_id} than its id says: damaged, or made by hand"
            raise UsageError(msg, hint=WHOLE)


def object_hash(kind: str, size: int, like: str) -> hashlib._Hash:
    """The hash that names an object, begun, in a repository that has ids like ``like``."""
    header = f"{kind} {size}\0".encode()
    if len(like) == SHA256_DIGITS:
        return hashlib.sha256(header)
    return hashlib.sha1(header, usedforsecurity=False)
