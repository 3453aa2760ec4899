"""The pipeline: one run from target to committed record. Every stage takes values and gives one value.

    resolve -> endorse -> fetch -> toolchain -> sandbox -> compare -> explain -> attest -> log -> report

This file alone knows the order. ``Stopped`` may come out of any stage before the comparison: it becomes
the verdict of the run. Every other exception is our own fault: nothing is signed and nothing is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from rebuilder import __version__, evidence
from rebuilder.attest.bundle import bundle_name, sign_statements
from rebuilder.attest.statements import statements_for
from rebuilder.compare import bytewise, verdict
from rebuilder.errors import RecipeError, Stopped
from rebuilder.journal import Journal
from rebuilder.lock import ToolchainLock, to_bytes
from rebuilder.model import (
    Attempt,
    BuildKind,
    Built,
    Comparison,
    Endorsement,
    EndorsementResult,
    Explanation,
    Origin,
    Published,
    Record,
    RootImage,
    Source,
    Toolchain,
    Verdict,
    worst,
)
from rebuilder.ports import (
    Blobs,
    Builder,
    Clock,
    Ecosystem,
    Explainer,
    Fetcher,
    Log,
    Members,
    Options,
    Progress,
    Reporter,
    Resolution,
    Runs,
    Signing,
    Toolchains,
)

#: Of an index's answer on one release, as `toolchain/releases.py` bounds it.
MAX_ANSWER = 64 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The world, as ``wiring`` put it together for one command."""

    ecosystem: Ecosystem
    fetcher: Fetcher
    blobs: Blobs
    members: Members
    toolchains: Toolchains
    builder: Builder
    explainer: Explainer
    signing: Signing | None
    runs: Runs
    log: Log
    reporter: Reporter
    clock: Clock
    progress: Progress
    new_run_id: Callable[[], str]


def verify(target: str, resolve: Callable[[], Resolution], ports: Ports, options: Options) -> Record:
    """Rebuild what ``target`` names, judge it, sign the outcome, keep the record. The record says the verdict."""
    journal = Journal(target, ports.new_run_id(), ports.clock, ports.progress)
    try:
        resolution = _resolve(journal, resolve, ports)
        _endorse(journal, resolution, ports)
        source = _fetch(journal, resolution, ports)
        toolchain, lock = _toolchain(journal, resolution, source, ports, options)
        built = _sandbox(journal, replace(resolution, lock=lock), source, toolchain, ports, options)
        comparison = _compare(journal, resolution, source, lock, built, ports)
        _explain(journal, comparison, lock, ports, options)
        _undeclared(journal, resolution, comparison, ports)
    except Stopped as stop:
        journal.stopped(stop)
    record, files = _attest(journal, ports, options)
    return _publish(journal, record, files, ports)


def _resolve(journal: Journal, resolve: Callable[[], Resolution], ports: Ports) -> Resolution:
    """What was published, its digests, which recipe."""
    with journal.stage("resolve"):
        resolution = resolve()
    journal.keep("recipe.toml", resolution.recipe_bytes)
    if resolution.release is not None:
        # The only evidence that there is for the digests of an index that signs nothing.
        journal.keep("index-answer", ports.blobs.read(resolution.release.answer.sha256, limit=MAX_ANSWER))
    journal.set(
        published=resolution.published,
        recipe_sha256=hashlib.sha256(resolution.recipe_bytes).hexdigest(),
    )
    journal.recipe = resolution.recipe
    journal.add_inputs(resolution.inputs)
    journal.set(search=resolution.search)
    journal.warn(*resolution.warnings)
    return resolution


def _endorse(journal: Journal, resolution: Resolution, ports: Ports) -> Endorsement:
    """Who vouches for those digests, checked again from the saved bytes against our own trust store."""
    with journal.stage("endorse"):
        endorsement = ports.ecosystem.endorse(resolution)
    journal.set(endorsement=endorsement)
    if endorsement.result is EndorsementResult.INVALID:
        raise Stopped(Verdict.REFUSED, endorsement.reason)
    return endorsement


