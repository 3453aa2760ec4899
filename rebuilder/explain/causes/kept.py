"""What rules found out about a scene, kept while the rules that need it come one after the other."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TypeVar, cast

from rebuilder.explain.causes import Scene

Value = TypeVar("Value")


class _Kept:
    """What rules found out about the scene that was asked for last: they come one after the other."""

    def __init__(self) -> None:
        self._last: tuple[weakref.ref[Scene], dict[object, object]] | None = None

    def of(self, scene: Scene) -> dict[object, object]:
        last = self._last
        if last is not None and last[0]() is scene:
            return last[1]
        kept: dict[object, object] = {}
        self._last = weakref.ref(scene, self._drop), kept
        return kept

    def _drop(self, gone: weakref.ref[Scene]) -> None:
        last = self._last
        if last is not None and last[0] is gone:
            self._last = None


_KEPT = _Kept()


def once(scene: Scene, key: object, make: Callable[[], Value]) -> Value:
    """What ``make`` gives, made once a scene."""
    kept = _KEPT.of(scene)
    if key not in kept:
        kept[key] = make()
    return cast("Value", kept[key])
