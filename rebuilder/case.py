"""What a run that found differences left, read again: why they are there by today's rules, and what could be tried.

    a run's record, its lock, the stored bytes -> Case (explanation, suspects)

Nothing is built or fetched here, and nothing of the run is changed.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from rebuilder.compare.archive.layout import BudgetError
from rebuilder.errors import IntegrityError, UsageError
from rebuilder.explain.debuginfo import headers_in
from rebuilder.explain.settings import Candidate, candidates
from rebuilder.explain.suspects import Older, Package, Suspect, brings_headers, suspects, worth_a_look
from rebuilder.explaining import Explained, explain_paths
from rebuilder.findings import ArtifactExplanation, Difference, Finding, Surroundings
from rebuilder.lock import LockedPackage, ToolchainLock
from rebuilder.model import ArtifactComparison, BuildPlan, FileDigest, Origin, Record
from rebuilder.opened import Desk, desk
from rebuilder.ports import Blobs, Progress
from rebuilder.toolchain import deb
from rebuilder.toolchain.history import History, Upload, history, made, older

MAX_DEBUG_FILES = 64
MAX_DEBUG_BYTES = 2 * 1024**3
CHUNK = 1024**2
_ELF_PARTS = frozenset({"elf header", "program headers", "section headers"})
_VARIABLE = re.compile(r"(?:\A| )([A-Za-z_][A-Za-z0-9_]*)=")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One artifact that differs, why by the rules of this version, and what may be behind it."""

    record: Record
    lock: ToolchainLock
    item: ArtifactComparison
    explanation: ArtifactExplanation
    difference: Difference
    suspects: tuple[Suspect, ...]
    #: Packages of the toolchain whose files are not in the store, or are damaged there: nothing is known of them.
    unread: tuple[str, ...] = ()


def case(record: Record, lock: ToolchainLock, artifact: str, blobs: Blobs, progress: Progress) -> Case:
    """Explain one artifact anew from the stored bytes, and find suspects. ``UsageError`` if the run has nothing to
    explain there, or if the bytes are gone."""
    item, rebuilt = _chosen(record, artifact)
    progress.stage("explain", f"{item.artifact}: every member")
    ours, theirs = _stored(rebuilt, blobs), _stored(item.published, blobs)
    published = (made(theirs) if item.artifact.endswith(".deb") else None) or record.started
    around = surroundings(record, lock, published)
    with desk() as own:
        found = explain_paths(item.artifact, theirs, ours, own, around)
    progress.stage("explain", f"the past of {len(lock.packages)} packages")
    known = tuple(_packages(lock, record, blobs))
    return Case(
        record=record,
        lock=lock,
        item=item,
        explanation=found.explanation,
        difference=found.difference,
        suspects=_suspects(found, known, published, lock, record, blobs, _settings(found, record, around)),
        unread=tuple(sorted({package.package for package in lock.packages} - {package.name for package in known})),
    )


def surroundings(record: Record, lock: ToolchainLock, published: datetime) -> Surroundings:
    """What the record says of the build, as the rules want it."""
    said = {one.name: one.value for one in record.inputs}
    variables = _variables(said.get("environment", ""))
    epoch = said.get("epoch", "")
    return Surroundings(
        epoch=int(epoch) if epoch.isdecimal() and len(epoch) < 16 else None,
        path=said.get("path", ""),
        hostname=str(BuildPlan.model_fields["hostname"].default),
        user=variables.get("USER", variables.get("LOGNAME", "")),
        environment=variables,
        packages={package.package: package.version for package in lock.packages},
        published_at=int(published.timestamp()),
    )


