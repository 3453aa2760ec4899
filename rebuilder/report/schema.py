"""The JSON Schema of ``run.json``, generated from ``model.Record``: ``python -m rebuilder.report.schema``."""

from __future__ import annotations

import json
import sys

from rebuilder.model import Record

IDENTIFIER = "urn:rebuilder:schema:run:v1"


def run_schema() -> bytes:
    """The schema as it is committed: JSON Schema 2020-12, keys sorted, two-space indent, final line feed."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": IDENTIFIER}
    body = Record.model_json_schema(by_alias=True, mode="validation")
    return (json.dumps(head | body, indent=2, sort_keys=True, ensure_ascii=True) + "\n").encode("ascii")


if __name__ == "__main__":
    sys.stdout.buffer.write(run_schema())
