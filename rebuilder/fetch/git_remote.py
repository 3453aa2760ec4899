"""A clone of a Git server's repository: what arrives, how much of it at most, and why it did not.

Git runs in the closed environment of `git_command`, with the one transport of the address allowed. The operator's own
configuration is not read; of the host come only its proxies, its certificates, and ssh's own keys and known hosts.
"""

from __future__ import annotations

import base64
import os
import re
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rebuilder.errors import InfrastructureError
from rebuilder.fetch.git_address import Address
from rebuilder.fetch.git_command import closed_environment
from rebuilder.redaction import redacted

if TYPE_CHECKING:
    from rebuilder.ports import Progress

#: Of a clone, all of it.
BYTES_LIMIT = 4 * 1024**3
#: Of one fetch.
SECONDS_LIMIT = 3600.0
#: What Git may have in memory besides the files that it maps.
MEMORY_LIMIT = 4 * 1024**3
_SAID_LIMIT = 1024**2
_LOOK_SECONDS = 0.2
_TOLD_SECONDS = 5.0
#: Old commits of honest repositories have these faults, which change no byte of a tree's files.
HARMLESS = (
    "badDate", "badDateOverflow", "badEmail", "badName", "badTimezone", "missingEmail", "missingNameBeforeEmail",
    "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "multipleAuthors", "zeroPaddedDate", "zeroPaddedFilemode",
)  # fmt: skip
_SETTINGS = {
    "protocol.version": "2",
    "core.hooksPath": "/dev/null",
    "core.bigFileThreshold": "32m",
    "core.askPass": "",
    "credential.helper": "",
    "transfer.fsckObjects": "true",
    "fetch.unpackLimit": "1",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # Where one leads is looked up by `git_redirects`, and only followed on the same server.
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    **{f"fetch.fsck.{fault}": "ignore" for fault in HARMLESS},
}
_SSH = (
    "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=30 -o ServerAliveInterval=30 "
    "-o ServerAliveCountMax=3 -o ForwardAgent=no -o ClearAllForwardings=yes -o PermitLocalCommand=no"
)
_OF_HTTP = (
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
)  # fmt: skip
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--force")
_CAUSES = (
    (r"returned error: 30[12378]", "it redirects to another address"),
    (r"mismatched algorithms: client sha\d+; server (sha\d+)", "its ids are of another kind"),
    (r"could not read Username|could not read Password|Authentication failed|returned error: 40[137]|"
     r"Permission denied|HTTP Basic: Access denied", "it asks for credentials, or does not take those that it got"),
    (r"[Rr]epository .{0,400}not found|does not appear to be a git repository|returned error: (?:404|410)",
     "it has no such repository, or does not show it to everyone"),
    (r"Host key verification failed", "its host key is not among ssh's known hosts"),
    (r"[Uu]nadvertised object|not our ref|couldn't find remote ref",
     "it does not have that commit, or does not give it"),
    (r"certificate", "its certificate is not trusted here"),
    (r"Operation too slow", "it is too slow: less than 1000 bytes a second for a minute"),
    (r"error: object .{0,400}", "what it sent is not as Git makes it"),
    (r"Could not resolve|Failed to connect|Couldn't connect|Connection refused|timed out|unable to connect|"
     r"Connection reset|Network is unreachable|No route to host", "it can't be reached"),
)  # fmt: skip


class FetchError(Exception):
    """It did not arrive; the text says why, in words without credentials. ``redirected`` and ``format`` (the server's
    own kind of ids) say what may be tried in its place."""

    def __init__(self, words: str, *, redirected: bool = False, ids: str = "") -> None:
        super().__init__(words)
        self.redirected = redirected
        self.ids = ids


