"""The real pip and npm of a real root filesystem, against indexes on the loopback: what comes, and what never does."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rebuilder.check.model import NpmPackage
from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.fetch.clients import NpmClient, PipClient
from rebuilder.fetch.host_clients import Chosen, HostClients
from rebuilder.lock import LanguagePackage
from rebuilder.model import RootImage
from rebuilder.ports import Exit, Job, Tmpfs
from rebuilder.sandbox.docker import DockerEngine
from rebuilder.store.blobs import BlobStore
from rebuilder.toolchain.languages import LanguagePackages
from rebuilder.toolchain.languages_memory import RememberedPackages
from rebuilder.toolchain.languages_npm_index import OFFLINE_REGISTRY
from tests.integration.indexes import (
    NpmRegistry,
    PythonIndex,
    integrity,
    language_root,  # noqa: F401 - a fixture is used by name
    npm_tarball,
    sdist,
    wheel,
)

pytestmark = pytest.mark.integration
RUN = "languages-test"


class Counted(DockerEngine):
    """The engine; remembers what it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def run(self, job: Job, **streams: object) -> Exit:  # type: ignore[override]
        self.jobs.append(job)
        return super().run(job, **streams)  # type: ignore[arg-type]


@dataclass
class Shown:
    """A display that remembers."""

    text: str = ""

    def stage(self, name: str, detail: str = "") -> None:
        self.text += f"{name} {detail}\n"

    def line(self, text: str) -> None:
        self.text += f"{text}\n"


