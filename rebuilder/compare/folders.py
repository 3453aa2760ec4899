"""The total comparison of two folders: an archive without a container, whose files the walk takes apart."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rebuilder.compare.shown import cut
from rebuilder.compare.walk import Bounds, Place, Walk, Walked, finished, side_of
from rebuilder.data import Data
from rebuilder.findings import DifferenceClass, Finding, Side


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of a folder: ``kind`` is ``file``, ``folder``, ``link`` or ``special``."""

    kind: str
    mode: int
    target: str = ""
    data: Data | None = None


def compare_folders(published: Mapping[str, Node], rebuilt: Mapping[str, Node], bounds: Bounds) -> Walked:
    """Every difference between two folders: names, kinds, modes, link targets, and the bytes of every file.

    Keys are paths below the folder, steps joined by ``/``, each as ``printable`` gives it. Times are not compared."""
    with ThreadPoolExecutor(1) as pool:
        walk = Walk(bounds, pool)
        for name in sorted(published.keys() | rebuilt.keys()):
            _node(walk, name, published.get(name), rebuilt.get(name))
        walk.counts[:2] = len(published), len(rebuilt)
        return finished(walk, Side(), Side(), "folder")


def _node(walk: Walk, name: str, left: Node | None, right: Node | None) -> None:
    path = (name,)
    if left is None or right is None:
        one = left or right
        side = Side(value=one.kind if one else "")
        if one and one.data is not None:
            side = side_of(one.data, "")
        kind = DifferenceClass.EXTRA if left is None else DifferenceClass.MISSING
        walk.add(Finding(path=path, kind=kind, what="member", **{"rebuilt" if left is None else "published": side}))
        return
    before = len(walk.findings)
    facts = (("kind", left.kind, right.kind), ("mode", f"{left.mode:04o}", f"{right.mode:04o}"))
    for what, mine, theirs in (*facts, ("link target", left.target, right.target)):
        if mine != theirs:
            shown = {"published": Side(value=cut(mine)), "rebuilt": Side(value=cut(theirs))}
            walk.add(Finding(path=path, kind=DifferenceClass.METADATA, what=what, **shown))
    if left.data is not None and right.data is not None:
        walk.compare(Place(path, path), left.data, right.data)
    if len(walk.findings) == before:
        walk.counts[2] += 1
