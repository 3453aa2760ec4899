"""The first differing places of a member, side by side: lines of a text, rows of hex for anything else. Pure.

Everything is bounded, for both sides come out of hostile hands: a text is read up to ``MAX_TEXT``, of what is
left between the equal start and end ``MAX_LINES`` lines are compared, and a long line is cut to where it differs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rebuilder.data import Data, first_difference
from rebuilder.findings import MemberPath

MAX_TEXT = 256 * 1024
MAX_LINES = 400
#: Differences shown of one member, and equal lines around each.
MAX_SHOWN = 60
AROUND = 2
#: Of a line longer than this, only the surroundings of the first differing character are shown.
MAX_WIDTH = 200
HEX_ROWS = 6
_ROW = 16


class SideLine(Protocol):
    """One row of a side-by-side view."""

    @property
    def left_no(self) -> int | None:
        """Number of the line, or offset, on the published side; without either number a row is a remark."""

    @property
    def left(self) -> str | None:
        """What the published side has there; ``None``: nothing."""

    @property
    def right_no(self) -> int | None:
        """As ``left_no``, on the rebuilt side."""

    @property
    def right(self) -> str | None:
        """What the rebuilt side has there; ``None``: nothing."""

    @property
    def changed(self) -> bool:
        """The two are not equal."""


class SideBlock(Protocol):
    """Rows that belong together: one member, or one view of it (``readelf --sections``)."""

    @property
    def member(self) -> MemberPath:
        """The member it is about."""

    @property
    def title(self) -> str:
        """Which view of the member."""

    @property
    def comments(self) -> tuple[str, ...]:
        """Remarks of whoever made it."""

    @property
    def lines(self) -> Sequence[SideLine]:
        """The rows."""

    @property
    def truncated(self) -> int:
        """How many rows were left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """See ``SideLine``."""

    left_no: int | None
    left: str
    right_no: int | None
    right: str
    changed: bool = True


@dataclass(frozen=True, slots=True)
class Excerpt:
    """See ``SideBlock``."""

    member: MemberPath
    title: str
    comments: tuple[str, ...]
    lines: tuple[Row, ...]
    truncated: int = 0


def excerpt(member: MemberPath, published: Data, rebuilt: Data, *, note: str = "") -> Excerpt | None:
    """Where the two begin to differ; ``None`` if they do not."""
    at = first_difference(published, rebuilt)
    if at is None:
        return None
    texts = _text(published), _text(rebuilt)
    comments = (note,) if note else ()
    if texts[0] is not None and texts[1] is not None:
        rows, left_out = _text_rows(texts[0], texts[1])
        if rows:
            whole = max(published.size, rebuilt.size)
            cut = f"only the first {MAX_TEXT:,} of {whole:,} bytes were compared line by line"
            return Excerpt(member, "text", (*comments, cut) if whole > MAX_TEXT else comments, tuple(rows), left_out)
    return Excerpt(member, f"bytes from offset {at:,}", comments, tuple(hex_rows(published, rebuilt, at)))


def _text(data: Data) -> list[str] | None:
    """Lines of the start of a text; ``None`` if it is none."""
    raw = data.read(0, MAX_TEXT)
    if b"\0" in raw:
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        if data.size <= MAX_TEXT or err.start < len(raw) - 4:
            return None
        text = raw[: err.start].decode("utf-8")
    odd = sum(ord(one) < 32 and one not in "\t\n\r\f\x1b" for one in text)
    return text.split("\n") if odd * 20 <= len(text) else None


def _text_rows(left: list[str], right: list[str]) -> tuple[list[Row], int]:
    """Changed lines with their surroundings, and how many lines were left out."""
    start = _shared(left, right)
    end = min(_shared(left[start:][::-1], right[start:][::-1]), len(left) - start, len(right) - start)
    mine, theirs = left[start : len(left) - end], right[start : len(right) - end]
    codes = _opcodes(mine, theirs)
    compared = codes[-1][2] if codes else 0, codes[-1][4] if codes else 0
    left_out = len(mine) - compared[0] + len(theirs) - compared[1]
    before = range(max(0, start - AROUND), start)
    rows = [Row(n + 1, _cut(left[n]), n + 1, _cut(right[n]), changed=False) for n in before]
    for kind, a, b, c, d in codes:
        if kind == "equal":
            rows += _equal(mine, (a, b), (start, start - a + c), last=b == compared[0])
        else:
            rows += _changed(mine[a:b], theirs[c:d], start + a, start + c)
    if not any(row.changed for row in rows):
        return [], 0
    after, shift = len(left) - end, len(right) - len(left)
    if not left_out:
        behind = range(after, min(after + AROUND, len(left)))
        rows += [Row(n + 1, _cut(left[n]), n + shift + 1, _cut(left[n]), changed=False) for n in behind]
    keep = rows[:MAX_SHOWN]
    left_out += sum(row.changed for row in rows[MAX_SHOWN:])
    return keep, left_out


