"""Fetches the sources of the corpus, and nothing of theirs runs on this machine: pip's, npm's and apt's own clients do.

`pip download` would run a source's build script to learn its metadata, so that only pip's finder and downloader are
used. Every file is held against the digest in `sources.toml`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "sources.toml"
_APT_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


@dataclass(frozen=True)
class Source:
    """One pinned thing: ``sha256`` by name of file; empty while it is not pinned."""

    kind: str
    name: str
    version: str
    sha256: dict[str, str]
    #: Of a binary package: the release of Debian that has it.
    suite: str = ""

    @property
    def key(self) -> str:
        """As backends and nodes name it."""
        return f"{self.name}=={self.version}"


def sources() -> list[Source]:
    """All pinned sources, in the order of the file."""
    return [Source(**row) for row in tomllib.loads(SOURCES.read_text())["source"]]


def fetch_all(cache: Path, *, pin: bool = False) -> dict[tuple[str, str], Path]:
    """(kind, ``name==version``) -> the folder with its files. ``SystemExit`` for bytes that are not the pinned ones."""
    folders, pins = {}, {}
    for source in sources():
        folder = cache / "sources" / source.kind / re.sub(r"[^\w.+-]", "_", source.key)
        if not folder.is_dir():
            _fetch(source, folder, cache)
        pins[source.key, source.kind] = found = _digests(folder)
        if found != source.sha256 and not (pin and not source.sha256):
            sys.exit(f"{source.kind} {source.key}: expected {source.sha256 or 'pinned digests'}, found {found}")
        folders[source.kind, source.key] = folder
    if pin:
        _write_pins(pins)
    return folders


def _fetch(source: Source, folder: Path, cache: Path) -> None:
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    clients: dict[str, Callable[[Source, Path, Path], None]] = {
        "sdist": _fetch_sdist, "wheel": _fetch_wheel, "npm": _fetch_npm, "debian": _fetch_debian,
        "binary": _fetch_binary,
    }  # fmt: skip
    clients[source.kind](source, partial, cache)
    partial.rename(folder)


def _fetch_sdist(source: Source, folder: Path, _cache: Path) -> None:
    _run([sys.executable, __file__, "--one-sdist", source.name, source.version, str(folder)], folder)


def _fetch_wheel(source: Source, folder: Path, _cache: Path) -> None:
    _run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--python-version",
          "3.11", "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64", "-d", ".", source.key],
         folder)  # fmt: skip


def _fetch_npm(source: Source, folder: Path, _cache: Path) -> None:
    _run(["npm", "pack", "--silent", "--ignore-scripts", f"{source.name}@{source.version}"], folder)


def _fetch_debian(source: Source, folder: Path, cache: Path) -> None:
    text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", re.sub(r"(?m)^deb ", "deb-src ", debian_sources()))
    wanted = f"{source.name}={source.version}"
    environment = _apt(cache / "apt" / "source", text)
    _run(["apt-get", "source", "-qq", "--download-only", "--only-source", wanted], folder, environment)


def _fetch_binary(source: Source, folder: Path, cache: Path) -> None:
    environment = _apt(cache / "apt" / source.suite, debian_sources(source.suite))
    _run(["apt-get", "download", "-qq", f"{source.name}={source.version}"], folder, environment)


def debian_sources(suite: str = "") -> str:
    """The Debian part of this machine's own apt sources, for ``suite`` in place of theirs if given."""
    path = next((p for p in _APT_SOURCES if p.is_file()), None)
    if path is None:
        sys.exit("expected apt sources of Debian on this machine, found none")
    kept = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#")).strip()
    if not suite:
        return kept + "\n"
    if path.suffix != ".sources":
        first = next(line for line in kept.splitlines() if line.startswith("deb "))
        return re.sub(r"^(deb(?: \[[^]]*\])? \S+) \S+", rf"\1 {suite}", first) + "\n"
    return re.sub(r"(?m)^Suites:.*$", f"Suites: {suite}", kept.split("\n\n")[0]) + "\n"


def _apt(root: Path, text: str) -> dict[str, str]:
    """An environment in which apt knows these sources only; its lists are fetched once, below ``root``."""
    config = root / "apt.conf"
    if not config.is_file():
        (root / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (root / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        listed = root / ("a.sources" if "Types:" in text else "a.list")
        listed.write_text(text)
        lines = (
            f'Dir::Etc::SourceList "{listed}";',
            'Dir::Etc::SourceParts "/dev/null";',
            f'Dir::State::Lists "{root}/lists";',
            f'Dir::Cache "{root}/cache";',
        )
        fresh = config.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n")
        _run(["apt-get", "update", "-qq"], root, os.environ | {"APT_CONFIG": str(fresh)})
        fresh.rename(config)
    return os.environ | {"APT_CONFIG": str(config)}


def _one_sdist(name: str, version: str, folder: Path) -> None:
    """Runs as a process of its own: pip's finder and downloader, configured as pip is. No code of theirs."""
    from pip._internal.commands.download import DownloadCommand
    from pip._internal.network.download import Downloader

    command = DownloadCommand("download", "")
    options, _ = command.parse_args(["--no-deps", "--no-binary", ":all:", name])
    with command.main_context():
        session = command.get_default_session(options)
        found = command._build_package_finder(options, session).find_all_candidates(name)
        links = [one.link for one in found if str(one.version) == version and not one.link.is_wheel]
        if not links:
            sys.exit(f"expected a source distribution {name} {version} in the index, found none")
        Downloader(session, "off")(links[0], str(folder))


def _run(argv: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    ended = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(argv[:6])} ... ended with {ended.returncode}\n{ended.stderr[-2000:]}")


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _write_pins(pins: dict[tuple[str, str], dict[str, str]]) -> None:
    def fill(match: re.Match[str]) -> str:
        kind, name, version = match["kind"], match["name"], match["version"]
        files = ", ".join(
            f"{json.dumps(file)} = {json.dumps(sha)}" for file, sha in pins[f"{name}=={version}", kind].items()
        )
        return f"{match['head']}sha256 = {{ {files} }}\n"

    head = r'(?P<head>kind = "(?P<kind>.*)"\nname = "(?P<name>.*)"\nversion = "(?P<version>.*)"\n)sha256 = .*\n'
    SOURCES.write_text(re.sub(head, fill, SOURCES.read_text()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one-sdist"]:
        _one_sdist(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        fetch_all(Path(sys.argv[1]).resolve(), pin="--pin" in sys.argv)
