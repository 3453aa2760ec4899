"""The stretches of a tar, taken apart: headers, extended headers, long names. What `tar.py` and its findings share.

Numbers are octal text, or binary (GNU) with the top bit of the first byte set.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from rebuilder.compare.archive.layout import HeaderField, plain, printable

BLOCK = 512
#: Where each field of a header starts; the last of these has what is left.
_STARTS = (
    ("name", 0),
    ("mode", 100),
    ("uid", 108),
    ("gid", 116),
    ("size", 124),
    ("mtime", 136),
    ("checksum", 148),
    ("typeflag", 156),
    ("linkname", 157),
    ("magic", 257),
    ("version", 263),
    ("uname", 265),
    ("gname", 297),
    ("devmajor", 329),
    ("devminor", 337),
    ("prefix", 345),
    ("rest", 500),
)
#: What old GNU headers have in place of the prefix. It is shown so where it is not empty.
_GNU = (
    ("atime", 345),
    ("ctime", 357),
    ("gnu.offset", 369),
    ("gnu.longnames", 381),
    ("gnu.unused", 385),
    ("gnu.sparse", 386),
    ("gnu.realsize", 483),
    ("rest", 495),
)
_KINDS = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hard link",
    b"2": "symlink",
    b"3": "character device",
    b"4": "block device",
    b"5": "directory",
    b"6": "fifo",
    b"D": "directory",
    b"V": "volume label",
    b"M": "continued file",
}
#: Types that have no content, whatever their size says.
NO_CONTENT = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
_TIMES = ("mtime", "atime", "ctime")
_NUMBERS = ("uid", "gid", "devmajor", "devminor", "gnu.offset", "gnu.realsize")


def kind_of(typeflag: bytes, name: bytes) -> str:
    """The kind of a member. Before ustar a directory was a file whose name ends in a slash."""
    if typeflag in (b"0", b"\0") and name.endswith(b"/"):
        return "directory"
    return _KINDS.get(typeflag) or f"type {printable(typeflag)}"


def number(raw: bytes) -> int | None:
    """The value of a numeric field, 0 for an empty one; ``None`` where it is no number."""
    if raw[:1] and raw[0] & 0x80:
        if raw[0] not in (0x80, 0xFF):
            return None
        value = int.from_bytes(raw[1:], "big")
        return value if raw[0] == 0x80 else value - (1 << 8 * (len(raw) - 1))
    digits = raw.split(b"\0", 1)[0].strip(b" ")
    try:
        return int(digits, 8) if digits.isdigit() else None if digits else 0
    except ValueError:
        return None


def sums(raw: bytes) -> tuple[int, int]:
    """The checksum of a header, its own field taken as spaces; and as those count who take bytes for signed."""
    unsigned = sum(raw) - sum(raw[148:156]) + 8 * 32
    if raw.isascii():
        return unsigned, unsigned
    negative = sum(byte > 127 for byte in raw) - sum(byte > 127 for byte in raw[148:156])
    return unsigned, unsigned - 256 * negative


def is_header(raw: bytes) -> bool:
    """Whether this is a whole block with the right checksum, and not only zeros."""
    if len(raw) != BLOCK:
        return False
    # Any header has a checksum, so an empty field is not one: that would let a block of zeros pass.
    claimed = number(raw[148:156])
    return bool(claimed) and not raw[148] & 0x80 and claimed in sums(raw)


def records(raw: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Key, value and all bytes of each record of an extended header. ``ValueError`` where there is none."""
    at = 0
    while at < len(raw):
        space = raw.find(b" ", at, at + 20)
        length = int(raw[at:space]) if space > at and raw[at:space].isdigit() else 0
        record = raw[at : at + length]
        key, equals, value = record[space + 1 - at : -1].partition(b"=")
        if not record.endswith(b"\n") or len(record) != length or not equals or not key:
            msg = f"expected a record of an extended header, found {raw[at : at + 20]!r}, at byte {at} of {len(raw)}"
            raise ValueError(msg)
        yield key, value, record
        at += length


def header(raw: bytes, *, sized: bool = True) -> tuple[HeaderField, ...]:
    """The fields of a header block; ``sized``: its size is that of the content."""
    gnu = raw[257:265] == b"ustar  \0" and any(raw[345:495])
    starts = (*_STARTS[:15], *_GNU) if gnu else _STARTS
    found: list[HeaderField] = []
    for (name, start), (_, end) in pairwise((*starts, ("", BLOCK))):
        part = raw[start:end]
        if name == "checksum":
            found += _checksum(part, raw)
        elif name == "size":
            found += _size(part, sized=sized)
        else:
            found.append(HeaderField(name, part, _shown(name, part)))
    return tuple(found)


