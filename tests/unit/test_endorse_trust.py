"""The trust store: what is pinned counts, what merely lies there does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rebuilder.endorse.trust import TrustStore, keyrings, read_file
from rebuilder.errors import UsageError
from tests.unit.endorse_cases import ARCHIVE_KEY, SECOND_KEY, STRANGER, trust_store, write_anchor

SHIPPED = Path(__file__).parents[2] / "trust"


def test_the_shipped_anchor_pins_six_primary_keys_and_holds_no_other():
    anchor = TrustStore((SHIPPED,)).anchor("debian-archive")
    assert len(anchor.pins) == 6
    for pin in anchor.pins:
        holder = anchor.keyring.holder(pin.fingerprint)
        assert holder is not None
        assert holder.fingerprint.upper() == pin.fingerprint
        assert not holder.is_revoked
        assert pin.why
    # The signing subkey of the 13/trixie archive key, as the archive's own indexes name it.
    subkey = anchor.keyring.holder("B8E5F13176D2A7A75220028078DBA3BC47EF2265")
    assert subkey is not None
    assert subkey.fingerprint.upper() == "04B54C3CDCA79751B16BC6B5225629DF75B188BD"


def test_keys_that_lie_there_unpinned_are_not_loaded(tmp_path):
    anchor = trust_store(tmp_path, "local", ARCHIVE_KEY, material=(STRANGER,)).anchor("local")
    assert anchor.keyring.holder(ARCHIVE_KEY.fingerprint)
    assert anchor.keyring.holder(STRANGER.fingerprint) is None


def test_an_unknown_anchor_is_answered_with_the_nearest(tmp_path):
    store = trust_store(tmp_path, "debian-archive", ARCHIVE_KEY)
    with pytest.raises(UsageError, match="has no anchor 'debian-archiv'; it has: debian-archive") as caught:
        store.anchor("debian-archiv")
    assert caught.value.hint == "did you mean 'debian-archive'?"


@pytest.mark.parametrize("name", ["../local", "/etc/passwd", "", "local.toml"])
def test_an_anchor_name_is_never_a_path(tmp_path, name):
    with pytest.raises(UsageError, match="the trust store has no anchor"):
        trust_store(tmp_path / "store", "local", ARCHIVE_KEY).anchor(name)


def test_the_operators_folder_comes_before_the_shipped_one(tmp_path):
    trust_store(tmp_path / "mine", "local", SECOND_KEY)
    trust_store(tmp_path / "shipped", "local", ARCHIVE_KEY)
    store = TrustStore((tmp_path / "mine", tmp_path / "shipped"))
    assert [pin.fingerprint for pin in store.anchor("local").pins] == [SECOND_KEY.fingerprint]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('kind = "openpgp"', 'kind = "x509"', "kind: Input should be 'openpgp', found 'x509'"),
        ('kind = "openpgp"', 'kind = "openpgp"\nextra = 1', "extra: Extra inputs are not permitted"),
        ('name = "local"', 'name = "other"', "expected name = 'local' as the file is called, found 'other'"),
        ('keys = "local.gpg"', 'keys = "../local.gpg"', "keys: .*plain file name"),
        ('keys = "local.gpg"', 'keys = "gone.gpg"', "gone.gpg: can't be read: No such file"),
        (f'"{ARCHIVE_KEY.fingerprint}"', f'"{ARCHIVE_KEY.fingerprint.lower()}"', "pins.0.fingerprint"),
        (f'"{ARCHIVE_KEY.fingerprint}"', f'"{STRANGER.fingerprint}"', "the file has no such primary key"),
        ('why = "test"', 'why = ""', "pins.0.why"),
        ("[[pins]]", "[[pins", "not TOML"),
    ],
)
def test_faults_in_an_anchor_are_named(tmp_path, old, new, expected):
    store = trust_store(tmp_path, "local", ARCHIVE_KEY)
    path = tmp_path / "local.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError, match=expected):
        store.anchor("local")


def test_a_signing_subkey_can_not_be_pinned_in_place_of_its_primary(tmp_path):
    store = trust_store(tmp_path, "local", ARCHIVE_KEY)
    primary = store.anchor("local").keyring
    subkey = next(name for name in primary._index if len(name) == 40 and name != ARCHIVE_KEY.fingerprint)
    path = tmp_path / "local.toml"
    path.write_text(path.read_text().replace(ARCHIVE_KEY.fingerprint, subkey))
    with pytest.raises(UsageError, match="no such primary key"):
        TrustStore((tmp_path,)).anchor("local")


def test_a_secret_key_in_a_trust_store_is_refused(tmp_path):
    write_anchor(tmp_path, "local", ARCHIVE_KEY)
    (tmp_path / "local.gpg").write_bytes(bytes(ARCHIVE_KEY.secret))
    with pytest.raises(UsageError, match="it holds a secret key"):
        TrustStore((tmp_path,)).anchor("local")


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="expected a trust store, found no folder"):
        TrustStore((tmp_path / "gone",))


def test_files_are_bounded_and_regular(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="expected a regular file"):
        read_file(tmp_path / "pipe", 10)
    (tmp_path / "big").write_bytes(b"12345678901")
    with pytest.raises(UsageError, match="expected at most 10 bytes"):
        read_file(tmp_path / "big", 10)
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(UsageError, match="junk: expected OpenPGP packets"):
        keyrings((tmp_path / "junk",))
