"""A build of a check as a plan: the same steps in every build, and nothing but values of the setting differ."""

from __future__ import annotations

import io
import itertools
import subprocess
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rebuilder.check.builds import (
    INPUT_FOLDER,
    OUT_FOLDER,
    PROBE_MARK,
    REQUIRES,
    Circumstances,
    Materials,
    Probe,
    build_plan,
    environment,
    hooks_plan,
    tools_folder,
)
from rebuilder.check.fixes import Trial
from rebuilder.check.model import Project, ProjectKind
from rebuilder.check.variations import NAMES, Draw, Setting, control, setting
from rebuilder.errors import InfrastructureError
from rebuilder.model import BuildPlan, FileDigest, Limits, RootFile, Step
from rebuilder.sandbox.layers import MAX_APPENDED, layer_tar, only_file
from tests.unit.project_cases import ENVIRONMENT, git, make

PROBE = Probe(script="print 'probe';\n# a second line", word="c0ffee")
DRAW = Draw(seed=7, now=datetime(2026, 11, 29, tzinfo=UTC))
BASE = control("demo")
VARIED = setting(BASE, DRAW, NAMES)


def file(name: str) -> FileDigest:
    return FileDigest(name=name, sha256="ab" * 32, size=1)


EVERYTHING = Materials(
    tree=file("tree.tar"),
    history=file("some.bundle"),
    wheels=(file("a-1-py3-none-any.whl"), file("b-2-py3-none-any.whl")),
    npm_cache=file("cache.tar"),
)
BARE = Materials(tree=file("tree.tar"))


def project(**changes: Any) -> Project:
    values: dict[str, Any] = {
        "kind": ProjectKind.PYTHON,
        "name": "demo",
        "found": "pyproject.toml",
        "steps": (
            Step(argv=("python3", "-c", "first\nsecond", "@TREE@/x", "@INPUT@"), cwd="@TREE@"),
            Step(argv=("cp", "-t", "@OUT@", "made"), cwd="@TOOLS@", label="take it"),
        ),
        "wheels": ("a", "b"),
        "tools": ("python3", "cc"),
    }
    return Project(**values | changes)


def around(fix: Trial | None = None, epoch: int | None = 1_700_000_000, **changes: Any) -> Circumstances:
    return Circumstances(project=project(**changes), epoch=epoch, limits=Limits(), fix=fix or Trial())


def plan(of: Circumstances | None = None, made: Setting = BASE, materials: Materials = EVERYTHING,
         probe: Probe = PROBE) -> BuildPlan:  # fmt: skip
    return build_plan(of or around(), made, materials, probe)


def bare(step: Step) -> tuple[str, ...]:
    """What the step runs inside of what sets its umask and its kernel."""
    assert step.argv[:2] == ("/usr/bin/perl", "-e")
    rest = step.argv[4:]
    return rest[2:] if rest[:1] == ("setarch",) else rest


def test_source_packages_probe_project_in_this_order() -> None:
    made = plan()
    words = [" ".join(bare(step)) for step in made.steps]
    firsts = ["tar -x --strip", "mkdir -p", "sh -c set -e; git init", "python3 -m venv", "python3 -m pip", "tar -x -f",
              "npm ci", "/usr/bin/perl -e print 'probe'", "python3 -c first", "cp -t"]  # fmt: skip
    assert [step.label for step in made.steps][:7] == [
        "unpack the source", "folders", "history from Git", "environment of Python", "packages of Python",
        "cache of npm", "packages of npm",
    ]  # fmt: skip
    assert len(words) == len(firsts)
    for said, first in zip(words, firsts, strict=True):
        assert said.startswith(first), said
    assert made.unpack_steps == 1


