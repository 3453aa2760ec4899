"""What `verify-bundle` prints: who says what about which digest, on what grounds, and what that leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rebuilder.attest.uris import LEVEL_RECOVERED
from rebuilder.model import Verdict

if TYPE_CHECKING:
    from rebuilder.attest.verify import Report, Stated, Wanted

_LEAVES_OPEN = (
    "that the source is harmless, or the compiler: both were taken as they are",
    "that the build took place as told: that rests on the word of whoever signed",
    "when it was signed: the times are the signer's own",
)


def in_words(report: Report, bundle: str) -> list[str]:
    """Lines to print, not yet cleaned of control characters."""
    lines = [_headline(report, bundle)]
    shown = [one for _, one in report.checked] or [one for one in report.statements if one.claim.verdict is not None]
    files = {id(one): file for file, one in report.checked}
    for one in shown:
        lines += ["", *_about(one, files.get(id(one)), report)]
    rest = [one for one in report.statements if one.claim.verdict is not None and one not in shown]
    if rest:
        lines += ["", "Also in this bundle, not held against a file of yours"]
        lines += [f"  {one.claim.verdict}: {one.claim.subject}  sha256 {one.claim.subject_sha256}" for one in rest]
    lines += ["", "What this does not prove", *(f"  - {text}" for text in _LEAVES_OPEN)]
    return lines + [f"  note: {note}" for note in report.notes]


def _headline(report: Report, bundle: str) -> str:
    count = len(report.statements)
    hold = f"the signature in {bundle} holds" if count == 1 else f"all {count} signatures in {bundle} hold"
    if report.verdict is None:
        return (
            f"not enough: {hold}, but no file was held against"
            f" {'it' if count == 1 else 'them'}. Give the published FILE, or its digest with --sha256."
        )
    but = dict.fromkeys(text for _, one in report.checked for text in _qualifiers(one))
    return f"{report.verdict}: {hold}; {'; but '.join((_meaning(report.verdict), *but))}."


def _meaning(verdict: Verdict) -> str:
    match verdict:
        case Verdict.REPRODUCED:
            return "every byte of the published file was built again from its source"
        case Verdict.EQUIVALENT:
            return "the rebuilt file is equal only after the normalisers of its level: that is less than reproduced"
        case Verdict.DIFFERENT:
            return "the rebuilds agree on bytes that the published file does not have"
        case Verdict.FLAKY:
            return "the rebuilds differ from each other, so they say nothing about the published file"
        case Verdict.BUILD_FAILED:
            return "the build gave no file to compare"
        case Verdict.REFUSED:
            return "the publisher's own signature was bad or not pinned, and nothing was built"
        case Verdict.UNAVAILABLE:
            return "something needed for the rebuild could not be had"
        case _:
            assert_never(verdict)


def _about(one: Stated, file: Wanted | None, report: Report) -> list[str]:
    claim = one.claim
    same = f" ({file.name} has this digest)" if file is not None else ""
    lines = [
        f"{claim.verdict}: {claim.subject}",
        f"  about         sha256 {claim.subject_sha256}{same}",
        f"  published as  {claim.resource_uri}",
        f"  said by       {one.pin.organisation}, as {one.pin.id}, at {claim.time}",
        f"  with key      {one.pin.key.spki_sha256}, which you pinned for verdicts",
    ]
    if claim.level:
        lines.append(f"  level         {claim.level}")
    if claim.reason:
        lines.append(f"  reason        {claim.reason}")
    lines += [f"  rebuilt       sha256 {digest}" for digest in dict.fromkeys(claim.rebuilt)]
    for each in report.statements:
        if each.sha256 in claim.rests_on:
            key = each.pin.key.spki_sha256
            lines.append(f"  rests on      provenance by {each.pin.id} (line {each.line}, key {key})")
    lines.append(f"  endorsement   {claim.endorsement}{''.join('; ' + text for text in claim.signers)}")
    lines.append(f"  source        {claim.source_kind}")
    lines.append(f"  inputs        {', '.join(f'{name} {origin}' for name, origin in claim.inputs) or 'none recorded'}")
    return lines + [f"  beware        {text}" for text in _warnings(one)]


def _qualifiers(one: Stated) -> list[str]:
    """What belongs in the headline itself, lest the verdict be taken for more than it is."""
    claim, found = one.claim, []
    if claim.level == LEVEL_RECOVERED:
        found.append("an input was recovered from the published file or inferred, so this is a lower level")
    if claim.source_kind in {"release-tarball", "local-tree", "sdist"}:
        found.append(f"the source is a {claim.source_kind}, not a commit or a signed source package")
    if claim.endorsement != "valid":
        found.append(f"the publisher's signature on the file is {claim.endorsement}")
    if claim.self_input:
        found.append("the file, or part of it, was itself among the inputs of the build")
    if claim.unsigned:
        count = len(claim.unsigned)
        found.append(f"{count} toolchain package{' is' if count == 1 else 's are'} in no signed list")
    if claim.relocked:
        found.append("the recorded toolchain was set aside for a new one")
    return found


def _warnings(one: Stated) -> list[str]:
    claim, warnings = one.claim, _qualifiers(one)
    if claim.unsigned:
        warnings.append(f"in no signed list: {', '.join(claim.unsigned)}")
    if claim.unsearched:
        warnings.append(f"not looked through for bytes of the file: {', '.join(claim.unsearched)}")
    if claim.kind == "outcome":
        warnings.append("this outcome is no vote: it proves nothing against the publisher")
    return warnings
