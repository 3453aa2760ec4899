"""When a difference speaks against the publisher: one rule, for what we sign, what we read and what pages say. Pure.

Source, toolchain, environment and build path are all declared by the publisher, every toolchain package is in a
signed list, and the toolchain is the recorded one. Short of any of these, another cause than the publisher is
as likely.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rebuilder.model import Origin, Record

INPUTS = ("source", "toolchain", "environment", "path")
_ORDER = list(Origin)


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """What a difference lacks to count; true if that is anything."""

    #: Each input the publisher did not declare, in the order of ``INPUTS``, with the weakest origin it has;
    #: ``None`` where nothing is recorded about it.
    undeclared: tuple[tuple[str, Origin | None], ...]
    #: Toolchain packages that no signed list has.
    unsigned: tuple[str, ...]
    relocked: bool

    def __bool__(self) -> bool:
        return bool(self.undeclared or self.unsigned or self.relocked)


def lacking(origins: Iterable[tuple[str, Origin]], *, unsigned: Collection[str], relocked: bool) -> Lacking:
    """The rule, on names and origins of inputs as they stand in a record or a statement."""
    weakest: dict[str, Origin] = {}
    for name, origin in origins:
        weakest[name] = max(weakest.get(name, origin), origin, key=_ORDER.index)
    undeclared = tuple((name, weakest.get(name)) for name in INPUTS if weakest.get(name) is not Origin.DECLARED)
    return Lacking(undeclared=undeclared, unsigned=tuple(unsigned), relocked=relocked)


def lacks(record: Record) -> Lacking:
    """The rule, on a record."""
    found, origins = record.toolchain, [(one.name, one.origin) for one in record.inputs]
    if found is None:
        return lacking([pair for pair in origins if pair[0] != "toolchain"], unsigned=(), relocked=False)
    # The lock's own word on the toolchain beside the input's: the weaker counts, and both have to be there.
    named = [("toolchain", found.origin)] if any(name == "toolchain" for name, _ in origins) else []
    return lacking([*origins, *named], unsigned=found.unsigned, relocked=found.relocked)
