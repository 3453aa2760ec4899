"""`verify` of a project: which words are its artifacts, and what is refused before anything is opened or started."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rebuilder.cli.targets import Kind, Said, kind_of
from rebuilder.cli.verify import _words
from rebuilder.errors import RecipeError, UsageError
from rebuilder.store.blobs import BlobStore
from tests.unit.project_cases import built, ecosystem, flit
from tests.unit.test_cli_usage import PURL, folder, run  # noqa: F401 - a fixture is used by name
from tests.unit.test_recipes import TEXT


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
    found = _words(words, "tree", tuple(map(Path, artifacts)))
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
    assert kind_of(Said(source=str(tmp_path))) is Kind.PROJECT
    (tmp_path / "debian").mkdir()
    (tmp_path / "debian" / "changelog").touch()
    assert kind_of(Said(source=str(tmp_path))) is Kind.DEBIAN
    assert kind_of(Said(source=str(tmp_path / "demo_1.0.dsc"))) is Kind.DEBIAN
    assert kind_of(Said(target=PURL)) is Kind.DEBIAN
    assert kind_of(Said(target="pkg:pypi/demo@1.0")) is Kind.PACKAGE
    assert kind_of(Said(target="pkg:npm/%40scope/demo@1.0")) is Kind.PACKAGE


def test_a_recipe_is_of_what_its_format_says(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT)
    assert kind_of(Said(target=str(path))) is Kind.DEBIAN
    source = flit(tmp_path)
    path.write_bytes(ecosystem(BlobStore(tmp_path / "state")).local(source, (built(source),)).recipe_bytes)
    assert kind_of(Said(target=str(path), source=str(source))) is Kind.PROJECT
    path.write_text("format = 1")
    with pytest.raises(RecipeError, match="recipe"):
        kind_of(Said(target=str(path)))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Said(target=PURL, commit="v1"), "--commit only for a package of an index, found it for a Debian package"),
        (Said(target=PURL, from_sdist=True), "--from-sdist only for a package of an index"),
        (Said(target="pkg:pypi/a@1", artifacts=(Path("a.whl"),)), "--artifact only with a recipe or a project"),
        (Said(target="pkg:npm/a@1", buildinfo=Path("x")), "--buildinfo only for a Debian package, found it for a pack"),
        (Said(source="https://code.example/a", artifacts=(Path("a"),)), "--source to be at hand for files that no"),
    ],
)
def test_words_of_another_kind_of_target(said: Said, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        kind_of(said)
