"""Lists of digests, as sha256sum(1) and its kin write them: pure. Spec: coreutils' manual, "cksum output modes".

A list says something of a file by its digest and vouches for nothing by itself: whoever reads it needs to know who
signed it. MD5 and SHA-1 name no file for certain, so that entries with them do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LIST_LIMIT = 4 * 1024**2
_NAME_LIMIT = 4096

_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_GNU = re.compile(r"(?P<digest>[0-9A-Fa-f]{32,128}) (?P<binary>[ *])(?P<name>.+)", re.ASCII)
_BSD = re.compile(r"(?P<algorithm>[A-Za-z0-9/-]{2,16}) \((?P<name>.+)\) = (?P<digest>[0-9A-Fa-f]{32,128})", re.ASCII)
_BARE = re.compile(r"[0-9A-Fa-f]{32,128}", re.ASCII)
#: Lists of these have digests of the same lengths, and would be read as what they are not.
_OTHER_HASHES = re.compile(r"(?:^|[._-])b2|blake|sha3(?!84)|(?:^|[._-])sm3|keccak", re.IGNORECASE)
_COUNT = ("sha256", "sha384", "sha512")


class BadList(ValueError):  # noqa: N818 - names what the data is
    """The list can't be used, with the line that is at fault."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line: the name as it is written but for a leading `./`, and a digest in lower-case hex."""

    name: str
    algorithm: str
    digest: str

    @property
    def counts(self) -> bool:
        """Whether the digest names one file and no other."""
        return self.algorithm in _COUNT


def read(data: bytes, name: str) -> tuple[Entry, ...]:
    """Every entry of the list in a file called ``name``. ``BadList`` for one that can't be used."""
    if len(data) > LIST_LIMIT:
        msg = f"expected at most {LIST_LIMIT} bytes of a list of digests, found {len(data)}"
        raise BadList(msg)
    if not _only_file(name) and _OTHER_HASHES.search(name):
        msg = "by its name it holds digests of a kind that does not count; expected SHA-256, SHA-384 or SHA-512"
        raise BadList(msg)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"expected a list of digests, found byte 0x{data[error.start]:02x} at byte {error.start}"
        raise BadList(msg) from None
    entries = tuple(_entries(text, name))
    if not entries:
        msg = "expected a list of digests, found no entry"
        raise BadList(msg)
    return _agreeing(entries)


def named(entries: tuple[Entry, ...], file: str) -> tuple[Entry, ...]:
    """What a list says of a file: entries of that name, or else of that name in some folder. ``BadList`` if it names
    several files so, for then nobody can say which is meant."""
    exact = tuple(entry for entry in entries if entry.name == file)
    if exact:
        return exact
    found = tuple(entry for entry in entries if entry.name.rpartition("/")[2] == file)
    if len({entry.name for entry in found}) > 1:
        msg = f"it names several files {file!r} in different folders"
        raise BadList(msg)
    return found


def _entries(text: str, name: str) -> Iterator[Entry]:
    bare = _only_file(name)
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        if bare and _BARE.fullmatch(line.strip()):
            yield _entry(number, bare, line.strip(), "")
            continue
        if line.startswith("\\"):
            msg = f"line {number}: the name is escaped, which no name of a published file needs"
            raise BadList(msg)
        match = _GNU.fullmatch(line) or _BSD.fullmatch(line)
        if not match:
            msg = f"line {number}: expected '<digest>  <name>' or 'SHA256 (<name>) = <digest>', found {line[:80]!r}"
            raise BadList(msg)
        parts = match.groupdict()
        yield _entry(number, parts["name"], parts["digest"], parts.get("algorithm") or "")


def _only_file(name: str) -> str:
    """The file that a list of one digest and no name speaks of, by its own name: `demo.whl.sha256`."""
    stem, _, suffix = name.rpartition(".")
    return stem if suffix.lower() in {"sha256", "sha384", "sha512", "sha256sum", "sha512sum"} else ""


def _entry(number: int, name: str, digest: str, algorithm: str) -> Entry:
    by_length = _BY_LENGTH.get(len(digest))
    said = algorithm.lower().replace("-", "").replace("sha2/", "sha")
    if by_length is None or (said in _BY_LENGTH.values() and said != by_length):
        msg = f"line {number}: expected a digest of {algorithm or 'a known kind'}, found {len(digest)} hex digits"
        raise BadList(msg)
    if len(name) > _NAME_LIMIT or not name.isprintable():
        msg = f"line {number}: expected the name of a file, found {name[:80]!r}"
        raise BadList(msg)
    return Entry(name=name.removeprefix("./"), algorithm=said or by_length, digest=digest.lower())


def _agreeing(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    known: dict[tuple[str, str], str] = {}
    for entry in entries:
        if known.setdefault((entry.name, entry.algorithm), entry.digest) != entry.digest:
            msg = f"it names {entry.name[:200]!r} twice, with two digests of {entry.algorithm}"
            raise BadList(msg)
    return tuple(dict.fromkeys(entries))
