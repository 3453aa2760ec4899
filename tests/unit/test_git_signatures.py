"""What was signed of commits and tags, byte for byte, as gpg and ssh-keygen themselves judge it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebuilder.errors import UsageError
from rebuilder.fetch.git_signatures import commit_signatures, committed_at, tag_signatures, tag_text
from rebuilder.fetch.repositories import GitRepositories, GitRepository
from rebuilder.releases import Signed
from rebuilder.store.blobs import BlobStore
from tests.unit.test_fetch_git import ENVIRONMENT, commit, git, repository
from tests.unit.test_fetch_repositories import Lines


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with an OpenPGP key and an ssh key."""
    folder = tmp_path_factory.mktemp("keys")
    folder.chmod(0o700)
    gpg(folder, "--batch", "--passphrase", "", "--quick-gen-key", "a@b", "ed25519", "sign", "never")
    key = str(folder / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a@b", "-f", key], check=True)
    (folder / "allowed").write_text(f"a@b {(folder / 'key.pub').read_text()}")
    yield folder
    subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "all"], check=False)


def gpg(folder: Path, *arguments: str) -> None:
    subprocess.run(["gpg", "--homedir", str(folder), "--quiet", *arguments], check=True, capture_output=True)


def signed(folder: Path, home: Path, form: str, *arguments: str) -> None:
    key = {"openpgp": "a@b", "ssh": str(home / "key.pub")}[form]
    command = ["git", "-c", f"gpg.format={form}", "-c", f"user.signingKey={key}", *arguments]
    environment = ENVIRONMENT | {"GNUPGHOME": str(home), "HOME": str(home)}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr


def verifies(found: Signed, home: Path, folder: Path) -> bool:
    """What the signer's own tool says of the bytes that were handed out."""
    payload, signature = folder / "payload", folder / "signature"
    payload.write_bytes(found.payload)
    signature.write_bytes(found.signature)
    if found.scheme == "openpgp":
        command = ["gpg", "--homedir", str(home), "--verify", str(signature), str(payload)]
        return subprocess.run(command, capture_output=True).returncode == 0
    allowed = str(home / "allowed")
    command = ["ssh-keygen", "-Y", "verify", "-n", "git", "-I", "a@b", "-f", allowed, "-s", str(signature)]
    return subprocess.run(command, input=found.payload, capture_output=True).returncode == 0


def opened(tmp_path: Path, place: Path) -> GitRepository:
    state = tmp_path / "state"
    return GitRepositories(state, BlobStore(state), Lines()).open(place)


