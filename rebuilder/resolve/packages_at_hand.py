"""Source and artifacts that a recipe pins, at hand: fetched where they are not, and held against what the recipe says
they are. What could not be looked at is said, and never taken for proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rebuilder.errors import Stopped, UsageError
from rebuilder.model import FileDigest, Located, Published, SourceKind
from rebuilder.resolve import packages_history, packages_names, packages_recipe, packages_source
from rebuilder.resolve.projects_files import take_one
from rebuilder.resolve.projects_recipe import HISTORY_NAME, LOCAL, TREE_NAME

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Fetcher, Progress
    from rebuilder.recipe import PackageRecipe, RecipeFile
    from rebuilder.releases import Commit, Signed
    from rebuilder.resolve.package_ports import Indexes, Repositories, Repository


class Seen(Protocol):
    """What was held against its origin already, in this run or another of this state folder."""

    def __contains__(self, origin: object, /) -> bool: ...

    def add(self, origin: tuple[str, ...], /) -> None:
        """Remember one."""


@dataclass(frozen=True, kw_only=True)
class AtHand:
    """Has what recipes pin. All methods raise ``Stopped(unavailable)`` for what cannot be had, ``UsageError`` for what
    is not as it is pinned."""

    indexes: Indexes
    repositories: Repositories
    fetcher: Fetcher
    blobs: Blobs
    archive_tree: Callable[[FileDigest, Blobs], FileDigest]
    progress: Progress
    #: Trees and histories that were found to be those of a commit or an archive; filled here.
    seen: Seen

    def have(
        self, recipe: PackageRecipe, published: Published, place: str
    ) -> tuple[Published, dict[str, str]]:
        """Artifacts and source into the blobs, and by input why it could not be checked. The history of one commit is
        packed in another way by a clone that has other tags, so that its digest may be another than the recipe's."""
        lacking = [item.file for item in published.artifacts if not self.blobs.has(item.file.sha256)]
        local = [file.name for file in lacking if file.archive == LOCAL]
        if local:
            msg = f"files that the recipe of {published.purl} pins are not in the store: {', '.join(local)}"
            raise UsageError(msg, hint="name each with --artifact FILE; the recipe says which bytes they have to have")
        self.indexes.fetch(lacking)
        tree, *others = published.source_files
        why = self._have_tree(recipe, tree, place)
        unproved, had = ({"source": why, "commit": why} if why else {}), [tree]
        for file in others:
            if file.name != HISTORY_NAME:
                had.append(file)
                continue
            bundle, why = self._history(recipe, file, place)
            had.append(bundle)
            if why:
                unproved.setdefault("source", why)
        return published.model_copy(update={"source_files": tuple(had)}), unproved

    def _have_tree(self, recipe: PackageRecipe, tree: Located, place: str) -> str:
        """The tree into the blobs, held against its commit or archive even if it lies there already: whoever wrote the
        recipe could name any tree that was built from before. Why it could not be is said; empty: it was."""
        archive, had = packages_recipe.archive_file(recipe), self.blobs.has(tree.sha256)
        source = recipe.source
        origin = (tree.sha256, archive.sha256 if archive else source.commit, source.subfolder, str(source.submodules))
        if had and (origin in self.seen or source.kind is SourceKind.LOCAL_TREE):
            return ""
        self.progress.stage("resolve", "source")
        try:
            found = self._again(recipe, archive, place)
        except (Stopped, UsageError) as error:
            if place or not had or archive is not None:
                raise
            return f"the tree that the recipe pins was not held against commit {source.commit}: {error}"
        if found.sha256 != tree.sha256:
            msg = f"expected the tree that the recipe pins, sha256 {tree.sha256}, found {found.sha256}"
            raise UsageError(msg, hint=packages_source.OTHER_TREE)
        self.seen.add(origin)
        return ""

    def _again(self, recipe: PackageRecipe, archive: RecipeFile | None, place: str) -> FileDigest:
        if archive is not None:
            return self.archive_tree(self._archive(recipe, archive, place), self.blobs)
        source = recipe.source
        return self.opened(recipe, place).tree(source.commit, source.subfolder, submodules=source.submodules)

    def _archive(self, recipe: PackageRecipe, archive: RecipeFile, place: str) -> FileDigest:
        file = Located(**archive.model_dump(), archive=recipe.source.archive)
        if place and Path(place).is_dir():
            msg = f"{place}: expected the archive {file.name}, which is the source that the recipe pins, found a folder"
            raise UsageError(msg, hint="leave --source out: the archive is fetched by its digest")
        if place and (found := take_one(Path(place), self.blobs)).sha256 != file.sha256:
            msg = f"{place}: expected sha256 {file.sha256}, as the recipe pins its source, found {found.sha256}"
            raise UsageError(msg)
        if not self.blobs.has(file.sha256):
            if file.archive == LOCAL:
                msg = f"the source of {recipe.purl} is not at hand: {file.name} is not in the store"
                raise UsageError(msg, hint="name it with --source FILE")
            if file.archive in ("pypi", "npm"):
                self.indexes.fetch([file])
            else:
                self.fetcher.fetch(file)
        return FileDigest(name=file.name, sha256=file.sha256, size=file.size)

    def _history(self, recipe: PackageRecipe, wanted: Located, place: str) -> tuple[Located, str]:
        """The history, and why one that lies there could not be held against the repository: a bundle can say of any
        commit that it is its HEAD, and give it any tags. ``UsageError`` for one of another commit."""
        commit, had = recipe.source.commit, self.blobs.has(wanted.sha256)
        origin = (wanted.sha256, HISTORY_NAME, commit)
        if had and origin in self.seen:
            return wanted, ""
        if had:
            with self.blobs.path(wanted.sha256).open("rb") as file:
                packages_history.require_head(file, commit)
        try:
            found = self.opened(recipe, place).history(commit)
        except (Stopped, UsageError) as error:
            if not had:
                raise
            return wanted, f"the {HISTORY_NAME} that the recipe pins was not held against the repository: {error}"
        if had and found.sha256 != wanted.sha256:
            return wanted, packages_history.packed_otherwise(commit)
        self.seen.add((found.sha256, HISTORY_NAME, commit))
        return Located(**found.model_dump(), archive=LOCAL, path=HISTORY_NAME), ""

    def seen_tree(self, sourced: packages_source.Sourced) -> None:
        """A tree that was made of its commit or archive just now."""
        origin = sourced.archive.sha256 if sourced.archive else sourced.commit.id if sourced.commit else ""
        if origin:
            self.seen.add((sourced.tree.sha256, origin, sourced.subfolder, str(sourced.submodules)))

    def seen_history(self, history: FileDigest | None, commit: Commit | None) -> FileDigest | None:
        """A history that was made of its repository just now."""
        if history is not None and commit is not None:
            self.seen.add((history.sha256, HISTORY_NAME, commit.id))
        return history

    def opened(self, recipe: PackageRecipe, place: str) -> Repository:
        """The repository that has the recipe's commit: at ``place``, or where the recipe says."""
        where = place or recipe.source.repository
        if not where or not recipe.source.commit:
            msg = f"the source of {recipe.purl} is not at hand: {TREE_NAME} or {HISTORY_NAME} is not in the store"
            raise UsageError(msg, hint="the recipe names no repository: name a clone of it with --source DIR or URL")
        return self.repositories.open(where, commit=recipe.source.commit)

    def by_word(self, recipe: PackageRecipe, place: str) -> tuple[str, str]:
        """Why the repository that the recipe names is only assumed to have its commit: a clone at hand was asked; and
        why even that cannot be said: it has the commit from elsewhere, or is another repository. Both empty: the
        repository itself was asked."""
        source = recipe.source
        if not (place and source.repository and source.commit):
            return "", ""
        opened = self.opened(recipe, place)
        if packages_names.same_place(opened.origin_of(source.commit), source.repository):
            return packages_names.unasked(source.repository) if opened.at_hand else "", ""
        other = "a clone at hand was, and it does not have the commit from there" if opened.at_hand else "another was"
        why = f"{source.repository} was not asked for commit {source.commit}: {other}"
        return why, why

    def signed(self, recipe: PackageRecipe, place: str) -> tuple[Signed, ...]:
        """Of the commit and the tag, where the repository can be had: evidence, and never a condition."""
        source = recipe.source
        if source.kind is not SourceKind.GIT_COMMIT or not (place or source.repository):
            return ()
        try:
            return self.opened(recipe, place).signatures(source.commit, source.tag)
        except (Stopped, UsageError) as error:
            self.progress.line(f"signatures of commit {source.commit} were not looked at: {error}")
            return ()
