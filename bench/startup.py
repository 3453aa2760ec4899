"""`rebuilder --help` against `python -c pass`, and a cold `verify-bundle` in process seconds."""

import sys
from pathlib import Path

from measure import claim, cpu, interleaved, program, wall

ANY_VERDICT = frozenset({0, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23})


def main() -> None:
    """Print both claims; the second needs a bundle of ``reports/``."""
    found = interleaved(
        {"python": lambda: wall([sys.executable, "-c", "pass"]), "help": lambda: wall([program(), "--help"])}, 31
    )
    claim("rebuilder --help / python -c pass", found["help"] / found["python"], "at most 3", **found)
    bundle = next(iter(sorted(Path("reports").glob("runs/*/*.intoto.jsonl"))), None)
    if bundle is None:
        sys.exit("no bundle in reports/: run this from the repository")
    pins = sorted(Path("reports").glob("*pins*.json"))[:1]
    command = [program(), "verify-bundle", str(bundle), *(f"--pin={pin}" for pin in pins)]
    seconds = interleaved({"verify-bundle": lambda: cpu(command, allowed=ANY_VERDICT)}, 15)["verify-bundle"]
    claim("verify-bundle, process time / 0.4 s", seconds / 0.4, "below 1", seconds=seconds)


if __name__ == "__main__":
    main()
