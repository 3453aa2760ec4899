"""Recipes: what a person declares about one published version. Data, never sourced by a shell.

The format is `docs/formats/recipe.md`. Unknown keys are refused with file, line and the nearest known
key; a recipe names a trust anchor of the operator's store and can never carry a key of its own.

A ``Recipe`` is of what an archive publishes (v1), a ``ProjectRecipe`` of what a project's own commands make (v2), a
``PackageRecipe`` of what a language's index publishes (v3).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from rebuilder.check.model import ProjectKind
from rebuilder.model import BuildKind, FileName, Limits, Origin, Sha256, SourceKind, Value

V1: Final = "rebuilder/recipe/v1"
V2: Final = "rebuilder/recipe/v2"
V3: Final = "rebuilder/recipe/v3"
#: A package of npm's index and a range of its versions, which can be no option, address or path.
NPM_SPEC: Final = r"^(?:@[A-Za-z0-9_~][A-Za-z0-9._~-]*/)?[A-Za-z0-9_~][A-Za-z0-9._~-]*@[0-9A-Za-z.*^~<>=|+ -]{1,256}$"


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

    format: Literal["rebuilder/recipe/v1", "rebuilder/recipe/v2", "rebuilder/recipe/v3"]
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
        wanted = V3 if isinstance(self, PackageRecipe) else V2 if isinstance(self, ProjectRecipe) else V1
        if self.format != wanted:
            msg = f"expected {wanted} for a {type(self).__name__}, found {self.format}"
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

    format: Literal["rebuilder/recipe/v2", "rebuilder/recipe/v3"]
    source: ProjectSource
    toolchain: ProjectToolchain
    build: ProjectBuild


# --- v3: packages of a language's index -------------------------------------------------------------

#: What is inferred of a package, one word an input. Each is told as one of ``model.Input``'s names.
GuessedInput = Literal[
    "repository",
    "commit",
    "subfolder",
    "backend",
    "requirements",
    "front-end",
    "python",
    "node",
    "npm",
    "zlib",
    "epoch",
    "clock",
    "times",
    "owners",
    "umask",
    "path",
]
#: Scalars that a published archive records of its members.
Replayed = Literal["file-times", "member-times", "owners", "gzip-time"]


class RecipeGuess(Value):
    """How one input became known: a value in short, its evidence in words, and how sure that makes us (0 to 1)."""

    input: GuessedInput
    value: str
    origin: Origin
    evidence: str
    confidence: float = Field(ge=0, le=1)


class PackageSource(ProjectSource):
    """The source of a package: a commit, or an archive by digest (``sdist``, ``release-tarball``). ``tree.tar`` and
    ``history.bundle`` come first, as in v2; the last file of an archive is the archive itself, in ``archive``."""

    #: The tag that named the commit when the recipe was written; empty: none did.
    tag: str = ""
    #: Submodules are there; without them their folders are empty, as in a plain clone.
    submodules: bool = True


class PackageToolchain(ProjectToolchain):
    """As that of a project, as of a day."""

    #: Nothing that reached the language's index at this time or later is chosen; seconds since 1970.
    as_of: int | None = Field(None, ge=0)
    #: Versions of Node and of npm, which are packages of the index themselves; empty: the suite's.
    node: str = Field("", pattern=r"^(?:[0-9]+\.[0-9]+\.[0-9]+)?$")
    npm_client: str = Field("", pattern=r"^(?:[0-9]+\.[0-9]+\.[0-9]+)?$")
    #: Packages of npm's index that are installed in the tree before the steps, `name@range`, where no lock of the tree
    #: is asked (``npm``): as of the day, or as soon after it as the index had any version of each.
    packages: tuple[Annotated[str, StringConstraints(max_length=480, pattern=NPM_SPEC)], ...] = ()
    #: What deflates: the suite's own zlib, or another of its family.
    zlib: Literal["zlib", "zlib-ng"] = "zlib"


class Replay(Value):
    """Scalars that one published archive records, given to the build that makes the file of the same name (ADR 15).

    ``file-times`` sets the times of the tree's files before the build; the others are put where the backend writes a
    member or a gzip header. Only members that the build itself adds are touched, and never their bytes."""

    artifact: FileName
    what: tuple[Replayed, ...] = Field(min_length=1)


class PackageBuild(ProjectBuild):
    """As that of a project, with all that a publisher's machine left in the file."""

    user: str = Field("builder", pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    uid: int = Field(1000, ge=1, le=9_999_999)
    group: str = Field("builder", pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    gid: int = Field(1000, ge=1, le=9_999_999)
    umask: str = Field("0022", pattern=r"^0[0-7]{3}$")
    #: The clock of every process stands at this time; left out: it is the host's.
    clock: int | None = Field(None, ge=0)
    replay: tuple[Replay, ...] = ()


class PackageRecipe(ProjectRecipe):
    """One ``recipe.toml`` of a release: what was published, from which commit, and how each input became known."""

    format: Literal["rebuilder/recipe/v3"]
    source: PackageSource
    toolchain: PackageToolchain
    build: PackageBuild
    guesses: tuple[RecipeGuess, ...] = ()
