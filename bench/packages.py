"""What a rebuild of a Python package costs beyond its backend's build, what `init` waits for, what is fetched again.

    .venv/bin/python bench/packages.py [--only TEXT]

Three claims. The wall time of `verify RECIPE`, warm, without the time of the backend's build, against `python -m build`
with the same inputs in a bare `docker run`; and beside it the whole against a bare `docker run` of the same steps, the
last of which is `python -m build --no-isolation`. Of the wall time in which a recipe and its lock are made, the part in
which something is fetched. And that a second rebuild fetches nothing. Sources are sdists of the host's own index, so
that no repository is needed; the folder of results is a new one each time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import claim, interleaved, wall
from overhead import Build, docker_run, gather
from workplace import Workplace, rebuilder

from rebuilder.cli import targets
from rebuilder.config import load_config
from rebuilder.lock import ToolchainLock
from rebuilder.model import BuildPlan
from rebuilder.pipeline import verify
from rebuilder.ports import Job, Options
from rebuilder.wiring import Workshop

#: Small, one of each of three backends; their wheels and sdists come out equal, so that one build is all.
PURLS = ("pkg:pypi/tomli@2.2.1", "pkg:pypi/humanize@4.9.0", "pkg:pypi/rich@13.9.4")
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
#: What is remembered of indexes of languages; without it they are asked again.
_MEMORIES = ("releases", "languages")


@dataclass
class Ledger:
    """What was waited for: seconds of containers by their purpose, how many, and seconds and bytes of mirrors."""

    seconds: dict[str, float] = field(default_factory=dict)
    containers: dict[str, int] = field(default_factory=dict)
    mirrors: float = 0.0
    bytes: int = 0

    @property
    def fetching(self) -> float:
        """Seconds in which something was fetched, by a container or from a mirror."""
        return self.seconds.get("fetch", 0.0) + self.mirrors

    def add(self, purpose: str, seconds: float) -> None:
        """One container more."""
        self.seconds[purpose] = self.seconds.get(purpose, 0.0) + seconds
        self.containers[purpose] = self.containers.get(purpose, 0) + 1


@contextmanager
def watched(shop: Workshop) -> Iterator[Ledger]:
    """Write down every container that the engine runs and everything that a mirror is asked for."""
    ledger, run = Ledger(), shop.engine.run

    def running(job: Job, **streams: Any) -> object:
        begin = time.monotonic()
        if job.purpose == "fetch":
            streams["stdout"] = _counted(ledger, streams["stdout"])
        try:
            return run(job, **streams)
        finally:
            ledger.add(job.purpose, time.monotonic() - begin)

    with _replaced(shop.engine, "run", running), _mirrors(shop, ledger):
        yield ledger


def _counted(ledger: Ledger, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def counting(data: bytes) -> None:
        ledger.bytes += len(data)
        take(data)

    return counting


@contextmanager
def _mirrors(shop: Workshop, ledger: Ledger) -> Iterator[None]:
    """Seconds of calls that ask mirrors, each with all that it does in parallel."""
    originals = {name: getattr(shop.fetcher, name) for name in ("get", "fetch", "fetch_all", "discover")}
    stream, depth = shop.fetcher._stream, [0]

    def timed(name: str) -> Callable[..., object]:
        def call(*words: Any, **options: Any) -> object:
            depth[0] += 1
            begin = time.monotonic()
            try:
                return originals[name](*words, **options)
            finally:
                depth[0] -= 1
                ledger.mirrors += 0.0 if depth[0] else time.monotonic() - begin

        return call

    def pieces(url: str, limit: int) -> Iterator[bytes]:
        for piece in stream(url, limit):
            ledger.bytes += len(piece)
            yield piece

    # `fetch` is called by `fetch_all` in threads of its own; only whole calls from outside are to be timed.
    outer = {name: timed(name) for name in ("get", "fetch_all", "discover")}
    for name, call in (*outer.items(), ("_stream", pieces)):
        setattr(shop.fetcher, name, call)
    try:
        yield
    finally:
        for name in (*outer, "_stream"):
            delattr(shop.fetcher, name)


@contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)


# --- places ---------------------------------------------------------------------------------------------


def places(only: str) -> list[Workplace]:
    """A recipe with its lock for each project, made once by the product and not timed."""
    folder = load_config().state / "bench" / "packages"
    return [_place(folder, purl) for purl in PURLS if only in purl]


def _place(folder: Path, purl: str) -> Workplace:
    state, recipes = folder / "state", folder / purl.rpartition("/")[2]
    if not (recipes / "toolchain.lock.json").is_file():
        made = json.loads(rebuilder(state, "verify", purl, "--from-sdist", "--no-sign", "--json").stdout)
        recipes.mkdir(parents=True, exist_ok=True)
        for name in ("recipe.toml", "toolchain.lock.json"):
            shutil.copyfile(state / "runs" / made["run_id"] / name, recipes / name)
    place = Workplace(state, recipes / "recipe.toml")
    # Once, not timed: what this version remembers differently from the last is then warm too.
    place.rebuilder("verify", str(place.recipe), "--no-sign", "--quiet")
    return place


def planned(place: Workplace) -> Build:
    """The build, as the product plans it."""
    shop = place.shop()
    own = targets.bench(shop, targets.Kind.PACKAGE)
    resolution = own.resolve(targets.Said(target=str(place.recipe)))
    special = own.special(fresh=False)
    if special is None or resolution.lock is None:
        sys.exit(f"{place.recipe}: expected a recipe of a package with its lock")
    source, _ = special.ecosystem.source(resolution)
    root = special.toolchains.materialise(resolution.lock)[0]
    return Build(special.ecosystem.plan(resolution, source, "generic")[0], root)


# --- claims ---------------------------------------------------------------------------------------------


def rebuilds(place: Workplace) -> None:
    """The first claim, of one project."""
    build = planned(place)
    outside: list[float] = []
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)
        inputs = gather(place, build.plan, Path(tempfile.mkdtemp(dir=temporary)))
        plans = {"bare": build.plan, "without_build": build.idle, "isolated": isolated(build.plan)}
        words = {name: docker_run(plan, build.root, inputs) for name, plan in plans.items()}
        found = interleaved(
            {
                "verify": lambda: _verified(place, outside),
                "bare": lambda: wall(words["bare"]),
                "without_build": lambda: wall(words["without_build"]),
                "isolated": lambda: wall(words["isolated"]),
            },
            RUNS,
        )
    name, own = place.recipe.parent.name, found["verify"] - (found["bare"] - found["without_build"])
    claim(f"{name}: everything but the backend's build / python -m build, bare", own / found["isolated"], "at most 1.5",
          everything_but_the_build=own, python_m_build=found["isolated"])  # fmt: skip
    claim(f"{name}: verify of its recipe / the same steps, bare", found["verify"] / found["bare"], "at most 1.5",
          outside_the_sandbox=statistics.median(outside), **found)  # fmt: skip


def isolated(plan: BuildPlan) -> BuildPlan:
    """What a person types instead: `python -m build`, which makes an environment of its own for each of sdist and
    wheel, and is given nothing but the front end; the other wheels are where its pip finds them."""
    front_end = ("build-", "packaging-", "pyproject_hooks-")
    steps = []
    for step in plan.steps:
        argv = tuple(
            word for word in step.argv
            if word not in ("--no-isolation", "--skip-dependency-check")
            and not (word.endswith(".whl") and not word.rpartition("/")[2].startswith(front_end))
        )  # fmt: skip
        steps.append(step.model_copy(update={"argv": argv}))
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": plan.input_dir, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return plan.model_copy(update={"steps": tuple(steps), "environment": {**plan.environment, **offline}})


def _verified(place: Workplace, outside: list[float]) -> float:
    """Seconds of one `verify`; those that were not spent in the sandbox go to ``outside``."""
    with place.fresh() as state:
        begin = time.monotonic()
        ended = place.rebuilder("verify", str(place.recipe), "--no-sign", "--json", state=state)
        seconds = time.monotonic() - begin
    record = json.loads(ended.stdout)
    if len(record["built"]["attempts"]) != 1:
        sys.exit(f"{place.recipe}: expected one build, for equal files need no second, found another")
    stages = {stage["stage"]: stage["seconds"] for stage in record["timeline"]}
    outside.append(seconds - stages["sandbox"])
    return seconds


def waits(place: Workplace) -> None:
    """The second claim, of one project: what a recipe and its lock wait for, with root filesystems at hand."""
    purl = place.recipe.parent.name
    lock = ToolchainLock.model_validate_json(place.recipe.with_name("toolchain.lock.json").read_bytes())
    with place.fresh() as state:
        for name in _MEMORIES:
            shutil.rmtree(state / name, ignore_errors=True)
        copy = Workplace(state, place.recipe)
        for package in lock.languages:
            (state / "blobs" / package.sha256[:2] / package.sha256).unlink(missing_ok=True)
        shop = copy.shop()
        with watched(shop) as ledger:
            begin = time.monotonic()
            _init(shop, f"pkg:pypi/{purl}")
            seconds = time.monotonic() - begin
    others = {name: spent for name, spent in ledger.seconds.items() if name != "fetch"}
    claim(f"{purl}: fetching / all of making recipe and lock", ledger.fetching / seconds, "more than 0.5",
          all=seconds, fetch_containers=ledger.seconds.get("fetch", 0.0), mirrors=ledger.mirrors, **others)  # fmt: skip


def _init(shop: Workshop, purl: str) -> None:
    own = targets.bench(shop, targets.Kind.PACKAGE)
    resolution = own.resolve(targets.Said(target=purl, from_sdist=True))
    special = own.special(fresh=False)
    if special is None:
        sys.exit(f"{purl}: expected a package of an index")
    source, _ = special.ecosystem.source(resolution)
    asked = special.ecosystem.relations(resolution, source, "generic")
    special.toolchains.solve(special.ecosystem.today(resolution), {"generic": asked})


def again(place: Workplace) -> None:
    """The third claim, of one project."""
    with place.fresh() as state:
        shop = Workplace(state, place.recipe).shop()
        own = targets.bench(shop, targets.Kind.PACKAGE)
        ports = shop.ports(None, own.special(fresh=False))
        said = targets.Said(target=str(place.recipe))
        with watched(shop) as ledger:
            record = verify(said.target, lambda: own.resolve(said), ports, Options(sign=False))
    ran = ", ".join(f"{count} of {name}" for name, count in sorted(ledger.containers.items()))
    name, fetched = place.recipe.parent.name, ledger.containers.get("fetch", 0)
    sys.stdout.write(f"{name}: a second rebuild, {record.verdict.value}: fetch containers {fetched}, bytes fetched "
                     f"{ledger.bytes} (aim 0 and 0); containers: {ran}\n")  # fmt: skip


def main() -> None:
    """Print the claims."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="projects whose purl has this in it")
    for place in places(parser.parse_args().only):
        rebuilds(place)
        waits(place)
        again(place)


if __name__ == "__main__":
    main()
