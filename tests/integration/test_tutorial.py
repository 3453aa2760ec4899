"""The tutorial, followed word for word: each command is run in one shell, and prints what the page says it prints."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from pathlib import Path

import pytest

from tests.integration.check_projects import STATE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial-check.md"
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.integration, pytest.mark.live, pytest.mark.timeout(900)]


def blocks() -> list[tuple[str, list[str]]]:
    """Each block of commands, and the lines that the page says it prints."""
    found: list[tuple[str, list[str]]] = []
    for kind, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append((text, []))
        else:
            found[-1][1].extend(line for line in text.splitlines() if line.strip())
    return found


def test_every_command_of_the_tutorial_does_what_it_says() -> None:
    STATE.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(8)
    steps = blocks()
    assert len(steps) > 8
    assert sum(len(lines) for _, lines in steps) > 8
    script = "set -eu\n" + "".join(f"{commands}\necho {mark}\n" for commands, _ in steps)
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=ROOT,
        env=os.environ | {"LC_ALL": "C.UTF-8", "REBUILDER_STATE": str(STATE)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    printed = done.stdout.split(mark)
    assert done.returncode == 0, printed[-1][-3000:]
    for (commands, lines), output in zip(steps, printed, strict=False):
        for line in lines:
            assert line in output, f"expected {line!r} of\n{commands}\nfound\n{output[-3000:]}"
