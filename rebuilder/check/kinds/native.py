"""Projects that CMake, Meson, configure or make builds, and plain commands. What they need beyond a compiler no file
says in a form that a program can rely on: a person names it in `packages`."""

from __future__ import annotations

import re

from rebuilder.check.kinds import collect
from rebuilder.check.kinds.needs import C_TOOLS, programs
from rebuilder.check.kinds.tree import Asked, Tree, plain_name, plain_version, start_of, with_ending
from rebuilder.check.model import TREE, Project, ProjectKind
from rebuilder.model import Step

CMAKE, MESON = "CMakeLists.txt", "meson.build"
_CONFIGURES = ("configure", "configure.ac", "configure.in")
#: In the order in which GNU make looks for them.
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_CMAKE_PROJECT = re.compile(
    r"^[ \t]*project[ \t]*\(\s{0,99}\"?([A-Za-z0-9+._-]{1,100})\"?(?:[^)]{0,500}?\bVERSION\s{1,9}([0-9][\w.]{0,99}))?",
    re.IGNORECASE | re.MULTILINE,
)
_MESON_PROJECT = re.compile(r"^project[ \t]*\(\s{0,99}'([^'\n]{1,100})'([^)]*)", re.MULTILINE)
_MESON_VERSION = re.compile(r"\bversion\s*:\s*'([^'\n]+)'")
_AC_INIT = re.compile(
    r"^AC_INIT[ \t]*\(\s{0,9}\[?([^\],)]{1,100})\]?\s{0,9},\s{0,9}\[?([^\],)\s]{1,100})", re.MULTILINE
)
#: Files of a build system that are looked into, at most.
_LOOKED_AT = 500


def cmake_seen(tree: Tree) -> str:
    """The file that shows a CMake project, or nothing."""
    return CMAKE if CMAKE in tree.names else ""


def meson_seen(tree: Tree) -> str:
    """The file that shows a Meson project, or nothing."""
    return MESON if MESON in tree.names else ""


def autotools_seen(tree: Tree) -> str:
    """The file that shows a project with a configure script, or what makes one; or nothing."""
    return next((name for name in _CONFIGURES if name in tree.names), "")


def make_seen(tree: Tree) -> str:
    """The Makefile that GNU make would take, or nothing."""
    return next((name for name in _MAKEFILES if name in tree.names), "")


def cmake(asked: Asked) -> Project:
    """Configure, build, install into a folder, and pack that; without an install rule, what the build made."""
    folder = collect.BUILD_FOLDER
    settings = ("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_INSTALL_PREFIX=/usr")
    build = (
        _run("cmake", "-S", TREE, "-B", folder, "-G", "Ninja", *settings),
        _run("cmake", "--build", folder),
    )
    install = _run("env", f"DESTDIR={collect.STAGE}", "cmake", "--install", folder)
    told = _CMAKE_PROJECT.search(start_of(asked.tree, CMAKE))
    steps, note = _taken(asked, build, install if _mentions(asked.tree, CMAKE, r"(?i)\binstall\s*\(") else None)
    return Project(
        kind=ProjectKind.CMAKE,
        name=plain_name(told[1] if told else "", asked.name),
        version=plain_version(told[2] if told else ""),
        found=CMAKE,
        steps=steps,
        relations=(*C_TOOLS, "cmake", "ninja-build", "pkgconf", *_fortran(asked.tree)),
        tools=("cmake", "ninja", "cc"),
        notes=note,
    )


def meson(asked: Asked) -> Project:
    """Set up, compile, install into a folder, and pack that; without anything to install, what the build made."""
    folder = collect.BUILD_FOLDER
    build = (
        _run("meson", "setup", "--prefix=/usr", "--buildtype=release", "--wrap-mode=nodownload", folder, TREE),
        _run("meson", "compile", "-C", folder),
    )
    install = _run("meson", "install", "-C", folder, "--no-rebuild", "--destdir", collect.STAGE)
    told = _MESON_PROJECT.search(start_of(asked.tree, MESON))
    rest = told[2] if told else ""
    version = _MESON_VERSION.search(rest)
    languages = {"rust": "rustc", "vala": "valac", "cython": "cython3"}
    steps, note = _taken(asked, build, install if _mentions(asked.tree, MESON, r"\binstall") else None)
    return Project(
        kind=ProjectKind.MESON,
        name=plain_name(told[1] if told else "", asked.name),
        version=plain_version(version[1] if version else ""),
        found=MESON,
        steps=steps,
        relations=(
            *C_TOOLS,
            "meson",
            "ninja-build",
            "pkgconf",
            *(package for language, package in languages.items() if f"'{language}'" in rest),
            *_fortran(asked.tree),
        ),
        tools=("meson", "ninja", "cc"),
        notes=note,
    )


