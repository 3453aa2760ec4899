"""Statement (B): a verification summary about the file *they* published (`docs/formats/verification-summary.md`)."""

from __future__ import annotations

from typing import Literal

from rebuilder.attest.facts import (
    Json,
    Run,
    declared,
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
from rebuilder.attest.policies import policy_digest
from rebuilder.attest.uris import EXTENSION, SUMMARY
from rebuilder.errors import IntegrityError
from rebuilder.model import Artifact, ArtifactComparison, FileDigest, utc

SLSA_VERSION = "1.2"


def summary(
    run: Run,
    artifact: Artifact,
    comparison: ArtifactComparison,
    judged: tuple[Literal["PASSED", "FAILED"], str, str],
    provenances: tuple[str, ...],
) -> Json:
    """``judged`` is (result, level, policy URI); ``provenances`` are sha256 of the statements it rests on."""
    result, level, policy = judged
    digest = policy_digest(policy)
    rebuilt = tuple(file for file in comparison.rebuilt if file is not None)
    if digest is None or not rebuilt or len(provenances) != len(rebuilt):
        msg = f"{comparison.artifact}: expected a known policy and a provenance for each rebuilt file, found less"
        raise IntegrityError(msg, hint="this is a fault of ours; nothing was signed")
    predicate: Json = {
        "verifier": {"id": run.signer.verifier_id, "version": version(run)},
        "timeVerified": utc(run.record.finished),
        "resourceUri": resource_uri(run, artifact),
        "policy": {"uri": policy, "digest": {"sha256": digest}},
        "inputAttestations": [{"digest": {"sha256": one}} for one in provenances],
        "verificationResult": result,
        "verifiedLevels": [level],
        "slsaVersion": SLSA_VERSION,
        EXTENSION: _extension(run, comparison, rebuilt),
    }
    return statement(comparison.published, SUMMARY, predicate)


def _extension(run: Run, comparison: ArtifactComparison, rebuilt: tuple[FileDigest, ...]) -> Json:
    extension: Json = {
        "comparison": "normalised" if comparison.normalisers else "bit-for-bit",
        "normalisers": list(comparison.normalisers),
        "reason": comparison.reason,
        "published": {"sha256": comparison.published.sha256, "size": comparison.published.size},
        "rebuilt": [{"sha256": file.sha256, "size": file.size} for file in rebuilt],
        "endorsement": endorsement(run),
        "source": source(run),
        "declared": declared(run),
        "inputs": inputs(run),
        "toolchain": toolchain(run),
        "selfInput": self_input(run, comparison.artifact),
        "unsearched": unsearched(run),
        "diffReports": diff_reports(run, comparison.artifact),
    }
    if comparison.first_difference is not None:
        extension["firstDifference"] = comparison.first_difference
    return extension
