"""A static folder of pages and evidence that anyone can serve (``rebuilder publish DIR``).

    DIR/index.html  DIR/index.json      all runs in it, newest first
    DIR/runs/<run id>/...               run folders exactly as the store has them
    DIR/blobs/<xx>/<sha256>             the bytes behind endorsement and toolchain: signed indexes, lists, `.dsc`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from rebuilder.lock import ToolchainLock
from rebuilder.model import FileDigest, Record
from rebuilder.store.blobs import BlobStore, chunks_of
from rebuilder.store.durable import (
    Scratch,
    disk_errors,
    one_at_a_time,
    rename_synced,
    sync_folder,
    write_synced,
)
from rebuilder.store.runs import Run, RunStore


class Site:
    """A published folder. Adding to it never changes what is there, but for the index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._scratch = Scratch(folder, ".rebuilder-scratch")

    @property
    def runs(self) -> RunStore:
        """The runs in it, readable like any store."""
        return RunStore(self.folder)

    def add(self, run: Run, blobs: BlobStore, *, artifacts: bool) -> bool:
        """Copy one run and its evidence; whether it was new. Evidence first: a run's folder appears when all is there.

        ``artifacts``: also the published and rebuilt files and the source archives themselves.
        """
        target = self.runs.root / run.folder.name
        if target.exists():
            return False
        for blob in (*evidence_of(run.record, artifacts=artifacts), *vouching(run.folder / "toolchain.lock.json")):
            if blobs.has(blob.sha256):
                self._blobs.put(chunks_of(blobs.path(blob.sha256)), name=blob.name, limit=blob.size, expect=blob.sha256)
        draft = self._scratch.new("run")
        with disk_errors(self.folder):
            draft.mkdir()
            target.parent.mkdir(parents=True, exist_ok=True)
        for name, data in run.files():
            write_synced(draft / name, data, point="publish-file")
        sync_folder(draft)
        rename_synced(draft, target, point="publish")
        return True

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the index while the block runs, so that it is written from all the runs there are."""
        with disk_errors(self.folder):
            self.runs.root.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(self.runs.root):
            yield

    def is_foreign(self) -> bool:
        """Whether the folder holds something, and nothing of ours: then it is not ours to write into."""
        ours = any((self.folder / name).exists() for name in ("index.json", "runs"))
        return not ours and self.folder.is_dir() and any(self.folder.iterdir())

    def write_index(self, html: bytes, twin: bytes) -> None:
        """Replace the index by a new one, each file at once."""
        for name, data in (("index.html", html), ("index.json", twin)):
            draft = self._scratch.new("index")
            write_synced(draft, data, point="publish-index")
            rename_synced(draft, self.folder / name, point="publish-index")

    def close(self) -> None:
        """Remove scratch of this process, and what dead ones left: a published folder holds nothing else."""
        self._scratch.sweep()
        self._scratch.close()

    @property
    def _blobs(self) -> BlobStore:
        return BlobStore(self.folder, scratch=self._scratch)


def evidence_of(record: Record, *, artifacts: bool) -> tuple[FileDigest, ...]:
    """The blobs that let somebody repeat the endorsement offline; with ``artifacts`` the comparison too."""
    published = record.published
    if published is None:
        return ()
    files: list[FileDigest] = []
    for index in published.indexes:
        files += [index.inrelease, *index.lists]
    files += [file for file in published.source_files if artifacts or file.name.endswith(".dsc")]
    if artifacts:
        files += [artifact.file for artifact in published.artifacts]
        files += _outputs(record)
    return tuple({file.sha256: file for file in files}.values())


def vouching(lock: Path) -> tuple[FileDigest, ...]:
    """The signed indexes that a toolchain lock names, and their lists: what vouches for its packages. None where
    there is no readable lock."""
    try:
        indexes = ToolchainLock.model_validate_json(lock.read_bytes()).indexes
    except (OSError, ValidationError):
        return ()
    return tuple(file for index in indexes for file in (index.inrelease, *index.lists))


def _outputs(record: Record) -> Iterable[FileDigest]:
    return (file for attempt in record.built.attempts for file in attempt.outputs) if record.built else ()
