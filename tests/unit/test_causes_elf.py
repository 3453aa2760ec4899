"""Causes in ELF files, on what real compilers and linkers wrote (`tests/data/causes/make_elf.py`)."""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path

import pytest

from rebuilder.explain.causes import elf
from rebuilder.explain.causes.families import RULES
from rebuilder.explain.causes.rank import explain
from rebuilder.findings import Cause, DifferenceClass, Severity
from tests.scenes import scene

DATA = Path(__file__).parent.parent / "data" / "causes"
FIRST = {
    "date-macro",
    "build-path-rodata",
    "build-path-dwarf",
    "build-path-producer",
    "build-path-rpath",
    "debug-info",
    "debuglink",
    "symbol-order",
    "compiler-version",
    "code-generation",
    "march-native",
    "compiler-flags",
    "linker-layout",
    "libc-startfiles",
    "libc-version",
    "random-seed",
    "lto-suffix",
}


def side(cause: str, name: str) -> bytes:
    return next((DATA / cause).glob(f"{name}.*")).read_bytes()


def causes(published: bytes, rebuilt: bytes, **surroundings: object) -> dict[str, Cause]:
    found, _ = explain(scene(published, rebuilt, **surroundings), RULES)
    return {cause.id: cause for cause in found}


@pytest.mark.parametrize("cause", sorted(FIRST))
def test_the_cause_that_was_put_in_is_named_first(cause: str) -> None:
    found = list(causes(side(cause, "published"), side(cause, "rebuilt")))
    assert found[:1] == [cause], found


@pytest.mark.parametrize("cause", sorted({*FIRST, "build-id"}))
def test_with_the_fix_both_builds_are_the_same(cause: str) -> None:
    assert side(cause, "fixed-1") == side(cause, "fixed-2")
    assert side(cause, "published") != side(cause, "rebuilt")


def test_a_build_id_over_stripped_paths_is_proved_and_what_it_stands_for_is_said() -> None:
    found = causes(side("build-id", "published"), side("build-id", "rebuilt"))
    assert found["build-id"].confidence == "proved"
    assert found["debug-info"].severity is Severity.INSPECT
    shown = found["build-id"].evidence[0]
    assert len(shown.published) == len(shown.rebuilt) == 40
    assert shown.published != shown.rebuilt


def test_a_build_id_beside_other_code_does_not_stand_for_debug_information() -> None:
    published, rebuilt = (bytearray(side("build-id", name)) for name in ("published", "rebuilt"))
    at, _ = section(bytes(rebuilt), b".text")
    rebuilt[at] ^= 1
    found = causes(bytes(published), bytes(rebuilt))
    assert "debug-info" not in found
    assert found["code-generation"].severity is Severity.BEHAVIOUR


def test_a_note_with_more_in_it_than_a_build_id_is_not_called_one() -> None:
    published, rebuilt = (bytearray(side("build-id", name)) for name in ("published", "rebuilt"))
    at, _ = section(bytes(rebuilt), b".note.gnu.build-id")
    rebuilt[at + 8] = 9
    found = causes(bytes(published), bytes(rebuilt))
    assert "build-id" not in found
    assert all(cause.severity is not Severity.HARMLESS for cause in found.values())


def test_paths_in_debug_information_are_harmless_only_where_nothing_loads_them() -> None:
    rebuilt = side("build-path-dwarf", "rebuilt")
    published = rebuilt.replace(b"bert-long", b"carl-long")
    plain = causes(published, rebuilt)["build-path-dwarf"]
    assert plain.severity is Severity.HARMLESS
    name = b".debug_str" if plain.evidence[0].path == (".debug_str",) else b".debug_line_str"
    for change in (partial(with_flag, name=name, flag=2), with_all_loaded):
        loaded = causes(change(published), change(rebuilt))["build-path-dwarf"]
        assert loaded.severity is Severity.INSPECT


