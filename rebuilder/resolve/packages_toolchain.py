"""Toolchain locks of packages: the ``Toolchains`` port, on top of Debian's. Wheels are chosen as the index was on a
day, versions that the recipe pins whatever the day; Node and npm are packages of their own index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rebuilder.errors import UsageError
from rebuilder.resolve.package_builds import requirements, setting_of
from rebuilder.resolve.packages import package_recipe, tree_materials
from rebuilder.resolve.packages_recipe import exact
from rebuilder.resolve.projects import with_packages
from rebuilder.resolve.projects_recipe import project_of
from rebuilder.resolve.projects_toolchain import LanguageFiles, LanguageToolchains

if TYPE_CHECKING:
    from rebuilder.check.model import NpmPackage
    from rebuilder.lock import LanguagePackage, ToolchainLock
    from rebuilder.model import BuildKind, RootImage
    from rebuilder.ports import Resolution
    from rebuilder.recipe import PackageRecipe


@dataclass(frozen=True, kw_only=True)
class AsOf:
    """A day of the index, and what holds whatever the day."""

    #: Seconds since 1970; ``None``: now.
    time: int | None
    pins: tuple[str, ...] = ()


class Languages(LanguageFiles, Protocol):
    """Packages of languages. Raises as ``LanguagePackages``."""

    def wheels(self, requirements: tuple[str, ...], root: RootImage, as_of: AsOf) -> tuple[LanguagePackage, ...]:
        """The wheels that requirements come to; all of them are in the blobs."""

    def npm(self, packages: tuple[NpmPackage, ...], root: RootImage) -> tuple[LanguagePackage, ...]:
        """The tarballs of these packages."""

    def node(self, node: str, npm: str, root: RootImage) -> tuple[LanguagePackage, ...]:
        """Node and npm of these versions, as packages of the index."""

    def npm_of_day(self, wanted: tuple[str, ...], as_of: int | None) -> tuple[LanguagePackage, ...]:
        """The tarballs that these packages, `name@range`, came to on a day."""


@dataclass(frozen=True, kw_only=True)
class PackageToolchains(LanguageToolchains):
    """``ports.Toolchains``."""

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
