"""The ``Repositories`` port: Git repositories of this machine, of bundles and of servers, read by plumbing alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder.errors import Stopped, UsageError
from rebuilder.fetch import git, git_history
from rebuilder.fetch.git_address import Address, located
from rebuilder.fetch.git_bundle import is_bundle
from rebuilder.fetch.git_clones import Clones
from rebuilder.fetch.git_command import Checkout, Git, shown
from rebuilder.fetch.git_submodules import Opened, Place, Sourced, Walk
from rebuilder.fetch.snapshot import Part, entries
from rebuilder.model import FileDigest, Verdict
from rebuilder.redaction import redacted

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Progress
    from rebuilder.releases import Commit, Signed, Tag

_FOLDER, _LINK, _COMMIT = "040000", "120000", "160000"
_NAMED = 5


class GitRepositories:
    """Clones of servers and bundles lie in ``<state>/git``; folders are read where they are."""

    def __init__(self, state: Path, blobs: Blobs, progress: Progress, *, offline: bool = False) -> None:
        self._clones = Clones(state / "git", progress, offline)
        self._blobs = blobs

    def open(self, place: str | Path, *, commit: str = "") -> GitRepository:
        """See the port."""
        return self._repository(self._at(located(place), commit))

    def _repository(self, found: Opened) -> GitRepository:
        return GitRepository(*found, blobs=self._blobs, walk=Walk(self._at))

    def _at(self, place: Address | Path, commit: str) -> Opened:
        if isinstance(place, Address):
            return self._clones.of_url(place, commit), Place(place)
        found, where = self._local(place)
        if commit and not found.has(commit):
            words = f"commit {redacted(commit)}: the repository at {place} does not have it"
            raise Stopped(Verdict.UNAVAILABLE, words, missing=(f"commit {redacted(commit)}",))
        return found, where

    def _local(self, path: Path) -> Opened:
        try:
            if path.is_file() and is_bundle(path):
                return self._clones.of_bundle(path), Place(None, at_hand=True)
            path = path.resolve()
            if _is_bare(path):
                bare = Checkout(path, Git(path, path))
                return bare, Place(_origin(bare), at_hand=True)
            repository = git.find(path) if path.is_dir() else None
        except OSError as error:
            msg = f"{path}: can't be read: {error.strerror}"
            raise UsageError(msg) from error
        if repository is not None:
            found = repository.checkout
            return found, Place(_origin(found), has_work_tree=True, at_hand=True)
        kind = "a folder that is none" if path.is_dir() else "a file that is none" if path.exists() else "nothing"
        msg = f"{path}: expected a Git repository (a work tree, a bare one, or a bundle), found {kind}"
        raise UsageError(msg, hint="name its folder, a bundle file, or an https, ssh or file URL")


@dataclass(frozen=True)
class GitRepository:
    """The ``Repository`` port."""

    checkout: Checkout
    place: Place
    blobs: Blobs
    walk: Walk

    @property
    def url(self) -> str:
        """See the port."""
        return self.place.base.public if isinstance(self.place.base, Address) else ""

    @property
    def at_hand(self) -> bool:
        """See the port."""
        return self.place.at_hand

    def origin_of(self, commit: str) -> str:
        """See the port."""
        if not self.url or not self.at_hand:
            return self.url
        commit_id = git_history.existing(self._git, commit).id
        # What was fetched from there. The own branches of a work tree are its user's; those of a bare one are copies.
        names = ("--remotes=origin",) if self.place.has_work_tree else ("--branches", "--tags", "--remotes=origin")
        return self.url if git_history.reachable(self._git, commit_id, *names) else ""

    def tags(self) -> tuple[Tag, ...]:
        """See the port; those that lead to no commit are left out."""
        return git_history.tags(self._git)

    def commit(self, name: str) -> Commit | None:
        """See the port."""
        return git_history.commit(self._git, name)

    def before(self, name: str, *, until: int, limit: int = 50) -> tuple[Commit, ...]:
        """See the port."""
        return git_history.before(self._git, name, until=until, limit=limit)

    def touching(self, path: str, *, until: int, limit: int = 200) -> tuple[Commit, ...]:
        """See the port."""
        return git_history.touching(self._git, path, until=until, limit=limit)

    def file(self, commit: str, path: str, *, limit: int = 1024 * 1024) -> bytes | None:
        """See the port; ``UsageError`` for one of more than ``limit`` bytes."""
        if "\0" in path or not _is_inside(path):
            return None
        commit_id = git_history.existing(self._git, commit).id
        for record in self._git.records("ls-tree", "-z", "--full-tree", commit_id, "--", path):
            head, _, name = record.partition(b"\t")
            mode, kind, object_id = head.decode().split(" ")
            if kind == "blob" and mode != _LINK and name == os.fsencode(path):
                with self._git.objects() as objects:
                    return objects.read(object_id, shown(path), limit)
        return None

    def paths(self, commit: str) -> tuple[str, ...]:
        """See the port. Bytes that are no UTF-8 are spelt out."""
        part = Part(self.checkout, git_history.existing(self._git, commit).id)
        return tuple(shown(entry.path) for entry in entries(part) if entry.mode not in (_FOLDER, _COMMIT))

    def tree(self, commit: str, subfolder: str = "", *, submodules: bool = True) -> FileDigest:
        """See the port. Submodules come from their own repositories, ``Stopped(unavailable)`` for one that cannot be
        had; or they are left as empty folders, as a clone does that is told nothing of them."""
        commit_id = git_history.existing(self._git, commit).id
        git_history.check_trees(self._git, commit_id)
        inside = subfolder.strip("/")
        if inside and not _is_inside(inside):
            msg = f"expected a folder of the repository, found {redacted(subfolder)!r}"
            raise UsageError(msg)
        # One export, one count of submodules.
        sourced = Sourced(self.checkout.top, self._git, commit_id, self.place, Walk(self.walk.open))
        tree, seen = git.Repository(sourced, inside).committed(self.blobs, commit=commit_id, submodules=submodules)
        if seen.pointers:
            more = f" and {len(seen.pointers) - _NAMED} more" if len(seen.pointers) > _NAMED else ""
            named = ", ".join(map(shown, seen.pointers[:_NAMED])) + more
            msg = (
                f"commit {commit_id}: expected the contents of {named}, found pointers: Git LFS keeps them elsewhere, "
                "so they are not in the repository"
            )
            raise UsageError(msg, hint="build from the release's own sdist, which may hold them: --from-sdist")
        return tree

    def history(self, commit: str) -> FileDigest:
        """See the port; ``UsageError`` for a shallow clone."""
        commit_id = git_history.existing(self._git, commit).id
        return git.Repository(self.checkout).bundle(self.blobs, commit=commit_id)

    def signatures(self, commit: str, tag: str = "") -> tuple[Signed, ...]:
        """See the port. ``UsageError`` if the tag does not lead to the commit."""
        return git_history.signatures(self._git, commit, tag)

    def holds(self, blob_ids: Iterable[str]) -> frozenset[str]:
        """See the port. ``UsageError`` for a repository that cannot know."""
        return git_history.holds(self._git, blob_ids)

    @property
    def _git(self) -> Git:
        return self.checkout.git


def _is_inside(path: str) -> bool:
    return not {"", ".", ".."} & set(path.split("/"))


def _is_bare(path: Path) -> bool:
    """As Git tells one: by three names, of which no work tree has all at its top."""
    names = (path / "refs").is_dir() or (path / "packed-refs").is_file()
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and names


def _origin(found: Checkout) -> Address | Path | None:
    """Where ``origin`` is cloned from; its own folder if nobody says, ``None`` if that is no address that is taken."""
    try:
        answer = found.git.answer("config", "--get", "remote.origin.url")
    except UsageError:
        return found.top
    try:
        place = located(os.fsdecode(answer.removesuffix(b"\n")))
    except UsageError:
        return None
    return found.top / place if isinstance(place, Path) else place
