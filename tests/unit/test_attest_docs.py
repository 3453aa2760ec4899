"""Every example in the format pages is what the code makes, and holds to its schema."""

from __future__ import annotations

import json

import jsonschema
import pytest

from rebuilder.attest import policies
from tests.attest_cases import CASES, FORMATS, SCHEMAS, blocks, bundle, examples, statements

SCHEMA_OF = {
    "provenance": "provenance-rebuild.v1.schema.json",
    "summary": "vsa-rebuild.v1.schema.json",
    "outcome": "rebuild-outcome.v0.1.schema.json",
}


def validator(name):
    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def shown() -> dict[str, str]:
    return {name: body for page in FORMATS.glob("*.md") for name, body in blocks(page.read_text()).items()}


@pytest.mark.parametrize("name", sorted(examples()))
def test_examples_are_made_by_the_code_and_hold_to_their_schema(name):
    schema, value = examples()[name]
    validator(schema).validate(value)
    assert json.loads(shown()[name]) == value, "run: python -m tests.attest_cases"


@pytest.mark.parametrize("case", CASES)
def test_statements_and_envelopes_of_every_verdict_hold_to_their_schemas(case):
    for one in statements(case):
        validator(SCHEMA_OF[one.kind]).validate(json.loads(one.body))
    for line in bundle(case).splitlines():
        validator("dsse-envelope.v1.schema.json").validate(json.loads(line))


@pytest.mark.parametrize("kind", SCHEMA_OF)
def test_schemas_refuse_what_is_not_theirs(kind):
    for case in CASES:
        for one in statements(case):
            assert validator(SCHEMA_OF[kind]).is_valid(json.loads(one.body)) == (one.kind == kind)


def test_a_failed_summary_can_carry_no_level_of_success():
    value = json.loads(statements("different-declared")[-1].body)
    value["predicate"]["verifiedLevels"] = ["REBUILD_BIT_FOR_BIT"]
    assert not validator(SCHEMA_OF["summary"]).is_valid(value)


@pytest.mark.parametrize(
    ("page", "text"), [("bit-for-bit-v1", policies.BIT_FOR_BIT), ("equivalent-v1", policies.EQUIVALENT)]
)
def test_policy_pages_are_the_very_bytes_that_are_hashed(page, text):
    assert (FORMATS / "policies" / f"{page}.md").read_bytes() == text.encode()
