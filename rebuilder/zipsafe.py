"""Opening hostile zips in bounded memory: `zipfile` reads the directory whole, and makes a value of each member in it,
before anyone can ask how many there are. Pure: bytes come in as an open stream. Spec: APPNOTE.TXT 4.3.12 to 4.3.16.
"""

from __future__ import annotations

import zipfile
from typing import IO, BinaryIO, cast

#: Of the directory: a member takes 46 bytes, its name, and what comes with it.
MAX_DIRECTORY = 64 * 1024**2
_ENTRY = b"PK\x01\x02"


def opened(stream: BinaryIO, *, members: int, directory: int = MAX_DIRECTORY) -> zipfile.ZipFile:
    """The zip in a seekable stream, of at most so many members in a directory of at most so many bytes.
    ``zipfile.BadZipFile`` for one that has more, or is none; what else ``zipfile`` lets out of a broken one it lets
    out of this, too."""
    listed = _Listed(stream, members, directory)
    archive = zipfile.ZipFile(cast("IO[bytes]", listed))
    listed.is_open = True
    return archive


class _Listed:
    """What a zip is read from. Until it is open, the directory is."""

    def __init__(self, stream: BinaryIO, members: int, directory: int) -> None:
        self._stream, self._members, self._directory = stream, members, directory
        self.is_open = False

    def read(self, size: int = -1) -> bytes:
        if self.is_open:
            return self._stream.read(size)
        if size > self._directory:
            raise _too_long(self._directory)
        data = self._stream.read(size if size >= 0 else self._directory + 1)
        if len(data) > self._directory:
            raise _too_long(self._directory)
        # An entry begins with these bytes; a name may hold them, too, and none that was meant does.
        if data.count(_ENTRY) > self._members:
            msg = f"its directory lists more than {self._members} members"
            raise zipfile.BadZipFile(msg)
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        if position < 0 and whence == 0:
            msg = f"it leads to {position}"
            raise zipfile.BadZipFile(msg)
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


def _too_long(limit: int) -> zipfile.BadZipFile:
    return zipfile.BadZipFile(f"its directory takes more than {limit} bytes")
