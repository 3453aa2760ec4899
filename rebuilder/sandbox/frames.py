"""The runner protocol, host side: plans to frames, frames to events. Pure; the text is runner-protocol.md.

What comes out of a container is hostile until the trailer with the nonce has come, and its sizes and
names are checked here in any case.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, cast, get_args

from pydantic import ValidationError

from rebuilder.errors import UsageError
from rebuilder.model import BuildPlan, FileDigest

PROTOCOL = "rebuilder-runner/1"
NONCE_SIZE = 32

_HEAD = struct.Struct(">cI")
_FRAME_LIMIT = 1024 * 1024
_PIECE = 64 * 1024
_TRAILER_LIMIT = 64 * 1024

Outcome = Literal["done", "failed", "time", "log", "output", "full", "setup"]


class ProtocolError(Exception):
    """The bytes are not what our runner sends: it was cut off, or something else wrote them."""


@dataclass(frozen=True)
class LogData:
    """A piece of the build log."""

    data: bytes


@dataclass(frozen=True)
class StepStarted:
    """Step ``index`` (from 1) begins."""

    index: int


@dataclass(frozen=True)
class FileStarted:
    """An output follows, of exactly ``size`` bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class FileData:
    """A piece of the output begun last; ``last`` when it is complete."""

    data: bytes
    last: bool


@dataclass(frozen=True, kw_only=True)
class Trailer:
    """How the build ended, from a runner that knew the nonce."""

    outcome: Outcome
    step: int
    #: Exit status and signal of the failing step; ``None`` unless ``outcome`` is ``failed``.
    status: int | None
    signal: int | None
    #: A writable mount was seen full.
    full: bool
    #: Bytes of log sent.
    log: int
    #: How often the kernel refused a process, and killed one for memory.
    processes: int
    memory: int
    note: str


Event = LogData | StepStarted | FileStarted | FileData | Trailer


def plan_frames(plan: BuildPlan, *, keep: bool) -> Iterator[bytes]:
    """Everything before the input files. ``UsageError`` for text that no process could be given."""
    limits = plan.limits
    yield _frame(b"V", PROTOCOL)
    yield _frame(b"L", f"{limits.seconds} {limits.log_bytes} {limits.output_bytes} {int(keep)}")
    for name, value in plan.environment.items():
        if not name or "=" in name:
            msg = f"expected the name of an environment variable, found {name!r}"
            raise UsageError(msg)
        yield _frame(b"E", f"{name}={value}")
    yield _frame(b"I", _absolute(plan.input_dir))
    yield _frame(b"O", _absolute(plan.output_dir))
    for pattern in plan.outputs:
        yield _frame(b"G", pattern)
    for step in plan.steps:
        yield _frame(b"S", _absolute(step.cwd))
        for argument in step.argv:
            yield _frame(b"A", argument)


def input_frames(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """One input file."""
    yield _frame(b"F", name)
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE):
            piece = chunk[start : start + _PIECE]
            yield _HEAD.pack(b"D", len(piece)) + piece


def start_frames(nonce: bytes) -> Iterator[bytes]:
    """The word to begin, and the nonce that the runner leaves unread until the build is over."""
    yield _HEAD.pack(b"R", 0)
    yield _HEAD.pack(b"N", len(nonce)) + nonce


