"""Trees in memory for the tests of project detection, and one project of each kind."""

from __future__ import annotations

from rebuilder.check.model import Project, ProjectKind
from rebuilder.check.projects import detect
from rebuilder.check.settings import CheckSettings

PYPROJECT = """
[build-system]
requires = ["hatchling>=1.2"]
build-backend = "hatchling.build"
[project]
name = "demo"
version = "1.0"
"""


class Files:
    """A tree in memory."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = {name: text.encode() for name, text in files.items()}
        self.names = frozenset(files)

    def read(self, path: str, limit: int) -> bytes:
        return self._files[path][:limit]


def of(files: dict[str, str], *command: str, **settings: object) -> Project:
    return detect(Files(files), CheckSettings.model_validate(settings), name="folder", command=command)


def words(project: Project) -> list[str]:
    return [" ".join(step.argv) for step in project.steps]


SEEN = {
    ProjectKind.DEBIAN: {
        "debian/control": "Source: demo\nBuild-Depends: debhelper-compat (= 13)\n",
        "debian/rules": "",
        "debian/changelog": "demo (1.0-1) unstable; urgency=low\n",
    },
    ProjectKind.PYTHON: {"pyproject.toml": PYPROJECT},
    ProjectKind.NPM: {"package.json": '{"name": "demo", "version": "1.0.0"}'},
    ProjectKind.CARGO: {"Cargo.toml": '[package]\nname = "demo"\nversion = "0.1.0"\n'},
    ProjectKind.GO: {"go.mod": "module example.org/x/demo/v2\n", "main.go": "package main\n"},
    ProjectKind.MESON: {"meson.build": "project('demo', 'c', version: '1.0')\nexecutable('a', 'a.c', install: true)"},
    ProjectKind.CMAKE: {"CMakeLists.txt": "project(demo VERSION 1.0 LANGUAGES C)\ninstall(TARGETS demo)\n"},
    ProjectKind.AUTOTOOLS: {"configure.ac": "AC_INIT([demo], [1.0])\n"},
    ProjectKind.MAKE: {"Makefile": "all:\n\tcc -o demo demo.c\n"},
}
