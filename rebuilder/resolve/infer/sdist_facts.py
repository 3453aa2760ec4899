"""What a published sdist says of how it was made: read from its headers, and judged nowhere here.

An sdist is hostile: it is read once, as a stream, within bounds, and nothing is unpacked to disk. Specs: the source
distribution format of PyPA, RFC 1952 (gzip), tar(5).
"""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, cast

from rebuilder.errors import UsageError
from rebuilder.resolve.infer import zips
from rebuilder.resolve.infer.deflate import Deflated, zip_level
from rebuilder.resolve.infer.gunzip import GzipHeader, Unpacking, header
from rebuilder.resolve.infer.metadata import Metadata, parse
from rebuilder.resolve.infer.tar_walk import Dialect, TarMember, walk
from rebuilder.resolve.infer.wheel_facts import seconds
from rebuilder.tarsafe import Bounded, Readable, unxz

#: No sdist that pip would install is larger.
MAX_UNPACKED = 2 * 1024**3
_KEPT = ("PKG-INFO", "pyproject.toml")

Packing = Literal["gzip", "bzip2", "xz", "zip"]


@dataclass(frozen=True, slots=True)
class SdistFacts:
    """An sdist as far as it tells of its making."""

    file_name: str
    packing: Packing
    #: Only of ``packing`` gzip.
    gzip: GzipHeader | None
    #: Of its members together: ``pax`` as soon as one has a pax header. A zip has none.
    dialect: Dialect | None
    #: The folder that all of it lies in, without a slash; empty if there are several.
    top: str
    #: ``PKG-INFO``; ``None`` if there is none.
    metadata: Metadata | None
    #: ``pyproject.toml``; ``None`` if there is none.
    pyproject: str | None
    members: tuple[TarMember, ...]
    deflated: Deflated

    @property
    def names(self) -> frozenset[str]:
        """Paths below the top folder."""
        return frozenset(self.below(member) for member in self.members)

    @property
    def files(self) -> tuple[TarMember, ...]:
        """Regular files alone."""
        return tuple(member for member in self.members if member.is_file)

    @property
    def times(self) -> tuple[tuple[int, int], ...]:
        """The distinct times of its files in nanoseconds, and how many have each, most first."""
        return tuple(Counter(member.time for member in self.files).most_common())

    @property
    def egg_info(self) -> bool:
        """Whether setuptools left its folder in it."""
        return any(part.endswith(".egg-info") for name in self.names for part in name.split("/")[:2])

    def below(self, member: TarMember) -> str:
        """A member's path below the top folder; with no top folder its own."""
        return member.name.removeprefix(f"{self.top}/").rstrip("/") if self.top else member.name

    def has(self, name: str) -> bool:
        """Whether there is a file of that path below the top folder (``setup.py``)."""
        return name in self.names


@dataclass(slots=True)
class _Read:
    members: list[TarMember] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)


def read_sdist(path: Path) -> SdistFacts:
    """The facts of one sdist (``.tar.gz``, ``.zip``, ``.tar.bz2``, ``.tar.xz``). ``UsageError`` if it is none."""
    name = path.name
    with path.open("rb") as stream:
        magic = stream.read(6)
        stream.seek(0)
        if magic.startswith(b"PK"):
            return _of_zip(path)
        if magic.startswith(b"\x1f\x8b"):
            return _of_gzip(name, stream)
        if magic.startswith(b"BZh"):
            return _of_tar(name, cast("Readable", bz2.BZ2File(stream)), "bzip2")
        if magic == b"\xfd7zXZ\0":
            return _of_tar(name, unxz(stream), "xz")
    msg = f"{name}: expected an sdist (a tar packed by gzip, bzip2 or xz, or a zip), found bytes that begin {magic!r}"
    raise UsageError(msg, hint="is the file whole? its digest should be the one that the index names")


def _of_gzip(name: str, stream: BinaryIO) -> SdistFacts:
    unpacking = Unpacking(stream, name)
    found = header(stream, name)
    return _of_tar(name, io.BufferedReader(unpacking, io.DEFAULT_BUFFER_SIZE), "gzip", (found, unpacking))


def _of_tar(
    name: str, stream: Readable, packing: Packing, gzip: tuple[GzipHeader, Unpacking] | None = None
) -> SdistFacts:
    def refuse() -> UsageError:
        return UsageError(f"{name}: expected at most {MAX_UNPACKED} bytes in the archive, found more", hint=_BOMB)

    read = _Read()
    try:
        bounded = Bounded(stream, MAX_UNPACKED, refuse)
        for member, data in walk(bounded, name, _is_kept):
            read.members.append(member)
            if data is not None:
                read.texts.setdefault(member.name, data)
        deflated = Deflated()
        if gzip:
            while bounded.read(1024**2):
                pass
            deflated = gzip[1].deflated()
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        msg = f"{name}: expected an sdist, found a stream that does not unpack ({str(error)[:200]!r})"
        raise UsageError(msg, hint="is the file whole? its digest should be the one that the index names") from None
    return _facts(name, packing, read, gzip[0] if gzip else None, deflated)


_BOMB = "pip would not unpack this either; is it an archive made to fill disks?"


def _of_zip(path: Path) -> SdistFacts:
    read = _Read()
    with zips.opened(path, "an sdist") as (archive, stream):
        entries = archive.infolist()
        for entry in entries:
            member = _zip_member(entry)
            read.members.append(member)
            if _is_kept(member) and member.name not in read.texts:
                read.texts[member.name] = zips.text(archive, path.name, member.name) or b""
        deflated = zip_level(stream, entries)
    return _facts(path.name, "zip", read, None, deflated)


def _zip_member(entry: zipfile.ZipInfo) -> TarMember:
    """A zip's entry in the words of a tar: no owners, a time on its grid of two seconds."""
    return TarMember(
        name=entry.filename,
        time=(seconds(entry.date_time) or 0) * 10**9,
        exact=False,
        mode=entry.external_attr >> 16 & 0o7777,
        uid=0,
        gid=0,
        user="",
        group="",
        type="5" if entry.is_dir() else "0",
        size=entry.file_size,
        device=b"",
        dialect="v7",
    )


def _is_kept(member: TarMember) -> bool:
    parts = member.name.split("/")
    return member.is_file and len(parts) == 2 and parts[1] in _KEPT and member.size <= zips.MAX_TEXT


def _facts(name: str, packing: Packing, read: _Read, gzip: GzipHeader | None, deflated: Deflated) -> SdistFacts:
    tops = {member.name.partition("/")[0] for member in read.members}
    if not read.members:
        msg = f"{name}: expected an sdist, found an archive without a member"
        raise UsageError(msg, hint="is the file whole? its digest should be the one that the index names")
    top = tops.pop() if len(tops) == 1 else ""
    info = read.texts.get(f"{top}/PKG-INFO")
    project = read.texts.get(f"{top}/pyproject.toml")
    dialects = Counter(member.dialect for member in read.members)
    return SdistFacts(
        file_name=name,
        packing=packing,
        gzip=gzip,
        dialect=None if packing == "zip" else "pax" if dialects["pax"] else dialects.most_common(1)[0][0],
        top=top,
        metadata=parse(info) if info is not None else None,
        pyproject=project.decode("utf-8", "replace") if project is not None else None,
        members=tuple(read.members),
        deflated=deflated,
    )
