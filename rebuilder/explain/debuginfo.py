"""Which headers a compiled file was made of, by the debug information that a build left beside it. Pure, bounded."""

from __future__ import annotations

import re
import struct
import zlib

from rebuilder.compare.archive.elf_symbols import sections
from rebuilder.compare.archive.layout import FormatError
from rebuilder.data import Data, window

MAX_SECTION = 64 * 1024**2
_STRINGS = frozenset({b".debug_line_str", b".debug_line", b".debug_str"})
_COMPRESSED = 0x800
_ZLIB = 1
_HEADER = re.compile(rb"(?:^|[\x00/])([A-Za-z0-9_.+-]{1,120}\.(?:h|hpp|hh))(?=\x00)")


def headers_in(elf: Data) -> frozenset[str]:
    """Names, without folders, of the headers an ELF's line tables list. Empty where there are none."""
    found: set[str] = set()
    try:
        for section in sections(elf):
            if section.name in _STRINGS and section.size <= MAX_SECTION:
                raw = window(elf, section.offset, section.size).read(0, section.size)
                text = _inflated(raw) if section.flags & _COMPRESSED else raw
                found.update(name.decode("ascii") for name in _HEADER.findall(text))
    except (FormatError, ValueError, struct.error, zlib.error):
        return frozenset()
    return frozenset(found)


def _inflated(raw: bytes) -> bytes:
    """Contents of a section with SHF_COMPRESSED (gABI, 64-bit header); empty if it is not zlib."""
    if len(raw) < 24 or struct.unpack_from("<I", raw)[0] != _ZLIB:
        return b""
    return zlib.decompressobj().decompress(raw[24:], MAX_SECTION)
