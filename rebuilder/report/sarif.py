"""A check as SARIF 2.1.0 (OASIS), for code scanning: one rule a cause, one result a breakage. Pure.

Messages are plain text; the characters that SARIF gives a meaning in them (section 3.11) are made harmless.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from rebuilder.check.model import Breakage, CheckReport, CheckVerdict, ProjectKind, VariationReport
from rebuilder.findings import MemberPath
from rebuilder.model import utc
from rebuilder.report import cause_words, check_words
from rebuilder.report.text import clean, clip

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_PLACES = 10
MAX_WARNINGS = 100
#: Where a thing is reported that no other file is named for.
BUILD_FILE = {
    ProjectKind.PYTHON: "pyproject.toml",
    ProjectKind.NPM: "package.json",
    ProjectKind.CARGO: "Cargo.toml",
    ProjectKind.GO: "go.mod",
    ProjectKind.DEBIAN: "debian/rules",
    ProjectKind.CMAKE: "CMakeLists.txt",
    ProjectKind.MESON: "meson.build",
    ProjectKind.AUTOTOOLS: "configure.ac",
    ProjectKind.MAKE: "Makefile",
}
_STEP = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._+-]{1,100}"
#: A path inside the project: its last step has a dot in it, or is a name that needs none.
_PROJECT_FILE = re.compile(rf"(?:{_STEP}/){{0,8}}(?:{_STEP}\.[A-Za-z0-9]{{1,12}}|(?:GNU)?[Mm]akefile|rules)")
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class _Rule:
    id: str
    title: str
    help: str
    level: str
    docs: str = ""


def sarif(report: CheckReport) -> bytes:
    """The log file: UTF-8, keys sorted, a final line feed. The same report gives the same bytes."""
    found = list(_found(report))
    rules = {rule.id: rule for rule, _ in reversed(found)}
    order = sorted(rules)
    results = [result | {"ruleId": rule.id, "ruleIndex": order.index(rule.id)} for rule, result in found]
    run = {
        "tool": {"driver": _driver(report, [_rule(rules[name]) for name in order])},
        "automationDetails": {"id": f"rebuilder-check/{quote(report.project.name, safe='')}/"},
        "invocations": [_invocation(report)],
        "results": results,
        "properties": _run_properties(report),
    }
    text = json.dumps(
        {"$schema": SCHEMA, "version": VERSION, "runs": [run]}, indent=1, sort_keys=True, ensure_ascii=True
    )
    return text.encode("ascii") + b"\n"


def _driver(report: CheckReport, rules: list[dict[str, object]]) -> dict[str, object]:
    return {"name": "Rebuilder", "version": report.tool_version, "rules": rules}


def _rule(rule: _Rule) -> dict[str, object]:
    properties: dict[str, object] = {"tags": ["reproducibility"]}
    if rule.docs:
        properties["docs"] = rule.docs
    return {
        "id": rule.id,
        "shortDescription": _message(rule.title),
        "help": _message(rule.help),
        "defaultConfiguration": {"level": rule.level},
        "properties": properties,
    }


def _run_properties(report: CheckReport) -> dict[str, object]:
    return {
        "checkId": report.check_id,
        "verdict": report.verdict.value,
        "seed": report.seed,
        "project": clean(check_words.subject(report)),
        "commit": report.source.commit,
        "passed": [one.name for one in check_words.of_status(report, "passed")],
    }


def _invocation(report: CheckReport) -> dict[str, object]:
    warnings = [{"level": "warning", "message": _message(one)} for one in report.warnings[:MAX_WARNINGS]]
    return {
        "commandLine": clean(report.again),
        "exitCode": report.verdict.exit_code,
        "executionSuccessful": report.verdict is not CheckVerdict.BUILD_FAILED,
        "startTimeUtc": utc(report.started),
        "endTimeUtc": utc(report.finished),
        "toolExecutionNotifications": warnings,
    }


def _found(report: CheckReport) -> Iterator[tuple[_Rule, dict[str, object]]]:
    """Each result with its rule."""
    if report.verdict is CheckVerdict.BUILD_FAILED and not report.breakages:
        yield _failed(report)
    for breakage in report.breakages:
        yield _breakage(breakage, report)
    for variation in check_words.of_status(report, "not-effective"):
        yield _not_effective(variation, report)


def _failed(report: CheckReport) -> tuple[_Rule, dict[str, object]]:
    rule = _Rule(
        id="build-failed",
        title="The build fails with nothing varied",
        help="Make the project build in a fresh container without network, then check again.",
        level="error",
    )
    build = report.builds[0] if report.builds else None
    why = f" ({check_words.failure(build)})" if build else ""
    return rule, _result(report, "error", report.headline + why, [_build_file(report)], rule.id)


def _not_effective(one: VariationReport, report: CheckReport) -> tuple[_Rule, dict[str, object]]:
    rule = _Rule(
        id="variation-not-effective",
        title="A variation had no effect, so that it says nothing",
        help="Give the build environment what the variation needs, or leave the variation out.",
        level="note",
    )
    detail = f": {one.detail}" if one.detail else "."
    text = f"The variation {one.name} had no effect in the container{detail}"
    result = _result(report, "note", text, [_build_file(report)], f"{rule.id}\0{one.name}")
    properties = {"variations": [one.name], "seed": report.seed}
    return rule, result | {"properties": properties}


def _breakage(one: Breakage, report: CheckReport) -> tuple[_Rule, dict[str, object]]:
    level = "error" if one.variations else "warning"
    rule = _rule_of(one, level)
    text = f"{one.summary} Fix: {check_words.fix(one)} ({check_words.fix_result(one.fix)})"
    stable = min((_stable(path, report) for path in one.places), default="\0".join(one.variations))
    key = f"{rule.id}\0{stable}" if one.cause else f"{rule.id}\0{','.join(one.variations)}\0{stable}"
    result = _result(report, level, text, list(_locations(one, report)), key)
    related: list[dict[str, object]] = []
    for place in (_output(path) for path in one.places[:MAX_PLACES]):
        related += [place] if place not in related else []
    properties = {
        "variations": list(one.variations),
        "canaries": [other.canary for other in report.variations if other.name in one.variations and other.canary],
        "seed": report.seed,
        "proof": list(one.proof),
        "confirmation": one.fix.result,
        "places": one.count,
        "changes": [change.model_dump(mode="json") for change in check_words.changes(one)[:20]],
    }
    return rule, result | {"properties": properties} | ({"relatedLocations": related} if related else {})


def _rule_of(one: Breakage, level: str) -> _Rule:
    if one.cause:
        docs = f"docs/{one.cause.docs}"
        words = f"{one.cause.fix} More: {docs}"
        return _Rule(id=one.cause.id, title=one.cause.title, help=words, level=level, docs=docs)
    if one.fails:
        name, title = "build-fails-under-variation", "The build fails when something that should not matter is varied"
    elif not one.variations:
        name, title = "differs-between-equal-builds", "Equal builds give other bytes"
    else:
        name, title = "unexplained-difference", "Outputs change with a variation; no known cause fits"
    return _Rule(id=name, title=title, help=check_words.fix(one), level=level)


def _result(
    report: CheckReport, level: str, text: str, locations: list[dict[str, object] | None], key: str
) -> dict[str, object]:
    given = [one for one in locations if one]
    digest = hashlib.sha256(f"{report.project.name}\0{key}".encode()).hexdigest()
    return {
        "level": level,
        "message": _message(text),
        "locations": given[:1],
        "partialFingerprints": {"rebuilderBreakage/v1": digest},
    }


def _locations(one: Breakage, report: CheckReport) -> Iterator[dict[str, object] | None]:
    """The file of the project to change, or else the output, or else what the project is built by: the first counts."""
    logical = _logical(one.places[0]) if one.places else {}
    for name in project_files(change.target for change in check_words.changes(one) if change.where == "project"):
        yield _file(name) | logical
    if one.places:
        yield _output(one.places[0])
    yield _build_file(report)


def project_files(targets: Iterable[str]) -> Iterator[str]:
    """Those targets of changes that are plain paths of files inside the project."""
    return (target for target in targets if _PROJECT_FILE.fullmatch(target))


def _file(name: str) -> dict[str, object]:
    """The whole of a file of the project."""
    location = {"uri": quote(name, safe="/"), "uriBaseId": "%SRCROOT%"}
    return {"physicalLocation": {"artifactLocation": location, "region": {"startLine": 1}}}


def _build_file(report: CheckReport) -> dict[str, object] | None:
    name = BUILD_FILE.get(report.project.kind)
    return _file(name) if name else None


def _output(path: MemberPath) -> dict[str, object]:
    """An output, and the member in it."""
    uri = quote(path[0].encode("utf-8", "replace"), safe="") if path else "output"
    return {"physicalLocation": {"artifactLocation": {"uri": uri}}} | _logical(path)


def _logical(path: MemberPath) -> dict[str, object]:
    if len(path) < 2:
        return {}
    name = clean(clip(cause_words.place(path[1:]), 1000))
    one = {"name": clean(clip(path[-1], 300)), "fullyQualifiedName": name, "kind": "resource"}
    return {"logicalLocations": [one]}


def _stable(path: MemberPath, report: CheckReport) -> str:
    """A place without what changes from one version to the next."""
    version = report.project.version
    steps = [step.replace(version, "N") if version else step for step in path]
    return "\0".join(_NUMBERS.sub("N", step) for step in steps)


def _message(text: str) -> dict[str, str]:
    """A plain text: braces are doubled, and nothing in it is a link."""
    shown = clean(clip(text.strip(), 4000)) or "No words are given."
    return {"text": shown.replace("](", "] (").replace("{", "{{").replace("}", "}}")}
