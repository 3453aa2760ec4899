"""Why a build failed, by its own words: as the tools of the day say it, and as nobody should be fooled by it."""

from __future__ import annotations

import time

import pytest

from rebuilder.check.failures import MAX_LOG, asked_hosts, barred_paths, reason
from rebuilder.model import Attempt, FailureReason
from tests.records import attempt

HOST = "files.example.invalid"


def failed(failure: FailureReason = FailureReason.EXIT_STATUS, detail: str = "make ended with status 2") -> Attempt:
    return attempt(1, (), exit_status=2, failure=failure, detail=detail)


@pytest.mark.parametrize(
    "said",
    [
        f"curl: (6) Could not resolve host: {HOST}",
        f"fatal: unable to access 'https://{HOST}/x.git/': Could not resolve host: {HOST}",
        f"ssh: Could not resolve hostname {HOST}: Temporary failure in name resolution",
        f"wget: unable to resolve host address \u2018{HOST}\u2019",
        f"wget: unable to resolve host address '{HOST}'",
        "WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'NameResolutionError("
        f"\"HTTPSConnection(host='{HOST}', port=443): Failed to resolve '{HOST}' ([Errno -3] Temporary failure in "
        "name resolution)\")': /simple/x/",
        f"urllib3.exceptions.MaxRetryError: HTTPSConnectionPool(host='{HOST}', port=443): Max retries exceeded",
        f"npm error request to https://{HOST}/left-pad failed, reason: getaddrinfo EAI_AGAIN {HOST}",
        f"npm ERR! errno ENOTFOUND\nnpm ERR! getaddrinfo ENOTFOUND {HOST}",
        f"go: example.org/x@v1.0.0: Get \"https://{HOST}/x/@v/v1.0.0.mod\": dial tcp: lookup {HOST} on "
        "[::1]:53: read udp [::1]:34->[::1]:53: read: connection refused",
        f"dial tcp: lookup {HOST}: no such host",
        f"error: download failed: failed to lookup address information: Try again (url: https://{HOST}/x)",
        f"java.net.UnknownHostException: {HOST}",
        f"Caused by: java.net.UnknownHostException: {HOST}: Temporary failure in name resolution",
        f"W: Failed to fetch http://{HOST}/dists/x/InRelease  Temporary failure resolving '{HOST}'",
        f"Err:1 Temporary failure resolving '{HOST}'",
    ],
)
def test_the_host_that_a_tool_asked_for_is_named(said: str) -> None:
    assert asked_hosts(f"+ fetch\n{said}\nmake: *** [all] Error 1\n".encode()) == (HOST,)


def test_hosts_come_in_the_order_of_the_log_once_each_and_only_the_first_few() -> None:
    lines = [f"curl: (6) Could not resolve host: host{number}.example" for number in (3, 1, 2, 1, 3)]
    assert asked_hosts("\n".join(lines).encode()) == ("host3.example", "host1.example", "host2.example")
    many = "\n".join(f"Could not resolve host: h{number}.example" for number in range(1000))
    assert len(asked_hosts(many.encode())) == 5


@pytest.mark.parametrize(
    "said",
    [
        b"gaierror: [Errno -3] Temporary failure in name resolution",
        b"socket.gaierror: [Errno -2] Name or service not known",
        b"connect: Network is unreachable",
        b"Error: connect ENETUNREACH 192.0.2.1:443",
    ],
)
def test_a_build_that_wanted_the_network_and_named_nobody(said: bytes) -> None:
    found = reason(failed(), said)
    assert found.words == "make ended with status 2; it asked the network for something"
    assert "no network here" in found.hint


