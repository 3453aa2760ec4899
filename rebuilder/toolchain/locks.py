"""The ``Toolchains`` port: from relations, exact versions or a lock to root filesystems in the engine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

from rebuilder import deb822
from rebuilder.errors import IntegrityError, Stopped, UsageError
from rebuilder.lock import LockedPackage, LockedRoot, ToolchainLock
from rebuilder.model import BuildKind, RootImage, SignedIndex, Verdict
from rebuilder.ports import Blobs, Endorser, Engine, Fetcher, Progress, Resolution, Unvouched
from rebuilder.toolchain import buildinfo, fixups, pack, rootfs, rows, seed, solver, tardiff
from rebuilder.toolchain.index import PackageLists
from rebuilder.toolchain.made import Made, MadeRoots
from rebuilder.toolchain.pool import Exact, Pool
from rebuilder.toolchain.remembered import Remembered
from rebuilder.toolchain.seeds import Seeds
from rebuilder.toolchain.solver import Extra
from rebuilder.toolchain.vouched import Vouched

ARCHITECTURE = "amd64"
RUN_ID = "toolchain"

LockOrigin = Literal["suite", "buildinfo", "manual"]


class DebianToolchains:
    """Toolchains made of Debian packages. ``state`` is a folder for spools and the digests of seeds."""

    def __init__(
        self, engine: Engine, fetcher: Fetcher, blobs: Blobs, progress: Progress, state: Path, *, endorser: Endorser
    ) -> None:
        self._engine = engine
        self._fetcher = fetcher
        self._blobs = blobs
        self._progress = progress
        self._endorser = endorser
        self._vouched = Vouched(endorser, fetcher, blobs, state / "vouched")
        self._spools = state / "tmp"
        self._locks = state / "locks"
        self._seeds = Seeds(engine, fetcher, blobs, state)
        self._made = MadeRoots(state / "roots")

    # --- locks --------------------------------------------------------------------------------------

    def solve(self, resolution: Resolution, relations: dict[BuildKind, tuple[str, ...]]) -> ToolchainLock:
        """A new lock, its root filesystems made once so that their digests are known.

        From the publisher's `.buildinfo` where the resolution names one, else from the signed indexes and
        ``want`` of the recipe. ``Stopped(unavailable)`` names what cannot be had; ``RecipeError`` for a bad
        ``want``; ``UsageError`` for a bad `.buildinfo`.
        """
        suite, indexes = resolution.recipe.toolchain.suite, resolution.published.indexes
        if resolution.buildinfo is not None:
            data = self._blobs.read(resolution.buildinfo.sha256, limit=buildinfo.MAX_BYTES)
            # The same reader as whoever judged its signature: no second one that could see another list.
            text, _ = self._endorser.signed_text(data, subject=resolution.buildinfo.name)
            lock = self.from_buildinfo(text, suite=suite, indexes=indexes, kinds=tuple(relations))
            return lock.model_copy(update={"buildinfo_sha256": resolution.buildinfo.sha256})
        wanted = rows.wanted(resolution.recipe.toolchain.want)
        asked = {kind: (*rows.BUILDER_PACKAGES, *lines) for kind, lines in relations.items()}
        remembered = Remembered(self._locks, suite, indexes, asked, wanted)
        return remembered.lock() or remembered.keep(self._solve(suite, indexes, asked, wanted))

    def changed(self, lock: ToolchainLock, versions: Mapping[str, str]) -> ToolchainLock:
        """The same lock with some packages at other versions and every other package as it was.

        ``UsageError`` for a package the lock does not have; ``Stopped(unavailable)`` for versions that cannot be
        had, or that do not go together."""
        old = {package.package: package for package in lock.packages}
        if unknown := sorted(set(versions) - set(old)):
            msg = f"the toolchain does not hold {', '.join(unknown)}"
            raise UsageError(msg, hint="name a package that toolchain.lock.json lists")
        exact = self._exact(self._lists(lock.indexes), versions)
        try:
            return self._record(lock.suite, lock.indexes, lock.seed, rows.replaced(old, exact), "manual")
        except rootfs.NotInstallable as err:
            wanted = ", ".join(f"{name} {version}" for name, version in versions.items())
            raise Stopped(Verdict.UNAVAILABLE, f"no toolchain can be made with {wanted}: {err.reason}") from err

    def solve_tool(
        self,
        suite: str,
        indexes: tuple[SignedIndex, ...],
        relations: tuple[str, ...],
        seed_indexes: Callable[[], tuple[SignedIndex, ...]] = tuple,
    ) -> ToolchainLock:
        """A lock of one root (``generic``) that holds the base system and what a tool of ours needs.

        ``seed_indexes`` gives those of the suite that the seed is of, for a suite whose packages have other names:
        they are in the lock, for the seed's sake, and no package of the root is taken from them."""
        lists = self._lists(indexes)
        more = () if seed.is_held_by(lists) else seed_indexes()
        seed_packages = seed.choose(self._lists((*indexes, *more)) if more else lists)
        # Of the two ways to a merged /usr, the one that needs no conversion, which an older suite would not choose.
        there = more and lists.find(("usr-is-merged",))["usr-is-merged"]
        merged = ("usr-is-merged (>= 0~)", "Conflicts: usrmerge") if there else ()
        asked: dict[BuildKind, tuple[str, ...]] = {"generic": (*merged, *relations)}
        return self._solve(suite, indexes, asked, {}, seed_packages=seed_packages, seed_indexes=more)

    def from_buildinfo(
        self, text: bytes, *, suite: str, indexes: tuple[SignedIndex, ...], kinds: tuple[BuildKind, ...]
    ) -> ToolchainLock:
        """A lock of exactly the packages a `.buildinfo` lists, and fakeroot, at the versions it names. ``text`` is
        the text inside its signature.

        ``UsageError`` if it is no `.buildinfo` or of another architecture; ``Stopped(unavailable)`` lists
        every package that neither the signed indexes nor the pool have at that version.
        """
        try:
            listed = buildinfo.installed_packages(text)
        except deb822.Malformed as error:
            msg = f"the .buildinfo cannot be read: {error}"
            raise UsageError(msg) from error
        if listed.architecture != ARCHITECTURE:
            msg = f"the .buildinfo is of a build on {listed.architecture}; only {ARCHITECTURE} can be rebuilt here"
            raise UsageError(msg)
        self._progress.stage("toolchain", f"looking for {len(listed.versions)} packages of the .buildinfo")
        lists = self._lists(indexes)
        versions = rows.with_fakeroot(lists, listed.versions)
        exact = self._exact(lists, versions)
        base = lists.base()
        roots = tuple(sorted(kinds))
        packages = [entry.locked(base.get(name, "dependency"), roots) for name, entry in exact.signed.items()]
        packages += [
            package.model_copy(update={"roots": roots, "why": base.get(package.package, "dependency")})
            for package in exact.from_pool
        ]
        return self._record(suite, indexes, seed.choose(lists), packages, "buildinfo")

    def _solve(
        self,
        suite: str,
        indexes: tuple[SignedIndex, ...],
        asked: dict[BuildKind, tuple[str, ...]],
        wanted: dict[str, str],
        *,
        seed_packages: tuple[LockedPackage, ...] = (),
        seed_indexes: tuple[SignedIndex, ...] = (),
    ) -> ToolchainLock:
        self._progress.stage("toolchain", "apt chooses the packages")
        lists = self._lists(indexes)
        base = lists.base()
        exact = self._exact(lists, wanted)
        seed_packages = seed_packages or seed.choose(lists)
        indexes = (*indexes, *seed_indexes)
        question = solver.Question(
            lists=lists,
            relations={kind: (*base, *lines) for kind, lines in asked.items()},
            pins=wanted,
            extras=tuple(self._extra(package) for package in exact.from_pool),
            codename=suite,
        )
        sha256 = self._seeds.load(seed_packages, rows.epoch(indexes))
        chosen = solver.solve(self._engine, question, seed_sha256=sha256, run_id=RUN_ID)
        packages = rows.locked(chosen, lists, exact, why={**rows.reasons(asked), **base})
        return self._record(suite, indexes, seed_packages, packages, "manual" if wanted else "suite")

    def _exact(self, lists: PackageLists, versions: Mapping[str, str]) -> Exact:
        exact = Pool(lists, self._fetcher, self._blobs).exact(versions)
        if exact.missing:
            reason = (
                f"{len(exact.missing)} of {len(versions)} toolchain packages are at the version asked for neither in "
                "a signed index nor in the pool"
            )
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=exact.missing)
        return exact

    def _extra(self, package: LockedPackage) -> Extra:
        paragraph = rootfs.control_of(package, self._blobs.path(package.sha256))
        return Extra(paragraph, package.path, package.size, package.sha256)

    def _lists(self, indexes: Iterable[SignedIndex]) -> PackageLists:
        indexes = tuple(indexes)
        try:
            return PackageLists.load(indexes, self._blobs)
        except deb822.Malformed as error:
            reason = f"a signed package list cannot be read: {error}"
            raise Stopped(Verdict.UNAVAILABLE, reason) from error

    def _record(
        self,
        suite: str,
        indexes: tuple[SignedIndex, ...],
        seed_packages: tuple[LockedPackage, ...],
        packages: Iterable[LockedPackage],
        origin: LockOrigin,
    ) -> ToolchainLock:
        """The lock of these packages: makes each root filesystem to learn its digest, and loads it."""
        ordered = tuple(sorted(packages, key=lambda package: package.package))
        draft = ToolchainLock(
            suite=suite,
            architecture=ARCHITECTURE,
            epoch=rows.epoch(indexes),
            origin=origin,
            indexes=indexes,
            seed=seed_packages,
            packages=ordered,
            # Stands in until the digests are known; never leaves this method.
            roots=tuple(LockedRoot(build=kind, sha256="0" * 64, size=0) for kind in rows.kinds(ordered)),
            fixups=fixups.needed(ordered),
        )
        self._fetcher.fetch_all((*draft.packages, *draft.seed))
        roots: list[LockedRoot] = []
        for kinds in rows.same_set(draft):
            made = self._made.find(draft, rows.of(draft, kinds[0]))
            if made is None or not self._engine.has_root(made.sha256):
                made = self._learn(draft, kinds[0])
            roots += [LockedRoot(build=kind, sha256=made.sha256, size=made.size) for kind in kinds]
        return draft.model_copy(update={"roots": tuple(sorted(roots, key=lambda root: root.build))})

    def _learn(self, draft: ToolchainLock, kind: BuildKind) -> Made:
        with self._spool() as spool:
            made = Made(self._make(draft, kind, spool), _size(spool))
            if not self._engine.has_root(made.sha256):
                self._engine.import_root(_rewound(spool), made.sha256)
        self._made.keep(draft, rows.of(draft, kind), made)
        return made

    # --- root filesystems ---------------------------------------------------------------------------

    def unsigned(self, lock: ToolchainLock) -> Unvouched:
        """As ``ports.Toolchains.unsigned``."""
        self._progress.stage("toolchain", "looking every package up in the signed lists")
        return self._vouched.unsigned(lock)

    def materialise(self, lock: ToolchainLock) -> tuple[RootImage, ...]:
        """Load the root filesystem of every kind into the engine; nothing is done for those it has that
        were made here from these very rows.

        ``Stopped(unavailable)`` lists every package that vanished. ``IntegrityError`` if the bytes are not
        the locked ones, with what is known about why.
        """
        wanted = rows.roots_by_kind(lock)
        for kinds in rows.same_set(lock):
            root = wanted[kinds[0]]
            known = self._made.find(lock, rows.of(lock, kinds[0]))
            if known is not None and known != Made(root.sha256, root.size):
                raise _other_root(root.sha256, f"{known.sha256} when they were made here before")
            if known is not None and self._engine.has_root(root.sha256):
                continue
            self._fetcher.fetch_all((*(package for package in lock.packages if kinds[0] in package.roots), *lock.seed))
            with self._spool() as spool:
                found = self._make(lock, kinds[0], spool)
                if (found, _size(spool)) != (root.sha256, root.size):
                    self._explain(lock, kinds[0], spool, found)
                if not self._engine.has_root(found):
                    self._engine.import_root(_rewound(spool), found)
            self._made.keep(lock, rows.of(lock, kinds[0]), Made(root.sha256, root.size))
        return tuple(
            RootImage(build=root.build, sha256=root.sha256, size=root.size, packages=len(rows.of(lock, root.build)))
            for root in lock.roots
        )

    def pack(self, lock: ToolchainLock) -> Iterator[bytes]:
        """A pack of that lock as a stream (`docs/formats/pack.md`), whatever is missing fetched first.

        ``Stopped(unavailable)`` lists every file that cannot be had.
        """
        self._fetcher.fetch_all((*lock.packages, *lock.seed))
        return pack.pack(lock, self._blobs)

    def _make(self, lock: ToolchainLock, kind: BuildKind, spool: BinaryIO) -> str:
        packages = rows.of(lock, kind)
        self._progress.stage("toolchain", f"mmdebstrap installs {len(packages)} packages")
        order = rootfs.Order(
            suite=lock.suite,
            epoch=lock.epoch,
            packages=packages,
            fixups=lock.fixups,
            seed_sha256=self._seeds.load(lock.seed, lock.epoch),
            run_id=RUN_ID,
        )
        return rootfs.make(self._engine, self._blobs, self._progress, order, spool)

    def _explain(self, lock: ToolchainLock, kind: BuildKind, spool: BinaryIO, found: str) -> None:
        """Raise ``IntegrityError``. The locked tar is not at hand, so a second one tells what varies."""
        root = rows.roots_by_kind(lock)[kind]
        expected = root.sha256
        if found == expected:
            msg = f"the lock says that the root filesystem {expected} has {root.size} bytes, it has {_size(spool)}"
            raise IntegrityError(msg, hint="the lock was changed; make a new one with --relock")
        with self._spool() as second:
            again = self._make(lock, kind, second)
            if again == expected or again != found:
                member = tardiff.first_difference(_rewound(spool), _rewound(second))
                msg = (
                    f"the locked packages do not give one root filesystem: {member} varies from run to run "
                    f"(expected sha256 {expected}, found {found} and then {again})"
                )
                raise IntegrityError(msg, hint="such a file needs a named fix-up; please report it with the lock")
        raise _other_root(expected, f"{found} twice")

    def _spool(self) -> BinaryIO:
        """A file without a name: whatever ends this process, nothing of it is left."""
        self._spools.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._spools)


def _other_root(expected: str, found: str) -> IntegrityError:
    msg = (
        f"the locked packages give another root filesystem than the lock says: expected sha256 {expected}, found "
        f"{found}. The lock was changed, or made by another version of this tool"
    )
    return IntegrityError(msg, hint="make a new lock with --relock; the page will say so")


def _rewound(spool: BinaryIO) -> BinaryIO:
    spool.seek(0)
    return spool


def _size(spool: BinaryIO) -> int:
    return spool.seek(0, 2)
