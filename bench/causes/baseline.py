"""The baseline: what a person with the usual tools and grep would say. Dumps both sides as text, diffs, greps.

Every container is listed and unpacked by Python's own modules, ELF files by readelf; of the lines that one side alone
has, each regular expression counts its hits. More hits, higher rank. It knows the names of things, not what they mean.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import subprocess
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

_DEPTH = 4
_DATE = r"\b(?:19|20)\d\d-\d\d-\d\d\b|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b"
#: Cause -> what its lines look like. The start of a line says which tool printed it.
PATTERNS = {
    "zip-times": r"^zip-time ",
    "zip-extra": r"^zip-extra ",
    "archive-order": r"^order ",
    "tar-times": r"^tar-time ",
    "tar-owners": r"^tar-owner ",
    "archive-modes": r"^(?:zip|tar)-mode .* 0o\d+[2367]\d$",
    "executable-bit": r"^(?:zip|tar)-mode ",
    "pax-headers": r"^tar-pax ",
    "gzip-header-time": r"^gzip-time ",
    "gzip-header-name": r"^gzip-name ",
    "gzip-header-os": r"^gzip-os ",
    "deflate-stream": r"^packed ",
    "xz-stream": r"^xz-size ",
    "ar-times": r"^ar-time ",
    "ar-owners": r"^ar-owner ",
    "directory-entries": r"^member .*/$",
    "missing-file": r"^member ",
    "extra-file": r"^member ",
    "pyc-times": r"^pyc-time ",
    "wheel-record": r"RECORD: ",
    "wheel-generator": r"Generator: \w+ ",
    "abi-tag": r"cpython-3\d+",
    "date-macro": r"^rodata .*(?:" + _DATE + r") [ \d]\d \d{4}",
    "embedded-timestamp": r"\d\d:\d\d:\d\d",
    "build-path-rodata": r"^rodata .*/build/",
    "build-path-dwarf": r"^dwarf .*/build/",
    "build-path-producer": r"^dwarf .*DW_AT_producer.*/build/",
    "build-path-rpath": r"^dynamic .*R(?:UN)?PATH",
    "build-path-text": r"^text .*/build/",
    "pyc-code-path": r"^strings .*/build/.*\.py",
    "build-id": r"Build ID:",
    "debuglink": r"gnu_debuglink",
    "symbol-order": r"^symbol ",
    "compiler-version": r"(?:GCC|clang).* \d+\.\d+",
    "code-generation": r"^code ",
    "libc-startfiles": r"crt1|_start\b",
    "timezone": r"[ +-]\d\d[03]0\b",
    "hostname": r"(?i)host",
    "username": r"(?i)\buser|-by\b",
    "home": r"/home/|HOME",
    "environment-variable": r"\b[A-Z_]{3,}=",
    "cpu-count": r"(?i)\b(?:cpus?|threads|jobs|workers)\b",
    "kernel-version": r"Linux \d",
    "random-name": r"[0-9a-f]{8}-[0-9a-f]{4}|\btmp\w{6,}",
    "git-describe": r"-\d+-g[0-9a-f]{4,}|-dirty",
    "line-endings": r"\r",
    "json-key-order": r"package\.json: ",
    "gettext-pot-date": r"POT-Creation-Date",
    "man-page-date": r"^text .*\.TH ",
    "pod2man-version": r"Pod::Man \d",
    "makeinfo-version": r"makeinfo version",
    "info-date": r"\.info: .*(?:" + _DATE + ")",
    "help2man-version": r"help2man \d",
    "doxygen-stamp": r"(?i)doxygen",
    "sphinx-stamp": r"(?i)sphinx",
    "copyright-year": r"(?i)copyright",
    "debhelper-maintscript": r"Automatically added by dh",
    "changelog-trimmed": r"changelog",
    "java-manifest": r"MANIFEST\.MF: ",
    "locale-collation": r"^text ",
    "hash-order": r"^text ",
}
_COMPILED = {cause: re.compile(pattern) for cause, pattern in PATTERNS.items()}


def guess(published: Path, rebuilt: Path) -> list[str]:
    """Causes, most hits first; among equals the rarer pattern of the table above comes first as it stands there."""
    one, other = (Counter(_dump(path.name, path.read_bytes())) for path in (published, rebuilt))
    lines = [*(one - other).keys(), *(other - one).keys()]
    hits = {cause: sum(1 for line in lines if pattern.search(line)) for cause, pattern in _COMPILED.items()}
    return sorted((cause for cause, count in hits.items() if count), key=lambda cause: -hits[cause])


def _dump(name: str, data: bytes, depth: int = 0) -> Iterator[str]:
    reader = _reader(data) if depth < _DEPTH else None
    if reader is None:
        yield from _leaf(name, data)
        return
    try:
        yield from reader(name, data, depth)
    except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError) as error:
        yield f"broken {name}: {error}"


def _reader(data: bytes) -> Callable[[str, bytes, int], Iterator[str]] | None:
    for magic, at, reader in (
        (b"PK\3\4", 0, _zip),
        (b"\x1f\x8b", 0, _gzip),
        (b"\xfd7zXZ", 0, _xz),
        (b"!<arch>\n", 0, _ar),
        (b"ustar", 257, _tar),
        (b"\x7fELF", 0, _elf),
    ):
        if data[at : at + len(magic)] == magic:
            return reader
    return None


def _leaf(name: str, data: bytes) -> Iterator[str]:
    if name.endswith(".pyc"):
        yield f"pyc-time {name}: {data[8:12].hex()}"
    try:
        yield from (f"text {name}: {line}" for line in data.decode().split("\n"))
    except UnicodeDecodeError:
        yield from (f"strings {name}: {found.decode()}" for found in re.findall(rb"[\x20-\x7e]{4,}", data))


def _zip(name: str, data: bytes, depth: int) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for at, info in enumerate(archive.infolist()):
            yield f"member {info.filename}"
            yield f"order {at} {info.filename}"
            yield f"zip-time {info.filename} {info.date_time}"
            yield f"zip-mode {info.filename} {oct(info.external_attr >> 16)}"
            yield f"zip-extra {info.filename} {info.extra.hex()}"
            yield f"packed {info.filename} {info.compress_size}"
            yield from _dump(f"{name}/{info.filename}", archive.read(info), depth + 1)


def _tar(name: str, data: bytes, depth: int) -> Iterator[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for at, info in enumerate(archive):
            yield f"member {info.name}"
            yield f"order {at} {info.name}"
            yield f"tar-time {info.name} {info.mtime}"
            yield f"tar-owner {info.name} {info.uid} {info.gid} {info.uname} {info.gname}"
            yield f"tar-mode {info.name} {oct(info.mode)}"
            yield from (f"tar-pax {info.name} {key}={value}" for key, value in info.pax_headers.items())
            yield f"text {info.name} -> {info.linkname}"
            if info.isfile() and (file := archive.extractfile(info)):
                yield from _dump(f"{name}/{info.name}", file.read(), depth + 1)


def _gzip(name: str, data: bytes, depth: int) -> Iterator[str]:
    yield f"gzip-time {data[4:8].hex()}"
    yield f"gzip-name {data[10:].split(bytes(1))[0] if data[3] & 8 else ''}"
    yield f"gzip-os {data[8:10].hex()}"
    yield f"packed {name} {len(data)}"
    yield from _dump(name.removesuffix(".gz"), gzip.decompress(data), depth + 1)


def _xz(name: str, data: bytes, depth: int) -> Iterator[str]:
    yield f"xz-size {len(data)}"
    yield from _dump(name.removesuffix(".xz"), lzma.decompress(data), depth + 1)


def _ar(name: str, data: bytes, depth: int) -> Iterator[str]:
    at = 8
    while at + 60 <= len(data):
        header, size = data[at : at + 60], int(data[at + 48 : at + 58] or b"0")
        member = header[:16].decode(errors="replace").strip()
        yield f"order {at} {member}"
        yield f"ar-time {member} {header[16:28]!r}"
        yield f"ar-owner {member} {header[28:40]!r}"
        yield from _dump(f"{name}/{member}", data[at + 60 : at + 60 + size], depth + 1)
        at += 60 + size + size % 2


def _elf(name: str, data: bytes, _depth: int) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        for kind, options in (
            ("dynamic", "-d"),
            ("note", "-n"),
            ("rodata", "-prodata"),
            ("rodata", "-p.rodata"),
            ("comment", "-p.comment"),
            ("symbol", "-s"),
            ("dwarf", "--debug-dump=info"),
            ("link", "-S"),
            ("link", "--debug-dump=links"),
            ("code", "-x.text"),
        ):
            ended = subprocess.run(
                ["readelf", "-W", options, file.name], capture_output=True, text=True, errors="replace", check=False
            )
            yield from (
                f"{kind} {name}: {line.strip()}" for line in ended.stdout.splitlines() if line and file.name not in line
            )
