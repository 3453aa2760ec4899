"""The zip reader, against Python's zipfile, the `zip` program, and bytes bent on purpose."""

import contextlib
import io
import struct
import subprocess
import time
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.compare.archive.layout import Budget, BudgetError, FormatError, Layout, tiled
from rebuilder.compare.archive.zip import ZIP
from rebuilder.data import Held

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
TEXT = b"some text that packs well, " * 200


def spool(pieces):
    return Held(b"".join(pieces))


BUDGET = Budget(lambda: None, lambda: None, spool)


def read(raw: bytes) -> Layout:
    return tiled(ZIP.read(Held(raw), BUDGET), len(raw))


def made(*members, method=zipfile.ZIP_DEFLATED, comment=b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members or (("a.txt", TEXT), ("dir/b.txt", b"short")):
            info = zipfile.ZipInfo(name, (2024, 2, 29, 12, 34, 56))
            archive.writestr(info, content, method)
        archive.comment = comment
    return out.getvalue()


def content(raw: bytes, entry) -> bytes:
    return entry.unpacked(spool).held if entry.unpacked else raw[entry.at : entry.at + entry.size]


def values(layout: Layout, raw: bytes, stretch) -> dict:
    fields = layout.fields(stretch.name, raw[stretch.at : stretch.at + stretch.size])
    assert b"".join(one.raw for one in fields) == raw[stretch.at : stretch.at + stretch.size]
    return {one.name: one for one in fields}


def all_stretches(layout: Layout):
    return [*layout.stretches, *(one for entry in layout.entries for one in entry.stretches)]


def agrees_with_zipfile(raw: bytes) -> Layout:
    layout = read(raw)
    archive = zipfile.ZipFile(io.BytesIO(raw))
    for entry, info in zip(layout.entries, archive.infolist(), strict=True):
        assert entry.name == info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
        assert content(raw, entry) == archive.read(info)
        assert entry.crc32 == info.CRC
        assert (entry.kind == "directory") == info.is_dir()
    for stretch in all_stretches(layout):
        assert values(layout, raw, stretch)
    return layout


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_zipfile_unpacks_to_the_same_bytes(method):
    layout = agrees_with_zipfile(
        made(("a", TEXT), ("empty", b""), ("d/", b""), ("b", b"\0" * 3_000_000), method=method)
    )
    assert layout.remarks == ()
    assert not any(one.name == "gap" for one in layout.stretches)


def test_a_streamed_archive_has_data_descriptors():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.got = bytearray()

        def writable(self):
            return True

        def write(self, raw):
            self.got += raw
            return len(raw)

    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", TEXT)
        with archive.open("wide", "w", force_zip64=True) as member:
            member.write(TEXT)
    raw = bytes(out.got)
    layout = agrees_with_zipfile(raw)
    assert layout.remarks == ()
    sizes = [one.size for entry in layout.entries for one in entry.stretches if one.name == "data descriptor"]
    assert sizes == [16, 24]
    stretch = next(one for one in layout.entries[0].stretches if one.name == "data descriptor")
    found = values(layout, raw, stretch)
    assert found["descriptor.size"].value == str(len(TEXT))
    assert found["descriptor.crc32"].implied


def test_an_archive_of_the_zip_program_is_read_with_its_times_modes_and_links(tmp_path):
    (tmp_path / "file").write_bytes(TEXT)
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    subprocess.run(["zip", "-qry", "out.zip", "file", "link"], cwd=tmp_path, check=True)
    raw = (tmp_path / "out.zip").read_bytes()
    layout = agrees_with_zipfile(raw)
    assert [entry.kind for entry in layout.entries] == ["file", "symlink"]
    central = values(layout, raw, layout.entries[0].stretches[-1])
    assert central["central.mode"].value == "0100640 dos 0x00"
    assert central["central.made by"].value == "3.0 unix"
    assert central["central.extra.0x5455"].value.startswith("times 0x03 20")
    assert layout.remarks == ()


def test_fields_say_what_is_there_and_which_values_follow():
    raw = made()
    layout = read(raw)
    local = values(layout, raw, layout.entries[0].stretches[0])
    assert local["local.mtime"].value == "2024-02-29T12:34:56"
    assert local["local.method"].value == "deflate"
    assert local["local.crc32"].value == f"{zlib.crc32(TEXT):08x}"
    assert local["local.crc32"].implied
    assert not local["local.mtime"].implied
    central = values(layout, raw, layout.entries[1].stretches[-1])
    assert central["central.offset"].implied
    assert central["central.name"].value == "dir/b.txt"
    end = values(layout, raw, layout.stretches[0])
    assert end["end.entries"].value == "2"
    assert end["end.entries"].implied


def test_data_before_the_archive_is_a_gap_and_offsets_are_shifted():
    raw = b"#!/usr/bin/python3\n" + made()
    assert ZIP.recognises(raw[:4096], len(raw))
    layout = agrees_with_zipfile(raw)
    assert layout.remarks[0] == "19 bytes lie before the archive; its offsets do not count them"
    assert "19 bytes at offset 0 belong to no member, before its first part" in layout.remarks


def test_data_after_the_end_is_a_gap():
    raw = made() + b"trailing"
    layout = read(raw)
    assert layout.remarks == (f"8 bytes at offset {len(raw) - 8} belong to no member, after its end",)


def test_a_member_no_directory_names_is_a_gap_that_is_told_of():
    hidden = made(("hidden", b"evil"))
    hidden = hidden[: hidden.index(b"PK\x01\x02")]
    raw = made()
    at = raw.index(b"PK\x01\x02")
    end = bytearray(raw[at:])
    place = end.rindex(b"PK\x05\x06")
    struct.pack_into("<I", end, place + 16, at + len(hidden))
    whole = raw[:at] + hidden + bytes(end)
    layout = agrees_with_zipfile(whole)
    told = f"{len(hidden)} bytes at offset {at} belong to no member, between its parts; they hold the sign of a"
    assert layout.remarks == (f"{told} local header",)


def test_two_archives_after_one_another_are_told_of():
    one, other = made(("one", b"1")), made(("other", b"2"))
    layout = agrees_with_zipfile(one + other)
    assert [entry.name for entry in layout.entries] == [b"other"]
    assert any("central header and end of central directory" in text for text in layout.remarks)


def test_two_central_directories_are_told_of_and_the_one_readers_take_is_read():
    raw = made(("a", b"x"))
    at, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    layout = agrees_with_zipfile(raw[:end] + raw)
    told = f"two central directories: one at offset {at}, where the end record says it is, and one at offset {end + at}"
    assert layout.remarks[0].startswith(told)
    assert any(f"{end} bytes at offset 0 belong to no member" in text for text in layout.remarks)


@pytest.mark.parametrize(
    ("offset", "raw", "told"),
    [
        (8, b"\0\0", "a.txt: method is stored in the local header and deflate in the central directory"),
        (6, b"\2\0", "a.txt: flags is 0x0002 in the local header and 0x0000 in the central directory"),
        (30, b"X", "a.txt: name is X.txt in the local header and a.txt in the central directory"),
        (14, b"\0\0\0\0", "a.txt: crc32 is 00000000 in the local header and "),
        (22, b"\1\0\0\0", "a.txt: size is 1 in the local header and 5400 in the central directory"),
        (18, b"\1\0\0\0", "a.txt: compressed size is 1 in the local header and "),
    ],
)
def test_headers_that_disagree_are_told_of_and_nothing_of_them_is_implied(offset, raw, told):
    bent = bytearray(made())
    bent[offset : offset + len(raw)] = raw
    layout = read(bytes(bent))
    assert len(layout.remarks) == 1
    assert layout.remarks[0].startswith(told)
    for stretch in layout.entries[0].stretches:
        assert not any(one.implied for one in values(layout, bytes(bent), stretch).values())
    assert values(layout, bytes(bent), layout.entries[1].stretches[0])["local.crc32"].implied


def test_duplicate_names_are_told_of():
    with pytest.warns(UserWarning, match="Duplicate name"):
        raw = made(("a", b"1"), ("a", b"2"))
    assert agrees_with_zipfile(raw).remarks == ("2 members are named a",)


def test_members_that_share_bytes_are_refused():
    raw = bytearray(made(("a", TEXT), ("b", TEXT)))
    second = raw.index(b"PK\x01\x02", raw.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", raw, second + 42, 0)
    with pytest.raises(FormatError, match="overlaps what lies before it"):
        read(bytes(raw))


def test_an_encrypted_member_and_an_unknown_method_are_compared_as_stored():
    raw = bytearray(made(("a", b"secret"), method=zipfile.ZIP_STORED))
    at = raw.index(b"PK\x01\x02")
    raw[6], raw[at + 8] = 1, 1
    (entry,) = (layout := read(bytes(raw))).entries
    assert (entry.method, entry.unpacked, entry.crc32) == ("encrypted", None, None)
    assert layout.remarks == ("a is encrypted, its content is compared as stored",)
    raw[6], raw[at + 8] = 0, 0
    raw[8], raw[at + 10] = 93, 93
    (entry,) = (layout := read(bytes(raw))).entries
    assert (entry.method, entry.unpacked) == ("zstd", None)
    assert layout.remarks == ("a is packed with zstd, which is not unpacked here; it is compared as stored",)


def bent_member(packed: bytes, size: int, method: int = 8) -> bytes:
    head = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 33, 0, len(packed), size, 1, 0)
    local = b"PK\x03\x04" + head + b"a" + packed
    central = b"PK\x01\x02\x14\x03" + head + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"a"
    return local + central + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)


