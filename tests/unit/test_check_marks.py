"""Canaries in differing bytes: found in every form they take, in every place, and nowhere by chance."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rebuilder.check import marks as subject
from rebuilder.check.marks import CONTENT, LOOKS_LIKE, Marked, Texts, marks, roots
from rebuilder.check.model import VariationName
from rebuilder.check.variations import NAMES
from rebuilder.data import Held
from rebuilder.explain.causes.families import RULES
from rebuilder.findings import Cause, DifferenceClass, Finding, Severity
from tests import samples
from tests.scenes import walked

WORD = "wqzkfjbtrvlxcd"
PATH = f"/build/{WORD}/deeper/{WORD}-tree"
TEXTS = Texts(
    words={WORD: "path", "hhhhzzzzkkkkww": "home", "uuuzzzkkkwwwbb": "user", "h o/st%zzkkww": "host"},
    dates={"2028-01-01": "clock"},
    hints={"2028": "clock", "et_EE": "locale"},
)
OUT = ("out", (), CONTENT)


def look(one: bytes, other: bytes, *causes: Cause, texts: Texts = TEXTS) -> Marked:
    return marks("out", walked(one, other), texts, causes)


def packed(**changes: Any) -> bytes:
    """A tar of two files; the second is the one that changes."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        first = tarfile.TarInfo("first")
        archive.addfile(first)
        content = changes.pop("content", b"hello\n")
        info = tarfile.TarInfo(changes.pop("name", "second"))
        info.size = len(content)
        for name, value in changes.items():
            setattr(info, name, value)
        archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def cause(identity: str, *findings: int) -> Cause:
    return Cause(
        id=identity, title="t", severity=Severity.HARMLESS, confidence="likely", findings=findings, evidence=(),
        fix="f", docs="d",
    )  # fmt: skip


@pytest.mark.parametrize(
    "shown",
    [
        PATH.encode(),
        PATH.encode("utf-16-le"),
        PATH[::-1].encode(),
        b"\x00\x01" + WORD.encode() + b"\x02",
    ],
    ids=["raw", "utf-16", "reversed", "between other bytes"],
)
def test_a_canary_is_seen_in_every_form(shown: bytes) -> None:
    found = look(b"built in /build/work/demo\n", b"built in " + shown + b"\n")
    assert found.marked == {OUT: {"path"}}
    assert found.guessed == {}


def test_a_canary_is_seen_percent_encoded() -> None:
    assert look(b"host: none", b"host: " + quote("h o/st%zzkkww", safe="").encode()).marked == {OUT: {"host"}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"", b" and more"),
        (PATH.encode(), PATH.encode() + b" and more"),
        (b"x" + PATH.encode(), PATH.encode() + b"x"),
    ],
    ids=["on no side", "on both sides", "on both sides, moved"],
)
def test_a_canary_that_both_sides_have_as_often_is_none(one: bytes, other: bytes) -> None:
    assert look(one, other) == Marked(marked={}, guessed={})


def test_a_canary_that_one_side_has_more_often_is_one() -> None:
    assert look(PATH.encode(), PATH.encode() * 2).marked == {OUT: {"path"}}


def test_two_canaries_of_one_place_are_two_culprits() -> None:
    assert look(b"a", f"{PATH} hhhhzzzzkkkkww".encode()).marked == {OUT: {"path", "home"}}


def test_only_members_that_differ_are_looked_at() -> None:
    same = packed(name="same", content=PATH.encode())
    found = look(packed(content=b"a"), packed(content=b"b") + same * 0)
    assert found == Marked(marked={}, guessed={})
    one, other = packed(content=PATH.encode()), packed(content=PATH.encode(), uname="uuuzzzkkkwwwbb")
    assert set(look(one, other).marked.values()) == {frozenset({"user"})}


def test_a_canary_in_the_name_of_a_member_that_one_side_has() -> None:
    plain = packed()
    named = packed(name=f"lib/{WORD}.txt")
    for one, other in ((plain, named), (named, plain)):
        found = look(one, other).marked
        assert {aspect[1]: names for aspect, names in found.items()} == {(f"lib/{WORD}.txt",): {"path"}}


@pytest.mark.parametrize("field", ["uname", "gname"])
def test_a_canary_in_a_field_of_an_archive(field: str) -> None:
    found = look(packed(), packed(**{field: "uuuzzzkkkwwwbb"})).marked
    ((aspect, names),) = found.items()
    assert aspect[:2] == ("out", ("second",))
    assert names == {"user"}


def test_a_canary_deep_inside_of_archives() -> None:
    inner = [samples.gz(packed(content=text)) for text in (b"one", PATH.encode())]
    one, other = (packed(content=data, name="inner.tar.gz") for data in inner)
    ((aspect, names),) = look(one, other).marked.items()
    assert aspect[1][-1] == "second"
    assert (aspect[2], names) == (CONTENT, {"path"})


def test_a_date_of_the_faked_clock_proves_it_and_a_year_only_hints() -> None:
    assert look(b"on 2026-11-29", b"on 2028-01-01") == Marked(marked={OUT: frozenset({"clock"})}, guessed={})
    assert look(b"(c) 2026", b"(c) 2028") == Marked(marked={}, guessed={OUT: frozenset({"clock"})})


