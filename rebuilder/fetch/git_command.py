"""Git on a repository that nobody vouches for: only commands that read objects and names, in a closed environment.

A repository's own configuration can name programs (hooks, filters, a file-system monitor, an ssh command, an upload
pack, a pager, a signature checker). None is run: no command used here has hooks, filters, diffs or signatures, the
monitor is off, and every transport is forbidden, with which a partial clone would fetch what it lacks.

The folder of the repository is always named, so that Git does not ask whose it is (`safe.directory`). That question
protects from the programs above; a checkout that another user owns is usual in containers of CI systems.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import IO, cast

from rebuilder.errors import InfrastructureError, RebuilderError, UsageError
from rebuilder.fetch.git_objects import SHA256_DIGITS, WHOLE, EndedError, Objects
from rebuilder.treetar import PATH_LIMIT, read_file

#: Of what should be a line or a few.
ANSWER_LIMIT = 64 * 1024**2
#: No command needs that long; a repository can hold a pipe that nobody writes to.
SECONDS = 3600.0
_CHUNK = 1024**2
_SAID_LIMIT = 64 * 1024
_OPTIONS = (
    "--no-pager",
    "--no-optional-locks",
    "--literal-pathspecs",
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.untrackedCache=false"),
    *("-c", "protocol.allow=never"),
    # A file beside the objects that says who is whose parent, and nobody vouches for it.
    *("-c", "core.commitGraph=false"),
)
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    # Another file that gives commits other parents.
    "GIT_GRAFT_FILE": "/dev/null",
    # No protocol has this name. Unlike `protocol.allow`, nothing in the repository's configuration outweighs it.
    "GIT_ALLOW_PROTOCOL": "none",
}


def closed_environment() -> dict[str, str]:
    """All that Git may know of where it runs, besides PATH and the repository: of no configuration but its own."""
    return dict(_ENVIRONMENT)


@dataclass(frozen=True)
class Git:
    """Git on one repository: its own folder (`.git`) and its work tree."""

    folder: Path
    work_tree: Path

    def answer(self, *arguments: str) -> bytes:
        """All that it says, at most ``ANSWER_LIMIT`` bytes. Raises as ``stream``."""
        answer = bytearray()
        for chunk in self.stream(*arguments):
            answer += chunk
            if len(answer) > ANSWER_LIMIT:
                msg = f"git {arguments[0]}: expected an answer of at most {ANSWER_LIMIT} bytes, found more"
                raise UsageError(msg)
        return bytes(answer)

    def stream(self, *arguments: str, told: bytes = b"") -> Iterator[bytes]:
        """What it says, in pieces; ``told`` is its input. ``UsageError`` with Git's own first line if it fails, at the
        end; ``InfrastructureError`` if it can't be run or is killed."""
        with tempfile.TemporaryFile() as stdin:
            stdin.write(told)
            stdin.seek(0)
            with self._running(arguments, stdin) as process:
                said = cast("BufferedReader", process.stdout)
                while chunk := said.read1(_CHUNK):
                    yield chunk

    def records(self, *arguments: str) -> Iterator[bytes]:
        """What it says, taken apart at NUL (``-z``). Raises as ``stream``, and ``UsageError`` for a record that holds
        a path too long for any system."""
        rest = b""
        for chunk in self.stream(*arguments):
            *whole, rest = (rest + chunk).split(b"\0")
            for record in (*whole, rest):
                if len(record) > PATH_LIMIT + 128:
                    msg = f"expected paths of at most {PATH_LIMIT} bytes, found {os.fsdecode(record[:200])!r}..."
                    raise UsageError(msg)
            yield from whole

    @contextmanager
    def objects(self) -> Iterator[Objects]:
        """Contents of objects, by their ids, from one process."""
        with self._running(("cat-file", "--batch"), subprocess.PIPE) as process:
            yield Objects(process)

    @contextmanager
    def _running(self, arguments: tuple[str, ...], stdin: IO[bytes] | int) -> Iterator[subprocess.Popen[bytes]]:
        environment = {
            **_ENVIRONMENT,
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_DIR": str(self.folder),
            "GIT_WORK_TREE": str(self.work_tree),
        }
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    ["git", *_OPTIONS, *arguments],
                    stdin=stdin, stdout=subprocess.PIPE, stderr=errors, cwd="/", env=environment,
                )  # fmt: skip
            except OSError as error:
                msg = f"expected the program git, to read the repository; it can't be run: {error.strerror}"
                raise InfrastructureError(msg, hint="install Git, on Debian with `apt-get install git`") from error
            with _watched(process):
                yield process
            if process.returncode:
                raise _failure(arguments[0], process.returncode, errors)


