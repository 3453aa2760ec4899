"""Stamps in lines of text: tells whether two texts differ in nothing but dates, versions and the like.

A stamp names the piece of a line that may vary. Two lines are taken apart when what is left of both without those
pieces is the same, byte by byte; a text is, when every line that differs is. Only then may a rule say `harmless`.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice

from rebuilder.explain.causes import Match, Rule, Scene
from rebuilder.explain.causes.documents import documents, is_read
from rebuilder.findings import Change, DifferenceClass, Evidence, Finding, MemberPath, Severity

#: Nothing larger is looked at as text, no text of more lines, and none of which more lines differ.
MAX_TEXT = 16 * 1024 * 1024
MAX_LINES, MAX_PAIRS = 400_000, 20_000
#: A longer line is no stamp; so many pieces of one may vary.
MAX_LINE, MAX_PIECES = 16 * 1024, 64
#: Bytes of members read by one pass over a scene; the rest is left unexplained.
MAX_SCENE = 512 * 1024 * 1024

_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_CLOCK = rb"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?[AP]M)?(?: ?(?:[A-Z]{1,5}|[+-]\d\d:?\d\d)\b)?"
#: A date as people and programs write it, with or without a time of day.
DATE = (
    rb"(?:\d{4}-\d\d-\d\d(?:[T ]" + _CLOCK + rb")?"
    rb"|(?:[A-Z][a-z]{2,8},? )?(?:\d{1,2}(?:st|nd|rd|th)?,? )?" + _MONTH + rb"(?: {1,2}\d{1,2}(?:st|nd|rd|th)?\b)?,?"
    rb"(?: " + _CLOCK + rb")? \d{4}\b(?:,? " + _CLOCK + rb")?"
    rb"|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|\d{4}/\d\d/\d\d(?: " + _CLOCK + rb")?)"
)
VERSION = rb"\d[\w.+~-]{0,40}"
_INFO = re.compile(r"\.info(?:-\d+)?(?:\.gz)?$")
_INDEX = re.compile(rb"(?:(?:Node|Ref): [^\x7f]*\x7f|[^\s:]+\.info-\d+: )(?P<v>\d{1,12})$")


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """One kind of line. ``pattern`` has a group ``v``: what may vary. ``names``: of which members."""

    id: str
    pattern: re.Pattern[bytes]
    names: re.Pattern[str] = re.compile("")
    #: What it may mean if nothing else differs: anywhere, and in a file that is documentation.
    severity: Severity = Severity.INSPECT
    in_documents: Severity = Severity.INSPECT


@dataclass(frozen=True, slots=True)
class Seen:
    """A stamp with another value on each side; ``offset`` is where it stands on the published side."""

    stamp: Stamp
    published: bytes
    rebuilt: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What was seen in one member. ``whole``: nothing else differs."""

    finding: int
    path: MemberPath
    seen: tuple[Seen, ...]
    whole: bool
    #: It is a document, and people only read what differs.
    document: bool


def name_of(scene: Scene, path: MemberPath) -> str:
    """The name rules go by."""
    return "/".join(path) or scene.artifact


def both(scene: Scene, path: MemberPath, limit: int = MAX_TEXT) -> tuple[bytes, bytes] | None:
    """The bytes of both sides, if they can be had and none has more than ``limit``."""
    try:
        left, right = scene.pair(path)
    except KeyError:
        return None
    return None if max(left.size, right.size) > limit else (left.read(0, left.size), right.read(0, right.size))


def contents(scene: Scene, names: re.Pattern[str] | None = None) -> Iterator[tuple[int, Finding, bytes, bytes]]:
    """Findings of members whose content differs, with both sides; bounded in sum."""
    left = MAX_SCENE
    for index, finding in scene.findings():
        if finding.kind is not DifferenceClass.CONTENT or finding.what != "bytes":
            continue
        if names is not None and not names.search(name_of(scene, finding.path)):
            continue
        pair = both(scene, finding.path)
        left -= len(pair[0]) + len(pair[1]) if pair else 0
        if left < 0:
            return
        if pair:
            yield index, finding, *pair


