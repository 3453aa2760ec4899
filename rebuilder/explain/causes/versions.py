"""Two versions of one package: said first, for then everything else may differ as well."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from rebuilder.explain.causes import Match, Rule, Scene, Severity
from rebuilder.explain.causes.fields import evidence, text
from rebuilder.explain.causes.stamps_debian import CHANGELOG, HEADING
from rebuilder.explain.causes.stamps_text import contents
from rebuilder.findings import DifferenceClass, MemberPath

_SPEAKS = re.compile(r"(?:^|/)(?:control|METADATA|PKG-INFO|package\.json)$")
_FIELD = re.compile(rb"^Version:[ \t]*([^\s]{1,200})[ \t\r]*$", re.MULTILINE)
_NAME = re.compile(rb"^(?:Package|Name):[ \t]*([^\s]{1,200})[ \t\r]*$", re.MULTILINE)
#: A folder named after a version: of an installed package, or all of a source archive.
_FOLDER = re.compile(
    r"(?P<above>(?:[^/]+/)*?)(?P<name>[A-Za-z0-9][\w.]*(?:-[A-Za-z][\w.]*)*)-(?P<version>[0-9][\w.+!~-]*?)"
    r"(?P<kind>\.dist-info|\.data|\.egg-info|)(?P<below>/.*)?",
    re.DOTALL,
)
#: Fields that hold a member's name.
_NAMES = frozenset({"name", "local.name", "central.name", "pax.path"})
_MAX_NAME, _MAX_JSON = 1024, 4 * 1024**2
#: A package that was built again from the same source has such an end.
_AGAIN = re.compile(rb"\+b[0-9]{1,4}$")


def renamed(scene: Scene) -> Iterator[tuple[int, tuple[str, str]]]:
    """Members that both sides have, each below a folder named after its version: index, and both versions."""
    alone: dict[tuple[MemberPath, str, str, str, str], dict[DifferenceClass, tuple[int, str]]] = {}
    for index, finding in scene.findings():
        if finding.what in _NAMES:
            folders = [_FOLDER.fullmatch(one.value[:_MAX_NAME]) for one in (finding.published, finding.rebuilt)]
            if folders[0] and folders[1] and _only_version_differs(folders[0], folders[1]):
                yield index, (folders[0]["version"], folders[1]["version"])
            continue
        if finding.kind not in (DifferenceClass.MISSING, DifferenceClass.EXTRA) or not finding.path:
            continue
        name = finding.path[-1]
        if len(name) <= _MAX_NAME and (found := _FOLDER.fullmatch(name)) and found["below"]:
            key = finding.path[:-1], found["above"], found["name"], found["kind"], found["below"]
            alone.setdefault(key, {})[finding.kind] = index, found["version"]
    for sides in alone.values():
        if len(sides) == 2:
            published, rebuilt = sides[DifferenceClass.MISSING], sides[DifferenceClass.EXTRA]
            if published[1] != rebuilt[1]:
                yield from ((index, (published[1], rebuilt[1])) for index in (published[0], rebuilt[0]))


def _only_version_differs(one: re.Match[str], other: re.Match[str]) -> bool:
    same = all(one[part] == other[part] for part in ("above", "name", "kind", "below"))
    return same and one["version"] != other["version"]


def _other(scene: Scene) -> Iterator[Match]:
    findings = scene.difference.findings
    for index, finding, left, right in contents(scene, _SPEAKS):
        values = [_version(side, finding.path) for side in (left, right)]
        names = [_NAME.search(side.partition(b"\n\n")[0]) for side in (left, right)]
        same = (names[0] and names[0][1]) == (names[1] and names[1][1])
        if same and _differ(*values):
            shown = evidence(finding, text(values[0]), text(values[1]))
            yield Match(finding=index, evidence=shown, confidence="proved")
    for index, words in renamed(scene):
        yield Match(finding=index, evidence=evidence(findings[index], *words), confidence="proved")
    for index, finding, left, right in contents(scene, CHANGELOG):
        values = [_newest(side) for side in (left, right)]
        if _differ(*values):
            shown = evidence(finding, text(values[0]), text(values[1]))
            yield Match(finding=index, evidence=shown, confidence="likely")


def _differ(published: bytes, rebuilt: bytes) -> bool:
    values = [_AGAIN.sub(b"", value) for value in (published, rebuilt)]
    return values[0] != values[1] and all(values)


def _version(raw: bytes, path: MemberPath) -> bytes:
    """The version a package says it has; empty where it says none."""
    if path and path[-1].endswith(".json"):
        return _of_json(raw)
    found = _FIELD.search(raw.partition(b"\n\n")[0])
    return found[1] if found else b""


def _of_json(raw: bytes) -> bytes:
    try:
        value = json.loads(raw) if len(raw) <= _MAX_JSON else None
    except (ValueError, RecursionError):
        return b""
    version = value.get("version") if isinstance(value, dict) else None
    return version.encode("utf-8", "replace")[:200] if isinstance(version, str) else b""


def _newest(changelog: bytes) -> bytes:
    """The version of the first entry."""
    found = HEADING.match(changelog.lstrip(b"\n"))
    return found[0].partition(b"(")[2].partition(b")")[0] if found else b""


RULES: tuple[Rule, ...] = (
    Rule(
        id="other-version",
        title="Another version of the package",
        severity=Severity.BEHAVIOUR,
        fix="Rebuild the version that was published. Two versions have two sources: what else differs may follow "
        "from that.",
        match=_other,
    ),
)
