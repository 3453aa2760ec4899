"""What `make self` promises: wheel, sdist and toolchain of this tree come out the same, and where not, it fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from rebuilder.check.model import CheckReport
from rebuilder.lock import ToolchainLock
from tests.integration.check_projects import STATE

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
#: Of the repository, what an sdist has no use for.
LEFT_OUT = "reports/"


@dataclass(frozen=True)
class Run:
    """What one run of the script gave."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def report(self) -> CheckReport:
        return CheckReport.model_validate_json((self.folder / "check.json").read_bytes())

    def output(self, ending: str) -> Path:
        [file] = [file for file in self.report.outputs if file.name.endswith(ending)]
        return blob(file.first.sha256)

    def tree(self) -> set[str]:
        """Names of all files that were built from."""
        with tarfile.open(blob(self.report.source.tree.sha256)) as tar:
            files = {member.name.partition("/")[2] for member in tar if not member.isdir()}
        assert "rebuilder/model.py" in files
        return files


def blob(sha256: str) -> Path:
    return STATE / "blobs" / sha256[:2] / sha256


def run(script: Path, folder: Path, *options: str) -> Run:
    done = subprocess.run(
        [sys.executable, script, "--output", folder, *options], env=os.environ | {"REBUILDER_STATE": str(STATE)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=840,
    )  # fmt: skip
    return Run(done.returncode, done.stdout, done.stderr, folder)


@pytest.fixture(scope="module")
def itself(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`make self` on the files as they lie: in CI, those of the commit."""
    return run(ROOT / "scripts" / "self.py", tmp_path_factory.mktemp("self") / "report", "--worktree")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The script in a repository of its own whose package cannot be built."""
    (tmp_path / "demo" / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "self.py", tmp_path / "demo" / "scripts")
    (tmp_path / "demo" / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "demo"\nversion = "1"\n'
    )
    (tmp_path / "demo" / "backend.py").write_text("raise SystemExit('the backend of the demo says no')\n")
    return tmp_path / "demo"


def test_wheel_sdist_and_root_filesystem_come_out_the_same(itself: Run) -> None:
    assert itself.code == 0, itself.out[-3000:] + itself.err[-3000:]
    report = itself.report
    assert report.verdict == "reproducible"
    assert {row.status for row in report.variations} <= {"passed", "not-effective"}
    assert {build.purpose for build in report.builds} >= {"control", "varied"}
    for file in report.outputs:
        assert f"{file.first.sha256}  {file.name}" in itself.out
    lock = ToolchainLock.model_validate_json((itself.folder / "toolchain.lock.json").read_bytes())
    again = itself.out.split("again, as another host")[1]
    assert f"{lock.roots[0].sha256}  root filesystem" in again
    assert f"mmdebstrap installs {len(lock.packages)} packages" in itself.err.split("check: report in")[1]


def test_no_state_is_left_of_the_second_making(itself: Run) -> None:
    assert itself.code == 0
    assert list(STATE.glob("self-*")) == []


def test_the_wheel_holds_every_file_of_the_package_and_the_anchors(itself: Run) -> None:
    with zipfile.ZipFile(itself.output(".whl")) as wheel:
        names = set(wheel.namelist())
        [entry] = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        assert wheel.read(entry).decode().split() == ["[console_scripts]", "rebuilder", "=", "rebuilder.cli:main"]
    data = {name.partition(".data/data/share/rebuilder/")[2] for name in names if ".data/" in name}
    tree = itself.tree()
    assert {name for name in names if name.startswith("rebuilder/")} == {
        name for name in tree if name.startswith("rebuilder/")
    }
    assert data == {name for name in tree if name.startswith("trust/")}
    told = {name.partition(".dist-info/")[2] for name in names if ".dist-info/" in name}
    assert told == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def test_the_sdist_holds_the_tree_and_gives_the_same_wheel(itself: Run, tmp_path: Path) -> None:
    with tarfile.open(itself.output(".tar.gz")) as sdist:
        sdist.extractall(tmp_path, filter="data")
    [folder] = tmp_path.iterdir()
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert held - {"PKG-INFO"} == {name for name in itself.tree() if not name.startswith(LEFT_OUT)}
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    # The rest names the backend's version, and this environment's may be another.
    first, second = contents(itself.output(".whl")), contents(wheel)
    assert first == second


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}


def test_what_is_no_checkout_is_refused(project: Path, tmp_path: Path) -> None:
    done = run(project / "scripts" / "self.py", tmp_path / "report")
    assert done.code == 2
    assert re.search(r"expected a Git checkout, found none at .*/demo\n  what to do: clone the repository", done.err)


def test_a_check_that_does_not_end_well_fails_it_and_says_what_to_do(project: Path, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=Demo", "-c", "user.email=demo@example.invalid", "-C", project]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "Demo"]):
        subprocess.run([*git, *words], check=True)
    done = run(project / "scripts" / "self.py", tmp_path / "report")
    assert done.code == 13, done.out[-3000:] + done.err[-3000:]
    assert re.search(r"check of wheel and sdist ended with 13, not with 0\n  what to do: read .*log", done.err)
    assert "the backend of the demo says no" in (tmp_path / "report" / "build-1.log").read_text()
    assert "root filesystem of" not in done.out
