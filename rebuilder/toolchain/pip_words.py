"""What pip's words mean. pip has one exit status for all that can go wrong, so its log has to be read.

The log is hostile in part: names and addresses in it are an index's. It decides words of a report, nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from rebuilder.errors import Stopped
from rebuilder.model import Verdict

_LACKING = re.compile(r"No matching distribution found for (.{1,300})")
_VERSIONS = re.compile(r"^Available versions: (.{1,20000})", re.MULTILINE)
_UNREACHED = re.compile(r"^Could not fetch URL (\S+?): (.{1,400})", re.MULTILINE)
_OTHER_PYTHON = re.compile(r"Link requires a different Python \((\S{1,40}) not in: '([^'\n]{1,100})'\)")
_WHEEL_LINK = re.compile(r"/[A-Za-z0-9_.]{1,200}-([^-/\s]{1,100})-[^/\s]{1,200}\.whl")
_BROKEN = re.compile(r"connection broken by '?(.{1,400})")
_REFUSED = re.compile(r"\b((?:401|403|407|429|5\d\d) (?:Client |Server )?Error.{0,200})")
_HOST = re.compile(r"https?://(?:\*\*\*@)?([^/\s'\"):]+(?::\d+)?)")
_CONFLICT = re.compile(r"The conflict is caused by:\n((?: .{1,300}\n?){1,50})")
_MISMATCH = re.compile(r"^ {4}(\S{1,200}) from ", re.MULTILINE)
_COLLECTING = re.compile(r"^ *Collecting (\S.{0,200}?)(?: \(from .*)?$", re.MULTILINE)
_ERROR = re.compile(r"^ERROR: (.{1,400})", re.MULTILINE)
_BUILDS = "no program is started while packages are fetched"
_PLAIN = re.compile(r"The repository located at (\S{1,260}) is not a trusted or secure host")
_OBJECT = re.compile(r"<[^<>]{1,200}>[:,]? ?")
_UNDATED = re.compile(r"ERROR: Index (\S{1,2000}) does not provide upload-time metadata")
_SHOWN_VERSIONS = 8


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What held pip besides the requirements."""

    #: The day in words, with a space before it; empty: now.
    when: str = ""
    #: ``name==version`` that held whatever the day.
    pins: tuple[str, ...] = ()
    #: What failed were these by themselves.
    only_pins: bool = False


NOTHING: Final = Bounds()


def refusal(log: str, versions: str, hosts: tuple[str, ...], bounds: Bounds = NOTHING) -> Stopped:
    """Why requirements were not met. ``versions`` is what ``pip index versions`` said of the one that was lacking."""
    if found := _UNDATED.search(log):
        host = (_HOST.findall(found[1]) or ["the index"])[0]
        reason = f"{host} does not say when files were uploaded, so that nothing can be chosen{bounds.when}"
        return Stopped(Verdict.UNAVAILABLE, reason, missing=(host,))
    if _BUILDS in log:
        reason = "it is no wheel, and would have to be built to be looked at: no code of a package runs while fetching"
        return _stopped(_last(_COLLECTING, log), reason)
    if "DO NOT MATCH THE HASHES" in log:
        return _stopped(_last(_MISMATCH, log), "the index gives other bytes than the digest it names")
    if found := _LACKING.search(log):
        return _lacking(found[1].partition(" (from ")[0].strip(), log, versions, hosts, bounds)
    if found := _CONFLICT.search(log):
        lines = tuple(line.strip() for line in found[1].splitlines())
        pinned = [pin for pin in bounds.pins if any(_names(line, pin) for line in lines)]
        against = f" or the pinned {', '.join(pinned)}" if pinned else ""
        reason = f"the requirements contradict each other{against}{bounds.when}, says pip"
        return Stopped(Verdict.UNAVAILABLE, reason, missing=lines)
    return _stopped(_last(_COLLECTING, log), fault(log, hosts))


