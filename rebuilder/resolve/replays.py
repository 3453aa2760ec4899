"""Scalars that published archives record of their members, for the build that makes files of the same names.

What is read is a closed list (ADR 15): times, numbers and names of owners, the time in a gzip header. Never a member's
bytes; a member's name only says whose the scalars are. The archives are hostile: what is no plain name, or no number in
range, is left out, and then the rebuilt file differs there. Specs: tar as Python reads it, APPNOTE.TXT 4.4.6, RFC 1952.
"""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, TypeVar, cast

from rebuilder import tarsafe
from rebuilder.errors import UsageError
from rebuilder.recipe import PackageRecipe, Replayed

FORMAT: Final = "rebuilder/replay/v1"
MEMBERS_LIMIT = 200_000
#: Bytes of a tar once it is unpacked, and of the list of a zip's members.
UNPACKED_LIMIT = 4 * 1024**3
LISTED_LIMIT = 64 * 1024**2
#: Bytes of the answer.
ANSWER_LIMIT = 64 * 1024**2
_NAME_LIMIT = 4096
_TIME = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?\Z")
_OWNER = re.compile(r"[^\x00-\x1f\x7f:]{0,64}\Z")
_LARGEST_ID = 2**32 - 1
_NANOSECONDS = 9
_GZIP = b"\x1f\x8b\x08"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)
_KEPT = TypeVar("_KEPT")


