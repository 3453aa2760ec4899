"""The readers for gzip, xz, bzip2 and zstd: where streams end, what is broken, what is too much."""

import bz2
import gzip
import io
import lzma
import random
import subprocess
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.compare.archive.codecs import BZIP2, XZ, ZSTD
from rebuilder.compare.archive.gzip import GZIP
from rebuilder.compare.archive.layout import Budget, BudgetError, FormatError, tiled
from rebuilder.data import Held

LIMIT = 8 * 1024 * 1024
READERS = {"gzip": GZIP, "xz": XZ, "bzip2": BZIP2, "zstd": ZSTD}
PACK = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}
TEXT = b"the same words again and again, " * 40
NOISE = random.Random(1).randbytes(200_000)
SKIPPABLE = b"\x53\x2a\x4d\x18\x03\0\0\0abc"


def spool(pieces):
    held, size = [], 0
    for piece in pieces:
        assert len(piece) <= 1024 * 1024
        size += len(piece)
        if size > LIMIT:
            msg = f"more than {LIMIT} bytes"
            raise BudgetError(msg)
        held.append(piece)
    return Held(b"".join(held))


def read(form, data, **more):
    budget = Budget(**{"entry": lambda: None, "check": lambda: None, "spool": spool, **more})
    return tiled(READERS[form].read(Held(data), budget), len(data))


def unpacked(layout):
    found = []
    for entry in layout.entries:
        content = entry.unpacked(spool)
        found.append(content.read(0, content.size))
    return found


def fields_of(data, layout, stretch):
    raw = bytes(data[stretch.at : stretch.at + stretch.size])
    fields = layout.fields(stretch.name, raw)
    assert b"".join(one.raw for one in fields) == raw
    return {one.name: one for one in fields}


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("content", [b"", b"a", TEXT, NOISE, bytes(3_000_000)], ids=len)
def test_one_stream_is_one_synthetic_entry_with_its_content(form, content):
    data = PACK[form](content)
    assert READERS[form].recognises(data[:4096], len(data))
    layout = read(form, data)
    assert unpacked(layout) == [content]
    assert [(one.name, one.synthetic) for one in layout.entries] == [(b"content", True)]
    assert layout.entries[0].method == ("deflate" if form == "gzip" else form)
    assert layout.remarks == ()


@pytest.mark.parametrize("form", ["xz", "bzip2", "zstd"])
def test_several_streams_are_one_entry_over_all_of_them(form):
    data = PACK[form](TEXT) + PACK[form](NOISE) + PACK[form](b"")
    layout = read(form, data)
    assert unpacked(layout) == [TEXT + NOISE]
    assert [(one.at, one.size) for one in layout.entries] == [(0, len(data))]


def test_several_gzip_members_are_an_entry_each_and_not_synthetic():
    data = PACK["gzip"](TEXT) + PACK["gzip"](b"") + PACK["gzip"](NOISE)
    layout = read("gzip", data)
    assert unpacked(layout) == [TEXT, b"", NOISE]
    assert [(one.name, one.synthetic) for one in layout.entries] == [(b"content", False)] * 3
    assert layout.remarks == ("3 gzip members, one after the other",)


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("after", [b"\0" * 3, b"garbage", b"\x1f\x8b", b"BZh9"])
def test_what_follows_the_stream_is_a_gap_and_a_remark(form, after):
    data = PACK[form](TEXT)
    layout = read(form, data + after)
    assert unpacked(layout) == [TEXT]
    assert [(one.name, one.at, one.size) for one in layout.stretches] == [("gap", len(data), len(after))]
    assert len(layout.remarks) == 1
    assert layout.remarks[0].startswith(f"{len(after)} bytes after the ")
    assert layout.remarks[0].endswith(f"at offset {len(data)}")


def test_padding_of_xz_is_read_over_between_streams_and_is_a_gap_at_the_end():
    data = lzma.compress(TEXT) + bytes(8) + lzma.compress(NOISE)
    layout = read("xz", data + bytes(4))
    assert unpacked(layout) == [TEXT + NOISE]
    assert layout.remarks == ()
    assert [(one.name, one.at, one.size) for one in layout.stretches] == [("gap", len(data), 4)]


@pytest.mark.parametrize("data", [SKIPPABLE + PACK["zstd"](TEXT), PACK["zstd"](TEXT) + SKIPPABLE])
def test_frames_to_be_skipped_belong_to_the_zstd_stream(data):
    assert ZSTD.recognises(data, len(data))
    layout = read("zstd", data)
    assert unpacked(layout) == [TEXT]
    assert [(one.at, one.size) for one in layout.entries] == [(0, len(data))]


