"""The values in which differences are told: findings, causes, drift, proofs. Part of the model (`model.py`).

    two files -> Findings (compare, total) -> Causes and Drift (explain, may be wrong) -> Proof (a rebuild)

A finding is a fact about bytes. A cause is an opinion about findings, with evidence, and may be confirmed by a
rebuild. Text that came out of an artifact is kept in the escaped form of ``printable``; whoever shows it cleans it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

#: Where a value is shown it is cut at this many characters; digests and sizes say the rest.
MAX_VALUE = 200

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
#: Names of members from the outermost file inwards; ``()`` is the file itself.
MemberPath = tuple[str, ...]


class FindingValue(BaseModel):
    """Frozen, strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DifferenceClass(StrEnum):
    """What kind of thing differs (design section 6)."""

    MISSING = "missing"
    """Only the published side has the member."""
    EXTRA = "extra"
    """Only the rebuilt side has the member."""
    ORDER = "order"
    """The same members, in another order."""
    METADATA = "metadata"
    """Bytes of a container that belong to no member's content: a header field, a gap, a trailer."""
    COMPRESSION = "compression"
    """The packed bytes differ, what they unpack to does not."""
    DERIVED = "derived"
    """The bytes hold a digest of, or follow from, something else that differs."""
    CONTENT = "content"
    """The bytes of a member differ."""


class Side(FindingValue):
    """One side of a finding: ``value`` is shown; ``sha256`` and ``size`` are of the member, where there is one."""

    value: str = Field("", max_length=MAX_VALUE + 40)
    sha256: Digest | None = None
    size: int | None = Field(None, ge=0)


class Finding(FindingValue):
    """One difference, of one aspect of one member. ``what`` names the aspect: ``mtime``, ``bytes``, ``gap`` ..."""

    path: MemberPath
    kind: DifferenceClass
    what: str
    published: Side = Side()
    rebuilt: Side = Side()
    #: First byte that differs, counted from the start of what ``path`` names.
    offset: int | None = Field(None, ge=0)
    #: Members whose difference this one follows from; only with ``derived``.
    follows: tuple[MemberPath, ...] = ()
    #: Further words: the nearest symbol, why a container was not opened.
    note: str = ""


class Count(FindingValue):
    """How many members a side has, and how many findings there are of a class."""

    published: int = 0
    rebuilt: int = 0
    equal: int = 0


class Difference(FindingValue):
    """All that differs between two files: the total comparison. No findings: every byte is equal."""

    schema_: Literal["rebuilder/difference/v1"] = Field("rebuilder/difference/v1", alias="schema")
    published: Side
    rebuilt: Side
    #: Name of the format both were read as (``deb`` shows as ``ar``); empty: compared as plain bytes.
    format: str = ""
    members: Count = Count()
    findings: tuple[Finding, ...] = ()
    #: Containers that were compared as bytes only, and oddities a reader would not see (duplicates, gaps), in words.
    remarks: tuple[str, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


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


class Severity(StrEnum):
    """What a cause may mean for whoever runs the artifact, worst first. Never a verdict."""

    BEHAVIOUR = "behaviour"
    """The artifact may do something else."""
    INSPECT = "inspect"
    """Probably no other behaviour, but somebody should look."""
    HARMLESS = "harmless"
    """By the format, nothing that runs can tell the difference."""


class Evidence(FindingValue):
    """One place that speaks for a cause: what is there on both sides."""

    path: MemberPath
    what: str
    offset: int | None = None
    published: str = Field("", max_length=MAX_VALUE + 40)
    rebuilt: str = Field("", max_length=MAX_VALUE + 40)


class Change(FindingValue):
    """A fix as something to apply: one in the environment can be tried by a rebuild, one in the project is for its
    authors."""

    where: Literal["environment", "project"]
    #: In the environment and with a value, what ``explain --confirm`` can apply (``explain/settings.py`` reads it):
    #: ``package:NAME=VERSION``; ``variable:NAME=VALUE`` sets a variable; ``variable:NAME+=WORD`` adds a word to one;
    #: ``path:/abs/dir`` is the folder the tree lies in; ``parallel:N`` the number of jobs. A value came out of an
    #: artifact: who applies it checks it first. Without one, for people only: ``package:NAME``, ``variable:NAME``,
    #: ``path``, ``umask``, ``locale`` ... In the project: a file of it, or a word for what has to be changed.
    target: str
    text: str


class Cause(FindingValue):
    """Why findings are there. ``findings`` are indexes into the artifact's ``Difference.findings``."""

    id: str
    title: str
    severity: Severity
    #: ``proved``: a canary, or the two values, leave no other reading. ``likely``, ``possible``: a guess.
    confidence: Literal["proved", "likely", "possible"]
    findings: tuple[int, ...]
    evidence: tuple[Evidence, ...]
    fix: str
    changes: tuple[Change, ...] = ()
    #: Page below ``docs/``.
    docs: str


class Drift(FindingValue):
    """A tool that left its version in both sides, and not the same one."""

    tool: str
    #: The Debian or language package it comes in; empty if not known.
    package: str = ""
    published: str
    rebuilt: str
    #: Where the stamps were seen, ``member: what``; the first few, and how many there are.
    seen: tuple[str, ...]
    count: int = 1


class ArtifactExplanation(FindingValue):
    """Why one artifact differs. The findings themselves lie in the file ``difference``."""

    artifact: str
    #: Size and sha256 of ``difference-<artifact>.json``, a ``Difference``, which the run folder holds.
    difference: Side
    members: Count
    #: Number of findings of each class.
    classes: dict[DifferenceClass, int]
    causes: tuple[Cause, ...] = ()
    #: Indexes of findings for which no cause was found.
    unexplained: tuple[int, ...] = ()
    drift: tuple[Drift, ...] = ()
    remarks: tuple[str, ...] = ()


class Proof(FindingValue):
    """A rebuild with a fix applied: did what the cause predicts come true?"""

    #: The run that was explained, and whose artifact and cause this is about.
    run_id: str
    artifact: str
    #: sha256 of the published file that was explained.
    published: Digest | None = None
    cause: str
    changes: tuple[Change, ...]
    result: Literal["confirmed", "refuted", "not-tried"]
    reason: str
