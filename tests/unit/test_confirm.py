"""What is read again of a run that differs, and what a rebuild with a fix says of a cause."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rebuilder.case import Case, case, surroundings
from rebuilder.confirm import MAX_MISSING, aspects, changed, judged, not_tried, proof_of
from rebuilder.errors import Stopped, UsageError
from rebuilder.explain.settings import Setting
from rebuilder.explain.suspects import Suspect
from rebuilder.findings import Difference, DifferenceClass, Finding, Side
from rebuilder.lock import LockedPackage, ToolchainLock
from rebuilder.model import Comparison, Explanation, FileDigest, Input, Origin, Record, SelfInput, Verdict
from rebuilder.ports import Resolution
from rebuilder.store.blobs import BlobStore
from rebuilder.toolchain.rootfs import NotInstallable
from tests import records
from tests.samples import ar

SUSPECT = Suspect(packages=("tool",), version="1.0", why="tool 2.0 came later")
NAME = "x_1_amd64.deb"


class Quiet:
    def stage(self, name: str, detail: str = "") -> None: ...

    def line(self, text: str) -> None: ...


# --- what a rebuild says --------------------------------------------------------------------------

ONE, TWO, THREE, NEW = ((("data.tar.xz", name), "bytes") for name in ("one", "two", "three", "new"))


@pytest.mark.parametrize(
    ("after", "predicted", "true", "reason"),
    [
        ({ONE, TWO, THREE}, {ONE}, False, "the same 3 differences are there"),
        ({ONE, TWO, THREE, NEW}, {ONE}, False, "the same 3 differences are there"),
        ({TWO, THREE}, {ONE}, True, "all 1 differences of this cause are gone, and no other came; 2 others have"),
        (set(), {ONE, TWO, THREE}, True, "all 3 differences of this cause are gone, and no other came"),
        ({THREE}, {ONE, TWO, THREE}, False, "2 of 3 differences are gone: a part of the cause at most"),
        ({TWO, THREE, NEW}, {ONE}, False, "1 differences are gone and 1 others came"),
        ({TWO}, set(), False, "2 of 3 differences are gone: a part of the cause at most"),
    ],
)
def test_a_cause_is_confirmed_only_if_all_it_predicted_is_gone_and_nothing_new_came(after, predicted, true, reason):
    said = judged({ONE, TWO, THREE}, after, predicted)
    assert said[0] is true
    assert reason in said[1]


def finding(name: str, kind: DifferenceClass) -> Finding:
    return Finding(path=(name,), kind=kind, what="bytes", follows=())


def test_what_follows_from_other_differences_is_not_counted_unless_there_is_nothing_else():
    both = Difference(
        published=Side(), rebuilt=Side(),
        findings=(finding("md5sums", DifferenceClass.DERIVED), finding("file", DifferenceClass.CONTENT)),
    )  # fmt: skip
    assert aspects(both) == {(("file",), "bytes")}
    assert aspects(both, (0,)) == {(("md5sums",), "bytes")}
    assert aspects(both.model_copy(update={"findings": both.findings[:1]})) == {(("md5sums",), "bytes")}
    assert aspects(both.model_copy(update={"findings": ()})) == set()


# --- a run, read again ----------------------------------------------------------------------------


def package(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    data = ar({b"debian-binary": b"2.0\n", b"control.tar.gz": gzip.compress(b"\0" * 1024),
               b"data.tar.xz": lzma.compress(out.getvalue(), preset=0)})  # fmt: skip
    day = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())
    return data[:24] + f"{day:<12}".encode() + data[36:]


class Shelf:
    """A store, and what of it a record and a lock name."""

    def __init__(self, folder: Path) -> None:
        self.blobs = BlobStore(folder)

    def put(self, name: str, data: bytes) -> FileDigest:
        return self.blobs.put([data], name=name, limit=10**8)

    def record(self, published: bytes, rebuilt: bytes, verdict: Verdict = Verdict.DIFFERENT) -> Record:
        theirs, ours = self.put(NAME, published), self.put(NAME, rebuilt)
        item = records.compared(NAME, verdict, (ours, ours), published=theirs)
        given = records.published("x", "1", [records.artifact(NAME)])
        return records.record(verdict, "2 rebuilds agree", given, inputs=records.inputs(),
                              comparison=Comparison(artifacts=(item,)))  # fmt: skip

    def lock(self, *packages: tuple[str, str, bytes]) -> ToolchainLock:
        rows = []
        for name, version, data in packages:
            file = self.put(f"{name}.deb", data)
            rows.append(
                LockedPackage(
                    **file.model_dump(), archive="debian", path=f"pool/main/{name[0]}/{name}/{name}.deb", package=name,
                    version=version, architecture="amd64", why="build-dependency", roots=("any",),
                )
            )  # fmt: skip
        return records.lock().model_copy(update={"packages": tuple(rows)})


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def tool(version: str = "2.0", day: str = "Tue, 15 Sep 2026 12:00:00 +0000", name: str = "tool") -> bytes:
    older = "Tue, 25 Aug 2026 12:00:00 +0000"
    text = "".join(f"{name} ({one}) unstable; urgency=low\n\n -- A B <a@example.org>  {date}\n\n"
                   for one, date in ((version, day), ("1.0", older)))  # fmt: skip
    data = package({f"./usr/share/doc/{name}/changelog.gz": gzip.compress(text.encode())})
    made = int(datetime.strptime(day, "%a, %d %b %Y %H:%M:%S %z").timestamp())
    return data[:24] + f"{made:<12}".encode() + data[36:]


def files(text: bytes) -> bytes:
    return package({"./usr/share/x/words.dat": text})


def read(shelf: Shelf, record: Record, lock: ToolchainLock, artifact: str = "") -> Case:
    return case(record, lock, artifact, shelf.blobs, Quiet())


def test_a_run_is_explained_from_the_stored_bytes_and_not_from_its_record(shelf: Shelf):
    record = shelf.record(files(b"\x01said 1.0"), files(b"\x01said 2.0"))
    assert record.explanation == Explanation()
    found = read(shelf, record, shelf.lock(("tool", "2.0", tool())))
    assert found.explanation.artifact == NAME
    assert [one.path for one in found.difference.findings if one.kind == "content"] == [
        ("data.tar.xz", "./usr/share/x/words.dat")
    ]
    assert [(one.packages, one.version) for one in found.suspects] == [(("tool",), "1.0")]
    assert found.unread == ()


def test_packages_that_cannot_be_read_are_named_and_hold_nobody_up(shelf: Shelf):
    record = shelf.record(files(b"\x01said 1.0"), files(b"\x01said 2.0"))
    lock = shelf.lock(("gone", "2.0", b"gone"), ("spoiled", "2.0", b"spoiled"), ("text", "2.0", b"no package"),
                      ("cut", "2.0", tool(name="cut")[:400]), ("tool", "2.0", tool()))  # fmt: skip
    shelf.blobs.remove(lock.packages[0].sha256)
    spoiled = shelf.blobs.path(lock.packages[1].sha256)
    spoiled.write_bytes(b"other bytes")
    found = read(shelf, record, lock)
    assert found.unread == ("gone", "spoiled")
    assert [one.packages for one in found.suspects] == [("tool",)]


def test_a_toolchain_of_thousands_of_packages_takes_seconds(shelf: Shelf):
    record = shelf.record(files(b"\x01said 1.0"), files(b"\x01said 2.0"))
    old = "Tue, 25 Aug 2026 12:00:00 +0000"
    many = [(f"p{number}", "1.5", tool("1.5", old, f"p{number}")) for number in range(200)]
    lock = shelf.lock(*many, ("tool", "2.0", tool()))
    rows = [lock.packages[n % 200].model_copy(update={"package": f"q{n}"}) for n in range(3000)]
    lock = lock.model_copy(update={"packages": (*rows, lock.packages[-1])})
    started = time.monotonic()
    assert [one.packages for one in read(shelf, record, lock).suspects] == [("tool",)]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("verdict", [Verdict.REPRODUCED])
def test_a_run_without_a_difference_is_a_usage_error(shelf: Shelf, verdict: Verdict):
    record = shelf.record(files(b"same"), files(b"same"), verdict)
    with pytest.raises(UsageError, match="expected a run that found differences, found reproduced: "):
        read(shelf, record, shelf.lock())
    stopped = record.model_copy(update={"comparison": None, "verdict": Verdict.REFUSED})
    with pytest.raises(UsageError, match="expected a run that found differences, found refused: "):
        read(shelf, stopped, shelf.lock())


def test_an_artifact_that_does_not_differ_and_bytes_that_are_gone_are_usage_errors(shelf: Shelf):
    record = shelf.record(files(b"one"), files(b"two"))
    with pytest.raises(UsageError, match=f"expected one of {NAME}, found 'y.deb'"):
        read(shelf, record, shelf.lock(), "y.deb")
    assert record.comparison is not None
    shelf.blobs.remove(record.comparison.artifacts[0].published.sha256)
    with pytest.raises(UsageError, match="is no longer in the store, so there is nothing to compare"):
        read(shelf, record, shelf.lock())


def test_files_that_are_no_packages_at_all_are_explained_too(shelf: Shelf):
    found = read(shelf, shelf.record(b"published", b"rebuilt"), shelf.lock(("tool", "2.0", tool())))
    assert len(found.difference.findings) == 1
    # Not made on any known day: the run's own stands in, and nothing came later than that.
    assert found.suspects == ()


def test_a_toolchain_that_the_publisher_declared_has_no_suspects(shelf: Shelf):
    record = shelf.record(files(b"\x01said 1.0"), files(b"\x01said 2.0"))
    lock = shelf.lock(("tool", "2.0", tool())).model_copy(update={"origin": "buildinfo"})
    assert read(shelf, record, lock).suspects == ()


def test_what_the_record_says_of_the_build_is_given_to_the_rules():
    record = records.record(
        Verdict.DIFFERENT, "", None,
        inputs=(
            Input(name="environment", value="DEB_BUILD_OPTIONS=parallel=2 nocheck USER=me", origin=Origin.ASSUMED,
                  evidence=""),
            Input(name="epoch", value="1789199741", origin=Origin.DECLARED, evidence=""),
            Input(name="path", value="/build/x-1", origin=Origin.ASSUMED, evidence=""),
        ),
    )  # fmt: skip
    found = surroundings(record, records.lock(), datetime(2026, 9, 1, tzinfo=UTC))
    assert dict(found.environment) == {"DEB_BUILD_OPTIONS": "parallel=2 nocheck", "USER": "me"}
    assert (found.epoch, found.path, found.user, found.hostname) == (1789199741, "/build/x-1", "me", "rebuilder")
    assert found.published_at == 1788220800
    odd = record.model_copy(update={"inputs": (record.inputs[1].model_copy(update={"value": "as dpkg reads it"}),)})
    assert surroundings(odd, records.lock(), datetime(2026, 9, 1, tzinfo=UTC)).epoch is None


# --- a try ----------------------------------------------------------------------------------------


def tried(shelf: Shelf, before: Case, rebuilt: bytes | None, verdict: Verdict, suspect: Suspect = SUSPECT):
    ours = shelf.put(NAME, rebuilt) if rebuilt is not None else None
    item = before.item.model_copy(update={"rebuilt": (ours, ours), "verdict": verdict})
    return proof_of(before, suspect, shelf.blobs)(Comparison(artifacts=(item,)), Explanation())


def test_a_proof_says_what_was_changed_and_what_came_of_it(shelf: Shelf):
    published = files(b"\x01said 1.0")
    before = read(shelf, shelf.record(published, files(b"\x01said 2.0")), shelf.lock())
    proof = tried(shelf, before, published, Verdict.REPRODUCED)
    assert (proof.result, proof.run_id, proof.artifact, proof.cause) == (
        "confirmed", before.record.run_id, NAME, "tool version",
    )  # fmt: skip
    assert [change.target for change in proof.changes] == ["package:tool=1.0"]
    for rebuilt, verdict, reason in (
        (files(b"\x01said 3.0"), Verdict.DIFFERENT,
         "the same 1 differences are there, 1 of them with another value on our side than without it"),
        (files(b"\x01said 2.0"), Verdict.DIFFERENT, "the same 1 differences are there"),
        (None, Verdict.BUILD_FAILED, "the file was not made at all"),
        (files(b"\x01said 4.0"), Verdict.FLAKY, "two rebuilds do not agree with each other"),
        (package({"./usr/share/x/other.dat": b"new"}), Verdict.DIFFERENT, "differences are gone and"),
    ):
        refuted = tried(shelf, before, rebuilt, verdict)
        assert refuted.result == "refuted"
        assert reason in refuted.reason, refuted.reason
        assert refuted.reason.endswith(reason) or "the same" not in reason


def test_a_part_of_the_differences_confirms_only_a_suspect_of_that_part(shelf: Shelf):
    theirs = {"./a.dat": b"\x01one", "./b.dat": b"\x01two"}
    before = read(shelf, shelf.record(package(theirs), package(dict.fromkeys(theirs, b"\x01new"))), shelf.lock())
    where = {one.path[-1]: index for index, one in enumerate(before.difference.findings) if one.kind == "content"}
    better = package({"./a.dat": b"\x01one", "./b.dat": b"\x01new"})
    of_a = replace(SUSPECT, claims=(where["./a.dat"],))
    assert tried(shelf, before, better, Verdict.DIFFERENT, of_a).result == "confirmed"
    assert tried(shelf, before, better, Verdict.DIFFERENT).result == "refuted"
    of_b = replace(SUSPECT, claims=(where["./b.dat"],))
    assert tried(shelf, before, better, Verdict.DIFFERENT, of_b).result == "refuted"


def test_what_cannot_be_had_is_named_and_the_list_is_bounded(shelf: Shelf):
    before = read(shelf, shelf.record(files(b"one"), files(b"two")), shelf.lock())
    missing = tuple(f"p{number} 1" for number in range(MAX_MISSING + 3))
    proof = not_tried(before, SUSPECT, Stopped(Verdict.UNAVAILABLE, "nowhere", missing=missing))
    assert proof.result == "not-tried"
    assert proof.reason == f"nowhere; not to be had: {', '.join(missing[:MAX_MISSING])} and 3 more"


def test_the_toolchain_of_a_try_is_inferred_and_all_else_is_as_it_was():
    given = records.published("x", "1", [records.artifact(NAME)])
    declared = records.inputs(Origin.DECLARED)
    record = records.record(Verdict.DIFFERENT, "", given, inputs=declared)
    again = tuple(one.model_copy(update={"origin": Origin.PINNED, "evidence": "recipe"}) for one in declared)
    resolution = Resolution(
        published=given, recipe=None, recipe_bytes=b"recipe", lock=None, inputs=again, packed=True,  # type: ignore[arg-type]
    )  # fmt: skip
    found = changed(resolution, records.lock(), SUSPECT, record)
    assert (found.lock, found.packed, found.recipe_bytes) == (records.lock(), False, b"recipe")
    said = {one.name: one for one in found.inputs}
    assert (said["toolchain"].value, said["toolchain"].origin) == ("tool 1.0", "inferred")
    assert said["toolchain"].evidence == f"explain --confirm of run {record.run_id}: tool 2.0 came later"
    # What the publisher declared stands in the recipe by now; the source is judged anew.
    assert said["path"] == next(one for one in declared if one.name == "path")
    assert said["source"].origin == "pinned"


def test_a_setting_of_a_try_is_inferred_and_the_toolchain_is_as_it_was():
    given = records.published("x", "1", [records.artifact(NAME)])
    said = records.inputs(Origin.ASSUMED)
    record = records.record(Verdict.DIFFERENT, "", given, inputs=said)
    again = [one.model_copy(update={"origin": Origin.PINNED, "evidence": "recipe"}) for one in said]
    changes = {"environment": "TZ=UTC-2", "path": "another default by now"}
    again = [one.model_copy(update={"value": changes.get(one.name, one.value)}) for one in again]
    resolution = Resolution(
        published=given, recipe=None, recipe_bytes=b"recipe", lock=None, inputs=tuple(again), packed=True,  # type: ignore[arg-type]
    )  # fmt: skip
    suspect = Suspect(why="it shows", settings=(Setting("set", "UTC-2", "TZ"),), cause="timezone")
    found = {one.name: one for one in changed(resolution, records.lock(), suspect, record).inputs}
    assert found["environment"].origin == "inferred"
    assert found["environment"].evidence == f"explain --confirm of run {record.run_id}: it shows"
    assert found["toolchain"] == next(one for one in said if one.name == "toolchain")
    assert found["command"] == next(one for one in said if one.name == "command")
    assert found["path"].origin == "pinned"


def test_why_packages_do_not_go_together_is_told_in_one_line():
    log = (
        "mmdebstrap made no root filesystem: it failed (status 25). Its last lines:\n"
        "Reading package lists...\nThe following packages have unmet dependencies:\n"
        " tool : Depends: nowhere but it is not installable\n"
        "E: Unable to correct problems, you have held broken packages.\nE: apt-get failed"
    )
    assert NotInstallable(log).reason == "tool : Depends: nowhere but it is not installable"
    assert NotInstallable("it failed (status 1). Its last lines:\nI: a\nI: b\nE: no").reason == (
        "it failed (status 1). Its last lines:; I: b; E: no"
    )
    assert len(NotInstallable("Breaks: x " * 1000).reason) <= 600


# --- what must never be called confirmed -----------------------------------------------------------


def two(one: bytes, other: bytes) -> bytes:
    return package({"./one": one, "./two": other})


@pytest.fixture
def explained(tmp_path: Path):
    """A case of two differences, the first of which is claimed; and what makes the outcome of a try."""
    shelf = Shelf(tmp_path)
    theirs, ours = two(b"\x01P1", b"\x01P2"), two(b"\x01R1", b"\x01R2")
    case = read(shelf, shelf.record(theirs, ours), shelf.lock(("tool", "2.0", tool())))
    claims = tuple(at for at, one in enumerate(case.difference.findings) if one.path[-1] == "./one")
    judge = proof_of(case, replace(SUSPECT, claims=claims), shelf.blobs)

    def outcome(published: bytes, rebuilt: list[bytes | None], verdict: Verdict, **more: object):
        files = [shelf.put(NAME, data) if data else None for data in rebuilt]
        item = records.compared(NAME, verdict, files, published=shelf.put(NAME, published))
        return judge(Comparison(artifacts=(item,), **more), Explanation())  # type: ignore[arg-type]

    return shelf, theirs, ours, outcome


def test_a_difference_that_one_of_two_attempts_still_has_is_not_gone(explained):
    _, theirs, ours, outcome = explained
    gone = two(b"\x01P1", b"\x01R2")
    assert outcome(theirs, [gone, gone], Verdict.DIFFERENT).result == "confirmed"
    assert outcome(theirs, [gone, ours], Verdict.DIFFERENT).result == "refuted"
    assert outcome(theirs, [gone, None], Verdict.DIFFERENT).result == "refuted"


def test_another_published_file_of_that_name_proves_nothing(explained):
    _, _, _, outcome = explained
    other = two(b"\x01R1", b"\x01X2")
    proof = outcome(other, [other], Verdict.REPRODUCED)
    assert proof.result == "refuted"
    assert "is another one now" in proof.reason


def test_a_change_that_brings_the_published_bytes_along_proves_nothing(explained):
    shelf, theirs, _, outcome = explained
    own = SelfInput(artifact=NAME, member="", found_in="tool_1.0.deb", sha256=shelf.put(NAME, theirs).sha256)
    proof = outcome(theirs, [theirs], Verdict.REPRODUCED, self_input=(own,))
    assert proof.result == "refuted"
    assert proof.reason == (
        "the change brings published bytes into the build (tool_1.0.deb), so that equality proves nothing"
    )


def test_a_proof_names_the_published_bytes_it_is_about(explained):
    shelf, theirs, _, outcome = explained
    proof = outcome(theirs, [theirs], Verdict.REPRODUCED)
    assert (proof.result, proof.published) == ("confirmed", shelf.put(NAME, theirs).sha256)
