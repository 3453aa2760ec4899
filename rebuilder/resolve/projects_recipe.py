"""Between a project as `rebuilder check` knows it and its recipe: each can be made from the other. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from packageurl import PackageURL
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from rebuilder.check import variations
from rebuilder.check.builds import Circumstances
from rebuilder.check.model import Project, ProjectKind, SourceState
from rebuilder.check.variations import Setting
from rebuilder.errors import RecipeError
from rebuilder.model import Artifact, FileDigest, Limits, Located, Published, SourceKind, Step
from rebuilder.recipe import (
    V2,
    ProjectBuild,
    ProjectRecipe,
    ProjectSource,
    ProjectStep,
    ProjectToolchain,
    RecipeArtifact,
    RecipeEndorsement,
    RecipeFile,
)

#: Files that no archive has; they lie in the blobs.
LOCAL = "local"
NO_ANCHOR = "none"
BY_HAND = "given by hand"
TREE_NAME = "tree.tar"
HISTORY_NAME = "history.bundle"
_TYPES = {ProjectKind.PYTHON: "pypi", ProjectKind.NPM: "npm"}
_UNPLAIN = re.compile(r"[^A-Za-z0-9.+!:~_-]+")
_LONGEST_VERSION = 200
_SHORT = 12


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the source is from, and its name as the language's own index writes it (``@scope/name``)."""

    repository: str = ""
    subfolder: str = ""
    name: str


@dataclass(frozen=True, kw_only=True)
class Surrounding:
    """What a project is built with."""

    suite: str
    #: All relations that the toolchain was or is solved from.
    relations: tuple[str, ...]
    #: Whether the build backend is still to be asked what else it needs.
    ask_backend: bool
    limits: Limits


def recipe_of(
    project: Project, source: SourceState, place: Place, around: Surrounding, artifacts: tuple[FileDigest, ...]
) -> ProjectRecipe:
    """The recipe of a project that was exported, held against these files."""
    version = version_of(project, source, (file.name for file in artifacts))
    purl = purl_of(project.kind, place.name, version)
    return ProjectRecipe(
        format=V2,
        purl=purl.to_string(),
        source=_source(source, place, purl),
        artifacts=tuple(_artifact(file, project, purl) for file in artifacts),
        endorsement=RecipeEndorsement(anchor=NO_ANCHOR, allow_missing=BY_HAND),
        toolchain=ProjectToolchain(
            suite=around.suite,
            relations=around.relations,
            wheels=project.wheels,
            ask_backend=around.ask_backend,
            npm=bool(project.npm),
        ),
        build=_build(project, source, around.limits),
    )


def project_of(recipe: ProjectRecipe) -> Project:
    """The project that a recipe describes; packages of npm are the lock's to name."""
    build = recipe.build
    return Project(
        kind=build.kind,
        name=build.path.rpartition("/")[2] or recipe.source.name,
        version=recipe.source.version,
        found="recipe",
        steps=tuple(Step(argv=step.argv, cwd=step.cwd, label=step.label) for step in build.steps),
        outputs=build.outputs,
        relations=recipe.toolchain.relations,
        wheels=recipe.toolchain.wheels,
        asks_backend=recipe.toolchain.ask_backend,
        environment=build.environment,
        history=build.history,
    )


def circumstances_of(recipe: ProjectRecipe) -> tuple[Circumstances, Setting]:
    """What a recipe is built in: as the first build of a check, with what the recipe sets."""
    project = project_of(recipe)
    around = Circumstances(project=project, epoch=recipe.build.epoch, limits=recipe.build.limits)
    control = variations.control(project.name)
    return around, replace(control, tree=recipe.build.path or control.tree, jobs=recipe.build.parallel)


