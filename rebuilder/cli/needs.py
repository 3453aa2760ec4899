"""What Rebuilder needs of a host, one function a need: what was found, or how to get it. Used by `doctor`."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rebuilder.config import Config
from rebuilder.errors import RebuilderError, Stopped

State = Literal["ok", "warning", "missing"]

GIB = 1024**3
#: A cold run of a middling package: toolchain packages, two root filesystems in the engine, outputs.
WANTED_DISK = 10 * GIB
LEAST_DISK = 2 * GIB
WANTED_MEMORY = 4 * GIB
#: The engine's API that the sandbox is tested with; older ones are not known to give what it asks for.
WANTED_API = (1, 41)
LAYERED_DRIVERS = frozenset({"overlay2", "overlayfs", "fuse-overlayfs", "btrfs", "zfs", "stargz"})
#: No signature of ours, and no index we can meet, is older than this program.
NOT_BEFORE = 1_793_000_000


@dataclass(frozen=True, kw_only=True)
class Need:
    """One line of the list. ``get`` says how to get it, or why it matters; empty if all is well."""

    name: str
    state: State
    found: str
    get: str = ""


def survey(config: Config, *, deep: bool) -> Iterator[Need]:
    """Every need, in the order in which a run would meet it. Nothing here raises."""
    checks: list[tuple[str, Callable[[], Iterator[Need]]]] = [
        ("python", _python),
        ("libraries", _libraries),
        ("configuration", lambda: _configuration(config)),
        ("state folder", lambda: _state(config)),
        ("clock", lambda: _clock(config)),
        ("docker engine", lambda: _engine(deep=deep)),
        ("mirrors", lambda: _mirrors(config, deep=deep)),
        ("trust anchors", lambda: _trust(config)),
        ("maintainer keyrings", lambda: _keyrings(config)),
        ("signing keys", lambda: _keys(config)),
        ("diffoscope", lambda: _diffoscope(config)),
    ]
    for name, check in checks:
        try:
            yield from check()
        except RebuilderError as err:
            yield Need(name=name, state="missing", found=err.message, get=err.hint)
        except Stopped as err:
            yield Need(name=name, state="missing", found=err.reason, get="check the mirror and this host's network")
        except OSError as err:
            found = f"{err.strerror or err}: {err.filename or config.state}"
            get = "this user needs to reach and write it; another state folder: `state` in rebuilder.toml"
            yield Need(name=name, state="missing", found=found, get=get)
        except ImportError as err:
            yield Need(name=name, state="missing", found=str(err), get="`make setup` installs what is missing")


def _python() -> Iterator[Need]:
    version = ".".join(map(str, sys.version_info[:3]))
    enough = sys.version_info >= (3, 11)
    get = "" if enough else "Python 3.11 or newer: `make setup` looks for one"
    yield Need(name="python", state="ok" if enough else "missing", found=f"{version} ({sys.executable})", get=get)


def _libraries() -> Iterator[Need]:
    from importlib import metadata

    found, missing = [], []
    for requirement in metadata.requires("rebuilder") or ():
        name = requirement.partition(";")[0].split("=")[0].rstrip("<>~!").strip()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        exact = requirement.partition("==")[2].partition(";")[0].strip()
        if exact and version != exact:
            missing.append(f"{name} {exact} (found {version})")
        found.append(f"{name} {version}")
    if missing:
        text = f"missing: {', '.join(missing)}"
        yield Need(name="libraries", state="missing", found=text, get="`make setup` installs them, locked by sha256")
    else:
        yield Need(name="libraries", state="ok", found=", ".join(found))


def _configuration(config: Config) -> Iterator[Need]:
    found = str(config.file) if config.file else "no rebuilder.toml; defaults hold"
    yield Need(name="configuration", state="ok", found=found)


def _state(config: Config) -> Iterator[Need]:
    folder = config.state
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"rebuilder")
    yield _disk("state folder", folder, f"{folder}, writable")


def _disk(name: str, folder: Path, found: str) -> Need:
    free = shutil.disk_usage(folder).free
    text = f"{found}, {free / GIB:.1f} GiB free"
    if free < LEAST_DISK:
        return Need(name=name, state="missing", found=text, get=f"free at least {LEAST_DISK // GIB} GiB there")
    if free < WANTED_DISK:
        return Need(name=name, state="warning", found=text, get=f"{WANTED_DISK // GIB} GiB serve larger packages")
    return Need(name=name, state="ok", found=text)


def _clock(config: Config) -> Iterator[Need]:
    now = time.time()
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    newest = max((path.stat().st_mtime for path in config.state.glob("runs/*")), default=0.0)
    if now < NOT_BEFORE:
        found = f"{text}, which is before this program was written"
    elif newest > now + 300:
        found = f"{text}, but the newest run here ended {(newest - now) / 3600:.1f} h after that"
    else:
        yield Need(name="clock", state="ok", found=text)
        return
    yield Need(name="clock", state="missing", found=found, get="set the clock: expiry of indexes is judged by it")


def _engine(*, deep: bool) -> Iterator[Need]:
    from rebuilder.sandbox import survey as sandbox

    found = sandbox.survey()
    text = f"{found.version} (API {found.api}), {found.storage_driver}, {found.processors} processors"
    wrong = []
    if tuple(int(part) for part in found.api.split(".") if part.isdigit()) < WANTED_API:
        wrong.append(f"API {'.'.join(map(str, WANTED_API))} or newer is expected")
    if found.storage_driver not in LAYERED_DRIVERS:
        wrong.append(f"{found.storage_driver} copies a whole root filesystem for each container: slow, and much disk")
    if found.memory_bytes < WANTED_MEMORY:
        wrong.append(f"{found.memory_bytes / GIB:.1f} GiB of memory is little: builds may hit the limit")
    if "seccomp" not in found.security:
        wrong.append("it filters no system calls (no seccomp), so a hostile build has more to attack")
    yield Need(name="docker engine", state="warning" if wrong else "ok", found=text, get="; ".join(wrong))
    if found.architecture not in {"x86_64", "amd64"}:
        yield Need(name="architecture", state="missing", found=found.architecture, get="an amd64 engine: DOCKER_HOST")
    if found.root and Path(found.root).is_dir():
        yield _disk("engine's disk", Path(found.root), found.root)
    if deep:
        yield _sealed_container()


def _sealed_container() -> Need:
    from rebuilder.sandbox import docker, survey

    ended = survey.trial(docker.DockerEngine())
    if ended.status == survey.TRIAL_STATUS:
        return Need(name="sealed container", state="ok", found=f"ran and ended as it should in {ended.seconds:.1f} s")
    found = f"expected the trial program to exit with {survey.TRIAL_STATUS}, found {ended.status}"
    return Need(name="sealed container", state="missing", found=found, get="look at the engine's log")


def _mirrors(config: Config, *, deep: bool) -> Iterator[Need]:
    from rebuilder.fetch.mirrors import mirrors
    from rebuilder.resolve.debian_suites import SUITES

    suites = {SUITES[name].archive: name for name in sorted(SUITES, key=len, reverse=True)}
    for archive in sorted({*suites, *config.archives}):
        try:
            urls, origin = mirrors(archive, config.archives)
        except RebuilderError as err:
            yield Need(name=f"mirror of {archive}", state="missing", found=err.message, get=err.hint)
            continue
        text = f"{', '.join(urls)} (from {origin})"
        if deep and archive in suites:
            text += f"; {_reached(archive, suites[archive], urls, config)}"
        yield Need(name=f"mirror of {archive}", state="ok", found=text)


def _reached(archive: str, suite: str, urls: tuple[str, ...], config: Config) -> str:
    """What the mirror gave. ``Stopped`` if it gave nothing."""
    from rebuilder.cli.progress import Quiet
    from rebuilder.fetch.http import Locations, MirrorFetcher
    from rebuilder.store.blobs import BlobStore

    fetcher = MirrorFetcher(Locations({archive: urls}), BlobStore(config.state), Quiet())
    data = fetcher.get(archive, f"dists/{suite}/InRelease", limit=4 * 1024**2)
    return f"gave the signed index of {suite}, {len(data)} bytes"


def _trust(config: Config) -> Iterator[Need]:
    from rebuilder.endorse.trust import TrustStore

    store = TrustStore(config.trust)
    names = store.names()
    if not names:
        found = f"no anchor in {', '.join(map(str, config.trust)) or 'any folder'}"
        yield Need(name="trust anchors", state="missing", found=found, get="name a folder as `trust` in rebuilder.toml")
    for name in names:
        yield Need(name=f"anchor {name}", state="ok", found=f"{len(store.anchor(name).pins)} pinned keys")


def _keyrings(config: Config) -> Iterator[Need]:
    names = ", ".join(str(path) for path in config.maintainer_keyrings)
    yield Need(
        name="maintainer keyrings",
        state="ok" if names else "warning",
        found=names or "none",
        get="" if names else "optional: with the package debian-keyring the .dsc's own signature is judged too",
    )


def _keys(config: Config) -> Iterator[Need]:
    from rebuilder.sign.file import IDENTITY_FILE, KEY_FILES, read_identity

    folder = config.state / "keys"
    if not (folder / IDENTITY_FILE).exists():
        get = "to sign: rebuilder keys init --organisation NAME --builder-id URI --verifier-id URI"
        yield Need(name="signing keys", state="warning", found=f"none in {folder}", get=get)
        return
    identity = read_identity(folder)
    yield Need(name="signing keys", state="ok", found=f"{folder}, for {identity.organisation}")
    for role, name in KEY_FILES.items():
        mode = (folder / name).stat().st_mode & 0o777
        state: State = "missing" if mode & 0o077 else "ok"
        get = f"others can read it: chmod 0600 {folder / name}" if mode & 0o077 else ""
        yield Need(name=f"{role} key", state=state, found=f"{name}, mode {mode:04o}", get=get)


def _diffoscope(config: Config) -> Iterator[Need]:
    lock = config.state / "tools" / "diffoscope.lock.json"
    text = "brought by ourselves when a difference is to be explained, in a container of its own"
    yield Need(name="diffoscope", state="ok", found=f"locked in {lock}" if lock.is_file() else text)