def test_zstd_frames_without_sizes_and_checksums_are_read():
    buffer = io.BytesIO()
    packer = zstandard.ZstdCompressor(level=3, write_checksum=False, write_content_size=False)
    with packer.stream_writer(buffer, closefd=False) as writer:
        for _ in range(5):
            writer.write(NOISE)
            writer.flush(zstandard.FLUSH_BLOCK)
    assert unpacked(read("zstd", buffer.getvalue())) == [NOISE * 5]


def gzip_of(content, flags=0, *, mtime=0, more=b"", hcrc=True):
    head = b"\x1f\x8b\x08" + bytes([flags]) + mtime.to_bytes(4, "little") + b"\x02\x03" + more
    if flags & 2:
        head += (zlib.crc32(head) & 0xFFFF ^ (not hcrc)).to_bytes(2, "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(content) + packer.flush()
    return head + body + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


ALL_FLAGS = gzip_of(TEXT, 0x1F, mtime=1700000000, more=b"\x04\0ab\1\0name.txt\0a comment\xff\0")


def test_every_field_of_a_gzip_header_is_told():
    layout = read("gzip", ALL_FLAGS)
    assert unpacked(layout) == [TEXT]
    header, trailer = (fields_of(ALL_FLAGS, layout, one) for one in layout.entries[0].stretches)
    assert {name: one.value for name, one in header.items()} == {
        "magic": "1f 8b",
        "method": "deflate",
        "flags": "text hcrc extra name comment",
        "mtime": "2023-11-14T22:13:20Z",
        "xfl": "2 (slowest, best)",
        "os": "3 (Unix)",
        "extra": "04 00 61 62 01 00",
        "fname": "name.txt",
        "fcomment": "a comment\\xff",
        "hcrc": header["hcrc"].raw[::-1].hex(),
    }
    assert [name for name, one in header.items() if one.implied] == ["hcrc"]
    assert trailer["crc32"].value == f"{zlib.crc32(TEXT):08x}"
    assert trailer["isize"].value == str(len(TEXT))
    assert trailer["crc32"].implied
    assert trailer["isize"].implied
    assert gzip.decompress(ALL_FLAGS) == TEXT


def test_a_wrong_crc_of_the_gzip_header_is_not_implied():
    data = gzip_of(TEXT, 2, hcrc=False)
    layout = read("gzip", data)
    assert not fields_of(data, layout, layout.entries[0].stretches[0])["hcrc"].implied


@pytest.mark.parametrize(
    ("at", "field", "remark"), [(-8, "crc32", "a wrong CRC-32"), (-4, "isize", "a wrong size in its trailer")]
)
def test_a_wrong_gzip_trailer_is_a_remark_and_not_an_error(at, field, remark):
    data = bytearray(gzip_of(TEXT))
    data[at] ^= 1
    layout = read("gzip", bytes(data))
    assert layout.remarks == (f"the gzip member at offset 0 has {remark}",)
    fields = fields_of(data, layout, layout.entries[0].stretches[1])
    assert [name for name, one in fields.items() if not one.implied] == [field]
    assert fields[field].value.endswith(" (wrong)")


@pytest.mark.parametrize(
    ("form", "command"),
    [
        ("gzip", ["gzip", "-9"]),
        ("xz", ["xz", "-T2", "--block-size=65536"]),
        ("bzip2", ["bzip2", "-1"]),
        ("zstd", ["zstd", "-19", "--long=27"]),
        ("zstd", ["zstd", "-1", "-T2", "-B65536"]),
    ],
)
def test_streams_of_the_real_tools_are_read(form, command):
    content = NOISE * 5 + TEXT
    data = subprocess.run([*command, "-c"], input=content, check=True, capture_output=True).stdout
    layout = read(form, data)
    assert unpacked(layout) == [content]
    assert layout.remarks == ()


@pytest.mark.parametrize("form", READERS)
def test_a_bomb_is_stopped_by_the_spool(form):
    data = PACK[form](bytes(LIMIT + 1))
    with pytest.raises(BudgetError, match=f"more than {LIMIT} bytes"):
        read(form, data)


def test_a_zstd_frame_of_blocks_that_repeat_one_byte_comes_out_in_small_pieces():
    block = (1 << 1 | 0x20000 << 3).to_bytes(3, "little") + b"x"
    data = b"\x28\xb5\x2f\xfd\x00\x58" + block * 10_000 + b"\x01\0\0"
    with pytest.raises(BudgetError, match=f"more than {LIMIT} bytes"):
        read("zstd", data)


def test_a_zstd_window_above_the_limit_is_refused():
    packer = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True),
    ).compressobj()
    data = packer.compress(TEXT) + packer.flush()
    with pytest.raises(BudgetError, match="a window of more than 134217728 bytes"):
        read("zstd", data)


