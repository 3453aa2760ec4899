"""The world of `verify --search`: rebuilds of changed recipes in the same sandbox, compared as `verify` compares.

    Resolution of a purl -> searching.search over `Rebuilds` -> Resolutions of the recipes that were found

Nothing here is signed; whoever searched verifies what came out like any other recipe, with one more rebuild.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rebuilder import undeclared
from rebuilder.errors import RecipeError, Stopped, UsageError
from rebuilder.explaining import explain_paths
from rebuilder.findings import Surroundings
from rebuilder.lock import ToolchainLock
from rebuilder.model import Attempt, BuildPlan, FailureReason, FileDigest
from rebuilder.opened import desk
from rebuilder.recipe import PackageRecipe
from rebuilder.resolve import npm, packages_inputs, strategies
from rebuilder.resolve.packages import Packages, package_recipe
from rebuilder.resolve.recipe_text import render_recipe
from rebuilder.search import changes
from rebuilder.search.edits import Command
from rebuilder.search.known import Known
from rebuilder.search.signs import Outcome, Sign, signs_of
from rebuilder.searching import Searched, World, search

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Builder, Progress, Resolution
    from rebuilder.resolve.packages_toolchain import PackageToolchains

_LIMITS = frozenset(reason for reason in FailureReason if reason.value.endswith("-limit"))
_LOG_TAIL = 4000
_NPM_FRONT_ENDS = ("npm pack", "npm pack with prepare")


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """What every rebuild needs."""

    ecosystem: Packages
    toolchains: PackageToolchains
    builder: Builder
    blobs: Blobs
    progress: Progress
    new_run_id: Callable[[], str]
    #: Where the repository is, if that was said.
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Rebuilds:
    """``searching.Rebuild`` of one release: builds recipes, and remembers resolutions and locks."""

    bench: Workbench
    first: Resolution
    #: By the recipe's own bytes.
    made: dict[bytes, Resolution] = field(default_factory=dict)
    locks: dict[str, ToolchainLock] = field(default_factory=dict)

    def __call__(self, recipe: PackageRecipe) -> Outcome:
        """One rebuild. A source or toolchain that cannot be had is an ``Outcome``; faults of ours are raised."""
        try:
            resolution = self.resolved(recipe)
            plan, attempt = self._built(resolution)
        except (Stopped, RecipeError, UsageError) as error:
            return Outcome(failure=str(error)[-_LOG_TAIL:], failed_at="install")
        sha256 = hashlib.sha256(resolution.recipe_bytes).hexdigest()
        if attempt.failure is not None:
            words = self._last_words(attempt)
            if attempt.failure in _LIMITS:
                return Outcome(failure=words, failed_at="limit", recipe_sha256=sha256)
            return Outcome(failure=words, failed_at="build", recipe_sha256=sha256)
        equal, signs = self._compared(resolution, plan, attempt)
        return Outcome(equal=equal, signs=signs, recipe_sha256=sha256)

    def resolved(self, recipe: PackageRecipe) -> Resolution:
        """A recipe with its source at hand and its toolchain locked. Raises as ``Packages`` and ``Toolchains``."""
        key = render_recipe(recipe).encode()
        if key not in self.made:
            whole = self.bench.ecosystem.completed(recipe, package_recipe(self.first), self.bench.source)
            data = render_recipe(whole).encode()
            found = self.bench.ecosystem.of_recipe(whole, data, None, source=self.bench.source)
            same = whole.source.commit == package_recipe(self.first).source.commit
            self.made[key] = replace(
                self.first,
                published=found.published,
                recipe=whole,
                recipe_bytes=data,
                lock=self._lock(found, whole),
                inputs=found.inputs,
                unproved=found.unproved,
                # Those of another commit are another's.
                signed=self.first.signed if same else found.signed,
                warnings=tuple(dict.fromkeys((*self.first.warnings, *_own(found, whole)))),
            )
        return self.made[key]

    def _lock(self, resolution: Resolution, recipe: PackageRecipe) -> ToolchainLock:
        """Locked anew where the toolchain, or what the backend is asked with, is another."""
        tree = recipe.source.files[0].sha256
        source, _ = self.bench.ecosystem.source(resolution)
        relations = self.bench.ecosystem.relations(resolution, source, "generic")
        asked = f"{recipe.toolchain.model_dump_json()} {tree} {recipe.build.history} {relations}"
        if asked not in self.locks:
            self.locks[asked] = self.bench.toolchains.solve(resolution, {"generic": relations})
        return self.locks[asked]

    def _built(self, resolution: Resolution) -> tuple[BuildPlan, Attempt]:
        lock = resolution.lock
        if lock is None:
            msg = f"{resolution.published.purl}: expected a toolchain lock for a rebuild, found none"
            raise RecipeError(msg)
        root, *_ = self.bench.toolchains.materialise(lock)
        source, _ = self.bench.ecosystem.source(resolution)
        plan, _ = self.bench.ecosystem.plan(resolution, source, "generic")
        return plan, self.bench.builder.build(plan, root, run_id=self.bench.new_run_id(), number=1)

    def _compared(
        self, resolution: Resolution, plan: BuildPlan, attempt: Attempt
    ) -> tuple[frozenset[str], dict[str, tuple[Sign, ...]]]:
        made = {file.name: file for file in attempt.outputs}
        equal: set[str] = set()
        signs: dict[str, tuple[Sign, ...]] = {}
        around = _around(plan, resolution.lock)
        tree = resolution.published.source_files[0]
        for artifact in resolution.published.artifacts:
            name, other = artifact.file.name, made.get(artifact.file.name)
            if other is None:
                continue
            if other.sha256 == artifact.file.sha256:
                equal.add(name)
                continue
            published = FileDigest(name=name, sha256=artifact.file.sha256, size=artifact.file.size)
            foreign = self._foreign(name, published, other, FileDigest(
                name=tree.name, sha256=tree.sha256, size=tree.size))  # fmt: skip
            with desk() as own:
                paths = [self.bench.blobs.path(file.sha256) for file in (published, other)]
                found = explain_paths(name, paths[0], paths[1], own, around)
                signs[name] = signs_of(found.explanation, found.difference, foreign)
        return frozenset(equal), signs

    def _foreign(self, name: str, published: FileDigest, made: FileDigest, tree: FileDigest) -> frozenset[str]:
        """Digests of what is in no commit of the repository: no change of inputs could make that."""
        if self.first.holds is None:
            return frozenset()
        found = undeclared.undeclared(name, published, made, tree, self.bench.blobs, self.first.holds)
        return frozenset(one.sha256 for one in found if one.member and undeclared.ELSEWHERE not in one.note)

    def _last_words(self, attempt: Attempt) -> str:
        log = self.bench.blobs.read(attempt.log.sha256, limit=attempt.log.size)
        words = log[-_LOG_TAIL:].decode("utf-8", "replace")
        return f"{attempt.failure}: {attempt.detail}\n{words}"


def searched(bench: Workbench, first: Resolution, *, budget: int) -> tuple[Searched, tuple[Resolution, ...]]:
    """What a search came to, and a resolution for each recipe of it: one where a recipe gave all that any gave, else
    one for each artifact, whose purl then names that file alone. Raises as ``searching.search``."""
    rebuild = Rebuilds(bench=bench, first=first)
    world = World(
        rebuild=rebuild,
        commands=commands,
        wanted=tuple(item.file.name for item in first.published.artifacts if item.named),
    )
    found = search(package_recipe(first), _known(first), world, bench.progress, budget=budget)
    best = set(found.numbers.values()) <= {found.number}
    recipes = {"": found.best} if best else found.recipes
    resolutions = []
    for name, recipe in recipes.items():
        try:
            chosen = rebuild.resolved(recipe)
        except (Stopped, RecipeError, UsageError):
            chosen = first  # not even that could be built; verifying it says why
        chosen = replace(chosen, search=found.trials, warnings=(*chosen.warnings, f"search: {found.reason}"))
        resolutions.append(bench.ecosystem.narrowed(chosen, name) if name else chosen)
    return found, tuple(resolutions)


def _own(resolution: Resolution, recipe: PackageRecipe) -> tuple[str, ...]:
    """Warnings but for that on a lock, which a search makes itself."""
    without_lock = set(packages_inputs.weakened(recipe, None, resolution.published))
    return tuple(text for text in resolution.warnings if text not in without_lock)


def commands(recipe: PackageRecipe, front_end: str) -> Command | None:
    """``search.edits.Commands``: how a front end makes what the recipe wants."""
    if recipe.purl.startswith("pkg:npm/"):
        return _packed(recipe, front_end)
    sdist = any(not item.name.endswith(".whl") for item in recipe.artifacts)
    wheel = any(item.name.endswith(".whl") for item in recipe.artifacts)
    wanted: set[strategies.Distribution] = set()
    wanted |= {"sdist"} if sdist else set()
    wanted |= {"wheel"} if wheel else set()
    try:
        steps = strategies.python_steps(front_end, wanted=frozenset(wanted))
        return Command(steps, strategies.front_end_requirements(front_end), strategies.reads_history(front_end))
    except UsageError:
        return None


def _packed(recipe: PackageRecipe, front_end: str) -> Command | None:
    """Other scripts would need other packages: what runs any stays as it is, with another Node or npm beside it."""
    asked = recipe.toolchain
    if front_end == changes.front_end(recipe):
        # The words by which Node is called are the same for every version.
        return Command(recipe.build.steps)
    if front_end in npm.INSTALLING and not (asked.npm or asked.packages):
        return None
    return Command(npm.steps_of(front_end, {}, node=bool(asked.node)))


def _known(first: Resolution) -> Known:
    values = {guess.input: guess.value for guess in first.guesses}
    built = values.get("requirements", "")
    uploads = [file.uploaded for file in (first.release.files if first.release else ()) if file.uploaded]
    npm = first.published.ecosystem == "npm"
    return Known(
        guesses=first.guesses,
        committed=first.committed,
        built=int(built) if built.isdecimal() else None,
        uploaded=int(min(uploads).timestamp()) if uploads else None,
        front_ends=_NPM_FRONT_ENDS if npm else strategies.FRONT_ENDS,
    )


def _around(plan: BuildPlan, lock: ToolchainLock | None) -> Surroundings:
    """As ``evidence.surroundings``, of one plan."""
    epoch = plan.environment.get("SOURCE_DATE_EPOCH", "")
    return Surroundings(
        epoch=int(epoch) if epoch.isdecimal() else None,
        path=plan.steps[-1].cwd,
        hostname=plan.hostname,
        user=plan.environment.get("USER", ""),
        environment=plan.environment,
        packages={package.package: package.version for package in (lock.packages if lock else ())},
    )
