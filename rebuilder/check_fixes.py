"""Fixes that a check tries from outside: rebuilds with their flags, and what came of them. Called by `checking.py`."""

from __future__ import annotations

from rebuilder.check import fixes
from rebuilder.check.marks import CONTENT
from rebuilder.check.model import Breakage, Fix
from rebuilder.check.plan import Names, Wanted
from rebuilder.check.variations import NAMES
from rebuilder.trials import Trial, Trials


def try_fixes(trials: Trials, found: tuple[Breakage, ...], varied: Names, *, at_most: int) -> tuple[Breakage, ...]:
    """The breakages, each with what its fix came to: two builds with its flags, one of them ``varied``. Equal where
    they differed before, the fix is right."""
    tried: dict[str, tuple[Trial, Trial]] = {}
    done = []
    for one in found:
        fix = _flags(trials, one)
        if fix and fix.words not in tried and trials.count + 2 <= at_most:
            # What it is no fix for would show in the same places.
            others = {name for other in found for name in other.variations} - set(one.variations)
            tried[fix.words] = _with_flags(trials, fix, varied - others)
        done.append(_judged(trials, one, fix, tried[fix.words]) if fix and fix.words in tried else one)
    return tuple(done)


def _flags(trials: Trials, one: Breakage) -> fixes.Trial:
    # Of what differs by chance as well, equal bytes cannot be asked.
    if len(one.variations) != 1 or one.fails or one.cause is None or "repeat" in one.proof:
        return fixes.Trial()
    return _advice(trials, one).trial


def _advice(trials: Trials, one: Breakage) -> fixes.Advice:
    kind = trials.place.around.project.kind
    return fixes.advice(one.variations[0], kind, one.cause.id if one.cause else "")


def _with_flags(trials: Trials, fix: fixes.Trial, names: Names) -> tuple[Trial, Trial]:
    why = f"with {fix.words}: does it take the difference away?"
    for varied in ((), tuple(name for name in NAMES if name in names)):
        wanted = Wanted(purpose="fix", varied=varied, why=why)
        trials.tried.append(trials.build(wanted, trials.place.draw, fix))
    return trials.tried[-2], trials.tried[-1]


def _judged(trials: Trials, one: Breakage, fix: fixes.Trial, both: tuple[Trial, Trial]) -> Breakage:
    numbers = f"builds {both[0].attempt.number} and {both[1].attempt.number}"
    usable = False
    if not all(trial.made for trial in both):
        reason = f"with {fix.words} the build fails ({numbers})"
    elif not {place[0] for place in one.places} <= _common(*both):
        reason = f"with {fix.words} {numbers} do not make the same outputs as before"
    elif {(output, *path) for output, path, what in trials.compare(*both) if what == CONTENT} & set(one.places):
        reason, usable = f"with {fix.words} added to every call of a compiler {numbers} differ", True
    else:
        reason = f"with {fix.words} {numbers} are equal in every place of this cause"
        update = {"result": "confirmed", "reason": reason, "tried": (fix.words,)}
        return one.model_copy(update={"fix": one.fix.model_copy(update=update)})
    left = fixes.without_flags(_advice(trials, one), usable=usable)
    refuted = Fix(words=left.words, changes=left.changes, result="refuted", reason=reason, tried=(fix.words,))
    return one.model_copy(update={"fix": refuted})


def _common(one: Trial, other: Trial) -> set[str]:
    return {file.name for file in one.attempt.outputs} & {file.name for file in other.attempt.outputs}
