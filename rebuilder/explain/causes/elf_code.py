"""Code that differs in an ELF file: in another order, for another processor, from another C library, or just other."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator

from rebuilder.compare.archive.layout import printable
from rebuilder.explain.causes import Match, Scene
from rebuilder.explain.causes.elf_files import (
    STAMPS,
    Differing,
    Symbol,
    files,
    match,
    raw,
    severity_of,
    stored,
    symbols,
    worded,
)
from rebuilder.explain.causes.texts import runs
from rebuilder.findings import Severity

#: Code and data that come with the C library and the compiler, not from the project.
_START = frozenset(
    b"_start _init _fini __libc_csu_init __libc_csu_fini _dl_relocate_static_pie deregister_tm_clones "
    b"register_tm_clones __do_global_dtors_aux frame_dummy _IO_stdin_used __abi_tag".split()
)
#: Of these, what only some versions of it have.
_SOME_START = frozenset(b"__libc_csu_init __libc_csu_fini __abi_tag".split())
#: Sections that differ where symbols of another C library are asked for.
_VERSIONED = frozenset({".note.gnu.property", ".gnu.version", ".gnu.version_r"})
_LTO_NAME = re.compile(r"\.gnu\.(?:debug)?lto_.{0,4000}\.[0-9a-f]{8,16}")
_NUMBERED = re.compile(rb"\.(lto_priv|constprop|isra|part|llvm)\.[0-9]{1,20}")
#: Instructions with such prefixes need AVX: no compiler gives them for a plain x86-64.
_VEX = re.compile(
    rb"[\xc5][\xf0-\xff][\x10\x11\x28\x29\x54-\x5f\x6f\x7f\xef\xfe]|\x62[\xf1-\xf3][\x05-\xff][\x08-\xff]"
)


def lopsided(one: int, other: int) -> bool:
    """Whether one side has many and the other few."""
    return max(one, other) >= 4 and min(one, other) * 4 <= max(one, other)


def native(scene: Scene) -> Iterator[Match]:
    """Many instructions on one side that need a newer processor than the baseline."""
    for one in files(scene):
        counts = [sum(len(_VEX.findall(raw(side, name))) for name in one.code()) for side in one.sides]
        if lopsided(*counts):
            words = [f"about {count} AVX instructions" for count in counts]
            for name in one.code():
                yield worded(one.sections[name], words[0], words[1], "possible", Severity.BEHAVIOUR)
            for entry in one.moving():
                yield worded(entry, words[0], words[1], "possible", Severity.INSPECT)


def seeds(scene: Scene) -> Iterator[Match]:
    """Sections of link-time optimisation, whose names end in a number that is random if no seed is given."""
    for one in files(scene):
        names = [name for name in one.sections if _LTO_NAME.fullmatch(name)]
        plain = [sorted(name.rpartition(".")[0] for name in names if name in side.named) for side in one.sides]
        if names and plain[0] == plain[1]:
            for name in names:
                yield worded(one.sections[name], *_seed_names(one, name), "likely", Severity.INSPECT)


def _seed_names(one: Differing, name: str) -> tuple[str, str]:
    """How the section is called on each side."""
    stem = name.rpartition(".")[0]
    found = [next((other for other in side.named if other.rpartition(".")[0] == stem), "") for side in one.sides]
    return found[0], found[1]


def suffixes(scene: Scene) -> Iterator[Match]:
    """The same symbols, but for the numbers that link-time optimisation appends."""
    for one in files(scene):
        if not _renumbered([symbols(side) for side in one.sides]):
            continue
        placed = [[symbol.name for symbol in symbols(side)] for side in one.sides]
        if placed[0] == placed[1]:
            continue
        at = next(i for i, (mine, other) in enumerate(zip(*placed, strict=True)) if mine != other)
        for name in (".symtab", ".strtab", *one.code()):
            if name in one.sections:
                entry = one.sections[name]
                severity = severity_of(scene, entry[1].path, taken_apart=False)
                yield match(entry, (placed[0][at], placed[1][at]), "likely", severity)


def _renumbered(sides: list[list[Symbol]]) -> bool:
    """Whether all that differs in the names is which number stands at which of the same functions."""
    if Counter(_plain(one.name) for one in sides[0]) != Counter(_plain(one.name) for one in sides[1]):
        return False
    numbered = [[(one.name, one.size) for one in side if _NUMBERED.search(one.name)] for side in sides]
    plain = [Counter((_plain(name), size) for name, size in side) for side in numbered]
    return plain[0] == plain[1] and Counter(numbered[0]) != Counter(numbered[1])


def _plain(name: bytes) -> bytes:
    return _NUMBERED.sub(rb".\1", name)


# --- code -------------------------------------------------------------------------------------------


def order(scene: Scene) -> Iterator[Match]:
    """The same functions and objects, each of the same size, at each other's places."""
    for one in files(scene):
        known = [symbols(side) for side in one.sides]
        sized = [Counter((symbol.name, symbol.size) for symbol in side) for side in known]
        names = [[symbol.name for symbol in side] for side in known]
        if len(names[0]) < 2 or sized[0] != sized[1] or names[0] == names[1]:
            continue
        at = next(i for i, (mine, other) in enumerate(zip(*names, strict=True)) if mine != other)
        values = b" ".join(names[0][at : at + 6]), b" ".join(names[1][at : at + 6])
        for name, entry in one.sections.items():
            if name not in STAMPS and name != ".comment" and not name.startswith(".debug_"):
                yield match(entry, values, "likely", severity_of(scene, entry[1].path, taken_apart=False))
        for entry in one.own:
            yield match(entry, values, "likely", Severity.INSPECT)


