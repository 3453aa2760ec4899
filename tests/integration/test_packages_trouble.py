"""Packages with something wrong about them: the verdict, the exit code, and who is to blame in which words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.git_server import GitServer, git_server
from tests.integration.package_releases import (
    WHEEL,
    Runs,
    Way,
    folder_of,
    needs,
    page,
    statements,
    wanted_by,
)
from tests.integration.package_world import Done, World
from tests.integration.test_packages import of

pytestmark = [pytest.mark.integration, pytest.mark.live]
POETRY_WHEEL = WHEEL.format("demo_poetry")
WAYS: dict[str, Way] = {
    "dirty": of("demo-dirty"),
    "network": of("demo-network"),
    "gone": of("gone"),
    "selfish": of("selfish"),
    "refused": of("demo-poetry", f"pkg:pypi/demo-poetry@1.0?file_name={POETRY_WHEEL}",
                  "--signature", f"@bad/{POETRY_WHEEL}.sig", "--anchor", "demo-authors"),
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(market: World, request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Those that a chosen test looks at."""
    made = Runs(market, WAYS, wanted_by(request))
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(market: World) -> Iterator[GitServer]:
    """The repositories, served."""
    with git_server(market.folder / "projects") as served:
        yield served


def stopped(done: Done, code: int, verdict: str) -> str:
    """The reason that a run ended early with that verdict, nothing built."""
    assert done.code == code, done.text
    record = done.record
    assert (record["verdict"], record["built"]) == (verdict, None)
    reason: str = record["reason"]
    assert reason.isprintable()
    return reason


# --- what was published is not what the commit makes ------------------------------------------------


@needs("dirty")
def test_content_that_is_in_no_commit_is_the_first_thing_said(market: World, runs: Runs) -> None:
    done = runs["dirty"]
    assert done.code == 10, done.text
    found = {one["member"]: one for one in done.record["explanation"]["undeclared"]}
    assert {member: one["what"] for member, one in found.items()} == {
        "demo_dirty-1.0/demo_dirty/core.py": "differs-from-source",
        "demo_dirty-1.0/demo_dirty/telemetry.py": "not-in-source",
    }
    for one in found.values():
        assert "no commit of the repository has these bytes" in one["note"]
    told = "2 files of the published sdist are not from the declared source"
    shown, html = market.run("show", done.record["run_id"]).out, page(market, done)
    assert shown.index(told) < shown.index("telemetry.py") < shown.index("What was compared with what")
    assert html.index(told) < html.index("telemetry.py") < html.index("In short")
    (statement,) = statements(folder_of(market, done))
    assert statement["predicate"]["vote"] == "none"  # type: ignore[index]


@needs("selfish")
def test_a_backend_that_builds_itself_is_told(market: World, runs: Runs) -> None:
    """The very wheel is among the packages that it is built with, for the project pins it: what comes out of that build
    says nothing."""
    del market
    reason = stopped(runs["selfish"], 15, "unavailable")
    assert "pkg:pypi/selfish@1.0 is itself among the packages that its build is given" in reason


# --- what cannot be built ---------------------------------------------------------------------------


@needs("network")
def test_a_build_that_needs_the_network_has_none(market: World, runs: Runs) -> None:
    done = runs["network"]
    assert done.code == 13, done.text
    record = done.record
    assert record["verdict"] == "build-failed"
    (told,) = record["warnings"]
    assert told.startswith("the build failed: step 5 ended with exit status 1; it asked the network for something")
    assert told.endswith("; a build has no network here")
    assert "a build has no network here" in page(market, done)
    assert "urlopen error" in page(market, done)
    (statement,) = statements(folder_of(market, done))
    assert statement["predicate"]["vote"] == "none"  # type: ignore[index]


@needs("gone")
def test_a_backend_that_no_longer_installs_is_named(market: World, runs: Runs) -> None:
    del market
    reason = stopped(runs["gone"], 15, "unavailable")
    assert "vanished-backend>=1 cannot be met" in reason
    assert "has no package of that name" in reason


# --- what the index says ----------------------------------------------------------------------------


