"""The walk over members, where rebuilds differ, self-input, first offset, and the first normaliser."""

import gzip
import hashlib
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuilder.compare import bytewise, members
from rebuilder.model import FileDigest

BINARY = b"\x7fELF\0" + bytes(range(256))
ZSTD = b"\x28\xb5\x2f\xfd" + bytes(100)


def tar_of(files, *, mtime=0):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def ar_of(entries, *, mtime=0):
    out = b"!<arch>\n"
    for name, data in entries.items():
        header = f"{name:<16}{mtime:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += header + data + b"\n" * (len(data) % 2)
    return out


def deb_of(files, **ar):
    data, control = lzma.compress(tar_of(files)), lzma.compress(tar_of({"./control": b"Package: a\n"}))
    return ar_of({"debian-binary": b"2.0\n", "control.tar.xz": control, "data.tar.xz": data}, **ar)


def walk(data):
    return members.members(io.BytesIO(data))


class Store:
    """Blobs by name, for the callables that open them."""

    def __init__(self):
        self.data = {}

    def add(self, name, data):
        import hashlib

        file = FileDigest(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        self.data[file.sha256] = data
        return file

    def open(self, file):
        return io.BytesIO(self.data[file.sha256])


def test_members_of_a_deb_are_hashed_through_both_layers():
    paths = {member.path: member for member in walk(deb_of({"./usr/bin/a": BINARY, "./usr/share/doc": b"text"}))}
    assert set(paths) == {
        "debian-binary", "control.tar.xz", "control.tar.xz/./control", "data.tar.xz", "data.tar.xz/./usr/bin/a",
        "data.tar.xz/./usr/share/doc",
    }
    assert paths["data.tar.xz/./usr/bin/a"].binary
    assert not paths["data.tar.xz/./usr/share/doc"].binary


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, lambda data: data], ids=["gz", "xz", "plain"])
def test_members_of_a_tar(pack):
    assert [m.path for m in walk(pack(tar_of({"x": b"1", "y": b"2"})))] == ["x", "y"]


@pytest.mark.parametrize(
    "data", [b"", b"plain text", b"\0 no tar", b"!<arch>\nbroken", ZSTD, deb_of({"a": b""})[:200]]
)
def test_what_is_no_archive_is_opaque(data):
    with pytest.raises(members.OpaqueError):
        walk(data)


def test_too_many_members_are_opaque(monkeypatch):
    monkeypatch.setattr(members, "MAX_MEMBERS", 3)
    with pytest.raises(members.OpaqueError, match="more than 3 members"):
        walk(tar_of({str(n): b"" for n in range(5)}))


