"""Causes in paths and dates that a compiler, a linker or a script put into what it wrote."""

from __future__ import annotations

import re

from rebuilder.explain.causes import Confidence, Rule, Scene, applied
from rebuilder.explain.causes.shapes import Judge, Shape, environment, project, rule
from rebuilder.findings import MemberPath

#: A path of at least two steps, as it stands in text.
_PATH = re.compile(rb"(?<![\w.~])/(?:[\w.+~@%:-]{1,255}/){0,60}[\w.+~@%:-]{1,255}/?")
#: A name of a moment: nothing is below it.
_SCRATCH = re.compile(rb"/(?:var/)?tmp/[^/]+/?")
#: One that is no part of a command line.
_ALONE = re.compile(rb"(?<![=\s])" + _PATH.pattern)
_FOLDERS = re.compile(
    rb"/(?:build|builddir|buildd|tmp|var/tmp|home|root|usr/src|src|work|workspace|srv|mnt|opt/build|Users)(?:/|$)"
)
_HOME = re.compile(rb"/(?:home|Users)/[^/]+|/root|/nonexistent[^\s]*")
_DATE_MACRO = re.compile(
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 123][0-9] (?:19|20)[0-9]{2}"
    rb"|(?<![0-9]{4}-[0-9]{2}-[0-9]{2}[ T])(?<![0-9:])[0-2][0-9]:[0-5][0-9]:[0-6][0-9](?![0-9:])"
)


def _path(scene: Scene, one: bytes, other: bytes) -> Confidence | None:
    """Two folders of a build: ours is known, or both are where builds are made, or what is below them is the same."""
    ours = scene.surroundings.path.rstrip("/").encode()
    if len(ours) > 2 and (other + b"/").startswith(ours + b"/") and not (one + b"/").startswith(ours + b"/"):
        return "likely"
    if _home(scene, one, other) == "likely":
        return "possible"
    if _SCRATCH.fullmatch(one) and _SCRATCH.fullmatch(other):
        return None
    if _FOLDERS.match(one) or _FOLDERS.match(other):
        below = one.rpartition(b"/")[2] == other.rpartition(b"/")[2] != b""
        return "likely" if below or (_FOLDERS.match(one) and _FOLDERS.match(other)) else "possible"
    return None


def _home(scene: Scene, one: bytes, other: bytes) -> Confidence | None:
    ours = scene.surroundings.environment.get("HOME", "").rstrip("/").encode()
    if _in_ours(scene, ours, one, other):
        return "likely"
    left, right = _HOME.match(one), _HOME.match(other)
    if not left or not right or left.group() == right.group():
        return None
    same = one[left.end() :] == other[right.end() :]
    return "likely" if same and (not ours or right.group() == ours) else "possible"


def _in_ours(scene: Scene, ours: bytes, one: bytes, other: bytes) -> bool:
    """Whether ours is in the very folder that HOME named, and the same name is below another one on their side."""
    built = scene.surroundings.path.rstrip("/").encode()
    if len(ours) < 2 or not other.startswith(ours + b"/") or (built and (other + b"/").startswith(built + b"/")):
        return False
    below = other[len(ours) :]
    return one.endswith(below) and len(one) > len(below) and not one.startswith(ours + b"/")


def _in(*names: str) -> frozenset[str]:
    return frozenset(names)


_DYNAMIC = _in(".dynstr", ".dynamic")
_DEBUG = _in(".debug_str", ".debug_line", ".debug_line_str", ".debug_info", ".debug_macro")
_PRODUCER = _in(".debug_str", ".debug_info", ".GCC.command.line", ".comment")
_MAP = "-ffile-prefix-map=OLD=NEW"


def _rodata(_: MemberPath, section: str) -> bool:
    return section.startswith((".rodata", ".data"))


def _text(_: MemberPath, section: str) -> bool:
    return not section


def _switches(pattern: re.Pattern[bytes], judge: Judge, section: frozenset[str], **words: str) -> Rule:
    """A value among a compiler's switches: the spot has to be a command line."""
    return rule(
        Shape(
            id="build-path-producer",
            pattern=pattern,
            judge=judge,
            where=lambda _, name: name in section,
            variations=frozenset({"path"}),
            changes=environment("path", "the folder the publisher built in"),
            applied=applied.folder,
            **words,
        )
    )


def _path_rule(name: str, title: str, where: object, fix: str, target: str, text: str) -> Rule:
    return rule(
        Shape(
            id=name,
            title=title,
            pattern=_ALONE if name == "build-path-dwarf" else _PATH,
            judge=_path,
            where=where,  # type: ignore[arg-type]
            fix=fix,
            variations=frozenset({"path"}),
            changes=(*environment("path", "the folder the publisher built in"), *project(target, text)),
            applied=applied.folder,
        )
    )


#: A path that stands in a switch: nothing else of the line may differ.
_IN_SWITCH = re.compile(rb"(?<=[=\s])/(?:[\w.+~@%:-]{1,255}/){0,60}[\w.+~@%:-]{1,255}/?")

RULES: tuple[Rule, ...] = (
    _path_rule(
        "build-path-rodata",
        "The program holds the folder it was built in",
        _rodata,
        "Build in the same folder, or compile with -ffile-prefix-map (it covers __FILE__ and assert).",
        "CFLAGS",
        _MAP,
    ),
    _path_rule(
        "build-path-dwarf",
        "Debug information holds the folder it was built in",
        lambda _, name: name in _DEBUG,
        "Build in the same folder, or compile with -ffile-prefix-map (for assembly: as --debug-prefix-map).",
        "CFLAGS",
        _MAP,
    ),
    _switches(
        _IN_SWITCH,
        _path,
        _PRODUCER,
        title="The compiler's recorded switches hold the folder it was built in",
        fix="Build in the same folder, or do not record switches (-gno-record-gcc-switches).",
    ),
    _path_rule(
        "build-path-rpath",
        "The search path for libraries holds the folder it was built in",
        lambda _, name: name in _DYNAMIC,
        "Do not leave an rpath of the build tree: -DCMAKE_SKIP_RPATH=ON, chrpath -d.",
        "LDFLAGS",
        "no -Wl,-rpath of a folder of the build",
    ),
    _path_rule(
        "build-path-text",
        "A text holds the folder it was built in",
        _text,
        "Build in the same folder, or write paths relative to the file or to the installed prefix.",
        "the script that writes it",
        "a relative path",
    ),
    rule(
        Shape(
            id="home",
            title="A file holds somebody's home folder",
            pattern=_PATH,
            judge=_home,
            fix="Build with HOME set to a folder that is not there (/nonexistent).",
            variations=frozenset({"home"}),
            changes=environment("variable:HOME", "/nonexistent"),
        )
    ),
    rule(
        Shape(
            id="date-macro",
            title="The program holds the date or time it was compiled (__DATE__, __TIME__)",
            pattern=_DATE_MACRO,
            where=lambda _, name: name.startswith((".rodata", ".data")),
            fix="Set SOURCE_DATE_EPOCH (GCC and clang take it), or remove the macros; -Werror=date-time finds them.",
            variations=frozenset({"clock"}),
            changes=(
                *environment("variable:SOURCE_DATE_EPOCH", "seconds of the last change of the source"),
                *project("the source", "no __DATE__ or __TIME__"),
            ),
        )
    ),
)
