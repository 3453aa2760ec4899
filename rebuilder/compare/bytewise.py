"""Byte-level facts about files that differ: first offset, agreement of rebuilds, the subject among its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    subjects: Iterable[FileDigest], known: Mapping[str, str], open_blob: Open
) -> tuple[SelfInput, ...]:
    """Where a subject, or a binary member of it, occurs verbatim among the inputs of its own build.

    ``known`` says for the sha256 of every input, and of every binary member of one, where it lies.
    """
    found = []
    for subject in subjects:
        parts = [(subject.sha256, "")]
        if subject.sha256 not in known:  # else its members are there with it, and say nothing more
            with open_blob(subject) as stream:
                parts = [(member.sha256, member.path) for member in binary_members(stream)]
        found += [
            SelfInput(artifact=subject.name, member=path, found_in=known[sha256], sha256=sha256)
            for sha256, path in parts
            if sha256 in known
        ]
    return tuple(found)


def binary_members(stream: BinaryIO) -> tuple[Member, ...]:
    """Members that are no text and large enough to mean something; none for what is no readable archive."""
    try:
        walk = members(stream)
    except OpaqueError:
        return ()
    return tuple(member for member in walk if member.binary and member.size >= SELF_INPUT_MIN_BYTES)


def _holds_members(path: str, walk: tuple[Member, ...]) -> bool:
    """A compressed tar inside a `.deb` differs whenever a member of it does: it says nothing by itself."""
    return any(member.path.startswith(f"{path}/") for member in walk)


def _members(file: FileDigest, open_blob: Open) -> tuple[Member, ...]:
    with open_blob(file) as stream:
        return members(stream)
