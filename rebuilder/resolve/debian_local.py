"""Sources and packages at hand: an unpacked tree or a `.dsc`, and `.deb` files. Nobody vouches for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rebuilder import deb822
from rebuilder.errors import DigestMismatchError, Stopped, TooLargeError, UsageError
from rebuilder.model import Artifact, EndorsementResult, FileDigest, Located, Published, SourceKind, Verdict
from rebuilder.recipe import RecipeSource
from rebuilder.resolve import debian_unpack
from rebuilder.resolve.debian_changelog import newest_entry
from rebuilder.resolve.debian_lists import Paragraph, binary_only_suffix, source_of
from rebuilder.resolve.debian_recipe import ECOSYSTEM, recipe_file
from rebuilder.resolve.debian_source import DSC_LIMIT, parse_dsc
from rebuilder.resolve.debian_target import NAME, SOURCE, VERSION, purl_of
from rebuilder.treetar import read_file, tree_tar

if TYPE_CHECKING:
    from rebuilder.ports import Blobs, Endorser

#: Files that no archive has; they lie in the blobs.
LOCAL = "local"
NO_ANCHOR = "none"
BY_HAND = "given by hand"
FILE_LIMIT = 8 * 1024**3
_CHUNK = 1024**2


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What was at hand; its bytes are in the blobs. The suite and its indexes are still to be filled in."""

    published: Published
    source: RecipeSource


def gather(
    source: Path, artifacts: tuple[Path, ...], *, blobs: Blobs, endorser: Endorser, architecture: str
) -> Gathered:
    """Take them into the blobs. ``UsageError`` for a file that is missing, broken, or not of this source;
    ``Stopped(refused)`` for a `.dsc` with a bad signature."""
    made = _tree(source, blobs) if source.is_dir() else _dsc(source, blobs, endorser)
    if not artifacts:
        msg = "expected at least one .deb to compare with, found none"
        raise UsageError(msg, hint="name each with --artifact FILE")
    found = tuple(_artifact(path, made, blobs, architecture) for path in artifacts)
    if len({item.file.name for item in found}) != len(found):
        msg = f"the same file name twice: {', '.join(item.file.name for item in found)}"
        raise UsageError(msg)
    published = Published(
        purl=purl_of(made.name, made.version, "", SOURCE),
        ecosystem=ECOSYSTEM,
        suite="",
        source_name=made.name,
        source_version=made.version,
        artifacts=found,
        source_files=tuple(Located(**file.model_dump(), archive=LOCAL) for file in made.files),
    )
    return Gathered(published=published, source=made)


def _tree(folder: Path, blobs: Blobs) -> RecipeSource:
    """An unpacked tree, as one tar that is the same for the same files."""
    changelog = folder / "debian" / "changelog"
    if not changelog.is_file():
        msg = f"expected an unpacked Debian source, found no debian/changelog in {folder}"
        raise UsageError(msg, hint="name a folder that has debian/ in it, or a .dsc file")
    try:
        entry = newest_entry(read_file(changelog, debian_unpack.MEMBER_LIMIT))
    except deb822.Malformed as error:
        msg = f"{changelog}: {error}"
        raise UsageError(msg) from error
    if not VERSION.match(entry.version):
        msg = f"{changelog}: expected a version as Debian Policy 5.6.12 allows it, found {entry.version[:80]!r}"
        raise UsageError(msg)
    plain = entry.version.partition(":")[2] or entry.version
    tar = tree_tar(folder, f"{entry.source}-{plain}", entry.epoch)
    file = blobs.put(tar, name=f"{entry.source}_{plain}.tree.tar", limit=FILE_LIMIT)
    return _recipe_source(SourceKind.LOCAL_TREE, entry.source, entry.version, (file,))


