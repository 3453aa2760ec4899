"""One byte changed in turn in everything a verdict rests on: `reproduced` must never come out.

And the right thing must: a publisher who lies is `different`, a publisher who contradicts himself is
`refused`, a mirror that gives wrong bytes is `unavailable`, and a disk of ours that does is our own fault.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rebuilder.attest.pins import parse_pins
from rebuilder.attest.verify import Wanted
from rebuilder.attest.verify import verify_bundle as verify_bundle_bytes
from rebuilder.config import load_config
from rebuilder.errors import IntegrityError, VerificationError
from rebuilder.model import Attempt, Record
from rebuilder.pipeline import Ports
from rebuilder.pipeline import verify as run_pipeline
from rebuilder.ports import Options
from rebuilder.wiring import workshop
from tests.archive.server import MISSING, Fault
from tests.archive.world import BASE_SUITE, Archives, World
from tests.integration.liar import OUR_FAULT, USAGE, check_bundle, no_run, verify
from tests.integration.sandboxes import Remembering
from tests.integration.test_liar_verdicts import pinned

pytestmark = pytest.mark.integration
PACKAGE = "specimen-plain"
MakeWorld = Callable[..., World]


@pytest.fixture
def cold_state(world: World, tmp_path: Path) -> Path:
    """A copy of the warm state that knows nothing of the specimens: no file of theirs, no run."""
    verify(world, world.purl(PACKAGE))
    state = tmp_path / "cold-state"
    shutil.copytree(world.state, state, copy_function=os.link, ignore=shutil.ignore_patterns("runs", "log.jsonl"))
    for file in (world.archives.specimens.root / "pool").rglob("*"):
        if file.is_file():
            blob_path(state, _sha256(file)).unlink(missing_ok=True)
    return state


def blob_path(state: Path, sha256: str) -> Path:
    """Where a blob lies."""
    return state / "blobs" / sha256[:2] / sha256


def flip(path: Path, offset: int = -1) -> None:
    """Change one bit of a file that may be shared with other folders: only here."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if offset < 0 else offset] ^= 1
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)


def _sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the publisher lies ---------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [30, 100, -1], ids=["ar header", "control part", "data part"])
def test_a_changed_deb_under_a_signed_index_is_different(
    changed_archives: Archives, make_world: MakeWorld, offset: int
) -> None:
    archive = changed_archives.specimens
    path = archive.root / archive.binary(PACKAGE)["Filename"]
    data = bytearray(path.read_bytes())
    data[len(data) - 200 if offset < 0 else offset] ^= 1
    changed_archives.tamper(PACKAGE, bytes(data))
    world = make_world(changed_archives)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "different"
    assert run.statements == ["A", "A", "B FAILED"]
    assert check_bundle(world, run, PACKAGE).code == 10


def test_a_changed_deb_that_its_own_buildinfo_does_not_know(changed_archives: Archives, make_world: MakeWorld) -> None:
    """The signed index names both, and they contradict each other: the publisher's word against itself."""
    archive = changed_archives.specimens
    archive.flip(archive.binary(PACKAGE)["Filename"])
    archive.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "refused"
    assert "buildinfo" in run.record.reason


def test_a_changed_source_under_a_signed_index_is_different(changed_archives: Archives, make_world: MakeWorld) -> None:
    from tests.archive.specimens import PLAIN

    other = PLAIN.source.having(files={"data/note.txt": b"This came from the source of specimen-plaim.\n"})
    archive = changed_archives.specimens
    archive.suites["specimens"].sources.remove(archive.source(PACKAGE))
    archive.add_source("specimens", other.write(archive.root / "incoming", sign=changed_archives.developer.clear_sign))
    archive.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "different"


def test_a_tarball_that_its_dsc_does_not_know_is_refused(changed_archives: Archives, make_world: MakeWorld) -> None:
    archive = changed_archives.specimens
    archive.flip(f"{archive.source(PACKAGE)['Directory']}/specimen-plain_1.0.tar.xz")
    archive.publish()
    world = make_world(changed_archives)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "refused"
    assert "specimen-plain_1.0.tar.xz" in run.record.reason
    assert run.record.built is None


