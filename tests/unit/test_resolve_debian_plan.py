"""A build plan is pure data: these are the plans, whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rebuilder.errors import RecipeError, Stopped
from rebuilder.model import BuildPlan, FileDigest, Origin, Source, SourceKind, Verdict
from rebuilder.recipe import RecipeBuild
from rebuilder.resolve.debian_plan import Wanted, build_path, build_plan
from tests.archive.sources import EPOCH, rebuild_entry
from tests.unit.resolve_cases import REBUILT, SUITE, World, deb, world


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def file(name: str) -> FileDigest:
    return FileDigest(name=name, sha256="0" * 64, size=1)


def source(version: str = "1:3.5.17-1+deb13u1", kind: SourceKind = SourceKind.SIGNED_DSC) -> Source:
    first = "libxpm.tree.tar" if kind is SourceKind.LOCAL_TREE else "libxpm.dsc"
    return Source(kind=kind, name="libxpm", version=version, files=(file(first), file("orig.tar.gz")), uri="")


def plan(kind: SourceKind = SourceKind.SIGNED_DSC, **changes: object) -> BuildPlan:
    wanted = Wanted(source=source(kind=kind), settings=RecipeBuild(strategy="debian", **changes), epoch=1780950438)
    return build_plan(wanted, "any")


def test_a_source_package_is_built_as_the_archives_builders_do() -> None:
    tree = "/build/reproducible-path/libxpm-3.5.17"
    made = plan()
    assert [(step.argv, step.cwd) for step in made.steps] == [
        (("dpkg-source", "-x", "/build/input/libxpm.dsc", tree), "/build/reproducible-path"),
        (("dpkg-buildpackage", "-us", "-uc", "-B", "--sanitize-env"), tree),
    ]
    assert made.environment == {
        "DEB_BUILD_OPTIONS": "parallel=2",
        "HOME": "/nonexistent/rebuilder",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "rebuilder",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games",
        "SHELL": "/bin/sh",
        "SOURCE_DATE_EPOCH": "1780950438",
        "TZ": "UTC",
        "USER": "rebuilder",
    }
    assert list(made.environment) == sorted(made.environment)
    assert (made.input_dir, made.output_dir) == ("/build/input", "/build/reproducible-path")
    assert made.outputs == ("*.deb", "*.udeb", "*.buildinfo", "*.changes")
    assert [item.name for item in made.inputs] == ["libxpm.dsc", "orig.tar.gz"]


def test_the_all_packages_are_built_apart() -> None:
    wanted = Wanted(source=source(), settings=RecipeBuild(strategy="debian"), epoch=None)
    made = build_plan(wanted, "all")
    assert made.steps[-1].argv == ("dpkg-buildpackage", "-us", "-uc", "-A", "--sanitize-env")
    assert "SOURCE_DATE_EPOCH" not in made.environment, "dpkg reads it off the changelog itself"


def test_a_binary_only_entry_goes_on_top_without_a_shell() -> None:
    settings = RecipeBuild(strategy="debian")
    made = build_plan(Wanted(source=source(), settings=settings, epoch=1, entry=file("changelog.binary-only")), "any")
    assert made.steps[1].argv == ("sed", "-i", "0r /build/input/changelog.binary-only", "debian/changelog")
    assert made.inputs[-1].name == "changelog.binary-only"


def test_a_local_tree_is_unpacked_from_our_own_tar() -> None:
    made = plan(SourceKind.LOCAL_TREE)
    tree = "/build/reproducible-path/libxpm-3.5.17"
    unpack = ("tar", "-x", "--strip-components=1", "-f", "/build/input/libxpm.tree.tar")
    assert (made.steps[0].argv, made.steps[0].cwd) == (unpack, tree)


def test_a_recipe_may_say_where_and_with_what() -> None:
    made = plan(path="/build/elsewhere/tree", environment={"DEB_BUILD_OPTIONS": "nocheck", "SOURCE_DATE_EPOCH": "7"})
    assert made.output_dir == "/build/elsewhere"
    assert made.environment["DEB_BUILD_OPTIONS"] == "nocheck"
    assert made.environment["SOURCE_DATE_EPOCH"] == "7"


@pytest.mark.parametrize(
    ("locale", "sanitised"),
    [
        ({}, True),
        ({"LANG": "C.UTF-8", "LC_COLLATE": "C.UTF-8", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "de_DE.UTF-8", "LC_COLLATE": "C.UTF-8", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "de_DE.UTF-8"}, False),
        ({"LC_ALL": "de_DE.UTF-8"}, False),
        ({"LC_CTYPE": "de_DE.UTF-8", "LC_COLLATE": "C.UTF-8"}, False),
    ],
)
def test_a_declared_locale_is_never_replaced_by_ours(locale: dict[str, str], sanitised: bool) -> None:
    made = plan(environment=locale)
    assert ("--sanitize-env" in made.steps[-1].argv) is sanitised
    assert {name: made.environment.get(name) for name in locale} == locale
    assert ("LC_ALL" in made.environment) is (not locale or "LC_ALL" in locale)


@pytest.mark.parametrize(
    ("version", "folder"),
    [("1.0", "1.0"), ("1.0-2", "1.0"), ("1:1.0-2", "1.0"), ("1.0-rc1-2", "1.0-rc1"), ("0+2024-1+deb13u1", "0+2024")],
)
def test_the_tree_is_named_by_the_upstream_version(version: str, folder: str) -> None:
    assert build_path(source(version), "") == f"/build/reproducible-path/libxpm-{folder}"


@pytest.mark.parametrize(
    "path",
    ["/build", "/build/one", "/home/me/x/y", "/build/../etc/x", "/build/a b/c", "/build/a;b/c", "/build/input/x/y",
     "/var/a/b", "build/a/b", "/build//a/b", "/build/a/./b"],
)  # fmt: skip
def test_a_path_that_can_not_be_had_is_refused(path: str) -> None:
    with pytest.raises(RecipeError, match=r"expected a build path of plain names, two or more below /build"):
        build_path(source(), path)


# --- what a plan reads off the source, or off the published package ---------------------------------


def test_the_epoch_is_the_changelogs(here: World) -> None:
    found = here.debian.resolve(f"pkg:deb/debian/single?distro={SUITE}")
    made, inputs = here.debian.plan(found, here.debian.source(found)[0], "any")
    assert made.environment["SOURCE_DATE_EPOCH"] == str(EPOCH)
    assert [(item.name, item.origin) for item in inputs] == [("epoch", Origin.DECLARED)]
    assert inputs[0].evidence == "debian/changelog of the source, entry single (1.0)"


def test_a_binary_only_rebuild_takes_its_entry_from_the_published_package(here: World) -> None:
    found = here.debian.resolve(f"pkg:deb/debian/rebuilt?distro={SUITE}")
    made, inputs = here.debian.plan(found, here.debian.source(found)[0], "any")
    entry = made.inputs[-1]
    assert here.blobs.read(entry.sha256, limit=1000) == rebuild_entry(REBUILT, number=3).encode()
    assert made.environment["SOURCE_DATE_EPOCH"] == str(EPOCH + 86400)
    assert [(item.name, item.origin) for item in inputs] == [
        ("epoch", Origin.RECOVERED),
        ("changelog", Origin.RECOVERED),
    ]
    assert "changelog.Debian.amd64.gz of rebuilt_1.0+b3_amd64.deb" in inputs[1].evidence
    whole, said = here.debian.plan(found, here.debian.source(found)[0], "all")
    assert whole.environment["SOURCE_DATE_EPOCH"] == str(EPOCH)
    assert [item.name for item in whole.inputs] == ["rebuilt_1.0.dsc", "rebuilt_1.0.tar.xz"]
    assert said == (), "the recovered epoch must not be hidden by the other kind's"


GOOD = rebuild_entry(REBUILT, number=3)


@pytest.mark.parametrize(
    "entry",
    [
        GOOD.replace("+b3", "+b4"),
        GOOD.replace("rebuilt (", "other ("),
        GOOD.replace(", binary-only=yes", ""),
        GOOD.replace("Rebuild against", "Rebuild \x1b[31m against"),
        GOOD.replace("a newer toolchain", "x" * 20000),
        GOOD.replace("Wed, 02 Sep 2026", "yesterday"),
        GOOD.partition(" -- ")[0],
        "",
    ],
)
def test_an_entry_in_any_other_form_is_not_taken(here: World, entry: str) -> None:
    control = {"Package": "rebuilt", "Version": "1.0+b3", "Architecture": "amd64", "Source": "rebuilt (1.0)"}
    packed = gzip.compress(entry.encode())
    data = deb(control, {"usr/share/doc/rebuilt/changelog.Debian.amd64.gz": packed, "usr/bin/x": b"\0" * 10})
    here.archive.replace(str(here.path("rebuilt_1.0+b3_amd64.deb").relative_to(here.archive.root)), data)
    here.archive.publish()
    found = here.debian.resolve(f"pkg:deb/debian/rebuilt?distro={SUITE}")
    with pytest.raises(Stopped, match="does not hold its changelog entry") as caught:
        here.debian.plan(found, here.debian.source(found)[0], "any")
    assert caught.value.verdict is Verdict.UNAVAILABLE


def test_only_the_newest_entry_is_taken(here: World) -> None:
    control = {"Package": "rebuilt", "Version": "1.0+b3", "Architecture": "amd64", "Source": "rebuilt (1.0)"}
    packed = gzip.compress((GOOD + "rebuilt (1.0) local; urgency=low\n\n  * rm -rf\n").encode())
    data = deb(control, {"usr/share/doc/rebuilt/changelog.Debian.gz": packed})
    here.archive.replace(str(here.path("rebuilt_1.0+b3_amd64.deb").relative_to(here.archive.root)), data)
    here.archive.publish()
    found = here.debian.resolve(f"pkg:deb/debian/rebuilt?distro={SUITE}")
    made, _ = here.debian.plan(found, here.debian.source(found)[0], "any")
    assert here.blobs.read(made.inputs[-1].sha256, limit=1000) == GOOD.encode()


def test_a_published_file_that_is_no_package_has_no_entry(here: World) -> None:
    here.archive.replace(str(here.path("rebuilt_1.0+b3_amd64.deb").relative_to(here.archive.root)), b"!<arch>\nnothing")
    here.archive.publish()
    found = here.debian.resolve(f"pkg:deb/debian/rebuilt?distro={SUITE}")
    with pytest.raises(Stopped, match="does not hold its changelog entry"):
        here.debian.plan(found, here.debian.source(found)[0], "any")
