"""The words for verdicts, origins and faults, said once for pages and terminal alike. Pure.

The sentences follow design section 3. They hold untrusted names as they came: the caller cleans them.
"""

from __future__ import annotations

from rebuilder import veto
from rebuilder.model import (
    ArtifactComparison,
    Attempt,
    EndorsementResult,
    FailureReason,
    FileDigest,
    Origin,
    Record,
    SourceKind,
    Verdict,
)
from rebuilder.report import signature_words

VERDICT_MEANING = {
    Verdict.REPRODUCED: "Every byte of our rebuild is equal to the published file.",
    Verdict.EQUIVALENT: "Equal only after the named normalisers; not byte for byte.",
    Verdict.DIFFERENT: "Our rebuilds agree with each other, on bytes the published file does not have.",
    Verdict.FLAKY: "Our own rebuilds differ from each other where they differ from the published file.",
    Verdict.BUILD_FAILED: "The build did not give the file.",
    Verdict.REFUSED: "The publisher's own signature is bad, by a key we do not pin, or contradicts the recipe.",
    Verdict.UNAVAILABLE: "Something the rebuild needs cannot be had.",
}
ORIGIN_MEANING = {
    Origin.DECLARED: "the publisher says so",
    Origin.PINNED: "our recipe names it, by digest",
    Origin.ASSUMED: "nobody says; a default or today's suite was taken",
    Origin.RECOVERED: "read off the published file",
    Origin.INFERRED: "a guess, with evidence",
}
SOURCE_PHRASE = {
    SourceKind.GIT_COMMIT: "from the git commit",
    SourceKind.SIGNED_DSC: "from the signed .dsc",
    SourceKind.RELEASE_TARBALL: "from the release tarball (which is not the commit)",
    SourceKind.LOCAL_TREE: "from a local folder",
    SourceKind.SDIST: "from the sdist (which is not the commit)",
}
FAILURE_PHRASE = {
    FailureReason.EXIT_STATUS: "the build command ended with an error",
    FailureReason.MISSING_OUTPUT: "the build ended well but did not make the file",
    FailureReason.TIME_LIMIT: "it hit the time limit",
    FailureReason.MEMORY_LIMIT: "it hit the memory limit",
    FailureReason.DISK_LIMIT: "it filled its disk",
    FailureReason.PROCESS_LIMIT: "it hit the limit on processes",
    FailureReason.LOG_LIMIT: "it wrote more log than allowed",
    FailureReason.OUTPUT_LIMIT: "it made more output than allowed",
    FailureReason.BAD_SOURCE: "the source could not be unpacked safely",
}
_TOOLS = (
    "Another version of a compiler or packaging tool is the usual cause. To get an answer that counts, "
    "rebuild with the toolchain the publisher recorded."
)
_FOREIGN = (
    "Some of its content is not from the declared source, as is listed first. Another toolchain is not the usual "
    "reason for that; a folder with changes in it, or another commit, is."
)
_INPUT_PHRASE = {
    "changelog": "binNMU changelog",
    "epoch": "SOURCE_DATE_EPOCH",
    "times": "file times",
    "owners": "file owners",
    "path": "build path",
    "toolchain": "package versions",
}
_INPUT_NAME = {"path": "build path"}


def subject(record: Record) -> str:
    """Name and version in short, or the target where nothing was resolved."""
    found = record.published
    return f"{found.source_name} {found.source_version}" if found else record.target


def named(record: Record) -> tuple[ArtifactComparison, ...]:
    """The artifacts that the target named; all of them where it named none."""
    every = record.comparison.artifacts if record.comparison else ()
    return tuple(one for one in every if one.named) or every


def attempt_label(attempt: Attempt) -> str:
    """Which rebuild it was, and of which kind of packages (`any`: a machine's own, `all`: for every machine)."""
    return f"rebuild {attempt.number}" + ("" if attempt.build == "generic" else f" ({attempt.build})")


def rebuilt_files(record: Record, one: ArtifactComparison) -> list[tuple[str, FileDigest | None]]:
    """What each attempt of the artifact's own kind of build made of it, with a label."""
    kind = {file.file.name: file.build for file in record.published.artifacts} if record.published else {}
    attempts = record.built.attempts if record.built else ()
    labels = [attempt_label(attempt) for attempt in attempts if attempt.build == kind.get(one.artifact)]
    if len(labels) != len(one.rebuilt):
        labels = [f"rebuild {number}" for number in range(1, len(one.rebuilt) + 1)]
    return list(zip(labels, one.rebuilt, strict=True))


#: More inputs than that are counted in the headline and named once.
_FEW_INPUTS = 2


def needed(record: Record) -> list[str]:
    """Inputs that had to be read off the published file or guessed, in words."""
    low = {Origin.RECOVERED, Origin.INFERRED}
    return [
        _INPUT_PHRASE.get(one.name, one.name) + (" (inferred)" if one.origin is Origin.INFERRED else "")
        for one in record.inputs
        if one.origin in low
    ]


