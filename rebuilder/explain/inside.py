"""Runs inside the diffoscope container, as its PID 1: pairs in as a tar, what diffoscope says of each out as a tar.

Only the standard library of that container's Python is here. Every result leaves as soon as it is there, so that
a kill from outside costs only what was not finished. Members are known by number; hostile names never come here
but as words for the report (``labels`` of ``order.json``).
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from concurrent import futures
from pathlib import Path
from typing import Any

WORK = Path("/work")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: Lines of one run of equal sign that diffoscope keeps (``saved``) and shows in text and HTML (``shown``).
SAVED_LINES, SHOWN_LINES = 20_000, 2000
#: Commands of the first rung that take hours on a big program.
SLOW = r"objdump|--debug-dump|radare2|llvm-|javap|procyon|ghc|ocamlobjinfo"
#: The rungs: name, up to which part of the time, further options.
RUNGS = (("full", 0.55, ()), ("no-disassembly", 0.85, (f"--exclude-command={SLOW}",)))
#: What a member's diffs are cut to, in characters each, until all its JSON fits.
CUTS = (1 << 20, 1 << 18, 1 << 16, 1 << 13, 1 << 10)
#: More JSON than this of one run of diffoscope is not even read.
MAX_RAW_BYTES = 256 * 1024**2


class Ladder:
    """Runs chunks of members until all have a result or the time is over."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.seconds = float(order["seconds"])
        self.workers = int(order["workers"])
        self.member_bytes = int(order["member_bytes"])
        self.begin = time.monotonic()
        self.nodes: dict[int, dict[str, Any]] = {}
        self.reasons: dict[int, list[str]] = collections.defaultdict(list)
        self.lock = threading.Lock()
        self.queue: collections.deque[list[int]] = collections.deque()
        self.active = 0

    def climb(self, chunks: list[list[int]]) -> None:
        """Every rung in turn, each on the members that have no result yet."""
        for rung, share, options in RUNGS:
            self.queue.extend(chunks)
            deadline = self.begin + self.seconds * share
            with futures.ThreadPoolExecutor(self.workers) as pool:
                for number in range(self.workers):
                    pool.submit(self._work, number, rung, deadline, options)
            chunks = [left for chunk in chunks if (left := [one for one in chunk if one not in self.nodes])]

    def _work(self, number: int, rung: str, deadline: float, options: tuple[str, ...]) -> None:
        while True:
            with self.lock:
                chunk = self.queue.popleft() if self.queue else None
                if chunk is None and not self.active:
                    return
                self.active += chunk is not None
                last = not self.queue
            if chunk is None:
                time.sleep(0.02)
                continue
            try:
                left = deadline - time.monotonic()
                # Others wait: one slow chunk must not eat what is left. Cut in two, it comes again after them.
                self._try(chunk, number, rung, left if last and len(chunk) == 1 else left / 2, options)
            except Exception as error:  # a thread that dies would take the chunk's fate with it, unsaid
                missing = [index for index in chunk if index not in self.nodes]
                self._failed(missing, rung, f"its result could not be kept ({error!r})"[:300])
            finally:
                with self.lock:
                    self.active -= 1

    def _try(self, chunk: list[int], number: int, rung: str, left: float, options: tuple[str, ...]) -> None:
        if left <= 0:
            self._failed(chunk, rung, "the time was over before its turn")
            return
        found, trouble = run(number, chunk, left, options)
        with self.lock:
            for index, node in found.items():
                self._finished(index, rung, node)
        missing = [index for index in chunk if index not in found]
        if trouble and len(missing) > 1:
            middle = len(missing) // 2
            with self.lock:
                self.queue.extend((missing[:middle], missing[middle:]))
        elif missing:
            self._failed(missing, rung, trouble or "diffoscope showed no difference")

    def _finished(self, index: int, rung: str, node: dict[str, Any]) -> None:
        for one in every(node):
            for side, key in (("a", "source1"), ("b", "source2")):
                # Some comparators name the file itself again: our numbers mean nothing to a reader.
                one[key] = one[key].removeprefix(f"{side}/{index:03}/")
        lines = fit(node, self.member_bytes)
        self.nodes[index] = node
        give(f"result-{index:03}.json", json.dumps({"rung": rung, "cut": lines, "node": node}).encode())

    def _failed(self, chunk: list[int], rung: str, reason: str) -> None:
        with self.lock:
            for index in chunk:
                self.reasons[index].append(f"{rung}: {reason}")


