"""Where each input of a project's build comes from, said honestly (design section 3). Pure."""

from __future__ import annotations

from rebuilder.check import builds
from rebuilder.check.model import SourceState
from rebuilder.lock import ToolchainLock
from rebuilder.model import Input, Origin, Published, utc
from rebuilder.recipe import ProjectRecipe
from rebuilder.resolve.projects_recipe import BY_HAND, HISTORY_NAME, circumstances_of

_AS_CHECK = "`rebuilder check` builds so"


def given(recipe: ProjectRecipe, state: SourceState) -> tuple[Input, ...]:
    """Of a project at hand, for which no recipe was written."""
    commit = state.commit if recipe.source.commit else ""
    return (
        *_source(recipe, Origin.PINNED, BY_HAND if not commit else f"{BY_HAND}: the commit that is checked out"),
        toolchain(recipe, None),
        *_settings(recipe, Origin.ASSUMED, _AS_CHECK),
        _epoch(recipe, Origin.ASSUMED, state.epoch_from),
    )


def pinned(recipe: ProjectRecipe, published: Published, lock: ToolchainLock | None) -> tuple[Input, ...]:
    """Of a recipe."""
    changed = repacked(recipe, published)
    evidence = "recipe" if not changed else f"recipe; {HISTORY_NAME} has sha256 {changed}"
    return (
        *_source(recipe, Origin.ASSUMED if changed else Origin.PINNED, evidence),
        toolchain(recipe, lock),
        *_settings(recipe, Origin.PINNED, "recipe"),
        _epoch(recipe, Origin.PINNED, "recipe, build.epoch"),
    )


def weakened(recipe: ProjectRecipe, published: Published, lock: ToolchainLock | None) -> tuple[str, ...]:
    """Sentences on what of a recipe's inputs is not as it was recorded."""
    found: tuple[str, ...] = ()
    if lock is None:
        found += (
            f"the recipe's toolchain lock, {recipe.toolchain.lock}, does not lie beside it: without a pack the "
            "toolchain is today's suite",
        )
    if changed := repacked(recipe, published):
        found += (
            f"this clone packs the history of commit {recipe.source.commit} otherwise than the recipe's {HISTORY_NAME} "
            f"(sha256 {changed}): the commit is the same, the tags need not be",
        )
    return found


def toolchain(recipe: ProjectRecipe, lock: ToolchainLock | None) -> Input:
    """The toolchain: pinned by a lock, or what the suite and the language's index hold today."""
    if lock is not None:
        languages = f", {len(lock.languages)} packages of languages" if lock.languages else ""
        value = f"{len(lock.packages)} packages of {lock.suite}{languages}, each by sha256"
        dates = ", ".join(f"{index.suite} of {utc(index.date)}" for index in lock.indexes)
        evidence = f"toolchain lock beside the recipe ({dates})" if dates else "toolchain lock beside the recipe"
        return Input(name="toolchain", value=value, origin=Origin.PINNED, evidence=evidence)
    asked = "; ".join(recipe.toolchain.wheels)
    return Input(
        name="toolchain",
        value=f"newest packages of {recipe.toolchain.suite}" + (f"; newest wheels for {asked}" if asked else ""),
        origin=Origin.ASSUMED,
        evidence="nobody says which packages the publisher built with; these are of today, or of a day ago at most",
    )


def _source(recipe: ProjectRecipe, origin: Origin, evidence: str) -> tuple[Input, ...]:
    source, tree = recipe.source, recipe.source.files[0]
    value = f"{source.name} {source.version} ({tree.name}, sha256 {tree.sha256})"
    found = (Input(name="source", value=value, origin=origin, evidence=evidence),)
    if not source.commit:
        return found
    of = f" of {source.repository}" if source.repository else ""
    inside = f", folder {source.subfolder}" if source.subfolder else ""
    return (*found, Input(name="commit", value=f"{source.commit}{of}{inside}", origin=origin, evidence=evidence))


def _settings(recipe: ProjectRecipe, origin: Origin, evidence: str) -> tuple[Input, ...]:
    build = recipe.build
    variables = builds.environment(*circumstances_of(recipe))
    shown = " ".join(f"{name}={value}" for name, value in variables.items() if name != "SOURCE_DATE_EPOCH")
    # The text of a script is in the recipe; here a step is what it does.
    commands = "; ".join(step.label or " ".join(word for word in step.argv if "\n" not in word) for step in build.steps)
    return (
        Input(name="path", value=build.path, origin=origin, evidence=evidence),
        Input(name="environment", value=shown, origin=origin, evidence=evidence),
        Input(name="command", value=commands, origin=origin, evidence=evidence),
    )


def _epoch(recipe: ProjectRecipe, origin: Origin, evidence: str) -> Input:
    epoch = recipe.build.epoch
    return Input(name="epoch", value="not set" if epoch is None else str(epoch), origin=origin, evidence=evidence)


def repacked(recipe: ProjectRecipe, published: Published) -> str:
    """The digest of a history that is not the recipe's own; empty where it is."""
    wanted = {file.name: file.sha256 for file in recipe.source.files}
    return next((file.sha256 for file in published.source_files if wanted[file.name] != file.sha256), "")
