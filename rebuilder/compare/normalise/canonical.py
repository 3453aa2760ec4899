"""The digest of a file with chosen fields cleared and every other byte as it is.

Only what is plainly an archive is taken apart: ar, tar, zip, gzip, read without a remark, and one in the other only in
the ways of `_WITHIN`. A member that somebody installs or runs is never taken apart, whatever it looks like. The
rest is taken as bytes.

What is taken apart lies in parts that tile it (`archive/layout.py`), so nothing is left out. Each part goes into the
digest under its name and length, cleared where a normaliser says so. The fields of `_FOLLOWING` are left out where
the reader found them right, for what they follow from is in the digest, and may have been changed by it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from rebuilder.compare.archive.formats import reader_of
from rebuilder.compare.archive.layout import Budget, Entry, FormatError, HeaderField, Layout, Stretch, tiled
from rebuilder.compare.normalise.catalogue import Normaliser
from rebuilder.data import Data, Held, Spool, chunks, window

#: Longer stretches are taken as they are.
MAX_FIELDS_BYTES = 1024 * 1024
#: What is looked into by itself, and within what. Members of tar and zip are files of their own: they are bytes.
_WITHIN = MappingProxyType(
    {
        "": frozenset({"ar", "gzip", "tar", "zip"}),
        "ar": frozenset({"gzip", "tar"}),
        "gzip": frozenset({"tar"}),
        "tar": frozenset[str](),
        "zip": frozenset[str](),
    }
)
#: The members of an ar that are looked into, by how their names start: those of a Debian package.
_PACKED = (b"control.tar", b"data.tar")
#: Fields of which what is put into the digest leaves only one right value. ``inflated``: where streams are replaced.
_FOLLOWING = frozenset(
    {
        ("ar", "size"),
        ("tar", "checksum"),
        ("tar", "pax.header.checksum"),
        ("tar", "pax.header.size"),
        ("gzip", "crc32"),
        ("gzip", "isize"),
        ("gzip", "hcrc"),
    }
)
_FOLLOWING_INFLATED = frozenset(
    ("zip", f"{record}.{name}")
    for record in ("local", "central", "descriptor", "end", "end64", "locator")
    for name in ("compressed size", "offset", "extra.0x0001")
)
#: Fill bytes that are there or not by the size of what lies before them: which byte they are made of.
_FILL = {("ar", "padding"): b"\n", ("tar", "pax.padding"): b"\0"}


class _Sink(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Canonical:
    """Digest of the normalised form; how often each normaliser (by label) changed something."""

    digest: bytes
    cleared: Counter[str] = field(default_factory=Counter)


def canonical(data: Data, chosen: Sequence[Normaliser], budget: Budget) -> Canonical:
    """The normalised form of a file, as a digest. Raises ``BudgetError`` past a bound, nothing on account of bytes."""
    return _Canon(tuple(chosen), budget).form(data, "")


class _Canon:
    """One file on its way into a digest."""

    def __init__(self, chosen: tuple[Normaliser, ...], budget: Budget) -> None:
        self._chosen, self._budget = chosen, budget
        self._inflater = next((one for one in chosen if one.inflates), None)
        self._following = _FOLLOWING | (_FOLLOWING_INFLATED if self._inflater else frozenset())
        self._reached = _reached(chosen, inflates=self._inflater is not None)
        self._cleared: Counter[str] = Counter()

    def form(self, data: Data, within: str) -> Canonical:
        """``within``: the format of what the data lies in."""
        digest = self._digest(data, within)
        return Canonical(digest=digest, cleared=self._cleared)

    def _digest(self, data: Data, within: str) -> bytes:
        layout = self._layout(data, within)
        return self._as_bytes(b"bytes\0", chunks(data)) if layout is None else self._container(data, layout)

    def _as_bytes(self, label: bytes, pieces: Iterable[bytes]) -> bytes:
        digest = hashlib.sha256(label)
        for piece in pieces:
            self._budget.check()
            digest.update(piece)
        return digest.digest()

    def _layout(self, data: Data, within: str) -> Layout | None:
        """How the data is taken apart; ``None`` where it is not."""
        reader = reader_of(data)
        if reader is None or reader.name not in _WITHIN[within] & self._reached:
            return None
        try:
            layout = tiled(reader.read(data, self._budget), data.size)
        except FormatError:
            return None
        # Readers do not agree about an archive with something odd in it, so no field of it can be called harmless.
        return None if layout.remarks else layout

    def _container(self, data: Data, layout: Layout) -> bytes:
        digest = hashlib.sha256(f"container {layout.format}\0".encode())
        looked_into = layout.format == "gzip" or _is_deb(layout)
        for part in _in_order(layout):
            self._budget.check()
            if isinstance(part, Entry):
                _put(digest, b"content", part.name, self._content(data, layout.format, part, looked_into))
                continue
            for what, raw in self._fields(layout, data, part):
                _put(digest, part.name.encode(), what.encode(), raw)
        return digest.digest()

    def _content(self, data: Data, form: str, entry: Entry, looked_into: bool) -> bytes:
        stored = window(data, entry.at, entry.size)
        if (unpack := entry.unpacked) is None:
            inside = looked_into and entry.name.startswith(_PACKED)
            return self._digest(stored, form) if inside else self._as_bytes(b"bytes\0", chunks(stored))
        if self._inflater is not None and entry.method == "deflate":
            try:
                inner = self._inflated(form, unpack, looked_into)
            except FormatError:
                pass  # not one whole stream of the size it should have: it stays as it is
            else:
                self._cleared[self._inflater.label] += 1
                return b"inflated" + inner
        # Packed bytes stay as they are: what is inside must not be changed behind them.
        return self._as_bytes(f"packed {entry.method}\0".encode(), chunks(stored))

    def _inflated(self, form: str, unpack: Callable[[Spool], Data], looked_into: bool) -> bytes:
        """Digest of what a stream unpacks to; of a member that is not looked into nothing is kept meanwhile."""
        if looked_into:
            return self._digest(unpack(self._budget.spool), form)
        found: list[bytes] = []

        def hashed(pieces: Iterable[bytes]) -> Data:
            found.append(self._as_bytes(b"bytes\0", pieces))
            return Held(b"")

        unpack(hashed)
        return found[0]

    def _fields(self, layout: Layout, data: Data, part: Stretch) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of each field of a stretch, cleared; without those that follow from the rest."""
        stretch = window(data, part.at, part.size)
        if part.size > MAX_FIELDS_BYTES:
            yield part.name, self._as_bytes(b"long\0", chunks(stretch))
            return
        raw = stretch.read(0, part.size)
        fields = layout.fields(part.name, raw)
        if b"".join(one.raw for one in fields) != raw:
            yield part.name, raw
            return
        for one in fields:
            label = (layout.format, one.name)
            if (one.implied and label in self._following) or _fills(label, one.raw):
                continue
            value = self._clear(label, one)
            if value or not one.raw:
                yield one.name, value

    def _clear(self, label: tuple[str, str], one: HeaderField) -> bytes:
        value = one.raw
        for normaliser in self._chosen:
            clear = normaliser.clears.get(label)
            if clear is not None and (cleared := clear(value)) != value:
                value = cleared
                self._cleared[normaliser.label] += 1
        return value


def _reached(chosen: tuple[Normaliser, ...], *, inflates: bool) -> frozenset[str]:
    """The formats in which something is to be cleared, and those on the way to them."""
    found = {form for one in chosen for form, _ in one.clears}
    if inflates:
        found |= {"gzip", "zip"}
    return frozenset(found | {"ar"} if found & _WITHIN["ar"] else found)


def _is_deb(layout: Layout) -> bool:
    return layout.format == "ar" and bool(layout.entries) and layout.entries[0].name == b"debian-binary"


def _fills(label: tuple[str, str], raw: bytes) -> bool:
    fill = _FILL.get(label)
    return fill is not None and not raw.strip(fill)


def _in_order(layout: Layout) -> list[Entry | Stretch]:
    """All parts as they lie; of those at one place the empty ones come first."""
    parts: list[Entry | Stretch] = [*layout.stretches, *layout.entries]
    for entry in layout.entries:
        parts += entry.stretches
    return sorted(parts, key=lambda part: (part.at, part.size, "" if isinstance(part, Entry) else part.name))


def _put(digest: _Sink, *pieces: bytes) -> None:
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "big") + piece)
