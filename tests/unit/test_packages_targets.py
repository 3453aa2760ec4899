"""What is said of a package of an index on the command line, and what cannot be meant, before anything is opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rebuilder.cli.targets import Kind, Said, check, kind_of
from rebuilder.errors import UsageError
from tests.unit.package_build_cases import recipe
from tests.unit.package_ecosystem import written
from tests.unit.test_cli_usage import PURL, folder, run  # noqa: F401 - a fixture is used by name

PYPI, NPM = "pkg:pypi/demo@1.0", "pkg:npm/%40scope/demo@1.0"
RECIPE = "RECIPE"


def said(**words: Any) -> Said:
    return Said(**words)


@pytest.mark.parametrize(
    "words",
    [
        {"target": PYPI}, {"target": "pkg:PyPI/demo@1.0"}, {"target": NPM},
        {"target": PYPI, "source": "."}, {"target": NPM, "from_sdist": True},
        {"target": PYPI, "source": "https://code.example/demo", "commit": "v1"},
        {"target": PYPI, "signatures": (Path("a.asc"),), "anchor": "demo"},
    ],
)  # fmt: skip
def test_what_is_said_of_a_package(words: dict[str, Any]) -> None:
    check(said(**words))
    assert kind_of(said(**words)) is Kind.PACKAGE


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ({}, "expected either a TARGET or --source with --artifact, found neither", "for example"),
        ({"target": PURL, "source": ".", "artifacts": (Path("a"),)}, "--source with --artifact, found both", ""),
        ({"source": "."}, "expected --source and --artifact together, found only --source", "--artifact FILE"),
        ({"target": PYPI, "suite": "trixie"}, "expected --suite only with --source, found it with 'pkg:pypi", "recipe"),
        ({"target": PYPI, "source": "gone"}, "a folder, a file or an address, found nothing at 'gone'", ""),
        ({"target": PYPI, "signatures": (Path("a.asc"),)}, "--anchor together, found only --signature", "trust store"),
        ({"target": PYPI, "anchor": "demo"}, "--anchor together, found only --anchor", "trust store"),
        ({"target": "demo"}, "found 'demo', which is neither", "pkg:deb/debian/demo?distro=trixie"),
        ({"target": "/"}, "found the folder '/'", "--source DIR --artifact FILE"),
    ],
)  # fmt: skip
def test_what_is_wrong_at_first_sight(words: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as raised:
        check(said(**words))
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"target": PYPI, "artifacts": (Path("a.whl"),)}, "expected --artifact only with a recipe or a project"),
        ({"target": NPM, "buildinfo": Path("x")}, "--buildinfo only for a Debian package, found it for a pack"),
        ({"target": PURL, "commit": "v1"}, "expected --commit only for a package of an index, found it for a Debian"),
        ({"target": PURL, "from_sdist": True}, "expected --from-sdist only for a package of an index"),
        ({"target": PURL, "signatures": (Path("a"),), "anchor": "x"}, "expected --signature only for a package of an"),
        ({"source": "https://code.example/x", "artifacts": (Path("a"),)}, "--source to be at hand for files that no"),
        ({"target": RECIPE, "commit": "v1"}, "expected --commit and --from-sdist only with a package URL"),
        ({"target": RECIPE, "from_sdist": True}, "expected --commit and --from-sdist only with a package URL"),
        ({"target": RECIPE, "buildinfo": Path("x")}, "--buildinfo only for a Debian package"),
    ],
)
def test_words_of_another_kind_of_target(tmp_path: Path, words: dict[str, Any], message: str) -> None:
    path = str(written(tmp_path, recipe()))
    given = {name: path if value == RECIPE else value for name, value in words.items()}
    with pytest.raises(UsageError, match=re.escape(message)):
        kind_of(said(**given))


SECRET = "https://user:s3cret@code.example/x"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--source", SECRET, "--artifact", "file.deb", "--commit", "v1"],
        ["--source", SECRET, "--artifact", "file.deb", "--search", "3"],
        ["--source", SECRET, "--artifact", "file.deb"], ["--source", SECRET], [SECRET],
        ["--source", SECRET.replace("//", "/"), "--artifact", "file.deb"], [f"{SECRET}.toml"],
        [PURL, "--source", SECRET, "--artifact", "file.deb"],
    ],
)  # fmt: skip
def test_no_message_shows_who_logs_in(folder: Path, arguments: list[str]) -> None:  # noqa: F811
    with pytest.raises(UsageError, match="expected") as raised:
        run("verify", *arguments)
    assert "s3cret" not in f"{raised.value} {raised.value.hint}"


def test_a_recipe_v3_is_of_a_package_and_takes_source_and_artifacts(tmp_path: Path) -> None:
    path = str(written(tmp_path, recipe()))
    words = said(target=path, source=str(tmp_path), artifacts=(tmp_path / "recipe.toml",))
    check(words)
    assert kind_of(words) is Kind.PACKAGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([PURL, "--search", "3"], "expected --search with a package of an index, found it with 'pkg:deb/"),
        ([PYPI, "--relock", "--pack", "file.deb"], "at most one word on the toolchain, found --pack and --relock"),
        ([PYPI, NPM], "expected one TARGET, found 2"),
        ([PYPI, "--signature", "file.deb"], "expected --signature and --anchor together, found only --signature"),
        ([PYPI, "--signature", "file.deb", "--anchor", "debian-archiv"], "trust store has no anchor 'debian-archiv'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_keys_are_asked_for(
    folder: Path, arguments: list[str], message: str  # noqa: F811
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        run("verify", *arguments)
    assert not (folder / "state").exists()
