"""Toolchain locks: what the program records about a build environment (`docs/formats/toolchain-lock.md`).

Materialising a lock gives the same root filesystem, bit for bit, on any host.
"""

from __future__ import annotations

import json
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from rebuilder.model import BuildKind, FileDigest, FileName, Located, Sha256, SignedIndex, Value

#: v2 is v1 and language packages; a lock without any is v1, byte for byte.
V1: Final = "rebuilder/toolchain-lock/v1"
V2: Final = "rebuilder/toolchain-lock/v2"
_NAME = r"^(?:@[A-Za-z0-9_~][A-Za-z0-9._~-]*/)?[A-Za-z0-9_~][A-Za-z0-9._~-]*$"


class LockedPackage(Located):
    """One Debian package, exactly."""

    package: str
    version: str
    architecture: str
    #: Why it is there: ``essential``, ``required``, ``build-essential``, ``build-dependency``, ``dependency``.
    why: str
    #: Which root filesystems hold it.
    roots: tuple[BuildKind, ...]
    #: A signed index vouches for this digest; else it came from the pool by name and version.
    signed: bool = True


class LockedRoot(Value):
    """The root filesystem that this lock gives for one kind of build."""

    build: BuildKind
    sha256: Sha256
    size: int = Field(ge=0)


class Fixup(Value):
    """A file whose bytes vary between runs of the package tools, and what is done about it."""

    path: str
    action: str
    reason: str


class LanguagePackage(Value):
    """One package of a language's own index, exactly: a wheel, or an npm tarball. Which index serves it is the host's
    own business and never part of a lock."""

    system: Literal["pypi", "npm"]
    #: As the index writes it, and for PyPI normalised (PEP 503); it can be no option and no path.
    name: Annotated[str, StringConstraints(max_length=214, pattern=_NAME)]
    version: Annotated[str, StringConstraints(max_length=256, pattern=r"^[0-9A-Za-z][0-9A-Za-z.+!_-]*$")]
    file: FileName
    sha256: Sha256
    size: int = Field(ge=0)
    #: npm: ``sha512-<base64>``, which its cache is asked by; empty for PyPI.
    integrity: Annotated[str, StringConstraints(pattern=r"^(?:sha512-[A-Za-z0-9+/]{86}==)?$")] = ""

    @model_validator(mode="after")
    def _has_what_its_system_asks_for(self) -> Self:
        if (self.system == "npm") != bool(self.integrity):
            msg = f"expected an integrity for npm and for nothing else, found {self.integrity!r} for {self.system}"
            raise ValueError(msg)
        return self


class ToolchainLock(Value):
    """One ``toolchain.lock.json``."""

    format: Literal["rebuilder/toolchain-lock/v1", "rebuilder/toolchain-lock/v2"] = V1
    suite: str
    architecture: str
    #: SOURCE_DATE_EPOCH while materialising: the date of the newest index.
    epoch: int
    origin: Literal["suite", "buildinfo", "manual"]
    #: sha256 of the `.buildinfo` it was read from, with ``origin = "buildinfo"``.
    buildinfo_sha256: Sha256 | None = None
    indexes: tuple[SignedIndex, ...]
    #: The packages that make up the container in which mmdebstrap runs: part of what decides the bytes.
    seed: tuple[LockedPackage, ...]
    packages: tuple[LockedPackage, ...]
    roots: tuple[LockedRoot, ...] = Field(min_length=1)
    fixups: tuple[Fixup, ...] = ()
    #: Fetched before the network goes off, and installed by the build itself; v2 only.
    languages: tuple[LanguagePackage, ...] = ()

    @model_validator(mode="after")
    def _format_tells_of_languages(self) -> Self:
        if (self.format == V2) != bool(self.languages):
            msg = f"expected languages in {V2} and only there, found {len(self.languages)} in {self.format}"
            raise ValueError(msg)
        return self

    @property
    def language_files(self) -> tuple[FileDigest, ...]:
        """The files of its language packages."""
        return tuple(FileDigest(name=one.file, sha256=one.sha256, size=one.size) for one in self.languages)

    def with_languages(self, packages: tuple[LanguagePackage, ...]) -> ToolchainLock:
        """The same lock with exactly these language packages, ordered, and the format that holds them."""
        ordered = tuple(sorted(set(packages), key=lambda package: (package.system, package.name, package.version)))
        return self.model_copy(update={"format": V2 if ordered else V1, "languages": ordered})


def to_bytes(lock: ToolchainLock) -> bytes:
    """The one way a lock is written: sorted keys, one space of indent, a newline at the end."""
    data = lock.model_dump(mode="json", exclude=None if lock.languages else {"languages"})
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
