"""Versions that no stamp tells: what a tool does since some version, seen on one side only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from rebuilder.data import Data
from rebuilder.explain.causes import Scene
from rebuilder.explain.causes.stamps_debian import TRIMS_SINCE, fields, trimmed
from rebuilder.explain.causes.stamps_text import MAX_TEXT, contents
from rebuilder.findings import Drift, MemberPath

#: ELF files looked at, and sections of one.
MAX_FILES, MAX_SECTIONS = 2000, 4096
_RELATIONS = (b"Depends", b"Pre-Depends")
_VERSIONED = re.compile(rb"(?:^|,) ?(?P<name>[a-z0-9][a-z0-9+.-]{0,100})(?::any)? \(>= (?P<version>[^()\s]{1,100})\)")


def behaviours(scene: Scene) -> Iterator[Drift]:
    """What tells of another version of debhelper, of the linker, of the compiler's defaults and of libraries."""
    yield from _changelogs(scene)
    yield from _elf(scene)
    yield from _libraries(scene)


def _here(scene: Scene, package: str, words: str) -> str:
    """The words with the version our lock holds."""
    version = scene.surroundings.packages.get(package, "")
    return f"{words} ({version})" if version else words


def _changelogs(scene: Scene) -> Iterator[Drift]:
    found = list(trimmed(scene))
    for side in ("published", "rebuilt"):
        mine = [one for one in found if one.side == side]
        if not mine:
            continue
        words = {"published": "keeps more entries of changelogs", "rebuilt": "keeps more entries of changelogs"}
        words[side] = f"shortens changelogs (as debhelper does since {TRIMS_SINCE})"
        yield Drift(
            tool="debhelper",
            package="debhelper",
            published=words["published"],
            rebuilt=_here(scene, "debhelper", words["rebuilt"]),
            seen=tuple(f"{' » '.join(one.path)}: {one.published} and {one.rebuilt} entries"[:300] for one in mine[:5]),
            count=len(mine),
        )


def _elf(scene: Scene) -> Iterator[Drift]:
    order: dict[tuple[str, str], list[str]] = {}
    marks: dict[tuple[str, str], list[str]] = {}
    for path in _files(scene):
        left, right = scene.pair(path)
        mine, theirs = sections(left), sections(right)
        if not mine or not theirs:
            continue
        place = " » ".join(path)[:300]
        if None not in (one := (_interp(mine), _interp(theirs))) and one[0] != one[1]:
            order.setdefault((str(one[0]), str(one[1])), []).append(f"{place}: order of sections")
        has = tuple(
            "with .note.gnu.property" if ".note.gnu.property" in names else "without it" for names in (mine, theirs)
        )
        if has[0] != has[1]:
            marks.setdefault((has[0], has[1]), []).append(f"{place}: note of -fcf-protection")
    for (published, rebuilt), places in order.items():
        yield _drift(scene, "ld", "binutils", published, rebuilt, places)
    for (published, rebuilt), places in marks.items():
        yield _drift(scene, "compiler flags", "dpkg-dev", published, rebuilt, places)


def _drift(scene: Scene, tool: str, package: str, published: str, rebuilt: str, places: list[str]) -> Drift:
    rebuilt = _here(scene, package, rebuilt)
    return Drift(
        tool=tool, package=package, published=published, rebuilt=rebuilt, seen=tuple(places[:5]), count=len(places)
    )


def _interp(names: tuple[str, ...]) -> str | None:
    """Where the linker put the notes: newer ones put them before .interp."""
    notes = [at for at, name in enumerate(names) if name in (".note.gnu.property", ".note.gnu.build-id")]
    if ".interp" not in names or not notes:
        return None
    return ".interp before the notes" if names.index(".interp") < min(notes) else "the notes before .interp"


def _files(scene: Scene) -> list[MemberPath]:
    """ELF files with a section that differs."""
    found: dict[MemberPath, None] = {}
    for _, finding in scene.findings():
        if finding.path and finding.path[-1].startswith(".") and "/" not in finding.path[-1]:
            found[finding.path[:-1]] = None
        if len(found) >= MAX_FILES:
            break
    return [path for path in found if _known(scene, path)]


def _known(scene: Scene, path: MemberPath) -> bool:
    try:
        scene.pair(path)
    except KeyError:
        return False
    return True


def sections(data: Data) -> tuple[str, ...]:
    """Names of the sections of an ELF file in their order; none for anything else."""
    head = data.read(0, 64)
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2) or head[5] not in (1, 2):
        return ()
    wide = head[4] == 2
    order: Literal["little", "big"] = "little" if head[5] == 1 else "big"

    def number(raw: bytes, at: int, size: int) -> int:
        return int.from_bytes(raw[at : at + size], order)

    table = number(head, 40, 8) if wide else number(head, 32, 4)
    size, count, names = (number(head, at if wide else at - 12, 2) for at in (58, 60, 62))
    if size != (64 if wide else 40) or not names < count <= MAX_SECTIONS:
        return ()
    raw = data.read(table, size * count)
    at, width = (24, 8) if wide else (16, 4)
    one = raw[names * size : (names + 1) * size]
    words = data.read(number(one, at, width), min(number(one, at + width, width), MAX_TEXT))
    starts = [number(raw, index * size, 4) for index in range(1, len(raw) // size)]
    return tuple(words[start : start + 100].partition(b"\0")[0].decode("ascii", "replace") for start in starts)


def _libraries(scene: Scene) -> Iterator[Drift]:
    """Libraries whose least version, as dpkg-shlibdeps takes it from the build, is another one."""
    for _, finding, left, right in contents(scene, re.compile(r"(?:^|/)control$")):
        mine, theirs = (_needed(text) for text in (left, right))
        for name in sorted(mine.keys() & theirs.keys()):
            if mine[name] != theirs[name]:
                package = f"{name}-dev" if f"{name}-dev" in scene.surroundings.packages or name == "libc6" else name
                yield Drift(
                    tool=f"symbols of {name}",
                    package=package,
                    published=f"needs {mine[name]} or newer",
                    rebuilt=_here(scene, package, f"needs {theirs[name]} or newer")[:200],
                    seen=(f"{' » '.join(finding.path)}: Depends"[:300],),
                )


def _needed(text: bytes) -> dict[str, str]:
    paragraph = fields(text) if len(text) <= 1024 * 1024 else None
    found: dict[str, str] = {}
    for name in _RELATIONS:
        for one in _VERSIONED.finditer((paragraph or {}).get(name, b"").replace(b"\n", b" ")):
            found[one["name"].decode()] = one["version"].decode("ascii", "replace")
    return found
