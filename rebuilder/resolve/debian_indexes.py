"""The indexes that a target needs: its own suite first, then those whose packages its builds may use too."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rebuilder import deb822
from rebuilder.errors import RecipeError, Stopped, UsageError
from rebuilder.model import Origin, Published, Verdict, utc
from rebuilder.resolve.debian_index import Indexes, ListKind, SuiteIndex
from rebuilder.resolve.debian_lists import Lists, lists_source
from rebuilder.resolve.debian_suites import DebianSettings, SuiteSpec
from rebuilder.resolve.debian_target import nearest

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Clock, Endorser, Fetcher
    from rebuilder.recipe import Recipe


class SuiteIndexes:
    """Verified indexes by suite. The first of every answer is the suite that was asked for."""

    def __init__(
        self, fetcher: Fetcher, blobs: Blobs, endorser: Endorser, clock: Clock, settings: DebianSettings
    ) -> None:
        self._indexes = Indexes(fetcher, blobs, endorser, settings.architecture)
        self._clock = clock
        self._settings = settings

    def today(self, suite: str, *, sources: bool, anchor: str = "") -> tuple[SuiteIndex, ...]:
        """What the mirrors have now. ``anchor`` replaces the one that the table of suites names.
        Raises as ``Indexes.current``, and ``UsageError`` for a suite that nobody knows."""
        now = self._clock.now()
        spec = self._spec(suite)
        kinds: tuple[ListKind, ...] = ("Packages", "Sources") if sources else ("Packages",)
        own = self._indexes.current(suite, spec, anchor=anchor or spec.anchor, now=now, kinds=kinds)
        others = [(name, self._spec(name)) for name in spec.base]
        return own, *(
            self._indexes.current(name, base, anchor=base.anchor, now=now, kinds=("Packages",)) for name, base in others
        )

    def pinned(self, recipe: Recipe, suite: str) -> tuple[tuple[SuiteIndex, ...], tuple[str, ...]]:
        """The indexes that a recipe was written from, if their bytes are saved, else today's; and what to say
        about that. Saved ones are judged as of their own date: they are not asked whether they have expired."""
        saved = self._saved(recipe, suite)
        if saved is not None:
            dates = ", ".join(f"{index.name} of {utc(index.signed.date)}" for index in saved)
            return saved, (f"judged as of the recipe's own signed indexes: {dates}",)
        indexes = self.today(suite, sources=True, anchor=recipe.endorsement.anchor)
        digests = ", ".join(f"{index.suite} {index.inrelease_sha256}" for index in recipe.indexes) or "none named"
        note = f"the signed indexes that the recipe pins are not saved here ({digests}); judged by today's"
        return indexes, (note, *self.notes(indexes))

    def notes(self, indexes: tuple[SuiteIndex, ...]) -> tuple[str, ...]:
        """What a reader should know about today's indexes."""
        endless = [index for index in indexes if index.signed.valid_until is None]
        if not endless:
            return ()
        names = ", ".join(f"{index.name} of {utc(index.signed.date)}" for index in endless)
        return (f"an index without a date of expiry: {names}; a mirror that holds newer ones back is not noticed",)

    def lists(self, indexes: tuple[SuiteIndex, ...]) -> Lists:
        """The lists of the first, a suite that was asked for with its sources; of the others, the packages."""
        index, *others = indexes
        return Lists(
            suite=index.name,
            archive=index.spec.archive,
            architecture=self._settings.architecture,
            packages=self._indexes.read(index, "Packages"),
            sources=self._indexes.read(index, "Sources"),
            others={other.name: partial(self._indexes.read, other, "Packages") for other in others},
        )

    def source_origin(self, published: Published, index: SuiteIndex) -> tuple[Origin, str]:
        """``declared`` if the signed index names the very same source files, else ``pinned`` by the recipe."""
        try:
            declared = lists_source(self._indexes.read(index, "Sources"), published)
        except deb822.Malformed as error:
            raise unreadable(index, error) from error
        if declared:
            return Origin.DECLARED, f"recipe; Sources of {index.name}, signed index of {utc(index.signed.date)}, agrees"
        return Origin.PINNED, f"recipe; {index.name}, signed index of {utc(index.signed.date)}, does not list it"

    def _saved(self, recipe: Recipe, suite: str) -> tuple[SuiteIndex, ...] | None:
        found: list[SuiteIndex] = []
        for pin in sorted(recipe.indexes, key=lambda item: item.suite != suite):
            spec = self._spec(pin.suite)
            if spec.archive != pin.archive:
                msg = f"the recipe names archive {pin.archive} for {pin.suite}, which lies in {spec.archive}"
                raise RecipeError(msg)
            own = pin.suite == suite
            anchor = recipe.endorsement.anchor if own else spec.anchor
            kinds: tuple[ListKind, ...] = ("Packages", "Sources") if own else ("Packages",)
            index = self._indexes.saved(pin.inrelease_sha256, pin.suite, spec, anchor=anchor, kinds=kinds)
            if index is None:
                return None
            found.append(index)
        return tuple(found) if found and found[0].name == suite else None

    def _spec(self, suite: str) -> SuiteSpec:
        if suite not in self._settings.suites:
            known = ", ".join(self._settings.suites)
            msg = f"unknown suite {suite[:80]!r}{nearest(suite, self._settings.suites)} Known suites: {known}"
            raise UsageError(msg, hint="another suite can be described in rebuilder.toml, table [suites.NAME]")
        return self._settings.suites[suite]


def unreadable(index: SuiteIndex, error: deb822.Malformed) -> Stopped:
    """A signed list that is not what its format says: nothing can be had from it."""
    reason = f"a signed list of {index.name} ({utc(index.signed.date)}) can't be read: {error}"
    return Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{index.spec.archive}:dists/{index.name}",))
