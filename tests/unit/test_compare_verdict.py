"""Every row of design section 3 that a comparison can come to. The mutation test runs exactly this file."""

import itertools
from datetime import UTC, datetime

import pytest

from rebuilder.compare import verdict
from rebuilder.model import (
    Artifact,
    Attempt,
    FailureReason,
    FileDigest,
    Limits,
    Located,
    SelfInput,
    Verdict,
    worst,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def digest(name, letter, size=10):
    return FileDigest(name=name, sha256=letter * 64, size=size)


def artifact(name="a.deb", letter="a", build="any", named=True, size=10):
    file = Located(name=name, sha256=letter * 64, size=size, archive="local", path=f"pool/{name}")
    return Artifact(file=file, package="a", version="1", architecture="amd64", build=build, named=named)


def attempt(number, *outputs, build="any", failure=None, detail=""):
    return Attempt(
        run_id=f"run-{build}-{number}", build=build, number=number, root_sha256="0" * 64, started=NOW, finished=NOW,
        exit_status=0 if failure is None else 1, failure=failure, detail=detail, outputs=outputs,
        log=digest("build.log", "1"), limits=Limits(), engine="test",
    )


def judged(artifacts, attempts, *, agree=False, equal_after=(), self_input=()):
    return verdict.judge(
        tuple(artifacts), tuple(attempts),
        agree_otherwise=lambda published, rebuilt: agree,
        equal_after=lambda published, rebuilt: equal_after,
        self_input=self_input,
    )


def only(*args, **kwargs):
    (result,) = judged([artifact()], args, **kwargs).artifacts
    return result


SAME, OTHER, THIRD = digest("a.deb", "a"), digest("a.deb", "b"), digest("a.deb", "c")


def test_equal_in_the_only_attempt_is_reproduced():
    result = only(attempt(1, SAME))
    assert (result.verdict, result.reason) == (Verdict.REPRODUCED, "every byte equal")
    assert result.published == SAME
    assert result.rebuilt == (SAME,)
    assert result.normalisers == ()
    assert result.named is True


def test_equal_in_both_attempts_is_reproduced():
    assert only(attempt(1, SAME), attempt(2, SAME)).verdict is Verdict.REPRODUCED


def test_same_digest_but_other_size_is_not_equal():
    assert only(attempt(1, digest("a.deb", "a", size=11)), attempt(2, SAME)).verdict is Verdict.FLAKY


def test_same_size_but_other_digest_is_not_equal():
    assert not verdict.same(SAME, OTHER)
    assert not verdict.same(SAME, digest("a.deb", "a", size=11))
    assert verdict.same(SAME, digest("renamed.deb", "a"))


def test_no_verdict_before_the_second_attempt():
    with pytest.raises(verdict.SecondAttemptNeededError, match=r"a\.deb differs; it has to be built a second time"):
        only(attempt(1, OTHER), agree=True, equal_after={"x/1": 1})


def test_both_attempts_agree_on_other_bytes_is_different():
    result = only(attempt(1, OTHER), attempt(2, OTHER), agree=False)
    assert result.verdict is Verdict.DIFFERENT
    assert result.reason == "2 rebuilds agree on bytes that the published file does not have"
    assert result.rebuilt == (OTHER, OTHER)


@pytest.mark.parametrize("outputs", [(SAME, OTHER), (OTHER, SAME)])
def test_one_equal_and_one_not_is_flaky_and_both_are_listed(outputs):
    result = only(*(attempt(n, out) for n, out in enumerate(outputs, 1)), agree=True, equal_after={"x/1": 1})
    assert result.verdict is Verdict.FLAKY
    assert result.reason == "1 of 2 rebuilds equal the published file, the others do not"
    assert result.rebuilt == outputs


def test_rebuilds_that_differ_everywhere_the_published_file_does_are_flaky():
    result = only(attempt(1, OTHER), attempt(2, THIRD), agree=False, equal_after={"x/1": 1})
    assert result.verdict is Verdict.FLAKY
    assert result.reason == "every difference lies where our own rebuilds differ from each other"


def test_rebuilds_that_differ_but_agree_on_some_other_part_are_different():
    assert only(attempt(1, OTHER), attempt(2, THIRD), agree=True).verdict is Verdict.DIFFERENT


def test_equal_after_named_normalisers_is_equivalent_and_never_reproduced():
    result = only(attempt(1, OTHER), attempt(2, OTHER), equal_after={"ar-times/1": 1})
    assert result.verdict is Verdict.EQUIVALENT
    assert result.reason == "equal only after ar-times/1"
    assert result.normalisers == ("ar-times/1",)


def test_several_normalisers_are_all_named():
    result = only(attempt(1, OTHER), attempt(2, OTHER), equal_after={"b/2": 1, "a/1": 2})
    assert result.reason == "equal only after a/1, b/2"
    assert result.cleared == {"a/1": 2, "b/2": 1}


def test_a_failed_build_is_build_failed_with_its_reason():
    result = only(attempt(1, failure=FailureReason.TIME_LIMIT, detail="3600 s"))
    assert result.verdict is Verdict.BUILD_FAILED
    assert result.reason == "time-limit: 3600 s"
    assert result.rebuilt == (None,)


def test_outputs_of_a_failed_build_never_count():
    result = only(attempt(1, SAME, failure=FailureReason.EXIT_STATUS, detail="2"))
    assert result.verdict is Verdict.BUILD_FAILED
    assert result.rebuilt == (None,)


def test_a_file_that_was_not_built_is_missing_output():
    result = only(attempt(1, digest("b.deb", "a")))
    assert result.verdict is Verdict.BUILD_FAILED
    assert result.reason == "missing-output: the build ended well but did not make this file"


def test_no_attempt_of_that_kind_is_build_failed():
    result = only(attempt(1, SAME, build="all"))
    assert (result.verdict, result.reason) == (Verdict.BUILD_FAILED, "no build of this kind was made")
    assert result.rebuilt == ()


@pytest.mark.parametrize(
    "second", [attempt(2), attempt(2, SAME, failure=FailureReason.EXIT_STATUS)], ids=["no such file", "failed"]
)
def test_a_second_attempt_that_made_nothing_does_not_agree_with_the_first(second):
    result = only(attempt(1, OTHER), second, agree=True, equal_after={"x/1": 1})
    assert result.verdict is Verdict.FLAKY
    assert result.reason == "one rebuild made other bytes, another made none"
    assert result.rebuilt == (OTHER, None)


def test_equal_once_and_then_nothing_is_flaky_not_reproduced():
    assert only(attempt(1, SAME), attempt(2)).verdict is Verdict.FLAKY


def test_normalisers_are_asked_only_about_what_was_rebuilt():
    asked = []

    def spy(published, rebuilt):
        asked.append((published, rebuilt))
        return ()

    verdict.judge(
        (artifact(),), (attempt(1, OTHER), attempt(2, OTHER)),
        agree_otherwise=lambda published, rebuilt: pytest.fail("rebuilds are equal, nothing to ask"),
        equal_after=spy,
    )
    assert asked == [(SAME, (OTHER, OTHER))]


def test_each_artifact_is_judged_by_the_build_of_its_kind():
    artifacts = (artifact(), artifact("b.deb", "b", build="all", named=False))
    attempts = (attempt(1, SAME), attempt(1, digest("b.deb", "d"), build="all"),
                attempt(2, digest("b.deb", "d"), build="all"))
    result = judged(artifacts, attempts)
    assert [(a.artifact, a.verdict, a.named) for a in result.artifacts] == [
        ("a.deb", Verdict.REPRODUCED, True), ("b.deb", Verdict.DIFFERENT, False),
    ]


def test_only_kinds_with_a_difference_are_built_again():
    artifacts = (artifact(), artifact("b.deb", "b", build="all"), artifact("c.deb", "c", build="all"))
    attempts = (attempt(1, SAME), attempt(1, digest("b.deb", "d"), digest("c.deb", "e"), build="all"))
    assert verdict.needs_second(artifacts, attempts) == ("all",)


@pytest.mark.parametrize(
    "attempts",
    [
        (),
        (attempt(1, SAME),),
        (attempt(1),),
        (attempt(1, OTHER, failure=FailureReason.EXIT_STATUS),),
        (attempt(1, OTHER), attempt(2, OTHER)),
        (attempt(1, OTHER, build="all"),),
    ],
    ids=["none made", "equal", "no such file", "failed", "already made", "other kind"],
)
def test_no_second_build_where_it_could_say_nothing(attempts):
    assert verdict.needs_second((artifact(),), attempts) == ()


def test_a_difference_needs_a_second_build():
    assert verdict.needs_second((artifact(),), (attempt(1, OTHER),)) == ("any",)


def test_what_was_built_but_never_published_is_recorded_once_without_a_verdict():
    dbgsym, other = digest("a-dbgsym.deb", "d"), digest("a-dbgsym.deb", "e")
    doc = digest("a-doc.deb", "f")
    result = judged([artifact()], [attempt(1, doc, SAME, dbgsym), attempt(2, SAME, other)])
    assert result.unpublished == (dbgsym, doc)


def test_self_input_is_carried_into_the_comparison():
    found = SelfInput(artifact="a.deb", member="", found_in="a.tar.xz:dist/a.deb", sha256="a" * 64)
    assert judged([artifact()], [attempt(1, SAME)], self_input=(found,)).self_input == (found,)


def test_the_worst_verdict_decides_in_the_order_of_the_design():
    order = ["refused", "different", "flaky", "build-failed", "unavailable", "equivalent", "reproduced"]
    assert [str(item) for item in Verdict] == order
    for worse, better in itertools.pairwise(order):
        assert worst((Verdict(better), Verdict(worse))) is Verdict(worse)
        assert worst((Verdict(worse), Verdict(better))) is Verdict(worse)
    assert worst((Verdict.REPRODUCED,)) is Verdict.REPRODUCED


def test_exit_codes_are_those_of_the_design():
    assert {str(item): item.exit_code for item in Verdict} == {
        "reproduced": 0, "different": 10, "equivalent": 11, "flaky": 12, "build-failed": 13, "refused": 14,
        "unavailable": 15,
    }
