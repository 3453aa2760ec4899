"""ar archives: static libraries and `.deb` files. Long names as System V and GNU have them (`//`), and BSD (`#1/`)."""

from __future__ import annotations

from datetime import UTC, datetime

from rebuilder.compare.archive.layout import (
    Budget,
    Entry,
    FormatError,
    HeaderField,
    Layout,
    Stretch,
    plain,
    printable,
)
from rebuilder.data import Data

_MAGIC = b"!<arch>\n"
_THIN = b"!<thin>\n"
_HEADER = 60
_END = b"`\n"
#: No file system has longer names; whoever claims one wants us to read the table over and over.
_MAX_NAME = 4096
_FIELDS = (("name", 16), ("mtime", 12), ("uid", 6), ("gid", 6), ("mode", 8), ("size", 10), ("end", 2))
#: Members that the format gave itself: what they are for.
_SPECIAL = {
    b"/": "symbol table",
    b"/SYM64/": "symbol table",
    b"//": "long names",
    b"__.SYMDEF": "symbol table",
    b"__.SYMDEF SORTED": "symbol table",
}


class _Ar:
    """See ``Reader``."""

    name = "ar"

    def recognises(self, head: bytes, size: int) -> bool:  # noqa: ARG002 - the contract of readers
        """Ordinary and thin archives; thin ones are then refused with words."""
        return head.startswith((_MAGIC, _THIN))

    def read(self, data: Data, budget: Budget) -> Layout:
        """See ``Reader``. What is too short to be a header after the last member is left as a gap."""
        _check_magic(data.read(0, len(_MAGIC)))
        walk = _Walk(data)
        at = len(_MAGIC)
        while data.size - at >= _HEADER:
            budget.entry()
            budget.check()
            at = walk.member(at)
        if at < data.size:
            walk.remarks.append(f"{data.size - at} bytes after the last member, at offset {at}")
        walk.remarks += _duplicates(walk.entries)
        return Layout(
            "ar", tuple(walk.entries), (Stretch("magic", 0, len(_MAGIC)),), tuple(walk.remarks), fields=fields
        )


class _Walk:
    """What was read so far."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.entries: list[Entry] = []
        self.remarks: list[str] = []
        #: Offset and size of the content of `//`.
        self.table: tuple[int, int] | None = None

    def member(self, at: int) -> int:
        """Read the member whose header is at ``at``; the offset of the next."""
        raw = self.data.read(at, _HEADER)
        if raw[58:] != _END:
            msg = f"expected the header of a member at offset {at}, found one that ends in {raw[58:].hex(' ')}"
            raise FormatError(msg)
        size = _decimal(raw[48:58])
        if size is None:
            msg = f"expected a decimal size in the header at offset {at}, found {raw[48:58]!r}"
            raise FormatError(msg)
        start = at + _HEADER
        if size > self.data.size - start:
            msg = f"the member at offset {at} claims {size} bytes, the file has {self.data.size - start} left"
            raise FormatError(msg)
        end = start + size
        stretches = [Stretch("header", at, _HEADER)]
        name, inside = self._name(at, raw, start, size)
        if inside:
            stretches.append(Stretch("long name", start, inside))
        if name == b"//":
            self.table = start, size
        if size % 2 and end < self.data.size:
            stretches.append(Stretch("padding", end, 1))
            end += 1
        elif size % 2:
            self.remarks.append(f"the last member, at offset {at}, is not padded to an even size")
        kind = _SPECIAL.get(name, "file")
        self.entries.append(Entry(name, tuple(stretches), start + inside, size - inside, kind=kind))
        return end

    def _name(self, at: int, raw: bytes, start: int, size: int) -> tuple[bytes, int]:
        """The member's name, and how many bytes of it lie before the content."""
        short = raw[:16].rstrip(b" ")
        if short.startswith(b"#1/"):
            length = _decimal(short[3:])
            if length is None or length > min(size, _MAX_NAME):
                msg = f"expected the length of a name within the member at offset {at}, found {short!r}"
                raise FormatError(msg)
            return self.data.read(start, length).rstrip(b"\0"), length
        if short.startswith(b"/") and short[1:].isdigit():
            return self._from_table(at, int(short[1:])), 0
        if short in _SPECIAL:
            return short, 0
        return short.removesuffix(b"/"), 0

    def _from_table(self, at: int, offset: int) -> bytes:
        start, size = self.table or (0, 0)
        if offset >= size:
            msg = f"the header at offset {at} names offset {offset} in a table of {size} bytes of long names"
            raise FormatError(msg)
        raw = self.data.read(start + offset, min(_MAX_NAME + 2, size - offset))
        # GNU ends a name with "/\n", System V with "\n", others with a zero byte.
        ends = [found for mark in (b"/\n", b"\0") if (found := raw.find(mark)) >= 0]
        end = min(ends) if ends else raw.find(b"\n")
        if end < 0 and len(raw) > _MAX_NAME:
            msg = f"the header at offset {at} has a name of more than {_MAX_NAME} bytes"
            raise FormatError(msg)
        return raw[:end] if end >= 0 else raw


def fields(name: str, raw: bytes) -> tuple[HeaderField, ...]:
    """See ``Layout.fields``."""
    if name == "long name":
        return (HeaderField("long name", raw, printable(raw.rstrip(b"\0"))),)
    if name != "header" or len(raw) != _HEADER:
        return (plain(name, raw),)
    found, at = [], 0
    for field, length in _FIELDS:
        found.append(_field(field, raw[at : at + length]))
        at += length
    return tuple(found)


def _field(name: str, raw: bytes) -> HeaderField:
    number = _decimal(raw, 8 if name == "mode" else 10)
    if name in ("name", "end") or number is None:
        return HeaderField(name, raw, printable(raw.rstrip(b" ")))
    if name == "mtime":
        return HeaderField(name, raw, _time(number))
    if name == "size":
        # The content is what the size says, so it follows from it, but only in the one spelling all writers use.
        return HeaderField(name, raw, str(number), implied=raw == b"%-10d" % number)
    return HeaderField(name, raw, f"{number:o}" if name == "mode" else str(number))


def _check_magic(head: bytes) -> None:
    if head == _THIN:
        msg = "a thin archive: its members are in other files, so there is nothing to read"
        raise FormatError(msg)
    if head != _MAGIC:
        msg = f"expected the start of an ar archive, found {head!r}"
        raise FormatError(msg)


def _decimal(raw: bytes, base: int = 10) -> int | None:
    """The number of a field padded with spaces; ``None`` where there is none."""
    digits = raw.strip(b" ")
    try:
        return int(digits, base) if digits.isdigit() else None
    except ValueError:
        return None


def _time(seconds: int) -> str:
    moment = datetime.fromtimestamp(min(seconds, 253_402_300_799), UTC).isoformat().replace("+00:00", "Z")
    return moment if seconds <= 253_402_300_799 else f"{seconds} seconds after 1970"


def _duplicates(entries: list[Entry]) -> list[str]:
    seen: set[bytes] = set()
    twice = [one.name for one in entries if one.name in seen or seen.add(one.name)]  # type: ignore[func-returns-value]
    if not twice:
        return []
    return [f"{len(twice)} members have a name that occurred before; the first is {printable(twice[0])}"]


AR = _Ar()
