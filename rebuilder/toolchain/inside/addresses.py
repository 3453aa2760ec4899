"""Runs in a container with a network, started by `taking.py`: reads what an index says of a project, and fetches files,
each as pip would: its indexes, its proxies, its certificates, its passwords.

pip itself can only be asked for what fits an interpreter. Nothing is parsed here but addresses.
"""

from __future__ import annotations

import base64
import configparser
import json
import re
import runpy
import ssl
import sys
import time
import urllib.request
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.response import addinfourl

MAX_PAGE = 64 * 1024**2
MAX_ALL = 2 * 1024**3
REDIRECTS = 10
TRIES = 3
OK, BUSY = 200, 429
#: What is asked for first is the form that has times (PEP 691, PEP 700).
PAGE = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.01"
LOOPBACK = re.compile(r"(?:localhost|.*\.localhost|127\.[0-9.]+|::1)\Z")


class RefusedError(Exception):
    """An address is not asked, or does not answer as it should; the reason is in words."""


class AwayError(RefusedError):
    """A host could not be reached, or does not want to answer."""


class StatusError(RefusedError):
    """A host answers, but not with what was asked for."""

    def __init__(self, url: str, answer: addinfourl) -> None:
        super().__init__(f"{place(url)} answers {answer.status} {getattr(answer, 'reason', '')}")
        self.status = answer.status or 0


@dataclass
class Settings:
    """What pip is configured with."""

    indexes: list[str]
    trusted: list[str]
    timeout: float
    cert: str
    #: scheme://host:port -> authorization
    passwords: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Settings:
        """From the file that was sent; where that names no index, pip's own default, as pip tells it."""
        rows = configparser.RawConfigParser()
        rows.read(folder / "pip.conf", encoding="utf-8")
        own = dict(rows["global"]) if rows.has_section("global") else {}
        named = [own.get("index-url", "") or default_index(), *own.get("extra-index-url", "").split()]
        found = cls([], own.get("trusted-host", "").split(), float(own.get("timeout", "60")), own.get("cert", ""))
        for url in named:
            parts = urlsplit(url)
            user, at, place = parts.netloc.rpartition("@")
            if at:
                name, _, password = user.partition(":")
                words = f"{unquote(name)}:{unquote(password)}".encode()
                found.passwords[origin(url)] = f"Basic {base64.b64encode(words).decode()}"
            found.indexes.append(urlunsplit(parts._replace(netloc=place)))
        return found


def default_index() -> str:
    """Which index pip asks when nobody names one."""
    said = StringIO()
    before, sys.argv = sys.argv, ["pip", "download", "--help"]
    with redirect_stdout(said), suppress(SystemExit):
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    sys.argv = before
    found = re.search(r"--index-url.*?\(default\s+(https?://\S+?)\)", said.getvalue(), re.DOTALL)
    if found is None:
        message = "pip does not say which index it asks; name one in rebuilder.toml: [indexes] pypi"
        raise RefusedError(message)
    return found[1]


