"""Who says what of a package's files: signatures over them, signed lists of digests, and the index: pure but for the
bodies that are hashed.

Each judge takes the same ``Case`` and gives a ``Said``; attestations of an index (PEP 740, npm provenance) would be
one more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rebuilder import __version__
from rebuilder.endorse import answers, checksums, detached
from rebuilder.endorse.anchors import Anchor
from rebuilder.endorse.body import Body, Text
from rebuilder.endorse.checksums import Entry
from rebuilder.endorse.clearsign import BadFrame
from rebuilder.endorse.openpgp import judge
from rebuilder.endorse.papers import Desk, DigestList, Paper, signed_name
from rebuilder.model import EndorsementResult, FileDigest, SignatureCheck
from rebuilder.releases import Release

_VALID, _INVALID, _NO_KEY = EndorsementResult.VALID, EndorsementResult.INVALID, EndorsementResult.NO_KEY
_MISSING = EndorsementResult.MISSING


@dataclass(frozen=True, kw_only=True)
class Voice:
    """What one piece of evidence says of one artifact, in a line; of all of them where ``artifact`` is empty."""

    artifact: str
    result: EndorsementResult
    line: str
    #: It says no more than that the index has that file, as every index does of what it serves.
    expected: bool = False


@dataclass(kw_only=True)
class Said:
    """All that a judge found. ``notes`` are lines of the chain that speak for nobody."""

    voices: list[Voice] = field(default_factory=list)
    checks: list[SignatureCheck] = field(default_factory=list)
    evidence: list[SignatureCheck] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What there is to judge by. ``bodies`` are the published files by name, ``sources`` those of the source."""

    anchor: Anchor
    artifacts: tuple[FileDigest, ...]
    bodies: Mapping[str, Body]
    sources: Mapping[str, Body]
    desk: Desk
    release: Release | None
    #: The index's answer, byte for byte.
    answer: bytes | None


Judge = Callable[[Case], Said]


def signatures(case: Case) -> Said:
    """Detached signatures over the files themselves."""
    said = Said()
    digests = {file.name: file.sha256 for file in case.artifacts}
    for name, found in case.desk.signatures.items():
        for paper in found:
            if name in case.bodies:
                checks = _checks(paper, case.bodies[name], case.anchor, said)
                said.checks += checks
                over = f"{paper.called} over {name} (sha256 {digests[name]})"
                said.voices += [Voice(artifact=name, result=one.result, line=_line(over, one, case)) for one in checks]
            else:
                said.evidence += _checks(paper, case.sources[name], case.anchor, said)
    return said


def lists(case: Case) -> Said:
    """Lists of digests that are signed."""
    said = Said()
    for one in case.desk.lists:
        checks = _list_checks(one, case.anchor, said)
        said.checks += checks
        called = one.paper.called
        said.voices += [
            Voice(artifact="", result=check.result, line=_line(f"the signature on {called}", check, case))
            for check in checks if check.result is not _VALID
        ]  # fmt: skip
        signers = [check.fingerprint for check in checks if check.result is _VALID]
        if signers:
            said.notes.append(f"{called} is signed by pinned {', '.join(sorted(set(signers)))}")
            _follow(one, case, said)
        elif not checks:
            reason = "nobody signed this list, so that it vouches for nothing"
            said.checks.append(_plain("checksums", one.paper.file.name, reason))
            said.notes.append(f"{called} vouches for nothing: nobody signed it")
    return said


def index(case: Case) -> Said:
    """The index itself, which signs nothing; the weakest that there is, and never more than ``missing``. It has a check
    of its own only where it names every file as the recipe does; what else it says, the lines say."""
    said = Said()
    if case.release is None or case.answer is None:
        said.notes.append("no answer of an index is kept with this: nobody but the recipe names these digests")
        return said
    try:
        found = answers.entries(case.answer, case.release)
    except answers.BadAnswer as fault:
        said.notes.append(f"the saved answer of the index (sha256 {case.release.answer.sha256}) is of no use: {fault}")
        return said
    rows = [_indexed(file, case.bodies[file.name], found) for file in case.artifacts]
    said.voices = [voice for _, voice in rows]
    if all(agrees for agrees, _ in rows):
        name = f"{case.release.system} {case.release.name} {case.release.version}"
        said.checks.append(_plain("index", name, "; ".join(voice.line for voice in said.voices)))
    return said


#: All of them, strongest first.
JUDGES: tuple[Judge, ...] = (signatures, lists, index)


# --- signatures -------------------------------------------------------------------------------------


