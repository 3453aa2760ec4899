"""Between what was inferred of a release and its recipe, and between that and a plan's values. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

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

if TYPE_CHECKING:
    from rebuilder.lock import LanguagePackage

INDEX_ALONE = "the index alone names these digests, and signs nothing: the weakest that there is"
FILE_NAME = "file_name"
#: Endings of source archives on Python's index.
SDISTS = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz", ".tar.Z", ".tar")
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
    _require_spelled(target, purl)
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


def _require_spelled(target: str, purl: PackageURL) -> None:
    """A package URL is put into its usual form, and then must still name what was meant: npm has old packages whose
    names differ from others in their case alone."""
    if not all(part.isprintable() for part in (purl.namespace or "", purl.name, purl.version or "")):
        msg = f"expected a package URL of letters that can be shown, found {target[:160]!r}"
        raise UsageError(msg)
    if purl.type == "npm" and purl.name not in unquote(target):
        msg = f"{target[:160]}: in a package URL the name of an npm package is lower case, and {purl.name!r} is another"
        raise UsageError(msg, hint="npm has taken no name with capital letters since 2017; older ones cannot be named")


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
    _require_one_release(recipe, purl)
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


def _require_one_release(recipe: PackageRecipe, purl: PackageURL) -> None:
    """All artifacts are of the release that the purl names, and so is an sdist as source: a verdict on other files must
    not be told under that name."""
    folder = "/".join(filter(None, (purl.namespace, purl.name, purl.version)))
    indexed = purl.type != "generic"
    for number, item in enumerate(recipe.artifacts):
        strange = (item.package, item.version) != (purl.name, purl.version) or not _may_be_of(item.name, purl)
        if strange or (indexed and item.path != f"{folder}/{item.name}"):
            msg = (
                f"key 'artifacts[{number}]': expected a file of {folder.rpartition('/')[0]} {purl.version}, as the "
                f"purl says, found {item.name} of {item.package} {item.version} at {item.path!r}"
            )
            raise RecipeError(msg, hint="a recipe is of one release; `rebuilder init PURL` writes one of each")
    archive = recipe.source.files[-1]
    if archive_file(recipe) and archive.sha256 in {item.sha256 for item in recipe.artifacts}:
        msg = f"key 'artifacts': {archive.name} is the source itself, and would be compared with nothing but itself"
        raise RecipeError(msg, hint="leave it out, or build from a commit")
    own = (recipe.source.archive, archive.path) == (purl.type, f"{folder}/{archive.name}")
    if recipe.source.kind is SourceKind.SDIST and not own:
        found = f"{archive.path!r} of {recipe.source.archive!r}"
        msg = f"key 'source.kind': expected an sdist to be of the release that the purl names, found {found}"
        raise RecipeError(msg, hint="any other archive is of the kind 'release-tarball'")


def _may_be_of(file_name: str, purl: PackageURL) -> bool:
    """Whether a file of Python's index is of a release, as far as its name says."""
    if purl.type != "pypi":
        return True
    wanted = canonicalize_name(purl.name), purl.version or ""
    if file_name.endswith(".whl"):
        words = file_name.split("-")
        return len(words) > 2 and _is_same((words[0], words[1]), wanted)
    stem = next((file_name.removesuffix(end) for end in SDISTS if file_name.endswith(end)), "")
    # A version may have a dash in it, as names have.
    cuts = (at for at, letter in enumerate(stem) if letter == "-")
    return any(_is_same((stem[:at], stem[at + 1 :]), wanted) for at in cuts)


def _is_same(found: tuple[str, str], wanted: tuple[str, str]) -> bool:
    try:
        return canonicalize_name(found[0]) == wanted[0] and Version(found[1]) == Version(wanted[1])
    except InvalidVersion:
        return canonicalize_name(found[0]) == wanted[0] and found[1] == wanted[1]


def of_one_file(recipe: PackageRecipe, name: str) -> PackageRecipe:
    """The recipe of one artifact alone: its purl names that, and no other is in it but one whose scalars are
    replayed."""
    purl = PackageURL.from_string(recipe.purl)
    one = PackageURL(
        type=purl.type,
        namespace=purl.namespace,
        name=purl.name,
        version=purl.version,
        qualifiers={FILE_NAME: name},
    )
    kept = {name, *(replay.artifact for replay in recipe.build.replay)}
    artifacts = tuple(item for item in recipe.artifacts if item.name in kept)
    return recipe.model_copy(update={"purl": one.to_string(), "artifacts": artifacts})


def bootstraps(recipe: PackageRecipe, packages: Iterable[LanguagePackage]) -> bool:
    """Whether the release itself is among the packages that its build is given: it could be made of nothing else."""
    purl = PackageURL.from_string(recipe.purl)
    own = (purl.type, _comparable("/".join(filter(None, (purl.namespace, purl.name)))), _version(str(purl.version)))
    return any((one.system, _comparable(one.name), _version(one.version)) == own for one in packages)


def _comparable(name: str) -> str:
    return canonicalize_name(name)


def _version(text: str) -> Version | str:
    try:
        return Version(text)
    except InvalidVersion:
        return text


def archive_file(recipe: PackageRecipe) -> RecipeFile | None:
    """The archive that the tree is made from; ``None`` for a commit or a folder."""
    if recipe.source.kind in (SourceKind.SDIST, SourceKind.RELEASE_TARBALL):
        return recipe.source.files[-1]
    return None


def exact(wheels: Iterable[str]) -> tuple[str, ...]:
    """Those requirements that name one version, as ``name==version``: they hold whatever else is asked for."""
    found = []
    for text in wheels:
        try:
            asked = Requirement(text)
        except InvalidRequirement:
            continue
        bounds = [one for one in asked.specifier if one.operator == "==" and not one.version.endswith(".*")]
        if len(bounds) == len(asked.specifier) == 1 and not (asked.marker or asked.extras or asked.url):
            found.append(f"{asked.name}=={bounds[0].version}")
    return tuple(found)


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
