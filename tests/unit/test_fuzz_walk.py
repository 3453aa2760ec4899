"""A fixed stretch of the fuzzer, and every case it ever kept."""

from __future__ import annotations

import itertools

from tests.fuzz import walk


def test_a_fixed_stretch_breaks_no_rule():
    assert walk.run(1500, seed=20261120) == 1500


def test_what_once_broke_a_rule_breaks_none_now():
    kept = [path.read_bytes() for path in sorted(walk.CORPUS.glob("*.bin"))]
    for one, other in itertools.pairwise([b"", *kept, b""]):
        walk.check(one, other)
