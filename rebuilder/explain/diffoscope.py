"""diffoscope, in a sealed container of its own, under a kill timer. It explains; it never decides.

Both sides come out of hostile hands and diffoscope feeds them to dozens of programs, so it has no network, no
capabilities, and sees nothing but the members whose bytes differ. There is always a report: a member that
diffoscope has no answer for is shown by our own means (``diffoscope_report``).
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files

from rebuilder.data import chunks
from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.explain import diffoscope_report as report
from rebuilder.explain.diffoscope_answer import (
    MAX_ANSWER_BYTES,
    MAX_JSON_BYTES,
    MAX_REPORT_BYTES,
    MAX_WORDS,
    Answer,
    read_answer,
    words,
)
from rebuilder.model import DiffReport, FileDigest, RootImage
from rebuilder.ports import Blobs, Engine, Exit, Job, Pair, Progress, Tmpfs

#: Time for the container to start, take the files and give the reports, beyond diffoscope's own.
GRACE_SECONDS = 60
#: What diffoscope's container is made of, as Debian relations: the tool, and the readers of what `.deb`s hold.
RELATIONS = (
    "diffoscope-minimal", "binutils", "binutils-multiarch", "bzip2", "cpio", "e2fsprogs", "file", "gettext",
    "gnupg", "python3-debian", "python3-libarchive-c", "unzip", "xxd", "xz-utils", "zstd",
)  # fmt: skip
#: A run of diffoscope takes members up to these bounds; what is lost with it is tried again in parts.
CHUNK_MEMBERS, CHUNK_WEIGHT = 48, 16 * 1024**2
#: A byte of a program costs as much as so many of another file: it is taken apart by dozens of commands.
ELF_WEIGHT = 8
#: Members of more bytes go alone, and last.
BIG = 20 * 1024**2
#: Members of one report, the first of the walk: more would make the record, which names each, too large to be read.
MAX_MEMBERS = 2000


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How long diffoscope may take and how much memory and scratch space it gets."""

    seconds: int = 300
    memory_bytes: int = 4 * 1024**3
    disk_bytes: int = 3 * 1024**3
    #: Runs of diffoscope side by side.
    workers: int = 2


