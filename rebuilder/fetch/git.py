"""The source of a check: a commit of a Git repository, its work tree, or a plain folder, as one canonical tar.

Paths in values are text that any record can hold. Nothing of the repository is run (`git_command`), and nothing
but its objects decides what the bytes are (`snapshot`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder.errors import TooLargeError, UsageError
from rebuilder.fetch.git_command import Checkout, Git, bare_config, checkout, shown
from rebuilder.fetch.git_signatures import moment
from rebuilder.fetch.snapshot import Part, Seen, differing, members, work_files
from rebuilder.treetar import OPEN, listed_tar, newest_time, packed, tree_tar

if TYPE_CHECKING:
    from rebuilder.model import FileDigest
    from rebuilder.ports import Blobs

#: The folder that holds the tree in its tar.
TOP = "tree"
TREE_LIMIT = 8 * 1024**3
DIRTY_LIMIT = 100
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A source tree in the blobs, and what is known of it. Times are seconds since 1970."""

    tree: FileDigest
    #: Time of the commit; where there is none, of the youngest file.
    epoch: int
    #: Full id: what was exported, or what the work tree was made from.
    commit: str = ""
    #: The tag that is exactly this commit; empty if there is none.
    tag: str = ""
    #: Its name by the nearest tag (`v1.2-5-g0123456789ab`); empty if there is none.
    described: str = ""
    #: Paths of the work tree that are not as the commit has them, or not in it, at most ``DIRTY_LIMIT``.
    dirty: tuple[str, ...] = ()
    #: ``path commit`` of each.
    submodules: tuple[str, ...] = ()
    #: In words, what may surprise.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repository:
    """A work tree, or a folder in it that is a project of its own: only that is exported."""

    checkout: Checkout
    inside: str = ""

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self.checkout.top / self.inside

    def export(self, blobs: Blobs, *, commit: str = "HEAD") -> Exported:
        """The files of a commit, submodules too, each with the time of the commit.

        ``UsageError`` if there is no such commit, it has nothing here, it holds what can't be built from (names
        that no checkout could have), or a submodule is not checked out.
        """
        part, seen = self._part(commit), Seen()
        tree, epoch = self._committed(part, seen, blobs)
        return self._exported(tree, epoch, part, seen)

    def committed(self, blobs: Blobs, *, commit: str, submodules: bool) -> tuple[FileDigest, Seen]:
        """The tree of ``export`` alone, without a look at the work tree, and what was met. Raises as it does."""
        part, seen = replace(self._part(commit), submodules=submodules), Seen()
        tree, _ = self._committed(part, seen, blobs)
        return tree, seen

    def worktree(self, blobs: Blobs) -> Exported:
        """The files as they lie there that Git follows or does not ignore, each with the time of the commit that is
        checked out. ``UsageError`` as ``export``; a repository without a commit will do."""
        seen = Seen()
        part = Part(self.checkout, self.checkout.commit("HEAD"), self.inside)
        paths = list(work_files(part, seen))
        if not paths:
            msg = f"{self.folder}: expected files, found none that Git would take"
            raise UsageError(msg, hint="are they all ignored? A folder of outputs can be copied out of the repository")
        epoch = self._time(part.commit) if part.commit else newest_time(self.folder) or 0
        of = str(self.folder)
        tree = _put(blobs, listed_tar(self.folder, paths, TOP, epoch), of)
        return self._exported(tree, epoch, part, seen)

    def bundle(self, blobs: Blobs, *, commit: str = "HEAD") -> FileDigest:
        """A commit (as HEAD), its history and its tags, as `git clone` reads it. ``UsageError`` for a shallow clone,
        whose history is not there."""
        git = self.checkout.git
        commit = self._commit(commit)
        if git.answer("rev-parse", "--is-shallow-repository").strip() != b"false":
            msg = f"{self.checkout.top}: the build reads its version from the history; found a shallow clone of it"
            raise UsageError(msg, hint="run `git fetch --unshallow --tags`, in CI with the whole history (depth 0)")
        tags = git.answer("for-each-ref", f"--merged={commit}", "--format=%(objectname) %(refname)", "refs/tags")
        with tempfile.TemporaryDirectory(prefix="rebuilder-history-") as folder:
            beside = self._beside(Path(folder), commit, tags)
            chunks = beside.stream("bundle", "create", "--quiet", "-", "HEAD", "--tags")
            return _put(blobs, chunks, "the history", name="history.bundle")

    def _beside(self, folder: Path, commit: str, tags: bytes) -> Git:
        """A repository of nothing but names, with the objects of this one: a bundle names a commit only by a name."""
        objects = Path(os.fsdecode(self.checkout.git.answer("rev-parse", "--git-path", "objects").rstrip(b"\n")))
        (folder / "objects" / "info").mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "objects" / "info" / "alternates").write_bytes(os.fsencode(objects.absolute()) + b"\n")
        (folder / "HEAD").write_text("ref: refs/heads/main\n", encoding="ascii")
        (folder / "config").write_text(bare_config(commit), encoding="ascii")
        lines = [*tags.splitlines(), f"{commit} refs/heads/main".encode()]
        names = sorted(lines, key=lambda line: line.partition(b" ")[2])
        (folder / "packed-refs").write_bytes(b"".join(line + b"\n" for line in names))
        return Git(folder, folder)

    def _committed(self, part: Part, seen: Seen, blobs: Blobs) -> tuple[FileDigest, int]:
        epoch = self._time(part.commit)
        of = f"commit {part.commit}"
        return _put(blobs, packed(members(part, epoch, seen), TOP, epoch, modes=OPEN, of=of), of), epoch

    def _part(self, name: str) -> Part:
        commit = self._commit(name)
        try:
            kind = self.checkout.git.answer("cat-file", "-t", f"{commit}:{self.inside}")
        except UsageError:
            kind = b"nothing"
        if kind.strip() != b"tree":
            msg = f"expected a folder {shown(self.inside) or '/'} in commit {commit}, found {kind.decode().strip()}"
            raise UsageError(msg, hint="commit it first, or check the files as they lie there with --worktree")
        return Part(self.checkout, commit, self.inside)

    def _commit(self, name: str) -> str:
        if commit := self.checkout.commit(name):
            return commit
        if name == "HEAD":
            msg = f"{self.checkout.top}: expected a commit in the repository, found none yet"
            raise UsageError(msg, hint="commit first, or check the files as they lie there with --worktree")
        msg = f"{self.checkout.top}: expected a commit, found none called {shown(name)}"
        raise UsageError(msg, hint="`git log --all --oneline` names those that there are; `git fetch` brings others")

    def _time(self, commit: str) -> int:
        found = moment(self.checkout.git.answer("cat-file", "commit", commit), b"committer")
        if found is None:
            msg = f"commit {commit}: expected the time when it was made, found none"
            raise UsageError(msg, hint="`git fsck` says what is wrong with it")
        return found

    def _described(self, commit: str) -> tuple[str, str]:
        """Its tag, and its name by the nearest tag."""
        try:
            answer = self.checkout.git.answer("describe", "--tags", "--long", "--abbrev=12", commit)
        except UsageError:
            return "", ""
        text = answer.decode(errors="backslashreplace").strip()
        tag, distance, _ = text.rsplit("-", 2)
        return (tag, tag) if distance == "0" else ("", text)

    def _exported(self, tree: FileDigest, epoch: int, part: Part, seen: Seen) -> Exported:
        tag, described, dirty = "", "", []
        if part.commit:
            tag, described = self._described(part.commit)
            dirty = list(islice(differing(part, frozenset(seen.pointers)), DIRTY_LIMIT))
        return Exported(
            tree=tree,
            epoch=epoch,
            commit=part.commit,
            tag=tag,
            described=described,
            dirty=tuple(sorted(map(shown, dirty))),
            submodules=tuple(f"{shown(path)} {commit}" for path, commit in sorted(seen.submodules.items())),
            notes=_notes(seen),
        )


