"""Byte-level facts about files that differ: first offset, agreement of rebuilds, the subject among its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO

from rebuilder.compare.members import Contents, Member, OpaqueError, differing, look_through, members, order
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

    A file that is no readable archive is one member: then rebuilds that differ agree on nothing. Members that only the
    published file has count for nothing in a folder where our rebuilds do not make the same ones either.
    """
    try:
        theirs = _members(published, open_blob)
        ours = [_members(file, open_blob) for file in rebuilt]
    except OpaqueError:
        return False
    unstable = frozenset().union(*(differing(ours[0], other) for other in ours[1:]))
    if len({order(walk) for walk in ours}) > 1:
        unstable |= {""}
    # The bytes of a compressed tar inside a `.deb` differ whenever a member of it does: no reason to doubt all in it.
    containers = {member.path for walk in ours for member in walk if member.container}
    return bool(differing(theirs, ours[0]) - unstable - _unlike_any(theirs, ours, unstable - containers))


def _unlike_any(
    theirs: tuple[Member, ...], ours: list[tuple[Member, ...]], unstable: frozenset[str]
) -> frozenset[str]:
    """Paths of ``theirs`` below folders whose entries have other names in each of our rebuilds."""
    shared = frozenset.intersection(*(frozenset().union(*map(_with_folders, order(walk))) for walk in ours))
    unsteady = {_branching(path, shared) for walk in ours for path in order(walk) if path not in shared} | unstable
    return frozenset(path for path in order(theirs) if path not in shared and _branching(path, shared) in unsteady)


def _branching(path: str, shared: frozenset[str]) -> str:
    """The last folder on the way to ``path`` that is among ``shared``, up to where the way leaves it."""
    before = ""
    for step in _with_folders(path):
        if step not in shared:
            break
        before = step
    return before


def _with_folders(path: str) -> list[str]:
    """``a``, ``a/b`` and ``a/b/c`` of ``a/b/c``."""
    parts = path.split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def find_self_input(
    subjects: Iterable[FileDigest], known: Mapping[str, str], open_blob: Open
) -> tuple[tuple[SelfInput, ...], tuple[str, ...]]:
    """Where a subject, or a binary member of it, occurs verbatim among the inputs of its own build; and which
    parts of subjects were not looked through.

    ``known`` says for the sha256 of every input, and of every binary member of one, where it lies.
    """
    found: list[SelfInput] = []
    unsearched: list[str] = []
    for subject in subjects:
        parts = [(subject.sha256, "")]
        if subject.sha256 not in known:  # else its members are there with it, and say nothing more
            with open_blob(subject) as stream:
                contents = binary_members(stream)
            parts = [(member.sha256, member.path) for member in contents.members]
            unsearched += [place(subject.name, path) for path in contents.unread]
        found += [
            SelfInput(artifact=subject.name, member=path, found_in=known[sha256], sha256=sha256)
            for sha256, path in parts
            if sha256 in known
        ]
    return tuple(found), tuple(unsearched)


def binary_members(stream: BinaryIO) -> Contents:
    """Members that are no text and large enough to mean something, and what could not be looked through for them."""
    contents = look_through(stream)
    telling = tuple(one for one in contents.members if one.binary and one.size >= SELF_INPUT_MIN_BYTES)
    return Contents(members=telling, unread=contents.unread)


def place(name: str, path: str) -> str:
    """A file, or a member of it, in words."""
    return f"{name}:{path}" if path else name


def _members(file: FileDigest, open_blob: Open) -> tuple[Member, ...]:
    with open_blob(file) as stream:
        return members(stream)
