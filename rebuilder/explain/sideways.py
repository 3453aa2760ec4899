"""Rows of a side-by-side view, out of diffoscope's JSON. Pure: bytes in, values out.

The JSON went through a container that hostile files were fed to: nothing in it is believed to have any shape. What
does not have the right one is passed over; nothing here raises for bad input.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rebuilder.findings import MemberPath

#: Key that ``diffoscope_report`` adds to the node of a member: its path, which is the outer name of all below it.
MEMBER_KEY = "rebuilder-member"
MAX_JSON_BYTES = 64 * 1024**2
#: Nodes looked at in all, and how deep; diffoscope's own bound is 50 containers inside each other.
MAX_NODES = 50_000
MAX_DEPTH = 60
MAX_TEXT = 2000
MAX_COMMENTS = 20
_HUNK = re.compile(r"@@ -(\d{1,12})(?:,\d{1,12})? \+(\d{1,12})(?:,\d{1,12})? @@")
#: diffoscope puts one such line in place of the middle of a long run of removed or added lines.
_REMOVED = re.compile(r"\[ (\d{1,12}) lines? removed \]")


@dataclass(frozen=True, slots=True)
class Line:
    """One row. A side that has no line here is ``None``; a row without numbers is a remark of the tool."""

    left_no: int | None
    left: str | None
    right_no: int | None
    right: str | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Block:
    """One comparison: of ``member``, or of what ``title`` names inside of it (``readelf --wide --sections``).

    ``truncated`` is the number of rows that are not in ``lines``. A last block without a member says what was left
    out as a whole."""

    member: MemberPath
    title: str
    comments: tuple[str, ...]
    lines: tuple[Line, ...]
    truncated: int


@dataclass(frozen=True, slots=True)
class _Node:
    member: MemberPath
    titles: tuple[str, ...]
    value: dict[str, Any]


def blocks(json_bytes: bytes, *, max_blocks: int = 200, max_lines: int = 400) -> tuple[Block, ...]:
    """All comparisons of the report, in its order, at most ``max_blocks`` with ``max_lines`` rows each.

    What was left out is said in numbers: ``truncated`` of each block, and one more block for whole ones."""
    if len(json_bytes) > MAX_JSON_BYTES:
        return (_remark(f"the report has {len(json_bytes)} bytes; at most {MAX_JSON_BYTES} are read", 0),)
    try:
        whole = json.loads(json_bytes)
    except (ValueError, RecursionError):
        return (_remark("the report is not readable JSON", 0),) if json_bytes else ()
    found, left_out, rows = [], 0, 0
    for node in _nodes(whole):
        if node is None:
            found.append(_remark(f"the report has more than {MAX_NODES} parts; the rest was not read", 0))
        elif len(found) < max_blocks:
            found.append(_block(node, max_lines))
        else:
            left_out += 1
            rows += _text(node.value.get("unified_diff"), None).count("\n")
    return (*found, _remark(f"{left_out} more comparisons are not shown", rows)) if left_out else tuple(found)


def _remark(title: str, truncated: int) -> Block:
    return Block((), title, (), (), truncated)


def _nodes(whole: object) -> Iterator[_Node | None]:
    """Every node that shows something, outer ones first; at last ``None`` if there were too many."""
    stack = [_Node((), (), whole)] if isinstance(whole, dict) else []
    for _ in range(MAX_NODES):
        if not stack:
            return
        node = stack.pop()
        if _text(node.value.get("unified_diff"), None) or _comments(node.value):
            yield node
        details = node.value.get("details")
        if isinstance(details, list) and len(node.titles) < MAX_DEPTH:
            room = max(0, MAX_NODES - len(stack))
            stack += [_inner(node, one) for one in reversed(details[:room]) if isinstance(one, dict)]
    if stack:
        yield None


def _inner(outer: _Node, value: dict[str, Any]) -> _Node:
    steps = value.get(MEMBER_KEY)
    if isinstance(steps, list) and all(isinstance(step, str) for step in steps):
        return _Node(tuple(steps), (), value)
    return _Node(outer.member, (*outer.titles, _name(value)), value)


def _name(value: dict[str, Any]) -> str:
    # "{}" stands for the file in the commands that diffoscope names.
    left, right = (_text(value.get(key), 300).removesuffix(" {}") for key in ("source1", "source2"))
    # A name that only one side has stands against "/dev/null".
    return left if left == right or not right else f"{left} | {right}" if left else right


def _text(value: object, limit: int | None) -> str:
    return value[:limit] if isinstance(value, str) else ""


def _comments(value: dict[str, Any]) -> tuple[str, ...]:
    said = value.get("comments")
    listed = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    shown = tuple(_text(one, MAX_TEXT) for one in listed[:MAX_COMMENTS] if isinstance(one, str))
    left = len(listed) - MAX_COMMENTS
    return (*shown, f"{left} further comments of diffoscope are not shown") if left > 0 else shown


def _block(node: _Node, max_lines: int) -> Block:
    rows = _Rows(max_lines)
    for line in _lines(_text(node.value.get("unified_diff"), None)):
        rows.take(line)
    rows.flush()
    return Block(node.member, " / ".join(node.titles), _comments(node.value), tuple(rows.rows), rows.left_out)


def _lines(text: str) -> Iterator[str]:
    """Lines, split at line feeds only: the lines may hold every other character that counts as an end."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text[at : min(end, at + MAX_TEXT)]
        at = end + 1


