"""The set-up script on hosts that lack something: what it says, and that it stops there.

Each host is a folder of links to this host's programs, less those that are missing there; the script runs
with that folder as its whole PATH. What it installs for real is seen in every run of it on a new machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    "sh", "cat", "chmod", "cp", "cut", "dirname", "env", "flock", "git", "gpg", "gpgv", "grep", "id", "ln", "mkdir",
    "openssl", "python3", "sed", "setsid", "sha256sum", "sleep", "tail", "test", "touch", "tr", "true", "mmdebstrap",
    "chromium", "ssh-keygen", "dpkg-scanpackages", "newuidmap", "gcc", "readelf", "xz", "bzip2", "zstd", "zip",
)  # fmt: skip


class Host:
    """A checkout on a host that has only some programs."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        self.checkout = folder / "checkout"
        self.programs.mkdir()
        for name in PROGRAMS:
            found = shutil.which(name)
            if found:
                (self.programs / name).symlink_to(found)
        shutil.copytree(ROOT / "scripts", self.checkout / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "requirements", self.checkout / "requirements")
        shutil.copy(ROOT / "pyproject.toml", self.checkout)

    def without(self, *names: str) -> Host:
        for name in names:
            (self.programs / name).unlink(missing_ok=True)
        return self

    def program(self, name: str, text: str) -> Host:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return self

    def setup(self, *arguments: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        script = (cwd or self.checkout) / "scripts" / "setup.sh"
        keep = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        return subprocess.run(
            [script, *arguments], env=keep | {"PATH": str(self.programs)} | environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_host_that_is_not_debian_like_gets_the_list_of_what_to_install(host: Host) -> None:
    done = host.without("openssl", "git").setup("--tests")
    assert done.returncode == 3
    assert "needs openssl: checks our signatures with other people's code" in done.stderr
    assert "has no apt-get, so nothing can be brought from here" in done.stderr
    assert "what Debian calls: openssl git" in done.stderr.replace("git openssl", "openssl git")
    assert not (host.checkout / ".venv").exists()


def test_what_only_tests_need_is_not_asked_for_by_a_run(host: Host) -> None:
    done = host.without("git", "openssl").setup()
    assert "needs git" not in done.stderr
    assert "needs openssl" in done.stderr


def test_without_root_and_without_sudo_the_command_for_root_is_printed(host: Host) -> None:
    user = 'case "$1" in -u) echo 1000 ;; *) echo someone ;; esac'
    done = host.without("openssl").program("id", user).program("apt-get", "exit 99").setup()
    assert done.returncode == 3
    assert "this needs root, you are someone, and there is no sudo. As root, run:" in done.stderr
    assert "apt-get install --no-install-recommends openssl" in done.stderr


def test_a_sudo_that_would_ask_is_not_waited_for(host: Host) -> None:
    user = 'case "$1" in -u) echo 1000 ;; *) echo someone ;; esac'
    host.without("openssl").program("id", user).program("apt-get", "exit 99").program("sudo", "exit 1")
    done = host.setup()
    assert done.returncode == 3
    assert "sudo can't ask for a password here. From a terminal, run:" in done.stderr


def test_an_apt_that_fails_is_tried_again_with_new_lists_and_then_quoted(host: Host) -> None:
    host.without("openssl").program("apt-get", 'echo "apt-get $*"; echo "E: no mirror answers"; exit 100')
    done = host.setup()
    assert done.returncode == 3
    assert "bringing its package lists up to date first" in done.stdout
    assert "E: no mirror answers" in done.stderr
    assert "apt-get could not install: openssl." in done.stderr
    log = (host.checkout / ".rebuilder" / "setup.log").read_text()
    assert log.count("install --no-install-recommends openssl") == 2
    assert log.count(" update\n") == 1


def test_an_engine_that_was_named_is_never_replaced(host: Host) -> None:
    done = host.setup("--tests", cwd=ROOT, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "expected a Docker engine at DOCKER_HOST=unix:///nowhere/docker.sock, none answers there." in done.stderr


def test_a_second_run_does_nothing(host: Host) -> None:
    state = [ROOT / ".venv" / "test.stamp", ROOT / ".rebuilder" / "setup.log"]
    before = [path.stat().st_mtime_ns for path in state]
    done = host.setup("--tests", cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "setup: all is there\n", "")
    assert [path.stat().st_mtime_ns for path in state] == before


def test_an_unknown_option_is_a_usage_error(host: Host) -> None:
    done = host.setup("--everything")
    assert (done.returncode, done.stderr) == (2, "usage: scripts/setup.sh [--tests]\n")
