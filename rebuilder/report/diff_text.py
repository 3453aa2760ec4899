"""What ``rebuilder diff`` prints: two files, what differs, why, and the first places of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rebuilder.findings import DifferenceClass, Finding
from rebuilder.report import cause_words
from rebuilder.report.diff_page import ComparedSide, DiffView
from rebuilder.report.excerpts import SideBlock, unified
from rebuilder.report.explain_text import artifact_lines
from rebuilder.report.text import clean, clip, size
from rebuilder.report.words import several

MAX_GROUPS = 40
MAX_MEMBERS = 3
#: Of what members hold, more is named: each of them is a story of its own.
MAX_CONTENT = 10
MAX_EXCERPT_LINES = 40


def summary_line(view: DiffView) -> str:
    """The result in one harmless line: ``equal`` or ``differs``, how much, and the weightiest cause."""
    if view.equal:
        return "equal"
    explanation = view.told.explanation
    cause = f"; {explanation.causes[0].title} ({explanation.causes[0].confidence})" if explanation.causes else ""
    return clean(clip(f"differs: {cause_words.summary(explanation)}{cause}", 1000))


def diff_lines(view: DiffView, excerpts: Sequence[SideBlock] = ()) -> list[str]:
    """The comparison in plain words, one harmless line an item, bounded. The third line has the result."""
    rows = [_side("published", view.published), _side("rebuilt", view.rebuilt)]
    rows.append("equal" if view.equal else f"differs: {cause_words.summary(view.told.explanation)}")
    why = artifact_lines(view.told.explanation)
    if why:
        rows += ["", "Remarks" if view.equal else "Why", *(f"  {row}" for row in why)]
    findings = view.told.difference.findings if view.told.difference else ()
    if findings:
        rows += ["", "What differs", *(f"  {row}" for row in _groups(findings))]
    for block in excerpts:
        rows += ["", *_excerpt(block)]
    return [clean(clip(row.rstrip(), 2000)) for row in rows]


def _side(label: str, side: ComparedSide) -> str:
    if side.size is None:
        return f"{label:<10} {side.name}  folder, {several(side.members, 'entry', 'entries')}"
    return f"{label:<10} {side.name}  {size(side.size)}  sha256 {side.sha256}"


def _groups(findings: Sequence[Finding]) -> list[str]:
    groups: dict[tuple[DifferenceClass, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.what), []).append(finding)
    order = list(DifferenceClass)
    rows: list[str] = []
    keys = sorted(groups, key=lambda key: (order.index(key[0]), -len(groups[key])))
    for kind, what in keys[:MAX_GROUPS]:
        same = groups[kind, what]
        rows.append(f"{cause_words.group_title(kind, what, len(same))} ({kind.value})")
        limit = MAX_CONTENT if kind is DifferenceClass.CONTENT else MAX_MEMBERS
        for finding in same[:limit]:
            values = cause_words.values(finding)
            rows.append(f"  {cause_words.place(finding.path)}{': ' + values if values else ''}")
        if len(same) > limit:
            rows.append(f"  and {len(same) - limit:,} more")
    left = sum(len(groups[key]) for key in keys[MAX_GROUPS:])
    return [*rows, f"{several(left, 'further difference', 'further differences')} of other sorts"] if left else rows


def _excerpt(block: SideBlock) -> list[str]:
    rows = [f"{cause_words.place(block.member)} ({block.title}; - published, + rebuilt)"]
    rows += [f"  ({comment})" for comment in block.comments]
    return [*rows, *(f"  {row}" for row in unified(block, limit=MAX_EXCERPT_LINES))]
