"""Whether two texts name the same version: by PEP 440 for Python, letter by letter for npm. Pure, and bounded.

``1.0rc1``, ``1.0.0-rc.1`` and ``1_0_0rc1`` are one version of Python; ``2026.04.22`` is ``2026.4.22``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from packaging.version import InvalidVersion, Version

from rebuilder.releases import System

#: Nothing longer is a version.
LIMIT: Final = 100
_UNDERSCORES = re.compile(r"^[0-9]+(?:_[0-9A-Za-z]+)+$")
_DASHES = re.compile(r"^[0-9]+-[0-9]+-[0-9]+(?:-[0-9]+)*$")
_SEMVER = re.compile(r"^[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$")


def likeness(text: str, version: str, system: System) -> tuple[float, str]:
    """How likely ``text`` means that version (0 to 1), and how it is written, in words; 0 for another version."""
    if not text or len(text) > LIMIT or len(version) > LIMIT:
        return 0.0, ""
    if text == version:
        return 1.0, "the version as it is"
    if system == "npm":
        return _as_npm(text, version)
    wanted = parsed(version)
    if wanted is None:
        return 0.0, ""
    if parsed(text) == wanted:
        return 0.97, f"{text}, which is {version} by PEP 440"
    if _UNDERSCORES.match(text) and parsed(text.replace("_", ".")) == wanted:
        return 0.95, "the version with underscores"
    if _DASHES.match(text) and parsed(text.replace("-", ".")) == wanted:
        return 0.85, "the version with dashes"
    if wanted.epoch and parsed(f"{wanted.epoch}!{text}") == wanted:
        return 0.6, "the version without its epoch"
    return 0.0, ""


def parsed(text: str) -> Version | None:
    """A version of Python; ``None`` for anything else."""
    return _parsed(text) if len(text) <= LIMIT and text.isascii() else None


def looks_like(text: str) -> bool:
    """Whether it is a version at all, in any spelling that is known here."""
    return parsed(text) is not None or bool(_SEMVER.match(text[:LIMIT]) or _UNDERSCORES.match(text[:LIMIT]))


def _as_npm(text: str, version: str) -> tuple[float, str]:
    if _SEMVER.match(text) and text.partition("+")[0] == version.partition("+")[0]:
        return 0.85, "the version with build metadata"
    if "-" not in version and _UNDERSCORES.match(text) and text.replace("_", ".") == version:
        return 0.95, "the version with underscores"
    if version.endswith(".0") and text == version.removesuffix(".0") and text.count(".") == 1:
        return 0.7, "the version without its last zero"
    return 0.0, ""


@lru_cache(maxsize=50_000)
def _parsed(text: str) -> Version | None:
    try:
        return Version(text)
    except (InvalidVersion, ValueError):
        return None
