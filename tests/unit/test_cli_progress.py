"""The display: plain lines where nobody can redraw, a live view that fits the terminal, nothing when quiet."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rebuilder.cli import progress as module
from rebuilder.cli.progress import LiveProgress, PlainProgress, Quiet, shown

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\u202egnp.exe"


def drawn(*, width: int, height: int) -> list[str]:
    """A live view in the middle of a build, as lines of that terminal."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    live = LiveProgress(console)
    for stage in ("resolve", "endorse", "fetch", "toolchain"):
        live.stage(stage)
    live.stage("sandbox", f"step 2 of 2: {HOSTILE} {'x' * 200}")
    for number in range(30):
        live.line(f"line {number} {HOSTILE} {'y' * 200}")
    return ["".join(piece.text for piece in line) for line in console.render_lines(live, pad=False)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 24), (20, 6), (80, 3)])
def test_the_live_view_fits_and_shows_the_newest(width: int, height: int) -> None:
    lines = drawn(width=width, height=height)
    assert len(lines) <= height - 1
    assert all(len(line) <= width for line in lines)
    assert "elapsed" in lines[-1]
    assert any("● sandbox" in line for line in lines)
    if height > 3:
        assert any("line 29" in line for line in lines)
        assert not any("line 21 " in line for line in lines)


def test_untrusted_text_reaches_no_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    plain = PlainProgress()
    plain.stage("sandbox", HOSTILE)
    plain.line(HOSTILE)
    for text in (capsys.readouterr().err, "\n".join(drawn(width=80, height=24))):
        assert "\\x1b" in text
        assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)


def test_plain_lines_are_few(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    plain = PlainProgress()
    plain.stage("resolve")
    for _ in range(700):
        now += 0.1
        plain.line("z" * 500)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[00:00] resolve"
    assert 13 <= len(lines) <= 16
    assert lines[-1].startswith("[01:0")
    assert all(len(line) < 200 for line in lines)


def test_which_display_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with shown(quiet=True) as progress:
        assert isinstance(progress, Quiet)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with shown(quiet=False) as progress:
        assert isinstance(progress, PlainProgress)
