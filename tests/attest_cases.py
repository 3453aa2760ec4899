"""Signed bundles of every verdict, made by the code under test with keys that are the same in every run.

``python -m tests.attest_cases`` writes the examples in ``docs/formats/`` anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rebuilder.attest.bundle import join, sign_statements
from rebuilder.attest.dsse import PAYLOAD_TYPE, Envelope, Signature, VerificationKey, pae, render
from rebuilder.attest.pins import Pin, Role, render_pins
from rebuilder.attest.statements import Statement, statements_for
from rebuilder.model import ArtifactComparison, Record, SourceKind, Verdict
from rebuilder.recipe import (
    Recipe,
    RecipeArtifact,
    RecipeBuild,
    RecipeEndorsement,
    RecipeFile,
    RecipeIndex,
    RecipeSource,
    RecipeToolchain,
)
from rebuilder.sign.identity import Identity, render_identity
from tests import record_cases
from tests.records import compared, sha, signer

ROOT = Path(__file__).parent.parent
FORMATS = ROOT / "docs" / "formats"
SCHEMAS = ROOT / "rebuilder" / "report" / "schemas"
FILES = {"recipe.toml": b"recipe", "toolchain.lock.json": b"lock"}
ORGANISATION = signer().organisation
_BLOCK = re.compile(r"(<!-- example: ([a-z0-9.-]+) -->\n```json\n)(.*?)(\n```\n)", re.DOTALL)


def private(role: str, owner: str = ORGANISATION) -> Ed25519PrivateKey:
    """A key that anyone can compute: fit for examples only."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{owner} {role}".encode()).digest())


def public(role: str, owner: str = ORGANISATION) -> VerificationKey:
    return VerificationKey.of(private(role, owner).public_key())


def pin(role: Role, owner: str = ORGANISATION, **changes: object) -> Pin:
    ids = {"attest": signer().builder_id, "verdict": signer().verifier_id}
    values = {"role": role, "id": ids[role], "organisation": owner, "key": public(role, owner)}
    return Pin(**(values | changes))  # type: ignore[arg-type]


PINS = (pin("attest"), pin("verdict"))


def envelope(role: str, body: bytes, *, owner: str = ORGANISATION, keyid: str | None = "own") -> bytes:
    """A signed line; ``keyid`` ``None`` leaves the field out."""
    key = private(role, owner)
    name = public(role, owner).keyid if keyid == "own" else keyid
    signature = Signature(sig=key.sign(pae(PAYLOAD_TYPE, body)), keyid=name)
    return render(Envelope(payload_type=PAYLOAD_TYPE, payload=body, signatures=(signature,)))


def recipe(record: Record) -> Recipe:
    """A recipe that fits the published files of a record."""
    assert record.published is not None
    given = record.published
    sources = tuple(RecipeFile(**one.model_dump(exclude={"archive"})) for one in given.source_files)
    return Recipe(
        format="rebuilder/recipe/v1",
        purl=given.purl,
        source=RecipeSource(
            kind=SourceKind.SIGNED_DSC, name=given.source_name, version=given.source_version, files=sources
        ),
        artifacts=tuple(
            RecipeArtifact(
                **one.file.model_dump(exclude={"archive"}),
                package=one.package,
                version=one.version,
                architecture=one.architecture,
                build=one.build,
            )
            for one in given.artifacts
        ),
        endorsement=RecipeEndorsement(anchor="debian-archive"),
        indexes=(RecipeIndex(archive="debian", suite="trixie", inrelease_sha256=sha("InRelease")),),
        toolchain=RecipeToolchain(suite="trixie"),
        build=RecipeBuild(strategy="debian"),
    )


def with_comparison(record: Record, **changes: object) -> Record:
    """The record with its first comparison changed."""
    assert record.comparison is not None
    first, *others = record.comparison.artifacts
    artifacts = (first.model_copy(update=changes), *others)
    return record.model_copy(update={"comparison": record.comparison.model_copy(update={"artifacts": artifacts})})