def origin(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


class Visitor:
    """Asks addresses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._openers = {checked: self._opener(checked) for checked in (True, False)}
        self.left = MAX_ALL

    def get(self, url: str, accept: str, out: BinaryIO, limit: int) -> tuple[str, str]:
        """Write what lies there; the address where it lay in the end, and its type. ``RefusedError``."""
        url = urldefrag(url).url
        for _ in range(REDIRECTS):
            answer = self._ask(url, accept)
            with answer:
                if answer.status in {301, 302, 303, 307, 308} and answer.headers.get("Location"):
                    url = urldefrag(urljoin(url, answer.headers["Location"])).url
                    continue
                if answer.status != OK:
                    raise StatusError(url, answer)
                self._copy(answer, out, limit)
                return url, answer.headers.get("Content-Type", "")
        message = f"{place(url)} sends from one address to the next without an end"
        raise RefusedError(message)

    def _copy(self, answer: addinfourl, out: BinaryIO, limit: int) -> None:
        out.seek(0)
        out.truncate()
        told, taken = answer.headers.get("Content-Length", ""), 0
        while piece := answer.read(1024 * 1024):
            taken += len(piece)
            self.left -= len(piece)
            if taken > limit or self.left < 0:
                message = f"it has more than {limit if taken > limit else MAX_ALL} bytes"
                raise RefusedError(message)
            out.write(piece)
        if told.isdigit() and taken != int(told):
            message = f"it was cut off after {taken} of {told} bytes"
            raise AwayError(message)

    def _ask(self, url: str, accept: str) -> addinfourl:
        parts = urlsplit(url)
        host = parts.hostname or ""
        trusted = any(word in {host, f"{host}:{parts.port}", f"[{host}]"} for word in self._settings.trusted)
        if parts.scheme not in {"http", "https"} or parts.username is not None:
            message = f"an address that is not taken: {parts.scheme}://{host}"
            raise RefusedError(message)
        if parts.scheme == "http" and not trusted and not LOOPBACK.match(host):
            message = (
                f"{place(url)} is asked without encryption, and is none of pip's trusted hosts; name it in "
                "rebuilder.toml ([indexes] pypi) or as trusted-host of this host's pip"
            )
            raise AwayError(message)
        request = urllib.request.Request(url)  # noqa: S310 - its scheme was looked at above
        request.add_header("Accept", accept)
        request.add_header("Accept-Encoding", "identity")
        if authorization := self._settings.passwords.get(origin(url)):
            request.add_unredirected_header("Authorization", authorization)
        answer: addinfourl = self._openers[not trusted].open(request, timeout=self._settings.timeout)
        return answer

    def _opener(self, checked: bool) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=self._settings.cert or None)
        if not checked:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        opener = urllib.request.OpenerDirector()
        # Not the usual set: that one opens files of this container and ftp as well.
        for handler in (
            urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(context=context),
            urllib.request.UnknownHandler(),
        ):  # fmt: skip
            opener.add_handler(handler)
        return opener


def place(url: str) -> str:
    """Host and port, as a person may see them."""
    return urlsplit(url).netloc.rpartition("@")[2] or "an address without a host"


def fetched(visitor: Visitor, url: str, accept: str, out: Path, limit: int) -> dict[str, object]:
    """One address, tried again where that may help: a row of the answer."""
    failed: dict[str, object] = {}
    for number in range(TRIES):
        time.sleep(number)
        try:
            with out.open("wb") as file:
                url, kind = visitor.get(url, accept, file, limit)
        except StatusError as error:
            failed = {"status": error.status, "log": str(error)}
            if error.status < 500 and error.status != BUSY:
                break
        except RefusedError as error:
            failed = {"status": 2, "log": str(error)}
            if not isinstance(error, AwayError):
                break
            failed["status"] = 1
        except Exception as error:
            # Whatever a server makes the library raise is the server's.
            why = getattr(error, "reason", None) or f"{type(error).__name__}: {error}"
            failed = {"status": 1, "log": f"{place(url)} could not be reached: {why}"}
        else:
            return {"status": 0, "log": "", "url": url, "type": kind}
    out.unlink(missing_ok=True)
    return failed


def pages(folder: Path) -> dict[str, object]:
    """What each index says of the project that ``project`` names, as ``files/NUMBER``."""
    project = (folder / "project").read_text(encoding="utf-8")
    settings = Settings.read(folder)
    visitor, rows = Visitor(settings), []
    for number, index in enumerate(settings.indexes):
        url = f"{index.rstrip('/')}/{quote(project, safe='')}/"
        rows.append(fetched(visitor, url, PAGE, folder / "answer/files" / str(number), MAX_PAGE))
    return {"status": 0, "log": "", "rows": rows}


def files(folder: Path) -> dict[str, object]:
    """What lies at the addresses of ``wanted.json``, as ``files/NUMBER``."""
    wanted = json.loads((folder / "wanted.json").read_text(encoding="utf-8"))
    visitor, rows = Visitor(Settings.read(folder)), []
    for number, url in enumerate(wanted):
        sys.stderr.write(f"fetching {urlsplit(url).path.rpartition('/')[2]}\n")
        rows.append(fetched(visitor, url, "*/*", folder / "answer/files" / str(number), MAX_ALL))
    return {"status": 0, "log": "", "rows": rows}


TASKS = {"pages": pages, "files": files}
