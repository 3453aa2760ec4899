"""Measures `rebuilder check` on the projects of `bench/check/`, and reprotest's auto mode on the same ones.

    .venv/bin/python bench/check.py [--only TEXT] [--split dev|test] [--seed N] [--no-reprotest] [--no-time] [--misses]

Of each way in which a project is broken: was its variation named, was its cause, were both. Of clean projects: was
anything said against them. Then builds, their ratio to reprotest's, and the wall time on clean projects against one
bare build in a container of the same root filesystem. `--misses` lists what went wrong, of the split `dev` only.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "check"))
from bare import Bench, bench, command
from measure import claim, interleaved, program
from prepare import CACHE, Breaking, Label, labels, prepare
from reprotest import LEFT_OUT, Outcome, auto

from rebuilder.check.model import Breakage, CheckReport

#: Clean and small, without language packages that a bare build would have to be given: from a second to ten.
TIMED = ("c-clean", "meson-clean", "cowsay")
_ANSWERS = (0, 10, 12, 13)
_TIMES = 3


@dataclass(frozen=True)
class Hit:
    """What was right of one way in which a project is broken."""

    variation: bool
    cause: bool
    both: bool


@dataclass(frozen=True)
class Result:
    """One project: its label, the report, and what is right of it. ``why`` where there is no report."""

    label: Label
    report: CheckReport | None
    seconds: float
    why: str = ""

    @property
    def breakages(self) -> Sequence[Breakage]:
        """What the command says breaks it."""
        return self.report.breakages if self.report else ()

    @property
    def builds(self) -> int:
        """Builds that led to the answer: those that try a fix come after it."""
        return sum(build.purpose != "fix" for build in self.report.builds) if self.report else 0

    def hits(self) -> list[Hit]:
        """One for each way. Of a project with one way only the first breakage counts."""
        said = self.breakages if len(self.label.broken) > 1 else self.breakages[:1]
        return [_hit(way, said) for way in self.label.broken]

    def beside(self) -> list[Breakage]:
        """Breakages whose variations are none of the label's."""
        return [one for one in self.breakages if not any(_names(one, way) for way in self.label.broken)]

    @property
    def right(self) -> bool:
        """Everything as labelled, and nothing else said."""
        if self.report is None:
            return False
        if self.label.broken:
            return all(hit.both for hit in self.hits()) and not self.beside()
        return self.report.verdict == "reproducible" and not self.breakages

    def line(self) -> str:
        """What came out, in short."""
        said = "; ".join(f"{'+'.join(_said(one))}: {one.cause.id if one.cause else '-'}" for one in self.breakages)
        verdict = self.report.verdict if self.report else "no report"
        return f"{self.label.id}: {verdict}, {self.builds} builds, {self.seconds:.0f} s, {said or 'nothing named'}"


def _said(one: Breakage) -> tuple[str, ...]:
    return one.variations or ("repeat",)


def _names(one: Breakage, way: Breaking) -> bool:
    return one.fails == way.fails and set(_said(one)) <= set(way.variations)


def _cause(one: Breakage, way: Breaking) -> bool:
    return way.fails or (one.cause is not None and one.cause.id in way.causes)


def _hit(way: Breaking, said: Sequence[Breakage]) -> Hit:
    named = [one for one in said if _names(one, way)]
    return Hit(bool(named), any(_cause(one, way) for one in said), bool(named) and _cause(named[0], way))


def check(label: Label, folder: Path, output: Path, seed: int) -> Result:
    """Run the command on one project."""
    shutil.rmtree(output, ignore_errors=True)
    started = time.monotonic()
    argv = [program(), "check", str(folder), "--json", "--seed", str(seed), "--output", str(output)]
    ended = subprocess.run(argv, capture_output=True, check=False)
    seconds = time.monotonic() - started
    if ended.returncode not in _ANSWERS:
        words = ended.stderr.decode(errors="replace").strip().splitlines()
        return Result(label, None, seconds, f"exit status {ended.returncode}: {' '.join(words[-3:])[-400:]}")
    return Result(label, CheckReport.model_validate_json(ended.stdout), seconds)


def tell(results: Sequence[Result]) -> None:
    """Right answers, false alarms, builds."""
    one = [hit for result in results if len(result.label.broken) == 1 for hit in result.hits()]
    more = [result for result in results if len(result.label.broken) > 1]
    each = [hit for result in results for hit in result.hits()]
    clean = [result for result in results if not result.label.broken]
    _share("broken in one way: variation and cause right (top-1)", [hit.both for hit in one], "at least 0.90")
    _share("broken in more ways: all right", [all(hit.both for hit in it.hits()) for it in more], "at least 0.80")
    _share("each way: variation right", [hit.variation for hit in each])
    _share("each way: cause right", [hit.cause for hit in each])
    _share("each way: both right", [hit.both for hit in each])
    _share("clean ones called broken", [not result.right for result in clean], "0")
    _share("broken ones with another variation named besides", [bool(it.beside()) for it in results if it.label.broken])
    counted = [result for result in results if result.report]
    if counted:
        builds = [result.builds for result in counted]
        tried = [len(result.report.builds) - result.builds for result in counted if result.report]
        print(f"builds: median {statistics.median(builds):g} (aim at most 3), most {max(builds)} (aim at most 12), "
              f"in all {sum(builds)}; besides {sum(tried)} that tried a fix")  # fmt: skip
    for result in results:
        if not result.report:
            print(f"no report of {result.label.id}: {result.why}")


