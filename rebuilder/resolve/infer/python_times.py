"""The times of a Python release: SOURCE_DATE_EPOCH, the build's clock, those of files, and of the index. Pure rules."""

from __future__ import annotations

from dataclasses import dataclass

from rebuilder.model import Origin
from rebuilder.releases import Guess
from rebuilder.resolve.infer.seen import (
    CONSTANTS,
    FLIT_TIME,
    HATCHLING_TIME,
    SCIKIT_TIME,
    ZIP_EPOCH,
    Family,
    Seen,
    instant,
    on_grid,
)

#: What a backend writes into a wheel, or an sdist, where SOURCE_DATE_EPOCH is not set.
_UNSET_WHEEL: dict[Family, tuple[int, ...]] = {
    "flit": (FLIT_TIME,),
    "hatchling": (HATCHLING_TIME,),
    "poetry": (ZIP_EPOCH, FLIT_TIME),
    "pdm": (FLIT_TIME, ZIP_EPOCH),
    "uv": (ZIP_EPOCH,),
}
_UNSET_SDIST: dict[Family, tuple[int, ...]] = {
    "flit": (FLIT_TIME,),
    "hatchling": (HATCHLING_TIME,),
    "scikit-build-core": (SCIKIT_TIME,),
    "uv": (0,),
}
#: They give every file of an sdist the epoch when one is set, so that other times there say that none was.
_SDIST_FOLLOWS: tuple[Family, ...] = ("flit", "hatchling", "pdm", "scikit-build-core", "meson")
#: Their archives never hold the times of the tree's files.
_NO_FILE_TIMES: tuple[Family, ...] = ("hatchling", "uv", "scikit-build-core")
#: Their builds run programs that wait for the clock: ninja starts again for ever where it stands still.
_NO_CLOCK: tuple[Family, ...] = ("meson", "scikit-build-core", "maturin")


@dataclass(frozen=True)
class Epoch:
    """SOURCE_DATE_EPOCH as far as it shows: ``seconds``, ``None`` for not set, and why."""

    seconds: int | None
    evidence: str
    sure: float
    origin: Origin = Origin.INFERRED


def build_time(seen: Seen) -> tuple[int, str] | None:
    """When it was built, if a clock shows, and where: the earliest of the sdist's and the wheel's."""
    found: list[tuple[int, str]] = []
    epoch = epoch_of(seen)
    if seen.gzip_time is not None and seen.is_real(seen.gzip_time) and seen.gzip_time != epoch.seconds:
        found.append((seen.gzip_time, "the sdist's gzip header"))
    clock = seen.wheel_clock
    if clock is not None and epoch.seconds is None and not seen.is_repaired:
        found.append((clock, "what the backend wrote into the wheel"))
    return min(found, default=None)


