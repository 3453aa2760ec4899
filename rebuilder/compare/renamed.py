"""Members that are the same thing under another name: packed by another method, or in a folder named after a version.

Only names that one side alone has are looked at, and only pairs that leave no choice: comparing two members that do
not belong together would tell nonsense, but not hide anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_PACKED = re.compile(r"\.(?:gz|xz|bz2|zst)$")
#: `NAME-VERSION.dist-info/`, and the one folder of a source archive.
_VERSIONED = re.compile(r"(^|/)([A-Za-z0-9_.]+)-[0-9][A-Za-z0-9_.+!~]*(\.dist-info|\.data|\.egg-info)(?=/|$)")
_ROOT = re.compile(r"^([A-Za-z0-9_.+-]+?)-v?[0-9][A-Za-z0-9_.+!~-]*(?=/)")


def counterparts(published: Collection[str], rebuilt: Collection[str]) -> dict[str, str]:
    """Published name -> rebuilt name, of members that are on one side only by name."""
    mine, theirs = (_by_stem(name for name in one if name not in other)
                    for one, other in ((published, rebuilt), (rebuilt, published)))
    return {
        names[0]: theirs[stem][0]
        for stem, names in mine.items()
        if len(names) == 1 and len(theirs.get(stem, ())) == 1
    }


def _by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(stem(name), []).append(name)
    return found


def stem(name: str) -> str:
    """The name without what a method of packing or a version put into it."""
    return _ROOT.sub(r"\1-*", _VERSIONED.sub(r"\1\2-*\3", _PACKED.sub("", name)))
