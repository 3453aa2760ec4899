"""The whole catalogue: every rule has a page and a fixture, finds it among all others, and fails on nothing."""

from __future__ import annotations

import io
import platform
import random
import re
import socket
import time
import zipfile
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from rebuilder.explain.causes import Match, Rule, Scene
from rebuilder.explain.causes.families import RULES
from rebuilder.explain.causes.rank import Ranked, explain, ranked
from rebuilder.explain.drift import drift
from rebuilder.explaining import explained
from rebuilder.findings import Severity, Surroundings
from tests.fuzz.walk import mutate
from tests.scenes import scene, walked

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "causes"
DOCS = ROOT / "docs"
FIXTURES = sorted(path.name for path in DATA.iterdir() if path.is_dir())
PARTS = ["## What it is", "## How it is recognised", "## The fix", "## What it could hide"]
#: Rules without a folder of their own, and why.
WITHOUT = {
    "control-field-order": "no dpkg at hand writes another order; made by hand in test_causes_stamps",
    "docbook-version": "the stylesheets have one version here; a line in test_causes_stamps",
    "go-build-info": "a Go program has megabytes; made by hand in test_causes_stamps",
    "npm-package-json": "made by hand in test_causes_stamps",
    "other-version": "two versions are two projects; made by hand below",
    "png-time": "made by hand in test_causes_stamps",
    "r-package-built": "no R here; a line in test_causes_stamps",
    "ruby-gem-date": "no rubygems here; a line in test_causes_stamps",
    "rustc-version": "no rustc here; made by hand in test_causes_stamps",
    "sdist-egg-info-order": "no setuptools that still does it; made by hand in test_causes_python",
    "sphinx-search-order": "made by hand in test_causes_stamps",
}
#: Names the files have in packages, where rules go by the name.
NAMES = {
    "debhelper-maintscript": "postinst",
    "debian-control-size": "control",
    "debian-control-version": "control",
    "changelog-trimmed": "usr/share/doc/foo/changelog.Debian",
    "changelog-binnmu": "usr/share/doc/foo/changelog.Debian.amd64",
    "java-manifest": "META-INF/MANIFEST.MF",
}
#: What our own side is told of its build: what `make_*.py` built the second side with.
KNOWN = {"hostname": {"hostname": "quitte-17"}, "username": {"user": "bert"}}
BEHAVIOUR = sorted(rule.id for rule in RULES if rule.severity is Severity.BEHAVIOUR and rule.id in FIXTURES)
WORDS = {"behaviour": 0, "inspect": 1, "harmless": 2}
SEED, ROUNDS = 20261120, 150


def sides(cause: str, one: str, other: str) -> list[tuple[Path, Path]]:
    """Every pair of a folder: some have the file in two forms."""
    found = [
        (path, path.with_name(path.name.replace(one, other, 1))) for path in sorted((DATA / cause).glob(f"{one}.*"))
    ]
    assert found, f"{cause} has no {one}"
    return found


def named(cause: str, path: Path) -> str:
    suffix = path.name.partition(".")[2]
    return NAMES.get(cause, f"foo.{suffix}")


@cache
def told(cause: str, one: str, other: str) -> tuple[Ranked, ...]:
    known = KNOWN.get(cause, {})
    return tuple(
        ranked(scene(mine, theirs, artifact=named(cause, mine), **known)) for mine, theirs in sides(cause, one, other)
    )


def test_no_two_rules_share_an_id_and_each_has_a_page_with_its_title_and_the_four_parts() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        page = (DOCS / rule.docs).read_text(encoding="utf-8")
        assert page.startswith(f"# {rule.title}\n\nCause `{rule.id}`.\n"), rule.id
        assert [line for line in page.splitlines() if line.startswith("## ")] == PARTS, rule.id


def test_titles_are_sentences_of_one_style() -> None:
    odd = [
        rule.title
        for rule in RULES
        if rule.title[:1] != rule.title[:1].upper() or rule.title.endswith((".", ":")) or len(rule.title) > 90
    ]
    assert odd == []
    assert len({rule.title for rule in RULES}) == len(RULES)


def test_every_rule_has_a_fixture_or_a_reason_why_not() -> None:
    ids = {rule.id for rule in RULES}
    assert ids - set(FIXTURES) == set(WITHOUT)
    assert set(FIXTURES) <= ids


@pytest.mark.parametrize("cause", FIXTURES)
def test_a_fixture_shows_its_cause_among_all_rules(cause: str) -> None:
    for found in told(cause, "published", "rebuilt"):
        assert cause in [one.id for one in found.causes][:3]
        assert found.failed == ()


@pytest.mark.parametrize("cause", FIXTURES)
def test_with_the_fix_the_cause_is_not_shown(cause: str) -> None:
    for found in told(cause, "fixed-1", "fixed-2"):
        assert cause not in [one.id for one in found.causes]
        assert found.failed == ()


@pytest.mark.parametrize("cause", BEHAVIOUR)
def test_where_behaviour_may_differ_harmless_is_not_all_that_is_said(cause: str) -> None:
    for found in told(cause, "published", "rebuilt"):
        (own,) = (one for one in found.causes if one.id == cause)
        worse = {index for one in found.causes if one.severity is not Severity.HARMLESS for index in one.findings}
        assert worse.issuperset(own.findings) or own.severity is not Severity.HARMLESS
        assert min((one.severity.value for one in found.causes), key=WORDS.__getitem__) != "harmless"


def test_no_rule_fails_on_one_fixture_held_against_another() -> None:
    """Pairs nobody made for a rule: the first sides of all folders with one suffix."""
    paths = [path for cause in FIXTURES for path, _ in sides(cause, "published", "rebuilt")]
    failed = {}
    for one, other in pairwise(paths):
        if one.suffix == other.suffix and one.read_bytes() != other.read_bytes():
            found = ranked(scene(one, other, artifact=named(one.parent.name, one)))
            if found.failed:
                failed[one.parent.name, other.parent.name] = found.failed
    assert failed == {}