@pytest.mark.parametrize("form", ["openpgp", "ssh"])
@pytest.mark.parametrize("ids", ["sha1", "sha256"])
def test_signed_commits_and_tags(tmp_path: Path, home: Path, form: str, ids: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main", f"--object-format={ids}")
    (work / "a").write_bytes(b"1")
    git(work, "add", "a")
    message = "grün\n\n-----BEGIN PGP SIGNATURE-----\nnot one\ngpgsig not one either\n"
    signed(work, home, form, "commit", "-q", "-S", "-m", message)
    signed(work, home, form, "tag", "-s", "-m", message, "v1")
    wanted = git(work, "rev-parse", "HEAD")
    of_commit, of_tag = opened(tmp_path, work).signatures(wanted, "v1")
    assert (of_commit.subject, of_tag.subject) == (f"commit {wanted}", "tag v1")
    for found in (of_commit, of_tag):
        assert found.scheme == form
        assert verifies(found, home, tmp_path)
        assert not verifies(found.model_copy(update={"payload": found.payload + b"x"}), home, tmp_path)
    assert f"tree {git(work, 'rev-parse', 'HEAD^{tree}')}".encode() in of_commit.payload
    assert f"object {wanted}\ntype commit\ntag v1\n".encode() in of_tag.payload
    assert opened(tmp_path, work).signatures(wanted) == (of_commit,)


def test_a_merge_of_a_signed_tag_keeps_it_in_what_is_signed(tmp_path: Path, home: Path) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    git(work, "checkout", "-q", "-b", "side")
    commit(work, {"b": b"2"})
    signed(work, home, "openpgp", "tag", "-s", "-m", "x", "side-1")
    git(work, "checkout", "-q", "main")
    signed(work, home, "ssh", "merge", "-q", "--no-ff", "-S", "-m", "merged", "side-1")
    wanted = git(work, "rev-parse", "HEAD")
    (found,) = opened(tmp_path, work).signatures(wanted)
    assert (found.scheme, verifies(found, home, tmp_path)) == ("ssh", True)
    assert b"\nmergetag object " in found.payload
    assert b"BEGIN PGP SIGNATURE" in found.payload


def test_nothing_is_signed_of_plain_commits_and_tags(tmp_path: Path) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    git(work, "tag", "plain")
    git(work, "tag", "-a", "-m", "x", "annotated")
    for tag in ("", "plain", "annotated"):
        assert opened(tmp_path, work).signatures(git(work, "rev-parse", "HEAD"), tag) == ()


def test_a_tag_that_moved_is_said(tmp_path: Path, home: Path) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    first = git(work, "rev-parse", "HEAD")
    signed(work, home, "ssh", "tag", "-s", "-m", "x", "v1")
    second = git(commit(work, {"b": b""}), "rev-parse", "HEAD")
    with pytest.raises(UsageError, match=f"tag 'v1' to lead to commit {second}; it leads to {first}") as caught:
        opened(tmp_path, work).signatures(second, "v1")
    assert "moved after a release" in caught.value.hint
    git(work, "tag", "tree", "HEAD^{tree}")
    for name in ("v2", "v1^{}", "*", "tree", "../heads/main"):
        with pytest.raises(UsageError, match="there is none that leads to a commit"):
            opened(tmp_path, work).signatures(first, name)


def test_a_signed_tag_under_another_name_counts_for_nothing(tmp_path: Path, home: Path) -> None:
    """Whoever can write names, but has no key, can give the signed tag of one release the name of another."""
    work = repository(tmp_path / "work", {"a": b"1"})
    wanted = git(work, "rev-parse", "HEAD")
    signed(work, home, "ssh", "tag", "-s", "-m", "x", "v1")
    git(work, "update-ref", "refs/tags/v2", "refs/tags/v1")
    assert len(opened(tmp_path, work).signatures(wanted, "v1")) == 1
    assert opened(tmp_path, work).signatures(wanted, "v2") == ()


def test_a_tag_of_a_tag_leads_to_the_commit_too(tmp_path: Path, home: Path) -> None:
    work = repository(tmp_path / "work", {"a": b"1"})
    git(work, "tag", "-a", "-m", "x", "inner")
    signed(work, home, "openpgp", "-c", "advice.nestedTag=false", "tag", "-s", "-m", "x", "outer", "inner")
    (found,) = opened(tmp_path, work).signatures(git(work, "rev-parse", "HEAD"), "outer")
    assert verifies(found, home, tmp_path)


# --- texts made by hand ---------------------------------------------------------------------------------------------

ID = "1" * 40
HEAD = b"tree 0\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 2 +0000\n"
SSH = b"-----BEGIN SSH SIGNATURE-----"


def test_headers_are_cut_out_and_nothing_else() -> None:
    text = HEAD + b"gpgsig " + SSH + b"\n a\n \n b\nencoding latin1\ngpgsig-sha256 other\n c\n\nbody\ngpgsig x\n"
    (found,) = commit_signatures(ID, text)
    assert found.payload == HEAD + b"encoding latin1\n\nbody\ngpgsig x\n"
    assert found.signature == SSH + b"\na\n\nb\n"
    (other,) = commit_signatures("1" * 64, text.replace(b"other", b"-----BEGIN SIGNED MESSAGE-----"))
    assert (other.scheme, other.signature) == ("x509", b"-----BEGIN SIGNED MESSAGE-----\nc\n")
    assert other.payload == found.payload


def test_many_or_strange_signatures_stay_bounded() -> None:
    many = b"".join(b"gpgsig " + SSH + b"%d\n" % number for number in range(1000))
    assert len(commit_signatures(ID, HEAD + many + b"\nx")) == 4
    for header in (b"gpgsig\n", b"gpgsig \n x\n", b"gpgsig unknown\n", b" x\n", b"gpgsigx " + SSH + b"\n"):
        assert commit_signatures(ID, HEAD + header + b"\nx") == ()
    assert commit_signatures(ID, b"") == commit_signatures(ID, b"\n\n") == ()


def test_of_a_tag_the_last_line_that_looks_like_a_signature_begins_it() -> None:
    text = b"object 0\ntype commit\ntag v1\ntagger A <a@b> 3 +0000\n\nx\n" + SSH + b"\nquoted\r" + SSH + b"\n"
    assert tag_signatures("v1", text)[0].payload.endswith(b"\n\nx\n")
    (found,) = tag_signatures("v1", text + b"-----BEGIN PGP MESSAGE-----\nreal\n")
    assert (found.scheme, found.signature) == ("openpgp", b"-----BEGIN PGP MESSAGE-----\nreal\n")
    assert found.payload == text
    assert tag_signatures("v1", b" " + SSH) == ()


def test_what_texts_say_of_themselves() -> None:
    text = b"object 0\nobject 1\ntype commit\ntag \xff\ntagger A <a@b> 3 +0000\n\ntag other\n"
    found = tag_text(text)
    assert (found.target, found.kind, found.name, found.time) == ("0", "commit", "\\xff", 3)
    assert (tag_text(b"").time, tag_text(os.urandom(1000)).time) == (None, None)
    assert committed_at(b"committer A > <> 5 +0000\n\ncommitter A <> 6 +0000") == 5
    assert committed_at(b"tree 0\n\ncommitter A <> 6 +0000") == 0
