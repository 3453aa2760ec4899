"""What one kind of index adds: the files of a release that can be rebuilt, and a draft of how they were made.

A kind is one file beside this one (`pypi.py`, `npm.py`) with one class; `docs/adding-an-ecosystem.md` says how another
is added. Everything else, from the source to the verdict, is `packages.py`, the same for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from rebuilder.check.kinds.tree import Tree
from rebuilder.model import FileDigest
from rebuilder.recipe import PackageBuild, PackageToolchain
from rebuilder.releases import Commit, Guess, IndexFile, Release, System


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a purl asks for: ``file_name`` is its qualifier of that name, one file of the release."""

    system: System
    #: As the index writes it: ``@scope/name``.
    name: str
    version: str = ""
    file_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The files of a release that a rebuild can be held against; those that were asked for are ``named``."""

    files: tuple[IndexFile, ...]
    named: frozenset[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A release whose targets lie in the blobs."""

    wanted: Wanted
    release: Release
    targets: Targets
    files: tuple[FileDigest, ...]
    #: File name -> where it lies.
    paths: Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Origins:
    """Where the source may be, as the release says it."""

    #: Of input ``repository``, likeliest first.
    repositories: tuple[Guess, ...] = ()
    #: The commit that the publisher names, and the folder of the repository.
    commit: str = ""
    subfolder: str = ""
    #: Files of a project that say its name and version.
    manifests: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The source as far as it is known."""

    tree: Tree
    #: ``None`` for an archive.
    commit: Commit | None = None
    #: Commits to try in its place, likeliest first, and how sure that one is.
    guess: Guess | None = None


@dataclass(frozen=True, kw_only=True)
class Draft:
    """How it was made, as far as that can be inferred."""

    toolchain: PackageToolchain
    build: PackageBuild
    guesses: tuple[Guess, ...]
    notes: tuple[str, ...] = ()


class PackageKind(Protocol):
    """One kind of index. Everything is pure but for reading the files of the release. ``UsageError`` in words."""

    system: ClassVar[System]

    def targets(self, release: Release, wanted: Wanted) -> Targets:
        """Which files can be rebuilt. ``UsageError`` if the one asked for is not there, ``Stopped(unavailable)`` if
        no file of the release can be."""

    def origins(self, taken: Taken) -> Origins:
        """Where the source may be. ``Stopped(unavailable)`` for a file that is not what its name says."""

    def draft(self, taken: Taken, ground: Ground) -> Draft:
        """How the targets were made from that source."""
