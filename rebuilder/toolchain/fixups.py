"""What the scripts of a few packages cannot do reproducibly, or not in a container, and what is done about it.

The list is short, named, and recorded in each lock it applies to. Any other difference between two runs is
an error that names the member.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rebuilder.errors import RecipeError
from rebuilder.lock import Fixup, LockedPackage

REMOVE = "remove"
PRETEND = "pretend-mounted"

_KNOWN = (
    (
        re.compile(r"ca-certificates-java\Z"),
        Fixup(
            path="etc/ssl/certs/java/cacerts",
            action=REMOVE,
            reason="a Java key store stamps each entry with the time it was added; a build has no network to trust",
        ),
    ),
    (
        re.compile(r"openjdk-[0-9]+-jre-headless\Z"),
        Fixup(
            path="proc",
            action=PRETEND,
            reason=(
                "the package's script wants /proc to be mounted, though it runs nothing that reads it; mounting takes "
                "a privilege that the container does not get"
            ),
        ),
    ),
)


def needed(packages: Iterable[LockedPackage]) -> tuple[Fixup, ...]:
    """The fix-ups that these packages ask for, by path."""
    names = {package.package for package in packages}
    found = [fixup for pattern, fixup in _KNOWN if any(map(pattern.match, names))]
    return tuple(sorted(found, key=lambda fixup: fixup.path))


def check(recorded: Iterable[Fixup]) -> None:
    """``RecipeError`` for a fix-up this version does not know: a lock cannot name files of its own choice."""
    known = {(fixup.path, fixup.action) for _, fixup in _KNOWN}
    for fixup in recorded:
        if (fixup.path, fixup.action) not in known:
            msg = f"the lock asks for a fix-up that this version does not know: {fixup.action} {fixup.path[:160]!r}"
            raise RecipeError(msg, hint="the lock was made by another version; make a new one with --relock")
