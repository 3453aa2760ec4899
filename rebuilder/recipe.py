"""Recipes: what a person declares about one published version. Data, never sourced by a shell.

The format is `docs/formats/recipe.md`. Unknown keys are refused with file, line and the nearest known
key; a recipe names a trust anchor of the operator's store and can never carry a key of its own.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rebuilder.model import BuildKind, FileName, Limits, Sha256, SourceKind, Value


class RecipeFile(Value):
    """A file by digest; ``path`` is relative to the archive's root."""

    name: FileName
    path: str
    sha256: Sha256
    size: int = Field(ge=0)


class RecipeSource(Value):
    """The declared source. For ``signed-dsc`` the first file is the `.dsc`."""

    kind: SourceKind
    name: str
    version: str
    archive: str = "debian"
    files: tuple[RecipeFile, ...] = Field(min_length=1)


class RecipeArtifact(RecipeFile):
    """A published file this recipe is held against."""

    package: str
    version: str
    architecture: str
    build: BuildKind


class RecipeEndorsement(Value):
    """Which anchor of the operator's trust store vouches, and whether none may."""

    anchor: str
    #: Why this recipe may go on though nobody vouches. Empty: it may not.
    allow_missing: str = ""


class RecipeIndex(Value):
    """The signed index these digests were read from, so the check can be repeated as of its date."""

    archive: str
    suite: str
    inrelease_sha256: Sha256


class RecipeToolchain(Value):
    """The base wanted, and the lock beside the recipe that records it exactly."""

    suite: str
    lock: FileName = "toolchain.lock.json"
    #: Versions to take instead of the suite's newest: ``name=version``.
    want: tuple[str, ...] = ()


class RecipeStep(Value):
    """One command for the strategy ``commands``."""

    argv: tuple[str, ...] = Field(min_length=1)
    cwd: str = "."


class RecipeBuild(Value):
    """How it is built: a named strategy, or argv lists."""

    strategy: Literal["debian", "commands"]
    steps: tuple[RecipeStep, ...] = ()
    outputs: tuple[str, ...] = ()
    #: Where the tree lies while it is built; empty: the strategy's own default.
    path: str = ""
    parallel: int = Field(2, ge=1, le=256)
    environment: dict[str, str] = Field(default_factory=dict)
    limits: Limits = Limits()


class RecipeNormaliser(Value):
    """A normaliser this recipe allows, and why."""

    name: str
    reason: str = Field(min_length=1)


class Recipe(Value):
    """One ``recipe.toml``."""

    format: Literal["rebuilder/recipe/v1"]
    purl: str
    source: RecipeSource
    artifacts: tuple[RecipeArtifact, ...] = Field(min_length=1)
    endorsement: RecipeEndorsement
    indexes: tuple[RecipeIndex, ...] = ()
    toolchain: RecipeToolchain
    build: RecipeBuild
    normalisers: tuple[RecipeNormaliser, ...] = ()
