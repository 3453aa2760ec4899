"""What is known of a release besides its rebuilds, and what a sign may lead to. Pure values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rebuilder.model import Origin
from rebuilder.recipe import GuessedInput, PackageRecipe
from rebuilder.releases import Guess
from rebuilder.search.changes import Change, Field, package_of
from rebuilder.search.signs import Sign

#: How much speaks for a candidate, the lower the more: a value that the artifact shows; one that often is the cause;
#: one that may be; what is left to try.
CERTAIN, LIKELY, POSSIBLE, LAST = range(4)
#: Values tried of one guess, and suites that the toolchains of recipes come from.
MAX_OTHERS = 6
SUITES = ("trixie", "bookworm")
DAY = 86400


@dataclass(frozen=True, kw_only=True)
class Known:
    """What was inferred, with the values that each input may have as well; and times of the release, seconds since
    1970. ``front_ends`` are those that can make such artifacts, likeliest first."""

    guesses: tuple[Guess, ...] = ()
    committed: int | None = None
    built: int | None = None
    uploaded: int | None = None
    front_ends: tuple[str, ...] = ()
    suites: tuple[str, ...] = SUITES

    def values(self, input_: GuessedInput) -> tuple[str, ...]:
        """The value that was guessed and the others, likeliest first."""
        guesses = [one for one in self.guesses if one.input == input_]
        values = (value for one in guesses for value in (one.value, *one.others))
        return tuple(dict.fromkeys(values))[: MAX_OTHERS + 1]

    def times(self) -> tuple[str, ...]:
        """Times that SOURCE_DATE_EPOCH may have had."""
        return (*self.values("epoch"), *(str(one) for one in (self.committed,) if one is not None))

    def days(self) -> tuple[str, ...]:
        """Times as of which requirements may have been chosen: of the build, of the upload, a day after it."""
        after = None if self.uploaded is None else self.uploaded + DAY
        own = (str(one) for one in (self.built, self.uploaded, after) if one is not None)
        guessed = (one for one in self.values("requirements") if one.isdecimal())
        return tuple(dict.fromkeys((*guessed, *own)))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Changes that go together and may remove one sign. ``why``: what suggests them, as the end of a sentence."""

    changes: tuple[Change, ...]
    rank: int
    sign: Sign
    why: str


@dataclass(frozen=True)
class Ask:
    """One sign of one rebuild, with what was built and what is known."""

    sign: Sign
    recipe: PackageRecipe
    known: Known

    @property
    def is_npm(self) -> bool:
        """Whether it is a package of npm."""
        return self.recipe.purl.startswith("pkg:npm/")

    @property
    def backends(self) -> frozenset[str]:
        """Names of the packages that were guessed to be the build backend."""
        return frozenset(package_of(one) for one in self.known.values("backend"))

    @property
    def named(self) -> frozenset[str]:
        """Packages of the backend whose version was read off a published file."""
        rows = (row for row in self.recipe.guesses if row.input == "backend" and row.origin is Origin.RECOVERED)
        return frozenset(package_of(row.value) for row in rows if "==" in row.value)

    def change(self, field_: Field, value: str, why: str, *, read: bool = False, artifact: str = "") -> Change:
        """A change. ``read``: its value was read off the published file."""
        origin = Origin.RECOVERED if read else Origin.INFERRED
        return Change(field=field_, value=value, origin=origin, evidence=f"search: {why}", artifact=artifact)

    def one(self, rank: int, field_: Field, value: str, why: str, *, read: bool = False) -> Candidate:
        """A candidate of a single change."""
        return self.all(rank, (self.change(field_, value, why, read=read),), why)

    def all(self, rank: int, changes: tuple[Change, ...], why: str) -> Candidate:
        """A candidate of several changes that go together."""
        return Candidate(changes=changes, rank=rank, sign=self.sign, why=why)

    def replay(self, rank: int, words: tuple[str, ...], why: str, *more: Change) -> Candidate:
        """Scalars that the artifact of the sign gives away, with other changes that they need."""
        own = (self.change("replay", word, why, read=True, artifact=self.sign.artifact) for word in words)
        return self.all(rank, (*more, *own), why)

    def others(self, rank: int, field_: Field, values: tuple[str, ...], why: str) -> Iterator[Candidate]:
        """A candidate for each value that such an input may have as well."""
        for value in values[: MAX_OTHERS + 1]:
            yield self.one(rank, field_, value, why)