def _size(raw: bytes, *, sized: bool) -> list[HeaderField]:
    value = number(raw)
    if value is None:
        return [plain("size", raw)]
    for digits in (11, 10):  # npm writes ten
        if raw[:digits] == b"%0*o" % (digits, value) and not raw[digits:].strip(b" \0"):
            # What ends the number follows from nothing, so it is a field of its own.
            size = HeaderField("size", raw[:digits], str(value), implied=sized)
            return [size, _ending("size end", raw[digits:])]
    exact = value >= 8**11 and raw == b"\x80" + value.to_bytes(11, "big")
    return [HeaderField("size", raw, str(value), implied=sized and exact)]


def _checksum(raw: bytes, block: bytes) -> list[HeaderField]:
    value, right = number(raw), sums(block)
    shown = "none" if value is None else f"{value:o}"
    if value == right[0]:
        for digits in (6, 7):
            if raw[:digits] == b"%0*o" % (digits, value) and not raw[digits:].strip(b" \0"):
                implied = HeaderField("checksum", raw[:digits], shown, implied=True)
                return [implied, _ending("checksum end", raw[digits:])]
        return [HeaderField("checksum", raw, shown)]
    wrong = "of signed bytes" if value == right[1] else f"wrong, expected {right[0]:o}"
    return [HeaderField("checksum", raw, f"{shown} ({wrong})")]


def _ending(name: str, raw: bytes) -> HeaderField:
    return HeaderField(name, raw, raw.hex(" "))


def _shown(name: str, raw: bytes) -> str:
    """The value of a field of a header, in words."""
    if name == "mode" or name in _NUMBERS or name in _TIMES:
        value = number(raw)
        if value is None:
            return plain(name, raw).value
        if name in _TIMES:
            return moment(value) if raw.strip(b" \0") else ""
        return f"{value:04o}" if name == "mode" else str(value)
    if name in ("rest", "gnu.sparse"):
        return plain(name, raw).value if any(raw) else f"{len(raw)} zero bytes"
    text = raw.rstrip(b"\0")
    return printable(text) if b"\0" not in text else plain(name, raw).value


def moment(seconds: int) -> str:
    """ISO, UTC; the number where it is no date."""
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return f"{seconds} seconds after 1970"


def pax(raw: bytes) -> tuple[HeaderField, ...]:
    """The fields of an extended header: its own header, a field a record, and the padding."""
    size, found = _own_header("pax", raw)
    at = BLOCK
    try:
        for key, value, record in records(raw[BLOCK : BLOCK + size]):
            found.append(HeaderField(f"pax.{printable(key)}", record, _pax_value(key, value)))
            at += len(record)
    except ValueError:
        pass  # what is no record is told as the rest
    return (*found, *_rest("pax", raw, at, BLOCK + size))


def long_name(name: str, raw: bytes) -> tuple[HeaderField, ...]:
    """The fields of a GNU long name or link: its own header, the text, and the padding."""
    size, found = _own_header(name, raw)
    text = raw[BLOCK : BLOCK + size]
    found.append(HeaderField(name, text, printable(text.rstrip(b"\0"))))
    return (*found, *_rest(name, raw, BLOCK + size, BLOCK + size))


def _own_header(name: str, raw: bytes) -> tuple[int, list[HeaderField]]:
    own = header(raw[:BLOCK])
    size = max(0, number(raw[124:136]) or 0)
    return size, [HeaderField(f"{name}.header.{one.name}", one.raw, one.value, one.implied) for one in own]


def _rest(name: str, raw: bytes, at: int, end: int) -> Iterator[HeaderField]:
    for part, label in ((raw[at:end], "rest"), (raw[max(at, end) :], "padding")):
        if part:
            shown = plain(label, part).value if any(part) else f"{len(part)} zero bytes"
            yield HeaderField(f"{name}.{label}", part, shown)


def _pax_value(key: bytes, value: bytes) -> str:
    """Times as ISO with every digit of the fraction: two that differ must not look alike."""
    whole, dot, fraction = value.partition(b".")
    digits = whole.removeprefix(b"-")
    if key not in (b"mtime", b"atime", b"ctime") or not digits.isdigit() or len(digits) > 15:
        return printable(value)
    if dot and not fraction.isdigit():
        return printable(value)
    shown = moment(int(whole))
    return shown if not dot else f"{shown.removesuffix('Z')} {'-' if whole != digits else '+'}0.{fraction.decode()} s"
