"""The order of the stages, where it matters most: a stop leaves a record, a fault of ours leaves nothing.

Store, log and pages are the real ones. What only a container or a mirror could do is a stand-in that must
never be reached: that is the point of these tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rebuilder import evidence, pipeline
from rebuilder.cli.progress import Quiet
from rebuilder.compare.archive.layout import BudgetError
from rebuilder.errors import InfrastructureError, IntegrityError, Stopped
from rebuilder.explaining import StoredExplainer
from rebuilder.findings import ArtifactExplanation, Count, Side, Surroundings
from rebuilder.journal import Journal
from rebuilder.log.lines import LineLog
from rebuilder.model import Built, Comparison, DiffReport, Explanation, FileDigest, Record, Verdict
from rebuilder.pipeline import Ports, verify
from rebuilder.ports import Options, Resolution
from rebuilder.report.reporter import PageReporter
from rebuilder.store.blobs import BlobStore
from rebuilder.store.runs import RunStore, new_run_id
from rebuilder.wiring import SystemClock
from tests import records

TARGET = "pkg:deb/debian/less?distro=trixie"


class Untouchable:
    """Any use of it fails the test."""

    def __getattr__(self, name: str) -> Any:
        msg = f"{name} was reached, though nothing after the stop may be"
        raise AssertionError(msg)


def ports_in(state: Path) -> Ports:
    never: Any = Untouchable()
    clock = SystemClock()
    return Ports(
        ecosystem=never, fetcher=never, members=never, toolchains=never, builder=never, explainer=never, signing=None,
        blobs=BlobStore(state), runs=RunStore(state), log=LineLog(state / "log.jsonl"), reporter=PageReporter(),
        clock=clock, progress=Quiet(), new_run_id=lambda: new_run_id(clock.now()),
    )  # fmt: skip


def raising(error: BaseException) -> Callable[[], Resolution]:
    def resolve() -> Resolution:
        raise error

    return resolve


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.UNAVAILABLE])
def test_a_stop_before_anything_is_known_leaves_a_record_a_page_and_a_line(tmp_path: Path, verdict: Verdict) -> None:
    stop = Stopped(verdict, "said <b>why</b>", missing=("debian:dists/x",))
    record = verify(TARGET, raising(stop), ports_in(tmp_path), Options())
    (run,) = RunStore(tmp_path)
    assert run.record == record
    assert (record.verdict, record.reason, record.target) == (verdict, "said <b>why</b>", TARGET)
    assert [time.stage for time in record.timeline] == ["resolve", "attest"]
    assert LineLog(tmp_path / "log.jsonl").runs() == (record.run_id,)
    page = (run.folder / "index.html").read_text()
    assert "said " in page
    assert "<b>why" not in page
    assert not list(run.folder.glob("*.intoto.jsonl"))


@pytest.mark.parametrize("error", [InfrastructureError("the engine is gone"), KeyboardInterrupt(), RuntimeError("bug")])
def test_a_fault_of_ours_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        verify(TARGET, raising(error), ports_in(tmp_path), Options())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# --- explaining never costs a verdict ---------------------------------------------------------------

NAMES = ("a_1_amd64.deb", "b_1_amd64.deb")


class Failing:
    """An explainer whose first artifact brings a fault, and whose others are explained by the real one."""

    def __init__(self, ports: Ports, error: BaseException) -> None:
        self._real = StoredExplainer(ports.blobs, Bursting(AssertionError("no member differs by itself")), Quiet())
        self._error = error

    def explain(self, artifact: str, *rest: Any, **named: Any) -> Any:
        if artifact == NAMES[0]:
            raise self._error
        return self._real.explain(artifact, *rest, **named)


class Bursting:
    """A differ with a bug."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def diff(self, *_: Any, **__: Any) -> Any:
        raise self._error


def compared(ports: Ports) -> Comparison:
    def kept(name: str, data: bytes) -> FileDigest:
        return ports.blobs.put([data], name=name, limit=100)

    items = (
        records.compared(name, Verdict.DIFFERENT, [kept(name, b"ours")] * 2, published=kept(name, b"theirs"))
        for name in NAMES
    )
    return Comparison(artifacts=tuple(items))


def explained(ports: Ports, comparison: Comparison, options: Options | None = None) -> Record:
    """The record of a run that found a difference, after the stage that explains."""
    journal = Journal(TARGET, "20261120T170000Z-00000000", ports.clock, Quiet())
    journal.plans = {"any": PLAN}
    journal.set(
        published=records.published("x", "1", [records.artifact(name) for name in NAMES]), comparison=comparison
    )
    journal.verdict(Verdict.DIFFERENT, "bytes")
    pipeline._explain(journal, comparison, records.lock(), ports, options or Options())
    return journal.record("0", None)


