"""From a sign to the changes that could remove it, in order. A table: id of a cause -> families of changes. Pure.

Fields of an archive's own metadata lead to scalars, some of them read off the published file. A member whose content
differs leads to another commit, backend, front end or toolchain, and never to anything that is read off that file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from rebuilder.recipe import PackageRecipe
from rebuilder.search import signs
from rebuilder.search.changes import SCALAR, is_allowed, is_so, package_of
from rebuilder.search.fields import clock, gzip_time, modes, owners, stamped, times, user, zlib, zones
from rebuilder.search.known import CERTAIN, LAST, LIKELY, POSSIBLE, Ask, Candidate, Known
from rebuilder.search.signs import Sign

#: What a step of its own compiles, with a program of the suite.
_COMPILED: Final = ".mo"
#: Backends whose projects `flit build` can read at all.
_FLIT: Final = frozenset({"flit", "flit-core"})
#: What zlib writes into the header of gzip on macOS and on Windows.
_OTHER_SYSTEMS: Final = frozenset({"19", "10", "11"})
Family = Callable[[Ask], Iterator[Candidate]]


def candidates(sign: Sign, recipe: PackageRecipe, known: Known) -> tuple[Candidate, ...]:
    """What could remove a sign, likeliest first; nothing that the recipe has already."""
    found: dict[tuple[tuple[str, str, str], ...], Candidate] = {}
    ask = Ask(sign, recipe, known)
    if _is_of_another_system(ask):
        return ()
    for family in HINTS.get(sign.id, ()):
        for one in family(ask):
            new = tuple(change for change in one.changes if not is_so(recipe, change))
            if not new or not all(is_allowed(change) for change in new) or not _may_follow(sign, one):
                continue
            kept = Candidate(changes=new, rank=one.rank, sign=sign, why=one.why)
            found.setdefault(tuple(change.setting for change in new), kept)
    return tuple(sorted(found.values(), key=lambda one: one.rank))


def _is_of_another_system(ask: Ask) -> bool:
    """Whether npm packed on a system that no container here is: its zlib writes that, whichever version it is."""
    systems = (one.published.partition(" ")[0] for one in ask.sign.seen if one.what == "os")
    return ask.is_npm and ask.sign.id == "gzip-header-os" and any(one in _OTHER_SYSTEMS for one in systems)


def _may_follow(sign: Sign, candidate: Candidate) -> bool:
    """Content is never explained by what is read off the archive around it, and unexplained content by no scalar."""
    fields = {change.field for change in candidate.changes}
    if sign.scalar or sign.id.startswith(signs.FAILS):
        return True
    return "replay" not in fields and not (sign.id in signs.OWN and fields & SCALAR)


# --- what a rebuild is made from --------------------------------------------------------------------


def backend(ask: Ask) -> Iterator[Candidate]:
    """The version that the published file names; else those that the backend may have had."""
    for package in ask.sign.packages:
        name, _, version = package.partition("=")
        why = f"{ask.sign.artifact} names it"
        yield ask.one(CERTAIN, "backend", f"{name}=={version}", why, read=True)
    rank = LIKELY if ask.sign.id in (signs.GENERATED, "wheel-generator", "moved-file") else POSSIBLE
    why = f"{_what(ask)} as another version of the backend may make it"
    # What the Generator line names has that version, whatever else may be, unless it cannot be built with it.
    fixed = frozenset() if ask.sign.id.startswith(signs.FAILS) else ask.named
    values = tuple(value for value in ask.known.values("backend") if package_of(value) not in fixed)
    yield from ask.others(rank, "backend", values, why)


def days(ask: Ask) -> Iterator[Candidate]:
    """Requirements as of another day."""
    if ask.recipe.toolchain.as_of is None and not ask.known.days():
        return
    rank = LIKELY if ask.sign.id in (signs.GENERATED, signs.FAILS_INSTALL, signs.FAILS) else LAST
    why = f"{_what(ask)} as other versions of the requirements may make it"
    yield from ask.others(rank, "as-of", ask.known.days(), why)


def suite(ask: Ask) -> Iterator[Candidate]:
    """Another Python, with another tarfile, zlib and compiler: those of another suite."""
    certain = ask.sign.id in ("abi-tag", "pyc-python", signs.FAILS_PYTHON) or _is_of_the_suite(ask)
    rank = CERTAIN if certain else POSSIBLE if ask.sign.id in ("tar-format", signs.FAILS) else LAST
    why = f"{_what(ask)} as the Python of another suite may make it"
    yield from ask.others(rank, "suite", ask.known.suites, why)


def _is_of_the_suite(ask: Ask) -> bool:
    """Whether all that differs was compiled in the build by a program of the suite: translations, by msgfmt."""
    members = ask.sign.members
    return bool(members) and all(name.endswith(_COMPILED) for name in members)


def commit(ask: Ask) -> Iterator[Candidate]:
    """Other commits that may have been published: what a tag pointed to before it moved, its ancestors."""
    if not ask.recipe.source.commit:
        return
    certain = ask.sign.id in (signs.CONTENT, "other-version", "git-describe")
    rank = LIKELY if certain or ask.sign.id in _MEMBERS else POSSIBLE
    yield from ask.others(rank, "commit", ask.known.values("commit"), f"{_what(ask)} as in another commit")


def history(ask: Ask) -> Iterator[Candidate]:
    """With or without the repository's history, from which some backends take a version and a list of files."""
    if not ask.recipe.source.commit or ask.is_npm:
        return
    certain = ask.sign.id in ("git-describe", signs.FAILS_VERSION)
    rank = CERTAIN if certain else LIKELY if ask.sign.id in (*_MEMBERS, "other-version") else POSSIBLE
    value = "no" if ask.recipe.build.history else "yes"
    yield ask.one(rank, "history", value, f"{_what(ask)} as a backend that reads the history of Git may make it")


