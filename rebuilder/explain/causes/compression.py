"""Causes in packing: headers of gzip, and streams that differ although what they unpack to does not."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from rebuilder.data import Data, chunks
from rebuilder.explain.causes import Change, Match, Rule, Scene, Severity, streams
from rebuilder.explain.causes.fields import evidence, fields
from rebuilder.findings import DifferenceClass, Finding, MemberPath

#: Bytes that are packed again, together, to say which level gives the sizes seen.
_MAX_TRIED = 4 * 1024**2
#: Levels people use, the default first.
_LEVELS = (6, 9, 1)
_SIZE = re.compile(r"(?P<method>[a-z]+), (?P<size>[0-9]+) bytes")
_SIDES = ("local", "central")
_SIZES = (
    *(f"{side}.compressed size" for side in (*_SIDES, "descriptor")),
    *(f"{side}.method" for side in _SIDES),
)
#: What zlib writes, where RFC 1952 knows the number by another name or not at all.
_SYSTEMS = {
    "19": "19 (packed on macOS)",
    "10 (TOPS-20)": "10 (packed on Windows)",
    "11 (NTFS)": "11 (packed on Windows)",
}
_SUFFIX = re.compile(r"\.(?:gz|xz|bz2|zst)$")

_GZIP_N = Change(
    where="project", target="build script", text="gzip -n; in Python: gzip.GzipFile(filename='', mtime=0)."
)
_EPOCH = Change(
    where="environment",
    target="variable:SOURCE_DATE_EPOCH",
    text="Set SOURCE_DATE_EPOCH; tools that honour it put it in place of the time of the build.",
)
_SAME_ZLIB = Change(
    where="environment",
    target="package:zlib1g",
    text="Pack with the compressor, in the version and at the level, that the publisher used.",
)


def gzip_time(scene: Scene) -> Iterator[Match]:
    """The time in the gzip header."""
    for one in fields(scene, ("mtime",)):
        if one.form == "gzip":
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved")


def gzip_name(scene: Scene) -> Iterator[Match]:
    """The name in the gzip header, and the flag that there is one."""
    for one in fields(scene, ("fname", "flags")):
        words = [set(value.split()) - {"none"} for value in one.values]
        if one.form == "gzip" and (one.finding.what == "fname" or words[0] ^ words[1] == {"name"}):
            # A name with a folder in it is one that a program can be led elsewhere by.
            led = any(mark in value for value in one.values for mark in ("/", "\\", ".."))
            severity = Severity.INSPECT if led else None
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="proved", severity=severity)


def gzip_system(scene: Scene) -> Iterator[Match]:
    """The byte for the system, and the one for the effort where the stream is equal."""
    packed = _recompressed(scene)
    for one in fields(scene, ("os", "xfl")):
        if one.form == "gzip" and (one.finding.what == "os" or one.finding.path not in packed):
            words = [_SYSTEMS.get(value, value) if one.finding.what == "os" else value for value in one.values]
            yield Match(finding=one.index, evidence=evidence(one.finding, *words), confidence="proved")


def _recompressed(scene: Scene) -> dict[MemberPath, Finding]:
    return {one.path: one for _, one in scene.findings() if one.kind is DifferenceClass.COMPRESSION}


def deflate(scene: Scene) -> Iterator[Match]:
    """Another deflate stream for the same bytes, and the header fields that go with it."""
    left = _MAX_TRIED
    packed = _recompressed(scene)
    for index, finding in scene.findings():
        if finding.kind is not DifferenceClass.COMPRESSION or not _is_deflate(finding):
            continue
        words, cost = _levels(scene, finding, left)
        left -= cost
        severity = _stored_severity(finding)
        yield Match(finding=index, evidence=evidence(finding, *words), confidence="proved", severity=severity)
    for one in fields(scene, (*_SIZES, "xfl")):
        of_gzip = one.finding.what == "xfl" and one.form == "gzip"
        known = packed.get(one.finding.path)
        if known and _is_deflate(known) and (of_gzip or one.finding.what in _SIZES):
            severity = _stored_severity(known)
            yield Match(finding=one.index, evidence=evidence(one.finding), confidence="likely", severity=severity)


def _stored_severity(finding: Finding) -> Severity | None:
    """Programs read members that are stored in place: jars in jars, libraries in packages of apps."""
    return Severity.INSPECT if "stored" in finding.what else None


def _is_deflate(finding: Finding) -> bool:
    methods = set(finding.what.split(", "))
    return "deflate" in methods and methods <= {"deflate", "stored"}


def _levels(scene: Scene, finding: Finding, budget: int) -> tuple[tuple[str, str], int]:
    """Both values with the level at which zlib gives streams of those sizes, and the bytes packed to find out."""
    values = finding.published.value, finding.rebuilt.value
    sizes = [_SIZE.fullmatch(value) for value in values]
    try:
        payload = scene.pair(finding.path)[1]
    except KeyError:
        return values, 0
    if payload.size * len(_LEVELS) > budget or not all(sizes) or _is_gzip(payload):
        return values, 0
    by_size: dict[int, int] = {}
    for level in _LEVELS:
        by_size.setdefault(_packed_size(payload, level), level)
    told = [_with_level(one, by_size) for one in sizes if one]
    return (told[0], told[1]), payload.size * len(_LEVELS)


def _is_gzip(data: Data) -> bool:
    """Where the unpacked bytes are not at hand, the packed ones are."""
    return data.read(0, 2) == b"\x1f\x8b"


def _packed_size(payload: Data, level: int) -> int:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return sum(len(packer.compress(piece)) for piece in chunks(payload)) + len(packer.flush())


def _with_level(shown: re.Match[str], by_size: dict[int, int]) -> str:
    level = by_size.get(int(shown["size"])) if shown["method"] == "deflate" else None
    return f"{shown[0]} (the size zlib gives at level {level})" if level else shown[0]


def xz(scene: Scene) -> Iterator[Match]:
    """Another xz stream for the same bytes."""
    return _of_method(scene, "xz")


def zstd(scene: Scene) -> Iterator[Match]:
    """Another zstd stream for the same bytes."""
    return _of_method(scene, "zstd")


def bzip2(scene: Scene) -> Iterator[Match]:
    """Another bzip2 stream for the same bytes."""
    return _of_method(scene, "bzip2")


def _of_method(scene: Scene, method: str) -> Iterator[Match]:
    for index, finding in scene.findings():
        if finding.kind is DifferenceClass.COMPRESSION and finding.what == method:
            severity = None if _is_one_stream(scene, finding, method) else Severity.INSPECT
            yield Match(finding=index, evidence=evidence(finding), confidence="proved", severity=severity)


def _is_one_stream(scene: Scene, finding: Finding, method: str) -> bool:
    try:
        return streams.alike(method, scene.pair(finding.path))
    except KeyError:
        return False


def other_method(scene: Scene) -> Iterator[Match]:
    """A member that is packed by another method: `data.tar.xz` here, `data.tar.zst` there. What they hold was
    compared by itself, so this says nothing of it."""
    for index, finding in scene.findings():
        values = finding.published.value, finding.rebuilt.value
        methods = finding.kind is DifferenceClass.COMPRESSION and ", " in finding.what
        names = finding.what == "name" and _stem(values[0]) == _stem(values[1])
        if methods or finding.what == "packing" or names:
            yield Match(finding=index, evidence=evidence(finding), confidence="proved")


def _stem(name: str) -> str:
    return _SUFFIX.sub("", name.rstrip("/"))


def _stream_rule(method: str, fix: str, package: str) -> Rule:
    return Rule(
        id=f"{method}-stream",
        title=f"The same bytes, packed by another {method} or with other settings",
        severity=Severity.HARMLESS,
        fix=fix,
        match={"xz": xz, "zstd": zstd, "bzip2": bzip2}[method],
        changes=(
            Change(
                where="environment",
                target=f"package:{package}",
                text=f"Pack with the version of {method} that the publisher used.",
            ),
            Change(where="project", target="build script", text=f"Fix level and number of threads: {fix}"),
        ),
    )


RULES: tuple[Rule, ...] = (
    Rule(
        id="gzip-header-time",
        title="The gzip header carries the time of the build",
        severity=Severity.HARMLESS,
        fix="gzip -n; in Python gzip.GzipFile(mtime=...) or tarfile with SOURCE_DATE_EPOCH handed on.",
        match=gzip_time,
        changes=(_EPOCH, _GZIP_N),
    ),
    Rule(
        id="gzip-header-name",
        title="The gzip header carries a file name",
        severity=Severity.HARMLESS,
        fix="gzip -n, or pack from a pipe: gzip -n < FILE > FILE.gz",
        match=gzip_name,
        changes=(_GZIP_N,),
    ),
    Rule(
        id="gzip-header-os",
        title="The gzip header was written by another program, or on another system",
        severity=Severity.HARMLESS,
        fix="Pack with the same program, on the same system: gzip writes 3 (Unix), Python 255, npm 6 on macOS 19.",
        match=gzip_system,
    ),
    Rule(
        id="deflate-stream",
        title="The same bytes, packed by another deflate or at another level",
        severity=Severity.HARMLESS,
        fix="Fix the level (gzip -9n, zip -9) and pin the compressor: zlib, zlib-ng and gzip give different streams.",
        match=deflate,
        changes=(
            _SAME_ZLIB,
            Change(where="project", target="build script", text="Name the level: gzip -9n, zip -9, compresslevel=9."),
        ),
    ),
    _stream_rule("xz", "xz -6 --threads=1", "xz-utils"),
    _stream_rule("zstd", "zstd -19 --single-thread", "zstd"),
    _stream_rule("bzip2", "bzip2 -9", "bzip2"),
    Rule(
        id="compression-method",
        title="A member is packed by another method",
        severity=Severity.INSPECT,
        fix="Name the method: dpkg-deb -Zxz, dh_builddeb -- -Zxz; its default differs between distributions.",
        match=other_method,
        changes=(Change(where="project", target="debian/rules", text="dh_builddeb -- -Zxz"),),
    ),
)
