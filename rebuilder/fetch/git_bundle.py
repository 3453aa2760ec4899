"""A bundle file as a repository: its list of names read here, its objects checked and indexed by Git."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rebuilder.errors import UsageError
from rebuilder.fetch.git_command import Git
from rebuilder.fetch.git_objects import SHA256_DIGITS
from rebuilder.fetch.git_remote import BYTES_LIMIT, HARMLESS, Arrival, FetchError

_FIRST = {b"# v2 git bundle\n": 2, b"# v3 git bundle\n": 3}
_LINE_LIMIT = 8192
_LINES_LIMIT = 200_000
_NAMED = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) ((?:refs/(?:heads|tags)/[^\s\0]+)|HEAD|refs/[^\s\0]+)\n\Z")
_WHOLE = "`git bundle create FILE --all` makes a whole one"


@dataclass(frozen=True)
class Bundle:
    """An open bundle, and what its beginning says."""

    path: Path
    file: IO[bytes]
    #: Of all its bytes, hex.
    sha256: str
    #: Branches and tags by their full names; ``HEAD`` and others by an id of their own.
    names: dict[str, str]
    #: Where the objects begin.
    start: int

    @property
    def ids(self) -> str:
        """An id that is in it, which shows of which kind they are; empty if it has none."""
        return next(iter(self.names.values()), "")

    def into(self, arrival: Arrival) -> None:
        """Its objects and names, into a repository that has nothing yet. ``UsageError`` if they are not as Git makes
        them."""
        os.lseek(self.file.fileno(), self.start, os.SEEK_SET)
        faults = ",".join(f"{fault}=ignore" for fault in HARMLESS)
        try:
            command = ("index-pack", "--stdin", f"--strict={faults}", f"--max-input-size={BYTES_LIMIT}")
            arrival.run(command, told=self.file)
            told = "".join(f"create {name}\0{object_id}\0" for name, object_id in self.names.items())
            git = Git(arrival.folder, arrival.folder)
            for _ in git.stream("update-ref", "--stdin", "-z", told=told.encode(errors="surrogateescape")):
                pass
        except FetchError as error:
            msg = f"{self.path}: expected a whole bundle: {error}"
            raise UsageError(msg, hint=_WHOLE) from error


def is_bundle(path: Path) -> bool:
    """Whether a file begins like one."""
    with path.open("rb") as file:
        return file.readline(_LINE_LIMIT) in _FIRST


def read_bundle(path: Path, file: IO[bytes]) -> Bundle:
    """What a bundle says of itself. ``UsageError`` for what is none, or only a part of a history."""
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    if file.readline(_LINE_LIMIT) not in _FIRST:
        msg = f"{path}: expected a Git bundle, found another kind of file"
        raise UsageError(msg, hint=_WHOLE)
    names: dict[str, str] = {}
    for _ in range(_LINES_LIMIT):
        line = file.readline(_LINE_LIMIT)
        if line == b"\n":
            return Bundle(path, file, sha256, names, file.tell())
        if line.startswith(b"-"):
            msg = f"{path}: expected a whole repository, found a bundle that needs commits which are not in it"
            raise UsageError(msg, hint=_WHOLE)
        if line.startswith(b"@object-format=sha"):
            continue
        found = _NAMED.match(line)
        if found is None:
            msg = f"{path}: expected a name in the bundle's list, found {line[:80]!r}"
            raise UsageError(msg, hint=_WHOLE)
        object_id, name = found[1].decode(), os.fsdecode(found[2])
        if not name.startswith(("refs/heads/", "refs/tags/")):
            name = f"refs/rebuilder/{object_id}"
        names[name] = object_id
        if len(object_id) != len(next(iter(names.values()))):
            msg = f"{path}: expected ids of one kind, found SHA-1 and SHA-256 (of {SHA256_DIGITS} digits) in one bundle"
            raise UsageError(msg)
    msg = f"{path}: expected at most {_LINES_LIMIT} names in the bundle's list, found more"
    raise UsageError(msg)
