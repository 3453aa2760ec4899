"""Which format a finding's field belongs to, and small words the rules on archives share. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from rebuilder.compare.archive.formats import reader_of
from rebuilder.compare.archive.layout import Budget, Entry, FormatError
from rebuilder.data import Data, Held
from rebuilder.explain.causes import Evidence, Scene
from rebuilder.findings import DifferenceClass, Finding, MemberPath

ABSENT = "(none)"
#: What the walk names a container's own part by that no format accounts for.
GAP = "gap"
#: Field names that a container's header and the file in it can both have: `x.pyc` in a tar, `x.gz` in an ar.
_SHARED = frozenset({"mtime", "magic"})
_OF_TAR = frozenset(
    (
        *("name", "mode", "uid", "gid", "size", "size end", "mtime", "checksum", "checksum end", "typeflag"),
        *("linkname", "magic", "version", "uname", "gname", "devmajor", "devminor", "prefix", "rest", "atime", "ctime"),
        *("pax header", "long name", "long link", "padding"),
    )
)
_OF_AR = frozenset(("name", "mtime", "uid", "gid", "mode", "size", "end"))
_OUTER = {"tar": _OF_TAR, "ar": _OF_AR}
#: Where the field of that name lies at the start of a file of this format.
_AT = {("pyc", "mtime"): (8, 4), ("pyc", "magic"): (0, 4), ("gzip", "mtime"): (4, 4), ("gzip", "magic"): (0, 2)}


@dataclass(frozen=True, slots=True)
class Field:
    """A header field that differs. ``form`` is the format whose field it is; empty where that cannot be told."""

    index: int
    finding: Finding
    form: str

    @property
    def values(self) -> tuple[str, str]:
        """As shown, published first."""
        return self.finding.published.value, self.finding.rebuilt.value


class Forms:
    """The format of the bytes at a path, looked up once each."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._known: dict[MemberPath, str] = {}

    def at(self, path: MemberPath) -> str:
        """``tar``, ``zip`` ..., as unpacked; ``folder``; empty for no container, or one of which nothing is known."""
        if path not in self._known:
            self._known[path] = self._look(path)
        return self._known[path]

    def _look(self, path: MemberPath) -> str:
        if not path and self._scene.difference.format == "folder":
            return "folder"
        try:
            readers = [reader_of(side) for side in self._scene.pair(path)]
        except KeyError:
            return ""
        return readers[0].name if readers[0] is not None and readers[0] is readers[1] else ""

    def of(self, finding: Finding, place: tuple[int, int]) -> str:
        """Whose field it is. ``place``: which one it is of the fields of this name and path, and how many there are."""
        what, path = finding.what, finding.path
        if what.startswith(("local.", "central.", "descriptor.", "end.")):
            return "zip"
        if what.startswith("pax."):
            return "tar"
        outer = self.at(path[:-1]) if path else ""
        if outer == "folder":
            return outer
        if what not in _OUTER.get(outer, ()):
            return "pyc" if self.at(path) == "pyc" else "gzip"
        if what not in _SHARED:
            return outer
        inner = self.at(path)
        if place[1] > 1:  # the file itself is looked at before the header it has in its container
            return outer if place[0] == place[1] - 1 else inner or "gzip"
        return inner if self._differs_inside(inner, finding) else outer

    def _differs_inside(self, inner: str, finding: Finding) -> bool:
        where = _AT.get((inner, finding.what))
        if where is None:
            return False
        left, right = (side.read(*where) for side in self._scene.pair(finding.path))
        return left != right


def fields(scene: Scene, names: Collection[str], *, forms: Forms | None = None) -> Iterator[Field]:
    """The header fields of these names that differ, each with the format it belongs to."""
    forms = forms or Forms(scene)
    wanted = [
        (index, one) for index, one in scene.findings() if one.kind is DifferenceClass.METADATA and one.what in names
    ]
    totals: dict[tuple[MemberPath, str], int] = {}
    for _, one in wanted:
        totals[one.path, one.what] = totals.get((one.path, one.what), 0) + 1
    seen: dict[tuple[MemberPath, str], int] = {}
    for index, one in wanted:
        key = one.path, one.what
        yield Field(index, one, forms.of(one, (seen.get(key, 0), totals[key])))
        seen[key] = seen.get(key, 0) + 1


def evidence(finding: Finding, published: str | None = None, rebuilt: str | None = None) -> Evidence:
    """The finding as evidence; other words for its values where given."""
    return Evidence(
        path=finding.path,
        what=finding.what,
        offset=finding.offset,
        published=finding.published.value if published is None else published[:200],
        rebuilt=finding.rebuilt.value if rebuilt is None else rebuilt[:200],
    )


def moment(value: str) -> datetime | None:
    """A time as readers show it; one without a zone is taken as UTC. ``None`` for anything else."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def respelled(value: str) -> str:
    """The value alone, where the comparison shows one value in two spellings: ``5 (b'0005')``; else empty."""
    head, mark, tail = value.rpartition(" (b")
    return head if mark and tail[:1] in ("'", '"') and tail.endswith(f"{tail[0]})") else ""


def same_value(values: tuple[str, str]) -> bool:
    """Whether both sides say the same in two spellings."""
    return bool(respelled(values[0])) and respelled(values[0]) == respelled(values[1])


def entries(data: Data) -> tuple[Entry, ...] | None:
    """The members of an archive, read again for their names and kinds; ``None`` if it cannot be."""
    reader = reader_of(data)
    if reader is None or reader.name not in ("zip", "tar", "ar"):
        return None
    budget = Budget(entry=lambda: None, check=lambda: None, spool=lambda _: Held(b""))
    try:
        return reader.read(data, budget).entries
    except FormatError:
        return None


def lines(pair: tuple[Data, Data], limit: int = 8 * 1024**2) -> tuple[list[bytes], list[bytes]] | None:
    """The lines of both sides, without LF (with CR, where there is one); ``None`` for texts over ``limit`` or with a
    NUL byte."""
    if max(side.size for side in pair) > limit:
        return None
    left, right = (side.read(0, limit) for side in pair)
    return None if b"\0" in left or b"\0" in right else (left.split(b"\n"), right.split(b"\n"))


def text(raw: bytes) -> str:
    """Bytes of a text as evidence shows them: what is not printable ASCII is escaped."""
    return raw[:200].decode("ascii", "backslashreplace").encode("unicode_escape").decode("ascii")[:200]
