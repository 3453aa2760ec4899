"""Members' contents: unpacking them, and what is said of their packing and of the checksums claimed for them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from rebuilder.compare.archive.layout import BudgetError, Entry, FormatError, Layout
from rebuilder.compare.shown import cut
from rebuilder.compare.tally import Tally
from rebuilder.data import Data, Spool, chunks, sha256
from rebuilder.findings import DifferenceClass, Finding, MemberPath, Side


def side_of(data: Data, value: str = "") -> Side:
    """A side of a finding on these bytes."""
    return Side(value=cut(value), sha256=sha256(data), size=data.size)


def unpacked(tally: Tally, path: MemberPath, side: str, entry: Entry, stored: Data, spool: Spool) -> Data | None:
    """The content of a member; ``None``, and a remark, if it could not be unpacked."""
    if entry.unpacked is None:
        return stored
    try:
        return entry.unpacked(spool)
    except (FormatError, BudgetError) as err:
        tally.remark(path, side, f"could not be unpacked ({entry.method}): {err}; compared as stored")
        return None


def compression(path: MemberPath, entries: tuple[Entry, Entry], stored: tuple[Data, Data], at: int | None) -> Finding:
    """Two members that unpack to the same; ``at``: where their stored bytes first differ, if they do."""
    methods = [entry.method or "stored" for entry in entries]
    sides = [side_of(data, f"{method}, {data.size} bytes") for method, data in zip(methods, stored, strict=True)]
    what = methods[0] if methods[0] == methods[1] else f"{methods[0]}, {methods[1]}"
    kind = DifferenceClass.COMPRESSION
    return Finding(path=path, kind=kind, what=what, published=sides[0], rebuilt=sides[1], offset=at)


def payload(layout: Layout, spool: Spool) -> Data:
    """What a packed file holds, if it is one stream and nothing beside. ``FormatError`` otherwise."""
    own = [stretch for stretch in layout.stretches if stretch.name == "gap"]
    if len(layout.entries) != 1 or own or layout.remarks or layout.entries[0].unpacked is None:
        msg = "more than one packed stream"
        raise FormatError(msg)
    return layout.entries[0].unpacked(spool)


def repacked(
    path: MemberPath, methods: Sequence[str], packed: tuple[Data, Data], at: int, *, equal: bool
) -> Finding:
    """Two sides packed by two methods; what they hold is compared by itself, and is ``equal`` or not."""
    sides = [side_of(data, f"{method}, {data.size} bytes") for method, data in zip(methods, packed, strict=True)]
    kind, what = (DifferenceClass.COMPRESSION, ", ".join(methods)) if equal else (DifferenceClass.METADATA, "packing")
    return Finding(path=path, kind=kind, what=what, published=sides[0], rebuilt=sides[1], offset=at)


def checksums(path: MemberPath, entries: tuple[Entry, Entry], content: tuple[Data, Data]) -> Finding | None:
    """A finding if not both sides' claimed checksums are right for their content, or both wrong in the same way."""
    sides = [Side(value=_judged(entry.crc32, data)) for entry, data in zip(entries, content, strict=True)]
    if sides[0] == sides[1]:
        return None
    kind = DifferenceClass.METADATA
    return Finding(path=path, kind=kind, what="crc32 of content", published=sides[0], rebuilt=sides[1])


def _judged(claimed: int | None, data: Data) -> str:
    if claimed is None:
        return "right"
    value = 0
    for piece in chunks(data):
        value = zlib.crc32(piece, value)
    return "right" if value == claimed else f"claims {claimed:08x}, content has {value:08x}"
