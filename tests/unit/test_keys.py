"""Key files: made whole and once, refused when others can reach them, never overwritten."""

from __future__ import annotations

import json
import os
import stat

import jsonschema
import pytest
from click.testing import CliRunner

from rebuilder.attest.dsse import parse, signed_by
from rebuilder.attest.pins import parse_pins
from rebuilder.attest.strict import FormatError
from rebuilder.cli.keys import keys as command
from rebuilder.errors import InfrastructureError, UsageError
from rebuilder.sign.file import FileSigner, init_keys, read_identity
from rebuilder.sign.identity import parse_identity, render_identity
from tests.attest_cases import SCHEMAS, identity

NAMES = {
    "organisation": "Example Rebuilders",
    "builder_id": "https://rebuilders.example/builder/v1",
    "verifier_id": "https://rebuilders.example/verifier/v1",
}
ARGUMENTS = [
    "--organisation",
    NAMES["organisation"],
    "--builder-id",
    NAMES["builder_id"],
    "--verifier-id",
    NAMES["verifier_id"],
]


def never():
    pytest.fail("no passphrase was needed")


@pytest.fixture
def folder(tmp_path):
    init_keys(tmp_path / "state" / "keys", **NAMES, passphrase=None)
    return tmp_path / "state" / "keys"


def test_what_is_made_and_who_can_reach_it(folder):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {
        "attest.key": 0o600,
        "verdict.key": 0o600,
        "identity.json": 0o644,
        "pins.json": 0o644,
        "attest.pub": 0o644,
        "verdict.pub": 0o644,
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.parent.iterdir()] == ["keys"]


def test_the_mode_holds_under_any_umask(tmp_path):
    before = os.umask(0)
    try:
        init_keys(tmp_path / "keys", **NAMES, passphrase=None)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys" / "attest.key").stat().st_mode) == 0o600


def test_identity_and_pins_hold_to_their_schemas_and_to_each_other(folder):
    for name in ("identity", "pins"):
        schema = json.loads((SCHEMAS / f"{name}.v1.schema.json").read_text())
        jsonschema.validate(json.loads((folder / f"{name}.json").read_text()), schema)
    pins = {one.role: one for one in parse_pins((folder / "pins.json").read_bytes())}
    who = FileSigner(folder, never).signer
    assert (who.attest_key, who.verdict_key) == (pins["attest"].key.spki_sha256, pins["verdict"].key.spki_sha256)
    assert (who.builder_id, who.verifier_id) == (pins["attest"].id, pins["verdict"].id)
    assert who.attest_key != who.verdict_key
    assert (folder / "verdict.pub").read_text() == pins["verdict"].key.pem()


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
@pytest.mark.parametrize("role", ["attest", "verdict"])
def test_each_role_signs_with_its_own_key(tmp_path, role, passphrase):
    init_keys(tmp_path / "keys", **NAMES, passphrase=passphrase)
    asked = []

    def ask():
        asked.append(1)
        return passphrase

    signer = FileSigner(tmp_path / "keys", ask)
    envelopes = [parse(signer.sign(role, b'{"a":1}')) for _ in range(2)]
    pins = parse_pins((tmp_path / "keys" / "pins.json").read_bytes())
    assert envelopes[0] == envelopes[1]
    assert envelopes[0].payload == b'{"a":1}'
    assert signed_by(envelopes[0], tuple(one.key for one in pins)) == (
        next(one.key for one in pins if one.role == role),
    )
    assert len(asked) == (1 if passphrase else 0)
    assert (b"ENCRYPTED" in (tmp_path / "keys" / "attest.key").read_bytes()) == (passphrase is not None)


def test_keys_are_never_overwritten(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UsageError, match=r"expected no keys in .* yet, found that it is in use"):
        init_keys(folder, **NAMES, passphrase=None)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("obstacle", ["file", "link", "stray"])
