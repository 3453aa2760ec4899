"""Causes in ELF files: stamps of the linker, other tools, other code. Paths and dates in them are in `paths.py`."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from rebuilder.compare.archive.layout import printable
from rebuilder.explain.causes import Match, Rule, Scene, elf_code
from rebuilder.explain.causes.elf_files import (
    STAMPS,
    Differing,
    files,
    match,
    raw,
    severity_of,
    strings,
    unloaded,
    worded,
)
from rebuilder.explain.causes.shapes import environment, project
from rebuilder.explain.causes.texts import shown
from rebuilder.findings import Severity

_BUILD_ID_NOTE = 3
_GLIBC = re.compile(rb"GLIBC_[0-9]{1,3}(?:\.[0-9]{1,3}){1,2}")
#: How compilers, assemblers and linkers sign.
_SIGNED = re.compile(
    rb"(?:GCC: \([\w .:+~/-]{1,80}\) |(?:[\w-]{1,20} )?clang version |Linker: |LLD |rustc version |GHC |ldc version "
    rb"|Go |Android \()[\w .:+~/()-]{1,120}"
)
_ENDBR = b"\xf3\x0f\x1e\xfa"


# --- stamps -----------------------------------------------------------------------------------------


def _build_ids(scene: Scene) -> Iterator[Match]:
    for one in files(scene):
        entry = one.sections.get(".note.gnu.build-id")
        ids = [_id(raw(side, ".note.gnu.build-id"), side.tables.shape.order) for side in one.sides]
        if entry and ids[0] and ids[1]:
            plain = len(ids[0]) == len(ids[1])
            # In memory a program can read its own: drivers key their caches by it, loaders of plug-ins compare it.
            quiet = plain and unloaded(scene, entry[1].path)
            severity = Severity.HARMLESS if quiet else Severity.INSPECT
            yield worded(entry, ids[0].hex(), ids[1].hex(), "proved" if plain else "likely", severity)


def _id(note: bytes, order: str) -> bytes:
    """The build id, if the section is one note and nothing else."""
    if len(note) < 16:
        return b""
    name, size, kind = struct.unpack_from(order + "III", note)
    whole = name == 4 and kind == _BUILD_ID_NOTE and note[12:16] == b"GNU\0" and len(note) == 16 + -(-size // 4) * 4
    return note[16 : 16 + size] if whole and not note[16 + size :].strip(b"\0") else b""


def _links(scene: Scene) -> Iterator[Match]:
    for one in files(scene):
        for name, width in ((".gnu_debuglink", 4), (".gnu_debugaltlink", 20)):
            entry = one.sections.get(name)
            values = [_link(raw(side, name), width, padded=width == 4) for side in one.sides]
            if entry and values[0] and values[1]:
                harmless = _ordinary(one, *values) and unloaded(scene, entry[1].path)
                yield worded(entry, values[0], values[1], "proved", Severity.HARMLESS if harmless else Severity.INSPECT)


def _link(text: bytes, width: int, *, padded: bool) -> str:
    """A file's name and its checksum, if the section holds just these."""
    end = text.find(b"\0")
    start = -(-(end + 1) // 4) * 4 if padded else end + 1
    if end <= 0 or len(text) != start + width or text[end:start].strip(b"\0"):
        return ""
    return f"{printable(text[:end])} {text[start:].hex()}"


def _ordinary(one: Differing, published: str, rebuilt: str) -> bool:
    """Whether the names are the same, or each that of the file's own build-id: no other file is meant."""
    names = [value.rpartition(" ")[0] for value in (published, rebuilt)]
    ids = [_id(raw(side, ".note.gnu.build-id"), side.tables.shape.order).hex() for side in one.sides]
    own = all(name == f"{id_[2:]}.debug" for name, id_ in zip(names, ids, strict=True))
    return names[0] == names[1] or (own and all(ids))


def _debug_info(scene: Scene) -> Iterator[Match]:
    for one in files(scene):
        entry = one.sections.get(".note.gnu.build-id")
        if entry and not one.own and STAMPS.issuperset(one.sections):
            ids = [raw(side, ".note.gnu.build-id")[16:].hex() for side in one.sides]
            # What takes debug information out takes the table of symbols too, but for `strip -g`.
            stripped = not any(".symtab" in side.named for side in one.sides)
            yield worded(entry, ids[0], ids[1], "likely" if stripped else "possible", Severity.INSPECT)
        if one.code():
            continue  # then it follows from the code
        for name, other in one.sections.items():
            if name.startswith(".debug_"):
                yield worded(other, other[1].published.value, other[1].rebuilt.value, "possible", Severity.INSPECT)


# --- tools ------------------------------------------------------------------------------------------


def _compiler(scene: Scene) -> Iterator[Match]:
    for one in files(scene):
        entry = one.sections.get(".comment")
        tools = [sorted(set(strings(side, ".comment"))) for side in one.sides]
        if not entry or tools[0] == tools[1]:
            continue
        published, rebuilt = (shown(b"; ".join(names)) for names in tools)
        # The strings are ends of a fact; that the code differs for it is a guess.
        signed = all(names and all(_SIGNED.fullmatch(name) for name in names) for names in tools)
        harmless = signed and unloaded(scene, entry[1].path)
        yield worded(entry, published, rebuilt, "proved", Severity.HARMLESS if harmless else Severity.INSPECT)
        for name, other in one.sections.items():
            if name in one.code() or one.follows_addresses(name):
                yield worded(other, published, rebuilt, "likely", severity_of(scene, other[1].path, taken_apart=False))


def _libc(scene: Scene) -> Iterator[Match]:
    """Versions of glibc's symbols that only one side asks for: the other was linked with a libc that had none."""
    for one in files(scene):
        wants = [set(_GLIBC.findall(raw(side, ".dynstr"))) for side in one.sides]
        if not wants[0] or not wants[1] or max(map(_numbers, wants[0])) == max(map(_numbers, wants[1])):
            continue  # what an older libc had as well, another source asks for
        values = [b" ".join(sorted(mine - theirs)) or b"(none)" for mine, theirs in (wants, wants[::-1])]
        for name in (".dynstr", ".gnu.version_r", ".gnu.version", ".dynsym"):
            if name in one.sections:
                yield match(one.sections[name], (values[0], values[1]), "likely", Severity.BEHAVIOUR)


def _numbers(version: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix(b"GLIBC_").split(b"."))


def _generation(scene: Scene) -> Iterator[Match]:
    """Code that no rule with more to say speaks of."""
    rules = (_flags, _layout, elf_code.order, elf_code.startfiles)
    told = {match.finding for rule in rules for match in rule(scene)}
    return (match for match in elf_code.generation(scene) if match.finding not in told)


def _flags(scene: Scene) -> Iterator[Match]:
    """Marks of branch protection (CET) in the code of one side only: other compiler flags, or another default."""
    for one in files(scene):
        counts = [sum(raw(side, name).count(_ENDBR) for name in one.code()) for side in one.sides]
        noted = [".note.gnu.property" in side.named for side in one.sides]
        if counts[0] == counts[1] and elf_code.start_names(one):
            continue  # the linker drops the note where one object has none: here it is one of the C library's
        if noted[0] == noted[1] and not elf_code.lopsided(*counts):
            continue
        words = [
            f"{count} endbr64, {'with' if note else 'no'} .note.gnu.property"
            for count, note in zip(counts, noted, strict=True)
        ]
        for name, entry in one.sections.items():
            if name in one.code() or one.follows_addresses(name) or name == ".note.gnu.property":
                severity = severity_of(scene, entry[1].path, taken_apart=False)
                yield worded(entry, words[0], words[1], "likely", severity)


def _layout(scene: Scene) -> Iterator[Match]:
    """The same sections in another order in the file: another linker, or another linker script."""
    for one in files(scene):
        orders = [_placed(one, side) for side in (0, 1)]
        if orders[0] == orders[1]:
            yield from _padding(one)
            continue
        moved = next(at for at, (mine, other) in enumerate(zip(*orders, strict=True)) if mine != other)
        words = [" ".join(order[moved : moved + 6]) for order in orders]
        quiet = not one.code()
        for entry in one.own:
            yield worded(entry, words[0], words[1], "likely", Severity.INSPECT)
        for name, entry in one.sections.items():
            if (name == ".shstrtab" and _names_only(one)) or (quiet and one.follows_addresses(name)):
                severity = severity_of(scene, entry[1].path, taken_apart=False)
                yield worded(entry, words[0], words[1], "likely", severity)


def _padding(one: Differing) -> Iterator[Match]:
    """No section differs: the assembler or linker left other room between them."""
    if not one.sections:
        for entry in one.own:
            yield worded(entry, entry[1].published.value, entry[1].rebuilt.value, "possible", Severity.INSPECT)


def _names_only(one: Differing) -> bool:
    """Whether the table of section names holds the same names, but for sections that only one side has."""
    names = [set(strings(side, ".shstrtab")) for side in one.sides]
    alone = {name.encode() for name in one.published.named.keys() ^ one.rebuilt.named.keys()}
    return all(len(strings(side, ".shstrtab")) == len(own) for side, own in zip(one.sides, names, strict=True)) and (
        names[0] ^ names[1] <= alone
    )


def _placed(one: Differing, which: int) -> list[str]:
    """Names of the sections both sides have, in the order of their headers."""
    side, other = one.sides[which], one.sides[1 - which]
    return [name for name in side.named if name in other.named]


_INSPECT, _BEHAVIOUR, _HARMLESS = Severity.INSPECT, Severity.BEHAVIOUR, Severity.HARMLESS
_TOOLS = "Build with the versions of compiler, linker and header packages that the publisher had"

RULES: tuple[Rule, ...] = (
    Rule(
        id="build-id",
        title="The build-id of the linked file differs",
        severity=_INSPECT,
        match=_build_ids,
        fix=f"It follows from what was linked: remove the other causes. If there are none: {_TOOLS.lower()}.",
    ),
    Rule(
        id="debuglink",
        title="The link to the separate debug file differs",
        severity=_HARMLESS,
        match=_links,
        fix="It follows from the debug information that was split off: make that the same first.",
    ),
    Rule(
        id="debug-info",
        title="Only what was stripped after linking differs",
        severity=_INSPECT,
        match=_debug_info,
        fix=f"{_TOOLS}: lines and declarations of every header end up in the debug information, and in the build-id.",
    ),
    Rule(
        id="compiler-version",
        title="Another compiler or linker built this",
        severity=_BEHAVIOUR,
        match=_compiler,
        fix="Build with the compiler that the published .comment names.",
        changes=environment("package:gcc", "the version the published .comment names"),
    ),
    Rule(
        id="libc-version",
        title="Linked with another C library",
        severity=_BEHAVIOUR,
        match=_libc,
        fix="Build with the libc6-dev the publisher had: one side asks for symbol versions the other's libc lacks.",
        changes=environment("package:libc6-dev", "one with the symbol versions of the published file"),
    ),
    Rule(
        id="compiler-flags",
        title="Compiled with other flags",
        severity=_BEHAVIOUR,
        match=_flags,
        fix="Build with the flags of the publisher (dpkg-buildflags of that time, or the compiler's old default).",
        changes=environment("package:dpkg-dev", "one whose flags have, or lack, -fcf-protection"),
    ),
    Rule(
        id="linker-layout",
        title="The linker laid the sections out in another way",
        severity=_INSPECT,
        match=_layout,
        fix="Build with the binutils the publisher had.",
        changes=environment("package:binutils", "the version of the published build"),
    ),
    Rule(
        id="symbol-order",
        title="Objects were linked in another order",
        severity=_BEHAVIOUR,
        match=elf_code.order,
        fix="Sort the list of objects before linking: $(sort $(wildcard *.c)), or name them one by one.",
        changes=project("Makefile", "$(sort $(wildcard *.c)) in place of $(wildcard *.c) or find"),
    ),
    Rule(
        id="libc-startfiles",
        title="The start code is of another C library",
        severity=_BEHAVIOUR,
        match=elf_code.startfiles,
        fix="Build with the libc6-dev the publisher had: crt1.o and crti.o come from it.",
        changes=environment("package:libc6-dev", "the version of the published build"),
    ),
    Rule(
        id="march-native",
        title="The code is for another processor",
        severity=_BEHAVIOUR,
        match=elf_code.native,
        fix="Name the processor: -march=x86-64 in place of -march=native.",
        changes=project("CFLAGS", "-march=x86-64"),
    ),
    Rule(
        id="code-generation",
        title="The compiled code differs",
        severity=_BEHAVIOUR,
        match=_generation,
        fix=f"{_TOOLS}; then look at flags, generated sources, and optimisation that depends on time or memory.",
    ),
)
