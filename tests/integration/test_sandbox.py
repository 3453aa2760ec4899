"""The Docker engine behind its port: streams, limits, ways out, orphans, and what happens when it dies."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from rebuilder.errors import InfrastructureError, IntegrityError
from rebuilder.model import RootImage
from rebuilder.ports import Tmpfs
from rebuilder.sandbox.docker import DockerEngine
from tests.integration.cut_wire import Wire, engine_address
from tests.integration.sandboxes import Workshop, job, nothing

pytestmark = pytest.mark.integration

OWNER = """
import sys
from rebuilder.sandbox.docker import DockerEngine
from rebuilder.model import RootImage
from tests.integration.sandboxes import job
root = RootImage(build="generic", sha256=sys.argv[1], size=1, packages=1)
def ready(data): print("ready", flush=True)
DockerEngine().run(job(root, "sh", "-c", "echo x; sleep 60", run_id=sys.argv[2]), stdout=ready, stderr=ready)
"""


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    opened = docker.from_env()
    yield opened
    opened.close()


def left(client: docker.DockerClient, run_id: str) -> list[str]:
    found = client.containers.list(all=True, filters={"label": f"rebuilder.run={run_id}"})
    return [container.name or "" for container in found]


def owner(root: RootImage, run_id: str) -> subprocess.Popen[str]:
    """Another process with a running container."""
    started = subprocess.Popen([sys.executable, "-c", OWNER, root.sha256, run_id], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def test_both_directions_flow_at_once(engine: DockerEngine, base_root: RootImage) -> None:
    chunk = bytes(range(256)) * 1024
    digest, errors = hashlib.sha256(), []
    both = job(base_root, "sh", "-c", "echo begin >&2; cat; echo end >&2; exit 5")
    ended = engine.run(both, stdin=(chunk for _ in range(100)), stdout=digest.update, stderr=errors.append)
    assert (ended.status, ended.timed_out, ended.out_of_memory) == (5, False, False)
    assert digest.digest() == hashlib.sha256(chunk * 100).digest()
    assert b"".join(errors) == b"begin\nend\n"


def test_a_program_that_never_reads_does_not_block_us(engine: DockerEngine, base_root: RootImage) -> None:
    out: list[bytes] = []
    endless = iter(lambda: b"x" * 65536, b"")
    ended = engine.run(job(base_root, "sh", "-c", "yes | head -c 3M"), stdin=endless, stdout=out.append, stderr=nothing)
    assert (ended.status, sum(map(len, out))) == (0, 3 * 1024**2)


def test_closed_streams_are_not_the_end(engine: DockerEngine, base_root: RootImage) -> None:
    run = job(base_root, "sh", "-c", "exec >&- 2>&-; sleep 0.5; exit 4")
    assert engine.run(run, stdout=nothing, stderr=nothing).status == 4
    run = job(base_root, "sh", "-c", "exec >&- 2>&-; sleep 60", seconds=1.5)
    ended = engine.run(run, stdout=nothing, stderr=nothing)
    assert (ended.status, ended.timed_out) == (None, True)


def test_time_and_memory_end_a_container(
    engine: DockerEngine, base_root: RootImage, client: docker.DockerClient
) -> None:
    slow = engine.run(job(base_root, "sleep", "60", seconds=1.0, run_id="slow"), stdout=nothing, stderr=nothing)
    assert (slow.status, slow.timed_out) == (None, True)
    hungry = job(base_root, "perl", "-e", "my $x = q(a) x 500_000_000", run_id="hungry")
    ended = engine.run(hungry, stdout=nothing, stderr=nothing)
    # Whether the engine learns of the reason in time is its own affair: builds are told by the runner.
    assert (ended.status, ended.timed_out) == (137, False)
    assert left(client, "slow") == left(client, "hungry") == []


def test_the_container_is_sealed(engine: DockerEngine, base_root: RootImage, client: docker.DockerClient) -> None:
    seen: list[dict[str, object]] = []

    def look(_: bytes) -> None:
        if not seen:
            seen.append(client.containers.get(left(client, "sealed")[0]).attrs)

    mount = Tmpfs(path="/work", bytes=1024**2, mode=0o700)
    sealed = job(base_root, "sh", "-c", "echo x; sleep 0.5", run_id="sealed", tmpfs=(mount,))
    engine.run(sealed, stdout=look, stderr=nothing)
    host = seen[0]["HostConfig"]
    assert isinstance(host, dict)
    expected = {
        "NetworkMode": "none", "CapDrop": ["ALL"], "CapAdd": None, "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "ReadonlyRootfs": True, "IpcMode": "private", "Binds": None, "PidsLimit": 64, "Memory": 128 * 1024**2,
        "MemorySwap": 128 * 1024**2, "NanoCpus": 2_000_000_000, "Init": False,
        "LogConfig": {"Type": "none", "Config": {}},
        "Tmpfs": {"/work": "rw,exec,nosuid,nodev,size=1048576,mode=700"},
    }  # fmt: skip
    assert {key: host[key] for key in expected} == expected


def test_an_exception_of_a_callback_passes_and_leaves_nothing(
    engine: DockerEngine, base_root: RootImage, client: docker.DockerClient
) -> None:
    def fail(_: bytes) -> None:
        raise ConnectionError("the disk of the test")

    def fail_input() -> Iterator[bytes]:
        yield b"x"
        raise ZeroDivisionError

    with pytest.raises(ConnectionError, match="the disk of the test"):
        engine.run(job(base_root, "sh", "-c", "echo x; sleep 60", run_id="raised"), stdout=fail, stderr=nothing)
    with pytest.raises(ZeroDivisionError):
        engine.run(job(base_root, "sleep", "60", run_id="raised"), stdin=fail_input(), stdout=nothing, stderr=nothing)
    assert left(client, "raised") == []


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.1, 0.25])
def test_ctrl_c_leaves_no_container(base_root: RootImage, client: docker.DockerClient, delay: float) -> None:
    run_id = f"interrupted-{delay}"
    script = OWNER.replace("DockerEngine().run", "print('ready', flush=True); DockerEngine().run")
    command = [sys.executable, "-c", script, base_root.sha256, run_id]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout is not None
    started.stdout.readline()
    time.sleep(delay)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=30)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert left(client, run_id) == []


def test_the_sweep_takes_orphans_and_no_one_elses(
    engine: DockerEngine, base_root: RootImage, client: docker.DockerClient
) -> None:
    dead, alive = owner(base_root, "dead"), owner(base_root, "alive")
    try:
        dead.kill()
        dead.wait()
        assert (len(left(client, "dead")), len(left(client, "alive"))) == (1, 1)
        assert engine.sweep() >= 1
        assert (left(client, "dead"), len(left(client, "alive"))) == ([], 1)
    finally:
        alive.send_signal(signal.SIGINT)
        alive.wait(timeout=30)
    assert left(client, "alive") == []


def test_a_container_killed_from_outside_proves_nothing(
    engine: DockerEngine, base_root: RootImage, client: docker.DockerClient
) -> None:
    def kill(_: bytes) -> None:
        client.containers.get(left(client, "outside")[0]).kill()

    with pytest.raises(InfrastructureError, match="found it killed from outside"):
        engine.run(job(base_root, "sh", "-c", "echo x; sleep 60", run_id="outside"), stdout=kill, stderr=nothing)
    status = engine.run(job(base_root, "sh", "-c", "exit 137"), stdout=nothing, stderr=nothing).status
    assert status == 137


@pytest.mark.parametrize("moment", ["attached", "building"])
def test_an_engine_that_dies_is_no_outcome(
    base_root: RootImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, client: docker.DockerClient
) -> None:
    wire = Wire(tmp_path / "engine.sock", engine_address())
    monkeypatch.setenv("DOCKER_HOST", wire.address)
    engine = DockerEngine()
    workshop = Workshop(engine, base_root, tmp_path / "state")
    if moment == "building":
        monkeypatch.setattr(workshop.progress, "line", lambda _: wire.cut())
        with pytest.raises(InfrastructureError, match="that it no longer answers") as raised:
            workshop.build("echo begun; sleep 60")
    else:
        with pytest.raises(InfrastructureError, match="that it no longer answers") as raised:
            engine.run(job(base_root, "cat"), stdin=cutting(wire), stdout=nothing, stderr=nothing)
    assert "Nothing is known about the build" in raised.value.hint
    monkeypatch.undo()
    for name in left(client, "test-run"):
        client.containers.get(name).remove(force=True)


def cutting(wire: Wire) -> Iterator[bytes]:
    yield b"x"
    wire.cut()
    yield b"y"


def test_no_engine_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(InfrastructureError, match=r"a Docker engine at unix://.*nobody.sock, found none") as raised:
        DockerEngine().version()
    assert "rebuilder doctor" in raised.value.hint
    monkeypatch.setenv("DOCKER_HOST", "carrier-pigeon://loft")
    with pytest.raises(InfrastructureError, match="expected a Docker engine at carrier-pigeon://loft"):
        DockerEngine().has_root("0" * 64)


def test_a_root_is_known_by_its_digest_alone(engine: DockerEngine, client: docker.DockerClient) -> None:
    tar = a_tar(os.urandom(8))
    sha256 = hashlib.sha256(tar).hexdigest()
    assert not engine.has_root(sha256)
    with pytest.raises(IntegrityError, match=f"expected a root filesystem with sha256 {'1' * 64}, found {sha256}"):
        engine.import_root(io.BytesIO(tar), "1" * 64)
    assert not engine.has_root("1" * 64)
    try:
        engine.import_root(io.BytesIO(tar), sha256)
        assert engine.has_root(sha256)
        client.images.get(f"rebuilder-root:{sha256}").tag("rebuilder-root", "2" * 64)
        assert not engine.has_root("2" * 64)
    finally:
        for name in (sha256, "2" * 64):
            client.images.remove(f"rebuilder-root:{name}")


def test_bytes_that_are_no_tar_are_refused(engine: DockerEngine) -> None:
    rubbish = b"not a tar" * 1000
    sha256 = hashlib.sha256(rubbish).hexdigest()
    with pytest.raises(InfrastructureError, match="to import a root filesystem"):
        engine.import_root(io.BytesIO(rubbish), sha256)
    assert not engine.has_root(sha256)


def a_tar(content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        member = tarfile.TarInfo("content")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return written.getvalue()