def requirements(seen: Seen) -> Guess:
    """As of when the build's requirements are chosen."""
    built, uploaded = build_time(seen), seen.uploaded
    newest = max((time // 10**9 for time in seen.file_times if seen.is_real(time // 10**9)), default=None)
    if built is not None:
        evidence, value, sure = f"{built[1]} has {instant(built[0])}, from the build's clock", built[0], 0.95
        others = (uploaded, newest)
        origin = Origin.RECOVERED
    elif uploaded is not None:
        told = f"; its newest file is of {instant(newest)}" if newest is not None else ""
        evidence = f"no clock shows in the archives; uploaded at {instant(uploaded)}{told}"
        value, sure, others, origin = uploaded, 0.8, (newest, None), Origin.INFERRED
    else:
        return _guess("requirements", "", Origin.ASSUMED, "neither a clock nor an upload is known: today's", 0.1)
    spare = tuple(str(time) for time in others if time is not None and time != value)
    return _guess("requirements", str(value), origin, evidence, sure, spare)


def epoch(seen: Seen) -> Guess:
    """SOURCE_DATE_EPOCH in seconds; empty for not set."""
    found = epoch_of(seen)
    value = "" if found.seconds is None else str(found.seconds)
    # A zip knows only every second one.
    grid = found.seconds is not None and found.seconds == seen.one_wheel_time != seen.one_file_time
    odd = found.seconds + 1 if grid and found.seconds is not None else None
    candidates = [seen.committed, odd, seen.one_file_time, seen.one_wheel_time]
    others = [str(time) for time in candidates if time is not None and time not in CONSTANTS]
    spare = tuple(dict.fromkeys(other for other in (*others, "") if other != value))
    return _guess("epoch", value, found.origin, found.evidence, found.sure, spare)


def epoch_of(seen: Seen) -> Epoch:
    """What both archives say; the sdist first where it is exact."""
    if found := _epoch_of_sdist(seen):
        return found
    if found := _epoch_of_wheel(seen):
        return found
    return Epoch(None, "nothing in the archives shows whether it was set", 0.4, Origin.ASSUMED)


def _epoch_of_sdist(seen: Seen) -> Epoch | None:
    header, only = seen.gzip_time, seen.one_file_time
    if seen.sdist is None or seen.family not in (*_SDIST_FOLLOWS, "uv"):
        return None
    constant = next((time for time in _UNSET_SDIST.get(seen.family, ()) if header == time), None)
    if constant is not None:
        what = f"the sdist's gzip header has {instant(constant)}, which {seen.family} writes where it is not set"
        return Epoch(None, what, 0.97)
    if not seen.file_times:
        return None
    if only is None:
        return Epoch(None, f"the files of the sdist have times of their own ({_range(seen)}): it was not set", 0.95)
    if only in CONSTANTS:
        return Epoch(None, f"all files of the sdist have {instant(only)}, which is no commit's: it was not set", 0.9)
    # Sure where the commit says the same, less so where it says another time.
    weight = 1.0 if only == seen.committed else 0.85 if seen.committed is not None else 0.96
    if header == only:
        what = f"gzip header and all {len(seen.file_times)} files of the sdist have {instant(only)}"
        return Epoch(only, what + _and_commit(seen, only), 0.99 * weight, Origin.RECOVERED)
    if seen.family == "pdm":
        what = f"all {len(seen.file_times)} files of the sdist have {instant(only)}"
        return Epoch(only, what + _and_commit(seen, only), 0.9 * weight, Origin.RECOVERED)
    return None


def _epoch_of_wheel(seen: Seen) -> Epoch | None:
    wheel = seen.wheel
    if wheel is None or not seen.written_times:
        return None
    unset = _UNSET_WHEEL.get(seen.family, ())
    written = set(seen.packed_times if seen.family == "poetry" else seen.written_times)
    constant = next((time for time in unset if written == {time}), None)
    if constant is not None:
        what = f"what {seen.family} writes into the wheel has {instant(constant)}, its time where none is set"
        return Epoch(None, what, 0.97)
    only = seen.one_wheel_time if seen.family != "poetry" else (written.pop() if len(written) == 1 else None)
    if only is None:
        first, last = min(seen.packed_times, default=0), max(seen.written_times)
        what = f"files of the wheel have {instant(first)} and others, its `.dist-info` {instant(last)}: it was not set"
        return Epoch(None, what, 0.93)
    if only in CONSTANTS or seen.is_repaired:
        return None
    return _one_time(seen, only, len(wheel.members))


def _one_time(seen: Seen, only: int, count: int) -> Epoch:
    """All members of a wheel have the same time, on the grid of two seconds."""
    told = f"all {count} members of the wheel have {instant(only)}"
    if seen.committed is not None and on_grid(seen.committed) == only:
        what = f"{told}, the commit's time on zip's grid of two seconds"
        return Epoch(seen.committed, what, 0.97, Origin.RECOVERED)
    earliest = min((time // 10**9 for time in seen.file_times), default=None)
    if earliest is not None and only + 1 < earliest:
        what = f"{told}, before any file of the sdist was there: an epoch, to two seconds"
        return Epoch(only, what, 0.85, Origin.RECOVERED)
    if seen.family == "maturin":
        return Epoch(None, f"{told}, but for an epoch maturin gives each its moment: it may be one moment", 0.5)
    if seen.gzip_time is not None and abs(only - on_grid(seen.gzip_time)) <= 60 and seen.family == "setuptools":
        return Epoch(None, f"{told}, when the sdist was made: it may be the build's own clock", 0.5)
    but = "" if seen.committed is None else f"; the commit is of {instant(seen.committed)}"
    sure = 0.7 if seen.committed is None else 0.6
    return Epoch(only, f"{told}: an epoch, to two seconds, or a build within them{but}", sure, Origin.RECOVERED)


def clock(seen: Seen) -> Guess:
    """The time at which a clock has to stand for what the build makes itself; empty: none shows, or all that it shows
    in is replayed. A clock that stands still stops programs that wait for it, so that it is set only where it must."""
    times = _clocks(seen)
    if not times:
        return _guess("clock", "", Origin.INFERRED, "no time in the archives is a clock's", 0.9)
    evidence = " and ".join(f"{where} has {instant(time)}" for time, where in times.items())
    values = tuple(str(time) for time in times)
    if _times(seen)[0] == "archive-members":
        why = f"{evidence}, from the build's clock: replayed with the times of all members"
        return _guess("clock", "", Origin.RECOVERED, why, 0.9, values)
    return _guess("clock", values[0], Origin.RECOVERED, f"{evidence}, from the build's clock", 0.9, (*values[1:], ""))


def _clocks(seen: Seen) -> dict[int, str]:
    """Times that a clock showed, and where they stand."""
    found = epoch_of(seen)
    times: dict[int, str] = {}
    if found.seconds is None and seen.wheel_clock is not None and not seen.is_repaired and seen.zone in (None, 0):
        times[seen.wheel_clock] = "what the backend wrote into the wheel"
    header = seen.gzip_time
    if header is not None and header != found.seconds and seen.is_real(header):
        times[header] = "the sdist's gzip header"
    return times


def times(seen: Seen) -> Guess:
    """Whose times the tree's files have: ``commit``, ``archive``, or ``archive-members`` (see `replays.py`)."""
    value, evidence, sure = _times(seen)
    others = tuple(name for name in ("archive-members", "archive", "commit") if name != value)
    origin = Origin.INFERRED if value == "commit" else Origin.RECOVERED
    return _guess("times", value, origin, evidence, sure, others)


def _times(seen: Seen) -> tuple[str, str, float]:
    found = epoch_of(seen)
    if seen.family in _NO_CLOCK and (clocks := _clocks(seen)):
        where = " and ".join(clocks.values())
        told = f"{where} has the time of the build; {seen.family} runs under no clock but the host's"
        return "archive-members", told, 0.9
    if seen.family in _NO_FILE_TIMES:
        return "commit", f"{seen.family} writes no times of files", 0.95
    if seen.sdist is None:
        return _times_of_wheel(seen, found)
    if found.seconds is not None and seen.one_file_time == found.seconds:
        return "commit", "every time in the archives is SOURCE_DATE_EPOCH", 0.95
    if seen.zone:
        hours = f"{seen.zone / 3600:+g} hours"
        why = f"the wheel's times are the sdist's by another zone ({hours}): both are replayed"
        return "archive-members", why, 0.9
    if _has_clock(seen):
        return "archive-members", f"the sdist has times of files ({_range(seen)}) and of members the build made", 0.9
    if seen.committed is not None and seen.one_file_time == seen.committed:
        return "commit", f"all files of the sdist have the commit's time, {instant(seen.committed)}", 0.9
    return "archive", f"the sdist has the times of its files: {_range(seen)}", 0.9


def _times_of_wheel(seen: Seen, found: Epoch) -> tuple[str, str, float]:
    packed = set(seen.packed_times)
    if found.seconds is not None or packed <= set(CONSTANTS):
        return "commit", "the wheel has no times of files", 0.9
    if seen.committed is not None and packed == {on_grid(seen.committed)} and seen.wheel_clock is None:
        return "commit", f"the wheel's files have the commit's time, {instant(seen.committed)}", 0.9
    why = f"the wheel's files have times from {instant(min(packed))} to {instant(max(packed))}; there is no sdist"
    return "archive-members", why, 0.8


def _has_clock(seen: Seen) -> bool:
    """Whether members of the sdist, or of the wheel, have the time at which they were made."""
    header = seen.gzip_time
    made = [m.time for m in seen.sdist.files if seen.sdist.below(m) == "PKG-INFO"] if seen.sdist else []
    if any(seen.is_real(time // 10**9) for time in made):
        return True
    if header is not None and seen.is_real(header):
        # Such as the version file of pdm: written a moment before the header.
        return any(header - 2 <= time // 10**9 <= header for time in seen.file_times)
    return False


def _range(seen: Seen) -> str:
    whole = [time // 10**9 for time in seen.file_times]
    if not whole:
        return "none"
    first, last = min(whole), max(whole)
    return f"{instant(first)} to {instant(last)}" if first != last else f"all {instant(first)}"


def _and_commit(seen: Seen, time: int) -> str:
    if seen.committed is None:
        return ""
    return ", the commit's time" if time == seen.committed else f"; the commit is of {instant(seen.committed)}"


def _guess(
    name: str, value: str, origin: Origin, evidence: str, sure: float, others: tuple[str, ...] = ()
) -> Guess:  # fmt: skip
    return Guess.model_validate(
        {"input": name, "value": value, "origin": origin, "evidence": evidence, "confidence": sure, "others": others}
    )
