"""Comparing what containers say beside their members' content: header fields, gaps, order. Pure.

A field that is ``implied`` on both sides (a checksum that is right, an offset that is where the thing lies) says
nothing that the findings it follows from do not: those on the same entry's content, on the same header where it is
a checksum over that, or on anything in the container where it is an offset. Without these it is told like any other.
"""

from __future__ import annotations

from collections.abc import Iterator

from rebuilder.compare.archive.layout import Entry, HeaderField, Layout, Stretch, plain, printable
from rebuilder.compare.shown import cut
from rebuilder.data import Data, first_difference, sha256, window
from rebuilder.findings import DifferenceClass, Finding, MemberPath, Side

#: Longer stretches are compared as a whole and not taken apart into fields.
MAX_FIELDS_BYTES = 256 * 1024
#: Stretches with many fields that move together; one finding tells of all.
_FOLDED = {("elf", "section headers"), ("elf", "program headers"), ("elf", "elf header")}
_ABSENT = "(none)"
#: Fill bytes whose length follows from the sizes of what lies around them.
_FILLING = {("tar", "padding"): 0, ("tar", "pax.padding"): 0, ("elf", "gap"): 0, ("tar", "end of archive"): 10240}


Keyed = dict[str, Entry]


def keyed(entries: tuple[Entry, ...]) -> Keyed:
    """Entries by name; the second of one name is ``name\\#2``, which no name can be."""
    found: dict[str, Entry] = {}
    seen: dict[str, int] = {}
    for entry in entries:
        name = printable(entry.name)
        seen[name] = seen.get(name, 0) + 1
        found[name if seen[name] == 1 else f"{name}\\#{seen[name]}"] = entry
    return found


def entry_stretches(
    path: MemberPath,
    entries: tuple[Entry, Entry],
    data: tuple[Data, Data],
    layouts: tuple[Layout, Layout],
    *,
    changed: bool,
) -> Iterator[tuple[Finding, bool]]:
    """Findings on two entries' own stretches, each with whether it is to be kept for the case that the container has
    no other. ``changed``: the entry's content differs."""
    yield from _stretches(path, (entries[0].stretches, entries[1].stretches), data, layouts, changed=changed)
    if entries[0].kind != entries[1].kind:
        sides = (Side(value=entry.kind) for entry in entries)
        kind = DifferenceClass.METADATA
        yield Finding(path=path, kind=kind, what="kind", **dict(zip(_NAMES, sides, strict=True))), False


def own_stretches(
    path: MemberPath, data: tuple[Data, Data], layouts: tuple[Layout, Layout], *, beside: bool
) -> Iterator[Finding]:
    """Findings on what belongs to the containers themselves, gaps included; ``beside``: there are others already."""
    stretches = layouts[0].stretches, layouts[1].stretches
    plainly = beside
    kept = []
    for finding, deferred in _stretches(path, stretches, data, layouts, changed=beside):
        if deferred:
            kept.append(finding)
        else:
            plainly = True
            yield finding
    if not plainly:
        yield from kept


_NAMES = ("published", "rebuilt")
#: In these formats every implied field follows from the same header, or was checked against the content by the reader.
_CHECKED = frozenset({"tar", "gzip", "elf"})


def _stretches(
    path: MemberPath,
    stretches: tuple[tuple[Stretch, ...], tuple[Stretch, ...]],
    data: tuple[Data, Data],
    layouts: tuple[Layout, Layout],
    *,
    changed: bool,
) -> Iterator[tuple[Finding, bool]]:
    left, right = (_numbered(side) for side in stretches)
    implied: list[Finding] = []
    plainly = False
    for key in [*left, *(key for key in right if key not in left)]:
        for finding, follows in _stretch(path, key[0], (left.get(key), right.get(key)), data, layouts):
            if follows:
                implied.append(finding)
            else:
                plainly = True
                yield finding, False
    told = changed or (plainly and layouts[0].format in _CHECKED)
    for finding in implied:
        if finding.what.endswith("offset"):
            yield finding, True
        elif not told:
            yield finding, False


