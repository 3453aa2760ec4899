"""Members that are the same thing under another name are compared inside, not told as missing and extra."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rebuilder.compare.renamed import counterparts, stem
from rebuilder.explain.causes.rank import explain
from rebuilder.findings import DifferenceClass
from tests import samples
from tests.scenes import scene, walked
from tests.unit.test_compare_hostile import tar_of, zip_of
from tests.unit.test_compare_total import packed


def repacked(tree: Path) -> bytes:
    """The `.deb` of a tree that ``packed`` made, packed by gzip."""
    target = tree.with_suffix(".gz.deb")
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", tree, target],
        check=True, capture_output=True, env={"SOURCE_DATE_EPOCH": "1700000000", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return target.read_bytes()


def test_a_deb_packed_by_another_method_shows_the_file_that_was_changed_in_it(tmp_path: Path):
    honest = packed(tmp_path / "a", b"print('a')\n")
    packed(tmp_path / "b", b"rm -rf /  #")
    evil = repacked(tmp_path / "b")
    found = {(one.path, one.kind) for one in walked(honest, evil).difference.findings}
    assert (("data.tar.xz", "./usr/lib/x/a.py"), DifferenceClass.CONTENT) in found
    assert not [one for one in found if one[1] in {DifferenceClass.MISSING, DifferenceClass.EXTRA}]
    causes, unexplained = explain(scene(honest, evil))
    changed = [index for index, one in enumerate(walked(honest, evil).difference.findings) if one.what == "bytes"]
    assert not [cause for cause in causes if set(changed) & set(cause.findings) and cause.severity.value == "harmless"]
    assert set(changed) <= set(unexplained)


def test_a_deb_that_was_only_packed_by_another_method_says_so(tmp_path: Path):
    honest = packed(tmp_path / "a", b"print('a')\n")
    difference = walked(honest, repacked(tmp_path / "a")).difference
    kinds = [(one.path[0], one.kind, one.what) for one in difference.findings if one.what != "name"]
    assert kinds == [
        ("control.tar.xz", DifferenceClass.COMPRESSION, "xz, gzip"),
        ("data.tar.xz", DifferenceClass.COMPRESSION, "xz, gzip"),
    ]
    causes, unexplained = explain(scene(honest, repacked(tmp_path / "a")))
    assert ([cause.id for cause in causes], unexplained) == (["compression-method"], ())


def test_files_below_a_folder_named_after_the_version_are_compared_with_each_other():
    one, other = (
        zip_of(
            (f"six-{version}.dist-info/METADATA", f"Requires: {needs}".encode()), (f"six-{version}.dist-info/L", b"l")
        )
        for version, needs in (("1.15.0", "a"), ("1.16.0", "b"))
    )
    found = [(one.path, one.kind, one.what) for one in walked(one, other).difference.findings]
    assert (("six-1.15.0.dist-info/METADATA",), DifferenceClass.CONTENT, "bytes") in found
    assert not [one for one in found if one[1] in {DifferenceClass.MISSING, DifferenceClass.EXTRA}]
    assert not [one for one in found if one[0] == ("six-1.15.0.dist-info/L",) and one[2] == "bytes"]


def test_the_folder_of_a_source_archive_is_no_reason_to_compare_nothing():
    one, other = tar_of(("x-1.0/a.c", b"1")), tar_of(("x-1.1/a.c", b"2"))
    assert (("x-1.0/a.c",), "bytes") in [(one.path, one.what) for one in walked(one, other).difference.findings]


@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [
        (["a.gz"], ["a.xz"], {"a.gz": "a.xz"}),
        (["a"], ["a.gz"], {"a": "a.gz"}),
        (["a.gz", "b"], ["a.gz", "c"], {}),
        (["a.gz", "a.bz2"], ["a.xz"], {}),  # which of the two?
        (["x-1/f"], ["y-1/f"], {}),
        (["lib-2.so"], ["lib-3.so"], {}),
        (["x-1.dist-info/R"], ["x-2.dist-info/R"], {"x-1.dist-info/R": "x-2.dist-info/R"}),
    ],
)
def test_only_names_that_leave_no_choice_are_paired(one, other, pairs):
    assert counterparts(one, other) == pairs


def test_long_names_take_no_long_time():
    assert [bool(stem(name)) for name in ("a-1" * 30_000 + "/", "-1." * 30_000)] == [True, True]


def test_two_streams_in_one_packed_file_are_compared_as_bytes():
    double = samples.gz(b"one") + samples.gz(b"two")
    found = [one.what for one in walked(double, samples.zstd(b"onetwo")).difference.findings]
    assert found == ["bytes"]
