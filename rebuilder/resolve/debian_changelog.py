"""The newest entry of a Debian changelog: its version and time. Pure. Spec: deb-changelog(5), Debian Policy 4.4."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from rebuilder import deb822

#: An entry written by a builder is five lines; nothing near this size is one.
ENTRY_LIMIT = 16 * 1024
_HEADER = re.compile(r"([a-z0-9][a-z0-9+.-]*) \(([^() \t]+)\)((?:[ \t]+[A-Za-z0-9+.-]+)+);(.*)\Z")
_TRAILER = re.compile(
    r" -- .* <.*>  ((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [ 0-9]?[0-9] [A-Z][a-z]{2} [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4})\s*\Z"
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The newest entry. ``epoch``: its time in seconds since 1970, which becomes SOURCE_DATE_EPOCH."""

    source: str
    version: str
    options: str
    epoch: int
    text: str
    #: Whether anything but blank lines follows.
    more: bool


def newest_entry(data: bytes) -> Entry:
    """Parse the first entry of a changelog, or of its first part.

    Raises ``deb822.Malformed`` if the text does not begin with a whole entry in the strict form that
    needs no guessing about its date.
    """
    text = data.decode("utf-8", "replace")
    rows = text.split("\n")
    start = next((number for number, row in enumerate(rows) if row.strip()), None)
    header = _HEADER.match(rows[start].rstrip()) if start is not None else None
    if start is None or header is None:
        found = rows[start][:120] if start is not None else ""
        msg = f"expected a changelog to begin with 'name (version) suite; options', found {found!r}"
        raise deb822.Malformed(msg)
    for number in range(start + 1, len(rows)):
        row = rows[number]
        if row[:1] not in {"", " ", "\t"}:
            break
        if row.startswith(" -- "):
            return Entry(
                source=header[1],
                version=header[2],
                options=header[4].strip(),
                epoch=_seconds(row),
                text="\n".join(rows[start : number + 1]) + "\n",
                more=any(rest.strip() for rest in rows[number + 1 :]),
            )
    msg = f"changelog entry {header[1]} ({header[2]}): expected a line ' -- name <email>  date' at its end, found none"
    raise deb822.Malformed(msg)


def binary_only_entry(data: bytes, source: str, version: str) -> bytes:
    """The entry that the archive's builders put on top for a rebuild without source changes.

    It is the only text ever taken from a published package (design section 3), so it is taken only in the
    strict form: one entry, for exactly this source and version, marked `binary-only=yes`, printable text.
    Raises ``deb822.Malformed`` for anything else.
    """
    entry = newest_entry(data)
    if (entry.source, entry.version) != (source, version):
        msg = f"expected the changelog entry {source} ({version}), found {entry.source} ({entry.version})"
        raise deb822.Malformed(msg)
    options = {option.strip() for option in entry.options.split(",")}
    if "binary-only=yes" not in options:
        msg = f"changelog entry {source} ({version}) is not marked binary-only=yes; it stays where it is"
        raise deb822.Malformed(msg)
    if len(entry.text) > ENTRY_LIMIT or not all(row.isprintable() for row in entry.text.split("\n")):
        msg = f"changelog entry {source} ({version}) is longer than {ENTRY_LIMIT} characters or not printable text"
        raise deb822.Malformed(msg)
    return entry.text.encode()


def _seconds(trailer: str) -> int:
    match = _TRAILER.match(trailer)
    try:
        if match is not None:
            # The name of the day is not part of the time, and old changelogs have it wrong.
            moment = datetime.strptime(match[1].partition(", ")[2].strip(), "%d %b %Y %H:%M:%S %z")
            return int(moment.timestamp())
    except ValueError:
        pass
    msg = f"expected a changelog date as in RFC 5322, found {trailer[:160]!r}"
    raise deb822.Malformed(msg)
