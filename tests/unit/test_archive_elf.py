"""The ELF reader and the questions to sections, against binutils and files gcc made here."""

import contextlib
import glob
import os
import re
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.compare.archive.elf import ELF
from rebuilder.compare.archive.elf_symbols import (
    build_id,
    comment,
    debuglink,
    nearest_symbol,
    notes,
    section,
    sections,
)
from rebuilder.compare.archive.layout import Budget, BudgetError, FormatError, tiled
from rebuilder.data import Held

BUDGET = Budget(lambda: None, lambda: None, lambda pieces: Held(b"".join(pieces)))
SOURCE = """
int table[64] = {1, 2, 3};
int zeros[1000];
__attribute__((noinline)) int twice(int x) { return 2 * x + table[x & 63]; }
int main(int argc, char **argv) { (void)argv; return twice(argc) + zeros[argc]; }
"""


def run(*argv, cwd=None) -> str:
    return subprocess.run(argv, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("elf")
    (folder / "m.c").write_text(SOURCE)
    run("gcc", "-O1", "-Wl,--build-id=sha1", "-o", "plain", "m.c", cwd=folder)
    run("gcc", "-O1", "-g", "-o", "debug", "m.c", cwd=folder)
    run("gcc", "-O1", "-ffunction-sections", "-c", "-o", "m.o", "m.c", cwd=folder)
    run("gcc", "-O1", "-shared", "-fPIC", "-o", "lib.so", "m.c", cwd=folder)
    run("objcopy", "--only-keep-debug", "debug", "debug.dbg", cwd=folder)
    run("strip", "-o", "stripped", "debug", cwd=folder)
    run("objcopy", "--add-gnu-debuglink=debug.dbg", "stripped", "linked", cwd=folder)
    run("strip", "-o", "lib-stripped.so", "lib.so", cwd=folder)
    return folder


NAMES = ["plain", "debug", "m.o", "lib.so", "debug.dbg", "stripped", "linked", "lib-stripped.so"]


def read(raw: bytes):
    return tiled(ELF.read(Held(raw), BUDGET), len(raw))


def covered(layout, raw: bytes) -> None:
    """Every byte once, and the fields of each stretch are its bytes."""
    parts = sorted((one.at, one.size) for one in [*layout.stretches, *layout.entries] if one.size)
    assert b"".join(raw[at : at + size] for at, size in parts) == raw
    for one in layout.stretches:
        found = layout.fields(one.name, raw[one.at : one.at + one.size])
        assert b"".join(field.raw for field in found) == raw[one.at : one.at + one.size]


@pytest.mark.parametrize("name", NAMES)
def test_sections_are_the_ones_readelf_shows(built, name):
    raw = (built / name).read_bytes()
    layout = read(raw)
    covered(layout, raw)
    shown = re.findall(
        r"^\s*\[ *(\d+)\] (\S+) +(\S+) +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ",
        run("readelf", "-SW", str(built / name)),
        re.M,
    )
    mine = [(s.name.decode(), s.address, s.offset, s.size) for s in sections(Held(raw))]
    assert [(n, int(a, 16), int(o, 16), int(s, 16)) for _, n, _, a, o, s in shown if n != "NULL"] == mine
    assert [entry.name.decode() for entry in layout.entries] == [one[0] for one in mine]
    kinds = {entry.name: (entry.kind, entry.size) for entry in layout.entries}
    assert kinds[b".bss"] == ("nobits", 0)
    assert not any(entry.synthetic for entry in layout.entries)


@pytest.mark.parametrize("pattern", ["/usr/lib/x86_64-linux-gnu/lib[a-c]*.so*", "/usr/bin/[a-c]*"])
def test_real_files_of_the_host_are_taken_apart_whole(pattern):
    seen = 0
    for name in sorted({os.path.realpath(one) for one in glob.glob(pattern)}):
        if not os.path.isfile(name) or os.path.getsize(name) > 4_000_000:
            continue
        raw = Path(name).read_bytes()
        if ELF.recognises(raw[:4096], len(raw)):
            covered(read(raw), raw)
            seen += 1
    assert seen > 5


def test_header_fields_are_named_after_their_section_and_only_places_in_the_file_are_implied(built):
    raw = (built / "plain").read_bytes()
    layout = read(raw)
    at = {one.name: one for one in layout.stretches}

    def fields(name):
        one = at[name]
        return {field.name: field for field in layout.fields(name, raw[one.at : one.at + one.size])}

    table = fields("section headers")
    address = next(one.address for one in sections(Held(raw)) if one.name == b".text")
    assert table[".text.sh_addr"].value == f"0x{address:x}"
    assert table[".text.sh_offset"].implied
    # Nothing else in the file shows that an address was changed.
    assert not table[".text.sh_addr"].implied
    assert not table[".text.sh_flags"].implied
    header = fields("elf header")
    assert header["e_type"].value == "shared object"
    assert header["e_shoff"].implied
    assert not header["e_entry"].implied
    assert not header["e_type"].implied
    assert fields("program headers")["0.p_type"].value == "0x6"


def test_the_nearest_symbol_is_the_one_nm_shows(built):
    for name in ("plain", "debug", "lib.so"):
        data = Held((built / name).read_bytes())
        symbols = {
            line.split()[2]: int(line.split()[0], 16)
            for line in run("nm", "--defined-only", str(built / name)).splitlines()
        }
        text = next(one for one in sections(data) if one.name == b".text")
        assert nearest_symbol(data, ".text", symbols["main"] - text.address) == "main"
        assert nearest_symbol(data, ".text", symbols["main"] - text.address + 2) == "main+0x2"
        assert nearest_symbol(data, b".text", symbols["twice"] - text.address + 1) == "twice+0x1"
        place = next(one for one in sections(data) if one.name == b".data")
        assert nearest_symbol(data, ".data", symbols["table"] - place.address + 8) == "table+0x8"


def test_an_object_and_a_stripped_library_have_names_too(built):
    assert nearest_symbol(Held((built / "m.o").read_bytes()), ".text.main", 3) == "main+0x3"
    library = Held((built / "lib-stripped.so").read_bytes())
    text = next(one for one in sections(library) if one.name == b".text")
    shown = re.search(r"([0-9a-f]+) T twice", run("nm", "-D", str(built / "lib-stripped.so")))
    assert nearest_symbol(library, ".text", int(shown[1], 16) - text.address + 1) == "twice+0x1"
    # Code before the first exported function has no name any more.
    assert nearest_symbol(library, ".text", 0) == ""


def test_nothing_is_said_where_nothing_is_known(built):
    stripped = Held((built / "stripped").read_bytes())
    text = next(one for one in sections(stripped) if one.name == b".text")
    assert nearest_symbol(stripped, ".text", text.size - 1) == ""
    assert nearest_symbol(stripped, ".no-such", 0) == ""
    assert nearest_symbol(stripped, ".comment", 0) == ""
    assert nearest_symbol(stripped, ".text", -1) == ""
    assert section(stripped, ".no-such") is None
    assert section(stripped, ".bss") is None


def test_the_second_section_of_a_name_is_found_as_findings_name_it(tmp_path):
    (tmp_path / "g.s").write_text(
        '.section .text.same,"axG",@progbits,one,comdat\n.globl first\nfirst: nop\n nop\n'
        '.section .text.same,"axG",@progbits,two,comdat\n.globl second\nsecond: nop\n nop\n nop\n'
    )
    run("gcc", "-c", "-o", "g.o", "g.s", cwd=tmp_path)
    data = Held((tmp_path / "g.o").read_bytes())
    assert nearest_symbol(data, ".text.same", 1) == "first+0x1"
    assert nearest_symbol(data, ".text.same\\#2", 2) == "second+0x2"
    assert section(data, ".text.same\\#2").size == 3


def test_build_id_comment_and_debuglink_are_what_binutils_shows(built):
    data = Held((built / "linked").read_bytes())
    plain = Held((built / "plain").read_bytes())
    shown = run("readelf", "-n", str(built / "plain"))
    assert build_id(plain) == re.search(r"Build ID: ([0-9a-f]+)", shown)[1]
    assert ("GNU", 3) in notes(plain)
    assert ("GNU", 1) in notes(plain)
    assert any(one.startswith("GCC: (") for one in comment(plain))
    name, crc = debuglink(data)
    raw = section(data, b".gnu_debuglink").read(0, 100)
    assert (name, crc) == ("debug.dbg", int.from_bytes(raw[-4:], "little"))
    assert debuglink(plain) is None
    assert build_id(Held((built / "m.o").read_bytes())) == ""


def made(order: str, wide: bool, *, body=b"CODE", flaw="") -> bytes:
    """A small file by hand: header, ``.text``, the names, three section headers."""
    w = "Q" if wide else "I"
    size = 64 if wide else 52
    names = b"\0.text\0.shstrtab\0"
    table_at = size + len(body) + len(names)
    row = struct.Struct(order + "II" + w * 4 + "II" + w * 2)
    names_at = size + len(body) - (2 if flaw == "overlap" else 0)
    rows = [(0,) * 10, (1, 1, 6, 0x1000, size, len(body), 0, 0, 1, 0), (7, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)]
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    head = struct.pack(order + "HHI" + w * 3 + "IHHHHHH", 2, 21, 1, 0x1000, 0, table_at, 0, size, 0, 0, row.size, 3, 2)
    return ident + head + body + names + b"".join(row.pack(*one) for one in rows)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("wide", [True, False])
def test_both_classes_and_both_byte_orders_are_read(order, wide):
    raw = made(order, wide)
    layout = read(raw)
    covered(layout, raw)
    assert [(one.name, one.size) for one in layout.entries] == [(b".text", 4), (b".shstrtab", 17)]
    table = next(one for one in layout.stretches if one.name == "section headers")
    found = {one.name: one.value for one in layout.fields("section headers", raw[table.at : table.at + table.size])}
    assert found[".text.sh_addr"] == "0x1000"


def test_sections_that_overlap_are_refused():
    raw = made("<", True, body=b"C" * 20, flaw="overlap")
    with pytest.raises(FormatError, match="overlaps what lies before it"):
        read(raw)


def test_without_section_headers_the_segments_are_the_members(built):
    raw = bytearray((built / "plain").read_bytes())
    struct.pack_into("<Q", raw, 40, 0)
    struct.pack_into("<HH", raw, 60, 0, 0)
    layout = read(bytes(raw))
    covered(layout, bytes(raw))
    assert all(re.fullmatch(rb"segment \d+", entry.name) for entry in layout.entries)
    assert len(layout.entries) >= 2
    assert layout.remarks == ("there are no section headers; segments are compared",)
    assert build_id(Held(bytes(raw))) == build_id(Held((built / "plain").read_bytes()))


@pytest.mark.parametrize(
    ("offset", "form", "value", "told"),
    [
        (40, "<Q", 1 << 60, "section headers at offset .* lie outside"),
        (60, "<H", 60000, "60000 section headers at offset"),
        (58, "<H", 63, "expected section headers of 64 bytes, found 63"),
        (62, "<H", 9, "the names are said to be in section 9, there are 3"),
        (4, "<B", 7, "expected an ELF header of 32 or 64 bits"),
    ],
)
def test_broken_tables_are_refused_in_words(offset, form, value, told):
    raw = bytearray(made("<", True))
    struct.pack_into(form, raw, offset, value)
    with pytest.raises(FormatError, match=told):
        read(bytes(raw))


def test_three_hundred_thousand_symbols_are_searched_without_an_object_for_each():
    rows = b"".join(struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x1000 + 4 * at, 4) for at in range(300_000))
    names, strings = b"\0.text\0.symtab\0.strtab\0", b"\0name\0"
    text = bytes(16)
    head = 64
    at = [head, head + len(text), head + len(text) + len(rows), head + len(text) + len(rows) + len(strings)]
    row = struct.Struct("<IIQQQQIIQQ")
    table = b"".join(
        row.pack(*one)
        for one in [
            (0,) * 10,
            (1, 1, 6, 0x1000, at[0], len(text), 0, 0, 1, 0),
            (7, 2, 0, 0, at[1], len(rows), 3, 1, 8, 24),
            (15, 3, 0, 0, at[2], len(strings), 0, 0, 1, 0),
            (1, 3, 0, 0, at[3], len(names), 0, 0, 1, 0),
        ]
    )
    shoff = at[3] + len(names)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, shoff, 0, 64, 0, 0, 64, 5, 4)
    raw = header + text + rows + strings + names + table
    assert nearest_symbol(Held(raw), ".text", 9) == "name+0x1"


