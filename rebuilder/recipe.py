"""Recipes: what a person declares about one published version. Data, never sourced by a shell.

The format is `docs/formats/recipe.md`. Unknown keys are refused with file, line and the nearest known
key; a recipe names a trust anchor of the operator's store and can never carry a key of its own.

A ``Recipe`` is of what an archive publishes (v1), a ``ProjectRecipe`` of what a project's own commands make (v2).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from rebuilder.check.model import ProjectKind
from rebuilder.model import BuildKind, FileName, Limits, Sha256, SourceKind, Value

V1: Final = "rebuilder/recipe/v1"
V2: Final = "rebuilder/recipe/v2"


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

    format: Literal["rebuilder/recipe/v1", "rebuilder/recipe/v2"]
    purl: str
    source: RecipeSource
    artifacts: tuple[RecipeArtifact, ...] = Field(min_length=1)
    endorsement: RecipeEndorsement
    indexes: tuple[RecipeIndex, ...] = ()
    toolchain: RecipeToolchain
    build: RecipeBuild
    normalisers: tuple[RecipeNormaliser, ...] = ()

    @model_validator(mode="after")
    def _format_is_that_of_the_class(self) -> Self:
        if (self.format == V2) != isinstance(self, ProjectRecipe):
            msg = f"expected {V2} for a project and for nothing else, found {self.format}"
            raise ValueError(msg)
        return self


# --- v2: projects -----------------------------------------------------------------------------------


class ProjectSource(RecipeSource):
    """The source of a project. The first file is the canonical tar of its tree, ``tree.tar``; the second, if the
    build reads Git's history, a bundle of that, ``history.bundle``."""

    archive: str = "local"
    #: Full id, with ``git-commit``.
    commit: Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{40}(?:[0-9a-f]{24})?)?$")] = ""
    #: Where the repository can be cloned from, if that is known.
    repository: str = ""
    #: The folder of the repository that is the project; empty: all of it.
    subfolder: str = ""


class ProjectToolchain(RecipeToolchain):
    """What was asked for; the lock says what it came to."""

    #: Debian relations besides the base system.
    relations: tuple[str, ...] = ()
    #: PEP 508 requirements, whose wheels are installed before the steps.
    wheels: tuple[str, ...] = ()
    #: Ask the build backend what else it needs (PEP 517), where no lock says so.
    ask_backend: bool = False
    #: Install what the tree's own ``package-lock.json`` pins.
    npm: bool = False


class ProjectStep(RecipeStep):
    """One command. ``@TREE@``, ``@OUT@``, ``@TOOLS@`` and ``@INPUT@`` stand for the folders of the build."""

    cwd: str = "@TREE@"
    #: What it does, in a few words.
    label: str = ""


class ProjectBuild(RecipeBuild):
    """How a project is built: the steps of its kind, or its own."""

    strategy: Literal["commands"]
    kind: ProjectKind
    steps: tuple[ProjectStep, ...] = ()
    #: Jobs that make is told to use; 0: it is told nothing.
    parallel: int = Field(0, ge=0, le=256)
    #: The tree is a Git repository with the history of the commit and the tags.
    history: bool = False
    #: SOURCE_DATE_EPOCH in seconds since 1970; left out: not set.
    epoch: int | None = Field(None, ge=0)


class ProjectRecipe(Recipe):
    """One ``recipe.toml`` of a project: all that decides its bytes, with the lock beside it."""

    format: Literal["rebuilder/recipe/v2"]
    source: ProjectSource
    toolchain: ProjectToolchain
    build: ProjectBuild
