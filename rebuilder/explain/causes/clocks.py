"""Times that something reads: `make` compares those of files, Python takes a `.pyc` or not by that of its source."""

from __future__ import annotations

import re

from rebuilder.compare.archive.layout import printable
from rebuilder.explain.causes import Scene, Severity
from rebuilder.explain.causes.fields import entries
from rebuilder.explain.causes.kept import once
from rebuilder.findings import MemberPath

_COMPILED = re.compile(rb"\.py[co]$")
_PYTHON = re.compile(r"\.py[cow]?$")
#: Files that make a folder, and all below it, something that is built.
_BUILT = re.compile(
    rb"^(?P<folder>(?:.*/)?)(?:(?:GNUm|m|M)akefile(?:\.(?:in|am|PL))?|[^/]+\.mk|configure(?:\.(?:ac|in))?|CMakeLists\.txt"
    rb"|meson\.build|build\.ninja|SConstruct|[Bb]uild\.xml|build\.gradle|debian/rules)$",
    re.DOTALL,
)
#: The index of a static library on BSD systems: its linker refuses one older than the file.
_INDEX = "__.SYMDEF"


def severity(scene: Scene, path: MemberPath) -> Severity:
    """What the time of a member of an archive may mean."""
    compiled, folders = once(scene, ("clocks", path[:-1]), lambda: _watched(scene, path[:-1]))
    name = path[-1]
    watched = (compiled and _PYTHON.search(name)) or name.startswith((_INDEX, *folders))
    return Severity.INSPECT if watched else Severity.HARMLESS


def _watched(scene: Scene, archive: MemberPath) -> tuple[bool, tuple[str, ...]]:
    """Whether there is compiled Python, and the folders something is built in. Where nobody can tell: all."""
    compiled, folders = False, set()
    try:
        sides = [entries(side) for side in scene.pair(archive)]
    except KeyError:
        sides = [None]
    for names in sides:
        if names is None:
            return True, ("",)
        for one in names:
            compiled = compiled or _COMPILED.search(one.name) is not None
            if found := _BUILT.match(one.name):
                folders.add(printable(found["folder"]))
    # Only the outermost: a large tree has a Makefile in each folder.
    outer: list[str] = []
    for folder in sorted(folders):
        if not outer or not folder.startswith(outer[-1]):
            outer.append(folder)
    return compiled, tuple(outer)
