"""Blobs, run folders, the log, and the published folder: what is there is whole, and what is not is said."""

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from rebuilder.errors import DigestMismatchError, InfrastructureError, IntegrityError, TooLargeError, UsageError
from rebuilder.log.lines import LineLog
from rebuilder.store import durable
from rebuilder.store.blobs import BlobStore
from rebuilder.store.publish import Site
from rebuilder.store.runs import Run, RunStore, load_record, new_run_id
from tests import record_cases

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def some_record():
    return record_cases.reproduced()


def committed(state, record=None):
    record = record or some_record()
    draft = RunStore(state).draft(record.run_id)
    draft.write("run.json", record.model_dump_json(by_alias=True).encode())
    draft.write("recipe.toml", b"x = 1\n")
    return draft.commit()


def test_a_blob_is_found_again_by_its_digest(tmp_path):
    blobs = BlobStore(tmp_path)
    stored = blobs.put([b"", b"ab", b"c"], name="x", limit=3)
    assert blobs.read(stored.sha256, limit=3) == b"abc"
    assert blobs.put([b"abc"], name="y", limit=3).sha256 == stored.sha256
    assert list(blobs.names()) == [(stored.sha256, 3)]
    assert blobs.put([], name="empty", limit=0).sha256 == EMPTY


def test_a_blob_that_is_not_what_was_expected_is_not_kept(tmp_path):
    blobs = BlobStore(tmp_path)
    with pytest.raises(DigestMismatchError, match=f"x: expected sha256 {EMPTY}, found"):
        blobs.put([b"abc"], name="x", limit=3, expect=EMPTY)
    with pytest.raises(TooLargeError, match="x: expected at most 2 bytes, found more"):
        blobs.put([b"abc"], name="x", limit=2)
    assert not list(blobs.names())
    assert not [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]


def test_a_changed_blob_is_never_read(tmp_path):
    blobs = BlobStore(tmp_path)
    stored = blobs.put([b"abc"], name="x", limit=3)
    blobs.path(stored.sha256).write_bytes(b"abd")
    with pytest.raises(IntegrityError, match="This is our own disk, not the publisher's doing"):
        blobs.read(stored.sha256, limit=3)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_what_is_no_digest_is_no_blob(tmp_path, name):
    with pytest.raises(ValueError, match="expected a sha256 of 64 lower-case hex digits"):
        BlobStore(tmp_path).has(name)


def test_blobs_of_published_folders_serve_as_evidence_and_are_never_written(tmp_path):
    stored = BlobStore(tmp_path / "reports").put([b"abc"], name="x", limit=3)
    blobs = BlobStore(tmp_path / "state", (tmp_path / "reports",))
    assert blobs.read(stored.sha256, limit=3) == b"abc"
    blobs.remove(stored.sha256)
    assert blobs.has(stored.sha256)
    assert not list(blobs.names())


def test_a_full_disk_is_our_fault_and_leaves_nothing(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InfrastructureError, match=r"No space left on device\. Nothing half-written") as caught:
        BlobStore(tmp_path).put([b"abc"], name="x", limit=3)
    assert "rebuilder cache" in caught.value.hint
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_run_is_whole_and_found_by_id_and_by_digest(tmp_path):
    record = some_record()
    folder = committed(tmp_path, record)
    assert load_record(folder) == record
    assert json.loads((folder / "files.json").read_bytes()).keys() == {"run.json", "recipe.toml"}
    runs = RunStore(tmp_path)
    digest = record.published.artifacts[0].file.sha256
    assert [run.folder for run in runs.find(record.run_id[:20])] == [folder]
    assert [run.record for run in runs.find(digest)] == [record]
    with pytest.raises(UsageError, match="found no run for 'nothing'"):
        runs.find("nothing")


def test_a_draft_is_invisible_until_it_is_committed(tmp_path):
    RunStore(tmp_path).draft("20261120T000000Z-00000000").write("run.json", b"{}")
    assert not list(RunStore(tmp_path))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("run.json", b"{}", "is no complete run folder"),
        ("files.json", b"[", "is no complete run folder"),
        ("files.json", b"{}", "was changed after it was written"),
    ],
)
def test_a_changed_run_folder_is_said_to_be_changed(tmp_path, name, data, message):
    folder = committed(tmp_path)
    (folder / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=message):
        load_record(folder)


