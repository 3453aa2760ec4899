"""Puts the adapters together for one command. The only file that sees them all; imports stay inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder.config import Config
from rebuilder.errors import UsageError
from rebuilder.pipeline import Ports, build_kinds
from rebuilder.ports import Progress, Signing

if TYPE_CHECKING:
    from rebuilder.checking import CheckPorts
    from rebuilder.endorse.debian import DebianEndorser
    from rebuilder.explain.diffoscope import ContainerDiffer
    from rebuilder.explaining import StoredExplainer
    from rebuilder.fetch.host_clients import HostClients
    from rebuilder.fetch.http import MirrorFetcher
    from rebuilder.findings import Surroundings
    from rebuilder.lock import ToolchainLock
    from rebuilder.model import FileDigest, Limits, RootImage, SignedIndex
    from rebuilder.ports import Ecosystem, ExplainedArtifact, Explainer, Fetcher, Resolution, Toolchains
    from rebuilder.resolve.debian import Debian
    from rebuilder.resolve.debian_suites import DebianSettings
    from rebuilder.sandbox.docker import DockerEngine
    from rebuilder.sign.file import FileSigner
    from rebuilder.store.blobs import BlobStore
    from rebuilder.toolchain.languages import LanguagePackages
    from rebuilder.toolchain.locks import DebianToolchains
    from rebuilder.toolchain.releases import IndexReleases

DIFFOSCOPE_SUITE = "trixie"
MAX_BUILDINFO_BYTES = 16 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Special:
    """What of the pipeline's world is another one where the target is no Debian package."""

    ecosystem: Ecosystem
    toolchains: Toolchains
    #: ``None``: mirrors.
    fetcher: Fetcher | None = None