def test_a_wheel_of_another_machine_is_not_rebuilt(market: World) -> None:
    purl = "pkg:pypi/demo-flit@1.0?file_name=demo_flit-1.0-cp313-cp313-win_amd64.whl"
    done = market.run("verify", purl, "--source", str(market.project("demo-flit")), "--json")
    reason = stopped(done, 15, "unavailable")
    assert "demo_flit-1.0-cp313-cp313-win_amd64.whl is for win_amd64: it was made on another system" in reason


def test_an_index_that_gives_other_bytes_than_it_names_is_at_fault(market: World) -> None:
    done = market.run("verify", "pkg:pypi/demo-digest@1.0", "--source", str(market.project("demo-flit")), "--json")
    reason = stopped(done, 15, "unavailable")
    assert "gives other bytes than the digest that it names" in reason
    assert "that is the server's fault" in reason
    assert "not the publisher's" in reason


def test_what_no_index_has_is_a_wrong_word(market: World) -> None:
    source = ("--source", str(market.project("demo-flit")), "--json")
    done = market.run("verify", "pkg:pypi/demo-flit@9.0", *source)
    assert done.code == 2
    assert "has no version 9.0 of demo-flit" in done.err
    assert "1.0" in done.err
    done = market.run("verify", "pkg:pypi/demo-nothing", *source)
    assert done.code == 2
    assert "has no package demo-nothing" in done.err or "demo-nothing" in done.err
    done = market.run("verify", "pkg:pypi/demo-flit@1.0?file_name=gone.whl", *source)
    assert done.code == 2
    assert "has no file 'gone.whl'; it has: demo_flit-1.0" in done.err


# --- where the source is ----------------------------------------------------------------------------


def test_a_commit_that_is_not_there(market: World, server: GitServer) -> None:
    words = ("verify", "pkg:pypi/demo-flit@1.0", "--source", f"{server.url}/demo-flit/.git", "--json", "--commit")
    done = market.run(*words, "12" * 20)
    assert "12" * 20 in stopped(done, 15, "unavailable")
    done = market.run(*words, "v9")
    assert done.code == 2
    assert "expected a commit or a tag of the repository, found v9, which it does not have" in done.err


def test_a_server_that_sends_elsewhere_is_not_followed(market: World, server: GitServer) -> None:
    with git_server(market.folder / "projects") as other:
        server.redirects["/moved"] = f"{other.url}/demo-flit"
        done = market.run("verify", "pkg:pypi/demo-flit@1.0", "--source", f"{server.url}/moved/.git", "--json")
        reason = stopped(done, 15, "unavailable")
        assert f"it redirects to another server, '{other.url}/demo-flit/.git'" in reason
        assert other.packs == 0


def test_a_repository_that_never_ends_is_bounded(market: World) -> None:
    with git_server(market.folder / "projects") as served:
        served.is_endless = True
        words = ("verify", "pkg:pypi/demo-flit@1.0", "--source", f"{served.url}/demo-flit/.git", "--json")
        done = market.run(*words, before="import rebuilder.fetch.git_remote as r; r.BYTES_LIMIT = 2_000_000; ")
        reason = stopped(done, 15, "unavailable")
        assert "2000000 bytes" in reason or "1 MiB" in reason


def test_a_release_that_names_no_repository_asks_for_one(market: World) -> None:
    done = market.run("verify", "pkg:pypi/demo-flit@1.0", "--json")
    reason = stopped(done, 15, "unavailable")
    assert "the source could not be had: the release names no repository" in reason
    assert "--source" in reason
    assert "--from-sdist" in reason


def test_a_source_is_no_subject(market: World) -> None:
    """Compared with itself it would always be equal."""
    purl = "pkg:pypi/typing-extensions@4.15.0?file_name=typing_extensions-4.15.0.tar.gz"
    done = market.run("verify", purl, "--from-sdist", "--json")
    assert done.code == 2
    assert "expected a file of typing-extensions 4.15.0 that is not itself the source, found none asked for" in done.err


# --- who vouches ------------------------------------------------------------------------------------


@needs("refused")
def test_a_bad_signature_by_a_pinned_key_refuses(market: World, runs: Runs) -> None:
    del market
    done = runs["refused"]
    reason = stopped(done, 14, "refused")
    assert POETRY_WHEEL in reason
    assert done.record["endorsement"]["result"] == "invalid"
