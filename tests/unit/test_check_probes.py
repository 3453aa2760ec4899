"""What the probe told, and what it means. Its lines stand in a log that the project may fill with others."""

from __future__ import annotations

import pytest

from rebuilder.check.probes import effect, seen
from rebuilder.check.variations import NAMES

WORD = "c0ffee00c0ffee00c0ffee00"
DAY = 86400


def block(word: str = WORD, *, end: bool = True, **told: str) -> bytes:
    lines = [f"{word} {name.replace('_', '-')} {value}" for name, value in told.items()]
    return "\n".join([*lines, *([f"{word} end "] if end else []), ""]).encode()


def test_a_block_is_read_between_other_lines() -> None:
    log = b"+ tar -x\n" + block(path="/build/work/demo", hash_seed="12 abc") + b"make: done\n"
    assert seen(log, WORD) == {"path": "/build/work/demo", "hash-seed": "12 abc"}


def test_lines_that_begin_with_another_word_are_ignored() -> None:
    forged = block("deadbeef", path="/forged") + f"x{WORD} path /forged\n {WORD} path /forged\n".encode()
    forged += f"{WORD}path /forged\n{WORD.upper()} path /forged\n".encode()
    assert seen(forged + block(path="/true") + forged, WORD) == {"path": "/true"}
    assert seen(forged, WORD) == {}


def test_what_comes_after_the_first_block_counts_for_nothing() -> None:
    """A project that reads the word off its parent's memory is late."""
    assert seen(block(umask="0022") + block(umask="0002", home="/forged"), WORD) == {"umask": "0022"}


def test_the_first_value_of_a_name_holds() -> None:
    assert seen(block(umask="0022", end=False) + block(umask="0002"), WORD) == {"umask": "0022"}


@pytest.mark.parametrize(
    "log",
    [
        b"",
        block(path="/build", end=False),
        block(path="/build", end=False)[:-1],
        block(**{f"name{number}": "x" for number in range(65)}),
        f"{WORD}\n{WORD} \n".encode(),
    ],
    ids=["no log", "no end", "cut off", "too many lines", "no names"],
)
def test_a_block_that_never_ended_says_nothing(log: bytes) -> None:
    assert seen(log, WORD) == {}


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert seen(b"\xff\xfe\x00\n" + f"{WORD} path ".encode() + b"\xff\n" + block(), WORD) == {"path": "\ufffd"}


@pytest.mark.parametrize("name", NAMES)
def test_two_values_are_an_effect_and_one_is_none(name: str) -> None:
    one, other = ("1000", str(1000 + 400 * DAY)) if name == "clock" else ("one", "other")
    varied = effect(name, {name: one}, {name: other})  # type: ignore[arg-type]
    assert varied.effective
    assert (varied.control, varied.varied, varied.detail) == (one, other, "")
    same = effect(name, {name: one}, {name: one})  # type: ignore[arg-type]
    assert not same.effective
    assert same.detail


@pytest.mark.parametrize(("control", "varied"), [({}, {"path": "/b"}), ({"path": "/a"}, {}), ({}, {})])
def test_without_both_probes_nothing_is_effective(control: dict[str, str], varied: dict[str, str]) -> None:
    found = effect("path", control, varied)
    assert not found.effective
    assert found.detail == "the probe did not run to its end"


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("locale", "the locale is not in the toolchain"),
        ("cpu", "one processor only"),
        ("order", "no folder of the tree has two names"),
        ("home", "both builds see the same"),
    ],
)
def test_no_effect_is_said_with_its_reason(name: str, detail: str) -> None:
    assert detail in effect(name, {name: "x"}, {name: "x"}).detail  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["1000", str(1000 + 299 * DAY), "0", "", "x", "-5"])
def test_a_clock_that_is_not_ahead_says_that_the_library_is_missing(other: str) -> None:
    found = effect("clock", {"clock": "1000"}, {"clock": other})
    assert not found.effective
    assert "libfaketime is not in the toolchain" in found.detail


@pytest.mark.parametrize(
    ("static", "tools", "effective"),
    [
        ("", ("make", "cc"), True),
        ("go", ("go",), False),
        ("go cargo", ("cargo", "go"), False),
        ("go", ("go", "cc"), True),
    ],
)
def test_a_clock_that_static_programs_do_not_see(static: str, tools: tuple[str, ...], effective: bool) -> None:
    seen_now = {"clock": str(1000 + 400 * DAY), "static": static}
    found = effect("clock", {"clock": "1000", "static": static}, seen_now, tools=tools)
    assert found.effective is effective
    for name in static.split():
        assert name in found.detail
    assert ("without a dynamic loader" in found.detail) == bool(static)
