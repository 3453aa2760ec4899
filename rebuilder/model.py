"""The values that pass from stage to stage. This file is the documentation of the pipeline.

    Published -> Endorsement -> Source -> Toolchain -> Built -> Comparison -> Explanation -> Bundle

Every value is frozen, refuses unknown fields, and survives a round trip through JSON. Digests are 64
lower-case hex digits, sizes are bytes, times are UTC. Text that came out of a package, an index or a
build is kept as it came: whoever shows it must escape it.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from rebuilder.findings import ArtifactExplanation, MemberPath, Proof

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{40}(?:[0-9A-F]{24})?$")]
BuildKind = Literal["any", "all", "generic"]


def _safe_name(name: str) -> str:
    if name in {"", ".", ".."} or len(name) > 255 or re.search(r"[/\x00-\x1f\x7f]", name):
        msg = f"expected a plain file name, found {name!r}"
        raise ValueError(msg)
    return name


#: A file name that can't leave the folder it is put in.
FileName = Annotated[str, AfterValidator(_safe_name)]


class Value(BaseModel):
    """Base of every value: frozen, strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- words fixed once (design section 3) --------------------------------------------------------


class Verdict(StrEnum):
    """What is said about one published artifact. Declared worst first: the worst decides a run."""

    REFUSED = "refused"
    DIFFERENT = "different"
    FLAKY = "flaky"
    BUILD_FAILED = "build-failed"
    UNAVAILABLE = "unavailable"
    EQUIVALENT = "equivalent"
    REPRODUCED = "reproduced"

    @property
    def exit_code(self) -> int:
        """Exit code of ``verify`` and of a valid bundle (design section 3): documented and stable."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Verdict.REPRODUCED: 0,
    Verdict.DIFFERENT: 10,
    Verdict.EQUIVALENT: 11,
    Verdict.FLAKY: 12,
    Verdict.BUILD_FAILED: 13,
    Verdict.REFUSED: 14,
    Verdict.UNAVAILABLE: 15,
}


class Origin(StrEnum):
    """Who says that an input is the right one, strongest first."""

    DECLARED = "declared"
    PINNED = "pinned"
    ASSUMED = "assumed"
    RECOVERED = "recovered"
    INFERRED = "inferred"


class EndorsementResult(StrEnum):
    """Whether the publisher vouches for the published digests. Only INVALID refuses."""

    VALID = "valid"
    INVALID = "invalid"
    MISSING = "missing"
    NO_KEY = "no-key"


class SourceKind(StrEnum):
    """What the source is; said in the headline, for a tarball is not the commit."""

    GIT_COMMIT = "git-commit"
    SIGNED_DSC = "signed-dsc"
    RELEASE_TARBALL = "release-tarball"
    LOCAL_TREE = "local-tree"
    SDIST = "sdist"


class FailureReason(StrEnum):
    """Closed list of why a build did not give an output (`build-failed`)."""

    EXIT_STATUS = "exit-status"
    MISSING_OUTPUT = "missing-output"
    TIME_LIMIT = "time-limit"
    MEMORY_LIMIT = "memory-limit"
    DISK_LIMIT = "disk-limit"
    PROCESS_LIMIT = "process-limit"
    LOG_LIMIT = "log-limit"
    OUTPUT_LIMIT = "output-limit"
    BAD_SOURCE = "bad-source"


# --- files --------------------------------------------------------------------------------------


class FileDigest(Value):
    """A named file, known by its bytes."""

    name: FileName
    sha256: Sha256
    size: int = Field(ge=0)


class Located(FileDigest):
    """A file that can be fetched: ``path`` is relative to the root of ``archive``, never a URL.

    The mirror that serves an archive is the host's own business and never part of a record.
    """

    archive: str
    path: str


# --- resolve ------------------------------------------------------------------------------------


class SignedIndex(Value):
    """A signed index (`InRelease`) and the lists under it, whose bytes are kept as blobs.

    ``signers`` are primary-key fingerprints of *pinned* keys that made a valid signature.
    """

    archive: str
    suite: str
    inrelease: FileDigest
    lists: tuple[FileDigest, ...]
    date: AwareDatetime
    valid_until: AwareDatetime | None = None
    anchor: str
    signers: tuple[Fingerprint, ...]


class Artifact(Value):
    """One published file that a rebuild is held against."""

    file: Located
    package: str
    version: str
    architecture: str
    build: BuildKind
    #: The purl named this one; the exit code counts only named artifacts.
    named: bool = True


class Published(Value):
    """What was published: artifacts, the source they declare, the index that says so."""

    purl: str
    ecosystem: str
    suite: str
    source_name: str
    #: Version of the source; an artifact's own may add a binNMU suffix.
    source_version: str
    artifacts: tuple[Artifact, ...] = Field(min_length=1)
    source_files: tuple[Located, ...]
    indexes: tuple[SignedIndex, ...] = ()


# --- endorse ------------------------------------------------------------------------------------


class SignatureCheck(Value):
    """One signature of the publisher's side, as judged by us."""

    scheme: Literal["openpgp", "ssh", "x509", "minisign", "checksums", "index"]
    subject: str
    result: EndorsementResult
    fingerprint: str = ""
    claimed_time: AwareDatetime | None = None
    tool: str
    reason: str


