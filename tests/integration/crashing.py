"""Writes to a store without end, in a process that is to be killed; and looks at what the crash left.

Run as a program it is a nursery: it imports the store once, forks a writer for every line it reads, kills
the writer where or when the line says, looks at the disk, and prints one JSON line about it. So fifty crashes
cost seconds, and it is the product's own code that is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rebuilder.log.lines import LineLog
from rebuilder.store import blobs, durable, publish, runs
from rebuilder.store.blobs import BlobStore
from rebuilder.store.durable import Scratch
from rebuilder.store.runs import RunStore, bundle_digest, load_record
from tests import record_cases as records

FILES = ("recipe.toml", "toolchain.lock.json", "build-any-1.log", "less_668-1_amd64.deb.intoto.jsonl", "index.html")


def write_forever(state: Path, seed: int, rounds: int, done: Callable[[str], None]) -> None:
    """What a run does to the disk, over and over; ``done`` hears of each thing once it is promised to last."""
    chance = random.Random(seed)
    store, log = BlobStore(state), LineLog(state / "log.jsonl")
    for _ in range(rounds):
        pieces = [chance.randbytes(chance.randrange(1, 200_000)) for _ in range(3)]
        blob = store.put(pieces, name="x", limit=1 << 30)
        done(f"blob {blob.sha256}")
        run_id = f"20261120T170000Z-{chance.randrange(1 << 32):08x}"
        record = records.reproduced().model_copy(update={"run_id": run_id})
        draft = RunStore(state).draft(run_id)
        for name in FILES:
            draft.write(name, chance.randbytes(chance.randrange(1, 100_000)))
        draft.write("run.json", record.model_dump_json(by_alias=True).encode())
        folder = draft.commit()
        done(f"run {run_id}")
        log.append(run_id, bundle_digest(folder))
        done(f"log {run_id}")
        durable.replace_synced(state / "tools" / "kept.json", json.dumps({"kept": "x" * 50_000}).encode())
        site = publish.Site(state / "site")
        site.add(RunStore(state).find(run_id)[0], store, artifacts=False)
        site.write_index(b"<html>", b"{}")
        site.close()
        drafts = [path.name for path in (state / "tools").iterdir() if path.name != "kept.json"]
        assert not drafts, f"left beside what was written whole: {drafts}"


def sweep(state: Path) -> None:
    """What the next command does first, or last (``publish``)."""
    publish.Site(state / "site").close()
    Scratch(state).sweep()
    LineLog(state / "log.jsonl").reconcile((folder.name, bundle_digest(folder)) for folder in RunStore(state).folders())


def faults(state: Path, promised: Iterable[str]) -> list[str]:
    """Everything on the disk that is half, or gone though it was promised to last."""
    found = [f"blob {p} is not its name" for p in state.glob("blobs/??/*") if _sha256(p) != p.name]
    for store in (state, state / "site"):
        for folder in sorted((store / "runs").glob("*")):
            found += [f"{folder}: {fault}" for fault in _run_faults(folder)]
    kept = state / "tools" / "kept.json"
    if kept.exists() and "kept" not in json.loads(kept.read_bytes()):
        found.append(f"{kept} is half")
    for line in promised:
        kind, _, name = line.partition(" ")
        there = {
            "blob": (state / "blobs" / name[:2] / name).exists(),
            "run": (state / "runs" / name).exists(),
            "log": name in LineLog(state / "log.jsonl").runs(),
        }
        if not there[kind]:
            found.append(f"{line} was promised and is gone")
    return found


def leftovers(state: Path) -> list[str]:
    """What lies about after a sweep though nobody works there; drafts beside their target go with the next one."""
    scratch = [*(state / "tmp").rglob("*"), *(state / "site" / ".rebuilder-scratch").rglob("*")]
    logged = sorted(LineLog(state / "log.jsonl").runs())
    stored = sorted(folder.name for folder in RunStore(state).folders())
    wrong = [] if logged == stored else [f"the log has {logged}, the store {stored}"]
    return [str(path) for path in scratch if path.is_file()] + wrong


def _run_faults(folder: Path) -> list[str]:
    try:
        listing = json.loads((folder / "files.json").read_bytes())
        load_record(folder)
    except Exception as error:
        return [f"no whole record: {error}"]
    there = {path.name for path in folder.iterdir()} - {"files.json"}
    wrong = [f"has {sorted(there)}, lists {sorted(listing)}"] if there != set(listing) else []
    return wrong + [f"{name} is half" for name in there if _sha256(folder / name) != listing.get(name)]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- which instants there are -------------------------------------------------------------------


@dataclass
class Trace:
    """Every fail-point, fsync and rename of one round, in order."""

    events: list[str] = field(default_factory=list)

    def install(self) -> None:
        """Put listeners before the product's fail-points and the system calls."""
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("rebuilder") and hasattr(module, "failpoint"):
                module.failpoint = lambda name: self.events.append(f"point {name}")  # type: ignore[attr-defined]
        for name in ("fsync", "rename", "replace"):
            setattr(os, name, self._heard(name, getattr(os, name)))

    def _heard(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def heard(*arguments: Any, **named: Any) -> Any:
            self.events.append(f"call {name}")
            return call(*arguments, **named)

        return heard


# --- the nursery --------------------------------------------------------------------------------


def main() -> None:
    """One JSON order a line: ``{"state", "seed", "rounds", "point" or "after" (seconds) or "trace"}``."""
    for line in sys.stdin:
        order = json.loads(line)
        state = Path(order["state"])
        promised, status = _spawn(order, state)
        answer: dict[str, object] = {"status": status, "promised": len(promised)}
        if "trace" in order:
            answer["events"] = promised
        else:
            answer["faults"] = faults(state, promised)
            sweep(state)
            answer["faults"] += faults(state, promised)  # type: ignore[operator]
            answer["leftovers"] = leftovers(state)
        print(json.dumps(answer), flush=True)


def _spawn(order: dict[str, Any], state: Path) -> tuple[list[str], int]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _live(order, state, writer)
        os._exit(0)
    os.close(writer)
    if "after" in order:
        os.read(reader, 6)
        time.sleep(order["after"])
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        heard = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return [line.decode() for line in heard.split(b"\n")[:-1] if line != b"begun"], status


def _live(order: dict[str, Any], state: Path, writer: int) -> None:
    os.environ["REBUILDER_FAILPOINT"] = order.get("point", "")
    trace = Trace()
    if "trace" in order:
        trace.install()
    try:
        sweep(state)
        trace.events.clear()
        os.write(writer, b"begun\n")
        say = (lambda _: None) if "trace" in order else (lambda text: os.write(writer, f"{text}\n".encode()))
        write_forever(state, order["seed"], order["rounds"], say)  # type: ignore[arg-type]
        os.write(writer, "".join(f"{event}\n" for event in trace.events).encode())
    except BaseException as error:
        print(f"writer: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(70)


if __name__ == "__main__":
    _ = (blobs, runs)  # imported so that their fail-points are heard
    main()
