"""zlib-ng in the place of zlib: the plan that brings it, and the shim in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from rebuilder.check.builds import Materials
from rebuilder.errors import RecipeError
from rebuilder.model import FileDigest
from rebuilder.recipe import Replay
from rebuilder.resolve.package_builds import ZLIB_WHEEL, plan_of, requirements
from rebuilder.sandbox import texts
from tests.unit.package_build_cases import WHEEL, recipe

_FILE = FileDigest(name="tree.tar", sha256="cd" * 32, size=1)
BARE, REPLAYED = Materials(tree=_FILE), Materials(tree=_FILE, replay=_FILE)
NG = {"zlib": "zlib-ng"}
SHIM = "/usr/share/rebuilder/zlib/sitecustomize.py"
#: Stands for the wheel: a deflate that cannot be taken for zlib's, one name that zlib has not, and not all that it has.
WHEEL_CODE = """
import gzip, zlib as standard
ZLIBNG_VERSION = "9.9"
error = type("error", (Exception,), {})
decompress, crc32 = standard.decompress, standard.crc32
def compressobj(level=-1, method=8, wbits=15, *others):
    return standard.compressobj(0, method, wbits)
def compress(data, level=-1, wbits=15):
    return standard.compress(data, 0, wbits)
"""
USES = """
import gzip, io, sys, tarfile, zipfile, zlib
from pathlib import Path
text = bytes(range(256)) * 40
out = io.BytesIO()
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("a", text)
    packed = archive.infolist()[0].compress_size
with zipfile.ZipFile(out) as archive:
    assert archive.read("a") == text
stream = io.BytesIO()
with tarfile.open(fileobj=stream, mode="w|gz") as tar:
    tar.addfile(tarfile.TarInfo("b"))
assert gzip.decompress(gzip.compress(text)) == text
print(packed > len(text), len(gzip.compress(text)) > len(text), len(stream.getvalue()) > 10240, zlib.crc32(b"a"),
      issubclass(zlib.error, Exception), zlib.DEFLATED, bool(zlib.adler32(b"a")), getattr(zlib, "ZLIBNG_VERSION", ""),
      zlib.ZLIB_VERSION != "")
"""


def run(folder: Path, *words: str, wheel: bool = True, more: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A Python that starts with the shim, and with a wheel where it finds one."""
    (folder / "shim").mkdir(exist_ok=True)
    (folder / "shim" / "sitecustomize.py").write_text(texts.zlib_shim())
    (folder / "wheel" / "zlib_ng").mkdir(parents=True, exist_ok=True)
    (folder / "wheel" / "zlib_ng" / "__init__.py").write_text("")
    (folder / "wheel" / "zlib_ng" / "zlib_ng.py").write_text(WHEEL_CODE)
    path = [folder / "shim", *more, *([folder / "wheel"] if wheel else [])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, *words], env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_every_stream_of_the_standard_library_is_the_other_ones_and_nothing_else_is(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", USES)
    assert done.stderr == ""
    assert done.stdout.split() == ["True", "True", "True", str(zlib.crc32(b"a")), "True", "8", "True", "9.9", "True"]


def test_an_interpreter_without_the_wheel_keeps_its_own(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", USES, wheel=False)
    assert done.stderr == ""
    assert done.stdout.split() == ["False", "False", "False", str(zlib.crc32(b"a")), "True", "8", "True", "True"]


def test_as_a_program_it_says_the_version_and_fails_without_the_wheel(tmp_path: Path) -> None:
    done = run(tmp_path, "shim/sitecustomize.py")
    assert (done.returncode, done.stdout) == (0, "zlib-ng 9.9 stands for zlib\n")
    done = run(tmp_path, "shim/sitecustomize.py", wheel=False)
    assert done.returncode == 1
    assert "No module named 'zlib_ng'" in done.stderr


def test_the_sitecustomize_behind_it_runs_too_and_once(tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "sitecustomize.py").write_text("print('next', __name__)\n")
    done = run(tmp_path, "-c", "import zlib; print(zlib.ZLIBNG_VERSION)", more=(tmp_path / "next",))
    assert (done.stdout, done.stderr) == ("next sitecustomize\n9.9\n", "")


# --- the plan ---------------------------------------------------------------------------------------


def test_only_a_recipe_that_says_so_is_built_with_it() -> None:
    plan = plan_of(recipe(), BARE, zlib_shim="the shim")
    assert SHIM not in [file.path for file in plan.files]
    assert not any("/usr/share/rebuilder" in word for step in plan.steps for word in step.argv)
    assert requirements(recipe()) == ("build",)


def test_the_shim_is_seen_by_the_projects_commands_alone_and_tried_before_them() -> None:
    plan = plan_of(recipe(toolchain=NG), BARE, zlib_shim="the shim")
    assert {file.path: file.content for file in plan.files}[SHIM] == "the shim"
    assert "PYTHONPATH=/usr/share/rebuilder/zlib" in plan.steps[-1].argv
    assert "PYTHONPATH" not in plan.environment
    tried = plan.steps[-2]
    assert tried.label == "zlib-ng in the place of zlib"
    assert tried.argv[-3:] == ("/build/tmp/build-env/bin/python", "-I", SHIM)
    assert [step.label for step in plan.steps[:-2]] == [step.label for step in plan_of(recipe(), BARE).steps[:-1]]


def test_it_stands_before_the_replay_of_scalars() -> None:
    asked = recipe(Replay(artifact=WHEEL, what=("member-times",)), toolchain=NG, environment={"PYTHONPATH": "lib"})
    plan = plan_of(asked, REPLAYED, "one", "other")
    assert "PYTHONPATH=/usr/share/rebuilder/zlib:/usr/share/rebuilder/replay:lib" in plan.steps[-1].argv
    assert [file.content for file in plan.files[-2:]] == ["one", "other"]


@pytest.mark.parametrize(
    ("wheels", "wanted"),
    [
        (("build",), ("build", ZLIB_WHEEL)),
        (("build", "zlib-ng-tools"), ("build", "zlib-ng-tools", ZLIB_WHEEL)),
        (("zlib_ng==0.5.1",), ("zlib_ng==0.5.1",)),
        (("Zlib-NG",), ("Zlib-NG",)),
    ],
)
def test_its_wheel_is_asked_for_unless_the_recipe_does_itself(wheels: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    assert requirements(recipe(toolchain={**NG, "wheels": wheels})) == wanted


def test_without_an_environment_of_python_there_is_none() -> None:
    with pytest.raises(RecipeError, match="expected zlib = 'zlib-ng' only with `wheels`, found none"):
        plan_of(recipe(toolchain={**NG, "wheels": ()}), BARE, zlib_shim="the shim")
