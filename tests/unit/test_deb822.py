"""Control data: found by bytes, parsed strictly, unpacked with a bound."""

from __future__ import annotations

import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuilder.deb822 import Malformed, checksums, decompress, fields, find, names, paragraphs, safe_path

LIST = (
    b"Package: first\nVersion: 1\n\n"
    b"Package: second\nSource: source (1:2-3)\nDescription: Package: first\n more\n .\n text\nTag: a,\n b\n\n\n"
    b"Package:third\nVersion: 3"
)
SHA = "ab" * 32


def test_a_paragraph_is_found_wherever_it_stands():
    for name in ("first", "second", "third"):
        assert [found["Package"] for found in find(LIST, "Package", {name})] == [name]
    assert [found["Package"] for found in find(LIST, "Package", ["third", "first"])] == ["first", "third"]
    assert list(find(LIST, "Package", {"fir", "irst", "b", ""})) == []
    assert list(find(b"", "Package", {"first"})) == []


def test_a_source_field_matches_by_its_first_word():
    assert [found["Source"] for found in find(LIST, "Source", {"source"})] == ["source (1:2-3)"]


def test_values_keep_their_lines_without_the_leading_blank():
    second = next(find(LIST, "Package", {"second"}))
    assert second["Description"] == "Package: first\nmore\n.\ntext"
    assert second["Tag"] == "a,\nb"


def test_names_and_paragraphs_see_everything():
    assert names(LIST, "Package") == {"first", "second", "third"}
    assert len(list(paragraphs(LIST))) == 3
    assert list(paragraphs(b"\n\n\n")) == []


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        (b"Package: a\nPackage: b", "field 'Package' stands there twice"),
        (b"Package: a\npackage: b", "field 'package' stands there twice"),
        (b"Package: a\njunk", "line 2 of a paragraph: expected 'Name: value', found 'junk'"),
        (b"Package: a\n# remark", "line 2 of a paragraph: expected 'Name: value'"),
        (b"Package: a\n \nVersion: 1", "line 2 of a paragraph: expected a field"),
        (b" Package: a", "line 1 of a paragraph: expected a field"),
        (b"-Package: a", "expected 'Name: value'"),
        (b": a", "expected 'Name: value'"),
    ],
)
def test_what_the_format_leaves_open_is_refused(paragraph, expected):
    with pytest.raises(Malformed, match=expected):
        fields(paragraph)


@pytest.mark.parametrize(("data", "expected"), [(b"Package: a\0", "a NUL byte at byte 10"), (b"a\r\n", "a carriage")])
def test_control_bytes_are_refused(data, expected):
    with pytest.raises(Malformed, match=expected):
        list(paragraphs(data))
    with pytest.raises(Malformed, match=expected):
        list(find(data, "Package", {"a"}))


def test_a_paragraph_that_is_not_asked_for_is_not_judged():
    assert list(find(b"Package: a\nPackage: a\n\nPackage: b\n", "Package", {"b"})) == [{"Package": "b"}]


def test_checksums_are_read_whole_or_not_at_all():
    assert checksums(f"\n{SHA} 12 a/b.xz\n {SHA} 0 c") == ((SHA, 12, "a/b.xz"), (SHA, 0, "c"))
    assert checksums(f"{SHA} 1 a\n{SHA} 1 a") == ((SHA, 1, "a"),)
    assert checksums("") == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"{SHA} 1 a\n{'cd' * 32} 1 a", "'a' is listed twice with different digests"),
        (f"{SHA} 1 a\n{SHA} 2 a", "'a' is listed twice with different digests"),
        (f"{SHA.upper()} 1 a", "expected a line 'sha256 size name'"),
        (f"{SHA} 01 a", "expected a line 'sha256 size name'"),
        (f"{SHA} 1 a b", "expected a line 'sha256 size name'"),
        (f"{SHA} 1", "expected a line 'sha256 size name'"),
        (f"{SHA} \u0661 a", "expected a line 'sha256 size name'"),
        (f"{SHA} 1 a/../b", "a relative path that stays inside its archive"),
    ],
)
def test_bad_checksum_lines_are_refused(value, expected):
    with pytest.raises(Malformed, match=expected):
        checksums(value)


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", ".", "a/..", "../a", "a/./b", "a\nb", "a\\b", "a\x7f", "a" * 2000]
)
def test_unsafe_paths(path):
    assert not safe_path(path)


def test_safe_paths():
    assert safe_path("pool/main/liba/libapp_1%3a2-3+b1~x_all.deb")
    assert safe_path("a..b/...")


@given(st.binary(max_size=3000), st.sampled_from(["xz", "gz", ""]))
def test_unpacking_gives_the_same_bytes_or_nothing(data, kind):
    packed = {"xz": lzma.compress, "gz": gzip.compress, "": bytes}[kind](data)
    assert decompress(packed, f"Packages.{kind}", len(data)) == data
    if data:
        with pytest.raises(Malformed, match=f"more than {len(data) - 1} bytes when unpacked"):
            decompress(packed, f"Packages.{kind}", len(data) - 1)


@pytest.mark.parametrize(("name", "pack"), [("P.xz", lzma.compress), ("P.gz", gzip.compress)])
def test_broken_streams_are_refused(name, pack):
    packed = pack(b"text" * 1000)
    assert decompress(packed + packed, name, 10_000) == b"text" * 2000
    for broken in (packed[:-1], packed[:20], packed + b"junk", packed[:-6] + b"\0\0\0\0\0\0", b"junk"):
        with pytest.raises(Malformed, match=f"{name}: not a whole"):
            decompress(broken, name, 10_000)


@pytest.mark.parametrize(("name", "pack"), [("P.xz", lzma.compress), ("P.gz", gzip.compress)])
def test_a_bomb_stops_at_the_limit(name, pack):
    bomb = pack(b"\0" * 40_000_000)
    with pytest.raises(Malformed, match="nothing of it was used"):
        decompress(bomb, name, 1_000_000)
