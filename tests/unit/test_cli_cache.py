"""`rebuilder cache`: clones and what indexes said are shown, and forgotten only where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuilder.cli import cli
from rebuilder.errors import RecipeError, UsageError
from rebuilder.lock import LanguagePackage, ToolchainLock, to_bytes
from rebuilder.store import durable
from rebuilder.store.blobs import BlobStore
from tests import records


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with a clone and a note, and no engine."""
    config = tmp_path / "rebuilder.toml"
    config.write_text('state = "state"\n')
    monkeypatch.setenv("REBUILDER_CONFIG", str(config))
    monkeypatch.delenv("REBUILDER_STATE", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    made = tmp_path / "state"
    for name in ("git/ab/objects/pack/x.pack", "releases/cd.json", "languages/ef.json"):
        path = made / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 1_500_000)
    (made / "git" / "ab.lock").write_bytes(b"")
    (made / "git/ab/objects/pack/x.pack").chmod(0o444)
    return made


def run(*arguments: str) -> None:
    cli.main(list(arguments), standalone_mode=False)


def test_what_was_fetched_is_shown_by_kind(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("cache")
    shown = capsys.readouterr().out
    assert "  clones of repositories, 1.5 MB\n" in shown
    assert "  what indexes said of releases, 1.5 MB\n" in shown
    assert "  what requirements came to, 1.5 MB\n" in shown


def test_clones_and_answers_stay_unless_they_are_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("cache", "trim")
    assert capsys.readouterr().out == "forgot 0 blobs, 0.0 MB\n"
    assert (state / "git/ab/objects/pack/x.pack").exists()
    run("cache", "trim", "--clones")
    assert "forgot clones of repositories, 1.5 MB\n" in capsys.readouterr().out
    assert list((state / "git").iterdir()) == []
    assert (state / "releases/cd.json").exists()
    run("cache", "trim", "--answers")
    assert list((state / "releases").iterdir()) == list((state / "languages").iterdir()) == []
    capsys.readouterr()
    run("cache")
    assert "clones of" not in capsys.readouterr().out


def test_a_folder_that_is_a_link_is_emptied_and_what_links_lead_to_is_left(state: Path, tmp_path: Path) -> None:
    (state / "git").rename(tmp_path / "elsewhere")
    (state / "git").symlink_to(tmp_path / "elsewhere")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"kept")
    (tmp_path / "elsewhere" / "link").symlink_to(outside)
    run("cache", "trim", "--clones")
    assert (state / "git").is_symlink()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (outside / "file").read_bytes() == b"kept"


def test_nothing_is_forgotten_while_another_command_works(state: Path) -> None:
    with durable.in_use(state), pytest.raises(UsageError, match="another rebuilder command is using"):
        run("cache", "trim", "--clones")
    assert (state / "git/ab/objects/pack/x.pack").exists()


def locked(blobs: BlobStore, text: str) -> ToolchainLock:
    """A lock with one wheel, which is in the blobs."""
    wheel = blobs.put([text.encode()], name="demo-1.0-py3-none-any.whl", limit=99)
    package = LanguagePackage(
        system="pypi", name="demo", version="1.0", file=wheel.name, sha256=wheel.sha256, size=wheel.size
    )
    return records.lock().with_languages((package,))


def test_wheels_that_a_recorded_toolchain_names_are_kept_like_its_debian_packages(state: Path) -> None:
    blobs = BlobStore(state)
    lock = locked(blobs, "a wheel")
    blobs.put([b"nobody names it"], name="x", limit=99)
    (state / "check").mkdir()
    (state / "check" / "ab.json").write_bytes(to_bytes(lock))
    (state / "check" / "old.json").write_bytes(b"{}")
    run("cache", "trim")
    assert [name for name, _ in blobs.names()] == [lock.languages[0].sha256]
    run("cache", "trim", "--toolchains")
    assert not list(blobs.names())


def test_a_broken_lock_of_a_tool_is_said_and_nothing_forgotten(state: Path) -> None:
    blobs = BlobStore(state)
    blobs.put([b"nobody names it"], name="x", limit=99)
    (state / "tools").mkdir()
    (state / "tools" / "diffoscope.lock.json").write_bytes(b"{}")
    with pytest.raises(RecipeError, match=r"diffoscope\.lock\.json"):
        run("cache", "trim")
    assert list(blobs.names())
