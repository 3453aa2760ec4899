"""The seed, loaded into the engine once and known again by what decides its bytes."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from uuid import uuid4

from rebuilder.lock import LockedPackage
from rebuilder.ports import Blobs, Engine, Fetcher
from rebuilder.toolchain import seed

_SHA256 = re.compile(r"[0-9a-f]{64}\n\Z")


class Seeds:
    """Makes seeds and remembers their digests in ``state/seeds``; losing that folder costs seconds."""

    def __init__(self, engine: Engine, fetcher: Fetcher, blobs: Blobs, state: Path) -> None:
        self._engine = engine
        self._fetcher = fetcher
        self._blobs = blobs
        self._known = state / "seeds"
        self._spools = state / "tmp"

    def load(self, packages: tuple[LockedPackage, ...], epoch: int) -> str:
        """sha256 of the seed that these packages give; the engine holds it when this returns.

        ``Stopped(unavailable)`` lists packages that cannot be had.
        """
        note = self._known / seed.identity(packages, epoch)
        known = note.read_text() if note.is_file() else ""
        if _SHA256.match(known) and self._engine.has_root(known.strip()):
            return known.strip()
        self._fetcher.fetch_all(packages)
        self._spools.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._spools) as spool:
            sha256 = seed.write(packages, epoch, path_of=self._blobs.path, target=spool)
            if not self._engine.has_root(sha256):
                spool.seek(0)
                self._engine.import_root(spool, sha256)
        self._remember(note, sha256)
        return sha256

    def _remember(self, note: Path, sha256: str) -> None:
        self._known.mkdir(parents=True, exist_ok=True)
        temporary = note.with_name(f".{uuid4().hex}")
        temporary.write_text(sha256 + "\n")
        temporary.replace(note)
