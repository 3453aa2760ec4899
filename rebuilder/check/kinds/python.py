"""Python projects: pyproject.toml, setup.py, setup.cfg. Specs: PEP 517, 518 and 621. Metadata is read, never run."""

from __future__ import annotations

import configparser
import re
from typing import Any

from rebuilder.check.kinds import cargo
from rebuilder.check.kinds.needs import C_TOOLS, PYTHON_TOOLS, requirement, requirement_names
from rebuilder.check.kinds.tree import (
    Asked,
    Tree,
    plain_name,
    plain_version,
    read_toml,
    shown,
    start_of,
    table,
    with_ending,
    word,
)
from rebuilder.check.model import OUT, TOOLS, TREE, Project, ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Step

MANIFEST = "pyproject.toml"
_LEGACY = ("setup.py", "setup.cfg")
#: What PEP 517 says for a project that names no backend.
_DEFAULT_REQUIRES = ["setuptools>=40.8.0", "wheel"]
_FROM_GIT = {
    "dunamai",
    "flit-scm",
    "hatch-vcs",
    "poetry-dynamic-versioning",
    "setuptools-git-versioning",
    "setuptools-scm",
    "setuptools-vcs-versioning",
    "uv-dynamic-versioning",
    "versioneer",
    "versioningit",
}
#: Its sdist is made by `meson dist`, which works in repositories alone.
_MESON = "mesonpy"
_C_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".f", ".f90", ".for", ".pyx")
_FORTRAN = (".f", ".f90", ".for")
#: Build requirements that need more than Python, by their normalised names.
_TOOLS_OF = {
    "cffi": C_TOOLS,
    "cython": C_TOOLS,
    "maturin": (*C_TOOLS, "cargo", "rustc", "patchelf"),
    "meson-python": (*C_TOOLS, "meson", "ninja-build", "patchelf", "pkgconf"),
    "pybind11": C_TOOLS,
    "scikit-build": (*C_TOOLS, "cmake", "ninja-build"),
    "scikit-build-core": (*C_TOOLS, "cmake", "ninja-build"),
    "setuptools-rust": (*C_TOOLS, "cargo", "rustc"),
}
_RUST = {"maturin", "setuptools-rust"}


def seen(tree: Tree) -> str:
    """The file that shows a Python project, or nothing. A pyproject.toml that only configures tools shows none."""
    if MANIFEST in tree.names and {"build-system", "project"} & read_toml(tree, MANIFEST).keys():
        return MANIFEST
    return next((name for name in _LEGACY if name in tree.names), "")


def project(asked: Asked) -> Project:
    """Wheel and sdist, by `build` without isolation. ``UsageError`` for build requirements that no index can meet."""
    tree = asked.tree
    manifest = read_toml(tree, MANIFEST)
    requires, backend = _build_system(manifest)
    names = requirement_names(requires)
    rust = bool(names & _RUST)
    name, version = _identity(tree, manifest)
    history = _reads_git(tree, manifest, names)
    wheels = (*requires, *(() if "build" in names else ("build",)))
    relations = (*PYTHON_TOOLS, *_relations(tree, names), *(("git",) if history else ()))
    return Project(
        kind=ProjectKind.PYTHON,
        name=plain_name(name, asked.name),
        version=plain_version(version),
        found=f"{seen(tree) or MANIFEST}, build backend {shown(backend)}",
        steps=(_step(tree, rust=rust),),
        outputs=("*.whl", "*.tar.gz"),
        relations=tuple(dict.fromkeys(relations)),
        wheels=wheels,
        asks_backend=True,
        history=history,
        tools=("python3",),
    )


def _step(tree: Tree, *, rust: bool) -> Step:
    # With -P, because a folder or file `build` of the tree must not be taken for the program.
    # Both from the tree: else the wheel is made in a folder whose name is another one each time.
    both = ("--sdist", "--wheel")
    words = ("-P", "-m", "build", "--no-isolation", "--skip-dependency-check", *both, "--outdir", OUT, ".")
    environment: tuple[str, ...] = ()
    if rust:
        if "Cargo.toml" in tree.names:
            cargo.require_vendored(tree)
        environment = ("env", *cargo.ENVIRONMENT)
    return Step(argv=(*environment, f"{TOOLS}/bin/python", *words), cwd=TREE)


def _build_system(manifest: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """Requirements, checked, and the name of the backend."""
    system = manifest.get("build-system", {})
    requires = system.get("requires") if isinstance(system, dict) else None
    if "build-system" not in manifest:
        requires = _DEFAULT_REQUIRES
    if not isinstance(requires, list) or not all(isinstance(item, str) for item in requires):
        found = shown(repr(requires))
        msg = f"{MANIFEST}: build-system.requires: expected an array of strings (PEP 518), found {found}"
        raise UsageError(msg, hint='for example: requires = ["setuptools>=77"]')
    where = f"{MANIFEST}: build-system.requires"
    backend = word(table(system).get("build-backend"))
    checked = [requirement(item, where) for item in requires]
    if not backend and "setuptools" not in requirement_names(checked):
        checked.append("setuptools")
    return tuple(dict.fromkeys(checked)), backend or "setuptools (the default)"


def _identity(tree: Tree, manifest: dict[str, Any]) -> tuple[str, str]:
    """Name and version as far as they stand in a file."""
    for found in (table(manifest, "project"), table(manifest, "tool", "poetry")):
        if word(found.get("name")):
            return word(found.get("name")), word(found.get("version"))
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(start_of(tree, "setup.cfg"))
        metadata = dict(parser["metadata"]) if parser.has_section("metadata") else {}
    except configparser.Error:
        metadata = {}
    version = metadata.get("version", "")
    return metadata.get("name", ""), "" if version.startswith(("attr:", "file:")) else version


def _reads_git(tree: Tree, manifest: dict[str, Any], names: set[str]) -> bool:
    if names & _FROM_GIT or "versioneer.py" in tree.names or table(manifest, "tool", "versioneer"):
        return True
    if table(manifest, "tool", "pdm", "version").get("source") == "scm":
        return True
    if word(table(manifest, "build-system").get("build-backend")) == _MESON:
        return True
    legacy = "".join(start_of(tree, name) for name in _LEGACY)
    return bool(re.search(r"\b(?:use_scm_version|setuptools[_-]scm|pbr)\b", legacy))


def _relations(tree: Tree, names: set[str]) -> tuple[str, ...]:
    found = [package for name in sorted(names) for package in _TOOLS_OF.get(name, ())]
    if found or with_ending(tree, *_C_SOURCES):
        found = [*C_TOOLS, *found]
    return (*found, *(("gfortran",) if with_ending(tree, *_FORTRAN) else ()))
