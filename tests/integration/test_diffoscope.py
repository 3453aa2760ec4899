"""diffoscope in its real container: a batch shows what a run on each member alone shows, and a kill costs a rung."""

from __future__ import annotations

import gzip
import io
import json
import py_compile
import re
import sqlite3
import struct
import subprocess
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rebuilder.config import load_config
from rebuilder.data import Held, chunks
from rebuilder.explain.diffoscope import Bounds, ContainerDiffer
from rebuilder.explain.sideways import blocks
from rebuilder.model import DiffReport, RootImage
from rebuilder.ports import Exit, Job, Pair, Tmpfs
from rebuilder.sandbox.docker import DockerEngine
from rebuilder.store.blobs import BlobStore
from rebuilder.wiring import workshop
from tests.archive.world import Archives, World
from tests.integration.sandboxes import Remembering

pytestmark = pytest.mark.integration

#: Runs diffoscope on the two files of each folder of the tar on stdin, one process each; a JSON of their JSONs out.
ALONE = """
import json, pathlib, subprocess, sys, tarfile
found = {}
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    archive.extractall("/work", filter="data")
for folder in sorted(pathlib.Path("/work").iterdir()):
    done = subprocess.run(["diffoscope", "--no-progress", "--json", "-", *sorted(map(str, folder.glob("*/*")))],
                          capture_output=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": "/tmp"})
    found[folder.name] = json.loads(done.stdout) if done.returncode == 1 else done.stderr.decode()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def root(archives: Archives, shared_state: Path, tmp_path_factory: pytest.TempPathFactory) -> RootImage:
    """The root filesystem that the product itself makes for diffoscope."""
    world = World(tmp_path_factory.mktemp("diffoscope"), archives, state=shared_state)
    world.serve()
    try:
        return workshop(load_config({}, file=world.folder / "rebuilder.toml"), Remembering()).diffoscope_root()
    finally:
        world.close()


class Desk:
    """A differ over the real container."""

    def __init__(self, root: RootImage, folder: Path, engine: Any = None) -> None:
        self.root, self.blobs, self.engine = root, BlobStore(folder), engine or DockerEngine()

    def diff(self, *pairs: Pair, **bounds: Any) -> tuple[DiffReport, dict[str, Any]]:
        differ = ContainerDiffer(self.engine, self.blobs, Remembering(), lambda: self.root, Bounds(**bounds))
        report = differ.diff("x.deb", pairs, run_id="test-run")
        assert report.json_ is not None
        return report, json.loads(self.read(report.json_.sha256))

    def read(self, sha256: str) -> bytes:
        return self.blobs.read(sha256, limit=10**9)


@pytest.fixture
def desk(root: RootImage, tmp_path: Path) -> Desk:
    return Desk(root, tmp_path / "blobs")


def pair(name: str, left: bytes, right: bytes) -> Pair:
    return Pair(path=("data.tar.xz", f"./usr/{name}"), published=Held(left), rebuilt=Held(right))


def compiled(folder: Path, number: int, *options: str) -> bytes:
    source = folder / "prog.c"
    source.write_text(f"int other(int x) {{ return x * {number}; }}\nint main(void) {{ return other({number}); }}\n")
    target = folder / f"prog-{number}"
    subprocess.run(["gcc", "-O1", *options, "-o", target, source], check=True)
    return target.read_bytes()


def png(text: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"tEXt", b"c\0" + text) + chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def zipped(word: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("same.txt"), "same\n")
        archive.writestr(zipfile.ZipInfo("in/note.txt"), f"one\n{word}\nthree\n")
    return held.getvalue()


def bytecode(folder: Path, word: str) -> bytes:
    source = folder / "mod.py"
    source.write_text(f"def f():\n    return {word!r}\n")
    target = py_compile.compile(
        str(source), cfile=str(folder / "mod.pyc"), doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
    )  # fmt: skip
    assert target
    return Path(target).read_bytes()


def catalogue(folder: Path, word: str) -> bytes:
    """A .mo file: one message and its translation, as the format's description lays it out."""
    items = [("", "Content-Type: text/plain; charset=UTF-8\n"), ("hello", word)]
    keys, values = b"", b""
    spans = []
    for key, value in items:
        spans.append((len(key), len(keys), len(value), len(values)))
        keys += key.encode() + b"\0"
        values += value.encode() + b"\0"
    start = 28 + 16 * len(items)
    table = [struct.pack("<II", size, start + at) for size, at, _, _ in spans]
    table += [struct.pack("<II", size, start + len(keys) + at) for _, _, size, at in spans]
    head = struct.pack("<7I", 0x950412DE, 0, len(items), 28, 28 + 8 * len(items), 0, 0)
    return head + b"".join(table) + keys + values


