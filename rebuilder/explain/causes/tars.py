"""Causes in the headers of tar and ar archives (a `.deb` is an ar archive of tar archives)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rebuilder.data import Data
from rebuilder.explain.causes import Change, Match, Rule, Scene, Severity, applied, clocks
from rebuilder.explain.causes.fields import ABSENT, Field, Forms, evidence, fields, moment, same_value
from rebuilder.findings import DifferenceClass, MemberPath

_OWNERS = ("uid", "gid", "uname", "gname")
_PAX_OWNERS = tuple(f"pax.{name}" for name in _OWNERS)
#: Records that say when a file was looked at; old GNU headers have fields for it.
_PAX_IDLE = ("pax.atime", "pax.ctime", "pax.LIBARCHIVE.creationtime", "atime", "ctime")
#: Fields of the header of the pax header itself, which is no file: its name may hold a process id.
_PAX_HEADER = tuple(f"pax.header.{name}" for name in ("name", "mtime", "mode", "prefix", *_OWNERS))
_NUMBERS = ("mode", "uid", "gid", "size", "mtime", "checksum", "devmajor", "devminor")
#: What ends a number, and the device of what is none.
_ENDINGS = ("size end", "checksum end")
_SPELLING = ("magic", "version", "uname", "gname", "typeflag", *_NUMBERS, *_ENDINGS)
#: How readers show a fraction of a second, and a time that is no date.
_FRACTION = re.compile(r" [+-]0\.[0-9]+ s$")
_BEYOND = re.compile(r"-?[0-9]+ seconds after 1970")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
#: What the dialects write there.
_DIALECT = {"magic": frozenset(("ustar", "ustar ", "")), "version": frozenset(("00", " ", ""))}
_MAX_END = 64 * 1024**2

_TIME_FIX = (
    "tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --clamp-mtime --owner=0 --group=0 --numeric-owner; dpkg-deb and "
    "Python's build backends take the time from SOURCE_DATE_EPOCH."
)
_EPOCH = Change(
    where="environment",
    target="variable:SOURCE_DATE_EPOCH",
    text="Set SOURCE_DATE_EPOCH to the time of the commit or of the last changelog entry.",
)
_TAR_MTIME = Change(where="project", target="build script", text="tar --mtime=@$SOURCE_DATE_EPOCH --clamp-mtime")
_TAR_OWNER = Change(where="project", target="build script", text="tar --owner=0 --group=0 --numeric-owner")
_BUILD_USER = Change(where="environment", target="user", text="Build as the user the publisher built as.")
_PAX = Change(
    where="project",
    target="build script",
    text="tar --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime (or --format=gnu)",
)
_FORMAT = Change(
    where="project", target="build script", text="Name the format (tar --format=gnu) and pin the program that packs."
)
_AR = Change(where="project", target="Makefile", text="ARFLAGS=Dcr: ar then writes time 0 and owner 0:0.")


def tar_times(scene: Scene) -> Iterator[Match]:
    """Modification times of members of a tar."""
    found = [
        one
        for one in fields(scene, ("mtime", "pax.mtime"))
        if one.form == "tar" and ABSENT not in one.values and not same_value(one.values) and _are_times(one)
    ]
    changes = _epoch_of(scene, found, _TAR_MTIME)
    for one in found:
        # A time that is no date is one that some programs refuse.
        odd = any(_BEYOND.fullmatch(value) for value in one.values)
        severity = Severity.INSPECT if odd else clocks.severity(scene, one.finding.path)
        where = evidence(one.finding)
        yield Match(finding=one.index, evidence=where, confidence="proved", severity=severity, changes=changes)


def _epoch_of(scene: Scene, found: Iterable[Field], rest: Change) -> tuple[Change, ...]:
    """The time that the publisher built with, if these times say it, and what the authors may do; else nothing."""
    pairs = ([moment(_FRACTION.sub("", value)) for value in one.values] for one in found)
    change = applied.one_epoch(scene, ((left, right) for left, right in pairs))
    return (change, rest) if change else ()


def _are_times(one: Field) -> bool:
    return all(moment(_FRACTION.sub("", value)) or _BEYOND.fullmatch(value) for value in one.values)


def tar_owners(scene: Scene) -> Iterator[Match]:
    """Owners of members of a tar. dpkg gives the files of a `data.tar` to the owner it reads there."""
    for one in fields(scene, (*_OWNERS, *_PAX_OWNERS)):
        if one.form != "tar" or same_value(one.values):
            continue
        installed = any(step.startswith("data.tar") for step in one.finding.path[:-1])
        severity = Severity.BEHAVIOUR if installed else None
        yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved", severity=severity)


def pax_headers(scene: Scene) -> Iterator[Match]:
    """Extended headers on one side only, or with times of access, or named after a process."""
    for one in fields(scene, (*_PAX_IDLE, *_PAX_HEADER)):
        if one.form == "tar":
            severity = None if _is_idle(one) else Severity.INSPECT
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved", severity=severity)
    for one in fields(scene, ("pax.mtime", "pax header")):
        if ABSENT in one.values:
            yield Match(finding=one.index, evidence=evidence(one.finding), severity=Severity.INSPECT)


def _is_idle(one: Field) -> bool:
    """Whether both values are what tar writes there: a time, or the name of a header that is no file."""
    known = [value for value in one.values if value not in ("", ABSENT)]
    if one.finding.what.endswith("creationtime"):
        return all(_NUMBER.fullmatch(value) for value in known)
    if one.finding.what in _PAX_IDLE:
        return all(moment(_FRACTION.sub("", value)) for value in known)
    # A reader that knows no such headers unpacks them as files.
    return not any(value.startswith("/") or ".." in value for value in known)


def tar_format(scene: Scene) -> Iterator[Match]:
    """The same facts written in another dialect of tar."""
    forms = Forms(scene)
    for one in fields(scene, _SPELLING, forms=forms):
        if one.form == "tar" and (same_value(one.values) or one.finding.what in ("magic", "version", *_ENDINGS)):
            odd = one.finding.what in _DIALECT and not _DIALECT[one.finding.what].issuperset(one.values)
            severity = Severity.INSPECT if odd else None
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved", severity=severity)
    named = {one.path for _, one in scene.findings() if one.what == "name"}
    for one in fields(scene, ("prefix", "long name", "long link", "pax.path", "pax.linkpath"), forms=forms):
        if one.finding.what != "prefix" or one.form == "tar":
            # The member has the same whole name on both sides, or it would be another member.
            # A prefix that changes alone is none to the reader here, but to others it is.
            odd = "link" in one.finding.what or (one.finding.what == "prefix" and one.finding.path not in named)
            severity = Severity.INSPECT if odd else Severity.HARMLESS
            if ABSENT in one.values or one.finding.what == "prefix":
                yield Match(finding=one.index, evidence=evidence(one.finding), severity=severity)
    for index, finding in scene.findings():
        if finding.what != "end of archive" or finding.kind is not DifferenceClass.METADATA:
            continue
        if forms.at(finding.path) == "tar" and _zeros_at_end(scene, finding.path):
            # After a single block of zeros some readers go on.
            ends = all((side.size or 0) >= 1024 for side in (finding.published, finding.rebuilt))
            severity = Severity.HARMLESS if ends else Severity.INSPECT
            yield Match(finding=index, evidence=evidence(finding), confidence="proved", severity=severity)


def _zeros_at_end(scene: Scene, path: MemberPath) -> bool:
    """Whether what differs at the end is only how many zeros there are."""
    left, right = sorted(scene.pair(path), key=lambda side: side.size)
    if right.size - left.size > _MAX_END:
        return False
    return not right.read(left.size, _MAX_END).strip(b"\0") and _ends_in_zeros(left)


def _ends_in_zeros(data: Data) -> bool:
    tail = data.read(max(0, data.size - 1024), 1024)
    return not tail.strip(b"\0")


def ar_times(scene: Scene) -> Iterator[Match]:
    """Modification times of members of an ar archive."""
    found = [one for one in fields(scene, ("mtime",)) if one.form == "ar" and _are_times(one)]
    changes = _epoch_of(scene, found, _AR)
    for one in found:
        severity = clocks.severity(scene, one.finding.path)
        where = evidence(one.finding)
        yield Match(finding=one.index, evidence=where, confidence="proved", severity=severity, changes=changes)


def ar_owners(scene: Scene) -> Iterator[Match]:
    """Owners of members of an ar archive: neither a linker nor dpkg looks at them."""
    for one in fields(scene, ("uid", "gid")):
        if one.form == "ar" and all(value.isdecimal() for value in one.values):
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved")


RULES: tuple[Rule, ...] = (
    Rule(
        id="tar-times",
        title="Members of the tar carry the time of the build",
        severity=Severity.HARMLESS,
        fix=_TIME_FIX,
        match=tar_times,
        changes=(_EPOCH, _TAR_MTIME),
    ),
    Rule(
        id="tar-owners",
        title="Members of the tar belong to whoever built it",
        severity=Severity.INSPECT,
        fix="tar --owner=0 --group=0 --numeric-owner; in a Debian package: Rules-Requires-Root: no.",
        match=tar_owners,
        changes=(_BUILD_USER, _TAR_OWNER),
    ),
    Rule(
        id="pax-headers",
        title="Extended tar headers hold facts of the build: times of access, a process id",
        severity=Severity.HARMLESS,
        fix="tar --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime, "
        "or a format without such headers: --format=gnu.",
        match=pax_headers,
        changes=(_PAX,),
    ),
    Rule(
        id="tar-format",
        title="Another dialect of tar",
        severity=Severity.HARMLESS,
        fix="Name the format (tar --format=gnu, tarfile.GNU_FORMAT) and pack with the same program.",
        match=tar_format,
        changes=(_FORMAT,),
    ),
    Rule(
        id="ar-times",
        title="Members of the ar archive carry the time of the build",
        severity=Severity.HARMLESS,
        fix="ar D (ARFLAGS=Dcr), ranlib -D; dpkg-deb takes the time from SOURCE_DATE_EPOCH.",
        match=ar_times,
        changes=(_EPOCH, _AR),
    ),
    Rule(
        id="ar-owners",
        title="Members of the ar archive belong to whoever built it",
        severity=Severity.HARMLESS,
        fix="ar D (ARFLAGS=Dcr), ranlib -D",
        match=ar_owners,
        changes=(_AR,),
    ),
)
