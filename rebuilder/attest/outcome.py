"""Statement (D): an outcome that is nobody's vote (`docs/formats/rebuild-outcome.md`)."""

from __future__ import annotations

from rebuilder.attest.facts import (
    Json,
    Run,
    declared,
    descriptor,
    diff_reports,
    endorsement,
    inputs,
    resource_uri,
    self_input,
    source,
    statement,
    toolchain,
    unsearched,
    version,
)
from rebuilder.attest.uris import OUTCOME
from rebuilder.model import Artifact, Attempt, Verdict, utc


def outcome(run: Run, artifact: Artifact, verdict: Verdict, reason: str) -> Json:
    """What came of trying to rebuild one published file, when nothing was proved about it."""
    attempts = run.record.built.attempts if run.record.built is not None else ()
    predicate: Json = {
        "rebuilder": {"id": run.signer.verifier_id, "version": version(run)},
        "timeAttempted": utc(run.record.finished),
        "resourceUri": resource_uri(run, artifact),
        "outcome": verdict.value,
        "vote": "none",
        "reason": reason,
        "missing": list(run.record.missing),
        "attempts": [_attempt(one, artifact.file.name) for one in attempts],
        "endorsement": endorsement(run),
        "source": source(run),
        "declared": declared(run),
        "inputs": inputs(run),
        "toolchain": toolchain(run),
        "selfInput": self_input(run, artifact.file.name),
        "unsearched": unsearched(run),
        "evidence": [*(descriptor(one.log) for one in attempts), *diff_reports(run, artifact.file.name)],
    }
    return statement(artifact.file, OUTCOME, predicate)


def _attempt(attempt: Attempt, name: str) -> Json:
    return {
        "build": attempt.build,
        "attempt": attempt.number,
        "exitStatus": attempt.exit_status,
        "failure": attempt.failure.value if attempt.failure is not None else None,
        "rebuilt": [{"sha256": file.sha256, "size": file.size} for file in attempt.outputs if file.name == name],
    }
