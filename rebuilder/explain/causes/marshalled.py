"""Reads marshalled code of CPython without running or building any of it: one digest for a whole object graph.

Two streams with the same digest hold equal constants, names and bytecode in the same nesting, whatever they share by
reference and whatever is interned. A reference is replaced by the digest of what it points to, so a stream of
references to references costs no more than its length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

#: Larger code is left alone.
MAX_BYTES = 32 * 1024**2
_MAX_DEPTH = 2000
_REF = 0x80
_CONSTANT = frozenset(b"NFTS.")
#: Bytes of a fixed size after the type, and the size.
_FIXED = {ord("i"): 4, ord("I"): 8, ord("g"): 8, ord("y"): 16}
#: Strings: bytes of the length field. All kinds of text are one: they differ in how they are kept in memory.
_TEXT = {ord("t"): 4, ord("u"): 4, ord("a"): 4, ord("A"): 4, ord("z"): 1, ord("Z"): 1}
_ASCII = frozenset(b"aAzZ")
_SEQUENCES = {ord(")"): 1, ord("("): 4, ord("["): 4, ord("<"): 4, ord(">"): 4}
_CODE, _BACK, _LONG, _BYTES, _SLICE = b"crls:"


@dataclass(frozen=True, slots=True)
class Shape:
    """Code objects of one release: so many numbers, then objects. ``filename`` is which object; ``line`` is which
    object the first line number, a plain number, comes before."""

    numbers: int
    objects: int
    filename: int
    line: int


#: First and last magic number of the releases that share a shape.
_SHAPES = (
    (3390, 3399, Shape(5, 9, 6, 8)),  # 3.7
    (3400, 3449, Shape(6, 9, 6, 8)),  # 3.8 to 3.10
    (3495, 3699, Shape(5, 10, 5, 8)),  # 3.11 and later
)


def shape_of(magic: int) -> Shape | None:
    """How the release with this magic number writes code; ``None`` for one not known here."""
    return next((shape for first, last, shape in _SHAPES if first <= magic <= last), None)


@dataclass(frozen=True, slots=True)
class Graph:
    """``strict``: of all. ``placeless``: without the file names of code. ``unordered``: sets as sets."""

    strict: bytes
    placeless: bytes
    unordered: bytes
    #: The file names of code objects, in the order they occur, each once.
    filenames: tuple[bytes, ...]


_Digests = tuple[bytes, bytes, bytes]


@dataclass(slots=True)
class _Open:
    """An object that still waits for ``left`` of its parts."""

    kind: int
    head: bytes
    left: int
    slot: int | None
    parts: list[_Digests] = field(default_factory=list)


class _Reader:
    def __init__(self, raw: bytes, shape: Shape, check: Callable[[], None]) -> None:
        self.raw, self.at, self.shape, self.check = raw, 0, shape, check
        self.refs: list[tuple[_Digests, bytes | None] | None] = []
        self.stack: list[_Open] = []
        self.filenames: dict[bytes, None] = {}

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.raw) - self.at:
            msg = f"expected {size} bytes at offset {self.at}, found {len(self.raw) - self.at}"
            raise ValueError(msg)
        self.at += size
        return self.raw[self.at - size : self.at]

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "little", signed=size == 4)

    def graph(self) -> Graph:
        """All of the stream. ``ValueError`` for what no CPython writes."""
        while (done := self._object()) is None:
            pass
        if self.at != len(self.raw):
            msg = f"expected the end at offset {self.at}, found {len(self.raw) - self.at} more bytes"
            raise ValueError(msg)
        return Graph(*done, filenames=tuple(self.filenames))

    def _object(self) -> _Digests | None:
        """Read one object's start, or all of a small one; the digests of the whole stream when it is complete."""
        start = self.at
        mark = self.take(1)[0]
        kind, slot = mark & ~_REF, None
        if mark & _REF and kind != _BACK:
            slot = len(self.refs)
            self.refs.append(None)
        small = self._small(kind, start)
        if small is not None:
            return self._done(small[0], small[1], slot)
        self._open(kind, slot, start)
        return self._close()

    def _small(self, kind: int, start: int) -> tuple[_Digests, bytes | None] | None:
        """Digests, and the text where it is one, of an object without parts; ``None`` if it has parts."""
        if kind == _BACK:
            index = self.number()
            known = self.refs[index] if 0 <= index < len(self.refs) else None
            if known is None:
                msg = f"the reference at offset {start} points to no finished object"
                raise ValueError(msg)
            return known
        text = None
        if kind in _CONSTANT:
            value = b""
        elif kind in _FIXED:
            value = self.take(_FIXED[kind])
        elif kind == _BYTES:
            value = self.take(self.number())
        elif kind == _LONG:
            digits = self.number()
            value = (b"-" if digits < 0 else b"+") + self.take(abs(digits) * 2)
        elif kind in _TEXT:
            value = text = self.take(self.number(_TEXT[kind]))
            if kind in _ASCII and not value.isascii():
                msg = f"the ASCII text at offset {start} is not ASCII"
                raise ValueError(msg)
            kind = ord("u")
        else:
            return None
        digest = _digest(kind, value)
        return (digest, digest, digest), text

    def _open(self, kind: int, slot: int | None, start: int) -> None:
        if len(self.stack) >= _MAX_DEPTH:
            msg = f"the object at offset {start} is nested more than {_MAX_DEPTH} deep"
            raise ValueError(msg)
        if kind in _SEQUENCES:
            size = self.number(_SEQUENCES[kind])
            if not 0 <= size <= len(self.raw) - self.at:
                msg = f"the object at offset {start} claims {size} parts"
                raise ValueError(msg)
            same = ord("(") if kind == ord(")") else kind
            self.stack.append(_Open(same, b"%d" % size, size, slot))
        elif kind == _CODE:
            self.stack.append(_Open(kind, self.take(4 * self.shape.numbers), self.shape.objects, slot))
        elif kind == _SLICE:
            self.stack.append(_Open(kind, b"", 3, slot))
        else:
            msg = f"the object at offset {start} has the type {kind:#04x}, which code has no use for"
            raise ValueError(msg)

    def _done(self, digests: _Digests, text: bytes | None, slot: int | None) -> _Digests | None:
        if slot is not None:
            self.refs[slot] = digests, text
        if not self.stack:
            return digests
        top = self.stack[-1]
        self._part(top, digests, text)
        return self._close()

    def _part(self, top: _Open, digests: _Digests, text: bytes | None) -> None:
        top.left -= 1
        if top.kind != _CODE:
            top.parts.append(digests)
            return
        index = len(top.parts)
        if index == self.shape.filename:
            if text is None:
                msg = f"the file name of the code before offset {self.at} is no text"
                raise ValueError(msg)
            self.filenames[text] = None
            digests = digests[0], b"", digests[2]
        top.parts.append(digests)
        if index + 1 == self.shape.line:
            top.head += self.take(4)

    def _close(self) -> _Digests | None:
        """Finish every object that has all its parts."""
        while self.stack and not self.stack[-1].left:
            self.check()
            done = self.stack.pop()
            digests = _combined(done)
            if done.slot is not None:
                self.refs[done.slot] = digests, None
            if not self.stack:
                return digests
            self._part(self.stack[-1], digests, None)
        return None


def _combined(done: _Open) -> _Digests:
    strict, placeless, unordered = ([part[index] for part in done.parts] for index in range(3))
    if done.kind in b"<>":
        unordered.sort()
    return (
        _digest(done.kind, done.head, *strict),
        _digest(done.kind, done.head, *placeless),
        _digest(done.kind, done.head, *unordered),
    )


def _digest(kind: int, *parts: bytes) -> bytes:
    digest = hashlib.blake2b(bytes((kind,)), digest_size=32)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def graph(raw: bytes, shape: Shape, check: Callable[[], None] = lambda: None) -> Graph:
    """The object graph of one marshalled code object. ``ValueError`` if it is not sound, or nested too deep."""
    return _Reader(raw, shape, check).graph()
