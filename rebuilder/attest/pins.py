"""Pins: which key may speak in which role, under which id, for which organisation (`docs/formats/keys.md`)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from rebuilder.attest.dsse import VerificationKey
from rebuilder.attest.strict import FormatError, a_list, a_sha256, a_text, an_object, only_keys, strict_json

Role = Literal["attest", "verdict"]
FORMAT = "rebuilder/pins/v1"
MAX_PINS_FILE = 1024**2
_KEYS = frozenset({"role", "id", "organisation", "scheme", "publicKey", "spkiSha256"})
_ID = re.compile(r"https?://[!-~]{1,500}")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One key, its role, and the only id and organisation it may speak for."""

    role: Role
    id: str
    organisation: str
    key: VerificationKey


def check_id(text: str) -> str:
    """An id fit for ``builder.id`` or ``verifier.id``: printable ASCII, http or https. ``FormatError`` if not."""
    if not _ID.fullmatch(text):
        msg = f"expected an id such as https://builder.example/v1 (printable ASCII, no spaces), found {text!r}"
        raise FormatError(msg)
    return text


def check_organisation(text: str) -> str:
    """A name fit to be shown: printable, at most 200 characters. ``FormatError`` if not."""
    if not text.strip() or text != text.strip() or len(text) > 200 or not text.isprintable():
        msg = f"expected the name of an organisation (printable, 1 to 200 characters), found {text!r}"
        raise FormatError(msg)
    return text


def parse_pins(data: bytes) -> tuple[Pin, ...]:
    """Read one pins file. Raises ``FormatError``."""
    if len(data) > MAX_PINS_FILE:
        msg = f"pins: expected at most {MAX_PINS_FILE} bytes, found {len(data)}"
        raise FormatError(msg)
    value = an_object(strict_json(data, "pins"), "pins")
    only_keys(value, frozenset({"format", "pins"}), "pins")
    if value.get("format") != FORMAT:
        msg = f"pins: expected the format {FORMAT!r}, found {value.get('format')!r}"
        raise FormatError(msg)
    items = a_list(value.get("pins"), "pins")
    return tuple(_pin(item, f"pin {number}") for number, item in enumerate(items, 1))


def _pin(item: object, what: str) -> Pin:
    value = an_object(item, what)
    only_keys(value, _KEYS, what)
    if value.get("scheme") != "ed25519":
        msg = f"{what}: expected the scheme 'ed25519', found {value.get('scheme')!r}"
        raise FormatError(msg)
    key = VerificationKey.from_pem(a_text(value.get("publicKey"), f"{what} publicKey"))
    if a_sha256(value.get("spkiSha256"), f"{what} spkiSha256") != key.spki_sha256:
        msg = f"{what}: expected spkiSha256 {key.spki_sha256} for this public key, found {value['spkiSha256']}"
        raise FormatError(msg)
    return Pin(
        role=_role(value.get("role"), what),
        id=check_id(a_text(value.get("id"), f"{what} id")),
        organisation=check_organisation(a_text(value.get("organisation"), f"{what} organisation")),
        key=key,
    )


def _role(value: object, what: str) -> Role:
    if value == "attest":
        return "attest"
    if value == "verdict":
        return "verdict"
    msg = f"{what}: expected the role 'attest' or 'verdict', found {value!r}"
    raise FormatError(msg)


def render_pins(pins: tuple[Pin, ...]) -> bytes:
    """The pins file that others take over."""
    items = [
        {
            "role": pin.role,
            "id": pin.id,
            "organisation": pin.organisation,
            "scheme": "ed25519",
            "publicKey": pin.key.pem(),
            "spkiSha256": pin.key.spki_sha256,
        }
        for pin in pins
    ]
    return (json.dumps({"format": FORMAT, "pins": items}, indent=2, ensure_ascii=False) + "\n").encode()


def usable(pins: tuple[Pin, ...]) -> tuple[dict[str, Pin], tuple[str, ...]]:
    """Pins by SPKI sha256, and why others count for nothing.

    A key listed twice alike counts once. A key that two entries give different roles, ids or organisations
    counts for neither: who may speak with it is not known (design section 7).
    """
    found: dict[str, set[Pin]] = {}
    for pin in pins:
        found.setdefault(pin.key.spki_sha256, set()).add(pin)
    notes = tuple(
        f"key {spki} is pinned {len(claims)} times with different roles, ids or organisations: it counts for none"
        for spki, claims in sorted(found.items())
        if len(claims) > 1
    )
    return {spki: next(iter(claims)) for spki, claims in found.items() if len(claims) == 1}, notes