class Endorsement(Value):
    """Who vouches for the published digests, checked against our own trust store."""

    result: EndorsementResult
    #: Name of the anchor in ``trust/``; empty when none vouches.
    anchor: str
    reason: str
    checks: tuple[SignatureCheck, ...] = ()
    #: The chain in words, one step a line: signature, index, list, artifact, each with its digest.
    chain: tuple[str, ...] = ()
    #: Further evidence that is never a condition (the `.dsc`'s own signature).
    evidence: tuple[SignatureCheck, ...] = ()


# --- fetch --------------------------------------------------------------------------------------


class Source(Value):
    """The declared source, fetched and checked by digest; bytes lie in the blob store."""

    kind: SourceKind
    name: str
    version: str
    files: tuple[FileDigest, ...] = Field(min_length=1)
    uri: str


class Input(Value):
    """One input of the build, its value in short, and who says it is the right one."""

    name: Literal[
        "source", "commit", "toolchain", "environment", "epoch", "times", "owners", "path", "changelog", "command"
    ]
    value: str
    origin: Origin
    evidence: str


# --- toolchain ----------------------------------------------------------------------------------


class RootImage(Value):
    """A root filesystem, known by the sha256 of its tar, never by a Docker image id."""

    build: BuildKind
    sha256: Sha256
    size: int = Field(ge=0)
    packages: int = Field(ge=0)


class Toolchain(Value):
    """A materialised toolchain lock: one root filesystem for each kind of build."""

    lock_sha256: Sha256
    origin: Origin
    suite: str
    roots: tuple[RootImage, ...]
    #: Packages whose digest no signed list vouches for, as we looked it up (taken from the pool, or from a pack).
    unsigned: tuple[str, ...] = ()
    #: A recorded toolchain was set aside, on request.
    relocked: bool = False
    #: The lock came with a pack, for a target that pins none.
    packed: bool = False

    def root(self, build: BuildKind) -> RootImage:
        """The root filesystem for that kind of build. Raises ``KeyError`` if the lock has none."""
        for root in self.roots:
            if root.build == build:
                return root
        raise KeyError(build)


# --- sandbox ------------------------------------------------------------------------------------


class Limits(Value):
    """Caps of one container. Every one of them is in the record, so that none acts silently."""

    seconds: int = 3600
    memory_bytes: int = 6 * 1024**3
    cpus: float = 2.0
    pids: int = 2048
    disk_bytes: int = 5 * 1024**3
    log_bytes: int = 64 * 1024**2
    output_bytes: int = 2 * 1024**3


