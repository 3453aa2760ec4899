"""Zip files: wheels, jars and all others. The directory at the end says what there is, as readers take it.

What a reader would not show is remarked on: headers that disagree, bytes that belong to no member, a second
directory. Records and fields are in `zip_records.py` and `zip_fields.py`, unpacking in `zip_unpack.py`.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from functools import partial

from rebuilder.compare.archive.layout import Budget, Entry, FormatError, Layout, Stretch, printable, tiled
from rebuilder.compare.archive.zip_fields import fields, mark, method_name
from rebuilder.compare.archive.zip_records import (
    CENTRAL_MAGIC,
    DESCRIBED,
    ENCRYPTED,
    END,
    END_MAGIC,
    FULL16,
    LOCAL_MAGIC,
    LOCATOR,
    MASKED,
    End,
    Header,
    centrals,
    descriptor,
    end,
    local,
)
from rebuilder.compare.archive.zip_unpack import UNPACKED, Unpack
from rebuilder.data import CHUNK, Data, window

#: More remarks than this are counted, not told.
_MAX_REMARKS = 100
_MAX_NAME = 200
_SIGNS = ((LOCAL_MAGIC, "local header"), (CENTRAL_MAGIC, "central header"), (END_MAGIC, "end of central directory"))


class _Remarks:
    """Oddities, the first ones in words."""

    def __init__(self) -> None:
        self._told: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        if len(self._told) < _MAX_REMARKS:
            self._told.append(text)
        else:
            self._more += 1

    def all(self) -> tuple[str, ...]:
        more = (f"{self._more} more oddities of this kind",) if self._more else ()
        return (*self._told, *more)


class _Zip:
    """See ``Reader``."""

    name = "zip"

    def recognises(self, head: bytes, size: int) -> bool:
        """A member, the end of an empty archive, the mark of a split one, or a ``#!`` line with a member after it."""
        if size < END.size:
            return False
        if head.startswith((LOCAL_MAGIC, END_MAGIC, b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04")):
            return True
        line = head.find(b"\n")
        return head.startswith(b"#!") and line >= 0 and head[line + 1 : line + 5] == LOCAL_MAGIC

    def read(self, data: Data, budget: Budget) -> Layout:
        """See ``Reader``."""
        return _Reading(data, budget).layout()


class _Reading:
    """One archive being read."""

    def __init__(self, data: Data, budget: Budget) -> None:
        self._data = data
        self._budget = budget
        self._remarks = _Remarks()
        #: Marks of records whose derived values are not what they should be: those are never passed over.
        self._suspects: set[bytes] = set()

    def layout(self) -> Layout:
        last = end(self._data)
        for text in last.remarks:
            self._remarks.add(text)
        start, shift = self._directory(last)
        if shift:
            self._remarks.add(f"{shift} bytes lie before the archive; its offsets do not count them")
        entries, count = [], 0
        names: dict[bytes, int] = {}
        for head in centrals(self._data, start, last.size):
            self._budget.entry()
            entries.append(self._entry(head, start, shift))
            names[head.name] = names.get(head.name, 0) + 1
            start += len(head.raw)
            count += 1
        self._twice(names)
        stretches = self._end(last, count, shift)
        known = Layout("zip", tuple(entries), stretches)
        whole = tiled(known, self._data.size)
        self._gaps(whole.stretches[len(stretches) :], entries, last)
        return Layout(
            "zip", whole.entries, whole.stretches, self._remarks.all(), partial(fields, frozenset(self._suspects))
        )

    def _directory(self, last: End) -> tuple[int, int]:
        """Where the directory starts, and how far all offsets of the archive are off."""
        before = last.first - last.size
        if not last.size:
            return last.first, 0
        claimed = self._sign(last.offset) == CENTRAL_MAGIC and last.offset + last.size <= last.first
        if before >= 0 and self._sign(before) == CENTRAL_MAGIC:
            if before == last.offset:
                return before, 0
            if claimed:
                self._remarks.add(
                    f"two central directories: one at offset {last.offset}, where the end record says it is, "
                    f"and one at offset {before}, right before that record; the second was read"
                )
            if before > last.offset:
                return before, before - last.offset
        elif claimed:
            return last.offset, 0
        places = f"at offset {last.offset} or right before offset {last.first}"
        msg = f"expected a central directory of {last.size} bytes {places}, found none"
        raise FormatError(msg)

    def _sign(self, at: int) -> bytes:
        return self._data.read(at, 4) if 0 <= at < self._data.size else b""

    def _entry(self, head: Header, place: int, shift: int) -> Entry:
        what = _shown(head.name)
        at = head.offset + shift
        front = local(self._data, at, what)
        content = at + len(front.raw)
        if content + head.packed > self._data.size:
            msg = f"{what} claims {head.packed} bytes at offset {content}, the file has {self._data.size}"
            raise FormatError(msg)
        stretches = [Stretch("local header", at, len(front.raw)), Stretch("central header", place, len(head.raw))]
        sound = self._agree(what, front, head)
        if front.flags & DESCRIBED:
            tail, right = descriptor(self._data, content + head.packed, head)
            sound = sound and right
            if tail:
                stretches.insert(1, Stretch("data descriptor", content + head.packed, len(tail)))
            if not right:
                self._remarks.add(f"{what}: {'a wrong' if tail else 'no'} data descriptor, its flags say there is one")
                self._suspects.add(mark(tail))
        if not sound:
            self._suspects |= {mark(front.raw), mark(head.raw)}
        return self._member(what, head, content, tuple(stretches))

    def _member(self, what: str, head: Header, content: int, stretches: tuple[Stretch, ...]) -> Entry:
        method = "encrypted" if head.flags & ENCRYPTED else method_name(head.method)
        unpacked, crc = None, None
        if method == "encrypted":
            self._remarks.add(f"{what} is encrypted, its content is compared as stored")
        elif head.method in UNPACKED:
            unpacked, crc = Unpack(window(self._data, content, head.packed), head.method, head.size), head.crc
        elif head.method:
            self._remarks.add(f"{what} is packed with {method}, which is not unpacked here; it is compared as stored")
        else:
            crc = head.crc
            if head.packed != head.size:
                self._remarks.add(f"{what} is stored in {head.packed} bytes and claims a content of {head.size}")
                self._suspects |= {mark(self._raw(one)) for one in stretches}
        return Entry(head.name, stretches, content, head.packed, method, unpacked, _kind(head), crc)

    def _raw(self, one: Stretch) -> bytes:
        return self._data.read(one.at, one.size)

    def _agree(self, what: str, front: Header, head: Header) -> bool:
        """Whether both headers say the same. What follows the content may be zero in the local one."""
        pairs: list[tuple[str, object, object]] = []
        if front.name != head.name:
            pairs.append(("name", _shown(front.name), what))
        if front.method != head.method:
            pairs.append(("method", method_name(front.method), method_name(head.method)))
        if front.flags != head.flags:
            pairs.append(("flags", f"0x{front.flags:04x}", f"0x{head.flags:04x}"))
        if (front.flags | head.flags) & MASKED:
            self._remarks.add(f"{what}: its header is masked by an encrypted directory")
        later = front.flags & DESCRIBED
        for name, one, other in (
            ("crc32", front.crc, head.crc),
            ("compressed size", front.packed, head.packed),
            ("size", front.size, head.size),
        ):
            if one != other and not (later and one == 0):
                shown = (f"{one:08x}", f"{other:08x}") if name == "crc32" else (one, other)
                pairs.append((name, *shown))
        for name, said, known in pairs:
            self._remarks.add(f"{what}: {name} is {said} in the local header and {known} in the central directory")
        return not pairs

    def _twice(self, names: dict[bytes, int]) -> None:
        for name, count in names.items():
            if count > 1:
                self._remarks.add(f"{count} members are named {_shown(name)}")

    def _end(self, last: End, count: int, shift: int) -> tuple[Stretch, ...]:
        """The stretches of the end records."""
        found = []
        if last.wide is not None:
            found.append(Stretch("zip64 end of central directory", *last.wide))
            found.append(Stretch("zip64 locator", last.at - LOCATOR.size, LOCATOR.size))
        found.append(Stretch("end of central directory", last.at, END.size + len(last.comment)))
        right = last.count == (count if last.wide else count & FULL16)
        if last.here != last.count:
            right = False
            self._remarks.add(f"the end record counts {last.here} members in this part and {last.count} in all")
        elif not right:
            self._remarks.add(f"the end record counts {last.count} members, the directory has {count}")
        if last.disk:
            self._remarks.add(f"this is part {last.disk + 1} of a split archive")
        if not right or shift or last.remarks:
            self._suspects |= {mark(self._raw(one)) for one in found}
        if END_MAGIC in last.comment:
            self._remarks.add("the archive comment holds another end of central directory")
        return tuple(found)

    def _gaps(self, gaps: tuple[Stretch, ...], entries: list[Entry], last: End) -> None:
        first = min((one.stretches[0].at for one in entries), default=last.first)
        for gap in gaps:
            self._budget.check()
            where = "between its parts"
            if gap.at + gap.size <= first:
                where = "before its first part"
            elif gap.at > last.at:
                where = "after its end"
            signs = " and ".join(self._signs(gap))
            holds = f"; they hold the sign of a {signs}" if signs else ""
            self._remarks.add(f"{gap.size} bytes at offset {gap.at} belong to no member, {where}{holds}")

    def _signs(self, gap: Stretch) -> Iterator[str]:
        """Which records of an archive seem to lie in a gap: what another reader may take for the archive."""
        missing = dict(_SIGNS)
        at, kept = gap.at, b""
        while missing and at < gap.at + gap.size:
            self._budget.check()
            piece = self._data.read(at, min(CHUNK, gap.at + gap.size - at))
            if not piece:
                break
            text = kept + piece
            yield from [missing.pop(sign) for sign in list(missing) if sign in text]
            at, kept = at + len(piece), text[-3:]


def _kind(head: Header) -> str:
    if head.name.endswith(b"/"):
        return "directory"
    # The upper half of the external attributes is the mode of Unix, where the archive was made there.
    return "symlink" if head.raw[5] == 3 and stat.S_ISLNK(head.mode >> 16) else "file"


def _shown(name: bytes) -> str:
    text = printable(name)
    return text if len(text) <= _MAX_NAME else f"{text[:_MAX_NAME]}..."


ZIP = _Zip()
