"""The tree of differences: findings grouped by container, kind, aspect and cause, cut to the room of a page. Pure.

Text out of artifacts is cleaned here, line ends and all: a name or value is one line whatever it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import escape

from rebuilder.findings import Cause, DifferenceClass, Finding
from rebuilder.report import cause_words
from rebuilder.report.text import clean, clip

#: Bytes of names and values in the trees of one page, and of the boxes around them (containers and groups), as they
#: stand in the page. What has no room is counted.
TREE_BYTES = 1_200_000
BOX_BYTES = 500_000
#: What a row and a box cost beside their text.
_ROW_BYTES = 24
_BOX_BYTES = 300
#: Of any group at least so many members are shown, as long as there is any room.
MIN_ROWS = 5
#: A name or a pair of values is not worth more.
MAX_NAME = 300
MAX_TEXT = 600
#: Nested containers beyond this are shown as one name.
MAX_LEVELS = 12
#: So many containers that differ in the same way stand together.
ALIKE = 4
UNEXPLAINED = "unexplained"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Equal findings in one container: a title, what they share, and the members."""

    title: str
    kind: str
    severity: str
    cause: str
    #: Both values, where all members have the same; else each row ends with its own.
    values: str
    rows: tuple[tuple[str, str], ...]
    left_out: int


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A container with what differs in it. ``kinds`` and ``severities`` are those of everything below."""

    name: str
    count: int
    groups: tuple[Group, ...]
    branches: tuple[Branch, ...]
    kinds: str
    severities: str


@dataclass
class _Node:
    groups: dict[tuple[object, ...], list[tuple[str, Finding]]] = field(default_factory=dict)
    nodes: dict[str, _Node] = field(default_factory=dict)

    def signature(self) -> frozenset[tuple[object, ...]]:
        return frozenset((*key, tuple(name for name, _ in rows)) for key, rows in self.groups.items())


def tree(findings: Sequence[Finding], causes: Mapping[int, Sequence[Cause]], share: int) -> tuple[Branch, int]:
    """The tree, and how many findings have no row in it; one of ``share`` trees of a page."""
    return _Builder(causes, TREE_BYTES // share, BOX_BYTES // share).build(findings)


def line(text: str, limit: int = MAX_NAME) -> str:
    """One harmless, bounded line."""
    return clean(clip(text, limit))


def cost(*texts: str) -> int:
    """Bytes that a row with these texts takes in the page."""
    return _ROW_BYTES + sum(len(str(escape(text)).encode("utf-8", "replace")) for text in texts)


def owners(causes: Sequence[Cause], count: int) -> Mapping[int, list[Cause]]:
    """Finding -> the causes that claim it. Indexes past the end, of a record that does not fit, count for nothing."""
    owners: dict[int, list[Cause]] = {}
    for cause in causes:
        for index in cause.findings:
            if 0 <= index < count:
                owners.setdefault(index, []).append(cause)
    return owners


def severity(causes: Sequence[Cause]) -> str:
    """The worst severity of the causes that claim a finding."""
    worst = cause_words.worst_severity(causes)
    return worst.value if worst else UNEXPLAINED


class _Builder:
    """Groups findings by container, kind, aspect and cause, and decides which rows the page has room for."""

    def __init__(self, owners: Mapping[int, Sequence[Cause]], room: int, boxes: int) -> None:
        self._owners = owners
        self._room = room
        self._boxes = boxes
        self._shown: dict[int, int] = {}
        self._left_out = 0

    def build(self, findings: Sequence[Finding]) -> tuple[Branch, int]:
        """The tree, and how many findings have no row in it."""
        root = _Node()
        for index, finding in enumerate(findings):
            self._place(root, index, finding)
        merged = _merged(root)
        self._allot(merged)
        branch = self._branch("", merged)
        return branch, self._left_out

    def _place(self, root: _Node, index: int, finding: Finding) -> None:
        steps = [line(step) for step in finding.path]
        if len(steps) > MAX_LEVELS:
            steps = [*steps[: MAX_LEVELS - 1], " » ".join(steps[MAX_LEVELS - 1 :])]
        node = root
        for step in steps[:-1]:
            node = node.nodes.setdefault(step, _Node())
        causes = self._owners.get(index, ())
        key = (finding.kind, finding.what, severity(causes), causes[0].title if causes else "")
        node.groups.setdefault(key, []).append((steps[-1] if steps else "the file itself", finding))

    def _allot(self, root: _Node) -> None:
        """Small groups are shown whole; the rest of the room goes to the large ones, evenly."""
        groups = sorted(_groups(root), key=len)
        for at, rows in enumerate(groups):
            share = max(self._room, 0) // (len(groups) - at)
            shown, same = 0, _alike(rows)
            for name, finding in rows:
                price = cost(name, "" if same else line(cause_words.values(finding), MAX_TEXT))
                if price > share and (shown >= MIN_ROWS or self._room <= 0):
                    break
                share -= price
                self._room -= price
                shown += 1
            self._shown[id(rows)] = shown

    def _branch(self, name: str, node: _Node) -> Branch:
        order = list(DifferenceClass)
        keys = sorted(node.groups, key=lambda key: (order.index(DifferenceClass(str(key[0]))), str(key[1])))
        groups, dropped = [], 0
        for key in keys:
            group = self._group(key, node.groups[key]) if self._boxes > 0 else None
            if group is None:
                dropped += len(node.groups[key])
                continue
            self._boxes -= _BOX_BYTES + cost(group.title, group.cause, group.values)
            groups.append(group)
        branches = []
        for step, below in node.nodes.items():
            if self._boxes > 0:
                self._boxes -= _BOX_BYTES + cost(step)
                branches.append(self._branch(step, below))
            else:
                dropped += sum(len(rows) for rows in _groups(below))
        self._left_out += dropped
        kinds = {group.kind for group in groups}.union(*(below.kinds.split() for below in branches))
        severities = {group.severity for group in groups}.union(*(below.severities.split() for below in branches))
        return Branch(
            name=name,
            count=sum(len(rows) for rows in _groups(node)),
            groups=tuple(groups),
            branches=tuple(branches),
            kinds=" ".join(sorted(kinds)),
            severities=" ".join(sorted(severities)),
        )

    def _group(self, key: tuple[object, ...], rows: list[tuple[str, Finding]]) -> Group:
        kind, what, worst, cause = (str(part) for part in key)
        shown = rows[: self._shown[id(rows)]]
        self._left_out += len(rows) - len(shown)
        same = _alike(rows)
        values = ["" if same else line(cause_words.values(finding), MAX_TEXT) for _, finding in shown]
        return Group(
            title=line(cause_words.group_title(DifferenceClass(kind), what, len(rows))),
            kind=kind,
            severity=worst,
            cause=line(cause),
            values=line(cause_words.values(rows[0][1]), MAX_TEXT) if same else "",
            rows=tuple((name, value) for (name, _), value in zip(shown, values, strict=True)),
            left_out=len(rows) - len(shown),
        )


def _alike(rows: Sequence[tuple[str, Finding]]) -> bool:
    """Several findings that show the same values, which are then shown once."""
    return len(rows) > 1 and all(_told_alike(rows[0][1], finding) for _, finding in rows)


def _told_alike(one: Finding, other: Finding) -> bool:
    return (one.published, one.rebuilt, one.offset, one.note, one.follows) == (
        other.published, other.rebuilt, other.offset, other.note, other.follows,
    )  # fmt: skip


def _groups(node: _Node) -> Iterable[list[tuple[str, Finding]]]:
    yield from node.groups.values()
    for below in node.nodes.values():
        yield from _groups(below)


def _merged(node: _Node) -> _Node:
    """The same tree, with containers that differ in the same way, beside each other, put into one."""
    merged = _Node(groups=node.groups)
    alike: dict[object, list[tuple[str, _Node]]] = {}
    for name, below in node.nodes.items():
        key: object = below.signature() if not below.nodes else id(below)
        alike.setdefault(key, []).append((name, _merged(below)))
    for same in alike.values():
        if len(same) < ALIKE:
            merged.nodes |= dict(same)
            continue
        whole = _Node()
        for name, below in same:
            for group, rows in below.groups.items():
                whole.groups.setdefault(group, []).extend((f"{name} » {inner}", one) for inner, one in rows)
        merged.nodes[f"{len(same):,} members that differ in the same places"] = whole
    return merged
