"""One build of a plan in one fresh, sealed container: the ``Builder`` port.

The order inside: inputs in, steps in turn, every process killed, outputs out, trailer. Of what comes out
nothing counts without the trailer, and every byte is hashed here, on its way into the blobs.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from rebuilder.errors import UsageError
from rebuilder.model import Attempt, BuildPlan, FileDigest, Limits, RootImage
from rebuilder.ports import Blobs, Clock, Engine, Exit, Job, Leave, Progress, Tmpfs
from rebuilder.sandbox import frames
from rebuilder.sandbox.deposit import Deposit
from rebuilder.sandbox.frames import Decoder, ProtocolError, Trailer
from rebuilder.sandbox.outcome import blame_source, judge

#: Seconds beyond the build's own for inputs and outputs; the runner keeps the build's time itself.
_TRANSFER_SECONDS = 300
#: Besides `/build`, what a build may write to; test suites make their folders in either.
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - inside the container
#: Each of them gets this part of the disk limit on top of it.
_TMP_SHARE = 16
#: What the processes have left in memory when every writable mount is full, at least.
_HEADROOM = 64 * 1024**2
_CHUNK = 1024 * 1024
_LINE = 4096
_LINES = 2000
#: Of a step's argv, for it may hold a whole script.
_SHOWN = 300
_COMPLAINTS = 2000


class ContainerBuilder:
    """Builds plans in containers of an engine; inputs, outputs and logs lie in the blobs."""

    def __init__(self, engine: Engine, blobs: Blobs, progress: Progress, clock: Clock) -> None:
        self._engine = engine
        self._blobs = blobs
        self._progress = progress
        self._clock = clock

    def build(self, plan: BuildPlan, root: RootImage, *, run_id: str, number: int, keep: bool = False) -> Attempt:
        """Build once; see the port. ``UsageError`` for a plan no container can be given."""
        nonce = secrets.token_bytes(frames.NONCE_SIZE)
        job = build_job(plan, root, run_id=run_id, keep=keep)
        engine = self._engine.version()
        started = self._clock.now()
        with _Reception(plan, nonce, self._blobs, self._progress, keep=keep) as reception:
            ended = self._run(job, self._stdin(plan, nonce, keep=keep), reception)
            log = reception.finish()
            own_time = reception.building_for() >= plan.limits.seconds
        outcome = judge(reception.trailer, ended, broken=reception.broken, limits=plan.limits, own_time=own_time)
        outcome = blame_source(outcome, reception.trailer, plan.unpack_steps)
        detail = outcome.detail
        if keep and ended is not None and reception.trailer is not None:
            detail = "; ".join(filter(None, (detail, _how_to_enter(ended.container, plan))))
            self._progress.line(_how_to_enter(ended.container, plan))
        return Attempt(
            run_id=run_id,
            build=plan.build,
            number=number,
            root_sha256=root.sha256,
            started=started,
            finished=self._clock.now(),
            exit_status=outcome.exit_status,
            failure=outcome.failure,
            detail=detail,
            outputs=tuple(reception.outputs) if outcome.failure is None else (),
            log=log,
            log_truncated=reception.trailer is None or reception.trailer.outcome == "log",
            limits=plan.limits,
            engine=engine,
        )

    def _run(self, job: Job, stdin: Iterator[bytes], reception: _Reception) -> Exit | None:
        try:
            return self._engine.run(job, stdin=stdin, stdout=reception.feed, stderr=reception.complain)
        except ProtocolError as error:
            reception.trailer = None
            reception.broken = str(error)
            return None

    def _stdin(self, plan: BuildPlan, nonce: bytes, *, keep: bool) -> Iterator[bytes]:
        yield from frames.plan_frames(plan, keep=keep)
        for file in plan.inputs:
            with self._blobs.path(file.sha256).open("rb") as opened:
                yield from frames.input_frames(file.name, iter(lambda: opened.read(_CHUNK), b""))
        yield from frames.start_frames(nonce)


class _Reception:
    """Takes in what one runner sends: the log, the outputs, the trailer."""

    def __init__(self, plan: BuildPlan, nonce: bytes, blobs: Blobs, progress: Progress, *, keep: bool) -> None:
        self.trailer: Trailer | None = None
        self.outputs: list[FileDigest] = []
        self.broken = ""
        self._began: float | None = None
        self._built: float | None = None
        self._plan = plan
        self._decoder = Decoder(plan, nonce)
        self._blobs = blobs
        self._progress = progress
        self._keep = keep
        self._line = b""
        self._file: Deposit | None = None
        self._log = Deposit(blobs, name="build.log", limit=plan.limits.log_bytes)

    def __enter__(self) -> _Reception:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._log.abort()
        if self._file is not None:
            self._file.abort()

    def feed(self, data: bytes) -> None:
        """Bytes of the runner's standard output. ``Leave`` once a container to be kept has said all."""
        for event in self._decoder.feed(data):
            match event:
                case frames.LogData(piece):
                    self._log.write(piece)
                    self._show(piece)
                case frames.StepStarted(index):
                    self._began = self._began or time.monotonic()
                    step = self._plan.steps[index - 1]
                    words = step.label or " ".join(step.argv)
                    self._progress.stage("sandbox", f"step {index} of {len(self._plan.steps)}: {words[:_SHOWN]}")
                case frames.FileStarted(name, size):
                    self._built = self._built or time.monotonic()
                    self._file = Deposit(self._blobs, name=name, limit=size)
                case frames.FileData(piece, last):
                    self._take(piece, last=last)
                case Trailer():
                    self.trailer = event
        if self._keep and self.trailer is not None:
            raise Leave

    def complain(self, data: bytes) -> None:
        """Bytes of the runner's standard error: why it gave up."""
        self.broken = (self.broken + data.decode("utf-8", errors="replace"))[-_COMPLAINTS:]

    def building_for(self) -> float:
        """Seconds from the first step to the first output, or to now; 0 if no step began."""
        return (self._built or time.monotonic()) - self._began if self._began is not None else 0.0

    def finish(self) -> FileDigest:
        """The log, whole."""
        if self._line:
            self._progress.line(self._line.decode("utf-8", errors="replace"))
        return self._log.close()

    def _take(self, piece: bytes, *, last: bool) -> None:
        if self._file is None:
            msg = "expected the start of an output, found a piece of one"
            raise ProtocolError(msg)
        self._file.write(piece)
        if last:
            self.outputs.append(self._file.close())
            self._file = None

    def _show(self, piece: bytes) -> None:
        *lines, rest = (self._line + piece).split(b"\n")
        # A log of empty lines must not cost more time to show than to write; the blob has all of them.
        for line in lines[-_LINES:]:
            self._progress.line(line[:_LINE].decode("utf-8", errors="replace"))
        self._line = rest[:_LINE]


