"""``rebuilder check`` on real projects in real containers: what it names, how sure it is, in how many builds."""

from __future__ import annotations

import pytest

from rebuilder.check.model import CheckReport, VariationName
from rebuilder.check.variations import NAMES
from tests.integration.check_projects import (
    BROKEN,
    FILES,
    Projects,
    makefile,
    some_projects,  # noqa: F401 - a fixture is used by name
)

pytestmark = pytest.mark.integration

#: Of these a text of their own stands in the output, or it looks like nothing else.
CANARIES: frozenset[VariationName] = frozenset(
    {"path", "home", "user", "timezone", "host", "environment", "exec-path", "tmpdir"}
)
C_PROGRAM = '#include <stdio.h>\nint main(void) { return puts(__FILE__) < 0; }\n'
C_MAKEFILE = "all: demo\ndemo: demo.c\n\tcc -g -O2 -o demo $(CURDIR)/demo.c\n"


def test_a_clean_project_takes_two_builds_and_all_variations_have_an_effect(projects: Projects) -> None:
    done = projects.check(projects.make({"Makefile": makefile("sort src/*.txt > out"), **FILES}))
    report = done.report
    assert done.code == 0, done.err
    assert {row.name: (row.status, row.detail) for row in report.variations} == dict.fromkeys(NAMES, ("passed", ""))
    assert all(row.probed_control != row.probed_varied for row in report.variations)
    assert [build.purpose for build in report.builds] == ["control", "varied"]
    assert "no difference seen under 18 effective variations in 2 builds" in done.out
    assert (report.source.kind, report.source.dirty, len(report.source.commit)) == ("git-commit", (), 40)


@pytest.mark.parametrize("name", NAMES)
def test_what_depends_on_one_variation_is_blamed_on_that_one(projects: Projects, name: VariationName) -> None:
    done = projects.check(projects.make(BROKEN[name]))
    report = done.report
    assert done.code == 10, done.err
    assert [one.variations for one in report.breakages] == [(name,)]
    (breakage,) = report.breakages
    assert len(report.builds) <= (4 if name in CANARIES else 10)
    assert "rebuild" in breakage.proof
    assert ("canary" in breakage.proof) == (name in CANARIES)
    assert breakage.cause is not None
    assert breakage.fix.words in done.out
    assert {row.status for row in report.variations if row.name != name} <= {"passed", "not-effective"}
    (place,) = breakage.places
    assert place[0] == "made.tar"


def test_two_causes_in_two_files(projects: Projects) -> None:
    files = {"Makefile": makefile("pwd > one", r"printf 'b\nA\na\n' | sort > two"), **FILES}
    done = projects.check(projects.make(files))
    assert done.code == 10, done.err
    assert {one.variations: one.places for one in done.report.breakages} == {
        ("path",): (("made.tar", "./one"),), ("locale",): (("made.tar", "./two"),)
    }  # fmt: skip
    assert len(done.report.builds) <= 7


def test_a_flaky_project_is_blamed_on_nothing(projects: Projects) -> None:
    done = projects.check(projects.make({"Makefile": makefile("head -c8 /dev/urandom > out"), **FILES}))
    assert done.code == 12, done.err
    (breakage,) = done.report.breakages
    assert (breakage.variations, breakage.proof) == ((), ("repeat",))
    assert len(done.report.builds) == 3
    assert "between two builds of which nothing was varied" in done.out


def test_a_random_name_below_tmpdir_is_both(projects: Projects) -> None:
    done = projects.check(projects.make({"Makefile": makefile("mktemp > out"), **FILES}))
    assert done.code == 10, done.err
    (breakage,) = done.report.breakages
    assert breakage.variations == ("tmpdir",)
    assert {"canary", "repeat"} <= set(breakage.proof)


def test_a_build_that_fails_under_one_variation_only(projects: Projects) -> None:
    refusing = 'test "$$LC_ALL" = C.UTF-8 || { echo only in C.UTF-8 >&2; exit 1; }'
    done = projects.check(projects.make({"Makefile": makefile(refusing, "pwd > out"), **FILES}))
    assert done.code == 10, done.err
    found = {one.variations: one for one in done.report.breakages}
    assert found.keys() == {("locale",), ("path",)}
    assert found[("locale",)].fails
    assert not found[("path",)].fails
    assert "the build fails when this is varied: locale" in done.out
    failed = [build.number for build in done.report.builds if build.attempt.failure]
    assert failed
    assert "only in C.UTF-8" in done.log(failed[0])


def test_the_path_in_a_program_is_proved_and_its_fix_confirmed_by_a_rebuild(projects: Projects) -> None:
    done = projects.check(projects.make({"Makefile": C_MAKEFILE, "demo.c": C_PROGRAM}))
    assert done.code == 10, done.err
    report = done.report
    (breakage,) = report.breakages
    assert breakage.variations == ("path",)
    assert breakage.proof == ("canary", "rebuild")
    assert breakage.cause is not None
    assert breakage.cause.confidence == "proved"
    assert breakage.fix.result == "confirmed"
    assert breakage.fix.tried == ("-ffile-prefix-map=$PWD=.",)
    assert [build.purpose for build in report.builds] == ["control", "varied", "confirm", "fix", "fix"]
    assert any(change.target == "Makefile" and "-ffile-prefix-map" in change.text for change in breakage.fix.changes)
    assert "Confirmed by a rebuild" in report.headline


def plain(report: CheckReport) -> dict[str, object]:
    """Without what is never the same: times, names of runs, and logs, which hold the probe's word."""
    made = report.model_dump(mode="json", by_alias=True, exclude={"check_id", "started", "finished"})
    for build in made["builds"]:
        for name in ("run_id", "started", "finished", "log"):
            del build["attempt"][name]
    for row in made["variations"]:
        if row["name"] == "clock":
            del row["probed_control"], row["probed_varied"]
    return dict(made)


def test_the_same_seed_gives_the_same_report(projects: Projects) -> None:
    project = projects.make({"Makefile": makefile("pwd > one", r"printf 'b\nA\na\n' | sort > two"), **FILES})
    first, again = (projects.check(project, report=report) for report in ("first", "again"))
    assert (first.code, again.code) == (10, 10), again.err
    assert plain(first.report) == plain(again.report)
    assert first.report.again.endswith(" --seed 7")


def test_a_command_and_settings_say_how_it_is_built(projects: Projects) -> None:
    files = {
        "rebuilder.toml": '[check]\nbuild = [["./make.sh"]]\noutputs = ["dist/*"]\nvariations = "all,-clock"\n',
        "make.sh": "#!/bin/sh\nmkdir -p dist && echo one > dist/out\n",
    }
    project = projects.make(files)
    done = projects.check(project)
    assert done.code == 0, done.err
    assert [one.name for one in done.report.outputs] == ["out"]
    assert {row.name for row in done.report.variations if row.status == "left-out"} == {"clock"}
    (project / "rebuilder.toml").unlink()
    given = projects.check(project, "--worktree", "--variations", "path", "--", "sh", "-c", "pwd > x", report="given")
    assert (given.code, given.broken) == (10, {"path"}), given.err
    assert given.report.project.found == "the command given"
