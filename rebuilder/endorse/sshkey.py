"""SSH public keys: read strictly, known by fingerprint, and what they verify. Pure; `cryptography` calculates.

Spec: RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, and OpenSSH's PROTOCOL.u2f for keys of security keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.sshwire import Reader

_RSA_BITS = range(2048, 16384 + 1)
_CURVES: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
_ED25519, _SK_ED25519 = "ssh-ed25519", "sk-ssh-ed25519@openssh.com"
_SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
#: Somebody touched the security key for this signature.
_TOUCHED = 0x01


class BadSignature(ValueError):  # noqa: N818 - names what the signature is
    """The key did not make this signature over these bytes, or not in a way that counts."""


#: An algorithm, the signature's further fields, which are read to their end, and the bytes that are signed.
_Verify = Callable[[str, Reader, bytes], None]


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A key that can be judged by. ``fingerprint`` is ``SHA256:`` and base64, as ssh-keygen prints it."""

    type: str
    fingerprint: str
    _verify: _Verify

    def check(self, signature: bytes, data: bytes) -> None:
        """Whether this key signed ``data``. ``BadSignature`` with the reason, ``BadFrame`` for what is no signature."""
        reader = Reader(signature, "the signature")
        algorithm = reader.word()
        self._verify(algorithm, reader, data)


def fingerprint(blob: bytes) -> str:
    """Fingerprint of a key in its wire form."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def key_type(blob: bytes) -> str:
    """What a key in its wire form says that it is. ``BadFrame`` if it says nothing."""
    return Reader(blob, "the public key").word()


def read(blob: bytes) -> PublicKey:
    """A key from its wire form. ``BadFrame`` for one that is malformed, too weak, or of a kind that does not count."""
    reader = Reader(blob, "the public key")
    kind = reader.word()
    if kind in {_ED25519, _SK_ED25519}:
        verify = _ed25519(reader, kind)
    elif kind == _SK_ECDSA or kind.removeprefix("ecdsa-sha2-") in _CURVES:
        verify = _ecdsa(reader, kind)
    elif kind == "ssh-rsa":
        verify = _rsa(reader)
    else:
        msg = f"keys of type {kind!r} do not count: expected ssh-ed25519, ecdsa-sha2-*, ssh-rsa, sk-ssh-* or sk-ecdsa-*"
        raise BadFrame(msg)
    reader.end()
    return PublicKey(type=kind, fingerprint=fingerprint(blob), _verify=verify)


def decode(text: bytes) -> bytes:
    """Base64 in the one spelling that it has. ``BadFrame`` otherwise."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found or base64.b64encode(found) != text:
        msg = f"expected base64, found {text[:40]!r}"
        raise BadFrame(msg)
    return found


# --- kinds of keys --------------------------------------------------------------------------------


def _ed25519(reader: Reader, kind: str) -> _Verify:
    raw = reader.string()
    if len(raw) != 32:
        msg = f"the public key: expected 32 bytes, found {len(raw)}"
        raise BadFrame(msg)
    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    application = _application(reader, kind)

    def verify(algorithm: str, signature: Reader, data: bytes) -> None:
        _same(algorithm, kind)
        proof = signature.string()
        _hold(lambda signed: key.verify(proof, signed), _signed(signature, application, data))

    return verify


def _ecdsa(reader: Reader, kind: str) -> _Verify:
    name = reader.word()
    if kind not in {f"ecdsa-sha2-{name}", f"sk-ecdsa-sha2-{name}@openssh.com"}:
        msg = f"the public key: expected the curve of {kind}, found {name!r}"
        raise BadFrame(msg)
    curve, digest = _CURVES[name]
    point = reader.string()
    try:
        if point[:1] != b"\x04":
            raise ValueError  # noqa: TRY301 - the same fault as a point that is not on the curve
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    except ValueError:
        msg = f"the public key: expected an uncompressed point on {name}, found {point[:8].hex()}"
        raise BadFrame(msg) from None
    application = _application(reader, kind)

    def verify(algorithm: str, signature: Reader, data: bytes) -> None:
        _same(algorithm, kind)
        pair = Reader(signature.string(), "the signature")
        proof = encode_dss_signature(pair.integer(), pair.integer())
        pair.end()
        _hold(lambda signed: key.verify(proof, signed, ec.ECDSA(digest)), _signed(signature, application, data))

    return verify


def _rsa(reader: Reader) -> _Verify:
    exponent, modulus = reader.integer(), reader.integer()
    bits = modulus.bit_length()
    if bits not in _RSA_BITS:
        msg = f"RSA keys of {bits} bits do not count: expected {_RSA_BITS.start} to {_RSA_BITS.stop - 1}"
        raise BadFrame(msg)
    try:
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        msg = f"the public key is no RSA key: {error}"
        raise BadFrame(msg) from None

    def verify(algorithm: str, signature: Reader, data: bytes) -> None:
        digest = _RSA_HASHES.get(algorithm)
        if digest is None:
            msg = f"made as {algorithm!r}, and with RSA only rsa-sha2-256 and rsa-sha2-512 count"
            raise BadSignature(msg)
        proof = signature.string()
        signature.end()
        _hold(lambda signed: key.verify(proof, signed, padding.PKCS1v15(), digest), data)

    return verify


def _application(reader: Reader, kind: str) -> bytes | None:
    """What a security key mixes into all that it signs; ``None`` for other keys."""
    return reader.string() if kind.startswith("sk-") else None


def _signed(signature: Reader, application: bytes | None, data: bytes) -> bytes:
    """What was really signed. The counter is whatever the security key says: nobody here knows the one before."""
    if application is None:
        signature.end()
        return data
    flags, counter = signature.raw(1), signature.raw(4)
    signature.end()
    if not flags[0] & _TOUCHED:
        msg = "made without anybody touching the security key, so that any program could have asked for it"
        raise BadSignature(msg)
    return hashlib.sha256(application).digest() + flags + counter + hashlib.sha256(data).digest()


def _same(algorithm: str, kind: str) -> None:
    if algorithm != kind:
        msg = f"made as {algorithm!r} by a key of type {kind}"
        raise BadSignature(msg)


def _hold(verify: Callable[[bytes], None], signed: bytes) -> None:
    try:
        verify(signed)
    except (InvalidSignature, ValueError):
        msg = "not over these bytes: they are not what that key signed"
        raise BadSignature(msg) from None
