"""A small real root filesystem for tests that need a container but no toolchain."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from rebuilder.fetch.mirrors import DEBIAN, mirrors
from rebuilder.model import RootImage
from rebuilder.sandbox.docker import DockerEngine

CACHE = Path(__file__).parents[2] / ".rebuilder" / "test-cache"
SUITE = "trixie"
#: The essential packages: perl-base, tar, coreutils, a shell, no compiler.
OPTIONS = ("--variant=essential", "--quiet")


@pytest.fixture(scope="session")
def engine() -> DockerEngine:
    """The engine of this host."""
    return DockerEngine()


@pytest.fixture(scope="session")
def base_tar() -> Path:
    """The essential packages of trixie as a tar, made once by the host's mmdebstrap and kept."""
    key = hashlib.sha256(" ".join((SUITE, *OPTIONS)).encode()).hexdigest()[:16]
    target = CACHE / f"base-{key}" / "root.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{os.getpid()}.partial.tar")
        mirror = mirrors(DEBIAN, {})[0][0]
        done = subprocess.run(
            ["mmdebstrap", *OPTIONS, SUITE, str(partial), mirror], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"mmdebstrap could not make the base of the tests:\n{done.stderr[-3000:]}"
        partial.rename(target)
    return target


@pytest.fixture(scope="session")
def base_root(engine: DockerEngine, base_tar: Path) -> RootImage:
    """The same, loaded into the engine."""
    with base_tar.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    if not engine.has_root(sha256):
        engine.import_root(base_tar, sha256)
    return RootImage(build="generic", sha256=sha256, size=base_tar.stat().st_size, packages=0)
