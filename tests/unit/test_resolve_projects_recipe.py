"""Recipes of projects: what is pinned comes back, and what is wrong with one is said with file, line and key."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

from rebuilder.errors import RecipeError, UsageError
from rebuilder.lock import ToolchainLock, to_bytes
from rebuilder.model import Origin
from rebuilder.recipe import ProjectRecipe
from rebuilder.resolve.projects import Projects
from rebuilder.resolve.recipes import parse_recipe, render_recipe
from rebuilder.store.blobs import BlobStore
from tests import records
from tests.unit.project_cases import (
    WHEEL,
    built,
    ecosystem,
    flit,
    git,
    locked,
    make,
    origins,
    own,
)

SCHEMAS = Path(__file__).parents[2] / "rebuilder" / "report" / "schemas"


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "state")


@pytest.fixture
def projects(blobs: BlobStore) -> Projects:
    return ecosystem(blobs)


def pinned(projects: Projects, folder: Path, lock: ToolchainLock | None = None, **files: str) -> Path:
    """A recipe of the project, in a folder of its own."""
    found = projects.local(folder, (built(folder),))
    target = folder.parent / "pinned" / "recipe.toml"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(found.recipe_bytes)
    if lock:
        (target.parent / "toolchain.lock.json").write_bytes(to_bytes(lock))
    return target


def test_a_recipe_comes_back_as_it_was_written_and_holds_to_its_schema(projects: Projects, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    (folder / "rebuilder.toml").write_text(
        '[check]\nsource-date-epoch = "none"\nenvironment = { GREETING = "hällo \\"\\u007f" }\n'
        'packages = ["m4 (>= 1)"]\nhistory = true\n'
    )
    git(folder, "add", "rebuilder.toml")
    git(folder, "commit", "-qm", "two")
    for found in (projects.local(folder, (built(folder),)), projects.local(flit(tmp_path / "b"), (built(folder),))):
        recipe = own(found)
        assert parse_recipe(found.recipe_bytes, "recipe.toml") == recipe
        assert render_recipe(recipe).encode() == found.recipe_bytes
        schema = json.loads((SCHEMAS / "recipe.v2.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(tomllib.loads(found.recipe_bytes.decode()))
    first = own(projects.local(folder, (built(folder),)))
    assert (first.build.epoch, first.build.history) == (None, True)
    assert [file.name for file in first.source.files] == ["tree.tar", "history.bundle"]
    assert "m4 (>= 1)" in first.toolchain.relations


def test_a_recipe_is_of_its_commit_wherever_that_is_cloned(projects: Projects, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    recipe = pinned(projects, folder, locked("flit-core"))
    (folder / "demo_flit.py").write_text("later")
    git(folder, "commit", "-qam", "two")
    git(tmp_path, "clone", "-q", str(folder), "clone")
    fresh = ecosystem(BlobStore(tmp_path / "fresh"))
    found = fresh.resolve(str(recipe), source=tmp_path / "clone", artifacts=(built(folder),))
    assert found.recipe_bytes == recipe.read_bytes()
    assert found.warnings == ()
    assert set(origins(found).values()) == {Origin.PINNED}
    source, _ = fresh.source(found)
    assert [file.sha256 for file in source.files] == [file.sha256 for file in own(found).source.files]
    assert fresh.plan(found, source, "generic")[0].inputs[1].name == "flit-core-1.0-py3-none-any.whl"


def test_what_is_stored_suffices_and_what_is_not_is_asked_for(projects: Projects, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    recipe = pinned(projects, folder)
    found = projects.resolve(str(recipe))
    assert origins(found)["toolchain"] is Origin.ASSUMED
    assert "the toolchain is today's suite" in found.warnings[0]
    fresh = ecosystem(BlobStore(tmp_path / "fresh"))
    with pytest.raises(UsageError, match=r"the source of pkg:pypi/.* is not at hand: tree\.tar is not") as raised:
        fresh.resolve(str(recipe))
    assert "not fetched from a Git server yet: name a clone that has the commit, with --source" in raised.value.hint
    with pytest.raises(UsageError, match=rf"that the recipe of .* pins are not in the store: {WHEEL}"):
        fresh.resolve(str(recipe), source=folder)


def test_what_is_given_has_to_be_what_the_recipe_pins(projects: Projects, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    recipe = pinned(projects, folder)
    other = make(tmp_path / "other", {"Makefile": "all:\n"})
    with pytest.raises(UsageError, match=r"expected a clone that has commit .*, found a repository that does not have"):
        projects.resolve(str(recipe), source=other)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match=r"expected a clone that has commit .*, found no repository at"):
        projects.resolve(str(recipe), source=tmp_path / "nothing")
    with pytest.raises(UsageError, match=rf"{WHEEL}: expected sha256 .*, as the recipe pins it, found"):
        projects.resolve(str(recipe), artifacts=(built(folder, data=b"other"),))
    with pytest.raises(UsageError, match=rf"x\.whl: expected one of the recipe's artifacts, {WHEEL}"):
        projects.resolve(str(recipe), artifacts=(built(folder, "x.whl"),))
    tree = own(projects.resolve(str(recipe))).source.files[0].sha256
    recipe.write_text(recipe.read_text().replace(tree, records.sha("edited")))
    with pytest.raises(UsageError, match=r"expected commit .* to give the tree that the recipe pins"):
        projects.resolve(str(recipe), source=folder)


def test_a_history_that_is_packed_otherwise_is_used_and_said(projects: Projects, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    (folder / "rebuilder.toml").write_text("[check]\nhistory = true\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "two")
    recipe = pinned(projects, folder)
    git(tmp_path, "clone", "-q", str(folder), "clone")
    git(tmp_path / "clone", "tag", "later")
    fresh = ecosystem(BlobStore(tmp_path / "fresh"))
    found = fresh.resolve(str(recipe), source=tmp_path / "clone", artifacts=(built(folder),))
    assert any("packs the history of commit" in text and "the tags need not be" in text for text in found.warnings)
    assert origins(found)["source"] is Origin.ASSUMED
    used = fresh.source(found)[0].files[1]
    assert used.sha256 != own(found).source.files[1].sha256
    assert fresh.blobs.has(used.sha256)
    # Another commit may be checked out there: the history is that of the recipe's.
    git(tmp_path / "clone", "checkout", "-q", "HEAD~")
    again = ecosystem(BlobStore(tmp_path / "again"))
    other = again.resolve(str(recipe), source=tmp_path / "clone", artifacts=(built(folder),))
    assert again.source(other)[0].files[0] == fresh.source(found)[0].files[0]


def test_a_lock_without_the_packages_asked_for_is_no_lock_of_this_recipe(projects: Projects, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    found = projects.resolve(str(pinned(projects, folder, records.lock())))
    with pytest.raises(RecipeError, match="expected the packages of pypi that the recipe asks for, found none"):
        projects.plan(found, projects.source(found)[0], "generic")


def refused(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text.encode(), "dir/recipe.toml")
    return caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("relations =", "relation =", "relation =", "unknown key 'toolchain.relation'; did you mean 'relations'?"),
        ("commit =", "comit =", "comit =", "unknown key 'source.comit'; did you mean 'commit'?"),
        ("epoch =", "epok =", "epok =", "unknown key 'build.epok'; did you mean 'epoch'?"),
        ('"python"', '"pyton"', "kind =", "key 'build.kind': expected 'python', 'npm',"),
        ('"git-commit"', '"signed-dsc"', "kind =", "'source.kind': expected one of git-commit, local-tree"),
        ('"git-commit"', '"local-tree"', "commit =", "'source.commit': expected a commit with kind 'git-commit'"),
        ('name = "tree.tar"', 'name = "x"', "[[source.files]]", "'source.files': expected tree.tar, found x"),
        ('cwd = "@TREE@"', 'cwd = "@TREE@/../x"', "cwd =", "'build.steps[0].cwd': expected @TREE@, @OUT@"),
        ('cwd = "@TREE@"', 'cwd = "/etc"', "cwd =", "'build.steps[0].cwd': expected @TREE@, @OUT@"),
        ('path = "/build', 'path = "/etc', "path =", "'build.path': expected a folder below /build"),
        ("lock =", 'want = ["a=1"]\nlock =', "want =", "'toolchain.want': a project says versions in"),
        ('"flit_core >=3.11"', '"a @ https://x.example"', "wheels =", "'toolchain.wheels[0]': expected a requirement"),
        ('"coreutils"', '"-o Dir::Etc=x"', "relations =", "'toolchain.relations[2]': expected a Debian relation"),
        ('"generic"', '"any"', 'build = "any"', "'artifacts[0].build': expected 'generic' for a project"),
        ('"commands"', '"debian"', "strategy =", "'build.strategy': expected 'commands', found \"debian\""),
        ("commit =", 'repository = "https://u:p@x"\ncommit =', "repository =", "URL without credentials, found"),
        ("commit =", 'subfolder = "../x"\ncommit =', "subfolder =", "'source.subfolder': expected a path inside"),
    ],
)
def test_faults_name_file_line_and_key(
    projects: Projects, tmp_path: Path, old: str, new: str, line: str, expected: str
) -> None:
    folder = flit(tmp_path)
    text = projects.local(folder, (built(folder),)).recipe_bytes.decode()
    assert old in text
    wrong = text.replace(old, new, 1)
    found = next(said for said in refused(wrong).splitlines() if expected in said)
    number = re.match(r"dir/recipe\.toml:(\d+): ", found)
    assert number, found
    assert wrong.split("\n")[int(number[1]) - 1].startswith(line), found


def test_a_purl_that_is_another_projects_is_refused(projects: Projects, tmp_path: Path) -> None:
    recipe = pinned(projects, flit(tmp_path))
    recipe.write_text(recipe.read_text().replace("pkg:pypi/demo.flit", "pkg:pypi/requests"))
    with pytest.raises(RecipeError, match=r"expected the purl pkg:pypi/requests@1%212\.0 for demo\.flit|expected the"):
        projects.resolve(str(recipe))


def test_recipes_of_archives_stay_what_they_are(projects: Projects) -> None:
    folder = Path(__file__).parents[2] / "recipes" / "deb"
    found = sorted(folder.rglob("recipe.toml"))
    assert found
    for path in found:
        recipe = parse_recipe(path.read_bytes(), str(path))
        assert not isinstance(recipe, ProjectRecipe)
        assert render_recipe(recipe).encode() == path.read_bytes()
        assert set(recipe.model_dump()["build"]) == {
            "strategy", "steps", "outputs", "path", "parallel", "environment", "limits",
        }  # fmt: skip
        with pytest.raises(RecipeError, match="expected a recipe of a project, found one of pkg:deb"):
            projects.resolve(str(path))
