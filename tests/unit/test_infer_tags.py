"""Which tags name a version: spellings, whose tag it is, and that no other version is ever taken for it."""

from __future__ import annotations

import time

import pytest

from rebuilder.releases import Tag
from rebuilder.resolve.infer.tags import FOREIGN, MAX_NAME, RankedTag, ranked


def tags(*names: str, at: int = 1000) -> tuple[Tag, ...]:
    return tuple(Tag(name=name, commit="a" * 40, time=at, annotated=False) for name in names)


def best(name: str, version: str, *names: str, system=None) -> list[str]:
    return [hit.tag.name for hit in ranked(tags(*names), name, version, uploaded=None, system=system)]


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v1.2.3", "1.2.3"), ("1.2.3", "1.2.3"), ("V1.2.3", "1.2.3"), ("r1.2.3", "1.2.3"), ("v.1.2.3", "1.2.3"),
        ("release-1.2.3", "1.2.3"), ("release/v1.2.3", "1.2.3"), ("version/1.2.3", "1.2.3"), ("1_2_3", "1.2.3"),
        ("REL_1_2_3", "1.2.3"), ("rel_1_4_0b1", "1.4.0b1"), ("1-2-3", "1.2.3"), ("release_v3.00", "3.0"),
        ("2026.04.22", "2026.4.22"), ("v1.0", "1.0.0"), ("1.0.0-rc.1", "1.0rc1"), ("1.0-rc1", "1.0rc1"),
        ("1.0.0rc1", "1.0rc1"), ("1.0.post1", "1.0.post1"), ("1.0-1", "1.0.post1"), ("v1!2.0", "1!2.0"),
        ("v2.0", "1!2.0"), ("1.2.3-final", "1.2.3"), ("1.2.3.Final", "1.2.3"), ("two-parts-1.2.3", "1.2.3"),
        ("two_parts-v1.2.3", "1.2.3"), ("Two.Parts_1.2.3", "1.2.3"), ("two-parts/v1.2.3", "1.2.3"),
        ("two-parts@1.2.3", "1.2.3"), ("two-parts1.2.3", "1.2.3"), ("two-parts-release-1.2.3", "1.2.3"),
        ("release-two-parts-1.2.3", "1.2.3"),
    ],
)  # fmt: skip
def test_a_spelling_of_the_version_is_known(tag: str, version: str) -> None:
    hits = ranked(tags(tag), "two-parts", version, uploaded=None)
    assert [hit.tag.name for hit in hits] == [tag]
    assert hits[0].confidence > FOREIGN
    assert hits[0].spelling


@pytest.mark.parametrize(
    "tag",
    [
        "1.2.30", "v1.2.3rc1", "1.2.3-rc.1", "11.2.3", "v11.2.3", "0.1.2.3", "1.2.3.1", "1.2.3.post1", "v1.2.3-1",
        "1.2", "1.2.3.dev0", "1.2.3-beta", "1.2.3-rc.1+local", "x-1.1.2.3", "v1_2_30", "1.2.3-4",
        "12.3", "", "v", "latest",
    ],
)  # fmt: skip
def test_another_version_is_never_taken_for_it(tag: str) -> None:
    assert best("demo", "1.2.3", tag) == []
    assert best("@scope/demo", "1.2.3", tag) == []


def test_a_tag_of_the_projects_own_name_is_first_among_projects_side_by_side() -> None:
    names = ("v1.2.3", "other-1.2.3", "demo-v1.2.3", "demo-v1.2.2", "other-1.2.2", "more-1.0.0")
    hits = ranked(tags(*names), "demo", "1.2.3", uploaded=None)
    assert [hit.tag.name for hit in hits] == ["demo-v1.2.3", "v1.2.3", "other-1.2.3"]
    assert hits[1].confidence < 0.5
    assert hits[2].confidence == FOREIGN


def test_a_project_that_began_to_put_its_name_before_versions_keeps_its_old_tags() -> None:
    hit = ranked(tags("v1.0.0", "v1.1.0", "demo-v2.0.0", "demo-v2.1.0"), "demo", "1.1.0", uploaded=None)[0]
    assert (hit.tag.name, hit.confidence) == ("v1.1.0", 0.95)


def test_a_prefix_that_all_tags_have_is_the_projects() -> None:
    assert ranked(tags("brand-1.0", "brand-1.1", "brand-1.2"), "demo", "1.1", uploaded=None)[0].confidence == 0.6


def test_npm_goes_by_letters_and_python_by_pep_440() -> None:
    assert best("demo", "1.0.0-beta", "v1.0.0-beta.0", "v1.0.0b0", system="npm") == []
    assert best("demo", "1.0.0b0", "v1.0.0-beta.0") == ["v1.0.0-beta.0"]
    assert best("demo", "1.2.3", "1.2.3+local") == []
    assert best("demo", "1.0.0-0", "v1.0.0-0", system="npm") == ["v1.0.0-0"]
    assert best("demo", "1.2.3", "v1.2.3+build.5", system="npm") == ["v1.2.3+build.5"]


def test_a_scope_is_part_of_a_name_in_three_spellings() -> None:
    names = ("@scope/name@1.0.0", "name@1.0.0", "scope-name-1.0.0", "@other/name@1.0.0")
    hits = {hit.tag.name: hit.confidence for hit in ranked(tags(*names), "@scope/name", "1.0.0", uploaded=None)}
    assert hits["@other/name@1.0.0"] == FOREIGN
    assert {hits[name] for name in names[:3]} == {0.97}


def test_the_tag_of_the_published_form_is_before_the_bare_one() -> None:
    assert best("demo", "4.1.0", "4.1.0", "4.1.0-npm", "4.1.0-es", system="npm") == ["4.1.0-npm", "4.1.0"]


def test_digits_in_a_name_are_no_version() -> None:
    assert best("h5thing", "3.1.0", "h5thing-3.1.0", "5thing-3.1.0")[0] == "h5thing-3.1.0"


def test_of_two_equal_spellings_the_one_before_the_upload_is_first() -> None:
    two = (*tags("v1.0", at=2000), *tags("1.0", at=1000))
    hits = ranked(two, "demo", "1.0", uploaded=1500)
    assert [(hit.tag.name, hit.late) for hit in hits] == [("1.0", False), ("v1.0", True)]


def test_hostile_names_are_bounded() -> None:
    long = ("1" * MAX_NAME, "9" * 5000, "-".join(["1.2.3"] * 40), "1_" * 120 + "3", "!" * 200)
    hostile = (*long, "v1.2.3\u202e", "\u0661.2.3")
    started = time.monotonic()
    hits = ranked(tags(*(hostile * 500)), "demo", "1.2.3", uploaded=None)
    assert time.monotonic() - started < 20
    assert not any(isinstance(hit, RankedTag) and hit.confidence > FOREIGN for hit in hits)


def test_a_version_that_is_none_matches_itself_alone() -> None:
    assert best("demo", "2004d-snapshot", "v2004d-snapshot", "v2004d") == ["v2004d-snapshot"]