def build_job(plan: BuildPlan, root: RootImage, *, run_id: str, keep: bool) -> Job:
    """The container for a plan. The runner's own environment is fixed: the plan's could steer its perl."""
    limits = plan.limits
    return Job(
        purpose="build",
        run_id=run_id,
        root_sha256=root.sha256,
        argv=("/usr/bin/perl", "-e", runner_script()),
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        user=plan.user,
        hostname=plan.hostname,
        domainname=plan.domainname,
        files=plan.files,
        cpuset=plan.cpuset,
        tmpfs=writable_mounts(limits),
        memory_bytes=limits.memory_bytes,
        cpus=limits.cpus,
        pids=limits.pids,
        seconds=limits.seconds + _TRANSFER_SECONDS,
        keep=keep,
    )


def writable_mounts(limits: Limits) -> tuple[Tmpfs, ...]:
    """`/build`, `/tmp` and `/var/tmp`. They lie in memory, so ``memory_bytes`` is the cap of files and processes
    together. ``UsageError`` if full mounts alone would reach it: the kernel would kill at random."""
    temporary = (Tmpfs(path=path, bytes=limits.disk_bytes // _TMP_SHARE) for path in _TEMPORARY)
    mounts = (Tmpfs(path="/build", bytes=limits.disk_bytes), *temporary)
    needed = sum(mount.bytes for mount in mounts) + _HEADROOM
    if limits.memory_bytes < needed:
        msg = (
            f"expected limits.memory_bytes of at least {needed} (disk_bytes, an eighth of it for /tmp and /var/tmp, "
            f"and {_HEADROOM} for processes), found {limits.memory_bytes}"
        )
        raise UsageError(msg, hint="Raise memory_bytes or lower disk_bytes: a build's files lie in memory.")
    return mounts


def runner_script() -> str:
    """Process 1 of a build container, as one script for ``perl -e``."""
    here = Path(__file__).parent
    return "".join((here / name).read_text(encoding="utf-8") for name in ("runner.pl", "runner_files.pl"))


def _how_to_enter(container: str, plan: BuildPlan) -> str:
    where = plan.steps[-1].cwd
    return f"kept: enter with `docker exec -it -w {where} {container} sh`, remove with `docker rm -f {container}`"
