"""The pyc reader, against what this Python compiles."""

import contextlib
import importlib.util
import py_compile
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.compare.archive.layout import Budget, FormatError, tiled
from rebuilder.compare.archive.pyc import PYC, release
from rebuilder.data import Held

BUDGET = Budget(lambda: None, lambda: None, lambda pieces: Held(b"".join(pieces)))


def compiled(tmp_path, mode=py_compile.PycInvalidationMode.TIMESTAMP) -> bytes:
    source = tmp_path / "m.py"
    source.write_text("x = 1\n")
    target = py_compile.compile(str(source), cfile=str(tmp_path / "m.pyc"), invalidation_mode=mode, doraise=True)
    with open(target, "rb") as stream:
        return stream.read()


def fields(raw: bytes) -> dict[str, str]:
    layout = tiled(PYC.read(Held(raw), BUDGET), len(raw))
    (stretch,) = layout.stretches
    found = layout.fields("header", raw[stretch.at : stretch.at + stretch.size])
    assert b"".join(one.raw for one in found) == raw[: stretch.size]
    return {one.name: one.value for one in found}


def test_a_pyc_with_a_time_shows_release_time_and_source_size(tmp_path):
    raw = bytearray(compiled(tmp_path))
    raw[8:12] = (1_700_000_000).to_bytes(4, "little")
    assert PYC.recognises(bytes(raw), len(raw))
    found = fields(bytes(raw))
    release_name = f"(CPython {sys.version_info.major}.{sys.version_info.minor})"
    assert found.pop("magic").endswith(release_name)
    assert found == {"flags": "timestamp", "mtime": "2023-11-14T22:13:20Z", "source size": "6"}


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        (py_compile.PycInvalidationMode.CHECKED_HASH, "hash, checked"),
        (py_compile.PycInvalidationMode.UNCHECKED_HASH, "hash, unchecked"),
    ],
)
def test_a_pyc_with_a_hash_shows_the_hash(tmp_path, mode, word):
    raw = compiled(tmp_path, mode)
    assert PYC.recognises(raw, len(raw))
    found = fields(raw)
    assert found["flags"] == word
    assert found["source hash"] == importlib.util.source_hash(b"x = 1\n").hex()


def test_the_code_is_one_entry_that_is_the_rest(tmp_path):
    raw = compiled(tmp_path)
    (entry,) = PYC.read(Held(raw), BUDGET).entries
    assert (entry.name, entry.at, entry.size, entry.synthetic) == (b"code", 16, len(raw) - 16, False)


def test_a_header_from_before_3_7_is_12_bytes():
    raw = (3379).to_bytes(2, "little") + b"\r\n" + bytes(4) + b"\x06\0\0\0" + b"\xe3rest of the code"
    assert PYC.recognises(raw, len(raw))
    assert fields(raw) == {"magic": "3379 (CPython 3.6)", "mtime": "1970-01-01T00:00:00Z", "source size": "6"}


@pytest.mark.parametrize(
    "raw", [b"", b"ab\r\n" + b"text" * 9, b"\xa7\r\r\n\x07" + bytes(40), b"\xa7\r\r\n" + bytes(12) + b"no code"]
)
def test_what_is_no_pyc_is_not_taken_for_one(raw):
    assert not PYC.recognises(raw, len(raw))


def test_a_release_not_known_is_shown_as_its_number():
    assert release(4998) == "4998"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_in_words(raw):
    for head in (b"", b"\xa7\r\r\n"):
        # Any other exception fails the test.
        with contextlib.suppress(FormatError):
            fields(head + raw)
