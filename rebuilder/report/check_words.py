"""The words for checks: verdicts, statuses, proofs and fixes, said once for page, terminal, SARIF and JUnit. Pure.

They hold names and values out of projects and builds as they came: the caller cleans them.
"""

from __future__ import annotations

from collections.abc import Sequence

from rebuilder.check.model import Breakage, BuildReport, CheckReport, CheckVerdict, Fix, SourceState, VariationReport
from rebuilder.findings import Change, Evidence
from rebuilder.report import cause_words
from rebuilder.report.words import FAILURE_PHRASE, several

#: Files of a check's folder, relative to it.
PAGE, RECORD, SCRIPTS = "index.html", "check.json", ("first/build.sh", "second/build.sh")

VERDICT_WORD = {verdict: verdict.value.replace("-", " ") for verdict in CheckVerdict}
VERDICT_MEANING = {
    CheckVerdict.REPRODUCIBLE: "Every output came out with the same bytes under every variation that had an effect. "
    "That is what was seen here, no proof that nothing else can change them.",
    CheckVerdict.NOT_REPRODUCIBLE: "Something that should not matter changes the outputs, or makes the build fail.",
    CheckVerdict.FLAKY: "Builds of which nothing was varied did not come out the same.",
    CheckVerdict.BUILD_FAILED: "The build failed with nothing varied, so that nothing can be said about variations.",
}
STATUS_MEANING = {
    "breaks": "outputs change with it, or the build fails with it",
    "undecided": "what it does to the outputs cannot be told",
    "not-effective": "the probe in the container saw no effect, so this says nothing",
    "passed": "it had an effect, and no difference was seen with it",
    "left-out": "not varied here: it was not asked for, or a warning says why",
}
#: Statuses of variations about which a check says nothing.
UNSAID = ("left-out", "not-effective", "undecided")
PURPOSE_MEANING = {
    "control": "nothing varied: what the others are compared with",
    "varied": "everything asked for varied at once",
    "confirm": "shows that a cause is the right one",
    "repeat": "the same once more, to tell chance from a variation",
    "search": "some of the variations, to find the one that breaks it",
    "fix": "with a fix applied",
}
PROOF_PHRASE = {
    "canary": "the unique text that this variation put into the build stands in the bytes that differ",
    "rebuild": "builds with it differ and builds without it do not",
    "repeat": "builds that were told the same differ from each other",
}
FAILS_PROOF = "builds with it fail and builds without it do not"
NOTHING_VARIED = "Nothing was varied, because the control failed: nothing is said about any variation."
FIX_PHRASE = {
    "confirmed": "confirmed by a rebuild",
    "refuted": "tried by a rebuild, which did not help",
    "not-tried": "not tried by a rebuild",
}
SOURCE_PHRASE = {
    "git-commit": "a clean export of the Git commit",
    "worktree": "the work tree of the repository, as it is",
    "folder": "the folder as it is (it is no Git repository)",
}
MAX_NAMES = 6


def subject(report: CheckReport) -> str:
    """Name and version of the project."""
    return f"{report.project.name} {report.project.version}".rstrip()


