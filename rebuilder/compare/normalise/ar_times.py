"""`ar-times`: set the modification time of every ar member header to 0 (`docs/normalisers/ar-times.md`)."""

from __future__ import annotations

MAGIC = b"!<arch>\n"
HEADER = 60
ZERO = b"0".ljust(12)


def ar_times(data: bytes) -> bytes:
    """The same ar archive with times cleared; every other byte untouched. ``ValueError`` if it is no sound ar."""
    if not data.startswith(MAGIC):
        msg = "not an ar archive"
        raise ValueError(msg)
    result, at = bytearray(data), len(MAGIC)
    while at < len(data):
        header = data[at : at + HEADER]
        if len(header) != HEADER or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
            msg = f"broken ar header at offset {at}"
            raise ValueError(msg)
        result[at + 16 : at + 28] = ZERO
        size = int(header[48:58])
        if at + HEADER + size > len(data):
            msg = f"ar member cut off at offset {at}"
            raise ValueError(msg)
        at += HEADER + size + size % 2
    return bytes(result)
