"""The verdict on each artifact: design section 3, and nothing else. No bytes are read here.

The rules, in the order they are applied to one artifact and all attempts to rebuild it:

1. No attempt was made, or the first one failed: `build-failed`, with its reason.
2. The first attempt gave no such file: `build-failed (missing-output)`.
3. Every attempt equals the published file: `reproduced`.
4. Some attempt equals it and some does not: `flaky`.
5. A second attempt has to exist before anything worse is said. One that failed, or gave no such file,
   does not agree with the first: `flaky`.
6. All attempts agree with each other, or agree on a part that the published file does not have: `different`,
   unless every attempt is equal to the published file after normalisers the recipe names: `equivalent`.
7. Else every difference lies where our own rebuilds differ from each other: `flaky`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rebuilder.model import (
    Artifact,
    ArtifactComparison,
    Attempt,
    BuildKind,
    Comparison,
    FileDigest,
    SelfInput,
    Verdict,
)

#: Whether all rebuilds agree on some part that the published file does not have.
AgreeOtherwise = Callable[[FileDigest, tuple[FileDigest, ...]], bool]
#: The recipe's normalisers (by label) after which all rebuilds equal the published file, and how many fields each
#: changed; empty: they do not.
EqualAfter = Callable[[FileDigest, tuple[FileDigest, ...]], Mapping[str, int]]


class SecondAttemptNeededError(ValueError):
    """A difference was found and only one attempt exists; no verdict may be given yet."""


def needs_second(artifacts: tuple[Artifact, ...], attempts: tuple[Attempt, ...]) -> tuple[BuildKind, ...]:
    """Kinds of build that must be repeated before verdicts can be given, in order of first use."""
    kinds: dict[BuildKind, None] = {}
    for artifact in artifacts:
        tried = attempts_for(artifact, attempts)
        if len(tried) == 1:
            rebuilt = output(tried[0], artifact.file.name)
            if rebuilt is not None and not same(artifact.file, rebuilt):
                kinds[artifact.build] = None
    return tuple(kinds)


def judge(
    artifacts: tuple[Artifact, ...],
    attempts: tuple[Attempt, ...],
    *,
    agree_otherwise: AgreeOtherwise,
    equal_after: EqualAfter,
    self_input: tuple[SelfInput, ...] = (),
) -> Comparison:
    """The verdict on every artifact. Raises ``SecondAttemptNeededError`` if one may not be given yet."""
    return Comparison(
        artifacts=tuple(_judge_one(artifact, attempts, agree_otherwise, equal_after) for artifact in artifacts),
        unpublished=unpublished(artifacts, attempts),
        self_input=self_input,
    )


def _judge_one(
    artifact: Artifact, attempts: tuple[Attempt, ...], agree_otherwise: AgreeOtherwise, equal_after: EqualAfter
) -> ArtifactComparison:
    tried = attempts_for(artifact, attempts)
    rebuilt = tuple(output(attempt, artifact.file.name) for attempt in tried)
    published = FileDigest(name=artifact.file.name, sha256=artifact.file.sha256, size=artifact.file.size)
    verdict, reason, normalisers = _decide(published, tried, rebuilt, agree_otherwise, equal_after)
    return ArtifactComparison(
        artifact=artifact.file.name,
        named=artifact.named,
        verdict=verdict,
        reason=reason,
        published=published,
        rebuilt=rebuilt,
        normalisers=tuple(sorted(normalisers)),
        cleared=dict(normalisers),
    )


def _decide(
    published: FileDigest,
    tried: tuple[Attempt, ...],
    rebuilt: tuple[FileDigest | None, ...],
    agree_otherwise: AgreeOtherwise,
    equal_after: EqualAfter,
) -> tuple[Verdict, str, Mapping[str, int]]:
    if not tried:
        return Verdict.BUILD_FAILED, "no build of this kind was made", {}
    if tried[0].failure:
        return Verdict.BUILD_FAILED, f"{tried[0].failure}: {tried[0].detail}", {}
    if rebuilt[0] is None:
        return Verdict.BUILD_FAILED, "missing-output: the build ended well but did not make this file", {}
    made = tuple(file for file in rebuilt if file is not None)
    equal = [same(published, file) for file in made]
    if all(equal) and len(made) == len(tried):
        return Verdict.REPRODUCED, "every byte equal", {}
    if any(equal):
        return Verdict.FLAKY, f"{sum(equal)} of {len(tried)} rebuilds equal the published file, the others do not", {}
    if len(tried) == 1:
        msg = f"{published.name} differs; it has to be built a second time before a verdict is given"
        raise SecondAttemptNeededError(msg)
    if len(made) != len(tried):
        return Verdict.FLAKY, "one rebuild made other bytes, another made none", {}
    if len({file.sha256 for file in made}) > 1 and not agree_otherwise(published, made):
        return Verdict.FLAKY, "every difference lies where our own rebuilds differ from each other", {}
    if normalisers := equal_after(published, made):
        return Verdict.EQUIVALENT, f"equal only after {', '.join(sorted(normalisers))}", normalisers
    return Verdict.DIFFERENT, f"{len(tried)} rebuilds agree on bytes that the published file does not have", {}


def attempts_for(artifact: Artifact, attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """The attempts that could have made this artifact, in order."""
    return tuple(attempt for attempt in attempts if attempt.build == artifact.build)


def output(attempt: Attempt, name: str) -> FileDigest | None:
    """What that attempt made under this name; nothing if it failed."""
    if attempt.failure:
        return None
    return next((file for file in attempt.outputs if file.name == name), None)


def same(one: FileDigest, other: FileDigest) -> bool:
    """Equal in every byte: sha256 and size."""
    return one.sha256 == other.sha256 and one.size == other.size


def unpublished(artifacts: tuple[Artifact, ...], attempts: tuple[Attempt, ...]) -> tuple[FileDigest, ...]:
    """What the first attempts built but nobody published (debug symbols): recorded, without a verdict."""
    known = {artifact.file.name for artifact in artifacts}
    first = [attempt for attempt in attempts if attempt.number == 1]
    files = {file.name: file for attempt in first for file in attempt.outputs if file.name not in known}
    return tuple(files[name] for name in sorted(files))
