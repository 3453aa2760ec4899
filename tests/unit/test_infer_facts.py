"""What wheels and sdists say of their making."""

from __future__ import annotations

import bz2
import getpass
import gzip
import lzma
import os
import tarfile
import zipfile
import zlib

from rebuilder.resolve.infer.deflate import Levels
from rebuilder.resolve.infer.metadata import parse
from rebuilder.resolve.infer.sdist_facts import read_sdist
from rebuilder.resolve.infer.wheel_facts import read_wheel, seconds
from tests.unit import infer_archives as made
from tests.unit.infer_archives import PROSE, at, member

EPOCH = 1_700_000_001


def test_a_wheel_of_hatchling_says_its_generator_times_modes_and_level(tmp_path):
    path, _ = made.by_hatchling(tmp_path, epoch=EPOCH)
    facts = read_wheel(path)
    assert (facts.generator_name, facts.metadata.name, facts.metadata.version) == ("hatchling", "demo", "1.0")
    assert facts.generator == f"hatchling {facts.generator_version}"
    assert facts.tags == ("py2-none-any", "py3-none-any")
    assert facts.pure
    ((moment, count),) = facts.times
    assert (seconds(moment), count) == (EPOCH - 1, len(facts.members))
    assert {m.name for m in facts.written} == {f"demo-1.0.dist-info/{n}" for n in ("METADATA", "WHEEL", "RECORD")}
    assert [m.name for m in facts.packed] == ["demo/__init__.py"]
    assert facts.packed[0].mode == 0o100644
    assert {m.system for m in facts.members} == {3}
    assert facts.deflated[:2] == (True, 6)


def test_an_sdist_of_hatchling_says_its_header_and_dialect(tmp_path):
    _, path = made.by_hatchling(tmp_path, epoch=EPOCH)
    facts = read_sdist(path)
    assert facts.gzip is not None
    assert (facts.gzip.time, facts.gzip.name, facts.gzip.xfl) == (EPOCH, None, 2)
    assert (facts.packing, facts.dialect, facts.top) == ("gzip", "ustar", "demo-1.0")
    assert facts.times == ((EPOCH * 10**9, len(facts.files)),)
    assert facts.pyproject == made.MANIFEST
    assert facts.metadata is not None
    assert facts.metadata.name == "demo"
    assert {m.device for m in facts.members} == {bytes(16)}
    assert not facts.egg_info
    assert facts.deflated[:2] == (True, 9)


def test_an_sdist_of_setuptools_keeps_owner_and_fractions(tmp_path):
    facts = read_sdist(made.by_setuptools(tmp_path))
    assert facts.egg_info
    assert facts.has("setup.cfg")
    assert not facts.has("setup.py")
    assert facts.dialect == "pax"
    assert {(m.uid, m.user) for m in facts.members} == {(os.getuid(), getpass.getuser())}
    by_path = {facts.below(m): m for m in facts.members}
    assert by_path["README.txt"].time == 1_600_000_000 * 10**9
    assert by_path["PKG-INFO"].exact
    assert by_path["PKG-INFO"].time % 10**9
    assert facts.gzip is not None
    assert facts.gzip.name == "demo-1.0.tar"


def test_fractions_are_exact(tmp_path):
    info = member("a.py", 0)
    info.pax_headers = {"mtime": "1673089717.123456789"}
    before = member("b.py", 0)
    before.pax_headers = {"mtime": "-1.5"}
    facts = read_sdist(made.sdist(tmp_path / "demo-1.0.tar.gz", [info, before], gzip_time=7))
    assert [m.time for m in facts.members] == [1673089717123456789, -1500000000]


def test_other_packings(tmp_path):
    plain = gzip.decompress(made.sdist(tmp_path / "x.tar.gz", [member("a.py", 5)], gzip_time=0).read_bytes())
    for name, data, packing in (
        ("x.tar.bz2", bz2.compress(plain), "bzip2"),
        ("x.tar.xz", lzma.compress(plain), "xz"),
    ):
        (tmp_path / name).write_bytes(data)
        facts = read_sdist(tmp_path / name)
        assert (facts.packing, facts.gzip, facts.deflated.tried) == (packing, None, False)
        assert [m.time for m in facts.members] == [5 * 10**9]


def test_an_sdist_in_a_zip(tmp_path):
    path = tmp_path / "demo-1.0.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("demo-1.0/PKG-INFO", (2020, 1, 2, 3, 4, 6)), "Name: demo\n")
        archive.writestr("demo-1.0/a.py", PROSE)
    facts = read_sdist(path)
    assert facts.packing == "zip"
    assert facts.dialect is None
    assert facts.members[0].time == at("2020-01-02 03:04:06") * 10**9
    assert facts.metadata is not None
    assert facts.metadata.name == "demo"
    assert facts.deflated[:2] == (True, 6)


def test_long_names_in_either_dialect(tmp_path):
    name = "d/" * 90 + "a.py"
    for form, dialect in ((tarfile.GNU_FORMAT, "gnu"), (tarfile.PAX_FORMAT, "pax")):
        facts = read_sdist(made.sdist(tmp_path / "x.tar.gz", [member(name, 1)], gzip_time=0, form=form))
        assert (facts.dialect, facts.names) == (dialect, frozenset([name]))


def test_every_level_of_zlib_is_told_and_other_streams_are_not():
    data = PROSE * 3
    for level in range(1, 10):
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        assert level in _levels(packer.compress(data) + packer.flush(), data)
    # Another memory level cuts the blocks elsewhere, as another library does.
    other = zlib.compressobj(9, zlib.DEFLATED, -15, 3)
    assert not _levels(other.compress(data) + other.flush(), data)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    assert not _levels(packer.compress(data) + packer.flush() + b"more", data)


def _levels(stream: bytes, data: bytes) -> frozenset[int]:
    test = Levels()
    test.packed(stream)
    for start in range(0, len(data), 1000):
        test.contents(data[start : start + 1000])
    return test.ended()


def test_a_wheel_packed_at_another_level(tmp_path):
    path = made.wheel(
        tmp_path / "demo-1.0-py3-none-any.whl",
        "x 1",
        files={"a.py": at("2024-01-01 00:00:00")},
        written=1_000_000_000,
        level=9,
    )
    assert read_wheel(path).deflated[:2] == (True, 9)


def test_metadata_is_read_as_headers():
    found = parse(
        b"Name: demo\r\nProject-URL: Source, https://a.example/x\r\nProject-URL: bare\r\nhome-page: UNKNOWN\r\n"
        b"Summary: one\r\n  two\r\nno field\r\nDynamic: Version\r\n\r\nbody: text\r\n"
    )
    assert found.project_urls == (("Source", "https://a.example/x"), ("", "bare"))
    assert found.home_page == ""
    assert found.first("SUMMARY") == "one\ntwo"
    assert found.all("dynamic") == ("Version",)
    assert found.description == "body: text"
    assert parse(b"\xff\xfe\0").fields == ()
