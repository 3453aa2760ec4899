"""What a published npm tarball says of how it was made: read from its headers, and judged nowhere here.

A tarball is hostile: it is read once, as a stream, within bounds, and nothing is unpacked to disk.
Specs: RFC 1952, tar(5).
"""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from rebuilder.errors import UsageError
from rebuilder.resolve.infer.deflate import Deflated
from rebuilder.resolve.infer.gunzip import GzipHeader, Unpacking, header
from rebuilder.resolve.infer.tar_walk import TarMember, walk
from rebuilder.tarsafe import Bounded, Readable

#: No registry takes a package that large.
MAX_UNPACKED = 2 * 1024**3
MAX_MANIFEST = 4 * 1024**2
_SIZE_FIELD = slice(124, 136)
_OWNER_FIELDS = slice(108, 124)
_BLOCK = 512

#: Who wrote the headers: ``node-tar`` is that of npm and lerna, ``tar-stream`` that of yarn and pnpm; they fill the
#: number fields in their own way.
Writer = Literal["node-tar", "tar-stream", "other"]


@dataclass(frozen=True, slots=True)
class NpmFacts:
    """An npm tarball as far as it tells of its making."""

    file_name: str
    gzip: GzipHeader
    members: tuple[TarMember, ...]
    #: ``package.json`` of the package as it lies in the archive; empty if there is none, or it is none.
    manifest: dict[str, object]
    writer: Writer
    #: Whether the first header names an owner at all. npm has left those fields blank since version 5.
    owner_given: bool
    #: At which level our own zlib, if it is the common one, makes the same stream.
    deflated: Deflated

    @property
    def files(self) -> tuple[TarMember, ...]:
        """Regular files alone."""
        return tuple(member for member in self.members if member.is_file)

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of its files below the top folder, in the order of the archive."""
        return tuple(member.name.partition("/")[2] for member in self.files)

    @property
    def times(self) -> frozenset[int]:
        """The distinct times of its members, in whole seconds since 1970."""
        return frozenset(member.time // 10**9 for member in self.members)

    @property
    def modes(self) -> frozenset[int]:
        """The distinct permissions of its files."""
        return frozenset(member.mode & 0o7777 for member in self.files)

    @property
    def scripts(self) -> dict[str, str]:
        """``scripts`` of its manifest, without what is no text."""
        return texts(self.manifest.get("scripts"))


def read_tarball(path: Path) -> NpmFacts:
    """The facts of one npm tarball. ``UsageError`` if it is none, is cut off, or goes past the bounds."""
    name = path.name
    with path.open("rb") as stream:
        found = header(stream, name)
        unpacking = Unpacking(stream, name)
        first = _First(Bounded(io.BufferedReader(unpacking), MAX_UNPACKED, lambda: _refused(name, "more than that")))
        try:
            members, manifest = _members(cast("Readable", first), name)
            while first.read(1024 * 1024):
                pass
        except (EOFError, zlib.error) as error:
            raise _refused(name, f"a broken one ({error})") from None
    return NpmFacts(
        file_name=name,
        gzip=found,
        members=members,
        manifest=manifest,
        writer=_writer(first.block),
        owner_given=first.block[_OWNER_FIELDS] != bytes(16),
        deflated=unpacking.deflated(),
    )


def manifest_of(data: bytes) -> dict[str, object]:
    """A ``package.json``; empty for anything that is none, is too large or too deep."""
    if len(data) > MAX_MANIFEST:
        return {}
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def texts(value: object) -> dict[str, str]:
    """An object of texts, without what is no text."""
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


class _First:
    """A stream that remembers the first block it gave."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.block = b""

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        if len(self.block) < _BLOCK:
            self.block += data[: _BLOCK - len(self.block)]
        return data


def _members(stream: Readable, name: str) -> tuple[tuple[TarMember, ...], dict[str, object]]:
    members: list[TarMember] = []
    manifest: dict[str, object] = {}
    for member, data in walk(stream, name, _is_manifest):
        members.append(member)
        if data is not None and not manifest:
            manifest = manifest_of(data)
    if not members:
        raise _refused(name, "an empty one")
    return tuple(members), manifest


def _is_manifest(member: TarMember) -> bool:
    top, _, rest = member.name.partition("/")
    return bool(top) and rest == "package.json" and member.is_file and member.size <= MAX_MANIFEST


def _writer(block: bytes) -> Writer:
    """By the size field of the first header: ten digits, a space and a NUL, or eleven digits and a space."""
    size = block[_SIZE_FIELD]
    if size[:10].isdigit() and size[10:] == b" \0":
        return "node-tar"
    if size[:11].isdigit() and size[11:] == b" ":
        return "tar-stream"
    return "other"


def _refused(name: str, found: str) -> UsageError:
    return UsageError(
        f"{name}: expected an npm tarball of at most {MAX_UNPACKED} bytes, found {found}",
        hint="is the file whole? its digest should be the one that the index names",
    )
