"""Who vouches for a package of a language's index: from saved bytes alone, by keys of the operator's trust store.

The index's own digests are the weakest evidence and stand in the chain under that name. Signatures and signed lists
of digests come from the publisher by other ways, and are given by hand.
"""

from __future__ import annotations

from rebuilder.endorse import answers, papers, voices
from rebuilder.endorse.anchors import NOBODY, Anchor
from rebuilder.endorse.body import Stored, not_saved
from rebuilder.endorse.papers import PAPER_LIMIT, Paper
from rebuilder.endorse.trust import TrustStore
from rebuilder.endorse.voices import Case, Judge, Said, Voice
from rebuilder.errors import Stopped, TooLargeError, UsageError
from rebuilder.model import Endorsement, EndorsementResult, FileDigest, Published, Verdict
from rebuilder.ports import Blobs
from rebuilder.releases import Release

_VALID, _INVALID, _NO_KEY = EndorsementResult.VALID, EndorsementResult.INVALID, EndorsementResult.NO_KEY
_MISSING = EndorsementResult.MISSING
#: In which order checks are told: who looks at the first has the one that counts.
_ORDER = (_VALID, _INVALID, _NO_KEY, _MISSING)


class PackageEndorser:
    """Judges what stands beside a release. ``judges`` are asked one after the other, and each adds to the chain."""

    def __init__(self, store: TrustStore, blobs: Blobs, *, judges: tuple[Judge, ...] = voices.JUDGES) -> None:
        self._trust = store
        self._blobs = blobs
        self._judges = judges

    def chain(
        self,
        published: Published,
        *,
        anchor: str,
        allow_missing: str,
        release: Release | None = None,
        papers: tuple[FileDigest, ...] = (),
    ) -> Endorsement:
        """Who vouches for the artifacts of ``published``, by the keys of ``anchor`` (`none`: by nobody's).

        ``papers`` are signature files and lists of digests, in the blobs and put to the artifacts by their names.
        ``valid`` if every named artifact is vouched for; ``invalid`` if a signature by a pinned key is bad, or a list
        that such a key signed names another digest. ``Stopped(unavailable)`` if nobody vouches and ``allow_missing``
        gives no reason; else ``no-key`` where others signed, and ``missing``. ``UsageError`` for an anchor that the
        store has not, for papers that can't be told apart or are too large, ``InfrastructureError`` for bytes that
        are not in the blobs.
        """
        case = self._case(published, anchor, release, papers)
        said = Said(notes=list(case.desk.notes))
        for judge in self._judges:
            found = judge(case)
            said.voices += found.voices
            said.checks += found.checks
            said.evidence += found.evidence
            said.notes += found.notes
        result, reason = _outcome(published, said.voices, anchor, allow_missing)
        return Endorsement(
            result=result,
            anchor=anchor if result is _VALID else "",
            reason=reason,
            checks=tuple(sorted(said.checks, key=lambda check: _ORDER.index(check.result))),
            chain=(*(voice.line for voice in said.voices), *said.notes),
            evidence=tuple(said.evidence),
        )

    def _case(self, published: Published, anchor: str, release: Release | None, given: tuple[FileDigest, ...]) -> Case:
        files = tuple(_plain(artifact.file) for artifact in published.artifacts)
        sources = tuple(_plain(file) for file in published.source_files)
        desk = papers.sort(map(self._paper, given), (file.name for file in (*files, *sources)))
        return Case(
            anchor=Anchor(name=NOBODY, kind="openpgp") if anchor == NOBODY else self._trust.anchor(anchor),
            artifacts=files,
            bodies={file.name: Stored(file, self._blobs) for file in files},
            sources={file.name: Stored(file, self._blobs) for file in sources},
            desk=desk,
            release=release,
            answer=self._read(release.answer, answers.ANSWER_LIMIT) if release else None,
        )

    def _paper(self, file: FileDigest) -> Paper:
        return Paper(file, self._read(file, PAPER_LIMIT))

    def _read(self, file: FileDigest, limit: int) -> bytes:
        try:
            return self._blobs.read(file.sha256, limit=limit)
        except KeyError:
            raise not_saved(file) from None
        except TooLargeError as error:
            msg = f"{file.name}: {error}"
            raise UsageError(msg) from None


def _plain(file: FileDigest) -> FileDigest:
    return FileDigest(name=file.name, sha256=file.sha256, size=file.size)


def _outcome(
    published: Published, found: list[Voice], anchor: str, allow_missing: str
) -> tuple[EndorsementResult, str]:
    bad = [voice.line for voice in found if voice.result is _INVALID]
    if bad:
        return _INVALID, "; ".join(bad)
    lacking = {
        artifact.file.name: _lacking(artifact.file.name, found)
        for artifact in published.artifacts
        if artifact.named and not _spoken(artifact.file.name, found, _VALID)
    }
    if not lacking:
        return _VALID, f"anchor {anchor} vouches for every artifact that was asked for"
    what = "; ".join(words for _, words in lacking.values())
    if not allow_missing:
        reason = (
            f"no endorsement by anchor {anchor!r}, and the recipe does not allow that: {what}. {_again(anchor)}If it "
            "is right that nobody vouches, give the reason in the recipe as allow_missing in [endorsement]; the page "
            "and the statement then say so"
        )
        raise Stopped(Verdict.UNAVAILABLE, reason, missing=tuple(lacking))
    worst = _MISSING if any(result is _MISSING for result, _ in lacking.values()) else _NO_KEY
    return worst, f"{what}; the recipe allows that because: {allow_missing}"


def _again(anchor: str) -> str:
    """A recipe names an anchor and holds no signature: each time they are given by hand."""
    if anchor == NOBODY:
        return ""
    return (
        "Signatures and signed lists of digests are no part of a recipe: give them with --signature FILE --anchor "
        f"{anchor}. "
    )


def _lacking(name: str, found: list[Voice]) -> tuple[EndorsementResult, str]:
    """Why nobody vouches for one artifact; what is as expected of an index stands in the chain alone."""
    if _spoken(name, found, _NO_KEY):
        return _NO_KEY, f"{name}: signed, but by no key that is pinned"
    odd = [voice.line for voice in _of(name, found) if voice.result is _MISSING and not voice.expected]
    return _MISSING, "; ".join((f"{name}: nobody signed it, nor a list that names it", *odd))


def _spoken(name: str, found: list[Voice], result: EndorsementResult) -> list[str]:
    """What is said of one artifact to that result."""
    return [voice.line for voice in _of(name, found) if voice.result is result]


def _of(name: str, found: list[Voice]) -> list[Voice]:
    return [voice for voice in found if voice.artifact in {name, ""}]
