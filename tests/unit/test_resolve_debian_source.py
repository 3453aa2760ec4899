"""Reading hostile source packages: strict, bounded, and never more than the one member that is wanted."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from rebuilder import deb822
from rebuilder.errors import Stopped
from rebuilder.model import FileDigest, Source, SourceKind, Verdict
from rebuilder.resolve import debian_unpack
from rebuilder.resolve.debian_changelog import newest_entry
from rebuilder.resolve.debian_source import newest_entry as newest_of_source
from rebuilder.resolve.debian_source import parse_dsc, read_changelog, relations
from tests.archive.sources import EPOCH, SourcePackage
from tests.unit.resolve_cases import ar, deb, tar

SIGNED = b" -- A B <a@b.invalid>  Sun, 06 Apr 2025 05:23:51 +0000\n"
CHANGELOG = b"less (668-1) unstable; urgency=medium\n\n  * New.\n\n" + SIGNED
OLDER = b"\nless (1-1) unstable; urgency=low\n\n  * Old.\n\n -- A B <a@b.invalid>  Sun, 06 Apr 2014 05:23:51 +0000\n"


def stored(folder: Path, **files: bytes) -> tuple[Source, dict[str, Path]]:
    """A source whose files lie in a folder; a file's digest is a number of ours."""
    digests = []
    paths = {}
    for number, (name, data) in enumerate(files.items()):
        sha256 = f"{number:064x}"
        paths[sha256] = folder / name
        paths[sha256].write_bytes(data)
        digests.append(FileDigest(name=name, sha256=sha256, size=len(data)))
    source = Source(kind=SourceKind.SIGNED_DSC, name="less", version="668-1", files=tuple(digests), uri="")
    return source, paths


def read(folder: Path, **files: bytes) -> bytes | None:
    source, paths = stored(folder, **{"less.dsc": b""} | files)
    return read_changelog(source, paths.__getitem__)


def test_the_changelog_is_found_in_every_format(tmp_path: Path) -> None:
    packed = lzma.compress(tar({"debian/changelog": CHANGELOG}))
    assert read(tmp_path, **{"x.orig.tar.gz": b"", "x.debian.tar.xz": packed}) == CHANGELOG
    native = gzip.compress(tar({"less-1/other/debian/changelog": b"no", "less-1/debian/changelog": CHANGELOG}))
    assert read(tmp_path, **{"less_1.tar.gz": native}) == CHANGELOG
    rows = b"".join(b"+" + line for line in CHANGELOG.splitlines(keepends=True))
    head = b"--- a.orig/debian/%s\n+++ a/debian/%s\n@@ -0,0 +1,5 @@\n"
    text = head % (b"control", b"control") + b"+Source: x\n" + head % (b"changelog", b"changelog") + rows
    text += head % (b"rules", b"rules") + b"+all:\n"
    assert read(tmp_path, **{"x.orig.tar.gz": b"", "x.diff.gz": gzip.compress(text)}) == CHANGELOG


def test_a_diff_that_does_not_begin_at_the_top_gives_none(tmp_path: Path) -> None:
    text = b"--- a/debian/changelog\n+++ a/debian/changelog\n@@ -5,1 +9,2 @@\n+x\n"
    assert read(tmp_path, **{"x.orig.tar.gz": b"", "x.diff.gz": gzip.compress(text)}) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"not xz", lzma.compress(b"not tar"), lzma.compress(tar({"debian/changelog": CHANGELOG}))[:90]],
)
def test_a_broken_archive_leaves_the_time_to_dpkg(tmp_path: Path, data: bytes) -> None:
    source, paths = stored(tmp_path, **{"less.dsc": b"", "x.debian.tar.xz": data})
    assert newest_of_source(source, paths.__getitem__) is None


