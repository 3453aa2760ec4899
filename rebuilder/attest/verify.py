"""Verification of a bundle, offline and pure. The steps are those of `docs/formats/bundle.md`.

    1  the file is a bundle: at most 64 MiB, 1000 lines, each a strict envelope
    2  every envelope is signed by a pinned key, over the encoding of type and payload
    3  only then is the payload parsed, and it is an in-toto statement about one file
    4  the predicate is one we know, and it keeps the rules for its kind
    5  the key's role fits the predicate, and the id in it is the one pinned with that key
    6  every summary rests on provenances that lie in the bundle and agree with it; no two verdicts clash
    7  the file at hand has the digest that a verdict is about
    8  the verdict, the worst of those files, decides the exit code
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from rebuilder.attest.bundle import split
from rebuilder.attest.claims import NOT_ENOUGH, SUBJECT_MISMATCH, UNKNOWN_PREDICATE, Claim, read_claim
from rebuilder.attest.dsse import PAYLOAD_TYPE, Envelope, signed_by
from rebuilder.attest.pins import Pin, usable
from rebuilder.attest.strict import FormatError
from rebuilder.errors import VerificationError
from rebuilder.model import Verdict, worst

BAD_SIGNATURE = 20


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file at hand, or a digest the person gave in its place."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A statement whose signature held, with the pin that vouches for its key."""

    line: int
    #: Digest of the payload: the name by which other statements call it.
    sha256: str
    pin: Pin
    claim: Claim


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that was verified. ``verdict`` is ``None`` where no file was held against the bundle."""

    statements: tuple[Stated, ...]
    checked: tuple[tuple[Wanted, Stated], ...]
    verdict: Verdict | None
    exit_code: int
    notes: tuple[str, ...]


def verify_bundle(data: bytes, pins: tuple[Pin, ...], wanted: tuple[Wanted, ...]) -> Report:
    """Every step, in order. Raises ``VerificationError`` (20 to 23) at the first that does not hold.

    With nothing wanted the report ends in 23: signatures hold, but no file was held against them.
    """
    by_key, notes = usable(pins)
    envelopes = _envelopes(data)  # step 1
    signed = [(number, one, _signer(number, one, by_key, notes)) for number, one in envelopes]  # step 2
    statements = tuple(_state(number, one, pin) for number, one, pin in signed)  # steps 3 to 5
    _rest_on_provenance(statements)  # step 6
    _no_clash(statements)
    checked = tuple((file, _about(file, statements)) for file in wanted)  # step 7
    if not checked:
        return Report(statements=statements, checked=(), verdict=None, exit_code=NOT_ENOUGH, notes=notes)
    verdict = worst(tuple(_verdict(one) for _, one in checked))  # step 8
    return Report(statements=statements, checked=checked, verdict=verdict, exit_code=verdict.exit_code, notes=notes)


def _envelopes(data: bytes) -> tuple[tuple[int, Envelope], ...]:
    try:
        envelopes = split(data)
    except FormatError as error:
        msg = f"expected a bundle of signed statements; {error}"
        raise VerificationError(msg, exit_code=BAD_SIGNATURE, hint="fetch the bundle again") from error
    if not envelopes:
        msg = "expected a bundle with at least one statement, found an empty file"
        raise VerificationError(msg, exit_code=NOT_ENOUGH, hint="fetch the bundle again")
    return tuple(enumerate(envelopes, 1))


def _signer(number: int, envelope: Envelope, pins: dict[str, Pin], notes: tuple[str, ...]) -> Pin:
    found = signed_by(envelope, tuple(pin.key for pin in pins.values()))
    if len(found) != 1:
        names = ", ".join(one.keyid or "no name" for one in envelope.signatures)
        count = "two pinned keys at once" if found else "none that holds"
        msg = f"line {number}: expected a signature by one of {len(pins)} pinned keys, found {count} (by {names})"
        hint = "; ".join((*notes, "the line was changed, or its signer's pins.json is not among your pins"))
        raise VerificationError(msg, exit_code=BAD_SIGNATURE, hint=hint)
    return pins[found[0].spki_sha256]


def _state(number: int, envelope: Envelope, pin: Pin) -> Stated:
    if envelope.payload_type != PAYLOAD_TYPE:
        msg = f"line {number}: expected the payload type {PAYLOAD_TYPE}, found {envelope.payload_type!r}"
        raise VerificationError(msg, exit_code=UNKNOWN_PREDICATE)
    try:
        claim = read_claim(envelope.payload)
    except VerificationError as error:
        msg = f"line {number}: {error.message}"
        raise VerificationError(msg, exit_code=error.exit_code, hint=error.hint) from error
    role = "attest" if claim.kind == "provenance" else "verdict"
    if pin.role != role:
        expected = f"the {claim.kind} to be signed in the role {role!r}"
        msg = f"line {number}: expected {expected}, found a key pinned for {pin.role!r}"
        raise VerificationError(msg, exit_code=BAD_SIGNATURE, hint="a key may speak in its own role only")
    if pin.id != claim.speaker:
        msg = f"line {number}: expected the id {pin.id}, which is pinned with this key, found {claim.speaker!r}"
        raise VerificationError(msg, exit_code=BAD_SIGNATURE, hint="a key may speak for its own id only")
    digest = hashlib.sha256(envelope.payload).hexdigest()
    return Stated(line=number, sha256=digest, pin=pin, claim=claim)


def _rest_on_provenance(statements: tuple[Stated, ...]) -> None:
    provenances = {one.sha256: one for one in statements if one.claim.kind == "provenance"}
    for one in statements:
        if one.claim.kind != "summary":
            continue
        named = [provenances.get(digest) for digest in one.claim.rests_on]
        found = [each for each in named if each is not None]
        if not found or len(found) != len(named) or len(set(one.claim.rests_on)) != len(named):
            msg = f"line {one.line}: expected the {len(named)} provenances it rests on, found {len(found)} of them here"
            hint = "ask for the whole bundle: a verdict without its provenance proves nothing"
            raise VerificationError(msg, exit_code=NOT_ENOUGH, hint=hint)
        if sorted(each.claim.subject_sha256 for each in found) != sorted(one.claim.rebuilt):
            msg = f"line {one.line}: expected provenances of the rebuilt digests it gives, found others"
            raise VerificationError(msg, exit_code=NOT_ENOUGH)
        if any(not _agree(one, each) for each in found):
            msg = f"line {one.line}: expected its provenances to agree on organisation, file, recipe and lock"
            raise VerificationError(msg, exit_code=NOT_ENOUGH)


def _agree(summary: Stated, provenance: Stated) -> bool:
    def essence(one: Stated) -> tuple[str, ...]:
        claim = one.claim
        words = (claim.subject, claim.resource_uri, claim.recipe_sha256, claim.lock_sha256)
        return (one.pin.organisation, *words)

    return essence(summary) == essence(provenance)


def _no_clash(statements: tuple[Stated, ...]) -> None:
    verdicts: dict[tuple[str, str], Stated] = {}
    for one in statements:
        if one.claim.verdict is None:
            continue
        other = verdicts.setdefault((one.pin.organisation, one.claim.subject_sha256), one)
        if other.claim.verdict is not one.claim.verdict or other.claim.level != one.claim.level:
            msg = (
                f"expected one verdict of {one.pin.organisation} on {one.claim.subject}, found"
                f" {other.claim.verdict} (line {other.line}) and {one.claim.verdict} (line {one.line})"
            )
            raise VerificationError(msg, exit_code=NOT_ENOUGH, hint="ask for the bundle of one run")
    if not verdicts:
        msg = "expected a verdict, found provenance only: it says what was built, not what was published"
        raise VerificationError(msg, exit_code=NOT_ENOUGH, hint="ask for the whole bundle")


def _about(file: Wanted, statements: tuple[Stated, ...]) -> Stated:
    found = [one for one in statements if one.claim.subject_sha256 == file.sha256]
    verdicts = [one for one in found if one.claim.verdict is not None]
    if verdicts:
        return min(verdicts, key=lambda one: list(Verdict).index(_verdict(one)))
    subjects = ", ".join(sorted({one.claim.subject_sha256 for one in statements if one.claim.verdict is not None}))
    msg = f"{file.name}: expected a file with sha256 {subjects}, which the bundle is about, found {file.sha256}"
    hint = "this is the file that the rebuilder made, not the published one" if found else ""
    hint = hint or "it is another file than the one that was rebuilt, or it was changed"
    raise VerificationError(msg, exit_code=SUBJECT_MISMATCH, hint=hint)


def _verdict(one: Stated) -> Verdict:
    if one.claim.verdict is None:
        msg = f"line {one.line} is a provenance and has no verdict"
        raise ValueError(msg)
    return one.claim.verdict
