"""What the pipeline needs from the world, as small contracts. Adapters import these, never each other.

`wiring.py` picks the implementations. Where a method can fail, its docstring says with what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from rebuilder.data import Data
from rebuilder.findings import ArtifactExplanation, MemberPath, Proof, Surroundings
from rebuilder.lock import ToolchainLock
from rebuilder.model import (
    Attempt,
    BuildKind,
    BuildPlan,
    Comparison,
    DiffReport,
    Endorsement,
    Explanation,
    FileDigest,
    Input,
    Located,
    Published,
    Record,
    RootFile,
    RootImage,
    SearchTrial,
    SignatureCheck,
    Signer,
    Source,
)
from rebuilder.recipe import Recipe
from rebuilder.releases import Guess, Release, Signed


class Blobs(Protocol):
    """Content-addressed bytes on disk. A blob is complete and durable once ``put`` returns."""

    def put(self, chunks: Iterable[bytes], *, name: str, limit: int, expect: str | None = None) -> FileDigest:
        """Store a stream of at most ``limit`` bytes. Raises ``DigestMismatchError`` if it is not
        ``expect``, ``TooLargeError`` past the limit; nothing is left behind then. A full disk is
        ``InfrastructureError``."""

    def has(self, sha256: str) -> bool:
        """Whether a blob of that name lies there (its bytes are checked when read)."""

    def path(self, sha256: str) -> Path:
        """Path of the blob after re-hashing it. ``IntegrityError`` if its bytes are not its digest;
        ``KeyError`` if there is none."""

    def read(self, sha256: str, *, limit: int) -> bytes:
        """The bytes, re-hashed. Raises as ``path``."""


@dataclass(frozen=True, kw_only=True)
class KnownMembers:
    """Input files and their binary members: sha256 -> where it lies, and in words what was not looked through."""

    places: Mapping[str, str]
    unsearched: tuple[str, ...] = ()


class Members(Protocol):
    """Digests of input files and of the binary members inside them, remembered between runs."""

    def unknown(self, files: Iterable[FileDigest]) -> tuple[str, ...]:
        """sha256 of those files that would have to be fetched before ``known`` can answer."""

    def known(self, files: Iterable[FileDigest]) -> KnownMembers:
        """Each file and each binary member of it. ``KeyError`` for a file not at hand."""


class Fetcher(Protocol):
    """Bytes from mirrors, checked while they stream. A wrong byte is the mirror's fault: next location."""

    def fetch(self, file: Located) -> FileDigest:
        """Fetch into the blobs, or find it there. ``Stopped(unavailable)`` after the last location."""

    def fetch_all(self, files: Iterable[Located]) -> None:
        """Fetch many in parallel. ``Stopped(unavailable)`` lists *every* file that could not be had."""

    def get(self, archive: str, path: str, *, limit: int, check: Callable[[bytes], object] | None = None) -> bytes:
        """A small file whose digest is not known yet (an `InRelease`): the first that ``check`` lets pass.

        ``check`` raises ``Stopped`` for one that will not do, and the next location is asked. After the last:
        ``Stopped(refused)`` if every one that was judged (all but ``NoMessage``) was refused, and at least one
        was; else ``Stopped(unavailable)``. Both say what each location gave."""

    def discover(
        self, archive: str, path: str, *, limit: int, accept: Callable[[FileDigest], bool] | None = None
    ) -> FileDigest | None:
        """Fetch a file that no signed list names (an old version in the pool): the first, in the blobs by now,
        that is taken by ``accept``; ``None`` if there is none."""


class Progress(Protocol):
    """Where the live display hangs. Every call returns at once and never raises."""

    def stage(self, name: str, detail: str = "") -> None:
        """A stage begins, or its detail changed."""

    def line(self, text: str) -> None:
        """One line of a build log or a download, untrusted; the display cleans it of control characters."""


class Clock(Protocol):
    """The only source of time. One reference time a run is taken from it."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""


@dataclass(frozen=True, kw_only=True)
class Tmpfs:
    """A size-limited writable mount; always ``nosuid,nodev``, executable."""

    path: str
    bytes: int
    mode: int = 0o1777


@dataclass(frozen=True, kw_only=True)
class Job:
    """One container: what runs in it and what it may do. Only ``fetch`` may ask for a network, and nothing of a
    package runs there. ``ValueError`` for any other that does."""

    purpose: Literal["build", "materialise", "solve", "diffoscope", "fetch"]
    run_id: str
    root_sha256: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    user: str
    cwd: str = "/"
    hostname: str = "rebuilder"
    domainname: str = ""
    read_only: bool = True
    #: ``host`` where the index or the proxy of the host's own clients is on its loopback interface.
    network: Literal["none", "bridge", "host"] = "none"
    #: In place of the root filesystem's own files.
    files: tuple[RootFile, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    #: Only ``materialise`` needs any (chroot, chown, mknod).
    capabilities: tuple[str, ...] = ()
    memory_bytes: int = 4 * 1024**3
    cpus: float = 2.0
    #: Processors it may run on (`0`, `0-1`); empty: all of them.
    cpuset: str = ""
    pids: int = 2048
    seconds: float = 3600.0
    keep: bool = False

    def __post_init__(self) -> None:
        """Hold the promise on networks."""
        if self.network != "none" and self.purpose != "fetch":
            msg = f"a container for {self.purpose!r} must have no network"
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a container ended. ``status`` is ``None`` if it was killed by us."""

    status: int | None
    timed_out: bool
    out_of_memory: bool
    seconds: float
    container: str


