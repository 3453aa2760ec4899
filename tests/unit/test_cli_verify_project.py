"""`verify` of a project: which words are its artifacts, and what is refused before anything is opened or started."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rebuilder.cli.verify import _is_project, _words
from rebuilder.errors import RecipeError, UsageError
from rebuilder.store.blobs import BlobStore
from tests.unit.project_cases import built, ecosystem, flit
from tests.unit.test_cli_usage import PURL, folder, run  # noqa: F401 - a fixture is used by name
from tests.unit.test_recipes import TEXT

NO_OPTIONS: dict[str, object] = {"buildinfo": None}


@pytest.mark.parametrize(
    ("words", "artifacts", "target", "all_artifacts"),
    [
        ((), ("a.whl",), "", ("a.whl",)),
        (("b.whl", "c.tar.gz"), ("a.whl",), "", ("a.whl", "b.whl", "c.tar.gz")),
        (("recipe.toml",), (), "recipe.toml", ()),
        (("recipe.toml", "b.whl"), ("a.whl",), "recipe.toml", ("a.whl", "b.whl")),
    ],
)
def test_a_shell_makes_several_words_of_one_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], artifacts: tuple[str, ...], target: str,
    all_artifacts: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name in ("a.whl", "b.whl", "c.tar.gz", "recipe.toml"):
        (tmp_path / name).touch()
    found = _words(words, Path("tree"), tuple(map(Path, artifacts)))
    assert found == (target, tuple(map(Path, all_artifacts)))


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["one", "two"], "expected one TARGET, found 2: one, two", "each is verified by a run of its own"),
        (["gone.whl", "--source", "tree", "--artifact", "file.deb"], "files after --artifact, found 'gone.whl'", ""),
        (["--source", "file.deb", "--artifact", "file.deb"], "a .dsc, found 'file.deb'", "unpack"),
        (["pinned/recipe.toml", "--source", "tree"], "found them with 'pinned", "fetched"),
        (["--source", "tree", "--artifact", "file.deb", "--buildinfo", "file.deb"], "only for a Debian", "lock"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_keys_are_asked_for(
    folder: Path, arguments: list[str], message: str, hint: str  # noqa: F811
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as raised:
        run("verify", *arguments)
    assert hint in raised.value.hint
    assert not (folder / "state").exists()


def test_a_folder_is_a_debian_package_where_it_has_a_changelog(tmp_path: Path) -> None:
    assert _is_project("", tmp_path, (), NO_OPTIONS)
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "changelog").touch()
    assert not _is_project("", tmp_path, (), NO_OPTIONS)
    assert not _is_project("", tmp_path / "demo_1.0.dsc", (), NO_OPTIONS)
    assert not _is_project(PURL, None, (), NO_OPTIONS)


def test_a_recipe_is_of_what_its_format_says(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT)
    assert not _is_project(str(path), None, (), NO_OPTIONS)
    source = flit(tmp_path)
    path.write_bytes(ecosystem(BlobStore(tmp_path / "state")).local(source, (built(source),)).recipe_bytes)
    assert _is_project(str(path), source, (), NO_OPTIONS)
    path.write_text("format = 1")
    with pytest.raises(RecipeError, match="recipe"):
        _is_project(str(path), None, (), NO_OPTIONS)
