"""Repositories of a Git server: fetched once, brought up to date, bounded, and never from where nobody declared."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebuilder.errors import Stopped, UsageError
from rebuilder.fetch import git_remote
from rebuilder.fetch.repositories import GitRepositories
from rebuilder.model import Verdict
from rebuilder.store.blobs import BlobStore
from tests.integration.git_server import GitServer, git_server
from tests.unit.test_fetch_git import ENVIRONMENT, by_hand, commit, found, git, line, repository, write
from tests.unit.test_fetch_repositories import Lines, at, head, module, modules

pytestmark = pytest.mark.integration


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = repository(tmp_path / "srv" / "team" / "work", {"a.txt": b"a\n", "src/b.c": b"b\n"})
    git(work, "tag", "-a", "-m", "x", "v1")
    return work


@pytest.fixture
def server(work: Path, tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "srv") as running:
        yield running


@pytest.fixture
def url(server: GitServer) -> str:
    return f"{server.url}/team/work/.git"


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "state")


@pytest.fixture
def progress() -> Lines:
    return Lines()


@pytest.fixture
def repositories(tmp_path: Path, blobs: BlobStore, progress: Lines) -> GitRepositories:
    return GitRepositories(tmp_path / "state", blobs, progress)


def offline(tmp_path: Path, blobs: BlobStore) -> GitRepositories:
    return GitRepositories(tmp_path / "state", blobs, Lines(), offline=True)


def stopped(repositories: GitRepositories, place: str, match: str, *, commit: str = "") -> Stopped:
    with pytest.raises(Stopped, match=match) as caught:
        repositories.open(place, commit=commit)
    assert caught.value.verdict is Verdict.UNAVAILABLE
    assert len(caught.value.missing) == 1
    assert "secret" not in caught.value.reason + caught.value.missing[0]
    assert caught.value.reason.isprintable()
    return caught.value


def clones(tmp_path: Path) -> list[Path]:
    return [each for each in (tmp_path / "state").glob("git/*") if each.is_dir()]


def test_a_url_is_cloned_once_and_brought_up_to_date(
    tmp_path: Path, work: Path, url: str, server: GitServer, repositories: GitRepositories, blobs: BlobStore
) -> None:
    wanted = head(work)
    opened = repositories.open(url, commit=wanted)
    assert opened.url == url
    assert opened.tree(wanted) == found(work).export(blobs).tree
    assert [tag.name for tag in opened.tags()] == ["v1"]
    asked = len(server.asked)
    assert repositories.open(url + "/", commit=wanted).commit(wanted) is not None
    assert len(server.asked) == asked
    later = head(commit(work, {"later": b""}))
    assert repositories.open(url, commit=wanted).commit(later) is None
    assert repositories.open(url).commit(later) is not None
    assert offline(tmp_path, blobs).open(url).commit(later) is not None
    assert offline(tmp_path, blobs).open(url, commit=later).tree(later) == found(work).export(blobs).tree
    assert len(clones(tmp_path)) == 1
    assert (clones(tmp_path)[0] / "source").read_text() == f"{url}\n"


def test_what_moved_or_went_stays_at_hand(
    work: Path, url: str, repositories: GitRepositories, progress: Lines
) -> None:
    first = head(work)
    git(work, "branch", "topic/one")
    repositories.open(url)
    at(1_600_000_500, work, "commit", "-q", "--amend", "-m", "again")
    git(work, "tag", "-f", "-a", "-m", "x", "v1")
    git(work, "branch", "-q", "-D", "topic/one")
    git(work, "branch", "topic")
    opened = repositories.open(url)
    assert opened.tags()[0].commit == head(work) != first
    assert repositories.open(url, commit=first).tree(first).size > 0
    assert any(text.startswith("tag v1 has moved from ") for text in progress.lines)


def test_a_commit_that_no_branch_has(work: Path, url: str, repositories: GitRepositories) -> None:
    loose = git(work, "commit-tree", "-m", "loose", "-p", "HEAD", "HEAD^{tree}")
    opened = repositories.open(url, commit=loose)
    assert opened.commit(loose) is not None
    assert opened.holds([git(work, "rev-parse", "HEAD:a.txt")])
    missing = r"commit 1{40} of .* \(no branch and no tag has it\) could not be had: it does not have that commit"
    stopped(repositories, url, missing, commit="1" * 40)
    tree = git(work, "rev-parse", "HEAD^{tree}")
    stopped(repositories, url, f"commit {tree} of .*is no commit", commit=tree)
    for name in ("main", "--upload-pack=x", head(work)[:12]):
        with pytest.raises(UsageError, match="expected the full id of a commit"):
            repositories.open(url, commit=name)


def test_sha256_is_found_out(tmp_path: Path, server: GitServer, repositories: GitRepositories) -> None:
    other = tmp_path / "srv" / "other"
    other.mkdir()
    git(other, "init", "-q", "--object-format=sha256")
    commit(other, {"a": b"1"})
    opened = repositories.open(f"{server.url}/other/.git")
    assert opened.tree(head(other)).size > 0
    shutil.rmtree(clones(tmp_path)[0])
    assert repositories.open(f"{server.url}/other/.git", commit=head(other)).commit(head(other)) is not None


# --- what a server may do -------------------------------------------------------------------------------------------


def test_what_is_not_there(tmp_path: Path, url: str, server: GitServer, repositories: GitRepositories) -> None:
    stopped(repositories, f"{server.url}/nothing", "it has no such repository, or does not show it to everyone")
    server.authorization = "Basic bWU6c2VjcmV0"
    stopped(repositories, url, "it asks for credentials, or does not take those that it got")
    stopped(repositories, url.replace("//", "//me:secret-and-wrong@"), "it asks for credentials")
    assert clones(tmp_path) == []
    server.shutdown()
    server.server_close()
    stopped(repositories, url, "it can't be reached")
    stopped(offline(tmp_path, repositories._blobs), url, "the network is switched off")
    assert clones(tmp_path) == []


def test_credentials_reach_the_server_and_nobody_else(
    tmp_path: Path, work: Path, url: str, server: GitServer, repositories: GitRepositories
) -> None:
    server.authorization = "Basic bWU6c2VjcmV0"
    opened = repositories.open(url.replace("//", "//me:sec%72et@"))
    assert (opened.url, opened.commit(head(work)) is not None) == (url, True)
    for path in clones(tmp_path)[0].rglob("*"):
        assert path.is_dir() or b"secret" not in path.read_bytes()


def test_a_redirect_on_the_same_server_is_followed(
    work: Path, server: GitServer, repositories: GitRepositories
) -> None:
    server.redirects["/old"] = "/team/work/.git"
    opened = repositories.open(f"{server.url}/old", commit=head(work))
    assert opened.url == f"{server.url}/old"
    server.redirects["/round"] = "/round"
    stopped(repositories, f"{server.url}/round", "redirects more than 3 times")


def test_a_redirect_to_another_server_is_refused(
    tmp_path: Path, url: str, server: GitServer, repositories: GitRepositories
) -> None:
    with git_server(tmp_path / "srv") as other:
        for target, match in (
            (f"{other.url}/team/work/.git", f"it redirects to another server, '{other.url}/team/work/.git'"),
            (f"http://localhost:{server.server_address[1]}/team/work/.git", "it redirects to another server"),
            ("file:///etc", "which is not a repository"),
            ("ext::sh -c x", "cannot be the address of a repository|is not a repository"),
            (f"{server.url}/login?to=", "cannot be the address of a repository"),
        ):
            server.redirects = {"/team": target.removesuffix("/work/.git")}
            stopped(repositories, url.replace("//", "//me:secret@"), match)
        assert other.asked == []
    assert clones(tmp_path) == []


def test_too_large_is_stopped_while_it_arrives(
    tmp_path: Path, url: str, server: GitServer, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_remote, "BYTES_LIMIT", 3_000_000)
    server.is_endless = True
    started = time.monotonic()
    stopped(repositories, url, "could not be had: it is too large: more than 3000000 bytes")
    assert time.monotonic() - started < 10
    assert clones(tmp_path) == []


def test_too_slow_is_stopped(
    tmp_path: Path, url: str, server: GitServer, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_remote, "SECONDS_LIMIT", 0.5)
    server.delay = 2
    stopped(repositories, url, "it takes too long: more than 0 seconds|it takes too long")
    assert clones(tmp_path) == []


def test_a_pack_that_breaks_off_leaves_nothing(
    tmp_path: Path, work: Path, url: str, server: GitServer, repositories: GitRepositories
) -> None:
    server.cut_after = 300
    stopped(repositories, url, "could not be had: ")
    assert clones(tmp_path) == []
    server.cut_after = 0
    wanted = head(work)
    repositories.open(url)
    later = head(commit(work, {"later": os.urandom(100_000)}))
    server.cut_after = 300
    stopped(repositories, url, "could not be had: ")
    # What was there before still serves, and what a killed fetch leaves is cleared away by the next.
    assert repositories.open(url, commit=wanted).tree(wanted).size > 0
    clone = clones(tmp_path)[0]
    for left in (clone / "packed-refs.lock", clone / "objects" / "pack" / "tmp_pack_x", clone / "refs" / "x.lock"):
        left.write_bytes(b"left")
    server.cut_after = 0
    assert repositories.open(url, commit=later).commit(later) is not None
    assert [*clone.rglob("*.lock"), *clone.rglob("tmp_pack_*")] == []


def test_a_clone_that_was_begun_does_not_count(
    tmp_path: Path, work: Path, url: str, repositories: GitRepositories, blobs: BlobStore
) -> None:
    repositories.open(url)
    (clones(tmp_path)[0] / "source").unlink()
    stopped(offline(tmp_path, blobs), url, "the network is switched off")
    assert repositories.open(url, commit=head(work)).commit(head(work)) is not None


def test_a_repository_that_git_would_not_make_is_refused(
    tmp_path: Path, work: Path, url: str, repositories: GitRepositories
) -> None:
    git(work, "branch", "evil", by_hand(work, line(work, "100644", b".git")))
    stopped(repositories, url, "what it sent is not as Git makes it .*hasDotgit")
    assert clones(tmp_path) == []


def test_old_faults_of_honest_repositories_are_taken(work: Path, url: str, repositories: GitRepositories) -> None:
    blob = git(work, "hash-object", "-w", "a.txt")
    padded = bytes.fromhex(git(work, "rev-parse", "HEAD:src"))
    tree = b"100644 a.txt\0" + bytes.fromhex(blob) + b"040000 src\0" + padded
    text = git(work, "cat-file", "commit", by_hand(work, tree)).replace("+0200", "+051800") + "\n"
    odd = git(work, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", told=text.encode())
    git(work, "branch", "odd", odd)
    assert repositories.open(url, commit=odd).paths(odd) == ("a.txt", "src/b.c")


def test_many_at_once_fetch_once(work: Path, url: str, server: GitServer, repositories: GitRepositories) -> None:
    server.delay = 0.5
    wanted, failed = head(work), []

    def fetch() -> None:
        try:
            repositories.open(url, commit=wanted).tree(wanted)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert server.packs <= 2


def test_nothing_of_the_operators_own_configuration_is_read(
    tmp_path: Path, url: str, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, mark = tmp_path / "home", tmp_path / "mark"
    home.mkdir()
    program = f"!touch {mark}; false"
    (home / ".gitconfig").write_text(
        f'[url "file:///nowhere"]\n\tinsteadOf = http\n[credential]\n\thelper = "{program}"\n[core]\n\tsshCommand = x\n'
        f"[http]\n\tproxy = http://127.0.0.1:1\n"
    )
    (home / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_ASKPASS", "/bin/false")
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {mark}")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert repositories.open(url).tags()
    assert not mark.exists()


def test_submodules_of_a_server_come_from_their_own_addresses(
    tmp_path: Path, work: Path, url: str, server: GitServer, repositories: GitRepositories, blobs: BlobStore
) -> None:
    deep = repository(tmp_path / "srv" / "deep", {"deep.c": b"3"})
    library = repository(tmp_path / "srv" / "team" / "lib", {"lib.c": b"2"})
    pinned = modules(library, module(f"{server.url}/deep/.git", "in"), "in", head(deep))
    commit(library, {"later": b""})
    wanted = modules(work, module("../../lib/.git"), pinned=pinned)
    copy = tmp_path / "copy"
    allowed = ("-c", "protocol.file.allow=always", "-c", "protocol.http.allow=always")
    environment = ENVIRONMENT | {"GIT_ALLOW_PROTOCOL": "http", "no_proxy": "*"}
    command = ["git", *allowed, "clone", "-q", "--recursive", url, str(copy)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert repositories.open(url).tree(wanted) == found(copy).export(blobs).tree
    assert len(clones(tmp_path)) == 3
    asked = len(server.asked)
    assert repositories.open(url, commit=wanted).tree(wanted).size > 0
    assert len(server.asked) == asked
    missing = modules(library, module("../gone", "gone"), "gone")
    again = modules(work, module("../../lib/.git"), pinned=missing)
    with pytest.raises(Stopped, match="/team/lib/gone could not be had: it has no such repository"):
        repositories.open(url).tree(again)


def test_certificates_are_those_that_the_host_trusts(
    tmp_path: Path, work: Path, server: GitServer, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    server.secure(certificate, key)
    server.redirects["/old"] = "/team/work/.git"
    for name in ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    stopped(repositories, f"{server.url}/old", "its certificate is not trusted here")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert repositories.open(f"{server.url}/old", commit=head(work)).commit(head(work)) is not None


# --- ssh ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of ssh a program that notes how it was called, and runs on this machine what it should run there."""
    (tmp_path / "bin").mkdir()
    noted = tmp_path / "noted"
    program = tmp_path / "bin" / "ssh"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {noted}\nenv >> {noted}\n'
        'for last; do :; done\ncase "$last" in git-upload-pack*) eval "exec $last";; esac\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return noted


