"""`make live`: rebuild every package of ``packages.toml`` from an empty store and hold the verdicts against it.

Run by hand: it needs the host's mirrors and about an hour. Prints a table in Markdown; exits 1 if any differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("rebuilder")


def rebuilder(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program on that store; progress goes to the terminal."""
    environment = os.environ | {"REBUILDER_STATE": str(state)}
    return subprocess.run([PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=False)


def target_of(entry: dict[str, object], state: Path) -> str:
    """The purl, or where versions are asked for, the path of a recipe and lock made for them."""
    if "with" not in entry:
        return str(entry["purl"])
    recipes = state / "recipes"
    shutil.rmtree(recipes, ignore_errors=True)
    rebuilder(state, "init", str(entry["purl"]), "--recipes", str(recipes), "--no-lock", "--quiet")
    recipe = str(next(recipes.rglob("recipe.toml")))
    wanted = [f"--with={item}" for item in entry["with"]]
    rebuilder(state, "lock", recipe, *wanted, "--quiet")
    return recipe


def main() -> None:
    """All packages, or those whose purl contains one of the words given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".rebuilder/live"))
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    state = options.state.absolute()
    ids = ("--builder-id=https://live.example/builder", "--verifier-id=https://live.example/verifier")
    if not (state / "keys").exists():
        rebuilder(state, "keys", "init", "--organisation=live", *ids)
    entries = tomllib.loads((HERE / "packages.toml").read_text(encoding="utf-8"))["package"]
    chosen = [entry for entry in entries if not options.words or any(word in entry["purl"] for word in options.words)]
    print(f"Live run of {datetime.now(UTC):%Y-%m-%d}\n")
    print("| target | expected | found | artifacts | s |\n| --- | --- | --- | --- | --- |")
    missed = 0
    for entry in chosen:
        begin = time.monotonic()
        answer = rebuilder(state, "verify", target_of(entry, state), "--json")
        seconds = time.monotonic() - begin
        record = json.loads(answer.stdout) if answer.stdout else {"verdict": f"exit {answer.returncode}"}
        comparison = record.get("comparison") or {"artifacts": []}
        parts = ", ".join(f"{item['artifact']} {item['verdict']}" for item in comparison["artifacts"])
        missed += record["verdict"] != entry["expected"]
        name = entry["purl"] + "".join(f" with {item}" for item in entry.get("with", []))
        cells = (name, entry["expected"], record["verdict"], parts or record.get("reason", ""), f"{seconds:.0f}")
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{len(chosen) - missed} of {len(chosen)} verdicts as expected")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
