"""The reader for tar: every dialect that real tools write, checked against them; what is broken; no byte left out."""

import io
import os
import subprocess
import tarfile
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.compare.archive.layout import Budget, BudgetError, FormatError, tiled
from rebuilder.compare.archive.tar import TAR
from rebuilder.data import Held

END = bytes(1024)


def read(data, **more):
    def never(_pieces):
        raise AssertionError("a tar is not unpacked")

    budget = Budget(**{"entry": lambda: None, "check": lambda: None, "spool": never, **more})
    return tiled(TAR.read(Held(data), budget), len(data))


def contents(data, layout):
    return {entry.name: data[entry.at : entry.at + entry.size] for entry in layout.entries}


def fields_of(data, layout, stretch):
    raw = bytes(data[stretch.at : stretch.at + stretch.size])
    fields = layout.fields(stretch.name, raw)
    assert b"".join(one.raw for one in fields) == raw
    return {one.name: one for one in fields}


def stretches(layout):
    return [*layout.stretches, *(one for entry in layout.entries for one in entry.stretches)]


def resealed(block):
    """The header with its checksum put right."""
    total = sum(block[:148]) + 8 * 32 + sum(block[156:512])
    return block[:148] + b"%06o\0 " % total + block[156:]


def header(name=b"a", size=b"%011o\0" % 0, typeflag=b"0", magic=b"ustar\x0000"):
    block = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size + b"%011o\0" % 1700000000
    return resealed((block + bytes(8) + typeflag + bytes(100) + magic).ljust(512, b"\0"))


def padded(content):
    return content + bytes(-len(content) % 512)


def member(name, content=b"", typeflag=b"0", **more):
    return header(name, b"%011o\0" % len(content), typeflag, **more) + padded(content)


def tar_of(files, form=tarfile.USTAR_FORMAT, **more):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, **more) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname = len(content), 1700000000, "root"
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PLAIN = tar_of({"./a": b"first", "./b": b"x" * 512, "./empty": b""})
LONG = "a-folder-with-a-long-name/" * 9 + "file"
PAX = tar_of({LONG: b"pax", "näme\n": b"two"}, tarfile.PAX_FORMAT, pax_headers={"comment": "of all"})
GNU = tar_of({LONG: b"gnu", "short": b"two"}, tarfile.GNU_FORMAT)
SPARSE_MAP = b"".join(b"%011o\0" % number for number in (0, 512, 10240, 512))


def old_gnu_sparse():
    block = bytearray(header(b"sparse", b"%011o\0" % 1024, b"S", b"ustar  \0"))
    block[386 : 386 + len(SPARSE_MAP)] = SPARSE_MAP
    block[482] = 1
    block[483:495] = b"%011o\0" % 99999
    more = SPARSE_MAP.ljust(504, b"\0") + b"\1" + bytes(7) + bytes(512)
    return resealed(bytes(block)) + more + b"d" * 1024 + member(b"after", b"x") + END


