"""Which Node made a gzip stream, as far as it can be told offline: families of its zlib, and the versions to try.

Measured by packing 43 published tarballs again with fifteen versions, 8.17 to 20.20. At level 9 the first two families
give what the common zlib gives; at level 6 only the first does, the second only for a few kilobytes.
`process.versions.zlib` does not tell: 18.18.2 and 18.19.1 both say 1.2.13.1, and they give other bytes.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

#: ``first``: up to Node 11. ``second``: 12 to 18.18, 20.0 to 20.9. ``third``: 18.19, 20.10, 21 and all after them.
Family = Literal["first", "second", "third"]
FAMILIES: tuple[Family, ...] = ("first", "second", "third")

_VERSION = re.compile(r"^v?([0-9]{1,3})\.([0-9]{1,4})\.([0-9]{1,4})$")
_DAY = 86400
#: From here on the second family was never equal to the common zlib at level 6: from 24 KiB on it began to differ.
_TELLING = 48 * 1024


class Node(NamedTuple):
    """A version to try: the last of its kind, the npm that comes with it, and when that kind was most people's."""

    version: str
    npm: str
    #: Seconds since 1970.
    since: int
    until: int

    @property
    def family(self) -> Family:
        """Of its zlib."""
        return family_of(self.version)

    def away(self, time: int) -> int:
        """Days between its season and a time."""
        return max(self.since - time, time - self.until, 0) // _DAY


#: Likeliest first where nothing else decides.
NODES = (
    Node("18.17.1", "9.6.7", 1666656000, 1697587200),
    Node("20.19.5", "10.8.2", 1700611200, 1730160000),
    Node("16.20.2", "8.19.4", 1635206400, 1666656000),
    Node("22.12.0", "10.9.0", 1730160000, 1900000000),
    Node("14.21.3", "6.14.18", 1603756800, 1635206400),
    Node("20.9.0", "10.1.0", 1697587200, 1700611200),
    Node("12.22.12", "6.14.16", 1571616000, 1603756800),
    Node("18.20.8", "10.8.2", 1701216000, 1730160000),
    Node("10.24.1", "6.14.12", 1524528000, 1571616000),
)


def numbers(version: str) -> tuple[int, int, int] | None:
    """The three numbers of a version (``v18.17.1``); ``None`` for a pre-release or anything else."""
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def family_of(version: str) -> Family:
    """The family of a version. ``ValueError`` if it is none."""
    found = numbers(version)
    if found is None:
        msg = "expected a version of Node (18.17.1)"
        raise ValueError(msg)
    major, minor, _ = found
    if major < 12:
        return "first"
    if major < 18 or major == 19 or (major, minor) < (18, 19) or (20, 0) <= (major, minor) < (20, 10):
        return "second"
    return "third"


def families(level: int, *, same: bool, unpacked: int) -> tuple[Family, ...]:
    """Those that may have made a stream of that level from so many bytes; ``same``: the common zlib makes it as well.
    At level 9 the first stands for no other than the second does, and no npm that takes level 9 was used with it."""
    if level == 9:
        return ("second",) if same else ("third",)
    if same:
        return ("first",) if unpacked >= _TELLING else ("first", "second")
    return ("second", "third")
