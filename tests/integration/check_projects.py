"""Small Git repositories for the tests of ``rebuilder check``, the command on them, and what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rebuilder.check.model import CheckReport, VariationName
from tests.integration.base_root import CACHE

PROGRAM = (sys.executable, "-c", "from rebuilder.cli import main; main()")
#: Kept between sessions, so that the toolchain is made once: nothing in it is of a test.
STATE = CACHE / "check-state"
#: Fixed, so that two commits of the same files are one and the same.
_MADE = "2026-03-01T12:00:00Z"
_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Demo"), ("EMAIL", "demo@example.invalid"), ("DATE", _MADE))
}


@dataclass(frozen=True)
class Checked:
    """What one run of the command gave, and its report, where it wrote one."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def report(self) -> CheckReport:
        return report_in(self.folder)

    @property
    def broken(self) -> set[VariationName]:
        """Every variation that a breakage names."""
        return {name for one in self.report.breakages for name in one.variations}

    def log(self, number: int) -> str:
        return (self.folder / f"build-{number}.log").read_text(errors="replace")


class Projects:
    """A folder for projects, and the command with the state that all tests share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._config = folder / "rebuilder.toml"
        self._config.write_text(f"state = {json.dumps(str(STATE))}\n")

    def make(self, files: Mapping[str, str], *, name: str = "demo", commit: bool = True) -> Path:
        """A project of these files; those that begin with ``#!`` can be run."""
        folder = self.folder / name
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(0o755 if text.startswith("#!") else 0o644)
        if commit:
            git(folder, "init", "-q", "-b", "main")
            git(folder, "add", ".")
            git(folder, "commit", "-q", "--allow-empty", "-m", "one")
        return folder

    def command(self, project: Path, *words: str) -> list[str]:
        return [*PROGRAM, "check", str(project), *words]

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if name != "REBUILDER_STATE"}
        return ours | {"REBUILDER_CONFIG": str(self._config)}

    def check(self, project: Path, *words: str, report: str = "report") -> Checked:
        """Check it, with seed 7 unless ``words`` say another one. ``report`` names the folder of the report."""
        folder = self.folder / report
        seed = () if "--seed" in words else ("--seed", "7")
        command = self.command(project, *seed, "--output", str(folder), *words)
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        return Checked(code=done.returncode, out=done.stdout, err=done.stderr, folder=folder)


def report_in(folder: Path) -> CheckReport:
    """The report that a check left there."""
    return CheckReport.model_validate_json((folder / "check.json").read_bytes())


@pytest.fixture(name="projects")
def some_projects(tmp_path: Path) -> Projects:
    return Projects(tmp_path)


def git(folder: Path, *words: str, at: str = _MADE) -> str:
    """A command of Git that no configuration of this machine has a say in. ``at``: when a commit is made."""
    none = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    ours = {**_AUTHOR, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at, **none}
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env={**os.environ, **ours}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def makefile(*commands: str, before: str = "") -> str:
    """A Makefile with one rule. A dollar of the shell is to be doubled, as ever."""
    return f"{before}all:\n" + "".join(f"\t{command}\n" for command in commands)


FILES = {f"src/{word}.txt": f"{word}\n" for word in ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen")}
_PACK = "tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf"

#: One thing that makes an output depend on the variation, and nothing else does.
_BROKEN: Mapping[VariationName, dict[str, str]] = {
    "path": {"Makefile": makefile("pwd > out")},
    "home": {"Makefile": makefile('echo "$$HOME" > out')},
    "user": {"Makefile": makefile("id -un > out")},
    "umask": {"Makefile": makefile("echo one > file", f"{_PACK} packed.tar file")},
    "locale": {"Makefile": makefile(r"printf 'b\nA\na\nB\n' | sort > out")},
    "timezone": {"Makefile": makefile("date -d @0 '+%H:%M %Z' > out")},
    "host": {"Makefile": makefile("uname -n > out")},
    "environment": {"Makefile": makefile("env | LC_ALL=C sort > out")},
    "exec-path": {"Makefile": makefile('echo "$$PATH" > out')},
    "shell": {"Makefile": makefile(r"echo -e 'one\ttwo' > out")},
    "cpu": {"Makefile": makefile("nproc > out")},
    "jobs": {"Makefile": makefile("echo '$(filter -j%,$(MAKEFLAGS))' > out")},
    "kernel": {"Makefile": makefile("uname -r > out")},
    "clock": {"Makefile": makefile("date +%Y > out")},
    "order": {"Makefile": makefile("find src -type f > out")},
    "times": {"Makefile": makefile("stat -c %Y src/ant.txt > out")},
    "tmpdir": {"Makefile": makefile("dirname $$(mktemp) > out")},
    "hash-seed": {
        "Makefile": makefile("./keys > out"),
        "keys": '#!/usr/bin/perl\nmy %all = map { $_ => 1 } "a" .. "t";\nprint join(" ", keys %all), "\\n";\n',
    },
}
BROKEN = {name: {**files, **FILES} for name, files in _BROKEN.items()}
