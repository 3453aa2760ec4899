"""The page of ``rebuilder check``: what breaks reproducibility, where, why, and what helps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rebuilder.check.model import Breakage, BuildReport, CheckReport, CheckVerdict, OutputReport
from rebuilder.findings import Evidence
from rebuilder.report import cause_words, check_words, differences, words
from rebuilder.report.differences import Told
from rebuilder.report.member_tree import line
from rebuilder.report.pages import relative
from rebuilder.report.sections import Answer
from rebuilder.report.templates import Block, render
from rebuilder.report.text import bounded, clip, duration, size
from rebuilder.report.words import several

#: The shape and colour that stand for each verdict, as on every page.
ACCENT = {
    CheckVerdict.REPRODUCIBLE: "reproduced",
    CheckVerdict.NOT_REPRODUCIBLE: "different",
    CheckVerdict.FLAKY: "flaky",
    CheckVerdict.BUILD_FAILED: "build-failed",
}
MAX_BREAKAGES = 30
MAX_PLACES = 20
MAX_EVIDENCE = 5
MAX_CHANGES = 5
MAX_NOTICES = 20
MAX_ROWS = 200
MAX_DEPENDENCIES = 2000
SNIPPET_LIMIT = 4000
LOG_LIMIT = 200_000
#: Characters of a headline that is still set in large type.
SHORT_HEADLINE = 120


@dataclass(frozen=True, kw_only=True)
class CheckView:
    """All that the page of a check shows. Texts may be of any size: the page bounds them, and says so.

    ``told`` is what is known of each output that differs; in it, ``published`` is the control's file and ``rebuilt``
    that of the other build. ``logs`` maps the number of a build to its log, for builds whose log is worth a look.
    ``files`` are the paths of what lies beside the page (``check.json``, ``first/build.sh`` ...), which it links.
    """

    report: CheckReport
    told: tuple[Told, ...] = ()
    logs: Mapping[int, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in self.files:
            relative(path)


@dataclass(frozen=True, kw_only=True)
class BreakageRow:
    """One breakage, ready to be shown. ``seen`` are place, value in the control, value in the other build."""

    number: int
    summary: str
    fails: bool
    #: A severity, or empty where no cause is known.
    severity: str
    tags: tuple[tuple[str, str], ...]
    varies: str
    cause: str
    docs: str
    places: tuple[str, ...]
    more_places: int
    seen: tuple[tuple[str, str, str], ...]
    other: str
    proof: str
    canaries: tuple[str, ...]
    fix: str
    result: str
    #: Where, and the snippet.
    changes: tuple[tuple[str, Block], ...]
    more_changes: int


@dataclass(frozen=True, kw_only=True)
class BuildRow:
    """One build of the plan."""

    number: int
    purpose: str
    meaning: str
    why: str
    varied: str
    took: str
    outcome: str
    #: ``equal``, ``differs``, ``failed`` or empty.
    kind: str
    log: Block
    log_note: str


def render_check(view: CheckView) -> str:
    """One self-contained HTML page. Untrusted text in it is escaped and made visible."""
    report = view.report
    word = check_words.VERDICT_WORD[report.verdict]
    fields = {
        "title": f"{_sentence(word)}: {clip(check_words.subject(report), 100)} - check report",
        "accent": ACCENT[report.verdict],
        "verdict": _sentence(word),
        "headline": _headline(report),
        "long": len(report.headline) > SHORT_HEADLINE,
        "report": report,
        "view": view,
        "words": words,
        "cause_words": cause_words,
        "check_words": check_words,
        "remarks": _remarks(report),
        "notices": _notices(report),
        "glance": _glance(report),
        "breakages": [_breakage(n, one, report) for n, one in enumerate(report.breakages[:MAX_BREAKAGES], 1)],
        "more_breakages": max(len(report.breakages) - MAX_BREAKAGES, 0),
        "variations": _variations(report),
        "builds": [_build(one, view) for one in report.builds[:MAX_ROWS]],
        "outputs": [_output(one) for one in report.outputs[:MAX_ROWS]],
        "more_outputs": max(len(report.outputs) - MAX_ROWS, 0),
        "explained": differences.view(view.told),
        "second": _second(report),
        "dependencies": report.toolchain.dependencies[:MAX_DEPENDENCIES],
        "by_hand": _by_hand(view),
    }
    return render("check.html", fields)


def _remarks(report: CheckReport) -> list[str]:
    """Short remarks beside the headline: what was checked, and how to name this check."""
    source = report.source
    built = f"commit {source.commit[:12]}" if source.commit else check_words.SOURCE_PHRASE[source.kind]
    built += f" ({source.tag})" if source.commit and source.tag else ""
    built += ", work tree not clean" if source.dirty else ""
    count = several(len(report.builds), "build", "builds")
    return [f"{check_words.subject(report)} ({report.project.kind})", built, f"seed {report.seed}", count]


def _notices(report: CheckReport) -> list[str]:
    """What to know before the rest, bounded."""
    dirty = check_words.dirty(report.source)
    more = len(report.warnings) - MAX_NOTICES
    rest = [f"{several(more, 'further warning is', 'further warnings are')} in check.json."] if more > 0 else []
    return [*([dirty] if dirty else []), *report.warnings[:MAX_NOTICES], *rest]


def _glance(report: CheckReport) -> list[Answer]:
    """What a maintainer asks before a tag."""
    answers = [("What was built?", f"{check_words.subject(report)} ({report.project.found}).", "source")]
    if report.breakages:
        first = report.breakages[:3]
        more = f"; and {len(report.breakages) - 3} more" if len(report.breakages) > 3 else ""
        shown = "; ".join(one.summary.rstrip(".") for one in first)
        fixes = [f"{check_words.fix(one).rstrip('.')} ({check_words.fix_result(one.fix)})" for one in first]
        answers.append(("What breaks it?", f"{shown}{more}.", "breakages"))
        answers.append(("What helps?", f"{'; '.join(dict.fromkeys(fixes))}{more}.", "breakages"))
    if report.verdict is CheckVerdict.REPRODUCIBLE:
        answers.append(("Will others get my bytes?", check_words.others(report), "outputs"))
    seen = check_words.passed(report)
    answers.append(("What was seen?", f"{_sentence(seen)}." if seen else "Nothing about any variation.", "variations"))
    answers.append(("What is not known?", f"Whether it depends on {' or on '.join(_unsaid(report))}.", "not-varied"))
    answers.append(("How do I repeat it?", report.again, "by-hand"))
    return [Answer(question=question, answer=answer, section=section) for question, answer, section in answers]


def _headline(report: CheckReport) -> str:
    """The headline as a sentence. One that begins with the name of a file stays as it is."""
    words_first = report.verdict in {CheckVerdict.REPRODUCIBLE, CheckVerdict.BUILD_FAILED}
    return _sentence(report.headline) if words_first else report.headline


def _unsaid(report: CheckReport) -> list[str]:
    """About what the check says nothing."""
    names = [one.name for one in report.variations if one.status in check_words.UNSAID]
    parts = [", ".join(names)] if names else []
    if report.not_varied:
        parts.append(f"what no container can vary ({len(report.not_varied)}, listed below)")
    return [*parts, "the toolchain"]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _breakage(number: int, one: Breakage, report: CheckReport) -> BreakageRow:
    cause = one.cause
    evidence: tuple[Evidence, ...] = cause.evidence[:MAX_EVIDENCE] if cause else ()
    places = one.places[:MAX_PLACES]
    canaries = [other.canary for other in report.variations if other.name in one.variations and "canary" in one.proof]
    return BreakageRow(
        number=number,
        summary=line(one.summary, 2000),
        fails=one.fails,
        severity=cause.severity.value if cause else "",
        tags=tuple(_tags(one)),
        varies=check_words.varies(one, check_words.titles_of(report)),
        cause=line(cause.title) if cause else "",
        docs=f"docs/{line(cause.docs)}" if cause else "",
        places=tuple(line(cause_words.place(path), 600) for path in places),
        more_places=max(one.count - len(places), 0),
        seen=tuple(_seen(found) for found in evidence),
        other=check_words.other(one),
        proof=_sentence(check_words.proofs(one)),
        canaries=tuple(line(canary) for canary in canaries if canary),
        fix=check_words.fix(one),
        result=check_words.fix_result(one.fix),
        changes=tuple(
            (line(check_words.where_to_change(change)), _snippet(change.text))
            for change in check_words.changes(one)[:MAX_CHANGES]
        ),
        more_changes=max(len(check_words.changes(one)) - MAX_CHANGES, 0),
    )


def _seen(one: Evidence) -> tuple[str, str, str]:
    place, control, other = check_words.seen(one)
    return line(place, 1000), line(control, 600), line(other, 600)


def _tags(one: Breakage) -> list[tuple[str, str]]:
    """Class and words of each tag of a breakage."""
    tags = []
    if one.cause:
        tags += [("sev", cause_words.SEVERITY_PHRASE[one.cause.severity]), ("", one.cause.confidence)]
    if one.fails:
        tags.append(("", "the build fails"))
    elif not one.cause:
        tags.append(("", "not explained"))
    tags += [("", f"proved by {name}") for name in one.proof]
    if one.fix.result != "not-tried":
        tags.append((f"t-{one.fix.result}", f"fix {one.fix.result}"))
    return tags


def _snippet(text: str) -> Block:
    return Block(bounded(text, limit=SNIPPET_LIMIT)[0])


def _variations(report: CheckReport) -> list[tuple[object, str]]:
    """Every variation with the words for its status, what breaks first."""
    order = list(check_words.STATUS_MEANING)
    rows = sorted(report.variations, key=lambda one: order.index(one.status))
    return [(one, check_words.status(report, one)) for one in rows[:MAX_ROWS]]


def _build(build: BuildReport, view: CheckView) -> BuildRow:
    failed = check_words.failure(build)
    log, note = bounded(view.logs.get(build.number, ""), limit=LOG_LIMIT)
    kind = "failed" if failed else "differs" if build.differing else "equal" if build.differing is not None else ""
    return BuildRow(
        number=build.number,
        purpose=build.purpose,
        meaning=check_words.PURPOSE_MEANING[build.purpose],
        why=build.why,
        varied=check_words.varied(build, limit=len(build.varied)),
        took=duration(check_words.seconds(build)),
        outcome=check_words.outcome(build),
        kind=kind,
        log=Block(log),
        log_note=note,
    )


def _output(one: OutputReport) -> tuple[str, str, str, str, str, str]:
    """Name, how it came out, both digests and sizes in words, and a summary of what differs."""
    if one.first is None or one.second is None:
        made = f"made only by {f'build {one.second_build}' if one.second else 'the control'}"
        return one.name, made, *_digests(one), ""
    if one.first.sha256 == one.second.sha256:
        return one.name, "equal", *_digests(one), ""
    found = one.explanation
    summary = cause_words.summary(found) if found else ""
    unexplained = cause_words.unexplained(len(found.unexplained), cause_words.counted(found)) if found else ""
    text = ". ".join(part for part in (_sentence(summary), unexplained) if part)
    return one.name, f"differs in build {one.second_build}", *_digests(one), text


def _digests(one: OutputReport) -> tuple[str, str, str]:
    first, second = one.first, one.second
    sizes = dict.fromkeys(size(file.size) for file in (first, second) if file)
    return first.sha256 if first else "", second.sha256 if second else "", ", ".join(sizes)


def _second(report: CheckReport) -> str:
    """Which build the differences are shown of."""
    numbers = sorted({one.second_build for one in report.outputs if one.explanation})
    return ", ".join(str(number) for number in numbers)


def _by_hand(view: CheckView) -> Block:
    """Commands that show what was varied and make both builds, where their scripts lie beside the page."""
    first, second = check_words.SCRIPTS
    rows = [f"diff -u {first} {second}    # only what was varied"] if {first, second} <= set(view.files) else []
    return Block("\n".join([*rows, *(f"sh {path}" for path in (first, second) if path in view.files)]))
