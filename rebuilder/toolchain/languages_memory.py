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


class _Note(Value):
    asked: AwareDatetime
    packages: tuple[LanguagePackage, ...]


class RememberedPackages:
    """Notes in ``folder``, one for each question."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        #: Where spools may lie, on the same disk.
        self.spools = folder / "tmp"

    def find(self, question: Iterable[str], *, forever: bool = False) -> tuple[LanguagePackage, ...] | None:
        """The answer, if it is younger than ``KEPT``, or holds ``forever`` because the question names a digest."""
        try:
            with self._path(question).open("rb") as file:
                note = _Note.model_validate_json(file.read(MAX_BYTES))
        except (OSError, ValidationError):
            return None
        age = self._clock.now().astimezone(UTC) - note.asked
        return note.packages if forever or timedelta(0) <= age < KEPT else None

    def keep(self, question: Iterable[str], packages: tuple[LanguagePackage, ...]) -> None:
        """Remember an answer."""
        path = self._path(question)
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{uuid4().hex}")
        asked: datetime = self._clock.now()
        draft.write_text(_Note(asked=asked, packages=packages).model_dump_json() + "\n", encoding="utf-8")
        draft.replace(path)

    def _path(self, question: Iterable[str]) -> Path:
        digest = hashlib.sha256(json.dumps([__version__, *question]).encode()).hexdigest()
        return self._folder / f"{digest}.json"