def test_a_path_beside_something_else_in_debug_information_is_not_harmless() -> None:
    rebuilt = side("build-path-dwarf", "rebuilt")
    name = causes(rebuilt.replace(b"bert-long", b"carl-long"), rebuilt)["build-path-dwarf"].evidence[0].path[0]
    at, size = section(rebuilt, name.encode())
    published = bytearray(rebuilt.replace(b"bert-long", b"carl-long"))
    published[at + size - 3] = 1
    found = causes(bytes(published), rebuilt)
    assert all(cause.severity is not Severity.HARMLESS for cause in found.values()), found


@pytest.mark.parametrize("cause", sorted({*FIRST, "build-id"}))
def test_whatever_changes_code_is_never_called_less_than_behaviour(cause: str) -> None:
    seen = scene(side(cause, "published"), side(cause, "rebuilt"))
    found, _ = explain(seen, RULES)
    code = {i for i, one in seen.findings() if one.path[-1:] in ((".text",), (".plt",), (".init",))}
    code = {i for i in code if seen.difference.findings[i].kind is DifferenceClass.CONTENT}
    assert all(one.severity is Severity.BEHAVIOUR for one in found if code.intersection(one.findings))


def test_every_rule_holds_on_files_cut_off_or_overwritten_anywhere() -> None:
    published, rebuilt = (side("symbol-order", name) for name in ("published", "rebuilt"))
    for at in range(0, len(rebuilt), 211):
        for broken in (rebuilt[:at], rebuilt[:at] + b"\xff" * 16 + rebuilt[at + 16 :]):
            seen = scene(published, broken)
            for rule in elf.RULES:
                list(rule.match(seen))


def test_the_proof_of_a_check_outweighs_shapes() -> None:
    published, rebuilt = (side("build-path-rodata", name) for name in ("published", "rebuilt"))
    marker = "bert-long"
    found = causes(published, rebuilt, canaries={marker: "path"})["build-path-rodata"]
    assert found.confidence == "proved"
    assert found.evidence[0].rebuilt == marker
    assert not found.evidence[0].published


def test_each_cause_has_its_page() -> None:
    docs = DATA.parent.parent.parent / "docs"
    missing = [rule.id for rule in elf.RULES if not (docs / rule.docs).is_file()]
    assert not missing


def rows(data: bytes) -> list[tuple[int, tuple[int, ...]]]:
    """Where each section header lies, and its fields (64 bits, little endian)."""
    at, (width, count) = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<HH", data, 58)
    return [(at + i * width, struct.unpack_from("<IIQQQQIIQQ", data, at + i * width)) for i in range(count)]


def header(data: bytes, name: bytes) -> tuple[int, tuple[int, ...]]:
    names = rows(data)[struct.unpack_from("<H", data, 62)[0]][1][4]
    return next(one for one in rows(data) if data[names + one[1][0] :].split(b"\0", 1)[0] == name)


def section(data: bytes, name: bytes) -> tuple[int, int]:
    _, fields = header(data, name)
    return fields[4], fields[5]


def with_flag(data: bytes, name: bytes, flag: int) -> bytes:
    at, fields = header(data, name)
    changed = bytearray(data)
    struct.pack_into("<Q", changed, at + 8, fields[2] | flag)
    return bytes(changed)


def with_all_loaded(data: bytes) -> bytes:
    """The first segment that is loaded, stretched over the whole file."""
    changed = bytearray(data)
    at, (width, count) = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<HH", data, 54)
    first = next(at + i * width for i in range(count) if struct.unpack_from("<I", data, at + i * width)[0] == 1)
    struct.pack_into("<Q", changed, first + 32, len(data) - struct.unpack_from("<Q", data, first + 8)[0])
    return bytes(changed)


def test_a_debuglink_to_a_file_of_another_kind_is_not_harmless() -> None:
    published, rebuilt = (bytearray(side("debuglink", name)) for name in ("published", "rebuilt"))
    at, _ = section(bytes(rebuilt), b".gnu_debuglink")
    rebuilt[at : at + 3] = b"../"
    assert causes(bytes(published), bytes(side("debuglink", "rebuilt")))["debuglink"].severity is Severity.HARMLESS
    assert causes(bytes(published), bytes(rebuilt))["debuglink"].severity is Severity.INSPECT
