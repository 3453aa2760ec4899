"""Finds out how a project is built: by a command, by its settings, or by the files it has. Pure, and total: what is not
understood is a ``UsageError`` that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rebuilder.check.kinds import cargo, debian, go, native, npm, python
from rebuilder.check.kinds.needs import PYTHON_TOOLS
from rebuilder.check.kinds.tree import Asked, Tree
from rebuilder.check.model import Project, ProjectKind
from rebuilder.check.settings import CheckSettings
from rebuilder.errors import UsageError

__all__ = ["Tree", "detect"]

_EXAMPLE = """say how it is built, in pyproject.toml
  [tool.rebuilder.check]
or in rebuilder.toml
  [check]
and there, for example,
  build = [["./build.sh"]]
  outputs = ["dist/*"]
  packages = ["python3"]
or give the command: rebuilder check DIR -- ./build.sh"""


class _Kind(NamedTuple):
    kind: ProjectKind
    seen: Callable[[Tree], str]
    project: Callable[[Asked], Project]
    files: str


#: The first that is seen wins.
_KINDS = (
    _Kind(ProjectKind.DEBIAN, debian.seen, debian.project, "debian/control with debian/rules and debian/changelog"),
    _Kind(ProjectKind.PYTHON, python.seen, python.project, "pyproject.toml with [build-system], setup.py or setup.cfg"),
    _Kind(ProjectKind.NPM, npm.seen, npm.project, "package.json with name and version"),
    _Kind(ProjectKind.CARGO, cargo.seen, cargo.project, "Cargo.toml"),
    _Kind(ProjectKind.GO, go.seen, go.project, "go.mod"),
    _Kind(ProjectKind.MESON, native.meson_seen, native.meson, "meson.build"),
    _Kind(ProjectKind.CMAKE, native.cmake_seen, native.cmake, "CMakeLists.txt"),
    _Kind(ProjectKind.AUTOTOOLS, native.autotools_seen, native.autotools, "configure or configure.ac"),
    _Kind(ProjectKind.MAKE, native.make_seen, native.make, "GNUmakefile, makefile or Makefile"),
)
#: Their outputs are packages, which their own tools name.
_OWN_OUTPUTS = {ProjectKind.DEBIAN, ProjectKind.PYTHON, ProjectKind.NPM, ProjectKind.GO}


def detect(tree: Tree, settings: CheckSettings, *, name: str, command: tuple[str, ...] = ()) -> Project:
    """How the project is built. ``command`` (one argv, run in the tree) comes before ``settings.build``, that before
    ``settings.kind``, and that before what is found. ``name`` is for a project that does not say its own.

    ``UsageError`` where nothing is found, or what was found can't be built without a network.
    """
    asked = Asked(tree=tree, name=name, outputs=settings.outputs)
    told = f" in {settings.where}" if settings.where else " in the settings"
    found = tuple(kind for kind in _KINDS if kind.seen(tree))
    if command:
        project = _by_command(asked, settings, (command,), "the command given")
    elif settings.build:
        project = _by_command(asked, settings, settings.build, f"build{told}")
    elif settings.kind is not None:
        project = _of_kind(asked, settings.kind, f"kind = {settings.kind.value!r}{told}")
    elif found:
        project = _of_kind(asked, found[0].kind, f"found {found[0].seen(tree)}")
        project = _with_note(project, _others(found))
    else:
        looked = "\n".join(f"  {kind.kind.value}: {kind.files}" for kind in _KINDS)
        msg = f"expected a file that says how the project is built, found none of\n{looked}"
        raise UsageError(msg, hint=_EXAMPLE)
    return _with_settings(project, settings)


def _of_kind(asked: Asked, wanted: ProjectKind, why: str) -> Project:
    kind = next((one for one in _KINDS if one.kind is wanted), None)
    if kind is None:
        msg = f"{why}: expected the commands in `build`, found none"
        raise UsageError(msg, hint='for example: build = [["./build.sh"]]')
    if not kind.seen(asked.tree):
        msg = f"{why}: expected {kind.files} in the root of the project, found no such file"
        raise UsageError(msg, hint="leave `kind` out for what is found, or give the commands in `build`")
    if asked.outputs and wanted in _OWN_OUTPUTS:
        msg = f"{why}: the tools of this kind name their own outputs, so `outputs` would say nothing"
        raise UsageError(msg, hint="leave `outputs` out, or give the commands in `build` as well")
    return kind.project(asked)


def _by_command(asked: Asked, settings: CheckSettings, commands: tuple[tuple[str, ...], ...], where: str) -> Project:
    """The commands, with what the files of the project say that it needs."""
    project = native.command(asked, commands, where)
    if settings.kind is ProjectKind.COMMAND:
        return project
    own = Asked(tree=asked.tree, name=asked.name)
    if settings.kind is not None:
        return _with_needs(project, _of_kind(own, settings.kind, f"kind = {settings.kind.value!r}"))
    seen = next((kind for kind in _KINDS if kind.seen(asked.tree)), None)
    if seen is None:
        return project
    try:
        return _with_needs(project, seen.project(own))
    except UsageError as error:
        return _with_note(project, f"what the project needs could not be read off its files: {error.message}")


def _with_needs(project: Project, other: Project) -> Project:
    note = f"installed besides is what {other.found} needs (kind {other.kind.value})"
    return project.model_copy(
        update={
            "name": other.name,
            "version": other.version,
            "relations": _joined(project.relations, other.relations),
            "wheels": other.wheels,
            "asks_backend": other.asks_backend,
            "npm": other.npm,
            "environment": other.environment,
            "history": other.history,
            "tools": _joined(project.tools, other.tools),
            "named_zones": other.named_zones,
            "notes": (*project.notes, note),
        }
    )


def _with_settings(project: Project, settings: CheckSettings) -> Project:
    wheels = _joined(project.wheels, settings.wheels)
    return project.model_copy(
        update={
            "relations": _joined(project.relations, (*(PYTHON_TOOLS if wheels else ()), *settings.packages)),
            "wheels": wheels,
            "environment": {**project.environment, **settings.environment},
            "history": project.history if settings.history is None else settings.history,
        }
    )


def _others(found: tuple[_Kind, ...]) -> str:
    if len(found) == 1:
        return ""
    others = ", ".join(f"{kind.files} ({kind.kind.value})" for kind in found[1:])
    return f"also found: {others}; to build that instead, set kind = {found[1].kind.value!r} in [tool.rebuilder.check]"


def _with_note(project: Project, note: str) -> Project:
    return project.model_copy(update={"notes": (*project.notes, note)}) if note else project


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))
