"""Trees of release archives: the same bytes for the same content, and nothing that leads out, lies or never ends."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rebuilder.errors import UsageError
from rebuilder.fetch import archives
from rebuilder.fetch.archives import archive_tree
from rebuilder.store.blobs import BlobStore

TIME = 1_600_000_000
FILES = {"setup.py": b"one", "src/demo/__init__.py": b"", "bin/run": b"#!/bin/sh\n"}
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "state")


def tar_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member, data in members:
            if member.type in _PLAIN:
                member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.type, made.mtime, made.mode = kind, TIME, 0o644
    for field, value in fields.items():
        setattr(made, field, value)
    return made, data


def plain(top: str = "demo-1.0/", **fields: Any) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member(top + path, data, mode=0o755 if path == "bin/run" else 0o644, **fields)
            for path, data in FILES.items()]  # fmt: skip


def zip_of(
    *members: tuple[str, bytes, int], method: int = zipfile.ZIP_DEFLATED,
    date: tuple[int, int, int, int, int, int] = (2020, 9, 13, 12, 26, 40),
) -> bytes:  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data, mode in members:
            info = zipfile.ZipInfo(name, date)
            info.external_attr, info.compress_type = mode << 16, method
            archive.writestr(info, data)
    return out.getvalue()


def tree(blobs: BlobStore, data: bytes, name: str = "demo-1.0.tar.gz") -> dict[str, tarfile.TarInfo]:
    """Its members below the top."""
    made = archive_tree(blobs.put([data], name=name, limit=len(data)), blobs)
    with tarfile.open(blobs.path(made.sha256)) as archive:
        return {one.name.partition("/")[2]: one for one in archive}


def content(blobs: BlobStore, data: bytes, path: str, name: str = "demo-1.0.tar.gz") -> bytes:
    made = archive_tree(blobs.put([data], name=name, limit=len(data)), blobs)
    with tarfile.open(blobs.path(made.sha256)) as archive:
        found = archive.extractfile(f"tree/{path}")
        assert found is not None
        return found.read()


def refused(blobs: BlobStore, data: bytes, message: str, name: str = "demo-1.0.tar.gz") -> UsageError:
    with pytest.raises(UsageError, match=message) as raised:
        tree(blobs, data, name)
    assert raised.value.message.isprintable()
    return raised.value


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes], ids=["gz", "bz2", "xz", "plain"])
def test_a_tar_is_taken_however_it_is_packed(blobs: BlobStore, pack: Callable[[bytes], bytes]) -> None:
    found = tree(blobs, pack(tar_of(*plain())))
    assert set(found) == {"", "setup.py", "src", "src/demo", "src/demo/__init__.py", "bin", "bin/run"}
    assert {one.mtime for one in found.values()} == {TIME}
    assert (found["bin/run"].mode, found["setup.py"].mode) == (0o777, 0o666)
    assert {(one.uid, one.gid, one.uname, one.gname) for one in found.values()} == {(0, 0, "", "")}


def test_the_same_content_gives_the_same_bytes_whatever_the_archive_says_besides(blobs: BlobStore) -> None:
    def digest(data: bytes, name: str) -> str:
        return archive_tree(blobs.put([data], name=name, limit=len(data)), blobs).sha256

    first = digest(gzip.compress(tar_of(*plain())), "demo-1.0.tar.gz")
    others = [*reversed(plain("./demo-1.0/", uid=1001, uname="runner"))]
    folder = member("demo-1.0", kind=tarfile.DIRTYPE, mode=0o700)
    assert digest(lzma.compress(tar_of(folder, *others, form=tarfile.GNU_FORMAT)), "demo-1.0.tar.xz") == first
    assert digest(tar_of(*plain("")), "other.tar") == first
    zipped = [(f"x/{path}", data, 0o755 if path == "bin/run" else 0o600) for path, data in FILES.items()]
    assert digest(zip_of(*zipped), "demo-1.0.zip") == first


def test_times_are_those_of_the_archive_and_what_has_none_has_the_newest(blobs: BlobStore) -> None:
    members = [member("d/a", mtime=5), member("d/sub/b", mtime=70.9), member("d/c", mtime=-3)]
    found = tree(blobs, tar_of(*members))
    assert [found[path].mtime for path in ("a", "sub/b", "c", "sub", "")] == [5, 70, 0, 70, 70]
    found = tree(blobs, zip_of(("d/a", b"", 0), date=(1980, 0, 0, 0, 0, 0)), "a.zip")
    assert found["a"].mtime == 315_532_800


def test_several_tops_stay_as_they_are_and_a_single_file_is_no_top(blobs: BlobStore) -> None:
    assert "demo-1.0/setup.py" in tree(blobs, tar_of(member("demo-1.0/setup.py"), member("LICENSE")))
    assert set(tree(blobs, tar_of(member("setup.py")))) == {"", "setup.py"}


def test_the_last_of_several_members_with_one_name_counts(blobs: BlobStore) -> None:
    assert content(blobs, tar_of(member("d/a", b"first"), member("d/a", b"last")), "a") == b"last"
    assert tree(blobs, tar_of(member("d/a", kind=tarfile.DIRTYPE), member("d/a", b"file")))["a"].isreg()


def test_a_hard_link_is_the_file_before_it(blobs: BlobStore) -> None:
    link = member("d/b", kind=tarfile.LNKTYPE, linkname="d/a", mode=0o600, mtime=1)
    twice = member("d/c", kind=tarfile.LNKTYPE, linkname="./d/b")
    data = tar_of(member("d/a", b"ten bytes.", mode=0o755), link, twice, member("d/a", b"other"))
    assert [content(blobs, data, path) for path in "abc"] == [b"other", b"ten bytes.", b"ten bytes."]
    found = tree(blobs, data)
    assert (found["b"].mode, found["b"].mtime) == (0o777, TIME)


@pytest.mark.parametrize("target", ["d/gone", "d/b", "d/link", "d", "d/later"])
def test_a_hard_link_to_no_file_is_refused(blobs: BlobStore, target: str) -> None:
    members = [
        member("d/a", b"x"), member("d/link", kind=tarfile.SYMTYPE, linkname="a"), member("d", kind=tarfile.DIRTYPE),
        member("d/b", kind=tarfile.LNKTYPE, linkname=target), member("d/later"),
    ]  # fmt: skip
    refused(blobs, tar_of(*members), f"'d/b': expected a hard link to a file before it, found one to '{target}'")


def test_many_hard_links_take_no_time(blobs: BlobStore) -> None:
    links = [member(f"d/{number}", kind=tarfile.LNKTYPE, linkname="d/a") for number in range(20_000)]
    assert len(tree(blobs, tar_of(member("d/a", b"x"), *links))) == 20_002


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "demo/../../x", "..", "demo/.git/config", ".git/hooks/post-checkout", "d/" + "a" * 4096]
)
def test_a_path_that_leads_out_is_refused(blobs: BlobStore, name: str) -> None:
    words = f"expected paths inside the tree in a source archive, found '{re.escape(name[:100])}"
    refused(blobs, tar_of(member("demo/a"), member(name)), words)
    refused(blobs, zip_of(("demo/a", b"", 0), (name, b"", 0)), words, "a.zip")


@pytest.mark.parametrize("target", ["", "a" * 4096])
def test_a_link_to_no_path_is_refused(blobs: BlobStore, target: str) -> None:
    words = "link: expected a link to a path of 1 to 4095 bytes"
    refused(blobs, tar_of(member("d/a"), member("d/link", kind=tarfile.SYMTYPE, linkname=target)), words)
    refused(blobs, zip_of(("d/a", b"", 0), ("d/link", target.encode(), stat.S_IFLNK)), words, "a.zip")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "../beside"])
def test_a_link_is_kept_as_it_stands_and_read_by_nobody(blobs: BlobStore, target: str) -> None:
    """Only a build's container unpacks it."""
    data = tar_of(member("d/a"), member("d/link", kind=tarfile.SYMTYPE, linkname=target))
    assert tree(blobs, data)["link"].linkname == target


