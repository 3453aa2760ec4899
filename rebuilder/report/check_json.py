"""``check.json``: a check as JSON. Pure. ``python -m rebuilder.report.diff_json check`` writes its schema."""

from __future__ import annotations

from rebuilder.check.model import CheckReport


def output(report: CheckReport) -> bytes:
    """The report as it is kept: UTF-8, one space of indent, fields in the order of the model, a final line feed."""
    return report.model_dump_json(by_alias=True, indent=1).encode() + b"\n"
