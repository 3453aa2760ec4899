"""Where each input of a package's build comes from, said honestly (design section 3). Pure.

What was read off the published file is ``recovered``, what was guessed is ``inferred``, however sure the guess; a
recipe that keeps its guesses keeps their origins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from rebuilder.check import builds
from rebuilder.lock import ToolchainLock
from rebuilder.model import Input, Origin, Published, utc
from rebuilder.recipe import GuessedInput, PackageRecipe, RecipeGuess
from rebuilder.resolve.projects_inputs import repacked
from rebuilder.resolve.projects_recipe import HISTORY_NAME, circumstances_of

_Name = Literal["source", "commit", "toolchain", "environment", "epoch", "times", "owners", "path", "command"]
#: As which of ``model.Input`` a guess is told.
TOLD_AS: dict[GuessedInput, _Name] = {
    "repository": "source",
    "commit": "commit",
    "subfolder": "commit",
    "backend": "toolchain",
    "requirements": "toolchain",
    "python": "toolchain",
    "node": "toolchain",
    "npm": "toolchain",
    "zlib": "toolchain",
    "front-end": "command",
    "epoch": "epoch",
    "clock": "times",
    "times": "times",
    "owners": "owners",
    "umask": "owners",
    "path": "path",
}
_ORDER = list(Origin)
_SOURCE = ("source", "commit")
_OURS = "`rebuilder` builds so"


def inputs(
    recipe: PackageRecipe,
    lock: ToolchainLock | None,
    published: Published | None = None,
    unproved: Mapping[str, str] | None = None,
) -> tuple[Input, ...]:
    """All of them, each by the weakest word on it; ``lock`` is the one beside the recipe. ``unproved`` says of an input
    why what the recipe pins could not be held against where it is from: it is assumed then."""
    base = (Origin.ASSUMED, _OURS) if lock is None else (Origin.PINNED, "recipe")
    changed = repacked(recipe, published) if published is not None else ""
    values: dict[_Name, str] = {
        "source": _source(recipe),
        "commit": _commit(recipe),
        "environment": _environment(recipe),
        "epoch": "not set" if recipe.build.epoch is None else str(recipe.build.epoch),
        "times": _times(recipe),
        "owners": _owners(recipe),
        "path": recipe.build.path,
        "command": "; ".join(step.label or " ".join(w for w in step.argv if "\n" not in w)
                             for step in recipe.build.steps),
    }  # fmt: skip
    pinned = (Origin.PINNED, "recipe")
    found = []
    for name, value in values.items():
        start = pinned if name in _SOURCE else _replayed(name, recipe) or base
        if changed and name == "source":
            start = (Origin.ASSUMED, f"recipe; {HISTORY_NAME} has sha256 {changed}")
        if unproved and name in unproved:
            start = (Origin.ASSUMED, f"{start[1]}; {unproved[name]}")
        # A commit that nobody held the tree against is no input: the source is the tree, and says so.
        if value and not (name == "commit" and unproved and name in unproved):
            found.append(_input(name, value, start, recipe))
    return (*found, toolchain(recipe, lock))


def toolchain(recipe: PackageRecipe, lock: ToolchainLock | None) -> Input:
    """The toolchain: pinned by a lock, or chosen now as the index was on a day."""
    asked = recipe.toolchain
    when = f" as the index was on {_day(asked.as_of)}" if asked.as_of is not None else ""
    if lock is None:
        named = "; ".join((*asked.wheels, *_node(recipe)))
        value = f"newest packages of {asked.suite}" + (f"; {named}{when}" if named else "")
        return _input("toolchain", value, (Origin.ASSUMED, "Debian's packages are those of today's suite"), recipe)
    value = f"{len(lock.packages)} packages of {lock.suite}, {len(lock.languages)} packages of languages, by sha256"
    dates = ", ".join(f"{index.suite} of {utc(index.date)}" for index in lock.indexes)
    evidence = f"toolchain lock beside the recipe ({dates})" if dates else "toolchain lock beside the recipe"
    return _input("toolchain", value, (Origin.PINNED, evidence), recipe)


def weakened(recipe: PackageRecipe, lock: ToolchainLock | None, published: Published) -> tuple[str, ...]:
    """Sentences on what of a recipe's inputs is not as it was recorded."""
    found: tuple[str, ...] = ()
    if lock is None:
        found += (
            f"the recipe's toolchain lock, {recipe.toolchain.lock}, does not lie beside it: Debian's packages are "
            "those of today's suite",
        )
    if changed := repacked(recipe, published):
        found += (
            f"this clone packs the history of commit {recipe.source.commit} otherwise than the recipe's {HISTORY_NAME} "
            f"(sha256 {changed}): the commit is the same, the tags need not be",
        )
    return found