def database(folder: Path, word: str) -> bytes:
    path = folder / f"{word}.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (a text)")
        connection.execute("insert into t values (?)", (word,))
    connection.close()
    return path.read_bytes()


def real_pairs(folder: Path) -> tuple[Pair, ...]:
    """Two of everything, as real tools make them."""
    left, right = "published", "rebuilt!!"
    text = "".join(f"line {n}\n" for n in range(500))
    return (
        pair("doc/long.txt", text.encode(), text.replace("line 250\n", "line 250 built on Monday\n").encode()),
        pair("doc/cut.txt", b"one\ntwo", b"one\ntwo\n"),
        pair("bin/prog", compiled(folder, 3, "-g"), compiled(folder, 5, "-g")),
        pair("share/doc.gz", gzip.compress(left.encode(), mtime=0), gzip.compress(right.encode(), mtime=0)),
        pair("share/icon.png", png(left.encode()), png(right.encode())),
        pair("lib/mod.pyc", bytecode(folder, left), bytecode(folder, right)),
        pair("lib/pack.zip", zipped(left), zipped(right)),
        pair("lib/data.json", json.dumps({"b": left, "a": 1}).encode(), json.dumps({"a": 1, "b": right}).encode()),
        pair("lib/data.xml", f"<a><b>{left}</b></a>".encode(), f"<a><b>{right}</b></a>".encode()),
        pair("share/de.mo", catalogue(folder, left), catalogue(folder, right)),
        pair("share/db.sqlite", database(folder, left), database(folder, right)),
        pair("share/blob.bin", bytes(range(256)) * 9, bytes(range(255)) + b"!" + bytes(range(256)) * 8),
        pair("share/same name", b"spaced a\n", b"spaced b\n"),
        pair("other/same name", b"spaced c\n", b"spaced d\n"),
    )


def packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return held.getvalue()


def container(root: RootImage, *argv: str, stdin: bytes) -> bytes:
    """What a command in a container like diffoscope's says."""
    answer, noise = [], []
    end = DockerEngine().run(
        Job(
            purpose="diffoscope", run_id="test-run", root_sha256=root.sha256, argv=argv, user="1000:1000", seconds=300,
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            tmpfs=(Tmpfs(path="/work", bytes=1 << 30), Tmpfs(path="/tmp", bytes=1 << 28)),
        ),
        stdin=[stdin], stdout=answer.append, stderr=noise.append,
    )  # fmt: skip
    assert end.status == 0, b"".join(noise).decode()
    return b"".join(answer)


#: What we add, and a remark that diffoscope itself makes in one run and not in the next, on the same files.
OUR_WORDS = ("not shown: ", "File has been modified after NT_GNU_BUILD_ID")


def shown(node: dict[str, Any], *, top: bool = True) -> object:
    """What a node shows, without what has to differ: the names of the two outermost files, and our own words."""
    plain = [re.sub(r"^/work/\d+/[ab]/", "", node[key]) for key in ("source1", "source2")]
    names = [] if top else plain
    said = [one for one in node.get("comments", []) if not one.startswith(OUR_WORDS)]
    inner = [shown(one, top=False) for one in node.get("details", [])]
    return names, said, ordered(node["unified_diff"] or ""), inner


def ordered(diff: str) -> list[str]:
    """A diff with the removed lines of each run before the added ones: inside a folder diffoscope turns them round."""
    found, held = [], []
    for line in [*diff.split("\n"), ""]:
        if line[:1] in {"-", "+"}:
            held.append(line)
            continue
        found += [*sorted(held, key=lambda one: one[0] == "+"), line]
        held = []
    return found


