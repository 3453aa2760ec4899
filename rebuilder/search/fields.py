"""Hints for fields of an archive's metadata (times, owners, modes, streams), and for stamps of a clock. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from rebuilder.search.changes import Change
from rebuilder.search.known import CERTAIN, LAST, LIKELY, POSSIBLE, Ask, Candidate
from rebuilder.search.moments import UNSET_TIMES, Moments, moments, nearest, second

_OWNER_FIELDS: Final = ("uname", "uid", "gname", "gid")
_MODE = re.compile(r"(?P<mode>0[0-7]{3,6})(?: dos 0x[0-9a-f]{2})?")
#: Backends that write times of the build into an sdist whatever SOURCE_DATE_EPOCH says: members and gzip, or gzip.
_OWN_CLOCK: Final = frozenset({"setuptools", "wheel"})
_GZIP_CLOCK: Final = _OWN_CLOCK | {"pdm-backend", "pdm-pep517"}


def times(ask: Ask) -> Iterator[Candidate]:
    """Times of members: one time everywhere is an epoch; several are those of files, and the build's own clock."""
    found = moments(ask.sign)
    if not found.all:
        if ask.sign.id == "pax-headers":
            yield from _files(ask, LIKELY, found)
        return
    if not found.files:
        yield from _made(ask, found)
    else:
        # Under an epoch, what the backend adds has it as well; only in a tar some backends leave that without a time.
        everywhere = bool(found.made) or (not _is_wheel(ask) and ask.recipe.build.epoch is not None)
        epoch = found.one is not None and everywhere
        if found.one is not None and epoch:
            yield from _epochs(ask, found.one)
        yield from _files(ask, POSSIBLE if epoch else LIKELY, found)
        if found.one is not None and not epoch:
            yield ask.one(POSSIBLE, "epoch", str(found.one), _times_why(ask), read=True)
    yield ask.replay(LAST, ("member-times",), _times_why(ask))


def _epochs(ask: Ask, shown: int) -> Iterator[Candidate]:
    """SOURCE_DATE_EPOCH: that of a known time which the archive shows so; not set; the very time."""
    why = f"all members of {ask.sign.artifact} have one time"
    for value in nearest(shown, ask.known.times()):
        yield ask.one(CERTAIN, "epoch", str(value), f"{why}, that of the commit or of another known moment", read=True)
    if shown in UNSET_TIMES:
        yield ask.one(CERTAIN, "epoch", "", f"{why}, which backends write where no epoch is set", read=True)
    yield ask.one(LIKELY, "epoch", str(shown), why, read=True)


def _files(ask: Ask, rank: int, found: Moments) -> Iterator[Candidate]:
    """No epoch, and times of files from an archive; with them the time at which the backend wrote its own members, or
    all times, where no clock that stands could give those."""
    why = _times_why(ask)
    more = () if _is_own_clock(ask) else (_unset(ask, why),)
    built = sorted({*found.made} - {*found.files} - UNSET_TIMES)
    sources = _tellers(ask)
    if found.fractions or len(built) > 1:
        own = ask.change("replay", "member-times", why, read=True, artifact=ask.sign.artifact)
        more = (*more, own)
    elif built:
        then = f"what the backend adds to {ask.sign.artifact}"
        more = (*more, ask.change("clock", str(built[0]), then, read=True))
    for number, source in enumerate(sources):
        files = ask.change("replay", "file-times", why, read=True, artifact=source)
        yield ask.all(rank + number, (*more, files), why)
        if more and not _is_own_clock(ask):
            yield ask.all(POSSIBLE, (files,), why)
    yield ask.replay(LAST if sources else rank, ("member-times",), why, _unset(ask, why))
    if sources:
        files = ask.change("replay", "file-times", why, read=True, artifact=sources[0])
        yield ask.replay(LAST, ("member-times",), why, _unset(ask, why), files)


def _tellers(ask: Ask) -> tuple[str, ...]:
    """Artifacts that may say the times of files: tars, which say them exactly, the one of the sign first. A zip does
    not."""
    own = ask.sign.artifact
    names = (own, *(one.name for one in ask.recipe.artifacts))
    giving = {one.artifact for one in ask.recipe.build.replay if "file-times" in one.what}
    return tuple(name for name in dict.fromkeys(names) if name.endswith((".tar.gz", ".tgz")) and name not in giving)


def _made(ask: Ask, found: Moments) -> Iterator[Candidate]:
    """Only what the backend itself writes has other times: the build's clock, or nothing but the very times."""
    why = f"what the backend adds to {ask.sign.artifact} has the time of the build"
    if found.fractions or len(found.made) > 2:
        yield ask.replay(CERTAIN, ("member-times",), why)
        return
    for value in sorted({*found.made} - UNSET_TIMES, reverse=True):
        yield ask.one(LIKELY, "clock", str(value), why, read=True)
    for value in nearest(found.made[0], ask.known.times()):
        yield ask.one(POSSIBLE, "epoch", str(value), why, read=True)
    yield ask.replay(POSSIBLE, ("member-times",), why)


