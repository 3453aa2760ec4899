"""What a verified statement claims, read from its payload and held against the rules for its kind.

Only bytes whose signature held come here. A signature proves who speaks, not that he keeps the rules:
a summary whose level, inputs or digests contradict each other is refused though it is signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn

from rebuilder import veto
from rebuilder.attest import uris
from rebuilder.attest.policies import policy_digest
from rebuilder.attest.strict import FormatError, a_list, a_sha256, a_text, an_object, only_keys, strict_json
from rebuilder.errors import VerificationError
from rebuilder.model import Origin, Verdict

UNKNOWN_PREDICATE = 22
SUBJECT_MISMATCH = 21
NOT_ENOUGH = 23
_WEAK = (Origin.RECOVERED, Origin.INFERRED)
_NO_VOTE = (Verdict.DIFFERENT, Verdict.FLAKY, Verdict.BUILD_FAILED, Verdict.REFUSED, Verdict.UNAVAILABLE)
_NEEDED = ("recipe.toml", "toolchain.lock.json", "root-filesystem.tar")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement in our own words. All text is the signer's, to be cleaned before it is shown."""

    kind: Literal["provenance", "summary", "outcome"]
    subject: str
    subject_sha256: str
    #: ``builder.id``, ``verifier.id`` or ``rebuilder.id``.
    speaker: str
    time: str
    resource_uri: str
    #: ``None`` for a provenance: it says what was built, not what that means.
    verdict: Verdict | None = None
    level: str = ""
    reason: str = ""
    source_kind: str = ""
    endorsement: str = ""
    signers: tuple[str, ...] = ()
    inputs: tuple[tuple[str, Origin], ...] = ()
    self_input: bool = False
    #: Toolchain packages that no signed list has.
    unsigned: tuple[str, ...] = ()
    relocked: bool = False
    #: What could not be looked through: there ``self_input`` is silent.
    unsearched: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    #: sha256 of the provenance statements a summary rests on.
    rests_on: tuple[str, ...] = ()
    recipe_sha256: str = ""
    lock_sha256: str = ""


def read_claim(payload: bytes) -> Claim:
    """The claim in a verified payload. Raises ``VerificationError``: 21 for a subject that is not exactly
    one, 22 for a predicate this version does not know, 23 for one that contradicts itself."""
    try:
        value = an_object(strict_json(payload, "statement"), "statement")
        predicate_type = value.get("predicateType")
        if value.get("_type") != uris.STATEMENT or not isinstance(predicate_type, str):
            _unknown(f"an in-toto statement ({uris.STATEMENT})", str(value.get("_type")))
        subject = _subject(value.get("subject"))
        predicate = an_object(value.get("predicate"), "predicate")
        if predicate_type not in _READERS:
            _unknown("a provenance, a verification summary or a rebuild outcome", predicate_type)
        return _READERS[predicate_type](subject, predicate)
    except FormatError as error:
        msg = f"expected a statement of a known form; {error}"
        raise VerificationError(msg, exit_code=UNKNOWN_PREDICATE) from error


def _unknown(expected: str, found: str) -> NoReturn:
    msg = f"expected {expected}, found {found!r}"
    hint = "a newer version of rebuilder may know it; nothing in this bundle was taken as said"
    raise VerificationError(msg, exit_code=UNKNOWN_PREDICATE, hint=hint)


def _subject(value: object) -> tuple[str, str]:
    subjects = value if isinstance(value, list) else []
    if len(subjects) != 1:
        msg = f"expected a statement about exactly one file, found {len(subjects)} subjects"
        raise VerificationError(msg, exit_code=SUBJECT_MISMATCH)
    subject = an_object(subjects[0], "subject")
    return a_text(subject.get("name"), "subject name"), _digest(subject, "subject")


def _digest(descriptor: dict[str, object], what: str) -> str:
    digest = an_object(descriptor.get("digest"), f"{what} digest")
    return a_sha256(digest.get("sha256"), f"{what} digest sha256")


def _id(value: object, what: str) -> str:
    return a_text(an_object(value, what).get("id"), f"{what}.id")