def _replayed(name: _Name, recipe: PackageRecipe) -> tuple[Origin, str] | None:
    """What is read off the published file at each build is recovered, whatever the recipe says of it."""
    for replay in recipe.build.replay:
        if (name == "owners" and "owners" in replay.what) or (name == "times" and set(replay.what) != {"owners"}):
            return Origin.RECOVERED, f"read off {replay.artifact} itself"
    return None


def _input(name: _Name, value: str, start: tuple[Origin, str], recipe: PackageRecipe) -> Input:
    """The weakest origin of the start and of every guess told under that name; all of their evidence."""
    rows = [guess for guess in recipe.guesses if TOLD_AS[guess.input] == name]
    # That no clock stands weakens nothing where times are told by another guess.
    rows = [guess for guess in rows if guess.value or guess.input != "clock"] or rows
    origins = [start[0], *(guess.origin for guess in rows)]
    # A guess at hand says more than that something was assumed; not more than why the source is, or what is replayed.
    kept = start[0] is Origin.RECOVERED or (name in _SOURCE and start[0] is Origin.ASSUMED)
    told = [*((start[1],) if kept else ()), *map(_told, rows)] or [start[1]]
    return Input(name=name, value=value, origin=max(origins, key=_ORDER.index), evidence="; ".join(told))


def _told(guess: RecipeGuess) -> str:
    sure = "" if guess.confidence >= 1 else f" ({guess.confidence:.0%} sure)"
    return f"{guess.input}: {guess.evidence}{sure}"


def _source(recipe: PackageRecipe) -> str:
    source, *_ = recipe.source.files
    last = recipe.source.files[-1]
    value = f"{recipe.source.name} {recipe.source.version} ({source.name}, sha256 {source.sha256})"
    return value if recipe.source.commit else f"{value} of {last.name}, sha256 {last.sha256}"


def _commit(recipe: PackageRecipe) -> str:
    source = recipe.source
    if not source.commit:
        return ""
    of = f" of {source.repository}" if source.repository else ""
    tag = f", tag {source.tag}" if source.tag else ""
    return f"{source.commit}{of}{tag}{f', folder {source.subfolder}' if source.subfolder else ''}"


def _environment(recipe: PackageRecipe) -> str:
    variables = builds.environment(*circumstances_of(recipe))
    return " ".join(f"{name}={value}" for name, value in variables.items() if name != "SOURCE_DATE_EPOCH")


def _times(recipe: PackageRecipe) -> str:
    build = recipe.build
    replayed = "; ".join(
        f"{', '.join(one for one in replay.what if one != 'owners')} of {replay.artifact}"
        for replay in build.replay
        if set(replay.what) != {"owners"}
    )
    clock = f"the clock stands at {build.clock}" if build.clock is not None else ""
    return "; ".join(filter(None, (f"replayed: {replayed}" if replayed else "", clock))) or "of the commit"


def _owners(recipe: PackageRecipe) -> str:
    build = recipe.build
    replayed = [replay.artifact for replay in build.replay if "owners" in replay.what]
    more = f"; replayed of {', '.join(replayed)}" if replayed else ""
    return f"{build.user}/{build.uid}/{build.group}/{build.gid}, umask {build.umask}{more}"


def _node(recipe: PackageRecipe) -> tuple[str, ...]:
    asked = recipe.toolchain
    pairs = (("node", asked.node), ("npm", asked.npm_client))
    return tuple(f"{name} {version}" for name, version in pairs if version)


def _day(seconds: int) -> str:
    return utc(datetime.fromtimestamp(seconds, UTC))
