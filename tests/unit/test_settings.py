"""Which settings a try may have: read out of hostile text, applied to a recipe, and in which order things are tried."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest

from rebuilder.confirm import Course, Tried
from rebuilder.explain.causes import applied as read
from rebuilder.explain.settings import MAX_SETTINGS, Setting, applied, candidates, changes, setting
from rebuilder.explain.suspects import Suspect, suspects, together
from rebuilder.explaining import explained
from rebuilder.findings import ArtifactExplanation, Cause, Proof, Severity, Surroundings
from rebuilder.model import Source, SourceKind, Verdict
from rebuilder.recipe import RecipeBuild
from rebuilder.resolve.debian_plan import build_path
from tests import records, scenes
from tests.unit.test_suspects import AUGUST, STAMPER, explanation

OURS = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "DEB_BUILD_OPTIONS": "parallel=2"}
AROUND = Surroundings(epoch=1788264000, path="/build/reproducible-path/x-1", environment=OURS)
GOOD = (
    "variable:DEB_BUILD_OPTIONS+=notrimdch", "variable:DEB_BUILD_OPTIONS=notrimdch parallel=4", "variable:TZ=UTC-2",
    "variable:TZ=UTC+5:30", "variable:TZ=Europe/Berlin", "variable:TZ=America/Argentina/Ushuaia", "variable:LANG=C",
    "variable:LC_ALL=de_DE.UTF-8", "variable:SOURCE_DATE_EPOCH=1788264001", "path:/build/x-Xy12/x-1.0",
    "path:/build/reproducible-path/a+b~1.0:2", "parallel:1", "parallel:256",
)  # fmt: skip
BAD = (
    "",
    "path",
    "path:",
    "path:build/x/y",
    "path:/build",
    "path:/build/x",
    "path:/build/input/x",
    "path:/build/../etc/x",
    "path:/build/x/../../etc",
    "path:/build/x/..",
    "path:/build/x/./y",
    "path:/build/x//y",
    "path:/build/x/y/",
    "path:/tmp/x/y",
    "path:/buildx/y/z",
    "path:/build/x/y z",
    "path:/build/x/$(id)",
    "path:/build/x/y\n",
    "path:/build/x/\u202ey",
    "path:/build/x/" + "y" * 600,
    "path:/build" + "/y" * 60,
    "parallel",
    "parallel:",
    "parallel:0",
    "parallel:257",
    "parallel:-1",
    "parallel:02",
    "parallel:1\n",
    "parallel:\u0662",
    "parallel:1e9",
    "variable:TZ",
    "variable:",
    "variable:=x",
    "variable:TZ=",
    "variable:TZ=/etc/passwd",
    "variable:TZ=:UTC",
    "variable:TZ=../../x",
    "variable:TZ=Europe/../x",
    "variable:TZ=UTC\n",
    "variable:TZ=UTC;id",
    "variable:LC_ALL=/tmp/x",
    "variable:LC_ALL=../x",
    "variable:LC_ALL=C\0",
    "variable:PATH=/tmp",
    "variable:LD_PRELOAD=/x.so",
    "variable:HOME=/x",
    "variable:BASH_ENV=/x",
    "variable:SOURCE_DATE_EPOCH=-1",
    "variable:SOURCE_DATE_EPOCH=99999999999",
    "variable:SOURCE_DATE_EPOCH=0",
    "variable:SOURCE_DATE_EPOCH=9999999999",
    "variable:DEB_BUILD_OPTIONS+=nocheck",
    "variable:DEB_BUILD_OPTIONS+=",
    "variable:DEB_BUILD_OPTIONS+=notrimdch nocheck",
    "variable:DEB_BUILD_OPTIONS=nocheck",
    "variable:DEB_BUILD_OPTIONS=notrimdch  terse",
    "variable:DEB_BUILD_OPTIONS=",
    "variable:DEB_BUILD_OPTIONS=parallel=999",
    "variable:DEB_BUILD_OPTIONS=parallel=0",
    "variable:DEB_BUILD_OPTIONS++=terse",
    "variable:LANG+=notrimdch",
    "variable:CFLAGS+=-O0",
    "variable:TZ+=UTC",
    "package:x=1",
    "umask",
    "locale",
    "PATH:/build/x/y",
)


@pytest.mark.parametrize("target", GOOD)
def test_what_is_allowed_is_read_and_written_the_same(target: str):
    one = setting(target)
    assert one is not None
    assert one.target == target
    assert [(change.where, change.target) for change in changes([one])] == [("environment", target)]
    again = applied(RecipeBuild(strategy="debian"), [one])
    assert again != RecipeBuild(strategy="debian")
    assert RecipeBuild.model_validate(again.model_dump()) == again


@pytest.mark.parametrize("target", BAD)
def test_all_else_is_no_setting(target: str):
    assert setting(target) is None


@pytest.mark.parametrize("target", [one for one in GOOD if one.startswith("path:")])
def test_a_build_can_be_made_in_every_folder_that_is_allowed(target: str):
    source = Source(kind=SourceKind.SIGNED_DSC, name="x", version="1", files=(records.file("x.dsc"),), uri="")
    assert build_path(source, target.removeprefix("path:")) == target.removeprefix("path:")


def build(*targets: str, **options: str) -> RecipeBuild:
    found = [setting(one) for one in targets]
    return applied(RecipeBuild(strategy="debian", environment=options), [one for one in found if one])


def test_a_word_is_added_to_what_the_build_had_and_the_rest_stays():
    assert build("variable:DEB_BUILD_OPTIONS+=notrimdch").environment == {"DEB_BUILD_OPTIONS": "parallel=2 notrimdch"}
    had = build("variable:DEB_BUILD_OPTIONS+=notrimdch", DEB_BUILD_OPTIONS="nocheck notrimdch parallel=8", TZ="X")
    assert had.environment == {"DEB_BUILD_OPTIONS": "nocheck parallel=8 notrimdch", "TZ": "X"}
    assert build("parallel:7").model_dump() == RecipeBuild(strategy="debian", parallel=7).model_dump()
    assert build("parallel:7", DEB_BUILD_OPTIONS="parallel=2 terse").environment == {
        "DEB_BUILD_OPTIONS": "terse parallel=7"
    }
    assert build("path:/build/x/y", TZ="UTC") == RecipeBuild(
        strategy="debian", path="/build/x/y", environment={"TZ": "UTC"}
    )


def cause(name: str, *targets: str, findings: tuple[int, ...] = (0,), where: str = "environment") -> Cause:
    return Cause.model_validate(
        {"id": name, "title": name, "severity": Severity.INSPECT, "confidence": "likely", "findings": findings,
         "evidence": (), "fix": "", "changes": [{"where": where, "target": one, "text": ""} for one in targets],
         "docs": f"causes/{name}.md"}
    )  # fmt: skip


def asked(what: ArtifactExplanation, *known: str) -> list[str]:
    return [one.setting.target for one in candidates(what, AROUND, frozenset(known))]


def test_what_the_build_had_already_or_the_publisher_declared_is_not_tried():
    so = ("variable:TZ=UTC", "path:/build/reproducible-path/x-1", "parallel:2", "variable:SOURCE_DATE_EPOCH=1788264000")
    other = ("variable:TZ=UTC-1", "path:/build/x/y", "parallel:3", "variable:SOURCE_DATE_EPOCH=1788264001")
    what = explanation(cause("a", *so, *other), cause("b", *other))
    assert asked(what) == list(other)
    assert asked(what, "environment") == ["path:/build/x/y"]
    assert asked(what, "path", "epoch") == ["variable:TZ=UTC-1", "parallel:3"]
    assert asked(explanation(cause("a", *other, where="project"))) == []
    assert len(asked(explanation(cause("a", *(f"parallel:{n}" for n in range(5, 60)))))) == MAX_SETTINGS


def test_a_setting_the_file_shows_comes_first_and_a_word_before_versions_that_nobody_names():
    what = explanation(
        cause("changelog-trimmed", "package:stamper", "variable:DEB_BUILD_OPTIONS+=notrimdch", findings=(2, 3)),
        cause("build-path-text", "path:/build/x/y", findings=(5,)),
        left=(9,),
    )
    found = suspects(what, [STAMPER], published=AUGUST, compiled=False, settings=candidates(what, AROUND, frozenset()))
    assert [(tuple(change.target for change in one.changes), one.cause, one.claims) for one in found] == [
        (("path:/build/x/y",), "build-path-text", (5,)),
        (("variable:DEB_BUILD_OPTIONS+=notrimdch",), "changelog-trimmed", (2, 3)),
        (("package:stamper=1.0",), "", (2, 3)),
    ]
    assert found[0].why == "the published file shows it; the cause build-path-text names it"
    assert found[1].why == "the cause changelog-trimmed names it"


# --- values read off two sides --------------------------------------------------------------------


def targets_of(published: str, rebuilt: str, around: Surroundings = AROUND) -> set[str]:
    """Of all causes of two texts that differ in one line."""
    sides = [f"a text\n{one}\nmore of it\n".encode() for one in (published, rebuilt)]
    told = explained("x.txt", scenes.walked(sides[0], sides[1]), around).explanation
    return {change.target for one in told.causes for change in one.changes if setting(change.target)}


@pytest.mark.parametrize(
    ("published", "rebuilt", "expected"),
    [
        ("in /build/x-Ab1/x-1/src/a.c", "in /build/reproducible-path/x-1/src/a.c", {"path:/build/x-Ab1/x-1"}),
        ("in /build/x-Ab1/x-1", "in /build/reproducible-path/x-1", {"path:/build/x-Ab1/x-1"}),
        ("in /build/x-Ab1/x-1/src/b.c", "in /build/reproducible-path/x-1/src/a.c", set()),
        ("in /home/me/x-1/src/a.c", "in /build/reproducible-path/x-1/src/a.c", set()),
        ("TZ=Europe/Berlin", "TZ=UTC", {"variable:TZ=Europe/Berlin"}),
        ("LC_ALL=de_DE.UTF-8", "LC_ALL=C.UTF-8", {"variable:LC_ALL=de_DE.UTF-8"}),
        ("LC_ALL=de_DE.UTF-8", "LC_ALL=C", set()),
        ("DEB_BUILD_OPTIONS=nocheck parallel=2", "DEB_BUILD_OPTIONS=parallel=2", set()),
        ("PATH=/evil", "PATH=/bin", set()),
        ("made with -j8", "made with -j2", {"parallel:8"}),
        ("made with -j8", "made with -j4", set()),
        ("made with parallel=999", "made with parallel=2", set()),
        ("at 2026-09-01 14:00:00 +0200", "at 2026-09-01 12:00:00 +0000", {"variable:TZ=UTC-2"}),
        ("at 2026-09-01 06:30:00", "at 2026-09-01 12:00:00", {"variable:TZ=UTC+5:30"}),
        ("at 1788264777", "at 1788264000", {"variable:SOURCE_DATE_EPOCH=1788264777"}),
        ("at 1788264777", "at 1788264001", set()),
    ],
)
def test_a_value_is_read_where_our_side_shows_what_is_known_of_our_build(published, rebuilt, expected):
    assert targets_of(published, rebuilt) == expected


def test_where_nothing_is_known_of_our_build_nothing_is_read():
    for one, other in (("in /build/x-Ab1/x-1", "in /build/reproducible-path/x-1"), ("TZ=Europe/Berlin", "TZ=UTC")):
        assert targets_of(one, other, Surroundings()) == set()


def test_a_value_with_odd_characters_becomes_no_change():
    scene = type("Scene", (), {"surroundings": AROUND})()
    for value in (b"/build/x/\xff", b"/build/x/\x1b[31m", b"/build/x/" + b"y" * 400, b""):
        assert read.folder(scene, value, b"/build/reproducible-path/x-1") is None


def test_the_time_of_all_members_is_read_if_it_is_one():
    def archived(*times: int) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for number, time in enumerate(times):
                member = tarfile.TarInfo(f"m{number}")
                member.mtime = time
                archive.addfile(member)
        return out.getvalue()

    def told(*times: int, ours: int = 1788264000) -> set[str]:
        whole = explained("x.tar", scenes.walked(archived(*times, 5), archived(ours, ours, 5)), AROUND).explanation
        (found,) = (one for one in whole.causes if one.id == "tar-times")
        return {change.target for change in found.changes if setting(change.target)}

    assert told(1788264777, 1788264777) == {"variable:SOURCE_DATE_EPOCH=1788264777"}
    assert told(1788264777, 1788264778) == told(1788264777, 1788264777, ours=1788264001) == set()


def test_a_shortened_changelog_asks_for_the_option_only_where_ours_is_the_shorter():
    end = "urgency=low\n\n  * y\n\n -- A <a@b.c>  Mon, 01 Jan 2018 00:00:00 +0000\n"
    entries = [f"foo ({number}) sid; {end}" for number in (2, 1)]
    note = "\n# Older entries have been removed from this changelog.\n"
    note += "# To read the complete changelog use `apt changelog foo`.\n"
    sides = ["\n".join(entries).encode(), (entries[0] + note).encode()]
    for pair, expected in ((sides, {"variable:DEB_BUILD_OPTIONS+=notrimdch"}), (sides[::-1], set())):
        told = explained("usr/share/doc/foo/changelog.Debian", scenes.walked(pair[0], pair[1]), AROUND).explanation
        (trimmed,) = (one for one in told.causes if one.id == "changelog-trimmed")
        assert {change.target for change in trimmed.changes if setting(change.target)} == expected
        assert "package:debhelper" in {change.target for change in trimmed.changes}


# --- which is next --------------------------------------------------------------------------------

A, B, C = (Suspect(packages=(f"{name}-dev", name), version="1.0", why="younger") for name in "abc")
SETTING = Suspect(why="shown", settings=(Setting("path", "/build/x/y"),), cause="build-path-text")


def walked(results: dict[str, str], *these: Suspect, tries: int, missing: tuple[str, ...] = ()) -> list[str]:
    """What is tried in turn, if that came of each: by letters. One that cannot be had has no record."""
    course, order = Course(these, tries=tries), []
    while (one := course.next()) is not None:
        name = "".join(other.packages[1] for other in one.others) or (one.packages or ("-", "-"))[1]
        assert name not in order
        order.append(name)
        result = results.get(name, "refuted")
        proof = Proof.model_validate(
            {"run_id": "r", "artifact": "x", "cause": "y", "changes": (), "result": result, "reason": ""}
        )
        record = None if result == "not-tried" else records.record(Verdict.DIFFERENT, "", None)
        course.came_of(one, Tried(one, proof, record, missing if one.others else ()))
    return order


def test_all_packages_are_tried_at_once_after_each_was_refuted_alone():
    assert walked({}, SETTING, A, B, tries=9) == ["-", "a", "b", "ab"]
    assert walked({"b": "confirmed"}, A, B, C, tries=9) == ["a", "b"]
    assert walked({"b": "not-tried"}, A, B, C, tries=9) == ["a", "b", "c", "ac"]
    assert walked({"b": "not-tried"}, A, B, tries=9) == ["a", "b"]
    assert walked({}, SETTING, A, tries=9) == ["-", "a"]
    assert walked({}, tries=3) == []


def test_of_three_tries_the_last_is_kept_for_all_at_once():
    assert walked({}, A, B, C, tries=3) == ["a", "b", "abc"]
    assert walked({}, A, B, C, tries=2) == ["a", "b"]
    assert walked({}, A, B, C, tries=1) == ["a"]
    assert walked({}, A, A, A, A, tries=0) == []


def test_what_cannot_be_had_at_once_is_left_out_and_the_try_is_not_lost():
    assert walked({"abc": "not-tried"}, A, B, C, tries=3, missing=("c-dev 1.0", "c 1.0")) == ["a", "b", "abc", "ab"]
    # What was tried alone goes with today's packages; another one may be why they do not go together.
    assert walked({"abc": "not-tried"}, A, B, C, tries=3) == ["a", "b", "abc", "ab"]
    assert walked({"abc": "not-tried", "ab": "not-tried"}, A, B, C, tries=3) == ["a", "b", "abc", "ab", "c"]


def test_at_once_every_package_has_its_likeliest_version():
    older = replace(A, version="0.9")
    both = together([SETTING, A, older, B])
    assert both is not None
    assert both.versions == {"a-dev": "1.0", "a": "1.0", "b-dev": "1.0", "b": "1.0"}
    assert both.claims == ()
    assert both.why.startswith("2 packages together, ")
    assert together([A, older, SETTING]) is None
    claiming = together([replace(A, claims=(3, 4)), replace(B, claims=(1,))])
    assert claiming is not None
    assert claiming.claims == (1, 3, 4)
