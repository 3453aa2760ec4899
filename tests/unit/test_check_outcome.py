"""A whole check without an engine: builds are functions of what they are given, so that their truth is known."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rebuilder.check.builds import PROBE_MARK
from rebuilder.check.failures import Reason
from rebuilder.check.model import CheckReport, CheckVerdict, VariationName, VariationReport
from rebuilder.check.outcome import NOT_VARIED, Facts, headline
from rebuilder.check.variations import NAMES
from rebuilder.checking import epoch
from rebuilder.errors import UsageError
from tests.unit.check_bench import Bench, Outputs, Seen


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def rows(report: CheckReport) -> Mapping[str, VariationReport]:
    return {row.name: row for row in report.variations}


def test_a_clean_project_takes_two_builds_and_only_what_was_seen_is_said(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": b"same"})
    assert report.verdict is CheckVerdict.REPRODUCIBLE
    assert report.verdict.exit_code == 0
    assert report.headline == "no difference seen under 18 effective variations in 2 builds."
    assert [build.purpose for build in report.builds] == ["control", "varied"]
    assert {row.status for row in report.variations} == {"passed"}
    assert report.not_varied == NOT_VARIED
    assert report.breakages == ()
    assert [(one.name, one.first == one.second) for one in report.outputs] == [("out", True)]


def test_what_has_no_effect_is_never_passed(bench: Bench) -> None:
    blind: tuple[VariationName, ...] = ("locale", "cpu", "clock")
    report = bench.report(lambda seen, number: {"out": b"same"}, blind=blind)
    assert report.verdict is CheckVerdict.REPRODUCIBLE
    for name in blind:
        assert rows(report)[name].status == "not-effective"
        assert rows(report)[name].detail
    assert report.headline == (
        "no difference seen under 15 effective variations in 2 builds (locale, cpu, clock had no effect)."
    )


def test_what_has_no_effect_is_not_blamed_and_not_varied_again(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": seen["umask"].encode()}, blind=("locale",))
    assert {name for one in report.breakages for name in one.variations} == {"umask"}
    assert not any("locale" in build.varied for build in report.builds[2:])


def test_what_was_left_out_is_said_and_never_varied(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": seen["path"].encode()}, variations=("home", "umask"))
    assert report.verdict is CheckVerdict.REPRODUCIBLE
    assert {name for name, row in rows(report).items() if row.status == "left-out"} == set(NAMES) - {"home", "umask"}
    assert report.headline.startswith("no difference seen under 2 effective variations")


@pytest.mark.parametrize("name", NAMES)
def test_a_single_cause_is_named_and_no_other(bench: Bench, name: VariationName) -> None:
    if name in {"order", "times"}:
        # Both change the tar of the tree, and that is all a fake can see of it.
        report = bench.report(lambda seen, number: {"out": seen[name].encode()}, variations=(name, "path"))
    else:
        report = bench.report(lambda seen, number: {"out": f"made: {seen[name]}\n".encode(), "other": b"same"})
    assert report.verdict is CheckVerdict.NOT_REPRODUCIBLE
    assert report.verdict.exit_code == 10
    assert {one for breakage in report.breakages for one in breakage.variations} == {name}
    assert len(report.builds) <= 10
    (breakage,) = report.breakages
    assert "rebuild" in breakage.proof
    assert breakage.places == (("out",),)
    assert breakage.fix.words
    assert rows(report)[name].status == "breaks"
    assert {row.status for row in report.variations if row.name != name} <= {"passed", "left-out"}
    if "canary" in breakage.proof:
        assert len(report.builds) == 3


def test_a_canary_in_one_of_two_outputs_takes_three_builds(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": b"at " + seen["path"].encode(), "other": b"same"})
    (breakage,) = report.breakages
    assert breakage.proof == ("canary", "rebuild")
    assert breakage.cause is not None
    assert breakage.cause.confidence == "proved"
    assert breakage.fix.result == "confirmed"
    assert "build 3 gives the same bytes" in breakage.fix.reason
    assert [build.purpose for build in report.builds] == ["control", "varied", "confirm"]
    assert [build.differing for build in report.builds] == [None, ("out",), ()]
    assert report.headline.startswith("out differs. out (offset ")
    assert "depends on the build path" in report.headline
    assert "Cause: " in report.headline
    assert "Fix: " in report.headline


def test_two_causes_in_two_files_are_two_breakages(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"a": seen["home"].encode(), "b": seen["umask"].encode()})
    found = {one.variations: one.places for one in report.breakages}
    assert found == {("home",): (("a",),), ("umask",): (("b",),)}
    assert report.headline.endswith(" 1 more below.")


def test_two_causes_in_one_file_are_two_breakages(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"a": f"{seen['home']}\n{seen['host']}".encode()})
    assert {one.variations for one in report.breakages} == {("home",), ("host",)}
    assert len(report.builds) == 3


def test_a_dump_of_the_environment_is_said_once(bench: Bench) -> None:
    def build_of(seen: Seen, number: int) -> Outputs:
        assert bench.fake is not None
        return {"env": "\n".join(f"{k}={v}" for k, v in bench.fake.plans[-1].environment.items()).encode()}

    report = bench.report(build_of)
    assert [one.variations for one in report.breakages] == [("environment",)]
    assert len(report.builds) == 3


def test_chance_is_flaky_and_blamed_on_nothing(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": b"%d" % number, "other": b"same"})
    assert report.verdict is CheckVerdict.FLAKY
    assert report.verdict.exit_code == 12
    (breakage,) = report.breakages
    assert breakage.variations == ()
    assert breakage.proof == ("repeat",)
    assert "between two builds of which nothing was varied" in breakage.summary
    rows = {row.name: row for row in report.variations}
    # A canary would show in it; what has none may be hidden by what differs anyway.
    assert rows["path"].status == rows["host"].status == "passed"
    assert rows["locale"].status == rows["clock"].status == "undecided"
    assert rows["locale"].detail == "what differs by itself, or with the clock, shows nothing of it"
    assert len(report.builds) == 3


def test_chance_beside_a_cause_is_not_only_flaky(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"a": b"%d" % number, "b": seen["path"].encode()})
    assert report.verdict is CheckVerdict.NOT_REPRODUCIBLE
    assert {one.variations for one in report.breakages} == {(), ("path",)}


def test_chance_once_in_ten_is_seen_by_repeating(bench: Bench) -> None:
    def build_of(seen: Seen, number: int) -> Outputs:
        return {"out": b"rare" if number == 7 else b"usual"}

    assert bench.report(build_of).verdict is CheckVerdict.REPRODUCIBLE
    report = bench.report(build_of, repeat=10)
    assert report.verdict is CheckVerdict.FLAKY
    assert {name for one in report.breakages for name in one.variations} == set()
    again = bench.report(lambda seen, number: {"out": b"same"}, repeat=4)
    assert again.verdict is CheckVerdict.REPRODUCIBLE
    assert len(again.builds) == 5
    assert "from seed 8" in again.builds[2].why


def test_a_control_that_fails_is_build_failed_with_the_reason_and_what_to_do(bench: Bench) -> None:
    log = b"curl: (6) Could not resolve host: data.example.invalid\n"
    report = bench.report(lambda seen, number: None, log=log)
    assert report.verdict is CheckVerdict.BUILD_FAILED
    assert report.verdict.exit_code == 13
    assert report.headline == (
        "the build failed with nothing varied: make ended with status 2; it asked the network for "
        "data.example.invalid. Next: a build has no network here: name what it fetches as a dependency, or put it "
        "into the source."
    )
    assert len(report.builds) == 1
    assert {row.status for row in report.variations} == {"undecided"}


def test_a_control_that_fails_of_nothing_known_leads_to_its_log(bench: Bench) -> None:
    log = b"cc -c a.c\na.c:1:5: error: unknown type name 'it'\nmake: *** [Makefile:2: all] Error 1\n"
    report = bench.report(lambda seen, number: None, log=log)
    assert report.headline == (
        "the build failed with nothing varied: make ended with status 2; a.c:1:5: error: unknown type name 'it'. "
        "Next: read the end of its log, below."
    )
    facts = Facts(verdict=CheckVerdict.BUILD_FAILED, rows=(), builds=1, failure=Reason(words="it ended"))
    assert headline(facts, (), {}).endswith(": it ended. Next: read the end of its log, below.")


def test_a_control_that_makes_nothing_says_what_was_looked_for(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {})
    assert report.verdict is CheckVerdict.BUILD_FAILED
    assert "made none of: *" in report.headline


@pytest.mark.parametrize("name", ["locale", "path", "clock"])
def test_a_build_that_fails_under_one_variation_is_a_finding_of_its_own(bench: Bench, name: VariationName) -> None:
    usual: list[str] = []

    def build_of(seen: Seen, number: int) -> Outputs | None:
        usual.append(seen[name])
        return {"out": b"same"} if seen[name] == usual[0] else None

    report = bench.report(build_of)
    assert report.verdict is CheckVerdict.NOT_REPRODUCIBLE
    (breakage,) = report.breakages
    assert breakage.fails
    assert breakage.variations == (name,)
    assert "the build fails when this is varied" in breakage.summary
    assert rows(report)[name].status == "breaks"
    assert report.builds[-1].attempt.failure is None or len(report.builds) <= 10


def test_a_build_that_fails_by_chance_is_flaky(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": b"same"} if number == 1 else None)
    assert report.verdict is CheckVerdict.FLAKY
    (breakage,) = report.breakages
    assert breakage.fails
    assert breakage.variations == ()
    assert breakage.summary == "the build fails now and then, with nothing varied"
    assert "Hold these fixed" not in breakage.fix.words


def test_an_output_that_only_one_build_makes_is_a_difference(bench: Bench) -> None:
    def build_of(seen: Seen, number: int) -> Outputs:
        return {"out": b"same"} | ({} if seen["umask"] == "0022" else {"extra": b"more"})

    report = bench.report(build_of)
    assert {one.variations for one in report.breakages} == {("umask",)}
    assert report.breakages[0].places == (("extra",),)
    assert {one.name: (one.first is None, one.second is None) for one in report.outputs}["extra"] == (True, False)


def test_few_builds_leave_causes_undecided_and_say_so(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": seen["jobs"].encode()}, max_builds=4)
    assert len(report.builds) == 4
    assert report.verdict is CheckVerdict.NOT_REPRODUCIBLE
    assert rows(report)["jobs"].status == "undecided"
    assert "passed" not in {rows(report)[name].status for name in ("jobs",)}
    assert any("4 builds did not suffice" in one for one in report.warnings)
    assert "more builds would tell" in report.breakages[0].summary


def test_the_same_seed_makes_the_same_report(bench: Bench) -> None:
    def build_of(seen: Seen, number: int) -> Outputs:
        return {"a": f"{seen['path']} {seen['timezone']}".encode(), "b": seen["hash-seed"].encode()}

    first, again, other = (bench.report(build_of, seed=seed) for seed in (7, 7, 8))

    def plain(report: CheckReport) -> dict[str, Any]:
        """The probe's word is never the same, so that logs are not either."""
        made = report.model_dump(mode="json", by_alias=True)
        for one in made["builds"]:
            one["attempt"].pop("log")
        return made

    assert plain(first) == plain(again)
    assert plain(first) != plain(other)
    assert first.verdict == other.verdict


