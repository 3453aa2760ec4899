"""Wheels and sdists of those who mean no good: refused in words, in bounded time, or read as they are."""

from __future__ import annotations

import contextlib
import gzip
import struct
import tarfile
import time
import zipfile

import pytest

from rebuilder.errors import UsageError
from rebuilder.resolve.infer import sdist_facts, tar_walk, zips
from rebuilder.resolve.infer.sdist_facts import read_sdist
from rebuilder.resolve.infer.wheel_facts import read_wheel, seconds
from tests.unit import infer_archives as made
from tests.unit.infer_archives import PROSE, at, member


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found bytes that begin b''"),
        (b"hello, world", "expected an sdist .* found bytes that begin b'hello,'"),
        (b"\x1f\x8b\x08\x00", "expected the header of a gzip file"),
        (b"\x1f\x8b\x08\x08" + bytes(6) + b"name without end", "found no end of it"),
        (gzip.compress(PROSE)[:200], "found a stream that does not unpack|expected"),
        (gzip.compress(PROSE), "expected the header of a member, found none"),
        (gzip.compress(bytes(1024)), "found an archive without a member"),
        (gzip.compress(b""), "expected a whole tar, found one that is cut off"),
        (b"BZh9nonsense", "does not unpack"),
        (b"\xfd7zXZ\0nonsense", "does not unpack"),
        (b"PK\x03\x04nonsense", "found no zip that can be read"),
    ],
)
def test_what_is_no_sdist_is_said(tmp_path, data, message):
    (tmp_path / "demo-1.0.tar.gz").write_bytes(data)
    with pytest.raises(UsageError, match=message):
        read_sdist(tmp_path / "demo-1.0.tar.gz")


def test_a_tar_that_is_cut_off_is_said(tmp_path):
    plain = gzip.decompress(made.sdist(tmp_path / "x.tar.gz", [member("a.py", 5)], gzip_time=0).read_bytes())
    for length in (700, 513, 600):
        (tmp_path / "y.tar.gz").write_bytes(gzip.compress(plain[:length]))
        with pytest.raises(UsageError, match="expected a whole tar, found one that is cut off"):
            read_sdist(tmp_path / "y.tar.gz")


def test_headers_without_end_are_refused(tmp_path):
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, 3 * 1024**2
    data = head.tobuf(tarfile.USTAR_FORMAT) + b"a" * head.size
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(data))
    with pytest.raises(UsageError, match="at most 1048576 bytes of headers for one member"):
        read_sdist(tmp_path / "x.tar.gz")
    head.size = 0
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(head.tobuf(tarfile.USTAR_FORMAT) * 4096))
    with pytest.raises(UsageError, match="at most 1048576 bytes of headers for one member"):
        read_sdist(tmp_path / "x.tar.gz")


@pytest.mark.parametrize("record", [b"5 a=b\n", b"99 a=b\n", b"x", b"0 a=b\n", b"7 ab=b", b"-6 a=b\n"])
def test_pax_records_that_are_none_are_refused(tmp_path, record):
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, len(record)
    data = head.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + bytes(1024)
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(data))
    with pytest.raises(UsageError, match="expected pax records"):
        read_sdist(tmp_path / "x.tar.gz")


def test_a_megabyte_of_small_pax_records_takes_no_time(tmp_path):
    record = b"6 a=b\n" * 170_000
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, len(record)
    body = record + bytes(-len(record) % 512)
    data = head.tobuf(tarfile.USTAR_FORMAT) + body + member("a", 1).tobuf() + bytes(1024)
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(data))
    start = time.monotonic()
    assert len(read_sdist(tmp_path / "x.tar.gz").members) == 1
    assert time.monotonic() - start < 5


def test_sizes_below_zero_are_refused(tmp_path):
    info = member("a.py", 1)
    info.pax_headers = {"size": "-512"}
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)))
    with pytest.raises(UsageError, match="expected files of a known size, found a negative size"):
        read_sdist(tmp_path / "x.tar.gz")


def test_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sdist_facts, "MAX_UNPACKED", 10_000_000)
    info = member("zeros", 1)
    info.size = 2**40
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(20_000_000), 1))
    with pytest.raises(UsageError, match="at most 10000000 bytes in the archive, found more"):
        read_sdist(tmp_path / "x.tar.gz")
    # After the end of the tar, too.
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(member("a", 1).tobuf() + bytes(20_000_000), 1))
    with pytest.raises(UsageError, match="at most 10000000 bytes in the archive, found more"):
        read_sdist(tmp_path / "x.tar.gz")


def test_members_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_walk, "MAX_MEMBERS", 100)
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(member("a", 1).tobuf() * 101 + bytes(1024)))
    with pytest.raises(UsageError, match="at most 100 members, found more"):
        read_sdist(tmp_path / "x.tar.gz")


