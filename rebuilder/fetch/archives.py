"""The tree of a release archive (an sdist, a tarball of a release) as the canonical tar that builds are given.

The archive is known by its digest; what is in it is hostile all the same. Kept: names, contents, whether the owner may
execute, links as they stand, and the times that the archive records. Not kept: owners and other permission bits.
"""

from __future__ import annotations

import bz2
import calendar
import gzip
import lzma
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, cast

from rebuilder import tarsafe, zipsafe
from rebuilder.errors import TooLargeError, UsageError
from rebuilder.treetar import MEMBERS_LIMIT, OPEN, PATH_LIMIT, Member, in_order, kept_link, packed

if TYPE_CHECKING:
    from rebuilder.model import FileDigest
    from rebuilder.ports import Blobs

TOP = "tree"
TREE_LIMIT = 8 * 1024**3
_CHUNK = 1024**2
_LARGEST_TIME = 2**33 - 1
_UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError,
               RuntimeError, NotImplementedError, OverflowError, struct.error, IndexError)  # fmt: skip

_COMPRESSED: dict[bytes, Callable[[BinaryIO], IO[bytes]]] = {
    b"\x1f\x8b": lambda raw: cast("IO[bytes]", gzip.GzipFile(fileobj=raw)),
    b"BZh": lambda raw: cast("IO[bytes]", bz2.BZ2File(raw)),
    b"\xfd7zXZ": tarsafe.unxz,
}
_ENCRYPTED = 1
#: LZMA in a zip may ask for gigabytes before it gives a byte.
_ZIPPED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


class _Entry(NamedTuple):
    path: str
    member: Member
    #: Where its bytes lie, in the spooled tar; or its name in a zip.
    place: tarfile.TarInfo | zipfile.ZipInfo


_Chunks = Callable[[_Entry], Iterator[bytes]]


def archive_tree(archive: FileDigest, blobs: Blobs) -> FileDigest:
    """The canonical ``tree.tar`` of a stored `.tar.gz`, `.tgz`, `.tar.xz`, `.tar.bz2`, `.tar` or `.zip`, without the
    one folder that all of it lies in, if there is one; in the blobs.

    ``UsageError`` for what is no such archive, holds no file, or names paths that no tree can have.
    """
    try:
        return _tree(archive, blobs)
    except TooLargeError as error:
        msg = f"{archive.name}: expected a tree of at most {TREE_LIMIT} bytes, found more"
        raise UsageError(msg) from error
    except UsageError:
        raise
    except _UNREADABLE as error:
        why = "".join(letter if letter.isprintable() else "?" for letter in str(error))
        msg = f"{archive.name}: expected a tar or zip archive, it cannot be read: {type(error).__name__}: {why}"
        raise UsageError(msg[:500], hint="is it whole? Its digest is that of the file that was given") from error


def _tree(archive: FileDigest, blobs: Blobs) -> FileDigest:
    path = blobs.path(archive.sha256)
    if archive.name.endswith(".zip"):
        with path.open("rb") as stream, zipsafe.opened(stream, members=MEMBERS_LIMIT) as opened:
            return _packed(archive.name, list(_of_zip(opened)), lambda item: _zip_chunks(opened, item), blobs)
    with tempfile.TemporaryFile() as spool:
        _unpack(path, spool)
        with tarsafe.Archive.open(fileobj=spool, mode="r:", errorlevel=2) as tar:
            return _packed(archive.name, list(_of_tar(tar)), lambda item: _tar_chunks(tar, item), blobs)


def _packed(name: str, entries: list[_Entry], chunks: _Chunks, blobs: Blobs) -> FileDigest:
    entries = _stripped(entries)
    if not any(entry.member.kind == "file" for entry in entries):
        msg = f"{name}: expected the files of a project, found none"
        raise UsageError(msg)
    for _, member, _ in entries:
        if member.kind == "link":
            kept_link(member.link, f"{name}: {member.path[:200]}")
    newest = max(entry.member.time for entry in entries)
    members = _with_folders(name, entries, newest)
    filled = (
        member._replace(content=chunks(entry)) if entry is not None and member.kind == "file" else member
        for member, entry in members
    )
    return blobs.put(packed(filled, TOP, newest, modes=OPEN, of=name), name="tree.tar", limit=TREE_LIMIT)


def _stripped(entries: list[_Entry]) -> list[_Entry]:
    """Without the one folder that holds everything."""
    tops = {entry.path.partition("/")[0] for entry in entries}
    if len(tops) != 1 or any("/" not in entry.path and entry.member.kind != "folder" for entry in entries):
        return entries
    inner = [(entry, entry.path.partition("/")[2]) for entry in entries]
    return [entry._replace(path=path, member=entry.member._replace(path=path)) for entry, path in inner if path]


