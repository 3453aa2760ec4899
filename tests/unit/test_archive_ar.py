"""The reader for ar: what real tools write, what is broken, and that no byte is left out."""

import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuilder.compare.archive.ar import AR
from rebuilder.compare.archive.layout import Budget, BudgetError, FormatError, tiled
from rebuilder.data import Held


def read(data):
    def never(_pieces):
        raise AssertionError("an ar is not unpacked")

    layout = AR.read(Held(data), Budget(entry=lambda: None, check=lambda: None, spool=never))
    return tiled(layout, len(data))


def contents(data, layout):
    return {entry.name: data[entry.at : entry.at + entry.size] for entry in layout.entries}


def fields_of(data, layout, stretch):
    raw = data[stretch.at : stretch.at + stretch.size]
    fields = layout.fields(stretch.name, raw)
    assert b"".join(one.raw for one in fields) == raw
    return {one.name: one for one in fields}


def header(name, size, *, mtime=b"0", end=b"`\n"):
    return b"%-16s%-12s%-6d%-6d%-8s%-10d%b" % (name, mtime, 0, 0, b"100644", size, end)


def member(name, content, **more):
    return header(name, len(content), **more) + content + b"\n" * (len(content) % 2)


def archive(*members):
    return b"!<arch>\n" + b"".join(members)


DEB = archive(
    member(b"debian-binary", b"2.0\n", mtime=b"1700000000"),
    member(b"control.tar.xz", b"control"),
    member(b"data.tar.xz", b"data data data"),
)
LONG = archive(
    member(b"/", b"\0\0\0\0"),
    member(b"//", b"a-name-longer-than-fifteen.o/\nanother-name-longer.o/\n"),
    member(b"/0", b"one"),
    member(b"/30", b"two!"),
    member(b"short.o/", b""),
)
BSD = archive(member(b"#1/20", b"a long bsd name.o\0\0\0content"), member(b"plain", b"x"))


def test_the_members_of_a_deb_have_names_without_padding_and_lie_where_dpkg_put_them():
    layout = read(DEB)
    assert contents(DEB, layout) == {
        b"debian-binary": b"2.0\n",
        b"control.tar.xz": b"control",
        b"data.tar.xz": b"data data data",
    }
    assert [one.name for one in layout.entries[1].stretches] == ["header", "padding"]
    assert [one.name for one in layout.stretches] == ["magic"]
    assert layout.remarks == ()


def test_the_fields_of_a_header_are_told_in_words():
    layout = read(DEB)
    fields = fields_of(DEB, layout, layout.entries[0].stretches[0])
    assert {name: one.value for name, one in fields.items()} == {
        "name": "debian-binary",
        "mtime": "2023-11-14T22:13:20Z",
        "uid": "0",
        "gid": "0",
        "mode": "100644",
        "size": "4",
        "end": "`\n",
    }
    assert [name for name, one in fields.items() if one.implied] == ["size"]


def test_a_size_spelled_in_another_way_does_not_count_as_implied():
    odd = DEB.replace(b"%-10d" % 14, b"0000000014")
    layout = read(odd)
    size = fields_of(odd, layout, layout.entries[2].stretches[0])["size"]
    assert (size.value, size.implied) == ("14", False)


def test_long_names_come_out_of_the_table_of_gnu():
    layout = read(LONG)
    assert contents(LONG, layout) == {
        b"/": b"\0\0\0\0",
        b"//": b"a-name-longer-than-fifteen.o/\nanother-name-longer.o/\n",
        b"a-name-longer-than-fifteen.o": b"one",
        b"another-name-longer.o": b"two!",
        b"short.o": b"",
    }
    assert [one.kind for one in layout.entries] == ["symbol table", "long names", "file", "file", "file"]


def test_long_names_of_bsd_are_no_part_of_the_content():
    layout = read(BSD)
    assert contents(BSD, layout) == {b"a long bsd name.o": b"content", b"plain": b"x"}
    name = fields_of(BSD, layout, layout.entries[0].stretches[1])["long name"]
    assert (name.value, len(name.raw)) == ("a long bsd name.o", 20)