def find(folder: Path) -> Repository | None:
    """The repository whose work tree ``folder`` is, or lies in; ``None`` if it lies in none. As Git does, it looks no
    further than the file system of ``folder``. ``UsageError`` for what is no folder."""
    if not folder.is_dir():
        msg = f"expected the folder of a project, found {'a file' if folder.exists() else 'nothing'} at {folder}"
        raise UsageError(msg)
    whole = folder.resolve()
    device = whole.stat().st_dev
    for top in (whole, *whole.parents):
        if top.stat().st_dev != device:
            break
        if found := checkout(top):
            inside = whole.relative_to(top).as_posix()
            return Repository(found, "" if inside == "." else inside)
    return None


def folder(path: Path, blobs: Blobs, epoch: int | None = None) -> Exported:
    """A folder that is in no repository, as it lies there; no time is later than ``epoch``, or than its youngest file.
    ``UsageError`` as ``tree_tar``, and if it holds no file."""
    if epoch is None:
        epoch = newest_time(path)
    if epoch is None:
        msg = f"{path}: expected the files of a project, found none"
        raise UsageError(msg)
    epoch = max(0, epoch)
    return Exported(tree=_put(blobs, tree_tar(path, TOP, epoch, modes=OPEN), str(path)), epoch=epoch)


def _put(blobs: Blobs, chunks: Iterable[bytes], of: str, name: str = "tree.tar") -> FileDigest:
    try:
        return blobs.put(chunks, name=name, limit=TREE_LIMIT)
    except TooLargeError as error:
        msg = f"{of}: expected at most {TREE_LIMIT} bytes, found more"
        raise UsageError(msg) from error


def _notes(seen: Seen) -> tuple[str, ...]:
    notes = []
    if seen.pointers:
        notes.append(
            f"{_few(seen.pointers)}: Git LFS keeps the contents of these files elsewhere; what was committed, and is "
            "built, are pointers. --worktree takes the contents"
        )
    if seen.strangers:
        notes.append(f"{_few(seen.strangers)}: left out, a repository of its own that is no submodule")
    if seen.outside:
        notes.append(
            f"{_few(seen.outside)}: a link that leads out of the source; it is kept as it stands, and in a build it "
            "leads to what the toolchain has there, or to nothing"
        )
    return tuple(notes)


def _few(paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(map(shown, paths[:_NAMED])) + more
