"""`explain --confirm`: a package that was published with an older build dependency, found, tried and proved."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rebuilder.attest import uris
from rebuilder.lock import ToolchainLock
from rebuilder.model import Record
from tests.archive.publisher import BuildOrder
from tests.archive.sources import MAINTAINER, SourcePackage
from tests.archive.specimens import Specimen, honest
from tests.archive.world import Archives, Outcome, World
from tests.integration.archive_fixtures import _make_keys
from tests.integration.liar import Run, blob_path, flip, verify
from tests.integration.test_cli_trouble import Started, containers_of

pytestmark = pytest.mark.integration
MakeWorld = Callable[..., World]
#: The subject is of 1 September.
BEFORE, AFTER = "Tue, 25 Aug 2026 12:00:00 +0000", "Tue, 15 Sep 2026 12:00:00 +0000"
NAMES = ("specimen-absent", "specimen-bystander", "specimen-choosy", "specimen-stamper")
SUBJECT = "specimen-stamped"
FILE = f"{SUBJECT}_1.0_amd64.deb"


def tool(name: str, version: str) -> SourcePackage:
    """A build dependency whose program says its version; 2.0 came after the subject was published, 1.0 before."""
    entries = [("2.0", AFTER), ("1.0", BEFORE)]
    shown = "\n".join(
        f"{name} ({one}) local; urgency=medium\n\n  * A specimen.\n\n -- {MAINTAINER}  {date}\n"
        for one, date in entries[version == "1.0" :]
    )
    program = f'#include <stdio.h>\nint main(void) {{ puts("stamped by {name} {version}"); return 0; }}\n'
    source = SourcePackage(
        name=name, version=version, files={"debian/changelog": shown.encode(), "program.c": program.encode()}
    )
    if (name, version) != ("specimen-choosy", "1.0"):
        return source
    control = source.tree()["debian/control"].replace(b"\nDescription", b"\nDepends: specimen-nowhere\nDescription")
    return source.having(files={**source.files, "debian/control": control})


def subject() -> Specimen:
    """Its build keeps what one tool says, runs another one for nothing, and asks for two more without using them.

    What was published has the words of the older tool.
    """
    source = SourcePackage(name=SUBJECT, build_depends=", ".join(NAMES))
    stamp = ("mkdir -p build/extra", "specimen-stamper > build/extra/stamp.txt")
    older = ("mkdir -p build/extra", "echo stamped by specimen-stamper 1.0 > build/extra/stamp.txt")
    return Specimen(
        source.having(build_any=(*stamp, "specimen-bystander > /dev/null")),
        source.having(build_any=older, build_depends=""),
    )


def put_into_the_pool(archives: Archives, *sources: SourcePackage) -> None:
    """Old versions, in the pool still, in no index any more."""
    orders = [BuildOrder(source) for source in sources]
    built = archives.publisher.build(orders)
    for order in orders:
        for deb in built[order.key].debs:
            folder = archives.specimens.root / "pool" / "main" / "s" / order.source.name
            shutil.copyfile(deb, folder / deb.name)


@dataclass(frozen=True)
class Stage:
    """A world, the run in it that is explained, and the bytes of its folder."""

    world: World
    run: Run
    bytes_before: dict[str, str]

    @property
    def id(self) -> str:
        return self.run.record.run_id

    def explain(self, *options: str) -> Outcome:
        return self.world.run("explain", self.id, *options)

    def new_runs(self, before: set[str]) -> list[Run]:
        """Runs that are not among ``before``, oldest first."""
        folders = sorted(folder for folder in (self.world.state / "runs").iterdir() if folder.name not in before)
        return [Run(Outcome(0, "", ""), one, Record.model_validate_json((one / "run.json").read_bytes()))
                for one in folders]  # fmt: skip

    def runs(self) -> set[str]:
        return {folder.name for folder in (self.world.state / "runs").iterdir()}


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def stage(archives: Archives, shared_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The subject, published with stamper 1.0, rebuilt with 2.0 of everything: different."""
    own = archives.copy(tmp_path_factory.mktemp("stamped") / "archive")
    own.add([*(honest(tool(name, "2.0")) for name in NAMES), subject()], buildinfo=False)
    put_into_the_pool(own, *(tool(name, "1.0") for name in NAMES if name != "specimen-absent"))
    own.specimens.publish()
    world = World(tmp_path_factory.mktemp("world"), own, state=shared_state)
    world.serve()
    try:
        _make_keys(world)
        run = verify(world, world.purl(SUBJECT))
        assert run.record.verdict == "different", run.outcome.text
        assert run.origin("toolchain") == "assumed"
        yield Stage(world, run, digests(run.folder))
    finally:
        world.close()


