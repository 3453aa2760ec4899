"""Why a key could not be used for a signature, in words. It explains what pysequoia decided and decides nothing.

A key is good for a time only if a self-signature of that time or earlier says so. Keyrings of distributions
are trimmed to the newest self-signatures, so they often know nothing about the day an older file was signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pysequoia
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from rebuilder.model import utc


@dataclass(frozen=True)
class Binding:
    """A self-signature: from when on it speaks, and until when the key is good by it."""

    made: datetime
    expires: datetime | None


def unusable(holder: pysequoia.Cert, key: str, made: datetime) -> str:
    """Why ``key`` or its primary (upper-case hex) was not usable at that time, by our copy; empty if it was."""
    try:
        _ = holder.expiration
    except Exception as error:
        # Old certificates are bound together by SHA-1 alone.
        return f"our copy of it is too weak: {_innermost(error)}"
    primary = holder.fingerprint.upper()
    for name in dict.fromkeys((primary, key)):
        known = _bindings(holder, name)
        earlier = [binding for binding in known if binding.made <= made]
        if known and not earlier:
            return f"our copy of {name} goes back to {utc(min(one.made for one in known))} only"
        newest = max(earlier, key=lambda one: one.made, default=None)
        if newest and newest.expires and newest.expires < made:
            return f"{name} had expired on {utc(newest.expires)} as far as our copy knows"
    return ""


def _bindings(holder: pysequoia.Cert, key: str) -> list[Binding]:
    """Self-signatures that speak of that key: over user ids for the primary, over the subkey for a subkey."""
    found: list[Binding] = []
    current: Packet | None = None
    for packet in PacketPile.from_bytes(bytes(holder)):
        if packet.tag in (Tag.PublicKey, Tag.PublicSubkey):
            current = packet
        elif packet.tag == Tag.Signature and current is not None and packet.signature_created is not None:
            mine = key in {(current.fingerprint or "").upper(), (current.key_id or "").upper()}
            if mine and _is_binding(packet, holder):
                found.append(Binding(packet.signature_created, _expiry(current, packet)))
    return found


def _is_binding(packet: Packet, holder: pysequoia.Cert) -> bool:
    kinds = (
        SignatureType.PositiveCertification,
        SignatureType.GenericCertification,
        SignatureType.CasualCertification,
        SignatureType.PersonaCertification,
        SignatureType.DirectKey,
        SignatureType.SubkeyBinding,
    )
    issuer = (packet.issuer_fingerprint or packet.issuer_key_id or "").lower()
    return packet.signature_type in kinds and bool(issuer) and holder.fingerprint.endswith(issuer[-16:])


def _expiry(key: Packet, binding: Packet) -> datetime | None:
    period = binding.key_validity_period
    return key.key_created + period if period and key.key_created else None


def _innermost(error: BaseException) -> str:
    """The last of the numbered causes that pysequoia lists, without the backtrace after them."""
    causes = [line.strip() for line in str(error).partition("Stack backtrace:")[0].splitlines() if line.strip()]
    return (causes or [type(error).__name__])[-1].lstrip("0123456789: ")[:300]
