"""Packs: one lock gives one pack; nothing of a bad pack is kept that the lock did not name."""

import io
import tarfile
from datetime import UTC, datetime

import pytest

from rebuilder.errors import RecipeError, Stopped
from rebuilder.lock import LockedPackage, LockedRoot, ToolchainLock, to_bytes
from rebuilder.model import SignedIndex
from rebuilder.store.blobs import BlobStore
from rebuilder.toolchain.pack import LOCK_NAME, contents, pack, unpack


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "from")


@pytest.fixture
def lock(blobs):
    def kept(name, data):
        return blobs.put([data], name=name, limit=10**6)

    def package(name, data):
        file = kept(f"{name}_1_all.deb", data)
        return LockedPackage(
            **file.model_dump(), archive="debian", path=f"pool/{file.name}", package=name, version="1",
            architecture="all", why="essential", roots=("any",),
        )

    index = SignedIndex(
        archive="debian", suite="trixie", inrelease=kept("InRelease", b"signed"), lists=(kept("Packages.xz", b"list"),),
        date=datetime(2026, 9, 12, tzinfo=UTC), anchor="a", signers=("A" * 40,),
    )
    return ToolchainLock(
        suite="trixie", architecture="amd64", epoch=1, origin="suite", indexes=(index,),
        seed=(package("apt", b"apt bytes"), package("dpkg", b"dpkg bytes")),
        packages=(package("dpkg", b"dpkg bytes"), package("base-files", b"x" * 3000)),
        roots=(LockedRoot(build="any", sha256="1" * 64, size=1),),
    )


def members(lock, blobs):
    """Name and bytes of each member, to be changed and written again."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(pack(lock, blobs)))) as archive:
        return [(member.name, archive.extractfile(member).read()) for member in archive]


def written(path, entries):
    with tarfile.open(path, "w") as archive:
        for name, data in entries:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_one_lock_gives_one_pack_and_all_of_it_comes_back(lock, blobs, tmp_path):
    data = b"".join(pack(lock, blobs))
    assert data == b"".join(pack(lock, blobs))
    names = [name for name, _ in members(lock, blobs)]
    assert names == [LOCK_NAME, *sorted(f"blobs/{file.sha256}" for file in contents(lock))]
    assert len(names) == 6
    (tmp_path / "p.tar").write_bytes(data)
    other = BlobStore(tmp_path / "to")
    assert unpack(tmp_path / "p.tar", other, expect=lock) == lock
    assert all(other.read(file.sha256, limit=10**6) == blobs.read(file.sha256, limit=10**6) for file in contents(lock))


def test_a_pack_cannot_be_made_without_all_of_it(lock, blobs):
    blobs.remove(lock.packages[1].sha256)
    with pytest.raises(Stopped, match="1 files that the pack has to hold") as stopped:
        pack(lock, blobs)
    assert stopped.value.missing == ("base-files_1_all.deb",)


def flipped(entries):
    name, data = entries[-1]
    return [*entries[:-1], (name, data[:-1] + bytes([data[-1] ^ 1]))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (flipped, "expected sha256"),
        (lambda entries: entries[:-1], "1 of the files its lock names are not in it"),
        (lambda entries: [*entries, entries[-1]], "each once"),
        (lambda entries: [*entries, ("../../etc/passwd", b"x")], "'../../etc/passwd'"),
        (lambda entries: [*entries, (f"blobs/{'0' * 64}", b"x")], "only files its lock names"),
        (lambda entries: [*entries[:-1], (entries[-1][0], b"short")], "bytes, found 5"),
        (lambda entries: entries[1:], "as the first file"),
        (lambda _: [], "found nothing"),
        (lambda entries: [(LOCK_NAME, b"{}"), *entries[1:]], "toolchain.lock.json: suite: Field required"),
        (lambda entries: [(LOCK_NAME, b"\xff"), *entries[1:]], "toolchain.lock.json"),
    ],
)
def test_a_bad_pack_is_refused_with_what_is_wrong(lock, blobs, tmp_path, change, message):
    path = written(tmp_path / "p.tar", change(members(lock, blobs)))
    with pytest.raises(RecipeError, match=rf"p\.tar is not a sound toolchain pack: .*{message}"):
        unpack(path, BlobStore(tmp_path / "to"))


def test_a_wrong_file_is_not_kept(lock, blobs, tmp_path):
    path = written(tmp_path / "p.tar", flipped(members(lock, blobs)))
    other = BlobStore(tmp_path / "to")
    with pytest.raises(RecipeError):
        unpack(path, other)
    assert len(list(other.names())) == 4


def test_a_pack_of_another_lock_or_cut_off_is_refused(lock, blobs, tmp_path):
    data = b"".join(pack(lock, blobs))
    (tmp_path / "p.tar").write_bytes(data)
    other = lock.model_copy(update={"epoch": 2})
    with pytest.raises(RecipeError, match="another lock than the recipe's"):
        unpack(tmp_path / "p.tar", BlobStore(tmp_path / "to"), expect=other)
    assert to_bytes(other) != to_bytes(lock)
    (tmp_path / "p.tar").write_bytes(data[: len(data) // 2])
    with pytest.raises(RecipeError, match="is not a sound toolchain pack"):
        unpack(tmp_path / "p.tar", BlobStore(tmp_path / "to2"))


def test_a_link_in_place_of_a_file_is_refused(lock, blobs, tmp_path):
    with tarfile.open(tmp_path / "p.tar", "w") as archive:
        member = tarfile.TarInfo(LOCK_NAME)
        data = to_bytes(lock)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo(f"blobs/{contents(lock)[0].sha256}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(RecipeError, match="only files its lock names"):
        unpack(tmp_path / "p.tar", BlobStore(tmp_path / "to"))
