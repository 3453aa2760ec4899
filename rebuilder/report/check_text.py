"""What ``rebuilder check`` prints: the answer, each breakage with its fix, what passed, and the builds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rebuilder.check.model import Breakage, BuildReport, CheckReport, CheckVerdict
from rebuilder.findings import Change
from rebuilder.model import utc
from rebuilder.report import cause_words, check_words
from rebuilder.report.text import clean, clip, duration
from rebuilder.report.words import several

MAX_BREAKAGES = 20
MAX_PLACES = 3
MAX_EVIDENCE = 2
MAX_CHANGES = 3
MAX_SNIPPET_LINES = 30
MAX_BUILDS = 40
MAX_ROWS = 40
MAX_OUTPUTS = 200
MAX_LOG_LINES = 15
#: A line of the probe, which is ours and not the build's: its word, and what it looked at.
_PROBE = re.compile(r"[0-9a-f]{24} [a-z-]+(?: |$)")
_TITLES = {
    "passed": "Effective, but not for all",
    "undecided": "Undecided",
    "not-effective": "Not effective, so that it says nothing",
}


def summary_line(report: CheckReport) -> str:
    """The verdict and the headline in one harmless line."""
    return clean(clip(f"{check_words.VERDICT_WORD[report.verdict].upper()}: {report.headline}", 2000))


def check_lines(report: CheckReport, *, folder: str, log: str = "") -> list[str]:
    """The check in plain words, one harmless line an item, bounded; the first is ``summary_line``.

    ``folder`` is where the report lies; empty: it was not kept. ``log`` is what the control said, or the end of it: its
    last lines are shown if it failed.
    """
    rows = [summary_line(report)]
    if dirty := check_words.dirty(report.source):
        rows.append(f"  {dirty}")
    if report.verdict is CheckVerdict.BUILD_FAILED:
        rows += _log(log)
    elif report.verdict is CheckVerdict.REPRODUCIBLE:
        rows += _outputs(report)
    for number, breakage in enumerate(report.breakages[:MAX_BREAKAGES], 1):
        rows += ["", *_breakage(number, breakage, report)]
    if (left := len(report.breakages) - MAX_BREAKAGES) > 0:
        rows += ["", f"{several(left, 'further breakage is', 'further breakages are')} not shown here"]
    if told := check_words.epoch_to_set(report.source):
        rows += ["", told]
    rows += ["", *_variations(report)]
    rows += ["", "Builds", *(f"  {row}" for row in _builds(report))]
    rows += _section("Warnings", list(report.warnings))
    rows += ["", *_again(report, folder)]
    return [clean(clip(row.rstrip(), 2000)) for row in rows]


def _section(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = len(items) - MAX_ROWS
    rest = [f"  {more:,} more are not shown here"] if more > 0 else []
    return ["", title, *(f"  {item}" for item in items[:MAX_ROWS]), *rest]


def _log(log: str) -> list[str]:
    """The last lines of a failed build's log, without empty ones and the probe's."""
    lines = [line for line in log.splitlines() if line.strip() and not _PROBE.match(line)]
    if not lines:
        return []
    shown = lines[-MAX_LOG_LINES:]
    count = "1 line" if len(shown) == 1 else f"{len(shown)} lines"
    return ["", f"The last {count} of its log", *(f"  {clip(line.expandtabs(8), 500)}" for line in shown)]


def _outputs(report: CheckReport) -> list[str]:
    """The files that came out the same every time, as ``sha256sum`` would list them."""
    files = [one.first for one in report.outputs if one.first]
    if not files:
        return []
    rows = [f"  {file.sha256}  {file.name}" for file in files[:MAX_OUTPUTS]]
    more = len(files) - MAX_OUTPUTS
    rest = [f"  {several(more, 'further output is', 'further outputs are')} not shown here"] if more > 0 else []
    return ["", "The same in every build (sha256)", *rows, *rest]


def _breakage(number: int, one: Breakage, report: CheckReport) -> list[str]:
    rows = [f"{number}. {one.summary}"]
    rows.append(f"   breaks with: {check_words.varies(one, check_words.titles_of(report))}")
    if one.cause:
        severity = cause_words.SEVERITY_PHRASE[one.cause.severity]
        rows.append(f"   cause: {one.cause.title} ({one.cause.confidence}; {severity}; docs/{one.cause.docs})")
    elif not one.fails:
        rows.append("   cause: not known; no known cause fits")
    rows += [f"   where: {cause_words.place(path)}" for path in one.places[:MAX_PLACES]]
    if (left := one.count - min(len(one.places), MAX_PLACES)) > 0:
        rows.append(f"          and {several(left, 'more place', 'more places')}")
    for found in one.cause.evidence[:MAX_EVIDENCE] if one.cause else ():
        place, control, other = check_words.seen(found)
        rows += [f"   seen: {place}", f"         control {control}", f"         {check_words.other(one):<7} {other}"]
    rows.append(f"   proof: {check_words.proofs(one)}")
    rows.append(f"   fix: {check_words.fix(one)}")
    rows.append(f"        {check_words.fix_result(one.fix)}")
    changes = check_words.changes(one)
    for change in changes[:MAX_CHANGES]:
        rows += _change(change)
    if (left := len(changes) - MAX_CHANGES) > 0:
        rows.append(f"   {several(left, 'further change is', 'further changes are')} not shown here")
    return rows


def _change(change: Change) -> list[str]:
    """A suggested change as a snippet: its lines stay lines."""
    lines = change.text.split("\n")
    more = len(lines) - MAX_SNIPPET_LINES
    rest = [f"     ({more:,} more lines)"] if more > 0 else []
    snippet = [f"       {line.expandtabs(8)}" for line in lines[:MAX_SNIPPET_LINES]]
    return [f"   {check_words.where_to_change(change)}:", *snippet, *rest]


def _variations(report: CheckReport) -> Iterator[str]:
    if report.verdict is CheckVerdict.BUILD_FAILED:
        yield check_words.NOTHING_VARIED
        return
    if seen := check_words.passed(report):
        yield f"Passed: {seen}."
    elif not report.breakages:
        yield "Passed: none. Nothing is said about any variation."
    for status, title in _TITLES.items():
        for detail, names in _alike(report, status):
            yield f"{title}: {', '.join(names)}" + (f" - {detail}" if detail else "")
    if left_out := check_words.of_status(report, "left-out"):
        yield f"Left out: {', '.join(one.name for one in left_out)}"
    if report.not_varied:
        yield "Not varied, for no container can:"
        yield from (f"  {one}" for one in report.not_varied[:MAX_ROWS])


def _alike(report: CheckReport, status: str) -> Iterator[tuple[str, list[str]]]:
    """The variations that ended so, those with the same detail together; passed ones only if there is one."""
    groups: dict[str, list[str]] = {}
    for one in check_words.of_status(report, status):
        groups.setdefault(one.detail, []).append(one.name)
    return ((detail, names) for detail, names in groups.items() if detail or status != "passed")


def _builds(report: CheckReport) -> Iterator[str]:
    shown = report.builds[:MAX_BUILDS]
    width = max((len(check_words.varied(build, limit=3)) for build in shown), default=0)
    for build in shown:
        yield _build(build, min(width, 50))
    if not shown:
        yield "none was made"
    if (left := len(report.builds) - len(shown)) > 0:
        yield f"{several(left, 'further build is', 'further builds are')} not shown here"


def _build(build: BuildReport, width: int) -> str:
    what = check_words.varied(build, limit=3)
    took = duration(check_words.seconds(build))
    return f"{build.number:>2}  {build.purpose:<7}  {what:<{width}}  {took:>12}  {check_words.outcome(build)}"


def _again(report: CheckReport, folder: str) -> list[str]:
    rows = [f"Seed {report.seed}. To repeat this check exactly: {report.again}"]
    if folder:
        base = folder.rstrip("/") or "/"
        rows += [f"page: {base}/{check_words.PAGE}", f"JSON: {base}/{check_words.RECORD}"]
        scripts = check_words.SCRIPTS[: min(len(report.builds), 2)]
        rows += [f"build by hand: {' and '.join(f'{base}/{one}' for one in scripts)}"] if scripts else []
    else:
        rows.append("No report was kept; --output DIR keeps one (page, JSON, both builds as scripts).")
    done = f"Check {report.check_id}, finished" if folder else "Finished"
    return [*rows, f"{done} {utc(report.finished)}, rebuilder {report.tool_version}"]