def evidence(
    path: MemberPath, what: str, published: bytes | str, rebuilt: bytes | str, offset: int | None = None
) -> Evidence:
    """Both values, cut to what may be shown."""
    return Evidence(path=path, what=what, offset=offset, published=_text(published), rebuilt=_text(rebuilt))


def _text(value: bytes | str) -> str:
    text = value if isinstance(value, str) else value[:200].decode("utf-8", "backslashreplace")
    return text[:200]


# --- lines --------------------------------------------------------------------------------------


def read_lines(
    left: bytes, right: bytes, stamps: Sequence[Stamp], *, info: bool = False
) -> tuple[tuple[Seen, ...], bool]:
    """The stamps that differ, and whether nothing else does."""
    if max(left.count(b"\n"), right.count(b"\n")) > MAX_LINES:
        return (), False
    mine, theirs, at = _middle(left.split(b"\n"), right.split(b"\n"))
    if len(mine) != len(theirs):
        if max(len(mine), len(theirs)) > MAX_PAIRS:
            return (), False
        return _unaligned(mine, theirs, stamps, at), False
    seen: list[Seen] = []
    rest: list[tuple[bytes, bytes]] = []
    shifts: list[int] = []
    left_over = MAX_PAIRS
    for one, other in zip(mine, theirs, strict=True):
        if one != other:
            left_over -= 1
            if left_over < 0:
                return (), False
            found, complete = taken_apart(one, other, stamps, at)
            seen += found
            if complete:
                shifts.append(len(other) - len(one))
            else:
                rest.append((one, other))
        at += len(one) + 1
    return tuple(seen), bool(seen) and (not rest or (info and _moved(rest, {0, *accumulate(shifts)})))


def taken_apart(one: bytes, other: bytes, stamps: Sequence[Stamp], at: int = 0) -> tuple[list[Seen], bool]:
    """The stamps two lines differ in, and whether they are the same but for these."""
    if max(len(one), len(other)) > MAX_LINE:
        return [], False
    pieces: list[tuple[tuple[int, int], tuple[int, int], Stamp]] = []
    for stamp in stamps:
        spans = [
            [found.span("v") for found in islice(stamp.pattern.finditer(line), MAX_PIECES)] for line in (one, other)
        ]
        if len(spans[0]) == len(spans[1]):
            pieces += [(left, right, stamp) for left, right in zip(*spans, strict=True)]
    seen, end, same = [], (0, 0), True
    for left, right, stamp in sorted(pieces, key=lambda piece: piece[0]):
        if left[0] < end[0] or right[0] < end[1]:
            continue
        same = same and one[end[0] : left[0]] == other[end[1] : right[0]]
        values = one[left[0] : left[1]], other[right[0] : right[1]]
        if values[0] != values[1]:
            seen.append(Seen(stamp, *values, at + left[0]))
        end = left[1], right[1]
    return seen, same and one[end[0] :] == other[end[1] :]


def _middle(mine: list[bytes], theirs: list[bytes]) -> tuple[list[bytes], list[bytes], int]:
    """The lines without those that are the same at the start and at the end, and the offset of the first."""
    short = min(len(mine), len(theirs))
    start = next((i for i in range(short) if mine[i] != theirs[i]), short)
    end = next((i for i in range(short - start) if mine[-1 - i] != theirs[-1 - i]), short - start)
    at = sum(len(line) + 1 for line in mine[:start])
    return mine[start : len(mine) - end], theirs[start : len(theirs) - end], at


def _unaligned(mine: list[bytes], theirs: list[bytes], stamps: Sequence[Stamp], at: int) -> tuple[Seen, ...]:
    """The first line of each stamp that is the same on both sides but for its value."""
    seen = []
    for stamp in stamps:
        placed: list[dict[tuple[bytes, bytes], tuple[bytes, int]]] = [{}, {}]
        for side, lines in zip(placed, (mine, theirs), strict=True):
            begin = at
            for line in lines:
                if len(line) <= MAX_LINE and (found := stamp.pattern.search(line)):
                    start, end = found.span("v")
                    side.setdefault((line[:start], line[end:]), (found["v"], begin + start))
                begin += len(line) + 1
        for around, (value, offset) in placed[0].items():
            other = placed[1].get(around)
            if other and other[0] != value:
                seen.append(Seen(stamp, value, other[0], offset))
                break
    return tuple(seen)


