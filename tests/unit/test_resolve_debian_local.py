"""Sources and packages at hand: taken as they are, and never said to be vouched for."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from rebuilder.errors import Stopped, UsageError
from rebuilder.model import EndorsementResult, Origin, SourceKind, Verdict
from tests.archive.keys import ArchiveKey
from tests.archive.sources import EPOCH
from tests.unit.resolve_cases import DEVELOPER, SINGLE, SUITE, World, deb, world


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def tree(here: World, name: str = "tree") -> Path:
    root = here.folder / name
    for path, data in SINGLE.tree().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (root / "debian" / "rules").chmod(0o755)
    return root


def package(here: World, **changes: str) -> Path:
    control = {"Package": "single", "Version": "1.0", "Architecture": "amd64"} | changes
    path = here.folder / "single_1.0_amd64.deb"
    path.write_bytes(deb({key: value for key, value in control.items() if value}))
    return path


def packed(here: World, root: Path) -> tuple[str, bytes]:
    found = here.debian.local(root, (package(here),), SUITE)
    file = found.published.source_files[0]
    return file.sha256, here.blobs.read(file.sha256, limit=10**8)


def test_a_tree_is_rebuilt_without_anyone_vouching(here: World) -> None:
    found = here.debian.local(tree(here), (package(here),), SUITE)
    source, checks = here.debian.source(found)
    assert (source.kind, source.name, source.version, checks) == (SourceKind.LOCAL_TREE, "single", "1.0", ())
    assert found.published.purl == "pkg:deb/debian/single@1.0?arch=source"
    endorsement = here.debian.endorse(found)
    assert endorsement.result is EndorsementResult.MISSING
    assert "given by hand" in endorsement.reason
    assert [index.suite for index in found.published.indexes] == [SUITE, "base"]
    made, inputs = here.debian.plan(found, source, "any")
    assert made.environment["SOURCE_DATE_EPOCH"] == str(EPOCH)
    assert {item.name: item.origin for item in inputs} == {"epoch": Origin.PINNED, "times": Origin.ASSUMED}
    with pytest.raises(UsageError, match="was given by hand"):
        here.debian.init(found)


def test_build_dependencies_come_from_the_trees_control(here: World) -> None:
    root = tree(here)
    control = root / "debian" / "control"
    control.write_bytes(control.read_bytes().replace(b"Section: misc", b"Build-Depends: gcc, make\nSection: misc", 1))
    found = here.debian.local(root, (package(here),), SUITE)
    assert here.debian.relations(found, here.debian.source(found)[0], "any") == ("gcc", "make")


def test_a_dsc_at_hand_is_checked_against_its_files(here: World) -> None:
    dsc, tar = SINGLE.write(here.folder / "at-hand")
    found = here.debian.local(dsc, (package(here),), SUITE)
    source, checks = here.debian.source(found)
    assert source.kind is SourceKind.RELEASE_TARBALL, "nobody signed it"
    assert checks[0].result is EndorsementResult.MISSING
    tar.write_bytes(tar.read_bytes() + b"x")
    with pytest.raises(UsageError, match=r"single_1\.0\.tar\.xz is not the file that the \.dsc names"):
        here.debian.local(dsc, (package(here),), SUITE)
    tar.unlink()
    with pytest.raises(UsageError, match=r"do not lie beside it: single_1\.0\.tar\.xz"):
        here.debian.local(dsc, (package(here),), SUITE)


def test_only_a_dsc_whose_signature_holds_is_called_signed(here: World) -> None:
    def kind(key: ArchiveKey, folder: str) -> SourceKind:
        dsc, _ = SINGLE.write(here.folder / folder, sign=key.clear_sign)
        return here.debian.source(here.debian.local(dsc, (package(here),), SUITE))[0].kind

    assert kind(DEVELOPER, "known") is SourceKind.SIGNED_DSC
    assert kind(ArchiveKey.generate("stranger"), "unknown") is SourceKind.RELEASE_TARBALL
    dsc, _ = SINGLE.write(here.folder / "bad", sign=DEVELOPER.clear_sign)
    dsc.write_bytes(dsc.read_bytes().replace(b"Source: single", b"Source: double"))
    with pytest.raises(Stopped, match=r"single_1\.0\.dsc: its signature is not valid: bad") as caught:
        here.debian.local(dsc, (package(here),), SUITE)
    assert caught.value.verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Package": "other"}, r"expected a package of source single 1\.0, it is of other 1\.0"),
        ({"Version": "2.0"}, r"it is of single 2\.0"),
        ({"Architecture": "riscv64"}, "expected architecture amd64 or all, found 'riscv64'"),
        ({"Version": ""}, "expected a Debian package with Version"),
        ({"Package": "../x"}, "expected a Debian package with Package"),
    ],
)
def test_a_package_of_another_source_is_refused(here: World, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        here.debian.local(tree(here), (package(here, **changes),), SUITE)


def test_a_rebuild_without_source_changes_belongs_to_its_source(here: World) -> None:
    found = here.debian.local(tree(here), (package(here, Version="1.0+b2", Source="single (1.0)"),), SUITE)
    assert found.published.artifacts[0].version == "1.0+b2"


def test_what_is_missing_or_no_source_is_said(here: World) -> None:
    root = tree(here)
    with pytest.raises(UsageError, match=r"expected at least one \.deb"):
        here.debian.local(root, (), SUITE)
    with pytest.raises(UsageError, match=r"expected a \.deb file"):
        here.debian.local(root, (here.folder / "nothing.deb",), SUITE)
    with pytest.raises(UsageError, match=r"expected a folder with debian/ in it or a \.dsc file"):
        here.debian.local(here.folder / "nothing", (package(here),), SUITE)
    with pytest.raises(UsageError, match="unknown suite 'nowhere'"):
        here.debian.local(root, (package(here),), "nowhere")
    (root / "debian" / "changelog").write_text("nonsense\n")
    with pytest.raises(UsageError, match="expected a changelog to begin with"):
        here.debian.local(root, (package(here),), SUITE)
    (root / "debian" / "changelog").unlink()
    with pytest.raises(UsageError, match="found no debian/changelog"):
        here.debian.local(root, (package(here),), SUITE)


# --- the tar of a tree ------------------------------------------------------------------------------


def test_the_same_tree_is_the_same_tar(here: World) -> None:
    one, two = tree(here, "one"), tree(here, "two")
    (two / ".git").mkdir()
    (two / ".git" / "HEAD").write_text("ref\n")
    os.utime(two / "program.c", (EPOCH + 7, EPOCH + 7))
    for root in (one, two):
        os.utime(root / "data" / "note.txt", (86400.5, 86400.5))
    (two / "program.c").chmod(0o600)
    (one / "link").symlink_to("data/note.txt")
    (two / "link").symlink_to("data/note.txt")
    assert packed(here, one) == packed(here, two)
    with tarfile.open(fileobj=io.BytesIO(packed(here, one)[1])) as archive:
        members = {member.name: member for member in archive}
    assert not any(".git" in name for name in members)
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members.values()} == {(0, 0, "", "")}
    assert {m.mtime for m in members.values()} == {EPOCH, 86400}
    assert members["single-1.0/data/note.txt"].mtime == 86400, "a build copies old times into its packages"
    assert {name.partition("/")[0] for name in members} == {"single-1.0"}
    assert members["single-1.0/debian/rules"].mode == 0o755
    assert members["single-1.0/program.c"].mode == 0o644
    assert members["single-1.0/link"].linkname == "data/note.txt"


def test_odd_names_survive(here: World) -> None:
    root = tree(here)
    name = os.fsdecode(b"caf\xe9 \n" + b"x" * 150)
    (root / name).write_bytes(b"\0\1")
    with tarfile.open(fileobj=io.BytesIO(packed(here, root)[1]), encoding="utf-8") as archive:
        content = archive.extractfile(f"single-1.0/{name}")
        assert content is not None
        assert content.read() == b"\0\1"


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "data/../../x", "../../tree/x"])
def test_a_link_that_leads_out_is_kept_and_not_followed(here: World, target: str) -> None:
    root = tree(here)
    (root / "out").symlink_to(target)
    with tarfile.open(fileobj=io.BytesIO(packed(here, root)[1]), encoding="utf-8") as archive:
        found = [member for member in archive if member.name.startswith("single-1.0/out")]
    assert [(member.issym(), member.linkname, member.size) for member in found] == [(True, target, 0)]


def test_a_pipe_is_refused(here: World) -> None:
    root = tree(here)
    os.mkfifo(root / "pipe")
    with pytest.raises(UsageError, match="found a device, socket or pipe"):
        packed(here, root)


def test_nothing_is_left_of_a_refused_tree(here: World) -> None:
    root = tree(here)
    os.mkfifo(root / "zz")
    before = sorted(path.name for path in here.blobs.root.rglob("*") if path.is_file())
    with pytest.raises(UsageError):
        packed(here, root)
    after = sorted(path.name for path in here.blobs.root.rglob("*") if path.is_file())
    assert set(before) <= set(after)
    assert not [name for name in after if "tree" in name or "blob" in name]
