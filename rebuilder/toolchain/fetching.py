"""One container with a network, in which a language's own client fetches: files in, a tar of what came out.

What comes out is taken for hostile: it is bounded, its names are looked up, never used as paths, and whoever takes a
file checks it by its digest. No code of a package runs in there (`docs/adr/0012-fetch-has-a-network.md`).
"""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, Protocol, cast

from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.model import RootImage, Verdict
from rebuilder.ports import Engine, Exit, Job, Progress, Tmpfs
from rebuilder.tarsafe import Archive
from rebuilder.toolchain.tarstream import Member, tar

FOLDER = "/fetch"
MAX_FILES = 5000
MAX_BYTES = 2 * 1024**3
#: A package is there twice: in the client's cache, and in what it hands over.
_DISK_BYTES = 2 * MAX_BYTES
_MEMORY_BYTES = _DISK_BYTES + 1024**3
_MAX_SAID_BYTES = 64 * 1024**2
_SECONDS = 1800.0
_NO_CLIENT = 64
_TAIL = 4000
_CHUNK = 1024 * 1024
_HERE = Path(__file__).parent / "inside"


class Client(Protocol):
    """What a container's client has to be told of the host's own one."""

    @property
    def network(self) -> Literal["bridge", "host"]:
        """Which network reaches what it asks."""

    @property
    def identity(self) -> str:
        """Names whom it asks, without telling."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Whom it asks, as a person may see it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the host's configuration was not taken."""

    def files(self, folder: str) -> dict[str, bytes]:
        """What has to lie in that folder; ``environment`` among it."""

    def shown(self, text: str) -> str:
        """A text of the client's without secrets."""


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What is to be fetched, by whom, and where."""

    client: Client
    root: RootImage
    run_id: str
    #: Interpreter, option and program; the folder and ``task`` follow.
    program: tuple[str, ...]
    task: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """How one run of the client ended. ``log`` holds no secrets; all else in it is hostile."""

    status: int = 0
    log: str = ""


@dataclass(frozen=True, kw_only=True)
class Row(Tried):
    """The same for one address. ``url`` is where it lay in the end; nobody but the container is to see it."""

    url: str = ""
    kind: str = ""


class Answer:
    """What an errand brought: how the client ended, and files."""

    def __init__(self, spool: BinaryIO, client: Client) -> None:
        self._client = client
        spool.seek(0)
        try:
            self._archive = Archive(None, "r", cast("IO[bytes]", spool))
            self._members = {member.name: member for member in self._bounded()}
            self._said = json.loads(self.text("answer.json"))
        except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:
            msg = f"expected a whole answer of the fetching container, found damage: {error}"
            raise InfrastructureError(msg) from error

    def _bounded(self) -> Iterator[tarfile.TarInfo]:
        for number, member in enumerate(self._archive):
            if number > MAX_FILES + 2 or not member.isreg() or member.size > MAX_BYTES:
                msg = f"expected at most {MAX_FILES} plain files, found {member.name[:200]!r}"
                raise ValueError(msg)
            yield member

    @property
    def tried(self) -> Tried:
        """How the client ended."""
        return self._tried(self._said)

    def said(self, key: str) -> str:
        """Another text of the answer, without secrets; empty if there is none."""
        return self._client.shown(str(self._said.get(key, ""))) if isinstance(self._said, dict) else ""

    def items(self) -> dict[str, Tried]:
        """How it ended for those that were tried alone."""
        found = self._said.get("items") if isinstance(self._said, dict) else None
        return {str(name): self._tried(one) for name, one in found.items()} if isinstance(found, dict) else {}

    def rows(self) -> tuple[Row, ...]:
        """How it ended for each of a list, in its order."""
        found = self._said.get("rows") if isinstance(self._said, dict) else None
        rows = [(one, self._tried(one)) for one in found[:MAX_FILES]] if isinstance(found, list) else []
        return tuple(
            Row(status=ended.status, log=ended.log, url=str(one.get("url", "")), kind=str(one.get("type", "")))
            for one, ended in rows
        )

    def names(self) -> tuple[str, ...]:
        """Files that came, without their folder."""
        return tuple(name.removeprefix("files/") for name in self._members if name.startswith("files/"))

    def text(self, name: str) -> str:
        """A small file of the answer; empty if there is none. ``ValueError`` past the bound."""
        return self.raw(name).decode("utf-8", "replace")

    def raw(self, name: str) -> bytes:
        """As ``text``, its bytes."""
        member = self._members.get(name)
        if member is None:
            return b""
        if member.size > _MAX_SAID_BYTES:
            msg = f"{name} has {member.size} bytes"
            raise ValueError(msg)
        return b"".join(self._chunks(member))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file that came."""
        return self._chunks(self._members[f"files/{name}"])

    def _chunks(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        content = self._archive.extractfile(member)
        while content and (chunk := content.read(_CHUNK)):
            yield chunk

    def _tried(self, said: Any) -> Tried:  # noqa: ANN401 - any JSON
        if not isinstance(said, dict) or not isinstance(said.get("status"), int):
            msg = f"expected how the client ended, found {str(said)[:200]!r}"
            raise InfrastructureError(msg)
        return Tried(status=said["status"], log=self._client.shown(str(said.get("log", ""))))


def program(name: str) -> str:
    """The text of a program that runs in the container."""
    return (_HERE / name).read_text(encoding="utf-8")


def python(name: str) -> tuple[tuple[str, ...], dict[str, bytes]]:
    """How a program for Python is run in the container, and the file it comes in. ``-I``: nothing but what it is
    handed decides."""
    return ("/usr/bin/python3", "-I", "-c", program("taking.py")), {"task.py": program(name).encode()}


def node(name: str) -> tuple[str, ...]:
    """How a program for Node is run in the container: npm, which it runs, is kept from starting any other."""
    guard = f"'use strict';\nconst GUARD = {json.dumps(program('guard.js'))};\n"
    return ("/usr/bin/node", "-e", guard + program("npm.js") + program(name))


def run(engine: Engine, errand: Errand, progress: Progress, spool: BinaryIO) -> Answer:
    """Run the errand; ``spool`` is an empty file that holds the answer from then on.

    ``Stopped(unavailable)`` if it took too long or was too large; ``InfrastructureError`` if the root filesystem has
    no such client, or our own program failed in it.
    """
    sent = errand.client.files(FOLDER) | dict(errand.files)
    log, taken = _Log(errand.client, progress), _Spool(spool)
    ended = engine.run(
        _job(errand),
        stdin=tar(Member.of(name, content) for name, content in sorted(sent.items())),
        stdout=taken.write,
        stderr=log.write,
    )
    _check(ended, log)
    return Answer(spool, errand.client)


def scratch(folder: Path) -> BinaryIO:
    """A file without a name: whatever ends this process, nothing of it is left."""
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def _job(errand: Errand) -> Job:
    return Job(
        purpose="fetch",
        run_id=errand.run_id,
        root_sha256=errand.root.sha256,
        argv=(*errand.program, FOLDER, *filter(None, (errand.task,))),
        # Whatever could be a secret is in the files: an environment can be read off the engine.
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        user="1000:1000",
        network=errand.client.network,
        tmpfs=(Tmpfs(path=FOLDER, bytes=_DISK_BYTES), Tmpfs(path="/tmp", bytes=64 * 1024**2)),  # noqa: S108
        memory_bytes=_MEMORY_BYTES,
        seconds=_SECONDS,
    )


def _check(ended: Exit, log: _Log) -> None:
    if ended.timed_out:
        reason = f"language packages could not be fetched within {_SECONDS:.0f} s; the last words: {log.last()}"
        raise Stopped(Verdict.UNAVAILABLE, reason)
    if ended.status == _NO_CLIENT:
        msg = f"expected the package client in the build's root filesystem: {log.last()}"
        raise InfrastructureError(msg, hint="its package (python3-pip, npm) has to be among the toolchain's relations")
    if ended.status != 0:
        why = "it had no memory left" if ended.out_of_memory else log.tail()
        msg = f"the container that fetches packages failed (status {ended.status}): {why or 'it said nothing'}"
        raise InfrastructureError(msg)


class _Spool:
    """Writes to disk, up to a bound."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MAX_BYTES + _MAX_SAID_BYTES

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise Stopped(Verdict.UNAVAILABLE, f"the language packages have more than {MAX_BYTES} bytes together")
        self._file.write(data)


class _Log:
    """Shows each line as it comes, without secrets, and keeps the last ones."""

    def __init__(self, client: Client, progress: Progress) -> None:
        self._client = client
        self._progress = progress
        self._rest = b""
        self._kept = ""

    def write(self, data: bytes) -> None:
        *lines, self._rest = re.split(rb"[\r\n]+", self._rest + data)
        for line in lines:
            self._show(line)
        # A secret must not be cut in two, unseen by whoever looks for it.
        if len(self._rest) > _CHUNK:
            self._rest = b""

    def _show(self, line: bytes) -> None:
        text = self._client.shown(line.decode("utf-8", "replace"))[:_TAIL]
        self._kept = (self._kept + text + "\n")[-_TAIL:]
        self._progress.line(text)

    def tail(self) -> str:
        if self._rest:
            self._show(self._rest)
            self._rest = b""
        return self._kept.strip()

    def last(self) -> str:
        return self.tail().rpartition("\n")[2] or "none"
