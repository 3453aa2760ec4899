"""What a person asked for: `pkg:deb/debian/NAME[@VERSION]?distro=SUITE[&arch=...]`, checked. Pure.

Spec: the purl specification and its `deb` type.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rebuilder.errors import UsageError
from rebuilder.resolve.debian_suites import DebianSettings

if TYPE_CHECKING:
    from debian.debian_support import NativeVersion

NAMESPACE = "debian"
SOURCE = "source"
_EXAMPLE = "for example  pkg:deb/debian/less?distro=trixie"
#: Debian Policy 5.6.7 and 5.6.12.
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,254}\Z")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~-]{0,254}\Z")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A purl, taken apart. ``version`` empty: the newest. ``architecture`` empty: any that the suite has."""

    name: str
    version: str
    suite: str
    architecture: str = ""


def parse_target(text: str, settings: DebianSettings) -> Target:
    """Take a purl apart. ``UsageError`` names what is unknown, the nearest name, and what exists."""
    from packageurl import PackageURL

    try:
        purl = PackageURL.from_string(text)
    except ValueError as error:
        msg = f"expected a package URL, found {text[:200]!r}: {error}"
        raise UsageError(msg, hint=_EXAMPLE) from error
    if purl.type != "deb":
        msg = f"expected the package type 'deb', found {purl.type!r}{nearest(purl.type, ['deb'])}"
        raise UsageError(msg, hint=_EXAMPLE)
    if purl.namespace != NAMESPACE:
        msg = f"expected the namespace {NAMESPACE!r}, found {purl.namespace or ''!r}"
        raise UsageError(msg + nearest(purl.namespace or "", [NAMESPACE]), hint=_EXAMPLE)
    qualifiers = dict(purl.qualifiers) if isinstance(purl.qualifiers, dict) else {}
    if purl.subpath or qualifiers.keys() - {"distro", "arch"}:
        unknown = ", ".join(sorted(qualifiers.keys() - {"distro", "arch"})) or f"#{purl.subpath}"
        msg = f"expected no qualifier but distro and arch in {text[:200]!r}, found {unknown}"
        raise UsageError(msg, hint=_EXAMPLE)
    return Target(
        name=_checked(purl.name, NAME, "a package name"),
        version=_checked(purl.version, VERSION, "a version") if purl.version else "",
        suite=_suite(qualifiers.get("distro", ""), settings),
        architecture=_architecture(qualifiers.get("arch", ""), settings),
    )


def purl_of(name: str, version: str, suite: str, architecture: str) -> str:
    """The canonical purl of one package version; ``suite`` may be empty."""
    from packageurl import PackageURL

    qualifiers = {"arch": architecture} | ({"distro": suite} if suite else {})
    return PackageURL("deb", NAMESPACE, name, version, qualifiers).to_string()


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` with up to three names that look alike, or nothing."""
    alike = [other for other in known if abs(len(other) - len(name)) <= 3]
    found = difflib.get_close_matches(name, alike, n=3, cutoff=0.7)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def newest(versions: Sequence[str]) -> str:
    """The newest by Debian's order (deb-version(7)); ``versions`` is not empty."""
    return max(versions, key=order)


def order(version: str) -> NativeVersion:
    """A key to sort versions by."""
    from debian.debian_support import NativeVersion

    return NativeVersion(version)


def _checked(value: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.match(value):
        msg = f"expected {what} as Debian Policy 5.6 allows it, found {value[:80]!r}"
        raise UsageError(msg, hint=_EXAMPLE)
    return value


def _suite(name: str, settings: DebianSettings) -> str:
    if name in settings.suites:
        return name
    known = ", ".join(settings.suites)
    if not name:
        msg = f"expected a suite (?distro=...), found none; known suites: {known}"
        raise UsageError(msg, hint=_EXAMPLE)
    msg = f"unknown suite {name[:80]!r}{nearest(name, settings.suites) or '.'} Known suites: {known}"
    raise UsageError(msg, hint="another suite can be described in rebuilder.toml, table [suites.NAME]")


def _architecture(name: str, settings: DebianSettings) -> str:
    known = ("", settings.architecture, "all", SOURCE)
    if name not in known:
        msg = f"expected arch={settings.architecture}, all or source, found arch={name[:80]}"
        raise UsageError(msg + nearest(name, known[1:]), hint="only these can be rebuilt here")
    return name
