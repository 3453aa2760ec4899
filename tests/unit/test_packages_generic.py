"""Recipes of files that no index has: any repository, any commands."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rebuilder.check.model import ProjectKind
from rebuilder.errors import UsageError
from rebuilder.model import Origin, SourceKind
from rebuilder.recipe import PackageRecipe
from rebuilder.resolve.generic import Order, recipe_of
from rebuilder.resolve.packages_recipe import published_of
from tests.unit.package_ecosystem import ecosystem, written
from tests.unit.project_cases import COMMITTED, flit, git, make

MAKEFILE = "all: greeting\ngreeting: greeting.c\n\t$(CC) -O2 -o greeting greeting.c\n"
SETTINGS = '[check]\noutputs = ["greeting"]\nlimits = { seconds = 55 }\n'


class Desk:
    """A program with a Makefile, released twice."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = {"Makefile": MAKEFILE, "greeting.c": "int main(void) { return 0; }\n", "rebuilder.toml": SETTINGS}
        self.repository = make(folder / "greeting", files)
        git(self.repository, "tag", "v1.0")
        self.first = git(self.repository, "rev-parse", "HEAD")
        git(self.repository, "commit", "-q", "--allow-empty", "-m", "two")
        self.packages = ecosystem(folder / "state")
        self.built = folder / "greeting-file" / "greeting"
        self.built.parent.mkdir()
        self.built.write_bytes(b"\x7fELF")
        self.order = Order(purl="pkg:generic/greeting@1.0", source=str(self.repository), artifacts=(self.built,))

    def recipe(self, **changes: object) -> PackageRecipe:
        order = replace(self.order, **changes)  # type: ignore[arg-type]
        return recipe_of(order, self.packages.repositories, self.packages.blobs, {"seconds": 77, "pids": 88})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_tag_of_the_version_is_built_as_the_tree_shows(desk: Desk) -> None:
    made = desk.recipe()
    assert (made.source.kind, made.source.commit, made.source.tag) == (SourceKind.GIT_COMMIT, desk.first, "v1.0")
    assert (made.build.kind, made.build.outputs, made.build.epoch) == (ProjectKind.MAKE, ("*",), COMMITTED)
    # The tree's own limits go over the operator's.
    assert (made.build.limits.seconds, made.build.limits.pids) == (55, 88)
    (guess,) = made.guesses
    assert (guess.input, guess.value, guess.origin) == ("commit", desk.first, Origin.INFERRED)
    (item,) = made.artifacts
    assert (item.sha256, item.package, item.version) == (hashlib.sha256(b"\x7fELF").hexdigest(), "greeting", "1.0")
    assert made.endorsement.anchor == "none"
    written(desk.folder, made)
    (artifact,) = published_of(made).artifacts
    assert (artifact.file.archive, artifact.named) == ("local", True)


def test_what_the_clone_says_of_its_origin_is_assumed(desk: Desk) -> None:
    git(desk.repository, "config", "remote.origin.url", "https://code.example/greeting")
    pushed_never = desk.recipe()
    assert pushed_never.source.repository == ""
    assert "it may never have been pushed" in pushed_never.guesses[1].evidence
    git(desk.repository, "update-ref", "refs/remotes/origin/main", desk.first)
    made = desk.recipe()
    assert made.source.repository == "https://code.example/greeting"
    assert made.guesses[1].origin is Origin.ASSUMED


def test_a_recipe_is_resolved_again_from_what_is_stored(desk: Desk) -> None:
    path = written(desk.folder, desk.recipe())
    found = desk.packages.resolve(str(path), source=str(desk.repository))
    assert found.published.purl == "pkg:generic/greeting@1.0"
    assert not [text for text in found.warnings if "not held" in text]
    empty = ecosystem(desk.folder / "empty")
    with pytest.raises(UsageError, match=r"files that the recipe of pkg:generic/greeting@1\.0 pins are not in the"):
        empty.resolve(str(path), source=str(desk.repository))
    again = empty.resolve(str(path), source=str(desk.repository), artifacts=(desk.built,))
    assert again.published == found.published