class SystemClock:
    """The ``Clock`` port."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class LateExplainer:
    """The ``Explainer`` port. Its many rules are loaded when there is a difference, and seldom there is."""

    made: Callable[[], Explainer]

    def explain(
        self, artifact: str, published: FileDigest, rebuilt: FileDigest, surroundings: Surroundings, *, run_id: str
    ) -> ExplainedArtifact:
        """As the one that it makes."""
        return self.made().explain(artifact, published, rebuilt, surroundings, run_id=run_id)


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Everything a command may need, made once."""

    config: Config
    clock: SystemClock
    progress: Progress
    blobs: BlobStore
    fetcher: MirrorFetcher
    endorser: DebianEndorser
    engine: DockerEngine
    ecosystem: Debian
    toolchains: DebianToolchains
    #: Nothing but what is stored is used.
    offline: bool = False

    def ports(self, signing: Signing | None, special: Special | None = None) -> Ports:
        """The ports of ``verify``: of a Debian package, or of what ``special`` is for."""
        from rebuilder.explain.sideways import blocks
        from rebuilder.log.lines import LineLog
        from rebuilder.report.reporter import PageReporter
        from rebuilder.sandbox.build import ContainerBuilder
        from rebuilder.store.members import MemberIndex
        from rebuilder.store.runs import RunStore, new_run_id

        return Ports(
            ecosystem=special.ecosystem if special else self.ecosystem,
            fetcher=special.fetcher if special and special.fetcher else self.fetcher,
            blobs=self.blobs,
            members=MemberIndex(self.config.state, self.blobs),
            toolchains=special.toolchains if special else self.toolchains,
            builder=ContainerBuilder(self.engine, self.blobs, self.progress, self.clock),
            explainer=LateExplainer(self.explainer),
            signing=signing,
            runs=RunStore(self.config.state),
            log=LineLog(self.config.state / "log.jsonl"),
            reporter=PageReporter(blocks),
            clock=self.clock,
            progress=self.progress,
            new_run_id=lambda: new_run_id(self.clock.now()),
        )

    def sweep(self) -> None:
        """Clear away what dead processes left: scratch folders, containers, missing log lines."""
        from rebuilder.log.lines import LineLog
        from rebuilder.store.durable import Scratch
        from rebuilder.store.runs import RunStore, bundle_digest

        Scratch(self.config.state).sweep()
        self.engine.sweep()
        runs = RunStore(self.config.state)
        LineLog(self.config.state / "log.jsonl").reconcile(
            (folder.name, bundle_digest(folder)) for folder in runs.folders()
        )

    def solve(self, recipe: Path, *, want: tuple[str, ...], buildinfo: Path | None) -> ToolchainLock:
        """A new lock for a recipe, from today's indexes. Raises as ``Toolchains.solve``."""
        from rebuilder import package_inputs, project_inputs

        if package_inputs.is_package_recipe(recipe):
            if want or buildinfo:
                msg = "expected --with and --buildinfo only for a Debian package, found one for a package of an index"
                raise UsageError(msg, hint="name versions in `wheels` of the recipe's [toolchain]: name==version")
            return package_inputs.solve(self, recipe)
        if project_inputs.is_project_recipe(recipe):
            return project_inputs.solve(self, recipe, given=bool(want or buildinfo))
        resolution = self.ecosystem.resolve(str(recipe))
        self.ecosystem.endorse(resolution)
        resolution = self.ecosystem.today(resolution)
        if buildinfo is not None:
            resolution = self.with_buildinfo(resolution, buildinfo)
        toolchain = resolution.recipe.toolchain
        wanted = toolchain.model_copy(update={"want": (*toolchain.want, *want)})
        resolution = replace(resolution, recipe=resolution.recipe.model_copy(update={"toolchain": wanted}))
        source, _ = self.ecosystem.source(resolution)
        kinds = build_kinds(resolution.published)
        return self.toolchains.solve(
            resolution, {kind: self.ecosystem.relations(resolution, source, kind) for kind in kinds}
        )

    def with_buildinfo(self, resolution: Resolution, path: Path) -> Resolution:
        """The resolution, built as that `.buildinfo` says. ``UsageError`` if it is none, or of another build."""
        if path.stat().st_size > MAX_BUILDINFO_BYTES:
            msg = f"{path}: expected a .buildinfo of at most {MAX_BUILDINFO_BYTES} bytes"
            raise UsageError(msg)
        return self.ecosystem.with_buildinfo(resolution, path.read_bytes(), name=path.name)

    def unpack(self, path: Path) -> ToolchainLock:
        """The lock of a pack, whose packages and signed indexes are put into the blobs."""
        from rebuilder.toolchain.pack import unpack

        return unpack(path, self.blobs)

    def with_lock(self, resolution: Resolution, lock: ToolchainLock) -> Resolution:
        """The resolution, built with the lock of a pack. It must be the recipe's own lock, if there is one; if
        there is none, the toolchain is an assumption of whoever gave the pack."""
        from rebuilder.lock import to_bytes
        from rebuilder.resolve.debian_inputs import packed_input, replaced

        if resolution.lock is None:
            inputs = replaced(resolution.inputs, packed_input(lock))
            return replace(resolution, lock=lock, inputs=inputs, packed=True)
        if to_bytes(resolution.lock) != to_bytes(lock):
            msg = "the pack holds another lock than the recipe's; a pack cannot change what was recorded"
            raise UsageError(msg, hint="give the pack that `rebuilder lock RECIPE --pack` made for this very recipe")
        return resolution

    def pack(self, recipe: Path, target: Path) -> int:
        """Write the pack of a recipe's lock; its size in bytes."""
        from rebuilder.resolve.recipes import load_lock, lock_beside
        from rebuilder.store.durable import replace_streamed
        from rebuilder.toolchain.pack import contents, pack

        lock, _ = load_lock(lock_beside(recipe))
        self.fetcher.fetch_all((*lock.packages, *lock.seed))
        missing = [file.name for file in contents(lock) if not self.blobs.has(file.sha256)]
        if missing:
            msg = f"the signed indexes this lock came from are not in the store: {', '.join(missing)}"
            raise UsageError(msg, hint="run `rebuilder lock --relock` first, or publish them as evidence")
        return replace_streamed(target, pack(lock, self.blobs))

    def check_ports(self, limits: Limits, *, fresh: bool) -> CheckPorts:
        """The ports of ``check``; ``fresh``: solve its toolchain anew."""
        from rebuilder.check_inputs import BackendHooks, DailyToolchain, ProjectPackages
        from rebuilder.checking import CheckPorts
        from rebuilder.sandbox import texts
        from rebuilder.sandbox.build import ContainerBuilder
        from rebuilder.store.runs import new_run_id

        def run_id() -> str:
            return new_run_id(self.clock.now())

        def solve(suite: str, relations: tuple[str, ...]) -> ToolchainLock:
            return self.toolchains.solve_tool(
                suite, self.ecosystem.suite_indexes(suite), relations, self.seed_indexes
            )

        builder = ContainerBuilder(self.engine, self.blobs, self.progress, self.clock)
        languages = self.languages()
        return CheckPorts(
            blobs=self.blobs,
            builder=builder,
            progress=self.progress,
            clock=self.clock,
            toolchain=DailyToolchain(
                folder=self.config.state / "check", solve=solve, materialise=self.toolchains.materialise, fresh=fresh
            ),
            dependencies=ProjectPackages(languages=languages, new_run_id=run_id, fresh=fresh),
            npm_cache=languages.npm_cache,
            hooks=BackendHooks(
                builder=builder, blobs=self.blobs, limits=limits, script=texts.backend_hooks(), new_run_id=run_id
            ),
            probe=texts.probe(),
            new_run_id=run_id,
        )

    def seed_indexes(self) -> tuple[SignedIndex, ...]:
        """Today's indexes of the suite that the container is of in which toolchains are made."""
        from rebuilder.toolchain import seed

        return self.ecosystem.suite_indexes(seed.recipe().suite)

    def languages(self) -> LanguagePackages:
        """Packages of Python's and npm's indexes, as the host's own clients are configured."""
        from rebuilder.toolchain.languages import LanguagePackages
        from rebuilder.toolchain.languages_memory import RememberedPackages

        memory = RememberedPackages(self.config.state / "languages", self.clock)
        return LanguagePackages(self.engine, self.blobs, self.progress, self.host_clients(), memory)

    def host_clients(self) -> HostClients:
        """The host's own pip and npm, as they are configured; each is asked when first needed."""
        import os

        from rebuilder.fetch.host_clients import Chosen, HostClients

        named = self.config.indexes
        return HostClients(Chosen(pypi=named.pypi, npm=named.npm, ca=named.ca), os.environ)

    def indexes(self) -> IndexReleases:
        """What indexes of languages say of releases, asked by the clients of a root filesystem."""
        from rebuilder.package_inputs import clients
        from rebuilder.store.runs import new_run_id
        from rebuilder.toolchain.releases import IndexReleases
        from rebuilder.toolchain.releases_asking import IndexTools
        from rebuilder.toolchain.releases_memory import RememberedReleases

        tools = IndexTools(
            engine=self.engine,
            blobs=self.blobs,
            progress=self.progress,
            clients=self.host_clients(),
            root=clients(self),
            new_run_id=lambda: new_run_id(self.clock.now()),
        )
        memory = RememberedReleases(self.config.state / "releases", self.clock)
        return IndexReleases(tools, memory, offline=self.offline)

    def explainer(self) -> StoredExplainer:
        """Every difference between two blobs, and why."""
        from rebuilder.explaining import StoredExplainer

        return StoredExplainer(self.blobs, self.differ(), self.progress)

    def differ(self) -> ContainerDiffer:
        """diffoscope in its container, whose root filesystem is made when first needed."""
        from rebuilder.explain.diffoscope import Bounds, ContainerDiffer

        bounds = Bounds(seconds=self.config.diffoscope_seconds)
        return ContainerDiffer(self.engine, self.blobs, self.progress, self.diffoscope_root, bounds)

    def diffoscope_root(self) -> RootImage:
        """The root filesystem diffoscope runs in: its lock is solved once, then kept in the state folder."""
        from rebuilder.explain.diffoscope import RELATIONS
        from rebuilder.lock import ToolchainLock, to_bytes
        from rebuilder.store.durable import replace_synced

        kept = self.config.state / "tools" / "diffoscope.lock.json"
        if kept.is_file():
            lock = ToolchainLock.model_validate_json(kept.read_bytes())
        else:
            indexes = self.ecosystem.suite_indexes(DIFFOSCOPE_SUITE)
            lock = self.toolchains.solve_tool(DIFFOSCOPE_SUITE, indexes, RELATIONS)
            replace_synced(kept, to_bytes(lock))
        return self.toolchains.materialise(lock)[0]


