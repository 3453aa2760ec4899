"""Steps that Ctrl-C may delay but not cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def undisturbed(action: Callable[[], None]) -> None:
    """Run ``action`` to its end even if Ctrl-C comes in between, then let the interruption happen.

    A container whose creation was cut off might come to be after everyone had stopped looking for it.
    Signals without a handler of Python's act at once, as ever; threads other than the main one get none.
    """
    if threading.current_thread() is not threading.main_thread():
        action()
        return
    came: list[int] = []
    handlers = {number: found for number in _SIGNALS if callable(found := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, lambda arrived, _: came.append(arrived))
        action()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            handlers[signal.Signals(came[0])](came[0], None)
