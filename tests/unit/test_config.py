"""Where configuration comes from, where it never comes from, and what it refuses."""

from pathlib import Path

import pytest

from rebuilder import config
from rebuilder.config import load_config
from rebuilder.errors import UsageError


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Installed as a wheel would be: no checkout around the program."""
    monkeypatch.setattr(config, "CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setattr(config.sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.chdir(tmp_path)
    return {"HOME": str(tmp_path / "home")}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_current_folder_and_those_above_are_never_believed(tmp_path, elsewhere, monkeypatch):
    write(tmp_path / "rebuilder.toml", 'trust = ["evil"]\nstate = "evil"\n')
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    found = load_config(elsewhere)
    assert found.file is None
    assert found.trust == ()
    assert found.state == tmp_path / "home" / ".local" / "state" / "rebuilder"


def test_a_named_file_wins_over_the_users_own(tmp_path, elsewhere):
    own = write(tmp_path / "home" / ".config" / "rebuilder" / "rebuilder.toml", "parallel = 3\n")
    assert (load_config(elsewhere).file, load_config(elsewhere).parallel) == (own, 3)
    named = write(tmp_path / "named.toml", "parallel = 4\n")
    assert load_config(elsewhere | {"REBUILDER_CONFIG": str(named)}).parallel == 4
    with pytest.raises(UsageError, match="expected a configuration file at /nowhere, found none"):
        load_config(elsewhere | {"REBUILDER_CONFIG": "/nowhere"})


def test_the_checkout_the_program_runs_from_counts(tmp_path, monkeypatch):
    write(tmp_path / "pyproject.toml", "")
    write(tmp_path / "rebuilder.toml", 'state = ".rebuilder"\nevidence = ["reports"]\n')
    monkeypatch.setattr(config, "CHECKOUT", tmp_path)
    found = load_config({})
    assert found.state == tmp_path / ".rebuilder"
    assert found.evidence == (tmp_path / "reports",)
    assert found.trust == (tmp_path / "trust",)


def test_without_a_checkout_a_stray_trust_folder_beside_the_package_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CHECKOUT", tmp_path)
    (tmp_path / "trust").mkdir()
    assert tmp_path / "trust" not in load_config({}).trust


def test_relative_paths_count_from_the_file_and_the_environment_wins_for_state(tmp_path):
    file = write(tmp_path / "a" / "r.toml", 'state = "s"\ntrust = ["t"]\nmaintainer_keyrings = ["k.pgp"]\n')
    found = load_config({}, file=file)
    assert (found.state, found.trust[0]) == (tmp_path / "a" / "s", tmp_path / "a" / "t")
    assert found.maintainer_keyrings == (tmp_path / "a" / "k.pgp",)
    assert load_config({"REBUILDER_STATE": "/x"}, file=file).state == Path("/x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stat = 1", "unknown key 'stat'"),
        ("state = [", "not valid TOML"),
        ("trust = 'one'", "trust: expected a list of strings, found 'one'"),
        ("parallel = 0", "parallel: expected a whole number above 0, found 0"),
        ("parallel = true", "parallel: expected a whole number above 0, found True"),
        ("archives = 3", "archives: expected a table, found 3"),
        ("[archives]\ndebian = 'x'", "archives.debian: expected a list of strings"),
        ("[limits]\nseconds = 1.5", "limits.seconds: expected a whole number, found 1.5"),
        ("[limits]\nsecond = 1", "limits: expected only seconds, .* found 'second'"),
        ("[suites.x]\narchive = 'a'", "suites.x: expected a table with at least archive and anchor"),
        ("[suites.x]\narchive = 'a'\nanchor = 'b'\nbad = 1", "suites.x: expected only archive, anchor, base"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(tmp_path, text, message):
    file = write(tmp_path / "r.toml", text)
    with pytest.raises(UsageError, match=message) as caught:
        load_config({}, file=file)
    assert str(file) in caught.value.message


def test_how_a_project_is_built_stands_in_the_same_file_and_is_left_alone(tmp_path):
    text = "parallel = 3\n[check]\nkind = 'make'\ntrust = ['evil']\n[check.limits]\nseconds = 'soon'\n"
    found = load_config({}, file=write(tmp_path / "r.toml", text))
    assert (found.parallel, found.limits) == (3, {})
    assert tmp_path / "evil" not in found.trust
    with pytest.raises(UsageError, match="unknown key 'checks'"):
        load_config({}, file=write(tmp_path / "s.toml", "[checks]\n"))


def test_a_suite_is_read_whole(tmp_path):
    text = "[suites.ours]\narchive = 'a'\nanchor = 'k'\nbase = ['trixie']\nbuildinfo = true\n[limits]\ncpus = 1.5\n"
    found = load_config({}, file=write(tmp_path / "r.toml", text))
    assert found.suites["ours"] == config.SuiteConfig(archive="a", anchor="k", base=("trixie",), buildinfo=True)
    assert found.limits == {"cpus": 1.5}
