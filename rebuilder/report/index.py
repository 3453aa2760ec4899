"""The index over all runs: one HTML page and its JSON twin. Pure: rows in, text out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from rebuilder.model import Record, Verdict, utc
from rebuilder.report import undeclared_words, words
from rebuilder.report.pages import relative
from rebuilder.report.templates import render
from rebuilder.report.text import clean

FORMAT = "rebuilder/index/v1"


@dataclass(frozen=True, kw_only=True)
class IndexArtifact:
    """One published file of a run: its name, the published digest, its own verdict."""

    name: str
    sha256: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class IndexRow:
    """One run as the index shows it. ``page`` and ``record`` are paths relative to the index."""

    run_id: str
    name: str
    version: str
    purl: str
    verdict: Verdict
    remarks: tuple[str, ...]
    finished: str
    organisation: str
    artifacts: tuple[IndexArtifact, ...]
    page: str
    record: str

    def __post_init__(self) -> None:
        relative(self.page)
        relative(self.record)


def index_row(record: Record, *, page: str, record_path: str) -> IndexRow:
    """The row of one run. Raises ``ValueError`` for a path that is not relative."""
    found = record.published
    compared = record.comparison.artifacts if record.comparison else ()
    judged = {one.artifact: one.verdict for one in compared}
    listed = [one.file for one in found.artifacts] if found else [one.published for one in compared]
    origin = (words.SOURCE_PHRASE[record.source.kind],) if record.source else ()
    foreign = tuple(one for one in (undeclared_words.headline(record),) if one)
    return IndexRow(
        run_id=record.run_id,
        name=found.source_name if found else record.target,
        version=found.source_version if found else "",
        purl=found.purl if found else record.target,
        verdict=record.verdict,
        remarks=(*origin, *foreign, *words.qualifiers(record)),
        finished=utc(record.finished),
        organisation=record.signer.organisation if record.signer else "",
        artifacts=tuple(
            IndexArtifact(name=one.name, sha256=one.sha256, verdict=judged.get(one.name, record.verdict))
            for one in listed
        ),
        page=page,
        record=record_path,
    )


def _ordered(rows: Iterable[IndexRow]) -> list[IndexRow]:
    """By name, then version, newest run first; equal keys by run id, so that the order never varies."""
    newest_first = sorted(rows, key=lambda row: (row.finished, row.run_id), reverse=True)
    return sorted(newest_first, key=lambda row: (row.name.lower(), row.name, row.version))


def _letter(row: IndexRow) -> str:
    first = clean(row.name)[:1].upper()
    return first if first.isascii() and first.isalnum() else "other"


def render_index(rows: Iterable[IndexRow]) -> str:
    """The index as one self-contained page: sorted table, jump list, and a filter where JavaScript runs."""
    ordered = _ordered(rows)
    first: dict[str, str] = {}
    for row in ordered:
        first.setdefault(_letter(row), f"run-{clean(row.run_id)}")
    counts = Counter(row.verdict for row in ordered)
    fields = {
        "title": "Rebuild reports",
        "accent": "index",
        "rows": ordered,
        "letters": first,
        "counts": [(verdict, counts[verdict]) for verdict in reversed(Verdict) if counts[verdict]],
        "words": words,
    }
    return render("index.html", fields)


def _plain(row: IndexRow) -> dict[str, object]:
    return {
        "run_id": row.run_id,
        "name": row.name,
        "version": row.version,
        "purl": row.purl,
        "verdict": row.verdict.value,
        "remarks": list(row.remarks),
        "finished": row.finished,
        "organisation": row.organisation,
        "artifacts": [{"name": one.name, "sha256": one.sha256, "verdict": one.verdict.value} for one in row.artifacts],
        "page": row.page,
        "record": row.record,
    }


def index_json(rows: Iterable[IndexRow]) -> bytes:
    """The same rows in the same order as ``index.json``: ASCII, two-space indent, final line feed."""
    body = {"format": FORMAT, "runs": [_plain(row) for row in _ordered(rows)]}
    return (json.dumps(body, indent=2, sort_keys=True) + "\n").encode("ascii")
