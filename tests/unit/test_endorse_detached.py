"""Signature files over files: OpenPGP as gpg makes and judges it, and each scheme told apart by its bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pysequoia
import pytest

from rebuilder.endorse import detached
from rebuilder.endorse.anchors import Anchor
from rebuilder.endorse.body import Stored, Text
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.minisign import read_key
from rebuilder.endorse.openpgp import Keyring
from rebuilder.endorse.sshkey import read
from rebuilder.endorse.sshsig import PinnedKey
from rebuilder.errors import InfrastructureError, IntegrityError
from rebuilder.model import EndorsementResult, FileDigest
from rebuilder.store.blobs import BlobStore
from tests.archive.keys import ArchiveKey
from tests.unit.endorse_cases import ARCHIVE_KEY, STRANGER
from tests.unit.endorse_signers import MiniKey, SshKey, gpg, save, stored

DATA = b"the published\r\nfile \n"
_ROOT = Path(__file__).parents[2]


def anchor_of(*keys: ArchiveKey) -> Anchor:
    certificates = b"".join(bytes(key.secret.extract_certificate()) for key in keys)
    return Anchor(name="them", kind="openpgp", keyring=Keyring(certificates))


def signature(key: ArchiveKey, data: bytes = DATA, *, armour: bool = True) -> bytes:
    return pysequoia.sign(key.secret.signer(), data, mode=pysequoia.SignatureMode.DETACHED, armor=armour)


def results(block: bytes, anchor: Anchor, data: bytes = DATA) -> list[str]:
    return [one.result.value for one in detached.judge(block, Text(data), anchor, subject="demo.asc")]


@pytest.fixture(scope="module")
def signer():
    with gpg() as one:
        yield one


# --- gpg --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--armor",), ("--textmode",), ("--armor", "--textmode")])
def test_what_gpg_made_is_judged_as_gpg_judges_it(tmp_path, signer, options):
    anchor = Anchor(name="them", kind="openpgp", keyring=Keyring(signer.certificate))
    made = signer.detach(DATA, *options)
    (tmp_path / "sig").write_bytes(made)
    blobs = BlobStore(tmp_path / "store")
    # The same text with other line ends is what a signature over text is over, too.
    for data in (DATA, DATA + b"!", DATA.replace(b"\r\n", b"\n"), DATA.replace(b" \n", b"\n")):
        (tmp_path / "file").write_bytes(data)
        for body in (Text(data), stored(blobs, data)):
            found = detached.judge(made, body, anchor, subject="demo.sig")
            expected = signer.accepts(tmp_path / "sig", tmp_path / "file")
            assert [one.result is EndorsementResult.VALID for one in found] == [expected], found
            assert found[0].fingerprint == signer.fingerprint
            assert found[0].claimed_time is not None


def test_a_message_with_its_signature_in_it_is_no_detached_one(signer):
    anchor = Anchor(name="them", kind="openpgp", keyring=Keyring(signer.certificate))
    inline = signer.run("--sign", stdin=DATA)
    with pytest.raises(BadFrame, match=r"expected only signatures|can't be read"):
        detached.judge(inline, Text(DATA), anchor, subject="x")
    with pytest.raises(BadFrame, match="found something else"):
        detached.judge(signer.run("--armor", "--sign", stdin=DATA), Text(DATA), anchor, subject="x")


# --- keys and blocks ----------------------------------------------------------------------------------


def test_several_signatures_are_judged_one_by_one():
    block = signature(STRANGER, armour=False) + signature(ARCHIVE_KEY, armour=False)
    assert results(block, anchor_of(ARCHIVE_KEY)) == ["no-key", "valid"]
    assert results(block, anchor_of(ARCHIVE_KEY), DATA + b"!") == ["no-key", "invalid"]


def test_a_signature_over_no_file_at_all_does_not_count():
    # A certification has its place on a key, and is none of a file.
    certificate = ARCHIVE_KEY.secret.extract_certificate()
    revocation = bytes(certificate.revoke(ARCHIVE_KEY.secret.certifier()))
    found = detached.judge(revocation, Text(DATA), anchor_of(ARCHIVE_KEY), subject="x")[0]
    assert found.result is EndorsementResult.INVALID
    assert "is not a signature over a file or its text" in found.reason


def test_a_revoked_key_vouches_for_nothing():
    key = ArchiveKey.generate("gone")
    certificate = key.secret.extract_certificate()
    revoked = bytes(certificate) + bytes(certificate.revoke(key.secret.certifier()))
    anchor = Anchor(name="them", kind="openpgp", keyring=Keyring(revoked))
    found = detached.judge(signature(key), Text(DATA), anchor, subject="x")[0]
    assert found.result is EndorsementResult.INVALID
    assert "a key its owner has revoked" in found.reason


def test_a_copy_of_a_key_that_is_too_old_is_not_held_against_the_signer():
    with gpg() as old:

        def at(day: str, *argv: str, stdin: bytes = b"") -> bytes:
            return old.run("--faked-system-time", f"{day}T000000!", "--passphrase", "", *argv, stdin=stdin)

        at("20200101", "--quick-generate-key", "older", "ed25519", "sign", "20210101T000000")
        rows = old.run("--with-colons", "--list-keys", "older").decode().splitlines()
        older = next(row.split(":")[9] for row in rows if row.startswith("fpr:"))
        within = at("20200601", "--local-user", older, "--detach-sign", stdin=DATA)
        expiring = old.run("--export", older)
        at("20200602", "--quick-set-expire", older, "20400101T000000")
        prolonged = old.run("--export", older)
        after = at("20220601", "--local-user", older, "--detach-sign", stdin=DATA)
    short, long = (Anchor(name="them", kind="openpgp", keyring=Keyring(one)) for one in (expiring, prolonged))
    assert (results(within, short), results(after, long)) == (["valid"], ["valid"])
    for block, anchor, expected in (
        (after, short, f"{older} had expired on 2021-01-01T00:00:00Z as far as our copy knows"),
        (within, long, f"our copy of {older} goes back to 2020-06-02T00:00:00Z only"),
    ):
        found = detached.judge(block, Text(DATA), anchor, subject="x")[0]
        assert found.result is EndorsementResult.NO_KEY
        assert expected in found.reason


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda block: b"read this first\n" + block, "found something else"),
        (lambda block: block + b"and this\n", "expected one OpenPGP signature block and nothing around it"),
        (lambda block: block + block, "expected one OpenPGP signature block and nothing around it"),
        (lambda block: block.partition(b"-----END")[0], "nothing around it"),
        (lambda block: block[: len(block) // 2], "nothing around it"),
        (lambda block: block.replace(b"SIGNATURE", b"MESSAGE"), "found something else"),
        (lambda block: block + b"\n" * 300_000, "at most 262144 bytes"),
        (lambda block: b"<html>", "expected a signature of OpenPGP, SSH or minisign, found something else"),
        (lambda block: b"", "found something else"),
        (lambda block: b"\xff\xfe\x00", "can't be read|something else"),
    ],
)
def test_a_block_with_anything_around_it_is_refused(change, expected):
    with pytest.raises(BadFrame, match=expected):
        detached.judge(change(signature(ARCHIVE_KEY)), Text(DATA), anchor_of(ARCHIVE_KEY), subject="x")


def test_binary_signatures_with_bytes_after_them_are_refused():
    with pytest.raises(BadFrame, match=r"can't be read|something else"):
        detached.judge(signature(ARCHIVE_KEY, armour=False) + b"junk", Text(DATA), anchor_of(ARCHIVE_KEY), subject="x")


# --- which scheme, which anchor ---------------------------------------------------------------------


def test_the_bytes_say_which_scheme_it_is_and_the_anchor_what_counts(tmp_path):
    ssh, mini = SshKey.make(tmp_path), MiniKey()
    made = {"openpgp": signature(ARCHIVE_KEY), "ssh": ssh.sign(DATA), "minisign": mini.sign(DATA)}
    anchors = {
        "openpgp": anchor_of(ARCHIVE_KEY),
        "ssh": Anchor(name="them", kind="ssh", ssh=(PinnedKey(key=read(ssh.blob)),)),
        "minisign": Anchor(name="them", kind="minisign", minisign=(read_key(mini.public),)),
    }
    for scheme, block in made.items():
        for kind, anchor in anchors.items():
            found = detached.judge(block, Text(DATA), anchor, subject="demo.sig")
            assert [(one.scheme, one.result) for one in found] == [
                (scheme, EndorsementResult.VALID if kind == scheme else EndorsementResult.NO_KEY)
            ]


# --- our own disk -----------------------------------------------------------------------------------


def test_a_disk_that_gives_other_bytes_is_never_held_against_the_signer(tmp_path):
    blobs = BlobStore(tmp_path)
    file = save(blobs, "demo", DATA)
    body = Stored(file, blobs)
    blobs.path(file.sha256).write_bytes(b"rotten")
    with pytest.raises(IntegrityError, match="the store holds other bytes"):
        detached.judge(signature(ARCHIVE_KEY), body, anchor_of(ARCHIVE_KEY), subject="x")


def test_a_file_that_is_not_in_the_store_is_our_own_fault(tmp_path):
    file = FileDigest(name="demo.whl", sha256=hashlib.sha256(DATA).hexdigest(), size=len(DATA))
    body = Stored(file, BlobStore(tmp_path))
    assert body.digest("sha256") == hashlib.sha256(DATA).digest()
    with pytest.raises(InfrastructureError, match=r"expected demo\.whl among the saved blobs"):
        body.digest("sha512")


def test_a_large_file_is_judged_in_bounded_memory(tmp_path):
    """In a process of its own that may have 200 MB of data: the file has more."""
    big = tmp_path / "big"
    with big.open("wb") as file:
        for _ in range(300):
            file.write(bytes(1024) * 1024)
    pysequoia.sign_file(
        ARCHIVE_KEY.secret.signer(), str(big), str(tmp_path / "sig"), mode=pysequoia.SignatureMode.DETACHED
    )
    (tmp_path / "cert").write_bytes(bytes(ARCHIVE_KEY.secret.extract_certificate()))
    code = """
import resource, sys
from pathlib import Path
from rebuilder.endorse import openpgp
folder = Path(sys.argv[1])
class Big:
    def file(self):
        return folder / "big"
resource.setrlimit(resource.RLIMIT_DATA, (200 * 1024**2, 200 * 1024**2))
keyring = openpgp.Keyring((folder / "cert").read_bytes())
print(openpgp.judge_detached((folder / "sig").read_bytes(), Big(), (keyring,))[0].result.value)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, cwd=_ROOT)
    assert done.stdout == "valid\n", done.stderr
