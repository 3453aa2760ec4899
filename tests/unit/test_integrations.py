"""The files that maintainers copy: valid, pinned, documented, and with no value inside a script's text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from ruamel.yaml import YAML

from rebuilder.check.model import CheckVerdict, VariationName

ROOT = Path(__file__).parents[2]
HERE = ROOT / "integrations"
ACTION = HERE / "github" / "action.yml"
WORKFLOW = HERE / "github" / "example-workflow.yml"
TEMPLATE = HERE / "gitlab" / "check.yml"
PIPELINE = HERE / "gitlab" / "example.gitlab-ci.yml"
SCRIPTS = [HERE / "check.sh", HERE / "hooks" / "pre-push", HERE / "release-gate" / "release.sh"]
FILES = [path for path in sorted(HERE.rglob("*")) if path.is_file()]
PAGES = [ROOT / "docs" / "check.md", ROOT / "docs" / "tutorial-check.md"]
#: A name with one of these endings is taken for that of a host. `.sh`, `.md`, `.py` and the like are files.
HOST = re.compile(r"\b[a-z0-9-]+\.(?:com|org|net|io|dev|gov|edu|eu|de|uk|cloud|app)\b")


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A linter: of this environment, else of the host. Whatever it would fetch, it cannot."""
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    program = shutil.which(name, path=places)
    assert program, f"{name} is not there: run `make test`, which brings it"
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return subprocess.run(
        [program, *map(str, arguments)], env=os.environ | nowhere, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip


def against_schema(name: str, path: Path) -> subprocess.CompletedProcess[str]:
    return tool("check-jsonschema", "--builtin-schema", f"vendor.{name}", path)


CASES = [
    ("github-actions", ACTION, "using: composite", "using: magic"),
    ("github-workflows", WORKFLOW, "runs-on:", "run-on:"),
    ("gitlab-ci", TEMPLATE, "when: always", "when: ever"),
    ("gitlab-ci", PIPELINE, "- if:", "- iff:"),
]


@pytest.mark.parametrize(("name", "path", "right", "wrong"), CASES, ids=[case[1].name for case in CASES])
def test_a_file_holds_to_its_schema_and_the_schema_bites(
    name: str, path: Path, right: str, wrong: str, tmp_path: Path
) -> None:
    assert against_schema(name, path).returncode == 0
    # The schema allows anything in a job that is hidden.
    text = path.read_text(encoding="utf-8").replace("\n.rebuilder-check:", "\nrebuilder-check:")
    shown, broken = tmp_path / path.name, tmp_path / "broken.yml"
    shown.write_text(text, encoding="utf-8")
    done = against_schema(name, shown)
    assert done.returncode == 0, done.stdout + done.stderr
    assert right in text
    broken.write_text(text.replace(right, wrong), encoding="utf-8")
    assert against_schema(name, broken).returncode == 1


def test_the_auditor_of_workflows_finds_nothing_and_would_find_an_injection(tmp_path: Path) -> None:
    done = tool("zizmor", "--offline", "--persona", "auditor", "--no-progress", ACTION, WORKFLOW)
    assert done.returncode == 0, done.stdout + done.stderr
    bad = tmp_path / "action.yml"
    text = ACTION.read_text(encoding="utf-8")
    bad.write_text(text.replace('"$GITHUB_ACTION_PATH/../check.sh"', "x ${{ inputs.seed }}"))
    assert "template-injection" in tool("zizmor", "--offline", "--no-progress", bad).stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_plain_shell_without_a_finding(path: Path) -> None:
    done = tool("shellcheck", "--shell=sh", path)
    assert done.returncode == 0, done.stdout
    assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    assert os.access(path, os.X_OK)


def test_no_expression_is_inside_a_script() -> None:
    steps = load(ACTION)["runs"]["steps"]
    assert sum("run" in step for step in steps) == 2
    assert [step["name"] for step in steps if "${{" in step.get("run", "")] == []
    assert all(step["shell"] == "bash" for step in steps if "run" in step)


@pytest.mark.parametrize("path", [ACTION, WORKFLOW], ids=lambda path: path.name)
def test_what_is_called_is_named_by_a_full_commit(path: Path) -> None:
    used = re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name)] == []


@pytest.mark.parametrize("path", FILES + PAGES, ids=lambda path: path.name)
def test_no_host_and_no_place_of_ours_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert HOST.findall(text) == []
    assert re.findall(r"(?<![\w/])/(?:work|home)/\w+", text) == []
    urls = re.findall(r"\w+://([\w.-]+)", text)
    assert [host for host in urls if host != "docker" and not host.endswith(".example")] == []


def test_the_host_rule_bites() -> None:
    assert HOST.findall("see packages.somewhere.org/x and index.example/x") == ["somewhere.org"]


def test_the_workflow_asks_for_no_more_than_it_needs() -> None:
    workflow = load(WORKFLOW)
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["check"]["permissions"] == {"contents": "read", "security-events": "write"}
    assert "pull_request_target" not in workflow["on"]
    given = workflow["jobs"]["check"]["steps"][1]["with"]
    assert set(given) <= set(load(ACTION)["inputs"])


def test_every_input_reaches_the_script_and_is_documented() -> None:
    action = load(ACTION)
    header = SCRIPTS[0].read_text(encoding="utf-8").split("set -eu")[0]
    check = next(step for step in action["runs"]["steps"] if step.get("id") == "check")
    passed = dict(check["env"])
    assert passed == {
        f"REBUILDER_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}"
        for name in action["inputs"]
        if name != "artifact"
    }
    page = (HERE / "README.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^#   (REBUILDER_\w+)", header, re.MULTILINE))
    assert set(passed) <= documented
    assert set(re.findall(r"^\| `([a-z-]+)` \| [^|]* \| [^|]* \|$", page, re.MULTILINE)) == set(action["inputs"])
    ours = {name for name in load(TEMPLATE)[".rebuilder-check"]["variables"] if name.startswith("REBUILDER_")}
    assert ours - {"REBUILDER_REPOSITORY", "REBUILDER_REF", "REBUILDER_CHECKOUT"} <= documented


def test_the_outputs_are_those_that_the_script_writes() -> None:
    written = set(re.findall(r"(?:'|\\n)([a-z-]+)=%s", SCRIPTS[0].read_text(encoding="utf-8")))
    assert set(load(ACTION)["outputs"]) | {"sarif"} == written


def test_the_template_keeps_the_report_whatever_came_out() -> None:
    job = load(TEMPLATE)[".rebuilder-check"]
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "$REBUILDER_JUNIT"}
    assert load(PIPELINE)["reproducible"]["extends"] == ".rebuilder-check"
    include = load(PIPELINE)["include"][0]
    assert (ROOT / include["file"].lstrip("/")) == TEMPLATE


def test_the_page_of_check_has_every_variation_and_every_exit_code() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
    assert rows == list(get_args(VariationName))
    codes = dict(re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", text, re.MULTILINE))
    assert codes == {str(verdict.exit_code): verdict.value for verdict in CheckVerdict} | {"15": "unavailable"}


def test_every_block_of_the_tutorial_is_shell_that_parses(tmp_path: Path) -> None:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGES[1].read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert {kind for kind, _ in blocks} == {"sh", "text"}
    for number, (kind, text) in enumerate(blocks):
        script = tmp_path / f"{number}.sh"
        script.write_text(text)
        if kind == "sh":
            assert subprocess.run(["sh", "-n", script], check=False).returncode == 0, text
