"""The clear-sign framework (RFC 9580, section 7), taken apart strictly: pure, no cryptography.

What a verifier is given and what a parser reads later are the same bytes: ``ClearSigned.text``. Nothing
outside the framework is ever returned, and a file that has anything outside it is refused, so no reader
can be shown text that nobody signed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: An `InRelease` of the archive has 0.15 MB, a `.buildinfo` less than 1 MB.
MESSAGE_LIMIT = 16 * 1024**2
#: One RSA-4096 signature takes 0.8 kB of armour.
_ARMOUR_LIMIT = 256 * 1024

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_HASH = re.compile(rb"Hash: [A-Za-z0-9-]+(?:, ?[A-Za-z0-9-]+)*")
_BLANK = b" \t\r"


class NotClearSigned(ValueError):  # noqa: N818 - names what the data is
    """The file does not even claim to be clear-signed."""


class BadFrame(ValueError):  # noqa: N818 - names what the data is
    """The file claims to be clear-signed, but its framework is not sound. Nothing of it may be used."""


class CutShort(BadFrame):
    """The framework begins, and the file ends before it does: somebody lost the rest."""


@dataclass(frozen=True, kw_only=True)
class ClearSigned:
    """``text`` is what signatures cover: dashes unescaped, blanks at line ends gone, lines joined by LF,
    none after the last. ``armour`` is the signature block with its two marker lines."""

    text: bytes
    armour: bytes


def split(data: bytes) -> ClearSigned:
    """Take one clear-signed message apart. Raises ``NotClearSigned`` or ``BadFrame`` (of a file that just ends
    too early: ``CutShort``), with the line."""
    if _BEGIN not in data:
        msg = "carries no OpenPGP signature"
        raise NotClearSigned(msg)
    if len(data) > MESSAGE_LIMIT:
        msg = f"expected at most {MESSAGE_LIMIT} bytes, found {len(data)}"
        raise BadFrame(msg)
    if b"\0" in data:
        msg = f"found a NUL byte at byte {data.index(0)}"
        raise BadFrame(msg)
    lines = data.split(b"\n")
    if lines[0].rstrip(_BLANK) != _BEGIN:
        msg = "found text before the signed message; nobody signed it, so the whole file is refused"
        raise BadFrame(msg)
    first = _after_headers(lines)
    text, at = _text(lines, first)
    return ClearSigned(text=text, armour=_armour(lines, at))


def _after_headers(lines: list[bytes]) -> int:
    """Index of the first line of text. Only `Hash` headers are allowed: others could change meaning."""
    for number, line in enumerate(lines[1:], 1):
        bare = line.rstrip(b"\r")
        if not bare:
            return number + 1
        if not _HASH.fullmatch(bare):
            if number == len(lines) - 1:
                break
            msg = f"line {number + 1}: expected a 'Hash:' header or an empty line, found {bare[:80]!r}"
            raise BadFrame(msg)
    msg = "the message ends within its headers; it was cut short"
    raise CutShort(msg)


def _text(lines: list[bytes], first: int) -> tuple[bytes, int]:
    """The signed text and the index of the line after it."""
    text: list[bytes] = []
    for index in range(first, len(lines)):
        line = lines[index]
        if line.startswith(b"-"):
            if line.rstrip(_BLANK) == _SIGNATURE:
                return b"\n".join(text), index
            if not line.startswith(b"- "):
                if index == len(lines) - 1:
                    break
                msg = f"line {index + 1}: expected a dash-escaped line, found {line[:80]!r}"
                raise BadFrame(msg)
            line = line[2:]
        line = line.rstrip(_BLANK)
        if b"\r" in line:
            msg = f"line {index + 1}: found a carriage return within the line"
            raise BadFrame(msg)
        text.append(line)
    msg = "the message ends before its signature; it was cut short"
    raise CutShort(msg)


def _armour(lines: list[bytes], start: int) -> bytes:
    """The one signature block, after which nothing may stand."""
    for index in range(start + 1, len(lines)):
        if lines[index].rstrip(_BLANK) != _END:
            continue
        rest = [number for number in range(index + 1, len(lines)) if lines[number].strip(_BLANK)]
        if rest:
            msg = f"line {rest[0] + 1}: found text after the signature; nobody signed it, so the whole file is refused"
            raise BadFrame(msg)
        block = b"\n".join(line.rstrip(_BLANK) for line in lines[start : index + 1]) + b"\n"
        if len(block) > _ARMOUR_LIMIT:
            msg = f"expected at most {_ARMOUR_LIMIT} bytes of signatures, found {len(block)}"
            raise BadFrame(msg)
        return block
    msg = "the signature block has no end; it was cut short"
    raise CutShort(msg)
