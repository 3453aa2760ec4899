"""From what the builds showed to what the report says: each breakage with variation, place, cause and fix. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rebuilder.check import fixes
from rebuilder.check.marks import LOOKS_LIKE
from rebuilder.check.model import Breakage, Fix, ProjectKind, VariationName
from rebuilder.check.plan import CARRIED, FAILS, NONE, Answer, Aspect, Known, Names, Observed, all_but, of_one_draw
from rebuilder.check.variations import NAMES, TABLE
from rebuilder.explain.causes import Rule
from rebuilder.findings import ArtifactExplanation, Cause, Difference, DifferenceClass, Evidence, Finding

#: Variations named in a sentence; the report lists them all.
_MAX_NAMED = 4
#: The cause of a variation where no rule has named one.
_USUAL: Mapping[VariationName, str] = {
    "path": "build-path-text",
    "home": "home",
    "user": "username",
    "umask": "archive-modes",
    "locale": "locale-collation",
    "timezone": "timezone",
    "host": "hostname",
    "environment": "environment-variable",
    "exec-path": "environment-variable",
    "shell": "shell-echo",
    "cpu": "cpu-count",
    "jobs": "cpu-count",
    "kernel": "kernel-version",
    "clock": "embedded-timestamp",
    "times": "embedded-timestamp",
    "tmpdir": "random-name",
    "hash-seed": "hash-order",
}
#: Causes that only say where it differs.
_VAGUE = frozenset(
    {"build-id", "code-generation", "debug-info", "debuglink", "extra-file", "linker-layout", "missing-file"}
)
_ORDERS = frozenset({"archive-order", "hash-order", "json-key-order", "linker-layout", "symbol-order"})
#: A cause that only passes on what another one did is not the reason.
_PASSED_ON = frozenset({"build-id", "debian-control-size", "debuglink", "md5sums", "wheel-record"})
_Kind = Literal["fails", "variation", "together", "chance", "open"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The differences of one output between the control and the build that shows most of them."""

    difference: Difference
    explanation: ArtifactExplanation
    #: Place -> indexes of its findings.
    places: Mapping[Aspect, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Evidences:
    """All that breakages are told from."""

    kind: ProjectKind
    answers: Mapping[Aspect, Answer]
    shown: Mapping[str, Shown]
    observed: Sequence[Observed]
    known: Known
    #: By id: words for a cause that no rule named.
    rules: Mapping[str, Rule]


@dataclass(frozen=True)
class _Key:
    kind: _Kind
    names: Names
    cause: str


@dataclass
class _Group:
    aspects: list[Aspect] = field(default_factory=list)
    cause: Cause | None = None
    findings: list[int] = field(default_factory=list)


def breakages(told: Evidences) -> tuple[Breakage, ...]:
    """Every breakage, with all its places, the surest with the most places first; what is only passed on comes with
    what it follows from."""
    groups: dict[_Key, _Group] = {}
    for aspect, one in told.answers.items():
        for kind, names in _reasons(one, aspect):
            cause, indexes = _cause(told, aspect, names)
            group = groups.setdefault(_Key(kind, names, cause.id if cause else ""), _Group())
            group.aspects.append(aspect)
            group.cause = group.cause or cause
            group.findings += indexes
    made = [_breakage(told, key, group) for key, group in _without_echoes(groups).items()]
    return tuple(sorted(made, key=_weight))


def _reasons(one: Answer, aspect: Aspect) -> Iterable[tuple[_Kind, Names]]:
    if aspect == FAILS:
        yield "fails", one.culprits or one.together or one.candidates or one.doubtful
        return
    if one.together:
        yield "together", one.together
    for name in sorted(_said(one)):
        yield "variation", frozenset({name})
    if one.flaky and not one.culprits:
        yield "chance", NONE
    elif not one.culprits and not one.together:
        yield "open", one.candidates or one.unknown or one.doubtful


def _said(one: Answer) -> Names:
    """Culprits; of a place that holds the whole environment, just that."""
    return one.culprits - CARRIED if "environment" in one.by_canary else one.culprits


def _cause(told: Evidences, aspect: Aspect, names: Names) -> tuple[Cause | None, Sequence[int]]:
    """The first cause that fits the variation, else the first that says anything, else the usual one."""
    shown = told.shown.get(aspect[0])
    indexes = shown.places.get(aspect, ()) if shown else ()
    if shown is None or not indexes:
        return None, ()
    claiming = [cause for cause in shown.explanation.causes if set(indexes) & set(cause.findings)]
    fitting = [cause for cause in claiming if names & _fits(cause.id)]
    own = [cause for cause in claiming if cause.id not in _PASSED_ON and cause.id not in LOOKS_LIKE]
    if fitting:
        return fitting[0], indexes
    finding = shown.difference.findings[indexes[0]]
    usual = _usual(told, names, finding, indexes)
    if not names:
        telling = [cause for cause in claiming if cause.id not in _VAGUE]
        return next(iter(telling or claiming), None), indexes
    return next(iter(own), usual), indexes


def _fits(cause: str) -> Names:
    """Variations that a cause is right for. Whatever is in another order may be so for a race, too."""
    races: Names = frozenset({"jobs", "cpu"}) if cause in _ORDERS else NONE
    return races.union(LOOKS_LIKE.get(cause, ()))


def _usual(told: Evidences, names: Names, finding: Finding, indexes: Sequence[int]) -> Cause | None:
    if len(names) != 1:
        return None
    (name,) = names
    rule = told.rules.get(_order_cause(finding) if name == "order" else _USUAL.get(name, ""))
    if rule is None:
        return None
    evidence = Evidence(
        path=finding.path,
        what=finding.what,
        offset=finding.offset,
        published=finding.published.value,
        rebuilt=finding.rebuilt.value,
    )
    return Cause(
        id=rule.id,
        title=rule.title,
        severity=rule.severity,
        confidence="likely",
        findings=tuple(indexes),
        evidence=(evidence,),
        fix=rule.fix,
        docs=rule.docs,
    )


def _order_cause(finding: Finding) -> str:
    if finding.kind is DifferenceClass.ORDER:
        return "archive-order"
    inside = finding.path[-1] if finding.path else ""
    return "symbol-order" if inside.startswith(".") or finding.what.startswith("section") else "hash-order"


def _without_echoes(groups: dict[_Key, _Group]) -> dict[_Key, _Group]:
    """One breakage for a variation whose other causes only pass on what the first one did."""
    kept: dict[_Key, _Group] = {}
    for key, group in groups.items():
        same = [other for other in groups if (other.kind, other.names) == (key.kind, key.names) and other != key]
        if key.cause in _PASSED_ON and any(other.cause not in _PASSED_ON for other in same):
            continue
        kept[key] = group
    return kept


# --- one breakage ---------------------------------------------------------------------------------


def _breakage(told: Evidences, key: _Key, group: _Group) -> Breakage:
    proof = _proof(told, key, group)
    cause = group.cause
    if cause is not None:
        update = {"findings": tuple(sorted(set(group.findings)))}
        cause = cause.model_copy(update=update | ({"confidence": "proved"} if proof and key.names else {}))
    places = tuple(dict.fromkeys((output, *path) for output, path, _ in group.aspects if output))
    open_ = key.kind == "open" or (key.kind == "fails" and not _found(told.answers[FAILS]))
    return Breakage(
        variations=tuple(name for name in NAMES if name in key.names and not open_),
        proof=proof,
        places=places,
        count=len(places),
        cause=cause,
        fix=_fix(told, key, group, cause),
        fails=key.kind == "fails",
        summary=_summary(told, key, group, cause),
    )


def _found(one: Answer) -> bool:
    """It is known what makes it so."""
    return bool(one.culprits or one.together)


def _proof(told: Evidences, key: _Key, group: _Group) -> tuple[Literal["canary", "rebuild", "repeat"], ...]:
    found = [told.answers[aspect] for aspect in group.aspects]
    canary = key.kind == "variation" and any(key.names & one.by_canary for one in found)
    repeat = any(one.flaky for one in found)
    singled = bool(key.names) and any(
        (one.settled and (key.names <= one.by_rebuild or one.together)) or _alone(told, key, aspect)
        for one, aspect in zip(found, group.aspects, strict=True)
    )
    confirmed = key.kind == "variation" and any(_clean_build(told, aspect) for aspect in group.aspects)
    words: list[Literal["canary", "rebuild", "repeat"]] = []
    words += ["canary"] if canary else []
    words += ["rebuild"] if singled or confirmed else []
    words += ["repeat"] if repeat else []
    return tuple(words)


def _alone(told: Evidences, key: _Key, aspect: Aspect) -> bool:
    """Whether a build in which nothing else was varied differs there."""
    return key.kind != "chance" and any(
        build.varied == key.names and aspect in build.differing for build in told.observed[1:]
    )


def _clean_build(told: Evidences, aspect: Aspect) -> int | None:
    """Number of a build in which all but this place's culprits was varied, and the place did not differ."""
    rest = all_but(told.answers[aspect].culprits, aspect, told.known)
    for number, build in enumerate(told.observed, start=1):
        unseen = (build.failed and aspect != FAILS) or not of_one_draw(build, told.observed)
        if number > 1 and build.varied >= rest and build.varied and not unseen and aspect not in build.differing:
            return number
    return None


def _fix(told: Evidences, key: _Key, group: _Group, cause: Cause | None) -> Fix:
    if key.kind == "chance" or not key.names:
        return Fix(words=fixes.chance(cause.id if cause else "").words)
    if key.kind == "open" or len(key.names) != 1:
        few = _few(key.names)
        return Fix(words=f"Hold these fixed, or find which of them it is with more builds (--max-builds): {few}.")
    (name,) = key.names
    advice = fixes.advice(name, told.kind, cause.id if cause else "")
    number = _clean_build(told, group.aspects[0])
    if number is None or not advice.held:
        return Fix(words=advice.words, changes=advice.changes)
    where = "builds" if key.kind == "fails" else "gives the same bytes"
    held = told.known.effective - told.observed[number - 1].varied
    if held <= key.names:
        reason = f"held fixed ({advice.held}), everything else varied: build {number} {where}"
    else:
        titles = ", ".join(TABLE[other].title for other in NAMES if other in held)
        reason = f"build {number}, in which only these were held fixed, {where} there: {titles}"
    return Fix(words=advice.words, changes=advice.changes, result="confirmed", reason=reason)


def _summary(told: Evidences, key: _Key, group: _Group, cause: Cause | None) -> str:
    names = _few(key.names)
    if key.kind == "fails":
        now_and_then = "" if _only_varied(told, group.aspects) else ", with nothing varied"
        return _failing(told.answers[FAILS], names, now_and_then)
    where = _where(told, group.aspects, cause)
    if key.kind == "chance":
        alike = "that were varied alike" if _only_varied(told, group.aspects) else "of which nothing was varied"
        return f"{where} differs between two builds {alike}"
    if key.kind == "open":
        return f"{where} depends on one of these, more builds would tell: {names}"
    if key.kind == "together":
        return f"{where} changes only when several of these are varied together: {names}"
    flaky = any(told.answers[aspect].flaky for aspect in group.aspects)
    return f"{where} depends on the {names}" + (", and differs between builds of one and the same" if flaky else "")


def _few(names: Names) -> str:
    """Titles of the first few, and how many more there are."""
    titles = [TABLE[name].title for name in NAMES if name in names]
    more = len(titles) - _MAX_NAMED
    return f"{', '.join(titles[:_MAX_NAMED])} and {more} more" if more > 0 else " and ".join(titles)


def _only_varied(told: Evidences, aspects: Sequence[Aspect]) -> bool:
    """Whether these were seen in builds with something varied, and in none without."""
    seen = [build.varied for build in told.observed[1:] if build.differing & set(aspects)]
    return bool(seen) and all(seen)


def _failing(one: Answer, names: str, now_and_then: str) -> str:
    if one.flaky:
        return f"the build fails now and then{now_and_then}"
    if one.together:
        return f"the build fails when several of these are varied together: {names}"
    if not _found(one):
        return f"the build fails when one of these is varied, more builds would tell: {names}"
    return f"the build fails when this is varied: {names}"


def _where(told: Evidences, aspects: Sequence[Aspect], cause: Cause | None) -> str:
    """File, member, section and offset of the first place, and how many more there are."""
    output, path, what = aspects[0]
    shown = told.shown.get(output)
    indexes = shown.places.get(aspects[0], ()) if shown else ()
    finding = shown.difference.findings[indexes[0]] if shown and indexes else None
    offset = finding.offset if finding else None
    seen = cause.evidence[0] if cause and cause.evidence else None
    if seen is not None and seen.path[: len(path)] == path:
        path, offset, what = seen.path, seen.offset, seen.what
    words = ": ".join((output, "/".join(part.removeprefix("./") for part in path))) if path else output
    if offset is not None:
        words += f" (offset {offset:#x})"
    elif what not in {"bytes", "content", ""}:
        words += f" ({what})"
    more = len({aspect[:2] for aspect in aspects}) - 1
    return f"{words} and {more} more" if more > 0 else words


def _weight(one: Breakage) -> tuple[int, int, int]:
    kind = 0 if one.fails else 1 if one.variations else 2
    return (kind, -len(one.proof), -one.count)
