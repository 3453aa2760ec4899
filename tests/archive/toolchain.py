"""The real packages of a build environment, taken once from the host's own mirror and kept.

The set is chosen and checked by apt, in a private folder, with the mirror and proxy that the host's own
configuration names; the archive's signature is checked against the shipped trust anchor. After the first
time nothing here opens a socket.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from debian.deb822 import Packages, Release

from rebuilder.fetch.mirrors import DEBIAN, mirrors

SUITE = "trixie"
#: What a Debian builder starts from beside all required packages, and fakeroot, which any build may ask for.
BUILD_SET = ("apt", "build-essential", "fakeroot")
SEED_FILE = Path(__file__).parents[2] / "rebuilder" / "toolchain" / "seed.toml"
KEYRING = Path(__file__).parents[2] / "trust" / "debian-archive.asc"


@dataclass(frozen=True)
class RealPackages:
    """Real packages on disk. ``stanzas`` are as the signed index gave them; ``pool`` holds the files."""

    stanzas: tuple[str, ...]
    pool: Path
    #: Date of the signed index they were chosen from: the epoch of everything made from them.
    date: datetime
    #: Names of the build set, without what only the seed needs.
    build_set: tuple[str, ...]

    def build_set_digest(self) -> str:
        """Names the exact build set."""
        chosen = [stanza for stanza in self.stanzas if Packages(stanza)["Package"] in self.build_set]
        return hashlib.sha256("".join(chosen).encode()).hexdigest()

    def file(self, stanza: str) -> Path:
        """Where the `.deb` of a stanza lies."""
        return self.pool / Path(Packages(stanza)["Filename"]).name


def seed_names() -> tuple[str, ...]:
    """Every package name that the product's own seed container asks for."""
    return tuple(sorted(tomllib.loads(SEED_FILE.read_text())["packages"]))


def real_packages(cache: Path, *, extra: Iterable[str] = ()) -> RealPackages:
    """The build set, the seed and ``extra`` names with all they depend on, from ``cache`` if it lies there."""
    wanted = tuple(sorted({*seed_names(), *extra}))
    listing = cache / "Packages"
    asked = cache / "asked-for"
    line = " ".join((*BUILD_SET, "|", *wanted)) + "\n"
    if not (asked.exists() and asked.read_text() == line):
        _fill(cache, wanted)
        asked.write_text(line)
    stanzas = tuple(part.strip() + "\n" for part in listing.read_text().split("\n\n") if part.strip())
    date = parsedate_to_datetime((cache / "date").read_text().strip())
    return RealPackages(stanzas, cache / "pool", date, tuple((cache / "build-set").read_text().split()))


def _fill(cache: Path, wanted: tuple[str, ...]) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    apt = _PrivateApt(cache / "apt")
    apt.run("update")
    index = list(apt.packages())
    base = [s["Package"] for s in index if s.get("Essential") == "yes" or s.get("Priority") == "required"]
    build_set = apt.choose((*base, *BUILD_SET))
    chosen = {**build_set, **apt.choose((*base, *BUILD_SET, *wanted))}
    indexed = {(s["Package"], s["Version"]): str(s) for s in index}
    apt.download(chosen, cache / "pool")
    stanzas = [indexed[pair] for pair in sorted(chosen.items())]
    (cache / "Packages").write_text("\n".join(stanza.strip() + "\n" for stanza in stanzas))
    (cache / "build-set").write_text("\n".join(sorted(build_set)) + "\n")
    (cache / "date").write_text(apt.release_date() + "\n")
    shutil.rmtree(cache / "apt")


class _PrivateApt:
    """apt with lists, cache and an empty status file of its own, but the host's mirror and proxy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("lists/partial", "archives/partial", "etc"):
            (folder / part).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "etc/sources.list").write_text(f"deb [signed-by={KEYRING}] {host_mirror()} {SUITE} main\n")
        self.options = [
            f"-oDir::State={folder}", f"-oDir::State::lists={folder}/lists", f"-oDir::State::status={folder}/status",
            f"-oDir::Cache={folder}", f"-oDir::Cache::archives={folder}/archives",
            f"-oDir::Etc::sourcelist={folder}/etc/sources.list", f"-oDir::Etc::sourceparts={folder}/etc/none",
            "-oAPT::Sandbox::User=root", "-oAcquire::GzipIndexes=false", "-oAcquire::Languages=none",
            "-oAPT::Architecture=amd64", "-oAPT::Architectures=amd64", "-oAPT::Install-Recommends=false",
            "-oAcquire::Retries=3", "-oDebug::NoLocking=1",
        ]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["apt-get", "-q", "-y", *self.options, *arguments],
            capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode != 0:
            msg = f"apt-get {arguments[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            raise RuntimeError(msg)
        return done.stdout

    def choose(self, names: Iterable[str]) -> dict[str, str]:
        """Name to version of everything apt would install on an empty system."""
        simulated = self.run("install", "--simulate", *names)
        return dict(re.findall(r"^Inst (\S+) \((\S+) ", simulated, re.MULTILINE))

    def download(self, chosen: dict[str, str], pool: Path) -> None:
        self.run("install", "--download-only", *(f"{name}={version}" for name, version in chosen.items()))
        pool.mkdir(exist_ok=True)
        by_name = {(s["Package"], s["Version"]): Path(s["Filename"]).name for s in self.packages()}
        for name, version in chosen.items():
            escaped = version.replace(":", "%3a")
            found = next((self.folder / "archives").glob(f"{name}_{escaped}_*.deb"))
            shutil.move(found, pool / by_name[name, version])

    def packages(self) -> Iterable[Packages]:
        listing = next((self.folder / "lists").glob("*_Packages"))
        with listing.open("rb") as stream:
            yield from Packages.iter_paragraphs(stream, use_apt_pkg=False)

    def release_date(self) -> str:
        release = next((self.folder / "lists").glob("*_InRelease"))
        return str(Release(release.read_bytes())["Date"])


def host_mirror() -> str:
    """Root of the main Debian archive that this host itself uses."""
    return mirrors(DEBIAN, {})[0][0]