def test_a_batch_shows_of_each_member_what_a_run_on_it_alone_shows(desk: Desk, root: RootImage, tmp_path: Path) -> None:
    pairs = real_pairs(tmp_path)
    report, batch = desk.diff(*pairs)
    assert report.status == "complete", report.lacks
    assert [(one.path, one.rung) for one in report.members] == [(one.path, "full") for one in pairs]
    assert report.root_sha256 == root.sha256
    files = [
        (f"{index:03}/{side}/{one.path[-1].rpartition('/')[2].replace(' ', '_')}", b"".join(chunks(data)))
        for index, one in enumerate(pairs)
        for side, data in (("a", one.published), ("b", one.rebuilt))
    ]
    alone = json.loads(container(root, "python3", "-I", "-c", ALONE, stdin=packed(files)))
    assert len(alone) == len(pairs)
    for index, one in enumerate(pairs):
        found = batch["details"][index]
        assert found["rebuilder-member"] == list(one.path)
        assert shown(found) == shown(alone[f"{index:03}"]), one.path
    seen = {block.member for block in blocks(json.dumps(batch).encode()) if any(row.changed for row in block.lines)}
    assert seen == {one.path for one in pairs}


def test_text_page_and_json_name_members_in_words_and_the_tools_that_are_missing(desk: Desk, tmp_path: Path) -> None:
    report, batch = desk.diff(*real_pairs(tmp_path))
    assert report.text is not None
    assert report.html is not None
    text, page = desk.read(report.text.sha256).decode(), desk.read(report.html.sha256).decode()
    for member in report.members:
        assert f"data.tar.xz » {member.path[1]}\n" in text
        assert f"data.tar.xz » {member.path[1]}" in page
    assert "+line 250 built on Monday" in text
    assert "a/000" not in text + page
    assert "sng" in batch["rebuilder-missing-tools"]
    lacking = {one.path[1]: one.lacks for one in report.members if one.lacks}
    assert lacking["./usr/share/icon.png"] == ("what the helper program sng would show: it is not in the container",)
    assert "the helper program sng is not in the container; its comparison is missing" in report.lacks
    assert page.index("Content-Security-Policy") < page.index("<meta charset")


def slow_program(folder: Path) -> tuple[bytes, bytes]:
    """A program whose disassembly takes diffoscope some seconds; one function of it differs."""
    body = "".join(f"int f{n}(int x) {{ return x * {n} + (x >> {n % 7}) - {n * 3}; }}\n" for n in range(9000))
    found = []
    for number in (3, 5):
        source = folder / "slow.c"
        source.write_text(f"{body}int last(int x) {{ return x * {number}; }}\nint main(void) {{ return last(1); }}\n")
        target = folder / f"slow-{number}"
        subprocess.run(["gcc", "-O0", "-g", "-o", target, source], check=True)
        found.append(target.read_bytes())
    return found[0], found[1]


def test_a_member_that_takes_too_long_goes_down_the_ladder_and_the_others_keep_theirs(
    desk: Desk, tmp_path: Path
) -> None:
    slow = pair("bin/slow", *slow_program(tmp_path))
    quick = pair("doc/a.txt", b"one\n", b"two\n")
    rungs = {}
    for seconds in (60, 14, 9, 6, 4, 3, 2, 1):
        report, batch = desk.diff(slow, quick, seconds=seconds)
        member = report.members[0]
        rungs[member.rung] = report
        # With less, the start of diffoscope itself may take a small member's whole share on a busy machine.
        assert seconds < 9 or report.members[1].rung == "full"
        assert batch["details"][0]["rebuilder-rung"] == member.rung
        if member.rung == "no-disassembly":
            titles = [one["source1"] for one in batch["details"][0]["details"]]
            assert any("readelf" in title for title in titles)
            assert not any("objdump" in title or "debug-dump" in title for title in titles)
            assert "what objdump, readelf --debug-dump, radare2 and decompilers would show (full: " in member.lacks[0]
        if member.rung == "sections":
            titles = [one["source1"] for one in batch["details"][0]["details"]]
            assert titles == ["section table", "symbols", "bytes around the first differences"]
            assert "-last in .text" in batch["details"][0]["details"][1]["unified_diff"]
            assert report.status == "timed-out"
            break
    assert {"full", "no-disassembly", "sections"} <= set(rungs)