def autotools(asked: Asked) -> Project:
    """Configure, make, install into a folder, and pack that. The script is made first if only its source is there."""
    tree = asked.tree
    found = autotools_seen(tree)
    source = next((name for name in _CONFIGURES[1:] if name in tree.names), "")
    text = start_of(tree, source or found)
    told = _AC_INIT.search(text)
    build = (
        *(() if found == "configure" else (_run("autoreconf", "-fi"),)),
        _run("./configure", "--prefix=/usr"),
        _run("make"),
    )
    steps, note = _taken(asked, build, _run("make", "install", f"DESTDIR={collect.STAGE}"))
    # Also where a script is there: with other file times, make may want to make it anew.
    generators = ("autoconf", "automake", "libtool") if source else ()
    gettext = ("gettext", "autopoint") if "GETTEXT" in text else ()
    return Project(
        kind=ProjectKind.AUTOTOOLS,
        name=plain_name(told[1] if told else "", asked.name),
        version=plain_version(told[2] if told else ""),
        found=found,
        steps=steps,
        relations=tuple(dict.fromkeys([*C_TOOLS, "pkgconf", *generators, *gettext, *_fortran(tree)])),
        tools=("sh", "make", "cc"),
        notes=note,
    )


def make(asked: Asked) -> Project:
    """Make, and install into a folder if the Makefile can; else what make made."""
    found = make_seen(asked.tree)
    text = start_of(asked.tree, found, 1024**2)
    target = _installs(text)
    install = _run("make", "install", f"DESTDIR={collect.STAGE}", "PREFIX=/usr", "prefix=/usr")
    steps, note = _taken(asked, (_run("make"),), install if target and "DESTDIR" in text else None)
    if target and "DESTDIR" not in text and not asked.outputs:
        note = (*note, f"`make install` was not run: {found} does not use DESTDIR")
    extra, told = _called(text, found)
    return Project(
        kind=ProjectKind.MAKE,
        name=plain_name(asked.name),
        found=found,
        steps=steps,
        relations=tuple(dict.fromkeys([*C_TOOLS, *extra, *_fortran(asked.tree)])),
        tools=("make", "cc"),
        notes=(*note, *told),
    )


def command(asked: Asked, commands: tuple[tuple[str, ...], ...], where: str) -> Project:
    """Commands of a person; ``where`` says whose. Outputs are the globs asked for, else what the commands made."""
    steps, note = _taken(asked, tuple(_run(*argv) for argv in commands), None)
    extra, told = _called("\n".join(" ".join(argv) for argv in commands), "the command")
    return Project(
        kind=ProjectKind.COMMAND,
        name=plain_name(asked.name),
        found=where,
        steps=steps,
        relations=tuple(dict.fromkeys([*C_TOOLS, *extra])),
        tools=tuple(dict.fromkeys(argv[0] for argv in commands)),
        notes=(*note, *told),
    )


def _run(*argv: str) -> Step:
    return Step(argv=argv, cwd=TREE)


def _taken(asked: Asked, build: tuple[Step, ...], install: Step | None) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """The steps with those that take the outputs, and what has to be said about these."""
    if asked.outputs:
        return (*build, collect.matching(asked.outputs)), ()
    if install is None:
        return collect.around(build), (collect.MADE_NOTE,)
    return (*build, install, collect.installed()), (collect.TAR_NOTE.format(name="install.tar"),)


def _mentions(tree: Tree, name: str, pattern: str) -> bool:
    """Whether any file of this name, or a module of CMake's, says so."""
    files = [path for path in sorted(tree.names) if path.rpartition("/")[2] == name or path.endswith(".cmake")]
    return any(re.search(pattern, start_of(tree, path)) for path in files[:_LOOKED_AT])


def _installs(makefile: str) -> bool:
    """Whether there is a rule for a target `install`."""
    for row in makefile.splitlines():
        targets, colon, rest = row.partition(":")
        if colon and not row.startswith("\t") and not rest.lstrip(":").startswith("=") and "install" in targets.split():
            return True
    return False


def _called(text: str, who: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = programs(text)
    note = f"{who} calls programs of {', '.join(found)}: those packages are installed; name others in `packages`"
    return found, (note,) if found else ()


def _fortran(tree: Tree) -> tuple[str, ...]:
    return ("gfortran",) if with_ending(tree, ".f", ".f90", ".f95", ".for") else ()
