"""The total comparison: two files (or folders) in, every difference between them out.

Both sides are taken apart side by side. Containers that look alike are compared part by part, what unpacks to
different bytes is opened in turn, and what can't be opened is compared as bytes. ``layout.tiled`` makes sure that
the parts of a container are all of it, so a difference that is in no finding would be in no byte.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

from rebuilder.compare import parts
from rebuilder.compare.archive.elf_symbols import nearest_symbol
from rebuilder.compare.archive.formats import INNER, reader_of
from rebuilder.compare.archive.layout import MAX_DEPTH, Budget, BudgetError, Entry, FormatError, Layout, tiled
from rebuilder.compare.derive import derived
from rebuilder.compare.shown import at_offset, cut
from rebuilder.data import Data, Spool, chunks, first_difference, sha256, window
from rebuilder.findings import Count, Difference, DifferenceClass, Finding, MemberPath, Side

MAX_MEMBERS = 200_000
MAX_FINDINGS = 50_000


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What one comparison may cost. Past it, the rest is compared as plain bytes, and a remark says so."""

    spool: Spool
    members: int = MAX_MEMBERS
    depth: int = MAX_DEPTH
    #: Raises ``BudgetError`` when the time is over; called now and then.
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Walked:
    """The difference, and the bytes behind it for those who explain it."""

    difference: Difference
    #: Both sides of every member that differs, and of the containers above it; as unpacked.
    pairs: Mapping[MemberPath, tuple[Data, Data]]
    #: Files whose own content differs, for diffoscope: an ELF is one, its sections are not.
    leaves: tuple[MemberPath, ...]


@dataclass
class Place:
    """Where the walk is: the path, and the innermost path that is a file by itself."""

    path: MemberPath
    file: MemberPath
    depth: int = 0


