"""Signatures inside Git's commits and annotated tags, judged by the operator's trust store.

They are further evidence and never a condition: whoever may push decides what a repository holds, signed or not. A
commit is held together by SHA-1 (or SHA-256) ids of its tree and parents, so that its signature is as good as those.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from rebuilder import __version__
from rebuilder.endorse import openpgp, sshsig
from rebuilder.endorse.anchors import Anchor
from rebuilder.endorse.body import Text
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.detached import openpgp_check
from rebuilder.endorse.trust import TrustStore
from rebuilder.model import EndorsementResult, SignatureCheck
from rebuilder.releases import Signed

NAMESPACE = "git"
_ORDER = (EndorsementResult.VALID, EndorsementResult.INVALID, EndorsementResult.NO_KEY, EndorsementResult.MISSING)
_WHEN = re.compile(rb"^(?:committer|tagger) [^\n]*> (\d{1,11}) [+-]\d{4}$", re.MULTILINE)


def judge(signed: Signed, store: TrustStore, *, anchor: str = "") -> SignatureCheck:
    """What a signature of a commit or a tag is worth by ``anchor``, or without one by whichever anchor of the store
    says the most of it. ``UsageError`` for an anchor that the store has not, or that is not in order."""
    if signed.scheme == "x509":
        reason = "an X.509 signature, which this version has no keys to judge by; it comes with the trust issue"
        return _check(signed, EndorsementResult.NO_KEY, reason)
    names = (anchor,) if anchor else store.names()
    anchors = tuple(found for found in map(store.anchor, names) if found.kind == signed.scheme)
    try:
        checks = [(one, found.name) for found in anchors for one in _by_anchor(signed, found)]
        checks += [(one, "") for one in _by_anchor(signed, Anchor(name="", kind=signed.scheme))] if not checks else []
    except BadFrame as fault:
        return _check(signed, EndorsementResult.INVALID, f"the signature can't be read: {fault}")
    best, name = min(checks, key=lambda pair: _ORDER.index(pair[0].result))
    if best.result in (EndorsementResult.VALID, EndorsementResult.INVALID):
        return best.model_copy(update={"reason": f"{best.reason}; pinned by anchor {name}"})
    where = f"anchor {anchor!r} pins" if anchor else "the trust store pins"
    return best.model_copy(update={"reason": f"{best.reason}; no {signed.scheme} key that {where} made it"})


def _by_anchor(signed: Signed, anchor: Anchor) -> tuple[SignatureCheck, ...]:
    body = Text(signed.payload)
    if anchor.kind == "ssh":
        check = sshsig.judge(signed.signature, body, anchor.ssh, namespace=NAMESPACE, subject=signed.subject)
        valid = check.result is EndorsementResult.VALID
        return (check.model_copy(update={"claimed_time": _claimed(signed.payload)}) if valid else check,)
    judged = openpgp.judge_detached(signed.signature, body, (anchor.keyring,))
    return tuple(openpgp_check(one, signed.subject) for one in judged)


def _claimed(payload: bytes) -> datetime | None:
    """When the commit or tag says that it was made: an SSH signature itself does not say."""
    match = _WHEN.search(payload.partition(b"\n\n")[0])
    return datetime.fromtimestamp(int(match[1]), UTC) if match else None


def _check(signed: Signed, result: EndorsementResult, reason: str) -> SignatureCheck:
    """A check of what could not be judged. An X.509 signature comes with the trust issue."""
    tools = {"ssh": sshsig.tool(), "openpgp": openpgp.tool()}
    return SignatureCheck(
        scheme=signed.scheme,
        subject=signed.subject,
        result=result,
        tool=tools.get(signed.scheme, f"rebuilder {__version__}"),
        reason=reason,
    )
