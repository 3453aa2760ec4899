"""Where two byte strings differ, in pieces small enough to be judged: what rules on contents share. Pure, linear.

A spot is one differing stretch together with the text around it, on both sides. Two sides of one size are held
against each other byte by byte; two of different sizes string by string (lines, or what NUL bytes part).
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from operator import ne

from rebuilder.data import CHUNK, Data, Held
from rebuilder.explain.causes import Scene
from rebuilder.explain.causes.kept import once
from rebuilder.findings import DifferenceClass, Evidence, Finding, MemberPath

#: Of a larger member nothing is looked at.
MAX_BYTES = 64 * 1024**2
#: Differing stretches of a pair that are looked at.
MAX_SPOTS = 1000
#: Of one stretch, and of the text before and after it.
MAX_RUN, MAX_AROUND = 1024, 256
#: Strings of a side, where the sizes differ.
MAX_STRINGS = 500_000
#: Bytes of spots kept for one scene, for every rule reads all of them; past half of it, few are kept of each member.
MAX_KEPT, FEW = 4 * 1024**2, 3
#: Bytes of members read for one scene; the rest is left alone.
MAX_SCENE = 1024**3
#: Differing bytes with no more than seven equal ones between them are one stretch.
_RUN = re.compile(rb"[^\0](?:[^\0]|\0{1,7}(?=[^\0]))*")
_UNPRINTABLE = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Spot:
    """Both sides of one place that differs, with what can be read around it. ``at`` is the offset of ``published``."""

    at: int
    published: bytes
    rebuilt: bytes


@dataclass(frozen=True, slots=True)
class Spots:
    """``whole``: every byte that differs lies in one of ``found``."""

    found: tuple[Spot, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """The spots of one finding's member."""

    index: int
    finding: Finding
    spots: Spots

    @property
    def path(self) -> MemberPath:
        """Of the member."""
        return self.finding.path


def head(data: Data) -> bytes:
    """All bytes, if they are not too many to be looked at; else none."""
    return data.read(0, data.size) if data.size <= MAX_BYTES else b""


def shown(raw: bytes) -> str:
    """Bytes as evidence shows them: printable, what is not is escaped, cut to what may be shown."""
    return raw[:200].decode("ascii", "backslashreplace").encode("unicode_escape").decode("ascii")[:200]


def evidence(finding: Finding, published: bytes, rebuilt: bytes, at: int | None = None) -> Evidence:
    """Both values of a place in the finding's member."""
    return Evidence(path=finding.path, what=finding.what, offset=at, published=shown(published), rebuilt=shown(rebuilt))


