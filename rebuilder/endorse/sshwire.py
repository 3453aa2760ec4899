"""SSH's wire format (RFC 4251, section 5), read strictly: pure. All of it is hostile."""

from __future__ import annotations

from rebuilder.endorse.clearsign import BadFrame

#: The largest field there is, an RSA modulus of 16384 bits, has 2 kB.
_FIELD_LIMIT = 16 * 1024
_WORD_LIMIT = 128


class Reader:
    """Fields, one after the other. Every method raises ``BadFrame`` where the bytes do not give the field."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    def raw(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            msg = f"{self._what} is cut short at byte {self._at}"
            raise BadFrame(msg)
        self._at += size
        return found

    def number(self) -> int:
        """A uint32."""
        return int.from_bytes(self.raw(4))

    def string(self) -> bytes:
        """A string: its length, and so many bytes."""
        size = self.number()
        if size > _FIELD_LIMIT:
            msg = f"{self._what}: expected fields of at most {_FIELD_LIMIT} bytes, found one that claims {size}"
            raise BadFrame(msg)
        return self.raw(size)

    def word(self) -> str:
        """A string that is a name: printable ASCII."""
        found = self.string()
        if len(found) > _WORD_LIMIT or any(not 32 < byte < 127 for byte in found):
            msg = f"{self._what}: expected a short name in plain ASCII, found {found[:40]!r}"
            raise BadFrame(msg)
        return found.decode("ascii")

    def integer(self) -> int:
        """A positive mpint, in the one spelling that it has."""
        found = self.string()
        if not found or found[0] & 0x80 or (found[0] == 0 and (len(found) == 1 or not found[1] & 0x80)):
            msg = f"{self._what}: expected a positive number without needless zeros, found {found[:8].hex()}"
            raise BadFrame(msg)
        return int.from_bytes(found)

    def end(self) -> None:
        """Nothing may be left."""
        left = len(self._data) - self._at
        if left:
            msg = f"{self._what}: expected nothing more at byte {self._at}, found {left} bytes"
            raise BadFrame(msg)


def string(data: bytes) -> bytes:
    """A string field."""
    return len(data).to_bytes(4) + data
