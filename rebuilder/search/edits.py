"""Changes applied to a recipe: a new recipe, which says in its ``guesses`` what was changed and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from rebuilder.model import Origin
from rebuilder.recipe import (
    GuessedInput,
    PackageBuild,
    PackageRecipe,
    PackageToolchain,
    ProjectStep,
    RecipeGuess,
    Replay,
)
from rebuilder.search.changes import (
    OWNERS,
    ROW,
    WITH_HISTORY,
    WITHOUT_HISTORY,
    Change,
    front_end,
    is_allowed,
    package_of,
    replayed,
    requirement,
)


@dataclass(frozen=True)
class Command:
    """How a front end is called, and the requirements (PEP 508) that it has itself. ``history``: it asks Git which
    files there are, so that the tree has to be a repository."""

    steps: tuple[ProjectStep, ...]
    wheels: tuple[str, ...] = ()
    history: bool = False


#: How a front end makes the artifacts of a recipe, with the recipe's Node; ``None``: it cannot make them.
Commands = Callable[[PackageRecipe, str], Command | None]
#: What a row says of the interpreter.
_PYTHON = {"trixie": "3.13", "bookworm": "3.11"}
#: How sure a search can be of what it set: an equal rebuild is the proof, not this number.
_CONFIDENCE = {Origin.RECOVERED: 0.9, Origin.INFERRED: 0.5}


def changed(recipe: PackageRecipe, changes: Sequence[Change], commands: Commands) -> PackageRecipe | None:
    """The recipe with all of them, in order; ``None`` where a value has not its shape or a front end cannot make what
    is wanted. The rows of ``guesses`` say what was changed, and why."""
    for change in changes:
        if not is_allowed(change):
            return None
        after = _set(recipe, change, commands)
        if after is None:
            return None
        recipe = after.model_copy(update={"guesses": _rows(after, change)})
    return recipe


def _set(recipe: PackageRecipe, change: Change, commands: Commands) -> PackageRecipe | None:
    value = change.value
    match change.field:
        case "epoch" | "clock":
            return _built(recipe, {change.field: int(value) if value else None})
        case "umask":
            return _built(recipe, {"umask": value})
        case "owners":
            found = OWNERS.fullmatch(value)
            if not found:
                return None
            owner = {"user": found["user"], "uid": int(found["uid"]), "group": found["group"], "gid": int(found["gid"])}
            return _built(recipe, owner)
        case "replay":
            return _built(recipe, {"replay": _with_replay(recipe, change)})
        case "history":
            return _built(recipe, {"history": value == "yes"})
        case "front-end":
            return _called(recipe, value, commands)
        case "commit":
            source = recipe.source.model_copy(update={"commit": value, "tag": ""})
            return recipe.model_copy(update={"source": source})
        case "backend":
            return _tooled(recipe, {"wheels": _pinning(recipe.toolchain.wheels, value)})
        case "as-of":
            return _tooled(recipe, {"as_of": int(value)})
        case "suite" | "zlib":
            return _tooled(recipe, {change.field: value})
        case "node" | "npm":
            # Where they lie stands in the steps.
            after = _tooled(recipe, {"node" if change.field == "node" else "npm_client": value})
            return _called(after, front_end(recipe), commands)


def _called(recipe: PackageRecipe, front_end_: str, commands: Commands) -> PackageRecipe | None:
    """With the steps of a front end, and with what that needs beside the requirements that are there."""
    command = commands(recipe, front_end_)
    if command is None or not command.steps:
        return None
    there = {canonicalize_name(one.name) for text in recipe.toolchain.wheels if (one := requirement(text))}
    more = [text for text in command.wheels if (one := requirement(text)) and canonicalize_name(one.name) not in there]
    build = {"steps": command.steps, "history": recipe.build.history or command.history}
    return _tooled(_built(recipe, build), {"wheels": (*recipe.toolchain.wheels, *more)})


def _built(recipe: PackageRecipe, update: dict[str, object]) -> PackageRecipe:
    """Checked as a recipe of that format is."""
    build = PackageBuild.model_validate({**_own(recipe.build), **update})
    return recipe.model_copy(update={"build": build})


def _tooled(recipe: PackageRecipe, update: dict[str, object]) -> PackageRecipe:
    toolchain = PackageToolchain.model_validate({**_own(recipe.toolchain), **update})
    return recipe.model_copy(update={"toolchain": toolchain})


def _own(value: PackageBuild | PackageToolchain) -> dict[str, object]:
    return {name: getattr(value, name) for name in type(value).model_fields}


def _with_replay(recipe: PackageRecipe, change: Change) -> tuple[Replay, ...]:
    """One word more for one artifact. Files of the tree have one time each, so one artifact gives them."""
    words = replayed(recipe)
    if change.value == "file-times":
        words = {name: tuple(word for word in what if word != "file-times") for name, what in words.items()}
    words[change.artifact] = tuple(sorted({*words.get(change.artifact, ()), change.value}))
    return tuple(
        Replay.model_validate({"artifact": name, "what": what}) for name, what in sorted(words.items()) if what
    )


def _pinning(wheels: tuple[str, ...], pin: str) -> tuple[str, ...]:
    """The requirements with one of them pinned; its extras and its marker stay."""
    name, _, version = pin.partition("==")
    found = False
    pinned = []
    for text in wheels:
        one = requirement(text)
        if one is None or canonicalize_name(one.name) != canonicalize_name(name):
            pinned.append(text)
            continue
        found = True
        extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
        pinned.append(f"{one.name}{extras}=={version}" + (f"; {one.marker}" if one.marker else ""))
    return (*pinned, *(() if found else (pin,)))


def _rows(recipe: PackageRecipe, change: Change) -> tuple[RecipeGuess, ...]:
    """The rows of ``guesses``, with that of the change's input put in the place of the old one."""
    input_ = _row_of(change)
    row = RecipeGuess(
        input=input_,
        value=_row_value(recipe, change),
        origin=change.origin,
        evidence=change.evidence,
        confidence=_CONFIDENCE.get(change.origin, 0.5),
    )
    told = [_is_told(one, row) for one in recipe.guesses]
    if not any(told):
        return (*recipe.guesses, row)
    rest = [one for one, old in zip(recipe.guesses, told, strict=True) if not old]
    rest.insert(told.index(True), row)
    return tuple(rest)


def _is_told(one: RecipeGuess, row: RecipeGuess) -> bool:
    """Whether the new row takes the place of that one. Backends have a row for each of their packages."""
    if one.input != row.input or row.input != "backend":
        return one.input == row.input
    return package_of(one.value) == package_of(row.value)


def _row_of(change: Change) -> GuessedInput:
    return "owners" if change.setting[::2] == ("replay", "owners") else ROW[change.field]


def _row_value(recipe: PackageRecipe, change: Change) -> str:
    if change.field == "replay":
        owners = change.value == "owners"
        said = replayed(recipe).items()
        words = {name: [word for word in what if (word == "owners") is owners] for name, what in said}
        return "; ".join(f"{', '.join(what)} of {name}" for name, what in words.items() if what)[:500]
    if change.field == "history":
        return front_end(recipe) + (WITH_HISTORY if change.value == "yes" else WITHOUT_HISTORY)
    return _PYTHON.get(change.value, change.value) if change.field == "suite" else change.value
