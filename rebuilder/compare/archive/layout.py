"""What a format reader says of a container: where its members lie, and what every other byte is.

The promise of totality rests here. A reader names stretches of the container; ``tiled`` adds a stretch named
``gap`` for every byte that was not named, and refuses overlaps. So the stretches and the stored contents of the
members, put one after the other, are the container: two containers whose parts are equal are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from rebuilder.data import Data, Spool

#: No path through nested containers is longer.
MAX_DEPTH = 12


class BudgetError(ValueError):
    """A bound of the walk was reached: members, bytes, depth, time. The message says which."""


class FormatError(ValueError):
    """The bytes are not a sound container of this format; the message says where they stop to be one.

    The container is then compared as plain bytes, and a remark says why."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes of a container that are no member's content. ``name`` says which part of the format they are."""

    name: str
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A named piece of a stretch. ``raw`` are its exact bytes, ``value`` what they mean, in words."""

    name: str
    raw: bytes
    value: str
    #: Its right value follows from other bytes of the container (a checksum, a size, an offset), and it has it.
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: its own stretches, and where its content lies as stored.

    ``unpacked`` gives the content where it is stored packed (``method`` names how); it is called at most once a
    walk and streams into ``spool``. ``None``: stored as it is.
    """

    name: bytes
    stretches: tuple[Stretch, ...]
    at: int
    size: int
    method: str = ""
    unpacked: Callable[[Spool], Data] | None = None
    #: ``file``, ``directory``, ``symlink`` ..., as the format calls it.
    kind: str = "file"
    #: CRC-32 that the container claims for the content; checked by the walk, a wrong one is a remark.
    crc32: int | None = None
    #: The name is one the format itself gave (the payload of a gzip, a section): no name of a file.
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A container, taken apart. ``stretches`` are its own, outside of all entries."""

    format: str
    entries: tuple[Entry, ...]
    stretches: tuple[Stretch, ...] = ()
    #: Oddities that an ordinary reader would not show: duplicate names, disagreeing headers, data after the end.
    remarks: tuple[str, ...] = ()
    #: Takes a stretch of this format apart: name and bytes in, fields out; the fields' ``raw`` put together are
    #: the bytes. For names it does not know it gives one field.
    fields: Callable[[str, bytes], tuple[HeaderField, ...]] = field(default=lambda name, raw: (plain(name, raw),))


class Reader(Protocol):
    """One format. ``read`` gets data whose start ``recognises`` said yes to."""

    @property
    def name(self) -> str:
        """Name of the format, as findings show it."""

    def recognises(self, head: bytes, size: int) -> bool:
        """Whether data of this size that starts with ``head`` (its first 4 KiB at most) looks like this format."""

    def read(self, data: Data, budget: Budget) -> Layout:
        """Take it apart. ``FormatError`` if it is not sound, ``BudgetError`` past a bound."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The bounds of one walk. ``entry`` is to be called once a member read, ``check`` now and then in long loops."""

    entry: Callable[[], None]
    check: Callable[[], None]
    spool: Spool


def plain(name: str, raw: bytes) -> HeaderField:
    """A stretch that is one field, shown as hex, or as text where it is printable ASCII."""
    head = raw[:48]
    text = head.decode("ascii") if head and all(32 <= byte < 127 for byte in head) else head.hex(" ")
    more = f" ... ({len(raw)} bytes)" if len(raw) > len(head) else ""
    return HeaderField(name, raw, text + more)


def tiled(layout: Layout, size: int) -> Layout:
    """The layout with a stretch ``gap`` for every byte nothing was said about.

    Raises ``FormatError`` if two parts overlap or one lies outside the ``size`` bytes of the container."""
    parts = [(one.at, one.size, one.name) for one in layout.stretches]
    for entry in layout.entries:
        parts.append((entry.at, entry.size, "content"))
        parts += [(one.at, one.size, one.name) for one in entry.stretches]
    gaps, end = [], 0
    for at, length, name in sorted(parts):
        if at < 0 or length < 0 or at + length > size:
            msg = f"{name} at offset {at} with {length} bytes lies outside the {size} bytes of the file"
            raise FormatError(msg)
        if not length:
            continue
        if at < end:
            msg = f"{name} at offset {at} overlaps what lies before it"
            raise FormatError(msg)
        if at > end:
            gaps.append(Stretch("gap", end, at - end))
        end = at + length
    if end < size:
        gaps.append(Stretch("gap", end, size - end))
    return replace(layout, stretches=(*layout.stretches, *gaps)) if gaps else layout


def printable(name: bytes | Sequence[str]) -> str:
    """A member's name as text, one to one: UTF-8 as it is, ``\\\\`` for a backslash, ``\\xNN`` for every other byte."""
    if not isinstance(name, bytes):
        return " » ".join(name)
    text = name.decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    return "".join(f"\\x{ord(char) - 0xDC00:02x}" if 0xDC80 <= ord(char) <= 0xDCFF else char for char in text)
