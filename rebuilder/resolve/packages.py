"""Packages of a language's index: the ``Ecosystem`` port. What an index published is held against a declared commit.

Reads top to bottom: a purl or a recipe becomes a ``Resolution``; then endorsement, source, relations and plan. What is
particular to one index is its ``PackageKind``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rebuilder.check.builds import Materials
from rebuilder.errors import RecipeError, Stopped
from rebuilder.model import (
    BuildKind,
    BuildPlan,
    Endorsement,
    FileDigest,
    Input,
    Limits,
    Published,
    SignatureCheck,
    Source,
    SourceKind,
    Verdict,
)
from rebuilder.ports import Resolution
from rebuilder.recipe import PackageRecipe
from rebuilder.resolve import (
    package_builds,
    packages_inputs,
    packages_names,
    packages_recipe,
    packages_source,
    replays,
)
from rebuilder.resolve.package_kind import Taken, Wanted
from rebuilder.resolve.packages_at_hand import AtHand, Seen
from rebuilder.resolve.projects import with_packages
from rebuilder.resolve.projects_files import take_one, take_pinned
from rebuilder.resolve.projects_recipe import HISTORY_NAME, TREE_NAME
from rebuilder.resolve.recipe_text import render_recipe
from rebuilder.resolve.recipes import load_lock, load_recipe

if TYPE_CHECKING:
    from rebuilder.lock import LanguagePackage, ToolchainLock
    from rebuilder.ports import Blobs, Fetcher, Progress
    from rebuilder.releases import Release, Signed
    from rebuilder.resolve.package_kind import PackageKind
    from rebuilder.resolve.package_ports import Indexes, Repositories


class PackageEndorser(Protocol):
    """Who vouches for a release, as ``endorse.packages.PackageEndorser``."""

    def chain(
        self,
        published: Published,
        *,
        anchor: str,
        allow_missing: str,
        release: Release | None,
        papers: tuple[FileDigest, ...] = (),
    ) -> Endorsement:
        """The endorsement, from saved bytes alone."""


class NpmCache(Protocol):
    """npm's cache of packages, as ``LanguagePackages.npm_cache``."""

    def __call__(self, packages: tuple[LanguagePackage, ...], *, manifests: bool = False) -> FileDigest:
        """A tar of it, in the blobs."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person said of a release, beyond its purl."""

    #: A folder, a bundle or a URL of a repository; an archive; empty: what the release itself names.
    source: str = ""
    #: A commit or a tag of it; empty: the one inferred.
    commit: str = ""
    #: The release's own sdist is the source.
    from_sdist: bool = False
    #: Signatures and checksum lists, and the anchor that has to have made them.
    papers: tuple[Path, ...] = ()
    anchor: str = ""


