"""Statement (A): SLSA Provenance v1 about a file that *we* built (`docs/formats/provenance.md`)."""

from __future__ import annotations

from rebuilder.attest.facts import (
    Json,
    Made,
    Run,
    descriptor,
    diff_reports,
    inputs,
    language,
    resource_uri,
    statement,
    toolchain,
    version,
)
from rebuilder.attest.uris import BUILD_TYPE, PROVENANCE
from rebuilder.errors import IntegrityError
from rebuilder.model import Artifact, utc


def provenance(run: Run, artifact: Artifact, made: Made) -> Json:
    """The subject is the rebuilt file, whatever the published one is. ``IntegrityError`` if an input of
    the build has no digest in the record."""
    predicate: Json = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": _external(run, artifact),
            "internalParameters": _internal(run, made),
            "resolvedDependencies": _dependencies(run, made),
        },
        "runDetails": {
            "builder": {"id": run.signer.builder_id, "version": version(run)},
            "metadata": {
                "invocationId": f"{made.attempt.run_id}/{made.attempt.build}/{made.attempt.number}",
                "startedOn": utc(made.attempt.started),
                "finishedOn": utc(made.attempt.finished),
            },
            "byproducts": _byproducts(run, made),
        },
    }
    return statement(made.file, PROVENANCE, predicate)


def _external(run: Run, artifact: Artifact) -> Json:
    if run.recipe is None:
        msg = f"{artifact.file.name}: expected the recipe it was built by, found none"
        raise IntegrityError(msg, hint="this is a fault of ours; nothing was signed")
    return {
        "artifact": artifact.file.name,
        "resourceUri": resource_uri(run, artifact),
        "recipe": run.recipe.model_dump(mode="json"),
    }


def _internal(run: Run, made: Made) -> Json:
    return {
        "build": made.attempt.build,
        "attempt": made.attempt.number,
        "engine": made.attempt.engine,
        "network": "none",
        "limits": made.attempt.limits.model_dump(mode="json"),
        "inputs": inputs(run),
        "toolchain": toolchain(run),
    }


def _dependencies(run: Run, made: Made) -> list[Json]:
    record = run.record
    if record.source is None or record.toolchain is None or record.recipe_sha256 is None:
        msg = f"{made.file.name}: expected digests of recipe, lock and source in the record, found one missing"
        raise IntegrityError(msg, hint="this is a fault of ours; nothing was signed")
    first, *others = record.source.files
    return [
        {"name": "recipe.toml", "digest": {"sha256": record.recipe_sha256}},
        {"name": "toolchain.lock.json", "digest": {"sha256": record.toolchain.lock_sha256}},
        {
            "name": "root-filesystem.tar",
            "digest": {"sha256": made.attempt.root_sha256},
            "annotations": {"build": made.attempt.build},
        },
        descriptor(first, **({"uri": record.source.uri} if record.source.uri else {})),
        *(descriptor(file) for file in others),
        *(language(package) for package in run.languages),
    ]


def _byproducts(run: Run, made: Made) -> list[Json]:
    buildinfo = [descriptor(file) for file in made.attempt.outputs if file.name.endswith(".buildinfo")]
    log = descriptor(made.attempt.log)
    if made.attempt.log_truncated:
        log["annotations"] = {"size": made.attempt.log.size, "truncated": True}
    return [log, *buildinfo, *diff_reports(run, made.file.name)]
