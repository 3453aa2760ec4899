"""What the sections of a run's page hold, worked out before any HTML. Pure; text stays as it came."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rebuilder.lock import ToolchainLock
from rebuilder.model import ArtifactComparison, Attempt, FileDigest, Origin, Record, SourceKind, Verdict
from rebuilder.report import cause_words, signature_words, undeclared_words, words
from rebuilder.report.text import duration, size


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question an outsider asks, the answer in a sentence, and the section that has more."""

    question: str
    answer: str
    section: str
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class ArtifactRow:
    """One published file and what each rebuild made in its place."""

    name: str
    named: bool
    verdict: Verdict
    reason: str
    published: FileDigest
    rebuilt: tuple[tuple[str, FileDigest | None, bool], ...]
    normalisers: tuple[str, ...]
    first_difference: int | None


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One bar of the timeline; ``left`` and ``width`` are percent of the whole run."""

    stage: str
    at: str
    took: str
    detail: str
    left: float
    width: float


def _what_differs(record: Record) -> str:
    if record.comparison is None:
        return "Unknown. Nothing was compared."
    every = record.comparison.artifacts
    off = [one for one in every if one.verdict not in {Verdict.REPRODUCED, Verdict.EQUIVALENT}]
    if not off:
        equal = all(one.verdict is Verdict.REPRODUCED for one in every)
        return "Nothing. Every byte is equal." if equal else "Only what the named normalisers removed."
    names = ", ".join(f"{one.artifact} ({one.verdict.value})" for one in off[:4])
    more = f" and {len(off) - 4} more" if len(off) > 4 else ""
    return f"{len(off)} of {len(every)} {'file' if len(every) == 1 else 'files'}: {names}{more}."


def _why(record: Record) -> list[Answer]:
    """The weightiest cause of each artifact, in short; no answer where nothing was looked into."""
    found = record.explanation.artifacts
    if not found:
        return []
    first = list(dict.fromkeys(f"{cause.title} ({cause.confidence})" for one in found for cause in one.causes[:1]))
    open_ones = sum(len(one.unexplained) for one in found)
    total = sum(cause_words.counted(one) for one in found)
    more = f" and {len(first) - 3} more causes" if len(first) > 3 else ""
    parts = [f"{'; '.join(first[:3])}{more}."] if first else []
    if open_ones:
        parts.append(cause_words.unexplained(open_ones, total))
    drift = [cause_words.drifted(one.drift[0]) for one in found if one.drift]
    parts += [f"First look at the tools: {drift[0]}."] if drift else []
    answer = " ".join(parts) or "Nothing is known of it."
    return [Answer(question="Why does it differ?", answer=answer, section="causes")]


def _foreign(record: Record) -> list[Answer]:
    """Whether all content is from the source; no answer where nothing else was found."""
    found = undeclared_words.headline(record)
    question = "Is its content from the declared source?"
    return [Answer(question=question, answer=f"Not all of it: {found}.", section="undeclared")] if found else []


def _toolchain(record: Record, lock: ToolchainLock | None) -> str:
    if record.toolchain is None:
        return "None was set up."
    count = len(lock.packages) if lock else max((one.packages for one in record.toolchain.roots), default=0)
    suite = "the one of a pack given by hand" if record.toolchain.packed else "today's suite"
    source = {
        Origin.DECLARED: "recorded by the publisher",
        Origin.PINNED: "pinned by the recipe's lock",
        Origin.ASSUMED: f"assumed: the publisher's own is not known, {suite} was taken",
        Origin.RECOVERED: "read off the published file",
        Origin.INFERRED: "guessed, with evidence",
    }[record.toolchain.origin]
    return f"{count} Debian packages of {record.toolchain.suite}, {source}."


def _signed_by(record: Record) -> str:
    found = record.endorsement
    if found is None:
        return "Not checked; the run ended before."
    anchor = f" Trust anchor: {found.anchor}." if found.anchor else ""
    return f"{signature_words.phrase(record)}{anchor}"


def _blame(record: Record) -> str:
    against = "Yes, it counts against them: they declared every input that decides, and these give other bytes."
    answers = {
        Verdict.REPRODUCED: "No. There is no difference.",
        Verdict.EQUIVALENT: "No. What is left is equal.",
        Verdict.DIFFERENT: against
        if not words.undeclared(record)
        else f"Not shown: {'; '.join(words.undeclared(record))}.",
        Verdict.FLAKY: "Not shown: the build gives other bytes each time it runs here.",
        Verdict.BUILD_FAILED: "Not shown: our build made no file to compare.",
        Verdict.REFUSED: "Open. Their signature was not accepted; they or someone on the way may have caused it.",
        Verdict.UNAVAILABLE: "Not shown: nothing was compared.",
    }
    return answers[record.verdict]


def _source(record: Record) -> Answer:
    question = "From which source?"
    if record.source is None:
        return Answer(question=question, answer="The source was not fetched.", section="source")
    kind = words.SOURCE_PHRASE[record.source.kind].removeprefix("from ")
    commit = next((one.value for one in record.inputs if one.name == "commit"), "")
    if commit and record.source.kind is SourceKind.GIT_COMMIT:
        return Answer(question=question, answer=f"{record.source.name} {record.source.version}, commit {commit}.",
                      section="source")  # fmt: skip
    answer = f"{record.source.name} {record.source.version}, {kind}."
    return Answer(question=question, answer=answer, section="source", digest=record.source.files[0].sha256)


def _signature(record: Record) -> Answer:
    checks = record.endorsement.checks if record.endorsement else ()
    key = next((one.fingerprint for one in checks if one.fingerprint), "")
    answer = _signed_by(record)
    return Answer(question="Who signed the original?", answer=answer, section="endorsement", digest=key)


def glance(record: Record, lock: ToolchainLock | None) -> list[Answer]:
    """The questions an outsider must be able to answer in two minutes: eight, and where something differs, what of it
    is from elsewhere, and why."""
    named = words.named(record)
    what = named[0].artifact if len(named) == 1 else words.subject(record)
    suite = f", published in {record.published.suite}" if record.published and record.published.suite else ""
    who = f"{record.signer.organisation}, with its own key." if record.signer else "Nobody: this run is not signed."
    how = "With one command, offline." if record.signer else "Only by rebuilding it: there is no signed bundle."
    return [
        Answer(question="What was rebuilt?", answer=f"{what}{suite}.", section="compared"),
        _source(record),
        Answer(question="With which toolchain?", answer=_toolchain(record, lock), section="toolchain"),
        _signature(record),
        Answer(question="What differs?", answer=_what_differs(record), section="compared"),
        *_foreign(record),
        *_why(record),
        Answer(question="Is that the publisher's fault?", answer=_blame(record), section="fault"),
        Answer(question="Who says so?", answer=who, section="who"),
        Answer(question="How do I check?", answer=how, section="check"),
    ]


def artifacts(record: Record) -> list[ArtifactRow]:
    """Every published file that was compared, those the target named first."""
    every = record.comparison.artifacts if record.comparison else ()
    return [
        ArtifactRow(
            name=one.artifact,
            named=one.named,
            verdict=one.verdict,
            reason=one.reason,
            published=one.published,
            rebuilt=tuple(
                (label, file, file is not None and file.sha256 == one.published.sha256)
                for label, file in words.rebuilt_files(record, one)
            ),
            normalisers=one.normalisers,
            first_difference=one.first_difference,
        )
        for one in sorted(every, key=lambda one: not one.named)
    ]


def stages(record: Record) -> list[StageRow]:
    """The timeline in order of start. A bar is at least half a percent wide, so that it can be seen."""
    if not record.timeline:
        return []
    first = min(one.started for one in record.timeline)
    starts = [(one.started - first).total_seconds() for one in record.timeline]
    whole = max([at + one.seconds for at, one in zip(starts, record.timeline, strict=True)] + [0.001])
    rows = []
    for at, one in sorted(zip(starts, record.timeline, strict=True), key=lambda pair: pair[0]):
        width = max(0.5, 100 * max(one.seconds, 0) / whole)
        left = min(100 * at / whole, 99.5)
        rows.append(
            StageRow(
                stage=one.stage,
                at=duration(at),
                took=duration(one.seconds),
                detail=one.detail,
                left=round(left, 2),
                width=round(min(width, 100 - left), 2),
            )
        )
    return rows


def _caps(attempt: Attempt) -> tuple[tuple[str, str], ...]:
    caps = attempt.limits
    return (
        ("time", duration(caps.seconds)),
        ("memory", size(caps.memory_bytes)),
        ("processors", f"{caps.cpus:g}"),
        ("processes", f"{caps.pids:,}"),
        ("disk", size(caps.disk_bytes)),
        ("log", size(caps.log_bytes)),
        ("outputs", size(caps.output_bytes)),
        ("network", "none"),
        ("engine", attempt.engine),
    )


def limits(record: Record) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Caps of the build containers: each distinct set once, with the attempts it held for."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for one in record.built.attempts if record.built else ():
        groups.setdefault(_caps(one), []).append(words.attempt_label(one))
    return [(", ".join(labels), caps) for caps, labels in groups.items()]


def _by_hand(bundle: str, digest: str) -> str:
    return "\n".join(
        [
            f"head -n 1 -- {shlex.quote(bundle)} > envelope.json    # one line is one statement",
            """sed -E 's/.*"payload": ?"([^"]*)".*/\\1/' envelope.json | base64 -d > payload.json""",
            """sed -E 's/.*"sig": ?"([^"]*)".*/\\1/' envelope.json | base64 -d > signature.bin""",
            "printf 'DSSEv1 28 application/vnd.in-toto+json %d ' $(($(wc -c < payload.json))) > signed.bin",
            "cat payload.json >> signed.bin",
            "openssl pkey -pubin -in KEY.pem -outform DER | sha256sum    # must be the key fingerprint you trust",
            "openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in signed.bin -sigfile signature.bin",
            f"grep -o {digest or 'DIGEST'} payload.json    # the digest this page is about",
        ]
    )


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Command lines that check the evidence offline: the file's hash, our own tool, OpenSSL. Empty: not possible."""

    file: str = ""
    tool: str = ""
    openssl: str = ""


def _subjects(bundle: str, record: Record) -> list[ArtifactComparison]:
    """The artifacts a bundle is about: the one in its name, else every named one."""
    compared = record.comparison.artifacts if record.comparison else ()
    own = [one for one in compared if bundle == f"{one.artifact}.intoto.jsonl"]
    return own or list(words.named(record))


def checks(bundles: tuple[str, ...], record: Record, given: tuple[str, ...]) -> Checks:
    """How to check a run by hand. ``given`` lines stand in place of ours; names are quoted for a POSIX shell."""
    ours = [
        f"rebuilder verify-bundle {shlex.quote(bundle)} {shlex.quote(name)}"
        for bundle in bundles
        for name in [one.artifact for one in _subjects(bundle, record)] or ["FILE"]
    ]
    digests = [one.published.sha256 for one in _subjects(bundles[0], record)] if bundles else []
    return Checks(
        file="\n".join(
            f"sha256sum -- {shlex.quote(one.artifact)}    # {one.published.sha256}" for one in words.named(record)
        ),
        tool="\n".join(given or ours),
        openssl=_by_hand(bundles[0], digests[0] if digests else "") if bundles else "",
    )
