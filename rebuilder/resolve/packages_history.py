"""The head of a bundle of Git (gitformat-bundle(5)): which commit it says that it is of. Pure but for the open file."""

from __future__ import annotations

from typing import BinaryIO

from rebuilder.errors import UsageError
from rebuilder.resolve.projects_recipe import HISTORY_NAME

_FIRST = (b"# v2 git bundle\n", b"# v3 git bundle\n")
_LINE_LIMIT = 64 * 1024
_LINES_LIMIT = 200_000


def require_head(file: BinaryIO, commit: str) -> None:
    """``UsageError`` unless it is a bundle whose HEAD is said to be that commit. Whether the commit is in it, the build
    sees for itself."""
    found = _head(file)
    if found != commit:
        what = f"that of {found}" if found else "none"
        msg = f"expected the {HISTORY_NAME} that the recipe pins to be the history of commit {commit}, found {what}"
        raise UsageError(msg, hint="was the recipe edited? `rebuilder init PURL` writes it anew")


def packed_otherwise(commit: str) -> str:
    """How it is said that a repository gives other bytes for a history."""
    return (
        f"the repository packs the history of commit {commit} otherwise than the {HISTORY_NAME} that the recipe pins: "
        "the commit is the same, the tags need not be"
    )


def _head(file: BinaryIO) -> str:
    """The id in the line of HEAD; empty for what has none, or is no bundle."""
    if file.readline(_LINE_LIMIT) not in _FIRST:
        return ""
    for _ in range(_LINES_LIMIT):
        line = file.readline(_LINE_LIMIT)
        if not line.endswith(b"\n") or line == b"\n":
            break
        named, _, name = line.rstrip(b"\n").partition(b" ")
        if name == b"HEAD" and len(named) in (40, 64) and not named.strip(b"0123456789abcdef"):
            return named.decode("ascii")
    return ""
