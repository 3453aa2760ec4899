"""What indexes and repositories say of a release, as values: between whoever asks them and whoever infers from it.

Every text is the index's or the repository's own, and hostile; whoever shows it must escape it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from rebuilder.model import FileDigest, FileName, Origin, Sha256, Value
from rebuilder.recipe import GuessedInput

System = Literal["pypi", "npm"]


class IndexFile(Value):
    """One file of a release, as the index names it."""

    name: FileName
    #: As the index says; empty where it names only an integrity (npm).
    sha256: Sha256 | Literal[""] = ""
    #: npm: ``sha512-<base64>``, or ``sha1-<base64>`` of old releases.
    integrity: str = ""
    size: int | None = Field(None, ge=0)
    uploaded: AwareDatetime | None = None
    #: The reason if it was yanked, which may be empty; ``None``: it was not.
    yanked: str | None = None
    requires_python: str = ""


class Release(Value):
    """One version on an index."""

    system: System
    #: As the index writes it.
    name: str
    version: str
    files: tuple[IndexFile, ...]
    #: The index's answer, byte for byte: the only evidence there is for these digests.
    answer: FileDigest
    #: npm: ``gitHead``, ``_npmVersion``, ``_nodeVersion``, ``repository``, ``directory``, where the index says them.
    facts: dict[str, str] = Field(default_factory=dict)


class Tag(Value):
    """One tag of a repository."""

    name: str
    #: Full id of the commit it leads to.
    commit: str
    #: Of the tag itself if it is an object of its own, else of the commit; seconds since 1970.
    time: int
    annotated: bool


class Commit(Value):
    """One commit, as far as it is looked at."""

    id: str
    #: When it was committed; seconds since 1970.
    time: int


class Signed(Value):
    """A signature inside a commit or an annotated tag: what it is over, and the signature, as Git keeps both."""

    #: ``commit <id>`` or ``tag <name>``.
    subject: str
    scheme: Literal["openpgp", "ssh", "x509"]
    payload: bytes
    signature: bytes


class Guess(Value):
    """One inferred input, the other values it may have (likeliest first), and how sure we are (0 to 1).

    ``value`` is in the form that ``resolve/`` writes into a recipe: a commit id, seconds, `name==version`, a version.
    """

    input: GuessedInput
    value: str
    origin: Origin
    evidence: str
    confidence: float = Field(ge=0, le=1)
    others: tuple[str, ...] = ()
