"""What a person can do after a run of ``verify``: only what fits what was rebuilt. Pure."""

from __future__ import annotations

from rebuilder.model import FailureReason, Record, SourceKind, Verdict
from rebuilder.report.undeclared_words import headline
from rebuilder.report.words import several, undeclared

MAX_NAMES = 10
#: Archives whose files are those of a release: its inputs can be searched for.
_INDEXES = frozenset({"pypi", "npm"})


def next_steps(record: Record, *, signed: bool) -> list[str]:
    """What can be done now. ``signed``: a bundle lies in the run's folder. Names are as they came."""
    steps = {
        Verdict.REPRODUCED: _reproduced(signed),
        Verdict.EQUIVALENT: ["Read which normalisers ran and what each removed before you rely on it."],
        Verdict.DIFFERENT: _different(record),
        Verdict.FLAKY: ["Read where our own rebuilds differ, and report the cause to the package's maintainers."],
        Verdict.BUILD_FAILED: _failed(record),
        Verdict.REFUSED: ["Do not install the file. Fetch it from another mirror, and ask the publisher if it stays."],
        Verdict.UNAVAILABLE: [
            "Try later or another mirror. If locked packages are gone, give a pack, or use `--relock` for a new lock."
        ],
    }
    return steps[record.verdict]


def _reproduced(signed: bool) -> list[str]:
    if signed:
        return ["Check the signed bundle offline with `rebuilder verify-bundle`, or publish the report."]
    return ["Nothing was signed, so there is no bundle for others. `rebuilder verify` without `--no-sign` makes one."]


def _different(record: Record) -> list[str]:
    confirm = f"`rebuilder explain {record.run_id} --confirm` tries the likeliest fix by one more rebuild."
    first = f"Read the causes. {confirm}"
    if foreign := headline(record):
        return [
            f"Ask the publisher from which commit, by which steps it was made: {foreign}.",
            "If they name another commit, put that into the recipe; if a step, into `build.steps`. Then verify that.",
            first,
        ]
    if not undeclared(record):
        return [first, "Report it to the publisher with this record; the inputs are the ones they declared."]
    if record.published and record.published.ecosystem == "deb":
        return [first, "If you have the publisher's .buildinfo, run `rebuilder verify --buildinfo FILE` with it."]
    if _is_released(record):
        more = "`rebuilder verify TARGET --search N` rebuilds with other inputs of a closed list, at most N times."
        return [first, "The search found no equal result; what it tried stands above." if record.search else more]
    if _is_project(record):
        return [
            first,
            "If the file is yours: `rebuilder check DIR` says what it depends on, and which SOURCE_DATE_EPOCH a "
            "release build has to set.",
        ]
    return [first]


def _is_released(record: Record) -> bool:
    return record.published is not None and any(one.file.archive in _INDEXES for one in record.published.artifacts)


def _is_project(record: Record) -> bool:
    return record.source is not None and record.source.kind in {SourceKind.GIT_COMMIT, SourceKind.LOCAL_TREE}


def _failed(record: Record) -> list[str]:
    attempts = record.built.attempts if record.built else ()
    ended_well = [one for one in attempts if one.failure in {None, FailureReason.MISSING_OUTPUT}]
    if len(ended_well) < len(attempts) or not attempts or not _is_project(record):
        return ["Read the end of the build log. `--keep` leaves the container so that you can look."]
    names = list(dict.fromkeys(file.name for one in ended_well for file in one.outputs))
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    gave = f"{several(len(names), 'file', 'files')}: {', '.join(names[:MAX_NAMES])}{more}" if names else "no file"
    return [
        f"The build gave {gave}. Which files are taken is decided by `outputs` in the project's settings "
        "(docs/check-settings.md). Does the file come from this version of the source?"
    ]