def test_a_static_library_reads_as_ar_itself_reads_it(tmp_path):
    names = ["a.o", "a-name-that-is-longer-than-the-field.o", "umlaut-\xe4\xf6\xfc-also-a-longer-name.o"]
    for at, name in enumerate(names):
        (tmp_path / name).write_bytes(b"x" * (at + 1))
    subprocess.run(["ar", "qcU", "lib.a", *names], cwd=tmp_path, check=True)
    data = (tmp_path / "lib.a").read_bytes()
    layout = read(data)
    files = [one for one in layout.entries if one.kind == "file"]
    listed = subprocess.run(["ar", "t", "lib.a"], cwd=tmp_path, check=True, capture_output=True).stdout
    assert b"\n".join(one.name for one in files) + b"\n" == listed
    for one in files:
        printed = subprocess.run(["ar", "p", "lib.a", one.name], cwd=tmp_path, check=True, capture_output=True).stdout
        assert data[one.at : one.at + one.size] == printed
    assert layout.remarks == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"!<thin>\n" + header(b"a/", 4), "a thin archive: its members are in other files"),
        (archive(header(b"a", 4, end=b"xx") + b"1234"), "expected the header of a member at offset 8, found one that"),
        (archive(header(b"a", 4).replace(b"4 ", b"-4") + b"1234"), "expected a decimal size in the header at offset 8"),
        (archive(header(b"a", 10**9) + b"1234"), "claims 1000000000 bytes, the file has 4 left"),
        (archive(member(b"/7", b"x")), "names offset 7 in a table of 0 bytes"),
        (archive(member(b"//", b"a/\n"), member(b"/3", b"x")), "names offset 3 in a table of 3 bytes"),
        (archive(member(b"#1/9", b"x")), "expected the length of a name within the member at offset 8"),
        (archive(member(b"#1/x", b"x")), "expected the length of a name within the member at offset 8"),
        (archive(member(b"//", b"n" * 9000), member(b"/0", b"x")), "a name of more than 4096 bytes"),
    ],
)
def test_what_is_no_sound_archive_is_refused_with_the_place(data, message):
    assert AR.recognises(data[:4096], len(data))
    with pytest.raises(FormatError, match=message):
        read(data)


def test_bytes_after_the_last_member_are_a_gap_and_a_remark():
    layout = read(DEB + b"after")
    assert layout.remarks == (f"5 bytes after the last member, at offset {len(DEB)}",)
    assert [(one.name, one.at, one.size) for one in layout.stretches][1:] == [("gap", len(DEB), 5)]


def test_a_name_that_comes_twice_is_a_remark():
    layout = read(archive(member(b"a\n", b"1"), member(b"a\n", b"2")))
    assert layout.remarks == ("1 members have a name that occurred before; the first is a\n",)


def test_an_odd_last_member_without_padding_is_read_and_remarked():
    layout = read(archive(header(b"a", 3) + b"abc"))
    assert layout.remarks == ("the last member, at offset 8, is not padded to an even size",)


@pytest.mark.parametrize("whole", [DEB, LONG, BSD])
def test_an_archive_cut_off_anywhere_is_refused_or_read_in_full(whole):
    refused = []
    for size in range(8, len(whole)):
        try:
            read(whole[:size])
        except FormatError as err:
            refused.append(str(err))
    assert refused
    assert all("offset" in message for message in refused)


@given(st.sampled_from([DEB, LONG, BSD]), st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=6)), max_size=4))
def test_bytes_changed_anywhere_never_raise_anything_else(whole, changes):
    data = bytearray(whole)
    for at, patch in changes:
        at %= len(data)
        data[at : at + max(1, len(patch) - 1)] = patch or b"\0"
    try:
        layout = read(bytes(data))
    except (FormatError, BudgetError):
        return
    for stretch in [*layout.stretches, *(one for entry in layout.entries for one in entry.stretches)]:
        fields_of(bytes(data), layout, stretch)


def test_a_hundred_thousand_members_with_names_in_a_large_table_are_read_quickly():
    table = b"//".ljust(16), b"n" * 4000 + b"/\n"
    data = archive(
        member(table[0].rstrip(), table[1] * 10), *(member(b"/%d" % (at % 40000), b"") for at in range(10**5))
    )
    started = time.monotonic()
    assert len(read(data).entries) == 100_001
    assert time.monotonic() - started < 8
