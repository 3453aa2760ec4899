"""Packages that the scripts before packing need, where no lock says: those of ``package.json`` that they name. Pure.

A project asks for far more than its build needs: linters, test runners, some of them from places that no registry
knows. What is named is what scripts call, what they name in their options, and what the configuration of a tool names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from rebuilder.check.kinds.tree import Tree, shown, start_of, table, word
from rebuilder.recipe import NPM_SPEC

_SPEC = re.compile(NPM_SPEC)
_LONGEST_SPEC: Final = 480
#: Installed with the package itself; a bundler takes them in.
_ALWAYS: Final = ("dependencies", "optionalDependencies", "peerDependencies")
#: Programs that read what they do elsewhere, so that no text says what they need.
_OPAQUE: Final = frozenset({"make", "gulp", "grunt", "sh", "bash", "lerna", "nx", "turbo", "wireit", "cake", "jake"})
#: Programs whose package is called otherwise.
_PROGRAMS: Final[Mapping[str, str]] = {
    "typescript": "tsc",
    "@babel/cli": "babel",
    "babel-cli": "babel",
    "npm-run-all": "run-s",
    "npm-run-all2": "run-s",
    "in-publish": "not-in-publish",
    "coffeescript": "coffee",
    "coffee-script": "coffee",
}
#: Packages that go with one that is named.
_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "typescript": ("@types/", "tslib"),
    "@babel/cli": ("@babel/", "babel-"),
    "@babel/core": ("@babel/", "babel-"),
    "rollup": ("rollup-", "@rollup/"),
    "webpack": ("webpack-", "-loader"),
}
_WORD = re.compile(r"[@A-Za-z0-9_][@A-Za-z0-9_./~-]{0,200}")
_CONFIGURATION = re.compile(
    r"^(?:\.[a-z0-9-]{1,40}rc(?:\.[a-z]{2,5})?|[a-z0-9.-]{1,40}\.config\.[a-z]{2,4}|tsconfig[a-z.-]{0,40}\.json)$"
)
_SCRIPT_ENDINGS: Final = (".js", ".mjs", ".cjs", ".ts")
_FILE_LIMIT: Final = 256 * 1024
_FILES: Final = 40


class Needs(NamedTuple):
    """`name@range` of each, and names of those that no registry can give."""

    packages: tuple[str, ...]
    elsewhere: tuple[str, ...]


def needs(tree: Tree, manifest: Mapping[str, object], lifecycle: tuple[str, ...], more: tuple[str, ...] = ()) -> Needs:
    """What scripts of these names need, and packages of these names besides (``more``), in order."""
    scripts = {name: word(text) for name, text in table(manifest, "scripts").items()}
    text = "\n".join(_reached(scripts, lifecycle))
    words = set(_WORD.findall(text))
    everything = bool(_OPAQUE & words)
    words |= _named_in_files(tree, words) if lifecycle else set()
    asked: dict[str, str] = {}
    for field in (*_ALWAYS, "devDependencies"):
        rows = {name: word(range_) for name, range_ in table(manifest, field).items()}
        kept = set(rows) if everything or field in _ALWAYS else _kept(set(rows), words) | {*more} & set(rows)
        asked |= {name: range_ for name, range_ in rows.items() if name in kept}
    if not lifecycle and more:
        asked = {name: range_ for name, range_ in asked.items() if name in more}
    specs = {name: f"{name}@{range_.strip() or '*'}" for name, range_ in sorted(asked.items())}
    good = tuple(spec for spec in specs.values() if len(spec) <= _LONGEST_SPEC and _SPEC.fullmatch(spec))
    return Needs(good, tuple(shown(name) for name, spec in specs.items() if spec not in good))


def _reached(scripts: Mapping[str, str], first: tuple[str, ...]) -> Iterator[str]:
    """Texts of those scripts and of all that they run, each once."""
    todo, seen = [*first], set[str]()
    while todo:
        name = todo.pop()
        if name in seen or name not in scripts:
            continue
        seen.add(name)
        yield scripts[name]
        todo += [f"pre{name}", f"post{name}"]
        called = {*re.findall(r"[A-Za-z0-9_:.-]{1,100}", scripts[name])}
        if called & {"npm", "yarn", "pnpm", "run-s", "run-p", "npm-run-all"}:
            todo += sorted(called & set(scripts))


def _named_in_files(tree: Tree, words: set[str]) -> set[str]:
    """Words of configuration at the top of the tree, and of programs of the tree that scripts run."""
    called = {one.removeprefix("./") for one in words}
    files = sorted(
        name for name in tree.names
        if ("/" not in name and _CONFIGURATION.match(name))
        or name in called or (name.endswith(_SCRIPT_ENDINGS) and name.rpartition(".")[0] in called)
    )  # fmt: skip
    found: set[str] = set()
    for name in files[:_FILES]:
        found |= set(_WORD.findall(start_of(tree, name, _FILE_LIMIT)))
    return found


def _kept(names: set[str], words: set[str]) -> set[str]:
    """Those that words name: by name, by a file of theirs, or by their program."""
    parts = {"/".join(one.split("/")[: 2 if one.startswith("@") else 1]) for one in words}
    bare = {PurePosixPath(one).name for one in words} | {PurePosixPath(one).stem for one in words}
    kept = {
        name for name in names
        if name in parts or name.rpartition("/")[2] in bare or _PROGRAMS.get(name, name) in bare
    }  # fmt: skip
    marks = tuple(mark for name in kept for mark in _FAMILIES.get(name, ()))
    return kept | {name for name in names if any(name.startswith(mark) or name.endswith(mark) for mark in marks)}
