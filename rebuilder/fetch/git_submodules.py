"""Submodules from their own repositories: by the URL that `.gitmodules` of the same commit says, at the commit that the
tree pins. Whoever wrote that file may be hostile, so it chooses no transport, no path and no folder of this machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rebuilder.errors import UsageError
from rebuilder.fetch.git_address import Address, beside, located
from rebuilder.fetch.git_command import Checkout, shown
from rebuilder.fetch.git_history import check_trees
from rebuilder.fetch.snapshot import Part, entries
from rebuilder.redaction import redacted

DEPTH_LIMIT = 8
COUNT_LIMIT = 100
_FILE = ".gitmodules"
_FILE_LIMIT = 1024**2
_KEY = re.compile(r"submodule\.(.+)\.(path|url)\Z", re.DOTALL)

#: The repository that lies at a place, with a commit.
Opened = tuple[Checkout, "Place"]
Opener = Callable[[Address | Path, str], Opened]


@dataclass(frozen=True)
class Place:
    """Where a repository was found, as far as its submodules' addresses are judged by it."""

    #: What relative addresses are relative to; ``None`` for a bundle, which came from anywhere.
    base: Address | Path | None
    #: It has a work tree, in which submodules may be checked out.
    has_work_tree: bool = False
    #: It lies on this machine: whatever it says of where it is from, nobody asked there.
    at_hand: bool = False


@dataclass
class Walk:
    """One export with all of its submodules."""

    open: Opener
    count: int = 0


@dataclass(frozen=True)
class Sourced(Checkout):
    """A commit of a repository whose submodules are fetched."""

    commit_id: str
    place: Place
    walk: Walk = field(repr=False)
    depth: int = 0

    def submodule(self, path: str, commit: str) -> Checkout:
        """The repository of the submodule at ``path``, which has that commit. ``UsageError`` for an address that is
        not taken, and past the limits; ``Stopped(unavailable)`` if it cannot be had."""
        self.walk.count += 1
        if self.walk.count > COUNT_LIMIT or self.depth >= DEPTH_LIMIT:
            msg = f"{shown(path)}: expected at most {COUNT_LIMIT} submodules, {DEPTH_LIMIT} deep, found more"
            raise UsageError(msg)
        found, place = self._checked_out(path, commit) or self.walk.open(self._address(path), commit)
        check_trees(found.git, commit)
        return Sourced(found.top, found.git, commit, place, self.walk, self.depth + 1)

    def _checked_out(self, path: str, commit: str) -> Opened | None:
        if not self.place.has_work_tree:
            return None
        try:
            found = super().submodule(path, commit)
        except UsageError:
            return None
        return found, Place(base=self._known_address(path), has_work_tree=True)

    def _known_address(self, path: str) -> Address | Path | None:
        try:
            return self._address(path)
        except UsageError:
            return None

    def _address(self, path: str) -> Address | Path:
        urls = self._urls()
        if path not in urls:
            msg = f"{shown(path)}: expected the submodule's URL in {_FILE} of commit {self.commit_id}, found none"
            raise UsageError(msg, hint="whoever maintains the project has to add it")
        url, base = urls[path], self.place.base
        try:
            if url.startswith(("./", "../")):
                if base is None:
                    raise _foreign(path, url, "its own repository has no address that it could be relative to")
                return beside(url, base)
            found = located(url)
        except UsageError as error:
            msg = f"submodule {shown(path)}: {error.message}"
            raise UsageError(msg, hint=error.hint) from error
        if isinstance(found, Path) and not (isinstance(base, Path) and found.is_absolute()):
            raise _foreign(path, url, "it names a folder of this machine, which it cannot know")
        if isinstance(found, Address) and found.is_loopback and not _is_local(base):
            raise _foreign(path, url, "it names a server of this machine, which it cannot know")
        return found

    def _urls(self) -> dict[str, str]:
        """The URL of each path. ``UsageError`` for a file that Git would not take either."""
        part = Part(self, self.commit_id)
        entry = next((entry for entry in entries(part) if entry.path == _FILE), None)
        if entry is None or entry.mode not in ("100644", "100755"):
            return {}
        with self.git.objects() as objects:
            objects.read(entry.object_id, _FILE, _FILE_LIMIT)
        said: dict[str, dict[str, str]] = {}
        for record in self.git.records("config", "--blob", entry.object_id, "--no-includes", "-z", "--list"):
            key, _, value = record.decode(errors="surrogateescape").partition("\n")
            if found := _KEY.match(key):
                said.setdefault(_plain_name(found[1]), {})[found[2]] = value
        return {each["path"].strip("/"): each["url"] for each in said.values() if {"path", "url"} <= each.keys()}


def _plain_name(name: str) -> str:
    if name.startswith("-") or ".." in re.split(r"[/\\]", name) or not name.isprintable():
        msg = f"{_FILE}: expected plain names of submodules, found {redacted(name)!r}"
        raise UsageError(msg, hint="Git takes no such name; it was made by hand, maybe to do harm")
    return name


def _is_local(base: Address | Path | None) -> bool:
    return isinstance(base, Path) or (base is not None and base.is_loopback)


def _foreign(path: str, url: str, why: str) -> UsageError:
    msg = f"submodule {shown(path)}: its address {redacted(url)!r} is not taken: {why}"
    hint = "in a work tree `git submodule update --init --recursive` brings it, if you trust it"
    return UsageError(msg, hint=hint)
