"""Normalisers clear what they say and nothing else; what is left is compared to the last byte."""

from __future__ import annotations

import gzip
import io
import re
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rebuilder.compare import normalise
from rebuilder.compare.normalise import NORMALISERS
from rebuilder.data import Held
from tests import samples
from tests.scenes import in_memory

PAGES = Path(__file__).parents[2] / "docs" / "normalisers"


def equal(published: bytes, *rebuilt: bytes, by: tuple[str, ...]) -> dict[str, int]:
    return normalise.equal_after(Held(published), tuple(Held(one) for one in rebuilt), by, in_memory())


def tar(*, mtime=1, mode=0o644, uid=0, name="a", data=b"payload", **more) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=more.get("format", tarfile.GNU_FORMAT)) as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode, info.uid, info.uname = len(data), mtime, mode, uid, more.get("uname", "root")
        info.pax_headers = more.get("pax", {})
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(*, time=(1980, 1, 1, 0, 0, 0), level=6, mode=0o644, data=b"payload " * 50, comment=b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        info = zipfile.ZipInfo("pkg/a.py", time)
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, data, compresslevel=level)
        archive.comment = comment
    return out.getvalue()


def gz(data: bytes, *, mtime=1, level=9, name="") -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(filename=name, fileobj=out, mode="wb", mtime=mtime, compresslevel=level) as file:
        file.write(data)
    return out.getvalue()


def test_every_normaliser_has_its_page_and_every_page_its_normaliser():
    assert {path.stem for path in PAGES.glob("*.md")} == set(NORMALISERS)
    for name, one in NORMALISERS.items():
        text = (PAGES / f"{name}.md").read_text()
        assert text.startswith(f"# Normaliser `{name}`, version {one.version}\n")
        for heading in ("**What it removes.**", "**Why that is harmless.**", "**What it could hide.**"):
            assert heading in text, (name, heading)
        assert "never `reproduced`" in text


def test_no_normaliser_touches_a_mode_a_name_or_a_signature():
    cleared = {field for one in NORMALISERS.values() for field in one.clears}
    assert not {field for _, field in cleared if re.search(r"mode|name$|link|sig", field)} - {"uname", "gname", "fname",
        "pax.uname", "pax.gname"}


def test_ar_times_are_cleared_and_nothing_else_is():
    early, late = (samples.ar({b"a": b"1"}, mtime=mtime) for mtime in (1, 1789199741))
    assert equal(early, late, late, by=("ar-times",)) == {"ar-times/1": 1}
    assert equal(early, late, by=()) == {}
    assert equal(early, late, samples.ar({b"a": b"2"}, mtime=1), by=("ar-times",)) == {}
    assert equal(early, samples.ar({b"b": b"1"}, mtime=2), by=("ar-times",)) == {}


def test_zip_times_are_cleared_in_both_headers_and_nothing_else_is():
    one, other = zipped(time=(2020, 1, 2, 3, 4, 6)), zipped(time=(2024, 5, 6, 7, 8, 10))
    assert equal(one, other, other, by=("zip-times",)) == {"zip-times/1": 2}
    assert equal(one, zipped(time=(2024, 5, 6, 7, 8, 10), data=b"Payload " * 50), by=("zip-times",)) == {}
    assert equal(one, zipped(time=(2024, 5, 6, 7, 8, 10), mode=0o755), by=("zip-times",)) == {}
    assert equal(one, zipped(time=(2024, 5, 6, 7, 8, 10), comment=b"x"), by=("zip-times",)) == {}


def test_tar_times_leave_modes_owners_and_content_alone():
    assert equal(tar(mtime=1), tar(mtime=2), by=("tar-times",)) == {"tar-times/1": 1}
    for changes in ({"mode": 0o755}, {"mode": 0o4644}, {"uid": 1}, {"data": b"Payload"}, {"name": "b"}):
        assert equal(tar(mtime=1), tar(mtime=2, **changes), by=("tar-times",)) == {}, changes


def test_tar_owners_never_clear_the_executable_bit():
    assert set(equal(tar(uid=1000, uname="me"), tar(), by=("tar-owners",))) == {"tar-owners/1"}
    assert equal(tar(uid=1000, mode=0o755), tar(), by=("tar-owners",)) == {}


def test_pax_times_of_any_length_are_cleared():
    one, other = (tar(format=tarfile.PAX_FORMAT, pax={"mtime": value}) for value in ("1.5", "1700000000.123456789"))
    assert set(equal(one, other, by=("tar-times",))) == {"tar-times/1"}
    other = tar(format=tarfile.PAX_FORMAT, pax={"mtime": "2.5", "path": "elsewhere"})
    assert equal(one, other, by=("tar-times",)) == {}


def test_a_wrong_checksum_is_not_forgiven():
    one, other = tar(mtime=1), bytearray(tar(mtime=2))
    other[148:156] = b"0000000\0"
    assert equal(one, bytes(other), by=("tar-times",)) == {}


def test_gzip_headers_are_cleared_but_not_comments_or_streams():
    data = b"text " * 200
    assert set(equal(gz(data, mtime=1, name="a"), gz(data, mtime=2), by=("gzip-header",))) == {"gzip-header/1"}
    assert equal(gz(data, mtime=1, level=1), gz(data, mtime=2, level=9), by=("gzip-header",)) == {}
    commented = bytearray(gz(data))
    commented[3] |= 0x10
    assert equal(gz(data), bytes(commented[:10]) + b"hi\0" + bytes(commented[10:]), by=("gzip-header",)) == {}


