"""Which statements a run deserves: the table of design section 7, as code. Pure.

    reproduced                          (A) for every rebuild, (B) PASSED
    equivalent                          (A) for every rebuild, (B) PASSED under the profile's policy
    different, declared inputs          (A) for every rebuild, (B) FAILED
    different under any other inputs,
    flaky, build-failed, refused,
    unavailable                         (D), on the digest that the index names
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, assert_never

from rebuilder import veto
from rebuilder.attest import facts, uris
from rebuilder.attest.outcome import outcome
from rebuilder.attest.pins import Role
from rebuilder.attest.provenance import provenance
from rebuilder.attest.summary import summary
from rebuilder.errors import IntegrityError
from rebuilder.lock import LanguagePackage, ToolchainLock
from rebuilder.model import Artifact, ArtifactComparison, EndorsementResult, FileDigest, Record, Verdict
from rebuilder.recipe import PackageRecipe, ProjectRecipe, Recipe

_NORMALISER = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*/[1-9][0-9]*")
LOCK_NAME = "toolchain.lock.json"
Kind = Literal["provenance", "summary", "outcome"]
_STOPPED = (Verdict.REFUSED, Verdict.UNAVAILABLE, Verdict.BUILD_FAILED)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Canonical bytes to sign, and the role whose key must sign them."""

    role: Role
    kind: Kind
    subject: str
    subject_sha256: str
    body: bytes

    @property
    def sha256(self) -> str:
        """Digest by which other statements name this one: of the payload, so re-signing keeps it."""
        return hashlib.sha256(self.body).hexdigest()


def statements_for(record: Record, recipe: Recipe | None, files: Mapping[str, bytes]) -> tuple[Statement, ...]:
    """All statements of a run, provenances before the summary that names them.

    ``files`` are those of the run's folder; recipe and lock among them must have the digests that the
    record gives. Empty if no published digest is known. Raises ``IntegrityError`` when the record
    contradicts itself or its files: then nothing at all is signed.
    """
    _hold_files(record, files)
    if record.published is None:
        if record.comparison is not None or record.verdict not in _STOPPED:
            msg = "a run without published files that was stopped before comparison"
            raise _contradiction(msg, record.verdict)
        return ()
    if record.signer is None:
        msg = "expected the identity of the signer in the record, found none"
        raise IntegrityError(msg, hint="this is a fault of ours; nothing was signed")
    run = facts.Run(
        record=record,
        recipe=recipe,
        published=record.published,
        signer=record.signer,
        languages=_languages(recipe, files),
    )
    if record.comparison is None:
        if record.verdict not in _STOPPED:
            msg = "a run without comparison to be refused, unavailable or failed"
            raise _contradiction(msg, record.verdict)
        return tuple(
            _stated("outcome", artifact.file, outcome(run, artifact, record.verdict, record.reason))
            for artifact in run.published.artifacts
        )
    pairs = _pairs(run, record.comparison.artifacts)
    # A purl that names one file of a release speaks of that: another may have been made in another way, and has a
    # purl of its own. A Debian package's are all made by one build.
    alone = isinstance(recipe, PackageRecipe)
    stated = [(artifact, compared) for artifact, compared in pairs if artifact.named or not alone]
    return tuple(one for artifact, compared in stated for one in _about(run, artifact, compared))


def _hold_files(record: Record, files: Mapping[str, bytes]) -> None:
    expected = {"recipe.toml": record.recipe_sha256}
    expected[LOCK_NAME] = record.toolchain.lock_sha256 if record.toolchain is not None else None
    for name, sha256 in expected.items():
        found = hashlib.sha256(files[name]).hexdigest() if name in files else "no such file"
        if sha256 is not None and found != sha256:
            msg = f"{name} to have sha256 {sha256}, as recorded"
            raise _contradiction(msg, found)


def _languages(recipe: Recipe | None, files: Mapping[str, bytes]) -> tuple[LanguagePackage, ...]:
    """Those of the lock, whose digest was held against the record before; no other recipe has any."""
    if not isinstance(recipe, ProjectRecipe) or LOCK_NAME not in files:
        return ()
    return ToolchainLock.model_validate_json(files[LOCK_NAME]).languages


