"""The last rung: what our own eyes see where diffoscope gave nothing. Bytes around the first places that differ.

Every rung gives the same kind of node as diffoscope's JSON does, so that one reader shows them all.
"""

from __future__ import annotations

from typing import Any

from rebuilder.data import CHUNK, Data

Node = dict[str, Any]

ROW = 16
#: Rows shown around a place that differs, and how many such places.
AROUND = 2
MAX_WINDOWS = 12
#: Bytes looked through for them; on a big member with few differences this is all a reader waits for.
MAX_SCANNED = 1024**3


def hex_node(published: Data, rebuilt: Data) -> Node:
    """Hex windows around the first offsets that differ, as a unified diff."""
    places, whole = _places(published, rebuilt)
    hunks = "".join(_hunk(published, rebuilt, first, last) for first, last in places)
    comments = [f"published {published.size} bytes, rebuilt {rebuilt.size} bytes"]
    if not places:
        comments.append("no byte differs" if whole else f"no byte differs in the first {MAX_SCANNED} bytes")
    elif not whole:
        comments.append(f"only the first {len(places)} places that differ are shown; there may be more")
    return node("bytes around the first differences", hunks, comments)


def node(title: str, unified_diff: str, comments: list[str]) -> Node:
    """One comparison of ours, in diffoscope's form."""
    return {"source1": title, "source2": title, "comments": comments, "unified_diff": unified_diff or None}


def _places(one: Data, other: Data) -> tuple[list[tuple[int, int]], bool]:
    """Row numbers, first and last, of the windows around what differs; and whether all was seen."""
    found: list[tuple[int, int]] = []
    at, end = 0, max(one.size, other.size)
    while at < min(end, MAX_SCANNED):
        left, right = one.read(at, CHUNK), other.read(at, CHUNK)
        if left != right:
            for row in _rows(left, right):
                place = at // ROW + row
                if found and place <= found[-1][1] + 2 * AROUND:
                    # Joined up to a size; a longer stretch goes on in the next window.
                    found[-1] = (found[-1][0], min(place, found[-1][0] + 4 * AROUND))
                elif len(found) == MAX_WINDOWS:
                    return found, False
                elif not found or place > found[-1][1] + 2 * AROUND:
                    found.append((place, place))
        at += CHUNK
    return found, end <= MAX_SCANNED


def _rows(left: bytes, right: bytes) -> list[int]:
    """Rows of a chunk that differ: whole pages that are equal cost one comparison."""
    rows = []
    for page in range(0, max(len(left), len(right)), 4096):
        one, other = left[page : page + 4096], right[page : page + 4096]
        if one != other:
            inside = range(0, max(len(one), len(other)), ROW)
            rows += [(page + at) // ROW for at in inside if one[at : at + ROW] != other[at : at + ROW]]
    return rows


def _hunk(published: Data, rebuilt: Data, first: int, last: int) -> str:
    start, end = max(0, first - AROUND), last + AROUND + 1
    rows: list[str] = []
    removed: list[str] = []
    added: list[str] = []
    counts = [0, 0]
    for row in range(start, end):
        left, right = published.read(row * ROW, ROW), rebuilt.read(row * ROW, ROW)
        counts = [counts[0] + bool(left), counts[1] + bool(right)]
        if left == right:
            rows += [*removed, *added, *([" " + _shown(row, left)] if left else [])]
            removed, added = [], []
            continue
        removed += ["-" + _shown(row, left)] if left else []
        added += ["+" + _shown(row, right)] if right else []
    rows += [*removed, *added]
    return f"@@ -{start + 1},{counts[0]} +{start + 1},{counts[1]} @@\n" + "".join(f"{row}\n" for row in rows)


def _shown(row: int, data: bytes) -> str:
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)
    return f"{row * ROW:08x}: {data.hex(' ', 2):39}  {text}"
