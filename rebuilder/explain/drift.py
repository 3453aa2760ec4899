"""Toolchain drift: tools that left a version in both sides, and not the same one.

It is looked for in every member whose content differs, before anybody asks why the bytes differ: an older tool
explains many findings at once. A stamp that is equal on both sides, or on one side only, is no drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from rebuilder.explain.causes import Scene, stamps_whole
from rebuilder.explain.causes.stamps_text import contents, name_of
from rebuilder.explain.drift_behaviour import behaviours
from rebuilder.explain.drift_tools import TOOLS, Tool
from rebuilder.findings import Drift, MemberPath

#: Places shown of one drift; ``count`` says how many there are.
MAX_SEEN = 5
#: Values of one stamp in one member.
MAX_VALUES = 2000
_INSTALLED = re.compile(rb"^Installed-Build-Depends:[^\n]*\n(?P<list>(?:[ \t][^\n]*\n?)*)", re.MULTILINE)
_PACKAGE = re.compile(
    rb"^[ \t]*(?P<name>[a-z0-9][a-z0-9+.-]{0,100})(?::[a-z0-9-]+)? \(= (?P<version>[^()\s]{1,200})\),?$", re.MULTILINE
)


@dataclass
class _Found:
    package: str
    places: list[str] = field(default_factory=list)
    count: int = 0


def drift(scene: Scene) -> tuple[Drift, ...]:
    """Every tool with another version on each side, those seen most first; then what tells a version by behaviour."""
    found: dict[tuple[str, str, str], _Found] = {}
    for _, finding, left, right in contents(scene):
        where = " » ".join(finding.path) or scene.artifact
        for tool, package, published, rebuilt, what in _versions(scene, finding.path, left, right):
            one = found.setdefault((tool, published, rebuilt), _Found(package))
            one.count += 1
            if len(one.places) < MAX_SEEN:
                one.places.append(f"{where}: {what}"[:300])
    stamps = [
        Drift(
            tool=key[0], package=one.package, published=key[1], rebuilt=key[2], seen=tuple(one.places), count=one.count
        )
        for key, one in sorted(found.items(), key=lambda item: (-item[1].count, item[0]))
    ]
    return tuple(_joined(stamps, behaviours(scene)))


def _joined(stamps: list[Drift], told: Iterable[Drift]) -> Iterator[Drift]:
    """What a tool does otherwise is a note where its versions are known, a drift of its own where not."""
    rest = []
    notes: dict[str, list[str]] = {}
    named = {one.package for one in stamps if one.package}
    for one in told:
        if one.package in named:
            notes.setdefault(one.package, []).extend(f"{place} ({one.published} / {one.rebuilt})" for place in one.seen)
        else:
            rest.append(one)
    for one in stamps:
        extra = notes.pop(one.package, [])
        yield one.model_copy(update={"seen": (*one.seen, *extra[:MAX_SEEN])}) if extra else one
    yield from rest


def _versions(scene: Scene, path: MemberPath, left: bytes, right: bytes) -> Iterator[tuple[str, str, str, str, str]]:
    """``(tool, package, published, rebuilt, what)`` for one member."""
    name, packages = name_of(scene, path), scene.surroundings.packages
    for tool in TOOLS:
        if tool.needle not in left or tool.needle not in right or not tool.names.search(name):
            continue
        mine, theirs = _values(tool, left), _values(tool, right)
        if mine and theirs and mine != theirs:
            yield tool.name, _package(tool, theirs, packages), _shown(mine), _shown(theirs), tool.what
    yield from _installed(left, right)
    yield from _binary(left, right, packages)


def _values(tool: Tool, data: bytes) -> frozenset[str]:
    values = set()
    for found in islice(tool.pattern.finditer(data), MAX_VALUES):
        values.add(found["v"].decode("utf-8", "backslashreplace").strip().rstrip("."))
    return frozenset(values)


def _shown(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))[:200]


def _package(tool: Tool, rebuilt: frozenset[str], locked: Mapping[str, str]) -> str:
    """The package a tool comes in: of the known ones, that which the lock holds, in the version that was seen."""
    major = min(rebuilt).partition(".")[0] if rebuilt else ""
    names = [name.replace("{major}", major) for name in tool.packages]
    here = [name for name in names if name in locked]
    seen = [name for name in here if any(value in locked[name] for value in rebuilt)]
    return next(iter(seen or here or names), "")


def _installed(left: bytes, right: bytes) -> Iterator[tuple[str, str, str, str, str]]:
    """Packages that both `.buildinfo` files name, in another version."""
    lists = [_INSTALLED.search(text) for text in (left, right)]
    if not lists[0] or not lists[1]:
        return
    mine, theirs = (
        {
            found["name"].decode(): found["version"].decode("ascii", "replace")
            for found in _PACKAGE.finditer(one["list"])
        }
        for one in lists
        if one
    )
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name] != theirs[name]:
            yield name, name, mine[name], theirs[name], "Installed-Build-Depends"


def _binary(left: bytes, right: bytes, packages: Mapping[str, str]) -> Iterator[tuple[str, str, str, str, str]]:
    """Versions in fields of a format."""
    if left[:4] == right[:4] == b"\xca\xfe\xba\xbe" and min(len(left), len(right)) >= 8:
        majors = [int.from_bytes(data[6:8]) for data in (left, right)]
        if majors[0] != majors[1] and min(majors) >= 45:
            shown = [f"class format {major} (Java {max(major - 44, 1)})" for major in majors]
            package = next(
                (name for name in packages if re.fullmatch(r"openjdk-\d+-jdk-headless", name)), "default-jdk"
            )
            yield "javac", package, shown[0], shown[1], "major version"
    if (
        left.startswith(b"SQLite format 3\0")
        and right.startswith(b"SQLite format 3\0")
        and min(len(left), len(right)) >= 100
    ):
        versions = [stamps_whole.sqlite_version(data) for data in (left, right)]
        if versions[0] != versions[1]:
            yield "sqlite", "libsqlite3-0", versions[0], versions[1], "version in the header"
