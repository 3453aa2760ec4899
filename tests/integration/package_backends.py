"""The backends that releases are made with, as wheels: fetched once by this host's own pip, offered by an index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rebuilder.model import Limits
from rebuilder.toolchain.languages_pypi import NEWER_PIP
from rebuilder.wiring import Workshop
from tests.integration.check_projects import STATE
from tests.integration.indexes import Link, PythonIndex

#: Kept between sessions; fetched by pip as it is configured on this host.
WHEELS = STATE.with_name("backends")
BACKENDS = (
    "build==1.3.0", "packaging==25.0", "pyproject-hooks==1.2.0", "flit_core==3.12.0", "hatchling==1.27.0",
    "hatch-vcs==0.5.0", "pathspec==0.12.1", "pluggy==1.6.0", "trove-classifiers==2025.9.11.17", "setuptools==80.9.0",
    "setuptools-scm==9.2.0", "wheel==0.45.1", "poetry-core==2.2.1", "pdm-backend==2.4.5", "uv_build==0.8.22",
    "zlib-ng==1.0.0",
)  # fmt: skip
#: When the backends reached the index.
LONG_AGO = "2025-01-01T00:00:00Z"
#: Debian packages of a root filesystem that builds Python projects.
PYTHON = ("python3", "python3-dev", "python3-venv", "python3-pip")


def wheels() -> list[Path]:
    """The backends, fetched once."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    lacking = [text for text, path in _found().items() if path is None]
    if lacking:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        target = ("--python-version", "3.13", "--platform", "manylinux2014_x86_64", "--platform", "any")
        words = [*command, *target, "-d", str(WHEELS), *lacking]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return sorted(path for path in _found().values() if path is not None)


def _found() -> dict[str, Path | None]:
    """The wheel of each; wheels of other versions may lie beside them."""
    there = {tuple(path.name.lower().split("-")[:2]): path for path in WHEELS.glob("*.whl")}
    return {text: there.get(tuple(text.replace("-", "_").split("=="))) for text in BACKENDS}


def offer_backends(index: PythonIndex, shop: Workshop) -> None:
    """All of them, and the pip that chooses as of a day."""
    for path in wheels():
        name = path.name.split("-")[0].lower().replace("_", "-")
        index.offer(name, Link(path.name, path.read_bytes(), uploaded=LONG_AGO))
    root = shop.check_ports(Limits(), fresh=False).toolchain("trixie", PYTHON)[1]
    shop.languages().ensure((NEWER_PIP,), root, run_id="newer-pip")
    body = shop.blobs.read(NEWER_PIP.sha256, limit=10**8)
    index.offer("pip", Link(NEWER_PIP.file, body, uploaded="2026-10-01T00:00:00Z"))
