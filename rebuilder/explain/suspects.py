"""Which package of the toolchain to try in an older version first. Pure: facts in, an order out.

A published file was built with what the suite held on that day. A package that reached the suite later cannot have
been there. Of those, the ones come first that put the most into this very file: the version the file itself names,
then the headers that our own build's debug information lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from rebuilder.findings import ArtifactExplanation, Change, Drift

#: Packages that decide which bytes a compiler gives.
_TOOLS = re.compile(r"(?:gcc|g\+\+|cpp|clang|rustc|golang|binutils|lib(?:gcc|stdc\+\+)-[0-9]+-dev)(?:$|-)")
_UPDATE = re.compile(r"[+~]deb[0-9]+u[0-9]+")
#: Causes that another version of a package may be behind.
FROM_TOOLCHAIN = frozenset(
    {"build-id", "debuglink", "code-generation", "libc-startfiles", "compiler-version", "symbol-order", "debug-info"}
)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of the toolchain and what is known of its past."""

    name: str
    version: str
    #: The folder it lies in on the archive: packages of one source share it, and move together.
    source: str
    uploaded: datetime | None
    #: Older versions, newest first.
    older: tuple[str, ...]
    headers: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Packages of one source to be taken back to an older version, and why these."""

    cause: str
    packages: tuple[str, ...]
    version: str
    why: str

    @property
    def changes(self) -> tuple[Change, ...]:
        """The fix, as changes to the environment."""
        return tuple(
            Change(where="environment", target=f"package:{name}={self.version}", text=f"{name} {self.version}")
            for name in self.packages
        )


def suspects(
    explanation: ArtifactExplanation,
    packages: Sequence[Package],
    *,
    published: datetime,
    index: datetime,
    included: frozenset[str],
) -> tuple[Suspect, ...]:
    """Likeliest first. ``published``: when the file was made; ``index``: the date of the suite's index that the
    toolchain came from; ``included``: names of the headers that our own build read."""
    named = [suspect for one in explanation.drift if (suspect := _named(one, packages))]
    if not FROM_TOOLCHAIN & {cause.id for cause in explanation.causes}:
        return tuple(named)
    scored = []
    for package in packages:
        share = len(package.headers & included)
        tool = bool(_TOOLS.match(package.name))
        if package.older and (share or tool) and _is_younger(package, published, index):
            scored.append((-share, not tool, package))
    ranked = [_of(package, -share, packages) for share, _, package in sorted(scored, key=lambda one: one[:2])]
    return tuple(dict.fromkeys([*named, *ranked]))


def _named(drift: Drift, packages: Iterable[Package]) -> Suspect | None:
    """The file names the version it was made with."""
    for package in packages:
        if drift.package == package.name:
            fitting = [version for version in package.older if upstream(version) == drift.published]
            exact = [version for version in package.older if version == drift.published]
            if fitting or exact:
                why = f"the published file was made with {drift.tool} {drift.published}, ours with {drift.rebuilt}"
                return Suspect(
                    cause="toolchain-version",
                    packages=_siblings(package, packages),
                    version=(exact or fitting)[0],
                    why=why,
                )
    return None


def upstream(version: str) -> str:
    """``2:13.24.2-1+deb13u1`` is ``13.24.2``; of a native version what comes before an update's suffix."""
    return _UPDATE.split(version.partition(":")[2] or version)[0].rpartition("-")[0] or _UPDATE.split(version)[0]


def _is_younger(package: Package, published: datetime, index: datetime) -> bool:
    """Whether it reached the suite after the file was made: uploaded later, or an update that a later index brought."""
    if package.uploaded is not None and package.uploaded > published:
        return True
    return bool(_UPDATE.search(package.version)) and index > published


def _of(package: Package, share: int, packages: Iterable[Package]) -> Suspect:
    read = f"; our build read {share} of its headers" if share else ""
    why = f"{package.name} {package.version} reached the suite after the file was published{read}"
    return Suspect(
        cause="toolchain-version", packages=_siblings(package, packages), version=package.older[0], why=why
    )


def _siblings(package: Package, packages: Iterable[Package]) -> tuple[str, ...]:
    """The package and those built with it, which have to have its version; itself first."""
    same = [one.name for one in packages if (one.source, one.version) == (package.source, package.version)]
    return (package.name, *(name for name in sorted(same) if name != package.name))
