"""A cold and a warm toolchain against plain `mmdebstrap` of the same packages, from the same local files.

Cold: packages at hand, root filesystem neither made nor loaded before. Ours also hashes it, checks what is
installed and loads it into the engine; the baseline writes a tar. The container that ours runs in is set-up,
for it serves every lock of an index; its time is printed beside. Needs root and the host's `mmdebstrap`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import claim, interleaved, wall
from workplace import workplace

from rebuilder.lock import LockedRoot, ToolchainLock
from rebuilder.resolve.recipes import load_lock
from rebuilder.toolchain import rootfs, rows
from rebuilder.toolchain.locks import DebianToolchains
from rebuilder.toolchain.seeds import Seeds
from rebuilder.toolchain.solver import Extra, stanza
from rebuilder.wiring import Workshop

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
DAY = 86400


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, by the wall clock."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def of_our_own(shop: Workshop, lock: ToolchainLock, seed_sha256: str, spools: Path) -> ToolchainLock:
    """The lock with its own epoch, and the root filesystems that this gives: nobody else has those loaded."""
    roots = []
    for kinds in rows.same_set(lock):
        order = rootfs.Order(
            suite=lock.suite, epoch=lock.epoch, packages=rows.of(lock, kinds[0]), fixups=lock.fixups,
            seed_sha256=seed_sha256, run_id="bench",
        )  # fmt: skip
        with tempfile.TemporaryFile(dir=spools) as spool:
            sha256 = rootfs.make(shop.engine, shop.blobs, shop.progress, order, spool)
            roots += [LockedRoot(build=kind, sha256=sha256, size=spool.seek(0, 2)) for kind in kinds]
    return lock.model_copy(update={"roots": tuple(roots)})


def materialised(shop: Workshop, lock: ToolchainLock, state: Path, *, cold: bool) -> float:
    """Seconds until every root filesystem of the lock is loaded; ``cold``: none was there, or made before."""
    if cold:
        shutil.rmtree(state / "roots", ignore_errors=True)
        for root in lock.roots:
            shop.engine.forget_root(root.sha256)
    maker = DebianToolchains(shop.engine, shop.fetcher, shop.blobs, shop.progress, state, endorser=shop.endorser)
    return seconds(lambda: maker.materialise(lock))


def repository(shop: Workshop, lock: ToolchainLock, folder: Path) -> None:
    """The packages as a local archive, the simplest that `mmdebstrap` takes."""
    (folder / "pool").mkdir()
    paragraphs = []
    for package in lock.packages:
        path = shop.blobs.path(package.sha256)
        shutil.copyfile(path, folder / "pool" / package.name)
        paragraphs.append(
            stanza(Extra(rootfs.control_of(package, path), f"pool/{package.name}", package.size, package.sha256))
        )
    place = folder / "dists" / lock.suite / "main" / "binary-amd64"
    place.mkdir(parents=True)
    data = b"".join(paragraphs)
    (place / "Packages").write_bytes(data)
    (folder / "dists" / lock.suite / "Release").write_text(
        f"Suite: {lock.suite}\nCodename: {lock.suite}\nComponents: main\nArchitectures: amd64\nSHA256:\n"
        f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n"
    )


def plain(lock: ToolchainLock, folder: Path) -> float:
    """Seconds of the host's `mmdebstrap`, once for each set of packages."""
    total = 0.0
    for kinds in rows.same_set(lock):
        names = ",".join(package.package for package in rows.of(lock, kinds[0]))
        target = folder / "root.tar"
        total += wall(
            ["mmdebstrap", "--mode=root", "--variant=essential", "--format=tar", "--architectures=amd64",
             f"--include={names}", '--aptopt=Acquire::Languages "none"', '--aptopt=APT::Sandbox::User "root"',
             lock.suite, str(target),
             f"deb [trusted=yes] copy:{folder} {lock.suite} main"],
            env=os.environ | {"SOURCE_DATE_EPOCH": str(lock.epoch)},
        )  # fmt: skip
        target.unlink()
    return total


def main() -> None:
    """Print both claims, and how long the set-up takes."""
    place = workplace()
    shop = place.shop()
    lock, _ = load_lock(place.recipe.with_name("toolchain.lock.json"))
    lock = lock.model_copy(update={"epoch": lock.epoch - DAY})
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryDirectory() as archive:
        state, folder = Path(temporary), Path(archive)
        folder.chmod(0o755)
        repository(shop, lock, folder)
        seeds = Seeds(shop.engine, shop.fetcher, shop.blobs, state)
        seed_seconds = seconds(lambda: seeds.load(lock.seed, lock.epoch))
        seed_sha256 = seeds.load(lock.seed, lock.epoch)
        lock = of_our_own(shop, lock, seed_sha256, state)
        try:
            found = interleaved(
                {
                    "cold": lambda: materialised(shop, lock, state, cold=True),
                    "warm": lambda: materialised(shop, lock, state, cold=False),
                    "mmdebstrap": lambda: plain(lock, folder),
                },
                RUNS,
            )
        finally:
            for sha256 in (seed_sha256, *(root.sha256 for root in lock.roots)):
                shop.engine.forget_root(sha256)
    claim(
        f"cold toolchain of {len(lock.packages)} packages / plain mmdebstrap", found["cold"] / found["mmdebstrap"],
        "at most 1.5", cold=found["cold"], mmdebstrap=found["mmdebstrap"], seed_once_an_index=seed_seconds,
    )  # fmt: skip
    claim("warm toolchain / plain mmdebstrap", found["warm"] / found["mmdebstrap"], "below 0.05", warm=found["warm"])


if __name__ == "__main__":
    main()