def _known_how(needed_input: str) -> str:
    """How an input of ``needed`` became known."""
    inferred = needed_input.endswith(" (inferred)")
    return "it was inferred" if inferred else "it was read off the published file"


def _with_needed(record: Record) -> str:
    """What of the inputs is weak, for the headline: each with its own word where there are few."""
    found = needed(record)
    if len(found) <= _FEW_INPUTS:
        return f", using recovered input ({', '.join(found)})" if found else ""
    names = ", ".join(one.removesuffix(" (inferred)") for one in found)
    return f", using inputs that were inferred or read off the published files ({names})"


def failures(record: Record) -> list[str]:
    """Why attempts failed, in words, each reason once."""
    attempts = record.built.attempts if record.built else ()
    return list(dict.fromkeys(FAILURE_PHRASE[one.failure] for one in attempts if one.failure))


def undeclared(record: Record) -> list[str]:
    """What a difference lacks to count against the publisher, in words: inputs by origin, then the packages."""
    lacks = veto.lacks(record)
    groups: dict[Origin | None, list[str]] = {}
    for name, origin in lacks.undeclared:
        groups.setdefault(origin, []).append(_INPUT_NAME.get(name, name))
    found = [
        f"the {' and the '.join(names)} {'is' if len(names) == 1 else 'are'} {origin.value} ({ORIGIN_MEANING[origin]})"
        if origin
        else f"nothing is recorded about the {' and the '.join(names)}"
        for origin, names in groups.items()
    ]
    if lacks.relocked and "toolchain" not in dict(lacks.undeclared):
        found.append("the recorded toolchain was set aside for a new one")
    if lacks.unsigned:
        found.append(_unsigned(lacks.unsigned))
    return found


def _unsigned(packages: tuple[str, ...]) -> str:
    return several(len(packages), "toolchain package is", "toolchain packages are") + " in no signed index"


def several(count: int, one: str, many: str) -> str:
    """A count with the right form of its noun."""
    return f"{count:,} {one if count == 1 else many}"


def _count(record: Record, verdict: Verdict) -> str:
    files = named(record)
    if len(files) == 1:
        return files[0].artifact
    hit = sum(one.verdict is verdict for one in files)
    part = f"all {hit}" if hit == len(files) else f"{hit} of the {len(files)}"
    return f"{part} published files of {subject(record)}"


def headline(record: Record) -> str:
    """The verdict as one sentence, with the kind of source and whatever weakens it."""
    origin = SOURCE_PHRASE[record.source.kind] if record.source else "from its source"
    what = _count(record, record.verdict) if named(record) else subject(record)
    extra = _with_needed(record)
    if record.endorsement and record.endorsement.result is EndorsementResult.MISSING:
        extra += f"; {signature_words.nobody(record)}"
    why = failures(record)
    sentences = {
        Verdict.REPRODUCED: f"Rebuilt {origin}, {what} came out equal to what was published, byte for byte{extra}.",
        Verdict.EQUIVALENT: f"Rebuilt {origin}, {what} came out equal only after the named normalisers{extra}.",
        Verdict.DIFFERENT: f"Rebuilt {origin}, {what} came out with other bytes than were published{extra}.",
        Verdict.FLAKY: f"Rebuilt {origin} more than once, {what} did not come out the same each time{extra}.",
        Verdict.BUILD_FAILED: f"{what} could not be rebuilt {origin}" + (f": {why[0]}." if why else "."),
        Verdict.REFUSED: f"{what} is refused: the publisher's own signature was not accepted. Nothing was built.",
        Verdict.UNAVAILABLE: f"{what} could not be rebuilt: something it needs cannot be had.",
    }
    return sentences[record.verdict]


def _toolchain_words(record: Record) -> str:
    origin = record.toolchain.origin if record.toolchain else None
    found = next((one for one in record.inputs if one.name == "toolchain"), None)
    origin = found.origin if found else origin
    if origin is None:
        return ""
    suite = record.toolchain.suite if record.toolchain else record.published.suite if record.published else ""
    assumed = f"today's suite ({suite})" if suite else "today's suite"
    if record.toolchain and record.toolchain.packed:
        assumed = f"that of a pack given by hand ({suite})"
    detail = {
        Origin.DECLARED: "by the publisher",
        Origin.PINNED: "by the recipe's lock",
        Origin.ASSUMED: assumed,
        Origin.RECOVERED: "versions read off the published file",
        Origin.INFERRED: "versions guessed, with evidence",
    }[origin]
    joint = " " if origin in {Origin.DECLARED, Origin.PINNED} else ": "
    return f"toolchain {origin.value}{joint}{detail}"


