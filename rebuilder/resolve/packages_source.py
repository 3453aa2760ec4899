"""Which source a release is held against: a commit that it names or that its tags name, or an archive at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from rebuilder.errors import Stopped, UsageError
from rebuilder.model import FileDigest, Origin, SourceKind, Verdict
from rebuilder.recipe import PackageSource, RecipeFile
from rebuilder.releases import Commit, Guess
from rebuilder.resolve.debian_upstream import Upstream
from rebuilder.resolve.infer import commits
from rebuilder.resolve.package_kind import Ground, Origins, PackageKind, Taken
from rebuilder.resolve.packages_names import known_from
from rebuilder.resolve.packages_recipe import source_files
from rebuilder.resolve.projects_files import take_one
from rebuilder.resolve.projects_recipe import LOCAL
from rebuilder.treetar import TarTree

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Progress
    from rebuilder.releases import Signed, System
    from rebuilder.resolve.package_ports import Repositories, Repository
    from rebuilder.resolve.packages import Asked

OTHER_TREE = (
    "a commit has one tree wherever it is cloned, submodules included, and an archive has one digest: was the recipe "
    "edited, or written by another version of this tool? `rebuilder init PURL` writes it anew"
)
BY_HAND = "given by hand"
#: How a source is named that is upstream's archive in a source package of Debian.
CARRIED = "pkg:deb/"
_BUNDLE = b"# v"
_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz")


class Carriers(Protocol):
    """``debian_upstream.UpstreamArchives``."""

    def __call__(self, purl: str, *, system: System, version: str) -> Upstream:
        """The archive of that version, in the blobs by now."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where sources are looked for."""

    repositories: Repositories
    blobs: Blobs
    archive_tree: Callable[[FileDigest, Blobs], FileDigest]
    progress: Progress
    #: Upstream archives that Debian carries.
    carried: Carriers


@dataclass(frozen=True, kw_only=True)
class Sourced:
    """A source whose tree is in the blobs."""

    kind: SourceKind
    tree: FileDigest
    guesses: tuple[Guess, ...]
    notes: tuple[str, ...] = ()
    repository: Repository | None = None
    commit: Commit | None = None
    tag: str = ""
    subfolder: str = ""
    submodules: bool = True
    #: Where others can have that commit: the address that was asked, or that a clone at hand has it from.
    url: str = ""
    #: The archive, and which archive of archives has it.
    archive: RecipeFile | None = None
    held_by: str = LOCAL

    def history(self) -> FileDigest | None:
        """The history of its commit; ``None`` for what has none."""
        if self.repository is None or self.commit is None:
            return None
        return self.repository.history(self.commit.id)

    def holds(self) -> Callable[[Iterable[str]], frozenset[str]] | None:
        """Who knows which files any commit has; ``None`` for nobody: what a submodule has is in another repository, so
        with one that cannot be had nothing can be said of what is not found."""
        return self.repository.holds if self.repository is not None and self.submodules else None

    def signatures(self) -> tuple[Signed, ...]:
        """What is signed of commit and tag."""
        if self.repository is None or self.commit is None:
            return ()
        return self.repository.signatures(self.commit.id, self.tag)


def find(places: Places, kind: PackageKind, taken: Taken, asked: Asked) -> Sourced:
    """The source that was asked for, or that the release names. ``Stopped(unavailable)`` where none can be had."""
    if asked.from_sdist:
        return _own_sdist(places, taken)
    if asked.source.startswith(CARRIED):
        return _carried(places, taken, asked.source)
    given = Path(asked.source) if asked.source and "://" not in asked.source else None
    if given is not None and given.is_file() and not _is_bundle(given):
        return _archive(places, taken, given)
    origins = kind.origins(taken)
    repository, guess, notes = _repository(places, origins, asked)
    return _committed(repository, guess, notes, origins, taken, asked)


