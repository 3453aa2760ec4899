"""What `verify` needs of the workshop for packages of an index: indexes, repositories, packages of languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from rebuilder.check.kinds import npm as kinds_npm
from rebuilder.errors import UsageError
from rebuilder.fetch.archives import archive_tree
from rebuilder.model import FileDigest, Limits, Located
from rebuilder.recipe import PackageRecipe
from rebuilder.resolve.debian_upstream import UpstreamArchives
from rebuilder.resolve.npm import Npm
from rebuilder.resolve.packages import Packages
from rebuilder.resolve.packages_toolchain import AsOf, PackageToolchains
from rebuilder.resolve.pypi import SUITES, PyPI
from rebuilder.resolve.recipes import load_recipe
from rebuilder.treetar import TarTree

if TYPE_CHECKING:
    from pathlib import Path

    from rebuilder.check.builds import Materials
    from rebuilder.check.model import NpmPackage, Project
    from rebuilder.checking import CheckPorts
    from rebuilder.fetch.http import MirrorFetcher
    from rebuilder.lock import LanguagePackage, ToolchainLock
    from rebuilder.model import RootImage
    from rebuilder.project_inputs import ProjectLanguages
    from rebuilder.releases import System
    from rebuilder.resolve.package_ports import Indexes
    from rebuilder.toolchain.languages import LanguagePackages
    from rebuilder.wiring import Special, Workshop

#: Where index and registry are asked from. That of Python is the one in which most packages are built, too.
_CLIENTS: dict[System, tuple[str, ...]] = {
    "pypi": ("python3", "python3-dev", "python3-venv", "python3-pip"),
    "npm": ("python3", "nodejs", "npm"),
}
_SUITE = SUITES["3.13"]


@dataclass(frozen=True, kw_only=True)
class PackageFetcher:
    """``ports.Fetcher``: files of indexes from there, all others from mirrors."""

    mirrors: MirrorFetcher
    indexes: Indexes

    def fetch(self, file: Located) -> FileDigest:
        """As ``ports.Fetcher.fetch``."""
        if file.archive not in _CLIENTS:
            return self.mirrors.fetch(file)
        self.indexes.fetch([file])
        return FileDigest(name=file.name, sha256=file.sha256, size=file.size)

    def fetch_all(self, files: Iterable[Located]) -> None:
        """As ``ports.Fetcher.fetch_all``."""
        wanted = tuple(files)
        self.indexes.fetch([file for file in wanted if file.archive in _CLIENTS])
        self.mirrors.fetch_all(file for file in wanted if file.archive not in _CLIENTS)

    def get(
        self, archive: str, path: str, *, limit: int, check: Callable[[bytes], object] | None = None
    ) -> bytes:
        """As ``ports.Fetcher.get``: of mirrors."""
        return self.mirrors.get(archive, path, limit=limit, check=check)

    def discover(
        self, archive: str, path: str, *, limit: int, accept: Callable[[FileDigest], bool] | None = None
    ) -> FileDigest | None:
        """As ``ports.Fetcher.discover``: on mirrors."""
        return self.mirrors.discover(archive, path, limit=limit, accept=accept)


@dataclass(frozen=True, kw_only=True)
class ReleaseLanguages:
    """``resolve.packages_toolchain.Languages``."""

    packages: LanguagePackages
    #: What a check has for the tree's own lock and for the hooks of backends; a rebuild from a lock needs none of it.
    made: Callable[[], ProjectLanguages]
    client: Callable[[System], RootImage]
    new_run_id: Callable[[], str]
    fresh: bool

    @cached_property
    def project(self) -> ProjectLanguages:
        """Made when first needed."""
        return self.made()

    def wheels(self, requirements: tuple[str, ...], root: RootImage, as_of: AsOf) -> tuple[LanguagePackage, ...]:
        """As ``LanguagePackages.wheels``, chosen for the interpreter of ``root``."""
        return self.packages.wheels(
            requirements, root, run_id=self.new_run_id(), refresh=self.fresh, as_of=as_of.time, pins=as_of.pins
        )

    def npm(self, packages: tuple[NpmPackage, ...], root: RootImage) -> tuple[LanguagePackage, ...]:
        """As ``LanguagePackages.npm``. The root of a build need not have npm."""
        del root
        return self.packages.npm(packages, self.client("npm"), run_id=self.new_run_id())

    def node(self, node: str, npm: str, root: RootImage) -> tuple[LanguagePackage, ...]:
        """As ``LanguagePackages.node``."""
        del root
        return self.packages.node(node, npm, self.client("npm"), run_id=self.new_run_id())

    def ensure(self, packages: tuple[LanguagePackage, ...], root: RootImage) -> None:
        """As ``LanguagePackages.ensure``."""
        wheels = tuple(one for one in packages if one.system == "pypi")
        others = tuple(one for one in packages if one.system != "pypi")
        if wheels:
            self.packages.ensure(wheels, root, run_id=self.new_run_id())
        if others:
            self.packages.ensure(others, self.client("npm"), run_id=self.new_run_id())

    def npm_of_day(self, wanted: tuple[str, ...], as_of: int | None) -> tuple[LanguagePackage, ...]:
        """As ``LanguagePackages.npm_chosen``."""
        return self.packages.npm_chosen(
            wanted, self.client("npm"), run_id=self.new_run_id(), refresh=self.fresh, as_of=as_of
        )

    def npm_cache(self, packages: tuple[LanguagePackage, ...]) -> FileDigest:
        """As ``LanguagePackages.npm_cache``."""
        return self.packages.npm_cache(packages)

    def pinned(self, tree: FileDigest, name: str) -> tuple[NpmPackage, ...]:
        """What the lock of a tree pins; ``name`` is the package's."""
        with self.project.check.blobs.path(tree.sha256).open("rb") as tar:
            opened = TarTree(tar)
            lock = next((path for path in kinds_npm.LOCKS if path in opened.names), "")
            if not lock:
                msg = f"{name}: expected a package-lock.json in the tree, found none"
                raise UsageError(msg, hint="name what the scripts need in `packages` of the recipe's [toolchain]")
            return kinds_npm.pinned(opened, lock)

    def asked(self, project: Project, materials: Materials, root: RootImage, epoch: int | None) -> tuple[str, ...]:
        """As in a check."""
        return self.project.asked(project, materials, root, epoch)


