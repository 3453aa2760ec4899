"""The words for differences, causes, drift and proofs, said once for pages and terminal alike. Pure.

They hold names and values out of artifacts as they came: the caller cleans them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rebuilder.findings import (
    ArtifactExplanation,
    Cause,
    Change,
    DifferenceClass,
    Drift,
    Evidence,
    Finding,
    MemberPath,
    Proof,
    Severity,
    Side,
)
from rebuilder.report.words import several

CLASS_MEANING = {
    DifferenceClass.MISSING: "only the published side has the member",
    DifferenceClass.EXTRA: "only the rebuilt side has the member",
    DifferenceClass.ORDER: "the same members stand in another order",
    DifferenceClass.METADATA: "a field of a container (time, owner, mode ...), not what the member holds",
    DifferenceClass.COMPRESSION: "packed in another way, the same once unpacked",
    DifferenceClass.DERIVED: "follows from another difference (a checksum, an id made of the content)",
    DifferenceClass.CONTENT: "what the member holds",
}
SEVERITY_PHRASE = {
    Severity.BEHAVIOUR: "may behave differently",
    Severity.INSPECT: "worth a look",
    Severity.HARMLESS: "harmless",
}
SEVERITY_MEANING = {
    Severity.BEHAVIOUR: "what runs may do something else",
    Severity.INSPECT: "probably no other behaviour, but somebody should look",
    Severity.HARMLESS: "by the format, nothing that runs can tell the difference",
}
CONFIDENCE_MEANING = {
    "proved": "the evidence leaves no other reading",
    "likely": "the evidence fits, another cause is not ruled out",
    "possible": "a guess",
}
PROOF_MEANING = {
    "confirmed": "a rebuild with the fix came out as this cause predicts",
    "refuted": "a rebuild with the fix did not come out as this cause predicts",
    "not-tried": "no rebuild with the fix was made",
}
TWO_VERSIONS = (
    "These are two versions, so most of what differs is a change of the source; "
    "the fixes below are for two builds of one version."
)
_PACKING = frozenset({DifferenceClass.ORDER, DifferenceClass.METADATA, DifferenceClass.COMPRESSION})
UNEXPLAINED = "not explained"
#: How `compare.tally` says it; a remark on a member begins with the member's path, and ends with other words.
_UNLISTED = re.compile(r"([0-9]{1,15}) more findings are not listed; the limit is [0-9]{1,15}(?: characters)?")
_WHERE = {"environment": "in the build environment", "project": "in the project"}


def place(path: MemberPath) -> str:
    """A member's path in one line; the file itself where it is empty."""
    return " » ".join(path) if path else "the file itself"


def counted(explanation: ArtifactExplanation) -> int:
    """How many findings an artifact has."""
    return sum(explanation.classes.values())


def unlisted(explanation: ArtifactExplanation) -> int:
    """How many findings there were past the limit of the comparison: those are listed nowhere."""
    found = (_UNLISTED.fullmatch(remark) for remark in explanation.remarks)
    return max((int(one[1]) for one in found if one), default=0)


def summary(explanation: ArtifactExplanation) -> str:
    """How much differs and of which kinds, in a sentence without its full stop."""
    count = counted(explanation)
    kinds = ", ".join(
        f"{explanation.classes[kind]:,} {kind.value}" for kind in DifferenceClass if explanation.classes.get(kind)
    )
    members = explanation.members
    among = max(members.published, members.rebuilt)
    noun = several(among, "member is", "members are")
    where = f"; {members.equal:,} of {noun} equal in every respect" if among else ""
    more = f" and {left:,} more that are not listed" if (left := unlisted(explanation)) else ""
    text = f"{several(count, 'difference', 'differences')}{more}" + (f" ({kinds})" if kinds else "") + where
    return f"the content of every member is equal; {text}" if _only_packing(explanation) and among else text


def _only_packing(explanation: ArtifactExplanation) -> bool:
    """Every finding is known, and none is about what a member holds or whether it is there."""
    found = {kind for kind, count in explanation.classes.items() if count}
    return bool(found) and found <= _PACKING and not unlisted(explanation)


def versions(explanation: ArtifactExplanation) -> str:
    """What to know before the causes where the two sides are two versions; empty elsewhere."""
    return TWO_VERSIONS if any(cause.id == "other-version" for cause in explanation.causes) else ""


def drifted(drift: Drift) -> str:
    """ "published with debhelper 13.19, rebuilt with 13.24.2", with the package where it has another name; where a
    tool shows by what it does and not by its version, what it did on each side."""
    package = f" (package {drift.package})" if drift.package and drift.package != drift.tool else ""
    if any(value[:1].isdigit() for value in (drift.published, drift.rebuilt)):
        return f"published with {drift.tool} {drift.published}, rebuilt with {drift.rebuilt}{package}"
    return f"{drift.tool}{package}: published {shown(drift.published)}, rebuilt {shown(drift.rebuilt)}"


