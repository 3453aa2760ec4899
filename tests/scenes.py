"""Two files in, the scene that cause rules look at out: the real walk over real bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rebuilder.compare.walk import Bounds, Walked, compare
from rebuilder.data import Held
from rebuilder.explain.causes import Scene, Surroundings
from rebuilder.explaining import scene_of


def held(data: bytes | Path) -> Held:
    """Bytes, or those of a file."""
    return Held(data if isinstance(data, bytes) else data.read_bytes())


def in_memory(**changes: Any) -> Bounds:
    """Bounds whose scratch space is memory."""
    return Bounds(spool=lambda pieces: Held(b"".join(pieces)), **changes)


def walked(published: bytes | Path, rebuilt: bytes | Path, **bounds: Any) -> Walked:
    """The total comparison."""
    return compare(held(published), held(rebuilt), in_memory(**bounds))


def scene(published: bytes | Path, rebuilt: bytes | Path, *, artifact: str = "x", **surroundings: Any) -> Scene:
    """What a rule sees."""
    return scene_of(artifact, walked(published, rebuilt), Surroundings(**surroundings))
