"""Recipes of packages, as far as their build is concerned."""

from __future__ import annotations

from typing import Any

from rebuilder.check.model import ProjectKind
from rebuilder.model import SourceKind
from rebuilder.recipe import (
    V3,
    PackageBuild,
    PackageRecipe,
    PackageSource,
    PackageToolchain,
    ProjectStep,
    RecipeArtifact,
    RecipeEndorsement,
    RecipeFile,
    Replay,
)

SDIST, WHEEL = "demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl"
_FILE = {"sha256": "ab" * 32, "size": 1}


def recipe(*replay: Replay, toolchain: dict[str, Any] | None = None, **build: Any) -> PackageRecipe:
    """One of `demo`, with these replays and changes of ``[toolchain]`` and ``[build]``."""
    steps = (ProjectStep(argv=("@TOOLS@/bin/python", "-m", "build", "--outdir", "@OUT@"), cwd="@TREE@"),)
    asked: dict[str, Any] = {"suite": "trixie", "relations": ("python3",), "wheels": ("build",)}
    made: dict[str, Any] = {
        "strategy": "commands", "kind": ProjectKind.PYTHON, "steps": steps, "outputs": ("*.whl", "*.tar.gz"),
        "path": "/build/work/demo", "replay": replay,
    }  # fmt: skip
    return PackageRecipe(
        format=V3,
        purl="pkg:pypi/demo@1.0",
        source=PackageSource(
            kind=SourceKind.GIT_COMMIT, name="demo", version="1.0", commit="ab" * 20,
            files=(RecipeFile(name="tree.tar", path="tree.tar", **_FILE),),
        ),
        artifacts=tuple(
            RecipeArtifact(name=name, path=name, package="demo", version="1.0", architecture="noarch", build="generic",
                           **_FILE)
            for name in (SDIST, WHEEL)
        ),
        endorsement=RecipeEndorsement(anchor="none", allow_missing="a test"),
        toolchain=PackageToolchain(**asked | (toolchain or {})),
        build=PackageBuild(**made | build),
    )  # fmt: skip
