"""Which recipe to rebuild next, and when it is over. Pure; the plan of a search is this file.

    the first recipe                        equal: done
    the best rebuild so far, changed        by the hints of its signs: one change of what it is built from, and every
                                            scalar that speaks for another sign
    what made one artifact and what made the other, together
    a rebuild that failed                   a step back, or the one change that its log asks for

Each change is judged by its own sign: gone or less, or no use. No recipe is built twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rebuilder.recipe import PackageRecipe
from rebuilder.search.changes import Change
from rebuilder.search.edits import Commands, changed
from rebuilder.search.hints import candidates
from rebuilder.search.judged import NOTHING, Judged, Trial, Tried, is_bold, judged, memory, settings, signs_in
from rebuilder.search.known import CERTAIN, LIKELY, Candidate, Known
from rebuilder.search.signs import signs_of_failure

#: So many failed builds in a row are followed up; then it goes back to what could be built.
MAX_FAILURES_FOLLOWED = 2


@dataclass(frozen=True, kw_only=True)
class Done:
    """It is over. ``best`` is the index of the rebuild that came nearest with all artifacts; ``of`` that of each, which
    is another one only where no rebuild gave all of them."""

    reason: Literal["equal", "budget", "exhausted"]
    best: int
    of: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class State:
    """All that the next step depends on. ``wanted``: artifacts that count; ``budget``: rebuilds, the first too."""

    first: PackageRecipe
    wanted: tuple[str, ...]
    known: Known
    commands: Commands
    budget: int
    tried: tuple[Tried, ...] = field(default=())


def next_trial(state: State) -> Trial | Done:
    """The rebuild to make next, or the end. The same state gives the same answer."""
    if not state.tried:
        return Trial(recipe=state.first)
    if any(_equal(one, state) == len(state.wanted) for one in state.tried):
        return _done(state, "equal")
    if len(state.tried) >= state.budget:
        return _done(state, "budget")
    seen = judged(state.tried, state.wanted)
    bases = [*_followed(state), *_ranking(state)]
    found = _joined(state) or _first(_step(state, base, seen) for base in bases)
    if found is None and not _all_equal_somewhere(state):
        # What was no use for one thing may be some together with what came later.
        found = _step(state, _ranking(state)[0], NOTHING)
    return found or _done(state, "exhausted")


def _first(trials: Iterable[Trial | None]) -> Trial | None:
    return next((one for one in trials if one is not None), None)


# --- which rebuild is the best ----------------------------------------------------------------------


def _equal(tried: Tried, state: State) -> int:
    return len(tried.outcome.equal.intersection(state.wanted))


def _ranking(state: State) -> list[int]:
    """Rebuilds by how near they came: most artifacts equal, least content, fewest kinds of difference, fewest."""
    return sorted(range(len(state.tried)), key=lambda index: (_distance(state.tried[index], state), index))


def _distance(tried: Tried, state: State) -> tuple[bool, int, int, int, int]:
    signs = [sign for artifact in state.wanted for sign in signs_in(tried.outcome, artifact)]
    content = sum(sign.count for sign in signs if not sign.scalar)
    return bool(tried.outcome.failure), -_equal(tried, state), content, len(signs), sum(sign.count for sign in signs)


def _all_equal_somewhere(state: State) -> bool:
    return frozenset(state.wanted) <= frozenset[str]().union(*(one.outcome.equal for one in state.tried))


def _done(state: State, reason: Literal["equal", "budget", "exhausted"]) -> Done:
    ranking = _ranking(state)
    of = {}
    for artifact in state.wanted:
        equal = [index for index in ranking if artifact in state.tried[index].outcome.equal]
        of[artifact] = (equal or ranking)[0]
    return Done(reason=reason, best=ranking[0], of=of)


# --- the next step from a rebuild -------------------------------------------------------------------


def _followed(state: State) -> Iterator[int]:
    """The last rebuild, if it failed with something that the published file itself asks for: one thing more may make it
    build, an older Python for an older backend."""
    streak = 0
    for one in reversed(state.tried):
        if not one.outcome.failure:
            break
        streak += 1
    asked = any(one.rank == CERTAIN for one in state.tried[-1].trial.because)
    if 0 < streak <= MAX_FAILURES_FOLLOWED and (asked or streak == len(state.tried)):
        yield len(state.tried) - 1


def _step(state: State, base: int, seen: Judged) -> Trial | None:
    """The likeliest change of a rebuild, with others that speak for other signs; one that was not built yet."""
    built = {one.trial.key for one in state.tried}
    start = _start(state, base, seen)
    left = [one for one in _candidates(state, base, start.recipe) if memory(one) not in seen.useless]
    for lead in left:
        for chosen in (_with_others(lead, left), (lead,)):
            trial = _trial(state, base, start, chosen)
            if trial is not None and trial.key not in built:
                return trial
    return None


def _start(state: State, base: int, seen: Judged) -> Trial:
    """A rebuild without those of its last changes that were no use: these would only be taken back later."""
    trial = state.tried[base].trial
    if trial.parent is None or not trial.because or state.tried[base].outcome.failure:
        return trial
    before = _start(state, trial.parent, seen)
    left = [one for one in trial.because if (base, settings(one)) not in seen.idle]
    if len(left) == len(trial.because) and before is state.tried[trial.parent].trial:
        return trial
    kept = [change for one in left for change in one.changes]
    recipe = changed(before.recipe, kept, state.commands)
    if recipe is None:
        return trial
    return Trial(recipe=recipe, changes=_merged(before.changes, tuple(kept)), parent=trial.parent)


def _candidates(state: State, base: int, start: PackageRecipe) -> list[Candidate]:
    """Of every sign of a rebuild, likeliest first; of two alike that of an artifact that was never equal. What the best
    rebuild got rid of need not be got rid of from another one."""
    tried = state.tried[base]
    done = frozenset[str]().union(*(one.outcome.equal for one in state.tried))
    best = state.tried[_ranking(state)[0]].outcome
    signs = list(signs_of_failure(tried.outcome))
    for artifact in sorted(state.wanted, key=lambda name: name in done):
        left = {sign.id for sign in signs_in(best, artifact)}
        signs += [sign for sign in signs_in(tried.outcome, artifact) if sign.id in left]
    found = [one for sign in signs for one in candidates(sign, start, state.known)]
    return sorted(found, key=lambda one: one.rank)


def _with_others(lead: Candidate, left: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The lead, and for each other sign the likeliest that does not get in its way. At most one of all may change what
    it is built from, unless the published file says it: else nobody could tell which of them did what."""
    chosen = [lead]
    slots = {change.slot: change.setting for change in lead.changes}
    signs = {(lead.sign.artifact, lead.sign.id)}
    bold = [lead] if is_bold(lead) else []
    for one in left:
        own = {change.slot: change.setting for change in one.changes}
        clash = any(slots.get(slot, setting) != setting for slot, setting in own.items())
        if one.rank > LIKELY or (one.sign.artifact, one.sign.id) in signs or clash:
            continue
        if is_bold(one) and any(max(one.rank, other.rank) != CERTAIN for other in bold):
            continue
        chosen.append(one)
        slots |= own
        signs.add((one.sign.artifact, one.sign.id))
        bold += [one] if is_bold(one) else []
    return tuple(chosen)


