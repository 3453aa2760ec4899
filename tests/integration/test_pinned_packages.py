"""Recipes of packages in `recipes/`, verified again from the host's registries by a state without any of their files.

Root filesystems and Debian packages are those that all tests share, so that only the first session makes them.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rebuilder.resolve.recipes import load_recipe
from tests.integration.check_projects import PROGRAM, STATE
from tests.integration.package_world import KEPT

pytestmark = [pytest.mark.integration, pytest.mark.live]
RECIPES = Path(__file__).parents[2] / "recipes"
#: From an sdist, and from the archive of a tag that Debian carries.
PINNED = ("pypi/iniconfig/2.3.0/iniconfig-2.3.0-py3-none-any.whl", "npm/quick-lru/6.1.1")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state of its own: what was published, and what it is made from, is not in it."""
    folder = tmp_path / "state"
    folder.mkdir()
    for part in KEPT:
        if part != "blobs":
            (STATE / part).mkdir(parents=True, exist_ok=True)
            (folder / part).symlink_to(STATE / part)
    return folder


def verify(state: Path, recipe: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, record and messages of `rebuilder verify`; packages of toolchains are taken from the shared state."""
    config = state.parent / "rebuilder.toml"
    config.write_text(f"state = {json.dumps(str(state))}\nevidence = [{json.dumps(str(STATE))}]\n")
    done = subprocess.run(
        [*PROGRAM, "verify", str(recipe), "--no-sign", "--json", *more],
        env={name: value for name, value in os.environ.items() if name != "REBUILDER_STATE"}
        | {"REBUILDER_CONFIG": str(config)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout or "{}"), done.stdout + done.stderr


@pytest.mark.parametrize("name", PINNED)
def test_a_pinned_package_comes_out_equal_again(state: Path, name: str) -> None:
    path = RECIPES / name / "recipe.toml"
    recipe = load_recipe(path)[0]
    pinned = [file.sha256 for file in (*recipe.artifacts, *recipe.source.files)]
    shared = STATE / "blobs"
    assert not [sha256 for sha256 in pinned if (shared / sha256[:2] / sha256).exists()]
    code, record, said = verify(state, path)
    if code == 15 and "pool/" in record["reason"]:
        # Mirrors drop packages that were superseded: then the same recipe with those of today.
        code, record, said = verify(state, path, "--relock")
    assert code == 0, said
    assert record["verdict"] == "reproduced"
    compared = {item["artifact"]: item["published"]["sha256"] for item in record["comparison"]["artifacts"]}
    assert compared == {item.name: item.sha256 for item in recipe.artifacts}
    assert all((state / "blobs" / sha256[:2] / sha256).is_file() for sha256 in pinned)
