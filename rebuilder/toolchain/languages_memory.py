"""Which packages requirements came to, for a day: the same question to the same index, in the same root filesystem.

Derived data. An answer that is not whole, is of another version of this tool, or is older than a day is asked for anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from pydantic import AwareDatetime, ValidationError

from rebuilder import __version__
from rebuilder.lock import LanguagePackage
from rebuilder.model import Value
from rebuilder.ports import Clock

KEPT = timedelta(hours=24)
MAX_BYTES = 4 * 1024**2


class Notes:
    """Small texts in ``folder``, each by a question."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, question: Iterable[str]) -> bytes:
        """What was noted. ``OSError`` if nothing was."""
        with self._path(question).open("rb") as file:
            return file.read(MAX_BYTES)

    def write(self, question: Iterable[str], text: str) -> None:
        """Note it, in place of what was noted before."""
        path = self._path(question)
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{uuid4().hex}")
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(path)

    def _path(self, question: Iterable[str]) -> Path:
        digest = hashlib.sha256(json.dumps([__version__, *question]).encode()).hexdigest()
        return self._folder / f"{digest}.json"


class _Note(Value):
    asked: AwareDatetime
    packages: tuple[LanguagePackage, ...]


class RememberedPackages:
    """Notes in ``folder``, one for each question."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._notes = Notes(folder)
        self._clock = clock
        #: Where spools may lie, on the same disk.
        self.spools = folder / "tmp"

    def find(
        self, question: Iterable[str], *, forever: bool = False, settled: datetime | None = None
    ) -> tuple[LanguagePackage, ...] | None:
        """The answer, if it is younger than ``KEPT``, or holds ``forever`` because the question names a digest, or was
        given when what it asks for was ``settled``."""
        try:
            note = _Note.model_validate_json(self._notes.read(question))
        except (OSError, ValidationError):
            return None
        now = self._clock.now().astimezone(UTC)
        lasting = forever or (settled is not None and settled <= note.asked <= now)
        return note.packages if lasting or timedelta(0) <= now - note.asked < KEPT else None

    def keep(self, question: Iterable[str], packages: tuple[LanguagePackage, ...]) -> None:
        """Remember an answer."""
        asked: datetime = self._clock.now()
        self._notes.write(question, _Note(asked=asked, packages=packages).model_dump_json())