def packages(shop: Workshop) -> Packages:
    """The ecosystem of packages of indexes."""
    from rebuilder.endorse.commits import judge
    from rebuilder.endorse.packages import PackageEndorser
    from rebuilder.endorse.trust import TrustStore
    from rebuilder.fetch.repositories import GitRepositories
    from rebuilder.sandbox import texts
    from rebuilder.store.seen import Seen

    store = TrustStore(shop.config.trust)
    return Packages(
        kinds={"pypi": PyPI(), "npm": Npm()},
        indexes=shop.indexes(),
        repositories=GitRepositories(shop.config.state, shop.blobs, shop.progress, offline=shop.offline),
        fetcher=shop.fetcher,
        blobs=shop.blobs,
        endorser=PackageEndorser(store, shop.blobs),
        judge=lambda signed: tuple(judge(one, store) for one in signed),
        archive_tree=archive_tree,
        carried=upstream_archives(shop),
        npm_cache=shop.languages().npm_cache,
        shim=texts.replay_shim(),
        zlib_shim=texts.zlib_shim(),
        progress=shop.progress,
        seen=Seen(shop.config.state / "git" / "seen"),
        limits=shop.config.limits,
    )


def upstream_archives(shop: Workshop) -> UpstreamArchives:
    """Upstream's own archives, as source packages of Debian carry them."""
    from rebuilder.resolve.debian_indexes import SuiteIndexes
    from rebuilder.wiring import settings

    chosen = settings(shop.config)
    indexes = SuiteIndexes(shop.fetcher, shop.blobs, shop.endorser, shop.clock, chosen)
    return UpstreamArchives(indexes=indexes, settings=chosen, fetcher=shop.fetcher, progress=shop.progress)


def clients(shop: Workshop) -> Callable[[System], RootImage]:
    """The root filesystem in which an index is asked, made when first needed."""

    @cache
    def client(system: System) -> RootImage:
        check = shop.check_ports(Limits.model_validate(shop.config.limits), fresh=False)
        shop.progress.stage("toolchain", f"where the index of {system} is asked from")
        return check.toolchain(_SUITE, _CLIENTS[system])[1]

    return client


def toolchains(shop: Workshop, *, fresh: bool) -> PackageToolchains:
    """Toolchains of packages; ``fresh``: solved anew."""
    from rebuilder.store.runs import new_run_id

    @cache
    def check() -> CheckPorts:
        return shop.check_ports(Limits.model_validate(shop.config.limits), fresh=fresh)

    def project() -> ProjectLanguages:
        from rebuilder.project_inputs import ProjectLanguages

        return ProjectLanguages(packages=shop.languages(), check=check())

    languages = ReleaseLanguages(
        packages=shop.languages(),
        made=project,
        client=clients(shop),
        new_run_id=lambda: new_run_id(shop.clock.now()),
        fresh=fresh,
    )
    return PackageToolchains(
        debian=shop.toolchains,
        solved=lambda suite, relations: check().toolchain(suite, relations),
        languages=languages,
    )


def special(shop: Workshop, ecosystem: Packages, *, fresh: bool) -> Special:
    """What of the pipeline's world is another one for packages of indexes."""
    from rebuilder.wiring import Special

    return Special(
        ecosystem=ecosystem,
        toolchains=toolchains(shop, fresh=fresh),
        fetcher=PackageFetcher(mirrors=shop.fetcher, indexes=ecosystem.indexes),
    )


def is_package_recipe(path: Path) -> bool:
    """Whether it is a recipe v3. ``RecipeError`` for what is no recipe."""
    return isinstance(load_recipe(path)[0], PackageRecipe)


def solve(shop: Workshop, recipe: Path) -> ToolchainLock:
    """A new lock for a recipe v3. Raises as ``Toolchains.solve``."""
    ecosystem, solver = packages(shop), toolchains(shop, fresh=True)
    resolution = ecosystem.resolve(str(recipe))
    source, _ = ecosystem.source(resolution)
    asked = ecosystem.relations(resolution, source, "generic")
    lock = solver.solve(ecosystem.today(resolution), {"generic": asked})
    solver.materialise(lock)
    return lock