def _fetch(journal: Journal, resolution: Resolution, ports: Ports) -> Source:
    """The published files and the declared source, by digest."""
    with journal.stage("fetch"):
        ports.fetcher.fetch_all(artifact.file for artifact in resolution.published.artifacts)
        source, signatures = ports.ecosystem.source(resolution)
    endorsement: Endorsement = journal.values["endorsement"]
    evidence_of_both = (*endorsement.evidence, *signatures)
    journal.set(source=source, endorsement=endorsement.model_copy(update={"evidence": evidence_of_both}))
    return source


def _toolchain(
    journal: Journal, resolution: Resolution, source: Source, ports: Ports, options: Options
) -> tuple[Toolchain, ToolchainLock]:
    """The recorded packages, materialised exactly; solved from today's suite where nothing is recorded."""
    with journal.stage("toolchain"):
        lock = None if options.relock else resolution.lock
        if lock is None:
            kinds = build_kinds(resolution.published)
            relations = {kind: ports.ecosystem.relations(resolution, source, kind) for kind in kinds}
            # A `.buildinfo` says itself which packages; everything else is solved from what mirrors hold today.
            current = resolution if resolution.buildinfo else ports.ecosystem.today(resolution)
            journal.add_inputs(tuple(item for item in current.inputs if item.name == "toolchain"))
            lock = ports.toolchains.solve(current, relations)
        unvouched = ports.toolchains.unsigned(lock)
        roots = ports.toolchains.materialise(lock)
        # Their members are looked through for the subject (self-input); what is missing has to be missed now.
        unknown = ports.members.unknown(lock.packages)
        ports.fetcher.fetch_all(package for package in lock.packages if package.sha256 in unknown)
    journal.warn(*unvouched.why)
    if options.relock:
        journal.relocked()
    data = to_bytes(lock)
    toolchain = Toolchain(
        lock_sha256=hashlib.sha256(data).hexdigest(),
        origin=journal.origin("toolchain", Origin.ASSUMED),
        suite=lock.suite,
        roots=roots,
        unsigned=unvouched.packages,
        relocked=options.relock,
        packed=resolution.packed and not options.relock,
    )
    journal.keep("toolchain.lock.json", data)
    journal.set(toolchain=toolchain)
    return toolchain, lock


def build_kinds(published: Published) -> tuple[BuildKind, ...]:
    """The builds that together make every artifact: architecture-dependent ones first, as the archive does."""
    return tuple(sorted({artifact.build for artifact in published.artifacts}, reverse=True))


def _sandbox(
    journal: Journal,
    resolution: Resolution,
    source: Source,
    toolchain: Toolchain,
    ports: Ports,
    options: Options,
) -> Built:
    """Build, sealed; on a difference build once more, before anyone says a word about it."""
    published = resolution.published
    attempts: list[Attempt] = []

    with journal.stage("sandbox"):
        # All plans first: one that cannot be made ends the run, and must not cost a build that was done.
        plans = {kind: ports.ecosystem.plan(resolution, source, kind) for kind in build_kinds(published)}
        roots = {kind: _root(toolchain, kind) for kind in plans}
        journal.plans = {kind: plan for kind, (plan, _) in plans.items()}
        for _, inputs in plans.values():
            journal.add_inputs(inputs)

        def build(number: int, kinds: tuple[BuildKind, ...]) -> None:
            for kind in kinds:
                ports.progress.stage("sandbox", f"build {kind}, attempt {number}")
                run_id, plan = ports.new_run_id(), plans[kind][0]
                attempts.append(ports.builder.build(plan, roots[kind], run_id=run_id, number=number, keep=options.keep))

        build(1, tuple(plans))
        build(2, verdict.needs_second(published.artifacts, tuple(attempts)))
    built = Built(attempts=tuple(attempts))
    journal.set(built=built)
    journal.warn(*evidence.why_failed(built, ports.blobs))
    return built


def _root(toolchain: Toolchain, kind: BuildKind) -> RootImage:
    try:
        return toolchain.root(kind)
    except KeyError as err:
        msg = f"the toolchain lock has no root filesystem for the build {kind!r}, which this recipe's artifacts need"
        raise RecipeError(msg, hint="make the lock anew: rebuilder lock --relock RECIPE") from err