def _provenance(subject: tuple[str, str], predicate: dict[str, object]) -> Claim:
    definition = an_object(predicate.get("buildDefinition"), "buildDefinition")
    if definition.get("buildType") != uris.BUILD_TYPE:
        _unknown(f"the build type {uris.BUILD_TYPE}", str(definition.get("buildType")))
    external = an_object(definition.get("externalParameters"), "externalParameters")
    # SLSA v1: parameters a verifier does not know may mean anything, so none is let through.
    only_keys(external, frozenset({"artifact", "resourceUri", "recipe"}), "externalParameters")
    an_object(external.get("recipe"), "externalParameters recipe")
    if external.get("artifact") != subject[0]:
        _contradiction(f"a provenance of {subject[0]} to have built that", str(external.get("artifact")))
    dependencies = [
        an_object(item, "resolvedDependencies")
        for item in a_list(definition.get("resolvedDependencies"), "resolvedDependencies")
    ]
    digests = {a_text(item.get("name"), "dependency name"): _digest(item, "dependency") for item in dependencies}
    absent = [name for name in _NEEDED if name not in digests]
    if absent or len(digests) <= len(_NEEDED) or len(digests) != len(dependencies):
        _contradiction("recipe, lock, root file system and source by digest, each once", f"{len(digests)} names")
    details = an_object(predicate.get("runDetails"), "runDetails")
    return Claim(
        kind="provenance",
        subject=subject[0],
        subject_sha256=subject[1],
        speaker=_id(details.get("builder"), "builder"),
        time=a_text(an_object(details.get("metadata"), "metadata").get("finishedOn"), "finishedOn"),
        resource_uri=a_text(external.get("resourceUri"), "resourceUri"),
        recipe_sha256=digests["recipe.toml"],
        lock_sha256=digests["toolchain.lock.json"],
    )


def _summary(subject: tuple[str, str], predicate: dict[str, object]) -> Claim:
    extension = an_object(predicate.get(uris.EXTENSION), "extension field")
    normalisers = tuple(
        a_text(item, "normaliser") for item in a_list(extension.get("normalisers"), "extension normalisers")
    )
    verdict, level = _judged(predicate, normalisers)
    attestations = a_list(predicate.get("inputAttestations"), "inputAttestations")
    declared = an_object(extension.get("declared"), "declared")
    claim = Claim(
        kind="summary",
        subject=subject[0],
        subject_sha256=subject[1],
        speaker=_id(predicate.get("verifier"), "verifier"),
        time=a_text(predicate.get("timeVerified"), "timeVerified"),
        resource_uri=a_text(predicate.get("resourceUri"), "resourceUri"),
        verdict=verdict,
        level=level,
        rebuilt=tuple(
            a_sha256(an_object(item, "rebuilt").get("sha256"), "rebuilt sha256")
            for item in a_list(extension.get("rebuilt"), "extension rebuilt")
        ),
        rests_on=tuple(_digest(an_object(item, "inputAttestations"), "inputAttestations") for item in attestations),
        recipe_sha256=_digest({"digest": declared.get("recipe")}, "declared recipe"),
        lock_sha256=_digest({"digest": declared.get("toolchainLock")}, "declared toolchainLock"),
        **_common(extension),  # type: ignore[arg-type]
    )
    published = an_object(extension.get("published"), "published")
    if published.get("sha256") != claim.subject_sha256:
        _contradiction("the published digest to be the subject's", str(published.get("sha256")))
    _keeps_the_rules(claim)
    return claim


def _judged(predicate: dict[str, object], normalisers: tuple[str, ...]) -> tuple[Verdict, str]:
    """Result, level and policy as one word. Only the combinations of design section 7 are known."""
    policy = an_object(predicate.get("policy"), "policy")
    uri, digest = a_text(policy.get("uri"), "policy uri"), _digest(policy, "policy")
    if policy_digest(uri) != digest:
        _unknown("a policy text that this version knows", f"{uri} with sha256 {digest}")
    found = (predicate.get("verificationResult"), predicate.get("verifiedLevels"), uri)
    for level in (uris.LEVEL_BIT_FOR_BIT, uris.LEVEL_RECOVERED):
        if not normalisers and found == ("PASSED", [level], uris.POLICY_BIT_FOR_BIT):
            return Verdict.REPRODUCED, level
    if not normalisers and found == ("FAILED", [uris.LEVEL_FAILED], uris.POLICY_BIT_FOR_BIT):
        return Verdict.DIFFERENT, uris.LEVEL_FAILED
    level = uris.equivalence_level(normalisers)
    if normalisers and found == ("PASSED", [level], uris.equivalence_policy(normalisers)):
        return Verdict.EQUIVALENT, level
    _unknown("a result, level and policy that go together", str(found))


