"""Runs inside the diffoscope container, as its PID 1: files in as a tar, reports out as a tar.

Only the standard library of that container's Python is here. The kill timer is kept twice: here, so that
what was written until then still comes out, and outside, in case this does not answer.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import time
from pathlib import Path

WORK = Path("/work")
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "TMPDIR": str(WORK / "tmp"),
    "HOME": str(WORK / "tmp"),
}


def main(published: str, rebuilt: str, seconds: float, limit: int) -> None:
    """Compare the two members of the tar on stdin; a tar of what came of it goes to stdout."""
    (WORK / "out").mkdir()
    (WORK / "tmp").mkdir()
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            target = WORK / "in" / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            with target.open("wb") as file:
                while source and (chunk := source.read(1 << 20)):
                    file.write(chunk)
    begin = time.monotonic()
    status, noise = run(published, rebuilt, seconds, limit)
    taken = round(time.monotonic() - begin, 3)
    give({"status": status, "seconds": taken, "stderr": noise, "tool": version()}, limit)


def run(published: str, rebuilt: str, seconds: float, limit: int) -> tuple[int | str, str]:
    """Exit status of diffoscope, or ``timeout``; and the end of what it said on stderr."""
    bounds = {
        "--text": WORK / "out" / "report.txt",
        "--html": WORK / "out" / "report.html",
        "--max-text-report-size": limit,
        "--max-report-size": limit,
        "--max-page-size": limit,
        "--max-diff-block-lines": 2000,
        # Its own, softer bound: past it no further archive is opened, and what was found is written.
        "--timeout": int(seconds * 0.6),
    }
    options = [word for name, value in bounds.items() for word in (name, str(value))]
    command = ["diffoscope", "--no-progress", "--no-default-limits", *options]
    process = subprocess.Popen(
        [*command, str(WORK / "in" / published), str(WORK / "in" / rebuilt)],
        cwd=WORK, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        noise = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return "timeout", ""
    return process.returncode, noise[-4000:].decode("utf-8", "replace")


def version() -> str:
    """What diffoscope calls itself."""
    answer = subprocess.run(["diffoscope", "--version"], capture_output=True, timeout=60, check=False)
    return answer.stdout.decode("utf-8", "replace").strip() or "diffoscope (unknown version)"


def give(report: dict[str, object], limit: int) -> None:
    """One tar on stdout: whatever reports exist, each cut at ``limit``, and ``status.json``."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name in ("report.txt", "report.html"):
            path = WORK / "out" / name
            if path.is_file():
                with path.open("rb") as file:
                    data = file.read(limit + 1)
                report[name] = len(data) > limit
                add(archive, name, data[:limit])
        add(archive, "status.json", json.dumps(report).encode())


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """One member."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
