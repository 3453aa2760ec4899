"""Notes of what was held against its origin: they outlive the process, and say nothing of any other origin."""

from __future__ import annotations

from pathlib import Path

from rebuilder.store.seen import Seen

ORIGIN = ("ab" * 32, "cd" * 20, "", "True")


def test_a_note_outlives_the_process_and_is_of_one_origin_alone(tmp_path: Path) -> None:
    assert ORIGIN not in Seen(tmp_path / "seen")
    Seen(tmp_path / "seen").add(ORIGIN)
    again = Seen(tmp_path / "seen")
    again.add(ORIGIN)
    assert ORIGIN in again
    assert (*ORIGIN[:1], "ce" * 20, *ORIGIN[2:]) not in again
    assert (*ORIGIN, "") not in again
    assert "ab" not in again
