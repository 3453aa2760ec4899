"""What a package says of its own past."""

from __future__ import annotations

import gzip
import io
import lzma
import subprocess
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rebuilder.data import Held
from rebuilder.explain.debuginfo import headers_in
from rebuilder.toolchain import history as module
from rebuilder.toolchain.history import History, Upload, history, made, older
from tests.samples import ar, elf

CHANGELOG = """\
glibc (2.41-12+deb13u4) trixie; urgency=medium

  * Something.

 -- A B <a@example.org>  Mon, 29 Jun 2026 21:37:52 +0000

glibc (2.41-12+deb13u3) trixie; urgency=medium

  * Older.

 -- A B <a@example.org>  not a date at all, sorry

glibc (2.41-12) unstable; urgency=medium

  * Cut off before its date.
"""


def deb(path: Path, files: dict[str, bytes]) -> Path:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    members = {b"debian-binary": b"2.0\n", b"control.tar.gz": gzip.compress(b"\0" * 1024)}
    path.write_bytes(ar({**members, b"data.tar.xz": lzma.compress(out.getvalue())}))
    return path


def of_changelog(folder: Path, text: bytes) -> tuple[Upload, ...]:
    return history(deb(folder / "x.deb", {"./usr/share/doc/x/changelog.Debian.gz": gzip.compress(text, 1)})).uploads


def test_a_changelog_gives_versions_newest_first_with_their_dates(tmp_path: Path):
    found = of_changelog(tmp_path, CHANGELOG.encode())
    assert [(one.source, one.version) for one in found] == [("glibc", "2.41-12+deb13u4"), ("glibc", "2.41-12+deb13u3")]
    assert found[0].date == datetime(2026, 6, 29, 21, 37, 52, tzinfo=UTC)
    assert found[1].date is None


def test_a_date_without_a_zone_is_one_in_utc(tmp_path: Path):
    text = b"x (1) unstable; urgency=low\n\n -- A B <a@example.org>  Mon, 29 Jun 2026 21:37:52 -0000\n"
    assert of_changelog(tmp_path, text)[0].date == datetime(2026, 6, 29, 21, 37, 52, tzinfo=UTC)


def test_an_upload_to_experimental_never_was_in_the_suite(tmp_path: Path):
    signed = b"\n\n -- A B <a@example.org>  Mon, 29 Jun 2026 21:37:52 +0000\n\n"
    heads = (b"x (3) unstable; urgency=low", b"x (2) experimental; urgency=low", b"x (1) UNRELEASED; urgency=low")
    assert [one.version for one in of_changelog(tmp_path, b"".join(head + signed for head in heads))] == ["3"]


def test_an_upstream_changelog_is_not_taken_for_debian_s(tmp_path: Path):
    files = {
        "./usr/share/doc/x/changelog.gz": gzip.compress(b"2024-01-01  Somebody\n\n\t* x.c: fix\n"),
        "./usr/share/doc/x/changelog.Debian.gz": gzip.compress(CHANGELOG.encode()),
    }
    assert len(history(deb(tmp_path / "a.deb", files)).uploads) == 2


def test_a_package_without_or_with_a_damaged_changelog_has_no_past(tmp_path: Path):
    assert history(deb(tmp_path / "a.deb", {"./usr/bin/x": b""})) == History()
    whole = gzip.compress(CHANGELOG.encode())
    for number, data in enumerate((b"\x1f\x8b\x08broken", whole[:-20], whole[:20] + b"\xff" * 40, b"", b"text")):
        files = {"./usr/share/doc/x/changelog.Debian.gz": data}
        assert history(deb(tmp_path / f"b{number}.deb", files)).uploads == ()


