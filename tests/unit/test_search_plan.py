"""The plan of a search: when it stops, what goes together, what is never tried twice; and the spine around it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rebuilder.errors import UsageError
from rebuilder.model import Origin
from rebuilder.recipe import PackageRecipe
from rebuilder.releases import Guess
from rebuilder.search.known import Known
from rebuilder.search.signs import Outcome, Seen, Sign
from rebuilder.searching import Searched, World, search
from tests.unit.search_world import SDIST, WHEEL, Silent, commands, recipe_of

BOTH = frozenset({WHEEL, SDIST})
FIRST = recipe_of("setuptools")


def guess(input_: str, value: str, *others: str) -> Guess:
    body = {"input": input_, "value": value, "origin": Origin.INFERRED, "evidence": "-", "confidence": 0.5}
    return Guess.model_validate({**body, "others": others})


KNOWN = Known(guesses=(guess("commit", "a" * 40, "b" * 40), guess("backend", "setuptools==3.0")))
OWNERS = Sign(
    id="tar-owners", artifact=SDIST, scalar=True, count=4,
    seen=(Seen("gid", "127", "1000"), Seen("gname", "docker", "builder"), Seen("uid", "1001", "1000"),
          Seen("uname", "runner", "builder")),
)  # fmt: skip
MODES = Sign(id="archive-modes", artifact=WHEEL, scalar=True, count=3, seen=(Seen("mode", "0664", "0644"),))
CONTENT = Sign(id="content", artifact=WHEEL, count=1, members=("demo/a.py",))


def outcome(**signs: tuple[Sign, ...]) -> Outcome:
    found: Mapping[str, tuple[Sign, ...]] = {WHEEL: signs.get("wheel", ()), SDIST: signs.get("sdist", ())}
    left = {name: of for name, of in found.items() if of}
    return Outcome(equal=BOTH - left.keys(), signs=left)


class Recorded:
    """A rebuild that answers by what the recipe has, and remembers."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.built: list[PackageRecipe] = []

    def __call__(self, recipe: PackageRecipe) -> Outcome:
        self.built.append(recipe)
        assert callable(self.answer)
        found = self.answer(recipe)
        assert isinstance(found, Outcome)
        return found


def run(answer: object, *, budget: int = 6, known: Known = KNOWN) -> tuple[Searched, Recorded, list[str]]:
    rebuild, progress = Recorded(answer), Silent()
    found = search(FIRST, known, World(rebuild=rebuild, commands=commands), progress, budget=budget)
    return found, rebuild, progress.lines


def test_an_equal_first_rebuild_ends_it() -> None:
    found, rebuild, lines = run(lambda recipe: outcome())
    assert found.equal == (WHEEL, SDIST)
    assert found.best == FIRST
    assert found.reason == "all 2 artifacts are equal after 1 rebuild"
    assert lines == ["rebuild 1 of 6: the recipe as it is"]
    assert found.trials[0].changes == ()
    assert len(rebuild.built) == 1


def test_scalars_that_speak_for_different_fields_go_into_one_rebuild() -> None:
    def answer(recipe: PackageRecipe) -> Outcome:
        build = recipe.build
        wheel = () if build.umask == "0002" else (MODES,)
        sdist = () if (build.user, build.uid, build.group, build.gid) == ("runner", 1001, "docker", 127) else (OWNERS,)
        return outcome(wheel=wheel, sdist=sdist)

    found, _, lines = run(answer)
    assert len(found.trials) == 2
    assert lines[1] == (
        "rebuild 2 of 6: umask 0002, owners runner/1001/docker/127, because the modes in "
        f"{WHEEL} show it; the members of {SDIST} belong to them"
    )
    assert found.trials[1].changes == ("umask 0002", "owners runner/1001/docker/127")
    assert found.best.build.uid == 1001


def test_a_user_that_cannot_be_had_is_replayed_next() -> None:
    def answer(recipe: PackageRecipe) -> Outcome:
        return outcome() if recipe.build.replay else outcome(sdist=(OWNERS,))

    found, _, _ = run(answer)
    assert [one.changes for one in found.trials][-1] == (f"owners of the members of {SDIST}",)
    assert found.best.build.user == "builder"


def test_no_recipe_is_built_twice_and_the_search_ends_when_nothing_is_left() -> None:
    found, rebuild, _ = run(lambda recipe: outcome(wheel=(CONTENT,)), budget=50)
    keys = [one.recipe_sha256 for one in found.trials]
    assert len(keys) == len(set(keys)) == len(rebuild.built)
    assert found.equal == (SDIST,)
    assert found.reason.startswith("nothing plausible is left to change after ")
    assert found.reason.endswith(f"without an equal {WHEEL}")
    assert found.number == 1


def test_a_budget_is_kept_to() -> None:
    found, rebuild, _ = run(lambda recipe: outcome(wheel=(CONTENT,), sdist=(OWNERS,)), budget=3)
    assert len(rebuild.built) == 3
    assert found.reason == f"the 3 rebuilds that were allowed were made, without an equal {WHEEL}, {SDIST}"


