"""What a run knows so far: filled stage by stage, frozen once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from rebuilder.cli.progress import Quiet
from rebuilder.errors import Stopped
from rebuilder.journal import Journal
from rebuilder.model import Input, Origin, Verdict

START = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)


class Ticking:
    """A clock on which each look takes a second."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        self.looks += 1
        return START + timedelta(seconds=self.looks - 1)


def new_journal() -> Journal:
    return Journal("pkg:deb/debian/less", "run-1", Ticking(), Quiet())


def test_a_stage_is_in_the_timeline_however_it_ends() -> None:
    journal = new_journal()
    with journal.stage("resolve"):
        pass
    with pytest.raises(KeyboardInterrupt), journal.stage("sandbox"):
        raise KeyboardInterrupt
    assert [(time.stage, time.seconds) for time in journal.timeline] == [("resolve", 1.0), ("sandbox", 1.0)]


def test_a_stop_is_the_verdict_of_the_run_with_all_that_is_missing() -> None:
    journal = new_journal()
    journal.stopped(Stopped(Verdict.UNAVAILABLE, "2 of 3 files could not be had", missing=("a:b", "a:c")))
    record = journal.record("0", None)
    assert (record.verdict, record.missing) == (Verdict.UNAVAILABLE, ("a:b", "a:c"))
    assert record.comparison is None
    assert (record.started, record.run_id) == (START, "run-1")


def test_without_a_verdict_there_is_no_record() -> None:
    with pytest.raises(ValidationError, match="verdict"):
        new_journal().record("0", None)


def test_a_later_word_on_an_input_replaces_the_earlier_and_a_warning_is_said_once() -> None:
    journal = new_journal()
    assert journal.origin("toolchain", Origin.ASSUMED) is Origin.ASSUMED
    journal.add_inputs((Input(name="toolchain", value="lock", origin=Origin.PINNED, evidence="the recipe"),))
    assert journal.origin("toolchain", Origin.ASSUMED) is Origin.PINNED
    journal.relocked()
    journal.relocked()
    journal.verdict(Verdict.REPRODUCED, "every byte equal")
    record = journal.record("0", None)
    assert [item.origin for item in record.inputs] == [Origin.ASSUMED]
    assert [("--relock" in text) for text in record.warnings] == [True]
