"""`recipes/` and `reports/` of this repository: each recipe can be read, has its lock, and has evidence that holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from rebuilder.attest.pins import Pin, parse_pins
from rebuilder.attest.verify import Wanted, verify_bundle
from rebuilder.model import Record, SourceKind, Verdict
from rebuilder.recipe import PackageRecipe, Recipe
from rebuilder.resolve.recipes import load_lock, load_recipe, recipe_path

REPOSITORY = Path(__file__).parents[2]
RECIPES, REPORTS = REPOSITORY / "recipes", REPOSITORY / "reports"
PATHS = sorted(RECIPES.rglob("recipe.toml"))
PACKAGES = [path for path in PATHS if path.relative_to(RECIPES).parts[0] in ("pypi", "npm")]


def named(path: Path) -> str:
    return str(path.parent.relative_to(RECIPES))


every = pytest.mark.parametrize("path", PATHS, ids=named)
every_package = pytest.mark.parametrize("path", PACKAGES, ids=named)


@cache
def runs() -> dict[str, list[Path]]:
    """Folders of published runs by the sha256 of the recipe that was built from."""
    found: dict[str, list[Path]] = {}
    for folder in sorted((REPORTS / "runs").iterdir()):
        found.setdefault(hashlib.sha256((folder / "recipe.toml").read_bytes()).hexdigest(), []).append(folder)
    return found


def evidence(path: Path) -> tuple[Path, Record]:
    """The newest published run of a recipe, and its record."""
    folder = runs()[hashlib.sha256(path.read_bytes()).hexdigest()][-1]
    return folder, Record.model_validate_json((folder / "run.json").read_bytes())


def pins() -> tuple[Pin, ...]:
    return parse_pins((REPORTS / "demo-pins.json").read_bytes())


def package(path: Path) -> PackageRecipe:
    recipe = load_recipe(path)[0]
    assert isinstance(recipe, PackageRecipe)
    return recipe


@every
def test_a_recipe_lies_where_its_purl_says_and_has_its_lock(path: Path) -> None:
    recipe: Recipe = load_recipe(path)[0]
    assert recipe_path(RECIPES, recipe) == path
    lock, _ = load_lock(path.parent / recipe.toolchain.lock)
    assert lock.suite == recipe.toolchain.suite
    assert lock.packages
    assert lock.roots


@every
def test_a_recipe_has_a_run_whose_bundle_says_what_its_record_says(path: Path) -> None:
    folder, record = evidence(path)
    recipe = load_recipe(path)[0]
    assert (folder / "toolchain.lock.json").read_bytes() == (path.parent / recipe.toolchain.lock).read_bytes()
    assert record.comparison is not None
    (bundle,) = folder.glob("*.intoto.jsonl")
    for compared in record.comparison.artifacts:
        if compared.named:
            wanted = Wanted(name=compared.artifact, sha256=compared.published.sha256)
            report = verify_bundle(bundle.read_bytes(), pins(), (wanted,))
            assert report.exit_code == compared.verdict.exit_code, compared.artifact


@every
def test_a_run_folder_is_whole(path: Path) -> None:
    folder, _ = evidence(path)
    digests: dict[str, str] = json.loads((folder / "files.json").read_bytes())
    there = {file.name for file in folder.iterdir()} - {"files.json"}
    assert there == set(digests)
    for name, digest in digests.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


@every_package
def test_every_package_that_is_pinned_was_reproduced_from_another_file_than_itself(path: Path) -> None:
    _, record = evidence(path)
    recipe = package(path)
    assert record.verdict is Verdict.REPRODUCED
    assert record.comparison is not None
    # A picture that is committed is in the sdist as it is; no published file as a whole is among the inputs.
    assert all(one.member and one.found_in.startswith("tree.tar:") for one in record.comparison.self_input)
    assert recipe.source.kind in (SourceKind.SDIST, SourceKind.RELEASE_TARBALL)
    assert not {item.sha256 for item in recipe.artifacts} & {file.sha256 for file in recipe.source.files}


@every_package
def test_every_package_that_is_pinned_can_be_had_from_a_registry_again(path: Path) -> None:
    recipe = package(path)
    assert recipe.source.archive in ("pypi", "npm", "debian")
    assert recipe.source.files[-1].path.endswith(recipe.source.files[-1].name)
    lock, _ = load_lock(path.parent / recipe.toolchain.lock)
    assert {package.system for package in lock.languages} == {"pypi" if recipe.purl.startswith("pkg:pypi/") else "npm"}


def test_wheels_sdists_and_tarballs_are_pinned_across_the_backends() -> None:
    files = [item.name for path in PACKAGES for item in package(path).artifacts]
    wheels = [name for name in files if name.endswith(".whl")]
    sdists = [name for name in files if name.endswith(".tar.gz")]
    tarballs = [name for name in files if name.endswith(".tgz")]
    assert len(set(wheels)) >= 10
    assert len(set(sdists)) >= 3
    assert len(set(tarballs)) >= 5
    assert {"flit_core", "hatchling", "poetry-core", "pdm-backend", "setuptools"} <= set(_backends())


def _backends() -> Iterator[str]:
    for path in PACKAGES:
        for guess in package(path).guesses:
            if guess.input == "backend":
                yield guess.value.partition("==")[0].replace("flit-core", "flit_core")
