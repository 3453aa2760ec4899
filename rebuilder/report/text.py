"""Plain text: making untrusted text harmless, and the summary the terminal prints after ``verify``.

``clean`` is the one gate for text that came out of a package, an index or a build. Nothing here writes
anywhere; colours are the caller's business.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from rebuilder.model import ArtifactComparison, Endorsement, Record, utc
from rebuilder.report import signature_words, words

_SUSPECT = re.compile(r"[^\x20-\x7e]")
#: Control, format (bidi, zero-width, tags), surrogate, private use, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


@lru_cache(maxsize=4096)
def _shown(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if unicodedata.category(character) not in _HIDDEN and code & 0xFFFE != 0xFFFE:
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"[U+{code:04X}]"


def clean(text: str) -> str:
    """One line in which every control, escape, bidi and other invisible character is shown as text.

    ``\\x1b`` stands for an escape, ``[U+202E]`` for a right-to-left override; line ends become ``\\n``.
    The result is printable, has no lone surrogates, and can be encoded as UTF-8.
    """
    return _SUSPECT.sub(lambda found: _shown(found[0]), text)


def clean_block(text: str) -> str:
    """As ``clean``, but line feeds and tabs stay; a carriage return before a line feed goes."""
    return _SUSPECT.sub(lambda found: found[0] if found[0] in "\n\t" else _shown(found[0]), text.replace("\r\n", "\n"))


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters of ``text``, and how many were left out where any were."""
    return text if len(text) <= limit else f"{text[:limit]} [{len(text) - limit:,} more characters left out]"


def bounded(text: str, *, limit: int, line_limit: int = 4000) -> tuple[str, str]:
    """Text short enough for a page, and a sentence on what was left out (empty if nothing was).

    A long line is cut after ``line_limit`` characters; of a long text a quarter of ``limit`` stays from
    the start and the rest from the end, which is where builds say why they failed.
    """
    notes = []
    left_out = len(text) - limit
    if left_out > 0:
        head = limit // 4
        text = f"{text[:head]}\n[{left_out:,} characters left out here]\n{text[len(text) - (limit - head) :]}"
        notes.append(f"{left_out:,} characters are left out of the middle")
    lines = text.split("\n")
    cut = sum(len(line) > line_limit for line in lines)
    if cut:
        text = "\n".join(clip(line, line_limit) for line in lines)
        notes.append(f"{cut:,} lines are cut after {line_limit:,} characters")
    return text, "; ".join(notes)


def size(count: int) -> str:
    """A byte count in full, with a short form where that is easier to read."""
    if count < 10_000:
        return f"{count:,} bytes"
    if count < 1_000_000:
        return f"{count:,} bytes ({count / 1e3:.0f} kB)"
    return f"{count:,} bytes ({count / 1e6:.1f} MB)" if count < 1e9 else f"{count:,} bytes ({count / 1e9:.2f} GB)"


def duration(seconds: float) -> str:
    """Seconds in the unit a person would use."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _artifact_lines(record: Record, one: ArtifactComparison) -> list[str]:
    mark = "" if one.named else " (not asked for, same source)"
    lines = [
        f"  {one.verdict.value}: {one.artifact}{mark}",
        f"    published  {one.published.sha256}  {one.published.size:,} bytes",
    ]
    for label, file in words.rebuilt_files(record, one):
        shown = f"{file.sha256}  {file.size:,} bytes  {label}" if file else f"not made  {label}"
        lines.append(f"    rebuilt    {shown}")
    if one.normalisers:
        lines.append(f"    equal only after these normalisers: {', '.join(one.normalisers)}")
    if one.first_difference is not None:
        lines.append(f"    first difference at byte {one.first_difference:,} (counted from 0)")
    if one.reason:
        lines.append(f"    {one.reason}")
    return lines


def _compared_lines(record: Record) -> list[str]:
    if record.comparison is None:
        lines = ["Nothing was compared.", f"  {record.reason}"]
        return lines + [f"  missing: {item}" for item in record.missing]
    lines = ["What was compared with what"]
    if record.published:
        lines.append(f"  the files published as {record.published.purl}, against our rebuild of the same names")
    for one in record.comparison.artifacts:
        lines += _artifact_lines(record, one)
    lines += [f"  built but never published, no verdict: {file.name}" for file in record.comparison.unpublished]
    return lines + [f"  not looked through for published bytes: {one}" for one in record.comparison.unsearched]


def _signature_lines(found: Endorsement) -> list[str]:
    """Every signature beside the archive's own, in short."""
    return [
        f"{signature_words.SCHEME_PHRASE[one.scheme]} on {one.subject}: {one.result.value}; {one.reason}"
        for one in (*found.checks, *found.evidence)
        if one.scheme != "openpgp" or one in found.evidence
    ]


def _section(title: str, items: list[str]) -> list[str]:
    return ["", title, *(f"  {item}" for item in items)] if items else []


def summary_text(record: Record, evidence: Mapping[str, str] | None = None) -> list[str]:
    """The run in plain words, one harmless line an item, for a terminal or a mail.

    ``evidence`` maps a label ("page", "record", "bundle") to the path where it lies. The first line is
    ``VERDICT: sentence``, so that the caller can colour the word before the colon.
    """
    # Here, for one of them cleans its lines with this module.
    from rebuilder.report import explain_text, next_steps, search_words, undeclared_words

    lines = [f"{record.verdict.value}: {words.headline(record)}"]
    lines += [f"  {item}" for item in words.qualifiers(record)]
    foreign = undeclared_words.headline(record)
    title = foreign[:1].upper() + foreign[1:] or "Not looked through for content that is not from the source"
    lines += _section(title, undeclared_words.lines(record))
    lines += ["", *_compared_lines(record)]
    why = explain_text.lines(record.explanation.artifacts, record.explanation.proof)
    lines += _section("What was found out about it", why)
    origins = [f"{one.name}: {one.origin.value} - {one.value} ({one.evidence})" for one in record.inputs]
    lines += _section("Where each input comes from", origins)
    lines += _section("How the inputs were found", search_words.lines(record))
    if record.endorsement:
        vouched = f"{record.endorsement.result.value}: {record.endorsement.reason}"
        lines += _section("Who vouches for the published files", [vouched, *_signature_lines(record.endorsement)])
    lines += _section("Whose fault", words.fault(record))
    lines += _section("What this does not prove", words.not_proved(record))
    lines += _section("Warnings", list(record.warnings))
    lines += _section("Where the evidence lies", [f"{label}: {path}" for label, path in (evidence or {}).items()])
    lines += _section("What to do next", next_steps.next_steps(record, signed="bundle" in (evidence or {})))
    lines += ["", f"Run {record.run_id}, finished {utc(record.finished)}, rebuilder {record.tool_version}"]
    return [clean(clip(line, 2000)) for line in lines]
