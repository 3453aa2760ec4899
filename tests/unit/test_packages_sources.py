"""Which source a release is held against, where that is known from, and what is not known is not said."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rebuilder.errors import Stopped, UsageError
from rebuilder.model import Origin, SourceKind
from rebuilder.recipe import RecipeFile
from rebuilder.releases import Guess
from rebuilder.resolve import packages_source
from rebuilder.resolve.package_kind import Origins, Taken, Targets, Wanted
from rebuilder.resolve.packages import Asked
from rebuilder.resolve.packages_names import source_uri
from rebuilder.resolve.packages_source import Places, Sourced
from tests.unit.package_build_cases import recipe
from tests.unit.package_ecosystem import Index, ecosystem
from tests.unit.project_cases import git, make
from tests.unit.test_packages_pinned import Desk

URL = "https://code.example/demo"


@dataclass
class Kind:
    """What a release says of its source, and no more."""

    said: Origins

    def origins(self, taken: Taken) -> Origins:
        return self.said


class World:
    """A repository with a tag, and a release that names it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages = ecosystem(folder / "state")
        self.work = make(folder / "work", {"package.json": '{"name": "demo", "version": "1.0.0"}', "a.js": "a"})
        git(self.work, "tag", "v1.0.0")
        self.commit = git(self.work, "rev-parse", "HEAD")
        self.release = Index(self.packages.blobs).offer("npm", "demo", "1.0.0")  # type: ignore[arg-type]

    def clone(self, url: str = URL) -> Path:
        copy = self.folder / "clone"
        git(self.folder, "clone", "-q", str(self.work), str(copy))
        git(copy, "config", "remote.origin.url", url)
        return copy

    def find(self, declared: str = "", **asked: Any) -> Sourced:
        guess = Guess(
            input="repository", value=str(self.work), origin=Origin.DECLARED, evidence="it says so", confidence=0.9
        )
        said = Origins(repositories=(guess,), commit=declared, manifests=("package.json",))
        taken = Taken(
            wanted=Wanted(system="npm", name="demo", version="1.0.0", file_name=""),
            release=self.release, targets=Targets(files=(), named=frozenset()), files=(), paths={},
        )  # fmt: skip
        places = Places(
            repositories=self.packages.repositories, blobs=self.packages.blobs,
            archive_tree=self.packages.archive_tree, progress=self.packages.progress, carried=self.packages.carried,
        )  # fmt: skip
        return packages_source.find(places, Kind(said), taken, Asked(**asked))  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- a commit that the publisher names ------------------------------------------------------------------


@pytest.mark.parametrize("declared", ["ab" * 20, "ABCDEF" * 7, "main", "abcdef1", "--all", "12" * 32])
@pytest.mark.parametrize("given", [True, False])
def test_a_commit_that_is_nowhere_leaves_the_tags(world: World, declared: str, *, given: bool) -> None:
    found = world.find(declared, **({"source": str(world.work)} if given else {}))
    assert found.commit is not None
    assert (found.commit.id, found.tag) == (world.commit, "v1.0.0")
    assert any("the publisher names the commit" in note and "does not have" in note for note in found.notes)


def test_a_commit_that_is_there_is_taken_and_one_that_is_asked_for_has_to_be(world: World) -> None:
    git(world.work, "commit", "-q", "--allow-empty", "-m", "two")
    two = git(world.work, "rev-parse", "HEAD")
    found = world.find(two)
    assert found.commit is not None
    assert found.commit.id == two
    with pytest.raises((Stopped, UsageError), match="does not have"):
        world.find(two, source=str(world.work), commit="ab" * 20)


# --- where it is from -----------------------------------------------------------------------------------


def repository_guess(found: Sourced) -> Guess:
    return next(one for one in found.guesses if one.input == "repository")


def test_what_a_clone_says_of_its_origin_is_assumed(world: World) -> None:
    found = world.find(source=str(world.clone()))
    guess = repository_guess(found)
    assert (found.url, guess.value, guess.origin) == (URL, URL, Origin.ASSUMED)
    assert guess.evidence == f"given by hand; the clone at hand says it is from {URL}; that was not asked"


