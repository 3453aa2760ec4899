"""Projects at hand: the commit is built, nobody vouches, and a new lock holds what their language needs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rebuilder.check import builds, variations
from rebuilder.check.builds import Circumstances, Materials, Probe
from rebuilder.check.model import NpmPackage, Project, ProjectKind
from rebuilder.check_inputs import Asked, subject
from rebuilder.checking import relations
from rebuilder.errors import UsageError
from rebuilder.lock import LanguagePackage, ToolchainLock
from rebuilder.model import EndorsementResult, FileDigest, Limits, Origin, RootImage, SourceKind
from rebuilder.ports import Resolution
from rebuilder.resolve.projects import Projects
from rebuilder.resolve.projects_faults import public_repository
from rebuilder.resolve.projects_recipe import version_of
from rebuilder.resolve.projects_toolchain import ProjectToolchains
from rebuilder.store.blobs import BlobStore
from rebuilder.treetar import TarTree
from tests import records
from tests.check_cases import source
from tests.unit.project_cases import (
    COMMITTED,
    WHEEL,
    built,
    ecosystem,
    flit,
    git,
    language,
    locked,
    make,
    npm_cache,
    origins,
    own,
)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "state")


@pytest.fixture
def projects(blobs: BlobStore) -> Projects:
    return ecosystem(blobs)


def test_the_commit_is_built_and_the_file_held_against_it_is_no_input(
    projects: Projects, blobs: BlobStore, tmp_path: Path
) -> None:
    folder = flit(tmp_path)
    wheel = built(folder)
    (folder / "demo_flit.py").write_text("changed")
    found = projects.local(folder, (wheel,), "trixie")
    source, checks = projects.source(found)
    assert (source.kind, source.name, source.version, checks) == (SourceKind.GIT_COMMIT, "demo.flit", "1!2.0", ())
    assert found.published.purl == source.uri == "pkg:pypi/demo.flit@1%212.0"
    with blobs.path(source.files[0].sha256).open("rb") as tar:
        tree = TarTree(tar)
        assert tree.names == {"pyproject.toml", "demo_flit.py"}
        assert tree.read("demo_flit.py", 100) == b'"""Demo."""\n'
    commit = git(folder, "rev-parse", "HEAD")
    said = f"the work tree is not as commit {commit} has it, and the commit was built: demo_flit.py"
    assert found.warnings == (said,), "the artifact itself is no dirt"
    assert origins(found) == {
        "source": Origin.PINNED, "commit": Origin.PINNED, "toolchain": Origin.ASSUMED, "path": Origin.ASSUMED,
        "environment": Origin.ASSUMED, "command": Origin.ASSUMED, "epoch": Origin.ASSUMED,
    }  # fmt: skip
    (artifact,) = found.published.artifacts
    assert (artifact.package, artifact.version, artifact.architecture) == ("demo.flit", "1!2.0", "noarch")
    assert (artifact.build, artifact.file.name) == ("generic", WHEEL)
    assert blobs.read(artifact.file.sha256, limit=100) == b"a wheel"


def test_nobody_vouches_and_the_reason_is_said(projects: Projects, tmp_path: Path) -> None:
    found = projects.local(make(tmp_path / "mk", {"Makefile": "all:\n\ttouch out\n"}), (built(tmp_path, "out"),))
    endorsement = projects.endorse(found)
    assert endorsement.result is EndorsementResult.MISSING
    assert "given by hand" in endorsement.reason


def test_the_plan_is_that_of_a_checks_first_build(projects: Projects, blobs: BlobStore, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    found = projects.local(folder, (built(folder),))
    lock = locked("flit-core", "build")
    plan, inputs = projects.plan(
        Resolution(**{**vars(found), "lock": lock}), projects.source(found)[0], "generic"
    )  # fmt: skip
    checked, _ = subject(Asked(folder=folder), blobs)
    wheels = lock.language_files
    limits = Limits(seconds=77)
    control = builds.build_plan(
        Circumstances(project=checked.project, epoch=checked.source.epoch, limits=limits),
        variations.control(checked.project.name),
        Materials(tree=checked.source.tree, wheels=wheels),
        Probe(),
    )
    assert plan == control
    assert inputs == ()
    assert projects.relations(found, projects.source(found)[0], "generic") == relations(checked.project)
    assert plan.environment["SOURCE_DATE_EPOCH"] == str(COMMITTED)


def test_a_folder_in_no_repository_is_taken_as_it_lies(projects: Projects, tmp_path: Path) -> None:
    folder = make(tmp_path / "plain", {"Makefile": "all:\n\ttouch out\n"}, commit=False)
    found = projects.local(folder, (built(tmp_path, "made.tar"),))
    assert projects.source(found)[0].kind is SourceKind.LOCAL_TREE
    assert own(found).source.commit == ""
    assert "commit" not in origins(found)
    assert found.published.purl == "pkg:generic/plain@0"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("demo.deb", r"demo\.deb: the build of this project leaves \*\.whl, \*\.tar\.gz and could never give"),
        ("missing.whl", r"missing\.whl: can't be read: No such file"),
        ("folder.whl", r"folder\.whl: can't be read: Is a directory"),
        ("pipe.whl", r"pipe\.whl: expected a regular file"),
    ],
)
def test_a_file_of_the_wrong_kind_is_refused_before_anything_is_built(
    projects: Projects, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "demo.deb").write_bytes(b"!<arch>\n")
    (tmp_path / "folder.whl").mkdir()
    os.mkfifo(tmp_path / "pipe.whl")
    with pytest.raises(UsageError, match=message):
        projects.local(flit(tmp_path), (tmp_path / name,))


def test_files_are_named_and_named_once(projects: Projects, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    with pytest.raises(UsageError, match="expected at least one file to compare with, found none"):
        projects.local(folder, ())
    other = built(make(tmp_path / "other", {}, commit=False).parent)
    with pytest.raises(UsageError, match=f"files of different names, found '{WHEEL}' twice"):
        projects.local(folder, (built(folder), other))


def test_a_scoped_package_has_its_scope_as_namespace(projects: Projects, tmp_path: Path) -> None:
    manifest = json.dumps({"name": "@demo/thing", "version": "2.1.0"})
    folder = make(tmp_path / "npm", {"package.json": manifest})
    git(folder, "remote", "add", "origin", "git@code.example:team/thing.git")
    found = projects.local(folder, (built(folder, "demo-thing-2.1.0.tgz"),))
    assert found.published.purl == "pkg:npm/%40demo/thing@2.1.0"
    assert own(found).build.path == "/build/work/demo-thing"
    commit = git(folder, "rev-parse", "HEAD")
    assert projects.source(found)[0].uri == f"git+ssh://git@code.example/team/thing.git@{commit}"


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://code.example/demo.git", True),
        ("ssh://git@code.example/demo.git", True),
        ("https://user:secret@code.example/demo.git", False),
        ("https://token@code.example/demo.git", False),
        ("ssh://git:secret@code.example/demo.git", False),
        ("https://code.example/demo.git?token=secret", False),
        ("file:///srv/demo.git", False),
        ("/srv/demo.git", False),
        ("../demo.git", False),
        ("ext::sh -c id", False),
        ("https://code.example/a b", False),
    ],
)
def test_only_a_url_that_others_can_use_stands_in_a_recipe(
    projects: Projects, tmp_path: Path, url: str, *, public: bool
) -> None:
    assert public_repository(url) is public
    folder = flit(tmp_path)
    git(folder, "remote", "add", "origin", url)
    assert own(projects.local(folder, (built(folder),))).source.repository == (url if public else "")


@pytest.mark.parametrize(
    ("version", "files", "tag", "found"),
    [
        ("1.0", ("demo-9-py3-none-any.whl",), "v2", "1.0"),
        ("", ("demo-9-py3-none-any.whl",), "v2", "9"),
        ("", ("demo-8.1.tar.gz",), "v2", "8.1"),
        ("", ("made.tar",), "v2.1-5-g0123456789ab", "2.1-5-g0123456789ab"),
        ("", ("made.tar",), "", "1b2c3d4e5f60"),
        ("../../etc x", (), "", "etc-x"),
    ],
)
def test_a_version_is_the_projects_own_or_what_else_says_one(
    version: str, files: tuple[str, ...], tag: str, found: str
) -> None:
    project = Project.model_construct(version=version)
    assert version_of(project, source(tag=tag, commit="1b2c3d4e5f60" + "0" * 28), files) == found


class Languages:
    """Answers with a package for each requirement."""

    def __init__(self, *hooks: str) -> None:
        self.hooks = hooks
        self.seen: list[str] = []

    def choose(self, project: Project, root: RootImage) -> tuple[LanguagePackage, ...]:
        names = [text.partition(" ")[0].replace("_", "-") for text in project.wheels]
        return (*map(language, names), *(language(package.name, "npm") for package in project.npm))

    def ensure(self, packages: tuple[LanguagePackage, ...], root: RootImage) -> None:
        self.seen += [package.name for package in packages]

    def npm_cache(self, packages: tuple[LanguagePackage, ...]) -> FileDigest:
        return npm_cache(packages)

    def pinned(self, tree: FileDigest, name: str) -> tuple[NpmPackage, ...]:
        return (NpmPackage(name="ms", version="1.0", integrity=f"sha512-{'A' * 86}=="),)

    def asked(self, project: Project, materials: Materials, root: RootImage, epoch: int | None) -> tuple[str, ...]:
        self.seen += [wheel.name for wheel in materials.wheels]
        return self.hooks


class Debian:
    """Loads what a lock names."""

    def materialise(self, lock: ToolchainLock) -> tuple[RootImage, ...]:
        return (RootImage(build="generic", sha256=lock.roots[0].sha256, size=1, packages=1),)

    def __getattr__(self, name: str) -> Callable[..., object]:
        raise AssertionError(name)


def toolchains(languages: Languages, asked: list[tuple[str, tuple[str, ...]]]) -> ProjectToolchains:
    def solved(suite: str, relations: tuple[str, ...]) -> tuple[ToolchainLock, RootImage]:
        asked.append((suite, relations))
        return records.lock(), Debian().materialise(records.lock())[0]

    return ProjectToolchains(debian=Debian(), solved=solved, languages=languages)  # type: ignore[arg-type]


def test_a_new_lock_holds_what_the_backend_asks_for_too(projects: Projects, tmp_path: Path) -> None:
    folder = flit(tmp_path)
    found = projects.local(folder, (built(folder),))
    languages, asked = Languages("more >=1"), []  # type: ignore[var-annotated]
    lock = toolchains(languages, asked).solve(found, {"generic": ("make",)})
    assert asked == [("trixie", ("make",))]
    assert [package.name for package in lock.languages] == ["build", "flit-core", "more"]
    assert languages.seen == ["flit-core-1.0-py3-none-any.whl", "build-1.0-py3-none-any.whl"]
    toolchains(languages, asked).materialise(lock)
    assert languages.seen[2:] == ["build", "flit-core", "more"]


def test_packages_of_npm_are_those_that_the_tree_pins(projects: Projects, tmp_path: Path) -> None:
    manifest = {"name": "demo", "version": "1.0.0", "dependencies": {"ms": "1.0"}}
    entry = {"version": "1.0", "integrity": f"sha512-{'A' * 86}=="}
    lock_file = {"lockfileVersion": 3, "packages": {"": manifest, "node_modules/ms": entry}}
    files = {"package.json": json.dumps(manifest), "package-lock.json": json.dumps(lock_file)}
    folder = make(tmp_path / "npm", files)
    found = projects.local(folder, (built(folder, "demo-1.0.0.tgz"),))
    assert own(found).toolchain.npm
    assert own(found).build.kind is ProjectKind.NPM
    lock = toolchains(Languages(), []).solve(found, {"generic": ()})
    assert [(package.system, package.name) for package in lock.languages] == [("npm", "ms")]
    plan, _ = projects.plan(Resolution(**{**vars(found), "lock": lock}), projects.source(found)[0], "generic")
    assert "npm-cache.tar" in [file.name for file in plan.inputs]
