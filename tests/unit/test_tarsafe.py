"""Tars and xz streams that claim more than there is memory."""

import io
import lzma
import subprocess
import sys
import tarfile
import zlib

import pytest

from rebuilder import tarsafe


def header(kind, size, name=b"a"):
    info = tarfile.TarInfo(name.decode())
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def record(text):
    """One pax record; its length counts itself."""
    size = len(text) + 3
    while len(f"{size} {text}\n") != size:
        size += 1
    return f"{size} {text}\n".encode()


def padded(data):
    return data + bytes(-len(data) % 512)


def names(data):
    with tarsafe.opened(io.BytesIO(data)) as archive:
        return [member.name for member in archive]


def sought(data):
    """The same of a file that can be sought in."""
    with tarsafe.Archive.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        return [member.name for member in archive]


def sized(size):
    """A member of three bytes whose extended header claims another size."""
    extended = record(f"size={size}")
    return header(tarfile.XHDTYPE, len(extended)) + padded(extended) + header(tarfile.REGTYPE, 3) + padded(b"abc")


EXTENDED = [
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.SOLARIS_XHDTYPE,
]


@pytest.mark.parametrize("kind", EXTENDED)
def test_an_extended_header_is_bounded_before_it_is_read(kind):
    class Endless:
        given = 0

        def read(self, size=-1):
            if not self.given:
                self.given = 512
                return header(kind, 8 * 1024**3)
            self.given += size
            return bytes(size)

    stream = Endless()
    with pytest.raises(tarfile.ReadError, match="headers of one member take more than 1048576 bytes"):
        tarsafe.opened(stream)
    assert stream.given < 64 * 1024


@pytest.mark.parametrize("kind", EXTENDED)
def test_headers_one_after_another_are_bounded_together(kind):
    one = header(kind, 200_000) + padded(b"x" * 200_000)
    with pytest.raises(tarfile.ReadError, match="headers of one member take more"):
        names(one * 6 + header(tarfile.REGTYPE, 0))
    with pytest.raises(tarfile.ReadError, match=r"headers of one member|too many headers"):
        names(header(kind, 0) * 5000 + header(tarfile.REGTYPE, 0))


def test_each_member_may_have_headers_of_its_own():
    one = header(tarfile.GNUTYPE_LONGNAME, 300_000) + padded(b"long" * 75_000)
    one += header(tarfile.REGTYPE, 3) + padded(b"abc")
    assert [len(name) for name in names(one * 6 + bytes(1024))] == [300_000] * 6


def test_a_negative_size_is_refused():
    bad = bytearray(header(tarfile.XHDTYPE, 0))
    bad[124:136] = b"\xff" * 10 + b"\xf8\0"
    bad[148:156] = b"        "
    bad[148:156] = f"{sum(bad):06o}\0 ".encode()
    with pytest.raises(tarfile.ReadError, match="headers of one member"):
        names(bytes(bad) + bytes(1024))


def test_a_sparse_map_without_end_is_bounded():
    extended = record("GNU.sparse.major=1") + record("GNU.sparse.minor=0") + record("GNU.sparse.name=a")
    start = header(tarfile.XHDTYPE, len(extended)) + padded(extended) + header(tarfile.REGTYPE, 10**9)
    with pytest.raises(tarfile.ReadError, match="headers of one member"):
        names(start + padded(b"900000000\n" + b"0\n" * 2_000_000))
    old = bytearray(header(tarfile.GNUTYPE_SPARSE, 0))
    old[482] = 1
    old[148:156] = b"        "
    old[148:156] = f"{sum(old):06o}\0 ".encode()
    with pytest.raises(tarfile.ReadError, match="headers of one member"):
        names(bytes(old) + (bytes(504) + b"\1" + bytes(7)) * 5000)


def test_a_broken_header_is_no_end():
    whole = header(tarfile.REGTYPE, 3) + padded(b"abc")
    assert names(whole) == names(whole + bytes(512)) == names(whole + bytes(1024) + b"after") == ["a"]
    for broken in (b"x" * 512, header(tarfile.REGTYPE, 0)[:100]):
        with pytest.raises(tarfile.ReadError, match="expected the header of a member"):
            names(whole + broken)


@pytest.mark.parametrize("size", [10**9, 10**11, 10**13, 10**18])
def test_a_member_that_claims_more_than_there_is_ends_with_an_error(size):
    one = sized(size)
    with pytest.raises(tarfile.ReadError, match=r"the archive ends \d+ bytes before the end of a member"):
        names(one)
    with pytest.raises(tarfile.ReadError, match="unexpected end of data"), tarsafe.opened(io.BytesIO(one)) as archive:
        archive.extractfile(archive.next()).read(10**6)
    with pytest.raises(tarfile.ReadError, match="unexpected end of data"):
        sought(one)


@pytest.mark.parametrize("size", [10**19, 10**30, -1, -1024, -(10**9)])
@pytest.mark.parametrize("walk", [lambda data: names(data), lambda data: sought(data)])
def test_a_size_that_no_file_has_is_refused(size, walk):
    with pytest.raises(tarfile.ReadError, match=f"expected the size of a member, found {size}"):
        walk(sized(size))


