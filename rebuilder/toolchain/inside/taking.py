"""Runs in a container with a network: takes in files, does a task of one of the programs beside this, sends an answer.

Standard input is a tar of files for ``FOLDER``, among them ``task.py``, the program; standard output is a tar:
``answer.json``, what the program says, and all else that it left below ``answer/``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import sys
import tarfile
from pathlib import Path

NO_CLIENT = 64


def take(folder: Path) -> None:
    """Take in the files, and set the variables that they name."""
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


def send(folder: Path) -> None:
    """Send the answer."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.GNU_FORMAT) as answer:
        for path in sorted((folder / "answer").rglob("*")):
            if path.is_file():
                answer.add(path, str(path.relative_to(folder / "answer")))


def main(folder: Path, task: str) -> None:
    """All of it."""
    if importlib.util.find_spec("pip") is None:
        sys.stderr.write("there is no pip in this root filesystem\n")
        sys.exit(NO_CLIENT)
    take(folder)
    said = runpy.run_path(str(folder / "task.py"), run_name="task")["TASKS"][task](folder)
    (folder / "answer/answer.json").write_text(json.dumps(said), encoding="utf-8")
    send(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
