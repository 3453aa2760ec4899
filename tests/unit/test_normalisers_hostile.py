"""Pairs made to be called equal though a reader tells them apart, or though bytes beside the named fields differ."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib

import pytest

from rebuilder.compare import normalise
from rebuilder.compare.normalise import NORMALISERS
from rebuilder.compare.walk import Bounds
from rebuilder.data import Held
from tests import samples
from tests.scenes import in_memory
from tests.unit.test_normalisers import equal, gz, tar, zipped

ALL = tuple(NORMALISERS)


def summed(block: bytes | bytearray) -> bytes:
    """A tar header with its checksum made right."""
    changed = bytearray(block)
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


def patched(data: bytes, at: int, piece: bytes) -> bytes:
    return data[:at] + piece + data[at + len(piece) :]


def two_members(second_mtime: bytes) -> bytes:
    """A tar of two empty files; the second with these twelve bytes as its time."""
    one, other = tar(name="a", data=b"")[:512], tar(name="b", data=b"")[:512]
    return one + summed(patched(other, 136, second_mtime)) + bytes(10240 - 1024)


def claiming(data: bytes, size: int, content: bytes, time=(1980, 1, 1, 0, 0, 0)) -> bytes:
    """A zip of ``data`` whose two headers both claim another size, and the CRC of other content."""
    made = zipped(time=time, data=data)
    central = made.index(b"PK\x01\x02")
    facts = struct.pack("<I", zlib.crc32(content))
    made = patched(patched(made, 14, facts), central + 16, facts)
    return patched(patched(made, 22, struct.pack("<I", size)), central + 24, struct.pack("<I", size))


def test_a_time_that_makes_tarfile_lose_the_rest_is_no_time():
    sound, broken = two_members(b"00000000001\0"), two_members(b"nonumber!!!\0")
    with tarfile.open(fileobj=io.BytesIO(broken)) as archive:
        assert archive.getnames() == ["a"]
    assert equal(sound, broken, by=("tar-times",)) == {}
    assert equal(sound, two_members(b"00000000002\0"), by=("tar-times",)) == {"tar-times/1": 2}


@pytest.mark.parametrize(
    "value",
    [
        b"\x80" + (2**80).to_bytes(11, "big"),
        b"\xff" * 12,
        b"777777777777",
        b"1\0hidden!!!!",
        b"00000000009\0",
        b" " * 12,
    ],
)
def test_only_times_that_every_reader_takes_for_one_are_cleared(value):
    assert equal(two_members(b"00000000001\0"), two_members(value), by=("tar-times",)) == {}


def test_owners_with_bytes_behind_their_end_are_not_cleared():
    one = tar(uname="me")
    for at, value in ((265, b"me\0and more"), (108, b"0\0secret"), (108, b"zzzzzzz\0"), (265, b"\xff\xfe")):
        other = summed(patched(one[:512], at, value)) + one[512:]
        assert equal(one, other, by=("tar-owners",)) == {}, value


@pytest.mark.parametrize(("key", "value"), [("mtime", "nan"), ("mtime", "1e3"), ("mtime", "9" * 400), ("uid", "x"),
    ("atime", "1.5 and more"), ("uname", "a\u202eb")])
def test_extended_records_that_are_no_time_or_owner_are_not_cleared(key, value):
    one, other = (tar(format=tarfile.PAX_FORMAT, pax={key: one}) for one in ("1", value))
    assert equal(one, other, by=("tar-times", "tar-owners")) == {}


def test_ar_times_that_are_no_number_are_not_cleared():
    one = samples.ar({b"a": b"1"}, mtime=1)
    assert equal(one, patched(one, 24, b"rm -rf /    "), by=("ar-times",)) == {}


@pytest.mark.parametrize("by", [("zip-times",), ("deflate-stream",), ALL])
def test_a_size_that_makes_zipfile_read_less_is_seen(by):
    data = b"harmless\n" * 30
    one = zipped(data=data, time=(1990, 1, 1, 0, 0, 0))
    other = claiming(data, 8, data[:8])
    with zipfile.ZipFile(io.BytesIO(other)) as archive:
        assert archive.read("pkg/a.py") == b"harmless"
    assert equal(one, other, by=by) == {}


@pytest.mark.parametrize("by", [("zip-times",), ("deflate-stream",), ALL])
def test_a_wrong_checksum_of_a_zip_is_seen(by):
    data = b"harmless\n" * 30
    one = zipped(data=data, time=(1990, 1, 1, 0, 0, 0))
    assert equal(one, claiming(data, len(data), b"other"), by=by) == {}
    assert equal(one, claiming(data, len(data), data), by=("zip-times",)) == {"zip-times/1": 2}


def wide(value: bytes, *, level: int = 9) -> bytes:
    """A zip whose headers have a zip64 field that nothing asks for, with these bytes in it."""
    info = zipfile.ZipInfo("a")
    info.compress_type = zipfile.ZIP_DEFLATED
    info.extra = struct.pack("<HH", 1, len(value)) + value
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, b"text " * 100, compresslevel=level)
    return out.getvalue()


def test_a_zip64_field_that_nothing_asks_for_is_not_passed_over():
    assert b"secret01" in wide(b"secret01")
    assert equal(wide(b"secret01", level=1), wide(b"secret02", level=9), by=ALL) == {}


def stamped(times: bytes) -> bytes:
    info = zipfile.ZipInfo("a")
    info.extra = struct.pack("<HH", 0x5455, len(times)) + times
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, b"x")
    return out.getvalue()


def test_an_extended_timestamp_with_more_than_times_is_not_cleared():
    assert equal(stamped(b"\x01abcd"), stamped(b"\x01efgh"), by=("zip-times",)) == {"zip-times/1": 4}
    assert equal(stamped(b"\x03" + b"a" * 8), stamped(b"\x03" + b"b" * 8), by=("zip-times",)) == {"zip-times/1": 4}
    assert equal(stamped(b"\x01" + b"a" * 400), stamped(b"\x01" + b"b" * 400), by=("zip-times",)) == {}
    assert equal(stamped(b"\xf1abcd"), stamped(b"\xf1efgh"), by=("zip-times",)) == {}


def test_padding_that_spells_a_word_is_not_padding():
    """The word by which a left out field was once marked, in the seven bytes behind a content of 505."""
    one, other = tar(mtime=1, data=b"x" * 505), tar(mtime=2, data=b"x" * 505)
    assert equal(one, patched(other, 512 + 505, b"implied"), by=("tar-times",)) == {}


def test_a_long_name_in_a_gzip_header_is_no_name():
    assert equal(gz(b"x", name="a" * 255), gz(b"x", mtime=2), by=("gzip-header",)) == {"gzip-header/1": 5}
    assert equal(gz(b"x", name="a" * 256), gz(b"x", mtime=2), by=("gzip-header",)) == {}


def test_a_script_that_is_also_a_tar_is_a_script():
    """A member is what a reader installs: its own bytes are never cleared, whatever they look like."""
    heads = [b"# ".ljust(124, b"a") + b"00000000000 " + time for time in (b"00000000001 ", b"00000000002 ")]
    scripts = [summed(patched(head.ljust(512, b"\n"), 257, b"ustar")) + bytes(1024) for head in heads]
    assert equal(*scripts, by=("tar-times",)), "by itself it is a tar"
    assert equal(tar(name="run.py", data=scripts[0]), tar(name="run.py", data=scripts[1]), by=ALL) == {}
    assert equal(zipped(data=scripts[0]), zipped(data=scripts[1]), by=ALL) == {}
    assert equal(samples.ar({b"run.py": scripts[0]}), samples.ar({b"run.py": scripts[1]}), by=ALL) == {}


def deb(mtime: int) -> bytes:
    inner = tar(mtime=mtime)
    packed = gz(inner, mtime=mtime)
    members = {b"debian-binary": b"2.0\n", b"control.tar.gz": packed, b"data.tar": inner}
    return samples.ar(members, mtime=mtime)


def test_a_deb_is_looked_into():
    assert set(equal(deb(1), deb(2), by=ALL)) == {"ar-times/1", "deflate-stream/1", "gzip-header/1", "tar-times/1"}
    assert equal(deb(1), deb(2), by=("ar-times", "tar-times")) == {}


@pytest.mark.parametrize("odd", ["twice", "after", "wrong crc"])
def test_an_archive_with_something_odd_is_compared_as_it_is(odd):
    """Readers do not agree about such archives, so nobody can say what a field of one means."""
    if odd == "twice":
        sides = [tar(mtime=time)[:1024] + tar(mtime=time) for time in (1, 2)]
    elif odd == "after":
        sides = [samples.ar({b"a": b"1"}, mtime=time) + b"\0" for time in (1, 2)]
    else:
        sides = [patched(gz(b"text", mtime=time), -8 % len(gz(b"text")), b"abcd") for time in (1, 2)]
    assert equal(*sides, by=ALL) == {}


def test_an_xz_is_not_unpacked_for_nothing():
    """Its content is reached by no normaliser; unpacking it cost time, and a bomb the whole verdict."""
    import lzma

    spooled: list[int] = []

    def spool(pieces):
        data = b"".join(pieces)
        spooled.append(len(data))
        return Held(data)

    packed = lzma.compress(bytes(1000))
    sides = [Held(samples.ar({b"debian-binary": b"2.0\n", b"data.tar.xz": packed}, mtime=time)) for time in (1, 2)]
    found = normalise.equal_after(sides[0], (sides[1],), ("ar-times", "deflate-stream"), Bounds(spool=spool))
    assert found == {"ar-times/1": 2}
    assert spooled == []


def test_members_are_hashed_while_they_are_unpacked():
    """The content of a zip's member is needed once and never in parts: it takes no scratch space."""
    bounds = Bounds(spool=lambda pieces: pytest.fail("spooled"))
    sides = [Held(zipped(level=level)) for level in (1, 9)]
    assert normalise.equal_after(sides[0], (sides[1],), ("deflate-stream",), bounds) == {"deflate-stream/1": 1}


def test_time_that_is_over_calls_nothing_equal():
    from rebuilder.compare.archive.layout import BudgetError

    def check() -> None:
        raise BudgetError("over")

    sides = [Held(zipped(level=level, data=bytes(10_000_000))) for level in (1, 9)]
    assert normalise.equal_after(sides[0], (sides[1],), ALL, in_memory(check=check)) == {}
