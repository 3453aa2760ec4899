"""What a check says in the end: verdict, headline, and a row for each variation. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rebuilder.check.failures import READ_THE_LOG, Reason
from rebuilder.check.model import Breakage, CheckVerdict, VariationName, VariationReport
from rebuilder.check.plan import Answer, Aspect, Names
from rebuilder.check.probes import Effect
from rebuilder.check.variations import NAMES, TABLE, Draw, Setting
from rebuilder.findings import Difference

#: What no container can vary; said in every report.
NOT_VARIED = (
    "the model and features of the processor (look for -march=native)",
    "the real clock: builds run one after the other; a faked one is not seen by programs without a dynamic loader",
    "the kernel itself; only the release that uname tells",
    "address space layout, which is random in every build",
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was to be varied, and both settings."""

    names: tuple[VariationName, ...]
    control: Setting
    varied: Setting
    draw: Draw


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a headline is made of, besides the breakages."""

    verdict: CheckVerdict
    rows: Sequence[VariationReport]
    builds: int
    failure: Reason


def verdict(built: bool, found: Sequence[Breakage]) -> CheckVerdict:
    """The answer: flaky only if every difference also lies between builds of which nothing was varied."""
    if not built:
        return CheckVerdict.BUILD_FAILED
    if not found:
        return CheckVerdict.REPRODUCIBLE
    chance = all("repeat" in one.proof and not one.variations for one in found)
    return CheckVerdict.FLAKY if chance else CheckVerdict.NOT_REPRODUCIBLE


def variation_reports(
    asked: Asked,
    effects: Mapping[VariationName, Effect],
    found: Sequence[Breakage],
    every: Mapping[Aspect, Answer],
    *,
    compared: Names,
) -> tuple[VariationReport, ...]:
    """A row for each variation there is, in the order of the table. What was varied only in builds that failed is in
    none that was ``compared``."""
    breaking = {name for one in found for name in one.variations}
    open_ = {name for one in every.values() if not one.settled for name in one.candidates or one.unknown}
    masked = {name for one in every.values() for name in one.masked}
    rows = []
    for name in NAMES:
        entry = TABLE[name]
        effect = effects.get(name)
        control, varied = entry.shown(asked.control), entry.shown(asked.varied)
        if name not in asked.names:
            rows.append(VariationReport(name=name, title=entry.title, status="left-out", control=control))
            continue
        unseen = name in open_ or name in masked or name not in compared
        status = "breaks" if name in breaking else "undecided" if unseen else "passed"
        if effect is not None and not effect.effective and name not in breaking:
            status = "not-effective"
        rows.append(
            VariationReport.model_validate(
                {
                    "name": name,
                    "title": entry.title,
                    "status": status,
                    "control": control,
                    "varied": varied,
                    "canary": next(iter(entry.marks(asked.draw)), "") if name != "clock" else "",
                    "probed_control": effect.control if effect else "",
                    "probed_varied": effect.varied if effect else "",
                    "detail": _detail(effect, _UNDECIDED[name in masked] if status == "undecided" else ""),
                }
            )
        )
    return tuple(rows)


#: Why, by whether a place that differs anyway hides it.
_UNDECIDED = {
    True: "what differs by itself, or with the clock, shows nothing of it",
    False: "the builds that were allowed did not suffice",
}


def _detail(effect: Effect | None, undecided: str) -> str:
    return undecided or (effect.detail if effect else "")


def headline(facts: Facts, found: Sequence[Breakage], differences: Mapping[str, Difference]) -> str:
    """The answer in a sentence or two."""
    passed = [row for row in facts.rows if row.status == "passed"]
    match facts.verdict:
        case CheckVerdict.BUILD_FAILED:
            hint = facts.failure.hint or READ_THE_LOG
            return f"the build failed with nothing varied: {facts.failure.words}. Next: {hint}."
        case CheckVerdict.REPRODUCIBLE:
            silent = [row.name for row in facts.rows if row.status == "not-effective"]
            without = f" ({', '.join(silent)} had no effect)" if silent else ""
            return f"no difference seen under {len(passed)} effective variations in {facts.builds} builds{without}."
        case _:
            first = found[0]
            cause = f"Cause: {first.cause.title}. " if first.cause and not first.fails else ""
            more = f" {len(found) - 1} more below." if len(found) > 1 else ""
            return f"{_extent(first, differences)}{first.summary}. {cause}{_fix(first)}{more}"


def _extent(first: Breakage, differences: Mapping[str, Difference]) -> str:
    """How much of the output differs; nothing for what is no archive."""
    output = first.places[0][0] if first.places else ""
    difference = differences.get(output)
    if difference is None or first.fails:
        return ""
    whole = max(difference.members.published, difference.members.rebuilt)
    if whole < 2:
        return f"{output} differs. "
    return f"{output} differs in {whole - difference.members.equal} of {whole} members. "


def _fix(first: Breakage) -> str:
    confirmed = " Confirmed by a rebuild." if first.fix.tried and first.fix.result == "confirmed" else ""
    return f"Fix: {first.fix.words}{confirmed}"