def _opcodes(mine: list[str], theirs: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """What is equal and what is not, as `difflib` says it. Long texts with as many lines are compared line by line
    where few differ; else only their first lines are compared."""
    if len(mine) == len(theirs) > MAX_LINES:
        unlike = [n for n in range(len(mine)) if mine[n] != theirs[n]]
        if len(unlike) * 4 < len(mine):
            return _in_place(unlike, len(mine))
    return difflib.SequenceMatcher(None, mine[:MAX_LINES], theirs[:MAX_LINES]).get_opcodes()


def _in_place(unlike: list[int], count: int) -> list[tuple[str, int, int, int, int]]:
    codes, at = [], 0
    for n in unlike:
        if n > at:
            codes.append(("equal", at, n, at, n))
        codes.append(("replace", n, n + 1, n, n + 1))
        at = n + 1
    return [*codes, ("equal", at, count, at, count)] if at < count else codes


def _equal(lines: list[str], span: tuple[int, int], numbers: tuple[int, int], *, last: bool) -> Iterator[Row]:
    """Equal lines between two changes: those next to either."""
    a, b = span
    wanted = range(a, min(b, a + AROUND)) if last else [n for n in range(a, b) if n < a + AROUND or n >= b - AROUND]
    for n in wanted:
        yield Row(numbers[0] + n + 1, _cut(lines[n]), numbers[1] + n + 1, _cut(lines[n]), changed=False)


def _changed(mine: list[str], theirs: list[str], left_at: int, right_at: int) -> Iterator[Row]:
    for n in range(max(len(mine), len(theirs))):
        left = mine[n] if n < len(mine) else None
        right = theirs[n] if n < len(theirs) else None
        shown = _focus(left or "", right or "")
        yield Row(
            None if left is None else left_at + n + 1, shown[0], None if right is None else right_at + n + 1, shown[1]
        )


def _shared(left: list[str], right: list[str]) -> int:
    return next((n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
                min(len(left), len(right)))  # fmt: skip


def _focus(left: str, right: str) -> tuple[str, str]:
    """Two lines, each cut to where they begin to differ if they are long."""
    if max(len(left), len(right)) <= MAX_WIDTH:
        return left, right
    shared = min(len(left), len(right))
    at = next((n for n in range(shared) if left[n] != right[n]), shared)
    start = max(0, at - MAX_WIDTH // 4) if at > MAX_WIDTH // 2 else 0
    return _cut(left, start), _cut(right, start)


def _cut(line: str, start: int = 0) -> str:
    part = line[start : start + MAX_WIDTH]
    before = f"[{start:,} characters] " if start else ""
    after = len(line) - start - len(part)
    return before + part + (f" [{after:,} more characters]" if after > 0 else "")


def hex_rows(published: Data, rebuilt: Data, at: int) -> Iterator[Row]:
    """Rows of 16 bytes of both sides, from just before offset ``at``."""
    begin = max(0, at // _ROW * _ROW - _ROW)
    for start in range(begin, begin + HEX_ROWS * _ROW, _ROW):
        left, right = published.read(start, _ROW), rebuilt.read(start, _ROW)
        if left or right:
            yield Row(
                start if left else None, _hex(left), start if right else None, _hex(right), changed=left != right
            )


def _hex(raw: bytes) -> str:
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in raw)
    return f"{raw.hex(' '):<47}  {text}" if raw else ""


def unified(block: SideBlock, *, limit: int = MAX_SHOWN) -> list[str]:
    """A block as lines with ``-`` for the published and ``+`` for the rebuilt side; not cleaned."""
    hexed = block.title.startswith("bytes")
    rows: list[str] = []
    minus: list[str] = []
    plus: list[str] = []

    def number(value: int | None) -> str:
        return f"{value or 0:08x}  " if hexed else ""

    for line in block.lines[:limit]:
        if not line.changed:
            rows += [*minus, *plus, f"  {number(line.left_no)}{line.left or ''}"]
            minus, plus = [], []
            continue
        minus += [f"- {number(line.left_no)}{line.left or ''}"] if line.left_no is not None else []
        plus += [f"+ {number(line.right_no)}{line.right or ''}"] if line.right_no is not None else []
    rows += [*minus, *plus]
    left_out = block.truncated + max(len(block.lines) - limit, 0)
    return [*rows, f"({left_out:,} further lines are not shown or were not compared)"] if left_out else rows
