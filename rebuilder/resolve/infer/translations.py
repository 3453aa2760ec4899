"""Translations that a publisher compiles before the build: published `.mo` files whose `.po` lies in the tree. Pure.

No backend does that by itself. The command is always gettext's own, and what it reads is the tree's alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

#: A project with more languages than that times domains has not been seen.
_MOST = 500
_LONGEST = 400
_SOURCE, _COMPILED = ".po", ".mo"


class Translation(NamedTuple):
    """Paths in the tree."""

    source: str
    compiled: str


def translations(published: Iterable[str], tree: frozenset[str]) -> tuple[Translation, ...]:
    """What has to be compiled, in the order of its names, for the members of a release: paths below the top folder of
    an sdist, or in a wheel, whose packages may lie in `src`. Nothing that the tree has itself."""
    found = set()
    for member in published:
        for folder in ("", "src/"):
            one = Translation(folder + member[: -len(_COMPILED)] + _SOURCE, folder + member)
            if member.endswith(_COMPILED) and one.source in tree and one.compiled not in tree and _is_plain(one.source):
                found.add(one)
    return tuple(sorted(found)[:_MOST])


def _is_plain(path: str) -> bool:
    """Whether a path can be a word of a command: `@` would stand for a folder of the build."""
    return len(path) <= _LONGEST and path.isprintable() and "@" not in path
