"""The log as a file of JSON lines, one a committed run: ``{"bundle": sha256 or null, "run": id}``.

A crash between the commit of a run and its line is mended by ``reconcile``: the run folders are the truth.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rebuilder.errors import InfrastructureError, IntegrityError
from rebuilder.failpoints import failpoint


class LineLog:
    """The ``Log`` port on one file; appends of several processes exclude each other."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, run_id: str, bundle_sha256: str | None) -> None:
        """Record a committed run; durable once it returns. The same run twice adds nothing."""
        self.reconcile([(run_id, bundle_sha256)])

    def reconcile(self, runs: Iterable[tuple[str, str | None]]) -> int:
        """Add every run that has no line yet, in the order given; how many were added."""
        with self._locked() as file:
            _cut_broken_tail(file)
            known = {entry["run"] for entry in _entries(file)}
            lines = [_line(run, bundle) for run, bundle in runs if run not in known]
            try:
                file.seek(0, os.SEEK_END)
                file.write(b"".join(lines))
                file.flush()
                failpoint("log:before-fsync")
                os.fsync(file.fileno())
                failpoint("log:after-fsync")
            except OSError as err:
                msg = f"could not append to {self._path}: {err.strerror}"
                raise InfrastructureError(msg, hint="free some disk; the next run adds the missing line") from err
        return len(lines)

    def runs(self) -> tuple[str, ...]:
        """Run ids, oldest first."""
        if not self._path.exists():
            return ()
        with self._locked() as file:
            return tuple(entry["run"] for entry in _entries(file))

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file


def _line(run: str, bundle: str | None) -> bytes:
    return json.dumps({"bundle": bundle, "run": run}, sort_keys=True).encode() + b"\n"


def _entries(file: BinaryIO) -> list[dict[str, str]]:
    file.seek(0)
    try:
        return [{"run": json.loads(line)["run"]} for line in file if line.endswith(b"\n")]
    except (ValueError, KeyError, TypeError) as err:
        msg = f"{file.name} was changed after it was written: a line of it is no entry of the log"
        raise IntegrityError(msg, hint="move that file away; the next run writes it anew from the run folders") from err


def _cut_broken_tail(file: BinaryIO) -> None:
    """Drop a last line that a crash cut off: it was never durable."""
    file.seek(0)
    data = file.read()
    if data and not data.endswith(b"\n"):
        file.truncate(data.rfind(b"\n") + 1)
