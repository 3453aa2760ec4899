"""Recipes v3 that are verified again: what is pinned is held against its commit or archive, whoever wrote it."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rebuilder.errors import RecipeError, Stopped, UsageError
from rebuilder.model import SourceKind
from rebuilder.recipe import PackageRecipe, PackageSource, RecipeFile, Replay
from rebuilder.resolve.packages import Packages, tree_materials
from rebuilder.store.blobs import BlobStore
from tests.unit.package_build_cases import SDIST, WHEEL, recipe
from tests.unit.package_ecosystem import Index, Told, ecosystem, written
from tests.unit.project_cases import flit, git, make
from tests.unit.test_packages_archives import member, tar_of
from tests.unit.test_recipes import TEXT

BODIES = {SDIST: b"an sdist", WHEEL: b"a wheel"}


class Desk:
    """A repository, its tree, and a recipe of both on an index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = BlobStore(folder / "state")
        self.index = Index(self.blobs)
        self.told = Told()
        self.repository = flit(folder)
        self.commit = git(self.repository, "rev-parse", "HEAD")
        opened = self.ecosystem().repositories.open(self.repository)
        self.tree = opened.tree(self.commit)
        release = self.index.offer("pypi", "demo", "1.0", **BODIES)
        self.digests = {file.name: file for file in release.files}

    def ecosystem(self, state: str = "state") -> Packages:
        index = self.index if state == "state" else replace(self.index, blobs=BlobStore(self.folder / state))
        return ecosystem(self.folder / state, index, self.told)

    def recipe(self, *replays: Replay, **source: Any) -> PackageRecipe:
        made = recipe(*replays)
        file = RecipeFile(name="tree.tar", path="tree.tar", sha256=self.tree.sha256, size=self.tree.size)
        artifacts = tuple(
            item.model_copy(
                update={"path": f"demo/1.0/{item.name}", "sha256": self.digests[item.name].sha256, "size": 8}
            )
            for item in made.artifacts
        )
        values: dict[str, Any] = {
            "kind": SourceKind.GIT_COMMIT, "name": "demo", "version": "1.0", "commit": self.commit, "files": (file,)
        }  # fmt: skip
        return made.model_copy(update={"artifacts": artifacts, "source": PackageSource(**values | source)})

    def path(self, made: PackageRecipe) -> str:
        return str(written(self.folder, made))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_everything_comes_by_digest_into_an_empty_state(desk: Desk) -> None:
    packages = desk.ecosystem("empty")
    found = packages.resolve(desk.path(desk.recipe()), source=str(desk.repository))
    assert [packages.blobs.read(item.file.sha256, limit=99) for item in found.published.artifacts] == [*BODIES.values()]
    assert tree_materials(found.published).tree.sha256 == desk.tree.sha256
    assert not any("not held" in text for text in found.warnings)
    assert desk.index.fetched == [SDIST, WHEEL]
    packages.resolve(desk.path(desk.recipe()), source=str(desk.repository))
    assert desk.index.fetched == [SDIST, WHEEL]


def test_without_its_repository_the_source_is_asked_for(desk: Desk) -> None:
    with pytest.raises(UsageError, match=r"the source of pkg:pypi/demo@1\.0 is not at hand: tree\.tar") as raised:
        desk.ecosystem("empty").resolve(desk.path(desk.recipe()))
    assert "--source" in raised.value.hint


def test_a_clone_that_gives_another_tree_is_refused(desk: Desk) -> None:
    other = desk.blobs.put([b"another tree"], name="tree.tar", limit=99)
    made = desk.recipe(files=(RecipeFile(name="tree.tar", path="tree.tar", sha256=other.sha256, size=other.size),))
    for state in ("empty", "state"):
        with pytest.raises(UsageError, match=f"pins, sha256 {other.sha256}, found {desk.tree.sha256}"):
            desk.ecosystem(state).resolve(desk.path(made), source=str(desk.repository))


