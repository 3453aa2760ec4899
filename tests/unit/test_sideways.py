"""Our own rungs below diffoscope, and the rows of the side-by-side view, on honest and on hostile input."""

import difflib
import json
import random
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rebuilder.compare.archive import elf_table
from rebuilder.compare.archive.layout import FormatError
from rebuilder.data import Held
from rebuilder.explain import sections, sideways, windows
from rebuilder.explain.sections import section_nodes
from rebuilder.explain.sideways import Line, blocks
from rebuilder.explain.windows import hex_node

PROGRAM = Path("/bin/true").resolve().read_bytes()


def of(*nodes, **root):
    return json.dumps({"source1": "a", "source2": "b", "unified_diff": None, "details": list(nodes), **root}).encode()


def node(diff, **changes):
    return {"source1": "cmd {}", "source2": "cmd {}", "unified_diff": diff, **changes}


def rows(diff, **bounds):
    (block,) = blocks(of(node(diff)), **bounds)
    return [(line.left_no, line.left, line.right_no, line.right, line.changed) for line in block.lines]


def test_removed_and_added_lines_stand_beside_each_other_whichever_comes_first():
    expected = [(3, "x", 5, "x", False), (4, "a", 6, "b", True), (5, "c", None, None, True), (6, "y", 7, "y", False)]
    assert rows("@@ -3,4 +5,3 @@\n x\n-a\n-c\n+b\n y\n") == expected
    assert rows("@@ -3,4 +5,3 @@\n x\n+b\n-a\n-c\n y\n") == expected


@pytest.mark.parametrize("seed", range(30))
def test_the_rows_hold_every_changed_line_of_a_real_diff_at_its_number(seed):
    chance = random.Random(seed)
    left = [chance.choice("abcde@-+\\") * chance.randrange(4) for _ in range(60)]
    right = [line for line in left if chance.random() > 0.1]
    right.insert(chance.randrange(len(right)), "@@ -1 +1 @@")
    diff = "".join(f"{line.rstrip(chr(10))}\n" for line in list(difflib.unified_diff(left, right, lineterm=""))[2:])
    found = rows(diff)
    for number, text, other, theirs, changed in found:
        assert number is None or left[number - 1] == text
        assert other is None or right[other - 1] == theirs
        assert changed or text == theirs
    gone = {number for number, *_, changed in found if changed}
    kept = [line for number, line in enumerate(left, 1) if number not in gone]
    assert [line for number, line in enumerate(right, 1) if number not in {row[2] for row in found if row[4]}] == kept


def test_runs_that_diffoscope_shortened_move_the_numbers_on():
    diff = "@@ -1,9 +1,3 @@\n-a\n-[ 6 lines removed ]\n-z\n+b\n x\n"
    assert rows(diff)[1:] == [
        (None, "[ 6 lines removed ]", None, None, True), (8, "z", None, None, True), (9, "x", 2, "x", False),
    ]  # fmt: skip


def test_a_missing_end_of_line_stays_on_its_side():
    assert rows("@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n") == [
        (1, "a", 1, "a", True), (None, "No newline at end of file", None, None, True),
    ]  # fmt: skip


def test_a_block_names_its_member_and_what_inside_of_it():
    inner = node(
        "@@ -1 +1 @@\n-a\n+b\n", source1="readelf --wide --sections {}", source2="readelf --wide --sections {}"
    )
    inner["comments"] = ["said"]
    outer = {"source1": "x", "source2": "x", "unified_diff": None, "rebuilder-member": ["data.tar.xz", "./x"]}
    (block,) = blocks(of({**outer, "details": [node(None, source1="in", source2="on", details=[inner])]}))
    assert block.member == ("data.tar.xz", "./x")
    assert block.title == "in | on / readelf --wide --sections"
    assert block.comments == ("said",)
    assert block.lines == (Line(1, "a", 1, "b", changed=True),)


def test_what_is_left_out_is_said_in_numbers():
    diff = "@@ -1,10 +1,10 @@\n" + "-a\n" * 10 + "+b\n" * 8
    first, rest = blocks(of(node(diff), node(diff), node(diff)), max_blocks=1, max_lines=4)
    assert (len(first.lines), first.truncated) == (4, 6)
    assert (rest.member, rest.title, rest.truncated) == ((), "2 more comparisons are not shown", 38)
    (context,) = blocks(of(node("@@ -1,9 +1,9 @@\n" + " c\n" * 9)), max_lines=2)
    assert (len(context.lines), context.truncated) == (2, 7)


def test_comments_past_the_bound_are_counted():
    (block,) = blocks(of(node("@@ -1 +1 @@\n-a\n+b\n", comments=[f"{n}" for n in range(30)])))
    assert block.comments == (*(f"{n}" for n in range(20)), "10 further comments of diffoscope are not shown")