def filling(form: str, name: str, raw: bytes, whole: int) -> bool:
    """Whether these bytes are zeros, and as many as there have to be: none of them says anything by itself.

    ``whole`` is the size of the container: a tar's end is of that kind if it is the least that ends the archive (two
    blocks) and fills a whole record of 10,240 bytes."""
    if (form, name) == ("ar", "padding"):  # one byte where the size before it is odd
        return raw in {b"", b"\n"}
    unit = _FILLING.get((form, name))
    if unit is None or (unit and (whole % unit or not 1024 <= len(raw) < unit + 1024)):
        return False
    return not raw.strip(b"\0")


def _numbered(stretches: tuple[Stretch, ...]) -> dict[tuple[str, int], Stretch]:
    found: dict[tuple[str, int], Stretch] = {}
    seen: dict[str, int] = {}
    for stretch in stretches:
        seen[stretch.name] = seen.get(stretch.name, 0) + 1
        found[stretch.name, seen[stretch.name]] = stretch
    return found


def _stretch(
    path: MemberPath,
    name: str,
    pair: tuple[Stretch | None, Stretch | None],
    data: tuple[Data, Data],
    layouts: tuple[Layout, Layout],
) -> Iterator[tuple[Finding, bool]]:
    """Findings on one stretch, each with whether it is implied on both sides."""
    form = layouts[0].format
    if pair[0] is None or pair[1] is None:
        sides = [_whole(name, stretch, whole) for stretch, whole in zip(pair, data, strict=True)]
        there = [(whole, one) for whole, one in zip(data, pair, strict=True) if one and one.size <= MAX_FIELDS_BYTES]
        fills = bool(there) and all(
            filling(form, name, whole.read(one.at, one.size), whole.size) for whole, one in there
        )
        yield _finding(path, name, sides[0], sides[1]), fills
        return
    windows = [window(whole, one.at, one.size) for whole, one in zip(data, pair, strict=True) if one]
    if (offset := first_difference(windows[0], windows[1])) is None:
        return
    if max(one.size for one in windows) > MAX_FIELDS_BYTES:
        sides = [_whole(name, stretch, whole) for stretch, whole in zip(pair, data, strict=True)]
        yield _finding(path, name, sides[0], sides[1], offset=offset), False
        return
    raws = [one.read(0, one.size) for one in windows]
    if all(filling(form, name, raw, whole.size) for raw, whole in zip(raws, data, strict=True)):
        sides = [_whole(name, stretch, whole) for stretch, whole in zip(pair, data, strict=True)]
        yield _finding(path, name, sides[0], sides[1], offset=offset), True
        return
    fields = [_taken_apart(layout, name, raw) for layout, raw in zip(layouts, raws, strict=True)]
    found = list(_fields(path, form, fields)) or [_bare(path, name, raws, offset)]
    if (form, name) in _FOLDED:
        yield _folded(path, name, found)
    else:
        yield from found


def _taken_apart(layout: Layout, name: str, raw: bytes) -> tuple[HeaderField, ...]:
    """The fields of a stretch, if they are all of it; else the stretch as one field."""
    fields = layout.fields(name, raw)
    return fields if b"".join(one.raw for one in fields) == raw else (plain(name, raw),)


def _fields(
    path: MemberPath, form: str, pair: list[tuple[HeaderField, ...]]
) -> Iterator[tuple[Finding, bool]]:
    mine, theirs = (_fields_by_name(fields) for fields in pair)
    for key in [*mine, *(key for key in theirs if key not in mine)]:
        one, other = mine.get(key), theirs.get(key)
        if one and other and one.raw == other.raw:
            continue
        values = [_value(field) for field in (one, other)]
        if one and other and values[0] == values[1]:  # another spelling of the same value
            values = [f"{field.value} ({field.raw[:24]!r})" for field in (one, other)]
        implied = all(field and (field.implied or filling(form, field.name, field.raw, 0)) for field in (one, other))
        yield _finding(path, key[0], Side(value=cut(values[0])), Side(value=cut(values[1]))), implied