def test_the_history_of_a_check_is_pinned_word_for_word_and_a_commit_is_held_to(tmp_path: Path) -> None:
    script = (
        'set -e; git init -q; git fetch -q --tags "$1" HEAD:refs/heads/main; '
        "git symbolic-ref HEAD refs/heads/main; git reset -q"
    )
    assert bare(plan().steps[2]) == ("sh", "-c", script, "sh", "/build/input/history.bundle")
    source, bundle = make(tmp_path / "source", {"a": "a"}), str(tmp_path / "history.bundle")
    git(source, "bundle", "create", "-q", bundle, "HEAD")
    found = git(source, "rev-parse", "HEAD")
    for commit in (found, "ab" * 20):
        argv = bare(plan(materials=replace(EVERYTHING, commit=commit)).steps[2])
        work = tmp_path / commit
        work.mkdir()
        (work / "a").write_text("a")
        words = [bundle if word == "/build/input/history.bundle" else word for word in argv]
        done = subprocess.run(words, cwd=work, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        told = "" if commit == found else f"expected the history of commit {commit}, found that of {found}\n"
        assert (done.returncode, done.stderr) == (int(commit != found), told)


def test_without_packages_of_a_language_only_the_folders_are_made() -> None:
    made = plan(materials=BARE, of=around(wheels=()))
    assert [bare(step)[0] for step in made.steps] == ["tar", "mkdir", "/usr/bin/perl", "python3", "cp"]


@given(st.frozensets(st.sampled_from(NAMES)))
def test_every_build_has_the_same_steps_but_for_its_values(names: frozenset[str]) -> None:
    varied = plan(made=setting(BASE, DRAW, names))  # type: ignore[arg-type]
    first = plan()
    assert [step.label for step in varied.steps][2:9] == [step.label for step in first.steps][2:9] or names
    assert len(varied.steps) == len(first.steps)
    assert [bare(step)[0].rpartition("/")[2] for step in varied.steps] == [
        bare(step)[0].rpartition("/")[2] for step in first.steps
    ]
    assert (varied.outputs, varied.inputs, varied.limits) == (first.outputs, first.inputs, first.limits)


def test_the_probe_sees_what_the_project_sees() -> None:
    """It runs in the same umask, under the same kernel, in the same folder, before anything of the project."""
    made = plan(made=VARIED)
    (at,) = (index for index, step in enumerate(made.steps) if PROBE_MARK in step.argv)
    probe, first = made.steps[at], made.steps[at + 1]
    assert probe.argv[:5] == first.argv[:5]
    assert "setarch" in probe.argv
    assert probe.cwd == first.cwd == VARIED.tree
    assert bare(probe)[3:] == (PROBE_MARK, "c0ffee", VARIED.tree, "rule", "python3", "cc")
    assert not any(PROBE_MARK in step.argv for step in plan(probe=Probe()).steps)


def test_what_the_project_pins_wins_over_what_is_varied_and_a_fix_over_both() -> None:
    pinned = {"LC_ALL": "C", "HOME": "@TREE@/home", "EXTRA": "@OUT@:@TOOLS@"}
    found = environment(around(environment=pinned), VARIED)
    assert found["LC_ALL"] == "C"
    assert found["HOME"] == f"{VARIED.tree}/home"
    assert found["EXTRA"] == f"{OUT_FOLDER}:{tools_folder(VARIED)}"
    assert found["LANG"] == VARIED.locale
    fixed = environment(around(Trial(variables={"LC_ALL": "POSIX", "FLAGS": "-m=@TREE@"}), environment=pinned), VARIED)
    assert fixed["LC_ALL"] == "POSIX"
    assert fixed["FLAGS"] == f"-m={VARIED.tree}"


def test_the_epoch_is_set_only_where_there_is_one() -> None:
    assert environment(around(), BASE)["SOURCE_DATE_EPOCH"] == "1700000000"
    assert "SOURCE_DATE_EPOCH" not in environment(around(epoch=None), BASE)


@pytest.mark.parametrize("made", [BASE, VARIED], ids=["control", "varied"])
def test_words_that_stand_for_folders_are_replaced_wherever_they_are(made: Setting) -> None:
    own = plan(made=made).steps[-2:]
    assert bare(own[0]) == ("python3", "-c", "first\nsecond", f"{made.tree}/x", INPUT_FOLDER)
    assert own[0].cwd == made.tree
    assert bare(own[1]) == ("cp", "-t", OUT_FOLDER, "made")
    assert own[1].cwd == tools_folder(made)
    assert "@" not in " ".join(word for step in own for word in (*step.argv[4:], step.cwd))


def test_only_the_source_and_named_packages_are_in_the_plan() -> None:
    """No published file, no earlier output, no cache, and no network: a plan has no field for one."""
    made = plan()
    assert [one.name for one in made.inputs] == [
        "source.tar", "history.bundle", "npm-cache.tar", "a-1-py3-none-any.whl", "b-2-py3-none-any.whl"
    ]  # fmt: skip
    assert "network" not in BuildPlan.model_fields
    offline = {word for step in made.steps for word in step.argv}
    assert {"--no-index", "--offline", "--ignore-scripts"} <= offline
    assert [one.name for one in plan(materials=BARE).inputs] == ["source.tar"]


def test_no_label_holds_a_line_break_or_a_script() -> None:
    for made in (plan(), plan(made=VARIED)):
        for step in made.steps:
            assert step.label
            assert "\n" not in step.label
            assert "umask oct" not in step.label
    assert plan().steps[-1].label == "take it"


@pytest.mark.parametrize("made", [BASE, VARIED], ids=["control", "varied"])
def test_the_container_is_what_the_setting_says(made: Setting) -> None:
    built = plan(made=made)
    assert built.user == f"{made.uid}:{made.uid}"
    assert (built.hostname, built.domainname, built.cpuset) == (made.hostname, made.domainname, made.cpuset)
    passwd = next(one for one in built.files if one.path == "/etc/passwd")
    assert passwd.append
    assert passwd.content == f"{made.user}:x:{made.uid}:{made.uid}:{made.user}:{made.home}:/bin/sh\n"
    assert any(one.link == "bash" for one in built.files) == made.bash
    folders = bare(built.steps[1])
    assert {made.home, made.tmpdir, OUT_FOLDER} <= set(folders)
    assert (made.exec_folder in folders) == bool(made.exec_folder)
    assert all(step.argv[3] == made.umask for step in built.steps)


def test_a_fix_reaches_every_name_of_a_compiler_as_data() -> None:
    fix = Trial(compiler=("-fmap=@TREE@=.", "-DX='; rm -rf /;'"))
    built = plan(of=around(fix))
    scripts = {one.path: one for one in built.files if one.path.startswith("/usr/local/bin/")}
    assert {"/usr/local/bin/cc", "/usr/local/bin/g++", "/usr/local/bin/clang"} <= scripts.keys()
    script = scripts["/usr/local/bin/cc"]
    assert script.executable
    assert script.content.startswith("#!/bin/sh\nexec /usr/bin/cc -fmap=/build/work/demo=. '-DX='")
    assert script.content.endswith(' "$@"\n')
    assert not any(one.path.startswith("/usr/local") for one in plan().files)


def test_the_hooks_of_a_backend_are_asked_where_the_build_would_run_and_nothing_of_the_build_runs() -> None:
    made = hooks_plan(around(), BASE, EVERYTHING, "ask()")
    assert made.outputs == (REQUIRES,)
    assert len(made.steps) == len(plan(probe=Probe()).steps) - 2 + 1
    assert bare(made.steps[-1]) == (
        f"{tools_folder(BASE)}/bin/python", "-P", "-c", "ask()", f"{OUT_FOLDER}/{REQUIRES}"
    )  # fmt: skip
    assert not any("first\nsecond" in step.argv for step in made.steps)


# --- files of one build, as the engine is given them ----------------------------------------------


def tarred(name: str, data: bytes = b"", **changes: Any) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for field, value in changes.items():
            setattr(info, field, value)
        archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def test_a_layer_belongs_to_root_and_is_the_same_every_time() -> None:
    files = plan(made=VARIED).files
    first, again = (layer_tar(files, lambda path: b"root:x:0:0::/:/bin/sh\n") for _ in range(2))
    assert first == again
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        found = {info.name: info for info in archive}
        passwd = archive.extractfile("etc/passwd")
        assert passwd is not None
        assert passwd.read().startswith(b"root:x:0:0::/:/bin/sh\n" + VARIED.user.encode())
    assert found.keys() == {"etc/passwd", "etc/group", "usr/bin/sh"}
    assert (found["usr/bin/sh"].issym(), found["usr/bin/sh"].linkname) == (True, "bash")
    for info in found.values():
        assert (info.uid, info.gid, info.mtime) == (0, 0, 0)
        assert not info.mode & 0o022 or info.issym()


@pytest.mark.parametrize(
    "path", ["etc/passwd", "/etc/../x", "/..", "/", "", "/etc/passwd/", "//etc", "/a b", "/a\n", "/\0", "/a/./b"]
)
def test_a_file_of_a_build_lies_where_it_says(path: str) -> None:
    with pytest.raises(ValidationError, match="pattern"):
        RootFile(path=path)


def test_what_the_engine_says_of_a_file_is_read_within_bounds() -> None:
    assert only_file([tarred("passwd", b"root\n")], "/etc/passwd") == b"root\n"
    with pytest.raises(InfrastructureError, match=r"expected /etc/passwd .* to be a regular file, found something"):
        only_file([tarred("passwd", type=tarfile.SYMTYPE, linkname="/etc/shadow")], "/etc/passwd")
    with pytest.raises(InfrastructureError, match=f"less than {MAX_APPENDED} bytes, found more"):
        only_file(itertools.repeat(b"x" * 1000), "/etc/passwd")
