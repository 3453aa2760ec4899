"""The `Packages` lists of signed indexes, looked up by package name. Pure, apart from reading blobs.

The lists were verified by the resolver and lie in the blobs by digest; a paragraph found here is
therefore what the archive signed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rebuilder import deb822
from rebuilder.errors import InfrastructureError
from rebuilder.lock import LockedPackage
from rebuilder.model import BuildKind, FileDigest, SignedIndex
from rebuilder.ports import Blobs

if TYPE_CHECKING:
    from debian.debian_support import Version

MAX_LIST_BYTES = 1024**3
_PACKAGES = re.compile(r"Packages(\.xz|\.gz)?$")
_FOREIGN = re.compile(r"binary-(?!(?:amd64|all)(?:[_/]|$))")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,254}\Z")
_SUITE = re.compile(r"[a-z][a-z0-9.+-]{0,63}\Z")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~-]{0,254}\Z")


@dataclass(frozen=True)
class PackageList:
    """One `Packages` list, unpacked, and the index that signs it."""

    index: SignedIndex
    text: bytes


@dataclass(frozen=True)
class Entry:
    """One package of a signed list."""

    index: SignedIndex
    fields: dict[str, str]

    @property
    def version(self) -> str:
        """Its version, epoch and all."""
        return self.fields.get("Version", "")

    def locked(self, why: str, roots: tuple[BuildKind, ...]) -> LockedPackage:
        """This entry as a row of a lock. Raises ``ValueError`` for fields a lock cannot hold."""
        path = self.fields["Filename"].removeprefix("./")
        if not deb822.safe_path(path):
            msg = f"expected a path inside the archive, found {path[:200]!r}"
            raise ValueError(msg)
        return LockedPackage(
            name=path.rpartition("/")[2],
            sha256=self.fields["SHA256"],
            size=int(self.fields["Size"]),
            archive=self.index.archive,
            path=path,
            package=package_name(self.fields["Package"]),
            version=package_version(self.version),
            architecture=package_architecture(self.fields["Architecture"]),
            why=why,
            roots=roots,
        )


class PackageLists:
    """Every `Packages` list of some signed indexes."""

    def __init__(self, lists: Iterable[PackageList]) -> None:
        self.lists = tuple(lists)

    @classmethod
    def load(cls, indexes: Iterable[SignedIndex], blobs: Blobs) -> PackageLists:
        """Read and unpack the lists that are for amd64 or all. ``InfrastructureError`` if there is none."""
        lists = [
            PackageList(index, _unpack(blobs, file))
            for index in indexes
            for file in index.lists
            if _PACKAGES.search(file.name) and not _FOREIGN.search(file.name)
        ]
        if not lists:
            msg = "expected at least one signed 'Packages' list to take a toolchain from, found none"
            raise InfrastructureError(msg, hint="the recipe's indexes must include the suite's binary packages")
        return cls(lists)

    def find(self, names: Collection[str]) -> dict[str, list[Entry]]:
        """Every entry of each name, newest version first, then in the order of the indexes."""
        found: dict[str, list[Entry]] = {name: [] for name in names}
        for entry in self._find("Package", names):
            found[entry.fields["Package"]].append(entry)
        for entries in found.values():
            entries.sort(key=lambda entry: _order(entry.version), reverse=True)
        return found

    def base(self) -> dict[str, str]:
        """Names of all essential and required packages, and which of the two each is."""
        names: dict[str, str] = {}
        for packages in self.lists:
            for paragraph in deb822.paragraphs(packages.text):
                essential = b"\nEssential: yes\n" in paragraph + b"\n"
                if essential or b"\nPriority: required\n" in paragraph + b"\n":
                    name = deb822.fields(paragraph)["Package"]
                    if essential or name not in names:
                        names[name] = "essential" if essential else "required"
        return names

    def _find(self, field: str, names: Collection[str]) -> Iterator[Entry]:
        for packages in self.lists:
            for fields in deb822.find(packages.text, field, names):
                if {"Package", "Version", "Architecture", "Filename", "Size", "SHA256"} <= fields.keys():
                    yield Entry(packages.index, fields)


def package_name(name: str) -> str:
    """``name`` if Debian Policy 5.6.7 allows it; ``ValueError`` otherwise."""
    if not _NAME.match(name):
        msg = f"expected the name of a Debian package, found {name[:80]!r}"
        raise ValueError(msg)
    return name


def package_version(version: str) -> str:
    """``version`` if Debian Policy 5.6.12 allows it; ``ValueError`` otherwise."""
    if not _VERSION.match(version):
        msg = f"expected the version of a Debian package, found {version[:80]!r}"
        raise ValueError(msg)
    return version


def package_architecture(architecture: str) -> str:
    """``architecture`` if packages of it can be used here; ``ValueError`` otherwise."""
    if architecture not in {"amd64", "all"}:
        msg = f"expected a package for amd64 or all, found {architecture[:80]!r}"
        raise ValueError(msg)
    return architecture


def suite_name(suite: str) -> str:
    """``suite`` if it can stand in a sources list; ``ValueError`` otherwise."""
    if not _SUITE.match(suite):
        msg = f"expected the name of a suite, found {suite[:80]!r}"
        raise ValueError(msg)
    return suite


def _order(version: str) -> Version:
    from debian.debian_support import Version

    return Version(version)


def _unpack(blobs: Blobs, file: FileDigest) -> bytes:
    try:
        return deb822.decompress(blobs.read(file.sha256, limit=MAX_LIST_BYTES), file.name, MAX_LIST_BYTES)
    except KeyError:
        msg = f"the signed list {file.name} (sha256 {file.sha256}) is not in the store"
        raise InfrastructureError(msg, hint="run the same again with the network on; it will be fetched anew") from None
