"""The scripts that take the outputs of a build, run for real in a folder of the test."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from rebuilder.check.kinds import collect
from rebuilder.check.model import OUT, TREE, ProjectKind
from rebuilder.model import Step
from tests.unit.check_cases import SEEN, of


class Place:
    """A tree and a folder for outputs, with the steps run as a build would."""

    def __init__(self, root: Path) -> None:
        self.tree, self.out = root / "tree of it", root / "out"
        self.tree.mkdir()
        self.out.mkdir()

    def run(self, *steps: Step) -> subprocess.CompletedProcess[str]:
        done = subprocess.CompletedProcess[str]((), 0, "", "")
        for step in steps:
            argv = [word.replace(TREE, str(self.tree)).replace(OUT, str(self.out)) for word in step.argv]
            done = subprocess.run(argv, cwd=self.tree, capture_output=True, text=True, check=False)
            if done.returncode:
                break
        return done

    def write(self, *names: str) -> None:
        for name in names:
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(f"text of {name}")

    def taken(self) -> list[str]:
        return sorted(path.name for path in self.out.iterdir())

    def members(self, name: str) -> dict[str, tarfile.TarInfo]:
        with tarfile.open(self.out / name) as tar:
            return {member.name: member for member in tar}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def shell(text: str) -> Step:
    return Step(argv=("sh", "-c", text), cwd=TREE)


def test_made_files_are_new_or_changed_ones(place: Place) -> None:
    place.write("kept", "touched", "changed", ".git/index")
    build = (
        "touch -d 2001-01-01 touched; echo more >> changed; mkdir -p d/__pycache__ CMakeFiles; echo 1 > d/new; "
        "echo 1 > d/__pycache__/a.pyc; echo 1 > a.o; echo 1 > CMakeFiles/log; echo 2 > .git/index; ln -s kept link; "
        "printf 1 > \"$(printf 'two\\nlines')\"; echo 1 > ' -b'; echo 1 > secret; chmod 0 secret"
    )
    done = place.run(*collect.around((shell(build),)))
    assert done.returncode == 0, done.stderr
    members = place.members("made.tar")
    assert list(members) == ["./ -b", "./changed", "./d/new", "./secret", "./two\nlines"]
    assert {(one.mtime, one.uid, one.gid, one.uname) for one in members.values()} == {(0, 0, 0, "")}
    assert place.taken() == ["made.tar"]


def test_nothing_made(place: Place) -> None:
    place.write("a.c")
    done = place.run(*collect.around((shell("echo 1 > a.o"),)))
    assert done.returncode == 3
    assert "rebuilder: the build made no file" in done.stderr


@pytest.mark.parametrize(
    ("globs", "taken"),
    [
        (("dist/*.txt",), ["a.txt", "x{1}+(2).txt"]),
        (("dist/deep",), ["a.txt", "b.so"]),
        (("dist/**/b.so", "dist/?.txt"), ["a.txt", "b.so"]),
        (("dist/[!a]*.txt",), ["x{1}+(2).txt"]),
        (("dist/x{1}+(2).txt",), ["x{1}+(2).txt"]),
        (("**/*.so",), ["b.so"]),
        (("top",), ["top"]),
        (("dist/**/*.txt",), ["outputs.tar"]),
        (("odd/*",), ["outputs.tar"]),
    ],
)
def test_globs(place: Place, globs: tuple[str, ...], taken: list[str]) -> None:
    place.write(
        "dist/a.txt", "dist/x{1}+(2).txt", "dist/deep/er/b.so", "dist/deep/a.txt", "top", "odd/a\nb", ".git/x.so"
    )
    done = place.run(collect.matching(globs))
    assert done.returncode == 0, done.stderr
    assert place.taken() == taken


def test_many_files_go_into_one_tar(place: Place) -> None:
    place.write(*(f"d/{number}" for number in range(201)))
    assert place.run(collect.matching(("d",))).returncode == 0
    assert len(place.members("outputs.tar")) == 201


def test_a_glob_that_matches_nothing(place: Place) -> None:
    place.write("a")
    done = place.run(collect.matching(("a", "$(touch evil);no/*")))
    assert done.returncode == 3
    assert "no file that the build left matches $(touch evil);no/*" in done.stderr
    assert not (place.tree / "evil").exists()


def test_what_is_installed_is_packed_without_what_a_packager_sets(place: Place) -> None:
    assert place.run(collect.installed()).returncode == 3
    assert "installed no file" in place.run(shell(f"mkdir {collect.STAGE!r}"), collect.installed()).stderr
    place.write("rebuilder-stage/usr/bin/demo", "rebuilder-stage/usr/share/x")
    (place.tree / "rebuilder-stage/usr/bin/demo").chmod(0o4711)
    (place.tree / "rebuilder-stage/usr/share").chmod(0o700)
    os.symlink("demo", place.tree / "rebuilder-stage/usr/bin/link")
    assert place.run(collect.installed()).returncode == 0
    modes = {name: oct(member.mode) for name, member in place.members("install.tar").items() if member.isreg()}
    assert modes == {"./usr/bin/demo": "0o755", "./usr/share/x": "0o644"}
    assert place.members("install.tar")["./usr/share"].mode == 0o755
    assert place.members("install.tar")["./usr/bin/link"].linkname == "demo"


def test_programs_and_libraries_of_a_crate(place: Place) -> None:
    place.write("target/release/demo", "target/release/demo.d", "target/release/.lock", "target/release/deps/demo-1")
    place.write("target/debug/demo2")
    assert place.run(of(SEEN[ProjectKind.CARGO]).steps[-1]).returncode == 0
    assert place.taken() == ["demo"]


def test_debian_packages_beside_the_tree(place: Place) -> None:
    assert "the build left no" in place.run(collect.debian_packages()).stderr
    for name in ("a_1_all.deb", "b_1_all.udeb", "a_1.buildinfo"):
        (place.tree.parent / name).write_text("x")
    assert place.run(collect.debian_packages()).returncode == 0
    assert place.taken() == ["a_1_all.deb", "b_1_all.udeb"]
