"""OpenPGP signatures over clear-signed text or over a file, each judged on its own, through pysequoia.

One message can carry several signatures, and verifiers differ in what the whole is then worth: `gpgv`
ends with an error if one of three has no key. So every signature packet is checked alone, as a detached
signature over the very bytes that will be parsed (`clearsign.ClearSigned.text`); the caller decides
which keys count. Keys are judged as of the time the signature claims: one that expired later still
vouches for what it signed before, one that is revoked as compromised never does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version

import pysequoia
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from rebuilder.endorse import keyfile, keystate
from rebuilder.endorse.body import Body, Text
from rebuilder.endorse.clearsign import BadFrame, ClearSigned
from rebuilder.model import EndorsementResult, utc

_MAX_SIGNATURES = 32
#: One RSA-4096 signature takes 0.8 kB of armour.
_BLOCK_LIMIT = 256 * 1024
#: What has no file is in memory already.
_HELD_LIMIT = 2**31
_BEGIN = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One signature. ``primary`` is the fingerprint of the certificate that holds the key, known unless
    the result is ``NO_KEY``; ``key`` is what the signature says made it. Upper-case hex. ``key_unusable``
    marks an ``INVALID`` that is due to our copy of the key, not to the text: expired then, or too weak."""

    result: EndorsementResult
    primary: str
    key: str
    claimed: datetime | None
    reason: str
    key_unusable: bool = False


class Keyring:
    """Public certificates, found by fingerprint or key id of any of their keys, parsed when first wanted.

    ``data`` is binary, or one armoured block. Raises ``ValueError`` with the reason in one line.
    """

    def __init__(self, data: bytes) -> None:
        self._data = _binary(data) if data[:1] == b"-" else data
        self._index = keyfile.index(self._data)
        self._parsed: dict[tuple[int, int], pysequoia.Cert] = {}

    def holder(self, key: str) -> pysequoia.Cert | None:
        """The certificate with that key (fingerprint or key id, upper-case hex); ``None`` if it has none
        or one that pysequoia refuses to read."""
        place = self._index.get(key)
        if place is None:
            return None
        if place not in self._parsed:
            try:
                self._parsed[place] = pysequoia.Cert.from_bytes(self._data[place[0] : place[1]])
            except Exception:
                return None
        return self._parsed[place]


def _binary(armoured: bytes) -> bytes:
    try:
        return b"".join(bytes(certificate) for certificate in pysequoia.Cert.split_bytes(armoured))
    except Exception as error:
        msg = f"no OpenPGP certificates can be read from it: {first_line(error)}"
        raise ValueError(msg) from None


def judge(message: ClearSigned, keyrings: Sequence[Keyring]) -> tuple[Judged, ...]:
    """Judge every signature of ``message`` by the keys at hand, first keyring first; at least one comes back.

    Raises ``BadFrame`` if the signature block cannot be read or holds anything but signatures.
    """
    return _judge_block(message.armour, _Signed(Text(message.text), (SignatureType.Text,)), keyrings)


def judge_detached(block: bytes, body: Body, keyrings: Sequence[Keyring]) -> tuple[Judged, ...]:
    """Judge every signature of a detached block, binary or armoured, over a file or its text; at least one comes back.
    A file is read in pieces, whatever its size.

    Raises ``BadFrame`` as ``judge`` does, also for anything around the armour.
    """
    if len(block) > _BLOCK_LIMIT:
        msg = f"expected at most {_BLOCK_LIMIT} bytes of signatures, found {len(block)}"
        raise BadFrame(msg)
    if not block[:1] or not block[0] & 0x80:
        lines = block.strip(b" \t\r\n").split(b"\n")
        whole = lines[0].rstrip(b" \t\r") == _BEGIN and lines[-1].rstrip(b" \t\r") == _END
        if not whole or block.count(b"-----BEGIN") != 1 or block.count(b"-----END") != 1:
            msg = "expected one OpenPGP signature block and nothing around it"
            raise BadFrame(msg)
    return _judge_block(block, _Signed(body, (SignatureType.Binary, SignatureType.Text)), keyrings)


@dataclass(frozen=True)
class _Signed:
    """What is signed, and by which types of signature it may be."""

    body: Body
    types: tuple[SignatureType, ...]


