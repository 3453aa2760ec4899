"""What is drafted of a tarball of npm: by which commands, with which packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rebuilder.model import FileDigest
from rebuilder.releases import Commit, IndexFile, Release
from rebuilder.resolve.npm import Npm
from rebuilder.resolve.package_kind import Draft, Ground, Taken, Targets, Wanted

PACKED = Path(__file__).parent.parent / "data" / "npm-packed"
FILE = "demo-1.0.0.tgz"
LOCK = {
    "lockfileVersion": 3,
    "packages": {"": {}, "node_modules/a": {"version": "1.0.0", "integrity": "sha512-" + "A" * 86 + "=="}},
}
BUILT: dict[str, Any] = {"name": "demo-pkg", "scripts": {"prepack": "tsc"}, "devDependencies": {"typescript": "^5.0.0"}}


class Files:
    """``Tree`` of JSON files."""

    def __init__(self, files: dict[str, object]) -> None:
        self._files = {name: json.dumps(value).encode() for name, value in files.items()}
        self.names = frozenset(self._files)

    def read(self, path: str, limit: int) -> bytes:
        return self._files[path][:limit]


def draft(tarball: str, **files: object) -> Draft:
    release = Release(
        system="npm", name="demo", version="1.0.0", files=(IndexFile(name=FILE, integrity="sha512-x"),),
        answer=FileDigest(name="answer.json", sha256="0" * 64, size=1),
    )  # fmt: skip
    taken = Taken(
        wanted=Wanted(system="npm", name="demo", version="1.0.0"),
        release=release,
        targets=Targets(files=release.files, named=frozenset({FILE})),
        files=(FileDigest(name=FILE, sha256="0" * 64, size=1),),
        paths={FILE: PACKED / f"{tarball}.tgz"},
    )
    tree = Files({name.replace("__", "-").replace("_json", ".json"): value for name, value in files.items()})
    commit = Commit(id="0" * 40, time=1_700_000_000)
    return Npm().draft(taken, Ground(tree=tree, commit=commit))


def labels(made: Draft) -> list[str]:
    return [step.label for step in made.build.steps]


def test_scripts_have_what_a_lock_pins_or_what_they_name() -> None:
    locked = draft("npm-10.8.2", package_json=BUILT, package__lock_json=LOCK)
    assert (locked.toolchain.npm, locked.toolchain.packages, locked.notes) == (True, (), ())
    assert locked.build.steps[0].argv[-2:] == ("pack", "@TREE@")
    for lock in ({}, {"package__lock_json": {"lockfileVersion": 1}}):
        without = draft("npm-10.8.2", package_json=BUILT, **lock)
        assert (without.toolchain.npm, without.toolchain.packages) == (False, ("typescript@^5.0.0",))
        assert "no lock of npm in the commit pins what its scripts need" in without.notes[0]


def test_a_package_without_such_scripts_needs_nothing() -> None:
    made = draft("npm-10.8.2", package_json={"name": "demo-pkg"}, package__lock_json=LOCK)
    assert (made.toolchain.npm, made.toolchain.packages, made.build.replay) == (False, (), ())
    assert made.build.steps[0].argv[-3:] == ("pack", "--ignore-scripts", "@TREE@")


def test_what_publishing_alone_runs_comes_first() -> None:
    made = draft("npm-10.8.2", package_json={**BUILT, "scripts": {"prepublishOnly": "npm run build", "build": "tsc"}})
    assert labels(made) == ["npm run prepublishOnly", "npm pack"]
    assert made.toolchain.packages == ("typescript@^5.0.0",)


@pytest.mark.parametrize(
    ("tools", "packages"), [({"clean-publish": "^3.0.3"}, ("clean-publish@^3.0.3",)), ({}, ("clean-publish@*",))]
)
def test_a_program_that_publishes_a_copy_is_installed(tools: dict[str, str], packages: tuple[str, ...]) -> None:
    made = draft("npm-10.8.2", package_json={"name": "demo-pkg", "devDependencies": tools, "clean-publish": {}})
    assert labels(made)[1] == "npm pack"
    assert made.toolchain.packages == packages


def test_times_of_files_are_replayed_and_another_packer_is_told() -> None:
    made = draft("yarn-1.22.22", package_json={"name": "demo-pkg"})
    assert [(one.artifact, one.what) for one in made.build.replay] == [(FILE, ("file-times",))]
    assert made.notes == ("yarn 1 packed it, which is not rebuilt here: npm packs the tree in its place",)
