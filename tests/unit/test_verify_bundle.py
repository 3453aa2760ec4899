"""The command `verify-bundle`: exit codes and words."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys

import jsonschema
import pytest
from click.testing import CliRunner

from rebuilder.attest.pins import render_pins
from rebuilder.cli.verify_bundle import verify_bundle as command
from rebuilder.errors import UsageError
from rebuilder.model import Verdict
from tests.attest_cases import CASES, PINS, SCHEMAS, WITH_STATEMENTS, bundle, published_file, resigned, set_at


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REBUILDER_STATE", str(tmp_path / "state"))
    (tmp_path / "pins.json").write_bytes(render_pins(PINS))
    for case in WITH_STATEMENTS:
        (tmp_path / f"{case}.intoto.jsonl").write_bytes(bundle(case))
        (tmp_path / f"{case}.deb").write_bytes(published_file(case))
    return tmp_path


def run(folder, *arguments, pins=True):
    pinned = ["--pin", str(folder / "pins.json")] if pins else []
    return CliRunner().invoke(command, [*pinned, *(str(folder / one) if "." in one else one for one in arguments)])


@pytest.mark.parametrize("case", WITH_STATEMENTS)
def test_command_says_who_what_and_under_which_inputs(folder, case):
    result = run(folder, f"{case}.intoto.jsonl", f"{case}.deb")
    verdict = CASES[case]().verdict
    assert result.exit_code == verdict.exit_code, result.output
    assert result.stdout.startswith((f"{verdict}: all ", f"{verdict}: the signature in "))
    for words in (
        "said by       Example Rebuilders, as https://",
        "which you pinned",
        "inputs ",
        "What this does not prove",
    ):
        assert words in result.stdout


def test_command_warns_of_a_lower_level_and_of_no_vote(folder):
    recovered = run(folder, "recovered.intoto.jsonl", "recovered.deb").stdout
    assert "level         REBUILD_BIT_FOR_BIT_RECOVERED_INPUTS" in recovered
    headline = recovered.splitlines()[0]
    assert "; but an input was recovered from the published file or inferred" in headline
    assert "; but the publisher's signature on the file is missing" in headline
    assert "was itself among the inputs" in recovered
    assert "signature on the file is missing" in recovered
    assert "proves nothing against the publisher" in run(folder, "flaky.intoto.jsonl", "flaky.deb").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("reproduced.intoto.jsonl",), 23, "not enough: all 2 signatures"),
        (("reproduced.intoto.jsonl", "flaky.deb"), 21, "not verified: .*flaky.deb: expected a file with sha256"),
        (("pins.json", "flaky.deb"), 20, "not verified: expected a bundle"),
    ],
)
def test_command_failures(folder, arguments, code, words):
    result = run(folder, *arguments)
    assert result.exit_code == code
    assert re.search(words, result.output)


def test_command_takes_a_digest_in_place_of_a_file(folder):
    digest = hashlib.sha256(published_file("reproduced")).hexdigest()
    assert run(folder, "reproduced.intoto.jsonl", "--sha256", digest.upper()).exit_code == 0
    assert isinstance(run(folder, "reproduced.intoto.jsonl", "--sha256", "12").exception, UsageError)


@pytest.mark.parametrize(
    "arguments",
    [
        ("reproduced.intoto.jsonl", "reproduced.deb"),
        ("flaky.intoto.jsonl", "x.deb"),
        ("recovered.intoto.jsonl",),
        ("pins.json", "flaky.deb"),
    ],
)
def test_command_json_holds_to_its_schema(folder, arguments):
    (folder / "x.deb").write_bytes(b"another file")
    result = run(folder, "--json", *arguments)
    value = json.loads(result.stdout)
    jsonschema.validate(value, json.loads((SCHEMAS / "verify-bundle.v1.schema.json").read_text()))
    assert value["exitCode"] == result.exit_code


def test_command_trusts_its_own_keys_by_default_and_says_so_without(folder):
    result = run(folder, "reproduced.intoto.jsonl", "reproduced.deb", pins=False)
    assert isinstance(result.exception, UsageError)
    assert "expected your own pins in" in result.exception.message
    (folder / "state" / "keys").mkdir(parents=True)
    (folder / "state" / "keys" / "pins.json").write_bytes(render_pins(PINS))
    assert run(folder, "reproduced.intoto.jsonl", "reproduced.deb", pins=False).exit_code == 0


def test_command_trusts_a_folder_of_pins(folder):
    (folder / "trust").mkdir()
    (folder / "trust" / "others.json").write_bytes(render_pins(PINS))
    trust = ["--trust", str(folder / "trust"), str(folder / "reproduced.intoto.jsonl"), str(folder / "reproduced.deb")]
    assert CliRunner().invoke(command, trust).exit_code == 0
    (folder / "trust" / "others.json").unlink()
    assert "at least one pinned key" in str(CliRunner().invoke(command, trust).exception)


@pytest.mark.parametrize("arguments", [("none.intoto.jsonl",), ("reproduced.intoto.jsonl", "none.deb")])
def test_command_names_a_path_that_is_not_there(folder, arguments):
    error = run(folder, *arguments).exception
    assert isinstance(error, UsageError)
    assert "No such file" in error.message


def test_command_prints_no_control_characters_of_a_signer(folder):
    data = resigned(1, set_at("predicate", "resourceUri", value="pkg:deb/\x1b[2Jx\u202e\n"), "reproduced")
    evil = resigned(0, set_at("predicate", "reason", value="\x1b]0;owned\x07\u202e\r\nreproduced: all"), "flaky")
    (folder / "evil.intoto.jsonl").write_bytes(evil)
    (folder / "odd.intoto.jsonl").write_bytes(data)
    for name in ("evil.intoto.jsonl", "odd.intoto.jsonl"):
        output = run(folder, name, "flaky.deb").output
        assert not set(output) & set("\x1b\x07\u202e\r")
        assert "\nreproduced: all" not in output


def test_command_is_light(folder):
    """Counted in modules, not in seconds: the benchmark measures those."""
    code = (
        "import sys; from rebuilder.cli import cli\n"
        "try: cli.main(sys.argv[1:], standalone_mode=False)\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "heavy = {'docker', 'rich', 'jinja2', 'rfc8785', 'packageurl', 'debian', 'pysequoia', 'requests', 'asyncio'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    arguments = [
        "verify-bundle",
        "--pin",
        folder / "pins.json",
        folder / "reproduced.intoto.jsonl",
        folder / "reproduced.deb",
    ]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_exit_codes_are_those_of_the_design():
    assert {verdict.value: verdict.exit_code for verdict in Verdict} == {
        "reproduced": 0,
        "different": 10,
        "equivalent": 11,
        "flaky": 12,
        "build-failed": 13,
        "refused": 14,
        "unavailable": 15,
    }