def _times_why(ask: Ask) -> str:
    return f"members of {ask.sign.artifact} have times of their own"


def _unset(ask: Ask, why: str) -> Change:
    return ask.change("epoch", "", f"{why}, so no epoch was set", read=True)


def _is_own_clock(ask: Ask) -> bool:
    """Whether no epoch has a say in the times of that archive."""
    return bool(ask.backends & _OWN_CLOCK) and not _is_wheel(ask)


def _is_wheel(ask: Ask) -> bool:
    return ask.sign.artifact.endswith(".whl")


def zones(ask: Ask) -> Iterator[Candidate]:
    """A zip file holds local time; only the times themselves say which."""
    yield ask.replay(LIKELY, ("member-times",), f"members of {ask.sign.artifact} have times of another zone")


def gzip_time(ask: Ask) -> Iterator[Candidate]:
    """The time in the header of gzip: the epoch, or the clock, or what a backend writes without an epoch."""
    why = f"the gzip header of {ask.sign.artifact} has another time"
    shown = second(next(iter(ask.sign.published()), ""))
    own, ticking = bool(ask.backends & _OWN_CLOCK), bool(ask.backends & _GZIP_CLOCK)
    if shown is not None and not ticking:
        if shown in UNSET_TIMES:
            yield ask.one(CERTAIN, "epoch", "", f"{why}, which backends write where no epoch is set", read=True)
        if shown:
            yield ask.one(CERTAIN, "epoch", str(shown), why, read=True)
    if shown and ticking and not own:
        yield ask.one(CERTAIN, "clock", str(shown), f"{why}, that of the build", read=True)
    yield ask.replay(CERTAIN if own else POSSIBLE, ("gzip-time",), why)


def owners(ask: Ask) -> Iterator[Candidate]:
    """The publisher's user, where a build can run as that; else what the headers say."""
    why = f"the members of {ask.sign.artifact} belong to them"
    build = ask.recipe.build
    ours = {"uname": build.user, "uid": str(build.uid), "gname": build.group, "gid": str(build.gid)}
    parts = []
    for name in _OWNER_FIELDS:
        shown = {one.published for one in ask.sign.seen if one.what.removeprefix("pax.") == name}
        parts.append(next(iter(shown), ours[name]) if len(shown) < 2 else "")
    if all(parts):
        yield ask.one(CERTAIN, "owners", "/".join(parts), why, read=True)
    yield ask.replay(CERTAIN, ("owners",), why)


def modes(ask: Ask) -> Iterator[Candidate]:
    """The umask that the published modes show, against the one we built with."""
    why = f"the modes in {ask.sign.artifact} show it"
    mask = int(ask.recipe.build.umask, 8)
    shown = [[_mode(one.published), _mode(one.rebuilt)] for one in ask.sign.seen]
    pairs = [(left, right) for left, right in shown if left is not None and right is not None]
    for published, rebuilt in pairs:
        mask = (mask | (rebuilt & ~published)) & ~(published & ~rebuilt) & 0o777
    if pairs:
        yield ask.one(CERTAIN, "umask", f"0{mask:03o}", why, read=True)
    yield from ask.others(LIKELY, "umask", ask.known.values("umask"), f"modes differ in {ask.sign.artifact}")


def _mode(text: str) -> int | None:
    found = _MODE.fullmatch(text)
    return int(found["mode"], 8) & 0o777 if found else None


def zlib(ask: Ask) -> Iterator[Candidate]:
    """The other family of zlib; Node brings its own."""
    if ask.is_npm:
        return
    value = "zlib" if ask.recipe.toolchain.zlib == "zlib-ng" else "zlib-ng"
    rank = LIKELY if ask.sign.id == "deflate-stream" else LAST
    yield ask.one(rank, "zlib", value, f"a stream of {ask.sign.artifact} is packed by another deflate")


def clock(ask: Ask) -> Iterator[Candidate]:
    """The build's clock, where a stamp of it stands in what the build wrote."""
    why = f"{ask.sign.artifact} holds a time of the build ({ask.sign.id})"
    built = () if ask.known.built is None else (str(ask.known.built),)
    yield from ask.others(LIKELY, "clock", (*ask.known.values("clock"), *built), why)


def stamped(ask: Ask) -> Iterator[Candidate]:
    """Another epoch, where a stamp of it stands in what the build wrote."""
    why = f"{ask.sign.artifact} holds another time ({ask.sign.id})"
    yield from ask.others(LIKELY, "epoch", ask.known.times(), why)


def user(ask: Ask) -> Iterator[Candidate]:
    """Another user, where a name stands in what the build wrote."""
    yield from ask.others(POSSIBLE, "owners", ask.known.values("owners"), f"{ask.sign.artifact} names its builder")
