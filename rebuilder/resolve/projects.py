"""Projects that are no Debian packages: the ``Ecosystem`` port. The source is a Git commit or a folder at hand, the
build is what `rebuilder check` makes with nothing varied, and nobody vouches for the files.

Reads top to bottom: a folder or a recipe becomes a ``Resolution``; then source, relations and plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rebuilder.check import builds
from rebuilder.check.builds import Materials, Probe
from rebuilder.errors import RecipeError, UsageError
from rebuilder.lock import LanguagePackage
from rebuilder.model import (
    BuildKind,
    BuildPlan,
    Endorsement,
    FileDigest,
    Input,
    Limits,
    Located,
    Published,
    SignatureCheck,
    Source,
)
from rebuilder.ports import Resolution
from rebuilder.recipe import ProjectRecipe
from rebuilder.resolve import projects_files, projects_inputs, projects_recipe
from rebuilder.resolve.projects_recipe import HISTORY_NAME, LOCAL, Place, Surrounding
from rebuilder.resolve.recipe_text import render_recipe
from rebuilder.resolve.recipes import load_lock, load_recipe

if TYPE_CHECKING:
    from rebuilder.check.model import Project
    from rebuilder.check.settings import CheckSettings
    from rebuilder.checking import Subject
    from rebuilder.ports import Blobs, Endorser, Progress


NpmCache = Callable[[tuple[LanguagePackage, ...]], FileDigest]

_OTHER_TREE = (
    "a commit has one tree wherever it is cloned, submodules included: was the recipe edited, or written by another "
    "version of this tool? `rebuilder check . --write-recipe` writes it anew"
)
_OTHER_FOLDER = (
    "every file in the folder counts, `recipes/` in it too; leave --source out for the tree that the store has, or "
    "make the project a Git repository, whose commits stay what they are"
)


class Sources(Protocol):
    """Where trees come from. All methods raise ``UsageError`` as those of `fetch/git.py`."""

    def subject(self, folder: Path) -> tuple[Subject, CheckSettings]:
        """The commit that is checked out there, or the folder as it lies, and how it is built."""

    def place(self, folder: Path, project: Project, tree: FileDigest) -> Place:
        """Where that source is from."""

    def again(self, folder: Path, commit: str, subfolder: str) -> FileDigest:
        """The tree of a commit that the repository of ``folder`` has, or without a commit the folder as it lies."""

    def history(self, folder: Path, commit: str) -> FileDigest:
        """The history of the commit that is checked out, which has to be that one."""


@dataclass(frozen=True, kw_only=True)
class Projects:
    """``ports.Ecosystem`` for projects of any kind that ``check`` knows."""

    blobs: Blobs
    endorser: Endorser
    progress: Progress
    sources: Sources
    #: All that the toolchain of a project holds.
    asked_for: Callable[[Project], tuple[str, ...]]
    npm_cache: NpmCache
    #: The operator's caps, by the names of ``model.Limits``.
    limits: Mapping[str, float]

    # --- what is asked for --------------------------------------------------------------------------

    def local(self, source: Path, artifacts: tuple[Path, ...], suite: str = "") -> Resolution:
        """The project in a folder, and files that it should give. A folder in a Git repository stands for the commit
        that is checked out: what is not committed, `dist/` too, is no input.

        ``UsageError`` for what is no project, and for files that its build could never make.
        """
        self.progress.stage("resolve", "source")
        subject, settings = self.sources.subject(source)
        project, state = subject.project, subject.source
        files = projects_files.take(artifacts, project.outputs, self.blobs)
        recipe = projects_recipe.recipe_of(
            project,
            state,
            self.sources.place(source, project, state.tree),
            Surrounding(
                suite=suite or settings.suite or "trixie",
                relations=self.asked_for(project),
                ask_backend=project.asks_backend,
                limits=Limits.model_validate({**self.limits, **settings.limits}),
            ),
            files,
        )
        return Resolution(
            published=projects_recipe.published_of(recipe),
            recipe=recipe,
            recipe_bytes=render_recipe(recipe).encode(),
            lock=None,
            inputs=projects_inputs.given(recipe, state),
            warnings=(*subject.notes, *projects_files.dirty(source, state, artifacts)),
        )

    def resolve(self, target: str, *, source: Path | None = None, artifacts: tuple[Path, ...] = ()) -> Resolution:
        """The path of a recipe v2. ``source`` is a clone that has its commit, or its folder; without one, the tree
        has to be in the store. ``artifacts`` are the files that the recipe pins, where the store has not got them.

        ``UsageError`` if either is not at hand, or is not what the recipe pins.
        """
        path = Path(target)
        recipe, data = load_recipe(path)
        if not isinstance(recipe, ProjectRecipe):
            msg = f"{path}: expected a recipe of a project, found one of {recipe.purl} ({recipe.format})"
            raise RecipeError(msg)
        published = projects_recipe.published_of(recipe)
        projects_files.take_pinned(artifacts, recipe, self.blobs)
        if source is not None:
            published = published.model_copy(update={"source_files": self._exported(recipe, published, source)})
        projects_files.require(published, self.blobs)
        lock_path = path.parent / recipe.toolchain.lock
        lock = load_lock(lock_path)[0] if lock_path.exists() else None
        return Resolution(
            published=published,
            recipe=recipe,
            recipe_bytes=data,
            lock=lock,
            inputs=projects_inputs.pinned(recipe, published, lock),
            warnings=projects_inputs.weakened(recipe, published, lock),
        )

    def today(self, resolution: Resolution) -> Resolution:
        """As ``ports.Ecosystem.today``: whoever solves the lock reads the indexes of the suite itself."""
        inputs = tuple(item for item in resolution.inputs if item.name != "toolchain")
        return replace(
            resolution, lock=None, inputs=(*inputs, projects_inputs.toolchain(project_recipe(resolution), None))
        )

    # --- who vouches, what it is made from ----------------------------------------------------------

    def endorse(self, resolution: Resolution) -> Endorsement:
        """As ``ports.Ecosystem.endorse``: no index names these files, so that nobody vouches."""
        asked = resolution.recipe.endorsement
        return self.endorser.chain(resolution.published, anchor=asked.anchor, allow_missing=asked.allow_missing)

    def source(self, resolution: Resolution) -> tuple[Source, tuple[SignatureCheck, ...]]:
        """As ``ports.Ecosystem.source``: the tree, which is in the store by now."""
        recipe = project_recipe(resolution)
        files = resolution.published.source_files
        source = Source(
            kind=recipe.source.kind,
            name=recipe.source.name,
            version=recipe.source.version,
            files=tuple(FileDigest(name=file.name, sha256=file.sha256, size=file.size) for file in files),
            uri=projects_recipe.source_uri(recipe),
        )
        return source, ()

    def relations(self, resolution: Resolution, source: Source, build: BuildKind) -> tuple[str, ...]:
        """As ``ports.Ecosystem.relations``: what the recipe asks for."""
        del source, build
        return project_recipe(resolution).toolchain.relations

    def plan(self, resolution: Resolution, source: Source, build: BuildKind) -> tuple[BuildPlan, tuple[Input, ...]]:
        """As ``ports.Ecosystem.plan``: as the first build of a check, with the packages of ``resolution.lock``.
        ``RecipeError`` for a lock that lacks the packages of the project's language."""
        del source, build
        recipe = project_recipe(resolution)
        packages = resolution.lock.languages if resolution.lock else ()
        asked = recipe.toolchain
        for system, wanted in (("pypi", bool(asked.wheels)), ("npm", asked.npm)):
            if wanted and not any(package.system == system for package in packages):
                msg = f"{asked.lock}: expected the packages of {system} that the recipe asks for, found none"
                raise RecipeError(msg, hint="make the lock anew: rebuilder lock --relock RECIPE")
        materials = with_packages(bare_materials(resolution.published), packages, self.npm_cache)
        around, setting = projects_recipe.circumstances_of(recipe)
        return builds.build_plan(around, setting, materials, Probe()), ()

    # --- steps --------------------------------------------------------------------------------------

    def _exported(self, recipe: ProjectRecipe, published: Published, folder: Path) -> tuple[Located, ...]:
        """Export what the recipe pins. ``UsageError`` if that gives another tree. The history of one commit is packed
        in another way by each clone, so that its digest may be another than the recipe's."""
        self.progress.stage("resolve", "source")
        source = recipe.source
        tree, *others = published.source_files
        found = self.sources.again(folder, source.commit, source.subfolder)
        if found.sha256 != tree.sha256:
            what = f"commit {source.commit}" if source.commit else str(folder)
            msg = f"expected {what} to give the tree that the recipe pins, sha256 {tree.sha256}, found {found.sha256}"
            raise UsageError(msg, hint=_OTHER_TREE if source.commit else _OTHER_FOLDER)
        if not others or self.blobs.has(others[0].sha256):
            return published.source_files
        history = self.sources.history(folder, source.commit)
        return tree, Located(**history.model_dump(), archive=LOCAL, path=HISTORY_NAME)


def bare_materials(published: Published) -> Materials:
    """Tree and history, as a build is given them."""
    tree, *others = (
        FileDigest(name=file.name, sha256=file.sha256, size=file.size) for file in published.source_files
    )
    return Materials(tree=tree, history=others[0] if others else None)


def with_packages(bare: Materials, packages: tuple[LanguagePackage, ...], npm_cache: NpmCache) -> Materials:
    """The same with packages of the project's language."""
    wheels = tuple(
        FileDigest(name=package.file, sha256=package.sha256, size=package.size)
        for package in packages
        if package.system == "pypi"
    )
    node = tuple(package for package in packages if package.system == "npm")
    return replace(bare, wheels=wheels, npm_cache=npm_cache(node) if node else None)


def project_recipe(resolution: Resolution) -> ProjectRecipe:
    """Its recipe, which is one of a project. ``RecipeError`` for any other."""
    if isinstance(resolution.recipe, ProjectRecipe):
        return resolution.recipe
    msg = f"expected a recipe of a project, found one of {resolution.recipe.purl} ({resolution.recipe.format})"
    raise RecipeError(msg)
