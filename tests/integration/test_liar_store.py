"""Our own store changes under us, between one stage and the next: our own fault, and nothing is signed."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rebuilder.config import load_config
from rebuilder.errors import IntegrityError
from rebuilder.model import Attempt, Record
from rebuilder.pipeline import Ports
from rebuilder.pipeline import verify as run_pipeline
from rebuilder.ports import Options
from rebuilder.wiring import unlocked_signer, workshop
from tests.archive.world import SUITE, Archives, World
from tests.integration.liar import OUR_FAULT, blob_path, flip, no_run, sha256_of, toolchain_file, verify
from tests.integration.sandboxes import Remembering

pytestmark = pytest.mark.integration
PACKAGE = "specimen-plain"
MakeWorld = Callable[..., World]


def test_a_changed_toolchain_package_in_the_cache_is_our_own_fault(
    archives: Archives, make_world: MakeWorld, cold_state: Path
) -> None:
    flip(blob_path(cold_state, sha256_of(toolchain_file(archives))))
    # Without a note of it the root filesystem has to be made anew, from the packages in the cache.
    shutil.rmtree(cold_state / "roots")
    world = make_world(archives, state=cold_state)
    outcome = no_run(world, world.purl(PACKAGE))
    assert outcome.code == OUR_FAULT, outcome.text
    assert "This is our own disk" in outcome.err


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
    shop = workshop(load_config({}, file=world.folder / "rebuilder.toml"), Remembering())
    ports = change(shop.ports(unlocked_signer(shop.config, lambda: b"")))
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
        flip(blob_path(cold_state, sha256_of(published)))

    with pytest.raises(IntegrityError, match="our own disk"):
        _pipeline(
            world, PACKAGE, lambda ports: dataclasses.replace(ports, signing=MeddlingSigner(ports.signing, meddle))
        )
    assert not list((cold_state / "runs").glob("*"))


def _path(archives: Archives, what: str) -> str:
    archive = archives.specimens
    return {
        # Not of a package that is reproduced: there our own rebuild would put the right bytes back.
        "deb": archive.binary("specimen-different")["Filename"],
        "tar": f"{archive.source(PACKAGE)['Directory']}/specimen-plain_1.0.tar.xz",
        "buildinfo": archive.binary(PACKAGE)["Buildinfo-Filename"],
        # It holds the digest that the published file is expected to have.
        "list": f"dists/{SUITE}/main/binary-amd64/Packages.xz",
    }[what]


@pytest.mark.parametrize("what", ["deb", "tar", "buildinfo", "list"])
def test_a_stored_file_that_changed_is_our_own_fault(
    archives: Archives, make_world: MakeWorld, cold_state: Path, what: str
) -> None:
    world = make_world(archives, state=cold_state)
    target = world.purl("specimen-different" if what == "deb" else PACKAGE)
    verify(world, target)
    flip(blob_path(cold_state, sha256_of(archives.specimens.root / _path(archives, what))))
    outcome = no_run(world, target)
    assert outcome.code == OUR_FAULT
    assert "our own disk" in outcome.err


def test_a_changed_record_is_not_shown_as_one(archives: Archives, make_world: MakeWorld, cold_state: Path) -> None:
    world = make_world(archives, state=cold_state)
    run = verify(world, world.purl("specimen-different"))
    path = run.folder / "run.json"
    path.write_text(path.read_text().replace('"verdict": "different"', '"verdict": "reproduced"'))
    outcome = world.run("show", run.folder.name)
    assert outcome.code != 0
    assert outcome.out == ""
    assert "changed after it was written" in outcome.err