def test_a_tree_that_was_built_from_before_is_no_proof_of_its_commit(desk: Desk) -> None:
    """Else a recipe could tell one repository's content as another's commit."""
    hostile = make(desk.folder / "hostile", {"pyproject.toml": "[build-system]\n", "evil.py": "evil"})
    evil = desk.ecosystem().repositories.open(hostile).tree(git(hostile, "rev-parse", "HEAD"))
    file = RecipeFile(name="tree.tar", path="tree.tar", sha256=evil.sha256, size=evil.size)
    assert desk.blobs.has(evil.sha256)
    with pytest.raises(UsageError, match="expected the tree that the recipe pins"):
        desk.ecosystem().resolve(desk.path(desk.recipe(files=(file,))), source=str(desk.repository))
    # Nobody can be asked: then it is said.
    found = desk.ecosystem().resolve(desk.path(desk.recipe(files=(file,))))
    (told,) = [text for text in found.warnings if "not held" in text]
    assert told.startswith(f"the tree that the recipe pins was not held against commit {desk.commit}: ")


def test_another_folder_of_the_same_commit_is_another_tree(desk: Desk) -> None:
    git(desk.repository, "rm", "-q", "-r", "--cached", ".")
    make(desk.repository, {"a/x": "1", "b/x": "2"}, commit=False)
    git(desk.repository, "add", "a", "b")
    git(desk.repository, "commit", "-q", "-m", "two")
    commit = git(desk.repository, "rev-parse", "HEAD")
    packages = desk.ecosystem()
    tree = packages.repositories.open(desk.repository).tree(commit, "a")
    files = (RecipeFile(name="tree.tar", path="tree.tar", sha256=tree.sha256, size=tree.size),)
    good = desk.recipe(files=files, commit=commit, subfolder="a")
    packages.resolve(desk.path(good), source=str(desk.repository))
    with pytest.raises(UsageError, match="expected the tree that the recipe pins"):
        packages.resolve(desk.path(desk.recipe(files=files, commit=commit, subfolder="b")), source=str(desk.repository))


def test_a_commit_that_the_clone_has_not_is_unavailable(desk: Desk) -> None:
    with pytest.raises(Stopped, match=f"commit {'12' * 20}: the repository at .* does not have it"):
        desk.ecosystem().resolve(desk.path(desk.recipe(commit="12" * 20)), source=str(desk.repository))


def test_artifacts_that_the_index_lost_are_unavailable_and_none_of_another_digest_is_taken(desk: Desk) -> None:
    made = desk.recipe()
    item = made.artifacts[0].model_copy(update={"sha256": "ee" * 32})
    made = made.model_copy(update={"artifacts": (item, made.artifacts[1])})
    with pytest.raises(Stopped, match=f"{SDIST}: the index has no such file"):
        desk.ecosystem().resolve(desk.path(made), source=str(desk.repository))
    given = desk.folder / SDIST
    given.write_bytes(b"other bytes")
    with pytest.raises(UsageError, match=r"expected sha256 ee.*, as the recipe pins it, found"):
        desk.ecosystem().resolve(desk.path(made), source=str(desk.repository), artifacts=(given,))


def test_a_recipe_of_another_kind_is_refused(desk: Desk) -> None:
    path = desk.folder / "recipe.toml"
    path.write_text(TEXT)
    with pytest.raises(RecipeError, match="expected a recipe of a package, found one of pkg:deb/"):
        desk.ecosystem().resolve(str(path))


# --- archives ---------------------------------------------------------------------------------------


