from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import rebuilder.report
from rebuilder.report.schema import run_schema
from tests.record_cases import CASES, hostile

COMMITTED = Path(rebuilder.report.__file__).parent / "schemas" / "run.v1.schema.json"


def test_committed_schema_is_the_generated_one() -> None:
    """To write it anew: ``python -m rebuilder.report.schema > rebuilder/report/schemas/run.v1.schema.json``."""
    assert COMMITTED.read_bytes() == run_schema()


@pytest.mark.parametrize("make", [*CASES.values(), hostile])
def test_records_hold_to_the_schema(make) -> None:
    schema = json.loads(COMMITTED.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(make().model_dump_json(by_alias=True)), schema)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "Additional properties are not allowed"),
        ({"verdict": "fine"}, "is not one of"),
        ({"schema": "rebuilder/run/v2"}, "was expected"),
        ({"recipe_sha256": "ABC"}, "does not match"),
    ],
)
def test_schema_refuses_what_the_model_refuses(change, message) -> None:
    body = json.loads(CASES["reproduced"]().model_dump_json(by_alias=True)) | change
    with pytest.raises(jsonschema.ValidationError, match=message):
        jsonschema.validate(body, json.loads(COMMITTED.read_bytes()))
