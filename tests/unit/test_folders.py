"""Two folders on disk, compared like an archive without a container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rebuilder.compare.folders import compare_folders
from rebuilder.errors import UsageError
from rebuilder.findings import DifferenceClass
from rebuilder.opened import desk
from tests import samples


def folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def compared(one: Path, other: Path):
    with desk() as own:
        return compare_folders(own.folder(one), own.folder(other), own.bounds).difference


def test_equal_folders_have_no_finding_whatever_their_times(tmp_path: Path):
    sides = [folder(tmp_path / side, {"a/b": b"1", "c": b""}) for side in ("one", "two")]
    os.utime(sides[1] / "c", (1, 1))
    difference = compared(*sides)
    assert difference.findings == ()
    assert (difference.members.published, difference.members.equal) == (3, 3)


def test_members_of_archives_are_not_counted_among_those_of_the_folder(tmp_path: Path):
    sides = []
    for data in (b"1", b"2"):
        archive = samples.ar({b"a": b"1", b"b": b"1", b"c": data})
        sides.append(folder(tmp_path / data.decode(), {"x.a": archive, "y": b""}))
    members = compared(*sides).members
    assert (members.published, members.rebuilt, members.equal) == (2, 2, 1)


def test_every_kind_of_difference_is_told(tmp_path: Path):
    one = folder(tmp_path / "one", {"a/b": b"1", "gone": b"x", "mode": b"", "was": b"file", "x.gz": samples.gz(b"1")})
    two = folder(tmp_path / "two", {"a/b": b"2", "new": b"x", "mode": b"", "x.gz": samples.gz(b"2")})
    (two / "mode").chmod(0o755)
    (two / "was").mkdir()
    (one / "link").symlink_to("a/b")
    (two / "link").symlink_to("/etc/passwd")
    found = {(item.kind, item.path, item.what) for item in compared(one, two).findings}
    assert {
        (DifferenceClass.CONTENT, ("a/b",), "bytes"),
        (DifferenceClass.CONTENT, ("x.gz",), "bytes"),
        (DifferenceClass.MISSING, ("gone",), "member"),
        (DifferenceClass.EXTRA, ("new",), "member"),
        (DifferenceClass.METADATA, ("mode",), "mode"),
        (DifferenceClass.METADATA, ("was",), "kind"),
        (DifferenceClass.METADATA, ("link",), "link target"),
    } <= found


def test_links_are_not_followed(tmp_path: Path):
    one = folder(tmp_path / "one", {"f": b"1"})
    (one / "up").symlink_to("..")
    with desk() as own:
        assert set(own.folder(one)) == {"f", "up"}


def test_names_that_are_no_utf_8_are_kept(tmp_path: Path):
    (tmp_path / "one").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "one") + b"/a\xff")).write_bytes(b"1")
    with desk() as own:
        assert set(own.folder(tmp_path / "one")) == {"a\\xff"}


def test_a_device_is_refused_as_a_file(tmp_path: Path):
    with desk() as own, pytest.raises(UsageError, match="expected a file or a folder, found something else"):
        own.open(Path("/dev/null"))


def test_a_file_that_shrinks_while_it_is_read_is_said(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    with desk() as own:
        data = own.open(path)
        path.write_bytes(b"")
        with pytest.raises(OSError, match=r"became shorter while it was read \(expected 100 bytes, ends at 0\)"):
            data.read(0, 10)


def test_reading_nothing_gives_nothing(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x")
    with desk() as own:
        data = own.open(tmp_path / "a")
        assert (data.read(0, 0), data.read(1, 5), data.read(0, 5)) == (b"", b"", b"x")
