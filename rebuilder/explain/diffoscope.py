"""diffoscope, in a sealed container of its own, under a kill timer. It explains; it never decides.

Both files come out of hostile hands and diffoscope feeds them to dozens of programs, so it has no
network, no capabilities, and sees nothing but the two files.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.model import DiffReport, FileDigest, RootImage
from rebuilder.ports import Blobs, Engine, Exit, Job, Progress, Tmpfs

CHUNK = 1024 * 1024
MAX_REPORT_BYTES = 16 * 1024**2
#: Time for the container to start, take the files and give the reports, beyond diffoscope's own.
GRACE_SECONDS = 60
#: What diffoscope's container is made of, as Debian relations: the tool, and the readers of what `.deb`s hold.
RELATIONS = (
    "diffoscope-minimal", "binutils", "binutils-multiarch", "bzip2", "cpio", "e2fsprogs", "file", "gettext",
    "gnupg", "python3-debian", "python3-libarchive-c", "unzip", "xxd", "xz-utils", "zstd",
)
_POLICY = (
    b'<head><meta http-equiv="Content-Security-Policy" '
    b"content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)
_MISSING_TOOL = re.compile(r"'([^'\n]{1,60})' not (?:available in path|found)|Install '?([\w+.-]{1,60})'? to get")
_CUT = re.compile(r"truncated by diffoscope|Max (?:HTML |output |report )?(?:page|report|output) ?(?:size)? reached")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How long diffoscope may take and how much memory and scratch space it gets."""

    seconds: int = 300
    memory_bytes: int = 4 * 1024**3
    disk_bytes: int = 3 * 1024**3


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

    def diff(self, published: FileDigest, rebuilt: FileDigest, *, run_id: str) -> DiffReport:
        """Compare two blobs; always gives a report, which says what it lacks."""
        try:
            self._root = self._root or self._prepare()
            return self._compared(published, rebuilt, run_id)
        except (Stopped, InfrastructureError) as err:
            # No reason to lose a verdict: it was found before, and never depends on this.
            lacking = f"all of it: the container diffoscope runs in could not be made, or ended badly ({err})"
            return DiffReport(artifact=published.name, status="failed", tool="none", seconds=0.0, lacks=(lacking,))

    def _compared(self, published: FileDigest, rebuilt: FileDigest, run_id: str) -> DiffReport:
        answer = io.BytesIO()
        noise: list[bytes] = []
        end = self._engine.run(
            self._job(published, rebuilt, run_id),
            stdin=_packed(self._blobs, (("published", published), ("rebuilt", rebuilt))),
            stdout=_bounded_write(answer),
            stderr=noise.append,
        )
        answer.seek(0)
        return self._report(published, _unpacked(answer), end, b"".join(noise)[-2000:].decode("utf-8", "replace"))

    def _job(self, published: FileDigest, rebuilt: FileDigest, run_id: str) -> Job:
        script = files("rebuilder.explain").joinpath("inside.py").read_text(encoding="utf-8")
        arguments = (f"published/{published.name}", f"rebuilt/{rebuilt.name}")
        return Job(
            purpose="diffoscope",
            run_id=run_id,
            root_sha256=self._root.sha256 if self._root else "",
            argv=("python3", "-I", "-c", script, *arguments, str(self._bounds.seconds), str(MAX_REPORT_BYTES)),
            environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            user="1000:1000",
            tmpfs=(Tmpfs(path="/work", bytes=self._bounds.disk_bytes), Tmpfs(path="/tmp", bytes=256 * 1024**2)),  # noqa: S108
            memory_bytes=self._bounds.memory_bytes,
            seconds=self._bounds.seconds + GRACE_SECONDS,
        )

    def _report(self, published: FileDigest, found: dict[str, bytes], end: Exit, noise: str) -> DiffReport:
        status = _said(found.get("status.json", b""))
        text, html = found.get("report.txt"), sealed(found.get("report.html"))
        shown = text.decode("utf-8", "replace") if text else ""
        return DiffReport.model_validate(
            {
                "artifact": published.name,
                "status": _outcome(status, shown, end),
                "tool": str(status.get("tool", "diffoscope"))[:80],
                "seconds": float(status.get("seconds", end.seconds)),
                "text": self._keep(text, f"diffoscope-{published.name}.txt"),
                "html": self._keep(html, f"diffoscope-{published.name}.html"),
                "lacks": lacks(status, shown, end, noise, self._bounds),
            }
        )

    def _keep(self, data: bytes | None, name: str) -> FileDigest | None:
        return self._blobs.put([data], name=name, limit=MAX_REPORT_BYTES) if data else None


