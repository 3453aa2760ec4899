"""What `verify` needs of the workshop for projects: trees from Git or folders, packages of languages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder.check.projects import detect
from rebuilder.check.settings import CheckSettings, read_settings
from rebuilder.check_inputs import Asked, subject
from rebuilder.check_recipe import place_of
from rebuilder.checking import relations
from rebuilder.errors import UsageError
from rebuilder.fetch import git
from rebuilder.model import Limits
from rebuilder.recipe import V2
from rebuilder.resolve.projects import Projects
from rebuilder.resolve.projects_recipe import HISTORY_NAME, Place
from rebuilder.resolve.projects_toolchain import ProjectToolchains
from rebuilder.resolve.recipes import load_recipe
from rebuilder.treetar import TarTree

if TYPE_CHECKING:
    from rebuilder.check.builds import Materials
    from rebuilder.check.model import NpmPackage, Project
    from rebuilder.checking import CheckPorts, Subject
    from rebuilder.lock import LanguagePackage, ToolchainLock
    from rebuilder.model import FileDigest, RootImage
    from rebuilder.ports import Blobs
    from rebuilder.toolchain.languages import LanguagePackages
    from rebuilder.wiring import Special, Workshop


@dataclass(frozen=True)
class ProjectSources:
    """``resolve.projects.Sources``: Git repositories and folders at hand."""

    blobs: Blobs

    def subject(self, folder: Path) -> tuple[Subject, CheckSettings]:
        """As ``check_inputs.subject``."""
        return subject(Asked(folder=folder), self.blobs)

    def place(self, folder: Path, project: Project, tree: FileDigest) -> Place:
        """As ``place_of``."""
        return place_of(folder, project, tree, self.blobs)

    def again(self, folder: Path, commit: str, subfolder: str) -> FileDigest:
        """The tree of a commit that the repository of ``folder`` has, or without a commit the folder as it lies."""
        if not commit:
            return git.folder(folder, self.blobs).tree
        return replace(self._repository(folder, commit), inside=subfolder).export(self.blobs, commit=commit).tree

    def history(self, folder: Path, commit: str) -> FileDigest:
        """The history of that commit."""
        bundle = self._repository(folder, commit).bundle(self.blobs, commit=commit)
        return bundle.model_copy(update={"name": HISTORY_NAME})

    def _repository(self, folder: Path, commit: str) -> git.Repository:
        repository = git.find(folder)
        if repository is None or not repository.checkout.has(commit):
            found = "no repository" if repository is None else "a repository that does not have it"
            msg = f"expected a clone that has commit {commit}, found {found} at {folder}"
            raise UsageError(msg, hint="run `git fetch` there first, or name another clone with --source DIR")
        return repository


@dataclass(frozen=True, kw_only=True)
class ProjectLanguages:
    """``resolve.projects_toolchain.Languages``, by the means of a check."""

    packages: LanguagePackages
    check: CheckPorts

    def choose(self, project: Project, root: RootImage) -> tuple[LanguagePackage, ...]:
        """As in a check."""
        return self.check.dependencies(project, root)

    def ensure(self, packages: tuple[LanguagePackage, ...], root: RootImage) -> None:
        """As ``LanguagePackages.ensure``."""
        self.packages.ensure(packages, root, run_id=self.check.new_run_id())

    def npm_cache(self, packages: tuple[LanguagePackage, ...]) -> FileDigest:
        """As ``LanguagePackages.npm_cache``."""
        return self.packages.npm_cache(packages)

    def pinned(self, tree: FileDigest, name: str) -> tuple[NpmPackage, ...]:
        """What the ``package-lock.json`` of a tree pins."""
        with self.check.blobs.path(tree.sha256).open("rb") as tar:
            opened = TarTree(tar)
            return detect(opened, read_settings(opened), name=name).npm

    def asked(self, project: Project, materials: Materials, root: RootImage, epoch: int | None) -> tuple[str, ...]:
        """As in a check."""
        return self.check.hooks(project, materials, root, epoch)


def projects(shop: Workshop) -> Projects:
    """The ecosystem of projects that are no Debian packages."""
    return Projects(
        blobs=shop.blobs,
        endorser=shop.endorser,
        progress=shop.progress,
        sources=ProjectSources(shop.blobs),
        asked_for=relations,
        npm_cache=shop.languages().npm_cache,
        limits=shop.config.limits,
    )


def toolchains(shop: Workshop, *, fresh: bool) -> ProjectToolchains:
    """Their toolchains, as ``check`` has them; ``fresh``: solved anew."""
    check = shop.check_ports(Limits.model_validate(shop.config.limits), fresh=fresh)
    languages = ProjectLanguages(packages=shop.languages(), check=check)
    return ProjectToolchains(debian=shop.toolchains, solved=check.toolchain, languages=languages)


def special(shop: Workshop, ecosystem: Projects, *, fresh: bool) -> Special:
    """What of the pipeline's world is another one for projects."""
    from rebuilder.wiring import Special

    return Special(ecosystem=ecosystem, toolchains=toolchains(shop, fresh=fresh))


def is_project_recipe(path: Path) -> bool:
    """Whether it is a recipe v2. ``RecipeError`` for what is no recipe."""
    return load_recipe(path)[0].format == V2


def solve(shop: Workshop, recipe: Path, *, given: bool) -> ToolchainLock:
    """A new lock for a recipe v2 whose source is in the store. Raises as ``Toolchains.solve``; ``UsageError`` if
    versions or a `.buildinfo` were given, which only a Debian package can be built with."""
    if given:
        msg = "expected --with and --buildinfo only for a Debian package, found one of them for a project"
        raise UsageError(msg, hint="name versions in `relations` and `wheels` of the recipe's [toolchain]")
    ecosystem, solver = projects(shop), toolchains(shop, fresh=True)
    resolution = ecosystem.resolve(str(recipe))
    source, _ = ecosystem.source(resolution)
    asked = ecosystem.relations(resolution, source, "generic")
    lock = solver.solve(ecosystem.today(resolution), {"generic": asked})
    solver.materialise(lock)
    return lock
