"""Named, versioned, pure, narrow normalisers. `equivalent` comes only from those a recipe names.

Each has a page in ``docs/normalisers/`` that says what it removes, why that is harmless, and what it could hide.
"""

from __future__ import annotations

from collections.abc import Sequence

from rebuilder.compare.archive.layout import Budget, BudgetError
from rebuilder.compare.normalise.canonical import Canonical, canonical
from rebuilder.compare.normalise.catalogue import NORMALISERS, Normaliser
from rebuilder.compare.walk import Bounds
from rebuilder.data import Data

__all__ = ["NORMALISERS", "Normaliser", "equal_after"]


def equal_after(
    published: Data, rebuilt: tuple[Data, ...], allowed: tuple[str, ...], bounds: Bounds
) -> dict[str, int]:
    """What it takes to make every rebuild equal to the published file: label of each normaliser to how many fields
    it cleared in one file, at most. Empty if the allowed ones do not make them equal.

    A normaliser without which they are equal as well is not named. Unknown names were refused when the recipe was
    read."""
    chosen = [NORMALISERS[name] for name in allowed]
    try:
        found = _equal(published, rebuilt, chosen, bounds) if chosen else None
        if found is None:
            return {}
        for one in list(chosen):
            fewer = [other for other in chosen if other is not one]
            if (without := _equal(published, rebuilt, fewer, bounds)) is not None:
                chosen, found = fewer, without
    except BudgetError:
        return {}
    return {one.label: max(form.cleared[one.label] for form in found) for one in chosen}


def _equal(
    published: Data, rebuilt: tuple[Data, ...], chosen: Sequence[Normaliser], bounds: Bounds
) -> list[Canonical] | None:
    """The normalised forms, if they are all one; the first that is another ends it."""
    forms: list[Canonical] = []
    for data in (published, *rebuilt):
        forms.append(canonical(data, chosen, _budget(bounds)))
        if forms[-1].digest != forms[0].digest:
            return None
    return forms


def _budget(bounds: Bounds) -> Budget:
    count = 0

    def entry() -> None:
        nonlocal count
        count += 1
        if count > bounds.members:
            msg = f"more than {bounds.members} members"
            raise BudgetError(msg)

    return Budget(entry=entry, check=bounds.check, spool=bounds.spool)
