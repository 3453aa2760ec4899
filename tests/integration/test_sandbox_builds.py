"""Builds in real containers: what goes in, what comes out, and every limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from rebuilder.errors import InfrastructureError, IntegrityError, UsageError
from rebuilder.model import FailureReason, RootImage
from rebuilder.ports import Engine, Exit, Job
from rebuilder.sandbox.docker import DockerEngine
from tests.integration.sandboxes import Workshop

pytestmark = pytest.mark.integration


@pytest.fixture
def workshop(engine: DockerEngine, base_root: RootImage, tmp_path: Path) -> Workshop:
    return Workshop(engine, base_root, tmp_path / "state")


def test_inputs_go_in_and_outputs_come_out_byte_for_byte(workshop: Workshop) -> None:
    odd = bytes(range(256)) * 3000 + b"\x10\x11"  # not a multiple of any buffer; holds docker's detach keys
    attempt = workshop.build(
        "cp /build/inputs/odd.bin first.out; : > empty.out; echo no > other.txt; echo hidden > .x.out",
        "cat first.out first.out | head -c 700001 | tail -c 1 > second.out",
        inputs={"odd.bin": odd, "nothing": b""},
        output_bytes=1024**2,
    )
    assert (attempt.failure, attempt.exit_status, attempt.detail) == (None, 0, "")
    assert workshop.outputs(attempt) == {"empty.out": b"", "first.out": odd, "second.out": odd[700000:700001]}
    assert [stage.split(":")[1] for stage in workshop.progress.stages] == [" step 1 of 2", " step 2 of 2"]
    assert "Docker Engine" in attempt.engine
    assert attempt.started < attempt.finished


def test_a_build_gets_its_own_world_and_no_more(workshop: Workshop) -> None:
    script = (
        "env | sort; umask; ulimit -n; pwd; stat -c '%a %Y %s' /build/inputs/*; readlink /proc/self/fd/0; "
        "ls /proc/self/fd; ps -o pgid,sid 2>/dev/null; perl -e 'print getppid(), exists $SIG{FPE} && 0'"
    )
    log = workshop.log(workshop.build(script)).decode().split("\n")
    assert log[:10] == [
        "HOME=/nonexistent", "PATH=/usr/bin:/bin", "PWD=/build/work", "SOURCE_DATE_EPOCH=1700000000",
        "0022", "1024", "/build/work", "444 1700000000 9", "/dev/null", "0",
    ]  # fmt: skip
    assert log[10:13] == ["1", "2", "3"]


class Deafened:
    """An engine whose containers start with every signal ignored, as one does that was started in such a way."""

    IGNORE = "my $ignore = pack 'Q4', 1, 0, 0, 0; syscall(13, $_, $ignore, 0, 8) for 1 .. 64; exec {$ARGV[0]} @ARGV"

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    def version(self) -> str:
        return self._engine.version()

    def run(self, job: Job, **streams: Any) -> Exit:
        return self._engine.run(replace(job, argv=("/usr/bin/perl", "-e", self.IGNORE, *job.argv)), **streams)


def test_no_signal_arrives_ignored_whatever_the_engine_was_started_with(
    engine: DockerEngine, base_root: RootImage, tmp_path: Path
) -> None:
    workshop = Workshop(cast("Engine", Deafened(engine)), base_root, tmp_path / "state")
    attempt = workshop.build("grep SigIgn /proc/self/status", "exit 7")
    assert workshop.log(attempt).split() == [b"SigIgn:", b"0" * 16]
    assert (attempt.failure, attempt.exit_status) == (FailureReason.EXIT_STATUS, 7)


def test_the_first_failing_step_ends_the_build(workshop: Workshop) -> None:
    attempt = workshop.build("echo one > a.out", "echo told; exit 7", "echo never")
    assert (attempt.failure, attempt.exit_status, attempt.outputs) == (FailureReason.EXIT_STATUS, 7, ())
    assert attempt.detail == "step 2 ended with exit status 7"
    assert workshop.log(attempt) == b"told\n"


def test_a_program_that_is_not_there(workshop: Workshop) -> None:
    attempt = workshop.build("exec nonesuch")
    assert (attempt.failure, attempt.exit_status) == (FailureReason.EXIT_STATUS, 127)
    assert b"nonesuch" in workshop.log(attempt)


def test_success_without_outputs_is_left_to_the_comparison(workshop: Workshop) -> None:
    attempt = workshop.build("true")
    assert (attempt.failure, attempt.exit_status, attempt.outputs) == (None, 0, ())


def test_the_log_keeps_terminal_escapes_as_they_came(workshop: Workshop) -> None:
    attempt = workshop.build(r"printf '\033]0;owned\007\033[2J\rfake\n\377\376'")
    assert workshop.log(attempt) == b"\033]0;owned\007\033[2J\rfake\n\377\376"


HANG = "trap '' TERM INT HUP; echo waiting; while :; do sleep 100; done"
BOMB = "b() { b | b & b; }; b"
HOARD = "perl -e 'my @x; push @x, q(x) x 1000000 while 1'"
TIDY = "(dd if=/dev/zero of=/build/big bs=1M; sleep 0.3; rm /build/big; exit 1)"


@pytest.mark.parametrize(
    ("script", "limits", "reason", "detail"),
    [
        (HANG, {"seconds": 1}, FailureReason.TIME_LIMIT, "step 1 did not end within 1 seconds"),
        (BOMB, {"seconds": 3}, FailureReason.PROCESS_LIMIT, "at the process limit"),
        (HOARD, {}, FailureReason.MEMORY_LIMIT, "at the memory limit"),
        (f"{HOARD} & wait $!; exit 1", {}, FailureReason.MEMORY_LIMIT, "at the memory limit"),
        ("dd if=/dev/zero of=/build/big bs=1M", {}, FailureReason.DISK_LIMIT, "/build, /tmp or /var/tmp was seen full"),
        ("dd if=/dev/zero of=/tmp/big bs=1M", {}, FailureReason.DISK_LIMIT, "/build, /tmp or /var/tmp was seen full"),
        (TIDY, {}, FailureReason.DISK_LIMIT, "/build, /tmp or /var/tmp was seen full"),
        ("yes 'a line of log'", {}, FailureReason.LOG_LIMIT, "step 1 wrote more than 262144 bytes of log"),
        ("yes '' & yes >&2 & wait", {}, FailureReason.LOG_LIMIT, "step 1 wrote more than 262144 bytes of log"),
        ("head -c 2M /dev/zero > a.out", {}, FailureReason.OUTPUT_LIMIT, "found 1 files of 2097152 bytes"),
        ("true", {"inputs": {"big": b"x" * 40_000_000}}, FailureReason.DISK_LIMIT, "bytes of disk did not suffice"),
    ],
    ids=["hang", "forks", "memory", "memory-child", "disk", "tmp", "tidy", "log", "logs", "output", "inputs"],
)
def test_every_limit_has_its_reason(
    workshop: Workshop, script: str, limits: dict[str, int], reason: FailureReason, detail: str
) -> None:
    attempt = workshop.build(script, **limits)
    assert (attempt.failure, attempt.outputs) == (reason, ())
    assert detail in attempt.detail
    assert attempt.log_truncated == (reason is FailureReason.LOG_LIMIT)
    assert len(workshop.log(attempt)) <= 262144


def test_a_full_disk_is_not_taken_for_full_memory(workshop: Workshop) -> None:
    attempt = workshop.build("dd if=/dev/zero of=/build/big bs=1M 2>/dev/null; rm /build/big; echo x > a.out")
    assert (attempt.failure, workshop.outputs(attempt)) == (None, {"a.out": b"x\n"})


def test_limits_that_can_not_hold_are_refused(workshop: Workshop) -> None:
    with pytest.raises(UsageError, match=r"expected limits.memory_bytes of at least 104857600 .* found 67108864"):
        workshop.build("true", memory_bytes=64 * 1024**2)


def test_an_input_outside_the_writable_mounts_is_our_fault(workshop: Workshop) -> None:
    plan = workshop.plan("true").model_copy(update={"input_dir": "/usr/inputs"})
    with pytest.raises(InfrastructureError, match="could not make the directory /usr/inputs"):
        workshop._builder.build(plan, workshop.root, run_id="r", number=1)


def test_a_damaged_input_never_reaches_the_build(workshop: Workshop, engine: DockerEngine) -> None:
    plan = workshop.plan("cat /build/inputs/*")
    path = workshop.blobs.path(plan.inputs[0].sha256)
    path.chmod(0o600)
    path.write_bytes(b"an inpuT\n")
    with pytest.raises(IntegrityError):
        workshop._builder.build(plan, workshop.root, run_id="damaged-input", number=1)
    client = docker.from_env()
    assert client.containers.list(all=True, filters={"label": "rebuilder.run=damaged-input"}) == []
    client.close()


def test_a_missing_root_is_said(workshop: Workshop) -> None:
    workshop.root = RootImage(build="generic", sha256="0" * 64, size=1, packages=1)
    with pytest.raises(InfrastructureError, match=r"expected the root filesystem 0{64} in the engine, found no image"):
        workshop.build("true")


def test_two_builds_at_once(workshop: Workshop) -> None:
    with ThreadPoolExecutor(2) as pool:
        attempts = list(pool.map(lambda n: workshop.build(f"sleep 0.3; echo {n} > {n}.out", number=n), (1, 2)))
    assert [workshop.outputs(attempt) for attempt in attempts] == [{"1.out": b"1\n"}, {"2.out": b"2\n"}]


@pytest.mark.parametrize("script", ["echo made > a.out", "exit 9", "while :; do sleep 1; done"])
def test_a_kept_container_can_be_entered(workshop: Workshop, engine: DockerEngine, script: str) -> None:
    attempt = workshop.build(f"echo trace > /build/work/trace; {script}", keep=True, seconds=1)
    *_, folder, name, shell = attempt.detail.split("`")[1].split()
    client = docker.from_env()
    kept = client.containers.get(name)
    try:
        engine.sweep()
        assert workshop.progress.lines[-1].startswith("kept: enter with `docker exec -it -w /build/work rebuilder-kept")
        found = kept.exec_run([shell, "-c", "cat trace; id -u"], workdir=folder)
        assert found.output == b"trace\n1000\n"
    finally:
        kept.remove(force=True)
        client.close()