SMALL = [made("<", True), made(">", False), made(">", True, body=b"x" * 40)]


def questions(data) -> None:
    notes(data), comment(data), debuglink(data), build_id(data)
    for one in sections(data)[:20]:
        nearest_symbol(data, one.name, 3)


def damaged(raw: bytes, edits) -> None:
    bent = bytearray(raw)
    for place, cut, put in edits:
        at = place % (len(bent) + 1)
        bent[at : at + cut] = put
    mended = bytes(bent)
    # Any other exception fails the test.
    with contextlib.suppress(FormatError, BudgetError):
        covered(read(mended), mended)
    with contextlib.suppress(FormatError):
        questions(Held(mended))


EDITS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 4), st.binary(max_size=8)), min_size=1, max_size=5)


@settings(max_examples=300, deadline=None)
@given(seed=st.sampled_from(SMALL), edits=EDITS)
def test_any_damage_to_a_small_file_is_read_or_refused_in_words(seed, edits):
    damaged(seed, edits)


@settings(max_examples=100, deadline=None)
@given(edits=EDITS, name=st.sampled_from(NAMES), tail=st.booleans())
def test_any_damage_to_a_real_file_is_read_or_refused_in_words(built, edits, name, tail):
    raw = (built / name).read_bytes()
    # Half of the damage goes to the end, where the section headers lie.
    damaged(raw, [(len(raw) - 1 - place % 4096 if tail else place, cut, put) for place, cut, put in edits])
