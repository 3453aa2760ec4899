"""A deterministic tar as a stream of chunks: same members, same bytes, on any host."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Member:
    """A regular file of the tar; its content is bytes, or a file on disk whose size is known."""

    name: str
    content: bytes | Path
    size: int

    @classmethod
    def of(cls, name: str, content: bytes) -> Member:
        """A member with that content."""
        return cls(name, content, len(content))


def tar(members: Iterable[Member]) -> Iterator[bytes]:
    """The tar, members in the order given, owner 0, mode 0644, time 0.

    Raises ``OSError`` if a file is no longer as long as was said.
    """
    for member in members:
        info = tarfile.TarInfo(member.name)
        info.size, info.mode = member.size, 0o644
        yield info.tobuf(tarfile.GNU_FORMAT)
        yield from _content(member)
        yield b"\0" * (-member.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _content(member: Member) -> Iterator[bytes]:
    if isinstance(member.content, bytes):
        yield member.content
        return
    left = member.size
    with member.content.open("rb") as file:
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
    if left:
        msg = f"{member.content}: shorter by {left} bytes than when it was checked"
        raise OSError(msg)
