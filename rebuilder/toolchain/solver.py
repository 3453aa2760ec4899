"""Which packages a build needs: apt decides, inside the seed, from the signed lists and an empty system.

There is no resolver of ours here. What goes in are relations in Debian's own syntax (architecture and
profile restrictions included); what comes out is apt's list, looked up again in the signed indexes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rebuilder.errors import InfrastructureError, Stopped
from rebuilder.model import BuildKind, Verdict
from rebuilder.ports import Engine, Job
from rebuilder.toolchain.index import PackageLists
from rebuilder.toolchain.seed import PROGRAMS
from rebuilder.toolchain.tarstream import Member, tar

FOLDER = "/rebuilder"
_MAX_ANSWER_BYTES = 16 * 1024**2
_MAX_PROBLEMS = 50
_INSTALL = re.compile(r"Inst ([a-z0-9][a-z0-9+.-]+)(?::\S+)? \((\S+) .*\[(\S+)\]\)")
_BEGIN = re.compile(r"BEGIN ([a-z]+) ([0-9]+)$")


@dataclass(frozen=True)
class Chosen:
    """A package apt chose."""

    package: str
    version: str
    architecture: str


@dataclass(frozen=True)
class Extra:
    """A package that no signed list has, and the control paragraph read from its `.deb`."""

    paragraph: bytes
    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """What apt is asked."""

    lists: PackageLists
    relations: dict[BuildKind, tuple[str, ...]]
    #: Versions to take instead of the newest, by package.
    pins: dict[str, str]
    extras: tuple[Extra, ...]
    codename: str


def solve(engine: Engine, question: Question, *, seed_sha256: str, run_id: str) -> dict[BuildKind, tuple[Chosen, ...]]:
    """The packages of each kind of build, sorted by name.

    ``Stopped(unavailable)`` with apt's own words where relations cannot be met; ``InfrastructureError``
    where apt itself fails.
    """
    answer, log = bytearray(), bytearray()
    job = Job(
        purpose="solve",
        run_id=run_id,
        root_sha256=seed_sha256,
        argv=(f"{PROGRAMS}/feed", FOLDER, f"{PROGRAMS}/solve", FOLDER),
        environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        user="0:0",
        read_only=False,
        seconds=600,
    )
    ended = engine.run(
        job,
        stdin=tar(_members(question)),
        stdout=lambda data: _collect(answer, data),
        stderr=lambda data: _collect(log, data),
    )
    if ended.status != 0:
        msg = f"apt did not run to its end (status {ended.status}): {_tail(log)}"
        raise InfrastructureError(msg)
    return {kind: _chosen(kind, *frame) for kind, frame in _frames(answer.decode("utf-8", "replace"), question)}


def _members(question: Question) -> Iterator[Member]:
    sources: list[str] = []
    for number, packages in enumerate(question.lists.lists):
        suite = packages.index.suite
        yield from repository(f"lists/{number}", suite, packages.text)
        sources.append(f"deb [trusted=yes] file:{FOLDER}/lists/{number} {suite} main")
    if question.extras:
        yield from repository("lists/extra", question.codename, b"".join(map(stanza, question.extras)))
        sources.append(f"deb [trusted=yes] file:{FOLDER}/lists/extra {question.codename} main")
    yield Member.of("sources.list", "".join(line + "\n" for line in sources).encode())
    pins = (f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n" for name, version in question.pins.items())
    yield Member.of("preferences", "\n".join(pins).encode())
    yield Member.of("status", b"")
    for kind, relations in question.relations.items():
        yield Member.of(f"relations/{kind}", "".join(f"{_one_line(line)}\n" for line in relations).encode())


def repository(folder: str, suite: str, packages: bytes) -> Iterator[Member]:
    """A local archive of one list, with the `Release` that apt and mmdebstrap choose suites by."""
    name = "main/binary-amd64/Packages"
    digest = hashlib.sha256(packages).hexdigest()
    release = (
        f"Suite: {suite}\nCodename: {suite}\nComponents: main\nArchitectures: amd64\n"
        f"SHA256:\n {digest} {len(packages)} {name}\n"
    )
    yield Member.of(f"{folder}/dists/{suite}/Release", release.encode())
    yield Member.of(f"{folder}/dists/{suite}/{name}", packages)


def stanza(extra: Extra) -> bytes:
    """A paragraph of a `Packages` list."""
    place = f"Filename: {extra.path}\nSize: {extra.size}\nSHA256: {extra.sha256}\n\n"
    return extra.paragraph.strip(b"\n") + b"\n" + place.encode()


def _one_line(relation: str) -> str:
    return " ".join(relation.split())


def _frames(answer: str, question: Question) -> Iterator[tuple[BuildKind, tuple[int, list[str]]]]:
    lines = iter(answer.splitlines())
    left = set(question.relations)
    for line in lines:
        begin = _BEGIN.match(line)
        kind = next((kind for kind in left if begin and kind == begin[1]), None)
        if begin is None or kind is None:
            continue
        left.discard(kind)
        yield kind, (int(begin[2]), _until(lines, f"END {kind}"))
    if left:
        msg = f"apt gave no answer for {', '.join(sorted(left))}"
        raise InfrastructureError(msg)


def _until(lines: Iterable[str], end: str) -> list[str]:
    found: list[str] = []
    for line in lines:
        if line == end:
            return found
        found.append(line)
    msg = "apt's answer breaks off in the middle"
    raise InfrastructureError(msg)


def _chosen(kind: BuildKind, status: int, lines: list[str]) -> tuple[Chosen, ...]:
    if status:
        reason = f"the build dependencies (architecture {kind}) cannot be met from the signed indexes, says apt"
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=_problems(lines))
    matches = [match for line in lines if (match := _INSTALL.match(line))]
    return tuple(sorted((Chosen(*match.groups()) for match in matches), key=lambda chosen: chosen.package))


def _problems(lines: list[str]) -> tuple[str, ...]:
    """apt's own lines about what cannot be met; its closing error only where it says no more."""
    unmet = [line.strip().replace("satisfy:command-line :", "this build:") for line in lines if line.startswith(" ")]
    errors = list(dict.fromkeys(line for line in lines if line.startswith("E: ")))
    return tuple((unmet or errors)[:_MAX_PROBLEMS])


def _collect(buffer: bytearray, data: bytes) -> None:
    buffer += data
    if len(buffer) > _MAX_ANSWER_BYTES:
        msg = f"apt wrote more than {_MAX_ANSWER_BYTES} bytes"
        raise InfrastructureError(msg)


def _tail(log: bytearray) -> str:
    return log[-2000:].decode("utf-8", "replace").strip() or "it said nothing"
