"""Debian packages: the ``Ecosystem`` port. What was published, from which source, and how it is rebuilt.

Reads top to bottom: a purl or a recipe becomes a ``Resolution``; then source, build dependencies and plan.
The steps themselves are in the files beside this one; those that need no I/O are pure.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder import deb822
from rebuilder.errors import Stopped, UsageError
from rebuilder.model import (
    BuildKind,
    BuildPlan,
    Endorsement,
    EndorsementResult,
    FileDigest,
    Input,
    Origin,
    Published,
    SignatureCheck,
    SignedIndex,
    Source,
    SourceKind,
    Verdict,
    utc,
)
from rebuilder.ports import Resolution
from rebuilder.recipe import Recipe, RecipeBuild, RecipeEndorsement
from rebuilder.resolve import debian_build, debian_buildinfo, debian_inputs, debian_local, debian_recipe, debian_source
from rebuilder.resolve.debian_index import SuiteIndex
from rebuilder.resolve.debian_indexes import SuiteIndexes, unreadable
from rebuilder.resolve.debian_lists import Picked, located, pick
from rebuilder.resolve.debian_plan import Wanted, build_plan
from rebuilder.resolve.debian_suites import DebianSettings
from rebuilder.resolve.debian_target import SOURCE, parse_target, purl_of
from rebuilder.resolve.recipe_text import render_recipe
from rebuilder.resolve.recipes import load_lock, load_recipe

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Clock, Endorser, Fetcher, Progress


class Debian:
    """``ports.Ecosystem`` for `pkg:deb/debian/...` and for sources and packages at hand."""

    def __init__(
        self,
        fetcher: Fetcher,
        blobs: Blobs,
        endorser: Endorser,
        clock: Clock,
        progress: Progress,
        settings: DebianSettings,
    ) -> None:
        self._fetcher = fetcher
        self._blobs = blobs
        self._endorser = endorser
        self._progress = progress
        self._settings = settings
        self._indexes = SuiteIndexes(fetcher, blobs, endorser, clock, settings)

    # --- what is asked for --------------------------------------------------------------------------

    def resolve(self, target: str) -> Resolution:
        """A purl, or the path of a pinned recipe. As ``ports.Ecosystem.resolve``."""
        return self._from_purl(target) if target.startswith("pkg:") else self._from_recipe(Path(target))

    def init(self, resolution: Resolution) -> Recipe:
        """A recipe that pins what was resolved: every artifact, source file and index by digest.
        ``UsageError`` for files at hand, which no recipe can find again."""
        if resolution.recipe.source.archive == debian_local.LOCAL:
            msg = f"expected something an archive has, {resolution.published.purl} was given by hand"
            raise UsageError(msg, hint="name a purl, for example  pkg:deb/debian/less?distro=trixie")
        return resolution.recipe

    def local(self, source: Path, artifacts: tuple[Path, ...], suite: str) -> Resolution:
        """What is at hand, without any index of it: an unpacked tree with `debian/` or a `.dsc`, and `.deb` files.

        Nobody vouches for it, which stands in the result; the toolchain comes from the signed ``suite``.
        ``UsageError`` for files that are not what they should be.
        """
        indexes = self._indexes.today(suite, sources=False)
        made = debian_local.gather(
            source, artifacts, blobs=self._blobs, endorser=self._endorser, architecture=self._settings.architecture
        )
        published = made.published.model_copy(
            update={"suite": suite, "indexes": tuple(index.signed for index in indexes)}
        )
        recipe = debian_recipe.recipe_from(
            published,
            source=made.source,
            endorsement=RecipeEndorsement(anchor=debian_local.NO_ANCHOR, allow_missing=debian_local.BY_HAND),
            build=debian_recipe.default_build(self._settings),
        )
        said = debian_inputs.source_input(published, Origin.PINNED, debian_local.BY_HAND)
        return _new(published, recipe, said, self._indexes.notes(indexes))

    def with_buildinfo(self, resolution: Resolution, data: bytes, *, name: str = "given.buildinfo") -> Resolution:
        """The same, built as a publisher's `.buildinfo` says. ``UsageError`` if it is not of this build.

        Its bytes are kept as a blob, named by ``Resolution.buildinfo``, for the toolchain lock.
        """
        if len(data) > debian_buildinfo.BUILDINFO_LIMIT:
            msg = f"{name}: expected at most {debian_buildinfo.BUILDINFO_LIMIT} bytes, found {len(data)}"
            raise UsageError(msg)
        anchor = resolution.recipe.endorsement.anchor
        return self._apply_buildinfo(resolution, (self._given(data, name, anchor=anchor),))

    def with_build(self, resolution: Resolution, build: RecipeBuild) -> Resolution:
        """The same, built by other settings: the recipe is written anew. ``RecipeError`` if nothing can be built so."""
        recipe = resolution.recipe.model_copy(update={"build": build})
        inputs = debian_inputs.replaced(resolution.inputs, *debian_inputs.setting_inputs(resolution.published, build))
        return replace(resolution, recipe=recipe, recipe_bytes=render_recipe(recipe).encode(), inputs=inputs)

    def today(self, resolution: Resolution) -> Resolution:
        """The same with today's indexes of the toolchain's suite, and no lock: what a new lock is solved from.

        For the solver only: the endorsement is judged by the indexes that ``resolution`` came with.
        """
        indexes = self.suite_indexes(resolution.recipe.toolchain.suite)
        published = resolution.published.model_copy(update={"indexes": indexes})
        assumed = debian_inputs.toolchain_input(published, None)
        return replace(
            resolution, published=published, lock=None, inputs=debian_inputs.replaced(resolution.inputs, assumed)
        )

    def suite_indexes(self, suite: str) -> tuple[SignedIndex, ...]:
        """Today's verified indexes of a suite and of those it builds on: where packages for tools come from.
        ``Stopped`` as in ``resolve``."""
        return tuple(index.signed for index in self._indexes.today(suite, sources=False))

    # --- who vouches, what it is made from ----------------------------------------------------------

    def endorse(self, resolution: Resolution) -> Endorsement:
        """As ``ports.Ecosystem.endorse``. Indexes of another anchor give packages to build with, no voucher."""
        asked = resolution.recipe.endorsement
        indexes = tuple(index for index in resolution.published.indexes if index.anchor == asked.anchor)
        published = resolution.published.model_copy(update={"indexes": indexes})
        return self._endorser.chain(published, anchor=asked.anchor, allow_missing=asked.allow_missing)

    def source(self, resolution: Resolution) -> tuple[Source, tuple[SignatureCheck, ...]]:
        """As ``ports.Ecosystem.source``. ``Stopped(refused)`` if the `.dsc` contradicts the signed index,
        ``RecipeError`` if it contradicts a recipe for which no index speaks, ``Stopped(build-failed)`` if it is
        nothing that could be unpacked."""
        published = resolution.published
        self._fetcher.fetch_all(published.source_files)
        source = Source(
            kind=resolution.recipe.source.kind,
            name=published.source_name,
            version=published.source_version,
            files=tuple(
                FileDigest(name=file.name, sha256=file.sha256, size=file.size) for file in published.source_files
            ),
            uri=purl_of(published.source_name, published.source_version, "", SOURCE),
        )
        if source.kind is SourceKind.LOCAL_TREE:
            return source, ()
        text, check = self._dsc_text(source)
        debian_source.checked_dsc(text, source, vouched=_vouched(resolution))
        return source, (check,)

    def relations(self, resolution: Resolution, source: Source, build: BuildKind) -> tuple[str, ...]:
        """As ``ports.Ecosystem.relations``: Debian Policy 7 relations; conflicts begin with `Conflicts: `."""
        if source.kind is SourceKind.LOCAL_TREE:
            return debian_source.relations(debian_source.tree_control(source, self._blobs.path), build)
        text, _ = self._dsc_text(source)
        return debian_source.relations(
            debian_source.checked_dsc(text, source, vouched=_vouched(resolution)).fields, build
        )

    def plan(self, resolution: Resolution, source: Source, build: BuildKind) -> tuple[BuildPlan, tuple[Input, ...]]:
        """As ``ports.Ecosystem.plan``. The first step unpacks the source: if it fails, the source is bad."""
        times = debian_build.times(resolution, source, build, fetcher=self._fetcher, blobs=self._blobs)
        wanted = Wanted(source=source, settings=resolution.recipe.build, epoch=times.epoch, entry=times.entry)
        return build_plan(wanted, build), times.inputs

    # --- steps --------------------------------------------------------------------------------------

    def _from_purl(self, text: str) -> Resolution:
        target = parse_target(text, self._settings)
        self._progress.stage("resolve", f"signed index of {target.suite}")
        indexes = self._indexes.today(target.suite, sources=True)
        own = indexes[0]
        self._progress.stage("resolve", f"{target.name} in {target.suite}")
        try:
            picked = pick(target, self._indexes.lists(indexes))
        except deb822.Malformed as error:
            raise unreadable(own, error) from error
        published = debian_recipe.published_from(picked, target.suite, (index.signed for index in indexes))
        recipe = debian_recipe.recipe_from(
            published,
            source=debian_recipe.signed_source(published, own.spec.archive),
            endorsement=RecipeEndorsement(anchor=own.spec.anchor),
            build=debian_recipe.default_build(self._settings),
        )
        evidence = f"Sources of {target.suite}, signed index of {utc(own.signed.date)}"
        said = debian_inputs.source_input(published, Origin.DECLARED, evidence)
        resolution = _new(published, recipe, said, (*self._indexes.notes(indexes), *picked.warnings))
        return self._with_published_buildinfo(resolution, picked, own) if own.spec.buildinfo else resolution

    def _from_recipe(self, path: Path) -> Resolution:
        recipe, data = load_recipe(path)
        published = debian_recipe.published_from_recipe(recipe, self._settings)
        self._progress.stage("resolve", f"indexes of {published.suite} as the recipe pins them")
        indexes, warnings = self._indexes.pinned(recipe, published.suite)
        published = published.model_copy(update={"indexes": tuple(index.signed for index in indexes)})
        lock_path = path.parent / recipe.toolchain.lock
        lock = load_lock(lock_path)[0] if lock_path.exists() else None
        if lock is None:
            note = f"the recipe's toolchain lock, {lock_path.name}, does not lie beside it: without a pack or a "
            warnings += (f"{note}.buildinfo the toolchain is today's suite",)
        said = debian_inputs.source_input(published, *self._indexes.source_origin(published, indexes[0]))
        resolution = _new(published, recipe, said, warnings)
        toolchain = debian_inputs.toolchain_input(published, lock)
        inputs = debian_inputs.replaced(resolution.inputs, toolchain)
        return replace(resolution, recipe_bytes=data, lock=lock, inputs=inputs)

    def _with_published_buildinfo(self, resolution: Resolution, picked: Picked, own: SuiteIndex) -> Resolution:
        """As the `.buildinfo` files say that the signed index names, if it names one for every package.
        ``Stopped(refused)`` where they are of other files than the same index publishes; one that can't be read
        or used leaves the inputs assumed."""
        named = dict.fromkeys(debian_buildinfo.named_by_index(paragraph) for paragraph in picked.paragraphs)
        if None in named:
            note = "the index does not name a .buildinfo for every package of the source; inputs are assumed"
            return replace(resolution, warnings=(*resolution.warnings, note))
        try:
            files = [located(own.spec.archive, *item) for item in named if item is not None]
        except deb822.Malformed as error:
            raise unreadable(own, error) from error
        self._fetcher.fetch_all(files)
        words = f"the signed index of {own.name} ({utc(own.signed.date)})"
        given = tuple(
            self._given(self._blobs.read(file.sha256, limit=debian_buildinfo.BUILDINFO_LIMIT), file.name, index=words)
            for file in sorted(files, key=lambda file: file.name.endswith("_all.buildinfo"))
        )
        try:
            return self._apply_buildinfo(resolution, given)
        except debian_buildinfo.ContradictionError as error:
            reason = f"the signed index of {own.name} contradicts itself, which is the publisher's doing: {error}"
            raise Stopped(Verdict.REFUSED, reason) from error
        except UsageError as error:
            note = f"the .buildinfo that {words} names can't be used, inputs are assumed: {error}"
            return replace(resolution, warnings=(*resolution.warnings, note))

    def _given(self, data: bytes, name: str, *, index: str = "", anchor: str = "") -> debian_buildinfo.Given:
        file = self._blobs.put([data], name=name, limit=debian_buildinfo.BUILDINFO_LIMIT)
        text, check = self._endorser.signed_text(data, subject=name)
        anchored = False
        if anchor not in {"", debian_local.NO_ANCHOR}:
            pinned = self._endorser.signed_text(data, subject=name, anchor=anchor)[1]
            anchored = pinned.result is EndorsementResult.VALID
            check = pinned if anchored else check
        return debian_buildinfo.Given(file=file, text=text, check=check, index=index, anchored=anchored)

    def _apply_buildinfo(self, resolution: Resolution, given: tuple[debian_buildinfo.Given, ...]) -> Resolution:
        told = debian_buildinfo.apply_buildinfo(given, resolution.published, resolution.recipe.build)
        recipe = resolution.recipe.model_copy(update={"build": told.build})
        return replace(
            resolution,
            recipe=recipe,
            recipe_bytes=render_recipe(recipe).encode(),
            lock=None,
            inputs=debian_inputs.replaced(resolution.inputs, *told.inputs),
            warnings=(*resolution.warnings, *told.warnings),
            buildinfo=given[0].file,
        )

    def _dsc_text(self, source: Source) -> tuple[bytes, SignatureCheck]:
        file = source.files[0]
        if file.size > debian_source.DSC_LIMIT:
            reason = f"expected a .dsc of at most {debian_source.DSC_LIMIT} bytes, found {file.size}"
            raise debian_source.bad_source(reason)
        data = self._blobs.read(file.sha256, limit=debian_source.DSC_LIMIT)
        return self._endorser.signed_text(data, subject=file.name)


def _vouched(resolution: Resolution) -> bool:
    """Whether a signed list names the very source files."""
    return debian_inputs.origin_of(resolution.inputs, "source") is Origin.DECLARED


def _new(published: Published, recipe: Recipe, source: Input, warnings: tuple[str, ...]) -> Resolution:
    inputs = debian_inputs.resolution_inputs(published, recipe.build, source=source, lock=None)
    return Resolution(
        published=published,
        recipe=recipe,
        recipe_bytes=render_recipe(recipe).encode(),
        lock=None,
        inputs=inputs,
        warnings=warnings,
    )
