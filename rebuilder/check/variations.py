"""What is varied between two builds of a project, and how: the table, and the draws of one seed. Pure.

    seed -> Draw -> what each variation sets -> Setting of one build

A variation sets a few fields of a ``Setting`` to values of its own. Two builds differ in exactly the fields of the
variations between them. Where text can reach the build, it is a canary: a marker of that variation alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from rebuilder.check.model import VariationName
from rebuilder.errors import UsageError

NAMES: tuple[VariationName, ...] = get_args(VariationName)
#: The variable that carries the canary of ``environment``.
MARKER = "REBUILDER_CHECK_MARKER"
MAX_SEED = 2**32 - 1
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
#: Locales that sort, translate or write numbers in another way than C; compiled in the container from their sources.
_LOCALES = ("et_EE.UTF-8", "de_DE.UTF-8", "cs_CZ.UTF-8")
#: Zones off the hour, for programs that know zones by name only.
_ZONES = {
    "Asia/Kathmandu": ("+0545", "+05:45", "Asia/Kathmandu"),
    "Pacific/Chatham": ("+1245", "+1345", "+12:45", "+13:45", "Pacific/Chatham"),
    "Australia/Eucla": ("+0845", "+08:45", "Australia/Eucla"),
}
_SPREAD_DAYS = (398, 1100)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """All that one build is made in, as far as a check varies it."""

    tree: str
    home: str
    uid: int
    user: str
    umask: str
    locale: str
    zone: str
    hostname: str
    domainname: str
    #: Value of ``MARKER``; empty: not set.
    marker: str
    #: A folder at the end of PATH; empty: none.
    exec_folder: str
    #: `/bin/sh` is bash, and SHELL says so; else it is the toolchain's own (dash).
    bash: bool
    cpuset: str
    #: Jobs that make is told to use; 0: it is told nothing.
    jobs: int
    #: `uname -r` is that of a kernel 2.6.
    old_kernel: bool
    #: Days the clock is ahead.
    days_ahead: int
    #: Seeds of the order in which the tree is unpacked, and of its files' times; ``None``: sorted, the epoch.
    order: int | None
    times: int | None
    tmpdir: str
    hash_seed: int
    #: Set by recipes of packages, never varied. The group is the user's own unless it is named.
    gid: int | None = None
    group: str = ""
    #: Seconds since 1970 at which every clock stands; ``None``: it runs.
    clock: int | None = None


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Everything chance decides, from one seed."""

    seed: int
    #: The time the check began; a faked clock counts from the real one.
    now: datetime
    named_zones: bool = False

    def random(self, name: str) -> random.Random:
        """Chance of one variation: the same whatever else is varied."""
        return random.Random(f"rebuilder-check/1:{self.seed}:{name}")  # noqa: S311 - a seed is to be repeated

    def word(self, name: str, size: int = 14) -> str:
        """The canary of a variation: lower-case letters that no text holds by chance."""
        chance = self.random(f"word:{name}")
        return "".join(chance.choice(_CONSONANTS) for _ in range(size))


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One entry of the table. ``draw`` gives the fields it sets; ``shown`` puts a setting's side of it in words."""

    name: VariationName
    title: str
    draw: Callable[[Draw], dict[str, Any]]
    shown: Callable[[Setting], str]
    #: Texts that stand in differing bytes only where this variation reached them: they prove it.
    marks: Callable[[Draw], tuple[str, ...]] = lambda _: ()
    #: Texts that make it likely, and may stand there by chance.
    hints: Callable[[Draw], tuple[str, ...]] = lambda _: ()


def control(name: str) -> Setting:
    """The setting of the build that everything is held against."""
    return Setting(
        tree=f"/build/work/{name}",
        home="/build/home",
        uid=1000,
        user="builder",
        umask="0022",
        locale="C.UTF-8",
        zone="UTC",
        hostname="rebuilder",
        domainname="",
        marker="",
        exec_folder="",
        bash=False,
        cpuset="",
        jobs=0,
        old_kernel=False,
        days_ahead=0,
        order=None,
        times=None,
        tmpdir="/build/tmp",
        hash_seed=0,
    )


def setting(base: Setting, draw: Draw, names: Iterable[VariationName]) -> Setting:
    """``base`` with these variations."""
    for name in names:
        base = replace(base, **TABLE[name].draw(draw))
    return base