@pytest.mark.parametrize(
    ("data", "title"),
    [(b"{", "the report is not readable JSON"), (b"[" * 10**6, "the report is not readable JSON"),
     (b"\xff", "the report is not readable JSON")],
)  # fmt: skip
def test_a_report_that_cannot_be_read_says_so(data, title):
    (block,) = blocks(data)
    assert block.title == title


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"5", b"null", b'{"details": 5}', b'{"details": [5, [], null]}', b'{"unified_diff": ["x"]}',
             b'{"comments": {"a": 1}}', b'{"details": [{"rebuilder-member": [1]}]}'],
)  # fmt: skip
def test_hostile_shapes_are_passed_over(data):
    assert blocks(data) == ()


def test_odd_diffs_never_raise_and_never_lose_count():
    chance = random.Random(7)
    pieces = ["-", "+", " ", "\\", "@@ -1,2 +3 @@", "@@ -9999999999999 +1 @@", "[ 5 lines removed ]", "\r", "x", "\n"]
    for _ in range(300):
        diff = "".join(chance.choice(pieces) + chance.choice(["\n", "", "y"]) for _ in range(40))
        for block in blocks(of(node(diff)), max_lines=5):
            assert len(block.lines) <= 5
            assert block.truncated <= diff.count("\n") + 1


def test_depth_and_number_of_nodes_are_bounded(monkeypatch):
    monkeypatch.setattr(sideways, "MAX_NODES", 100)
    found = blocks(of(*[node("@@ -1 +1 @@\n-a\n+b\n")] * 500), max_blocks=1000)
    assert found[-1].title == "the report has more than 100 parts; the rest was not read"
    deep = node("@@ -1 +1 @@\n-a\n+b\n")
    for _ in range(90):
        deep = node(None, details=[deep])
    assert blocks(of(deep)) == ()


def test_hex_windows_stand_around_the_first_differences():
    one = bytes(range(256)) * 40
    other = bytearray(one)
    other[5000] ^= 1
    other[9000] ^= 1
    shown = hex_node(Held(one), Held(bytes(other)))
    lines = shown["unified_diff"].split("\n")
    assert [line for line in lines if line.startswith("-")] == [
        "-00001380: 8081 8283 8485 8687 8889 8a8b 8c8d 8e8f  ................",
        "-00002320: 2021 2223 2425 2627 2829 2a2b 2c2d 2e2f   !\"#$%&'()*+,-./",
    ]
    assert sum(line.startswith("+") for line in lines) == 2
    assert [line for line in lines if line.startswith("@@")] == ["@@ -311,5 +311,5 @@", "@@ -561,5 +561,5 @@"]
    (block,) = blocks(of(shown))
    assert (block.truncated, sum(line.changed for line in block.lines)) == (0, 2)


def test_hex_windows_of_files_of_two_lengths_and_of_none():
    shown = hex_node(Held(b"a" * 32), Held(b"a" * 40))
    assert shown["unified_diff"] == (
        "@@ -1,2 +1,3 @@\n 00000000: 6161 6161 6161 6161 6161 6161 6161 6161  aaaaaaaaaaaaaaaa\n"
        " 00000010: 6161 6161 6161 6161 6161 6161 6161 6161  aaaaaaaaaaaaaaaa\n"
        "+00000020: 6161 6161 6161 6161                      aaaaaaaa\n"
    )
    assert hex_node(Held(b"a"), Held(b"a"))["comments"] == ["published 1 bytes, rebuilt 1 bytes", "no byte differs"]
    assert "-00000000: 61 " in hex_node(Held(b"a"), Held(b""))["unified_diff"]


def test_hex_windows_are_bounded_and_say_so(monkeypatch):
    one, other = bytes(1 << 20), b"".join(b"x" + bytes(199) for _ in range(5243))[: 1 << 20]
    shown = hex_node(Held(one), Held(other))
    assert shown["unified_diff"].count("@@ -") == windows.MAX_WINDOWS
    assert shown["comments"][1] == "only the first 12 places that differ are shown; there may be more"
    assert len(hex_node(Held(bytes(1 << 20)), Held(b"y" * (1 << 20)))["unified_diff"]) < 25_000
    monkeypatch.setattr(windows, "MAX_SCANNED", 1 << 20)
    late = hex_node(Held(bytes(3 << 20)), Held(bytes((3 << 20) - 1) + b"x"))
    assert late["comments"][1] == "no byte differs in the first 1048576 bytes"


def changed(name):
    """The program with the first byte of a section changed."""
    (found,) = (one for one in elf_table.table(Held(PROGRAM)).sections if one.name == name)
    data = bytearray(PROGRAM)
    data[found.offset] ^= 1
    return Held(bytes(data))


