"""Builds whose Python has zlib-ng in the place of zlib, in the real sandbox, with the real wheel."""

from __future__ import annotations

import gzip
import random

import pytest

from rebuilder.recipe import PackageRecipe, Replay
from rebuilder.resolve import strategies
from rebuilder.resolve.package_builds import ZLIB_WHEEL
from tests.integration.test_package_builds import CLOCK, PYTHON, Bench, tar_rows, zip_rows
from tests.unit.package_build_cases import SDIST, WHEEL, recipe

pytestmark = [pytest.mark.integration, pytest.mark.live]
_CHANCE = random.Random(1)
_WORDS = ["".join(_CHANCE.choice("etaoinshrdlu") for _ in range(_CHANCE.randrange(2, 9))) for _ in range(300)]
#: Text in which two compressors of the same level find other repetitions.
TEXT = '"""A demonstration."""\n' + "".join(f"# {' '.join(_CHANCE.choices(_WORDS, k=12))}\n" for _ in range(1000))
FLIT = {
    "pyproject.toml": '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
    '[project]\nname = "demo"\nversion = "1.0"\ndescription = "A demonstration"\nrequires-python = ">=3.8"\n',
    "demo.py": TEXT,
}


def asked(*replay: Replay, ng: bool, **build: object) -> PackageRecipe:
    """With the standard front end and flit."""
    wheels = ("flit_core", *strategies.front_end_requirements("build"), *([ZLIB_WHEEL] if ng else []))
    toolchain = {"relations": PYTHON, "wheels": wheels, "zlib": "zlib-ng" if ng else "zlib"}
    steps = strategies.python_steps("build", wanted=frozenset({"wheel", "sdist"}))
    return recipe(*replay, toolchain=toolchain, steps=steps, **{"epoch": CLOCK, **build})


def test_only_the_streams_are_others(tmp_path_factory: pytest.TempPathFactory) -> None:
    bench = Bench(tmp_path_factory.mktemp("zlib-ng"))
    tree = bench.tree(FLIT, "zlib")
    plain, other = bench.build(asked(ng=False), tree), bench.build(asked(ng=True), tree)
    assert plain[SDIST].read_bytes() != other[SDIST].read_bytes()
    assert gzip.decompress(plain[SDIST].read_bytes()) == gzip.decompress(other[SDIST].read_bytes())
    assert plain[SDIST].read_bytes()[:10] == other[SDIST].read_bytes()[:10]
    assert plain[WHEEL].read_bytes() != other[WHEEL].read_bytes()
    same = ("filename", "date_time", "external_attr", "file_size", "CRC", "compress_type", "flag_bits")
    assert zip_rows(plain[WHEEL], *same) == zip_rows(other[WHEEL], *same)
    # With scalars that another machine left, too: both shims are there.
    published = bench.build(asked(ng=True, epoch=CLOCK + 1000), tree)
    replays = (Replay(artifact=SDIST, what=("member-times", "gzip-time")),)
    again = bench.build(asked(*replays, ng=True), tree, published)
    assert tar_rows(published[SDIST], "mtime") != tar_rows(other[SDIST], "mtime")
    assert again[SDIST].read_bytes() == published[SDIST].read_bytes()