def canaries(draw: Draw, names: Iterable[VariationName]) -> dict[str, VariationName]:
    """Marker -> the variation that put it there, longest first: one may be part of another."""
    found = {mark: name for name in names for mark in TABLE[name].marks(draw)}
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def hints(draw: Draw, names: Iterable[VariationName]) -> dict[str, VariationName]:
    """As ``canaries``, of texts that only make a variation likely."""
    return {mark: name for name in names for mark in TABLE[name].hints(draw)}


def changed_fields(one: Setting, other: Setting) -> tuple[str, ...]:
    """Fields in which two settings differ."""
    return tuple(field.name for field in fields(Setting) if getattr(one, field.name) != getattr(other, field.name))


def chosen(asked: str) -> tuple[VariationName, ...]:
    """The variations of ``all,-cpu`` or ``path,umask``, in the order of the table. A list that only takes away takes
    away from all. ``UsageError`` for an unknown name, and where nothing is left."""
    words = [word.strip() for word in asked.split(",") if word.strip()]
    taken: set[str] = set(NAMES) if not words or words[0].startswith("-") else set()
    for word in words:
        name = word.lstrip("+-")
        if name not in (*NAMES, "all"):
            raise _unknown(name)
        these = set(NAMES) if name == "all" else {name}
        taken = taken - these if word.startswith("-") else taken | these
    if not taken:
        msg = f"expected at least one variation, found none left of {asked!r}"
        raise UsageError(msg, hint="name some, or leave some out of all: --variations all,-cpu")
    return tuple(name for name in NAMES if name in taken)


def _unknown(name: str) -> UsageError:
    import difflib

    near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.5)
    msg = f"no variation is called {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    return UsageError(msg, hint=f"there are all, {', '.join(NAMES)}")


# --- the draws ------------------------------------------------------------------------------------


def _days(draw: Draw) -> int:
    return draw.random("clock").randint(*_SPREAD_DAYS)


def _faked_dates(draw: Draw) -> tuple[str, ...]:
    """How programs write the day that the faked clock shows, and those beside it, for zones and midnight."""
    base = draw.now.astimezone(UTC) + timedelta(days=_days(draw))
    found: list[str] = []
    for day in (base + timedelta(days=shift) for shift in (-1, 0, 1)):
        found += [day.strftime(shape) for shape in _DATES]
        found += [f"{day.day} {day:%b %Y}", f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day:%Y}"]
        found.append(f"{day:%b} {day.day:2d} {day:%Y}")
    return tuple(dict.fromkeys(found))


def _faked_years(draw: Draw) -> tuple[str, ...]:
    """The year of a copyright line, a day in six digits, and how the seconds since 1970 begin (five digits last a
    day): too short to prove anything, for digests have such digits, too."""
    base = draw.now.astimezone(UTC) + timedelta(days=_days(draw))
    days = [base + timedelta(days=shift) for shift in (-1, 0, 1)]
    return (f"{base:%Y}", *(f"{day:%y%m%d}" for day in days), *(str(int(day.timestamp()))[:5] for day in days))


_DATES = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d %b %Y", "%b %d %Y")


def _zone(draw: Draw) -> str:
    if draw.named_zones:
        return draw.random("timezone").choice(tuple(_ZONES))
    # POSIX: east of Greenwich is negative. The name is what `date +%Z` writes.
    chance = draw.random("timezone")
    return f"{draw.word('timezone', 8).upper()}-{chance.randint(10, 13)}:{chance.choice((15, 30, 45))}"


def _number(name: str, low: int, high: int) -> Callable[[Draw], int]:
    return lambda draw: draw.random(name).randint(low, high)


_UID = _number("user", 12000, 59000)
_HASH = _number("hash-seed", 1, MAX_SEED)
_ORDER = _number("order", 1, MAX_SEED)
_TIMES = _number("times", 1, MAX_SEED)


