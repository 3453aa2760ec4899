"""What a person wants to know about the engine before a build depends on it; only `doctor` asks."""

from __future__ import annotations

import io
import struct
import tarfile
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import uuid4

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from rebuilder.errors import InfrastructureError
from rebuilder.ports import Engine, Exit, Job

ANSWER_SECONDS = 15
#: What the trial program exits with: a status that no shell, loader or engine gives by itself.
TRIAL_STATUS = 42


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The engine in figures. ``memory_bytes`` is that of the machine it runs on."""

    version: str
    api: str
    storage_driver: str
    architecture: str
    memory_bytes: int
    processors: int
    security: tuple[str, ...]
    root: str
    rootless: bool


def survey() -> Survey:
    """Ask the engine that the sandbox would use. ``InfrastructureError`` if none answers."""
    try:
        client = docker.from_env(timeout=ANSWER_SECONDS)
        try:
            version, info = client.version(), client.info()
        finally:
            client.close()
    except (DockerException, RequestException, OSError) as err:
        msg = f"expected a Docker engine that answers, found: {err}"
        raise InfrastructureError(msg, hint=how_to_reach(err)) from err
    return _survey(version, info)


def how_to_reach(error: Exception) -> str:
    """What a person can do about an engine that gives this error instead of an answer."""
    if "PermissionError" in str(error):
        return "this user may not speak to it: `sudo usermod -aG docker $USER`, then log in again"
    return "`make setup` starts one; to use another, set DOCKER_HOST (in a container: pass its socket in)"


def _survey(version: dict[str, Any], info: dict[str, Any]) -> Survey:
    options = [str(item) for item in info.get("SecurityOptions") or ()]
    # Each is ``name=seccomp,profile=default``.
    names = tuple(item.partition("name=")[2].partition(",")[0] or item for item in options)
    return Survey(
        version=str(version.get("Version", "unknown")),
        api=str(version.get("ApiVersion", "0")),
        storage_driver=str(info.get("Driver", "unknown")),
        architecture=str(info.get("Architecture", "unknown")),
        memory_bytes=int(info.get("MemTotal") or 0),
        processors=int(info.get("NCPU") or 0),
        security=names,
        root=str(info.get("DockerRootDir", "")),
        rootless="rootless" in names,
    )


def trial(engine: Engine) -> Exit:
    """Load a root filesystem with one tiny program and run it sealed, exactly as a build would be.

    ``InfrastructureError`` if the engine can't; the exit status is ``TRIAL_STATUS`` if all went well.
    The image is removed again.
    """
    tar = trial_root()
    digest = sha256(tar).hexdigest()
    engine.import_root(io.BytesIO(tar), digest)
    job = Job(
        purpose="build",
        run_id=f"doctor-{uuid4().hex[:12]}",
        root_sha256=digest,
        argv=("/trial",),
        environment={},
        user="1000:1000",
        memory_bytes=64 * 1024**2,
        seconds=60.0,
    )
    try:
        return engine.run(job, stdout=lambda _: None, stderr=lambda _: None)
    finally:
        _forget(digest)


def trial_root() -> bytes:
    """A tar with ``/trial``, a static amd64 ELF program whose only act is ``exit(TRIAL_STATUS)``."""
    program = _elf(b"\xbf" + struct.pack("<I", TRIAL_STATUS) + b"\xb8" + struct.pack("<I", 60) + b"\x0f\x05")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("trial")
        entry.size, entry.mode = len(program), 0o755
        tar.addfile(entry, io.BytesIO(program))
    return out.getvalue()


def _elf(code: bytes) -> bytes:
    """One loadable segment (System V ABI, chapter 4): 64 bytes of file header, 56 of program header, code."""
    base, headers = 0x400000, 64 + 56
    length = headers + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, length, length, 0x1000)
    return ident + header + segment + code


def _forget(digest: str) -> None:
    client = docker.from_env(timeout=ANSWER_SECONDS)
    try:
        client.images.remove(f"rebuilder-root:{digest}", force=True)
    finally:
        client.close()
