"""A simulated project for the tests of a check's plan: what its places depend on is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random

from rebuilder.check.model import VariationName
from rebuilder.check.plan import (
    FAILS,
    NONE,
    SILENT,
    Answer,
    Aspect,
    Known,
    Names,
    Observed,
    Wanted,
    answers,
    next_build,
)
from rebuilder.check.variations import NAMES

ALL: Names = frozenset(NAMES)
AT_MOST = 12
LOUD = tuple(name for name in NAMES if name not in SILENT)


def place(number: int) -> Aspect:
    return ("out.tar", (f"member-{number}",), "content")


def names(*some: VariationName) -> Names:
    return frozenset(some)


@dataclass
class World:
    """A project. A place differs if one of its culprits is varied, or all of a set that acts together."""

    culprits: Mapping[Aspect, Names] = field(default_factory=dict)
    together: Mapping[Aspect, tuple[Names, ...]] = field(default_factory=dict)
    #: Of the culprits, those that leave their canary there.
    canaries: Mapping[Aspect, Names] = field(default_factory=dict)
    #: What a place looks like.
    guesses: Mapping[Aspect, Names] = field(default_factory=dict)
    #: With these the build fails.
    failing: Names = NONE
    #: Differ in every build but the control.
    chance: frozenset[Aspect] = frozenset()
    #: Differ in every build from that number on, whatever is varied: they hold a time that has passed by then.
    ticking: Mapping[Aspect, int] = field(default_factory=dict)
    #: Makes the first place differ in so many of all builds.
    coin: tuple[Random, float] | None = None
    effective: Names = ALL
    observed: list[Observed] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    _marked: dict[Aspect, Names] = field(default_factory=dict)
    _guessed: dict[Aspect, Names] = field(default_factory=dict)

    def make(self, wanted: Wanted) -> None:
        varied = frozenset(wanted.varied)
        differing = self._differing(varied) if self.observed else frozenset()
        for aspect in differing - {FAILS}:
            if seen := self.canaries.get(aspect, NONE) & varied:
                self._marked[aspect] = self._marked.get(aspect, NONE) | seen
            if wanted.varied and (guess := self.guesses.get(aspect, NONE) & varied):
                self._guessed.setdefault(aspect, guess)
        self.wanted.append(wanted)
        self.observed.append(Observed(varied=varied, differing=differing))

    def _differing(self, varied: Names) -> frozenset[Aspect]:
        if varied & self.failing:
            return frozenset({FAILS})
        found = {aspect for aspect, of in self.culprits.items() if of & varied}
        found |= {aspect for aspect, sets in self.together.items() if any(of <= varied for of in sets)}
        if self.coin and self.coin[0].random() < self.coin[1]:
            found.add(place(0))
        found |= {aspect for aspect, number in self.ticking.items() if len(self.observed) + 1 >= number}
        return frozenset(found | self.chance)

    @property
    def known(self) -> Known:
        return Known(effective=self.effective, marked=dict(self._marked), guessed=dict(self._guessed))

    def run(self, at_most: int = AT_MOST) -> dict[Aspect, Answer]:
        """Follow the plan to its end."""
        for number in count():
            wanted = next_build(self.observed, self.known, at_most=at_most)
            if wanted is None:
                break
            assert number < at_most, "more builds than allowed"
            self.make(wanted)
        self.check_wanted()
        return answers(self.observed, self.known)

    def check_wanted(self) -> None:
        """No build was asked for twice but to see whether it is chance, and none with what has no effect."""
        asked: set[Names] = set()
        for wanted in self.wanted:
            varied = frozenset(wanted.varied)
            assert varied <= self.effective
            assert wanted.why
            assert (varied in asked) == (wanted.purpose == "repeat"), wanted
            asked.add(varied)

    @property
    def purposes(self) -> list[str]:
        return [one.purpose for one in self.wanted]
