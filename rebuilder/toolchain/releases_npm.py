"""What a registry says of one version, as npm shows it, as values. Pure; all of it is the registry's, and hostile."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rebuilder.errors import DigestMismatchError, UsageError
from rebuilder.releases import IndexFile
from rebuilder.toolchain.languages_npm import NAME, VERSION

_MAX_TEXT = 2000
_SHOWN = 5
_PARTS = re.compile(r"(\d{1,16})\.(\d{1,16})\.(\d{1,16})(-?)")
_SUMS = {"sha512": 64, "sha384": 48, "sha256": 32, "sha1": 20}
#: Of the package and not of the version, so that they change without it.
_OF_THE_PACKAGE = (
    "versions", "time", "dist-tags", "readme", "readmeFilename", "users", "_rev", "_contentLength", "_attachments",
    "_cached", "_etag", "_lastModified",
)  # fmt: skip
#: Facts by where they stand.
_FACTS = {
    "gitHead": ("gitHead",),
    "_npmVersion": ("_npmVersion",),
    "_nodeVersion": ("_nodeVersion",),
    "repository": ("repository", "url"),
    "directory": ("repository", "directory"),
    "deprecated": ("deprecated",),
    "shasum": ("dist", "shasum"),
    "fileCount": ("dist", "fileCount"),
    "unpackedSize": ("dist", "unpackedSize"),
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One version of a package on a registry."""

    name: str
    version: str
    #: ``sha512-<base64>``, or of old releases ``sha1-<base64>``; empty if the registry names no digest.
    integrity: str
    uploaded: datetime | None
    facts: Mapping[str, str]
    #: What npm shows of this version, in one way of writing it: the same version, the same bytes.
    answer: bytes

    @property
    def file(self) -> IndexFile:
        """Its one file, named as `npm pack` names it."""
        return IndexFile(name=file_name(self.name, self.version), integrity=self.integrity, uploaded=self.uploaded)


def file_name(name: str, version: str) -> str:
    """What `npm pack` calls the tarball: registries name those of scopes in more than one way."""
    return f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"


def checked(name: str, version: str) -> str:
    """What npm is asked for. ``UsageError`` for a name or version that could be read as more than that."""
    if len(name) > 214 or not NAME.match(name):
        msg = f"expected the name of a package of npm's registry, such as left-pad or @types/node, found {name[:200]!r}"
        raise UsageError(msg, hint="a purl has it as pkg:npm/NAME@VERSION, with %40 for the @ of a scope")
    if version and (len(version) > 256 or not VERSION.match(version)):
        msg = f"expected an exact version of {name} such as 1.2.3, found {version[:200]!r}"
        raise UsageError(msg, hint="not a range and not a tag: one version has one tarball")
    return f"{name}@{version}" if version else name


def shown(data: bytes, name: str, version: str) -> Shown:
    """What `npm view NAME@VERSION --json` printed. ``ValueError`` if it is about another package."""
    try:
        told = json.loads(data)
    except RecursionError as error:
        msg = "it is nested too deep"
        raise ValueError(msg) from error
    if isinstance(told, list):
        told = told[-1] if told else None
    if not isinstance(told, dict) or told.get("name") != name or version not in {"", told.get("version")}:
        msg = f"it is not about {name} {version}"
        raise ValueError(msg)
    stated = str(told.get("version"))
    if not VERSION.match(stated):
        msg = f"it names no version: {stated[:100]!r}"
        raise ValueError(msg)
    times = told.get("time")
    time = times.get(stated) if isinstance(times, dict) else None
    kept = {key: value for key, value in told.items() if key not in _OF_THE_PACKAGE}
    kept["time"] = {stated: time}
    return Shown(
        name=name,
        version=stated,
        integrity=_integrity(told.get("dist")),
        uploaded=_time(time),
        facts=_facts(told),
        answer=json.dumps(kept, sort_keys=True, indent=1, ensure_ascii=True).encode() + b"\n",
    )


def newest(data: bytes) -> str:
    """Of what `npm view NAME versions --json` printed, the newest that is no pre-release; empty if there is none."""
    ordered = sorted((version for version in _versions(data) if "-" not in version), key=_key)
    return ordered[-1] if ordered else ""


def nearest(data: bytes, version: str) -> tuple[str, ...]:
    """A few of the same around a version."""
    ordered = sorted(_versions(data), key=_key)
    at = sum(_key(one) < _key(version) for one in ordered)
    start = max(0, min(at - (_SHOWN + 1) // 2, len(ordered) - _SHOWN))
    return tuple(ordered[start : start + _SHOWN])


def matching(chunks: Iterable[bytes], integrity: str, what: str) -> Iterator[bytes]:
    """The bytes as they stream by; ``DigestMismatchError`` at their end if they are not those of the integrity, unless
    that is empty."""
    algorithm = integrity.partition("-")[0] or "sha512"
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if integrity and f"{algorithm}-{base64.b64encode(digest.digest()).decode()}" != integrity:
        msg = f"{what}: the bytes are not those of {integrity[:24]}..."
        raise DigestMismatchError(msg)


def _integrity(dist: object) -> str:
    """The strongest digest that it names."""
    if not isinstance(dist, dict):
        return ""
    words = str(dist.get("integrity") or "")[:_MAX_TEXT].split()
    with suppress(ValueError):
        words.append(f"sha1-{base64.b64encode(bytes.fromhex(str(dist.get('shasum') or '')[:64])).decode()}")
    for algorithm, size in _SUMS.items():
        for word in words:
            name, _, text = word.partition("?")[0].partition("-")
            with suppress(ValueError):
                digest = base64.b64decode(text, validate=True)
                if name == algorithm and len(digest) == size:
                    return f"{name}-{base64.b64encode(digest).decode()}"
    return ""


def _facts(told: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for fact, path in _FACTS.items():
        value: Any = told
        for key in path:
            # A repository may be a text of its own: `owner/name`, or an address.
            value = value.get(key) if isinstance(value, dict) else value if key == "url" else None
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            found[fact] = str(value)[:_MAX_TEXT]
    return found


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text[:64]) if isinstance(text, str) else None
        return time and (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _versions(data: bytes) -> list[str]:
    try:
        told = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return []
    found = told.get("versions") if isinstance(told, dict) else told
    found = [found] if isinstance(found, str) else found
    return [one for one in found if isinstance(one, str) and VERSION.match(one)] if isinstance(found, list) else []


def _key(version: str) -> tuple[int, int, int, bool, str]:
    found = _PARTS.match(version)
    numbers = (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
    return (*numbers, found is not None and not found[4], version)