def share(cause: Cause, total: int) -> str:
    """How much of all that differs a cause accounts for."""
    return f"accounts for {len(cause.findings):,} of {several(total, 'difference', 'differences')}"


def shown(side: str, *, none: str = "nothing") -> str:
    """A value in a sentence: quoted, or a word where there is none."""
    return f'"{side}"' if side else none


def evidence(one: Evidence) -> str:
    """Where a cause shows, and both values."""
    at = f" at byte {one.offset:,}" if one.offset is not None else ""
    values = f"published {shown(one.published)}, rebuilt {shown(one.rebuilt)}"
    return f"{place(one.path)}, {one.what}{at}: {values}"


def change(one: Change) -> str:
    """A fix as something to apply, and where."""
    target = f" [{one.target}]" if one.target else ""
    return f"{_WHERE[one.where]}{target}: {one.text}"


def proved(proof: Proof | None, artifact: str, cause: Cause) -> Proof | None:
    """The proof, if it is about this cause of this artifact."""
    return proof if proof and proof.artifact == artifact and proof.cause == cause.id else None


def proof_line(proof: Proof) -> str:
    """What a rebuild with the fix showed."""
    reason = f": {proof.reason}" if proof.reason else ""
    return f"{proof.result.replace('-', ' ')} ({PROOF_MEANING[proof.result]}){reason}"


def unexplained(count: int, total: int) -> str:
    """What was not explained, said plainly; empty if all was."""
    if not count:
        return ""
    if count == total:
        return (
            f"None of the {several(count, 'difference', 'differences')} is explained: no known cause fits."
            if (count > 1)
            else "The one difference is not explained: no known cause fits."
        )
    verb = "is" if count == 1 else "are"
    return f"{several(count, 'difference', 'differences')} of {total:,} {verb} not explained: no known cause fits."


def group_title(kind: DifferenceClass, what: str, count: int) -> str:
    """ "mtime differs in 9,998 members"."""
    members = several(count, "member", "members")
    if kind is DifferenceClass.MISSING:
        return f"{members} only in the published file"
    if kind is DifferenceClass.EXTRA:
        return f"{members} only in the rebuilt file"
    if kind is DifferenceClass.ORDER:
        return f"the order of members differs in {several(count, 'place', 'places')}"
    if kind is DifferenceClass.COMPRESSION:
        return f"{members} packed differently ({what}), equal once unpacked"
    part = "the content" if what == "bytes" else what
    tail = ", following from another difference" if kind is DifferenceClass.DERIVED else ""
    return f"{part} differs in {members}{tail}"


#: Fields of a header that are named in a line.
MAX_FIELDS = 6


def side_value(side: Side, *, sized: bool = True) -> str:
    """One side of a finding in short, with its size if ``sized``; empty where there is nothing to show."""
    parts = [side.value] if side.value else []
    if sized and side.size is not None and f"{side.size} bytes" not in side.value:
        parts.append(f"{side.size:,} bytes")
    if not side.value and side.sha256:
        parts.append(f"sha256 {side.sha256[:12]}…")
    return ", ".join(parts)


def values(finding: Finding) -> str:
    """Both sides of a finding, its offset and its note, in a line."""
    sized = finding.published.size != finding.rebuilt.size
    published, rebuilt = (side_value(side, sized=sized) for side in (finding.published, finding.rebuilt))
    if finding.kind is DifferenceClass.MISSING:
        parts = [published]
    elif finding.kind is DifferenceClass.EXTRA:
        parts = [rebuilt]
    else:
        parts = [f"published {_quoted(finding.published, sized)}, rebuilt {_quoted(finding.rebuilt, sized)}"]
        parts = parts if published or rebuilt else []
    if finding.offset is not None:
        parts.append(f"first at byte {finding.offset:,}")
    if finding.note:
        parts.append(briefly(finding.note))
    if finding.follows:
        more = f" and {len(finding.follows) - 1:,} more" if len(finding.follows) > 1 else ""
        parts.append(f"follows from {place(finding.follows[0])}{more}")
    return "; ".join(part for part in parts if part)


def _quoted(side: Side, sized: bool) -> str:
    """The value in quotes, and after them the size where it tells something."""
    if not side.value:
        return shown(side_value(side, sized=sized))
    told = sized and side.size is not None and f"{side.size} bytes" not in side.value
    return shown(side.value) + (f" ({side.size:,} bytes)" if told else "")


def briefly(note: str) -> str:
    """A note whose list of fields is long, with the first few of them; JSON has all."""
    head, colon, names = note.partition(" fields: ")
    listed = names.split(", ")
    if not colon or not head.isdigit() or len(listed) <= MAX_FIELDS:
        return note
    return f"{head}{colon}{', '.join(listed[:MAX_FIELDS])} and {int(head) - MAX_FIELDS} more"


def worst_severity(causes: Sequence[Cause]) -> Severity | None:
    """The worst of several causes; ``None`` for none."""
    order = list(Severity)
    return min((cause.severity for cause in causes), key=order.index, default=None)
