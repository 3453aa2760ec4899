"""What a failed build's own words say of why: it asked for the network, or wrote where nothing can be written. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rebuilder.model import Attempt, FailureReason

#: Of a log, so much of its end is read: what fails says so last.
MAX_LOG = 1024 * 1024
_MAX_SHOWN = 5
#: Groups and repeats that give nothing back (`(?>`, `{}+`): a log can be made to be slow to read.
_HOST = rb"(?>([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?))"
_NETWORK = tuple(
    re.compile(pattern)
    for pattern in (
        rb"Could not resolve (?:host|proxy):? '?" + _HOST,
        rb"unable to resolve host address .{0,3}?" + _HOST,
        rb"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) " + _HOST,
        rb"(?:NameResolutionError|HTTPS?Connection(?:Pool)?)\(\"?(?:<[^>]{0,200}>: )?(?:HTTPSConnection\()?host='"
        + _HOST,
        rb"Failed to resolve '" + _HOST,
        rb"dial (?:tcp|udp):? lookup " + _HOST,
        rb"lookup " + _HOST + rb"(?: on [^:]{1,60}:[0-9]{1,5})?: (?:no such host|dial)",
        rb"failed to lookup address information.{0,200}?://" + _HOST,
        rb"Temporary failure resolving '" + _HOST,
        rb"UnknownHostException: " + _HOST,
        rb"https?://"
        + _HOST
        + rb"[^\s'\"]{0,300}+['\"]?:? ?(?:Temporary failure|Name or service not known|Network is unr)",
        rb"ssh: Could not resolve hostname " + _HOST,
    )
)
_ANY_NETWORK = re.compile(
    rb"Temporary failure in name resolution|Name or service not known|Network is unreachable|No route to host|"
    rb"ENETUNREACH"
)
#: In a locale of UTF-8 the quotes of GNU's tools are no ASCII.
_OPENING, _CLOSING = rb"(?:['\"`\s:]|\xe2\x80\x98)", rb"(?:['\"`]|\xe2\x80\x99)"
_PATH = rb"((?:/[\w.+@~-]{1,100}+){1,12}+)"
_READ_ONLY = re.compile(_OPENING + _PATH + _CLOSING + rb"?:? ?[^\n/]{0,60}?[Rr]ead-only file system")
_EROFS = re.compile(rb"EROFS[^\n]{0,100}?'" + _PATH + rb"'|Read-only file system: '((?:/[^'\n]{1,200}))'")


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a build gave no outputs, and what to do about it."""

    words: str
    hint: str = ""


def reason(attempt: Attempt, log: bytes) -> Reason:
    """The reason in words; what the log says of network and disk goes first. ``log`` is its last part."""
    ended = attempt.detail or (attempt.failure.value if attempt.failure else "it made no outputs")
    if attempt.failure is FailureReason.TIME_LIMIT:
        hint = "it may hang: look at the end of its log; raise limits.seconds if it is only slow"
        return Reason(words=ended, hint=hint)
    if hosts := asked_hosts(log):
        return Reason(
            words=f"{ended}; it asked the network for {', '.join(hosts)}",
            hint="a build has no network here: name what it fetches as a dependency, or put it into the source",
        )
    if _ANY_NETWORK.search(log):
        return Reason(
            words=f"{ended}; it asked the network for something",
            hint="a build has no network here: name what it fetches as a dependency, or put it into the source",
        )
    if paths := barred_paths(log):
        return Reason(
            words=f"{ended}; it wrote outside of its tree: {', '.join(paths)}",
            hint="only the tree, $HOME and $TMPDIR can be written; let it write there",
        )
    return Reason(words=ended, hint="the log of the build says more")


def asked_hosts(log: bytes) -> tuple[str, ...]:
    """Hosts whose names the build could not look up, in the order of the log; the first few."""
    places = ((found.start(), found.group(1)) for pattern in _NETWORK for found in pattern.finditer(log))
    names = dict.fromkeys(host.decode("ascii") for _, host in sorted(places))
    return tuple(names)[:_MAX_SHOWN]


def barred_paths(log: bytes) -> tuple[str, ...]:
    """Paths of the root filesystem that the build tried to write; the first few."""
    found = [match.group(1) for match in _READ_ONLY.finditer(log)]
    found += [match.group(1) or match.group(2) for match in _EROFS.finditer(log)]
    return tuple(dict.fromkeys(path.decode("utf-8", "replace") for path in found))[:_MAX_SHOWN]