class Step(Value):
    """One command of a build: an argv list, never a shell string."""

    argv: tuple[str, ...] = Field(min_length=1)
    cwd: str
    #: What it does, in a few words, for whoever watches; empty: its argv says so.
    label: str = ""


class RootFile(Value):
    """A file or symbolic link that one build has in place of the root filesystem's own: owned by root, read-only."""

    path: str = Field(pattern=r"^(?:/[A-Za-z0-9_-][A-Za-z0-9._+-]{0,99}){1,10}$")
    content: str = ""
    #: Put behind what the root filesystem's own file holds.
    append: bool = False
    executable: bool = False
    #: Target of a symbolic link; the file is none where this is empty.
    link: str = ""


class BuildPlan(Value):
    """All that a build is: pure data, computed before any container exists.

    ``inputs`` are put as read-only files below ``input_dir``; ``outputs`` are glob patterns (no ``/``)
    matched in ``output_dir`` after the last step. The tmpfs at ``/build``, ``/tmp`` and ``/var/tmp`` is all that can
    be written.
    """

    build: BuildKind
    inputs: tuple[FileDigest, ...]
    input_dir: str
    steps: tuple[Step, ...] = Field(min_length=1)
    environment: dict[str, str]
    outputs: tuple[str, ...] = Field(min_length=1)
    output_dir: str
    #: So many steps at the start only unpack the source: one of them failing is the source's fault.
    unpack_steps: int = Field(0, ge=0)
    hostname: str = "rebuilder"
    domainname: str = ""
    #: ``uid:gid`` of every process of the build.
    user: str = Field("1000:1000", pattern=r"^[1-9][0-9]{0,6}:[1-9][0-9]{0,6}$")
    #: Processors it may run on (`0`, `0-1`); empty: all of them.
    cpuset: str = Field("", pattern=r"^[0-9,-]{0,100}$")
    files: tuple[RootFile, ...] = ()
    limits: Limits = Limits()


class Attempt(Value):
    """One build in one fresh container."""

    run_id: str
    build: BuildKind
    number: int = Field(ge=1)
    root_sha256: Sha256
    started: AwareDatetime
    finished: AwareDatetime
    exit_status: int | None
    failure: FailureReason | None = None
    detail: str = ""
    outputs: tuple[FileDigest, ...] = ()
    log: FileDigest
    log_truncated: bool = False
    limits: Limits
    engine: str


class Built(Value):
    """All attempts of a run, in order."""

    attempts: tuple[Attempt, ...]


# --- compare ------------------------------------------------------------------------------------


class SelfInput(Value):
    """The subject, or a non-text member of it, occurs verbatim among the inputs of its own build."""

    artifact: FileName
    member: str
    found_in: str
    sha256: Sha256


class ArtifactComparison(Value):
    """One published artifact against every attempt to rebuild it."""

    artifact: FileName
    named: bool
    verdict: Verdict
    reason: str
    published: FileDigest
    #: One entry an attempt, in order; ``None`` where that attempt did not make the file.
    rebuilt: tuple[FileDigest | None, ...] = ()
    #: Normalisers (``name/version``) it took to be equal; only with `equivalent`.
    normalisers: tuple[str, ...] = ()
    #: How many fields of a file each of them changed, at most.
    cleared: dict[str, int] = {}
    first_difference: int | None = None


class Comparison(Value):
    """The verdict on every artifact, and what was built but never published."""

    artifacts: tuple[ArtifactComparison, ...]
    unpublished: tuple[FileDigest, ...] = ()
    self_input: tuple[SelfInput, ...] = ()
    #: Inputs and published files, or parts of them, that could not be looked through for such bytes.
    unsearched: tuple[str, ...] = ()


# --- explain ------------------------------------------------------------------------------------


class MemberReport(Value):
    """What became of one pair of members given to diffoscope: the lowest rung of the ladder it had to go down to."""

    path: MemberPath
    rung: Literal["full", "no-disassembly", "sections", "hex"]
    lacks: tuple[str, ...] = ()


