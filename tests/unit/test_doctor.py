"""`doctor`: each need is found, or its line says how to get it."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from rebuilder.cli import needs
from rebuilder.cli.doctor import doctor, lines
from rebuilder.cli.needs import Need
from rebuilder.config import Config
from rebuilder.errors import InfrastructureError
from rebuilder.sandbox import survey as sandbox
from rebuilder.sign.file import init_keys

ANSWERS = sandbox.Survey(
    version="99.1", api="1.51", storage_driver="overlay2", architecture="x86_64", memory_bytes=16 * 1024**3,
    processors=4, security=("seccomp",), root="", rootless=False,
)  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Config:
    trust = Path(__file__).parents[2] / "trust"
    archives = dict.fromkeys(("debian", "debian-security"), ("http://127.0.0.1:1/x",))
    return Config(file=None, state=tmp_path / "state", trust=(trust,), archives=archives)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, sandbox.Survey]:
    found = {"survey": ANSWERS}
    monkeypatch.setattr(sandbox, "survey", lambda: found["survey"])
    return found


def every(config: Config) -> dict[str, Need]:
    return {need.name: need for need in needs.survey(config, deep=False)}


@pytest.mark.usefixtures("engine")
def test_on_a_host_that_has_all_nothing_is_missing(config: Config) -> None:
    found = every(config)
    assert [need.name for need in found.values() if need.state == "missing"] == []
    assert "pydantic 2" in found["libraries"].found
    assert found["mirror of debian"].found == "http://127.0.0.1:1/x (from rebuilder.toml)"
    assert found["anchor debian-archive"].found.endswith("pinned keys")
    assert found["signing keys"].state == "warning"
    assert "rebuilder keys init" in found["signing keys"].get


@pytest.mark.parametrize(
    ("change", "state", "says"),
    [
        ({"api": "1.40"}, "warning", "API 1.41 or newer"),
        ({"storage_driver": "vfs"}, "warning", "vfs copies a whole root filesystem"),
        ({"memory_bytes": 1024**3}, "warning", "1.0 GiB of memory is little"),
        ({"security": ()}, "warning", "no seccomp"),
    ],
)
def test_what_is_wrong_with_an_engine_is_said(
    config: Config, engine: dict[str, sandbox.Survey], change: dict[str, object], state: str, says: str
) -> None:
    engine["survey"] = sandbox.Survey(**(vars(ANSWERS) | change))
    need = every(config)["docker engine"]
    assert need.state == state
    assert says in need.get


def test_an_engine_of_another_architecture_is_not_enough(config: Config, engine: dict[str, sandbox.Survey]) -> None:
    engine["survey"] = sandbox.Survey(**(vars(ANSWERS) | {"architecture": "aarch64"}))
    assert every(config)["architecture"].state == "missing"


def test_no_engine_is_one_line_and_the_rest_is_still_looked_at(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    msg = "expected a Docker engine that answers, found: nothing"

    def none() -> sandbox.Survey:
        raise InfrastructureError(msg, hint="make setup")

    monkeypatch.setattr(sandbox, "survey", none)
    found = every(config)
    assert found["docker engine"] == Need(name="docker engine", state="missing", found=msg, get="make setup")
    assert found["diffoscope"].state == "ok"


@pytest.mark.usefixtures("engine")
def test_a_key_that_others_can_read_is_told_with_its_cure(config: Config) -> None:
    folder = config.state / "keys"
    names = {"organisation": "Org", "builder_id": "https://a.example/b", "verifier_id": "https://a.example/v"}
    init_keys(folder, **names, passphrase=None)
    assert every(config)["attest key"].state == "ok"
    (folder / "attest.key").chmod(0o644)
    need = every(config)["attest key"]
    assert (need.state, need.found) == ("missing", "attest.key, mode 0644")
    assert need.get.startswith("others can read it: chmod 0600 ")


@pytest.mark.usefixtures("engine")
def test_a_clock_behind_our_own_newest_run_is_wrong(config: Config) -> None:
    run = config.state / "runs" / "20990101T000000Z-x"
    run.mkdir(parents=True)
    later = time.time() + 7200
    os.utime(run, (later, later))
    need = every(config)["clock"]
    assert need.state == "missing"
    assert "2.0 h after that" in need.found


@pytest.mark.usefixtures("engine")
def test_a_trust_store_without_anchors_is_missing(config: Config, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bare = Config(file=None, state=config.state, trust=(tmp_path / "empty",), archives=config.archives)
    assert every(bare)["trust anchors"].get == "name a folder as `trust` in rebuilder.toml"


def test_the_list_for_people_says_what_is_missing_and_shows_no_control_characters() -> None:
    bad = Need(name="bb", state="missing", found="\x1b[2J", get="do b")
    shown = lines([Need(name="a", state="ok", found="1"), bad])
    assert shown[0] == "ok       a   1"
    assert "\x1b" not in shown[1]
    assert shown[1].startswith("MISSING  bb  ")
    assert shown[2].strip() == "-> do b"
    assert shown[-1] == "missing: bb"


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("warning", 0), ("missing", 3)])
def test_only_what_is_missing_fails_the_command(monkeypatch: pytest.MonkeyPatch, state: needs.State, code: int) -> None:
    monkeypatch.setattr(needs, "survey", lambda _config, *, deep: [Need(name="a", state=state, found=f"deep {deep}")])
    answer = CliRunner().invoke(doctor, ["--json", "--deep"])
    assert answer.exit_code == code
    assert json.loads(answer.output) == {
        "ok": code == 0, "needs": [{"name": "a", "state": state, "found": "deep True", "get": ""}],
    }  # fmt: skip


def test_the_trial_program_is_a_static_amd64_elf_whose_segment_covers_it() -> None:
    tar = sandbox.trial_root()
    program = tar[512:]
    assert program[:7] == b"\x7fELF\x02\x01\x01"
    kind, machine = struct.unpack_from("<HH", program, 16)
    entry, table = struct.unpack_from("<QQ", program, 24)
    offset, address, _, length = struct.unpack_from("<QQQQ", program, table + 8)
    assert (kind, machine, offset) == (2, 62, 0)
    assert address <= entry < address + length
    assert program[entry - address : length].endswith(b"\x0f\x05")
    assert sandbox.trial_root() == tar