def test_one_broken_run_does_not_hide_the_others(tmp_path):
    record = some_record()
    folder = committed(tmp_path, record)
    other = committed(tmp_path, record.model_copy(update={"run_id": "20300101T000000Z-00000000"}))
    (other / "run.json").write_bytes(b"{}")
    runs, faults = RunStore(tmp_path).survey()
    assert [run.folder for run in runs] == [folder]
    assert len(faults) == 1
    assert "is no complete run folder" in faults[0]
    with pytest.raises(IntegrityError):
        list(RunStore(tmp_path))


def test_run_ids_sort_by_time_and_never_meet():
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    assert new_run_id(early) < new_run_id(late)
    assert len({new_run_id(early) for _ in range(100)}) == 100


def test_the_log_adds_each_run_once_and_mends_a_broken_tail(tmp_path):
    log = LineLog(tmp_path / "log.jsonl")
    log.append("one", "0" * 64)
    log.append("one", "0" * 64)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"bundle": nu')
    assert log.reconcile([("one", None), ("two", None)]) == 1
    assert log.runs() == ("one", "two")
    assert (tmp_path / "log.jsonl").read_bytes().endswith(b'{"bundle": null, "run": "two"}\n')


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b'{"bundle": null}\n'])
def test_a_damaged_line_of_the_log_is_said_to_be_damaged(tmp_path, line):
    (tmp_path / "log.jsonl").write_bytes(line + b'{"bundle": null, "run": "one"}\n')
    with pytest.raises(IntegrityError, match="a line of it is no entry of the log"):
        LineLog(tmp_path / "log.jsonl").append("two", None)


def test_scratch_of_dead_processes_is_swept_and_of_living_ones_kept(tmp_path):
    scratch = durable.Scratch(tmp_path)
    mine = scratch.new("blob")
    mine.write_bytes(b"working")
    script = (
        "import sys; from pathlib import Path; from rebuilder.store.durable import Scratch;"
        "Scratch(Path(sys.argv[1])).new('blob').write_bytes(b'left')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert scratch.sweep() == 1
    assert mine.read_bytes() == b"working"
    scratch.close()
    assert not scratch.root.exists()


def test_trimming_is_refused_while_another_command_works(tmp_path):
    script = (
        "import sys; from pathlib import Path; from rebuilder.store.durable import in_use\n"
        "with in_use(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with durable.in_use(tmp_path):
            pass
        alone = durable.in_use(tmp_path, alone=True)
        with pytest.raises(UsageError, match="another rebuilder command is using"), alone:
            pytest.fail("not alone")
        other.stdin.close()
    with durable.in_use(tmp_path, alone=True):
        pass


def test_publishing_adds_and_never_changes(tmp_path):
    folder = committed(tmp_path / "state")
    blobs = BlobStore(tmp_path / "state")
    site = Site(tmp_path / "site")
    run = Run(folder, load_record(folder))
    assert site.add(run, blobs, artifacts=False)
    (tmp_path / "site" / "runs" / folder.name / "recipe.toml").write_bytes(b"as it was published")
    assert not site.add(run, blobs, artifacts=False)
    site.write_index(b"<!doctype html>", b"[]\n")
    site.write_index(b"<!doctype html>2", b"[]\n")
    site.close()
    assert (tmp_path / "site" / "runs" / folder.name / "recipe.toml").read_bytes() == b"as it was published"
    assert (tmp_path / "site" / "index.html").read_bytes() == b"<!doctype html>2"
    assert not (tmp_path / "site" / ".rebuilder-scratch").exists()


def test_a_folder_with_other_things_in_it_is_not_ours_to_publish_into(tmp_path):
    assert not Site(tmp_path / "none").is_foreign()
    (tmp_path / "tmp").mkdir()
    assert Site(tmp_path).is_foreign()
    (tmp_path / "index.json").write_bytes(b"[]")
    assert not Site(tmp_path).is_foreign()
    Site(tmp_path).close()
    assert (tmp_path / "tmp").is_dir()


def test_a_run_that_was_changed_is_not_published(tmp_path):
    folder = committed(tmp_path / "state")
    run = Run(folder, load_record(folder))
    (folder / "recipe.toml").write_bytes(b"changed")
    with pytest.raises(IntegrityError, match=r"recipe\.toml was changed after it was written"):
        Site(tmp_path / "site").add(run, BlobStore(tmp_path / "state"), artifacts=False)
    assert not list(Site(tmp_path / "site").runs)
