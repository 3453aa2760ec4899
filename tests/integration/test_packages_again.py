"""A second rebuild of a release asks nobody: no container that fetches, no request to the index, no mirror."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rebuilder.cli import targets
from rebuilder.config import load_config
from rebuilder.model import Verdict
from rebuilder.pipeline import verify
from rebuilder.ports import Job, Options
from rebuilder.wiring import workshop
from tests.integration.indexes import NpmRegistry, PythonIndex
from tests.integration.package_projects import BUILD
from tests.integration.package_world import World, forget, repository
from tests.integration.toolchains import Quiet

pytestmark = [pytest.mark.integration, pytest.mark.live]
FLIT = {
    "pyproject.toml": '[build-system]\nrequires = ["flit_core==3.12.0"]\nbuild-backend = "flit_core.buildapi"\n'
    '[project]\nname = "again"\nversion = "1.0"\ndescription = "Built twice"\nrequires-python = ">=3.8"\n',
    "again.py": '"""Built twice."""\n__version__ = "1.0"\n',
}


@pytest.fixture
def released(tmp_path: Path) -> Iterator[World]:
    """A project of flit, its wheel on the index."""
    with PythonIndex() as index, NpmRegistry() as registry:
        assert isinstance(index, PythonIndex)
        assert isinstance(registry, NpmRegistry)
        world = World(tmp_path, index, registry)
        try:
            repository(world.project("again"), FLIT, tag="v1.0")
            made = world.published({"again": BUILD})
            files = made.files["again"]
            world.release("again", {name: data for name, data in files.items() if name.endswith(".whl")}, made.when)
            yield world
        finally:
            forget(world)


def test_a_second_rebuild_fetches_nothing(released: World, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(released.project("again"))
    first = released.run("verify", "pkg:pypi/again@1.0", "--source", source, "--no-sign", "--json")
    assert first.code == 0, first.text
    recipe = released.state / "runs" / first.record["run_id"] / "recipe.toml"
    shop = workshop(load_config({}, file=released.folder / f"{released.state.name}.toml"), Quiet())
    jobs: list[Job] = []
    run = shop.engine.run

    def running(job: Job, **streams: Any) -> object:
        jobs.append(job)
        return run(job, **streams)

    def asked(url: str, limit: int) -> Iterator[bytes]:
        raise AssertionError(url, limit)

    monkeypatch.setattr(shop.engine, "run", running)
    monkeypatch.setattr(shop.fetcher, "_stream", asked)
    released.index.requests.clear()
    own = targets.bench(shop, targets.Kind.PACKAGE)
    said = targets.Said(target=str(recipe))
    ports = shop.ports(None, own.special(fresh=False))
    record = verify(said.target, lambda: own.resolve(said), ports, Options(sign=False))
    assert record.verdict is Verdict.REPRODUCED
    assert [(job.purpose, job.network) for job in jobs] == [("build", "none")]
    assert released.index.requests == []