def as_tarfile_reads(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = []
        for one in archive:
            name = one.name.encode("utf-8", "surrogateescape")
            found.append((name, one.offset_data, one.size if one.isreg() and not one.issparse() else 0))
        return found


def as_we_read(layout, sparse=()):
    """Names as `tarfile` gives them: no slash at the end."""
    return [
        (one.name.rstrip(b"/"), one.at, one.size if one.kind == "file" and one.name not in sparse else 0)
        for one in layout.entries
    ]


@pytest.mark.parametrize("data", [PLAIN, PAX, GNU], ids=["ustar", "pax", "gnu"])
def test_names_and_places_are_those_that_tarfile_sees(data):
    assert TAR.recognises(data[:4096], len(data))
    layout = read(data)
    assert as_we_read(layout) == as_tarfile_reads(data)
    assert layout.remarks == ()
    assert layout.stretches[-1].name == "end of archive"
    assert not [one for one in stretches(layout) if one.name == "gap"]


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_archives_of_gnu_tar_are_read_as_tarfile_reads_them(tmp_path, form):
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder" / "file").write_bytes(b"content" * 100)
    os.link(tree / "folder" / "file", tree / "hard")
    os.symlink("folder/file", tree / "soft")
    os.mkfifo(tree / "fifo")
    (tree / "empty").write_bytes(b"")
    (tree / "new\nline").write_bytes(b"1")
    (tree / os.fsdecode(b"not-utf8-\xff")).write_bytes(b"2")
    if form in ("gnu", "posix", "oldgnu"):
        (tree / ("long-" * 40)).write_bytes(b"3")
        os.symlink("target-" * 30, tree / "long-link")
    # v7 has no types for fifos, so tar leaves it out with a warning and another exit status.
    command = ["tar", "--sort=name", f"--format={form}", "-cf", "a.tar", "tree"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True)
    assert done.returncode == (2 if form == "v7" else 0), done.stderr
    data = (tmp_path / "a.tar").read_bytes()
    assert TAR.recognises(data[:4096], len(data))
    layout = read(data)
    assert as_we_read(layout) == as_tarfile_reads(data)
    assert layout.remarks == ()
    kinds = {one.name.removeprefix(b"tree/"): one.kind for one in layout.entries}
    assert kinds[b"folder/"] == "directory"
    assert kinds[b"soft"] == "symlink"
    assert sorted(kinds.values()).count("hard link") == 1
    for stretch in stretches(layout):
        fields_of(data, layout, stretch)


@pytest.mark.parametrize("form", [("gnu", "0.0"), ("posix", "0.0"), ("posix", "0.1"), ("posix", "1.0")])
def test_sparse_files_of_gnu_tar_are_read_with_the_members_after_them(tmp_path, form):
    with open(tmp_path / "sparse", "wb") as file:
        for at in range(40):
            file.seek(at * 1_000_000)
            file.write(b"x" * 4096)
        file.truncate(100_000_000)
    (tmp_path / "then").write_bytes(b"after")
    command = [
        "tar",
        f"--format={form[0]}",
        "--sparse",
        f"--sparse-version={form[1]}",
        "-cf",
        "a.tar",
        "sparse",
        "then",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    data = (tmp_path / "a.tar").read_bytes()
    assert len(data) < 1_000_000
    layout = read(data)
    assert [one.name for one in layout.entries] == [b"sparse", b"then"]
    assert contents(data, layout)[b"then"] == b"after"
    assert data[layout.entries[0].at :][: layout.entries[0].size].count(b"x") == 40 * 4096
    assert layout.remarks == ()
    if form[0] == "gnu":
        assert [one.name for one in layout.entries[0].stretches] == ["header", "sparse map"]


def test_the_map_of_an_old_gnu_sparse_file_is_a_stretch_of_its_own():
    data = old_gnu_sparse()
    layout = read(data)
    assert contents(data, layout) == {b"sparse": b"d" * 1024, b"after": b"x"}
    header_of, sparse_map = layout.entries[0].stretches
    assert (sparse_map.name, sparse_map.at, sparse_map.size) == ("sparse map", 512, 1024)
    fields = fields_of(data, layout, header_of)
    assert fields["gnu.realsize"].value == str(0o303237)
    assert fields["gnu.sparse"].raw.startswith(SPARSE_MAP)
    with pytest.raises(FormatError, match="the map of a sparse file is cut off at offset 1024"):
        read(data[:1024])


def test_the_fields_of_a_header_are_told_in_words():
    layout = read(PLAIN)
    fields = fields_of(PLAIN, layout, layout.entries[0].stretches[0])
    shown = {name: one.value for name, one in fields.items()}
    assert shown.pop("checksum") == f"{int(PLAIN[148:154], 8):o}"
    assert shown == {
        "name": "./a",
        "mode": "0644",
        "uid": "0",
        "gid": "0",
        "size": "5",
        "size end": "00",
        "mtime": "2023-11-14T22:13:20Z",
        "checksum end": "00 20",
        "typeflag": "0",
        "linkname": "",
        "magic": "ustar",
        "version": "00",
        "uname": "root",
        "gname": "",
        "devmajor": "0",
        "devminor": "0",
        "prefix": "",
        "rest": "12 zero bytes",
    }
    assert [name for name, one in fields.items() if one.implied] == ["size", "checksum"]


def test_the_records_of_a_pax_header_are_fields_with_every_digit_of_a_time():
    payload = (
        b"22 mtime=1700000000.5\n" + b"30 atime=1700000000.500000001\n" + b"7 a=\xffb\n" + b"19 path=dir/a\nname\n"
    )
    data = header(b"PaxHeaders/a", b"%011o\0" % len(payload), b"x") + padded(payload) + member(b"a", b"c") + END
    layout = read(data)
    assert layout.entries[0].name == b"dir/a\nname"
    pax, own = layout.entries[0].stretches[:2]
    assert (pax.name, pax.at, pax.size, own.name) == ("pax header", 0, 1024, "header")
    fields = fields_of(data, layout, pax)
    assert fields["pax.mtime"].value == "2023-11-14T22:13:20 +0.5 s"
    assert fields["pax.atime"].value == "2023-11-14T22:13:20 +0.500000001 s"
    assert fields["pax.a"].value == "\\xffb"
    assert fields["pax.path"].raw == b"19 path=dir/a\nname\n"
    assert fields["pax.header.name"].value == "PaxHeaders/a"
    assert fields["pax.padding"].value.endswith("zero bytes")


def test_a_global_pax_header_belongs_to_the_archive():
    layout = read(PAX)
    assert [one.name for one in layout.stretches] == ["global pax header", "end of archive"]
    assert fields_of(PAX, layout, layout.stretches[0])["pax.comment"].value == "of all"


def test_a_gnu_long_name_is_a_stretch_with_its_own_header():
    layout = read(GNU)
    assert layout.entries[0].name == LONG.encode()
    fields = fields_of(GNU, layout, layout.entries[0].stretches[0])
    assert fields["long name"].value == LONG
    assert fields["long name.header.name"].value == "././@LongLink"


def test_a_size_that_pax_gives_is_believed_and_that_of_the_header_then_not_implied():
    record = b"10 size=3\n"
    data = header(b"x", b"%011o\0" % len(record), b"x") + padded(record)
    data += header(b"a", b"%011o\0" % 9999) + padded(b"abc") + member(b"b") + END
    layout = read(data)
    assert contents(data, layout) == {b"a": b"abc", b"b": b""}
    assert not fields_of(data, layout, layout.entries[0].stretches[1])["size"].implied
    assert fields_of(data, layout, layout.entries[1].stretches[0])["size"].implied


def test_a_binary_size_is_read():
    data = header(b"a", b"\x80" + (3).to_bytes(11, "big")) + padded(b"abc") + END
    layout = read(data)
    assert contents(data, layout) == {b"a": b"abc"}
    size = fields_of(data, layout, layout.entries[0].stretches[0])["size"]
    assert (size.value, size.implied) == ("3", False)  # small numbers are written in octal


def test_a_size_of_pax_may_have_zeros_before_it():
    data = extended(b"30 size=000000000000000000003\n") + header(b"a") + padded(b"abc") + END
    assert contents(data, read(data)) == {b"a": b"abc"}


def test_numbers_as_npm_writes_them_are_implied_and_what_ends_them_is_a_field_of_its_own():
    block = header(b"a", b"%010o \0" % 3)
    data = block[:154] + b" \0" + block[156:] + padded(b"abc") + END
    layout = read(data)
    fields = fields_of(data, layout, layout.entries[0].stretches[0])
    assert [name for name, one in fields.items() if one.implied] == ["size", "checksum"]
    assert [fields[name].value for name in ("size", "size end", "checksum end")] == ["3", "20 00", "20 00"]


def test_a_size_in_another_spelling_is_not_implied():
    data = header(b"a", b"%11o " % 3) + padded(b"abc") + END
    layout = read(data)
    size = fields_of(data, layout, layout.entries[0].stretches[0])["size"]
    assert (size.value, size.implied) == ("3", False)


def test_a_checksum_of_signed_bytes_is_accepted_and_not_implied():
    block = header(b"name-\xff\xfe")
    signed = int(block[148:154], 8) - 512
    data = block[:148] + b"%06o\0 " % signed + block[156:] + END
    layout = read(data)
    checksum = fields_of(data, layout, layout.entries[0].stretches[0])["checksum"]
    assert (checksum.value, checksum.implied) == (f"{signed:o} (of signed bytes)", False)


def test_a_header_without_magic_is_of_v7_and_ends_in_a_slash_for_a_directory():
    data = member(b"dir/", typeflag=b"\0", magic=bytes(8)) + member(b"f", b"x", b"\0", magic=bytes(8)) + END
    assert TAR.recognises(data[:4096], len(data))
    assert [(one.name, one.kind) for one in read(data).entries] == [(b"dir/", "directory"), (b"f", "file")]


@pytest.mark.parametrize("head", [bytes(512), b"", b"text" * 200, bytes(511), os.urandom(256) + bytes(700)])
def test_what_is_no_tar_is_not_recognised(head):
    assert not TAR.recognises(head, len(head))


def test_archives_one_after_the_other_are_read_with_a_remark():
    data = PLAIN + GNU
    layout = read(data)
    assert [one.name for one in layout.entries] == [b"./a", b"./b", b"./empty", LONG.encode(), b"short"]
    assert layout.remarks == (f"2 members after the end of an archive, at offset {len(PLAIN)}",)
    assert [one.name for one in layout.stretches] == ["end of archive", "end of archive"]


@pytest.mark.parametrize(
    "after", [b"x", b"y" * 3000, member(b"whole") + b"broken" * 100, header(b"a", b"%011o\0" % 99999)]
)
def test_anything_else_after_the_end_is_a_gap_and_a_remark(after):
    layout = read(PLAIN + after)
    assert [one.name for one in layout.entries] == [b"./a", b"./b", b"./empty"]
    assert len(layout.remarks) == 1
    assert layout.remarks[0].startswith(f"{len(after)} bytes after the end of the archive, at offset {len(PLAIN)}: ")
    assert [(one.name, one.at, one.size) for one in layout.stretches][1:] == [("gap", len(PLAIN), len(after))]


@pytest.mark.parametrize(("blocks", "found"), [(0, "no block"), (512, "one block")])
def test_an_end_that_is_too_short_is_a_remark(blocks, found):
    layout = read(member(b"a", b"x") + bytes(blocks))
    assert layout.remarks == (f"expected two blocks of zeros at the end of the archive, at offset 1024, found {found}",)


def test_a_name_that_comes_twice_is_a_remark():
    layout = read(member(b"a") + member(b"a", b"x") + member(b"b") + END)
    assert layout.remarks == ("1 members have a name that occurred before; the first is a",)


@pytest.mark.parametrize(("typeflag", "kind"), [(b"1", "hard link"), (b"2", "symlink"), (b"5", "directory")])
def test_a_size_where_there_can_be_no_content_is_a_remark(typeflag, kind):
    data = header(b"a", b"%011o\0" % 4096, typeflag) + member(b"b", b"x") + END
    layout = read(data)
    assert contents(data, layout) == {b"a": b"", b"b": b"x"}
    assert layout.remarks == (f"the {kind} at offset 0 claims 4096 bytes of content",)
    assert not fields_of(data, layout, layout.entries[0].stretches[0])["size"].implied
    assert as_we_read(layout) == [(name, at, size) for name, at, size in as_tarfile_reads(data)]


def extended(payload, typeflag=b"x", size=None):
    return header(b"x", b"%011o\0" % (len(payload) if size is None else size), typeflag) + padded(payload)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            header(b"a", b"\x80" + (2**40).to_bytes(11, "big")) + END,
            "offset 0 claims 1099511627776 bytes, the file has 1024 left",
        ),
        (header(b"a", b"\x80" + b"\xff" * 11) + END, "the member at offset 0 claims 309485009821345068724781055 bytes"),
        (header(b"a", b"\xff" * 12) + END, "expected a size in the header at offset 0"),
        (header(b"a", b"\x81" * 12) + END, "expected a size in the header at offset 0"),
        (header(b"a", b"12 45678 \0\0\0") + END, "expected a size in the header at offset 0"),
        (header(b"a", b"-0000000001\0") + END, "expected a size in the header at offset 0"),
        (member(b"a") + b"x" * 512 + END, "expected the header of a member or the end of the archive at offset 512"),
        (header()[:300].ljust(512, b"!") + END, "expected the header of the first member at offset 0"),
        (member(b"a", b"x" * 600)[:1200], "the member at offset 0 goes to offset 1536, the file ends at 1200"),
        (member(b"a") + header(b"b")[:100], "expected a header of 512 bytes at offset 512, found 100 bytes"),
        (extended(b"10 size=3\n") + END, "the headers before offset 1024 are followed by no member"),
        (extended(b"99 size=3\n") + member(b"a"), "expected a record of an extended header, found b'99 size=3"),
        (extended(b"0 a=b\n") + member(b"a"), "expected a record of an extended header"),
        (extended(b"-6 a=b\n") + member(b"a"), "expected a record of an extended header"),
        (extended(b"9" * 5000) + member(b"a"), "expected a record of an extended header"),
        (extended(b"5 ab\n") + member(b"a"), "expected a record of an extended header"),
        (extended(b"11 size=-3\n") + member(b"a"), "expected a size in the extended header at offset 0, found b'-3'"),
        (extended(b"5007 size=" + b"9" * 4996 + b"\n") + member(b"a"), "expected a size in the extended header at"),
        (extended(b"10 size=3\n", b"g") + member(b"a"), "sets the size of all members, which tools do not agree on"),
        (extended(b"", size=2**32) + member(b"a"), "headers of one member take more than 1048576 bytes, at offset 0"),
        (extended(b"a", b"L", size=90_000), "the extended header at offset 0 goes to offset 90624, the file ends at"),
        (extended(b"x" * 9000, b"L") * 120 + member(b"a"), "headers of one member take more than 1048576 bytes"),
    ],
)
def test_what_is_no_sound_tar_is_refused_with_the_place(data, message):
    assert TAR.recognises(data[:4096], len(data))
    with pytest.raises(FormatError, match=message):
        read(data)


