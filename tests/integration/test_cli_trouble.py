"""When this machine fails, or somebody interrupts: said as what it is, nothing kept by halves, the next run works."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive.world import Archives, World
from tests.integration.cut_wire import Wire, engine_address
from tests.integration.liar import OUR_FAULT, no_run, verify

pytestmark = pytest.mark.integration
MakeWorld = Callable[..., World]
INTERRUPTED = 130


class Started:
    """A run of the command that is under way."""

    def __init__(self, world: World, *words: str, **environment: str) -> None:
        self.said = b""
        self.process = subprocess.Popen(
            world.command(*words), cwd=world.folder, env=world.environment(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip

    def until(self, words: bytes) -> None:
        """Wait until it has said this."""
        assert self.process.stderr is not None
        while words not in self.said:
            piece = self.process.stderr.read(4096)
            assert piece, self.said.decode()
            self.said += piece

    def end(self) -> int:
        """Its exit code; all that it said is in ``said`` then."""
        out, err = self.process.communicate(timeout=60)
        self.said += out + err
        return self.process.returncode


def containers_of(process: int) -> list[str]:
    """Containers that a process of this host has made and that are still there."""
    labelled = ("--filter", "label=rebuilder.run", "--format", '{{.ID}} {{.Label "rebuilder.pid"}}')
    listing = ["docker", "ps", "-a", *labelled]
    done = subprocess.run(listing, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if f"/{process}/" in line]


def runs(state: Path) -> set[str]:
    return {path.name for path in (state / "runs").glob("*")}


@pytest.mark.parametrize(
    ("number", "at"),
    [
        (signal.SIGINT, "resolve: signed index"),
        (signal.SIGTERM, "toolchain"),
        (signal.SIGINT, "step 2 of 2"),
        (signal.SIGTERM, "step 2 of 2"),
        (signal.SIGHUP, "step 2 of 2"),
    ],
)
def test_an_interruption_leaves_no_container_and_no_run(world: World, number: signal.Signals, at: str) -> None:
    before = runs(world.state)
    started = Started(world, "verify", world.purl("specimen-hangs"))
    started.until(at.encode())
    started.process.send_signal(number)
    began = time.monotonic()
    assert started.end() == INTERRUPTED, started.said.decode()
    assert time.monotonic() - began < 20
    assert started.said.decode().endswith("interrupted; nothing half-done was kept\n")
    assert containers_of(started.process.pid) == []
    assert runs(world.state) == before


def test_an_interruption_while_a_toolchain_is_made(world: World, make_world: MakeWorld, tmp_path: Path) -> None:
    verify(world, world.purl("specimen-plain"))
    state = tmp_path / "copy"
    left_out = shutil.ignore_patterns("roots", "runs", "log.jsonl", "tmp")
    shutil.copytree(world.state, state, copy_function=os.link, ignore=left_out)
    world = make_world(world.archives, state=state)
    for number in (signal.SIGTERM, signal.SIGINT):
        started = Started(world, "verify", world.purl("specimen-plain"))
        started.until(b"mmdebstrap installs")
        time.sleep(1)
        started.process.send_signal(number)
        assert started.end() == INTERRUPTED, started.said.decode()
        assert containers_of(started.process.pid) == []
    assert not any((state / "roots").glob("*"))
    assert runs(state) == set()
    for blob in (state / "blobs").glob("??/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def test_an_engine_that_dies_in_mid_build_says_nothing_about_the_publisher(world: World, tmp_path: Path) -> None:
    wire = Wire(tmp_path / "wire.sock", engine_address())
    before = runs(world.state)
    started = Started(world, "verify", world.purl("specimen-hangs"), DOCKER_HOST=wire.address)
    started.until(b"step 2 of 2")
    wire.cut()
    assert started.end() == OUR_FAULT, started.said.decode()
    said = started.said.decode()
    assert "expected the Docker engine at unix://" in said
    assert "Nothing is known about the build" in said
    assert runs(world.state) == before
    assert containers_of(started.process.pid) != []
    assert verify(world, world.purl("specimen-plain")).record.verdict == "reproduced"
    assert containers_of(started.process.pid) == []


def test_no_engine_at_all(world: World, tmp_path: Path) -> None:
    outcome = no_run(world, world.purl("specimen-plain"), DOCKER_HOST=f"unix://{tmp_path}/nobody.sock")
    assert outcome.code == OUR_FAULT
    assert "expected a Docker engine at unix://" in outcome.err
    assert "make setup" in outcome.err


def in_small_disk(world: World, options: str) -> tuple[str, ...]:
    """argv that runs its further arguments, as a shell's, with a tmpfs of these options as the state."""
    rights = () if os.geteuid() == 0 else ("--map-root-user",)
    mount = 'mount -t tmpfs -o "$0" none "$1" && state=$1 && shift && eval "$@"'
    world.state.mkdir(exist_ok=True)
    return ("unshare", "--mount", *rights, "sh", "-c", mount, options, str(world.state))


def run_in(world: World, options: str, script: str) -> subprocess.CompletedProcess[str]:
    environment = world.environment({"REBUILDER": " ".join(f"'{word}'" for word in world.command())})
    argv = [*in_small_disk(world, options), script]
    return subprocess.run(argv, cwd=world.folder, env=environment, capture_output=True, text=True, check=False)


KEYS = "keys init --organisation Small --builder-id https://s.invalid/b --verifier-id https://s.invalid/v"


def test_a_full_disk_is_our_own_fault(archives: Archives, make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(archives, state=tmp_path / "small")
    script = (
        f"eval $REBUILDER {KEYS} >/dev/null; eval $REBUILDER verify '{world.purl('specimen-plain')}' --quiet; code=$?;"
        ' find "$state" -type f -path "*/blobs/*" -exec sha256sum {} +; ls "$state"; exit $code'
    )
    done = run_in(world, "size=2m", script)
    assert done.returncode == OUR_FAULT, done.stdout + done.stderr
    assert "No space left on device. Nothing half-written was kept." in done.stderr
    assert "rebuilder cache trim" in done.stderr
    blobs = [line.split() for line in done.stdout.splitlines() if "/blobs/" in line]
    assert blobs
    assert all(digest == Path(path).name for digest, path in blobs)
    assert "runs" not in done.stdout.splitlines()


def test_a_disk_that_fills_while_the_run_is_written_keeps_nothing_of_it(world: World) -> None:
    verify(world, world.purl("specimen-plain"))
    before = runs(world.state)
    done = subprocess.run(
        world.command("verify", world.purl("specimen-plain")), cwd=world.folder, env=world.environment({}),
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
    )  # fmt: skip
    assert done.returncode == OUR_FAULT, done.stderr
    assert f"could not work below {world.state}/tmp/" in done.stderr
    assert "File too large. Nothing half-written was kept." in done.stderr
    assert "attest" in done.stderr
    assert runs(world.state) == before
    assert verify(world, world.purl("specimen-plain")).record.verdict == "reproduced"


def test_a_state_that_cannot_be_written(archives: Archives, make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(archives, state=tmp_path / "barred")
    for words in (KEYS, f"verify '{world.purl('specimen-plain')}' --no-sign", "cache trim"):
        done = run_in(world, "ro", f"eval $REBUILDER {words}")
        assert done.returncode == OUR_FAULT, done.stdout + done.stderr
        assert "Read-only file system" in done.stderr
        assert "bug of ours" not in done.stderr
    done = run_in(world, "ro", "eval $REBUILDER doctor")
    assert done.returncode == OUR_FAULT
    assert "missing: state folder" in done.stdout
