"""Why artifacts differ, in short, for a terminal: what `diff`, `verify` and `show` print alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rebuilder.findings import ArtifactExplanation, Cause, Change, Proof
from rebuilder.report import cause_words
from rebuilder.report.text import clean, clip
from rebuilder.report.words import several

MAX_CAUSES = 8
MAX_DRIFT = 12
MAX_EVIDENCE = 2
MAX_CHANGES = 5
MAX_REMARKS = 10


def lines(explanations: Iterable[ArtifactExplanation], proof: Proof | None = None) -> list[str]:
    """Drift, causes with their fixes, and what is not explained: harmless lines, bounded, for each artifact."""
    rows = _proof(proof) if proof else []
    for one in explanations:
        rows += [f"{one.artifact}: {cause_words.summary(one)}"]
        rows += [f"  {row}" for row in artifact_lines(one, proof)]
    return [clean(clip(row, 2000)) for row in rows]


def artifact_lines(one: ArtifactExplanation, proof: Proof | None = None) -> list[str]:
    """The same for one artifact, without its name, and not yet cleaned."""
    total = cause_words.counted(one)
    rows = _drift(one)
    rows += [two] if (two := cause_words.versions(one)) else []
    for number, cause in enumerate(one.causes[:MAX_CAUSES], 1):
        rows += _cause(number, cause, total, cause_words.proved(proof, one.artifact, cause))
    if left := len(one.causes) - MAX_CAUSES:
        rows += [f"{several(left, 'further cause', 'further causes')} not shown here"] if left > 0 else []
    if one.unexplained:
        rows.append(cause_words.unexplained(len(one.unexplained), total))
    rows += [f"remark: {remark}" for remark in one.remarks[:MAX_REMARKS]]
    if len(one.remarks) > MAX_REMARKS:
        rows.append(f"{len(one.remarks) - MAX_REMARKS:,} further remarks not shown here")
    return rows


def _drift(one: ArtifactExplanation) -> list[str]:
    rows = [
        f"other tool: {cause_words.drifted(drift)} (seen in {several(drift.count, 'place', 'places')})"
        for drift in one.drift[:MAX_DRIFT]
    ]
    if len(one.drift) > MAX_DRIFT:
        rows.append(f"{len(one.drift) - MAX_DRIFT:,} further tools not shown here")
    return rows


def _cause(number: int, cause: Cause, total: int, proof: Proof | None) -> list[str]:
    severity = cause_words.SEVERITY_PHRASE[cause.severity]
    rows = [f"cause {number}: {cause.title} ({cause.confidence}; {severity}; {cause_words.share(cause, total)})"]
    rows += [f"  seen: {cause_words.evidence(one)}" for one in cause.evidence[:MAX_EVIDENCE]]
    rows.append(f"  fix: {cause.fix}")
    rows += _changes(cause.changes)
    if proof:
        rows.append(f"  tried by a rebuild: {cause_words.proof_line(proof)}")
    return [*rows, f"  more on it: docs/{cause.docs}"]


def _proof(proof: Proof) -> list[str]:
    return [
        f"This run was made to try a fix: {proof.cause} of {proof.artifact}, as found by run {proof.run_id}",
        *_changes(proof.changes),
        f"  {cause_words.proof_line(proof)}",
    ]


def _changes(changes: Sequence[Change]) -> list[str]:
    rows = [f"  change {cause_words.change(one)}" for one in changes[:MAX_CHANGES]]
    left = len(changes) - MAX_CHANGES
    return [*rows, f"  {several(left, 'further change', 'further changes')} not shown here"] if left > 0 else rows
