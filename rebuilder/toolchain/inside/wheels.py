"""Runs in a container with a network, started by `taking.py`: lets pip choose or fetch wheels.

pip runs in a process that cannot start another one: what would have to be built, or comes from a version control
system, fails, and so no code of a package ever runs. It is the container's own pip, or the wheel of a newer one that
was sent along (`pip.whl`, checked by its digest outside).
"""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

MAX_LOG = 256 * 1024
MAX_ONE_BY_ONE = 50
COMMON = ("--no-input", "--no-color", "--disable-pip-version-check", "--retries=3")
QUIET = ("--progress-bar=off", "--only-binary=:all:")
REFUSED = "no program is started while packages are fetched"
LINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][0-9A-Za-z.+!_-]* --hash=sha256:[0-9a-f]{64}\Z")
STARTS = (
    "subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn",
)  # fmt: skip


def refuse(event: str, _: object) -> None:
    """An audit hook (PEP 578) that ends every try to start a program."""
    if event in STARTS:
        raise PermissionError(REFUSED)


def pip(*arguments: str, shown: bool = True, newer: str = "") -> tuple[int, str]:
    """Run pip, the one in the folder ``newer`` if that is named; its exit status and the end of what it said, which
    goes to standard error as well if ``shown``."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        become_pip(writer, arguments, newer)
    os.close(writer)
    said = b""
    while piece := os.read(reader, 65536):
        if shown:
            sys.stderr.buffer.write(piece)
            sys.stderr.flush()
        said += piece
        if len(said) > 2 * MAX_LOG:
            # From the start of a line: half of an address would no longer be seen to hold a password.
            said = said[-MAX_LOG:].partition(b"\n")[2]
    os.close(reader)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, said.decode("utf-8", "replace")


def become_pip(output: int, arguments: tuple[str, ...], newer: str) -> None:
    """In the child; never returns."""
    status: object = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["pip", *arguments]
        if newer:
            sys.path.insert(0, newer)
        sys.addaudithook(refuse)
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


def resolve(folder: Path) -> dict[str, object]:
    """Which wheels meet ``requirements.txt``: pip's report; and these, if it chose any. Where one cannot be met, what
    the index has of it. ``pins.txt`` are versions that hold whatever the day, ``as-of`` is the day."""
    newer = unpacked(folder / "pip.whl", folder / "newer")
    limits: tuple[str, ...] = ()
    if (folder / "as-of").exists():
        limits = ("--uploaded-prior-to", (folder / "as-of").read_text(encoding="utf-8"))
    rows: dict[str, object] = {}
    pinned: tuple[str, ...] = ()
    if (folder / "pins.txt").exists():
        said, rows = take_pins(folder, newer)
        if said["status"]:
            return said
        # What lies in a folder has no time of upload: pip takes it whatever the day.
        pinned = ("--constraint", str(folder / "pins.txt"), "--find-links", str(folder / "pinned"))
    report = folder / "answer/report.json"
    wanted = ("-r", str(folder / "requirements.txt"))
    said = choose(folder, report, (*limits, *pinned, *wanted), newer)
    if said["status"] == 0:
        if rows:
            put_back(report, rows, folder / "pinned")
        (folder / "exact.txt").write_text("".join(exact(report)), encoding="utf-8")
        fetch(folder, folder / "exact.txt", folder / "answer/files")
    elif lacking := re.search(r"No matching distribution found for ([A-Za-z0-9][A-Za-z0-9._-]*)", str(said["log"])):
        listed = ("index", "versions", "-vv", "--pre", *COMMON, *limits)
        said["versions"] = pip(*listed, lacking[1], shown=False, newer=newer)[1]
    return said


def unpacked(wheel: Path, target: Path) -> str:
    """The folder of a wheel's contents; empty if there is no such wheel."""
    if not wheel.exists():
        return ""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return str(target)


def choose(folder: Path, report: Path, wanted: tuple[str, ...], newer: str) -> dict[str, object]:
    """Let pip choose, and say what in a report."""
    asked = ("--dry-run", "--ignore-installed", "--report", str(report), *wanted)
    status, log = pip("install", *COMMON, *QUIET, "--cache-dir", str(folder / "cache"), *asked, newer=newer)
    return {"status": status, "log": log, "versions": ""}


def take_pins(folder: Path, newer: str) -> tuple[dict[str, object], dict[str, object]]:
    """The wheels of ``pins.txt``, into ``pinned/``: how that ended, and their rows of pip's report by file name."""
    report = folder / "pins.json"
    said = choose(folder, report, ("--no-deps", "-r", str(folder / "pins.txt")), newer)
    if said["status"]:
        said["pins"] = "yes"
        if lacking := re.search(r"No matching distribution found for ([A-Za-z0-9][A-Za-z0-9._-]*)", str(said["log"])):
            said["versions"] = pip("index", "versions", "-vv", "--pre", *COMMON, lacking[1], shown=False)[1]
        return said, {}
    (folder / "pinned.txt").write_text("".join(exact(report)), encoding="utf-8")
    status, log = fetch(folder, folder / "pinned.txt", folder / "pinned")
    rows = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {"status": status, "log": log, "versions": ""}, {file_of(row): row for row in rows}


def put_back(report: Path, rows: dict[str, object], folder: Path) -> None:
    """In the report, what was taken from the folder of pins is what the index said of it."""
    told = json.loads(report.read_text(encoding="utf-8"))
    told["install"] = [rows.get(file_of(row), row) if comes_from(row, folder) else row for row in told["install"]]
    report.write_text(json.dumps(told), encoding="utf-8")


def file_of(row: dict[str, dict[str, str]]) -> str:
    """The file name of a row of a report."""
    return url2pathname(urlsplit(row["download_info"]["url"]).path).rpartition("/")[2]


def comes_from(row: dict[str, dict[str, str]], folder: Path) -> bool:
    """Whether pip took it from that folder."""
    parts = urlsplit(row["download_info"]["url"])
    return parts.scheme == "file" and Path(url2pathname(parts.path)).parent == folder


def exact(report: Path) -> Iterator[str]:
    """What pip chose, as requirements by hash. What does not look as it should is left out; the host judges it."""
    for row in json.loads(report.read_text(encoding="utf-8"))["install"]:
        metadata, info = row["metadata"], row["download_info"].get("archive_info", {})
        line = f"{metadata['name']}=={metadata['version']} --hash=sha256:{info.get('hashes', {}).get('sha256')}"
        if LINE.match(line) and not row["is_direct"]:
            yield line + "\n"


def download(folder: Path) -> dict[str, object]:
    """The wheels of ``requirements.txt``, each by its hash; where that fails, one by one, to learn which."""
    wanted, target = folder / "requirements.txt", folder / "answer/files"
    status, log = fetch(folder, wanted, target)
    items: dict[str, object] = {}
    lines = wanted.read_text(encoding="utf-8").splitlines()
    for line in lines[:MAX_ONE_BY_ONE] if status and len(lines) > 1 else ():
        (folder / "one.txt").write_text(line + "\n", encoding="utf-8")
        one, said = fetch(folder, folder / "one.txt", target)
        items[line.partition(" ")[0]] = {"status": one, "log": said}
    return {"status": status, "log": log, "items": items}


def fetch(folder: Path, requirements: Path, target: Path) -> tuple[int, str]:
    """Download these, whole, into ``target``."""
    exact = ("--no-deps", "--require-hashes", "-r", str(requirements), "-d", str(target))
    return pip("download", *COMMON, *QUIET, "--cache-dir", str(folder / "cache"), *exact)


TASKS = {"resolve": resolve, "download": download}