def replay_of(artifacts: Mapping[str, Path], recipe: PackageRecipe) -> bytes:
    """What the recipe's replays ask for of published files, by file name: JSON in one form, for ``Materials.replay``.

    ``UsageError`` for a file that is not at hand, that is no archive of its kind, or that has not what is asked for."""
    found: dict[str, dict[str, Any]] = {}
    times: dict[str, int] = {}
    for replay in recipe.build.replay:
        path = artifacts.get(replay.artifact)
        if path is None:
            msg = f"expected the published {replay.artifact}, whose times or owners the recipe replays, found none"
            raise UsageError(msg, hint="name only files of [[artifacts]] in `replay`, and have them fetched")
        asked = frozenset(replay.what)
        found.setdefault(replay.artifact, {}).update(_scalars(path, replay.artifact, asked))
        if "file-times" in asked:
            times |= _file_times(path, replay.artifact)
    answer = {"format": FORMAT, "artifacts": found, "times": times}
    data = json.dumps(answer, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    if len(data) > ANSWER_LIMIT:
        msg = f"expected at most {ANSWER_LIMIT} bytes of times and owners in the published files, found {len(data)}"
        raise UsageError(msg, hint="leave member-times out of `replay` in the recipe")
    return data


def _scalars(path: Path, name: str, asked: frozenset[Replayed]) -> dict[str, Any]:
    """All but file times."""
    zipped = name.endswith((".whl", ".zip"))
    if zipped and (other := sorted(asked - {"member-times"})):
        msg = f"{name}: expected only member-times to be replayed of a zip, found {other[0]}, which it does not record"
        raise UsageError(msg)
    if zipped:
        return {"zip": _read(path, name, _zip_times)} if asked else {}
    found: dict[str, Any] = {}
    if "gzip-time" in asked:
        found["gzip"] = _read(path, name, _gzip_time)
    if fields := asked & {"member-times", "owners"}:
        found["tar"] = _read(path, name, lambda file: _tar_fields(file, fields))
    return found


def _read(path: Path, name: str, reader: Callable[[IO[bytes]], _KEPT]) -> _KEPT:
    """What a reader finds. ``UsageError`` for a broken archive, and for one with too much in it."""
    try:
        with path.open("rb") as file:
            return reader(file)
    except _BROKEN as error:
        kind = "zip archive" if name.endswith((".whl", ".zip")) else "tar packed with gzip"
        msg = f"{name}: expected a whole {kind}, to read times and owners off it, found another: {_plain(str(error))}"
        raise UsageError(msg, hint="it is the published file that is broken; leave it out of `replay`") from error


def _gzip_time(file: IO[bytes]) -> int:
    head = file.read(10)
    if len(head) < 10 or not head.startswith(_GZIP):
        msg = "no header of gzip"
        raise ValueError(msg)
    return int.from_bytes(head[4:8], "little")


def _tar_fields(file: IO[bytes], fields: frozenset[Replayed]) -> dict[str, dict[str, Any]]:
    return _once((member.name, found) for member in _members(file) if (found := _of_member(member, fields)))


def _of_member(member: tarfile.TarInfo, fields: frozenset[Replayed]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "member-times" in fields and (time := _time(member)):
        found["mtime"] = time
    if "owners" in fields:
        ids, names = (member.uid, member.gid), (member.uname, member.gname)
        if all(0 <= number <= _LARGEST_ID for number in ids) and all(_is_text(name, _OWNER) for name in names):
            found |= dict(zip(("uid", "gid", "uname", "gname"), (*ids, *names), strict=True))
    return found


def _time(member: tarfile.TarInfo) -> str:
    """Its time in seconds, digit for digit; nothing if it is none that could be a build's."""
    text = member.pax_headers.get("mtime") or str(int(member.mtime))
    return text if _TIME.match(text) else ""


def _file_times(path: Path, name: str) -> dict[str, int]:
    """Nanoseconds by path below the top folder, of regular files."""

    def reader(file: IO[bytes]) -> dict[str, int]:
        pairs = ((member.name, _time(member)) for member in _members(file) if member.isreg())
        known = ((name, time) for name, time in pairs if time and _is_below_a_top(name))
        return _once((name.partition("/")[2], _nanoseconds(time)) for name, time in known)

    return _read(path, name, reader)


def _nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(seconds + fraction.ljust(_NANOSECONDS, "0"))


def _is_below_a_top(path: str) -> bool:
    return "/" in path and not {"", ".", ".."} & set(path.split("/"))


def _members(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
        bounded = tarsafe.Bounded(unpacked, UNPACKED_LIMIT, lambda: ValueError(f"more than {UNPACKED_LIMIT} bytes"))
        with tarsafe.opened(bounded) as archive:
            for count, member in enumerate(archive):
                _check_count(count)
                yield member
                # A stream is read once; the list that tarfile keeps for going back would only grow.
                archive.members = []


def _zip_times(file: IO[bytes]) -> dict[str, list[int]]:
    with zipfile.ZipFile(cast("IO[bytes]", _Seekable(file))) as archive:
        members = archive.infolist()
        _check_count(len(members) - 1)
        return _once((member.filename, list(member.date_time)) for member in members)


def _check_count(count: int) -> None:
    if count >= MEMBERS_LIMIT:
        msg = f"more than {MEMBERS_LIMIT} members"
        raise ValueError(msg)


def _once(pairs: Iterable[tuple[str, _KEPT]]) -> dict[str, _KEPT]:
    """By name. One that comes twice with other scalars is left out: which is meant cannot be told."""
    found: dict[str, _KEPT] = {}
    twice: set[str] = set()
    for name, kept in pairs:
        if _is_text(name) and found.setdefault(name, kept) != kept:
            twice.add(name)
    return {name: kept for name, kept in found.items() if name not in twice}


def _is_text(text: str, pattern: re.Pattern[str] | None = None) -> bool:
    """Whether it can stand in JSON, and holds nothing but what can be shown."""
    if pattern is None and (not 0 < len(text) <= _NAME_LIMIT or not text.isprintable()):
        return False
    if pattern is not None and not pattern.match(text):
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])


class _Seekable:
    """A file that never gives more than ``LISTED_LIMIT`` at once: the list of a zip's members is read whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(LISTED_LIMIT + 1 if size < 0 or size > LISTED_LIMIT else size)
        if len(data) > LISTED_LIMIT:
            msg = f"more than {LISTED_LIMIT} bytes that only list members"
            raise ValueError(msg)
        return data
