"""One package by construction for each of the seven verdicts, through the real command and real containers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archive import specimens
from tests.archive.archive import Archive
from tests.archive.keys import ArchiveKey
from tests.archive.specimens import Specimen, smuggler
from tests.archive.world import SUITE, Archives, World
from tests.integration.liar import check_bundle, pinned, verify

pytestmark = pytest.mark.integration


def test_reproduced(world: World) -> None:
    run = verify(world, world.purl("specimen-plain"))
    assert run.outcome.code == 0
    assert run.statements == ["A", "B PASSED"]
    assert run.levels == ["REBUILD_BIT_FOR_BIT"]
    assert "REPRODUCED" in run.outcome.out
    assert [run.origin(name) for name in ("source", "toolchain", "environment")] == ["declared"] * 3
    assert run.record.built is not None
    assert len(run.record.built.attempts) == 1
    assert check_bundle(world, run, "specimen-plain").code == 0


def test_reproduced_for_both_kinds_of_package_with_an_epoch(world: World) -> None:
    run = verify(world, world.purl("specimen-many"))
    assert run.record.verdict == "reproduced"
    assert run.statements == ["A", "B PASSED"] * 3
    assert run.record.comparison is not None
    named = {item.artifact: item.named for item in run.record.comparison.artifacts}
    assert named == {
        "specimen-many_2.0_amd64.deb": True,
        "specimen-many-tools_2.0_amd64.deb": False,
        "specimen-many-data_2.0_all.deb": False,
    }


def test_a_binary_only_rebuild_is_reproduced_with_a_recovered_changelog_entry(world: World) -> None:
    run = verify(world, world.purl("specimen-rebuilt"))
    assert run.record.verdict == "reproduced"
    assert run.origin("changelog") == "recovered"
    assert run.levels == ["REBUILD_BIT_FOR_BIT_RECOVERED_INPUTS"]


def test_different_under_declared_inputs_is_a_vote_against(world: World) -> None:
    run = verify(world, world.purl("specimen-different"))
    assert run.outcome.code == 10
    assert run.statements == ["A", "A", "B FAILED"]
    assert run.levels == ["FAILED"]
    assert "DIFFERENT" in run.outcome.out
    assert run.record.built is not None
    assert [attempt.number for attempt in run.record.built.attempts] == [1, 2]
    assert run.record.explanation.reports
    assert check_bundle(world, run, "specimen-different").code == 10


def test_a_toolchain_lock_is_not_believed_about_itself(world: World, make_world: Callable[[Archives], World]) -> None:
    """Whoever wrote the lock left out what could prove it: every package is unsigned, whatever its row says."""
    recipe = pinned(world, "specimen-plain")
    kept = recipe.with_name("toolchain.lock.json")
    honest = verify(world, str(recipe)).record.toolchain
    assert honest is not None
    assert honest.unsigned == ()
    other = make_world(world.archives)
    fresh = verify(other, str(recipe)).record.toolchain
    assert fresh is not None
    assert fresh.unsigned == ()
    lock = json.loads(kept.read_text())
    assert all(package["signed"] for package in lock["packages"])
    kept.write_text(json.dumps({**lock, "indexes": []}))
    run = verify(world, str(recipe))
    count = len(lock["packages"]) + len(lock["seed"])
    assert run.record.toolchain is not None
    assert len(run.record.toolchain.unsigned) == count
    assert f"{count} toolchain packages are in no signed index" in run.outcome.out
    bundle = check_bundle(world, run, "specimen-plain")
    assert f"but {count} toolchain packages are in no signed list" in bundle.out.splitlines()[0]


def test_different_under_assumed_inputs_is_no_vote(changed_world: World) -> None:
    changed_world.buildinfo = False
    changed_world.configure()
    run = verify(changed_world, changed_world.purl("specimen-different"))
    assert run.outcome.code == 10
    assert run.statements == ["D different"]
    assert run.origin("toolchain") == "assumed"
    assert check_bundle(changed_world, run, "specimen-different").code == 10


def test_equivalent_only_after_a_normaliser_the_recipe_names(
    archives: Archives, changed_archives: Archives, make_world: Callable[[Archives], World]
) -> None:
    archive = changed_archives.specimens
    path = archive.binary("specimen-plain")["Filename"]
    data = bytearray((archive.root / path).read_bytes())
    stamp = data.index(b"debian-binary") + 16
    data[stamp : stamp + 12] = b"1700000000  "
    changed_archives.tamper("specimen-plain", bytes(data))
    world = make_world(changed_archives)
    recipe = pinned(world, "specimen-plain")
    plain = verify(world, str(recipe))
    assert plain.record.verdict == "different"
    recipe.write_text(
        recipe.read_text() + '\n[[normalisers]]\nname = "ar-times"\nreason = "the publisher stamps the outer archive"\n'
    )
    run = verify(world, str(recipe))
    assert run.outcome.code == 11
    assert "B PASSED" in run.statements
    assert not any("BIT_FOR_BIT" in level for level in run.levels)
    assert check_bundle(world, run, "specimen-plain").code == 11


def test_flaky_when_our_own_rebuilds_differ(world: World) -> None:
    run = verify(world, world.purl("specimen-flaky"))
    assert run.outcome.code == 12
    assert run.statements == ["D flaky"]
    assert run.record.comparison is not None
    first, second = run.record.comparison.artifacts[0].rebuilt
    assert first is not None
    assert second is not None
    assert first.sha256 != second.sha256
    assert check_bundle(world, run, "specimen-flaky").code == 12


def test_random_bytes_do_not_hide_what_both_rebuilds_agree_on(world: World) -> None:
    assert verify(world, world.purl("specimen-both")).record.verdict == "different"


@pytest.mark.parametrize(
    ("package", "reason"), [("specimen-fails", "exit-status"), ("specimen-silent", "missing-output")]
)
def test_build_failed(world: World, package: str, reason: str) -> None:
    run = verify(world, world.purl(package))
    assert run.outcome.code == 13
    assert run.statements == ["D build-failed"]
    assert reason in run.record.reason
    assert check_bundle(world, run, package).code == 13


def _by_another_key(archive: Archive) -> None:
    archive.suites[SUITE].key = ArchiveKey.generate("stranger")


def _one_byte_changed(archive: Archive) -> None:
    archive.suites[SUITE].edit_inrelease = lambda signed: signed.replace(b"Label: Specimens", b"Label: specimens")


@pytest.mark.parametrize("change", [_by_another_key, _one_byte_changed])
def test_refused_and_nothing_built(
    changed_archives: Archives, make_world: Callable[[Archives], World], change: Callable[[Archive], None]
) -> None:
    change(changed_archives.specimens)
    changed_archives.specimens.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl("specimen-plain"))
    assert run.outcome.code == 14
    assert run.record.built is None
    assert run.statements == []
    assert not any(path.startswith("pool/") for path in world.mirrors[0].requests)


def test_an_index_without_any_signature_is_no_word_of_the_publisher(
    changed_archives: Archives, make_world: Callable[[Archives], World]
) -> None:
    suite = changed_archives.specimens.suites[SUITE]
    suite.edit_inrelease = lambda signed: signed.split(b"\n\n")[1] + b"\n"
    changed_archives.specimens.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl("specimen-plain"))
    assert run.outcome.code == 15
    assert run.record.built is None


@pytest.mark.parametrize("what", ["source", "artifact"])
def test_unavailable_names_what_is_missing(
    changed_archives: Archives, make_world: Callable[[Archives], World], what: str, tmp_path: Path
) -> None:
    archive = changed_archives.specimens
    stanza = archive.source("specimen-plain")
    source = f"{stanza['Directory']}/specimen-plain_1.0.tar.xz"
    path = {"source": source, "artifact": archive.binary("specimen-plain")["Filename"]}[what]
    archive.remove(path)
    world = make_world(changed_archives, state=tmp_path / "cold")  # type: ignore[call-arg]
    run = verify(world, world.purl("specimen-plain"))
    assert run.outcome.code == 15
    assert run.statements == ["D unavailable"]
    assert any(path in item for item in run.record.missing)
    assert path.rpartition("/")[2] in run.outcome.out


def test_a_source_that_smuggles_the_package_in_is_found_out(
    changed_archives: Archives, make_world: Callable[[Archives], World]
) -> None:
    cargo = changed_archives.publisher.build(Specimen(specimens.SMUGGLER_CARGO, specimens.SMUGGLER_CARGO).orders)
    deb = next(iter(cargo.values())).debs[0].read_bytes()
    changed_archives.add([Specimen(smuggler(deb), specimens.SMUGGLER_CARGO)]).specimens.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl("specimen-smuggler"))
    assert run.record.comparison is not None
    assert [item.artifact for item in run.record.comparison.self_input] == ["specimen-smuggler_1.0_amd64.deb"]
    assert "self-input" in run.outcome.out
    summaries = [payload["predicate"] for payload in run.payloads if "verifiedLevels" in payload["predicate"]]
    assert all("selfInput" in str(summary) for summary in summaries)


def test_a_prebuilt_member_is_found_out(world: World) -> None:
    run = verify(world, world.purl("specimen-prebuilt"))
    assert run.record.verdict == "reproduced"
    assert run.record.comparison is not None
    (found,) = run.record.comparison.self_input
    assert found.member.endswith("usr/share/specimen-prebuilt/prebuilt.bin")
    assert found.found_in.startswith("specimen-prebuilt_1.0.tar.xz")
    assert "self-input" in run.outcome.out
