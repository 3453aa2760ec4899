"""What a signature is over: bytes at hand, or a file of any size, which is hashed in pieces."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rebuilder.errors import InfrastructureError, TooLargeError
from rebuilder.model import FileDigest
from rebuilder.ports import Blobs

#: Digests that may vouch for a file; what is not named here counts for nothing.
STRONG = ("sha256", "sha384", "sha512")


class Body(Protocol):
    """Bytes that somebody may have signed."""

    def digest(self, algorithm: str) -> bytes:
        """Digest of all bytes by a name of ``hashlib``."""

    def whole(self, limit: int) -> bytes:
        """All bytes. ``TooLargeError`` if there are more than ``limit``."""

    def file(self) -> Path | None:
        """Where they lie, if that is a file."""


@dataclass(frozen=True)
class Text:
    """Bytes at hand."""

    held: bytes

    def digest(self, algorithm: str) -> bytes:
        """See ``Body``."""
        return hashlib.new(algorithm, self.held).digest()

    def whole(self, limit: int) -> bytes:
        """See ``Body``."""
        _bound(len(self.held), limit)
        return self.held

    def file(self) -> None:
        """See ``Body``."""
        return


@dataclass(frozen=True)
class Stored:
    """A blob. Its sha256 is its name, so that this digest is known even where the bytes are not at hand;
    anything else raises ``InfrastructureError`` then."""

    named: FileDigest
    blobs: Blobs
    _known: dict[str, bytes] = field(default_factory=dict)

    def digest(self, algorithm: str) -> bytes:
        """See ``Body``."""
        if algorithm == "sha256":
            return bytes.fromhex(self.named.sha256)
        if algorithm not in self._known:
            with self.file().open("rb") as file:
                self._known[algorithm] = hashlib.file_digest(file, algorithm).digest()
        return self._known[algorithm]

    def whole(self, limit: int) -> bytes:
        """See ``Body``."""
        _bound(self.named.size, limit)
        return self.file().read_bytes()

    def file(self) -> Path:
        """See ``Body``."""
        try:
            return self.blobs.path(self.named.sha256)
        except KeyError:
            raise not_saved(self.named) from None


def not_saved(file: FileDigest) -> InfrastructureError:
    """The error for a file that should be among the saved blobs and is not."""
    msg = f"expected {file.name} among the saved blobs, found none with sha256 {file.sha256}"
    return InfrastructureError(msg, hint="run rebuilder verify again; it fetches and saves it")


def _bound(size: int, limit: int) -> None:
    if size > limit:
        msg = f"expected at most {limit} bytes, found {size}"
        raise TooLargeError(msg)
