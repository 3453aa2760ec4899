"""The shim in processes of its own: it changes times and owners of members that are known, and nothing else."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from rebuilder.recipe import Replay
from rebuilder.resolve.replays import replay_of
from rebuilder.sandbox import replay_shim, texts
from tests.unit.package_build_cases import SDIST, WHEEL, recipe

#: What backends do, each in its own way: (archive, how it is written).
MAKES = {
    "setuptools": """
import tarfile
def filtered(info):
    info.uid = info.gid = 7
    return info
with tarfile.open(where + SDIST, "w|gz") as tar:
    tar.add("demo-1.0", filter=filtered)
""",
    "pdm": """
import tarfile
with tarfile.open(where + SDIST, "w:gz", format=tarfile.PAX_FORMAT) as tar:
    for name in names:
        tar.add(name, recursive=False)
""",
    "flit": """
import gzip, tarfile
stream = gzip.GzipFile("", mode="wb", fileobj=open(where + SDIST, "wb"), mtime=5)
tar = tarfile.TarFile(where + SDIST, mode="w", fileobj=stream, format=tarfile.PAX_FORMAT)
for name in names:
    tar.add(name, recursive=False)
tar.close(); stream.close()
""",
    "hatchling": """
import gzip, os, tarfile, tempfile
number, path = tempfile.mkstemp(suffix=".tar.gz", dir=where)
with os.fdopen(number, "w+b") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=6) as stream:
    tar = tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT)
    for name in names:
        tar.add(name, recursive=False)
    tar.close()
os.replace(path, where + SDIST)
""",
    "gnu": """
import tarfile
with tarfile.open(where + ".tmp-" + SDIST, "w:gz", format=tarfile.GNU_FORMAT) as tar:
    tar.add("demo-1.0")
import os
os.replace(where + ".tmp-" + SDIST, where + SDIST)
""",
    "wheel": """
import os, zipfile
with zipfile.ZipFile(where + WHEEL, "w", compression=zipfile.ZIP_DEFLATED) as archive:
    for name in names:
        archive.write(name)
    archive.writestr(zipfile.ZipInfo("demo-1.0/RECORD", (2001, 2, 3, 4, 5, 6)), "record")
    archive.writestr("demo-1.0/text", "by its name")
    with archive.open("demo-1.0/stream", "w") as member:
        member.write(b"streamed")
""",
    "flit-wheel": """
import os, tempfile, zipfile
number, path = tempfile.mkstemp(suffix=".whl", dir=where)
with open(number, "w+b") as file, zipfile.ZipFile(file, "w") as archive:
    for name in names:
        archive.write(name)
os.replace(path, where + WHEEL)
""",
}
START = """
import sys
where, SDIST, WHEEL = sys.argv[1] + "/", sys.argv[2], sys.argv[3]
names = ["demo-1.0", "demo-1.0/a.py", "demo-1.0/b.py", "demo-1.0/sub", "demo-1.0/sub/c.py", "demo-1.0/" + "long" * 40]
"""
FIELDS = ("name", "mode", "uid", "gid", "size", "mtime", "type", "linkname", "uname", "gname", "pax_headers")
SCALARS = {"mtime", "uid", "gid", "uname", "gname", "pax_headers"}


class Place:
    """A tree to pack, the shim beside it, and what is replayed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "replay.json"
        (folder / "shim").mkdir()
        text = texts.replay_shim().replace(replay_shim.DATA, str(self.data))
        (folder / "shim" / "sitecustomize.py").write_text(text)
        for name in ("a.py", "b.py", "sub/c.py", "long" * 40):
            path = folder / "work" / "demo-1.0" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {name}\n" * 50)
            os.utime(path, ns=(10**18, 10**18 + 250_000_000))

    def know(self, artifacts: dict[str, Any]) -> None:
        self.data.write_text(json.dumps({"artifacts": artifacts, "times": {}}))

    def make(self, how: str, *, shim: bool = True, into: str = "out") -> Path:
        """The archive that a backend's way of writing gives."""
        target = self.folder / into
        target.mkdir(exist_ok=True)
        self.python(START + MAKES[how], str(target), SDIST, WHEEL, shim=shim)
        (made,) = target.iterdir()
        return made.rename(self.folder / f"{into}-{how}-{made.name}")

    def python(self, program: str, *words: str, shim: bool = True) -> str:
        environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        if shim:
            environment["PYTHONPATH"] = str(self.folder / "shim")
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, *words], cwd=self.folder / "work", env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def tar_rows(path: Path) -> list[tuple[dict[str, Any], bytes]]:
    with tarfile.open(path) as tar:
        return [
            ({field: getattr(one, field) for field in FIELDS}, tar.extractfile(one).read() if one.isreg() else b"")  # type: ignore[union-attr]
            for one in tar
        ]


