"""The values of a check, and its report: ``check.json`` (`docs/formats/check.md`). All that pages show is in here.

    Project, Variation settings -> builds -> observations -> Breakages -> CheckReport

Text that came out of a project or a build is kept as it came: whoever shows it must escape it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from rebuilder.findings import ArtifactExplanation, Cause, Change, MemberPath, Side
from rebuilder.model import Attempt, FileDigest, FileName, Sha256, Step, Value

#: Words in an argv that a build's own folders take the place of; whole or within an argument.
TREE, OUT, TOOLS, INPUT = "@TREE@", "@OUT@", "@TOOLS@", "@INPUT@"

VariationName = Literal[
    "path",
    "home",
    "user",
    "umask",
    "locale",
    "timezone",
    "host",
    "environment",
    "exec-path",
    "shell",
    "cpu",
    "jobs",
    "kernel",
    "clock",
    "order",
    "times",
    "tmpdir",
    "hash-seed",
]


class ProjectKind(StrEnum):
    """How a project is built, by what it has."""

    PYTHON = "python"
    NPM = "npm"
    CARGO = "cargo"
    GO = "go"
    DEBIAN = "debian"
    CMAKE = "cmake"
    MESON = "meson"
    AUTOTOOLS = "autotools"
    MAKE = "make"
    COMMAND = "command"


class NpmPackage(Value):
    """One package that a ``package-lock.json`` pins."""

    name: str
    version: str
    #: ``sha512-<base64>``, the strongest that the lock names.
    integrity: str


class Project(Value):
    """A project and how it is built: pure data, the same for every build of a check.

    ``steps`` run in turn after the source was unpacked and the language packages were installed; their folder and
    words may hold ``@TREE@``, ``@OUT@``, ``@TOOLS@``, ``@INPUT@``. The last one leaves the outputs in ``@OUT@``.
    """

    kind: ProjectKind
    name: str
    version: str = ""
    #: What told us, in words: ``pyproject.toml, build backend flit_core.buildapi``.
    found: str
    steps: tuple[Step, ...] = Field(min_length=1)
    #: Globs (no ``/``) of the files in ``@OUT@`` that are compared.
    outputs: tuple[str, ...] = ("*",)
    #: Debian relations that the toolchain has to satisfy, besides the base.
    relations: tuple[str, ...] = ()
    #: PEP 508 requirements whose wheels are fetched before and installed into ``@TOOLS@``.
    wheels: tuple[str, ...] = ()
    #: Ask the build backend, in a container without network, what else it needs (PEP 517 hooks).
    asks_backend: bool = False
    npm: tuple[NpmPackage, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict)
    #: The build reads the version from Git: the tree gets a repository with this commit and the tags.
    history: bool = False
    #: Programs that do the work; one without a dynamic loader does not see a faked clock.
    tools: tuple[str, ...] = ()
    #: Time zones by name (Node, Java), because a rule (`XYZ-13:47`) is not understood.
    named_zones: bool = False
    #: In words, for the report: what was assumed about the project.
    notes: tuple[str, ...] = ()


class SourceState(Value):
    """What was built."""

    kind: Literal["git-commit", "worktree", "folder"]
    #: Full id of the commit, for ``git-commit`` and, as what is checked out, ``worktree``.
    commit: str = ""
    #: ``git describe``-like name of it, if it has a tag.
    tag: str = ""
    #: Files of the work tree that differ from the commit or are not in it: they were not built (git-commit).
    dirty: tuple[str, ...] = ()
    #: Canonical tar of the tree.
    tree: FileDigest
    #: Bundle of the commit and the tags, where the build reads its version from Git.
    history: FileDigest | None = None
    #: SOURCE_DATE_EPOCH of every build, and where it is from. ``None``: not set.
    epoch: int | None
    epoch_from: str
    submodules: tuple[str, ...] = ()


class Dependency(Value):
    """A language package that was there before the network went off."""

    system: Literal["pypi", "npm"]
    name: str
    version: str
    sha256: Sha256


class ToolchainState(Value):
    """The locked toolchain of every build."""

    suite: str
    lock_sha256: Sha256
    root_sha256: Sha256
    packages: int
    dependencies: tuple[Dependency, ...] = ()


class VariationReport(Value):
    """What became of one variation.

    ``passed``: varied, seen to have an effect, and no output changed with it. ``breaks``: outputs change with it, or
    the build fails. ``not-effective``: asked for, but the probe saw no effect, so that it says nothing.
    ``undecided``: the builds allowed did not suffice, or what differs anyway hides its effect (``detail``).
    ``left-out``: not varied.
    """

    name: VariationName
    title: str
    status: Literal["passed", "breaks", "not-effective", "undecided", "left-out"]
    #: What the control and the varied builds were given, in short.
    control: str = ""
    varied: str = ""
    #: Unique text that this variation put where the build can see it; empty where none can exist.
    canary: str = ""
    #: What the probe saw in each of the two containers, before the build.
    probed_control: str = ""
    probed_varied: str = ""
    #: Why it is not effective, or for whom it is not (static programs).
    detail: str = ""


class BuildReport(Value):
    """One build of a check, in order."""

    number: int = Field(ge=1)
    purpose: Literal["control", "varied", "confirm", "repeat", "search", "fix"]
    #: Why it was made, in a sentence.
    why: str
    varied: tuple[VariationName, ...]
    attempt: Attempt
    #: Outputs that differ from the control's; ``None`` where that was not compared (it failed, or tried a fix).
    differing: tuple[str, ...] | None = None


class Fix(Value):
    """What to do about a breakage. ``tried`` are the settings of the rebuild that confirmed or refuted it."""

    words: str
    changes: tuple[Change, ...] = ()
    result: Literal["confirmed", "refuted", "not-tried"] = "not-tried"
    reason: str = ""
    tried: tuple[str, ...] = ()


class Breakage(Value):
    """One thing that makes outputs differ: which variation, where, why, and what helps.

    ``variations`` is empty for what differs between builds of which nothing was varied.
    """

    variations: tuple[VariationName, ...]
    #: The canary in the differing bytes, rebuilds with and without it, or builds of one and the same that differ.
    proof: tuple[Literal["canary", "rebuild", "repeat"], ...]
    #: ``(output, member, member, ...)`` of each place, the first 50.
    places: tuple[MemberPath, ...]
    #: How many places there are.
    count: int
    cause: Cause | None = None
    fix: Fix
    #: The build fails with the variation, instead of giving other bytes.
    fails: bool = False
    #: In a sentence: file, place, cause.
    summary: str


class OutputReport(Value):
    """One output of the control against the build that shows its differences."""

    name: FileName
    first: FileDigest | None
    #: Of the build ``second_build``; equal digests: no build gave other bytes.
    second: FileDigest | None
    second_build: int
    explanation: ArtifactExplanation | None = None
    #: ``difference-<name>.json`` of the report folder.
    difference: Side | None = None


class CheckVerdict(StrEnum):
    """What a check says. Never that a project *is* deterministic: only what was seen."""

    REPRODUCIBLE = "reproducible"
    NOT_REPRODUCIBLE = "not-reproducible"
    FLAKY = "flaky"
    BUILD_FAILED = "build-failed"

    @property
    def exit_code(self) -> int:
        """Exit code of ``rebuilder check``: documented and stable."""
        return {"reproducible": 0, "not-reproducible": 10, "flaky": 12, "build-failed": 13}[self.value]


class CheckReport(Value):
    """One check, whole (``check.json``)."""

    schema_: Literal["rebuilder/check/v1"] = Field("rebuilder/check/v1", alias="schema")
    check_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.-]{1,64}$")]
    tool_version: str
    started: AwareDatetime
    finished: AwareDatetime
    verdict: CheckVerdict
    #: The answer in a sentence or two: what differs, why, what helps.
    headline: str
    #: The command that repeats this check exactly.
    again: str
    seed: int
    project: Project
    source: SourceState
    toolchain: ToolchainState
    variations: tuple[VariationReport, ...]
    #: What no container can vary, in words.
    not_varied: tuple[str, ...] = ()
    builds: tuple[BuildReport, ...]
    outputs: tuple[OutputReport, ...] = ()
    breakages: tuple[Breakage, ...] = ()
    warnings: tuple[str, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
