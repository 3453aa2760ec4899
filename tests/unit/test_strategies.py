"""Steps of front ends: what is run, and that only what was published is made."""

from __future__ import annotations

import pytest

from rebuilder.errors import UsageError
from rebuilder.recipe import ProjectStep
from rebuilder.resolve import strategies
from rebuilder.resolve.strategies import (
    FRONT_ENDS,
    front_end_requirements,
    npm_steps,
    outputs,
    python_steps,
    reads_history,
)

BOTH: strategies.Wanted = frozenset({"wheel", "sdist"})
WHEEL: strategies.Wanted = frozenset({"wheel"})
SDIST: strategies.Wanted = frozenset({"sdist"})


def words(steps: tuple[ProjectStep, ...]) -> list[str]:
    return [" ".join(step.argv) for step in steps]


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("wanted", [BOTH, WHEEL, SDIST])
def test_every_front_end_has_steps_without_isolation(front_end: str, wanted: strategies.Wanted) -> None:
    steps = python_steps(front_end, wanted=wanted)
    assert steps
    assert all(step.label for step in steps)
    assert all(step.cwd == "@TREE@" for step in steps)
    for line in words(steps):
        if " -m " in line:
            assert "@TOOLS@/bin/python -P -m" in line
        if " -m build" in line:
            assert "--no-isolation" in line


@pytest.mark.parametrize("front_end", ["build", "uv"])
def test_build_makes_the_wheel_of_the_sdist(front_end: str) -> None:
    (both,) = words(python_steps(front_end, wanted=BOTH))
    assert "--sdist" not in both
    assert "--wheel" not in both
    made, left_out = words(python_steps(front_end, wanted=WHEEL))
    assert made == both
    assert left_out == "find @OUT@ -maxdepth 1 -type f -name *.tar.gz -delete"
    (sdist,) = words(python_steps(front_end, wanted=SDIST))
    assert " --sdist " in sdist


@pytest.mark.parametrize("front_end", ["straight", "poetry", "hatch"])
def test_straight_makes_each_of_the_tree(front_end: str) -> None:
    assert " --sdist --wheel --outdir @OUT@ ." in words(python_steps(front_end, wanted=BOTH))[0]
    assert " --wheel --outdir" in words(python_steps(front_end, wanted=WHEEL))[0]
    assert "--sdist" not in words(python_steps(front_end, wanted=WHEEL))[0]


def test_flit_builds_in_the_tree_and_only_what_it_made_is_taken() -> None:
    lines = words(python_steps("flit", wanted=WHEEL))
    assert lines == [
        "touch @TOOLS@/began",
        "env FLIT_NO_NETWORK=1 @TOOLS@/bin/python -P -m flit build",
        "find @TREE@/dist -maxdepth 1 -type f -newer @TOOLS@/began -name *.whl -exec cp -t @OUT@ {} +",
    ]
    assert words(python_steps("flit", wanted=SDIST))[1].endswith("build --format sdist")
    assert len(python_steps("flit", wanted=BOTH)) == 4


def test_flit_writes_a_setup_py_where_it_is_told_to_and_reads_git_always() -> None:
    assert words(python_steps("flit-setup-py", wanted=BOTH))[1].endswith("flit build --setup-py")
    assert words(python_steps("flit-setup-py", wanted=SDIST))[1].endswith("build --setup-py --format sdist")
    assert [name for name in FRONT_ENDS if reads_history(name)] == ["flit", "flit-setup-py"]


def test_setup_py_is_the_trees_own_script() -> None:
    (line,) = words(python_steps("setup.py", wanted=BOTH))
    assert line == "@TOOLS@/bin/python setup.py sdist --dist-dir @OUT@ bdist_wheel --dist-dir @OUT@"
    (step,) = python_steps("setup.py", wanted=WHEEL)
    assert step.argv[1:] == ("setup.py", "bdist_wheel", "--dist-dir", "@OUT@")
    assert step.label == "setup.py bdist_wheel"


def test_a_front_end_says_what_it_needs() -> None:
    needs = {name: front_end_requirements(name) for name in FRONT_ENDS}
    assert needs.pop("flit") == needs.pop("flit-setup-py") == ("flit",)
    assert needs.pop("setup.py") == ("setuptools", "wheel")
    assert set(needs.values()) == {("build",)}


def test_an_unknown_front_end_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"expected a front end that is known, found 'fliit'; did you mean 'flit'\?"):
        python_steps("fliit", wanted=BOTH)
    with pytest.raises(UsageError, match=r"found 'nothing at all'") as told:
        front_end_requirements("nothing at all")
    assert "build, straight, flit" in told.value.hint


def test_something_has_to_be_wanted() -> None:
    with pytest.raises(UsageError, match="expected a wheel or an sdist to be built, found neither"):
        python_steps("build", wanted=frozenset())


def test_outputs_are_patterns_of_what_is_wanted() -> None:
    assert outputs(BOTH) == ("*.whl", "*.tar.gz")
    assert outputs(SDIST) == ("*.tar.gz",)


def test_npm_packs_the_tree_or_a_folder_of_it_into_the_folder_of_outputs() -> None:
    (step,) = npm_steps(node=False, prepare=True)
    assert step.argv == ("npm", "pack", "@TREE@")
    assert step.cwd == "@OUT@"
    (step,) = npm_steps(node=True, prepare=False, directory="packages/core")
    assert step.argv[0] == "env"
    assert step.argv[1].startswith("PATH=@TOOLS@/node/bin:/usr/local/sbin")
    assert step.argv[2:] == ("node", "@TOOLS@/npm/bin/npm-cli.js", "pack", "--ignore-scripts", "@TREE@/packages/core")


@pytest.mark.parametrize("bad", ["..", "a/../b", "/etc", "a//b", "./a", "a/", "x\n", "a@TREE@"])
def test_a_folder_outside_of_the_tree_is_refused(bad: str) -> None:
    with pytest.raises(UsageError, match="expected a folder of the tree such as packages/core"):
        npm_steps(node=True, prepare=True, directory=bad)


def test_what_only_publishing_runs_comes_before_packing() -> None:
    first, packed = npm_steps(node=True, prepare=True, before=("prepublishOnly",))
    assert first.argv[2:] == ("node", "@TOOLS@/npm/bin/npm-cli.js", "run", "prepublishOnly")
    assert (first.cwd, packed.cwd) == ("@TREE@", "@OUT@")
    with pytest.raises(UsageError, match=r"expected scripts of package\.json such as prepublishOnly, found '--x'"):
        npm_steps(node=True, prepare=True, before=("--x",))


@pytest.mark.parametrize(
    ("program", "folder"), [("clean-publish", "clean-publish-copy"), ("dual-publish", "dual-publish-tmp")]
)
def test_programs_that_publish_a_copy_are_kept_from_publishing(program: str, folder: str) -> None:
    copied, packed = strategies.copying_steps(program, node=True)
    assert copied.argv[2:5] == ("node", f"@TREE@/node_modules/.bin/{program}", "--without-publish")
    assert packed.argv[-3:] == ("pack", "--ignore-scripts", f"@TREE@/{folder}")
    assert strategies.copying_steps(program, node=False)[1].argv[0] == "npm"


def test_npmignore_is_run_with_the_words_of_the_script() -> None:
    first, packed = strategies.ignoring_steps(("npmignore", "--auto"), node=False)
    assert first.argv == ("node", "@TREE@/node_modules/.bin/npmignore", "--auto")
    assert packed.argv == ("npm", "pack", "--ignore-scripts", "@TREE@")
