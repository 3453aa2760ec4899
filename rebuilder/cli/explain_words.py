"""What ``rebuilder explain`` prints of suspects and tries: lines without control characters, or one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import click

from rebuilder import __version__
from rebuilder.case import Case
from rebuilder.confirm import Tried
from rebuilder.report.text import clean, clip

#: Suspects shown, and siblings of one that are named.
MAX_SHOWN = 10
MAX_NAMED = 4
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
            {"packages": one.packages, "version": one.version, "why": one.why, "claims": one.claims}
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
    if case.lock.origin == "buildinfo":
        yield "What could be tried: nothing. The toolchain is the one that the publisher's .buildinfo lists."
    elif not case.suspects:
        yield "What could be tried: nothing. No package is known to be behind this that came later than the file."
    else:
        yield "What could be tried, likeliest first:"
        yield from (clean(f"  {number}. {_suspect(one.packages)} {one.version}: {one.why}")
                    for number, one in enumerate(case.suspects[:MAX_SHOWN], 1))  # fmt: skip
        if left := max(len(case.suspects) - MAX_SHOWN, 0):
            yield f"  and {left} more; --json lists all"
        if not confirming:
            yield f"To try it: rebuilder explain {clean(case.record.run_id)} --confirm"


def _suspect(packages: tuple[str, ...]) -> str:
    first, *others = packages
    if not others:
        return first
    more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
    return f"{first} (with {', '.join(others[:MAX_NAMED])}{more})"


def tried_lines(one: Tried, folder: str) -> Iterator[str]:
    """What came of one try; ``folder`` is that of its run."""
    proof = one.proof
    word = proof.result.upper().replace("-", " ")
    names = [change.target.removeprefix("package:").partition("=")[0] for change in proof.changes]
    version = proof.changes[0].target.partition("=")[2] if proof.changes else ""
    yield click.style(word, bold=True, fg=_COLOURS.get(proof.result, "yellow")) + clean(
        f": {_suspect(tuple(names or [proof.cause]))} {version}"
    )
    yield f"  {clean(proof.reason)}"
    if one.record is not None:
        yield f"  evidence: {clean(folder)}"