def zip_rows(path: Path) -> list[tuple[dict[str, Any], bytes]]:
    fields = ("filename", "compress_type", "compress_size", "file_size", "CRC", "external_attr", "date_time",
              "create_version", "extract_version", "flag_bits", "extra", "comment", "header_offset")  # fmt: skip
    with zipfile.ZipFile(path) as archive:
        return [({field: getattr(one, field) for field in fields}, archive.read(one)) for one in archive.infolist()]


def others(rows: list[tuple[dict[str, Any], bytes]]) -> list[tuple[dict[str, Any], bytes]]:
    """All but what may be replayed."""
    changed = SCALARS | {"date_time"}
    return [({field: value for field, value in row.items() if field not in changed}, data) for row, data in rows]


TAR = {
    "demo-1.0": {"mtime": "1500000000.5"},
    "demo-1.0/a.py": {"mtime": "1500000001.12345670", "uid": 1001, "gid": 118, "uname": "runner", "gname": "docker"},
    "demo-1.0/b.py": {"mtime": "1500000002"},
    "demo-1.0/" + "long" * 40: {"mtime": "1500000003.1234567"},
    "demo-1.0/never": {"mtime": "4"},
}


@pytest.mark.parametrize("how", ["setuptools", "pdm", "flit", "hatchling", "gnu"])
def test_known_members_of_a_tar_get_their_scalars_and_nothing_else_changes(place: Place, how: str) -> None:
    place.know({SDIST: {"tar": TAR, "gzip": 1_400_000_000}})
    plain, made = place.make(how, shim=False, into="plain"), place.make(how)
    assert made.read_bytes()[4:8] == (1_400_000_000).to_bytes(4, "little")
    assert made.read_bytes()[:4] + made.read_bytes()[8:10] == plain.read_bytes()[:4] + plain.read_bytes()[8:10]
    before, after = tar_rows(plain), tar_rows(made)
    assert others(before) == others(after)
    rows = {row["name"]: row for row, _ in after}
    first = rows["demo-1.0/a.py"]
    assert (first["uid"], first["gid"], first["uname"], first["gname"]) == (1001, 118, "runner", "docker")
    assert rows["demo-1.0/b.py"]["mtime"] == 1_500_000_002
    assert "mtime" not in rows["demo-1.0/b.py"]["pax_headers"]
    if how != "gnu":
        assert first["pax_headers"]["mtime"] == "1500000001.12345670"
        assert list(rows["demo-1.0/" + "long" * 40]["pax_headers"]) == ["path", "mtime"]
    assert rows["demo-1.0/sub/c.py"] in [row for row, _ in before]
    assert "demo-1.0/never" not in rows


@pytest.mark.parametrize("how", ["wheel", "flit-wheel"])
def test_known_members_of_a_zip_get_their_time_and_nothing_else_changes(place: Place, how: str) -> None:
    known = ("demo-1.0", "demo-1.0/", "demo-1.0/a.py", "demo-1.0/RECORD", "demo-1.0/text", "demo-1.0/stream")
    place.know({WHEEL: {"zip": {name: [2019, 8, 7, 6, 5, 4] for name in known}}})
    plain, made = place.make(how, shim=False, into="plain"), place.make(how)
    before, after = zip_rows(plain), zip_rows(made)
    assert others(before) == others(after)
    for (row, _), (old, _) in zip(after, before, strict=True):
        expected = (2019, 8, 7, 6, 5, 4) if row["filename"] in known else old["date_time"]
        assert row["date_time"] == expected, row["filename"]
    assert plain.stat().st_size == made.stat().st_size


