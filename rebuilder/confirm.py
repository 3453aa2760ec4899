"""`explain --confirm`: take the likeliest fix that lies in the environment, rebuild, and say whether it came true.

Each try is a whole run with a record of its own. It differs from the run it explains in the packages it names and in
nothing else, and its toolchain counts as inferred: a guess, with evidence.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rebuilder.compare.walk import compare
from rebuilder.data import Held
from rebuilder.errors import RecipeError, Stopped, UsageError
from rebuilder.explain.debuginfo import headers_in
from rebuilder.explain.suspects import Package, Suspect, suspects
from rebuilder.findings import ArtifactExplanation, Difference, MemberPath, Proof
from rebuilder.lock import LockedPackage, ToolchainLock
from rebuilder.model import ArtifactComparison, Comparison, Explanation, FileDigest, Input, Origin, Record, Verdict
from rebuilder.opened import desk
from rebuilder.ports import Blobs, Progress, Resolution
from rebuilder.toolchain import deb
from rebuilder.toolchain.history import headers, uploads

MAX_DEBUG_FILE = 512 * 1024**2
#: Offset of the time in the first header of an ar archive, which a `.deb` is.
_AR_TIME = slice(24, 36)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a run left that a fix can be found from."""

    record: Record
    lock: ToolchainLock
    item: ArtifactComparison
    explanation: ArtifactExplanation
    suspects: tuple[Suspect, ...]


def case(record: Record, lock: ToolchainLock, artifact: str, blobs: Blobs, progress: Progress) -> Case:
    """Find suspects for one artifact. ``UsageError`` if the run has nothing to explain there."""
    explanation, item = _explained(record, artifact)
    progress.stage("explain", f"the past of {len(lock.packages)} packages")
    packages = tuple(_packages(lock, blobs))
    found = suspects(
        explanation,
        packages,
        published=_made(item.published, blobs) or record.started,
        index=max(index.date for index in lock.indexes),
        included=_included(record, blobs),
    )
    return Case(record=record, lock=lock, item=item, explanation=explanation, suspects=found)


def _explained(record: Record, artifact: str) -> tuple[ArtifactExplanation, ArtifactComparison]:
    by_name = {one.artifact: one for one in record.explanation.artifacts}
    if not by_name:
        msg = f"expected a run that found differences, found {record.verdict.value}: {record.reason}"
        raise UsageError(msg, hint="`rebuilder show` lists the runs; only those that differ can be explained")
    named = [one.artifact for one in (record.comparison.artifacts if record.comparison else ()) if one.named]
    chosen = artifact or next((name for name in named if name in by_name), next(iter(by_name)))
    if chosen not in by_name:
        msg = f"expected one of {', '.join(by_name)}, found {chosen!r}"
        raise UsageError(msg, hint="leave --artifact out to take the first")
    item = next(one for one in record.comparison.artifacts if one.artifact == chosen) if record.comparison else None
    assert item is not None  # noqa: S101 - an explanation is only made of a comparison
    return by_name[chosen], item


def _packages(lock: ToolchainLock, blobs: Blobs) -> Iterator[Package]:
    """Everything the lock holds, with what each package says of its own past, where its bytes are at hand."""
    for locked in lock.packages:
        if not blobs.has(locked.sha256):
            continue
        path = blobs.path(locked.sha256)
        past = uploads(path)
        known = [one.version for one in past]
        older = known[known.index(locked.version) + 1 :] if locked.version in known else known
        yield Package(
            name=locked.package,
            version=locked.version,
            source=locked.path.rpartition("/")[0],
            uploaded=_package_time(path) or next((one.date for one in past), None),
            older=tuple(version for version in dict.fromkeys(older) if version != locked.version)[:20],
            headers=headers(path) if _brings_headers(locked) else frozenset(),
        )


def _brings_headers(package: LockedPackage) -> bool:
    return package.package.endswith("-dev") or "-dev-" in package.package


def _package_time(path: Path) -> datetime | None:
    """When a package was built, by the header of its own archive: its changelog's date."""
    with path.open("rb") as file:
        return _time(file.read(68))


def _made(file: FileDigest, blobs: Blobs) -> datetime | None:
    return _package_time(blobs.path(file.sha256)) if file.name.endswith(".deb") else None


