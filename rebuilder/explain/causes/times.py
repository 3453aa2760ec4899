"""Causes that are moments: a time of the build in a text, and the zone it was written in."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from rebuilder.explain.causes import Change, Confidence, Rule, Scene, applied
from rebuilder.explain.causes.shapes import Shape, environment, project, rule

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = rb"[0-2][0-9]:[0-5][0-9](?::[0-6][0-9](?:[.,][0-9]{1,9})?)?"
_ZONE = rb"(?: ?(?:Z(?![A-Za-z])|[+-][0-9]{2}:?[0-9]{2}(?![0-9])|UTC|GMT|[A-Z]{3,4}(?![A-Za-z])))"
_WEEKDAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MOMENT = re.compile(
    rb"(?<![0-9])(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9](?:[T _]" + _CLOCK + _ZONE + rb"?)?(?![0-9-])"
    rb"|(?:" + _WEEKDAY + rb",? )?[ 0-3]?[0-9][ -]" + _MONTH + rb"[ -](?:19|20)[0-9]{2}(?: " + _CLOCK + _ZONE + rb"?)?"
    rb"|(?:"
    + _WEEKDAY
    + rb" )?"
    + _MONTH
    + rb" [ 0-3]?[0-9](?: "
    + _CLOCK
    + _ZONE
    + rb"?)?,? (?:19|20)[0-9]{2}(?: "
    + _CLOCK
    + _ZONE
    + rb"?)?"
    rb"|(?<![0-9])(?:19|20)[0-9]{2}/[01][0-9]/[0-3][0-9](?: " + _CLOCK + _ZONE + rb"?)?(?![0-9])"
    rb"|(?<![0-9:.])" + _CLOCK + _ZONE + rb"?(?![0-9:])"
    rb"|(?<![0-9A-Fa-f.x_-])(?:[0-9]{10}|20[0-9]{12}|20[0-9]{6})(?![0-9A-Fa-f_-])"
)
_ZONES = re.compile(
    rb"(?<![A-Za-z0-9])(?:UTC|GMT|CET|CEST|EET|EEST|WET|WEST|BST|IST|JST|MSK|[ECMP][SD]T|UTC[+-][0-9]{1,2}|[+-](?:0[0-9]|1[0-4]):?[0-5][05]"
    rb"|(?:Europe|America|Asia|Africa|Australia|Pacific|Etc)/[A-Za-z_/+-]{2,30}[0-9]{0,2})(?![A-Za-z0-9])"
)
_ISO = re.compile(rb"([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})(?:[T _](.*))?", re.DOTALL)
_WORDS = re.compile(rb"(?:[A-Z][a-z]{2},? )?(?:([ 0-3]?[0-9])[ -](" + _MONTH + rb")|(" + _MONTH + rb") ([ 0-3]?[0-9]))")
_YEAR = re.compile(rb"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")
_TIME = re.compile(rb"([0-2][0-9]):([0-5][0-9])(?::([0-5][0-9]))?")
_OFFSET = re.compile(rb"([+-])([0-9]{2}):?([0-9]{2})$")
_YEARS = timedelta(days=366 * 3)
_QUARTER = 900
_MAX_SHIFT = 26 * 3600


def moment(text: bytes) -> datetime | None:
    """A date with a time of day, without its zone (``tzinfo`` only where it is a number); ``None`` if it is none."""
    try:
        return _parsed(text)
    except (ValueError, OverflowError):
        return None


def _parsed(text: bytes) -> datetime | None:
    if re.fullmatch(rb"[0-9]{10}", text):
        return datetime.fromtimestamp(int(text), UTC)
    clock = _TIME.search(text)
    iso, words = _ISO.match(text), _WORDS.match(text)
    if iso:
        year, month, day = (int(part) for part in iso.group(1, 2, 3))
    elif words and (found := _YEAR.search(text)):
        year, day = int(found.group()), int(words.group(1) or words.group(4))
        month = _MONTHS.index((words.group(2) or words.group(3)).decode()) + 1
    else:
        return None
    if not clock:
        return None
    hour, minute, second = (int(part or 0) for part in clock.groups())
    offset = _OFFSET.search(text, clock.end())
    zone = None
    if offset:
        minutes = int(offset.group(2)) * 60 + int(offset.group(3))
        zone = timezone(timedelta(minutes=-minutes if offset.group(1) == b"-" else minutes))
    return datetime(year, month, day, hour, minute, second, tzinfo=zone)


def _stamp(scene: Scene, one: bytes, other: bytes) -> Confidence | None:
    """A time of a build: a bare number has to be near one of the builds."""
    known = [seconds for seconds in (scene.surroundings.epoch, scene.surroundings.published_at) if seconds is not None]
    if one.isdigit() and other.isdigit() and len(one) == len(other) == 10:
        near = all(any(abs(int(value) - seconds) < 86400 * 400 for seconds in known) for value in (one, other))
        if (
            not near
            and known
            and not any(abs(int(value) - seconds) < 86400 * 400 for value in (one, other) for seconds in known)
        ):
            return None
        return "likely" if near and known else "possible" if 10**9 <= int(one) < 2 * 10**9 else None
    if one.isdigit() != other.isdigit():
        return None
    return "possible" if _shift(one, other) or one.isdigit() else "likely"


def _shift(one: bytes, other: bytes) -> bool:
    """Whether two wall clocks are apart by what zones are apart."""
    left, right = moment(one), moment(other)
    if left is None or right is None or one.isdigit():
        return False
    walls = abs((left.replace(tzinfo=None) - right.replace(tzinfo=None)).total_seconds())
    if left.tzinfo and right.tzinfo and left.tzinfo != right.tzinfo:
        return left == right
    return 0 < walls <= _MAX_SHIFT and walls % _QUARTER == 0


def _of_zone(scene: Scene, one: bytes, other: bytes) -> Change | None:
    """The publisher's zone, if both are times of day of one moment, or one whose zone nobody says."""
    left, right = moment(one), moment(other)
    known = left is not None and right is not None and (left == right or not (left.tzinfo and right.tzinfo))
    shift = left.replace(tzinfo=None) - right.replace(tzinfo=None) if left and right and known else timedelta()
    return applied.zone(scene, one, shift)


