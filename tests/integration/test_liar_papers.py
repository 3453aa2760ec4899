"""One byte changed in the papers: recipe, toolchain lock, bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from rebuilder.attest.pins import parse_pins
from rebuilder.attest.verify import Wanted
from rebuilder.attest.verify import verify_bundle as verify_bundle_bytes
from rebuilder.errors import VerificationError
from tests.archive.world import World
from tests.integration.liar import OUR_FAULT, USAGE, check_bundle, flip, no_run, pinned, sha256_of, verify

pytestmark = pytest.mark.integration
PACKAGE = "specimen-plain"


@pytest.fixture
def recipe(world: World) -> Path:
    """A pinned recipe with its lock, which verifies."""
    return pinned(world, PACKAGE)


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
