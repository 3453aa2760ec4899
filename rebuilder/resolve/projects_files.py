"""Files at hand that a project should give: taken into the store, by name and by digest."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from rebuilder.errors import DigestMismatchError, TooLargeError, UsageError
from rebuilder.model import FileDigest

if TYPE_CHECKING:
    from rebuilder.check.model import SourceState
    from rebuilder.model import Published
    from rebuilder.ports import Blobs
    from rebuilder.recipe import ProjectRecipe

FILE_LIMIT = 8 * 1024**3
_CHUNK = 1024**2
_NAMED = 5


def take(paths: tuple[Path, ...], outputs: tuple[str, ...], blobs: Blobs) -> tuple[FileDigest, ...]:
    """The files, in the store. ``UsageError`` for a name that the build could never give, one that is there twice,
    and what is no regular file."""
    if not paths:
        msg = "expected at least one file to compare with, found none"
        raise UsageError(msg, hint="name each with --artifact FILE")
    names = [path.name for path in paths]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        msg = f"expected files of different names, found {twice!r} twice"
        raise UsageError(msg)
    for path in paths:
        if not any(fnmatchcase(path.name, glob) for glob in outputs):
            msg = f"{path}: the build of this project leaves {', '.join(outputs)} and could never give this file"
            raise UsageError(
                msg,
                hint="name a file that the build makes; for a Debian package the source is a folder with "
                "debian/changelog, or a .dsc; what a build leaves is set as `outputs` (docs/check-settings.md)",
            )
    return tuple(take_one(path, blobs) for path in paths)


def take_pinned(paths: tuple[Path, ...], recipe: ProjectRecipe, blobs: Blobs) -> None:
    """Files that a recipe pins, into the store. ``UsageError`` for one that it does not pin, or other bytes."""
    wanted = {item.name: item.sha256 for item in recipe.artifacts}
    for path in paths:
        if path.name not in wanted:
            msg = f"{path}: expected one of the recipe's artifacts, {', '.join(sorted(wanted))}"
            raise UsageError(msg)
        found = take_one(path, blobs)
        if found.sha256 != wanted[path.name]:
            msg = f"{path}: expected sha256 {wanted[path.name]}, as the recipe pins it, found {found.sha256}"
            raise UsageError(
                msg,
                hint="to hold this file against the source at hand, leave the recipe out: --source DIR --artifact FILE",
            )


def require(published: Published, blobs: Blobs) -> None:
    """``UsageError`` where source or artifacts are not in the store: nothing fetches them yet."""
    missing = [file.name for file in published.source_files if not blobs.has(file.sha256)]
    if missing:
        msg = f"the source of {published.purl} is not at hand: {', '.join(missing)} is not in the store"
        raise UsageError(
            msg,
            hint="sources are not fetched from a Git server yet: name a clone that has the commit, with --source DIR",
        )
    lacking = [item.file.name for item in published.artifacts if not blobs.has(item.file.sha256)]
    if lacking:
        msg = f"files that the recipe of {published.purl} pins are not in the store: {', '.join(lacking)}"
        raise UsageError(msg, hint="name each with --artifact FILE; the recipe says which bytes they have to have")


def dirty(folder: Path, state: SourceState, artifacts: tuple[Path, ...]) -> tuple[str, ...]:
    """A sentence on files of the work tree that are not as the commit has them. The artifacts are not meant."""
    if state.kind != "git-commit":
        return ()
    whole = folder.resolve()
    own = {str(path.resolve().relative_to(whole)) for path in artifacts if path.resolve().is_relative_to(whole)}
    found = [path for path in state.dirty if path not in own]
    if not found:
        return ()
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (
        f"the work tree is not as commit {state.commit} has it, and the commit was built: "
        f"{', '.join(found[:_NAMED])}{more}",
    )


def take_one(path: Path, blobs: Blobs) -> FileDigest:
    """A regular file at hand, in the store. ``UsageError`` for anything else, and for a name that no file can have."""
    try:
        return blobs.put(_chunks(path), name=path.name, limit=FILE_LIMIT)
    except (DigestMismatchError, TooLargeError) as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error
    except ValidationError as error:
        msg = f"{path}: expected a plain file name of at most 255 characters, found {path.name!r}"
        raise UsageError(msg) from error


def _chunks(path: Path) -> Iterator[bytes]:
    """A regular file; never blocks on a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                msg = f"{path}: expected a regular file"
                raise UsageError(msg)
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        msg = f"{path}: can't be read: {error.strerror}"
        raise UsageError(msg) from error
