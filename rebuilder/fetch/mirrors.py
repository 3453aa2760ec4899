"""Where archives are mirrored: from ``rebuilder.toml``, else from the host's own apt or debootstrap.

No host name stands in this code: a mirror is the operator's choice and never part of a record.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from threading import Lock

from rebuilder.errors import UsageError

DEBIAN = "debian"
SECURITY = "debian-security"
#: Where debootstrap keeps its default for Debian's suites: the suite's own script, else the program itself.
DEBOOTSTRAP = (Path("/usr/share/debootstrap/scripts/sid"), Path("/usr/sbin/debootstrap"))
_DEFAULT_MIRROR = re.compile(
    r"^\s*(?:default_mirror |DEF_MIRROR=)[\"']?(https?://[^\s\"']+/debian)/?[\"']?\s*$", re.MULTILINE
)
OS_RELEASE = Path("/etc/os-release")


def mirrors(archive: str, configured: dict[str, tuple[str, ...]]) -> tuple[tuple[str, ...], str]:
    """Base URLs of an archive, in the order to try, and where that choice comes from.

    Raises ``UsageError`` if nobody names a mirror for it.
    """
    if configured.get(archive):
        return configured[archive], "rebuilder.toml"
    for found, origin in ((_from_apt(), "the host's apt"), (_from_debootstrap(), "the host's debootstrap")):
        if found.get(archive):
            return found[archive], origin
    msg = f"expected a mirror of the archive {archive!r}; neither rebuilder.toml nor this host's apt names one"
    raise UsageError(msg, hint=f'write into rebuilder.toml:  [archives]\n{archive} = ["http://<a mirror>/{archive}"]')


class HostMirrors:
    """Mirrors by archive, each looked up when it is first needed: apt takes a second to answer, and a run
    that has everything at hand needs none."""

    def __init__(self, configured: dict[str, tuple[str, ...]]) -> None:
        self._configured = configured
        self._known: dict[str, tuple[str, ...]] = {}
        self._one_at_a_time = Lock()

    def get(self, archive: str, default: tuple[str, ...], /) -> tuple[str, ...]:
        """Base URLs of an archive in the order to try; ``default`` if nobody names one."""
        with self._one_at_a_time:
            if archive not in self._known:
                try:
                    self._known[archive] = mirrors(archive, self._configured)[0]
                except UsageError:
                    self._known[archive] = ()
            return self._known[archive] or default


def _from_apt() -> dict[str, tuple[str, ...]]:
    """Mirrors named in apt's sources, if this host runs Debian (other systems' archives are not ours).

    A host may also have sources of other publishers, whose indexes must not be taken for Debian's: what
    apt has fetched says whose it is; where it has fetched nothing yet, the address has to.
    """
    if shutil.which("apt-get") is None or not _is_debian():
        return {}
    labels = {("Debian", "Debian"): DEBIAN, ("Debian", "Debian-Security"): SECURITY}
    found = [(labels.get((origin, label)), uri) for uri, origin, label in _apt_sources("$(ORIGIN)", "$(LABEL)")]
    if not any(name for name, _ in found):
        rows = _apt_sources("$(COMPONENT)", "$(RELEASE)", "--no-release-info")
        found = [(uri.rpartition("/")[2], uri) for uri, component, _ in rows if component == "main"]
    main = tuple(dict.fromkeys(uri for name, uri in found if name == DEBIAN))
    security = tuple(dict.fromkeys(uri for name, uri in found if name == SECURITY))
    return {DEBIAN: main, SECURITY: security or tuple(f"{uri}-security" for uri in main)}


def _apt_sources(first: str, second: str, *options: str) -> list[tuple[str, str, str]]:
    """The base URL of each package list that apt knows, with two of its properties."""
    result = subprocess.run(
        ["apt-get", "indextargets", *options, "--format", f"$(REPO_URI) {first} {second}", "Identifier: Packages"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    rows = [line.split(" ", 2) for line in result.stdout.splitlines() if line.startswith("http")]
    return [(row[0].rstrip("/"), row[1], row[2]) for row in rows if len(row) == 3]


def _from_debootstrap() -> dict[str, tuple[str, ...]]:
    """debootstrap ships the mirror its own distribution recommends; the security archive is its neighbour."""
    for script in DEBOOTSTRAP:
        if not script.is_file():
            continue
        text = script.read_text(encoding="utf-8", errors="replace")
        # A derivative's default serves its own archive; Debian's ends in the archive's name.
        found = _DEFAULT_MIRROR.search(text)
        if found is not None:
            return {DEBIAN: (found.group(1),), SECURITY: (f"{found.group(1)}-security",)}
    return {}


def _is_debian() -> bool:
    return _os_release().get("ID") == "debian"


def _os_release() -> dict[str, str]:
    try:
        lines = OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}