PLAN: Any = type("Plan", (), {"environment": {}, "steps": (type("Step", (), {"cwd": "/b"}),), "hostname": "rebuilder"})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("\udcff a bug"), "KeyError at test_pipeline.py:"),
        (OSError(28, "No space left on device", "/home/somebody/state/x"), "(No space left on device)"),
        (InfrastructureError("the store is full"), "(the store is full)"),
        (BudgetError("took too long"), "took too long"),
        (MemoryError(), "(not enough memory)"),
        (RecursionError("maximum depth"), "maximum depth"),
        (Stopped(Verdict.UNAVAILABLE, "no mirror"), "(no mirror)"),
    ],
)
def test_a_fault_while_explaining_is_said_and_costs_neither_the_verdict_nor_other_files(
    tmp_path: Path, error: BaseException, said: str
) -> None:
    ports = ports_in(tmp_path)
    record = explained(replace(ports, explainer=Failing(ports, error)), compared(ports))
    assert (record.verdict, record.reason) == (Verdict.DIFFERENT, "bytes")
    assert [one.artifact for one in record.explanation.artifacts] == [NAMES[1]]
    (warning,) = record.warnings
    assert warning.startswith(f"{NAMES[0]}: why it differs is not known, for explaining it failed (")
    assert said in warning
    assert "/home" not in warning
    assert Record.model_validate_json(record.model_dump_json(by_alias=True)) == record
    page = PageReporter().page(record, {}).decode()
    assert "why it differs is not known" in page


@pytest.mark.parametrize("error", [IntegrityError("the store is damaged"), KeyboardInterrupt()])
def test_damage_to_the_store_ends_the_run(tmp_path: Path, error: BaseException) -> None:
    ports = ports_in(tmp_path)
    with pytest.raises(type(error)):
        explained(replace(ports, explainer=Failing(ports, error)), compared(ports))


def test_a_fault_while_a_try_is_judged_is_said_and_proves_nothing(tmp_path: Path) -> None:
    def judge(*_: Any) -> Any:
        msg = "gone"
        raise ValueError(msg)

    ports = ports_in(tmp_path)
    real = StoredExplainer(ports.blobs, Bursting(AssertionError()), Quiet())
    record = explained(replace(ports, explainer=real), compared(ports), Options(proves=judge))
    assert record.explanation.proof is None
    assert len(record.explanation.artifacts) == 2
    assert "whether the fix that was tried came true is not known, for judging it failed (Value" in record.warnings[0]


def test_a_fault_of_the_differ_costs_its_report_and_not_the_causes(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    published, rebuilt = (blobs.put([data], name="x", limit=9) for data in (b"one", b"two"))
    explainer = StoredExplainer(blobs, Bursting(ZeroDivisionError("by zero")), Quiet())
    found = explainer.explain("x" * 255, published, rebuilt, Surroundings(), run_id="r")
    assert found.explanation.classes
    assert found.report is not None
    assert (found.report.status, found.report.text) == ("failed", None)
    assert "making the report failed (ZeroDivisionError at test_pipeline.py:" in found.report.lacks[0]


# --- files for the run folder -----------------------------------------------------------------------


def test_names_too_long_for_a_file_cost_their_file_and_not_the_run(tmp_path: Path) -> None:
    """A name of 255 bytes is legal for a build's output, and so are names of few but large characters."""
    blobs = BlobStore(tmp_path)
    kept = blobs.put([b"text"], name="x", limit=9)
    long = [f"{'ü' * 122}.buildinfo", f"{'n' * 240}.changes", "short_1.buildinfo"]
    outputs = [FileDigest(name=name, sha256=kept.sha256, size=4) for name in long]
    log = FileDigest(name="log", sha256=kept.sha256, size=4)
    built = Built(attempts=(records.attempt(1, outputs, log=log),))
    explanation = Explanation(
        artifacts=tuple(
            ArtifactExplanation(artifact=name, difference=Side(sha256=kept.sha256, size=4), members=Count(), classes={})
            for name in ("d" * 250, "d")
        ),
        reports=tuple(
            DiffReport(artifact=name, status="complete", tool="d", seconds=1, text=kept, html=kept, json=kept)
            for name in ("ä" * 120, "d" * 244, "d")
        ),
    )
    files, notes = evidence.attachments({"built": built, "explanation": explanation}, blobs)
    assert sorted(files) == [
        "any-1-short_1.buildinfo", "build-any-1.log", "difference-d.json",
        "diffoscope-d.html", "diffoscope-d.json", "diffoscope-d.txt",
    ]  # fmt: skip
    assert len(notes) == 2 + 1 + 3 + 3
    assert all(f"has too long a name for the run folder; it is kept as blob {kept.sha256}" in one for one in notes)
    draft = RunStore(tmp_path).draft("20261120T170000Z-00000000")
    for name, data in files.items():
        draft.write(name, data)
    draft.commit()
