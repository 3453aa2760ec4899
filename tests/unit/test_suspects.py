"""Which older package is tried first, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rebuilder.explain.suspects import MAX_SUSPECTS, Older, Package, Suspect, suspects, upstream, worth_a_look
from rebuilder.findings import ArtifactExplanation, Cause, Change, Count, Drift, Severity, Side

JUNE, AUGUST, SEPTEMBER, NOVEMBER = (datetime(2026, month, 12, tzinfo=UTC) for month in (6, 8, 9, 11))
HEADERS = frozenset({"stdio.h", "types.h", "filter.h"})


def cause(name: str, *packages: str, confidence: str = "likely", findings: tuple[int, ...] = (0,)) -> Cause:
    changes = tuple(Change(where="environment", target=f"package:{one}", text="another") for one in packages)
    return Cause.model_validate(
        {"id": name, "title": name, "severity": Severity.INSPECT, "confidence": confidence, "findings": findings,
         "evidence": (), "fix": "", "changes": changes, "docs": f"causes/{name}.md"}
    )  # fmt: skip


def explanation(*causes: str | Cause, drift: tuple[Drift, ...] = (), left: tuple[int, ...] = ()) -> ArtifactExplanation:
    return ArtifactExplanation(
        artifact="x.deb",
        difference=Side(),
        members=Count(),
        classes={},
        causes=tuple(cause(one) if isinstance(one, str) else one for one in causes),
        unexplained=left,
        drift=drift,
    )


def package(name: str, version: str, uploaded: datetime, *older: str, source: str = "", **more: object) -> Package:
    return Package(
        name=name, version=version, source=source or name, uploaded=uploaded, index=SEPTEMBER,
        older=tuple(Older(one) for one in older), **more,  # type: ignore[arg-type]
    )  # fmt: skip


LIBC = package(
    "libc6-dev", "2.41-12+deb13u4", JUNE, "2.41-12+deb13u3", source="glibc", headers=frozenset({"stdio.h", "types.h"})
)
LIBC_SIBLING = package("libc6", "2.41-12+deb13u4", JUNE, "2.41-12+deb13u3", source="glibc")
LINUX = package("linux-libc-dev", "6.12.117-1", NOVEMBER, "6.12.90-1", headers=frozenset({"filter.h"}))
PCRE = package("libpcre2-dev", "10.46-1~deb13u3", NOVEMBER, "10.46-1~deb13u2", headers=frozenset({"pcre2.h"}))
GCC = package("gcc-14", "14.2.0-19", JUNE, "14.2.0-18")
STAMPER = package("stamper", "2.0", NOVEMBER, "1.0", asked_for=True)


def of(what: ArtifactExplanation, *packages: Package, compiled: bool = True) -> tuple[Suspect, ...]:
    return suspects(what, packages, published=AUGUST, compiled=compiled, included=HEADERS)


def test_the_package_with_the_most_headers_in_the_build_comes_first_with_its_siblings():
    found = of(explanation("build-id"), LINUX, PCRE, LIBC_SIBLING, LIBC, GCC)
    assert [one.packages for one in found] == [("libc6-dev", "libc6"), ("linux-libc-dev",)]
    assert found[0].version == "2.41-12+deb13u3"
    assert found[0].why == (
        "libc6-dev 2.41-12+deb13u4 reached the suite after the file was published; our build read 2 of its headers"
    )
    assert [change.target for change in found[0].changes] == [
        "package:libc6-dev=2.41-12+deb13u3", "package:libc6=2.41-12+deb13u3",
    ]  # fmt: skip


def test_what_was_in_the_suite_before_is_no_suspect():
    assert of(explanation("build-id"), GCC, replace(LIBC, index=JUNE)) == ()


def test_a_difference_the_toolchain_cannot_make_has_no_suspect():
    assert of(explanation("tar-times"), LIBC, LINUX, STAMPER) == ()


@pytest.mark.parametrize(
    "what", [explanation("tar-times", left=(3,)), explanation(cause("extra-file", confidence="possible"))]
)
def test_what_is_not_explained_or_only_guessed_at_may_come_of_any_package_the_source_asks_for(what):
    found = of(what, STAMPER, LIBC, GCC, replace(STAMPER, name="old", source="old", uploaded=JUNE), compiled=False)
    assert [(one.packages, one.version) for one in found] == [(("stamper",), "1.0")]
    assert found[0].why == (
        "stamper 2.0 reached the suite after the file was published; the source's Build-Depends name it"
    )


def test_headers_and_compilers_count_only_where_compiled_code_differs():
    younger = replace(GCC, uploaded=NOVEMBER)
    assert [one.packages[0] for one in of(explanation(left=(0,)), younger, LIBC, STAMPER)] == [
        "libc6-dev", "gcc-14", "stamper",
    ]  # fmt: skip
    assert [one.packages[0] for one in of(explanation(left=(0,)), younger, LIBC, STAMPER, compiled=False)] == [
        "stamper"
    ]


def test_a_package_without_a_past_cannot_be_taken_back():
    assert of(explanation("build-id"), package("binutils", "2.45-1", NOVEMBER)) == ()


def test_a_compiler_needs_no_headers():
    found = of(explanation("code-generation"), package("gcc-14", "14.3.0-1", NOVEMBER, "14.2.0-19"))
    assert [one.packages[0] for one in found] == ["gcc-14"]
    assert found[0].why.endswith("; it decides what a compiler gives")


def test_the_version_of_the_day_is_taken():
    past = (Older("2.43-2", NOVEMBER), Older("2.43-1", JUNE), Older("2.42-1", JUNE))
    binutils = replace(package("binutils", "2.44-1", NOVEMBER), older=past)
    assert [one.version for one in of(explanation("build-id"), binutils)] == ["2.43-1"]
    shortened = replace(binutils, older=past[:1])
    assert of(explanation("build-id"), shortened) == ()


def test_where_the_changelog_ends_before_the_oldest_version_is_tried_if_something_speaks_against_the_package():
    linker = replace(
        package("binutils", "2.44-1", NOVEMBER), older=(Older("2.43-2", NOVEMBER), Older("2.43-1", NOVEMBER))
    )
    told = Drift(tool="ld", package="binutils", published="notes last", rebuilt="notes first", seen=("usr/bin/x",))
    assert [one.version for one in of(explanation(drift=(told,)), linker)] == ["2.43-1"]
    assert [one.version for one in of(explanation(cause("linker-layout", "binutils")), linker)] == ["2.43-1"]


def test_a_version_the_file_itself_names_comes_before_all_guesses():
    stamp = Drift(tool="debhelper", package="debhelper", published="13.19", rebuilt="13.24.2", seen=("postinst",))
    helper = package("debhelper", "13.24.2+deb13u1", JUNE, "13.24.2", "13.20", "13.19-1", "13.18")
    claimed = cause("debhelper-maintscript", "debhelper", findings=(4, 7))
    found = of(explanation("build-id", claimed, drift=(stamp,)), LIBC, helper)
    assert [(one.packages, one.version, one.claims) for one in found] == [
        (("debhelper",), "13.19-1", (4, 7)),
        (("debhelper",), "13.24.2", (4, 7)),
        (("libc6-dev",), "2.41-12+deb13u3", ()),
    ]
    assert found[0].why == "the published file was made with debhelper 13.19, ours with 13.24.2"


def test_a_version_the_changelog_no_longer_lists_is_asked_for_by_the_words_of_the_file():
    stamp = Drift(tool="debhelper", package="debhelper", published="12.1", rebuilt="13.24.2", seen=("postinst",))
    found = of(explanation(drift=(stamp,)), package("debhelper", "13.24.2", JUNE, "13.20"))
    assert [one.version for one in found] == ["12.1"]


def test_the_version_of_a_part_is_not_taken_for_that_of_its_package():
    stamp = Drift(tool="Pod::Man", package="perl", published="5.01", rebuilt="6.00", seen=("x.1",))
    found = of(explanation(drift=(stamp,)), package("perl", "5.40.1-6", NOVEMBER, "5.38.2-1"))
    assert [one.version for one in found] == ["5.38.2-1"]


def test_what_a_tool_does_otherwise_names_the_version_of_the_day():
    told = Drift(tool="ld", package="binutils", published="notes last", rebuilt="notes first", seen=("usr/bin/x",))
    linker = package("binutils", "2.44-3", NOVEMBER, "2.43.1-5")
    found = of(explanation(drift=(told,)), linker)
    assert [(one.version, one.why) for one in found] == [
        ("2.43.1-5", "ld left other traces; published: notes last; ours: notes first")
    ]
    assert of(explanation(drift=(told,)), replace(linker, uploaded=JUNE)) == ()


def test_a_cause_that_names_a_package_makes_it_a_suspect_if_it_is_younger():
    texinfo = package("texinfo", "7.1.1-1", NOVEMBER, "7.1-3")
    what = explanation(cause("makeinfo-version", "texinfo", findings=(2,)))
    assert [(one.packages, one.version, one.claims) for one in of(what, texinfo)] == [(("texinfo",), "7.1-3", (2,))]
    assert of(what, texinfo)[0].why.endswith("; the cause makeinfo-version names it")
    assert of(what, replace(texinfo, uploaded=JUNE)) == ()


def test_one_package_at_one_version_is_tried_once():
    stamp = Drift(tool="makeinfo", package="texinfo", published="7.1", rebuilt="7.1.1", seen=("x.info",))
    texinfo = package("texinfo", "7.1.1-1", NOVEMBER, "7.1-3", asked_for=True)
    what = explanation(cause("makeinfo-version", "texinfo"), drift=(stamp,), left=(9,))
    assert len(of(what, texinfo)) == 1


def test_only_packages_that_can_be_suspects_are_looked_into():
    many = [package(f"lib{number}", "1", NOVEMBER) for number in range(2000)]
    everything = [*many, LIBC, LINUX, GCC, STAMPER]
    look = worth_a_look(explanation("build-id"), everything, published=AUGUST, compiled=True)
    assert look == {"libc6-dev", "linux-libc-dev", "stamper"}
    assert worth_a_look(explanation("tar-times"), everything, published=AUGUST, compiled=True) == frozenset()


def test_the_list_is_bounded():
    many = [package(f"p{number}", "2", NOVEMBER, "1", asked_for=True) for number in range(5000)]
    assert len(of(explanation(left=(0,)), *many)) == MAX_SUSPECTS


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2:13.24.2-1+deb13u1", "13.24.2"), ("13.24.2+deb13u1", "13.24.2"), ("13.24.2", "13.24.2"), ("7.1.1-1", "7.1.1")],
)
def test_upstream_part_of_a_version(version: str, expected: str):
    assert upstream(version) == expected