def test_deflate_streams_are_compared_by_what_they_unpack_to():
    data = bytes(range(256)) * 40 + b"text " * 900
    both = ("deflate-stream", "gzip-header")
    assert set(equal(gz(data, level=1), gz(data, level=9), by=both)) == {"deflate-stream/1", "gzip-header/1"}
    assert equal(gz(data, level=1), gz(data[:-1] + b"!", level=9), by=both) == {}
    assert equal(zipped(level=1), zipped(level=9), by=("deflate-stream",)) == {"deflate-stream/1": 1}


def stored_as(stream: bytes, level: int) -> bytes:
    """A zip whose member's packed bytes are these."""
    made = zipped(level=level)
    local = 30 + int.from_bytes(made[26:28], "little")
    central = made.index(b"PK\x01\x02")
    size = struct.pack("<I", len(stream))
    head = made[:18] + size + made[22:local]
    tail = made[central : central + 20] + size + made[central + 24 : -22]
    return head + stream + tail + made[-22:-6] + struct.pack("<I", len(head) + len(stream)) + made[-2:]


def test_a_deflate_stream_with_bytes_after_its_end_stays_as_it_is():
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    stream = packer.compress(b"payload " * 50) + packer.flush()
    assert equal(zipped(level=9), stored_as(stream, 9), by=("deflate-stream",)) == {"deflate-stream/1": 1}
    assert equal(zipped(level=9), stored_as(stream + b"\0", 9), by=("deflate-stream",)) == {}
    assert equal(zipped(level=9), stored_as(stream[:-1], 9), by=("deflate-stream",)) == {}
    assert equal(zipped(level=9), stored_as(b"\xff" * 20, 9), by=("deflate-stream",)) == {}


def test_a_tar_inside_a_gzip_is_reached_only_with_the_stream():
    one, other = gz(tar(mtime=1), mtime=1), gz(tar(mtime=2), mtime=2)
    names = ("deflate-stream", "gzip-header", "tar-times")
    assert set(equal(one, other, by=names)) == {"deflate-stream/1", "gzip-header/1", "tar-times/1"}
    assert equal(one, other, by=("gzip-header", "tar-times")) == {}
    assert equal(one, gz(tar(mtime=2, mode=0o755), mtime=2), by=names) == {}


def test_what_is_not_needed_is_not_named():
    one, other = gz(b"same", mtime=1), gz(b"same", mtime=2)
    assert equal(one, other, by=tuple(NORMALISERS)).keys() == {"gzip-header/1"}
    assert equal(one, other, by=()) == {}


def test_all_rebuilds_have_to_become_equal():
    assert equal(tar(mtime=1), tar(mtime=2), tar(mtime=3, uid=1), by=("tar-times",)) == {}


def test_bytes_after_the_archive_are_not_forgiven():
    assert equal(tar(mtime=1), tar(mtime=2) + b"\0" * 511 + b"x", by=("tar-times",)) == {}
    assert equal(zipped(), zipped(time=(1999, 1, 1, 0, 0, 0)) + b"tail", by=("zip-times",)) == {}
    assert equal(b"front" + zipped(), zipped(time=(1999, 1, 1, 0, 0, 0)), by=("zip-times",)) == {}


SAMPLES = [tar(mtime=5), gz(tar(mtime=5), mtime=5, name="n"), zipped(), struct.pack("8s", b"!<arch>\n") +
           b"a/              5           0     0     100644  2         `\nhi"]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(SAMPLES), st.data())
def test_whatever_is_called_equal_unpacks_to_the_same(sample, draw):
    """One byte anywhere set to another value: if all normalisers still say equal, real readers see no change."""
    at = draw.draw(st.integers(0, len(sample) - 1))
    changed = bytearray(sample)
    changed[at] ^= draw.draw(st.integers(1, 255))
    if equal(sample, bytes(changed), by=tuple(NORMALISERS)):
        assert content(bytes(changed)) == content(sample)


def content(data: bytes) -> object:
    """What an ordinary reader gets out of it: names, modes, link targets and bytes."""
    if data[:2] == b"\x1f\x8b":
        return inner(gzip.decompress(data))
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(one.filename, one.external_attr, archive.read(one)) for one in archive.infolist()]
    if data[:8] == b"!<arch>\n":
        return [(header[:16], header[28:], inner(body)) for header, body in ar_members(data)]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(one.name, one.mode, one.type, one.linkname, archive.extractfile(one).read()) for one in archive]


def inner(body: bytes) -> object:
    """A member, looked into where it is an archive itself."""
    try:
        return content(body)
    except Exception:
        return body


def ar_members(data: bytes):
    at = 8
    while at + 60 <= len(data):
        size = int(data[at + 48 : at + 58])
        yield data[at : at + 60], data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


@pytest.mark.parametrize("data", [b"", b"!<arch>\n", b"PK\x03\x04", b"\x1f\x8b\x08", b"text"])
def test_what_is_no_archive_is_equal_only_to_itself(data):
    assert equal(data, data + b"x", by=tuple(NORMALISERS)) == {}