def test_links_that_stay_inside_are_kept(blobs: BlobStore) -> None:
    data = tar_of(member("d/sub/a"), member("d/link", kind=tarfile.SYMTYPE, linkname="sub/../sub/a"))
    assert tree(blobs, data)["link"].linkname == "sub/../sub/a"
    assert tree(blobs, zip_of(("d/a", b"", 0), ("d/l", b"a", stat.S_IFLNK)), "a.zip")["l"].issym()


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(blobs: BlobStore, kind: bytes) -> None:
    refused(blobs, tar_of(member("d/a"), member("d/null", kind=kind)), "'d/null': .* found a device or pipe")


def test_nothing_lies_behind_a_link_or_in_a_file(blobs: BlobStore) -> None:
    behind = [member("d/a", kind=tarfile.SYMTYPE, linkname="b"), member("d/a/x")]
    refused(blobs, tar_of(member("d/b"), *behind), "'a' is a link, and yet 'a/x' lies in it")
    refused(blobs, tar_of(member("d/x/y"), member("d/x")), "'x' is a file, and yet 'x/y' lies in it")
    top = [member("d", kind=tarfile.SYMTYPE, linkname="e"), member("d/a")]
    refused(blobs, tar_of(*top), "'d' is a link, and yet 'd/a' lies in it")


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "a.tar.gz", "a.tar.gz: expected a tar or zip archive, it cannot be read"),
        (b"<html>not found</html>", "a.tar.gz", "cannot be read"),
        (b"PK\3\4 and no more", "a.zip", "cannot be read: BadZipFile"),
        (gzip.compress(tar_of(*plain()))[:-20], "a.tar.gz", "cannot be read: EOFError"),
        (lzma.compress(tar_of(*plain()))[:-20], "a.tar.xz", "cannot be read"),
        (gzip.compress(tar_of(*plain()))[:-8] + b"\0" * 8, "a.tar.gz", "CRC"),
        (tar_of(member("d", kind=tarfile.DIRTYPE)), "a.tar", "expected the files of a project, found none"),
        (tar_of(), "a.tar", "expected the files of a project, found none"),
        (zip_of(), "a.zip", "expected the files of a project, found none"),
        (zip_of(("d/a", b"x" * 99, 0), method=zipfile.ZIP_LZMA), "a.zip", "'d/a': expected a file that is stored, def"),
    ],
)  # fmt: skip
def test_what_is_no_archive_is_said(blobs: BlobStore, data: bytes, name: str, message: str) -> None:
    refused(blobs, data, message, name)


