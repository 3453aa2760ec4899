"""The seed, loaded into the engine once and known again by what decides its bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rebuilder.lock import LockedPackage
from rebuilder.ports import Blobs, Engine, Fetcher
from rebuilder.toolchain import seed
from rebuilder.toolchain.notes import Notes


class Seeds:
    """Makes seeds and remembers their digests in ``state/seeds``; losing that folder costs seconds."""

    def __init__(self, engine: Engine, fetcher: Fetcher, blobs: Blobs, state: Path) -> None:
        self._engine = engine
        self._fetcher = fetcher
        self._blobs = blobs
        self._notes = Notes(state / "seeds")
        self._spools = state / "tmp"

    def load(self, packages: tuple[LockedPackage, ...], epoch: int) -> str:
        """sha256 of the seed that these packages give; the engine holds it when this returns.

        ``Stopped(unavailable)`` lists packages that cannot be had.
        """
        identity = seed.identity(packages, epoch)
        known = self._notes.read(identity)
        if known and self._engine.has_root(known[0]):
            return known[0]
        self._fetcher.fetch_all(packages)
        self._spools.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._spools) as spool:
            sha256 = seed.write(packages, epoch, path_of=self._blobs.path, target=spool)
            if not self._engine.has_root(sha256):
                spool.seek(0)
                self._engine.import_root(spool, sha256)
            self._notes.write(identity, sha256, spool.seek(0, 2))
        return sha256
