"""Every error Rebuilder raises, by whose fault it is, with the exit code it leads to.

An error here is never a verdict about a publisher, with one exception: ``Stopped`` carries the verdict
that ended a run before anything could be compared. A message says what was expected, what was found,
and what to do next; ``hint`` holds the last part where it stands on its own.
"""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rebuilder.model import Verdict

EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_OUR_FAULT = 3
EXIT_INTERRUPTED = 130


class RebuilderError(Exception):
    """Root of all expected errors. ``exit_code`` is what the command ends with."""

    exit_code = EXIT_OUR_FAULT

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RebuilderError):
    """The person's input is wrong: a purl, a path, a recipe, a missing key. Nothing was done."""

    exit_code = EXIT_USAGE


class RecipeError(UsageError):
    """A recipe or lock does not hold to its format. The message names file, line and key."""


class InfrastructureError(RebuilderError):
    """Our own side failed: Docker, disk, memory, a helper program. Proves nothing; retry."""


class IntegrityError(InfrastructureError):
    """Bytes of ours (store, cache, image) are not what their digest says. Never used, never signed."""


class DigestMismatchError(RebuilderError):
    """A stream's bytes are not what was expected. Who is at fault depends on where they came from."""


class TooLargeError(RebuilderError):
    """A stream or file went past the bound that was set for it."""


class VerificationError(RebuilderError):
    """A bundle did not verify. ``exit_code`` is one of 20 to 23, see ``verify-bundle``."""

    def __init__(self, message: str, *, exit_code: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


class Stopped(Exception):  # noqa: N818 - not an error: an outcome that ends the run early
    """A run ended before comparison, with a verdict that holds for every artifact.

    Raised by stages for ``refused``, ``unavailable`` and ``build-failed`` only; ``pipeline`` turns it
    into a record. ``missing`` lists what could not be had, one item a line of the report.
    """

    def __init__(self, verdict: Verdict, reason: str, *, missing: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.reason = reason
        self.missing = missing


class NoMessage(Stopped):
    """What came is no whole signed message at all: a portal's page, a body that was cut off. Always
    ``unavailable``, and no more than a silence: it says nothing about the publisher, good or bad."""


#: Of a message that anything may be in, so many characters are kept.
_MAX_TOLD = 400


def told(error: Exception) -> str:
    """Any exception as words for a record: which, what it says, and of a bug of ours also where. It holds no path of
    this machine, and nothing that JSON cannot hold; it may hold hostile text, so whoever shows it cleans it."""
    if isinstance(error, Stopped):
        return _plain(error.reason)
    if isinstance(error, RebuilderError):
        return _plain(error.message)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError):
        return _plain(error.strerror or error.__class__.__name__)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {PurePath(last[0].filename).name}:{last[0].lineno}" if last else ""
    return f"{error.__class__.__name__}{place}: {_plain(str(error)) or 'no message'}"


def _plain(text: str) -> str:
    cut = text[:_MAX_TOLD] + (" ..." if len(text) > _MAX_TOLD else "")
    return cut.encode("utf-8", "backslashreplace").decode()
