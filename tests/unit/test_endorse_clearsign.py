"""The clear-sign framework: what is inside comes out, anything outside refuses the whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebuilder.endorse.clearsign import MESSAGE_LIMIT, BadFrame, NotClearSigned, split
from rebuilder.endorse.openpgp import Keyring, judge
from rebuilder.model import EndorsementResult
from tests.unit.endorse_cases import ARCHIVE_KEY, clear_signed

TEXT = b"Suite: x\n- dashed\n-----BEGIN PGP SIGNATURE-----\n\ntrailing  \t\nFrom here\nlast"
SIGNED = clear_signed(TEXT, ARCHIVE_KEY)
KEYRING = Keyring(ARCHIVE_KEY.certificate)


def test_text_comes_out_as_signed_with_dashes_unescaped_and_line_ends_stripped():
    message = split(SIGNED)
    assert message.text == TEXT.replace(b"trailing  \t", b"trailing")
    assert judge(message, (KEYRING,))[0].result is EndorsementResult.VALID


def test_line_ends_of_a_mail_system_change_nothing():
    assert split(SIGNED.replace(b"\n", b"\r\n")) == split(SIGNED)


@pytest.mark.parametrize(
    ("damaged", "expected"),
    [
        (b"Suite: evil\n\n" + SIGNED, "text before the signed message"),
        (b"\n" + SIGNED, "text before the signed message"),
        (SIGNED + b"Suite: evil\n", "text after the signature"),
        (SIGNED + SIGNED, "text after the signature"),
        (SIGNED.replace(b"Suite", b"Su\0te"), "a NUL byte at byte"),
        (SIGNED.replace(b"Suite: x", b"Suite: x\ry"), "a carriage return within the line"),
        (SIGNED.replace(b"- - dashed", b"-dashed"), "expected a dash-escaped line"),
        (SIGNED.replace(b"\nHash: ", b"\nComment: "), "line 2: expected a 'Hash:' header"),
        (SIGNED.replace(b"\n\nSuite", b"\nNotDashEscaped: yes\n\nSuite"), "expected a 'Hash:' header"),
        (SIGNED.replace(b"\n\nSuite", b"\n \nSuite"), "expected a 'Hash:' header or an empty line"),
        (SIGNED.rpartition(b"\n-----BEGIN PGP SIG")[0], "ends before its signature"),
        (SIGNED.partition(b"\n-----END")[0], "signature block has no end"),
        (SIGNED.split(b"\n\n")[0], "ends within its headers"),
        (SIGNED + b" " * MESSAGE_LIMIT, "expected at most 16777216 bytes"),
        (SIGNED.replace(b"\n-----END", b"\n" + b"A" * 300_000 + b"\n-----END"), "bytes of signatures"),
    ],
)
def test_anything_outside_the_signed_text_refuses_the_whole(damaged, expected):
    with pytest.raises(BadFrame, match=expected):
        split(damaged)


def test_a_file_without_the_marker_is_not_signed():
    with pytest.raises(NotClearSigned, match="carries no OpenPGP signature"):
        split(b"<html>captive portal</html>")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_single_changed_byte_keeps_the_signature_and_changes_the_text(data):
    position = data.draw(st.integers(0, len(SIGNED) - 1))
    damaged = bytearray(SIGNED)
    damaged[position] ^= data.draw(st.integers(1, 255))
    try:
        message = split(bytes(damaged))
        valid = any(one.result is EndorsementResult.VALID for one in judge(message, (KEYRING,)))
    except (BadFrame, NotClearSigned):
        return
    assert not valid or message.text == split(SIGNED).text