def front_end(ask: Ask) -> Iterator[Candidate]:
    """Another command: straight from the tree or through the sdist, the backend's own, with a prepare script or not."""
    others = (name for name in ask.known.front_ends if ask.backends & _FLIT or not name.startswith("flit"))
    values = tuple(dict.fromkeys((*ask.known.values("front-end"), *others)))
    rank = LIKELY if ask.sign.id in (signs.NOT_MADE, "npm-package-json", "directory-entries") else POSSIBLE
    yield from ask.others(rank, "front-end", values, f"{_what(ask)} as another front end may make it")


def node(ask: Ask) -> Iterator[Candidate]:
    """Another Node: with it comes what deflates."""
    if ask.is_npm:
        rank = LIKELY if ask.sign.id in ("deflate-stream", signs.FAILS) else LAST
        yield from ask.others(rank, "node", ask.known.values("node"), f"{_what(ask)} as another Node packs it")


def npm(ask: Ask) -> Iterator[Candidate]:
    """Another npm: it chooses members, their order, and the level."""
    if ask.is_npm:
        certain = ask.sign.id in ("npm-package-json", "json-key-order", "archive-order", "gzip-header-os", *_MEMBERS)
        rank = LIKELY if certain else POSSIBLE
        yield from ask.others(rank, "npm", ask.known.values("npm"), f"{_what(ask)} as another npm packs it")


def _what(ask: Ask) -> str:
    """The sign in words, as the start of a sentence that goes on with 'as'."""
    sign = ask.sign
    if sign.id.startswith(signs.FAILS):
        return "the build fails,"
    if sign.id == signs.NOT_MADE:
        return f"{sign.artifact} is not made,"
    more = f" and {sign.count - 1} more" if sign.count > 1 else ""
    named = f" ({sign.members[0][:120]}{more})" if sign.members and sign.members[0] else ""
    words = {signs.CONTENT: "a member", signs.GENERATED: "what the backend writes", signs.FIELDS: "fields"}
    return f"{words.get(sign.id, sign.id)} of {sign.artifact}{named} differs,"


_MEMBERS: Final = ("missing-file", "extra-file")
_BUILT: Final[tuple[Family, ...]] = (commit, npm, history, front_end, backend, days, suite, node)
_PACKED: Final[tuple[Family, ...]] = (npm, front_end, backend, days, suite, node)
_STAMPED: Final[tuple[Family, ...]] = (clock, stamped, *_PACKED)
_PYTHON: Final[tuple[Family, ...]] = (suite, backend, days)


def _each(ids: Iterable[str], families: tuple[Family, ...]) -> dict[str, tuple[Family, ...]]:
    return dict.fromkeys(ids, families)


#: Every id but those of ``signs.OWN`` is one of the catalogue of causes. What stands nowhere leads to nothing.
HINTS: Final[Mapping[str, tuple[Family, ...]]] = MappingProxyType(
    {
        "zip-times": (times,),
        "tar-times": (times,),
        "zip-timezone": (zones,),
        "gzip-header-time": (gzip_time,),
        "tar-owners": (owners,),
        "archive-modes": (modes,),
        "deflate-stream": (zlib, node, npm, front_end, suite),
        "pax-headers": (times, *_PACKED),
        "wheel-generator": (backend, days, front_end, suite),
        "username": (user,),
        "home": (user,),
        **_each(("other-version", "git-describe"), (history, commit, backend, days)),
        **_each(_MEMBERS, _BUILT),
        **_each((signs.CONTENT, signs.GENERATED, "wheel-record", "npm-package-json", "json-key-order"), _BUILT),
        **_each(("moved-file", "archive-order", "directory-entries", "compression-method", signs.FIELDS), _PACKED),
        **_each(("tar-format", "gzip-header-name", "gzip-header-os", "zip-writer", "zip-extra"), (zlib, *_PACKED)),
        **_each(("sdist-egg-info-order", "hash-order", "sphinx-search-order"), (history, *_PACKED)),
        **_each(
            ("embedded-timestamp", "copyright-year", "date-macro", "html-generated-on", "man-page-date", "timezone"),
            _STAMPED,
        ),
        **_each(("gettext-pot-date", "pdf-id", "png-time", "info-date", "perl-pod-date", "java-manifest"), _STAMPED),
        "pyc-times": (stamped, clock),
        **_each(("abi-tag", "pyc-python", "pyc-code", "pyc-refs", "pyc-set-order", "pyc-invalidation"), _PYTHON),
        **_each(("sphinx-stamp", "docbook-version", "pod2man-version", "compiler-version"), (days, suite)),
        signs.NOT_MADE: (front_end, commit, backend, suite),
        signs.FAILS_PYTHON: (suite, backend, days, node),
        signs.FAILS_INSTALL: (days, suite, backend, node, npm),
        signs.FAILS_VERSION: (history, commit),
        signs.FAILS: (suite, days, history, backend, node, commit, front_end),
    }
)
