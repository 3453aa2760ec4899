"""What a diffoscope report says of itself: how it ended, how far each member came, and what it lacks."""

import io
import json
import subprocess
import tarfile
import threading

import pytest

from rebuilder.data import Held
from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.explain import diffoscope, diffoscope_answer, diffoscope_report, inside
from rebuilder.explain.diffoscope import Bounds, ContainerDiffer, fitting, plan, safe_name
from rebuilder.explain.diffoscope_answer import Answer, Result, read_answer, words
from rebuilder.explain.sideways import blocks
from rebuilder.model import RootImage, Verdict
from rebuilder.ports import Exit, Pair
from rebuilder.store.blobs import BlobStore

FINE = Exit(status=0, timed_out=False, out_of_memory=False, seconds=1.0, container="c")
KILLED = Exit(status=None, timed_out=True, out_of_memory=False, seconds=360.0, container="c")
HUNGRY = Exit(status=137, timed_out=False, out_of_memory=True, seconds=9.0, container="c")
ROOT = RootImage(build="generic", sha256="5" * 64, size=1, packages=1)
PAGE = b'<!DOCTYPE html>\n<html lang="en">\n<head>\n  <meta charset="utf-8" />\n</head>\n<body>y</body>\n'


class Quiet:
    def stage(self, name, detail=""): ...

    def line(self, text): ...


class Replies:
    """An engine whose container sends what a hostile one might; the real one is in tests/integration."""

    def __init__(self, *pieces, end=FINE):
        self.pieces, self.end, self.sent, self.job = pieces, end, b"", None

    def run(self, job, *, stdin=(), stdout, stderr):
        self.job, self.sent = job, b"".join(stdin)
        for piece in self.pieces:
            stdout(piece)
        return self.end