def test_a_bomb_is_opaque_and_cheap(monkeypatch):
    monkeypatch.setattr(members, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(members.OpaqueError, match="bytes"):
        walk(gzip.compress(tar_of({"zeros": bytes(100_000)})))


def test_metadata_counts_as_a_difference():
    assert members.differing(walk(tar_of({"a": b"1"})), walk(tar_of({"a": b"1"}, mtime=5))) == {"a"}


def test_order_alone_counts_as_a_difference():
    one, other = walk(tar_of({"a": b"1", "b": b"2"})), walk(tar_of({"b": b"2", "a": b"1"}))
    assert members.differing(one, other) == {""}
    assert members.differing(one, one) == frozenset()


def agree(published, first, second):
    store = Store()
    one, two, three = store.add("p", published), store.add("r1", first), store.add("r2", second)
    return bytewise.agree_otherwise(one, (two, three), store.open)


def test_rebuilds_that_differ_only_where_they_are_unstable_do_not_agree_otherwise():
    assert not agree(deb_of({"r": b"1", "s": b"x"}), deb_of({"r": b"2", "s": b"x"}), deb_of({"r": b"3", "s": b"x"}))


def test_rebuilds_that_agree_on_another_member_do():
    assert agree(deb_of({"r": b"1", "s": b"EVIL"}), deb_of({"r": b"2", "s": b"x"}), deb_of({"r": b"3", "s": b"x"}))


def test_a_published_member_that_no_rebuild_makes_is_agreed_on():
    assert agree(deb_of({"r": b"1", "backdoor": b"!"}), deb_of({"r": b"2"}), deb_of({"r": b"3"}))


def test_opaque_files_that_differ_agree_on_nothing():
    assert not agree(b"one", b"two", b"three")


@pytest.mark.parametrize(
    ("published", "first", "second", "expected"),
    [
        # Names that nobody could repeat: no rebuild makes the published one, and none makes another's.
        ({"obj-1/a": b"1", "s": b"x"}, {"obj-2/a": b"1", "s": b"x"}, {"obj-3/a": b"1", "s": b"x"}, False),
        ({"d/1": b"1", "s": b"x"}, {"d/2": b"1", "s": b"x"}, {"d/3": b"1", "s": b"x"}, False),
        ({"d/1": b"1", "d": b""}, {"d/2": b"1", "d": b""}, {"d": b""}, False),
        ({"d/1": b"1", "d/k": b""}, {"d/k": b""}, {"d/2": b"1", "d/k": b""}, False),
        # Elsewhere they are as steady as can be, so what is only published counts.
        ({"d/1": b"1", "evil": b"x"}, {"d/2": b"1"}, {"d/3": b"1"}, True),
        ({"d/1": b"1", "d/e/evil": b"x", "d/e/s": b""}, {"d/2": b"1", "d/e/s": b""}, {"d/3": b"1", "d/e/s": b""}, True),
        # What all rebuilds make and the publisher does not is agreed on.
        ({"obj-1/a": b"1"}, {"obj-2/a": b"1", "obj-2": b"", "s": b"x"}, {"obj-3/a": b"1", "s": b"x"}, True),
        ({"obj-1/a": b"1", "s": b"x"}, {"obj-2/a": b"1", "s": b"y"}, {"obj-3/a": b"1", "s": b"y"}, True),
    ],
)
def test_names_that_no_rebuild_repeats(published, first, second, expected):
    assert agree(deb_of(published), deb_of(first), deb_of(second)) is expected


def test_rebuilds_in_another_order_each_agree_on_no_order():
    def rebuilt(*names, **files):
        return tar_of({name: files.get(name, b"") for name in names})

    published = rebuilt("a", "b", "r", r=b"1")
    assert not agree(published, rebuilt("b", "a", "r", r=b"1"), rebuilt("a", "b", "r", r=b"2"))
    assert agree(published, rebuilt("b", "a", "r", r=b"1"), rebuilt("b", "a", "r", r=b"2"))


def test_another_compression_of_the_same_members_is_agreed_on():
    def rebuilt(pack, data):
        control = tar_of({"./control": b"Package: a\n" * 100})
        return ar_of({"control.tar.xz": pack(control), "data.tar.xz": lzma.compress(tar_of({"r": data}))})

    plain = lzma.compress
    assert agree(rebuilt(lambda data: plain(data, preset=0), b"1"), rebuilt(plain, b"2"), rebuilt(plain, b"3"))


def test_a_folder_says_as_much_as_a_file():
    def rebuilt(mode, data, name="d/r"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            folder = tarfile.TarInfo("d")
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    assert agree(rebuilt(0o4777, b"1"), rebuilt(0o755, b"2"), rebuilt(0o755, b"3"))
    assert agree(rebuilt(0o4777, b"1", "d/1"), rebuilt(0o755, b"1", "d/2"), rebuilt(0o755, b"1", "d/3"))
    assert not agree(rebuilt(0o755, b"1", "d/1"), rebuilt(0o755, b"1", "d/2"), rebuilt(0o755, b"1", "d/3"))


def test_one_opaque_part_in_our_rebuilds_lets_nothing_in_it_count():
    def rebuilt(data):
        return ar_of({"data.tar": data})

    assert not agree(rebuilt(tar_of({"a": b"1"})), rebuilt(ZSTD), rebuilt(ZSTD + b"1"))
    assert agree(rebuilt(tar_of({"a": b"1"})), rebuilt(tar_of({"a": b"2"})), rebuilt(tar_of({"a": b"2", "r": b"1"})))


def known_of(file, store):
    found = {file.sha256: file.name}
    with store.open(file) as stream:
        return found | {m.sha256: f"{file.name}:{m.path}" for m in bytewise.binary_members(stream).members}


def test_self_input_finds_the_whole_subject_and_its_binary_members():
    store = Store()
    subject = store.add("a.deb", deb_of({"./bin": BINARY, "./text": b"same text " * 50}))
    source = store.add("a.tar.xz", lzma.compress(tar_of({"a/prebuilt": BINARY, "a/text": b"same text " * 50})))
    ((found,), ()) = bytewise.find_self_input([subject], known_of(source, store), store.open)
    assert (found.member, found.found_in) == ("data.tar.xz/./bin", "a.tar.xz:a/prebuilt")
    ((whole,), ()) = bytewise.find_self_input([subject], known_of(subject, store), store.open)
    assert (whole.member, whole.found_in) == ("", "a.deb")


def test_text_and_tiny_members_are_no_self_input():
    store = Store()
    subject = store.add("a.deb", deb_of({"./text": b"same text " * 50, "./tiny": b"\0"}))
    source = store.add("a.tar", tar_of({"a/text": b"same text " * 50, "a/tiny": b"\0"}))
    assert bytewise.find_self_input([subject], known_of(source, store), store.open) == ((), ())


def test_members_are_remembered_and_computed_again_if_not_whole(tmp_path):
    from rebuilder.store.blobs import BlobStore
    from rebuilder.store.members import MemberIndex

    blobs = BlobStore(tmp_path)
    file = blobs.put([deb_of({"./a\nb": BINARY})], name="a.deb", limit=10**6)
    index = MemberIndex(tmp_path, blobs)
    first = index.known([file]).places
    assert set(first.values()) == {"a.deb", "a.deb:data.tar.xz", "a.deb:data.tar.xz/./a\nb", "a.deb:control.tar.xz"}
    blobs.remove(file.sha256)
    assert index.unknown([file]) == ()
    assert index.known([file]).places.keys() == first.keys()
    (remembered,) = [path for path in (tmp_path / "members").rglob("*") if path.is_file()]
    remembered.write_bytes(remembered.read_bytes()[:-3])
    assert index.unknown([file]) == (file.sha256,)
    with pytest.raises(KeyError):
        index.known([file])
    remembered.unlink()
    assert index.unknown([file]) == (file.sha256,)


def test_what_cannot_be_looked_through_is_named_and_never_remembered(tmp_path):
    from rebuilder.store.blobs import BlobStore
    from rebuilder.store.members import MemberIndex

    blobs = BlobStore(tmp_path)
    packed = blobs.put([ar_of({"debian-binary": b"2.0\n", "data.tar.zst": ZSTD})], name="a.deb", limit=10**6)
    text = blobs.put([b"Source: a\n"], name="a.dsc", limit=10**6)
    index = MemberIndex(tmp_path, blobs)
    assert index.known([packed, text]).unsearched == ("a.deb:data.tar.zst",)
    assert index.known([packed, text]).unsearched == ("a.deb:data.tar.zst",)
    blobs.remove(packed.sha256)
    blobs.remove(text.sha256)
    assert index.unknown([packed, text]) == (packed.sha256,)
    # What an earlier version remembered may be the silence of an archive that it could not read.
    (old,) = [path for path in (tmp_path / "members").rglob("*") if path.is_file()]
    old.write_text("end 0")
    assert index.unknown([text]) == (text.sha256,)


def test_members_before_a_break_are_kept_and_the_break_is_named(monkeypatch):
    cut = deb_of({"./bin": BINARY, "./long": random.Random(1).randbytes(300_000)})[:-40]
    found = members.look_through(io.BytesIO(cut))
    assert {m.path for m in found.members} >= {"control.tar.xz/./control", "data.tar.xz/./bin"}
    assert found.unread == ("data.tar.xz", "")
    monkeypatch.setattr(members, "MAX_MEMBERS", 3)
    found = members.look_through(io.BytesIO(tar_of({str(n): b"" for n in range(5)})))
    assert (members.order(found.members), found.unread) == (("0", "1", "2"), ("",))


@pytest.mark.parametrize(
    ("data", "unread"),
    [
        (b"", ()),
        (b"plain text", ()),
        (ZSTD, ("",)),
        (b"PK\x03\x04\x14\0 zip", ("",)),
        (gzip.compress(b"packed text"), ()),
        (tar_of({}), ()),
        (tar_of({"a": BINARY}) + b"after the end", ()),
        (tar_of({"a": BINARY, "b": BINARY})[:1500], ("",)),
        (tar_of({"a": BINARY})[:1024] + b"\1" * 512, ("",)),
        (gzip.compress(tar_of({"a": BINARY}))[:-30] + b"?" * 30, ("",)),
        (lzma.compress(tar_of({"a": BINARY})) + b"more", ("",)),
        (ar_of({"data.tar.xz": b"no xz"}), ("data.tar.xz",)),
        (ar_of({"data.tar": ar_of({"data.tar": b"deep"})}), ("data.tar",)),
    ],
)
def test_a_file_is_looked_through_or_said_to_be_opaque(data, unread):
    assert members.look_through(io.BytesIO(data)).unread == unread


def test_a_packed_file_that_is_no_archive_is_one_member():
    (member,) = members.look_through(io.BytesIO(gzip.compress(BINARY))).members
    assert (member.path, member.size, member.binary) == ("(unpacked)", len(BINARY), True)


def test_paths_are_bounded_together(monkeypatch):
    monkeypatch.setattr(members, "MAX_PATH_BYTES", 1000)
    with pytest.raises(members.OpaqueError, match="1000 bytes of paths"):
        walk(tar_of({f"{n}" * 300: b"" for n in range(5)}))


def test_metadata_is_short_whatever_the_headers_hold():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * 100_000}
        archive.addfile(info)
    (member,) = walk(buffer.getvalue())
    assert len(member.metadata) == 64


def test_a_path_that_occurs_twice_is_compared_twice():
    def twice(first):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for data in (first, b"same"):
                info = tarfile.TarInfo("a")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return walk(buffer.getvalue())

    assert members.differing(twice(b"good"), twice(b"evil")) == {"a"}


@pytest.mark.parametrize("size", [63, 64])
def test_a_binary_member_counts_from_64_bytes_on(size):
    found = bytewise.binary_members(io.BytesIO(tar_of({"a": bytes(size), "b": b"x" * 100}))).members
    assert [member.path for member in found] == ["a"] * (size >= 64)


@pytest.mark.parametrize(
    ("one", "other", "offset"),
    [
        (b"", b"", None), (b"abc", b"abc", None), (b"abc", b"abX", 2), (b"abc", b"ab", 2), (b"", b"a", 0),
        (b"XbX", b"abc", 0),
    ],
)
def test_first_difference_of_short_streams(one, other, offset):
    class Stepwise(io.BytesIO):
        """Four bytes at a time, after a start that is the same; and not for ever."""

        left = 10

        def read(self, size=-1):
            self.left -= 1
            assert self.left, "read on after the end"
            return super().read(min(size, 4))

    assert bytewise.first_difference(Stepwise(one), Stepwise(other)) == offset
    start = b"0123456789abcdef"
    later = offset if offset is None else offset + len(start)
    assert bytewise.first_difference(Stepwise(start + one), Stepwise(start + other)) == later


def test_a_subject_that_cannot_be_looked_through_is_named():
    store = Store()
    subject = store.add("a.deb", ar_of({"data.tar.zst": ZSTD, "data.tar.xz": lzma.compress(tar_of({"b": BINARY}))}))
    source = store.add("b.tar", tar_of({"b": BINARY}))
    ((found,), unread) = bytewise.find_self_input([subject], known_of(source, store), store.open)
    assert (found.member, unread) == ("data.tar.xz/b", ("a.deb:data.tar.zst",))
    other = store.add("b.bin", ZSTD)
    assert bytewise.find_self_input([other], {}, store.open) == ((), ("b.bin",))
    # The whole file lies among the inputs: nothing more to look for.
    assert bytewise.find_self_input([other], known_of(other, store), store.open)[1] == ()


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_first_difference_is_the_first_offset_that_differs(one, other):
    found = bytewise.first_difference(io.BytesIO(one), io.BytesIO(other))
    if one == other:
        assert found is None
    else:
        assert one[:found] == other[:found]
        assert one[found : found + 1] != other[found : found + 1]


def test_first_difference_past_a_chunk(monkeypatch):
    monkeypatch.setattr(bytewise, "CHUNK", 4)
    assert bytewise.first_difference(io.BytesIO(b"abcdefgh"), io.BytesIO(b"abcdefgX")) == 7
    assert bytewise.first_difference(io.BytesIO(b"abcdefgh"), io.BytesIO(b"abcdefghi")) == 8


def zip_of(files: dict[str, bytes], *, when: tuple[int, ...] = (2024, 1, 2, 3, 4, 6)) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, when), data)
    return out.getvalue()


