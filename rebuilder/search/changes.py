"""The closed list of what a search may change, each a value and a pure function from recipe to recipe.

None touches the source's bytes: another commit is another declared source, which its caller exports, and its files in
the recipe are the caller's to fill in. There is none for a normaliser, a patch, or a check that is left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from rebuilder.model import Origin
from rebuilder.recipe import GuessedInput, PackageRecipe

#: What a change is about. ``replay`` adds one word to those of an artifact, the others set a value.
Field = Literal[
    "epoch",
    "clock",
    "replay",
    "owners",
    "umask",
    "front-end",
    "backend",
    "as-of",
    "suite",
    "node",
    "npm",
    "zlib",
    "commit",
    "history",
]
#: The row of ``guesses`` that a change is told in. Whether the history is there belongs to how the front end is run.
ROW: Final[dict[str, GuessedInput]] = {
    "epoch": "epoch",
    "clock": "clock",
    "replay": "times",
    "owners": "owners",
    "umask": "umask",
    "front-end": "front-end",
    "backend": "backend",
    "as-of": "requirements",
    "suite": "python",
    "node": "node",
    "npm": "npm",
    "zlib": "zlib",
    "commit": "commit",
    "history": "front-end",
}
#: Fields that are independent of each other and of what is built: several of them may go into one rebuild.
SCALAR: Final = frozenset({"epoch", "clock", "replay", "owners", "umask", "zlib"})
#: What is given away of an artifact by one ``replay``, in words.
_REPLAYED = {
    "file-times": "file times of",
    "member-times": "times of every member of",
    "owners": "owners of the members of",
    "gzip-time": "time in the gzip header of",
}
#: `user/uid/group/gid`, as they can be given to a build.
OWNERS: Final = re.compile(
    r"(?P<user>[a-z_][a-z0-9_-]{0,31})/(?P<uid>[1-9][0-9]{0,6})/"
    r"(?P<group>[a-z_][a-z0-9_-]{0,31})/(?P<gid>[1-9][0-9]{0,6})"
)
_SHAPES: Final[dict[str, re.Pattern[str]]] = {
    "epoch": re.compile(r"[0-9]{0,10}"),
    "clock": re.compile(r"[0-9]{0,10}"),
    "replay": re.compile("|".join(_REPLAYED)),
    "owners": OWNERS,
    "umask": re.compile(r"0[0-7]{3}"),
    "front-end": re.compile(r"[a-z][a-z0-9 ._-]{0,63}"),
    "backend": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}==[A-Za-z0-9][A-Za-z0-9.+!_-]{0,99}"),
    "as-of": re.compile(r"[0-9]{1,10}"),
    "suite": re.compile(r"[a-z][a-z0-9-]{1,31}"),
    "node": re.compile(r"(?:[0-9]{1,4}\.[0-9]{1,5}\.[0-9]{1,5})?"),
    "npm": re.compile(r"(?:[0-9]{1,4}\.[0-9]{1,5}\.[0-9]{1,5})?"),
    "zlib": re.compile(r"zlib|zlib-ng"),
    "commit": re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?"),
    "history": re.compile(r"yes|no"),
}
WITHOUT_HISTORY = ", without the history of the repository"
WITH_HISTORY = ", with the history of the repository"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting of a recipe in place of another. ``value`` is text in the shape that ``Guess.value`` has: seconds,
    `name==version`, a commit id; empty: not set. For ``replay`` it is the word to add, and ``artifact`` is named."""

    field: Field
    value: str
    origin: Origin
    evidence: str
    artifact: str = ""

    @property
    def slot(self) -> tuple[str, str, str]:
        """Two changes of one slot exclude each other. Files of the tree have one time each, whoever says it."""
        if self.field != "replay":
            return self.field, "", ""
        return self.field, "" if self.value == "file-times" else self.artifact, self.value

    @property
    def setting(self) -> tuple[str, str, str]:
        """What is set, without its reason."""
        return self.field, self.artifact, self.value

    @property
    def words(self) -> str:
        """For people, as short as it can be."""
        if self.field == "replay":
            return f"{_REPLAYED[self.value]} {self.artifact}"
        if self.field == "commit":
            return f"commit {self.value[:12]}"
        if self.field == "history":
            return f"history of the repository: {self.value}"
        return f"{self.field.replace('-', ' ')} {self.value or 'not set'}"


def is_allowed(change: Change) -> bool:
    """Whether it has the shape that a recipe takes. Values come out of artifacts, so this is asked of each."""
    return _SHAPES[change.field].fullmatch(change.value) is not None


def is_so(recipe: PackageRecipe, change: Change) -> bool:
    """Whether the recipe has that already."""
    return current(recipe, change) == change.value


def current(recipe: PackageRecipe, change: Change) -> str:
    """What the recipe has in the place of a change, in the form of ``Change.value``."""
    build, toolchain = recipe.build, recipe.toolchain
    if change.field == "replay":
        return change.value if change.value in replayed(recipe).get(change.artifact, ()) else ""
    if change.field == "backend":
        return pinned(toolchain.wheels, change.value)
    values: dict[str, object] = {
        "epoch": build.epoch,
        "clock": build.clock,
        "owners": f"{build.user}/{build.uid}/{build.group}/{build.gid}",
        "umask": build.umask,
        "front-end": front_end(recipe),
        "as-of": toolchain.as_of,
        "suite": toolchain.suite,
        "node": toolchain.node,
        "npm": toolchain.npm_client,
        "zlib": toolchain.zlib,
        "commit": recipe.source.commit,
        "history": "yes" if build.history else "no",
    }
    value = values[change.field]
    return "" if value is None else str(value)


def front_end(recipe: PackageRecipe) -> str:
    """The front end, as the row of ``guesses`` names it; empty: no row does."""
    rows = (row.value for row in recipe.guesses if row.input == "front-end")
    return next(rows, "").removesuffix(WITH_HISTORY).removesuffix(WITHOUT_HISTORY)


def settings_key(recipe: PackageRecipe) -> str:
    """sha256 over all that decides the bytes: not over how each input became known, nor over the files of the source,
    which follow from the commit."""
    kept = recipe.model_dump(mode="json", exclude={"guesses": True, "source": {"files", "tag"}})
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def replayed(recipe: PackageRecipe) -> dict[str, tuple[str, ...]]:
    """What each artifact gives away, by its name."""
    return {one.artifact: one.what for one in recipe.build.replay}


def pinned(wheels: tuple[str, ...], pin: str) -> str:
    """The pin that is there for the package that ``pin`` names; empty: none."""
    name = canonicalize_name(pin.partition("==")[0])
    for text in wheels:
        one = requirement(text)
        if one is not None and canonicalize_name(one.name) == name and str(one.specifier).startswith("=="):
            version = str(one.specifier).removeprefix("==")
            return pin if pin.partition("==")[2] == version else f"{name}=={version}"
    return ""


def package_of(text: str) -> str:
    """The package that a requirement names, in the form in which names are compared."""
    one = requirement(text)
    return canonicalize_name(one.name) if one else ""


def requirement(text: str) -> Requirement | None:
    """A requirement of PEP 508; ``None`` if it is none."""
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None
