"""How a Python release was made: what is guessed of real backends, of archives as others leave them, and why."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import pytest

from rebuilder.model import Origin
from rebuilder.resolve.infer.python import guess
from rebuilder.resolve.infer.wheel_facts import read_wheel
from tests.unit import infer_archives as made
from tests.unit.infer_archives import at, member
from tests.unit.infer_python_cases import BUILD, CHECKOUT, COMMIT, UPLOAD, of, of_flit, of_setuptools, wheel_of

# --- real backends ------------------------------------------------------------------------------------


def test_hatchling_with_an_epoch(tmp_path):
    found = of(*made.by_hatchling(tmp_path, epoch=COMMIT), committed=COMMIT)
    assert found["backend"].value.startswith("hatchling==")
    assert (found["epoch"].value, found["epoch"].origin) == (str(COMMIT), Origin.RECOVERED)
    assert "gzip header and all" in found["epoch"].evidence
    assert "the commit's time" in found["epoch"].evidence
    assert found["epoch"].confidence > 0.95
    assert (found["times"].value, found["owners"].value, found["clock"].value) == ("commit", "", "")
    assert found["zlib"].value == ("zlib-ng" if "ng" in zlib.ZLIB_RUNTIME_VERSION else "zlib")
    assert "the sdist at level 9 and the wheel at level 6" in found["zlib"].evidence
    assert found["requirements"].value == str(UPLOAD)


def test_hatchling_without_an_epoch(tmp_path):
    found = of(*made.by_hatchling(tmp_path, epoch=None))
    assert found["epoch"].value == ""
    assert found["epoch"].evidence.endswith("2020-02-02 00:00:00 UTC, which hatchling writes where it is not set")


def test_an_epoch_that_is_not_the_commits_is_less_sure(tmp_path):
    pair = made.by_hatchling(tmp_path, epoch=COMMIT + 100)
    found = of(*pair, committed=COMMIT)
    assert found["epoch"].value == str(COMMIT + 100)
    assert found["epoch"].confidence < 0.9
    assert found["epoch"].others[0] == str(COMMIT)
    assert "the commit is of 2024-02-01 10:00:01 UTC" in found["epoch"].evidence


def test_a_wheel_alone_has_the_commits_time_on_its_grid(tmp_path):
    wheel, _ = made.by_hatchling(tmp_path, epoch=COMMIT)
    found = of(wheel, committed=COMMIT)
    assert found["epoch"].value == str(COMMIT)
    assert found["epoch"].evidence == (
        "all 4 members of the wheel have 2024-02-01 10:00:00 UTC, the commit's time on zip's grid of two seconds"
    )
    unknown = of(wheel)
    assert unknown["epoch"].value == str(COMMIT - 1)
    assert str(COMMIT) in unknown["epoch"].others


def test_setuptools_really(tmp_path):
    sdist = made.by_setuptools(tmp_path)
    found = of(sdist=sdist, uploaded=None)
    assert found["backend"].value == "setuptools"
    assert "nothing records" in found["backend"].evidence
    assert found["times"].value == "archive-members"
    assert found["clock"].value == ""
    assert found["clock"].evidence.endswith("from the build's clock: replayed with the times of all members")
    assert found["requirements"].value == found["clock"].others[0]
    assert found["front-end"].value == "build"


# --- backends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("generator", "value"),
    [
        ("flit 3.9.0", "flit_core==3.9.0"),
        ("poetry-core 1.9.0", "poetry-core==1.9.0"),
        ("poetry 1.0.7", "poetry-core==1.0.7"),
        ("poetry 0.12.17", "poetry==0.12.17"),
        ("pdm-backend (2.3.3)", "pdm-backend==2.3.3"),
        ("pdm-pep517 1.1.0", "pdm-pep517==1.1.0"),
        ("setuptools (75.1.0)", "setuptools==75.1.0"),
        ("bdist_wheel (0.41.2)", "wheel==0.41.2"),
        ("uv 0.10.7", "uv_build==0.10.7"),
        ("maturin (1.9.1)", "maturin==1.9.1"),
        ("mesonpy 0.12.0", "meson-python==0.12.0"),
        ("scikit-build-core 0.9.3", "scikit-build-core==0.9.3"),
    ],
)
def test_the_generator_names_the_backend(tmp_path, generator, value):
    found = of(wheel_of(tmp_path, generator))["backend"]
    assert (found.value, found.origin) == (value, Origin.RECOVERED)
    assert f"`Generator: {generator}`" in found.evidence


def test_a_generator_without_a_version_or_of_the_tree_is_less_sure(tmp_path):
    bare = of(wheel_of(tmp_path, "meson"))["backend"]
    assert (bare.value, bare.confidence) == ("meson-python", 0.6)
    local = of(wheel_of(tmp_path, "pdm-backend (0.0.0+local)"))["backend"]
    assert local.value == "pdm-backend"
    assert "may be its own backend" in local.evidence
    own = of(wheel_of(tmp_path, "demo 1.0"), pyproject='[build-system]\nrequires = ["Demo"]\n')["backend"]
    assert (own.value, own.confidence) == ("demo==1.0", 0.3)
    assert "the project is its own backend" in own.evidence


def test_a_backend_that_we_do_not_know_is_pinned_where_the_manifest_asks_for_it(tmp_path):
    wheel = wheel_of(tmp_path, "whey (0.0.24)")
    assert of(wheel, pyproject='[build-system]\nrequires = ["Whey>=0.0.1", 5]\n')["backend"].value == "whey==0.0.24"
    unknown = of(wheel)["backend"]
    assert unknown.value == ""
    assert "the manifest does not ask for it" in unknown.evidence


def test_of_setuptools_under_wheel_a_bound_is_known(tmp_path):
    wheel = wheel_of(tmp_path, "bdist_wheel (0.36.2)", metadata="Platform: UNKNOWN\n")
    bounds = [one.value for one in guess(read_wheel(wheel), None, uploaded=None, pyproject="", committed=None)[:2]]
    assert bounds == ["wheel==0.36.2", "setuptools<=57.5.0"]
    wheel = wheel_of(tmp_path, "bdist_wheel (0.43.0)")
    late = datetime(2025, 1, 1, tzinfo=UTC)
    bounds = [one.value for one in guess(read_wheel(wheel), None, uploaded=late, pyproject="", committed=None)[:2]]
    assert bounds == ["wheel==0.43.0", "setuptools<70.1"]


def test_a_wheel_that_a_distribution_ships_came_with_its_setuptools(tmp_path):
    def setuptools(generator: str) -> tuple[str, str]:
        wheel = read_wheel(wheel_of(tmp_path, generator))
        found = guess(wheel, None, uploaded=datetime(2024, 2, 3, tzinfo=UTC), pyproject="", committed=None)
        return found[1].value, found[1].evidence

    value, why = setuptools("bdist_wheel (0.37.1)")
    assert value == "setuptools==59.6.0"
    assert why == "wheel 0.37.1 was no longer the newest by then; Ubuntu 22.04 ships it, with setuptools 59.6.0"
    # The newest there was: any environment would have had it.
    assert "Ubuntu" not in setuptools("bdist_wheel (0.42.0)")[1]


def test_without_a_generator_the_manifest_names_the_backend(tmp_path):
    found = of(wheel_of(tmp_path, None), pyproject=made.MANIFEST)["backend"]
    assert (found.value, found.origin) == ("hatchling", Origin.INFERRED)
    assert "the WHEEL file names no generator" in found.evidence
    nothing = of(wheel_of(tmp_path, None))["backend"]
    assert nothing.value == ""
    assert "the manifest names none" in nothing.evidence


def test_a_manifest_that_asks_for_another_backend_is_said(tmp_path):
    found = of(wheel_of(tmp_path, "flit 3.9.0"), pyproject=made.MANIFEST)["backend"]
    assert found.evidence.endswith("but the manifest asks for hatchling.build")


@pytest.mark.parametrize(
    "manifest", ["[", "build-system = 1", "[build-system]\nbuild-backend = 5", "a = " + "[" * 5000]
)
def test_manifests_that_are_none_do_no_harm(tmp_path, manifest):
    assert of(wheel_of(tmp_path, "flit 3.9.0"), pyproject=manifest)["backend"].value == "flit_core==3.9.0"
    assert of(wheel_of(tmp_path, None), pyproject=manifest)["backend"].value in ("", "setuptools")


# --- times --------------------------------------------------------------------------------------------


def test_setuptools_on_ci_without_an_epoch(tmp_path):
    found = of(wheel_of(tmp_path, "bdist_wheel (0.42.0)"), of_setuptools(tmp_path))
    assert found["epoch"].value == ""
    assert "files of the wheel have 2024-02-02 01:21:20 UTC" in found["epoch"].evidence
    assert (found["clock"].value, found["clock"].others) == ("", (str(BUILD + 5), str(BUILD)))
    assert found["requirements"].value == str(BUILD)
    assert found["requirements"].others == (str(UPLOAD), str(CHECKOUT))
    assert found["times"].value == "archive-members"
    assert found["owners"].value == "runner/1001/docker/127"
    assert "4 of 4 members" in found["owners"].evidence
    assert "an account of a CI service" in found["owners"].evidence
    assert found["umask"].value == "0022"
    assert found["front-end"].value == "build"


def test_setuptools_with_an_epoch_shows_it_in_the_wheel_alone(tmp_path):
    wheel = wheel_of(tmp_path, "bdist_wheel (0.41.2)", files={"demo/__init__.py": COMMIT}, written=COMMIT)
    sdist = of_setuptools(tmp_path)
    found = of(wheel, sdist)
    assert found["epoch"].value == str(COMMIT - 1)
    assert "before any file of the sdist was there" in found["epoch"].evidence
    assert found["clock"].others == (str(BUILD),)
    assert of(wheel, sdist, committed=COMMIT)["epoch"].value == str(COMMIT)


def test_flit_with_an_epoch(tmp_path):
    wheel = wheel_of(tmp_path, "flit 3.9.0", files={"demo/__init__.py": COMMIT}, written=COMMIT)
    found = of(wheel, of_flit(tmp_path, COMMIT, gzip_time=COMMIT))
    assert (found["epoch"].value, found["times"].value) == (str(COMMIT), "commit")
    assert found["clock"].value == ""


def test_flit_without_an_epoch_has_the_times_of_its_files(tmp_path):
    constant = at("2016-01-01 00:00:00")
    wheel = wheel_of(tmp_path, "flit 3.9.0", written=constant)
    found = of(wheel, of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=constant))
    assert found["epoch"].value == ""
    assert "2016-01-01 00:00:00 UTC, which flit writes where it is not set" in found["epoch"].evidence
    assert (found["times"].value, found["clock"].value) == ("archive", "")
    assert found["requirements"].value == str(UPLOAD)
    assert found["requirements"].others == (str(CHECKOUT),)


def test_the_clock_in_the_header_of_an_old_flit_is_no_epoch(tmp_path):
    wheel = wheel_of(tmp_path, "flit 3.8.0", written=at("2016-01-01 00:00:00"))
    found = of(wheel, of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=BUILD))
    assert (found["epoch"].value, found["clock"].value) == ("", str(BUILD))
    assert "times of their own" in found["epoch"].evidence


def test_a_wheel_in_another_zone_is_replayed(tmp_path):
    constant = at("2016-01-01 00:00:00")
    files = {"demo/__init__.py": CHECKOUT - 5 * 3600}
    found = of(
        wheel_of(tmp_path, "flit 3.9.0", files=files, written=constant),
        of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=constant),
    )
    assert found["times"].value == "archive-members"
    assert "(-5 hours)" in found["times"].evidence


def test_a_wheel_in_a_zone_with_summer_time_is_replayed(tmp_path):
    constant, summer = at("2016-01-01 00:00:00"), CHECKOUT - 180 * 86400
    names = [f"demo/{letter}.py" for letter in "abcde"]
    files = dict.fromkeys(names, CHECKOUT) | {"demo/y.py": summer + 3600, "demo/z.py": summer + 3600}
    old = tuple(member(name, summer + 0.5) for name in ("demo/y.py", "demo/z.py"))
    more = (*old, *(member(name, CHECKOUT + 0.5) for name in names))
    sdist = of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=constant, more=more)
    found = of(wheel_of(tmp_path, "flit 3.9.0", files=files, written=constant), sdist)
    assert found["times"].value == "archive-members"
    assert "(+1 hours)" in found["times"].evidence
    utc = wheel_of(tmp_path, "flit 3.9.0", files=dict.fromkeys(names, CHECKOUT), written=constant)
    assert of(utc, sdist)["times"].value == "archive"


def test_poetry_and_pdm_keep_file_times_in_the_sdist_alone(tmp_path):
    constant = at("1980-01-01 00:00:00")
    wheel = wheel_of(tmp_path, "poetry-core 1.9.0", files={"demo/__init__.py": constant}, written=constant)
    found = of(wheel, of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=0))
    assert (found["epoch"].value, found["times"].value, found["front-end"].value) == ("", "archive", "poetry")
    constant = at("2016-01-01 00:00:00")
    wheel = wheel_of(tmp_path, "pdm-backend (2.3.3)", files={"demo/__init__.py": constant}, written=constant)
    made_now = (member("demo/_version.py", BUILD + 0.1),)
    found = of(wheel, of_flit(tmp_path, CHECKOUT + 0.5, gzip_time=BUILD, more=made_now))
    assert (found["epoch"].value, found["clock"].value, found["times"].value) == ("", "", "archive-members")


def test_pdm_with_an_epoch(tmp_path):
    wheel = wheel_of(tmp_path, "pdm-backend (2.3.3)", files={"demo/__init__.py": COMMIT}, written=COMMIT)
    found = of(wheel, of_flit(tmp_path, COMMIT, gzip_time=BUILD), committed=COMMIT)
    assert (found["epoch"].value, found["times"].value, found["clock"].value) == (str(COMMIT), "commit", str(BUILD))


def test_constants_of_scikit_build_core_and_uv(tmp_path):
    constant = at("2022-11-09 12:37:21")
    found = of(wheel_of(tmp_path, "scikit-build-core 0.9.3"), of_flit(tmp_path, constant, gzip_time=constant))
    assert (found["epoch"].value, found["times"].value, found["clock"].value) == ("", "archive-members", "")
    assert "scikit-build-core runs under no clock but the host's" in found["times"].evidence
    constant = at("1980-01-01 00:00:00")
    wheel = wheel_of(tmp_path, "uv 0.10.7", files={"demo/__init__.py": constant}, written=constant)
    found = of(wheel, of_flit(tmp_path, 0, gzip_time=0))
    assert (found["epoch"].value, found["front-end"].value) == ("", "uv")
    assert "a library of its own" in found["zlib"].evidence


def test_meson_makes_its_wheel_of_the_sdist(tmp_path):
    members = [member(name, CHECKOUT) for name in ("a.py", "b.py")] + [member("PKG-INFO", BUILD + 0.5)]
    sdist = made.sdist(tmp_path / "demo-1.0.tar.gz", members, gzip_time=BUILD)
    found = of(wheel_of(tmp_path, "meson"), sdist)
    assert (found["front-end"].value, found["front-end"].confidence) == ("build", 0.85)
    assert found["times"].value == "archive-members"
    # Ninja waits for the clock, so that none is set, whatever shows it.
    sdist = made.sdist(tmp_path / "demo-1.0.tar.gz", members[:2], gzip_time=BUILD)
    found = of(wheel_of(tmp_path, "meson"), sdist)
    assert (found["times"].value, found["clock"].value) == ("archive-members", "")
    assert "meson runs under no clock but the host's" in found["times"].evidence


def test_a_clock_after_the_upload_is_not_believed(tmp_path):
    late = UPLOAD + 10 * 86400
    found = of(None, of_setuptools(tmp_path, clock=late))
    assert (found["clock"].value, found["requirements"].value) == ("", str(UPLOAD))


def test_nothing_known_of_the_time(tmp_path):
    constant = at("1980-01-01 00:00:00")
    found = of(wheel_of(tmp_path, "x 1", files={"a.py": constant}, written=constant), uploaded=None)
    assert (found["requirements"].value, found["epoch"].value, found["times"].value) == ("", "", "commit")
    assert found["python"].value == "3.13"