def archived(desk: Desk, data: bytes, name: str = "demo-1.0-upstream.tar.gz") -> tuple[PackageRecipe, Path]:
    """A recipe of a release tarball at hand, which nothing but this desk's state has."""
    packages = desk.ecosystem()
    tree = packages.archive_tree(packages.blobs.put([data], name=name, limit=10**6), packages.blobs)
    path = desk.folder / name
    path.write_bytes(data)
    sha256 = packages.blobs.put([data], name=name, limit=10**6).sha256
    files = (
        RecipeFile(name="tree.tar", path="tree.tar", sha256=tree.sha256, size=tree.size),
        RecipeFile(name=name, path=name, sha256=sha256, size=len(data)),
    )
    return desk.recipe(kind=SourceKind.RELEASE_TARBALL, commit="", files=files), path


def test_an_archive_at_hand_is_named_again_with_source(desk: Desk) -> None:
    made, path = archived(desk, gzip.compress(tar_of(member("demo/a", b"x")), mtime=0))
    found = desk.ecosystem("empty").resolve(desk.path(made), source=str(path))
    assert found.published.source_files[1].name == path.name
    with pytest.raises(UsageError, match="is not in the store") as raised:
        desk.ecosystem("other").resolve(desk.path(made))
    assert raised.value.hint == "name it with --source FILE"
    path.write_bytes(b"changed")
    with pytest.raises(UsageError, match="as the recipe pins its source, found"):
        desk.ecosystem("other").resolve(desk.path(made), source=str(path))


def test_a_tree_is_held_against_its_archive_each_time(desk: Desk) -> None:
    made, path = archived(desk, gzip.compress(tar_of(member("demo/a", b"x")), mtime=0))
    tree = made.source.files[0].model_copy(update={"sha256": desk.tree.sha256, "size": desk.tree.size})
    source = made.source.model_copy(update={"files": (tree, made.source.files[1])})
    with pytest.raises(UsageError, match="expected the tree that the recipe pins"):
        desk.ecosystem().resolve(desk.path(made.model_copy(update={"source": source})), source=str(path))


def test_the_source_is_no_subject(desk: Desk) -> None:
    data = gzip.compress(tar_of(member("demo/a", b"x")), mtime=0)
    made, path = archived(desk, data)
    item = made.artifacts[0].model_copy(update={"sha256": made.source.files[1].sha256, "size": len(data)})
    made = made.model_copy(update={"artifacts": (item, made.artifacts[1])})
    with pytest.raises(RecipeError, match="is the source itself, and would be compared with nothing but itself"):
        desk.ecosystem().resolve(desk.path(made), source=str(path))


# --- what a replay can carry ------------------------------------------------------------------------


def test_a_replay_of_a_file_that_is_no_archive_gives_nothing_of_it(desk: Desk) -> None:
    made = desk.recipe(Replay(artifact=SDIST, what=("member-times", "owners")))
    packages = desk.ecosystem()
    found = packages.resolve(desk.path(made), source=str(desk.repository))
    with pytest.raises(UsageError, match=f"{SDIST}: expected a whole tar packed with gzip"):
        packages.materials(found, ())


def test_a_replay_holds_no_byte_of_a_member(desk: Desk) -> None:
    secret = b"SECRET-CONTENT-OF-A-MEMBER"
    data = gzip.compress(tar_of(member("demo-1.0/a.py", secret, uname="runner", uid=1001), member("demo-1.0/b")))
    desk.index.offer("pypi", "demo", "1.0", **{SDIST: data})
    made = desk.recipe(Replay(artifact=SDIST, what=("file-times", "member-times", "owners", "gzip-time")))
    sha256 = desk.index.releases[("demo", "1.0")].files[0].sha256
    item = made.artifacts[0].model_copy(update={"sha256": sha256, "size": len(data)})
    made = made.model_copy(update={"artifacts": (item, made.artifacts[1])})
    packages = desk.ecosystem()
    given = packages.materials(packages.resolve(desk.path(made), source=str(desk.repository)), ())
    assert given.replay is not None
    text = packages.blobs.read(given.replay.sha256, limit=10**6)
    assert secret not in text
    assert data not in text
    assert b'"uname":"runner"' in text
