"""Runs in a build's container: gives scalars that a published archive records to the build that makes its namesake.

As ``sitecustomize`` it waits for `tarfile`, `gzip` and `zipfile` of the standard library, and changes what they write
of a member that the build itself adds: its time, in a tar its owner too, and the time in a gzip header. It adds,
removes, renames and reorders nothing, and never sees a member's bytes. As a program (``FILE TREE``) it sets the times
of the tree's files. What it is given is the answer of `resolve/replays.py`; ADR 15 says why this is sound.

Python 3.8 or later, of the toolchain. Every import at the top is one that Python has made before.
"""
# ruff: noqa: ANN401, PTH115, PTH118, PTH119, PTH120, PTH123 - others call it in any way; pathlib costs an import

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

DATA = "/build/input/replay.json"
_LIBRARY = os.path.dirname(os.__file__)
#: How `tempfile` names a file: this, and so many letters before the ending.
_TEMPORARY, _LETTERS = "tmp", 8
#: An archive that writes to a stream that writes to a file.
_DEPTH = 5


class Replay:
    """What is known of each archive, by its file name."""

    def __init__(self, artifacts: dict[str, dict[str, Any]]) -> None:
        self._artifacts = artifacts

    def gzip_time(self, stream: Any) -> int | None:
        """Seconds for the header of a gzip stream."""
        found: int | None = self._of(stream).get("gzip")
        return found

    def tar_member(self, archive: Any, name: str) -> dict[str, Any]:
        """What is to be changed of a member of a tar."""
        found: dict[str, Any] = self._of(archive).get("tar", {}).get(name, {})
        return found

    def zip_time(self, archive: Any, name: str) -> tuple[int, ...]:
        """Year to second of a member of a zip; nothing: it stays as it is."""
        return tuple(self._of(archive).get("zip", {}).get(name, ()))

    def _of(self, archive: Any) -> dict[str, Any]:
        for written in names(archive):
            for name, known in self._artifacts.items():
                if written.endswith(name):
                    return known
            if found := self._temporary(written):
                return found
        return {}

    def _temporary(self, written: str) -> dict[str, Any]:
        """An archive under a name by chance, to be renamed later, where only one is replayed that ends so."""
        ending = written[len(_TEMPORARY) + _LETTERS :]
        if not written.startswith(_TEMPORARY) or not ending.startswith("."):
            return {}
        known = [known for name, known in self._artifacts.items() if name.endswith(ending)]
        return known[0] if len(known) == 1 else {}


def names(archive: Any) -> Iterator[str]:
    """File names of an archive, and of the files that it writes to."""
    for _ in range(_DEPTH):
        if archive is None:
            return
        name = getattr(archive, "name" if hasattr(archive, "name") else "filename", None)
        if isinstance(name, int):
            try:
                name = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                name = None
        if isinstance(name, (str, bytes, os.PathLike)) and name:
            yield os.path.basename(os.fsdecode(name))
        archive = getattr(archive, "fileobj" if hasattr(archive, "fileobj") else "fp", None)


class Exact(float):
    """A time with a fraction that is written as it was: ``repr`` of a float may have other digits."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> Exact:
        """From its digits."""
        made = super().__new__(cls, text)
        made._text = text
        return made

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__


class Standing:
    """The module `time`, as far as a gzip header asks it."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def time(self) -> float:
        """Always the same."""
        return float(self._seconds)


def patch_tarfile(module: Any, replay: Replay) -> None:
    """Members as they are added, and the header of a compressed stream."""
    add, begin = module.TarFile.addfile, module._Stream._init_write_gz

    def addfile(self: Any, tarinfo: Any, *others: Any, **named: Any) -> None:
        changes = replay.tar_member(self, tarinfo.name)
        if changes:
            tarinfo = module.copy.copy(tarinfo)
            for field, value in changes.items():
                setattr(tarinfo, field, seconds(value) if field == "mtime" else value)
        add(self, tarinfo, *others, **named)

    def init_write_gz(self: Any, *others: Any, **named: Any) -> None:
        when, clock = replay.gzip_time(self), module.time
        try:
            if when is not None:
                module.time = Standing(when)
            begin(self, *others, **named)
        finally:
            module.time = clock

    module.TarFile.addfile = addfile
    module._Stream._init_write_gz = init_write_gz


def seconds(text: str) -> int | Exact:
    """A time as tarfile writes it: an integer goes into the header alone, a fraction into a record of its own, too."""
    return Exact(text) if "." in text else int(text)


def patch_gzip(module: Any, replay: Replay) -> None:
    """The header of a gzip file."""
    write = module.GzipFile._write_gzip_header

    def write_gzip_header(self: Any, *others: Any, **named: Any) -> None:
        when = replay.gzip_time(self)
        if when is not None:
            self._write_mtime = when
        write(self, *others, **named)

    module.GzipFile._write_gzip_header = write_gzip_header


def patch_zipfile(module: Any, replay: Replay) -> None:
    """Members as they are added: every way to write one passes this check first."""
    check = module.ZipFile._writecheck

    def writecheck(self: Any, zinfo: Any) -> None:
        when = replay.zip_time(self, zinfo.filename)
        if when:
            zinfo.date_time = when
        check(self, zinfo)

    module.ZipFile._writecheck = writecheck


PATCHES: dict[str, Callable[[Any, Replay], None]] = {
    "tarfile": patch_tarfile,
    "gzip": patch_gzip,
    "zipfile": patch_zipfile,
}


class Finder:
    """Of `sys.meta_path`: patches a module of the standard library once it is imported, and none of the tree's that
    is called so, too."""

    def __init__(self, data: str) -> None:
        self._data = data
        self._replay: Replay | None = None

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """What the other finders find, with the patch behind it."""
        if name not in PATCHES:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        places = (os.path.join(_LIBRARY, f"{name}.py"), os.path.join(_LIBRARY, name, "__init__.py"))
        if spec is not None and spec.loader is not None and spec.origin in places:
            run = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                run(module)
                PATCHES[name](module, self.replay())

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one import
        return spec

    def replay(self) -> Replay:
        """Read once, when it is first needed."""
        if self._replay is None:
            self._replay = Replay(read(self._data)["artifacts"])
        return self._replay


def read(path: str) -> dict[str, dict[str, Any]]:
    """The answer of `resolve/replays.py`."""
    import json

    with open(path, encoding="utf-8") as file:
        found: dict[str, dict[str, Any]] = json.load(file)
    return found


def set_times(tree: str, times: dict[str, int]) -> int:
    """Set the times of regular files, in nanoseconds; links are not followed, and what is not there is left out. How
    many were set."""
    return sum(_set_time(tree, path.split("/"), when) for path, when in times.items())


def _set_time(tree: str, parts: list[str], when: int) -> bool:
    if {"", ".", ".."} & set(parts):
        return False
    folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        if not stat.S_ISREG(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode):
            return False
        os.utime(parts[-1], ns=(when, when), dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def install(data: str) -> None:
    """Wait for the modules; those that are there by now are patched at once."""
    finder = Finder(data)
    sys.meta_path.insert(0, finder)
    for name in PATCHES:
        if name in sys.modules:
            PATCHES[name](sys.modules[name], finder.replay())


if __name__ == "sitecustomize":
    install(DATA)
elif __name__ == "__main__":
    given = read(DATA)["times"]
    sys.stdout.write(f"times of {set_times(sys.argv[1], given)} files, of {len(given)} that are known\n")
