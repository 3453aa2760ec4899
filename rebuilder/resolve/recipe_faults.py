"""What is wrong with a recipe, in words: pure. Each fault has the location of its key, for the line."""

from __future__ import annotations

import difflib
import json
import math
import re
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from rebuilder import deb822
from rebuilder.model import SourceKind
from rebuilder.recipe import V3, ProjectRecipe, Recipe, RecipeBuild

Location = tuple[str | int, ...]

_KEY_WORDS = re.compile(r"(?i)key|fingerprint|trust|certificate|keyring|armou?r")
_ANCHOR = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,127}\Z")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~_-]{0,255}\Z")
#: Python's may have an epoch.
_PROJECT_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~!_-]{0,255}\Z")
#: The largest integer that every JSON reader holds exactly.
_LARGEST = 2**53 - 1
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong, and where: names and array indexes down to the key."""

    location: Location
    words: str


def validation_faults(model: type[BaseModel], errors: Sequence[ErrorDetails]) -> list[Fault]:
    """All findings of pydantic in our words, without those that only follow from a fault further in."""
    places = [tuple(error["loc"]) for error in errors]
    return [
        _from_validation(model, error)
        for error, place in zip(errors, places, strict=True)
        if error["type"] != "too_short" or not any(other[: len(place)] == place != other for other in places)
    ]


def foreign_values(value: object, location: Location = ()) -> Iterator[Fault]:
    """Values TOML has and a recipe has not: dates, `nan`, integers that not every reader can hold."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from foreign_values(inner, (*location, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from foreign_values(inner, (*location, number))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault(location=location, words=f"key {dotted(location)!r}: expected a finite number, found {value}")
    elif isinstance(value, int) and abs(value) > _LARGEST:
        yield Fault(location=location, words=f"key {dotted(location)!r}: expected at most {_LARGEST}, found more")
    elif not isinstance(value, str | int | float):
        words = f"key {dotted(location)!r}: expected a string, a number, an array or a table, found {value}"
        yield Fault(location=location, words=words)


def semantic_faults(recipe: Recipe) -> list[Fault]:
    """What types alone can't say: paths that climb, names that repeat, steps that a strategy has or lacks."""
    return [*_identity(recipe), *_files(recipe), *_toolchain(recipe), *_build(recipe.build)]


def dotted(location: Location) -> str:
    """``artifacts[0].sha256``"""
    out = ""
    for part in location:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def _from_validation(model: type[BaseModel], error: ErrorDetails) -> Fault:
    """A finding of pydantic in our words: expected, found, and for an unknown key the nearest known one."""
    location = tuple(error["loc"])
    name = dotted(location)
    if error["type"] == "extra_forbidden":
        return Fault(location=location, words=_unknown(model, location))
    if error["type"] == "missing":
        return Fault(location=location, words=f"key {name!r} is missing")
    found = error["input"]
    return Fault(location=location, words=f"key {name!r}: expected {_expected(error)}, found {_shown(found)}")


def _shown(found: object) -> str:
    if isinstance(found, dict):
        return "a table"
    return "an array" if isinstance(found, list) else json.dumps(found, default=str)[:160]


def _unknown(model: type[BaseModel], location: Location) -> str:
    name = str(location[-1])
    if _KEY_WORDS.search(name):
        return (
            f"unknown key {dotted(location)!r}: a recipe can't bring keys or fingerprints of its own, it can only name "
            "an anchor of the operator's trust store"
        )
    table = _model_at(model, location[:-1])
    known = list(table.model_fields) if table else []
    near = difflib.get_close_matches(name, known, 1)
    advice = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key {dotted(location)!r}; {advice}"


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The model that describes the table at ``location``."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int):
            continue
        if current is None or part not in current.model_fields:
            return None
        current = _model_in(current.model_fields[part].annotation)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any type annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        found = _model_in(inner)
        if found:
            return found
    return None