def _compare(
    journal: Journal,
    resolution: Resolution,
    source: Source,
    lock: ToolchainLock,
    built: Built,
    ports: Ports,
) -> Comparison:
    """Every byte, then the verdict; both from the stored bytes, which are re-hashed as they are read."""
    with journal.stage("compare"):
        subjects = [artifact.file for artifact in resolution.published.artifacts]
        known = ports.members.known((*source.files, *lock.packages, *lock.language_files))
        self_input, unread = bytewise.find_self_input(subjects, known.places, evidence.opener(ports.blobs))
        comparison = evidence.judge(
            resolution.published.artifacts, built.attempts, resolution.recipe, ports.blobs, self_input
        )
        comparison = comparison.model_copy(update={"unsearched": tuple(dict.fromkeys((*known.unsearched, *unread)))})
    journal.set(comparison=comparison)
    named = tuple(item.verdict for item in comparison.artifacts if item.named)
    journal.verdict(worst(named), "; ".join(f"{a.artifact}: {a.reason}" for a in comparison.artifacts if a.named))
    return comparison


def _explain(journal: Journal, comparison: Comparison, lock: ToolchainLock, ports: Ports, options: Options) -> None:
    """Every difference, its causes, and diffoscope's detail. The verdict never depends on it: whatever goes wrong
    here is said in the record, but for damage to the store (``IntegrityError``), which ends the run."""
    with journal.stage("explain"):
        found = []
        for item in comparison.artifacts:
            other = next((file for file in item.rebuilt if file and file.sha256 != item.published.sha256), None)
            if other is not None:
                with journal.in_spite_of(f"{item.artifact}: why it differs is not known, for explaining it failed"):
                    around = evidence.surroundings(journal.values, item.artifact, lock, journal.plans)
                    found.append(
                        ports.explainer.explain(item.artifact, item.published, other, around, run_id=journal.run_id)
                    )
        explanation = Explanation(
            artifacts=tuple(one.explanation for one in found),
            reports=tuple(one.report for one in found if one.report),
        )
        if options.proves is not None:
            with journal.in_spite_of("whether the fix that was tried came true is not known, for judging it failed"):
                explanation = explanation.model_copy(update={"proof": options.proves(comparison, explanation)})
    journal.set(explanation=explanation)


def _undeclared(journal: Journal, resolution: Resolution, comparison: Comparison, ports: Ports) -> None:
    """What was published and is not from the declared source: the first thing on the page, and never a verdict."""
    explanation: Explanation = journal.values.get("explanation", Explanation())
    with journal.in_spite_of("whether all of it is from the source is not known, for looking failed"):
        found = evidence.undeclared(comparison, journal.values["source"], ports.blobs, resolution.holds)
        journal.set(explanation=explanation.model_copy(update={"undeclared": found}))


def _attest(journal: Journal, ports: Ports, options: Options) -> tuple[Record, dict[str, bytes]]:
    """Statements by the table of design section 7, after both files were hashed and judged once more."""
    signing = ports.signing if options.sign else None
    with journal.stage("attest"):
        attached, notes = evidence.attachments(journal.values, ports.blobs)
        journal.warn(*notes)
        record = journal.record(__version__, signing.signer if signing else None)
        files = journal.files | attached
        if signing is not None:
            evidence.check_before_signing(record, journal.recipe, ports.blobs)
            statements = statements_for(record, journal.recipe, files)
            if statements:
                files[bundle_name(record)] = sign_statements(statements, signing.sign)
    return record, files


def _publish(journal: Journal, record: Record, files: dict[str, bytes], ports: Ports) -> Record:
    """Commit the run folder whole, then log it. The page is rendered from the record and can be made again."""
    record = record.model_copy(update={"timeline": journal.timeline, "finished": ports.clock.now()})
    files["run.json"] = record.model_dump_json(by_alias=True, indent=1).encode() + b"\n"
    files["index.html"] = ports.reporter.page(record, files)
    draft = ports.runs.draft(record.run_id)
    for name, data in files.items():
        draft.write(name, data)
    draft.commit()
    bundle = files.get(bundle_name(record))
    ports.log.append(record.run_id, hashlib.sha256(bundle).hexdigest() if bundle else None)
    return record
