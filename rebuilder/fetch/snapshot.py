"""The files of a commit and of a work tree, by Git's own plumbing: no checkout, no filter, no attribute.

So a check gets the bytes that were committed, whatever `.gitattributes` says of line ends (`eol`), of archives
(`export-ignore`, `export-subst`) or of large files (`filter=lfs`: the pointer).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rebuilder.errors import UsageError
from rebuilder.fetch.git_command import Checkout, shown
from rebuilder.fetch.git_objects import Objects, object_hash
from rebuilder.treetar import CHUNK, MEMBERS_LIMIT, Member, in_order, kept_link

#: Modes of entries that are no plain files.
_FOLDER, _LINK, _COMMIT = "040000", "120000", "160000"
_POINTER = b"version https://git-lfs."
_POINTER_LIMIT = 1024
_LINK_LIMIT = 64 * 1024
#: A larger work file is not tried with other line ends.
_TEXT_LIMIT = 64 * 1024**2
_BY_HAND = "Git makes none such, so this was made by hand, maybe to do harm; `git fsck` says more"


@dataclass(frozen=True)
class Seen:
    """What else was met on the way."""

    #: Paths of pointers to large files that lie elsewhere.
    pointers: list[str] = field(default_factory=list)
    #: Path and commit of each submodule.
    submodules: dict[str, str] = field(default_factory=dict)
    #: Repositories that lie in the work tree without being submodules.
    strangers: list[str] = field(default_factory=list)
    #: Links of a commit that lead out of the tree.
    outside: list[str] = field(default_factory=list)


class Entry(NamedTuple):
    """A line of a tree: a path below the folder that is exported, a mode, an object."""

    path: str
    mode: str
    object_id: str


@dataclass(frozen=True)
class Part:
    """A folder of a commit of a repository, and what its paths begin with in what is exported."""

    checkout: Checkout
    commit: str
    inside: str = ""
    under: str = ""
    #: ``False``: each is an empty folder, as in a clone that was told nothing of them.
    submodules: bool = True

    @property
    def folder(self) -> Path:
        """Where it lies in the work tree."""
        return self.checkout.top / self.inside

    def submodule(self, entry: Entry) -> Part:
        """The submodule at that path, with the commit that is its object, if any. Raises as ``Checkout.submodule``."""
        path = f"{self.inside}/{entry.path}" if self.inside else entry.path
        found = self.checkout.submodule(path, entry.object_id)
        return Part(found, entry.object_id, under=f"{self.under}{entry.path}/")


def entries(part: Part) -> list[Entry]:
    """All that the commit has there, in order. ``UsageError`` for names that no checkout could have, and for more than
    ``MEMBERS_LIMIT``."""
    found: dict[str, Entry] = {}
    folders = {""}
    command = ("ls-tree", "-r", "-t", "-z", "--full-tree", f"{part.commit}:{part.inside}")
    for record in part.checkout.git.records(*command):
        head, _, name = record.partition(b"\t")
        mode, _, object_id = head.decode().split(" ")
        path = os.fsdecode(name)
        # A name with a slash in it lies in a folder that the tree does not have.
        if path.rpartition("/")[0] not in folders or path in found or not _is_plain(path):
            msg = f"commit {part.commit} has a file that no checkout could have, called {shown(path)}"
            raise UsageError(msg, hint=_BY_HAND)
        found[path] = Entry(path, mode, object_id)
        if mode == _FOLDER:
            folders.add(path)
        if len(found) > MEMBERS_LIMIT:
            msg = f"commit {part.commit}: expected at most {MEMBERS_LIMIT} files and folders, found more"
            raise UsageError(msg)
    return sorted(found.values(), key=lambda entry: in_order(entry.path))


def members(part: Part, time: int, seen: Seen) -> Iterator[Member]:
    """All that the commit has there, as members of a canonical tar, submodules too. Raises as ``entries``, and
    ``UsageError`` for links to no path and submodules that are not checked out."""
    found = entries(part)
    with part.checkout.git.objects() as objects:
        for entry in found:
            name = part.under + entry.path
            if entry.mode == _COMMIT:
                seen.submodules[name] = entry.object_id
                yield Member(name, "folder", time)
                if part.submodules:
                    yield from members(part.submodule(entry), time, seen)
            elif entry.mode == _FOLDER:
                yield Member(name, "folder", time)
            elif entry.mode == _LINK:
                target = os.fsdecode(objects.read(entry.object_id, shown(name), _LINK_LIMIT))
                if leads_out(target, name):
                    seen.outside.append(name)
                yield Member(name, "link", time, link=kept_link(target, shown(name)))
            else:
                yield _file(objects, entry, Member(name, "file", time), seen)


def leads_out(target: str, path: str) -> bool:
    """Whether the link at ``path`` leads out of the tree, judged by its text alone."""
    depth = path.count("/")
    for part in PurePosixPath(target).parts:
        depth += {"..": -1, ".": 0}.get(part, 1)
        if depth < 0:
            return True
    return target.startswith("/")


def work_files(part: Part, seen: Seen) -> Iterator[str]:
    """Paths of the files of the work tree there that Git follows, or would with the next `git add`; submodules' too.
    Some may be gone. ``UsageError`` for submodules that are not checked out."""
    listed = _listed(part)
    for path, entry in listed.followed.items():
        if entry.mode == _COMMIT:
            seen.submodules[part.under + path] = entry.object_id
            yield from work_files(part.submodule(entry._replace(object_id="")), seen)
        else:
            yield part.under + path
    for path in listed.others:
        if path.endswith("/"):
            seen.strangers.append(part.under + path)
        else:
            yield part.under + path


def differing(part: Part, apart: Collection[str]) -> Iterator[str]:
    """Paths of the work tree there that are not as the commit has them, or not in it; none of ``apart``.

    Files are read and hashed here, because Git would run the filters of the repository's configuration. Other line
    ends alone are no difference.
    """
    listed = _listed(part)
    committed = {entry.path: entry for entry in entries(part) if entry.mode != _FOLDER}
    for path, entry in committed.items():
        name = part.under + path
        if entry.mode == _COMMIT:
            yield from _differing_submodule(part, entry, apart)
            continue
        if name in apart or (path in listed.skipped and not (part.folder / path).exists()):
            continue
        if not _same(part.folder / path, entry):
            yield name
    yield from (part.under + path for path in (*listed.followed, *listed.others) if path not in committed)


@dataclass(frozen=True)
class _Listed:
    #: In the index.
    followed: dict[str, Entry]
    #: Not in the index, and not ignored; a folder (with a slash at its end) is a repository of its own.
    others: list[str]
    #: In the index, and left out of the work tree on purpose (sparse checkout).
    skipped: set[str]


def _listed(part: Part) -> _Listed:
    git = part.checkout.git
    where = ("--", part.inside) if part.inside else ()
    start = len(part.inside) + 1 if part.inside else 0
    listed = _Listed({}, [], set())
    for record in git.records("ls-files", "-t", "-s", "-z", *where):
        head, _, name = record.partition(b"\t")
        tag, mode, object_id, _ = head.decode().split(" ")
        path = os.fsdecode(name)[start:]
        if not _is_plain(path):
            msg = f"{part.folder}: the repository's index has a file that no checkout could have, called {shown(path)}"
            raise UsageError(msg, hint=_BY_HAND)
        listed.followed[path] = Entry(path, mode, object_id)
        if tag == "S":
            listed.skipped.add(path)
    ignoring = ["--exclude-per-directory=.gitignore"]
    exclude = Path(os.fsdecode(git.answer("rev-parse", "--git-path", "info/exclude").removesuffix(b"\n")))
    if exclude.is_file():
        ignoring.append(f"--exclude-from={exclude}")
    for record in git.records("ls-files", "-o", "-z", *ignoring, *where):
        listed.others.append(os.fsdecode(record)[start:])
        if len(listed.others) + len(listed.followed) > MEMBERS_LIMIT:
            msg = f"{part.folder}: expected at most {MEMBERS_LIMIT} files, found more"
            raise UsageError(msg, hint="is a folder of outputs or of packages missing from .gitignore?")
    return listed


def _is_plain(path: str) -> bool:
    return not {"", ".", "..", ".git"}.intersection(path.lower().split("/"))


def _file(objects: Objects, entry: Entry, member: Member, seen: Seen) -> Member:
    size, content = objects.open(entry.object_id, shown(member.path))
    if size < _POINTER_LIMIT:
        data = b"".join(content)
        content = iter((data,))
        if data.startswith(_POINTER):
            seen.pointers.append(member.path)
    executable = bool(int(entry.mode, 8) & stat.S_IXUSR)
    return member._replace(executable=executable, size=size, content=content)


def _differing_submodule(part: Part, entry: Entry, apart: Collection[str]) -> Iterator[str]:
    try:
        inner = part.submodule(entry)
    except UsageError:
        yield part.under + entry.path
    else:
        yield from differing(inner, apart)


def _same(path: Path, entry: Entry) -> bool:
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return entry.mode == _LINK and _object_id(os.fsencode(path.readlink()), entry) == entry.object_id
        if not stat.S_ISREG(status.st_mode) or entry.mode == _LINK:
            return False
        if bool(status.st_mode & stat.S_IXUSR) != bool(int(entry.mode, 8) & stat.S_IXUSR):
            return False
        return _same_content(path, status.st_size, entry)
    except OSError:
        return False


def _same_content(path: Path, size: int, entry: Entry) -> bool:
    digest = object_hash("blob", size, entry.object_id)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        if digest.hexdigest() == entry.object_id:
            return True
        file.seek(0)
        text = file.read(_TEXT_LIMIT + 1)
    plain = text.replace(b"\r\n", b"\n")
    return len(plain) < len(text) <= _TEXT_LIMIT and _object_id(plain, entry) == entry.object_id


def _object_id(data: bytes, entry: Entry) -> str:
    digest = object_hash("blob", len(data), entry.object_id)
    digest.update(data)
    return digest.hexdigest()