def test_with_no_time_at_all_every_member_still_has_its_bytes(desk: Desk, tmp_path: Path) -> None:
    begin = time.monotonic()
    report, batch = desk.diff(*real_pairs(tmp_path), seconds=0.01)
    assert time.monotonic() - begin < 60
    assert report.status == "timed-out"
    rungs = {one.path[1]: one.rung for one in report.members}
    assert rungs.pop("./usr/bin/prog") == "sections"
    assert set(rungs.values()) == {"hex"}
    assert all("the time was over before its turn" in one.lacks[0] for one in report.members)
    assert all(one["details"][-1]["unified_diff"] for one in batch["details"])
    assert report.text is not None
    assert b"+00000000: 7477 6f" not in desk.read(report.text.sha256)
    assert report.html is not None


class Instead(DockerEngine):
    """The real engine, with another program in diffoscope's place: what hostile files might make of it."""

    def __init__(self, script: str, seconds: float | None = None) -> None:
        super().__init__()
        self.script, self.seconds = script, seconds

    def run(
        self, job: Job, *, stdin: Iterable[bytes] = (), stdout: Callable[[bytes], None], stderr: Callable[[bytes], None]
    ) -> Exit:
        argv = ("python3", "-I", "-c", self.script)
        changed = replace(job, argv=argv, seconds=self.seconds or job.seconds)
        return super().run(changed, stdin=stdin, stdout=stdout, stderr=stderr)


SEND = """
import io, json, sys, tarfile, time
sys.stdin.buffer.read()
def give(name, data):
    info = tarfile.TarInfo(name); info.size = len(data)
    sys.stdout.buffer.write(info.tobuf() + data + bytes(-len(data) % 512)); sys.stdout.buffer.flush()
"""
SCRIPT_FIRST = b'<!DOCTYPE html><script>alert(1)</script>\n<html lang="en">\n<head></head><body></body></html>'


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("sys.stdout.buffer.write(b'no tar at all')", "failed"),
        ("give('result-000.json', b'[' * 100000); give('status.json', b'{]')", "failed"),
        ("[sys.stdout.buffer.write(bytes(1 << 20)) for _ in range(1024)]", "failed"),
        (f"give('report.html', {SCRIPT_FIRST!r}); give('report.txt', b'\\x1b[2J')", "failed"),
        ("give('../../x', b'x'); sys.exit(3)", "failed"),
        ("time.sleep(100)", "timed-out"),
    ],
)
def test_a_hostile_container_gets_no_further_than_its_own_part_of_the_report(
    root: RootImage, tmp_path: Path, script: str, status: str
) -> None:
    desk = Desk(root, tmp_path / "blobs", Instead(SEND + script, seconds=10))
    report, batch = desk.diff(pair("doc/a.txt", b"one\n", b"two\n"))
    assert report.status == status
    assert report.members[0].rung == "hex"
    assert "-00000000: 6f6e 650a" in batch["details"][0]["details"][0]["unified_diff"]
    assert report.html is not None
    page = desk.read(report.html.sha256)
    assert b"<script" not in page
    assert page.startswith(b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta http-equiv="Content-Security-Policy"')


def test_diffoscope_has_no_network_and_sees_no_hostile_name(root: RootImage, tmp_path: Path) -> None:
    listing = "give('report.txt', '\\n'.join(open('/proc/net/dev').read().split() + names).encode())"
    script = SEND.replace(
        "sys.stdin.buffer.read()\n", "names = tarfile.open(fileobj=sys.stdin.buffer, mode='r|').getnames()\n"
    )
    desk = Desk(root, tmp_path / "blobs", Instead(script + listing))
    report, _ = desk.diff(Pair(path=("../../\x1b/etc/shadow",), published=Held(b"a"), rebuilt=Held(b"b")))
    assert report.text is not None
    lines = desk.read(report.text.sha256).decode().split("\n")
    assert [line for line in lines if line.endswith(":") and " " not in line] == ["lo:"]
    at = lines.index("order.json")
    assert lines[at + 1 : at + 3] == ["a/000/shadow", "b/000/shadow"]


def test_running_diffoscope_again_gives_the_same_comparisons(desk: Desk, tmp_path: Path) -> None:
    pairs = real_pairs(tmp_path)
    one, other = desk.diff(*pairs)[1], desk.diff(*pairs)[1]
    assert one == other
