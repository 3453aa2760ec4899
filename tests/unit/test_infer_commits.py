"""Which commit a release was built from, on real repositories made here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rebuilder.fetch.repositories import GitRepositories, GitRepository
from rebuilder.model import Origin
from rebuilder.resolve.infer.commits import choose
from rebuilder.store.blobs import BlobStore
from tests.unit.project_cases import ENVIRONMENT, git
from tests.unit.resolve_cases import Silence

START = 1_700_000_000
HOUR = 3600
PYTHON = ("pyproject.toml", "setup.cfg", "setup.py")
NPM = ("package.json",)


class Place:
    """A repository to write into, an hour a commit."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "work"
        self.folder.mkdir()
        self.state = tmp_path
        self.now = START
        git(self.folder, "init", "-q", "-b", "main")

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.now += HOUR
        self._run("add", ".")
        self._run("commit", "-q", "--allow-empty", "-m", "one")
        return git(self.folder, "rev-parse", "HEAD")

    def tag(self, name: str, *, late: int = 0) -> None:
        self.now += late
        self._run("tag", *(("-a", "-m", name) if late else ()), name)

    def opened(self) -> GitRepository:
        return GitRepositories(self.state / "state", BlobStore(self.state / "blobs"), Silence()).open(self.folder)

    def _run(self, *words: str) -> None:
        dates = {f"GIT_{who}_DATE": f"{self.now} +0000" for who in ("AUTHOR", "COMMITTER")}
        line = ["git", "-C", str(self.folder), *words]
        subprocess.run(line, env=ENVIRONMENT | dates, check=True, capture_output=True)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def project(version: str, name: str = "demo") -> str:
    return f'[project]\nname = "{name}"\nversion = "{version}"\n'


def package(version: str, name: str = "demo") -> str:
    return f'{{"name": "{name}", "version": "{version}"}}'


def test_the_tag_is_taken_and_the_manifest_confirms_it(place: Place) -> None:
    place.commit(pyproject_dot_toml=project("1.0"))
    wanted = place.commit(pyproject_dot_toml=project("1.1"))
    place.tag("v1.1")
    place.commit(pyproject_dot_toml=project("1.2"))
    choice = choose(place.opened(), name="Demo", version="1.1", uploaded=place.now, manifests=PYTHON)
    assert (choice.commit, choice.tag, choice.subfolder) == (wanted, "v1.1", "")
    assert choice.confidence > 0.95
    assert choice.origin is Origin.INFERRED
    words = "the tag v1.1 names the version: v and the version as it is"
    assert choice.evidence == f"{words}; pyproject.toml there says so too"
    assert choice.notes == ()


def test_a_manifest_that_says_another_version_lowers_the_tag_and_is_said(place: Place) -> None:
    place.commit(pyproject_dot_toml=project("1.0"))
    place.tag("v1.1")
    choice = choose(place.opened(), name="demo", version="1.1", uploaded=place.now, manifests=PYTHON)
    assert choice.tag == "v1.1"
    assert choice.confidence < 0.5
    assert "says version 1.0, not 1.1" in choice.notes[0]


def test_a_version_that_a_release_tool_fills_in_says_nothing(place: Place) -> None:
    place.commit(package_dot_json=package("0.0.0-development"))
    place.tag("v1.1.0")
    choice = choose(place.opened(), name="demo", version="1.1.0", uploaded=place.now, manifests=NPM)
    assert (choice.confidence, choice.notes) == (0.95, ())


def test_a_repository_of_another_project_is_said(place: Place) -> None:
    place.commit(package_dot_json=package("1.0.0", "other"))
    place.tag("v1.0.0")
    choice = choose(place.opened(), name="demo", version="1.0.0", uploaded=None, manifests=NPM)
    assert choice.confidence < 0.6
    assert "no manifest in" in choice.notes[0]
    assert "is it the right repository?" in choice.notes[0]


def test_the_folder_of_a_project_among_others_is_found_by_its_name(place: Place) -> None:
    other, own = package("2.0.0", "@s/other"), package("1.0.0", "@s/demo")
    place.commit(package_dot_json='{"private": true, "name": "all"}', packages__a__package_dot_json=other)
    wanted = place.commit(packages__demo__package_dot_json=own, test__demo__package_dot_json=own)
    place.tag("@s/demo@1.0.0")
    choice = choose(place.opened(), name="@s/demo", version="1.0.0", uploaded=place.now, manifests=NPM)
    assert (choice.commit, choice.subfolder) == (wanted, "packages/demo")
    assert "packages/demo/package.json there says so too" in choice.evidence


