"""The closed list of changes: what each sets, which values it refuses, and what the recipe says of it."""

from __future__ import annotations

import typing

import pytest

from rebuilder.model import Origin
from rebuilder.recipe import PackageRecipe, ProjectStep
from rebuilder.search.changes import ROW, Change, Field, current, is_allowed, is_so, settings_key
from rebuilder.search.edits import Command, changed
from tests.unit.search_world import SDIST, WHEEL, commands, recipe_of

FIRST = recipe_of("setuptools")
COMMIT = "e" * 40


def change(field: Field, value: str, artifact: str = "") -> Change:
    return Change(field=field, value=value, origin=Origin.RECOVERED, evidence="search: a test", artifact=artifact)


def after(*changes: Change, first: PackageRecipe = FIRST) -> PackageRecipe:
    found = changed(first, changes, commands)
    assert found is not None
    return found


VALUES: dict[Field, str] = {
    "epoch": "1600000000",
    "clock": "1600000002",
    "replay": "member-times",
    "owners": "runner/1001/docker/127",
    "umask": "0002",
    "front-end": "straight",
    "backend": "setuptools==75.8.0",
    "as-of": "1600000000",
    "suite": "bookworm",
    "node": "18.20.8",
    "npm": "9.8.1",
    "zlib": "zlib-ng",
    "commit": COMMIT,
    "history": "yes",
}


def test_every_change_of_the_list_sets_its_value_and_nothing_else() -> None:
    assert set(VALUES) == set(typing.get_args(Field)) == set(ROW)
    for field, value in VALUES.items():
        one = change(field, value, SDIST if field == "replay" else "")
        found = after(one)
        assert current(found, one) == value
        assert is_so(found, one)
        assert not is_so(FIRST, one)
        assert settings_key(found) != settings_key(FIRST)
        assert PackageRecipe.model_validate(found.model_dump()) == found
        assert (found.source.files, found.artifacts, found.normalisers) == (FIRST.source.files, FIRST.artifacts, ())


def test_a_recipe_says_what_was_changed_and_why() -> None:
    found = after(change("umask", "0002"), change("suite", "bookworm"), change("history", "yes"))
    rows = {row.input: row for row in found.guesses}
    assert rows["umask"].origin is Origin.RECOVERED
    assert rows["umask"].evidence == "search: a test"
    assert rows["python"].value == "3.11"
    assert rows["front-end"].value == "build, with the history of the repository"
    again = after(change("history", "no"), first=found)
    assert again.guesses[0].value == "build, without the history of the repository"
    assert [row.input for row in found.guesses].count("front-end") == 1


def test_the_row_of_another_package_of_the_backend_stays() -> None:
    found = after(change("backend", "wheel==0.45.1"), change("backend", "setuptools==70.0"))
    found = after(change("backend", "setuptools==69.0"), first=found)
    assert [row.value for row in found.guesses if row.input == "backend"] == ["wheel==0.45.1", "setuptools==69.0"]


def test_a_pin_keeps_extras_and_markers() -> None:
    wheels = ("build", "setuptools[core]>=61; python_version >= '3.8'", "not a requirement at all", "wheel")
    first = FIRST.model_copy(update={"toolchain": FIRST.toolchain.model_copy(update={"wheels": wheels})})
    found = after(change("backend", "setuptools==75.8.0"), first=first).toolchain.wheels
    assert found[1] == 'setuptools[core]==75.8.0; python_version >= "3.8"'
    assert found[2:] == ("not a requirement at all", "wheel")


def test_only_one_artifact_gives_the_times_of_files() -> None:
    found = after(change("replay", "file-times", WHEEL), change("replay", "owners", SDIST))
    found = after(change("replay", "file-times", SDIST), first=found)
    assert [(one.artifact, one.what) for one in found.build.replay] == [(SDIST, ("file-times", "owners"))]
    rows = {row.input: row.value for row in found.guesses}
    assert rows["times"] == f"file-times of {SDIST}"
    assert rows["owners"] == f"owners of {SDIST}"


def test_a_front_end_brings_what_it_needs() -> None:
    def flit(recipe: PackageRecipe, name: str) -> Command | None:
        return Command((ProjectStep(argv=(name,)),), ("flit>=3", "Setuptools"), True) if name == "flit" else None

    found = changed(FIRST, [change("front-end", "flit")], flit)
    assert found is not None
    assert found.toolchain.wheels == ("build", "setuptools==3.0", "flit>=3")
    assert found.build.history
    assert changed(FIRST, [change("front-end", "hatch")], flit) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("owners", "root/0/root/0"),
        ("owners", "Jane Doe/501/staff/20"),
        ("owners", "runner/1001/docker/127\n"),
        ("umask", "0900"),
        ("backend", "setuptools==1; rm -rf /"),
        ("backend", "-e==1"),
        ("backend", "setuptools @ file:///etc==1"),
        ("epoch", "-1"),
        ("epoch", "99999999999"),
        ("commit", "HEAD"),
        ("suite", "../etc"),
        ("zlib", "own"),
        ("front-end", "sh -c\n"),
        ("node", "18"),
    ],
)  # fmt: skip
def test_what_came_out_of_an_artifact_is_refused_unless_it_has_its_shape(field: Field, value: str) -> None:
    one = change(field, value)
    assert not is_allowed(one)
    assert changed(FIRST, [one], commands) is None


def test_how_an_input_became_known_makes_no_other_recipe() -> None:
    found = after(change("umask", "0022"))
    assert found.guesses != FIRST.guesses
    assert settings_key(found) == settings_key(FIRST)
    source = FIRST.source.model_copy(update={"tag": "v9", "files": FIRST.source.files * 2})
    assert settings_key(FIRST.model_copy(update={"source": source})) == settings_key(FIRST)
