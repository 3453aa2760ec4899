"""Packages and lists as the toolchain reads them: bounded, by name, and nothing that leaves its tree."""

import io
import lzma
import re
import tarfile
from datetime import UTC, datetime

import pytest

from rebuilder.errors import InfrastructureError, RecipeError, Stopped
from rebuilder.lock import Fixup, LockedPackage
from rebuilder.model import SignedIndex
from rebuilder.ports import Exit
from rebuilder.store.blobs import BlobStore
from rebuilder.toolchain import deb, fixups, rows, seed, solver, tardiff
from rebuilder.toolchain.index import PackageList, PackageLists
from rebuilder.toolchain.pool import Exact, Pool
from rebuilder.toolchain.solver import Chosen
from rebuilder.toolchain.tarstream import Member, tar

CONTROL = b"Package: x\nVersion: 1:2-3\nArchitecture: all\nDescription: it\n"


def tar_of(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data)
            info.linkname = "/etc" if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ar(*members):
    out = b"!<arch>\n"
    for name, data in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


BOMB = ("control.tar.xz", lzma.compress(tar_of(("big", bytes(70 * 1024**2), tarfile.REGTYPE)), preset=0))


def package(tmp_path, *, control=CONTROL, data=(), name="x.deb"):
    path = tmp_path / name
    path.write_bytes(
        ar(
            ("debian-binary", b"2.0\n"),
            ("control.tar.xz", lzma.compress(tar_of(("./control", control, tarfile.REGTYPE)))),
            ("data.tar.xz", lzma.compress(tar_of(*data))),
        )
    )
    return path


def test_the_control_paragraph_is_read(tmp_path):
    assert deb.control(package(tmp_path)) == CONTROL
    assert deb.control_fields(package(tmp_path))["Version"] == "1:2-3"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a whole Debian package"),
        (b"!<arch>\n", "expected debian-binary and control.tar, found nothing"),
        (ar(("control.tar.xz", b"")), "expected debian-binary"),
        (ar(("debian-binary", b"2.0\n"), ("control.tar.zst", b"x")), "packed in a way this tool cannot read"),
        (ar(("debian-binary", b"2.0\n"), ("control.tar.xz", b"junk")), "not a whole Debian package"),
        (ar(("debian-binary", b"2.0\n"), ("control.tar", tar_of())), "expected a control file, found none"),
        (ar(("debian-binary", b"2.0\n"), BOMB), "more than its limit"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path, data, message):
    path = tmp_path / "bad.deb"
    path.write_bytes(data)
    with pytest.raises(deb.Malformed, match=message):
        deb.control(path)


def seeded(tmp_path, *packages, epoch=1_700_000_000):
    blobs = BlobStore(tmp_path / "state")
    locked = []
    for number, data in enumerate(packages):
        path = package(tmp_path, data=data, name=f"{number}.deb")
        file = blobs.put([path.read_bytes()], name=f"{number}.deb", limit=10**7)
        locked.append(a_package(**file.model_dump(), package=f"p{number}"))
    out = io.BytesIO()
    sha256 = seed.write(locked, epoch, path_of=blobs.path, target=out)
    out.seek(0)
    return sha256, tarfile.open(fileobj=out)


def a_package(**fields):
    given = {
        "name": "x.deb", "sha256": "0" * 64, "size": 1, "archive": "debian", "path": "pool/x.deb", "package": "x",
        "version": "1", "architecture": "all", "why": "seed", "roots": (),
    }
    return LockedPackage(**(given | fields))


def test_a_seed_is_deterministic_keeps_the_first_member_and_leaves_documents_out(tmp_path):
    first = [("./usr/bin/tool", b"one", tarfile.REGTYPE), ("./usr/share/doc/tool", b"text", tarfile.REGTYPE)]
    second = [("./usr/bin/tool", b"two", tarfile.REGTYPE), ("./usr/lib/x", b"x", tarfile.REGTYPE)]
    sha256, archive = seeded(tmp_path, first, second)
    assert archive.extractfile("usr/bin/tool").read() == b"one"
    names = archive.getnames()
    assert "usr/lib/x" in names
    assert "usr/share/doc/tool" not in names
    assert {"usr/lib/rebuilder/feed", "usr/lib/rebuilder/finish", "var/lib/dpkg/status"} <= set(names)
    assert {member.mtime for member in archive} == {1_700_000_000}
    assert len(names) == len(set(names))
    assert seeded(tmp_path, first, second)[0] == sha256
    assert seeded(tmp_path, second, first)[0] != sha256


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("../outside", b"", tarfile.REGTYPE), "would leave the tree"),
        (("./a/../../b", b"", tarfile.REGTYPE), "would leave the tree"),
        (("/etc/passwd", b"", tarfile.REGTYPE), "would leave the tree"),
        (("./dev/sda", b"", tarfile.BLKTYPE), "neither file, folder nor link"),
    ],
)
def test_a_seed_package_with_a_bad_member_is_named(tmp_path, member, message):
    with pytest.raises(InfrastructureError, match=f"seed package p0 1: .*{message}"):
        seeded(tmp_path, [member])


