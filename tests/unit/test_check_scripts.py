"""Builds as scripts: whatever stands in a plan is data in them, and both differ in what was varied only."""

from __future__ import annotations

import difflib
import re
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.check.builds import PROBE_MARK, Circumstances, Materials, Probe, build_plan
from rebuilder.check.model import Project, ProjectKind
from rebuilder.check.scripts import Named, build_script
from rebuilder.check.variations import NAMES, TABLE, Draw, control, setting
from rebuilder.model import BuildPlan, FileDigest, Limits, RootFile, Step

NAMED = Named(project="demo", what="first build: nothing varied", image="rebuilder-root:" + "ab" * 32)
NASTY = [
    "it's",
    "$HOME `id` $(id)",
    'say "hello"',
    "back\\slash\\'",
    "\\",
    "'",
    "a\nPROGRAM\nb",
    "\nPROGRAM\n",
    "\nPROGRAM\nPROGRAM\nPROGRAM\n",
    "PROGRAM",
    "PROGRAM\n",
    "\n\n",
    "a\r\nb\r",
    "\r\nPROGRAM\r\n",
    "@array %hash {} ; & | < > * ? [ ] ~ #",
    "ünï \u202e \x1b[31m",
    "-rf /",
    "",
]


DRAW = Draw(seed=7, now=datetime(2026, 11, 29, tzinfo=UTC))
#: What a variation sets by other words than its value.
_ITS_VARIABLES = re.compile(
    r"LD_PRELOAD|FAKE|MAKEFLAGS|PARALLEL|DEB_BUILD|LANGUAGE|SHELL|HASH_?SEED|setarch|--uname|cpuset|usr/bin/sh|"
    r"domainname=|usr/bin$|'PATH'|'/build/out'"
)


def plan(*words: str, **changes: Any) -> BuildPlan:
    values: dict[str, Any] = {
        "build": "generic",
        "inputs": (FileDigest(name="source.tar", sha256="ab" * 32, size=1),),
        "input_dir": "/build/input",
        "steps": (Step(argv=("make", *words), cwd="/build/work/demo"),),
        "environment": {"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1700000000"},
        "outputs": ("*",),
        "output_dir": "/build/out",
    }
    return BuildPlan(**values | changes)


def program(script: str) -> str:
    """What the shell puts into run.pl: up to the first line that ends the here-document."""
    return script.partition("<<'PROGRAM'\n")[2].partition("\nPROGRAM\n")[0] + "\n"


def accepted(script: str) -> None:
    shell = subprocess.run(["sh", "-n"], input=script.encode(), capture_output=True, check=False)
    assert (shell.returncode, shell.stderr) == (0, b""), script
    perl = subprocess.run(["perl", "-c"], input=program(script).encode(), capture_output=True, check=False)
    assert b"syntax OK" in perl.stderr, perl.stderr.decode() + program(script)


def read_back(script: str) -> tuple[dict[str, str], list[list[str]]]:
    """The variables and the steps, as perl itself reads them."""
    text = program(script)
    head, rest = text.partition("open(my $outputs")[::2]
    steps = rest[rest.index("\nstep(") :].partition("open(STDOUT, '>&', $outputs)")[0]
    shown = 'sub step { print join("\\0", @_), "\\1"; }\n'
    told = 'print join("\\0", map { "$_\\0$ENV{$_}" } sort keys %ENV), "\\1";\n'
    code = (head + told + shown + steps).encode()
    done = subprocess.run(["perl"], input=code, capture_output=True, check=True)
    first, *found = done.stdout.decode().split("\1")[:-1]
    words = first.split("\0") if first else []
    return dict(zip(words[::2], words[1::2], strict=True)), [one.split("\0") for one in found]


@pytest.mark.parametrize("value", NASTY)
def test_a_value_is_data_wherever_it_stands(value: str) -> None:
    made = plan(
        value,
        value,
        steps=(Step(argv=("sh", "-c", value), cwd=f"/build/{value or 'x'}"), Step(argv=("true", value), cwd="/build")),
        environment={"VALUE": value, "PATH": "/usr/bin"},
        hostname=value,
        domainname=value,
        files=(RootFile(path="/etc/passwd", content=value, append=True), RootFile(path="/usr/bin/sh", link="bash")),
    )
    script = build_script(made, Named(project=value, what=value, image=value))
    accepted(script)
    variables, steps = read_back(script)
    assert variables == made.environment
    assert steps == [[step.cwd, *step.argv] for step in made.steps]


text = st.text(
    st.sampled_from("'\"$`\\\n @%PROGRAM{};ü") | st.characters(codec="utf-8", exclude_characters="\0\1"), max_size=30
)


@given(st.lists(st.sampled_from(NASTY) | text, max_size=4), st.dictionaries(st.from_regex(r"\A[A-Z_]{1,9}\Z"), text,
                                                                             max_size=3))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_any_value_comes_back_from_perl_as_it_was(words: list[str], environment: dict[str, str]) -> None:
    made = plan(*words, environment=environment)
    script = build_script(made, NAMED)
    accepted(script)
    variables, steps = read_back(script)
    assert variables == made.environment
    assert steps == [[step.cwd, *step.argv] for step in made.steps]


def test_the_name_of_a_project_cannot_leave_its_comment() -> None:
    script = build_script(plan(), Named(project="x\nrm -rf /\n\u2028y", what="w", image="i"))
    assert "\nrm" not in script
    assert "# A build of x?rm -rf /" in script


def test_the_probe_is_in_no_script() -> None:
    script = build_script(plan(steps=(Step(argv=("perl", "-e", "x", PROBE_MARK, "secret-word"), cwd="/build"),
                                      Step(argv=("make",), cwd="/build"))), NAMED)  # fmt: skip
    assert "secret-word" not in script
    assert PROBE_MARK not in script


def of(names: tuple[Any, ...]) -> str:
    project = Project(kind=ProjectKind.MAKE, name="demo", found="Makefile",
                      steps=(Step(argv=("make", "@TREE@"), cwd="@TREE@"),))  # fmt: skip
    around = Circumstances(project=project, epoch=1_700_000_000, limits=Limits())
    made = build_plan(
        around, setting(control("demo"), DRAW, names), Materials(tree=FileDigest(name="t", sha256="ab" * 32, size=1)),
        Probe(script="probe", word="word"),
    )  # fmt: skip
    return build_script(made, NAMED)


def changed(one: str, other: str) -> list[str]:
    return [line[2:] for line in difflib.ndiff(one.splitlines(), other.splitlines()) if line[:2] in {"- ", "+ "}]


@pytest.mark.parametrize("name", NAMES)
def test_two_scripts_differ_only_in_what_was_varied(name: str) -> None:
    first, second = of(()), of((name,))
    accepted(second)
    lines = changed(first, second)
    if name in {"order", "times"}:
        assert lines == [], "they are in the tar beside the script"
        return
    assert lines
    values = [str(value) for value in TABLE[name].draw(DRAW).values() if len(str(value)) > 1]  # type: ignore[index]
    usual = [str(value) for value in asdict(control("demo")).values() if len(str(value)) > 1]
    for line in lines:
        assert any(value in line for value in (*values, *usual)) or _ITS_VARIABLES.search(line), line


def test_nothing_varied_is_the_same_script() -> None:
    assert of(()) == of(())
    assert changed(of(()), of(tuple(NAMES)))


def test_the_container_has_no_network_and_no_rights() -> None:
    script = build_script(plan(), NAMED)
    for words in ("--network none", "--cap-drop ALL", "no-new-privileges", '--user "$user"', "--pids-limit"):
        assert words in script