def _expected(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    kind = error["type"]
    if kind == "string_pattern_mismatch" and "{64}$" in str(context.get("pattern")):
        return "a sha256 of 64 lower-case hex digits"
    if kind in {"literal_error", "enum"}:
        return str(context.get("expected"))
    words = {
        "string_type": "a string",
        "int_type": "an integer",
        "int_from_float": "an integer",
        "float_type": "a number",
        "bool_type": "true or false",
        "tuple_type": "an array",
        "dict_type": "a table",
        "model_type": "a table",
        "model_attributes_type": "a table",
        "too_short": "at least one entry",
        "string_too_short": "some text",
        "greater_than_equal": f"at least {context.get('ge')}",
        "less_than_equal": f"at most {context.get('le')}",
    }
    said = re.sub(r"^(?:Value error, expected |Input should be |Value error, )", "", error["msg"])
    return words.get(kind) or said.partition(", found ")[0]


def _identity(recipe: Recipe) -> Iterator[Fault]:
    if not recipe.purl.startswith("pkg:") or not recipe.purl.isprintable() or " " in recipe.purl:
        words = f"key 'purl': expected a package URL such as pkg:deb/debian/less@668-1, found {recipe.purl[:160]!r}"
        yield Fault(location=("purl",), words=words)
    anchor = recipe.endorsement.anchor
    if not _ANCHOR.match(anchor) or re.fullmatch(r"[0-9a-f]{16,64}", anchor):
        words = (
            f"key 'endorsement.anchor': expected the name of an anchor of the operator's trust store, such as "
            f"debian-archive, found {anchor[:160]!r}"
        )
        yield Fault(location=("endorsement", "anchor"), words=words)
    versions = _PROJECT_VERSION if isinstance(recipe, ProjectRecipe) else _VERSION
    names: list[tuple[Location, str, re.Pattern[str]]] = [
        (("source", "name"), recipe.source.name, _WORD),
        (("source", "version"), recipe.source.version, versions),
    ]
    for number, item in enumerate(recipe.artifacts):
        names.append((("artifacts", number, "package"), item.package, _WORD))
        names.append((("artifacts", number, "version"), item.version, versions))
        names.append((("artifacts", number, "architecture"), item.architecture, _WORD))
    yield from _bad_names(names)


def _files(recipe: Recipe) -> Iterator[Fault]:
    sources: list[tuple[Location, Any]] = [(("source", "files", n), one) for n, one in enumerate(recipe.source.files)]
    artifacts: list[tuple[Location, Any]] = [(("artifacts", n), one) for n, one in enumerate(recipe.artifacts)]
    for files in (sources, artifacts):
        seen: set[str] = set()
        for location, file in files:
            if file.path and not deb822.safe_path(file.path):
                words = f"key '{dotted(location)}.path': expected a path inside the archive, found {file.path[:160]!r}"
                yield Fault(location=(*location, "path"), words=words)
            if file.name in seen:
                words = f"key '{dotted(location)}.name': {file.name!r} stands there twice"
                yield Fault(location=(*location, "name"), words=words)
            seen.add(file.name)
    if recipe.source.kind is SourceKind.SDIST and recipe.format != V3:
        words = f"key 'source.kind': expected a kind that {recipe.format} knows, found 'sdist', which is of {V3}"
        yield Fault(location=("source", "kind"), words=words)
    first = recipe.source.files[0].name
    if recipe.source.kind is SourceKind.SIGNED_DSC and not first.endswith(".dsc"):
        words = f"key 'source.files[0].name': expected the .dsc first with kind 'signed-dsc', found {first!r}"
        yield Fault(location=("source", "files", 0, "name"), words=words)


def _toolchain(recipe: Recipe) -> Iterator[Fault]:
    names: list[tuple[Location, str, re.Pattern[str]]] = [
        (("source", "archive"), recipe.source.archive, _WORD),
        (("toolchain", "suite"), recipe.toolchain.suite, _WORD),
    ]
    for number, index in enumerate(recipe.indexes):
        names += [
            (("indexes", number, "archive"), index.archive, _WORD),
            (("indexes", number, "suite"), index.suite, _WORD),
        ]
    yield from _bad_names(names)
    for number, want in enumerate(recipe.toolchain.want):
        package, equals, version = want.partition("=")
        if not equals or not _WORD.match(package) or not _VERSION.match(version):
            words = f"key 'toolchain.want[{number}]': expected name=version, found {want[:160]!r}"
            yield Fault(location=("toolchain", "want", number), words=words)


def _bad_names(names: list[tuple[Location, str, re.Pattern[str]]]) -> Iterator[Fault]:
    for location, value, pattern in names:
        if not pattern.match(value):
            words = f"key {dotted(location)!r}: expected a plain name or version, found {value[:160]!r}"
            yield Fault(location=location, words=words)


def _build(build: RecipeBuild) -> Iterator[Fault]:
    if build.strategy == "debian" and (build.steps or build.outputs):
        key = "steps" if build.steps else "outputs"
        words = f"key 'build.{key}': strategy 'debian' says itself how to build; use strategy 'commands' for your own"
        yield Fault(location=("build", key), words=words)
    if build.strategy == "commands" and not (build.steps and build.outputs):
        yield Fault(location=("build",), words="strategy 'commands' needs 'steps' and 'outputs'")
    for number, step in enumerate(build.steps):
        if step.cwd != "." and not deb822.safe_path(step.cwd):
            words = f"key 'build.steps[{number}].cwd': expected a path inside the source, found {step.cwd[:160]!r}"
            yield Fault(location=("build", "steps", number, "cwd"), words=words)
        if any("\0" in word for word in step.argv):
            words = f"key 'build.steps[{number}].argv': found a NUL, which no command can be given"
            yield Fault(location=("build", "steps", number, "argv"), words=words)
    for number, output in enumerate(build.outputs):
        if "/" in output or not output.isprintable() or output in {"", ".", ".."}:
            words = f"key 'build.outputs[{number}]': expected a name or pattern without '/', found {output[:160]!r}"
            yield Fault(location=("build", "outputs", number), words=words)
    if build.path and not (build.path.startswith("/") and deb822.safe_path(build.path[1:])):
        words = f"key 'build.path': expected an absolute path, found {build.path[:160]!r}"
        yield Fault(location=("build", "path"), words=words)
    for name, cap in build.limits.model_dump().items():
        if cap <= 0:
            words = f"key 'build.limits.{name}': expected a number above 0, found {cap}"
            yield Fault(location=("build", "limits", name), words=words)
    for name, value in build.environment.items():
        if not _VARIABLE.match(name) or "\0" in value:
            words = f"key 'build.environment': expected NAME = value, found {name[:160]!r}"
            yield Fault(location=("build", "environment", name), words=words)
