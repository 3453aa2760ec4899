"""How a source is named: in statements, and where a clone at hand says that it is from. Pure but for the clone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packageurl import PackageURL

from rebuilder.model import Origin, SourceKind
from rebuilder.recipe import PackageRecipe, PackageSource
from rebuilder.releases import Guess

if TYPE_CHECKING:
    from rebuilder.resolve.package_ports import Repository


def source_uri(recipe: PackageRecipe, unproved: str = "") -> str:
    """Where the source is to be had, as statements name it: the commit, the release's own sdist, or Debian's source
    package. Empty, and then left out, for what is nowhere else or was not held against its commit."""
    source = recipe.source
    if source.kind is SourceKind.SDIST:
        return _of_release(recipe, source.files[-1].name)
    if source.kind is SourceKind.RELEASE_TARBALL:
        return _of_debian(source)
    if not source.repository or not source.commit or unproved:
        return ""
    inside = f"#subdirectory={source.subfolder}" if source.subfolder else ""
    return f"git+{source.repository}@{source.commit}{inside}"


def _of_release(recipe: PackageRecipe, name: str) -> str:
    purl = PackageURL.from_string(recipe.purl)
    return purl._replace(qualifiers={"file_name": name}).to_string()


def _of_debian(source: PackageSource) -> str:
    """A source package without its revision, which nothing of the archive's bytes depends on. The pool's folder names
    it (`pool/main/f/foo/`)."""
    file, (*_, folder, name) = source.files[-1], ("", *source.files[-1].path.split("/"))
    if source.archive not in ("debian", "debian-security") or not name.startswith(f"{folder}_"):
        return ""
    own = {"arch": "source", "file_name": file.name}
    return PackageURL(type="deb", namespace="debian", name=folder, qualifiers=own).to_string()


def known_from(repository: Repository, commit: str, guess: Guess) -> Guess:
    """The guess at where a commit is from. What a clone at hand says of itself is no more than that."""
    said = repository.url
    if not repository.at_hand or not said:
        return guess
    if repository.origin_of(commit):
        evidence = f"{guess.evidence}; {unasked(said)}"
        origin = Origin.INFERRED if guess.origin is Origin.INFERRED else Origin.ASSUMED
        return guess.model_copy(update={"value": said, "origin": origin, "evidence": evidence})
    evidence = (
        f"{guess.evidence}; the clone at hand says it is from {said}, but no branch that it has from there leads to "
        f"commit {commit[:12]}: it may never have been pushed"
    )
    return guess.model_copy(update={"value": "a repository at hand", "evidence": evidence})


def same_place(one: str, other: str) -> bool:
    """Whether two URLs are of one repository, as far as their words say."""
    plain = [url.rstrip("/").removesuffix(".git") for url in (one, other)]
    return bool(one) and plain[0] == plain[1]


def unasked(url: str) -> str:
    """How it is said that only a clone says where a commit is from."""
    return f"the clone at hand says it is from {url}; that was not asked"
