"""Causes: why findings are there. A cause is one entry of a family's list; a family is one file beside this.

A rule looks at a ``Scene`` and yields ``Match``es, each about one finding. It does no I/O, must be narrow (what it
does not understand it leaves alone), and never says ``harmless`` of what it has not taken apart to the last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from rebuilder.data import Data
from rebuilder.findings import Change, Difference, Evidence, Finding, MemberPath, Severity, Surroundings

__all__ = ["Change", "Confidence", "Evidence", "Match", "Rule", "Scene", "Severity", "Surroundings"]

Confidence = Literal["proved", "likely", "possible"]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a rule may look at: the total comparison of one artifact, its bytes, and the surroundings."""

    artifact: str
    difference: Difference
    surroundings: Surroundings
    #: Both sides of a member that differs, or of a container above one. ``KeyError`` for any other path.
    pair: Callable[[MemberPath], tuple[Data, Data]]

    def findings(self) -> Iterable[tuple[int, Finding]]:
        """Every finding with its index."""
        return enumerate(self.difference.findings)


@dataclass(frozen=True, kw_only=True)
class Match:
    """A rule's opinion on one finding."""

    finding: int
    evidence: Evidence
    confidence: Confidence = "likely"
    #: In place of the rule's own, where this match knows better.
    severity: Severity | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One cause: a testable signature, and what to do about it."""

    id: str
    title: str
    severity: Severity
    fix: str
    match: Callable[[Scene], Iterable[Match]]
    changes: tuple[Change, ...] = ()

    @property
    def docs(self) -> str:
        """Its page below ``docs/``."""
        return f"causes/{self.id}.md"
