"""The ecosystem of packages on a store and repositories of its own, with an index in memory. No Docker, no network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rebuilder.endorse.packages import PackageEndorser
from rebuilder.endorse.trust import TrustStore
from rebuilder.errors import Stopped, UsageError
from rebuilder.fetch.archives import archive_tree
from rebuilder.fetch.repositories import GitRepositories
from rebuilder.model import FileDigest, Located, Verdict
from rebuilder.recipe import PackageRecipe
from rebuilder.releases import IndexFile, Release, System
from rebuilder.resolve.npm import Npm
from rebuilder.resolve.packages import Packages
from rebuilder.resolve.pypi import PyPI
from rebuilder.resolve.recipes import parse_recipe, render_recipe
from rebuilder.store.blobs import BlobStore
from tests.unit.project_cases import npm_cache


@dataclass
class Told:
    """A display that remembers."""

    lines: list[str] = field(default_factory=list)

    def stage(self, name: str, detail: str = "") -> None:
        """Not looked at."""

    def line(self, text: str) -> None:
        """One more."""
        self.lines.append(text)


@dataclass
class Index:
    """``Indexes``: releases in memory. What was fetched is counted."""

    blobs: BlobStore
    releases: dict[tuple[str, str], Release] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    def offer(self, system: System, name: str, version: str, **files: bytes) -> Release:
        """Files of a release, whose names have ``__`` for a dot in them nowhere: they are the keys as they are."""
        rows = tuple(
            IndexFile(name=file, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
            for file, body in files.items()
        )
        self.bodies |= {hashlib.sha256(body).hexdigest(): body for body in files.values()}
        answer = self.blobs.put([b"what the index said"], name="answer", limit=99)
        made = Release(system=system, name=name, version=version, files=rows, answer=answer)
        self.releases[(name, version)] = made
        return made

    def release(self, system: System, name: str, version: str = "") -> Release:
        """See the port."""
        found = self.releases.get((name, version))
        if found is None or found.system != system:
            msg = f"the index has no version {version} of {name}"
            raise UsageError(msg)
        return found

    def take(self, release: Release, names: Iterable[str]) -> tuple[FileDigest, ...]:
        """See the port."""
        known = {file.name: file.sha256 for file in release.files}
        return tuple(self._have(name, known[name]) for name in names)

    def fetch(self, files: Iterable[Located]) -> None:
        """See the port."""
        for file in files:
            self._have(file.name, file.sha256)

    def _have(self, name: str, sha256: str) -> FileDigest:
        if sha256 not in self.bodies:
            raise Stopped(Verdict.UNAVAILABLE, f"{name}: the index has no such file", missing=(name,))
        self.fetched.append(name)
        return self.blobs.put([self.bodies[sha256]], name=name, limit=10**8, expect=sha256)


class NoFetcher:
    """``Fetcher``: nothing is fetched from mirrors here."""

    def fetch(self, file: Located) -> FileDigest:
        """It cannot be had."""
        raise Stopped(Verdict.UNAVAILABLE, f"{file.name}: no mirror has it", missing=(file.name,))


def ecosystem(state: Path, index: Index | None = None, told: Told | None = None) -> Packages:
    """``Packages`` with the real store, the real Git and the real archives."""
    blobs, shown = BlobStore(state), told or Told()
    return Packages(
        kinds={"pypi": PyPI(), "npm": Npm()},
        indexes=index or Index(blobs),
        repositories=GitRepositories(state, blobs, shown),
        fetcher=NoFetcher(),  # type: ignore[arg-type]
        blobs=blobs,
        endorser=PackageEndorser(TrustStore(()), blobs),
        judge=lambda signed: (),
        archive_tree=archive_tree,
        carried=None,  # type: ignore[arg-type]
        npm_cache=npm_cache,  # type: ignore[arg-type]
        shim="# the shim",
        zlib_shim="# the shim of zlib",
        progress=shown,
        limits={"seconds": 77},
    )


def written(folder: Path, recipe: PackageRecipe) -> Path:
    """The recipe as a file, that reads back."""
    path = folder / "recipe.toml"
    path.write_text(render_recipe(recipe))
    assert parse_recipe(path.read_bytes(), str(path)) == recipe
    return path