def _dsc(path: Path, blobs: Blobs, endorser: Endorser) -> RecipeSource:
    """A `.dsc` and the files beside it, each by the digest that it names. It is called signed only if a key we
    hold has signed it; else it is an archive of sources of which nobody says more."""
    if not path.name.endswith(".dsc") or not path.is_file():
        msg = f"expected a folder with debian/ in it or a .dsc file, found {path}"
        raise UsageError(msg)
    data = read_file(path, DSC_LIMIT)
    text, check = endorser.signed_text(data, subject=path.name)
    try:
        dsc = parse_dsc(text)
    except deb822.Malformed as error:
        msg = f"{path}: not a .dsc: {error}"
        raise UsageError(msg, hint=f"its signature: {check.reason}") from error
    if check.result is EndorsementResult.INVALID:
        reason = f"{path.name}: its signature is not valid: {check.reason}"
        raise Stopped(Verdict.REFUSED, reason)
    missing = [item.name for item in dsc.files if not (path.parent / item.name).is_file()]
    if missing:
        msg = f"{path} names files that do not lie beside it: {', '.join(missing)}"
        raise UsageError(msg, hint="fetch them into the same folder, for example with dget or apt-get source")
    files = [blobs.put([data], name=path.name, limit=DSC_LIMIT)]
    files += [_store(path.parent / item.name, blobs, expect=item.sha256) for item in dsc.files]
    kind = SourceKind.SIGNED_DSC if check.result is EndorsementResult.VALID else SourceKind.RELEASE_TARBALL
    return _recipe_source(kind, dsc.name, dsc.version, tuple(files))


def _artifact(path: Path, source: RecipeSource, blobs: Blobs, architecture: str) -> Artifact:
    if not path.is_file():
        msg = f"expected a .deb file, found {path}"
        raise UsageError(msg)
    file = _store(path, blobs)
    control = _control(blobs.path(file.sha256), path)
    try:
        name, version = source_of(control)
    except deb822.Malformed as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error
    suffix = binary_only_suffix(control["Version"], source.version)
    if (name, version) not in {(source.name, source.version), (source.name, source.version + suffix)}:
        msg = f"{path.name}: expected a package of source {source.name} {source.version}, it is of {name} {version}"
        raise UsageError(msg, hint="name the source that the package says it was built from")
    if control["Architecture"] not in {architecture, "all"}:
        msg = f"{path.name}: expected architecture {architecture} or all, found {control['Architecture'][:40]!r}"
        raise UsageError(msg, hint="only these can be rebuilt here")
    return Artifact(
        file=Located(**file.model_dump(), archive=LOCAL, path=file.name),
        package=control["Package"],
        version=control["Version"],
        architecture=control["Architecture"],
        build="all" if control["Architecture"] == "all" else "any",
    )


def _control(blob: Path, path: Path) -> Paragraph:
    try:
        members = debian_unpack.deb_members(blob, path.name, "control.tar", lambda name: name == "control")
        control = deb822.fields(next((data for _, data in members), b"").strip(b"\n"))
    except deb822.Malformed as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error
    wrong = [
        key
        for key, pattern in (("Package", NAME), ("Version", VERSION), ("Architecture", NAME))
        if not pattern.match(control.get(key, ""))
    ]
    if wrong:
        msg = f"{path}: expected a Debian package with {' and '.join(wrong)} in its control file, found none"
        raise UsageError(msg)
    return control


def _store(path: Path, blobs: Blobs, expect: str | None = None) -> FileDigest:
    try:
        return blobs.put(_chunks(path), name=path.name, limit=FILE_LIMIT, expect=expect)
    except (DigestMismatchError, TooLargeError) as error:
        msg = f"{path} is not the file that the .dsc names: {error}" if expect else f"{path}: {error}"
        raise UsageError(msg, hint="fetch it again" if expect else "") from error


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _recipe_source(kind: SourceKind, name: str, version: str, files: tuple[FileDigest, ...]) -> RecipeSource:
    located = (Located(**file.model_dump(), archive=LOCAL, path=file.name) for file in files)
    return RecipeSource(
        kind=kind, name=name, version=version, archive=LOCAL, files=tuple(recipe_file(file) for file in located)
    )
