"""What a package says of its own past, and which headers it brings: read from its `.deb`, checked by digest before.

Everything is bounded: a `.deb` that is damaged, or that unpacks to far more than a package does, just has no past.
"""

from __future__ import annotations

import gzip
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from rebuilder.toolchain import deb

MAX_DATA_BYTES = 2 * 1024**3
MAX_MEMBERS = 200_000
MAX_CHANGELOG_BYTES = 4 * 1024**2
MAX_LINES = 200_000
MAX_LINE = 2048
MAX_UPLOADS = 1000
MAX_HEADERS = 20_000
_PLACE = re.compile(r"(?:\./)?usr/share/doc/[^/]+/changelog(?:\.Debian)?\.gz")
_ENTRY = re.compile(rb"([a-z0-9][a-z0-9+.-]*) \(([A-Za-z0-9.+~:-]{1,128})\) ([^;]{1,200});")
#: Where nobody's build takes packages from unless told to.
_ASIDE = frozenset({b"experimental", b"UNRELEASED"})
_SIGNED = re.compile(rb" -- [^\n]*?>  ?([^\n]{10,60})$")
_AR_TIME = slice(24, 36)
_REBUILD = re.compile(r"\+b([1-9])\Z")


@dataclass(frozen=True)
class Upload:
    """One entry of a changelog."""

    source: str
    version: str
    date: datetime | None


@dataclass(frozen=True)
class History:
    """The entries of a package's changelog, newest first, and the names (without folders) of its C headers."""

    uploads: tuple[Upload, ...] = ()
    headers: frozenset[str] = frozenset()


def history(package: Path, *, with_headers: bool = False) -> History:
    """One pass over a package, ended as soon as all is known. Empty for one that cannot be read."""
    uploads: tuple[Upload, ...] = ()
    headers: set[str] = set()
    try:
        with deb.data(package, limit=MAX_DATA_BYTES) as archive:
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS or (uploads and not with_headers):
                    break
                name = member.name.removeprefix("./")
                if name.startswith("usr/include/") and name.endswith((".h", ".hpp", ".hh")):
                    if len(headers) < MAX_HEADERS:
                        headers.add(name.rpartition("/")[2])
                elif not uploads and _PLACE.fullmatch(member.name):
                    uploads = tuple(_entries(archive, member))
    except (deb.Malformed, OSError, EOFError, gzip.BadGzipFile):
        pass
    return History(uploads, frozenset(headers))


def older(uploads: tuple[Upload, ...], version: str) -> tuple[Upload, ...]:
    """What came before ``version``, newest first. A binary-only rebuild came before by its number; a package that is
    not numbered like its source has no past that could be asked for."""
    rebuild = _REBUILD.search(version)
    base = _REBUILD.sub("", version)
    known = [one.version for one in uploads]
    if base not in known:
        return ()
    at = known.index(base)
    rest = [one for one in uploads[at + 1 :] if one.source == uploads[at].source]  # gcc-14 was gcc-13 before
    before = [f"{base}+b{number}" for number in range(int(rebuild[1]) - 1, 0, -1)] if rebuild else []
    own = [base] if rebuild else []
    found = (*(Upload(uploads[at].source, one, uploads[at].date) for one in (*before, *own)), *rest)
    return tuple({one.version: one for one in reversed(found) if one.version != version}.values())[::-1]


def made(package: Path) -> datetime | None:
    """When a package was made, by the header of its own archive, which has its changelog's date."""
    try:
        with package.open("rb") as file:
            head = file.read(68)
    except OSError:
        return None
    text = head[_AR_TIME].strip()
    if not head.startswith(b"!<arch>\n") or not text.isdigit() or not int(text):
        return None
    return datetime.fromtimestamp(min(int(text), 2**33), UTC)


def _entries(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[Upload]:
    """Every upload to a suite that is built with; one to experimental never reached it."""
    head: tuple[str, str] | None = None
    found = 0
    for line in _lines(archive, member):
        if match := _ENTRY.match(line):
            aside = match[3].strip() in _ASIDE
            head = None if aside else (match[1].decode("ascii"), match[2].decode("ascii"))
        elif head and (match := _SIGNED.match(line)):
            yield Upload(*head, _date(match[1].decode("ascii", "replace")))
            head = None
            found += 1
            if found >= MAX_UPLOADS:
                return


def _lines(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """The first lines of a packed text; what is longer than any changelog's line comes in pieces."""
    stream = archive.extractfile(member) if member.isreg() else None
    if stream is None:
        return
    left = MAX_CHANGELOG_BYTES
    with gzip.GzipFile(fileobj=stream) as plain:
        for _ in range(MAX_LINES):
            line = plain.readline(min(left, MAX_LINE))
            if not line:
                return
            left -= len(line)
            yield line.rstrip(b"\r\n")


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
