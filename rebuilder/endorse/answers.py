"""What an index's saved answer says of its files' digests: pure. All of it is hostile, and none of it is signed.

Specs: the simple repository API (PEP 503, PEP 691) of Python's indexes, and the documents of an npm registry.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from rebuilder.endorse.checksums import Entry
from rebuilder.htmltags import tags
from rebuilder.releases import Release

#: Documents of packages with thousands of versions have some ten MB.
ANSWER_LIMIT = 128 * 1024**2

_HEX = re.compile(r"[0-9a-fA-F]{32,128}", re.ASCII)
_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


class BadAnswer(ValueError):  # noqa: N818 - names what the data is
    """The answer can't be read."""


def entries(answer: bytes, release: Release) -> tuple[Entry, ...]:
    """Every digest that the answer names for a file of ``release``. ``BadAnswer`` if it can't be read."""
    try:
        if answer.lstrip()[:1] == b"{":
            found = json.loads(answer)
            return tuple(_npm(found, release) if release.system == "npm" else _pypi(found))
        if release.system == "pypi":
            return tuple(_links(answer.decode("utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        msg = f"expected the answer of an index for {release.system}, found what can't be read: {type(error).__name__}"
        raise BadAnswer(msg) from None
    msg = "expected the answer of an npm registry, found no JSON"
    raise BadAnswer(msg)


def _pypi(found: dict[str, Any]) -> Iterator[Entry]:
    files = found["files"]
    for file in files if isinstance(files, list) else []:
        for algorithm, digest in file["hashes"].items():
            yield from _entry(file["filename"], algorithm, digest)


def _npm(found: dict[str, Any], release: Release) -> Iterator[Entry]:
    """Of a whole document its version, or the document of one version."""
    versions = found.get("versions")
    one = versions[release.version] if isinstance(versions, dict) else found
    dist = one["dist"] if isinstance(one, dict) else {}
    called = urlsplit(str(dist.get("tarball", ""))).path.rpartition("/")[2]
    # A version has one tarball, whatever a mirror calls it in its address.
    names = {file.name for file in release.files} if len(release.files) == 1 else {unquote(called)}
    for name in sorted(names):
        for word in str(dist.get("integrity") or "").split():
            algorithm, _, digest = word.partition("?")[0].partition("-")
            yield from _entry(name, algorithm, base64.b64decode(digest, validate=True).hex())
        if dist.get("shasum"):
            yield from _entry(name, "sha1", str(dist["shasum"]))


def _links(page: str) -> Iterator[Entry]:
    """Links of a simple index: the file is the last part of the address, its digest the fragment."""
    for _, named in tags(page, ("a",)):
        parts = urlsplit(named.get("href", ""))
        algorithm, _, digest = parts.fragment.partition("&")[0].partition("=")
        yield from _entry(unquote(parts.path.rpartition("/")[2]), algorithm, digest)


def _entry(name: str, algorithm: str, digest: str) -> Iterator[Entry]:
    """The entry, unless it is no digest at all: other keys have their place there too."""
    if _HEX.fullmatch(digest) and _LENGTHS.get(algorithm, len(digest)) == len(digest) and name.isprintable():
        yield Entry(name=name, algorithm=algorithm, digest=digest.lower())