def _trial(state: State, base: int, start: Trial, chosen: tuple[Candidate, ...]) -> Trial | None:
    changes = tuple({change.setting: change for one in chosen for change in one.changes}.values())
    recipe = changed(start.recipe, changes, state.commands)
    if recipe is None:
        return None
    return Trial(recipe=recipe, changes=_merged(start.changes, changes), because=chosen, parent=base)


def _merged(before: tuple[Change, ...], after: tuple[Change, ...]) -> tuple[Change, ...]:
    """The changes against the first recipe: a later one takes the place of an earlier one."""
    slots = {change.slot: change for change in (*before, *after)}
    return tuple(slots.values())


def _joined(state: State) -> Trial | None:
    """Where one artifact is equal in one rebuild and another in another: the changes of both, if nobody tried them."""
    built = {one.trial.key for one in state.tried}
    most = max(_equal(one, state) for one in state.tried)
    for one in state.tried:
        for index, other in enumerate(state.tried):
            both = (one.outcome.equal | other.outcome.equal).intersection(state.wanted)
            if len(both) <= most:
                continue
            changes = _merged(one.trial.changes, other.trial.changes)
            recipe = changed(state.first, changes, state.commands)
            if recipe is None:
                continue
            names = [", ".join(sorted(each.outcome.equal)) for each in (one, other)]
            why = f"some of them gave {names[0]}, and the others {names[1]}"
            trial = Trial(recipe=recipe, changes=changes, why=why, parent=index)
            if trial.key not in built:
                return trial
    return None
