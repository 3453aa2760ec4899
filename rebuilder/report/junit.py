"""A check as JUnit XML, for the test views of CI servers: one test case a variation. Pure; it only writes XML."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rebuilder.check.model import Breakage, CheckReport, CheckVerdict, VariationReport
from rebuilder.model import utc
from rebuilder.report import check_words
from rebuilder.report.text import clean, clean_block, clip

#: Of one text; a report has a few hundred at most.
_LIMIT = 8000


def junit(report: CheckReport) -> bytes:
    """The file, UTF-8. Only a variation that was effective and changed nothing is a passed test case.

    Text of a project or build is cleaned, so that no character is left that XML 1.0 cannot hold.
    """
    suite = Element("testsuite", _attributes(report))
    _properties(suite, report)
    _build(suite, report)
    _repeat(suite, report)
    for variation in report.variations:
        _variation(_case(suite, report, variation.name), variation, report)
    cases = suite.findall("testcase")
    counts = {tag: str(sum(case.find(tag) is not None for case in cases)) for tag in ("failure", "error", "skipped")}
    totals = {"tests": str(len(cases)), "failures": counts["failure"], "errors": counts["error"]}
    suite.attrib |= totals | {"skipped": counts["skipped"]}
    root = Element("testsuites", {"name": "rebuilder check", **totals, "time": suite.attrib["time"]})
    root.append(suite)
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _attributes(report: CheckReport) -> dict[str, str]:
    took = (report.finished - report.started).total_seconds()
    return {
        "name": _line(f"rebuilder check {check_words.subject(report)}"),
        "timestamp": utc(report.started),
        "time": f"{took:.3f}",
    }


def _properties(suite: Element, report: CheckReport) -> None:
    found = SubElement(suite, "properties")
    values = {
        "verdict": report.verdict.value,
        "seed": str(report.seed),
        "commit": report.source.commit,
        "again": report.again,
        "check": report.check_id,
        "rebuilder": report.tool_version,
    }
    for name, value in values.items():
        SubElement(found, "property", {"name": name, "value": _line(value)})


def _case(suite: Element, report: CheckReport, name: str) -> Element:
    return SubElement(suite, "testcase", {"classname": _line(f"rebuilder.check.{report.project.name}"), "name": name})


def _build(suite: Element, report: CheckReport) -> None:
    """Whether it builds at all, with nothing varied."""
    case = _case(suite, report, "build")
    control = next((build for build in report.builds if build.purpose == "control"), None)
    if control:
        case.set("time", f"{check_words.seconds(control):.3f}")
    if report.verdict is CheckVerdict.BUILD_FAILED:
        why = (check_words.failure(control) if control else "") or "no build was made"
        _say(case, "error", report.headline, "\n".join((why, *report.warnings)))


def _repeat(suite: Element, report: CheckReport) -> None:
    """Whether equal builds come out the same, where that was looked into."""
    own = [one for one in report.breakages if not one.variations]
    if own or report.verdict is CheckVerdict.FLAKY:
        text = "\n\n".join(_story(one) for one in own) or report.headline
        _say(_case(suite, report, "repeat"), "failure", own[0].summary if own else report.headline, text)
    elif any(build.purpose == "repeat" for build in report.builds):
        _case(suite, report, "repeat")


def _variation(case: Element, one: VariationReport, report: CheckReport) -> None:
    own = [breakage for breakage in report.breakages if one.name in breakage.variations]
    if one.status == "breaks" or own:
        text = "\n\n".join(_story(breakage) for breakage in own) or one.detail
        _say(case, "failure", own[0].summary if own else f"{one.title} breaks the build", text)
    elif one.status != "passed":
        reason = f": {one.detail}" if one.detail else ""
        message = f"{one.status.replace('-', ' ')}{reason} ({check_words.STATUS_MEANING[one.status]})"
        SubElement(case, "skipped", {"message": _line(message)})


def _story(one: Breakage) -> str:
    """Summary, cause and fix of a breakage."""
    cause = f"{one.cause.title} ({one.cause.confidence})" if one.cause else "not known"
    rows = [one.summary, f"cause: {cause}", f"proof: {check_words.proofs(one)}"]
    rows.append(f"fix: {check_words.fix(one)} ({check_words.fix_result(one.fix)})")
    rows += [f"{check_words.where_to_change(change)}:\n{change.text}" for change in check_words.changes(one)[:20]]
    return "\n".join(rows)


def _say(case: Element, tag: str, message: str, text: str) -> None:
    found = SubElement(case, tag, {"message": _line(message), "type": tag})
    found.text = clean_block(clip(text, _LIMIT))


def _line(text: str) -> str:
    return clean(clip(text, _LIMIT))
