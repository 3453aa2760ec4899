"""From answers to what the report says: variation, place, proof, fix, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from rebuilder.check.breakages import Evidences, Shown, breakages
from rebuilder.check.marks import CONTENT, roots
from rebuilder.check.model import Breakage, CheckVerdict, ProjectKind, VariationName
from rebuilder.check.outcome import verdict
from rebuilder.check.plan import CARRIED, FAILS, NONE, Answer, Aspect, Known, Names, Observed
from rebuilder.check.variations import NAMES
from rebuilder.explain.causes.families import RULES
from rebuilder.explaining import explained
from rebuilder.findings import Surroundings
from tests.scenes import walked

ALL: Names = frozenset(NAMES)
OUT: Aspect = ("out", (), CONTENT)
CONTROL = Observed(varied=NONE)


def names(*some: VariationName) -> Names:
    return frozenset(some)


def observed(*builds: tuple[Names, bool], aspect: Aspect = OUT) -> tuple[Observed, ...]:
    """The control, and builds in which the place differs or not."""
    return (
        CONTROL,
        *(Observed(varied=varied, differing=frozenset({aspect} if yes else ())) for varied, yes in builds),
    )


def shown(one: bytes, other: bytes, name: str = "out") -> Shown:
    found = walked(one, other)
    told = explained(name, found, Surroundings())
    return Shown(
        difference=told.difference, explanation=told.explanation, places=roots(name, told.difference, found.leaves)
    )


def told(
    answers: Mapping[Aspect, Answer],
    builds: Sequence[Observed] = (),
    *,
    pictures: Mapping[str, Shown] | None = None,
    kind: ProjectKind = ProjectKind.MAKE,
) -> tuple[Breakage, ...]:
    return breakages(
        Evidences(
            kind=kind,
            answers=answers,
            shown={"out": shown(b"made by one\n", b"made by other\n")} if pictures is None else pictures,
            observed=builds or observed((ALL, True)),
            known=Known(effective=ALL),
            rules={rule.id: rule for rule in RULES},
        )
    )


def test_nothing_is_told_of_nothing() -> None:
    assert told({}) == ()


def test_a_canary_alone_is_a_proof_and_a_clean_build_confirms_the_fix() -> None:
    one = Answer(culprits=names("home"), by_canary=names("home"))
    (bare,) = told({OUT: one})
    assert (bare.variations, bare.proof, bare.fix.result) == (("home",), ("canary",), "not-tried")
    (sure,) = told({OUT: one}, observed((ALL, True), (ALL - {"home"}, False)))
    assert sure.proof == ("canary", "rebuild")
    assert sure.fix.result == "confirmed"
    assert sure.fix.reason == (
        "held fixed (build with HOME=/nonexistent), everything else varied: build 3 gives the same bytes"
    )
    assert sure.cause is not None
    assert (sure.cause.id, sure.cause.confidence) == ("home", "proved")
    assert sure.places == (("out",),)
    assert sure.summary.startswith("out (offset 0x9) depends on the home folder")


def test_a_build_that_differs_with_it_alone_is_a_proof() -> None:
    (one,) = told(
        {OUT: Answer(culprits=names("cpu"), by_rebuild=names("cpu"), unknown=ALL)},
        observed((ALL, True), (names("cpu"), True)),
    )
    assert one.proof == ("rebuild",)


def test_what_was_only_narrowed_down_is_blamed_on_nobody() -> None:
    (one,) = told({OUT: Answer(candidates=names("cpu", "jobs"), unknown=ALL)})
    assert (one.variations, one.proof) == ((), ())
    assert one.summary.endswith("depends on one of these, more builds would tell: number of processors and number of "
                                "jobs")  # fmt: skip
    assert "--max-builds" in one.fix.words
    assert verdict(True, (one,)) is CheckVerdict.NOT_REPRODUCIBLE


def test_what_acts_together_is_said_as_such() -> None:
    (one,) = told({OUT: Answer(together=names("path", "home"))})
    assert one.variations == ("path", "home")
    assert "only when several of these are varied together: build path and home folder" in one.summary
    assert one.proof == ("rebuild",)


def test_chance_is_flaky_only_if_there_is_nothing_else() -> None:
    flaky = Answer(flaky=True)
    (one,) = told({OUT: flaky}, observed((ALL, True), (NONE, True)))
    assert (one.variations, one.proof) == ((), ("repeat",))
    assert one.summary.endswith("differs between two builds of which nothing was varied")
    assert verdict(True, (one,)) is CheckVerdict.FLAKY
    other: Aspect = ("other", (), CONTENT)
    both = told({OUT: flaky, other: Answer(culprits=names("path"), by_canary=names("path"))})
    assert [len(each.variations) for each in both] == [1, 0]
    assert verdict(True, both) is CheckVerdict.NOT_REPRODUCIBLE


def test_a_flaky_place_that_holds_a_canary_names_it() -> None:
    (one,) = told({OUT: Answer(flaky=True, culprits=names("tmpdir"), by_canary=names("tmpdir"))})
    assert one.variations == ("tmpdir",)
    assert {"canary", "repeat"} <= set(one.proof)
    assert one.summary.endswith("depends on the TMPDIR, and differs between builds of one and the same")
    assert verdict(True, (one,)) is CheckVerdict.NOT_REPRODUCIBLE


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (Answer(culprits=names("locale"), by_rebuild=names("locale")), ("locale",),
         "the build fails when this is varied: locale"),
        (Answer(together=names("locale", "path")), ("path", "locale"), "when several of these are varied together"),
        (Answer(candidates=names("locale", "path"), unknown=ALL), (), "when one of these is varied, more builds"),
        (Answer(doubtful=names("locale", "path")), (), "when one of these is varied, more builds would tell: build"),
        (Answer(flaky=True), (), "the build fails now and then"),
    ],
    ids=["one", "together", "narrowed", "doubtful", "chance"],
)  # fmt: skip
def test_a_failing_build_is_a_breakage_of_its_own(
    answer: Answer, expected: tuple[str, ...], words: str
) -> None:
    (one,) = told({FAILS: answer}, observed((ALL, True), aspect=FAILS), pictures={})
    assert one.fails
    assert one.variations == expected
    assert words in one.summary
    assert (one.places, one.count, one.cause) == ((), 0, None)
    assert one.fix.words


def test_what_fails_comes_first_and_chance_last() -> None:
    found = told({
        OUT: Answer(flaky=True),
        ("x", (), CONTENT): Answer(culprits=names("umask"), by_rebuild=names("umask")),
        ("y", (), CONTENT): Answer(culprits=names("path"), by_canary=names("path"), by_rebuild=names("path")),
        FAILS: Answer(culprits=names("shell"), by_rebuild=names("shell")),
    })  # fmt: skip
    assert [one.variations for one in found] == [("shell",), ("path",), ("umask",), ()]


def test_a_dump_of_the_environment_is_said_once_and_what_it_does_not_carry_beside_it() -> None:
    one = Answer(culprits=CARRIED | {"environment"}, by_canary=names("environment", "path", "home"))
    (found,) = told({OUT: one})
    assert found.variations == ("environment",)
    more = Answer(culprits=CARRIED | {"environment", "host"}, by_canary=names("environment", "host"))
    assert {each.variations for each in told({OUT: more})} == {("environment",), ("host",)}


def test_two_culprits_of_one_place_are_two_breakages() -> None:
    found = told({OUT: Answer(culprits=names("path", "home"), by_canary=names("path", "home"))})
    assert {one.variations for one in found} == {("path",), ("home",)}
    assert all(one.places == (("out",),) for one in found)


def test_many_places_of_one_cause_are_one_breakage_with_the_first_of_them() -> None:
    one = Answer(culprits=names("umask"), by_rebuild=names("umask"))
    places: dict[Aspect, Answer] = {("a.tar", (f"m{number:03}",), "mode"): one for number in range(200)}
    (found,) = told(places, pictures={})
    assert (found.count, len(found.places)) == (200, 200)
    assert found.summary == "a.tar: m000 (mode) and 199 more depends on the umask"


def test_what_only_passes_on_another_difference_is_not_said_by_itself() -> None:
    rows = "\n".join(f"pkg/{name}.py,sha256={{}},10" for name in "abc")
    record = shown(rows.format("a", "b", "c").encode(), rows.format("x", "b", "c").encode())
    aspects: dict[Aspect, Answer] = dict.fromkeys(
        [*record.places, ("pkg", (), CONTENT)], Answer(culprits=names("path"), by_canary=names("path"))
    )
    found = told(aspects, pictures={"out": record, "pkg": shown(b"a", b"b", "pkg")})
    assert {one.variations for one in found} == {("path",)}


@pytest.mark.parametrize("kind", list(ProjectKind))
@pytest.mark.parametrize("name", NAMES)
def test_every_variation_has_a_cause_and_advice_for_every_kind(name: VariationName, kind: ProjectKind) -> None:
    (one,) = told(
        {OUT: Answer(culprits=names(name), by_rebuild=names(name))},
        observed((ALL, True), (ALL - {name}, False)),
        kind=kind,
    )
    assert one.cause is not None
    assert one.fix.words.endswith((".", ")", '"')) or "prefix" in one.fix.words
    assert one.fix.changes
    assert one.fix.result == "confirmed"
    assert one.proof == ("rebuild",)