def test_a_member_that_unpacks_to_more_than_the_bound_ends_there():
    bounded = tarsafe.Bounded(io.BytesIO(sized(10**7) + bytes(10**7)), 10**6, lambda: ValueError("too much in it"))
    with pytest.raises(ValueError, match="too much in it"), tarsafe.opened(bounded) as archive:
        list(archive)


@pytest.mark.parametrize("pieces", ["9,1,0,1", "0,-5,0,1", "0,100", "5,10000000000000,3,1"])
def test_a_sparse_member_has_its_pieces_in_their_order(pieces):
    extended = record(f"GNU.sparse.map={pieces}") + record("GNU.sparse.size=20")
    data = header(tarfile.XHDTYPE, len(extended)) + padded(extended) + header(tarfile.REGTYPE, 2) + padded(b"ab")
    with pytest.raises(tarfile.ReadError, match="the pieces of a sparse member in their order and within it"):
        names(data)


def test_a_whole_sparse_member_is_read():
    extended = record("GNU.sparse.map=1,1,3,1") + record("GNU.sparse.size=5")
    data = header(tarfile.XHDTYPE, len(extended)) + padded(extended) + header(tarfile.REGTYPE, 2) + padded(b"ab")
    with tarsafe.opened(io.BytesIO(data + bytes(1024))) as archive:
        assert archive.extractfile(archive.next()).read() == b"\0a\0b\0"


def test_content_is_read_past_the_bound_of_headers():
    data = b"x" * 3_000_000
    with tarsafe.opened(io.BytesIO(header(tarfile.REGTYPE, len(data)) + padded(data))) as archive:
        for member in archive:
            assert archive.extractfile(member).read() == data


@pytest.mark.parametrize(
    "packed",
    [
        lzma.compress(b"text"),
        lzma.compress(b"te") + lzma.compress(b"xt"),
        lzma.compress(b"te") + bytes(8) + lzma.compress(b"xt") + bytes(200_000),
        lzma.compress(b"text", format=lzma.FORMAT_ALONE),
    ],
)
def test_xz_streams(packed):
    assert tarsafe.unxz(io.BytesIO(packed)).read() == b"text"


def test_xz_that_is_cut_or_goes_on_is_refused():
    packed = lzma.compress(b"text" * 1000)
    for cut in (b"", packed[:3], packed[:40], packed[:-1]):
        with pytest.raises(EOFError, match="cut off"):
            tarsafe.unxz(io.BytesIO(cut)).read()
    with pytest.raises(lzma.LZMAError):
        tarsafe.unxz(io.BytesIO(packed + b"more" * 10)).read()


def test_xz_may_not_ask_for_much_memory():
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1024**2}]
    packed = bytearray(lzma.compress(b"text", filters=filters))
    assert packed[12:17] == b"\x02\x00\x21\x01\x10"  # block header: size, flags, LZMA2, one byte, dictionary of 1 MiB
    packed[16] = 36  # 1 GiB
    packed[20:24] = (zlib.crc32(bytes(packed[12:20]))).to_bytes(4, "little")
    with pytest.raises(lzma.LZMAError, match=r"[Mm]emory"):
        tarsafe.unxz(io.BytesIO(bytes(packed))).read()


BOMB = """
import io, lzma, sys, resource
from pathlib import Path
from rebuilder.compare import members
from rebuilder.resolve import debian_unpack
from rebuilder.toolchain import deb
resource.setrlimit(resource.RLIMIT_AS, (700 * 1024**2, 700 * 1024**2))
folder = Path(sys.argv[1])
assert members.look_through((folder / "bomb.tar.xz").open("rb")).unread == ("",)
assert members.look_through((folder / "bomb.deb").open("rb")).unread == ("control.tar.xz", "data.tar.xz")
for read in (
    lambda: list(debian_unpack.tar_members(folder / "bomb.tar.xz", "bomb.tar.xz", lambda _: True)),
    lambda: list(debian_unpack.deb_members(folder / "bomb.deb", "bomb.deb", "data.tar", lambda _: True)),
    lambda: deb.control(folder / "bomb.deb"),
    lambda: deb.data(folder / "bomb.deb").__enter__(),
):
    try:
        read()
    except ValueError as error:
        assert "headers of one member" in str(error), error
    else:
        raise SystemExit("no error")
# Not ru_maxrss: that is inherited from whoever started this.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_no_reader_takes_a_bomb_into_memory(tmp_path):
    packer = lzma.LZMACompressor(preset=0)
    packed = packer.compress(header(tarfile.XHDTYPE, 1024**3))
    packed += b"".join(packer.compress(bytes(1024**2)) for _ in range(300)) + packer.flush()
    (tmp_path / "bomb.tar.xz").write_bytes(packed)
    out = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n"), ("control.tar.xz", packed), ("data.tar.xz", packed)):
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    (tmp_path / "bomb.deb").write_bytes(out)
    command = [sys.executable, "-c", BOMB, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < 200 * 1024
