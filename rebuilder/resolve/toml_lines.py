"""Where a key stands in a TOML text, so that an error can name its line: pure.

``tomllib`` gives values without positions. This scan follows table headers and ``key =`` lines only; it
decides nothing but the line number of a message, and falls back to the nearest enclosing table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?\Z")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'))*)\s*=")

Location = Sequence[str | int]


def line_of(text: str, location: Location) -> int:
    """1-based line of the key at ``location`` (names, and indexes within arrays), or of the nearest table
    around it, or 1."""
    places = _places(text)
    wanted = tuple(location)
    while wanted:
        within = [line for place, line in places.items() if place[: len(wanted)] == wanted]
        if within:
            return min(within)
        wanted = wanted[:-1]
    return 1


def _places(text: str) -> dict[tuple[str | int, ...], int]:
    places: dict[tuple[str | int, ...], int] = {}
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        if fence:
            fence = "" if fence in line else fence
            continue
        header = _HEADER.match(line)
        key = _KEY.match(line)
        if header:
            table = _within(_parts(header[2]), counts, new_element=header[1] == "[[")
            places.setdefault(table, number)
        elif key:
            places.setdefault((*table, *_parts(key[1])), number)
            fence = _open_fence(line[key.end() :])
    return places


def _within(parts: list[str], counts: dict[tuple[str | int, ...], int], *, new_element: bool) -> tuple[str | int, ...]:
    """The path of a header, with the index of the newest element for each array of tables on the way."""
    path: tuple[str | int, ...] = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if new_element and position == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", dotted)]


def _open_fence(value: str) -> str:
    """The quotes of a multi-line string that starts on this line and does not end on it."""
    for quotes in ('"""', "'''"):
        if value.count(quotes) == 1:
            return quotes
    return ""
