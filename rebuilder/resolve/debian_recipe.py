"""Between a recipe and what was published: each can be written from the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rebuilder.errors import RecipeError
from rebuilder.model import Artifact, Located, Published, SignedIndex, SourceKind
from rebuilder.recipe import (
    Recipe,
    RecipeArtifact,
    RecipeBuild,
    RecipeEndorsement,
    RecipeFile,
    RecipeIndex,
    RecipeSource,
    RecipeToolchain,
)
from rebuilder.resolve.debian_lists import Picked
from rebuilder.resolve.debian_suites import DebianSettings
from rebuilder.resolve.debian_target import SOURCE, parse_target, purl_of

ECOSYSTEM = "deb"


def published_from(picked: Picked, suite: str, indexes: Iterable[SignedIndex]) -> Published:
    """What the signed lists say was published."""
    return Published(
        purl=purl_of(picked.name, picked.version, suite, picked.architecture),
        ecosystem=ECOSYSTEM,
        suite=suite,
        source_name=picked.source["Package"],
        source_version=picked.source["Version"],
        artifacts=picked.artifacts,
        source_files=picked.files,
        indexes=tuple(indexes),
    )


def recipe_from(
    published: Published, *, source: RecipeSource, endorsement: RecipeEndorsement, build: RecipeBuild
) -> Recipe:
    """A pinned recipe for it: every digest written down."""
    return Recipe(
        format="rebuilder/recipe/v1",
        purl=published.purl,
        source=source,
        artifacts=tuple(_recipe_artifact(item) for item in published.artifacts),
        endorsement=endorsement,
        indexes=tuple(
            RecipeIndex(archive=index.archive, suite=index.suite, inrelease_sha256=index.inrelease.sha256)
            for index in published.indexes
        ),
        toolchain=RecipeToolchain(suite=published.suite),
        build=build,
    )


def signed_source(published: Published, archive: str) -> RecipeSource:
    """The source of a recipe: the `.dsc` and its files, as the signed index names them."""
    return RecipeSource(
        kind=SourceKind.SIGNED_DSC,
        name=published.source_name,
        version=published.source_version,
        archive=archive,
        files=tuple(recipe_file(file) for file in published.source_files),
    )


def recipe_file(file: Located) -> RecipeFile:
    """A file as a recipe names it."""
    return RecipeFile(name=file.name, path=file.path, sha256=file.sha256, size=file.size)


def default_build(settings: DebianSettings) -> RecipeBuild:
    """As the archive's builders do it, with our caps."""
    return RecipeBuild(strategy="debian", parallel=settings.parallel, limits=settings.limits)


def published_from_recipe(recipe: Recipe, settings: DebianSettings) -> Published:
    """What a pinned recipe says was published; its indexes are still to be found.

    ``UsageError`` for a purl that names nothing we know; ``RecipeError`` if the recipe contradicts itself.
    """
    if recipe.build.strategy != "debian":
        msg = f"a recipe for {recipe.purl} needs build.strategy = 'debian', found {recipe.build.strategy!r}"
        raise RecipeError(msg)
    if recipe.source.kind is not SourceKind.SIGNED_DSC:
        msg = f"a pinned recipe for {recipe.purl} needs source.kind = 'signed-dsc', found '{recipe.source.kind}'"
        raise RecipeError(msg, hint="a source tree at hand is verified with --source DIR --artifact FILE")
    target = parse_target(recipe.purl, settings)
    names = {artifact.package for artifact in recipe.artifacts}
    if target.architecture != SOURCE and target.name not in names:
        msg = f"the recipe's purl names package {target.name}, its artifacts are {', '.join(sorted(names))}"
        raise RecipeError(msg, hint="name one of the artifacts in the purl, or the source with arch=source")
    archive = recipe.source.archive
    return Published(
        purl=recipe.purl,
        ecosystem=ECOSYSTEM,
        suite=target.suite,
        source_name=recipe.source.name,
        source_version=recipe.source.version,
        artifacts=tuple(
            _artifact(item, archive, named=target.architecture == SOURCE or item.package == target.name)
            for item in recipe.artifacts
        ),
        source_files=tuple(Located(**file.model_dump(), archive=archive) for file in recipe.source.files),
    )


def _recipe_artifact(item: Artifact) -> RecipeArtifact:
    return RecipeArtifact(
        **recipe_file(item.file).model_dump(),
        package=item.package,
        version=item.version,
        architecture=item.architecture,
        build=item.build,
    )


def _artifact(item: RecipeArtifact, archive: str, *, named: bool) -> Artifact:
    return Artifact(
        file=Located(name=item.name, sha256=item.sha256, size=item.size, archive=archive, path=item.path),
        package=item.package,
        version=item.version,
        architecture=item.architecture,
        build=item.build,
        named=named,
    )
