"""Bad input: every archive that means harm gets a finding or a remark, in bounded memory and time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from rebuilder.compare.walk import Walked, lines_of
from rebuilder.findings import DifferenceClass
from rebuilder.opened import desk
from tests import samples
from tests.scenes import walked

ODD_NAMES = ["new\nline", "esc\x1b[31mape", "bidi\u202egnp.exe", "<script>alert(1)</script>", "back\\slash", "a » b"]


def remarks(result: Walked) -> str:
    return "\n".join(result.difference.remarks)


def tar_of(*members: tuple[str | bytes, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_odd_names_are_kept_apart_and_survive_json(name, pack):
    result = walked(pack((name, b"one")), pack((name, b"two")))
    [finding] = [one for one in result.difference.findings if one.kind is DifferenceClass.CONTENT]
    assert len(finding.path) == 1
    assert finding.path[0].replace("\\\\", "\\") == name
    assert type(result.difference).model_validate_json(result.difference.model_dump_json(by_alias=True)) == (
        result.difference
    )


def test_names_that_are_no_utf_8_stay_distinct():
    result = walked(tar_of((b"a\xff", b"1"), (b"a\xfe", b"1")), tar_of((b"a\xff", b"2"), (b"a\xfe", b"2")))
    paths = {one.path for one in result.difference.findings if one.what == "bytes"}
    assert paths == {("a\\xff",), ("a\\xfe",)}


def test_a_name_that_looks_like_an_escape_is_not_taken_for_one():
    result = walked(tar_of(("a\\xff", b"1"), (b"a\xff", b"1")), tar_of(("a\\xff", b"2"), (b"a\xff", b"2")))
    assert {one.path for one in result.difference.findings if one.what == "bytes"} == {("a\\\\xff",), ("a\\xff",)}


def test_the_second_of_two_equal_names_is_compared_too():
    one, other = tar_of(("x", b"first"), ("x", b"evil!")), tar_of(("x", b"first"), ("x", b"good!"))
    paths = [finding.path for finding in walked(one, other).difference.findings if finding.what == "bytes"]
    assert paths == [("x\\#2",)]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_zip_entries_are_remarked():
    result = walked(zip_of(("x", b"first"), ("x", b"evil!")), zip_of(("x", b"first"), ("x", b"good!")))
    assert "x" in remarks(result)
    assert [one.path for one in result.difference.findings if one.what == "bytes"] == [("x\\#2",)]


def test_a_zip_with_another_zip_before_it_shows_the_front():
    front, back = zip_of(("a", b"hidden")), zip_of(("a", b"shown"))
    result = walked(front + back, back)
    assert any(one.kind in {DifferenceClass.METADATA, DifferenceClass.CONTENT} for one in result.difference.findings)
    again = walked(zip_of(("a", b"HIDDEN")) + back, front + back)
    assert again.difference.findings, "a change in what lies before the archive"


def test_bytes_after_and_between_members_are_findings():
    one = zip_of(("a", b"1"))
    assert walked(one, one + b"tail").difference.findings
    tar = tar_of(("a", b"1"))
    grown = bytearray(tar)
    grown[600] = 0x41  # in the padding after the content
    [finding] = walked(tar, bytes(grown)).difference.findings
    assert (finding.path, finding.what) == (("a",), "padding")


def test_deep_nesting_ends_with_a_remark():
    one, other = b"inside 1", b"inside 2"
    for _ in range(40):
        one, other = gzip.compress(one, mtime=0), gzip.compress(other, mtime=0)
    result = walked(one, other)
    assert "nested more than 12 deep; compared as bytes" in remarks(result)
    assert [finding.kind for finding in result.difference.findings] == [DifferenceClass.CONTENT]


def test_too_many_members_end_with_a_remark():
    many = [(f"{number}", b"") for number in range(300)]
    result = walked(tar_of(*many, ("x", b"1")), tar_of(*many, ("x", b"2")), members=200)
    assert "more than 200 members" in remarks(result)
    assert [finding.what for finding in result.difference.findings] == ["bytes"]


def test_a_member_that_claims_a_terabyte_is_refused():
    tar = bytearray(tar_of(("a", b"1" * 100)))
    tar[124:136] = b"\x80" + (2**40).to_bytes(11, "big")
    tar[148:156] = b" " * 8
    tar[148:156] = b"%06o\0 " % sum(tar[:512])
    result = walked(bytes(tar), tar_of(("a", b"1" * 100)))
    assert result.difference.findings
    assert "compared as bytes" in remarks(result)


def test_an_encrypted_member_is_compared_as_it_lies(tmp_path: Path):
    made = []
    for secret in ("one", "two"):
        (tmp_path / "a").write_text("the same")
        target = tmp_path / f"{secret}.zip"
        command = [sys.executable, "-c", ENCRYPTED, str(target), secret]
        subprocess.run(command, check=True)
        made.append(target.read_bytes())
    result = walked(*made)
    assert any(one.path == ("a",) for one in result.difference.findings)
    assert "encrypted" in remarks(result)


#: The format's own old cipher flag set on a stored member: no reader may look inside.
ENCRYPTED = """
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    archive.writestr(zipfile.ZipInfo("a"), (sys.argv[2] * 20).encode())
data = bytearray(open(sys.argv[1], "rb").read())
data[6] |= 1
data[data.index(b"PK\\x01\\x02") + 8] |= 1
open(sys.argv[1], "wb").write(data)
"""

BOMBS = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": samples.zstd,
}


@pytest.mark.parametrize("packer", BOMBS)
def test_a_bomb_ends_at_the_scratch_limit(packer, tmp_path: Path):
    bomb = BOMBS[packer](bytes(40 * 1024**2))
    (tmp_path / "a").write_bytes(bomb)
    (tmp_path / "b").write_bytes(bomb + b"x")
    from rebuilder.compare.walk import compare

    with desk(scratch=5 * 1024**2) as own:
        result = compare(own.open(tmp_path / "a"), own.open(tmp_path / "b"), own.bounds)
        assert "unpacks to more than 5242880 bytes in all" in remarks(result)
        assert [one.what for one in result.difference.findings] == ["bytes"]


def test_time_that_is_over_ends_with_a_remark(tmp_path: Path):
    from rebuilder.compare.walk import compare

    many = [(f"{number}", b"x") for number in range(3000)]
    (tmp_path / "a").write_bytes(tar_of(*many, ("z", b"1")))
    (tmp_path / "b").write_bytes(tar_of(*many, ("z", b"2")))
    with desk(seconds=-1) as own:
        result = compare(own.open(tmp_path / "a"), own.open(tmp_path / "b"), own.bounds)
    assert "the comparison took more than -1 seconds" in remarks(result)
    assert result.difference.findings


def test_a_link_out_of_the_tree_is_metadata_and_nothing_follows_it():
    sides = []
    for target in ("../../../etc/passwd", "/etc/shadow"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            info = tarfile.TarInfo("link")
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
        sides.append(out.getvalue())
    [finding] = walked(*sides).difference.findings
    assert (finding.kind, finding.what) == (DifferenceClass.METADATA, "linkname")
    assert (finding.published.value, finding.rebuilt.value) == ("../../../etc/passwd", "/etc/shadow")


def test_many_members_take_little_memory_and_time():
    """100,000 members, one differs: found in seconds, in a process that may use 1.5 GB of addresses."""
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1536 * 1024**2,) * 2)\n"
        "from tests.unit.test_compare_hostile import tar_of\n"
        "from tests.scenes import walked\n"
        "many = [(f'{n}', b'') for n in range(100_000)]\n"
        "result = walked(tar_of(*many, ('x', b'1')), tar_of(*many, ('x', b'2')))\n"
        "print([one.path for one in result.difference.findings], result.difference.members.equal)\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert answer.stdout == "[('x',)] 100000\n", answer.stderr[-2000:]


def test_findings_past_the_limit_are_counted(monkeypatch):
    from rebuilder.compare import tally

    monkeypatch.setattr(tally, "MAX_FINDINGS", 10)
    sides = [tar_of(*((f"{number}", text) for number in range(30))) for text in (b"1", b"2")]
    result = walked(*sides)
    assert len(result.difference.findings) == 10
    assert "20 more findings are not listed; the limit is 10" in remarks(result)


def test_two_files_of_other_kinds_are_compared_as_bytes():
    result = walked(zip_of(("a", b"1")), tar_of(("a", b"1")))
    assert [line.split(":")[0] for line in lines_of(result)] == ["content"]
    assert result.leaves == ((),)


def test_empty_against_something():
    assert [one.what for one in walked(b"", b"x").difference.findings] == ["bytes"]
    assert walked(b"", b"").difference.findings == ()


def test_an_archive_cut_off_anywhere_has_findings():
    data = samples.deb()
    for cut in range(0, len(data), 97):
        assert walked(data, data[:cut]).difference.findings