@dataclass(frozen=True)
class Arrival:
    """One repository's folder, which something is to arrive in. ``lock`` is the open file that locks it: every program
    that is started has it too, so that the lock lasts until the last of them has ended."""

    folder: Path
    lock: int
    progress: Progress

    def fetch(self, address: Address, *refspecs: str, prune: bool = False) -> None:
        """Those refs of a server, with their history. Raises ``FetchError``; ``InfrastructureError`` if Git can't be
        run."""
        arguments = (*_FETCH, *(("--prune",) if prune else ()), "--end-of-options", address.remote, *refspecs)
        self.run(arguments, _settings(address), _environment(address))

    def run(
        self,
        arguments: Iterable[str],
        settings: dict[str, str] = _SETTINGS,
        environment: dict[str, str] | None = None,
        told: IO[bytes] | int = subprocess.DEVNULL,
    ) -> None:
        """Git, inside the limits of this module. Raises as ``fetch``."""
        own = {**(environment or closed_environment()), "GIT_CONFIG_COUNT": str(len(settings))}
        own |= {"PATH": os.environ.get("PATH", os.defpath), "GIT_DIR": str(self.folder)}
        numbered = dict(enumerate(settings.items()))
        config = {f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in numbered.items()}
        config |= {f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in numbered.items()}
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    ["git", "--no-pager", *arguments],
                    stdin=told, stdout=subprocess.DEVNULL, stderr=errors, cwd="/", start_new_session=True,
                    env=own | config, pass_fds=(self.lock,),
                )  # fmt: skip
            except OSError as error:
                msg = f"expected the program git, to fetch the repository; it can't be run: {error.strerror}"
                raise InfrastructureError(msg, hint="install Git, on Debian with `apt-get install git`") from error
            try:
                self._watch(process, errors)
            finally:
                # Its helpers are in the same group, and may outlive it.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.returncode:
                raise _failure(errors, process.returncode)

    def _watch(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
        started = told = time.monotonic()
        while True:
            ended = _ended(process)
            size, now = size_of(self.folder), time.monotonic()
            if size > BYTES_LIMIT:
                msg = f"it is too large: more than {BYTES_LIMIT} bytes"
                raise FetchError(msg)
            if ended:
                return
            if now - started > SECONDS_LIMIT:
                msg = f"it takes too long: more than {SECONDS_LIMIT:.0f} seconds"
                raise FetchError(msg)
            if os.fstat(errors.fileno()).st_size > _SAID_LIMIT:
                msg = f"it says too much: more than {_SAID_LIMIT} bytes besides the repository"
                raise FetchError(msg)
            if now - told > _TOLD_SECONDS:
                told = now
                self.progress.line(f"fetching: {size / 1e6:.1f} MB so far")


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder that may change meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def certificates() -> str:
    """The host's own file of certificates, where its environment names one."""
    return os.environ.get("GIT_SSL_CAINFO") or os.environ.get("SSL_CERT_FILE") or ""


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def authorization(address: Address) -> str:
    """What an http server is told of who asks; empty if there is nothing to tell."""
    if not address.secret:
        return ""
    user, _, password = address.secret.partition(":")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _settings(address: Address) -> dict[str, str]:
    if told := authorization(address):
        # By the environment: arguments of programs can be read by every user of the machine.
        return _SETTINGS | {f"http.{address.scheme}://{address.host}/.extraHeader": f"Authorization: {told}"}
    return _SETTINGS


def _environment(address: Address) -> dict[str, str]:
    allowed = {"GIT_ALLOW_PROTOCOL": address.scheme}
    if address.scheme == "ssh":
        own = {name: os.environ[name] for name in ("SSH_AUTH_SOCK",) if os.environ.get(name)}
        return closed_environment() | own | allowed | {"GIT_SSH_COMMAND": _SSH, "GIT_SSH_VARIANT": "ssh"}
    own = {name: os.environ[name] for name in _OF_HTTP if os.environ.get(name)}
    if found := certificates():
        own["GIT_SSL_CAINFO"] = found
    if address.is_loopback:
        own |= {"no_proxy": "*", "NO_PROXY": "*"}
    return closed_environment() | own | allowed


def _failure(errors: IO[bytes], status: int) -> FetchError:
    errors.seek(0)
    said = errors.read(_SAID_LIMIT).decode(errors="backslashreplace")
    for pattern, words in _CAUSES:
        if found := re.search(pattern, said):
            start = said.rfind("\n", 0, found.start()) + 1
            line = said[start:].partition("\n")[0]
            redirected = words.startswith("it redirects")
            ids = found[1] if found.re.groups and found[1] else ""
            return FetchError(f"{words} (Git says: {redacted(line.strip())})", redirected=redirected, ids=ids)
    lines = [line for line in map(str.strip, said.split("\n")) if line]
    # What ssh says comes first, and then Git's own words, which are the same for anything.
    told = dict.fromkeys((*lines[:1], *(line for line in lines if line.startswith(("fatal:", "error:")))))
    return FetchError(f"Git says: {redacted('; '.join(told) or f'nothing, and ended with status {status}')}")