def test_ssh_asks_nobody_and_trusts_no_new_host(
    tmp_path: Path, work: Path, ssh: Path, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/the/agent")
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    place = f"git@example.org:{work}"
    opened = repositories.open(place, commit=head(work))
    assert opened.url == f"ssh://git@example.org{work}"
    noted = ssh.read_text()
    for option in ("BatchMode=yes", "StrictHostKeyChecking=yes", "ForwardAgent=no", "SSH_AUTH_SOCK=/the/agent"):
        assert f"{option}\n" in noted
    assert "SSH_ASKPASS" not in noted
    assert repositories.open(f"ssh://git@example.org{work}", commit=head(work)).commit(head(work)) is not None
    assert len(clones(tmp_path)) == 1


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ("Host key verification failed.", "its host key is not among ssh's known hosts"),
        ("git@host: Permission denied (publickey).", "it asks for credentials"),
        ("ssh: connect to host x port 22: Connection refused", "it can't be reached"),
        ("ERROR: Repository not found.", "it has no such repository"),
        ("\x1b[2J https://me:secret@host", r"Git says: .*\?\[2J https://host"),
    ],
)
def test_what_ssh_says_is_told_in_words(
    tmp_path: Path, ssh: Path, repositories: GitRepositories, said: str, match: str
) -> None:
    (tmp_path / "bin" / "ssh").write_text(f"#!/bin/sh\ncat >&2 <<'X'\n{said}\nX\nexit 255\n")
    stopped(repositories, "ssh://host/x", match)


def test_a_talkative_server_is_stopped(tmp_path: Path, ssh: Path, repositories: GitRepositories) -> None:
    (tmp_path / "bin" / "ssh").write_text("#!/bin/sh\nexec yes nonsense >&2\n")
    stopped(repositories, "ssh://host/x", "it says too much")


def test_all_that_was_started_ends(
    tmp_path: Path, ssh: Path, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_remote, "SECONDS_LIMIT", 0.3)
    write(tmp_path, {"bin/ssh": f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n".encode()})
    stopped(repositories, "ssh://host/x", "it takes too long")
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()