def workshop(config: Config, progress: Progress, *, offline: bool = False) -> Workshop:
    """Make the adapters. Nothing is contacted yet."""
    from rebuilder.endorse.debian import DebianEndorser
    from rebuilder.endorse.trust import TrustStore
    from rebuilder.fetch.http import Locations, MirrorFetcher
    from rebuilder.fetch.mirrors import HostMirrors
    from rebuilder.resolve.debian import Debian
    from rebuilder.sandbox.docker import DockerEngine
    from rebuilder.store.blobs import BlobStore
    from rebuilder.toolchain.locks import DebianToolchains

    clock = SystemClock()
    blobs = BlobStore(config.state, config.evidence)
    fetcher = MirrorFetcher(Locations(HostMirrors(config.archives)), blobs, progress, offline=offline)
    endorser = DebianEndorser(TrustStore(config.trust), blobs, keyrings=config.maintainer_keyrings)
    engine = DockerEngine()
    return Workshop(
        config=config,
        clock=clock,
        progress=progress,
        blobs=blobs,
        fetcher=fetcher,
        endorser=endorser,
        engine=engine,
        ecosystem=Debian(fetcher, blobs, endorser, clock, progress, settings(config)),
        toolchains=DebianToolchains(engine, fetcher, blobs, progress, config.state, endorser=endorser),
        offline=offline,
    )


def settings(config: Config) -> DebianSettings:
    """What the operator chose, for the Debian ecosystem."""
    from rebuilder.model import Limits
    from rebuilder.resolve.debian_suites import SUITES, DebianSettings, SuiteSpec

    own = {
        name: SuiteSpec(archive=suite.archive, anchor=suite.anchor, base=suite.base, buildinfo=suite.buildinfo)
        for name, suite in config.suites.items()
    }
    return DebianSettings(
        suites={**SUITES, **own}, parallel=config.parallel, limits=Limits.model_validate(config.limits)
    )


def unlocked_signer(config: Config, passphrase: Callable[[], bytes]) -> FileSigner:
    """Our keys, read. Raises ``UsageError`` that says how to make them, or what is wrong with them."""
    from rebuilder.sign.file import FileSigner

    signer = FileSigner(config.state / "keys", passphrase)
    signer.unlock()
    return signer
