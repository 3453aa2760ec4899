"""Programs that run inside a build's container, as text."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def probe() -> str:
    """Tells what a build can see, for ``perl -e``."""
    return (_HERE / "probe.pl").read_text(encoding="utf-8")


def backend_hooks() -> str:
    """Asks a build backend what else it needs, for ``python -c``."""
    return (_HERE / "backend_hooks.py").read_text(encoding="utf-8")


def replay_shim() -> str:
    """Gives scalars of published archives to a build, as ``sitecustomize.py``."""
    return (_HERE / "replay_shim.py").read_text(encoding="utf-8")


def zlib_shim() -> str:
    """Lets zlib-ng stand for zlib in a build, as ``sitecustomize.py``."""
    return (_HERE / "zlib_shim.py").read_text(encoding="utf-8")
