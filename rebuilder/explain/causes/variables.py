"""Variables of the environment of a build that went into what it made: with their names, or their values alone."""

from __future__ import annotations

import re

from rebuilder.explain.causes import Change, Confidence, Scene, Surroundings, applied
from rebuilder.explain.causes.kept import once
from rebuilder.explain.causes.shapes import Shape, environment, project
from rebuilder.findings import MemberPath

_VARIABLE = re.compile(rb"(?<![A-Za-z0-9_])[A-Z_][A-Z0-9_]{1,60}(?:=| ?: |\": ?\")[^\n\"]{0,1000}")
_KNOWN = frozenset(
    b"PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR TERM PWD OLDPWD MAIL DISPLAY HOSTNAME MAKELEVEL "
    b"MAKEFLAGS CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS DEB_BUILD_OPTIONS SSH_CLIENT "
    b"XDG_RUNTIME_DIR PYTHONPATH LD_LIBRARY_PATH".split()
)
#: One word of a text, as the value of a variable stands in it.
_WORD = re.compile(rb"[^\s;=\"'<>(){}\[\]]{1,1000}")
#: Variables with a cause of their own.
_OWN = frozenset({"HOME", "HOSTNAME", "LANG", "LANGUAGE", "LOGNAME", "PWD", "SOURCE_DATE_EPOCH", "TZ", "USER"})


def prose(_: MemberPath, section: str) -> bool:
    """Whether words for people may stand there: not in tables of symbols."""
    return not section or section.startswith((".rodata", ".data", ".debug_", ".comment"))


def _variable(scene: Scene, one: bytes, other: bytes) -> Confidence | None:
    name, value = _split(one)
    theirs, ours = _split(other)
    if name != theirs or value == ours:
        return None
    if ours and scene.surroundings.environment.get(name.decode(), "").encode() == ours:
        return "likely"
    return "possible" if name in _KNOWN or name.startswith(b"LC_") else None


def _value(scene: Scene, _: bytes, other: bytes) -> Confidence | None:
    """Ours is what a variable of our build was set to; a short word may be so by chance."""
    name = _named(scene, other)
    if not name or len(other) < 4 or other.isdigit():
        return None
    return "likely" if len(other) > 5 else "possible"


def _named(scene: Scene, value: bytes) -> str:
    """The variable of our build that has the value, unless that tells of another cause."""
    return once(scene, "values of variables", lambda: _values(scene.surroundings)).get(value, "")


def _values(known: Surroundings) -> dict[bytes, str]:
    """The first variable by name for each value."""
    named: dict[bytes, str] = {}
    for name, text in sorted(known.environment.items()):
        if name not in _OWN and not name.startswith("LC_") and text not in {known.path, known.hostname, known.user}:
            named.setdefault(text.encode("utf-8", "surrogateescape"), name)
    return named


def _of_value(scene: Scene, one: bytes, other: bytes) -> Change | None:
    name = _named(scene, other)
    return applied.variable(scene, name.encode("utf-8", "surrogateescape"), one, other) if name else None


def _of_variable(scene: Scene, one: bytes, other: bytes) -> Change | None:
    """The variable as the published file shows it."""
    name, value = _split(one)
    return applied.variable(scene, name, value, _split(other)[1]) if name else None


def _split(text: bytes) -> tuple[bytes, bytes]:
    found = re.match(rb"([A-Z_][A-Z0-9_]*)(?:=| ?: |\": ?\")", text)
    return (found.group(1), text[found.end() :]) if found else (b"", b"")


SHAPES: tuple[Shape, ...] = (
    Shape(
        id="environment-variable",
        title="A file holds a variable of the build's environment",
        pattern=_VARIABLE,
        judge=_variable,
        fix="Do not write the environment out; build with it cleared (env -i) and set what is needed.",
        variations=frozenset({"environment", "exec-path"}),
        changes=(
            *environment("variable:NAME", "the publisher's value"),
            *project("what writes it", "no environment"),
        ),
        applied=_of_variable,
    ),
    Shape(
        id="environment-variable",
        title="A file holds a variable of the build's environment",
        pattern=_WORD,
        judge=_value,
        where=prose,
        fix="Do not write the environment out; build with it cleared (env -i) and set what is needed.",
        changes=(
            *environment("variable:NAME", "the publisher's value"),
            *project("what writes it", "no environment"),
        ),
        applied=_of_value,
    ),
)
