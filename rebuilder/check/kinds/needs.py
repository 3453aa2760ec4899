"""What a project needs besides its own files, checked before it becomes an argument of a program: Debian relations
(Debian Policy 7.1) and Python requirements (PEP 508)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from rebuilder.check.kinds.tree import shown
from rebuilder.errors import UsageError

C_TOOLS = ("build-essential",)
PYTHON_TOOLS = ("python3", "python3-dev", "python3-venv", "python3-pip")

_LONGEST = 1000
#: None may begin with a dash, nor hold what a shell or apt would read as anything else.
_RELATION = re.compile(
    r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?(?: ?\((?:<<|<=|=|>=|>>|<|>) ?[A-Za-z0-9.+:~-]+\))?"
    r"(?: ?\[!?[a-z0-9-]+(?: !?[a-z0-9-]+)*\])?(?: ?<!?[a-z0-9.-]+(?: !?[a-z0-9.-]+)*>)*\Z"
)
#: What a Makefile or a command calls by name, and the package that has it.
_PROGRAMS = {
    r"python3": "python3",
    r"perl": "perl",
    r"javac|jar|java": "default-jdk-headless",
    r"cmake": "cmake",
    r"ninja": "ninja-build",
    r"meson": "meson",
    r"cargo": "cargo",
    r"rustc": "rustc",
    r"go (?:build|install|run|generate)": "golang-go",
    r"node|nodejs": "nodejs",
    r"npm": "npm",
    r"pkg-config|pkgconf": "pkgconf",
    r"flex": "flex",
    r"bison": "bison",
    r"zip": "zip",
    r"gfortran": "gfortran",
    r"gawk": "gawk",
    r"m4": "m4",
    r"xxd": "xxd",
    r"help2man": "help2man",
    r"msgfmt": "gettext",
    r"makeinfo": "texinfo",
}


def relation(text: str, where: str) -> str:
    """One Debian relation, alternatives included, with single blanks. ``UsageError`` for anything else."""
    words = " ".join(text.split())
    if len(words) > _LONGEST or not all(_RELATION.match(part.strip()) for part in words.split("|")):
        msg = f"{where}: expected a Debian relation such as 'libssl-dev (>= 3.0)', found {shown(text)!r}"
        raise UsageError(msg, hint="relations are written as in Build-Depends of debian/control, one a string")
    return words


def requirement(text: str, where: str) -> str:
    """One Python requirement that an index can meet. ``UsageError`` for no requirement, or for one with a URL."""
    try:
        parsed = Requirement(text) if len(text) <= _LONGEST else None
    except (InvalidRequirement, RecursionError):
        parsed = None
    if parsed is None:
        msg = f"{where}: expected a requirement such as 'setuptools>=77' (PEP 508), found {shown(text)!r}"
        raise UsageError(msg)
    if parsed.url:
        msg = f"{where}: expected a requirement that a package index can meet, found a URL in {shown(text)!r}"
        raise UsageError(
            msg, hint=f"name a released version instead, such as '{shown(parsed.name)}==1.0': only an index is asked"
        )
    return " ".join(text.split())


def requirement_names(requirements: Iterable[str]) -> set[str]:
    """Normalised names of requirements that were checked before."""
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def programs(text: str) -> tuple[str, ...]:
    """Packages of the programs that the text of a Makefile or a command calls by their usual names."""
    return tuple(
        package for names, package in _PROGRAMS.items() if re.search(rf"(?<![\w./-])(?:{names})(?![\w.:=-])", text)
    )
