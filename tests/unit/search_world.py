"""A pretend world of publishers: some settings are hidden, a rebuild shows the findings that real ones would show, and
the planner has to find the settings. What it needs on average is asserted, so that nobody makes it worse unseen."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rebuilder.findings import ArtifactExplanation, Cause, Change, Count, Difference, DifferenceClass, Finding, Side
from rebuilder.model import Origin
from rebuilder.recipe import PackageRecipe, ProjectStep
from rebuilder.releases import Guess
from rebuilder.search.edits import Command
from rebuilder.search.known import Known
from rebuilder.search.signs import Outcome, signs_of
from rebuilder.searching import Searched, World, search

COMMITTED, BUILT, UPLOADED = 1_700_000_001, 1_700_003_600, 1_700_007_200
WHEEL, SDIST, TGZ = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-1.0.tgz"
COMMITS = tuple(letter * 40 for letter in "abcd")
NOW = 1_800_000_000
Fields = dict[tuple[str, str], object]


def recipe_of(backend: str) -> PackageRecipe:
    """A first recipe, all defaults."""
    names = (TGZ,) if backend == "npm" else (WHEEL, SDIST)
    purl = "pkg:npm/demo@1.0" if backend == "npm" else "pkg:pypi/demo@1.0"
    artifacts = [
        {"name": name, "path": f"demo/1.0/{name}", "sha256": "1" * 64, "size": 5, "package": "demo", "version": "1.0",
         "architecture": "all", "build": "any"}
        for name in names
    ]
    return PackageRecipe.model_validate(
        {
            "format": "rebuilder/recipe/v3",
            "purl": purl,
            "source": {
                "kind": "git-commit", "name": "demo", "version": "1.0", "commit": COMMITS[0], "tag": "v1.0",
                "files": [{"name": "tree.tar", "path": "tree.tar", "sha256": "2" * 64, "size": 1}],
            },
            "artifacts": artifacts,
            "endorsement": {"anchor": "none", "allow_missing": "an index alone"},
            "toolchain": {"suite": "trixie", "wheels": ("build", f"{backend}==3.0"), "as_of": UPLOADED},
            "build": {
                "strategy": "commands", "kind": "npm" if backend == "npm" else "python", "epoch": COMMITTED,
                "steps": [{"argv": ["build"]}], "outputs": ["*"],
            },
            "guesses": [
                {"input": "front-end", "value": "build", "origin": "inferred", "evidence": "habit", "confidence": 0.5}
            ],
        }
    )  # fmt: skip


@dataclass
class Publisher:
    """One publisher. ``hidden`` is the recipe that gives the published bytes, but for what no recipe can say."""

    seed: int
    backend: str
    hidden: PackageRecipe
    known: Known
    settings: int
    rebuilds: int = 0
    #: Their checkout and build, which only the artifacts remember.
    checkout: int = field(default=0)
    built: int = field(default=0)

    def rebuild(self, recipe: PackageRecipe) -> Outcome:
        """What a real rebuild and its comparison would say."""
        self.rebuilds += 1
        if _too_new(recipe):
            return Outcome(failure="ERROR: No module named 'distutils'")
        equal, signs = set(), {}
        for artifact in (one.name for one in recipe.artifacts):
            theirs = self.fields(artifact, self.hidden, theirs=True)
            ours = self.fields(artifact, recipe, theirs=False)
            findings = [_finding(key, theirs.get(key), ours.get(key)) for key in sorted({*theirs, *ours})]
            kept = [(cause, finding) for cause, finding in findings if finding is not None]
            if kept:
                signs[artifact] = signs_of(*_explained(artifact, kept))
            else:
                equal.add(artifact)
        return Outcome(equal=frozenset(equal), signs=signs)

    def fields(self, artifact: str, recipe: PackageRecipe, *, theirs: bool) -> Fields:
        """All that a file consists of: ``(member, aspect) -> value``."""
        words = {one.artifact: set(one.what) for one in recipe.build.replay}
        mine = words.get(artifact, set())
        found: Fields = {
            ("demo/a.py", "content"): recipe.source.commit,
            ("demo/_version.py", "version"): recipe.build.history if self.backend == "setuptools" else "-",
            ("demo/b.py", "order"): self._front_end(recipe),
            ("x", "stream"): recipe.toolchain.node if self.backend == "npm" else recipe.toolchain.zlib,
        }
        if self.backend == "npm":
            found["package.json", "npm"] = recipe.toolchain.npm_client
            return found
        pin = next(one for one in recipe.toolchain.wheels if one.startswith(self.backend))
        if artifact == WHEEL:
            found["demo-1.0.dist-info/WHEEL", "generator"] = pin
        found["demo-1.0/PKG-INFO", "generated"] = f"Metadata-Version: {recipe.toolchain.as_of}"
        if self.backend == "setuptools":
            found["demo/a.py", "mode"] = f"0{0o666 & ~int(recipe.build.umask, 8):03o}"
        given = theirs or "member-times" in mine
        files = "file-times" in words.get(SDIST, set())
        found |= self._times(artifact, recipe, files=theirs or files, given=given, theirs=theirs)
        if artifact == SDIST:
            found |= self._owners(recipe, given=theirs or "owners" in mine)
            found |= self._gzip(recipe, given="gzip-time" in mine, theirs=theirs)
        return found

    def _front_end(self, recipe: PackageRecipe) -> str:
        return recipe.build.steps[0].argv[0]

    def _times(self, artifact: str, recipe: PackageRecipe, *, files: bool, given: bool, theirs: bool) -> Fields:
        source = self.hidden if given else recipe
        clock = source.build.clock if source.build.clock is not None else (self.built if given else NOW + self.rebuilds)
        fraction = self.backend == "setuptools" and artifact == SDIST
        own = fraction and (given or recipe.build.clock is None)
        epoch = source.build.epoch
        found: Fields = {}
        for number, name in enumerate(("demo/a.py", "demo/b.py")):
            tree = self.checkout + number * 7 if files or given else NOW - 5
            found[name, "mtime"] = tree if epoch is None or fraction else epoch
        made = clock + (0.25 if own else 0)
        unset = {"flit_core": 1451606400, "hatchling": 1580601600}
        if epoch is not None and not fraction:
            made = epoch
        elif self.backend in unset:
            made = unset[self.backend]
            if self.backend == "hatchling":
                found |= dict.fromkeys(found, made)
        found["demo-1.0.dist-info/METADATA" if artifact == WHEEL else "demo-1.0/PKG-INFO", "mtime"] = made
        if artifact == WHEEL:
            return {key: int(float(str(value))) // 2 * 2 for key, value in found.items()}
        return found

    def _owners(self, recipe: PackageRecipe, *, given: bool) -> Fields:
        if self.backend != "setuptools":
            return {}
        build = (self.hidden if given else recipe).build
        return {("demo/a.py", "uid"): build.uid, ("demo/a.py", "uname"): build.user,
                ("demo/a.py", "gid"): build.gid, ("demo/a.py", "gname"): build.group}  # fmt: skip

    def _gzip(self, recipe: PackageRecipe, *, given: bool, theirs: bool) -> Fields:
        build = (self.hidden if given or theirs else recipe).build
        unset = {"flit_core": 1451606400, "hatchling": 1580601600}
        if self.backend in unset:
            return {("", "gzip"): unset[self.backend] if build.epoch is None else build.epoch}
        mine = self.built + 1 if given or theirs else NOW + self.rebuilds
        return {("", "gzip"): build.clock if build.clock is not None else mine}


def _too_new(recipe: PackageRecipe) -> bool:
    """An old backend does not run on a new Python."""
    return recipe.toolchain.suite == "trixie" and any(one.endswith("==1.0") for one in recipe.toolchain.wheels)


CAUSES = {
    "content": "", "generated": "", "version": "other-version", "order": "archive-order", "stream": "deflate-stream",
    "npm": "npm-package-json", "generator": "wheel-generator", "mode": "archive-modes", "gzip": "gzip-header-time",
    "uid": "tar-owners", "gid": "tar-owners", "uname": "tar-owners", "gname": "tar-owners",
}  # fmt: skip
KINDS = {"stream": DifferenceClass.COMPRESSION, "order": DifferenceClass.ORDER}
CONTENT = {"content", "generated", "version", "npm", "generator"}


def _finding(key: tuple[str, str], theirs: object, ours: object) -> tuple[str, Finding | None]:
    member, aspect = key
    if theirs == ours:
        return "", None
    kind = DifferenceClass.CONTENT if aspect in CONTENT else KINDS.get(aspect, DifferenceClass.METADATA)
    what = "mtime" if aspect == "gzip" else aspect
    shown = [Side(value=_shown(aspect, value)) for value in (theirs, ours)]
    path = (member,) if member else ()
    cause = CAUSES.get(aspect, "times")
    return cause, Finding(path=path, kind=kind, what=what, published=shown[0], rebuilt=shown[1])


def _shown(aspect: str, value: object) -> str:
    if aspect not in ("mtime", "gzip"):
        return str(value)
    seconds = float(str(value))
    whole = datetime.fromtimestamp(int(seconds), UTC).isoformat().removesuffix("+00:00")
    return f"{whole} +{seconds % 1} s" if seconds % 1 else f"{whole}Z"


def _explained(artifact: str, found: list[tuple[str, Finding]]) -> tuple[ArtifactExplanation, Difference]:
    findings = tuple(finding for _, finding in found)
    groups: dict[str, list[int]] = {}
    for index, (cause, _) in enumerate(found):
        name = ("zip-times" if artifact == WHEEL else "tar-times") if cause == "times" else cause
        groups.setdefault(name, []).append(index)
    causes = tuple(_cause(id_, tuple(indexes), findings) for id_, indexes in groups.items() if id_)
    explanation = ArtifactExplanation(
        artifact=artifact, difference=Side(), members=Count(), classes={}, causes=causes,
        unexplained=tuple(groups.get("", ())),
    )  # fmt: skip
    return explanation, Difference(published=Side(), rebuilt=Side(), findings=findings)


def _cause(id_: str, indexes: tuple[int, ...], findings: tuple[Finding, ...]) -> Cause:
    changes: tuple[Change, ...] = ()
    if id_ == "wheel-generator":
        target = f"package:{findings[indexes[0]].published.value.replace('==', '=')}"
        changes = (Change(where="environment", target=target, text="pin it"),)
    return Cause(
        id=id_, title=id_, severity="harmless", confidence="proved", findings=indexes, evidence=(), fix="fix",
        changes=changes, docs="docs",
    )  # fmt: skip


def commands(recipe: PackageRecipe, front_end: str) -> Command:
    """As the strategies give them."""
    return Command(steps=(ProjectStep(argv=(front_end,)),))


def _hide(backend: str, chance: random.Random) -> dict[str, Callable[[PackageRecipe], PackageRecipe]]:
    """Settings of which a publisher may have had others, by name."""

    def build(**update: object) -> Callable[[PackageRecipe], PackageRecipe]:
        return lambda recipe: recipe.model_copy(update={"build": recipe.build.model_copy(update=update)})

    def tools(**update: object) -> Callable[[PackageRecipe], PackageRecipe]:
        return lambda recipe: recipe.model_copy(update={"toolchain": recipe.toolchain.model_copy(update=update)})

    def commit(recipe: PackageRecipe) -> PackageRecipe:
        source = recipe.source.model_copy(update={"commit": chance.choice(COMMITS[1:])})
        return recipe.model_copy(update={"source": source})

    if backend == "npm":
        return {"node": tools(node="18.20.8"), "npm": tools(npm_client="9.8.1"), "commit": commit,
                "front end": build(steps=(ProjectStep(argv=("scripts",)),))}  # fmt: skip
    epochs = (None, BUILT - 100, COMMITTED + 5)
    owners = (("runner", 1001, "docker", 127), ("docker", 1001, "docker", 1001), ("Jane Doe", 501, "staff", 20))
    user, uid, group, gid = chance.choice(owners)
    always = {
        "epoch": build(epoch=chance.choice(epochs)),
        "front end": build(steps=(ProjectStep(argv=(chance.choice(("straight", backend)),)),)),
        "backend": tools(wheels=("build", f"{backend}==2.{chance.randrange(9)}")),
        "as of": tools(as_of=chance.choice((BUILT, UPLOADED + 86400))),
        "zlib": tools(zlib="zlib-ng"),
        "commit": commit,
    }
    if backend == "setuptools":
        always |= {
            "owners": build(user=user, uid=uid, group=group, gid=gid),
            "umask": build(umask=chance.choice(("0002", "0077", "0027"))),
            "history": build(history=True),
            "old": lambda one: tools(suite="bookworm", wheels=("build", f"{backend}==1.0"))(one),
        }
    return always


def world(seed: int) -> Publisher:
    """A publisher by number."""
    chance = random.Random(seed)
    backend = chance.choice(("flit_core", "hatchling", "setuptools", "pdm-backend", "npm"))
    hidden = recipe_of(backend)
    ways = _hide(backend, chance)
    chosen = chance.sample(sorted(ways), chance.randint(1, min(5, len(ways))))
    for name in chosen:
        hidden = ways[name](hidden)
    return Publisher(
        seed=seed, backend=backend, hidden=hidden, known=_known(hidden, backend, chance), settings=len(chosen),
        checkout=COMMITTED + 3000, built=BUILT,
    )  # fmt: skip


def _known(hidden: PackageRecipe, backend: str, chance: random.Random) -> Known:
    """What would be inferred: the true value of what nothing else shows is among the others, at any place."""

    def guess(input_: str, value: str, *others: str) -> Guess:
        rest = chance.sample(others, len(others))
        body = {"input": input_, "value": value, "origin": Origin.INFERRED, "evidence": "-", "confidence": 0.5}
        return Guess.model_validate({**body, "others": tuple(rest)})

    guesses = [
        guess("commit", *COMMITS),
        guess("epoch", str(COMMITTED), str(COMMITTED + 5)),
        guess("front-end", "build"),
    ]
    if backend != "npm":
        guesses += [guess("backend", f"{backend}==3.0", f"{backend}==2.5")]
    else:
        guesses += [guess("node", "", "18.20.8", "20.1.0"), guess("npm", "", "9.8.1", "10.2.0")]
    ends = ("build", "scripts") if backend == "npm" else ("build", "straight", backend)
    return Known(
        guesses=tuple(guesses),
        committed=COMMITTED, built=BUILT, uploaded=UPLOADED, front_ends=ends,
    )  # fmt: skip


class Silent:
    """A progress that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, name: str, detail: str = "") -> None:
        self.lines.append(detail)

    def line(self, text: str) -> None:
        pass


def run(seed: int, budget: int = 16) -> tuple[Publisher, Searched]:
    """One search."""
    one = world(seed)
    around = World(rebuild=one.rebuild, commands=commands)
    return one, search(recipe_of(one.backend), one.known, around, Silent(), budget=budget)
