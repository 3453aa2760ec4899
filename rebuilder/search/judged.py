"""Rebuilds as they were made, and which of their changes were no use. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rebuilder.recipe import PackageRecipe
from rebuilder.search.changes import SCALAR, Change, settings_key
from rebuilder.search.known import Candidate
from rebuilder.search.signs import NOT_MADE, Outcome, Sign, signs_of_failure

#: What a candidate sets; and the same with artifact and id of the sign it was to remove.
Settings = frozenset[tuple[str, str, str]]
Memory = tuple[str, str, Settings]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A rebuild to be made. ``changes`` are against the first recipe; ``because`` is what is new in it."""

    recipe: PackageRecipe
    changes: tuple[Change, ...] = ()
    because: tuple[Candidate, ...] = ()
    #: Words in place of those of ``because``.
    why: str = ""
    #: Index of the rebuild it starts from.
    parent: int | None = None

    @cached_property
    def key(self) -> str:
        """What it is recognised by: all that decides its bytes."""
        return settings_key(self.recipe)

    @property
    def reason(self) -> str:
        """What suggested it; empty for the first."""
        return self.why or "; ".join(dict.fromkeys(one.why for one in self.because))


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A rebuild that was made, and what came of it."""

    trial: Trial
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Judged:
    """``useless``: with these settings that sign was as strong as without. ``idle``: rebuild, and settings in it that
    removed nothing at all."""

    useless: frozenset[Memory] = frozenset()
    idle: frozenset[tuple[int, Settings]] = frozenset()


NOTHING = Judged()


def judged(tried: Sequence[Tried], wanted: Sequence[str]) -> Judged:
    """What the rebuilds say of their changes. Each is judged by its own sign; what else got better counts for all that
    were made together. Of a build that failed, what it is built from is blamed first, until it is made to build."""
    useless: set[Memory] = set()
    idle: set[tuple[int, Settings]] = set()
    for index, one in enumerate(tried):
        if one.trial.parent is None or not one.trial.because:
            continue
        before, after = tried[one.trial.parent].outcome, _outcome(tried, index)
        if after.failure:
            blamed = [each for each in one.trial.because if is_bold(each)] or one.trial.because
            useless |= {memory(each) for each in blamed}
            idle |= {(index, settings(each)) for each in blamed}
            continue
        better, same = _compared(before, after, wanted)
        useless |= {(*sign, settings(each)) for each in one.trial.because for sign in same}
        own = {_name(each.sign) for each in one.trial.because}
        if not better - own:
            idle |= {(index, settings(each)) for each in one.trial.because if _name(each.sign) not in better}
    return Judged(useless=frozenset(useless), idle=frozenset(idle))


def _outcome(tried: Sequence[Tried], index: int) -> Outcome:
    """What came of a rebuild; of one that failed, what came of it with what it lacked."""
    outcome = tried[index].outcome
    if outcome.failure:
        for later in tried[index + 1 :]:
            if later.trial.parent == index and not later.outcome.failure:
                return later.outcome
    return outcome


def _compared(
    before: Outcome, after: Outcome, wanted: Sequence[str]
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Signs that went or got less, and those that did not."""
    left = {_name(sign): sign.count for sign in _all(after, wanted)}
    better: set[tuple[str, str]] = set()
    same: set[tuple[str, str]] = set()
    for sign in _all(before, wanted):
        (better if left.get(_name(sign), 0) < sign.count else same).add(_name(sign))
    return better, same


def _all(outcome: Outcome, wanted: Sequence[str]) -> Iterator[Sign]:
    yield from signs_of_failure(outcome)
    for artifact in wanted:
        yield from signs_in(outcome, artifact)


def signs_in(outcome: Outcome, artifact: str) -> tuple[Sign, ...]:
    """What differs in an artifact; nothing of a build that failed."""
    if artifact in outcome.equal or outcome.failure:
        return ()
    # Not made is further off than whatever differs.
    return outcome.signs.get(artifact) or (Sign(id=NOT_MADE, artifact=artifact, count=10**6),)


def is_bold(one: Candidate) -> bool:
    """Whether it changes what is built, and not only what is written beside it."""
    return any(change.field not in SCALAR for change in one.changes)


def memory(one: Candidate) -> Memory:
    """As it is remembered."""
    return *_name(one.sign), settings(one)


def settings(one: Candidate) -> Settings:
    """What it sets."""
    return frozenset(change.setting for change in one.changes)


def _name(sign: Sign) -> tuple[str, str]:
    return sign.artifact, sign.id
