"""What indexes said of releases, remembered in the state folder: for a day, or for as long as nobody can be asked.

Derived data but for one thing: which bytes came under a name for which an index gives no sha256, so that they are
believed once and no second time. A note that is not whole counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, timedelta
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from rebuilder.model import FileDigest, Value
from rebuilder.ports import Clock
from rebuilder.releases import Release
from rebuilder.toolchain.languages_memory import KEPT, Notes


class Remembered(Value):
    """A release, and when an index said so."""

    asked: AwareDatetime
    release: Release


class RememberedReleases:
    """Notes in ``folder``, one for each question."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._notes = Notes(folder)
        self._clock = clock
        #: Where spools may lie, on the same disk.
        self.spools = folder / "tmp"

    def find(self, question: Iterable[str]) -> Remembered | None:
        """The answer, whatever its age."""
        try:
            return Remembered.model_validate_json(self._notes.read(("release", *question)))
        except (OSError, ValidationError):
            return None

    def is_fresh(self, known: Remembered) -> bool:
        """Whether it is younger than ``KEPT``."""
        age = self._clock.now().astimezone(UTC) - known.asked
        return timedelta(0) <= age < KEPT

    def keep(self, question: Iterable[str], release: Release) -> None:
        """Remember an answer."""
        note = Remembered(asked=self._clock.now(), release=release)
        self._notes.write(("release", *question), note.model_dump_json())

    def file(self, question: Iterable[str]) -> FileDigest | None:
        """The bytes that once came for it."""
        try:
            return FileDigest.model_validate_json(self._notes.read(("file", *question)))
        except (OSError, ValidationError):
            return None

    def keep_file(self, question: Iterable[str], file: FileDigest) -> None:
        """Remember which bytes came."""
        self._notes.write(("file", *question), file.model_dump_json())
