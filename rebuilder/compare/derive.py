"""Derived differences: bytes that differ only because they hold a digest or a size of something else that differs.

This is proved, not guessed by file name: a text is derived if, line by line and in order, only digests and sizes
differ, and each digest is that of a differing member, the published one on the one side and the rebuilt one on the
other. So a `RECORD`, an `md5sums`, a `.buildinfo` or a checksum list all count, and one that lies does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from rebuilder.compare.digests import Alone, Digests, Pairs, Token, tokens_of
from rebuilder.data import Data
from rebuilder.findings import DifferenceClass, Finding, MemberPath

#: Longer texts are no checksum lists.
MAX_TEXT = 8 * 1024**2
#: Paths that all derived findings together may name, in characters: each may follow from many members.
MAX_FOLLOWS = 8 * 1024**2
#: No line of a checksum list is longer: a path, and a few digests.
_MAX_LINE = 8192
_NUMBER = re.compile(rb"(?<![0-9A-Za-z.])[0-9]{1,15}(?![0-9A-Za-z.])")
_STAMPS = {
    ".note.gnu.build-id": "build-id",
    ".gnu_debuglink": "debuglink",
    ".gnu_debugaltlink": "link to shared debug information",
}
_ELF = b"\x7fELF"
#: No digest is longer, and no checksum shorter.
_MAX_STAMP = 64
_BUILD_ID_HEAD = 16


def derived(
    findings: Sequence[Finding], pairs: Pairs, packed: Pairs, alone: Alone, check: Callable[[], None]
) -> Iterable[Finding]:
    """The same findings, those on derived bytes marked as such and linked to what they follow from.

    ``packed`` are the differing members as they lie in their containers (a checksum list speaks of the `.gz`),
    ``alone`` those that only one side has. Raises what ``check`` does when the time is over."""
    digests = Digests(packed, alone, check)
    named = 0
    inside: dict[MemberPath, list[MemberPath]] = {}
    for finding in findings:
        inside.setdefault(finding.path[:-1], []).append(finding.path)
    for finding in findings:
        if finding.kind is not DifferenceClass.CONTENT or finding.path not in pairs:
            yield finding
        elif _is_stamp(finding.path, pairs):
            yield _stamp(finding, inside[finding.path[:-1]])
        else:
            check()
            follows = _follows(pairs[finding.path], finding.offset or 0, digests, finding.path)
            named += sum(len(step) for path in follows for step in path)
            shown = follows if named <= MAX_FOLLOWS else follows[:1]
            yield _as_derived(finding, shown) if follows else finding


def _as_derived(finding: Finding, follows: Iterable[MemberPath], note: str = "") -> Finding:
    known = tuple(sorted(set(follows)))[:1000]
    return finding.model_copy(update={"kind": DifferenceClass.DERIVED, "follows": known, "note": note or finding.note})


# --- stamps of ELF files ----------------------------------------------------------------------------


def _is_stamp(path: MemberPath, pairs: Pairs) -> bool:
    """Whether this is a section of an ELF that holds a digest, and differs in nothing but the digest."""
    if not path or path[-1] not in _STAMPS or path[:-1] not in pairs:
        return False
    if any(one.read(0, 4) != _ELF for one in pairs[path[:-1]]):
        return False  # a file of such a name
    left, right = (one.read(0, 4096) for one in pairs[path])
    if len(left) != len(right) or len(left) == 4096:
        return False
    # Before the digest there is the head of a note, or the name of a file.
    head = _BUILD_ID_HEAD if path[-1] == ".note.gnu.build-id" else left.find(b"\0") + 1
    return 0 < head < len(left) <= head + _MAX_STAMP and left[:head] == right[:head]


def _stamp(finding: Finding, siblings: list[MemberPath]) -> Finding:
    """A build-id is a hash over the linked file, and a debuglink holds a checksum of the stripped debug file."""
    others = [path for path in siblings if not path or path[-1] not in _STAMPS]
    what = _STAMPS[finding.path[-1]]
    note = "" if others else f"nothing else in this file differs: the {what} follows from what was stripped from it"
    return _as_derived(finding, others, note)


# --- lists of checksums -----------------------------------------------------------------------------


def _follows(pair: tuple[Data, Data], offset: int, digests: Digests, own: MemberPath) -> tuple[MemberPath, ...]:
    """Paths whose digests account for every differing line; empty if they do not."""
    if max(side.size for side in pair) > MAX_TEXT or not any(_says_digest(side, offset) for side in pair):
        return ()
    left, right = (side.read(0, MAX_TEXT).split(b"\n") for side in pair)
    found: dict[MemberPath, None] = {}
    paths: tuple[MemberPath, ...]
    mine = theirs = 0
    while mine < len(left) or theirs < len(right):
        one, other = left[mine : mine + 1], right[theirs : theirs + 1]
        if one == other:
            paths, steps = (), (1, 1)
        elif one and other and (paths := _accounts_for(digests, one[0], other[0])):
            steps = (1, 1)
        elif one and (paths := _of_one_side(digests, 0, one[0])):
            steps = (1, 0)
        elif other and (paths := _of_one_side(digests, 1, other[0])):
            steps = (0, 1)
        else:
            return ()
        found.update(dict.fromkeys(paths))
        mine, theirs = mine + steps[0], theirs + steps[1]
    return () if own in found else tuple(found)


def _says_digest(data: Data, offset: int) -> bool:
    """Whether the line at ``offset``, the first that differs, has a digest: most files end here, almost unread."""
    start = max(0, offset - _MAX_LINE)
    around = data.read(start, offset - start + _MAX_LINE)
    begin = around.rfind(b"\n", 0, offset - start) + 1
    end = around.find(b"\n", offset - start)
    return bool(tokens_of(around[begin : end if end >= 0 else len(around)]))


def _accounts_for(digests: Digests, published: bytes, rebuilt: bytes) -> tuple[MemberPath, ...]:
    """The members whose change explains how these two lines differ; empty if none do."""
    (left, numbers, text), (right, others, same) = (_taken_apart(line) for line in (published, rebuilt))
    if text != same or len(left) != len(right) or len(numbers) != len(others):
        return ()
    found: list[MemberPath] = []
    for one, other in zip(left, right, strict=True):
        if one != other:
            if (path := digests.member(one, other)) is None:
                return ()
            found.append(path)
    sizes = {digests.sizes(path) for path in found}
    right_sizes = all(one == other or (one, other) in sizes for one, other in zip(numbers, others, strict=True))
    return tuple(found) if right_sizes else ()


def _of_one_side(digests: Digests, side: int, line: bytes) -> tuple[MemberPath, ...]:
    """The member that only this side has, if the line holds its digest, and its size where it says one."""
    tokens, numbers, _ = _taken_apart(line)
    if len(tokens) != 1 or (path := digests.alone(side, tokens[0])) is None:
        return ()
    return (path,) if not numbers or digests.size_alone(path) in numbers else ()


def _taken_apart(line: bytes) -> tuple[list[Token], list[bytes], tuple[bytes, ...]]:
    """The digests of a line, its numbers, and what lies between these."""
    tokens = tokens_of(line)
    numbers: list[bytes] = []
    between: list[bytes] = []
    at = 0
    for start, end in [*((one.start, one.end) for one in tokens), (len(line), len(line))]:
        piece = line[at:start]
        numbers += _NUMBER.findall(piece)
        between += [*_NUMBER.split(piece), b"\n"]  # no line has one: it marks where a digest was
        at = end
    return tokens, numbers, tuple(between)
