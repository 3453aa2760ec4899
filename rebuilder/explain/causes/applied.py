"""Values of the publisher's build that two values of one place give away, as changes that a rebuild can apply.

Each reads off what the published side shows, where our own side shows what is known of our build. What is read is as
hostile as the artifact: ``explain/settings.py`` says which values are ever applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from rebuilder.explain.causes import Scene
from rebuilder.findings import Change

MAX_VALUE = 300
_JOBS = re.compile(rb"(?:-j ?|parallel=|--jobs[= ]|-flto=|[\"']?\s?[:= ]\s?)([1-9][0-9]{0,2})$")
_REGION = re.compile(rb"(?:Europe|America|Asia|Africa|Australia|Pacific|Etc)/[A-Za-z_/+-]{2,30}[0-9]{0,2}")
_SECONDS = re.compile(rb"[1-9][0-9]{9}")
#: Furthest east and west of any zone.
_MAX_HOURS = 14


def folder(scene: Scene, published: bytes, rebuilt: bytes) -> Change | None:
    """The folder the publisher built in: ours is known, and what is below it is the same on both sides."""
    ours = scene.surroundings.path.rstrip("/").encode()
    if len(ours) < 2 or not (rebuilt + b"/").startswith(ours + b"/"):
        return None
    below = rebuilt[len(ours) :].rstrip(b"/")
    theirs = published.rstrip(b"/")
    if below and not theirs.endswith(below):
        return None
    return _change("path:", theirs.removesuffix(below), "the folder that the published file names")


def variable(scene: Scene, name: bytes, published: bytes, rebuilt: bytes) -> Change | None:
    """A variable that the published file shows, where ours shows the very value that we built with."""
    known = scene.surroundings.environment.get(name.decode("ascii", "replace"))
    if known is None or known.encode("utf-8", "surrogateescape") != rebuilt:
        return None
    return _change(f"variable:{name.decode()}=", published, "the value that the published file shows")


def jobs(scene: Scene, published: bytes, rebuilt: bytes) -> Change | None:
    """The number of jobs, where ours is the one that we asked for."""
    theirs, ours = (_JOBS.search(side) for side in (published, rebuilt))
    asked = scene.surroundings.environment.get("DEB_BUILD_OPTIONS", "").split()
    if not theirs or not ours or f"parallel={ours[1].decode()}" not in asked:
        return None
    return _change("parallel:", theirs[1], "the number that the published file shows")


def zone(scene: Scene, published: bytes, shift: timedelta) -> Change | None:
    """The time zone where we built in UTC: by its name, or as the offset of the published time of day from ours."""
    if scene.surroundings.environment.get("TZ") != "UTC":
        return None
    if _REGION.fullmatch(published):
        return _change("variable:TZ=", published, "the zone that the published file names")
    if not shift or abs(shift) > timedelta(hours=_MAX_HOURS) or shift % timedelta(minutes=15):
        return None
    # POSIX counts westwards.
    hours, minutes = divmod(int(abs(shift).total_seconds()) // 60, 60)
    value = f"UTC{'-' if shift > timedelta() else '+'}{hours}{f':{minutes:02}' if minutes else ''}"
    return _change("variable:TZ=", value.encode(), "the offset that the published times have")


def epoch(scene: Scene, published: bytes, rebuilt: bytes) -> Change | None:
    """SOURCE_DATE_EPOCH, where our own value is that of ours."""
    ours = scene.surroundings.epoch
    if ours is None or rebuilt != str(ours).encode() or not _SECONDS.fullmatch(published):
        return None
    return _change("variable:SOURCE_DATE_EPOCH=", published, "the time that the published file shows")


def one_epoch(scene: Scene, times: Iterable[tuple[datetime | None, datetime | None]]) -> Change | None:
    """SOURCE_DATE_EPOCH of many members: where ours have our own, the published ones all have one other time."""
    ours = scene.surroundings.epoch
    theirs = {left.timestamp() for left, right in times if left and right and right.timestamp() == ours}
    if len(theirs) != 1 or not (seconds := theirs.pop()).is_integer():
        return None
    return epoch(scene, str(int(seconds)).encode(), str(ours).encode())


def _change(target: str, value: bytes, text: str) -> Change | None:
    """Plain characters only: a target is shown to people too."""
    if not value or len(value) > MAX_VALUE or not value.isascii() or not value.decode("ascii").isprintable():
        return None
    return Change(where="environment", target=f"{target}{value.decode('ascii')}", text=text)
