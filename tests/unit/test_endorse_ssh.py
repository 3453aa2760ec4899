"""SSH signatures: those of ssh-keygen hold, and nothing that differs from them in a byte does."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from rebuilder.endorse import sshkey, sshkeys, sshsig
from rebuilder.endorse.body import Text
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.debian import DebianEndorser
from rebuilder.endorse.sshsig import PinnedKey
from rebuilder.endorse.sshwire import string
from rebuilder.endorse.trust import TrustStore
from rebuilder.errors import UsageError
from rebuilder.model import EndorsementResult, SignatureCheck
from rebuilder.store.blobs import BlobStore
from tests.unit.endorse_cases import ARCHIVE_KEY, Saved, clear_signed, write_anchor
from tests.unit.endorse_signers import QUIET, SshKey, anchor_file, pin, stored

DATA = b"the published file\n"
KINDS = [("ed25519", 0), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048), ("rsa", 3072)]


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> SshKey:
    return SshKey.make(tmp_path_factory.mktemp("ssh"))


def judge(armour: bytes, *keys: PinnedKey, data: bytes = DATA, namespace: str = "file") -> SignatureCheck:
    return sshsig.judge(armour, Text(data), keys, namespace=namespace, subject="demo.sig")


def pinned(blob: bytes, *namespaces: str) -> PinnedKey:
    return PinnedKey(key=sshkey.read(blob), namespaces=namespaces)


def armour(blob: bytes) -> bytes:
    return b"-----BEGIN SSH SIGNATURE-----\n" + base64.b64encode(blob) + b"\n-----END SSH SIGNATURE-----\n"


def blob_of(signature: bytes) -> bytes:
    return base64.b64decode(b"".join(signature.splitlines()[1:-1]))


def wrapped(key: bytes, signature: bytes, *, namespace: bytes = b"file", hash_name: bytes = b"sha512") -> bytes:
    fields = (key, namespace, b"", hash_name, signature)
    return armour(b"SSHSIG" + (1).to_bytes(4) + b"".join(map(string, fields)))


def to_sign(data: bytes = DATA, hash_name: str = "sha512") -> bytes:
    fields = (b"file", b"", hash_name.encode(), hashlib.new(hash_name, data).digest())
    return b"SSHSIG" + b"".join(map(string, fields))


# --- what ssh-keygen makes --------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "bits"), KINDS)
@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_every_kind_of_key_that_needs_no_hardware(tmp_path, kind, bits, hash_name):
    key = SshKey.make(tmp_path, kind, bits)
    signature = key.sign(DATA, hash_name=hash_name)
    found = judge(signature, pinned(key.blob))
    assert found.result is EndorsementResult.VALID, found.reason
    assert found.fingerprint == key.fingerprint
    assert (found.scheme, found.claimed_time) == ("ssh", None)
    bad = judge(signature, pinned(key.blob), data=DATA + b"!")
    assert bad.result is EndorsementResult.INVALID
    assert "they are not what that key signed" in bad.reason


def test_a_blob_of_any_size_is_hashed_where_it_lies(tmp_path, key):
    body = stored(BlobStore(tmp_path), DATA)
    for hash_name in ("sha256", "sha512"):
        signature = key.sign(DATA, hash_name=hash_name)
        found = sshsig.judge(signature, body, [pinned(key.blob)], namespace="file", subject="x")
        assert found.result is EndorsementResult.VALID


def test_a_key_that_is_not_pinned_is_named(tmp_path, key):
    stranger = SshKey.make(tmp_path)
    found = judge(stranger.sign(DATA), pinned(key.blob))
    assert found.result is EndorsementResult.NO_KEY
    assert found.fingerprint == stranger.fingerprint
    assert "which is not pinned" in found.reason


def test_a_signature_for_another_purpose_is_not_valid(key):
    found = judge(key.sign(DATA, namespace="git"), pinned(key.blob))
    assert found.result is EndorsementResult.INVALID
    assert "for the namespace 'git': expected 'file'" in found.reason
    renamed = blob_of(key.sign(DATA, namespace="gite")).replace(b"\x04gite", b"\x04file")
    assert judge(armour(renamed), pinned(key.blob)).result is EndorsementResult.INVALID


def test_a_key_counts_only_for_what_it_is_pinned_for(key):
    signature = key.sign(DATA)
    found = judge(signature, pinned(key.blob, "git"))
    assert found.result is EndorsementResult.NO_KEY
    assert "is pinned for git and not for file" in found.reason
    assert judge(signature, pinned(key.blob, "git"), pinned(key.blob, "file")).result is EndorsementResult.VALID


def test_ssh_keygen_agrees_on_good_and_bad(tmp_path, key):
    (tmp_path / "allowed").write_text(f"tester {key.public}\n")
    for signature in (key.sign(DATA), key.sign(DATA + b"!"), key.sign(DATA, namespace="git")):
        (tmp_path / "sig").write_bytes(signature)
        argv = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "tester", "-n", "file", "-s", "sig"]
        done = subprocess.run(argv, cwd=tmp_path, env=QUIET, input=DATA, capture_output=True)
        ours = judge(signature, pinned(key.blob)).result
        assert (done.returncode == 0) == (ours is EndorsementResult.VALID)


# --- security keys, by the specification --------------------------------------------------------------


def sk_ed25519(flags: int, application: bytes = b"ssh:") -> tuple[bytes, bytes]:
    secret, kind = Ed25519PrivateKey.generate(), b"sk-ssh-ed25519@openssh.com"
    blob = string(kind) + string(secret.public_key().public_bytes_raw()) + string(application)
    tail = bytes([flags]) + (7).to_bytes(4)
    signed = hashlib.sha256(application).digest() + tail + hashlib.sha256(to_sign()).digest()
    return blob, string(kind) + string(secret.sign(signed)) + tail


def sk_ecdsa(flags: int) -> tuple[bytes, bytes]:
    secret, kind = ec.generate_private_key(ec.SECP256R1()), b"sk-ecdsa-sha2-nistp256@openssh.com"
    point = secret.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    blob = string(kind) + string(b"nistp256") + string(point) + string(b"ssh:")
    tail = bytes([flags]) + (7).to_bytes(4)
    signed = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(to_sign()).digest()
    pair = decode_dss_signature(secret.sign(signed, ec.ECDSA(hashes.SHA256())))
    numbers = b"".join(string(one.to_bytes(one.bit_length() // 8 + 1)) for one in pair)
    return blob, string(kind) + string(numbers) + tail


@pytest.mark.parametrize("make", [sk_ed25519, sk_ecdsa])
def test_security_keys(make, tmp_path):
    blob, signature = make(0x01)
    assert judge(wrapped(blob, signature), pinned(blob)).result is EndorsementResult.VALID
    assert judge(wrapped(blob, signature), pinned(blob), data=b"other").result is EndorsementResult.INVALID
    other_counter = signature[:-1] + b"\x08"
    assert judge(wrapped(blob, other_counter), pinned(blob)).result is EndorsementResult.INVALID
    # ssh-keygen reads what is made here as we do.
    (tmp_path / "sig").write_bytes(wrapped(blob, signature))
    done = subprocess.run(
        ["ssh-keygen", "-Y", "check-novalidate", "-n", "file", "-s", tmp_path / "sig"],
        env=QUIET, input=DATA, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("make", [sk_ed25519, sk_ecdsa])
def test_a_security_key_that_nobody_touched_does_not_count(make):
    blob, signature = make(0x00)
    found = judge(wrapped(blob, signature), pinned(blob))
    assert found.result is EndorsementResult.INVALID
    assert "without anybody touching" in found.reason


def test_a_security_key_for_another_application_is_another_key():
    blob, signature = sk_ed25519(1)
    other = blob[: -len(string(b"ssh:"))] + string(b"ssh:x")
    assert judge(wrapped(other, signature), pinned(other)).result is EndorsementResult.INVALID


# --- weak and malformed ------------------------------------------------------------------------------


def rsa_blob(bits: int, exponent: int = 65537) -> tuple[bytes, rsa.RSAPrivateKey]:
    secret = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    modulus = secret.public_key().public_numbers().n
    number = [string(one.to_bytes(one.bit_length() // 8 + 1)) for one in (exponent, modulus)]
    return string(b"ssh-rsa") + b"".join(number), secret


def test_rsa_with_sha1_does_not_count():
    blob, secret = rsa_blob(2048)
    weak = string(b"ssh-rsa") + string(secret.sign(to_sign(), padding.PKCS1v15(), hashes.SHA1()))
    found = judge(wrapped(blob, weak), pinned(blob))
    assert found.result is EndorsementResult.INVALID
    assert "only rsa-sha2-256 and rsa-sha2-512 count" in found.reason
    strong = string(b"rsa-sha2-256") + string(secret.sign(to_sign(), padding.PKCS1v15(), hashes.SHA256()))
    assert judge(wrapped(blob, strong), pinned(blob)).result is EndorsementResult.VALID


def test_short_rsa_keys_can_not_be_pinned():
    with pytest.raises(BadFrame, match="RSA keys of 1024 bits do not count"):
        sshkey.read(rsa_blob(1024)[0])
    with pytest.raises(BadFrame, match="is no RSA key"):
        sshkey.read(rsa_blob(2048, exponent=4)[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda blob: blob + b"\0", "expected nothing more at byte"),
        (lambda blob: blob[:-1], "is cut short"),
        (lambda blob: b"SSHSIX" + blob[6:], "does not begin with SSHSIG"),
        (lambda blob: blob[:9] + b"\x02" + blob[10:], "expected an SSH signature of version 1, found version 2"),
        (lambda blob: blob[:10] + b"\xff" * 4 + blob[14:], "found one that claims 4294967295"),
        (lambda blob: blob.replace(b"\x06sha512", b"\x06sha384"), "over a sha256 or sha512, found 'sha384'"),
        (lambda blob: blob.replace(b"\x04file", b"\x04fi\x1be"), "expected a short name in plain ASCII"),
        (lambda blob: blob.replace(b"\x04file\0\0\0\0", b"\x04file\0\0\0\x01x"), "has 1 reserved bytes"),
    ],
)
def test_a_blob_that_is_not_sound_is_refused(key, change, expected):
    with pytest.raises(BadFrame, match=expected):
        judge(armour(change(blob_of(key.sign(DATA)))), pinned(key.blob))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: b"x\n" + text, "nothing around it"),
        (lambda text: text + b"x\n", "nothing around it"),
        (lambda text: text + text, "expected base64"),
        (lambda text: text.replace(b"\n-----END", b"=\n-----END"), "expected base64"),
        (lambda text: text.partition(b"\n")[0], "nothing around it"),
        (lambda text: text + b"\n" * 70_000, "at most 65536 bytes"),
        (lambda text: b"", "nothing around it"),
    ],
)
def test_armour_with_anything_around_or_in_it_is_refused(key, change, expected):
    with pytest.raises(BadFrame, match=expected):
        judge(change(key.sign(DATA)), pinned(key.blob))


def test_line_ends_of_another_system_are_no_fault(key):
    assert judge(key.sign(DATA).replace(b"\n", b"\r\n"), pinned(key.blob)).result is EndorsementResult.VALID


def test_a_signature_inside_with_bytes_after_it_is_refused(key):
    found = sshsig.parse(key.sign(DATA))
    with pytest.raises(BadFrame, match="the signature: expected nothing more"):
        judge(wrapped(found.key, found.signature + b"\0"), pinned(key.blob))


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        (string(b"ssh-dss") + b"x", "keys of type 'ssh-dss' do not count"),
        (string(b"ssh-ed25519-cert-v01@openssh.com"), "do not count"),
        (string(b"ssh-ed25519") + string(b"x" * 31), "expected 32 bytes, found 31"),
        (string(b"ssh-ed25519") + string(b"x" * 32) + b"!", "expected nothing more"),
        (string(b"ecdsa-sha2-nistp256") + string(b"nistp384"), "expected the curve of ecdsa-sha2-nistp256"),
        (string(b"nistp256") + string(b"nistp256"), "expected the curve of nistp256"),
        (string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x04" + b"\1" * 64), "an uncompressed point"),
        (string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x02" + b"\1" * 32), "an uncompressed point"),
        (string(b"ssh-rsa") + string(b"\0\0\x03"), "without needless zeros"),
        (string(b"ssh-rsa") + string(b"\x80"), "a positive number"),
        (b"", "cut short"),
    ],
)
def test_malformed_keys_are_refused(blob, expected):
    with pytest.raises(BadFrame, match=expected):
        sshkey.read(blob)


# --- the trust store ---------------------------------------------------------------------------------


def store(folder: Path, pins: str, keys: str) -> TrustStore:
    anchor_file(folder, "them", "ssh", pins, keys.encode())
    return TrustStore((folder,))


def test_an_anchor_of_ssh_keys_holds_the_pinned_ones_alone(tmp_path, key):
    other = SshKey.make(tmp_path / "other")
    lines = f'# keys\n\ntester@example.invalid namespaces="git,file" {key.public}\n{other.public}\n'
    anchor = store(tmp_path / "trust", pin("fingerprint", key.fingerprint), lines).anchor("them")
    assert anchor.expected == (key.fingerprint,)
    assert judge(key.sign(DATA), *anchor.ssh).result is EndorsementResult.VALID
    assert judge(other.sign(DATA), *anchor.ssh).result is EndorsementResult.NO_KEY


@pytest.mark.parametrize(
    ("line", "more", "expected"),
    [
        ("tester {}", "", ()),
        ("{}", 'namespaces = ["git"]', ("git",)),
        ('tester namespaces="file" {}', "", ("file",)),
        ('namespaces="file" {}', "", ("file",)),
        ('tester namespaces="git,file" {}', 'namespaces = ["git"]', ("git",)),
    ],
)
def test_a_key_counts_for_no_more_than_its_pin_and_its_line_say(tmp_path, key, line, more, expected):
    pins = pin("fingerprint", key.fingerprint, more)
    anchor = store(tmp_path, pins, line.format(key.public)).anchor("them")
    assert [one.namespaces for one in anchor.ssh] == [expected]


@pytest.mark.parametrize(
    ("pins", "keys", "expected"),
    [
        (("fingerprint", "SHA256:" + "A" * 43), "{key}", "them.keys: anchor 'them' pins SHA256:A+, but .* no such key"),
        (("fingerprint", "MD5:aa"), "{key}", r"them.toml: pins.0.fingerprint: String should match"),
        (("fingerprint", "{name}", "names = 1"), "{key}", r"pins.0.names: Extra inputs are not permitted"),
        (("fingerprint", "{name}", 'namespaces = ["gti"]'), "{key}", r"pins.0.namespaces.0: .*'git' or 'file'"),
        (("fingerprint", "{name}"), "nonsense", "them.keys: line 1: expected an SSH public key"),
        (("fingerprint", "{name}"), "ssh-ed25519 AAAA!", "them.keys: line 1: expected base64"),
        (("fingerprint", "{name}"), "ssh-rsa {blob}", "says ssh-rsa, and the key in it is ssh-ed25519"),
        (("fingerprint", "{name}"), "a cert-authority {key}", "the option 'cert-authority' can't be honoured"),
        (("fingerprint", "{name}"), "cert-authority {key}", "the option 'cert-authority' can't be honoured"),
        (("fingerprint", "{name}"), 'a valid-before="20300101",namespaces="git" {key}', "'valid-before=\"20300101\"'"),
        (("fingerprint", "{name}"), 'a namespaces="*" {key}', "can't be honoured"),
        (("fingerprint", "{name}", 'namespaces = ["git"]'), 'a namespaces="file" {key}', "for file only"),
        (("fingerprint", "{name}"), "-----BEGIN OPENSSH PRIVATE KEY-----", "it holds a private key"),
    ],
)
def test_faults_in_an_anchor_name_the_file_and_the_key(tmp_path, key, pins, keys, expected):
    words = {"key": key.public, "name": key.fingerprint, "blob": key.public.split()[1]}
    made = pin(*(word.format(**words) for word in pins))
    with pytest.raises(UsageError, match=expected):
        store(tmp_path, made, keys.format(**words)).anchor("them")


def test_a_short_rsa_key_is_refused_where_it_is_pinned(tmp_path):
    blob, _ = rsa_blob(1024)
    line = f"ssh-rsa {base64.b64encode(blob).decode()}"
    with pytest.raises(UsageError, match=r"that key can't count: RSA keys of 1024 bits do not count"):
        store(tmp_path, pin("fingerprint", sshkey.fingerprint(blob)), line).anchor("them")


def test_what_is_not_text_is_no_key_file():
    with pytest.raises(ValueError, match="expected text, found byte 0xff at byte 0"):
        sshkeys.read(b"\xff")


# --- anchors of v1 and v2 ------------------------------------------------------------------------------


def test_v2_says_of_openpgp_what_v1_says(tmp_path):
    write_anchor(tmp_path, "first", ARCHIVE_KEY)
    certificate = bytes(ARCHIVE_KEY.secret.extract_certificate())
    anchor_file(tmp_path, "second", "openpgp", pin("fingerprint", ARCHIVE_KEY.fingerprint), certificate)
    first, second = (TrustStore((tmp_path,)).openpgp(name) for name in ("first", "second"))
    assert first.pins == second.pins
    assert first.expected == second.expected == (ARCHIVE_KEY.fingerprint,)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('kind = "ssh"', 'kind = "x509"', "kind: expected 'openpgp', 'ssh' or 'minisign', found 'x509'"),
        ('kind = "ssh"', "", "kind: expected 'openpgp', 'ssh' or 'minisign', found None"),
        ('kind = "ssh"', "kind = []", r"kind: expected .*, found \[\]"),
        ("anchor/v2", "anchor/v1", "kind: Input should be 'openpgp', found 'ssh'"),
        ("anchor/v2", "anchor/v3", "format: Input should be 'rebuilder/trust-anchor/v1'"),
        ('kind = "ssh"', 'kind = "ssh"\nkey = 1', "key: Extra inputs are not permitted"),
    ],
)
def test_formats_and_kinds_that_are_not_known(tmp_path, key, old, new, expected):
    path = anchor_file(tmp_path, "them", "ssh", pin("fingerprint", key.fingerprint), key.public.encode())
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError, match=f"them.toml: {expected}"):
        TrustStore((tmp_path,)).anchor("them")


def test_an_archive_can_not_be_endorsed_by_ssh_keys(tmp_path, key):
    anchor_file(tmp_path, "them", "ssh", pin("fingerprint", key.fingerprint), key.public.encode())
    endorser = DebianEndorser(TrustStore((tmp_path,)), Saved())
    message = clear_signed(b"Suite: x", ARCHIVE_KEY)
    with pytest.raises(UsageError, match="anchor 'them' pins ssh keys; expected one that pins OpenPGP keys"):
        endorser.release(message, anchor="them", subject="InRelease")
    with pytest.raises(UsageError, match="pins ssh keys"):
        endorser.signed_text(message, subject="x.buildinfo", anchor="them")
