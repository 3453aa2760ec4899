"""A difference that could hide behind another one, or behind the number of others, is told beside it."""

from __future__ import annotations

import gzip
import struct
import subprocess
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from rebuilder.compare import tally
from rebuilder.compare.archive.layout import BudgetError
from rebuilder.findings import Difference, DifferenceClass
from tests.scenes import walked
from tests.unit.test_compare_hostile import tar_of, zip_of
from tests.unit.test_normalisers_hostile import patched, wide


def told(one: bytes, other: bytes) -> set[tuple[tuple[str, ...], str]]:
    return {(item.path, item.what) for item in walked(one, other).difference.findings}


def test_a_wrong_checksum_of_a_stored_member_that_differs_is_told():
    def made(content: bytes, claimed: bytes) -> bytes:
        import io

        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a"), content)
        data, crc = out.getvalue(), struct.pack("<I", zlib.crc32(claimed))
        return patched(patched(data, 14, crc), data.index(b"PK\x01\x02") + 16, crc)

    assert told(made(b"one", b"one"), made(b"two", b"two")) == {(("a",), "bytes")}
    assert told(made(b"one", b"one"), made(b"two", b"???")) == {(("a",), "bytes"), (("a",), "crc32 of content")}


def test_a_zip64_field_that_nothing_asks_for_is_told_beside_changed_content():
    one, other = wide(b"secret01", level=1), wide(b"secret02", level=9)
    assert {(("a",), "local.extra.0x0001"), (("a",), "central.extra.0x0001")} <= told(one, other)


def compiled(folder: Path, name: str, source: str) -> bytes:
    (folder / "a.c").write_text(source)
    subprocess.run(["gcc", "-c", "-o", name, "a.c"], check=True, cwd=folder)
    return (folder / name).read_bytes()


def test_the_size_of_bss_is_told_beside_other_sections(tmp_path: Path):
    """It has no bytes in the file: only the section's header says how much is asked for."""
    from rebuilder.compare.archive.elf_symbols import sections
    from rebuilder.data import Held

    one = compiled(tmp_path, "one.o", "static char room[100]; char *f(void) { return room; }\n")
    places = {item.name: index for index, item in enumerate(sections(Held(one)), 1)}
    header = int.from_bytes(one[40:48], "little") + 64 * places[b".bss"] + 32
    other = patched(one, header, (999).to_bytes(8, "little"))
    text = next(item for item in sections(Held(one)) if item.name == b".text")
    other = patched(other, text.offset, bytes([other[text.offset] ^ 1]))
    assert {((".text",), "bytes"), ((), "section headers")} == told(one, other)
    [finding] = [item for item in walked(one, other).difference.findings if item.what == "section headers"]
    assert finding.rebuilt.value == ".bss.sh_size: 999"


def test_blocks_of_zeros_after_a_tar_are_told_beside_changed_content():
    one, other = tar_of(("a", b"1")), tar_of(("a", b"2")) + bytes(20480)
    assert told(one, other) == {(("a",), "bytes"), ((), "end of archive")}


def test_members_past_the_limit_of_findings_are_not_counted_as_equal(monkeypatch):
    monkeypatch.setattr(tally, "MAX_FINDINGS", 5)
    sides = [tar_of(*((f"{number}", text) for number in range(20))) for text in (b"1", b"2")]
    assert walked(*sides).difference.members.equal == 0


def test_long_names_do_not_multiply(monkeypatch):
    """Every finding repeats the names of its containers: a name of a megabyte, thousands of times, is gigabytes."""
    monkeypatch.setattr(tally, "MAX_CHARACTERS", 3_000_000)
    sides = [
        tar_of(("n" * 500_000, tar_of(*((f"{number}", text) for number in range(2000))))) for text in (b"1", b"2")
    ]
    difference = walked(*sides).difference
    assert len(difference.model_dump_json()) < 4_000_000
    assert len(difference.findings) == 5
    assert "1995 more findings are not listed; the limit is 3000000 characters" in difference.remarks


def test_remarks_past_the_limit_are_counted(monkeypatch):
    monkeypatch.setattr(tally, "MAX_REMARKS", 10)
    broken = gzip.compress(b"x", mtime=0)[:-9]
    sides = [tar_of(*((f"{at}", broken + text) for at in range(40))) for text in (b"1", b"2")]
    difference = walked(*sides).difference
    assert difference.remarks[-1] == "70 more remarks are not listed; the limit is 10"
    assert len(difference.remarks) == 11


def test_time_that_ends_within_a_container_ends_the_walk():
    """What was not looked into is covered by its container, up to the outermost."""
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 200:
            raise BudgetError("the time is over")

    inner = [tar_of(*((f"{at}", text) for at in range(100))) for text in (b"1", b"2")]
    difference = walked(*(tar_of(("inner", one), ("z", one[:5])) for one in inner), check=check).difference
    covered = {item.path for item in difference.findings if item.what == "bytes"}
    assert {(), ("inner",)} <= covered
    assert calls < 300
    assert any("not all of it was looked into: the time is over" in one for one in difference.remarks)
    assert Difference.model_validate_json(difference.model_dump_json(by_alias=True)) == difference


def test_many_sections_and_many_symbols_are_no_quadratic_work(tmp_path: Path):
    """3,000 functions, each in a section of its own and all changed: each would search the whole table of symbols."""
    lines = "".join(f"int f{at}(int x) {{ return x + %s; }}\n" for at in range(3000))
    (tmp_path / "p").mkdir()
    sides = []
    for value in ("1000", "2000"):
        (tmp_path / "p" / "a.c").write_text(lines.replace("%s", value))
        subprocess.run(["gcc", "-c", "-O1", "-ffunction-sections", "-o", "a.o", "a.c"], check=True, cwd=tmp_path / "p")
        sides.append((tmp_path / "p" / "a.o").read_bytes())
    began = time.monotonic()
    difference = walked(*sides).difference
    took = time.monotonic() - began
    assert len(difference.findings) == 3000
    assert all(item.kind is DifferenceClass.CONTENT for item in difference.findings)
    assert difference.findings[0].note.startswith("near f")
    assert took < 15, took


@pytest.mark.parametrize("count", [0, 1, 2])
def test_names_of_places_end_with_the_work_they_may_take(monkeypatch, tmp_path: Path, count: int):
    from rebuilder.compare import walk
    from rebuilder.compare.archive.elf_symbols import Symbols
    from rebuilder.data import Held

    source = "int f(int x) {{ return x + {0}; }} int g = {0}; const int h = {0};\n"
    one, other = (compiled(tmp_path, f"{value}.o", source.format(value)) for value in (1000, 2000))
    monkeypatch.setattr(walk, "MAX_SYMBOL_ROWS", Symbols(Held(one)).rows * count)
    found = walked(zip_of(("a", one)), zip_of(("a", other))).difference.findings
    assert [item.path[-1] for item in found] == [".text", ".data", ".rodata"]
    assert [bool(item.note) for item in found] == [at < count for at in range(3)]
