"""Runs in a container with a network: lets the container's own pip choose or fetch wheels.

Standard input is a tar of files for ``FOLDER``; standard output is a tar: ``answer.json``, pip's own ``report.json``,
and what was fetched below ``files/``. pip runs in a process that cannot start another one: what would have to be
built, or comes from a version control system, fails, and so no code of a package ever runs.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

NO_CLIENT = 64
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


def pip(*arguments: str, shown: bool = True) -> tuple[int, str]:
    """Run pip; its exit status and the end of what it said, which goes to standard error as well if ``shown``."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        become_pip(writer, arguments)
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


def become_pip(output: int, arguments: tuple[str, ...]) -> None:
    """In the child; never returns."""
    status: object = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["pip", *arguments]
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
    the index has of it."""
    report = folder / "answer/report.json"
    asked = ("--dry-run", "--ignore-installed", "--report", str(report), "-r", str(folder / "requirements.txt"))
    status, log = pip("install", *COMMON, *QUIET, "--cache-dir", str(folder / "cache"), *asked)
    lacking = re.search(r"No matching distribution found for ([A-Za-z0-9][A-Za-z0-9._-]*)", log)
    listed = ("index", "versions", "-vv", "--pre", *COMMON)
    versions = pip(*listed, lacking[1], shown=False)[1] if lacking else ""
    if status == 0:
        (folder / "exact.txt").write_text("".join(exact(report)), encoding="utf-8")
        fetch(folder, folder / "exact.txt")
    return {"status": status, "log": log, "versions": versions}


def exact(report: Path) -> Iterator[str]:
    """What pip chose, as requirements by hash. What does not look as it should is left out; the host judges it."""
    for row in json.loads(report.read_text(encoding="utf-8"))["install"]:
        metadata, info = row["metadata"], row["download_info"].get("archive_info", {})
        line = f"{metadata['name']}=={metadata['version']} --hash=sha256:{info.get('hashes', {}).get('sha256')}"
        if LINE.match(line) and not row["is_direct"]:
            yield line + "\n"


def download(folder: Path) -> dict[str, object]:
    """The wheels of ``requirements.txt``, each by its hash; where that fails, one by one, to learn which."""
    wanted = folder / "requirements.txt"
    status, log = fetch(folder, wanted)
    items: dict[str, object] = {}
    lines = wanted.read_text(encoding="utf-8").splitlines()
    for line in lines[:MAX_ONE_BY_ONE] if status and len(lines) > 1 else ():
        (folder / "one.txt").write_text(line + "\n", encoding="utf-8")
        one, said = fetch(folder, folder / "one.txt")
        items[line.partition(" ")[0]] = {"status": one, "log": said}
    return {"status": status, "log": log, "items": items}


def fetch(folder: Path, requirements: Path) -> tuple[int, str]:
    """Download these, whole, into ``answer/files``."""
    exact = ("--no-deps", "--require-hashes", "-r", str(requirements), "-d", str(folder / "answer/files"))
    return pip("download", *COMMON, *QUIET, "--cache-dir", str(folder / "cache"), *exact)


def main(folder: Path, task: str) -> None:
    """Take in the files, do the task, send the answer."""
    if importlib.util.find_spec("pip") is None:
        sys.stderr.write("there is no pip in this root filesystem\n")
        sys.exit(NO_CLIENT)
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as sent:
        for member in sent:
            content = sent.extractfile(member)
            (folder / member.name).write_bytes(content.read() if content else b"")
    for name in ("answer/files", "home", "tmp"):
        (folder / name).mkdir(parents=True)
    for pair in filter(None, (folder / "environment").read_text(encoding="utf-8").split("\0")):
        name, _, value = pair.partition("=")
        os.environ[name] = value
    os.environ["HOME"], os.environ["TMPDIR"] = str(folder / "home"), str(folder / "tmp")
    said = resolve(folder) if task == "resolve" else download(folder)
    (folder / "answer/answer.json").write_text(json.dumps(said), encoding="utf-8")
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.GNU_FORMAT) as answer:
        for path in sorted((folder / "answer").rglob("*")):
            if path.is_file():
                answer.add(path, str(path.relative_to(folder / "answer")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