def _checks(paper: Paper, body: Body, anchor: Anchor, said: Said) -> list[SignatureCheck]:
    try:
        return list(detached.judge(paper.data, body, anchor, subject=paper.file.name))
    except BadFrame as fault:
        said.notes.append(f"{paper.called} is put aside: {fault}")
        return []


def _line(what: str, check: SignatureCheck, case: Case) -> str:
    if check.result is _VALID:
        return f"{what}: {check.scheme} signature by pinned {check.fingerprint}"
    if check.result is _NO_KEY:
        pinned = f"anchor {case.anchor.name} pins {', '.join(case.anchor.expected) or 'no key'}"
        return f"{what}: {check.scheme} signature that does not count: {check.reason}; {pinned}"
    return f"{what}: bad {check.scheme} signature: {check.reason}"


def _list_checks(one: DigestList, anchor: Anchor, said: Said) -> list[SignatureCheck]:
    if one.message is None:
        body = Text(one.paper.data)
        return [check for paper in one.signatures for check in _checks(paper, body, anchor, said)]
    try:
        judged = judge(one.message, (anchor.keyring,))
    except BadFrame as fault:
        said.notes.append(f"{one.paper.called} is put aside: {fault}")
        return []
    return [detached.openpgp_check(found, one.paper.file.name) for found in judged]


# --- lists ------------------------------------------------------------------------------------------


def _follow(one: DigestList, case: Case, said: Said) -> None:
    """What a list says that a pinned key signed: only now is it read."""
    name = one.paper.file.name
    text = one.paper.data if one.message is None else one.message.text
    try:
        read = checksums.read(text, name if one.message is None else signed_name(name) or name)
        voices = [voice for file in case.artifacts for voice in _listed(file, case.bodies[file.name], read, name)]
    except checksums.BadList as fault:
        said.checks.append(_plain("checksums", name, f"signed, but of no use: {fault}"))
        said.notes.append(f"{one.paper.called} is signed, but of no use: {fault}")
        return
    said.voices += voices
    results = [voice.result for voice in voices]
    result = _INVALID if _INVALID in results else _VALID if _VALID in results else _MISSING
    reason = "; ".join(voice.line for voice in voices) or "it names none of these files"
    said.checks.append(_plain("checksums", name, reason, result))


def _listed(file: FileDigest, body: Body, read: tuple[Entry, ...], name: str) -> Iterator[Voice]:
    found = checksums.named(read, file.name)
    strong = [entry for entry in found if entry.counts]
    if found and not strong:
        weak = ", ".join(sorted({entry.algorithm for entry in found}))
        line = f"{name} names {file.name} by {weak} only, which vouches for nothing"
        yield Voice(artifact=file.name, result=_MISSING, line=line)
    for entry in strong:
        own = body.digest(entry.algorithm).hex()
        if own == entry.digest:
            line = f"{name} names {file.name} with {entry.algorithm} {own}"
            yield Voice(artifact=file.name, result=_VALID, line=line)
        else:
            line = f"{name} names {file.name} with {entry.algorithm} {entry.digest}: expected {own}, that of the file"
            yield Voice(artifact=file.name, result=_INVALID, line=line)


# --- the index --------------------------------------------------------------------------------------


def _indexed(file: FileDigest, body: Body, found: Iterable[Entry]) -> tuple[bool, Voice]:
    """Whether the index names the digest that the recipe pins, and the words for it."""
    mine = [entry for entry in found if entry.name == file.name]
    strong = [(entry, body.digest(entry.algorithm).hex()) for entry in mine if entry.counts]
    others = [(entry, own) for entry, own in strong if entry.digest != own]
    if not strong:
        how = "names no digest of it that counts" if mine else "does not name it"
        line = f"the saved answer of the index {how}; sha256 {file.sha256} is the recipe's word alone"
    elif others:
        entry, own = others[0]
        line = (
            f"the recipe pins sha256 {file.sha256}, and the saved answer of the index says {entry.algorithm} "
            f"{entry.digest} where that file has {own}: one of the two was changed"
        )
    else:
        named = ", ".join(dict.fromkeys(f"{entry.algorithm} {own}" for entry, own in strong))
        line = (
            f"the index itself names its {named}, the weakest there is: it signs nothing, and whoever can put another "
            "file there can put its digest there too"
        )
    agrees = bool(strong) and not others
    return agrees, Voice(artifact=file.name, result=_MISSING, line=f"{file.name}: {line}", expected=agrees)


def _plain(
    scheme: str, subject: str, reason: str, result: EndorsementResult = EndorsementResult.MISSING
) -> SignatureCheck:
    return SignatureCheck.model_validate(
        {"scheme": scheme, "subject": subject, "result": result, "tool": f"rebuilder {__version__}", "reason": reason}
    )
