"""Exact versions of packages: from a signed list, or from the pool, where old ones may still lie.

What comes from the pool is known by name and version only, not by a signed digest; its row in the lock
says so (``signed = false``), and from then on its sha256 binds it like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rebuilder.lock import LockedPackage
from rebuilder.model import FileDigest
from rebuilder.ports import Blobs, Fetcher
from rebuilder.toolchain import deb
from rebuilder.toolchain.index import Entry, PackageLists

_MAX_PACKAGE_BYTES = 2 * 1024**3
_PARALLEL = 8


@dataclass(frozen=True)
class Exact:
    """Packages found by exact version, and those that could not be had."""

    signed: dict[str, Entry]
    from_pool: tuple[LockedPackage, ...]
    #: ``name version`` of each that is in no signed list and not in the pool either.
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    """Looks for exact versions."""

    lists: PackageLists
    fetcher: Fetcher
    blobs: Blobs

    def exact(self, versions: Mapping[str, str]) -> Exact:
        """Each name at its version. Old ones are asked for in parallel and fetched into the blobs."""
        entries = self.lists.find(versions)
        signed: dict[str, Entry] = {}
        for name, version in versions.items():
            entry = next((entry for entry in entries[name] if entry.version == version), None)
            if entry is not None:
                signed[name] = entry
        rest = [(name, version, entries[name]) for name, version in versions.items() if name not in signed]
        with ThreadPoolExecutor(_PARALLEL) as threads:
            found = list(threads.map(lambda item: self._from_pool(*item), rest))
        missing = (item for item, package in zip(rest, found, strict=True) if not package)
        return Exact(
            signed=signed,
            from_pool=tuple(package for package in found if package),
            missing=tuple(f"{name} {version}" for name, version, _ in missing),
        )

    def _from_pool(self, name: str, version: str, entries: list[Entry]) -> LockedPackage | None:
        def meant(file: FileDigest) -> bool:
            return bool(self._architecture(file, name, version))

        for archive, path in self._places(name, version, entries):
            file = self.fetcher.discover(archive, path, limit=_MAX_PACKAGE_BYTES, accept=meant)
            if file:
                architecture = self._architecture(file, name, version)
                return LockedPackage(
                    name=path.rpartition("/")[2], sha256=file.sha256, size=file.size, archive=archive, path=path,
                    package=name, version=version, architecture=architecture, why="dependency", roots=(), signed=False,
                )  # fmt: skip
        return None

    def _places(self, name: str, version: str, entries: list[Entry]) -> Iterator[tuple[str, str]]:
        """Where it would lie: beside today's version of it, else where a source of that name would be."""
        folders = dict.fromkeys((entry.index.archive, _folder(entry)) for entry in entries)
        if not folders:
            source = f"pool/main/{name[:4] if name.startswith('lib') else name[0]}/{name}"
            folders = dict.fromkeys((packages.index.archive, source) for packages in self.lists.lists)
        architectures = tuple(dict.fromkeys([*(e.fields["Architecture"] for e in entries), "amd64", "all"]))
        for archive, folder in folders:
            for architecture in architectures:
                # An epoch never stands in a file name of the pool.
                yield archive, f"{folder}/{name}_{version.partition(':')[2] or version}_{architecture}.deb"

    def _architecture(self, file: FileDigest, name: str, version: str) -> str:
        """Its architecture, if the file is the package it was taken for."""
        try:
            fields = deb.control_fields(self.blobs.path(file.sha256))
        except deb.Malformed:
            return ""
        found = fields.get("Architecture", "")
        same = (fields.get("Package"), fields.get("Version")) == (name, version)
        return found if same and found in {"amd64", "all"} else ""


def _folder(entry: Entry) -> str:
    return entry.fields["Filename"].removeprefix("./").rpartition("/")[0]