@pytest.mark.parametrize("how", sorted(MAKES))
def test_an_archive_that_is_not_known_is_the_same_with_the_shim(place: Place, how: str) -> None:
    place.know({"other-1.0.zip": {"tar": TAR, "zip": {"demo-1.0/a.py": [2000, 1, 1, 0, 0, 0]}, "gzip": 1}})
    plain, made = place.make(how, shim=False, into="plain").read_bytes(), place.make(how).read_bytes()
    if how in ("setuptools", "pdm", "gnu", "wheel"):
        # Their gzip header and their own members have the time at which they were made.
        assert len(plain) == len(made)
        rows = zip_rows if how == "wheel" else tar_rows
        (one,), (two,) = place.folder.glob(f"plain-{how}-*"), place.folder.glob(f"out-{how}-*")
        assert others(rows(one)) == others(rows(two))
    else:
        assert plain == made


@pytest.mark.parametrize("how", ["setuptools", "pdm", "flit", "hatchling"])
def test_what_was_read_off_an_archive_gives_that_archive_again(place: Place, how: str) -> None:
    """From the published file to the bytes of the rebuilt one: other times, another owner, the same file."""
    place.know({SDIST: {"tar": TAR, "gzip": 1_400_000_000}})
    published = place.make(how, into="published")
    what = ("member-times", "owners", "gzip-time")
    place.data.write_bytes(replay_of({SDIST: published}, recipe(Replay(artifact=SDIST, what=what))))
    for path in (place.folder / "work").rglob("*"):
        os.utime(path, (1, 1))
    assert place.make(how, shim=False, into="plain").read_bytes() != published.read_bytes()
    assert place.make(how).read_bytes() == published.read_bytes()


def test_modules_of_a_tree_that_are_called_like_those_of_the_library_are_left_alone(place: Place) -> None:
    place.know({SDIST: {"gzip": 1}})
    (place.folder / "work" / "zipfile.py").write_text("value = 1\n")
    program = "import sys; sys.path.insert(0, ''); import zipfile; print(zipfile.value, hasattr(zipfile, 'ZipFile'))"
    assert place.python(program) == "1 False\n"


def test_a_process_that_writes_no_archive_imports_nothing_for_it(place: Place) -> None:
    place.know({})
    program = "import sys; print(*sorted(set(sys.modules) & {'json', 'tarfile', 'zipfile', 'gzip', 'copy', 're'}))"
    assert place.python(program) == place.python(program, shim=False)


def test_data_that_is_missing_fails_the_one_who_writes_an_archive(place: Place) -> None:
    assert place.python("print('fine')") == "fine\n"
    with pytest.raises(AssertionError, match=r"replay\.json"):
        place.make("pdm")


def test_file_times_are_set_of_files_that_are_there_and_through_no_link(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    (tree / "sub").mkdir(parents=True)
    outside.mkdir()
    for path in (tree / "a", tree / "sub" / "b", outside / "c"):
        path.write_text("x")
        os.utime(path, (1, 1))
    (tree / "link").symlink_to(outside / "c")
    (tree / "folder").symlink_to(outside)
    when = 1_700_000_000_123_456_789
    names = ("a", "sub/b", "link", "folder/c", "sub", "missing", "sub/b/c", "../outside/c", "/a", "sub//b", "")
    assert replay_shim.set_times(str(tree), dict.fromkeys(names, when)) == 2
    assert (tree / "a").stat().st_mtime_ns == (tree / "sub" / "b").stat().st_mtime_ns == when
    assert (outside / "c").stat().st_mtime_ns == 10**9
    assert (tree / "link").lstat().st_mtime_ns != when


def test_as_a_program_it_sets_times_and_says_how_many(place: Place) -> None:
    tree = place.folder / "work" / "demo-1.0"
    place.data.write_text(json.dumps({"artifacts": {}, "times": {"a.py": 5 * 10**9, "gone": 1}}))
    shim = place.folder / "shim" / "sitecustomize.py"
    done = subprocess.run([sys.executable, "-I", "-S", shim, tree], capture_output=True, text=True, check=True)
    assert done.stdout == "times of 1 files, of 2 that are known\n"
    assert (tree / "a.py").stat().st_mtime == 5


def test_a_gzip_stream_of_another_name_keeps_its_time(place: Place) -> None:
    place.know({SDIST: {"gzip": 1_400_000_000}})
    program = "import gzip, sys; gzip.open(sys.argv[1], 'wb').close()"
    for name in ("data.gz", "demo-1.0.tar.gz.gz", SDIST):
        place.python(program, name)
        time = int.from_bytes((place.folder / "work" / name).read_bytes()[4:8], "little")
        assert (time == 1_400_000_000) == (name == SDIST)
    with gzip.open(place.folder / "work" / SDIST) as stream:
        assert stream.read() == b""
