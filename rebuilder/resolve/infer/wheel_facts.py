"""What a published wheel says of how it was made: its directory and its `.dist-info`, judged nowhere here.

A wheel is hostile: its directory is read up to a bound, and of its members only those three files. Specs: the binary
distribution format of PyPA, APPNOTE.TXT 6.3.10 sections 4.3 and 4.4.
"""

from __future__ import annotations

import re
import zipfile
from calendar import timegm
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rebuilder.errors import UsageError
from rebuilder.resolve.infer import zips
from rebuilder.resolve.infer.deflate import Deflated, zip_level
from rebuilder.resolve.infer.metadata import Metadata, parse

_DIST_INFO = re.compile(r"^[^/]+\.dist-info/")
#: Year to second, as a zip gives it: local time of the builder or UTC, in steps of two seconds; may be no time at all.
ZipTime = tuple[int, int, int, int, int, int]


class WheelMember(NamedTuple):
    """One entry of the directory, in its order."""

    name: str
    time: ZipTime
    size: int
    packed: int
    #: 0 stored, 8 deflated.
    method: int
    #: 0 = DOS and Windows, 3 = Unix.
    system: int
    #: Bits 1 and 2 tell what the writer says of its level: 0 normal, 2 best, 4 fast, 6 fastest.
    flags: int
    #: File type and permissions of Unix; 0 if the writer gave none.
    mode: int

    @property
    def in_dist_info(self) -> bool:
        """Whether the backend wrote it beside the project's own files."""
        return _DIST_INFO.match(self.name) is not None

    @property
    def is_folder(self) -> bool:
        """Whether it is an entry of a folder."""
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """A wheel as far as it tells of its making."""

    file_name: str
    #: The ``Generator`` line as written, its first word, and its version; empty where there is none.
    generator: str
    generator_name: str
    generator_version: str
    tags: tuple[str, ...]
    pure: bool
    metadata: Metadata
    #: The WHEEL file.
    wheel: Metadata
    members: tuple[WheelMember, ...]
    deflated: Deflated

    @property
    def times(self) -> tuple[tuple[ZipTime, int], ...]:
        """The distinct times and how many members have each, most first."""
        return tuple(Counter(member.time for member in self.members).most_common())

    @property
    def written(self) -> tuple[WheelMember, ...]:
        """Members in `.dist-info`: but for licences the backend made them."""
        return tuple(member for member in self.members if member.in_dist_info)

    @property
    def packed(self) -> tuple[WheelMember, ...]:
        """Members outside `.dist-info`: the project's files."""
        return tuple(member for member in self.members if not member.in_dist_info)


def seconds(time: ZipTime) -> int | None:
    """Seconds since 1970 if that zip time is in UTC; ``None`` if it is no time."""
    year, month, day, hour, minute, second = time
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    return timegm((year, month, day, hour, minute, second, 0, 0, 0))


def read_wheel(path: Path) -> WheelFacts:
    """The facts of one wheel. ``UsageError`` if it is none."""
    with zips.opened(path, "a wheel") as (archive, stream):
        return _facts(path.name, archive, stream)


def _facts(name: str, archive: zipfile.ZipFile, stream: BinaryIO) -> WheelFacts:
    entries = archive.infolist()
    folder = _dist_info(name, entries)
    wheel = parse(zips.text(archive, name, f"{folder}WHEEL") or b"")
    generator = wheel.first("Generator")
    word, version = _generator(generator)
    return WheelFacts(
        file_name=name,
        generator=generator,
        generator_name=word,
        generator_version=version,
        tags=wheel.all("Tag"),
        pure=wheel.first("Root-Is-Purelib").lower() == "true",
        metadata=parse(zips.text(archive, name, f"{folder}METADATA") or b""),
        wheel=wheel,
        members=tuple(_member(entry) for entry in entries),
        deflated=zip_level(stream, entries),
    )


def _dist_info(name: str, entries: list[zipfile.ZipInfo]) -> str:
    """The folder of the metadata, with a slash at its end. Of several that of the file's name."""
    markers = (entry.filename for entry in entries if re.fullmatch(r"[^/]+\.dist-info/WHEEL", entry.filename))
    folders = sorted({marker.removesuffix("WHEEL") for marker in markers})
    wanted = "-".join(name.split("-")[:2]).lower()
    own = [folder for folder in folders if folder.removesuffix(".dist-info/").lower() == wanted]
    if len(own or folders) != 1:
        found = f"{len(folders)} of them" if folders else "none"
        msg = f"{name}: expected a wheel with one `.dist-info/WHEEL` of its name, found {found}"
        raise UsageError(msg, hint="is this another kind of zip? a wheel's file name ends in .whl")
    return (own or folders)[0]


def _member(entry: zipfile.ZipInfo) -> WheelMember:
    return WheelMember(
        name=entry.filename,
        time=entry.date_time,
        size=entry.file_size,
        packed=entry.compress_size,
        method=entry.compress_type,
        system=entry.create_system,
        flags=entry.flag_bits,
        mode=entry.external_attr >> 16,
    )


def _generator(line: str) -> tuple[str, str]:
    """Name and version out of ``name version``, ``name (version)`` or a name alone."""
    words = line.replace("(", " ").replace(")", " ").split()
    version = words[1] if len(words) > 1 else ""
    return (words[0] if words else "", version if re.fullmatch(r"v?[0-9][0-9A-Za-z.+!_-]{0,63}", version) else "")
