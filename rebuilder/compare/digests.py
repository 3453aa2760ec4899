"""Digests as texts spell them, and the differing members they are of."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rebuilder.data import Data, chunks
from rebuilder.findings import MemberPath

#: Together, of the members whose other digests have to be computed.
MAX_HASHED = 4 * 1024**3
_HEX = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_BASE64 = {43: "sha256", 64: "sha384", 86: "sha512"}
_TOKEN = re.compile(
    rb"(?<![0-9a-fA-F])[0-9a-f]{32,128}(?![0-9a-fA-F])"
    rb"|(?<==)(?:(?<=sha256=)[0-9A-Za-z_-]{43}|(?<=sha384=)[0-9A-Za-z_-]{64}|(?<=sha512=)[0-9A-Za-z_-]{86})"
)

Pairs = Mapping[MemberPath, tuple[Data, Data]]
#: Which side has it (0: the published one), and its bytes.
Alone = Mapping[MemberPath, tuple[int, Data]]


@dataclass(frozen=True, slots=True)
class Token:
    """A digest in a line: which it is, and where it stands. Two of the same digest are equal."""

    algorithm: str
    digest: str
    start: int = field(compare=False)
    end: int = field(compare=False)


def tokens_of(line: bytes) -> list[Token]:
    """All digests in a line, in the one spelling each has."""
    found = []
    for match in _TOKEN.finditer(line):
        if (known := _read(match[0])) is not None:
            found.append(Token(*known, *match.span()))
    return found


def _read(text: bytes) -> tuple[str, str] | None:
    """Algorithm and hex digest. 64 characters are hex where they can be."""
    if len(text) in _HEX and re.fullmatch(rb"[0-9a-f]+", text):
        return _HEX[len(text)], text.decode()
    if len(text) not in _BASE64:
        return None
    raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    # The last character has bits to spare: with others than zero it would be another text for the same digest.
    return (_BASE64[len(text)], raw.hex()) if base64.urlsafe_b64encode(raw).rstrip(b"=") == text else None


class Digests:
    """Digests of the differing members on each side, by algorithm, computed when first asked for."""

    def __init__(self, pairs: Pairs, alone: Alone, check: Callable[[], None]) -> None:
        self._pairs, self._alone, self._check = pairs, alone, check
        self._single: dict[tuple[str, int], dict[str, MemberPath]] = {}
        self._known: dict[str, dict[tuple[str, str], MemberPath]] = {}
        self._left = MAX_HASHED

    def member(self, published: Token, rebuilt: Token) -> MemberPath | None:
        """The member that has the one digest as published and the other as rebuilt."""
        if published.algorithm != rebuilt.algorithm:
            return None
        if published.algorithm not in self._known:
            self._known[published.algorithm] = self._computed(published.algorithm)
        return self._known[published.algorithm].get((published.digest, rebuilt.digest))

    def sizes(self, path: MemberPath) -> tuple[bytes, bytes]:
        """The sizes of a member, as a text has them."""
        left, right = self._pairs[path]
        return str(left.size).encode(), str(right.size).encode()

    def alone(self, side: int, token: Token) -> MemberPath | None:
        """The member with this digest that only this side has."""
        key = token.algorithm, side
        if key not in self._single:
            ours = ((path, data) for path, (where, data) in self._alone.items() if where == side)
            self._single[key] = {
                digest: path for path, data in ours if (digest := self._digest(token.algorithm, data)) is not None
            }
        return self._single[key].get(token.digest)

    def size_alone(self, path: MemberPath) -> bytes:
        """The size of a member that only one side has, as a text has it."""
        return str(self._alone[path][1].size).encode()

    def _computed(self, algorithm: str) -> dict[tuple[str, str], MemberPath]:
        found = {}
        for path, pair in self._pairs.items():
            left, right = (self._digest(algorithm, data) for data in pair)
            if left is not None and right is not None:
                found[left, right] = path
        return found

    def _digest(self, algorithm: str, data: Data) -> str | None:
        """``None`` where all of them together would take too long."""
        if data.size > self._left:
            return None
        self._left -= data.size
        self._check()
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for piece in chunks(data):
            self._check()
            digest.update(piece)
        return digest.hexdigest()
