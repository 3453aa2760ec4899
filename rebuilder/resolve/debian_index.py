"""Signed indexes of a suite: verified first, then read, then kept as evidence.

Spec: `InRelease`, `Packages` and `Sources` as Debian's repository format
describes them (Debian wiki, DebianRepository/Format).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from rebuilder import deb822, signed_lists
from rebuilder.errors import Stopped
from rebuilder.model import FileDigest, Located, SignedIndex, Verdict, utc

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Endorser, Fetcher, VerifiedRelease
    from rebuilder.resolve.debian_suites import SuiteSpec

INRELEASE_LIMIT = 8 * 1024**2
LIST_LIMIT = 1024**3

ListKind = Literal["Packages", "Sources"]


@dataclass(frozen=True, kw_only=True)
class SuiteIndex:
    """A verified `InRelease`, with the lists of it that were asked for in the blobs."""

    name: str
    spec: SuiteSpec
    signed: SignedIndex
    #: What the lists unpack to, by the sha256 of each as it is packed, where the index says it.
    plain: Mapping[str, signed_lists.Digest]


class Indexes:
    """Gets signed indexes, from mirrors or from saved evidence."""

    def __init__(self, fetcher: Fetcher, blobs: Blobs, endorser: Endorser, architecture: str) -> None:
        self._fetcher = fetcher
        self._blobs = blobs
        self._endorser = endorser
        self._architecture = architecture

    def current(
        self, name: str, spec: SuiteSpec, *, anchor: str, now: datetime, kinds: Iterable[ListKind]
    ) -> SuiteIndex:
        """Today's index, from the first mirror whose index is signed by the anchor, of this suite, and not expired
        at ``now``. ``Stopped(refused)`` if all that any mirror has are bad signatures; ``Stopped(unavailable)``
        if there is no such index otherwise, or it lacks a list: a stale mirror is never the publisher's fault."""
        path = f"dists/{name}/InRelease"

        def judged(data: bytes) -> VerifiedRelease:
            release = self._endorser.release(data, anchor=anchor, subject=f"{spec.archive}:{path}")
            _check_suite(release, name, spec)
            _check_expiry(release, name, spec, now)
            return release

        data = self._fetcher.get(spec.archive, path, limit=INRELEASE_LIMIT, check=judged)
        return self._keep(name, spec, data, judged(data), kinds)

    def saved(
        self, sha256: str, name: str, spec: SuiteSpec, *, anchor: str, kinds: Iterable[ListKind]
    ) -> SuiteIndex | None:
        """The index with that digest if its bytes are in the blobs, judged as of its own date; ``None`` if not,
        or if a list under it can't be had any more. A bad signature is ``Stopped(refused)``."""
        if not self._blobs.has(sha256):
            return None
        data = self._blobs.read(sha256, limit=INRELEASE_LIMIT)
        release = self._endorser.release(data, anchor=anchor, subject=f"{spec.archive}:dists/{name}/InRelease")
        _check_suite(release, name, spec)
        try:
            return self._keep(name, spec, data, release, kinds)
        except Stopped as stopped:
            if stopped.verdict is not Verdict.UNAVAILABLE:
                raise
            return None

    def read(self, index: SuiteIndex, kind: ListKind) -> bytes:
        """All `Packages` or `Sources` lists of the index, unpacked, one after the other."""
        wanted = [item for item in index.signed.lists if _kind(item.name) == kind]
        parts = [
            signed_lists.unpacked(item, self._blobs, signed=index.plain.get(item.sha256), limit=LIST_LIMIT)
            for item in wanted
        ]
        return parts[0] if len(parts) == 1 else b"\n\n".join(parts)

    def _keep(
        self, name: str, spec: SuiteSpec, data: bytes, release: VerifiedRelease, kinds: Iterable[ListKind]
    ) -> SuiteIndex:
        inrelease = self._blobs.put([data], name="InRelease", limit=INRELEASE_LIMIT)
        by_hash = _by_hash(release.text)
        lists = tuple(
            self._list(name, spec, release, folder, by_hash=by_hash)
            for kind in kinds
            for folder in _folders(spec, kind, self._architecture)
        )
        signed = SignedIndex(
            archive=spec.archive,
            suite=name,
            inrelease=inrelease,
            lists=lists,
            date=release.date,
            valid_until=release.valid_until,
            anchor=release.anchor,
            signers=release.signers,
        )
        return SuiteIndex(name=name, spec=spec, signed=signed, plain=_plain(release))

    def _list(self, name: str, spec: SuiteSpec, release: VerifiedRelease, path: str, *, by_hash: bool) -> FileDigest:
        for suffix in (".xz", ".gz", ""):
            if path + suffix in release.lists:
                sha256, size = release.lists[path + suffix]
                file = FileDigest(name=(path + suffix).replace("/", "_"), sha256=sha256, size=size)
                return self._fetch(file, spec.archive, f"dists/{name}/{path}{suffix}", by_hash=by_hash)
        reason = f"the signed index of {name} ({utc(release.date)}) has no {path}"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{spec.archive}:dists/{name}/{path}",))

    def _fetch(self, file: FileDigest, archive: str, path: str, *, by_hash: bool) -> FileDigest:
        """By digest first: a mirror may already hold the next list under the plain name."""
        plain = Located(**file.model_dump(), archive=archive, path=path)
        if by_hash:
            folder = path.rpartition("/")[0]
            hashed = plain.model_copy(update={"path": f"{folder}/by-hash/SHA256/{file.sha256}"})
            try:
                return self._fetcher.fetch(hashed)
            except Stopped as stopped:
                if stopped.verdict is not Verdict.UNAVAILABLE:
                    raise
        return self._fetcher.fetch(plain)


def _folders(spec: SuiteSpec, kind: ListKind, architecture: str) -> list[str]:
    place = "source/Sources" if kind == "Sources" else f"binary-{architecture}/Packages"
    return [f"{component}/{place}" for component in spec.components]


def _plain(release: VerifiedRelease) -> dict[str, signed_lists.Digest]:
    listed = release.lists
    plain = {path: signed_lists.plain_path(path) for path in listed}
    return {listed[path][0]: listed[name] for path, name in plain.items() if name in listed}


def _kind(name: str) -> str:
    return name.rpartition("_")[2].partition(".")[0]


def _check_suite(release: VerifiedRelease, name: str, spec: SuiteSpec) -> None:
    """A mirror could serve another suite's index, whose signature is as good."""
    if name not in {release.suite, release.codename}:
        found = f"suite {release.suite!r}, codename {release.codename!r}"
        reason = f"expected the index of {name} in archive {spec.archive}, the mirror gave a signed one of {found}"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{spec.archive}:dists/{name}/InRelease",))


def _check_expiry(release: VerifiedRelease, name: str, spec: SuiteSpec, now: datetime) -> None:
    if release.valid_until is not None and release.valid_until < now:
        reason = (
            f"expired index: {name} of archive {spec.archive} was valid until {utc(release.valid_until)}, it is "
            f"{utc(now)}. Its mirror is stale or holds updates back; that is not the publisher's fault. "
            "Try another mirror, or a pinned recipe, which is judged as of the date of its own index"
        )
        missing = f"{spec.archive}:dists/{name}/InRelease that has not expired"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(missing,))


def _by_hash(text: bytes) -> bool:
    for paragraph in deb822.paragraphs(text):
        return deb822.fields(paragraph).get("Acquire-By-Hash", "").lower() == "yes"
    return False
