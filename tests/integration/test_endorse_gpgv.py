"""Our verdict on signatures against that of gpgv, an independent program, on the same files.

gpgv's exit status misleads (an unknown key beside a valid one is 2, a revoked key is 0), so its status lines
are read. It judges keys as of today and says so with EXPKEYSIG; we judge them as of the signature.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pysequoia
import pytest
from pysequoia.packet import PacketPile

from rebuilder.endorse.clearsign import BadFrame, NotClearSigned, split
from rebuilder.endorse.debian import DebianEndorser
from rebuilder.endorse.openpgp import Keyring, judge
from rebuilder.endorse.trust import TrustStore
from rebuilder.model import EndorsementResult
from tests.archive.keys import ArchiveKey
from tests.unit.endorse_cases import ARCHIVE_KEY, STRANGER, Saved, clear_signed

pytestmark = pytest.mark.integration

TEXT = b"Suite: x\n- dashed\nFrom here  \n\nlast"


@dataclass(frozen=True)
class GnuPG:
    """A GnuPG home that lives as long as a test; times are faked, so nothing waits."""

    home: Path

    def __call__(self, *arguments: str, stdin: bytes = b"") -> bytes:
        fixed = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--pinentry-mode=loopback", "--passphrase="]
        return subprocess.run([*fixed, *arguments], input=stdin, check=True, capture_output=True).stdout

    def at(self, when: str, *arguments: str, stdin: bytes = b"") -> bytes:
        return self("--faked-system-time", f"{when}T000000!", *arguments, stdin=stdin)


@pytest.fixture
def gnupg() -> Iterator[GnuPG]:
    # Not below tmp_path: the agent's socket must not have a long path.
    home = Path(tempfile.mkdtemp(prefix="gnupg-"))
    try:
        yield GnuPG(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home)


def gpgv(folder: Path, message: bytes, keyring: bytes) -> tuple[list[str], bytes]:
    """What gpgv says of each signature, in our words, and the text it gives out."""
    (folder / "keys.gpg").write_bytes(keyring)
    (folder / "message").write_bytes(message)
    output = folder / "text"
    output.unlink(missing_ok=True)
    arguments = ["gpgv", "--status-fd", "1", "--keyring", str(folder / "keys.gpg"), "--output", str(output)]
    run = subprocess.run([*arguments, str(folder / "message")], check=False, capture_output=True)
    found: list[str] = []
    expired_at = 0
    for line in run.stdout.split(b"[GNUPG:] ")[1:]:
        word, *rest = line.decode("ascii", "replace").split()
        if word == "KEYEXPIRED":
            expired_at = int(rest[0])
        elif word in {"GOODSIG", "BADSIG", "ERRSIG", "REVKEYSIG"}:
            found.append({"GOODSIG": "valid", "BADSIG": "invalid", "ERRSIG": "no-key", "REVKEYSIG": "invalid"}[word])
        elif word == "VALIDSIG" and expired_at:
            found.append("valid" if int(rest[2]) < expired_at else "invalid")
            expired_at = 0
    return found, output.read_bytes() if output.exists() else b""


def ours(message: bytes, keyring: bytes) -> list[str]:
    try:
        return [one.result.value for one in judge(split(message), (Keyring(keyring),))]
    except (BadFrame, NotClearSigned):
        return []


def public(*keys: ArchiveKey) -> bytes:
    return b"".join(bytes(key.secret.extract_certificate()) for key in keys)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (clear_signed(TEXT, ARCHIVE_KEY), ["valid"]),
        (clear_signed(TEXT, ARCHIVE_KEY).replace(b"\n", b"\r\n"), ["valid"]),
        (clear_signed(TEXT, ARCHIVE_KEY).replace(b"last", b"lost"), ["invalid"]),
        (clear_signed(TEXT, ARCHIVE_KEY).replace(b"last", b"last  \t"), ["valid"]),
        (clear_signed(TEXT, STRANGER), ["no-key"]),
        (clear_signed(TEXT, STRANGER, ARCHIVE_KEY), ["no-key", "valid"]),
        (clear_signed(TEXT, ARCHIVE_KEY, STRANGER).replace(b"last", b"lost"), ["invalid", "no-key"]),
    ],
    ids=["good", "crlf", "one-byte", "trailing-blanks", "other-key", "mixed", "mixed-one-byte"],
)
def test_the_same_verdict_and_the_same_text(tmp_path, message, expected):
    theirs, text = gpgv(tmp_path, message, public(ARCHIVE_KEY))
    # gpgv stops at the first signature that is bad; we judge all of them.
    assert theirs
    assert theirs == expected[: len(theirs)]
    assert len(theirs) == len(expected) or theirs[-1] == "invalid"
    assert ours(message, public(ARCHIVE_KEY)) == expected
    if expected == ["valid"] and b"\r" not in message:
        stripped = b"\n".join(line.rstrip() for line in text.split(b"\n"))
        assert stripped.removesuffix(b"\n") == split(message).text


@pytest.mark.parametrize(
    "message",
    [
        clear_signed(TEXT, ARCHIVE_KEY) + clear_signed(b"Suite: y", ARCHIVE_KEY),
        clear_signed(TEXT, ARCHIVE_KEY) + clear_signed(b"Suite: y", STRANGER),
        b"Suite: evil\n\n" + clear_signed(TEXT, ARCHIVE_KEY),
        clear_signed(TEXT, ARCHIVE_KEY) + b"Suite: evil\n",
    ],
    ids=["two-messages", "two-messages-other-key", "text-before", "text-after"],
)
def test_where_gpgv_looks_past_unsigned_text_we_refuse_the_whole(tmp_path, message):
    theirs, text = gpgv(tmp_path, message, public(ARCHIVE_KEY))
    assert theirs == ["valid"]
    assert b"evil" not in text
    assert b"Suite: y" not in text
    with pytest.raises(BadFrame, match=r"found text (before|after) the sign"):
        split(message)


def test_keys_are_judged_as_of_the_signature(tmp_path, gnupg):
    gnupg.at("20200101", "--quick-gen-key", "a@archive.invalid", "ed25519", "sign", "20210101T000000")
    fingerprint = next(iter(gnupg("--list-keys", "--with-colons").decode().split("\nfpr:")[1:])).split(":")[8]
    expiring = gnupg("--export")
    within = gnupg.at("20200601", "--clear-sign", stdin=TEXT)
    gnupg.at("20200601", "--quick-set-expire", fingerprint, "20400101T000000")
    prolonged = gnupg("--export")
    after = gnupg.at("20220601", "--clear-sign", stdin=TEXT)
    revocation = (gnupg.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_bytes()
    gnupg("--import", stdin=revocation.replace(b"\n:-----BEGIN", b"\n-----BEGIN"))
    revoked = gnupg("--export")
    for message, keyring, expected in (
        (within, expiring, "valid"),
        (after, expiring, "invalid"),
        (after, prolonged, "valid"),
        (within, revoked, "invalid"),
    ):
        assert gpgv(tmp_path, message, keyring)[0] == [expected]
        assert ours(message, keyring) == [expected]
    late = judge(split(after), (Keyring(expiring),))[0]
    assert late.key_unusable
    assert f"{fingerprint} had expired on 2021-01-01T00:00:00Z" in late.reason


def test_a_superseded_key_still_vouches_for_what_it_signed_before(gnupg):
    gnupg.at("20200101", "--quick-gen-key", "a@archive.invalid", "ed25519", "sign", "never")
    before = gnupg.at("20200601", "--clear-sign", stdin=TEXT)
    after = gnupg.at("20220601", "--clear-sign", stdin=TEXT)
    superseded = b"y\n2\n\ny\n"
    arguments = ["gpg", "--homedir", str(gnupg.home), "--no-tty", "--pinentry-mode=loopback", "--passphrase="]
    arguments += ["--faked-system-time", "20210101T000000!", "--command-fd", "0", "--gen-revoke", "a@archive.invalid"]
    revocation = subprocess.run(arguments, input=superseded, check=True, capture_output=True).stdout
    gnupg("--import", stdin=revocation)
    keyring = gnupg("--export")
    assert (ours(before, keyring), ours(after, keyring)) == (["valid"], ["invalid"])


def test_a_trimmed_keyring_is_not_taken_for_a_bad_signature(tmp_path, gnupg):
    gnupg.at("20200101", "--quick-gen-key", "a@archive.invalid", "ed25519", "sign", "20300101T000000")
    fingerprint = next(iter(gnupg("--list-keys", "--with-colons").decode().split("\nfpr:")[1:])).split(":")[8]
    message = gnupg.at("20200601", "--clear-sign", stdin=TEXT)
    whole = gnupg("--export")
    gnupg.at("20220601", "--quick-set-expire", fingerprint, "20400101T000000")
    trimmed = gnupg("--export-options", "export-minimal", "--export")
    assert ours(message, whole) == ["valid"]
    assert gpgv(tmp_path, message, trimmed)[0] == ["valid"]
    found = judge(split(message), (Keyring(trimmed),))[0]
    assert found.key_unusable
    assert f"our copy of {fingerprint} goes back to 2022-06-01T00:00:00Z only" in found.reason
    (tmp_path / "maintainers.gpg").write_bytes(trimmed)
    endorser = DebianEndorser(TrustStore(()), Saved(), keyrings=(tmp_path / "maintainers.gpg",))
    assert endorser.signed_text(message, subject="x.dsc")[1].result is EndorsementResult.NO_KEY


def test_signatures_of_gnupg_itself_hold_for_us_too(tmp_path, gnupg):
    for number, kind in enumerate(("rsa3072", "nistp256", "ed25519")):
        gnupg("--quick-gen-key", f"k{number}@archive.invalid", kind, "sign", "never")
    keyring = gnupg("--export")
    users = [word for number in range(3) for word in ("--local-user", f"k{number}@archive.invalid")]
    message = gnupg(*users, "--clear-sign", stdin=TEXT)
    assert gpgv(tmp_path, message, keyring)[0] == ["valid"] * 3
    assert ours(message, keyring) == ["valid"] * 3
    assert len(list(PacketPile.from_bytes(split(message).armour))) == 3
    assert pysequoia.verify(bytes=message, store=lambda _ids: pysequoia.Cert.split_bytes(keyring)).bytes
