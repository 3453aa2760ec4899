"""What is varied: the same for the same seed, each variation with fields and markers of its own."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuilder.check.builds import Circumstances, environment, root_files
from rebuilder.check.model import Project, ProjectKind, VariationName
from rebuilder.check.variations import (
    MARKER,
    MAX_SEED,
    NAMES,
    TABLE,
    Draw,
    canaries,
    changed_fields,
    chosen,
    control,
    hints,
    setting,
)
from rebuilder.errors import UsageError
from rebuilder.model import Limits, Step

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BASE = control("demo")
PROJECT = Project(
    kind=ProjectKind.MAKE, name="demo", found="Makefile", steps=(Step(argv=("make",), cwd="@TREE@"),)
)
AROUND = Circumstances(project=PROJECT, epoch=1_700_000_000, limits=Limits())
#: Variables of a build -> the variations that may change them.
RESPONSIBLE: dict[str, set[VariationName]] = {
    "HOME": {"home"}, "LANG": {"locale"}, "LC_ALL": {"locale"}, "LANGUAGE": {"locale"}, "LOGNAME": {"user"},
    "USER": {"user"}, "PATH": {"exec-path"}, "PERL_HASH_SEED": {"hash-seed"}, "PYTHONHASHSEED": {"hash-seed"},
    "SHELL": {"shell"}, "TMPDIR": {"tmpdir"}, "TZ": {"timezone"}, MARKER: {"environment"}, "MAKEFLAGS": {"jobs"},
    "CMAKE_BUILD_PARALLEL_LEVEL": {"jobs"}, "DEB_BUILD_OPTIONS": {"jobs"}, "LD_PRELOAD": {"clock"},
    "FAKETIME": {"clock"}, "NO_FAKE_STAT": {"clock"}, "FAKETIME_DONT_FAKE_MONOTONIC": {"clock"},
}  # fmt: skip

seeds = st.integers(0, MAX_SEED)
subsets = st.frozensets(st.sampled_from(NAMES))


def draw(seed: int, *, named_zones: bool = False) -> Draw:
    return Draw(seed=seed, now=NOW, named_zones=named_zones)


@given(seeds, st.booleans())
def test_the_same_seed_draws_the_same_whatever_else_is_varied(seed: int, named: bool) -> None:
    one, other = draw(seed, named_zones=named), draw(seed, named_zones=named)
    whole = setting(BASE, one, NAMES)
    assert setting(BASE, other, reversed(NAMES)) == whole
    for name in NAMES:
        for field, value in TABLE[name].draw(other).items():
            assert asdict(whole)[field] == value
            assert asdict(setting(BASE, other, (name,)))[field] == value


def test_another_seed_draws_other_markers() -> None:
    assert canaries(draw(7), NAMES).keys() & canaries(draw(8), NAMES).keys() - set(TABLE["clock"].marks(draw(7))) == {
        MARKER
    }


@given(seeds)
def test_a_canary_is_of_one_variation_long_and_no_part_of_another(seed: int) -> None:
    one = draw(seed)
    found = canaries(one, NAMES)
    assert sum(len(TABLE[name].marks(one)) for name in NAMES) == len(found)
    words = [mark for mark, name in found.items() if name != "clock"]
    assert all(len(word) >= 8 for word in found)
    assert not any(word in other for word in words for other in found if word != other)
    assert {"path", "home", "user", "timezone", "host", "environment", "exec-path", "tmpdir"} < set(found.values())
    assert [len(mark) for mark in found] == sorted((len(mark) for mark in found), reverse=True)


@given(seeds)
def test_a_canary_stands_in_what_its_variation_sets_and_in_nothing_else(seed: int) -> None:
    one = draw(seed)
    for word, owner in canaries(one, NAMES).items():
        if owner == "clock" or word == MARKER:
            continue
        for name in NAMES:
            values = " ".join(str(value) for value in TABLE[name].draw(one).values())
            assert (word in values) == (name == owner), (word, name)
        assert word not in " ".join(map(str, asdict(BASE).values()))


def test_the_dates_of_the_faked_clock_are_its_canaries_in_every_usual_form() -> None:
    one = draw(7)
    ahead = setting(BASE, one, ("clock",)).days_ahead
    day = NOW + timedelta(days=ahead)
    found = canaries(one, ("clock",))
    for text in (f"{day:%Y-%m-%d}", f"{day:%Y%m%d}", f"{day:%d %b %Y}", f"{day:%B} {day.day}, {day:%Y}"):
        assert found[text] == "clock"
    assert f"{NOW:%Y-%m-%d}" not in found
    assert hints(one, ("clock",))[f"{day:%Y}"] == "clock"
    assert ahead > 366, "the year is to differ as well"


@given(seeds)
def test_a_zone_by_name_has_no_canary_but_hints(seed: int) -> None:
    one = draw(seed, named_zones=True)
    assert TABLE["timezone"].marks(one) == ()
    assert setting(BASE, one, ("timezone",)).zone in hints(one, ("timezone",))
    assert "/" in setting(BASE, one, ("timezone",)).zone


@given(seeds, st.sampled_from(NAMES), st.booleans())
def test_every_variation_changes_something_and_only_what_is_its_own(
    seed: int, name: VariationName, named: bool
) -> None:
    one = draw(seed, named_zones=named)
    changed = changed_fields(BASE, setting(BASE, one, (name,)))
    assert changed
    assert set(changed) == set(TABLE[name].draw(one))
    assert TABLE[name].shown(BASE) != TABLE[name].shown(setting(BASE, one, (name,)))
    for other in NAMES:
        assert other == name or not set(TABLE[other].draw(one)) & set(changed)


@given(seeds, subsets, subsets)
def test_two_settings_differ_in_the_fields_of_the_variations_between_them(
    seed: int, some: frozenset[VariationName], others: frozenset[VariationName]
) -> None:
    one = draw(seed)
    between = {field for name in some ^ others for field in TABLE[name].draw(one)}
    assert set(changed_fields(setting(BASE, one, some), setting(BASE, one, others))) == between


@given(seeds, subsets, subsets)
def test_variables_and_files_of_two_builds_differ_only_where_a_variation_is_responsible(
    seed: int, some: frozenset[VariationName], others: frozenset[VariationName]
) -> None:
    one = draw(seed)
    between = some ^ others
    first, second = (setting(BASE, one, these) for these in (some, others))
    left, right = environment(AROUND, first), environment(AROUND, second)
    for name in left.keys() | right.keys():
        if left.get(name) != right.get(name):
            assert RESPONSIBLE[name] & between, name
    for name in between:
        owned = {variable for variable, owners in RESPONSIBLE.items() if name in owners}
        if owned:
            assert any(left.get(variable) != right.get(variable) for variable in owned), name
    if root_files(first) != root_files(second):
        assert between & {"user", "home", "shell"}
    by_path = [{file.path: file for file in root_files(each)} for each in (first, second)]
    assert ("/usr/bin/sh" in by_path[0]) == ("shell" in some)
    assert (by_path[0]["/etc/group"] == by_path[1]["/etc/group"]) == ("user" not in between)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", NAMES),
        ("all", NAMES),
        ("all,-cpu", tuple(name for name in NAMES if name != "cpu")),
        ("-cpu", tuple(name for name in NAMES if name != "cpu")),
        (" -cpu , -umask ,", tuple(name for name in NAMES if name not in {"cpu", "umask"})),
        ("umask,path", ("path", "umask")),
        ("path,+umask", ("path", "umask")),
        ("all,-all,home", ("home",)),
        ("-path,path", NAMES),
    ],
)
def test_a_list_of_variations_is_read_from_left_to_right(asked: str, expected: tuple[VariationName, ...]) -> None:
    assert chosen(asked) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("all,-cpus", r"^no variation is called 'cpus'; did you mean 'cpu'\?$"),
        ("timezones", r"'timezones'; did you mean 'timezone'\?"),
        ("xyz", "^no variation is called 'xyz'$"),
        ("path,-path", "^expected at least one variation, found none left of 'path,-path'$"),
        ("all,-all", "found none left of 'all,-all'"),
        ("-", "^no variation is called ''$"),
    ],
)
def test_a_list_that_means_nothing_is_refused(asked: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        chosen(asked)
    assert "all" in raised.value.hint
