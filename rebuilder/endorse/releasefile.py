"""The signed text of an `InRelease`, read strictly: pure.

Spec: wiki.debian.org/DebianRepository/Format and apt-secure(8). Of the digest tables only `SHA256` is read;
MD5 and SHA-1 vouch for nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from rebuilder import deb822
from rebuilder.ports import VerifiedRelease

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), {1,2}(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) "
    r"(\d{1,2}):(\d\d):(\d\d) (?:UTC|GMT|Z|\+0000)",
    re.ASCII,
)


@dataclass(frozen=True, kw_only=True)
class ReleaseText:
    """What a `Release` file says. ``lists`` maps path -> (sha256, size in bytes)."""

    suite: str
    codename: str
    date: datetime
    valid_until: datetime | None
    lists: dict[str, tuple[str, int]]


def read(text: bytes) -> ReleaseText:
    """Read signed text, and signed text only. Raises ``deb822.Malformed`` naming the field at fault."""
    found = {name.lower(): value for name, value in _one_paragraph(text).items()}
    for needed in ("Date", "SHA256"):
        if not found.get(needed.lower()):
            msg = f"expected a field {needed!r}, found none"
            raise deb822.Malformed(msg)
    suite, codename = found.get("suite", ""), found.get("codename", "")
    if not (suite or codename):
        msg = "expected a field 'Suite' or 'Codename', found neither"
        raise deb822.Malformed(msg)
    until = found.get("valid-until")
    return ReleaseText(
        suite=suite,
        codename=codename,
        date=_moment(found["date"], "Date"),
        valid_until=_moment(until, "Valid-Until") if until else None,
        lists={name: (sha256, size) for sha256, size, name in deb822.checksums(found["sha256"])},
    )


def expired(release: VerifiedRelease, at: datetime) -> bool:
    """Whether the publisher itself no longer stands by the index at that time (aware)."""
    return release.valid_until is not None and at > release.valid_until


def _one_paragraph(text: bytes) -> dict[str, str]:
    found = list(deb822.paragraphs(text))
    if len(found) != 1:
        msg = f"expected one paragraph, found {len(found)}"
        raise deb822.Malformed(msg)
    return deb822.fields(found[0])


def _moment(value: str, field: str) -> datetime:
    """A time as the archive writes it, always in UTC whatever the locale: ``Sat, 12 Sep 2026 07:55:41 UTC``."""
    match = _DATE.fullmatch(value)
    if match and match[2] in _MONTHS:
        day, _, year, hour, minute, second = match.groups()
        try:
            return datetime(
                int(year), _MONTHS.index(match[2]) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
            )
        except ValueError:
            pass
    msg = f"field {field!r}: expected a time like 'Sat, 12 Sep 2026 07:55:41 UTC', found {value[:80]!r}"
    raise deb822.Malformed(msg)
