"""Toolchain locks of projects: the ``Toolchains`` port, on top of Debian's. The packages of the project's language are
fetched before the network goes off, and are in the lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rebuilder.check.model import NpmPackage, Project
from rebuilder.errors import UsageError
from rebuilder.model import FileDigest
from rebuilder.resolve.projects import bare_materials, project_recipe, with_packages
from rebuilder.resolve.projects_recipe import project_of

if TYPE_CHECKING:
    from rebuilder.check.builds import Materials
    from rebuilder.lock import LanguagePackage, ToolchainLock
    from rebuilder.model import BuildKind, RootImage
    from rebuilder.ports import Resolution, Toolchains, Unvouched


class LanguageFiles(Protocol):
    """Packages of languages, once they are chosen. Raises as ``LanguagePackages``."""

    def ensure(self, packages: tuple[LanguagePackage, ...], root: RootImage) -> None:
        """Have these in the blobs."""

    def npm_cache(self, packages: tuple[LanguagePackage, ...]) -> FileDigest:
        """npm's cache of them."""

    def pinned(self, tree: FileDigest, name: str) -> tuple[NpmPackage, ...]:
        """What the ``package-lock.json`` of a tree pins."""

    def asked(self, project: Project, materials: Materials, root: RootImage, epoch: int | None) -> tuple[str, ...]:
        """What the build backend asks for besides."""


class Languages(LanguageFiles, Protocol):
    """Packages of the project's language."""

    def choose(self, project: Project, root: RootImage) -> tuple[LanguagePackage, ...]:
        """What ``wheels`` and ``npm`` of the project come to; all of it is in the blobs."""


@dataclass(frozen=True, kw_only=True)
class LanguageToolchains:
    """What all toolchains with packages of a language have in common; ``solve`` is their own."""

    debian: Toolchains
    #: A lock for a suite and relations, and its root filesystem, loaded.
    solved: Callable[[str, tuple[str, ...]], tuple[ToolchainLock, RootImage]]
    languages: LanguageFiles

    def unsigned(self, lock: ToolchainLock) -> Unvouched:
        """As ``ports.Toolchains.unsigned``, of Debian packages."""
        return self.debian.unsigned(lock)

    def materialise(self, lock: ToolchainLock) -> tuple[RootImage, ...]:
        """As ``ports.Toolchains.materialise``; the packages of languages are in the blobs then."""
        roots = self.debian.materialise(lock)
        if lock.languages:
            self.languages.ensure(lock.languages, roots[0])
        return roots


@dataclass(frozen=True, kw_only=True)
class ProjectToolchains(LanguageToolchains):
    """``ports.Toolchains``."""

    languages: Languages

    def solve(self, resolution: Resolution, relations: dict[BuildKind, tuple[str, ...]]) -> ToolchainLock:
        """As ``ports.Toolchains.solve``; one root, ``generic``. ``UsageError`` for a `.buildinfo`."""
        if resolution.buildinfo is not None:
            msg = "expected a .buildinfo only for a Debian package, found one for a project"
            raise UsageError(msg)
        recipe = project_recipe(resolution)
        lock, root = self.solved(recipe.toolchain.suite, relations["generic"])
        bare = bare_materials(resolution.published)
        project = project_of(recipe)
        if recipe.toolchain.npm:
            pinned = self.languages.pinned(bare.tree, project.name)
            project = project.model_copy(update={"npm": pinned})
        packages = self.languages.choose(project, root)
        if project.asks_backend:
            materials = with_packages(bare, packages, self.languages.npm_cache)
            if more := self.languages.asked(project, materials, root, recipe.build.epoch):
                wheels = tuple(dict.fromkeys((*project.wheels, *more)))
                packages = self.languages.choose(project.model_copy(update={"wheels": wheels}), root)
        return lock.with_languages(packages)
