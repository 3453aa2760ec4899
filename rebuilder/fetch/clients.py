"""What the host's own pip and npm are configured with, as a container's pip and npm can be given it.

No host name of an index stands in this code: where nobody names one, the client in the container has its own default.
Index and proxy addresses may hold credentials. They go into files that are sent over standard input, never into an
argument, a log, an error or a record: whatever a client said is to go through ``shown`` first.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

_USER = re.compile(r"//[^/\s@'\"]+@")
#: Shorter ones would take half of a log with them.
_SHORTEST_SECRET = 3


@dataclass(frozen=True, kw_only=True)
class IndexClient:
    """One kind of client: where it asks, whom it trusts, and how its words are shown. Nothing of it is in its ``repr``
    that could be secret."""

    #: The index or registry; empty: the default of the client in the container.
    index: str = field(default="", repr=False)
    #: Certificates in PEM form; empty: those of the container.
    ca: bytes = field(default=b"", repr=False)
    #: ``http_proxy``, ``https_proxy``, ``no_proxy``.
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Seconds without a byte.
    timeout: int = 60
    #: In words: what of the host's configuration was not taken.
    notes: tuple[str, ...] = ()

    @property
    def network(self) -> Literal["bridge", "host"]:
        """``host`` where an index or a proxy lies on the host's own loopback interface."""
        named = (*self.addresses(), *(url for name, url in self.proxies.items() if name != "no_proxy"))
        return "host" if any(_is_loopback(url) for url in named) else "bridge"

    @property
    def identity(self) -> str:
        """Names the answers that this client may get: a digest of its addresses, which tells none of them."""
        return hashlib.sha256(json.dumps(self.addresses()).encode()).hexdigest()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts of its indexes as a person may see them; empty where the container's default is asked."""
        return tuple(dict.fromkeys(filter(None, (host_of(url) for url in self.addresses()))))

    def addresses(self) -> tuple[str, ...]:
        """Every index that is asked."""
        return (self.index,) if self.index else ()

    def files(self, folder: str) -> dict[str, bytes]:
        """Name -> content of what the container has to find in ``folder``: ``environment`` are variables, each with a
        NUL at its end."""
        variables = self.environment(folder)
        found = {"environment": "".join(f"{name}={value}\0" for name, value in sorted(variables.items())).encode()}
        return found | ({"ca.pem": self.ca} if self.ca else {})

    def environment(self, folder: str) -> dict[str, str]:  # noqa: ARG002 - others name files in it
        """Variables of the client."""
        both = {name.upper(): value for name, value in self.proxies.items()}
        return dict(self.proxies) | both

    def secrets(self) -> tuple[str, ...]:
        """Texts that nobody may see, longest first."""
        found = {part for url in (*self.addresses(), *self.proxies.values()) for part in _passwords(url)}
        return tuple(sorted((text for text in found if len(text) >= _SHORTEST_SECRET), key=len, reverse=True))

    def shown(self, text: str) -> str:
        """What a client said, without users, passwords and tokens."""
        for secret in self.secrets():
            text = text.replace(secret, "***")
        return without_user(text)


@dataclass(frozen=True, kw_only=True)
class PipClient(IndexClient):
    """pip: an index in the form of PEP 503, and further ones that are asked as well."""

    extra: tuple[str, ...] = field(default=(), repr=False)
    #: Hosts whose certificates are not checked, as the host's own pip is told.
    trusted: tuple[str, ...] = ()

    def addresses(self) -> tuple[str, ...]:
        """Every index that is asked."""
        return (*super().addresses(), *self.extra)

    def files(self, folder: str) -> dict[str, bytes]:
        """As ``IndexClient.files``, with pip's own configuration."""
        rows = {"index-url": self.index, "extra-index-url": "\n    ".join(self.extra)}
        rows |= {"trusted-host": "\n    ".join(self.trusted), "timeout": str(self.timeout)}
        rows |= {"cert": f"{folder}/ca.pem"} if self.ca else {}
        text = "[global]\n" + "".join(f"{name} = {value}\n" for name, value in rows.items() if value)
        return super().files(folder) | {"pip.conf": text.encode()}

    def environment(self, folder: str) -> dict[str, str]:
        """Variables that name the configuration."""
        return super().environment(folder) | {"PIP_CONFIG_FILE": f"{folder}/pip.conf"}


@dataclass(frozen=True, kw_only=True)
class NpmClient(IndexClient):
    """npm: a registry, those of scopes, and what it has to say to them."""

    #: ``@scope`` -> registry.
    scopes: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: ``//host/path/:_authToken`` -> value; only of the registries named here.
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    strict_ssl: bool = True

    def addresses(self) -> tuple[str, ...]:
        """Every registry that is asked."""
        return (*super().addresses(), *self.scopes.values())

    def files(self, folder: str) -> dict[str, bytes]:
        """As ``IndexClient.files``, with npm's own configuration."""
        rows: dict[str, str] = {"registry": self.index} if self.index else {}
        rows |= {f"{scope}:registry": url for scope, url in self.scopes.items()} | dict(self.auth)
        rows |= {"cafile": f"{folder}/ca.pem"} if self.ca else {}
        rows |= {} if self.strict_ssl else {"strict-ssl": "false"}
        rows |= {"fetch-timeout": str(self.timeout * 1000)}
        # A value in quotes is read as JSON: no `;`, `#` or `=` in it ends it.
        text = "".join(f"{name}={json.dumps(value)}\n" for name, value in rows.items())
        return super().files(folder) | {"npmrc": text.encode()}

    def environment(self, folder: str) -> dict[str, str]:
        """Variables that name the configuration."""
        named = {"NPM_CONFIG_USERCONFIG": f"{folder}/npmrc", "NPM_CONFIG_GLOBALCONFIG": f"{folder}/no-npmrc"}
        certificates = {"NODE_EXTRA_CA_CERTS": f"{folder}/ca.pem"} if self.ca else {}
        return super().environment(folder) | named | certificates

    def secrets(self) -> tuple[str, ...]:
        """Tokens and passwords as well."""
        own = (value for name, value in self.auth.items() if not name.endswith(":username"))
        found = {*super().secrets(), *(value for value in own if len(value) >= _SHORTEST_SECRET)}
        return tuple(sorted(found, key=len, reverse=True))


def without_user(text: str) -> str:
    """The text without ``user:password@`` in its addresses."""
    return _USER.sub("//***@", text)


def host_of(url: str) -> str:
    """Host and port of an address, without a user; empty if it has none."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.hostname}{port}" if parts.hostname else ""


def usable(urls: Iterable[str], key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses that a container can ask, and in words those that it cannot."""
    good, notes = [], []
    for url in urls:
        plain = url.isascii() and url.isprintable() and not re.search(r"[\s'\"]", url)
        if plain and url.lower().startswith(("http://", "https://")) and host_of(url):
            good.append(url)
        else:
            notes.append(f"{key} {without_user(url)[:200]!r} is not taken: a container reaches http and https only")
    return tuple(dict.fromkeys(good)), tuple(notes)


def _passwords(url: str) -> tuple[str, ...]:
    user, at, _ = url.partition("//")[2].rpartition("@")
    if not at:
        return ()
    name, colon, password = user.partition(":")
    # A token often stands alone, in place of the user.
    secret = password if colon and password else name
    return tuple({secret, unquote(secret)})


def _is_loopback(url: str) -> bool:
    host = host_of(url if "//" in url else f"//{url}")
    name = re.sub(r":[0-9]+$", "", host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