# --- lists ------------------------------------------------------------------------------------------------------


def an_index(suite="trixie", day=1):
    file = {"name": "InRelease", "sha256": "0" * 64, "size": 1}
    return SignedIndex(
        archive="debian", suite=suite, inrelease=file, lists=(), date=datetime(2026, 9, day, tzinfo=UTC), anchor="a",
        signers=("A" * 40,),
    )


def stanza(name, version, *, path="pool/main/x/x.deb", **more):
    fields = {
        "Package": name, "Version": version, "Architecture": "amd64", "Filename": path, "Size": "5",
        "SHA256": "a" * 64, **more,
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items()).encode() + b"\n"


def test_entries_come_newest_first_from_every_list():
    lists = PackageLists(
        [
            PackageList(an_index(), stanza("x", "1.0~rc1") + stanza("x", "1:0.1", Essential="yes") + stanza("xy", "7")),
            PackageList(an_index("trixie-security"), stanza("x", "1.0", Priority="required")),
        ]
    )
    assert [entry.version for entry in lists.find(["x"])["x"]] == ["1:0.1", "1.0", "1.0~rc1"]
    assert lists.find(["nothing"]) == {"nothing": []}
    assert lists.base() == {"x": "essential"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"path": "../../../etc/passwd"}, "a path inside the archive"),
        ({"path": "/etc/passwd"}, "a path inside the archive"),
        ({"Architecture": "i386"}, "for amd64 or all"),
        ({"SHA256": "short"}, "sha256"),
    ],
)
def test_a_signed_list_can_still_hold_nonsense_and_it_does_not_reach_a_lock(fields, message):
    entry = PackageLists([PackageList(an_index(), stanza("xx", "1", **fields))]).find(["xx"])["xx"][0]
    with pytest.raises(ValueError, match=message):
        entry.locked("seed", ())


def test_no_list_at_all_is_said(tmp_path):
    with pytest.raises(InfrastructureError, match="at least one signed 'Packages' list"):
        PackageLists.load([an_index()], BlobStore(tmp_path))


def test_the_seed_names_every_package_that_no_index_has():
    lists = PackageLists([PackageList(an_index(), stanza("apt", "3"))])
    with pytest.raises(Stopped, match="are those of Debian trixie") as stopped:
        seed.choose(lists)
    assert "mmdebstrap" in stopped.value.missing
    assert "apt" not in stopped.value.missing


# --- what apt says ----------------------------------------------------------------------------------------------

ANSWER = """BEGIN all 0
Reading package lists...
Inst libc6:amd64 (2.41-12 Debian:13/stable [amd64])
Inst gcc-14-base (14.2.0-19 Debian:13/stable [amd64])
Conf libc6 (2.41-12 Debian:13/stable [amd64])
END all
BEGIN any 100
The following packages have unmet dependencies:
 satisfy:command-line : Depends: nosuch (>= 3) but it is not installable
E: Unable to correct problems, you have held broken packages.
END any
"""


class Answering:
    """An engine whose container said this. Only what is made of an answer is tested here."""

    def __init__(self, text, status=0):
        self.text, self.status = text, status

    def run(self, job, *, stdin, stdout, stderr):
        assert b"".join(stdin)
        stdout(self.text.encode())
        stderr(b"apt said this")
        return Exit(status=self.status, timed_out=False, out_of_memory=False, seconds=0.1, container="c")


def asked(engine, *kinds):
    question = solver.Question(
        lists=PackageLists([PackageList(an_index(), b"")]), relations=dict.fromkeys(kinds, ("a",)), pins={}, extras=(),
        codename="trixie",
    )
    return solver.solve(engine, question, seed_sha256="0" * 64, run_id="t")


def test_apts_choice_is_read_by_kind_sorted():
    assert asked(Answering(ANSWER.partition("BEGIN any")[0]), "all") == {
        "all": (Chosen("gcc-14-base", "14.2.0-19", "amd64"), Chosen("libc6", "2.41-12", "amd64"))
    }


def test_apts_refusal_stops_with_its_words():
    with pytest.raises(Stopped, match=r"architecture any") as stopped:
        asked(Answering(ANSWER), "all", "any")
    assert stopped.value.missing == ("this build: Depends: nosuch (>= 3) but it is not installable",)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (Answering("", status=25), r"status 25\): apt said this"),
        (Answering("nothing of use\n"), "no answer for any"),
        (Answering("BEGIN any 0\nInst x (1 y [amd64])\n"), "breaks off in the middle"),
    ],
)
def test_an_answer_that_is_not_whole_is_our_fault(engine, message):
    with pytest.raises(InfrastructureError, match=message):
        asked(engine, "any")


