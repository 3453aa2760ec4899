"""`explain --confirm` on what is no single package: a variable, the build path, two packages that go together."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebuilder.attest import uris
from rebuilder.lock import ToolchainLock
from tests.archive.sources import ASSEMBLE, MAINTAINER, Binary, SourcePackage
from tests.archive.specimens import Specimen, honest
from tests.archive.world import Archives, World
from tests.integration.archive_fixtures import _make_keys
from tests.integration.liar import Run, verify
from tests.integration.test_explain import Stage, digests, put_into_the_pool, tool

pytestmark = pytest.mark.integration
TRIMMED, PLACED, PAIRED = "specimen-trimmed", "specimen-placed", "specimen-paired"
FOLDER = f"/build/{PLACED}-Xy12Zw/{PLACED}-1.0"
TOOLS = ("specimen-left", "specimen-right")
WHOLE = 'gzip -9nc debian/changelog > "$doc/changelog.Debian.gz"'
#: As debhelper does it: without the option, the first entry and a note.
SHORT = """\
case " ${DEB_BUILD_OPTIONS:-} " in
	*" notrimdch "*) cat debian/changelog ;;
	*)
		awk 'NR > 1 && /^[a-z0-9]/ { exit } { print }' debian/changelog
		echo "# Older entries have been removed from this changelog."
		echo "# To read the complete changelog use \\`apt changelog $package\\`."
		;;
	esac | gzip -9n > "$doc/changelog.Debian.gz\""""


def trimmed() -> Specimen:
    """Its changelog is shortened today, as it was not when it was published."""
    entries = [("1.0", "Tue, 01 Sep 2026 12:00:00 +0000"), ("0.9", "Sat, 01 Sep 2018 12:00:00 +0000")]
    shown = "\n".join(
        f"{TRIMMED} ({one}) local; urgency=medium\n\n  * A specimen.\n\n -- {MAINTAINER}  {date}\n"
        for one, date in entries
    )
    assert WHOLE in ASSEMBLE
    changelog = {"debian/changelog": shown.encode()}
    shortens = {"debian/assemble": ASSEMBLE.replace(WHOLE, SHORT).encode()}
    source = SourcePackage(name=TRIMMED, files={**changelog, **shortens})
    return Specimen(source, source.having(files=changelog))


def placed() -> Specimen:
    """It says where it was built; the publisher built it elsewhere. Nothing is compiled: a compiler says it too."""
    source = SourcePackage(name=PLACED, binaries=(Binary(PLACED, "all"),))
    words = "mkdir -p build/extra", 'echo "built in {}/program.c" > build/extra/where.txt'
    return Specimen(
        source.having(build_all=(words[0], words[1].format("$$(pwd)"))),
        source.having(build_all=(words[0], words[1].format(FOLDER))),
    )


def paired() -> Specimen:
    """What two tools say stands in one line."""
    source = SourcePackage(name=PAIRED, build_depends=", ".join(TOOLS))
    words = "mkdir -p build/extra", 'echo "{}" > build/extra/stamp.txt'
    return Specimen(
        source.having(build_any=(words[0], words[1].format(" ".join(f"`{one}`" for one in TOOLS)))),
        source.having(
            build_any=(words[0], words[1].format(" ".join(f"stamped by {one} 1.0" for one in TOOLS))), build_depends=""
        ),
    )


