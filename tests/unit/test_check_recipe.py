"""`check --write-recipe`: the recipe pins what the check built and built with, and never takes another's place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rebuilder.check import builds, variations
from rebuilder.check.builds import Circumstances, Materials, Probe
from rebuilder.check.model import CheckVerdict, SourceState
from rebuilder.check_inputs import Asked, subject
from rebuilder.check_recipe import write_recipe
from rebuilder.checking import Checked, relations
from rebuilder.errors import UsageError
from rebuilder.lock import to_bytes
from rebuilder.model import Limits
from rebuilder.resolve.recipes import load_lock, load_recipe
from rebuilder.store.blobs import BlobStore
from tests import records
from tests.check_cases import report
from tests.unit.project_cases import WHEEL, ecosystem, flit, git, locked, make, own

LIMITS = Limits(seconds=99)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "state")


def checked(
    folder: Path, blobs: BlobStore, *, name: str = WHEEL, worktree: bool = False, hooks: tuple[str, ...] = ()
) -> Checked:
    """A check that ended well, of an output that no build made."""
    asked, _ = subject(Asked(folder=folder, worktree=worktree), blobs)
    project = asked.project.model_copy(update={"wheels": (*asked.project.wheels, *hooks)})
    lock = locked("flit-core", "build")
    around = Circumstances(project=project, epoch=asked.source.epoch, limits=LIMITS)
    setting = variations.control(project.name)
    plan = builds.build_plan(
        around, setting, Materials(tree=asked.source.tree, wheels=lock.language_files), Probe(script="1", word="x")
    )
    outputs = (blobs.put([b"a wheel"], name=name, limit=10),)
    attempt = records.attempt(1, outputs, build="generic")
    # Of all builds, only these two values are asked for.
    trials: Any = SimpleNamespace(place=SimpleNamespace(around=around), control=SimpleNamespace(attempt=attempt))
    told = report("reproducible", "Equal.", project=project, source=asked.source)
    return Checked(report=told, trials=trials, pairs=(), lock=lock, first=plan, second=plan)


def test_recipe_and_lock_of_the_very_build_are_written(blobs: BlobStore, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    done = checked(folder, blobs, hooks=("wheel >=1",))
    paths = write_recipe(done, folder, blobs)
    place = folder / "recipes" / "pypi" / "demo.flit" / "1%212.0"
    assert paths == (place / "recipe.toml", place / "toolchain.lock.json")
    recipe, _ = load_recipe(paths[0])
    assert [(item.name, item.sha256, item.size) for item in recipe.artifacts] == [
        (file.name, file.sha256, file.size) for file in done.trials.control.attempt.outputs
    ]
    assert load_lock(paths[1]) == (done.lock, to_bytes(done.lock))
    found = ecosystem(blobs).resolve(str(paths[0]))
    assert own(found).toolchain.relations == relations(done.report.project)
    assert own(found).toolchain.wheels[-1] == "wheel >=1"
    assert not own(found).toolchain.ask_backend, "what it asked for is there"
    plan, _ = ecosystem(blobs).plan(found, ecosystem(blobs).source(found)[0], "generic")
    probe = [step for step in done.first.steps if builds.PROBE_MARK in step.argv]
    assert len(probe) == 1
    assert plan == done.first.model_copy(update={"steps": tuple(s for s in done.first.steps if s not in probe)})


def test_a_second_time_is_no_change_and_another_recipe_is_left_alone(blobs: BlobStore, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    first = write_recipe(checked(folder, blobs), folder, blobs)
    assert write_recipe(checked(folder, blobs), folder, blobs) == first
    before = [path.read_bytes() for path in first]
    (folder / "demo_flit.py").write_text("later")
    git(folder, "commit", "-qam", "two")
    with pytest.raises(UsageError, match=r"recipe\.toml exists and is another; it was left as it is, and nothing was"):
        write_recipe(checked(folder, blobs), folder, blobs)
    first[1].write_bytes(b"{}")
    with pytest.raises(UsageError, match=r"toolchain\.lock\.json exists and is another") as raised:
        write_recipe(checked(folder, blobs), folder, blobs)
    assert "a new version" in raised.value.hint
    assert first[0].read_bytes() == before[0]


def test_a_project_in_a_folder_of_its_repository_is_written_there(blobs: BlobStore, tmp_path: Path) -> None:
    make(tmp_path / "mono", {"Makefile": "all:\n\ttouch out\n", "part one/Makefile": "all:\n\ttouch out\n"})
    folder = tmp_path / "mono" / "part one"
    git(folder, "tag", "v3.1")
    (path, _) = write_recipe(checked(folder, blobs, name="made.tar"), folder, blobs)
    assert path == folder / "recipes" / "generic" / "part-one" / "3.1" / "recipe.toml"
    fresh = ecosystem(BlobStore(tmp_path / "fresh"))
    made = tmp_path / "made.tar"
    made.write_bytes(b"a wheel")
    for source in (folder, tmp_path / "mono"):
        found = fresh.resolve(str(path), source=source, artifacts=(made,))
        assert own(found).source.subfolder == "part one"


def test_nothing_is_written_of_a_check_that_did_not_end_well_or_built_no_commit(
    blobs: BlobStore, tmp_path: Path
) -> None:
    folder = flit(tmp_path)
    done = checked(folder, blobs)
    failed = replace(done, report=done.report.model_copy(update={"verdict": CheckVerdict.FLAKY}))
    with pytest.raises(UsageError, match="expected a check that ended well before a recipe is written, found flaky"):
        write_recipe(failed, folder, blobs)
    with pytest.raises(UsageError, match="expected a recipe to be of a commit, found a check of") as raised:
        write_recipe(checked(folder, blobs, worktree=True), folder, blobs)
    assert "commit first" in raised.value.hint
    assert not (folder / "recipes").exists()


def test_a_folder_without_a_repository_has_a_recipe_of_its_tree(blobs: BlobStore, tmp_path: Path) -> None:
    folder = make(tmp_path / "plain", {"Makefile": "all:\n\ttouch out\n"}, commit=False)
    done = checked(folder, blobs)
    state: SourceState = done.report.source
    assert state.kind == "folder"
    (path, _) = write_recipe(done, folder, blobs)
    found = ecosystem(blobs).resolve(str(path))
    assert own(found).source.commit == ""
    with pytest.raises(UsageError, match="to give the tree that the recipe pins") as raised:
        ecosystem(blobs).resolve(str(path), source=folder)
    assert "`recipes/` in it too" in raised.value.hint
