"""The differences of an artifact as the page shows them: tools, causes, and a tree of groups. Pure.

Text out of artifacts is cleaned here, line ends and all, for a name or value is one line whatever it holds. What
is shown is bounded by its size in the page, and what is left out is counted and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rebuilder.findings import ArtifactExplanation, Cause, Difference, DifferenceClass, Evidence, Finding, Proof
from rebuilder.report import cause_words
from rebuilder.report.excerpts import SideBlock
from rebuilder.report.member_tree import MAX_TEXT, UNEXPLAINED, Branch, cost, line, owners, severity, tree
from rebuilder.report.words import several

#: Bytes of rows side by side on one page, as they stand in it.
SIDES_BYTES = 400_000
MAX_CAUSES = 60
MAX_CHANGES = 20
MAX_DRIFT = 100
MAX_REMARKS = 200
MAX_BLOCK_ROWS = 400
MAX_COMMENTS = 10


@dataclass(frozen=True, kw_only=True)
class Told:
    """All that is known of one artifact's difference. ``fault`` says why ``difference`` is not at hand."""

    explanation: ArtifactExplanation
    difference: Difference | None = None
    fault: str = ""
    blocks: Sequence[SideBlock] = ()
    #: Where every finding is listed; empty: nowhere but here.
    whole: str = ""


@dataclass(frozen=True, kw_only=True)
class CauseRow:
    """One cause, ready to be shown."""

    id: str
    title: str
    severity: str
    confidence: str
    share: str
    evidence: tuple[str, ...]
    fix: str
    changes: tuple[str, ...]
    docs: str
    proof: str
    #: ``confirmed``, ``refuted``, ``not-tried`` or empty.
    tried: str


@dataclass(frozen=True, kw_only=True)
class SideView:
    """A block of the side-by-side view, cut to what the page has room for."""

    member: str
    title: str
    comments: tuple[str, ...]
    rows: tuple[tuple[str, str, str, str, bool], ...]
    left_out: int


@dataclass(frozen=True, kw_only=True)
class ArtifactView:
    """One artifact's part of the page."""

    name: str
    summary: str
    #: Said before the causes where the two sides are two versions.
    versions: str
    drift: tuple[tuple[str, str, str], ...]
    causes: tuple[CauseRow, ...]
    more_causes: int
    unexplained: str
    remarks: tuple[str, ...]
    more_remarks: int
    tree: Branch | None
    #: Findings that are counted in the tree but have no row of their own.
    left_out: int
    total: int
    #: Findings past the limit of the comparison, listed nowhere.
    unlisted: int
    whole: str
    fault: str
    #: Value, meaning, number of findings.
    kinds: tuple[tuple[str, str, int], ...]
    #: Value, words for it, number of findings.
    severities: tuple[tuple[str, str, int], ...]
    sides: tuple[SideView, ...]
    more_sides: int

    @property
    def kinds_short(self) -> tuple[tuple[str, str, int], ...]:
        """As ``severities``, for the kinds: their words are their values."""
        return tuple((kind, kind, count) for kind, _, count in self.kinds)


def view(told: Sequence[Told], proof: Proof | None = None) -> list[ArtifactView]:
    """Every artifact's part; the room of the page is shared among them evenly."""
    share = max(len(told), 1)
    return [_artifact(one, proof, share) for one in told]


