"""Byte-level facts about files that differ: first offset, agreement of rebuilds, the subject among its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import BinaryIO

from rebuilder.compare.members import Member, OpaqueError, differing, members
from rebuilder.model import FileDigest, SelfInput

CHUNK = 1024 * 1024
#: Members below this size are too common to accuse anyone with (an empty file, a stock header).
SELF_INPUT_MIN_BYTES = 64

Open = Callable[[FileDigest], BinaryIO]


def first_difference(one: BinaryIO, other: BinaryIO) -> int | None:
    """Offset of the first byte that differs (or at which one ends); ``None`` if the streams are equal."""
    offset = 0
    while True:
        left, right = one.read(CHUNK), other.read(CHUNK)
        if left != right:
            shared = min(len(left), len(right))
            return offset + next((at for at in range(shared) if left[at] != right[at]), shared)
        if not left:
            return None
        offset += len(left)


def agree_otherwise(published: FileDigest, rebuilt: tuple[FileDigest, ...], open_blob: Open) -> bool:
    """Whether all rebuilds have, at some member, the same bytes and metadata where the published file has others.

    A file that is no readable archive is one member: then rebuilds that differ agree on nothing.
    """
    try:
        theirs = _members(published, open_blob)
        ours = [_members(file, open_blob) for file in rebuilt]
    except OpaqueError:
        return False
    unstable = frozenset().union(*(differing(ours[0], other) for other in ours[1:]))
    containers = {path for path in unstable | differing(theirs, ours[0]) if _holds_members(path, ours[0])}
    return bool(differing(theirs, ours[0]) - unstable - containers)


def find_self_input(
    subjects: Iterable[FileDigest], inputs: Iterable[FileDigest], open_blob: Open
) -> tuple[SelfInput, ...]:
    """Where a subject, or a binary member of it, occurs verbatim among the inputs of its own build."""
    known: dict[str, str] = {}
    for file in inputs:
        known.setdefault(file.sha256, file.name)
        for member in _members_or_none(file, open_blob):
            known.setdefault(member.sha256, f"{file.name}:{member.path}")
    found = []
    for subject in subjects:
        if subject.sha256 in known:
            found.append(SelfInput(artifact=subject.name, member="", found_in=known[subject.sha256],
                                   sha256=subject.sha256))
        found += [
            SelfInput(artifact=subject.name, member=member.path, found_in=known[member.sha256], sha256=member.sha256)
            for member in _members_or_none(subject, open_blob)
            if member.binary and member.size >= SELF_INPUT_MIN_BYTES and member.sha256 in known
        ]
    return tuple(found)


def _holds_members(path: str, walk: tuple[Member, ...]) -> bool:
    """A compressed tar inside a `.deb` differs whenever a member of it does: it says nothing by itself."""
    return any(member.path.startswith(f"{path}/") for member in walk)


def _members(file: FileDigest, open_blob: Open) -> tuple[Member, ...]:
    with open_blob(file) as stream:
        return members(stream)


def _members_or_none(file: FileDigest, open_blob: Open) -> tuple[Member, ...]:
    try:
        return _members(file, open_blob)
    except OpaqueError:
        return ()
