"""Steps that Ctrl-C may delay but not cut in two."""

from __future__ import annotations

import threading
from collections.abc import Callable


def undisturbed(action: Callable[[], None]) -> None:
    """Finish ``action`` even if Ctrl-C comes in between; raise its exception, or the interruption after it.

    A container whose creation was cut off has no name yet that anyone could remove it by.
    """
    failure: list[BaseException] = []

    def guarded() -> None:
        try:
            action()
        except BaseException as error:
            failure.append(error)

    # Signals reach the main thread only, so a thread of its own is not disturbed by them.
    worker = threading.Thread(target=guarded)
    worker.start()
    interrupted = False
    while worker.is_alive():
        try:
            worker.join()
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    if failure:
        raise failure[0]