def test_a_link_named_changelog_is_no_changelog(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            entry = tarfile.TarInfo("debian/changelog")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    assert read(tmp_path, **{"x.debian.tar": buffer.getvalue()}) is None


def test_an_archive_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.xz"
    path.write_bytes(lzma.compress(tar({"zeros": b"\0" * 3_000_000, "debian/changelog": CHANGELOG}), preset=1))
    with pytest.raises(deb822.Malformed, match="unpacks to more than"):
        list(debian_unpack.tar_members(path, path.name, lambda name: name == "debian/changelog", limit=1_000_000))


def test_no_more_of_a_member_is_read_than_needed(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar({"debian/changelog": b"x" * (debian_unpack.MEMBER_LIMIT + 1)}))
    ((_, data),) = debian_unpack.tar_members(path, path.name, lambda _: True)
    assert len(data) == debian_unpack.MEMBER_LIMIT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a Debian package"),
        (b"!<arch>\n", "expected debian-binary and one control.tar, found nothing"),
        (ar({"debian-binary": b"2.0\n"}), "found 'debian-binary'"),
        (ar({"debian-binary": b"", "control.tar.zst": b"x"}), "packed with xz, gz, bz2, lzma or not at all"),
        (ar({"debian-binary": b"", "control.tar.xz": b"x"}), "not a whole archive"),
        (ar({"debian-binary": b"", "control.tar": b"", "control.tar.xz": b"x"}), "one control.tar"),
        (deb({"Package": "x"})[:150], "not a"),
    ],
)
def test_a_file_that_is_no_package_says_why(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(data)
    with pytest.raises(deb822.Malformed, match=message):
        list(debian_unpack.deb_members(path, path.name, "control.tar", lambda _: True))


# --- changelog entries ------------------------------------------------------------------------------


def test_the_newest_entry_is_read() -> None:
    entry = newest_entry(CHANGELOG + OLDER)
    assert (entry.source, entry.version, entry.epoch, entry.more) == ("less", "668-1", 1743917031, True)
    assert entry.text.encode() == CHANGELOG


def test_the_specimens_epoch_is_read() -> None:
    tree = SourcePackage(name="single").tree()
    assert newest_entry(tree["debian/changelog"]).epoch == EPOCH


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"less (668-1)", b"less 668-1", "expected a changelog to begin with"),
        (b"less (668-1)", b"l/ss (668-1)", "expected a changelog to begin with"),
        (b" -- A B", b" - A B", "expected a line ' -- name"),
        (b"Sun, 06 Apr 2025", b"Sun, 36 Apr 2025", "expected a changelog date"),
        (b"Sun, 06 Apr 2025", b"06 Apr 2025", "expected a changelog date"),
        (b"+0000", b"GMT", "expected a changelog date"),
        (b"  * New.\n", b"unindented\n", "expected a line ' -- name"),
        (CHANGELOG, b"", "expected a changelog to begin with"),
    ],
)
def test_another_form_needs_dpkg_itself(old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(deb822.Malformed, match=message):
        newest_entry(CHANGELOG.replace(old, new))


def test_a_wrong_day_of_the_week_does_not_change_the_time() -> None:
    assert newest_entry(CHANGELOG.replace(b"Sun,", b"Mon,")).epoch == 1743917031


# --- .dsc and relations -----------------------------------------------------------------------------


DSC = (
    b"Format: 3.0 (quilt)\nSource: less\nBinary: less\nVersion: 668-1\n"
    b"Checksums-Sha256:\n " + b"1" * 64 + b" 10 less_668.orig.tar.gz\n"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"3.0 (quilt)", b"3.0 (git)", r"expected format 1\.0, 3\.0"),
        (b"Source: less", b"Source: ../less", "expected a source name and version"),
        (b"668-1", b"1/../2", "expected a source name and version"),
        (b"less_668.orig", b"../less_668.orig", "stays inside its archive"),
        (b"less_668.orig", b"sub/less_668.orig", "expected plain file names"),
        (b"less_668.orig.tar.gz", b"less.dsc", "expected plain file names"),
        (b"1" * 64, b"1" * 40, "expected a line 'sha256 size name'"),
        (b"Binary: less", b"Binary: less\n\nSource: two", "expected one paragraph"),
        (b"Checksums-Sha256", b"Checksums-Md5", "expected plain file names"),
    ],
)
def test_a_dsc_that_is_not_sane_is_refused(old: bytes, new: bytes, message: str) -> None:
    assert parse_dsc(DSC).files[0].size == 10
    with pytest.raises(deb822.Malformed, match=message):
        parse_dsc(DSC.replace(old, new))


def test_relations_are_those_of_the_kind_of_build() -> None:
    fields = {
        "Build-Depends": "debhelper-compat (= 13), libx-dev (>= 1:2~rc1) [amd64 !arm64] <!nocheck> <cross>,\n"
        " python3:any | pypy",
        "Build-Depends-Arch": "gcc",
        "Build-Depends-Indep": "doxygen",
        "Build-Conflicts": "bad (<< 2)",
        "Build-Conflicts-Indep": "worse",
    }
    common = (
        "debhelper-compat (= 13)",
        "libx-dev (>= 1:2~rc1) [amd64 !arm64] <!nocheck> <cross>",
        "python3:any | pypy",
    )
    assert relations(fields, "any") == (*common, "gcc", "Conflicts: bad (<< 2)")
    assert relations(fields, "all") == (*common, "doxygen", "Conflicts: bad (<< 2)", "Conflicts: worse")


@pytest.mark.parametrize("item", ["-oDir::Etc=/x", "--help", "a b", "${shlibs:Depends}", "a | -x", "a (1)", "a;b", "A"])
def test_a_relation_can_not_become_an_option(item: str) -> None:
    with pytest.raises(Stopped, match="expected relations as Debian Policy") as caught:
        relations({"Build-Depends": f"gcc, {item}"}, "any")
    assert caught.value.verdict is Verdict.BUILD_FAILED
