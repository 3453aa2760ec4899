"""`verify` of projects that are no Debian packages, with the recipes that `check --write-recipe` wrote of them.

The toolchain is that of the tests of `check`, kept between sessions; runs and keys are of this session.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from rebuilder.report.schema import run_schema
from tests.integration.check_projects import PROGRAM, STATE, Projects, git

pytestmark = [pytest.mark.integration, pytest.mark.live]
SCHEMAS = Path(__file__).parents[2] / "rebuilder" / "report" / "schemas"
KEPT = ("blobs", "check", "languages", "locks", "members", "roots", "seeds", "vouched")
FLIT = """[build-system]
requires = ["flit_core >=3.11,<4"]
build-backend = "flit_core.buildapi"

[project]
name = "demo_flit"
version = "1.0"
description = "A demonstration"
"""
MAKEFILE = "all: greeting\ngreeting: greeting.c\n\t$(CC) -O2 -o greeting greeting.c\n"
GREETING = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.out)
        return found


class Bench:
    """Projects, and a state with keys on top of the kept one."""

    def __init__(self, folder: Path) -> None:
        self.state = STATE.with_name(f"verify-state-{os.getpid()}")
        self.state.mkdir(parents=True)
        for name in KEPT:
            (STATE / name).mkdir(parents=True, exist_ok=True)
            (self.state / name).symlink_to(STATE / name)
        self.projects = Projects(folder)
        self.config = folder / "verify.toml"
        self.config.write_text(f"state = {json.dumps(str(self.state))}\n")
        ids = ("--builder-id=https://project.example/builder", "--verifier-id=https://project.example/verifier")
        assert self.run("keys", "init", "--organisation=project", *ids).code == 0

    def run(self, *words: str) -> Done:
        environment = self.projects.environment | {"REBUILDER_CONFIG": str(self.config)}
        done = subprocess.run(
            [*PROGRAM, *words], cwd=self.projects.folder, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=800,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def outputs(self, recipe: Path, folder: Path) -> list[Path]:
        """What the recipe pins, as files in a folder."""
        folder.mkdir(exist_ok=True)
        found = []
        for item in tomllib.loads(recipe.read_text())["artifacts"]:
            found.append(folder / item["name"])
            shutil.copyfile(self.state / "blobs" / item["sha256"][:2] / item["sha256"], found[-1])
        return found


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("projects"))
    yield made
    shutil.rmtree(made.state)  # links into the kept state are removed, not followed


@pytest.fixture(scope="module")
def wheel(bench: Bench) -> tuple[Path, Path]:
    """A flit project, and the recipe of its check."""
    folder = bench.projects.make({"pyproject.toml": FLIT, "demo_flit.py": '"""Demo."""\nVALUE = 1\n'}, name="flit")
    git(folder, "remote", "add", "origin", "git@code.example:team/demo.git")
    return folder, written(bench, folder)


@pytest.fixture(scope="module")
def program(bench: Bench) -> tuple[Path, Path]:
    """A project with a Makefile, and the recipe of its check."""
    settings = '[check]\noutputs = ["greeting"]\n'
    files = {"Makefile": MAKEFILE, "greeting.c": GREETING, "rebuilder.toml": settings}
    folder = bench.projects.make(files, name="greeting")
    return folder, written(bench, folder)


def written(bench: Bench, folder: Path) -> Path:
    done = bench.run("check", str(folder), "--write-recipe", "--variations", "path,umask", "--seed", "7")
    assert done.code == 0, done.out + done.err
    (recipe,) = (folder / "recipes").rglob("recipe.toml")
    assert f"wrote {recipe}" in done.err
    assert recipe.with_name("toolchain.lock.json").is_file()
    return recipe


def statements(folder: Path) -> list[dict[str, object]]:
    (bundle,) = folder.glob("*.intoto.jsonl")
    return [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in bundle.read_text().splitlines()]


def valid(name: str, value: object) -> None:
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / name).read_text())).validate(value)


def test_the_recipe_of_a_check_gives_the_same_bytes_again_and_its_bundle_holds(
    bench: Bench, wheel: tuple[Path, Path]
) -> None:
    folder, recipe = wheel
    done = bench.run("verify", str(recipe), "--source", str(folder), "--json")
    assert done.code == 0, done.out + done.err
    record = done.record
    jsonschema.Draft202012Validator(json.loads(run_schema())).validate(record)
    assert {item["origin"] for item in record["inputs"]} == {"pinned"}  # type: ignore[attr-defined]
    run = bench.state / "runs" / str(record["run_id"])
    assert (run / "recipe.toml").read_bytes() == recipe.read_bytes()
    assert (run / "toolchain.lock.json").read_bytes() == recipe.with_name("toolchain.lock.json").read_bytes()
    page = (run / "index.html").read_text()
    assert "from the git commit" in page
    assert "published in" not in page
    for file in bench.outputs(recipe, bench.projects.folder / "made"):
        (bundle,) = run.glob("*.intoto.jsonl")
        checked = bench.run("verify-bundle", str(bundle), str(file))
        assert checked.code == 0, checked.out + checked.err
        assert "git-commit" in checked.out
    commit = git(folder, "rev-parse", "HEAD")
    for statement in statements(run):
        provenance = statement["predicateType"] == "https://slsa.dev/provenance/v1"
        valid("provenance-rebuild.v1.schema.json" if provenance else "vsa-rebuild.v1.schema.json", statement)
        if provenance:
            definition = statement["predicate"]["buildDefinition"]  # type: ignore[index]
            uris = [item.get("uri", "") for item in definition["resolvedDependencies"]]
            assert f"git+ssh://git@code.example/team/demo.git@{commit}" in uris
            assert any(uri.startswith("pkg:pypi/flit-core@3.") for uri in uris)
            assert definition["externalParameters"]["recipe"]["format"] == "rebuilder/recipe/v2"


def test_files_about_to_be_released_are_held_against_the_commit(bench: Bench, wheel: tuple[Path, Path]) -> None:
    folder, recipe = wheel
    first, *others = bench.outputs(recipe, folder / "dist")
    assert len(others) == 1
    (folder / "demo_flit.py").write_text("changed since")
    words = ("--source", str(folder), "--artifact", str(first), *map(str, others))
    done = bench.run("verify", *words, "--json")
    git(folder, "checkout", "-q", "demo_flit.py")
    assert done.code == 0, done.out + done.err
    record = done.record
    assert [item["verdict"] for item in record["comparison"]["artifacts"]] == ["reproduced"] * 2  # type: ignore[index]
    (dirty,) = [text for text in record["warnings"] if "the commit was built" in text]  # type: ignore[attr-defined]
    assert "demo_flit.py" in dirty
    assert "dist/" not in dirty
    assert record["endorsement"]["result"] == "missing"  # type: ignore[index]


def test_a_changed_byte_is_a_difference_and_no_vote(bench: Bench, program: tuple[Path, Path]) -> None:
    folder, recipe = program
    (file,) = bench.outputs(recipe, bench.projects.folder / "changed")
    data = bytearray(file.read_bytes())
    data[data.index(b"hello")] ^= 1
    file.write_bytes(data)
    done = bench.run("verify", "--source", str(folder), "--artifact", str(file), "--json")
    assert done.code == 10, done.out + done.err
    (statement,) = statements(bench.state / "runs" / str(done.record["run_id"]))
    valid("rebuild-outcome.v0.1.schema.json", statement)
    assert statement["predicate"]["vote"] == "none"  # type: ignore[index]
    pinned = bench.run("verify", str(recipe), "--source", str(folder), "--artifact", str(file))
    assert pinned.code == 2
    assert "as the recipe pins it, found" in pinned.err


def test_a_file_that_the_build_does_not_make_is_a_missing_output(bench: Bench, program: tuple[Path, Path]) -> None:
    folder, recipe = program
    (file,) = bench.outputs(recipe, bench.projects.folder / "renamed")
    other = file.rename(file.with_name("farewell"))
    done = bench.run("verify", "--source", str(folder), "--artifact", str(other), "--no-sign", "--quiet")
    assert done.code == 13, done.out + done.err
    assert "missing-output" in done.out


def test_what_no_build_of_the_project_could_give_is_refused_at_once(bench: Bench, wheel: tuple[Path, Path]) -> None:
    folder, recipe = wheel
    file = bench.projects.folder / "demo_1.0_all.deb"
    file.write_bytes(b"!<arch>\n")
    done = bench.run("verify", "--source", str(folder), "--artifact", str(file), "--no-sign")
    assert done.code == 2
    assert "leaves *.whl, *.tar.gz and could never give this file" in done.err
    assert "for a Debian package the source is a folder with debian/changelog" in done.err
    both = bench.run("verify", "--source", str(file), "--artifact", str(file), "--no-sign")
    assert both.code == 2
    assert "the folder of a project, a Debian source tree or a .dsc" in both.err
    given = ("--buildinfo", str(file))
    assert "--buildinfo only for a Debian package" in bench.run("verify", str(recipe), *given, "--no-sign").err