def test_a_damaged_package_has_no_past(tmp_path: Path):
    path = deb(tmp_path / "a.deb", {"./usr/share/doc/x/changelog.Debian.gz": gzip.compress(CHANGELOG.encode())})
    whole = path.read_bytes()
    for size in (0, 7, 60, 200, len(whole) // 2):
        path.write_bytes(whole[:size])
        assert history(path, with_headers=True) == History(), size
    path.write_bytes(b"no package")
    assert history(path) == History()
    assert made(path) is None


def test_a_bomb_of_a_changelog_costs_no_more_than_its_bound(tmp_path: Path):
    first = b"x (2) unstable; urgency=low\n\n -- A B <a@example.org>  Mon, 29 Jun 2026 21:37:52 +0000\n\n"
    rest = {"zeros": bytes(32 * 1024**2), "lines": b"\n" * (32 * 1024**2), "blanks": b" -- " + b" " * (32 * 1024**2)}
    for what, padding in rest.items():
        path = deb(tmp_path / what, {"./usr/share/doc/x/changelog.Debian.gz": gzip.compress(first + padding, 1)})
        started = time.monotonic()
        assert [one.version for one in history(path).uploads] == ["2"], what
        assert time.monotonic() - started < 2, what
    entries = b"".join(b"x (%d) unstable; urgency=low\n -- A <a@b.c>  Mon, 29 Jun 2026 21:37:52 +0000\n" % n
                       for n in range(5000))  # fmt: skip
    assert len(of_changelog(tmp_path, entries)) == module.MAX_UPLOADS


def test_a_package_that_unpacks_to_far_too_much_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_DATA_BYTES", 1024**2)
    files = {"./usr/bin/x": bytes(8 * 1024**2), "./usr/share/doc/x/changelog.Debian.gz": gzip.compress(b"")}
    assert history(deb(tmp_path / "a.deb", files)) == History()


def test_headers_are_those_below_usr_include(tmp_path: Path):
    files = {
        "./usr/include/linux/filter.h": b"", "./usr/include/sys/types.h": b"", "./usr/share/x.h": b"",
        "./usr/share/doc/x/changelog.gz": gzip.compress(CHANGELOG.encode()), "./usr/include/late.h": b"",
    }  # fmt: skip
    found = history(deb(tmp_path / "a.deb", files), with_headers=True)
    assert found.headers == {"filter.h", "types.h", "late.h"}
    assert len(found.uploads) == 2


def test_a_package_was_made_when_its_archive_says(tmp_path: Path):
    path = tmp_path / "a.deb"
    path.write_bytes(b"!<arch>\ndebian-binary   1787742261  0     0     100644  4         `\n2.0\n")
    assert made(path) == datetime(2026, 8, 26, 11, 4, 21, tzinfo=UTC)
    path.write_bytes(b"!<arch>\ndebian-binary   999999999999" + b" " * 32)
    assert made(path) == datetime.fromtimestamp(2**33, UTC)
    assert made(tmp_path / "none.deb") is None


def past(*versions: str) -> tuple[Upload, ...]:
    return tuple(Upload("x", one, None) for one in versions)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.2-1", ["1.1-1", "1.0-1"]),
        ("1.1-1+b3", ["1.1-1+b2", "1.1-1+b1", "1.1-1", "1.0-1"]),
        ("1.0-1", []),
        # gcc-defaults and its like: the package is not numbered like its source.
        ("4:14.2.0-1", []),
    ],
)
def test_what_came_before_a_version(version: str, expected: list[str]):
    assert [one.version for one in older(past("1.2-1", "1.1-1", "1.0-1"), version)] == expected


def compiled(folder: Path, *options: str) -> bytes:
    Path(folder, "mine.h").write_text("struct mine { int a; };\n")
    Path(folder, "a.c").write_text('#include "mine.h"\nstruct mine twice(struct mine x) { x.a *= 2; return x; }\n')
    command = ["gcc", "-g", *options, "-shared", "-nostdlib", "-fPIC", "-o", "a.so", "a.c"]
    subprocess.run(command, check=True, cwd=folder)
    return Path(folder, "a.so").read_bytes()


def test_debug_information_lists_the_headers_that_were_read(tmp_path: Path):
    assert headers_in(Held(compiled(tmp_path))) == {"mine.h"}


def test_compressed_debug_information_is_read_too(tmp_path: Path):
    assert headers_in(Held(compiled(tmp_path, "-Wl,--compress-debug-sections=zlib"))) == {"mine.h"}


def test_a_file_that_is_no_elf_or_a_broken_one_lists_none():
    assert headers_in(Held(b"\x7fELF")) == frozenset()
    assert headers_in(Held(b"text")) == frozenset()
    assert headers_in(Held(elf()[:2000])) == frozenset()


def test_a_source_of_another_name_is_no_past():
    uploads = (Upload("gcc-14", "14-1", None), Upload("gcc-14", "14~0", None), Upload("gcc-13", "13.2-9", None))
    assert [one.version for one in older(uploads, "14-1")] == ["14~0"]
