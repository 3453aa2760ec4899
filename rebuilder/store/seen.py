"""What was held against its origin here: that a tree is the one of a commit, a history the one of a repository.

Notes of our own checks, below the state folder. A note that is lost costs the check again, and nothing else.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from rebuilder.store.durable import disk_errors


class Seen:
    """Pairs of digests and origins, each a tuple of texts; they survive the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, origin: object, /) -> bool:
        return isinstance(origin, tuple) and self._path(origin).is_file()

    def add(self, origin: tuple[str, ...], /) -> None:
        """Remember one. ``InfrastructureError`` for a full disk."""
        path = self._path(origin)
        if path.is_file():
            return
        with disk_errors(self._folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def _path(self, origin: tuple[str, ...]) -> Path:
        name = hashlib.sha256("\0".join(origin).encode()).hexdigest()
        return self._folder / name[:2] / name