WHOLE = {"ustar": PLAIN, "pax": PAX, "gnu": GNU, "sparse": old_gnu_sparse(), "two": GNU + member(b"more", b"x") + END}


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
def test_a_tar_cut_off_anywhere_is_refused_or_read_in_full(whole):
    refused = []
    for size in [*range(512, len(whole), 37), *range(512, len(whole), 512)]:
        try:
            read(whole[:size])
        except FormatError as err:
            refused.append(str(err))
    assert refused
    assert all("offset" in message for message in refused)


@settings(max_examples=300)
@given(
    st.sampled_from(list(WHOLE.values())),
    st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=12)), max_size=4),
    st.booleans(),
)
def test_bytes_changed_anywhere_never_raise_anything_else(whole, changes, seal):
    data = bytearray(whole)
    for at, patch in changes:
        data[at : at + len(patch)] = patch
        if seal:  # a wrong checksum would end most of it at once
            block = at // 512 * 512
            data[block : block + 512] = resealed(bytes(data[block : block + 512]))
    try:
        layout = read(bytes(data))
    except (FormatError, BudgetError):
        return
    for stretch in stretches(layout):
        fields_of(data, layout, stretch)


@given(st.binary(min_size=512, max_size=2048), st.sampled_from(["header", "pax header", "long name", "padding", "gap"]))
def test_fields_are_all_of_a_stretch_whatever_is_in_it(raw, name):
    fields = read(PLAIN).fields(name, raw)
    assert b"".join(one.raw for one in fields) == raw


def test_the_budget_bounds_members_and_time():
    def enough():
        msg = "more than 0 members"
        raise BudgetError(msg)

    for bound in ("entry", "check"):
        with pytest.raises(BudgetError, match="more than 0 members"):
            read(PLAIN, **{bound: enough})


def test_two_hundred_thousand_members_are_read_quickly_and_in_modest_memory():
    data = b"".join(member(b"./usr/share/doc/file-%06d" % at) for at in range(1000)) * 200 + END
    started = time.monotonic()
    layout = read(data)
    assert time.monotonic() - started < 12
    assert len(layout.entries) == 200_000
    del layout
    part = data[: 20_000 * 512]
    tracemalloc.start()
    layout = read(part)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(layout.entries) == 20_000
    assert used < 20_000 * 1000