def _pairs(
    run: facts.Run, compared: tuple[ArtifactComparison, ...]
) -> tuple[tuple[Artifact, ArtifactComparison], ...]:
    published = {artifact.file.name: artifact for artifact in run.published.artifacts}
    names = [one.artifact for one in compared]
    if len(published) != len(run.published.artifacts) or sorted(names) != sorted(published):
        msg = "one comparison for each published file"
        raise _contradiction(msg, f"{len(names)} for {len(published)}")
    for one in compared:
        file = published[one.artifact].file
        if (file.sha256, file.size) != (one.published.sha256, one.published.size):
            msg = f"{one.artifact} to be compared under its published digest"
            raise _contradiction(msg, one.published.sha256)
    return tuple((published[one.artifact], one) for one in compared)


def _about(run: facts.Run, artifact: Artifact, compared: ArtifactComparison) -> tuple[Statement, ...]:
    match compared.verdict:
        case Verdict.REPRODUCED:
            level = uris.LEVEL_RECOVERED if facts.recovered(run.record) else uris.LEVEL_BIT_FOR_BIT
            return _vote(run, artifact, compared, ("PASSED", level, uris.POLICY_BIT_FOR_BIT))
        case Verdict.EQUIVALENT:
            level = uris.equivalence_level(compared.normalisers)
            policy = uris.equivalence_policy(compared.normalisers)
            return _vote(run, artifact, compared, ("PASSED", level, policy))
        case Verdict.DIFFERENT:
            if not veto.lacks(run.record):
                return _vote(run, artifact, compared, ("FAILED", uris.LEVEL_FAILED, uris.POLICY_BIT_FOR_BIT))
            return _no_vote(run, artifact, compared)
        case Verdict.FLAKY | Verdict.BUILD_FAILED | Verdict.REFUSED | Verdict.UNAVAILABLE:
            return _no_vote(run, artifact, compared)
        case _:
            assert_never(compared.verdict)


def _no_vote(run: facts.Run, artifact: Artifact, compared: ArtifactComparison) -> tuple[Statement, ...]:
    return (_stated("outcome", artifact.file, outcome(run, artifact, compared.verdict, compared.reason)),)


def _vote(
    run: facts.Run,
    artifact: Artifact,
    compared: ArtifactComparison,
    judged: tuple[Literal["PASSED", "FAILED"], str, str],
) -> tuple[Statement, ...]:
    require_digests_fit(compared)
    made = facts.made_by_attempts(run, artifact, compared)
    found = run.record.endorsement
    if found is None or found.result is EndorsementResult.INVALID:
        msg = "an endorsement that is not invalid before anything is voted on"
        raise _contradiction(msg, "none or an invalid one")
    provenances = tuple(_stated("provenance", one.file, provenance(run, artifact, one)) for one in made)
    named = tuple(one.sha256 for one in provenances)
    return (*provenances, _stated("summary", compared.published, summary(run, artifact, compared, judged, named)))


def require_digests_fit(compared: ArtifactComparison) -> None:
    """Hold a verdict that is a vote against the digests beside it. Raises ``IntegrityError``."""
    theirs = (compared.published.sha256, compared.published.size)
    ours = [(file.sha256, file.size) for file in compared.rebuilt if file is not None]
    named = bool(compared.normalisers)
    match compared.verdict:
        case Verdict.REPRODUCED:
            fits = set(ours) == {theirs} and not named
        case Verdict.EQUIVALENT:
            labels = all(_NORMALISER.fullmatch(label) for label in compared.normalisers)
            fits = bool(ours) and theirs not in ours and named and labels
        case Verdict.DIFFERENT:
            fits = len(ours) >= 2 and theirs not in ours and not named
        case Verdict.FLAKY | Verdict.BUILD_FAILED | Verdict.REFUSED | Verdict.UNAVAILABLE:
            fits = not named
        case _:
            assert_never(compared.verdict)
    if not fits:
        msg = f"the digests of {compared.artifact} to bear out its verdict"
        raise _contradiction(msg, compared.verdict)


def _stated(kind: Kind, subject: FileDigest, value: facts.Json) -> Statement:
    role: Role = "attest" if kind == "provenance" else "verdict"
    body = facts.canonical(value)
    return Statement(role=role, kind=kind, subject=subject.name, subject_sha256=subject.sha256, body=body)


def _contradiction(expected: str, found: str) -> IntegrityError:
    msg = f"expected {expected}, found {found}"
    return IntegrityError(msg, hint="the record contradicts itself, which is a fault of ours; nothing was signed")
