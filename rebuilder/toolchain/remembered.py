"""Locks solved before: the same question to the same signed indexes has the same answer.

Derived data. A lock that is not whole, or is of another format, is solved again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from rebuilder import __version__
from rebuilder.lock import ToolchainLock, to_bytes
from rebuilder.model import BuildKind, SignedIndex

MAX_BYTES = 64 * 1024**2


class Remembered:
    """The place of one answer, named by the digest of its question."""

    def __init__(
        self,
        folder: Path,
        suite: str,
        indexes: tuple[SignedIndex, ...],
        asked: Mapping[BuildKind, tuple[str, ...]],
        wanted: Mapping[str, str],
    ) -> None:
        question = [__version__, suite, [index.inrelease.sha256 for index in indexes], dict(asked), dict(wanted)]
        digest = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
        self._path = folder / f"{digest}.json"

    def lock(self) -> ToolchainLock | None:
        """The answer, if it was given before."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                return None
            return ToolchainLock.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self, lock: ToolchainLock) -> ToolchainLock:
        """Remember the answer; the same lock."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{uuid4().hex}")
        draft.write_bytes(to_bytes(lock))
        draft.rename(self._path)
        return lock
