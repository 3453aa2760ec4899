"""Digests learnt before: what was made from what, so that it is not made again. Losing them costs time only."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

_NOTE = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,15})\n\Z")


class Notes:
    """A folder of notes: the sha256 and size of a tar, under a name for all that decides its bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, identity: str) -> tuple[str, int] | None:
        """What was noted; ``None`` if nothing or nothing readable was."""
        path = self._folder / identity
        match = _NOTE.match(path.read_text(errors="replace")) if path.is_file() else None
        return (match[1], int(match[2])) if match else None

    def write(self, identity: str, sha256: str, size: int) -> None:
        """Note it; the note appears whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{uuid4().hex}"
        temporary.write_text(f"{sha256} {size}\n")
        temporary.replace(self._folder / identity)
