"""Streams to and from the engine: attached containers, both directions at once, and root filesystems.

All in bounded memory.

The engine multiplexes both outputs over one connection: an eight-byte header (stream number, three
zeros, length as 32-bit big-endian) before every piece (Docker Engine API, "attach to a container").
"""

from __future__ import annotations

import hashlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from rebuilder.errors import InfrastructureError, IntegrityError

_HEADER = 8
_PIECE = 64 * 1024
_CHUNK = 1024 * 1024
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Sink = Callable[[bytes], None]


def checked(opened: BinaryIO, sha256: str) -> Iterator[bytes]:
    """The bytes of a root filesystem. ``IntegrityError`` before the end reaches the engine if they are wrong."""
    digest = hashlib.sha256()
    while chunk := opened.read(_CHUNK):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != sha256:
        msg = f"expected a root filesystem with sha256 {sha256}, found {digest.hexdigest()}; nothing was imported"
        raise IntegrityError(msg, hint="The cached file is damaged. Remove it and run the command again.")


class Demultiplexer:
    """Splits the engine's stream into stdout and stderr as bytes arrive; holds at most one header."""

    def __init__(self, stdout: Sink, stderr: Sink) -> None:
        self._sinks = {0: stdout, 1: stdout, 2: stderr}
        self._header = b""
        self._left = 0

    def feed(self, data: bytes) -> None:
        """Pass on what is in ``data``. ``InfrastructureError`` if it is not the engine's framing."""
        view = memoryview(data)
        while view:
            if self._left:
                piece, view = view[: self._left], view[self._left :]
                self._left -= len(piece)
                self._sinks[self._header[0]](bytes(piece))
                continue
            if len(self._header) == _HEADER:
                self._header = b""
            missing = _HEADER - len(self._header)
            self._header += bytes(view[:missing])
            view = view[missing:]
            if len(self._header) == _HEADER:
                self._open(self._header)

    @property
    def whole(self) -> bool:
        """Whether the bytes so far end where a piece ends, as they do unless the connection was cut."""
        return not self._left and len(self._header) in (0, _HEADER)

    def _open(self, header: bytes) -> None:
        if header[0] not in self._sinks or any(header[1:4]):
            msg = f"expected a stream header from the Docker engine, found the bytes {header.hex()}"
            raise InfrastructureError(msg, hint="Is something between this host and the engine rewriting its answers?")
        self._left = int.from_bytes(header[4:8], "big")


class Exchange:
    """Runs both directions of an attached connection until the container closes it."""

    def __init__(self, connection: socket.socket, stdin: Iterable[bytes], output: Demultiplexer) -> None:
        self._connection = connection
        self._chunks: Iterator[bytes] | None = iter(stdin)
        self._pending = memoryview(b"")
        self._output = output
        connection.setblocking(False)

    def run(self, deadline: float) -> bool:
        """``True`` when the other side closed, ``False`` when ``time.monotonic()`` passed ``deadline``.

        Exceptions of the sinks and of the stdin iterable pass through. ``InfrastructureError`` if the connection
        was cut in the middle of a piece. After other breaks how the container ended tells what was lost: an engine
        resets the connection of a container that ended with input unread.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection, self._interest())
            while (left := deadline - time.monotonic()) > 0:
                for _, events in selector.select(min(left, 60.0)):
                    if events & selectors.EVENT_WRITE:
                        self._send()
                    if events & selectors.EVENT_READ and not self._receive():
                        self._require_whole()
                        return True
                selector.modify(self._connection, self._interest())
        return False

    def _require_whole(self) -> None:
        if not self._output.whole:
            msg = "expected the whole output of the container, found the connection to the Docker engine cut"
            raise InfrastructureError(msg, hint="Nothing is known about what ran in it. Run the command again.")

    def _interest(self) -> int:
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._chunks is not None else 0)

    def _receive(self) -> bool:
        while (data := self._read()) is not None:
            if not data:
                return False
            self._output.feed(data)
            # A TLS connection holds decrypted bytes that the selector cannot see.
            if not (isinstance(self._connection, ssl.SSLSocket) and self._connection.pending()):
                break
        return True

    def _read(self) -> bytes | None:
        try:
            return self._connection.recv(_PIECE)
        except _WOULD_BLOCK:
            return None
        except (ConnectionError, ssl.SSLError):
            return b""

    def _send(self) -> None:
        if not self._pending and self._chunks is not None:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._close_stdin()
                return
            self._pending = memoryview(chunk)
        try:
            self._pending = self._pending[self._connection.send(self._pending[:_PIECE]) :]
        except _WOULD_BLOCK:
            return
        except (ConnectionError, ssl.SSLError):
            # The container no longer reads; how it ended is told by the other direction.
            self._chunks = None

    def _close_stdin(self) -> None:
        self._chunks = None
        try:
            self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            return
