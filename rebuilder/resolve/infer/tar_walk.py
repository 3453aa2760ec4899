"""The members of a tar by its raw headers: what `tarfile` reads away (device fields, fractions, which dialect) is kept.

One pass over a stream, nothing of it unpacked but what the caller asks for. Specs: tar(5), POSIX.1-2017 pax.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from rebuilder.errors import UsageError
from rebuilder.tarsafe import MAX_HEADER_BYTES, Readable

MAX_MEMBERS = 200_000
_BLOCK = tarfile.BLOCKSIZE
_PIECE = 1024**2
_TIME = re.compile(r"^(-?)([0-9]{1,12})(?:\.([0-9]*))?$")
_GNU_NAMES = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}

Dialect = Literal["v7", "ustar", "gnu", "pax"]


class TarMember(NamedTuple):
    """One member, as its headers give it."""

    name: str
    #: Nanoseconds since 1970; of a header without a fraction whole seconds.
    time: int
    #: Whether the time came out of a pax record, and so may have a fraction.
    exact: bool
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    #: The letter of its type: ``0`` a file, ``5`` a folder.
    type: str
    size: int
    #: The 16 bytes of the two device numbers, as they lie there.
    device: bytes
    dialect: Dialect

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.type in ("0", "\0", "7")


def walk(stream: Readable, name: str, keep: Callable[[TarMember], bool]) -> Iterator[tuple[TarMember, bytes | None]]:
    """Every member in order, with the bytes of those that ``keep`` wants, of a tar called ``name`` in messages.
    ``UsageError`` for what is no tar, is cut off, or goes past the bounds."""
    records: dict[str, str] = {}
    common: dict[str, str] = {}
    head = count = 0
    while (block := _block(stream, name)) != bytes(_BLOCK):
        info = _header(block, name)
        head += _BLOCK
        if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, *_GNU_NAMES):
            head += info.size
            data = _extended(stream, info.size, head, name)
            if info.type in _GNU_NAMES:
                records[_GNU_NAMES[info.type]] = data.split(b"\0")[0].decode("utf-8", "surrogateescape")
            else:
                (common if info.type == tarfile.XGLTYPE else records).update(_records(data, name))
            continue
        member = _member(info, block, {**common, **records}, name)
        count += 1
        if count > MAX_MEMBERS:
            raise _refused(name, f"at most {MAX_MEMBERS} members", "more")
        wanted = keep(member)
        yield member, _contents(stream, member, name, wanted=wanted)
        records, head = {}, 0


def _block(stream: Readable, name: str) -> bytes:
    block = _exactly(stream, _BLOCK)
    if len(block) < _BLOCK:
        raise _refused(name, "a whole tar", "one that is cut off")
    return block


def _exactly(stream: Readable, size: int) -> bytes:
    """So many bytes; fewer only at the end."""
    pieces = []
    while size and (piece := stream.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _header(block: bytes, name: str) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise _refused(name, "the header of a member", f"none ({error})") from None
    if info.size < 0 or info.type == tarfile.GNUTYPE_SPARSE:
        raise _refused(name, "files of a known size", "a negative size" if info.size < 0 else "a file with holes")
    return info


def _extended(stream: Readable, size: int, head: int, name: str) -> bytes:
    if head > MAX_HEADER_BYTES:
        raise _refused(name, f"at most {MAX_HEADER_BYTES} bytes of headers for one member", "more")
    data = _exactly(stream, size + -size % _BLOCK)
    if len(data) < size:
        raise _refused(name, "a whole tar", "one that is cut off")
    return data[:size]


def _records(data: bytes, name: str) -> dict[str, str]:
    """The records of a pax header: ``length key=value\\n`` each."""
    records, at, end = {}, 0, len(data.rstrip(b"\0"))
    while at < end:
        digits = data[at : at + 20].partition(b" ")[0]
        after = at + int(digits) if digits.isdigit() else 0
        key, equals, value = data[at + len(digits) + 1 : after].partition(b"=")
        if after > len(data) or not equals or not value.endswith(b"\n"):
            raise _refused(name, "pax records (`length key=value`)", repr(data[at : at + 40]))
        records[key.decode("utf-8", "surrogateescape")] = value[:-1].decode("utf-8", "surrogateescape")
        at = after
    return records


def _member(info: tarfile.TarInfo, block: bytes, records: dict[str, str], name: str) -> TarMember:
    size = _number(records.get("size"), info.size)
    if size < 0:
        raise _refused(name, "files of a known size", "a negative size")
    exact = _nanoseconds(records.get("mtime", ""))
    return TarMember(
        name=records.get("path", info.name),
        time=int(info.mtime) * 10**9 if exact is None else exact,
        exact=exact is not None,
        mode=info.mode,
        uid=_number(records.get("uid"), info.uid),
        gid=_number(records.get("gid"), info.gid),
        user=records.get("uname", info.uname),
        group=records.get("gname", info.gname),
        type=info.type.decode("latin-1"),
        size=size if info.isreg() or info.type not in tarfile.SUPPORTED_TYPES else 0,
        device=block[329:345],
        dialect=_dialect(block, pax=bool(records)),
    )


def _contents(stream: Readable, member: TarMember, name: str, *, wanted: bool) -> bytes | None:
    """Past the bytes of a member; those themselves if they are wanted."""
    if wanted:
        data = _exactly(stream, member.size + -member.size % _BLOCK)
        if len(data) < member.size:
            raise _refused(name, "a whole tar", "one that is cut off")
        return data[: member.size]
    left = member.size + -member.size % _BLOCK
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            raise _refused(name, "a whole tar", "one that is cut off")
        left -= len(piece)
    return None


def _dialect(block: bytes, *, pax: bool) -> Dialect:
    magic = block[257:265]
    if magic == b"ustar  \0":
        return "gnu"
    if not magic.startswith(b"ustar"):
        return "v7"
    return "pax" if pax else "ustar"


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text) else otherwise


def _nanoseconds(text: str) -> int | None:
    found = _TIME.match(text)
    if not found:
        return None
    sign, whole, fraction = found.groups()
    size = int(whole) * 10**9 + int(((fraction or "") + "0" * 9)[:9])
    return -size if sign else size


def _refused(name: str, expected: str, found: str) -> UsageError:
    return UsageError(
        f"{name}: expected {expected}, found {found}",
        hint="is the file whole? its digest should be the one that the index names",
    )
