"""minisign: files of the real program, and files made by the specification with one thing wrong."""

from __future__ import annotations

import base64
import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rebuilder.endorse import minisign
from rebuilder.endorse.body import Text
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.trust import TrustStore
from rebuilder.errors import UsageError
from rebuilder.model import EndorsementResult, SignatureCheck
from rebuilder.store.blobs import BlobStore
from tests.unit.endorse_signers import MiniKey, anchor_file, pin, stored

MADE = Path(__file__).parents[1] / "data" / "minisign"
PUBLIC = (MADE / "demo.pub").read_text().splitlines()[1]
DATA = (MADE / "demo.txt").read_bytes()
KEY = MiniKey()


def judge(signature: bytes, *publics: str, data: bytes = DATA) -> SignatureCheck:
    keys = [minisign.read_key(text) for text in publics or (KEY.public,)]
    return minisign.judge(signature, Text(data), keys, subject="demo.minisig")


@pytest.mark.parametrize("name", ["prehashed.minisig", "legacy.minisig"])
def test_what_minisign_itself_made(name):
    signature = (MADE / name).read_bytes()
    found = judge(signature, PUBLIC)
    assert found.result is EndorsementResult.VALID, found.reason
    assert (found.scheme, found.fingerprint) == ("minisign", PUBLIC)
    assert found.claimed_time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    # The id that minisign wrote above the key in its own file.
    assert minisign.read_key(PUBLIC).id in (MADE / "demo.pub").read_text().splitlines()[0]
    assert judge(signature, PUBLIC, data=DATA + b"!").result is EndorsementResult.INVALID
    assert judge(signature.replace(b"file:demo", b"file:dema"), PUBLIC).result is EndorsementResult.INVALID


def test_what_signify_made_is_refused_as_minisign_refuses_it():
    with pytest.raises(BadFrame, match="expected the four lines of a minisign signature"):
        judge((MADE / "signify.sig").read_bytes())


@pytest.mark.parametrize("prehashed", [True, False])
def test_both_kinds_by_the_specification(tmp_path, prehashed):
    signature = KEY.sign(DATA, prehashed=prehashed)
    assert judge(signature).result is EndorsementResult.VALID
    assert judge(signature.replace(b"\n", b"\r\n")).result is EndorsementResult.VALID
    found = minisign.judge(signature, stored(BlobStore(tmp_path), DATA), [minisign.read_key(KEY.public)], subject="x")
    assert found.result is EndorsementResult.VALID


def test_a_trusted_comment_that_was_changed_is_invalid_and_gives_no_time():
    found = judge(KEY.sign(DATA).replace(b"1772366400", b"1772366401"))
    assert found.result is EndorsementResult.INVALID
    assert "its trusted comment is not what 0807060504030201 signed" in found.reason
    assert found.claimed_time is None


def test_a_prehashed_signature_is_none_over_the_file_itself():
    changed = KEY.sign(DATA).splitlines()
    first = base64.b64decode(changed[1])
    changed[1] = base64.b64encode(b"Ed" + first[2:])
    assert judge(b"\n".join(changed)).result is EndorsementResult.INVALID


def test_a_key_that_is_not_pinned_is_named_by_its_id():
    found = judge(MiniKey(b"\xff" * 8).sign(DATA))
    assert (found.result, found.fingerprint) == (EndorsementResult.NO_KEY, "FF" * 8)
    assert "a key with the id FFFFFFFFFFFFFFFF, which is not pinned" in found.reason


def test_an_id_is_chosen_and_so_proves_nothing():
    twin = dataclasses.replace(KEY, secret=MiniKey().secret)
    assert judge(twin.sign(DATA)).result is EndorsementResult.INVALID
    assert judge(twin.sign(DATA), KEY.public, twin.public).result is EndorsementResult.VALID


def test_a_file_too_large_for_the_old_kind_is_not_judged(monkeypatch):
    monkeypatch.setattr(minisign, "LEGACY_LIMIT", 4)
    found = judge(KEY.sign(DATA, prehashed=False))
    assert found.result is EndorsementResult.NO_KEY
    assert "over the file itself and not a digest: expected at most 4 bytes" in found.reason
    assert judge(KEY.sign(DATA)).result is EndorsementResult.VALID


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: data + b"more\n", "the four lines"),
        (lambda data: b"\n" + data, "the four lines"),
        (lambda data: data.replace(b"trusted comment: time", b"comment: time"), "the four lines"),
        (lambda data: data.replace(b"\nRU", b"\n!U"), "expected base64"),
        (lambda data: data.replace(b"\nRU", b"\nRV"), "of kind Ed or ED, found b'E[^D]'"),
        (lambda data: data + b"\n" * 20_000, "at most 16384 bytes"),
        (lambda data: b"", "the four lines"),
    ],
)
def test_files_that_are_not_sound_are_refused(change, expected):
    with pytest.raises(BadFrame, match=expected):
        judge(change(KEY.sign(DATA)))


def test_a_comment_without_a_time_is_no_fault():
    assert judge(KEY.sign(DATA, comment="hello")).claimed_time is None
    assert judge(KEY.sign(DATA, comment="timestamp:99999999999")).claimed_time is not None


# --- the trust store ----------------------------------------------------------------------------------


def test_an_anchor_pins_whole_keys(tmp_path):
    anchor_file(tmp_path, "them", "minisign", pin("key", PUBLIC, f'id = "{minisign.read_key(PUBLIC).id}"'))
    anchor = TrustStore((tmp_path,)).anchor("them")
    assert anchor.expected == (PUBLIC,)
    found = minisign.judge((MADE / "legacy.minisig").read_bytes(), Text(DATA), anchor.minisign, subject="x")
    assert found.result is EndorsementResult.VALID


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        (pin("key", PUBLIC, 'id = "0000000000000000"'), "them.toml: anchor 'them' pins RW.* but the id of that key is"),
        (pin("key", "RWabc"), "them.toml: pins.0.key: String should match"),
        (pin("key", PUBLIC, "namespaces = []"), "pins.0.namespaces: Extra inputs"),
        (pin("fingerprint", PUBLIC), "pins.0.key: Field required"),
    ],
)
def test_faults_in_an_anchor_are_named(tmp_path, pins, expected):
    anchor_file(tmp_path, "them", "minisign", pins)
    with pytest.raises(UsageError, match=expected):
        TrustStore((tmp_path,)).anchor("them")


@pytest.mark.parametrize("text", [base64.b64encode(b"ED" + b"x" * 40).decode(), "RWab", "RW" + "!" * 54])
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(ValueError, match=r"expected a public key of minisign|expected base64"):
        minisign.read_key(text)


def test_a_key_file_has_no_place_in_an_anchor_of_minisign(tmp_path):
    anchor_file(tmp_path, "them", "minisign", pin("key", PUBLIC), b"key")
    with pytest.raises(UsageError, match=r"them\.toml: keys: Extra inputs are not permitted"):
        TrustStore((tmp_path,)).anchor("them")
