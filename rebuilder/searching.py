"""`verify --search`: rebuild, look at what differs, change one thing or several, and rebuild, as often as was allowed.

    first recipe -> rebuild -> equal? done : plan.next_trial -> rebuild -> ...

The world is one callable; which recipe is next is decided in ``rebuilder/search/``, which opens nothing. Nothing here
is signed: the recipe that is found is verified like any other, and says of each input how it became known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rebuilder.errors import UsageError
from rebuilder.model import SearchTrial
from rebuilder.search.judged import Trial, Tried
from rebuilder.search.plan import Done, State, next_trial

if TYPE_CHECKING:
    from rebuilder.ports import Progress
    from rebuilder.recipe import PackageRecipe
    from rebuilder.search.edits import Commands
    from rebuilder.search.known import Known
    from rebuilder.search.signs import Outcome

MAX_BUDGET = 50
MAX_FAILURE_WORDS = 500
#: Builds a recipe and compares what comes out. It takes the source at ``source.commit`` (its files in the recipe are
#: those of another commit after a change) and locks the toolchain anew where that changed. A build that fails is an
#: ``Outcome``; a fault of ours is raised, and ends the search.
Rebuild = Callable[["PackageRecipe"], "Outcome"]


@dataclass(frozen=True, kw_only=True)
class World:
    """What a search needs of the world."""

    rebuild: Rebuild
    commands: Commands
    #: Artifacts that have to come out equal; empty: all of the recipe.
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a search came to."""

    #: The recipe that gave most; every artifact, if ``equal`` names all.
    best: PackageRecipe
    #: Number of its trial, from 1.
    number: int
    #: Recipe of each artifact, and number of its trial: others than ``best`` where no recipe gave all of them.
    recipes: dict[str, PackageRecipe]
    numbers: dict[str, int]
    #: Artifacts that came out equal, each under its own recipe.
    equal: tuple[str, ...]
    trials: tuple[SearchTrial, ...]
    #: Why it ended, for people.
    reason: str


def search(first: PackageRecipe, known: Known, world: World, progress: Progress, *, budget: int) -> Searched:
    """Rebuild until all that is wanted is equal, ``budget`` rebuilds were made, or nothing plausible is left.

    ``UsageError`` for a budget that is none. Whatever a rebuild raises passes through, Ctrl-C too."""
    if not 1 <= budget <= MAX_BUDGET:
        msg = f"expected --search to allow 1 to {MAX_BUDGET} rebuilds, found {budget}"
        raise UsageError(msg)
    wanted = world.wanted or tuple(one.name for one in first.artifacts)
    state = State(first=first, wanted=wanted, known=known, commands=world.commands, budget=budget)
    while isinstance(step := next_trial(state), Trial):
        progress.stage("search", words_of(step, len(state.tried) + 1, budget))
        state = replace(state, tried=(*state.tried, Tried(trial=step, outcome=world.rebuild(step.recipe))))
    return _searched(state, step)


def words_of(trial: Trial, number: int, budget: int) -> str:
    """What is rebuilt now, and why: `rebuild 2 of 6: umask 0002, because the modes in demo.whl show it`."""
    start = f"rebuild {number} of {budget}"
    if trial.parent is None:
        return f"{start}: the recipe as it is"
    new = tuple(change.words for one in trial.because for change in one.changes)
    words = ", ".join(dict.fromkeys(new or (change.words for change in trial.changes)))
    return f"{start}: {words}, because {trial.reason}"


def _searched(state: State, done: Done) -> Searched:
    recipes = {name: state.tried[index].trial.recipe for name, index in done.of.items()}
    equal = tuple(name for name, index in done.of.items() if name in state.tried[index].outcome.equal)
    return Searched(
        best=state.tried[done.best].trial.recipe,
        number=done.best + 1,
        recipes=recipes,
        numbers={name: index + 1 for name, index in done.of.items()},
        equal=equal,
        trials=tuple(_told(tried, number, state) for number, tried in enumerate(state.tried, 1)),
        reason=_reason(state, done, equal),
    )


def _told(tried: Tried, number: int, state: State) -> SearchTrial:
    outcome = tried.outcome
    return SearchTrial(
        number=number,
        changes=tuple(change.words for change in tried.trial.changes),
        why=tried.trial.reason,
        equal=tuple(name for name in state.wanted if name in outcome.equal),
        different=() if outcome.failure else tuple(name for name in state.wanted if name not in outcome.equal),
        failure=outcome.failure[-MAX_FAILURE_WORDS:],
        recipe_sha256=outcome.recipe_sha256 or tried.trial.key,
    )


def _reason(state: State, done: Done, equal: tuple[str, ...]) -> str:
    count = len(state.tried)
    rebuilds = f"{count} rebuild{'' if count == 1 else 's'}"
    if done.reason == "equal":
        return f"all {len(equal)} artifacts are equal after {rebuilds}"
    missing = ", ".join(name for name in state.wanted if name not in equal)
    left = f"without an equal {missing}" if missing else "and no recipe gave all artifacts, but each has its own"
    if done.reason == "budget":
        return f"the {rebuilds} that were allowed were made, {left}"
    return f"nothing plausible is left to change after {rebuilds}, {left}"
