"""The records of a zip file, field by field, in words."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from rebuilder.compare.archive.layout import HeaderField, plain, printable
from rebuilder.compare.archive.zip_records import CENTRAL, DESCRIBED, END, END64, FULL32, LOCAL, extras

METHODS = {
    0: "stored",
    8: "deflate",
    9: "deflate64",
    12: "bzip2",
    14: "lzma",
    93: "zstd",
    95: "xz",
    98: "ppmd",
    99: "encrypted",
}
_SYSTEMS = {0: "dos", 3: "unix", 7: "macintosh", 10: "ntfs", 11: "mvs", 14: "vfat", 19: "osx"}
#: Fields whose right value follows from the rest of the archive.
_IMPLIED = frozenset({"crc32", "compressed size", "size", "name length", "extra length", "comment length", "offset"})
#: Name and width of each fixed field, after the magic.
_LOCAL = (
    ("version", 2),
    ("flags", 2),
    ("method", 2),
    ("mtime", 4),
    ("crc32", 4),
    ("compressed size", 4),
    ("size", 4),
    ("name length", 2),
    ("extra length", 2),
)
_CENTRAL = (
    ("made by", 2),
    *_LOCAL,
    ("comment length", 2),
    ("disk", 2),
    ("internal", 2),
    ("mode", 4),
    ("offset", 4),
)
_END = (
    ("disk", 2),
    ("directory disk", 2),
    ("entries here", 2),
    ("entries", 2),
    ("size", 4),
    ("offset", 4),
    ("comment length", 2),
)
_END64 = (
    ("record size", 8),
    ("made by", 2),
    ("version", 2),
    ("disk", 4),
    ("directory disk", 4),
    ("entries here", 8),
    ("entries", 8),
    ("size", 8),
    ("offset", 8),
)
_LOCATOR = (("disk", 4), ("offset", 8), ("disks", 4))
#: What the zip64 block has where the header's own field is full, and what a data descriptor has.
_WIDENED = (".compressed size", ".size", ".offset")
_LATER = frozenset({"crc32", "compressed size", "size"})
_END_IMPLIED = _IMPLIED | {"entries", "entries here", "record size"}


def mark(raw: bytes) -> bytes:
    """What a record that is not as it should be is remembered by: short, whatever the record's size."""
    return hashlib.blake2b(raw, digest_size=16).digest()


def method_name(method: int) -> str:
    """``deflate``, ``stored`` ...; ``method 97`` for one without a name here."""
    return METHODS.get(method, f"method {method}")


def dos_time(raw: bytes) -> str:
    """Time and date of DOS as ISO, also if there is no such day. It has no zone."""
    time, date = struct.unpack("<HH", raw)
    day = f"{(date >> 9) + 1980:04}-{date >> 5 & 15:02}-{date & 31:02}"
    return f"{day}T{time >> 11:02}:{time >> 5 & 63:02}:{(time & 31) * 2:02}"


def fields(suspects: frozenset[bytes], name: str, raw: bytes) -> tuple[HeaderField, ...]:
    """See ``Layout.fields``. ``suspects``: marks of the records whose derived values are not what they should be."""
    sound = mark(raw) not in suspects
    if name == "local header" and len(raw) >= LOCAL.size:
        found = _header("local", _LOCAL, raw, sound)
    elif name == "central header" and len(raw) >= CENTRAL.size:
        found = _header("central", _CENTRAL, raw, sound)
    elif name == "data descriptor" and len(raw) in (12, 16, 20, 24):
        found = _descriptor(raw, sound)
    elif name == "end of central directory" and len(raw) >= END.size:
        found = [*_fixed("end", _END, raw, sound, _END_IMPLIED), *_text("end.comment", raw[END.size :])]
    elif name == "zip64 end of central directory" and len(raw) >= END64.size:
        found = [*_fixed("end64", _END64, raw, sound, _END_IMPLIED), *_rest("end64.rest", raw[END64.size :])]
    elif name == "zip64 locator" and len(raw) == 20:
        found = list(_fixed("locator", _LOCATOR, raw, sound, _END_IMPLIED))
    else:
        found = [plain(name, raw)]
    return tuple(found)


def _header(side: str, table: tuple[tuple[str, int], ...], raw: bytes, sound: bool) -> list[HeaderField]:
    found = list(_fixed(side, table, raw, sound, _IMPLIED))
    at = sum(len(one.raw) for one in found)
    sizes = {one.name: int.from_bytes(one.raw, "little") for one in found}
    name_size, extra_size = sizes[f"{side}.name length"], sizes[f"{side}.extra length"]
    found.append(HeaderField(f"{side}.name", raw[at : at + name_size], printable(raw[at : at + name_size])))
    at += name_size
    full = sum(int.from_bytes(one.raw, "little") == FULL32 for one in found if one.name.endswith(_WIDENED))
    found += _extra(side, raw[at : at + extra_size], sound, 4 + 8 * full if full else 0)
    return [*found, *_text(f"{side}.comment", raw[at + extra_size :])]


