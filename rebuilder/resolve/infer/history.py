"""Commits that wrote a version into a file, where no tag names it. Pure but for the ``Repository`` that is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from rebuilder.resolve.infer.manifests import MANIFESTS, READ_LIMIT, folder_of, read, same_version, text_of

if TYPE_CHECKING:
    from rebuilder.releases import Commit, System
    from rebuilder.resolve.package_ports import Repository

#: So many versions of one file are read, so many of all together, and so many files of a folder are looked at.
PER_FILE: Final = 80
_ALL: Final = 400
_FILES: Final = 20
#: When nothing bounds the time: 2100, in seconds since 1970.
_ANY_TIME: Final = 4102444800
#: A version after that word: a text in quotes, or a tuple of numbers.
_WRITTEN = re.compile(r"(?i:version)[^\n'\"(]{0,60}(?:['\"]([0-9][^'\"\s]{0,60})['\"]|\(([0-9][0-9, ]{1,40})\))")
_MODULES = ("__init__.py", "_version.py", "__version__.py", "__about__.py", "about.py", "version.py", "package_data.py")


class Sought(NamedTuple):
    """A version of a project on an index; ``uploaded`` in seconds since 1970."""

    name: str
    version: str
    system: System
    uploaded: int | None

    @property
    def until(self) -> int:
        """Nothing later is of interest."""
        return _ANY_TIME if self.uploaded is None else self.uploaded


class Written(NamedTuple):
    """A file, and the commits that changed it and left the version in it, newest first."""

    path: str
    commits: tuple[Commit, ...]


def versioned(repository: Repository, sought: Sought, manifests: tuple[str, ...]) -> Written | None:
    """Where the version was written before the upload; ``None`` if no file has it."""
    left = _ALL
    paths = _paths(sought, manifests)
    for path in dict.fromkeys((*_placed(repository, sought, paths), *paths)):
        found: list[Commit] = []
        for commit in repository.touching(path, until=sought.until, limit=PER_FILE)[:left]:
            left -= 1
            if has(repository, commit.id, path, sought):
                found.append(commit)
            elif found:
                break
        if found:
            return Written(path, tuple(found))
    return None


def has(repository: Repository, commit: str, path: str, sought: Sought) -> bool:
    """Whether that file of a commit has the version."""
    data = text_of(repository, commit, path)
    if data is None:
        return False
    if path.rpartition("/")[2] in MANIFESTS[sought.system] and (one := read(path, data)).version:
        return same_version(one.version, sought.version, sought.system)
    text = data[:READ_LIMIT].decode("utf-8", "replace")
    written = (one[1] or re.sub(r"\s*,\s*", ".", one[2].strip(" ,")) for one in _WRITTEN.finditer(text))
    return any(same_version(one, sought.version, sought.system) for one in written)


def _placed(repository: Repository, sought: Sought, paths: list[str]) -> list[str]:
    """Files that may hold the version in the folder where the project lies, as of its newest commit that is found."""
    seeds = sorted((tag for tag in repository.tags() if tag.time <= sought.until), key=lambda tag: -tag.time)[:1]
    seed = seeds[0].commit if seeds else _newest(repository, sought, paths)
    place = folder_of(repository, seed, sought.name, sought.system) if seed else None
    if place is None:
        return []
    inside = f"{place.folder}/" if place.folder else ""
    wanted = (*MANIFESTS[sought.system], *(_MODULES if sought.system == "pypi" else ()))
    below = [path for path in repository.paths(seed) if path.startswith(inside)]
    found = [path for path in below if path.rpartition("/")[2] in wanted and "test" not in path]
    return sorted(found, key=lambda path: (path.count("/"), path))[:_FILES]


def _newest(repository: Repository, sought: Sought, paths: list[str]) -> str:
    for path in paths[:3]:
        if commits := repository.touching(path, until=sought.until, limit=1):
            return commits[0].id
    return ""


def _paths(sought: Sought, manifests: tuple[str, ...]) -> list[str]:
    """Files that may hold a version by the project's name alone, the likeliest first."""
    bare = sought.name.rpartition("/")[2]
    own = manifests or MANIFESTS[sought.system]
    if sought.system == "npm":
        folders = ("", f"packages/{bare}/", f"{bare}/")
        return [*dict.fromkeys(f"{folder}{manifest}" for folder in folders for manifest in own)]
    module = re.sub(r"[-.]+", "_", bare)
    ways = dict.fromkeys((module, module.lower(), bare.replace(".", "/")))
    inside = [f"{root}{way}/{file}" for file in _MODULES for way in ways for root in ("", "src/")]
    return [*dict.fromkeys([*own, *inside, f"{module}.py", f"src/{module}.py"])]