def test_a_broken_header_is_not_the_end_of_an_archive(blobs: BlobStore) -> None:
    data = bytearray(tar_of(member("d/a", b"x"), member("d/b", b"y"), form=tarfile.USTAR_FORMAT))
    data[1024 + 148] ^= 1
    refused(blobs, bytes(data), "cannot be read: ReadError: expected the header of a member, found none")


def test_members_that_lie_about_their_size_are_refused(blobs: BlobStore) -> None:
    short = tar_of(member("d/a", b"x" * 2000), form=tarfile.USTAR_FORMAT)[:1024]
    refused(blobs, short, "unexpected end of data|expected 2000 bytes|header of a member")
    lying = bytearray(zip_of(("d/a", b"x" * 10, 0), method=zipfile.ZIP_STORED))
    at = lying.index(b"PK\1\2") + 24
    lying[at : at + 4] = (999).to_bytes(4, "little")
    refused(blobs, bytes(lying), "cannot be read|expected 999 bytes", "a.zip")
    crc = bytearray(zip_of(("d/a", b"x" * 10, 0), method=zipfile.ZIP_STORED))
    crc[crc.index(b"xxxx")] ^= 1
    refused(blobs, bytes(crc), "cannot be read: BadZipFile", "a.zip")


def test_an_encrypted_zip_is_refused(blobs: BlobStore) -> None:
    locked = bytearray(zip_of(("d/a", b"x" * 10, 0)))
    for start, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        locked[locked.index(start) + offset] |= 1
    refused(blobs, bytes(locked), "'d/a': expected a file that is stored, .* found an encrypted one", "a.zip")


def test_bombs_are_bounded(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "TREE_LIMIT", 1024**2)
    words = "expected a tree of at most 1048576 bytes, found more"
    large = member("d/a", bytes(2 * 1024**2))
    refused(blobs, gzip.compress(tar_of(large)), words)
    refused(blobs, lzma.compress(tar_of(large)), words, "a.tar.xz")
    refused(blobs, zip_of(("d/a", bytes(2 * 1024**2), 0)), words, "a.zip")
    many = [(f"d/{number}", bytes(200_000), 0) for number in range(6)]
    refused(blobs, zip_of(*many), words, "a.zip")


def test_a_link_in_a_zip_that_unpacks_to_much_is_read_no_further(blobs: BlobStore) -> None:
    refused(blobs, zip_of(("d/a", b"", 0), ("d/l", b"a/" * 10**7, stat.S_IFLNK)), "a path of 1 to 4095 bytes", "a.zip")


def test_headers_that_never_end_are_bounded(blobs: BlobStore) -> None:
    long = tarfile.TarInfo("d/a")
    long.pax_headers = {"comment": "x" * (2 * 1024**2)}
    refused(blobs, gzip.compress(tar_of((long, b""))), "headers of one member take more than 1048576 bytes")


def test_too_many_members_are_refused(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MEMBERS_LIMIT", 3)
    words = "expected at most 3 files and folders in a source archive, found more"
    refused(blobs, tar_of(*(member(f"d/{number}") for number in range(4))), words)
    words = "cannot be read: BadZipFile: its directory lists more than 3 members"
    refused(blobs, zip_of(*((f"d/{number}", b"", 0) for number in range(4))), words, "a.zip")


def test_an_xz_stream_that_asks_for_gigabytes_is_refused(blobs: BlobStore) -> None:
    data = lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}])
    packed = bytearray(data.compress(tar_of(*plain())) + data.flush())
    # The size of the dictionary stands in the block's header, which has a checksum of its own.
    size = (packed[12] + 1) * 4
    packed[12 + 4] = 40
    packed[12 + size - 4 : 12 + size] = zlib.crc32(packed[12 : 12 + size - 4]).to_bytes(4, "little")
    refused(blobs, bytes(packed), "cannot be read: LZMAError: .*[Mm]emory", "a.tar.xz")


def test_names_that_are_no_text_are_kept_as_bytes(blobs: BlobStore) -> None:
    found = tree(blobs, tar_of(member("d/caf\udce9.py", b"x"), form=tarfile.GNU_FORMAT))
    assert "caf\udce9.py" in found
