"""What else can be said of a file that is not from the declared source, in words. Pure; names come out of archives.

A note says what the bytes show, never why somebody did it.
"""

from __future__ import annotations

import json
import re

from rebuilder.compare.shown import cut
from rebuilder.compare.undeclared import STRAY, Found, Source, base, nearest, shared
from rebuilder.data import Data

#: Larger files are not compared line by line, nor parsed.
MAX_TEXT = 8 * 1024**2
MAX_JSON = 1024**2
MAX_KEYS = 8
LINE_ENDS = "only line endings differ"
_HEAD = 1024
_GENERATED = re.compile(rb"generated (?:by|with|from|file|code)|auto-?generated|@generated|do not edit", re.IGNORECASE)
_KEYWORD = re.compile(rb"\$Format:[^\n$]{0,200}\$|\$Id\$")
_BYTECODE = re.compile(r"(?:^|/)(?:__pycache__/)?([^/]+?)(?:\.(?:cpython|pypy)[^/.]*(?:\.opt-[12])?)?\.py[co]$")
_BUNDLED = re.compile(r"(?:^|/)[^/]+\.(?:libs|dylibs)/[^/]+$")
_LEFT = (
    (re.compile(r"(?:^|/)(?:\.DS_Store|\._[^/]*)$"), "left by the file manager of macOS"),
    (re.compile(r"(?:^|/)\.(?:pytest_cache|mypy_cache|ruff_cache|hypothesis)/"), "left by a test runner or a checker"),
    (re.compile(r"(?:^|/)Thumbs\.db$"), "left by the file manager of Windows"),
    (re.compile(r"(?:^|/)[^/]+(?:~|\.sw[op]|\.bak)$"), "a copy that an editor leaves"),
    (re.compile(r"(?:^|/)[^/]+\.(?:orig|rej)$"), "left by a patch or a merge"),
)


def note(one: Found, source: Source) -> str:
    """All that is known of it, in words; empty if that is nothing."""
    return "; ".join(_changed(one, source) if one.what == "differs-from-source" else _added(one, source))


def speaks_for_itself(one: Found, told: str) -> bool:
    """Whether it goes without saying that no commit has such bytes."""
    return LINE_ENDS in told or bool(STRAY.search(one.part.path))


def _changed(one: Found, source: Source) -> list[str]:
    published, committed = _text(one.part.data), _text(source.files[one.source_path])
    if published is None or committed is None:
        return []
    if ends := _line_ends(published, committed):
        return [ends]
    if base(one.source_path) == "package.json":
        return _keys(published, committed)
    if _KEYWORD.search(committed):
        return ["the committed file has a keyword that Git fills in on the way out ($Format:...$ or $Id$)"]
    return []


def _added(one: Found, source: Source) -> list[str]:
    path = one.part.path
    if STRAY.search(path):
        return [_stray(path, source)]
    if _BUNDLED.search(path):
        return ["a shared library that a wheel repair tool copied from the publisher's machine"]
    head = one.part.data.read(0, _HEAD)
    if _GENERATED.search(head):
        return ["it says of itself that it was generated: a step that the recipe does not have may make it"]
    if twins := [twin for twin in source.named(path) if _is_twin(path, twin)]:
        return [_twin(one, source, nearest(path, twins))]
    if not one.part.data.size:
        return ["an empty file"]
    if path.count("/") == 1 and base(path) == "setup.py":
        return ["some build backends of earlier years wrote a setup.py into each sdist"]
    # The first folder is that of an archive, which no source has, or a package.
    folder = next((step for step in path.split("/")[1:-1] if not source.has_folder(step)), "")
    why = f"the source has no folder {cut(folder, 80)}: a step that the recipe does not have may make it"
    return [why] if folder else []


def _is_twin(path: str, other: str) -> bool:
    """Whether a file of the source may be the one meant: many have a common last name."""
    return shared(path, other) > 1 or ("/" not in other and path.count("/") <= 1)


def _twin(one: Found, source: Source, twin: str) -> str:
    published, committed = _text(one.part.data), _text(source.files[twin])
    ends = _line_ends(published, committed) if published is not None and committed is not None else ""
    return f"the source has {cut(twin, 160)}; {ends}" if ends else f"the source has {cut(twin, 160)} with other bytes"


def _stray(path: str, source: Source) -> str:
    if found := _BYTECODE.search(path):
        module = f"{cut(found[1], 80)}.py"
        known = "nothing shows that it does the same" if source.named(module) else "the source has no such module"
        return f"stray bytecode of {module}, as Python leaves it beside what it ran; {known}"
    return next((words for pattern, words in _LEFT if pattern.search(path)), "")


def _text(data: Data) -> bytes | None:
    return data.read(0, data.size) if data.size <= MAX_TEXT else None


def _line_ends(published: bytes, committed: bytes) -> str:
    if b"\0" in published or published.replace(b"\r\n", b"\n") != committed.replace(b"\r\n", b"\n"):
        return ""
    theirs = "CRLF" if published.count(b"\r\n") > committed.count(b"\r\n") else "LF"
    return f"{LINE_ENDS}: the published file has {theirs}, the other has not"


def _keys(published: bytes, committed: bytes) -> list[str]:
    """Which keys of two ``package.json`` differ."""
    theirs, ours = _object(published), _object(committed)
    if theirs is None or ours is None:
        return ["one of the two is no JSON object"]
    groups = (
        ("only published", theirs.keys() - ours.keys()),
        ("only committed", ours.keys() - theirs.keys()),
        ("other values", {key for key in theirs.keys() & ours.keys() if theirs[key] != ours[key]}),
    )
    told = [f"{words}: {_some(keys)}" for words, keys in groups if keys]
    return [f"keys that differ: {', '.join(told)}" if told else "all keys and values are the same, written another way"]


def _some(keys: set[str]) -> str:
    shown = " ".join(cut(key, 40) for key in sorted(keys)[:MAX_KEYS])
    return f"{shown} and {len(keys) - MAX_KEYS} more" if len(keys) > MAX_KEYS else shown


def _object(raw: bytes) -> dict[str, str] | None:
    """Keys and their values as canonical text; ``None`` for what is no object, or too deep or large to look at."""
    if len(raw) > MAX_JSON:
        return None
    try:
        value = json.loads(raw)
        return {key: json.dumps(of, sort_keys=True) for key, of in value.items()} if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None
