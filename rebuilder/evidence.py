"""Between the rules (which see no disk) and the blobs: opens stored bytes for comparing, judging, signing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from rebuilder.attest import check
from rebuilder.check import failures
from rebuilder.compare import bytewise, normalise, verdict
from rebuilder.errors import IntegrityError
from rebuilder.findings import Surroundings
from rebuilder.lock import ToolchainLock
from rebuilder.model import (
    Artifact,
    ArtifactComparison,
    Attempt,
    BuildKind,
    BuildPlan,
    Built,
    Comparison,
    Explanation,
    FailureReason,
    FileDigest,
    Record,
    SelfInput,
    Source,
    Undeclared,
)
from rebuilder.opened import desk
from rebuilder.ports import Blobs
from rebuilder.recipe import Recipe

#: Of a build's own words: what is larger stays in the blobs, and the page says so.
MAX_LOG_BYTES = 64 * 1024**2
MAX_BYPRODUCT_BYTES = 8 * 1024**2
#: Bytes of a file's name; a disk has room for 255.
MAX_NAME = 240


def opener(blobs: Blobs) -> bytewise.Open:
    """Opens a blob by its digest, re-hashed first."""

    def open_blob(file: FileDigest) -> BinaryIO:
        return blobs.path(file.sha256).open("rb")

    return open_blob


def judge(
    artifacts: tuple[Artifact, ...],
    attempts: tuple[Attempt, ...],
    recipe: Recipe,
    blobs: Blobs,
    self_input: tuple[SelfInput, ...] = (),
) -> Comparison:
    """The verdict rules over stored bytes. Every file a verdict speaks of is re-hashed here."""
    open_blob = opener(blobs)
    allowed = tuple(item.name for item in recipe.normalisers)
    comparison = verdict.judge(
        tuple(_rehashed_artifact(artifact, blobs) for artifact in artifacts),
        tuple(_rehashed_attempt(attempt, blobs) for attempt in attempts),
        agree_otherwise=lambda published, rebuilt: bytewise.agree_otherwise(published, rebuilt, open_blob),
        equal_after=lambda published, rebuilt: _equal_after(published, rebuilt, allowed, blobs),
        self_input=self_input,
    )
    return comparison.model_copy(
        update={"artifacts": tuple(_with_offset(item, open_blob) for item in comparison.artifacts)}
    )


def why_failed(built: Built, blobs: Blobs) -> tuple[str, ...]:
    """What the logs of builds that ended with an error say of why, in sentences; nothing where they say nothing."""
    found = []
    for attempt in built.attempts:
        if attempt.failure is not FailureReason.EXIT_STATUS:
            continue
        with blobs.path(attempt.log.sha256).open("rb") as log:
            log.seek(max(0, attempt.log.size - failures.MAX_LOG))
            told = failures.reason(attempt, log.read())
        if told.words != attempt.detail:
            more = "; a build has no network here" if told.hint == failures.NO_NETWORK else ""
            found.append(f"the build failed: {told.words}{more}")
    return tuple(dict.fromkeys(found))


def check_before_signing(record: Record, recipe: Recipe | None, blobs: Blobs) -> None:
    """Hash both sides and judge once more. ``IntegrityError`` if the record says anything else."""
    if record.comparison is None:
        return
    if recipe is None or record.published is None or record.built is None:
        msg = "a record with a comparison but without recipe, artifacts or builds: our bug, nothing was signed"
        raise IntegrityError(msg)
    artifacts, attempts, self_input = record.published.artifacts, record.built.attempts, record.comparison.self_input

    def rehash(sha256: str) -> tuple[str, int]:
        return sha256, blobs.path(sha256).stat().st_size

    check.check_before_signing(
        record, rehash=rehash, rejudge=lambda _: judge(artifacts, attempts, recipe, blobs, self_input)
    )


def attachments(values: Mapping[str, Any], blobs: Blobs) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Small files of the run for its folder (logs, our `.buildinfo` and `.changes`, diffoscope's reports), and a
    sentence on each that is too large for it. ``values`` are those of the journal. Nothing a build makes may raise."""
    wanted = _attached(values.get("built"), values.get("explanation", Explanation()))
    kept, notes = {}, []
    for name, (blob, limit) in wanted.items():
        if len(name.encode("utf-8", "replace")) > MAX_NAME:
            notes.append(f"{name} has too long a name for the run folder; it is kept as blob {blob.sha256}")
        elif blob.size > limit:
            size = f"{blob.size} bytes, too many for the run folder"
            notes.append(f"{name} has {size}; it is kept as blob {blob.sha256}")
        else:
            kept[name] = blobs.read(blob.sha256, limit=limit)
    return kept, tuple(notes)


