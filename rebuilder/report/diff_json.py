"""What ``rebuilder diff --json`` prints, and the schemas of that, of ``difference-<artifact>.json`` and ``check.json``.

``python -m rebuilder.report.diff_json difference`` (or ``diff``, ``check``) writes the schema that is committed.
"""

from __future__ import annotations

import json
import sys
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rebuilder.check.model import CheckReport
from rebuilder.findings import ArtifactExplanation, Difference, Digest
from rebuilder.model import DiffReport
from rebuilder.report.diff_page import ComparedSide, DiffView


class GivenSide(BaseModel):
    """What was given as one side: a file has digest and size, a folder has neither."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["file", "folder"]
    sha256: Digest | None = None
    size: int | None = Field(None, ge=0)


class DiffOutput(BaseModel):
    """A comparison of two files or folders, whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["rebuilder/diff/v1"] = Field("rebuilder/diff/v1", alias="schema")
    tool_version: str
    published: GivenSide
    rebuilt: GivenSide
    equal: bool
    difference: Difference
    explanation: ArtifactExplanation
    #: How diffoscope ended, where it was asked for; its own text and page lie in the store.
    report: DiffReport | None = None


SCHEMAS: dict[str, tuple[str, type[BaseModel]]] = {
    "difference": ("urn:rebuilder:schema:difference:v1", Difference),
    "diff": ("urn:rebuilder:schema:diff:v1", DiffOutput),
    "check": ("urn:rebuilder:schema:check:v1", CheckReport),
}


def output(view: DiffView, difference: Difference, report: DiffReport | None = None) -> DiffOutput:
    """The JSON twin of the page."""
    return DiffOutput(
        tool_version=view.tool_version,
        published=_given(view.published),
        rebuilt=_given(view.rebuilt),
        equal=view.equal,
        difference=difference,
        explanation=view.told.explanation,
        report=report,
    )


def _given(side: ComparedSide) -> GivenSide:
    if side.size is None:
        return GivenSide(name=side.name, kind="folder")
    return GivenSide(name=side.name, kind="file", sha256=side.sha256, size=side.size)


def schema(name: str) -> bytes:
    """A schema as it is committed: JSON Schema 2020-12, keys sorted, two-space indent, final line feed."""
    identifier, model = SCHEMAS[name]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identifier}
    body = model.model_json_schema(by_alias=True, mode="validation")
    return (json.dumps(head | body, indent=2, sort_keys=True, ensure_ascii=True) + "\n").encode("ascii")


if __name__ == "__main__":
    sys.stdout.buffer.write(schema(sys.argv[1]))
