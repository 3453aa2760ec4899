"""Which cause is named first where several claim a finding, and the rules that tell near causes apart."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

import pytest

from rebuilder.data import Held
from rebuilder.explain.causes.families import RULES
from rebuilder.explain.causes.rank import explain
from rebuilder.explain.causes.texts import spots
from rebuilder.findings import Cause, Severity
from tests.scenes import scene

ALLOC, CODE = 2, 6
Symbols = tuple[tuple[str, int, int], ...]


def causes(published: bytes, rebuilt: bytes, **surroundings: Any) -> dict[str, Cause]:
    """By id, in the order they are said in."""
    found, _ = explain(scene(published, rebuilt, **surroundings), RULES)
    assert all(cause.severity is not Severity.HARMLESS for cause in found if cause.id not in {"gettext-pot-date"})
    return {cause.id: cause for cause in found}


def elf(sections: dict[str, bytes], symbols: Symbols = ()) -> bytes:
    """A 64-bit file of these sections, in order; symbols (name, offset, size) are functions of the first one."""
    names, rows, body = b"\0", [bytes(64)], b""
    if symbols:
        table, text = bytes(24), b"\0"
        for name, at, size in symbols:
            table += struct.pack("<IBBHQQ", len(text), 0x12, 0, 1, 0x1000 + at, size)
            text += name.encode() + b"\0"
        sections = {**sections, ".symtab": table, ".strtab": text}
    order = [*sections, ".shstrtab"]
    for name in order:
        names += name.encode() + b"\0"
    for name in order:
        data = sections.get(name, names)
        kind = {".symtab": 2, ".strtab": 3, ".shstrtab": 3}.get(name, 7 if name.startswith(".note") else 1)
        flags = CODE if name == ".text" else ALLOC if name.startswith((".rodata", ".note")) else 0
        link, entry = (order.index(".strtab") + 1, 24) if kind == 2 else (0, 0)
        at, place = names.index(b"\0" + name.encode() + b"\0") + 1, 64 + len(body)
        address = 0x1000 + len(body) if flags else 0
        rows.append(struct.pack("<IIQQQQIIQQ", at, kind, flags, address, place, len(data), link, 0, 1, entry))
        body += data
    start = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 0, 64 + len(body), 0, 64, 56, 0, 64,
                        len(rows), len(rows) - 1)  # fmt: skip
    return start + body + b"".join(rows)


def build_id(digit: bytes) -> bytes:
    return struct.pack("<III4s", 4, 20, 3, b"GNU") + digit * 20


# --- order ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("artifact", "text", "values", "narrow", "broad"),
    [
        ("x.1", '.TH X 1 "{}" "x 1.0"\ntext\n', ("2020-09-13", "2023-11-14"), "man-page-date", "embedded-timestamp"),
        (
            "x.pot",
            'msgid ""\nmsgstr ""\n"POT-Creation-Date: {}\\n"\n',
            ("2020-09-13 12:26+0000", "2020-09-14 16:13+0000"),
            "gettext-pot-date",
            "embedded-timestamp",
        ),
        ("META-INF/MANIFEST.MF", "Built-By: {}\r\n", ("alice", "bob"), "java-manifest", "username"),
        (
            "x.html",
            "<p>\nGenerated on {} for x by doxygen\n",
            ("Sun Sep 13 2020 12:26:40", "Tue Nov 14 2023 22:13:20"),
            "doxygen-stamp",
            "embedded-timestamp",
        ),
    ],
)
def test_a_cause_that_knows_the_file_is_named_before_one_that_knows_the_kind_of_value(
    artifact: str, text: str, values: tuple[str, str], narrow: str, broad: str
) -> None:
    sides = [text.format(value).encode() for value in values]
    found, _ = explain(scene(*sides, artifact=artifact, user="bob"), RULES)
    named = [cause.id for cause in found]
    assert named[0] == narrow
    assert broad in named


def test_a_broad_cause_of_most_findings_is_named_before_a_narrow_one_of_a_few() -> None:
    def packed(day: str) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name in "abc":
                archive.writestr(zipfile.ZipInfo(f"{name}.txt"), f"{name} made {day} 12:00:01 by hand\n")
            archive.writestr(zipfile.ZipInfo("x.1"), f'.TH X 1 "{day}" "x 1.0"\ntext\n')
        return out.getvalue()

    named = [cause.id for cause in explain(scene(packed("2020-09-13"), packed("2023-11-14")), RULES)[0]]
    assert named.index("embedded-timestamp") < named.index("man-page-date")


def test_a_build_id_alone_is_a_fact_and_stripped_debug_information_a_guess_while_symbols_are_left() -> None:
    kept = [elf({".text": b"\x90\xc3", ".note.gnu.build-id": build_id(one)}, (("f", 0, 2),)) for one in (b"1", b"2")]
    gone = [elf({".text": b"\x90\xc3", ".note.gnu.build-id": build_id(one)}) for one in (b"1", b"2")]
    assert list(causes(*kept)) == ["build-id", "debug-info"]
    assert list(causes(*gone)) == ["debug-info", "build-id"]


# --- strings of programs ----------------------------------------------------------------------------

WORDS = [b"message %d of the program" % number for number in range(40)]


def test_strings_that_only_moved_are_no_differences_where_the_size_is_another() -> None:
    one, other = b"/build/first/x.c", b"/build/second-folder/x.c"
    left, right = b"\0".join([one, *WORDS, b""]), b"\0".join([*WORDS[:20], other, *WORDS[20:], b""])
    assert [(spot.published, spot.rebuilt) for spot in spots(Held(left), Held(right)).found] == [(one, other)]
    found = causes(elf({".rodata": left}), elf({".rodata": right}), path="/build/second-folder")
    assert next(iter(found)) == "build-path-rodata"
    assert found["build-path-rodata"].confidence == "likely"


def test_strings_that_only_moved_are_no_differences_where_padding_keeps_the_size() -> None:
    one, other = b"/build/first/x.c", b"/build/second-folder/x.c"
    right = b"\0".join([other, *WORDS, b""])
    left = b"\0".join([one, *WORDS, b""]).ljust(len(right), b"\0")
    found = spots(Held(left), Held(right))
    assert [(spot.published, spot.rebuilt) for spot in found.found] == [(one, other)]
    assert not found.whole, "what moved was not looked at byte by byte"
    named = causes(elf({".rodata": left}), elf({".rodata": right}), path="/build/second-folder")
    assert next(iter(named)) == "build-path-rodata"


def test_code_that_moved_with_a_string_is_said_after_it_and_stays_behaviour() -> None:
    sides = [elf({".text": code, ".rodata": text + b"\0never\0"}) for code, text in (
        (b"\x48\x8d\x3d\x10\0\0\0\xc3", b"flavour=nightly;"), (b"\x48\x8d\x3d\x12\0\0\0\xc3", b"flavour=staging-x;"))
    ]  # fmt: skip
    found = causes(*sides, environment={"BUILD_FLAVOUR": "staging-x"})
    assert list(found)[:2] == ["environment-variable", "code-generation"]
    assert found["code-generation"].severity is Severity.BEHAVIOUR


# --- values -----------------------------------------------------------------------------------------


def test_the_value_of_a_variable_of_our_build_is_known_without_its_name() -> None:
    sides = b"flavour=nightly; x\n", b"flavour=staging-x; x\n"
    found = causes(*sides, environment={"FLAVOUR": "staging-x"})["environment-variable"]
    assert found.confidence == "likely"
    assert ("variable:FLAVOUR=nightly", "environment") in [(one.target, one.where) for one in found.changes]
    assert "environment-variable" not in causes(*sides, environment={"FLAVOUR": "another"})


@pytest.mark.parametrize(
    ("value", "name", "confidence"),
    [("abcd", "V", "possible"), ("abc", "V", None), ("123456", "V", None), ("builders", "USER", None)],
)
def test_a_value_that_may_be_there_by_chance_or_tells_another_cause_is_less_or_nothing(
    value: str, name: str, confidence: str | None
) -> None:
    found = causes(b"with zzzzzzz so\n", f"with {value} so\n".encode(), environment={name: value})
    told = found.get("environment-variable")
    assert (told.confidence if told else None) == confidence


@pytest.mark.parametrize(
    ("published", "rebuilt", "confidence"),
    [
        (b"tuned for 1 workers", b"tuned for 2 workers", "possible"),
        (b"flags: s -j1 -- X=1", b"flags: s -j4 --jobserver-auth=3,4 -- X=1", "likely"),
        (b"do -j8 --jobserver-auth=fifo:/tmp/GMfifo17 x", b"do -j4 --jobserver-auth=fifo:/tmp/GMfifo9 x", "likely"),
    ],
)
def test_a_number_of_jobs_is_known_before_its_word_and_with_what_make_adds(
    published: bytes, rebuilt: bytes, confidence: str
) -> None:
    found = causes(published, rebuilt)
    assert next(iter(found)) == "cpu-count"
    assert found["cpu-count"].confidence == confidence


@pytest.mark.parametrize(
    ("published", "rebuilt"),
    [
        (b"tuned for 0 workers", b"tuned for 2 workers"),
        (b"tuned for 1 workers", b"tuned for 2 jobs"),
        (b"tuned for 1 doors", b"tuned for 2 doors"),
        (b"1.5 threads", b"1.6 threads"),
    ],
)
def test_a_number_of_something_else_is_no_number_of_jobs(published: bytes, rebuilt: bytes) -> None:
    assert "cpu-count" not in causes(published, rebuilt)


def test_jobs_beside_the_words_of_make_can_be_applied() -> None:
    sides = b"flags: s -j2 -- X=1", b"flags: s -j4 --jobserver-auth=3,4 -- X=1"
    found = causes(*sides, environment={"DEB_BUILD_OPTIONS": "nocheck parallel=4"})["cpu-count"]
    assert "parallel:2" in [one.target for one in found.changes]


def test_our_home_is_known_wherever_it_is_and_the_build_folder_is_none() -> None:
    sides = b"from /home/alice/.xrc\n", b"from /srv/builder/.xrc\n"
    found = causes(*sides, environment={"HOME": "/srv/builder"})
    assert next(iter(found)) == "home"
    assert found["home"].confidence == "likely"
    below = causes(*sides, environment={"HOME": "/srv"}, path="/srv/builder")
    assert "home" not in below
    other = causes(sides[0], b"from /srv/builder/.other\n", environment={"HOME": "/srv/builder"})
    assert "home" not in other


def test_one_moment_in_two_zones_is_a_zone_and_no_macro() -> None:
    sides = [elf({".rodata": b"at 2020-09-13 %b\0never\0" % clock}) for clock in (b"12:26:40", b"17:56:40")]
    found = causes(*sides)
    assert next(iter(found)) == "timezone"
    assert "date-macro" not in found
    macro = [elf({".rodata": b"at Sep 13 2020 %b\0never\0" % clock}) for clock in (b"12:26:40", b"17:51:40")]
    assert next(iter(causes(*macro))) == "date-macro"


PLAIN = b"Alpha Zebra sierra tango test ubuntu zoo zulu"


@pytest.mark.parametrize(
    ("published", "rebuilt", "named"),
    [
        (PLAIN, b"Alpha sierra Zebra zoo zulu tango test ubuntu", "locale-collation"),  # Estonian
        (PLAIN, b"Alpha sierra tango test ubuntu Zebra zoo zulu", "locale-collation"),
        (PLAIN, b"tango Alpha zulu sierra zoo Zebra ubuntu test", "hash-order"),
        (b"a t z", b"a z t", "hash-order"),  # too few to be a language
        (b"chata cukr dub guma hora zima", b"cukr dub guma hora chata zima", "locale-collation"),  # Czech
    ],
)
def test_words_in_the_order_of_a_language_are_told_from_words_in_no_order(
    published: bytes, rebuilt: bytes, named: str
) -> None:
    assert next(iter(causes(b"list: " + published + b" .\n", b"list: " + rebuilt + b" .\n"))) == named


# --- code -------------------------------------------------------------------------------------------


def test_numbers_of_link_time_optimisation_have_to_differ_to_be_the_cause() -> None:
    code = b"\x90" * 15 + b"\xc3", b"\x91" * 15 + b"\xc3"
    mine: Symbols = (("f.part.0", 0, 4), ("g", 4, 8))
    moved: Symbols = (("g", 0, 8), ("f.part.0", 8, 6))
    sides = [elf({".text": one}, symbols) for one, symbols in zip(code, (mine, moved), strict=True)]
    assert "lto-suffix" not in causes(*sides)
    swapped: tuple[Symbols, Symbols] = (
        (("f.lto_priv.0", 0, 4), ("f.lto_priv.1", 4, 8)),
        (("f.lto_priv.1", 0, 4), ("f.lto_priv.0", 4, 8)),
    )
    sides = [elf({".text": one}, symbols) for one, symbols in zip(code, swapped, strict=True)]
    assert next(iter(causes(*sides))) == "lto-suffix"


START: Symbols = (("_start", 0, 8), ("main", 8, 8))
OLDER: Symbols = (*START, ("__libc_csu_init", 16, 8))
ENDBR = b"\xf3\x0f\x1e\xfa"
NOTE = {".note.gnu.property": b"\4\0\0\0\x10\0\0\0\5\0\0\0GNU\0" + b"\2\0\0\xc0\4\0\0\0\3\0\0\0\0\0\0\0"}


def test_start_code_of_one_version_of_the_c_library_only_is_that_library_and_no_flag() -> None:
    same = ENDBR + b"\x90" * 12
    published = elf({".text": same, **NOTE}, START)
    found = causes(published, elf({".text": same + b"\x90" * 8}, OLDER))
    assert next(iter(found)) == "libc-startfiles"
    assert "compiler-flags" not in found
    assert found["libc-startfiles"].severity is Severity.BEHAVIOUR
    assert (found["libc-startfiles"].evidence[0].published, found["libc-startfiles"].evidence[0].rebuilt) == (
        "(none)",
        "__libc_csu_init",
    )


def test_other_marks_in_the_code_beside_other_start_code_are_still_flags() -> None:
    marked = ENDBR * 4 + b"\x90" * 8
    found = causes(elf({".text": marked, **NOTE}, START), elf({".text": b"\x90" * 24}, OLDER))
    assert "compiler-flags" in found


def test_start_code_beside_another_compiler_is_left_to_the_compiler() -> None:
    sides = [
        elf({".text": b"\x90" * 24, ".comment": b"GCC: (Debian) %b\0" % version}, symbols)
        for version, symbols in ((b"12.2.0", START), (b"10.2.1", OLDER))
    ]
    found = causes(*sides)
    assert next(iter(found)) == "compiler-version"
    assert "libc-startfiles" not in found
