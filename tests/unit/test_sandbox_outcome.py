"""From a trailer and an exit to one reason; containers and their labels."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rebuilder.errors import InfrastructureError, UsageError
from rebuilder.model import BuildPlan, FailureReason, Limits, Step
from rebuilder.ports import Exit, Job
from rebuilder.sandbox import owner
from rebuilder.sandbox.build import _Reception, runner_script, writable_mounts
from rebuilder.sandbox.frames import Trailer
from rebuilder.sandbox.outcome import blame_source, judge
from rebuilder.sandbox.stream import Demultiplexer, Exchange
from rebuilder.store.blobs import BlobStore

LIMITS = Limits()


class Silent:
    """A display that shows nothing."""

    def stage(self, name: str, detail: str = "") -> None: ...

    def line(self, text: str) -> None: ...


def trailer(**changes: object) -> Trailer:
    values: dict[str, object] = {
        "outcome": "done", "step": 1, "status": None, "signal": None, "full": False, "log": 0, "processes": 0,
        "memory": 0, "note": "",
    }  # fmt: skip
    return Trailer(**values | changes)  # type: ignore[arg-type]


def ended(**changes: object) -> Exit:
    values: dict[str, object] = {
        "status": 0, "timed_out": False, "out_of_memory": False, "seconds": 1.0, "container": "c",
    }  # fmt: skip
    return Exit(**values | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "status", "failure", "detail"),
    [
        (trailer(), 0, None, ""),
        (trailer(memory=2), 0, None, "the kernel killed 2 process(es) at the memory limit"),
        (trailer(outcome="failed", status=2), 2, FailureReason.EXIT_STATUS, "step 1 ended with exit status 2"),
        (trailer(outcome="failed", status=0, signal=11), 139, FailureReason.EXIT_STATUS, "killed by SIGSEGV"),
        (trailer(outcome="failed", status=0, signal=64), 192, FailureReason.EXIT_STATUS, "killed by SIGRTMAX"),
        (trailer(outcome="failed", status=1, memory=1, full=True), 1, FailureReason.MEMORY_LIMIT, "memory limit"),
        (trailer(outcome="failed", status=1, full=True, processes=3), 1, FailureReason.DISK_LIMIT, "was seen full"),
        (trailer(outcome="failed", status=1, processes=3), 1, FailureReason.PROCESS_LIMIT, "refused 3 process"),
        (trailer(outcome="time"), None, FailureReason.TIME_LIMIT, "did not end within 3600 seconds"),
        (trailer(outcome="time", processes=9), None, FailureReason.PROCESS_LIMIT, "refused 9 process"),
        (trailer(outcome="log"), None, FailureReason.LOG_LIMIT, "more than 67108864 bytes of log"),
        (trailer(outcome="output", note="3 files of 9 bytes"), None, FailureReason.OUTPUT_LIMIT, "3 files of 9 bytes"),
        (trailer(outcome="full", note="could not write"), None, FailureReason.DISK_LIMIT, "could not write"),
    ],
)
def test_a_trailer_has_one_reason(
    found: Trailer, status: int | None, failure: FailureReason | None, detail: str
) -> None:
    outcome = judge(found, ended(), broken="", limits=LIMITS)
    assert (outcome.exit_status, outcome.failure) == (status, failure)
    assert detail in outcome.detail


@pytest.mark.parametrize(
    ("exit_", "failure", "detail"),
    [
        (ended(status=137, out_of_memory=True), FailureReason.MEMORY_LIMIT, "the runner itself was killed for memory"),
        (ended(status=None, timed_out=True), FailureReason.TIME_LIMIT, "did not answer within its time: why"),
        (ended(status=137), FailureReason.EXIT_STATUS, "the kernel killed it, for memory or at a limit"),
        (ended(status=9), FailureReason.EXIT_STATUS, "ended without a trailer (status 9): why"),
        (None, FailureReason.EXIT_STATUS, "the runner's stream broke off: why"),
    ],
)
def test_without_a_trailer_nothing_succeeds(exit_: Exit | None, failure: FailureReason, detail: str) -> None:
    outcome = judge(None, exit_, broken="why", limits=LIMITS)
    assert outcome.failure is failure
    assert detail in outcome.detail


@pytest.mark.parametrize(
    ("exit_", "own_time", "message"),
    [
        (ended(status=0), True, r"stream lost on the way \(status 0\): why"),
        (ended(status=74), True, r"stream lost on the way \(status 74\): why"),
        (ended(status=None, timed_out=True), False, "inputs and outputs to pass .* in time, found .* did not: why"),
    ],
)
def test_what_was_lost_on_our_side_is_never_an_outcome(exit_: Exit, own_time: bool, message: str) -> None:
    with pytest.raises(InfrastructureError, match=message):
        judge(None, exit_, broken="why", limits=LIMITS, own_time=own_time)


def exchanged(sent: bytes, stdin: tuple[bytes, ...] = ()) -> bytes:
    near, far = socket.socketpair()
    out = bytearray()
    with near, far:
        far.sendall(sent)
        far.close()
        assert Exchange(near, stdin, Demultiplexer(out.extend, out.extend)).run(time.monotonic() + 10)
    return bytes(out)


def test_a_connection_cut_in_the_middle_of_a_piece_is_no_end() -> None:
    assert exchanged(b"\1\0\0\0\0\0\0\3abc") == b"abc"
    assert exchanged(b"\1\0\0\0\0\0\0\0") == b""
    for cut in (b"\1\0\0\0\0\0\0\3ab", b"\1\0\0\0", b"\1\0\0\0\0\0\0\3"):
        with pytest.raises(InfrastructureError, match="found the connection to the Docker engine cut"):
            exchanged(cut)


def test_time_counts_from_the_first_step_to_the_first_output(tmp_path: Path) -> None:
    plan = BuildPlan(
        build="any", inputs=(), input_dir="/build", steps=(Step(argv=("true",), cwd="/"),), environment={},
        outputs=("*",), output_dir="/build",
    )  # fmt: skip
    with _Reception(plan, b"n" * 32, BlobStore(tmp_path), Silent(), keep=False) as reception:
        assert reception.building_for() == 0.0
        reception.feed(struct.pack(">cI", b"S", 1) + b"1")
        time.sleep(0.05)
        assert reception.building_for() >= 0.05
        reception.feed(struct.pack(">cI", b"F", 9) + struct.pack(">Q", 5) + b"a")
        stopped = reception.building_for()
        time.sleep(0.05)
        assert reception.building_for() == stopped


def test_the_runner_says_that_it_lost_the_host() -> None:
    # It needs no container until it reads its plan.
    ended = subprocess.run(["perl", "-e", runner_script()], input=b"V\0\0", capture_output=True, check=False)
    assert ended.returncode == 74
    assert ended.stderr == b"runner: input ended in the middle of a frame\n"


def test_a_runner_that_could_not_begin_is_our_fault() -> None:
    with pytest.raises(InfrastructureError, match="found: no such directory"):
        judge(trailer(outcome="setup", note="no such directory"), ended(), broken="", limits=LIMITS)


def test_full_mounts_leave_room_in_memory() -> None:
    mounts = writable_mounts(LIMITS)
    assert [mount.path for mount in mounts] == ["/build", "/tmp", "/var/tmp"]
    assert mounts[0].bytes == LIMITS.disk_bytes
    assert sum(mount.bytes for mount in mounts) < LIMITS.memory_bytes
    with pytest.raises(UsageError, match=r"expected limits.memory_bytes of at least"):
        writable_mounts(Limits(disk_bytes=LIMITS.memory_bytes))


def test_the_runner_is_one_argument() -> None:
    # The kernel's limit for a single argument (MAX_ARG_STRLEN) is 128 KiB.
    assert len(runner_script().encode()) < 128 * 1024
    assert "\0" not in runner_script()


def job() -> Job:
    return Job(purpose="build", run_id="a~b:c/d", root_sha256="", argv=(), environment={}, user="1:1", seconds=10.0)


def test_our_own_containers_are_no_orphans() -> None:
    found = owner.labels(job())
    assert found[owner.RUN] == "a~b:c/d"
    assert not owner.is_orphan(found, now=time.time() + 10 * owner.GRACE)
    first, second = owner.container_name(job()), owner.container_name(job())
    assert first.startswith("rebuilder-build-a-b-c-d-")
    assert first != second


def test_a_dead_process_leaves_orphans() -> None:
    script = "from rebuilder.sandbox import owner; print(owner.this_process())"
    label = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert owner.is_orphan({owner.OWNER: label, owner.UNTIL: str(2**40)}, now=0)


def test_a_reused_process_number_is_not_the_owner() -> None:
    machine = owner.this_process().rpartition("/")[0]
    assert machine.endswith(f"/{os.getpid()}")
    assert owner.is_orphan({owner.OWNER: f"{machine}/1", owner.UNTIL: str(2**40)}, now=0)


@pytest.mark.parametrize("name", ["another-boot/4026531836/1/5", "unknown", "", "a/b/c/d", "///"])
def test_owners_we_can_not_see_have_until_their_deadline(name: str) -> None:
    found = {owner.OWNER: name, owner.UNTIL: "1000"}
    assert not owner.is_orphan(found, now=1000 + owner.GRACE)
    assert owner.is_orphan(found, now=1001 + owner.GRACE)
    assert owner.is_orphan({owner.OWNER: name}, now=0)
    assert owner.is_orphan({owner.OWNER: name, owner.UNTIL: "soon"}, now=0)


def test_the_engines_stream_is_split_wherever_it_is_cut() -> None:
    stream = b"\1\0\0\0\0\0\0\3abc" + b"\2\0\0\0\0\0\0\0" + b"\2\0\0\0\0\0\0\2xy" + b"\1\0\0\0\0\0\0\1d"
    for size in range(1, len(stream) + 1):
        out, err = bytearray(), bytearray()
        demultiplexer = Demultiplexer(out.extend, err.extend)
        for start in range(0, len(stream), size):
            demultiplexer.feed(stream[start : start + size])
        assert (bytes(out), bytes(err)) == (b"abcd", b"xy")


@pytest.mark.parametrize("header", [b"\3\0\0\0\0\0\0\1", b"\1\0\0\1\0\0\0\1", b"HTTP/1.1"])
def test_what_is_not_the_engines_stream_is_refused(header: bytes) -> None:
    with pytest.raises(InfrastructureError, match=f"expected a stream header .* found the bytes {header.hex()}"):
        Demultiplexer(lambda _: None, lambda _: None).feed(header)


@pytest.mark.parametrize(
    ("step", "unpack_steps", "failure"),
    [(1, 1, FailureReason.BAD_SOURCE), (2, 1, FailureReason.EXIT_STATUS), (1, 0, FailureReason.EXIT_STATUS)],
)
def test_a_source_that_cannot_be_unpacked_is_called_bad(step: int, unpack_steps: int, failure: FailureReason) -> None:
    found = trailer(outcome="failed", status=2, step=step)
    outcome = judge(found, ended(), broken="", limits=LIMITS)
    assert blame_source(outcome, found, unpack_steps).failure is failure


def test_a_limit_hit_while_unpacking_keeps_its_name() -> None:
    found = trailer(outcome="failed", status=2, step=1, full=True)
    outcome = judge(found, ended(), broken="", limits=LIMITS)
    assert blame_source(outcome, found, 1).failure is FailureReason.DISK_LIMIT
    assert blame_source(judge(None, ended(status=1), broken="x", limits=LIMITS), None, 1).failure is (
        FailureReason.EXIT_STATUS
    )
