"""Rules on values that changed places: what differs, differs only in things of one shape (a date, a path, a uuid).

A shape matches a spot only if both sides are byte for byte the same once everything of the shape is masked. That
keeps it narrow: a date beside a changed number is no date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import quote_from_bytes

from rebuilder.explain.causes import Confidence, Match, Rule, Scene
from rebuilder.explain.causes.elf_files import files, section_of, severity_of, worded
from rebuilder.explain.causes.texts import Reading, contents, evidence, exchanged, head, readings
from rebuilder.findings import Change, MemberPath, Severity

_TEXT_SECTIONS = (
    ".rodata",
    ".data",
    ".debug_",
    ".comment",
    ".dynstr",
    ".strtab",
    ".shstrtab",
    ".GCC",
    ".gnu.lto",
    ".note",
)

_CONFIDENCES: tuple[Confidence, ...] = ("proved", "likely", "possible")
_RANKS: dict[Confidence | None, int] = {name: rank for rank, name in enumerate(_CONFIDENCES)}
_NONE = len(_CONFIDENCES)
#: One in so many differing places has to be of a cause.
_FEW = 10
#: Values of the publisher's build that are read off one member.
_MAX_APPLIED = 4

#: Judges the two values of a spot: how sure it is that this is the cause, ``None`` if it is not.
Judge = Callable[[Scene, bytes, bytes], Confidence | None]
#: Reads the publisher's own value off the two of a spot, as a change that a rebuild can apply; ``None`` if it cannot.
Applied = Callable[[Scene, bytes, bytes], Change | None]
#: Judges where a finding is, by its path and the section it is in (empty for no section).
Where = Callable[[MemberPath, str], bool]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A cause whose two values have a shape. ``variations``: of a check whose marks prove it."""

    id: str
    title: str
    pattern: re.Pattern[bytes]
    fix: str
    judge: Judge = lambda *_: "likely"
    where: Where = lambda *_: True
    changes: tuple[Change, ...] = ()
    applied: Applied = lambda *_: None
    variations: frozenset[str] = frozenset()


def rule(shape: Shape) -> Rule:
    """The shape as an entry of a family."""
    return Rule(
        id=shape.id,
        title=shape.title,
        severity=Severity.INSPECT,
        fix=shape.fix,
        match=partial(_matches, shape),
        changes=shape.changes,
    )


def also(first: Callable[[Scene], Iterable[Match]], second: Rule) -> Rule:
    """The rule, after what else shows its cause; on one finding the first word counts."""

    def match(scene: Scene) -> Iterator[Match]:
        seen: set[int] = set()
        for source in (first, second.match):
            for found in source(scene):
                if found.finding not in seen:
                    seen.add(found.finding)
                    yield found

    return replace(second, match=match)


def environment(target: str, text: str) -> tuple[Change, ...]:
    """A fix to what we build in."""
    return (Change(where="environment", target=target, text=text),)


def project(target: str, text: str) -> tuple[Change, ...]:
    """A fix for the authors."""
    return (Change(where="project", target=target, text=text),)


def _matches(shape: Shape, scene: Scene) -> Iterator[Match]:
    proved, told = set(), set()
    for match in _marks(shape, scene):
        proved.add(match.finding)
        yield match
    for reading in readings(scene):
        section = section_of(scene, reading.path)
        if reading.index not in proved and _has_text(section) and shape.where(reading.path, section):
            match_ = _of_reading(shape, scene, reading)
            if match_ is not None:
                told.add(reading.index)
                yield match_
    if told:
        yield from _moved(scene, told)


def _moved(scene: Scene, told: set[int]) -> Iterator[Match]:
    """What holds addresses differs as well, where a section of another size moved those behind it."""
    for one in files(scene):
        grown = [
            finding
            for index, finding in one.sections.values()
            if index in told and finding.published.size != finding.rebuilt.size
        ]
        if not grown or one.code():
            continue
        for entry in one.moving():
            if entry[0] not in told:
                values = entry[1].published.value, entry[1].rebuilt.value
                severity = severity_of(scene, entry[1].path, taken_apart=False)
                yield worded(entry, *values, "possible", severity)


def _has_text(section: str) -> bool:
    """Whether strings may lie there: in code and tables of addresses, what reads like one is chance."""
    return not section or section.startswith(_TEXT_SECTIONS)


def _of_reading(shape: Shape, scene: Scene, reading: Reading) -> Match | None:
    """One match a finding: the surest of its spots; less sure while spots are left that it does not explain."""
    best: tuple[int, Match] | None = None
    told = 0
    changes: dict[Change, None] = {}
    for spot in reading.spots.found:
        values = exchanged(spot, shape.pattern)
        ranks = [_RANKS.get(shape.judge(scene, *two), _NONE) for two in values]
        # Of several values in one place, each has to be of this cause.
        rank = max(ranks, default=_NONE)
        if rank == _NONE:
            continue
        told += 1
        if len(changes) < _MAX_APPLIED:
            changes.update((change, None) for two in values if (change := shape.applied(scene, *two)))
        if best is None or rank < best[0]:
            at = spot.at + max(0, spot.published.find(values[0][0]))
            found = evidence(reading.finding, *values[0], at)
            best = rank, Match(finding=reading.index, evidence=found, confidence=_CONFIDENCES[rank])
    if best is None:
        return None
    every = reading.spots.whole and told == len(reading.spots.found)
    match = best[1]
    few = not every and 2 * told < len(reading.spots.found)
    if few and (match.confidence == "possible" or _FEW * told < len(reading.spots.found)):
        return None  # a guess on a text that was changed all over
    if few and match.confidence == "likely":
        match = Match(finding=match.finding, evidence=match.evidence, confidence="possible")
    severity = severity_of(scene, reading.path, taken_apart=every)
    return replace(match, severity=severity, changes=_applied(shape, changes))


def _applied(shape: Shape, changes: Iterable[Change]) -> tuple[Change, ...]:
    """The values that were read in place of the shape's own words on the environment; none if none were read."""
    read = tuple(changes)[:_MAX_APPLIED]
    return (*read, *(one for one in shape.changes if one.where == "project")) if read else ()


# --- marks of a check -------------------------------------------------------------------------------


def forms(mark: str) -> tuple[bytes, ...]:
    """How a mark may show: as it is, as UTF-16, percent-encoded, reversed."""
    raw = mark.encode("utf-8", "surrogateescape")
    both = (raw, raw.decode("utf-8", "replace").encode("utf-16-le"), quote_from_bytes(raw, safe="").encode(), raw[::-1])
    return tuple(dict.fromkeys(one for one in both if len(one) >= 4))


def _marks(shape: Shape, scene: Scene) -> Iterator[Match]:
    wanted = [mark for mark, name in scene.surroundings.canaries.items() if name in shape.variations]
    if not wanted:
        return
    for index, finding, pair in contents(scene):
        if not shape.where(finding.path, section_of(scene, finding.path)):
            continue
        left, right = (head(side) for side in pair)
        for form in (form for mark in wanted for form in forms(mark)):
            # A mark that stands on both sides as often differs in nothing.
            if left.count(form) != right.count(form):
                at = left.find(form)
                values = [form if form in side else b"" for side in (left, right)]
                found = evidence(finding, values[0], values[1], at if at >= 0 else right.find(form))
                severity = severity_of(scene, finding.path, taken_apart=False)
                yield Match(finding=index, evidence=found, confidence="proved", severity=severity)
                break