def test_what_is_no_wheel_is_said(tmp_path):
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    for data in (b"", b"PK\x05\x06", b"no zip at all", PROSE):
        path.write_bytes(data)
        with pytest.raises(UsageError, match="expected a wheel, found no zip that can be read"):
            read_wheel(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", "")
    with pytest.raises(UsageError, match=r"expected a wheel with one `\.dist-info/WHEEL` of its name, found none"):
        read_wheel(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a-1.dist-info/WHEEL", "")
        archive.writestr("b-1.dist-info/WHEEL", "")
    with pytest.raises(UsageError, match="found 2 of them"):
        read_wheel(path)


def test_of_several_dist_infos_that_of_the_file_name_counts(tmp_path):
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Demo-1.0.dist-info/WHEEL", "Generator: flit 3.9.0\n")
        archive.writestr("other-1.dist-info/WHEEL", "Generator: x 1\n")
    assert read_wheel(path).generator_version == "3.9.0"


def test_a_wheel_of_bombs_is_refused_or_passed_over(tmp_path):
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.bin", bytes(50_000_000))
        archive.writestr("demo-1.0.dist-info/WHEEL", "Generator: flit 3.9.0\n")
    assert read_wheel(path).generator_name == "flit"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", bytes(50_000_000))
    with pytest.raises(UsageError, match="expected at most 4194304 bytes in its METADATA, found more"):
        read_wheel(path)


def test_a_directory_without_end_is_refused(tmp_path):
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * (zips.MAX_DIRECTORY // len(entry) + 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    path.write_bytes(directory + end)
    start = time.monotonic()
    with pytest.raises(UsageError, match="its directory takes more than 8388608 bytes"):
        read_wheel(path)
    assert time.monotonic() - start < 2


def test_members_packed_in_a_strange_way_are_refused(tmp_path):
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("demo-1.0.dist-info/WHEEL", "Generator: flit 3.9.0\n")
    with pytest.raises(UsageError, match="expected its WHEEL stored or deflated, found method 14"):
        read_wheel(path)


def test_wheels_damaged_anywhere_end_in_words_or_in_facts(tmp_path):
    whole = made.wheel(
        tmp_path / "w.whl", "flit 3.9.0", files={"a.py": at("2024-01-01 00:00:00")}, written=at("2024-01-01 00:00:02")
    ).read_bytes()
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    for place in range(0, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(UsageError):
            read_wheel(path)


def test_sdists_damaged_anywhere_end_in_words_or_in_facts(tmp_path):
    members = [member("a.py", 5.25), member("d/" * 90 + "b.py", 7)]
    plain = gzip.decompress(made.sdist(tmp_path / "x.tar.gz", members, gzip_time=0).read_bytes())
    path = tmp_path / "demo-1.0.tar.gz"
    for place in range(0, len(plain), 199):
        damaged = plain[:place] + bytes([plain[place] ^ 0xFF]) + plain[place + 1 :]
        path.write_bytes(gzip.compress(damaged, 1))
        with contextlib.suppress(UsageError):
            read_sdist(path)


def test_times_that_are_none_are_kept_as_they_stand(tmp_path):
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    data = bytearray(
        made.wheel(
            path, "x 1", files={"a.py": at("2024-01-01 00:00:00")}, written=at("2024-01-01 00:00:00")
        ).read_bytes()
    )
    start = data.index(b"PK\1\2")
    data[start + 12 : start + 16] = b"\0\0\0\0"
    path.write_bytes(data)
    facts = read_wheel(path)
    assert facts.members[0].time == (1980, 0, 0, 0, 0, 0)
    assert seconds(facts.members[0].time) is None


def test_the_same_name_twice_is_counted_twice(tmp_path):
    path = made.sdist(
        tmp_path / "x.tar.gz",
        [member("PKG-INFO", 1), member("PKG-INFO", 2)],
        gzip_time=0,
        texts={"PKG-INFO": "Name: demo\n"},
    )
    facts = read_sdist(path)
    assert len(facts.members) == 2
    assert facts.metadata is not None
    assert facts.metadata.name == "demo"


def test_a_directory_that_leads_before_the_file_is_said(tmp_path):
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    moment = at("2024-01-01 00:00:00")
    whole = made.wheel(path, "flit 3.9.0", files={"a.py": moment}, written=moment).read_bytes()
    end = whole.rindex(b"PK\5\6")
    (start,) = struct.unpack("<L", whole[end + 16 : end + 20])
    path.write_bytes(whole[:end] + whole[end : end + 16] + struct.pack("<L", start + 5000) + whole[end + 20 :])
    with pytest.raises(UsageError, match="expected a wheel, found no zip that can be read"):
        read_wheel(path)
