"""Configuration, read once and frozen.

It says whom to trust, so it is never taken from the folder a command happens to run in: that may be a
stranger's. The places, first found wins: ``REBUILDER_CONFIG``, the checkout this program runs from, the
user's own configuration folder, ``/etc/rebuilder``. Nothing below the command line reads the environment.
"""

from __future__ import annotations

import difflib
import math
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rebuilder.errors import UsageError

FILE_NAME = "rebuilder.toml"
CHECKOUT = Path(__file__).resolve().parent.parent
MAX_CONFIG_BYTES = 1024 * 1024
#: Table of a checkout's file that says how the project is built (`docs/check-settings.md`): never read here.
OF_THE_PROJECT = "check"


@dataclass(frozen=True, kw_only=True)
class SuiteConfig:
    """A suite of an archive beyond the shipped ones (`[suites.NAME]`)."""

    archive: str
    anchor: str
    #: Suites whose packages its builds may use too, besides its own.
    base: tuple[str, ...] = ()
    #: The archive's signed index names a `.buildinfo` for each package, so that inputs are declared.
    buildinfo: bool = False


@dataclass(frozen=True, kw_only=True)
class IndexConfig:
    """Indexes of language packages in place of those of the host's own pip and npm (`[indexes]`). An address may hold
    a password."""

    pypi: str = field(default="", repr=False)
    npm: str = field(default="", repr=False)
    #: Certificates (PEM) that both are checked by.
    ca: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of one command. Paths are absolute."""

    #: The file that was read; ``None`` where there was none.
    file: Path | None
    #: Blobs, runs, keys, scratch.
    state: Path
    #: Folders of trust anchors, first match wins.
    trust: tuple[Path, ...]
    #: Folders in the published format whose blobs also serve as evidence, read only.
    evidence: tuple[Path, ...] = ()
    #: Mirrors by archive; those not named come from the host's own clients.
    archives: dict[str, tuple[str, ...]] = field(default_factory=dict)
    suites: dict[str, SuiteConfig] = field(default_factory=dict)
    indexes: IndexConfig = field(default_factory=IndexConfig)
    #: OpenPGP keyrings of package maintainers, for the `.dsc`'s own signature.
    maintainer_keyrings: tuple[Path, ...] = ()
    parallel: int = 2
    #: Caps of the build container that replace the defaults of ``model.Limits``.
    limits: dict[str, float] = field(default_factory=dict)
    diffoscope_seconds: int = 300


def load_config(environ: Mapping[str, str] | None = None, *, file: Path | None = None) -> Config:
    """The configuration that holds, or that of ``file``. Raises ``UsageError`` with file and key."""
    environ = os.environ if environ is None else environ
    found = file.absolute() if file else _find(environ)
    table = _read(found) if found else {}
    base = found.parent if found else Path("/")
    return Config(
        file=found,
        state=_state(table, base, environ, found),
        trust=tuple(_paths(table, "trust", base, found)) + default_trust(),
        evidence=tuple(_paths(table, "evidence", base, found)),
        archives={name: _urls(urls, f"archives.{name}", found) for name, urls in _table(table, "archives", found)},
        suites={name: _suite(name, entry, found) for name, entry in _table(table, "suites", found)},
        indexes=_indexes(table, base, found),
        maintainer_keyrings=tuple(_paths(table, "maintainer_keyrings", base, found)) or _host_keyrings(),
        parallel=_number(table, "parallel", 2, found),
        limits=dict(_limits(table, found)),
        diffoscope_seconds=_number(table, "diffoscope_seconds", 300, found),
    )


def default_trust() -> tuple[Path, ...]:
    """The shipped anchors: ``trust/`` beside the package in a checkout, else the installed data folder."""
    if (CHECKOUT / "pyproject.toml").is_file():  # else it is site-packages, where anybody may put a `trust`
        return (CHECKOUT / "trust",)
    installed = Path(sys.prefix) / "share" / "rebuilder" / "trust"
    return (installed,) if installed.is_dir() else ()


def _find(environ: Mapping[str, str]) -> Path | None:
    if environ.get("REBUILDER_CONFIG"):
        return Path(environ["REBUILDER_CONFIG"]).absolute()
    return next((place for place in _places(environ) if place.is_file()), None)


def _places(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where a configuration may lie that nobody named. Never the current folder, and nothing above it."""
    home = Path(environ.get("HOME") or "/nonexistent")
    own = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "rebuilder" / FILE_NAME
    checkout = CHECKOUT / FILE_NAME if (CHECKOUT / "pyproject.toml").is_file() else own
    return (checkout, own, Path("/etc/rebuilder") / FILE_NAME)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        msg = f"expected a configuration file at {path}, found none"
        raise UsageError(msg)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as err:
        msg = f"{path}: cannot be read: {err.strerror}"
        raise UsageError(msg) from err
    if len(data) > MAX_CONFIG_BYTES:
        msg = f"{path}: expected a configuration of at most {MAX_CONFIG_BYTES} bytes"
        raise UsageError(msg)
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        msg = f"{path}: not valid TOML: {err}"
        raise UsageError(msg) from err
    known = {item.name for item in fields(Config)} - {"file"}
    for key in table:
        if key not in known and key != OF_THE_PROJECT:
            near = difflib.get_close_matches(key, known, n=1)
            msg = f"{path}: unknown key {key!r}{f'; did you mean {near[0]!r}?' if near else ''}"
            raise UsageError(msg, hint=f"known are {', '.join(sorted(known))}; see docs/configuration.md")
    return table