def qualifiers(record: Record) -> list[str]:
    """Short remarks that belong beside the headline, because each changes what it is worth."""
    remarks = [_toolchain_words(record)]
    few = needed(record)
    many = [f"needed {len(few)} inputs that were recovered or inferred"] if len(few) > _FEW_INPUTS else []
    remarks += many or [f"needed recovered input: {one}" for one in few]
    if record.search:
        remarks.append(f"inputs searched for by {several(len(record.search), 'rebuild', 'rebuilds')}")
    if record.endorsement and record.endorsement.result is not EndorsementResult.VALID:
        remarks.append(f"endorsement {record.endorsement.result.value}: {record.endorsement.reason}")
    if record.comparison and record.comparison.self_input:
        remarks.append("self-input: published bytes occur among the build's own inputs")
    if record.comparison and record.comparison.unsearched:
        count = several(len(record.comparison.unsearched), "file", "files")
        remarks.append(f"{count} could not be looked through for published bytes")
    if record.toolchain and record.toolchain.relocked:
        remarks.append("relocked: any recorded toolchain was set aside on request, and a new lock was made")
    if record.toolchain and record.toolchain.unsigned:
        remarks.append(_unsigned(record.toolchain.unsigned))
    every = record.comparison.artifacts if record.comparison else ()
    rest = [one for one in every if one not in named(record) and one.verdict is not Verdict.REPRODUCED]
    if rest:
        remarks.append(several(len(rest), "other file", "other files") + " of the same source did not come out equal")
    return [one for one in remarks if one]


def _difference(record: Record) -> list[str]:
    open_points = undeclared(record)
    if open_points:
        return [
            f"This difference proves nothing against the publisher, because {'; '.join(open_points)}.",
            _FOREIGN if any(one.member for one in record.explanation.undeclared) else _TOOLS,
        ]
    return [
        "The publisher declared source, toolchain, environment and build path, and our rebuilds with exactly these "
        "agree with each other. So the published bytes are not what the declared inputs give: this counts against "
        "the publisher. Either the file was made from something else, or the declaration is wrong. "
        "It does not show intent."
    ]


def fault(record: Record) -> list[str]:
    """Whose fault it is, as paragraphs of plain language."""
    why = f": {'; '.join(failures(record))}." if failures(record) else "."
    table = {
        Verdict.REPRODUCED: ["There is no difference, so there is no fault to find."],
        Verdict.EQUIVALENT: [
            "What is left after the named normalisers is equal. What they removed was different, and is listed."
        ],
        Verdict.DIFFERENT: _difference(record),
        Verdict.FLAKY: [
            "This proves nothing against the publisher. The build gives other bytes each time it runs here, "
            "so no rebuild could be expected to match. The cause lies in the build itself."
        ],
        Verdict.BUILD_FAILED: [
            f"This proves nothing against the publisher. Our build did not get as far as a file to compare{why} "
            "The cause may be the source, the toolchain or our limits; the log says more."
        ],
        Verdict.REFUSED: [
            "The publisher's own evidence was not accepted, so nothing was built. " + record.reason,
            "That can be tampering on the way to us, a key we do not pin, or a mistake of the publisher's. "
            "Until it is cleared up, do not trust this file.",
        ],
        Verdict.UNAVAILABLE: [
            "Nobody's, as far as this run can tell. Without the missing pieces nothing was compared, "
            "and nothing is said about the published file."
        ],
    }
    return table[record.verdict]


def not_proved(record: Record) -> list[str]:
    """What a reader might take this result to prove, and it does not."""
    points = []
    if record.verdict in {Verdict.REPRODUCED, Verdict.EQUIVALENT}:
        points += [
            "That the source is free of faults or back doors. It shows that file and source belong together.",
            "That the toolchain is honest. Its packages were checked by digest, not rebuilt here.",
        ]
    elif record.verdict is Verdict.DIFFERENT:
        points.append("That the difference is harmful, or harmless. It only says that the bytes are not the same.")
    else:
        points.append("Anything about the content of the published file: it was neither confirmed nor contradicted.")
    points += [f"That the publisher used the same {one}: {_known_how(one)}." for one in needed(record)]
    if record.source and record.source.kind is SourceKind.SIGNED_DSC:
        points.append("That the .dsc holds what the upstream authors published; that is another check.")
    if record.source and record.source.kind is SourceKind.RELEASE_TARBALL:
        points.append("That the tarball is what the project's repository holds.")
    if record.source and record.source.kind is SourceKind.SDIST:
        points.append("That the sdist is what the project's repository holds: it is a file that the publisher made.")
    if record.comparison and record.comparison.self_input:
        points.append("That the parts found among the inputs were built at all: they may have been copied.")
    if record.comparison and record.comparison.unsearched:
        points.append("That no published bytes lie in the files that could not be looked through.")
    if record.built:
        points.append("That this build took place as recorded. For that you rely on the organisation that signs.")
    points.append("When it happened. The times are our own clock's; nobody else has confirmed them.")
    return points
