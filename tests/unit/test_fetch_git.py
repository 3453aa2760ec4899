"""The source of a check from Git: the bytes of the commit, whatever the repository would like to run or change."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from rebuilder.errors import InfrastructureError, UsageError
from rebuilder.fetch import git as source
from rebuilder.fetch import git_command
from rebuilder.fetch import snapshot as snapshots
from rebuilder.fetch.git import Exported, Repository, find
from rebuilder.fetch.snapshot import leads_out
from rebuilder.store.blobs import BlobStore

TIME = 1_600_000_000
ODD = os.fsdecode(b"caf\xe9 \xff.txt")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ALLOW_PROTOCOL": "file",
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
        ("NAME", "A"), ("EMAIL", "a@b"), ("DATE", f"{TIME} +0200"),
    )},
}  # fmt: skip


def git(folder: Path, *arguments: str, told: bytes = b"") -> str:
    result = subprocess.run(
        ["git", "-c", "commit.gpgSign=false", *arguments], cwd=folder, env=ENVIRONMENT, input=told, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.decode().strip()


def repository(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    return commit(folder, files)


def commit(folder: Path, files: dict[str, bytes]) -> Path:
    write(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "more")
    return folder


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def found(folder: Path) -> Repository:
    repository = find(folder)
    assert repository is not None
    return repository


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "state")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return repository(tmp_path / "work", {"a.txt": b"a\n", "src/b.c": b"b\n", "src.txt": b"c\n"})


def members(blobs: BlobStore, exported: Exported) -> list[tarfile.TarInfo]:
    with tarfile.open(blobs.path(exported.tree.sha256), errors="surrogateescape") as archive:
        return archive.getmembers()


def files(blobs: BlobStore, exported: Exported) -> dict[str, bytes]:
    with tarfile.open(blobs.path(exported.tree.sha256), errors="surrogateescape") as archive:
        return {
            info.name.removeprefix("tree/"): archive.extractfile(info).read()
            for info in archive.getmembers()
            if info.isreg()
        }


def by_hand(folder: Path, *lines: bytes) -> str:
    """A commit of a tree that Git itself would not make: mode, name, NUL, object."""
    tree = git(folder, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", told=b"".join(lines))
    return git(folder, "commit-tree", "-m", "evil", tree)


def line(folder: Path, mode: str, name: bytes, data: bytes = b"x") -> bytes:
    blob = git(folder, "hash-object", "-w", "--stdin", told=data)
    return f"{mode} ".encode() + name + b"\0" + bytes.fromhex(blob)


# --- what is exported -------------------------------------------------------------------------------------------


def test_a_commit_is_exported_as_it_was_made(work: Path, blobs: BlobStore) -> None:
    (work / "run").write_bytes(b"#!/bin/sh\n")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("src/b.c")
    commit(work, {"empty": b"", "big": b"0123456789" * 300_000})
    exported = found(work).export(blobs)
    assert exported.commit == git(work, "rev-parse", "HEAD")
    assert (exported.epoch, exported.dirty, exported.submodules, exported.notes) == (TIME, (), (), ())
    infos = members(blobs, exported)
    assert [info.name for info in infos] == [
        "tree", "tree/a.txt", "tree/big", "tree/empty", "tree/link", "tree/run", "tree/src", "tree/src/b.c",
        "tree/src.txt",
    ]  # fmt: skip
    assert {info.mtime for info in infos} == {TIME}
    modes = {info.name: info.mode for info in infos}
    assert (modes["tree/run"], modes["tree/a.txt"], modes["tree/src"]) == (0o777, 0o666, 0o777)
    assert next(info.linkname for info in infos if info.issym()) == "src/b.c"
    assert files(blobs, exported)["big"] == b"0123456789" * 300_000
    assert found(work).worktree(blobs).tree == exported.tree


def test_names_of_any_bytes_work(work: Path, blobs: BlobStore) -> None:
    odd = {"new\nline": b"1", "two  spaces": b"2", "grün/日本": b"3", ODD: b"4", '"quoted"\t\\': b"5", "-n": b"6"}
    commit(work, odd)
    exported = found(work).export(blobs)
    assert odd.items() <= files(blobs, exported).items()
    assert exported.dirty == ()
    (work / ODD).write_bytes(b"changed")
    (work / "new\nline").unlink()
    exported = found(work).export(blobs)
    assert exported.dirty == ("caf\\xe9 \\xff.txt", "new\nline")
    made = found(work).worktree(blobs)
    assert files(blobs, made)[ODD] == b"changed"
    assert "new\nline" not in files(blobs, made)


def test_the_folder_may_have_any_name(tmp_path: Path, blobs: BlobStore) -> None:
    work = repository(tmp_path / "ein Ordner\nü" / ODD, {"a": b"a"})
    assert files(blobs, found(work).export(blobs)) == files(blobs, found(work).worktree(blobs)) == {"a": b"a"}


def test_attributes_change_no_byte(work: Path, blobs: BlobStore) -> None:
    attributes = b"*.bat text eol=crlf\n*.txt text=auto\nleft.out export-ignore\nversion export-subst\n* ident\n"
    plain = {"run.bat": b"echo\r\n", "version": b"$Format:%H$ $Id$\n", "left.out": b"x", ".gitattributes": attributes}
    commit(work, plain)
    stored = git(work, "cat-file", "blob", "HEAD:run.bat")
    assert "\r" not in stored
    (work / "run.bat").unlink()
    git(work, "checkout", "run.bat")
    assert (work / "run.bat").read_bytes() == b"echo\r\n"
    exported = found(work).export(blobs)
    assert files(blobs, exported)["run.bat"] == b"echo\n"
    assert files(blobs, exported)["version"] == b"$Format:%H$ $Id$\n"
    assert files(blobs, exported)["left.out"] == b"x"
    assert exported.dirty == ()
    assert files(blobs, found(work).worktree(blobs))["run.bat"] == b"echo\r\n"


def test_a_dirty_tree_is_said_and_not_built(work: Path, blobs: BlobStore) -> None:
    commit(work, {".gitignore": b"*.o\n", "gone": b"1", "moved/x": b"1", "run": b"1", "link": b"1", "staged": b"1"})
    clean = found(work).export(blobs)
    (work / "gone").unlink()
    shutil.rmtree(work / "moved")
    (work / "moved").symlink_to("src")
    (work / "run").chmod(0o755)
    (work / "link").unlink()
    (work / "link").symlink_to("run")
    write(work, {"a.txt": b"changed", "new": b"", "src/new": b"", "x.o": b"", "staged": b"2"})
    git(work, "add", "staged", "src/new")
    exported = found(work).export(blobs)
    assert exported.tree == clean.tree
    assert exported.dirty == ("a.txt", "gone", "link", "moved", "moved/x", "new", "run", "src/new", "staged")
    made = found(work).worktree(blobs)
    assert made.dirty == exported.dirty
    assert made.commit == exported.commit
    assert set(files(blobs, made)) == {".gitignore", "a.txt", "new", "run", "src.txt", "src/b.c", "src/new", "staged"}
    assert {info.mtime for info in members(blobs, made)} == {TIME}


def test_not_more_than_a_hundred_dirty_files_are_named(work: Path, blobs: BlobStore) -> None:
    write(work, {f"new-{number}": b"" for number in range(300)})
    assert len(found(work).export(blobs).dirty) == 100


def test_files_left_out_by_a_sparse_checkout_are_not_dirty(work: Path, blobs: BlobStore) -> None:
    git(work, "sparse-checkout", "set", "--no-cone", "/a.txt")
    assert not (work / "src").exists()
    exported = found(work).export(blobs)
    assert exported.dirty == ()
    assert set(files(blobs, exported)) == {"a.txt", "src/b.c", "src.txt"}


def test_a_folder_of_a_repository_is_a_project_of_its_own(work: Path, blobs: BlobStore) -> None:
    commit(work, {"src/deep/c": b"c", "srcs": b""})
    write(work, {"new": b"", "src/new": b""})
    repository = found(work / "src")
    assert repository.inside == "src"
    exported = repository.export(blobs)
    assert files(blobs, exported) == {"b.c": b"b\n", "deep/c": b"c"}
    assert exported.dirty == ("new",)
    assert set(files(blobs, repository.worktree(blobs))) == {"b.c", "deep/c", "new"}
    (work / "other").mkdir()
    with pytest.raises(UsageError, match=r"expected a folder other in commit [0-9a-f]{40}, found nothing"):
        found(work / "other").export(blobs)
    with pytest.raises(UsageError, match="other: expected files, found none that Git would take"):
        found(work / "other").worktree(blobs)


def test_any_commit_can_be_named(work: Path, blobs: BlobStore) -> None:
    first = git(work, "rev-parse", "HEAD")
    git(work, "tag", "v1")
    commit(work, {"later": b""})
    for name in (first, first[:10], "v1", "HEAD~1"):
        exported = found(work).export(blobs, commit=name)
        assert (exported.commit, exported.tag, exported.dirty) == (first, "v1", ("later",))
    exported = found(work).export(blobs)
    assert (exported.tag, exported.described) == ("", f"v1-1-g{exported.commit[:12]}")
    for name in ("v2", "--all", "HEAD:a.txt", "", "a\nb"):
        with pytest.raises(UsageError, match="expected a commit, found none called"):
            found(work).export(blobs, commit=name)


def test_a_work_tree_of_its_own_and_sha256(tmp_path: Path, work: Path, blobs: BlobStore) -> None:
    git(work, "worktree", "add", "-q", "../second")
    (tmp_path / "second" / "new").write_bytes(b"")
    exported = found(tmp_path / "second").export(blobs)
    assert (exported.tree, exported.dirty) == (found(work).export(blobs).tree, ("new",))
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q", "--object-format=sha256")
    commit(other, {"a.txt": b"a\n", "src/b.c": b"b\n", "src.txt": b"c\n"})
    again = found(other).export(blobs)
    assert (again.tree, len(again.commit), again.dirty) == (exported.tree, 64, ())


def test_what_is_no_repository_is_a_folder(tmp_path: Path, blobs: BlobStore) -> None:
    folder = tmp_path / "plain"
    write(folder, {"a": b"1", "b/c": b"2"})
    (folder / ".git").mkdir()
    assert find(folder) is None
    os.utime(folder / "a", (TIME - 7, TIME - 7))
    os.utime(folder / "b" / "c", (TIME, TIME))
    exported = source.folder(folder, blobs)
    assert (exported.epoch, exported.commit) == (TIME, "")
    assert files(blobs, exported) == {"a": b"1", "b/c": b"2"}
    assert {info.name: info.mtime for info in members(blobs, exported)}["tree/a"] == TIME - 7
    assert source.folder(folder, blobs, TIME - 9).epoch == TIME - 9
    (tmp_path / "hollow").mkdir()
    with pytest.raises(UsageError, match="hollow: expected the files of a project, found none"):
        source.folder(tmp_path / "hollow", blobs)
    with pytest.raises(UsageError, match="expected the folder of a project, found nothing at"):
        find(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="expected the folder of a project, found a file at"):
        find(folder / "a")


# --- the history ------------------------------------------------------------------------------------------------


def test_a_bundle_has_the_commit_and_its_tags(tmp_path: Path, work: Path, blobs: BlobStore) -> None:
    git(work, "tag", "v1.0")
    git(work, "branch", "side")
    commit(work, {"later": b""})
    git(work, "tag", "-a", "-m", "x", "v1.1")
    git(work, "checkout", "-q", "side")
    commit(work, {"side": b""})
    git(work, "tag", "v9-elsewhere")
    git(work, "checkout", "-q", "main")
    commit(work, {"last": b""})
    bundle = blobs.path(found(work).bundle(blobs).sha256)
    git(tmp_path, "clone", "-q", str(bundle), "copy")
    assert git(tmp_path / "copy", "rev-parse", "HEAD") == git(work, "rev-parse", "HEAD")
    assert git(tmp_path / "copy", "describe", "--tags").startswith("v1.1-1-g")
    assert git(tmp_path / "copy", "tag").split() == ["v1.0", "v1.1"]


def test_a_bundle_of_a_commit_that_is_not_checked_out(tmp_path: Path, work: Path, blobs: BlobStore) -> None:
    wanted = commit(work, {"later": b""})
    git(work, "tag", "v2")
    commit(work, {"last": b""})
    git(work, "tag", "v3-later")
    bundle = blobs.path(found(work).bundle(blobs, commit="v2").sha256)
    git(tmp_path, "clone", "-q", str(bundle), "copy")
    assert git(tmp_path / "copy", "rev-parse", "HEAD") == git(work, "rev-parse", "v2")
    assert git(tmp_path / "copy", "tag").split() == ["v2"]
    assert wanted


def test_a_shallow_clone_has_its_files_but_no_history(tmp_path: Path, work: Path, blobs: BlobStore) -> None:
    commit(work, {"later": b""})
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{work}", "shallow")
    assert found(tmp_path / "shallow").export(blobs).tree == found(work).export(blobs).tree
    with pytest.raises(UsageError, match="found a shallow clone") as caught:
        found(tmp_path / "shallow").bundle(blobs)
    assert "git fetch --unshallow --tags" in caught.value.hint


# --- submodules and large files ---------------------------------------------------------------------------------


def with_submodule(work: Path) -> Path:
    library = repository(work.parent / "library", {"lib.c": b"1", "deep/x": b"2"})
    git(work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "vendor/lib")
    return commit(work, {})


def test_submodules_are_exported_from_their_own_repositories(work: Path, blobs: BlobStore) -> None:
    with_submodule(work)
    pinned = git(work / "vendor" / "lib", "rev-parse", "HEAD")
    exported = found(work).export(blobs)
    assert exported.submodules == (f"vendor/lib {pinned}",)
    assert exported.dirty == ()
    names = [info.name for info in members(blobs, exported)]
    assert names[-5:] == [
        "tree/vendor", "tree/vendor/lib", "tree/vendor/lib/deep", "tree/vendor/lib/deep/x", "tree/vendor/lib/lib.c",
    ]  # fmt: skip
    assert found(work).worktree(blobs).tree == exported.tree
    assert found(work / "vendor").export(blobs).submodules == (f"lib {pinned}",)
    inner = found(work / "vendor" / "lib" / "deep")
    assert (inner.inside, files(blobs, inner.export(blobs))) == ("deep", {"x": b"2"})
    commit(work / "vendor" / "lib", {"lib.c": b"changed"})
    again = found(work).export(blobs)
    assert (again.tree, again.dirty) == (exported.tree, ("vendor/lib/lib.c",))
    assert files(blobs, found(work).worktree(blobs))["vendor/lib/lib.c"] == b"changed"


def test_a_submodule_that_is_not_checked_out_is_said(tmp_path: Path, work: Path, blobs: BlobStore) -> None:
    with_submodule(work)
    git(tmp_path, "clone", "-q", str(work), "copy")
    for make in (found(tmp_path / "copy").export, found(tmp_path / "copy").worktree):
        with pytest.raises(UsageError, match="vendor/lib: expected the submodule's repository") as caught:
            make(blobs)
        assert "git submodule update --init" in caught.value.hint
    # Another repository in its place has not that commit; one behind a link is not asked.
    (tmp_path / "copy" / "vendor" / "lib").rmdir()
    git(tmp_path, "clone", "-q", str(work), "copy/vendor/lib")
    with pytest.raises(UsageError, match=r"vendor/lib: expected the submodule's repository with commit [0-9a-f]{40}"):
        found(tmp_path / "copy").export(blobs)
    shutil.rmtree(tmp_path / "copy" / "vendor")
    (tmp_path / "copy" / "vendor").symlink_to(work / "vendor")
    with pytest.raises(UsageError, match=r"vendor/lib: expected the submodule's repository with commit [0-9a-f]{40}"):
        found(tmp_path / "copy").export(blobs)


def test_a_strange_repository_in_the_work_tree_is_left_out(work: Path, blobs: BlobStore) -> None:
    repository(work / "strange", {"x": b""})
    made = found(work).worktree(blobs)
    assert "strange/x" not in files(blobs, made)
    assert made.notes == ("strange/: left out, a repository of its own that is no submodule",)


def test_pointers_to_large_files_are_said(work: Path, blobs: BlobStore) -> None:
    def pointer(number: int) -> bytes:
        digest = hashlib.sha256(b"%d" % number).hexdigest()
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 1\n".encode()

    commit(work, {f"big-{number}": pointer(number) for number in range(7)})
    (work / "big-0").write_bytes(b"0")
    exported = found(work).export(blobs)
    assert "big-0, big-1, big-2, big-3, big-4 and 2 more: Git LFS keeps the contents" in exported.notes[0]
    assert exported.dirty == ()
    assert files(blobs, exported)["big-0"] == pointer(0)
    assert files(blobs, found(work).worktree(blobs))["big-0"] == b"0"


# --- bad input --------------------------------------------------------------------------------------------------


def test_a_repository_without_a_commit(tmp_path: Path, blobs: BlobStore) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    git(folder, "init", "-q")
    write(folder, {"a": b"1"})
    os.utime(folder / "a", (TIME, TIME))
    for make in (found(folder).export, found(folder).bundle):
        with pytest.raises(UsageError, match="expected a commit in the repository, found none yet"):
            make(blobs)
    made = found(folder).worktree(blobs)
    assert (made.commit, made.epoch, files(blobs, made)) == ("", TIME, {"a": b"1"})


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "src/../../x"])
def test_links_that_lead_out_are_kept_and_said(work: Path, blobs: BlobStore, target: str) -> None:
    target = "../" + target if not target.startswith("/") else target
    (work / "src" / "out").symlink_to(target)
    commit(work, {})
    exported, lying = found(work).export(blobs), found(work).worktree(blobs)
    assert exported.tree == lying.tree
    with blobs.path(exported.tree.sha256).open("rb") as tar, tarfile.open(fileobj=tar) as archive:
        assert [member.linkname for member in archive if member.name.endswith("/src/out")] == [target]
    assert "src/out" not in files(blobs, exported)
    assert "src/out: a link that leads out of the source; it is kept as it stands" in exported.notes[0]


@pytest.mark.parametrize(
    ("target", "path", "out"),
    [
        ("/etc/passwd", "a", True), ("..", "a", True), ("../x", "a/b", False), ("../../x", "a/b", True),
        ("x/../y", "a", False), ("x/../../y", "a", True), ("./x", "a", False), ("b", "a", False),
    ],
)  # fmt: skip
def test_where_a_link_leads(target: str, path: str, *, out: bool) -> None:
    assert leads_out(target, path) is out


@pytest.mark.parametrize(
    "name", [b"..", b".", b".git", b".GIT", b"/etc/passwd", b"../../x", b"a/b", b"src/../../x", b"link/x"]
)
def test_names_that_no_checkout_could_have_are_refused(work: Path, blobs: BlobStore, name: bytes) -> None:
    evil = by_hand(work, line(work, "120000", b"link", b"/tmp"), line(work, "100644", name))
    with pytest.raises(UsageError, match="has a file that no checkout could have, called "):
        found(work).export(blobs, commit=evil)


def test_the_same_name_twice_is_refused(work: Path, blobs: BlobStore) -> None:
    evil = by_hand(work, line(work, "120000", b"a", b"src"), line(work, "100644", b"a"))
    with pytest.raises(UsageError, match="has a file that no checkout could have, called a"):
        found(work).export(blobs, commit=evil)


def test_an_index_made_by_hand_reads_nothing_outside(tmp_path: Path, work: Path, blobs: BlobStore) -> None:
    (tmp_path / "secret").write_bytes(b"mine")
    commit(work, {"aa/aaaaaa": b"1"})
    index = (work / ".git" / "index").read_bytes()
    evil = index.replace(b"aa/aaaaaa", b"../secret")[:-20]
    (work / ".git" / "index").write_bytes(evil + hashlib.sha1(evil).digest())
    for make in (found(work).export, found(work).worktree):
        with pytest.raises(UsageError, match=r"index has a file that no checkout could have, called ../secret"):
            make(blobs)


def test_a_tree_that_unfolds_without_end_is_stopped(
    work: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MEMBERS_LIMIT", 1000)
    tree = git(work, "rev-parse", "HEAD^{tree}")
    for _ in range(12):
        listing = "".join(f"040000 tree {tree}\t{number}\n" for number in range(10))
        tree = git(work, "mktree", told=listing.encode())
    bomb = git(work, "commit-tree", "-m", "bomb", tree)
    with pytest.raises(UsageError, match="expected at most 1000 files and folders, found more"):
        found(work).export(blobs, commit=bomb)
    monkeypatch.setattr(snapshots, "MEMBERS_LIMIT", 2)
    write(work, {"new": b""})
    with pytest.raises(UsageError, match=r"expected at most 2 files, found more") as caught:
        found(work).worktree(blobs)
    assert ".gitignore" in caught.value.hint


def test_too_many_bytes_are_refused(work: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "TREE_LIMIT", 2000)
    for make in (found(work).export, found(work).worktree):
        with pytest.raises(UsageError, match="expected at most 2000 bytes, found more"):
            make(blobs)


def test_paths_that_no_system_has_are_refused(work: Path, blobs: BlobStore) -> None:
    tree = git(work, "rev-parse", "HEAD^{tree}")
    for _ in range(25):
        tree = git(work, "mktree", told=f"040000 tree {tree}\t{'x' * 200}\n".encode())
    deep = git(work, "commit-tree", "-m", "deep", tree)
    with pytest.raises(UsageError, match="expected paths of at most 4096 bytes"):
        found(work).export(blobs, commit=deep)


def test_a_file_that_the_repository_lacks(work: Path, blobs: BlobStore) -> None:
    blob = git(work, "rev-parse", "HEAD:a.txt")
    (work / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(UsageError, match=r"a.txt: expected a file in the repository, found: missing") as caught:
        found(work).export(blobs)
    assert "git fsck" in caught.value.hint


def test_a_broken_object_is_told_in_git_own_words(work: Path, blobs: BlobStore) -> None:
    tree = git(work, "rev-parse", "HEAD:src")
    path = work / ".git" / "objects" / tree[:2] / tree[2:]
    path.chmod(0o644)
    path.write_bytes(b"garbage")
    with pytest.raises(UsageError, match=r"git ls-tree failed with status \d+; it said: (error|fatal): "):
        found(work).export(blobs)


def test_a_commit_without_a_time(work: Path, blobs: BlobStore) -> None:
    text = git(work, "cat-file", "commit", "HEAD").replace(str(TIME), "noon") + "\n"
    evil = git(work, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", told=text.encode())
    with pytest.raises(UsageError, match="expected the time when it was made, found none"):
        found(work).export(blobs, commit=evil)


@pytest.mark.parametrize(
    ("said", "time"), [("-5", 0), ("10000000000", 10**10), ("253402300800", 253402300799), ("9" * 24, 253402300799)]
)
def test_a_commit_of_another_millennium_is_a_commit(work: Path, blobs: BlobStore, said: str, time: int) -> None:
    text = git(work, "cat-file", "commit", "HEAD").replace(str(TIME), said) + "\n"
    late = git(work, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", told=text.encode())
    exported = found(work).export(blobs, commit=late)
    assert exported.epoch == time
    with tarfile.open(blobs.path(exported.tree.sha256)) as tar:
        assert {member.mtime for member in tar} == {time}


@pytest.mark.parametrize("text", [b"gitdir: ../nowhere\n", b"nonsense", b"", b"\xff" * 10_000])
def test_a_git_file_that_leads_nowhere(tmp_path: Path, text: bytes) -> None:
    (tmp_path / ".git").write_bytes(text)
    with pytest.raises(UsageError, match=r"\.git: expected it to lead to a repository, it says"):
        find(tmp_path)


def test_without_git_it_says_what_to_install(work: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(work))
    with pytest.raises(InfrastructureError, match="expected the program git") as caught:
        found(work).export(blobs)
    assert "apt-get install git" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "error", "match"),
    [
        ("kill -9 $$", InfrastructureError, "git rev-parse was killed by signal 9; it said: nothing"),
        ("echo warning: x >&2; echo fatal: y >&2; kill -15 $$", InfrastructureError, "signal 15; it said: fatal: y"),
        ("exec sleep 60", InfrastructureError, "git rev-parse was killed by signal 9"),
    ],
)
def test_a_git_that_dies_or_hangs_is_our_fault(
    work: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch, script: str, error: type[Exception], match: str
) -> None:
    (work / "bin").mkdir()
    (work / "bin" / "git").write_text(f"#!/bin/sh\n{script}\n")
    (work / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{work / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(git_command, "SECONDS", 0.5)
    with pytest.raises(error, match=match):
        found(work).export(blobs)


# --- nothing of the repository is run ---------------------------------------------------------------------------


@pytest.fixture
def trap(tmp_path: Path) -> tuple[str, Path]:
    """A program that leaves a mark, and where."""
    mark = tmp_path / "mark"
    program = tmp_path / "evil.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {mark}\nexit 1\n')
    program.chmod(0o755)
    return str(program), mark


def test_nothing_of_a_hostile_configuration_runs(work: Path, blobs: BlobStore, trap: tuple[str, Path]) -> None:
    evil, mark = trap
    git(work, "tag", "-a", "-m", "x", "v1")
    commit(work, {".gitattributes": b"* filter=evil diff=evil merge=evil\n"})
    extra = work / ".git" / "extra"
    extra.write_text(f'[filter "evil"]\nprocess = {evil}\nrequired = true\n[core]\npager = {evil}\n')
    (work / ".git" / "config").write_text(
        (work / ".git" / "config").read_text()
        + f"""