def _fixed(
    side: str, table: tuple[tuple[str, int], ...], raw: bytes, sound: bool, implied: frozenset[str]
) -> Iterator[HeaderField]:
    yield plain(f"{side}.magic", raw[:4])
    at, later = 4, side == "local" and bool(raw[6] & DESCRIBED)
    for name, width in table:
        piece = raw[at : at + width]
        # A local header may leave to the descriptor what it says itself: zero or not is the writer's choice.
        open_ = later and name in _LATER and not any(piece)
        yield HeaderField(f"{side}.{name}", piece, _value(name, piece), sound and name in implied and not open_)
        at += width


def _value(name: str, raw: bytes) -> str:
    number = int.from_bytes(raw, "little")
    if name == "mtime":
        return dos_time(raw)
    if name == "crc32":
        return f"{number:08x}"
    if name == "method":
        return method_name(number)
    if name == "mode":
        return f"{number >> 16:07o} dos 0x{number & 0xFFFF:02x}"
    if name == "made by":
        version = number & 0xFF
        return f"{version // 10}.{version % 10} {_SYSTEMS.get(number >> 8, f'system {number >> 8}')}"
    return f"0x{number:04x}" if name in ("flags", "internal") else str(number)


def _descriptor(raw: bytes, sound: bool) -> list[HeaderField]:
    found, at = [], 0
    if len(raw) in (16, 24):
        found.append(plain("descriptor.magic", raw[:4]))
        at = 4
    width = (len(raw) - at - 4) // 2
    for name, size in (("crc32", 4), ("compressed size", width), ("size", width)):
        piece = raw[at : at + size]
        found.append(HeaderField(f"descriptor.{name}", piece, _value(name, piece), sound))
        at += size
    return found


def _extra(side: str, raw: bytes, sound: bool, wide: int) -> Iterator[HeaderField]:
    """The blocks of an extra field. ``wide``: size of the zip64 block that the header asks for; 0: it asks for none."""
    seen: dict[int, int] = {}
    for kind, block in extras(raw):
        if kind < 0:
            yield plain(f"{side}.extra.rest", block)
            continue
        seen[kind] = seen.get(kind, 0) + 1
        again = f"\\#{seen[kind]}" if seen[kind] > 1 else ""
        implied = sound and kind == 1 and not again and len(block) == wide
        yield HeaderField(f"{side}.extra.0x{kind:04x}{again}", block, _extra_value(kind, block), implied)


def _extra_value(kind: int, block: bytes) -> str:
    body = block[4:]
    if kind == 0x5455 and len(body) >= 5 and len(body) % 4 == 1:
        times = [_iso(int.from_bytes(body[at : at + 4], "little", signed=True)) for at in range(1, len(body), 4)]
        return f"times 0x{body[0]:02x} {' '.join(times)}"
    if kind == 0x7875 and len(body) == 11 and body[:2] == b"\x01\x04" and body[6] == 4:
        return f"uid {int.from_bytes(body[2:6], 'little')} gid {int.from_bytes(body[7:11], 'little')}"
    if kind == 0x000A and len(body) == 32 and body[4:8] == b"\x01\x00\x18\x00":
        ticks = struct.unpack("<QQQ", body[8:])
        return f"ntfs times {' '.join(_ntfs_time(tick) for tick in ticks)}"
    if kind == 1 and len(body) % 8 in (0, 4):
        return "zip64 " + " ".join(str(int.from_bytes(body[at : at + 8], "little")) for at in range(0, len(body), 8))
    return plain("", body).value if body else "empty"


def _ntfs_time(tick: int) -> str:
    """Tenths of microseconds since 1601, all digits kept: two values that differ must not look alike."""
    seconds, rest = divmod(tick, 10_000_000)
    return _iso(seconds - 11_644_473_600) + (f"+{rest}e-7s" if rest else "")


def _iso(seconds: int) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return str(seconds)
    return moment.isoformat().replace("+00:00", "Z")


def _text(name: str, raw: bytes) -> list[HeaderField]:
    return [HeaderField(name, raw, printable(raw))] if raw else []


def _rest(name: str, raw: bytes) -> list[HeaderField]:
    return [plain(name, raw)] if raw else []
