"""Three real packages from the host's own mirrors, through the installed command, end to end.

A live suite moves. The verdict that a hand trial gave is demanded only of the version it was given for; of a
newer one, that the run comes to some verdict with evidence that holds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.live]
PROGRAM = [sys.executable, "-c", "from rebuilder.cli import main; main()"]

#: purl, the version of the trial, its verdict, the exit code of that verdict.
TRIALS = [
    ("pkg:deb/debian/less?distro=trixie", "668-1", "reproduced", 0),
    ("pkg:deb/debian/mailman3-web?distro=trixie", "0+20240312-1+deb13u1", "reproduced", 0),
    ("pkg:deb/debian/hello?distro=trixie", "2.10-5", "unavailable", 15),
]


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A state of its own, with keys; the host's mirrors, no configuration."""
    folder = tmp_path_factory.mktemp("live")
    ids = ("--builder-id=https://live.example/builder", "--verifier-id=https://live.example/verifier")
    assert rebuilder(folder, "keys", "init", "--organisation=live", *ids).returncode == 0
    return folder


def rebuilder(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"REBUILDER_STATE": str(state)}
    return subprocess.run(
        [*PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=800
    )


@pytest.mark.parametrize(("purl", "version", "verdict", "code"), TRIALS)
def test_a_real_package_comes_to_its_verdict_with_evidence(state, purl, version, verdict, code):
    done = rebuilder(state, "verify", purl, "--json")
    assert done.stdout, done.stderr
    record = json.loads(done.stdout)
    if record["published"]["source_version"] == version:
        assert (record["verdict"], done.returncode) == (verdict, code), record["reason"]
    folder = state / "runs" / record["run_id"]
    assert (folder / "index.html").stat().st_size > 10_000
    (bundle,) = folder.glob("*.intoto.jsonl")
    named = next(item for item in record["published"]["artifacts"] if item["named"])
    checked = rebuilder(state, "verify-bundle", str(bundle), "--sha256", named["file"]["sha256"])
    assert checked.returncode == done.returncode, checked.stdout + checked.stderr
    assert record["verdict"] in checked.stdout


def test_what_was_verified_can_be_published_and_shown(state, tmp_path):
    published = rebuilder(state, "publish", str(tmp_path / "site"))
    assert published.returncode == 0, published.stderr
    index = json.loads((tmp_path / "site" / "index.json").read_bytes())
    assert "3 runs added" in published.stdout
    assert json.dumps(index).count("pkg:deb/debian/less") >= 1
    shown = rebuilder(state, "show")
    assert shown.stdout.count("pkg:deb/debian/") == 3