class Leave(Exception):  # noqa: N818 - not an error: the way out for a container that is to be kept
    """Raised by an output callback of a job with ``keep``: all is handed over, let the container run on."""


class Engine(Protocol):
    """Containers. Every one is removed on every way out; its labels let a later start sweep it."""

    def version(self) -> str:
        """Name and version of the engine. ``InfrastructureError`` if none answers."""

    def has_root(self, sha256: str) -> bool:
        """Whether an image whose only layer has exactly this tar digest is loaded."""

    def import_root(self, tar: Path | BinaryIO, sha256: str) -> None:
        """Load a root filesystem and check that the engine computed the same digest.
        ``IntegrityError`` otherwise, and the image is removed."""

    def run(
        self,
        job: Job,
        *,
        stdin: Iterable[bytes] = (),
        stdout: Callable[[bytes], None],
        stderr: Callable[[bytes], None],
    ) -> Exit:
        """Run to the end. Exceptions from the callbacks kill the container and pass through.
        The engine going away is ``InfrastructureError``, never an exit status."""

    def sweep(self) -> int:
        """Remove containers of runs whose process is gone; how many."""


class Builder(Protocol):
    """One build of a plan in one fresh, sealed container."""

    def build(self, plan: BuildPlan, root: RootImage, *, run_id: str, number: int, keep: bool = False) -> Attempt:
        """Outputs and log are in the blobs when it returns. Failures of the build are in the value;
        failures of ours are ``InfrastructureError``."""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What a target came to: what was published, how it is rebuilt, and where each input comes from."""

    published: Published
    recipe: Recipe
    #: Exact bytes of the recipe, as read or as written by us.
    recipe_bytes: bytes
    #: Lock beside the recipe, or read from a `.buildinfo`; ``None``: solve one from the suite.
    lock: ToolchainLock | None
    inputs: tuple[Input, ...]
    warnings: tuple[str, ...] = ()
    #: The publisher's `.buildinfo`, kept as a blob, that the inputs and the lock are to follow.
    buildinfo: FileDigest | None = None
    #: The lock came with a pack, for a target that pins none.
    packed: bool = False
    #: What the index said of the release, where it was asked now; its answer lies in the blobs.
    release: Release | None = None
    #: Signatures and checksum lists that were given by hand, in the blobs.
    papers: tuple[FileDigest, ...] = ()
    #: What was inferred, with the other values it may have: what `--search` tries.
    guesses: tuple[Guess, ...] = ()
    #: When the declared commit was made; seconds since 1970.
    committed: int | None = None
    #: What is signed of the declared commit and of its tag, where the repository is at hand.
    signed: tuple[Signed, ...] = ()
    #: Which of some Git blob ids the declared repository has in any commit; ``None``: it is not at hand.
    holds: Callable[[frozenset[str]], frozenset[str]] | None = None
    #: Why a statement must not name the recipe's repository as where its commit is; empty: it was asked.
    unproved: str = ""
    #: The rebuilds that led to this recipe.
    search: tuple[SearchTrial, ...] = ()


@dataclass(frozen=True, kw_only=True)
class VerifiedRelease:
    """The signed text of an `InRelease`, parsed only after a pinned key's signature held."""

    text: bytes
    suite: str
    codename: str
    date: datetime
    valid_until: datetime | None
    #: ``main/binary-amd64/Packages.xz`` -> (sha256, size), relative to the folder of the `InRelease`.
    lists: dict[str, tuple[str, int]]
    anchor: str
    signers: tuple[str, ...]
    checks: tuple[SignatureCheck, ...]


class Endorser(Protocol):
    """The publisher's signatures, judged by the operator's trust store alone."""

    def release(self, inrelease: bytes, *, anchor: str, subject: str) -> VerifiedRelease:
        """Any one pinned primary fingerprint with a valid signature suffices. ``Stopped(refused)`` for a
        bad signature or only keys we do not pin; ``NoMessage`` for what is no whole signed message;
        ``UsageError`` for an anchor the store does not have."""

    def signed_text(self, data: bytes, *, subject: str, anchor: str = "") -> tuple[bytes, SignatureCheck]:
        """Text inside a clear-signed file (`.dsc`, `.buildinfo`) and what its signature is worth: by the keys
        that ``anchor`` pins, which speak for the publisher, or without one by maintainers' keys, which are
        evidence only. Never raises for a missing key; the text of an unsigned file is the file."""

    def chain(self, published: Published, *, anchor: str, allow_missing: str) -> Endorsement:
        """Repeat, from saved blobs alone: signature -> index -> list -> artifact and source digests."""


