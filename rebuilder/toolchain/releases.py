"""Releases of Python's and npm's indexes: what the index says of one, and its files, by digest, in the blobs.

The adapter of ``resolve.package_ports.Indexes``. The host's own clients ask, in a container of their own
(`docs/indexes.md`); no code of a package runs. The index's digests are all that ties bytes to a release, so its answer
is kept; what does not hold to them is the server's fault, never the publisher's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby

from rebuilder.errors import DigestMismatchError, Stopped, TooLargeError, UsageError
from rebuilder.model import FileDigest, Located, Verdict
from rebuilder.releases import Release, System
from rebuilder.toolchain import fetching, languages_npm, releases_npm, releases_pypi
from rebuilder.toolchain.fetching import Answer, Row
from rebuilder.toolchain.releases_asking import Asking, IndexTools
from rebuilder.toolchain.releases_memory import RememberedReleases

MAX_ANSWER = 64 * 1024**2
_PATH = re.compile(r"((?:@[^/]+/)?[^/]+)/([^/]+)/([^/]+)\Z")
_FAULT = "that is the server's fault (a mirror or a proxy that is damaged or lies), not the publisher's"


@dataclass(frozen=True, kw_only=True, order=True)
class _Wanted:
    """One file, and by what it is known."""

    system: System
    name: str
    version: str
    file: str
    sha256: str = ""
    integrity: str = ""

    @property
    def question(self) -> tuple[str, ...]:
        return (self.system, self.name, self.version, self.file, self.sha256, self.integrity)


class IndexReleases:
    """``resolve.package_ports.Indexes``. ``refresh``: what is remembered is not taken; ``offline``: nobody is asked."""

    def __init__(
        self, tools: IndexTools, memory: RememberedReleases, *, refresh: bool = False, offline: bool = False
    ) -> None:
        self._blobs = tools.blobs
        self._progress = tools.progress
        self._memory = memory
        self._asking = Asking(tools, memory.spools)
        self._refresh = refresh
        self._offline = offline

    def release(self, system: System, name: str, version: str = "") -> Release:
        """One release; without a version the newest that is neither a pre-release nor yanked.

        What the index said within a day is taken as it was; older words too if the index cannot be reached.
        ``UsageError`` and ``Stopped(unavailable)`` as the port says."""
        name = self._checked(system, name, version)
        question = (system, self._asking.client(system).identity, name, version)
        known = None if self._refresh else self._memory.find(question)
        if known is not None and not self._blobs.has(known.release.answer.sha256):
            known = None
        if known is not None and (self._offline or self._memory.is_fresh(known)):
            return known.release
        if self._offline:
            what = f"{name} {version}".strip()
            reason = f"{what} cannot be looked up: no index is asked (offline), and nothing is remembered of it"
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=(what,))
        try:
            found = self._python(name, version) if system == "pypi" else self._node(name, version)
        except Stopped as stopped:
            if known is None:
                raise
            self._progress.line(f"{stopped.reason}; what it said on {known.asked:%Y-%m-%d} is taken")
            return known.release
        self._memory.keep(question, found)
        self._memory.keep((*question[:3], found.version), found)
        return found

    def take(self, release: Release, names: Iterable[str]) -> tuple[FileDigest, ...]:
        """Files of a release, in the blobs by now, in the order of ``names``. ``UsageError`` for a name it does not
        have; ``Stopped(unavailable)`` that lists what cannot be had, with the reasons."""
        files = {file.name: file for file in release.files}
        wanted = []
        for name in names:
            if name not in files:
                msg = f"expected a file of {release.name} {release.version}, found {name[:200]!r}"
                raise UsageError(msg, hint=f"it has {', '.join(sorted(files)) or 'none'}")
            one = files[name]
            wanted.append(
                _Wanted(
                    system=release.system, name=release.name, version=release.version, file=name,
                    sha256=one.sha256, integrity=one.integrity,
                )
            )  # fmt: skip
        return self._have(tuple(wanted))

    def fetch(self, files: Iterable[Located]) -> None:
        """Have every one of these in the blobs, by sha256. ``UsageError`` for one that is of no index."""
        self._have(tuple(_pinned(file) for file in files))

    # --- what an index says -------------------------------------------------------------------------

    @staticmethod
    def _checked(system: System, name: str, version: str) -> str:
        if system == "npm":
            releases_npm.checked(name, version)
            return name
        releases_pypi.checked_version(name[:200], version)
        return releases_pypi.checked_name(name)

    def _python(self, name: str, version: str) -> Release:
        """Of the first index that has it: a release is not put together from several."""
        wanted = releases_pypi.checked_version(name, version)
        pages = self._asking.pages(name, anew=True)
        every = [one for page in pages for one in page.files]
        chosen = releases_pypi.chosen(every, name, wanted)
        page = next(page for page in pages if any(one.version == chosen[0].version for one in page.files))
        files = releases_pypi.chosen(page.files, name, chosen[0].version)
        answer = self._blobs.put([page.raw], name=f"{name}.index", limit=MAX_ANSWER)
        for one in files:
            if not one.file.sha256:
                self._progress.line(f"the index names no sha256 for {one.file.name}: it is believed the first time")
        return Release(
            system="pypi", name=name, version=releases_pypi.spelled(files), files=tuple(one.file for one in files),
            answer=answer,
        )  # fmt: skip

    def _node(self, name: str, version: str) -> Release:
        found = self._asking.shown(name, version)
        label = found.file.name.removesuffix(".tgz")
        answer = self._blobs.put([found.answer], name=f"{label}.json", limit=MAX_ANSWER)
        if not found.integrity:
            self._progress.line(f"the registry names no digest for {found.file.name}: it is believed the first time")
        return Release(
            system="npm", name=name, version=found.version, files=(found.file,), answer=answer, facts=dict(found.facts)
        )

    # --- files --------------------------------------------------------------------------------------

    def _have(self, wanted: tuple[_Wanted, ...]) -> tuple[FileDigest, ...]:
        found = {one: file for one in wanted if (file := self._known(one)) is not None}
        lacking = sorted({one for one in wanted if one not in found})
        missing = [f"{one.file}: nothing is fetched (offline)" for one in lacking] if self._offline else []
        for system, group in groupby(() if self._offline else lacking, key=lambda one: one.system):
            get = self._links if system == "pypi" else self._packed
            came, failed = get(tuple(group))
            found |= came
            missing += failed
        if missing:
            listed = tuple(sorted(missing))
            reason = f"{len(listed)} of {len(wanted)} files of releases could not be had; the first: {listed[0]}"
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=listed)
        return tuple(found[one] for one in wanted)

    def _known(self, one: _Wanted) -> FileDigest | None:
        known = self._memory.file(one.question)
        sha256 = one.sha256 or (known.sha256 if known else "")
        if not sha256 or not self._blobs.has(sha256):
            return None
        return FileDigest(name=one.file, sha256=sha256, size=self._blobs.path(sha256).stat().st_size)

    def _links(self, wanted: tuple[_Wanted, ...]) -> tuple[dict[_Wanted, FileDigest], list[str]]:
        """Files of Python's indexes, from where the index says that they lie."""
        urls: dict[_Wanted, str] = {}
        missing: list[str] = []
        for name, group in groupby(wanted, key=lambda one: one.name):
            try:
                offered = [one for page in self._asking.pages(name) for one in page.files]
            except UsageError as error:
                missing += [f"{one.file}: {error.message}" for one in group]
                continue
            for one in group:
                named = [link for link in offered if link.file.name == one.file]
                fitting = [link for link in named if link.file.sha256 in {"", one.sha256} or not one.sha256]
                if fitting:
                    urls[one] = fitting[0].url
                else:
                    why = f"names another sha256 for it than the one wanted: {_FAULT}" if named else "has no such file"
                    missing.append(f"{one.file}: {self._asking.where('pypi')} {why}")
        came, failed = self._taken(urls, self._asking.files, lambda row: row.log)
        return came, [*missing, *failed]

    def _packed(self, wanted: tuple[_Wanted, ...]) -> tuple[dict[_Wanted, FileDigest], list[str]]:
        """Tarballs of npm's registry, as npm itself fetches them."""
        hosts = self._asking.client("npm").hosts
        specs = {one: releases_npm.checked(one.name, one.version) for one in wanted}
        return self._taken(specs, self._asking.tarballs, lambda row: languages_npm.words(row, hosts))

    def _taken(
        self,
        addresses: dict[_Wanted, str],
        ask: Callable[[list[str]], AbstractContextManager[tuple[Answer, tuple[Row, ...]]]],
        why: Callable[[Row], str],
    ) -> tuple[dict[_Wanted, FileDigest], list[str]]:
        came: dict[_Wanted, FileDigest] = {}
        missing: list[str] = []
        if not addresses:
            return came, missing
        with ask(list(addresses.values())) as (answer, rows):
            for number, one in enumerate(addresses):
                if str(number) not in answer.names():
                    said = why(rows[number]) if number < len(rows) else "not tried"
                    missing.append(f"{one.file}: {said}")
                    continue
                try:
                    came[one] = self._put(one, answer.chunks(str(number)))
                except (DigestMismatchError, TooLargeError) as error:
                    missing.append(f"{one.file}: {error.message}")
        return came, missing

    def _put(self, one: _Wanted, chunks: Iterator[bytes]) -> FileDigest:
        known = self._memory.file(one.question)
        expect = one.sha256 or (known.sha256 if known else None)
        checked = releases_npm.matching(chunks, one.integrity, one.file)
        try:
            file = self._blobs.put(checked, name=one.file, limit=fetching.MAX_BYTES, expect=expect)
        except DigestMismatchError as error:
            promised = "that it names" if one.sha256 or one.integrity else "of the first time"
            msg = f"{self._asking.where(one.system)} gives other bytes than the digest {promised}: {_FAULT}"
            raise DigestMismatchError(msg) from error
        if known is None:
            self._memory.keep_file(one.question, file)
        return file


def _pinned(file: Located) -> _Wanted:
    found = _PATH.match(file.path)
    if file.archive not in {"pypi", "npm"} or found is None or found[3] != file.name:
        wanted = f"<name>/<version>/{file.name} of pypi or npm"
        msg = f"expected {wanted}, found {file.path[:200]!r} of {file.archive[:50]!r}"
        raise UsageError(msg, hint="the recipe's source or artifact names a file that no index can be asked for")
    name, version = found[1], found[2]
    if file.archive == "npm":
        releases_npm.checked(name, version)
        return _Wanted(system="npm", name=name, version=version, file=file.name, sha256=file.sha256)
    name = releases_pypi.checked_name(name)
    return _Wanted(system="pypi", name=name, version=version, file=file.name, sha256=file.sha256)