class _Status(BaseModel):
    """``status.json`` as ``inside.py`` writes it. It comes out of a container that hostile files went into."""

    model_config = ConfigDict(strict=True)

    status: int | Literal["timeout"]
    seconds: float
    stderr: str
    tool: str


def _said(data: bytes) -> dict[str, Any]:
    """What the container says of itself, if it is in order; else nothing, which counts as failed."""
    try:
        whole = json.loads(data)
        cut = tuple(name for name in ("report.txt", "report.html") if whole.pop(name, False) is True)
        return {**_Status.model_validate(whole).model_dump(), **dict.fromkeys(cut, True)}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _outcome(status: dict[str, Any], text: str, end: Exit) -> str:
    if end.timed_out or status.get("status") == "timeout":
        return "timed-out"
    if status.get("status") not in {0, 1}:
        return "failed"
    return "truncated" if status.get("report.txt") or _CUT.search(text) else "complete"


def lacks(status: dict[str, Any], text: str, end: Exit, noise: str, bounds: Bounds) -> tuple[str, ...]:
    """What the report does not show, in words: killed, out of memory, cut off, helper programs not there."""
    words = []
    if end.timed_out or status.get("status") == "timeout":
        words.append(f"diffoscope was stopped after {bounds.seconds} s; what it had not written by then is missing")
    if end.out_of_memory:
        words.append(f"diffoscope needed more than {bounds.memory_bytes // 1024**2} MiB of memory and was stopped")
    if status.get("status") == 2 or not status:
        words.append(f"diffoscope failed: {(status.get('stderr') or noise or 'no message').strip()[-300:]}")
    if status.get("report.txt") or _CUT.search(text):
        words.append(f"the report is cut: longer parts than {MAX_REPORT_BYTES // 1024**2} MiB or 2000 lines a block")
    tools = sorted({one or two for one, two in _MISSING_TOOL.findall(text)})
    words += [f"the helper program {tool} is not in the container; its comparison is missing" for tool in tools]
    return tuple(words)


def sealed(html: bytes | None) -> bytes | None:
    """The page with a policy that lets it run and load nothing, whoever serves it; ``None`` if it has no head.

    The frame on our own page is sandboxed besides; this is for somebody who opens the file itself.
    """
    if html is None or html.count(b"<head>", 0, 4096) != 1:
        return None
    return html.replace(b"<head>", _POLICY, 1)


def _packed(blobs: Blobs, entries: tuple[tuple[str, FileDigest], ...]) -> Iterator[bytes]:
    """A tar stream of blobs as ``folder/name``."""
    for folder, file in entries:
        path = blobs.path(file.sha256)
        info = tarfile.TarInfo(f"{folder}/{file.name}")
        info.size = path.stat().st_size
        yield info.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
        yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _bounded_write(target: io.BytesIO) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        if target.tell() + len(data) <= 2 * MAX_REPORT_BYTES + CHUNK:
            target.write(data)

    return write


def _unpacked(answer: io.BytesIO) -> dict[str, bytes]:
    """The members we know by name, bounded; an answer that is cut off gives what came before."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=answer, mode="r|") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is not None and member.name in {"report.txt", "report.html", "status.json"}:
                    found[member.name] = stream.read(MAX_REPORT_BYTES)
    except tarfile.TarError:
        pass
    return found
