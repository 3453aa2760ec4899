"""From two files to the whole explanation: the walk, drift, causes. What `verify`, `diff` and `explain` share."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rebuilder.compare.folders import compare_folders
from rebuilder.compare.walk import Walked, compare
from rebuilder.data import Data
from rebuilder.errors import IntegrityError, told
from rebuilder.explain.causes import Scene
from rebuilder.explain.causes.rank import ranked
from rebuilder.explain.drift import drift
from rebuilder.findings import ArtifactExplanation, Difference, MemberPath, Side, Surroundings
from rebuilder.model import DiffReport, FileDigest
from rebuilder.opened import Desk, desk
from rebuilder.ports import Blobs, Differ, ExplainedArtifact, Pair, Progress

#: JSON of the largest difference that is listed whole (`tally.MAX_FINDINGS`).
MAX_DIFFERENCE_BYTES = 256 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Explained:
    """All there is to say about two files. ``pairs`` can be read as long as the desk is open."""

    difference: Difference
    explanation: ArtifactExplanation
    #: What diffoscope is given: members whose own content differs.
    leaves: tuple[Pair, ...]


class StoredExplainer:
    """The ``Explainer`` port over blobs."""

    def __init__(self, blobs: Blobs, differ: Differ, progress: Progress) -> None:
        self._blobs = blobs
        self._differ = differ
        self._progress = progress

    def explain(
        self, artifact: str, published: FileDigest, rebuilt: FileDigest, surroundings: Surroundings, *, run_id: str
    ) -> ExplainedArtifact:
        """See the port."""
        with desk() as own:
            self._progress.stage("explain", f"{artifact}: every member")
            paths = [self._blobs.path(file.sha256) for file in (published, rebuilt)]
            found = explain_paths(artifact, paths[0], paths[1], own, surroundings)
            data = to_bytes(found.difference)
            kept = self._blobs.put([data], name=difference_name(artifact)[-255:], limit=MAX_DIFFERENCE_BYTES)
            report = None
            if found.leaves:
                self._progress.stage("explain", f"{artifact}: diffoscope on {len(found.leaves)} members")
                report = self._detail(artifact, found.leaves, run_id)
        return ExplainedArtifact(explanation=found.explanation, difference=kept, report=report)

    def _detail(self, artifact: str, leaves: tuple[Pair, ...], run_id: str) -> DiffReport:
        """diffoscope's part. The causes that were found must not be lost over a fault in it."""
        try:
            return self._differ.diff(artifact, leaves, run_id=run_id)
        except IntegrityError:
            raise
        except Exception as error:
            lack = f"all that diffoscope would show: making the report failed ({told(error)})"
            return DiffReport(artifact=artifact, status="failed", tool="none", seconds=0.0, lacks=(lack,))


def difference_name(artifact: str) -> str:
    """File of the run folder that lists every finding of an artifact."""
    return f"difference-{artifact}.json"


def explain_paths(
    artifact: str, published: Path, rebuilt: Path, desk: Desk, surroundings: Surroundings | None = None
) -> Explained:
    """Compare two files, or two folders. ``OSError`` for what cannot be read, ``UsageError`` for other things."""
    if published.is_dir() and rebuilt.is_dir():
        walked = compare_folders(desk.folder(published), desk.folder(rebuilt), desk.bounds)
    else:
        walked = compare(desk.open(published), desk.open(rebuilt), desk.bounds)
    return explained(artifact, walked, surroundings or Surroundings())


def explained(artifact: str, walked: Walked, surroundings: Surroundings) -> Explained:
    """Drift and causes of a comparison."""
    scene = scene_of(artifact, walked, surroundings)
    found = ranked(scene)
    difference = walked.difference
    data = to_bytes(difference)
    explanation = ArtifactExplanation(
        artifact=artifact,
        difference=data_side(data),
        members=difference.members,
        classes=dict(Counter(finding.kind for finding in difference.findings)),
        causes=found.causes,
        unexplained=found.unexplained,
        drift=drift(scene),
        remarks=(*difference.remarks, *found.remarks),
    )
    return Explained(difference=difference, explanation=explanation, leaves=leaves(walked))


def scene_of(artifact: str, walked: Walked, surroundings: Surroundings) -> Scene:
    """What rules may look at."""

    def pair(path: MemberPath) -> tuple[Data, Data]:
        return walked.pairs[path]

    return Scene(artifact=artifact, difference=walked.difference, surroundings=surroundings, pair=pair)


def leaves(walked: Walked) -> tuple[Pair, ...]:
    """Both sides of every file whose own content differs, in the order of the walk."""
    pairs = walked.pairs
    return tuple(
        Pair(path=path, published=pairs[path][0], rebuilt=pairs[path][1]) for path in walked.leaves if path in pairs
    )


def to_bytes(difference: Difference) -> bytes:
    """What the run folder holds as ``difference_name`` and the explanation names by digest."""
    return difference.model_dump_json(by_alias=True, exclude_defaults=False).encode() + b"\n"


def data_side(data: bytes) -> Side:
    """Size and digest of bytes in memory."""
    return Side(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
