"""Between the rules on content that is not from the declared source, and the blobs: opens archives and the tree."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from rebuilder.compare.archive.formats import CODECS, reader_of
from rebuilder.compare.archive.layout import Budget, BudgetError, Entry, FormatError, Layout, printable, tiled
from rebuilder.compare.contents import payload
from rebuilder.compare.shown import cut
from rebuilder.compare.undeclared import Found, Part, Source
from rebuilder.compare.undeclared import undeclared as judged
from rebuilder.compare.undeclared_notes import note, speaks_for_itself
from rebuilder.compare.walk import MAX_MEMBERS, Bounds
from rebuilder.data import Data, chunks, sha256, window
from rebuilder.errors import IntegrityError, RebuilderError
from rebuilder.model import FileDigest, Undeclared
from rebuilder.opened import Desk, desk
from rebuilder.ports import Blobs
from rebuilder.tarplaces import places

#: Of one artifact; how many more there are is said.
MAX_LISTED = 200
ELSEWHERE = (
    "the repository has exactly this file in another commit, or outside of the project's folder: was the tag moved, "
    "or another commit built?"
)
NOWHERE = "no commit of the repository has these bytes"
_NOT_DONE = "not looked through for content that is not from the source"
#: By their names, archives of files: one that cannot be read is worth a word.
_ARCHIVES = (".whl", ".zip", ".tgz", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".crate", ".gem")
_NO_FILES = frozenset({"hard link", "symlink", "character device", "block device", "directory", "fifo", "volume label"})
_FORMATS = frozenset({"zip", "tar"})
Holds = Callable[[frozenset[str]], frozenset[str]]


def undeclared(
    artifact: str,
    published: FileDigest,
    rebuilt: FileDigest,
    tree: FileDigest,
    blobs: Blobs,
    holds: Holds | None = None,
) -> tuple[Undeclared, ...]:
    """Content of a published archive that is neither from the source ``tree`` (a ``tree.tar``) nor in our ``rebuilt``.

    ``holds`` says which of some Git blob ids a repository has in any commit. An entry with an empty ``member`` is about
    the artifact itself: its note says what could not be looked into, or how many files are not listed. Raises only
    ``IntegrityError``, for what the store holds; nothing for what an archive holds.
    """
    if published.sha256 == rebuilt.sha256:
        return ()
    with desk() as own:
        try:
            return _looked(artifact, (published, rebuilt, tree), blobs, holds, own)
        except BudgetError as error:
            return (_remark(artifact, published, f"{_NOT_DONE}: {error}"),)


def _looked(
    artifact: str, files: tuple[FileDigest, FileDigest, FileDigest], blobs: Blobs, holds: Holds | None, own: Desk
) -> tuple[Undeclared, ...]:
    published, rebuilt, tree = files
    sides: list[_Archive] = []
    for whose, file in (("the published file", published), ("our rebuild of it", rebuilt)):
        try:
            archive = _archive(own.open(blobs.path(file.sha256)), own.bounds)
        except FormatError as error:
            return (_remark(artifact, published, _unread(whose, str(error))),)
        if archive is None:
            odd = artifact.lower().endswith(_ARCHIVES)
            return (_remark(artifact, published, _unread(whose, "it is no archive of a known format")),) if odd else ()
        sides.append(archive)
    source = _source(tree, blobs, own)
    every = judged(sides[0].parts, sides[1].parts, source)
    listed = every[:MAX_LISTED]
    history = _history(listed, holds)
    found = [_value(artifact, one, source, history) for one in listed]
    remarks = [_remark(artifact, published, text) for text in _remarks(len(every) - len(listed), sides[0].unread)]
    return (*found, *remarks)


def _unread(whose: str, why: str) -> str:
    return f"{_NOT_DONE}: {whose} could not be taken apart: {cut(why)}"


def _remarks(left_out: int, unread: list[str]) -> list[str]:
    told = []
    if left_out:
        told.append(f"{left_out:,} more {'file is' if left_out == 1 else 'files are'} not from the source either")
    if unread:
        told.append(f"{len(unread):,} of its files could not be unpacked, the first is {cut(unread[0])}")
    return told


def _remark(artifact: str, published: FileDigest, text: str) -> Undeclared:
    return Undeclared(
        artifact=artifact, member="", what="not-in-source", sha256=published.sha256, size=published.size, note=text
    )


def _value(artifact: str, one: Found, source: Source, history: dict[str, str]) -> Undeclared:
    own, past = note(one, source), history.get(one.part.sha256, "")
    notes = (own, "" if past == NOWHERE and speaks_for_itself(one, own) else past)
    return Undeclared(
        artifact=artifact,
        member=one.part.path,
        what=one.what,
        sha256=one.part.sha256,
        size=one.part.data.size,
        source_path=one.source_path,
        note="; ".join(text for text in notes if text),
    )


# --- the repository's history -------------------------------------------------------------------


def _history(listed: tuple[Found, ...], holds: Holds | None) -> dict[str, str]:
    """By sha256 of the bytes, whether any commit has them. That it cannot be asked must not lose what was found."""
    if holds is None or not listed:
        return {}
    ids = {one.part.sha256: blob_id(one.part.data) for one in listed}
    try:
        known = holds(frozenset(ids.values()))
    except IntegrityError:
        raise
    except RebuilderError:
        return {}
    return {digest: ELSEWHERE if blob in known else NOWHERE for digest, blob in ids.items()}


def blob_id(data: Data) -> str:
    """The id that Git gives to these bytes as a file, by SHA-1 (gitformat-loose)."""
    digest = hashlib.sha1(b"blob %d\0" % data.size, usedforsecurity=False)
    for piece in chunks(data):
        digest.update(piece)
    return digest.hexdigest()


# --- archives -----------------------------------------------------------------------------------


@dataclass
class _Archive:
    parts: list[Part] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def _archive(data: Data, bounds: Bounds) -> _Archive | None:
    """Every file of a zip or a tar, packed or not; ``None`` for anything else. ``FormatError``, ``BudgetError``."""
    taken = _taken(data, bounds)
    if taken is None:
        return None
    whole, layout = taken
    found = _Archive()
    for entry in layout.entries:
        if entry.kind not in _NO_FILES and not entry.name.endswith(b"/"):
            _add(found, whole, entry, bounds)
    return found


def _taken(data: Data, bounds: Bounds) -> tuple[Data, Layout] | None:
    count = 0

    def entry() -> None:
        nonlocal count
        count += 1
        if count > MAX_MEMBERS:
            msg = f"more than {MAX_MEMBERS} members"
            raise BudgetError(msg)

    budget = Budget(entry=entry, check=bounds.check, spool=bounds.spool)
    reader = reader_of(data)
    if reader is not None and reader.name in CODECS:
        data = payload(reader.read(data, budget), bounds.spool)
        reader = reader_of(data)
    if reader is None or reader.name not in _FORMATS:
        return None
    return data, tiled(reader.read(data, budget), data.size)


def _add(found: _Archive, whole: Data, entry: Entry, bounds: Bounds) -> None:
    bounds.check()
    path = _plain(printable(entry.name))
    try:
        stored = window(whole, entry.at, entry.size)
        data = stored if entry.unpacked is None else entry.unpacked(bounds.spool)
    except (FormatError, ValueError) as error:
        if isinstance(error, BudgetError):
            raise
        found.unread.append(path)
        return
    if entry.method == "encrypted":
        found.unread.append(path)
    else:
        found.parts.append(Part(path=path, data=data, sha256=sha256(data)))


def _plain(path: str) -> str:
    return path[2:] if path.startswith("./") else path


def _source(tree: FileDigest, blobs: Blobs, own: Desk) -> Source:
    """The files of the source. ``IntegrityError`` for what is no canonical tar."""
    path = blobs.path(tree.sha256)
    whole = own.open(path)
    with path.open("rb") as file:
        return Source(
            {
                printable(os.fsencode(place.path.partition("/")[2])): window(whole, place.data, place.size)
                for place in places(file)
                if place.is_file
            }
        )
