"""The plan of a check against a simulated project, whose truth is known: right, in few builds, and never by luck."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rebuilder.check.model import VariationName
from rebuilder.check.plan import (
    CARRIED,
    FAILS,
    NONE,
    SILENT,
    Answer,
    Aspect,
    Known,
    Names,
    Observed,
    Wanted,
    next_build,
)
from rebuilder.check.variations import NAMES
from tests.unit.check_plans import ALL, AT_MOST, LOUD, World, names, place


def right(found: Mapping[Aspect, Answer], truth: Mapping[Aspect, Names]) -> None:
    assert {aspect: one.culprits for aspect, one in found.items()} == truth
    assert all(one.settled for one in found.values())
    assert not any(one.flaky or one.together for one in found.values())


variation = st.sampled_from(NAMES)
some = st.frozensets(variation, max_size=4)
effective = st.frozensets(variation, min_size=2)


def test_what_never_differs_takes_two_builds() -> None:
    world = World()
    assert world.run() == {}
    assert world.purposes == ["control", "varied"]
    assert frozenset(world.wanted[1].varied) == ALL


def test_what_has_no_effect_is_not_varied_and_nothing_to_vary_ends_after_one_more_build() -> None:
    world = World(effective=names("path"))
    assert world.run() == {}
    assert world.wanted[1].varied == ("path",)


@given(st.lists(variation, min_size=1, max_size=6))
def test_a_canary_in_every_place_names_its_culprit_and_one_build_confirms_all(culprits: list[VariationName]) -> None:
    truth = {place(number): names(one) for number, one in enumerate(culprits)}
    world = World(culprits=truth, canaries=truth)
    found = world.run()
    right(found, truth)
    # Beside a dump of the environment, what is silent in that has to be cleared once more for all others.
    most = 5 if "environment" in culprits and len(set(culprits)) > 1 else 3
    assert len(world.wanted) <= most
    assert all(one.by_canary == one.culprits for one in found.values())


@given(effective, st.data())
def test_a_single_canary_takes_three_builds_whatever_else_is_effective(those: Names, data: st.DataObject) -> None:
    culprit = data.draw(st.sampled_from(sorted(those)))
    truth = {place(0): names(culprit)}
    world = World(culprits=truth, canaries=truth, effective=those)
    right(world.run(), truth)
    # Where nothing is varied but the environment and what it carries, nothing is left to confirm it with.
    assert len(world.wanted) == 3 or (culprit == "environment" and those <= CARRIED | {culprit})


@given(st.lists(st.tuples(variation, st.booleans()), min_size=1, max_size=3))
@settings(max_examples=300)
def test_three_places_each_with_a_canary_or_a_right_guess(causes: list[tuple[VariationName, bool]]) -> None:
    # The marker of the environment is a word, so that where it is a culprit it is seen.
    assume(("environment", False) not in causes)
    truth = {place(number): names(one) for number, (one, _) in enumerate(causes)}
    canaries = {place(number): names(one) for number, (one, marked) in enumerate(causes) if marked}
    guesses = {place(number): names(one) for number, (one, marked) in enumerate(causes) if not marked}
    world = World(culprits=truth, canaries=canaries, guesses=guesses)
    right(world.run(), truth)
    assert len(world.wanted) <= AT_MOST


@given(variation, some)
@settings(max_examples=300)
def test_a_single_culprit_without_a_mark_is_found_in_ten_builds(culprit: VariationName, guess: Names) -> None:
    truth = {place(0): names(culprit)}
    right(World(culprits=truth, guesses={place(0): guess | {culprit}}).run(), truth)
    world = World(culprits=truth)
    right(world.run(), truth)
    assert len(world.wanted) <= 10, world.wanted
    found = world.run()
    assert found[place(0)].by_rebuild == names(culprit)


@given(variation, some)
@settings(max_examples=300)
def test_a_wrong_guess_costs_builds_but_never_the_answer(culprit: VariationName, guess: Names) -> None:
    truth = {place(0): names(culprit)}
    world = World(culprits=truth, guesses={place(0): guess - {culprit}})
    right(world.run(), truth)


def test_a_dump_of_the_environment_takes_three_builds() -> None:
    """Jobs, clock, seeds, shell and locale stand in it by their variables, without a canary."""
    world = World(culprits={place(0): CARRIED | {"environment"}},
                  canaries={place(0): frozenset(LOUD) - {"host", "clock"}})  # fmt: skip
    found = world.run()[place(0)]
    assert found.settled
    assert "environment" in found.by_canary
    assert len(world.wanted) == 3


@given(st.sets(st.integers(0, 5), min_size=1, max_size=6))
def test_chance_alone_is_told_in_three_builds(numbers: set[int]) -> None:
    world = World(chance=frozenset(place(number) for number in numbers))
    found = world.run()
    assert world.purposes == ["control", "varied", "repeat"]
    assert all(one.flaky and one.settled and not one.culprits for one in found.values())


@given(variation, st.booleans(), st.data())
@settings(max_examples=300)
def test_a_flaky_place_is_blamed_on_nothing_without_a_canary(
    culprit: VariationName, marked: bool, data: st.DataObject
) -> None:
    truth = {place(0): names(culprit)}
    guesses = {place(1): data.draw(some)}
    world = World(culprits=truth, canaries=truth if marked else {}, chance=frozenset({place(1)}), guesses=guesses)
    found = world.run()
    assert found[place(1)].culprits == NONE
    assert found[place(1)].flaky or not found[place(1)].settled
    assert found[place(0)].culprits == names(culprit)


@given(variation)
def test_a_flaky_place_that_holds_a_canary_is_both(culprit: VariationName) -> None:
    world = World(chance=frozenset({place(0)}), culprits={place(0): names(culprit)},
                  canaries={place(0): names(culprit)})  # fmt: skip
    found = world.run()[place(0)]
    assert found.culprits == found.by_canary == names(culprit)
    assert len(world.wanted) <= 4


@given(variation, variation, st.booleans())
@settings(max_examples=300)
def test_what_makes_the_build_fail_is_found_and_then_the_other_places(
    failing: VariationName, culprit: VariationName, marked: bool
) -> None:
    truth = {place(0): names(culprit)}
    world = World(failing=names(failing), culprits=truth, canaries=truth if marked else {})
    found = world.run()
    assert found[FAILS].culprits == names(failing)
    assert found[FAILS].settled
    assert len(world.wanted) <= AT_MOST
    if failing == culprit:
        assert found.keys() == {FAILS}
    else:
        assert place(0) in found
        one = found[place(0)]
        assert one.culprits in (names(culprit), NONE)
        if marked:
            assert one.culprits == names(culprit)
        if not one.culprits:  # the builds allowed did not suffice
            assert culprit in one.candidates | one.unknown
            assert len(world.wanted) == AT_MOST


def test_a_failing_build_with_nothing_else_to_see_ends_with_the_build_without_its_cause() -> None:
    world = World(failing=names("locale"))
    found = world.run()
    assert found.keys() == {FAILS}
    assert frozenset(world.wanted[-1].varied) == ALL - {"locale"} or any(
        frozenset(one.varied) == ALL - {"locale"} for one in world.wanted
    )


@given(st.lists(variation, min_size=2, max_size=2, unique=True))
def test_two_culprits_of_one_place_with_canaries_are_both_found(culprits: list[VariationName]) -> None:
    truth = {place(0): frozenset(culprits)}
    world = World(culprits=truth, canaries=truth)
    right(world.run(), truth)
    assert len(world.wanted) == 3


@given(variation, variation)
@settings(max_examples=300)
def test_a_second_culprit_without_a_canary_is_not_missed(marked: VariationName, hidden: VariationName) -> None:
    assume(marked != "environment" or hidden not in CARRIED)
    world = World(culprits={place(0): names(marked, hidden)}, canaries={place(0): names(marked)})
    found = world.run()[place(0)]
    assert found.culprits <= names(marked, hidden)
    assert marked in found.culprits
    assert found.culprits == names(marked, hidden) or not found.settled


@given(st.lists(variation, min_size=2, max_size=3, unique=True), st.booleans())
@settings(max_examples=300)
def test_an_interaction_never_gives_a_culprit_that_a_build_contradicts(
    parts: list[VariationName], marked: bool
) -> None:
    whole = frozenset(parts)
    world = World(together={place(0): (whole,)}, canaries={place(0): names(parts[0])} if marked else {})
    found = world.run()[place(0)]
    cleared = NONE.union(*(build.varied for build in world.observed if place(0) not in build.differing))
    assert not found.culprits & cleared
    assert found.culprits <= whole
    if found.together:
        assert found.together >= whole


worlds = st.builds(
    lambda culprits, canaries, guesses, together, failing, chance, those: World(
        culprits={place(number): of for number, of in enumerate(culprits)},
        canaries={place(number): of & culprits[number] for number, of in enumerate(canaries) if number < len(culprits)},
        guesses={place(number): of for number, of in enumerate(guesses)},
        together={place(number): tuple(of for of in sets if len(of) > 1) for number, sets in enumerate(together)},
        failing=failing,
        chance=frozenset(place(number) for number in chance),
        effective=those,
    ),
    st.lists(some, max_size=4),
    st.lists(some, max_size=4),
    st.lists(some, max_size=4),
    st.lists(st.lists(some, max_size=2), max_size=2),
    st.frozensets(variation, max_size=2),
    st.frozensets(st.integers(0, 4), max_size=2),
    effective,
)


@given(worlds, st.integers(2, 16))
@settings(max_examples=1000, deadline=None)
def test_any_world_keeps_the_bounds_and_is_never_told_a_contradiction(world: World, at_most: int) -> None:
    found = world.run(at_most)
    assert len(world.observed) <= at_most
    for aspect, one in found.items():
        told = [build for build in world.observed[1:] if aspect == FAILS or not build.failed]
        clean = NONE.union(*(build.varied for build in told if aspect not in build.differing))
        if not one.flaky:
            assert not one.culprits & clean
        assert one.by_canary <= one.culprits
        assert one.culprits <= one.by_canary | one.by_rebuild
        if one.flaky:
            assert one.culprits == one.by_canary


@pytest.mark.parametrize("at_most", range(2, 6))
def test_few_builds_leave_open_what_they_cannot_tell(at_most: int) -> None:
    world = World(culprits={place(0): names("umask")})
    found = world.run(at_most)[place(0)]
    assert len(world.wanted) == at_most
    assert not found.culprits
    assert not found.settled
    assert "umask" in found.candidates | found.unknown


def test_a_control_that_fails_ends_the_check() -> None:
    failed = [Observed(varied=NONE, differing=frozenset({FAILS}))]
    assert next_build(failed, Known(effective=ALL), at_most=AT_MOST) is None


def test_thousands_of_places_are_answered_at_once() -> None:
    many = {place(number): names("path") for number in range(20_000)}
    world = World(culprits=many, canaries=many)
    found = world.run()
    assert len(world.wanted) == 3
    assert {one.culprits for one in found.values()} == {names("path")}


def reasons(wanted: Iterable[Wanted]) -> str:
    return "\n".join(one.why for one in wanted)


def test_each_build_says_why_it_is_made() -> None:
    world = World(culprits={place(0): names("umask"), place(1): names("path")}, canaries={place(1): names("path")})
    world.run()
    said = reasons(world.wanted)
    assert "what every other build is held against" in said
    assert "equal bytes end the check" in said
    assert "everything but path" in said
    assert "the control once more" in said
    failing = World(failing=names("shell"))
    failing.run()
    assert "which of " in reasons(failing.wanted)


@given(st.integers(0, 2**32), st.floats(0.05, 0.95))
@settings(max_examples=300)
def test_a_place_that_differs_now_and_then_never_leads_past_the_bound(seed: int, odds: float) -> None:
    world = World(coin=(random.Random(seed), odds))
    found = world.run()
    assert found.keys() <= {place(0)}
    assert not any(one.by_canary for one in found.values())


def test_chance_is_told_from_a_variation_most_of_the_time() -> None:
    """Where the control differs when it is repeated, or a build contradicts itself, nothing is blamed."""
    blamed = differing = 0
    for seed in range(600):
        world = World(coin=(random.Random(seed), 0.9))
        found = world.run()
        differing += len(found)
        blamed += sum(bool(one.culprits) and one.settled for one in found.values())
    assert differing > 500
    assert blamed / differing < 0.05


@pytest.mark.parametrize("moment", [3, 4, 5, 6, 7])
def test_a_minute_that_passes_during_the_check_is_blamed_on_no_variation(moment: int) -> None:
    """The clock's canary is there; then every further build differs, for the real clock has moved on."""
    truth = {place(0): names("clock")}
    world = World(culprits=truth, canaries=truth, ticking={place(0): moment})
    found = world.run()[place(0)]
    assert found.culprits == names("clock")
    assert len(world.wanted) <= moment + 1


@pytest.mark.parametrize("moment", [4, 5, 6, 7])
def test_a_minute_that_passes_during_a_search_is_seen_at_its_end(moment: int) -> None:
    """A time without a date shows no canary."""
    world = World(culprits={place(0): names("clock")}, ticking={place(0): moment})
    found = world.run(at_most=20)[place(0)]
    assert found.flaky or found.culprits == names("clock")
    assert not found.culprits - names("clock")


def test_what_differs_by_itself_tells_nothing_of_what_leaves_no_canary() -> None:
    world = World(chance=frozenset({place(0)}))
    found = world.run()[place(0)]
    assert found.flaky
    assert found.masked == (SILENT | names("clock", "timezone"))
