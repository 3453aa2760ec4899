"""Upstream's own release archive, as a Debian source package carries it (`*.orig.tar.*`).

The digest is in the signed `Sources` list of a suite, so that what was fetched is what the archive published. For many
packages that archive is the snapshot of a tag that the host of the code made; which it is, nobody says in the index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from rebuilder import deb822
from rebuilder.errors import UsageError
from rebuilder.model import Located, utc
from rebuilder.resolve.debian_indexes import SuiteIndexes, unreadable
from rebuilder.resolve.debian_lists import Lists, source_files, source_paragraph
from rebuilder.resolve.debian_suites import DebianSettings
from rebuilder.resolve.debian_target import SOURCE, Target, parse_target

if TYPE_CHECKING:
    from rebuilder.ports import Fetcher, Progress
    from rebuilder.releases import System

#: What is written behind a version whose archive Debian made anew, without some of upstream's files.
_REPACKED = re.compile(r"[+~.-]?(?:dfsg|ds|repack)[0-9.]*\Z")
#: Where other projects' archives come along (`1.2.3+~4.5.6`, `1.2.3+~cs7.8`), the first version is upstream's own.
_TOGETHER = "+~"
_EPOCH = re.compile(r"\A[0-9]+:")
_SUFFIXES = (".tar.gz", ".tar.xz", ".tar.bz2")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """An upstream archive: which source package of which suite carries it, and what is known of it."""

    file: Located
    #: Name and version of the source package, and upstream's version as Debian writes it.
    name: str
    version: str
    release: str
    evidence: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UpstreamArchives:
    """Upstream archives by the purl of the source package that carries them."""

    indexes: SuiteIndexes
    settings: DebianSettings
    fetcher: Fetcher
    progress: Progress

    def __call__(self, purl: str, *, system: System, version: str) -> Upstream:
        """The archive of that version, in the blobs by now. ``UsageError`` for a purl that names no such source
        package, or one of another version; ``Stopped(unavailable)`` where no mirror has its file."""
        target = parse_target(purl, self.settings)
        self.progress.stage("resolve", f"source {target.name} in {target.suite}")
        indexes = self.indexes.today(target.suite, sources=True)
        own = indexes[0]
        try:
            found = pick(target, self.indexes.lists(indexes), f"{own.name} of {utc(own.signed.date)}")
        except deb822.Malformed as error:
            raise unreadable(own, error) from error
        require_version(found, system, version)
        self.fetcher.fetch(found.file)
        return found


def pick(target: Target, lists: Lists, index: str) -> Upstream:
    """The archive of a source package. ``index`` says which signed index the lists are of.

    ``UsageError`` if there is no such source, or it carries none that is upstream's; raises ``deb822.Malformed``.
    """
    source = source_paragraph(replace(target, architecture=SOURCE), lists)
    name, version = source["Package"], source["Version"]
    release = upstream_version(version)
    files = source_files(source, lists.archive)
    wanted = {f"{name}_{release}.orig{suffix}" for suffix in _SUFFIXES}
    found = next((file for file in files if file.name in wanted), None)
    if found is None:
        names = ", ".join(file.name for file in files[1:]) or "nothing"
        what = f"source {name} {version} of {lists.suite}"
        msg = f"expected {what} to have an upstream archive (.orig.tar.*), found {names}"
        raise UsageError(msg, hint="Debian is itself the upstream of such a source: name its repository")
    if _REPACKED.search(_first(release)):
        msg = f"expected upstream's own archive, found that Debian made the one of {name} {version} anew, without files"
        raise UsageError(msg, hint="name the repository itself, or another suite that has the archive as it was")
    others = ", ".join(file.name for file in files if ".orig-" in file.name and not file.name.endswith(".asc"))
    return Upstream(
        file=found,
        name=name,
        version=version,
        release=release,
        evidence=f"Debian's source package {name} {version} carries this upstream tarball; its digest is in the signed "
        f"index of {index}",
        notes=(f"not looked at, for it is of other projects that {name} carries: {others}",) if others else (),
    )


def upstream_version(version: str) -> str:
    """Upstream's part of a Debian version (deb-version(7)): without epoch and revision; empty for a version without a
    revision, which is one of Debian's own."""
    return _EPOCH.sub("", version).rpartition("-")[0]


def require_version(found: Upstream, system: System, version: str) -> None:
    """``UsageError`` unless that is the version of the release."""
    if not _same(_first(found.release), system, version):
        msg = (
            f"expected the upstream archive of version {version}, found that of {found.release} in Debian's source "
            f"package {found.name} {found.version}"
        )
        raise UsageError(msg, hint="another suite may have that version; or verify the version that this one has")


def _first(release: str) -> str:
    return release.partition(_TOGETHER)[0]


def _same(release: str, system: System, version: str) -> bool:
    """A tilde makes a version sort before the one without it: `1.0~rc1` is `1.0rc1`, or `1.0-rc.1` for npm."""
    if system == "npm":
        return release.replace("~", "-") == version
    try:
        return Version(release.replace("~", "")) == Version(version)
    except InvalidVersion:
        return False
