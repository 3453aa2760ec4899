"""`explain --confirm`: take the likeliest fix that lies in the environment, rebuild, and say whether it came true.

Each try is a whole run with a record of its own. It differs from the run it explains in the packages it names and in
nothing else, and its toolchain counts as inferred: a guess, with evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rebuilder.case import Case
from rebuilder.compare.walk import compare
from rebuilder.errors import RecipeError, Stopped
from rebuilder.explain.suspects import Suspect
from rebuilder.findings import Difference, DifferenceClass, MemberPath, Proof
from rebuilder.lock import ToolchainLock
from rebuilder.model import ArtifactComparison, Comparison, Explanation, FileDigest, Input, Origin, Record, Verdict
from rebuilder.opened import desk
from rebuilder.ports import Blobs, Resolution

#: Versions named of those that cannot be had.
MAX_MISSING = 6
#: One difference as it is recognised again in another build: where, and which aspect.
Aspect = tuple[MemberPath, str]
_SETTINGS = frozenset({"path", "environment", "command"})


@dataclass(frozen=True)
class Tried:
    """What came of one suspect, and the run that was made for it; none if its toolchain could not be made."""

    proof: Proof
    record: Record | None = None


def changed(resolution: Resolution, lock: ToolchainLock, suspect: Suspect, record: Record) -> Resolution:
    """The resolution, built with the fix: its toolchain is an inference, and says from what. What a `.buildinfo`
    said of the run that is explained stands in its recipe by now, and is still the publisher's word."""
    evidence = f"explain --confirm of run {record.run_id}: {suspect.why}"
    value = ", ".join(f"{name} {suspect.version}" for name in suspect.packages)
    inferred = Input(name="toolchain", value=value, origin=Origin.INFERRED, evidence=evidence)
    said = {(one.name, one.value): one for one in record.inputs if one.name in _SETTINGS}
    others = (said.get((one.name, one.value), one) for one in resolution.inputs if one.name != "toolchain")
    return replace(resolution, lock=lock, inputs=(*others, inferred), packed=False)


def proof_of(case: Case, suspect: Suspect, blobs: Blobs) -> Callable[[Comparison, Explanation], Proof]:
    """Judges a try: the published bytes came out, or the findings that were to go are gone, or they are not."""

    def judge(comparison: Comparison, _: Explanation) -> Proof:
        item = next((one for one in comparison.artifacts if one.artifact == case.item.artifact), None)
        came_true, reason = _judged(case, suspect, item, blobs)
        return _proof(case, suspect, "confirmed" if came_true else "refuted", reason)

    return judge


def not_tried(case: Case, suspect: Suspect, stop: Stopped | RecipeError, *, remark: str = "") -> Proof:
    """The fix could not be applied: as a rule its version is not to be had."""
    parts = [stop.message if isinstance(stop, RecipeError) else stop.reason, remark]
    if isinstance(stop, Stopped) and stop.missing:
        left = len(stop.missing) - MAX_MISSING
        more = f" and {left} more" if left > 0 else ""
        parts.append(f"not to be had: {', '.join(stop.missing[:MAX_MISSING])}{more}")
    return _proof(case, suspect, "not-tried", "; ".join(part for part in parts if part))


def _proof(case: Case, suspect: Suspect, result: str, reason: str) -> Proof:
    return Proof.model_validate(
        {
            "run_id": case.record.run_id,
            "artifact": case.item.artifact,
            "cause": f"{suspect.packages[0]} version",
            "changes": suspect.changes,
            "result": result,
            "reason": reason,
        }
    )


def _judged(case: Case, suspect: Suspect, item: ArtifactComparison | None, blobs: Blobs) -> tuple[bool, str]:
    if item is None or not item.rebuilt or item.rebuilt[0] is None:
        return False, "with the change the file was not made at all"
    if item.verdict is Verdict.REPRODUCED:
        return True, "with the change, and nothing else changed, every byte equals the published file"
    if item.verdict is Verdict.FLAKY:
        return False, "with the change two rebuilds do not agree with each other, so neither says anything"
    before = aspects(case.difference)
    after = aspects(_difference(item.published, item.rebuilt[0], blobs))
    return judged(before, after, aspects(case.difference, suspect.claims) if suspect.claims else before)


def judged(before: set[Aspect], after: set[Aspect], predicted: set[Aspect]) -> tuple[bool, str]:
    """What differences of two builds say of a cause that ``predicted`` which of them go. Pure."""
    gone, came = before - after, after - before
    if not gone:
        return False, f"with the change the same {len(before)} differences are there"
    if came:
        return False, f"with the change {len(gone)} differences are gone and {len(came)} others came"
    if predicted and predicted <= gone:
        rest = f"; {len(after)} others have another cause" if after else ""
        return True, f"with the change all {len(predicted)} differences of this cause are gone, and no other came{rest}"
    return False, f"with the change {len(gone)} of {len(before)} differences are gone: a part of the cause at most"


def aspects(difference: Difference, only: tuple[int, ...] = ()) -> set[Aspect]:
    """Every difference that follows from no other one, or all where each does (a build-id alone); of ``only`` these
    findings where any are given."""
    chosen = [difference.findings[index] for index in only] if only else difference.findings
    roots = [finding for finding in chosen if finding.kind is not DifferenceClass.DERIVED]
    return {(finding.path, finding.what) for finding in roots or chosen}


def _difference(published: FileDigest, rebuilt: FileDigest, blobs: Blobs) -> Difference:
    with desk() as own:
        pair = [own.open(blobs.path(file.sha256)) for file in (published, rebuilt)]
        return compare(pair[0], pair[1], own.bounds).difference
