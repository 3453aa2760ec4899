"""What a failed build's own words say of why: it asked for the network, wrote where nothing can be written, called a
program that is not there, or told an error. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rebuilder.check.kinds.tree import shown
from rebuilder.model import Attempt, FailureReason

#: Of a log, so much of its end is read: what fails says so last.
MAX_LOG = 1024 * 1024
_MAX_SHOWN = 5
#: What to do where nothing better is known.
READ_THE_LOG = "read the end of its log, below"
NO_NETWORK = "a build has no network here: name what it fetches as a dependency, or put it into the source"
#: So many lines of the end, and so much of each, are read for programs and errors: what came before was survived.
_LINES, _LINE = 60, 1000
_TOLD = 200
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
_NAME = r"([A-Za-z0-9_./@+-]{1,100})"
_QUOTE = "['`\"\u2018\u2019]?"
_MISSING = tuple(
    re.compile(pattern)
    for pattern in (
        rf"[^\s:]{{1,200}}: (?:line )?[0-9]{{1,6}}: (?:exec: )?{_NAME}: (?:command )?not found\Z",
        rf"(?:[^\s:]{{0,200}}/)?(?:ba|da|z)?sh: {_NAME}: command not found\Z",
        rf"(?:g?make(?:\[[0-9]{{1,4}}\])?|xargs): {_NAME}: No such file or directory\Z",
        rf"(?:[^\s:]{{0,200}}/)?env: {_QUOTE}{_NAME}{_QUOTE}: No such file(?: or directory)?\Z",
        rf"(?:[a-z]{{1,20}}: )?could not run {_NAME}: No such file(?: or directory)?\Z",
    )
)
_OURS = "rebuilder: "
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_ERROR = re.compile(r"(?i:error(?:\[[a-z0-9-]{1,20}\]| [a-z]{1,3}[0-9]{1,6})?:)|npm (?:ERR!|error) |CMake Error ")
_OF_MAKE = re.compile(r"\*\*\* (?:\[|No rule )")
#: Where a program has not the name of its Debian package.
_PACKAGES: Mapping[str, str] = {
    "a2x": "asciidoc",
    "aclocal": "automake",
    "autoreconf": "autoconf",
    "c++": "g++",
    "cc": "gcc",
    "convert": "imagemagick",
    "go": "golang-go",
    "javac": "default-jdk-headless",
    "libtoolize": "libtool",
    "makeinfo": "texinfo",
    "msgfmt": "gettext",
    "ninja": "ninja-build",
    "node": "nodejs",
    "protoc": "protobuf-compiler",
    "python": "python-is-python3",
    "rst2man": "python3-docutils",
    "sphinx-build": "python3-sphinx",
}
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a build gave no outputs, and what to do about it."""

    words: str
    hint: str = ""


def reason(attempt: Attempt, log: bytes) -> Reason:
    """The reason in words; what the log says of network and disk goes first, then a program that is not there, then
    an error that is told near the end. ``log`` is its last part. Words and hint have no full stop."""
    ended = attempt.detail or (attempt.failure.value if attempt.failure else "it made no outputs")
    if attempt.failure is FailureReason.TIME_LIMIT:
        hint = "it may hang: look at the end of its log; raise limits.seconds if it is only slow"
        return Reason(words=ended, hint=hint)
    if hosts := asked_hosts(log):
        return Reason(
            words=f"{ended}; it asked the network for {', '.join(hosts)}",
            hint=NO_NETWORK,
        )
    if _ANY_NETWORK.search(log):
        return Reason(
            words=f"{ended}; it asked the network for something",
            hint=NO_NETWORK,
        )
    if paths := barred_paths(log):
        return Reason(
            words=f"{ended}; it wrote outside of its tree: {', '.join(paths)}",
            hint="only the tree, $HOME and $TMPDIR can be written; let it write there",
        )
    lines = _last_lines(log)
    if name := missing_program(log):
        return Reason(words=f"{ended}; the program {name} is not there", hint=_hint_of(name))
    if own := [line for line in lines if line.startswith(_OURS)]:
        return Reason(words=f"{ended}; {_told(own[-1].removeprefix(_OURS))}", hint=_hint_of_ours(own[-1]))
    told = _error(lines)
    return Reason(words=f"{ended}; {told}" if told else ended, hint=READ_THE_LOG)


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


def missing_program(log: bytes) -> str:
    """The program that the build called last of those that are not there, as it called it; or empty. One that the
    build did without, to fail of something else, is not meant."""
    lines = _last_lines(log)
    for number in range(len(lines) - 1, -1, -1):
        after = lines[number + 1 :]
        for pattern in _MISSING:
            if found := pattern.match(lines[number]):
                went_on = any(_ERROR.search(line) for line in after) and not any("127" in line for line in after)
                return "" if went_on else found.group(1)
    return ""


def _last_lines(log: bytes) -> tuple[str, ...]:
    """The last lines that say anything, without colours; what a shell traces is not said by anyone."""
    rows = log[-_LINES * _LINE :].splitlines()[-_LINES:]
    lines = (_COLOUR.sub("", row[:_LINE].decode("utf-8", "replace")).strip() for row in rows)
    return tuple(line for line in lines if line and not line.startswith("+"))


def _error(lines: Sequence[str]) -> str:
    """The first line of an error; a message of make only where no program said why."""
    for pattern in (_ERROR, _OF_MAKE):
        for line in lines:
            if pattern.search(line):
                return _told(line)
    return ""


def _told(line: str) -> str:
    return shown(" ".join(line.split()), _TOLD).rstrip(".: ")


def _hint_of(program: str) -> str:
    folder, _, name = program.rpartition("/")
    if folder and not program.startswith(("/bin/", "/sbin/", "/usr/")):
        return "is it in what is built (in Git, or made by an earlier step), and is the interpreter of its first line?"
    package = _PACKAGES.get(name, name)
    named = package if _PACKAGE.match(package) else "NAME"
    return f'add the Debian package that has it: packages = ["{named}"] in [tool.rebuilder.check]'


def _hint_of_ours(line: str) -> str:
    if line.startswith(f"{_OURS}could not "):
        return READ_THE_LOG
    return "say what the build leaves: outputs = [...] in [tool.rebuilder.check]"