# --- a mirror gives wrong bytes -------------------------------------------------------------------


def _paths(archives: Archives, what: str) -> str:
    archive = archives.specimens
    folder = archive.source(PACKAGE)["Directory"]
    return {
        "deb": archive.binary(PACKAGE)["Filename"],
        "dsc": f"{folder}/specimen-plain_1.0.dsc",
        "tar": f"{folder}/specimen-plain_1.0.tar.xz",
        "buildinfo": archive.binary(PACKAGE)["Buildinfo-Filename"],
    }[what]


@pytest.mark.parametrize("what", ["deb", "dsc", "tar", "buildinfo"])
def test_wrong_bytes_at_every_mirror_are_unavailable_and_at_one_no_harm(
    archives: Archives, make_world: MakeWorld, cold_state: Path, what: str
) -> None:
    path = _paths(archives, what)
    world = make_world(archives, mirrors=2, state=cold_state)
    for mirror in world.mirrors:
        mirror.faults[path] = Fault(flip=-1)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "unavailable"
    assert any(path in item for item in run.record.missing)
    assert set(run.statements) <= {"D unavailable"}
    world.mirrors[1].faults.clear()
    assert verify(world, world.purl(PACKAGE)).record.verdict == "reproduced"


def test_a_cut_off_body_is_resumed(archives: Archives, make_world: MakeWorld, cold_state: Path) -> None:
    path = _paths(archives, "deb")
    world = make_world(archives, state=cold_state)
    world.mirrors[0].faults[path] = Fault(cut_after=1000, times=2)
    assert verify(world, world.purl(PACKAGE)).record.verdict == "reproduced"
    assert world.mirrors[0].requests.count(path) == 3