def _zone(_: Scene, one: bytes, other: bytes) -> Confidence | None:
    left, right = moment(one), moment(other)
    if left and right and left.tzinfo and right.tzinfo and left.tzinfo != right.tzinfo and left == right:
        return "likely"
    if _ZONES.fullmatch(one) and _ZONES.fullmatch(other):
        return "likely"
    return "likely" if _shift(one, other) else None


RULES: tuple[Rule, ...] = (
    rule(
        Shape(
            id="timezone",
            title="A time is written in the time zone of the build",
            pattern=re.compile(_MOMENT.pattern + rb"|" + _ZONES.pattern),
            judge=_zone,
            fix="Build with TZ=UTC, or write times in UTC: date -u, gmtime.",
            variations=frozenset({"timezone"}),
            changes=(*environment("variable:TZ", "UTC"), *project("what writes the time", "UTC, with its zone")),
            applied=_of_zone,
        )
    ),
    rule(
        Shape(
            id="embedded-timestamp",
            title="A file holds the time of the build",
            pattern=_MOMENT,
            judge=_stamp,
            where=lambda _, name: not name.startswith(".debug_"),
            fix="Write no time, or that of SOURCE_DATE_EPOCH: date -u -d @$SOURCE_DATE_EPOCH.",
            variations=frozenset({"clock"}),
            changes=(
                *environment("variable:SOURCE_DATE_EPOCH", "seconds of the last change of the source"),
                *project("what writes the time", "SOURCE_DATE_EPOCH in place of the clock"),
            ),
            applied=applied.epoch,
        )
    ),
)
