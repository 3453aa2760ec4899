"""The builds of one check: makes each, reads its probe, and compares its outputs with the control's.

Between the rules of `check/` (which see no disk) and the sandbox and the blobs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from rebuilder.check import builds, fixes, marks, probes, variations
from rebuilder.check.builds import Circumstances, Materials, Probe
from rebuilder.check.marks import Texts
from rebuilder.check.model import VariationName
from rebuilder.check.plan import FAILS, NONE, Aspect, Known, Names, Observed, Wanted
from rebuilder.check.variations import Draw, Setting
from rebuilder.compare.walk import Walked, compare
from rebuilder.explaining import Explained, explained
from rebuilder.explaining import to_bytes as difference_bytes
from rebuilder.findings import MemberPath, Surroundings
from rebuilder.model import Attempt, BuildPlan, FailureReason, FileDigest, RootImage
from rebuilder.opened import Desk, desk
from rebuilder.ports import Blobs, Builder, Progress
from rebuilder.treetar import Times, checkout_times, varied_tar

MAX_TREE_BYTES = 8 * 1024**3
#: Of a log, what is read for its probe and for the reason of a failure.
MAX_LOG_BYTES = 64 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """What all builds of a check have in common."""

    around: Circumstances
    draw: Draw
    root: RootImage
    materials: Materials
    #: When the source was committed, or its youngest file was written; seconds.
    committed: int
    packages: Mapping[str, str]
    probe: str
    new_run_id: Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One build that was made. ``seen`` is what its probe saw, empty if it did not get so far."""

    wanted: Wanted
    setting: Setting
    plan: BuildPlan
    attempt: Attempt
    seen: probes.Seen

    @property
    def made(self) -> bool:
        """It left outputs."""
        return self.attempt.failure is None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One output of the control against the same of another build, explained. ``difference`` is JSON."""

    name: str
    first: FileDigest | None
    second: FileDigest | None
    found: Explained | None = None
    difference: bytes = b""
    places: Mapping[Aspect, list[int]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Trials:
    """All builds so far, in order: the first is the control; those that only try a fix are ``tried``, and come last."""

    place: Workplace
    builder: Builder
    blobs: Blobs
    progress: Progress
    made: list[Trial] = field(default_factory=list)
    observed: list[Observed] = field(default_factory=list)
    tried: list[Trial] = field(default_factory=list)
    marked: dict[Aspect, Names] = field(default_factory=dict)
    guessed: dict[Aspect, Names] = field(default_factory=dict)
    #: Containers in which even equal builds have members of other names, and the aspect that stands for all of them.
    _restless: dict[tuple[str, MemberPath], Aspect] = field(default_factory=dict)
    _trees: dict[tuple[int | None, int | None], FileDigest] = field(default_factory=dict)

    def make(self, wanted: Wanted) -> Trial:
        """Make a build of the plan and keep what it shows."""
        trial = self.build(wanted, self.place.draw)
        self.made.append(trial)
        differing = self.differing(trial) if len(self.made) > 1 else self._failure(trial)
        varied, seed = frozenset(wanted.varied), self.place.draw.seed
        self.observed.append(Observed(varied=varied, differing=frozenset(differing), draw=seed))
        if not varied:
            self._fold(differing)
        return trial

    def build(self, wanted: Wanted, draw: Draw, fix: fixes.Trial | None = None) -> Trial:
        """Make a build, with a fix where one is tried."""
        place = self.place
        setting = variations.setting(variations.control(place.around.project.name), draw, wanted.varied)
        word = secrets.token_hex(12)
        around = replace(place.around, fix=fix or fixes.Trial())
        materials = replace(place.materials, tree=self._tree(setting))
        plan = builds.build_plan(around, setting, materials, Probe(script=place.probe, word=word))
        number = self.count + 1
        varied = ", ".join(wanted.varied) or "nothing varied"
        self.progress.stage("check", f"build {number} ({wanted.purpose}): {varied}")
        attempt = self.builder.build(plan, place.root, run_id=place.new_run_id(), number=number)
        if attempt.failure is None and not attempt.outputs:
            detail = f"it ended well, but made none of: {', '.join(plan.outputs)}"
            detail += f"; {attempt.detail}" if attempt.detail else ""
            attempt = attempt.model_copy(update={"failure": FailureReason.MISSING_OUTPUT, "detail": detail})
        with self.blobs.path(attempt.log.sha256).open("rb") as log:
            seen = probes.seen(log.read(MAX_LOG_BYTES), word)
        return Trial(wanted=wanted, setting=setting, plan=plan, attempt=attempt, seen=seen)

    def log(self, attempt: Attempt) -> bytes:
        """What the build said; of one that is too large, the end."""
        with self.blobs.path(attempt.log.sha256).open("rb") as log:
            log.seek(max(0, attempt.log.size - MAX_LOG_BYTES))
            return log.read(MAX_LOG_BYTES)

    @property
    def count(self) -> int:
        """How many builds there were."""
        return len(self.made) + len(self.tried)

    @property
    def compared(self) -> Names:
        """All that was varied in a build whose outputs were held against the control's."""
        return NONE.union(*(frozenset(trial.wanted.varied) for trial in self.made[1:] if trial.made))

    @property
    def control(self) -> Trial:
        """The build that all others are held against."""
        return self.made[0]

    def effects(self) -> dict[VariationName, probes.Effect]:
        """Whether each variation that was ever varied had an effect, by the last build with it whose probe saw one,
        which was made of the draw that is told."""
        found: dict[VariationName, probes.Effect] = {}
        tools = self.place.around.project.tools
        for trial in reversed(self.made[1:]):
            for name in trial.wanted.varied:
                if name not in found or not found[name].effective:
                    found[name] = probes.effect(name, self.control.seen, trial.seen, tools=tools)
        return found

    def known(self, asked: Iterable[VariationName]) -> Known:
        """What the plan may rely on. Before the second build, and where its probe never ran, all that was asked for
        counts as effective: a build that fails early is told apart by others."""
        found = self.effects()
        names = frozenset(name for name in asked if name not in found or found[name].effective)
        unseen = len(self.made) > 1 and not any(trial.seen for trial in self.made[1:])
        return Known(
            effective=frozenset(asked) if unseen else names, marked=dict(self.marked), guessed=dict(self.guessed)
        )

    def differing(self, trial: Trial) -> set[Aspect]:
        """Every place in which its outputs differ from the control's; looks for canaries if it is a varied build."""
        if not trial.made:
            return self._failure(trial)
        found: set[Aspect] = set()
        alone: dict[Aspect, bool] = {}
        for name, first, second in pairs(self.control.attempt, trial.attempt):
            if first is None or second is None:
                alone[(name, (), "missing" if second is None else "extra")] = second is None
            elif first.sha256 != second.sha256:
                with desk() as own:
                    walked = self._walked(first, second, own)
                    found.update(self._places(name, walked))
                    if trial.wanted.varied:
                        self._learn(name, walked, trial)
        if trial.wanted.varied:
            missing = [aspect for aspect, control in alone.items() if control]
            extra = [aspect for aspect, control in alone.items() if not control]
            self._keep(marks.named(missing, extra, self.texts(trial.wanted.varied)))
        return found | set(marks.folded(alone, self._restless).values())

    def explain(self, trial: Trial) -> tuple[Pair, ...]:
        """Every output of the control and of ``trial``, with all that differs and why."""
        found = []
        for name, first, second in pairs(self.control.attempt, trial.attempt):
            if first is None or second is None or first.sha256 == second.sha256:
                found.append(Pair(name=name, first=first, second=second))
                continue
            with desk() as own:
                walked = self._walked(first, second, own)
                told = explained(name, walked, self._surroundings(trial))
            data, places = difference_bytes(told.difference), self._places(name, walked)
            found.append(Pair(name=name, first=first, second=second, found=told, difference=data, places=places))
        return tuple(found)

    def compare(self, one: Trial, other: Trial) -> set[Aspect]:
        """Every place in which two builds differ that try a fix."""
        found: set[Aspect] = set()
        for name, first, second in pairs(one.attempt, other.attempt):
            if first is None or second is None:
                found.add((name, (), "missing"))
            elif first.sha256 != second.sha256:
                with desk() as own:
                    walked = self._walked(first, second, own)
                    found.update(self._places(name, walked))
        return found

    def texts(self, names: Iterable[VariationName]) -> Texts:
        """Markers of these variations."""
        every = variations.canaries(self.place.draw, names)
        return Texts(
            words={mark: name for mark, name in every.items() if name != "clock"},
            dates={mark: name for mark, name in every.items() if name == "clock"},
            hints=variations.hints(self.place.draw, names),
        )

    def _fold(self, differing: Iterable[Aspect]) -> None:
        """Names that even a build has which is equal to the control are chance, and one place: what they are."""
        for aspect in sorted(differing):
            if of := marks.box(aspect):
                self._restless.setdefault(of, (aspect[0], of[1], marks.THE_NAMES))
        for index, build in enumerate(self.observed):
            found = frozenset(marks.folded(build.differing, self._restless).values())
            self.observed[index] = replace(build, differing=found)
        for names in (self.marked, self.guessed):
            for aspect, one in marks.folded(tuple(names), self._restless).items():
                if one != aspect:
                    names[one] = names.get(one, NONE) | names.pop(aspect)

    def _places(self, name: str, walked: Walked) -> dict[Aspect, list[int]]:
        found: dict[Aspect, list[int]] = {}
        places = marks.roots(name, walked.difference, walked.leaves)
        for aspect, one in marks.folded(places, self._restless).items():
            found.setdefault(one, []).extend(places[aspect])
        return found

    def _learn(self, name: str, walked: Walked, trial: Trial) -> None:
        causes = explained(name, walked, self._surroundings(trial)).explanation.causes
        self._keep(marks.marks(name, walked, self.texts(trial.wanted.varied), causes))

    def _keep(self, found: marks.Marked) -> None:
        for aspect, names in found.marked.items():
            self.marked[aspect] = self.marked.get(aspect, NONE) | names
        for aspect, names in found.guessed.items():
            self.guessed.setdefault(aspect, names)

    def _walked(self, first: FileDigest, second: FileDigest, own: Desk) -> Walked:
        one, other = (own.open(self.blobs.path(file.sha256)) for file in (first, second))
        return compare(one, other, own.bounds)

    def _surroundings(self, trial: Trial) -> Surroundings:
        texts = self.texts(trial.wanted.varied)
        return Surroundings(
            epoch=self.place.around.epoch,
            path=trial.setting.tree,
            hostname=trial.setting.hostname,
            user=trial.setting.user,
            environment=trial.plan.environment,
            packages=self.place.packages,
            canaries={**texts.words, **texts.dates},
        )

    def _failure(self, trial: Trial) -> set[Aspect]:
        return set() if trial.made else {FAILS}

    def _times(self, setting: Setting) -> Times | None:
        if setting.times is None:
            return None
        return checkout_times(setting.times, self.place.committed, int(self.place.draw.now.timestamp()))

    def _tree(self, setting: Setting) -> FileDigest:
        """The tree as a tar in that order, with those times."""
        key = (setting.order, setting.times)
        if key not in self._trees:
            tree = self.place.materials.tree
            if key != (None, None):
                with self.blobs.path(tree.sha256).open("rb") as tar:
                    varied = varied_tar(tar, order=setting.order, times=self._times(setting))
                    tree = self.blobs.put(varied, name="source.tar", limit=MAX_TREE_BYTES)
            self._trees[key] = tree
        return self._trees[key]


def pairs(
    one: Attempt, other: Attempt
) -> Iterable[tuple[str, FileDigest | None, FileDigest | None]]:
    """Outputs of two builds by name; ``None`` where one did not make it."""
    left = {file.name: file for file in one.outputs}
    right = {file.name: file for file in other.outputs}
    for name in sorted(left.keys() | right.keys()):
        yield name, left.get(name), right.get(name)
