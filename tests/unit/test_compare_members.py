"""The walk over members, where rebuilds differ, self-input, first offset, and the first normaliser."""

import gzip
import io
import lzma
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuilder.compare import bytewise, members, normalise
from rebuilder.compare.normalise.ar_times import ar_times
from rebuilder.model import FileDigest

BINARY = b"\x7fELF\0" + bytes(range(256))


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
    "data", [b"", b"plain text", b"!<arch>\nbroken", gzip.compress(b"no tar"), deb_of({"a": b""})[:200]]
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


def known_of(file, store):
    found = {file.sha256: file.name}
    with store.open(file) as stream:
        return found | {m.sha256: f"{file.name}:{m.path}" for m in bytewise.binary_members(stream)}


def test_self_input_finds_the_whole_subject_and_its_binary_members():
    store = Store()
    subject = store.add("a.deb", deb_of({"./bin": BINARY, "./text": b"same text " * 50}))
    source = store.add("a.tar.xz", lzma.compress(tar_of({"a/prebuilt": BINARY, "a/text": b"same text " * 50})))
    (found,) = bytewise.find_self_input([subject], known_of(source, store), store.open)
    assert (found.member, found.found_in) == ("data.tar.xz/./bin", "a.tar.xz:a/prebuilt")
    (whole,) = bytewise.find_self_input([subject], known_of(subject, store), store.open)
    assert (whole.member, whole.found_in) == ("", "a.deb")


def test_text_and_tiny_members_are_no_self_input():
    store = Store()
    subject = store.add("a.deb", deb_of({"./text": b"same text " * 50, "./tiny": b"\0"}))
    source = store.add("a.tar", tar_of({"a/text": b"same text " * 50, "a/tiny": b"\0"}))
    assert bytewise.find_self_input([subject], known_of(source, store), store.open) == ()


def test_members_are_remembered_and_computed_again_if_not_whole(tmp_path):
    from rebuilder.store.blobs import BlobStore
    from rebuilder.store.members import MemberIndex

    blobs = BlobStore(tmp_path)
    file = blobs.put([deb_of({"./a\nb": BINARY})], name="a.deb", limit=10**6)
    index = MemberIndex(tmp_path, blobs)
    first = index.known([file])
    assert set(first.values()) == {"a.deb", "a.deb:data.tar.xz", "a.deb:data.tar.xz/./a\nb", "a.deb:control.tar.xz"}
    blobs.remove(file.sha256)
    assert index.unknown([file]) == ()
    assert index.known([file]).keys() == first.keys()
    (remembered,) = [path for path in (tmp_path / "members").rglob("*") if path.is_file()]
    remembered.write_bytes(remembered.read_bytes()[:-3])
    with pytest.raises(KeyError):
        index.known([file])
    remembered.unlink()
    assert index.unknown([file]) == (file.sha256,)


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


def test_ar_times_clears_times_and_touches_nothing_else():
    early, late = deb_of({"a": b"1"}, mtime=1), deb_of({"a": b"1"}, mtime=1789199741)
    assert early != late
    assert ar_times(early) == ar_times(late) == deb_of({"a": b"1"}, mtime=0)
    assert ar_times(ar_times(late)) == ar_times(late)
    assert ar_times(deb_of({"a": b"2"}, mtime=1)) != ar_times(early)


@pytest.mark.parametrize("data", [b"", b"MZ", b"!<arch>\nshort", ar_of({"a": b"x"})[:-30], ar_of({"a": b"xyz"})[:-2]])
def test_ar_times_refuses_what_is_no_sound_ar(data):
    with pytest.raises(ValueError, match="ar"):
        ar_times(data)


def test_equal_after_names_only_normalisers_that_were_allowed_and_did_something():
    early, late = deb_of({"a": b"1"}, mtime=1), deb_of({"a": b"1"}, mtime=2)
    assert normalise.equal_after(early, (late, late), ("ar-times",)) == ("ar-times/1",)
    assert normalise.equal_after(early, (late,), ()) == ()
    assert normalise.equal_after(deb_of({"a": b"2"}, mtime=1), (late,), ("ar-times",)) == ()
    assert normalise.equal_after(early, (late, deb_of({"a": b"2"}, mtime=2)), ("ar-times",)) == ()
    assert normalise.equal_after(b"x", (b"y",), ("ar-times",)) == ()


def test_every_normaliser_has_its_page():
    from pathlib import Path

    for name in normalise.NORMALISERS:
        page = Path(__file__).parents[2] / "docs" / "normalisers" / f"{name}.md"
        text = page.read_text(encoding="utf-8")
        for part in ("What it removes", "Why that is harmless", "What it could hide"):
            assert part in text