def equivalent() -> Record:
    """Equal only after one normaliser."""
    record = record_cases.different_declared()
    update = {"verdict": Verdict.EQUIVALENT, "normalisers": ("ar-times/1",), "reason": "equal only after ar-times/1"}
    return with_comparison(record, **update).model_copy(update={"verdict": Verdict.EQUIVALENT})


CASES: dict[str, Callable[[], Record]] = {**record_cases.CASES, "equivalent": equivalent}


#: A bad signed index names no digest, so nothing is said.
WITH_STATEMENTS = sorted(set(CASES) - {"refused"})


def statements(name: str) -> tuple[Statement, ...]:
    record = CASES[name]()
    return statements_for(record, recipe(record) if record.published else None, FILES if record.recipe_sha256 else {})


def bundle(name: str) -> bytes:
    return sign_statements(statements(name), lambda role, body: envelope(role, body))


def published_file(name: str) -> bytes:
    """Bytes of the first published file of a case: its digest is that of these bytes."""
    record = CASES[name]()
    assert record.published is not None
    return f"published {record.published.artifacts[0].file.name}".encode()


def set_at(*path: str | int, value: object) -> Callable[[Any], None]:
    """A change of one value deep in a statement."""

    def change(body: Any) -> None:
        for key in path[:-1]:
            body = body[key]
        body[path[-1]] = value

    return change


def resigned(index: int, change: Callable[[Any], None], case: str = "reproduced") -> bytes:
    """A bundle with one statement changed by its own signer, who signs again and mends the links to it."""
    made: list[tuple[str, bytes]] = []
    old = [one.sha256 for one in statements(case)]
    for number, one in enumerate(statements(case)):
        body = json.loads(one.body)
        if number == index:
            change(body)
        text = json.dumps(body)
        for before, (_, after) in zip(old, made, strict=False):
            text = text.replace(before, hashlib.sha256(after).hexdigest())
        made.append((one.role, text.encode()))
    return join([envelope(role, body) for role, body in made])


def comparison(verdict: Verdict, **changes: object) -> ArtifactComparison:
    return compared("x_1_amd64.deb", verdict, ()).model_copy(update=changes)


def identity() -> Identity:
    return Identity(
        organisation=ORGANISATION,
        builder_id=signer().builder_id,
        verifier_id=signer().verifier_id,
        attest_key=public("attest").spki_sha256,
        verdict_key=public("verdict").spki_sha256,
    )


def examples() -> dict[str, tuple[str, object]]:
    """Name of each example -> (schema, value)."""
    bodies = {(one.kind, case): json.loads(one.body) for case in CASES for one in reversed(statements(case))}
    return {
        "dsse": ("dsse-envelope.v1.schema.json", json.loads(bundle("reproduced").splitlines()[1])),
        "provenance": ("provenance-rebuild.v1.schema.json", bodies["provenance", "reproduced"]),
        "summary-reproduced": ("vsa-rebuild.v1.schema.json", bodies["summary", "reproduced"]),
        "summary-different": ("vsa-rebuild.v1.schema.json", bodies["summary", "different-declared"]),
        "outcome": ("rebuild-outcome.v0.1.schema.json", bodies["outcome", "unavailable"]),
        "pins": ("pins.v1.schema.json", json.loads(render_pins(PINS))),
        "identity": ("identity.v1.schema.json", json.loads(render_identity(identity()))),
    }


def blocks(text: str) -> dict[str, str]:
    """Examples on a page, by name."""
    return {name: body for _, name, body, _ in _BLOCK.findall(text)}


def main() -> None:
    made = {name: json.dumps(value, indent=2, ensure_ascii=False) for name, (_, value) in examples().items()}
    for page in sorted(FORMATS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = _BLOCK.sub(lambda m: m[1] + made.get(m[2], m[3]) + m[4], text)
        if new != text:
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
