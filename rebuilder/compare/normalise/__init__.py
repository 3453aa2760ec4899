"""Named, versioned, pure, narrow normalisers. `equivalent` comes only from those a recipe names.

Each has a page in ``docs/normalisers/`` that says what it removes, why that is harmless, and what it could hide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from rebuilder.compare.normalise.ar_times import ar_times


@dataclass(frozen=True)
class Normaliser:
    """A pure function on a whole file's bytes; ``ValueError`` if the file is not of its kind."""

    name: str
    version: int
    apply: Callable[[bytes], bytes]

    @property
    def label(self) -> str:
        """``name/version``, as the record and the statement have it."""
        return f"{self.name}/{self.version}"


NORMALISERS = MappingProxyType({"ar-times": Normaliser("ar-times", 1, ar_times)})


def equal_after(published: bytes, rebuilt: tuple[bytes, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Labels of the allowed normalisers after which every rebuild equals the published bytes; else empty.

    Only normalisers that changed something are named. Unknown names were refused when the recipe was read.
    """
    chosen = [NORMALISERS[name] for name in allowed]
    if not chosen:
        return ()
    try:
        target, used = _apply(published, chosen)
        others = [_apply(file, chosen) for file in rebuilt]
    except ValueError:
        return ()
    if any(data != target for data, _ in others):
        return ()
    return tuple(sorted(used.union(*(labels for _, labels in others))))


def _apply(data: bytes, chosen: list[Normaliser]) -> tuple[bytes, set[str]]:
    used = set()
    for normaliser in chosen:
        result = normaliser.apply(data)
        if result != data:
            used.add(normaliser.label)
        data = result
    return data, used
