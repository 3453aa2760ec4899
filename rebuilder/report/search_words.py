"""The rebuilds of a search in words, for pages and terminal alike. Pure; names stay as they came."""

from __future__ import annotations

from rebuilder.model import Record, SearchTrial
from rebuilder.report.words import several

FIRST = "the recipe as it was"


def summary(record: Record) -> str:
    """What a search came to, in a sentence; empty without one."""
    count = len(record.search)
    if not count:
        return ""
    hit = next((one for one in record.search if one.equal and not one.different and not one.failure), None)
    after = several(count, "rebuild", "rebuilds")
    if hit is None:
        return f"No equal result was found in {after}."
    return f"Every byte came out equal in rebuild {hit.number}, of {count:,} that were made."


def came_out(one: SearchTrial) -> list[str]:
    """What came of a rebuild, each part a phrase."""
    return [
        *([f"✕ {one.failure}"] if one.failure else []),
        *([f"= equal: {', '.join(one.equal)}"] if one.equal else []),
        *([f"≠ differs: {', '.join(one.different)}"] if one.different else []),
    ]


def lines(record: Record) -> list[str]:
    """What each rebuild changed, why, and what came of it. Not yet cleaned."""
    rows = [summary(record)] if record.search else []
    for one in record.search:
        why = f" (because {one.why})" if one.why else ""
        rows.append(f"rebuild {one.number}: {'; '.join(one.changes) or FIRST}{why}: {'; '.join(came_out(one))}")
    return rows
