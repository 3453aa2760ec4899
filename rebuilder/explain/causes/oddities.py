"""Causes no packer has by itself: members twice, bytes that belong to no part of the format. Take them seriously."""

from __future__ import annotations

from collections.abc import Iterator

from rebuilder.data import sha256, window
from rebuilder.explain.causes import Match, Rule, Scene, Severity
from rebuilder.explain.causes.fields import GAP, Forms, evidence
from rebuilder.explain.causes.members import ALONE, is_twice, lone
from rebuilder.findings import DifferenceClass, Finding

_MAX_TAIL = 64 * 1024**2


def twice(scene: Scene) -> Iterator[Match]:
    """A second member of one name: which of them counts depends on who reads."""
    for index, finding in scene.findings():
        if is_twice(finding):
            shown = lone(finding) if finding.kind in ALONE else evidence(finding)
            yield Match(finding=index, evidence=shown, confidence="possible")


def trailing(scene: Scene) -> Iterator[Match]:
    """Bytes after the end of the archive."""
    for index, finding in _gaps(scene):
        if _at_end(scene, finding):
            yield Match(finding=index, evidence=evidence(finding), confidence="possible")


def gaps(scene: Scene) -> Iterator[Match]:
    """Bytes between the members that no reader looks at."""
    for index, finding in _gaps(scene):
        if not _at_end(scene, finding):
            yield Match(finding=index, evidence=evidence(finding), confidence="possible")


def _gaps(scene: Scene) -> Iterator[tuple[int, Finding]]:
    forms = Forms(scene)
    for index, finding in scene.findings():
        if finding.kind is DifferenceClass.METADATA and finding.what == GAP and forms.at(finding.path) != "elf":
            yield index, finding


def _at_end(scene: Scene, finding: Finding) -> bool:
    """Whether a side's bytes end with its gap."""
    try:
        pair = scene.pair(finding.path)
    except KeyError:
        return False
    sides = zip(pair, (finding.published, finding.rebuilt), strict=True)
    return any(
        side.size
        and side.size <= min(_MAX_TAIL, data.size)
        and sha256(window(data, data.size - side.size, side.size)) == side.sha256
        for data, side in sides
    )


RULES: tuple[Rule, ...] = (
    Rule(
        id="duplicate-entry",
        title="Two members of one name: which of them counts depends on who reads",
        severity=Severity.BEHAVIOUR,
        fix="Build the archive afresh instead of adding to it, and pack each file once.",
        match=twice,
    ),
    Rule(
        id="trailing-data",
        title="Bytes after the end of the archive",
        severity=Severity.BEHAVIOUR,
        fix="Find out who appended them: no packer does. A program may well read them.",
        match=trailing,
    ),
    Rule(
        id="gap",
        title="Bytes that belong to no part of the format",
        severity=Severity.BEHAVIOUR,
        fix="Find out who put them there: no reader shows them. A program may well read them.",
        match=gaps,
    ),
)
