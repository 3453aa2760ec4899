"""The total comparison of two folders: an archive without a container, whose files the walk takes apart."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rebuilder.compare.contents import side_of
from rebuilder.compare.shown import cut
from rebuilder.compare.walk import Bounds, Place, Walk, Walked, finished
from rebuilder.data import Data
from rebuilder.findings import DifferenceClass, Finding, Side


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of a folder: ``kind`` is ``file``, ``folder``, ``link``, ``pipe``, ``socket`` or a device and its
    number."""

    kind: str
    mode: int
    target: str = ""
    data: Data | None = None


def compare_folders(published: Mapping[str, Node], rebuilt: Mapping[str, Node], bounds: Bounds) -> Walked:
    """Every difference between two folders: names, kinds, modes, link targets, and the bytes of every file.

    Keys are paths below the folder, steps joined by ``/``, each as ``printable`` gives it. Times are not compared."""
    with ThreadPoolExecutor(1) as pool:
        walk, equal = Walk(bounds, pool), 0
        for name in sorted(published.keys() | rebuilt.keys()):
            before = walk.tally.told
            _node(walk, name, published.get(name), rebuilt.get(name))
            equal += walk.tally.told == before
        # Of the folder, not of what is in its archives: else more would be equal than there are.
        walk.counts[:] = len(published), len(rebuilt), equal
        return finished(walk, Side(), Side(), "folder")


def _node(walk: Walk, name: str, left: Node | None, right: Node | None) -> None:
    path = (name,)
    if left is None or right is None:
        one = left or right
        side = Side(value=one.kind if one else "")
        if one and one.data is not None:
            side = side_of(one.data, "")
        kind = DifferenceClass.EXTRA if left is None else DifferenceClass.MISSING
        where = {"rebuilt" if left is None else "published": side}
        walk.tally.add(Finding(path=path, kind=kind, what="member", **where))
        return
    facts = (("kind", left.kind, right.kind), ("mode", f"{left.mode:04o}", f"{right.mode:04o}"))
    for what, mine, theirs in (*facts, ("link target", left.target, right.target)):
        if mine != theirs:
            shown = {"published": Side(value=cut(mine)), "rebuilt": Side(value=cut(theirs))}
            walk.tally.add(Finding(path=path, kind=DifferenceClass.METADATA, what=what, **shown))
    if left.data is not None and right.data is not None:
        walk.compare(Place(path, path), left.data, right.data)