def _moved(rest: Iterable[tuple[bytes, bytes]], shifts: set[int]) -> bool:
    """Whether all these lines are entries of the index of an info file, moved as far as the stamps grew."""
    for one, other in rest:
        left, right = (_INDEX.match(line) if len(line) <= MAX_LINE else None for line in (one, other))
        if not left or not right or one[: left.start("v")] != other[: right.start("v")]:
            return False
        if int(right["v"]) - int(left["v"]) not in shifts:
            return False
    return True


# --- rules --------------------------------------------------------------------------------------


class _Readings:
    """What the lines of a scene say, read once and asked for by many rules."""

    def __init__(self, stamps: Sequence[Stamp]) -> None:
        self._stamps = tuple(stamps)
        self._last: tuple[weakref.ref[Scene], tuple[Reading, ...]] | None = None

    def of(self, scene: Scene) -> tuple[Reading, ...]:
        last = self._last
        if last is not None and last[0]() is scene:
            return last[1]
        readings = tuple(self._read(scene))
        self._last = weakref.ref(scene), readings
        return readings

    def _read(self, scene: Scene) -> Iterator[Reading]:
        for index, finding, left, right in contents(scene):
            name = name_of(scene, finding.path)
            stamps = [stamp for stamp in self._stamps if stamp.names.search(name)]
            seen, complete = read_lines(left, right, stamps, info=_INFO.search(name) is not None)
            if seen:
                read = documents(name) and is_read(left, [one.offset for one in seen])
                yield Reading(index, finding.path, seen, complete, read)


def line_rules(
    stamps: Sequence[Stamp], entries: Iterable[tuple[str, str, str, tuple[Change, ...]]]
) -> tuple[Rule, ...]:
    """A rule for each entry ``(id, title, fix, changes)``; its stamps are those with its id."""
    readings = _Readings(stamps)

    def matches(cause: str, scene: Scene) -> Iterator[Match]:
        for reading in readings.of(scene):
            mine = [seen for seen in reading.seen if seen.stamp.id == cause]
            if mine:
                yield _match(reading, mine)

    return tuple(
        Rule(id=cause, title=title, severity=Severity.INSPECT, fix=fix, changes=changes, match=partial(matches, cause))
        for cause, title, fix, changes in entries
    )


def _match(reading: Reading, mine: Sequence[Seen]) -> Match:
    severities = [seen.stamp.in_documents if reading.document else seen.stamp.severity for seen in mine]
    if not reading.whole:
        severities.append(Severity.INSPECT)
    first = mine[0]
    return Match(
        finding=reading.finding,
        evidence=evidence(reading.path, "stamp in a line", first.published, first.rebuilt, first.offset),
        confidence="likely" if reading.whole else "possible",
        severity=min(severities, key=list(Severity).index),
    )


def environment(target: str, text: str) -> Change:
    """A change to the build environment."""
    return Change(where="environment", target=target, text=text)


def project(target: str, text: str) -> Change:
    """A change for the authors."""
    return Change(where="project", target=target, text=text)


EPOCH = environment("variable:SOURCE_DATE_EPOCH", "build with the SOURCE_DATE_EPOCH of the published build")

Taken = Callable[[bytes, bytes], tuple[bytes | str, bytes | str, Severity] | None]


def whole_rule(
    *, id: str, title: str, names: str, fix: str, changes: tuple[Change, ...], what: str, taken: Taken
) -> Rule:
    """A rule that understands a whole member or leaves it alone: ``taken`` gives both values and what it may mean."""
    pattern = re.compile(names)

    def matches(scene: Scene) -> Iterator[Match]:
        for index, finding, left, right in contents(scene, pattern):
            if found := taken(left, right):
                yield Match(finding=index, evidence=evidence(finding.path, what, *found[:2]), severity=found[2])

    return Rule(id=id, title=title, severity=Severity.INSPECT, fix=fix, changes=changes, match=matches)
