"""Which addresses of the metadata are repositories, and in which form they leave: https and nothing else."""

from __future__ import annotations

import pytest

from rebuilder.model import Origin
from rebuilder.resolve.infer.repository import folder_of_npm, located, of_metadata, of_npm

HUB = "https://github.com/owner/name"


@pytest.mark.parametrize(
    "text",
    [
        HUB, f"{HUB}.git", f"{HUB}/", f"git+{HUB}.git", f"{HUB}.git#main", f"{HUB}?tab=readme#top", f"{HUB}/issues",
        f"{HUB}/tree/main/x", f"{HUB}/blob/main/x.md",
        "http://www.github.com/owner/name", "git://github.com/owner/name.git",
        "git@github.com:owner/name.git", "ssh://git@github.com/owner/name.git", "git+ssh://git@github.com/owner/name.git",
        "owner/name", "github:owner/name", "github:owner/name#branch", "https://GitHub.com/owner/name", f" {HUB}\n",
    ],
)  # fmt: skip
def test_one_repository_in_all_its_spellings(text: str) -> None:
    assert located(text, shorthand=True).url == HUB


@pytest.mark.parametrize(
    "text",
    [
        "https://user:secret@github.com/owner/name", "https://token@github.com/owner/name", "https://github.com/owner",
        "https://github.com/sponsors/owner", "https://github.com/orgs/owner",
        "https://name.readthedocs.io/en/latest/",
        "https://example.org/owner/name", "https://github.com:8443/owner/name", "https://github.com:x/owner/name",
        "https://github.com/owner/..", "https://github.com/../name", "https://github.com/-owner/name",
        "https://github.com/owner/na%0ame", "https://github.com/owner/na\nme", "https://github.com/owner/na\x1b[31mme",
        "https://git\u0433ub.com/owner/name", "https://github.com\\@evil.example/owner/name",
        "file:///etc/passwd",
        "https://gist.github.com/owner/name", "gist:0123", "ext::sh -c id", "--upload-pack=x:owner/name",
        "../owner/name",
        "/owner/name", "https://[::1/owner/name", "", "x" * 600, "https://github.com/owner/.git", "javascript:a/b",
    ],
)  # fmt: skip
def test_what_is_no_repository_is_not_taken(text: str) -> None:
    assert located(text, shorthand=True) is None


def test_a_shorthand_is_npms_alone() -> None:
    assert located("owner/name") is None


def test_groups_may_lie_deeper_and_other_hosts_are_less_sure() -> None:
    assert located("https://gitlab.com/a/b/c/-/tree/main/pkg/x") == ("https://gitlab.com/a/b/c", "pkg/x", True)
    assert located("https://gitlab.com/a/b/issues").url == "https://gitlab.com/a/b"
    assert located("https://git.example.org/a/b") == ("https://git.example.org/a/b", "", False)
    assert located("https://git.sr.ht/~owner/name").url == "https://git.sr.ht/~owner/name"


def test_a_link_called_source_is_before_the_home_page_and_that_before_others() -> None:
    urls = (
        ("Funding", "https://github.com/owner/fund"),
        ("Documentation", "https://github.com/owner/docs"),
        ("Homepage", "https://github.com/owner/home"),
        ("Source Code", "https://github.com/owner/source/tree/main"),
        ("Bug Tracker", "https://github.com/Owner/Source/issues"),
    )
    found = of_metadata("", urls, "See https://github.com/owner/text and https://github.com/owner/text.")
    assert [guess.value.rpartition("/")[2] for guess in found] == ["source", "home", "docs", "text"]
    assert [guess.origin for guess in found] == [Origin.DECLARED, *[Origin.INFERRED] * 3]
    assert {guess.input for guess in found} == {"repository"}
    assert "'Source Code'" in found[0].evidence


def test_the_home_page_of_the_old_field_counts_and_badges_do_not() -> None:
    text = "![b](https://github.com/other/badge/actions/workflows/x.svg) https://img.shields.io/owner/name/x"
    assert [guess.value for guess in of_metadata(HUB, (), text)] == [HUB]
    assert of_metadata("", (), text) == ()
    assert of_metadata("UNKNOWN", (("Home", "UNKNOWN"),), "") == ()


def test_a_hostile_description_ends_soon() -> None:
    text = "https://github.com/" + "a/" * 400_000
    assert len(of_metadata("", (), text)) <= 5
    assert len(of_metadata("", tuple(("Source", f"https://github.com/a/b{n}") for n in range(5000)), "")) == 100


def test_npm_names_a_repository_and_a_folder_in_it() -> None:
    guess = of_npm(f"git+{HUB}.git", "packages/demo")[0]
    assert (guess.value, guess.origin) == (HUB, Origin.DECLARED)
    assert "packages/demo" in guess.evidence
    assert folder_of_npm(f"{HUB}/tree/main/packages/types") == "packages/types"
    assert folder_of_npm(HUB, "./packages/demo/") == "packages/demo"
    assert of_npm("not a repository") == ()
    assert folder_of_npm("") == ""


@pytest.mark.parametrize("directory", ["../../etc", "a/../../b", ".git/hooks", "a\\b", "a\x00b", "a/" * 30])
def test_a_folder_that_leads_elsewhere_is_none(directory: str) -> None:
    assert folder_of_npm(HUB, directory) == ""
