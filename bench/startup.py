"""`rebuilder --help` against `python -c pass`, and a cold `verify-bundle` in process seconds."""

import sys
from pathlib import Path

from measure import claim, cpu, interleaved, program, wall
from workplace import workplace

ANY_VERDICT = frozenset({0, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23})


def evidence() -> tuple[Path, list[Path]]:
    """A bundle and the pins of its signer: from ``reports/``, else of a run of the benchmarks' own."""
    bundles = sorted(Path("reports").glob("runs/*/*.intoto.jsonl"))
    if bundles:
        return bundles[0], sorted(Path("reports").glob("*pins*.json"))[:1]
    state = workplace().state
    return next(iter(sorted(state.glob("runs/*/*.intoto.jsonl")))), [state / "keys" / "pins.json"]


def main() -> None:
    """Print both claims."""
    found = interleaved(
        {"python": lambda: wall([sys.executable, "-c", "pass"]), "help": lambda: wall([program(), "--help"])}, 31
    )
    claim("rebuilder --help / python -c pass", found["help"] / found["python"], "at most 3", **found)
    bundle, pins = evidence()
    command = [program(), "verify-bundle", str(bundle), *(f"--pin={pin}" for pin in pins)]
    seconds = interleaved({"verify-bundle": lambda: cpu(command, allowed=ANY_VERDICT)}, 15)["verify-bundle"]
    claim("verify-bundle, process time / 0.4 s", seconds / 0.4, "below 1", seconds=seconds)


if __name__ == "__main__":
    main()
