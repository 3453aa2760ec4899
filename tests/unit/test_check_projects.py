"""How a project is built is found in its files; what is not understood is refused in words."""

from __future__ import annotations

import pytest

from rebuilder.check.kinds.tree import plain_name
from rebuilder.check.model import TREE, ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Step
from tests.unit.check_cases import SEEN, of, words

NEEDY = {"Cargo.toml": '[package]\nname = "demo"\n[dependencies]\nlibc = "0.2"\n'}


@pytest.mark.parametrize("kind", SEEN)
def test_each_kind_is_seen_and_comes_before_the_next(kind: ProjectKind) -> None:
    alone = of(SEEN[kind])
    assert alone.kind is kind
    assert not any("also found" in note for note in alone.notes)
    kinds = list(SEEN)
    later = {name: text for other in kinds[kinds.index(kind) :] for name, text in SEEN[other].items()}
    assert of(later).kind is kind
    assert of(later, kind=kind).kind is kind


def test_what_else_was_seen_is_noted() -> None:
    project = of({**SEEN[ProjectKind.PYTHON], **SEEN[ProjectKind.MAKE]})
    assert project.notes == (
        "also found: GNUmakefile, makefile or Makefile (make); to build that instead, set kind = 'make' "
        "in [tool.rebuilder.check]",
    )


def test_nothing_found_says_what_was_looked_for() -> None:
    with pytest.raises(
        UsageError, match=r"found none of\n  debian: debian/control(.|\n)*  make: GNUmakefile"
    ) as caught:
        of({"README": ""})
    assert "[tool.rebuilder.check]" in caught.value.hint
    assert "rebuilder check DIR -- ./build.sh" in caught.value.hint


def test_a_pyproject_that_only_configures_tools_is_no_python_project() -> None:
    assert of({"pyproject.toml": "[tool.black]\n", **SEEN[ProjectKind.MAKE]}).kind is ProjectKind.MAKE


def test_a_kind_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"kind = 'npm' in the settings: expected package.json .*, found no such file"):
        of(SEEN[ProjectKind.MAKE], kind="npm")
    with pytest.raises(UsageError, match=r"expected the commands in `build`, found none"):
        of(SEEN[ProjectKind.MAKE], kind="command")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("@scope/demo", "scope-demo"),
        ("a\nb/../c", "a-b-..-c"),
        ("../..", "project"),
        ("Grüße", "Gr-e"),
        ("", "project"),
        (7, "project"),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_are_made_plain(name: object, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"package.json": "[" * 100_000}, "package.json: nested too deep"),
        ({"package.json": "{"}, "package.json: not valid JSON"),
        ({"package.json": '{"name": "a", "version": ' + "9" * 9999 + "}"}, "package.json: not valid JSON"),
        ({"Cargo.toml": "x" * (4 * 1024**2 + 1)}, "Cargo.toml: expected at most 4194304 bytes"),
        ({"Cargo.toml": "a" + ".a" * 10_000 + " = 1"}, "Cargo.toml: nested too deep"),
        ({"Cargo.toml": "["}, "Cargo.toml: not valid TOML"),
        ({**SEEN[ProjectKind.DEBIAN], "debian/changelog": "\x1b[2J"}, "debian/changelog: expected 'name"),
        ({**SEEN[ProjectKind.DEBIAN], "debian/control": "Source: a\nSource: b\n"}, "debian/control: .*twice"),
        ({**SEEN[ProjectKind.DEBIAN], "debian/control": "# only\n"}, "debian/control: expected a paragraph"),
        (
            {**SEEN[ProjectKind.DEBIAN], "debian/control": "Source: a\nBuild-Depends: a, --evil\n"},
            "debian/control: Build-Depends: expected a Debian relation .* found '--evil'",
        ),
    ],
)
def test_hostile_files(files: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        of(files)


@pytest.mark.parametrize(
    "text",
    [
        "project(" * 8000,
        "project(a" + " " * 60_000,
        "project('a'" + "," * 60_000,
        "AC_INIT(" + " " * 60_000,
        "AC_INIT([" + "a" * 60_000,
    ],
)
def test_texts_that_make_patterns_slow(text: str) -> None:
    for name in ("CMakeLists.txt", "meson.build", "configure.ac"):
        assert of({name: text}).name


def test_a_command_comes_before_all() -> None:
    project = of(SEEN[ProjectKind.PYTHON], "python3", "make it.py", build=(("no",),), packages=("zip",))
    assert project.kind is ProjectKind.COMMAND
    assert project.found == "the command given"
    assert project.name == "demo"
    assert project.steps[1] == Step(argv=("python3", "make it.py"), cwd=TREE)
    assert project.wheels == ("hatchling>=1.2", "build")
    assert {"build-essential", "python3", "python3-venv", "zip"} <= set(project.relations)
    assert any("needs (kind python)" in note for note in project.notes)


def test_build_of_the_settings() -> None:
    project = of({}, build=(("./a",), ("./b", "c")), outputs=("x/*",), environment={"A": "1"}, wheels=("jinja2",))
    assert words(project)[:2] == ["./a", "./b c"]
    assert project.environment == {"A": "1"}
    assert (project.wheels, project.asks_backend) == (("jinja2",), False)
    assert "python3-venv" in project.relations
    assert project.name == "folder"


def test_a_command_does_not_fail_for_what_it_may_not_need() -> None:
    project = of(NEEDY, "./build.sh")
    assert any("could not be read off its files: Cargo.toml" in note for note in project.notes)
    assert of(NEEDY, "./build.sh", kind="command").relations == ("build-essential",)
    with pytest.raises(UsageError, match=r"expected a Cargo.lock"):
        of(NEEDY, "./build.sh", kind="cargo")


def test_outputs_of_a_kind_that_names_its_own() -> None:
    with pytest.raises(UsageError, match="name their own outputs, so `outputs` would say nothing"):
        of(SEEN[ProjectKind.PYTHON], outputs=("dist/*.whl",))
    assert of(SEEN[ProjectKind.PYTHON], outputs=("dist/*.whl",), build=(("x",),)).steps[-1].argv[-2] == "dist/*.whl"
