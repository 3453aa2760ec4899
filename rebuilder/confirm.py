"""`explain --confirm`: take the likeliest fix that lies in the environment, rebuild, and say whether it came true.

Each try is a whole run with a record of its own. It differs from the run it explains in the packages or settings it
names and in nothing else, and what it changes counts as inferred: a guess, with evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from rebuilder.case import Case
from rebuilder.compare.walk import compare
from rebuilder.errors import RecipeError, Stopped
from rebuilder.explain.suspects import Suspect, together
from rebuilder.findings import Difference, DifferenceClass, MemberPath, Proof, Side
from rebuilder.lock import ToolchainLock
from rebuilder.model import Comparison, Explanation, FileDigest, Input, Origin, Record, Verdict
from rebuilder.opened import desk
from rebuilder.ports import Blobs, Resolution

#: Versions named of those that cannot be had.
MAX_MISSING = 6
#: One difference as it is recognised again in another build: where, and which aspect.
Aspect = tuple[MemberPath, str]
_SETTINGS = frozenset({"path", "environment", "command"})
#: From so many tries on the last one is kept for all packages at once.
KEEP_FROM = 3


@dataclass(frozen=True)
class Tried:
    """What came of one suspect, and the run that was made for it; none if its toolchain could not be made."""

    suspect: Suspect
    proof: Proof
    record: Record | None = None
    #: What of it cannot be had, ``name version``.
    missing: tuple[str, ...] = ()


class Course:
    """Which suspect is next: one after the other, until one is confirmed or no try is left; then all packages at once.

    Packages that have to change together are each refuted alone. Of three tries or more the last is kept for that."""

    def __init__(self, suspects: Iterable[Suspect], *, tries: int) -> None:
        self._left = list(suspects)
        #: Packages that can be had as far as it is known, likeliest first; emptied once they were tried together.
        self._packages = [one for one in self._left if one.packages]
        self._alone: list[Suspect] = []
        self._tries = tries
        self._keep = tries >= KEEP_FROM

    def next(self) -> Suspect | None:
        """What to try now; ``None`` when it is over."""
        if self._tries <= 0:
            return None
        at_once = together(self._packages)
        last = self._keep and self._tries == 1 and at_once is not None
        return self._left.pop(0) if self._left and not last else at_once

    def came_of(self, suspect: Suspect, tried: Tried) -> None:
        """What came of the one that was next."""
        self._tries -= tried.record is not None
        if tried.proof.result == "confirmed":
            self._tries = 0
        elif not suspect.others:
            had = tried.proof.result != "not-tried"
            self._alone += [suspect] if had else []
            self._packages = [one for one in self._packages if had or one is not suspect]
        elif tried.record is not None:
            self._packages = []
        else:
            self._packages = self._still_to_be_had(tried)

    def _still_to_be_had(self, tried: Tried) -> list[Suspect]:
        """Without those that are missing; if none is, they do not go together: those that went alone. Always fewer."""
        gone = set(tried.missing)
        left = [one for one in self._packages if not gone & {f"{name} {v}" for name, v in one.versions.items()}]
        if len(left) == len(self._packages):
            left = [one for one in self._packages if one in self._alone]
        return left if len(left) < len(self._packages) else []


def changed(resolution: Resolution, lock: ToolchainLock, suspect: Suspect, record: Record) -> Resolution:
    """The resolution, built with the fix: what it changes is an inference, and says from what. What a `.buildinfo`
    said of the run that is explained stands in its recipe by now, and is still the publisher's word.

    ``resolution`` has the fix's settings already; ``lock`` is that of the run, or one with the fix's packages."""
    evidence = f"explain --confirm of run {record.run_id}: {suspect.why}"
    said = {one.name: one for one in record.inputs}
    guessed = {name for one in suspect.settings for name in (*one.inputs, "command")}
    inputs = [
        _as_said(one, said.get(one.name), evidence if one.name in guessed else "")
        for one in resolution.inputs
        if one.name != "toolchain"
    ]
    packed = False
    if suspect.versions:
        value = ", ".join(f"{name} {version}" for name, version in suspect.versions.items())
        inputs.append(Input(name="toolchain", value=value, origin=Origin.INFERRED, evidence=evidence))
    else:  # the very packages of the run that is explained, so what it says of them holds
        inputs += [one for one in record.inputs if one.name == "toolchain"]
        packed = record.toolchain is not None and record.toolchain.packed
    return replace(resolution, lock=lock, inputs=tuple(inputs), packed=packed)


def _as_said(one: Input, before: Input | None, evidence: str) -> Input:
    """An input of the try: one that has the run's value keeps its origin. Another value is a guess if ``evidence``
    is given for one."""
    if one.name not in _SETTINGS:
        return one
    if before is not None and one.value == before.value:
        return before
    return one.model_copy(update={"origin": Origin.INFERRED, "evidence": evidence}) if evidence else one


def proof_of(case: Case, suspect: Suspect, blobs: Blobs) -> Callable[[Comparison, Explanation], Proof]:
    """Judges a try: the published bytes came out, or the findings that were to go are gone, or they are not."""

    def judge(comparison: Comparison, _: Explanation) -> Proof:
        came_true, reason = _judged(case, suspect, comparison, blobs)
        at_once = f"{len(suspect.others)} packages together: " if suspect.others else ""
        return _proof(case, suspect, "confirmed" if came_true else "refuted", at_once + reason)

    return judge


def not_tried(case: Case, suspect: Suspect, stop: Stopped | RecipeError, *, remark: str = "") -> Proof:
    """The fix could not be applied: as a rule its version is not to be had."""
    parts = [stop.message if isinstance(stop, RecipeError) else stop.reason, remark]
    if gone := missing(stop):
        left = len(gone) - MAX_MISSING
        more = f" and {left} more" if left > 0 else ""
        parts.append(f"not to be had: {', '.join(gone[:MAX_MISSING])}{more}")
    return _proof(case, suspect, "not-tried", "; ".join(part for part in parts if part))


def missing(stop: Stopped | RecipeError) -> tuple[str, ...]:
    """What cannot be had, ``name version``."""
    return stop.missing if isinstance(stop, Stopped) else ()


def _proof(case: Case, suspect: Suspect, result: str, reason: str) -> Proof:
    return Proof.model_validate(
        {
            "run_id": case.record.run_id,
            "artifact": case.item.artifact,
            "published": case.item.published.sha256,
            "cause": suspect.cause or " and ".join(f"{name} version" for name in _named(suspect)),
            "changes": suspect.changes,
            "result": result,
            "reason": reason,
        }
    )


def _named(suspect: Suspect) -> Iterator[str]:
    """The package of each source that is taken back."""
    yield from suspect.packages[:1]
    for other in suspect.others:
        yield from _named(other)


def _judged(case: Case, suspect: Suspect, comparison: Comparison, blobs: Blobs) -> tuple[bool, str]:
    item = next((one for one in comparison.artifacts if one.artifact == case.item.artifact), None)
    if item is None or not item.rebuilt or None in item.rebuilt:
        return False, "with the change the file was not made at all, or not each time"
    if item.published.sha256 != case.item.published.sha256:
        return False, "the file published under this name is another one now, so nothing was learnt about the old one"
    if copied := _copied(case, comparison):
        return False, f"the change brings published bytes into the build ({copied}), so that equality proves nothing"
    if item.verdict is Verdict.REPRODUCED:
        return True, "with the change every byte equals the published file"
    if item.verdict is Verdict.FLAKY:
        return False, "with the change two rebuilds do not agree with each other, so neither says anything"
    before = aspects(case.difference)
    builds = [_difference(item.published, file, blobs) for file in item.rebuilt if file]
    after = set().union(*map(aspects, builds))
    predicted = aspects(case.difference, suspect.claims) if suspect.claims else before
    return judged(before, after, predicted, moved=_moved(case.difference, builds[0], before & after))


def _copied(case: Case, comparison: Comparison) -> str:
    """Where bytes of the published file lie among the inputs that did not lie there in the explained run."""
    before = {(one.member, one.sha256) for one in (case.record.comparison or Comparison(artifacts=())).self_input}
    new = (one for one in comparison.self_input if one.artifact == case.item.artifact)
    return next((one.found_in for one in new if (one.member, one.sha256) not in before), "")


def _moved(before: Difference, now: Difference, both: set[Aspect]) -> int:
    """In how many places that differ in both builds ours is another one than it was: the change had an effect there."""
    ours: list[dict[Aspect, list[Side]]] = [{}, {}]
    for found, difference in zip(ours, (before, now), strict=True):
        for one in difference.findings:
            found.setdefault((one.path, one.what), []).append(one.rebuilt)
    return sum(ours[0].get(aspect) != ours[1].get(aspect) for aspect in both)


def judged(before: set[Aspect], after: set[Aspect], predicted: set[Aspect], *, moved: int = 0) -> tuple[bool, str]:
    """What differences of two builds say of a cause that ``predicted`` which of them go. Pure."""
    gone, came = before - after, after - before
    if not gone:
        effect = f", {moved} of them with another value on our side than without it" if moved else ""
        return False, f"with the change the same {len(before)} differences are there{effect}"
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