def run(number: int, chunk: list[int], seconds: float, options: tuple[str, ...]) -> tuple[dict[int, Any], str]:
    """One run of diffoscope over a chunk: the node of each member it showed, and what went wrong, if anything."""
    # A new one each time: what hostile archives leave in one cannot always be removed.
    place = Path(tempfile.mkdtemp(prefix=f"run-{number}-", dir=WORK))
    (place / "tmp").mkdir()
    try:
        for side in ("a", "b"):
            for index in chunk:
                (place / side).mkdir(exist_ok=True)
                (WORK / "in" / side / f"{index:03}").rename(place / side / f"{index:03}")
        status, noise = call([*options, "--json", "out.json", "a", "b"], place, seconds)
        if status not in {0, 1}:
            return {}, noise
        return members(place / "out.json"), ""
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return {}, f"its result could not be read ({error})"[:300]
    finally:
        for side in ("a", "b"):
            for index in chunk:
                if (place / side / f"{index:03}").exists():
                    (place / side / f"{index:03}").rename(WORK / "in" / side / f"{index:03}")
        shutil.rmtree(place, ignore_errors=True)


def call(options: list[str], place: Path, seconds: float) -> tuple[int | None, str]:
    """diffoscope, and everything it started, killed after ``seconds``; exit status and its last words."""
    command = [
        "diffoscope", "--no-progress", "--no-default-limits", "--exclude-directory-metadata=yes",
        f"--max-diff-block-lines-saved={SAVED_LINES}", f"--max-diff-block-lines={SHOWN_LINES}", *options,
    ]  # fmt: skip
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8", "TMPDIR": str(place / "tmp"), "HOME": str(place / "tmp")}
    with (place / "noise").open("w+b") as noise:
        process = subprocess.Popen(
            command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=noise,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None, f"diffoscope was stopped after {seconds:.1f} s"
        finally:
            # Also after a good end: what it started and left behind would eat the time of the next.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        noise.seek(max(0, noise.tell() - 2000))
        words = noise.read().decode("utf-8", "replace").strip()[-300:]
        return status, f"diffoscope ended with status {status}: {words or 'no message'}"


def members(path: Path) -> dict[int, Any]:
    """Number -> node of each member, out of the JSON of two compared folders."""
    size = path.stat().st_size if path.exists() else 0
    if not size:
        return {}
    if size > MAX_RAW_BYTES:
        raise ValueError(f"{size} bytes of JSON, at most {MAX_RAW_BYTES} are read")  # noqa: EM102
    found = {}
    for folder in json.loads(path.read_bytes()).get("details", []):
        numbered = re.fullmatch(r"a/(\d{3,})", folder.get("source1", ""))
        details = folder.get("details", [])
        if numbered and len(details) == 1:
            found[int(numbered[1])] = details[0]
    return found


def fit(node: dict[str, Any], limit: int) -> int:
    """Cut the longest diffs of a node until its JSON has at most ``limit`` bytes; how many lines were cut off."""
    excess = len(json.dumps(node)) - limit
    if excess <= 0:
        return 0
    nodes = every(node)
    most = next((most for most in CUTS if sum(saves(one, most) for one in nodes) > excess), CUTS[-1])
    lines = sum(cut(one, most) for one in nodes)
    if len(json.dumps(node)) > limit:
        node["details"] = []
        note(node, "what is inside was too much for this report and is left out")
    return lines


def saves(node: dict[str, Any], most: int) -> int:
    """Bytes of JSON that a cut to ``most`` characters saves, at least: it adds a comment of its own."""
    text = node.get("unified_diff") or ""
    return len(json.dumps(text[most:])) - 150 if len(text) > most else 0


def cut(node: dict[str, Any], most: int) -> int:
    """Cut one diff to ``most`` characters, at the end of a line if it has one; how many lines went."""
    text = node.get("unified_diff") or ""
    if len(text) <= most:
        return 0
    end_of_line = text.rfind("\n", 0, most) + 1
    node["unified_diff"] = text[: end_of_line or most]
    gone = text.count("\n", end_of_line or most) or 1
    note(node, f"{gone} further lines of this comparison are left out of this report")
    return gone


def note(node: dict[str, Any], words: str) -> None:
    """Add a comment to a node."""
    said = node.get("comments") or []
    node["comments"] = [*(said if isinstance(said, list) else [str(said)]), words]


def every(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The node and all below it."""
    found, stack = [], [node]
    while stack:
        one = stack.pop()
        found.append(one)
        stack += one.get("details", [])
    return found


def render(nodes: dict[int, Any], labels: list[str], seconds: float, limit: int) -> str:
    """Text and HTML of all results, made by diffoscope out of its own JSON. What went wrong, if anything."""
    place = WORK / "render"
    (place / "tmp").mkdir(parents=True)
    details = [{**nodes[index], "source1": labels[index], "source2": labels[index]} for index in sorted(nodes)]
    whole = {"diffoscope-json-version": 1, "source1": "published", "source2": "rebuilt", "unified_diff": None}
    whole["details"] = details
    (place / "all.json").write_text(json.dumps(whole))
    bounds = ("--max-text-report-size", "--max-report-size", "--max-page-size")
    sizes = [word for name in bounds for word in (name, str(limit))]
    outputs = ["--text", "report.txt", "--html", "report.html", "--max-page-diff-block-lines", str(SHOWN_LINES)]
    status, noise = call(["--load-existing-diff", "all.json", *outputs, *sizes], place, seconds)
    for name in ("report.txt", "report.html"):
        if (place / name).is_file():
            with (place / name).open("rb") as file:
                give(name, file.read(limit))
    return "" if status in {0, 1} else noise


def said(*options: str) -> str:
    """What diffoscope answers to a question about itself; nothing if it does not."""
    try:
        answer = subprocess.run(["diffoscope", *options], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode("utf-8", "replace").strip()


def introduce(lock: threading.Lock) -> None:
    """Say which diffoscope this is, and what it misses. ``lock``: whoever gives something else has it."""
    about = {"tool": said("--version") or "diffoscope (unknown version)", "missing": said("--list-missing-tools")}
    with lock:
        give("about.json", json.dumps(about).encode())


def give(name: str, data: bytes) -> None:
    """One member of the tar on stdout, at once."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out = sys.stdout.buffer
    out.write(info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE))
    out.flush()


def take() -> dict[str, Any]:
    """Unpack the tar on stdin into numbered folders; the order that came with them."""
    order: dict[str, Any] = {}
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            source = archive.extractfile(member)
            if source is None or member.name == "order.json":
                order = json.loads(source.read()) if source else order
                continue
            target = WORK / "in" / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    return order


def main() -> None:
    """All of it. ``status.json`` comes last, so that its absence tells of a kill."""
    order = take()
    ladder = Ladder(order)
    # Each question takes a second: nobody waits for the answers.
    asking = threading.Thread(target=introduce, args=(ladder.lock,))
    asking.start()
    ladder.climb(order["chunks"])
    asking.join()
    trouble = ""
    if ladder.nodes:
        left = max(10.0, ladder.seconds - (time.monotonic() - ladder.begin))
        trouble = render(ladder.nodes, order["labels"], left, int(order["report_bytes"]))
    taken = round(time.monotonic() - ladder.begin, 3)
    reasons = {str(index): words for index, words in ladder.reasons.items()}
    give("status.json", json.dumps({"seconds": taken, "reasons": reasons, "render": trouble}).encode())
    sys.stdout.buffer.write(bytes(2 * tarfile.BLOCKSIZE))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