def test_a_wheel_is_looked_through() -> None:
    wheel = zip_of({"demo/data.bin": BINARY, "demo/__init__.py": b"text\n"})
    contents = members.look_through(io.BytesIO(wheel))
    assert contents.unread == ()
    assert [(one.path, one.sha256, one.binary) for one in contents.members] == [
        ("demo/data.bin", hashlib.sha256(BINARY).hexdigest(), True),
        ("demo/__init__.py", hashlib.sha256(b"text\n").hexdigest(), False),
    ]


def test_times_of_a_zip_are_metadata_of_its_members() -> None:
    one, other = (members.members(io.BytesIO(zip_of({"a": b"1"}, when=(2024, 1, 2, 3, 4, end)))) for end in (6, 8))
    assert members.differing(one, other) == {"a"}
    assert one[0].sha256 == other[0].sha256


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda data: data[:-8],
        lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03"),
        lambda data: data.replace(b"PK\x05\x06", b"PK\x05\x07"),
        # Its flag says that it is encrypted.
        lambda data: data.replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"),
    ],
)
def test_a_zip_that_cannot_be_read_is_said(spoilt: Callable[[bytes], bytes]) -> None:
    data = zip_of({"a": BINARY})
    assert members.look_through(io.BytesIO(data)).unread == ()
    assert members.look_through(io.BytesIO(spoilt(data))).unread == ("",)


def test_a_zip_that_lists_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zip_of({f"member-{number}": b"x" for number in range(50)})
    monkeypatch.setattr(members, "MAX_MEMBERS", 49)
    with pytest.raises(members.OpaqueError, match="its directory lists more than 49 members"):
        members.members(io.BytesIO(data))
