"""What is advised: no file that a project may not have, dates in UTC, and nothing that was tried in vain."""

from __future__ import annotations

import os
import re
import subprocess
import time
from datetime import UTC, datetime, timezone
from typing import get_args

import pytest

from rebuilder.check.fixes import advice, chance, without_flags
from rebuilder.check.model import ProjectKind, VariationName
from rebuilder.findings import Change

NAMES: tuple[VariationName, ...] = get_args(VariationName)
#: What a project of a kind has for certain, or it would be of another.
FILES = {
    ProjectKind.MAKE: {"Makefile"},
    ProjectKind.CMAKE: {"CMakeLists.txt"},
    ProjectKind.MESON: {"meson.build"},
    ProjectKind.DEBIAN: {"debian/rules"},
    ProjectKind.CARGO: {".cargo/config.toml"},
}
CAUSES = ("", "gzip-header-time", "tar-times", "zip-times", "ar-times", "build-path-rodata")


def own(name: VariationName, kind: ProjectKind, cause: str = "") -> Change:
    (change,) = (one for one in advice(name, kind, cause).changes if one.where == "project")
    return change


@pytest.mark.parametrize("kind", ProjectKind)
def test_a_change_names_no_file_that_the_project_may_not_have(kind: ProjectKind) -> None:
    for name in NAMES:
        for cause in CAUSES:
            for change in advice(name, kind, cause).changes:
                named = re.fullmatch(r"\S*[./]\S*|Makefile", change.target)
                assert change.where == "environment" or not named or change.target in FILES[kind]


def test_the_date_of_python_is_in_utc_and_the_clock_is_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    change = own("clock", ProjectKind.PYTHON)
    assert change.target == "what writes the date"
    names = {"datetime": datetime, "timezone": timezone, "os": os, "time": time}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert eval(change.text, names).isoformat() == "2023-11-14T22:13:20+00:00"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert eval(change.text, names).tzinfo is UTC
    assert own("timezone", ProjectKind.PYTHON) == change


@pytest.mark.parametrize("kind", [ProjectKind.AUTOTOOLS, ProjectKind.COMMAND, ProjectKind.GO])
def test_the_date_of_a_shell_is_in_utc(kind: ProjectKind) -> None:
    (date,) = re.findall(r"\$\((date .*)\)", own("clock", kind).text)
    for zone in ("UTC", "XYZ-13:47"):
        variables = {"SOURCE_DATE_EPOCH": "1700000000", "TZ": zone, "PATH": os.environ["PATH"]}
        made = subprocess.run(["sh", "-c", date], env=variables, capture_output=True, text=True, check=True)
        assert made.stdout == "2023-11-14\n"


def test_the_date_of_node_make_and_cmake_is_in_utc() -> None:
    assert own("clock", ProjectKind.NPM).target == own("timezone", ProjectKind.NPM).target == "what writes the date"
    assert own("clock", ProjectKind.NPM).text.endswith(".toISOString()")
    assert "Number(process.env.SOURCE_DATE_EPOCH) * 1000" in own("clock", ProjectKind.NPM).text
    assert "date -u " in own("clock", ProjectKind.MAKE).text
    assert " UTC)" in own("clock", ProjectKind.CMAKE).text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ProjectKind)
def test_the_time_in_a_gzip_header_is_for_who_packs_and_no_date_is_at_fault(
    name: VariationName, kind: ProjectKind
) -> None:
    told = advice(name, kind, "gzip-header-time")
    assert told.words.startswith("Leave the time out of gzip's header: gzip -n, or mtime=0")
    assert ("setuptools" in told.words) == (kind is ProjectKind.PYTHON)
    change = own(name, kind, "gzip-header-time")
    assert change.target == ("the build backend" if kind is ProjectKind.PYTHON else "what packs the archive")
    assert not any("datetime" in one.text or "date -u" in one.text for one in told.changes)
    assert told.held == advice(name, kind, "").held


@pytest.mark.parametrize("cause", ["gzip-header-time", "tar-times"])
def test_the_sdists_of_setuptools_are_named(cause: str) -> None:
    for words in (advice("clock", ProjectKind.PYTHON, cause).words, chance(cause).words):
        assert "An sdist of setuptools always carries the time it was made" in words
        assert "for pure Python, hatchling and flit_core take SOURCE_DATE_EPOCH" in words
    change = own("clock", ProjectKind.PYTHON, cause)
    assert change == own("times", ProjectKind.PYTHON)
    assert "for pure Python" in change.text
    assert chance(cause).changes == ()


@pytest.mark.parametrize("cause", ["tar-times", "zip-times", "ar-times"])
def test_the_times_of_members_are_no_date_of_the_project(cause: str) -> None:
    change = own("clock", ProjectKind.MAKE, cause)
    assert change.target == "what packs the archive"
    assert "setuptools" not in advice("clock", ProjectKind.MAKE, cause).words
    assert own("clock", ProjectKind.MAKE).target == "Makefile"


@pytest.mark.parametrize("kind", ProjectKind)
def test_flags_that_did_not_help_are_not_proposed_any_more(kind: ProjectKind) -> None:
    told = advice("path", kind, "build-path-rodata")
    assert {change.where for change in told.changes} == {"project", "environment"}
    left = without_flags(told, usable=True)
    assert left.words.startswith(f"{told.trial.words} did not help: the folder is written by something else than the ")
    for word in ("pwd", "a generated header", "an absolute path on the command line", "Write paths relative"):
        assert word in left.words
    assert [change.text for change in left.changes] == ["build in the same folder"]
    assert not left.trial
    unusable = without_flags(told, usable=False)
    assert "cannot be used here: Write paths relative" in unusable.words
    assert unusable.changes == left.changes
