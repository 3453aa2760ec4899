"""What the documents promise is what the repository holds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from rebuilder.cli import COMMANDS
from rebuilder.model import Verdict

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "docs" / "adr").glob("*.md"))
OURS = re.compile(r"`((?:rebuilder|tests|docs|scripts|requirements|trust|bench)/[a-zA-Z0-9_./-]*|Makefile|\.ci/run)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_a_page_names_is_there(page: Path) -> None:
    named = set(OURS.findall(page.read_text(encoding="utf-8")))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = (ROOT / "README.md").read_text(encoding="utf-8")[:400]
    assert opening.index("make demo") < opening.index("make test")


def test_the_readme_has_every_verdict_with_its_exit_code() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| (\d+) \|$", text, re.MULTILINE))
    assert rows == {verdict.value: str(verdict.exit_code) for verdict in Verdict}


def test_every_command_in_the_readme_exists_and_every_command_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^    rebuilder ([a-z-]+)", text, re.MULTILINE)) == set(COMMANDS)


def test_every_make_target_has_a_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    declared = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert set(re.findall(r"^([a-z]+):.*## \S", makefile, re.MULTILINE)) == declared
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make (\S+)", shown, re.MULTILINE)) == declared


def test_decisions_are_numbered_without_a_gap_and_have_every_part() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], page.name


@pytest.mark.parametrize("name", ["run", "test"])
def test_requirements_are_locked_by_digest_and_name_no_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert re.search(r"^ *--(index|extra-index|find-links|trusted)", text, re.MULTILINE) is None
    entries = re.split(r"\n(?=\S)", text.replace("\\\n", " ").strip())
    pinned = [entry for entry in entries if not entry.startswith("#")]
    assert pinned
    for entry in pinned:
        assert re.match(r"[a-z0-9-]+==[0-9][^ ]* +--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


def test_what_tests_install_holds_all_that_a_run_does() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        return set(re.findall(r"^[a-z0-9-]+==[^ ]+", text, re.MULTILINE))

    assert pins("run") < pins("test")
