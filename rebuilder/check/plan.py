"""Which build to make next, and what the builds so far have shown. Pure; the plan of a check is this file.

    control, all varied                       equal: done, 2 builds
    confirm: all but the suspects             equal to the control: the suspects are all there is, 3 builds
    repeat: the control once more             differs: what differs here comes from no variation
    search: half of the candidates, ...       each place that differs is an oracle of its own

A place (``Aspect``) differs in a build if one of its culprits was varied in it. So a build without the difference
clears all that was varied in it, and one with the difference has a culprit among what is not cleared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from rebuilder.check.model import VariationName
from rebuilder.check.variations import NAMES
from rebuilder.findings import MemberPath

#: ``(output, path inside it, what)``: one aspect of one member.
Aspect = tuple[str, MemberPath, str]
#: Variations that leave no text: what shows no canary, and looks like nothing, is theirs before it is anybody's.
SILENT: frozenset[VariationName] = frozenset(
    {"umask", "locale", "shell", "cpu", "jobs", "kernel", "order", "times", "hash-seed"}
)
#: Where these reach a place, no unique word of theirs need stand in it.
_SPEECHLESS: frozenset[VariationName] = SILENT | {"clock", "timezone"}
#: What a dump of the whole environment carries along: said once, as the environment.
CARRIED: frozenset[VariationName] = frozenset(
    {"path", "home", "user", "locale", "timezone", "exec-path", "jobs", "clock", "tmpdir", "hash-seed", "shell"}
)
#: Stands for "the build fails"; of a build that failed nothing else is known.
FAILS: Aspect = ("", (), "build fails")
#: So many builds that differ with a variation, and none without it, are no chance.
_OFTEN = 3
#: So many builds in turn that all differ: time may have passed that shows.
_LATELY = 4
#: ``fix`` is none of the plan's own: it tries a fix, when the causes are known.
Purpose = Literal["control", "varied", "confirm", "repeat", "search", "fix"]
Names = frozenset[VariationName]
NONE: Names = frozenset()


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One build: what was varied, and which places differ from the control's."""

    varied: Names
    differing: frozenset[Aspect] = frozenset()
    #: Seed of what was varied: builds of other draws say nothing of each other.
    draw: int = 0

    @property
    def failed(self) -> bool:
        """It gave no outputs."""
        return FAILS in self.differing


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A build to be made, and why, in a sentence."""

    purpose: Purpose
    varied: tuple[VariationName, ...]
    why: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known besides the builds.

    ``marked``: a canary of that variation stands in the differing bytes. ``guessed``: the difference looks like it.
    """

    effective: Names
    marked: Mapping[Aspect, Names] = field(default_factory=dict)
    guessed: Mapping[Aspect, Names] = field(default_factory=dict)
    #: With these the build fails: no build with them could clear anything (``knowing_failures``).
    failing: Names = NONE


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is known of one place. ``together``: these make it differ, but none of them alone."""

    culprits: Names = NONE
    #: Of the culprits, those whose canary was seen, and those that rebuilds singled out.
    by_canary: Names = NONE
    by_rebuild: Names = NONE
    flaky: bool = False
    together: Names = NONE
    #: A culprit is among these; empty once it is found.
    candidates: Names = NONE
    #: Everything but the culprits, until a build with all of it gave no difference: there may be another culprit.
    unknown: Names = NONE
    #: This set gave a difference though each of its parts gave none: is it chance?
    doubtful: Names = NONE
    #: The place differs anyway (by chance, with the clock), so that it tells nothing of these.
    masked: Names = NONE

    @property
    def settled(self) -> bool:
        """Nothing more can be learnt of it."""
        return not (self.candidates or self.unknown or self.doubtful)


def answer(aspect: Aspect, observed: Sequence[Observed], known: Known) -> Answer:
    """What the builds say of one place."""
    told = [build for build in observed[1:] if aspect == FAILS or not build.failed if of_one_draw(build, observed)]
    yes = [build.varied for build in told if aspect in build.differing]
    no = [build.varied for build in told if aspect not in build.differing]
    marked = known.marked.get(aspect, NONE)
    masked = (known.effective & _SPEECHLESS) - marked
    if any(not varied for varied in yes) or set(yes) & set(no):
        return Answer(culprits=marked, by_canary=marked, flaky=True, masked=masked)
    cleared = NONE.union(*no)
    left = [varied & known.effective - cleared for varied in yes]
    single = NONE.union(*(rest for rest in left if len(rest) == 1))
    # What is left over of builds that differed may be chance: by itself it has to differ, too, unless it looks so.
    single -= {name for name in single if _seldom(name, yes)} - known.guessed.get(aspect, NONE)
    seen = marked - cleared
    culprits = single | seen
    if not all(left):
        return _contradicted(yes, seen, cleared)
    unexplained = [rest for rest in left if not rest & _carrying(culprits, marked)]
    others = all_but(culprits, aspect, known)
    # What the difference looks like as well need not be proved in one build; several clear the rest together.
    expected = bool(culprits) and culprits <= known.guessed.get(aspect, NONE)
    clear = any(varied >= others for varied in no) or (expected and cleared >= others)
    return Answer(
        culprits=culprits,
        by_canary=seen,
        by_rebuild=single,
        candidates=min(unexplained, key=len, default=NONE),
        unknown=NONE if clear else others,
    )


def of_one_draw(build: Observed, observed: Sequence[Observed]) -> bool:
    """Whether it was drawn as the last of them, or has nothing that was drawn."""
    return not build.varied or build.draw == observed[-1].draw


def _seldom(name: VariationName, yes: Sequence[Names]) -> bool:
    """Whether too few builds with it differed to blame it for that, and none in which it was all that was varied."""
    return frozenset({name}) not in yes and sum(name in varied for varied in yes) < _OFTEN


def _contradicted(yes: Sequence[Names], seen: Names, cleared: Names) -> Answer:
    """A set gave a difference though all of it was cleared in parts: it acts together, or is chance. What was singled
    out by clearing the rest is not known then; only what differed by itself is, unless a build with it cleared it."""
    alone = NONE.union(*(varied for varied in yes if len(varied) == 1)) - cleared
    known = Answer(culprits=seen | alone, by_canary=seen, by_rebuild=alone)
    least = min((varied for varied in yes if not varied & known.culprits), key=len, default=NONE)
    if not least or yes.count(least) == 1:
        return replace(known, doubtful=least)
    if len(least) == 1:  # it differs by itself, and something else takes the difference away
        return replace(known, culprits=known.culprits | least, by_rebuild=alone | least)
    return replace(known, together=least)


def all_but(culprits: Names, aspect: Aspect, known: Known) -> Names:
    """What has to be varied in a build without the difference, to prove that nothing but these matters. Variations
    whose canary stands in other places would have left it in this one, too."""
    elsewhere = NONE.union(*known.marked.values()) - known.marked.get(aspect, NONE)
    return known.effective - known.failing - _carrying(culprits, known.marked.get(aspect, NONE)) - elsewhere


def _carrying(culprits: Names, marked: Names) -> Names:
    """Where the environment stands, other variations do by their variables; these leave no canary in them."""
    return culprits | CARRIED & (SILENT | {"clock"}) if "environment" in culprits & marked else culprits


def knowing_failures(observed: Sequence[Observed], known: Known) -> Known:
    """With the variations that the build fails with, where that was found out."""
    if not any(build.failed for build in observed[1:]):
        return known
    fails = answer(FAILS, observed, known)
    return replace(known, failing=fails.culprits | fails.together)


def answers(observed: Sequence[Observed], known: Known) -> dict[Aspect, Answer]:
    """What the builds say of every place that ever differed."""
    known = knowing_failures(observed, known)
    found: dict[tuple[object, ...], Answer] = {}
    every: dict[Aspect, Answer] = {}
    for aspect in sorted(frozenset[Aspect]().union(*(build.differing for build in observed[1:]))):
        # Thousands of members may differ in one and the same way.
        seen = (known.marked.get(aspect), known.guessed.get(aspect), aspect == FAILS)
        shape = (*(aspect in build.differing for build in observed), *seen)
        if shape not in found:
            found[shape] = answer(aspect, observed, known)
        every[aspect] = found[shape]
    return every


def next_build(observed: Sequence[Observed], known: Known, *, at_most: int) -> Wanted | None:
    """The build to make next; ``None``: all is known that ``at_most`` builds can tell."""
    if not observed:
        return Wanted(purpose="control", varied=(), why="what every other build is held against")
    if observed[0].failed or len(observed) >= at_most:
        return None
    if len(observed) == 1:
        return _wanted("varied", known.effective, "everything varied at once: equal bytes end the check")
    found = answers(observed, known)
    fails = found.get(FAILS)
    if fails is not None and (not fails.settled or not _others_seen(observed, known, fails)):
        return _why_it_fails(observed, known, fails)
    open_ = {aspect: one for aspect, one in found.items() if aspect != FAILS and not one.settled}
    if not open_:
        return _ticking(observed, {aspect: one for aspect, one in found.items() if not one.by_canary})
    return (
        _confirming(observed, known, found)
        or _repeating(observed, open_)
        or _ticking(observed, _lately_always(open_, observed, known))
        or _searching(observed, known, open_)
    )


# --- the steps of the plan ------------------------------------------------------------------------


def _why_it_fails(observed: Sequence[Observed], known: Known, fails: Answer) -> Wanted | None:
    """Single out what makes the build fail; then build without it, to see what differs otherwise."""
    if fails.settled:
        culprits = fails.culprits | fails.together
        rest = known.effective - culprits
        if fails.flaky or not rest or any(build.varied == rest for build in observed):
            return None
        return _wanted("varied", rest, f"everything but {_list(culprits)}, with which the build fails")
    return _repeating(observed, {FAILS: fails}) or _searching(observed, known, {FAILS: fails})


def _others_seen(observed: Sequence[Observed], known: Known, fails: Answer) -> bool:
    """Whether a varied build that did not fail shows what differs otherwise."""
    rest = known.effective - fails.culprits - fails.together
    return fails.flaky or not rest or any(build.varied >= rest and not build.failed for build in observed)


def _confirming(observed: Sequence[Observed], known: Known, found: Mapping[Aspect, Answer]) -> Wanted | None:
    """All but the suspects: if that equals the control, the suspects are all there is."""
    repeated = any(not build.varied for build in observed[1:])
    if not repeated and not any(known.marked.get(aspect) or known.guessed.get(aspect) for aspect in found):
        return None  # nothing to go by: whether it is chance is to be known first
    suspects = _suspects(known, found)
    rest = known.effective - suspects - _failing(found)
    if not suspects or not rest or any(build.varied == rest for build in observed):
        return None
    if any(build.varied < known.effective and build.varied for build in observed):
        return None
    return _wanted("confirm", rest, f"everything but {_list(suspects)}: equal bytes prove that nothing else matters")


def _suspects(known: Known, found: Mapping[Aspect, Answer]) -> Names:
    """Of each place the variations whose canary was seen in it, else those it looks like."""
    chosen = NONE
    for aspect, one in found.items():
        if aspect != FAILS:
            chosen |= _carrying(one.culprits, one.by_canary) or known.guessed.get(aspect, SILENT)
    return chosen & known.effective


def _failing(found: Mapping[Aspect, Answer]) -> Names:
    fails = found.get(FAILS)
    return fails.culprits | fails.together if fails else NONE


def _repeating(observed: Sequence[Observed], open_: Mapping[Aspect, Answer]) -> Wanted | None:
    """The control once more, to tell chance from variation; or the very build that contradicts others."""
    if not any(not build.varied for build in observed[1:]):
        return _wanted("repeat", NONE, "the control once more: what differs now comes from no variation")
    doubtful = next((one.doubtful for one in open_.values() if one.doubtful), NONE)
    if not doubtful:
        return None
    return _wanted("repeat", doubtful, "the same once more: its parts gave no difference, so it may be chance")


def _lately_always(open_: Mapping[Aspect, Answer], observed: Sequence[Observed], known: Known) -> dict[Aspect, Answer]:
    """Places that hold a time and still differ with the real clock, or that look like nothing and differed in each of
    the last builds."""
    last = observed[-_LATELY:] if len(observed) > _LATELY else ()
    found = {}
    for aspect, one in open_.items():
        marked, guessed = known.marked.get(aspect, NONE), known.guessed.get(aspect, NONE)
        always = bool(last) and all(aspect in build.differing for build in last)
        if "clock" in marked or (always and not marked and not guessed):
            found[aspect] = one
    return found


def _ticking(observed: Sequence[Observed], found: Mapping[Aspect, Answer]) -> Wanted | None:
    """The control once more, where every build since some moment differs: the real clock may have passed a minute."""
    for aspect, one in found.items():
        differed = [index for index, build in enumerate(observed) if aspect in build.differing]
        equal = [index for index, build in enumerate(observed) if aspect not in build.differing and not build.failed]
        if differed and equal[-1] < differed[-1] and len(differed) > 1 and not one.flaky:
            return _wanted("repeat", NONE, "the control at the end: has time passed that shows in the outputs?")
    return None


def _searching(observed: Sequence[Observed], known: Known, open_: Mapping[Aspect, Answer]) -> Wanted | None:
    """Halve the candidates of every open place at once; where a culprit is known, everything but it."""
    failing = _failing(answers(observed, known)) if FAILS not in open_ else NONE
    groups = list(dict.fromkeys((one.candidates, one.unknown - failing) for one in open_.values()))
    tried = {build.varied for build in observed}
    halves = _halved(groups)
    choices: list[Names] = [halves]
    for candidates, unknown in groups:
        choices += [frozenset(_ordered(candidates)[: len(candidates) // 2])] if len(candidates) > 1 else []
        choices += [] if candidates else [unknown]
    wanted = next((one for one in choices if one and one not in tried), None)
    if wanted is None:
        return None
    of = _list(NONE.union(*(candidates or unknown for candidates, unknown in groups)) & known.effective)
    return _wanted("search", wanted, f"which of {of} it is")


def _halved(groups: Iterable[tuple[Names, Names]]) -> Names:
    """A set that has about half of each group's candidates, and all that is unknown where a culprit is known."""
    taken: set[VariationName] = set()
    left_out: set[VariationName] = set()
    for candidates, unknown in sorted(groups, key=lambda group: len(group[0]) or len(NAMES)):
        if not candidates:
            taken |= unknown - left_out
            continue
        room = (len(candidates) + 1) // 2 - len(candidates & taken)
        for name in _ordered(candidates - taken - left_out):
            (taken if room > 0 else left_out).add(name)
            room -= 1
    return frozenset(taken)


def _wanted(purpose: Purpose, varied: Names, why: str) -> Wanted:
    return Wanted(purpose=purpose, varied=_ordered(varied), why=why)


def _ordered(names: Names) -> tuple[VariationName, ...]:
    return tuple(name for name in NAMES if name in names)


def _list(names: Names) -> str:
    return ", ".join(_ordered(names)) or "nothing"
