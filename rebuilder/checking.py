"""A check: is a project's build deterministic, as far as that can be seen? Read top to bottom, as `pipeline.py`.

    source -> project -> toolchain -> dependencies -> builds, one after the other -> breakages -> fixes -> report

Nothing is signed: a check says something to its own maintainer, not to others. The plan of builds is `check/plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from rebuilder.check import breakages
from rebuilder.check.builds import VARIATION_PACKAGES, Circumstances, Materials
from rebuilder.check.model import CheckReport, Project, SourceState, VariationName
from rebuilder.check.plan import Wanted, answers, knowing_failures, next_build
from rebuilder.check.variations import Draw
from rebuilder.check_fixes import try_fixes
from rebuilder.check_report import Shown, Told, report_of
from rebuilder.errors import UsageError
from rebuilder.explain.causes.families import RULES
from rebuilder.lock import LanguagePackage, ToolchainLock
from rebuilder.model import BuildPlan, FileDigest, Limits, RootImage
from rebuilder.ports import Blobs, Builder, Clock, Progress
from rebuilder.trials import Pair, Trial, Trials, Workplace

MAX_BUILDS = 12
_BASE = ("base-files", "bash", "coreutils", "findutils", "perl-base", "sed", "tar")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the person asked for, beyond the project."""

    variations: tuple[VariationName, ...]
    seed: int
    suite: str
    max_builds: int = MAX_BUILDS
    #: Builds with everything varied, each from another seed, that have to be equal.
    repeat: int = 1
    try_fixes: bool = True
    limits: Limits
    #: The command that repeats this check exactly.
    again: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is checked: a source in the blobs, and how it is built."""

    source: SourceState
    project: Project
    #: When the source was committed, or its youngest file was written; seconds.
    committed: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckPorts:
    """The world, as ``wiring`` put it together."""

    blobs: Blobs
    builder: Builder
    progress: Progress
    clock: Clock
    #: A lock for a suite and relations, and its root filesystem, loaded.
    toolchain: Callable[[str, tuple[str, ...]], tuple[ToolchainLock, RootImage]]
    #: Packages of the project's language, fetched and in the blobs, and the npm cache made of them.
    dependencies: Callable[[Project, RootImage], tuple[LanguagePackage, ...]]
    npm_cache: Callable[[tuple[LanguagePackage, ...]], FileDigest]
    #: What the build backend asks for besides, as PEP 508 requirements: its hooks run in a sealed container.
    hooks: Callable[[Project, Materials, RootImage, int | None], tuple[str, ...]]
    #: Text of `sandbox/probe.pl`.
    probe: str
    new_run_id: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The report, and what goes with it into the report's folder."""

    report: CheckReport
    trials: Trials
    pairs: tuple[Pair, ...]
    lock: ToolchainLock
    #: Plans of the control and of the build that shows what differs, or of the last one.
    first: BuildPlan
    second: BuildPlan


def check(subject: Subject, wishes: Wishes, ports: CheckPorts) -> Checked:
    """Build the project as often as it takes, varied, and say what its outputs depend on.

    ``Stopped(unavailable)`` where toolchain or dependencies cannot be had; nothing is said of the project then."""
    started = ports.clock.now()
    subject, wishes = _sensible(subject, wishes)
    lock, place = _workplace(subject, wishes, ports, started)
    trials = Trials(place=place, builder=ports.builder, blobs=ports.blobs, progress=ports.progress)
    _build(trials, wishes)
    more = _repeat(trials, wishes)
    shown = _shown(trials)
    pairs = trials.explain(shown) if shown is not trials.control else ()
    found = breakages.breakages(_evidences(trials, pairs, wishes))
    if wishes.try_fixes:
        found = try_fixes(trials, found, frozenset(shown.wanted.varied), at_most=wishes.max_builds + more)
    outcome = Shown(trial=shown, pairs=pairs, breakages=found)
    report = report_of(_told(subject, wishes), trials, outcome, lock)
    report = report.model_copy(update={"started": started, "finished": ports.clock.now()})
    return Checked(
        report=report, trials=trials, pairs=pairs, lock=lock, first=trials.control.plan, second=_second(trials).plan
    )


def _sensible(subject: Subject, wishes: Wishes) -> tuple[Subject, Wishes]:
    """Times of files are a checkout's own; those of an unpacked archive came with it, the same for everybody."""
    if subject.source.kind != "folder" or "times" not in wishes.variations:
        return subject, wishes
    note = "times of source files are not varied: this is no Git repository, and an unpacked archive has its own"
    names = tuple(name for name in wishes.variations if name != "times")
    if not names:
        raise UsageError(note, hint="name other variations, or commit the project to a Git repository")
    return replace(subject, notes=(*subject.notes, note)), replace(wishes, variations=names)


def _told(subject: Subject, wishes: Wishes) -> Told:
    return Told(
        source=subject.source,
        variations=wishes.variations,
        seed=wishes.seed,
        max_builds=wishes.max_builds,
        again=wishes.again,
        warnings=subject.notes,
    )


