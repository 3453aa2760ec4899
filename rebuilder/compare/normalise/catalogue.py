"""The normalisers there are, each as the list of fields it clears. Narrow by construction: what is not named stays.

Never here: the executable bit or any other part of a mode, a signature, a name, a link target, a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

#: Bytes of a field to what stands in their place.
Clear = Callable[[bytes], bytes]


def _zeros(raw: bytes) -> bytes:
    """As many zero bytes: what clearing a field of fixed length is."""
    return bytes(len(raw))


def _nothing(_: bytes) -> bytes:
    """Nothing at all: for fields of no fixed length."""
    return b""


def _extended_times(raw: bytes) -> bytes:
    """A zip's extended timestamp: identifier, length and flags stay, the times go."""
    return raw[:5] + bytes(len(raw[5:]))


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
    _normaliser("ar-times", {("ar", "mtime"): _zeros}),
    _normaliser("deflate-stream", {}, inflates=True),
    _normaliser(
        "gzip-header",
        {
            ("gzip", "mtime"): _zeros,
            ("gzip", "xfl"): _zeros,
            ("gzip", "os"): _zeros,
            ("gzip", "fname"): _nothing,
            ("gzip", "flags"): _without_name_flag,
        },
    ),
    _normaliser(
        "tar-owners",
        {("tar", field): _zeros for field in ("uid", "gid", "uname", "gname")}
        | {("tar", f"pax.{field}"): _nothing for field in ("uid", "gid", "uname", "gname")},
    ),
    _normaliser(
        "tar-times",
        {("tar", "mtime"): _zeros, ("tar", "pax.header.mtime"): _zeros}
        | {("tar", f"pax.{field}"): _nothing for field in ("mtime", "atime", "ctime")},
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
