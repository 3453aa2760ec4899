"""A purl or a recipe comes to what a signed archive says, and to nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rebuilder.errors import RecipeError, Stopped, UsageError
from rebuilder.model import EndorsementResult, Origin, Verdict
from rebuilder.ports import Resolution
from rebuilder.resolve import debian_inputs
from tests.archive.keys import ArchiveKey
from tests.unit.resolve_cases import DATED, DEVELOPER, NOW, SUITE, World, world


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def resolve(here: World, name: str, *, more: str = "") -> Resolution:
    return here.debian.resolve(f"pkg:deb/debian/{name}?distro={SUITE}{more}")


def origins(resolution: Resolution) -> dict[str, Origin]:
    return {item.name: item.origin for item in resolution.inputs}


def stopped(here: World, target: str) -> Stopped:
    with pytest.raises(Stopped) as caught:
        here.debian.resolve(target)
    return caught.value


def write_recipe(here: World, resolution: Resolution) -> str:
    path = here.folder / "recipe.toml"
    path.write_bytes(resolution.recipe_bytes)
    return str(path)


# --- purls ------------------------------------------------------------------------------------------


def test_a_purl_names_one_package_and_brings_all_of_its_source(here: World) -> None:
    found = resolve(here, "pair-doc").published
    assert found.purl == f"pkg:deb/debian/pair-doc@1:2.0?arch=all&distro={SUITE}"
    assert [(a.package, a.build) for a in found.artifacts] == [("pair", "any"), ("pair-doc", "all")]
    assert [a.named for a in found.artifacts] == [False, True]
    assert [a.file.name for a in found.artifacts] == ["pair_2.0_amd64.deb", "pair-doc_2.0_all.deb"]
    assert [file.name for file in found.source_files] == ["pair_2.0.dsc", "pair_2.0.tar.xz"]
    assert (found.source_name, found.source_version) == ("pair", "1:2.0")


def test_a_source_name_stands_for_all_its_packages(here: World) -> None:
    found = resolve(here, "pair", more="&arch=source").published
    assert found.purl == f"pkg:deb/debian/pair@1:2.0?arch=source&distro={SUITE}"
    assert all(artifact.named for artifact in found.artifacts)


def test_a_package_wins_over_a_source_of_the_same_name(here: World) -> None:
    assert [a.named for a in resolve(here, "pair").published.artifacts] == [True, False]


def test_the_newest_version_is_taken_by_debians_order(here: World) -> None:
    older = dict(here.archive.binary("single")) | {"Version": "1.0~rc1"}
    here.archive.suites[SUITE].binaries.insert(0, type(here.archive.binary("single"))(older))
    here.archive.publish()
    assert resolve(here, "single").published.artifacts[0].version == "1.0"


def test_origins_are_what_is_known(here: World) -> None:
    found = resolve(here, "single")
    assert origins(found) == {
        "source": Origin.DECLARED,
        "toolchain": Origin.ASSUMED,
        "path": Origin.ASSUMED,
        "environment": Origin.ASSUMED,
        "command": Origin.ASSUMED,
    }
    assert [(index.suite, len(index.lists)) for index in found.published.indexes] == [(SUITE, 2), ("base", 1)]
    assert any("no" in text or "without" in text for text in found.warnings if "base" in text)


def test_the_chain_holds_from_saved_bytes_alone(here: World) -> None:
    found = resolve(here, "pair")
    here.fetcher.roots.clear()
    endorsement = here.debian.endorse(found)
    assert endorsement.result is EndorsementResult.VALID
    assert endorsement.anchor == "specimens"


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("pkg:deb/debian/singel?distro=specimens", r"no package 'singel' in specimens .*did you mean single", ""),
        ("pkg:deb/debian/pair-doc?distro=specimens&arch=source", r"no source 'pair-doc'.*", ""),
        ("pkg:deb/debian/single@9?distro=specimens", r"no version 9 of package single; it has 1\.0", "pinned recipe"),
        ("pkg:deb/debian/rebuilt@1.0?distro=specimens", r"it has 1\.0\+b3", "leave the version out"),
        ("pkg:deb/debian/elsewhere?distro=specimens", r"no package 'elsewhere' in", "base has one: distro=base"),
        ("pkg:deb/debian/single?distro=specimen", r"suite 'specimen'; did you mean specimens\? Known", "suites"),
        ("pkg:deb/debian/single", r"expected a suite .*known suites: specimens, base", "distro=trixie"),
        ("pkg:rpm/debian/single?distro=specimens", r"expected the package type 'deb', found 'rpm'", "pkg:deb"),
        ("pkg:deb/debain/single?distro=specimens", r"found 'debain'; did you mean debian", "pkg:deb"),
        ("pkg:deb/debian/single?distro=specimens&arch=riscv64", r"arch=amd64, all or source, found arch=riscv64", ""),
        ("pkg:deb/debian/single?distro=specimens&color=red", r"no qualifier but distro and arch .* found color", ""),
        ("pkg:deb/debian/si%2Fngle?distro=specimens", r"expected a package name .* found 'si/ngle'", ""),
        ("pkg:deb/debian/single@1%24x?distro=specimens", r"expected a version .* found '1\$x'", ""),
        ("pkg:", r"expected a package URL, found 'pkg:'", ""),
    ],
)
def test_a_wrong_purl_says_what_there_is(here: World, target: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        here.debian.resolve(target)
    assert hint in caught.value.hint


# --- indexes ----------------------------------------------------------------------------------------


def test_an_expired_index_is_unavailable_for_the_newest(here: World) -> None:
    here.clock.moment = NOW + timedelta(days=8)
    end = stopped(here, f"pkg:deb/debian/single?distro={SUITE}")
    assert end.verdict is Verdict.UNAVAILABLE
    assert "expired index" in end.reason
    assert "not the publisher's fault" in end.reason


@pytest.mark.parametrize("change", ["stranger", "byte"])
def test_an_index_that_no_pinned_key_signed_is_refused(here: World, change: str) -> None:
    suite = here.archive.suites[SUITE]
    if change == "stranger":
        suite.key = ArchiveKey.generate("stranger")
    else:
        suite.edit_inrelease = lambda signed: signed.replace(b"Label: Specimens", b"Label: Specimenz")
    here.archive.publish()
    end = stopped(here, f"pkg:deb/debian/single?distro={SUITE}")
    assert end.verdict is Verdict.REFUSED
    assert not list(here.fetcher.asked[1:]), "nothing is fetched on the word of such an index"


def test_a_signed_index_of_another_suite_is_no_index_of_this_one(here: World) -> None:
    place = here.archive.root / here.archive.inrelease(SUITE)
    data = (here.archive.root / here.archive.inrelease("base")).read_bytes()
    place.unlink()
    place.write_bytes(data)
    end = stopped(here, f"pkg:deb/debian/single?distro={SUITE}")
    assert end.verdict is Verdict.UNAVAILABLE
    assert "expected the index of specimens" in end.reason


def test_lists_are_taken_by_digest_where_a_mirror_has_already_moved_on(here: World) -> None:
    for plain in (here.archive.root / "dists" / SUITE).rglob("Packages.xz"):
        plain.unlink()
        plain.write_bytes(b"the next one")
    assert resolve(here, "single").published.artifacts


def test_lists_are_taken_by_their_plain_name_where_there_is_no_other(here: World) -> None:
    for folder in (here.archive.root / "dists" / SUITE).rglob("by-hash"):
        folder.rename(folder.with_name("gone"))
    assert resolve(here, "single").published.artifacts


def test_wrong_list_bytes_are_the_mirrors_fault(here: World) -> None:
    lists = [path for path in (here.archive.root / "dists" / SUITE).rglob("*") if path.is_file()]
    for path in lists:
        if path.name != "InRelease":
            path.unlink()
            path.write_bytes(b"wrong")
    end = stopped(here, f"pkg:deb/debian/single?distro={SUITE}")
    assert end.verdict is Verdict.UNAVAILABLE
    assert "Packages.xz: a mirror gave wrong bytes" in end.reason


def test_a_signed_list_that_can_not_be_read_is_unavailable(here: World) -> None:
    here.archive.binary("single")["SHA256"] = "not a digest"
    here.archive.binary("single")["Size"] = "1"
    here.archive.publish()
    end = stopped(here, f"pkg:deb/debian/single?distro={SUITE}")
    assert end.verdict is Verdict.UNAVAILABLE
    assert "a signed list of specimens" in end.reason
    assert "expected a path, sha256 and size" in end.reason


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "pool/../../x.deb", "pool//x.deb"])
def test_a_path_that_climbs_is_no_path(here: World, path: str) -> None:
    stanza = here.archive.binary("single")
    stanza["SHA256"], stanza["Size"], stanza["Filename"] = "0" * 64, "1", path
    here.archive.publish()
    assert "expected a path" in stopped(here, f"pkg:deb/debian/single?distro={SUITE}").reason


def test_a_source_that_the_index_lacks_is_unavailable(here: World) -> None:
    here.archive.suites[SUITE].sources.clear()
    here.archive.publish()
    end = stopped(here, f"pkg:deb/debian/single?distro={SUITE}")
    assert end.verdict is Verdict.UNAVAILABLE
    assert end.missing == ("source single 1.0",)


# --- pinned recipes ---------------------------------------------------------------------------------


def test_a_recipe_says_again_what_was_resolved(here: World) -> None:
    first = resolve(here, "pair-doc")
    again = here.debian.resolve(write_recipe(here, first))
    assert again.published == first.published
    assert again.recipe == here.debian.init(first)
    assert again.recipe_bytes == first.recipe_bytes
    assert again.lock is None
    assert origins(again)["source"] is Origin.DECLARED


def test_a_recipe_is_judged_as_of_its_own_index_even_offline_and_years_later(here: World) -> None:
    path = write_recipe(here, resolve(here, "single"))
    here.fetcher.roots.clear()
    here.clock.moment = NOW + timedelta(days=3650)
    again = here.debian.resolve(path)
    assert again.published.indexes[0].date == DATED
    assert any("as of the recipe's own signed indexes" in text for text in again.warnings)
    assert here.debian.endorse(again).result is EndorsementResult.VALID


def test_a_recipe_without_its_index_is_judged_by_todays(here: World, tmp_path: Path) -> None:
    path = write_recipe(here, resolve(here, "single"))
    other = world(tmp_path / "other")
    other.archive.suites[SUITE].date = DATED + timedelta(days=1)
    other.archive.publish()
    again = other.debian.resolve(path)
    assert again.published.indexes[0].date == DATED + timedelta(days=1)
    assert any("judged by today's" in text for text in again.warnings)


def test_a_source_that_todays_index_does_not_list_is_only_pinned(here: World, tmp_path: Path) -> None:
    path = write_recipe(here, resolve(here, "single"))
    other = world(tmp_path / "other")
    other.archive.suites[SUITE].sources = []
    other.archive.publish()
    again = other.debian.resolve(path)
    assert origins(again)["source"] is Origin.PINNED
    with pytest.raises(Stopped, match="no endorsement by anchor") as caught:
        other.debian.endorse(again)
    assert caught.value.verdict is Verdict.UNAVAILABLE


def test_today_gives_fresh_indexes_to_solve_a_lock_from(here: World) -> None:
    again = here.debian.resolve(write_recipe(here, resolve(here, "single")))
    here.archive.suites[SUITE].date = DATED + timedelta(days=1)
    here.archive.publish()
    fresh = here.debian.today(again)
    assert fresh.published.indexes[0].date == DATED + timedelta(days=1)
    assert origins(fresh)["toolchain"] is Origin.ASSUMED
    assert [index.suite for index in here.debian.suite_indexes("base")] == ["base"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pkg:deb/debian/single@", "pkg:deb/debian/other@", "names package other, its artifacts are single"),
        ('archive = "local-archive"\nsuite', 'archive = "another"\nsuite', "names archive another for"),
        ('kind = "signed-dsc"', 'kind = "release-tarball"', "needs source.kind = 'signed-dsc'"),
        ("distro=specimens", "distro=nowhere", "unknown suite 'nowhere'"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused_in_words(here: World, old: str, new: str, message: str) -> None:
    path = Path(write_recipe(here, resolve(here, "single")))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=message):
        here.debian.resolve(str(path))


def test_a_lock_that_is_not_there_is_missed(here: World) -> None:
    path = Path(write_recipe(here, resolve(here, "single")))
    path.write_text(path.read_text().replace('lock = "toolchain.lock.json"', 'lock = "mine.json"'))
    words = r"toolchain lock, mine\.json, does not lie beside it: .* the toolchain is today's suite"
    found = here.debian.resolve(str(path))
    assert re.search(words, "\n".join(found.warnings))
    path.with_name("mine.json").mkdir()
    with pytest.raises(RecipeError, match=r"mine\.json: can't be read"):
        here.debian.resolve(str(path))


def test_no_recipe_there_says_how_to_make_one(here: World) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        here.debian.resolve(str(here.folder / "nothing.toml"))


# --- source -----------------------------------------------------------------------------------------


def test_the_sources_own_signature_is_evidence(here: World) -> None:
    found = resolve(here, "pair")
    source, checks = here.debian.source(found)
    assert [file.name for file in source.files] == ["pair_2.0.dsc", "pair_2.0.tar.xz"]
    assert source.uri == "pkg:deb/debian/pair@1:2.0?arch=source"
    assert [(check.result, check.fingerprint) for check in checks] == [(EndorsementResult.VALID, DEVELOPER.fingerprint)]
    assert here.debian.relations(found, source, "any") == ("make",)


def test_a_dsc_that_contradicts_the_signed_index_is_refused(here: World) -> None:
    here.archive.flip(str(here.path("single_1.0.tar.xz").relative_to(here.archive.root)))
    here.archive.publish()
    with pytest.raises(Stopped, match=r"contradicts the digests .* single_1\.0\.tar\.xz") as caught:
        here.debian.source(resolve(here, "single"))
    assert caught.value.verdict is Verdict.REFUSED


def test_a_dsc_of_another_package_is_refused(here: World) -> None:
    dsc = here.path("single_1.0.dsc")
    text = dsc.read_bytes().replace(b"Source: single", b"Source: double")
    here.archive.replace(str(dsc.relative_to(here.archive.root)), text)
    here.archive.publish()
    with pytest.raises(Stopped, match=r"expected the \.dsc of single 1\.0, its text is of double 1\.0"):
        here.debian.source(resolve(here, "single"))


def test_a_dsc_that_contradicts_only_a_recipe_is_the_recipes_fault(here: World) -> None:
    """No signed list names the source, so no publisher has said that the files belong together."""
    found = resolve(here, "pair", more="&arch=source")
    other = resolve(here, "single")
    files = (found.published.source_files[0], other.published.source_files[1])
    mixed = replace(found, published=found.published.model_copy(update={"source_files": files}))
    said = debian_inputs.source_input(mixed.published, Origin.PINNED, "recipe")
    unlisted = replace(mixed, inputs=debian_inputs.replaced(mixed.inputs, said))
    with pytest.raises(RecipeError, match=r"contradicts the digests .*the recipe alone puts them together"):
        here.debian.source(unlisted)
    with pytest.raises(Stopped, match="contradicts the digests") as caught:
        here.debian.source(mixed)
    assert caught.value.verdict is Verdict.REFUSED


def test_bytes_after_the_signature_make_a_bad_source(here: World) -> None:
    dsc = here.path("single_1.0.dsc")
    here.archive.replace(str(dsc.relative_to(here.archive.root)), dsc.read_bytes() + b"\nSource: other\n")
    here.archive.publish()
    with pytest.raises(Stopped, match="bad-source") as caught:
        here.debian.source(resolve(here, "single"))
    assert caught.value.verdict is Verdict.BUILD_FAILED


def test_a_missing_source_file_is_unavailable(here: World) -> None:
    found = resolve(here, "single")
    here.path("single_1.0.tar.xz").unlink()
    with pytest.raises(Stopped) as caught:
        here.debian.source(found)
    assert caught.value.verdict is Verdict.UNAVAILABLE


def test_a_sources_list_that_names_a_path_is_no_list(here: World) -> None:
    source = here.archive.source("single")
    source["X-Names"] = "../single/single_1.0.dsc single_1.0.tar.xz"
    here.archive.publish()
    assert "stays inside its archive" in stopped(here, f"pkg:deb/debian/single?distro={SUITE}").reason
