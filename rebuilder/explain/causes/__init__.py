"""Causes: why findings are there. A cause is one entry of a family's list; a family is one file beside this.

A rule looks at a ``Scene`` and yields ``Match``es, each about one finding. It does no I/O, must be narrow (what it
does not understand it leaves alone), and never says ``harmless`` of what it has not taken apart to the last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from rebuilder.data import Data
from rebuilder.findings import Change, Difference, Evidence, Finding, MemberPath, Severity

Confidence = Literal["proved", "likely", "possible"]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is known of our own build and of theirs. Empty where it is not."""

    #: Seconds; `SOURCE_DATE_EPOCH` of our build.
    epoch: int | None = None
    #: The folder we built in, the host name, user, home, and all variables of our build.
    path: str = ""
    hostname: str = ""
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Package -> version of our toolchain lock.
    packages: Mapping[str, str] = field(default_factory=dict)
    #: When the published file was made, as far as it says so itself; seconds.
    published_at: int | None = None
    #: Marker -> name of the variation that put it there (`check`). A marker in differing bytes proves the cause.
    canaries: Mapping[str, str] = field(default_factory=dict)


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
