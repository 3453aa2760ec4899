"""The report of a check, out of its builds and what they showed. Called by `checking.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rebuilder import __version__
from rebuilder.check import failures, outcome, variations
from rebuilder.check.model import (
    Breakage,
    BuildReport,
    CheckReport,
    Dependency,
    OutputReport,
    SourceState,
    ToolchainState,
    VariationName,
    VariationReport,
)
from rebuilder.check.plan import Answer, Aspect, answers
from rebuilder.findings import Side
from rebuilder.lock import ToolchainLock, to_bytes
from rebuilder.model import RootImage
from rebuilder.trials import Pair, Trial, Trials

#: Places of one breakage that a report names; it counts all of them.
MAX_PLACES = 50


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the report takes over as it was given."""

    source: SourceState
    variations: tuple[VariationName, ...]
    seed: int
    max_builds: int
    #: The command that repeats the check.
    again: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The build whose differences are told, and what they come to."""

    trial: Trial
    pairs: tuple[Pair, ...]
    breakages: tuple[Breakage, ...]


def report_of(told: Told, trials: Trials, shown: Shown, lock: ToolchainLock) -> CheckReport:
    """The report; its times are those of the control until the check is over."""
    control = trials.control
    every = answers(trials.observed, trials.known(told.variations))
    verdict = outcome.verdict(control.made, shown.breakages)
    rows = outcome.variation_reports(
        outcome.Asked(
            names=told.variations,
            control=control.setting,
            varied=variations.setting(control.setting, trials.place.draw, told.variations),
            draw=trials.place.draw,
        ),
        trials.effects(),
        shown.breakages,
        every,
        compared=trials.compared,
    )
    failure = failures.reason(control.attempt, trials.log(control.attempt)[-failures.MAX_LOG :])
    facts = outcome.Facts(verdict=verdict, rows=rows, builds=trials.count, failure=failure)
    differences = {pair.name: pair.found.difference for pair in shown.pairs if pair.found}
    return CheckReport(
        check_id=trials.place.new_run_id(),
        tool_version=__version__,
        started=control.attempt.started,
        finished=control.attempt.finished,
        verdict=verdict,
        headline=outcome.headline(facts, shown.breakages, differences),
        again=told.again,
        seed=told.seed,
        project=trials.place.around.project,
        source=told.source,
        toolchain=_toolchain(lock, trials.place.root),
        variations=rows,
        not_varied=outcome.NOT_VARIED,
        builds=tuple(_builds(trials)),
        outputs=tuple(_outputs(trials, shown)),
        breakages=tuple(one.model_copy(update={"places": one.places[:MAX_PLACES]}) for one in shown.breakages),
        warnings=(*told.warnings, *_warnings(every, told.max_builds), *_silent(rows, trials)),
    )


def _toolchain(lock: ToolchainLock, root: RootImage) -> ToolchainState:
    return ToolchainState(
        suite=lock.suite,
        lock_sha256=hashlib.sha256(to_bytes(lock)).hexdigest(),
        root_sha256=root.sha256,
        packages=root.packages,
        dependencies=tuple(
            Dependency(system=package.system, name=package.name, version=package.version, sha256=package.sha256)
            for package in lock.languages
        ),
    )


def _builds(trials: Trials) -> Iterator[BuildReport]:
    for number, trial in enumerate((*trials.made, *trials.tried), start=1):
        observed = trials.observed[number - 1] if number <= len(trials.observed) else None
        differing = None
        if observed is not None and trial.made and number > 1:
            differing = tuple(sorted({output for output, _, _ in observed.differing if output}))
        yield BuildReport(
            number=number,
            purpose=trial.wanted.purpose,
            why=trial.wanted.why,
            varied=trial.wanted.varied,
            attempt=trial.attempt,
            differing=differing,
        )


def _outputs(trials: Trials, shown: Shown) -> Iterator[OutputReport]:
    if not shown.pairs:
        other = next((trial for trial in trials.made[1:] if trial.made), trials.control)
        for file in trials.control.attempt.outputs:
            yield OutputReport(name=file.name, first=file, second=file, second_build=other.attempt.number)
    for pair in shown.pairs:
        side = None
        if pair.difference:
            side = Side(sha256=hashlib.sha256(pair.difference).hexdigest(), size=len(pair.difference))
        yield OutputReport(
            name=pair.name,
            first=pair.first,
            second=pair.second,
            second_build=shown.trial.attempt.number,
            explanation=pair.found.explanation if pair.found else None,
            difference=side,
        )


def _silent(rows: tuple[VariationReport, ...], trials: Trials) -> tuple[str, ...]:
    if len(trials.made) > 1 and not any(row.status in {"passed", "breaks", "undecided"} for row in rows):
        return ("no variation had an effect: all that was seen is that builds of one and the same are equal",)
    return ()


def _warnings(every: Mapping[Aspect, Answer], max_builds: int) -> tuple[str, ...]:
    if any(not one.settled for one in every.values()):
        return (f"{max_builds} builds did not suffice to find every cause; --max-builds allows more",)
    return ()