def _artifact(told: Told, proof: Proof | None, share: int) -> ArtifactView:
    one = told.explanation
    total = cause_words.counted(one)
    findings = told.difference.findings if told.difference else ()
    claimed = owners(one.causes, len(findings))
    branch, left_out = tree(findings, claimed, share) if findings else (None, 0)
    sides, more = _sides(told.blocks, SIDES_BYTES // share)
    return ArtifactView(
        name=line(one.artifact),
        summary=cause_words.summary(one),
        versions=cause_words.versions(one),
        drift=tuple(_drift(one)),
        causes=tuple(
            _cause(cause, total, cause_words.proved(proof, one.artifact, cause)) for cause in one.causes[:MAX_CAUSES]
        ),
        more_causes=max(len(one.causes) - MAX_CAUSES, 0),
        unexplained=cause_words.unexplained(len(one.unexplained), total),
        remarks=tuple(line(remark, 1000) for remark in one.remarks[:MAX_REMARKS]),
        more_remarks=max(len(one.remarks) - MAX_REMARKS, 0),
        tree=branch,
        left_out=left_out,
        total=total,
        unlisted=cause_words.unlisted(one),
        whole=told.whole,
        fault=line(told.fault, 1000),
        kinds=_kinds(findings),
        severities=_severities(claimed, len(findings)),
        sides=sides,
        more_sides=more,
    )


def _drift(one: ArtifactExplanation) -> Iterable[tuple[str, str, str]]:
    for drift in one.drift[:MAX_DRIFT]:
        seen = ", ".join(line(place) for place in drift.seen[:3])
        more = f" and {drift.count - 3:,} more" if drift.count > 3 else ""
        yield line(drift.tool), line(cause_words.drifted(drift), MAX_TEXT), f"{seen}{more}"
    if len(one.drift) > MAX_DRIFT:
        yield "further tools", f"{len(one.drift) - MAX_DRIFT:,} more are not shown here", ""


def _cause(cause: Cause, total: int, proof: Proof | None) -> CauseRow:
    changes = [line(cause_words.change(change), MAX_TEXT) for change in cause.changes[:MAX_CHANGES]]
    if len(cause.changes) > MAX_CHANGES:
        changes.append(f"{len(cause.changes) - MAX_CHANGES:,} further changes are not shown here")
    return CauseRow(
        id=line(cause.id),
        title=line(cause.title),
        severity=cause.severity.value,
        confidence=cause.confidence,
        share=cause_words.share(cause, total),
        evidence=tuple(_evidence(one) for one in cause.evidence[:5]),
        fix=line(cause.fix, 2000),
        changes=tuple(changes),
        docs=f"docs/{line(cause.docs)}",
        proof=line(cause_words.proof_line(proof), 1000) if proof else "",
        tried=proof.result if proof else "",
    )


def _evidence(one: Evidence) -> str:
    return line(cause_words.evidence(one), 1000)


def _kinds(findings: Sequence[Finding]) -> tuple[tuple[str, str, int], ...]:
    counts = dict.fromkeys(DifferenceClass, 0)
    for finding in findings:
        counts[finding.kind] += 1
    return tuple((kind.value, cause_words.CLASS_MEANING[kind], count) for kind, count in counts.items() if count)


def _severities(claimed: Mapping[int, Sequence[Cause]], count: int) -> tuple[tuple[str, str, int], ...]:
    counts: dict[str, int] = {}
    for index in range(count):
        found = severity(claimed.get(index, ()))
        counts[found] = counts.get(found, 0) + 1
    rows = [(one.value, cause_words.SEVERITY_PHRASE[one]) for one in cause_words.SEVERITY_PHRASE]
    rows.append((UNEXPLAINED, cause_words.UNEXPLAINED))
    return tuple((value, phrase, counts[value]) for value, phrase in rows if value in counts)


def _sides(blocks: Sequence[SideBlock], room: int) -> tuple[tuple[SideView, ...], int]:
    views: list[SideView] = []
    for at, block in enumerate(blocks):
        if room <= 0:
            return tuple(views), len(blocks) - at
        rows: list[tuple[str, str, str, str, bool]] = []
        for one in block.lines[:MAX_BLOCK_ROWS]:
            left, right = line(one.left or "", MAX_TEXT), line(one.right or "", MAX_TEXT)
            room -= cost(left, right) + 100
            if room <= 0 and rows:
                break
            rows.append((_number(one.left_no), left, _number(one.right_no), right, one.changed))
        views.append(
            SideView(
                member=line(cause_words.place(block.member), 1000),
                title=line(block.title),
                comments=_comments(block.comments),
                rows=tuple(rows),
                left_out=block.truncated + len(block.lines) - len(rows),
            )
        )
    return tuple(views), 0


def _comments(comments: Sequence[str]) -> tuple[str, ...]:
    left = len(comments) - MAX_COMMENTS
    shown = tuple(line(comment, 1000) for comment in comments[:MAX_COMMENTS])
    return (
        (*shown, f"{several(left, 'further comment is', 'further comments are')} not shown here") if left > 0 else shown
    )


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
