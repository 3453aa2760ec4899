"""The order of the stages, where it matters most: a stop leaves a record, a fault of ours leaves nothing.

Store, log and pages are the real ones. What only a container or a mirror could do is a stand-in that must
never be reached: that is the point of these tests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rebuilder.cli.progress import Quiet
from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.log.lines import LineLog
from rebuilder.model import Verdict
from rebuilder.pipeline import Ports, verify
from rebuilder.ports import Options, Resolution
from rebuilder.report.reporter import PageReporter
from rebuilder.store.blobs import BlobStore
from rebuilder.store.runs import RunStore, new_run_id
from rebuilder.wiring import SystemClock

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