class DiffReport(Value):
    """Output of diffoscope for one artifact: on the members whose content differs, in one batch. It explains; the
    verdict never depends on it.

    ``status`` says how it ended; ``lacks`` names in words what the report does not show, and why.
    """

    artifact: FileName
    status: Literal["complete", "truncated", "timed-out", "failed"]
    tool: str
    seconds: float
    text: FileDigest | None = None
    html: FileDigest | None = None
    #: diffoscope's own JSON: what the side-by-side view is made of.
    json_: FileDigest | None = Field(None, alias="json")
    members: tuple[MemberReport, ...] = ()
    #: sha256 of the root filesystem it ran in.
    root_sha256: Sha256 | None = None
    lacks: tuple[str, ...] = ()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Undeclared(Value):
    """Content of a published file that the declared source does not have, and that our build did not make."""

    artifact: FileName
    member: str
    #: ``not-in-source``: in no file of the source, and our build does not make it. ``differs-from-source``: our build
    #: took it from ``source_path`` as it is committed, the published one is another.
    what: Literal["not-in-source", "differs-from-source"]
    sha256: Sha256
    size: int = Field(ge=0)
    source_path: str = ""
    #: In words, what else is known of it: that another commit of the repository has it.
    note: str = ""


class Explanation(Value):
    """Why artifacts differ. Empty when nothing does."""

    #: First, because it says that something else was published than what the source says.
    undeclared: tuple[Undeclared, ...] = ()
    artifacts: tuple[ArtifactExplanation, ...] = ()
    reports: tuple[DiffReport, ...] = ()
    #: What this run was made for: to try the fix of another run's cause.
    proof: Proof | None = None


# --- the record ---------------------------------------------------------------------------------


class StageTime(Value):
    """When a stage ran. Shown as the timeline."""

    stage: Literal[
        "resolve", "endorse", "fetch", "toolchain", "sandbox", "compare", "explain", "attest", "log", "report"
    ]
    started: AwareDatetime
    seconds: float
    detail: str = ""


class Signer(Value):
    """Who signs for us: an organisation, and an id and a key for each role."""

    organisation: str
    builder_id: str
    verifier_id: str
    attest_key: str
    verdict_key: str


class SearchTrial(Value):
    """One rebuild of `verify --search`: what was changed against the first one, why, and what came of it."""

    number: int = Field(ge=1)
    #: In words, against the first recipe; empty for that itself.
    changes: tuple[str, ...] = ()
    #: What suggested the last change.
    why: str = ""
    #: Artifacts that came out equal, and those that did not.
    equal: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    failure: str = ""
    recipe_sha256: Sha256


class Record(Value):
    """One run, whole: the truth that pages and statements are views of (``run.json``)."""

    schema_: Literal["rebuilder/run/v1"] = Field("rebuilder/run/v1", alias="schema")
    run_id: str
    tool_version: str
    target: str
    started: AwareDatetime
    finished: AwareDatetime
    verdict: Verdict
    reason: str
    #: What could not be had, when the verdict is `unavailable`.
    missing: tuple[str, ...] = ()
    published: Published | None = None
    recipe_sha256: Sha256 | None = None
    endorsement: Endorsement | None = None
    source: Source | None = None
    toolchain: Toolchain | None = None
    inputs: tuple[Input, ...] = ()
    built: Built | None = None
    comparison: Comparison | None = None
    explanation: Explanation = Explanation()
    #: The rebuilds that led to this recipe, with `--search`.
    search: tuple[SearchTrial, ...] = ()
    timeline: tuple[StageTime, ...] = ()
    warnings: tuple[str, ...] = ()
    signer: Signer | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def worst(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The verdict that decides: the worst of a non-empty tuple (design section 3)."""
    order = list(Verdict)
    return min(verdicts, key=order.index)


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC with seconds and ``Z``, as statements and file names want it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
