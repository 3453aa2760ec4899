"""One byte changed in what is published or on its way here: `reproduced` must never come out.

And the right thing must: a publisher who lies is `different`, one who contradicts himself is `refused`, and a
mirror that gives wrong bytes is `unavailable`, for that is never the publisher's fault.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive.server import MISSING, Fault
from tests.archive.specimens import PLAIN
from tests.archive.world import SUITE, Archives, World
from tests.integration.liar import blob_path, check_bundle, flip, sha256_of, toolchain_file, verify

pytestmark = pytest.mark.integration
PACKAGE = "specimen-plain"
MakeWorld = Callable[..., World]


@pytest.mark.parametrize("offset", [30, -1], ids=["ar header", "data part"])
def test_a_changed_deb_under_a_signed_index_is_different(
    changed_archives: Archives, make_world: MakeWorld, offset: int
) -> None:
    archive = changed_archives.specimens
    path = archive.root / archive.binary(PACKAGE)["Filename"]
    data = bytearray(path.read_bytes())
    data[len(data) - 200 if offset < 0 else offset] ^= 1
    changed_archives.tamper(PACKAGE, bytes(data))
    world = make_world(changed_archives)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "different"
    assert run.statements == ["A", "A", "B FAILED"]
    assert check_bundle(world, run, PACKAGE).code == 10


def test_a_changed_deb_that_its_own_buildinfo_does_not_know(changed_archives: Archives, make_world: MakeWorld) -> None:
    """The signed index names both, and they contradict each other: the publisher's word against itself."""
    archive = changed_archives.specimens
    archive.flip(archive.binary(PACKAGE)["Filename"])
    archive.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "refused"
    assert "buildinfo" in run.record.reason


def test_a_changed_source_under_a_signed_index_is_different(changed_archives: Archives, make_world: MakeWorld) -> None:
    other = PLAIN.source.having(files={"data/note.txt": b"This came from the source of specimen-plaim.\n"})
    archive = changed_archives.specimens
    archive.suites[SUITE].sources.remove(archive.source(PACKAGE))
    archive.add_source(SUITE, other.write(archive.root / "incoming", sign=changed_archives.developer.clear_sign))
    archive.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "different"


def test_a_tarball_that_its_dsc_does_not_know_is_refused(changed_archives: Archives, make_world: MakeWorld) -> None:
    archive = changed_archives.specimens
    archive.flip(f"{archive.source(PACKAGE)['Directory']}/specimen-plain_1.0.tar.xz")
    archive.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "refused"
    assert "specimen-plain_1.0.tar.xz" in run.record.reason
    assert run.record.built is None


def _paths(archives: Archives, what: str) -> str:
    archive = archives.specimens
    folder = archive.source(PACKAGE)["Directory"]
    return {
        "deb": archive.binary(PACKAGE)["Filename"],
        "dsc": f"{folder}/specimen-plain_1.0.dsc",
        "tar": f"{folder}/specimen-plain_1.0.tar.xz",
        "buildinfo": archive.binary(PACKAGE)["Buildinfo-Filename"],
    }[what]


@pytest.mark.parametrize("what", ["deb", "dsc", "tar", "buildinfo"])
def test_wrong_bytes_at_every_mirror_are_unavailable_and_at_one_no_harm(
    archives: Archives, make_world: MakeWorld, cold_state: Path, what: str
) -> None:
    path = _paths(archives, what)
    world = make_world(archives, mirrors=2, state=cold_state)
    for mirror in world.mirrors:
        mirror.faults[path] = Fault(flip=-1)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "unavailable"
    assert any(path in item for item in run.record.missing)
    assert set(run.statements) <= {"D unavailable"}
    world.mirrors[1].faults.clear()
    assert verify(world, world.purl(PACKAGE)).record.verdict == "reproduced"


def test_a_cut_off_body_is_resumed(archives: Archives, make_world: MakeWorld, cold_state: Path) -> None:
    path = _paths(archives, "deb")
    world = make_world(archives, state=cold_state)
    world.mirrors[0].faults[path] = Fault(cut_after=1000, times=2)
    assert verify(world, world.purl(PACKAGE)).record.verdict == "reproduced"
    assert world.mirrors[0].requests.count(path) == 3


def test_a_changed_list_under_an_honest_signature_is_never_read(
    changed_archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    folder = "dists/specimens/main/binary-amd64"
    listed = changed_archives.specimens.root / folder
    shutil.rmtree(listed / "by-hash")
    for name in ("Packages", "Packages.xz"):
        flip(listed / name)
    for path in (cold_state / "blobs").rglob("*"):
        if path.is_file() and path.stat().st_size < 100_000:
            path.unlink()
    world = make_world(changed_archives, state=cold_state)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "unavailable"
    assert "Packages" in run.record.missing[0]


def test_a_changed_toolchain_package_at_the_mirror_is_unavailable(
    archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    file = toolchain_file(archives)
    blob_path(cold_state, sha256_of(file)).unlink()
    world = make_world(archives, state=cold_state)
    path = str(file.relative_to(archives.base.root))
    world.base_mirrors[0].faults[path] = Fault(flip=-1)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "unavailable"
    assert any(path in item for item in run.record.missing)


def test_a_vanished_toolchain_package_is_unavailable_and_named(
    archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    file = toolchain_file(archives)
    blob_path(cold_state, sha256_of(file)).unlink()
    world = make_world(archives, state=cold_state)
    world.base_mirrors[0].faults[str(file.relative_to(archives.base.root))] = MISSING
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "unavailable"
    assert file.name in run.outcome.out
