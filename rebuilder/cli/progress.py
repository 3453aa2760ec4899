"""What `verify` shows while it works: a live view on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rebuilder.report.text import clean

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

TAIL_LINES = 8
#: A plain log gets at most one build line in this many seconds, so that a CI log stays readable.
PLAIN_LINE_SECONDS = 5.0
STAGES = (
    "resolve", "endorse", "fetch", "toolchain", "sandbox", "compare", "explain", "attest", "log", "report",
)


class Quiet:
    """The ``Progress`` port that shows nothing."""

    def stage(self, name: str, detail: str = "") -> None:
        """Nothing."""

    def line(self, text: str) -> None:
        """Nothing."""


class PlainProgress:
    """One line a stage on stderr, with the time since the start; now and then a line of the log."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._last_line = 0.0

    def stage(self, name: str, detail: str = "") -> None:
        """Print the stage that begins."""
        self._print(f"{name}{': ' + clean(detail) if detail else ''}")

    def line(self, text: str) -> None:
        """Print a log line if none was printed lately."""
        now = time.monotonic()
        if now - self._last_line >= PLAIN_LINE_SECONDS:
            self._last_line = now
            self._print(f"  | {clean(text)[:160]}")

    def _print(self, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._begin), 60)
        sys.stderr.write(f"[{minutes:02}:{seconds:02}] {text}\n")
        sys.stderr.flush()


class LiveProgress:
    """Stages with their times and the tail of the log, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._started = self._begin
        self._done: list[tuple[str, float]] = []
        self._current, self._detail = "start", ""
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def stage(self, name: str, detail: str = "") -> None:
        """The stage that runs now."""
        now = time.monotonic()
        if name != self._current:
            self._done.append((self._current, now - self._started))
            self._current, self._started = name, now
            self._tail.clear()
        self._detail = clean(detail)

    def line(self, text: str) -> None:
        """One more line at the bottom."""
        self._tail.append(clean(text))

    def __rich__(self) -> RenderableType:
        from rich.text import Text

        now = time.monotonic()
        done = [(f"  ✓ {name:<10}{seconds:7.1f} s", "dim") for name, seconds in self._done]
        current = (f"  ● {self._current:<10}{now - self._started:7.1f} s  {self._detail}", "bold")
        tail = [(f"    {line}", "dim") for line in self._tail]
        # A low terminal shows the newest: what is done goes first, then the older lines of the log.
        room = max(0, self._console.height - 3)
        tail = tail[max(0, len(tail) - room) :]
        done = done[max(0, len(done) - (room - len(tail))) :]
        rows = [*done, current, *tail, (f"  elapsed {now - self._begin:.0f} s", "dim")]
        return Text("\n", no_wrap=True, overflow="ellipsis").join(Text(line, style=style) for line, style in rows)


@contextmanager
def shown(*, quiet: bool) -> Iterator[Quiet | PlainProgress | LiveProgress]:
    """The progress display that fits this terminal, while the block runs."""
    if quiet:
        yield Quiet()
    elif not sys.stderr.isatty():
        yield PlainProgress()
    else:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        progress = LiveProgress(console)
        with Live(progress, console=console, refresh_per_second=5, transient=True):
            yield progress