def _variables(text: str) -> dict[str, str]:
    """``A=1 B=2 3``, as the record has it, taken apart again."""
    marks = list(_VARIABLE.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return {mark[1]: text[mark.end() : end] for mark, end in zip(marks, ends, strict=False)}


def _chosen(record: Record, artifact: str) -> tuple[ArtifactComparison, FileDigest]:
    """The artifact asked for, or the first named one that differs, and the first of our files that does."""
    items = record.comparison.artifacts if record.comparison else ()
    differing = {
        item.artifact: (item, other)
        for item in sorted(items, key=lambda one: not one.named)
        if (other := next((file for file in item.rebuilt if file and file.sha256 != item.published.sha256), None))
    }
    if not differing:
        msg = f"expected a run that found differences, found {record.verdict.value}: {record.reason}"
        raise UsageError(msg, hint="`rebuilder show` lists the runs; only those that differ can be explained")
    if artifact and artifact not in differing:
        msg = f"expected one of {', '.join(differing)}, found {artifact!r}"
        raise UsageError(msg, hint="leave --artifact out to take the first")
    return differing[artifact or next(iter(differing))]


def _stored(file: FileDigest, blobs: Blobs) -> Path:
    try:
        return blobs.path(file.sha256)
    except KeyError:
        msg = f"{file.name} (sha256 {file.sha256}) is no longer in the store, so there is nothing to compare"
        raise UsageError(msg, hint="verify again: the new run can be explained") from None


# --- the toolchain --------------------------------------------------------------------------------


def _packages(lock: ToolchainLock, record: Record, blobs: Blobs) -> Iterator[Package]:
    """What is cheaply known of every package whose file is at hand and whole."""
    newest: dict[str, datetime] = {}
    for index in lock.indexes:
        newest[index.archive] = max(index.date, newest.get(index.archive, index.date))
    for locked in lock.packages:
        try:
            path = blobs.path(locked.sha256)
        except (KeyError, IntegrityError):
            continue
        yield Package(
            name=locked.package,
            version=locked.version,
            source=locked.path.rpartition("/")[0],
            uploaded=made(path),
            index=newest.get(locked.archive, record.started),
            asked_for=locked.why == "build-dependency",
        )


def _suspects(
    found: Explained,
    known: tuple[Package, ...],
    published: datetime,
    lock: ToolchainLock,
    record: Record,
    blobs: Blobs,
    settings: tuple[Candidate, ...],
) -> tuple[Suspect, ...]:
    if lock.origin == "buildinfo":  # the publisher's own list of packages, at the versions it names
        return suspects(found.explanation, (), published=published, compiled=False, settings=settings)
    compiled = any(_is_compiled(finding) for finding in found.difference.findings)
    names = worth_a_look(found.explanation, known, published=published, compiled=compiled)
    pasts = Pasts(lock, blobs)
    looked = tuple(pasts.filled(one) if one.name in names else one for one in known)
    read = _headers_read(record, blobs) if any(one.headers for one in looked) else frozenset()
    return suspects(found.explanation, looked, published=published, compiled=compiled, included=read, settings=settings)


def _settings(found: Explained, record: Record, around: Surroundings) -> tuple[Candidate, ...]:
    """Settings to be tried: of no input that the publisher declared, nor the time of a binary-only rebuild, which
    stands in its own entry. The time of any other is that of the changelog, unless a file shows that it was not."""
    known = {
        one.name
        for one in record.inputs
        if (one.name in ("path", "environment") and one.origin is Origin.DECLARED)
        or (one.name == "epoch" and one.origin is Origin.RECOVERED)
    }
    return candidates(found.explanation, around, frozenset(known))


def _is_compiled(finding: Finding) -> bool:
    """Whether it lies in an ELF file: in a section of one, or in what only one has."""
    last = finding.path[-1] if finding.path else ""
    return (last.startswith(".") and "/" not in last) or finding.what in _ELF_PARTS


class Pasts:
    """The past of packages. Those of one source share a changelog: it is read from the smallest that has it."""

    def __init__(self, lock: ToolchainLock, blobs: Blobs) -> None:
        self._blobs = blobs
        self._locked = {one.package: one for one in lock.packages}
        self._of_source: dict[tuple[str, str], list[LockedPackage]] = {}
        self._known: dict[tuple[str, str], tuple[Upload, ...]] = {}
        for one in sorted(lock.packages, key=lambda one: one.size):
            self._of_source.setdefault(_source(one), []).append(one)

    def filled(self, package: Package) -> Package:
        """The package with its past and its headers."""
        locked = self._locked[package.name]
        headers = self._read(locked, with_headers=True).headers if brings_headers(package.name) else frozenset()
        source = _source(locked)
        if source not in self._known:
            found = (self._read(one, with_headers=False).uploads for one in self._of_source[source])
            self._known[source] = next((uploads for uploads in found if uploads), ())
        past = tuple(Older(one.version, one.date) for one in older(self._known[source], package.version))
        return replace(package, older=past, headers=headers)

    def _read(self, locked: LockedPackage, *, with_headers: bool) -> History:
        try:
            return history(self._blobs.path(locked.sha256), with_headers=with_headers)
        except (KeyError, IntegrityError):
            return History()


def _source(package: LockedPackage) -> tuple[str, str]:
    return package.path.rpartition("/")[0], package.version


# --- what our build read --------------------------------------------------------------------------


def _headers_read(record: Record, blobs: Blobs) -> frozenset[str]:
    """Headers our own build read, by the debug packages it left, or by what it left unstripped."""
    files = [file for attempt in (record.built.attempts if record.built else ()) for file in attempt.outputs]
    unique = {one.sha256: one for one in files if "-dbgsym_" in one.name}
    found: set[str] = set()
    with desk(scratch=MAX_DEBUG_BYTES) as own:
        for sha256 in list(unique)[:MAX_DEBUG_FILES]:
            try:
                found.update(_headers_of(blobs, sha256, own))
            except (deb.Malformed, BudgetError, KeyError, IntegrityError):
                continue
    return frozenset(found)


def _headers_of(blobs: Blobs, sha256: str, own: Desk) -> Iterator[str]:
    with deb.data(blobs.path(sha256), limit=MAX_DEBUG_BYTES) as archive:
        for member in archive:
            if member.isreg():
                yield from headers_in(own.spool(_pieces(archive, member)))


def _pieces(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterable[bytes]:
    stream = archive.extractfile(member)
    while stream and (piece := stream.read(CHUNK)):
        yield piece
