"""A small signed archive in a folder, and the resolver on it: real files, keys and signatures, no sockets."""

from __future__ import annotations

import atexit
import gzip
import hashlib
import io
import lzma
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from debian.deb822 import Deb822

from rebuilder.endorse.debian import DebianEndorser
from rebuilder.errors import Stopped
from rebuilder.model import FileDigest, Located, Verdict
from rebuilder.resolve.debian import Debian
from rebuilder.resolve.debian_suites import DebianSettings, SuiteSpec
from rebuilder.store.blobs import BlobStore
from tests.archive.archive import Archive
from tests.archive.keys import ArchiveKey
from tests.archive.sources import Binary, SourcePackage, rebuild_entry
from tests.unit.endorse_cases import trust_store

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DATED = datetime(2026, 9, 20, 12, tzinfo=UTC)
KEY = ArchiveKey.generate("resolve-archive")
DEVELOPER = ArchiveKey.generate("resolve-developer")
SUITE = "specimens"
BASE = "base"

PAIR = SourcePackage(
    name="pair", version="1:2.0", binaries=(Binary("pair"), Binary("pair-doc", "all")), build_depends="make"
)
SINGLE = SourcePackage(name="single")
REBUILT = SourcePackage(name="rebuilt", binaries=(Binary("rebuilt"), Binary("rebuilt-data", "all")))


class FolderFetcher:
    """The ``Fetcher`` port on folders. Keeps its promises: checked by digest, ``unavailable`` if not there."""

    def __init__(self, roots: Mapping[str, Path], blobs: BlobStore) -> None:
        self.roots = dict(roots)
        self.asked: list[str] = []
        self._blobs = blobs

    def get(self, archive: str, path: str, *, limit: int, check: Callable[[bytes], object] | None = None) -> bytes:
        self.asked.append(path)
        place = self.roots.get(archive, Path("/nonexistent")) / path
        if not place.is_file():
            raise Stopped(Verdict.UNAVAILABLE, f"{archive}:{path} could not be had", missing=(path,))
        data = place.read_bytes()
        assert len(data) <= limit
        if check is not None:
            check(data)
        return data

    def fetch(self, file: Located) -> FileDigest:
        if not self._blobs.has(file.sha256):
            data = self.get(file.archive, file.path, limit=1024**3)
            if hashlib.sha256(data).hexdigest() != file.sha256:
                raise Stopped(Verdict.UNAVAILABLE, f"{file.path}: a mirror gave wrong bytes", missing=(file.path,))
            self._blobs.put([data], name=file.name, limit=file.size)
        return FileDigest(name=file.name, sha256=file.sha256, size=file.size)

    def fetch_all(self, files: Iterable[Located]) -> None:
        for file in files:
            self.fetch(file)

    def discover(
        self, archive: str, path: str, *, limit: int, accept: Callable[[FileDigest], bool] | None = None
    ) -> FileDigest | None:
        raise AssertionError(path)


@dataclass
class FixedClock:
    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


class Silence:
    def stage(self, name: str, detail: str = "") -> None:
        pass

    def line(self, text: str) -> None:
        pass


@dataclass
class World:
    """The archive, and what is made on it."""

    folder: Path
    archive: Archive
    blobs: BlobStore
    fetcher: FolderFetcher
    clock: FixedClock
    settings: DebianSettings

    @property
    def debian(self) -> Debian:
        endorser = DebianEndorser(
            trust_store(self.folder / "trust", "specimens", KEY), self.blobs, keyrings=(self.folder / "developers.asc",)
        )
        return Debian(self.fetcher, self.blobs, endorser, self.clock, Silence(), self.settings)

    def having(self, **changes: object) -> World:
        """The same world with its suite described otherwise."""
        spec = replace(self.settings.suites[SUITE], **changes)  # type: ignore[arg-type]
        self.settings = replace(self.settings, suites={**self.settings.suites, SUITE: spec})
        return self

    def path(self, name: str) -> Path:
        """A file of the pool by its name."""
        return next(self.archive.root.glob(f"pool/**/{name}"))


