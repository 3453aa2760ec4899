"""The page of one run: a view of the record as one self-contained HTML file. Pure: values in, text out.

Everything untrusted goes through ``clean`` and autoescape on its way into the page (``templates.py``). The
page loads nothing, and works without JavaScript.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rebuilder.lock import ToolchainLock
from rebuilder.model import DiffReport, Record, Verdict
from rebuilder.recipe import RecipeGuess
from rebuilder.report import (
    cause_words,
    differences,
    search_words,
    sections,
    signature_words,
    undeclared_words,
    words,
)
from rebuilder.report.differences import Told
from rebuilder.report.templates import Block, render
from rebuilder.report.text import bounded, clean, clip

LOG_LIMIT = 400_000
#: Of diffoscope's text on one artifact, and on all of a page.
DIFF_LIMIT, DIFFS_LIMIT = 200_000, 1_000_000
RECIPE_LIMIT = 64_000
MAX_RUNGS = 100
RUNG_PHRASE = {
    "full": "with everything diffoscope can do",
    "no-disassembly": "without disassembly, which took too long",
    "sections": "by ELF sections and symbols only",
    "hex": "as bytes only",
}
LinkKind = Literal["record", "recipe", "lock", "log", "bundle", "key", "diff-text", "diff-html", "findings", "other"]


def relative(path: str) -> str:
    """``path`` unchanged if it can only lead to a file beside, below or above the page's own folder.

    Raises ``ValueError`` for an absolute path, an empty or ``.`` step, a backslash, a control character, or
    a ``..`` that is not at the start. Links are percent-encoded later, so no scheme can come of a name.
    """
    steps = path.split("/")
    while len(steps) > 1 and steps[0] == "..":
        steps = steps[1:]
    if any(step in {"", ".", ".."} for step in steps) or re.search(r"[\\\x00-\x1f\x7f]", path):
        msg = f"expected a relative path of plain names, found {path!r}"
        raise ValueError(msg)
    return path


@dataclass(frozen=True, kw_only=True)
class Link:
    """A file of the run folder. A ``diff-html`` is never linked, only shown in a sandboxed frame; ``artifact``
    names the file that a ``diff-text`` or ``diff-html`` is about."""

    kind: LinkKind
    label: str
    path: str
    artifact: str = ""

    def __post_init__(self) -> None:
        relative(self.path)


@dataclass(frozen=True, kw_only=True)
class StatementSummary:
    """One signed statement: what it says in words, about which digest, in which bundle, by which key."""

    says: str
    predicate_type: str
    subject: str
    sha256: str
    bundle: str
    key: str


@dataclass(frozen=True, kw_only=True)
class RunView:
    """All that the page of a run shows. Texts may be of any size: the page bounds them, and says so.

    ``told`` is what is known of each artifact that differs, ``guesses`` how inputs became known, as the recipe says.
    ``diff_texts`` maps an artifact's file name to diffoscope's text. ``text_notes`` says, for ``log``,
    ``recipe`` or an artifact's name, what the caller left out before. ``verify_commands`` are whole
    command lines; empty: the page writes them from ``bundle_names``. ``index_path`` leads to the index.
    """

    record: Record
    recipe_text: str = ""
    lock: ToolchainLock | None = None
    log_text: str = ""
    told: tuple[Told, ...] = ()
    guesses: tuple[RecipeGuess, ...] = ()
    diff_texts: Mapping[str, str] = field(default_factory=dict)
    text_notes: Mapping[str, str] = field(default_factory=dict)
    bundle_names: tuple[str, ...] = ()
    statements: tuple[StatementSummary, ...] = ()
    links: tuple[Link, ...] = ()
    verify_commands: tuple[str, ...] = ()
    index_path: str = ""

    def __post_init__(self) -> None:
        if self.index_path:
            relative(self.index_path)


def _shown(view: RunView, key: str, text: str, limit: int) -> tuple[Block, str]:
    """Bounded text and every note about what it lacks."""
    short, note = bounded(text, limit=limit)
    return Block(short), "; ".join(part for part in (view.text_notes.get(key, ""), note) if part)


def _raw(view: RunView) -> list[dict[str, object]]:
    reports = {one.artifact: one for one in view.record.explanation.reports}
    frames = {one.artifact: one.path for one in view.links if one.kind == "diff-html"}
    names = list(dict.fromkeys([*reports, *view.diff_texts]))
    limit = min(DIFF_LIMIT, DIFFS_LIMIT // max(len(names), 1))
    rows: list[dict[str, object]] = []
    for name in names:
        text, note = _shown(view, name, view.diff_texts.get(name, ""), limit)
        report = reports.get(name)
        row = {"artifact": name, "report": report, "text": text, "note": note, "frame": frames.get(name, "")}
        rows.append(row | {"rungs": _rungs(report)})
    return rows


def _rungs(report: DiffReport | None) -> list[str]:
    """Each member diffoscope was given, and what it had to leave out there."""
    every = report.members if report else ()
    rows = []
    for one in every[:MAX_RUNGS]:
        lacks = f"; lacks {'; '.join(one.lacks)}" if one.lacks else ""
        rows.append(clean(clip(f"{cause_words.place(one.path)}: {RUNG_PHRASE[one.rung]}{lacks}", 600)))
    return [*rows, f"and {len(every) - MAX_RUNGS:,} more members"] if len(every) > MAX_RUNGS else rows


def render_run(view: RunView) -> str:
    """One self-contained HTML page for a run. Untrusted text in it is escaped and made visible."""
    record = view.record
    log, log_note = _shown(view, "log", view.log_text, LOG_LIMIT)
    recipe, recipe_note = _shown(view, "recipe", view.recipe_text, RECIPE_LIMIT)
    fields = {
        "title": f"{record.verdict.value}: {words.subject(record)} - rebuild report",
        "accent": record.verdict.value,
        "record": record,
        "view": view,
        "words": words,
        "glance": sections.glance(record, view.lock),
        "artifacts": sections.artifacts(record),
        "stages": sections.stages(record),
        "differences": _raw(view),
        "explained": differences.view(view.told, record.explanation.proof),
        "proof": record.explanation.proof,
        "undeclared": undeclared_words.listings(record),
        "undeclared_words": undeclared_words,
        "search_words": search_words,
        "signature_words": signature_words,
        "foreign": undeclared_words.headline(record),
        "differing": bool(view.told or record.explanation.reports)
        or record.verdict in {Verdict.DIFFERENT, Verdict.FLAKY},
        "cause_words": cause_words,
        "log": log,
        "log_note": log_note,
        "recipe": recipe,
        "recipe_note": recipe_note,
        "links": [one for one in view.links if one.kind != "diff-html"],
        "checks": sections.checks(view.bundle_names, record, view.verify_commands),
        "limits": sections.limits(record),
        "root": "",
    }
    return render("run.html", fields)