def fault(log: str, hosts: tuple[str, ...]) -> str:
    """In words, why a wheel that is known by its sha256 did not come."""
    if "DO NOT MATCH THE HASHES" in log:
        return "the index gives other bytes than its sha256"
    if words := _unreached(log, hosts):
        return words
    if _LACKING.search(log):
        return "the index does not have this version as a wheel with this sha256"
    if "No space left" in log:
        return "it is larger than a container for fetching may hold"
    return f"pip failed: {_last(_ERROR, log) or log.strip().rpartition(chr(10))[2][:400] or 'it said nothing'}"


def _names(line: str, pin: str) -> bool:
    """Whether a line of pip's speaks of that pin: `The user requested (constraint) name==version`."""
    named = canonicalize_name(line.rpartition(" ")[2].partition("==")[0])
    return "(constraint)" in line and named == pin.partition("==")[0]


def _lacking(wanted: str, log: str, versions: str, hosts: tuple[str, ...], bounds: Bounds) -> Stopped:
    where = (f" ({', '.join(hosts)})" if hosts else "") + bounds.when
    pinned = "pinned " if bounds.only_pins else ""
    offered = _VERSIONS.search(versions)
    if offered is None:
        if words := _unreached(f"{versions}\n{log}", hosts):
            return _stopped(pinned + wanted, words)
        if found := _OTHER_PYTHON.search(versions):
            reason = f"every version is for another Python ({found[2]}) than the build's, {found[1]}"
            return _stopped(pinned + wanted, reason)
        reason = f"the index{where} has no package of that name that fits the build's interpreter"
        return _stopped(pinned + wanted, reason)
    known = [version.strip() for version in offered[1].split(",")]
    fitting = _fitting(wanted, known)
    if not fitting:
        some = ", ".join(known[:_SHOWN_VERSIONS]) + (", ..." if len(known) > _SHOWN_VERSIONS else "")
        return _stopped(pinned + wanted, f"the index{where} has no such version; it has {some}")
    wheels = set(_WHEEL_LINK.findall(versions))
    if wheels.isdisjoint(fitting):
        reason = f"the index{where} has it as a source archive only, no wheel; building one would run its code"
    else:
        reason = f"the index{where} has no wheel of it that fits the build's interpreter and machine"
    return _stopped(pinned + (f"{wanted} ({fitting[0]})" if wanted != fitting[0] else wanted), reason)


def _fitting(wanted: str, known: list[str]) -> list[str]:
    try:
        specifier = Requirement(wanted).specifier
        return [version for version in known if specifier.contains(version, prereleases=True)]
    except (InvalidRequirement, InvalidVersion):
        return known


def _unreached(log: str, hosts: tuple[str, ...]) -> str:
    """Which host did not answer as an index does, and how; empty if all did."""
    if unsafe := _PLAIN.search(log):
        return (
            f"{unsafe[1]} is asked without encryption, and is none of pip's trusted hosts; name it in rebuilder.toml "
            "([indexes] pypi) or as trusted-host of this host's pip"
        )
    found = [(url, reason) for url, reason in _UNREACHED.findall(log) if not reason.startswith("404 ")]
    if found:
        url, reason = found[-1]
        host = (_HOST.findall(url) or ["the index"])[0]
    elif broken := (_BROKEN.search(log) or _REFUSED.search(log)):
        host, reason = ", ".join(hosts or dict.fromkeys(_HOST.findall(log))) or "the index", broken[1]
    else:
        return ""
    plain = _OBJECT.sub("", reason).removesuffix(" - skipping").strip(" '\"")
    return f"{host} could not be reached: {plain}"


def _last(pattern: re.Pattern[str], log: str) -> str:
    return str((pattern.findall(log) or [""])[-1])


def _stopped(what: str, reason: str) -> Stopped:
    what = what or "a package"
    return Stopped(Verdict.UNAVAILABLE, f"the requirement {what} cannot be met: {reason}", missing=(what,))