def test_the_reason_names_hosts_and_what_to_do() -> None:
    found = reason(failed(), f"Could not resolve host: {HOST}\nNetwork is unreachable\n".encode())
    assert found.words == f"make ended with status 2; it asked the network for {HOST}"
    assert found.hint == (
        "a build has no network here: name what it fetches as a dependency, or put it into the source"
    )


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("sh: 1: cannot create /opt/demo.txt: Read-only file system", "/opt/demo.txt"),
        ("mkdir: cannot create directory '/opt/x': Read-only file system", "/opt/x"),
        ("mkdir: cannot create directory \u2018/opt/x\u2019: Read-only file system", "/opt/x"),
        ("touch: cannot touch '/usr/lib/x.so': Read-only file system", "/usr/lib/x.so"),
        ("cp: cannot create regular file '/usr/local/bin/demo': Read-only file system", "/usr/local/bin/demo"),
        ("install: cannot create regular file '/usr/bin/demo': Read-only file system", "/usr/bin/demo"),
        ("/bin/sh: 1: cannot create /usr/lib/demo.txt: Read-only file system", "/usr/lib/demo.txt"),
        ("/bin/sh: /etc/demo.conf: Read-only file system", "/etc/demo.conf"),
        ("OSError: [Errno 30] Read-only file system: '/var/lib/demo'", "/var/lib/demo"),
        ("Error: EROFS: read-only file system, mkdir '/opt/demo'", "/opt/demo"),
        ("open /etc/x: read-only file system", "/etc/x"),
    ],
)
def test_the_path_that_could_not_be_written_is_named(said: str, path: str) -> None:
    assert barred_paths(f"+ /usr/bin/make all\n{said}\n".encode()) == (path,)
    found = reason(failed(), said.encode())
    assert found.words == f"make ended with status 2; it wrote outside of its tree: {path}"
    assert found.hint == "only the tree, $HOME and $TMPDIR can be written; let it write there"


def test_a_time_limit_says_what_it_may_be() -> None:
    found = reason(failed(FailureReason.TIME_LIMIT, "more than 5 s"), b"Could not resolve host: a.example")
    assert found.words == "more than 5 s"
    assert "limits.seconds" in found.hint


def test_without_any_words_the_reason_is_that_of_the_sandbox() -> None:
    assert reason(failed(detail=""), b"").words == "exit-status"
    assert reason(failed(), b"all is well").hint == "the log of the build says more"
    made_nothing = attempt(1, (), failure=None, detail="")
    assert reason(made_nothing, b"").words == "it made no outputs"


@pytest.mark.parametrize(
    "log",
    [
        b"Could not resolve host: \x1b[31m\x00evil",
        b"Could not resolve host: ../../etc/passwd",
        b"Could not resolve host: <script>alert(1)</script>",
        b"\xff\xfe Could not resolve host:",
        b"getaddrinfo ENOTFOUND \r\n",
        b"cannot create /opt/\x1b]0;title\x07x: Read-only file system",
    ],
)
def test_control_characters_and_markup_never_become_a_name(log: bytes) -> None:
    for name in (*asked_hosts(log), *barred_paths(log)):
        assert name.isprintable()
        assert not set(name) & set("<>\x1b\x00")


@pytest.mark.parametrize(
    "log",
    [
        b"a." * (MAX_LOG // 2),
        b"/x" * (MAX_LOG // 2),
        b"https://" + b"a" * MAX_LOG,
        b"lookup " + b"a" * (MAX_LOG - 10),
        b"lookup " * (MAX_LOG // 7),
        b"failed to lookup address information" * (MAX_LOG // 36),
        b"EROFS " * (MAX_LOG // 6),
        b"Read-only file system " * (MAX_LOG // 22),
        (b"https://" + b"a" * 60) * (MAX_LOG // 68),
        b"'/" * (MAX_LOG // 2),
        b" /a/b/c/d" * (MAX_LOG // 9),
        b"-." * (MAX_LOG // 2),
        (b" /" + b"a" * 99) * (MAX_LOG // 101),
        (b"://" + b"a." * 60) * (MAX_LOG // 123),
    ],
)
def test_a_log_made_to_be_slow_is_not(log: bytes) -> None:
    began = time.process_time()
    asked_hosts(log)
    barred_paths(log)
    assert time.process_time() - began < 10
