"""Which rows of a lock a signed list has: looked up in the lists themselves, never read from the lock.

A lock is whoever's wrote it. What it says of its own rows (``signed``), of its indexes and of their signers
proves nothing. So each `InRelease` it names is checked by its anchor, as the operator pins it, in every run;
the lists are those that the checked `InRelease` names by digest; and a row counts only if one of them has it
under the same name, version, architecture, size and sha256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from rebuilder import deb822, signed_lists
from rebuilder.errors import Stopped, TooLargeError, UsageError
from rebuilder.lock import LockedPackage, ToolchainLock
from rebuilder.model import FileDigest, Located, SignedIndex, Verdict
from rebuilder.ports import Blobs, Endorser, Fetcher, Unvouched, VerifiedRelease
from rebuilder.toolchain.index import MAX_LIST_BYTES, suite_name

_MAX_INRELEASE_BYTES = 8 * 1024**2
_MAX_NOTE_BYTES = 64 * 1024**2

#: Name, version, architecture, sha256 and size of a package.
Row = tuple[str, str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class _List:
    """A `Packages` list that a checked `InRelease` names."""

    file: FileDigest
    #: What it unpacks to, where the `InRelease` says so.
    plain: signed_lists.Digest | None
    #: Where a mirror may have it, best first.
    places: tuple[Located, ...]


class Vouched:
    """Judges locks. ``folder`` keeps what was looked up before; losing it costs a look."""

    def __init__(self, endorser: Endorser, fetcher: Fetcher, blobs: Blobs, folder: Path) -> None:
        self._endorser = endorser
        self._fetcher = fetcher
        self._blobs = blobs
        self._folder = folder

    def unsigned(self, lock: ToolchainLock) -> Unvouched:
        """Every package of the lock, the seed's among them, that no signed list has, and what could not be used."""
        why: list[str] = []
        lists: dict[str, _List] = {}
        for index in lock.indexes:
            try:
                lists |= {one.file.sha256: one for one in self._lists(index)}
            except (Stopped, UsageError, TooLargeError, ValueError) as fault:
                said = fault.reason if isinstance(fault, Stopped) else str(fault)
                why.append(f"the index of {index.suite} that the toolchain lock names vouches for nothing: {said}")
        named = [(_of(package), f"{package.package} {package.version}") for package in lock.packages]
        named += [(_of(package), f"{package.package} {package.version} (seed)") for package in lock.seed]
        listed = self._listed({row for row, _ in named}, tuple(lists.values()), why)
        packages = tuple(dict.fromkeys(words for row, words in named if row not in listed))
        return Unvouched(packages=packages, why=tuple(why) if packages else ())

    def _lists(self, index: SignedIndex) -> Iterable[_List]:
        suite, file = suite_name(index.suite), index.inrelease
        if file.size > _MAX_INRELEASE_BYTES:
            msg = f"expected an InRelease of at most {_MAX_INRELEASE_BYTES} bytes, found {file.size}"
            raise ValueError(msg)
        self._have((_at(file, index.archive, f"dists/{suite}/InRelease"),))
        data = self._blobs.read(file.sha256, limit=_MAX_INRELEASE_BYTES)
        release = self._endorser.release(data, anchor=index.anchor, subject=f"{index.archive}:dists/{suite}/InRelease")
        wanted = {(one.sha256, one.size) for one in index.lists}
        return [
            _list(index, release, path)
            for path, digest in release.lists.items()
            if digest in wanted and signed_lists.plain_path(path).rpartition("/")[2] == "Packages"
        ]

    def _listed(self, rows: Collection[Row], lists: tuple[_List, ...], why: list[str]) -> frozenset[Row]:
        """Those of ``rows`` that a list has. Only what was learnt from every list is remembered."""
        if not lists:
            return frozenset()
        note = self._note(rows, lists)
        found = _remembered(note)
        if found is None:
            before, found = len(why), set()
            for one in lists:
                try:
                    found |= self._in(one, rows)
                except (Stopped, deb822.Malformed) as fault:
                    said = fault.reason if isinstance(fault, Stopped) else str(fault)
                    why.append(f"{one.file.name}, a signed list of the toolchain lock, cannot be read: {said}")
            if len(why) == before:
                self._keep(note, found)
        return frozenset(found & set(rows))

    def _in(self, one: _List, rows: Collection[Row]) -> set[Row]:
        self._have(one.places)
        text = signed_lists.unpacked(one.file, self._blobs, signed=one.plain, limit=MAX_LIST_BYTES)
        fields = ("Package", "Version", "Architecture", "SHA256", "Size")
        found: set[Row] = set()
        for values in deb822.find(text, "Package", {row[0] for row in rows}):
            name, version, architecture, sha256, size = (values.get(field, "") for field in fields)
            found.add((name, version, architecture, sha256, size))
        return found & set(rows)

    def _have(self, places: tuple[Located, ...]) -> None:
        """Fetch from the first place that has it. ``Stopped`` of the last if none does."""
        for place in places[:-1]:
            try:
                self._fetcher.fetch(place)
            except Stopped as stopped:
                if stopped.verdict is not Verdict.UNAVAILABLE:
                    raise
                continue
            return
        self._fetcher.fetch(places[-1])

    def _note(self, rows: Iterable[Row], lists: Iterable[_List]) -> Path:
        """Named by all that decides the answer: the rows, and the lists by digest."""
        question = [1, sorted(rows), sorted(one.file.sha256 for one in lists)]
        return self._folder / f"{hashlib.sha256(json.dumps(question).encode()).hexdigest()}.json"

    def _keep(self, note: Path, found: set[Row]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f".{uuid4().hex}"
        draft.write_text(json.dumps(sorted(found)) + "\n", encoding="utf-8")
        draft.replace(note)


def _of(package: LockedPackage) -> Row:
    return (package.package, package.version, package.architecture, package.sha256, str(package.size))


def _list(index: SignedIndex, release: VerifiedRelease, path: str) -> _List:
    if not deb822.safe_path(path):
        msg = f"expected a path inside the archive, found {path[:200]!r}"
        raise ValueError(msg)
    sha256, size = release.lists[path]
    plain = signed_lists.plain_path(path)
    file = FileDigest(name=path.replace("/", "_"), sha256=sha256, size=size)
    usual = f"dists/{index.suite}/{path}"
    hashed = f"{usual.rpartition('/')[0]}/by-hash/SHA256/{sha256}"
    # By digest first: a mirror may already hold the next list under the plain name.
    places = tuple(_at(file, index.archive, place) for place in (hashed, usual))
    return _List(file=file, plain=release.lists.get(plain), places=places)


def _at(file: FileDigest, archive: str, path: str) -> Located:
    return Located(**file.model_dump(), archive=archive, path=path)


def _remembered(note: Path) -> set[Row] | None:
    try:
        with note.open("rb") as file:
            rows = json.loads(file.read(_MAX_NOTE_BYTES))
        return {(str(a), str(b), str(c), str(d), str(e)) for a, b, c, d, e in rows}
    except (OSError, ValueError, TypeError):
        return None
