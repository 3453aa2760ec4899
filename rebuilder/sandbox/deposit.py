"""A blob that is written piece by piece while something else sets the pace."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from rebuilder.model import FileDigest
from rebuilder.ports import Blobs

_PIECES = 16
_POLL_SECONDS = 0.2


class _AbortedError(Exception):
    pass


class Deposit:
    """Turns pushed pieces into the stream that ``Blobs.put`` pulls; a slow disk slows the pusher down.

    Every instance has to be ended by ``close`` or ``abort``. A failure of the store is raised from
    ``write`` or ``close``, whichever comes first after it.
    """

    def __init__(self, blobs: Blobs, *, name: str, limit: int) -> None:
        self._queue: queue.Queue[bytes | None] = queue.Queue(_PIECES)
        self._aborted = False
        self._result: FileDigest | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._store, args=(blobs, name, limit), daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Add a piece; waits while the store is behind."""
        if data:
            self._push(data)

    def close(self) -> FileDigest:
        """The finished blob, durable."""
        self._push(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        if self._result is None:
            msg = "a deposit was closed after it had been aborted"
            raise RuntimeError(msg)
        return self._result

    def abort(self) -> None:
        """Leave nothing behind. Harmless after ``close``."""
        self._aborted = True
        self._thread.join()

    def _push(self, item: bytes | None) -> None:
        while True:
            if not self._thread.is_alive() and self._failure is not None:
                raise self._failure
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    def _store(self, blobs: Blobs, name: str, limit: int) -> None:
        try:
            self._result = blobs.put(self._pieces(), name=name, limit=limit)
        except BaseException as error:
            self._failure = error

    def _pieces(self) -> Iterator[bytes]:
        while True:
            try:
                item = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                item = b""
            if self._aborted:
                raise _AbortedError
            if item is None:
                return
            if item:
                yield item