def test_what_a_cause_looks_like_is_a_guess_and_hints_come_before_it() -> None:
    one, other = b"a\nb\nc\n", b"c\nb\na\n"
    assert look(one, other, cause("locale-collation", 0)).guessed == {OUT: {"locale"}}
    assert look(one, other + b"et_EE", cause("hash-order", 0)).guessed == {OUT: {"locale"}}
    assert look(one, other, cause("no such cause", 0)).guessed == {}
    # The first cause that says anything wins.
    assert look(one, other, cause("x", 0), cause("umask", 0), cause("archive-modes", 0), cause("home", 0)).guessed == {
        OUT: {"umask"}
    }


def test_every_cause_that_looks_like_something_is_a_cause_that_there_is() -> None:
    assert LOOKS_LIKE.keys() <= {rule.id for rule in RULES}
    assert {name for names in LOOKS_LIKE.values() for name in names} <= set(NAMES)


def compiled(text: str) -> bytes:
    """A program of the host's compiler that holds this text."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "a.c")
        source.write_text(f'#include <stdio.h>\nint main(void) {{ return puts("{text}"); }}\n')
        subprocess.run(["cc", "-g", "-o", f"{folder}/a", str(source)], check=True, cwd=folder)
        return Path(folder, "a").read_bytes()


def test_sections_and_tables_of_one_program_are_one_place() -> None:
    one, other = (packed(content=compiled(text), mode=0o755) for text in ("/build/work/demo", PATH))
    found = walked(one, other)
    assert len(found.difference.findings) > 3
    assert roots("out", found.difference, found.leaves).keys() == {("out", ("second",), CONTENT)}
    assert look(one, other).marked == {("out", ("second",), CONTENT): {"path"}}


def test_how_a_program_is_packed_is_a_place_of_its_own() -> None:
    one = packed(content=compiled("one"), mode=0o755)
    other = packed(content=compiled("another text"), mode=0o775)
    found = walked(one, other)
    assert {aspect[2] for aspect in roots("out", found.difference, found.leaves)} == {CONTENT, "mode"}


def finding(*path: str, kind: DifferenceClass = DifferenceClass.CONTENT, what: str = "bytes") -> Finding:
    return Finding(path=path, kind=kind, what=what)


def test_what_follows_from_other_places_is_none_unless_there_is_nothing_else() -> None:
    difference = walked(b"a", b"b").difference
    derived = finding("RECORD", kind=DifferenceClass.DERIVED)
    both = difference.model_copy(update={"findings": (derived, finding("a.py"))})
    assert roots("w", both, [("a.py",)]) == {("w", ("a.py",), CONTENT): [1]}
    alone = difference.model_copy(update={"findings": (derived,)})
    assert roots("w", alone, []) == {("w", ("RECORD",), "bytes"): [0]}


def test_aspects_of_one_member_are_told_apart() -> None:
    found = roots("out", walked(packed(), packed(mode=0o600, mtime=5)).difference, [])
    assert {aspect[2] for aspect in found} == {"mode", "mtime"}


# --- bounds ---------------------------------------------------------------------------------------


class Vast:
    """A member that must not be read."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, offset: int, size: int) -> bytes:
        msg = f"{size} bytes of a member were read that is too large"
        raise AssertionError(msg)


class Counted(Held):
    """A member that says how much of it was read."""

    taken = 0

    def read(self, offset: int, size: int) -> bytes:
        type(self).taken += size
        return super().read(offset, size)


def with_pair(one: Any, other: Any) -> Any:
    found = walked(b"a", b"b")
    return type(found)(difference=found.difference, pairs={(): (one, other)}, leaves=found.leaves)


@pytest.mark.parametrize(
    ("one", "other"),
    [(subject.MAX_LARGE + 1, 1), (1, subject.MAX_LARGE + 1), (2**62, 2**62)],
)
def test_a_huge_member_is_passed_over(one: int, other: int) -> None:
    assert marks("out", with_pair(Vast(one), Vast(other)), TEXTS, ()) == Marked(marked={}, guessed={})


def test_a_large_member_is_searched_for_unique_words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_SMALL", 100)
    filler = b"." * 101
    assert look(filler, filler + b"2028-01-01 et_EE") == Marked(marked={}, guessed={})
    assert look(filler, filler + PATH.encode()).marked == {OUT: {"path"}}


def test_all_members_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MAX_LOOKED", 3000)

    def many(text: bytes) -> bytes:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as archive:
            for number in range(50):
                info = tarfile.TarInfo(f"member-{number:02}")
                info.size = 1000
                archive.addfile(info, io.BytesIO(text.ljust(1000, b".")))
        return made.getvalue()

    assert len(look(many(b"one"), many(PATH.encode())).marked) == 1


def test_a_member_is_read_once_whatever_number_of_findings_it_has() -> None:
    one, other = Counted(b"a" * 1000), Counted(b"b" * 1000)
    pair = with_pair(one, other)
    twice = pair.difference.model_copy(update={"findings": pair.difference.findings * 5})
    Counted.taken = 0
    marks("out", type(pair)(difference=twice, pairs=pair.pairs, leaves=pair.leaves), TEXTS, ())
    assert Counted.taken == 2000


@pytest.mark.parametrize("name", ["\udcff\udcfe", "\x00\n", "a" * 5000, f"\udcff{WORD}"])
def test_names_that_are_no_text_do_no_harm(name: str) -> None:
    difference = walked(b"a", b"b").difference
    extra = finding(name, kind=DifferenceClass.EXTRA, what="member")
    pair = with_pair(Held(b"a"), Held(b"b"))
    found = type(pair)(
        difference=difference.model_copy(update={"findings": (extra,)}), pairs=pair.pairs, leaves=()
    )
    expected: set[VariationName] = {"path"} if WORD in name else set()
    assert set().union(*marks("out", found, TEXTS, ()).marked.values()) == expected
