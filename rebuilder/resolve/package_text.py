"""A recipe v3 as TOML text, each inferred value with what it was inferred from beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rebuilder.recipe import GuessedInput, PackageBuild, PackageRecipe, PackageSource, PackageToolchain, RecipeFile
from rebuilder.resolve.toml_text import block, line

_LONGEST = 300


def render(recipe: PackageRecipe) -> str:
    """TOML with comments; ``parse_recipe`` of it gives ``recipe`` again. Defaults are left out."""
    parts = [
        block(
            "# What an index published, and how it was made, as far as that is known. Format: docs/formats/recipe.md",
            "# A comment says what the value below it rests on; the table [[guesses]] says the same for programs.",
            "",
            line("format", recipe.format),
            line("purl", recipe.purl),
        ),
        _source(recipe.source, recipe),
        _artifacts(recipe),
        _endorsement(recipe),
        _toolchain(recipe.toolchain, recipe),
        _build(recipe.build, recipe),
        _normalisers(recipe),
        _guesses(recipe),
    ]
    return "\n".join(part for part in parts if part)


def _source(source: PackageSource, recipe: PackageRecipe) -> str:
    lines = [*_why(recipe, "repository"), "[source]", line("kind", source.kind.value), line("name", source.name)]
    lines += [line("version", source.version), line("archive", source.archive)]
    lines += [*_why(recipe, "commit"), line("commit", source.commit)] if source.commit else []
    for name in ("repository", "tag"):
        lines += [line(name, getattr(source, name))] if getattr(source, name) else []
    if not source.submodules:
        lines.append(line("submodules", value=False))
    if source.subfolder:
        lines += [*_why(recipe, "subfolder"), line("subfolder", source.subfolder)]
    for file in source.files:
        lines += ["", "[[source.files]]", *_file(file)]
    return block(*lines)


def _artifacts(recipe: PackageRecipe) -> str:
    lines = ["# What was published, and what a rebuild must equal."]
    for item in recipe.artifacts:
        lines += ["[[artifacts]]", *_file(item)]
        lines += [line(name, getattr(item, name)) for name in ("package", "version", "architecture", "build")]
        lines.append("")
    return block(*lines[:-1])


def _endorsement(recipe: PackageRecipe) -> str:
    lines = ["# Who must vouch for these digests: an anchor of the operator's trust store, by name.", "[endorsement]"]
    lines.append(line("anchor", recipe.endorsement.anchor))
    if recipe.endorsement.allow_missing:
        lines += ["# Why the run may go on though nobody vouches; it stands in the headline of the result."]
        lines += [line("allow_missing", recipe.endorsement.allow_missing)]
    return block(*lines)


def _toolchain(toolchain: PackageToolchain, recipe: PackageRecipe) -> str:
    lines = ["# What was asked for. The lock beside this file records what it came to, exactly.", "[toolchain]"]
    lines += [*_why(recipe, "python"), line("suite", toolchain.suite), line("lock", toolchain.lock)]
    lines.append(line("relations", toolchain.relations))
    if toolchain.wheels:
        lines += [*_why(recipe, "backend"), line("wheels", toolchain.wheels)]
    for name in ("ask_backend", "npm"):
        lines += [line(name, value=True)] if getattr(toolchain, name) else []
    if toolchain.packages:
        lines.append(line("packages", toolchain.packages))
    if toolchain.as_of is not None:
        lines += [*_why(recipe, "requirements"), line("as_of", toolchain.as_of)]
    named: tuple[tuple[GuessedInput, str], ...] = (("node", "node"), ("npm", "npm_client"))
    for guessed, name in named:
        lines += [*_why(recipe, guessed), line(name, getattr(toolchain, name))] if getattr(toolchain, name) else []
    if toolchain.zlib != "zlib":
        lines += [*_why(recipe, "zlib"), line("zlib", toolchain.zlib)]
    return block(*lines)


def _build(build: PackageBuild, recipe: PackageRecipe) -> str:
    lines = ["# How it is built: argv lists; never a shell string.", "[build]", line("strategy", build.strategy)]
    lines.append(line("kind", build.kind.value))
    if build.parallel:
        lines.append(line("parallel", build.parallel))
    lines += [line("outputs", build.outputs), *_why(recipe, "path"), line("path", build.path)]
    if build.history:
        lines.append(line("history", value=True))
    epoch = "# SOURCE_DATE_EPOCH is not set." if build.epoch is None else line("epoch", build.epoch)
    lines += [*_why(recipe, "epoch"), epoch]
    if build.clock is not None:
        lines += [*_why(recipe, "clock"), line("clock", build.clock)]
    lines += [*_why(recipe, "owners"), *(line(name, getattr(build, name)) for name in ("user", "uid", "group", "gid"))]
    lines += [*_why(recipe, "umask"), line("umask", build.umask)]
    lines += ["", *_why(recipe, "times")] if build.replay else []
    for replay in build.replay:
        lines += ["[[build.replay]]", line("artifact", replay.artifact), line("what", replay.what)]
    lines += ["", *_why(recipe, "front-end")]
    for step in build.steps:
        lines += ["[[build.steps]]", line("argv", step.argv), line("cwd", step.cwd)]
        lines += [line("label", step.label), ""] if step.label else [""]
    if build.environment:
        lines += ["[build.environment]", *(line(*pair) for pair in sorted(build.environment.items())), ""]
    lines += ["# Caps of one build container; all are in the record.", "[build.limits]"]
    return block(*lines, *(line(name, value) for name, value in build.limits.model_dump().items()))


def _normalisers(recipe: PackageRecipe) -> str:
    lines: list[str] = []
    for normaliser in recipe.normalisers:
        lines += ["[[normalisers]]", line("name", normaliser.name), line("reason", normaliser.reason), ""]
    return block("# Differences this recipe would accept, and why.", *lines[:-1]) if lines else ""


def _guesses(recipe: PackageRecipe) -> str:
    lines = ["# How each input became known. Confidence is between 0 and 1."]
    for guess in recipe.guesses:
        lines += ["[[guesses]]", line("input", guess.input), line("value", guess.value)]
        lines += [line("origin", guess.origin.value), line("evidence", guess.evidence)]
        lines += [line("confidence", guess.confidence), ""]
    return block(*lines[:-1]) if recipe.guesses else ""


def _why(recipe: PackageRecipe, name: GuessedInput) -> Iterable[str]:
    """Comments on one input."""
    for guess in recipe.guesses:
        if guess.input == name:
            text = "".join(letter if letter.isprintable() else "?" for letter in guess.evidence[:_LONGEST])
            yield f"# {guess.origin.value}, {guess.confidence:.0%} sure: {text}"


def _file(file: RecipeFile) -> list[str]:
    return [line(name, getattr(file, name)) for name in ("name", "path", "sha256", "size")]