class Decoder:
    """Frames of one runner to events. Raises ``ProtocolError`` at the first byte that does not fit."""

    def __init__(self, plan: BuildPlan, nonce: bytes) -> None:
        self._plan = plan
        self._nonce = nonce
        self._buffer = bytearray()
        self._step = 0
        self._log = 0
        self._names: set[str] = set()
        self._output = 0
        self._left: int | None = None
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """Events completed by ``data``. Holds at most one frame."""
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._buffer)
            if self._ended or kind not in b"LSFDT" or size > (_TRAILER_LIMIT if kind == b"T" else _FRAME_LIMIT):
                msg = f"expected a frame of the runner, found type {kind!r} with {size} bytes"
                raise ProtocolError(msg + (" after the trailer" if self._ended else ""))
            end = _HEAD.size + size
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEAD.size : end])
            del self._buffer[:end]
            yield from self._event(kind, payload)

    def _event(self, kind: bytes, payload: bytes) -> Iterator[Event]:
        match kind:
            case b"L":
                yield self._log_data(payload)
            case b"S":
                yield self._step_started(payload)
            case b"F":
                yield from self._file_started(payload)
            case b"D":
                yield self._file_data(payload)
            case _:
                yield self._trailer(payload)

    def _log_data(self, payload: bytes) -> LogData:
        self._log += len(payload)
        if self._names or self._log > self._plan.limits.log_bytes:
            msg = "expected no more log, found a log frame after the outputs or past its limit"
            raise ProtocolError(msg)
        return LogData(payload)

    def _step_started(self, payload: bytes) -> StepStarted:
        self._step += 1
        if self._names or self._step > len(self._plan.steps) or payload != str(self._step).encode():
            msg = f"expected step {self._step} of {len(self._plan.steps)}, found {payload[:20]!r}"
            raise ProtocolError(msg)
        return StepStarted(self._step)

    def _file_started(self, payload: bytes) -> Iterator[Event]:
        size, name = _declared(payload)
        self._output += size
        if self._left is not None or name in self._names:
            msg = f"expected the rest of an output, found the start of {name!r}"
            raise ProtocolError(msg)
        if not any(fnmatchcase(name, pattern) for pattern in self._plan.outputs):
            msg = f"expected outputs named {', '.join(self._plan.outputs)}, found {name!r}"
            raise ProtocolError(msg)
        if self._output > self._plan.limits.output_bytes:
            msg = f"expected at most {self._plan.limits.output_bytes} bytes of outputs, found {self._output}"
            raise ProtocolError(msg)
        self._names.add(name)
        self._left = size or None
        yield FileStarted(name, size)
        if not size:
            yield FileData(b"", last=True)

    def _file_data(self, payload: bytes) -> FileData:
        if self._left is None or not 0 < len(payload) <= self._left:
            msg = f"expected {self._left or 0} bytes of an output, found {len(payload)}"
            raise ProtocolError(msg)
        self._left = (self._left - len(payload)) or None
        return FileData(payload, last=self._left is None)

    def _trailer(self, payload: bytes) -> Trailer:
        if self._left is not None:
            msg = f"expected {self._left} more bytes of an output, found the trailer"
            raise ProtocolError(msg)
        if not hmac.compare_digest(payload[:NONCE_SIZE], self._nonce):
            msg = "expected a trailer with the nonce of this build, found another one: it is forged"
            raise ProtocolError(msg)
        self._ended = True
        return _read_trailer(payload[NONCE_SIZE:])


def _declared(payload: bytes) -> tuple[int, str]:
    try:
        size, name = int.from_bytes(payload[:8], "big"), payload[8:].decode("utf-8")
        # The model's own rule for names that can't leave their folder.
        FileDigest(name=name, sha256="0" * 64, size=size)
    except (UnicodeDecodeError, ValidationError) as error:
        msg = f"expected a plain file name for an output, found {payload[8:72]!r}"
        raise ProtocolError(msg) from error
    return size, name


def _read_trailer(payload: bytes) -> Trailer:
    try:
        fields = dict(line.split("=", 1) for line in payload.decode("ascii").splitlines())
        outcome = fields["outcome"]
        if outcome not in get_args(Outcome):
            raise KeyError(outcome)  # noqa: TRY301 - one message for every malformed trailer
        failed = outcome == "failed"
        return Trailer(
            outcome=cast(Outcome, outcome),
            step=int(fields["step"]),
            status=int(fields["status"]) if failed else None,
            signal=int(fields["signal"]) if failed else None,
            full=fields["full"] == "1",
            log=int(fields["log"]),
            processes=int(fields["processes"]),
            memory=int(fields["memory"]),
            note=bytes.fromhex(fields["note"]).decode("utf-8", errors="replace"),
        )
    except (UnicodeDecodeError, ValueError, KeyError) as error:
        msg = f"expected the fields of a trailer, found {payload[:200]!r}"
        raise ProtocolError(msg) from error


def _frame(kind: bytes, text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        msg = f"expected text that UTF-8 can hold in the build plan, found {text[:80]!r}"
        raise UsageError(msg) from error
    if b"\0" in data or len(data) > _FRAME_LIMIT:
        msg = f"expected text without NUL and below {_FRAME_LIMIT} bytes in the build plan, found {text[:80]!r}"
        raise UsageError(msg)
    return _HEAD.pack(kind, len(data)) + data


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        msg = f"expected an absolute path without '..' in the build plan, found {path!r}"
        raise UsageError(msg)
    return path
