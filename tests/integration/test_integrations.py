"""What maintainers copy, run as their runners would: the scripts of the Action, of the GitLab job, of the hook and of
the release gate, on a project that is clean and on one that writes its host's name into what it builds.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
HERE = ROOT / "integrations"
STATE = ROOT / ".rebuilder" / "test-cache" / "check-state"
ACTIONS = {"actions/upload-artifact", "github/codeql-action/upload-sarif"}
CLEAN = "answer.txt: answer.in\n\tsed 's/@/42/' answer.in >answer.txt\n"
#: One thing varied finds it, and spares the others' time.
VARIATIONS = "host,umask"


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def host_environment() -> dict[str, str]:
    foreign = ("GITHUB_", "REBUILDER_", "GIT_", "CI_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"REBUILDER_STATE": str(STATE), "REBUILDER_CONFIG": str(ROOT / "rebuilder.toml")}


@dataclass(frozen=True)
class Repository:
    """A project in Git."""

    folder: Path

    def git(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, env=host_environment() | environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip

    def commit(self, makefile: str) -> None:
        (self.folder / "Makefile").write_text(makefile)
        (self.folder / "answer.in").write_text("the answer is @\n")
        assert self.git("add", ".").returncode == 0
        assert self.git("commit", "--quiet", "--message", "a change").returncode == 0

    def breaks(self) -> None:
        self.commit(CLEAN + "\tuname -n >>answer.txt\n")


@pytest.fixture
def project(tmp_path: Path) -> Repository:
    """A clean project, in a folder whose name has a space."""
    repository = Repository(tmp_path / "a project")
    repository.folder.mkdir()
    STATE.mkdir(parents=True, exist_ok=True)
    assert repository.git("init", "--quiet", "--initial-branch=main").returncode == 0
    for name, value in (("user.name", "A"), ("user.email", "a@mail.example"), ("commit.gpgsign", "false")):
        assert repository.git("config", name, value).returncode == 0
    repository.commit(CLEAN)
    return repository


@dataclass
class Runner:
    """Does what GitHub's runner does with the steps of a composite action: `run` ones by bash, in turn."""

    workspace: Path
    inputs: dict[str, str]
    code: int = 0
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def fill(self, text: str) -> str:
        return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: self.inputs[found[1]], text)

    def run(self, action: Path) -> Runner:
        for step in load(action)["runs"]["steps"]:
            if "uses" in step:
                self.left_out.append(step["uses"].partition("@")[0])
                assert step["if"].startswith("always() && steps.check.outputs."), "reports are kept whatever came out"
            elif self.code == 0:
                self.one(step, action.parent)
        return self

    def one(self, step: dict[str, Any], action_path: Path) -> None:
        place = self.workspace.parent
        script = place / "step.sh"
        script.write_text(step["run"])
        files = {"GITHUB_OUTPUT": str(place / "outputs"), "GITHUB_STEP_SUMMARY": str(place / "summary")}
        given = {name: self.fill(value) for name, value in step.get("env", {}).items()}
        fixed = {"GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": str(action_path), "CI": "true"}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script], cwd=self.workspace,
            env=host_environment() | fixed | files | given, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=1800,
        )  # fmt: skip
        self.code = done.returncode
        self.log += done.stdout + done.stderr
        if Path(files["GITHUB_OUTPUT"]).exists():
            self.outputs |= dict(line.split("=", 1) for line in Path(files["GITHUB_OUTPUT"]).read_text().splitlines())


def act(project: Repository, **inputs: str) -> Runner:
    action = HERE / "github" / "action.yml"
    defaults = {name: entry["default"] for name, entry in load(action)["inputs"].items()}
    return Runner(project.folder, defaults | {"variations": VARIATIONS, "seed": "7"} | inputs).run(action)


def test_the_action_passes_a_clean_project(project: Repository) -> None:
    done = act(project)
    assert done.code == 0, done.log
    assert done.outputs["verdict"] == "reproducible"
    assert (done.outputs["exit-code"], done.outputs["report"]) == ("0", "rebuilder-check")
    assert "### Rebuilder: reproducible" in (project.folder.parent / "summary").read_text()
    assert (project.folder / "rebuilder-check" / "index.html").is_file()
    assert set(done.left_out) == ACTIONS


def test_the_action_fails_a_broken_project_and_names_what_breaks_it(project: Repository) -> None:
    project.breaks()
    done = act(project, sarif="found.sarif", junit="found.xml")
    assert done.code == 10, done.log
    assert (done.outputs["verdict"], done.outputs["exit-code"]) == ("not-reproducible", "10")
    assert done.outputs["sarif"] == "found.sarif"
    report = json.loads((project.folder / "rebuilder-check" / "check.json").read_text())
    assert [tuple(breakage["variations"]) for breakage in report["breakages"]] == [("host",)]
    assert report["seed"] == 7
    assert json.loads((project.folder / "found.sarif").read_text())["runs"][0]["results"]
    assert "<failure" in (project.folder / "found.xml").read_text()
    summary = (project.folder.parent / "summary").read_text()
    assert "### Rebuilder: not-reproducible" in summary
    assert "host" in summary
    assert act(project, **{"fail-on": "never"}).code == 0


