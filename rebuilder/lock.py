"""Toolchain locks: what the program records about a build environment (`docs/formats/toolchain-lock.md`).

Materialising a lock gives the same root filesystem, bit for bit, on any host.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field

from rebuilder.model import BuildKind, Located, Sha256, SignedIndex, Value


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


class ToolchainLock(Value):
    """One ``toolchain.lock.json``."""

    format: Literal["rebuilder/toolchain-lock/v1"] = "rebuilder/toolchain-lock/v1"
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


def to_bytes(lock: ToolchainLock) -> bytes:
    """The one way a lock is written: sorted keys, one space of indent, a newline at the end."""
    data = lock.model_dump(mode="json")
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