def test_the_section_that_differs_is_named_and_no_other():
    shown, _ = section_nodes(Held(PROGRAM), changed(b".rodata"))
    lines = [line for line in shown["unified_diff"].split("\n") if line[:1] in "-+" and line]
    assert [line.split()[0] for line in lines] == ["-.rodata", "+.rodata"]


def test_the_symbol_that_differs_is_named(tmp_path):
    program = Path(sys.executable).resolve().read_bytes()
    tables = elf_table.table(Held(program))
    symbols, _ = sections._symbols(Held(program), tables)
    name = next(row.split()[0] for row in symbols if " in .text " in row and "outside" not in row)
    kinds = (elf_table.SYMTAB, elf_table.DYNSYM)
    source = next(one for kind in kinds for one in tables.sections if one.type == kind)
    names = program[tables.sections[source.link].offset :]
    stored = Held(program[source.offset : source.offset + source.size])
    entry = next(e for e in sections._entries(tables, stored) if sections._text(names, e[0]) == name and e[1])
    text = tables.sections[entry[2]]
    data = bytearray(program)
    data[text.offset + entry[3] - text.address] ^= 1
    _, shown = section_nodes(Held(program), Held(bytes(data)))
    assert f"-{name} in .text" in shown["unified_diff"]
    assert f"+{name} in .text" in shown["unified_diff"]


def test_sections_that_only_claim_to_be_in_the_file_are_told_from_those_that_are():
    (start,) = struct.unpack_from("<Q", PROGRAM, 40)
    data = bytearray(PROGRAM)
    struct.pack_into("<Q", data, start + 64 + 24, 1 << 40)
    shown, _ = section_nodes(Held(PROGRAM), Held(bytes(data)))
    assert [row.endswith("outside the file") for row in shown["unified_diff"].split("\n")[1:3]] == [False, True]


def test_a_name_of_a_section_makes_up_no_row():
    data = PROGRAM.replace(b"\0.rodata\0", b"\0.a\n+bc\xe2\0", 1)
    shown, _ = section_nodes(Held(PROGRAM), Held(data))
    lines = [line for line in shown["unified_diff"].split("\n") if line[:1] == "+"]
    assert sorted(line.split()[0] for line in lines)[0] == r"+.a\n+bc\xe2"
    assert not any(line.startswith("+b") for line in lines)


def test_symbols_that_are_too_much_to_hash_say_so(monkeypatch):
    monkeypatch.setattr(sections, "MAX_SYMBOL_BYTES", 1)
    program = Held(Path(sys.executable).resolve().read_bytes())
    rows, _ = sections._symbols(program, elf_table.table(program))
    assert any(row.endswith(" not hashed: too much") for row in rows)


def test_equal_programs_say_that_no_row_differs():
    for shown in section_nodes(Held(PROGRAM), Held(PROGRAM)):
        assert (shown["unified_diff"], shown["comments"][-1]) == (None, "no row differs")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected an ELF header of 32 or 64 bits, found nothing"),
        (b"#!/bin/sh" + bytes(50), "expected an ELF header of 32 or 64 bits, found 23 21"),
        (PROGRAM[:30], "the ELF header is 64 bytes, the file has 30"),
        (PROGRAM[:5000], "section headers at offset [0-9]+ lie outside the 5000 bytes"),
        (PROGRAM[:58] + b"\x30\x00" + PROGRAM[60:], "section headers of 64 bytes, found 48"),
        (PROGRAM[:60] + b"\x05\x00\x09\x00" + PROGRAM[64:], "the names are said to be in section 9, there are 5"),
    ],
)  # fmt: skip
def test_what_is_no_sound_elf_is_refused_in_words(data, message):
    with pytest.raises(FormatError, match=message):
        section_nodes(Held(data), Held(PROGRAM))


def test_damaged_headers_never_raise_anything_else():
    chance = random.Random(3)
    (start,) = struct.unpack_from("<Q", PROGRAM, 40)
    for _ in range(300):
        data = bytearray(PROGRAM)
        for _ in range(4):
            at = chance.choice([chance.randrange(64), chance.randrange(start, len(PROGRAM))])
            data[at] = chance.randrange(256)
        try:
            assert len(section_nodes(Held(bytes(data)), Held(PROGRAM))) == 2
        except FormatError:
            continue


def test_sections_that_all_name_the_same_bytes_cost_them_once():
    tables = elf_table.table(Held(PROGRAM))
    many = replace(tables, sections=tables.sections * 50)
    rows_of = sections._rows(Held(PROGRAM), many, 2 * len(PROGRAM))
    assert any("not hashed: the sections overlap" in row for row in rows_of)
