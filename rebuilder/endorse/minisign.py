"""Minisign's keys and signatures: pure. Spec: the file formats of minisign(1).

A signature file has two signatures: over the file (or, with `ED`, over its BLAKE2b-512), and over the first one with
the trusted comment. Both have to hold. The name of a key (8 bytes) is chosen and not computed, so that a key is pinned
whole; `minisign` is as strict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rebuilder.endorse import sshkey
from rebuilder.endorse.body import Body
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.sshsig import tool
from rebuilder.errors import TooLargeError
from rebuilder.model import EndorsementResult, SignatureCheck

BEGIN = b"untrusted comment:"
_TRUSTED = b"trusted comment: "
_SIGNATURE_LIMIT = 16 * 1024
#: `Ed` signs the file itself, which then has to be in memory; `ED` signs its digest, of whatever size it is.
LEGACY_LIMIT = 256 * 1024**2
_TIME = re.compile(r"(?:^|\t)timestamp:(\d{1,11})(?:\t|$)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A key. ``id`` is 16 upper-case hex digits; ``text`` the whole key in base64 (``RW…``), which alone names it."""

    id: str
    text: str
    raw: bytes


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A signature file, taken apart. ``proof`` is over the file, ``whole`` over ``proof`` and ``comment``."""

    prehashed: bool
    id: str
    proof: bytes
    comment: bytes
    whole: bytes


def read_key(text: str) -> PublicKey:
    """A public key as minisign prints it. ``ValueError`` for anything else."""
    data = sshkey.decode(text.encode())
    if len(data) != 42 or data[:2] != b"Ed":
        msg = f"expected a public key of minisign (RW and 54 more characters), found {text[:60]!r}"
        raise ValueError(msg)
    return PublicKey(id=_id(data[2:10]), text=text, raw=data[10:])


def parse(data: bytes) -> Parsed:
    """Take a signature file apart: four lines and no more. ``BadFrame`` otherwise."""
    if len(data) > _SIGNATURE_LIMIT:
        msg = f"expected at most {_SIGNATURE_LIMIT} bytes of a minisign signature, found {len(data)}"
        raise BadFrame(msg)
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) != 4 or not lines[0].startswith(BEGIN) or not lines[2].startswith(_TRUSTED):
        msg = "expected the four lines of a minisign signature: a comment, a signature, a trusted comment, a signature"
        raise BadFrame(msg)
    first, whole = sshkey.decode(lines[1]), sshkey.decode(lines[3])
    if len(first) != 74 or first[:2] not in {b"Ed", b"ED"} or len(whole) != 64:
        msg = f"expected a minisign signature of kind Ed or ED, found {first[:2]!r} with {len(first)} bytes"
        raise BadFrame(msg)
    comment = lines[2].removeprefix(_TRUSTED)
    return Parsed(prehashed=first[:2] == b"ED", id=_id(first[2:10]), proof=first[10:], comment=comment, whole=whole)


def judge(data: bytes, body: Body, keys: Sequence[PublicKey], *, subject: str) -> SignatureCheck:
    """Judge one signature file over ``body``. ``BadFrame`` if it can't be read at all. A claimed time is only given
    where the trusted comment with it holds."""
    found = parse(data)
    held = [key for key in keys if key.id == found.id]

    def check(
        result: EndorsementResult, reason: str, key: PublicKey | None = None, claimed: datetime | None = None
    ) -> SignatureCheck:
        return SignatureCheck(
            scheme="minisign",
            subject=subject,
            result=result,
            fingerprint=key.text if key else found.id,
            claimed_time=claimed,
            tool=tool(),
            reason=reason,
        )

    if not held:
        return check(EndorsementResult.NO_KEY, f"made by a key with the id {found.id}, which is not pinned")
    try:
        message = body.digest("blake2b") if found.prehashed else body.whole(LEGACY_LIMIT)
    except TooLargeError as error:
        return check(EndorsementResult.NO_KEY, f"not judged, for it is over the file itself and not a digest: {error}")
    for key in held:
        if _holds(key, found.proof, message):
            if not _holds(key, found.whole, found.proof + found.comment):
                return check(EndorsementResult.INVALID, f"its trusted comment is not what {key.id} signed", key)
            return check(EndorsementResult.VALID, f"made by {key.id} ({key.text})", key, _claimed(found.comment))
    return check(EndorsementResult.INVALID, f"not over these bytes: they are not what {found.id} signed", held[0])


def _holds(key: PublicKey, proof: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(proof, message)
    except InvalidSignature:
        return False
    return True


def _claimed(comment: bytes) -> datetime | None:
    match = _TIME.search(comment.decode("utf-8", "replace"))
    return datetime.fromtimestamp(int(match[1]), UTC) if match else None


def _id(raw: bytes) -> str:
    return raw[::-1].hex().upper()