def test_an_origin_is_not_named_for_a_commit_that_was_never_pushed(world: World) -> None:
    copy = world.clone()
    git(copy, "commit", "-q", "--allow-empty", "-m", "own")
    own = git(copy, "rev-parse", "HEAD")
    found = world.find(source=str(copy), commit=own)
    guess = repository_guess(found)
    assert (found.url, guess.value, guess.origin) == ("", "a repository at hand", Origin.ASSUMED)
    assert f"no branch that it has from there leads to commit {own[:12]}: it may never" in guess.evidence


def test_a_repository_that_says_nothing_is_at_hand(world: World) -> None:
    found = world.find(source=str(world.work))
    assert (found.url, repository_guess(found).value) == ("", "a repository at hand")


# --- submodules -----------------------------------------------------------------------------------------


def test_without_its_submodules_nobody_says_what_is_in_no_commit(world: World) -> None:
    assert world.find(source=str(world.work)).holds() is not None
    inner = make(world.folder / "inner", {"lib.c": "x"})
    git(world.work, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "lib")
    git(world.work, "commit", "-q", "-m", "with a submodule")
    git(world.work, "tag", "-f", "v1.0.0")
    shutil.rmtree(inner)
    copy = world.clone()
    found = world.find(source=str(copy))
    assert (found.submodules, found.holds()) == (False, None)
    (note,) = [text for text in found.notes if "submodules" in text]
    assert note.startswith("submodules are left empty, as in a plain clone, for one cannot be had: ")
    assert note.endswith("what is not found in the source is not looked for in the history")


# --- how statements name it -----------------------------------------------------------------------------


def test_a_statement_names_what_was_asked() -> None:
    made = recipe()
    source = made.source.model_copy(update={"repository": URL, "subfolder": "a/b"})
    named = made.model_copy(update={"source": source})
    assert source_uri(named) == f"git+{URL}@{'ab' * 20}#subdirectory=a/b"
    assert source_uri(named, "it was not asked") == ""
    assert source_uri(made) == ""


@pytest.mark.parametrize(
    ("kind", "archive", "path", "uri"),
    [
        (SourceKind.SDIST, "pypi", "demo/1.0/demo-1.0.tar.gz", "pkg:pypi/demo@1.0?file_name=demo-1.0.tar.gz"),
        (SourceKind.RELEASE_TARBALL, "local", "demo-1.0.tar.gz", ""),
        (SourceKind.RELEASE_TARBALL, "debian", "pool/main/d/demo/demo_1.0.orig.tar.gz",
         "pkg:deb/debian/demo?arch=source&file_name=demo_1.0.orig.tar.gz"),
        (SourceKind.RELEASE_TARBALL, "debian", "pool/main/d/other/demo_1.0.orig.tar.gz", ""),
        (SourceKind.RELEASE_TARBALL, "elsewhere", "pool/main/d/demo/demo_1.0.orig.tar.gz", ""),
    ],
)  # fmt: skip
def test_an_archive_is_named_as_what_it_is(kind: SourceKind, archive: str, path: str, uri: str) -> None:
    made = recipe()
    file = RecipeFile(name=path.rpartition("/")[2], path=path, sha256="cd" * 32, size=1)
    changes = {"kind": kind, "archive": archive, "commit": "", "files": (*made.source.files, file)}
    assert source_uri(made.model_copy(update={"source": made.source.model_copy(update=changes)})) == uri


# --- a recipe that is verified again --------------------------------------------------------------------