def test_mutated_fixtures_make_no_rule_fail_and_are_judged_quickly() -> None:
    chance = random.Random(SEED)
    pool = [(cause, path.read_bytes()) for cause in FIXTURES for path, _ in sides(cause, "published", "rebuilt")]
    others = [data for _, data in pool]
    slowest = 0.0
    for number in range(ROUNDS):
        cause, one = pool[number % len(pool)]
        other = mutate(one, chance, others)
        if one == other:
            continue
        (path, _), *_ = sides(cause, "published", "rebuilt")
        seen = scene(one, other, artifact=named(cause, path))
        began = time.monotonic()
        found = ranked(seen)
        drift(seen)
        slowest = max(slowest, time.monotonic() - began)
        assert found.failed == (), f"{cause}, case {number}: {found.failed}"
    assert slowest < 5


def test_a_rule_that_fails_is_remembered_and_what_it_said_before_is_kept() -> None:
    def match(one: Scene) -> Iterator[Match]:
        found = next(iter(RULES_BY_ID["tar-times"].match(one)))
        yield found
        msg = "broken"
        raise KeyError(msg)

    paths = sides("tar-times", "published", "rebuilt")[0]
    rule = Rule(id="broken", title="x", severity=Severity.INSPECT, fix="x", match=match)
    found = ranked(scene(*paths), (rule, *RULES))
    assert found.failed == ("broken",)
    assert found.remarks == ("a rule failed: broken",)
    assert {"broken", "tar-times"} <= {one.id for one in found.causes}


def test_the_explanation_of_an_artifact_says_which_rule_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def match(_: Scene) -> list[Match]:
        msg = "broken"
        raise ValueError(msg)

    rule = Rule(id="broken", title="x", severity=Severity.INSPECT, fix="x", match=match)
    monkeypatch.setattr("rebuilder.explain.causes.families.RULES", (rule,))
    paths = sides("tar-times", "published", "rebuilt")[0]
    assert "a rule failed: broken" in explained("x", walked(*paths), Surroundings()).explanation.remarks


RULES_BY_ID = {rule.id: rule for rule in RULES}


# --- another version -----------------------------------------------------------------------------


def package(version: str, *, extra: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("METADATA", "WHEEL", *([extra] if extra else [])):
            archive.writestr(zipfile.ZipInfo(f"a-{version}.dist-info/{name}"), f"{name} of {version}\n")
    return out.getvalue()


def test_two_versions_of_a_wheel_are_told_as_that_first_and_a_lone_file_stays_one() -> None:
    causes, left = explain(scene(package("1.0"), package("1.1", extra="entry_points.txt")))
    assert [(one.id, one.severity.value, len(one.findings)) for one in causes] == [
        ("other-version", "behaviour", len(causes[0].findings)),
        ("extra-file", "behaviour", 1),
    ]
    assert (causes[0].evidence[0].published, causes[0].evidence[0].rebuilt) == ("1.0", "1.1")
    # Compared with each other although their folders have other names; what is in them is no package's real METADATA.
    assert [scene(package("1.0"), package("1.1")).difference.findings[at].what for at in left] == ["bytes", "bytes"]


CONTROL = "Package: a\nVersion: {}\nArchitecture: all\n"


@pytest.mark.parametrize(
    ("one", "other", "said"), [("1-1", "1-2", True), ("1-1", "1-1+b1", False), ("1-1", "1-1", False)]
)
def test_a_version_is_another_one_unless_it_is_only_built_again(one: str, other: str, said: bool) -> None:
    pair = CONTROL.format(one).encode(), CONTROL.format(other).replace("all", "amd64").encode()
    causes, _ = explain(scene(*pair, artifact="control"))
    assert ("other-version" in [cause.id for cause in causes]) is said


def test_two_packages_are_not_two_versions_of_one() -> None:
    pair = CONTROL.format("1").encode(), CONTROL.format("2").replace("Package: a", "Package: b").encode()
    assert "other-version" not in [cause.id for cause in explain(scene(*pair, artifact="control"))[0]]


def test_a_changelog_that_one_side_lacks_is_a_missing_file_and_no_binary_only_rebuild() -> None:
    def packed(*names: str) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), name)
        return out.getvalue()

    causes, _ = explain(scene(packed("a", "usr/share/doc/a/changelog.Debian.gz"), packed("a")))
    assert [cause.id for cause in causes] == ["missing-file"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 1}', '{"version": ["1"]}', "[" * 5000, "\\ud800", '{"version": "\\ud800"}']
)
def test_a_package_json_that_is_odd_has_no_version(text: str) -> None:
    found = ranked(scene(text.encode(), b'{"version": "2"}', artifact="package/package.json"))
    assert found.failed == ()


def mirrors() -> set[bytes]:
    """Hosts of the mirrors that this machine's apt uses."""
    lists = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    found = (re.findall(rb"https?://([^/\s]+)", path.read_bytes()) for path in lists if path.is_file())
    return {host for hosts in found for host in hosts}


def test_fixtures_say_nothing_of_the_machine_that_made_them() -> None:
    words = {platform.release().encode(), str(ROOT).encode() + b"/", *mirrors()}
    if re.search(r"^(?=.*\d).{8,}$", socket.gethostname()):  # a name that no fixture has by chance
        words.add(socket.gethostname().encode())
    found = [
        f"{path.relative_to(DATA)}: {word!r}"
        for path in sorted(DATA.rglob("*"))
        if path.is_file()
        for word in words
        if word in path.read_bytes()
    ]
    assert found == []