def compared(sourced: Sourced, taken: Taken) -> Taken:
    """What is held against that source: every file but the one that is the source itself, which would be compared with
    nothing but itself. ``UsageError`` if no file that was asked for is left."""
    own = sourced.archive.sha256 if sourced.archive is not None else ""
    files = tuple(file for file in taken.files if file.sha256 != own)
    if len(files) == len(taken.files):
        return taken
    left = frozenset(file.name for file in files)
    if not taken.targets.named & left:
        release = taken.release
        msg = f"expected a file of {release.name} {release.version} that is not itself the source, found none asked for"
        raise UsageError(msg, hint="name a repository or another archive with --source")
    targets = replace(
        taken.targets,
        files=tuple(file for file in taken.targets.files if file.name in left),
        named=taken.targets.named & left,
    )
    return replace(taken, targets=targets, files=files)


def ground(sourced: Sourced, tar: BinaryIO) -> Ground:
    """What a draft is made from; ``tar`` is its open tree."""
    guess = next((one for one in sourced.guesses if one.input == "commit"), None)
    return Ground(tree=TarTree(tar), commit=sourced.commit, guess=guess)


def recipe_source(sourced: Sourced, taken: Taken, history: FileDigest | None) -> PackageSource:
    """As a recipe has it."""
    committed = sourced.commit is not None and sourced.kind is SourceKind.GIT_COMMIT
    return PackageSource(
        kind=sourced.kind,
        name=taken.release.name.rpartition("/")[2],
        version=taken.release.version,
        archive=sourced.held_by,
        files=source_files(sourced.tree, history, sourced.archive),
        commit=sourced.commit.id if sourced.commit is not None and committed else "",
        repository=sourced.url,
        subfolder=sourced.subfolder,
        tag=sourced.tag,
        submodules=sourced.submodules,
    )


def uploaded(taken: Taken) -> datetime | None:
    """When the first of its files reached the index; ``None`` where the index does not say."""
    times = [file.uploaded for file in taken.targets.files if file.uploaded is not None]
    return min(times) if times else None


def _own_sdist(places: Places, taken: Taken) -> Sourced:
    sdist = next((file for file in taken.files if file.name.endswith(_SDISTS)), None)
    if sdist is None or taken.release.system != "pypi":
        reason = f"{taken.release.name} {taken.release.version} has no sdist that could be the source"
        raise Stopped(Verdict.UNAVAILABLE, reason)
    return _of_archive(places, taken, sdist, "the release's own sdist, by the digest that the index names")


def _archive(places: Places, taken: Taken, path: Path) -> Sourced:
    return _of_archive(places, taken, take_one(path, places.blobs), f"{path.name}, {BY_HAND}")


def _carried(places: Places, taken: Taken, purl: str) -> Sourced:
    found = places.carried(purl, system=taken.release.system, version=taken.release.version)
    file = FileDigest(name=found.file.name, sha256=found.file.sha256, size=found.file.size)
    sourced = _of_archive(places, taken, file, found.evidence)
    notes = (*sourced.notes, *found.notes)
    if sourced.kind is SourceKind.SDIST:
        return replace(sourced, notes=notes)
    archive = RecipeFile(**file.model_dump(), path=found.file.path)
    return replace(sourced, archive=archive, held_by=found.file.archive, notes=notes)


def _of_archive(places: Places, taken: Taken, file: FileDigest, evidence: str) -> Sourced:
    own = next((one for one in taken.files if one.sha256 == file.sha256), None)
    name = (own or file).name
    path = f"{taken.release.name}/{taken.release.version}/{name}" if own else name
    value = f"{name}, sha256 {file.sha256}"
    return Sourced(
        kind=SourceKind.SDIST if own else SourceKind.RELEASE_TARBALL,
        tree=places.archive_tree(file, places.blobs),
        archive=RecipeFile(name=name, path=path, sha256=file.sha256, size=file.size),
        held_by=taken.release.system if own else LOCAL,
        guesses=(
            Guess(input="repository", value=value, origin=Origin.PINNED, evidence=evidence, confidence=1.0),
        ),
        notes=(f"built from {name}, which is not the commit: what it has beyond the repository is not seen",),
    )


