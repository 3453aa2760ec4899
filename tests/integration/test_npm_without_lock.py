"""Packages of npm's registry that no lock names: chosen as of a day, and installed without a network by npm itself."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime

import pytest

from rebuilder.check.kinds import npm as kinds
from rebuilder.check.kinds.tree import OneFile
from rebuilder.errors import Stopped
from rebuilder.ports import Job, Tmpfs
from rebuilder.toolchain.languages_npm_index import OFFLINE_REGISTRY
from tests.integration.indexes import (
    NpmRegistry,
    language_root,  # noqa: F401 - a fixture is used by name
)
from tests.integration.test_languages import (
    Desk,
    desk,  # noqa: F401 - the same
    registry,  # noqa: F401 - the same
)

pytestmark = pytest.mark.integration
RUN = "without-lock-test"
DAY = int(datetime(2023, 5, 10, tzinfo=UTC).timestamp())
WANTED = {"demo": "^1.0.0", "part": "^1.0.0"}


def offer(registry: NpmRegistry) -> None:  # noqa: F811
    """`part` came to the registry only after the day, by the registry's own word."""
    offered = (
        ("demo", "1.0.0", 1, {"leaf": "^1.0.0"}), ("demo", "1.9.0", 2, {"leaf": "^1.0.0"}),
        ("demo", "1.10.0", 3, {"leaf": "^2.0.0"}), ("demo", "1.11.0", 28, None), ("leaf", "1.0.0", 2, None),
        ("leaf", "2.0.0", 3, None), ("part", "1.0.0", 20, {"leaf": "1.x"}), ("part", "1.1.0", 25, None),
    )  # fmt: skip
    for name, version, when, needs in offered:
        registry.add(name, version, needs)
        registry.times[f"{name}@{version}"] = f"2023-05-{when:02}T00:00:00.000Z"
        registry.latest[name] = version


def lock(desk: Desk, *, later: bool) -> bytes:  # noqa: F811
    manifest = json.dumps({"name": "wanted", "version": "0.0.0", "dependencies": WANTED}).encode()
    return desk.packages.npm_resolve(manifest, desk.root, as_of=DAY, run_id=RUN, later=later)


def installed(desk: Desk, cache: bytes) -> tuple[int | None, str]:  # noqa: F811
    """Where each version was put by `npm install` of what is wanted, with that cache and without a network."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("cache.tar")
        member.size = len(cache)
        archive.addfile(member, io.BytesIO(cache))
    specs = " ".join(f"'{name}@{range_}'" for name, range_ in WANTED.items())
    script = (
        "cd /w && tar -x && mkdir cache tree && tar -x -C cache -f cache.tar && cd tree && export HOME=/w && "
        "npm install --no-save --no-package-lock --offline --ignore-scripts --no-audit --no-fund "
        f"--registry={OFFLINE_REGISTRY} --cache=/w/cache -- {specs} && ls && "
        "grep -H '\"version\"' $(find node_modules -name package.json | sort)"
    )
    job = Job(
        purpose="build", run_id=RUN, root_sha256=desk.root.sha256, argv=("/bin/sh", "-c", script), user="1000:1000",
        environment={"PATH": "/usr/bin:/bin"}, tmpfs=(Tmpfs(path="/w", bytes=10**9), Tmpfs(path="/tmp", bytes=10**7)),
    )  # fmt: skip
    said = bytearray()
    ended = desk.engine.run(job, stdin=[out.getvalue()], stdout=said.extend, stderr=said.extend)
    return ended.status, said.decode()


def test_what_came_later_by_a_mirrors_own_times_moves_the_day(desk: Desk, registry: NpmRegistry) -> None:  # noqa: F811
    offer(registry)
    with pytest.raises(Stopped, match=r"as of 2023-05-10 .*by the registry's own times"):
        lock(desk, later=False)
    pinned = kinds.pinned(OneFile("package-lock.json", lock(desk, later=True)), "package-lock.json")
    assert {f"{package.name}@{package.version}" for package in pinned} == {
        "demo@1.10.0", "leaf@1.0.0", "leaf@2.0.0", "part@1.0.0",
    }  # fmt: skip
    assert "the registry had a version of everything by 2023-05-20T00:00:01" in desk.shown.text


def test_npm_installs_what_was_chosen_without_a_lock_or_a_network(desk: Desk, registry: NpmRegistry) -> None:  # noqa: F811
    offer(registry)
    wanted = tuple(f"{name}@{range_}" for name, range_ in WANTED.items())
    found = desk.packages.npm_chosen(wanted, desk.root, run_id=RUN, as_of=DAY)
    ran = len(desk.engine.jobs)
    assert desk.packages.npm_chosen(wanted, desk.root, run_id=RUN, as_of=DAY) == found
    assert len(desk.engine.jobs) == ran
    cache = desk.packages.npm_cache(found, manifests=True)
    assert desk.packages.npm_cache(tuple(reversed(found)), manifests=True) == cache
    status, said = installed(desk, desk.blobs.read(cache.sha256, limit=10**7))
    assert status == 0, said
    assert said.split("\n").count("node_modules") == 1
    assert "package-lock.json" not in said
    places = {"demo": "1.10.0", "part": "1.0.0", "leaf": "2.0.0", "part/node_modules/leaf": "1.0.0"}
    for place, version in places.items():
        row = next(line for line in said.split("\n") if line.startswith(f"node_modules/{place}/package.json:"))
        assert f'"{version}"' in row
