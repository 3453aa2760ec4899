"""The total comparison: two files (or folders) in, every difference between them out.

    differing bytes -> containers of one format? -> its parts, side by side -> content that differs: from the start
                    -> else: a leaf, told as bytes

``layout.tiled`` makes sure that the parts of a container are all of it, so a difference that is in no finding would be
in no byte. ``parts.py`` compares what is not content, ``contents.py`` unpacks, ``tally.py`` keeps what is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from rebuilder.compare import contents, parts
from rebuilder.compare.archive.elf_symbols import Symbols
from rebuilder.compare.archive.formats import CODECS, INNER, reader_of
from rebuilder.compare.archive.layout import MAX_DEPTH, Budget, BudgetError, Entry, FormatError, Layout, Reader, tiled
from rebuilder.compare.contents import side_of
from rebuilder.compare.derive import derived
from rebuilder.compare.renamed import counterparts
from rebuilder.compare.shown import at_offset
from rebuilder.compare.tally import Tally
from rebuilder.data import Data, Spool, first_difference, window
from rebuilder.findings import Count, Difference, DifferenceClass, Finding, MemberPath, Side

MAX_MEMBERS = 200_000
#: Rows of symbol tables that are looked through for names of places, in one walk.
MAX_SYMBOL_ROWS = 40_000_000

Sides = tuple[Data, Data]


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
    pairs: Mapping[MemberPath, Sides]
    #: Files whose own content differs, for diffoscope: an ELF is one, its sections are not.
    leaves: tuple[MemberPath, ...]


@dataclass(frozen=True)
class Place:
    """Where the walk is: the path, and the innermost path that is a file by itself."""

    path: MemberPath
    file: MemberPath
    depth: int = 0

    def inside(self, key: str, entry: Entry, form: str) -> Place:
        """The place of an entry of the container that is here."""
        path = self.path if entry.synthetic else (*self.path, key)
        return Place(path, self.file if form in INNER else path, self.depth + 1)


@dataclass(frozen=True)
class _Container:
    """Both sides of one container: its place, its bytes, how they lie."""

    place: Place
    data: Sides
    layouts: tuple[Layout, Layout]
    #: Names of places in the published side, where it is an ELF file.
    symbols: Symbols | None

    @property
    def form(self) -> str:
        return self.layouts[0].format


@dataclass
class Walk:
    """One comparison in the making."""

    bounds: Bounds
    pool: Executor
    tally: Tally = field(default_factory=Tally)
    pairs: dict[MemberPath, Sides] = field(default_factory=dict)
    #: As they lie in their container, still packed: what checksum lists speak of.
    packed: dict[MemberPath, Sides] = field(default_factory=dict)
    #: Members that only one side has: which, and the bytes as they lie there.
    alone: dict[MemberPath, tuple[int, Data]] = field(default_factory=dict)
    leaves: dict[MemberPath, None] = field(default_factory=dict)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    symbol_rows: int = 0

    def compare(self, place: Place, left: Data, right: Data) -> str:
        """Compare two stretches of bytes that may differ; the format both were read as."""
        offset = first_difference(left, right)
        return "" if offset is None else self._differing(place, left, right, offset)

    def _differing(self, place: Place, left: Data, right: Data, offset: int) -> str:
        """Tell how these bytes differ; they do first at ``offset``."""
        self.pairs[place.path] = left, right
        self.packed.setdefault(place.path, (left, right))
        before = self.tally.told
        if self._repacked(place, left, right, offset):
            return ""
        layouts = self._layouts(place, left, right)
        if layouts is None:
            self._leaf(place, left, right, offset)
            return ""
        try:
            self._container(place, (left, right), layouts)
        except BudgetError as err:
            self.tally.remark(place.path, "", f"not all of it was looked into: {err}; compared as bytes")
            self._leaf(place, left, right, offset)
        if self.tally.told == before:
            # No part differs and yet the whole does: a fault of a reader, which must not hide anything.
            self._leaf(place, left, right, offset)
        return layouts[0].format

    def _leaf(self, place: Place, left: Data, right: Data, offset: int, note: str = "") -> None:
        self.leaves[place.file] = None
        mine, theirs = (side_of(one, at_offset(one, offset)) for one in (left, right))
        finding = Finding(path=place.path, kind=DifferenceClass.CONTENT, what="bytes", published=mine, rebuilt=theirs)
        self.tally.add(finding.model_copy(update={"offset": offset, "note": note}))

    def _repacked(self, place: Place, left: Data, right: Data, offset: int) -> bool:
        """Compare what two sides unpack to that are packed by two methods, or one of them not at all."""
        readers = reader_of(left), reader_of(right)
        methods = [reader.name if reader and reader.name in CODECS else "stored" for reader in readers]
        if methods[0] == methods[1] or place.depth >= self.bounds.depth:
            return False
        try:
            found = [
                contents.payload(self._read(reader, data, side), self.bounds.spool)
                if reader is not None and reader.name in CODECS
                else data
                for side, (reader, data) in enumerate(zip(readers, (left, right), strict=True))
            ]
        except (FormatError, BudgetError):
            return False
        equal = first_difference(found[0], found[1]) is None
        self.tally.add(contents.repacked(place.path, methods, (left, right), offset, equal=equal))
        if not equal:
            self.compare(Place(place.path, place.file, place.depth + 1), found[0], found[1])
        return True

    def _layouts(self, place: Place, left: Data, right: Data) -> tuple[Layout, Layout] | None:
        """How both are taken apart; ``None`` where they are not, or not in the same way."""
        reader = reader_of(left)
        if reader is None or reader is not reader_of(right):
            return None
        if place.depth >= self.bounds.depth:
            self.tally.remark(place.path, "", f"nested more than {self.bounds.depth} deep; compared as bytes")
            return None
        other = self.pool.submit(self._read, reader, left, 0)
        reads: tuple[tuple[str, Callable[[], Layout]], ...] = (
            ("rebuilt", partial(self._read, reader, right, 1)),
            ("published", other.result),
        )
        found: list[Layout] = []
        for side, read in reads:
            try:
                found.append(read())
            except (FormatError, BudgetError) as err:
                text = f"not looked into as {reader.name}: {err}; compared as bytes"
                self.tally.remark(place.path, side, text)
        return (found[1], found[0]) if len(found) == 2 else None

    def _read(self, reader: Reader, data: Data, side: int) -> Layout:
        def entry() -> None:
            self.counts[side] += 1
            if self.counts[side] > self.bounds.members:
                msg = f"more than {self.bounds.members} members"
                raise BudgetError(msg)

        budget = Budget(entry=entry, check=self.bounds.check, spool=self.bounds.spool)
        return tiled(reader.read(data, budget), data.size)

    def _container(self, place: Place, data: Sides, layouts: tuple[Layout, Layout]) -> None:
        here = _Container(place, data, layouts, Symbols(data[0]) if layouts[0].format == "elf" else None)
        for side, layout in zip(("published", "rebuilt"), layouts, strict=True):
            for remark in layout.remarks[:100]:
                self.tally.remark(place.path, side, remark)
        mine, theirs = (parts.keyed(layout.entries) for layout in layouts)
        if here.form not in INNER and mine.keys() != theirs.keys():
            renamed = {other: name for name, other in counterparts(mine, theirs).items()}
            theirs = {renamed.get(name, name): entry for name, entry in theirs.items()}
        started = self.tally.told
        kept: list[tuple[Place, Finding]] = []
        for key, entry in mine.items():
            self.bounds.check()
            if key in theirs:
                kept += self._entry(here, key, (entry, theirs[key]))
            else:
                self._alone(here, key, entry, 0)
        for key, entry in theirs.items():
            if key not in mine:
                self.bounds.check()
                self._alone(here, key, entry, 1)
        for finding in parts.own_stretches(place.path, data, layouts, beside=self.tally.told > started):
            self._metadata(here, place, finding)
        if order := parts.order(place.path, layouts, (mine, theirs)):
            self._metadata(here, place, order)
        if self.tally.told == started:
            for inside, finding in kept:
                self._metadata(here, inside, finding)

    def _metadata(self, here: _Container, place: Place, finding: Finding) -> None:
        if here.form in INNER:
            self.leaves[place.file] = None
        self.tally.add(finding)

    def _alone(self, here: _Container, key: str, entry: Entry, side: int) -> None:
        """A member that only this side has."""
        path = (*here.place.path, key)
        stored = window(here.data[side], entry.at, entry.size)
        self.alone[path] = side, stored
        found = contents.unpacked(self.tally, path, "", entry, stored, self.bounds.spool)
        shown = side_of(found if found is not None else stored, entry.kind if entry.kind != "file" else "")
        kind = (DifferenceClass.MISSING, DifferenceClass.EXTRA)[side]
        where = {("published", "rebuilt")[side]: shown}
        self.tally.add(Finding(path=path, kind=kind, what="member", **where))

    def _entry(self, here: _Container, key: str, entries: tuple[Entry, Entry]) -> list[tuple[Place, Finding]]:
        """Compare a member that both have. What is to be told only if there is nothing else is given back."""
        inside = here.place.inside(key, entries[0], here.form)
        before = self.tally.told
        kept = []
        self._content(here, inside, entries, key)
        changed = self.tally.told > before
        for finding, deferred in parts.entry_stretches(inside.path, entries, here.data, here.layouts, changed=changed):
            if deferred:
                kept.append((inside, finding))
            else:
                self._metadata(here, inside, finding)
        if self.tally.told == before:
            self.counts[2] += 1
        return kept

    def _content(self, here: _Container, inside: Place, entries: tuple[Entry, Entry], key: str) -> None:
        left, right = (window(whole, entry.at, entry.size) for whole, entry in zip(here.data, entries, strict=True))
        offset = first_difference(left, right)
        if offset is None and entries[0].method == entries[1].method:
            return
        if entries[0].unpacked or entries[1].unpacked:
            self._unpacked(inside, entries, (left, right), offset)
        elif offset is not None:
            self._checksums(inside, entries, (left, right))
            if here.symbols is not None:
                self._section(here.symbols, inside, (left, right), offset, key)
            else:
                self._differing(inside, left, right, offset)

    def _unpacked(self, inside: Place, entries: tuple[Entry, Entry], stored: Sides, offset: int | None) -> None:
        """Compare what two members unpack to, whose stored bytes differ or are packed in two ways."""
        both = [
            contents.unpacked(self.tally, inside.path, side, entry, raw, self.bounds.spool)
            for side, entry, raw in zip(("published", "rebuilt"), entries, stored, strict=True)
        ]
        if both[0] is None or both[1] is None:
            self.pairs[inside.path] = stored
            self._leaf(inside, *stored, offset or 0, note="compared as stored: could not be unpacked")
            return
        left, right = both[0], both[1]
        self._checksums(inside, entries, (left, right))
        if (first := first_difference(left, right)) is not None:
            self._differing(inside, left, right, first)
            return
        self.pairs.setdefault(inside.path, (left, right))
        self.tally.add(contents.compression(inside.path, entries, stored, offset))

    def _section(self, symbols: Symbols, inside: Place, sides: Sides, offset: int, key: str) -> None:
        """A section of an ELF file is not looked into; a symbol says where in it the first difference lies."""
        self.pairs[inside.path] = sides
        name = ""
        if self.symbol_rows + symbols.rows <= MAX_SYMBOL_ROWS:
            self.symbol_rows += symbols.rows
            name = symbols.nearest(key, offset)
        self._leaf(inside, *sides, offset, note=f"near {name}" if name else "")

    def _checksums(self, inside: Place, entries: tuple[Entry, Entry], content: Sides) -> None:
        if (finding := contents.checksums(inside.path, entries, content)) is not None:
            self.tally.add(finding)


def compare(published: Data, rebuilt: Data, bounds: Bounds) -> Walked:
    """Every difference between two files. Raises nothing on account of their bytes."""
    with ThreadPoolExecutor(1) as pool:
        walk = Walk(bounds, pool)
        form = walk.compare(Place((), ()), published, rebuilt)
        return finished(walk, side_of(published), side_of(rebuilt), form)


def finished(walk: Walk, published: Side, rebuilt: Side, form: str) -> Walked:
    """What a walk came to."""
    findings = tuple(walk.tally.findings)
    try:
        findings = tuple(derived(findings, walk.pairs, walk.packed, walk.alone, walk.bounds.check))
    except BudgetError as err:
        walk.tally.remark((), "", f"not all checksum lists were checked: {err}")
    difference = Difference(
        published=published,
        rebuilt=rebuilt,
        format=form,
        members=Count(published=walk.counts[0], rebuilt=walk.counts[1], equal=walk.counts[2]),
        findings=findings,
        remarks=walk.tally.remarks,
    )
    return Walked(difference=difference, pairs=walk.pairs, leaves=tuple(walk.leaves))


def lines_of(walked: Walked) -> Iterator[str]:
    """One line a finding, for logs and tests."""
    for finding in walked.difference.findings:
        where = " » ".join(finding.path) or "(the file)"
        yield f"{finding.kind}: {where}: {finding.what}: {finding.published.value} | {finding.rebuilt.value}"