# --- rows, fix-ups, tars ----------------------------------------------------------------------------------------


def test_rows_hold_the_first_index_that_has_the_version_and_every_kind():
    lists = PackageLists(
        [
            PackageList(an_index(), stanza("xx", "1", SHA256="b" * 64)),
            PackageList(an_index("trixie-updates"), stanza("xx", "1", SHA256="c" * 64)),
        ]
    )
    chosen = {"any": (Chosen("xx", "1", "amd64"),), "all": (Chosen("xx", "1", "amd64"),)}
    [row] = rows.locked(chosen, lists, Exact({}, (), ()), {"xx": "required"})
    assert (row.sha256, row.roots, row.why, row.signed) == ("b" * 64, ("all", "any"), "required", True)
    with pytest.raises(InfrastructureError, match="apt chose yy 9, which no signed list has"):
        rows.locked({"any": (Chosen("yy", "9", "all"),)}, lists, Exact({}, (), ()), {})


def test_reasons_name_what_relations_name():
    some = ("debhelper-compat (= 13) | x:native <!nocheck>", "Conflicts: y")
    found = rows.reasons({"any": some, "all": ("z [amd64]",)})
    assert {name for name, why in found.items() if why == "build-dependency"} == {"debhelper-compat", "x", "z"}


@pytest.mark.parametrize("pin", ["x", "x=", "=1", "x=1 2", "X=1", "x=../1", "-o=1"])
def test_a_pin_that_is_no_pin_is_refused(pin):
    with pytest.raises(RecipeError, match=r"toolchain\.want: expected 'name=version'"):
        rows.wanted([pin])


def test_fixups_follow_from_packages_and_a_lock_cannot_invent_one():
    found = fixups.needed([a_package(package="openjdk-21-jre-headless"), a_package(package="ca-certificates-java")])
    assert [fixup.path for fixup in found] == ["etc/ssl/certs/java/cacerts", "proc"]
    fixups.check(found)
    with pytest.raises(RecipeError, match="does not know: remove 'etc/shadow'"):
        fixups.check([Fixup(path="etc/shadow", action="remove", reason="x")])


def test_the_epoch_is_the_newest_index():
    assert rows.epoch([an_index(day=3), an_index(day=5)]) == int(datetime(2026, 9, 5, tzinfo=UTC).timestamp())


def test_a_tar_stream_is_a_tar_and_always_the_same(tmp_path):
    (tmp_path / "f").write_bytes(b"z" * 1000)
    members = [Member.of("a", b"1"), Member("d/f", tmp_path / "f", 1000)]
    data = b"".join(tar(members))
    assert data == b"".join(tar(members))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert [(m.name, m.size, m.mtime, m.uid) for m in archive] == [("a", 1, 0, 0), ("d/f", 1000, 0, 0)]
    with pytest.raises(OSError, match="shorter by 1 bytes"):
        b"".join(tar([Member("f", tmp_path / "f", 1001)]))


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ([("a", b"1", tarfile.REGTYPE), ("b", b"3", tarfile.REGTYPE)], r"b \(its content\)"),
        ([("a", b"1", tarfile.REGTYPE), ("b", b"22", tarfile.REGTYPE)], r"b \(its size"),
        ([("a", b"1", tarfile.REGTYPE), ("c", b"2", tarfile.REGTYPE)], r"b \(the other has c there\)"),
        ([("a", b"1", tarfile.REGTYPE)], "the end of the tar"),
    ],
)
def test_the_first_difference_of_two_tars_is_named(other, named):
    one = io.BytesIO(tar_of(("a", b"1", tarfile.REGTYPE), ("b", b"2", tarfile.REGTYPE)))
    assert re.match(named, tardiff.first_difference(one, io.BytesIO(tar_of(*other))))


class Mirrors:
    """Each location's answer to a search, in order; the port takes the first that is accepted."""

    def __init__(self, blobs, *answers):
        self.blobs, self.answers = blobs, answers

    def discover(self, archive, path, *, limit, accept):
        files = [self.blobs.put([data], name=path.rpartition("/")[2], limit=limit) for data in self.answers]
        return next((file for file in files if accept(file)), None)


def test_an_old_version_is_taken_from_the_first_mirror_that_has_it_and_not_a_page(tmp_path):
    blobs = BlobStore(tmp_path / "state")
    meant = package(tmp_path).read_bytes()
    other = package(tmp_path, control=CONTROL.replace(b"1:2-3", b"1:2-4")).read_bytes()
    lists = PackageLists([PackageList(an_index(), stanza("x", "1:2-5"))])
    found = Pool(lists, Mirrors(blobs, b"<html>log in</html>", other, meant), blobs).exact({"x": "1:2-3"})
    assert [(row.version, row.architecture, row.signed) for row in found.from_pool] == [("1:2-3", "all", False)]
    assert blobs.read(found.from_pool[0].sha256, limit=10**6) == meant