@cache
def _made(*, buildinfo: bool) -> Archive:
    """The archive as it begins; tests change copies of it."""
    folder = Path(tempfile.mkdtemp(prefix="rebuilder-test-"))
    atexit.register(shutil.rmtree, folder)
    archive = Archive(folder / "archive")
    archive.suite(SUITE, key=KEY, date=DATED, valid_until=NOW + timedelta(days=7))
    archive.suite(BASE, key=KEY, date=DATED)
    for source in (PAIR, SINGLE, REBUILT):
        archive.add_source(SUITE, source.write(folder / "incoming", sign=DEVELOPER.clear_sign))
        for binary in source.packages:
            add_binary(archive, folder, source, binary, buildinfo=buildinfo)
    archive.suites[BASE].binaries.append(
        Deb822({"Package": "elsewhere", "Version": "1", "Architecture": "all", "Filename": "pool/x.deb"})
    )
    place = archive.root / "pool" / "x.deb"
    place.write_bytes(deb({"Package": "elsewhere", "Version": "1", "Architecture": "all"}))
    return archive.publish()


def world(folder: Path, *, buildinfo: bool = False) -> World:
    archive = _made(buildinfo=buildinfo).copy(folder / "archive")
    blobs = BlobStore(folder / "state")
    (folder / "developers.asc").write_bytes(DEVELOPER.certificate)
    settings = DebianSettings(
        suites={
            SUITE: SuiteSpec(archive="local-archive", anchor="specimens", base=(BASE,), buildinfo=buildinfo),
            BASE: SuiteSpec(archive="local-archive", anchor="specimens"),
        }
    )
    return World(folder, archive, blobs, FolderFetcher({"local-archive": archive.root}, blobs), FixedClock(), settings)


def add_binary(archive: Archive, folder: Path, source: SourcePackage, binary: Binary, *, buildinfo: bool) -> None:
    """One published package; those of ``REBUILT`` for amd64 are a second build of the same source."""
    again = source is REBUILT and binary.architecture == "any"
    architecture = "amd64" if binary.architecture == "any" else "all"
    control = {"Package": binary.name, "Version": source.version + ("+b3" if again else "")}
    control |= {"Architecture": architecture, "Source": f"{source.name} ({source.version})"}
    entry = rebuild_entry(source, number=3)
    files = {f"usr/share/doc/{binary.name}/changelog.Debian.amd64.gz": gzip.compress(entry.encode())} if again else {}
    bare = control["Version"].partition(":")[2] or control["Version"]
    path = folder / "incoming" / f"{binary.name}_{bare}_{architecture}.deb"
    path.write_bytes(deb(control, files))
    info = None
    if buildinfo:
        info = folder / "incoming" / f"{source.name}_{bare}_{architecture}.buildinfo"
        info.write_text(buildinfo_text(source, path))
    archive.add_binary(SUITE, path, buildinfo=info)


def buildinfo_text(source: SourcePackage, *debs: Path, path: str = "", installed: str = "make (= 4.4)") -> str:
    rows = "".join(
        f" {hashlib.sha256(file.read_bytes()).hexdigest()} {file.stat().st_size} {file.name}\n" for file in debs
    )
    return (
        f"Format: 1.0\nSource: {source.name}\nBinary: x\nArchitecture: amd64\nVersion: {source.version}\n"
        f"Checksums-Sha256:\n{rows}Build-Origin: Debian\nBuild-Architecture: amd64\n"
        f"Build-Path: {path or f'/build/elsewhere/{source.name}'}\n"
        f"Installed-Build-Depends:\n {installed}\n"
        'Environment:\n DEB_BUILD_OPTIONS="parallel=7"\n LANG="C.UTF-8"\n LC_COLLATE="C.UTF-8"\n LC_CTYPE="C.UTF-8"\n'
    )


def deb(control: Mapping[str, str], files: Mapping[str, bytes] | None = None) -> bytes:
    """A `.deb` as small as they come."""
    text = "".join(f"{name}: {value}\n" for name, value in control.items()) + "Maintainer: Nobody\nDescription: x\n"
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": lzma.compress(tar({"./control": text.encode()}), preset=0),
        "data.tar.xz": lzma.compress(tar({f"./{name}": data for name, data in (files or {}).items()}), preset=0),
    }
    return ar(parts)


def ar(parts: Mapping[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in parts.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
