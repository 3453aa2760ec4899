"""What the toolchain's tests share: a workbench over a loopback mirror, and the engine as another host would use it."""

from __future__ import annotations

import contextlib
import io
import lzma
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import docker

from rebuilder.endorse.debian import DebianEndorser
from rebuilder.endorse.trust import TrustStore
from rebuilder.fetch.http import Locations, MirrorFetcher
from rebuilder.lock import ToolchainLock
from rebuilder.model import Artifact, FileDigest, Located, Published, SignedIndex, SourceKind
from rebuilder.ports import Exit, Job, Resolution
from rebuilder.recipe import (
    Recipe,
    RecipeArtifact,
    RecipeBuild,
    RecipeEndorsement,
    RecipeFile,
    RecipeSource,
    RecipeToolchain,
)
from rebuilder.sandbox.docker import DockerEngine
from rebuilder.store.blobs import BlobStore
from rebuilder.toolchain import rootfs, rows
from rebuilder.toolchain.locks import DebianToolchains
from rebuilder.toolchain.seeds import Seeds
from tests.archive.archive import Archive
from tests.archive.server import Mirror
from tests.archive.toolchain import RealPackages
from tests.archive.world import BASE_SUITE

ARCHIVE = "base"


class Quiet:
    """A display that shows nothing."""

    def stage(self, name: str, detail: str = "") -> None: ...

    def line(self, text: str) -> None: ...


class OtherHost(DockerEngine):
    """The same engine as another host would use it: other host name, other umask, other time zone, one CPU."""

    def run(
        self, job: Job, *, stdin: Iterable[bytes] = (), stdout: Callable[[bytes], None], stderr: Callable[[bytes], None]
    ) -> Exit:
        changed = replace(
            job,
            hostname="elsewhere",
            cpus=1.0,
            argv=("/bin/sh", "-c", 'umask 077; exec "$@"', "sh", *job.argv),
            environment={**job.environment, "TZ": "Asia/Kathmandu", "HOSTNAME": "elsewhere", "LOGNAME": "someone"},
        )
        return super().run(changed, stdin=stdin, stdout=stdout, stderr=stderr)


class Workbench:
    """Toolchains over a mirror on the loopback, with a state of their own."""

    def __init__(self, state: Path, mirror: Mirror | None, index: Callable[[BlobStore], SignedIndex]) -> None:
        self.state = state
        self.blobs = BlobStore(state)
        self.index = index(self.blobs)
        self.fetcher = MirrorFetcher(Locations({ARCHIVE: (mirror.url,)} if mirror else {}), self.blobs, Quiet())
        self.engine = DockerEngine()
        self.toolchains = self.with_engine(self.engine)

    def with_engine(self, engine: DockerEngine) -> DebianToolchains:
        endorser = DebianEndorser(TrustStore(()), self.blobs)
        return DebianToolchains(engine, self.fetcher, self.blobs, Quiet(), self.state, endorser=endorser)


def index_of(base: Archive, real: RealPackages) -> Callable[[BlobStore], SignedIndex]:
    """The base archive's index as the resolver leaves it: bytes in the blobs, names as paths with `_`."""

    def made(blobs: BlobStore) -> SignedIndex:
        folder = base.root / "dists" / BASE_SUITE
        inrelease = blobs.put([(folder / "InRelease").read_bytes()], name="InRelease", limit=10**8)
        text = lzma.compress((folder / "main/binary-amd64/Packages").read_bytes(), preset=0)
        packages = blobs.put([text], name="main_binary-amd64_Packages.xz", limit=10**9)
        return SignedIndex(
            archive=ARCHIVE, suite=BASE_SUITE, inrelease=inrelease, lists=(packages,), date=real.date,
            anchor="test", signers=("A" * 40,),
        )

    return made


def forget(lock: ToolchainLock) -> None:
    """Remove the lock's root filesystems from the engine, if they are there."""
    for sha256 in {root.sha256 for root in lock.roots}:
        with contextlib.suppress(docker.errors.ImageNotFound):
            docker.from_env().images.remove(f"rebuilder-root:{sha256}", force=True)


def resolution(index: SignedIndex, *, want: tuple[str, ...] = (), buildinfo: FileDigest | None = None) -> Resolution:
    zero = "0" * 64
    deb = Located(name="x_1_amd64.deb", sha256=zero, size=1, archive=ARCHIVE, path="pool/x_1_amd64.deb")
    published = Published(
        purl="pkg:deb/debian/x@1?arch=amd64", ecosystem="deb", suite=BASE_SUITE, source_name="x", source_version="1",
        artifacts=(Artifact(file=deb, package="x", version="1", architecture="amd64", build="any"),),
        source_files=(), indexes=(index,),
    )
    named = {"name": "x_1.dsc", "path": "pool/x_1.dsc", "sha256": zero, "size": 1}
    recipe = Recipe(
        format="rebuilder/recipe/v1", purl=published.purl,
        source=RecipeSource(kind=SourceKind.SIGNED_DSC, name="x", version="1", files=(RecipeFile(**named),)),
        artifacts=(RecipeArtifact(**named, package="x", version="1", architecture="amd64", build="any"),),
        endorsement=RecipeEndorsement(anchor="test"),
        toolchain=RecipeToolchain(suite=BASE_SUITE, want=want), build=RecipeBuild(strategy="debian"),
    )
    return Resolution(
        published=published, recipe=recipe, recipe_bytes=b"", lock=None, inputs=(), buildinfo=buildinfo
    )


def made(bench: Workbench, engine: DockerEngine, lock: ToolchainLock, spool: io.BufferedRandom) -> str:
    order = rootfs.Order(
        suite=lock.suite, epoch=lock.epoch, packages=rows.of(lock, lock.roots[0].build), fixups=lock.fixups,
        seed_sha256=Seeds(engine, bench.fetcher, bench.blobs, bench.state).load(lock.seed, lock.epoch), run_id="test",
    )
    return rootfs.make(engine, bench.blobs, Quiet(), order, spool)
