"""From `Packages` and `Sources` to what was published: pure functions on lists that were verified.

One source makes several packages; a purl names one of them, or the source and so all of them. Spec:
deb-control fields of Debian Policy 5, and the repository format's `Package-List` and `Checksums-Sha256`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rebuilder import deb822
from rebuilder.errors import Stopped, UsageError
from rebuilder.model import Artifact, BuildKind, Located, Published, Verdict
from rebuilder.resolve.debian_target import NAME, SOURCE, VERSION, Target, nearest, newest, order

Paragraph = dict[str, str]
_SOURCE_FIELD = re.compile(r"(\S+)(?: \(([^()\s]+)\))?\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SIZE = re.compile(r"[0-9]{1,15}\Z")
_BINARY_ONLY = re.compile(r"\+b[1-9][0-9]*\Z")


@dataclass(frozen=True, kw_only=True)
class Lists:
    """The verified lists of one suite, unpacked."""

    suite: str
    archive: str
    architecture: str
    packages: bytes
    sources: bytes
    #: Readers of `Packages` of the suites this one builds on: only to say where else a name is known.
    others: Mapping[str, Callable[[], bytes]]


@dataclass(frozen=True, kw_only=True)
class Picked:
    """What a target came to: one source, and every package that was published from it."""

    source: Paragraph
    artifacts: tuple[Artifact, ...]
    files: tuple[Located, ...]
    #: The package that was asked for; for a source, its own name and version.
    name: str
    version: str
    architecture: str
    #: The `Packages` paragraphs the artifacts came from, in the same order.
    paragraphs: tuple[Paragraph, ...]
    warnings: tuple[str, ...]


def pick(target: Target, lists: Lists) -> Picked:
    """Find the target and all that belongs to it.

    Raises ``UsageError`` for a name or version the suite does not have, ``Stopped(unavailable)`` if the index
    has no such source, ``deb822.Malformed`` if a signed list is not what its format says.
    """
    paragraph = _binary(target, lists) if target.architecture != SOURCE else None
    if paragraph is not None:
        source = _source_of_binary(paragraph, lists)
        name, version, architecture = paragraph["Package"], paragraph["Version"], paragraph["Architecture"]
    else:
        source = source_paragraph(target, lists)
        name, version, architecture = source["Package"], source["Version"], SOURCE
    published = _of_source(source, lists)
    kept, warnings = _one_build(published, paragraph)
    if not kept:
        msg = f"source {name} {version} of {lists.suite} has no package for {lists.architecture} or all to compare with"
        raise UsageError(msg, hint="name a package that is published for this architecture")
    named = {name} if paragraph is not None else {item["Package"] for item in kept}
    return Picked(
        source=source,
        artifacts=tuple(artifact(item, lists.archive, named=item["Package"] in named) for item in kept),
        files=source_files(source, lists.archive),
        name=name,
        version=version,
        architecture=architecture,
        paragraphs=tuple(kept),
        warnings=(*warnings, *_installer_packages(source)),
    )


def source_of(paragraph: Paragraph) -> tuple[str, str]:
    """Name and version of the source of a package: its `Source` field, or its own."""
    match = _SOURCE_FIELD.match(paragraph.get("Source", paragraph["Package"]))
    if not match:
        msg = f"package {paragraph['Package']!r}: expected 'Source: name (version)', found {paragraph['Source'][:80]!r}"
        raise deb822.Malformed(msg)
    return match[1], match[2] or paragraph["Version"]


def binary_only_suffix(version: str, source_version: str) -> str:
    """`+b8` for a package that was rebuilt without a change of its source; empty for any other."""
    match = _BINARY_ONLY.search(version)
    return match[0] if match and not source_version.endswith(match[0]) else ""


def artifact(paragraph: Paragraph, archive: str, *, named: bool) -> Artifact:
    """One published package. Raises ``deb822.Malformed`` for fields that are missing or not sane."""
    build: BuildKind = "all" if paragraph["Architecture"] == "all" else "any"
    path = paragraph.get("Filename", "").removeprefix("./")
    return Artifact(
        file=located(archive, path, paragraph.get("SHA256", ""), paragraph.get("Size", "")),
        package=paragraph["Package"],
        version=paragraph["Version"],
        architecture=paragraph["Architecture"],
        build=build,
        named=named,
    )


def source_files(source: Paragraph, archive: str) -> tuple[Located, ...]:
    """Every file of a source, the `.dsc` first. Raises ``deb822.Malformed``."""
    folder = source.get("Directory", "").removeprefix("./").strip("/")
    listed = deb822.checksums(source.get("Checksums-Sha256", ""))
    files = [
        located(archive, f"{folder}/{item.name}" if folder else item.name, item.sha256, str(item.size))
        for item in listed
    ]
    if any("/" in item.name for item in listed) or sum(file.name.endswith(".dsc") for file in files) != 1:
        names = ", ".join(item.name[:80] for item in listed) or "none"
        msg = f"source {source.get('Package')!r}: expected plain files, one of them a .dsc, found {names}"
        raise deb822.Malformed(msg)
    return tuple(sorted(files, key=lambda file: not file.name.endswith(".dsc")))


def located(archive: str, path: str, sha256: str, size: str) -> Located:
    """A file of an archive from index fields. Raises ``deb822.Malformed`` if one is not what it should be."""
    if not deb822.safe_path(path) or not _SHA256.match(sha256) or not _SIZE.match(size):
        msg = f"expected a path, sha256 and size, found {path[:160]!r}, {sha256[:80]!r}, {size[:20]!r}"
        raise deb822.Malformed(msg)
    return Located(name=path.rpartition("/")[2], sha256=sha256, size=int(size), archive=archive, path=path)


def lists_source(sources: bytes, published: Published) -> bool:
    """Whether a verified `Sources` list names this source with the very same files. Raises ``deb822.Malformed``."""
    expected = {(file.name, file.sha256, file.size) for file in published.source_files}
    for paragraph in _whole(sources, "Package", {published.source_name}, ("Version",)):
        if paragraph["Version"] == published.source_version:
            listed = source_files(paragraph, "")
            return {(file.name, file.sha256, file.size) for file in listed} == expected
    return False


def _binary(target: Target, lists: Lists) -> Paragraph | None:
    """The package by that name, in the version asked for; ``None`` if the name is no package of the suite."""
    wanted = {target.architecture} if target.architecture else {lists.architecture, "all"}
    found = [item for item in _whole(lists.packages, "Package", {target.name}) if item["Architecture"] in wanted]
    if not found:
        return None
    version = _choose(target, [item["Version"] for item in found], "package", lists)
    return next(item for item in found if item["Version"] == version)


def source_paragraph(target: Target, lists: Lists) -> Paragraph:
    """The source of that name. ``UsageError`` for a name or version the suite does not have."""
    found = list(_whole(lists.sources, "Package", {target.name}, ("Version",)))
    if not found:
        kind = "source" if target.architecture == SOURCE else "package"
        known = deb822.names(lists.sources, "Package")
        if target.architecture != SOURCE:
            known |= deb822.names(lists.packages, "Package")
        msg = f"there is no {kind} {target.name!r} in {lists.suite} for {lists.architecture}"
        also = [name for name, read in lists.others.items() if any(deb822.find(read(), "Package", {target.name}))]
        hint = f"{also[0]} has one: distro={also[0]}" if also else "the suite is the one that distro= names"
        raise UsageError(msg + nearest(target.name, known), hint=hint)
    version = _choose(target, [item["Version"] for item in found], "source", lists)
    return next(item for item in found if item["Version"] == version)


def _choose(target: Target, versions: list[str], kind: Literal["package", "source"], lists: Lists) -> str:
    if not target.version:
        return newest(versions)
    if target.version in versions:
        return target.version
    there = ", ".join(sorted(set(versions)))
    msg = f"{lists.suite} has no version {target.version} of {kind} {target.name}; it has {there}"
    raise UsageError(msg, hint="leave the version out for the newest, or verify a pinned recipe of the older version")


def _source_of_binary(paragraph: Paragraph, lists: Lists) -> Paragraph:
    name, version = source_of(paragraph)
    for source in _whole(lists.sources, "Package", {name}, ("Version",)):
        if source["Version"] == version:
            return source
    package = paragraph["Package"]
    reason = f"the signed index of {lists.suite} has package {package}, but not its source {name} {version}"
    raise Stopped(Verdict.UNAVAILABLE, reason, missing=(f"source {name} {version}",))


def _of_source(source: Paragraph, lists: Lists) -> list[Paragraph]:
    """Every package of this architecture, or of all, that says it comes from exactly this source."""
    identity = (source["Package"], source["Version"])
    names = {name.strip() for name in source.get("Binary", "").replace("\n", " ").split(",")}
    names |= {line.split()[0] for line in source.get("Package-List", "").split("\n") if line.strip()}
    found: dict[tuple[str, str, str], Paragraph] = {}
    for item in _whole(lists.packages, "Package", names):
        if item["Architecture"] in {lists.architecture, "all"} and source_of(item) == identity:
            found.setdefault((item["Package"], item["Version"], item["Architecture"]), item)
    return list(found.values())


def _one_build(published: list[Paragraph], asked: Paragraph | None) -> tuple[list[Paragraph], tuple[str, ...]]:
    """Keep the packages of one build; those of another binary-only rebuild of the same source are named."""
    latest = {item["Package"]: item for item in sorted(published, key=lambda item: order(item["Version"]))}
    if asked is not None:
        latest[asked["Package"]] = asked
    published = [item for item in published if item == latest[item["Package"]]]
    suffixes = {_suffix(item) for item in published if item["Architecture"] != "all"}
    if len(suffixes) <= 1:
        return published, ()
    asked_for = asked if asked is not None and asked["Architecture"] != "all" else None
    suffix = _suffix(asked_for) if asked_for else max(suffixes, key=lambda text: int(text[2:] or 0))
    kept = [item for item in published if item["Architecture"] == "all" or _suffix(item) == suffix]
    others = [f"{item['Package']} {item['Version']}" for item in published if item not in kept]
    return kept, (f"not compared, for they come from another rebuild of the same source: {', '.join(others)}",)


def _suffix(paragraph: Paragraph) -> str:
    return binary_only_suffix(paragraph["Version"], source_of(paragraph)[1])


def _installer_packages(source: Paragraph) -> tuple[str, ...]:
    rows = [line.split() for line in source.get("Package-List", "").split("\n")]
    names = [row[0] for row in rows if len(row) > 1 and row[1] == "udeb"]
    if not names:
        return ()
    return (f"not compared: this source's packages for the installer ({', '.join(names)}), which other lists name",)


def _whole(
    data: bytes, field: str, names: set[str], needed: tuple[str, ...] = ("Version", "Architecture")
) -> list[Paragraph]:
    """Paragraphs whose ``field`` is exactly one of ``names``. Raises ``deb822.Malformed`` if a needed field lacks."""
    found = [item for item in deb822.find(data, field, names) if item[field] in names]
    for item in found:
        name, version = item[field], item.get("Version", "")
        lacks = [key for key in needed if key not in item]
        if lacks or not NAME.match(name) or not VERSION.match(version):
            msg = f"package {name[:80]!r} {version[:80]!r}: no proper name or version, or no {' and '.join(lacks)}"
            raise deb822.Malformed(msg)
    return found
