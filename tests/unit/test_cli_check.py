"""``rebuilder check`` on the command line: what is refused before anything runs, what is printed, kept and returned."""

from __future__ import annotations

import json
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rebuilder.check.model import CheckReport
from rebuilder.check.variations import NAMES
from rebuilder.cli import check as command
from rebuilder.cli import cli
from rebuilder.errors import InfrastructureError, UsageError
from rebuilder.sandbox.docker import DockerEngine
from tests.unit.check_bench import Bench, Outputs, Seen

Build = Callable[[Seen, int], Outputs | None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a configuration, a project, and no engine."""
    config = tmp_path / "rebuilder.toml"
    config.write_text('state = "state"\n')
    monkeypatch.setenv("REBUILDER_CONFIG", str(config))
    monkeypatch.delenv("REBUILDER_STATE", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "Makefile").write_text("all:\n\techo one > out\n")
    return tmp_path


def run(*arguments: str) -> int:
    return int(cli.main(["check", *arguments], standalone_mode=False) or 0)


@pytest.fixture
def checks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Build], None]:
    """Makes the command check a project that is a function, in place of what Docker would build."""
    monkeypatch.setattr(DockerEngine, "version", lambda self: "none")
    monkeypatch.setattr(DockerEngine, "sweep", lambda self: 0)

    def of(build_of: Build) -> None:
        def made(shop: Any, config: Any, given: Any, *, fresh: bool) -> Any:
            return Bench(folder).checked(build_of, seed=given.seed, again=command._again(given))

        monkeypatch.setattr(command, "_run", made)

    return of


def same(seen: Seen, number: int) -> Outputs:
    return {"out": b"same"}


def broken(seen: Seen, number: int) -> Outputs:
    return {"out": f"at {seen['path']}\n".encode()}


def flaky(seen: Seen, number: int) -> Outputs:
    return {"out": b"%d" % number}


def failing(seen: Seen, number: int) -> None:
    return None


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["demo", "--worktree", "--commit", "v1"], "either --worktree or --commit, found both", "as they lie"),
        (["demo", "--variations", "all,-cpus"], r"no variation is called 'cpus'; did you mean 'cpu'\?", "there are"),
        (["demo", "--variations", "path,-path"], "found none left of 'path,-path'", "leave some out"),
        (["demo", "--sarif", "no/such/x.sarif"], "--sarif to name a file in a folder that exists", ""),
        (["demo", "--junit", "no/such/x.xml"], "--junit to name a file in a folder that exists", ""),
        (["demo", "--output", "demo"], "a new folder or that of an earlier check, found other files in demo",
         "nothing was overwritten"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_said_before_anything_runs(
    folder: Path, arguments: list[str], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        run(*arguments)
    assert hint in raised.value.hint
    assert raised.value.exit_code == 2
    assert not (folder / "state").exists()
    assert [path.name for path in (folder / "demo").iterdir()] == ["Makefile"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "does not exist"),
        (["rebuilder.toml"], "is a file"),
        (["demo", "--seed", "-1"], "not in the range"),
        (["demo", "--seed", str(2**32)], "not in the range"),
        (["demo", "--seed", "seven"], "not a valid integer"),
        (["demo", "--max-builds", "1"], "not in the range"),
        (["demo", "--repeat", "0"], "not in the range"),
        (["demo", "--output", "rebuilder.toml"], "is a file"),
        (["demo", "--sarif", "demo"], "is a directory"),
        (["demo", "--colour"], "No such option"),
    ],
)
def test_options_that_are_none_are_usage_errors(folder: Path, arguments: list[str], words: str) -> None:
    import click

    with pytest.raises(click.UsageError, match=words) as raised:
        run(*arguments)
    assert raised.value.exit_code == 2


def test_no_engine_is_our_own_fault_and_leaves_no_report(folder: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"expected a Docker engine at unix://.*nobody.sock") as raised:
        run("demo", "--output", "report")
    assert raised.value.exit_code == 3
    assert not (folder / "report").exists()


# --- exit code and output -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build_of", "code", "word"),
    [(same, 0, "reproducible"), (broken, 10, "not-reproducible"), (flaky, 12, "flaky"), (failing, 13, "build-failed")],
)
def test_the_exit_code_is_that_of_the_verdict(
    checks: Callable[[Build], None], capsys: pytest.CaptureFixture[str], build_of: Build, code: int, word: str
) -> None:
    checks(build_of)
    assert run("demo", "--json", "--seed", "7") == code
    shown = capsys.readouterr()
    report = CheckReport.model_validate_json(shown.out)
    assert (report.verdict.value, report.seed) == (word, 7)
    assert shown.err == ""
    assert run("demo", "--quiet", "--seed", "7") == code
    quiet = capsys.readouterr()
    assert len(quiet.out.splitlines()) == 1
    assert word.upper().replace("-", " ") in quiet.out.upper().replace("-", " ")
    assert run("demo", "--seed", "7") == code
    told = capsys.readouterr().out
    assert "rebuilder check demo --seed 7" in told


def test_a_seed_is_drawn_anew_and_printed(
    checks: Callable[[Build], None], capsys: pytest.CaptureFixture[str]
) -> None:
    checks(same)
    seeds = set()
    for _ in range(2):
        run("demo", "--json")
        report = CheckReport.model_validate_json(capsys.readouterr().out)
        assert report.again == f"rebuilder check demo --seed {report.seed}"
        seeds.add(report.seed)
    assert len(seeds) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo"],
        ["de mo; rm -rf", "--worktree"],
        ["./-demo", "--commit", "-x"],
        ["demo", "--variations", "all,-cpu", "--suite", "sid", "--max-builds", "5", "--repeat", "3", "--no-fix"],
        ["demo", "--commit", "v1.0 'x'", "--", "make", "dist", "NAME=$(id)"],
    ],
)
def test_the_command_that_repeats_a_check_is_the_one_that_was_given(
    folder: Path, checks: Callable[[Build], None], capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    (folder / arguments[0]).mkdir(exist_ok=True, parents=True)
    checks(same)
    at = arguments.index("--") if "--" in arguments else len(arguments)
    run(*arguments[:at], "--seed", "7", "--json", *arguments[at:])
    again = CheckReport.model_validate_json(capsys.readouterr().out).again
    first, second, *words = shlex.split(again)
    assert (first, second) == ("rebuilder", "check")
    assert sorted(words) == sorted([*arguments, "--seed", "7"])
    if "--" in arguments:
        assert words[words.index("--") :] == arguments[at:]


def test_a_failed_build_shows_the_end_of_its_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, checks: Callable[[Build], None], capsys: pytest.CaptureFixture[str]
) -> None:
    checks(failing)

    def made(shop: Any, config: Any, given: Any, *, fresh: bool) -> Any:
        return Bench(folder).checked(failing, seed=7, log=b"cc: no such file\n\x1b]0;x\x07make: *** Error 1\n")

    monkeypatch.setattr(command, "_run", made)
    assert run("demo", "--seed", "7") == 13
    told = capsys.readouterr().out.splitlines()
    at = told.index("The last 2 lines of its log")
    assert told[at + 1 : at + 3] == ["  cc: no such file", "  \\x1b]0;x\\x07make: *** Error 1"]


@pytest.mark.parametrize(
    ("named", "into"),
    [("", None), ("demo", None), ("./demo/../demo", None), (".", "."), ("elsewhere", "elsewhere")],
)
def test_the_project_named_as_folder_of_recipes_means_its_own(folder: Path, named: str, into: str | None) -> None:
    assert command._recipes(Path("demo"), named) == (Path(into) if into else None)


def test_a_recipe_that_was_written_is_said_to_come_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, checks: Callable[[Build], None], capsys: pytest.CaptureFixture[str]
) -> None:
    checks(same)
    asked: list[Path | None] = []

    def written(checked: Any, project: Path, blobs: Any, into: Path | None) -> tuple[Path, ...]:
        asked.append(into)
        return (Path("demo/recipes/recipe.toml"),)

    monkeypatch.setattr("rebuilder.check_recipe.write_recipe", written)
    assert run("demo", "--seed", "7", "--write-recipe", "demo") == 0
    assert asked == [None]
    told = capsys.readouterr().err
    assert "wrote demo/recipes/recipe.toml" in told
    assert (
        "this recipe pins commit cccccccccccc, so it cannot be part of it: commit it later, or keep it elsewhere "
        "(--write-recipe DIR); keep it out of your sdist"
    ) in told


def test_everything_that_was_asked_for_is_kept(
    folder: Path, checks: Callable[[Build], None], capsys: pytest.CaptureFixture[str]
) -> None:
    checks(broken)
    code = run("demo", "--seed", "7", "--output", "report", "--sarif", "x.sarif", "--junit", "x.xml")
    assert code == 10
    report = folder / "report"
    kept = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    assert kept == {
        "index.html", "check.json", "toolchain.lock.json", "difference-out.json", "build-1.log", "build-2.log",
        "build-3.log", "first/build.sh", "first/input/source.tar", "second/build.sh", "second/input/source.tar",
    }  # fmt: skip
    told = CheckReport.model_validate_json((report / "check.json").read_bytes())
    assert [one.variations for one in told.breakages] == [("path",)]
    assert (report / "first" / "build.sh").stat().st_mode & 0o111
    assert json.loads((folder / "x.sarif").read_text())["version"] == "2.1.0"
    assert len(list(ET.parse(folder / "x.xml").getroot().iter("testcase"))) >= len(NAMES)
    assert "report/index.html" in capsys.readouterr().out


def test_the_report_of_an_earlier_check_is_replaced_whole(folder: Path, checks: Callable[[Build], None]) -> None:
    checks(broken)
    run("demo", "--seed", "7", "--output", "report")
    (folder / "report" / "mine.txt").write_text("keep")
    checks(same)
    assert run("demo", "--seed", "7", "--output", "report") == 0
    names = {path.name for path in (folder / "report").iterdir()}
    assert "difference-out.json" not in names
    assert "build-3.log" not in names
    assert "mine.txt" in names
    told = CheckReport.model_validate_json((folder / "report" / "check.json").read_bytes())
    assert told.verdict.value == "reproducible"


def test_nothing_of_the_faked_world_leaves_the_state(folder: Path, checks: Callable[[Build], None]) -> None:
    checks(same)
    run("demo", "--seed", "7")
    assert {path.name for path in (folder / "demo").iterdir()} == {"Makefile"}


def test_the_help_shows_how_it_is_done_and_what_the_exit_codes_are(capsys: pytest.CaptureFixture[str]) -> None:
    run("--help")
    shown = capsys.readouterr().out
    assert "rebuilder check . --variations all,-cpu --seed 7" in shown
    for code in ("0 no difference seen", "10 outputs differ", "12 builds", "13 the build", "15 toolchain"):
        assert code in " ".join(shown.split())
