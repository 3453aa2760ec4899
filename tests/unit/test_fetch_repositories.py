"""Git as a declared source: any place, any commit; nothing of a repository runs, and nothing hostile chooses a path."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from rebuilder.errors import Stopped, UsageError
from rebuilder.fetch import git_bundle, git_history, git_submodules
from rebuilder.fetch.git_clones import Clones
from rebuilder.fetch.repositories import GitRepositories, GitRepository
from rebuilder.model import Verdict
from rebuilder.releases import Tag
from rebuilder.store.blobs import BlobStore
from tests.unit.test_fetch_git import (
    ENVIRONMENT,
    ODD,
    TIME,
    by_hand,
    commit,
    found,
    git,
    line,
    repository,
    with_submodule,
    write,
)

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 1\n"


class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, name: str, detail: str = "") -> None:
        """Not looked at."""

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def progress() -> Lines:
    return Lines()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "state")


@pytest.fixture
def repositories(tmp_path: Path, blobs: BlobStore, progress: Lines) -> GitRepositories:
    return GitRepositories(tmp_path / "state", blobs, progress)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return repository(tmp_path / "work", {"a.txt": b"a\n", "src/b.c": b"b\n", "src.txt": b"c\n"})


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def bare(work: Path) -> Path:
    """Objects and names alone, without a configuration: what some servers keep of a repository."""
    folder = work.parent / "bare"
    git(work, "clone", "-q", "--bare", str(work), str(folder))
    git(folder, "pack-refs", "--all")
    for name in ("config", "description", "hooks", "info"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).unlink(missing_ok=True)
    return folder


def bundle(work: Path, *arguments: str) -> Path:
    path = work.parent / "all.bundle"
    git(work, "bundle", "create", "-q", str(path), *(arguments or ("--all",)))
    return path


def at(time: int, folder: Path, *arguments: str) -> str:
    """Git at another time."""
    environment = ENVIRONMENT | {"GIT_COMMITTER_DATE": f"{time} +0000", "GIT_AUTHOR_DATE": f"{time} +0000"}
    result = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, check=True)
    return result.stdout.decode().strip()


# --- places -----------------------------------------------------------------------------------------------------


def test_a_commit_is_the_same_bytes_wherever_it_lies(
    work: Path, repositories: GitRepositories, blobs: BlobStore
) -> None:
    (work / "run").write_bytes(b"#!/bin/sh\n")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("src/b.c")
    wanted = head(commit(work, {"big": b"0123456789" * 100_000, ODD: b"1"}))
    git(work, "tag", "-a", "-m", "x", "v1")
    expected = found(work).export(blobs).tree
    places = [work, work / "src", bare(work), bundle(work), str(work), f"file://{work}", f"file://localhost{work}/.git"]
    for place in places:
        opened = repositories.open(place, commit=wanted)
        assert opened.tree(wanted) == expected
        assert opened.tree(wanted[:12], "src").sha256 == found(work / "src").export(blobs).tree.sha256
        assert [tag.name for tag in opened.tags()] == ["v1"]
        assert opened.url == ""
    assert (repositories.open(work).paths(wanted)[-3:]) == ("run", "src/b.c", "src.txt")


def test_of_an_origin_the_address_is_told_without_credentials(work: Path, repositories: GitRepositories) -> None:
    for origin, url in (
        ("https://me:secret@Example.org/a/b.git/", "https://example.org/a/b.git"),
        ("git@example.org:a/b.git", "ssh://git@example.org/a/b.git"),
        ("ssh://git@example.org:2222/a/b", "ssh://git@example.org:2222/a/b"),
        ("http://example.org/a", ""),
        ("git://example.org/a", ""),
        ("/somewhere/else", ""),
        ("ext::sh -c x", ""),
    ):
        git(work, "config", "remote.origin.url", origin)
        assert repositories.open(work).url == url


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("", "1 to 1024 printable characters"),
        ("--upload-pack=touch /tmp/x", "the first of them no dash"),
        ("https://host/\x1b[31m", "printable characters"),
        ("https://host/a\nb", "printable characters"),
        ("https://host/" + "a" * 1100, "1 to 1024 printable characters"),
        ("git://host/a", "git:// proves neither who answers nor what"),
        ("http://host/a", "expected https://, for http:// proves neither"),
        ("ftp://host/a", "ftp:// is not known here"),
        ("ext::sh -c evil% ", "which would name a program to run"),
        ("::x", "which would name a program to run"),
        ("https://", "expected https://HOST/PATH"),
        ("https://host", "expected https://HOST/PATH"),
        ("https://-host/a", "expected https://HOST/PATH"),
        ("https://host/a?x=1", "with nothing behind it"),
        ("https://host/a#x", "with nothing behind it"),
        ("https://host:port/a", "expected an address"),
        ("https://[::1/a", "expected an address"),
        ("https://ho st/a", "expected https://HOST/PATH"),
        ("ssh://-oProxyCommand=evil/a", "expected ssh://HOST/PATH"),
        ("ssh://-x@host/a", "expected ssh://USER@HOST/PATH"),
        ("ssh://me:secret@host/a", "no passwords, are how ssh logs in"),
        ("host:-x", "expected user@host:path"),
        ("file://server/share", "expected file:///PATH of this machine"),
    ],
)
def test_what_cannot_be_an_address_is_refused(repositories: GitRepositories, place: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        repositories.open(place)
    assert expected in caught.value.message
    assert caught.value.message.isprintable()
    assert "secret" not in caught.value.message
    assert "https://, ssh://" in caught.value.hint


def test_what_is_no_repository_is_said(tmp_path: Path, repositories: GitRepositories) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    for name, kind in (("file", "a file that is none"), ("folder", "a folder that is none"), ("gone", "nothing")):
        with pytest.raises(UsageError, match=f"expected a Git repository .*, found {kind}"):
            repositories.open(tmp_path / name)


def test_a_commit_that_is_not_there(work: Path, repositories: GitRepositories) -> None:
    with pytest.raises(Stopped, match=f"commit {'0' * 40}: the repository at .* does not have it") as caught:
        repositories.open(work, commit="0" * 40)
    assert caught.value.verdict is Verdict.UNAVAILABLE
    opened = repositories.open(work)
    assert opened.commit("0" * 40) is None
    for use in (opened.tree, opened.paths, opened.history, opened.signatures):
        with pytest.raises(UsageError, match=r"expected commit '0{40}' in the repository, found none"):
            use("0" * 40)
    with pytest.raises(UsageError, match="expected commit '--all'"):
        opened.before("--all", until=TIME)


# --- names and history ------------------------------------------------------------------------------------------


def test_tags_lead_to_commits(work: Path, repositories: GitRepositories) -> None:
    first = head(work)
    git(work, "tag", "plain")
    at(TIME + 60, work, "tag", "-a", "-m", "x", "v1.0")
    at(TIME + 120, work, "-c", "advice.nestedTag=false", "tag", "-a", "-m", "x", "nested", "v1.0")
    git(work, "tag", "of-a-tree", "HEAD^{tree}")
    git(work, "tag", "-a", "-m", "x", "of-a-blob", "HEAD:a.txt")
    git(work, "tag", "grün/$(evil);x")
    git(work, "update-ref", os.fsdecode(b"refs/tags/\xff"), "HEAD")
    assert repositories.open(work).tags() == (
        Tag(name="grün/$(evil);x", commit=first, time=TIME, annotated=False),
        Tag(name="nested", commit=first, time=TIME + 120, annotated=True),
        Tag(name="plain", commit=first, time=TIME, annotated=False),
        Tag(name="v1.0", commit=first, time=TIME + 60, annotated=True),
    )


@pytest.mark.parametrize(
    ("said", "time"),
    [("-5 +0000", 0), ("99999999999999999999 +0000", 253402300799), ("x", TIME), ("7", 7)],
)
def test_times_stay_in_a_calendar(work: Path, repositories: GitRepositories, said: str, time: int) -> None:
    text = f"object {head(work)}\ntype commit\ntag v1\ntagger A <a@b> {said}\n\nx\n"
    tag = git(work, "hash-object", "-t", "tag", "-w", "--literally", "--stdin", told=text.encode())
    git(work, "update-ref", "refs/tags/v1", tag)
    assert repositories.open(work).tags()[0].time == time


def test_thousands_of_tags_are_a_matter_of_a_second(
    work: Path, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = head(work)
    told = "".join(f"create refs/tags/v{number} {wanted}\n" for number in range(5000))
    git(work, "update-ref", "--stdin", told=told.encode())
    assert len(repositories.open(work).tags()) == 5000
    monkeypatch.setattr(git_history, "TAGS_LIMIT", 100)
    with pytest.raises(UsageError, match="expected at most 100 tags in the repository, found more"):
        repositories.open(work).tags()


def test_a_tag_too_large_to_be_one_has_the_time_of_its_commit(work: Path, repositories: GitRepositories) -> None:
    text = f"object {head(work)}\ntype commit\ntag v1\ntagger A <a@b> 5 +0000\n\n" + "x" * 2_000_000
    tag = git(work, "hash-object", "-t", "tag", "-w", "--stdin", told=text.encode())
    git(work, "update-ref", "refs/tags/v1", tag)
    opened = repositories.open(work)
    assert opened.tags() == (Tag(name="v1", commit=head(work), time=TIME, annotated=True),)
    with pytest.raises(UsageError, match="expected at most 1048576 bytes, found more"):
        opened.signatures(head(work), "v1")


def test_a_commit_by_its_id_or_the_beginning_of_it(work: Path, repositories: GitRepositories) -> None:
    opened = repositories.open(work)
    wanted = opened.commit(head(work)[:8])
    assert wanted is not None
    assert (wanted.id, wanted.time) == (head(work), TIME)
    git(work, "branch", "abcdef")
    tree = git(work, "rev-parse", "HEAD^{tree}")
    for name in ("main", "HEAD", "abcdef", "", "abc", "-n", tree, tree[:8], "a" * 40, head(work).upper(), "main^{}"):
        assert opened.commit(name) is None


def test_ancestors_and_changes_by_time(work: Path, repositories: GitRepositories) -> None:
    ids = [head(work)]
    for number, name in enumerate(("VERSION", "other", "VERSION"), start=1):
        write(work, {name: b"%d" % number})
        git(work, "add", "-A")
        at(TIME + 100 * number, work, "commit", "-q", "-m", "x")
        ids.append(head(work))
    git(work, "checkout", "-q", "-b", "side", ids[1])
    write(work, {"VERSION": b"side"})
    git(work, "add", "-A")
    at(TIME + 400, work, "commit", "-q", "-m", "x")
    side = head(work)
    write(work, {"VERSION": b"in progress"})
    at(TIME + 500, work, "stash", "-q")
    opened = repositories.open(work)
    assert [(each.id, each.time) for each in opened.before(ids[3], until=TIME + 200)] == [
        (ids[2], TIME + 200), (ids[1], TIME + 100), (ids[0], TIME),
    ]  # fmt: skip
    assert [each.id for each in opened.before(ids[3], until=2**40, limit=2)] == [ids[3], ids[2]]
    assert opened.before(ids[3], until=TIME - 1) == ()
    assert [each.id for each in opened.touching("VERSION", until=2**40)] == [side, ids[3], ids[1]]
    assert [each.id for each in opened.touching("VERSION", until=TIME + 100)] == [ids[1]]
    assert opened.touching("*", until=2**40) == opened.touching(":(top)VERSION", until=2**40) == ()
    for path in ("", "a\0b"):
        with pytest.raises(UsageError, match="expected the path of a file"):
            opened.touching(path, until=2**40)


def test_files_of_a_commit(work: Path, repositories: GitRepositories) -> None:
    (work / "link").symlink_to("a.txt")
    wanted = head(commit(work, {"-n": b"1", "[x]": b"2", "grün": b"3"}))
    opened = repositories.open(work)
    expected = {"a.txt": b"a\n", "src/b.c": b"b\n", "-n": b"1", "[x]": b"2", "grün": b"3"}
    assert {name: opened.file(wanted, name) for name in expected} == expected
    for name in ("src", "src/", "link", "../a.txt", "/a.txt", "./a.txt", "nothing", "", "*", "a\0b", ":/a.txt"):
        assert opened.file(wanted, name) is None
    with pytest.raises(UsageError, match=r"a.txt: expected at most 1 bytes, found 2"):
        opened.file(wanted, "a.txt", limit=1)


def test_only_committed_files_are_held(work: Path, repositories: GitRepositories) -> None:
    commit(work, {"gone": b"gone"})
    gone = git(work, "rev-parse", "HEAD:gone")
    (work / "gone").unlink()
    tree = git(commit(work, {}), "rev-parse", "HEAD^{tree}")
    loose = git(work, "hash-object", "-w", "--stdin", told=b"never committed")
    kept = git(work, "rev-parse", "HEAD:a.txt")
    opened = repositories.open(work)
    assert opened.holds([gone, loose, kept, tree, "0" * 40, "HEAD", "", "x\ny"]) == {gone, kept}
    assert opened.holds([]) == frozenset()


def test_a_clone_in_part_cannot_say_what_is_not_there(work: Path, repositories: GitRepositories) -> None:
    commit(work, {"b": b"b"})
    git(work, "config", "uploadpack.allowFilter", "true")
    for arguments, why in (("--depth=1", "shallow clone"), ("--filter=blob:none", "partial clone")):
        copy = work.parent / why.partition(" ")[0]
        git(work, "clone", "-q", "--no-local", arguments, f"file://{work}", str(copy))
        with pytest.raises(UsageError, match=f"by SHA-1; it is a {why}"):
            repositories.open(copy).holds(["0" * 40])


def test_an_origin_is_named_for_what_came_from_there(work: Path, repositories: GitRepositories) -> None:
    first, url = head(work), "https://example.org/a/b"
    clone, mirror = work.parent / "clone", work.parent / "mirror"
    git(work, "clone", "-q", str(work), str(clone))
    git(work, "clone", "-q", "--mirror", str(work), str(mirror))
    for copy in (clone, mirror):
        git(copy, "config", "remote.origin.url", url)
        opened = repositories.open(copy)
        assert (opened.at_hand, opened.url, opened.origin_of(first)) == (True, url, url)
    # Made here, and pushed nowhere; a tag of its own is no proof either.
    own = head(commit(clone, {"own": b"x"}))
    git(clone, "tag", "v2")
    assert repositories.open(clone).origin_of(own) == ""
    # Nobody says where it is from.
    assert repositories.open(work).origin_of(first) == ""


def test_sha256_repositories_work(tmp_path: Path, repositories: GitRepositories, blobs: BlobStore) -> None:
    work = tmp_path / "sha256"
    work.mkdir()
    git(work, "init", "-q", "-b", "main", "--object-format=sha256")
    commit(work, {"a.txt": b"a\n"})
    git(work, "tag", "-a", "-m", "x", "v1")
    for place in (work, bundle(work)):
        opened = repositories.open(place, commit=head(work))
        assert opened.tree(head(work)) == found(work).export(blobs).tree
        assert opened.tags()[0].commit == head(work)
        with pytest.raises(UsageError, match="by SHA-1; its ids are SHA-256"):
            opened.holds([git(work, "rev-parse", "HEAD:a.txt"), "0" * 40])
        copy = blobs.path(opened.history(head(work)).sha256)
        git(tmp_path, "clone", "-q", str(copy), f"copy-{Path(place).name}")
        assert git(tmp_path / f"copy-{Path(place).name}", "describe", "--tags") == "v1"


def test_the_history_is_a_bundle_with_its_tags(tmp_path: Path, work: Path, repositories: GitRepositories) -> None:
    wanted = head(work)
    git(work, "tag", "v1")
    commit(work, {"later": b""})
    git(work, "tag", "v2")
    opened = repositories.open(bundle(work))
    history = opened.history(wanted)
    assert history.name == "history.bundle"
    git(tmp_path, "clone", "-q", str(opened.blobs.path(history.sha256)), "copy")
    assert (head(tmp_path / "copy"), git(tmp_path / "copy", "tag")) == (wanted, "v1")


# --- bundles ----------------------------------------------------------------------------------------------------


def test_a_bundle_is_unpacked_once_for_its_bytes(
    tmp_path: Path, work: Path, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundle(work)
    repositories.open(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (tmp_path / "state" / "git" / digest / "source").read_text() == f"bundle {digest}\n"
    monkeypatch.setattr(Clones, "_unpack", None)
    path.rename(tmp_path / "renamed")
    assert repositories.open(tmp_path / "renamed", commit=head(work)).commit(head(work)) is not None


def test_a_bundle_of_a_commit_that_no_branch_has(work: Path, repositories: GitRepositories) -> None:
    wanted = head(work)
    git(work, "checkout", "-q", "--detach")
    git(work, "branch", "-q", "-D", "main")
    opened = repositories.open(bundle(work, "HEAD"), commit=wanted)
    assert [each.id for each in opened.touching("a.txt", until=2**40)] == [wanted]


def broken(path: Path, kind: str) -> Path:
    data = path.read_bytes()
    start = data.index(b"\n\nPACK") + 2
    head = data[: start - 1]
    name = head.splitlines()[1]
    path.write_bytes({
        "cut off": data[:-30],
        "one bit": data[:-25] + bytes([data[-25] ^ 1]) + data[-24:],
        "not a name": head + b"x" * 40 + b" refs/heads/x\n\n" + data[start:],
        "no end": data[: start - 1],
        "a long line": head + name + b"x" * 10_000 + b"\n\n" + data[start:],
        "another commit": head.replace(name[:40], b"1" * 40) + b"\n" + data[start:],
        "a name that is none": head + name[:40] + b" refs/heads/a..b\n\n" + data[start:],
        "a name that leads out": head + name[:40] + b" refs/heads/../../../x\n\n" + data[start:],
        "two kinds of ids": head + b"1" * 64 + b" refs/heads/x\n\n" + data[start:],
        "filtered": head.replace(b"# v2 git bundle\n", b"# v3 git bundle\n@filter=blob:none\n") + data[start - 1 :],
    }[kind])  # fmt: skip
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "cut off", "one bit", "not a name", "no end", "a long line", "another commit", "a name that is none",
        "a name that leads out", "two kinds of ids", "filtered",
    ],
)  # fmt: skip
def test_a_broken_bundle_is_refused_and_leaves_nothing(
    tmp_path: Path, work: Path, repositories: GitRepositories, kind: str
) -> None:
    path = broken(bundle(work), kind)
    with pytest.raises(UsageError, match=r"expected (a whole bundle|a name in the|ids of one kind)|update-ref failed"):
        repositories.open(path)
    assert [each for each in (tmp_path / "state").glob("git/*") if each.is_dir()] == []


def test_a_part_of_a_history_is_no_repository(work: Path, repositories: GitRepositories) -> None:
    first = head(work)
    commit(work, {"later": b""})
    with pytest.raises(UsageError, match="found a bundle that needs commits which are not in it"):
        repositories.open(bundle(work, f"{first}..main"))


def test_a_bundle_with_more_than_its_limit(
    tmp_path: Path, work: Path, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_bundle, "BYTES_LIMIT", 100)
    with pytest.raises(UsageError, match=r"expected a whole bundle: .*exceeds maximum allowed size"):
        repositories.open(bundle(work))


def test_a_tree_that_no_checkout_could_have_is_refused_as_it_arrives(work: Path, repositories: GitRepositories) -> None:
    evil = by_hand(work, line(work, "100644", b".git"))
    git(work, "branch", "evil", evil)
    with pytest.raises(UsageError, match=r"expected a whole bundle: what it sent is not as Git makes it .*hasDotgit"):
        repositories.open(bundle(work))


# --- submodules -------------------------------------------------------------------------------------------------


def modules(work: Path, text: str, path: str = "lib", pinned: str = "1" * 40) -> str:
    """A commit with one submodule as ``text`` says."""
    write(work, {".gitmodules": text.encode(errors="surrogateescape")})
    git(work, "add", ".gitmodules")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{pinned},{path}")
    git(work, "commit", "-q", "-m", "modules")
    return head(work)


def module(url: str, path: str = "lib", name: str = "lib") -> str:
    return f'[submodule "{name}"]\n\tpath = {path}\n\turl = "{url}"\n'


def test_submodules_come_from_their_own_addresses(
    tmp_path: Path, work: Path, repositories: GitRepositories, blobs: BlobStore
) -> None:
    with_submodule(work)
    inner = repository(tmp_path / "inner", {"deep.c": b"3"})
    library = tmp_path / "library"
    modules(library, module("../inner", "in"), "in", head(inner))
    git(work / "vendor" / "lib", "pull", "-q")
    git(work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    git(work / "vendor" / "lib", "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
    wanted = head(commit(work, {}))
    expected = found(work).export(blobs).tree
    # In the work tree it is checked out; a bare repository leads to its address.
    for place in (work, bare(work)):
        assert repositories.open(place).tree(wanted) == expected
    shutil.rmtree(work / "vendor")
    assert repositories.open(work).tree(wanted) == expected
    library.rename(tmp_path / "moved")
    with pytest.raises(UsageError, match=r"library: expected a Git repository .*, found nothing"):
        repositories.open(work).tree(wanted)


def test_without_the_pinned_commit_a_submodule_is_unavailable(work: Path, repositories: GitRepositories) -> None:
    repository(work.parent / "library", {"x": b""})
    wanted = modules(work, module("../library"))
    with pytest.raises(Stopped, match=r"commit 1{40}: the repository at .*/library does not have it"):
        repositories.open(work).tree(wanted)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("--upload-pack=evil", "the first of them no dash"),
        ("ext::sh -c evil", "which would name a program to run"),
        ("git://host/x", "git:// proves neither"),
        ("http://host/x", "http:// proves neither"),
        ("ssh://-oProxyCommand=evil/x", "expected ssh://HOST/PATH"),
        ("/etc", "it names a folder of this machine, which it cannot know"),
        ("file:///etc", "it names a folder of this machine, which it cannot know"),
        ("vendor", "it names a folder of this machine, which it cannot know"),
        ("http://127.0.0.1:1/x", "it names a server of this machine, which it cannot know"),
        ("../../../../x", "expected an address on the same server"),
        ("../?x", "with nothing behind it"),
        ("../-x/../..//", "expected https://HOST/PATH"),
    ],
)
def test_a_hostile_address_of_a_submodule_is_refused(
    work: Path, repositories: GitRepositories, url: str, expected: str
) -> None:
    wanted = modules(work, module(url))
    git(work, "config", "remote.origin.url", "https://example.org/team/project")
    with pytest.raises(UsageError) as caught:
        repositories.open(work).tree(wanted)
    assert "submodule lib: " in caught.value.message
    assert expected in caught.value.message


def test_a_bundle_has_no_place_that_an_address_could_be_relative_to(work: Path, repositories: GitRepositories) -> None:
    wanted = modules(work, module("../library"))
    with pytest.raises(UsageError, match="its own repository has no address that it could be relative to"):
        repositories.open(bundle(work)).tree(wanted)
    wanted = modules(work, module(str(work.parent / "library")))
    with pytest.raises(UsageError, match="it names a folder of this machine"):
        repositories.open(bundle(work)).tree(wanted)


@pytest.mark.parametrize("name", ["../../x", "-x", "a/../../b"])
def test_a_hostile_name_of_a_submodule_is_refused(work: Path, repositories: GitRepositories, name: str) -> None:
    wanted = modules(work, module("../library", name=name))
    with pytest.raises(UsageError, match="expected plain names of submodules, found"):
        repositories.open(work).tree(wanted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", r"lib: expected the submodule's URL in .gitmodules of commit"),
        (module("../library", path="../lib"), r"lib: expected the submodule's URL in .gitmodules"),
        ("[submodule", "git config failed with status"),
        ("[include]\n\tpath = /etc/passwd\n", r"lib: expected the submodule's URL in .gitmodules"),
        ("x" * 2_000_000, ".gitmodules: expected at most 1048576 bytes"),
    ],
)
def test_a_file_of_submodules_that_says_nothing_useful(
    work: Path, repositories: GitRepositories, text: str, expected: str
) -> None:
    wanted = modules(work, text)
    with pytest.raises(UsageError, match=expected):
        repositories.open(work).tree(wanted)


def test_a_submodule_behind_a_link_is_not_looked_up(work: Path, repositories: GitRepositories) -> None:
    modules(work, module("../library"))
    (work / ".gitmodules").unlink()
    (work / ".gitmodules").symlink_to("a.txt")
    git(work, "add", ".gitmodules")
    git(work, "commit", "-q", "-m", "link")
    with pytest.raises(UsageError, match=r"expected the submodule's URL in .gitmodules"):
        repositories.open(work).tree(head(work))


def test_submodules_may_be_left_out_as_a_plain_clone_does(
    tmp_path: Path, work: Path, repositories: GitRepositories, blobs: BlobStore
) -> None:
    wanted = modules(work, module("ext::sh -c evil"), "vendor/lib")
    tree = repositories.open(work).tree(wanted, submodules=False)
    git(tmp_path, "clone", "-q", str(work), "copy")
    with blobs.path(tree.sha256).open("rb") as file, tarfile.open(fileobj=file) as tar:
        there = {name.removeprefix("tree/") for name in tar.getnames()} - {"tree"}
    plain = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")}
    assert there == {path for path in plain if not path.startswith(".git/") and path != ".git"}


def test_submodules_end_somewhere(work: Path, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = head(work)
    for _ in range(9):
        inner = modules(work, module("../work"), pinned=inner)
    with pytest.raises(UsageError, match=r"lib: expected at most 100 submodules, 8 deep, found more"):
        repositories.open(work).tree(inner)
    assert repositories.open(work).tree(git(work, "rev-parse", "HEAD~1")).size > 0
    monkeypatch.setattr(git_submodules, "COUNT_LIMIT", 3)
    with pytest.raises(UsageError, match="expected at most 3 submodules"):
        repositories.open(work).tree(git(work, "rev-parse", "HEAD~4"))
    assert repositories.open(work).tree(git(work, "rev-parse", "HEAD~6")).size > 0


def test_pointers_to_large_files_are_refused(work: Path, repositories: GitRepositories) -> None:
    wanted = head(commit(work, {f"big-{number}": POINTER % number for number in range(7)}))
    with pytest.raises(UsageError, match="big-0, big-1, big-2, big-3, big-4 and 2 more, found pointers") as found:
        repositories.open(work).tree(wanted)
    assert "--from-sdist" in found.value.hint


# --- nothing of a repository runs, and nothing of it is believed ---------------------------------------------------


def evil(folder: Path, tmp_path: Path) -> Path:
    """Every program that a configuration can name, and hooks, which would leave a mark."""
    mark, program = tmp_path / "mark", tmp_path / "evil.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {mark}\nexit 1\n')
    program.chmod(0o755)
    keys = {
        "core": ("fsmonitor", "sshCommand", "pager", "editor", "askPass", "alternateRefsCommand", "gitProxy"),
        'filter "evil"': ("clean", "smudge", "process"),
        'diff "evil"': ("textconv", "command"),
        "diff": ("external",),
        "gpg": ("program",),
        "credential": ("helper",),
        "uploadpack": ("packObjectsHook",),
        'remote "origin"': ("uploadpack", "vcs"),
    }
    lines = [f"[{section}]\n\t{key} = {program}\n" for section, names in keys.items() for key in names]
    lines += ["[log]\n\tshowSignature = true\n[protocol]\n\tallow = always\n", '[remote "origin"]\n\tpromisor = 1\n']
    with (folder / "config").open("a") as file:
        file.write("".join(lines))
    (folder / "hooks").mkdir(exist_ok=True)
    for hook in ("post-index-change", "reference-transaction", "pre-auto-gc", "post-checkout", "post-rewrite"):
        shutil.copy(program, folder / "hooks" / hook)
    return mark


def test_nothing_of_a_hostile_repository_runs(tmp_path: Path, work: Path, repositories: GitRepositories) -> None:
    git(work, "tag", "-a", "-m", "x", "v1")
    wanted = head(commit(work, {".gitattributes": b"* filter=evil diff=evil merge=evil\n"}))
    git(work, "tag", "-a", "-m", "x", "v2")
    clean = repositories.open(work).tree(wanted)
    folder = bare(work)
    marks = [evil(work / ".git", tmp_path), evil(folder, tmp_path)]
    for place in (work, folder, f"file://{folder}", bundle(work)):
        opened = repositories.open(place, commit=wanted)
        assert use(opened, wanted) == clean
    assert not any(mark.exists() for mark in marks)
    # The trap is one: Git itself falls into it.
    subprocess.run(["git", "status"], cwd=work, env=ENVIRONMENT, capture_output=True)
    assert marks[0].exists()


def use(opened: GitRepository, wanted: str) -> object:
    opened.tags()
    opened.before(wanted, until=2**40)
    opened.touching("a.txt", until=2**40)
    opened.paths(wanted)
    opened.file(wanted, "a.txt")
    opened.signatures(wanted, "v2")
    with contextlib.suppress(UsageError):  # it says itself that it was cloned in part
        opened.holds(["78981922613b2afb6025042ff6bd878ac1994e85"])
    opened.history(wanted)
    return opened.tree(wanted)


def test_attributes_change_no_byte(work: Path, repositories: GitRepositories, blobs: BlobStore) -> None:
    attributes = (
        b"* ident text eol=crlf export-subst\n*.out export-ignore\n*.txt working-tree-encoding=UTF-16 filter=lfs\n"
    )
    wanted = head(work)
    write(work, {".gitattributes": attributes, "x.out": b"$Id$\n", "y.c": b"$Format:%H$\n"})
    git(work, "add", ".gitattributes", "x.out", "y.c")
    git(work, "commit", "-q", "-m", "attributes")
    (work / ".git" / "info" / "attributes").write_text("* export-ignore\n")
    for place in (work, bundle(work)):
        opened = repositories.open(place)
        assert opened.tree(head(work)) == found(work).export(blobs).tree
        assert opened.file(head(work), "x.out") == b"$Id$\n"
        assert opened.tree(wanted).size > 0


def test_a_pack_that_gives_other_bytes_for_an_id_is_found_out(work: Path, repositories: GitRepositories) -> None:
    """What a signature is over is an id; Git does not compare it with what it reads."""
    wanted, good = head(work), git(work, "rev-parse", "HEAD:a.txt")
    bad = git(work, "hash-object", "-w", "--stdin", told=b"evil\n")
    git(work, "branch", "keep", by_hand(work, line(work, "100644", b"x", b"evil\n")))
    git(work, "repack", "-q", "-a", "-d")
    index = next((work / ".git" / "objects" / "pack").glob("*.idx"))
    index.chmod(0o644)
    index.write_bytes(_swapped(index.read_bytes(), good, bad))
    assert git(work, "cat-file", "blob", good) == "evil"
    with pytest.raises(UsageError, match=f"the repository has other bytes in blob {good} than its id says"):
        repositories.open(work).tree(wanted)
    with pytest.raises(UsageError, match="other bytes in blob"):
        repositories.open(work).file(wanted, "a.txt")


def _swapped(index: bytes, one: str, other: str) -> bytes:
    """A pack's index with the offsets of two objects exchanged, and its own checksum made right: 8 bytes and 256
    counts, then all ids in order, 4 bytes for each, an offset of 4 bytes for each."""
    names = 8 + 256 * 4
    count = int.from_bytes(index[names - 4 : names], "big")
    ids = [index[names + 20 * number :][:20].hex() for number in range(count)]
    first, second = (names + 24 * count + 4 * ids.index(each) for each in (one, other))
    data = bytearray(index)
    data[first : first + 4], data[second : second + 4] = index[second : second + 4], index[first : first + 4]
    return bytes(data[:-20]) + hashlib.sha1(bytes(data[:-20])).digest()


def test_other_parents_beside_the_objects_count_for_nothing(work: Path, repositories: GitRepositories) -> None:
    first = head(work)
    second = head(commit(work, {"b": b""}))
    (work / ".git" / "info").mkdir(exist_ok=True)
    (work / ".git" / "info" / "grafts").write_text(f"{second}\n")
    git(work, "replace", second, first)
    assert [each.id for each in repositories.open(work).before(second, until=2**40)] == [second, first]


def test_a_folder_that_unfolds_without_end_is_stopped(
    work: Path, repositories: GitRepositories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rebuilder.fetch.snapshot.MEMBERS_LIMIT", 1000)
    tree = git(work, "rev-parse", "HEAD^{tree}")
    for _ in range(12):
        listing = "".join(f"040000 tree {tree}\t{number}\n" for number in range(10))
        tree = git(work, "mktree", told=listing.encode())
    bomb = git(work, "commit-tree", "-m", "bomb", tree)
    for method in (repositories.open(work).tree, repositories.open(work).paths):
        with pytest.raises(UsageError, match="expected at most 1000 files and folders, found more"):
            method(bomb)


@pytest.mark.parametrize("subfolder", ["..", "src/../..", "a//b", "./src"])
def test_a_subfolder_that_is_none(work: Path, repositories: GitRepositories, subfolder: str) -> None:
    with pytest.raises(UsageError, match="expected a folder of the repository, found"):
        repositories.open(work).tree(head(work), subfolder)
    with pytest.raises(UsageError, match="expected a folder nothing in commit"):
        repositories.open(work).tree(head(work), "nothing")
