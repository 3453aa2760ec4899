"""A recipe as TOML text that a person can read: pure. ``parse_recipe(render_recipe(r))`` gives ``r`` again."""

from __future__ import annotations

from rebuilder.recipe import (
    PackageRecipe,
    ProjectBuild,
    ProjectRecipe,
    Recipe,
    RecipeArtifact,
    RecipeBuild,
    RecipeFile,
    RecipeStep,
)
from rebuilder.resolve import package_text
from rebuilder.resolve.toml_text import block, line


def render_recipe(recipe: Recipe) -> str:
    """TOML with comments that say where each kind of value comes from. Defaults are left out."""
    if isinstance(recipe, PackageRecipe):
        return package_text.render(recipe)
    if isinstance(recipe, ProjectRecipe):
        return "\n".join(_project_parts(recipe))
    parts = [_head(recipe), _indexes(recipe), _source(recipe), _artifacts(recipe), _endorsement(recipe)]
    parts += [_toolchain(recipe), _build(recipe.build), _normalisers(recipe)]
    return "\n".join(part for part in parts if part)


def _project_parts(recipe: ProjectRecipe) -> list[str]:
    parts = [
        block(
            "# What a project was built from, and what came out. Format: docs/formats/recipe.md",
            "",
            line("format", recipe.format),
            line("purl", recipe.purl),
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
    lines = ["[source]", line("kind", source.kind.value), line("name", source.name), line("version", source.version)]
    lines.append(line("archive", source.archive))
    if source.commit:
        lines.append(line("commit", source.commit))
    if source.repository:
        lines.append(line("repository", source.repository))
    if source.subfolder:
        lines += ["# The folder of the repository that was built.", line("subfolder", source.subfolder)]
    lines += ["", "# The tree as a tar, the same wherever it is exported; the history of it, if the build reads that."]
    for file in source.files:
        lines += ["[[source.files]]", *_file(file), ""]
    return block(*lines[:-1])


def _project_toolchain(recipe: ProjectRecipe) -> str:
    toolchain = recipe.toolchain
    lines = ["# What was asked for. The lock beside this file records what it came to, exactly.", "[toolchain]"]
    lines += [line("suite", toolchain.suite), line("lock", toolchain.lock), line("relations", toolchain.relations)]
    if toolchain.wheels:
        lines.append(line("wheels", toolchain.wheels))
    for name in ("ask_backend", "npm"):
        if getattr(toolchain, name):
            lines.append(line(name, value=True))
    return block(*lines)


def _project_build(build: ProjectBuild) -> str:
    lines = ["# How it is built: argv lists; never a shell string.", "[build]", line("strategy", build.strategy)]
    lines.append(line("kind", build.kind.value))
    if build.parallel:
        lines += ["# Jobs that make is told to use.", line("parallel", build.parallel)]
    lines += [line("outputs", build.outputs), "# Where the tree lies while it is built.", line("path", build.path)]
    if build.history:
        lines.append(line("history", value=True))
    if build.epoch is not None:
        lines += ["# SOURCE_DATE_EPOCH.", line("epoch", build.epoch)]
    for step in build.steps:
        label = [line("label", step.label)] if step.label else []
        lines += ["", "[[build.steps]]", *_step(step), *label]
    return block(*lines, *_surroundings(build))


def _step(step: RecipeStep) -> list[str]:
    return [line("argv", step.argv), line("cwd", step.cwd)]


def _head(recipe: Recipe) -> str:
    return block(
        "# What is declared about one published version, and held against a rebuild. Format: docs/formats/recipe.md",
        "",
        line("format", recipe.format),
        "# The version as it is known in the index; an artifact's own version may add a binNMU suffix.",
        line("purl", recipe.purl),
    )


def _indexes(recipe: Recipe) -> str:
    if not recipe.indexes:
        return ""
    lines = ["# The signed indexes that all sizes and digests below were read from, so that it can be repeated."]
    for index in recipe.indexes:
        lines += ["[[indexes]]", line("archive", index.archive), line("suite", index.suite)]
        lines += [line("inrelease_sha256", index.inrelease_sha256), ""]
    return block(*lines[:-1])


def _source(recipe: Recipe) -> str:
    source = recipe.source
    lines = [
        "# From the Sources list under the index (name, version, files with their digests).",
        "[source]",
        line("kind", source.kind.value),
        line("name", source.name),
        line("version", source.version),
        line("archive", source.archive),
    ]
    for file in source.files:
        lines += ["", "[[source.files]]", *_file(file)]
    return block(*lines)


def _artifacts(
    recipe: Recipe,
    remark: str = "# From the Packages list under the index: what was published, and what a rebuild must equal.",
) -> str:
    lines = [remark]
    for artifact in recipe.artifacts:
        lines += ["[[artifacts]]", *_artifact(artifact), ""]
    return block(*lines[:-1])


def _artifact(artifact: RecipeArtifact) -> list[str]:
    return [
        *_file(artifact),
        line("package", artifact.package),
        line("version", artifact.version),
        line("architecture", artifact.architecture),
        line("build", artifact.build),
    ]


def _endorsement(recipe: Recipe) -> str:
    lines = ["# Who must vouch for these digests: an anchor of the operator's trust store, by name.", "[endorsement]"]
    lines.append(line("anchor", recipe.endorsement.anchor))
    if recipe.endorsement.allow_missing:
        lines += ["# Why the run may go on though nobody vouches; it stands in the headline of the result."]
        lines += [line("allow_missing", recipe.endorsement.allow_missing)]
    return block(*lines)


def _toolchain(recipe: Recipe) -> str:
    toolchain = recipe.toolchain
    lines = [
        "# Chosen when the recipe was written: the suite built with. The lock beside this file records it exactly.",
        "[toolchain]",
        line("suite", toolchain.suite),
        line("lock", toolchain.lock),
    ]
    if toolchain.want:
        lines += ["# Versions taken in place of the suite's newest.", line("want", toolchain.want)]
    return block(*lines)


def _build(build: RecipeBuild) -> str:
    lines = ["# How it is built: a strategy, or argv lists; never a shell string.", "[build]"]
    lines += [line("strategy", build.strategy), line("parallel", build.parallel)]
    if build.outputs:
        lines.append(line("outputs", build.outputs))
    if build.path:
        lines += ["# Where the tree lies while it is built.", line("path", build.path)]
    for step in build.steps:
        lines += ["", "[[build.steps]]", *_step(step)]
    return block(*lines, *_surroundings(build))


def _surroundings(build: RecipeBuild) -> list[str]:
    lines: list[str] = []
    if build.environment:
        lines += ["", "[build.environment]", *(line(name, value) for name, value in sorted(build.environment.items()))]
    lines += ["", "# Caps of one build container; all are in the record.", "[build.limits]"]
    lines += [line(name, value) for name, value in build.limits.model_dump().items()]
    return lines


def _normalisers(recipe: Recipe) -> str:
    lines: list[str] = []
    for normaliser in recipe.normalisers:
        lines += ["[[normalisers]]", line("name", normaliser.name), line("reason", normaliser.reason), ""]
    return block("# Differences this recipe would accept, and why.", *lines[:-1]) if lines else ""


def _file(file: RecipeFile) -> list[str]:
    return [
        line("name", file.name),
        line("path", file.path),
        line("sha256", file.sha256),
        line("size", file.size),
    ]
