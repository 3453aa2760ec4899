"""Compiled Python: a header of 16 bytes (12 before 3.7) and the code."""

from __future__ import annotations

from datetime import UTC, datetime

from rebuilder.compare.archive.layout import Budget, Entry, FormatError, HeaderField, Layout, Stretch, plain
from rebuilder.data import Data

#: First and last magic number of each release of CPython, development included.
_RELEASES = (
    (3190, 3230, "3.3"),
    (3250, 3310, "3.4"),
    (3320, 3351, "3.5"),
    (3360, 3379, "3.6"),
    (3390, 3399, "3.7"),
    (3400, 3419, "3.8"),
    (3420, 3429, "3.9"),
    (3430, 3449, "3.10"),
    (3450, 3499, "3.11"),
    (3500, 3549, "3.12"),
    (3550, 3599, "3.13"),
    (3600, 3649, "3.14"),
    (3650, 3699, "3.15"),
)
#: From here on the header has flags (PEP 552).
_FLAGS_SINCE = 3390
#: Before this one the header had no source size either.
_SIZE_SINCE = 3190
_LAST = 4999
_FLAGS = {0: "timestamp", 1: "hash, unchecked", 3: "hash, checked"}
#: A code object as ``marshal`` starts it, with and without the mark of a reference.
_CODE = (0x63, 0xE3)


class _Pyc:
    """See ``Reader``."""

    name = "pyc"

    def recognises(self, head: bytes, size: int) -> bool:
        """A magic number of CPython 3, sound flags, and a code object after the header."""
        if size < 16 or len(head) < 16 or head[2:4] != b"\r\n":
            return False
        magic = _number(head[:2])
        if not _SIZE_SINCE <= magic <= _LAST:
            return False
        sound = magic < _FLAGS_SINCE or _number(head[4:8]) in _FLAGS
        start = _header_size(magic)
        return sound and (size == start or head[start] in _CODE)

    def read(self, data: Data, budget: Budget) -> Layout:
        """See ``Reader``."""
        head = data.read(0, 16)
        size = _header_size(_number(head[:2]))
        if len(head) < 16 or head[2:4] != b"\r\n":
            msg = f"expected the 16 bytes of a pyc header, found {head.hex(' ') or 'nothing'}"
            raise FormatError(msg)
        budget.entry()
        code = Entry(b"code", (), size, data.size - size, kind="code")
        return Layout("pyc", (code,), (Stretch("header", 0, size),), fields=fields)


def fields(name: str, raw: bytes) -> tuple[HeaderField, ...]:
    """See ``Layout.fields``."""
    if name != "header" or len(raw) not in (12, 16):
        return (plain(name, raw),)
    found = [HeaderField("magic", raw[:4], release(_number(raw[:2])))]
    at = 4
    if len(raw) == 16:
        flags = _number(raw[4:8])
        found.append(HeaderField("flags", raw[4:8], _FLAGS.get(flags, f"0x{flags:08x}")))
        if flags & 1:
            return (*found, HeaderField("source hash", raw[8:16], raw[8:16].hex()))
        at = 8
    when = datetime.fromtimestamp(_number(raw[at : at + 4]), UTC).isoformat().replace("+00:00", "Z")
    found.append(HeaderField("mtime", raw[at : at + 4], when))
    found.append(HeaderField("source size", raw[at + 4 :], str(_number(raw[at + 4 :]))))
    return tuple(found)


def release(magic: int) -> str:
    """``3495 (CPython 3.11)``; the number alone where it belongs to no release known here."""
    known = next((f" (CPython {name})" for first, last, name in _RELEASES if first <= magic <= last), "")
    return f"{magic}{known}"


def _header_size(magic: int) -> int:
    return 16 if magic >= _FLAGS_SINCE else 12


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


PYC = _Pyc()