def test_the_packages_that_came_later_are_named_likeliest_first(stage: Stage) -> None:
    before = stage.runs()
    outcome = stage.explain()
    assert outcome.code == 0, outcome.text
    assert f"{FILE}: " in outcome.out
    said = "reached the suite after the file was published; the source's Build-Depends name it"
    listed = "\n".join(f"  {n}. {name} 1.0: {name} 2.0 {said}" for n, name in enumerate(NAMES, 1))
    assert f"What could be tried, likeliest first:\n{listed}\n" in outcome.out
    assert outcome.out.endswith(f"To try it: rebuilder explain {stage.id} --confirm\n")
    assert (stage.runs(), digests(stage.run.folder)) == (before, stage.bytes_before)


def test_confirm_finds_the_one_that_did_it_and_says_of_the_others_why_not(stage: Stage) -> None:
    before = stage.runs()
    outcome = stage.explain("--confirm")
    assert outcome.code == 0, outcome.text
    tries = stage.new_runs(before)
    assert [run.record.explanation.proof.result for run in tries] == ["refuted", "confirmed"]  # type: ignore[union-attr]
    told = outcome.out.partition("NOT TRIED")
    said = (told[1] + told[2]).splitlines()
    no_root = said[6]
    assert no_root.startswith("  no toolchain can be made with specimen-choosy 1.0: ")
    assert "specimen-nowhere" in no_root
    assert said == [
        "NOT TRIED: specimen-absent 1.0",
        "  1 of 1 toolchain packages are at the version asked for neither in a signed index nor in the pool; not to be "
        "had: specimen-absent 1.0",
        "REFUTED: specimen-bystander 1.0",
        "  with the change the same 1 differences are there",
        f"  evidence: {tries[0].folder}",
        "NOT TRIED: specimen-choosy 1.0",
        no_root,
        "CONFIRMED: specimen-stamper 1.0",
        "  with the change every byte equals the published file",
        f"  evidence: {tries[1].folder}",
    ]
    assert digests(stage.run.folder) == stage.bytes_before
    _is_kept_as_a_guess_that_came_true(stage, tries[1])
    _changed_nothing_else(stage, tries[1])
    assert tries[0].record.verdict == "different"
    assert tries[0].statements == ["D different"]
    assert f"runs/{tries[1].record.run_id}/" in (stage.world.state / "index.html").read_text()


def _is_kept_as_a_guess_that_came_true(stage: Stage, run: Run) -> None:
    record, proof = run.record, run.record.explanation.proof
    assert proof is not None
    assert (proof.run_id, proof.artifact, proof.cause) == (stage.id, FILE, "specimen-stamper version")
    assert [change.target for change in proof.changes] == ["package:specimen-stamper=1.0"]
    assert record.verdict == "reproduced"
    assert record.toolchain is not None
    assert record.toolchain.origin == "inferred"
    assert record.toolchain.unsigned == ("specimen-stamper 1.0",)
    said = next(one for one in record.inputs if one.name == "toolchain")
    assert (said.value, said.origin) == ("specimen-stamper 1.0", "inferred")
    assert said.evidence.startswith(f"explain --confirm of run {stage.id}: specimen-stamper 2.0 reached the suite")
    assert run.statements == ["A", "B PASSED"]
    assert run.levels == [uris.LEVEL_RECOVERED]
    published = stage.world.archives.specimens
    file = published.root / published.binary(SUBJECT)["Filename"]
    checked = stage.world.run("verify-bundle", str(run.bundle), str(file))
    assert checked.code == 0, checked.text
    page = (run.folder / "index.html").read_text()
    assert "specimen-stamper version" in page
    assert stage.id in page


def _changed_nothing_else(stage: Stage, run: Run) -> None:
    locks = [ToolchainLock.model_validate_json((one.folder / "toolchain.lock.json").read_bytes())
             for one in (stage.run, run)]  # fmt: skip
    was, now = ({(one.package, one.version, one.sha256) for one in lock.packages} for lock in locks)
    assert {one[:2] for one in was - now} == {("specimen-stamper", "2.0")}
    assert {one[:2] for one in now - was} == {("specimen-stamper", "1.0")}
    assert (locks[0].indexes, locks[0].seed, locks[0].epoch) == (locks[1].indexes, locks[1].seed, locks[1].epoch)
    recipes = [(one.folder / "recipe.toml").read_bytes() for one in (stage.run, run)]
    assert recipes[0] == recipes[1]
    inputs = [{one.name: (one.value, one.origin) for one in run.record.inputs if one.name != "toolchain"}
              for run in (stage.run, run)]  # fmt: skip
    assert inputs[0] == inputs[1]


def test_after_so_many_tries_it_stops_with_nothing_confirmed(stage: Stage) -> None:
    before = stage.runs()
    outcome = stage.explain("--confirm", "--tries", "1", "--quiet", "--no-sign")
    (tried,) = stage.new_runs(before)
    assert outcome.code == 10, outcome.text
    assert outcome.err == ""
    assert [line.split(":")[0] for line in outcome.out.splitlines() if line[0] != " "] == ["NOT TRIED", "REFUTED"]
    assert not list(tried.folder.glob("*.intoto.jsonl"))
    assert tried.record.signer is None


