"""Which certificate of a key file holds a key, without parsing them all: pure functions on bytes.

`debian-keyring` has 1100 certificates and 30 MB of third-party signatures; a full parse takes five
seconds, a run wants one certificate. Packet framing and fingerprints: RFC 9580, sections 4.2 and 5.5.4.
Only the operator's own key files are read with this, and whatever it finds is parsed by pysequoia before
it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

_SECRET_KEY, _PUBLIC_KEY, _SECRET_SUBKEY, _PUBLIC_SUBKEY = 5, 6, 7, 14


def index(data: bytes) -> dict[str, tuple[int, int]]:
    """Fingerprint and key id (upper-case hex) of every key -> where the bytes of its certificate lie.

    Raises ``ValueError`` for anything but binary packets, and for a secret key.
    """
    found: dict[str, tuple[int, int]] = {}
    start, names = 0, list[str]()
    for tag, at, body in _packets(data):
        if tag in {_SECRET_KEY, _SECRET_SUBKEY}:
            msg = f"it holds a secret key (at byte {at}); a key file of a trust store holds public keys only"
            raise ValueError(msg)
        if tag == _PUBLIC_KEY:
            found.update((name, (start, at)) for name in names if name not in found)
            start, names = at, []
        if tag in {_PUBLIC_KEY, _PUBLIC_SUBKEY}:
            names += _names(data[body[0] : body[1]])
    found.update((name, (start, len(data))) for name in names if name not in found)
    return found


def _packets(data: bytes) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Tag, position and range of the body of every packet."""
    at, size = 0, len(data)
    while at < size:
        first = data[at]
        if not first & 0x80:
            msg = f"expected OpenPGP packets, found byte 0x{first:02x} at byte {at}"
            raise ValueError(msg)
        tag, start, length = _new_header(data, at) if first & 0x40 else _old_header(data, at)
        if start + length > size:
            msg = f"the packet at byte {at} is cut short"
            raise ValueError(msg)
        yield tag, at, (start, start + length)
        at = start + length


def _new_header(data: bytes, at: int) -> tuple[int, int, int]:
    head = data[at : at + 6].ljust(6, b"\0")
    tag, first = head[0] & 0x3F, head[1]
    if first < 192:
        return tag, at + 2, first
    if first < 224:
        return tag, at + 3, ((first - 192) << 8) + head[2] + 192
    if first == 255:
        return tag, at + 6, int.from_bytes(head[2:6])
    msg = f"the packet at byte {at} has no definite length, which key files never need"
    raise ValueError(msg)


def _old_header(data: bytes, at: int) -> tuple[int, int, int]:
    octets = {0: 1, 1: 2, 2: 4}.get(data[at] & 3)
    if octets is None:
        msg = f"the packet at byte {at} has no definite length, which key files never need"
        raise ValueError(msg)
    return (data[at] >> 2) & 15, at + 1 + octets, int.from_bytes(data[at + 1 : at + 1 + octets])


def _names(body: bytes) -> list[str]:
    """Fingerprint and key id of a key of version 4 or 6; nothing for others, which nobody should use."""
    if body[:1] == b"\x04":
        # SHA-1 is what version 4 says a fingerprint is; it names a key here and protects nothing.
        digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2) + body, usedforsecurity=False).hexdigest().upper()
        return [digest, digest[-16:]]
    if body[:1] == b"\x06":
        digest = hashlib.sha256(b"\x9b" + len(body).to_bytes(4) + body).hexdigest().upper()
        return [digest, digest[:16]]
    return []