[filter "evil"]
    clean = {evil}
    smudge = {evil}
[diff "evil"]
    textconv = {evil}
    command = {evil}
[diff]
    external = {evil}
[core]
    fsmonitor = {evil}
    sshCommand = {evil}
    hooksPath = {work / ".git" / "hooks"}
    pager = {evil}
    editor = {evil}
    askPass = {evil}
    gitProxy = {evil}
    alternateRefsCommand = {evil}
    untrackedCache = true
    worktree = /
[log]
    showSignature = true
[gpg]
    program = {evil}
[credential]
    helper = {evil}
[pager]
    describe = {evil}
[alias]
    ls-tree = !{evil}
    cat-file = !{evil}
[include]
    path = {extra}
[uploadpack]
    packObjectsHook = {evil}
[protocol]
    allow = always
"""
    )
    for hook in ("post-index-change", "reference-transaction", "pre-auto-gc", "post-checkout", "fsmonitor-watchman"):
        shutil.copy(evil, work / ".git" / "hooks" / hook)
    write(work, {"a.txt": b"changed\n", "new": b""})
    os.utime(work / "src.txt", (1, 1))
    exported = found(work).export(blobs)
    assert exported.dirty == ("a.txt", "new")
    assert files(blobs, exported)["a.txt"] == b"a\n"
    assert set(files(blobs, found(work).worktree(blobs))) == {".gitattributes", "a.txt", "new", "src.txt", "src/b.c"}
    found(work).bundle(blobs)
    assert not mark.exists()
    # The trap is one: Git itself falls into it.
    subprocess.run(["git", "status"], cwd=work, env=ENVIRONMENT, capture_output=True)
    assert mark.exists()


@pytest.mark.parametrize("url", ["ext::{evil} %G/x", "ssh://host/x", "{work}", "file://{work}", "evil::x"])
def test_a_partial_clone_fetches_nothing(
    tmp_path: Path, work: Path, blobs: BlobStore, trap: tuple[str, Path], url: str
) -> None:
    evil, mark = trap
    git(work, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{work}", "partial")
    partial = tmp_path / "partial"
    git(partial, "config", "remote.origin.url", url.format(evil=evil, work=work))
    git(partial, "config", "remote.origin.uploadpack", evil)
    git(partial, "config", "core.sshCommand", evil)
    for protocol in ("ext", "ssh", "file", "evil"):
        git(partial, "config", f"protocol.{protocol}.allow", "always")
    with pytest.raises(UsageError, match=r"expected a file in the repository|git cat-file failed") as caught:
        found(partial).export(blobs)
    assert "cloned in part (--filter) lacks files" in caught.value.hint
    assert not mark.exists()


def test_replaced_objects_and_the_callers_own_variables_count_for_nothing(
    tmp_path: Path, work: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = found(work).export(blobs)
    other = git(work, "hash-object", "-w", "--stdin", told=b"other")
    git(work, "replace", git(work, "rev-parse", "HEAD:a.txt"), other)
    elsewhere = repository(tmp_path / "elsewhere", {"z": b""})
    monkeypatch.setenv("GIT_DIR", str(elsewhere / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(elsewhere / ".git" / "index"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.quotePath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "nonsense")
    assert found(work).export(blobs) == clean


def test_a_repository_of_another_user_is_read(work: Path, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(git_command._ENVIRONMENT, "GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    exported = found(work).export(blobs)
    assert exported.dirty == ()
    assert found(work).worktree(blobs).tree == exported.tree
    refused = ENVIRONMENT | {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    result = subprocess.run(["git", "status"], cwd=work, env=refused, capture_output=True, text=True)
    assert "safe.directory" in result.stderr


def test_nothing_is_written_to_the_repository(work: Path, blobs: BlobStore) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in (work, *work.rglob("*"))}

    os.utime(work / "a.txt", (1, 1))
    before = state()
    found(work).export(blobs)
    found(work).worktree(blobs)
    found(work).bundle(blobs)
    assert state() == before
