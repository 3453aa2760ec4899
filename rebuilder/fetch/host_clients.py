"""Reading the host's own clients: pip and npm say themselves what they are configured with.

``rebuilder.toml`` wins over them. Their answers are the operator's own configuration, read by the programs that
own it; all the same they are bounded, and nothing of a project's folder is read.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rebuilder.errors import UsageError
from rebuilder.fetch.clients import NpmClient, PipClient, host_of, usable

MAX_FILE_BYTES = 8 * 1024**2
_SECONDS = 60
_TIMEOUT = 60
_LONGEST_TIMEOUT = 180
_PIP_LINE = re.compile(r"^(:env:|global|download)\.([a-z0-9-]+)=(.+)$")
_NPM_LINE = re.compile(r"^\s*((?:@[A-Za-z0-9._~-]+:registry)|registry|//\S+?:_?[A-Za-z]+)\s*=\s*(.*?)\s*$")
_AUTH = ("_auth", "_authToken", "username", "_password")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What ``[indexes]`` of ``rebuilder.toml`` names; empty: the host's clients."""

    pypi: str = ""
    npm: str = ""
    ca: Path | None = None


class HostClients:
    """pip's and npm's settings, each asked for when first needed: a run that has all at hand asks neither."""

    def __init__(self, chosen: Chosen, environ: Mapping[str, str]) -> None:
        self._chosen = chosen
        self._environ = environ
        self._pip: PipClient | None = None
        self._npm: NpmClient | None = None

    def pip(self) -> PipClient:
        """What pip in a container is to be told. ``UsageError`` for a file of certificates that cannot be read."""
        if self._pip is None:
            self._pip = pip_client(pip_settings(self._environ), self._chosen, self._environ)
        return self._pip

    def npm(self) -> NpmClient:
        """What npm in a container is to be told. ``UsageError`` as for ``pip``."""
        if self._npm is None:
            self._npm = npm_client(npm_settings(self._environ), self._chosen, self._environ)
        return self._npm


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What the host's pip says of itself, by option, the strongest place last to speak; without a pip, the variables
    it would have read."""
    for command in _pip_commands():
        said = _said((*command, "config", "list"), environ)
        if said is not None:
            return read_pip_list(said)
    own = {name: value for name, value in environ.items() if name.startswith("PIP_")}
    return {name.removeprefix("PIP_").lower().replace("_", "-"): value for name, value in own.items()}


def read_pip_list(text: str) -> dict[str, str]:
    """The lines of ``pip config list``: ``place.option='value'``, values as Python writes them."""
    places: dict[str, dict[str, str]] = {"global": {}, "download": {}, ":env:": {}}
    for line in text.splitlines():
        found = _PIP_LINE.match(line)
        if found is None:
            continue
        try:
            value = ast.literal_eval(found[3])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, str):
            places[found[1]]["timeout" if found[2] == "default-timeout" else found[2]] = value
    return places["global"] | places["download"] | places[":env:"]


def pip_client(settings: Mapping[str, str], chosen: Chosen, environ: Mapping[str, str]) -> PipClient:
    """The client of these settings. Folders of the host cannot be had in a container: a note says so."""
    wanted = settings.get("index-url", "").split()[:1]
    index, notes = usable([chosen.pypi] if chosen.pypi else wanted, "index-url")
    extra, more = usable(() if chosen.pypi else settings.get("extra-index-url", "").split(), "extra-index-url")
    unused = tuple(f"pip's {key} is not taken" for key in ("find-links", "no-index", "client-cert") if key in settings)
    proxy = settings.get("proxy", "")
    trusted = settings.get("trusted-host", "").split()
    if chosen.pypi.lower().startswith("http://"):
        # Whoever names an address in our own configuration has decided.
        trusted.append(host_of(chosen.pypi))
    proxies = {"http_proxy": proxy, "https_proxy": proxy} if proxy else {}
    return PipClient(
        index=index[0] if index else "",
        extra=extra,
        trusted=tuple(word for word in trusted if word.isprintable()),
        ca=_certificates(chosen, settings.get("cert", ""), ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), environ),
        proxies=_proxies(environ) | proxies,
        timeout=_timeout(settings.get("timeout", "")),
        notes=(*notes, *more, *unused),
    )


def npm_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What the host's npm says of itself. It tells no secrets, and no address that holds one: those are read from the
    files it names. Empty without an npm."""
    npm = shutil.which("npm", path=environ.get("PATH"))
    said = _said((npm, "config", "list", "--json"), environ) if npm else None
    try:
        told = json.loads(said or "{}")
    except (ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    for key in ("globalconfig", "userconfig"):
        found |= read_npmrc(_text(told.get(key)), environ)
    found |= {
        name[11:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.lower() in {"npm_config_registry", "npm_config_cafile"}
    }
    strings = {key: value for key, value in told.items() if isinstance(value, str)}
    return found | strings | {"strict-ssl": "false" if told.get("strict-ssl") is False else "true"} | _numbers(told)


def read_npmrc(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Registries and what is said to them, of one `.npmrc`; ``${NAME}`` is the variable."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        row = _NPM_LINE.match(line)
        if row is None:
            continue
        value = row[2].strip("\"'")
        value = re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\??\}", lambda name: environ.get(name[1], ""), value)
        if value.isprintable():
            found[row[1]] = value
    return found


def npm_client(settings: Mapping[str, str], chosen: Chosen, environ: Mapping[str, str]) -> NpmClient:
    """The client of these settings; of what is said to registries, only what is for one that is asked."""
    index, notes = usable(filter(None, (chosen.npm or settings.get("registry", ""),)), "registry")
    scoped = {} if chosen.npm else {key: url for key, url in settings.items() if key.endswith(":registry")}
    scopes = {key.removesuffix(":registry"): url for key, url in scoped.items() if usable((url,), key)[0]}
    hosts = {host_of(url) for url in (*index, *scopes.values())}
    auth = {key: value for key, value in settings.items() if _is_auth(key) and host_of(key) in hosts}
    own = {"http_proxy": settings.get("proxy", ""), "https_proxy": settings.get("https-proxy", "")}
    return NpmClient(
        index=index[0] if index else "",
        scopes=scopes,
        auth=auth,
        ca=_certificates(chosen, settings.get("cafile", ""), ("NODE_EXTRA_CA_CERTS",), environ),
        proxies=_proxies(environ) | {name: url for name, url in own.items() if url},
        strict_ssl=settings.get("strict-ssl", "true") != "false",
        timeout=_timeout(settings.get("fetch-timeout", "")),
        notes=notes,
    )


def _pip_commands() -> Iterator[tuple[str, ...]]:
    yield (sys.executable, "-m", "pip")
    # An interpreter made without pip; the host may have one all the same.
    yield from ((found,) for name in ("pip3", "pip") if (found := shutil.which(name)))


def _said(command: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    """What a client of the host prints; ``None`` if it is not there or fails. It runs in `/`: a configuration in the
    current folder is a stranger's."""
    try:
        done = subprocess.run(
            command, env=dict(environ), cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:MAX_FILE_BYTES].decode("utf-8", "replace") if done.returncode == 0 else None


def _is_auth(key: str) -> bool:
    return key.startswith("//") and key.rpartition(":")[2] in _AUTH


def _text(path: object) -> str:
    try:
        with Path(str(path)).open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _numbers(told: Mapping[str, object]) -> dict[str, str]:
    milliseconds = told.get("fetch-timeout")
    return {"fetch-timeout": str(milliseconds // 1000)} if isinstance(milliseconds, int) else {}


def _timeout(text: str) -> int:
    try:
        return max(1, min(int(float(text)), _LONGEST_TIMEOUT))
    except (ValueError, OverflowError):
        return _TIMEOUT


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The lower-case name wins, as in most clients."""
    found = {name: environ.get(name) or environ.get(name.upper(), "") for name in _PROXIES}
    return {name: value for name, value in found.items() if value and value.isprintable()}


def _certificates(chosen: Chosen, named: str, variables: tuple[str, ...], environ: Mapping[str, str]) -> bytes:
    """The bundle that holds, first found: ours, the client's own, a variable's, the system's."""
    if chosen.ca is not None:
        return _bundle(chosen.ca, "indexes.ca of rebuilder.toml")
    if named:
        return _bundle(Path(named), "the host's own client")
    places = [environ.get(name, "") for name in (*variables, "SSL_CERT_FILE")]
    system = ssl.get_default_verify_paths().cafile
    found = next((Path(place) for place in (*places, system) if place and Path(place).is_file()), None)
    return _bundle(found, "the environment") if found else b""


def _bundle(path: Path, who: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        msg = f"expected a file of certificates at {path}, as {who} says; it cannot be read: {error.strerror}"
        raise UsageError(msg, hint="name one in rebuilder.toml: [indexes] ca = FILE") from error
    if len(data) > MAX_FILE_BYTES or b"-----BEGIN CERTIFICATE-----" not in data:
        msg = f"expected certificates in PEM form, at most {MAX_FILE_BYTES} bytes, found something else in {path}"
        raise UsageError(msg, hint="name another file in rebuilder.toml: [indexes] ca = FILE")
    return data
