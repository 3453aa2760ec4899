"""kill -9 at every named instant and at random ones: never half a record, and the next run succeeds."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from tests.archive.world import World
from tests.integration.crashing import faults, leftovers
from tests.integration.liar import verify

pytestmark = pytest.mark.integration
REPOSITORY = Path(__file__).parents[2]
RANDOM_KILLS = 50
#: Longer than one round of writing takes, so that kills land anywhere in it.
LONGEST = 0.25

Order = Callable[..., dict]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Order]:
    """Spawns writers and kills them; see ``crashing``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.crashing"], cwd=REPOSITORY, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )

    def order(state: Path, **what: object) -> dict:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"state": str(state), "seed": 1, "rounds": 1} | what) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield order
    process.communicate(timeout=20)


@pytest.fixture(scope="module")
def events(nursery: Order, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every fail-point, fsync and rename of one round."""
    return nursery(tmp_path_factory.mktemp("trace"), trace=True)["events"]


def test_every_fsync_and_rename_has_a_failpoint_before_and_after(events: list[str]) -> None:
    bare = [
        f"{position}: {' / '.join(events[max(0, position - 1) : position + 2])}"
        for position, event in enumerate(events)
        if event.startswith("call") and not _surrounded(events, position)
    ]
    assert not bare, "an fsync or rename that no fail-point surrounds:\n" + "\n".join(bare)
    named = {event.removeprefix("point ").partition(":")[0] for event in events if event.startswith("point")}
    assert named >= {"blob", "run-file", "run-files", "run", "log", "replace", "publish", "publish-index"}


def _surrounded(events: list[str], position: int) -> bool:
    around = events[max(0, position - 1) : position] + events[position + 1 : position + 2]
    return len(around) == 2 and all(event.startswith("point") for event in around)


def test_a_kill_at_every_failpoint_leaves_nothing_half(nursery: Order, events: list[str], tmp_path: Path) -> None:
    points = list(dict.fromkeys(event.removeprefix("point ") for event in events if event.startswith("point ")))
    assert len(points) >= 15
    for number, point in enumerate(points):
        state = tmp_path / str(number)
        # One whole round first, so that the crash meets a store with something to lose.
        assert nursery(state, seed=number) == {"status": 0, "promised": 3, "faults": [], "leftovers": []}, point
        crashed = nursery(state, seed=1000 + number, point=point)
        assert (crashed["status"], crashed["faults"], crashed["leftovers"]) == (-9, [], []), point
        after = nursery(state, seed=2000 + number)
        assert (after["status"], after["faults"], after["leftovers"]) == (0, [], []), point


def test_fifty_kills_at_random_times_leave_nothing_half(nursery: Order, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed of the random kills: {seed}")
    chance = random.Random(seed)
    for number in range(RANDOM_KILLS):
        after = chance.uniform(0, LONGEST)
        # A new store now and then: looking through a large one costs more than the crash.
        state = tmp_path / str(number // 10)
        crashed = nursery(state, seed=chance.randrange(1 << 32), rounds=10_000, after=after)
        found = (crashed["status"], crashed["faults"], crashed["leftovers"])
        assert found == (-9, [], []), f"seed {seed}, kill {number}"
    for state in tmp_path.iterdir():
        last = nursery(state, seed=seed)
        assert (last["status"], last["faults"], last["leftovers"]) == (0, [], []), f"seed {seed}"


@pytest.mark.parametrize("point", ["run:before-rename", "run:after-rename", "log:before-fsync"])
def test_a_real_run_killed_while_it_is_committed(world: World, point: str) -> None:
    target = world.purl("specimen-plain")
    killed = world.run("verify", target, REBUILDER_FAILPOINT=point)
    assert killed.code == -9, killed.text
    assert faults(world.state, []) == []
    assert verify(world, target).record.verdict == "reproduced"
    assert leftovers(world.state) == []


def test_real_runs_killed_at_random_leave_no_container(world: World) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed of the random kills: {seed}")
    chance = random.Random(seed)
    target = world.purl("specimen-plain")
    dead = []
    for _ in range(4):
        running = subprocess.Popen(
            world.command("verify", target, "--quiet"), cwd=world.folder, env=world.environment({}),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.5, 5))
        running.kill()
        running.wait()
        dead.append(running.pid)
        assert faults(world.state, []) == [], f"seed {seed}"
    assert verify(world, target).record.verdict == "reproduced", f"seed {seed}"
    assert leftovers(world.state) == [], f"seed {seed}"
    containers = docker.from_env().containers.list(all=True, filters={"label": "rebuilder.pid"})
    owners = [container.labels["rebuilder.pid"].split("/") for container in containers]
    assert not [owner for owner in owners if len(owner) > 2 and int(owner[2]) in dead], f"seed {seed}"
