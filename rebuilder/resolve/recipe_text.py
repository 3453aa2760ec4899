"""A recipe as TOML text that a person can read: pure. ``parse_recipe(render_recipe(r))`` gives ``r`` again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from rebuilder.recipe import Recipe, RecipeArtifact, RecipeBuild, RecipeFile

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def render_recipe(recipe: Recipe) -> str:
    """TOML with comments that say where each kind of value comes from. Defaults are left out."""
    parts = [_head(recipe), _indexes(recipe), _source(recipe), _artifacts(recipe), _endorsement(recipe)]
    parts += [_toolchain(recipe), _build(recipe.build), _normalisers(recipe)]
    return "\n".join(part for part in parts if part)


def _head(recipe: Recipe) -> str:
    return _block(
        "# What is declared about one published version, and held against a rebuild. Format: docs/formats/recipe.md",
        "",
        _line("format", recipe.format),
        "# The version as it is known in the index; an artifact's own version may add a binNMU suffix.",
        _line("purl", recipe.purl),
    )


def _indexes(recipe: Recipe) -> str:
    if not recipe.indexes:
        return ""
    lines = ["# The signed indexes that all sizes and digests below were read from, so that it can be repeated."]
    for index in recipe.indexes:
        lines += ["[[indexes]]", _line("archive", index.archive), _line("suite", index.suite)]
        lines += [_line("inrelease_sha256", index.inrelease_sha256), ""]
    return _block(*lines[:-1])


def _source(recipe: Recipe) -> str:
    source = recipe.source
    lines = [
        "# From the Sources list under the index (name, version, files with their digests).",
        "[source]",
        _line("kind", source.kind.value),
        _line("name", source.name),
        _line("version", source.version),
        _line("archive", source.archive),
    ]
    for file in source.files:
        lines += ["", "[[source.files]]", *_file(file)]
    return _block(*lines)


def _artifacts(recipe: Recipe) -> str:
    lines = ["# From the Packages list under the index: what was published, and what a rebuild must equal."]
    for artifact in recipe.artifacts:
        lines += ["[[artifacts]]", *_artifact(artifact), ""]
    return _block(*lines[:-1])


def _artifact(artifact: RecipeArtifact) -> list[str]:
    return [
        *_file(artifact),
        _line("package", artifact.package),
        _line("version", artifact.version),
        _line("architecture", artifact.architecture),
        _line("build", artifact.build),
    ]


def _endorsement(recipe: Recipe) -> str:
    lines = ["# Who must vouch for these digests: an anchor of the operator's trust store, by name.", "[endorsement]"]
    lines.append(_line("anchor", recipe.endorsement.anchor))
    if recipe.endorsement.allow_missing:
        lines += ["# Why the run may go on though nobody vouches; it stands in the headline of the result."]
        lines += [_line("allow_missing", recipe.endorsement.allow_missing)]
    return _block(*lines)


def _toolchain(recipe: Recipe) -> str:
    toolchain = recipe.toolchain
    lines = [
        "# Chosen when the recipe was written: the suite built with. The lock beside this file records it exactly.",
        "[toolchain]",
        _line("suite", toolchain.suite),
        _line("lock", toolchain.lock),
    ]
    if toolchain.want:
        lines += ["# Versions taken in place of the suite's newest.", _line("want", toolchain.want)]
    return _block(*lines)


def _build(build: RecipeBuild) -> str:
    lines = ["# How it is built: a strategy, or argv lists; never a shell string.", "[build]"]
    lines += [_line("strategy", build.strategy), _line("parallel", build.parallel)]
    if build.outputs:
        lines.append(_line("outputs", build.outputs))
    if build.path:
        lines += ["# Where the tree lies while it is built.", _line("path", build.path)]
    for step in build.steps:
        lines += ["", "[[build.steps]]", _line("argv", step.argv), _line("cwd", step.cwd)]
    if build.environment:
        lines += ["", "[build.environment]", *(_line(name, value) for name, value in sorted(build.environment.items()))]
    lines += ["", "# Caps of one build container; all are in the record.", "[build.limits]"]
    lines += [_line(name, value) for name, value in build.limits.model_dump().items()]
    return _block(*lines)


def _normalisers(recipe: Recipe) -> str:
    lines: list[str] = []
    for normaliser in recipe.normalisers:
        lines += ["[[normalisers]]", _line("name", normaliser.name), _line("reason", normaliser.reason), ""]
    return _block("# Differences this recipe would accept, and why.", *lines[:-1]) if lines else ""


def _file(file: RecipeFile) -> list[str]:
    return [
        _line("name", file.name),
        _line("path", file.path),
        _line("sha256", file.sha256),
        _line("size", file.size),
    ]


def _block(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _line(name: str, value: object) -> str:
    return f"{name if _BARE.match(name) else _string(name)} = {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Sequence):
        return _array(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_line(str(name), inner) for name, inner in value.items()) + " }"
    msg = f"a recipe holds strings, numbers, booleans, arrays and tables only, found {type(value).__name__}"
    raise TypeError(msg)


def _array(items: Iterable[object]) -> str:
    return "[" + ", ".join(_value(item) for item in items) + "]"


def _string(text: str) -> str:
    """A basic string. JSON's escapes are all TOML's too, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
