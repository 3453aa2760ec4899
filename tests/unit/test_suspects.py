"""Which older package is tried first, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rebuilder.explain.suspects import Package, suspects, upstream
from rebuilder.findings import ArtifactExplanation, Cause, Count, Drift, Severity, Side

JUNE, AUGUST, SEPTEMBER, NOVEMBER = (datetime(2026, month, 12, tzinfo=UTC) for month in (6, 8, 9, 11))
HEADERS = frozenset({"stdio.h", "types.h", "filter.h"})


def explanation(*causes: str, drift: tuple[Drift, ...] = ()) -> ArtifactExplanation:
    return ArtifactExplanation(
        artifact="x.deb",
        difference=Side(),
        members=Count(),
        classes={},
        causes=tuple(
            Cause(
                id=name, title=name, severity=Severity.INSPECT, confidence="likely", findings=(0,), evidence=(), fix="",
                docs=f"causes/{name}.md",
            )
            for name in causes
        ),
        drift=drift,
    )  # fmt: skip


def package(name: str, version: str, uploaded: datetime, *older: str, source: str = "", **more: object) -> Package:
    return Package(
        name=name, version=version, source=source or name, uploaded=uploaded, older=older, **more,  # type: ignore[arg-type]
    )  # fmt: skip


LIBC = package("libc6-dev", "2.41-12+deb13u4", JUNE, "2.41-12+deb13u3", source="glibc",
               headers=frozenset({"stdio.h", "types.h"}))
LIBC_SIBLING = package("libc6", "2.41-12+deb13u4", JUNE, "2.41-12+deb13u3", source="glibc")
LINUX = package("linux-libc-dev", "6.12.117-1", NOVEMBER, "6.12.90-1", headers=frozenset({"filter.h"}))
PCRE = package("libpcre2-dev", "10.46-1~deb13u3", NOVEMBER, "10.46-1~deb13u2", headers=frozenset({"pcre2.h"}))
GCC = package("gcc-14", "14.2.0-19", JUNE, "14.2.0-18")


def of(what: ArtifactExplanation, *packages: Package, index: datetime = SEPTEMBER):
    return suspects(what, packages, published=AUGUST, index=index, included=HEADERS)


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
    assert of(explanation("build-id"), GCC, LIBC, index=JUNE) == ()


def test_a_difference_the_toolchain_cannot_make_has_no_suspect():
    assert of(explanation("tar-times"), LIBC, LINUX) == ()


def test_a_package_without_a_past_cannot_be_taken_back():
    assert of(explanation("build-id"), package("binutils", "2.45-1", NOVEMBER)) == ()


def test_a_compiler_needs_no_headers():
    found = of(explanation("code-generation"), package("gcc-14", "14.3.0-1", NOVEMBER, "14.2.0-19"))
    assert [one.packages[0] for one in found] == ["gcc-14"]


def test_a_version_the_file_itself_names_comes_before_all_guesses():
    stamp = Drift(tool="debhelper", package="debhelper", published="13.19", rebuilt="13.24.2", seen=("postinst",))
    helper = package("debhelper", "13.24.2+deb13u1", JUNE, "13.24.2", "13.20", "13.19-1", "13.18")
    found = of(explanation("build-id", drift=(stamp,)), LIBC, helper)
    assert [(one.packages, one.version) for one in found] == [
        (("debhelper",), "13.19-1"), (("libc6-dev",), "2.41-12+deb13u3"),
    ]  # fmt: skip
    assert found[0].why == "the published file was made with debhelper 13.19, ours with 13.24.2"


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2:13.24.2-1+deb13u1", "13.24.2"), ("13.24.2+deb13u1", "13.24.2"), ("13.24.2", "13.24.2"), ("7.1.1-1", "7.1.1")],
)
def test_upstream_part_of_a_version(version: str, expected: str):
    assert upstream(version) == expected
