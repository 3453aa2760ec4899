"""Times as findings show them, taken apart; and which settings of a build they speak for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rebuilder.search.signs import Sign

#: Times that a backend writes where SOURCE_DATE_EPOCH is not set: hatchling; flit and poetry-core; zip's first; none.
UNSET_TIMES: Final = frozenset({1580601600, 1451606400, 315532800, 0})
#: The year 2100: nothing was built later than that.
_LATEST = 4102444800
_MTIME = frozenset({"mtime", "local.mtime", "central.mtime", "pax.mtime"})
#: How a gzip header without a time is shown.
_NO_TIME = "0 (no time)"
_SHOWN = re.compile(r"(?P<date>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z?(?: (?P<fraction>[+-]0\.\d+) s)?")


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Published times of one sign, in whole seconds since 1970, of the project's files and of what the backend adds."""

    files: tuple[int, ...] = ()
    made: tuple[int, ...] = ()
    #: Whether one of what the backend adds has a fraction of a second: no clock that stands gives that.
    fractions: bool = False

    @property
    def all(self) -> tuple[int, ...]:
        """Of either, sorted."""
        return tuple(sorted({*self.files, *self.made}))

    @property
    def one(self) -> int | None:
        """The time, if there is only one."""
        return self.all[0] if len(self.all) == 1 else None


def moments(sign: Sign) -> Moments:
    """The times of members."""
    files: set[int] = set()
    made: set[int] = set()
    fractions = False
    for seen in sign.seen:
        if seen.what not in _MTIME:
            continue
        found = _SHOWN.fullmatch(seen.published)
        seconds = second(seen.published)
        if found is None or seconds is None:
            continue
        fractions |= seen.made and bool(found["fraction"] and found["fraction"].strip("+-0."))
        (made if seen.made else files).add(seconds)
    return Moments(files=tuple(sorted(files)), made=tuple(sorted(made)), fractions=fractions)


def second(text: str) -> int | None:
    """Seconds since 1970 of a time as findings show it; ``None`` for anything else, and for what is no build's."""
    if text == _NO_TIME:
        return 0
    found = _SHOWN.fullmatch(text)
    if found is None:
        return None
    try:
        seconds = int(datetime.fromisoformat(found["date"]).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < _LATEST else None


def nearest(seconds: int, known: Iterable[str], *, within: int = 1) -> tuple[int, ...]:
    """Those of the known times, likeliest first, that an archive with a grid of two seconds shows as ``seconds``."""
    values = (int(one) for one in known if one.isdecimal() and len(one) <= 10)
    return tuple(value for value in values if 0 <= value - seconds <= within)