def test_no_two_builds_of_a_check_are_told_the_same_word(bench: Bench) -> None:
    bench.report(lambda seen, number: {"out": seen["path"].encode()})
    assert bench.fake is not None
    words = {step.argv[step.argv.index(PROBE_MARK) + 1] for plan in bench.fake.plans for step in plan.steps
             if PROBE_MARK in step.argv}  # fmt: skip
    assert len(words) == len(bench.fake.plans) == 3


# --- fixes that are tried -------------------------------------------------------------------------


def compiled(text: str) -> bytes:
    """A program of the host's compiler that holds this text."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "a.c")
        source.write_text(f'#include <stdio.h>\nint main(void) {{ return puts("{text}/a.c"); }}\n')
        subprocess.run(["cc", "-o", f"{folder}/a", str(source)], check=True, cwd=folder)
        return Path(folder, "a").read_bytes()


@pytest.mark.parametrize(
    ("helps", "result", "reason"),
    [
        (True, "confirmed", "builds 4 and 5 are equal in every place of this cause"),
        (False, "refuted", "builds 4 and 5 differ"),
        (None, "refuted", "the build fails (builds 4 and 5)"),
    ],
)
def test_a_fix_by_flags_is_believed_only_after_a_rebuild(
    bench: Bench, helps: bool | None, result: str, reason: str
) -> None:
    def build_of(seen: Seen, number: int) -> Outputs | None:
        assert bench.fake is not None
        tried = any(file.path == "/usr/local/bin/cc" for file in bench.fake.plans[-1].files)
        if tried and helps is None:
            return None
        return {"demo": compiled("." if tried and helps else seen["path"])}

    report = bench.report(build_of)
    (breakage,) = report.breakages
    assert (breakage.variations, breakage.fix.result) == (("path",), result)
    assert reason in breakage.fix.reason
    assert breakage.fix.tried == ("-ffile-prefix-map=$PWD=.",)
    assert [build.purpose for build in report.builds] == ["control", "varied", "confirm", "fix", "fix"]
    assert ("Confirmed by a rebuild" in report.headline) == (result == "confirmed")
    proposed = {change.where for change in breakage.fix.changes}
    assert proposed == ({"environment", "project"} if result == "confirmed" else {"environment"})
    assert breakage.fix.changes[-1].text == "build in the same folder"
    assert ("written by something else than the compiler" in report.headline) == (helps is False)
    assert ("cannot be used here: Write paths relative" in report.headline) == (helps is None)
    kept = bench.report(build_of, try_fixes=False)
    assert len(kept.builds) == 3
    few = bench.report(build_of, max_builds=4)
    assert len(few.builds) <= 4
    assert few.breakages[0].fix.tried == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, (5, "the commit")),
        ("commit", (5, "the commit")),
        ("none", (None, "the project's settings: not set")),
        (0, (0, "the project's settings")),
        (7, (7, "the project's settings")),
    ],
)
def test_the_epoch_is_said_with_where_it_is_from(given: int | str | None, expected: tuple[int | None, str]) -> None:
    assert epoch(given, 5, where="the commit") == expected


def test_an_epoch_before_1970_is_refused() -> None:
    with pytest.raises(UsageError, match="expected source-date-epoch of 0 or more, found -1"):
        epoch(-1, 5, where="the commit")