def test_an_xz_dictionary_above_the_limit_is_refused():
    data = lzma.compress(TEXT, filters=[{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 512 * 1024**2}])
    with pytest.raises(BudgetError, match="needs more than 268435456 bytes of memory"):
        read("xz", data)


def test_a_zstd_frame_that_needs_a_dictionary_is_refused():
    dictionary = zstandard.ZstdCompressionDict(TEXT * 4, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    data = bytearray(zstandard.ZstdCompressor(dict_data=dictionary).compress(TEXT))
    data[4] |= 1
    data[5:5] = b"\x07"
    with pytest.raises(FormatError, match="zstd frame at offset 0 is"):
        read("zstd", bytes(data))


@pytest.mark.parametrize(
    ("form", "data", "message"),
    [
        ("gzip", b"\x1f\x8b\x08\xe0" + bytes(20), "expected a gzip header at offset 0, found 1f 8b 08 e0"),
        ("gzip", b"\x1f\x8b\x08\x08" + b"n" * 300_000, "cut off, or above 262144 bytes"),
        ("gzip", b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 9, "the deflate stream from offset 10 is broken"),
        ("gzip", gzip_of(TEXT) + b"\x1f\x8b\x08", f"expected a gzip header at offset {len(gzip_of(TEXT))}"),
        ("xz", b"\xfd7zXZ\0" + bytes(40), "the xz stream from offset 0 is broken"),
        ("bzip2", b"BZh91AY&SY" + bytes(40), "the bzip2 stream from offset 0 is broken"),
        ("zstd", b"\x28\xb5\x2f\xfd\x00\x58\x07\0\0", "expected a block of a zstd frame at offset 6, found 07 00 00"),
        ("zstd", b"\x50\x2a\x4d\x18\xff\xff\xff\xff", "to be skipped at offset 0 goes past the end"),
        ("zstd", b"\x50\x2a\x4d\x18\xff", "to be skipped at offset 0 goes past the end"),
    ],
)
def test_what_is_no_sound_stream_is_refused_with_the_place(form, data, message):
    assert READERS[form].recognises(data[:4096], len(data))
    with pytest.raises(FormatError, match=message):
        read(form, data)


WHOLE = [(form, pack(TEXT)) for form, pack in PACK.items()]
WHOLE += [("gzip", ALL_FLAGS + PACK["gzip"](b"more")), ("zstd", SKIPPABLE + PACK["zstd"](TEXT) * 2 + SKIPPABLE)]
WHOLE += [("xz", lzma.compress(TEXT) + bytes(4) + lzma.compress(b"")), ("bzip2", bz2.compress(b"") * 2)]


@pytest.mark.parametrize(("form", "data"), WHOLE)
def test_a_stream_cut_off_anywhere_is_refused_or_leaves_a_gap(form, data):
    assert unpacked(read(form, data))
    refused = []
    for size in range(1, len(data)):
        try:
            assert unpacked(read(form, data[:size]))
        except FormatError as err:
            refused.append(str(err))
    assert refused
    assert all("offset" in message for message in refused)


@settings(max_examples=300)
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=5)), max_size=4))
def test_bytes_changed_anywhere_never_raise_anything_else(case, changes):
    form, whole = case
    data = bytearray(whole)
    for at, patch in changes:
        at %= len(data)
        data[at : at + max(1, len(patch) - 1)] = patch or b"\0"
    if not READERS[form].recognises(bytes(data[:4096]), len(data)):
        return
    try:
        layout = read(form, bytes(data))
    except (FormatError, BudgetError):
        return
    unpacked(layout)
    for stretch in [*layout.stretches, *(one for entry in layout.entries for one in entry.stretches)]:
        fields_of(data, layout, stretch)


@pytest.mark.parametrize("form", READERS)
def test_reading_stops_when_the_time_is_over(form):
    def over():
        msg = "the time is over"
        raise BudgetError(msg)

    with pytest.raises(BudgetError, match="the time is over"):
        read(form, PACK[form](TEXT), check=over)
