"""What the sandbox tests share: plans of shell steps with small limits, and a display that remembers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rebuilder.model import Attempt, BuildPlan, Limits, RootImage, Step
from rebuilder.ports import Engine, Job
from rebuilder.sandbox.build import ContainerBuilder
from rebuilder.store.blobs import BlobStore

SMALL = Limits(
    seconds=20,
    memory_bytes=192 * 1024**2,
    cpus=2.0,
    pids=64,
    disk_bytes=32 * 1024**2,
    log_bytes=256 * 1024,
    output_bytes=1024**2,
)


class Remembering:
    """A display that keeps what it is shown."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.lines: list[str] = []

    def stage(self, name: str, detail: str = "") -> None:
        self.stages.append(f"{name}: {detail}")

    def line(self, text: str) -> None:
        self.lines.append(text)


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Workshop:
    """Builds shell steps in the base root filesystem and gives the attempt and its log."""

    def __init__(self, engine: Engine, root: RootImage, folder: Path) -> None:
        self.blobs = BlobStore(folder)
        self.progress = Remembering()
        self.root = root
        self._builder = ContainerBuilder(engine, self.blobs, self.progress, WallClock())

    def build(self, *scripts: str, keep: bool = False, number: int = 1, **changes: Any) -> Attempt:
        plan = self.plan(*scripts, **changes)
        return self._builder.build(plan, self.root, run_id="test-run", number=number, keep=keep)

    def plan(self, *scripts: str, inputs: dict[str, bytes] | None = None, **limits: Any) -> BuildPlan:
        files = {"hello.txt": b"an input\n"} if inputs is None else inputs
        return BuildPlan(
            build="generic",
            inputs=tuple(self.blobs.put([data], name=name, limit=len(data)) for name, data in files.items()),
            input_dir="/build/inputs",
            steps=tuple(Step(argv=("sh", "-c", script), cwd="/build/work") for script in scripts),
            environment={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1700000000", "HOME": "/nonexistent"},
            outputs=("*.out",),
            output_dir="/build/work",
            limits=SMALL.model_copy(update=limits),
        )

    def log(self, attempt: Attempt) -> bytes:
        return self.blobs.read(attempt.log.sha256, limit=SMALL.log_bytes)

    def outputs(self, attempt: Attempt) -> dict[str, bytes]:
        return {file.name: self.blobs.read(file.sha256, limit=SMALL.output_bytes) for file in attempt.outputs}


def job(root: RootImage, *argv: str, **changes: Any) -> Job:
    settings: dict[str, Any] = {
        "purpose": "build",
        "run_id": "test-run",
        "root_sha256": root.sha256,
        "argv": argv,
        "environment": {"PATH": "/usr/bin:/bin"},
        "user": "1000:1000",
        "memory_bytes": 128 * 1024**2,
        "pids": 64,
        "seconds": 30.0,
    }
    return Job(**settings | changes)


def nothing(_: bytes) -> None:
    """A sink."""