def _judge_block(block: bytes, signed: _Signed, keyrings: Sequence[Keyring]) -> tuple[Judged, ...]:
    try:
        claims = [_claim(packet) for packet in PacketPile.from_bytes(block)]
    except BadFrame:
        raise
    except Exception as error:
        msg = f"its signature block can't be read: {first_line(error)}"
        raise BadFrame(msg) from None
    if not 1 <= len(claims) <= _MAX_SIGNATURES:
        msg = f"expected 1 to {_MAX_SIGNATURES} signatures, found {len(claims)}"
        raise BadFrame(msg)
    return tuple(_judge_one(claim, signed, keyrings) for claim in claims)


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """What a signature packet says of itself, true or not. Read once, since any accessor may raise."""

    key: str
    made: datetime | None
    until: datetime | None
    type: SignatureType | None
    packet: bytes


def _claim(packet: Packet) -> _Claim:
    if packet.tag != Tag.Signature:
        msg = "expected only signatures in its signature block, found something else"
        raise BadFrame(msg)
    return _Claim(
        key=(packet.issuer_fingerprint or packet.issuer_key_id or "").upper(),
        made=packet.signature_created,
        until=packet.signature_expiration_time,
        type=packet.signature_type,
        packet=bytes(packet),
    )


def _judge_one(claim: _Claim, signed: _Signed, keyrings: Sequence[Keyring]) -> Judged:
    holders = [holder for keyring in keyrings if (holder := keyring.holder(claim.key))]

    def judged(
        result: EndorsementResult, reason: str, holder: pysequoia.Cert | None = None, *, unusable: bool = False
    ) -> Judged:
        primary = holder.fingerprint.upper() if holder else ""
        return Judged(
            result=result, primary=primary, key=claim.key, claimed=claim.made, reason=reason, key_unusable=unusable
        )

    if not holders:
        maker = claim.key or "a key it does not name"
        return judged(EndorsementResult.NO_KEY, f"made by {maker}, which we do not hold")
    if claim.type not in signed.types:
        kind = "over text" if signed.types == (SignatureType.Text,) else "over a file or its text"
        return judged(EndorsementResult.INVALID, f"is not a signature {kind}, the only kind that counts", holders[0])
    # Two keyrings may hold an older and a newer state of one certificate; either may vouch.
    faults = [(*_fault(claim, signed.body, holder), holder) for holder in holders]
    for fault, _, holder in faults:
        if not fault:
            return judged(EndorsementResult.VALID, f"made by {_named(claim.key, holder.fingerprint.upper())}", holder)
    fault, unusable, holder = faults[0]
    return judged(EndorsementResult.INVALID, fault, holder, unusable=unusable)


def _fault(claim: _Claim, body: Body, holder: pysequoia.Cert) -> tuple[str, bool]:
    """Why the signature does not hold, empty if it does; and whether that is for want of a usable key."""
    path = body.file()
    held = body.whole(_HELD_LIMIT) if path is None else None
    try:
        signature = pysequoia.Sig.from_bytes(claim.packet)
        if path is None:
            verified = pysequoia.verify(bytes=held, signature=signature, store=lambda _ids: [holder])
        else:
            verified = pysequoia.verify(file=str(path), signature=signature, store=lambda _ids: [holder])
        signers = {valid.certificate for valid in verified.valid_sigs}
    except Exception as error:
        # A disk of ours that gives other bytes by now raises here, and is never held against the signer.
        body.file()
        return _reason(claim, holder, first_line(error))
    if signers != {holder.fingerprint}:
        return f"expected a signature by {holder.fingerprint.upper()}, found {sorted(signers)}", False
    return "", False


def _reason(claim: _Claim, holder: pysequoia.Cert, said: str) -> tuple[str, bool]:
    """The reason in words. The library says no more than that the signature does not hold."""
    primary, made, until = holder.fingerprint.upper(), claim.made, claim.until
    if holder.is_revoked:
        return f"made by {primary}, a key its owner has revoked", False
    if made:
        why = keystate.unusable(holder, claim.key, made)
        if why:
            return f"made on {utc(made)} by {primary}, which can't vouch for that day: {why}", True
    if until and until < datetime.now(until.tzinfo):
        return f"made by {primary} to hold until {utc(until)} only", False
    return f"bad: the text is not what {primary} signed, or that key could not sign then ({said})", False


def _named(key: str, primary: str) -> str:
    return primary if key == primary else f"{primary} (signing key {key})"


def first_line(error: BaseException) -> str:
    """An error of pysequoia without the backtrace it carries."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


@cache
def tool() -> str:
    """Name and version of what judged, for the record."""
    return f"pysequoia {version('pysequoia')}"
