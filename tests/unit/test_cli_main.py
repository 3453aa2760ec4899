"""Exceptions become exit codes and sentences in one place, and every way of ending has its own."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from rebuilder import cli as module
from rebuilder.errors import IntegrityError, RecipeError, Stopped, UsageError
from rebuilder.model import Verdict


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    kept = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for each, handler in kept.items():
        signal.signal(each, handler)


def ending(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Any:
    """The exit code of a command that ended with this exception."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(module.cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        module.main()
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UsageError("expected x, found y", hint="do z"), 2, "rebuilder: expected x, found y\n  next: do z\n"),
        (IntegrityError("the store"), 3, "rebuilder: the store\n"),
        (RecipeError("a:1: first\na:2: second"), 2, "rebuilder: a:1: first\na:2: second\n"),
        (UsageError("red \x1b[31m", hint="\x9b2J"), 2, "rebuilder: red \\x1b[31m\n  next: \\x9b2J\n"),
        (Stopped(Verdict.UNAVAILABLE, "gone", missing=("a", "b")), 15,
         "rebuilder: unavailable: gone\n  missing: a\n  missing: b\n"),
        (Stopped(Verdict.REFUSED, "bad signature"), 14, "rebuilder: refused: bad signature\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/s/x"), 3, "free some disk"),
        (OSError(errno.EACCES, "Permission denied", "/s/x"), 3, "could not work below /s/x: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half-done was kept\n"),
        (click.Abort(), 130, "interrupted; nothing half-done was kept\n"),
    ],
)  # fmt: skip
def test_how_it_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, says: str
) -> None:
    assert ending(monkeypatch, error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


@pytest.mark.parametrize("error", [ZeroDivisionError("one \x1b[2J"), OSError(errno.ENOENT, "No such file", "/x")])
def test_a_bug_is_called_ours_and_leaves_its_traceback_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, error: Exception
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert ending(monkeypatch, error) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"rebuilder: a bug of ours: {type(error).__name__}: ")
    assert "nothing was signed" in said
    assert "\x1b" not in said
    assert "Traceback" in next(tmp_path.glob("rebuilder-bug-*.txt")).read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_as_an_interruption_does(number: signal.Signals) -> None:
    module.interrupt_on_signals()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_a_signal_that_was_told_to_be_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    module.interrupt_on_signals()
    signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize(
    ("words", "says"),
    [(["verfy"], "no command 'verfy'; did you mean 'verify'?"), (["--frob"], "No such option"), (["frob"], "'frob'\n")],
)
def test_an_unknown_word_is_named_with_its_neighbour(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["rebuilder", *words])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
