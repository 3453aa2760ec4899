"""What a package says of its own past, and which headers it brings: read from its `.deb`, checked by digest before."""

from __future__ import annotations

import gzip
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from rebuilder.toolchain import deb

MAX_CHANGELOG_BYTES = 16 * 1024**2
MAX_HEADERS = 20_000
_ENTRY = re.compile(r"^([a-z0-9][a-z0-9+.-]*) \(([^()\s]{1,128})\) ")
_SIGNED = re.compile(r"^ -- .*?  (.{10,60})$")


@dataclass(frozen=True)
class Upload:
    """One entry of a changelog."""

    source: str
    version: str
    date: datetime | None


def uploads(package: Path) -> tuple[Upload, ...]:
    """The entries of the package's own changelog, newest first; as many as it was shipped with. Empty if it has none,
    or one that cannot be read."""
    try:
        with deb.data(package) as archive:
            for member in archive:
                if re.fullmatch(r"(?:\./)?usr/share/doc/[^/]+/changelog(?:\.Debian)?\.gz", member.name):
                    text = _unpacked(archive, member)
                    if "changelog.Debian" in member.name or " -- " in text[:20000]:
                        return tuple(_entries(text))
    except (deb.Malformed, OSError, EOFError, gzip.BadGzipFile):
        pass
    return ()


def headers(package: Path) -> frozenset[str]:
    """Names (without folders) of the C headers a package puts below ``/usr/include``."""
    found: set[str] = set()
    try:
        with deb.data(package) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name.startswith("usr/include/") and name.endswith((".h", ".hpp", ".hh")):
                    found.add(name.rpartition("/")[2])
                if len(found) >= MAX_HEADERS:
                    break
    except deb.Malformed:
        pass
    return frozenset(found)


def _unpacked(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    stream = archive.extractfile(member) if member.isreg() else None
    if stream is None:
        return ""
    with gzip.GzipFile(fileobj=stream) as plain:
        return plain.read(MAX_CHANGELOG_BYTES).decode("utf-8", "replace")


def _entries(text: str) -> Iterator[Upload]:
    head: tuple[str, str] | None = None
    for line in text.split("\n"):
        if match := _ENTRY.match(line):
            head = match[1], match[2]
        elif head and (match := _SIGNED.match(line)):
            yield Upload(*head, _date(match[1]))
            head = None


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, IndexError):
        return None
