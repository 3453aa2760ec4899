"""What resolving a package of a language's index needs of the world. `fetch/` and `toolchain/` have the adapters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rebuilder.model import FileDigest, Located
    from rebuilder.releases import Commit, Release, Signed, System, Tag


class Indexes(Protocol):
    """The indexes that the host's own pip and npm are configured with, asked from a container.

    ``Stopped(unavailable)`` for what cannot be had, with the reason; ``UsageError`` for a name or version that the
    index does not have, with the nearest that it has.
    """

    def release(self, system: System, name: str, version: str = "") -> Release:
        """One release; without a version the newest that is neither a pre-release nor yanked."""

    def take(self, release: Release, names: Iterable[str]) -> tuple[FileDigest, ...]:
        """Files of a release, in the blobs by now, each by the digest that the index names. A wrong byte is
        ``Stopped(unavailable)``: it is the server's fault and not the publisher's."""

    def fetch(self, files: Iterable[Located]) -> None:
        """Files that a recipe pins, into the blobs: ``archive`` is ``pypi`` or ``npm``, ``path`` is
        ``<name>/<version>/<file>`` with the name as the index writes it."""


class Repository(Protocol):
    """One Git repository, at hand as objects. Nothing of it is ever run. Raises ``UsageError`` in words."""

    @property
    def url(self) -> str:
        """Where others can clone it, without credentials; empty if that is not known."""

    @property
    def at_hand(self) -> bool:
        """It lies on this machine: ``url`` is what it says of itself, and was not asked."""

    def origin_of(self, commit: str) -> str:
        """``url``, if the commit came from there: it was fetched, or lies on a branch that this clone has of its
        origin. Empty otherwise: a commit that was never pushed is nowhere else."""

    def tags(self) -> tuple[Tag, ...]:
        """All of them, by name."""

    def commit(self, name: str) -> Commit | None:
        """By its full id, or an abbreviation that is unique; ``None`` if the repository does not have it."""

    def before(self, name: str, *, until: int, limit: int = 50) -> tuple[Commit, ...]:
        """A commit and its ancestors that were committed at ``until`` (seconds since 1970) or earlier, newest first."""

    def touching(self, path: str, *, until: int, limit: int = 200) -> tuple[Commit, ...]:
        """Commits on any branch, at ``until`` or earlier, that changed that file, newest first."""

    def file(self, commit: str, path: str, *, limit: int = 1024 * 1024) -> bytes | None:
        """A file of a commit; ``None`` if there is none."""

    def paths(self, commit: str) -> tuple[str, ...]:
        """Every file of a commit, without those of submodules."""

    def tree(self, commit: str, subfolder: str = "", *, submodules: bool = True) -> FileDigest:
        """The canonical ``tree.tar`` of a commit, as `rebuilder check` exports it; in the blobs. Without ``submodules``
        their folders are empty, as in a plain clone. A Git LFS pointer in it is refused: its contents are not in the
        repository."""

    def history(self, commit: str) -> FileDigest:
        """``history.bundle``: the commit as HEAD, its history and the tags in it; in the blobs."""

    def signatures(self, commit: str, tag: str = "") -> tuple[Signed, ...]:
        """What is signed of a commit and of the tag that names it."""

    def holds(self, blob_ids: Iterable[str]) -> frozenset[str]:
        """Those of these Git blob ids (SHA-1, 40 hex digits) that the repository has anywhere in its history. Raises
        for one that cannot know: with SHA-256 ids, or cloned in part."""


class Repositories(Protocol):
    """Git repositories by where they lie."""

    def open(self, place: str | Path, *, commit: str = "") -> Repository:
        """A folder (a work tree or a bare repository), a bundle, or an https, ssh or file URL, which is cloned into the
        state folder, or brought up to date unless it has ``commit`` already.

        ``Stopped(unavailable)`` if the server does not give it or gives too much; ``UsageError`` for an address that
        cannot be one."""