def _with_folders(name: str, entries: list[_Entry], newest: int) -> Iterator[tuple[Member, _Entry | None]]:
    """In the order of a canonical tar, each in its folder, the last of several with one name; none behind a link."""
    unique = {entry.path: entry for entry in entries}
    kinds = {path: entry.member.kind for path, entry in unique.items()}
    for path in list(unique):
        for parent in PurePosixPath(path).parents:
            kind = kinds.setdefault(str(parent), "folder") if str(parent) != "." else "folder"
            if kind != "folder":
                msg = f"{name}: {str(parent)[:200]!r} is a {kind}, and yet {path[:200]!r} lies in it"
                raise UsageError(msg)
    for path in sorted(kinds, key=in_order):
        entry = unique.get(path)
        yield (entry.member, entry) if entry else (Member(path, "folder", newest), None)


def _of_tar(tar: tarfile.TarFile) -> Iterator[_Entry]:
    files: dict[str, tarfile.TarInfo] = {}
    for number, info in enumerate(tar):
        path = _safe(info.name, number)
        if not path:
            continue
        if info.isreg():
            files[path] = info
        elif info.islnk():
            # One file by two names: whose modes and times are those of the first.
            files[path] = _first_name(info, files, number)
        else:
            files.pop(path, None)
        time = min(max(0, int(files.get(path, info).mtime)), _LARGEST_TIME)
        if path in files:
            kept = files[path]
            yield _Entry(path, Member(path, "file", time, bool(kept.mode & 0o100), kept.size), kept)
        elif info.isdir():
            yield _Entry(path, Member(path, "folder", time), info)
        elif info.issym():
            yield _Entry(path, Member(path, "link", time, link=info.linkname), info)
        else:
            msg = f"{path[:200]!r}: expected only files, folders and links in a source archive, found a device or pipe"
            raise UsageError(msg)


def _first_name(link: tarfile.TarInfo, files: dict[str, tarfile.TarInfo], number: int) -> tarfile.TarInfo:
    """The file that a hard link is another name of. Its own search would look through the whole archive each time."""
    found = files.get(_safe(link.linkname, number))
    if found is None:
        msg = f"{link.name[:200]!r}: expected a hard link to a file before it, found one to {link.linkname[:200]!r}"
        raise UsageError(msg)
    return found


def _of_zip(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for number, info in enumerate(archive.infolist()):
        path = _safe(info.filename, number)
        if not path:
            continue
        if info.compress_type not in _ZIPPED or info.flag_bits & _ENCRYPTED:
            found = "an encrypted one" if info.flag_bits & _ENCRYPTED else "another method"
            msg = f"{path[:200]!r}: expected a file that is stored, deflated or packed with bzip2, found {found}"
            raise UsageError(msg)
        time = _zip_time(info)
        kind = (info.external_attr >> 16) & 0o170000
        if kind == 0o120000:
            with archive.open(info) as content:
                target = content.read(PATH_LIMIT + 1).decode("utf-8", "surrogateescape")
            yield _Entry(path, Member(path, "link", time, link=target), info)
        elif info.is_dir():
            yield _Entry(path, Member(path, "folder", time), info)
        else:
            executable = bool((info.external_attr >> 16) & 0o100)
            yield _Entry(path, Member(path, "file", time, executable, info.file_size), info)


def _zip_time(info: zipfile.ZipInfo) -> int:
    """Its time, which has no zone, as UTC. A date that is all zeros means the first that a zip can have."""
    year, month, day, *clock = info.date_time
    return calendar.timegm((year, min(max(1, month), 12), max(1, day), *clock, 0, 0, 0))


def _safe(name: str, number: int) -> str:
    """The path inside the tree; empty for the top itself. ``UsageError`` for one that leads out."""
    if number >= MEMBERS_LIMIT:
        msg = f"expected at most {MEMBERS_LIMIT} files and folders in a source archive, found more"
        raise UsageError(msg)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or len(name) > PATH_LIMIT or ".git" in parts:
        msg = f"expected paths inside the tree in a source archive, found {name[:200]!r}"
        raise UsageError(msg)
    return "/".join(parts)


def _tar_chunks(tar: tarfile.TarFile, entry: _Entry) -> Iterator[bytes]:
    yield from _chunks(tar.extractfile(cast("tarfile.TarInfo", entry.place)), entry)


def _zip_chunks(archive: zipfile.ZipFile, entry: _Entry) -> Iterator[bytes]:
    with archive.open(cast("zipfile.ZipInfo", entry.place)) as content:
        yield from _chunks(content, entry)


def _chunks(content: IO[bytes] | None, entry: _Entry) -> Iterator[bytes]:
    left = entry.member.size
    while content is not None and left and (chunk := content.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk
    if left:
        msg = f"{entry.path[:200]!r}: expected {entry.member.size} bytes, found {entry.member.size - left}"
        raise UsageError(msg)


def _unpack(path: Path, spool: BinaryIO) -> None:
    """The tar inside, into an empty file."""
    left = TREE_LIMIT
    with path.open("rb") as raw, _plain(raw) as stream:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise TooLargeError(path.name)
            spool.write(chunk)
    spool.seek(0)


def _plain(raw: BinaryIO) -> IO[bytes]:
    """What a compressed file holds, by its first bytes; a file that is not compressed as it is."""
    magic = raw.read(6)
    raw.seek(0)
    for start, opened in _COMPRESSED.items():
        if magic.startswith(start):
            return opened(raw)
    return raw
