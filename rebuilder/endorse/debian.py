"""The Debian chain: pinned key -> `InRelease` -> `Packages` and `Sources` -> artifact and source digests.

Verified first, parsed after: whatever is read here has a digest that a pinned key signed, step by step.
Everything comes from bytes the caller hands over or from saved blobs; there is no network here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rebuilder import deb822, signed_lists
from rebuilder.endorse import anchors, clearsign, lookup, openpgp, releasefile, trust
from rebuilder.errors import InfrastructureError, NoMessage, Stopped
from rebuilder.model import (
    Endorsement,
    EndorsementResult,
    Published,
    SignatureCheck,
    SignedIndex,
    Verdict,
    utc,
)
from rebuilder.ports import Blobs, VerifiedRelease


class DebianEndorser:
    """`ports.Endorser` for Debian archives."""

    def __init__(self, store: trust.TrustStore, blobs: Blobs, *, keyrings: tuple[Path, ...] = ()) -> None:
        """``keyrings`` hold the keys of package maintainers: further evidence, never a trust anchor."""
        self._trust = store
        self._blobs = blobs
        self._keyring_paths = keyrings
        self._keyrings: tuple[openpgp.Keyring, ...] | None = None

    def release(self, inrelease: bytes, *, anchor: str, subject: str) -> VerifiedRelease:
        """As ``ports.Endorser.release``. Also ``Stopped(unavailable)`` if what a pinned key did sign can't be
        read. Expiry is not judged: ask ``releasefile.expired``."""
        pinned = self._trust.openpgp(anchor)
        try:
            message = clearsign.split(inrelease)
            judged = openpgp.judge(message, (pinned.keyring,))
        except (clearsign.NotClearSigned, clearsign.CutShort) as fault:
            reason = f"{subject}: {fault}. Expected a message signed by a key of anchor {anchor!r}"
            raise NoMessage(Verdict.UNAVAILABLE, reason, missing=(subject,)) from None
        except clearsign.BadFrame as fault:
            reason = f"{subject}: {fault}. Expected a message signed by a key of anchor {anchor!r}"
            raise Stopped(Verdict.REFUSED, reason) from None
        checks = tuple(_check(one, subject) for one in judged)
        signers = sorted({one.primary for one in judged if one.result is EndorsementResult.VALID})
        if not signers:
            raise Stopped(Verdict.REFUSED, _refusal(subject, pinned, checks))
        try:
            read = releasefile.read(message.text)
        except deb822.Malformed as fault:
            reason = f"{subject}: {', '.join(signers)} signed an index that can't be used: {fault}"
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=(subject,)) from None
        return VerifiedRelease(
            text=message.text,
            suite=read.suite,
            codename=read.codename,
            date=read.date,
            valid_until=read.valid_until,
            lists=read.lists,
            anchor=anchor,
            signers=tuple(signers),
            checks=checks,
        )

    def signed_text(self, data: bytes, *, subject: str, anchor: str = "") -> tuple[bytes, SignatureCheck]:
        """As ``ports.Endorser.signed_text``. A file that claims to be signed but has anything outside its
        signed text is ``invalid`` and gives no text at all: nothing in it is safe to read. A key that had expired
        as far as our keyring knows is ``no-key``: a distribution's keyring is often older than the package."""
        try:
            message = clearsign.split(data)
            keyrings = (self._trust.openpgp(anchor).keyring,) if anchor else self._developer_keyrings()
            judged = openpgp.judge(message, keyrings)
        except clearsign.NotClearSigned as fault:
            return data, _plain_check(subject, EndorsementResult.MISSING, str(fault))
        except clearsign.BadFrame as fault:
            return b"", _plain_check(subject, EndorsementResult.INVALID, str(fault))
        judged = tuple(replace(one, result=EndorsementResult.NO_KEY) if one.key_unusable else one for one in judged)
        order = (EndorsementResult.VALID, EndorsementResult.INVALID, EndorsementResult.NO_KEY)
        return message.text, _check(min(judged, key=lambda one: order.index(one.result)), subject)

    def chain(self, published: Published, *, anchor: str, allow_missing: str) -> Endorsement:
        """As ``ports.Endorser.chain``. ``Stopped(refused)`` for a bad signature, ``Stopped(unavailable)`` if
        nobody vouches and ``allow_missing`` gives no reason, ``UsageError`` if the recipe misnames a file."""
        checks: list[SignatureCheck] = []
        lines: list[str] = []
        lists: list[lookup.SignedList] = []
        for index in published.indexes:
            verified = self._index(index, anchor)
            checks += verified.checks
            lines.append(_index_line(index, verified))
            for found in self._lists(index, verified):
                lines.append(f"that index names {found.path} with sha256 {found.sha256}")
                lists.append(found)
        try:
            findings = lookup.follow(published, lists)
        except deb822.Malformed as fault:
            reason = f"a signed list of {published.suite} can't be read: {fault}"
            raise Stopped(Verdict.UNAVAILABLE, reason) from None
        result, reason = _outcome(findings, anchor, allow_missing)
        return Endorsement(
            result=result,
            anchor=anchor if result is EndorsementResult.VALID else "",
            reason=reason,
            checks=tuple(checks),
            chain=(*lines, *findings.lines, *findings.contradictions, *findings.missing),
        )

    def _index(self, index: SignedIndex, anchor: str) -> VerifiedRelease:
        data = self._saved(index.inrelease.sha256, clearsign.MESSAGE_LIMIT, f"the InRelease of {index.suite}")
        verified = self.release(data, anchor=anchor, subject=f"{index.archive} {index.suite} InRelease")
        if index.suite not in {verified.suite, verified.codename}:
            reason = (
                f"expected the index of {index.suite}, found one that says of itself that it is "
                f"{verified.codename or verified.suite}: another suite's index vouches for nothing here"
            )
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{index.archive} {index.suite} InRelease",))
        return verified

    def _lists(self, index: SignedIndex, verified: VerifiedRelease) -> list[lookup.SignedList]:
        paths = {digest: path for path, digest in verified.lists.items()}
        found = []
        for saved in index.lists:
            path = paths.get((saved.sha256, saved.size))
            if path is None:
                reason = f"{saved.name} with sha256 {saved.sha256} is in no signed index of {index.suite}"
                raise Stopped(Verdict.UNAVAILABLE, reason, missing=(saved.name,))
            signed = verified.lists.get(signed_lists.plain_path(path))
            try:
                data = signed_lists.unpacked(saved, self._blobs, signed=signed, limit=lookup.LIST_LIMIT)
            except KeyError:
                what = f"{path} of {index.suite}"
                raise _not_saved(what, saved.sha256) from None
            except deb822.Malformed as fault:
                reason = f"a signed list of {index.suite} can't be read: {fault}"
                raise Stopped(Verdict.UNAVAILABLE, reason, missing=(path,)) from None
            found.append(lookup.SignedList(path=path, sha256=saved.sha256, data=data))
        return found

    def _saved(self, sha256: str, limit: int, what: str) -> bytes:
        try:
            return self._blobs.read(sha256, limit=limit)
        except KeyError:
            raise _not_saved(what, sha256) from None

    def _developer_keyrings(self) -> tuple[openpgp.Keyring, ...]:
        if self._keyrings is None:
            self._keyrings = trust.keyrings(self._keyring_paths)
        return self._keyrings


