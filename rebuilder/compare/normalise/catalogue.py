"""The normalisers there are, each as the list of fields it clears. Narrow by construction: what is not named stays.

A field is cleared only where it holds what it is for: a time that every reader takes for a time, an owner that every
reader takes for an owner. Anything else in its place stays, for readers disagree about it, or stop at it.

Never here: the executable bit or any other part of a mode, a signature, a name, a link target, a gap.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

#: Bytes of a field to what stands in their place.
Clear = Callable[[bytes], bytes]

#: Times below this, in seconds, fit in every reader: eleven octal digits of a tar header.
_MAX_TIME = 8**11
_MAX_OWNER = 2**31
_OCTAL = re.compile(rb"(?: *[0-7]+[ \0]*|\0*)", re.DOTALL)
_DECIMAL = re.compile(rb"[0-9]+ *| +")
_OWNER = re.compile(rb"[ -~]*\0*")
_PAX_TIME = re.compile(rb"[0-9]+ [a-z]+=[0-9]{1,10}(?:\.[0-9]{1,20})?\n")
_PAX_NUMBER = re.compile(rb"[0-9]+ [a-z]+=[0-9]{1,9}\n")
_PAX_OWNER = re.compile(rb"[0-9]+ [a-z]+=[ -~]{0,256}\n")
#: No file system has longer names.
_MAX_NAME = 255


def _zeros(raw: bytes) -> bytes:
    """As many zero bytes: what clearing a field of fixed length is."""
    return bytes(len(raw))


def _where(pattern: re.Pattern[bytes], clear: Clear) -> Clear:
    """``clear``, for fields that are all of the pattern; others stay."""
    return lambda raw: clear(raw) if pattern.fullmatch(raw) else raw


def _nothing(_: bytes) -> bytes:
    """Nothing at all: for fields of no fixed length."""
    return b""


def _number(limit: int) -> Clear:
    """Clears a number of a tar header, octal or binary, from 0 up to the limit."""

    def clear(raw: bytes) -> bytes:
        if raw[:1] == b"\x80":
            return bytes(len(raw)) if int.from_bytes(raw[1:], "big") < limit else raw
        if not _OCTAL.fullmatch(raw):
            return raw
        return bytes(len(raw)) if int(raw.strip(b" \0") or b"0", 8) < limit else raw

    return clear


def _file_name(raw: bytes) -> bytes:
    """Nothing in place of a name that a file could have."""
    return b"" if len(raw) <= _MAX_NAME + 1 else raw


def _extended_times(raw: bytes) -> bytes:
    """A zip's extended timestamp: identifier, length and flags stay, the times go, if there is nothing else.

    The directory has the first of the times only, whatever the flags say."""
    flags = raw[4] if len(raw) > 4 else 0
    times, rest = divmod(len(raw) - 5, 4)
    sound = not rest and not flags & ~7 and times in (flags.bit_count(), flags & 1)
    return raw[:5] + bytes(len(raw[5:])) if sound else raw


def _without_name_flag(raw: bytes) -> bytes:
    """The flags of a gzip header without the bit that says a file name follows."""
    return bytes([raw[0] & ~0x08]) if len(raw) == 1 else raw


@dataclass(frozen=True)
class Normaliser:
    """What one normaliser clears. ``inflates``: it puts what a deflate stream unpacks to in the place of the stream."""

    name: str
    version: int
    clears: MappingProxyType[tuple[str, str], Clear]
    inflates: bool = False

    @property
    def label(self) -> str:
        """``name/version``, as the record and the statement have it."""
        return f"{self.name}/{self.version}"


def _normaliser(name: str, clears: dict[tuple[str, str], Clear], *, inflates: bool = False) -> Normaliser:
    return Normaliser(name, 1, MappingProxyType(clears), inflates)


_ALL = (
    _normaliser("ar-times", {("ar", "mtime"): _where(_DECIMAL, _zeros)}),
    _normaliser("deflate-stream", {}, inflates=True),
    _normaliser(
        "gzip-header",
        {
            ("gzip", "mtime"): _zeros,
            ("gzip", "xfl"): _zeros,
            ("gzip", "os"): _zeros,
            ("gzip", "fname"): _file_name,
            ("gzip", "flags"): _without_name_flag,
        },
    ),
    _normaliser(
        "tar-owners",
        {("tar", field): _number(_MAX_OWNER) for field in ("uid", "gid")}
        | {("tar", field): _where(_OWNER, _zeros) for field in ("uname", "gname")}
        | {("tar", f"pax.{field}"): _where(_PAX_NUMBER, _nothing) for field in ("uid", "gid")}
        | {("tar", f"pax.{field}"): _where(_PAX_OWNER, _nothing) for field in ("uname", "gname")},
    ),
    _normaliser(
        "tar-times",
        {("tar", field): _number(_MAX_TIME) for field in ("mtime", "pax.header.mtime")}
        | {("tar", f"pax.{field}"): _where(_PAX_TIME, _nothing) for field in ("mtime", "atime", "ctime")},
    ),
    _normaliser(
        "zip-times",
        {
            ("zip", "local.mtime"): _zeros,
            ("zip", "central.mtime"): _zeros,
            ("zip", "local.extra.0x5455"): _extended_times,
            ("zip", "central.extra.0x5455"): _extended_times,
        },
    ),
)

NORMALISERS = MappingProxyType({one.name: one for one in _ALL})
