"""What the benchmarks share: repeated runs, medians, one line a claim. Nothing here gates a test."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def wall(command: Sequence[str], **options: object) -> float:
    """Seconds a command takes, by the wall clock. Raises if it fails."""
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.monotonic() - begin


def cpu(command: Sequence[str], *, allowed: frozenset[int] = frozenset({0})) -> float:
    """User and system seconds of a command and its children: what noise of other processes changes least."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if ended.returncode not in allowed:
        message = f"{command[0]} ended with {ended.returncode}"
        raise SystemExit(message)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def interleaved(measures: dict[str, Callable[[], float]], times: int) -> dict[str, float]:
    """Median of each measure; run in turn, so that a busy moment of the machine meets all of them."""
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(times):
        for name, measure in measures.items():
            samples[name].append(measure())
    return {name: statistics.median(found) for name, found in samples.items()}


def claim(text: str, ratio: float, bound: str, **absolute: float) -> None:
    """One claim: the ratio, what it should be, and the absolute numbers behind it."""
    numbers = ", ".join(f"{name} {value:.3f}" for name, value in absolute.items())
    sys.stdout.write(f"{text}: ratio {ratio:.2f} (aim {bound}); {numbers}\n")
    sys.stdout.flush()


def program() -> str:
    """The installed ``rebuilder`` of this Python."""
    return str(Path(sys.executable).with_name("rebuilder"))
