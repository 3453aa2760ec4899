"""What a run has come to know so far: filled stage by stage, frozen into a ``Record`` at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rebuilder.errors import IntegrityError, Stopped, told
from rebuilder.model import BuildKind, BuildPlan, Input, Origin, Record, Signer, StageTime, Verdict
from rebuilder.ports import Clock, Progress
from rebuilder.recipe import Recipe


class Journal:
    """The only mutable thing of a run."""

    def __init__(self, target: str, run_id: str, clock: Clock, progress: Progress) -> None:
        self.run_id = run_id
        self.recipe: Recipe | None = None
        self.files: dict[str, bytes] = {}
        self.plans: dict[BuildKind, BuildPlan] = {}
        self.values: dict[str, Any] = {"target": target, "run_id": run_id, "started": clock.now()}
        self._clock = clock
        self._progress = progress
        self._inputs: dict[str, Input] = {}
        self._warnings: list[str] = []
        self._timeline: list[StageTime] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage and show that it runs; it is in the timeline however it ends."""
        started = self._clock.now()
        self._progress.stage(name)
        try:
            yield
        finally:
            seconds = round((self._clock.now() - started).total_seconds(), 3)
            self._timeline.append(StageTime.model_validate({"stage": name, "started": started, "seconds": seconds}))

    @contextmanager
    def in_spite_of(self, what: str) -> Iterator[None]:
        """Go on with the run whatever fails inside, and say it as a warning: ``what``, and why. For work that no
        verdict depends on. ``IntegrityError`` passes through: a damaged store can bear nothing out."""
        try:
            yield
        except IntegrityError:
            raise
        except Exception as error:
            self.warn(f"{what} ({told(error)}). The verdict does not depend on it.")

    @property
    def timeline(self) -> tuple[StageTime, ...]:
        """Stages so far."""
        return tuple(self._timeline)

    def keep(self, name: str, data: bytes) -> None:
        """A file for the run folder."""
        self.files[name] = data

    def set(self, **values: object) -> None:
        """Fields of the record."""
        self.values |= values

    def add_inputs(self, inputs: tuple[Input, ...]) -> None:
        """Inputs of the build; a later word on the same input replaces the earlier."""
        self._inputs |= {item.name: item for item in inputs}

    def origin(self, name: str, default: Origin) -> Origin:
        """Where that input comes from."""
        return self._inputs[name].origin if name in self._inputs else default

    def warn(self, *texts: str) -> None:
        """Sentences the page must show."""
        self._warnings += [text for text in texts if text not in self._warnings]

    def relocked(self) -> None:
        """The recorded lock was set aside for a new one, on request: said on the page, and an assumption."""
        self.warn("The recipe's toolchain lock was set aside (--relock); today's suite was used in its place.")
        evidence = "solved anew from today's suite, on request (--relock)"
        self.add_inputs((Input(name="toolchain", value="relocked", origin=Origin.ASSUMED, evidence=evidence),))

    def verdict(self, verdict: Verdict, reason: str) -> None:
        """The verdict of the run."""
        self.set(verdict=verdict, reason=reason)

    def stopped(self, stop: Stopped) -> None:
        """The run ended before a comparison."""
        self.set(verdict=stop.verdict, reason=stop.reason, missing=stop.missing)

    def record(self, tool_version: str, signer: Signer | None) -> Record:
        """All of it, frozen."""
        return Record(
            **self.values,
            finished=self._clock.now(),
            tool_version=tool_version,
            inputs=tuple(self._inputs.values()),
            timeline=self.timeline,
            warnings=tuple(self._warnings),
            signer=signer,
        )
