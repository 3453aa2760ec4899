"""What the files of a commit say of the project in a folder: its name and version where they are plain text. Pure.

Nothing is run or imported, so a version that a build computes is not known here. Hostile files: all reads are bounded.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Final, NamedTuple

from rebuilder.errors import UsageError
from rebuilder.releases import System
from rebuilder.resolve.infer.npm_facts import manifest_of
from rebuilder.resolve.infer.spellings import likeness, parsed

if TYPE_CHECKING:
    from rebuilder.resolve.package_ports import Repository

MANIFESTS: Final[dict[System, tuple[str, ...]]] = {
    "npm": ("package.json",),
    "pypi": ("pyproject.toml", "setup.cfg", "setup.py"),
}
READ_LIMIT: Final = 512 * 1024
#: So many are read in search of the folder of a project.
MAX_READ: Final = 200
_ASIDE = frozenset({"node_modules", "test", "tests", "fixtures", "examples", "example", "vendor", "docs"})
_LINE = r"^[ \t]*%s[ \t]*=[ \t]*['\"]?(%s)['\"]?[ \t]*,?[ \t]*(?:#.*)?$"
_NAME = re.compile(_LINE % ("name", "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"), re.MULTILINE)
_VERSION = re.compile(_LINE % ("version", "[0-9][A-Za-z0-9.!+_-]{0,60}"), re.MULTILINE)
#: Versions that a release tool replaces when it publishes.
_PLACEHOLDER = re.compile(r"^0\.0\.0|semantic|development|^0(?:\.0)*$")


class Said(NamedTuple):
    """Name and version of a project, each empty where the files do not say it."""

    path: str
    name: str
    version: str

    @property
    def folder(self) -> str:
        """The folder of the repository; empty for all of it."""
        return self.path.rpartition("/")[0]


def said(repository: Repository, commit: str, folder: str, system: System) -> Said | None:
    """What the manifests in a folder of a commit say; ``None`` if there are none there."""
    found: Said | None = None
    for name in MANIFESTS[system]:
        path = f"{folder}/{name}" if folder else name
        data = text_of(repository, commit, path)
        if data is None:
            continue
        one = read(path, data)
        found = one if found is None else Said(found.path, found.name or one.name, found.version or one.version)
        if found.name and found.version:
            break
    return found


def text_of(repository: Repository, commit: str, path: str) -> bytes | None:
    """A file of a commit; ``None`` if there is none, or one that no manifest is as large as."""
    try:
        return repository.file(commit, path, limit=READ_LIMIT)
    except UsageError:
        return None


def read(path: str, data: bytes) -> Said:
    """What one manifest says."""
    base = path.rpartition("/")[2]
    if base == "package.json":
        manifest = manifest_of(data)
        return Said(path, _text(manifest.get("name")), _text(manifest.get("version")))
    text = data[:READ_LIMIT].decode("utf-8", "replace")
    if base == "pyproject.toml":
        return Said(path, *_of_pyproject(text))
    names, versions = _NAME.findall(text), _VERSION.findall(text)
    return Said(path, names[0] if len(set(names)) == 1 else "", versions[0] if len(set(versions)) == 1 else "")


def folder_of(repository: Repository, commit: str, name: str, system: System) -> Said | None:
    """Where the project of that name lies: at the top if that may be it, else the folder whose manifest has its name.
    ``None`` if no manifest has it."""
    top = said(repository, commit, "", system)
    if top is not None and same_name(top.name, name, system):
        return top
    for folder in _folders(repository.paths(commit), name, system):
        one = said(repository, commit, folder, system)
        if one is not None and same_name(one.name, name, system):
            return one
    return top if top is not None and not top.name else None


def same_name(one: str, other: str, system: System) -> bool:
    """Whether two names are one project's on that index."""
    if system == "npm":
        return one == other
    return bool(one) and re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


def same_version(one: str, other: str, system: System) -> bool:
    """Whether two texts are one version on that index."""
    if system == "npm":
        return one.removeprefix("v") == other
    return likeness(one, other, system)[0] >= 0.97


def is_placeholder(version: str, system: System) -> bool:
    """Whether a version says nothing: a release tool replaces it, or it names no release at all."""
    return bool(_PLACEHOLDER.search(version)) or (system == "pypi" and parsed(version) is None)


def _folders(paths: tuple[str, ...], name: str, system: System) -> list[str]:
    """Folders with a manifest, below the top, likeliest first: of that name, and near the top."""
    bare = re.sub(r"[-_.]+", "-", name.rpartition("/")[2]).lower()
    wanted = MANIFESTS[system]
    folders = {path.rpartition("/")[0] for path in paths if path.rpartition("/")[2] in wanted and "/" in path}
    likely = [folder for folder in folders if not _ASIDE & set(folder.split("/"))]
    return sorted(likely, key=lambda folder: (_far(folder, bare), folder.count("/"), folder))[:MAX_READ]


def _far(folder: str, bare: str) -> int:
    last = re.sub(r"[-_.]+", "-", folder.rpartition("/")[2]).lower()
    if last == bare:
        return 0
    return 1 if bare.endswith(f"-{last}") or last.endswith(f"-{bare}") else 2


def _of_pyproject(text: str) -> tuple[str, str]:
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return "", ""
    project = tables.get("project")
    tool = tables.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    for table in (project, poetry):
        if isinstance(table, dict) and table.get("name"):
            return _text(table.get("name")), _text(table.get("version"))
    return "", ""


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 214 and value.isprintable() else ""
