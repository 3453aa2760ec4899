"""A check whose builds are functions: no engine, and a truth that is known. For the tests of what a check says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rebuilder.check.builds import PROBE_MARK
from rebuilder.check.model import CheckReport, Project, ProjectKind, SourceState, VariationName
from rebuilder.check.variations import MARKER, NAMES
from rebuilder.checking import Checked, CheckPorts, Subject, Wishes, check
from rebuilder.model import Attempt, BuildPlan, FailureReason, Limits, RootImage, Step
from rebuilder.store.blobs import BlobStore
from rebuilder.treetar import tree_tar
from tests.records import lock, sha

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
Seen = dict[str, str]
Outputs = dict[str, bytes]


def seen_by(plan: BuildPlan) -> Seen:
    """All that a build can see of what is varied, as the probe in a container tells it."""
    probe = next(step for step in plan.steps if PROBE_MARK in step.argv)
    variables = plan.environment
    ahead = int(variables.get("FAKETIME", "+0d")[1:-1])
    tree = next(one for one in plan.inputs if one.name == "source.tar").sha256
    return {
        "path": probe.cwd,
        "home": variables["HOME"],
        "user": variables["USER"],
        "umask": probe.argv[3],
        "locale": variables["LC_ALL"],
        "timezone": variables["TZ"],
        "host": f"{plan.hostname}.{plan.domainname}",
        "environment": variables.get(MARKER, "not set"),
        "exec-path": variables["PATH"],
        "shell": next((one.link for one in plan.files if one.link), "dash"),
        "cpu": plan.cpuset,
        "jobs": variables.get("MAKEFLAGS", "not set"),
        "kernel": "2.6" if "setarch" in probe.argv else "6",
        "clock": str(int(NOW.timestamp()) + ahead * 86400),
        "order": tree,
        "times": tree,
        "tmpdir": variables["TMPDIR"],
        "hash-seed": variables["PYTHONHASHSEED"],
    }


@dataclass
class Fake:
    """A builder whose builds are a function. ``None``: the build fails."""

    blobs: BlobStore
    build_of: Callable[[Seen, int], Outputs | None]
    #: Variations that cannot be seen in its containers, whatever they are told.
    blind: frozenset[VariationName] = frozenset()
    log: bytes = b""
    plans: list[BuildPlan] = field(default_factory=list)

    def build(self, plan: BuildPlan, root: RootImage, *, run_id: str, number: int, keep: bool = False) -> Attempt:
        self.plans.append(plan)
        seen = seen_by(plan)
        made = self.build_of(seen, number)
        word = next(step.argv[step.argv.index(PROBE_MARK) + 1] for step in plan.steps if PROBE_MARK in step.argv)
        shown = {name: "the same" if name in self.blind else value for name, value in seen.items()}
        told = "".join(f"{word} {name} {value}\n" for name, value in {**shown, "end": ""}.items()).encode() + self.log
        files = (made or {}).items()
        return Attempt(
            run_id=run_id, build="generic", number=number, root_sha256=root.sha256, started=NOW, finished=NOW,
            exit_status=1 if made is None else 0, failure=FailureReason.EXIT_STATUS if made is None else None,
            detail="make ended with status 2" if made is None else "",
            outputs=tuple(self.blobs.put([data], name=name, limit=len(data)) for name, data in files),
            log=self.blobs.put([told], name="build.log", limit=len(told)), limits=plan.limits, engine="fake",
        )  # fmt: skip


class Silent:
    def stage(self, name: str, detail: str = "") -> None: ...

    def line(self, text: str) -> None: ...

    def now(self) -> datetime:
        return NOW


@dataclass
class Bench:
    """Checks of projects that are functions."""

    folder: Path
    fake: Fake | None = None

    def checked(self, build_of: Callable[[Seen, int], Outputs | None], **changes: Any) -> Checked:
        blobs = BlobStore(self.folder / "state")
        tree = self.folder / "tree"
        for name in ("a", "b", "c"):
            tree.mkdir(exist_ok=True)
            (tree / name).write_text(name)
        blind = frozenset(changes.pop("blind", ()))
        self.fake = Fake(blobs, build_of, blind, changes.pop("log", b""))
        kind = changes.pop("kind", ProjectKind.MAKE)
        project = Project(kind=kind, name="demo", found="Makefile", steps=(Step(argv=("make",), cwd="@TREE@"),))
        stored = blobs.put(tree_tar(tree, "demo", 1_700_000_000), name="tree.tar", limit=10**6)
        source = SourceState(kind="git-commit", commit="c" * 40, tree=stored, epoch=1_700_000_000, epoch_from="commit")
        wishes: dict[str, Any] = {"variations": NAMES, "seed": 7, "suite": "trixie", "limits": Limits(), "again": "x"}
        root = RootImage(build="generic", sha256=sha("root"), size=1, packages=3)
        ports = CheckPorts(
            blobs=blobs, builder=self.fake, progress=Silent(), clock=Silent(),
            toolchain=lambda suite, relations: (lock(), root), dependencies=lambda project, root: (),
            npm_cache=lambda packages: stored, hooks=lambda *_: (), probe="probe", new_run_id=lambda: "run",
        )  # fmt: skip
        subject = Subject(source=source, project=project, committed=1_700_000_000)
        return check(subject, Wishes(**wishes | changes), ports)

    def report(self, build_of: Callable[[Seen, int], Outputs | None], **changes: Any) -> CheckReport:
        return self.checked(build_of, **changes).report