class Ecosystem(Protocol):
    """All that is particular to one kind of package (`pkg:deb`, later `pkg:pypi` ...)."""

    def resolve(self, target: str) -> Resolution:
        """``UsageError`` for names that do not exist (with the nearest), ``Stopped`` for refused or
        unavailable."""

    def today(self, resolution: Resolution) -> Resolution:
        """The same with today's indexes and no lock: what a new lock is solved from."""

    def endorse(self, resolution: Resolution) -> Endorsement:
        """Check again, from the saved bytes alone, that the anchor vouches for every artifact."""

    def source(self, resolution: Resolution) -> tuple[Source, tuple[SignatureCheck, ...]]:
        """Fetch the source; also what its own signature says, as further evidence."""

    def relations(self, resolution: Resolution, source: Source, build: BuildKind) -> tuple[str, ...]:
        """Build dependencies and conflicts, each a Debian relation string, for the toolchain solver."""

    def plan(self, resolution: Resolution, source: Source, build: BuildKind) -> tuple[BuildPlan, tuple[Input, ...]]:
        """How to build it, and the inputs that had to be read off the published artifact."""


@dataclass(frozen=True, kw_only=True)
class Unvouched:
    """Packages of a lock that no signed list has (``name version``), and what could not be used as evidence."""

    packages: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


class Toolchains(Protocol):
    """Toolchain locks and the root filesystems they give."""

    def solve(
        self, resolution: Resolution, relations: dict[BuildKind, tuple[str, ...]]
    ) -> ToolchainLock:
        """A new lock from the suite's signed indexes. ``Stopped(unavailable)`` names what cannot be had."""

    def unsigned(self, lock: ToolchainLock) -> Unvouched:
        """Packages of the lock, its seed's too, that no signed list has; the lock itself is not believed. Where the
        evidence cannot be had, none of them has any. Never raises for want of evidence."""

    def materialise(self, lock: ToolchainLock) -> tuple[RootImage, ...]:
        """Load the root filesystem of every kind. ``Stopped(unavailable)`` lists vanished packages;
        ``IntegrityError`` names the first member that differs from the locked digest."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both sides of one member whose content differs, for diffoscope."""

    path: MemberPath
    published: Data
    rebuilt: Data


class Differ(Protocol):
    """Explains a difference; never decides one."""

    def diff(self, artifact: str, pairs: tuple[Pair, ...], *, run_id: str) -> DiffReport:
        """All pairs in one batch. Always gives a report, which says for each pair what it lacks."""


@dataclass(frozen=True, kw_only=True)
class ExplainedArtifact:
    """Why one artifact differs; ``difference`` is the blob that the explanation names, a `Difference` as JSON."""

    explanation: ArtifactExplanation
    difference: FileDigest
    report: DiffReport | None


class Explainer(Protocol):
    """Names every difference between two stored files, and the causes. Never decides anything."""

    def explain(
        self, artifact: str, published: FileDigest, rebuilt: FileDigest, surroundings: Surroundings, *, run_id: str
    ) -> ExplainedArtifact:
        """Total comparison, drift, causes; diffoscope's detail on members whose content differs."""


class Signing(Protocol):
    """Our keys, a role each."""

    @property
    def signer(self) -> Signer:
        """Who signs: organisation, ids, and the id of each role's key."""

    def sign(self, role: Literal["attest", "verdict"], statement: bytes) -> bytes:
        """A DSSE envelope, one JSON line, over exactly these bytes."""


class Draft(Protocol):
    """A run folder in the making; nothing of it is visible until ``commit``."""

    def write(self, name: str, data: bytes) -> None:
        """Add one file, durable at once. Names are given once each."""

    def commit(self) -> Path:
        """Make the folder appear, whole; where it lies."""


class Runs(Protocol):
    """The immutable run folders."""

    def draft(self, run_id: str) -> Draft:
        """Begin a run folder; if the process dies before ``commit``, nothing of it is ever seen."""


class Log(Protocol):
    """Append-only list of what was published."""

    def append(self, run_id: str, bundle_sha256: str | None) -> None:
        """Record a committed run; durable once it returns. Appending the same run twice adds nothing."""


class Reporter(Protocol):
    """Pages: a view of the record, never the record."""

    def page(self, record: Record, files: Mapping[str, bytes]) -> bytes:
        """The self-contained HTML page of a run; ``files`` are all other files of its folder by name."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the person asked for beyond the target."""

    keep: bool = False
    relock: bool = False
    sign: bool = True
    #: The run is made to try a fix: says, from what it found, whether it came true.
    proves: Callable[[Comparison, Explanation], Proof] | None = None
