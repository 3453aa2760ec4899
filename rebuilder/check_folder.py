"""The folder of a check's report: page, JSON, both builds as scripts with their inputs, logs, lock.

    index.html  check.json  toolchain.lock.json  difference-*.json  build-*.log
    first/build.sh  first/input/  second/build.sh  second/input/  input/
"""

from __future__ import annotations

import shutil
from pathlib import Path

from rebuilder.check.scripts import Named, build_script
from rebuilder.checking import Checked
from rebuilder.explaining import difference_name
from rebuilder.lock import to_bytes
from rebuilder.model import BuildPlan
from rebuilder.ports import Blobs
from rebuilder.report.check_json import output
from rebuilder.report.check_page import CheckView, render_check
from rebuilder.report.differences import Told
from rebuilder.store.durable import replace_synced

_MAX_LOG = 64 * 1024**2
#: Of a log, what the page shows.
_MAX_SHOWN_LOG = 256 * 1024
_MAX_NAME = 240
_OWN = "source.tar"


def write(folder: Path, checked: Checked, blobs: Blobs) -> None:
    """Write it, the report of an earlier check in the same folder replaced. ``check.json`` comes last: a folder that
    has none is not whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "check.json").unlink(missing_ok=True)
    for old in ("first", "second", "input"):
        # The folder may have come with the project: what is no folder there, a link above all, leads elsewhere.
        if (folder / old).is_symlink() or not (folder / old).is_dir():
            (folder / old).unlink(missing_ok=True)
        else:
            shutil.rmtree(folder / old)
    for pattern in ("difference-*.json", "build-*.log"):
        for path in folder.glob(pattern):
            path.unlink()
    replace_synced(folder / "toolchain.lock.json", to_bytes(checked.lock))
    _logs(folder, checked, blobs)
    _differences(folder, checked)
    _scripts(folder, checked, blobs)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    view = CheckView(report=checked.report, told=_told(checked), logs=_shown_logs(checked), files=tuple(files))
    replace_synced(folder / "index.html", render_check(view).encode())
    replace_synced(folder / "check.json", output(checked.report))


def _told(checked: Checked) -> tuple[Told, ...]:
    return tuple(
        Told(explanation=pair.found.explanation, difference=pair.found.difference)
        for pair in checked.pairs
        if pair.found
    )


def _shown_logs(checked: Checked) -> dict[int, str]:
    """The last part of each failed build's log, by the number of the build."""
    trials = checked.trials
    return {
        number: trials.log(trial.attempt)[-_MAX_SHOWN_LOG:].decode("utf-8", "replace")
        for number, trial in enumerate(trials.made, start=1)
        if not trial.made
    }


def _logs(folder: Path, checked: Checked, blobs: Blobs) -> None:
    for number, trial in enumerate((*checked.trials.made, *checked.trials.tried), start=1):
        log = trial.attempt.log
        if log.size <= _MAX_LOG:
            replace_synced(folder / f"build-{number}.log", blobs.read(log.sha256, limit=_MAX_LOG))


def _differences(folder: Path, checked: Checked) -> None:
    for pair in checked.pairs:
        name = difference_name(pair.name)
        if pair.difference and len(name.encode()) <= _MAX_NAME:
            replace_synced(folder / name, pair.difference)


def _scripts(folder: Path, checked: Checked, blobs: Blobs) -> None:
    """Both builds. Inputs that are the same lie in ``input``, the tree of each in its own."""
    image = f"rebuilder-root:{checked.report.toolchain.root_sha256}"
    project = checked.report.project.name
    for name, what, plan in (("first", "nothing varied", checked.first), ("second", "varied", checked.second)):
        own = folder / name / "input"
        own.mkdir(parents=True)
        script = build_script(plan, Named(project=project, what=f"{name} build: {what}", image=image))
        replace_synced(folder / name / "build.sh", script.encode())
        (folder / name / "build.sh").chmod(0o755)
        _inputs(folder, own, plan, blobs)


def _inputs(folder: Path, own: Path, plan: BuildPlan, blobs: Blobs) -> None:
    shared = folder / "input"
    shared.mkdir(exist_ok=True)
    for file in plan.inputs:
        target = (own if file.name == _OWN else shared) / file.name
        if not target.exists():
            shutil.copyfile(blobs.path(file.sha256), target)
