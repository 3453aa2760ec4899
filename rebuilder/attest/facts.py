"""What statements of every kind say in the same words: names, inputs, endorsement, evidence.

The facts come from the record alone, so that a statement can be made again from a saved run.
"""

from __future__ import annotations

from dataclasses import dataclass

import rfc8785
from packageurl import PackageURL

from rebuilder.attest.uris import STATEMENT
from rebuilder.errors import IntegrityError
from rebuilder.lock import LanguagePackage
from rebuilder.model import (
    Artifact,
    ArtifactComparison,
    Attempt,
    FileDigest,
    Origin,
    Published,
    Record,
    Signer,
)
from rebuilder.recipe import Recipe

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A record that is known to hold what every statement needs."""

    record: Record
    recipe: Recipe | None
    published: Published
    signer: Signer
    #: Packages of languages that the lock names.
    languages: tuple[LanguagePackage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Made:
    """A file that one attempt made."""

    attempt: Attempt
    file: FileDigest


def canonical(statement: Json) -> bytes:
    """RFC 8785 bytes. ``IntegrityError`` for text or numbers that have no canonical form."""
    try:
        return rfc8785.dumps(statement)  # type: ignore[arg-type]
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        msg = f"expected a record with a canonical JSON form, found a value that has none: {error}"
        raise IntegrityError(msg, hint="this is a fault of ours; nothing was signed") from error


def statement(subject: FileDigest, predicate_type: str, predicate: Json) -> Json:
    """An in-toto Statement v1 about exactly one file."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": subject.name, "digest": {"sha256": subject.sha256}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def descriptor(file: FileDigest, **more: object) -> Json:
    """An in-toto ResourceDescriptor of a file, with its size as an annotation."""
    return {"name": file.name, "digest": {"sha256": file.sha256}, "annotations": {"size": file.size}, **more}


def language(package: LanguagePackage) -> Json:
    """A descriptor of one package of a language, named by its purl: two may have one file name."""
    scope, _, name = package.name.rpartition("/")
    purl = PackageURL(type=package.system, namespace=scope or None, name=name, version=package.version).to_string()
    size = {"file": package.file, "size": package.size}
    return {"name": purl, "uri": purl, "digest": {"sha256": package.sha256}, "annotations": size}


def version(run: Run) -> Json:
    """Version of the tool that speaks."""
    return {"rebuilder": run.record.tool_version}


def resource_uri(run: Run, artifact: Artifact) -> str:
    """The purl of one published file: never the mirror it came from. ``IntegrityError`` if there is none."""
    try:
        purl = PackageURL.from_string(run.published.purl)
    except ValueError as error:
        msg = f"expected the published purl to be one, found {run.published.purl!r}"
        raise IntegrityError(msg) from error
    qualifiers: dict[str, str] = dict(purl.qualifiers) if isinstance(purl.qualifiers, dict) else {}
    if purl.type == "deb":
        qualifiers["arch"] = artifact.architecture
    whole = PackageURL(
        type=purl.type,
        namespace=purl.namespace,
        name=artifact.package,
        version=artifact.version,
        qualifiers=qualifiers,
    )
    return str(whole.to_string())


def inputs(run: Run) -> list[Json]:
    """Every input of the build with who says that it is the right one."""
    return [{"name": one.name, "origin": one.origin.value, "value": one.value} for one in run.record.inputs]


def endorsement(run: Run) -> Json:
    """Whether the publisher vouches for the digest, by which keys."""
    found = run.record.endorsement
    if found is None:
        return {"result": "missing", "anchor": "", "signatures": []}
    signatures = [
        {"scheme": check.scheme, "fingerprint": check.fingerprint, "result": check.result.value}
        for check in found.checks
    ]
    return {"result": found.result.value, "anchor": found.anchor, "signatures": signatures}


def source(run: Run) -> Json:
    """The source, its kind first: a tarball is not the commit."""
    found = run.record.source
    if found is None:
        return {"kind": "none", "files": []}
    files = [{"name": file.name, "sha256": file.sha256} for file in found.files]
    return {"kind": found.kind.value, "name": found.name, "version": found.version, "files": files}


def declared(run: Run) -> Json:
    """Digests of the recipe and of the lock, as far as the run came."""
    digests: Json = {}
    if run.record.recipe_sha256 is not None:
        digests["recipe"] = {"sha256": run.record.recipe_sha256}
    if run.record.toolchain is not None:
        digests["toolchainLock"] = {"sha256": run.record.toolchain.lock_sha256}
    return digests


def self_input(run: Run, name: str) -> list[Json]:
    """Where the subject, or a member of it, lay among the inputs of its own build."""
    if run.record.comparison is None:
        return []
    return [
        {"member": found.member, "foundIn": found.found_in, "sha256": found.sha256}
        for found in run.record.comparison.self_input
        if found.artifact == name
    ]


def unsearched(run: Run) -> list[str]:
    """What could not be looked through for the subject: where ``self_input`` is silent about it."""
    return list(run.record.comparison.unsearched) if run.record.comparison is not None else []


def diff_reports(run: Run, name: str) -> list[Json]:
    """The reports on what differs, by digest, with what each lacks."""
    reports = [report for report in run.record.explanation.reports if report.artifact == name]
    return [
        {"name": file.name, "digest": {"sha256": file.sha256}, "annotations": {"status": report.status}}
        for report in reports
        for file in (report.text, report.html)
        if file is not None
    ]


def made_by_attempts(run: Run, artifact: Artifact, comparison: ArtifactComparison) -> tuple[Made, ...]:
    """Every rebuild of one artifact. ``IntegrityError`` if attempts and comparison do not list the same."""
    attempts = run.record.built.attempts if run.record.built is not None else ()
    made = tuple(
        Made(attempt=attempt, file=file)
        for attempt in attempts
        if attempt.failure is None and attempt.build == artifact.build
        for file in attempt.outputs
        if file.name == comparison.artifact
    )
    claimed = sorted((file.sha256, file.size) for file in comparison.rebuilt if file is not None)
    if sorted((one.file.sha256, one.file.size) for one in made) != claimed:
        msg = f"{comparison.artifact}: expected the comparison to list what the attempts made, found other digests"
        raise IntegrityError(msg, hint="this is a fault of ours; nothing was signed")
    return made


def recovered(record: Record) -> bool:
    """Whether any input was read off the published artifact or guessed: equality is then a lower level."""
    weak = (Origin.RECOVERED, Origin.INFERRED)
    return any(one.origin in weak for one in record.inputs) or (
        record.toolchain is not None and record.toolchain.origin in weak
    )


def toolchain(run: Run) -> Json:
    """What weakens the toolchain: packages that no signed list has, and a recorded one that was set aside."""
    found = run.record.toolchain
    if found is None:
        return {"unsigned": [], "relocked": False}
    return {"unsigned": list(found.unsigned), "relocked": found.relocked}
