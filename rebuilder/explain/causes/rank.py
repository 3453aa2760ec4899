"""Runs the rules over a scene and puts what they say in order: the likeliest cause of most findings first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rebuilder.explain.causes import Match, Rule, Scene
from rebuilder.findings import Cause, Change, MemberPath, Severity

#: Places shown for one cause; the findings it claims are all listed by index.
MAX_EVIDENCE = 5
_CONFIDENCE = {"proved": 0, "likely": 1, "possible": 2}
_SEVERITY = list(Severity)
#: Said before all others: then any of the rest may follow from it.
_FIRST = frozenset({"other-version"})
#: Causes that only pass on what another one did; said after it, however sure they are.
_CONSEQUENCES = frozenset({"build-id", "debian-control-size", "debuglink", "md5sums", "wheel-record"})
#: Causes that only know what kind of value stands in a place, the higher the less. One that knows the file, or the
#: value, says more: what both claim counts for that one.
_BREADTH = {
    "cpu-count": 1,
    "environment-variable": 1,
    "hostname": 1,
    "html-generated-on": 1,
    "kernel-version": 1,
    "locale-messages": 1,
    "timezone": 1,
    "username": 1,
    "build-path-rodata": 2,
    "build-path-text": 2,
    "date-macro": 2,
    "debug-info": 2,
    "hash-order": 2,
    "pyc-code": 2,
    "random-name": 2,
    "code-generation": 3,
    "embedded-timestamp": 3,
    "extra-file": 3,
    "missing-file": 3,
}


@dataclass(frozen=True, slots=True)
class Ranked:
    """What the rules say of a scene."""

    #: By weight.
    causes: tuple[Cause, ...]
    #: Indexes of the findings no rule had a word for. What only follows from others has theirs.
    unexplained: tuple[int, ...]
    #: Ids of the rules that failed: what they would have said is missing.
    failed: tuple[str, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """The same, in words for the reader of the report."""
        return tuple(f"a rule failed: {name}" for name in self.failed)


def explain(scene: Scene, rules: Sequence[Rule] | None = None) -> tuple[tuple[Cause, ...], tuple[int, ...]]:
    """The causes and the unexplained of ``ranked``."""
    found = ranked(scene, rules)
    return found.causes, found.unexplained


def ranked(scene: Scene, rules: Sequence[Rule] | None = None) -> Ranked:
    """What the rules say, in order. One that fails on hostile bytes is passed over, but remembered: an explanation
    may be missing, never in the way, and never missing in silence."""
    if rules is None:
        from rebuilder.explain.causes.families import RULES as rules  # noqa: N811 - it is the default
    failed: list[str] = []
    found = [(rule, _matches(rule, scene, failed)) for rule in rules or ()]
    uneasy = _uneasy(scene, found)
    causes = [_cause(rule, matches, uneasy) for rule, matches in found if matches]
    order = _Order(causes, _roots(scene))
    causes.sort(key=order.weight)
    claimed = {index for cause in causes for index in cause.findings}
    left = (index for index, one in scene.findings() if index not in claimed and not one.follows)
    return Ranked(tuple(causes), tuple(left), tuple(failed))


def _matches(rule: Rule, scene: Scene, failed: list[str]) -> list[Match]:
    """What it says; of one that fails, what it said until then."""
    found: list[Match] = []
    try:
        for match in rule.match(scene):
            found.append(match)
    except Exception:
        failed.append(rule.id)
    return found


def _uneasy(scene: Scene, found: Iterable[tuple[Rule, list[Match]]]) -> frozenset[int]:
    """Findings that follow from members of which not every difference is known to be harmless: no list of digests is
    better than what it lists."""
    derived = [(index, one) for index, one in scene.findings() if one.follows]
    if not derived:
        return frozenset()
    quiet: dict[int, bool] = {}
    for rule, matches in found:
        for match in matches:
            harmless = (match.severity or rule.severity) is Severity.HARMLESS
            quiet[match.finding] = quiet.get(match.finding, True) and harmless
    loud: set[MemberPath] = set()
    for index, one in scene.findings():
        if not one.follows and not quiet.get(index):
            loud.update(one.path[:size] for size in range(len(one.path) + 1))
    return frozenset(index for index, one in derived if not loud.isdisjoint(one.follows))


def _cause(rule: Rule, matches: list[Match], uneasy: frozenset[int]) -> Cause:
    matches.sort(key=lambda match: _CONFIDENCE[match.confidence])
    severities = [match.severity or rule.severity for match in matches]
    if any(match.finding in uneasy for match in matches):
        severities.append(Severity.INSPECT)
    return Cause(
        id=rule.id,
        title=rule.title,
        severity=min(severities, key=_SEVERITY.index),
        confidence=matches[0].confidence,
        findings=tuple(sorted({match.finding for match in matches})),
        evidence=tuple(match.evidence for match in matches[:MAX_EVIDENCE]),
        fix=rule.fix,
        changes=_unique(change for match in matches for change in match.changes) or rule.changes,
        docs=rule.docs,
    )


def _unique(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(dict.fromkeys(changes))[:20]


def _roots(scene: Scene) -> frozenset[int]:
    """Findings that do not follow from others: these are what has to be explained."""
    return frozenset(index for index, one in scene.findings() if not one.follows)


class _Order:
    """Which cause is said before which: lower weight first."""

    def __init__(self, causes: Sequence[Cause], roots: frozenset[int]) -> None:
        self._roots = roots
        #: Per finding: how sure and how broad all that is said of it is.
        self._said: dict[int, list[tuple[int, int]]] = {}
        #: Findings of which it is certain that they pass something on.
        self._passed_on: set[int] = set()
        for cause in causes:
            for index in cause.findings:
                self._said.setdefault(index, []).append(_narrowness(cause))
            if cause.id in _CONSEQUENCES and cause.confidence == "proved":
                self._passed_on.update(cause.findings)

    def weight(self, cause: Cause) -> tuple[int, int, int, int, int]:
        """Causes of roots before consequences, sure ones before guesses, then by how much only they tell."""
        own = self._roots.intersection(cause.findings)
        fresh = sum(1 for index in own if not self._told_better(index, cause))
        place = -1 if cause.id in _FIRST else int(not own or self._follows(cause, own))
        breadth = _BREADTH.get(cause.id, 0)
        return (place, _CONFIDENCE[cause.confidence], -fresh, breadth, _SEVERITY.index(cause.severity))

    def _follows(self, cause: Cause, own: frozenset[int]) -> bool:
        """It is a consequence, or a guess about nothing but what passes something on."""
        return cause.id in _CONSEQUENCES or (cause.confidence == "possible" and self._passed_on.issuperset(own))

    def _told_better(self, index: int, cause: Cause) -> bool:
        """Whether a narrower cause, as sure as this one, claims the finding."""
        sure, breadth = _narrowness(cause)
        return any(other <= sure and narrow < breadth for other, narrow in self._said[index])


def _narrowness(cause: Cause) -> tuple[int, int]:
    return _CONFIDENCE[cause.confidence], _BREADTH.get(cause.id, 0)
