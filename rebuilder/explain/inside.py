"""Runs inside the diffoscope container, as its PID 1: files in as a tar, reports out as a tar.

Only the standard library of that container's Python is here. The kill timer is kept twice: here, so that
what was written until then still comes out, and outside, in case this does not answer.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import time

IN, OUT = "/work/in", "/work/out"


def main(arguments):
    """Arguments: the two names, seconds, bytes of report. Exit status is always 0 if a tar was written."""
    published, rebuilt, seconds, limit = arguments[0], arguments[1], float(arguments[2]), int(arguments[3])
    for folder in (IN, OUT, "/work/tmp"):
        os.makedirs(folder)
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            target = os.path.join(IN, member.name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                source = archive.extractfile(member)
                while chunk := source.read(1 << 20):
                    file.write(chunk)
    begin = time.monotonic()
    status, noise = run(published, rebuilt, seconds, limit)
    report = {"status": status, "seconds": round(time.monotonic() - begin, 3), "stderr": noise, "tool": version()}
    give(report, limit)


def run(published, rebuilt, seconds, limit):
    """Exit status of diffoscope, or ``timeout``; and the end of what it said on stderr."""
    command = [
        "diffoscope", "--no-progress", "--text", OUT + "/report.txt", "--html", OUT + "/report.html",
        "--max-text-report-size", str(limit), "--max-report-size", str(limit), "--timeout", str(int(seconds * 0.6)),
        "--no-default-limits", "--max-diff-block-lines", "2000", "--max-page-size", str(limit),
        os.path.join(IN, published), os.path.join(IN, rebuilt),
    ]
    process = subprocess.Popen(
        command, cwd="/work", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": "/work/tmp", "HOME": "/work/tmp"},
    )
    try:
        noise = process.communicate(timeout=seconds)[1]
        return process.returncode, noise[-4000:].decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        process.kill()
        return "timeout", ""


def version():
    """What diffoscope calls itself."""
    answer = subprocess.run(["diffoscope", "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    return answer.stdout.decode("utf-8", "replace").strip() or "diffoscope (unknown version)"


def give(report, limit):
    """One tar on stdout: ``status.json`` and whatever reports exist, each cut at ``limit``."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name in ("report.txt", "report.html"):
            path = os.path.join(OUT, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    data = file.read(limit + 1)
                report[name] = len(data) > limit
                add(archive, name, data[:limit])
        add(archive, "status.json", json.dumps(report).encode())


def add(archive, name, data):
    """One member."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


if __name__ == "__main__":
    main(sys.argv[1:])