@dataclass
class Walk:
    """One comparison in the making."""

    bounds: Bounds
    pool: Executor
    findings: list[Finding] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)
    pairs: dict[MemberPath, tuple[Data, Data]] = field(default_factory=dict)
    #: As they lie in their container, still packed: what checksum lists speak of.
    packed: dict[MemberPath, tuple[Data, Data]] = field(default_factory=dict)
    #: Members that only one side has: which, and the bytes as they lie there.
    alone: dict[MemberPath, tuple[int, Data]] = field(default_factory=dict)
    leaves: dict[MemberPath, None] = field(default_factory=dict)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    dropped: int = 0

    def add(self, finding: Finding) -> None:
        """Keep a finding, or count it past the limit."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)
        else:
            self.dropped += 1

    # --- one member or file ---------------------------------------------------------------------

    def compare(self, place: Place, left: Data, right: Data) -> str:
        """Compare two stretches of bytes that may differ; the format both were read as."""
        if left.size == right.size and first_difference(left, right) is None:
            return ""
        self.pairs[place.path] = left, right
        self.packed.setdefault(place.path, (left, right))
        before = len(self.findings) + self.dropped
        layouts = self._layouts(place, left, right)
        if layouts is None:
            self._leaf(place, left, right)
            return ""
        self._container(place, (left, right), layouts)
        if len(self.findings) + self.dropped == before:
            # No part differs and yet the whole does: a fault of a reader, which must not hide anything.
            self._leaf(place, left, right)
        return layouts[0].format

    def _leaf(self, place: Place, left: Data, right: Data, note: str = "") -> None:
        offset = first_difference(left, right)
        self.leaves[place.file] = None
        self.add(
            Finding(
                path=place.path,
                kind=DifferenceClass.CONTENT,
                what="bytes",
                published=side_of(left, at_offset(left, offset or 0)),
                rebuilt=side_of(right, at_offset(right, offset or 0)),
                offset=offset,
                note=note,
            )
        )

    def _layouts(self, place: Place, left: Data, right: Data) -> tuple[Layout, Layout] | None:
        readers = reader_of(left), reader_of(right)
        if readers[0] is None or readers[1] is None or readers[0] is not readers[1]:
            return None
        if place.depth >= self.bounds.depth:
            self._remark(place.path, "", f"nested more than {self.bounds.depth} deep; compared as bytes")
            return None
        reader = readers[0]
        other = self.pool.submit(lambda: tiled(reader.read(left, self._budget(0)), left.size))
        found: list[Layout] = []
        for side, read in (
            ("rebuilt", lambda: tiled(reader.read(right, self._budget(1)), right.size)),
            ("published", other.result),
        ):
            try:
                found.append(read())
            except (FormatError, BudgetError) as err:
                self._remark(place.path, side, f"not looked into as {reader.name}: {err}; compared as bytes")
        return (found[1], found[0]) if len(found) == 2 else None

    def _budget(self, side: int) -> Budget:
        def entry() -> None:
            self.counts[side] += 1
            if self.counts[side] > self.bounds.members:
                msg = f"more than {self.bounds.members} members"
                raise BudgetError(msg)

        return Budget(entry=entry, check=self.bounds.check, spool=self.bounds.spool)

    def _remark(self, path: MemberPath, side: str, text: str) -> None:
        where = " » ".join(path)
        self.remarks[cut(": ".join(part for part in (side, where, text) if part), 600)] = None

    # --- containers -----------------------------------------------------------------------------

    def _container(self, place: Place, data: tuple[Data, Data], layouts: tuple[Layout, Layout]) -> None:
        for side, layout in zip(("published", "rebuilt"), layouts, strict=True):
            for remark in layout.remarks[:100]:
                self._remark(place.path, side, remark)
        mine, theirs = (parts.keyed(layout.entries) for layout in layouts)
        started = len(self.findings)
        kept: list[tuple[Place, Finding]] = []
        for key, entry in mine.items():
            other = theirs.get(key)
            if other is None:
                self._alone(place, key, entry, data[0], DifferenceClass.MISSING)
            else:
                self._entry(place, key, (entry, other), data, layouts, kept)
        for key, entry in theirs.items():
            if key not in mine:
                self._alone(place, key, entry, data[1], DifferenceClass.EXTRA)
        for finding in parts.own_stretches(place.path, data, layouts, beside=len(self.findings) > started):
            self._metadata(place, layouts[0].format, finding)
        if order := parts.order(place.path, layouts):
            self._metadata(place, layouts[0].format, order)
        if len(self.findings) == started:
            for inside, finding in kept:
                self._metadata(inside, layouts[0].format, finding)

    def _metadata(self, place: Place, form: str, finding: Finding) -> None:
        if form in INNER:
            self.leaves[place.file] = None
        self.add(finding)

    def _inside(self, place: Place, key: str, entry: Entry, form: str) -> Place:
        path = place.path if entry.synthetic else (*place.path, key)
        return Place(path, place.file if form in INNER else path, place.depth + 1)

    def _alone(self, place: Place, key: str, entry: Entry, data: Data, kind: DifferenceClass) -> None:
        self.alone[*place.path, key] = kind is DifferenceClass.EXTRA, window(data, entry.at, entry.size)
        form = entry.kind if entry.kind != "file" else ""
        side = Side(value=form, sha256=sha256(window(data, entry.at, entry.size)), size=entry.size)
        if entry.unpacked is not None:
            try:
                unpacked = entry.unpacked(self.bounds.spool)
                side = Side(value=form, sha256=sha256(unpacked), size=unpacked.size)
            except (FormatError, BudgetError) as err:
                self._remark((*place.path, key), "", f"could not be unpacked: {err}")
        where = {"published": side} if kind is DifferenceClass.MISSING else {"rebuilt": side}
        self.add(Finding(path=(*place.path, key), kind=kind, what="member", **where))

    def _entry(
        self,
        place: Place,
        key: str,
        entries: tuple[Entry, Entry],
        data: tuple[Data, Data],
        layouts: tuple[Layout, Layout],
        kept: list[tuple[Place, Finding]],
    ) -> None:
        inside = self._inside(place, key, entries[0], layouts[0].format)
        before = len(self.findings)
        self._content(inside, entries, data, layouts[0].format, key)
        changed = len(self.findings) > before
        for finding, deferred in parts.entry_stretches(inside.path, entries, data, layouts, changed=changed):
            if deferred:
                kept.append((inside, finding))
            else:
                self._metadata(inside, layouts[0].format, finding)
        if len(self.findings) == before:
            self.counts[2] += 1

    def _content(
        self, inside: Place, entries: tuple[Entry, Entry], data: tuple[Data, Data], form: str, key: str
    ) -> None:
        left, right = (window(whole, entry.at, entry.size) for whole, entry in zip(data, entries, strict=True))
        stored = first_difference(left, right)
        if stored is None and entries[0].method == entries[1].method:
            return
        if entries[0].unpacked is None and entries[1].unpacked is None:
            self._plain_content(inside, left, right, data, form, key)
            return
        unpacked = self._unpacked(inside.path, entries, (left, right))
        if unpacked is None:
            self.pairs[inside.path] = left, right
            self._leaf(inside, left, right, note="compared as stored: could not be unpacked")
            return
        self._checksums(inside.path, entries, unpacked)
        if unpacked[0].size == unpacked[1].size and first_difference(*unpacked) is None:
            methods = [entry.method or "stored" for entry in entries]
            self.add(
                Finding(
                    path=inside.path,
                    kind=DifferenceClass.COMPRESSION,
                    what=methods[0] if methods[0] == methods[1] else f"{methods[0]}, {methods[1]}",
                    published=side_of(left, f"{methods[0]}, {left.size} bytes"),
                    rebuilt=side_of(right, f"{methods[1]}, {right.size} bytes"),
                    offset=stored,
                )
            )
            self.pairs.setdefault(inside.path, unpacked)
            return
        self.compare(inside, *unpacked)

    def _plain_content(
        self, inside: Place, left: Data, right: Data, data: tuple[Data, Data], form: str, key: str
    ) -> None:
        if form != "elf":
            self.compare(inside, left, right)
            return
        self.pairs[inside.path] = left, right
        offset = first_difference(left, right)
        symbol = nearest_symbol(data[0], key, offset or 0)
        self._leaf(inside, left, right, note=f"near {symbol}" if symbol else "")

    def _unpacked(
        self, path: MemberPath, entries: tuple[Entry, Entry], stored: tuple[Data, Data]
    ) -> tuple[Data, Data] | None:
        found = []
        for side, entry, raw in zip(("published", "rebuilt"), entries, stored, strict=True):
            try:
                found.append(entry.unpacked(self.bounds.spool) if entry.unpacked else raw)
            except (FormatError, BudgetError) as err:
                self._remark(path, side, f"could not be unpacked ({entry.method}): {err}; compared as stored")
        return (found[0], found[1]) if len(found) == 2 else None

    def _checksums(self, path: MemberPath, entries: tuple[Entry, Entry], unpacked: tuple[Data, Data]) -> None:
        wrong = []
        for entry, data in zip(entries, unpacked, strict=True):
            value = _crc32(data) if entry.crc32 is not None else None
            wrong.append("right" if value == entry.crc32 else f"claims {entry.crc32:08x}, content has {value:08x}")
        if wrong[0] != wrong[1]:
            left, right = (Side(value=value) for value in wrong)
            self.add(
                Finding(
                    path=path,
                    kind=DifferenceClass.METADATA,
                    what="crc32 of content",
                    published=left,
                    rebuilt=right,
                )
            )


def compare(published: Data, rebuilt: Data, bounds: Bounds) -> Walked:
    """Every difference between two files. Raises nothing on account of their bytes."""
    with ThreadPoolExecutor(1) as pool:
        walk = Walk(bounds, pool)
        form = walk.compare(Place((), ()), published, rebuilt)
        return finished(walk, side_of(published), side_of(rebuilt), form)


def finished(walk: Walk, published: Side, rebuilt: Side, form: str) -> Walked:
    """What a walk came to."""
    if walk.dropped:
        walk.remarks[f"{walk.dropped} more findings are not listed; the limit is {MAX_FINDINGS}"] = None
    difference = Difference(
        published=published,
        rebuilt=rebuilt,
        format=form,
        members=Count(published=walk.counts[0], rebuilt=walk.counts[1], equal=walk.counts[2]),
        findings=tuple(derived(walk.findings, walk.pairs, walk.packed, walk.alone)),
        remarks=tuple(walk.remarks),
    )
    return Walked(difference=difference, pairs=walk.pairs, leaves=tuple(walk.leaves))


def side_of(data: Data, value: str = "") -> Side:
    """A side of a finding on these bytes."""
    return Side(value=cut(value), sha256=sha256(data), size=data.size)


def _crc32(data: Data) -> int:
    value = 0
    for piece in chunks(data):
        value = zlib.crc32(piece, value)
    return value


def lines_of(walked: Walked) -> Iterator[str]:
    """One line a finding, for logs and tests."""
    for finding in walked.difference.findings:
        where = " » ".join(finding.path) or "(the file)"
        yield f"{finding.kind}: {where}: {finding.what}: {finding.published.value} | {finding.rebuilt.value}"