def test_a_changed_list_under_an_honest_signature_is_never_read(
    changed_archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    folder = "dists/specimens/main/binary-amd64"
    listed = changed_archives.specimens.root / folder
    shutil.rmtree(listed / "by-hash")
    for name in ("Packages", "Packages.xz"):
        flip(listed / name)
    for path in (cold_state / "blobs").rglob("*"):
        if path.is_file() and path.stat().st_size < 100_000:
            path.unlink()
    world = make_world(changed_archives, state=cold_state)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "unavailable"
    assert "Packages" in run.record.missing[0]


# --- the toolchain --------------------------------------------------------------------------------


def _toolchain_file(archives: Archives, package: str = "make") -> Path:
    stanza = next(s for s in archives.base.suites[BASE_SUITE].binaries if s["Package"] == package)
    return archives.base.root / stanza["Filename"]


def test_a_changed_toolchain_package_in_the_cache_is_our_own_fault(
    archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    flip(blob_path(cold_state, _sha256(_toolchain_file(archives))))
    world = make_world(archives, state=cold_state)
    outcome = no_run(world, world.purl(PACKAGE))
    assert outcome.code == OUR_FAULT, outcome.text
    assert "This is our own disk" in outcome.err


def test_a_changed_toolchain_package_at_the_mirror_is_unavailable(
    archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    file = _toolchain_file(archives)
    blob_path(cold_state, _sha256(file)).unlink()
    world = make_world(archives, state=cold_state)
    path = str(file.relative_to(archives.base.root))
    world.base_mirrors[0].faults[path] = Fault(flip=-1)
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "unavailable"
    assert any(path in item for item in run.record.missing)


def test_a_vanished_toolchain_package_is_unavailable_and_named(
    archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    file = _toolchain_file(archives)
    blob_path(cold_state, _sha256(file)).unlink()
    world = make_world(archives, state=cold_state)
    world.base_mirrors[0].faults[str(file.relative_to(archives.base.root))] = MISSING
    run = verify(world, world.purl(PACKAGE))
    assert run.record.verdict == "unavailable"
    assert file.name in run.outcome.out


# --- our own store, between one stage and the next ------------------------------------------------


class Meddling:
    """The real builder, after whose first build somebody changes the store."""

    def __init__(self, builder: Any, meddle: Callable[[Attempt], None]) -> None:
        self._builder = builder
        self._meddle = meddle

    def build(self, *arguments: Any, **named: Any) -> Attempt:
        attempt: Attempt = self._builder.build(*arguments, **named)
        self._meddle(attempt)
        return attempt


def _pipeline(world: World, package: str, change: Callable[[Ports], Ports]) -> Record:
    shop = workshop(load_config(world.folder, {}), Remembering())
    ports = change(shop.ports(sign=True, passphrase=lambda: b""))
    target = world.purl(package)
    return run_pipeline(target, lambda: shop.ecosystem.resolve(target), ports, Options())


def _output(attempt: Attempt) -> str:
    return next(file.sha256 for file in attempt.outputs if file.name.endswith(".deb"))


@pytest.mark.parametrize("package", [PACKAGE, "specimen-different"])
def test_a_rebuilt_output_changed_in_the_store_is_our_own_fault(
    archives: Archives, make_world: MakeWorld, cold_state: Path, package: str
) -> None:
    world = make_world(archives, state=cold_state)

    def meddle(attempt: Attempt) -> None:
        flip(blob_path(cold_state, _output(attempt)))

    with pytest.raises(IntegrityError, match="our own disk"):
        _pipeline(world, package, lambda ports: dataclasses.replace(ports, builder=Meddling(ports.builder, meddle)))
    assert not list((cold_state / "runs").glob("*"))


def test_the_published_file_put_in_place_of_the_rebuilt_one_is_our_own_fault(
    archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    world = make_world(archives, state=cold_state)
    published = archives.specimens.root / archives.specimens.binary("specimen-different")["Filename"]

    def meddle(attempt: Attempt) -> None:
        target = blob_path(cold_state, _output(attempt))
        target.unlink()
        shutil.copyfile(published, target)

    with pytest.raises(IntegrityError, match="our own disk"):
        _pipeline(
            world, "specimen-different",
            lambda ports: dataclasses.replace(ports, builder=Meddling(ports.builder, meddle)),
        )


class MeddlingSigner:
    """The real keys; whoever asks for their owner's name, just before signing, sets somebody to work."""

    def __init__(self, signing: Any, meddle: Callable[[], None]) -> None:
        self._signing = signing
        self._meddle = meddle

    @property
    def signer(self) -> Any:
        self._meddle()
        return self._signing.signer

    def sign(self, role: Any, statement: bytes) -> bytes:
        return self._signing.sign(role, statement)


def test_bytes_changed_between_the_verdict_and_the_signature_are_not_signed(
    archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    world = make_world(archives, state=cold_state)
    published = archives.specimens.root / archives.specimens.binary(PACKAGE)["Filename"]

    def meddle() -> None:
        flip(blob_path(cold_state, _sha256(published)))

    with pytest.raises(IntegrityError, match="our own disk"):
        _pipeline(
            world, PACKAGE, lambda ports: dataclasses.replace(ports, signing=MeddlingSigner(ports.signing, meddle))
        )
    assert not list((cold_state / "runs").glob("*"))


@pytest.mark.parametrize("what", ["deb", "tar", "buildinfo"])
def test_a_stored_file_that_changed_is_our_own_fault(
    archives: Archives, make_world: MakeWorld, cold_state: Path, what: str
) -> None:
    world = make_world(archives, state=cold_state)
    verify(world, world.purl(PACKAGE))
    flip(blob_path(cold_state, _sha256(archives.specimens.root / _paths(archives, what))))
    outcome = no_run(world, world.purl(PACKAGE))
    assert outcome.code == OUR_FAULT
    assert "our own disk" in outcome.err


def test_a_changed_record_is_not_shown_as_one(archives: Archives, make_world: MakeWorld, cold_state: Path) -> None:
    world = make_world(archives, state=cold_state)
    run = verify(world, world.purl("specimen-different"))
    path = run.folder / "run.json"
    path.write_text(path.read_text().replace('"verdict": "different"', '"verdict": "reproduced"'))
    outcome = world.run("show", run.folder.name)
    assert outcome.code == OUR_FAULT
    assert "changed after it was written" in outcome.err


# --- recipe and lock ------------------------------------------------------------------------------


@pytest.fixture
def recipe(world: World) -> Iterator[Path]:
    """A pinned recipe with its lock, which verifies."""
    path = pinned(world, PACKAGE)
    yield path


def _line(text: str, key: str, after: str = "") -> str:
    start = text.index(after) if after else 0
    return next(line for line in text[start:].splitlines() if line.startswith(f"{key} ="))


def _other_digit(line: str) -> str:
    quoted = line.split('"')
    quoted[1] = ("1" if quoted[1][0] == "0" else "0") + quoted[1][1:]
    return '"'.join(quoted)


@pytest.mark.parametrize(
    ("table", "key", "verdicts"),
    [
        ("[[artifacts]]", "sha256", {"refused", "unavailable"}),
        ("[[source.files]]", "sha256", {"refused", "unavailable"}),
        ("[[indexes]]", "inrelease_sha256", {"unavailable", "refused"}),
    ],
)
def test_a_changed_digest_in_the_recipe(world: World, recipe: Path, table: str, key: str, verdicts: set[str]) -> None:
    assert verify(world, str(recipe)).record.verdict == "reproduced"
    text = recipe.read_text()
    line = _line(text, key, table)
    recipe.write_text(text.replace(line, _other_digit(line)))
    assert verify(world, str(recipe)).record.verdict in verdicts


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('anchor = "specimens"', 'anchor = "specimenz"', "anchor 'specimenz'"),
        ("sha256 = ", "sha265 = ", "sha256"),
        ('format = "rebuilder/recipe/v1"', 'format = "rebuilder/recipe/v2"', "format"),
        ('strategy = "debian"', 'strategy = "debiam"', "strategy"),
    ],
)
def test_a_changed_word_in_the_recipe_is_refused_with_its_line(
    world: World, recipe: Path, old: str, new: str, words: str
) -> None:
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new, 1))
    outcome = no_run(world, str(recipe))
    assert outcome.code == USAGE, outcome.text
    assert words in outcome.err


def test_a_changed_lock_is_never_taken_for_the_toolchain_it_names(world: World, recipe: Path) -> None:
    """The root filesystem is loaded already; that must not hide that the rows no longer give it."""
    lock = recipe.with_name("toolchain.lock.json")
    text = lock.read_text()
    make = text[text.index('"make"') - 600 : text.index('"make"') + 600]
    digest = next(part for part in make.split('"') if len(part) == 64)
    for old, new in ((digest, _flipped(digest)), ('"epoch": 1', '"epoch": 2')):
        assert old in text.replace('"epoch":1', '"epoch": 1')
        lock.write_text(text.replace('"epoch":1', '"epoch": 1').replace(old, new))
        outcome = world.run("verify", str(recipe))
        assert outcome.code in {OUR_FAULT, 15}, outcome.text
    for root in {part for part in text.split('"') if len(part) == 64 and f'"roots":[{{"build":"any","sha256":"{part}' in text}:
        lock.write_text(text.replace(root, _flipped(root)))
        outcome = no_run(world, str(recipe))
        assert outcome.code == OUR_FAULT, outcome.text


def _flipped(digest: str) -> str:
    return ("1" if digest[0] == "0" else "0") + digest[1:]


# --- the bundle -----------------------------------------------------------------------------------


def test_no_changed_byte_of_a_bundle_verifies(world: World) -> None:
    run = verify(world, world.purl(PACKAGE))
    data = run.bundle.read_bytes()
    pins = parse_pins((world.state / "keys" / "pins.json").read_bytes())
    published = world.archives.specimens.root / world.archives.specimens.binary(PACKAGE)["Filename"]
    wanted = (Wanted(name="deb", sha256=_sha256(published)),)
    assert verify_bundle_bytes(data, pins, wanted).exit_code == 0
    for offset in range(len(data)):
        changed = bytearray(data)
        changed[offset] ^= 1 << (offset % 8)
        with pytest.raises(VerificationError):
            verify_bundle_bytes(bytes(changed), pins, wanted)


def test_a_bundle_says_nothing_about_another_file(world: World) -> None:
    run = verify(world, world.purl(PACKAGE))
    assert check_bundle(world, run, "specimen-different").code == 21
    flip(run.bundle)
    assert check_bundle(world, run, PACKAGE).code == 20
