"""Which files of a published archive hold bytes that neither the declared source has nor our build made. Pure.

Bytes decide, not names: a file that the source has anywhere, or that our build makes anywhere, is nothing to speak of
here. Of the others, one of two things is said:

    our build makes it from a committed file, unchanged    -> ``differs-from-source``
    our build makes nothing in its place                   -> ``not-in-source``
    our build makes it, but out of no single file          -> an ordinary difference; the causes speak of it

``docs/undeclared.md`` says what this proves, and what it does not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rebuilder.compare.renamed import stem
from rebuilder.data import Data, sha256

What = Literal["not-in-source", "differs-from-source"]

#: Metadata that tools write beside what they pack, by the folder it lies in. `entry_points.txt` is not among it: it
#: says what runs.
_METADATA_FOLDER = re.compile(r"(?:^|/)[^/]+\.(dist-info|egg-info)/([^/]+)$")
_METADATA = frozenset(
    {
        "DESCRIPTION.rst", "INSTALLER", "METADATA", "PKG-INFO", "RECORD", "RECORD.jws", "RECORD.p7s", "REQUESTED",
        "SOURCES.txt", "WHEEL", "dependency_links.txt", "direct_url.json", "metadata.json", "namespace_packages.txt",
        "not-zip-safe", "pbr.json", "requires.txt", "top_level.txt", "zip-safe",
    }
)  # fmt: skip
#: What a name holds of the machine or of the content: the tag of an interpreter, a bundler's hash.
_TAG = re.compile(r"\.(?:cpython-[0-9]+[a-z]*|cp[0-9]+|abi3t?|pypy[0-9]+-pp[0-9]+)[A-Za-z0-9_-]*(?=\.(?:so|pyd|pyc)$)")
_HASH = re.compile(r"(?<=[-.])(?=[A-Za-z_]*[0-9])[0-9A-Za-z_]{8,64}(?=(?:\.[A-Za-z][A-Za-z0-9]{0,4}){1,3}$)")
#: Leftovers of machines: they are listed last.
STRAY = re.compile(
    r"(?:^|/)(?:\.(?:pytest_cache|mypy_cache|ruff_cache|hypothesis)/.*|__pycache__/[^/]*|[^/]+\.py[co]|\.DS_Store|\._[^/]*|Thumbs\.db|[^/]+~|[^/]+\.(?:swp|swo|orig|rej|bak))$"
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file in an archive: its name as ``layout.printable`` shows it, and its bytes."""

    path: str
    data: Data
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """One file to speak of. ``source_path``: the file of the source that our build puts there."""

    part: Part
    what: What
    source_path: str = ""


@dataclass
class Source:
    """The files of the declared source by path. What is asked for is hashed, once; the rest is not."""

    files: Mapping[str, Data]
    _by_size: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _by_name: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _hashed: dict[int, dict[str, list[str]]] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for path, data in self.files.items():
            self._by_size[data.size].append(path)
            self._by_name[base(path)].append(path)
            self._folders.update(path.split("/")[:-1])

    def same(self, digest: str, size: int) -> Sequence[str]:
        """The files with exactly these bytes."""
        if size not in self._hashed:
            found: dict[str, list[str]] = defaultdict(list)
            for path in self._by_size.get(size, ()):
                found[sha256(self.files[path])].append(path)
            self._hashed[size] = found
        return self._hashed[size].get(digest, ())

    def named(self, path: str) -> Sequence[str]:
        """The files with the last step of this path as theirs."""
        return self._by_name.get(base(path), ())

    def has_folder(self, name: str) -> bool:
        """Whether a folder of this name is anywhere in it."""
        return name in self._folders


def undeclared(published: Sequence[Part], rebuilt: Sequence[Part], source: Source) -> tuple[Found, ...]:
    """Every published file to speak of: changed ones, then ones of no known origin, then leftovers, each by name."""
    ours = _Ours(published, rebuilt)
    found = [one for part in published if (one := _judged(part, ours, source))]
    return tuple(sorted(found, key=_order))


def _order(one: Found) -> tuple[bool, bool, str]:
    return bool(STRAY.search(one.part.path)), one.what == "not-in-source", one.part.path


def _judged(part: Part, ours: _Ours, source: Source) -> Found | None:
    if part.sha256 in ours.digests or source.same(part.sha256, part.data.size):
        return None
    mine = ours.instead_of(part.path)
    if not mine:
        return None if ours.has_beside(part.path) else Found(part=part, what="not-in-source")
    committed = [
        path
        for one in mine
        for path in source.same(one.sha256, one.data.size)
        if base(path) == base(one.path)
    ]
    if not committed:
        return None
    return Found(part=part, what="differs-from-source", source_path=nearest(part.path, committed))


class _Ours:
    """What our build made, and what of it stands in the place of which published file."""

    def __init__(self, published: Iterable[Part], rebuilt: Sequence[Part]) -> None:
        self.digests = frozenset(part.sha256 for part in rebuilt)
        self._by_path: dict[str, list[Part]] = defaultdict(list)
        for part in rebuilt:
            self._by_path[part.path].append(part)
        theirs = {part.path for part in published}
        # Where they have more of one stem than we, nobody can say which one is extra: then none is taken for ours.
        self._extra = Counter(_stem(path) for path in theirs if path not in self._by_path)
        self._by_stem: dict[str, list[Part]] = defaultdict(list)
        for part in rebuilt:
            if part.path not in theirs:
                self._by_stem[_stem(part.path)].append(part)
        self._metadata = {found[1] for part in rebuilt if (found := _METADATA_FOLDER.search(part.path))}

    def instead_of(self, path: str) -> Sequence[Part]:
        """What our build has of that name, or of one that differs by a version, a tag or a hash."""
        if path in self._by_path:
            return self._by_path[path]
        same = self._by_stem.get(_stem(path), ())
        return same if len(same) >= self._extra[_stem(path)] else ()

    def has_beside(self, path: str) -> bool:
        """Whether it is metadata that tools write, and our build has a folder of the same kind."""
        found = _METADATA_FOLDER.search(path)
        return found is not None and found[2] in _METADATA and found[1] in self._metadata


def _stem(path: str) -> str:
    return _HASH.sub("*", _TAG.sub("", stem(path)))


def base(path: str) -> str:
    """The last step of a path."""
    return path.rpartition("/")[2]


def nearest(path: str, among: Iterable[str]) -> str:
    """The one with the most last steps in common, then the shortest. ``ValueError`` if there is none."""
    return min(among, key=lambda one: (-shared(path, one), len(one), one))


def shared(path: str, other: str) -> int:
    """How many last steps two paths have in common."""
    steps = zip(reversed(path.split("/")), reversed(other.split("/")), strict=False)
    count = 0
    for one, two in steps:
        if one != two:
            break
        count += 1
    return count