def _not_saved(what: str, sha256: str) -> InfrastructureError:
    msg = f"expected {what} among the saved blobs, found none with sha256 {sha256}"
    return InfrastructureError(msg, hint="run rebuilder verify again; it fetches and saves it")


def _outcome(findings: lookup.Findings, anchor: str, allow_missing: str) -> tuple[EndorsementResult, str]:
    if findings.contradictions:
        return EndorsementResult.INVALID, "; ".join(findings.contradictions)
    if not findings.missing:
        return EndorsementResult.VALID, f"anchor {anchor} vouches for every artifact and source file, by sha256"
    what = "; ".join(findings.missing)
    if not allow_missing:
        reason = (
            f"no endorsement by anchor {anchor!r}, and the recipe does not allow that: {what}. If that is right, give "
            "the reason in the recipe as allow_missing in [endorsement]; the page and the statement then say so"
        )
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=tuple(findings.missing))
    return EndorsementResult.MISSING, f"{what}; the recipe allows that because: {allow_missing}"


def _index_line(index: SignedIndex, verified: VerifiedRelease) -> str:
    until = f", valid until {utc(verified.valid_until)}" if verified.valid_until else ""
    return (
        f"InRelease of {index.suite} ({index.archive}, sha256 {index.inrelease.sha256}, dated "
        f"{utc(verified.date)}{until}) is signed by pinned {', '.join(verified.signers)}"
    )


def _refusal(subject: str, pinned: anchors.Anchor, checks: tuple[SignatureCheck, ...]) -> str:
    """Why no signature of an index counts, and what was expected."""
    expected = ", ".join(pin.fingerprint for pin in pinned.pins)
    bad = [check.reason for check in checks if check.result is EndorsementResult.INVALID]
    if bad:
        why = "; ".join(bad)
        return f"{subject}: no valid signature by a key of anchor {pinned.name!r}: {why}; expected one of {expected}"
    who = ", ".join(check.fingerprint or "a key it does not name" for check in checks)
    return f"{subject}: signed by {who}, which is not pinned by anchor {pinned.name!r}; expected one of {expected}"


def _check(one: openpgp.Judged, subject: str) -> SignatureCheck:
    return SignatureCheck(
        scheme="openpgp",
        subject=subject,
        result=one.result,
        fingerprint=one.primary or one.key,
        claimed_time=one.claimed,
        tool=openpgp.tool(),
        reason=one.reason,
    )


def _plain_check(subject: str, result: EndorsementResult, reason: str) -> SignatureCheck:
    return SignatureCheck(scheme="openpgp", subject=subject, result=result, tool=openpgp.tool(), reason=reason)
