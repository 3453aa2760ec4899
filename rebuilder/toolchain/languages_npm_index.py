"""What npm's cache has to hold for a lock that names no addresses: the registry's answers about its packages.

npm leaves ``resolved`` out of a lock if it is told to, and then asks a registry where a package lies even though the
lock pins its bytes. These answers are made here, of nothing but names, versions and integrities, for a registry that
cannot exist: ``npm ci --offline --registry=OFFLINE_REGISTRY``. The layout is that of cacache (index version 5) and
make-fetch-happen, as npm 7 and newer have it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Protocol
from urllib.parse import quote

from rebuilder.check.builds import OFFLINE_REGISTRY

#: What npm says it takes when it asks for a package's short and long description; a stored answer is only taken for
#: a question in the same words. It says nothing when it asks for a tarball.
_DESCRIPTIONS = ("application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*", "application/json")
#: Milliseconds. npm does not ask how old an answer is when it is offline; one that is 0 counts as none.
_TIME = 1


class Named(Protocol):
    """A package of a lock."""

    @property
    def name(self) -> str:
        """With its scope."""

    @property
    def version(self) -> str:
        """Exactly."""

    @property
    def integrity(self) -> str:
        """``sha512-<base64>``."""

    @property
    def size(self) -> int:
        """Bytes of its tarball."""

    @property
    def file(self) -> str:
        """As `npm pack` names it."""


Manifests = Callable[[Named], Mapping[str, object]]


def answers(packages: Iterable[Named], manifests: Manifests | None = None) -> Iterator[tuple[str, bytes]]:
    """Path below `_cacache` and content of every file that the answers about these packages need, but for the
    tarballs themselves. ``manifests``: what each asks for, where npm is to choose among them without a lock."""
    ordered = sorted(packages, key=lambda package: (package.name, package.version))
    for name, group in groupby(ordered, key=lambda package: package.name):
        versions = tuple(group)
        url = OFFLINE_REGISTRY + quote(name, safe="@").replace("%2F", "%2f")
        document = _json(_packument(name, versions, manifests))
        digest = hashlib.sha512(document).digest()
        yield f"content-v2/sha512/{_spread(digest.hex())}", document
        integrity = f"sha512-{base64.b64encode(digest).decode()}"
        asked = tuple({"accept": words} for words in _DESCRIPTIONS)
        yield _entry(url, integrity, len(document), asked)
        for package in versions:
            yield _entry(_tarball(package), package.integrity, package.size, ({},))


def _packument(name: str, packages: tuple[Named, ...], manifests: Manifests | None) -> Mapping[str, object]:
    versions = {
        package.version: {
            **(manifests(package) if manifests else {}),
            "name": name,
            "version": package.version,
            "dist": {"integrity": package.integrity, "tarball": _tarball(package)},
        }
        for package in packages
    }
    # npm would prefer the tagged one to a newer one that fits as well.
    tags = {} if manifests else {"latest": packages[-1].version}
    return {"name": name, "dist-tags": tags, "versions": versions}


def _tarball(package: Named) -> str:
    return f"{OFFLINE_REGISTRY}{quote(package.name, safe='@/')}/-/{quote(package.file, safe='')}"


def _entry(url: str, integrity: str, size: int, asked: tuple[dict[str, str], ...]) -> tuple[str, bytes]:
    """The index's file about one address: a line for each way to ask for it."""
    key = f"make-fetch-happen:request-cache:{url}"
    lines = b""
    for headers in asked:
        metadata = {"time": _TIME, "url": url, "reqHeaders": headers, "resHeaders": {}, "options": {"compress": True}}
        row = _json({"key": key, "integrity": integrity, "time": _TIME, "size": size, "metadata": metadata})
        # Each line stands behind a sum of itself, so that one that was cut off is no line.
        lines += b"\n" + hashlib.sha1(row, usedforsecurity=False).hexdigest().encode() + b"\t" + row
    return f"index-v5/{_spread(hashlib.sha256(key.encode()).hexdigest())}", lines


def _spread(digest: str) -> str:
    return f"{digest[:2]}/{digest[2:4]}/{digest[4:]}"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
