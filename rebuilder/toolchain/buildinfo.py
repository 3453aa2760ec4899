"""The packages a `.buildinfo` says were installed. Pure; the input is a stranger's and every read is bounded.

Spec: deb-buildinfo(5). Its signature is judged elsewhere, and what is taken apart here is the very text that came
out of that: a clear-sign frame is not read a second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rebuilder import deb822
from rebuilder.toolchain.index import package_name, package_version

MAX_BYTES = 8 * 1024**2
MAX_PACKAGES = 20_000
_ITEM = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+)(?::(?P<architecture>[a-z0-9-]+))? \(= (?P<version>[^()\s]+)\)\Z")


@dataclass(frozen=True)
class InstalledPackages:
    """What was installed where the publisher built."""

    architecture: str
    #: Exact version by name, in the order of the file.
    versions: dict[str, str]


def installed_packages(data: bytes) -> InstalledPackages:
    """Read ``Installed-Build-Depends``, whole, from the text inside a signature. ``deb822.Malformed`` says what is
    wrong."""
    if len(data) > MAX_BYTES:
        msg = f"expected a .buildinfo of at most {MAX_BYTES} bytes, found {len(data)}"
        raise deb822.Malformed(msg)
    paragraphs = list(deb822.paragraphs(data))
    if len(paragraphs) != 1:
        msg = f"expected one paragraph, found {len(paragraphs)}"
        raise deb822.Malformed(msg)
    fields = deb822.fields(paragraphs[0])
    if "Installed-Build-Depends" not in fields:
        msg = "expected the field Installed-Build-Depends, found none: it does not say what it was built with"
        raise deb822.Malformed(msg)
    architecture = fields.get("Build-Architecture", "amd64")
    items = [item for part in fields["Installed-Build-Depends"].split(",") if (item := " ".join(part.split()))]
    if not items or len(items) > MAX_PACKAGES:
        msg = f"expected 1 to {MAX_PACKAGES} installed packages, found {len(items)}"
        raise deb822.Malformed(msg)
    return InstalledPackages(architecture, dict(_pairs(items, architecture)))


def _pairs(items: list[str], architecture: str) -> list[tuple[str, str]]:
    pairs: dict[str, str] = {}
    for item in items:
        match = _ITEM.match(item)
        if not match:
            msg = f"expected 'name (= version)' in Installed-Build-Depends, found {item[:160]!r}"
            raise deb822.Malformed(msg)
        if match["architecture"] not in {None, architecture, "all"}:
            msg = f"{item[:160]!r} is not for {architecture}, as the build is; that cannot be rebuilt here"
            raise deb822.Malformed(msg)
        try:
            name, version = package_name(match["name"]), package_version(match["version"])
        except ValueError as error:
            raise deb822.Malformed(str(error)) from error
        if pairs.setdefault(name, version) != version:
            msg = f"{name} stands in Installed-Build-Depends with two versions"
            raise deb822.Malformed(msg)
    return list(pairs.items())
