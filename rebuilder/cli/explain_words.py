"""What ``rebuilder explain`` prints of suspects and tries: lines without control characters, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import click

from rebuilder import __version__
from rebuilder.case import Case
from rebuilder.confirm import Tried
from rebuilder.explain.suspects import Suspect
from rebuilder.report.text import clean, clip

#: Suspects shown, and siblings of one that are named.
MAX_SHOWN = 10
MAX_NAMED = 4
#: Packages named that are tried together.
MAX_TOGETHER = 6
_COLOURS = {"confirmed": "green", "refuted": "red"}


def as_json(case: Case, tried: Iterable[Tried]) -> str:
    """All of it in one line."""
    whole = {
        "schema": "rebuilder/explain/v1",
        "tool_version": __version__,
        "run": case.record.run_id,
        "artifact": case.item.artifact,
        "explanation": case.explanation.model_dump(mode="json"),
        "suspects": [
            {
                "packages": one.packages,
                "version": one.version,
                "changes": [change.target for change in one.changes],
                "why": one.why,
                "claims": one.claims,
            }
            for one in case.suspects
        ],
        "unread": case.unread,
        "proofs": [
            {**one.proof.model_dump(mode="json"), "run": one.record.run_id if one.record else None} for one in tried
        ],
    }
    return json.dumps(whole, ensure_ascii=False)


def suspect_lines(case: Case, *, confirming: bool) -> Iterator[str]:
    """What could be tried, and what is not known of the toolchain."""
    yield f"Explained by the rules of rebuilder {__version__} from the stored files of run {clean(case.record.run_id)}."
    if case.unread:
        names = clip(", ".join(case.unread[:8]), 300)
        yield clean(f"Not looked into: {len(case.unread)} packages of the toolchain whose files are not in the store, "
                    f"or damaged there: {names}{', ...' if len(case.unread) > 8 else ''}")  # fmt: skip
    if not case.suspects and case.lock.origin == "buildinfo":
        yield "What could be tried: nothing. The toolchain is the one that the publisher's .buildinfo lists."
    elif not case.suspects:
        yield (
            "What could be tried: nothing. No package is known to be behind this that came later than the file, and "
            "the file shows no setting."
        )
    else:
        yield "What could be tried, likeliest first:"
        yield from (clean(f"  {number}. {suspected(one)}: {one.why}")
                    for number, one in enumerate(case.suspects[:MAX_SHOWN], 1))  # fmt: skip
        if left := max(len(case.suspects) - MAX_SHOWN, 0):
            yield f"  and {left} more; --json lists all"
        if not confirming:
            yield f"To try it: rebuilder explain {clean(case.record.run_id)} --confirm"


def suspected(one: Suspect) -> str:
    """The fix in words: a package with those that move with it, a setting, or several packages."""
    if one.others:
        shown = " and ".join(suspected(other) for other in one.others[:MAX_TOGETHER])
        left = len(one.others) - MAX_TOGETHER
        return f"{shown}{f' and {left} more' if left > 0 else ''}, together"
    parts = [setting.words for setting in one.settings]
    if one.packages:
        parts.append(f"{_packages(one.packages)} {one.version}")
    return ", ".join(parts)


def _packages(packages: tuple[str, ...]) -> str:
    first, *others = packages
    if not others:
        return first
    more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
    return f"{first} (with {', '.join(others[:MAX_NAMED])}{more})"


def tried_lines(one: Tried, folder: str) -> Iterator[str]:
    """What came of one try; ``folder`` is that of its run."""
    proof = one.proof
    word = proof.result.upper().replace("-", " ")
    yield click.style(word, bold=True, fg=_COLOURS.get(proof.result, "yellow")) + clean(f": {suspected(one.suspect)}")
    yield f"  {clean(proof.reason)}"
    if one.record is not None:
        yield f"  evidence: {clean(folder)}"
