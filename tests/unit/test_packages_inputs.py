"""Where each input of a package comes from: the weakest word on it wins, and what was read off the file stays so."""

from __future__ import annotations

from typing import Any

import pytest

from rebuilder.model import Input, Origin
from rebuilder.recipe import GuessedInput, PackageRecipe, RecipeFile, RecipeGuess, Replay
from rebuilder.resolve import packages_inputs
from rebuilder.resolve.packages_inputs import TOLD_AS
from rebuilder.resolve.packages_recipe import published_of
from tests import records
from tests.unit.package_build_cases import SDIST, WHEEL, recipe
from tests.unit.project_cases import locked


def guess(name: GuessedInput, origin: Origin, sure: float = 0.9, evidence: str = "seen") -> RecipeGuess:
    return RecipeGuess(input=name, value="x", origin=origin, evidence=evidence, confidence=sure)


def guessed(*guesses: RecipeGuess, replay: tuple[Replay, ...] = (), **changes: Any) -> PackageRecipe:
    return recipe(*replay, **changes).model_copy(update={"guesses": guesses})


def by_name(made: PackageRecipe, *, lock: bool = False) -> dict[str, Input]:
    return {item.name: item for item in packages_inputs.inputs(made, locked("build") if lock else None)}


def test_a_recipe_that_says_nothing_pins_its_source_and_assumes_the_rest() -> None:
    found = by_name(guessed())
    assert {name: item.origin for name, item in found.items()} == {
        "source": Origin.PINNED, "commit": Origin.PINNED, "environment": Origin.ASSUMED, "epoch": Origin.ASSUMED,
        "times": Origin.ASSUMED, "owners": Origin.ASSUMED, "path": Origin.ASSUMED, "command": Origin.ASSUMED,
        "toolchain": Origin.ASSUMED,
    }  # fmt: skip
    assert found["source"].value == f"demo 1.0 (tree.tar, sha256 {'ab' * 32})"
    assert found["commit"].value == "ab" * 20
    assert (found["epoch"].value, found["times"].value) == ("not set", "of the commit")
    assert found["owners"].value == "builder/1000/builder/1000, umask 0022"


def test_with_a_lock_all_is_pinned() -> None:
    found = by_name(guessed(), lock=True)
    assert {item.origin for item in found.values()} == {Origin.PINNED}
    assert "1 packages of languages, by sha256" in found["toolchain"].value
    assert "toolchain lock beside the recipe" in found["toolchain"].evidence


@pytest.mark.parametrize("lock", [False, True])
@pytest.mark.parametrize(("name", "told"), sorted(TOLD_AS.items()))
@pytest.mark.parametrize("origin", [Origin.RECOVERED, Origin.INFERRED])
def test_what_was_recovered_or_inferred_stays_so(
    name: GuessedInput, told: str, origin: Origin, *, lock: bool
) -> None:
    """With a lock beside the recipe too: the lock pins what was guessed, and does not make it known."""
    sure = guess(name, origin, sure=1.0)
    found = by_name(guessed(sure), lock=lock)
    assert found[told].origin is origin
    assert found[told].evidence == f"{name}: seen"


def test_the_weakest_of_several_wins_and_all_evidence_is_told() -> None:
    many = (
        guess("backend", Origin.RECOVERED, 0.98, "the line"), guess("python", Origin.INFERRED, 0.5, "the day"),
        guess("zlib", Origin.ASSUMED, 0.7, "too little"),
    )  # fmt: skip
    found = by_name(guessed(*many), lock=True)["toolchain"]
    assert found.origin is Origin.INFERRED
    told = "backend: the line (98% sure); python: the day (50% sure); zlib: too little (70% sure)"
    assert found.evidence == told
    assert by_name(guessed(guess("commit", Origin.DECLARED, 1.0)))["commit"].origin is Origin.PINNED
    assert by_name(guessed(guess("epoch", Origin.DECLARED, 1.0)))["epoch"].origin is Origin.ASSUMED


@pytest.mark.parametrize("lock", [False, True])
def test_what_is_replayed_is_recovered_though_no_guess_says_so(*, lock: bool) -> None:
    """Whoever takes the guesses out of a recipe does not make its result a better one."""
    owners = guessed(replay=(Replay(artifact=SDIST, what=("owners",)),))
    found = by_name(owners, lock=lock)
    assert found["owners"].origin is Origin.RECOVERED
    assert found["times"].origin is not Origin.RECOVERED
    assert found["owners"].value.endswith(f"replayed of {SDIST}")
    two = (Replay(artifact=SDIST, what=("owners", "gzip-time")), Replay(artifact=WHEEL, what=("member-times",)))
    times = guessed(replay=two)
    found = by_name(times, lock=lock)
    assert (found["owners"].origin, found["times"].origin) == (Origin.RECOVERED, Origin.RECOVERED)
    assert found["times"].value == f"replayed: gzip-time of {SDIST}; member-times of {WHEEL}"
    assert found["times"].evidence == f"read off {SDIST} itself"
    declared = guessed(guess("times", Origin.DECLARED, 1.0), replay=(Replay(artifact=SDIST, what=("file-times",)),))
    assert by_name(declared, lock=lock)["times"].origin is Origin.RECOVERED


def test_values_say_what_was_built_with() -> None:
    made = guessed(clock=1_700_000_000, epoch=5, user="runner", uid=1001, group="docker", gid=127, umask="0002",
                   toolchain={"as_of": 1_700_000_000, "node": "20.9.0", "npm_client": "10.1.0"})  # fmt: skip
    found = by_name(made)
    assert found["times"].value == "the clock stands at 1700000000"
    assert found["owners"].value == "runner/1001/docker/127, umask 0002"
    assert found["epoch"].value == "5"
    wanted = "newest packages of trixie; build; node 20.9.0; npm 10.1.0 as the index was on 2023-11-14T22:13:20Z"
    assert found["toolchain"].value == wanted


def test_a_history_that_is_packed_otherwise_and_a_lock_that_is_not_there_are_told() -> None:
    made = guessed(history=True)
    history = RecipeFile(name="history.bundle", path="history.bundle", sha256="cd" * 32, size=9)
    artifacts = tuple(item.model_copy(update={"path": f"demo/1.0/{item.name}"}) for item in made.artifacts)
    source = made.source.model_copy(update={"files": (*made.source.files, history)})
    made = made.model_copy(update={"source": source, "artifacts": artifacts})
    published = published_of(made)
    assert packages_inputs.weakened(made, locked("build"), published) == ()
    (told,) = packages_inputs.weakened(made, None, published)
    assert told.startswith("the recipe's toolchain lock, toolchain.lock.json, does not lie beside it")
    bundle = records.located("history.bundle", "other").model_copy(update={"archive": "local"})
    other = published.model_copy(update={"source_files": (published.source_files[0], bundle)})
    (told,) = packages_inputs.weakened(made, locked("build"), other)
    assert f"packs the history of commit {'ab' * 20} otherwise" in told
    (first, *_) = packages_inputs.inputs(made, locked("build"), other)
    assert (first.name, first.origin) == ("source", Origin.ASSUMED)
