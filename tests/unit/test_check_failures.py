"""Why a build failed, by its own words: as the tools of the day say it, and as nobody should be fooled by it."""

from __future__ import annotations

import time

import pytest

from rebuilder.check.failures import MAX_LOG, asked_hosts, barred_paths, missing_program, reason
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
    assert reason(failed(), b"all is well").hint == "read the end of its log, below"
    made_nothing = attempt(1, (), failure=None, detail="")
    assert reason(made_nothing, b"").words == "it made no outputs"


@pytest.mark.parametrize(
    ("said", "program"),
    [
        ("sh: 1: curl: not found", "curl"),
        ("/bin/sh: 1: curl: not found", "curl"),
        ("./make.sh: 12: curl: not found", "curl"),
        ("make: curl: No such file or directory\nmake: *** [Makefile:2: all] Error 127", "curl"),
        ("make[2]: curl: No such file or directory", "curl"),
        ("env: 'curl': No such file or directory", "curl"),
        ("/usr/bin/env: \u2018curl\u2019: No such file or directory", "curl"),
        ("bash: line 1: curl: command not found", "curl"),
        ("/bin/bash: curl: command not found", "curl"),
        ("could not run curl: No such file or directory", "curl"),
        ("rebuilder: could not run curl: No such file or directory", "curl"),
        ("rebuilder: could not run /usr/bin/curl: No such file or directory", "/usr/bin/curl"),
        ("sh: 1: curl: not found\nnpm error code 127\nnpm error path /x", "curl"),
        ("sh: 1: git: not found\nsh: 1: curl: not found", "curl"),
    ],
)
def test_a_program_that_is_not_there_is_named_with_the_package_to_add(said: str, program: str) -> None:
    found = reason(failed(), f"before\n{said}\n".encode())
    assert found.words == f"make ended with status 2; the program {program} is not there"
    assert found.hint == 'add the Debian package that has it: packages = ["curl"] in [tool.rebuilder.check]'


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("sh: 1: cc: not found", 'packages = ["gcc"]'),
        ("sh: 1: Rscript: not found", 'packages = ["NAME"]'),
        ("sh: 1: ./configure: not found", "is it in what is built"),
    ],
)
def test_what_to_add_where_the_name_is_no_package(said: str, hint: str) -> None:
    assert hint in reason(failed(), said.encode()).hint


@pytest.mark.parametrize(
    "said",
    [
        "sh: 1: git: not found\na.c:1:5: error: unknown type name 'it'\nmake: *** [Makefile:2: all] Error 1",
        "sh: 1: curl: not found\n" + "later\n" * 100,
        "+ echo 'sh: 1: curl: not found'",
        "configure: 3: not found",
        "sh: 1: a b; c: not found",
        "cat: curl: No such file or directory",
    ],
)
def test_what_a_build_did_without_or_was_no_program_is_not_missing(said: str) -> None:
    assert missing_program(said.encode()) == ""


@pytest.mark.parametrize(
    "said",
    [
        "no file that the build left matches dist/*.whl",
        "the build made no file; name what it makes as outputs (docs/check-settings.md)",
    ],
)
def test_what_our_own_steps_say_is_the_reason(said: str) -> None:
    found = reason(failed(), f"rebuilder: of the project\nall done\nrebuilder: {said}\n".encode())
    assert found.words == f"make ended with status 2; {said}"
    assert found.hint == "say what the build leaves: outputs = [...] in [tool.rebuilder.check]"
    assert reason(failed(), b"rebuilder: could not enter x: Permission denied").hint == "read the end of its log, below"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("gcc: error: nothing.c: No such file or directory", "gcc: error: nothing.c: No such file or directory"),
        ("\x1b[1ma.c:1: \x1b[31mfatal error: \x1b[0mx.h: no file\na.c:9: error: y", "a.c:1: fatal error: x.h: no file"),
        ("Traceback:\nModuleNotFoundError: No module named 'x'", "ModuleNotFoundError: No module named 'x'"),
        ("error[E0425]: cannot find value `x`\nerror: aborting", "error[E0425]: cannot find value `x`"),
        ("src/a.ts(1,2): error TS2304: Cannot find name 'x'.", "src/a.ts(1,2): error TS2304: Cannot find name 'x'"),
        ("make: *** [Makefile:2: all] Error 1", "make: *** [Makefile:2: all] Error 1"),
        ("make: *** [a] Error 1\nx: error: late", "x: error: late"),
        ("error: " + "a" * 500, "error: " + "a" * 193),
        ("x: error: a\x07b\u202ec\td", "x: error: a?b?c d"),
    ],
)
def test_the_first_error_near_the_end_is_told(said: str, words: str) -> None:
    found = reason(failed(), f"begin\n{said}\nthe end\n".encode())
    assert found.words == f"make ended with status 2; {words}"
    assert found.hint == "read the end of its log, below"


def test_an_error_that_was_survived_long_before_is_not_the_reason() -> None:
    assert reason(failed(), b"x: error: early\n" + b"later\n" * 100).words == "make ended with status 2"


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
        b"error" * (MAX_LOG // 5),
        b"sh: 1: \n" * (MAX_LOG // 8),
        b"\x1b[1;1" * (MAX_LOG // 6),
    ],
)
def test_a_log_made_to_be_slow_is_not(log: bytes) -> None:
    began = time.process_time()
    asked_hosts(log)
    barred_paths(log)
    reason(failed(), log)
    assert time.process_time() - began < 10