def tar(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def node(**changes):
    return {"source1": "a/000/x", "source2": "b/000/x", "unified_diff": "@@ -1 +1 @@\n+c\n-b\n", **changes}


def message(rung="full", cut=0, **changes):
    return json.dumps({"rung": rung, "cut": cut, "node": node(**changes)}).encode()


def sent(results, **status):
    about = {"tool": "diffoscope 297", "missing": "External-Tools-Required: sng, xxd"}
    said = {"seconds": 1.5, "reasons": {}, "render": "", **status}
    files = {f"result-{index:03}.json": data for index, data in results.items()}
    return tar({"about.json": json.dumps(about).encode(), **files, "report.txt": b"--- x\n", "report.html": PAGE,
                "status.json": json.dumps(said).encode()})  # fmt: skip


def pair(*path, left=b"ab", right=b"ac"):
    return Pair(path=path, published=Held(left), rebuilt=Held(right))


def asked(tmp_path, engine, *pairs):
    blobs = BlobStore(tmp_path)
    differ = ContainerDiffer(engine, blobs, Quiet(), lambda: ROOT, Bounds())
    report = differ.diff("x.deb", pairs, run_id="r")
    kept = [blobs.read(one.sha256, limit=10**9) for one in (report.text, report.html, report.json_)]
    return report, *kept


def test_a_complete_report_lacks_nothing(tmp_path):
    engine = Replies(sent({0: message()}))
    report, text, page, held = asked(tmp_path, engine, pair("data.tar.xz", "./x"))
    assert (report.status, report.lacks, report.tool, report.seconds) == ("complete", (), "diffoscope 297", 1.5)
    assert report.root_sha256 == ROOT.sha256
    assert [(one.path, one.rung, one.lacks) for one in report.members] == [(("data.tar.xz", "./x"), "full", ())]
    assert b"--- x\n" in text
    assert b"full            data.tar.xz \xc2\xbb ./x" in text
    assert b"does not have: External-Tools-Required: sng, xxd" in text
    assert json.loads(held)["rebuilder-missing-tools"] == "External-Tools-Required: sng, xxd"
    assert json.loads(held)["rebuilder-root"] == ROOT.sha256
    (block,) = blocks(held)
    assert (block.member, block.lines[0].left, block.lines[0].right) == (("data.tar.xz", "./x"), "b", "c")
    assert page.startswith(PAGE[: PAGE.index(b"  <meta")] + b'<meta http-equiv="Content-Security-Policy"')


def test_hostile_names_never_reach_a_path_of_the_container(tmp_path):
    names = ["../../etc/passwd", "a\x00b/\x1b[2J.so", "-rf", "..", "x.txt\\#2", "ü" * 300 + ".gz", ""]
    pairs = [pair("data.tar", name) for name in names]
    engine = Replies(sent({}))
    asked(tmp_path, engine, *pairs)
    with tarfile.open(fileobj=io.BytesIO(engine.sent)) as archive:
        found = archive.getnames()
    assert found[:3] == ["order.json", "a/000/passwd", "b/000/passwd"]
    assert [name.split("/")[2] for name in found[1::2]] == [
        "passwd", "__2J.so", "rf", "member", "x.txt", "_" * 77 + ".gz",
        "member",
    ]  # fmt: skip


def test_each_member_says_how_far_it_came_and_what_it_lacks(tmp_path):
    missing = ["'sng' not available in path. Falling back to binary comparison. Installing the 'sng' package may "]
    results = {0: message(comments=missing), 1: message("no-disassembly", 7)}
    reasons = {"1": ["full: diffoscope was stopped after 3.0 s"], "2": ["full: boom", "no-disassembly: bang"]}
    report, text, _, held = asked(tmp_path, Replies(sent(results, reasons=reasons)), pair("p"), pair("q"), pair("r"))
    one, two, three = report.members
    assert (one.rung, one.lacks) == (
        "full", ("what the helper program sng would show: it is not in the container",)
    )  # fmt: skip
    assert (two.rung, two.lacks) == (
        "no-disassembly",
        (
            "what objdump, readelf --debug-dump, radare2 and decompilers would show "
            "(full: diffoscope was stopped after 3.0 s)",
            "7 lines of its comparisons: longer than this report holds",
        ),
    )
    assert (three.rung, three.lacks) == (
        "hex",
        ("all that diffoscope would show; there are the bytes around the first differences "
         "(full: boom; no-disassembly: bang)",),
    )  # fmt: skip
    assert report.status == "timed-out"
    assert report.lacks == (
        "of 1 of 3 members: what objdump, readelf --debug-dump, radare2 and decompilers would show",
        "of 1 of 3 members: all that diffoscope would show; there are the bytes around the first differences",
        "the helper program sng is not in the container; its comparison is missing",
    )
    assert b"-00000000: 6162" in text
    last = blocks(held)[-1]
    assert (last.member, last.title) == (("r",), "bytes around the first differences")


@pytest.mark.parametrize(
    ("results", "status", "end", "outcome"),
    [
        ({0: message()}, {}, FINE, "complete"),
        ({0: message(cut=4)}, {}, FINE, "truncated"),
        ({0: message()}, {"render": "diffoscope ended with status 2: no message"}, FINE, "truncated"),
        ({0: message("no-disassembly")}, {"reasons": {"0": ["full: ended with status 2"]}}, FINE, "truncated"),
        ({0: message("no-disassembly")}, {"reasons": {"0": ["full: the time was over"]}}, FINE, "timed-out"),
        ({}, {}, FINE, "failed"),
        ({0: message()}, {"seconds": "x"}, FINE, "truncated"),
        ({0: message()}, {"seconds": "x"}, KILLED, "timed-out"),
        ({}, {}, HUNGRY, "failed"),
    ],
)  # fmt: skip
def test_how_it_ended(tmp_path, results, status, end, outcome):
    report, *_ = asked(tmp_path, Replies(sent(results, **status), end=end), pair("x"))
    assert report.status == outcome


def test_what_a_member_lacks_comes_before_what_the_tool_remarks(tmp_path):
    """Whoever shows comments shows the first of them."""
    *_, held = asked(tmp_path, Replies(sent({0: message("no-disassembly", comments=["c"] * 50)})), pair("x"))
    said = json.loads(held)["details"][0]["comments"]
    assert said[0].startswith("not shown: what objdump")
    assert said[1:] == ["c"] * 50


def test_a_kill_and_its_reason_are_said(tmp_path):
    report, *_ = asked(tmp_path, Replies(end=KILLED), pair("x"))
    assert report.lacks[1] == "the container did not answer in time and was stopped from outside"
    assert report.lacks[2] == "text and page of diffoscope: the container ended before it was done: no message"
    report, *_ = asked(tmp_path, Replies(end=HUNGRY), pair("x"))
    assert report.lacks[1] == "the container needed more than 4096 MiB of memory; what needed it was stopped"
    (member,) = report.members
    assert "(the container was stopped before it came to this member)" in member.lacks[0]


def test_results_sent_before_a_kill_from_outside_count(tmp_path):
    whole = sent({0: message(), 1: message()})
    second = whole.index(b"result-001.json")
    report, *_ = asked(tmp_path, Replies(whole[: second + 560], end=KILLED), pair("x"), pair("y"))
    assert [one.rung for one in report.members] == ["full", "hex"]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"[" * 100_000, b'{"rung": "full"}', b'{"rung": "best", "cut": 0, "node": {}}',
             b'{"rung": "full", "cut": "x", "node": {}}', b'{"rung": "full", "cut": 0, "node": []}', b"\xff\xfe"],
)  # fmt: skip
def test_a_hostile_result_is_no_result(tmp_path, data):
    report, *_ = asked(tmp_path, Replies(sent({0: data})), pair("x"))
    assert (report.status, report.members[0].rung) == ("failed", "hex")


