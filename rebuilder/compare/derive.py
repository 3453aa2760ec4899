"""Derived differences: bytes that differ only because they hold a digest or a size of something else that differs.

This is proved, not guessed by file name: a text is derived if, line by line, only digests and sizes differ, and each
digest is that of a differing member, the published one on the one side and the rebuilt one on the other. So a
`RECORD`, an `md5sums`, a `.buildinfo` or a checksum list all count, and one that lies does not.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rebuilder.data import Data, chunks
from rebuilder.findings import DifferenceClass, Finding, MemberPath

#: Longer texts are no checksum lists.
MAX_TEXT = 8 * 1024**2
#: Together, of the members whose other digests have to be computed.
MAX_HASHED = 4 * 1024**3
_HEX = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_TOKEN = re.compile(
    rb"(?<![0-9a-fA-F])(?:[0-9a-f]{128}|[0-9a-f]{96}|[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-fA-F])"
    rb"|(?<=sha256=)[0-9A-Za-z_-]{43}|(?<=sha384=)[0-9A-Za-z_-]{64}|(?<=sha512=)[0-9A-Za-z_-]{86}"
)
_BASE64 = {43: "sha256", 64: "sha384", 86: "sha512"}
_NUMBER = re.compile(rb"(?<![0-9A-Za-z.])[0-9]{1,15}(?![0-9A-Za-z.])")
_STAMPS = {
    ".note.gnu.build-id": "build-id",
    ".gnu_debuglink": "debuglink",
    ".gnu_debugaltlink": "link to shared debug information",
}

Pairs = Mapping[MemberPath, tuple[Data, Data]]
#: Which side has it (0: the published one), and its bytes.
Alone = Mapping[MemberPath, tuple[int, Data]]


def derived(findings: Sequence[Finding], pairs: Pairs, packed: Pairs, alone: Alone) -> Iterable[Finding]:
    """The same findings, those on derived bytes marked as such and linked to what they follow from.

    ``packed`` are the differing members as they lie in their containers (a checksum list speaks of the `.gz`),
    ``alone`` those that only one side has."""
    digests = _Digests(packed, alone)
    inside: dict[MemberPath, list[MemberPath]] = {}
    for finding in findings:
        inside.setdefault(finding.path[:-1], []).append(finding.path)
    for finding in findings:
        if finding.kind is not DifferenceClass.CONTENT or finding.path not in pairs:
            yield finding
        elif finding.path and finding.path[-1] in _STAMPS:
            yield _stamp(finding, inside[finding.path[:-1]])
        else:
            follows = _follows(pairs[finding.path], digests, finding.path)
            yield _as_derived(finding, follows) if follows else finding


def _as_derived(finding: Finding, follows: Iterable[MemberPath], note: str = "") -> Finding:
    known = tuple(sorted(set(follows)))[:1000]
    return finding.model_copy(update={"kind": DifferenceClass.DERIVED, "follows": known, "note": note or finding.note})


def _stamp(finding: Finding, siblings: list[MemberPath]) -> Finding:
    """A build-id is a hash over the linked file, and a debuglink holds a checksum of the stripped debug file."""
    others = [path for path in siblings if not path or path[-1] not in _STAMPS]
    size = finding.published.size
    if size != finding.rebuilt.size or size is None or size > 512:
        return finding
    what = _STAMPS[finding.path[-1]]
    note = "" if others else f"nothing else in this file differs: the {what} follows from what was stripped from it"
    return _as_derived(finding, others, note)


def _follows(pair: tuple[Data, Data], digests: _Digests, own: MemberPath) -> tuple[MemberPath, ...]:
    """Paths whose digests account for every differing line; empty if they do not."""
    if max(side.size for side in pair) > MAX_TEXT:
        return ()
    left, right = (side.read(0, MAX_TEXT).split(b"\n") for side in pair)
    mine, theirs = Counter(left), Counter(right)
    removed, added = list((mine - theirs).elements()), list((theirs - mine).elements())
    if (not removed and not added) or not all(_TOKEN.search(line) for line in (*removed, *added)):
        return ()
    found: list[MemberPath] = []
    by_shape: dict[bytes, list[bytes]] = {}
    for line in added:
        by_shape.setdefault(_shape(line), []).append(line)
    single: list[tuple[int, bytes]] = []
    for line in removed:
        if others := by_shape.get(_shape(line)):
            if (path := digests.accounts_for(line, others.pop())) is None:
                return ()
            found.append(path)
        else:
            single.append((0, line))
    single += [(1, line) for rest in by_shape.values() for line in rest]
    for side, line in single:
        if (path := digests.alone(side, line)) is None:
            return ()
        found.append(path)
    return () if own in found else tuple(found)


def _shape(line: bytes) -> bytes:
    """The line with digests and sizes blanked: what it says them of."""
    return _NUMBER.sub(b"#", _TOKEN.sub(b"<digest>", line))


class _Digests:
    """Digests of the differing members on each side, by algorithm, computed when first asked for."""

    def __init__(self, pairs: Pairs, alone: Alone) -> None:
        self._pairs = pairs
        self._alone = alone
        self._single: dict[tuple[str, int], dict[str, MemberPath]] = {}
        self._known: dict[str, dict[tuple[str, str], MemberPath]] = {}
        self._budget = MAX_HASHED

    def accounts_for(self, published: bytes, rebuilt: bytes) -> MemberPath | None:
        """The member whose change explains how these two lines differ; ``None`` if none does."""
        left, right = _TOKEN.findall(published), _TOKEN.findall(rebuilt)
        path = None
        for one, other in zip(left, right, strict=True):
            if one == other:
                continue
            path = self._member(one, other)
            if path is None:
                return None
        if path is None:
            return None
        sizes = [str(side.size).encode() for side in self._pairs[path]]
        numbers = [_NUMBER.findall(_TOKEN.sub(b"<digest>", line)) for line in (published, rebuilt)]
        right_sizes = all(one == other or [one, other] == sizes for one, other in zip(*numbers, strict=True))
        return path if right_sizes else None

    def alone(self, side: int, line: bytes) -> MemberPath | None:
        """The member that only this side has, if the line holds its digest, and its size where it says one."""
        tokens = _TOKEN.findall(line)
        if len(tokens) != 1:
            return None
        algorithm, digest = _read(tokens[0])
        if (algorithm, side) not in self._single:
            self._single[algorithm, side] = {
                _digest(algorithm, data): path for path, (where, data) in self._alone.items() if where == side
            }
        path = self._single[algorithm, side].get(digest)
        numbers = _NUMBER.findall(_TOKEN.sub(b"<digest>", line))
        if path is None or (numbers and str(self._alone[path][1].size).encode() not in numbers):
            return None
        return path

    def _member(self, published: bytes, rebuilt: bytes) -> MemberPath | None:
        algorithms = [algorithm for algorithm, _ in (_read(published), _read(rebuilt))]
        if algorithms[0] != algorithms[1]:
            return None
        if algorithms[0] not in self._known:
            self._known[algorithms[0]] = self._computed(algorithms[0])
        return self._known[algorithms[0]].get((_read(published)[1], _read(rebuilt)[1]))

    def _computed(self, algorithm: str) -> dict[tuple[str, str], MemberPath]:
        found = {}
        for path, (left, right) in self._pairs.items():
            self._budget -= left.size + right.size
            if self._budget < 0:
                break
            found[_digest(algorithm, left), _digest(algorithm, right)] = path
        return found


def _read(token: bytes) -> tuple[str, str]:
    """Algorithm and hex digest of a token. 64 characters are hex where they can be."""
    if len(token) in _HEX and re.fullmatch(rb"[0-9a-f]+", token):
        return _HEX[len(token)], token.decode()
    return _BASE64[len(token)], base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4)).hex()


def _digest(algorithm: str, data: Data) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for piece in chunks(data):
        digest.update(piece)
    return digest.hexdigest()
