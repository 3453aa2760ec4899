"""Commits and tags that Git itself signed, with gpg and with SSH keys."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rebuilder.endorse import commits
from rebuilder.endorse.trust import TrustStore
from rebuilder.errors import UsageError
from rebuilder.model import EndorsementResult
from rebuilder.releases import Signed
from tests.unit.endorse_cases import ARCHIVE_KEY, write_anchor
from tests.unit.endorse_signers import Gpg, SshKey, anchor_file, gpg, pin

VALID, INVALID, NO_KEY = EndorsementResult.VALID, EndorsementResult.INVALID, EndorsementResult.NO_KEY
MADE = 1_772_366_400
_GPGSIG = re.compile(rb"gpgsig (.*\n(?: .*\n)*)")
_BEGIN = re.compile(rb"^-----BEGIN (?:PGP|SSH) SIGNATURE-----$", re.MULTILINE)


class Repository:
    """A repository whose commits and tags are signed by one key."""

    def __init__(self, folder: Path, *settings: str, home: Path | None = None) -> None:
        self.folder = folder
        folder.mkdir()
        self._settings = [word for one in settings for word in ("-c", one)]
        self._home = {"GNUPGHOME": str(home)} if home else {}
        self.git("init", "-q", "-b", "main")
        (folder / "file").write_text("text\n")
        self.git("add", ".")
        self.git("commit", "-q", "-S", "-m", "one")
        self.git("tag", "-s", "-m", "of today", "v1")

    def git(self, *words: str, stdin: bytes = b"") -> bytes:
        named = (("NAME", "T"), ("EMAIL", "tester@example.invalid"), ("DATE", f"{MADE} +0100"))
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in named}
        none = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "PATH": os.environ["PATH"]}
        argv = ["git", "-C", str(self.folder), *self._settings, *words]
        done = subprocess.run(argv, env={**none, **who, **self._home}, input=stdin, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def commit(self, scheme: str) -> Signed:
        """As `fetch/` takes it apart: the object without the header that holds the signature."""
        raw = self.git("cat-file", "commit", "HEAD")
        found = _GPGSIG.search(raw)
        assert found
        signature = found[1].replace(b"\n ", b"\n")
        payload = raw[: found.start()] + raw[found.end() :]
        return Signed(subject="commit 1", scheme=scheme, payload=payload, signature=signature)

    def tag(self, scheme: str) -> Signed:
        raw = self.git("cat-file", "tag", "v1")
        found = _BEGIN.search(raw)
        assert found
        signature = raw[found.start() :]
        return Signed(subject="tag v1", scheme=scheme, payload=raw[: found.start()], signature=signature)


@pytest.fixture(scope="module")
def signer():
    with gpg() as one:
        yield one


@pytest.fixture(scope="module")
def by_gpg(tmp_path_factory, signer: Gpg) -> Repository:
    folder = tmp_path_factory.mktemp("gpg") / "repository"
    return Repository(folder, f"user.signingkey={signer.fingerprint}", home=signer.home)


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> SshKey:
    return SshKey.make(tmp_path_factory.mktemp("ssh"))


@pytest.fixture(scope="module")
def by_ssh(tmp_path_factory, key: SshKey) -> Repository:
    folder = tmp_path_factory.mktemp("ssh") / "repository"
    return Repository(folder, "gpg.format=ssh", f"user.signingkey={key.path}.pub")


@pytest.fixture
def trust(tmp_path, signer: Gpg, key: SshKey) -> TrustStore:
    """Both keys, and one of an archive that made nothing here."""
    folder = tmp_path / "trust"
    anchor_file(folder, "authors", "openpgp", pin("fingerprint", signer.fingerprint), signer.certificate)
    anchor_file(folder, "authors-ssh", "ssh", pin("fingerprint", key.fingerprint), f"{key.public}\n".encode())
    write_anchor(folder, "archive", ARCHIVE_KEY)
    return TrustStore((folder,))


@pytest.mark.parametrize("what", ["commit", "tag"])
def test_git_with_gpg(by_gpg, signer, trust, what):
    signed: Signed = getattr(by_gpg, what)("openpgp")
    found = commits.judge(signed, trust)
    assert found.result is VALID, found.reason
    assert (found.scheme, found.fingerprint, found.subject) == ("openpgp", signer.fingerprint, signed.subject)
    assert "pinned by anchor authors" in found.reason
    assert commits.judge(signed, trust, anchor="authors").result is VALID
    other = commits.judge(signed, trust, anchor="archive")
    assert other.result is NO_KEY
    assert "no openpgp key that anchor 'archive' pins made it" in other.reason


@pytest.mark.parametrize("what", ["commit", "tag"])
def test_git_with_ssh(by_ssh, key, trust, what):
    signed: Signed = getattr(by_ssh, what)("ssh")
    found = commits.judge(signed, trust)
    assert found.result is VALID, found.reason
    assert (found.scheme, found.fingerprint) == ("ssh", key.fingerprint)
    assert found.claimed_time == datetime.fromtimestamp(MADE, UTC)
    assert "namespace 'git'; pinned by anchor authors-ssh" in found.reason
    other = commits.judge(signed, trust, anchor="authors")
    assert other.result is NO_KEY
    assert "no ssh key that anchor 'authors' pins made it" in other.reason


@pytest.mark.parametrize("what", ["commit", "tag"])
def test_a_changed_commit_or_tag_is_invalid(by_gpg, by_ssh, trust, what):
    for repository, scheme in ((by_gpg, "openpgp"), (by_ssh, "ssh")):
        signed: Signed = getattr(repository, what)(scheme)
        found = commits.judge(signed.model_copy(update={"payload": signed.payload + b"!"}), trust)
        assert found.result is INVALID
        assert found.claimed_time is None or scheme == "openpgp"


def test_a_signature_over_a_file_is_none_over_a_commit(by_ssh, key, trust):
    signed = by_ssh.commit("ssh")
    for_files = signed.model_copy(update={"signature": key.sign(signed.payload, namespace="file")})
    found = commits.judge(for_files, trust)
    assert found.result is INVALID
    assert "for the namespace 'file': expected 'git'" in found.reason


def test_a_key_pinned_for_files_says_nothing_of_commits(tmp_path, by_ssh, key):
    pins = pin("fingerprint", key.fingerprint, 'namespaces = ["file"]')
    anchor_file(tmp_path, "files", "ssh", pins, f"{key.public}\n".encode())
    found = commits.judge(by_ssh.commit("ssh"), TrustStore((tmp_path,)))
    assert found.result is NO_KEY
    assert "is pinned for file and not for git" in found.reason


def test_a_store_without_anchors_of_the_kind(tmp_path, by_ssh, by_gpg):
    store = TrustStore((tmp_path,))
    for signed in (by_ssh.commit("ssh"), by_gpg.tag("openpgp")):
        found = commits.judge(signed, store)
        assert found.result is NO_KEY
        assert found.fingerprint
        assert f"no {signed.scheme} key that the trust store pins made it" in found.reason


@pytest.mark.parametrize("scheme", ["openpgp", "ssh"])
def test_a_signature_that_can_not_be_read(trust, scheme):
    signed = Signed(subject="tag v1", scheme=scheme, payload=b"x", signature=b"-----BEGIN nothing")
    found = commits.judge(signed, trust)
    assert (found.result, found.scheme) == (INVALID, scheme)
    assert "the signature can't be read: expected one" in found.reason


def test_x509_is_said_to_be_unjudged(trust):
    signed = Signed(subject="tag v1", scheme="x509", payload=b"x", signature=b"-----BEGIN SIGNED MESSAGE-----")
    found = commits.judge(signed, trust)
    assert found.result is NO_KEY
    assert "an X.509 signature, which this version has no keys to judge by" in found.reason
    assert found.tool.startswith("rebuilder ")


def test_an_anchor_that_is_not_there_is_named(by_ssh, trust):
    with pytest.raises(UsageError, match="has no anchor 'author'"):
        commits.judge(by_ssh.commit("ssh"), trust, anchor="author")
