"""Packages whose build attacks: they look for the answer, the way out, the runner. None gets anything.

Each one's published file says what no build of its source says. So `reproduced` could only come out if the
attack worked.
"""

from __future__ import annotations

from collections.abc import Callable

import docker
import pytest

from tests.archive.hostile import thief
from tests.archive.world import Archives, World
from tests.integration.liar import Run, check_bundle, verify

pytestmark = pytest.mark.integration
MakeWorld = Callable[..., World]
MEGABYTE = 1024**2


@pytest.fixture
def narrow(archives: Archives, make_world: MakeWorld) -> World:
    """A world whose builds have little of everything."""
    world = make_world(archives)
    world.limits = {
        "seconds": 8, "pids": 64, "disk_bytes": 64 * MEGABYTE, "memory_bytes": 512 * MEGABYTE,
        "log_bytes": MEGABYTE, "output_bytes": 16 * MEGABYTE,
    }  # fmt: skip
    world.configure()
    return world


def _no_container_left(run: Run) -> None:
    assert run.record.built is not None
    for attempt in run.record.built.attempts:
        found = docker.from_env().containers.list(all=True, filters={"label": f"rebuilder.run={attempt.run_id}"})
        assert [container.name for container in found] == []


def test_a_thief_finds_nothing_and_forges_nothing(changed_archives: Archives, make_world: MakeWorld) -> None:
    world = make_world(changed_archives)
    changed_archives.specimens.suites["specimens"].sources.remove(changed_archives.specimens.source("specimen-thief"))
    source = thief(world.mirrors[0].port).source.write(
        changed_archives.specimens.root / "incoming", sign=changed_archives.developer.clear_sign
    )
    changed_archives.specimens.add_source("specimens", source)
    changed_archives.specimens.publish()
    run = verify(world, world.purl("specimen-thief"))
    loot = [line for line in run.log.splitlines() if "LOOT" in line and "print" not in line]
    assert loot == []
    for tried in ("files", "environment", "other runs", "host", "network", "process 1", "signals", "forging"):
        assert f"TRY {tried}" in run.log, run.log[-2000:]
    assert run.record.published is not None
    assert all(artifact.file.sha256 not in run.log for artifact in run.record.published.artifacts)
    assert run.record.verdict == "different"
    assert check_bundle(world, run, "specimen-thief").code == 10
    assert len([path for path in world.mirrors[0].requests if path.endswith(".deb")]) <= 1


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("specimen-hangs", "time-limit"),
        ("specimen-fills", "disk-limit"),
        ("specimen-forks", "process-limit"),
        ("specimen-chatters", "log-limit"),
        ("specimen-hoards", "memory-limit"),
        ("specimen-sparse", "output-limit"),
    ],
)
def test_a_build_without_measure_fails_with_the_limit_it_hit(narrow: World, package: str, reason: str) -> None:
    run = verify(narrow, narrow.purl(package))
    assert run.record.verdict == "build-failed"
    assert reason in run.record.reason
    assert run.statements == ["D build-failed"]
    assert len(run.log) <= MEGABYTE
    _no_container_left(run)


@pytest.mark.parametrize(
    "package", ["specimen-lingerer", "specimen-linked", "specimen-piped", "specimen-crowd", "specimen-odd"]
)
def test_odd_outputs_are_never_reproduced_and_never_a_bug(world: World, package: str) -> None:
    run = verify(world, world.purl(package))
    assert run.record.verdict in {"different", "build-failed", "flaky"}
    assert run.record.reason
    _no_container_left(run)


def test_escapes_of_a_build_reach_no_terminal_and_no_page(world: World) -> None:
    run = verify(world, world.purl("specimen-escapes"))
    assert run.record.verdict == "reproduced"
    assert "\x1b]0;owned" in run.log
    page = (run.folder / "index.html").read_text()
    assert "<script>alert(1)</script>" not in page
    for shown in (run.outcome.out, run.outcome.err, page):
        assert not {"\x1b", "\x07", "\x00", "\x9b"} & set(shown)