def _state(table: dict[str, Any], base: Path, environ: Mapping[str, str], file: Path | None) -> Path:
    named = table.get("state")
    if "state" in table and not (isinstance(named, str) and named):
        raise _wrong(file, "state", "the path of a folder", named)
    if environ.get("REBUILDER_STATE"):
        return Path(environ["REBUILDER_STATE"]).absolute()
    if isinstance(named, str):
        return (base / named).absolute()
    home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local" / "state")
    return Path(home).absolute() / "rebuilder"


def _host_keyrings() -> tuple[Path, ...]:
    folder = Path("/usr/share/keyrings")
    names = ("debian-keyring", "debian-maintainers", "debian-nonupload")
    return tuple(path for name in names for path in sorted(folder.glob(f"{name}.*")))


def _wrong(file: Path | None, key: str, expected: str, found: object) -> UsageError:
    return UsageError(f"{file}: {key}: expected {expected}, found {found!r}")


def _strings(value: object, key: str, file: Path | None) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(file, key, "a list of strings", value)
    return tuple(value)


def _urls(value: object, key: str, file: Path | None) -> tuple[str, ...]:
    urls = _strings(value, key, file)
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise _wrong(file, key, "base URLs that begin with http:// or https://", url)
    return urls


def _paths(table: dict[str, Any], key: str, base: Path, file: Path | None) -> list[Path]:
    return [(base / item).absolute() for item in _strings(table.get(key, []), key, file)]


def _number(table: dict[str, Any], key: str, default: int, file: Path | None) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(file, key, "a whole number above 0", value)
    return value


def _table(table: dict[str, Any], key: str, file: Path | None) -> list[tuple[str, Any]]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise _wrong(file, key, "a table", value)
    return list(value.items())


def _limits(table: dict[str, Any], file: Path | None) -> list[tuple[str, float]]:
    known = ("seconds", "memory_bytes", "cpus", "pids", "disk_bytes", "log_bytes", "output_bytes")
    rows = _table(table, "limits", file)
    for key, value in rows:
        if key not in known:
            raise _wrong(file, "limits", f"only {', '.join(known)}", key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise _wrong(file, f"limits.{key}", "a number above 0", value)
        if key != "cpus" and not isinstance(value, int):
            raise _wrong(file, f"limits.{key}", "a whole number", value)
    return rows


def _indexes(table: dict[str, Any], base: Path, file: Path | None) -> IndexConfig:
    values: dict[str, str] = {}
    known = [item.name for item in fields(IndexConfig)]
    for key, value in _table(table, "indexes", file):
        if key not in known:
            raise _wrong(file, "indexes", f"only {', '.join(known)}", key)
        # What was found is not shown: it may hold a password.
        if not isinstance(value, str) or not value:
            raise _wrong(file, f"indexes.{key}", "a string", type(value).__name__)
        if key != "ca" and not value.startswith(("http://", "https://")):
            raise _wrong(file, f"indexes.{key}", "a URL that begins with http:// or https://", "another one")
        values[key] = value
    ca = (base / values.pop("ca")).absolute() if "ca" in values else None
    return IndexConfig(**values, ca=ca)


def _suite(name: str, entry: object, file: Path | None) -> SuiteConfig:
    if not isinstance(entry, dict) or not {"archive", "anchor"} <= entry.keys():
        raise _wrong(file, f"suites.{name}", "a table with at least archive and anchor", entry)
    unknown = entry.keys() - {item.name for item in fields(SuiteConfig)}
    if unknown:
        raise _wrong(file, f"suites.{name}", "only archive, anchor, base, buildinfo", sorted(unknown))
    for key, kind, words in (("archive", str, "a name"), ("anchor", str, "a name"), ("buildinfo", bool, "a boolean")):
        if key in entry and not isinstance(entry[key], kind):
            raise _wrong(file, f"suites.{name}.{key}", words, entry[key])
    return SuiteConfig(
        archive=entry["archive"],
        anchor=entry["anchor"],
        base=_strings(entry.get("base", []), f"suites.{name}.base", file),
        buildinfo=entry.get("buildinfo", False),
    )