def exchanged(spot: Spot, pattern: re.Pattern[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """All values that differ, if both sides are the same but for what the pattern finds in them; else none."""
    left, mine = _masked(spot.published, pattern)
    if not left:
        return ()
    right, theirs = _masked(spot.rebuilt, pattern)
    if len(left) != len(right) or mine != theirs:
        return ()
    return tuple((one, other) for one, other in zip(left, right, strict=True) if one != other)


def _masked(text: bytes, pattern: re.Pattern[bytes]) -> tuple[list[bytes], list[bytes]]:
    """What the pattern finds, and what lies between."""
    values, rest, end = [], [], 0
    for found in pattern.finditer(text):
        values.append(found.group())
        rest.append(text[end : found.start()])
        end = found.end()
    return values, [*rest, text[end:]]


# --- stretches of two sides of one size -------------------------------------------------------------


def runs(published: Data, rebuilt: Data) -> Iterator[tuple[int, int]]:
    """Start and end of every differing stretch of the shared size; a stretch may end where a block does."""
    size = min(published.size, rebuilt.size)
    for at in range(0, size, CHUNK):
        left, right = (side.read(at, min(CHUNK, size - at)) for side in (published, rebuilt))
        if left != right and len(left) == len(right):
            apart = int.from_bytes(left, "little") ^ int.from_bytes(right, "little")
            for run in _RUN.finditer(apart.to_bytes(len(left), "little")):
                yield at + run.start(), at + run.end()


def spots(published: Data, rebuilt: Data, limit: int = MAX_SPOTS) -> Spots:
    """Where two members differ; nothing where they are too large."""
    if max(published.size, rebuilt.size) > MAX_BYTES:
        return Spots((), False)
    if published.size != rebuilt.size:
        return _by_strings(head(published), head(rebuilt), limit)
    placed = _by_places(published, rebuilt, limit)
    if _told(placed) <= MAX_AROUND:
        return placed
    # A string of another length moves all that is behind it, and padding may keep the size.
    left, right = head(published), head(rebuilt)
    moved = _by_strings(left, right, limit) if b"\0" in left else placed
    return moved if 0 < 2 * _told(moved) < _told(placed) else placed


def _told(one: Spots) -> int:
    return sum(len(spot.published) + len(spot.rebuilt) for spot in one.found)


def _by_places(published: Data, rebuilt: Data, limit: int) -> Spots:
    found: list[tuple[int, int]] = []
    whole = True
    for start, end in runs(published, rebuilt):
        if len(found) >= limit:
            whole = False
            break
        whole = whole and end - start <= MAX_RUN
        end = min(end, start + MAX_RUN)
        low, high = _around(published, rebuilt, start, end)
        if found and low < found[-1][1]:
            joined = found[-1][0], max(high, found[-1][1])
            if joined[1] - joined[0] <= 2 * MAX_RUN:
                found[-1] = joined
                continue
            low = found[-1][1]
        if low < high:
            found.append((low, high))
    return Spots(
        tuple(Spot(low, *(s.read(low, high - low) for s in (published, rebuilt))) for low, high in found), whole
    )


def _around(published: Data, rebuilt: Data, start: int, end: int) -> tuple[int, int]:
    """The stretch and the readable text before and after it."""
    low = max(0, start - MAX_AROUND)
    before, after = [], []
    for side in (published, rebuilt):
        text = side.read(low, start - low)
        before.append(max((one.end() for one in _UNPRINTABLE.finditer(text)), default=0))
        text = side.read(end, MAX_AROUND)
        stop = _UNPRINTABLE.search(text)
        after.append(stop.start() if stop else len(text))
    return low + min(before), end + max(after)


# --- strings of two sides of different sizes --------------------------------------------------------


def _by_strings(left: bytes, right: bytes, limit: int) -> Spots:
    binary = b"\0" in left or b"\0" in right
    mark = b"\0" if binary else b"\n"
    if max(left.count(mark), right.count(mark)) > MAX_STRINGS:
        return Spots((), False)
    mine, theirs = left.split(mark), right.split(mark)
    shared = Counter(mine) & Counter(theirs)
    # Linkers sort strings, by length too: where one of another length moved the rest, places say nothing.
    sorted_anew = binary and sum(map(ne, mine, theirs)) > len(mine) - shared.total()
    aligned = len(mine) == len(theirs) and not sorted_anew
    if aligned:
        shared.clear()
    one, other = ((_placed(side) if aligned else _left_over(side, shared)) for side in (mine, theirs))
    differing = ((at, a, b) for (at, a), (_, b) in zip(one, other, strict=False) if a != b)
    found = [_cut(at, a, b) for at, a, b in islice(differing, limit + 1)]
    short = all(max(len(one.published), len(one.rebuilt)) < 2 * MAX_RUN for one in found)
    return Spots(tuple(found[:limit]), aligned and short and not binary and len(found) <= limit)


def _placed(strings: list[bytes]) -> Iterator[tuple[int, bytes]]:
    at = 0
    for one in strings:
        yield at, one
        at += len(one) + 1


def _left_over(strings: list[bytes], shared: Counter[bytes]) -> Iterator[tuple[int, bytes]]:
    """The strings that only this side has, in order."""
    left = shared.copy()
    for at, one in _placed(strings):
        if left[one] > 0:
            left[one] -= 1
        elif one:
            yield at, one


def _cut(at: int, one: bytes, other: bytes) -> Spot:
    """A long string is shown from a little before its first difference to a little after its last."""
    if max(len(one), len(other)) <= MAX_RUN:
        return Spot(at, one, other)
    start = _shared(one, other)
    end = min(_shared(one[::-1], other[::-1]), len(one) - start, len(other) - start)
    low = max(0, start - MAX_AROUND)
    keep = max(0, end - MAX_AROUND)
    left, right = one[low : len(one) - keep], other[low : len(other) - keep]
    return Spot(at + low, left[: 2 * MAX_RUN], right[: 2 * MAX_RUN])


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes both start with. Halves the place it is looked for in, so no byte is compared twice."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


# --- over a scene -----------------------------------------------------------------------------------


def readings(scene: Scene) -> Iterator[Reading]:
    """Every finding on a member's bytes, with its spots. Read once a scene, however many rules ask."""
    return iter(once(scene, "readings", lambda: tuple(_read(scene))))


def contents(scene: Scene) -> Iterator[tuple[int, Finding, tuple[Data, Data]]]:
    """Findings on bytes, with both sides (debug sections inflated); bounded in sum."""
    left = MAX_SCENE
    for index, finding in scene.findings():
        if finding.kind is not DifferenceClass.CONTENT or finding.what != "bytes":
            continue
        try:
            pair = scene.pair(finding.path)
        except KeyError:
            continue
        left -= sum(min(side.size, MAX_BYTES) for side in pair)
        if left < 0:
            return
        yield index, finding, _inflated(finding.path, pair)


def _inflated(path: MemberPath, pair: tuple[Data, Data]) -> tuple[Data, Data]:
    """Debug sections may be packed by zlib behind a header of the ELF standard; both sides, or none, are unpacked."""
    if not path or not path[-1].startswith(".debug_"):
        return pair
    unpacked = [_zlib(side) for side in pair]
    return (unpacked[0], unpacked[1]) if unpacked[0] and unpacked[1] else pair


def _zlib(side: Data) -> Held | None:
    raw = head(side)
    if raw[:8] != b"\1\0\0\0\0\0\0\0" or raw[24:25] != b"\x78":
        return None
    try:
        return Held(zlib.decompressobj().decompress(raw[24:], MAX_BYTES))
    except zlib.error:
        return None


def _read(scene: Scene) -> Iterator[Reading]:
    left = MAX_KEPT
    for index, finding, pair in contents(scene):
        found = spots(*pair, MAX_SPOTS if 2 * left > MAX_KEPT else FEW if left > 0 else 0)
        left -= sum(len(one.published) + len(one.rebuilt) for one in found.found)
        yield Reading(index, finding, found)
