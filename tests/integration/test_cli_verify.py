"""`verify` and what follows it, as a person or a script meets them: words, one JSON record, a page to publish."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from rebuilder.lock import ToolchainLock
from rebuilder.model import Record
from rebuilder.report.schema import run_schema
from tests.archive.world import SUITE, Archives, Outcome, World
from tests.integration.liar import blob_path, pinned, sha256_of, verify

pytestmark = pytest.mark.integration
PACKAGE = "specimen-plain"
MakeWorld = Callable[..., World]


def test_json_is_the_record_and_nothing_else(world: World) -> None:
    outcome = world.run("verify", world.purl(PACKAGE), "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.count("\n") == 1
    jsonschema.Draft202012Validator(json.loads(run_schema())).validate(outcome.json)
    kept = world.state / "runs" / str(outcome.json["run_id"]) / "run.json"
    assert json.loads(kept.read_bytes()) == outcome.json


def test_quiet_says_the_verdict_in_one_line(world: World) -> None:
    outcome = world.run("verify", world.purl(PACKAGE), "--quiet")
    assert outcome == Outcome(0, "reproduced: specimen-plain_1.0_amd64.deb: every byte equal\n", "")


def test_plain_words_under_a_bare_locale_in_a_folder_of_any_name(
    archives: Archives, shared_state: Path, world: World, tmp_path: Path
) -> None:
    elsewhere = World(tmp_path / "wö rld", archives, state=shared_state)
    elsewhere.mirrors, elsewhere.base_mirrors = world.mirrors, world.base_mirrors
    elsewhere.configure()
    bare = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict"}
    outcome = elsewhere.run("verify", world.purl(PACKAGE), **bare)
    assert outcome.code == 0, outcome.text
    progress = outcome.err.splitlines()
    assert all(re.match(r"\[\d\d:\d\d\] ", line) for line in progress), outcome.err
    stages = list(dict.fromkeys(re.split(r"[: ]", line[8:])[0] for line in progress if not line.startswith("  |", 8)))
    assert stages == ["resolve", "endorse", "fetch", "toolchain", "sandbox", "compare", "explain", "attest"]
    published = sha256_of(archives.specimens.root / archives.specimens.binary(PACKAGE)["Filename"])
    assert outcome.out.startswith("REPRODUCED: Rebuilt from the signed .dsc, ")
    assert outcome.out.count(published) == 2
    for title in ("What was compared with what", "Where each input comes from", "Who vouches for the published files",
                  "What this does not prove", "Where the evidence lies", "What to do next"):  # fmt: skip
        assert f"\n{title}\n" in outcome.out
    assert "\x1b" not in outcome.text
    for path in re.findall(r"^  (?:page|record|recipe|toolchain|bundle): (/.+)$", outcome.out, re.MULTILINE):
        assert Path(path).is_file()
    site = elsewhere.run("publish", "sï te", **bare)
    assert site.code == 0, site.text
    assert (elsewhere.folder / "sï te" / "index.html").is_file()


def test_a_reader_that_leaves_changes_neither_the_verdict_nor_the_exit_code(world: World) -> None:
    for words, code in ((("verify", world.purl(PACKAGE)), 0), (("show", "--json"), 141)):
        process = subprocess.Popen(
            world.command(*words), cwd=world.folder, env=world.environment({}), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert process.wait(300) == code, said
        assert not re.search("Traceback|Exception|bug of ours|Broken", said), said


def test_two_at_once_do_not_disturb_each_other_and_nothing_is_trimmed_under_them(world: World) -> None:
    commands = [world.command("verify", world.purl(name)) for name in (PACKAGE, "specimen-escapes")]
    both = [
        subprocess.Popen(
            command, cwd=world.folder, env=world.environment({}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for command in commands
    ]  # fmt: skip
    assert both[0].stderr is not None
    assert b"resolve" in both[0].stderr.readline()
    trimmed = world.run("cache", "trim")
    said = [b"".join(process.communicate(timeout=300)).decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert all("REPRODUCED: " in text for text in said)
    assert (trimmed.code, trimmed.out) == (2, "")
    assert "another rebuilder command is using" in trimmed.err


def test_show_finds_a_run_by_id_and_by_digest(world: World) -> None:
    run = verify(world, world.purl(PACKAGE))
    identity = run.record.run_id
    listed = world.run("show")
    assert listed.code == 0
    assert f"{identity}  reproduced " in listed.out
    shown = world.run("show", identity[:-3])
    assert shown.out == run.outcome.out.replace("REPRODUCED:", "reproduced:", 1)
    published = run.record.published
    assert published is not None
    found = world.run("show", published.artifacts[0].file.sha256, "--json").out.splitlines()
    assert run.record in [Record.model_validate_json(line) for line in found]


def test_publish_adds_and_never_changes(world: World) -> None:
    run = verify(world, world.purl(PACKAGE))
    folder = world.folder / "site"
    first = world.run("publish", "site", "--run", run.record.run_id)
    assert (first.code, first.out) == (0, "site: 1 runs added, 1 in all; open site/index.html\n")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/**/*")}
    again = world.run("publish", "site", "--run", run.record.run_id)
    assert again.out.startswith("site: 0 runs added, 1 in all")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/**/*")} == before
    assert sorted(path.name for path in folder.iterdir()) == ["blobs", "index.html", "index.json", "runs"]
    (world.folder / "file").write_text("mine")
    (world.folder / "theirs").mkdir()
    (world.folder / "theirs" / "index.html").write_text("mine")
    for place, code in (("file/site", 3), ("file", 2), ("theirs", 2)):
        outcome = world.run("publish", place)
        assert outcome.code == code, outcome.text
        assert "bug of ours" not in outcome.text
    assert (world.folder / "theirs" / "index.html").read_text() == "mine"


def test_keep_says_how_to_enter_and_the_container_lives(world: World) -> None:
    outcome = world.run("verify", world.purl(PACKAGE), "--keep")
    assert outcome.code == 0, outcome.text
    entered = re.search(r"enter with `docker exec -it (-w \S+ (\S+)) sh`, remove with `docker rm -f \2`", outcome.out)
    assert entered, outcome.out
    try:
        command = ["docker", "exec", *entered[1].split(), "ls", "debian/rules"]
        assert subprocess.run(command, capture_output=True, check=False).stdout == b"debian/rules\n"
    finally:
        subprocess.run(["docker", "rm", "-f", entered[2]], capture_output=True, check=True)


def test_relock_stands_on_the_page_and_in_the_words(world: World) -> None:
    run = verify(world, str(pinned(world, PACKAGE)), "--relock")
    sentence = "toolchain lock was set aside (--relock)"
    assert run.record.toolchain is not None
    assert run.record.toolchain.relocked
    assert run.origin("toolchain") == "assumed"
    assert sentence in run.outcome.out
    assert sentence in (run.folder / "index.html").read_text()


def test_a_source_and_a_package_at_hand(archives: Archives, world: World) -> None:
    pool = (archives.specimens.root / archives.specimens.binary(PACKAGE)["Filename"]).parent
    for file in pool.iterdir():
        shutil.copy(file, world.folder)
    with tarfile.open(world.folder / "specimen-plain_1.0.tar.xz") as tar:
        tar.extractall(world.folder, filter="data")
    tree = next(path.parent.parent for path in world.folder.glob("*/debian/rules"))
    deb = ("--artifact", "specimen-plain_1.0_amd64.deb", "--suite", SUITE)
    given = world.run("verify", "--source", "specimen-plain_1.0.dsc", *deb)
    assert given.code == 0, given.text
    assert "nobody vouches for the published digests" in given.out.splitlines()[0]
    declared = world.run("verify", "--source", tree.name, *deb, "--buildinfo", "specimen-plain_1.0_amd64.buildinfo")
    assert declared.code == 0, declared.text
    assert "local" in declared.out.splitlines()[0]
    assert "toolchain: pinned - packages of specimen-plain_1.0_amd64.buildinfo" in declared.out
    for source, message in (
        (".", "expected a file that says how the project is built, found none of"),
        ("specimen-plain_1.0_amd64.deb", r"the folder of a project, a Debian source tree or a \.dsc, found"),
    ):
        wrong = world.run("verify", "--source", source, *deb)
        assert wrong.code == 2, wrong.text
        assert re.search(message, wrong.err)


def test_a_pack_and_published_evidence_need_no_mirror(world: World, make_world: MakeWorld, tmp_path: Path) -> None:
    recipe = pinned(world, PACKAGE)
    lock = ToolchainLock.model_validate_json(recipe.with_name("toolchain.lock.json").read_bytes())
    run = verify(world, str(recipe))
    packed = world.run("lock", str(recipe), "--pack", "--quiet")
    assert packed.code == 0, packed.text
    site = world.folder / "site"
    assert world.run("publish", str(site), "--with-artifacts", "--run", run.record.run_id).code == 0
    bare = make_world(world.archives, state=tmp_path / "bare-state")
    for mirror in (*bare.mirrors, *bare.base_mirrors):
        mirror.root = tmp_path / "nothing"
    # Only spares making the same root filesystem again: what it is made of has to come from the pack.
    shutil.copytree(world.state / "roots", bare.state / "roots")
    config = bare.folder / "rebuilder.toml"
    config.write_text(f'evidence = ["{site}"]\n{config.read_text()}')
    without = bare.run("verify", str(recipe), "--offline", "--no-sign")
    assert without.code == 15, without.text
    assert f"missing: {lock.packages[0].archive}:{lock.packages[0].path}" in without.out
    pack = str(recipe.with_name("toolchain.pack.tar"))
    outcome = bare.run("verify", str(recipe), "--pack", pack, "--offline", "--quiet")
    assert (outcome.code, outcome.err) == (0, ""), outcome.text
    assert all(blob_path(bare.state, package.sha256).is_file() for package in lock.packages)
    other = bare.run("verify", bare.purl("specimen-all"), "--pack", str(recipe))
    assert other.code == 2, other.text
    assert "expected a whole tar, found damage" in other.err
