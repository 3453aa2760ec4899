"""From signed lists to artifact and source digests: pure. Every step is a line in words with its digest.

Three outcomes for each file: the list names this digest, it names another for the same package and version
(a contradiction, which refuses), or it does not name the package and version at all (missing).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rebuilder import deb822
from rebuilder.errors import UsageError
from rebuilder.model import Artifact, Located, Published

#: Four times what the largest suite needs today.
LIST_LIMIT = 512 * 1024**2


@dataclass(frozen=True, kw_only=True)
class SignedList:
    """A list whose digest a verified index names. ``path`` is as in that index; ``data`` is unpacked."""

    path: str
    sha256: str
    data: bytes

    def is_kind(self, kind: str) -> bool:
        """Whether it is a `Packages` or a `Sources` list."""
        return self.path.rpartition("/")[2].partition(".")[0] == kind


@dataclass(kw_only=True)
class Findings:
    """What the lists say about everything that was published."""

    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)


def follow(published: Published, lists: Sequence[SignedList]) -> Findings:
    """Look up every artifact and every source file. Raises ``deb822.Malformed`` for a paragraph that does not
    parse, ``UsageError`` if the index gives an artifact another file name or source than the recipe does."""
    findings = Findings()
    binaries = [entry for entry in lists if entry.is_kind("Packages")]
    names = {artifact.package for artifact in published.artifacts}
    paragraphs = [(entry, found) for entry in binaries for found in deb822.find(entry.data, "Package", names)]
    for artifact in published.artifacts:
        _artifact(published, artifact, paragraphs, findings)
    _source(published, [entry for entry in lists if entry.is_kind("Sources")], findings)
    return findings


def _artifact(
    published: Published,
    artifact: Artifact,
    paragraphs: Sequence[tuple[SignedList, dict[str, str]]],
    findings: Findings,
) -> None:
    called = f"{artifact.package} {artifact.version} {artifact.architecture}"
    key = (artifact.package, artifact.version, artifact.architecture)
    listed = [
        (entry, found)
        for entry, found in paragraphs
        if (found.get("Package"), found.get("Version"), found.get("Architecture")) == key
    ]
    if not listed:
        findings.missing.append(f"{called}: no signed list names it")
    for entry, found in listed:
        sha256, size = found.get("SHA256", ""), found.get("Size", "")
        if (sha256, size) != (artifact.file.sha256, str(artifact.file.size)):
            findings.contradictions.append(
                f"{called}: expected sha256 {artifact.file.sha256} of {artifact.file.size} bytes, but the signed "
                f"{entry.path} says sha256 {sha256 or 'nothing'} of {size or 'unknown'} bytes"
            )
            continue
        _refuse_other_names(published, artifact, found)
        findings.lines.append(f"{entry.path} names {artifact.file.name} ({called}) with sha256 {sha256}, {size} bytes")


def _refuse_other_names(published: Published, artifact: Artifact, found: dict[str, str]) -> None:
    """The right bytes under a wrong name, or held against a wrong source, would be a false statement of ours."""
    file_name = found.get("Filename", "").rpartition("/")[2]
    if file_name != artifact.file.name:
        msg = f"the recipe calls sha256 {artifact.file.sha256} {artifact.file.name!r}, the signed index {file_name!r}"
        raise UsageError(msg, hint="write the recipe again with rebuilder init")
    name, _, bracket = found.get("Source", artifact.package).partition(" ")
    source = (name, bracket.strip("() ") or artifact.version)
    expected = (published.source_name, published.source_version)
    if source != expected:
        msg = (
            f"the recipe says that {artifact.file.name} is built from {' '.join(expected)}, the signed index says "
            f"from {' '.join(source)}"
        )
        raise UsageError(msg, hint="write the recipe again with rebuilder init")


def _source(published: Published, lists: Sequence[SignedList], findings: Findings) -> None:
    called = f"source {published.source_name} {published.source_version}"
    listed = list(_source_files(published, lists))
    if not listed:
        findings.missing.append(f"{called}: no signed list names it")
    for entry, files in listed:
        for file in published.source_files:
            _source_file(file, called, entry, files, findings)


def _source_files(
    published: Published, lists: Sequence[SignedList]
) -> Iterator[tuple[SignedList, dict[str, deb822.ListedFile]]]:
    for entry in lists:
        for found in deb822.find(entry.data, "Package", {published.source_name}):
            if found.get("Version") == published.source_version:
                files = deb822.checksums(found.get("Checksums-Sha256", ""))
                yield entry, {file.name: file for file in files}


def _source_file(
    file: Located, called: str, entry: SignedList, files: dict[str, deb822.ListedFile], findings: Findings
) -> None:
    listed = files.get(file.name)
    if listed is None:
        findings.missing.append(f"{called}: {entry.path} names no file {file.name}")
    elif (listed.sha256, listed.size) != (file.sha256, file.size):
        findings.contradictions.append(
            f"{called}: expected {file.name} with sha256 {file.sha256} of {file.size} bytes, but the signed "
            f"{entry.path} says sha256 {listed.sha256} of {listed.size} bytes"
        )
    else:
        findings.lines.append(f"{entry.path} names {file.name} ({called}) with sha256 {file.sha256}, {file.size} bytes")
