"""What can be seen to be wrong on the command line is said before anything is opened, asked or started."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rebuilder.cli import cli
from rebuilder.errors import InfrastructureError, UsageError
from tests.unit.test_recipes import TEXT

PURL = "pkg:deb/debian/less?distro=trixie"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a configuration and neither keys nor an engine."""
    config = tmp_path / "rebuilder.toml"
    config.write_text('state = "state"\n')
    monkeypatch.setenv("REBUILDER_CONFIG", str(config))
    monkeypatch.delenv("REBUILDER_STATE", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.deb").write_bytes(b"")
    (tmp_path / "tree").mkdir()
    (tmp_path / "pinned").mkdir()
    (tmp_path / "pinned" / "recipe.toml").write_text(TEXT)
    (tmp_path / "pinned" / "toolchain.lock.json").write_text("{}")
    return tmp_path


def run(*arguments: str) -> None:
    cli.main(list(arguments), standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "TARGET or --source with --artifact, found neither", "rebuilder verify 'pkg:deb/"),
        ([""], "found neither", "rebuilder verify 'pkg:deb/"),
        ([PURL, "--source", "tree", "--artifact", "file.deb"], "found both", "rebuilder verify"),
        (["--source", "tree"], "together, found only --source", "--artifact FILE"),
        (["--artifact", "file.deb"], "found neither", "rebuilder verify"),
        ([PURL, "--artifact", "file.deb"], "together, found only --artifact", "--source DIR"),
        ([PURL, "--suite", "trixie"], "--suite only with --source", "distro="),
        ([PURL, "--pack", "file.deb", "--relock"], "the toolchain, found --pack and --relock", "all but one"),
        (["less"], "'less', which is neither", r"'pkg:deb/debian/less\?distro=trixie'"),
        (["recipes/less"], "'recipes/less', which is neither", r"'pkg:deb/debian/less\?distro=trixie'"),
        (["tree"], "found the folder 'tree'", "--source DIR --artifact FILE"),
        (["pinned"], "found the folder 'pinned'", "rebuilder verify pinned/recipe.toml"),
    ],
)
def test_verify_refuses_what_it_cannot_mean(folder: Path, arguments: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        run("verify", *arguments)
    assert re.search(hint, raised.value.hint), raised.value.hint
    assert not (folder / "state").exists()


def test_without_keys_nothing_is_begun_and_the_command_for_them_is_named(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"expected signing keys in .*state/keys, found none") as raised:
        run("verify", PURL)
    assert "rebuilder keys init --organisation" in raised.value.hint
    assert not (folder / "state").exists()


def test_keys_that_cannot_be_opened_are_met_before_the_build_and_not_after(folder: Path) -> None:
    (folder / "words").write_text("open\n")
    ids = ("--builder-id", "https://lab.example/b", "--verifier-id", "https://lab.example/v")
    run("keys", "init", "--organisation", "Lab", *ids, "--passphrase-file", "words")
    with pytest.raises(UsageError, match="have a passphrase and there is no terminal"):
        run("verify", PURL)
    (folder / "state" / "keys" / "attest.key").chmod(0o644)
    with pytest.raises(UsageError, match="out of others' reach, found mode 0644") as raised:
        run("verify", PURL)
    assert raised.value.hint.startswith("chmod 0600 ")


def test_no_engine_is_our_own_fault_and_says_what_to_do(folder: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"expected a Docker engine at unix://.*nobody.sock") as raised:
        run("verify", PURL, "--no-sign")
    assert raised.value.exit_code == 3
    assert "rebuilder doctor" in raised.value.hint
    assert not (folder / "state" / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "toolchain.lock.json exists", "--relock to replace it, or --pack"),
        (["--with", "make=1"], "exists, and --with would make another", "--relock"),
        (["--buildinfo", "file.deb"], "exists, and --buildinfo would make another", "--relock"),
        (["--with", "make=1", "--buildinfo", "file.deb", "--relock"], "--with or --buildinfo, found both", "every"),
    ],
)
def test_lock_never_replaces_a_lock_unasked(folder: Path, arguments: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        run("lock", "pinned/recipe.toml", *arguments)
    assert hint in raised.value.hint
    assert (folder / "pinned" / "toolchain.lock.json").read_text() == "{}"


def test_the_lock_is_the_one_that_the_recipe_names(folder: Path) -> None:
    recipe = folder / "pinned" / "recipe.toml"
    recipe.write_text(TEXT.replace("[toolchain]", '[toolchain]\nlock = "mine.json"'))
    (folder / "pinned" / "mine.json").write_text("{}")
    with pytest.raises(UsageError, match=r"mine\.json exists"):
        run("lock", "pinned/recipe.toml")
    recipe.with_name("mine.json").unlink()
    with pytest.raises(InfrastructureError, match="expected a Docker engine"):
        run("lock", "pinned/recipe.toml")


def test_show_and_cache_of_an_empty_state(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("show")
    assert "no runs yet; `rebuilder verify TARGET` makes one" in capsys.readouterr().err
    with pytest.raises(UsageError, match="found no run for 'abc'"):
        run("show", "abc")
    run("cache")
    assert "root filesystems: unknown; expected a Docker engine" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["verify", "init", "lock", "show", "publish", "verify-bundle", "keys init"])
def test_every_help_shows_how_it_is_done(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(*words.split(), "--help")
    shown = capsys.readouterr().out
    assert "Example" in shown
    assert f"  rebuilder {words} " in shown or f"  rebuilder {words}\n" in shown


@pytest.mark.parametrize("option", [("--tries", "2"), ("--no-sign",)])
def test_what_only_a_try_needs_is_refused_without_one(option: tuple[str, ...]) -> None:
    from click.testing import CliRunner

    from rebuilder.cli.explain import explain
    from rebuilder.errors import UsageError

    found = CliRunner().invoke(explain, ["20261120T0000", *option])
    assert isinstance(found.exception, UsageError)
    assert f"{option[0]} needs --confirm" in found.exception.message
