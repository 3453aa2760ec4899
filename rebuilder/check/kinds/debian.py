"""Debian source packages in the tree: debian/control, debian/rules, debian/changelog. Spec: Debian Policy 4 and 5."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rebuilder import deb822
from rebuilder.check.kinds import collect
from rebuilder.check.kinds.needs import C_TOOLS, relation
from rebuilder.check.kinds.tree import Asked, Tree, plain_name, plain_version, read_text, shown, start_of
from rebuilder.check.model import TREE, Project, ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Step

CONTROL = "debian/control"
_FILES = (CONTROL, "debian/rules", "debian/changelog")
_HEADER = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*) \(([^() \t\n]+)\)")


#: By the real clock: with a faked one, patch gives the files it changes a time of 1971, which no other build does.
_PATCHES = Step(argv=("env", "-u", "LD_PRELOAD", "dpkg-source", "--before-build", "."), cwd=TREE)


def seen(tree: Tree) -> str:
    """The files that show a Debian source, or nothing."""
    return ", ".join(_FILES) if tree.names.issuperset(_FILES) else ""


def project(asked: Asked) -> Project:
    """All binary packages, as dpkg-buildpackage makes them. ``UsageError`` for a control file that is none."""
    tree = asked.tree
    header = _HEADER.match(start_of(tree, "debian/changelog"))
    if header is None:
        first = start_of(tree, "debian/changelog").strip().partition("\n")[0]
        msg = f"debian/changelog: expected 'name (version) suite; urgency=...' at its beginning, found {shown(first)!r}"
        raise UsageError(msg)
    return Project(
        kind=ProjectKind.DEBIAN,
        name=plain_name(header[1], asked.name),
        version=plain_version(header[2]),
        found=", ".join(_FILES),
        steps=(_PATCHES, Step(argv=("dpkg-buildpackage", "-us", "-uc", "-b"), cwd=TREE), collect.debian_packages()),
        outputs=("*.deb", "*.udeb"),
        relations=tuple(dict.fromkeys([*C_TOOLS, "fakeroot", *_relations(_fields(tree))])),
        tools=("dpkg-buildpackage",),
    )


def _fields(tree: Tree) -> dict[str, str]:
    """The first paragraph of debian/control; comments, which only this file may have, are left out."""
    rows = read_text(tree, CONTROL).replace("\r\n", "\n").split("\n")
    text = "\n".join(row.rstrip() for row in rows if not row.startswith("#"))
    try:
        first = next(deb822.paragraphs(text.encode()), None)
        if first is not None:
            return deb822.fields(first)
    except deb822.Malformed as error:
        msg = f"{CONTROL}: {shown(str(error))}"
        raise UsageError(msg) from None
    msg = f"{CONTROL}: expected a paragraph with Source and Build-Depends, found an empty file"
    raise UsageError(msg)


def _relations(fields: dict[str, str]) -> Iterator[str]:
    """Dependencies as they stand; conflicts begin with `Conflicts: `, the form `apt-get satisfy` takes."""
    for prefix, field in (("", "Build-Depends"), ("Conflicts: ", "Build-Conflicts")):
        for part in ("", "-Arch", "-Indep"):
            for item in filter(None, map(str.strip, fields.get(f"{field}{part}", "").split(","))):
                yield f"{prefix}{relation(item, f'{CONTROL}: {field}{part}')}"