@dataclass
class Now:
    """A clock that a test may move."""

    time: datetime = field(default_factory=lambda: datetime(2026, 11, 29, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time


@dataclass
class Told:
    """Clients as a test names them."""

    python: PipClient = field(default_factory=PipClient)
    node: NpmClient = field(default_factory=NpmClient)

    def pip(self) -> PipClient:
        return self.python

    def npm(self) -> NpmClient:
        return self.node


class Desk:
    """All of it, with a store of its own."""

    def __init__(self, state: Path, root: RootImage) -> None:
        self.root = root
        self.engine, self.blobs, self.shown, self.clock = Counted(), BlobStore(state), Shown(), Now()
        self.told = Told()
        memory = RememberedPackages(state / "languages", self.clock)
        self.packages = LanguagePackages(self.engine, self.blobs, self.shown, self.told, memory)

    def wheels(self, *requirements: str, refresh: bool = False) -> tuple[LanguagePackage, ...]:
        return self.packages.wheels(requirements, self.root, run_id=RUN, refresh=refresh)

    def npm(self, *packages: NpmPackage) -> tuple[LanguagePackage, ...]:
        return self.packages.npm(packages, self.root, run_id=RUN)

    def bytes_of(self, package: LanguagePackage) -> bytes:
        return self.blobs.read(package.sha256, limit=10**7)


@pytest.fixture
def desk(tmp_path: Path, language_root: RootImage) -> Desk:  # noqa: F811 - the fixture
    return Desk(tmp_path / "state", language_root)


@pytest.fixture
def index(desk: Desk) -> Iterator[PythonIndex]:
    with PythonIndex() as served:
        assert isinstance(served, PythonIndex)
        desk.told.python = PipClient(index=served.url, timeout=10)
        yield served


@pytest.fixture
def registry(desk: Desk) -> Iterator[NpmRegistry]:
    with NpmRegistry() as served:
        assert isinstance(served, NpmRegistry)
        desk.told.node = NpmClient(index=served.url, timeout=10)
        yield served


def offer(index: PythonIndex, name: str, version: str, *, requires: tuple[str, ...] = ()) -> bytes:
    return index.add(name, f"{name}-{version}-py3-none-any.whl", wheel(name, version, requires=requires))


# --- wheels -----------------------------------------------------------------------------------------


def test_wheels_and_what_they_depend_on_come_by_digest_and_once(desk: Desk, index: PythonIndex) -> None:
    demo = offer(index, "demo", "1.0", requires=("needed >=2",))
    offer(index, "demo", "0.9")
    needed = offer(index, "needed", "2.5")
    found = desk.wheels("demo >=1; python_version >= '3'", "never; python_version < '3'")
    assert [(package.system, package.name, package.version, package.file) for package in found] == [
        ("pypi", "demo", "1.0", "demo-1.0-py3-none-any.whl"), ("pypi", "needed", "2.5", "needed-2.5-py3-none-any.whl"),
    ]  # fmt: skip
    assert [desk.bytes_of(package) for package in found] == [demo, needed]
    assert [package.size for package in found] == [len(demo), len(needed)]
    assert len(desk.engine.jobs) == 1
    assert desk.engine.jobs[0].network == "host"
    # All at hand: no container, and no question to the index.
    asked = len(index.requests)
    assert desk.wheels("demo>=1 ; python_version >= '3'", "never; python_version<'3'") == found
    assert (len(desk.engine.jobs), len(index.requests)) == (1, asked)


def test_a_choice_holds_for_a_day_unless_it_is_asked_anew(desk: Desk, index: PythonIndex) -> None:
    offer(index, "demo", "1.0")
    first = desk.wheels("demo")
    offer(index, "demo", "1.1")
    assert desk.wheels("demo") == first
    assert desk.wheels("demo", refresh=True)[0].version == "1.1"
    offer(index, "demo", "1.2")
    desk.clock.time += timedelta(hours=25)
    assert desk.wheels("demo")[0].version == "1.2"


def test_what_was_locked_comes_back_by_digest_alone(desk: Desk, index: PythonIndex) -> None:
    body = offer(index, "demo", "1.0")
    offer(index, "other", "3.0")
    locked = (*desk.wheels("demo"), *desk.wheels("other"))
    for package in locked:
        desk.blobs.remove(package.sha256)
    desk.packages.ensure(locked, desk.root, run_id=RUN)
    assert desk.bytes_of(locked[0]) == body
    ran = len(desk.engine.jobs)
    desk.packages.ensure(locked, desk.root, run_id=RUN)
    assert len(desk.engine.jobs) == ran


def test_everything_that_cannot_be_had_is_listed_with_its_reason(desk: Desk, index: PythonIndex) -> None:
    for name in ("kept", "gone", "changed"):
        offer(index, name, "1.0")
    locked = tuple(package for name in ("kept", "gone", "changed") for package in desk.wheels(name))
    for package in locked:
        desk.blobs.remove(package.sha256)
    del index.projects["gone"]
    index.projects["changed"].links[0].body = wheel("changed", "1.0", requires=("more",))
    with pytest.raises(Stopped, match="2 of 3 language packages could not be had") as stopped:
        desk.packages.ensure(locked, desk.root, run_id=RUN)
    assert [line.partition(":")[0] for line in stopped.value.missing] == ["changed 1.0", "gone 1.0"]
    assert "this sha256" in stopped.value.missing[1]
    # What could be had is there.
    assert desk.blobs.has(locked[0].sha256)


def test_other_bytes_than_the_index_promises_are_refused_by_name(desk: Desk, index: PythonIndex) -> None:
    index.add("demo", "demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), sha256="0" * 64)
    with pytest.raises(Stopped, match=r"demo.* cannot be met: the index gives other bytes than the digest it names"):
        desk.wheels("demo")
    assert not list(desk.blobs.names())


def test_an_index_without_digests_is_believed_the_first_time_only(desk: Desk, index: PythonIndex) -> None:
    body = index.add("demo", "demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), hashed=False)
    (package,) = desk.wheels("demo")
    assert package.sha256 == hashlib.sha256(body).hexdigest()
    desk.blobs.remove(package.sha256)
    index.projects["demo"].links[0].body = wheel("demo", "1.0", requires=("evil",))
    with pytest.raises(Stopped, match=r"demo 1\.0: the index gives other bytes than its sha256"):
        desk.packages.ensure((package,), desk.root, run_id=RUN)


def test_what_the_index_does_not_have_is_named(desk: Desk, index: PythonIndex) -> None:
    offer(index, "demo", "1.0")
    index.add("sourced", "sourced-1.0.tar.gz", sdist("sourced", "1.0"))
    index.add("foreign", "foreign-1.0-cp27-cp27m-win32.whl", wheel("foreign", "1.0", tag="cp27-cp27m-win32"))
    offer(index, "asks", "1.0", requires=("no-such-thing >2",))
    for requirement, words in {
        "no-such-thing": f"no-such-thing cannot be met: the index .{index.host}. has no package of that name",
        "demo >=2": "demo>=2 cannot be met: the index .* has no such version; it has 1.0",
        "sourced": "sourced .1.0. cannot be met: .* source archive only, no wheel",
        "foreign": "foreign cannot be met: .* fits the build's interpreter",
        "asks": "no-such-thing>2 cannot be met",
    }.items():
        with pytest.raises(Stopped, match=words) as stopped:
            desk.wheels(requirement)
        assert stopped.value.verdict == "unavailable"
        assert stopped.value.missing


def test_requirements_that_contradict_each_other_are_told_with_pips_lines(desk: Desk, index: PythonIndex) -> None:
    offer(index, "shared", "1.0")
    offer(index, "shared", "2.0")
    offer(index, "left", "1.0", requires=("shared <2",))
    offer(index, "right", "1.0", requires=("shared >=2",))
    with pytest.raises(Stopped, match="the requirements contradict each other") as stopped:
        desk.wheels("left", "right")
    assert any("left" in line and "shared" in line for line in stopped.value.missing)


def test_an_index_that_is_down_or_ill_is_named_with_its_host(desk: Desk, index: PythonIndex) -> None:
    index.status = 503
    with pytest.raises(Stopped, match=rf"{index.host} could not be reached: .*503"):
        desk.wheels("demo")
    desk.told.python = PipClient(index="http://127.0.0.1:1/simple/", timeout=5)
    with pytest.raises(Stopped, match=r"demo cannot be met: 127\.0\.0\.1:1 could not be reached: .*refused"):
        desk.wheels("demo")
    desk.told.python = PipClient(index="https://no-such-host.invalid/simple/", timeout=5)
    with pytest.raises(Stopped, match=r"no-such-host\.invalid could not be reached: .*"):
        desk.wheels("demo")
    desk.told.python = PipClient(index="http://no-such-host.invalid/simple/", timeout=5)
    with pytest.raises(Stopped, match=r"no-such-host\.invalid is asked without encryption, and is none of"):
        desk.wheels("demo")


@pytest.mark.parametrize(
    "name", ["..%2f..%2fdemo-1.0-py3-none-any.whl", "demo-1.0-py3-none-any.whl;x", "demo-1.0-py3-none-any.whl\n"]
)
def test_no_file_name_of_an_index_leads_anywhere(desk: Desk, index: PythonIndex, name: str) -> None:
    index.add("demo", name, wheel("demo", "1.0"))
    try:
        found = desk.wheels("demo")
    except Stopped:
        return
    assert [package.file for package in found] == ["demo-1.0-py3-none-any.whl"]


def test_a_wheel_that_calls_itself_something_else_is_refused(desk: Desk, index: PythonIndex) -> None:
    index.add("demo", "demo-1.0-py3-none-any.whl", wheel("other", "7.0"))
    with pytest.raises(Stopped, match="demo"):
        desk.wheels("demo")


def test_no_code_of_a_package_runs_even_where_another_names_its_address(desk: Desk, index: PythonIndex) -> None:
    evil = f"import urllib.request\nurllib.request.urlopen('http://{index.host}/simple/it-ran/')\n"
    index.add("evil", "evil-1.0.tar.gz", sdist("evil", "1.0", evil))
    offer(index, "demo", "1.0", requires=(f"evil @ http://{index.host}/files/evil/evil-1.0.tar.gz",))
    with pytest.raises(Stopped, match="no code of a package runs while fetching") as stopped:
        desk.wheels("demo")
    assert "evil" in stopped.value.missing[0]
    paths = [path for path, _ in index.requests]
    assert any("evil-1.0.tar.gz" in path for path in paths)
    assert not any("it-ran" in path for path in paths)
    # A wheel at an address runs nothing; all the same it is not the index's.
    offer(index, "kind", "1.0")
    address = f"http://{index.host}/files/kind/kind-1.0-py3-none-any.whl"
    offer(index, "demo", "2.0", requires=(f"kind @ {address}",))
    with pytest.raises(Stopped, match=r"kind 1\.0 comes from an address that another package names"):
        desk.wheels("demo==2.0")


def test_a_password_of_an_index_is_used_and_never_seen(desk: Desk) -> None:
    with PythonIndex(user="alice:s3cret-pw") as index:
        assert isinstance(index, PythonIndex)
        offer(index, "demo", "1.0")
        desk.told.python = PipClient(index=index.url, timeout=10)
        found = desk.wheels("demo")
        assert found[0].name == "demo"
        stopped: list[str] = []
        for requirement in ("nothing", "demo>5"):
            with pytest.raises(Stopped) as error:
                desk.wheels(requirement)
            stopped += [error.value.reason, *error.value.missing]
        index.user = "alice:another"
        with pytest.raises(Stopped, match=rf"{index.host} could not be reached: 401") as error:
            desk.wheels("fresh")
        stopped += [error.value.reason]
    kept = "".join(path.read_text() for path in (desk.blobs.root / "languages").glob("*.json"))
    seen = [desk.shown.text, str(desk.engine.jobs), kept, repr(desk.told), *stopped, *(str(one) for one in found)]
    assert desk.shown.text
    assert not any("s3cret-pw" in text or "alice" in text for text in seen)


def test_a_root_filesystem_without_the_client_is_our_own_fault(desk: Desk, base_root: RootImage) -> None:
    with pytest.raises(InfrastructureError, match="python3"):
        desk.packages.wheels(("demo",), base_root, run_id=RUN)
    with pytest.raises(InfrastructureError, match="node"):
        desk.packages.npm((NpmPackage(name="a", version="1.0.0", integrity=integrity(b"")),), base_root, run_id=RUN)


@pytest.mark.live
def test_the_hosts_own_index_gives_a_real_wheel(desk: Desk) -> None:
    clients = HostClients(Chosen(), os.environ)
    desk.told.python = clients.pip()
    (package,) = desk.wheels("flit_core >=3.11,<4")
    assert (package.name, package.file[:10]) == ("flit-core", "flit_core-")
    assert len(desk.bytes_of(package)) == package.size > 10_000


# --- npm --------------------------------------------------------------------------------------------


def locked(registry: NpmRegistry) -> tuple[dict[str, object], tuple[NpmPackage, ...]]:
    """A project of three packages, one with a scope and one old: its lock, and what it pins."""
    pins = {"demo": ("1.0.0", {"@scope/part": "^1.0.0"}), "@scope/part": ("1.2.3", {"leaf": "1.0.0-rc.1"})}
    rows: dict[str, object] = {"": {"name": "x", "version": "1.0.0", "dependencies": {"demo": "1.0.0"}}}
    packages = []
    for name, (version, needs) in {**pins, "leaf": ("1.0.0-rc.1", {})}.items():
        named = registry.add(name, version, needs)
        rows[f"node_modules/{name}"] = {
            "version": version, "resolved": f"https://registry.invalid/{name}.tgz", "integrity": named,
            "dependencies": needs, "hasInstallScript": True,
        }  # fmt: skip
        packages.append(NpmPackage(name=name, version=version, integrity=named))
    return {"name": "x", "version": "1.0.0", "lockfileVersion": 3, "packages": rows}, tuple(packages)


def install_offline(desk: Desk, cache: bytes, lock: dict[str, object]) -> tuple[int | None, str]:
    """`npm ci --offline` of the lock with that cache, in a container without a network; status and what was said."""
    manifest = lock["packages"][""]  # type: ignore[index]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        texts = {"tree/package.json": json.dumps(manifest), "tree/package-lock.json": json.dumps(lock)}
        for name, data in {"cache.tar": cache, **{name: text.encode() for name, text in texts.items()}}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    script = (
        "cd /w && tar -x && mkdir cache && tar -x -C cache -f cache.tar && cd tree && export HOME=/w && "
        f"npm ci --offline --ignore-scripts --no-audit --no-fund --registry={OFFLINE_REGISTRY} --cache=/w/cache && "
        "find node_modules -name index.js | sort && test ! -e /tmp/ran"
    )
    job = Job(
        purpose="build", run_id=RUN, root_sha256=desk.root.sha256, argv=("/bin/sh", "-c", script), user="1000:1000",
        environment={"PATH": "/usr/bin:/bin"}, tmpfs=(Tmpfs(path="/w", bytes=10**9), Tmpfs(path="/tmp", bytes=10**7)),
    )  # fmt: skip
    said = bytearray()
    ended = desk.engine.run(job, stdin=[out.getvalue()], stdout=said.extend, stderr=said.extend)
    return ended.status, said.decode()


def test_tarballs_come_by_integrity_and_suffice_for_an_install_without_network(
    desk: Desk, registry: NpmRegistry
) -> None:
    lock, pinned = locked(registry)
    found = desk.npm(*pinned)
    assert [(package.name, package.version, package.file) for package in found] == [
        ("@scope/part", "1.2.3", "scope-part-1.2.3.tgz"), ("demo", "1.0.0", "demo-1.0.0.tgz"),
        ("leaf", "1.0.0-rc.1", "leaf-1.0.0-rc.1.tgz"),
    ]  # fmt: skip
    assert all(integrity(desk.bytes_of(package)) == package.integrity for package in found)
    cache = desk.packages.npm_cache(found)
    assert desk.packages.npm_cache(tuple(reversed(found))) == cache
    data = desk.blobs.read(cache.sha256, limit=10**7)
    status, said = install_offline(desk, data, lock)
    assert status == 0, said
    rows = lock["packages"]
    assert isinstance(rows, dict)
    for row in rows.values():  # as npm writes it with omit-lockfile-registry-resolved
        row.pop("resolved", None)
    without, also = install_offline(desk, data, lock)
    assert (without, also.count("index.js")) == (0, 3), also
    assert "node_modules/@scope/part/index.js\nnode_modules/demo/index.js\nnode_modules/leaf/index.js" in said
    ran, asked = len(desk.engine.jobs), len(registry.requests)
    assert desk.npm(*pinned) == found
    assert (len(desk.engine.jobs), len(registry.requests)) == (ran, asked)


def test_locked_tarballs_come_back_by_digest(desk: Desk, registry: NpmRegistry) -> None:
    _, pinned = locked(registry)
    found = desk.npm(*pinned)
    desk.blobs.remove(found[1].sha256)
    desk.packages.ensure(found, desk.root, run_id=RUN)
    assert integrity(desk.bytes_of(found[1])) == found[1].integrity


def test_every_tarball_that_cannot_be_had_is_listed_with_its_reason(desk: Desk, registry: NpmRegistry) -> None:
    good = NpmPackage(name="good", version="1.0.0", integrity=registry.add("good", "1.0.0"))
    registry.add("other", "1.0.0")
    registry.add("swapped", "1.0.0")
    registry.swapped["swapped@1.0.0"] = npm_tarball("swapped", "1.0.0", {"evil": "1"})
    real = integrity(registry.tarballs["swapped"]["1.0.0"])
    wrong = (
        NpmPackage(name="gone", version="1.0.0", integrity=integrity(b"a")),
        NpmPackage(name="good", version="2.0.0", integrity=integrity(b"b")),
        NpmPackage(name="other", version="1.0.0", integrity=integrity(b"c")),
        NpmPackage(name="swapped", version="1.0.0", integrity=real),
    )
    with pytest.raises(Stopped, match="4 of 5 language packages could not be had") as stopped:
        desk.npm(good, *wrong)
    assert stopped.value.missing == (
        "gone@1.0.0: the registry has no such package",
        "good@2.0.0: the registry has no such version",
        "other@1.0.0: the registry gives other bytes than the integrity of the lock",
        "swapped@1.0.0: the registry gives other bytes than the digest it names",
    )


def test_a_registry_that_is_down_is_named_with_its_host(desk: Desk, registry: NpmRegistry) -> None:
    package = NpmPackage(name="good", version="1.0.0", integrity=registry.add("good", "1.0.0"))
    desk.told.node = NpmClient(index="http://127.0.0.1:1/", timeout=5)
    with pytest.raises(Stopped, match=r"good@1\.0\.0: 127\.0\.0\.1:1 could not be reached: ECONNREFUSED"):
        desk.npm(package)


def test_a_token_of_a_registry_is_used_and_never_seen(desk: Desk) -> None:
    with NpmRegistry(token="npm_t0ken") as registry:
        assert isinstance(registry, NpmRegistry)
        package = NpmPackage(name="good", version="1.0.0", integrity=registry.add("good", "1.0.0"))
        auth = {f"//{registry.host}/:_authToken": "npm_t0ken"}
        desk.told.node = NpmClient(index=registry.url, auth=auth, timeout=10)
        (found,) = desk.npm(package)
        with pytest.raises(Stopped) as stopped:
            desk.npm(NpmPackage(name="gone", version="1.0.0", integrity=integrity(b"a")))
        registry.token = "another"
        with pytest.raises(Stopped, match="401") as refused:
            desk.npm(NpmPackage(name="gone", version="1.0.0", integrity=integrity(b"a")))
    seen = (desk.shown.text, str(desk.engine.jobs), repr(desk.told), stopped.value.reason, refused.value.reason)
    assert not any("npm_t0ken" in text for text in (*seen, str(found)))


@pytest.mark.live
def test_the_hosts_own_registry_gives_a_real_project(desk: Desk, live_lock: dict[str, object]) -> None:
    desk.told.node = HostClients(Chosen(), os.environ).npm()
    rows = live_lock["packages"]
    assert isinstance(rows, dict)
    pinned = tuple(
        NpmPackage(name=path.rpartition("node_modules/")[2], version=row["version"], integrity=row["integrity"])
        for path, row in rows.items()
        if path
    )
    found = desk.npm(*pinned)
    assert len(found) == len(pinned) >= 3
    cache = desk.packages.npm_cache(found)
    status, said = install_offline(desk, desk.blobs.read(cache.sha256, limit=10**8), live_lock)
    assert status == 0, said


@pytest.fixture
def live_lock(desk: Desk) -> dict[str, object]:
    """A lock that npm itself wrote for a real package with dependencies: `npm install --package-lock-only`."""
    client = HostClients(Chosen(), os.environ).npm()
    manifest = b'{"name": "x", "version": "1.0.0", "dependencies": {"chalk": "4.1.2"}}'
    return lock_of(desk, client, client.files("/w") | {"package.json": manifest})


def lock_of(desk: Desk, client: NpmClient, files: dict[str, bytes]) -> dict[str, object]:
    script = (
        "cd /w && tar -x && export HOME=/w NPM_CONFIG_CACHE=/w/cache && while IFS= read -r -d '' pair; do "
        'export "$pair"; done <environment && npm install --package-lock-only --ignore-scripts >&2 '
        "&& cat package-lock.json"
    )
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    job = Job(
        purpose="fetch", run_id=RUN, root_sha256=desk.root.sha256, argv=("/bin/bash", "-c", script), user="1000:1000",
        environment={"PATH": "/usr/bin:/bin"}, tmpfs=(Tmpfs(path="/w", bytes=10**9),), network=client.network,
    )  # fmt: skip
    said, complaint = bytearray(), bytearray()
    ended = desk.engine.run(job, stdin=[out.getvalue()], stdout=said.extend, stderr=complaint.extend)
    assert ended.status == 0, complaint.decode()
    found = json.loads(said)
    assert isinstance(found, dict)
    return found