def undeclared(
    comparison: Comparison, source: Source, blobs: Blobs, holds: Callable[[frozenset[str]], frozenset[str]] | None
) -> tuple[Undeclared, ...]:
    """Content of the published files that differ which is neither in the declared tree nor made by our build, of the
    named ones first; nothing for a source that is no tree. ``IntegrityError`` for what the store holds."""
    tree = next((file for file in source.files if file.name == "tree.tar"), None)
    if tree is None:
        return ()
    found: list[Undeclared] = []
    for item in sorted(comparison.artifacts, key=lambda one: not one.named):
        other = next((file for file in item.rebuilt if file and file.sha256 != item.published.sha256), None)
        if other is not None:
            # Readers of every kind of archive, of which an equal file needs none.
            from rebuilder import undeclared as content

            found += content.undeclared(item.artifact, item.published, other, tree, blobs, holds)
    return tuple(found)


def _attached(built: Built | None, explanation: Explanation) -> dict[str, tuple[FileDigest, int]]:
    """Name in the run folder -> the blob, and how large it may be there."""
    files: dict[str, tuple[FileDigest, int]] = {}
    for attempt in built.attempts if built else ():
        suffix = f"{attempt.build}-{attempt.number}"
        files[f"build-{suffix}.log"] = (attempt.log, MAX_LOG_BYTES)
        for output in attempt.outputs:
            if output.name.endswith((".buildinfo", ".changes")):
                files[f"{suffix}-{output.name}"] = (output, MAX_BYPRODUCT_BYTES)
    for one in explanation.artifacts:
        name, side = f"difference-{one.artifact}.json", one.difference
        if side.sha256 is not None and side.size is not None:
            # Not under its own name, which may be longer than a name in the model may be.
            files[name] = (FileDigest(name="difference.json", sha256=side.sha256, size=side.size), MAX_LOG_BYTES)
    for report in explanation.reports:
        for kind, blob in (("txt", report.text), ("html", report.html), ("json", report.json_)):
            if blob is not None:
                files[f"diffoscope-{report.artifact}.{kind}"] = (blob, MAX_LOG_BYTES)
    return files


def surroundings(
    values: Mapping[str, Any], artifact: str, lock: ToolchainLock, plans: Mapping[BuildKind, BuildPlan]
) -> Surroundings:
    """What is known of our own build of an artifact, for the rules that look for it in the bytes."""
    kind = next(one.build for one in values["published"].artifacts if one.file.name == artifact)
    plan = plans[kind]
    epoch = plan.environment.get("SOURCE_DATE_EPOCH", "")
    return Surroundings(
        epoch=int(epoch) if epoch.isdigit() else None,
        path=plan.steps[-1].cwd,
        hostname=plan.hostname,
        user=plan.environment.get("USER", plan.environment.get("LOGNAME", "")),
        environment=plan.environment,
        packages={package.package: package.version for package in lock.packages},
    )


def _rehashed_artifact(artifact: Artifact, blobs: Blobs) -> Artifact:
    size = blobs.path(artifact.file.sha256).stat().st_size
    if size != artifact.file.size:
        msg = f"{artifact.file.name}: expected {artifact.file.size} bytes, the stored file has {size}"
        raise IntegrityError(msg)
    return artifact


def _rehashed_attempt(attempt: Attempt, blobs: Blobs) -> Attempt:
    for output in attempt.outputs:
        blobs.path(output.sha256)
    return attempt


def _equal_after(
    published: FileDigest, rebuilt: tuple[FileDigest, ...], allowed: tuple[str, ...], blobs: Blobs
) -> dict[str, int]:
    if not allowed:
        return {}
    with desk() as own:
        first, *others = (own.open(blobs.path(file.sha256)) for file in (published, *rebuilt))
        return normalise.equal_after(first, tuple(others), allowed, own.bounds)


def _with_offset(item: ArtifactComparison, open_blob: bytewise.Open) -> ArtifactComparison:
    other = next((file for file in item.rebuilt if file and not verdict.same(item.published, file)), None)
    if other is None:
        return item
    with open_blob(item.published) as left, open_blob(other) as right:
        return item.model_copy(update={"first_difference": bytewise.first_difference(left, right)})
