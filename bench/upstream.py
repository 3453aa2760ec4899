"""Real packages from real repositories, by hand: `verify PURL --source REPOSITORY --search N`, one row an artifact.

    python bench/upstream.py --mirror FOLDER [--search N] [--only WORD,WORD] [--kinds python] [--out results.json]

``FOLDER`` holds a bare repository ``owner+name/repo`` for each entry of `bench/upstream/list.toml`. Nothing is fetched
from a code host. What fails stays in the denominator. What is in the results file is not run again: one that was broken
off goes on. It prints a table in Markdown, and is no part of `make test`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIMIT = 3600
EQUAL = "reproduced"


def main() -> None:
    """Run all entries, print the table."""
    asked = parsed()
    table = tomllib.loads((HERE / "upstream" / "list.toml").read_text(encoding="utf-8"))
    rows = [row for kind in asked.kinds.split(",") for row in table[kind] if is_asked(row["purl"], asked.only)]
    done = json.loads(asked.out.read_text()) if asked.out.is_file() else {}
    todo = [row for row in rows if row["purl"] not in done]
    with ThreadPoolExecutor(asked.parallel) as pool:
        for row, result in zip(todo, pool.map(lambda row: run(row, asked), todo), strict=True):
            done[row["purl"]] = result
            asked.out.write_text(json.dumps(done, indent=1))
            files = (f"{one['name']}: {one['verdict']}" for one in result["files"])
            print(row["purl"], result["verdict"], *files, f"{result['seconds']:.0f} s", flush=True)
    print(report([done[row["purl"]] for row in rows if row["purl"] in done]))


def is_asked(purl: str, only: str) -> bool:
    """Whether a purl has one of the words, which commas part, in it."""
    return any(word in purl for word in only.split(","))


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--search", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--kinds", default="python,npm")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("upstream-results.json"))
    parser.add_argument("--sign", action="store_true")
    return parser.parse_args()


def run(row: dict[str, str], asked: argparse.Namespace) -> dict[str, Any]:
    """One entry, in a process of its own."""
    repository = asked.mirror / row["repository"].replace("/", "+") / "repo"
    program = str(Path(sys.executable).parent / "rebuilder")
    argv = [program, "verify", row["purl"], "--source", str(repository), "--json"]
    argv += ["--search", str(asked.search)] if asked.search else []
    argv += [] if asked.sign else ["--no-sign"]
    started = time.monotonic()
    try:
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT, check=False, env=os.environ)
    except subprocess.TimeoutExpired:
        return {"purl": row["purl"], "verdict": "timeout", "files": [], "seconds": LIMIT, "said": "", "runs": []}
    base = {"purl": row["purl"], "seconds": time.monotonic() - started, "said": ended.stderr[-2000:]}
    try:
        records = [json.loads(line) for line in ended.stdout.splitlines() if line.strip()]
    except ValueError:
        records = []
    if not records:
        return {**base, "verdict": f"exit {ended.returncode}", "files": [], "runs": []}
    files = best_of(file for record in records for file in files_of(record))
    equal = bool(files) and all(one["verdict"] == EQUAL for one in files)
    others = [record["verdict"] for record in records if record["verdict"] != EQUAL]
    verdict = EQUAL if equal else (others or ["incomplete"])[0]
    return {
        **base,
        "verdict": verdict,
        "runs": [record["run_id"] for record in records],
        "run": records[0]["run_id"],
        "files": files,
        "reason": records[0]["reason"][:500],
        "trials": max(len(record["search"]) for record in records),
    }


def best_of(files: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each artifact: that of the run in which it came out, where one did."""
    found: dict[str, dict[str, Any]] = {}
    for one in files:
        known = found.setdefault(one["name"], one)
        if known["verdict"] != EQUAL and one["verdict"] == EQUAL:
            found[one["name"]] = one
    return list(found.values())


def files_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Verdict, first causes and recovered inputs of each artifact that a run was about."""
    comparison, explanation = record.get("comparison") or {}, record.get("explanation") or {}
    causes = {one["artifact"]: one["causes"] for one in explanation.get("artifacts", [])}
    strange = [one["artifact"] for one in explanation.get("undeclared", []) if one["member"]]
    recovered = [one["name"] for one in record.get("inputs", []) if is_recovered(one)]
    common = {"recovered": recovered, "trials": len(record["search"])}
    found = [
        {
            "name": one["artifact"],
            "verdict": one["verdict"],
            "sha256": one["published"]["sha256"],
            "cause": "; ".join(cause["title"] for cause in causes.get(one["artifact"], [])[:2]),
            "undeclared": strange.count(one["artifact"]),
            **common,
        }
        for one in comparison.get("artifacts", [])
        if one["named"]
    ]
    if found:
        return found
    published = (record.get("published") or {}).get("artifacts", [])
    return [
        {
            "name": one["file"]["name"],
            "verdict": record["verdict"],
            "sha256": one["file"]["sha256"],
            "cause": record["reason"][:160],
            "undeclared": 0,
            **common,
        }
        for one in published
        if one["named"]
    ]


def is_recovered(one: dict[str, Any]) -> bool:
    """Whether an input was read off the published file. What is told of times is told by the weakest word on them."""
    return one["origin"] == "recovered" or "replayed" in one["value"] or "clock stands" in one["value"]


def report(results: list[dict[str, Any]]) -> str:
    """The table, and its sums."""
    lines = [
        "| package | file | verdict | inputs read off it | rebuilds | not from the source | first causes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    files = [(result, one) for result in results for one in (result["files"] or [nothing(result)])]
    for result, one in files:
        recovered = ", ".join(one.get("recovered", []))
        cells = [result["purl"], one["name"], one["verdict"], recovered, one.get("trials") or 1]
        lines.append("| " + " | ".join(map(str, [*cells, one["undeclared"] or "", one["cause"]])) + " |")
    for kind in ("pypi", "npm"):
        own = [one for result, one in files if f"pkg:{kind}/" in str(result["purl"])]
        equal = sum(one["verdict"] == EQUAL for one in own)
        if own:
            lines.append(f"\n{kind}: {equal} of {len(own)} bit for bit ({equal / len(own):.0%})")
    return "\n".join(lines)


def nothing(result: dict[str, Any]) -> dict[str, Any]:
    """The row of a release of which no file is known."""
    said = result["said"][-160:].replace("\n", " ")
    return {"name": "-", "verdict": result["verdict"], "cause": said, "undeclared": 0}


if __name__ == "__main__":
    main()