def published_of(recipe: ProjectRecipe) -> Published:
    """What a recipe says was published. ``RecipeError`` if the names in it are not those of its purl."""
    try:
        purl = PackageURL.from_string(recipe.purl)
    except ValueError as error:
        msg = f"key 'purl': expected a package URL such as pkg:generic/demo@1.0, found {recipe.purl[:160]!r}: {error}"
        raise RecipeError(msg) from None
    wanted = purl_of(recipe.build.kind, "/".join(filter(None, (purl.namespace, purl.name))), recipe.source.version)
    if recipe.purl != wanted.to_string() or purl.name != recipe.source.name:
        msg = (
            f"expected the purl {wanted.to_string()} for {recipe.source.name} {recipe.source.version} of kind "
            f"{recipe.build.kind.value!r}, found {recipe.purl}"
        )
        raise RecipeError(msg, hint="purl, source.name, source.version and build.kind have to name the same")
    return Published(
        purl=recipe.purl,
        ecosystem=wanted.type,
        # No index has them; where the toolchain is from is the lock's to say.
        suite="",
        source_name=recipe.source.name,
        source_version=recipe.source.version,
        artifacts=tuple(
            Artifact(
                file=Located(name=item.name, sha256=item.sha256, size=item.size, archive=LOCAL, path=item.path),
                package=item.package,
                version=item.version,
                architecture=item.architecture,
                build=item.build,
            )
            for item in recipe.artifacts
        ),
        source_files=tuple(Located(**file.model_dump(), archive=LOCAL) for file in recipe.source.files),
    )


def source_uri(recipe: ProjectRecipe) -> str:
    """Where the source is to be had, as statements name it: the commit, or for files at hand the purl."""
    source = recipe.source
    if not source.repository or not source.commit:
        return recipe.purl
    inside = f"#subdirectory={source.subfolder}" if source.subfolder else ""
    return f"git+{source.repository}@{source.commit}{inside}"


def purl_of(kind: ProjectKind, name: str, version: str) -> PackageURL:
    """The purl of a project; an npm scope is its namespace."""
    scope, slash, rest = name.rpartition("/") if kind is ProjectKind.NPM else ("", "", name)
    kind_of = _TYPES.get(kind, "generic")
    return PackageURL(type=kind_of, namespace=scope if slash else None, name=rest, version=version)


def version_of(project: Project, source: SourceState, files: Iterable[str]) -> str:
    """Its own version; else that of its wheel, sdist or tarball; else its tag; else its commit. Plain text."""
    found = (project.version, *(_of_file(name) for name in files), source.tag.removeprefix("v"), source.commit[:_SHORT])
    for text in found:
        plain = _UNPLAIN.sub("-", text).lstrip("-.+!:~_")[:_LONGEST_VERSION]
        if plain:
            return plain
    return "0"


def _of_file(name: str) -> str:
    """The version in the name of a wheel or an sdist."""
    try:
        if name.endswith(".whl"):
            return str(parse_wheel_filename(name)[1])
        return str(parse_sdist_filename(name)[1])
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return ""


def _source(source: SourceState, place: Place, purl: PackageURL) -> ProjectSource:
    committed = source.kind == "git-commit"
    return ProjectSource(
        kind=SourceKind.GIT_COMMIT if committed else SourceKind.LOCAL_TREE,
        name=purl.name,
        version=purl.version or "0",
        files=tuple(_source_files(source)),
        commit=source.commit if committed else "",
        repository=place.repository,
        subfolder=place.subfolder,
    )


def _build(project: Project, source: SourceState, limits: Limits) -> ProjectBuild:
    return ProjectBuild(
        strategy="commands",
        kind=project.kind,
        steps=tuple(ProjectStep(argv=step.argv, cwd=step.cwd, label=step.label) for step in project.steps),
        outputs=project.outputs,
        path=variations.control(project.name).tree,
        environment=project.environment,
        history=source.history is not None,
        epoch=source.epoch,
        limits=limits,
    )


def _source_files(source: SourceState) -> Iterable[RecipeFile]:
    yield _file(source.tree, TREE_NAME)
    if source.history is not None:
        yield _file(source.history, HISTORY_NAME)


def _file(file: FileDigest, name: str) -> RecipeFile:
    return RecipeFile(name=name, path=name, sha256=file.sha256, size=file.size)


def _artifact(file: FileDigest, project: Project, purl: PackageURL) -> RecipeArtifact:
    return RecipeArtifact(
        name=file.name,
        path=file.name,
        sha256=file.sha256,
        size=file.size,
        package=purl.name,
        version=purl.version or "0",
        architecture=_architecture(file.name, project.kind),
        build="generic",
    )


def _architecture(name: str, kind: ProjectKind) -> str:
    """``noarch`` for what says of itself that it runs anywhere."""
    portable = name.endswith(("-none-any.whl", ".tar.gz")) if kind is ProjectKind.PYTHON else kind is ProjectKind.NPM
    return "noarch" if portable else "any"