@pytest.mark.parametrize("data", [b"", b"no tar", b"\x00" * 5000, b"x" * 100_000, sent({})[:700]])
def test_a_hostile_answer_is_no_more_than_a_failed_report(tmp_path, data):
    report, text, _, held = asked(tmp_path, Replies(data), pair("x"))
    assert report.status == "failed"
    assert report.members[0].rung == "hex"
    assert b"00000000: 6162" in text
    assert blocks(held)


def test_odd_values_inside_a_result_are_made_sound(tmp_path):
    deep = node()
    for _ in range(200):
        deep = node(details=[deep])
    odd = message(source1=5, comments=[1, "a\ud800b", None], details=[3, deep, {"source1": "in"}], extra="x")
    report, _, _, held = asked(tmp_path, Replies(sent({0: odd})), pair("x"))
    assert report.members[0].rung == "full"
    kept = json.loads(held)["details"][0]
    assert kept["comments"] == ["", "a?b", ""]
    assert "extra" not in kept
    assert held.count(b'"details"') <= diffoscope_answer.MAX_DEPTH + 2


def test_what_the_container_sends_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(diffoscope, "MAX_ANSWER_BYTES", 5000)
    target = io.BytesIO()
    write = diffoscope._bounded_write(target, 5000)
    for _ in range(100):
        write(bytes(1024))
    assert target.tell() == 5000
    flood = (b"\x00" * (1 << 20) for _ in range(200))
    report, *_ = asked(tmp_path, Replies(*[sent({0: message()})[:4096]], *flood), pair("x"))
    assert report.members[0].rung == "full"


def test_a_report_that_is_full_says_which_member_it_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(diffoscope_report, "MAX_JSON_BYTES", 300)
    results = {index: message(unified_diff="@@ -1 +1 @@\n-" + "x" * 200 + "\n") for index in range(2)}
    report, *_ = asked(tmp_path, Replies(sent(results)), pair("x"), pair("y"))
    assert report.members[0].lacks == ()
    assert report.members[1].lacks[0].endswith("the report holds 300 bytes at most, and is full")


