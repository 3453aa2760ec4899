"""DSSE envelopes with Ed25519 signatures (secure-systems-lab/dsse v1.0: protocol.md, envelope.md).

What is signed is the pre-authentication encoding of type and payload, never the JSON around it. Callers
verify first, and then parse ``Envelope.payload``: the very bytes that were verified.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from rebuilder.attest.strict import FormatError, a_list, a_text, an_object, only_keys, strict_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_ENVELOPE = 8 * 1024**2
MAX_SIGNATURES = 16
_SSH_NAME = b"ssh-ed25519"


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding (protocol.md): ``DSSEv1 LEN(type) type LEN(payload) payload``."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, kw_only=True)
class VerificationKey:
    """An Ed25519 public key, known by the sha256 of its SubjectPublicKeyInfo."""

    public: Ed25519PublicKey = field(compare=False, repr=False)
    spki_sha256: str
    #: OpenSSH's fingerprint form, which Go's DSSE library takes as the default name of a key.
    keyid: str

    @classmethod
    def of(cls, public: Ed25519PublicKey) -> VerificationKey:
        """The key with both of its names."""
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        wire = b"".join(len(part).to_bytes(4, "big") + part for part in (_SSH_NAME, raw))
        digest = base64.b64encode(hashlib.sha256(wire).digest()).decode().rstrip("=")
        return cls(public=public, spki_sha256=hashlib.sha256(spki).hexdigest(), keyid=f"SHA256:{digest}")

    @classmethod
    def from_pem(cls, pem: str) -> VerificationKey:
        """Read a PEM public key. Raises ``FormatError`` for anything but Ed25519."""
        try:
            public = load_pem_public_key(pem.encode())
        except (ValueError, TypeError) as error:
            msg = "expected a PEM public key, found something else"
            raise FormatError(msg) from error
        except Exception as error:  # cryptography has one class for keys it knows but does not support
            msg = f"expected an Ed25519 public key, found one that can't be read ({type(error).__name__})"
            raise FormatError(msg) from error
        if not isinstance(public, Ed25519PublicKey):
            msg = f"expected an Ed25519 public key, found {type(public).__name__}"
            raise FormatError(msg)
        return cls.of(public)

    def pem(self) -> str:
        """The key as PEM SubjectPublicKeyInfo, as OpenSSL reads it."""
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def answers_to(self, keyid: str | None) -> bool:
        """Whether an envelope may call this key so: by no name, or by one of its three names."""
        return not keyid or keyid in {self.keyid, self.spki_sha256, f"sha256:{self.spki_sha256}"}


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One signature of an envelope. ``keyid`` is an unauthenticated hint and may be absent."""

    sig: bytes
    keyid: str | None = None


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A payload with its signatures, not verified yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]


def parse(line: bytes) -> Envelope:
    """Read one envelope. Raises ``FormatError``: unknown or double keys, lenient base64, over 8 MiB."""
    if len(line) > MAX_ENVELOPE:
        msg = f"envelope: expected at most {MAX_ENVELOPE} bytes, found {len(line)}"
        raise FormatError(msg)
    value = an_object(strict_json(line, "envelope"), "envelope")
    only_keys(value, frozenset({"payloadType", "payload", "signatures"}), "envelope")
    items = a_list(value.get("signatures"), "envelope signatures")
    if not 1 <= len(items) <= MAX_SIGNATURES:
        msg = f"envelope: expected 1 to {MAX_SIGNATURES} signatures, found {len(items)}"
        raise FormatError(msg)
    payload = a_text(value.get("payload"), "envelope payload")
    pairs = [_signature_fields(item) for item in items]
    _one_alphabet("".join([payload, *(sig for sig, _ in pairs)]))
    return Envelope(
        payload_type=a_text(value.get("payloadType"), "envelope payloadType"),
        payload=_decode(payload, "envelope payload"),
        signatures=tuple(Signature(sig=_decode(sig, "envelope sig"), keyid=keyid) for sig, keyid in pairs),
    )


def _signature_fields(item: object) -> tuple[str, str | None]:
    value = an_object(item, "envelope signature")
    only_keys(value, frozenset({"sig", "keyid"}), "envelope signature")
    keyid = value.get("keyid")
    if keyid is not None and not isinstance(keyid, str):
        msg = "envelope keyid: expected text or nothing, found something else"
        raise FormatError(msg)
    return a_text(value.get("sig"), "envelope sig"), keyid


def _one_alphabet(text: str) -> None:
    # Either alphabet is allowed (envelope.md). Mixed, the same bytes could be written in many ways.
    if set(text) & set("+/") and set(text) & set("-_"):
        msg = "envelope: expected standard or URL-safe base64, found both mixed"
        raise FormatError(msg)


def _decode(text: str, what: str) -> bytes:
    standard = text.translate(str.maketrans("-_", "+/"))
    try:
        data = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = f"{what}: expected base64 with padding, found something else"
        raise FormatError(msg) from error
    if base64.b64encode(data).decode() != standard:
        msg = f"{what}: expected base64 with its unused bits zero, found others"
        raise FormatError(msg)
    return data


def render(envelope: Envelope) -> bytes:
    """The envelope as one JSON line without a line end; always the same bytes for the same value."""
    signatures = [
        {**({"keyid": one.keyid} if one.keyid else {}), "sig": base64.b64encode(one.sig).decode()}
        for one in envelope.signatures
    ]
    value = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": envelope.payload_type,
        "signatures": signatures,
    }
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def signed_by(envelope: Envelope, keys: tuple[VerificationKey, ...]) -> tuple[VerificationKey, ...]:
    """Those of ``keys`` that made a valid signature, each public key once however often it is listed.

    Every key is tried on every signature that does not name another key: ``keyid`` narrows the search
    and decides nothing else (protocol.md).
    """
    message = pae(envelope.payload_type, envelope.payload)
    unique = {key.spki_sha256: key for key in keys}
    return tuple(key for key in unique.values() if any(_holds(key, one, message) for one in envelope.signatures))


def _holds(key: VerificationKey, signature: Signature, message: bytes) -> bool:
    if not key.answers_to(signature.keyid):
        return False
    try:
        key.public.verify(signature.sig, message)
    except InvalidSignature:
        return False
    return True