def _table() -> Mapping[VariationName, Variation]:
    entries = (
        Variation(
            name="path",
            title="build path",
            draw=lambda draw: {"tree": f"/build/{draw.word('path')}/deeper/{draw.word('path')}-tree"},
            shown=lambda it: it.tree,
            marks=lambda draw: (draw.word("path"),),
        ),
        Variation(
            name="home",
            title="home folder",
            draw=lambda draw: {"home": f"/build/{draw.word('home')}"},
            shown=lambda it: it.home,
            marks=lambda draw: (draw.word("home"),),
        ),
        Variation(
            name="user",
            title="user and group",
            draw=lambda draw: {"uid": _UID(draw), "user": draw.word("user")},
            shown=lambda it: f"{it.user} ({it.uid})",
            marks=lambda draw: (draw.word("user"),),
        ),
        Variation(name="umask", title="umask", draw=lambda _: {"umask": "0002"}, shown=lambda it: it.umask),
        Variation(
            name="locale",
            title="locale",
            draw=lambda draw: {"locale": draw.random("locale").choice(_LOCALES)},
            shown=lambda it: it.locale,
            hints=lambda draw: (draw.random("locale").choice(_LOCALES).partition(".")[0],),
        ),
        Variation(
            name="timezone",
            title="time zone",
            draw=lambda draw: {"zone": _zone(draw)},
            shown=lambda it: it.zone,
            marks=lambda draw: () if draw.named_zones else (draw.word("timezone", 8).upper(),),
            hints=lambda draw: _ZONES[_zone(draw)] if draw.named_zones else (),
        ),
        Variation(
            name="host",
            title="host and domain name",
            draw=lambda draw: {"hostname": draw.word("host"), "domainname": f"{draw.word('domain')}.example"},
            shown=lambda it: ".".join(filter(None, (it.hostname, it.domainname))),
            marks=lambda draw: (draw.word("host"), draw.word("domain")),
        ),
        Variation(
            name="environment",
            title="environment",
            draw=lambda draw: {"marker": draw.word("environment")},
            shown=lambda it: f"{MARKER}={it.marker}" if it.marker else f"{MARKER} not set",
            marks=lambda draw: (draw.word("environment"), MARKER),
        ),
        Variation(
            name="exec-path",
            title="PATH",
            draw=lambda draw: {"exec_folder": f"/build/{draw.word('exec-path')}/bin"},
            shown=lambda it: f"{it.exec_folder} at the end" if it.exec_folder else "the usual folders",
            marks=lambda draw: (draw.word("exec-path"),),
        ),
        Variation(
            name="shell",
            title="shell",
            draw=lambda _: {"bash": True},
            shown=lambda it: "/bin/sh is bash" if it.bash else "/bin/sh is dash",
        ),
        Variation(
            name="cpu",
            title="number of processors",
            draw=lambda _: {"cpuset": "0"},
            shown=lambda it: "one" if it.cpuset else "all",
        ),
        Variation(
            name="jobs",
            title="number of jobs",
            draw=lambda _: {"jobs": 3},
            shown=lambda it: f"make -j{it.jobs}" if it.jobs else "as the project says",
            hints=lambda _: ("-j3",),
        ),
        Variation(
            name="kernel",
            title="kernel release",
            draw=lambda _: {"old_kernel": True},
            shown=lambda it: "2.6 (setarch --uname-2.6)" if it.old_kernel else "the machine's",
            hints=lambda _: ("2.6.",),
        ),
        Variation(
            name="clock",
            title="date and time",
            draw=lambda draw: {"days_ahead": _days(draw)},
            shown=lambda it: f"{it.days_ahead} days ahead" if it.days_ahead else "the real one",
            marks=_faked_dates,
            hints=_faked_years,
        ),
        Variation(
            name="order",
            title="order of directories",
            draw=lambda draw: {"order": _ORDER(draw)},
            shown=lambda it: "sorted" if it.order is None else f"shuffled ({it.order})",
        ),
        Variation(
            name="times",
            title="times of source files",
            draw=lambda draw: {"times": _TIMES(draw)},
            shown=lambda it: "all that of the commit" if it.times is None else f"each its own, later ({it.times})",
        ),
        Variation(
            name="tmpdir",
            title="TMPDIR",
            draw=lambda draw: {"tmpdir": f"/build/{draw.word('tmpdir')}/scratch"},
            shown=lambda it: it.tmpdir,
            marks=lambda draw: (draw.word("tmpdir"),),
        ),
        Variation(
            name="hash-seed",
            title="hash seeds of Python and Perl",
            draw=lambda draw: {"hash_seed": _HASH(draw)},
            shown=lambda it: str(it.hash_seed),
        ),
    )
    return {entry.name: entry for entry in entries}


TABLE: Mapping[VariationName, Variation] = _table()