@pytest.mark.parametrize("named", ["v2.0-rc1", "refs/tags/v2.0-rc1", "id", "short"])
def test_a_commit_a_command_and_a_suite_are_taken_as_they_are_said(desk: Desk, named: str) -> None:
    git(desk.repository, "tag", "v2.0-rc1")
    second = git(desk.repository, "rev-parse", "main")
    named = {"id": second, "short": second[:10]}.get(named, named)
    made = desk.recipe(commit=named, command=("make", "greeting"), suite="bookworm")
    assert (made.source.commit, made.guesses[0].origin, made.guesses[0].confidence) == (second, Origin.PINNED, 1.0)
    assert made.guesses[0].evidence == f"given by hand: {named}"
    assert made.toolchain.suite == "bookworm"
    assert made.build.steps[0].argv[:2] == ("make", "greeting")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"purl": "greeting"}, "expected a package URL such as pkg:generic/demo@1.0, found 'greeting'"),
        ({"purl": "pkg:generic/greeting"}, "expected pkg:generic/NAME@VERSION, found 'pkg:generic/greeting'"),
        ({"purl": "pkg:pypi/greeting@1.0"}, "expected pkg:generic/NAME@VERSION, found 'pkg:pypi/greeting@1.0'"),
        ({"purl": "pkg:generic/a/greeting@1.0"}, "expected pkg:generic/NAME@VERSION"),
        ({"purl": "pkg:generic/greeting@1.0?x=y"}, "expected pkg:generic/NAME@VERSION"),
        ({"purl": "pkg:generic/greeting@1.0#src"}, "expected pkg:generic/NAME@VERSION"),
        ({"purl": "pkg:generic/greeting@1%0a.0"}, "expected a package URL of letters that can be shown, found"),
        ({"purl": "pkg:generic/gree%1b[31mting@1.0"}, "expected a package URL of letters that can be shown"),
        ({"purl": "pkg:generic/..@1.0"}, "expected a name that begins with a letter or a digit and is no path, found"),
        ({"purl": "pkg:generic/x%2f..%2fy@1.0"}, "expected a name that begins with a letter or a digit and is no path"),
        ({"purl": "pkg:generic/greeting@9.0"}, "no commit of greeting 9.0 was found in"),
        ({"commit": "v9"}, "expected a commit or a tag of the repository, found v9, which it does not have"),
        ({"commit": "main"}, "expected a commit or a tag of the repository, found main"),
        ({"commit": "12" * 20}, f"found {'12' * 20}, which it does not have"),
        ({"commit": "--all"}, "expected a commit or a tag of the repository, found --all"),
        ({"commit": "v1.0^{tree}"}, "expected a commit or a tag of the repository, found v1.0^{tree}"),
        ({"artifacts": ()}, "expected at least one file to compare with, found none"),
    ],
)
def test_what_cannot_be_pinned_is_said(desk: Desk, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        desk.recipe(**changes)


def test_no_message_shows_who_logs_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = desk.packages.repositories.open(str(desk.repository))
    monkeypatch.setattr(desk.packages.repositories, "open", lambda place: opened)
    with pytest.raises(UsageError, match=r"of greeting 9\.0 was found in https://code\.example/x: ") as raised:
        desk.recipe(purl="pkg:generic/greeting@9.0", source="https://user:s3cret@code.example/x")
    assert "s3cret" not in str(raised.value)


def test_a_file_that_the_build_could_never_give_is_refused(desk: Desk) -> None:
    source = flit(desk.folder)
    git(source, "tag", "1.0")
    with pytest.raises(UsageError, match=r"leaves \*.whl, \*.tar.gz and could never give this file"):
        desk.recipe(source=str(source))


def test_a_tree_that_shows_nothing_needs_a_command(desk: Desk) -> None:
    bare = make(desk.folder / "bare", {"README": "nothing\n"})
    git(bare, "tag", "1.0")
    with pytest.raises(UsageError, match="expected a file that says how the project is built, found none of"):
        desk.recipe(source=str(bare))


def test_a_source_that_is_no_repository_is_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match="expected a Git repository"):
        desk.recipe(source=str(desk.folder))
