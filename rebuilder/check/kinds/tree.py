"""The tree of a project as this folder sees it, and bounded reading of its files. All of their bytes are hostile."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from rebuilder.errors import UsageError

#: No file that says how a project is built is larger.
READ_LIMIT = 4 * 1024**2
_NAME_LIMIT = 100
#: Of all lines of a TOML file together: a second's work.
_DOTS_SQUARED = 20_000_000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9+._-]+")


class Tree(Protocol):
    """The regular files of a project."""

    @property
    def names(self) -> frozenset[str]:
        """Paths of regular files, relative to the root: ``src/a.c``."""

    def read(self, path: str, limit: int) -> bytes:
        """The first ``limit`` bytes of a file, or all if there are fewer. ``KeyError`` if there is no such file."""


@dataclass(frozen=True)
class OneFile:
    """``Tree`` of a single file."""

    path: str
    data: bytes

    @property
    def names(self) -> frozenset[str]:
        """Its path."""
        return frozenset({self.path})

    def read(self, path: str, limit: int) -> bytes:
        """As ``Tree.read``."""
        return {self.path: self.data}[path][:limit]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a kind is asked to describe."""

    tree: Tree
    #: The folder's name, for a project that does not say its own.
    name: str
    #: Globs that replace what the kind would take as outputs; empty: as the kind does.
    outputs: tuple[str, ...] = ()


def read_text(tree: Tree, path: str) -> str:
    """A whole text file. ``UsageError`` past ``READ_LIMIT``; bytes that are not UTF-8 become U+FFFD."""
    return _read(tree, path).decode("utf-8", "replace")


def start_of(tree: Tree, path: str, limit: int = 64 * 1024) -> str:
    """The beginning of a file, of any size; empty if there is no such file."""
    return tree.read(path, limit)[:limit].decode("utf-8", "replace") if path in tree.names else ""


def read_toml(tree: Tree, path: str) -> dict[str, Any]:
    """The tables of a TOML file; empty if there is no such file. ``UsageError`` for what is no TOML."""
    if path not in tree.names:
        return {}
    msg = f"{path}: nested too deep to be read"
    try:
        text = _read(tree, path).decode("utf-8")
        # A dotted key stands in one line, and reading one takes time with the square of its dots.
        if sum((row.count(".") - 2 * row.count("..")) ** 2 for row in text.split("\n")) <= _DOTS_SQUARED:
            return tomllib.loads(text)
    except RecursionError:
        raise UsageError(msg) from None
    except ValueError as error:
        msg = f"{path}: not valid TOML: {shown(str(error))}"
        raise UsageError(msg) from None
    raise UsageError(msg)


def read_json(tree: Tree, path: str) -> dict[str, Any]:
    """The object of a JSON file. ``UsageError`` for anything else."""
    try:
        found = json.loads(_read(tree, path).decode("utf-8-sig"))
    except RecursionError:
        msg = f"{path}: nested too deep to be read"
        raise UsageError(msg) from None
    except ValueError as error:
        msg = f"{path}: not valid JSON: {shown(str(error))}"
        raise UsageError(msg) from None
    if not isinstance(found, dict):
        msg = f"{path}: expected a JSON object, found {type(found).__name__}"
        raise UsageError(msg)
    return found


def table(value: object, *keys: str) -> dict[str, Any]:
    """The table at ``keys``; empty where there is none, or something else."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def word(value: object) -> str:
    """A string as it is, and anything else as an empty one."""
    return value if isinstance(value, str) else ""


def plain_name(*candidates: object) -> str:
    """The first candidate that has anything left once it is a plain name (``[A-Za-z0-9+._-]``, 100 at most)."""
    for candidate in candidates:
        name = _NOT_IN_NAMES.sub("-", word(candidate).strip()).strip("-.")[:_NAME_LIMIT]
        if name:
            return name
    return "project"


def plain_version(value: object) -> str:
    """A version in one line of printable text, 100 characters at most; empty for anything else."""
    text = word(value).strip()
    return text if text.isprintable() and len(text) <= _NAME_LIMIT else ""


def with_ending(tree: Tree, *endings: str) -> bool:
    """Whether any file of the tree ends like this (``.c``)."""
    return any(PurePosixPath(name).suffix in endings for name in tree.names)


def shown(text: str, limit: int = 160) -> str:
    """Text out of a project, in a message: bounded, in one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:limit])


def _read(tree: Tree, path: str) -> bytes:
    data = tree.read(path, READ_LIMIT + 1)
    if len(data) > READ_LIMIT:
        msg = f"{path}: expected at most {READ_LIMIT} bytes, found more"
        raise UsageError(msg, hint="a file that says how a project is built is never that large")
    return data
