"""Fixtures around the specimens' archive: made once a session, copied where a test changes it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rebuilder.explain.diffoscope import RELATIONS
from tests.archive.hostile import HOSTILE
from tests.archive.specimens import SPECIMENS
from tests.archive.toolchain import RealPackages, real_packages
from tests.archive.world import Archives, World, make_archives
from tests.integration.liar import blob_path, sha256_of, verify

#: Kept between sessions: real packages and what the publisher's machine built from them.
CACHE = Path(__file__).parents[2] / ".rebuilder" / "test-cache"
CARRIED = ("blobs", "locks", "roots", "seeds", "tools")


@pytest.fixture(scope="session")
def real() -> RealPackages:
    """Real packages of the build set, the seed and diffoscope's container, on disk."""
    return real_packages(CACHE / "real", extra=RELATIONS)


@pytest.fixture(scope="session")
def archives(real: RealPackages, tmp_path_factory: pytest.TempPathFactory) -> Archives:
    """The specimens and their toolchain, signed. Not to be changed: ask for ``changed_archives`` for that."""
    return make_archives(tmp_path_factory.mktemp("archives"), CACHE, real, [*SPECIMENS, *HOSTILE])


@pytest.fixture
def changed_archives(archives: Archives, tmp_path: Path) -> Archives:
    """A copy of the specimens' archive that a test may change."""
    return archives.copy(tmp_path / "archive")


@pytest.fixture(scope="session")
def shared_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One state folder a session, so that the toolchain is materialised once. Only ever added to.

    What only costs time to make again (packages by digest, notes on root filesystems) is carried over from
    the last session.
    """
    state = tmp_path_factory.mktemp("state")
    _carry(CACHE / "state", state)
    yield state
    _carry(state, CACHE / "state")


def _carry(source: Path, target: Path) -> None:
    """Link what is missing; nothing in a state is ever written in place."""
    for part in CARRIED:
        for file in (source / part).rglob("*"):
            there = target / file.relative_to(source)
            if file.is_file() and not there.exists():
                there.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, there)


@pytest.fixture
def make_world(tmp_path: Path, shared_state: Path) -> Iterator[Callable[[Archives], World]]:
    """Makes worlds over the given archives, with mirrors that close when the test ends."""
    made: list[World] = []

    def make(archives: Archives, *, mirrors: int = 1, state: Path | None = None) -> World:
        world = World(tmp_path / f"world-{len(made)}", archives, state=state or shared_state)
        made.append(world)
        world.serve(mirrors=mirrors)
        _make_keys(world)
        return world

    yield make
    for world in made:
        world.close()


def _make_keys(world: World) -> None:
    if not (world.state / "keys").exists():
        ids = ("--builder-id", "https://liar.invalid/builder", "--verifier-id", "https://liar.invalid/verifier")
        outcome = world.run("keys", "init", "--organisation", "Liar Suite", *ids)
        assert outcome.code == 0, outcome.text


@pytest.fixture
def world(archives: Archives, make_world: Callable[[Archives], World]) -> World:
    """A world over the untouched archives."""
    return make_world(archives)


@pytest.fixture
def changed_world(changed_archives: Archives, make_world: Callable[[Archives], World]) -> World:
    """A world over an archive that the test may change."""
    return make_world(changed_archives)


@pytest.fixture(scope="session")
def warm_state(archives: Archives, shared_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared state, in which the toolchain and diffoscope's container lie ready."""
    world = World(tmp_path_factory.mktemp("warm"), archives, state=shared_state)
    world.serve()
    try:
        _make_keys(world)
        verify(world, world.purl("specimen-different"))
    finally:
        world.close()
    return shared_state


@pytest.fixture
def cold_state(archives: Archives, warm_state: Path, tmp_path: Path) -> Path:
    """A copy of the warm state, to be changed, that has no file of the specimens and no run."""
    state = tmp_path / "cold-state"
    shutil.copytree(warm_state, state, copy_function=os.link, ignore=shutil.ignore_patterns("runs", "log.jsonl"))
    for file in (archives.specimens.root / "pool").rglob("*"):
        if file.is_file():
            blob_path(state, sha256_of(file)).unlink(missing_ok=True)
    return state
