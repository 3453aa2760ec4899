"""The last look before a signature: hash both files again, judge again, and believe neither if they differ.

A signer can't know that the build took place. It can know that the files it speaks about are the files
it has, and that the verdict follows from them.
"""

from __future__ import annotations

from collections.abc import Callable

from rebuilder.attest.statements import require_digests_fit
from rebuilder.errors import IntegrityError
from rebuilder.model import ArtifactComparison, Comparison, FileDigest, Record, Verdict, worst

_HINT = "nothing was signed; run it again, and report it if it comes back"
_VOTES_ON_BYTES = (Verdict.REPRODUCED, Verdict.EQUIVALENT, Verdict.DIFFERENT, Verdict.FLAKY)


def check_before_signing(
    record: Record,
    *,
    rehash: Callable[[str], tuple[str, int]],
    rejudge: Callable[[Record], Comparison],
) -> None:
    """Raise ``IntegrityError`` unless the verdicts follow from bytes that are really there.

    ``rehash`` reads the blob of that name and gives (sha256, size) of what it read; ``rejudge`` computes
    the comparison afresh from the published files and attempts of the record, not from its comparison.
    """
    if record.comparison is None:
        return
    recorded = record.comparison.artifacts
    for compared in recorded:
        require_digests_fit(compared)
        for file in _files(compared):
            _same_bytes(file, rehash(file.sha256))
    again = rejudge(record).artifacts
    if [_essence(one) for one in recorded] != [_essence(one) for one in again]:
        msg = f"expected the recorded verdicts {_words(recorded)}, found {_words(again)} when judged again"
        raise IntegrityError(msg, hint=_HINT)
    named = tuple(one.verdict for one in recorded if one.named)
    if not named or worst(named) is not record.verdict:
        found = worst(named).value if named else "no named artifact"
        msg = f"expected the run's verdict {record.verdict.value} to be its worst, found {found}"
        raise IntegrityError(msg, hint=_HINT)


def _files(compared: ArtifactComparison) -> tuple[FileDigest, ...]:
    rebuilt = tuple(file for file in compared.rebuilt if file is not None)
    return (compared.published, *rebuilt) if compared.verdict in _VOTES_ON_BYTES else rebuilt


def _same_bytes(file: FileDigest, found: tuple[str, int]) -> None:
    if found != (file.sha256, file.size):
        msg = f"{file.name}: expected {file.size} bytes with sha256 {file.sha256}, found {found[1]} with {found[0]}"
        raise IntegrityError(msg, hint=_HINT)


def _essence(compared: ArtifactComparison) -> tuple[object, ...]:
    rebuilt = tuple((file.sha256, file.size) if file is not None else None for file in compared.rebuilt)
    published = (compared.published.sha256, compared.published.size)
    return (compared.artifact, compared.named, compared.verdict, compared.normalisers, published, rebuilt)


def _words(compared: tuple[ArtifactComparison, ...]) -> str:
    return ", ".join(f"{one.artifact} {one.verdict.value}" for one in compared)
