"""What a diffoscope report says of itself: how it ended, and what it lacks."""

import io
import json
import tarfile

import pytest

from rebuilder.errors import Stopped
from rebuilder.explain import diffoscope
from rebuilder.explain.diffoscope import Bounds, lacks
from rebuilder.model import FileDigest, Verdict
from rebuilder.ports import Exit

FINE = Exit(status=0, timed_out=False, out_of_memory=False, seconds=1.0, container="c")
KILLED = Exit(status=None, timed_out=True, out_of_memory=False, seconds=360.0, container="c")
HUNGRY = Exit(status=137, timed_out=False, out_of_memory=True, seconds=9.0, container="c")


@pytest.mark.parametrize(
    ("status", "text", "end", "outcome"),
    [
        ({"status": 1}, "a difference", FINE, "complete"),
        ({"status": 0}, "", FINE, "complete"),
        ({"status": 1, "report.txt": True}, "", FINE, "truncated"),
        ({"status": 1}, "[ 3999 lines truncated by diffoscope ]", FINE, "truncated"),
        ({"status": "timeout"}, "", FINE, "timed-out"),
        ({}, "", KILLED, "timed-out"),
        ({"status": 2}, "", FINE, "failed"),
        ({}, "", HUNGRY, "failed"),
    ],
)
def test_how_it_ended(status, text, end, outcome):
    assert diffoscope._outcome(status, text, end) == outcome


def test_a_complete_report_lacks_nothing():
    assert lacks({"status": 1}, "--- one\n+++ other\n", FINE, "", Bounds()) == ()


def test_what_is_missing_is_said_in_words():
    text = "'xxd' not available in path. Falling back\nInstall 'apktool' to get more\n'xxd' not available in path"
    said = lacks({"status": 1}, text, FINE, "", Bounds())
    assert said == (
        "the helper program apktool is not in the container; its comparison is missing",
        "the helper program xxd is not in the container; its comparison is missing",
    )


def test_a_kill_and_its_reason_are_said():
    (said,) = lacks({"status": "timeout"}, "", FINE, "", Bounds(seconds=7))
    assert said == "diffoscope was stopped after 7 s; what it had not written by then is missing"
    said = lacks({}, "", HUNGRY, "boom", Bounds(memory_bytes=512 * 1024**2))
    assert said[0] == "diffoscope needed more than 512 MiB of memory and was stopped"
    assert said[1] == "diffoscope failed: boom"


def answer(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    buffer.seek(0)
    return buffer


def test_only_known_members_of_the_answer_are_read():
    status = json.dumps({"status": 1}).encode()
    found = diffoscope._unpacked(answer({"../../etc/passwd": b"x", "status.json": status, "report.txt": b"diff"}))
    assert found == {"status.json": status, "report.txt": b"diff"}


def test_an_answer_that_is_cut_off_gives_what_came_before():
    data = answer({"report.txt": b"diff", "status.json": b"{}" * 600}).getvalue()
    assert diffoscope._unpacked(io.BytesIO(data[:1600])) == {"report.txt": b"diff"}
    assert diffoscope._unpacked(io.BytesIO(b"no tar")) == {}


def test_what_the_container_sends_is_bounded(monkeypatch):
    monkeypatch.setattr(diffoscope, "MAX_REPORT_BYTES", 10)
    target = io.BytesIO()
    write = diffoscope._bounded_write(target)
    for _ in range(100):
        write(bytes(diffoscope.CHUNK))
    assert target.tell() <= 20 + 2 * diffoscope.CHUNK


def test_the_html_page_may_run_and_load_nothing():
    page = b"<!doctype html><html><head>\n<meta charset='utf-8'></head><body><script>1</script></body>"
    held = diffoscope.sealed(page)
    assert held.startswith(b"<!doctype html><html><head><meta http-equiv=\"Content-Security-Policy\"")
    assert b"default-src 'none'" in held
    assert held.endswith(page.partition(b"<head>")[2])
    assert diffoscope.sealed(b"<body>no head") is None
    assert diffoscope.sealed(None) is None


def test_a_container_that_cannot_be_made_costs_the_report_and_not_the_verdict():
    def prepare():
        raise Stopped(Verdict.UNAVAILABLE, "3 packages vanished")

    file = FileDigest(name="a.deb", sha256="0" * 64, size=1)
    report = diffoscope.ContainerDiffer(None, None, None, prepare, Bounds()).diff(file, file, run_id="r")
    assert (report.status, report.text) == ("failed", None)
    (said,) = report.lacks
    assert said == (
        "all of it: the container diffoscope runs in could not be made, or ended badly (3 packages vanished)"
    )


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"status": []}', b'{"status": 1, "seconds": "x", "stderr": "", "tool": ""}',
             b"[" * 100_000, b'{"status": 1, "seconds": 1.0, "stderr": 5, "tool": "d"}'],
)  # fmt: skip
def test_what_a_hostile_container_says_of_itself_is_no_more_than_a_failed_report(data):
    assert diffoscope._said(data) == {}
    assert diffoscope._outcome({}, "", FINE) == "failed"


def test_what_the_container_says_is_read():
    status = {"status": 1, "seconds": 1.5, "stderr": "", "tool": "diffoscope 297", "report.txt": True}
    assert diffoscope._said(json.dumps(status).encode()) == status
