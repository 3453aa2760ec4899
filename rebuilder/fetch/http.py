"""The only HTTP client. Every body is bounded, digest-checked while it streams, and resumed if cut off.

A wrong byte is the mirror's fault, never the publisher's: the next location is tried, and only when
the last one has failed is the file ``unavailable``. A mirror that is too slow to be of use has failed too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from rebuilder.errors import DigestMismatchError, NoMessage, Stopped, TooLargeError
from rebuilder.model import FileDigest, Located, Verdict

if TYPE_CHECKING:
    import requests

    from rebuilder.ports import Blobs, Progress

CHUNK = 256 * 1024
CONNECT_AND_READ_SECONDS = (15, 60)
#: How often a body that breaks off is asked for again from where it stopped, at one location.
RESUMES = 3
PARALLEL = 8
#: A location may take this long for a file of n bytes: a start, and n at the slowest rate that is of use.
GRACE_SECONDS = 90.0
SLOWEST_BYTES_A_SECOND = 8 * 1024


class LocationError(Exception):
    """One location did not give the file; the text says why."""


class Mirrors(Protocol):
    """Base URLs by archive: a ``dict``, or what looks them up when one is first needed."""

    def get(self, archive: str, default: tuple[str, ...], /) -> tuple[str, ...]:
        """The base URLs of an archive; ``default`` if nobody names one."""


@dataclass(frozen=True)
class Locations:
    """Base URLs of each archive, in the order to try."""

    mirrors: Mirrors

    def urls(self, archive: str, path: str) -> tuple[str, ...]:
        """Every URL at which that path of the archive may lie."""
        if path.startswith("/") or ".." in path.split("/"):
            msg = f"{path!r} is not a path inside the archive {archive!r}"
            raise LocationError(msg)
        return tuple(f"{base.rstrip('/')}/{quote(path, safe='/+~:,=@')}" for base in self.mirrors.get(archive, ()))


class MirrorFetcher:
    """The ``Fetcher`` port over HTTP mirrors."""

    def __init__(self, locations: Locations, blobs: Blobs, progress: Progress, *, offline: bool = False) -> None:
        self._locations = locations
        self._blobs = blobs
        self._progress = progress
        self._offline = offline

    def fetch(self, file: Located) -> FileDigest:
        """Fetch one file into the blobs, or find it there."""
        if self._blobs.has(file.sha256):
            return FileDigest(name=file.name, sha256=file.sha256, size=file.size)
        urls, tried = self._urls(file.archive, file.path)
        for url in urls:
            try:
                return self._from(url, file)
            except LocationError as err:
                tried.append(str(err))
        reason = f"{file.archive}:{file.path} could not be had: {'; '.join(tried) or 'no mirror is configured'}"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{file.archive}:{file.path}",))

    def fetch_all(self, files: Iterable[Located]) -> None:
        """Fetch many in parallel; every one that is missing is listed."""
        wanted = {file.sha256: file for file in files if not self._blobs.has(file.sha256)}
        if not wanted:
            return
        self._progress.line(f"fetching {len(wanted)} files, {sum(f.size for f in wanted.values()) / 1e6:.1f} MB")
        with ThreadPoolExecutor(PARALLEL) as pool:
            failures = [failure for failure in pool.map(self._try, wanted.values()) if failure]
        if failures:
            missing = tuple(sorted(name for failure in failures for name in failure.missing))
            reason = f"{len(missing)} of {len(wanted)} files could not be had; the first: {failures[0].reason}"
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=missing)

    def get(self, archive: str, path: str, *, limit: int, check: Callable[[bytes], object] | None = None) -> bytes:
        """A small file whose digest is not known yet."""
        urls, tried = self._urls(archive, path)
        judged: list[Stopped] = []
        for url in urls:
            try:
                data = b"".join(self._stream(url, limit))
                if check is not None:
                    check(data)
            except LocationError as err:
                tried.append(str(err))
            except Stopped as stop:
                tried.append(stop.reason)
                judged += [] if isinstance(stop, NoMessage) else [stop]
            else:
                return data
        faults = "; ".join(dict.fromkeys(tried)) or "no mirror is configured"
        # One honest mirror is enough: a bad signature counts only where no other was seen to be good.
        if judged and all(stop.verdict is Verdict.REFUSED for stop in judged):
            raise Stopped(Verdict.REFUSED, faults)
        missing = tuple(dict.fromkeys(name for stop in judged for name in stop.missing)) or (f"{archive}:{path}",)
        raise Stopped(Verdict.UNAVAILABLE, f"{archive}:{path} could not be had: {faults}", missing=missing)

    def discover(
        self, archive: str, path: str, *, limit: int, accept: Callable[[FileDigest], bool] | None = None
    ) -> FileDigest | None:
        """A file that no signed list names, if it is there."""
        for url in self._urls(archive, path)[0]:
            try:
                file = self._blobs.put(self._stream(url, limit), name=path.rpartition("/")[2], limit=limit)
            except LocationError:
                continue
            if accept is None or accept(file):
                return file
        return None

    def _try(self, file: Located) -> Stopped | None:
        try:
            self.fetch(file)
        except Stopped as err:
            return err
        return None

    def _urls(self, archive: str, path: str) -> tuple[tuple[str, ...], list[str]]:
        """Where to ask, and why not where there is nowhere."""
        if self._offline:
            return (), ["the network is switched off (--offline) and the file is not in the store"]
        try:
            return self._locations.urls(archive, path), []
        except LocationError as err:
            return (), [str(err)]

    def _from(self, url: str, file: Located) -> FileDigest:
        try:
            return self._blobs.put(
                self._stream(url, file.size), name=file.name, limit=file.size, expect=file.sha256
            )
        except (DigestMismatchError, TooLargeError) as err:
            msg = f"a mirror gave wrong bytes ({err})"
            raise LocationError(msg) from err

    def _stream(self, url: str, limit: int) -> Iterator[bytes]:
        """The body in pieces, asked for again from where it broke off. Raises ``LocationError``."""
        import requests
        import urllib3

        broken = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)
        done, etag = 0, ""
        for attempt in range(RESUMES + 1):
            headers = {"Accept-Encoding": "identity"}
            if done:
                headers |= {"Range": f"bytes={done}-"} | ({"If-Range": etag} if etag else {})
            try:
                with requests.get(url, headers=headers, stream=True, timeout=CONNECT_AND_READ_SECONDS) as answer:
                    skip = _check(answer, done)
                    etag = answer.headers.get("ETag", "")
                    for piece in _pieces(answer, skip):
                        done += len(piece)
                        if done > limit:
                            msg = f"more than the expected {limit} bytes"
                            raise LocationError(msg)
                        yield piece
                    return
            except broken as err:
                if attempt == RESUMES:
                    msg = f"the connection failed {RESUMES + 1} times, last: {type(err).__name__} after {done} bytes"
                    raise LocationError(msg) from err
            except requests.RequestException as err:
                msg = f"{type(err).__name__}"
                raise LocationError(msg) from err


def _check_pace(done: int, seconds: float) -> None:
    """Raises ``LocationError`` for a mirror that keeps us waiting drop by drop, which no timeout of a read sees."""
    if seconds > GRACE_SECONDS + done / SLOWEST_BYTES_A_SECOND:
        msg = f"too slow: {done} bytes in {seconds:.0f} s"
        raise LocationError(msg)


def _check(answer: requests.Response, done: int) -> int:
    """How many bytes of the answer to skip because we have them. Raises ``LocationError`` on a refusal."""
    if answer.status_code == 206 and done:
        return 0
    if answer.status_code == 200:
        return done
    msg = f"HTTP {answer.status_code}"
    raise LocationError(msg)


def _pieces(answer: requests.Response, skip: int) -> Iterator[bytes]:
    """Raw body bytes past ``skip``; a body shorter than announced is a broken connection. Raises ``LocationError``
    for one that only drips."""
    import requests

    expected = answer.headers.get("Content-Length", "")
    received, started = 0, time.monotonic()
    # What has come, not a full chunk: how slow a mirror is must be seen while it is slow.
    while piece := answer.raw.read1(CHUNK, decode_content=False):
        received += len(piece)
        _check_pace(received, time.monotonic() - started)
        if skip:
            skip, piece = max(0, skip - len(piece)), piece[skip:]
        if piece:
            yield piece
    if expected.isdigit() and received < int(expected):
        msg = "body shorter than announced"
        raise requests.ConnectionError(msg)
