"""Zips whose directory claims more than there is memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from typing import BinaryIO, cast

import pytest

from rebuilder import zipsafe

ENTRY = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"


def listing(directory: bytes, *, size: int = -1, large: bool = False) -> bytes:
    """A zip of nothing but a directory; ``large``: whose size only the end of a zip64 tells."""
    size = len(directory) if size < 0 else size
    plain = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF if large else size, 0, 0)
    if not large:
        return directory + plain
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, 0)
    return directory + end + struct.pack("<4sLQL", b"PK\6\7", 0, len(directory), 1) + plain


class Counted(io.BytesIO):
    """Knows how much was asked for at once."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.most = max(self.most, len(data))
        return data


def zip_of(files: dict[str, bytes]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream


@pytest.mark.parametrize("large", [False, True])
def test_a_directory_that_is_too_long_is_not_read(large: bool) -> None:
    stream = Counted(listing(ENTRY * 100_000, large=large))
    with pytest.raises(zipfile.BadZipFile, match="its directory takes more than 1000000 bytes"):
        zipsafe.opened(stream, members=10**6, directory=10**6)
    assert stream.most < 10**6


@pytest.mark.parametrize("large", [False, True])
def test_a_directory_of_too_many_members_makes_no_values(large: bool) -> None:
    data = listing(ENTRY * 500_000, large=large)
    tracemalloc.start()
    with pytest.raises(zipfile.BadZipFile, match="its directory lists more than 499999 members"):
        zipsafe.opened(io.BytesIO(data), members=499_999)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3 * len(data)


@pytest.mark.parametrize("size", [2**31, 2**62])
def test_a_directory_that_claims_more_than_the_file_is_refused(size: int) -> None:
    for large in (True, *(() if size > 2**32 else (False,))):
        with pytest.raises(zipfile.BadZipFile):
            zipsafe.opened(io.BytesIO(listing(ENTRY, size=size, large=large)), members=10)


def test_as_many_members_as_may_be_are_read_with_all_their_bytes() -> None:
    inner = zip_of({f"member-{number}": b"" for number in range(9)}).getvalue()
    files = {"zip": inner, "large": bytes(3 * 10**6)}
    with zipsafe.opened(cast("BinaryIO", zip_of(files)), members=2, directory=10**6) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