def deflated(content: bytes) -> bytes:
    one = zlib.compressobj(9, zlib.DEFLATED, -15)
    return one.compress(content) + one.flush()


@pytest.mark.parametrize(
    ("packed", "size", "told"),
    [
        (deflated(TEXT) + b"rest", len(TEXT), "the packed stream ends 4 bytes before the stored bytes end"),
        (deflated(TEXT)[:-3], len(TEXT), "the stream is cut off|has no end"),
        (deflated(TEXT), len(TEXT) + 1, "unpacks to 5400 bytes, its headers claim 5401"),
        (deflated(TEXT), len(TEXT) - 1, "unpacks to more than the 5399 bytes its headers claim"),
        (deflated(b"\0" * 50_000_000), 10, "unpacks to more than the 10 bytes its headers claim"),
        (b"\xff" * 50, 10, "damaged after 0 bytes"),
        (b"", 10, "unpacks to 0 bytes, its headers claim 10"),
    ],
)
def test_a_stream_that_is_not_what_the_headers_claim_is_not_unpacked(packed, size, told):
    (entry,) = read(bent_member(packed, size)).entries
    with pytest.raises(FormatError, match=told):
        entry.unpacked(spool)


def test_a_dictionary_of_lzma_is_no_larger_than_the_content():
    raw = b"\x09\x04\x05\x00\x5d\xff\xff\xff\xff" + b"\0" * 20
    (entry,) = read(bent_member(raw, 100, 14)).entries
    with pytest.raises(FormatError, match="its headers claim"):
        entry.unpacked(spool)
    (entry,) = read(bent_member(raw, 0xF0000000, 14)).entries
    with pytest.raises(FormatError, match="the LZMA dictionary is 4026531840 bytes, at most"):
        entry.unpacked(spool)


