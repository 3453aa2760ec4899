"""A publisher's `.buildinfo`: what it changes, and how far it is believed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rebuilder.errors import Stopped, UsageError
from rebuilder.model import Origin, Verdict
from rebuilder.ports import Resolution
from tests.archive.keys import ArchiveKey
from tests.unit.resolve_cases import DEVELOPER, KEY, PAIR, SINGLE, SUITE, World, buildinfo_text, world

MATERIAL = ("toolchain", "path", "environment")


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def resolve(here: World, name: str = "single") -> Resolution:
    return here.debian.resolve(f"pkg:deb/debian/{name}?distro={SUITE}")


def text(here: World, **changes: str) -> bytes:
    return buildinfo_text(SINGLE, here.path("single_1.0_amd64.deb"), **changes).encode()


def origins(resolution: Resolution) -> set[Origin]:
    return {item.origin for item in resolution.inputs if item.name in MATERIAL}


def test_path_and_environment_are_taken_over(here: World) -> None:
    found = here.debian.with_buildinfo(resolve(here), text(here), name="single.buildinfo")
    made, _ = here.debian.plan(found, here.debian.source(found)[0], "any")
    assert made.steps[-1].cwd == "/build/elsewhere/single"
    assert made.environment["DEB_BUILD_OPTIONS"] == "parallel=7"
    assert made.environment["LANG"] == "C.UTF-8"
    assert found.buildinfo is not None
    assert here.blobs.read(found.buildinfo.sha256, limit=10000) == text(here)
    assert b"/build/elsewhere/single" in found.recipe_bytes


def test_given_by_hand_it_is_only_pinned(here: World) -> None:
    found = here.debian.with_buildinfo(resolve(here), text(here))
    assert origins(found) == {Origin.PINNED}
    assert all("given by hand" in item.evidence for item in found.inputs if item.name in MATERIAL)


def test_signed_by_a_key_that_the_anchor_pins_it_is_declared(here: World) -> None:
    found = here.debian.with_buildinfo(resolve(here), KEY.clear_sign(text(here)))
    assert origins(found) == {Origin.DECLARED}
    assert all(KEY.fingerprint in item.evidence for item in found.inputs if item.name in MATERIAL)


def test_any_developers_signature_is_not_the_publishers_word(here: World) -> None:
    found = here.debian.with_buildinfo(resolve(here), DEVELOPER.clear_sign(text(here)))
    assert origins(found) == {Origin.PINNED}
    words = f"signed by {DEVELOPER.fingerprint}, which no anchor pins"
    assert all(words in item.evidence for item in found.inputs if item.name in MATERIAL)


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        (b" LANG=", b' LD_LIBRARY_PATH="/usr/lib/libeatmydata"\n LANG=', "not taken over: LD_LIBRARY_PATH"),
        (b"Environment:", b"Build-Tainted-By:\n usr-local-has-programs\nEnvironment:", "odd: usr-local-has-programs"),
        (b"Build-Path: /build/", b"Build-Path: /home/", "another build path"),
        (b"Build-Path: ", b"X-Path: ", "another build path"),
    ],
)
def test_surroundings_that_were_not_followed_are_not_declared(here: World, old: bytes, new: bytes, note: str) -> None:
    assert old in text(here)
    found = here.debian.with_buildinfo(resolve(here), KEY.clear_sign(text(here).replace(old, new)))
    said = {item.name: item for item in found.inputs}
    assert said["environment"].origin is Origin.PINNED
    assert note in said["environment"].evidence
    assert said["toolchain"].origin is Origin.DECLARED
    assert (said["path"].origin is Origin.DECLARED) == (note != "another build path")
    assert found.warnings


def test_signed_by_a_stranger_it_is_only_pinned(here: World) -> None:
    found = here.debian.with_buildinfo(resolve(here), ArchiveKey.generate("stranger").clear_sign(text(here)))
    assert origins(found) == {Origin.PINNED}


def test_a_changed_signed_one_is_not_declared(here: World) -> None:
    signed = KEY.clear_sign(text(here)).replace(b"parallel=7", b"parallel=8")
    found = here.debian.with_buildinfo(resolve(here), signed)
    assert origins(found) == {Origin.PINNED}


def test_one_that_leaves_a_package_out_is_only_pinned(here: World) -> None:
    data = buildinfo_text(PAIR, here.path("pair_2.0_amd64.deb")).encode()
    found = here.debian.with_buildinfo(resolve(here, "pair"), KEY.clear_sign(data))
    assert origins(found) == {Origin.PINNED}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"Source: single", b"Source: double", r"expected the \.buildinfo of single 1\.0, it is of double 1\.0"),
        (b"Version: 1.0", b"Version: 1.1", r"it is of single 1\.1"),
        (b"single_1.0_amd64.deb", b"single_1.0_arm64.deb", "describes another build"),
        (b'LANG="C.UTF-8"', b"LANG=C.UTF-8", 'expected a line NAME="value"'),
        (b"Checksums-Sha256", b"Checksums-Md5", "not a .buildinfo"),
        (b"Format: 1.0", b"Format: 1.0\n\nFormat: 1.0", "not a .buildinfo"),
    ],
)
def test_one_of_another_build_is_refused_in_words(here: World, old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        here.debian.with_buildinfo(resolve(here), text(here).replace(old, new))


def test_one_with_another_digest_is_of_another_build(here: World) -> None:
    data = text(here)
    here.archive.flip(str(here.path("single_1.0_amd64.deb").relative_to(here.archive.root)))
    here.archive.publish()
    with pytest.raises(UsageError, match=r"it does not list single_1\.0_amd64\.deb with the published sha256"):
        here.debian.with_buildinfo(resolve(here), data)


@pytest.mark.parametrize("path", ["/home/me/single/tree", "/build/../etc/x", "/build/input/x/y"])
def test_a_path_that_can_not_be_had_is_said_and_stays_assumed(here: World, path: str) -> None:
    found = here.debian.with_buildinfo(resolve(here), DEVELOPER.clear_sign(text(here, path=path)))
    assert next(item.origin for item in found.inputs if item.name == "path") is Origin.ASSUMED
    assert any("can't be had in this sandbox" in note for note in found.warnings)


def test_escapes_in_values_are_undone(here: World) -> None:
    data = text(here).replace(b'"parallel=7"', rb'"parallel=7 \"x\" \\y"')
    found = here.debian.with_buildinfo(resolve(here), data)
    assert found.recipe.build.environment["DEB_BUILD_OPTIONS"] == 'parallel=7 "x" \\y'


# --- named by the signed index ----------------------------------------------------------------------


@pytest.fixture
def declared(tmp_path: Path) -> World:
    return world(tmp_path, buildinfo=True)


def test_one_that_the_signed_index_names_is_declared(declared: World) -> None:
    found = resolve(declared)
    assert origins(found) == {Origin.DECLARED}
    assert found.buildinfo is not None
    assert found.buildinfo.name == "single_1.0_amd64.buildinfo"
    assert all("named by the signed index" in item.evidence for item in found.inputs if item.name in MATERIAL)


def republished(declared: World, old: bytes, new: bytes) -> World:
    """The index names a `.buildinfo` with other words in it."""
    place = declared.path("single_1.0_amd64.buildinfo")
    assert old in place.read_bytes()
    declared.archive.replace(str(place.relative_to(declared.archive.root)), place.read_bytes().replace(old, new))
    declared.archive.publish()
    return declared


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'LANG="C.UTF-8"', b"LANG=C.UTF-8"),
        (b"Checksums-Sha256", b"Checksums-Md5"),
        (b"single_1.0_amd64.deb", b"single_1.0_arm64.deb"),
    ],
)
def test_one_that_can_not_be_used_leaves_all_assumed_and_accuses_nobody(
    declared: World, old: bytes, new: bytes
) -> None:
    found = resolve(republished(declared, old, new))
    assert origins(found) == {Origin.ASSUMED}
    assert found.buildinfo is None
    assert any("can't be used, inputs are assumed: single_1.0_amd64.buildinfo" in note for note in found.warnings)


@pytest.mark.parametrize("what", ["source", "digest"])
def test_one_that_contradicts_its_own_index_is_refused(declared: World, what: str) -> None:
    place = declared.path("single_1.0_amd64.deb")
    digest = hashlib.sha256(place.read_bytes()).hexdigest().encode()
    changes = {"source": (b"Source: single", b"Source: double"), "digest": (digest, b"0" * 64)}
    with pytest.raises(Stopped, match="contradicts itself, which is the publisher's doing") as caught:
        resolve(republished(declared, *changes[what]))
    assert caught.value.verdict is Verdict.REFUSED


def test_two_builds_that_agree_are_declared_together(declared: World) -> None:
    found = resolve(declared, "pair")
    assert origins(found) == {Origin.DECLARED}
    assert found.buildinfo is not None
    assert found.buildinfo.name == "pair_2.0_amd64.buildinfo"


@pytest.mark.parametrize("change", ["make (= 4.4)", "/build/elsewhere", "parallel=7"])
def test_two_builds_that_differ_are_not(declared: World, change: str) -> None:
    place = declared.path("pair_2.0_all.buildinfo")
    data = place.read_bytes().replace(change.encode(), change.encode()[:-1] + b"9")
    declared.archive.replace(str(place.relative_to(declared.archive.root)), data)
    declared.archive.publish()
    found = resolve(declared, "pair")
    assert origins(found) == {Origin.PINNED}
    assert any("those of the first were taken" in note for note in found.warnings)


def test_a_package_without_one_leaves_all_assumed(declared: World) -> None:
    del declared.archive.binary("pair-doc")["Buildinfo-Filename"]
    declared.archive.publish()
    found = resolve(declared, "pair")
    assert origins(found) == {Origin.ASSUMED}
    assert found.buildinfo is None


def test_other_bytes_than_the_index_names_are_unavailable(declared: World) -> None:
    declared.archive.flip(str(declared.path("single_1.0_amd64.buildinfo").relative_to(declared.archive.root)))
    with pytest.raises(Stopped) as caught:
        resolve(declared)
    assert caught.value.verdict is Verdict.UNAVAILABLE


def test_a_suite_that_does_not_promise_them_is_not_asked(declared: World) -> None:
    found = resolve(declared.having(buildinfo=False))
    assert origins(found) == {Origin.ASSUMED}
