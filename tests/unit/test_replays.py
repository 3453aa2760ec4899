"""Scalars read off published archives: what was asked for, digit for digit, and nothing of what is hostile."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from rebuilder.errors import UsageError
from rebuilder.recipe import Replay
from rebuilder.resolve import replays
from rebuilder.resolve.replays import replay_of
from tests.unit.package_build_cases import SDIST, WHEEL, recipe

TIMES, OWNERS, HEADER, FILES = "member-times", "owners", "gzip-time", "file-times"


def member(name: str, mtime: float = 1_700_000_000, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), mtime
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def packed(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], *, time: int = 1_700_000_123) -> Path:
    with (
        gzip.GzipFile(path, "wb", mtime=time) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def zipped(path: Path, **members: tuple[int, ...]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, when in members.items():
            archive.writestr(zipfile.ZipInfo(name, when), b"data")  # type: ignore[arg-type]
    return path


def read(artifacts: dict[str, Path], *replay: Replay) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(replay_of(artifacts, recipe(*replay)))
    assert found["format"] == "rebuilder/replay/v1"
    return found


def of_sdist(path: Path, *what: str) -> dict[str, Any]:
    return read({SDIST: path}, Replay(artifact=SDIST, what=what))  # type: ignore[arg-type]


def test_times_of_a_tar_come_digit_for_digit_and_owners_and_header_where_they_are_asked_for(tmp_path: Path) -> None:
    exact = {"pax_headers": {"mtime": "1700000000.12345670"}}
    owner = {"uid": 1001, "gid": 118, "uname": "runner", "gname": "docker"}
    members = (
        member("demo-1.0", type=tarfile.DIRTYPE, **owner),
        member("demo-1.0/a.py", 1_700_000_000.25, b"x", **owner),
        member("demo-1.0/b.py", 1_700_000_000.5, **exact),
    )
    path = packed(tmp_path / SDIST, members)
    assert of_sdist(path, TIMES)["artifacts"] == {
        SDIST: {
            "tar": {
                "demo-1.0": {"mtime": "1700000000"},
                "demo-1.0/a.py": {"mtime": "1700000000.25"},
                "demo-1.0/b.py": {"mtime": "1700000000.12345670"},
            }
        }
    }
    both = of_sdist(path, OWNERS, HEADER)["artifacts"][SDIST]
    assert both["gzip"] == 1_700_000_123
    assert both["tar"]["demo-1.0/a.py"] == owner
    assert both["tar"]["demo-1.0/b.py"] == {"uid": 0, "gid": 0, "uname": "", "gname": ""}
    assert of_sdist(path, HEADER)["artifacts"][SDIST] == {"gzip": 1_700_000_123}


def test_file_times_are_nanoseconds_below_the_top_folder_and_of_files_alone(tmp_path: Path) -> None:
    members = (
        member("demo-1.0", type=tarfile.DIRTYPE),
        member("demo-1.0/src/a.py", 1_700_000_000.5),
        member("demo-1.0/c.py", pax_headers={"mtime": "1700000000.123456789"}),
        member("demo-1.0/link", type=tarfile.SYMTYPE, linkname="c.py"),
        member("alone"),
        *(member(name) for name in ("demo-1.0/../up", "demo-1.0//x", "demo-1.0/./y", "/etc/passwd/..", "../z")),
    )
    found = of_sdist(packed(tmp_path / SDIST, members), FILES)
    assert found["times"] == {"c.py": 1_700_000_000_123_456_789, "src/a.py": 1_700_000_000_500_000_000}
    assert found["artifacts"] == {SDIST: {}}


def test_times_of_a_zip_are_six_numbers(tmp_path: Path) -> None:
    path = zipped(tmp_path / WHEEL, **{"demo/a.py": (2024, 1, 2, 3, 4, 6), "demo/b.py": (1980, 1, 1, 0, 0, 0)})
    found = read({WHEEL: path}, Replay(artifact=WHEEL, what=(TIMES,)))
    assert found["artifacts"][WHEEL]["zip"] == {"demo/a.py": [2024, 1, 2, 3, 4, 6], "demo/b.py": [1980, 1, 1, 0, 0, 0]}


def test_the_same_files_give_the_same_bytes_and_two_replays_of_one_file_are_one(tmp_path: Path) -> None:
    path = packed(tmp_path / SDIST, (member("demo-1.0/b"), member("demo-1.0/a")))
    apart = recipe(Replay(artifact=SDIST, what=(TIMES,)), Replay(artifact=SDIST, what=(HEADER,)))
    data = replay_of({SDIST: path}, apart)
    assert data == replay_of({SDIST: path}, recipe(Replay(artifact=SDIST, what=(TIMES, HEADER))))
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()


def test_without_replays_there_is_nothing() -> None:
    assert read({}) == {"format": "rebuilder/replay/v1", "artifacts": {}, "times": {}}


@pytest.mark.parametrize(
    "hostile",
    [
        member("demo-1.0/x", pax_headers={"mtime": "1e9"}),
        member("demo-1.0/x", pax_headers={"mtime": "-5"}),
        member("demo-1.0/x", pax_headers={"mtime": "nan"}),
        member("demo-1.0/x", pax_headers={"mtime": "1." + "1" * 5000}),
        member("demo-1.0/x", pax_headers={"mtime": "१७"}),
        member("demo-1.0/x", pax_headers={"mtime": "9" * 12}),
        member("demo-1.0/x\x1b[2J"),
        member("demo-1.0/x\udcff"),
        member("demo-1.0/" + "x" * 5000),
    ],
    ids=lambda value: repr(value[0].name)[:30] + repr(value[0].pax_headers)[:30],
)
def test_what_is_no_time_and_no_plain_name_is_left_out(hostile: tuple[tarfile.TarInfo, bytes], tmp_path: Path) -> None:
    found = of_sdist(packed(tmp_path / SDIST, (hostile, member("demo-1.0/good"))), TIMES, FILES)
    assert found["artifacts"][SDIST]["tar"] == {"demo-1.0/good": {"mtime": "1700000000"}}
    assert found["times"] == {"good": 1_700_000_000 * 10**9}


@pytest.mark.parametrize(
    "owner",
    [{"uname": "a\nb"}, {"gname": "x" * 65}, {"uname": "root:x:0"}, {"uid": 2**40}, {"uname": "\udc80"}],
)
def test_an_owner_that_is_none_is_left_out(owner: dict[str, Any], tmp_path: Path) -> None:
    found = of_sdist(packed(tmp_path / SDIST, (member("demo-1.0/x", **owner),)), OWNERS, TIMES)
    assert found["artifacts"][SDIST]["tar"] == {"demo-1.0/x": {"mtime": "1700000000"}}


def test_a_member_that_comes_twice_with_other_scalars_is_left_out(tmp_path: Path) -> None:
    members = (member("demo-1.0/x", 1), member("demo-1.0/same", 3), member("demo-1.0/x", 2), member("demo-1.0/same", 3))
    found = of_sdist(packed(tmp_path / SDIST, members), TIMES)
    assert found["artifacts"][SDIST]["tar"] == {"demo-1.0/same": {"mtime": "3"}}


def test_a_file_that_is_not_at_hand_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the published demo-1\.0\.tar\.gz, whose times or owners .* found none"):
        read({WHEEL: tmp_path / WHEEL}, Replay(artifact=SDIST, what=(TIMES,)))


def test_a_zip_has_times_only(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected only member-times to be replayed of a zip, found owners"):
        read({WHEEL: zipped(tmp_path / WHEEL)}, Replay(artifact=WHEEL, what=(TIMES, OWNERS)))


def _cut(path: Path) -> bytes:
    return packed(path, (member("demo-1.0/x", data=bytes(range(256)) * 64),)).read_bytes()[:-40]


BROKEN: list[Callable[[Path], bytes]] = [
    lambda _: b"",
    lambda _: b"\x1f\x8b\x08",
    lambda _: b"PK\x03\x04" + bytes(100),
    lambda _: gzip.compress(b"no tar at all" * 100),
    _cut,
]


@pytest.mark.parametrize("bad", BROKEN)
def test_a_file_that_is_no_such_archive_is_refused(bad: Callable[[Path], bytes], tmp_path: Path) -> None:
    data = bad(tmp_path / "whole.tar.gz")
    (tmp_path / SDIST).write_bytes(data)
    (tmp_path / WHEEL).write_bytes(data)
    with pytest.raises(UsageError, match=r"demo-1\.0\.tar\.gz: expected a whole tar packed with gzip"):
        of_sdist(tmp_path / SDIST, TIMES)
    with pytest.raises(UsageError, match=r"demo-1\.0-py3-none-any\.whl: expected a whole zip archive"):
        read({WHEEL: tmp_path / WHEEL}, Replay(artifact=WHEEL, what=(TIMES,)))


def test_an_archive_with_too_much_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / SDIST, [member(f"demo-1.0/{number}", data=bytes(2000)) for number in range(20)])
    wheel = zipped(tmp_path / WHEEL, **{f"m{number}": (2024, 1, 1, 0, 0, 0) for number in range(20)})
    monkeypatch.setattr(replays, "MEMBERS_LIMIT", 19)
    for what in (TIMES, FILES):
        with pytest.raises(UsageError, match="more than 19 members"):
            of_sdist(path, what)
    with pytest.raises(UsageError, match="more than 19 members"):
        read({WHEEL: wheel}, Replay(artifact=WHEEL, what=(TIMES,)))
    monkeypatch.setattr(replays, "MEMBERS_LIMIT", 20)
    assert len(of_sdist(path, TIMES)["artifacts"][SDIST]["tar"]) == 20
    monkeypatch.setattr(replays, "UNPACKED_LIMIT", 20_000)
    with pytest.raises(UsageError, match="more than 20000 bytes"):
        of_sdist(path, TIMES)
    monkeypatch.setattr(replays, "LISTED_LIMIT", 500)
    with pytest.raises(UsageError, match="more than 500 bytes that only list members"):
        read({WHEEL: wheel}, Replay(artifact=WHEEL, what=(TIMES,)))
    monkeypatch.setattr(replays, "UNPACKED_LIMIT", 10**9)
    monkeypatch.setattr(replays, "ANSWER_LIMIT", 100)
    with pytest.raises(UsageError, match="expected at most 100 bytes of times and owners"):
        of_sdist(path, TIMES)