def _workplace(
    subject: Subject, wishes: Wishes, ports: CheckPorts, now: datetime
) -> tuple[ToolchainLock, Workplace]:
    """The locked toolchain, the packages that are fetched before the network goes off, and all that is drawn."""
    project = subject.project
    ports.progress.stage("check", "toolchain")
    lock, root = ports.toolchain(wishes.suite, relations(project))
    materials = Materials(tree=subject.source.tree, history=subject.source.history)
    ports.progress.stage("check", "packages of the project's language")
    packages = ports.dependencies(project, root)
    if project.asks_backend:
        more = ports.hooks(project, _materials(materials, packages, ports), root, subject.source.epoch)
        if more:
            project = project.model_copy(update={"wheels": tuple(dict.fromkeys((*project.wheels, *more)))})
            packages = ports.dependencies(project, root)
    place = Workplace(
        around=Circumstances(project=project, epoch=subject.source.epoch, limits=wishes.limits),
        draw=Draw(seed=wishes.seed, now=now, named_zones=project.named_zones),
        root=root,
        materials=_materials(materials, packages, ports),
        committed=subject.committed,
        packages={package.package: package.version for package in lock.packages},
        probe=ports.probe,
        new_run_id=ports.new_run_id,
    )
    return lock.with_languages(packages), place


def relations(project: Project) -> tuple[str, ...]:
    """All that the toolchain of a check holds: what the project needs, and what the variations need."""
    history = ("git",) if project.history else ()
    return tuple(dict.fromkeys((*_BASE, *VARIATION_PACKAGES, *history, *project.relations)))


def _materials(bare: Materials, packages: tuple[LanguagePackage, ...], ports: CheckPorts) -> Materials:
    wheels = tuple(
        FileDigest(name=package.file, sha256=package.sha256, size=package.size)
        for package in packages
        if package.system == "pypi"
    )
    node = tuple(package for package in packages if package.system == "npm")
    return replace(bare, wheels=wheels, npm_cache=ports.npm_cache(node) if node else None)


def _build(trials: Trials, wishes: Wishes, more: int = 0) -> None:
    """Follow the plan until nothing more can be learnt, with so many ``more`` builds than to find the causes."""
    at_most = wishes.max_builds + more
    while wanted := next_build(trials.observed, trials.known(wishes.variations), at_most=at_most):
        trials.make(wanted)


def _repeat(trials: Trials, wishes: Wishes) -> int:
    """More builds with everything varied, from other seeds, where the first ones were equal: chance shows late. How
    many there were that find no cause."""
    if any(build.differing for build in trials.observed):
        return 0
    for number in range(1, wishes.repeat):
        place = trials.place
        trials.place = replace(place, draw=replace(place.draw, seed=(wishes.seed + number) % 2**32))
        why = f"everything varied once more, from seed {trials.place.draw.seed}"
        trials.make(Wanted(purpose="varied", varied=wishes.variations, why=why))
        if trials.observed[-1].differing:
            why = "the same once more: with other seeds it was equal, so it may be chance"
            trials.make(Wanted(purpose="repeat", varied=wishes.variations, why=why))
            _build(trials, wishes, more=number)
            return number
    return wishes.repeat - 1


def _shown(trials: Trials) -> Trial:
    """The build whose differences are told: of the varied ones that left outputs the one that differs in most places,
    else any that differs."""
    usable = [
        (len(build.differing), trial)
        for trial, build in zip(trials.made, trials.observed, strict=True)
        if trial.made and build.differing
    ]
    varied = [one for one in usable if one[1].wanted.varied]
    return max(varied or usable, key=lambda one: one[0], default=(0, trials.control))[1]


def _second(trials: Trials) -> Trial:
    """The other build that can be repeated by hand: the one shown, else the first varied one."""
    shown = _shown(trials)
    return shown if shown is not trials.control else next(iter(trials.made[1:]), trials.control)


def _evidences(trials: Trials, pairs: tuple[Pair, ...], wishes: Wishes) -> breakages.Evidences:
    known = knowing_failures(trials.observed, trials.known(wishes.variations))
    shown = {
        pair.name: breakages.Shown(
            difference=pair.found.difference, explanation=pair.found.explanation, places=pair.places
        )
        for pair in pairs
        if pair.found
    }
    return breakages.Evidences(
        kind=trials.place.around.project.kind,
        answers=answers(trials.observed, known),
        shown=shown,
        observed=trials.observed,
        known=known,
        rules={rule.id: rule for rule in RULES},
    )


def epoch(setting: int | str | None, commit_time: int, *, where: str) -> tuple[int | None, str]:
    """SOURCE_DATE_EPOCH of all builds, and where it is from. ``UsageError`` for a number before 1970."""
    if setting == "none":
        return None, "the project's settings: not set"
    if isinstance(setting, int):
        if setting < 0:
            msg = f"expected source-date-epoch of 0 or more, found {setting}"
            raise UsageError(msg)
        return setting, "the project's settings"
    return commit_time, where
