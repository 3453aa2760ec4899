"""Causes in archives: on what real tools wrote, with the fix and without, and on what only an attacker writes."""

import gzip
import io
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from rebuilder.explain.causes import archives, python
from rebuilder.explain.causes.rank import explain
from rebuilder.findings import Cause, Severity
from tests.scenes import scene

DATA = Path(__file__).parents[1] / "data" / "causes"
DOCS = Path(__file__).parents[2] / "docs"
RULES = (*archives.RULES, *python.RULES)
TOLD = {
    "zip-times": ("harmless", "proved"),
    "zip-timezone": ("harmless", "likely"),
    "zip-extra": ("harmless", "proved"),
    "zip-writer": ("harmless", "likely"),
    "archive-order": ("harmless", "proved"),
    "tar-times": ("harmless", "proved"),
    "tar-owners": ("inspect", "proved"),
    "archive-modes": ("inspect", "likely"),
    "executable-bit": ("behaviour", "proved"),
    "pax-headers": ("harmless", "proved"),
    "tar-format": ("harmless", "proved"),
    "gzip-header-time": ("harmless", "proved"),
    "gzip-header-name": ("harmless", "proved"),
    "gzip-header-os": ("harmless", "proved"),
    "deflate-stream": ("harmless", "proved"),
    "xz-stream": ("harmless", "proved"),
    "zstd-stream": ("harmless", "proved"),
    "bzip2-stream": ("harmless", "proved"),
    "compression-method": ("inspect", "proved"),
    "ar-times": ("harmless", "proved"),
    "ar-owners": ("harmless", "proved"),
    "directory-entries": ("inspect", "proved"),
    "moved-file": ("inspect", "likely"),
    "missing-file": ("behaviour", "possible"),
    "extra-file": ("behaviour", "possible"),
    "duplicate-entry": ("behaviour", "possible"),
    "trailing-data": ("behaviour", "possible"),
    "gap": ("behaviour", "possible"),
    "abi-tag": ("behaviour", "likely"),
}


def fixture(cause: str, name: str) -> Path:
    (path,) = (DATA / cause).glob(f"{name}.*")
    return path


def causes(published: bytes | Path, rebuilt: bytes | Path, **surroundings) -> dict[str, Cause]:
    found, _ = explain(scene(published, rebuilt, **surroundings), RULES)
    return {cause.id: cause for cause in found}


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], when=(2024, 1, 1, 0, 0, 0)) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, when) if isinstance(name, str) else name, data)
    return out.getvalue()