def test_a_tree_that_could_not_be_held_against_its_commit_is_assumed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    made = desk.recipe(repository="https://code.invalid/demo")
    packages = desk.ecosystem()
    offline = replace(packages, repositories=type(packages.repositories)(
        tmp_path / "state", desk.blobs, desk.told, offline=True  # type: ignore[call-arg]
    ))  # fmt: skip
    found = offline.resolve(desk.path(made))
    by_name = {item.name: item for item in found.inputs}
    assert by_name["source"].origin is Origin.ASSUMED
    assert f"was not held against commit {desk.commit}" in by_name["source"].evidence
    # It is told as what it is, a tree: no commit stands in the record as an input, whatever one the recipe names.
    assert "commit" not in by_name
    assert (offline.source(found)[0].kind, offline.source(found)[0].uri) == (SourceKind.LOCAL_TREE, "")
    assert found.unproved
    # At hand it is held against the commit; the URL itself was not asked.
    again = packages.resolve(desk.path(made), source=str(desk.repository))
    by_name = {item.name: item for item in again.inputs}
    assert (by_name["source"].origin, by_name["commit"].origin) == (Origin.ASSUMED, Origin.PINNED)
    assert "https://code.invalid/demo was not asked" in by_name["source"].evidence
    assert (packages.source(again)[0].kind, packages.source(again)[0].uri) == (SourceKind.GIT_COMMIT, "")
    git(desk.repository, "config", "remote.origin.url", "https://code.invalid/demo.git")
    git(desk.repository, "update-ref", "refs/remotes/origin/main", desk.commit)
    pushed = packages.resolve(desk.path(made), source=str(desk.repository))
    assert packages.source(pushed)[0].uri == f"git+https://code.invalid/demo@{desk.commit}"
    assert {item.name: item.origin for item in pushed.inputs}["source"] is Origin.ASSUMED


class Histories(Desk):
    """A recipe with a history, and the histories of two commits."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        git(self.repository, "tag", "v1")
        self.opened = self.ecosystem().repositories.open(self.repository)
        self.history = self.opened.history(self.commit)

    def pinned(self, sha256: str, size: int) -> str:
        tree = RecipeFile(name="tree.tar", path="tree.tar", sha256=self.tree.sha256, size=self.tree.size)
        bundle = RecipeFile(name="history.bundle", path="history.bundle", sha256=sha256, size=size)
        made = self.recipe(files=(tree, bundle))
        return self.path(made.model_copy(update={"build": made.build.model_copy(update={"history": True})}))


def test_a_history_is_of_the_commit_and_held_against_the_repository(tmp_path: Path) -> None:
    desk = Histories(tmp_path)
    path = desk.pinned(desk.history.sha256, desk.history.size)
    found = desk.ecosystem().resolve(path, source=str(desk.repository))
    assert {item.name: item.origin for item in found.inputs}["source"] is Origin.PINNED
    # A tag more, and nobody can say that those of the bundle are the repository's.
    git(desk.repository, "tag", "v2")
    packages = desk.ecosystem()
    told = packages.resolve(path, source=str(desk.repository))
    by_name = {item.name: item for item in told.inputs}
    assert (by_name["source"].origin, by_name["commit"].origin) == (Origin.ASSUMED, Origin.PINNED)
    assert "the commit is the same, the tags need not be" in by_name["source"].evidence
    # The build looks for itself.
    given = packages.materials(told, ())
    assert (given.commit, given.history is not None) == (desk.commit, True)


@pytest.mark.parametrize("named", [True, False])
def test_a_history_of_another_commit_is_refused(tmp_path: Path, *, named: bool) -> None:
    desk = Histories(tmp_path)
    if named:
        git(desk.repository, "commit", "-q", "--allow-empty", "-m", "two")
        other = desk.opened.history(git(desk.repository, "rev-parse", "HEAD"))
    else:
        other = desk.blobs.put([b"no bundle\n"], name="history.bundle", limit=99)
    path = desk.pinned(other.sha256, other.size)
    with pytest.raises(UsageError, match=f"to be the history of commit {desk.commit}, found (that of|none)"):
        desk.ecosystem().resolve(path, source=str(desk.repository))


# --- papers ---------------------------------------------------------------------------------------------


def test_papers_are_given_again_with_a_recipe(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    paper = tmp_path / "SHA256SUMS"
    paper.write_text("a list")
    made = desk.recipe()
    data = Path(desk.path(made)).read_bytes()
    packages = desk.ecosystem()
    found = packages.resolve(
        desk.path(made), source=str(desk.repository), papers=(paper,), anchor=made.endorsement.anchor
    )
    assert ([one.name for one in found.papers], found.recipe_bytes) == (["SHA256SUMS"], data)
    other = packages.resolve(desk.path(made), source=str(desk.repository), papers=(paper,), anchor="demo")
    assert (other.recipe.endorsement.anchor, other.recipe.endorsement.allow_missing) == ("demo", "")
    assert other.recipe_bytes != data
    assert any("names the anchor 'none'; 'demo' was asked for" in text for text in other.warnings)