def gitlab(project: Repository, lines: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """The job's lines in one shell that stops at the first failure, as GitLab's runner has them."""
    job = load(HERE / "gitlab" / "check.yml")[".rebuilder-check"]
    ours = {name: value for name, value in job["variables"].items() if name.startswith("REBUILDER_")}
    named = {"CI_PROJECT_DIR": str(project.folder)}
    return subprocess.run(
        ["bash", "-c", "set -eo pipefail\n" + "\n".join(lines)], cwd=project.folder,
        env=host_environment() | named | ours | {"REBUILDER_VARIATIONS": VARIATIONS} | variables,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip


def gitlab_lines() -> tuple[list[str], list[str]]:
    job = load(HERE / "gitlab" / "check.yml")[".rebuilder-check"]
    return job["before_script"], job["script"]


def test_the_gitlab_job_fails_a_broken_project_and_leaves_its_reports(project: Repository) -> None:
    project.breaks()
    before, script = gitlab_lines()
    done = gitlab(project, before + script, REBUILDER_CHECKOUT=str(ROOT))
    assert done.returncode == 10, done.stdout + done.stderr
    assert (project.folder / "rebuilder-check" / "index.html").is_file()
    assert "<failure" in (project.folder / "rebuilder-check.xml").read_text()


def test_the_gitlab_job_fetches_exactly_the_ref_it_names(project: Repository, tmp_path: Path) -> None:
    tool = Repository(tmp_path / "tool")
    (tool.folder / "integrations").mkdir(parents=True)
    assert tool.git("init", "--quiet").returncode == 0
    script = tool.folder / "integrations" / "check.sh"
    commits = []
    for version in ("old", "new"):
        script.write_text(f"#!/bin/sh\necho {version}\n")
        script.chmod(0o755)
        assert tool.git("add", ".").returncode == 0
        who = ("-c", "user.name=A", "-c", "user.email=a@mail.example", "-c", "commit.gpgsign=false")
        assert tool.git(*who, "commit", "--quiet", "--message", version).returncode == 0
        commits.append(tool.git("rev-parse", "HEAD").stdout.strip())
    (_, fetch, _), lines = gitlab_lines()
    where = {"REBUILDER_REPOSITORY": str(tool.folder), "REBUILDER_CHECKOUT": str(tmp_path / "fetched")}
    for _ in range(2):  # the second time it is there already
        done = gitlab(project, [fetch, *lines], REBUILDER_REF=commits[0], **where)
        assert (done.returncode, done.stdout) == (0, "old\n"), done.stderr
    unset = gitlab(project, [fetch, *lines], REBUILDER_CHECKOUT=str(tmp_path / "nothing"))
    assert unset.returncode != 0
    assert "REBUILDER_REPOSITORY: is empty, set it to the URL of Rebuilder" in unset.stderr


def test_a_tag_is_pushed_only_if_its_commit_is_reproducible(project: Repository, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    assert project.git("init", "--quiet", "--bare", str(remote)).returncode == 0
    assert project.git("remote", "add", "origin", str(remote)).returncode == 0
    hook = project.folder / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.unlink(missing_ok=True)
    hook.symlink_to(HERE / "hooks" / "pre-push")
    project.git("tag", "--annotate", "--message", "clean", "v1")
    project.breaks()
    project.git("tag", "--annotate", "--message", "broken", "v2")
    fast = {"REBUILDER_VARIATIONS": VARIATIONS}

    assert project.git("push", "--quiet", "origin", "main", **fast).returncode == 0  # a branch is not held up
    broken = project.git("push", "origin", "v2", **fast)
    assert broken.returncode != 0
    assert "the tag v2 stays here: rebuilder check ended with 10. Report: " in broken.stderr
    clean = project.git("push", "origin", "v1", **fast)  # the tagged commit counts, not the broken work tree
    assert clean.returncode == 0, clean.stderr
    assert project.git("ls-remote", "--tags", "--refs", "origin").stdout.split()[1::2] == ["refs/tags/v1"]
    skipped = project.git("push", "origin", "v2", REBUILDER_SKIP="1")
    assert skipped.returncode == 0
    assert "WITHOUT a check of reproducibility" in skipped.stderr


def test_the_release_gate_makes_no_tag_of_a_broken_commit(project: Repository) -> None:
    project.breaks()
    done = subprocess.run(
        [HERE / "release-gate" / "release.sh", "v1.0", "dist", "touch", "built"], cwd=project.folder,
        env=host_environment() | {"REBUILDER_VARIATIONS": VARIATIONS}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 10, done.stderr
    assert "no tag: the check ended with 10. Report: " in done.stderr
    assert project.git("tag").stdout == ""
    assert not (project.folder / "built").exists()
