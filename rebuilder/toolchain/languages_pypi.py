"""Wheels: which ones requirements come to, and their bytes by sha256. pip decides, inside the build's own root.

Requirements come out of a project and are hostile: only names, extras, versions and markers pass, never an option or
an address. What ties a wheel to the index is the sha256 the index names for it: pip checks it on arrival, its report
names it, and the bytes are checked against it once more here. An index that names none is believed the first time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from pydantic import ValidationError

from rebuilder.errors import InfrastructureError, Stopped, UsageError
from rebuilder.lock import LanguagePackage
from rebuilder.model import Verdict
from rebuilder.toolchain import pip_words
from rebuilder.toolchain.fetching import Answer

MAX_WHEELS = 1000
MAX_REQUIREMENTS = 1000
_MAX_REQUIREMENT = 1000


#: The wheel of pip that chooses as of a day: Debian's own pip cannot (`--uploaded-prior-to` came with pip 26).
NEWER_PIP: Final = LanguagePackage(
    system="pypi",
    name="pip",
    version="26.3",
    file="pip-26.3-py3-none-any.whl",
    sha256="f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
    size=1_950_951,
)
#: An index may still be adding files of a day that has just passed.
SETTLED: Final = timedelta(days=3)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What pip is to choose wheels for."""

    requirements: tuple[str, ...]
    #: Nothing that was uploaded then or later is chosen; seconds since 1970.
    as_of: int | None = None
    #: ``name==version``, whatever the day.
    pins: tuple[str, ...] = ()

    @classmethod
    def checked(cls, requirements: Iterable[str], as_of: int | None, pins: Iterable[str]) -> Wanted:
        """``UsageError`` for what is no requirement, no day and no pin."""
        day(as_of)
        return cls(requirements=checked(requirements), as_of=as_of, pins=checked_pins(pins))

    @property
    def question(self) -> tuple[str, ...]:
        """What its answer is remembered by."""
        more = (f"as of {self.as_of}", *self.pins, "for") if self.as_of is not None or self.pins else ()
        return (*more, *self.requirements)

    @property
    def settled(self) -> datetime | None:
        """An answer that was given then or later holds for ever."""
        return None if self.as_of is None else day(self.as_of) + SETTLED

    @property
    def when(self) -> str:
        """The day in words, with a space before it; empty: now."""
        return when(self.as_of)

    def files(self) -> dict[str, bytes]:
        """What the container finds of it."""
        found = {"requirements.txt": "".join(f"{line}\n" for line in self.requirements).encode()}
        if self.pins:
            found["pins.txt"] = "".join(f"{line}\n" for line in self.pins).encode()
        if self.as_of is not None:
            found["as-of"] = day(self.as_of).isoformat().encode()
        return found


def day(as_of: int | None) -> datetime:
    """The time of these seconds since 1970, in UTC. ``UsageError`` for one that no clock shows."""
    try:
        return datetime.fromtimestamp(as_of or 0, UTC)
    except (ValueError, OverflowError, OSError) as error:
        msg = f"expected a time in seconds since 1970, found {as_of}"
        raise UsageError(msg, hint="toolchain.as_of of the recipe names it") from error


def when(as_of: int | None) -> str:
    """The day in words, with a space before it; empty: now."""
    return "" if as_of is None else f" as of {day(as_of):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel that pip chose, before it was fetched."""

    name: str
    version: str
    file: str
    sha256: str

    def locked(self, size: int) -> LanguagePackage:
        """As a lock holds it."""
        return LanguagePackage(
            system="pypi", name=self.name, version=self.version, file=self.file, sha256=self.sha256, size=size
        )


def checked(requirements: Iterable[str]) -> tuple[str, ...]:
    """The requirements as pip is given them, sorted. ``UsageError`` for one that is none (PEP 508), or is an
    address: what lies there would have to be built to be looked at."""
    found: set[str] = set()
    for text in requirements:
        try:
            requirement = Requirement(text[:_MAX_REQUIREMENT])
        except InvalidRequirement as error:
            msg = f"expected a requirement such as 'flit_core >=3.4', found {text[:200]!r}"
            raise UsageError(msg, hint="the build requirements of the project have to hold to PEP 508") from error
        if requirement.url is not None:
            msg = f"the requirement {requirement.name} names an address; only packages of an index can be fetched"
            raise UsageError(msg, hint=f"name a version of it instead: {requirement.name} == VERSION")
        found.add(str(requirement))
    if len(found) > MAX_REQUIREMENTS:
        msg = f"expected at most {MAX_REQUIREMENTS} requirements, found {len(found)}"
        raise UsageError(msg)
    return tuple(sorted(found))


