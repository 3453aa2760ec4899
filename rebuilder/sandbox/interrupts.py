"""Steps that Ctrl-C may delay but not cut in two."""

from __future__ import annotations

import threading
from collections.abc import Callable


def undisturbed(action: Callable[[], None]) -> None:
    """Finish ``action`` even if Ctrl-C comes in between; raise its exception, or the interruption after it.

    A container whose creation was cut off has no name yet that anyone could remove it by.
    """
    failure: list[BaseException] = []
    done = threading.Event()

    def guarded() -> None:
        try:
            action()
        except BaseException as error:
            failure.append(error)
        finally:
            done.set()

    # Signals reach the main thread only, so a thread of its own is not disturbed by them.
    # An interrupted ``join`` can take a running thread for a finished one, so an event is waited for.
    threading.Thread(target=guarded).start()
    interrupted = False
    while not done.is_set():
        try:
            done.wait()
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    if failure:
        raise failure[0]
