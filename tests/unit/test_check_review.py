"""Wrong answers that a check gave once, each with the project that made it give them."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from rebuilder import check_folder, check_report, trials
from rebuilder.check.model import CheckVerdict, VariationName
from rebuilder.check.plan import NONE, Known, Names, Observed, answer
from rebuilder.check.scripts import build_script
from rebuilder.check.settings import CheckSettings
from rebuilder.check.variations import NAMES
from tests.unit.check_bench import Bench, Outputs, Seen
from tests.unit.test_check_outcome import compiled
from tests.unit.test_check_scripts import NAMED, plan

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
    assert "differs between two builds that were varied alike" in report.headline
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
    number = int(re.findall("build ([0-9]+)", breakage.fix.reason)[0])
    assert report.builds[number - 1].differing == ()
    assert "locale" not in report.builds[number - 1].varied


def test_what_was_varied_only_in_builds_that_failed_did_not_pass(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": b"same"} if number == 1 else None)
    assert {row.status for row in report.variations} == {"undecided"}


def test_names_that_chance_makes_are_one_place_however_many_there_are(bench: Bench) -> None:
    """Each build brings names of its own, about which no other build can say anything."""
    report = bench.report(lambda seen, number: {"same": b"same", f"out-{number}": b"same"})
    assert report.verdict is CheckVerdict.FLAKY
    (breakage,) = report.breakages
    assert breakage.proof == ("repeat",)
    assert len(report.builds) == 3


def test_a_canary_in_the_name_of_an_output_takes_three_builds(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"same": b"same", f"out-{seen['host'].split('.')[0]}": b"same"})
    assert report.verdict is CheckVerdict.NOT_REPRODUCIBLE
    (breakage,) = report.breakages
    assert (breakage.variations, breakage.proof) == (("host",), ("canary", "rebuild"))
    assert [build.purpose for build in report.builds] == ["control", "varied", "confirm"]


def test_a_build_that_fails_with_one_variation_leaves_the_other_causes_provable(bench: Bench) -> None:
    def build_of(seen: Seen, number: int) -> Outputs | None:
        return {"a": seen["home"].encode(), "b": seen["user"].encode()} if seen["umask"] == "0022" else None

    report = bench.report(build_of)
    assert {one.variations: one.fix.result for one in report.breakages} == {
        ("umask",): "confirmed", ("home",): "confirmed", ("user",): "confirmed",
    }  # fmt: skip
    assert not report.warnings
    assert {row.status for row in report.variations} == {"passed", "breaks"}


def tries(bench: Bench) -> bool:
    """Whether the build at hand tries a fix."""
    assert bench.fake is not None
    return any(file.path == "/usr/local/bin/cc" for file in bench.fake.plans[-1].files)


def test_a_fix_is_not_judged_by_what_breaks_the_same_place_besides(bench: Bench) -> None:
    def build_of(seen: Seen, number: int) -> Outputs:
        return {"demo": compiled(f"{'.' if tries(bench) else seen['path']} {seen['home']}")}

    report = bench.report(build_of)
    found = {one.variations: one for one in report.breakages}
    assert found[("path",)].fix.result == "confirmed"
    assert found[("path",)].fix.tried
    assert "home" not in report.builds[-1].varied


def test_a_fix_that_takes_the_output_away_is_refuted(bench: Bench) -> None:
    def build_of(seen: Seen, number: int) -> Outputs:
        return {"other": b""} if tries(bench) else {"demo": compiled(seen["path"])}

    (breakage,) = bench.report(build_of).breakages
    assert breakage.fix.result == "refuted"
    assert "do not make the same outputs" in breakage.fix.reason


def test_no_fix_is_tried_on_what_differs_by_chance_as_well(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"demo": compiled(f"{seen['path']} {number}")})
    assert {one.fix.tried for one in report.breakages} == {()}


def test_a_fix_is_judged_by_every_place_and_not_by_those_that_are_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_report, "MAX_PLACES", 2)

    def build_of(seen: Seen, number: int) -> Outputs:
        made = dict.fromkeys(("a", "b", "c"), compiled(seen["path"]))
        return dict.fromkeys(made, b"helps") | {"c": made["c"]} if tries(bench) else made

    (breakage,) = bench.report(build_of).breakages
    assert (breakage.count, len(breakage.places)) == (3, 2)
    assert breakage.fix.result == "refuted"


def test_a_log_that_is_too_large_still_says_what_the_probe_saw(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "MAX_LOG_BYTES", 64 * 1024)
    report = bench.report(lambda seen, number: {"out": b"same"}, log=b"noise\n" * 20_000)
    assert {row.status for row in report.variations} == {"passed"}


def test_a_check_in_which_nothing_had_an_effect_says_so(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": b"same"}, variations=("cpu",), blind=("cpu",))
    assert report.warnings == (
        "no variation had an effect: all that was seen is that builds of one and the same are equal",
    )


def test_a_report_is_not_written_through_links_that_came_with_the_project(bench: Bench, tmp_path: Path) -> None:
    checked = bench.checked(lambda seen, number: {"out": b"same"})
    assert bench.fake is not None
    folder, elsewhere = tmp_path / "report", tmp_path / "elsewhere"
    for path in (folder, elsewhere):
        path.mkdir()
    (folder / "first").symlink_to(elsewhere)
    (folder / "input").symlink_to(elsewhere)
    (folder / "second").write_text("a file")
    check_folder.write(folder, checked, bench.fake.blobs)
    assert not list(elsewhere.iterdir())
    assert (folder / "first" / "build.sh").is_file()
    assert (folder / "second" / "build.sh").is_file()


@pytest.mark.parametrize(("name", "cap"), [("memory_bytes", 10**15), ("disk_bytes", 10**15), ("seconds", 10**9)])
def test_a_project_cannot_lift_the_caps_of_its_own_container(name: str, cap: int) -> None:
    with pytest.raises(ValueError, match=f"expected at most [0-9]+ for '{name}'.*the operator's own `limits`"):
        CheckSettings.model_validate({"limits": {name: cap}})



@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.CHRTYPE])
def test_what_a_build_left_is_unpacked_by_hand_without_devices_and_set_user_bits(tmp_path: Path, kind: bytes) -> None:
    folder = tmp_path / "first"
    (folder / "output").mkdir(parents=True)
    (folder / "output" / "stale").write_text("of an earlier run")
    (folder / "build.sh").write_text(build_script(plan(), NAMED))
    with tarfile.open(tmp_path / "made.tar", "w") as made:
        member = tarfile.TarInfo("./demo")
        member.type, member.mode = kind, 0o6755
        made.addfile(member)
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\ncase $1 in start) cat {tmp_path}/made.tar ;; cp) cat >/dev/null ;; esac\n')
    docker.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(["sh", folder / "build.sh"], env=path, capture_output=True, text=True, check=False)
    left = list((folder / "output").iterdir())
    if kind == tarfile.REGTYPE:
        assert [(one.name, one.stat().st_mode & 0o7000) for one in left] == [("demo", 0)]
    else:
        assert ended.returncode == 1
        assert "found a device or a pipe" in ended.stderr
        assert left == []


def test_what_a_row_tells_of_a_variation_is_of_one_draw(bench: Bench) -> None:
    report = bench.report(lambda seen, number: {"out": b"same"}, repeat=4)
    (row,) = (row for row in report.variations if row.name == "home")
    assert row.canary in row.varied
    assert row.canary in row.probed_varied
