"""What `init` is asked for, and the recipes that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rebuilder.cli import targets
from rebuilder.errors import UsageError
from rebuilder.redaction import redacted

if TYPE_CHECKING:
    from rebuilder.lock import ToolchainLock
    from rebuilder.recipe import Recipe
    from rebuilder.wiring import Workshop

GENERIC = "pkg:generic/"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What `init` is asked for."""

    said: targets.Said
    command: tuple[str, ...] = ()
    #: Rebuilds that a search may make; 0: none is made.
    budget: int = 0


def check(wish: Wish) -> None:
    """``UsageError`` for words that do not go together."""
    said = wish.said
    generic = said.target.startswith(GENERIC)
    if generic and not (said.source and said.artifacts):
        msg = f"expected --source and --artifact with {said.target!r}, for no index knows its files"
        example = f"rebuilder init {GENERIC}demo@1.0 --source DIR --artifact FILE -- make"
        raise UsageError(msg, hint=f"for example: {example}")
    if not generic and (wish.command or said.artifacts):
        msg = f"expected a command and --artifact only with {GENERIC}..., found them with {said.target!r}"
        raise UsageError(msg)
    if not targets.is_index_purl(said.target) and wish.budget:
        msg = f"expected --search with a package of an index, found it with {said.target!r}"
        raise UsageError(msg)
    if not (generic or targets.is_index_purl(said.target)) and (said.source or said.commit or said.from_sdist):
        found = repr(said.target)
        msg = f"expected --source, --commit and --from-sdist with a package of PyPI or npm, found one with {found}"
        raise UsageError(msg)
    if said.source and "://" not in said.source and not said.source.startswith("pkg:") and not said.folder.exists():
        msg = f"expected --source to be a folder, a file or an address, found nothing at {redacted(said.source)!r}"
        raise UsageError(msg)


def drafted(shop: Workshop, wish: Wish) -> tuple[tuple[Recipe, ToolchainLock | None], ...]:
    """The recipes for what was asked, and a lock where a search made one. Raises as the ecosystem does."""
    from rebuilder import package_inputs
    from rebuilder.resolve import generic

    said = wish.said
    if said.target.startswith(GENERIC):
        packages = package_inputs.packages(shop)
        order = generic.Order(
            purl=said.target, source=said.source, commit=said.commit, artifacts=said.artifacts, command=wish.command
        )
        return ((generic.recipe_of(order, packages.repositories, shop.blobs, shop.config.limits), None),)
    if not targets.is_index_purl(said.target):
        return ((shop.ecosystem.init(shop.ecosystem.resolve(said.target)), None),)
    own = targets.bench(shop, targets.Kind.PACKAGE)
    resolution = own.resolve(said)
    if not wish.budget or own.packages is None:
        return ((resolution.recipe, None),)
    ports = shop.ports(None, own.special(fresh=False))
    found = targets.found_by_search(own, own.packages, said, ports, resolution, wish.budget)
    return tuple((one.recipe, one.lock) for one in found)
