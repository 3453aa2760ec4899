"""A mirror on the loopback that can be told to misbehave, path by path."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote


@dataclass(frozen=True)
class Fault:
    """What a mirror does wrong at one path."""

    #: Answer with this status and no body.
    status: int = 200
    #: Serve these bytes instead.
    body: bytes | None = None
    #: Flip the lowest bit of the byte here (counted from the end if negative).
    flip: int | None = None
    #: Close the connection after so many bytes of each answer.
    cut_after: int | None = None
    #: Wait so long before the answer.
    delay: float = 0.0
    #: How often the fault shows before the mirror is well again; 0: always.
    times: int = 0
    #: Ignore Range headers.
    no_ranges: bool = False


MISSING = Fault(status=404)


class Mirror:
    """Serves a folder over HTTP on 127.0.0.1 while it is open. ``faults`` and ``requests`` may be used at any time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: dict[str, Fault] = {}
        #: Every path asked for, in order.
        self.requests: list[str] = []
        self._shown: dict[str, int] = {}
        mirror = self

        class Handler(_Handler):
            owner = mirror

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Mirror:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Base URL of the archive."""
        return f"http://127.0.0.1:{self.port}/archive"

    def fault(self, path: str) -> Fault:
        """The fault to show for this request."""
        found = self.faults.get(path)
        if found is None:
            return Fault()
        self._shown[path] = self._shown.get(path, 0) + 1
        return Fault() if found.times and self._shown[path] > found.times else found


class _Handler(BaseHTTPRequestHandler):
    owner: Mirror
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(self.path).removeprefix("/archive/")
        self.owner.requests.append(path)
        fault = self.owner.fault(path)
        time.sleep(fault.delay)
        target = (self.owner.root / path).resolve()
        inside = target.is_relative_to(self.owner.root.resolve())
        if fault.status != 200 or (fault.body is None and not (inside and target.is_file())):
            self._answer(fault.status if fault.status != 200 else 404, b"")
            return
        body = bytearray(target.read_bytes() if fault.body is None else fault.body)
        if fault.flip is not None:
            body[fault.flip] ^= 1
        self._ranged(bytes(body), fault)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _ranged(self, body: bytes, fault: Fault) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or fault.no_ranges:
            self._answer(200, body, fault)
            return
        start, end = int(asked[1]), int(asked[2] or len(body) - 1)
        if start >= len(body):
            self._answer(416, b"")
            return
        self._answer(206, body[start : end + 1], fault, {"Content-Range": f"bytes {start}-{end}/{len(body)}"})

    def _answer(self, status: int, body: bytes, fault: Fault = MISSING, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = fault.cut_after
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None and cut < len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; ``requests`` remembers."""