def named(names: Sequence[str], *, limit: int = MAX_NAMES) -> str:
    """The first few of several names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more:,} more" if more > 0 else "")


def of_status(report: CheckReport, status: str) -> tuple[VariationReport, ...]:
    """The variations that ended so, in order."""
    return tuple(one for one in report.variations if one.status == status)


def passed(report: CheckReport) -> str:
    """What was seen of the variations that changed nothing; empty where there is none."""
    names = [one.name for one in of_status(report, "passed")]
    if not names:
        return ""
    count = several(len(names), "effective variation", "effective variations")
    builds = several(len(report.builds), "build", "builds")
    return f"no difference seen under {count} in {builds}: {', '.join(names)}"


def varied(build: BuildReport, *, limit: int = MAX_NAMES) -> str:
    """What was varied in a build, in short."""
    count = len(build.varied)
    if not count:
        return "nothing varied"
    return ", ".join(build.varied) if count <= limit else f"{count} variations"


def failure(build: BuildReport) -> str:
    """Why a build failed, in a sentence without its full stop; empty if it did not."""
    attempt = build.attempt
    if attempt.failure is None and attempt.exit_status == 0:
        return ""
    why = FAILURE_PHRASE[attempt.failure] if attempt.failure else "it was killed"
    status = f" (status {attempt.exit_status})" if attempt.exit_status else ""
    return f"{why}{status}" + (f": {attempt.detail}" if attempt.detail else "")


def outcome(build: BuildReport) -> str:
    """How a build came out beside the control."""
    if why := failure(build):
        return f"failed: {why}"
    if build.differing:
        return f"differs: {named(build.differing, limit=3)}"
    if build.differing is not None:
        return "equal"
    return "the control" if build.purpose == "control" and not build.varied else "not compared"


def seconds(build: BuildReport) -> float:
    """How long a build took."""
    return (build.attempt.finished - build.attempt.started).total_seconds()


def varies(breakage: Breakage, titles: dict[str, str]) -> str:
    """Which variation breaks it, in words."""
    names = ", ".join(f"{titles.get(name, name)} ({name})" for name in breakage.variations)
    if not names:
        return "nothing varied; it differs between equal builds"
    return f"{names}; the build fails with it" if breakage.fails else names


def titles_of(report: CheckReport) -> dict[str, str]:
    """Variation -> its title."""
    return {one.name: one.title for one in report.variations}


def status(report: CheckReport, one: VariationReport) -> str:
    """How a variation ended, in words; where the control failed, nothing was varied that could be undecided."""
    if report.verdict is CheckVerdict.BUILD_FAILED and one.status == "undecided":
        return "not tried"
    return one.status.replace("-", " ")


def seen(one: Evidence) -> tuple[str, str, str]:
    """The place of an evidence, and what stands there in the control and in the other build."""
    at = f" at byte {one.offset:,} (0x{one.offset:x})" if one.offset is not None else ""
    values = cause_words.shown(one.published), cause_words.shown(one.rebuilt)
    return f"{cause_words.place(one.path)}, {one.what}{at}", *values


def proofs(breakage: Breakage) -> str:
    """What proves a breakage; said so where nothing does."""
    phrases = PROOF_PHRASE | ({"rebuild": FAILS_PROOF} if breakage.fails else {})
    return "; ".join(phrases[one] for one in breakage.proof) or "nothing: it is a guess"


def other(breakage: Breakage) -> str:
    """What the build beside the control is called."""
    return "varied" if breakage.variations else "again"


def fix_result(fix: Fix) -> str:
    """Whether a rebuild tried the fix, with which settings, and what came of it."""
    settings = f" with {', '.join(fix.tried)}" if fix.tried else ""
    return f"{FIX_PHRASE[fix.result]}{settings}" + (f": {fix.reason}" if fix.reason else "")


def changes(breakage: Breakage) -> tuple[Change, ...]:
    """What to change: the fix's own, or else those of the cause."""
    return breakage.fix.changes or (breakage.cause.changes if breakage.cause else ())


def fix(breakage: Breakage) -> str:
    """The fix in words."""
    return breakage.fix.words or (breakage.cause.fix if breakage.cause else "") or "No fix is known."


def where_to_change(change: Change) -> str:
    """Where a change belongs."""
    where = "In the environment of the build" if change.where == "environment" else "In the project"
    return f"{where}, {change.target}" if change.target else where


def commit(source: SourceState) -> str:
    """The commit and its tag; empty where there is none."""
    return f"{source.commit} ({source.tag})" if source.commit and source.tag else source.commit


def dirty(source: SourceState) -> str:
    """What to know of a work tree that is not clean, in a sentence; empty for a clean one."""
    if not source.dirty:
        return ""
    files = several(len(source.dirty), "file is", "files are")
    built = "was built as it is" if source.kind == "worktree" else "was not built, only the commit"
    return f"The work tree is not clean and {built}: {files} not as in the commit: {named(source.dirty)}."


def epoch(source: SourceState) -> str:
    """The `SOURCE_DATE_EPOCH` of every build."""
    return "not set" if source.epoch is None else f"{source.epoch} ({source.epoch_from})"


def epoch_to_set(source: SourceState) -> str:
    """What a release build has to set to get the same bytes, in a sentence; empty where the builds were told none."""
    if source.epoch is None:
        return ""
    given = f"SOURCE_DATE_EPOCH={source.epoch} (from {source.epoch_from})"
    return f"Built with {given}: your release build has to set it too."


def others(report: CheckReport) -> str:
    """Which bytes others get where no difference was seen, and under what condition."""
    count = several(len(report.outputs), "output", "outputs")
    told = epoch_to_set(report.source)
    return f"As far as was seen, if they use the same toolchain: {count}, listed with SHA-256. {told}".rstrip()
