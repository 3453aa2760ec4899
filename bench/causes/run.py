"""Scores the cause classifier on the corpus that `build.py` made.

    .venv/bin/python bench/causes/run.py [--split dev|test|all] [--only TEXT] [--misses] [--no-baseline]

A pair counts as right at rank n if one of its accepted causes is among the first n that were named; a pair of which
nothing was named is a miss. Pairs of which the label is a change of behaviour are counted apart: there the one wrong
answer is a cause of severity `harmless`. A project is in one split only; rules may be tuned on
`dev`, so that `--misses` lists pairs of that one only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baseline import guess
from build import CACHE, pairs

from rebuilder.explaining import explain_paths
from rebuilder.findings import Cause, Severity, Surroundings
from rebuilder.opened import desk

BEHAVIOUR = "behaviour-change"
NOTHING = "(nothing)"


@dataclass(frozen=True)
class Result:
    """What was said of one pair."""

    pair: dict[str, Any]
    causes: tuple[Cause, ...]
    baseline: list[str]
    unexplained: int
    findings: int
    seconds: float

    @property
    def labelled(self) -> bool:
        """Whether a cause is the right answer."""
        return self.pair["accept"] != [BEHAVIOUR]

    @property
    def label(self) -> str:
        """What it is counted under."""
        return self.pair["accept"][0]

    @property
    def ids(self) -> list[str]:
        """Causes, best first, each once."""
        return list(dict.fromkeys(cause.id for cause in self.causes))

    def rank(self, ids: list[str]) -> int:
        """Place of the first right answer, from 1; 0 if there is none."""
        return next((at for at, id_ in enumerate(ids, 1) if id_ in self.pair["accept"]), 0)

    @property
    def harmless(self) -> list[Cause]:
        """Causes said to be harmless."""
        return [cause for cause in self.causes if cause.severity == Severity.HARMLESS]


def classify(pair: dict[str, Any], cache: Path, *, baseline: bool) -> Result:
    """Ask the product about one pair, with what a user would know. ``SystemExit`` if it is not built."""
    folder = cache / "pairs" / pair["id"]
    sides = [sorted((folder / side).glob("*")) for side in "ab"]
    if [len(side) for side in sides] != [1, 1]:
        sys.exit(f"{pair['id']}: expected one artifact on each side below {folder}, found {sides}; run build.py")
    published, rebuilt = sides[0][0], sides[1][0]
    known = Surroundings(**json.loads((folder / "surroundings.json").read_text()))
    begin = time.monotonic()
    with desk() as own:
        explanation = explain_paths(published.name, published, rebuilt, own, known).explanation
    seconds = time.monotonic() - begin
    return Result(
        pair=pair,
        causes=explanation.causes,
        baseline=guess(published, rebuilt) if baseline else [],
        unexplained=len(explanation.unexplained),
        findings=sum(explanation.classes.values()),
        seconds=seconds,
    )


def scores(title: str, results: list[Result]) -> None:
    """One line a ranking: how many are right first, and within the first three."""
    labelled = [result for result in results if result.labelled]
    if not labelled:
        return
    print(
        f"{title}: {len(labelled)} pairs with a cause, {len({result.pair['project'] for result in labelled})} projects"
    )
    for name, ranks in (
        ("rebuilder", [result.rank(result.ids) for result in labelled]),
        ("grep", [result.rank(result.baseline) for result in labelled]),
    ):
        first = sum(1 for rank in ranks if rank == 1)
        third = sum(1 for rank in ranks if 1 <= rank <= 3)
        print(f"  {name:<10} top-1 {first / len(ranks):6.1%} ({first})   top-3 {third / len(ranks):6.1%} ({third})")
    silent = sum(1 for result in labelled if not result.ids)
    print(f"  not explained at all (counted as misses): {silent}")


def confusion(results: list[Result]) -> None:
    """The matrix, row by row: of each label, what was named first how often. Empty cells are left out."""
    print("\nConfusion matrix (label: what was named first)")
    rows: dict[str, Counter[str]] = {}
    for result in results:
        first = result.ids[0] if result.ids else NOTHING
        right = first if first not in result.pair["accept"] else result.label
        rows.setdefault(result.label, Counter())[right] += 1
    width = max(map(len, rows))
    for label, row in sorted(rows.items()):
        cells = ", ".join(f"{name} {count}" for name, count in row.most_common())
        mark = " " if set(row) == {label} or label == BEHAVIOUR else "!"
        print(f"  {mark} {label:<{width}}  {cells}")


def behaviour(results: list[Result]) -> int:
    """Every pair that behaves differently and of which something was said to be harmless; how many there are."""
    changed = [result for result in results if result.pair["behaviour"]]
    wrong = [result for result in changed if result.harmless]
    print(f"\n'harmless' said of a change of behaviour: {len(wrong)} of {len(changed)} pairs")
    for result in wrong:
        for cause in result.harmless:
            print(f"  {result.pair['id']}: {cause.id} ({cause.confidence}), of {'; '.join(_places(cause))}")
    return len(wrong)


def _places(cause: Cause) -> list[str]:
    return [f"{' > '.join(one.path) or 'the file'}: {one.what}" for one in cause.evidence[:3]]


def misses(results: list[Result]) -> None:
    """Every pair of `dev` whose first answer is not right. Those of `test` are for nobody who writes rules to see."""
    print("\nNot right at once, of dev (id: label; what was named; findings without a cause)")
    for result in results:
        if result.pair["split"] == "dev" and result.labelled and result.rank(result.ids) != 1:
            named = ", ".join(result.ids[:4]) or NOTHING
            left = f"{result.unexplained} of {result.findings}"
            print(f"  {result.pair['id']}: {'|'.join(result.pair['accept'])}; {named}; {left}")


def main() -> None:
    """Print everything. Exit status 1 if something was said to be harmless that is not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--split", choices=("dev", "test", "all"), default="all")
    parser.add_argument("--only", default="", help="pairs whose id contains this")
    parser.add_argument("--misses", action="store_true", help="list the pairs of dev that are not right at once")
    parser.add_argument("--no-baseline", action="store_true")
    options = parser.parse_args()
    chosen = [pair for pair in pairs() if options.split in ("all", pair["split"]) and options.only in pair["id"]]
    if not chosen:
        sys.exit("no pair of labels.toml was asked for")
    results = [classify(pair, options.cache, baseline=not options.no_baseline) for pair in chosen]
    own = sum(1 for result in results if result.pair["made"])
    print(f"{len(results)} double builds, {own} of projects made for the corpus, {len(results) - own} of others\n")
    scores("All", results)
    for split in ("dev", "test"):
        scores(split, [result for result in results if result.pair["split"] == split])
    scores("Not made for the corpus", [result for result in results if not result.pair["made"]])
    confusion(results)
    wrong = behaviour(results)
    if options.misses:
        misses(results)
    seconds = [result.seconds for result in results]
    print(f"\nseconds a pair: {sum(seconds) / len(seconds):.2f}, longest {max(seconds):.2f}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
