"""What a check needs of the workshop: source, toolchain, packages of languages. Called by `wiring`.

The toolchain of a check is today's suite, solved once a day and kept, so that a second check asks no mirror."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rebuilder.check import builds, variations
from rebuilder.check.kinds.needs import requirement
from rebuilder.check.model import Project, SourceState
from rebuilder.check.projects import detect
from rebuilder.check.settings import CheckSettings, read_settings
from rebuilder.checking import Subject, epoch
from rebuilder.errors import UsageError
from rebuilder.fetch import git
from rebuilder.lock import LanguagePackage, ToolchainLock, to_bytes
from rebuilder.model import BuildPlan, Limits, RootImage
from rebuilder.ports import Blobs, Builder
from rebuilder.store.durable import replace_synced
from rebuilder.toolchain.languages import LanguagePackages
from rebuilder.treetar import TarTree

LOCK_SECONDS = 24 * 3600
_MAX_LOCK = 64 * 1024**2
_MAX_ANSWER = 64 * 1024
_MAX_REQUIREMENTS = 200


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What of a project is to be checked."""

    folder: Path
    commit: str = "HEAD"
    worktree: bool = False
    command: tuple[str, ...] = ()


def subject(asked: Asked, blobs: Blobs) -> tuple[Subject, CheckSettings]:
    """The source in the blobs, and how it is built. ``UsageError`` for what cannot be built without a network, or is
    no project at all."""
    repository = git.find(asked.folder)
    if repository is None:
        if asked.commit != "HEAD":
            msg = f"expected --commit only for a Git repository, found none at {asked.folder}"
            raise UsageError(msg)
        exported = git.folder(asked.folder, blobs)
    else:
        exported = repository.worktree(blobs) if asked.worktree else repository.export(blobs, commit=asked.commit)
    with blobs.path(exported.tree.sha256).open("rb") as tar:
        tree = TarTree(tar)
        settings = read_settings(tree)
        project = detect(tree, settings, name=asked.folder.resolve().name, command=asked.command)
    history = repository.bundle(blobs, commit=asked.commit) if repository is not None and project.history else None
    where = "the commit" if exported.commit and not asked.worktree else "the newest file"
    seconds, told = epoch(settings.source_date_epoch, exported.epoch, where=where)
    state = SourceState(
        kind="folder" if repository is None else "worktree" if asked.worktree else "git-commit",
        commit=exported.commit,
        tag=exported.tag or exported.described,
        dirty=exported.dirty,
        tree=exported.tree,
        history=history,
        epoch=seconds,
        epoch_from=told,
        submodules=exported.submodules,
    )
    notes = (*exported.notes, *project.notes)
    return Subject(source=state, project=project, committed=exported.epoch, notes=notes), settings


@dataclass(frozen=True, kw_only=True)
class DailyToolchain:
    """Toolchains by suite and relations, solved at most once a day. ``fresh``: whatever is kept is set aside."""

    folder: Path
    solve: Callable[[str, tuple[str, ...]], ToolchainLock]
    materialise: Callable[[ToolchainLock], tuple[RootImage, ...]]
    fresh: bool = False

    def __call__(self, suite: str, relations: tuple[str, ...]) -> tuple[ToolchainLock, RootImage]:
        """The lock, and its root filesystem in the engine. Raises as ``Toolchains.solve`` and ``materialise``."""
        kept = self.folder / f"{hashlib.sha256(json.dumps([suite, relations]).encode()).hexdigest()}.json"
        lock = None if self.fresh else _kept(kept)
        if lock is None:
            lock = self.solve(suite, relations)
            kept.parent.mkdir(parents=True, exist_ok=True)
            replace_synced(kept, to_bytes(lock))
        return lock, self.materialise(lock)[0]


def _kept(path: Path) -> ToolchainLock | None:
    try:
        status = path.stat()
        if time.time() - status.st_mtime > LOCK_SECONDS or status.st_size > _MAX_LOCK:
            return None
        return ToolchainLock.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


@dataclass(frozen=True, kw_only=True)
class ProjectPackages:
    """The packages of a project's language, fetched by the clients of the very root it is built in."""

    languages: LanguagePackages
    new_run_id: Callable[[], str]
    fresh: bool = False

    def __call__(self, project: Project, root: RootImage) -> tuple[LanguagePackage, ...]:
        """All of them, in the blobs. Raises as ``LanguagePackages``."""
        found: tuple[LanguagePackage, ...] = ()
        if project.wheels:
            found += self.languages.wheels(project.wheels, root, run_id=self.new_run_id(), refresh=self.fresh)
        if project.npm:
            found += self.languages.npm(project.npm, root, run_id=self.new_run_id())
        return found


@dataclass(frozen=True, kw_only=True)
class BackendHooks:
    """Asks a build backend what else it needs, in a container like that of a build."""

    builder: Builder
    blobs: Blobs
    limits: Limits
    script: str
    new_run_id: Callable[[], str]

    def __call__(
        self, project: Project, materials: builds.Materials, root: RootImage, seconds: int | None
    ) -> tuple[str, ...]:
        """PEP 508 requirements, checked. ``UsageError`` for an answer that is none; nothing of a backend that fails:
        the build itself will say why."""
        around = builds.Circumstances(project=project, epoch=seconds, limits=self.limits)
        plan = builds.hooks_plan(around, variations.control(project.name), materials, self.script)
        attempt = self._built(plan, root)
        if not attempt:
            return ()
        where = "what the build backend asks for (get_requires_for_build_wheel)"
        try:
            answer = json.loads(attempt)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, list) or len(answer) > _MAX_REQUIREMENTS:
            msg = f"{where}: expected a list of requirements, found something else"
            raise UsageError(msg)
        return tuple(requirement(str(item), where) for item in answer)

    def _built(self, plan: BuildPlan, root: RootImage) -> bytes:
        attempt = self.builder.build(plan, root, run_id=self.new_run_id(), number=1)
        made = next((file for file in attempt.outputs if file.name == builds.REQUIRES), None)
        if attempt.failure is not None or made is None or made.size > _MAX_ANSWER:
            return b""
        return self.blobs.read(made.sha256, limit=_MAX_ANSWER)