def _opened(places: Places, place: str, asked: Asked, declared: str) -> Repository:
    """With the commit that is asked for. One that only the publisher names may be on no branch, or be nowhere any more:
    then the repository is taken as it is, and its tags are asked."""
    if asked.commit:
        return places.repositories.open(place, commit=_full(asked.commit))
    if wanted := _full(declared):
        try:
            return places.repositories.open(place, commit=wanted)
        except (Stopped, UsageError) as error:
            places.progress.line(f"without the commit that the publisher names: {error}")
    return places.repositories.open(place)


def _repository(places: Places, origins: Origins, asked: Asked) -> tuple[Repository, Guess, tuple[str, ...]]:
    """The first that can be had, how it is known, and why others could not."""
    if asked.source:
        opened = _opened(places, asked.source, asked, origins.commit)
        # A folder can hold anything under a tag of that name; an address that was given was asked itself.
        origin = Origin.ASSUMED if opened.at_hand else Origin.PINNED
        where = opened.url or "a repository at hand"
        return opened, Guess(input="repository", value=where, origin=origin, evidence=BY_HAND, confidence=1.0), ()
    failed: list[str] = []
    for guess in origins.repositories:
        places.progress.stage("resolve", f"source from {guess.value}")
        try:
            return _opened(places, guess.value, asked, origins.commit), guess, tuple(failed)
        except (Stopped, UsageError) as error:
            failed.append(f"{guess.value}: {error}")
    reason = "; ".join(failed) or "the release names no repository"
    raise Stopped(
        Verdict.UNAVAILABLE,
        f"the source could not be had: {reason}. Name a clone or a URL with --source, or take the release's own sdist "
        "with --from-sdist",
        missing=tuple(guess.value for guess in origins.repositories) or ("source",),
    )


def _committed(
    repository: Repository, guess: Guess, notes: tuple[str, ...], origins: Origins, taken: Taken, asked: Asked
) -> Sourced:
    moment = uploaded(taken)
    by_hand = commits.asked_for(repository, asked.commit).id if asked.commit else ""
    choice = commits.choose(
        repository,
        name=taken.release.name,
        version=taken.release.version,
        uploaded=int(moment.timestamp()) if moment else None,
        declared=by_hand or origins.commit,
        manifests=origins.manifests,
    )
    if not choice.commit:
        reason = (
            f"no commit of {taken.release.name} {taken.release.version} was found in {guess.value}: "
            f"{'; '.join(choice.notes) or 'no tag names it'}. Name one with --commit"
        )
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"commit of {taken.release.version}",))
    found = repository.commit(choice.commit)
    subfolder = origins.subfolder or choice.subfolder
    origin = Origin.PINNED if asked.commit else choice.origin
    commit = Guess(
        input="commit",
        value=choice.commit,
        origin=origin,
        evidence=f"{BY_HAND}: {asked.commit}" if asked.commit else choice.evidence,
        confidence=1.0 if asked.commit else choice.confidence,
        others=() if asked.commit else choice.others,
    )
    tree, lacking = _tree(repository, choice.commit, subfolder)
    guess = known_from(repository, choice.commit, guess)
    return Sourced(
        kind=SourceKind.GIT_COMMIT,
        tree=tree,
        guesses=(guess, commit),
        url=repository.origin_of(choice.commit),
        notes=(*notes, *choice.notes, *lacking),
        submodules=not lacking,
        repository=repository,
        commit=found,
        tag=choice.tag,
        subfolder=subfolder,
    )


def _tree(repository: Repository, commit: str, subfolder: str) -> tuple[FileDigest, tuple[str, ...]]:
    """The tree, and a sentence if it is without its submodules because one cannot be had: most publishers build from a
    plain clone, which has none."""
    try:
        return repository.tree(commit, subfolder), ()
    except (Stopped, UsageError) as error:
        try:
            tree = repository.tree(commit, subfolder, submodules=False)
        except (Stopped, UsageError):
            raise error from None
        return tree, (
            f"submodules are left empty, as in a plain clone, for one cannot be had: {error}. What was published may "
            "be from one of them: what is not found in the source is not looked for in the history",
        )


def _is_bundle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == _BUNDLE


def _full(commit: str) -> str:
    return commit if len(commit) in (40, 64) and all(letter in "0123456789abcdef" for letter in commit) else ""
