"""Scratch space: bounded, in few files, given back, and never left behind. The desk that hands it out opens safely."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from rebuilder import opened, scratch
from rebuilder.compare.archive.layout import BudgetError
from rebuilder.compare.folders import compare_folders
from rebuilder.data import chunks, sha256
from rebuilder.errors import UsageError
from rebuilder.opened import desk
from rebuilder.scratch import SMALL, Scratch
from tests.unit.test_compare_hostile import zip_of
from tests.unit.test_folders import compared, folder

MIB = 1024 * 1024


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def big(letter: bytes, size: int = 2 * MIB) -> list[bytes]:
    return [letter * MIB] * (size // MIB)


def test_thousands_of_streams_take_one_file():
    own = Scratch(10 * 1024 * MIB)
    before = descriptors()
    kept = [own.keep([bytes([at % 256]) * (SMALL + 1)]) for at in range(300)]
    assert descriptors() - before == 1
    assert all(one.read(SMALL, 10) == bytes([at % 256]) for at, one in enumerate(kept))
    own.close()
    assert descriptors() == before


def test_small_streams_stay_in_memory_only_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(scratch, "IN_MEMORY", 3 * SMALL)
    own = Scratch(100 * MIB)
    before = descriptors()
    kept = [own.keep([b"x" * SMALL]) for _ in range(3)]
    assert descriptors() == before
    kept += [own.keep([b"y" * 100]), own.keep([])]
    assert descriptors() == before + 1
    assert [one.size for one in kept] == [SMALL, SMALL, SMALL, 100, 0]
    assert kept[3].read(90, 50) == b"y" * 10
    own.close()


def test_what_is_not_read_any_more_is_given_back():
    own = Scratch(5 * MIB)
    for _ in range(20):
        assert sha256(own.keep(big(b"a", 4 * MIB)))
        gc.collect()
    first, second = own.keep(big(b"a")), own.keep(big(b"b"))
    part = second  # still read
    del first, second
    with pytest.raises(BudgetError, match="unpacks to more than 5242880 bytes in all"):
        own.keep(big(b"c"))
    assert b"".join(chunks(part)) == b"b" * 2 * MIB
    del part
    assert own.keep(big(b"d", 4 * MIB)).read(0, 1) == b"d"
    own.close()


def test_a_stretch_of_a_stream_keeps_the_stream():
    from rebuilder.data import window

    own = Scratch(5 * MIB)
    part = window(window(own.keep(big(b"a")), 10, MIB), 5, 100)
    assert own.keep(big(b"b")).size == 2 * MIB
    own.keep(big(b"c"))
    assert part.read(0, 100) == b"a" * 100
    own.close()


def test_a_stream_that_breaks_off_leaves_nothing():
    own = Scratch(5 * MIB)

    def breaks():
        yield from big(b"a", 3 * MIB)
        raise ValueError("broken")

    for _ in range(10):
        with pytest.raises(ValueError, match="broken"):
            own.keep(breaks())
    assert own.keep(big(b"z", 5 * MIB)).read(4 * MIB, 1) == b"z"
    own.close()


def test_a_full_disk_is_a_bound():
    """A file system of 1 MiB would need root: a limit on the size of files says the same to a writer."""
    script = (
        "import resource, signal\n"
        "from rebuilder.scratch import Scratch\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 1024**2,) * 2)\n"
        "own = Scratch(2**40)\n"
        "try: own.keep([bytes(2**20)] * 5)\n"
        "except Exception as err: print(type(err).__name__, err)\n"
        "print(own.keep([bytes(2**20)] * 3).size)\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    expected = "BudgetError no scratch space for what is unpacked: File too large\n3145728\n"
    assert answer.stdout == expected, answer.stderr


def test_many_threads_write_at_a_time():
    own = Scratch(1000 * MIB)
    found: dict[int, bool] = {}

    def work(number: int) -> None:
        letter = bytes([number])
        found[number] = all(b"".join(chunks(own.keep(big(letter)))) == letter * 2 * MIB for _ in range(5))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(6), True)
    own.close()


def test_scratch_files_lie_where_the_system_says_and_have_no_name(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with desk() as own:
        kept = own.spool(iter(big(b"a")))
        assert list(tmp_path.iterdir()) == []
        links = [os.readlink(one) for one in map(str, Path("/proc/self/fd").iterdir()) if os.path.islink(one)]
        assert any(link.startswith(str(tmp_path)) for link in links)
        assert kept.size == 2 * MIB


def test_a_desk_holds_many_large_members_at_once(tmp_path: Path):
    """60 members that differ, each too large for memory, in a process that may open 20 files."""
    for side in (b"1", b"2"):
        members = [(f"{at}", side + bytes(1_100_000)) for at in range(60)]
        (tmp_path / side.decode()).write_bytes(zip_of(*members))
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from rebuilder.opened import desk; from rebuilder.compare.walk import compare\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\n"
        "with desk() as own:\n"
        "    found = compare(own.open(Path(sys.argv[1])), own.open(Path(sys.argv[2])), own.bounds)\n"
        "    print(len(found.pairs), len(found.difference.findings))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "1"), str(tmp_path / "2")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert answer.stdout == "61 60\n", answer.stderr[-2000:]


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    before = descriptors()
    with desk() as own, pytest.raises(UsageError, match="expected a file or a folder, found something else"):
        own.open(tmp_path / "pipe")
    assert descriptors() == before


def test_a_file_that_becomes_a_pipe_is_not_waited_for(tmp_path: Path):
    one = folder(tmp_path / "one", {"a": b"1"})
    two = folder(tmp_path / "two", {"a": b"2"})
    with desk() as own:
        sides = own.folder(one), own.folder(two)
        (one / "a").unlink()
        os.mkfifo(one / "a")
        with pytest.raises(OSError, match="was a file when the folder was listed, and is none by now"):
            compare_folders(*sides, own.bounds)


def test_a_file_of_a_folder_that_shrinks_is_said(tmp_path: Path):
    one, two = (folder(tmp_path / side, {"a": b"12345"}) for side in ("one", "two"))
    with desk() as own:
        sides = own.folder(one), own.folder(two)
        for side in (one, two):
            (side / "a").write_bytes(b"1")
        with pytest.raises(OSError, match="became shorter while it was read"):
            compare_folders(*sides, own.bounds)


def test_things_that_are_no_files_are_told_apart(tmp_path: Path):
    one, two = folder(tmp_path / "one", {"x": b""}), folder(tmp_path / "two", {"x": b""})
    os.mkfifo(one / "thing")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(two / "thing"))
        [finding] = [one for one in compared(one, two).findings if one.what != "mode"]
    assert (finding.what, finding.published.value, finding.rebuilt.value) == ("kind", "pipe", "socket")


def test_two_devices_are_told_apart():
    """Those every system has; making some is not allowed everywhere."""
    sides = [{"null": opened._node(os.fsencode(f"/dev/{name}"))} for name in ("null", "zero")]
    with desk() as own:
        [finding] = [one for one in compare_folders(*sides, own.bounds).difference.findings if one.what == "kind"]
    assert (finding.published.value, finding.rebuilt.value) == ("character device 1:3", "character device 1:5")


def test_a_folder_that_cannot_be_listed_is_no_empty_folder(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"x")
    with desk() as own, pytest.raises(OSError, match="Not a directory"):
        own.folder(tmp_path / "file")


def test_folders_in_folders_without_end_are_no_recursion(tmp_path: Path):
    folders = [tmp_path / "top"]
    while len(folders) < 1500:
        folders.append(folders[-1] / "d")
    for one in folders:
        one.mkdir()
    try:
        with desk() as own:
            assert len(own.folder(folders[0])) == 1499
    finally:
        for one in reversed(folders):
            one.rmdir()
