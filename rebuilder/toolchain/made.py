"""Root filesystems made before: which digest exactly these rows gave, on this disk.

Derived data: losing it costs a making. It is also what ties an image in the engine to the rows of a lock: an
image alone only says that its digest is right, not that the lock's packages give it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from rebuilder.lock import LockedPackage, ToolchainLock
from rebuilder.toolchain import deb, fixups, rootfs, seed, solver, tarstream

_MAX_BYTES = 1024
#: The modules that write what goes into the making, or choose it.
_PROGRAMS = (rootfs, solver, tarstream, deb, fixups)


@dataclass(frozen=True)
class Made:
    """What came out of one making."""

    sha256: str
    size: int


class MadeRoots:
    """Notes in ``folder``, one for each set of rows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, lock: ToolchainLock, packages: Iterable[LockedPackage]) -> Made | None:
        """What these rows of the lock gave when they were last made; ``None`` if that is not known."""
        try:
            with self._note(lock, packages).open("rb") as file:
                found = json.loads(file.read(_MAX_BYTES))
            return Made(str(found["sha256"]), int(found["size"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, lock: ToolchainLock, packages: Iterable[LockedPackage], made: Made) -> None:
        """Remember it."""
        note = self._note(lock, packages)
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f".{uuid4().hex}"
        draft.write_text(json.dumps({"sha256": made.sha256, "size": made.size}) + "\n", encoding="utf-8")
        draft.replace(note)

    def _note(self, lock: ToolchainLock, packages: Iterable[LockedPackage]) -> Path:
        """Named by all that decides the bytes, our own programs among it."""
        rows = sorted([row.package, row.version, row.architecture, row.name, row.sha256, row.size] for row in packages)
        fixed = [[fixup.path, fixup.action] for fixup in lock.fixups]
        said = [lock.suite, lock.epoch, seed.identity(lock.seed, lock.epoch), rows, fixed, _programs()]
        return self._folder / f"{hashlib.sha256(json.dumps(said).encode()).hexdigest()}.json"


def _programs() -> list[str]:
    return [hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest() for module in _PROGRAMS]
