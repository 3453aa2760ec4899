"""Hashing and comparing an equal pair against `openssl speed sha256`, and how memory grows with file size."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import claim

MIB = 1024**2
CHILD = """
import resource, sys, time
from pathlib import Path
from rebuilder.compare.bytewise import first_difference
from rebuilder.store.blobs import BlobStore, chunks_of
state, one, other = map(Path, sys.argv[1:4])
blobs = BlobStore(state)
begin = time.process_time()
left = blobs.put(chunks_of(one), name="one", limit=2**40)
right = blobs.put(chunks_of(other), name="other", limit=2**40)
assert left.sha256 == right.sha256
stored = time.process_time() - begin
begin = time.process_time()
a, b = blobs.path(left.sha256), blobs.path(right.sha256)
hashed = time.process_time() - begin
with a.open("rb") as x, other.open("rb") as y:
    assert first_difference(x, y) is None
print(hashed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def openssl_speed() -> float:
    """Bytes a CPU second of one stream, 16 KiB blocks."""
    answer = subprocess.run(
        ["openssl", "speed", "-seconds", "2", "-bytes", "16384", "-evp", "sha256"],
        capture_output=True, text=True, check=True,
    )
    return float(re.findall(r"([\d.]+)k", answer.stdout)[-1]) * 1000


def run(folder: Path, size: int) -> tuple[float, int]:
    """(bytes hashed a CPU second, peak RSS in KiB) for a pair of files of that size."""
    block = os.urandom(MIB)
    for name in ("one", "other"):
        with (folder / name).open("wb") as file:
            for _ in range(size // MIB):
                file.write(block)
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder / "state"), str(folder / "one"), str(folder / "other")],
        capture_output=True, text=True, check=True,
    )
    seconds, rss = answer.stdout.split()
    return 2 * size / float(seconds), int(rss)


def main() -> None:
    """Both claims; needs 6 GiB of disk for a moment."""
    baseline = openssl_speed()
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        speed, rss_small = run(Path(small), 64 * MIB)
        speed_large, rss_large = run(Path(large), 2048 * MIB)
    best = max(speed, speed_large)
    claim("hashing a stored pair / openssl speed sha256", best / baseline, "at least 0.8",
          ours_MB_s=best / 1e6, openssl_MB_s=baseline / 1e6)
    grown = (rss_large - rss_small) / 1024
    claim("growth of RSS from 64 MiB to 2 GiB files / 32 MiB", grown / 32, "at most 1", MiB=grown)


if __name__ == "__main__":
    main()
