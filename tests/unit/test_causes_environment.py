"""Causes in what surrounds a build, and in chance, on what real tools wrote (`tests/data/causes/make_elf.py`)."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from rebuilder.data import Held
from rebuilder.explain.causes import environment, randomness
from rebuilder.explain.causes.families import RULES
from rebuilder.explain.causes.rank import explain
from rebuilder.explain.causes.texts import MAX_SPOTS, spots
from rebuilder.findings import Cause, Severity
from tests.scenes import scene

DATA = Path(__file__).parent.parent / "data" / "causes"
OWN = (*environment.RULES, *randomness.RULES)
FIRST = {
    "build-path-text",
    "home",
    "embedded-timestamp",
    "timezone",
    "hostname",
    "username",
    "environment-variable",
    "cpu-count",
    "kernel-version",
    "locale-collation",
    "locale-messages",
    "hash-order",
    "json-key-order",
    "line-endings",
    "shell-echo",
    "random-name",
    "pointer-value",
    "git-describe",
}


def side(cause: str, name: str) -> bytes:
    return next((DATA / cause).glob(f"{name}.*")).read_bytes()


def causes(published: bytes, rebuilt: bytes, **surroundings: object) -> dict[str, Cause]:
    found, _ = explain(scene(published, rebuilt, **surroundings), OWN)
    return {cause.id: cause for cause in found}


@pytest.mark.parametrize("cause", sorted(FIRST))
def test_the_cause_that_was_put_in_is_named_first(cause: str) -> None:
    found, unexplained = explain(scene(side(cause, "published"), side(cause, "rebuilt")), RULES)
    assert [one.id for one in found][:1] == [cause], [one.id for one in found]
    assert not unexplained


@pytest.mark.parametrize("cause", sorted(FIRST))
def test_with_the_fix_both_builds_are_the_same(cause: str) -> None:
    assert side(cause, "fixed-1") == side(cause, "fixed-2")


@pytest.mark.parametrize("cause", sorted(FIRST))
def test_nothing_in_a_text_is_called_harmless(cause: str) -> None:
    found = causes(side(cause, "published"), side(cause, "rebuilt"))
    assert all(one.severity is not Severity.HARMLESS for one in found.values())


@pytest.mark.parametrize("cause", sorted(FIRST - {"line-endings"}))
def test_one_more_word_that_differs_and_the_cause_is_not_likely(cause: str) -> None:
    """The same place with a change nobody can mistake: `allow` is `deny` on the other side."""
    published, rebuilt = (side(cause, name).rstrip(b"\n") for name in ("published", "rebuilt"))
    marked = [text.replace(b"\n", b" ALLOW qq\n", 1) + b" ALLOW qq\n" for text in (published, rebuilt)]
    marked[1] = marked[1].replace(b"ALLOW qq", b"DENY %% !!")
    found = causes(*marked)
    assert cause not in found or found[cause].confidence == "possible", found[cause]


MARK = "kx7canary-9q"


@pytest.mark.parametrize("form", [MARK.encode(), MARK.encode("utf-16-le"), MARK.encode()[::-1]])
def test_a_mark_of_a_check_proves_its_cause_in_every_form(form: bytes) -> None:
    found = causes(b"nothing here\n", b"x " + form + b" y\n", canaries={MARK: "host"})
    assert found["hostname"].confidence == "proved"


def test_a_mark_is_found_percent_encoded() -> None:
    found = causes(b"a\n", b"?p=%2Fk%2Fcanary%20q\n", canaries={"/k/canary q": "path"})
    assert found["build-path-text"].confidence == "proved"


def test_a_mark_on_both_sides_proves_nothing() -> None:
    found = causes(f"one {MARK}\n".encode(), f"two {MARK}\n".encode(), canaries={MARK: "host"})
    assert "hostname" not in found or found["hostname"].confidence != "proved"


def test_our_own_values_make_a_guess_likely() -> None:
    surroundings = {"hostname": "builder-7", "user": "rebuilder", "environment": {"CFLAGS": "-O2"}, "path": "/srv/own"}
    texts = (
        ("hostname", b"made at alpha.example\n", b"made at builder-7\n"),
        ("username", b"owned: carol\n", b"owned: rebuilder\n"),
        ("environment-variable", b"CFLAGS=-O2 -g\n", b"CFLAGS=-O2\n"),
        ("build-path-text", b"from /odd/place/x.c\n", b"from /srv/own/x.c\n"),
    )
    for cause, published, rebuilt in texts:
        assert causes(published, rebuilt, **surroundings)[cause].confidence == "likely", cause


def test_a_number_is_an_epoch_only_near_one_of_the_builds() -> None:
    near = causes(b"made 1700000000\n", b"made 1700009999\n", epoch=1700000100)
    far = causes(b"made 1200000000\n", b"made 1230009999\n", epoch=1700000100)
    assert near["embedded-timestamp"].confidence == "likely"
    assert "embedded-timestamp" not in far


@pytest.mark.parametrize(
    ("published", "rebuilt"),
    [
        (b"at 2026-01-01 10:00:00\n", b"at 2026-01-01 10:30:00\n"),
        (b"at Thu Jan  1 00:00:00 2026\n", b"at Thu Jan  1 14:00:00 2026\n"),
        (b"at 2026-01-01T10:00:00+00:00\n", b"at 2026-01-01T12:00:00+02:00\n"),
        (b"zone Europe/Berlin\n", b"zone UTC\n"),
    ],
)
def test_times_that_are_apart_as_zones_are_speak_for_the_zone(published: bytes, rebuilt: bytes) -> None:
    assert causes(published, rebuilt)["timezone"].confidence == "likely"


def test_times_that_are_a_minute_apart_do_not() -> None:
    assert "timezone" not in causes(b"at 2026-01-01 10:00:00\n", b"at 2026-01-01 10:01:00\n")


def test_json_of_other_values_is_not_json_of_another_order() -> None:
    assert "json-key-order" in causes(b'{"a": 1.0, "b": 2}\n', b'{"b": 2, "a": 1.0}\n')
    for other in (b'{"b": 2, "a": "1.0"}\n', b'{"b": 2, "a": 1}\n', b'{"b": 2, "a": 1.0, "b": 2}\n'):
        assert "json-key-order" not in causes(b'{"a": 1.0, "b": 2}\n', other)


def test_two_commits_are_not_two_lengths_of_one() -> None:
    found = causes(b"v1.2-3-gabcdef1\n", b"v1.2-3-g1234567\n")
    assert found["git-describe"].confidence == "possible"
    assert causes(b"v1.2-3-gabcdef1\n", b"v1.2-3-gabcdef1-dirty\n")["git-describe"].confidence == "likely"


def test_evidence_shows_control_bytes_as_words() -> None:
    found = causes(b"built on host \x1b[31mann\n", b"built on host \x1b[31mbertha\n", hostname="bertha")
    shown = [one.published + one.rebuilt for cause in found.values() for one in cause.evidence]
    assert all(text.isprintable() and text.isascii() for text in shown)


def test_every_differing_byte_lies_in_a_spot_if_the_spots_are_said_to_be_whole() -> None:
    chance = random.Random(3)
    for _ in range(300):
        published = bytearray(chance.randbytes(chance.randrange(1, 400)))
        rebuilt = bytearray(published)
        for _ in range(chance.randrange(1, 9)):
            rebuilt[chance.randrange(len(rebuilt))] ^= chance.randrange(1, 256)
        found = spots(Held(bytes(published)), Held(bytes(rebuilt)))
        differing = {i for i in range(len(published)) if published[i] != rebuilt[i]}
        covered = {i for one in found.found for i in range(one.at, one.at + len(one.published))}
        assert found.whole
        assert differing <= covered
        assert all(bytes(published[one.at :]).startswith(one.published) for one in found.found)


def test_texts_of_different_sizes_are_held_line_against_line() -> None:
    found = spots(Held(b"one\ntwo\nthree\n"), Held(b"one\ntwotwo\nthree\n"))
    assert [(one.at, one.published, one.rebuilt) for one in found.found] == [(4, b"two", b"twotwo")]
    assert found.whole
    assert not spots(Held(b"one\ntwo\n"), Held(b"one\n")).whole


def test_a_large_member_takes_linear_time_and_a_bounded_number_of_spots() -> None:
    chance = random.Random(5)
    published, rebuilt = chance.randbytes(4_000_000), chance.randbytes(4_000_000)
    lines = b"".join(b"%d a b c\n" % i for i in range(200_000))
    start = time.monotonic()
    for pair in ((published, rebuilt), (lines, lines.replace(b"7 a", b"77 a")), (b"x" * 10**6, b"x" * 10**6 + b"y")):
        seen = spots(Held(pair[0]), Held(pair[1]))
        assert len(seen.found) <= MAX_SPOTS
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "piece", [b"a-", b"/a", b"1.", b"2026-", b"0x7f", b"- ", b"host ", b"by user ", b"[", b"tmp_", b"g0"]
)
def test_texts_made_to_be_slow_are_not(piece: bytes) -> None:
    published, rebuilt = piece * 60_000, piece * 60_000 + b"!"
    start = time.monotonic()
    line = piece * (4000 // len(piece))
    many = [b"".join(line + b"%d%b\n" % (i, end) for i in range(300)) for end in (b"x", b"yz")]
    for pair in ((published, rebuilt), (published + b"\n", b"?" + published[1:] + b"\n"), (many[0], many[1])):
        seen = scene(*pair)
        for rule in OWN:
            list(rule.match(seen))
    assert time.monotonic() - start < 8


def test_each_cause_has_its_page() -> None:
    docs = DATA.parent.parent.parent / "docs"
    missing = [rule.id for rule in OWN if not (docs / rule.docs).is_file()]
    assert not missing
