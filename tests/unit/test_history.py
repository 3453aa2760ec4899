"""What a package says of its own past."""

from __future__ import annotations

import gzip
import io
import lzma
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from rebuilder.data import Held
from rebuilder.explain.debuginfo import headers_in
from rebuilder.toolchain.history import headers, uploads
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


def test_a_changelog_gives_versions_newest_first_with_their_dates(tmp_path: Path):
    package = deb(tmp_path / "a.deb", {"./usr/share/doc/libc6/changelog.Debian.gz": gzip.compress(CHANGELOG.encode())})
    found = uploads(package)
    assert [(one.source, one.version) for one in found] == [("glibc", "2.41-12+deb13u4"), ("glibc", "2.41-12+deb13u3")]
    assert found[0].date == datetime(2026, 6, 29, 21, 37, 52, tzinfo=UTC)
    assert found[1].date is None


def test_an_upstream_changelog_is_not_taken_for_debian_s(tmp_path: Path):
    files = {
        "./usr/share/doc/x/changelog.gz": gzip.compress(b"2024-01-01  Somebody\n\n\t* x.c: fix\n"),
        "./usr/share/doc/x/changelog.Debian.gz": gzip.compress(CHANGELOG.encode()),
    }
    assert len(uploads(deb(tmp_path / "a.deb", files))) == 2


def test_a_package_without_or_with_a_damaged_changelog_has_no_past(tmp_path: Path):
    assert uploads(deb(tmp_path / "a.deb", {"./usr/bin/x": b""})) == ()
    assert uploads(deb(tmp_path / "b.deb", {"./usr/share/doc/x/changelog.Debian.gz": b"\x1f\x8b\x08broken"})) == ()
    (tmp_path / "c.deb").write_bytes(b"no package")
    assert uploads(tmp_path / "c.deb") == ()


def test_headers_are_those_below_usr_include(tmp_path: Path):
    files = {"./usr/include/linux/filter.h": b"", "./usr/include/sys/types.h": b"", "./usr/share/x.h": b""}
    assert headers(deb(tmp_path / "a.deb", files)) == {"filter.h", "types.h"}


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