def _time(head: bytes) -> datetime | None:
    text = head[_AR_TIME].strip()
    if not head.startswith(b"!<arch>\n") or not text.isdigit() or not int(text):
        return None
    return datetime.fromtimestamp(min(int(text), 2**33), UTC)


def _included(record: Record, blobs: Blobs) -> frozenset[str]:
    """Headers our own build read, by the debug packages it left."""
    found: set[str] = set()
    files = [file for attempt in (record.built.attempts if record.built else ()) for file in attempt.outputs]
    for file in {one.sha256: one for one in files if "-dbgsym_" in one.name}.values():
        if blobs.has(file.sha256):
            found.update(_headers_of(blobs.path(file.sha256)))
    return frozenset(found)


def _headers_of(package: Path) -> Iterator[str]:
    try:
        with deb.data(package) as archive:
            for member in archive:
                if member.isreg() and member.size <= MAX_DEBUG_FILE:
                    yield from headers_in(Held(_read(archive, member)))
    except deb.Malformed:
        return


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read() if stream else b""


# --- the try ------------------------------------------------------------------------------------


def changed(resolution: Resolution, lock: ToolchainLock, suspect: Suspect, run_id: str) -> Resolution:
    """The resolution, built with the fix: its toolchain is an inference, and says from what."""
    evidence = f"explain --confirm of run {run_id}: {suspect.why}"
    value = ", ".join(f"{name} {suspect.version}" for name in suspect.packages)
    inferred = Input(name="toolchain", value=value, origin=Origin.INFERRED, evidence=evidence)
    others = tuple(one for one in resolution.inputs if one.name != "toolchain")
    return replace(resolution, lock=lock, inputs=(*others, inferred), packed=False)


def proof_of(case: Case, suspect: Suspect, blobs: Blobs) -> Callable[[Comparison, Explanation], Proof]:
    """Judges a try: the published bytes came out, or the findings that were to go are gone, or they are not."""

    def judge(comparison: Comparison, _: Explanation) -> Proof:
        item = next((one for one in comparison.artifacts if one.artifact == case.item.artifact), None)
        result, reason = _judged(case, item, blobs)
        return Proof(
            run_id=case.record.run_id,
            artifact=case.item.artifact,
            cause=f"{suspect.packages[0]} version",
            changes=suspect.changes,
            result="confirmed" if result else "refuted",
            reason=reason,
        )

    return judge


def _judged(case: Case, item: ArtifactComparison | None, blobs: Blobs) -> tuple[bool, str]:
    if item is None or not item.rebuilt or item.rebuilt[0] is None:
        return False, "with the change the file was not made at all"
    if item.verdict is Verdict.REPRODUCED:
        return True, "with the change, and nothing else changed, every byte equals the published file"
    before = _aspects(case.item, next(file for file in case.item.rebuilt if file), blobs)
    after = _aspects(item, item.rebuilt[0], blobs)
    gone = before - after
    if not gone:
        return False, f"with the change the same {len(before)} differences are there"
    if after - before:
        return False, f"with the change {len(gone)} differences are gone and {len(after - before)} others came"
    return False, f"with the change {len(gone)} of {len(before)} differences are gone: a part of the cause at most"


def _aspects(item: ArtifactComparison, rebuilt: FileDigest, blobs: Blobs) -> set[tuple[MemberPath, str]]:
    with desk() as own:
        pair = [own.open(blobs.path(file.sha256)) for file in (item.published, rebuilt)]
        difference: Difference = compare(pair[0], pair[1], own.bounds).difference
    return {(finding.path, finding.what) for finding in difference.findings}


def not_tried(case: Case, suspect: Suspect, stop: Stopped | RecipeError) -> Proof:
    """The fix could not be applied: its version is not to be had."""
    reason = stop.reason if isinstance(stop, Stopped) else stop.message
    missing = "; ".join(stop.missing) if isinstance(stop, Stopped) else ""
    return Proof(
        run_id=case.record.run_id,
        artifact=case.item.artifact,
        cause=f"{suspect.packages[0]} version",
        changes=suspect.changes,
        result="not-tried",
        reason=f"{reason}{': ' if missing else ''}{missing}",
    )
