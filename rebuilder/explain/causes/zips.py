"""Causes in the headers of zip files (wheels and jars are zip files)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from rebuilder.compare.archive.layout import printable
from rebuilder.explain.causes import Change, Match, Rule, Scene, Severity, clocks
from rebuilder.explain.causes.fields import ABSENT, Field, entries, evidence, fields, moment
from rebuilder.explain.causes.kept import once
from rebuilder.findings import DifferenceClass, MemberPath

_TIMES = ("local.mtime", "central.mtime")
_QUARTER = timedelta(minutes=15)
_FURTHEST = timedelta(hours=26)
#: Extra fields that hold times only, and what a reader shows of one it took apart to the last byte.
_TIME_EXTRAS = re.compile(r"(?:local|central)\.extra\.0x(?:5455|000a)")
_OWNER_EXTRAS = re.compile(r"(?:local|central)\.extra\.0x7875")
_SHOWN_TIMES = re.compile(r"(?:ntfs times|times 0x[0-9a-f]{2})(?: -?[0-9][0-9TZ:.+-]*){1,3}")
_SHOWN_OWNER = re.compile(r"uid [0-9]+ gid [0-9]+")
_SIDES = ("local", "central")
_WRITER = tuple(f"{side}.{name}" for side in _SIDES for name in ("made by", "version", "flags", "internal", "mode"))
_LEVEL, _DESCRIPTOR, _UTF8, _TEXT = 0x6, 0x8, 0x800, 0x1
_ARCHIVED = 0x20
#: The version of zip that large files need; every reader takes it.
_ZIP64 = 45
_EPOCH = Change(
    where="environment",
    target="variable:SOURCE_DATE_EPOCH",
    text="Set SOURCE_DATE_EPOCH to the time of the commit, and give every file that time before it is packed.",
)
_NO_EXTRA = Change(
    where="project", target="build script", text="zip -X leaves times and owners out of the extra fields."
)


def times(scene: Scene) -> Iterator[Match]:
    """Times of members, unless all of an archive are off by one and the same time zone."""
    found = list(fields(scene, _TIMES))
    shifted = _zones(found)
    for one in found:
        if one.finding.path[:-1] not in shifted and all(moment(value) for value in one.values):
            severity = clocks.severity(scene, one.finding.path)
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved", severity=severity)


def zones(scene: Scene) -> Iterator[Match]:
    """Times of an archive that are all off by the same hours."""
    found = list(fields(scene, _TIMES))
    shifted = _zones(found)
    for one in found:
        if (shift := shifted.get(one.finding.path[:-1])) is not None:
            told = f"{one.values[1]} ({_hours(shift)})"
            severity = clocks.severity(scene, one.finding.path)
            shown = evidence(one.finding, rebuilt=told)
            yield Match(finding=one.index, evidence=shown, confidence="likely", severity=severity)


def _hours(shift: timedelta) -> str:
    minutes = int(shift.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60}:{abs(minutes) % 60:02}"


def _zones(found: Iterable[Field]) -> Mapping[MemberPath, timedelta]:
    """Archives whose times differ by a time zone: one shift, or two an hour apart where summer time lies between."""
    shifts: dict[MemberPath, set[timedelta | None]] = {}
    for one in found:
        shifts.setdefault(one.finding.path[:-1], set()).add(_shift(one))
    return {path: min(each for each in known if each) for path, known in shifts.items() if _is_zone(known)}


def _shift(one: Field) -> timedelta | None:
    left, right = (moment(value) for value in one.values)
    if left is None or right is None:
        return None
    shift = right - left
    return shift if shift and shift % _QUARTER == timedelta(0) and abs(shift) <= _FURTHEST else None


def _is_zone(shifts: set[timedelta | None]) -> bool:
    known = sorted(each for each in shifts if each is not None)
    if len(known) != len(shifts) or not known:
        return False
    return len(known) == 1 or (len(known) == 2 and known[1] - known[0] == timedelta(hours=1))


def extras(scene: Scene) -> Iterator[Match]:
    """Extra fields with times or owners, on one side or with other values."""
    names = {one.what for _, one in scene.findings() if ".extra.0x" in one.what}
    for one in fields(scene, names):
        what = one.finding.what
        if _TIME_EXTRAS.fullmatch(what) and all(_decoded(value, _SHOWN_TIMES) for value in one.values):
            severity = clocks.severity(scene, one.finding.path)
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved", severity=severity)
        elif _OWNER_EXTRAS.fullmatch(what) and all(_decoded(value, _SHOWN_OWNER) for value in one.values):
            yield Match(
                finding=one.index, evidence=evidence(one.finding), confidence="proved", severity=Severity.INSPECT
            )


def _decoded(value: str, shape: re.Pattern[str]) -> bool:
    return value == ABSENT or shape.fullmatch(value) is not None


def writer(scene: Scene) -> Iterator[Match]:
    """Header fields that tell which program wrote the archive, and with which settings."""
    for one in fields(scene, _WRITER):
        severity = _writer_severity(scene, one)
        if severity is not None:
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="likely", severity=severity)
    for index, finding in scene.findings():
        if finding.kind is not DifferenceClass.METADATA or finding.what != "data descriptor":
            continue
        if ABSENT in (finding.published.value, finding.rebuilt.value):
            yield Match(finding=index, evidence=evidence(finding), severity=Severity.HARMLESS)


def _writer_severity(scene: Scene, one: Field) -> Severity | None:
    name = one.finding.what.partition(".")[2]
    left, right = one.values
    if name == "made by":
        systems = left.partition(" ")[2], right.partition(" ")[2]
        # Which system it was decides how a reader takes the modes, and names that are not ASCII.
        return Severity.HARMLESS if systems[0] == systems[1] and _is_plain(one) else Severity.INSPECT
    if name == "version":
        if not left.isdecimal() or not right.isdecimal():
            return None
        # Above what every reader takes, some refuse the file.
        return Severity.HARMLESS if max(int(left), int(right)) <= _ZIP64 else Severity.INSPECT
    if name == "mode":
        return _dos_severity(left, right)
    changed = _changed_bits(left, right)
    if name == "internal":
        return Severity.INSPECT if changed == _TEXT else None
    if not changed or changed & ~(_LEVEL | _DESCRIPTOR | _UTF8):
        return None
    # What the bits of the level mean depends on the method.
    known = not changed & _LEVEL or one.finding.path[-1] in _deflated(scene, one.finding.path[:-1])
    plain = not changed & _UTF8 or _is_plain(one)
    return Severity.HARMLESS if plain and known else Severity.INSPECT


def _is_plain(one: Field) -> bool:
    """Whether the name is the same in every encoding; what is not UTF-8 is shown by backslashes."""
    return one.finding.path[-1].isascii() and "\\" not in one.finding.path[-1]


def _deflated(scene: Scene, archive: MemberPath) -> frozenset[str]:
    """Names of members that both sides deflate or store."""

    def names() -> frozenset[str]:
        found = []
        try:
            sides = scene.pair(archive)
        except KeyError:
            return frozenset()
        for side in sides:
            members = entries(side) or ()
            found.append(frozenset(printable(one.name) for one in members if one.method in ("deflate", "stored")))
        return found[0] & found[1]

    return once(scene, ("deflated", archive), names)


def _changed_bits(left: str, right: str) -> int:
    try:
        return int(left, 16) ^ int(right, 16)
    except ValueError:
        return 0


def _dos_severity(left: str, right: str) -> Severity | None:
    """Only the archive bit of DOS changed: backup programs of another age read it."""
    parts = [value.partition(" dos ") for value in (left, right)]
    if parts[0][0] != parts[1][0] or not all(part[2] for part in parts):
        return None
    return Severity.HARMLESS if _changed_bits(parts[0][2], parts[1][2]) == _ARCHIVED else None


RULES: tuple[Rule, ...] = (
    Rule(
        id="zip-times",
        title="Members of the zip file carry the time of the build",
        severity=Severity.HARMLESS,
        fix="Give every file a fixed time before packing (find . -exec touch -hd @$SOURCE_DATE_EPOCH {} +), "
        "or pack with a tool that takes the time from SOURCE_DATE_EPOCH; keep TZ=UTC.",
        match=times,
        changes=(_EPOCH,),
    ),
    Rule(
        id="zip-timezone",
        title="Members of the zip file carry the same time in another time zone",
        severity=Severity.HARMLESS,
        fix="Pack with TZ=UTC: a zip file holds local time without a zone.",
        match=zones,
        changes=(Change(where="environment", target="variable:TZ", text="Build with TZ=UTC."),),
    ),
    Rule(
        id="zip-extra",
        title="Extra fields of the zip file hold times or owners",
        severity=Severity.HARMLESS,
        fix="zip -X",
        match=extras,
        changes=(_EPOCH, _NO_EXTRA),
    ),
    Rule(
        id="zip-writer",
        title="Another program, or other settings, wrote the zip headers",
        severity=Severity.INSPECT,
        fix="Pack with the same program in the same version and with the same options; for a wheel pin the build "
        "backend in [build-system] requires.",
        match=writer,
        changes=(Change(where="project", target="pyproject.toml", text="Pin the program that packs the archive."),),
    ),
)
