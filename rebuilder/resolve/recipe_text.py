"""A recipe as TOML text that a person can read: pure. ``parse_recipe(render_recipe(r))`` gives ``r`` again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from rebuilder.recipe import ProjectBuild, ProjectRecipe, Recipe, RecipeArtifact, RecipeBuild, RecipeFile, RecipeStep

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def render_recipe(recipe: Recipe) -> str:
    """TOML with comments that say where each kind of value comes from. Defaults are left out."""
    if isinstance(recipe, ProjectRecipe):
        return "\n".join(_project_parts(recipe))
    parts = [_head(recipe), _indexes(recipe), _source(recipe), _artifacts(recipe), _endorsement(recipe)]
    parts += [_toolchain(recipe), _build(recipe.build), _normalisers(recipe)]
    return "\n".join(part for part in parts if part)


def _project_parts(recipe: ProjectRecipe) -> list[str]:
    parts = [
        _block(
            "# What a project was built from, and what came out. Format: docs/formats/recipe.md",
            "",
            _line("format", recipe.format),
            _line("purl", recipe.purl),
        ),
        _project_source(recipe),
        _artifacts(recipe, "# What the build made, and what a rebuild must equal."),
        _endorsement(recipe),
        _project_toolchain(recipe),
        _project_build(recipe.build),
        _normalisers(recipe),
    ]
    return [part for part in parts if part]


def _project_source(recipe: ProjectRecipe) -> str:
    source = recipe.source
    lines = ["[source]", _line("kind", source.kind.value), _line("name", source.name), _line("version", source.version)]
    lines.append(_line("archive", source.archive))
    if source.commit:
        lines.append(_line("commit", source.commit))
    if source.repository:
        lines.append(_line("repository", source.repository))
    if source.subfolder:
        lines += ["# The folder of the repository that was built.", _line("subfolder", source.subfolder)]
    lines += ["", "# The tree as a tar, the same wherever it is exported; the history of it, if the build reads that."]
    for file in source.files:
        lines += ["[[source.files]]", *_file(file), ""]
    return _block(*lines[:-1])


def _project_toolchain(recipe: ProjectRecipe) -> str:
    toolchain = recipe.toolchain
    lines = ["# What was asked for. The lock beside this file records what it came to, exactly.", "[toolchain]"]
    lines += [_line("suite", toolchain.suite), _line("lock", toolchain.lock), _line("relations", toolchain.relations)]
    if toolchain.wheels:
        lines.append(_line("wheels", toolchain.wheels))
    for name in ("ask_backend", "npm"):
        if getattr(toolchain, name):
            lines.append(_line(name, value=True))
    return _block(*lines)


def _project_build(build: ProjectBuild) -> str:
    lines = ["# How it is built: argv lists; never a shell string.", "[build]", _line("strategy", build.strategy)]
    lines.append(_line("kind", build.kind.value))
    if build.parallel:
        lines += ["# Jobs that make is told to use.", _line("parallel", build.parallel)]
    lines += [_line("outputs", build.outputs), "# Where the tree lies while it is built.", _line("path", build.path)]
    if build.history:
        lines.append(_line("history", value=True))
    if build.epoch is not None:
        lines += ["# SOURCE_DATE_EPOCH.", _line("epoch", build.epoch)]
    for step in build.steps:
        label = [_line("label", step.label)] if step.label else []
        lines += ["", "[[build.steps]]", *_step(step), *label]
    return _block(*lines, *_surroundings(build))


def _step(step: RecipeStep) -> list[str]:
    return [_line("argv", step.argv), _line("cwd", step.cwd)]


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


def _artifacts(
    recipe: Recipe,
    remark: str = "# From the Packages list under the index: what was published, and what a rebuild must equal.",
) -> str:
    lines = [remark]
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
        lines += ["", "[[build.steps]]", *_step(step)]
    return _block(*lines, *_surroundings(build))


def _surroundings(build: RecipeBuild) -> list[str]:
    lines: list[str] = []
    if build.environment:
        lines += ["", "[build.environment]", *(_line(name, value) for name, value in sorted(build.environment.items()))]
    lines += ["", "# Caps of one build container; all are in the record.", "[build.limits]"]
    lines += [_line(name, value) for name, value in build.limits.model_dump().items()]
    return lines


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