def _value(field: HeaderField | None) -> str:
    return field.value if field else _ABSENT


def _fields_by_name(fields: tuple[HeaderField, ...]) -> dict[tuple[str, int], HeaderField]:
    found: dict[tuple[str, int], HeaderField] = {}
    seen: dict[str, int] = {}
    for one in fields:
        seen[one.name] = seen.get(one.name, 0) + 1
        found[one.name, seen[one.name]] = one
    return found


def _bare(path: MemberPath, name: str, raws: list[bytes], offset: int) -> tuple[Finding, bool]:
    """The same fields in another order: shown as bytes."""
    left, right = (Side(value=raw[offset : offset + 16].hex(" ")) for raw in raws)
    return _finding(path, name, left, right, offset=offset), False


def _folded(path: MemberPath, name: str, found: list[tuple[Finding, bool]]) -> tuple[Finding, bool]:
    telling = [finding for finding, implied in found if not implied] or [finding for finding, _ in found]
    first = telling[0]
    left, right = (cut(f"{first.what}: {side.value}") for side in (first.published, first.rebuilt))
    names = ", ".join(one.what for one in telling[:40])
    more = f" and {len(telling) - 40} more" if len(telling) > 40 else ""
    finding = _finding(path, name, Side(value=left), Side(value=right))
    note = f"{len(telling)} fields: {names}{more}" if len(telling) > 1 else ""
    return finding.model_copy(update={"note": note}), all(implied for _, implied in found)


def _whole(name: str, stretch: Stretch | None, data: Data) -> Side:
    if stretch is None:
        return Side(value=_ABSENT)
    part = window(data, stretch.at, stretch.size)
    return Side(value=cut(plain(name, part.read(0, 64)).value), sha256=sha256(part), size=stretch.size)


def _finding(
    path: MemberPath, what: str, published: Side, rebuilt: Side, *, offset: int | None = None
) -> Finding:
    return Finding(
        path=path, kind=DifferenceClass.METADATA, what=what, published=published, rebuilt=rebuilt, offset=offset
    )


def order(path: MemberPath, layouts: tuple[Layout, Layout], keys: tuple[Keyed, Keyed]) -> Finding | None:
    """Whether what both sides have comes in the same sequence: entries, and every stretch between them.

    ``keys`` are the entries of each side as ``keyed`` has them."""
    sequences = [_sequence(layout, entries) for layout, entries in zip(layouts, keys, strict=True)]
    common = set(sequences[0]) & set(sequences[1])
    left, right = ([label for label in sequence if label in common] for sequence in sequences)
    at = next((at for at, (one, other) in enumerate(zip(left, right, strict=True)) if one != other), None)
    if at is None:
        return None
    entries = [[label for label in side if not label[1]] for side in (left, right)]
    what = "order" if entries[0] != entries[1] or _only_headers(left, right) else "layout"
    if layouts[0].format == "elf":  # no list of files, and nothing that a packer sorts
        what = f"section {what}"
    sides = [Side(value=cut(f"{at + 1}: {_label(side[at])}")) for side in (left, right)]
    return Finding(path=path, kind=DifferenceClass.ORDER, what=what, published=sides[0], rebuilt=sides[1])


_Label = tuple[str, str, int]


def _sequence(layout: Layout, entries: Keyed) -> list[_Label]:
    found: list[tuple[int, int, _Label]] = []
    for key, entry in entries.items():
        found.append((entry.at, entry.size, (key, "", 0)))
        found += [(one.at, one.size, (key, *label)) for label, one in _numbered(entry.stretches).items()]
    found += [(one.at, one.size, ("", *label)) for label, one in _numbered(layout.stretches).items()]
    # Where two begin at one place the empty one comes first, whichever side it is.
    return [label for _, _, label in sorted(found)]


def _only_headers(left: list[_Label], right: list[_Label]) -> bool:
    """Whether the sequences differ in entries' headers (a central directory in another order), not in gaps."""
    return [label for label in left if label[0]] != [label for label in right if label[0]]


def _label(label: _Label) -> str:
    return " ".join(part for part in label[:2] if part)
