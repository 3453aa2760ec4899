"""One signature file over one body, of whichever scheme it is, judged by one anchor: pure but for reading the body.

OpenPGP (armoured or binary), SSH and minisign are told apart by how they begin, for `.sig` may be any of them.
"""

from __future__ import annotations

from typing import Literal

from rebuilder.endorse import minisign, openpgp, sshsig
from rebuilder.endorse.anchors import Anchor
from rebuilder.endorse.body import Body
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.openpgp import Judged
from rebuilder.model import EndorsementResult, SignatureCheck

Scheme = Literal["openpgp", "ssh", "minisign"]

#: A signature file has a few kB.
SIGNATURE_LIMIT = 256 * 1024
#: What an SSH signature over a file has to be for.
FILE_NAMESPACE = "file"


def scheme_of(signature: bytes) -> Scheme | None:
    """Of what scheme a signature file claims to be; ``None``: of none of them."""
    if signature.startswith(sshsig.BEGIN):
        return "ssh"
    if signature.startswith(minisign.BEGIN):
        return "minisign"
    if signature.lstrip(b" \t\r\n").startswith(b"-----BEGIN PGP SIGNATURE") or (signature and signature[0] & 0x80):
        return "openpgp"
    return None


def judge(signature: bytes, body: Body, anchor: Anchor, *, subject: str) -> tuple[SignatureCheck, ...]:
    """Judge a signature file over ``body`` by the keys that ``anchor`` pins; at least one check comes back.

    ``BadFrame`` if it is no signature that can be read, which proves nothing against anybody. Of OpenPGP a key that,
    as far as our copy knows, was not usable on that day is ``no-key``: our copy may be too old.
    """
    scheme = scheme_of(signature)
    if scheme == "ssh":
        return (sshsig.judge(signature, body, anchor.ssh, namespace=FILE_NAMESPACE, subject=subject),)
    if scheme == "minisign":
        return (minisign.judge(signature, body, anchor.minisign, subject=subject),)
    if scheme == "openpgp":
        judged = openpgp.judge_detached(signature, body, (anchor.keyring,))
        return tuple(openpgp_check(one, subject) for one in judged)
    msg = "expected a signature of OpenPGP, SSH or minisign, found something else"
    raise BadFrame(msg)


def openpgp_check(one: Judged, subject: str) -> SignatureCheck:
    """An OpenPGP signature as a check. That our copy of its key is of no use is never held against the signer."""
    return SignatureCheck(
        scheme="openpgp",
        subject=subject,
        result=EndorsementResult.NO_KEY if one.key_unusable else one.result,
        fingerprint=one.primary or one.key,
        claimed_time=one.claimed,
        tool=openpgp.tool(),
        reason=one.reason,
    )
