"""Puts the adapters together for one command. The only file that sees them all; imports stay inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder.config import Config
from rebuilder.errors import UsageError
from rebuilder.pipeline import Ports
from rebuilder.ports import Progress

if TYPE_CHECKING:
    from rebuilder.endorse.debian import DebianEndorser
    from rebuilder.fetch.http import MirrorFetcher
    from rebuilder.model import RootImage
    from rebuilder.resolve.debian import Debian
    from rebuilder.sandbox.docker import DockerEngine
    from rebuilder.sign.file import FileSigner
    from rebuilder.store.blobs import BlobStore
    from rebuilder.toolchain.locks import DebianToolchains

DIFFOSCOPE_SUITE = "trixie"


class SystemClock:
    """The ``Clock`` port."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)


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

    def ports(self, *, sign: bool, passphrase: Callable[[], bytes]) -> Ports:
        """The ports of ``verify``. Raises ``UsageError`` if it should sign and there is no key."""
        from rebuilder.log.lines import LineLog
        from rebuilder.report.reporter import PageReporter
        from rebuilder.sandbox.build import ContainerBuilder
        from rebuilder.store.runs import RunStore, new_run_id

        return Ports(
            ecosystem=self.ecosystem,
            fetcher=self.fetcher,
            blobs=self.blobs,
            toolchains=self.toolchains,
            builder=ContainerBuilder(self.engine, self.blobs, self.progress, self.clock),
            differ=self._differ(),
            signing=signer(self.config, passphrase) if sign else None,
            runs=RunStore(self.config.state),
            log=LineLog(self.config.state / "log.jsonl"),
            reporter=PageReporter(),
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

    def _differ(self) -> object:
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
    from rebuilder.resolve.debian import Debian
    from rebuilder.sandbox.docker import DockerEngine
    from rebuilder.store.blobs import BlobStore
    from rebuilder.toolchain.locks import DebianToolchains

    clock = SystemClock()
    blobs = BlobStore(config.state, config.evidence)
    fetcher = MirrorFetcher(Locations(archives(config)), blobs, progress, offline=offline)
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
        toolchains=DebianToolchains(engine, fetcher, blobs, progress, config.state),
    )


def archives(config: Config) -> dict[str, tuple[str, ...]]:
    """Mirrors of every archive that some suite needs and somebody names; the rest fail when first used."""
    from rebuilder.fetch.mirrors import mirrors
    from rebuilder.resolve.debian_suites import SUITES

    wanted = {spec.archive for spec in SUITES.values()} | {suite.archive for suite in config.suites.values()}
    found = {}
    for archive in sorted(wanted | config.archives.keys()):
        try:
            found[archive] = mirrors(archive, config.archives)[0]
        except UsageError:
            continue
    return found


def signer(config: Config, passphrase: Callable[[], bytes]) -> FileSigner:
    """Our keys. Raises ``UsageError`` that says how to make them."""
    from rebuilder.sign.file import FileSigner

    return FileSigner(config.state / "keys", passphrase)


def run_folder(config: Config, run_id: str) -> Path:
    """Where the evidence of a run lies."""
    return config.state / "runs" / run_id
