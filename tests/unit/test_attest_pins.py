"""Pins: who may speak with which key."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rebuilder.attest.pins import parse_pins, render_pins, usable
from rebuilder.attest.strict import FormatError
from rebuilder.attest.verify import verify_bundle
from rebuilder.errors import VerificationError
from tests.attest_cases import PINS, bundle, pin, public


def test_a_key_pinned_twice_alike_counts_once_and_unlike_counts_for_none():
    assert usable(PINS * 2) == ({one.key.spki_sha256: one for one in PINS}, ())
    for change in ({"id": "https://other.example/v1"}, {"organisation": "Other"}, {"role": "attest"}):
        double = replace(pin("verdict"), **change)
        kept, notes = usable((*PINS, double))
        assert list(kept) == [public("attest").spki_sha256]
        assert "pinned 2 times with different roles" in notes[0]
        with pytest.raises(VerificationError, match="line 2: expected a signature by one of 1 pinned keys") as caught:
            verify_bundle(bundle("reproduced"), (*PINS, double), ())
        assert caught.value.exit_code == 20
        assert notes[0] in caught.value.hint


def test_pins_survive_a_round_trip():
    assert parse_pins(render_pins(PINS)) == PINS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "log"}, "expected the role 'attest' or 'verdict', found 'log'"),
        ({"scheme": "rsa"}, "expected the scheme 'ed25519'"),
        ({"id": "javascript:x"}, "expected an id such as"),
        ({"id": "https://a b"}, "expected an id such as"),
        ({"organisation": "a\u202eb"}, "expected the name of an organisation"),
        ({"spkiSha256": "0" * 64}, "expected spkiSha256"),
        ({"publicKey": "x"}, "expected a PEM public key"),
        ({"extra": 1}, "found 'extra'"),
    ],
)
def test_pins_that_are_refused(change, message):
    value = json.loads(render_pins(PINS))
    value["pins"][0] |= change
    with pytest.raises(FormatError, match=message):
        parse_pins(json.dumps(value).encode())