@dataclass(frozen=True, kw_only=True)
class Packages:
    """``ports.Ecosystem`` for packages of indexes."""

    kinds: Mapping[str, PackageKind]
    indexes: Indexes
    repositories: Repositories
    fetcher: Fetcher
    blobs: Blobs
    endorser: PackageEndorser
    #: What the signatures of a commit and its tag are worth, as evidence.
    judge: Callable[[tuple[Signed, ...]], tuple[SignatureCheck, ...]]
    #: The tree of an archive.
    archive_tree: Callable[[FileDigest, Blobs], FileDigest]
    #: Upstream archives that Debian carries.
    carried: packages_source.Carriers
    npm_cache: NpmCache
    #: Text of `sandbox/replay_shim.py`, and of `sandbox/zlib_shim.py`.
    shim: str
    zlib_shim: str
    progress: Progress
    #: The operator's caps, by the names of ``model.Limits``.
    limits: Mapping[str, float]
    #: Trees that were found to be those of a commit or an archive, by both.
    seen: Seen = field(default_factory=set[tuple[str, ...]])

    @property
    def _kept(self) -> AtHand:
        return AtHand(
            indexes=self.indexes,
            repositories=self.repositories,
            fetcher=self.fetcher,
            blobs=self.blobs,
            archive_tree=self.archive_tree,
            progress=self.progress,
            seen=self.seen,
        )

    # --- what is asked for --------------------------------------------------------------------------

    def infer(self, target: str, asked: Asked) -> Resolution:
        """A purl: what its index published, from which source, and how, as far as that can be inferred.

        ``UsageError`` for what no index has; ``Stopped(unavailable)`` where files or source cannot be had.
        """
        wanted = packages_recipe.wanted_of(target)
        kind = self.kinds[wanted.system]
        taken = self._taken(kind, wanted)
        self.progress.stage("resolve", "source")
        sourced = packages_source.find(self._places(), kind, taken, asked)
        taken = packages_source.compared(sourced, taken)
        with self.blobs.path(sourced.tree.sha256).open("rb") as tar:
            draft = kind.draft(taken, packages_source.ground(sourced, tar))
        self._kept.seen_tree(sourced)
        history = self._kept.seen_history(sourced.history() if draft.build.history else None, sourced.commit)
        if draft.build.history and history is None:
            draft = replace(draft, build=draft.build.model_copy(update={"history": False}))
        limits = Limits.model_validate({**draft.build.limits.model_dump(), **self.limits})
        draft = replace(draft, build=draft.build.model_copy(update={"limits": limits}))
        guesses = (*sourced.guesses, *draft.guesses)
        source = packages_source.recipe_source(sourced, taken, history)
        recipe = packages_recipe.recipe_of(taken, source, draft, guesses)
        papers, recipe = self._papers(asked, recipe)
        return Resolution(
            published=packages_recipe.published_of(recipe),
            recipe=recipe,
            recipe_bytes=render_recipe(recipe).encode(),
            lock=None,
            inputs=packages_inputs.inputs(recipe, None),
            warnings=(*taken.targets.notes, *sourced.notes, *draft.notes),
            release=taken.release,
            papers=papers,
            guesses=guesses,
            committed=sourced.commit.time if sourced.commit else None,
            signed=sourced.signatures(),
            holds=sourced.holds(),
        )

    def resolve(
        self,
        target: str,
        *,
        source: str = "",
        artifacts: tuple[Path, ...] = (),
        papers: tuple[Path, ...] = (),
        anchor: str = "",
    ) -> Resolution:
        """The path of a recipe v3. ``source``: where its repository is at hand, in place of the one it names.
        ``papers`` are signatures and lists of digests, which ``anchor`` has to have made: another than the recipe's
        makes another recipe of it.

        ``Stopped(unavailable)`` where files or source cannot be had; ``UsageError`` where the source is not what the
        recipe pins.
        """
        path = Path(target)
        recipe, data = load_recipe(path)
        if not isinstance(recipe, PackageRecipe):
            msg = f"{path}: expected a recipe of a package, found one of {recipe.purl} ({recipe.format})"
            raise RecipeError(msg)
        take_pinned(artifacts, recipe, self.blobs)
        lock_path = path.parent / recipe.toolchain.lock
        lock = load_lock(lock_path)[0] if lock_path.exists() else None
        found = self.of_recipe(recipe, data, lock, source=source)
        given, judged = self._papers(Asked(papers=papers, anchor=anchor or recipe.endorsement.anchor), recipe)
        if judged.endorsement.anchor == recipe.endorsement.anchor:
            return replace(found, papers=given)
        told = f"the recipe names the anchor {recipe.endorsement.anchor!r}; {anchor!r} was asked for, and is held to"
        text = render_recipe(judged).encode()
        return replace(found, papers=given, recipe=judged, recipe_bytes=text, warnings=(*found.warnings, told))

    def of_recipe(
        self, recipe: PackageRecipe, data: bytes, lock: ToolchainLock | None, *, source: str = ""
    ) -> Resolution:
        """A recipe at hand; artifacts and source are in the blobs then. Raises as ``resolve``."""
        published, unproved = self._kept.have(recipe, packages_recipe.published_of(recipe), source)
        by_word, elsewhere = self._kept.by_word(recipe, source)
        told = filter(None, (*unproved.values(), elsewhere))
        if by_word:
            unproved.setdefault("source", by_word)
        return Resolution(
            published=published,
            recipe=recipe,
            recipe_bytes=data,
            lock=lock,
            inputs=packages_inputs.inputs(recipe, lock, published, unproved),
            warnings=(*packages_inputs.weakened(recipe, lock, published), *dict.fromkeys(told)),
            signed=self._kept.signed(recipe, source),
            unproved=unproved.get("commit", elsewhere),
        )

    def today(self, resolution: Resolution) -> Resolution:
        """As ``ports.Ecosystem.today``: whoever solves the lock reads the indexes of the suite itself."""
        inputs = tuple(item for item in resolution.inputs if item.name != "toolchain")
        toolchain = packages_inputs.toolchain(package_recipe(resolution), None)
        return replace(resolution, lock=None, inputs=(*inputs, toolchain))

    # --- who vouches, what it is made from ----------------------------------------------------------

    def endorse(self, resolution: Resolution) -> Endorsement:
        """As ``ports.Ecosystem.endorse``: by signatures at hand, else by the index alone."""
        asked = resolution.recipe.endorsement
        return self.endorser.chain(
            resolution.published,
            anchor=asked.anchor,
            allow_missing=asked.allow_missing,
            release=resolution.release,
            papers=resolution.papers,
        )

    def source(self, resolution: Resolution) -> tuple[Source, tuple[SignatureCheck, ...]]:
        """As ``ports.Ecosystem.source``: the tree, which is in the store by now; and signatures of commit and tag."""
        recipe = package_recipe(resolution)
        files = resolution.published.source_files
        # A tree that nobody held against its commit is no commit's, whatever the recipe says of it.
        proved = not recipe.source.commit or any(item.name == "commit" for item in resolution.inputs)
        source = Source(
            kind=recipe.source.kind if proved else SourceKind.LOCAL_TREE,
            name=recipe.source.name,
            version=recipe.source.version,
            files=tuple(FileDigest(name=file.name, sha256=file.sha256, size=file.size) for file in files),
            uri=packages_names.source_uri(recipe, resolution.unproved),
        )
        return source, self.judge(resolution.signed)

    def relations(self, resolution: Resolution, source: Source, build: BuildKind) -> tuple[str, ...]:
        """As ``ports.Ecosystem.relations``: what the recipe asks for, and what its build needs besides."""
        del source, build
        recipe = package_recipe(resolution)
        return tuple(dict.fromkeys((*recipe.toolchain.relations, *package_builds.needed_relations(recipe))))

    def plan(self, resolution: Resolution, source: Source, build: BuildKind) -> tuple[BuildPlan, tuple[Input, ...]]:
        """As ``ports.Ecosystem.plan``, with the packages of ``resolution.lock``. ``RecipeError`` for a lock that lacks
        the packages of the language."""
        del source, build
        recipe = package_recipe(resolution)
        packages = resolution.lock.languages if resolution.lock else ()
        asked = recipe.toolchain
        for system, wanted in (("pypi", bool(asked.wheels)), ("npm", asked.npm or bool(asked.node or asked.packages))):
            if wanted and not any(package.system == system for package in packages):
                msg = f"{asked.lock}: expected the packages of {system} that the recipe asks for, found none"
                raise RecipeError(msg, hint="make the lock anew: rebuilder lock --relock RECIPE")
        if packages_recipe.bootstraps(recipe, packages):
            reason = (
                f"{recipe.purl} is itself among the packages that its build is given: what came out could be made of "
                "nothing else"
            )
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=(recipe.purl,))
        materials = self.materials(resolution, packages)
        return package_builds.plan_of(recipe, materials, self.shim, self.zlib_shim), ()

    def materials(self, resolution: Resolution, packages: tuple[LanguagePackage, ...]) -> Materials:
        """What a build of the recipe is given, in the blobs."""
        recipe = package_recipe(resolution)
        bare, others = package_builds.with_clients(tree_materials(resolution.published), packages, recipe)
        asked = recipe.toolchain.packages
        filled = with_packages(bare, others, partial(self.npm_cache, manifests=True) if asked else self.npm_cache)
        filled = replace(filled, npm_packages=asked, commit=recipe.source.commit if filled.history else "")
        if not recipe.build.replay:
            return filled
        paths = {item.name: self.blobs.path(item.sha256) for item in recipe.artifacts}
        data = replays.replay_of(paths, recipe)
        return replace(filled, replay=self.blobs.put([data], name="replay.json", limit=len(data)))

    # --- for a search -------------------------------------------------------------------------------

    def completed(self, recipe: PackageRecipe, first: PackageRecipe, place: str) -> PackageRecipe:
        """A recipe whose commit or history is another than that of ``first``, with the files of that source. Raises as
        ``Repository``."""
        source = recipe.source
        same = (source.commit, recipe.build.history) == (first.source.commit, first.build.history)
        if same or source.kind is not SourceKind.GIT_COMMIT:
            return recipe
        repository = self._kept.opened(recipe, place)
        tree = repository.tree(source.commit, source.subfolder, submodules=source.submodules)
        history = self._kept.seen_history(
            repository.history(source.commit) if recipe.build.history else None, repository.commit(source.commit)
        )
        tags = [tag.name for tag in repository.tags() if tag.commit == source.commit]
        files = packages_recipe.source_files(tree, history, None)
        # What a clone at hand has from its origin may be one commit and not the other.
        url = repository.origin_of(source.commit) if repository.at_hand else source.repository
        tag = source.tag if source.tag in tags else ""
        changes = {"files": files, "tag": tag, "repository": url}
        return recipe.model_copy(update={"source": source.model_copy(update=changes)})

    def narrowed(self, resolution: Resolution, name: str) -> Resolution:
        """The same for one file of the release."""
        recipe = packages_recipe.of_one_file(package_recipe(resolution), name)
        return replace(
            resolution,
            recipe=recipe,
            recipe_bytes=render_recipe(recipe).encode(),
            published=resolution.published.model_copy(
                update={"purl": recipe.purl, "artifacts": packages_recipe.published_of(recipe).artifacts}
            ),
        )

    # --- steps --------------------------------------------------------------------------------------

    def _taken(self, kind: PackageKind, wanted: Wanted) -> Taken:
        self.progress.stage("resolve", f"{wanted.name} {wanted.version}".strip())
        release = self.indexes.release(wanted.system, wanted.name, wanted.version)
        wanted = replace(wanted, name=release.name, version=release.version)
        targets = kind.targets(release, wanted)
        files = self.indexes.take(release, [file.name for file in targets.files])
        paths = {file.name: self.blobs.path(file.sha256) for file in files}
        return Taken(wanted=wanted, release=release, targets=targets, files=files, paths=paths)

    def _places(self) -> packages_source.Places:
        return packages_source.Places(
            repositories=self.repositories,
            blobs=self.blobs,
            archive_tree=self.archive_tree,
            progress=self.progress,
            carried=self.carried,
        )

    def _papers(self, asked: Asked, recipe: PackageRecipe) -> tuple[tuple[FileDigest, ...], PackageRecipe]:
        if not asked.papers:
            return (), recipe
        papers = tuple(take_one(path, self.blobs) for path in asked.papers)
        endorsement = recipe.endorsement.model_copy(update={"anchor": asked.anchor, "allow_missing": ""})
        return papers, recipe.model_copy(update={"endorsement": endorsement})


def tree_materials(published: Published) -> Materials:
    """Tree and history, as a build is given them; an archive that the tree was made from is none."""
    files = {
        file.name: FileDigest(name=file.name, sha256=file.sha256, size=file.size) for file in published.source_files
    }
    return Materials(tree=files[TREE_NAME], history=files.get(HISTORY_NAME))


def package_recipe(resolution: Resolution) -> PackageRecipe:
    """Its recipe, which is one of a package. ``RecipeError`` for any other."""
    if isinstance(resolution.recipe, PackageRecipe):
        return resolution.recipe
    msg = f"expected a recipe of a package, found one of {resolution.recipe.purl} ({resolution.recipe.format})"
    raise RecipeError(msg)