def test_the_commit_that_the_publisher_names_is_first(place: Place) -> None:
    wanted = place.commit(package_dot_json=package("1.0.0"))
    later = place.commit(readme="more")
    place.tag("v1.0.0")
    repository = place.opened()
    choice = choose(repository, name="demo", version="1.0.0", uploaded=place.now, declared=wanted, manifests=NPM)
    assert (choice.commit, choice.origin, choice.others) == (wanted, Origin.DECLARED, (later,))
    assert f"the tag v1.0.0 leads to {later[:12]}, not to the commit that the publisher names" in choice.notes
    same = choose(repository, name="demo", version="1.0.0", uploaded=place.now, declared=later, manifests=NPM)
    assert (same.commit, same.tag, same.notes) == (later, "v1.0.0", ())


@pytest.mark.parametrize("declared", ["0" * 40, "HEAD", "--all", "main\x1b[31m"])
def test_a_named_commit_that_is_not_there_is_said(place: Place, declared: str) -> None:
    wanted = place.commit(package_dot_json=package("1.0.0"))
    place.tag("v1.0.0")
    choice = choose(place.opened(), name="demo", version="1.0.0", uploaded=None, declared=declared, manifests=NPM)
    assert (choice.commit, choice.origin) == (wanted, Origin.INFERRED)
    assert "which this repository does not have" in choice.notes[0]
    assert choice.notes[0].isprintable()


def test_a_tag_made_after_the_upload_of_a_commit_made_before_it(place: Place) -> None:
    wanted = place.commit(pyproject_dot_toml=project("1.0"))
    uploaded = place.now + 60
    place.tag("v1.0", late=3 * HOUR)
    choice = choose(place.opened(), name="demo", version="1.0", uploaded=uploaded, manifests=PYTHON)
    assert (choice.commit, choice.tag) == (wanted, "v1.0")
    assert choice.notes == ("the tag v1.0 was made 2 h after the upload; its commit was there before",)


def test_a_tag_of_a_commit_made_after_the_upload_leads_to_its_ancestors(place: Place) -> None:
    first = place.commit(pyproject_dot_toml=project("0.9"))
    wanted = place.commit(pyproject_dot_toml=project("1.0"))
    between = place.commit(pyproject_dot_toml=project("1.1"))
    uploaded = place.now + 60
    moved = place.commit(pyproject_dot_toml=project("1.0"))
    place.tag("v1.0")
    choice = choose(place.opened(), name="demo", version="1.0", uploaded=uploaded, manifests=PYTHON)
    assert choice.commit == wanted
    assert choice.others == (between, first, moved)
    assert choice.tag == ""
    assert choice.confidence < 0.8
    words = "the tag v1.0 was made 59 min after the upload: it cannot be what was built from as it stands"
    assert words in choice.notes[0]


def test_without_a_tag_the_file_that_holds_the_version_tells(place: Place) -> None:
    place.commit(pyproject_dot_toml='[project]\nname = "demo"\ndynamic = ["version"]\n', src__demo__api_dot_py="")
    init = place.folder / "src" / "demo" / "__init__.py"
    init.write_text('__version__ = "2024.02.02"\n')
    wanted = place.commit()
    init.write_text('__version__ = "2024.03.01"\n')
    place.commit()
    choice = choose(place.opened(), name="demo", version="2024.2.2", uploaded=None, manifests=PYTHON)
    assert choice.commit == wanted
    assert choice.confidence < 0.6
    assert "src/demo/__init__.py" in choice.evidence
    words = "it has no tags, and so none is of it in any spelling known here"
    assert choice.notes == (f"no tag names version 2024.2.2: {words}",)


def test_a_project_released_under_the_tag_of_another_takes_that_tag(place: Place) -> None:
    place.commit(a__package_dot_json=package("5.0.0", "main"), b__package_dot_json=package("0.1.0", "side"))
    place.commit(b__package_dot_json=package("0.2.0", "side"))
    wanted = place.commit(readme="released")
    place.tag("v5.0.0")
    choice = choose(place.opened(), name="side", version="0.2.0", uploaded=place.now + 60, manifests=NPM)
    assert (choice.commit, choice.tag, choice.subfolder) == (wanted, "v5.0.0", "b")
    assert "the tag v5.0.0 is the next after it" in choice.evidence


def test_nothing_found_is_an_answer_with_its_reasons(place: Place) -> None:
    place.commit(pyproject_dot_toml=project("1.0"))
    place.tag("v1.0")
    choice = choose(place.opened(), name="demo", version="9.9", uploaded=place.now, manifests=PYTHON)
    assert (choice.commit, choice.confidence) == ("", 0.0)
    assert choice.notes == (
        "no tag names version 9.9: none of its 1 tags is of it in any spelling known here",
        "no commit before the upload writes version 9.9 into a file that was looked at",
    )


def test_manifests_too_large_or_too_deep_or_broken_say_nothing(place: Place) -> None:
    deep = "[" * 200_000
    place.commit(package_dot_json=deep, a__package_dot_json="x" * 600_000, b__package_dot_json="\xff{")
    place.tag("v1.0.0")
    choice = choose(place.opened(), name="demo", version="1.0.0", uploaded=None, manifests=NPM)
    assert choice.tag == "v1.0.0"
