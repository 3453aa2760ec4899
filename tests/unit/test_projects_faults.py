"""Where a recipe may say that its repository is: what v2 took stays, and v3 takes only what can be cloned."""

from __future__ import annotations

import pytest

from rebuilder.errors import UsageError
from rebuilder.fetch.git_address import Address, located
from rebuilder.recipe import PackageRecipe
from rebuilder.resolve.projects_faults import fetchable_repository, project_faults, public_repository
from tests.unit.package_build_cases import recipe

TAKEN = (
    "https://code.example/team/demo.git",
    "https://code.example:8443/demo",
    "https://code.example/~team/demo%20two",
    "ssh://git@code.example/team/demo.git",
    "ssh://code.example:2222/demo",
    "http://127.0.0.1:8000/demo.git",
    "http://localhost/demo.git",
    "http://[::1]:8000/demo.git",
)
ONLY_BEFORE = (
    "git://code.example/demo.git",
    "http://code.example/demo.git",
    "http://127.0.0.1.code.example/demo.git",
    "http://localhost.code.example/demo.git",
    "https://-code.example/demo.git",
    "ssh://-oProxyCommand@code.example/demo.git",
    "https://code.example",
    "https://code.example/",
)
NEVER = (
    "https://user:secret@code.example/demo.git",
    "https://token@code.example/demo.git",
    "ssh://git:secret@code.example/demo.git",
    "https://code.example/demo.git?token=secret",
    "file:///srv/demo.git",
    "/srv/demo.git",
    "git@code.example:demo.git",
    "ext::sh -c id",
    "https://code.example/a b",
    "https://code.example/demo\x1b[2J",
)


def found_at(url: str) -> PackageRecipe:
    one = recipe()
    return one.model_copy(update={"source": one.source.model_copy(update={"repository": url})})


@pytest.mark.parametrize("url", TAKEN)
def test_what_a_recipe_of_a_package_may_name_can_be_opened(url: str) -> None:
    assert public_repository(url)
    assert fetchable_repository(url)
    assert not list(project_faults(found_at(url)))
    address = located(url)
    assert isinstance(address, Address)
    assert address.public == url


@pytest.mark.parametrize("url", ONLY_BEFORE)
def test_what_proves_nothing_is_refused_in_v3_and_stays_valid_in_v2(url: str) -> None:
    assert public_repository(url)
    (fault,) = project_faults(found_at(url))
    assert fault.location == ("source", "repository")
    assert fault.words.startswith("key 'source.repository': expected an https or ssh URL without credentials, found '")
    with pytest.raises(UsageError, match="cannot be the address of a Git repository"):
        located(url)


@pytest.mark.parametrize("url", NEVER)
def test_credentials_paths_and_programs_stand_in_no_recipe(url: str) -> None:
    assert not public_repository(url)
    assert [fault.location for fault in project_faults(found_at(url))] == [("source", "repository")]
