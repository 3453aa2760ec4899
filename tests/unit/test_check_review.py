"""Wrong answers that a check gave once, each with the project that made it give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuilder.check.model import CheckVerdict, VariationName
from rebuilder.check.plan import NONE, Known, Names, Observed, answer
from rebuilder.check.variations import NAMES
from tests.unit.check_bench import Bench, Outputs, Seen

ALL: Names = frozenset(NAMES)
PLACE = ("out", (), "content")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def observed(*builds: tuple[set[VariationName], bool]) -> list[Observed]:
    """A control and builds, each with what was varied and whether the place differs."""
    found = [Observed(varied=frozenset(), differing=frozenset())]
    for varied, differs in builds:
        found.append(Observed(varied=frozenset(varied), differing=frozenset({PLACE}) if differs else frozenset()))
    return found


def test_what_differs_by_itself_and_not_with_others_is_doubted_and_not_a_bug() -> None:
    made = observed((set(NAMES), False), ({"times"}, True))
    one = answer(PLACE, made, Known(effective=ALL))
    assert (one.culprits, one.doubtful) == (NONE, frozenset({"times"}))
    again = answer(PLACE, [*made, made[-1]], Known(effective=ALL))
    assert (again.culprits, again.settled) == (frozenset({"times"}), True)
    assert answer(PLACE, [*made, *observed(({"times"}, False))[1:]], Known(effective=ALL)).flaky


def test_what_is_left_over_of_one_build_is_not_blamed_for_it(bench: Bench) -> None:
    """A race that shows once, in the varied build: halving leaves one variation, and clears it at last."""
    report = bench.report(lambda seen, number: {"out": b"rare" if number == 2 else b"usual"})
    assert report.verdict is CheckVerdict.FLAKY
    assert {name for one in report.breakages for name in one.variations} == set()


def test_a_difference_that_only_another_draw_shows_is_no_chance(bench: Bench) -> None:
    """The locale that seed 7 draws sorts as C does here, that of a later seed does not."""
    def build_of(seen: Seen, number: int) -> Outputs:
        return {"out": b"sorted" if seen["locale"] in {"C.UTF-8", first[0]} else b"in another order"}

    first: list[str] = [""]
    bench.report(lambda seen, number: {"out": first.__setitem__(0, seen["locale"]) or b"same"})
    report = bench.report(build_of, repeat=20)
    assert report.verdict is CheckVerdict.NOT_REPRODUCIBLE
    assert {name for one in report.breakages for name in one.variations} == {"locale"}
    (breakage,) = report.breakages
    assert breakage.fix.result == "confirmed"
    number = int(breakage.fix.reason.split("build ")[1].split()[0])
    assert report.builds[number - 1].differing == ()
    assert "locale" not in report.builds[number - 1].varied


def test_what_was_varied_only_in_builds_that_failed_did_not_pass(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": b"same"} if number == 1 else None)
    assert {row.status for row in report.variations} == {"undecided"}