@pytest.mark.parametrize(
    "page",
    [
        b"<script>1</script>" + PAGE, b"\n" + PAGE, PAGE.lower(), b"<!-- x -->" + PAGE, b"<body>no head", b"",
        b"\xef\xbb\xbf" + PAGE, PAGE.replace(b"<head>", b"<head><script>1</script>"),
        PAGE.replace(b"<html", b'<html onclick="x"'), PAGE.replace(b'  <meta charset="utf-8" />', b"  <base href=x>"),
    ],
)  # fmt: skip
def test_a_page_that_does_not_begin_as_diffoscopes_do_is_refused(page):
    assert diffoscope_report.sealed(page) is None
    answer = Answer(page=page)
    made = diffoscope_report.as_page(answer, diffoscope_report.ladder("x", [pair("x")], answer, {}))
    assert b"script" not in made
    assert made.startswith(b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta http-equiv="Content-Security-Policy"')


def test_the_html_page_may_run_and_load_nothing():
    held = diffoscope_report.sealed(PAGE)
    assert held.index(b"default-src 'none'") < held.index(b"<meta charset")
    assert held.replace(diffoscope_report._POLICY, b"") == PAGE


def test_names_in_our_own_part_of_the_page_are_escaped():
    answer = Answer(page=PAGE)
    found = diffoscope_report.ladder("x", [pair("<script>alert(1)</script>")], answer, {})
    page = diffoscope_report.as_page(answer, found)
    assert b"<script>" not in page
    assert b"&lt;script&gt;" in page
    assert page.endswith(b"</pre>\n</body>\n")


@pytest.mark.parametrize("error", [Stopped(Verdict.UNAVAILABLE, "3 packages vanished"), InfrastructureError("gone")])
def test_a_container_that_cannot_be_made_costs_diffoscope_and_not_the_report(tmp_path, error):
    def prepare():
        raise error

    blobs = BlobStore(tmp_path)
    report = ContainerDiffer(None, blobs, Quiet(), prepare, Bounds()).diff("a.deb", (pair("x"),), run_id="r")
    assert report.status == "failed"
    assert report.lacks[0] == (
        f"all that diffoscope would show: the container diffoscope runs in could not be made, or ended badly ({error})"
    )
    assert report.members[0].rung == "hex"
    assert report.json_ is not None
    assert report.root_sha256 is None


def test_nothing_to_compare_needs_no_container(tmp_path):
    report = ContainerDiffer(None, BlobStore(tmp_path), Quiet(), None, Bounds()).diff("a.deb", (), run_id="r")
    assert (report.status, report.members, report.text) == ("complete", (), None)


def test_big_members_go_alone_and_last_and_small_ones_together():
    class Sized:
        def __init__(self, size, head=b""):
            self.size, self.head = size, head

        def read(self, at, size):
            return self.head[at : at + size]

    sizes = [Sized(30 << 20), Sized(10), Sized(3 << 20, b"\x7fELF"), Sized(20), Sized(500 << 20)]
    pairs = tuple(Pair(path=(str(n),), published=one, rebuilt=one) for n, one in enumerate(sizes))
    assert plan(pairs, fitting(pairs, 2 << 30)) == [[1, 3], [2], [0], [4]]
    assert fitting(pairs, 100 << 20) == (0, 1, 2, 3)
    many = tuple(pair(str(n)) for n in range(100))
    assert [len(chunk) for chunk in plan(many, tuple(range(100)))] == [48, 48, 4]


def test_a_member_with_no_room_in_the_container_says_so(tmp_path):
    differ = ContainerDiffer(None, BlobStore(tmp_path), Quiet(), None, Bounds(disk_bytes=9))
    report = differ.diff("a.deb", (pair("x"),), run_id="r")
    (lacking,) = report.members[0].lacks
    assert "(not given to diffoscope: too large for its scratch space)" in lacking


def test_more_members_than_a_report_holds_are_counted(tmp_path, monkeypatch):
    """A record names each member of a report: without a bound it would be too large to be read again."""
    monkeypatch.setattr(diffoscope, "MAX_MEMBERS", 2)
    engine = Replies(sent({0: message(), 1: message()}))
    report, *_ = asked(tmp_path, engine, *(pair(name) for name in "abcde"))
    assert [one.path for one in report.members] == [("a",), ("b",)]
    assert report.lacks == ("3 further members whose content differs: a report holds 2 at most",)
    assert report.status == "truncated"


def nested_names(count):
    """A tar in which each name of a member is that of the name of the next."""
    one = tarfile.TarInfo("x")
    one.type, one.size = tarfile.GNUTYPE_LONGNAME, 1
    return (one.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")) * count


def sparse(size):
    """A member of no bytes that claims to be a hole of that size."""
    one = tarfile.TarInfo("report.txt")
    one.type, one.size = tarfile.GNUTYPE_SPARSE, 0
    block = bytearray(one.tobuf(tarfile.GNU_FORMAT))
    block[386:410] = b"%011o\0%011o\0" % (size, 0)
    block[482:495] = b"\0%011o\0" % size
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
    return bytes(block)


@pytest.mark.parametrize("data", [nested_names(3000), tar({"result-000.json": message()}) + nested_names(3000)])
def test_a_tar_of_names_of_names_costs_no_more_than_what_is_behind_it(tmp_path, data):
    report, *_ = asked(tmp_path, Replies(data), pair("x"))
    assert report.status == ("truncated" if data.startswith(b"result") else "failed")


def test_holes_of_the_answer_are_not_filled():
    answer = read_answer(io.BytesIO(sparse(1 << 30) * 200 + tar({"result-000.json": message()})))
    assert (answer.text, list(answer.results)) == (b"", [0])


def test_a_result_for_a_member_that_was_not_given_is_no_result(tmp_path):
    report, *_ = asked(tmp_path, Replies(sent({0: message(), 7: message(comments=["'sng' not available in path"])})),
                       pair("x"))  # fmt: skip
    assert (report.status, report.lacks, len(report.members)) == ("complete", (), 1)


def test_a_safe_name_keeps_its_ending():
    assert safe_name(("data.tar", "./usr/lib/libx.so.1"), "x") == "libx.so.1"
    assert safe_name((), "less_1.0~rc1_amd64.deb") == "less_1.0_rc1_amd64.deb"


def test_words_are_one_line_of_visible_characters():
    assert words("a\x1b[2J\nb\u202ec") == "a [2J b c"
    assert words(5) == ""


def test_long_diffs_are_cut_at_a_line_and_the_cut_is_counted():
    long = {"unified_diff": "@@ -1 +1 @@\n" + "-line\n" * 5000, "details": [{"unified_diff": "x" * 9000}]}
    gone = inside.fit(long, 12_000)
    assert len(json.dumps(long)) <= 12_000
    assert long["unified_diff"].endswith("-line\n")
    kept = long["unified_diff"].count("-line")
    assert gone == 5000 - kept + (len(long["details"][0]["unified_diff"]) < 9000)
    assert long["comments"][-1].endswith("further lines of this comparison are left out of this report")
    assert inside.fit({"unified_diff": "short"}, 100) == 0


def test_what_a_run_could_not_clear_away_does_not_cost_the_next_one(tmp_path, monkeypatch):
    """A folder without permissions, as an archive can leave one, stays."""
    monkeypatch.setattr(inside, "WORK", tmp_path)
    monkeypatch.setattr(inside.shutil, "rmtree", lambda *_, **__: None)
    shown = {"details": [{"source1": "a/000", "details": [node()]}]}

    def call(_options, place, _seconds):
        (place / "out.json").write_text(json.dumps(shown))
        return 1, ""

    monkeypatch.setattr(inside, "call", call)
    for side in "ab":
        (tmp_path / "in" / side / "000").mkdir(parents=True)
    for _ in range(2):
        assert inside.run(0, [0], 9.0, ()) == ({0: node()}, "")


def test_the_tool_is_asked_about_itself_while_it_works_and_costs_no_report_if_it_does_not_answer(monkeypatch):
    given, silent = {}, threading.Event()

    def climb(_, __):
        silent.set()

    def run(*_, **__):
        assert silent.wait(5), "the ladder waited for an answer to --version"
        raise subprocess.TimeoutExpired("diffoscope", 30)

    order = {"seconds": 9, "workers": 1, "member_bytes": 9, "report_bytes": 9, "chunks": [], "labels": []}
    monkeypatch.setattr(inside, "take", lambda: order)
    monkeypatch.setattr(inside, "give", lambda name, data: given.update({name: json.loads(data)}))
    monkeypatch.setattr(inside.subprocess, "run", run)
    monkeypatch.setattr(inside.Ladder, "climb", climb)
    monkeypatch.setattr(inside.sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    inside.main()
    assert given["about.json"] == {"tool": "diffoscope (unknown version)", "missing": ""}
    assert list(given) == ["about.json", "status.json"]


def test_only_known_members_of_the_answer_are_read():
    found = read_answer(io.BytesIO(tar({"../../etc/passwd": b"x", "result-0.json": message(), "report.txt": b"diff"})))
    assert found == Answer(text=b"diff")
    found = read_answer(io.BytesIO(tar({"result-003.json": message(comments=[])})))
    assert found.results == {3: Result("full", node(comments=[]), 0)}
