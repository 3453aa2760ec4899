"""Toolchain locks of packages: the ``Toolchains`` port, on top of Debian's. Wheels are chosen as the index was on a
day, versions that the recipe pins whatever the day; Node and npm are packages of their own index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rebuilder.errors import UsageError
from rebuilder.model import FileDigest
from rebuilder.resolve.package_builds import requirements, setting_of
from rebuilder.resolve.packages import package_recipe, tree_materials
from rebuilder.resolve.packages_recipe import exact
from rebuilder.resolve.projects import with_packages
from rebuilder.resolve.projects_recipe import project_of

if TYPE_CHECKING:
    from rebuilder.check.builds import Materials
    from rebuilder.check.model import NpmPackage, Project
    from rebuilder.lock import LanguagePackage, ToolchainLock
    from rebuilder.model import BuildKind, RootImage
    from rebuilder.ports import Resolution, Toolchains, Unvouched
    from rebuilder.recipe import PackageRecipe


@dataclass(frozen=True, kw_only=True)
class AsOf:
    """A day of the index, and what holds whatever the day."""

    #: Seconds since 1970; ``None``: now.
    time: int | None
    pins: tuple[str, ...] = ()


class Languages(Protocol):
    """Packages of languages. Raises as ``LanguagePackages``."""

    def wheels(self, requirements: tuple[str, ...], root: RootImage, as_of: AsOf) -> tuple[LanguagePackage, ...]:
        """The wheels that requirements come to; all of them are in the blobs."""

    def npm(self, packages: tuple[NpmPackage, ...], root: RootImage) -> tuple[LanguagePackage, ...]:
        """The tarballs of these packages."""

    def node(self, node: str, npm: str, root: RootImage) -> tuple[LanguagePackage, ...]:
        """Node and npm of these versions, as packages of the index."""

    def ensure(self, packages: tuple[LanguagePackage, ...], root: RootImage) -> None:
        """Have these in the blobs."""

    def npm_of_day(self, wanted: tuple[str, ...], as_of: int | None) -> tuple[LanguagePackage, ...]:
        """The tarballs that these packages, `name@range`, came to on a day."""

    def npm_cache(self, packages: tuple[LanguagePackage, ...]) -> FileDigest:
        """npm's cache of them."""

    def pinned(self, tree: FileDigest, name: str) -> tuple[NpmPackage, ...]:
        """What the ``package-lock.json`` of a tree pins."""

    def asked(self, project: Project, materials: Materials, root: RootImage, epoch: int | None) -> tuple[str, ...]:
        """What the build backend asks for besides."""


@dataclass(frozen=True, kw_only=True)
class PackageToolchains:
    """``ports.Toolchains``."""

    debian: Toolchains
    #: A lock for a suite and relations, and its root filesystem, loaded.
    solved: Callable[[str, tuple[str, ...]], tuple[ToolchainLock, RootImage]]
    languages: Languages

    def solve(self, resolution: Resolution, relations: dict[BuildKind, tuple[str, ...]]) -> ToolchainLock:
        """As ``ports.Toolchains.solve``; one root, ``generic``. ``UsageError`` for a `.buildinfo`."""
        if resolution.buildinfo is not None:
            msg = "expected a .buildinfo only for a Debian package, found one for a package of an index"
            raise UsageError(msg)
        recipe = package_recipe(resolution)
        lock, root = self.solved(recipe.toolchain.suite, relations["generic"])
        found = (*self._wheels(resolution, recipe, root), *self._npm(resolution, recipe, root))
        return lock.with_languages(found)

    def unsigned(self, lock: ToolchainLock) -> Unvouched:
        """As ``ports.Toolchains.unsigned``, of Debian packages."""
        return self.debian.unsigned(lock)

    def materialise(self, lock: ToolchainLock) -> tuple[RootImage, ...]:
        """As ``ports.Toolchains.materialise``; the packages of languages are in the blobs then."""
        roots = self.debian.materialise(lock)
        if lock.languages:
            self.languages.ensure(lock.languages, roots[0])
        return roots

    def _wheels(
        self, resolution: Resolution, recipe: PackageRecipe, root: RootImage
    ) -> tuple[LanguagePackage, ...]:
        asked = recipe.toolchain
        if not asked.wheels:
            return ()
        wanted = requirements(recipe)
        as_of = AsOf(time=asked.as_of, pins=exact(wanted))
        chosen = self.languages.wheels(wanted, root, as_of)
        if not asked.ask_backend:
            return chosen
        around, _ = setting_of(recipe)
        materials = with_packages(tree_materials(resolution.published), chosen, self.languages.npm_cache)
        more = self.languages.asked(around.project, materials, root, recipe.build.epoch)
        if not set(more) - set(wanted):
            return chosen
        return self.languages.wheels(tuple(dict.fromkeys((*wanted, *more))), root, as_of)

    def _npm(self, resolution: Resolution, recipe: PackageRecipe, root: RootImage) -> tuple[LanguagePackage, ...]:
        asked = recipe.toolchain
        found: tuple[LanguagePackage, ...] = ()
        if asked.node or asked.npm_client:
            found += self.languages.node(asked.node, asked.npm_client, root)
        if asked.packages:
            found += self.languages.npm_of_day(asked.packages, asked.as_of)
        elif asked.npm:
            tree = tree_materials(resolution.published).tree
            found += self.languages.npm(self.languages.pinned(tree, project_of(recipe).name), root)
        return found
