"""What a build came to: from the trailer and the way the container ended to one reason. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace

from rebuilder.errors import InfrastructureError
from rebuilder.model import FailureReason, Limits
from rebuilder.ports import Exit
from rebuilder.sandbox.frames import Trailer

_SHELL_SIGNAL_BASE = 128
_KILLED = 137
#: The runner's own status when its input ended early or its output could not be written: see `runner.pl`.
_LOST = 74


@dataclass(frozen=True)
class Outcome:
    """The part of an attempt that says how it ended."""

    exit_status: int | None
    failure: FailureReason | None
    detail: str


def judge(
    trailer: Trailer | None, ended: Exit | None, *, broken: str, limits: Limits, own_time: bool = True
) -> Outcome:
    """The outcome of a build. ``broken`` says why the runner's stream was given up, or is what it
    complained of last; ``own_time`` whether the steps alone took all the time a build may take.
    ``InfrastructureError`` if the runner could not even begin, or what it said was lost on the way to us."""
    if trailer is None:
        return _without_trailer(ended, broken, limits, own_time=own_time)
    match trailer.outcome:
        case "done":
            return Outcome(0, None, _notes(trailer))
        case "failed":
            return _failed(trailer)
        case "time":
            return _out_of_time(trailer, limits)
        case "log":
            detail = f"step {trailer.step} wrote more than {limits.log_bytes} bytes of log"
            return Outcome(None, FailureReason.LOG_LIMIT, detail)
        case "output":
            detail = f"expected at most {limits.output_bytes} bytes of outputs, found {trailer.note}"
            return Outcome(None, FailureReason.OUTPUT_LIMIT, detail)
        case "full":
            detail = f"{limits.disk_bytes} bytes of disk did not suffice: {trailer.note}"
            return Outcome(None, FailureReason.DISK_LIMIT, detail)
        case "setup":
            msg = f"expected the runner to prepare the build, found: {trailer.note}"
            raise InfrastructureError(msg, hint="Inputs and outputs of a build plan have to lie below /build or /tmp.")


def blame_source(outcome: Outcome, trailer: Trailer | None, unpack_steps: int) -> Outcome:
    """The same, but a source that could not be unpacked is called so; limits it hit keep their own names."""
    unpacking = trailer is not None and trailer.step <= unpack_steps
    if outcome.failure is FailureReason.EXIT_STATUS and unpacking:
        return replace(outcome, failure=FailureReason.BAD_SOURCE)
    return outcome


def _failed(trailer: Trailer) -> Outcome:
    status = _SHELL_SIGNAL_BASE + trailer.signal if trailer.signal else trailer.status
    ended = f"step {trailer.step} was killed by {_signal_name(trailer.signal)}" if trailer.signal else (
        f"step {trailer.step} ended with exit status {trailer.status}"
    )
    detail = f"{ended}{_notes(trailer, after=True)}"
    if trailer.memory:
        return Outcome(status, FailureReason.MEMORY_LIMIT, detail)
    if trailer.full:
        return Outcome(status, FailureReason.DISK_LIMIT, f"{detail}; /build, /tmp or /var/tmp was seen full")
    if trailer.processes:
        return Outcome(status, FailureReason.PROCESS_LIMIT, detail)
    return Outcome(status, FailureReason.EXIT_STATUS, detail)


def _out_of_time(trailer: Trailer, limits: Limits) -> Outcome:
    detail = f"step {trailer.step} did not end within {limits.seconds} seconds{_notes(trailer, after=True)}"
    # A build that forks without end waits for processes it never gets; that is what to look at.
    reason = FailureReason.PROCESS_LIMIT if trailer.processes else FailureReason.TIME_LIMIT
    return Outcome(None, reason, detail)


def _without_trailer(ended: Exit | None, broken: str, limits: Limits, *, own_time: bool) -> Outcome:
    cause = f": {broken}" if broken else ""
    if ended is not None and ended.out_of_memory:
        detail = f"the runner itself was killed for memory (limit {limits.memory_bytes} bytes)"
        return Outcome(None, FailureReason.MEMORY_LIMIT, detail)
    if ended is not None and ended.timed_out and not own_time:
        msg = f"expected inputs and outputs to pass to and from the container in time, found that they did not{cause}"
        raise InfrastructureError(msg, hint="Nothing is known about the build. Is this host overloaded?")
    if ended is not None and ended.timed_out:
        return Outcome(None, FailureReason.TIME_LIMIT, f"the runner did not answer within its time{cause}")
    if ended is None:
        return Outcome(None, FailureReason.EXIT_STATUS, f"the runner's stream broke off{cause}")
    if ended.status in (0, _LOST):
        # It ends with 0 after its trailer only, and no build can make it end: so the loss is on our side.
        msg = f"expected the runner's trailer, found its stream lost on the way (status {ended.status}){cause}"
        raise InfrastructureError(msg, hint="Nothing is known about the build. Run the command again.")
    if ended.status == _KILLED:
        # Nobody else killed it, or the engine would have said so in an exception.
        cause += "; the kernel killed it, for memory or at a limit the build had set on it"
    detail = f"the runner ended without a trailer (status {ended.status}){cause}"
    return Outcome(ended.status, FailureReason.EXIT_STATUS, detail)


def _notes(trailer: Trailer, *, after: bool = False) -> str:
    notes = [trailer.note] if trailer.note else []
    if trailer.memory:
        notes.append(f"the kernel killed {trailer.memory} process(es) at the memory limit")
    if trailer.processes:
        notes.append(f"the kernel refused {trailer.processes} process(es) at the process limit")
    text = "; ".join(notes)
    return f"; {text}" if text and after else text


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"
