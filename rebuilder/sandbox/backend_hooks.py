"""Runs in a sealed container: asks a build backend what else it needs (PEP 517, ``get_requires_for_build_*``).

Usage: ``python -P -c TEXT FILE``, in the tree. Writes a JSON array of PEP 508 requirements; who reads it checks them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from build import ProjectBuilder  # type: ignore[import-not-found]  # there, not here


def main(target: Path) -> None:
    """Ask for both distributions; one that the backend cannot make asks for nothing."""
    builder = ProjectBuilder(".")
    found: set[str] = set()
    for distribution in ("sdist", "wheel"):
        found |= builder.get_requires_for_build(distribution)
    target.write_text(json.dumps(sorted(found)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
