"""What the pages on packages say holds: every key of a recipe v3 has its row, the example is read, the sketch runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from rebuilder.model import FileDigest
from rebuilder.recipe import (
    GuessedInput,
    PackageBuild,
    PackageRecipe,
    PackageSource,
    PackageToolchain,
    ProjectBuild,
    ProjectSource,
    ProjectToolchain,
    RecipeGuess,
    Replay,
    Replayed,
)
from rebuilder.releases import Commit, IndexFile, Release
from rebuilder.resolve.package_kind import Ground, Taken, Wanted
from rebuilder.resolve.recipes import parse_recipe, render_recipe

DOCS = Path(__file__).parents[2] / "docs"
RECIPE = (DOCS / "formats" / "recipe.md").read_text(encoding="utf-8")
V3 = RECIPE.partition("## Version 3")[2].partition("\n## ")[0]


def documented(text: str) -> set[str]:
    """Keys with a row in a table."""
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)}


@pytest.mark.parametrize(
    ("own", "base"),
    [
        (PackageSource, ProjectSource),
        (PackageToolchain, ProjectToolchain),
        (PackageBuild, ProjectBuild),
        (Replay, None),
        (RecipeGuess, None),
    ],
    ids=lambda model: getattr(model, "__name__", "-"),
)
def test_every_key_that_came_with_v3_has_a_row(own: Any, base: Any) -> None:
    new = set(own.model_fields) - (set(base.model_fields) if base else set())
    assert new - {"replay"} <= documented(V3)
    assert "`[[build.replay]]`" in V3
    assert "`[[guesses]]`" in V3


def test_every_word_that_a_key_may_have_is_named() -> None:
    for word in (*get_args(GuessedInput), *get_args(Replayed)):
        assert f"`{word}`" in V3, word


def test_the_example_of_a_package_is_a_recipe() -> None:
    (text,) = [one for one in re.findall(r"```toml\n(.*?)```", RECIPE, re.DOTALL) if "recipe/v3" in one]
    recipe = parse_recipe(text.encode(), "docs/formats/recipe.md")
    assert isinstance(recipe, PackageRecipe)
    assert parse_recipe(render_recipe(recipe).encode(), "again") == recipe


def test_the_sketch_of_another_ecosystem_runs() -> None:
    page = (DOCS / "adding-an-ecosystem.md").read_text(encoding="utf-8")
    (sketch,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    world: dict[str, Any] = {}
    exec(IMPORTS + sketch, world)
    gems = world["Gems"]()
    files = (IndexFile(name="demo-1.0.gem"), IndexFile(name="demo-1.0-x86_64-linux.gem"))
    facts = {"source_code_uri": "https://code.example.org/team/demo"}
    release = Release.model_construct(system="gems", name="demo", version="1.0", files=files, facts=facts)
    wanted = Wanted(system="npm", name="demo")
    targets = gems.targets(release, wanted)
    assert [file.name for file in targets.files] == ["demo-1.0.gem"]
    gem = FileDigest(name="demo-1.0.gem", sha256="ab" * 32, size=1)
    taken = Taken(wanted=wanted, release=release, targets=targets, files=(gem,), paths={})
    assert gems.origins(taken).repositories[0].value == "https://code.example.org/team/demo"
    draft = gems.draft(taken, Ground(tree=None, commit=Commit(id="ab" * 20, time=5)))
    assert draft.build.epoch == 5
    assert draft.build.steps[0].argv[:2] == ("gem", "build")


IMPORTS = """
from typing import ClassVar
from rebuilder.check import variations
from rebuilder.check.model import ProjectKind
from rebuilder.errors import Stopped
from rebuilder.model import Origin, Verdict
from rebuilder.recipe import PackageBuild, PackageToolchain, ProjectStep
from rebuilder.releases import Guess, Release, System
from rebuilder.resolve.infer import repository
from rebuilder.resolve.package_kind import Draft, Ground, Origins, Taken, Targets, Wanted
"""
