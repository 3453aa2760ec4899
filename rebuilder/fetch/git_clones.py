"""Clones in the state folder: `git/<sha256>/`, each of one URL, or of one bundle's bytes.

One process at a time writes to a clone, under a lock beside it. A clone counts once a first fetch came to its end,
which its file ``source`` says; whatever ends a fetch before, the next one clears away. Nothing that a server once had
is ever removed from a clone, so a commit stays when its tag moves or its branch goes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder.errors import InfrastructureError, Stopped, UsageError
from rebuilder.fetch.git_address import Address
from rebuilder.fetch.git_bundle import Bundle, read_bundle
from rebuilder.fetch.git_command import Checkout, Git, bare_config
from rebuilder.fetch.git_history import tag_ids
from rebuilder.fetch.git_redirects import redirected
from rebuilder.fetch.git_remote import Arrival, FetchError
from rebuilder.model import Verdict
from rebuilder.redaction import redacted

if TYPE_CHECKING:
    from rebuilder.ports import Progress

_MARK = "source"
_HEADS_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_SHA256_LIKE = "0" * 64
_TOLD_TAGS = 10
#: A redirect and another kind of ids, and once more.
_TRIES = 4


@dataclass(frozen=True)
class Clones:
    """All of them. ``folder`` is made when it is first needed."""

    folder: Path
    progress: Progress
    offline: bool = False

    def of_url(self, address: Address, commit: str) -> Checkout:
        """With ``commit``, if one is named, and else all that the server has by now. ``Stopped(unavailable)`` if that
        cannot be had; ``UsageError`` if ``commit`` is no full id."""
        if commit and not _COMMIT.match(commit):
            msg = f"expected the full id of a commit (40 or 64 hex digits, lower case), found {redacted(commit)!r}"
            raise UsageError(msg)
        clone = _Clone(self.folder / hashlib.sha256(address.public.encode()).hexdigest())
        if not clone.has(commit):
            with _disk(self.folder), clone.locked(self.progress) as lock:
                # Another process may have brought it meanwhile.
                if not clone.has(commit):
                    self._bring(address, commit, clone, lock)
        return clone.checkout

    def of_bundle(self, path: Path) -> Checkout:
        """All that is in a bundle. ``UsageError`` if it is none, or not whole."""
        try:
            file = path.open("rb")
        except OSError as error:
            msg = f"{path}: can't be read: {error.strerror}"
            raise UsageError(msg) from error
        with file:
            bundle = read_bundle(path, file)
            clone = _Clone(self.folder / bundle.sha256)
            if not clone.is_whole:
                with _disk(self.folder), clone.locked(self.progress) as lock:
                    if not clone.is_whole:
                        self._unpack(bundle, clone, lock)
        return clone.checkout

    def _unpack(self, bundle: Bundle, clone: _Clone, lock: int) -> None:
        with clone.kept_if_whole():
            clone.begin(bundle.ids)
            bundle.into(Arrival(clone.folder, lock, self.progress))
            clone.mark(f"bundle {bundle.sha256}")

    def _bring(self, address: Address, commit: str, clone: _Clone, lock: int) -> None:
        url = address.public
        if self.offline:
            if clone.is_whole and not commit:
                return
            what = f"commit {commit} of {url}" if commit else url
            words = "the network is switched off (--offline) and the state folder does not have it"
            raise _unavailable(what, words, url)
        self.progress.line(f"fetching {url}")
        arrival = Arrival(clone.folder, lock, self.progress)
        try:
            with clone.kept_if_whole():
                address = self._all(arrival, address, commit, clone)
                clone.mark(url)
        except FetchError as error:
            raise _unavailable(url, str(error), url) from error
        if commit and not clone.has(commit):
            _one(arrival, address, commit)
            if not clone.has(commit):
                what = f"commit {commit} of {url}"
                raise _unavailable(what, "what the server gave for it is no commit", url)

    def _all(self, arrival: Arrival, address: Address, commit: str, clone: _Clone) -> Address:
        """Branches and tags; the address that led to them in the end."""
        old = tag_ids(clone.git) if clone.is_whole else {}
        like = commit
        for _ in range(_TRIES):
            clone.begin(like)
            try:
                arrival.fetch(address, *_HEADS_AND_TAGS, prune=True)
            except FetchError as error:
                if error.redirected:
                    address = redirected(address)
                elif error.ids and not clone.is_whole:
                    like = _SHA256_LIKE if error.ids == "sha256" else ""
                else:
                    raise
            else:
                clone.git.answer("pack-refs", "--all")
                self._tell_moved(old, tag_ids(clone.git))
                return address
        msg = f"it answered differently {_TRIES} times"
        raise FetchError(msg)

    def _tell_moved(self, old: dict[str, str], new: dict[str, str]) -> None:
        moved = [name for name, object_id in old.items() if new.get(name, object_id) != object_id]
        for name in moved[:_TOLD_TAGS]:
            self.progress.line(f"tag {redacted(name)} has moved from {old[name]} to {new[name]}")


@dataclass(frozen=True)
class _Clone:
    folder: Path

    @property
    def git(self) -> Git:
        return Git(self.folder, self.folder)

    @property
    def checkout(self) -> Checkout:
        return Checkout(self.folder, self.git)

    @property
    def is_whole(self) -> bool:
        """Whether a fetch has once come to its end."""
        return (self.folder / _MARK).is_file()

    def has(self, commit: str) -> bool:
        """Whether that commit is there, with all that a fetch brings along."""
        return bool(commit) and self.is_whole and self.checkout.has(commit)

    @contextmanager
    def locked(self, progress: Progress) -> Iterator[int]:
        """The lock, which one process has at a time."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.line("waiting for another process that fetches the same repository")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)

    def begin(self, like: str) -> None:
        """Ready for a fetch: without what an interrupted one left. If none has come to its end it is new, for ids
        like ``like``."""
        if self.is_whole:
            for left in (*self.folder.glob("objects/pack/tmp_*"), *self.folder.glob("objects/pack/.tmp*")):
                left.unlink(missing_ok=True)
            for left in (*self.folder.glob("*.lock"), *self.folder.glob("refs/**/*.lock")):
                left.unlink(missing_ok=True)
            return
        if self.folder.exists():
            shutil.rmtree(self.folder)
        (self.folder / "objects" / "pack").mkdir(parents=True, mode=0o700)
        (self.folder / "refs").mkdir()
        (self.folder / "HEAD").write_text("ref: refs/heads/main\n", encoding="ascii")
        (self.folder / "config").write_text(bare_config(like), encoding="ascii")

    def mark(self, source: str) -> None:
        """It is whole from now on."""
        aside = self.folder / f"{_MARK}.new"
        aside.write_text(source + "\n", encoding="utf-8")
        aside.rename(self.folder / _MARK)

    @contextmanager
    def kept_if_whole(self) -> Iterator[None]:
        """Whatever ends a first fetch early takes all of it away."""
        try:
            yield
        finally:
            if not self.is_whole:
                shutil.rmtree(self.folder, ignore_errors=True)


def _one(arrival: Arrival, address: Address, commit: str) -> None:
    url = address.public
    try:
        arrival.fetch(address, f"+{commit}:refs/rebuilder/{commit}")
    except FetchError as error:
        what = f"commit {commit} of {url} (no branch and no tag has it)"
        raise _unavailable(what, str(error), url) from error


def _unavailable(what: str, words: str, url: str) -> Stopped:
    return Stopped(Verdict.UNAVAILABLE, f"{what} could not be had: {words}", missing=(url,))


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"could not work below {folder}: {error.strerror}"
        hint = "it has to be a folder with free space that this user can write to; `rebuilder doctor` shows it"
        raise InfrastructureError(msg, hint=hint) from error