def test_anything_in_the_way_is_left_alone(tmp_path, obstacle):
    target = tmp_path / "keys"
    if obstacle == "file":
        target.write_text("mine")
    elif obstacle == "link":
        target.symlink_to(tmp_path / "elsewhere")
    else:
        target.mkdir()
        (target / "attest.key").write_text("mine")
    with pytest.raises(UsageError, match="found that it is in use"):
        init_keys(target, **NAMES, passphrase=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys"]


def test_a_race_has_one_winner(tmp_path, monkeypatch):
    import rebuilder.sign.file as module

    whole = module._sync

    def other_wins(folder):
        monkeypatch.setattr(module, "_sync", whole)
        init_keys(tmp_path / "keys", **NAMES, passphrase=None)

    monkeypatch.setattr(module, "_sync", other_wins)
    with pytest.raises(UsageError, match="found that it is in use"):
        init_keys(tmp_path / "keys", **NAMES, passphrase=None)
    FileSigner(tmp_path / "keys", never).sign("attest", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rebuilder.sign.file._sync", full)
    with pytest.raises(InfrastructureError, match="No space left on device"):
        init_keys(tmp_path / "keys", **NAMES, passphrase=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"builder_id": "builder"}, "expected an id such as https://"),
        ({"verifier_id": "https://x.example/\u202ea"}, "expected an id such as https://"),
        ({"verifier_id": NAMES["builder_id"]}, "a builder id and a verifier id that differ"),
        ({"organisation": " "}, "expected the name of an organisation"),
        ({"organisation": "a\nb"}, "expected the name of an organisation"),
        ({"passphrase": b""}, "expected a passphrase, found an empty one"),
    ],
)
def test_names_that_can_not_be_used(tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        init_keys(tmp_path / "keys", **({**NAMES, "passphrase": None} | changes))
    assert not (tmp_path / "keys").exists()


def test_no_keys_says_what_to_run(tmp_path):
    with pytest.raises(UsageError, match=r"expected signing keys in .*, found none") as caught:
        FileSigner(tmp_path / "keys", never)
    assert "rebuilder keys init --organisation" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "mode", "says"),
    [
        ("attest.key", 0o640, "chmod 0600"),
        ("verdict.key", 0o604, "chmod 0600"),
        ("identity.json", 0o666, "chmod 0644"),
        (".", 0o755, "chmod 0700"),
    ],
)
def test_files_within_reach_of_others_are_refused(folder, name, mode, says):
    (folder / name).chmod(mode)
    with pytest.raises(UsageError, match=r"expected .* to be out of others' reach, found mode 0") as caught:
        FileSigner(folder, never).sign("attest", b"{}")
    assert says in caught.value.hint


def test_a_wrong_passphrase_is_not_quoted(tmp_path):
    init_keys(tmp_path / "keys", **NAMES, passphrase=b"right")
    with pytest.raises(UsageError, match="the passphrase or the file is wrong") as caught:
        FileSigner(tmp_path / "keys", lambda: b"hunter2").sign("attest", b"{}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (
            lambda f: (f / "attest.key").write_bytes((f / "verdict.key").read_bytes()),
            "expected the attest key .* found another",
        ),
        (lambda f: (f / "attest.key").write_bytes(b"garbage"), "the passphrase or the file is wrong"),
        (lambda f: (f / "attest.key").unlink(), "expected a file of ours at .*attest.key"),
        (
            lambda f: ((f / "attest.key").unlink(), (f / "attest.key").symlink_to("verdict.key")),
            "expected a file of ours",
        ),
        (lambda f: ((f / "attest.key").unlink(), os.mkfifo(f / "attest.key", 0o600)), "expected a small regular file"),
        (lambda f: (f / "identity.json").write_text("{}"), "identity: expected the format"),
    ],
)
def test_a_folder_that_does_not_fit_together(folder, break_it, message):
    break_it(folder)
    with pytest.raises(UsageError, match=message):
        FileSigner(folder, never).sign("attest", b"{}")


def test_identity_survives_a_round_trip():
    assert parse_identity(render_identity(identity())) == identity()
    value = json.loads(render_identity(identity()))
    value["keys"]["attest"] = value["keys"]["verdict"]
    with pytest.raises(FormatError, match="expected one key a role"):
        parse_identity(json.dumps(value).encode())


def test_command_init_and_show(tmp_path, monkeypatch):
    monkeypatch.setenv("REBUILDER_STATE", str(tmp_path / "state"))
    made = CliRunner().invoke(command, ["init", *ARGUMENTS])
    assert made.exit_code == 0, made.output
    assert "not encrypted" in made.output
    shown = CliRunner().invoke(command, ["show"])
    who = read_identity(tmp_path / "state" / "keys")
    assert who.verdict_key in shown.output
    assert str(tmp_path / "state" / "keys" / "pins.json") in shown.output


@pytest.mark.parametrize("way", ["prompt", "file"])
def test_command_encrypts_and_does_not_print_the_passphrase(tmp_path, way):
    (tmp_path / "word").write_text("hunter2\nrest")
    options = ["--passphrase"] if way == "prompt" else ["--passphrase-file", str(tmp_path / "word")]
    made = CliRunner().invoke(
        command, ["init", *ARGUMENTS, "--keys", str(tmp_path / "keys"), *options], input="hunter2\nhunter2\n"
    )
    assert made.exit_code == 0, made.output
    assert "hunter2" not in made.output
    FileSigner(tmp_path / "keys", lambda: b"hunter2").sign("verdict", b"{}")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"\n", "found none such"), (b"x" * 5000, "found none such")]
)
def test_command_names_a_bad_passphrase_file(tmp_path, content, message):
    if content is not None:
        (tmp_path / "word").write_bytes(content)
    options = ["--passphrase-file", str(tmp_path / "word"), "--keys", str(tmp_path / "keys")]
    error = CliRunner().invoke(command, ["init", *ARGUMENTS, *options]).exception
    assert isinstance(error, UsageError)
    assert message in error.message
    assert not (tmp_path / "keys").exists()