def test_a_member_that_claims_a_terabyte_is_refused_or_not_unpacked():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(b"tiny")
    raw = bytearray(out.getvalue())
    at = raw.index(b"PK\x01\x02")
    central = raw[at : at + 46] + b"a" + struct.pack("<HHQQ", 1, 16, 1 << 40, 1 << 40)
    struct.pack_into("<IIHH", central, 20, 0xFFFFFFFF, 0xFFFFFFFF, 1, 20)
    end = bytearray(raw[raw.index(b"PK\x05\x06") :])
    struct.pack_into("<I", end, 12, len(central))
    with pytest.raises(FormatError, match=f"a claims {1 << 40} bytes at offset"):
        read(bytes(raw[:at] + central + end))
    struct.pack_into("<Q", central, 46 + 1 + 4 + 8, 4)
    layout = read(bytes(raw[:at] + central + end))
    assert f"a is stored in 4 bytes and claims a content of {1 << 40}" in layout.remarks


def test_a_zip64_archive_is_read_through_its_own_records(monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    raw = made()
    assert b"PK\x06\x06" in raw
    layout = agrees_with_zipfile(raw)
    assert {one.name for one in layout.stretches} == {
        "zip64 end of central directory",
        "zip64 locator",
        "end of central directory",
    }
    shifted = agrees_with_zipfile(b"#!x\n" + raw)
    assert shifted.remarks[0] == "4 bytes lie before the archive; its offsets do not count them"


@pytest.mark.parametrize("name", [b"a\nb", b"\xe2\x80\xae.txt", b"\xff\xfe", b"../../etc/passwd", b"<b>", b"/abs"])
def test_any_name_is_taken_as_the_bytes_it_is(name):
    raw = made(("N" * len(name), b"x")).replace(b"N" * len(name), name)
    (entry,) = read(raw).entries
    assert entry.name == name


def test_a_comment_with_an_end_record_in_it_is_told_of():
    inner = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 9)
    layout = read(made(comment=inner))
    assert "the archive comment holds another end of central directory" in layout.remarks


