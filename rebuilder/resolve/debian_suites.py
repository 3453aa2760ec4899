"""Which Debian suites are known, where their indexes lie, and who has to sign them. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rebuilder.model import Limits

#: Name of the shipped anchor that holds the fingerprints of Debian's archive keys.
ANCHOR = "debian-archive"


@dataclass(frozen=True, kw_only=True)
class SuiteSpec:
    """One suite: `dists/<name>/InRelease` of an archive."""

    archive: str
    anchor: str = ANCHOR
    #: Suites whose packages its builds may use too, besides its own.
    base: tuple[str, ...] = ()
    #: Folders below `dists/<name>/`. The security archive says `updates/main` in its InRelease but means `main`.
    components: tuple[str, ...] = ("main",)
    #: A paragraph of `Packages` names a `.buildinfo` (`Buildinfo-Filename`, `-Size`, `-Sha256`), see debian_buildinfo.
    buildinfo: bool = False


#: The suites that are known without any configuration.
SUITES: Mapping[str, SuiteSpec] = MappingProxyType(
    {
        "bookworm": SuiteSpec(archive="debian"),
        "bookworm-updates": SuiteSpec(archive="debian", base=("bookworm",)),
        "bookworm-security": SuiteSpec(archive="debian-security", base=("bookworm",)),
        "trixie": SuiteSpec(archive="debian"),
        "trixie-updates": SuiteSpec(archive="debian", base=("trixie",)),
        "trixie-security": SuiteSpec(archive="debian-security", base=("trixie",)),
    }
)


@dataclass(frozen=True, kw_only=True)
class DebianSettings:
    """What the operator chose; everything else comes from the target."""

    suites: Mapping[str, SuiteSpec] = field(default_factory=lambda: SUITES)
    parallel: int = 2
    architecture: str = "amd64"
    limits: Limits = field(default_factory=Limits)