def checked_pins(pins: Iterable[str]) -> tuple[str, ...]:
    """Each as ``name==version``, sorted. ``UsageError`` for one that is anything else, or names another version too."""
    found: dict[str, Version] = {}
    for text in pins:
        name, equals, version = text[:_MAX_REQUIREMENT].partition("==")
        try:
            pin = Version(version)
            if not equals or Requirement(name).name != name.strip():
                raise InvalidVersion(text)  # noqa: TRY301 - one message for every text that is no pin
        except (InvalidVersion, InvalidRequirement) as error:
            msg = f"expected a pin such as 'hatchling==1.18.0', found {text[:200]!r}"
            raise UsageError(msg) from error
        if found.setdefault(canonicalize_name(name.strip()), pin) != pin:
            msg = f"{name.strip()} is pinned to two versions: {found[canonicalize_name(name.strip())]} and {pin}"
            raise UsageError(msg)
    return tuple(sorted(f"{name}=={version}" for name, version in found.items()))


def chosen(answer: Answer, hosts: tuple[str, ...], wanted: Wanted) -> tuple[Wheel, ...]:
    """The wheels of pip's report, by name. ``Stopped(unavailable)`` says why pip found none."""
    if answer.tried.status != 0:
        alone = bool(answer.said("pins"))
        bounds = pip_words.Bounds(when="" if alone else wanted.when, pins=wanted.pins, only_pins=alone)
        raise pip_words.refusal(answer.tried.log, answer.said("versions"), hosts, bounds)
    try:
        rows = json.loads(answer.text("report.json"))["install"]
        found = [_wheel(row) for row in rows[: MAX_WHEELS + 1]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"expected pip's report on what it chose, found another document: {type(error).__name__}: {error}"
        raise InfrastructureError(msg) from error
    if len(found) > MAX_WHEELS:
        reason = f"the requirements come to more than {MAX_WHEELS} packages"
        raise Stopped(Verdict.UNAVAILABLE, reason)
    return tuple(sorted(found, key=lambda wheel: wheel.name))


def exact(wheels: Iterable[Wheel]) -> bytes:
    """The file by which pip fetches exactly these, each by its hash."""
    lines = (f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)
    return "".join(lines).encode()


def why_lacking(wheel: Wheel, answer: Answer, hosts: tuple[str, ...]) -> str:
    """Why that one did not come, in words."""
    one = answer.items().get(f"{wheel.name}=={wheel.version}", answer.tried)
    return pip_words.fault(one.log, hosts) if one.status else "the index gives another file for it"


def _wheel(row: Any) -> Wheel:  # noqa: ANN401 - any JSON
    """One row of the report. The names are an index's: the file's has to say the same as the metadata's."""
    name, version = str(row["metadata"]["name"])[:214], str(row["metadata"]["version"])[:256]
    if row.get("is_direct"):
        reason = f"{name} {version} comes from an address that another package names, not from the index"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{name} {version}",))
    info = row["download_info"]
    file = unquote(PurePosixPath(urlsplit(str(info["url"])).path).name)
    try:
        named, stated, _, _ = parse_wheel_filename(file)
        if named != canonicalize_name(name) or stated != Version(version):
            raise InvalidWheelFilename(file)  # noqa: TRY301 - one message for every bad name
        sha256 = str(info["archive_info"]["hashes"]["sha256"])
        wheel = Wheel(name=named, version=str(stated), file=file, sha256=sha256)
        wheel.locked(0)
    except (InvalidWheelFilename, InvalidVersion, ValidationError) as error:
        reason = f"the index names a file of {name} {version} that is no wheel of it: {file[:200]!r}"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{name} {version}",)) from error
    except KeyError as error:
        reason = f"the index names no sha256 for {file[:200]!r}"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"{name} {version}",)) from error
    return wheel