def _share(what: str, right: Iterable[bool], aim: str = "") -> None:
    told = list(right)
    share = f"{sum(told) / len(told):.2f}" if told else "-"
    print(f"{what}: {sum(told)} of {len(told)} = {share}{f' (aim {aim})' if aim else ''}")


def against(results: Sequence[Result], theirs: dict[str, Outcome]) -> None:
    """Builds against reprotest's, and what it named."""
    pairs = [(result, theirs[result.label.id]) for result in results if result.label.id in theirs and result.report]
    print(f"reprotest: never varied: {', '.join(LEFT_OUT)}")
    for ended in ("reproducible", "named", "not even when fixed", "gave up", "out of time"):
        ids = [result.label.id for result, other in pairs if other.ended == ended]
        print(f"reprotest {ended}: {len(ids)}{' (' + ', '.join(ids) + ')' if ids and ended != 'named' else ''}")
    _ratio("builds where reprotest names what breaks it", [it for it in pairs if it[1].ended == "named"], "at least 4")
    _ratio("builds where it calls the project reproducible", [it for it in pairs if it[1].ended == "reproducible"], "")
    _ratio("builds on all projects", pairs, "")
    missed = [result.label.id for result, other in pairs if result.label.broken and other.ended == "reproducible"]
    print(f"broken ones that reprotest calls reproducible: {len(missed)} ({', '.join(missed)})")


def _ratio(what: str, pairs: Sequence[tuple[Result, Outcome]], aim: str) -> None:
    ours, theirs = sum(result.builds for result, _ in pairs), sum(other.builds for _, other in pairs)
    if ours:
        each = statistics.median(other.builds / result.builds for result, other in pairs)
        claim(f"{what} ({len(pairs)}), reprotest's to ours", theirs / ours, aim or "none", median=each)


def timed(results: Sequence[Result], folders: dict[str, Path], work: Bench, output: Path) -> None:
    """Wall time of a whole check on a clean project against one bare build. Everything is warm by now."""
    for result in results:
        if result.label.id not in TIMED or not result.report or result.report.breakages:
            continue
        image = f"rebuilder-root:{result.report.toolchain.root_sha256}"
        folder, seed = folders[result.label.id], result.report.seed
        measures: dict[str, Callable[[], float]] = {
            "check": lambda label=result.label, folder=folder, seed=seed: check(label, folder, output, seed).seconds,
            "bare": lambda folder=folder, image=image: _bare(work, folder, image),
        }
        found = interleaved(measures, _TIMES)
        claim(f"{result.label.id}: a check to one bare build, wall time", found["check"] / found["bare"],
              "at most 2.3", **found)  # fmt: skip


def _bare(work: Bench, folder: Path, image: str) -> float:
    """One build in a container of the toolchain, as a maintainer would start it by hand."""
    script = (
        "set -e; cp -r /in /build/project; rm -rf /build/project/.git; chown -R 1000:1000 /build; cd /build/project\n"
        'exec setpriv --reuid=1000 --regid=1000 --clear-groups env HOME=/build sh -c "$BUILD"'
    )
    started = time.monotonic()
    build = f"mkdir out && {{ {command(folder)}\n}} >/dev/null && sha256sum out/*"
    ended = work.run(folder, script, options=(f"--env=BUILD={build}",), image=image)
    if ended.returncode != 0:
        sys.exit(f"the bare build of {folder.name} ended with {ended.returncode}\n{ended.stderr[-1500:]!r}")
    return time.monotonic() - started


def main() -> None:
    """Everything, in the order of the labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--only", default="", help="projects whose id contains this")
    parser.add_argument("--split", choices=("dev", "test"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-reprotest", action="store_true")
    parser.add_argument("--no-time", action="store_true")
    parser.add_argument("--misses", action="store_true", help="list what went wrong, of dev only")
    options = parser.parse_args()
    cache = options.cache.resolve()
    folders = prepare(cache, options.only)
    chosen = [label for label in labels() if label.id in folders and options.split in (None, label.split)]
    if not chosen:
        sys.exit(f"no project's id contains {options.only!r} in the split {options.split or 'dev or test'}")
    work, reports = bench(cache), cache / "reports"
    results, theirs = [], {}
    for label in chosen:
        results.append(check(label, folders[label.id], reports / label.id, options.seed))
        if not options.no_reprotest:
            theirs[label.id] = auto(work, folders[label.id])
        if options.misses and label.split == "dev" and not results[-1].right:
            print(f"missed {results[-1].line()} {results[-1].why}", flush=True)
    tell(results)
    if theirs:
        against(results, theirs)
    if not options.no_time:
        timed(results, folders, work, reports / "timed")


if __name__ == "__main__":
    main()
