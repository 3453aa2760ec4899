"""What a verified rebuild costs beyond the build: against a bare `docker run`, as hardened, of the same build.

Two claims. The whole command against the same two steps in a container that `docker run` made: what a
person waits for. And everything but the build command, against a container that does nothing but unpack
the source: what is ours alone. Toolchain and packages are warm; the folder of results is a new one each time.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import claim, interleaved, wall
from workplace import Workplace, workplace

from rebuilder.model import BuildPlan, RootImage, Step
from rebuilder.ports import Job
from rebuilder.sandbox.build import ContainerBuilder, build_job

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
CONTAINERS = 3 * RUNS


@dataclass(frozen=True)
class Build:
    """One build of the recipe, and the same with a build command that does nothing."""

    plan: BuildPlan
    root: RootImage

    @property
    def idle(self) -> BuildPlan:
        """The plan without its build command."""
        idle = Step(argv=("true",), cwd=self.plan.steps[-1].cwd)
        return self.plan.model_copy(update={"steps": (*self.plan.steps[:-1], idle)})


def builds(place: Workplace) -> list[Build]:
    """What `verify` builds, as the product plans it."""
    shop = place.shop()
    resolution = shop.ecosystem.resolve(str(place.recipe))
    source, _ = shop.ecosystem.source(resolution)
    if resolution.lock is None:
        sys.exit("the recipe has no lock")
    return [
        Build(shop.ecosystem.plan(resolution, source, root.build)[0], root)
        for root in shop.toolchains.materialise(resolution.lock)
    ]


def docker_run(plan: BuildPlan, root: RootImage, inputs: Path) -> list[str]:
    """The argv of a bare container with the limits of ours: the same steps, the inputs mounted read-only."""
    job = build_job(plan, root, run_id="bench", keep=False)
    environment = [f"--env={name}={value}" for name, value in plan.environment.items()]
    image = f"rebuilder-root:{root.sha256}"
    return ["docker", "run", "--rm", *_flags(job), f"--volume={inputs}:{plan.input_dir}:ro", *environment, image,
            "/bin/sh", "-euc", _script(plan.steps)]  # fmt: skip


def _flags(job: Job) -> list[str]:
    """What hardens the container, in the words of the command line."""
    mounts = [f"--tmpfs={one.path}:rw,exec,nosuid,nodev,size={one.bytes},mode={one.mode:o}" for one in job.tmpfs]
    return [
        "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", f"--user={job.user}",
        f"--hostname={job.hostname}", f"--memory={job.memory_bytes}", f"--memory-swap={job.memory_bytes}",
        f"--cpus={job.cpus}", f"--pids-limit={job.pids}", "--ulimit=core=0:0", "--log-driver=none", "--ipc=private",
        *mounts,
    ]  # fmt: skip


def _script(steps: Sequence[Step]) -> str:
    quoted = (" ".join("'" + word.replace("'", "'\\''") + "'" for word in ("mkdir", "-p", step.cwd)) for step in steps)
    argvs = (" ".join("'" + word.replace("'", "'\\''") + "'" for word in step.argv) for step in steps)
    entered = (f"{make}; cd '{step.cwd}'; {argv}" for make, step, argv in zip(quoted, steps, argvs, strict=True))
    return "; ".join(entered)


def verified(place: Workplace, outside: list[float]) -> float:
    """Seconds of one `verify`; those that were not spent in the sandbox go to ``outside``."""
    with place.fresh() as state:
        begin = time.monotonic()
        ended = place.rebuilder("verify", str(place.recipe), "--json", state=state)
        seconds = time.monotonic() - begin
    stages = {stage["stage"]: stage["seconds"] for stage in json.loads(ended.stdout)["timeline"]}
    outside.append(seconds - stages["sandbox"])
    return seconds


def contained(place: Workplace, build: Build) -> float:
    """Seconds of our own container where the build command does nothing: inputs in, log and trailer out."""
    shop = place.shop()
    builder = ContainerBuilder(shop.engine, shop.blobs, shop.progress, shop.clock)
    begin = time.monotonic()
    attempt = builder.build(build.idle, build.root, run_id="bench", number=1)
    if attempt.exit_status != 0:
        sys.exit(f"an idle build failed: {attempt.detail}")
    return time.monotonic() - begin


def gather(place: Workplace, plan: BuildPlan, folder: Path) -> Path:
    """A folder with the inputs of a plan, which the container's user can read."""
    blobs = place.shop().blobs
    for file in plan.inputs:
        (folder / file.name).write_bytes(blobs.path(file.sha256).read_bytes())
    folder.chmod(0o755)
    return folder


def main() -> None:
    """Print both claims."""
    place = workplace()
    with tempfile.TemporaryDirectory() as temporary:
        each = builds(place)
        inputs = [gather(place, build.plan, Path(tempfile.mkdtemp(dir=temporary))) for build in each]
        Path(temporary).chmod(0o755)
        whole = [docker_run(build.plan, build.root, folder) for build, folder in zip(each, inputs, strict=True)]
        idle = [docker_run(build.idle, build.root, folder) for build, folder in zip(each, inputs, strict=True)]
        outside: list[float] = []
        containers = interleaved(
            {
                "ours": lambda: sum(contained(place, build) for build in each),
                "docker_run": lambda: sum(map(wall, idle)),
            },
            CONTAINERS,
        )
        found = interleaved(
            {"verify": lambda: verified(place, outside), "docker_run": lambda: sum(map(wall, whole))}, RUNS
        )
    text = f"rebuilder verify of {place.recipe.parent.parent.name} / bare hardened docker run of the same build"
    claim(text, found["verify"] / found["docker_run"], "at most 2", **found)
    beside = statistics.median(outside)
    ours = beside + containers["ours"]
    claim(
        "everything but the build command / bare hardened docker run that only unpacks",
        ours / containers["docker_run"], "at most 2",
        outside_the_sandbox=beside, our_container=containers["ours"], docker_run=containers["docker_run"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