def startfiles(scene: Scene) -> Iterator[Match]:
    """Code of one size that differs in nothing but what the C library puts into every program; or other such code."""
    for one in files(scene):
        if names := start_names(one):
            for name, entry in one.sections.items():
                if name in one.code() or name in _VERSIONED or one.follows_addresses(name):
                    yield worded(entry, *names, "likely", severity_of(scene, entry[1].path, taken_apart=False))
            for entry in one.own:
                yield worded(entry, *names, "likely", Severity.INSPECT)
            continue
        for name in one.code():
            places = _start_places(one, name)
            if places:
                yield worded(one.sections[name], places[0], places[1], "likely", Severity.BEHAVIOUR)


def start_names(one: Differing) -> tuple[str, str] | None:
    """Start code of some versions of the C library that only one side has, where the compiler is the same."""
    if ".comment" in one.sections:
        return None
    known = [{symbol.name for symbol in symbols(side)} for side in one.sides]
    found = [names & _SOME_START for names in known]
    if not all(b"_start" in names for names in known) or found[0] == found[1]:
        return None
    mine, theirs = (b", ".join(sorted(one)) or b"(none)" for one in (found[0] - found[1], found[1] - found[0]))
    return printable(mine), printable(theirs)


def _start_places(one: Differing, name: str) -> tuple[str, str] | None:
    """The functions the differing bytes lie in, if all are start code, on both sides."""
    pair = [stored(side, name) for side in one.sides]
    if pair[0] is None or pair[1] is None or pair[0].size != pair[1].size:
        return None
    if name in (".init", ".fini"):
        # Beside other code that moved, it is only an address in them that follows.
        return (name, name) if {".init", ".fini"}.issuperset(one.code()) else None
    spans = [_start_spans(one, which, name) for which in (0, 1)]
    found: list[set[str]] = [set(), set()]
    for start, end in runs(pair[0], pair[1]):
        for which in (0, 1):
            inside = next((label for low, high, label in spans[which] if low <= start and end <= high), None)
            if inside is None:
                return None
            found[which].add(inside)
    return (", ".join(sorted(found[0])), ", ".join(sorted(found[1]))) if found[0] else None


def _start_spans(one: Differing, which: int, name: str) -> list[tuple[int, int, str]]:
    side = one.sides[which]
    base = side.named[name].address
    return [
        (symbol.value - base, symbol.value - base + max(symbol.size, 16), printable(symbol.name))
        for symbol in symbols(side)
        if symbol.name in _START and side.tables.sections[symbol.section : symbol.section + 1] == (side.named[name],)
    ]


def generation(scene: Scene) -> Iterator[Match]:
    """Code differs, and nothing names another compiler: all that can be said is that it may do something else."""
    for one in files(scene):
        code = one.code()
        if not code or ".comment" in one.sections:
            continue
        for name, entry in sorted(one.sections.items(), key=lambda item: item[0] not in code):
            follows = one.follows_addresses(name) or name.startswith(".debug_")
            if name in code or follows or (name.startswith(".rodata") and _jumps(one, name)):
                severity = Severity.BEHAVIOUR if name in code else severity_of(scene, entry[1].path, taken_apart=False)
                yield worded(entry, entry[1].published.value, entry[1].rebuilt.value, "possible", severity)
        for entry in one.own:
            yield worded(entry, entry[1].published.value, entry[1].rebuilt.value, "possible", Severity.INSPECT)


def _jumps(one: Differing, name: str) -> bool:
    """Whether all that differs is 32-bit distances back to the code: tables of `switch`."""
    pair = [side for side in (stored(side, name) for side in one.sides) if side is not None]
    if len(pair) != 2 or pair[0].size != pair[1].size:
        return False
    word = struct.Struct(one.published.tables.shape.order + "i")
    for start, end in runs(pair[0], pair[1]):
        low, high = start // 4 * 4, -(-end // 4) * 4
        for side in pair:
            values = side.read(low, high - low)
            if len(values) % 4 or any(not -(1 << 26) < value < 0 for (value,) in word.iter_unpack(values)):
                return False
    return True
