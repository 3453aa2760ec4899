"""A real Git server on loopback: `git http-backend` behind Python's own HTTP server, which can also be made to fail."""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class GitServer(ThreadingHTTPServer):
    """Serves every repository below ``root``. What it does else is switched on by its attributes."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        #: Answers in place of a repository's: path -> address.
        self.redirects: dict[str, str] = {}
        #: What every request has to say of who asks; empty: nothing.
        self.authorization = ""
        #: Paths and headers of the requests so far.
        self.asked: list[tuple[str, dict[str, str]]] = []
        #: Sends a pack that never ends.
        self.is_endless = False
        #: Breaks a pack off after so many bytes; 0: never.
        self.cut_after = 0
        #: Waits before it answers with a pack.
        self.delay = 0.0
        self.scheme = "http"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def secure(self, certificate: Path, key: Path) -> None:
        """It speaks TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    @property
    def packs(self) -> int:
        """How many packs were asked for."""
        return sum(path.endswith("/git-upload-pack") for path, _ in self.asked)


@contextmanager
def git_server(root: Path) -> Iterator[GitServer]:
    """One that ends with the block."""
    with GitServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: GitServer

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Not told."""

    def _answer(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append((parts.path, dict(self.headers)))
        for start, target in self.server.redirects.items():
            if parts.path.startswith(start):
                self.send_response(301)
                self.send_header("Location", target + self.path.removeprefix(start))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        if self.server.authorization and self.headers.get("Authorization") != self.server.authorization:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        is_pack = body.startswith(b"0014command=fetch") or b"command=fetch" in body[:64]
        if is_pack and self.server.is_endless:
            self._endless()
            return
        time.sleep(self.server.delay if is_pack else 0)
        self._backend(parts.path, parts.query, body, self.server.cut_after if is_pack else 0)

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-result")
        self.end_headers()
        data = b"PACK\0\0\0\2\0\xff\xff\xff"
        piece = b"".join(b"%04x" % (len(part) + 5) + b"\1" + part for part in [_blob()])
        try:
            self.wfile.write(b"000dpackfile\n" + b"%04x" % (len(data) + 5) + b"\1" + data)
            while True:
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    def _backend(self, path: str, query: str, body: bytes, cut: int) -> None:
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.server.root), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_ADDR": "127.0.0.1",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
        }  # fmt: skip
        result = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
        head, _, content = result.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content[: cut or len(content)])


def _blob() -> bytes:
    """One packed object that does not get smaller when it is packed."""
    import zlib

    data = os.urandom(32 * 1024)
    size = len(data)
    head = bytearray([0x30 | size & 15 | 0x80])
    size >>= 4
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return bytes(head) + zlib.compress(data, 0)
