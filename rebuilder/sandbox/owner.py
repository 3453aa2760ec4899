"""Whose container is it? Labels that let a later start tell an orphan from a neighbour's live run.

A process is named by the boot, the process-id namespace, its number and its start time, so that neither
a reused number nor two containers that share one engine are taken for each other.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path

from rebuilder.ports import Job

RUN = "rebuilder.run"
PURPOSE = "rebuilder.purpose"
OWNER = "rebuilder.pid"
UNTIL = "rebuilder.until"

#: Names of containers that a person asked to keep; a sweep leaves them alone.
KEPT_PREFIX = "rebuilder-kept-"

#: Seconds after its deadline that a container of a process we cannot see is taken for an orphan. Clocks
#: of two hosts that share one engine may differ by this much.
GRACE = 3600

_UNKNOWN = "unknown"


def labels(job: Job) -> dict[str, str]:
    """Labels of a container that this process starts now for ``job``."""
    return {
        RUN: job.run_id,
        PURPOSE: job.purpose,
        OWNER: this_process(),
        UNTIL: str(int(time.time() + job.seconds)),
    }


def container_name(job: Job) -> str:
    """A new name for a container of ``job``, known before the engine is asked to make it."""
    # The engine allows only these characters in a name; the label holds the run id as it is.
    run = re.sub(r"[^A-Za-z0-9_.-]", "-", job.run_id)[:80]
    return f"rebuilder-{job.purpose}-{run}-{secrets.token_hex(4)}"


def this_process() -> str:
    """``boot/namespace/pid/start`` of this process, or ``unknown`` where the host has no ``/proc``."""
    try:
        return f"{_machine()}/{os.getpid()}/{_start_time(os.getpid())}"
    except (OSError, ValueError):
        return _UNKNOWN


def is_orphan(found: dict[str, str], *, now: float) -> bool:
    """Whether the owner named in these labels is gone. ``now`` is in seconds since the epoch.

    An owner of another boot or namespace can't be looked up: only its deadline decides then.
    """
    machine, _, process = found.get(OWNER, _UNKNOWN).rpartition("/")[0].rpartition("/")
    try:
        if machine == _machine():
            started = found[OWNER].rpartition("/")[2]
            return not _runs(int(process), int(started))
    except (OSError, ValueError):
        pass
    deadline = found.get(UNTIL, "")
    return not deadline.isdigit() or now > int(deadline) + GRACE


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"


def _runs(process: int, started: int) -> bool:
    try:
        return _start_time(process) == started
    except OSError:
        return False


def _start_time(process: int) -> int:
    # The command name may hold spaces and brackets; the fields after its last bracket are plain (proc(5)).
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    if fields[0] in {"Z", "X"}:
        msg = f"process {process} has ended"
        raise ProcessLookupError(msg)
    return int(fields[19])
