"""Pages of Python indexes, as values: the form with times (PEP 691, PEP 700), and the one of links (PEP 503). Pure.

All of it is an index's own and hostile: names are looked up and never used as paths, addresses never leave the
container that fetches, and what does not look like a file of the project is left out.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urldefrag, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version
from pydantic import ValidationError

from rebuilder.errors import UsageError
from rebuilder.htmltags import tags
from rebuilder.releases import IndexFile

MAX_FILES = 200_000
_MAX_TEXT = 2000
#: A name of more bytes can lie in no folder.
_MAX_NAME = 255
_MAX_BASE = 4096
_SHOWN = 5
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,212}[A-Za-z0-9])?\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A file that a page names."""

    file: IndexFile
    version: Version
    #: The version as the file's name spells it.
    spelling: str
    url: str


def checked_name(name: str) -> str:
    """The name as indexes are asked for it (PEP 503). ``UsageError`` for one that is none."""
    if not _NAME.match(name):
        msg = f"expected the name of a Python package (letters, digits, '.', '_' and '-'), found {name[:200]!r}"
        raise UsageError(msg, hint="a purl has it as pkg:pypi/NAME@VERSION")
    return canonicalize_name(name)


def checked_version(name: str, version: str) -> Version | None:
    """The version that was asked for; ``None`` for none. ``UsageError`` for a text that is none (PEP 440)."""
    try:
        return Version(version[:_MAX_TEXT]) if version else None
    except InvalidVersion as error:
        msg = f"expected a version of {name} such as 1.2.3 (PEP 440), found {version[:200]!r}"
        raise UsageError(msg) from error


def offered(page: bytes, kind: str, url: str, project: str) -> tuple[Offered, ...]:
    """The wheels and sdists of a page about a project (its normalised name) that lies at ``url``. ``ValueError`` for
    one that is none."""
    rows = _of_json(page) if "json" in kind.lower() else _of_html(page, url)
    found: dict[str, Offered] = {}
    for number, row in enumerate(rows):
        if number >= MAX_FILES:
            msg = f"it names more than {MAX_FILES} files"
            raise ValueError(msg)
        one = _offered(row, url, project)
        if one is not None:
            found.setdefault(one.file.name, one)
    return tuple(found.values())


def chosen(files: Iterable[Offered], name: str, version: Version | None) -> tuple[Offered, ...]:
    """The files of that version (1.0 is 1.0.0), or of the newest that is neither a pre-release nor yanked.
    ``UsageError`` with the nearest versions if there is none."""
    by_version: dict[Version, list[Offered]] = {}
    for one in files:
        by_version.setdefault(one.version, []).append(one)
    if version is None:
        version = _newest(by_version, name)
    elif version not in by_version:
        near = nearest(sorted(by_version), version)
        msg = f"the index has no version {version} of {name}"
        raise UsageError(msg, hint=f"the nearest that it has: {', '.join(map(str, near))}" if near else "it has none")
    return tuple(sorted(by_version[version], key=lambda one: one.file.name))


def spelled(files: Iterable[Offered]) -> str:
    """The version as the index writes it: as the sdist's name has it, else the wheels'."""
    ordered = sorted(files, key=lambda one: (one.file.name.endswith(".whl"), one.file.name))
    return ordered[0].spelling


def nearest(ordered: list[Version], version: Version) -> tuple[Version, ...]:
    """A few of them around the place where the version would be."""
    at = bisect_left(ordered, version)
    start = max(0, min(at - (_SHOWN + 1) // 2, len(ordered) - _SHOWN))
    return tuple(ordered[start : start + _SHOWN])


def _newest(by_version: Mapping[Version, list[Offered]], name: str) -> Version:
    usable = [
        version
        for version, files in by_version.items()
        if not version.is_prerelease and any(one.file.yanked is None for one in files)
    ]
    if usable:
        return max(usable)
    some = ", ".join(map(str, sorted(by_version)[-_SHOWN:]))
    msg = f"the index has no version of {name} that is neither a pre-release nor yanked"
    raise UsageError(msg, hint=f"name one: {some}" if some else "it has no file of it that is a wheel or an sdist")


def _offered(row: Mapping[str, Any], base: str, project: str) -> Offered | None:
    name = str(row.get("filename", ""))
    version = _version(name, project)
    if version is None:
        return None
    hashes = row.get("hashes")
    sha256 = str(hashes.get("sha256", "")).lower() if isinstance(hashes, dict) else ""
    size = row.get("size")
    try:
        url = urljoin(str(row.get("base", base)), str(row.get("url", "")))
        file = IndexFile(
            name=name,
            sha256=sha256 if _SHA256.match(sha256) else "",
            size=size if isinstance(size, int) and size >= 0 else None,
            uploaded=_time(row.get("upload-time")),
            yanked=_yanked(row.get("yanked")),
            requires_python=str(row.get("requires-python") or "")[:_MAX_TEXT],
        )
    except (ValidationError, ValueError):
        return None
    return Offered(file=file, version=version[0], spelling=version[1], url=urldefrag(url).url)


def _version(file: str, project: str) -> tuple[Version, str] | None:
    """Of a file of that project, also as its name spells it; ``None`` for any other file."""
    if len(file) > _MAX_NAME:
        return None
    try:
        if file.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(file)
            spelling = file.split("-")[1]
        else:
            name, version = parse_sdist_filename(file)
            spelling = file.removesuffix(".zip").removesuffix(".tar.gz").rpartition("-")[2]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion, IndexError):
        return None
    if name != project:
        return None
    with suppress(InvalidVersion):
        if Version(spelling) == version:
            return version, spelling
    return version, str(version)


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text)[:64]) if text else None
        return time and (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _yanked(value: object) -> str | None:
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    return "" if value is True else None


def _of_json(page: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        rows = json.loads(page)["files"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        msg = f"it is no page of an index: {type(error).__name__}"
        raise ValueError(msg) from error
    yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _of_html(page: bytes, url: str) -> Iterator[Mapping[str, Any]]:
    """The links of a page (PEP 503, PEP 592), as rows of the other form."""
    base, based = url, False
    for tag, named in tags(page.decode("utf-8", "replace"), ("a", "base")):
        href = named.get("href", "")
        with suppress(ValueError):
            if tag == "base" and href and not based:
                base, based = urljoin(base, href[:_MAX_BASE]), True
            elif tag == "a" and href:
                yield _link(href, named, base)


def _link(href: str, named: Mapping[str, str], base: str) -> Mapping[str, Any]:
    url, fragment = urldefrag(href)
    return {
        "filename": unquote(urlsplit(url).path.rpartition("/")[2]),
        "url": url,
        "base": base,
        "hashes": {name: values[0] for name, values in parse_qs(fragment).items()},
        "requires-python": named.get("data-requires-python"),
        "yanked": named.get("data-yanked", False),
    }
