"""The canonical tar of a source tree, and its variations: same bytes for the same arguments, same contents always."""

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from rebuilder import treetar
from rebuilder.errors import IntegrityError, UsageError
from rebuilder.treetar import OPEN, TarTree, checkout_times, listed_tar, tree_tar, varied_tar

EPOCH = 1_600_000_000
NOW = EPOCH + 10 * 24 * 3600
LONG = "long/" + "n" * 90 + "/" + "m" * 90
#: Of order 5 and times 9. A release that gives others does not repeat the checks of earlier ones.
EXPECTED = [
    ("tree", 1600019004),
    ("tree/e", 1600002461),
    ("tree/b", 1600020374),
    ("tree/c", 1600009808),
    ("tree/f", 1600006253),
    ("tree/d", 1600007545),
]
ODD = os.fsdecode(b"\xff\xfe odd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "src" / "main.c").write_bytes(b"int main;\n" * 300)
    (root / "empty").write_bytes(b"")
    (root / "run").write_bytes(b"#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("src/main.c")
    (root / LONG).parent.mkdir(parents=True)
    (root / LONG).write_bytes(b"x" * 512)
    (root / ODD).write_bytes(b"odd")
    (root / "hollow").mkdir()
    return root


def packed(folder: Path) -> bytes:
    return b"".join(tree_tar(folder, "tree", EPOCH, modes=OPEN))


def varied(data: bytes, order: int | None, times: int | None) -> bytes:
    when = None if times is None else checkout_times(times, EPOCH, NOW)
    return b"".join(varied_tar(io.BytesIO(data), order=order, times=when))


def members(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        return archive.getmembers()


def contents(data: bytes) -> dict[str, tuple[bytes, int, str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        return {
            info.name: (info.type, info.mode, info.linkname, archive.extractfile(info).read() if info.isreg() else b"")
            for info in archive
        }


def test_the_umask_of_whoever_unpacks_decides(folder: Path) -> None:
    modes = {name: found[1] for name, found in contents(packed(folder)).items()}
    assert (modes["tree"], modes["tree/run"], modes["tree/empty"]) == (0o777, 0o777, 0o666)
    plain = b"".join(tree_tar(folder, "tree", EPOCH))
    modes = {name: found[1] for name, found in contents(plain).items()}
    assert (modes["tree"], modes["tree/run"], modes["tree/empty"]) == (0o755, 0o755, 0o644)


def test_nothing_varied_is_nothing_changed(folder: Path) -> None:
    data = packed(folder)
    assert varied(data, None, None) == data


def test_variations_keep_names_modes_links_and_contents(folder: Path) -> None:
    data = packed(folder)
    for order, times in ((1, None), (None, 1), (1, 1), (7, 3)):
        made = varied(data, order, times)
        assert contents(made) == contents(data)
        assert made == varied(data, order, times)
        assert len(made) == len(data)
        assert members(made)[0].name == "tree"


def test_variations_are_the_same_for_ever() -> None:
    data = bytearray()
    for name in "abcdef":
        info = tarfile.TarInfo(f"tree/{name}" if data else "tree")
        info.type = tarfile.REGTYPE if data else tarfile.DIRTYPE
        data += info.tobuf(tarfile.GNU_FORMAT)
    made = varied(bytes(data) + bytes(1024), 5, 9)
    assert [(info.name, info.mtime) for info in members(made)] == EXPECTED


def test_another_seed_is_another_order_and_other_times(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}").write_bytes(b"%d" % number)
    data = packed(tmp_path)
    plain = [info.name for info in members(data)]
    orders = [[info.name for info in members(varied(data, seed, None))] for seed in range(4)]
    assert all(sorted(order) == plain != order for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    for seed in range(4):
        times = [info.mtime for info in members(varied(data, None, seed))]
        assert len(set(times)) == len(times) == 41
        assert times != sorted(times)
        assert EPOCH < min(times) < max(times) <= EPOCH + 6 * 3600 < NOW
        together = {info.name: info.mtime for info in members(varied(data, 3, seed))}
        assert together == dict(zip(plain, times, strict=True))
    assert len({tuple(info.mtime for info in members(varied(data, None, seed))) for seed in range(20)}) == 20


def test_times_lie_between_the_commit_and_now() -> None:
    """One before the commit is none that a checkout gives, and packers that honour SOURCE_DATE_EPOCH would keep it."""
    assert checkout_times(3, 1000, 1000 + 7200) == (3, 1001, 7199)
    assert checkout_times(3, 1000, 10**9) == (3, 1001, 6 * 3600)
    assert checkout_times(3, 1000, 1002) == (3, 1001, 10)
    assert checkout_times(3, 1000, 5) == (3, 1001, 10)
    assert checkout_times(3, -5, 10**9).first == 1


def test_more_members_than_seconds_still_get_times_in_the_range(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(treetar, "_SPAN", 3)
    times = {info.mtime for info in members(varied(packed(folder), None, 1))}
    assert times == {EPOCH + 1, EPOCH + 2, EPOCH + 3}


def test_gnu_tar_unpacks_a_varied_tar(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    made = varied(packed(folder), 11, 12)
    subprocess.run(["tar", "-x", "-C", target], input=made, check=True)
    before = {path.relative_to(folder): path for path in folder.rglob("*")}
    after = {path.relative_to(target / "tree"): path for path in (target / "tree").rglob("*")}
    assert set(before) == set(after)
    assert all(before[name].read_bytes() == path.read_bytes() for name, path in after.items() if path.is_file())
    assert all(EPOCH < path.lstat().st_mtime <= EPOCH + 6 * 3600 for path in after.values())


def test_contents_are_streamed(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(50 * 1024**2)
    path = tmp_path.parent / f"{tmp_path.name}.tar"
    with path.open("wb") as file:
        file.writelines(tree_tar(tmp_path, "tree", EPOCH, modes=OPEN))
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in varied_tar(file, order=None, times=None):
            assert len(chunk) <= treetar.CHUNK
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize("data", [b"", b"no tar at all", bytes(1024), b"x" * 1024])
def test_what_is_no_tar_of_ours_is_our_fault(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="expected the tar of a source tree"):
        varied(data, 1, 1)
    with pytest.raises(IntegrityError, match="expected the tar of a source tree"):
        TarTree(io.BytesIO(data))


def test_a_negative_size_ends_the_walk() -> None:
    info = tarfile.TarInfo("tree")
    info.size = -512
    with pytest.raises(IntegrityError, match="negative size"):
        TarTree(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))


def test_the_files_of_a_tar_can_be_read_by_name(folder: Path) -> None:
    tree = TarTree(io.BytesIO(packed(folder)))
    assert tree.names == {"src/main.c", "empty", "run", LONG, ODD}
    assert tree.read("src/main.c", 10**6) == b"int main;\n" * 300
    assert tree.read(LONG, 512) == b"x" * 512
    assert tree.read(ODD, 3) == b"odd"
    assert tree.read("empty", 0) == b""
    # Whoever has to know whether a file is larger asks for a byte more.
    assert tree.read("src/main.c", 10) == b"int main;\n"
    for missing in ("link", "src", "nothing", "", "../etc/passwd"):
        with pytest.raises(KeyError):
            tree.read(missing, 10)


def test_a_list_of_files_gives_the_same_tar_as_their_folder(folder: Path) -> None:
    (folder / "hollow").rmdir()
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()]
    assert b"".join(listed_tar(folder, names, "tree", EPOCH)) == packed(folder)


def test_a_list_leaves_out_what_is_gone_or_behind_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_bytes(b"mine")
    (folder / "moved").symlink_to("src")
    (folder / "out").symlink_to(tmp_path / "secret")
    names = ["gone", "src/gone", "nowhere/at/all", "moved/main.c", "out/key", "src", "run", "run/below", "hollow"]
    assert list(contents(b"".join(listed_tar(folder, names, "tree", EPOCH)))) == ["tree", "tree/run"]


def test_the_youngest_file_of_a_folder(folder: Path) -> None:
    assert treetar.newest_time(folder / "hollow") is None
    for path in folder.rglob("*"):
        os.utime(path, (5, 5), follow_symlinks=False)
    os.utime(folder / "run", (7, 7))
    os.utime(folder / "src", (9, 9))
    assert treetar.newest_time(folder) == 7


def test_a_tree_of_too_many_files_is_refused(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(treetar, "MEMBERS_LIMIT", 3)
    with pytest.raises(UsageError, match="expected at most 3 files and folders, found more"):
        packed(folder)


@pytest.mark.parametrize("target", ["/etc/passwd", "..", "src/../../x"])
def test_a_link_that_leads_out_is_kept_and_never_read(folder: Path, target: str) -> None:
    (folder / "out").symlink_to(target)
    data = packed(folder)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert [member.linkname for member in archive if member.name.endswith("/out")] == [target]
    tree = TarTree(io.BytesIO(data))
    assert not [name for name in tree.names if name.startswith("out")]
    with pytest.raises(KeyError):
        tree.read("out", 10)


@pytest.mark.parametrize("target", ["", "a\0b", "a/" * 2048])
def test_a_link_to_no_path_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match="expected a link to a path of 1 to 4095 bytes"):
        treetar.kept_link(target, "link")
