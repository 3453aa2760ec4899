"""Between what was inferred of a release and its recipe, and between that and a plan's values. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from packageurl import PackageURL

from rebuilder.errors import RecipeError, UsageError
from rebuilder.model import Artifact, FileDigest, Located, Published, SourceKind
from rebuilder.recipe import (
    V3,
    PackageRecipe,
    PackageSource,
    RecipeArtifact,
    RecipeEndorsement,
    RecipeFile,
    RecipeGuess,
)
from rebuilder.releases import Guess
from rebuilder.resolve.package_kind import Draft, Taken, Wanted
from rebuilder.resolve.projects_recipe import HISTORY_NAME, LOCAL, NO_ANCHOR, TREE_NAME

INDEX_ALONE = "the index alone names these digests, and signs nothing: the weakest that there is"
FILE_NAME = "file_name"
_SYSTEMS = ("pypi", "npm", "generic")


def wanted_of(target: str) -> Wanted:
    """What a purl asks for. ``UsageError`` for one that is none, or of another kind of package."""
    try:
        purl = PackageURL.from_string(target)
    except ValueError as error:
        msg = f"expected a package URL such as pkg:pypi/iniconfig@2.0.0, found {target[:160]!r}: {error}"
        raise UsageError(msg) from None
    if purl.type not in ("pypi", "npm"):
        msg = f"expected a package of an index (pkg:pypi/..., pkg:npm/...), found one of type {purl.type!r}"
        raise UsageError(msg, hint="anything else is verified by a recipe, or with --source and --artifact")
    qualifiers = dict(purl.qualifiers) if isinstance(purl.qualifiers, dict) else {}
    unknown = sorted(qualifiers.keys() - {FILE_NAME})
    if unknown or purl.subpath:
        msg = f"{target[:160]}: expected no qualifier but {FILE_NAME}, found {', '.join(unknown) or 'a subpath'}"
        raise UsageError(msg)
    name = "/".join(filter(None, (purl.namespace, purl.name)))
    return Wanted(
        system="pypi" if purl.type == "pypi" else "npm",
        name=name,
        version=purl.version or "",
        file_name=qualifiers.get(FILE_NAME, ""),
    )


def purl_of(wanted: Wanted, version: str, *, file_name: str = "") -> PackageURL:
    """The purl of a release, or of one file of it."""
    scope, slash, rest = wanted.name.rpartition("/")
    qualifiers = {FILE_NAME: file_name} if file_name else {}
    return PackageURL(
        type=wanted.system, namespace=scope if slash else None, name=rest, version=version, qualifiers=qualifiers
    )


def recipe_of(taken: Taken, source: PackageSource, draft: Draft, guesses: Iterable[Guess]) -> PackageRecipe:
    """The recipe of a release that was inferred."""
    purl = purl_of(taken.wanted, taken.release.version, file_name=taken.wanted.file_name)
    return PackageRecipe(
        format=V3,
        purl=purl.to_string(),
        source=source,
        artifacts=tuple(_artifact(file, taken) for file in taken.files),
        endorsement=RecipeEndorsement(anchor=NO_ANCHOR, allow_missing=INDEX_ALONE),
        toolchain=draft.toolchain,
        build=draft.build,
        guesses=tuple(row(guess) for guess in guesses),
    )


def row(guess: Guess) -> RecipeGuess:
    """A guess as a recipe keeps it."""
    return RecipeGuess(
        input=guess.input,
        value=guess.value,
        origin=guess.origin,
        evidence=guess.evidence,
        confidence=round(guess.confidence, 2),
    )


def source_files(tree: FileDigest, history: FileDigest | None, archive: RecipeFile | None) -> tuple[RecipeFile, ...]:
    """The files of a source, in the order that a recipe has them."""
    own = [_file(tree, TREE_NAME), *([_file(history, HISTORY_NAME)] if history else [])]
    return (*own, *([archive] if archive else []))


def published_of(recipe: PackageRecipe) -> Published:
    """What a recipe says was published. ``RecipeError`` if purl and source do not name the same release."""
    try:
        purl = PackageURL.from_string(recipe.purl)
    except ValueError as error:
        msg = f"key 'purl': expected a package URL such as pkg:pypi/demo@1.0, found {recipe.purl[:160]!r}: {error}"
        raise RecipeError(msg) from None
    if purl.type not in _SYSTEMS or purl.version != recipe.source.version or purl.name != recipe.source.name:
        msg = (
            f"expected a purl of {recipe.source.name} {recipe.source.version} and of type {', '.join(_SYSTEMS)}, found "
            f"{recipe.purl}"
        )
        raise RecipeError(msg, hint="purl, source.name and source.version have to name the same release")
    qualifiers = dict(purl.qualifiers) if isinstance(purl.qualifiers, dict) else {}
    one = qualifiers.get(FILE_NAME, "")
    if one and one not in {item.name for item in recipe.artifacts}:
        msg = f"key 'purl': expected file_name to be one of the artifacts, found {one!r}"
        raise RecipeError(msg)
    return Published(
        purl=recipe.purl,
        ecosystem=purl.type,
        suite="",
        source_name=recipe.source.name,
        source_version=recipe.source.version,
        artifacts=tuple(
            Artifact(
                file=_located(item, purl.type if purl.type != "generic" else LOCAL),
                package=item.package,
                version=item.version,
                architecture=item.architecture,
                build=item.build,
                named=not one or item.name == one,
            )
            for item in recipe.artifacts
        ),
        source_files=tuple(_located(file, _archive_of(recipe, file)) for file in recipe.source.files),
    )


def of_one_file(recipe: PackageRecipe, name: str) -> PackageRecipe:
    """The recipe whose purl names one of its artifacts alone."""
    purl = PackageURL.from_string(recipe.purl)
    one = PackageURL(
        type=purl.type,
        namespace=purl.namespace,
        name=purl.name,
        version=purl.version,
        qualifiers={FILE_NAME: name},
    )
    return recipe.model_copy(update={"purl": one.to_string()})


def archive_file(recipe: PackageRecipe) -> RecipeFile | None:
    """The archive that the tree is made from; ``None`` for a commit or a folder."""
    if recipe.source.kind in (SourceKind.SDIST, SourceKind.RELEASE_TARBALL):
        return recipe.source.files[-1]
    return None


def exact(wheels: Iterable[str]) -> tuple[str, ...]:
    """Those requirements that name one version: they hold whatever else is asked for."""
    return tuple(text for text in wheels if "==" in text and not any(mark in text for mark in ",;*<>~!["))


def _artifact(file: FileDigest, taken: Taken) -> RecipeArtifact:
    release = taken.release
    portable = file.name.endswith(("-none-any.whl", ".tar.gz", ".tgz", ".zip"))
    return RecipeArtifact(
        name=file.name,
        path=f"{release.name}/{release.version}/{file.name}",
        sha256=file.sha256,
        size=file.size,
        package=release.name.rpartition("/")[2],
        version=release.version,
        architecture="noarch" if portable else "any",
        build="generic",
    )


def _file(file: FileDigest, name: str) -> RecipeFile:
    return RecipeFile(name=name, path=name, sha256=file.sha256, size=file.size)


def _located(file: RecipeFile, archive: str) -> Located:
    return Located(name=file.name, sha256=file.sha256, size=file.size, archive=archive, path=file.path)


def _archive_of(recipe: PackageRecipe, file: RecipeFile) -> str:
    return recipe.source.archive if file == archive_file(recipe) else LOCAL
