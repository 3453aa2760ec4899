"""Real packages, the real engine: one lock gives one root filesystem, and nothing but its own packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebuilder.errors import InfrastructureError, IntegrityError, RecipeError, Stopped, UsageError
from rebuilder.lock import ToolchainLock, to_bytes
from rebuilder.toolchain import rootfs, rows, seed, solver
from rebuilder.toolchain.index import PackageLists
from rebuilder.toolchain.pack import unpack
from rebuilder.toolchain.pool import Pool
from rebuilder.toolchain.seeds import Seeds
from tests.archive.archive import Archive
from tests.archive.keys import ArchiveKey
from tests.archive.server import Mirror
from tests.archive.toolchain import RealPackages
from tests.archive.world import BASE_SUITE, make_base
from tests.integration.toolchains import ARCHIVE, OtherHost, Workbench, forget, index_of, made, resolution

pytestmark = pytest.mark.integration

RELATIONS = (
    "no-such-package <nobody-builds-this>", "no-such-package [riscv64]", "libfakeroot [amd64]",
    "Conflicts: sysvinit-core",
)


@pytest.fixture(scope="module")
def base(real: RealPackages, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return make_base(tmp_path_factory.mktemp("base"), real, ArchiveKey.generate("toolchain-archive"))


@pytest.fixture(scope="module")
def mirror(base: Archive) -> Iterator[Mirror]:
    with Mirror(base.root) as opened:
        yield opened


@pytest.fixture(scope="module")
def bench(base: Archive, real: RealPackages, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    return Workbench(tmp_path_factory.mktemp("state"), mirror, index_of(base, real))


@pytest.fixture(scope="module")
def lock(bench: Workbench) -> ToolchainLock:
    """Both kinds of build with the same relations, solved and made once."""
    return bench.toolchains.solve(resolution(bench.index), {"any": RELATIONS, "all": RELATIONS})


@pytest.fixture(scope="module")
def small(bench: Workbench) -> Iterator[ToolchainLock]:
    """The base system alone."""
    made = bench.toolchains.solve_tool(BASE_SUITE, (bench.index,), ())
    yield made
    forget(made)


# --- what a lock is -----------------------------------------------------------------------------------------


def test_a_solved_lock_records_every_package_and_equal_sets_share_one_root(
    bench: Workbench, lock: ToolchainLock, real: RealPackages
) -> None:
    names = {package.package for package in lock.packages}
    assert set(real.build_set) == names
    assert lock.origin == "suite"
    assert lock.epoch == int(real.date.timestamp())
    assert len(lock.seed) == len(seed.recipe().packages)
    assert {root.build for root in lock.roots} == {"any", "all"}
    assert len({root.sha256 for root in lock.roots}) == 1
    assert all(package.signed and package.roots == ("all", "any") for package in lock.packages)
    why = {package.package: package.why for package in lock.packages}
    assert (why["dpkg"], why["libfakeroot"], why["gcc"]) == ("essential", "build-dependency", "dependency")
    assert ToolchainLock.model_validate_json(to_bytes(lock)) == lock
    assert bench.engine.has_root(lock.roots[0].sha256)


def test_warm_materialising_asks_no_mirror(bench: Workbench, lock: ToolchainLock, mirror: Mirror) -> None:
    asked = len(mirror.requests)
    images = bench.toolchains.materialise(lock)
    assert len(mirror.requests) == asked
    assert {image.build: image.sha256 for image in images} == {root.build: root.sha256 for root in lock.roots}
    assert {image.packages for image in images} == {len(lock.packages)}


def test_another_host_name_umask_time_zone_and_state_give_the_same_bytes(
    lock: ToolchainLock, base: Archive, real: RealPackages, tmp_path: Path
) -> None:
    with Mirror(base.root) as other_mirror:
        other = Workbench(tmp_path / "state", other_mirror, index_of(base, real))
        other.fetcher.fetch_all((*lock.packages, *lock.seed))
    before = os.umask(0o077)
    try:
        with tempfile.TemporaryFile(dir=tmp_path) as spool:
            assert made(other, OtherHost(), lock, spool) == lock.roots[0].sha256
            spool.seek(0)
            with tarfile.open(fileobj=spool, mode="r:") as archive:
                files = {name: archive.extractfile(f"./{name}").read() for name in (
                    "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/apt/sources.list"
                )}
                names = archive.getnames()
    finally:
        os.umask(before)
    assert files == {
        "etc/hostname": b"rebuilder\n", "etc/hosts": b"127.0.0.1 localhost rebuilder\n::1 localhost\n",
        "etc/resolv.conf": b"", "etc/apt/sources.list": b"",
    }
    assert not [name for name in names if "rebuilder" in name or "99mmdebstrap" in name or name.endswith(".deb")]


# --- what must not pass -------------------------------------------------------------------------------------


def test_a_flipped_byte_of_a_cached_package_is_detected(bench: Workbench, small: ToolchainLock) -> None:
    victim = bench.state / "blobs" / small.packages[3].sha256[:2] / small.packages[3].sha256
    whole = victim.read_bytes()
    forget(small)
    victim.chmod(0o644)
    victim.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    try:
        with pytest.raises(IntegrityError, match="the store holds other bytes than it should"):
            bench.toolchains.materialise(small)
    finally:
        victim.write_bytes(whole)


def test_a_lock_with_another_digest_is_refused_after_two_equal_tries(bench: Workbench, small: ToolchainLock) -> None:
    root = small.roots[0].model_copy(update={"sha256": "1" * 64})
    with pytest.raises(IntegrityError, match=f"another root filesystem than the lock says: expected sha256 {'1' * 64}"):
        bench.toolchains.materialise(small.model_copy(update={"roots": (root,)}))


def test_a_lock_that_lacks_a_package_its_others_need_names_it(bench: Workbench, small: ToolchainLock) -> None:
    packages = tuple(package for package in small.packages if package.package != "libpam0g")
    root = small.roots[0].model_copy(update={"sha256": "2" * 64})
    with pytest.raises(InfrastructureError, match="libpam0g"):
        bench.toolchains.materialise(small.model_copy(update={"packages": packages, "roots": (root,)}))


def test_vanished_packages_are_all_listed(
    small: ToolchainLock, base: Archive, real: RealPackages, tmp_path: Path
) -> None:
    nowhere = Workbench(tmp_path / "state", None, index_of(base, real))
    root = small.roots[0].model_copy(update={"sha256": "3" * 64})
    with pytest.raises(Stopped) as stopped:
        nowhere.toolchains.materialise(small.model_copy(update={"roots": (root,)}))
    assert stopped.value.verdict == "unavailable"
    assert {f"{ARCHIVE}:{package.path}" for package in small.packages} <= set(stopped.value.missing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suite": "-oDir::Etc=x"}, "expected the name of a suite"),
        ({"fixups": ({"path": "../../etc/passwd", "action": "remove", "reason": "x"},)}, "fix-up that this version"),
    ],
)
def test_a_lock_cannot_smuggle_words_into_the_container(
    bench: Workbench, small: ToolchainLock, change: dict[str, object], message: str
) -> None:
    data = {**small.model_dump(), **change}
    data["roots"] = [{"build": "generic", "sha256": "4" * 64, "size": 1}]
    with pytest.raises(RecipeError, match=message):
        bench.toolchains.materialise(ToolchainLock.model_validate(data))


def test_relations_that_cannot_be_met_stop_with_the_names_apt_gives(bench: Workbench) -> None:
    asked = ("libc6-dev (>= 99)", "no-such-package-at-all", "-oAPT::Install-Recommends=true")
    with pytest.raises(Stopped, match="cannot be met from the signed indexes") as stopped:
        bench.toolchains.solve(resolution(bench.index), {"any": asked[:2]})
    told = "\n".join(stopped.value.missing)
    assert "libc6-dev (>= 99)" in told
    assert "no-such-package-at-all" in told
    with pytest.raises(Stopped, match="cannot be met"):
        bench.toolchains.solve(resolution(bench.index), {"any": asked[2:]})


# --- exact versions -----------------------------------------------------------------------------------------


@pytest.fixture
def old_hostname(base: Archive, real: RealPackages, tmp_path: Path) -> Iterator[Path]:
    """An older `hostname` that lies in the pool, but in no index."""
    listed = next(stanza for stanza in real.stanzas if stanza.startswith("Package: hostname\n"))
    folder = base.root / Path(next(line for line in listed.splitlines() if line.startswith("Filename: "))[10:]).parent
    tree = tmp_path / "tree"
    subprocess.run(["dpkg-deb", "-R", real.file(listed), tree], check=True)
    control = tree / "DEBIAN" / "control"
    lines = control.read_text().splitlines()
    control.write_text("".join(("Version: 1:0.9" if line.startswith("Version:") else line) + "\n" for line in lines))
    target = folder / "hostname_0.9_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "-b", tree, target], check=True, capture_output=True)
    yield target
    target.unlink()


def test_a_wanted_version_is_taken_from_the_pool_and_said_to_be_unsigned(bench: Workbench, old_hostname: Path) -> None:
    lists = PackageLists.load([bench.index], bench.blobs)
    exact = Pool(lists, bench.fetcher, bench.blobs).exact({"hostname": "1:0.9", "tar": "0.1"})
    assert exact.missing == ("tar 0.1",)
    [old] = exact.from_pool
    paragraph = rootfs.control_of(old, bench.blobs.path(old.sha256))
    question = solver.Question(
        lists=lists, relations={"any": ("hostname", "tar")}, pins={"hostname": "1:0.9"},
        extras=(solver.Extra(paragraph, old.path, old.size, old.sha256),), codename=BASE_SUITE,
    )
    seeds = Seeds(bench.engine, bench.fetcher, bench.blobs, bench.state)
    sha256 = seeds.load(seed.choose(lists), rows.epoch([bench.index]))
    chosen = solver.solve(bench.engine, question, seed_sha256=sha256, run_id="test")
    found = {row.package: row for row in rows.locked(chosen, lists, exact, {})}
    assert (found["hostname"].version, found["hostname"].signed) == ("1:0.9", False)
    assert found["hostname"].sha256 == hashlib.sha256(old_hostname.read_bytes()).hexdigest()
    assert found["tar"].signed


def test_a_buildinfo_gives_exactly_its_packages_and_fakeroot(
    bench: Workbench, small: ToolchainLock, old_hostname: Path
) -> None:
    versions = {package.package: package.version for package in small.packages} | {"hostname": "1:0.9"}
    listed = ",\n ".join(f"{name} (= {version})" for name, version in versions.items())
    text = f"Format: 1.0\nSource: x\nBuild-Architecture: amd64\nInstalled-Build-Depends:\n {listed}\n".encode()
    file = bench.blobs.put([text], name="x.buildinfo", limit=10**6)
    made_lock = bench.toolchains.solve(resolution(bench.index, buildinfo=file), {"any": ("debhelper",)})
    forget(made_lock)
    found = {package.package: package.version for package in made_lock.packages}
    assert found.keys() - versions.keys() == {"fakeroot", "libfakeroot"}
    assert found.items() >= versions.items()
    assert (made_lock.origin, made_lock.buildinfo_sha256) == ("buildinfo", file.sha256)


def test_a_buildinfo_whose_packages_are_gone_lists_each_of_them(bench: Workbench) -> None:
    text = b"Source: x\nInstalled-Build-Depends: hostname (= 7), tar (= 0.1), libnever1 (= 2:3-4)\n"
    with pytest.raises(Stopped, match="neither in a signed index nor in the pool") as stopped:
        bench.toolchains.from_buildinfo(text, suite=BASE_SUITE, indexes=(bench.index,), kinds=("any",))
    assert set(stopped.value.missing) == {"hostname 7", "tar 0.1", "libnever1 2:3-4"}
    with pytest.raises(UsageError, match="build on arm64"):
        bench.toolchains.from_buildinfo(
            b"Build-Architecture: arm64\nInstalled-Build-Depends: tar (= 1)\n",
            suite=BASE_SUITE, indexes=(bench.index,), kinds=("any",),
        )


# --- packs --------------------------------------------------------------------------------------------------


def test_a_pack_gives_the_root_where_there_is_no_mirror(
    bench: Workbench, small: ToolchainLock, base: Archive, real: RealPackages, tmp_path: Path
) -> None:
    target = tmp_path / "toolchain.pack.tar"
    with target.open("wb") as file:
        file.writelines(bench.toolchains.pack(small))
    once = hashlib.sha256(target.read_bytes()).hexdigest()
    assert once == hashlib.sha256(b"".join(bench.toolchains.pack(small))).hexdigest()
    nowhere = Workbench(tmp_path / "state", None, index_of(base, real))
    shutil.rmtree(tmp_path / "state" / "blobs")
    assert unpack(target, nowhere.blobs, expect=small) == small
    forget(small)
    assert nowhere.toolchains.materialise(small)[0].sha256 == small.roots[0].sha256
    assert list((tmp_path / "state" / "tmp").glob("*/*")) == []
