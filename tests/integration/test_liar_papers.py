"""One byte changed in the papers: recipe, toolchain lock, bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rebuilder.attest.pins import parse_pins
from rebuilder.attest.verify import Wanted
from rebuilder.attest.verify import verify_bundle as verify_bundle_bytes
from rebuilder.errors import VerificationError
from tests.archive.world import World
from tests.integration.liar import EXIT, OUR_FAULT, USAGE, check_bundle, flip, no_run, pinned, sha256_of, verify

pytestmark = pytest.mark.integration
PACKAGE = "specimen-plain"


@pytest.fixture
def recipe(world: World) -> Path:
    """A pinned recipe with its lock, which verifies."""
    return pinned(world, PACKAGE)


def _change_digit(recipe: Path, key: str, table: str) -> None:
    """Change the first digit of the first digest below a table."""
    text = recipe.read_text()
    start = text.index(table)
    line = next(line for line in text[start:].splitlines() if line.startswith(f"{key} ="))
    digest = line.split('"')[1]
    recipe.write_text(text.replace(line, line.replace(digest, _flipped(digest))))


def _flipped(digest: str) -> str:
    return ("1" if digest[0] == "0" else "0") + digest[1:]


@pytest.mark.parametrize("table", ["[[artifacts]]", "[[source.files]]"])
def test_a_changed_digest_in_the_recipe_is_never_reproduced(world: World, recipe: Path, table: str) -> None:
    _change_digit(recipe, "sha256", table)
    run = verify(world, str(recipe))
    assert run.record.verdict in {"refused", "unavailable"}
    assert run.record.built is None


def test_a_recipe_whose_index_is_not_at_hand_says_which_index_was_used(world: World, recipe: Path) -> None:
    """Its artifact and source are still what today's signed index names, so the verdict stands; the page says so."""
    _change_digit(recipe, "inrelease_sha256", "[[indexes]]")
    run = verify(world, str(recipe))
    assert run.record.verdict == "reproduced"
    assert any("that the recipe pins are not saved here" in warning for warning in run.record.warnings)


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


def _row(lock: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in lock["packages"] if row["package"] == "make")


def _change_row_digest(lock: dict[str, Any]) -> None:
    _row(lock)["sha256"] = _flipped(_row(lock)["sha256"])


def _change_row_version(lock: dict[str, Any]) -> None:
    _row(lock)["version"] += "1"


def _change_root(lock: dict[str, Any]) -> None:
    lock["roots"][0]["sha256"] = _flipped(lock["roots"][0]["sha256"])


def _add_root(lock: dict[str, Any]) -> None:
    lock["roots"].append({**lock["roots"][0], "build": "generic"})


@pytest.mark.parametrize("change", [_change_row_digest, _change_row_version, _change_root, _add_root])
def test_a_changed_lock_is_never_taken_for_the_toolchain_it_names(
    world: World, recipe: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    """The root filesystem is loaded already; that must not hide that the lock no longer gives it."""
    path = recipe.with_name("toolchain.lock.json")
    lock = json.loads(path.read_text())
    change(lock)
    path.write_text(json.dumps(lock))
    outcome = world.run("verify", str(recipe))
    assert outcome.code in {OUR_FAULT, EXIT["unavailable"]}, outcome.text
    assert "lock" in outcome.err or "make" in outcome.out


def test_no_changed_byte_of_a_bundle_verifies(world: World) -> None:
    run = verify(world, world.purl(PACKAGE))
    data = run.bundle.read_bytes()
    pins = parse_pins((world.state / "keys" / "pins.json").read_bytes())
    published = world.archives.specimens.root / world.archives.specimens.binary(PACKAGE)["Filename"]
    wanted = (Wanted(name="deb", sha256=sha256_of(published)),)
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
