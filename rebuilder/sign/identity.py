"""Who we are when we sign: ``identity.json`` in the keys folder (`docs/formats/keys.md`)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rebuilder.attest.pins import check_id, check_organisation
from rebuilder.attest.strict import FormatError, a_sha256, a_text, an_object, only_keys, strict_json

FORMAT = "rebuilder/identity/v1"
_KEYS = frozenset({"format", "organisation", "builderId", "verifierId", "keys"})


@dataclass(frozen=True, kw_only=True)
class Identity:
    """An organisation, an id a role, and the SPKI sha256 of each role's key."""

    organisation: str
    builder_id: str
    verifier_id: str
    attest_key: str
    verdict_key: str


def check_names(organisation: str, builder_id: str, verifier_id: str) -> None:
    """Raises ``FormatError`` unless the three names can stand in statements and pins."""
    check_organisation(organisation)
    check_id(builder_id)
    check_id(verifier_id)
    if builder_id == verifier_id:
        msg = f"expected a builder id and a verifier id that differ, found {builder_id!r} for both"
        raise FormatError(msg)


def parse_identity(data: bytes) -> Identity:
    """Read ``identity.json``. Raises ``FormatError``."""
    value = an_object(strict_json(data, "identity"), "identity")
    only_keys(value, _KEYS, "identity")
    if value.get("format") != FORMAT:
        msg = f"identity: expected the format {FORMAT!r}, found {value.get('format')!r}"
        raise FormatError(msg)
    keys = an_object(value.get("keys"), "identity keys")
    only_keys(keys, frozenset({"attest", "verdict"}), "identity keys")
    identity = Identity(
        organisation=a_text(value.get("organisation"), "identity organisation"),
        builder_id=a_text(value.get("builderId"), "identity builderId"),
        verifier_id=a_text(value.get("verifierId"), "identity verifierId"),
        attest_key=a_sha256(keys.get("attest"), "identity attest key"),
        verdict_key=a_sha256(keys.get("verdict"), "identity verdict key"),
    )
    check_names(identity.organisation, identity.builder_id, identity.verifier_id)
    if identity.attest_key == identity.verdict_key:
        msg = "identity: expected one key a role, found the same key for both"
        raise FormatError(msg)
    return identity


def render_identity(identity: Identity) -> bytes:
    """Bytes of ``identity.json``."""
    value = {
        "format": FORMAT,
        "organisation": identity.organisation,
        "builderId": identity.builder_id,
        "verifierId": identity.verifier_id,
        "keys": {"attest": identity.attest_key, "verdict": identity.verdict_key},
    }
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