class ContainerDiffer:
    """The ``Differ`` port. ``prepare`` makes the container's root filesystem ready when first needed."""

    def __init__(
        self, engine: Engine, blobs: Blobs, progress: Progress, prepare: Callable[[], RootImage], bounds: Bounds
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._progress = progress
        self._prepare = prepare
        self._bounds = bounds
        self._root: RootImage | None = None

    def diff(self, artifact: str, pairs: tuple[Pair, ...], *, run_id: str) -> DiffReport:
        """All pairs in one batch. Always gives a report, which says for each pair what it lacks."""
        pairs, further = pairs[:MAX_MEMBERS], len(pairs) - MAX_MEMBERS
        given = fitting(pairs, self._bounds.disk_bytes // 3)
        reasons: dict[int, tuple[str, ...]] = {
            index: ("not given to diffoscope: too large for its scratch space",)
            for index in range(len(pairs))
            if index not in given
        }
        lacking: tuple[str, ...] = ()
        if further > 0:
            lacking = (f"{further} further members whose content differs: a report holds {MAX_MEMBERS} at most",)
        answer, end = Answer(), None
        if given:
            try:
                self._progress.stage("explain", f"diffoscope on {len(given)} members of {artifact}")
                self._root = self._root or self._prepare()
                answer, end = self._asked(artifact, pairs, given, run_id)
            except (Stopped, InfrastructureError) as err:
                # No reason to lose a verdict: it was found before, and never depends on this.
                said = f"the container diffoscope runs in could not be made, or ended badly ({err})"
                lacking += (f"all that diffoscope would show: {said}",)
                reasons |= dict.fromkeys(given, (said[:400],))
        return self._reported(artifact, pairs, answer, end, reasons, lacking)

    def _asked(
        self, artifact: str, pairs: tuple[Pair, ...], given: tuple[int, ...], run_id: str
    ) -> tuple[Answer, Exit]:
        """What the container says of these pairs, and how it ended."""
        held = io.BytesIO()
        order = {
            "seconds": self._bounds.seconds,
            "workers": self._bounds.workers,
            "member_bytes": max(64 * 1024, min(4 * 1024**2, MAX_JSON_BYTES // len(given))),
            "report_bytes": MAX_REPORT_BYTES,
            "chunks": plan(pairs, given),
            "labels": [report.label(pair.path, artifact) for pair in pairs],
        }
        noise: list[bytes] = []
        end = self._engine.run(
            self._job(run_id),
            stdin=_packed(artifact, pairs, given, order),
            stdout=_bounded_write(held, MAX_ANSWER_BYTES),
            stderr=_last(noise),
        )
        held.seek(0)
        answer = read_answer(held)
        answer.results = {index: answer.results[index] for index in given if index in answer.results}
        if answer.seconds is None:
            last = words(b"".join(noise)[-MAX_WORDS:].decode("utf-8", "replace"))
            answer.trouble = (f"the container ended before it was done: {last or 'no message'}",)
        return answer, end

    def _job(self, run_id: str) -> Job:
        script = files("rebuilder.explain").joinpath("inside.py").read_text(encoding="utf-8")
        return Job(
            purpose="diffoscope",
            run_id=run_id,
            root_sha256=self._root.sha256 if self._root else "",
            argv=("python3", "-I", "-c", script),
            environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            user="1000:1000",
            tmpfs=(Tmpfs(path="/work", bytes=self._bounds.disk_bytes), Tmpfs(path="/tmp", bytes=256 * 1024**2)),  # noqa: S108
            memory_bytes=self._bounds.memory_bytes,
            seconds=self._bounds.seconds + GRACE_SECONDS,
        )

    def _reported(
        self, artifact: str, pairs: tuple[Pair, ...], answer: Answer, end: Exit | None,
        reasons: dict[int, tuple[str, ...]], lacking: tuple[str, ...],
    ) -> DiffReport:  # fmt: skip
        found = report.ladder(artifact, pairs, answer, reasons)
        ended = report.status(answer, found, end) if pairs else "complete"
        root = self._root.sha256 if self._root else None
        made = DiffReport(
            artifact=artifact,
            status="truncated" if ended == "complete" and lacking else ended,
            tool=answer.tool or "none",
            seconds=answer.seconds if answer.seconds is not None else end.seconds if end else 0.0,
            members=found.members,
            root_sha256=root,
            lacks=(*lacking, *report.lacks(answer, found, end, self._bounds.memory_bytes)),
        )
        if not pairs:
            return made
        try:
            return made.model_copy(
                update={
                    "text": self._keep(report.as_text(answer, found), f"diffoscope-{artifact}.txt"),
                    "html": self._keep(report.as_page(answer, found), f"diffoscope-{artifact}.html"),
                    "json_": self._keep(report.as_json(answer, found, root), f"diffoscope-{artifact}.json"),
                }
            )
        except InfrastructureError as err:
            return made.model_copy(update={"status": "failed", "lacks": (*made.lacks, f"its files: {err}")})

    def _keep(self, data: bytes, name: str) -> FileDigest:
        return self._blobs.put([data], name=name[-255:], limit=len(data))


def fitting(pairs: tuple[Pair, ...], limit: int) -> tuple[int, ...]:
    """Which pairs the container has room for: the small ones first, as most of them can be shown."""
    by_size = sorted(range(len(pairs)), key=lambda index: (_size(pairs[index]), index))
    found, room = [], limit
    for index in by_size:
        room -= _size(pairs[index])
        if room < 0:
            break
        found.append(index)
    return tuple(sorted(found))


def plan(pairs: tuple[Pair, ...], given: tuple[int, ...]) -> list[list[int]]:
    """Which members go into one run of diffoscope: small ones together and first, big ones alone and last."""
    weighed = sorted((_weight(pairs[index]), index) for index in given)
    found: list[list[int]] = []
    room = 0
    for weight, index in weighed:
        size = _size(pairs[index])
        if not found or size > BIG or weight > room or len(found[-1]) == CHUNK_MEMBERS:
            found.append([])
            room = CHUNK_WEIGHT
        found[-1].append(index)
        room -= weight
    return found


def _size(pair: Pair) -> int:
    return pair.published.size + pair.rebuilt.size


def _weight(pair: Pair) -> int:
    elf = pair.published.read(0, 4) == b"\x7fELF"
    return _size(pair) * (ELF_WEIGHT if elf else 1)


def safe_name(path: tuple[str, ...], artifact: str) -> str:
    """The last step of a path as a name that is safe anywhere. Its ending stays: diffoscope goes by it."""
    last = re.sub(r"\\#\d+$", "", path[-1] if path else artifact).rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._+-]", "_", last)[-80:].lstrip(".-") or "member"


def _packed(
    artifact: str, pairs: tuple[Pair, ...], given: tuple[int, ...], order: dict[str, object]
) -> Iterator[bytes]:
    """A tar stream of the order, then of both sides of every pair under its number."""
    said = json.dumps(order).encode()
    yield _header("order.json", len(said)) + said + bytes(-len(said) % tarfile.BLOCKSIZE)
    for index in given:
        pair = pairs[index]
        for side, data in (("a", pair.published), ("b", pair.rebuilt)):
            yield _header(f"{side}/{index:03}/{safe_name(pair.path, artifact)}", data.size)
            yield from chunks(data)
            yield bytes(-data.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def _bounded_write(target: io.BytesIO, limit: int) -> Callable[[bytes], None]:
    """Keeps what comes up to a bound, and drops the rest: the container goes on, what it sent before counts."""

    def write(data: bytes) -> None:
        target.write(data[: max(0, limit - target.tell())])

    return write


def _last(noise: list[bytes]) -> Callable[[bytes], None]:
    """Keeps the end of what comes."""

    def write(data: bytes) -> None:
        noise[:] = [(b"".join(noise) + data)[-4000:]]

    return write
