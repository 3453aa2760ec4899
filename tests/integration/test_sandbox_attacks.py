"""Packages whose build attacks the runner, the other builds or the result. Each one must get nowhere."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from rebuilder.model import FailureReason, RootImage
from rebuilder.sandbox.docker import DockerEngine
from tests.integration.sandboxes import Workshop

pytestmark = pytest.mark.integration

NONCE = b"the nonce of this test, 32 bytes"

#: Every way to process 1 that a process of the same user has; each prints what came of it.
REACH_FOR_THE_RUNNER = r"""
use strict; my ($n) = grep { $_->[0] eq (split ' ', `uname -m`)[0] }
  ['x86_64', 101, 310, 434, 438, 302, 311], ['aarch64', 117, 270, 434, 438, 261, 271];
my (undef, $ptrace, $read, $pidfd, $getfd, $prlimit, $write) = @$n;
sub report { printf "%s: %s\n", $_[0], $_[1] ? "REACHED" : "denied" }
sub opens { my ($mode, $path) = @_; my $file; return open($file, $mode, $path) ? $file : undef }
sub reads { my $file = opens('<', @_); return $file && sysread($file, my $data, 10) }
sub lists { my $folder; return opendir($folder, $_[0]) && defined readdir $folder }
report('attach', syscall($ptrace, 16, 1, 0, 0) == 0);
report('seize', syscall($ptrace, 0x4206, 1, 0, 0) == 0);
report($_, reads("/proc/1/$_")) for qw(mem environ maps auxv stack syscall io pagemap);
report("fd $_", opens('+<', "/proc/1/fd/$_") || opens('>', "/proc/1/fd/$_") || opens('<', "/proc/1/fd/$_")) for 0 .. 9;
report($_, lists("/proc/1/$_")) for qw(fd fdinfo map_files root cwd);
report('cwd', defined readlink '/proc/1/cwd'); report('exe', defined readlink '/proc/1/exe');
my $buffer = "\0" x 64;
my $local = pack('QQ', unpack('Q', pack('p', $buffer)), 64); my $remote = pack('QQ', 0x400000, 64);
report('process_vm_readv', syscall($read, 1, $local, 1, $remote, 1, 0) >= 0);
report('process_vm_writev', syscall($write, 1, $local, 1, $remote, 1, 0) >= 0);
my $fd = syscall($pidfd, 1, 0);
for my $wanted (0 .. 5) { report("pidfd_getfd $wanted", $fd >= 0 && syscall($getfd, $fd, $wanted, 0) >= 0) }
report("set $_", opens('>', "/proc/1/$_")) for qw(oom_score_adj mem clear_refs coredump_filter comm);
for my $signal (1 .. 64) { kill $signal, 1 }
print "still here\n";
"""


@pytest.fixture
def workshop(engine: DockerEngine, base_root: RootImage, tmp_path: Path) -> Workshop:
    return Workshop(engine, base_root, tmp_path / "state")


def perl(script: str) -> str:
    return "perl - <<'SCRIPT'\n" + script + "\nSCRIPT\n"


def test_the_runner_is_out_of_reach(workshop: Workshop) -> None:
    attempt = workshop.build(perl(REACH_FOR_THE_RUNNER) + "echo fine > a.out")
    log = workshop.log(attempt)
    assert b"REACHED" not in log
    assert log.count(b"denied") > 30
    assert b"still here" in log
    assert (attempt.failure, workshop.outputs(attempt)) == (None, {"a.out": b"fine\n"})


def test_the_nonce_is_nowhere_and_would_not_help(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rebuilder.sandbox.build.secrets.token_bytes", lambda _: NONCE)
    places = "/proc/[0-9]*/environ /proc/[0-9]*/cmdline /build /tmp /dev/shm"
    search = f"grep -l -a -r 'nonce of this te[s]t' {places} 2>/dev/null; "
    fields = b"full=0\nlog=0\nmemory=0\nnote=\noutcome=done\nprocesses=0\nsignal=\nstatus=\nstep=1\n"
    trailer = struct.pack(">cI", b"T", len(NONCE + fields)) + NONCE + fields
    escaped = "".join(f"\\{byte:03o}" for byte in trailer)
    attempt = workshop.build(search + f"printf '{escaped}'; printf '{escaped}' >&2; exit 3")
    assert attempt.failure is FailureReason.EXIT_STATUS
    assert attempt.detail == "step 1 ended with exit status 3"
    assert workshop.log(attempt) == trailer * 2


def test_fake_frames_in_the_log_are_log(workshop: Workshop) -> None:
    forged = struct.pack(">cI", b"F", 13) + struct.pack(">Q", 4) + b"b.out" + struct.pack(">cI", b"D", 4) + b"evil"
    escaped = "".join(f"\\{byte:03o}" for byte in forged)
    attempt = workshop.build(f"printf '{escaped}'; echo good > a.out")
    assert workshop.log(attempt) == forged
    assert workshop.outputs(attempt) == {"a.out": b"good\n"}


def test_daemons_can_not_change_outputs_after_the_build(workshop: Workshop) -> None:
    daemon = """
      for my $n (1 .. 5) { next if fork; exec 'true' if fork; setpgrp; $SIG{$_} = 'IGNORE' for keys %SIG;
        while (1) { open(my $f, '>', 'a.out'); print $f "daemon $n\n"; close $f; fork if rand() < 0.01 } }
    """
    script = perl("use POSIX; $SIG{$_} = 'IGNORE' for qw(TERM HUP INT CHLD);" + daemon) + "echo built > b.out"
    started = time.monotonic()
    attempt = workshop.build(script, "sleep 0.3; echo quiet > a.out; ls /proc | grep -c '^[0-9]'")
    assert attempt.failure is None
    assert workshop.outputs(attempt) == {"a.out": b"quiet\n", "b.out": b"built\n"}
    # Process 1, the shell, ls and grep: nothing of the first step lives on in the second.
    assert workshop.log(attempt).split()[-1] == b"4"
    assert time.monotonic() - started < 10


def test_a_build_that_kills_everyone_kills_itself(workshop: Workshop) -> None:
    attempt = workshop.build("kill -KILL $PPID; kill -STOP 1; kill -9 -1; sleep 1; kill -9 $$")
    assert (attempt.failure, attempt.exit_status) == (FailureReason.EXIT_STATUS, 137)
    assert attempt.detail == "step 1 was killed by SIGKILL"


def test_a_build_that_stops_itself_runs_out_of_time(workshop: Workshop) -> None:
    attempt = workshop.build("kill -STOP $$", seconds=1)
    assert attempt.failure is FailureReason.TIME_LIMIT


def test_a_runner_killed_through_its_limits_makes_a_failed_build(workshop: Workshop) -> None:
    # The kernel lets a process set the limits of another one of its user: nothing hides from that.
    script = perl(
        r"""my $n = `uname -m` =~ /x86_64/ ? 302 : 261; my $none = pack 'QQ', 0, 0;
        print "cpu ", syscall($n, 1, 0, $none, 0), "\n"; syswrite STDOUT, "x" x 1000 for 1 .. 2000000;"""
    )
    attempt = workshop.build(script, seconds=60, log_bytes=64 * 1024**2, memory_bytes=256 * 1024**2)
    assert attempt.failure is FailureReason.EXIT_STATUS
    assert "the runner ended without a trailer" in attempt.detail
    assert attempt.outputs == ()


def test_a_runner_slowed_down_still_ends_the_build(workshop: Workshop) -> None:
    script = perl(
        r"""my ($n, $none) = (`uname -m` =~ /x86_64/ ? 144 : 119, pack 'i', 0); syscall($n, 1, 5, $none) == 0 or die;
        for (1 .. 10) { fork or do { 1 while 1 } } sleep 100;"""
    )
    attempt = workshop.build(script, seconds=2)
    assert attempt.failure in {FailureReason.TIME_LIMIT, FailureReason.PROCESS_LIMIT}


def test_closed_descriptors_and_a_stolen_log(workshop: Workshop) -> None:
    script = "(exec cat /proc/self/fd/1 > /build/stolen) & exec 0<&- 1>&- 2>&-; sleep 0.2; echo x > a.out"
    attempt = workshop.build(script)
    assert (attempt.failure, workshop.outputs(attempt)) == (None, {"a.out": b"x\n"})


@pytest.mark.parametrize(
    ("script", "note"),
    [
        ("ln -s /etc/passwd a.out", "a.out is no regular file"),
        ("ln -s /proc/1/environ a.out", "a.out is no regular file"),
        ("mkfifo a.out", "a.out is no regular file"),
        ("mkdir a.out", "a.out is no regular file"),
        ("perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un(q(a.out)))'", "no regular file"),
        ("echo x > 'a\n.out'", "a name that is not plain UTF-8"),
        ("echo x > \"$(printf 'a\\377.out')\"", "a name that is not plain UTF-8"),
        ("echo x > a.out; chmod 000 a.out", "a.out can't be read"),
        ("cd /build; rm -r work; ln -s /etc work", "/build/work is no directory"),
        ("cd /build; mv work else; ln -s else work", "/build/work is no directory"),
        ("cd /build; rm -r work; echo x > work", "/build/work is no directory"),
        ("rm -r /build/work", "/build/work is no directory"),
    ],
)
def test_what_is_no_plain_file_is_no_output(workshop: Workshop, script: str, note: str) -> None:
    attempt = workshop.build(script)
    assert (attempt.failure, attempt.outputs) == (None, ())
    assert note in attempt.detail


def test_devices_can_not_be_made(workshop: Workshop) -> None:
    attempt = workshop.build("mknod a.out c 1 5 || echo refused; mknod b.out b 8 0 || echo refused")
    assert workshop.log(attempt).count(b"refused") == 2
    assert attempt.outputs == ()


def test_hard_links_are_files_of_their_own(workshop: Workshop) -> None:
    script = "echo same > a.out; ln a.out b.out; ln /etc/hostname c.out || ln /build/inputs/hello.txt d.out"
    assert workshop.outputs(workshop.build(script)) == {"a.out": b"same\n", "b.out": b"same\n", "d.out": b"an input\n"}


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("truncate -s 1T a.out", "1 files of"),
        ("truncate -s 600K a.out; truncate -s 600K b.out", "2 files of 1228800 bytes"),
        ("perl -e 'for (1..1200) { open F, q(>), qq($_.out) }'", "more than 1000 files"),
    ],
)
def test_too_much_output(workshop: Workshop, script: str, found: str) -> None:
    attempt = workshop.build(script)
    assert (attempt.failure, attempt.outputs) == (FailureReason.OUTPUT_LIMIT, ())
    assert found in attempt.detail


def test_no_network_no_privilege_no_writable_root(workshop: Workshop) -> None:
    script = """
      tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route
      for d in / /usr /etc /var /run /sys/fs/cgroup /proc/sys; do touch $d/x 2>/dev/null && echo "WROTE"; done
      grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; id -u; cat /proc/sys/kernel/hostname
      unshare -U true 2>/dev/null && echo UNSHARED; ls /run/docker.sock /var/run/docker.sock 2>/dev/null
      perl -MSocket -e 'socket(S,AF_INET,SOCK_STREAM,0);
        print connect(S,sockaddr_in(80,inet_aton("192.0.2.1"))) ? "OUT" : "shut"'
    """
    log = workshop.log(workshop.build(script)).decode()
    assert log.split() == [
        "lo", "CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2", "1000", "rebuilder",
        "shut",
    ]  # fmt: skip


def test_a_build_sees_nothing_of_the_one_before(workshop: Workshop) -> None:
    leave = "for d in /build /tmp /dev/shm; do echo left > $d/trace; done; perl -e 'shmget(4711, 100, 01666)'"
    look = "cat /build/trace /tmp/trace /dev/shm/trace 2>/dev/null; perl -e 'print q(S) if defined shmget(4711,100,0)'"
    assert workshop.build(leave).failure is None
    assert workshop.log(workshop.build(look, number=2)) == b""