@dataclass(frozen=True)
class Checkout:
    """A work tree and its repository."""

    top: Path
    git: Git

    def submodule(self, path: str, commit: str) -> Checkout:
        """What is checked out at ``path``, which has that commit (if one is named). ``UsageError`` otherwise."""
        parts = [self.top / parent for parent in (*reversed(PurePosixPath(path).parents), PurePosixPath(path))][1:]
        # Not behind a link: it could be any repository of this machine.
        found = checkout(parts[-1]) if all(part.is_dir() and not part.is_symlink() for part in parts) else None
        if found is not None and (not commit or found.has(commit)):
            return found
        wanted = f" with commit {commit}" if commit else ""
        msg = f"{shown(path)}: expected the submodule's repository{wanted}, found none"
        raise UsageError(msg, hint="run `git submodule update --init --recursive`")

    def has(self, commit: str) -> bool:
        """Whether the repository has a commit of that name (one that `git rev-parse` takes)."""
        return bool(self.commit(commit))

    def commit(self, name: str) -> str:
        """The full id of a commit; empty if there is none of that name."""
        try:
            found = self.git.answer("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except UsageError:
            return ""
        return found.decode().strip()


def checkout(folder: Path) -> Checkout | None:
    """The work tree whose top is ``folder``; ``None`` if it has no `.git`. ``UsageError`` if that leads nowhere."""
    marker = folder / ".git"
    if not marker.is_file():
        return Checkout(folder, Git(marker.resolve(), folder)) if (marker / "HEAD").is_file() else None
    text = os.fsdecode(read_file(marker.resolve(), PATH_LIMIT)).rstrip("\n")
    place = folder / text.removeprefix("gitdir: ")
    if not text.startswith("gitdir: ") or not (place / "HEAD").is_file():
        msg = f"{marker}: expected it to lead to a repository, it says {text[:200]!r}"
        raise UsageError(msg, hint="is this a copy of a submodule or of a work tree? `git status` has to work there")
    return Checkout(folder, Git(place.resolve(), folder))


def bare_config(like: str) -> str:
    """The configuration of a repository without a work tree, which has ids like ``like``."""
    if len(like) == SHA256_DIGITS:
        return "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
    return "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"


def shown(path: str) -> str:
    """A path as text that any record can hold: bytes that are no UTF-8 are spelt out."""
    return os.fsencode(path).decode(errors="backslashreplace")


@contextmanager
def _watched(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """It has ended at the end, by itself if all went well."""
    timer = threading.Timer(SECONDS, process.kill)
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        except EndedError:
            process.wait()
            if not process.returncode:
                msg = "git ended before it had answered"
                raise InfrastructureError(msg) from None
        _close(process)
        process.wait()
    finally:
        timer.cancel()
        process.kill()
        _close(process)
        process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _failure(command: str, status: int, errors: IO[bytes]) -> RebuilderError:
    errors.seek(0)
    said = errors.read(_SAID_LIMIT).decode(errors="backslashreplace").strip().splitlines()
    # Warnings come first; what ended it says so.
    line = next((line for line in said if line.startswith(("fatal:", "error:"))), said[0] if said else "nothing")
    if status < 0:
        msg = f"git {command} was killed by signal {-status}; it said: {line}"
        return InfrastructureError(msg, hint="run the same again")
    msg = f"git {command} failed with status {status}; it said: {line}"
    return UsageError(msg, hint=WHOLE)