def _keeps_the_rules(claim: Claim) -> None:
    equal = set(claim.rebuilt) == {claim.subject_sha256}
    apart = bool(claim.rebuilt) and claim.subject_sha256 not in claim.rebuilt
    if not (equal if claim.verdict is Verdict.REPRODUCED else apart):
        _contradiction("the rebuilt digests to bear out the verdict", f"{claim.verdict} with {claim.rebuilt}")
    weak = [name for name, origin in claim.inputs if origin in _WEAK]
    if claim.level == uris.LEVEL_BIT_FOR_BIT and weak:
        _contradiction(f"no recovered or inferred input under {claim.level}", ", ".join(weak))
    if claim.level == uris.LEVEL_FAILED:
        lacking = veto.lacking(claim.inputs, unsigned=claim.unsigned, relocked=claim.relocked)
        for name, origin in lacking.undeclared:
            _contradiction(f"FAILED only where {name} was declared by the publisher", origin or "nothing about it")
        if lacking:
            found = "a toolchain that was set aside for a new one" if lacking.relocked else ", ".join(lacking.unsigned)
            _contradiction("FAILED only with the recorded toolchain, each package of it in a signed list", found)
        if len(claim.rebuilt) < 2:
            _contradiction("FAILED only after two rebuilds", f"{len(claim.rebuilt)}")
    if claim.endorsement == "invalid":
        _contradiction("no vote on a file whose publisher's signature is bad", claim.endorsement)


def _outcome(subject: tuple[str, str], predicate: dict[str, object]) -> Claim:
    word, vote = predicate.get("outcome"), predicate.get("vote")
    verdict = next((verdict for verdict in _NO_VOTE if verdict.value == word), None)
    if verdict is None or vote != "none":
        _unknown("an outcome that is no vote", f"{word} with vote {vote}")
    return Claim(
        kind="outcome",
        subject=subject[0],
        subject_sha256=subject[1],
        speaker=_id(predicate.get("rebuilder"), "rebuilder"),
        time=a_text(predicate.get("timeAttempted"), "timeAttempted"),
        resource_uri=a_text(predicate.get("resourceUri"), "resourceUri"),
        verdict=verdict,
        **_common(predicate),  # type: ignore[arg-type]
    )


_READERS = {uris.PROVENANCE: _provenance, uris.SUMMARY: _summary, uris.OUTCOME: _outcome}


def _common(value: dict[str, object]) -> dict[str, object]:
    endorsement = an_object(value.get("endorsement"), "endorsement")
    signatures = [an_object(item, "signature") for item in a_list(endorsement.get("signatures"), "signatures")]
    inputs = [an_object(item, "input") for item in a_list(value.get("inputs"), "inputs")]
    toolchain = an_object(value.get("toolchain"), "toolchain")
    reason = value.get("reason")
    return {
        "reason": reason if isinstance(reason, str) else "",
        "source_kind": a_text(an_object(value.get("source"), "source").get("kind"), "source kind"),
        "endorsement": a_text(endorsement.get("result"), "endorsement result"),
        "signers": tuple(f"{one.get('scheme')} {one.get('fingerprint')}: {one.get('result')}" for one in signatures),
        "inputs": tuple((a_text(one.get("name"), "input name"), _origin(one.get("origin"))) for one in inputs),
        "unsigned": tuple(a_text(one, "unsigned") for one in a_list(toolchain.get("unsigned"), "toolchain unsigned")),
        "relocked": _a_bool(toolchain.get("relocked"), "toolchain relocked"),
        "self_input": bool(a_list(value.get("selfInput"), "selfInput")),
        "unsearched": tuple(a_text(one, "unsearched") for one in a_list(value.get("unsearched", []), "unsearched")),
    }


def _a_bool(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        msg = f"{what}: expected true or false, found {value!r}"
        raise FormatError(msg)
    return value


def _origin(value: object) -> Origin:
    try:
        return Origin(a_text(value, "input origin"))
    except ValueError as error:
        msg = f"input origin: expected one of {', '.join(Origin)}, found {value!r}"
        raise FormatError(msg) from error


def _contradiction(expected: str, found: str) -> NoReturn:
    msg = f"expected {expected}, found {found}"
    hint = "the statement is signed, but it contradicts itself; ask whoever signed it"
    raise VerificationError(msg, exit_code=NOT_ENOUGH, hint=hint)
