"""Addresses of Git repositories: which are taken, and what they mean. Pure.

Whoever declares a source chooses its address, and a repository those of its submodules. So only transports that say
who answers are taken (https, ssh), nothing that could be an option or name a program, and no credentials ever get into
a message, an argument or a record.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from rebuilder.errors import UsageError
from rebuilder.redaction import redacted

_LONGEST = 1024
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HELPER = re.compile(r"[A-Za-z0-9+.-]*::")
_SCP = re.compile(r"(?:([A-Za-z0-9_][A-Za-z0-9._-]*)@)?([A-Za-z0-9][A-Za-z0-9.-]*):([^:].*)\Z")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])\Z")
_PATH = re.compile(r"[^\s?#\\]+\Z")
_TAKEN = "taken are https://, ssh:// (or user@host:path), file://, a folder, and a bundle file"


@dataclass(frozen=True)
class Address:
    """Where a server has a repository."""

    scheme: Literal["https", "http", "ssh"]
    #: With its port, if it has one of its own.
    host: str
    path: str
    #: Whom ssh logs in as; empty: the default.
    user: str = ""
    #: ``user:password`` for http, percent-decoded.
    secret: str = field(default="", repr=False)
    #: ``user@host:path``, whose path begins in that user's own folder.
    scp: bool = False

    @property
    def remote(self) -> str:
        """What Git is given; it holds no secret."""
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}:{self.path}" if self.scp else f"{self.scheme}://{user}{self.host}{self.path}"

    @property
    def public(self) -> str:
        """As others can use it and any record can hold it: a URL without credentials."""
        user = f"{self.user}@" if self.user else ""
        return f"{self.scheme}://{user}{self.host}/{quote(self.path.lstrip('/'), safe=_UNQUOTED)}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is this machine itself."""
        return _is_loopback(self.host)


_UNQUOTED = "/%:+~!$&'()*,;=-._"


def located(place: str | Path) -> Address | Path:
    """What a person or a recipe calls a place: a path of this machine, or an address. ``UsageError`` if it is neither,
    or one that is not taken."""
    if isinstance(place, Path):
        return place
    if not place or len(place) > _LONGEST or not place.isprintable() or place.startswith("-"):
        raise _refused(place, f"1 to {_LONGEST} printable characters, the first of them no dash")
    if found := _SCHEME.match(place):
        return _url(place, found[1].lower())
    if _HELPER.match(place):
        raise _refused(place, "no `::`, which would name a program to run")
    if (found := _SCP.match(place)) and "/" not in place.partition(":")[0]:
        return _scp(place, found)
    return Path(place)


def beside(relative: str, base: Address | Path) -> Address | Path:
    """What the URL of a submodule means that begins with `./` or `../`, seen from its parent's own place.
    ``UsageError`` if it leads out of the server."""
    parts = [part for part in (base.path if isinstance(base, Address) else str(base)).split("/") if part]
    for part in relative.split("/"):
        if part == "..":
            if not parts:
                raise _refused(relative, "an address on the same server as the parent's")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    path = "/".join(parts)
    if isinstance(base, Path):
        return Path(f"/{path}")
    slash = "/" if base.path.startswith("/") else ""
    again = replace(base, path=slash + path, secret="")
    # Taken apart once more, for what was added was not looked at.
    found = located(again.remote)
    return replace(found, secret=base.secret) if isinstance(found, Address) else found


def _url(place: str, scheme: str) -> Address | Path:
    try:
        parts = urlsplit(place)
        port = parts.port
    except ValueError as error:
        raise _refused(place, "an address") from error
    user, at, authority = parts.netloc.rpartition("@")
    if scheme == "file":
        return _file(place, parts.netloc, parts.path)
    host = authority.lower().removesuffix(":")
    name = host if port is None else host.rpartition(":")[0]
    if scheme not in ("https", "http", "ssh"):
        words = "git:// proves neither who answers nor what" if scheme == "git" else f"{scheme}:// is not known here"
        raise _refused(place, f"another transport: {words}")
    plain = _HOST.match(name) and _PATH.match(parts.path) and not {"?", "#"} & set(place)
    if not plain or not parts.path.strip("/"):
        raise _refused(place, f"{scheme}://HOST/PATH with nothing behind it")
    path = parts.path.rstrip("/")
    if scheme == "ssh":
        if at and not _USER.match(user):
            raise _refused(place, "ssh://USER@HOST/PATH; keys, and no passwords, are how ssh logs in here")
        return Address("ssh", host, path, user=user)
    if scheme == "http" and not _is_loopback(host):
        raise _refused(place, "https://, for http:// proves neither who answers nor what")
    return Address("https" if scheme == "https" else "http", host, path, secret=unquote(user))


def _file(place: str, host: str, path: str) -> Path:
    found = unquote(path)
    if host not in ("", "localhost") or not found.startswith("/") or not found.isprintable():
        raise _refused(place, "file:///PATH of this machine")
    return Path(found)


def _scp(place: str, found: re.Match[str]) -> Address:
    user, host, path = found[1] or "", found[2].lower(), found[3].rstrip("/")
    if not _HOST.match(host) or not _PATH.match(path) or path.startswith("-"):
        raise _refused(place, "user@host:path")
    return Address("ssh", host, path, user=user, scp=True)


def _is_loopback(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refused(place: str, expected: str) -> UsageError:
    msg = f"{redacted(place)!r} cannot be the address of a Git repository: expected {expected}"
    return UsageError(msg, hint=_TAKEN)
