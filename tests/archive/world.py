"""The specimens' archive, put together; and a small world around it in which the product's own command runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.archive.archive import Archive
from tests.archive.keys import ArchiveKey
from tests.archive.publisher import PublishedBuild, Publisher
from tests.archive.server import Mirror
from tests.archive.specimens import Specimen
from tests.archive.toolchain import RealPackages

SUITE = "specimens"
#: The name the product's seed and diffoscope are taken from, so that nothing here comes from a live mirror.
BASE_SUITE = "trixie"
ARCHIVE = "specimens"
BASE_ARCHIVE = "specimens-base"
ANCHOR = "specimens"
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Archives:
    """Two archives: the specimens, which tests change, and the real toolchain, which they mostly do not."""

    specimens: Archive
    base: Archive
    key: ArchiveKey
    developer: ArchiveKey
    publisher: Publisher

    def copy(self, folder: Path) -> Archives:
        """A copy to change. The toolchain's archive is shared."""
        return Archives(self.specimens.copy(folder), self.base, self.key, self.developer, self.publisher)

    def add(self, specimens: Iterable[Specimen], *, buildinfo: bool = True) -> Archives:
        """List more specimens; ``publish`` has still to be called."""
        specimens = list(specimens)
        built = self.publisher.build(order for specimen in specimens for order in specimen.orders)
        folder = self.specimens.root / "incoming"
        for specimen in specimens:
            self.specimens.add_source(SUITE, specimen.source.write(folder, sign=self.developer.clear_sign))
            for order in specimen.orders:
                self._add_build(built[order.key], buildinfo=buildinfo)
        return self

    def tamper(self, package: str, data: bytes) -> Archives:
        """Publish other bytes for a package, as an archive that lies would: signed index and `.buildinfo` agree."""
        stanza = self.specimens.binary(package)
        old = (self.specimens.root / stanza["Filename"]).read_bytes()
        if "Buildinfo-Filename" in stanza:
            info = (self.specimens.root / stanza["Buildinfo-Filename"]).read_text()
            for kind in ("md5", "sha1", "sha256"):
                was, now = hashlib.new(kind, old).hexdigest(), hashlib.new(kind, data).hexdigest()
                info = info.replace(f"{was} {len(old)} ", f"{now} {len(data)} ")
            self.specimens.replace(stanza["Buildinfo-Filename"], info.encode())
        self.specimens.replace(stanza["Filename"], data)
        self.specimens.publish()
        return self

    def _add_build(self, build: PublishedBuild, *, buildinfo: bool) -> None:
        for deb in build.debs:
            self.specimens.add_binary(SUITE, deb, buildinfo=build.buildinfo if buildinfo else None)


def make_base(folder: Path, real: RealPackages, key: ArchiveKey) -> Archive:
    """The toolchain's archive: real packages under a signature of ours, dated as the index they came from."""
    base = Archive(folder)
    base.suite(BASE_SUITE, key=key, date=real.date)
    for stanza in real.stanzas:
        base.add_real(BASE_SUITE, stanza, real.file(stanza))
    return base.publish()


def make_archives(folder: Path, cache: Path, real: RealPackages, specimens: Iterable[Specimen]) -> Archives:
    """Both archives below ``folder``, signed. Slow only where ``cache`` lacks something."""
    key = ArchiveKey.generate("specimens-archive")
    base = make_base(folder / "base", real, key)
    publisher = Publisher(cache / "publisher", base.root, BASE_SUITE, real)
    archive = Archive(folder / "specimens")
    archive.suite(SUITE, key=key, date=datetime(2026, 9, 20, 12, tzinfo=UTC))
    archives = Archives(archive, base, key, ArchiveKey.generate("specimens-developer"), publisher)
    archives.add(specimens)
    archive.publish()
    return archives


@dataclass(frozen=True)
class Outcome:
    """What one run of the command gave."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it said."""
        return self.out + self.err

    @property
    def json(self) -> dict[str, object]:
        """Its standard output, read as one JSON value."""
        return dict(json.loads(self.out))


class World:
    """A folder with a `rebuilder.toml`, a trust store and a state, for mirrors of the archives."""

    def __init__(self, folder: Path, archives: Archives, *, state: Path | None = None) -> None:
        self.folder = folder
        self.archives = archives
        self.state = state or folder / "state"
        self.mirrors: list[Mirror] = []
        self.base_mirrors: list[Mirror] = []
        self.buildinfo = True
        self.limits: dict[str, float] = {}
        (folder / "trust").mkdir(parents=True, exist_ok=True)
        self.pin(archives.key)

    def pin(self, key: ArchiveKey) -> None:
        """Trust this key, and no other, for both archives."""
        (self.folder / "trust" / f"{ANCHOR}.asc").write_bytes(key.certificate)
        (self.folder / "trust" / f"{ANCHOR}.toml").write_text(
            f'format = "rebuilder/trust-anchor/v1"\nname = "{ANCHOR}"\nkind = "openpgp"\nkeys = "{ANCHOR}.asc"\n'
            f'[[pins]]\nfingerprint = "{key.fingerprint}"\nwhy = "made by this test"\n'
        )

    def serve(self, *, mirrors: int = 1) -> Mirror:
        """Open mirrors of the specimens and of the toolchain; the first one of the specimens."""
        for _ in range(mirrors):
            self.mirrors.append(Mirror(self.archives.specimens.root).__enter__())
        self.base_mirrors.append(Mirror(self.archives.base.root).__enter__())
        self.configure()
        return self.mirrors[0]

    def close(self) -> None:
        """Close every mirror."""
        for mirror in (*self.mirrors, *self.base_mirrors):
            mirror.close()

    def configure(self) -> None:
        """Write `rebuilder.toml` anew."""
        urls = json.dumps([mirror.url for mirror in self.mirrors])
        base_urls = json.dumps([mirror.url for mirror in self.base_mirrors])
        limits = "".join(f"{name} = {value}\n" for name, value in self.limits.items())
        (self.folder / "rebuilder.toml").write_text(
            f'state = "{self.state}"\ntrust = ["trust"]\nmaintainer_keyrings = ["developers.asc"]\n'
            f"diffoscope_seconds = 60\n"
            f"[archives]\n{ARCHIVE} = {urls}\n{BASE_ARCHIVE} = {base_urls}\n"
            f'[suites.{SUITE}]\narchive = "{ARCHIVE}"\nanchor = "{ANCHOR}"\nbase = ["{BASE_SUITE}"]\n'
            f"buildinfo = {str(self.buildinfo).lower()}\n"
            f'[suites.{BASE_SUITE}]\narchive = "{BASE_ARCHIVE}"\nanchor = "{ANCHOR}"\n'
            f"[limits]\n{limits}"
        )
        (self.folder / "developers.asc").write_bytes(self.archives.developer.certificate)

    def command(self, *arguments: str) -> list[str]:
        """The argv of one run of the command."""
        return [sys.executable, "-c", "from rebuilder.cli import main; main()", *arguments]

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Its environment: the host's, without anything that would redirect its state."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REBUILDER_")}
        own = {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "120", "REBUILDER_CONFIG": str(self.folder / "rebuilder.toml")}
        return {**kept, **own, **extra}

    def run(self, *arguments: str, timeout: float = 300, **environment: str) -> Outcome:
        """Run the command in this world's folder."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment(environment), stdin=subprocess.DEVNULL,
            capture_output=True, timeout=timeout, check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    @staticmethod
    def purl(package: str, version: str = "") -> str:
        """The package URL of a binary package of the specimens' suite."""
        return f"pkg:deb/debian/{package}{f'@{version}' if version else ''}?distro={SUITE}"