def test_json_is_one_object_and_needs_no_mirror(stage: Stage) -> None:
    outcome = stage.explain("--json", "--offline")
    assert (outcome.code, outcome.err, outcome.out.count("\n")) == (0, "", 1)
    assert outcome.json["schema"] == "rebuilder/explain/v1"
    assert (outcome.json["run"], outcome.json["artifact"]) == (stage.id, FILE)
    assert [one["packages"] for one in outcome.json["suspects"]] == [[name] for name in NAMES]  # type: ignore[attr-defined]
    assert outcome.json["proofs"] == outcome.json["unread"] == []
    assert outcome.json["explanation"]["artifact"] == FILE  # type: ignore[index]


def test_what_cannot_be_explained_is_a_usage_error(stage: Stage) -> None:
    same = verify(stage.world, stage.world.purl("specimen-plain"))
    for words, message in (
        ((same.record.run_id,), "expected a run that found differences, found reproduced: "),
        ((same.record.run_id, "--confirm"), "expected a run that found differences, found reproduced: "),
        (("20",), "expected one run, found "),
        (("no-such-run",), "expected a run id or the sha256 of an artifact, found no run for 'no-such-run'"),
        ((stage.id, "--artifact", "other.deb"), f"expected one of {FILE}, found 'other.deb'"),
        ((stage.id, "--tries", "0"), "0 is not in the range"),
    ):
        outcome = stage.world.run("explain", *words)
        assert outcome.code == 2, outcome.text
        assert message in outcome.err, outcome.err


def test_a_run_that_never_built_is_a_usage_error(stage: Stage) -> None:
    stopped = stage.world.run("verify", stage.world.purl("specimen-fails"), "--json")
    outcome = stage.world.run("explain", str(stopped.json["run_id"]))
    assert outcome.code == 2, outcome.text
    assert "expected a run that found differences, found build-failed: " in outcome.err


def test_a_toolchain_the_publisher_declared_is_not_guessed_at(stage: Stage, world: World) -> None:
    run = verify(world, world.purl("specimen-different"))
    assert run.origin("toolchain") == "declared"
    plain = world.run("explain", run.record.run_id)
    assert plain.code == 0, plain.text
    assert "nothing. The toolchain is the one that the publisher's .buildinfo lists.\n" in plain.out
    tried = world.run("explain", run.record.run_id, "--confirm", "--quiet")
    assert (tried.code, tried.err) == (10, "")
    assert tried.out == "NOT TRIED: no older package and no setting is known to try\n"


@pytest.fixture
def copied(stage: Stage, tmp_path: Path) -> Stage:
    """The same world over a copy of its state, without any root filesystem, to be spoiled."""
    state = tmp_path / "copy"
    left_out = shutil.ignore_patterns("roots", "tmp")
    shutil.copytree(stage.world.state, state, copy_function=os.link, ignore=left_out)
    world = World(tmp_path / "world", stage.world.archives, state=state)
    world.mirrors, world.base_mirrors = stage.world.mirrors, stage.world.base_mirrors
    world.configure()
    return replace(stage, world=world)


def test_an_interruption_of_a_try_leaves_no_container_and_no_run(copied: Stage) -> None:
    before = copied.runs()
    for number in (signal.SIGINT, signal.SIGTERM):
        started = Started(copied.world, "explain", copied.id, "--confirm")
        started.until(b"mmdebstrap installs")
        started.process.send_signal(number)
        assert started.end() == 130, started.said.decode()
        assert started.said.decode().endswith("interrupted; nothing half-done was kept\n")
        assert containers_of(started.process.pid) == []
    assert copied.runs() == before


def test_damaged_and_missing_packages_are_named_and_not_believed(copied: Stage) -> None:
    lock = ToolchainLock.model_validate_json((copied.run.folder / "toolchain.lock.json").read_bytes())
    by_name = {one.package: one.sha256 for one in lock.packages}
    flip(blob_path(copied.world.state, by_name["specimen-bystander"]))
    blob_path(copied.world.state, by_name["specimen-absent"]).unlink()
    outcome = copied.explain("--offline")
    assert outcome.code == 0, outcome.text
    assert (
        "Not looked into: 2 packages of the toolchain whose files are not in the store, or damaged there: "
        "specimen-absent, specimen-bystander\n"
    ) in outcome.out
    assert "likeliest first:\n  1. specimen-choosy 1.0: " in outcome.out
    blob_path(copied.world.state, lock_published(copied)).unlink()
    gone = copied.explain("--offline")
    assert gone.code == 2, gone.text
    assert f"{FILE} (sha256 " in gone.err
    assert "is no longer in the store, so there is nothing to compare" in gone.err


def lock_published(stage: Stage) -> str:
    comparison = stage.run.record.comparison
    assert comparison is not None
    return comparison.artifacts[0].published.sha256
