"""The last look before a signature."""

from __future__ import annotations

import pytest

from rebuilder.attest.check import check_before_signing
from rebuilder.errors import IntegrityError
from rebuilder.model import Comparison, Verdict
from tests import record_cases
from tests.attest_cases import CASES, with_comparison
from tests.records import sha

WITH_COMPARISON = sorted(name for name in CASES if CASES[name]().comparison is not None)


def stored(record):
    """What a store gives that holds every file of the record, as (sha256, size)."""
    files = {}
    for one in record.comparison.artifacts:
        for item in (one.published, *one.rebuilt):
            if item is not None:
                files[item.sha256] = (item.sha256, item.size)
    return files.__getitem__


def same(record):
    return record.comparison


@pytest.mark.parametrize("case", WITH_COMPARISON)
def test_a_sound_record_passes(case):
    record = CASES[case]()
    check_before_signing(record, rehash=stored(record), rejudge=same)


def test_without_comparison_there_is_nothing_to_hash():
    check_before_signing(record_cases.unavailable(), rehash=lambda name: (name, 0), rejudge=same)


@pytest.mark.parametrize("which", ["published", "rebuilt"])
@pytest.mark.parametrize("found", [(sha("bit rot"), 161_244), (None, 161_243)])
def test_other_bytes_on_disk_are_found_on_both_sides(which, found):
    record = record_cases.different_declared()
    compared = record.comparison.artifacts[0]
    victim = compared.published if which == "published" else compared.rebuilt[1]
    whole = stored(record)

    def rehash(name):
        return (found[0] or name, found[1]) if name == victim.sha256 else whole(name)

    with pytest.raises(IntegrityError, match=f"expected {victim.size} bytes with sha256 {victim.sha256}, found"):
        check_before_signing(record, rehash=rehash, rejudge=same)


@pytest.mark.parametrize("case", ["reproduced", "equivalent", "different-declared", "flaky"])
def test_the_published_file_is_hashed_for_every_verdict_on_bytes(case):
    record = CASES[case]()
    published = record.comparison.artifacts[0].published
    whole = stored(record)
    message = f"{published.size} bytes with sha256 {published.sha256}, found 7 with {sha('rot')}"
    with pytest.raises(IntegrityError, match=message):
        check_before_signing(
            record, rehash=lambda name: (sha("rot"), 7) if name == published.sha256 else whole(name), rejudge=same
        )


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.REPRODUCED])
def test_another_verdict_when_judged_again(verdict):
    record = record_cases.reproduced()
    again = with_comparison(record, verdict=verdict).comparison
    with pytest.raises(IntegrityError, match=f"found less_668-1_amd64.deb {verdict.value} when judged again"):
        check_before_signing(record, rehash=stored(record), rejudge=lambda _: again)


def test_a_comparison_that_forgets_a_file():
    record = record_cases.reproduced()
    with pytest.raises(IntegrityError, match="when judged again"):
        check_before_signing(record, rehash=stored(record), rejudge=lambda _: Comparison(artifacts=()))


def test_digests_must_bear_out_the_verdict():
    record = with_comparison(record_cases.different_declared(), verdict=Verdict.REPRODUCED)
    with pytest.raises(IntegrityError, match="to bear out its verdict, found reproduced"):
        check_before_signing(record, rehash=stored(record), rejudge=same)


def test_the_run_has_the_worst_verdict_of_the_named_files():
    record = record_cases.different_assumed().model_copy(update={"verdict": Verdict.REPRODUCED})
    with pytest.raises(IntegrityError, match="expected the run's verdict reproduced to be its worst, found different"):
        check_before_signing(record, rehash=stored(record), rejudge=same)
    none = with_comparison(record_cases.reproduced(), named=False)
    with pytest.raises(IntegrityError, match="found no named artifact"):
        check_before_signing(none, rehash=stored(none), rejudge=same)