def tarred(*members: tarfile.TarInfo, data: bytes = b"", form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member in members:
            member.size = len(data) if member.isfile() else 0
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def member(name: str, **changes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mtime = 1_700_000_000
    for key, value in changes.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize("cause", TOLD)
def test_names_the_cause_first_of_what_real_tools_wrote_without_the_fix(cause):
    found, _ = explain(scene(fixture(cause, "published"), fixture(cause, "rebuilt")), RULES)
    assert found[0].id == cause
    assert (found[0].severity.value, found[0].confidence) == TOLD[cause]
    shown = found[0].evidence[0]
    assert shown.published != shown.rebuilt or (cause.endswith("-stream") and shown.offset is not None)


@pytest.mark.parametrize("cause", TOLD)
def test_the_fix_takes_the_cause_away(cause):
    assert fixture(cause, "fixed-1").read_bytes() == fixture(cause, "fixed-2").read_bytes()


@pytest.mark.parametrize("cause", TOLD)
def test_every_finding_of_a_fixture_with_one_cause_is_explained(cause):
    _, unexplained = explain(scene(fixture(cause, "published"), fixture(cause, "rebuilt")), RULES)
    assert unexplained == ()


def test_every_cause_has_a_page_and_a_fix_and_no_two_share_an_id():
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        page = (DOCS / rule.docs).read_text()
        assert page.startswith(f"# {rule.title}\n\nCause `{rule.id}`.\n")
        assert "## What it could hide" in page
        assert rule.fix


def test_every_fixture_made_here_is_of_a_rule_and_every_rule_but_one_has_one():
    names = {path.name for path in DATA.iterdir() if path.is_dir()}
    assert {rule.id for rule in RULES} - names == {"sdist-egg-info-order"}


def test_a_shift_of_one_member_by_what_is_no_time_zone_makes_it_a_time():
    published = zipped(("a", b""), ("b", b""))
    infos = [zipfile.ZipInfo("a", (2024, 1, 1, 5, 30, 0)), zipfile.ZipInfo("b", (2024, 1, 1, 5, 31, 0))]
    found = causes(published, zipped(*((info, b"") for info in infos)))
    assert set(found) == {"zip-times"}
    assert found["zip-times"].evidence[0].published == "2024-01-01T00:00:00"


def test_summer_time_between_two_members_is_still_one_time_zone():
    published = [zipfile.ZipInfo("a", (2024, 1, 1, 0, 0, 0)), zipfile.ZipInfo("b", (2024, 7, 1, 0, 0, 0))]
    rebuilt = [zipfile.ZipInfo("a", (2024, 1, 1, 1, 0, 0)), zipfile.ZipInfo("b", (2024, 7, 1, 2, 0, 0))]
    found = causes(*(zipped(*((info, b"") for info in side)) for side in (published, rebuilt)))
    assert set(found) == {"zip-timezone"}
    assert found["zip-timezone"].evidence[0].rebuilt.endswith("(+1:00)")


def test_a_time_that_is_no_date_is_not_called_harmless():
    data = bytearray(zipped(("a", b"")))
    at = data.index(b"PK\x03\x04") + 10
    data[at : at + 4] = b"\xff\xff\xff\xff"
    assert "zip-times" not in causes(zipped(("a", b"")), bytes(data))


def test_an_extra_field_with_more_in_it_than_times_is_left_alone():
    infos = [zipfile.ZipInfo("a", (2024, 1, 1, 0, 0, 0)) for _ in range(2)]
    infos[0].extra = b"\x55\x54\x05\x00\x03\x00\x00\x00\x65"
    infos[1].extra = b"\x55\x54\x07\x00\x03\x00\x00\x00\x65hi"
    found = causes(zipped((infos[0], b"")), zipped((infos[1], b"")))
    assert "zip-extra" not in found


def test_owners_in_an_extra_field_are_not_called_harmless():
    infos = [zipfile.ZipInfo("a", (2024, 1, 1, 0, 0, 0)) for _ in range(2)]
    for number, info in enumerate(infos):
        info.extra = b"ux\x0b\x00\x01\x04" + (1000 + number).to_bytes(4, "little") + b"\x04" + bytes(4)
    found = causes(zipped((infos[0], b"")), zipped((infos[1], b"")))
    assert found["zip-extra"].severity is Severity.INSPECT
    assert found["zip-extra"].evidence[0].rebuilt == "uid 1001 gid 0"


@pytest.mark.parametrize(
    ("published", "rebuilt", "cause"),
    [
        (0o644, 0o664, "archive-modes"),
        (0o666, 0o600, "archive-modes"),
        (0o644, 0o755, "executable-bit"),
        (0o755, 0o700, "executable-bit"),
        (0o755, 0o4755, "executable-bit"),
        (0o755, 0o2755, "executable-bit"),
        (0o777, 0o1777, "executable-bit"),
    ],
)
def test_a_bit_that_lets_a_file_run_is_never_put_down_to_the_umask(published, rebuilt, cause):
    found = causes(tarred(member("a", mode=published)), tarred(member("a", mode=rebuilt)))
    assert set(found) == {cause}
    expected = Severity.INSPECT if cause == "archive-modes" else Severity.BEHAVIOUR
    assert found[cause].severity is expected


def test_an_owner_who_may_no_longer_write_is_not_explained():
    assert causes(tarred(member("a", mode=0o644)), tarred(member("a", mode=0o444))) == {}


def test_a_directory_that_others_may_enter_is_put_down_to_the_umask():
    sides = (member("a", type=tarfile.DIRTYPE, mode=mode) for mode in (0o755, 0o700))
    # A tar written by Python gives directories a slash at the end of the name.
    found = causes(*(tarred(side) for side in sides))
    assert set(found) == {"archive-modes"}


def test_the_umask_to_build_with_is_read_off_the_published_modes():
    found = causes(fixture("archive-modes", "rebuilt"), fixture("archive-modes", "published"))
    assert "umask 0002" in found["archive-modes"].changes[0].text
    assert found["archive-modes"].changes[0].target == "umask"


def test_an_owner_of_an_installed_file_may_change_behaviour():
    data = [tarred(member("./usr/bin/x", uid=uid)) for uid in (0, 1000)]
    head = b"!<arch>\n%-16s%-12d%-6d%-6d%-8s%-10d`\n"
    debs = [head % (b"data.tar", 0, 0, 0, b"100644", len(one)) + one for one in data]
    assert causes(*data)["tar-owners"].severity is Severity.INSPECT
    assert causes(*debs)["tar-owners"].severity is Severity.BEHAVIOUR


def test_order_is_not_harmless_where_two_members_touch_one_place():
    plain = [tarred(member("a"), member("b")), tarred(member("b"), member("a"))]
    linked = [member("a", type=tarfile.SYMTYPE, linkname="b"), member("b")]
    spelled = [member("./a"), member("a")]
    assert causes(*plain)["archive-order"].severity is Severity.HARMLESS
    for pair in (linked, spelled):
        found = causes(tarred(*pair), tarred(*pair[::-1]))
        assert found["archive-order"].severity is Severity.INSPECT


def test_order_is_not_harmless_where_a_reader_looks_at_the_first_member():
    pair = [("META-INF/MANIFEST.MF", b"m"), ("a", b"a")]
    assert causes(zipped(*pair), zipped(*pair[::-1]))["archive-order"].severity is Severity.INSPECT


def test_order_of_a_static_library_is_not_harmless(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    for out, names in (("1.a", "ab"), ("2.a", "ba")):
        subprocess.run(["ar", "rcD", out, *names], cwd=tmp_path, check=True, capture_output=True)
    found = causes(tmp_path / "1.a", tmp_path / "2.a")
    assert found["archive-order"].severity is Severity.INSPECT


def test_the_level_that_gives_the_sizes_seen_is_named():
    text = "".join(f"{n} {n * n * 7919 % 1000}\n" for n in range(3000)).encode()
    sides = [gzip.compress(text, level, mtime=0) for level in (6, 1)]
    found = causes(*(zipfile_of(text, level) for level in (6, 1)))
    assert "(the size zlib gives at level 6)" in found["deflate-stream"].evidence[0].published
    assert "(the size zlib gives at level 1)" in found["deflate-stream"].evidence[0].rebuilt
    assert set(causes(*sides)) == {"deflate-stream"}


def zipfile_of(text: bytes, level: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        archive.writestr(zipfile.ZipInfo("a"), text, zipfile.ZIP_DEFLATED, level)
    return out.getvalue()


def test_a_stream_that_unpacks_to_other_bytes_is_no_matter_of_packing():
    sides = gzip.compress(b"one\n" * 50, 9, mtime=0), gzip.compress(b"two\n" * 50, 1, mtime=0)
    assert causes(*sides).keys() <= {"gzip-header-os"}


def test_a_comment_in_a_gzip_header_is_not_explained():
    plain = gzip.compress(b"x", mtime=0)
    assert causes(plain, plain[:3] + b"\x10" + plain[4:10] + b"hidden\0" + plain[10:]) == {}


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ((1, 5), (9, 9), {"gzip-header-time"}),
        ((5, 5), (8, 9), {"tar-times"}),
        ((1, 5), (8, 9), {"gzip-header-time", "tar-times"}),
    ],
)
def test_a_time_in_a_gzip_header_and_one_in_the_tar_around_it_are_told_apart(inner, outer, expected):
    packed = [gzip.compress(b"text\n", mtime=when) for when in inner]
    tars = [tarred(member("a.gz", mtime=when), data=data) for when, data in zip(outer, packed, strict=True)]
    assert set(causes(*tars)) == expected


def test_only_more_zeros_at_the_end_are_another_dialect():
    whole = tarred(member("a"))
    short = whole[: 512 + 1024]
    assert set(causes(whole, short)) == {"tar-format"}
    hidden = short + b"\0" * 512 + b"hidden".ljust(512, b"\0")
    assert "tar-format" not in causes(short, hidden)


def test_an_extended_header_that_only_one_side_has_is_looked_at():
    sides = [member("a"), member("a", pax_headers={"SCHILY.xattr.security.capability": "cap"})]
    found = causes(*(tarred(side, form=tarfile.PAX_FORMAT) for side in sides))
    assert found["pax-headers"].severity is Severity.INSPECT


def test_a_changed_extended_attribute_is_not_explained():
    sides = [member("a", pax_headers={"SCHILY.xattr.security.capability": value}) for value in ("cap1", "cap2")]
    assert causes(*(tarred(side, form=tarfile.PAX_FORMAT) for side in sides)) == {}


def test_times_with_fractions_in_extended_headers_are_times():
    sides = [tarred(member("a", mtime=when), form=tarfile.PAX_FORMAT) for when in (5.25, 5.75)]
    assert set(causes(*sides)) == {"tar-times"}


def test_a_name_that_looks_like_the_mark_of_a_second_member_is_none():
    found = causes(zipped(("a", b"")), zipped(("a", b""), ("b\\#2", b"")))
    assert set(found) == {"extra-file"}


def test_of_two_copies_nobody_can_say_which_was_moved():
    found = causes(zipped(("a", b"1"), ("b", b"1")), zipped(("c", b"1"), ("k", b"")))
    assert set(found) == {"missing-file", "extra-file"}
    assert set(causes(zipped(("a", b"1")), zipped(("b", b"2")))) == {"missing-file", "extra-file"}


def test_a_directory_without_files_below_it_is_not_harmless():
    found = causes(zipped(("a", b"")), zipped(("a", b""), ("empty/", b"")))
    assert found["directory-entries"].severity is Severity.INSPECT


def test_nothing_here_speaks_of_equal_files_or_of_plain_text():
    assert causes(b"one\n", b"two\n") == {}
    assert causes(zipped(("a", b"1")), zipped(("a", b"1"))) == {}


def test_many_findings_are_explained_quickly():
    names = [f"d/{number:05}" for number in range(5_000)]
    sides = [zipped(*((name, b"") for name in names), when=(2024, 1, day, 0, 0, 0)) for day in (1, 20)]
    given = scene(*sides)
    begin = time.monotonic()
    found, unexplained = explain(given, RULES)
    assert time.monotonic() - begin < 5
    assert [(cause.id, len(cause.findings)) for cause in found] == [("zip-times", 10_000)]
    assert unexplained == ()
