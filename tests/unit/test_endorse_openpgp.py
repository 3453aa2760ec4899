"""Signatures judged one by one, and key files searched without parsing them."""

from __future__ import annotations

import dataclasses

import pysequoia
import pytest
from pysequoia.packet import PacketPile, Tag

from rebuilder.endorse import keyfile
from rebuilder.endorse.clearsign import BadFrame, split
from rebuilder.endorse.openpgp import Keyring, judge, tool
from rebuilder.model import EndorsementResult
from tests.archive.keys import ArchiveKey
from tests.unit.endorse_cases import ARCHIVE_KEY, SECOND_KEY, STRANGER, clear_signed

TEXT = b"Suite: x\nlast"
BOTH = Keyring(bytes(ARCHIVE_KEY.secret.extract_certificate()) + bytes(SECOND_KEY.secret.extract_certificate()))


def results(message: bytes, *keyrings: Keyring) -> list[str]:
    return [one.result.value for one in judge(split(message), keyrings)]


def test_the_tool_is_the_pinned_one():
    assert tool() == "pysequoia 0.1.35"


def test_each_signature_is_judged_on_its_own():
    message = clear_signed(TEXT, STRANGER, ARCHIVE_KEY, SECOND_KEY)
    assert results(message, BOTH) == ["no-key", "valid", "valid"]
    assert results(message.replace(b"Suite", b"Suits"), BOTH) == ["no-key", "invalid", "invalid"]


def test_a_signature_says_which_primary_key_stands_behind_its_subkey():
    found = judge(split(clear_signed(TEXT, ARCHIVE_KEY)), (BOTH,))[0]
    assert found.primary == ARCHIVE_KEY.fingerprint
    assert found.key != found.primary
    assert found.claimed is not None
    assert f"signing key {found.key}" in found.reason


def test_an_unknown_key_is_named():
    found = judge(split(clear_signed(TEXT, STRANGER)), (BOTH,))[0]
    assert (found.result, found.primary) == (EndorsementResult.NO_KEY, "")
    assert found.key in found.reason


def test_a_detached_binary_signature_does_not_count_for_clear_signed_text():
    signature = pysequoia.sign(ARCHIVE_KEY.secret.signer(), TEXT, mode=pysequoia.SignatureMode.DETACHED)
    message = dataclasses.replace(split(clear_signed(TEXT, ARCHIVE_KEY)), armour=signature)
    found = judge(message, (BOTH,))[0]
    assert found.result is EndorsementResult.INVALID
    assert "is not a signature over text, the only kind that counts" in found.reason


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (ARCHIVE_KEY.certificate, "expected only signatures"),
        (b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n", "signature"),
        (b"", "signature"),
    ],
)
def test_a_block_of_anything_else_is_refused(block, expected):
    message = dataclasses.replace(split(clear_signed(TEXT, ARCHIVE_KEY)), armour=block)
    with pytest.raises(BadFrame, match=expected):
        judge(message, (BOTH,))


def test_too_many_signatures_are_refused():
    packet = bytes(next(iter(PacketPile.from_bytes(split(clear_signed(TEXT, ARCHIVE_KEY)).armour))))
    block = pysequoia.armor(packet * 33, pysequoia.ArmorKind.Signature).encode()
    with pytest.raises(BadFrame, match="expected 1 to 32 signatures, found 33"):
        judge(dataclasses.replace(split(clear_signed(TEXT, ARCHIVE_KEY)), armour=block), (BOTH,))


def test_a_revoked_key_vouches_for_nothing():
    key = ArchiveKey.generate("revoked")
    certificate = key.secret.extract_certificate()
    message = clear_signed(TEXT, key)
    assert results(message, Keyring(bytes(certificate))) == ["valid"]
    revocation = certificate.revoke(key.secret.certifier())
    revoked = pysequoia.Cert.from_bytes(bytes(certificate) + bytes(revocation))
    found = judge(split(message), (Keyring(bytes(revoked)),))[0]
    assert found.result is EndorsementResult.INVALID
    assert "a key its owner has revoked" in found.reason


@pytest.mark.parametrize("profile", [pysequoia.Profile.RFC4880, pysequoia.Profile.RFC9580])
def test_the_index_of_a_key_file_agrees_with_a_full_parse(profile):
    certificates = [pysequoia.Tsk.generate(user_id=f"k{n}", profile=profile).extract_certificate() for n in range(3)]
    data = b"".join(bytes(certificate) for certificate in certificates)
    found = keyfile.index(data)
    for certificate in certificates:
        for packet in PacketPile.from_bytes(bytes(certificate)):
            if packet.tag in (Tag.PublicKey, Tag.PublicSubkey):
                for name in (packet.fingerprint.upper(), packet.key_id.upper()):
                    start, end = found[name]
                    assert data[start:end] == bytes(certificate)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"plain text", "expected OpenPGP packets"),
        (bytes(ARCHIVE_KEY.secret), "it holds a secret key"),
        (bytes(ARCHIVE_KEY.secret.extract_certificate())[:-1], "cut short"),
        (b"\xc6\xe1", "no definite length"),
        (b"\x9b", "no definite length"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n", "no OpenPGP certificates can be read from it"),
    ],
)
def test_key_files_that_are_none_are_refused(data, expected):
    with pytest.raises(ValueError, match=expected):
        Keyring(data)