@pytest.fixture(scope="module")
def world(archives: Archives, shared_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    own = archives.copy(tmp_path_factory.mktemp("settings") / "archive")
    own.add([*(honest(tool(name, "2.0")) for name in TOOLS), trimmed(), placed(), paired()], buildinfo=False)
    put_into_the_pool(own, *(tool(name, "1.0") for name in TOOLS))
    own.specimens.publish()
    world = World(tmp_path_factory.mktemp("world"), own, state=shared_state)
    world.serve()
    try:
        _make_keys(world)
        yield world
    finally:
        world.close()


def staged(world: World, name: str) -> Stage:
    run = verify(world, world.purl(name))
    assert run.record.verdict == "different", run.outcome.text
    return Stage(world, run, digests(run.folder))


def recipe(run: Run) -> dict[str, object]:
    return tomllib.loads((run.folder / "recipe.toml").read_text())


def build(run: Run) -> dict[str, object]:
    found = recipe(run)["build"]
    assert isinstance(found, dict)
    return found


def inputs(run: Run) -> dict[str, tuple[str, str]]:
    return {one.name: (one.value, one.origin.value) for one in run.record.inputs}


def is_signed_as_recovered(world: World, run: Run, name: str) -> None:
    assert run.statements == ["A", "B PASSED"]
    assert run.levels == [uris.LEVEL_RECOVERED]
    published = world.archives.specimens
    checked = world.run("verify-bundle", str(run.bundle), str(published.root / published.binary(name)["Filename"]))
    assert checked.code == 0, checked.text


def has_the_packages_of(stage: Stage, run: Run) -> None:
    locks = [(one.folder / "toolchain.lock.json").read_bytes() for one in (stage.run, run)]
    assert locks[0] == locks[1]
    assert inputs(run)["toolchain"] == inputs(stage.run)["toolchain"]


def test_a_variable_that_brings_the_published_bytes_is_found_and_proved(world: World) -> None:
    stage = staged(world, TRIMMED)
    named = "DEB_BUILD_OPTIONS with notrimdch: the cause changelog-trimmed names it"
    assert f"likeliest first:\n  1. {named}\n" in stage.explain().out
    before = stage.runs()
    outcome = stage.explain("--confirm")
    assert outcome.code == 0, outcome.text
    (run,) = stage.new_runs(before)
    assert outcome.out.endswith(
        "CONFIRMED: DEB_BUILD_OPTIONS with notrimdch\n"
        "  with the change every byte equals the published file\n"
        f"  evidence: {run.folder}\n"
    )
    proof = run.record.explanation.proof
    assert proof is not None
    assert (proof.cause, proof.result) == ("changelog-trimmed", "confirmed")
    assert [one.target for one in proof.changes] == ["variable:DEB_BUILD_OPTIONS+=notrimdch"]
    assert run.record.verdict == "reproduced"
    was, now = inputs(stage.run), inputs(run)
    assert was["environment"][1] == "assumed"
    assert now["environment"] == (was["environment"][0].replace("parallel=2", "parallel=2 notrimdch"), "inferred")
    assert {**now, "environment": ()} == {**was, "environment": (), "source": now["source"]}
    told = next(one for one in run.record.inputs if one.name == "environment")
    assert told.evidence == f"explain --confirm of run {stage.id}: the cause changelog-trimmed names it"
    assert {**recipe(run), "build": ()} == {**recipe(stage.run), "build": ()}
    assert build(run) == {**build(stage.run), "environment": {"DEB_BUILD_OPTIONS": "parallel=2 notrimdch"}}
    has_the_packages_of(stage, run)
    is_signed_as_recovered(world, run, TRIMMED)
    assert digests(stage.run.folder) == stage.bytes_before


def test_the_folder_that_the_published_file_names_is_built_in(world: World) -> None:
    stage = staged(world, PLACED)
    before = stage.runs()
    outcome = stage.explain("--confirm")
    assert outcome.code == 0, outcome.text
    (run,) = stage.new_runs(before)
    assert f"  1. build path {FOLDER}: the published file shows it; the cause build-path-text names it\n" in outcome.out
    assert f"\nCONFIRMED: build path {FOLDER}\n" in outcome.out
    assert run.record.verdict == "reproduced"
    was, now = inputs(stage.run), inputs(run)
    assert (was["path"][1], now["path"]) == ("assumed", (FOLDER, "inferred"))
    assert {**now, "path": ()} == {**was, "path": (), "source": now["source"]}
    assert build(run) == {**build(stage.run), "path": FOLDER}
    has_the_packages_of(stage, run)
    is_signed_as_recovered(world, run, PLACED)
    page = (run.folder / "index.html").read_text()
    assert "build-path-text" in page
    assert stage.id in page


def test_two_packages_that_only_do_it_together_are_tried_together(world: World) -> None:
    stage = staged(world, PAIRED)
    before = stage.runs()
    outcome = stage.explain("--confirm", "--quiet")
    assert outcome.code == 0, outcome.text
    tries = stage.new_runs(before)
    same = "with the change the same 1 differences are there, 1 of them with another value on our side than without it"
    assert [line for line in outcome.out.splitlines() if "evidence" not in line] == [
        "REFUTED: specimen-left 1.0",
        f"  {same}",
        "REFUTED: specimen-right 1.0",
        f"  {same}",
        "CONFIRMED: specimen-left 1.0 and specimen-right 1.0, together",
        "  2 packages together: with the change every byte equals the published file",
    ]
    last = tries[2].record
    assert last.verdict == "reproduced"
    assert inputs(tries[2])["toolchain"] == ("specimen-left 1.0, specimen-right 1.0", "inferred")
    lock = ToolchainLock.model_validate_json((tries[2].folder / "toolchain.lock.json").read_bytes())
    assert {one.package: one.version for one in lock.packages if one.package in TOOLS} == dict.fromkeys(TOOLS, "1.0")
    proof = last.explanation.proof
    assert proof is not None
    assert proof.cause == "specimen-left version and specimen-right version"
