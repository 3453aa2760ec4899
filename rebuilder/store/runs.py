"""Run folders: drafted in scratch, renamed into place whole, never changed after.

    runs/<run id>/run.json          the record, and with it the truth
                  recipe.toml  toolchain.lock.json  <name>.intoto.jsonl  build-*.log  *.buildinfo  diff-*
                  index.html        a view of the above

A folder that lies in ``runs/`` is complete: its ``files.json`` lists every other file with its digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from rebuilder.errors import IntegrityError, UsageError
from rebuilder.model import Record
from rebuilder.store.blobs import sha256_of
from rebuilder.store.durable import Scratch, disk_errors, rename_synced, sync_folder, write_synced

RECORD = "run.json"
FILES = "files.json"
PAGE = "index.html"
MAX_RECORD_BYTES = 64 * 1024**2


def new_run_id(now: datetime) -> str:
    """``20261120T190455Z-1a2b3c4d``: sorts by time, unique without a lock."""
    return f"{now:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"


@dataclass(frozen=True)
class Run:
    """A complete run folder."""

    folder: Path
    record: Record

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file of the folder by name, the listing last. ``IntegrityError`` for one that was changed."""
        listing = json.loads((self.folder / FILES).read_bytes())
        for name, sha256 in listing.items():
            data = (self.folder / name).read_bytes()
            if hashlib.sha256(data).hexdigest() != sha256:
                msg = f"{self.folder / name} was changed after it was written: its sha256 is not the one in {FILES}"
                raise IntegrityError(msg, hint="remove that folder and verify again")
            yield name, data
        yield FILES, (self.folder / FILES).read_bytes()


class Draft:
    """A run folder in the making; nothing of it is visible until ``commit``."""

    def __init__(self, folder: Path, target: Path) -> None:
        self._folder = folder
        self._target = target
        self._files: dict[str, str] = {}

    def write(self, name: str, data: bytes) -> None:
        """Add one file, durable at once."""
        path = self._folder / name
        write_synced(path, data, point=f"run-file:{'record' if name == RECORD else 'other'}")
        self._files[name] = sha256_of(path)

    def commit(self) -> Path:
        """Make the folder appear under its run id, whole; where it lies."""
        listing = json.dumps(dict(sorted(self._files.items())), indent=1).encode() + b"\n"
        write_synced(self._folder / FILES, listing, point="run-files")
        sync_folder(self._folder)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        rename_synced(self._folder, self._target, point="run")
        return self._target


class RunStore:
    """All run folders below ``<state>/runs``."""

    def __init__(self, root: Path) -> None:
        self.root = root / "runs"
        self._scratch = Scratch(root)

    def draft(self, run_id: str) -> Draft:
        """Begin a run folder. If the process dies, the next start sweeps it."""
        folder = self._scratch.new("run")
        with disk_errors(folder):
            folder.mkdir(parents=True)
        return Draft(folder, self.root / run_id)

    def folders(self) -> tuple[Path, ...]:
        """Every complete run folder, oldest first."""
        children = sorted(self.root.iterdir()) if self.root.is_dir() else []
        return tuple(folder for folder in children if (folder / FILES).is_file())

    def survey(self) -> tuple[tuple[Run, ...], tuple[str, ...]]:
        """Every run that can be read, newest first, and in words what is wrong with the others."""
        runs, faults = [], []
        for folder in reversed(self.folders()):
            try:
                runs.append(Run(folder, load_record(folder)))
            except IntegrityError as err:
                faults.append(f"{err}; {err.hint}")
        return tuple(runs), tuple(faults)

    def __iter__(self) -> Iterator[Run]:
        """Every run, newest first. ``IntegrityError`` at one that cannot be read."""
        for folder in reversed(self.folders()):
            yield Run(folder, load_record(folder))

    def find(self, text: str) -> tuple[Run, ...]:
        """Runs by id (or its beginning) or by the sha256 of a published or rebuilt file, newest first.

        Raises ``UsageError`` if there is none.
        """
        readable, _ = self.survey()
        found = tuple(run for run in readable if run.folder.name.startswith(text) or text in digests_of(run.record))
        if not found:
            msg = f"expected a run id or the sha256 of an artifact, found no run for {text!r} in {self.root}"
            raise UsageError(msg, hint="`rebuilder show` without an argument lists the runs there are")
        return found


def digests_of(record: Record) -> frozenset[str]:
    """sha256 of every published and rebuilt artifact of a run."""
    named = {artifact.file.sha256 for artifact in record.published.artifacts} if record.published else set()
    built = {file.sha256 for attempt in record.built.attempts for file in attempt.outputs} if record.built else set()
    return frozenset(named | built)


def bundle_digest(folder: Path) -> str | None:
    """sha256 of the signed bundle of a run folder; ``None`` if nothing was signed."""
    bundle = next(iter(sorted(folder.glob("*.intoto.jsonl"))), None)
    return sha256_of(bundle) if bundle else None


def load_record(folder: Path) -> Record:
    """The record of a run folder. ``IntegrityError`` if it is not one, or not the bytes that were written."""
    path = folder / RECORD
    try:
        if path.stat().st_size > MAX_RECORD_BYTES:
            msg = f"{path} has more than {MAX_RECORD_BYTES} bytes: not a record of ours"
            raise IntegrityError(msg)
        data = path.read_bytes()
        listing = json.loads((folder / FILES).read_bytes())
        record = Record.model_validate_json(data)
    except (OSError, ValidationError, ValueError) as err:
        msg = f"{folder} is no complete run folder: {err}"
        raise IntegrityError(msg, hint="remove that folder; every run is independent of the others") from err
    if listing.get(RECORD) != sha256_of(path):
        msg = f"{path} was changed after it was written: its sha256 is not the one in {FILES}"
        raise IntegrityError(msg, hint="remove that folder and verify again")
    return record
