"""Envelopes: what is signed, what is read, and what is refused."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from rebuilder.attest.bundle import MAX_LINES, join, split
from rebuilder.attest.dsse import (
    MAX_ENVELOPE,
    Envelope,
    Signature,
    VerificationKey,
    pae,
    parse,
    render,
    signed_by,
)
from rebuilder.attest.strict import FormatError, strict_json
from tests.attest_cases import envelope, public

BODY = b'{"a":1}'


def test_pae_is_the_vector_of_the_specification():
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_pae_counts_bytes_not_characters():
    assert pae("ü", b"") == b"DSSEv1 2 \xc3\xbc 0 "


@given(st.text(max_size=20), st.binary(max_size=50), st.text(max_size=20), st.binary(max_size=50))
def test_pae_is_injective(kind, payload, other_kind, other_payload):
    same = (kind, payload) == (other_kind, other_payload)
    assert (pae(kind, payload) == pae(other_kind, other_payload)) == same


@given(
    st.text(min_size=1, alphabet=st.characters(codec="utf-8")),
    st.binary(min_size=1),
    st.lists(
        st.tuples(st.binary(min_size=1), st.none() | st.text(min_size=1, alphabet=st.characters(codec="utf-8"))),
        min_size=1,
        max_size=4,
    ),
)
def test_what_is_rendered_is_read_back(kind, payload, signatures):
    made = Envelope(
        payload_type=kind,
        payload=payload,
        signatures=tuple(Signature(sig=sig, keyid=keyid) for sig, keyid in signatures),
    )
    line = render(made)
    assert parse(line) == made
    assert b"\n" not in line
    assert split(join([line, line])) == (made, made)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_envelope_or_a_format_error(data):
    with suppress(FormatError):
        parse(data)


def changed(**fields: object) -> bytes:
    value = json.loads(envelope("verdict", BODY)) | fields
    return json.dumps({key: item for key, item in value.items() if item is not None}).encode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "expected JSON"),
        (b"[]", "expected an object, found a list"),
        (b"\xff{}", "expected UTF-8"),
        (b'{"payload":"\\ud800"}', "expected UTF-8"),
        (b'{"payload":"YQ==","payload":"YQ=="}', "found 'payload' twice"),
        (b'{"payload":NaN}', "expected a JSON number, found NaN"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "expected"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "at most 64 levels"),
        (b'{"a":' + b"9" * 5000 + b"}", "expected JSON"),
        (changed(extra=1), "expected no key but .* found 'extra'"),
        (changed(signatures=[]), "1 to 16 signatures, found 0"),
        (changed(signatures=[{"sig": "YQ=="}] * 17), "1 to 16 signatures, found 17"),
        (changed(signatures=[{"sig": "YQ==", "cert": ""}]), "found 'cert'"),
        (changed(signatures=[{"sig": "YQ==", "keyid": 1}]), "keyid: expected text"),
        (changed(signatures={"sig": "YQ=="}), "expected a list, found an object"),
        (changed(signatures=None), "expected a list, found nothing"),
        (changed(payload=""), "expected text, found empty text"),
        (changed(payload="YQ"), "expected base64 with padding"),
        (changed(payload="Y Q=="), "expected base64 with padding"),
        (changed(payload="YR=="), "unused bits zero"),
        (changed(payload="YQ==YQ=="), "expected base64"),
        (changed(payload="+-aa"), "found both mixed"),
        (changed(payloadType=""), "payloadType: expected text"),
    ],
)
def test_refused_envelopes(line, message):
    with pytest.raises(FormatError, match=message):
        parse(line)


def test_an_envelope_that_is_too_large_is_not_read():
    with pytest.raises(FormatError, match=f"at most {MAX_ENVELOPE} bytes"):
        parse(b" " * (MAX_ENVELOPE + 1))


def test_url_safe_base64_is_read():
    value = json.loads(envelope("verdict", b"\xfb\xff" * 9))
    for holder, name in ((value, "payload"), (value["signatures"][0], "sig")):
        holder[name] = base64.urlsafe_b64encode(base64.b64decode(holder[name])).decode()
    assert "_" in value["payload"]
    read = parse(json.dumps(value).encode())
    assert signed_by(read, (public("verdict"),)) == (public("verdict"),)


@pytest.mark.parametrize(
    "keyid", [None, "", "own", public("verdict").spki_sha256, f"sha256:{public('verdict').spki_sha256}"]
)
def test_a_key_answers_to_its_names_and_to_none(keyid):
    read = parse(envelope("verdict", BODY, keyid=keyid))
    keys = (public("attest"), public("verdict"))
    assert signed_by(read, keys) == (public("verdict"),)


def test_a_signature_under_the_name_of_another_key_does_not_count():
    read = parse(envelope("verdict", BODY, keyid=public("attest").keyid))
    assert signed_by(read, (public("attest"), public("verdict"))) == ()


def test_a_key_listed_twice_counts_once():
    twice = (public("verdict"), VerificationKey.from_pem(public("verdict").pem().replace("\n", "\r\n")))
    assert signed_by(parse(envelope("verdict", BODY)), twice) == (public("verdict"),)


def test_a_signature_over_another_payload_type_does_not_hold():
    read = parse(envelope("verdict", BODY))
    other = Envelope(payload_type="text/plain", payload=read.payload, signatures=read.signatures)
    assert signed_by(other, (public("verdict"),)) == ()


def test_keyid_is_the_fingerprint_of_openssh():
    # ssh-keygen -l -f on the public half of RFC 8032, section 7.1, test 1
    spki = bytes.fromhex("302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    pem = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(spki).decode()}\n-----END PUBLIC KEY-----\n"
    assert VerificationKey.from_pem(pem).keyid == "SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8"


def test_only_ed25519_keys_are_taken():
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(FormatError, match="expected an Ed25519 public key"):
        VerificationKey.from_pem(pem)
    with pytest.raises(FormatError, match="expected a PEM public key"):
        VerificationKey.from_pem("-----BEGIN PUBLIC KEY-----\nYQ==\n-----END PUBLIC KEY-----\n")


def test_bundle_limits():
    line = envelope("verdict", BODY)
    with pytest.raises(FormatError, match=f"at most {MAX_LINES} lines"):
        split(join([line] * (MAX_LINES + 1)))
    with pytest.raises(FormatError, match="line 2: expected one JSON object"):
        split(line + b"\n\n" + line)
    with pytest.raises(FormatError, match="line 1: expected one JSON object"):
        split(b" " + line)
    with pytest.raises(ValueError, match="expected each envelope to be one line"):
        join([line + b"\n"])
    assert split(b"") == ()


def test_strict_json_names_what_it_reads():
    with pytest.raises(FormatError, match="pins: expected each key once"):
        strict_json(b'{"a":{"b":1,"b":2}}', "pins")
