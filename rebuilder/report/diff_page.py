"""The page of ``rebuilder diff``: two files or folders, of which nothing is known but their bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rebuilder.report import cause_words, differences, words
from rebuilder.report.differences import Told
from rebuilder.report.templates import render
from rebuilder.report.text import clean, clip


@dataclass(frozen=True, kw_only=True)
class ComparedSide:
    """What was given as one side. A folder has ``members`` and neither digest nor size."""

    name: str
    sha256: str = ""
    size: int | None = None
    members: int = 0


@dataclass(frozen=True, kw_only=True)
class DiffView:
    """All that the page of a comparison shows."""

    published: ComparedSide
    rebuilt: ComparedSide
    told: Told
    tool_version: str

    @property
    def equal(self) -> bool:
        """No finding at all."""
        return not cause_words.counted(self.told.explanation)


def headline(view: DiffView) -> str:
    """The result in a sentence."""
    one, other = clip(view.published.name, 300), clip(view.rebuilt.name, 300)
    if view.equal:
        same = "hold the same members" if view.published.size is None else "are equal, byte for byte"
        return f"{one} and {other} {same}."
    return f"{one} and {other} differ: {cause_words.summary(view.told.explanation)}."


def render_diff(view: DiffView) -> str:
    """One self-contained HTML page. Untrusted text in it is escaped and made visible."""
    fields = {
        "title": f"{'equal' if view.equal else 'differs'}: {clean(clip(view.published.name, 100))} - difference report",
        "accent": "reproduced" if view.equal else "different",
        "view": view,
        "headline": clean(headline(view)),
        "words": words,
        "cause_words": cause_words,
        "explained": differences.view((view.told,)),
    }
    return render("diff.html", fields)
