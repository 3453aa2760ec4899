"""What pages and terminal say of published content that is not from the declared source. Pure; names stay as they came.

The words accuse nobody: they say where bytes do not come from, and what that can be.
"""

from __future__ import annotations

from dataclasses import dataclass

from rebuilder.model import Record, Undeclared
from rebuilder.report.words import several

WHAT = {
    "not-in-source": "in no file of the source, and our build does not make it",
    "differs-from-source": "our build takes it from the source as it is there; the published one is another",
}
#: In a table, where there is little room.
WHAT_SHORT = {"not-in-source": "not in the source", "differs-from-source": "differs from the source"}
MEANING = (
    "This says where these bytes do not come from. It does not say that they do harm, that somebody meant to, or that "
    "anything is wrong with the rest.",
    "It can be that the file was made from a folder with changes or leftovers in it, from another commit, or by a step "
    "that the recipe does not have, such as a generator or a release script. Ask the publisher where they come from: "
    "until then nobody can read them in the declared source.",
)
#: So many are named in the terminal, and at the top of a page.
MAX_LINES, MAX_FIRST = 20, 5


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What is to be said of one artifact: its files, and remarks on what is not listed or was not looked into."""

    artifact: str
    files: tuple[Undeclared, ...]
    remarks: tuple[str, ...]


def listings(record: Record) -> list[Listing]:
    """One for each artifact that there is something to say of."""
    every = record.explanation.undeclared
    return [
        Listing(
            artifact=name,
            files=tuple(one for one in every if one.artifact == name and one.member),
            remarks=tuple(one.note for one in every if one.artifact == name and not one.member),
        )
        for name in dict.fromkeys(one.artifact for one in every)
    ]


def headline(record: Record) -> str:
    """How many files it is, in one sentence without a full stop; empty if none."""
    found = [one for one in listings(record) if one.files]
    count = sum(len(one.files) for one in found)
    if not found:
        return ""
    more = "at least " if any(one.remarks for one in found) else ""
    one = f"the published {kind(record, found[0].artifact)}"
    where = one if len(found) == 1 else f"{len(found)} published archives"
    are = "is" if count == 1 else "are"
    return f"{more}{several(count, 'file', 'files')} of {where} {are} not from the declared source"


def first(record: Record) -> list[Undeclared]:
    """The few that are named at the top of a page."""
    return [file for one in listings(record) for file in one.files][:MAX_FIRST]


def kind(record: Record, name: str) -> str:
    """What people call such a file."""
    ecosystem, lower = record.published.ecosystem if record.published else "", name.lower()
    if lower.endswith(".whl"):
        return "wheel"
    if ecosystem == "pypi" and lower.endswith((".tar.gz", ".zip")):
        return "sdist"
    if ecosystem == "npm" and lower.endswith(".tgz"):
        return "npm package"
    return "archive"


def lines(record: Record) -> list[str]:
    """The same for a terminal: files, remarks, and what it can be. Not yet cleaned."""
    rows = []
    for one in listings(record):
        rows += [f"{one.artifact}:"]
        for file in one.files[:MAX_LINES]:
            rows += _file(file)
        if left := len(one.files) - MAX_LINES:
            rows += [f"  {several(left, 'further file', 'further files')} not shown here"] if left > 0 else []
        rows += [f"  {remark}" for remark in one.remarks]
    return [*rows, *MEANING] if headline(record) else rows


def _file(one: Undeclared) -> list[str]:
    what = f"differs from {one.source_path} in the source" if one.source_path else WHAT_SHORT[one.what]
    rows = [f"  {one.member}: {what}", f"    sha256 {one.sha256}, {one.size:,} bytes"]
    return [*rows, f"    {one.note}"] if one.note else rows