@pytest.mark.parametrize("budget", [0, -1, 51])
def test_a_budget_that_is_none_is_refused(budget: int) -> None:
    with pytest.raises(UsageError, match=f"expected --search to allow 1 to 50 rebuilds, found {budget}"):
        run(lambda recipe: outcome(), budget=budget)


def test_an_interrupt_passes_through() -> None:
    def answer(recipe: PackageRecipe) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(answer)


def test_a_failed_build_is_stepped_back_from() -> None:
    def answer(recipe: PackageRecipe) -> Outcome:
        if recipe.source.commit != "a" * 40:
            return Outcome(failure="error: it does not compile\n", failed_at="build")
        return outcome() if recipe.build.history else outcome(wheel=(CONTENT,))

    found, _, _ = run(answer)
    assert found.equal == (WHEEL, SDIST)
    assert found.trials[1].failure == "error: it does not compile\n"
    assert found.trials[1].different == ()
    assert found.trials[-1].changes == ("history of the repository: yes",)


def test_an_old_backend_that_the_new_python_does_not_run_gets_an_older_one() -> None:
    generator = Sign(id="wheel-generator", artifact=WHEEL, count=2, packages=("setuptools=59.6.0",))

    def answer(recipe: PackageRecipe) -> Outcome:
        if "setuptools==59.6.0" not in recipe.toolchain.wheels:
            return outcome(wheel=(generator,))
        if recipe.toolchain.suite == "trixie":
            return Outcome(failure="ModuleNotFoundError: No module named 'distutils'")
        return outcome()

    found, _, _ = run(answer)
    assert [one.changes for one in found.trials[1:]] == [
        ("backend setuptools==59.6.0",),
        ("backend setuptools==59.6.0", "suite bookworm"),
    ]


def test_a_first_recipe_that_does_not_build_is_mended_by_what_its_log_asks_for() -> None:
    def answer(recipe: PackageRecipe) -> Outcome:
        failure = "LookupError: setuptools-scm was unable to detect version"
        return outcome() if recipe.build.history else Outcome(failure=failure)

    found, _, lines = run(answer)
    assert len(found.trials) == 2
    assert lines[1].startswith("rebuild 2 of 6: history of the repository: yes, because the build fails,")


def test_a_limit_of_ours_is_the_end() -> None:
    found, _, _ = run(lambda recipe: Outcome(failure="it ran for an hour", failed_at="limit"))
    assert len(found.trials) == 1
    assert found.equal == ()


def test_what_gave_one_artifact_and_what_gave_the_other_are_tried_together() -> None:
    """Each alone breaks the other's file, as it happens where a setting reaches both."""

    def answer(recipe: PackageRecipe) -> Outcome:
        commit, umask = recipe.source.commit == "b" * 40, recipe.build.umask == "0002"
        wheel = () if umask else (MODES,)
        content = Sign(id="content", artifact=SDIST, count=1)
        return outcome(wheel=wheel, sdist=() if commit else (content,))

    found, _, _ = run(answer)
    assert found.equal == (WHEEL, SDIST)
    assert found.best.source.commit == "b" * 40


def test_where_no_recipe_gives_both_each_artifact_has_its_own() -> None:
    seen = (Seen("mtime", "2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z"),)
    times = Sign(id="gzip-header-time", artifact=SDIST, scalar=True, seen=seen)
    known = Known(guesses=(guess("backend", "hatchling==1.0"),))

    def answer(recipe: PackageRecipe) -> Outcome:
        theirs = recipe.build.epoch == 1609459200
        other = Sign(id="zip-times", artifact=WHEEL, scalar=True, count=9)
        return outcome(wheel=(other,) if theirs else (), sdist=() if theirs else (times,))

    found, _, _ = run(answer, known=known, budget=4)
    assert found.equal == (WHEEL, SDIST)
    assert found.recipes[WHEEL].build.epoch == FIRST.build.epoch
    assert found.recipes[SDIST].build.epoch == 1609459200
    assert found.numbers[WHEEL] != found.numbers[SDIST]
    assert "each has its own" in found.reason


def test_a_file_that_is_not_made_is_further_off_than_one_that_differs() -> None:
    def answer(recipe: PackageRecipe) -> Outcome:
        made = recipe.build.steps[0].argv[0] == "straight"
        return outcome() if made else Outcome(equal=frozenset({SDIST}))

    known = Known(guesses=(guess("front-end", "build", "straight"),))
    found, _, lines = run(answer, known=known)
    assert found.equal == (WHEEL, SDIST)
    assert lines[1].endswith(f"front end straight, because {WHEEL} is not made, as another front end may make it")


def test_a_change_that_was_no_use_is_not_carried_along() -> None:
    def answer(recipe: PackageRecipe) -> Outcome:
        return outcome() if recipe.build.history else outcome(wheel=(CONTENT,))

    found, _, _ = run(answer)
    assert found.trials[1].changes == ("commit bbbbbbbbbbbb",)
    assert found.trials[-1].changes == ("history of the repository: yes",)
    assert found.best.source.commit == "a" * 40