@dataclass(slots=True)
class _Rows:
    """Collects rows: a run of removed lines stands beside the run of added lines next to it.

    diffoscope gives the added lines first, other tools the removed ones; between two lines that both sides have
    there is never more than one run of each."""

    limit: int
    rows: list[Line] = field(default_factory=list)
    left_out: int = 0
    left_at: int = 1
    right_at: int = 1
    removed: list[tuple[int | None, str]] = field(default_factory=list)
    added: list[tuple[int | None, str]] = field(default_factory=list)
    #: Length of both runs, of which the part past ``limit`` is not kept.
    runs: list[int] = field(default_factory=lambda: [0, 0])
    last: str = " "

    def take(self, line: str) -> None:
        """One line of a unified diff."""
        sign, text = line[:1], line[1:]
        if sign == "\\":
            # Belongs to the line before it, on its side: it has no number of its own.
            self._side(self.last, None, text.strip())
            return
        if sign == "-":
            self.left_at = self._numbered("-", self.left_at, text)
        elif sign == "+":
            self.right_at = self._numbered("+", self.right_at, text)
        else:
            self._other(sign, text, line)
        self.last = sign

    def flush(self) -> None:
        """Puts what was held back into rows."""
        both = max(self.runs)
        for index in range(max(len(self.removed), len(self.added))):
            left = self.removed[index] if index < len(self.removed) else (None, None)
            right = self.added[index] if index < len(self.added) else (None, None)
            self._row(Line(left[0], left[1], right[0], right[1], changed=True))
            both -= 1
        self.left_out += both
        self.removed, self.added, self.runs = [], [], [0, 0]

    def _other(self, sign: str, text: str, line: str) -> None:
        self.flush()
        hunk = _HUNK.match(line) if sign == "@" else None
        if hunk:
            self.left_at, self.right_at = int(hunk[1]), int(hunk[2])
        elif sign in {" ", ""}:
            self._row(Line(self.left_at, text, self.right_at, text, changed=False))
            self.left_at += 1
            self.right_at += 1
        else:
            self._row(Line(None, line, None, line, changed=False))

    def _numbered(self, sign: str, number: int, text: str) -> int:
        """Keeps a changed line; the number of the next one on its side."""
        gone = _REMOVED.fullmatch(text)
        self._side(sign, None if gone else number, text)
        return number + (int(gone[1]) if gone else 1)

    def _side(self, sign: str, number: int | None, text: str) -> None:
        if sign not in {"-", "+"}:
            self._row(Line(None, text, None, text, changed=False))
            return
        run = self.removed if sign == "-" else self.added
        self.runs[sign == "+"] += 1
        if len(self.rows) + len(run) < self.limit:
            run.append((number, text))

    def _row(self, row: Line) -> None:
        if len(self.rows) < self.limit:
            self.rows.append(row)
        else:
            self.left_out += 1
