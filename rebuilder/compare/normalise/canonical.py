"""The digest of a file with chosen fields cleared and every other byte as it is.

The file is taken apart by the readers of the walk into parts that tile it (`archive/layout.py`), so nothing is left
out. Each part goes into the digest under its name and length, cleared where a normaliser says so. Fields whose right
value follows from others (checksums, sizes, offsets) are left out where they *are* right and something they may
follow from was cleared; a wrong one stays.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rebuilder.compare.archive.formats import INNER, reader_of
from rebuilder.compare.archive.layout import MAX_DEPTH, Budget, Entry, FormatError, Layout, tiled
from rebuilder.compare.normalise.catalogue import Normaliser
from rebuilder.compare.parts import filling
from rebuilder.data import CHUNK, Data, chunks, window

#: Longer stretches are taken as they are.
MAX_FIELDS_BYTES = 1024 * 1024


class _Sink(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Canonical:
    """Digest of the normalised form; how often each normaliser (by label) changed something."""

    digest: bytes
    cleared: Counter[str] = field(default_factory=Counter)


def canonical(data: Data, chosen: Sequence[Normaliser], budget: Budget) -> Canonical:
    """The normalised form of a file, as a digest. Raises ``BudgetError`` past a bound, nothing on account of bytes."""
    return _Canon(tuple(chosen), budget).form(data, 0)


@dataclass
class _Canon:
    chosen: tuple[Normaliser, ...]
    budget: Budget

    def form(self, data: Data, depth: int) -> Canonical:
        reader = reader_of(data) if depth < MAX_DEPTH else None
        if reader is not None and reader.name not in INNER:
            try:
                layout = tiled(reader.read(data, self.budget), data.size)
            except FormatError:
                layout = None
            if layout is not None:
                return self._container(data, layout, depth)
        digest = hashlib.sha256(b"bytes\0")
        for piece in chunks(data):
            digest.update(piece)
        return Canonical(digest=digest.digest())

    def _container(self, data: Data, layout: Layout, depth: int) -> Canonical:
        contents = {id(entry): self._content(data, entry, depth) for entry in layout.entries}
        cleared: Counter[str] = Counter()
        for content in contents.values():
            cleared.update(content.cleared)
        stretches = [(one.at, one.size, one.name, None) for one in layout.stretches]
        for entry in layout.entries:
            stretches += [(one.at, one.size, one.name, None) for one in entry.stretches]
        marked = [(entry.at, entry.size, "", entry) for entry in layout.entries]
        ordered = sorted([*stretches, *marked], key=lambda part: (part[0], part[1], part[2]))
        fields = [self._fields(layout, part[2], data, part) for part in ordered if part[3] is None]
        for _, counted in fields:
            cleared.update(counted)
        digest = hashlib.sha256(f"container {layout.format}\0".encode())
        remaining = iter(fields)
        for _, _, name, own in ordered:
            self.budget.check()
            if own is not None:
                _put(digest, b"content", own.name, contents[id(own)].digest)
                continue
            for what, raw, implied in next(remaining)[0]:
                _put(digest, name.encode(), what.encode(), b"implied" if implied and cleared else raw)
        return Canonical(digest=digest.digest(), cleared=cleared)

    def _content(self, data: Data, entry: Entry, depth: int) -> Canonical:
        stored = window(data, entry.at, entry.size)
        inflater = next((one for one in self.chosen if one.inflates), None)
        if entry.unpacked is None:
            return self.form(stored, depth + 1)
        if inflater is not None and entry.method == "deflate" and is_exact(stored):
            try:
                inner = self.form(entry.unpacked(self.budget.spool), depth + 1)
            except FormatError:
                pass
            else:
                return Canonical(digest=b"inflated" + inner.digest, cleared=inner.cleared + Counter([inflater.label]))
        # Packed bytes stay as they are: what is inside must not be changed behind them.
        digest = hashlib.sha256(f"packed {entry.method}\0".encode())
        for piece in chunks(stored):
            digest.update(piece)
        return Canonical(digest=digest.digest())

    def _fields(
        self, layout: Layout, name: str, data: Data, part: tuple[int, int, str, Entry | None]
    ) -> tuple[list[tuple[str, bytes, bool]], Counter[str]]:
        """Name, bytes (cleared) and impliedness of each field of a stretch, and which normalisers did something."""
        stretch = window(data, part[0], part[1])
        if part[1] > MAX_FIELDS_BYTES:
            digest = hashlib.sha256()
            for piece in chunks(stretch):
                digest.update(piece)
            return [(name, digest.digest(), False)], Counter()
        raw = stretch.read(0, part[1])
        fields = layout.fields(name, raw)
        if b"".join(one.raw for one in fields) != raw:
            return [(name, raw, False)], Counter()
        found, counted = [], Counter[str]()
        for one in fields:
            value = one.raw
            for normaliser in self.chosen:
                clear = normaliser.clears.get((layout.format, one.name))
                if clear is not None and clear(value) != value:
                    value = clear(value)
                    counted[normaliser.label] += 1
            implied = one.implied or filling(layout.format, one.name, one.raw, 1)
            if value or not one.raw:
                found.append((one.name, value, implied))
        return found, counted


def _put(digest: _Sink, *pieces: bytes) -> None:
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "big") + piece)


def is_exact(stored: Data) -> bool:
    """Whether these bytes are one deflate stream and nothing after it."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    at = 0
    try:
        while not inflater.eof and at < stored.size:
            piece = inflater.unconsumed_tail
            if not piece:
                piece = stored.read(at, 64 * 1024)
                at += len(piece)
            inflater.decompress(piece, CHUNK)
        while not inflater.eof and inflater.unconsumed_tail:
            inflater.decompress(inflater.unconsumed_tail, CHUNK)
    except zlib.error:
        return False
    return inflater.eof and not inflater.unused_data and at == stored.size