@pytest.mark.parametrize("raw", [b"PK\x03\x04" + b"\0" * 100, b"PK\x05\x06" + b"\xff" * 18, made()[:-30]])
def test_what_is_no_sound_archive_is_refused(raw):
    with pytest.raises(FormatError, match="found"):
        read(raw)


def test_a_hundred_thousand_members_are_read_in_seconds():
    name, count = b"member-%06d", 100_000
    size = len(name % 0)
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 10, 0, 0, 0, 33, 0, 0, 0, size, 0)
    fixed = b"PK\x01\x02\x14\x03" + local[4:] + struct.pack("<HHHI", 0, 0, 0, 0)
    step = len(local) + size
    front = b"".join(local + name % index for index in range(count))
    directory = b"".join(fixed + struct.pack("<I", index * step) + name % index for index in range(count))
    raw = (
        front
        + directory
        + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), len(front), 0)
    )
    started = time.process_time()
    assert len(read(raw).entries) == count
    assert time.process_time() - started < 8


def test_the_budget_stops_the_reading():
    def stop():
        msg = "enough"
        raise BudgetError(msg)

    with pytest.raises(BudgetError, match="enough"):
        ZIP.read(Held(made()), Budget(stop, lambda: None, spool))


SEEDS = [
    made(),
    made(("a", TEXT), ("l/", b""), method=zipfile.ZIP_LZMA, comment=b"remark"),
    b"#!x\n" + made(("b", TEXT), method=zipfile.ZIP_BZIP2),
]

EDIT = st.tuples(st.integers(0, 1 << 16), st.integers(0, 3), st.binary(max_size=6))


@settings(max_examples=400, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 16), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=5
    ),
)
def test_any_damage_is_read_or_refused_in_words(seed, edits):
    raw = bytearray(seed)
    for place, cut, put in edits:
        at = place % (len(raw) + 1)
        raw[at : at + cut] = put
    mended = bytes(raw)
    layout = None
    # Any other exception fails the test.
    with contextlib.suppress(FormatError, BudgetError):
        layout = read(mended)
    if layout is None:
        return
    parts = sorted((one.at, one.size) for one in [*all_stretches(layout), *layout.entries] if one.size)
    assert b"".join(mended[at : at + size] for at, size in parts) == mended
    for stretch in all_stretches(layout):
        values(layout, mended, stretch)
    for entry in layout.entries:
        if entry.unpacked:
            with contextlib.suppress(FormatError):
                entry.unpacked(spool)
