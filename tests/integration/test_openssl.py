"""The OpenSSL command line, which knows nothing of us, verifies the same signatures over the same encoding."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess

import pytest

from rebuilder.attest.bundle import sign_statements
from rebuilder.attest.dsse import pae, parse
from rebuilder.sign.file import FileSigner, init_keys
from tests.attest_cases import FORMATS, published_file, statements

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path):
    """A keys folder, a bundle signed with it, and the published file, as an outsider would have them."""
    init_keys(
        tmp_path / "keys",
        organisation="Example Rebuilders",
        builder_id="https://rebuilders.example/builder/v1",
        verifier_id="https://rebuilders.example/verifier/v1",
        passphrase=b"words",
    )
    signer = FileSigner(tmp_path / "keys", lambda: b"words")
    (tmp_path / "less_668-1.intoto.jsonl").write_bytes(sign_statements(statements("reproduced"), signer.sign))
    (tmp_path / "less_668-1_amd64.deb").write_bytes(published_file("reproduced"))
    for name in ("attest.pub", "verdict.pub"):
        shutil.copy(tmp_path / "keys" / name, tmp_path / name)
    return tmp_path


def openssl(folder, key):
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", "signed", "-sigfile", "sig"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_openssl_verifies_each_statement_with_the_key_of_its_role_and_no_other(folder):
    lines = (folder / "less_668-1.intoto.jsonl").read_bytes().splitlines()
    for line, right, wrong in ((lines[0], "attest.pub", "verdict.pub"), (lines[1], "verdict.pub", "attest.pub")):
        envelope = parse(line)
        (folder / "signed").write_bytes(pae(envelope.payload_type, envelope.payload))
        (folder / "sig").write_bytes(envelope.signatures[0].sig)
        assert "Signature Verified Successfully" in openssl(folder, right).stdout
        assert openssl(folder, wrong).returncode != 0
        (folder / "signed").write_bytes(pae(envelope.payload_type, envelope.payload)[:-1] + b" ")
        assert openssl(folder, right).returncode != 0


def test_the_recipe_in_the_documentation_works_as_written(folder):
    [script] = re.findall(r"```sh\n(.*?)```", (FORMATS / "dsse.md").read_text(), re.DOTALL)
    done = subprocess.run(["sh", "-e", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fingerprint, verified, digest = done.stdout.splitlines()
    assert fingerprint.split()[0] in (folder / "keys" / "pins.json").read_text()
    assert verified == "Signature Verified Successfully"
    assert digest.split()[0] == hashlib.sha256(published_file("reproduced")).hexdigest()
    assert digest.split()[0] in (folder / "payload.json").read_text()
